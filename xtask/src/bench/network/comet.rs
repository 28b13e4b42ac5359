//! CometBFT on four processes of this machine, and clients that wait for each commit.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::Figure;
use crate::run;

/// The best of three block sizes.
pub(super) fn measure(program: &Path, clients: u64, bytes: usize, seconds: u64) -> Result<Figure> {
    let mut best: Option<Figure> = None;
    for most in [64 << 10, 1 << 20, 4 << 20] {
        let cluster = Cluster::start(program, most)?;
        let figure = cluster.load(clients, bytes, seconds)?;
        println!(
            "CometBFT, blocks of {most} bytes, {clients} clients: {:.0}/s, p50 {:.1} ms, p99 {:.1} ms",
            figure.per_second, figure.p50, figure.p99
        );
        if best
            .as_ref()
            .is_none_or(|best| figure.per_second > best.per_second)
        {
            best = Some(figure);
        }
    }
    best.context("nothing was measured")
}

/// Removes its folder and ends its processes when dropped.
struct Cluster {
    folder: PathBuf,
    ports: Vec<u16>,
    processes: Vec<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Cluster {
    fn start(program: &Path, most: u64) -> Result<Self> {
        let folder = run::root().join("target/bench-cometbft");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let mut made = Command::new(program);
        made.args(["testnet", "--v", "4", "--o"])
            .arg(&folder)
            .stdout(Stdio::null());
        run::must(&mut made)?;
        // Held until all are known, so that none comes twice.
        let held = (0..8)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<std::io::Result<Vec<_>>>()?;
        let ports = held
            .iter()
            .map(|held| Ok(held.local_addr()?.port()))
            .collect::<std::io::Result<Vec<_>>>()?;
        drop(held);
        let (talk, rpc) = ports.split_at(4);
        let ids = (0..4)
            .map(|at| node_id(program, &home(&folder, at)))
            .collect::<Result<Vec<_>>>()?;
        let mut cluster = Self {
            folder,
            ports: rpc.to_vec(),
            processes: Vec::new(),
        };
        for at in 0..4 {
            let others = (0..4).filter(|other| *other != at);
            let peers: Vec<_> = others
                .map(|other| format!("{}@127.0.0.1:{}", ids[other], talk[other]))
                .collect();
            let home = home(&cluster.folder, at);
            configure(&home, talk[at], rpc[at], &peers.join(","))?;
            limit_blocks(&home, most)?;
            let log = fs::File::create(home.join("log"))?;
            let process = Command::new(program)
                .args(["start", "--home"])
                .arg(&home)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()?;
            cluster.processes.push(process);
        }
        cluster.wait()?;
        Ok(cluster)
    }

    /// Until each has committed something.
    fn wait(&self) -> Result<()> {
        for (at, port) in self.ports.iter().enumerate() {
            let limit = Instant::now() + Duration::from_secs(60);
            let first = format!("first{at}=1");
            while Client::new(*port)
                .and_then(|mut client| client.commit(first.as_bytes()))
                .is_err()
            {
                ensure!(Instant::now() < limit, "CometBFT does not begin");
                thread::sleep(Duration::from_millis(200));
            }
        }
        Ok(())
    }

    fn load(&self, clients: u64, bytes: usize, seconds: u64) -> Result<Figure> {
        let took = Mutex::new(Vec::new());
        let end = Instant::now() + Duration::from_secs(seconds);
        let one = |client: u64| -> Result<()> {
            let port = self.ports[client as usize % self.ports.len()];
            let (mut connection, mut own) = (Client::new(port)?, Vec::new());
            for number in 0_u64.. {
                let begun = Instant::now();
                if begun > end {
                    break;
                }
                let mut sent = format!("{client}.{number}=");
                while sent.len() < bytes {
                    sent.push('x');
                }
                connection.commit(sent.as_bytes())?;
                own.push(begun.elapsed());
            }
            took.lock()
                .map_err(|_| anyhow::anyhow!("a client failed"))?
                .append(&mut own);
            Ok(())
        };
        thread::scope(|scope| {
            let one = &one;
            let all: Vec<_> = (0..clients)
                .map(|client| scope.spawn(move || one(client)))
                .collect();
            all.into_iter().try_for_each(|client| match client.join() {
                Ok(done) => done,
                Err(_) => bail!("a client failed"),
            })
        })?;
        let mut took: Vec<Duration> = took.into_inner().unwrap_or_default();
        took.sort();
        let at = |part: usize| {
            let found = took.get(took.len().saturating_sub(1) * part / 100);
            found.copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        Ok(Figure {
            who: "CometBFT, 4 validators".into(),
            clients,
            per_second: took.len() as f64 / seconds as f64,
            p50: at(50),
            p99: at(99),
        })
    }
}

/// One connection to a node's RPC that stays open.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a transaction and waits until it is in a block.
    fn commit(&mut self, transaction: &[u8]) -> Result<()> {
        let hex: String = transaction
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = format!("/broadcast_tx_commit?tx=0x{hex}");
        let stream = self.0.get_mut();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut length = None;
        loop {
            let mut line = String::new();
            ensure!(self.0.read_line(&mut line)? > 0, "the node hung up");
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse()?);
            }
        }
        let mut body = vec![0; length.context("an answer without a length")?];
        self.0.read_exact(&mut body)?;
        let answer: Value = serde_json::from_slice(&body)?;
        let result = &answer["result"];
        let taken = result["check_tx"]["code"] == 0 && result["tx_result"]["code"] == 0;
        ensure!(taken, "not committed: {answer}");
        Ok(())
    }
}

