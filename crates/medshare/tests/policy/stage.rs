//! A ledger with hospitals, their nodes, and a shelf of sealed records whose blocks are
//! really linked.

use base::{AccountId, Cid, Millis, RecordId, Signed, cid, operation::*};
use ledger::Outcome;
use medshare::peers::{
    hint::{CheckedHint, Hint, Says},
    hints::{Hints, Noted},
    registry::Registry,
    releases::{Freshly, Releases, Shelf},
};
use serde_bytes::ByteBuf;
use share::sealed::{SUITE, SealedPart, SealedRecord};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
};
use store::GetError;
use tempfile::TempDir;

use crate::world::{self, World, id, secret};

thread_local! {
    static NOW: Cell<Millis> = const { Cell::new(Millis(0)) };
}

pub(crate) fn now() -> Millis {
    NOW.get()
}

/// Names of nodes with the institution that each joined; the last joined nobody.
pub(crate) const NODES: [(&str, Option<&str>); 5] = [
    ("n-mercy", Some("mercy")),
    ("n-general", Some("general")),
    ("n-coast", Some("coast")),
    ("n-institute", Some("institute")),
    ("n-free", None),
];

/// Blocks by name, and which roots are pinned.
#[derive(Default)]
pub(crate) struct Blocks {
    bytes: BTreeMap<Cid, Vec<u8>>,
    links: BTreeMap<Cid, Vec<Cid>>,
    pub(crate) pinned: BTreeSet<Cid>,
}

impl Blocks {
    fn put(&mut self, cid: Cid, bytes: Vec<u8>, links: Vec<Cid>) {
        self.bytes.insert(cid, bytes);
        self.links.insert(cid, links);
    }

    fn reaches(&self, from: &Cid, to: &Cid) -> bool {
        let below = || self.links.get(from).into_iter().flatten();
        from == to || below().any(|link| self.reaches(link, to))
    }
}

#[derive(Default)]
pub(crate) struct Shelved(pub(crate) Mutex<Blocks>);

impl Shelf for Shelved {
    fn roots_of(&self, cid: &Cid) -> Result<Vec<Cid>, GetError> {
        let blocks = self.0.lock().unwrap();
        let reaching = blocks
            .pinned
            .iter()
            .filter(|root| blocks.reaches(root, cid));
        Ok(reaching.copied().collect())
    }

    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        let blocks = self.0.lock().unwrap();
        blocks
            .bytes
            .get(cid)
            .cloned()
            .ok_or(GetError::Missing(*cid))
    }
}

