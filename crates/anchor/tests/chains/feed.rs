//! A real anvil with one contract that follows a ledger's leaves.

use alloy::{primitives::Address, sol_types::SolCall};
use anchor::{
    Journal, Next, PublicChain, Schedule, Service, StepError,
    ethereum::{
        Deployment, Ethereum, Key, Kind, Settings, Told,
        contract::{Feed, Records},
        deploy,
    },
};
use base::{ChainId, Millis};
use ledger::Ledger;
use serde_json::{Value, json};
use std::time::Duration;

use crate::{
    anvil::{Anvil, KEYS, NETWORK, number},
    world::{CONFIRMATIONS, SCHEDULE, T0},
};

pub(crate) const GWEI: u64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// Keys of owners and of strangers.
pub(crate) fn key(owner: usize) -> Key {
    Key::new(&KEYS[owner]).unwrap()
}

/// A contract of `ledger` for what `kind` says, owned by the first two keys, and its node.
pub(crate) struct Fed {
    pub(crate) anvil: Anvil,
    pub(crate) settings: Settings,
    pub(crate) ledger: ChainId,
}

impl Fed {
    pub(crate) fn start(kind: Kind, ledger: ChainId) -> Self {
        // The ledger's time, whatever the machine's is.
        let time = (T0.0 / 1_000).to_string();
        Self::on(Anvil::with(&["--timestamp", &time]), kind, ledger)
    }

    pub(crate) fn on(anvil: Anvil, kind: Kind, ledger: ChainId) -> Self {
        let settings = contract(&anvil, kind, ledger);
        Self {
            anvil,
            settings,
            ledger,
        }
    }

    pub(crate) fn client<S: Told + 'static>(&self, owner: usize) -> Box<dyn PublicChain<S>> {
        let client = Ethereum::<S>::new(self.settings.clone(), self.ledger, key(owner));
        Box::new(client.unwrap())
    }

    pub(crate) fn service<'j, S: Told + 'static>(
        &self,
        journal: &'j Journal,
        owner: usize,
    ) -> Service<'j, S> {
        Service::new(self.client(owner), journal, SCHEDULE, T0)
    }

    /// Numbers of the leaves that the contract said something of, in the chain's order.
    pub(crate) fn said(&self) -> Vec<u64> {
        let logs = self.logs();
        let said = logs.as_array().unwrap().iter();
        // An owner's coming has two topics.
        let said = said.filter(|log| log["topics"].as_array().unwrap().len() > 2);
        let index = |log: &Value| {
            let topic = log["topics"][2].as_str().unwrap();
            u64::from_str_radix(&topic[50..], 16).unwrap()
        };
        said.map(index).collect()
    }

    /// Waits until a block has what was sent: so many leaves in all.
    pub(crate) fn include(&self, count: usize) {
        for _ in 0..500 {
            if self.said().len() == count {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{:?}", self.said());
    }

    pub(crate) fn logs(&self) -> Value {
        let filter = json!([{
            "fromBlock": "0x0", "toBlock": "latest",
            "address": format!("0x{}", hex::encode(self.settings.contract)),
        }]);
        self.anvil.call("eth_getLogs", filter)
    }

    /// Transactions of a key in blocks, without the one that made the contract.
    pub(crate) fn paid(&self, owner: usize) -> u64 {
        self.anvil.count(&key(owner).address()) - u64::from(owner == 0)
    }

    /// Steps, a block between two, until the service has nothing more to do.
    pub(crate) fn settle<S: Told>(&self, service: &mut Service<'_, S>, ledger: &Ledger) {
        for _ in 0..200 {
            let next = step(service, ledger, T0).unwrap();
            if next == Next::Idle && service.report(T0).unwrap().open == 0 {
                return;
            }
            self.anvil.mine(1);
        }
        panic!("it never ends: {:?}", service.report(T0));
    }
}

/// Another contract on a node that is there.
pub(crate) fn contract(anvil: &Anvil, kind: Kind, ledger: ChainId) -> Settings {
    let endpoint = anvil.url().parse().unwrap();
    let deployment = Deployment {
        kind,
        network: Some(NETWORK),
        ledger,
        key: &key(0),
        others: &[key(1).address()],
        fee_cap: 100 * GWEI,
    };
    let deployed = deploy(&endpoint, &deployment, PATIENCE, |_, _| {}).unwrap();
    Settings {
        endpoint,
        chain_id: NETWORK,
        contract: deployed.contract,
        from_block: deployed.block,
        fee_cap: 100 * GWEI,
        store: false,
        confirmations: CONFIRMATIONS,
        patience: PATIENCE,
    }
}

pub(crate) fn step<S: Told>(
    service: &mut Service<'_, S>,
    ledger: &Ledger,
    now: Millis,
) -> Result<Next, StepError> {
    service.step(&|| ledger.view(), now)
}

/// The usual schedule with another budget.
pub(crate) const fn budget(budget: u64) -> Schedule {
    Schedule { budget, ..SCHEDULE }
}

/// Sends a call by an account's key that the node holds, with a tip in gwei.
pub(crate) fn shove(fed: &Fed, owner: usize, call: &impl SolCall, tip: u64) {
    let tip = format!("{:#x}", tip * GWEI);
    let transaction = json!([{
        "from": Address::from(key(owner).address()),
        "to": Address::from(fed.settings.contract),
        "data": format!("0x{}", hex::encode(call.abi_encode())), "gas": "0x40000",
        "maxPriorityFeePerGas": tip, "maxFeePerGas": format!("{:#x}", 90 * GWEI),
    }]);
    fed.anvil.call("eth_sendTransaction", transaction);
}

/// The leaf that the contract waits for.
pub(crate) fn next(fed: &Fed) -> u64 {
    let data = format!("0x{}", hex::encode(Feed::nextCall {}.abi_encode()));
    let to = Address::from(fed.settings.contract);
    number(
        &fed.anvil
            .call("eth_call", json!([{"to": to, "data": data}, "latest"])),
    )
}

/// The call that submits a leaf.
pub(crate) fn record(index: u64, leaf: [u8; 32]) -> Records::recordCall {
    Records::recordCall {
        index,
        leaf: leaf.into(),
    }
}
