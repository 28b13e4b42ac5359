//! A network of validators, each a process.

use base::{SignedOperation, genesis::Genesis};
use ledger::{Head, ValidatorSet};
use medshare::http::{Address, HttpNode};
use serde_json::Value;
use share::node::Node as _;
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use super::fleet::{Fleet, until};

pub(crate) struct Validators {
    fleet: Fleet,
    count: usize,
}

impl Validators {
    pub(crate) fn start(count: usize) -> Self {
        let fleet = Fleet::empty();
        // Held until all are known, so that no port comes twice.
        let held: Vec<_> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let places: Vec<_> = held
            .iter()
            .map(|held| format!("/ip4/127.0.0.1/tcp/{}", held.local_addr().unwrap().port()))
            .collect();
        let number = count.to_string();
        let mut arguments = vec![
            "network",
            "init",
            "--validators",
            &number,
            "--folder",
            "net",
        ];
        arguments.extend(["--work-factor", "2"]);
        for place in &places {
            arguments.extend(["--at", place]);
        }
        fleet.json("", &arguments);
        drop(held);
        let mut net = Self { fleet, count };
        (0..count).for_each(|at| net.run(at));
        net
    }

    pub(crate) fn run(&mut self, at: usize) {
        self.fleet.run_node(&home(at));
    }

    pub(crate) fn kill(&mut self, at: usize) {
        self.fleet.kill(&home(at));
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// A client of a validator's node.
    pub(crate) fn client(&self, at: usize) -> HttpNode {
        let socket = self.fleet.path(&home(at)).join("node/medshare.sock");
        HttpNode::new(Address::Unix(socket), Duration::from_secs(30), None).unwrap()
    }

    pub(crate) fn genesis(&self) -> Genesis {
        self.client(0).genesis().unwrap()
    }

    pub(crate) fn status(&self, at: usize) -> Value {
        self.fleet.status(&home(at))
    }

    pub(crate) fn height(&self, at: usize) -> u64 {
        self.client(at).head().unwrap().header.height
    }

    /// Whether it is as high as any other was a moment ago.
    pub(crate) fn has_caught_up(&self, at: usize) -> bool {
        let others = (0..self.count).filter(|other| *other != at);
        let highest = others
            .map(|other| self.height(other))
            .max()
            .unwrap_or_default();
        self.height(at) >= highest
    }

    pub(crate) fn wait(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        until(what, || reached(self));
    }

    /// All have one head, of this many leaves, that more than two thirds signed.
    pub(crate) fn agree(&self, leaves: u64) {
        let limit = Instant::now() + Duration::from_secs(60);
        let validators = ValidatorSet::of(&self.genesis());
        loop {
            let heads: Vec<Head> = (0..self.count)
                .map(|at| self.client(at).head().unwrap())
                .collect();
            let same = heads.iter().all(|head| head.header == heads[0].header);
            if same && heads[0].header.tree_size == leaves {
                for head in heads {
                    head.verify(&validators).unwrap();
                }
                return;
            }
            let late = Instant::now() > limit;
            let standing = || (0..self.count).map(|at| self.status(at)["validator"].to_string());
            assert!(
                !late,
                "not {leaves} leaves at all: {heads:#?} {:#?}",
                standing().collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Each node proves each operation, at one place of the log.
    pub(crate) fn prove(&self, operations: &[SignedOperation]) {
        let validators = ValidatorSet::of(&self.genesis());
        let clients: Vec<_> = (0..self.count).map(|at| self.client(at)).collect();
        for (number, operation) in operations.iter().enumerate() {
            let (_, id) = operation.to_bytes();
            let node = &clients[number % self.count];
            let receipt = node.receipt(id).unwrap().expect("an operation is lost");
            let receipt = receipt.verify(&validators, operation).unwrap();
            assert!(receipt.outcome.is_ok(), "{:?}", receipt.outcome);
        }
    }

    /// Each node's log gives its state again.
    pub(crate) fn replay(&self) {
        for at in 0..self.count {
            let replay = self.fleet.json(&home(at), &["ledger", "replay"]);
            assert_eq!(replay["equal"], true, "{replay}");
        }
    }
}

fn home(at: usize) -> String {
    format!("net/validator-{}", at + 1)
}
