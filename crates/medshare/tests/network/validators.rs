//! A network of validators, each a process.

use base::{AccountId, genesis::Genesis};
use ledger::Head;
use medshare::http::{Address, HttpNode};
use serde_json::Value;
use share::node::Node as _;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{
    courier::Sent,
    fleet::{Fleet, Ran, until},
    links::Links,
    ward,
};

pub(crate) struct Validators {
    pub(crate) fleet: Fleet,
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

    /// The last does not run, and is not counted: whoever is to be that one gets its home, and
    /// the file of its passphrase.
    pub(crate) fn start_all_but_one(count: usize) -> (Self, PathBuf, PathBuf) {
        let mut net = Self::make(count);
        net.count -= 1;
        (0..net.count).for_each(|at| net.run(at));
        let (last, passphrase) = (net.home(net.count), net.fleet.path("pass"));
        (net, last, passphrase)
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
        self.follow_as("follower");
        let fleet = &self.fleet;
        until("the link", || fleet.is_linked("follower"));
        client_at(self.fleet.path("follower").join("node/medshare.sock"))
    }

    /// Runs a new node until it has this many operations from the first validator.
    pub(crate) fn catch_up_anew(&mut self, name: &str, leaves: u64) -> Duration {
        let begun = Instant::now();
        self.follow_as(name);
        let node = client_at(self.fleet.path(name).join("node/medshare.sock"));
        while node.head().unwrap().header.tree_size < leaves {
            assert!(begun.elapsed() < Duration::from_secs(600));
            std::thread::sleep(Duration::from_millis(20));
        }
        let took = begun.elapsed();
        self.fleet.kill(name);
        std::fs::remove_dir_all(self.fleet.path(name)).unwrap();
        took
    }

