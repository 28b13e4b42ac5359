//! A node's link to others, put together: registry, hints, policy, porter, libp2p, and the
//! follower at a node that orders nothing.

use base::genesis::Genesis;
use consensus::{Follower, Sequencer, follow};
use ledger::{Head, Ledger};
use std::{
    path::Path,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use store::{BlockStore, GetError};
use tokio::runtime::{Handle, Runtime};

use super::{
    CONFLICT, COPIES, HINTS, NodeParts, Opened, PeerParts, note, office::Elsewhere,
    open::kept_conflict, orders,
};
use crate::{
    config::PeersConfig,
    exit::{Exit, Fault, Result},
    http::{
        interface::Interface,
        log_line,
        message::{Following, Kept, NodeStanding},
        relay::{Passed, Relay, RelayError, Returned},
        routes::post_router,
    },
    peers::{
        contacts::Contacts,
        copies::Copies,
        hints::Hints,
        keeper::{Keeper, Net},
        key::PeerSeed,
        link::{Door, Link},
        porter::{Books, Counter, Porter},
        reach::{Carrier, Reach},
        registry::Registry,
        releases::{Freshly, Releases, Shelf},
        remote::{AskFault, Line, Remote},
        settings::{Allowed, PeerPlan},
        sightings::Sightings,
        warden::Warden,
    },
    stop::Stop,
    system,
};

/// A node that is linked to others.
pub(super) struct Joined {
    link: Link,
    runtime: Handle,
    porter: Arc<Porter>,
    keeper: Arc<Keeper>,
    warden: Arc<Warden>,
    allowed: Arc<Allowed>,
    reach: Arc<Reach>,
    /// The node that is followed.
    upstream: Option<Arc<Remote>>,
    heard: Arc<Heard>,
    announce: Vec<String>,
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

/// What other nodes' heads are held against.
struct Heard {
    ledger: Arc<Ledger>,
    follower: OnceLock<Weak<Follower>>,
    /// Set when this node's own ledger turned out not to be the only one.
    forked: AtomicBool,
    stop: Stop,
}

impl Heard {
    /// A certified head that this ledger does not have: a follower halts by itself; a node
    /// that orders has signed it once, so its ledger was put back from an older copy, and
    /// ordering on would fork it.
    fn head(&self, head: Head) {
        if let Some(follower) = self.follower.get() {
            if let Some(follower) = follower.upgrade()
                && let Err(fault) = follower.observe(head)
            {
                log_line(&fault);
            }
            return;
        }
        let Ok(head) = head.verify(&self.ledger.validators()) else {
            return;
        };
        let ours = self
            .ledger
            .view()
            .and_then(|view| view.head_at(head.header.height));
        let is_ours = ours.is_ok_and(|ours| ours.is_some_and(|ours| ours.header == head.header));
        if !is_ours && orders_alone(&self.ledger) && !self.forked.swap(true, Ordering::AcqRel) {
            log_line(&format!(
                "another node has a head of height {} that this node's key certified and this ledger lacks; stopping",
                head.header.height
            ));
            self.stop.set();
        }
    }
}

/// Whether every certified head must be in this ledger: there is one validator, and who
/// holds its key writes here.
fn orders_alone(ledger: &Ledger) -> bool {
    ledger.validators().newest().len() == 1
}

/// The post at the upstream. What a letter names is in this node's own ledger before the
/// letter is handed out.
struct Post {
    upstream: Arc<Remote>,
    heard: Arc<Heard>,
}

impl Relay for Post {
    fn pass(&self, request: Passed) -> std::result::Result<Returned, RelayError> {
        let returned = self.upstream.pass(request)?;
        if let Some(follower) = self.heard.follower.get().and_then(Weak::upgrade)
            && let Err(fault) = follower.reach(returned.height)
        {
            log_line(&fault);
        }
        Ok(returned)
    }
}

struct Shelves(Arc<dyn BlockStore>);

impl Shelf for Shelves {
    fn roots_of(&self, cid: &base::Cid) -> std::result::Result<Vec<base::Cid>, GetError> {
        self.0.roots_of(cid)
    }

    fn block(&self, cid: &base::Cid) -> std::result::Result<Vec<u8>, GetError> {
        self.0.get(cid)
    }
}

impl Joined {
    /// Starts the link: from here on other nodes are answered.
    ///
    /// # Errors
    /// [`Exit::Config`], [`Exit::Home`], [`Exit::Storage`].
    pub(super) fn start(
        parts: &NodeParts<'_>,
        peers: &PeerParts<'_>,
        opened: &Opened,
        runtime: &Handle,
    ) -> Result<Self> {
        let plan = PeerPlan::of(peers.config, peers.home)?;
        if orders(parts, &opened.ledger) == plan.upstream.is_some() {
            return Err(Fault::new(
                Exit::Config,
                match plan.upstream {
                    Some(_) => "peers.upstream: this node orders the ledger itself",
                    None => "this node orders nothing: set peers.upstream to the node that does",
                },
            ));
        }
        let ledger = &opened.ledger;
        let registry = Arc::new(Registry::new(&ledger.validators()));
        let caught_up = (opened.views)().and_then(|view| registry.catch_up(&view));
        caught_up.map_err(super::storage)?;
        let hints = Arc::new(Hints::open(&parts.folder.join(HINTS), MAX_HINTS)?);
        let contacts = Arc::<Contacts>::default();
        let copies = Copies::open(&parts.folder.join(COPIES), plan.capacity)?;
        let books = Books {
            contacts: Arc::clone(&contacts),
            hints: Arc::clone(&hints),
            registry: Arc::clone(&registry),
            copies: Arc::new(copies),
        };
        let allowed = Arc::new(Allowed::new(plan.allow.clone(), peers.file.to_owned()));
        let heard = Arc::new(Heard {
            ledger: Arc::clone(ledger),
            follower: OnceLock::new(),
            forked: AtomicBool::new(false),
            stop: opened.stop.clone(),
        });
        let releases = Arc::new(Releases::new(
            Arc::clone(&opened.views),
            Arc::new(Shelves(Arc::clone(&opened.store))),
            Arc::clone(&registry),
            Arc::clone(&hints),
            freshness(&heard, plan.upstream.is_some(), peers.config.stale_seconds),
            system::now,
        ));
        let listener = Arc::clone(&heard);
        let porter = Arc::new(Porter::new(
            parts.genesis.clone(),
            peers.account,
            Arc::clone(&opened.views),
            books.clone(),
            move |head| listener.head(head),
        ));
        let door = Door {
            registry: Arc::clone(&registry),
            allowed: Arc::clone(&allowed),
            named: plan
                .upstream
                .iter()
                .chain(&plan.known)
                .map(|node| node.peer)
                .collect(),
            releases,
        };
        let store = Arc::clone(&opened.store);
        let link = Link::start(
            &plan,
            &peers.seed,
            store,
            door,
            Arc::clone(&porter),
            runtime,
        )?;
        let upstream = plan.upstream.as_ref().map(|upstream| {
            let line: Arc<dyn Line> = Arc::new(link.to_peer(upstream.peer));
            Arc::new(Remote::new(line, Some(parts.genesis.chain())))
        });
        let net: Arc<dyn Net> = Arc::new(link.clone());
        let carrier: Arc<dyn Carrier> = Arc::new(link.clone());
        let reach = Arc::new(Reach::new(
            peers.account,
            Arc::clone(&opened.views),
            Arc::clone(&registry),
            Arc::clone(&hints),
            carrier,
            system::now,
        ));
        let keeper = Arc::new(Keeper {
            account: peers.account,
            secret: parts.secret.clone(),
            views: Arc::clone(&opened.views),
            store: Arc::clone(&opened.store),
            registry,
            hints,
            contacts,
            porter: Arc::clone(&porter),
            net,
            clock: system::now,
            memory: std::sync::Mutex::default(),
        });
        let warden = Arc::new(Warden {
            keeper: Arc::clone(&keeper),
            reach: Arc::clone(&reach),
            carrier: Arc::new(link.clone()),
            copies: books.copies,
            wishes: plan.wishes,
            sightings: std::sync::Mutex::new(Sightings::new(system::now(), plan.absence)),
            refused: std::sync::Mutex::default(),
        });
        Ok(Self {
            link,
            warden,
            runtime: runtime.clone(),
            porter,
            keeper,
            allowed,
            reach,
            upstream,
            heard,
            announce: plan.announce,
            stop: opened.stop.clone(),
            threads: Vec::new(),
        })
    }

    /// Follows the upstream's ledger.
    ///
    /// # Errors
    /// [`Exit::Config`] without one; [`Exit::Home`] for a damaged note of a conflict.
    pub(super) fn follow(
        &self,
        parts: &NodeParts<'_>,
        opened: &Opened,
    ) -> Result<Arc<dyn Sequencer>> {
        let Some(upstream) = &self.upstream else {
            return Err(Fault::new(Exit::Config, "peers.upstream is not set"));
        };
        let note = parts.folder.join(CONFLICT);
        let known = kept_conflict(&note)?;
        if let Some(conflict) = &known {
            self.porter.halt();
            log_line(&note::halted(&note, conflict));
        }
        let porter = Arc::clone(&self.porter);
        let follower = Follower::start(
            Arc::clone(&opened.ledger),
            Arc::<Remote>::clone(upstream),
            follow::Settings::default(),
            known,
            move |conflict| {
                porter.halt();
                note::keep(&note, conflict);
            },
        );
        let follower = follower.map_err(|error| Fault::new(Exit::Internal, error))?;
        let follower = Arc::new(follower);
        let _ = self.heard.follower.set(Arc::downgrade(&follower));
        Ok(follower)
    }

    /// What other nodes do for the interface.
    pub(super) fn elsewhere(&self) -> Elsewhere {
        Elsewhere {
            relay: self.upstream.as_ref().map(|upstream| {
                Arc::new(Post {
                    upstream: Arc::clone(upstream),
                    heard: Arc::clone(&self.heard),
                }) as _
            }),
            finder: Some(Arc::clone(&self.reach) as _),
            standing: Some(Arc::new(self.standing())),
        }
    }

    fn standing(&self) -> impl Fn() -> NodeStanding + Send + Sync + 'static {
        let (heard, link) = (Arc::clone(&self.heard), self.link.clone());
        let registry = Arc::clone(&self.keeper.registry);
        let copies = Arc::clone(&self.warden.copies);
        move || {
            let follower = heard.follower.get().and_then(Weak::upgrade);
            NodeStanding {
                peer: Some(link.id().into()),
                follows: follower.map(|follower| following(&follower.standing())),
                peers: link.standing(&registry),
                kept: kept(&copies),
                validator: None,
            }
        }
    }

    /// Lets other nodes in to what `interface` offers, and begins the rounds.
    ///
    /// # Errors
    /// [`Exit::Internal`] when the system gives no thread.
    pub(super) fn serve(mut self, interface: &Arc<Interface>) -> Result<Self> {
        if self.upstream.is_none() {
            self.porter.open(Counter {
                sequencer: Arc::clone(&interface.sequencer),
                post: post_router(Arc::clone(interface)),
                runtime: self.runtime.clone(),
            });
        }
        let (keeper, allowed) = (Arc::clone(&self.keeper), Arc::clone(&self.allowed));
        let (porter, link) = (Arc::clone(&self.porter), self.link.clone());
        let (stop, announce) = (self.stop.clone(), self.announce.clone());
        let rounds = move || {
            while !stop.wait(ROUND) {
                if let Err(fault) = allowed.refresh() {
                    log_line(&fault.message);
                }
                porter.listen_at(told(&announce, &link));
                if let Err(fault) = keeper.round() {
                    log_line(&fault);
                }
            }
        };
        self.porter.listen_at(self.addresses());
        self.threads.push(thread("rounds", rounds)?);
        let (warden, stop) = (Arc::clone(&self.warden), self.stop.clone());
        let copying = move || {
            while !stop.wait(COPYING) {
                if let Err(fault) = warden.round() {
                    log_line(&fault);
                }
            }
        };
        self.threads.push(thread("copies", copying)?);
        Ok(self)
    }

    /// Where other nodes reach this one.
    pub(super) fn addresses(&self) -> Vec<String> {
        told(&self.announce, &self.link)
    }

    /// Ends rounds, link and follower.
    ///
    /// # Errors
    /// [`Exit::Forked`].
    pub(super) fn end(mut self) -> Result<()> {
        self.link.stop();
        for thread in self.threads.drain(..) {
            // One that panicked has nothing to hand over.
            let _ = thread.join();
        }
        self.porter.close();
        match self.heard.forked.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(Fault::new(
                Exit::Forked,
                "another node has blocks that this node certified and its ledger lacks: it was put back from an older copy; restore a newer one",
            )),
        }
    }
}

