//! A network of validators, each a process.

use base::genesis::Genesis;
use ledger::Head;
use medshare::http::{Address, HttpNode};
use serde_json::Value;
use share::node::Node as _;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    courier::Sent,
    fleet::{Fleet, until},
    links::Links,
    ward,
};

pub(crate) struct Validators {
    fleet: Fleet,
    count: usize,
    ports: Vec<u16>,
}

impl Validators {
    /// Homes, of which none runs.
    fn make(count: usize) -> Self {
        let fleet = Fleet::empty();
        // Held until all are known, so that no port comes twice.
        let held: Vec<_> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<_> = held
            .iter()
            .map(|held| held.local_addr().unwrap().port())
            .collect();
        let places: Vec<_> = ports.iter().copied().map(place).collect();
        let institutions = ward::institutions();
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
        for institution in &institutions {
            arguments.extend(["--institution", institution]);
        }
        fleet.json("", &arguments);
        drop(held);
        let net = Self {
            fleet,
            count,
            ports,
        };
        net.let_followers_in();
        net
    }

    pub(crate) fn start(count: usize) -> Self {
        let mut net = Self::make(count);
        (0..count).for_each(|at| net.run(at));
        net
    }

    /// Validators that reach each other through wires which can be cut.
    pub(crate) fn start_wired(count: usize) -> (Self, Links) {
        let mut net = Self::make(count);
        let links = Links::between(&net.ports);
        for at in 0..count {
            let config = format!("{}/config.toml", home(at));
            let mut text = String::from_utf8(net.fleet.read(&config)).unwrap();
            for to in (0..count).filter(|to| *to != at) {
                // Where it listens itself has no peer id behind it, and stays.
                let direct = format!("{}/p2p/", place(net.ports[to]));
                assert!(text.contains(&direct), "{text}");
                text = text.replace(&direct, &format!("{}/p2p/", place(links.port(at, to))));
            }
            net.fleet.write(&config, text);
        }
        (0..count).for_each(|at| net.run(at));
        (net, links)
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

    /// Runs one whose every program loads this library first.
    pub(crate) fn run_with(&mut self, at: usize, library: &Path, skew: i64) {
        let skew = PathBuf::from(skew.to_string());
        let environment = [("LD_PRELOAD", library), ("CLOCK_SKEW_MS", &*skew)];
        self.fleet.run_node_in(&home(at), &environment);
    }

    /// Where a validator keeps its votes.
    pub(crate) fn memory(&self, at: usize) -> PathBuf {
        self.fleet.path(&home(at)).join("node/consensus")
    }

    /// A validator's home.
    pub(crate) fn home(&self, at: usize) -> PathBuf {
        self.fleet.path(&home(at))
    }

    /// How a validator stands, as `node status` has it.
    pub(crate) fn standing(&self, at: usize) -> Value {
        self.status(at)["validator"].clone()
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

    pub(crate) fn head(&self, at: usize) -> Head {
        self.client(at).head().unwrap()
    }

    pub(crate) fn height(&self, at: usize) -> u64 {
        self.head(at).header.height
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

    /// Each operation is in the log, at one place, with the outcome that was acknowledged.
    pub(crate) fn prove(&self, operations: &[Sent]) {
        let validators = ledger::Validators::of(&self.genesis());
        let clients: Vec<_> = (0..self.count).map(|at| self.client(at)).collect();
        for (number, (operation, outcome)) in operations.iter().enumerate() {
            let (_, id) = operation.to_bytes();
            let node = &clients[number % self.count];
            let receipt = node.receipt(id).unwrap().expect("an operation is lost");
            let receipt = receipt.verify(&validators, operation).unwrap();
            assert_eq!(receipt.outcome, *outcome);
        }
    }

    /// All have one ledger, in which each of these operations is once, and nothing else.
    pub(crate) fn settle(&self, operations: &[Sent]) {
        self.agree(operations.len() as u64);
        self.prove(operations);
        self.replay();
    }

    /// Each node's log gives its state again.
    pub(crate) fn replay(&self) {
        for at in 0..self.count {
            let replay = self.fleet.json(&home(at), &["ledger", "replay"]);
            assert_eq!(replay["equal"], true, "{replay}");
        }
    }
}

fn place(port: u16) -> String {
    format!("/ip4/127.0.0.1/tcp/{port}")
}

fn home(at: usize) -> String {
    format!("net/validator-{}", at + 1)
}
