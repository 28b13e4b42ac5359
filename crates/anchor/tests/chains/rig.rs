//! What tests need of a chain, so that they are the same for each.

use anchor::{
    AnchoredProof, Attempt, By, Chain, Link, Next, PublicChain, Service, StepError, Trust,
    bitcoin::{self, Access, BitcoinTrust, Network, Payer},
    ethereum::{self, EthereumTrust, deploy},
};
use base::{Digest, Millis};
use ledger::Validators;
use serde_json::json;
use std::{
    cell::{Ref, RefCell},
    time::Duration,
};

use crate::{
    anvil::{Anvil, KEYS, NETWORK},
    bitcoind::{Bitcoind, MATURE},
    spending,
    world::{CONFIRMATIONS, SCHEDULE, T0, World},
};
use anchor::Journal;

pub(crate) const GWEI: u64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// A real node, three keys with coins there, the first two of which may anchor.
pub(crate) trait Rig: Sized {
    const CHAIN: Chain;
    /// Whether the chain takes one of two anchors that are the same.
    const ONCE: bool;

    fn start(world: &World) -> Self;
    /// A client of key `owner`.
    fn client(&self, world: &World, owner: usize) -> Box<dyn PublicChain>;
    /// One of another node, which may be none.
    fn client_at(&self, world: &World, url: &str, patience: Duration) -> Box<dyn PublicChain>;
    fn url(&self) -> String;
    fn mine(&self, blocks: u64);
    fn height(&self) -> u64;
    /// From now on nothing is in a block until one is asked for.
    fn hold(&self);
    /// What was sent is in a block.
    fn include(&self);
    /// Replaces the newest blocks by empty ones.
    fn reorganise(&self, depth: u64);
    /// Leaves of the anchors in the chain, oldest first.
    fn anchored(&self) -> Vec<u64>;
    /// Anchors that a key has sent, in blocks.
    fn paid(&self, owner: usize) -> u64;
    fn end(&mut self);
    fn start_again(&mut self);
    /// From now on little is paid; and what is asked for is more than that, or is not.
    fn cap(&mut self) -> u64;
    fn ask(&mut self, much: bool);
    /// Uses up what an attempt would use, by hand.
    fn steal(&self, attempt: &Attempt);
    /// Whether two attempts exclude each other.
    fn excludes(&self, one: &Attempt, other: &Attempt) -> bool;
    /// What a verifier of `proof` knows.
    fn known(&self, world: &World, proof: &AnchoredProof) -> Known;
    /// Which links a field of the evidence, altered, may break.
    fn links(field: &str) -> &'static [Link];
    /// All that another process needs for [`Rig::client`], and to mine.
    fn handle(&self) -> String;
    fn client_of(world: &World, handle: &str) -> Box<dyn PublicChain>;
    fn mine_at(handle: &str);

    fn service<'j>(&self, world: &World, journal: &'j Journal, owner: usize) -> Service<'j> {
        Service::new(self.client(world, owner), journal, SCHEDULE, T0)
    }

    /// Steps, a block between two, until what is due is final.
    fn settle(&self, world: &World, service: &mut Service<'_>, now: Millis) {
        for _ in 0..16 {
            match step(world, service, now).unwrap() {
                Next::Final | Next::Adopted => return,
                _ => self.mine(1),
            }
        }
        panic!("nothing becomes final");
    }
}

/// One step.
pub(crate) fn step(
    world: &World,
    service: &mut Service<'_>,
    now: Millis,
) -> Result<Next, StepError> {
    service.step(&|| world.ledger.view(), now)
}

/// What a verifier knows of a chain.
pub(crate) struct Known {
    pub(crate) ethereum: Option<EthereumTrust>,
    pub(crate) bitcoin: Option<BitcoinTrust>,
}

impl Known {
    pub(crate) fn trust<'a>(&'a self, world: &World, validators: &'a Validators) -> Trust<'a> {
        Trust {
            ledger: world.chain(),
            validators: Some(validators),
            ethereum: self.ethereum.as_ref(),
            bitcoin: self.bitcoin.as_ref(),
        }
    }

