//! A node as a process, for interoperability tests and benchmarks. One line of JSON on
//! standard output for each result.
//!
//! ```text
//! node add   --store DIR [--profile v1|v0] FILE      {"root", "bytes", "seconds", …}
//! node serve --store DIR [NODE…]                     {"id", "listening"}, until stdin ends
//! node fetch --store DIR [NODE…] --peer ADDRESS/p2p/ID… --root CID [--out FILE]
//!                                                    {"blocks", "bytes", "seconds", …}
//!
//! NODE: --listen ADDRESS      /ip4/127.0.0.1/tcp/0 if it is not given
//!       --seed FILE           32 bytes; made if it is not there; random without the flag
//!       --swarm-key FILE      as Kubo and js-libp2p have it
//!       --allow ID            who may connect and have every block; may be repeated
//!       --allow-any           everybody may
//! ```
//! The providers of `fetch` are admitted. It exits with 1 and {"error"} if it fails.

use std::{
    collections::HashMap,
    error::Error,
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Instant,
};
use store::{
    Embedded, Source,
    peer::{Exchange, FetchOptions, Multiaddr, PeerId, PeerKey, PeerNode, PeerSettings, Policy},
    unixfs::{Profile, Reader, add},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What was typed: values by flag, and what stands alone.
struct Arguments {
    flags: HashMap<String, Vec<String>>,
    alone: Vec<String>,
}

impl Arguments {
    fn parse(typed: impl Iterator<Item = String>) -> Outcome<Self> {
        let (mut flags, mut alone) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        let mut typed = typed.peekable();
        while let Some(word) = typed.next() {
            match word.strip_prefix("--") {
                Some("allow-any") => drop(flags.entry("allow-any".to_owned()).or_default()),
                Some(flag) => {
                    let value = typed.next().ok_or(format!("--{flag} needs a value"))?;
                    flags.entry(flag.to_owned()).or_default().push(value);
                }
                None => alone.push(word),
            }
        }
        Ok(Self { flags, alone })
    }

    fn all(&self, flag: &str) -> &[String] {
        self.flags.get(flag).map_or(&[], |values| values)
    }

    fn one(&self, flag: &str) -> Outcome<&str> {
        let value = self.all(flag).first();
        Ok(value.ok_or(format!("--{flag} is missing"))?)
    }
}

/// Who may connect, and have everything; `None` is everybody.
struct Allowed(Option<Vec<PeerId>>);

impl Policy for Allowed {
    fn admits(&self, peer: &PeerId) -> bool {
        self.0.as_ref().is_none_or(|allowed| allowed.contains(peer))
    }
    fn may_have(&self, _: &PeerId, _: &base::cid::Cid) -> bool {
        true
    }
}

struct Silent;

impl Exchange for Silent {
    fn answer(&self, _: &PeerId, _: Vec<u8>) -> Option<Vec<u8>> {
        None
    }
}

/// `ADDRESS/p2p/ID` in its two parts.
fn provider(text: &str) -> Outcome<(PeerId, Multiaddr)> {
    let (_, id) = text.rsplit_once("/p2p/").ok_or("no /p2p/ in --peer")?;
    Ok((id.parse()?, text.parse()?))
}

fn seed(file: Option<&String>) -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    if let Some(file) = file.filter(|file| Path::new(file).exists()) {
        fs::File::open(file)?.read_exact(&mut seed)?;
        return Ok(seed);
    }
    fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    if let Some(file) = file {
        fs::write(file, seed)?;
    }
    Ok(seed)
}

