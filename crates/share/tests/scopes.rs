//! Scopes, and what is sealed to them: protocol page, "A record", steps 3 and 4, Scope.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    CapsuleId, Cid, Class, Digest, Millis, RecordId, Salt, ScopeId, Version, codec,
    operation::RotateScope, scope::Cover,
};
use ibpre::{ScopeKey, SetA, SharedSecret};
use serde_bytes::ByteBuf;
use share::{
    accept::{self, AcceptError},
    manifest::Opening,
    open,
    part::State,
    publish,
    record::MAX_PARTS,
    rotate,
    scheme::sid_of,
    sealed::{
        BOX_STEP, CapsuleNode, ContentKey, PartOpening, Place, SUITE, SealedError, SealedPart,
        SealedRecord,
    },
    wallet::Wallet,
};
use world::{Cast, bundle, file, rng};

const RECORD: RecordId = RecordId([1; 32]);
/// A size that bodies have.
const SIZE: u64 = 4_096;

/// Her scope for this month's laboratory data, after so many rotations.
fn laboratory(wallet: &Wallet<'_>, counter: u32, now: Millis) -> ScopeId {
    sid_of(&wallet.scope(Cover {
        class: Class::Laboratory,
        epoch: Some(now.epoch()),
        record: None,
        counter,
    }))
}

/// The scope of a record's first part, as its capsule in the store says.
fn sealed_to(wallet: &Wallet<'_>, record: RecordId) -> ScopeId {
    let root = wallet.desk.record(record).unwrap().accepted.unwrap();
    let state = State::load(&wallet.desk, record, root).unwrap();
    state.capsule(&wallet.desk, 0).unwrap().header.sid
}

/// Another device of hers began the rotation: its choice stands.
#[test]
fn a_rotation_goes_on_to_the_scope_that_the_ledger_names() {
    let cast = Cast::new();
    let record = cast.accepted(&file(b"blood", Class::Laboratory));
    let wallet = cast.world.wallet(&cast.patient);
    let scope = |counter| laboratory(&wallet, counter, cast.world.now());
    assert_eq!(sealed_to(&wallet, record), scope(0));
    let (sid, next) = (scope(0), scope(2));
    wallet.desk.send(RotateScope { sid, next }).unwrap();
    let rotated = rotate::rotate(&wallet, sid, &mut rng()).unwrap();
    assert_eq!((rotated.next, rotated.rewrapped), (next, vec![record]));
    assert_eq!(sealed_to(&wallet, record), next);
    open::open_own(&wallet, record, 0, &mut Vec::new()).unwrap();
}

#[test]
fn a_rotation_passes_over_a_scope_that_is_retired() {
    let cast = Cast::new();
    let record = cast.accepted(&file(b"blood", Class::Laboratory));
    let wallet = cast.world.wallet(&cast.patient);
    let scope = |counter| laboratory(&wallet, counter, cast.world.now());
    let (sid, next) = (scope(1), scope(2));
    wallet.desk.send(RotateScope { sid, next }).unwrap();
    let rotated = rotate::rotate(&wallet, scope(0), &mut rng()).unwrap();
    assert_eq!((rotated.next, rotated.rewrapped), (next, vec![record]));
    assert_eq!(sealed_to(&wallet, record), next);
    // and so do hospitals
    let fresh = cast.accepted(&file(b"more blood", Class::Laboratory));
    assert_eq!(sealed_to(&wallet, fresh), next);
}

#[test]
fn a_wallet_says_what_its_scopes_and_records_are() {
    let cast = Cast::new();
    let record = cast.accepted(&bundle());
    let wallet = cast.world.wallet(&cast.patient);
    let (id, known) = wallet.records().unwrap().remove(0);
    assert_eq!(id, record);
    assert_eq!(wallet.record(record).unwrap().as_ref(), Some(&known));
    assert_eq!(wallet.record(RECORD).unwrap(), None);
    for part in &known.parts {
        let class = wallet.class_of(part.key.sid).unwrap();
        assert_eq!(class, Some(part.cover.class));
    }
    assert_eq!(wallet.class_of(ScopeId([1; 32])).unwrap(), None);
}

/// What was sealed at the end of a month may be logged at the beginning of the next one.
#[test]
fn last_months_scopes_are_good_for_a_day() {
    let cast = Cast::new();
    let world = &cast.world;
    let wallet = world.wallet(&cast.patient);
    let began = world.now();
    let mut month = began;
    while month.epoch() == began.epoch() {
        month = Millis((month.day() + 1) * Millis::DAY);
    }
    let sealed = month.minus(1);
    assert_eq!((began.epoch(), month.date().2), (sealed.epoch(), 1));
    let published = |at: Millis| {
        let desk = world.desk(&cast.hospital);
        let source = file(b"blood", Class::Laboratory);
        publish::publish(&desk, cast.patient.id(), &source, at, &mut rng())
            .unwrap()
            .record
    };
    let accept = |record| accept::accept(&wallet, record, &mut rng());
    world.pass(month.0 + Millis::DAY - 1 - began.0);
    let record = published(sealed);
    let logged = world.view().head().unwrap().header.time;
    assert!(month <= logged && logged < month.plus(Millis::DAY));
    accept(record).unwrap();
    assert_eq!(sealed_to(&wallet, record), laboratory(&wallet, 0, sealed));
    // beside this month's
    let record = published(month);
    accept(record).unwrap();
    assert_eq!(sealed_to(&wallet, record), laboratory(&wallet, 0, month));
    world.pass(Millis::HOUR);
    let refused = accept(published(sealed)).unwrap_err();
    assert!(
        matches!(refused, AcceptError::NoScope { part: 0 }),
        "{refused}"
    );
}

