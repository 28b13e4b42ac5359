//! Puts a node together: the only file that names concrete back-ends.
//!
//! Solo ledger on redb, block store embedded or in a Kubo, post office on redb, behind `/v1`.

mod blocks;

use base::{genesis::Genesis, key::OperationSecret};
use consensus::{Limits, Solo, StartError, SystemClock};
use ledger::{CreateError, Ledger, OpenError, OpenOptions};
use std::{path::Path, sync::Arc, time::Duration};
use store::{Absent, BlockStore, Embedded};
use tokio::sync::watch;

use crate::{
    config::{ServerConfig, StoreConfig},
    exit::{Exit, Fault, Result},
    files,
    http::{
        Address,
        interface::{Interface, NEWCOMER_RATE, PREKEYS_LEFT, PREKEYS_TAKEN},
        limit::{Rate, Rates},
        post::{Post, PostLimits},
        routes::router,
        server::{Listener, serve},
        ticket::Gate,
        turn::Turns,
    },
    machine,
    stop::Stop,
    system,
    watch::{Watched, watch},
};

/// What a node is made of.
pub struct NodeParts<'a> {
    /// The ledger's first object.
    pub genesis: &'a Genesis,
    /// Folder of ledger, store and post; made if absent.
    pub folder: &'a Path,
    /// The validator's key.
    pub secret: OperationSecret,
    /// Limits.
    pub server: &'a ServerConfig,
    /// Where blocks are kept.
    pub store: &'a StoreConfig,
}

impl std::fmt::Debug for NodeParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeParts({})", self.folder.display())
    }
}

/// Runs a solo node at `address` until SIGTERM or SIGINT; `ready` is told the bound address
/// and the ledger's height once requests are answered. Returns the height at the end.
///
/// # Errors
/// [`Exit::Busy`], [`Exit::Home`], [`Exit::Storage`], and what `ready` gives.
pub fn run_node(
    parts: NodeParts<'_>,
    address: &Address,
    ready: impl FnOnce(&Address, u64) -> Result<()>,
) -> Result<u64> {
    files::make_private_folder(parts.folder)?;
    let most = machine::connections()?;
    let stop = Stop::on_signals()?;
    let ledger = Arc::new(open_ledger(&parts)?);
    let store = blocks::open(&parts)?;
    let post = Post::open(&parts.folder.join(POST), PostLimits::default())?;
    let limits = Limits {
        queue: parts.server.queue as usize,
        ..Limits::default()
    };
    let head = ledger.view().and_then(|view| view.head());
    let head = head.map_err(storage)?.header;
    let height = head.height;
    let behind = head.time.0.saturating_sub(system::now().0);
    if behind > parts.genesis.drift {
        crate::http::log_line(&format!(
            "this machine's clock is {behind} ms behind the newest block; nothing is taken in until it is set right"
        ));
    }
    let solo = Arc::new(
        Solo::start(Arc::clone(&ledger), parts.secret, SystemClock, limits).map_err(start_fault)?,
    );
    let requests = parts.server.concurrent_requests as usize;
    let views = Arc::clone(&ledger);
    let sequencer = Arc::clone(&solo);
    let interface = Arc::new(Interface {
        genesis: parts.genesis.clone(),
        sequencer,
        views: Arc::new(move || views.view()),
        store: Arc::clone(&store),
        post,
        // A clock that was set back since the last block makes no used ticket new.
        gate: Gate::new(parts.genesis.chain(), system::now().max(head.time)),
        rate: Rate::new(parts.server.requests_per_second),
        newcomers: Rate::new(NEWCOMER_RATE),
        taken_prekeys: Rates::new(PREKEYS_TAKEN),
        left_prekeys: Rates::new(PREKEYS_LEFT),
        turns: Turns::new(requests, requests.min(MAX_STREAMS)),
        request_time: Duration::from_secs(parts.server.request_seconds.into()),
        file_limit: u64::from(parts.server.file_mebibytes) << 20,
    });
    let collector = collect_blocks(store, stop.clone());
    let watched = vec![
        Watched::new(&parts.folder.join(LEDGER), ledger.tables()),
        Watched::new(&parts.folder.join(POST), interface.post.tables()),
    ];
    let (served, damage) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(watched, &stop));
        let served = serve_until(&stop, address, most, Arc::clone(&interface), |bound| {
            ready(bound, height)
        });
        stop.set();
        (served, watcher.join().ok().flatten())
    });
    let _ = collector.join();
    drop(interface);
    if let Ok(solo) = Arc::try_unwrap(solo) {
        solo.stop();
    }
    damage.map_or(served, Err)?;
    let head = ledger.view().and_then(|view| view.head());
    Ok(head.map_err(storage)?.header.height)
}