    fn follow_as(&mut self, name: &str) {
        let fleet = &mut self.fleet;
        let upstream = fleet.peer_address(&home(0));
        let mut arguments = vec![
            "init",
            "--role",
            "node",
            "--home",
            name,
            "--work-factor",
            "2",
        ];
        arguments.extend(["--join", &upstream, "--genesis", "net/genesis.cbor"]);
        let made = fleet.json("", &arguments);
        fleet.allow(&home(0), made["peer"].as_str().unwrap());
        fleet.run_node(name);
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

    /// A number of its page of counters.
    pub(crate) fn metric(&self, at: usize, name: &str) -> u64 {
        let page = self.metrics(at);
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|rest| rest.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no {name}: {page}"));
        value.parse().unwrap()
    }

    /// How a validator stands, as `node status` has it.
    pub(crate) fn standing(&self, at: usize) -> Value {
        self.status(at)["validator"].clone()
    }

    /// One more node, the last by number, follows the first, joins the clinic and applies for a
    /// seat, in three operations; gives its account and the proposal.
    pub(crate) fn applicant(&mut self) -> (AccountId, String) {
        let (at, name) = (self.count, home(self.count));
        self.follow_as(&name);
        until("the link", || self.fleet.is_linked(&name));
        self.count += 1;
        self.run_by(at, &["account", "register"]);
        let account: AccountId = self.fleet.account_of(&name).parse().unwrap();
        let (clinic, consent) = ward::consent(self.genesis().chain(), account);
        self.run_by(at, &["account", "join", &clinic, "--consent", &consent]);
        let applied = self.run_by(at, &["validator", "apply"]);
        (account, applied["operation"].as_str().unwrap().to_owned())
    }

    /// What a command of a node's home prints, run beside that node.
    pub(crate) fn run_by(&self, at: usize, arguments: &[&str]) -> Value {
        let name = home(at);
        let arguments = [arguments, &["--home", &name]].concat();
        self.fleet.json(&name, &arguments)
    }

    /// As [`Self::run_by`], for a command that may fail: what it tells people.
    pub(crate) fn try_by(&self, at: usize, arguments: &[&str]) -> Ran {
        let name = home(at);
        let arguments = [arguments, &["--home", &name]].concat();
        self.fleet.run(&name, &arguments)
    }

    /// A follower becomes one that decides with the others: it names them and they name it,
    /// each started again when the one before is back.
    pub(crate) fn seat(&mut self, at: usize) {
        let name = home(at);
        self.fleet.kill(&name);
        let peers = |at: usize| {
            let config = format!("{}/config.toml", home(at));
            let text = String::from_utf8(self.fleet.read(&config)).unwrap();
            let config: toml::Table = text.parse().unwrap();
            config["consensus"]["peers"].as_array().unwrap().clone()
        };
        let own = format!("{}/", place(self.ports[0]));
        let mut all = peers(0);
        all.extend(
            peers(1)
                .into_iter()
                .filter(|it| it.as_str().unwrap().starts_with(&own)),
        );
        let config = format!("{name}/config.toml");
        let text = String::from_utf8(self.fleet.read(&config)).unwrap();
        let mut table: toml::Table = text.parse().unwrap();
        table.remove("peers");
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let consensus = [
            ("listen".to_owned(), place(port).into()),
            ("peers".to_owned(), all.into()),
        ];
        table.insert("consensus".into(), toml::Table::from_iter(consensus).into());
        self.fleet.write(&config, toml::to_string(&table).unwrap());
        self.ports.push(port);
        drop(held);
        let told = self.fleet.json("", &["node", "id", "--home", &name]);
        let newcomer = format!("{}/p2p/{}", place(port), told["peer"].as_str().unwrap());
        for other in 0..at {
            let config = format!("{}/config.toml", home(other));
            let text = String::from_utf8(self.fleet.read(&config)).unwrap();
            let mut table: toml::Table = text.parse().unwrap();
            let peers = table["consensus"]["peers"].as_array_mut().unwrap();
            peers.push(newcomer.clone().into());
            self.kill(other);
            self.fleet.write(&config, toml::to_string(&table).unwrap());
            self.run(other);
            self.count = at; // the newcomer is not there yet
            self.catch_up(other);
            self.count = at + 1;
        }
        self.run(at);
    }

    /// What `network doctor` finds at a validator, and its exit code.
    pub(crate) fn doctor(&self, at: usize) -> (i32, Vec<Value>) {
        let name = home(at);
        let examine = ["network", "doctor", "--home", &name, "--json"];
        let ran = self.fleet.run(&name, &examine);
        let findings = ran.stdout.lines();
        let findings = findings.map(|line| serde_json::from_str(line).unwrap());
        (ran.code, findings.collect())
    }

    /// Runs one that ends by itself.
    pub(crate) fn run_in_vain(&self, at: usize) -> Ran {
        let name = home(at);
        self.fleet.run("", &["node", "run", "--home", &name])
    }

    /// Who decides the next block, with weights.
    pub(crate) fn seats(&self) -> Vec<(AccountId, u32)> {
        let known = self.validators();
        let seats = known.newest().seats().iter();
        seats.map(|seat| (seat.account, seat.weight)).collect()
    }

    /// All sets of validators so far, each certified by the one before.
    fn validators(&self) -> ledger::Validators {
        validators(&self.client(1))
    }

    pub(crate) fn kill(&mut self, at: usize) {
        self.fleet.kill(&home(at));
    }

    /// Ends one in peace; gives its exit code.
    pub(crate) fn stop(&mut self, at: usize) -> Option<i32> {
        self.fleet.stop(&home(at))
    }

    /// How a validator stands, as `node status` says it to people.
    pub(crate) fn status_text(&self, at: usize) -> String {
        let status = ["node", "status", "--home", &home(at)];
        self.fleet.run("", &status).ok().stdout
    }

    /// A copy of a validator's home, with its keys, its ledger and its memory of votes, runs
    /// beside it. Both have one peer id, and others send to one of them only: the first
    /// validator reaches the copy, the others the original.
    pub(crate) fn run_twice(&mut self, at: usize) {
        let (name, twin) = (home(at), twin(at));
        self.kill(at);
        self.kill(0);
        self.copy(&name, &twin);
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let (here, there) = (self.ports[at], held.local_addr().unwrap().port());
        let listen = |port| format!("listen = \"{}\"", place(port));
        self.reword(&twin, &listen(here), &listen(there));
        let dial = |port| format!("{}/p2p/", place(port));
        self.reword(&home(0), &dial(here), &dial(there));
        let others: Vec<_> = (1..self.count).filter(|other| *other != at).collect();
        self.name_only(&twin, &[0]);
        self.name_only(&name, &others);
        drop(held);
        self.run(0);
        self.run(at);
        self.fleet.run_node(&twin);
    }

    /// A copy of a home that nobody works in.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        let homes = [from, to].map(|home| self.fleet.path(home));
        let copied = Command::new("cp").arg("-a").args(homes).status();
        assert!(copied.unwrap().success());
    }