/// Asks `peers.upstream` for its genesis object until it answers or `wait` is over. What
/// comes is compared with what the person was told, or taken as the pin.
///
/// # Errors
/// As [`super::ask_genesis`].
pub(super) fn ask_genesis(
    config: &PeersConfig,
    home: &Path,
    seed: &PeerSeed,
    wait: Duration,
    runtime: &Runtime,
) -> Result<Genesis> {
    let plan = PeerPlan::of(config, home)?;
    let Some(upstream) = &plan.upstream else {
        return Err(Fault::new(Exit::Config, "no node to join was named"));
    };
    let nothing = tempfile::tempdir().map_err(|error| Fault::io("a temporary folder", &error))?;
    let store: Arc<dyn BlockStore> = Arc::new(super::open::open_store(nothing.path())?);
    let link = Link::to(upstream, &plan, seed, store, runtime.handle())?;
    let remote = Remote::new(Arc::new(link.to_peer(upstream.peer)), None);
    let until = Instant::now() + wait;
    let asked = loop {
        match remote.genesis() {
            Err(AskFault::Line(error)) if Instant::now() < until => {
                let left = until.saturating_duration_since(Instant::now());
                std::thread::sleep(RETRY.min(left));
                drop(error);
            }
            asked => break asked,
        }
    };
    link.stop();
    asked.map_err(|fault| match fault {
        AskFault::Line(error) => Fault::new(
            Exit::Pending,
            format!(
                "{} did not answer within {} s ({error}); nothing was made",
                upstream.address,
                wait.as_secs()
            ),
        ),
        AskFault::BadAnswer(reason) => Fault::new(
            Exit::Invalid,
            format!(
                "what answers at {} is no node to join: {reason}",
                upstream.address
            ),
        ),
    })
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| Fault::new(Exit::Internal, format!("no thread: {error}")))
}

