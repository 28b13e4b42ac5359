//! Our store and our nodes beside a real Kubo, on one disk, in one run: `cargo xtask bench ipfs`.
//!
//! Prints one JSON line a figure: `{"what", "who", "seconds", "memory_kib", "before_kib"}`. Each round takes a file of
//! its own that nobody has seen, and is begun by another program: what disturbs the machine disturbs all.
//!
//! - *write*: the same bytes into a file, one fsync at the end. *hash*: SHA-256 of the bytes in memory.
//! - *add*: a file becomes a tree of blocks (unixfs-v1-2025) in a store, everything durable at the end. Ours: the
//!   example `node`, timed inside. Kubo: `/api/v0/add` to a running daemon, once with `sync` on, as durable as ours, and
//!   once with its default, which syncs no block.
//! - *fetch*: the tree from one process to another on loopback, into a store, durable. Ours: two example nodes. Kubo:
//!   `/api/v0/pin/add` at a second daemon, both with `sync` on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../tests/interop/daemon.rs"]
mod daemon;

use daemon::{Daemon, Repository, SWARM_KEY};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

const SIZE: usize = 256 << 20;
/// Of the one file that shows that memory does not grow with it.
const LARGE: usize = 4 << 30;

fn main() {
    // `cargo test --benches` and criterion's flags mean nothing here.
    let Some(rounds) = std::env::var("MEDSHARE_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
    else {
        println!("run by `cargo xtask bench ipfs`");
        return;
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let works: [fn(&Round); 4] = [yardsticks, ours, kubo_synced, kubo_default];
    for number in 0..rounds {
        let round = Round::new(folder.path(), number, SIZE);
        for turn in 0..works.len() {
            settle();
            works[(turn + number) % works.len()](&round);
        }
    }
    ours_named(
        &Round::new(folder.path(), rounds, LARGE),
        "ours, 4 GiB",
        LARGE,
    );
}

/// Has the system write out what earlier works have left, so that nobody waits for another's bytes.
fn settle() {
    assert!(Command::new("sync").status().unwrap().success());
}

/// One round: a folder and a file in it.
struct Round {
    folder: PathBuf,
    file: PathBuf,
    bytes: Vec<u8>,
}

impl Round {
    fn new(folder: &Path, number: usize, size: usize) -> Self {
        let folder = folder.join(number.to_string());
        fs::create_dir(&folder).unwrap();
        let mut state = (std::process::id() as u64) << 32 | number as u64 | 1 << 20;
        let mut bytes = Vec::with_capacity(size);
        while bytes.len() < size {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        let file = folder.join("file");
        write(&file, &bytes);
        Self {
            folder,
            file,
            bytes,
        }
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}

fn figure(what: &str, who: &str, seconds: f64, before: Option<u64>, memory: Option<u64>) {
    let figure = json!({
        "what": what, "who": who, "seconds": seconds, "before_kib": before, "memory_kib": memory,
    });
    println!("{figure}");
}

fn yardsticks(round: &Round) {
    let begin = Instant::now();
    write(&round.folder.join("copy"), &round.bytes);
    figure(
        "write",
        "one fsync",
        begin.elapsed().as_secs_f64(),
        None,
        None,
    );
    let begin = Instant::now();
    std::hint::black_box(Sha256::digest(&round.bytes));
    figure("hash", "SHA-256", begin.elapsed().as_secs_f64(), None, None);
}

// -- ours

/// The example program `node`.
struct Node(Child, BufReader<std::process::ChildStdout>);

impl Node {
    fn start(words: &[&str]) -> Self {
        let program =
            std::env::var_os("MEDSHARE_EXAMPLE_NODE").expect("set by cargo xtask bench ipfs");
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    /// What it prints next.
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).expect("a line of JSON");
        assert!(told["error"].is_null(), "{told}");
        told
    }

    fn end(mut self) -> Option<Value> {
        drop(self.0.stdin.take());
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        assert!(self.0.wait().unwrap().success());
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ours(round: &Round) {
    ours_named(round, "ours", SIZE);
}

/// Adds and fetches; `who` stands in the figures.
fn ours_named(round: &Round, who: &str, size: usize) {
    let key = round.folder.join("swarm.key");
    fs::write(&key, SWARM_KEY).unwrap();
    let key = key.to_str().unwrap();
    let (from, to) = (round.folder.join("from"), round.folder.join("to"));
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());

    let mut node = Node::start(&["add", "--store", from, round.file.to_str().unwrap()]);
    let added = node.line();
    node.end();
    let seconds = added["seconds"].as_f64().unwrap();
    figure("add", who, seconds, None, added["peak_rss_kib"].as_u64());

    let root = added["root"].as_str().unwrap();
    let mut server = Node::start(&["serve", "--store", from, "--swarm-key", key, "--allow-any"]);
    let told = server.line();
    let address = format!(
        "{}/p2p/{}",
        told["listening"][0].as_str().unwrap(),
        told["id"].as_str().unwrap()
    );
    let words = [
        "fetch",
        "--store",
        to,
        "--swarm-key",
        key,
        "--peer",
        &address,
        "--root",
        root,
    ];
    let mut client = Node::start(&words);
    let fetched = client.line();
    client.end();
    assert!(
        fetched["bytes"].as_u64().unwrap() >= size as u64,
        "{fetched}"
    );
    let seconds = fetched["seconds"].as_f64().unwrap();
    figure(
        "fetch",
        who,
        seconds,
        None,
        fetched["peak_rss_kib"].as_u64(),
    );
    let served = server.end().and_then(|told| told["peak_rss_kib"].as_u64());
    figure("serve", who, seconds, None, served);
}

// -- Kubo

fn kubo_synced(round: &Round) {
    let from = repository(round).start();
    let before = memory(&from);
    let (seconds, root) = add(&from, round);
    figure("add", "Kubo, sync", seconds, before, memory(&from));
    let to = repository(round).start();
    to.ipfs(&["swarm", "connect", &from.multiaddr()]);
    let before = (memory(&from), memory(&to));
    let begin = Instant::now();
    let answer = post(&to, &format!("pin/add?arg={root}"), None);
    let seconds = begin.elapsed().as_secs_f64();
    assert!(answer.contains(&root), "{answer}");
    figure("fetch", "Kubo, sync", seconds, before.1, memory(&to));
    figure("serve", "Kubo, sync", seconds, before.0, memory(&from));
}

fn kubo_default(round: &Round) {
    let repository = repository(round);
    let default = daemon::documented()
        .into_iter()
        .find(|(name, _)| name == "Datastore.Spec")
        .map(|(_, value)| value.to_string().replace("true", "false"));
    repository.set(
        "Datastore.Spec",
        serde_json::from_str(&default.unwrap()).unwrap(),
    );
    let kubo = repository.start();
    let before = memory(&kubo);
    let (seconds, _) = add(&kubo, round);
    figure("add", "Kubo, default", seconds, before, memory(&kubo));
}

/// On the disk where ours is.
fn repository(round: &Round) -> Repository {
    Repository::new_in(&round.folder)
}

fn add(kubo: &Daemon, round: &Round) -> (f64, String) {
    let words = "add?quieter=true&cid-version=1&raw-leaves=true&chunker=size-1048576&max-file-links=1024&pin=true\
                 &progress=false&fast-provide-root=false";
    let begin = Instant::now();
    let answer = post(kubo, words, Some(&round.file));
    let seconds = begin.elapsed().as_secs_f64();
    let last = answer
        .lines()
        .rfind(|line| line.contains("Hash"))
        .expect("a CID");
    let told: Value = serde_json::from_str(last).unwrap();
    (seconds, told["Hash"].as_str().unwrap().to_owned())
}

/// The text of an answer, from where JSON begins.
fn post(kubo: &Daemon, call: &str, file: Option<&Path>) -> String {
    let mut stream = TcpStream::connect(kubo.api()).unwrap();
    // A call without a file must not claim to have parts: Kubo would wait for the first and refuse.
    let (form, head, tail) = match file {
        None => ("", "", ""),
        Some(_) => (
            "Content-Type: multipart/form-data; boundary=medshare\r\n",
            "--medshare\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            "\r\n--medshare--\r\n",
        ),
    };
    let size = file.map_or(0, |file| fs::metadata(file).unwrap().len());
    let length = head.len() as u64 + size + tail.len() as u64;
    write!(
        stream,
        "POST /api/v0/{call} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {form}\r\n{head}",
        kubo.api()
    )
    .unwrap();
    if let Some(file) = file {
        std::io::copy(&mut File::open(file).unwrap(), &mut stream).unwrap();
    }
    stream.write_all(tail.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// The most memory that a daemon has had.
fn memory(kubo: &Daemon) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", kubo.pid())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
