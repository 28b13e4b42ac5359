//! A network of validators, each a process.

use base::{SignedOperation, genesis::Genesis};
use ledger::Head;
use medshare::http::{Address, HttpNode};
use serde_json::Value;
use share::node::Node as _;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use super::fleet::{Fleet, until};

pub(crate) struct Validators {
    fleet: Fleet,
    count: usize,
}

impl Validators {
    /// Homes, of which none runs.
    fn make(count: usize) -> Self {
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
        let net = Self { fleet, count };
        net.let_followers_in();
        net
    }

    pub(crate) fn start(count: usize) -> Self {
        let mut net = Self::make(count);
        (0..count).for_each(|at| net.run(at));
        net
    }

    /// The first also listens for nodes that are no validators.
    fn let_followers_in(&self) {
        let config = format!("{}/config.toml", home(0));
        let text = String::from_utf8(self.fleet.read(&config)).unwrap();
        let peers = "[peers]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\nallow = []\n";
        self.fleet.write(&config, format!("{text}\n{peers}"));
    }

    /// A node that is no validator and follows the first; gives a client of it.
    pub(crate) fn follow(&mut self) -> HttpNode {
        let fleet = &mut self.fleet;
        let upstream = fleet.peer_address(&home(0));
        let mut arguments = vec![
            "init",
            "--role",
            "node",
            "--home",
            "follower",
            "--work-factor",
            "2",
        ];
        arguments.extend(["--join", &upstream, "--genesis", "net/genesis.cbor"]);
        let made = fleet.json("", &arguments);
        fleet.allow(&home(0), made["peer"].as_str().unwrap());
        fleet.run_node("follower");
        until("the link", || fleet.is_linked("follower"));
        let socket = fleet.path("follower").join("node/medshare.sock");
        HttpNode::new(Address::Unix(socket), Duration::from_secs(30), None).unwrap()
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

    /// The page of counters.
    pub(crate) fn metrics(&self, at: usize) -> String {
        let socket = self.fleet.path(&home(at)).join("node/medshare.sock");
        let mut stream = UnixStream::connect(socket).unwrap();
        let request = "GET /v1/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
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
        let validators = ledger::Validators::of(&self.genesis());
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
        let validators = ledger::Validators::of(&self.genesis());
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
