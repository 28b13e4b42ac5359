//! A node of EOS for tests, if one is installed: nodeos, on a chain of its own.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{foreign, stage::Stage};
use crate::exit::{Exit, Fault, Result};

/// A running nodeos; it ends with the stage.
#[derive(Debug)]
pub(super) struct Nodeos {
    port: u16,
}

impl Nodeos {
    /// Starts it on a free port, in a folder of the stage. It makes two blocks a second.
    ///
    /// # Errors
    /// [`Exit::NotFound`] when there is none, [`Exit::Unreachable`] when it does not start.
    pub(super) fn start(stage: &Stage) -> Result<Self> {
        // The build of the node that tests use crashes at times when it starts.
        let tries = ["eos", "eos-2", "eos-3", "eos-4"];
        let mut last = None;
        for folder in tries {
            match Self::try_start(stage, folder) {
                Err(fault) if fault.exit == Exit::Unreachable => last = Some(fault),
                done => return done,
            }
        }
        Err(last.unwrap_or_else(|| Fault::new(Exit::Unreachable, "nodeos did not start")))
    }

    fn try_start(stage: &Stage, folder: &str) -> Result<Self> {
        let folder = stage.side_socket(folder);
        let fault = |error: &std::io::Error| Fault::io(folder.display(), error);
        let port = free_port().map_err(|error| fault(&error))?;
        let peers = free_port().map_err(|error| fault(&error))?;
        let running = foreign::start(stage, "nodeos", VARIABLE, |command| {
            command
                .args(["--enable-stale-production", "--producer-name", "eosio"])
                .args(["--plugin", "eosio::chain_api_plugin"])
                .args(["--plugin", "eosio::producer_api_plugin"])
                .args(["--chain-state-db-size-mb", "256"])
                // A disk that is nearly full would end it.
                .arg("--resource-monitor-not-shutdown-on-threshold-exceeded")
                .args(["--http-server-address", &format!("127.0.0.1:{port}")])
                .args(["--p2p-listen-endpoint", &format!("127.0.0.1:{peers}")])
                .arg("--data-dir")
                .arg(folder.join("data"))
                .arg("--config-dir")
                .arg(folder.join("config"));
        })?;
        let node = Self { port };
        let started = Instant::now();
        while !node.makes_blocks() {
            if !running.is_alive() || started.elapsed() > START {
                return Err(Fault::new(Exit::Unreachable, "nodeos did not start"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(node)
    }

    /// Where it answers.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// An account that may carry our ABI and one that pays, both of which every new chain has.
    #[expect(clippy::unused_self, reason = "it is this chain that has them")]
    pub(super) fn accounts(&self) -> [&'static str; 2] {
        ["eosio.prods", "eosio"]
    }

    /// The key of both on every new chain for tests, which everybody knows.
    #[expect(clippy::unused_self, reason = "it is this chain that has it")]
    pub(super) fn key(&self) -> &'static str {
        "d2653ff7cbb2d8ff129ac27ef5781ce68b2558c41a74af1f2ddca635cbeef07d"
    }

    /// Whether a block has become irreversible.
    fn makes_blocks(&self) -> bool {
        let said = self.info().unwrap_or_default();
        let number = said
            .split_once("\"last_irreversible_block_num\":")
            .and_then(|(_, rest)| rest.split([',', '}']).next())
            .and_then(|number| number.parse::<u64>().ok());
        number.is_some_and(|number| number > 1)
    }

    fn info(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(START)).ok()?;
        let request = format!(
            "POST /v1/chain/get_info HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            self.port
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

const VARIABLE: &str = "MEDSHARE_NODEOS";
const START: Duration = Duration::from_secs(60);
