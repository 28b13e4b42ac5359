//! A real bitcoind on a chain of its own, and calls to it that are no business of the product.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::http;

/// A node that ends when it is dropped, and its folder with it.
pub(crate) struct Bitcoind {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Bitcoind {
    pub(crate) fn start() -> Self {
        let mut folder = tempfile::tempdir().unwrap();
        for _ in 0..5 {
            let port = free_port();
            let child = spawn(&folder, port, &[]);
            let mut node = Self {
                child,
                folder,
                port,
            };
            if node.answers() {
                return node;
            }
            // Somebody else took the port.
            let _ = node.child.wait();
            folder = std::mem::replace(&mut node.folder, tempfile::tempdir().unwrap());
        }
        panic!("bitcoind does not start");
    }

    /// Ends it as an operator does.
    pub(crate) fn end(&mut self) {
        self.call("stop", json!([]));
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same folder and port.
    pub(crate) fn start_again(&mut self, words: &[&str]) {
        self.child = spawn(&self.folder, self.port, words);
        assert!(self.answers(), "bitcoind does not start again");
    }

    fn answers(&mut self) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            let ready = fs::read(self.cookie()).is_ok_and(|cookie| !cookie.is_empty())
                && http::ask(
                    self.port,
                    &self.authorization(),
                    "getblockcount",
                    &json!([]),
                )
                .is_some_and(|answer| answer["result"].is_u64());
            if ready {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn cookie(&self) -> PathBuf {
        self.folder.path().join("regtest/.cookie")
    }

    fn authorization(&self) -> String {
        authorization(&self.cookie())
    }

    /// A call; panics with the node's error.
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        http::call(self.port, &self.authorization(), method, &params)
    }

    /// Blocks with what waits, whose makers give their coins to nobody.
    pub(crate) fn mine(&self, blocks: u64) {
        self.call("generatetodescriptor", json!([blocks, NOBODY]));
    }

    /// A block, which gives its coins to an address.
    pub(crate) fn pay(&self, address: &str) {
        self.call("generatetoaddress", json!([1, address]));
    }

    pub(crate) fn height(&self) -> u64 {
        self.call("getblockcount", json!([])).as_u64().unwrap()
    }

    /// Replaces the newest `depth` blocks by as many empty ones; what they held waits again.
    pub(crate) fn reorganise(&self, depth: u64) {
        let first = self.height() + 1 - depth;
        let hash = self.call("getblockhash", json!([first]));
        self.call("invalidateblock", json!([hash]));
        // One more, so that nothing brings the old ones back.
        for _ in 0..=depth {
            self.call("generateblock", json!([NOBODY, []]));
        }
    }

    /// Size of each anchor and the hash of the key that made it, oldest first.
    pub(crate) fn anchors(&self) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        for number in MATURE..=self.height() {
            let hash = self.call("getblockhash", json!([number]));
            let block = self.call("getblock", json!([hash, 2]));
            for transaction in block["tx"].as_array().unwrap() {
                let script = |at: usize| {
                    let script = &transaction["vout"][at]["scriptPubKey"]["hex"];
                    script.as_str().unwrap_or_default().to_owned()
                };
                if let Some(mark) = script(0).strip_prefix("6a4c504d534101") {
                    let size = u64::from_str_radix(&mark[72..84], 16).unwrap();
                    found.push((size, script(1)));
                }
            }
        }
        found
    }
}

impl Drop for Bitcoind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(folder: &tempfile::TempDir, port: u16, words: &[&str]) -> Child {
    let program = std::env::var_os("MEDSHARE_BITCOIND").expect("run `cargo xtask interop chains`");
    let _ = fs::remove_file(folder.path().join("regtest/.cookie"));
    Command::new(program)
        .arg(format!("-datadir={}", folder.path().display()))
        .arg(format!("-rpcport={port}"))
        .args([
            "-regtest",
            "-listen=0",
            "-connect=0",
            "-dnsseed=0",
            "-dbcache=16",
        ])
        .args([
            "-prune=0",
            "-rpcthreads=4",
            "-printtoconsole=0",
            "-nodebuglogfile",
        ])
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The header by which whoever can read `cookie` is let in.
pub(crate) fn authorization(cookie: &Path) -> String {
    let cookie = fs::read(cookie).unwrap_or_default();
    format!(
        "authorization: Basic {}\r\n",
        BASE64_STANDARD.encode(cookie)
    )
}

/// Blocks after which the product spends what a block gave its maker: before that no anchor
/// stands.
pub(crate) const MATURE: u64 = 110;
/// An output that anybody may spend.
pub(crate) const NOBODY: &str = "raw(51)";
