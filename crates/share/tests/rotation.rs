//! What a rotation that was cut short leaves behind: nothing that stays pinned.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{Class, RecordId, ScopeId, operation::RejectCode};
use ledger::Refusal;
use share::{
    NodeError, Table, Vault as _, accept, checkup, erase, journal, open, publish,
    rotate::{self, RotateError, Rotated},
};
use store::BlockStore as _;
use world::{Cast, file, rng};

/// Operations do not reach the ledger; `None` ends that.
fn unsent(cast: &Cast, error: Option<NodeError>) {
    cast.world.lies.lock().unwrap().unsent = error;
}

fn rotate(cast: &Cast, sid: ScopeId) -> Result<Rotated, RotateError> {
    rotate::rotate(&cast.world.wallet(&cast.patient), sid, &mut rng())
}

/// The hospital updates a record.
fn updated(cast: &Cast, record: RecordId) {
    let desk = cast.world.desk(&cast.hospital);
    let source = file(b"more blood", Class::Laboratory);
    publish::update(&desk, record, &source, cast.world.now(), &mut rng()).unwrap();
}

/// A laboratory record under a retired scope, not re-wrapped: an update waited, which she
/// has rejected since. The key of the next scope is made, so that only the re-wrap is left.
fn waited() -> (Cast, RecordId, ScopeId) {
    let cast = Cast::new();
    let record = cast.accepted(&file(b"blood", Class::Laboratory));
    let sid = cast.choice(&[Class::Laboratory], &[]).sids[0];
    updated(&cast, record);
    assert_eq!(rotate(&cast, sid).unwrap().waiting, [record]);
    let wallet = cast.world.wallet(&cast.patient);
    accept::reject(&wallet, record, RejectCode::NotMine).unwrap();
    (cast, record, sid)
}

fn unfinished(cast: &Cast) -> usize {
    checkup::unfinished(&cast.patient.vault).unwrap().len()
}

/// Hers and the hospital's erasure leave no root of the record.
fn erased(cast: &Cast, record: RecordId) {
    let world = &cast.world;
    erase::erase_own(&world.wallet(&cast.patient), record, &mut rng()).unwrap();
    erase::erase(&world.desk(&cast.hospital), record).unwrap();
    // as the next command does
    journal::settle(&world.desk(&cast.patient)).unwrap();
    assert_eq!((cast.strays(record), unfinished(cast)), (0, 0));
    let states = world.client(&cast.patient);
    for state in share::Node::states_of(&states, record).unwrap() {
        let pins = world.store.pins().unwrap();
        assert!(pins.iter().all(|(root, _)| *root != state.state));
    }
}

fn unreachable() -> NodeError {
    NodeError::Unreachable("the wire is cut".into())
}

#[test]
fn a_rewrap_that_was_not_sent_is_sent_by_the_next_rotation() {
    let (cast, record, sid) = waited();
    unsent(&cast, Some(unreachable()));
    rotate(&cast, sid).unwrap_err();
    let begun = checkup::unfinished(&cast.patient.vault).unwrap();
    assert!(matches!(begun[..], [(_, "Rewrap")]), "{begun:?}");
    rotate(&cast, sid).unwrap_err();
    assert_eq!(checkup::unfinished(&cast.patient.vault).unwrap(), begun);
    unsent(&cast, None);
    rotate(&cast, sid).unwrap();
    let wallet = cast.world.wallet(&cast.patient);
    let by = wallet.desk.record(record).unwrap().accepted.unwrap();
    assert_eq!(wallet.desk.state(record, &by).unwrap().by, begun[0].0);
    assert_eq!((cast.strays(record), unfinished(&cast)), (0, 0));
    let known = wallet.record(record).unwrap().unwrap();
    assert_eq!(known.state, by);
    assert!(known.parts.iter().all(|part| part.key.sid != sid));
    let mut out = Vec::new();
    open::open_own(&wallet, record, 0, &mut out).unwrap();
    assert_eq!(out, b"blood");
    erased(&cast, record);
}

#[test]
fn a_rewrap_whose_answer_was_lost_is_not_made_again() {
    let (cast, record, sid) = waited();
    *cast.world.lost.lock().unwrap() = Some("Rewrap");
    rotate(&cast, sid).unwrap_err();
    *cast.world.lost.lock().unwrap() = None;
    let sequence = || cast.world.view().sequence(cast.patient.id()).unwrap();
    let before = sequence();
    rotate(&cast, sid).unwrap();
    assert_eq!(sequence(), before);
    assert_eq!((cast.strays(record), unfinished(&cast)), (0, 0));
    let wallet = cast.world.wallet(&cast.patient);
    open::open_own(&wallet, record, 0, &mut Vec::new()).unwrap();
    erased(&cast, record);
}

#[test]
fn what_a_refused_rewrap_has_pinned_is_let_go() {
    let (cast, record, sid) = waited();
    let refusal = Refusal::WrongChain;
    unsent(&cast, Some(NodeError::Refused(refusal)));
    rotate(&cast, sid).unwrap_err();
    assert_eq!((cast.strays(record), unfinished(&cast)), (0, 0));
    unsent(&cast, None);
    assert_eq!(rotate(&cast, sid).unwrap().rewrapped, [record]);
    erased(&cast, record);
}

/// Nobody rotates again: it ends when its number is used.
#[test]
fn what_an_abandoned_rewrap_has_pinned_is_let_go() {
    let (cast, record, sid) = waited();
    unsent(&cast, Some(unreachable()));
    rotate(&cast, sid).unwrap_err();
    unsent(&cast, None);
    erased(&cast, record);
    let parts = cast.patient.vault.list(Table::Parts).unwrap();
    assert!(parts.is_empty(), "she has not learnt the record again");
}

/// An update came between: the re-wrap waits again, and what it had pinned is let go.
#[test]
fn a_rewrap_that_an_update_overtook_waits() {
    let (cast, record, sid) = waited();
    unsent(&cast, Some(unreachable()));
    rotate(&cast, sid).unwrap_err();
    unsent(&cast, None);
    updated(&cast, record);
    assert_eq!(rotate(&cast, sid).unwrap().waiting, [record]);
    assert_eq!((cast.strays(record), unfinished(&cast)), (0, 0));
    let wallet = cast.world.wallet(&cast.patient);
    accept::accept(&wallet, record, &mut rng()).unwrap();
    assert_eq!(rotate(&cast, sid).unwrap().rewrapped, []);
    erased(&cast, record);
}

/// The number was used by another process of hers: what was made is made and kept anew.
#[test]
fn a_rewrap_goes_under_the_next_number_with_its_blocks() {
    let (cast, record, sid) = waited();
    let mut asked = false;
    cast.world.lies.lock().unwrap().sequence = Some(Box::new(move |told| {
        let late = !std::mem::replace(&mut asked, true);
        told.map(|number| number - u64::from(late))
    }));
    let rotated = rotate(&cast, sid).unwrap();
    cast.world.lies.lock().unwrap().sequence = None;
    assert_eq!(rotated.rewrapped, [record]);
    assert_eq!((cast.strays(record), unfinished(&cast)), (0, 0));
    let wallet = cast.world.wallet(&cast.patient);
    open::open_own(&wallet, record, 0, &mut Vec::new()).unwrap();
    let root = wallet.desk.record(record).unwrap().accepted.unwrap();
    let pins = cast.world.store.pins().unwrap();
    assert!(pins.iter().any(|(pinned, _)| *pinned == root));
}
