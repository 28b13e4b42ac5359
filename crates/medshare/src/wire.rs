//! Puts a node together: this file and its folder are the only ones that name concrete
//! back-ends.
//!
//! Solo ledger on redb, or one that follows another node's; blocks in the embedded store or in
//! a Kubo, post office on redb, behind `/v1`; with feature `peers`, the link to other nodes.

mod anchors;
mod blocks;
mod look;
mod mend;
#[cfg(any(feature = "bft", feature = "peers"))]
mod note;
mod office;
mod open;
mod orderer;
#[cfg(feature = "peers")]
mod peers;
mod scrub;
#[cfg(feature = "bft")]
mod validator;

use anchor::Chain;
use base::{AccountId, Millis, genesis::Genesis, key::OperationSecret};
use ledger::{Header, Ledger};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use store::{Absent, BlockStore};
use tokio::{runtime::Runtime, sync::watch};
use zeroize::Zeroizing;

use crate::{
    config::{AnchorConfig, ConsensusConfig, PeersConfig, ServerConfig, StoreConfig},
    exit::{Exit, Fault, Result},
    files,
    http::{
        Address,
        anchors::Anchors,
        interface::{Interface, Views},
        post::{Post, PostLimits},
        routes::router,
        server::{Listener, event_loop, serve},
    },
    machine,
    peers::key::PeerSeed,
    stop::Stop,
    system,
    watch::{Watched, watch},
};
pub use look::{
    LookedLedger, LookedStore, StoreLook, check_new, drafts, look_at_ledger, look_at_peers,
    look_at_store, post_path,
};
pub use mend::{mend_blocks, pin_at_least, rebuild_index, rebuild_ledger, tidy_store};
use office::Office;
pub use open::check_versions;
use open::open_ledger;
pub use orderer::{prepare_validator, require_bft};

/// What a node is made of.
pub struct NodeParts<'a> {
    /// The ledger's first object.
    pub genesis: &'a Genesis,
    /// Folder of ledger, store and post; made if absent.
    pub folder: &'a Path,
    /// The account's operation key: the validator's, at a node that orders.
    pub secret: OperationSecret,
    /// The key that is to replace it, while a rotation is under way.
    pub next: Option<OperationSecret>,
    /// The node's account: a key that was rotated no longer gives it.
    pub account: AccountId,
    /// Limits.
    pub server: &'a ServerConfig,
    /// Where blocks are kept.
    pub store: &'a StoreConfig,
    /// Public chains, if it anchors in any.
    pub anchors: AnchorParts<'a>,
    /// Other nodes, if it has any.
    pub peers: Option<PeerParts<'a>>,
    /// The other validators, if there are any.
    pub consensus: Option<ConsensusParts<'a>>,
}

/// What a validator's link to the others is made of.
#[derive(Debug)]
pub struct ConsensusParts<'a> {
    /// `[consensus]`
    pub config: &'a ConsensusConfig,
    /// The key of the peer id.
    pub seed: PeerSeed,
}

/// What anchoring is made of.
#[derive(Debug)]
pub struct AnchorParts<'a> {
    /// `[anchor]`
    pub config: &'a AnchorConfig,
    /// The keys that pay, of the chains that there are any for.
    pub keys: BTreeMap<Chain, ChainKey>,
}

/// Secret bytes of a key of a public chain.
pub struct ChainKey(pub Zeroizing<[u8; 32]>);

impl std::fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChainKey")
    }
}

/// What a node's link to others is made of.
#[derive(Debug)]
pub struct PeerParts<'a> {
    /// `[peers]`
    pub config: &'a PeersConfig,
    /// The configuration's file, which is read again when it changes.
    pub file: &'a Path,
    /// The home, which relative paths start from.
    pub home: &'a Path,
    /// The account.
    pub account: AccountId,
    /// The key of the peer id.
    pub seed: PeerSeed,
}

impl std::fmt::Debug for NodeParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeParts({})", self.folder.display())
    }
}

/// Where a node answers, and how far its ledger is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Where parties reach it.
    pub address: Address,
    /// Where other nodes reach it, as multiaddresses without its id.
    pub peer_addresses: Vec<String>,
    /// The ledger's height.
    pub height: u64,
}

/// Runs a node at `address` until SIGTERM or SIGINT; `ready` is told where it listens and
/// the ledger's height once requests are answered. Returns the height at the end.
///
/// # Errors
/// [`Exit::Busy`], [`Exit::Home`], [`Exit::Config`], [`Exit::Storage`], [`Exit::Forked`],
/// and what `ready` gives.
pub fn run_node(
    parts: NodeParts<'_>,
    address: &Address,
    ready: impl FnOnce(&Bound) -> Result<()>,
) -> Result<u64> {
    files::make_private_folder(parts.folder)?;
    let most = machine::connections()?;
    let stop = Stop::on_signals()?;
    let ledger = Arc::new(open_ledger(&parts)?);
    let blocks = blocks::open(&parts)?;
    let post = Post::open(&parts.folder.join(POST), PostLimits::default())?;
    let head = head(&ledger)?;
    let height = head.height;
    warn_of_clock(&head, parts.genesis.drift);
    let runtime = event_loop(BLOCKING_THREADS)?;
    let views: Views = {
        let ledger = Arc::clone(&ledger);
        Arc::new(move || ledger.view())
    };
    let anchoring = anchors::start(&parts, &views, &stop)?;
    let opened = Opened {
        ledger: Arc::clone(&ledger),
        store: blocks.store,
        post,
        time: head.time,
        views,
        anchors: anchoring
            .as_ref()
            .map(|it| Arc::<anchors::Anchoring>::clone(it) as _),
        #[cfg(feature = "peers")]
        stop: stop.clone(),
    };
    let office = Office::open(&parts, opened, &runtime)?;
    let interface = office.interface();
    let collector = collect_blocks(Arc::clone(&interface.store), stop.clone());
    let pause = Duration::from_secs(parts.server.scrub_seconds.into());
    let scrubber = blocks
        .embedded
        .map(|store| scrub::scrub(store, &interface, pause, stop.clone()));
    let mut watched = vec![
        Watched::new(&parts.folder.join(LEDGER), ledger.tables()),
        Watched::new(&parts.folder.join(POST), interface.post.tables()),
    ];
    if let Some(anchoring) = &anchoring {
        let path = parts.folder.join(ANCHORS);
        watched.push(Watched::new(&path, anchoring.tables()));
    }
    let (served, damage) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(watched, &stop));
        let served = serve_until(
            &runtime,
            &stop,
            address,
            most,
            Arc::clone(&interface),
            |address| {
                ready(&Bound {
                    address: address.clone(),
                    peer_addresses: office.peer_addresses(),
                    height,
                })
            },
        );
        stop.set();
        (served, watcher.join().ok().flatten())
    });
    let _ = collector.join();
    if let Some(scrubber) = scrubber {
        let _ = scrubber.join();
    }
    drop(interface);
    let closed = office.close();
    damage.map_or(served, Err)?;
    closed?;
    Ok(self::head(&ledger)?.height)
}

