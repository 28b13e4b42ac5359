//! Bitcoin.

use anchor::{
    AnchoredProof, Attempt, By, Chain, Link, PublicChain,
    bitcoin::{self, Access, BitcoinTrust, Network, Payer},
};
use base::Digest;
use serde_json::json;
use std::time::Duration;

use super::PATIENCE;
use crate::{
    anvil::KEYS,
    bitcoind::{Bitcoind, MATURE},
    rig::{Competing, Known, Rig},
    spending,
    world::World,
};

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

    fn reorganise(&mut self, depth: u64) {
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

    fn known(&self, world: &World, proof: &AnchoredProof) -> Known {
        let stood = proof.examine(world.chain()).unwrap().stood;
        assert!(matches!(stood.by, By::Bitcoin(payer) if self.settings.payers.contains(&payer)));
        Known {
            ethereum: None,
            eos: None,
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

impl Competing for InBitcoin {
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
}