    /// The same for the independent script: blocks, and whose anchors count.
    pub(crate) fn words(&self) -> (Vec<String>, Vec<String>) {
        let words = |blocks: &[Digest]| {
            let blocks = blocks.iter().map(Digest::to_string);
            blocks.flat_map(|block| ["--block".into(), block]).collect()
        };
        if let Some(EthereumTrust {
            chain_id,
            contract,
            blocks,
        }) = &self.ethereum
        {
            let contract = hex::encode(contract);
            let whose = ["--network", &chain_id.to_string(), "--contract", &contract];
            return (words(blocks), whose.map(str::to_owned).to_vec());
        }
        let BitcoinTrust { payers, blocks } = self.bitcoin.as_ref().unwrap();
        let payers = payers.iter().map(|payer| payer.address(Network::Regtest));
        let whose = payers.flat_map(|payer| ["--payer".to_owned(), payer]);
        (words(blocks), whose.collect())
    }
}

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
        Box::new(ethereum::Ethereum::new(settings, world.chain(), key).unwrap())
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
        let deployed = deploy(
            &endpoint,
            Some(NETWORK),
            world.chain(),
            (&ethereum_key(0), &[ethereum_key(1).address()]),
            100 * GWEI,
            PATIENCE,
            |_, _| {},
        )
        .unwrap();
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

    fn include(&self) {}

    fn reorganise(&self, depth: u64) {
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

    fn known(&self, world: &World, proof: &AnchoredProof) -> Known {
        let stood = proof.examine(world.chain()).unwrap().stood;
        Known {
            bitcoin: None,
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
        let (port, contract) = handle.split_once(' ').unwrap();
        let settings = ethereum::Settings {
            endpoint: format!("http://127.0.0.1:{port}").parse().unwrap(),
            chain_id: NETWORK,
            contract: hex::decode(contract).unwrap().try_into().unwrap(),
            from_block: 0,
            fee_cap: 100 * GWEI,
            store: false,
            confirmations: CONFIRMATIONS,
            patience: PATIENCE,
        };
        let key = ethereum_key(0);
        Box::new(ethereum::Ethereum::new(settings, world.chain(), key).unwrap())
    }

    fn mine_at(handle: &str) {
        let (port, _) = handle.split_once(' ').unwrap();
        crate::http::call(port.parse().unwrap(), "", "anvil_mine", &json!(["0x1"]));
    }
}

/// A bitcoind on a chain of its own.
pub(crate) struct InBitcoin {
    pub(crate) node: Bitcoind,
    pub(crate) settings: bitcoin::Settings,
}

pub(crate) fn bitcoin_key(owner: usize) -> bitcoin::Key {
    bitcoin::Key::new(&KEYS[owner]).unwrap()
}

impl InBitcoin {
    pub(crate) fn with(
        &self,
        world: &World,
        owner: usize,
        change: impl FnOnce(&mut bitcoin::Settings),
    ) -> Box<dyn PublicChain> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        let key = bitcoin_key(owner);
        Box::new(bitcoin::Bitcoin::new(settings, world.chain(), key).unwrap())
    }
}

fn bitcoin_settings(url: &str, cookie: std::path::PathBuf) -> bitcoin::Settings {
    bitcoin::Settings {
        endpoint: url.parse().unwrap(),
        access: Access::Cookie(cookie),
        network: Network::Regtest,
        payers: [0, 1].map(|owner| bitcoin_key(owner).payer()).to_vec(),
        fee_cap: 100_000,
        patience: PATIENCE,
    }
}

impl Rig for InBitcoin {
    const CHAIN: Chain = Chain::Bitcoin;
    const ONCE: bool = false;