fn warn_of_clock(head: &Header, drift: u64) {
    let behind = head.time.0.saturating_sub(system::now().0);
    if behind > drift {
        crate::http::log_line(&format!(
            "this machine's clock is {behind} ms behind the newest block; nothing is taken in until it is set right"
        ));
    }
}

/// What stands open before anybody is let in.
struct Opened {
    ledger: Arc<Ledger>,
    store: Arc<dyn BlockStore>,
    post: Post,
    anchors: Option<Arc<dyn Anchors>>,
    /// Time of the newest block.
    time: Millis,
    views: Views,
    /// Ends the node.
    #[cfg(feature = "peers")]
    stop: Stop,
}

/// Whether the node takes part in ordering the ledger's operations, or is to: a node that
/// names the validators hears the ledger from them.
#[cfg(feature = "peers")]
fn orders(parts: &NodeParts<'_>, ledger: &Ledger) -> bool {
    parts.consensus.is_some() || ledger.validators().newest().key(parts.account).is_some()
}

/// Whether there is a ledger in a node's folder.
pub fn has_ledger(folder: &Path) -> bool {
    folder.join(LEDGER).symlink_metadata().is_ok()
}

/// Refuses what this build was made without.
///
/// # Errors
/// [`Exit::Config`].
pub fn require_peers() -> Result<()> {
    match cfg!(feature = "peers") {
        true => Ok(()),
        false => Err(Fault::new(
            Exit::Config,
            "this build has no peers; build with --features full",
        )),
    }
}

/// Asks the node that is joined for its ledger's genesis object, for up to `wait`.
///
/// # Errors
/// [`Exit::Pending`] when it does not let this node in, [`Exit::Unreachable`],
/// [`Exit::Config`].
pub fn ask_genesis(
    peers: Option<&PeersConfig>,
    home: &Path,
    seed: &PeerSeed,
    wait: Duration,
) -> Result<Genesis> {
    require_peers()?;
    #[cfg(feature = "peers")]
    if let Some(config) = peers {
        return peers::ask_genesis(config, home, seed, wait, &event_loop(BLOCKING_THREADS)?);
    }
    let _ = (peers, home, seed, wait);
    Err(Fault::new(Exit::Config, "no node to join was named"))
}

fn serve_until(
    runtime: &Runtime,
    stop: &Stop,
    address: &Address,
    most: usize,
    interface: Arc<Interface>,
    ready: impl FnOnce(&Address) -> Result<()>,
) -> Result<()> {
    let (stopper, stopped) = watch::channel(false);
    let waiting = stop.clone();
    std::thread::spawn(move || {
        while !waiting.wait(Duration::from_secs(3600)) {}
        let _ = stopper.send(true);
    });
    runtime.block_on(async {
        let listener = Listener::bind(address).await?;
        ready(&listener.address(address)?)?;
        serve(listener, router(interface), most, stopped).await;
        Ok(())
    })
}

/// Deletes what was sent up and never pinned; what loses its last pin goes at once and is
/// no business of this. A file that is on its way in is left alone for a while.
fn collect_blocks(store: Arc<dyn BlockStore>, stop: Stop) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        while !stop.wait(COLLECT_EVERY) {
            if let Err(error) = store.gc(COLLECT_GRACE, Absent::Allowed) {
                crate::http::log_line(&format!("collecting blocks: {error}"));
            }
        }
    })
}

fn head(ledger: &Ledger) -> Result<Header> {
    let head = ledger.view().and_then(|view| view.head());
    Ok(head.map_err(storage)?.header)
}

fn storage(error: ledger::Fault) -> Fault {
    Fault::new(Exit::Storage, error)
}

const LEDGER: &str = "ledger.redb";
const BLOCKS: &str = "blocks";
const POST: &str = "post.redb";
const HINTS: &str = "hints.redb";
const CONFLICT: &str = "conflict.cbor";
const ANCHORS: &str = "anchors.redb";
const COPIES: &str = "copies.redb";
/// Threads for requests that wait for the disk; above the requests worked on at once.
const BLOCKING_THREADS: usize = 512;
/// Most threads that files being read may hold; the others are for requests.
const MAX_STREAMS: usize = BLOCKING_THREADS / 4;
const COLLECT_EVERY: Duration = Duration::from_secs(60);
/// Longer than any upload between its blocks and its pin.
const COLLECT_GRACE: Duration = Duration::from_secs(15 * 60);