fn cid(name: &str) -> Cid {
    base::cid::of_object(name.as_bytes())
}

fn part(body: Cid) -> SealedPart {
    SealedPart {
        capsule: cid("capsule"),
        body,
        size: SIZE,
        opening: ByteBuf::new(),
    }
}

fn sealed(parts: Vec<SealedPart>) -> SealedRecord {
    SealedRecord {
        version: Version,
        suite: SUITE,
        record: RECORD,
        previous: None,
        parts,
    }
}

#[test]
fn a_root_has_some_parts_of_sizes_that_bodies_have() {
    let read = |parts| SealedRecord::from_block(&sealed(parts).to_block().1, RECORD);
    for count in [1, 2, MAX_PARTS] {
        let parts = vec![part(cid("body")); count];
        assert_eq!(read(parts.clone()), Ok(sealed(parts)));
    }
    for count in [0, MAX_PARTS + 1] {
        let parts = vec![part(cid("body")); count];
        assert_eq!(read(parts), Err(SealedError::Malformed));
    }
    for size in [0, SIZE - 1, SIZE + 1, 1 << 41] {
        let odd = SealedPart {
            size,
            ..part(cid("body"))
        };
        let parts = vec![part(cid("body")), odd];
        assert_eq!(read(parts), Err(SealedError::Malformed), "{size}");
    }
}

#[test]
fn a_root_is_of_its_record_and_suite() {
    let root = sealed(vec![part(cid("body"))]);
    let (_, bytes) = root.to_block();
    let other = SealedRecord::from_block(&bytes, RecordId([2; 32]));
    assert_eq!(other, Err(SealedError::OtherRecord));
    let suite = SUITE + 1;
    let (_, bytes) = SealedRecord { suite, ..root }.to_block();
    let newer = SealedRecord::from_block(&bytes, RECORD);
    assert_eq!(newer, Err(SealedError::Suite(suite)));
}

/// A capsule of part 1 of [`RECORD`] in a root with two parts, and what opens it.
fn capsule(cast: &Cast) -> (SealedRecord, CapsuleNode, SharedSecret<SetA>, ContentKey) {
    let wallet = cast.world.wallet(&cast.patient);
    let sid = laboratory(&wallet, 0, cast.world.now());
    let public = wallet.secrets.master.public_params();
    let scope = ScopeKey::new(public, ibpre::ScopeId::from_bytes(sid.0));
    let (secret, capsule) = scope.encapsulate(&mut rng());
    let place = Place {
        pkh: wallet.pkh(),
        sid,
        record: RECORD,
        part: 1,
        body: cid("body"),
    };
    let key = ContentKey::new([7; 32]);
    let node = CapsuleNode::wrap(&place, &secret, &capsule, &key);
    let root = sealed(vec![part(cid("another body")), part(cid("body"))]);
    (root, node, secret, key)
}

#[test]
fn a_capsule_is_of_its_part_and_has_the_name_that_it_says() {
    let cast = Cast::new();
    let (root, node, secret, key) = capsule(&cast);
    let read = |node: &CapsuleNode, index| {
        let (_, bytes) = node.to_block();
        CapsuleNode::from_block(&bytes, &root, index)
    };
    let opened = read(&node, 1).unwrap().unwrap_key(&secret).unwrap();
    assert_eq!(opened.keys().body_commit, key.keys().body_commit);
    type Change = fn(&mut CapsuleNode);
    let changes: [(Change, SealedError); 9] = [
        (|node| node.header.suite += 1, SealedError::Suite(SUITE + 1)),
        // each of them alone
        (
            |node| node.header.record = RecordId([2; 32]),
            SealedError::OtherRecord,
        ),
        (|node| node.header.part = 0, SealedError::OtherRecord),
        (
            |node| node.header.body = cid("another body"),
            SealedError::OtherRecord,
        ),
        (
            |node| {
                node.header.part = 0;
                node.header.body = cid("another body");
            },
            SealedError::OtherRecord,
        ),
        (
            |node| node.header.pkh = Digest([3; 32]),
            SealedError::WrongName,
        ),
        (
            |node| node.header.sid = ScopeId([3; 32]),
            SealedError::WrongName,
        ),
        (
            |node| node.header.ctid = CapsuleId([3; 32]),
            SealedError::WrongName,
        ),
        (|node| node.capsule.truncate(100), SealedError::Malformed),
    ];
    for (at, (change, refusal)) in changes.into_iter().enumerate() {
        let mut changed = node.clone();
        change(&mut changed);
        assert_eq!(read(&changed, 1).unwrap_err(), refusal, "{at}");
    }
    for index in [0, 2] {
        assert_eq!(read(&node, index).unwrap_err(), SealedError::OtherRecord);
    }
}