fn told(announce: &[String], link: &Link) -> Vec<String> {
    match announce {
        [] => link.listening(),
        told => told.to_vec(),
    }
}

/// A node that orders is always up to date. One that follows counts as such while its
/// upstream has lately shown that it is.
fn freshness(
    heard: &Arc<Heard>,
    follows: bool,
    stale_seconds: u32,
) -> Box<dyn Fn() -> Freshly + Send + Sync> {
    let heard = Arc::clone(heard);
    let limit = Duration::from_secs(stale_seconds.into());
    Box::new(move || {
        if heard.forked.load(Ordering::Acquire) {
            return Freshly::Halted;
        }
        if !follows {
            return Freshly::Current;
        }
        let standing = heard
            .follower
            .get()
            .and_then(Weak::upgrade)
            .map(|f| f.standing());
        match standing {
            Some(standing) if standing.conflict.is_some() => Freshly::Halted,
            Some(standing) if standing.current.is_some_and(|at| at.elapsed() <= limit) => {
                Freshly::Current
            }
            _ => Freshly::Stale,
        }
    })
}

fn kept(copies: &Copies) -> Kept {
    let (bytes, capacity) = copies.room();
    let all = copies.all().unwrap_or_default();
    Kept {
        promised: all.len() as u64,
        here: all.iter().filter(|copy| copy.pinned).count() as u64,
        bytes,
        capacity,
    }
}

fn following(standing: &follow::Standing) -> Following {
    let age = |at: Instant| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
    Following {
        current: standing.current.map(age),
        trouble: standing.trouble.clone(),
        halted: standing
            .conflict
            .as_ref()
            .map(|conflict| conflict.fault.clone()),
    }
}

/// Pause between two tries to be let in.
const RETRY: Duration = Duration::from_secs(1);
/// Pause between two rounds with every connected node.
const ROUND: Duration = Duration::from_secs(2);
/// Pause between two looks at copies.
const COPYING: Duration = Duration::from_secs(3);
/// Most words kept of one node.
const MAX_HINTS: u64 = 1_000_000;