fn start(arguments: &Arguments, providers: &[PeerId]) -> Outcome<(PeerNode, Arc<Embedded>)> {
    let mut seed = seed(arguments.all("seed").first())?;
    let mut settings = PeerSettings::new(PeerKey::from_seed(&mut seed));
    let anywhere = ["/ip4/127.0.0.1/tcp/0".to_owned()];
    let listen = match arguments.all("listen") {
        [] => &anywhere,
        given => given,
    };
    for address in listen {
        settings.listen.push(address.parse()?);
    }
    if let Some(file) = arguments.all("swarm-key").first() {
        settings.swarm_key = Some(fs::read_to_string(file)?.parse()?);
    }
    let mut allowed = providers.to_vec();
    for id in arguments.all("allow") {
        allowed.push(id.parse()?);
    }
    let everybody = arguments.flags.contains_key("allow-any");
    let policy = Arc::new(Allowed((!everybody).then_some(allowed)));
    let store = Arc::new(Embedded::open(arguments.one("store")?)?);
    let node = PeerNode::start(settings, store.clone(), policy, Arc::new(Silent))?;
    Ok((node, store))
}

fn add_file(arguments: &Arguments) -> Outcome<()> {
    let profile = match arguments.all("profile").first().map(String::as_str) {
        None | Some("v1") => Profile::UNIXFS_V1_2025,
        Some("v0") => Profile::UNIXFS_V0_2015,
        Some(other) => return Err(format!("no profile {other}").into()),
    };
    let file = arguments.alone.first().ok_or("no file is named")?;
    let store = Embedded::open(arguments.one("store")?)?;
    let store: &dyn store::BlockStore = &store;
    let begun = Instant::now();
    let mut batch = store.batch();
    let built = add(profile, fs::File::open(file)?, &mut *batch)?;
    batch.commit()?;
    store.pin(&built.cid)?;
    println!(
        r#"{{"root":"{}","bytes":{},"seconds":{:.6},"peak_rss_kib":{}}}"#,
        built.cid,
        built.size,
        begun.elapsed().as_secs_f64(),
        peak_rss_kib(),
    );
    Ok(())
}

async fn serve(arguments: &Arguments) -> Outcome<()> {
    let (node, _store) = start(arguments, &[])?;
    let listening: Vec<String> = node
        .listening()
        .iter()
        .map(|at| format!("\"{at}\""))
        .collect();
    println!(
        r#"{{"id":"{}","listening":[{}]}}"#,
        node.id(),
        listening.join(",")
    );
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    node.stop().await;
    println!(r#"{{"peak_rss_kib":{}}}"#, peak_rss_kib());
    Ok(())
}

async fn fetch(arguments: &Arguments) -> Outcome<()> {
    let peers: Vec<_> = arguments
        .all("peer")
        .iter()
        .map(|text| provider(text))
        .collect::<Result<_, _>>()?;
    let root = arguments.one("root")?.parse()?;
    let providers: Vec<PeerId> = peers.iter().map(|(id, _)| *id).collect();
    let (node, store) = start(arguments, &providers)?;
    for (id, address) in peers {
        node.add_address(id, address)?;
    }
    let begun = Instant::now();
    let fetched = node
        .fetch(root, &providers, FetchOptions::default())
        .await?;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        r#"{{"blocks":{},"bytes":{},"held":{},"seconds":{seconds:.6},"mib_per_s":{:.1},"peak_rss_kib":{}}}"#,
        fetched.blocks,
        fetched.bytes,
        fetched.held,
        fetched.bytes as f64 / f64::from(1 << 20) / seconds,
        peak_rss_kib(),
    );
    if let Some(file) = arguments.all("out").first() {
        let mut file = fs::File::create(file)?;
        let store: &dyn store::BlockStore = &*store;
        io::copy(&mut Reader::open(&store as &dyn Source, root)?, &mut file)?;
        file.flush()?;
    }
    node.stop().await;
    Ok(())
}

/// The most memory that this process has had, or 0 where that is not told.
fn peak_rss_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut typed = std::env::args().skip(1);
    let verb = typed.next().unwrap_or_default();
    let done = match (verb.as_str(), Arguments::parse(typed)) {
        (_, Err(error)) => Err(error),
        ("add", Ok(arguments)) => add_file(&arguments),
        ("serve", Ok(arguments)) => serve(&arguments).await,
        ("fetch", Ok(arguments)) => fetch(&arguments).await,
        (other, Ok(_)) => Err(format!("no verb {other:?}: add, serve or fetch").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!(r#"{{"error":{:?}}}"#, error.to_string());
            ExitCode::FAILURE
        }
    }
}