    fn start(_: &World) -> Self {
        let node = Bitcoind::start();
        for owner in 0..3 {
            node.pay(&bitcoin_key(owner).payer().address(Network::Regtest));
        }
        node.mine(MATURE);
        let settings = bitcoin_settings(&node.url(), node.cookie());
        Self { node, settings }
    }

    fn client(&self, world: &World, owner: usize) -> Box<dyn PublicChain> {
        self.with(world, owner, |_| {})
    }

    fn client_at(&self, world: &World, url: &str, patience: Duration) -> Box<dyn PublicChain> {
        self.with(world, 0, |settings| {
            settings.endpoint = url.parse().unwrap();
            settings.patience = patience;
        })
    }

    fn url(&self) -> String {
        self.node.url()
    }

    fn mine(&self, blocks: u64) {
        self.node.mine(blocks);
    }

    fn height(&self) -> u64 {
        self.node.height()
    }

    fn hold(&self) {}

    fn include(&self) {
        self.node.mine(1);
    }

    fn reorganise(&self, depth: u64) {
        self.node.reorganise(depth);
    }

    fn anchored(&self) -> Vec<u64> {
        self.node
            .anchors()
            .into_iter()
            .map(|(size, _)| size)
            .collect()
    }

    fn paid(&self, owner: usize) -> u64 {
        let Payer(hash) = bitcoin_key(owner).payer();
        let script = format!("76a914{}88ac", hex::encode(hash));
        let anchors = self.node.anchors();
        anchors.iter().filter(|(_, payer)| *payer == script).count() as u64
    }

    fn end(&mut self) {
        self.node.end();
    }

    fn start_again(&mut self) {
        self.node.start_again(&[]);
    }

    fn cap(&mut self) -> u64 {
        self.settings.fee_cap = 5_000;
        5_000
    }

    fn ask(&mut self, much: bool) {
        self.node.end();
        // In bitcoin for 1,000 bytes: a hundred satoshi a byte.
        self.node.start_again(match much {
            true => &["-minrelaytxfee=0.001"],
            false => &[],
        });
    }

    fn steal(&self, attempt: &Attempt) {
        let other = spending::elsewhere(attempt, &KEYS[0]);
        self.node.call("sendrawtransaction", json!([other, 0]));
    }

    fn excludes(&self, one: &Attempt, other: &Attempt) -> bool {
        let spent = |attempt| spending::spent(attempt);
        spent(one).iter().any(|coin| spent(other).contains(coin))
    }

    fn known(&self, world: &World, proof: &AnchoredProof) -> Known {
        let stood = proof.examine(world.chain()).unwrap().stood;
        assert!(matches!(stood.by, By::Bitcoin(payer) if self.settings.payers.contains(&payer)));
        Known {
            ethereum: None,
            bitcoin: Some(BitcoinTrust {
                payers: self.settings.payers.clone(),
                blocks: vec![Digest([9; 32]), stood.block],
            }),
        }
    }

    fn links(field: &str) -> &'static [Link] {
        use Link::{Format, Header, Transaction, Trust};
        match field {
            "header" => &[Header, Transaction, Trust],
            "transaction" | "index" => &[Transaction],
            "path" => &[Format, Transaction],
            _ => &[Format],
        }
    }

    fn handle(&self) -> String {
        format!("{} {}", self.node.port, self.node.cookie().display())
    }

    fn client_of(world: &World, handle: &str) -> Box<dyn PublicChain> {
        let (port, cookie) = handle.split_once(' ').unwrap();
        let settings = bitcoin_settings(&format!("http://127.0.0.1:{port}"), cookie.into());
        let key = bitcoin_key(0);
        Box::new(bitcoin::Bitcoin::new(settings, world.chain(), key).unwrap())
    }

    fn mine_at(handle: &str) {
        let (port, cookie) = handle.split_once(' ').unwrap();
        let authorization = crate::bitcoind::authorization(cookie.as_ref());
        let params = json!([1, crate::bitcoind::NOBODY]);
        let port = port.parse().unwrap();
        crate::http::call(port, &authorization, "generatetodescriptor", &params);
    }
}
