//! A real anvil, and calls to it that are no business of the product.

use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::http;

/// Secret keys of the accounts that anvil gives money to: the well-known test phrase's.
pub(crate) const KEYS: [[u8; 32]; 3] = [
    key(b"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    key(b"59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    key(b"5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
];

const fn key(digits: &[u8; 64]) -> [u8; 32] {
    const fn value(digit: u8) -> u8 {
        if digit >= b'a' {
            digit - b'a' + 10
        } else {
            digit - b'0'
        }
    }
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < 32 {
        bytes[at] = value(digits[2 * at]) << 4 | value(digits[2 * at + 1]);
        at += 1;
    }
    bytes
}

/// The network's number of every anvil that is not told another.
pub(crate) const NETWORK: u64 = 31_337;

/// A node that ends when it is dropped.
pub(crate) struct Anvil {
    child: Child,
    pub(crate) port: u16,
}

impl Anvil {
    #[allow(dead_code, reason = "the tests of the binary use it")]
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(words: &[&str]) -> Self {
        let program = std::env::var_os("MEDSHARE_ANVIL").expect("run `cargo xtask interop chains`");
        let mut command = Command::new(program);
        if !words.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        let mut child = command
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "anvil ended");
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.trim().rsplit(':').next().unwrap().parse().unwrap();
            }
        };
        // What it goes on to say is nobody's; a full pipe would stop it.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { child, port }
    }

    /// One that keeps its state in `file` over an end with [`Anvil::end`].
    pub(crate) fn keeping(file: &Path, port: u16) -> Self {
        Self::with(&[
            "--state",
            file.to_str().unwrap(),
            "--port",
            &port.to_string(),
        ])
    }

    /// Ends it as an operator does; what it keeps is written.
    pub(crate) fn end(mut self) -> u16 {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap();
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A call; panics with the node's error.
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        http::call(self.port, "", method, &params)
    }

    pub(crate) fn mine(&self, blocks: u64) {
        self.call("anvil_mine", json!([format!("{blocks:#x}")]));
    }

    pub(crate) fn height(&self) -> u64 {
        number(&self.call("eth_blockNumber", json!([])))
    }

    /// Whether a transaction goes into a block at once.
    pub(crate) fn mine_at_once(&self, on: bool) {
        self.call("evm_setAutomine", json!([on]));
    }

    /// Waits until nothing is left that could be in a block: a call that sends is answered before
    /// the block is made, also by a node that mines at once.
    pub(crate) fn include(&self) {
        for _ in 0..1000 {
            if number(&self.call("txpool_status", json!([]))["pending"]) == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{}", self.call("txpool_content", json!([])));
    }

    /// The next block's base fee, wei.
    pub(crate) fn base_fee(&self, wei: u64) {
        self.call(
            "anvil_setNextBlockBaseFeePerGas",
            json!([format!("{wei:#x}")]),
        );
        self.mine(1);
    }

    /// Replaces the newest `depth` blocks by empty ones.
    pub(crate) fn reorganise(&self, depth: u64) {
        self.call("anvil_reorg", json!([depth, []]));
    }

    /// Events of the contract, sequence and size of each.
    pub(crate) fn anchors(&self, contract: &[u8; 20]) -> Vec<(u64, u64)> {
        let filter = json!([{
            "fromBlock": "0x0", "toBlock": "latest",
            "address": format!("0x{}", hex::encode(contract)),
        }]);
        let logs = self.call("eth_getLogs", filter);
        // The only event with two indexed values.
        let logs = logs.as_array().unwrap().iter();
        let logs = logs.filter(|log| log["topics"].as_array().unwrap().len() == 3);
        logs.map(|log| {
            let word = |text: &str| u64::from_str_radix(text, 16).unwrap();
            let topics = &log["topics"];
            let data = log["data"].as_str().unwrap();
            (
                word(&topics[2].as_str().unwrap()[50..]),
                word(&data[2 + 64 + 48..2 + 128]),
            )
        })
        .collect()
    }

    /// Transactions that an account has sent, in blocks.
    pub(crate) fn count(&self, of: &[u8; 20]) -> u64 {
        let of = format!("0x{}", hex::encode(of));
        number(&self.call("eth_getTransactionCount", json!([of, "latest"])))
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}