/// Whether there is a ledger in a node's folder.
pub fn has_ledger(folder: &Path) -> bool {
    folder.join(LEDGER).symlink_metadata().is_ok()
}

fn serve_until(
    stop: &Stop,
    address: &Address,
    most: usize,
    interface: Arc<Interface>,
    ready: impl FnOnce(&Address) -> Result<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Fault::new(Exit::Internal, format!("no event loop: {error}")))?;
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

fn open_ledger(parts: &NodeParts<'_>) -> Result<Ledger> {
    let path = parts.folder.join(LEDGER);
    let options = OpenOptions::default();
    if path.symlink_metadata().is_ok() {
        files::check_kept(&path)?;
        files::keep_private(&path)?;
        return Ledger::open(&path, parts.genesis, options)
            .map_err(|error| open_fault(&path, error));
    }
    // Store and post are made after the ledger: where one of them is, a ledger was.
    // A new one would contradict every receipt that parties hold.
    let ran = [BLOCKS, POST]
        .iter()
        .any(|name| parts.folder.join(name).symlink_metadata().is_ok());
    if ran {
        return Err(files::missing(&path));
    }
    // Whole or not there: a ledger that was being made when the power went is made again.
    let ledger = Ledger::create(&path, parts.genesis, options).map_err(|error| match error {
        CreateError::Open(error) => open_fault(&path, error),
        other => Fault::new(Exit::Home, format!("{}: {other}", path.display())),
    })?;
    files::keep_private(&path)?;
    Ok(ledger)
}

fn open_fault(path: &Path, error: OpenError) -> Fault {
    if let OpenError::Fault(ledger::Fault::Damaged(_)) = &error {
        return Fault::new(
            Exit::Home,
            format!("{}: {error}; restore it from a backup", path.display()),
        );
    }
    let exit = match &error {
        OpenError::Locked => Exit::Busy,
        OpenError::Fault(ledger::Fault::Storage(_)) => Exit::Storage,
        _ => Exit::Home,
    };
    Fault::new(exit, format!("{}: {error}", path.display()))
}

fn open_store(path: &Path) -> Result<Embedded> {
    if path.symlink_metadata().is_ok() && !path.is_dir() {
        return Err(Fault::new(
            Exit::Home,
            format!("{} is no folder; restore it from a backup", path.display()),
        ));
    }
    Embedded::open(path).map_err(|error| match error {
        store::embedded::OpenError::InUse(_) => Fault::new(Exit::Busy, error),
        store::embedded::OpenError::Foreign { .. } | store::embedded::OpenError::Damaged { .. } => {
            Fault::new(Exit::Home, format!("{error}; restore it from a backup"))
        }
        store::embedded::OpenError::Io { source, .. }
            if matches!(
                source.kind(),
                std::io::ErrorKind::IsADirectory | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Fault::new(
                Exit::Home,
                format!(
                    "{} is damaged ({source}); restore it from a backup",
                    path.display()
                ),
            )
        }
        other => Fault::new(Exit::Storage, other),
    })
}

fn start_fault(error: StartError) -> Fault {
    Fault::new(Exit::Home, error)
}

fn storage(error: ledger::Fault) -> Fault {
    Fault::new(Exit::Storage, error)
}

const LEDGER: &str = "ledger.redb";
const BLOCKS: &str = "blocks";
const POST: &str = "post.redb";
/// Threads for requests that wait for the disk; above the requests worked on at once.
const BLOCKING_THREADS: usize = 512;
/// Most threads that files being read may hold; the others are for requests.
const MAX_STREAMS: usize = BLOCKING_THREADS / 4;
const COLLECT_EVERY: Duration = Duration::from_secs(60);
/// Longer than any upload between its blocks and its pin.
const COLLECT_GRACE: Duration = Duration::from_secs(15 * 60);