fn home(folder: &Path, at: usize) -> PathBuf {
    folder.join(format!("node{at}"))
}

fn node_id(program: &Path, home: &Path) -> Result<String> {
    let mut command = Command::new(program);
    let done = command
        .args(["show-node-id", "--home"])
        .arg(home)
        .output()?;
    ensure!(done.status.success(), "no node id in {}", home.display());
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}

fn configure(home: &Path, talk: u16, rpc: u16, peers: &str) -> Result<()> {
    let path = home.join("config/config.toml");
    let mut config: toml::Table = toml::from_str(&fs::read_to_string(&path)?)?;
    config.insert("proxy_app".into(), "persistent_kvstore".into());
    config.insert("log_level".into(), "error".into());
    let mut set = |section: &str, values: &[(&str, toml::Value)]| -> Result<()> {
        let table = config.get_mut(section).and_then(toml::Value::as_table_mut);
        let table = table.with_context(|| format!("no [{section}]"))?;
        for (key, value) in values {
            let before = table.insert((*key).to_owned(), value.clone());
            ensure!(before.is_some(), "no {section}.{key}");
        }
        Ok(())
    };
    set(
        "rpc",
        &[
            ("laddr", format!("tcp://127.0.0.1:{rpc}").into()),
            ("max_open_connections", 2_000.into()),
            ("max_subscription_clients", 2_000.into()),
            ("timeout_broadcast_tx_commit", "50s".into()),
        ],
    )?;
    set(
        "p2p",
        &[
            ("laddr", format!("tcp://127.0.0.1:{talk}").into()),
            ("persistent_peers", peers.into()),
            ("addr_book_strict", false.into()),
            ("allow_duplicate_ip", true.into()),
        ],
    )?;
    set(
        "mempool",
        &[("size", 50_000.into()), ("cache_size", 100_000.into())],
    )?;
    // Empty blocks would only cost it.
    set(
        "consensus",
        &[
            ("timeout_commit", "0s".into()),
            ("create_empty_blocks", false.into()),
        ],
    )?;
    fs::write(&path, toml::to_string(&config)?)?;
    Ok(())
}

fn limit_blocks(home: &Path, most: u64) -> Result<()> {
    let path = home.join("config/genesis.json");
    let mut genesis: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    let limit = genesis.pointer_mut("/consensus_params/block/max_bytes");
    *limit.context("genesis.json has no block size")? = json!(most.to_string());
    // Evidence may not be larger than a block.
    if let Some(limit) = genesis.pointer_mut("/consensus_params/evidence/max_bytes") {
        *limit = json!((most / 4).to_string());
    }
    fs::write(&path, serde_json::to_string_pretty(&genesis)?)?;
    Ok(())
}