pub(crate) struct Stage {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) shelf: Arc<Shelved>,
    pub(crate) releases: Releases,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hints: Arc<Hints>,
    freshly: Arc<AtomicU8>,
    _dir: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let mut world = World::cast();
        for (node, institution) in NODES {
            let mut registration = world::registration(world.chain(), node, Role::Node);
            registration.peer = Some(ByteBuf::from(peer(node)));
            world.ok(node, registration);
            if let Some(institution) = institution {
                world.join(node, institution);
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let validators = world.ledger().validators();
        let world = Arc::new(Mutex::new(world));
        let views = Arc::clone(&world);
        let shelf = Arc::<Shelved>::default();
        let registry = Arc::new(Registry::new(&validators));
        let hints = Arc::new(Hints::open(&dir.path().join("hints.redb"), 1_000).unwrap());
        let freshly = Arc::new(AtomicU8::new(0));
        let fresh = Arc::clone(&freshly);
        let releases = Releases::new(
            Arc::new(move || views.lock().unwrap().ledger().view()),
            Arc::<Shelved>::clone(&shelf),
            Arc::clone(&registry),
            Arc::clone(&hints),
            Box::new(move || match fresh.load(Ordering::SeqCst) {
                0 => Freshly::Current,
                1 => Freshly::Stale,
                _ => Freshly::Halted,
            }),
            now,
        );
        let stage = Self {
            world,
            shelf,
            releases,
            registry,
            hints,
            freshly,
            _dir: dir,
        };
        stage.tick(0);
        stage
    }

    pub(crate) fn freshly(&self, freshly: Freshly) {
        let number = match freshly {
            Freshly::Current => 0,
            Freshly::Stale => 1,
            Freshly::Halted => 2,
        };
        self.freshly.store(number, Ordering::SeqCst);
    }

    /// Lets time pass, for blocks and for the policy's clock.
    pub(crate) fn tick(&self, milliseconds: u64) {
        let mut world = self.world.lock().unwrap();
        world.advance(milliseconds);
        NOW.set(world.now());
    }

    pub(crate) fn send(
        &self,
        name: &str,
        action: impl Into<Action>,
    ) -> (base::OperationId, Outcome) {
        let sent = self.world.lock().unwrap().send(name, action);
        self.tick(0);
        sent
    }

    pub(crate) fn ok(&self, name: &str, action: impl Into<Action>) -> base::OperationId {
        let (id, outcome) = self.send(name, action);
        assert_eq!(outcome, Outcome::Ok);
        id
    }

    /// A state whose one body is unique to `name`; put and pinned, not logged.
    pub(crate) fn seal(&self, record: RecordId, name: &str, previous: Option<Cid>) -> (Cid, Cid) {
        let bytes = format!("body of {name}").into_bytes();
        let body = cid::of_block(cid::RAW, &bytes);
        let sealed = SealedRecord {
            version: base::Version,
            suite: SUITE,
            record,
            previous,
            parts: vec![SealedPart {
                capsule: body,
                body,
                size: 4096,
                opening: ByteBuf::from(name.as_bytes()),
            }],
        };
        let (root, block) = sealed.to_block();
        let mut blocks = self.shelf.0.lock().unwrap();
        blocks.put(body, bytes, Vec::new());
        let links = previous.into_iter().chain([body]).collect();
        blocks.put(root, block, links);
        blocks.pinned.insert(root);
        (root, body)
    }

    /// A record of `hospital` for `patient`, published and accepted under scope `sid`.
    pub(crate) fn record(
        &self,
        hospital: &str,
        patient: &str,
        name: &str,
        sid: &str,
    ) -> (RecordId, Cid, Cid) {
        let record = world::record_id(hospital, name);
        let (root, body) = self.seal(record, name, None);
        self.ok(
            hospital,
            Publish {
                record,
                nonce: world::nonce(name),
                patient: id(patient),
                after: root,
            },
        );
        self.ok(
            patient,
            Accept {
                record,
                state: root,
                parts: world::parts(&[(sid, name)]),
            },
        );
        (record, root, body)
    }

    /// A node's word, if it may give it.
    pub(crate) fn say(&self, node: &str, root: Cid, says: Says) -> bool {
        let view = self.world.lock().unwrap().view();
        self.registry.catch_up(&view).unwrap();
        let hint = Hint {
            chain: view.head().unwrap().header.chain,
            account: id(node),
            peer: ByteBuf::from(peer(node)),
            root,
            says,
            time: now(),
        };
        let signed = Signed::new(hint, &secret(node));
        match CheckedHint::check(signed, &view, &self.registry, now()).unwrap() {
            Ok(hint) => self.hints.note(&hint).unwrap() == Noted::New,
            Err(_) => false,
        }
    }

    pub(crate) fn may_have(&self, node: &str, block: &Cid) -> bool {
        self.releases.may_have(&peer(node), block)
    }

    /// Names of the nodes that may have the block.
    pub(crate) fn who(&self, block: &Cid) -> Vec<&'static str> {
        let nodes = NODES.iter().map(|(node, _)| *node);
        nodes.filter(|node| self.may_have(node, block)).collect()
    }

    /// A grant of `patient` to `requester` under scope `sid`, from now for an hour.
    pub(crate) fn grant(
        &self,
        patient: &str,
        requester: &str,
        sid: &str,
        agent: &str,
        purpose: GrantUse,
    ) -> Option<base::OperationId> {
        let (request, terms) = {
            let world = self.world.lock().unwrap();
            let key = format!("{requester}{}", world.time);
            (world.requesting(patient, &key), ())
        };
        let () = terms;
        let (request, outcome) = self.send(requester, request);
        if outcome != Outcome::Ok {
            return None;
        }
        let mut terms = self.world.lock().unwrap().terms(request, &[sid], &[agent]);
        terms.purpose = purpose;
        terms.expires = now().plus(Millis::HOUR);
        let (grant, outcome) = self.send(patient, world::authorizing(terms));
        outcome.is_ok().then_some(grant)
    }
}

pub(crate) fn peer(node: &str) -> Vec<u8> {
    format!("peer of {node}").into_bytes()
}

pub(crate) fn account(name: &str) -> AccountId {
    id(name)
}
