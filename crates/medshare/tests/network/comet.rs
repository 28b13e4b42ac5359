//! CometBFT on four processes of this machine, and clients that wait for each commit: what
//! `figures` is measured beside. `cargo xtask bench network` says where the program is.

use base::{SignedOperation, key::OperationKey};
use serde_json::{Value, json};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

use super::{fleet::until, plain::Plain};

/// Ends its processes when dropped.
pub(crate) struct Comet {
    _folder: TempDir,
    ports: Vec<u16>,
    processes: Vec<Child>,
}

impl Drop for Comet {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Comet {
    /// Four validators, with blocks of at most so many bytes.
    pub(crate) fn start(program: &Path, most: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(program)
            .args(["testnet", "--v", "4", "--o"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        // Held until all are known, so that none comes twice.
        let held: Vec<_> = (0..8)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let port = |held: &TcpListener| held.local_addr().unwrap().port();
        let ports: Vec<u16> = held.iter().map(port).collect();
        drop(held);
        let (talk, rpc) = ports.split_at(4);
        let homes: Vec<_> = (0..4)
            .map(|at| folder.path().join(format!("node{at}")))
            .collect();
        let ids: Vec<_> = homes.iter().map(|home| node_id(program, home)).collect();
        let run = |at: usize| {
            let peers: Vec<_> = (0..4)
                .filter(|other| *other != at)
                .map(|other| format!("{}@127.0.0.1:{}", ids[other], talk[other]))
                .collect();
            let home: &PathBuf = &homes[at];
            configure(home, talk[at], rpc[at], &peers.join(","));
            limit_blocks(home, most);
            let log = fs::File::create(home.join("log")).unwrap();
            Command::new(program)
                .args(["start", "--home"])
                .arg(home)
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap()
        };
        let comet = Self {
            processes: (0..4).map(run).collect(),
            ports: rpc.to_vec(),
            _folder: folder,
        };
        for at in 0..4 {
            until("CometBFT commits", || {
                let client = Client::new(&comet, at);
                client.is_some_and(|mut client| client.commit(format!("first{at}=1").as_bytes()))
            });
        }
        comet
    }
}

/// One connection to a node's RPC that stays open.
pub(crate) struct Client(Plain<TcpStream>);

impl Client {
    pub(crate) fn new(comet: &Comet, at: usize) -> Option<Self> {
        let port = comet.ports[at % comet.ports.len()];
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_nodelay(true).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .ok()?;
        Some(Self(Plain::new(stream)))
    }

    /// Sends a transaction and waits until it is in a block; whether it is.
    pub(crate) fn commit(&mut self, transaction: &[u8]) -> bool {
        let hex = hex::encode(transaction);
        let request =
            format!("GET /broadcast_tx_commit?tx=0x{hex} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (_, body) = self.0.ask(request.as_bytes());
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let result = &answer["result"];
        result["check_tx"]["code"] == 0 && result["tx_result"]["code"] == 0
    }
}

/// What four validators would do with a signature each, one after the other, since CometBFT
/// hands an application one transaction at a time.
pub(crate) fn verify_for_four(operation: &SignedOperation, key: &OperationKey) {
    for _ in 0..4 {
        let signed = std::hint::black_box(operation).clone();
        assert!(signed.verify(key).is_ok());
    }
}

fn node_id(program: &Path, home: &Path) -> String {
    let mut command = Command::new(program);
    let done = command.args(["show-node-id", "--home"]).arg(home).output();
    String::from_utf8(done.unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

fn configure(home: &Path, talk: u16, rpc: u16, peers: &str) {
    let path = home.join("config/config.toml");
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    config.insert("proxy_app".into(), "persistent_kvstore".into());
    config.insert("log_level".into(), "error".into());
    let mut set = |section: &str, key: &str, value: toml::Value| {
        let table = config.get_mut(section).and_then(toml::Value::as_table_mut);
        let before = table.unwrap().insert(key.to_owned(), value);
        assert!(before.is_some(), "no {section}.{key}");
    };
    set("rpc", "laddr", format!("tcp://127.0.0.1:{rpc}").into());
    set("rpc", "max_open_connections", 2_000.into());
    set("rpc", "max_subscription_clients", 2_000.into());
    set("rpc", "timeout_broadcast_tx_commit", "50s".into());
    set("p2p", "laddr", format!("tcp://127.0.0.1:{talk}").into());
    set("p2p", "persistent_peers", peers.into());
    set("p2p", "addr_book_strict", false.into());
    set("p2p", "allow_duplicate_ip", true.into());
    set("mempool", "size", 50_000.into());
    set("mempool", "cache_size", 100_000.into());
    // Empty blocks would only cost it.
    set("consensus", "create_empty_blocks", false.into());
    set("consensus", "timeout_commit", "0s".into());
    // Its pauses are made for wide networks: with them a commit takes 0.8 s here.
    set("consensus", "peer_gossip_sleep_duration", "2ms".into());
    set("p2p", "flush_throttle_timeout", "1ms".into());
    fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
}

fn limit_blocks(home: &Path, most: u64) {
    let path = home.join("config/genesis.json");
    let mut genesis: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    *genesis
        .pointer_mut("/consensus_params/block/max_bytes")
        .unwrap() = json!(most.to_string());
    // Evidence may not be larger than a block.
    if let Some(limit) = genesis.pointer_mut("/consensus_params/evidence/max_bytes") {
        *limit = json!((most / 4).to_string());
    }
    fs::write(&path, serde_json::to_vec_pretty(&genesis).unwrap()).unwrap();
}
