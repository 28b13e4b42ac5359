//! A node of Bitcoin for tests, if one is installed: bitcoind, on a chain of its own.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{foreign, stage::Stage};
use crate::exit::{Exit, Fault, Result};

/// A running bitcoind; it ends with the stage.
#[derive(Clone, Debug)]
pub(super) struct Bitcoind {
    port: u16,
    cookie: PathBuf,
}

impl Bitcoind {
    /// Starts it on a free port, in a folder of the stage.
    ///
    /// # Errors
    /// [`Exit::NotFound`] when there is none, [`Exit::Unreachable`] when it does not start.
    pub(super) fn start(stage: &Stage) -> Result<Self> {
        let folder = stage.side_socket("bitcoin");
        fs::create_dir(&folder).map_err(|error| Fault::io(folder.display(), &error))?;
        let port = free_port().map_err(|error| Fault::new(Exit::Unreachable, error))?;
        let running = foreign::start(stage, "bitcoind", VARIABLE, |command| {
            command
                .arg(format!("-datadir={}", folder.display()))
                .arg(format!("-rpcport={port}"))
                .args([
                    "-regtest",
                    "-listen=0",
                    "-connect=0",
                    "-dnsseed=0",
                    "-dbcache=16",
                ])
                .args(["-printtoconsole=0", "-nodebuglogfile"]);
        })?;
        let node = Self {
            port,
            cookie: folder.join("regtest/.cookie"),
        };
        let started = Instant::now();
        while node.call("getblockcount", &json!([])).is_none() {
            if !running.is_alive() || started.elapsed() > START {
                return Err(Fault::new(Exit::Unreachable, "bitcoind did not start"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(node)
    }

    /// What a node of ours is told of it.
    pub(super) fn table(&self) -> String {
        format!(
            "\n[anchor.bitcoin]\nendpoint = \"http://127.0.0.1:{}\"\ncookie = {:?}\nnetwork = \"regtest\"\nevery-seconds = 1\nconfirmations = 3\npoll-milliseconds = 300\n",
            self.port,
            self.cookie.display().to_string(),
        )
    }

    /// Gives an address coins that can be spent, and from then on makes a block a second.
    ///
    /// # Errors
    /// [`Exit::Unreachable`].
    pub(super) fn pay(&self, address: &str) -> Result<()> {
        let paid = self
            .call("generatetoaddress", &json!([1, address]))
            .and_then(|_| self.call("generatetodescriptor", &json!([MATURE, NOBODY])));
        paid.ok_or_else(|| Fault::new(Exit::Unreachable, "bitcoind makes no blocks"))?;
        let node = self.clone();
        thread::spawn(move || {
            while node
                .call("generatetodescriptor", &json!([1, NOBODY]))
                .is_some()
            {
                thread::sleep(Duration::from_secs(1));
            }
        });
        Ok(())
    }

    fn call(&self, method: &str, params: &Value) -> Option<Value> {
        let answer = ask(self.port, &self.cookie, method, params)?;
        answer.get("result").filter(|it| !it.is_null()).cloned()
    }
}

fn ask(port: u16, cookie: &Path, method: &str, params: &Value) -> Option<Value> {
    let cookie = BASE64_STANDARD.encode(fs::read(cookie).ok()?);
    let body = json!({"jsonrpc": "1.0", "id": 0, "method": method, "params": params}).to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(START)).ok()?;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: node\r\nconnection: close\r\nauthorization: Basic {cookie}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

const VARIABLE: &str = "MEDSHARE_BITCOIND";
const START: Duration = Duration::from_secs(60);
/// Blocks after which a block's coins can be spent, and some more.
const MATURE: u32 = 110;
/// An output that anybody may spend.
const NOBODY: &str = "raw(51)";