/// Its header is the wrap's associated data: what [`CapsuleNode::from_block`] compares with
/// the root cannot be changed together with the root.
#[test]
fn a_wrap_opens_under_its_own_header_alone() {
    let cast = Cast::new();
    let (root, node, secret, _) = capsule(&cast);
    let open = |root: &SealedRecord, node: &CapsuleNode| {
        let (_, bytes) = node.to_block();
        let index = node.header.part as usize;
        let checked = CapsuleNode::from_block(&bytes, root, index).unwrap();
        checked.unwrap_key(&secret).map(drop)
    };
    assert_eq!(open(&root, &node), Ok(()));
    let (mut other, mut moved) = (root.clone(), node.clone());
    other.record = RecordId([2; 32]);
    moved.header.record = other.record;
    assert_eq!(open(&other, &moved), Err(SealedError::Key));
    let (mut other, mut moved) = (root.clone(), node.clone());
    other.parts.swap(0, 1);
    moved.header.part = 0;
    assert_eq!(open(&other, &moved), Err(SealedError::Key));
    let (mut other, mut moved) = (root.clone(), node.clone());
    other.parts[1].body = cid("body of another");
    moved.header.body = other.parts[1].body;
    assert_eq!(open(&other, &moved), Err(SealedError::Key));
    // and its two commitments hold
    for change in [
        |node: &mut CapsuleNode| node.header.k_commit.0[0] ^= 1,
        |node: &mut CapsuleNode| node.header.body_commit.0[0] ^= 1,
        |node: &mut CapsuleNode| node.wrap[0] ^= 1,
        |node: &mut CapsuleNode| node.wrap.truncate(32),
    ] {
        let mut changed = node.clone();
        change(&mut changed);
        assert_eq!(open(&root, &changed), Err(SealedError::Key));
    }
}

fn opening(manifest: usize) -> PartOpening {
    PartOpening {
        opening: Opening {
            class: Class::Laboratory,
            media_type: "application/fhir+json".into(),
            length: 1_000,
            digest: Digest([4; 32]),
            layout_length: 0,
            layout: Digest([5; 32]),
        },
        salt: Salt([6; 32]),
        manifest: ByteBuf::from(vec![7; manifest]),
        padding: ByteBuf::new(),
    }
}

#[test]
fn a_box_opens_for_its_own_part_and_body_alone() {
    let keys = ContentKey::new([7; 32]).keys();
    let root = sealed(vec![part(cid("body")), part(cid("body"))]);
    let (header, body) = (root.header(1).unwrap(), cid("body"));
    let sealed = opening(3_400).seal(&keys, &header, &body);
    let mut opened = PartOpening::open(&sealed, &keys, &header, &body).unwrap();
    opened.padding.clear();
    assert_eq!(opened, opening(3_400));
    let mut others = vec![(root.header(0).unwrap(), body), (header, cid("another"))];
    let mut other = header;
    other.record = RecordId([2; 32]);
    others.push((other, body));
    other = header;
    other.size = 2 * SIZE;
    others.push((other, body));
    for (header, body) in others {
        let refused = PartOpening::open(&sealed, &keys, &header, &body).map(drop);
        assert_eq!(refused, Err(SealedError::Key));
    }
    // what a hospital may not say of a part
    let mut unsound = opening(3_400);
    unsound.opening.media_type = "two\nlines".into();
    let sealed = unsound.seal(&keys, &header, &body);
    let refused = PartOpening::open(&sealed, &keys, &header, &body).map(drop);
    assert_eq!(refused, Err(SealedError::Malformed));
}

/// Boxes that differ by less than a step look the same.
#[test]
fn a_box_shows_its_length_in_steps() {
    const TAG: usize = 16;
    let keys = ContentKey::new([7; 32]).keys();
    let root = sealed(vec![part(cid("body"))]);
    let header = root.header(0).unwrap();
    for manifest in 3_400..3_400 + BOX_STEP {
        let inside = opening(manifest);
        let bare = codec::encode(&inside).len();
        let sealed = inside.seal(&keys, &header, &cid("body"));
        let room = (bare + 2).next_multiple_of(BOX_STEP) - bare;
        // The head of a byte string grows by a byte at 24 bytes and at 256: no padding makes
        // the inside longer by just so much.
        let further = match room {
            24 | 257 => BOX_STEP,
            _ => 0,
        };
        assert_eq!(sealed.len(), bare + room + further + TAG, "{manifest}");
    }
}
