//! EOS.

use anchor::{
    AnchoredProof, By, Chain, Link, Next, PublicChain, Schedule, Service,
    eos::{self, EosTrust, Name, prepare},
};
use base::{Digest, Millis};
use std::time::{Duration, Instant};

use super::PATIENCE;
use crate::{
    anvil::KEYS,
    nodeos::Nodeos,
    rig::{Known, Rig, step},
    world::{SCHEDULE, World},
};

/// A nodeos on a chain of its own, where an account has our ABI.
pub(crate) struct InEos {
    pub(crate) node: Nodeos,
    pub(crate) settings: eos::Settings,
}

/// The account with our ABI, and those that anchor.
const ACCOUNT: &str = "medshare";
pub(crate) const ACTORS: [&str; 3] = ["hospitala", "hospitalb", "hospitalc"];

pub(crate) fn eos_key(owner: usize) -> eos::Key {
    eos::Key::new(&KEYS[owner]).unwrap()
}

impl InEos {
    pub(crate) fn with(
        &self,
        world: &World,
        owner: usize,
        change: impl FnOnce(&mut eos::Settings),
    ) -> Box<dyn PublicChain> {
        let mut settings = self.settings.clone();
        settings.actor = name(ACTORS[owner]);
        change(&mut settings);
        Box::new(eos::Eos::new(settings, world.chain(), eos_key(owner)).unwrap())
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn settings(url: &str, network: Digest) -> eos::Settings {
    eos::Settings {
        endpoint: url.parse().unwrap(),
        network,
        account: name(ACCOUNT),
        actor: name(ACTORS[0]),
        permission: name("active"),
        payers: vec![name(ACTORS[0]), name(ACTORS[1])],
        // The machine that makes the blocks is shared by the other tests.
        most_cpu: 95,
        most_net: 64,
        expires: 5,
        patience: PATIENCE,
    }
}

impl Rig for InEos {
    const CHAIN: Chain = Chain::Eos;
    const ONCE: bool = false;
    // A transaction that was lost has to be over first.
    const ROUNDS: u64 = 60;

    fn start(_: &World) -> Self {
        let node = Nodeos::start();
        node.account(ACCOUNT, &KEYS[0]);
        for (actor, secret) in ACTORS.iter().zip(&KEYS) {
            node.account(actor, secret);
        }
        let endpoint = node.url().parse().unwrap();
        let prepared = prepare(&endpoint, None, name(ACCOUNT), &eos_key(0), PATIENCE).unwrap();
        assert!(prepared.transaction.is_some());
        let settings = settings(&node.url(), prepared.network);
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
        self.node.pause(false);
        self.node.wait(blocks);
    }

    fn height(&self) -> u64 {
        self.node.height()
    }

    fn hold(&self) {
        self.node.pause(true);
    }

    fn include(&self) {
        self.mine(2);
    }

    fn reorganise(&mut self, depth: u64) {
        // What was included may stand one block deeper.
        let height = self.node.height() - depth - 1;
        self.node.back_to(height);
    }

    fn anchored(&self) -> Vec<u64> {
        let anchors = self.node.anchors();
        anchors.into_iter().map(|(size, _)| size).collect()
    }

    fn paid(&self, owner: usize) -> u64 {
        let anchors = self.node.anchors();
        anchors.iter().filter(|(_, by)| by == ACTORS[owner]).count() as u64
    }

    fn end(&mut self) {
        self.node.end();
    }

    fn start_again(&mut self) {
        self.node.start_again(&[]);
    }

    fn known(&self, world: &World, proof: &AnchoredProof) -> Known {
        let stood = proof.examine(world.chain()).unwrap().stood;
        assert!(matches!(stood.by, By::Eos(actor) if self.settings.payers.contains(&actor)));
        Known {
            ethereum: None,
            bitcoin: None,
            eos: Some(EosTrust {
                actors: self.settings.payers.clone(),
                blocks: vec![Digest([9; 32]), stood.block],
            }),
        }
    }

    fn links(field: &str) -> &'static [Link] {
        use Link::{Format, Header, Transaction, Trust};
        match field {
            "header" => &[Header, Transaction, Trust],
            "cpu" | "net" | "signatures" | "path" => &[Format, Transaction],
            "transaction" | "index" => &[Transaction],
            _ => &[Format],
        }
    }

    fn handle(&self) -> String {
        format!("{} {}", self.node.port, self.settings.network)
    }

    fn client_of(world: &World, handle: &str) -> Box<dyn PublicChain> {
        let (port, network) = handle.split_once(' ').unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let settings = settings(&url, network.parse().unwrap());
        Box::new(eos::Eos::new(settings, world.chain(), eos_key(0)).unwrap())
    }

    fn mine_at(handle: &str) {
        let (port, _) = handle.split_once(' ').unwrap();
        crate::nodeos::wait(port.parse().unwrap(), 1);
    }

    /// As the node's: another transaction as soon as those before it are over.
    fn schedule() -> Schedule {
        Schedule {
            replace: 0,
            ..SCHEDULE
        }
    }

    fn settle(&self, world: &World, service: &mut Service<'_>, now: Millis) {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(90) {
            match step(world, service, now).unwrap() {
                Next::Final | Next::Adopted => return,
                _ => self.mine(1),
            }
        }
        panic!("nothing becomes final");
    }
}