    /// A copy of each validator's home as it is now; the copies can run where the validators
    /// did.
    pub(crate) fn copy_all(&mut self) {
        (0..self.count).for_each(|at| self.kill(at));
        for at in 0..self.count {
            self.copy(&home(at), &twin(at));
        }
        (0..self.count).for_each(|at| self.run(at));
    }

    fn reword(&self, home: &str, from: &str, to: &str) {
        let config = format!("{home}/config.toml");
        let text = String::from_utf8(self.fleet.read(&config)).unwrap();
        assert!(text.contains(from), "{text}");
        self.fleet.write(&config, text.replace(from, to));
    }

    /// Of the validators that a home names, these stay named.
    fn name_only(&self, home: &str, others: &[usize]) {
        let config = format!("{home}/config.toml");
        let text = String::from_utf8(self.fleet.read(&config)).unwrap();
        let mut table: toml::Table = text.parse().unwrap();
        let peers = table["consensus"]["peers"].as_array_mut().unwrap();
        let stays = |peer: &str| {
            let place = |at: &usize| format!("{}/", place(self.ports[*at]));
            others.iter().any(|at| peer.starts_with(&place(at)))
        };
        peers.retain(|peer| stays(peer.as_str().unwrap()));
        assert_eq!(peers.len(), others.len(), "{text}");
        self.fleet.write(&config, toml::to_string(&table).unwrap());
    }

    /// Starts the last again, at both its places.
    pub(crate) fn run_both_again(&mut self) {
        for name in [home(self.count - 1), twin(self.count - 1)] {
            self.fleet.kill(&name);
            self.fleet.run_node(&name);
        }
    }

    /// Ends the last, which runs twice; the others are left.
    pub(crate) fn end_both(&mut self) {
        self.count -= 1;
        self.kill(self.count);
        self.fleet.kill(&twin(self.count));
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// A client of a validator's node.
    pub(crate) fn client(&self, at: usize) -> HttpNode {
        client_at(self.socket(at))
    }

    /// Where a validator's node listens.
    pub(crate) fn socket(&self, at: usize) -> PathBuf {
        self.home(at).join("node/medshare.sock")
    }

    /// Bytes of memory that a validator's process has in use.
    pub(crate) fn memory_in_use(&self, at: usize) -> u64 {
        let process = self.fleet.process(&home(at));
        let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap() << 10
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

    /// Waits until it is as high as any other is now. (That they have gone on by then is no
    /// matter: who only follows is always a block behind.)
    pub(crate) fn catch_up(&self, at: usize) {
        let others = (0..self.count).filter(|other| *other != at);
        let goal = others.map(|other| self.height(other)).max();
        self.wait(&format!("node {at} at {goal:?}"), |net| {
            Some(net.height(at)) >= goal
        });
    }

    pub(crate) fn wait(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        until(what, || reached(self));
    }

    /// All have one head, of this many leaves, that more than two thirds signed.
    pub(crate) fn agree(&self, leaves: u64) {
        let limit = Instant::now() + Duration::from_secs(60);
        let validators = self.validators();
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
        let clients: Vec<_> = (0..self.count).map(|at| self.client(at)).collect();
        prove(&clients, &self.validators(), operations);
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

/// All sets of validators that a node knows of, each certified by the one before.
pub(crate) fn validators(node: &HttpNode) -> ledger::Validators {
    let mut known = ledger::Validators::of(&node.genesis().unwrap());
    share::trust::follow(node, &mut known).unwrap();
    known
}

/// Each of these nodes is asked for its share of the operations, and has it with the outcome that was acknowledged.
pub(crate) fn prove(nodes: &[HttpNode], validators: &ledger::Validators, operations: &[Sent]) {
    for (node, (operation, outcome)) in nodes.iter().cycle().zip(operations) {
        let (_, id) = operation.to_bytes();
        let receipt = node.receipt(id).unwrap().expect("an operation is lost");
        let receipt = receipt.verify(validators, operation).unwrap();
        assert_eq!(receipt.outcome, *outcome);
    }
}

pub(crate) fn client_at(socket: PathBuf) -> HttpNode {
    HttpNode::new(Address::Unix(socket), Duration::from_secs(30), None).unwrap()
}

fn place(port: u16) -> String {
    format!("/ip4/127.0.0.1/tcp/{port}")
}

pub(crate) fn twin(at: usize) -> String {
    format!("{}-again", home(at))
}

pub(crate) fn home(at: usize) -> String {
    format!("net/validator-{}", at + 1)
}
