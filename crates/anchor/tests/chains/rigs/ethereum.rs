//! Ethereum.

use anchor::{
    AnchoredProof, Attempt, Chain, Checkpoint, Link, PublicChain,
    ethereum::{self, Deployment, EthereumTrust, Kind, deploy},
};
use base::Digest;
use serde_json::json;
use std::{
    cell::{Ref, RefCell},
    time::Duration,
};

use super::PATIENCE;
use crate::{
    anvil::{Anvil, KEYS, NETWORK},
    rig::{Competing, Known, Rig},
    world::{CONFIRMATIONS, World},
};

const GWEI: u64 = 1_000_000_000;

/// An anvil with the ledger's contract.
pub(crate) struct InEthereum {
    anvil: RefCell<Option<Anvil>>,
    pub(crate) settings: ethereum::Settings,
    kept: tempfile::TempDir,
}

pub(crate) fn ethereum_key(owner: usize) -> ethereum::Key {
    ethereum::Key::new(&KEYS[owner]).unwrap()
}

impl InEthereum {
    pub(crate) fn anvil(&self) -> Ref<'_, Anvil> {
        Ref::map(self.anvil.borrow(), |anvil| anvil.as_ref().unwrap())
    }

    fn made(
        &self,
        world: &World,
        settings: ethereum::Settings,
        owner: usize,
    ) -> Box<dyn PublicChain> {
        let key = ethereum_key(owner);
        Box::new(ethereum::Ethereum::<Checkpoint>::new(settings, world.chain(), key).unwrap())
    }

    /// Where the contract of a [`Rig::handle`] is.
    pub(crate) fn settings_of(handle: &str) -> ethereum::Settings {
        let (port, contract) = handle.split_once(' ').unwrap();
        ethereum::Settings {
            endpoint: format!("http://127.0.0.1:{port}").parse().unwrap(),
            chain_id: NETWORK,
            contract: hex::decode(contract).unwrap().try_into().unwrap(),
            from_block: 0,
            fee_cap: 100 * GWEI,
            store: false,
            confirmations: CONFIRMATIONS,
            patience: PATIENCE,
        }
    }

    pub(crate) fn with(
        &self,
        world: &World,
        owner: usize,
        change: impl FnOnce(&mut ethereum::Settings),
    ) -> Box<dyn PublicChain> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        self.made(world, settings, owner)
    }
}

impl Rig for InEthereum {
    const CHAIN: Chain = Chain::Ethereum;
    const ONCE: bool = true;

    fn start(world: &World) -> Self {
        let kept = tempfile::tempdir().unwrap();
        let anvil = Anvil::keeping(&kept.path().join("state"), 0);
        let endpoint = anvil.url().parse().unwrap();
        let deployment = Deployment {
            kind: Kind::Anchors,
            network: Some(NETWORK),
            ledger: world.chain(),
            key: &ethereum_key(0),
            others: &[ethereum_key(1).address()],
            fee_cap: 100 * GWEI,
        };
        let deployed = deploy(&endpoint, &deployment, PATIENCE, |_, _| {}).unwrap();
        Self {
            anvil: RefCell::new(Some(anvil)),
            kept,
            settings: ethereum::Settings {
                endpoint,
                chain_id: NETWORK,
                contract: deployed.contract,
                from_block: deployed.block,
                fee_cap: 100 * GWEI,
                store: false,
                confirmations: CONFIRMATIONS,
                patience: PATIENCE,
            },
        }
    }

    fn client(&self, world: &World, owner: usize) -> Box<dyn PublicChain> {
        self.made(world, self.settings.clone(), owner)
    }

    fn client_at(&self, world: &World, url: &str, patience: Duration) -> Box<dyn PublicChain> {
        self.with(world, 0, |settings| {
            settings.endpoint = url.parse().unwrap();
            settings.patience = patience;
        })
    }

    fn url(&self) -> String {
        self.anvil().url()
    }

    fn mine(&self, blocks: u64) {
        self.anvil().mine(blocks);
    }

    fn height(&self) -> u64 {
        self.anvil().height()
    }

    fn hold(&self) {
        self.anvil().mine_at_once(false);
    }

    fn include(&self) {
        self.anvil().include();
    }

    fn reorganise(&mut self, depth: u64) {
        self.anvil().reorganise(depth);
    }

    fn anchored(&self) -> Vec<u64> {
        let anchors = self.anvil().anchors(&self.settings.contract);
        let numbers: Vec<u64> = anchors.iter().map(|(number, _)| *number).collect();
        assert!(numbers.into_iter().eq(1..=anchors.len() as u64));
        anchors.into_iter().map(|(_, size)| size).collect()
    }

    fn paid(&self, owner: usize) -> u64 {
        let sent = self.anvil().count(&ethereum_key(owner).address());
        // The first key made the contract.
        sent - u64::from(owner == 0)
    }

    fn end(&mut self) {
        self.anvil.take().unwrap().end();
    }

    fn start_again(&mut self) {
        let port = self.settings.endpoint.to_string();
        let port = port.rsplit(':').next().unwrap().parse().unwrap();
        let anvil = Anvil::keeping(&self.kept.path().join("state"), port);
        self.anvil.replace(Some(anvil));
    }

    fn known(&self, world: &World, proof: &AnchoredProof) -> Known {
        let stood = proof.examine(world.chain()).unwrap().stood;
        Known {
            bitcoin: None,
            eos: None,
            ethereum: Some(EthereumTrust {
                chain_id: NETWORK,
                contract: self.settings.contract,
                blocks: vec![Digest([9; 32]), stood.block],
            }),
        }
    }

    fn links(field: &str) -> &'static [Link] {
        use Link::{Event, Format, Header, Receipt, Trust};
        match field {
            "chain_id" => &[Trust],
            "header" => &[Header, Receipt, Trust],
            "transaction" => &[Receipt],
            "log" => &[Event],
            "receipt" => &[Format, Receipt],
            _ => &[Format],
        }
    }

    fn handle(&self) -> String {
        let port = self.anvil().port;
        format!("{port} {}", hex::encode(self.settings.contract))
    }

    fn client_of(world: &World, handle: &str) -> Box<dyn PublicChain> {
        let key = ethereum_key(0);
        let settings = Self::settings_of(handle);
        Box::new(ethereum::Ethereum::<Checkpoint>::new(settings, world.chain(), key).unwrap())
    }

    fn mine_at(handle: &str) {
        let (port, _) = handle.split_once(' ').unwrap();
        crate::http::call(port.parse().unwrap(), "", "anvil_mine", &json!(["0x1"]));
    }
}

impl Competing for InEthereum {
    fn cap(&mut self) -> u64 {
        self.settings.fee_cap = 5 * GWEI;
        5 * GWEI
    }

    fn ask(&mut self, much: bool) {
        let fee = if much { 400 } else { 1 };
        self.anvil().base_fee(fee * GWEI);
    }

    fn steal(&self, attempt: &Attempt) {
        let from = format!("0x{}", hex::encode(ethereum_key(0).address()));
        let nonce = format!("{:#x}", attempt.slot);
        self.anvil().call("anvil_dropAllTransactions", json!([]));
        let other = json!([{"from": from, "to": from, "nonce": nonce}]);
        self.anvil().call("eth_sendTransaction", other);
    }

    fn excludes(&self, one: &Attempt, other: &Attempt) -> bool {
        one.slot == other.slot
    }
}
