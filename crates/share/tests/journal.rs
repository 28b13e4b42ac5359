//! What hangs on an operation is durable before the operation is sent, waits for it, and
//! ends with it: calls that are cut short, and two processes of one party.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    Action, Class, Digest, Millis, OperationId, RecordId, codec,
    operation::{DisputeCode, Subject, Verdict},
};
use ledger::{Page, Refusal};
use share::{
    NodeError, SendError, Sent, Table, Vault as _, checkup,
    dispute::{self, DisputeError},
    journal,
    letter::{Evidence, EvidenceLetter, Letter, Purpose, Wish},
    outbox,
    request::{self, RequestError},
    review,
};
use std::sync::atomic::Ordering;
use world::{Cast, World, file, rng};

/// A wish of the institute; those for other purposes are other calls.
fn wish(purpose: Purpose, world: &World) -> Wish {
    Wish {
        purpose,
        ..world::wish(&[Class::Laboratory], world.now())
    }
}

/// The institute asks the patient.
fn ask(cast: &Cast, purpose: Purpose) -> Result<Sent, RequestError> {
    let world = &cast.world;
    request::request(
        &world.desk(&cast.institute),
        cast.patient.id(),
        &wish(purpose, world),
        world.now().plus(Millis::DAY),
        None,
        &mut rng(),
    )
}

fn ask_in_vain(cast: &Cast, purpose: Purpose) {
    match ask(cast, purpose) {
        Err(RequestError::Send(SendError::Node(NodeError::Unreachable(_)))) => {}
        Err(other) => panic!("{other}"),
        Ok(sent) => panic!("sent {}", sent.id),
    }
}

/// Whether operations reach the ledger.
fn reach(world: &World, reach: bool) {
    let unreachable = || NodeError::Unreachable("the wire is cut".into());
    world.lies.lock().unwrap().unsent = (!reach).then(unreachable);
}

fn unfinished(cast: &Cast) -> Vec<(OperationId, &'static str)> {
    checkup::unfinished(&cast.institute.vault).unwrap()
}

/// Letters of the institute that wait to be sent, and those held back.
fn waiting(cast: &Cast) -> (usize, usize) {
    checkup::letters(&cast.institute.vault).unwrap()
}

fn one_time_keys(cast: &Cast) -> usize {
    cast.institute.vault.list(Table::OneTime).unwrap().len()
}

fn operations(cast: &Cast) -> u64 {
    let view = cast.world.view();
    view.sequence(cast.institute.id()).unwrap()
}

/// The requests that the patient has letters of; each is what the ledger has.
fn received(cast: &Cast) -> Vec<OperationId> {
    let letters = cast.world.post(&cast.patient).into_iter();
    letters
        .map(|received| {
            let Letter::Request(letter) = received.letter else {
                panic!("a request")
            };
            let desk = cast.world.desk(&cast.patient);
            request::receive(&desk, cast.patient.id(), &letter).unwrap();
            letter.request
        })
        .collect()
}

/// The checkup names it, however often it is tried, and the operation itself goes once it
/// can, not a second one.
#[test]
fn what_was_cut_short_is_named_and_finished() {
    let cast = Cast::new();
    let world = &cast.world;
    assert_eq!((unfinished(&cast), waiting(&cast)), (vec![], (0, 0)));
    let before = operations(&cast);
    world.mail_down.store(true, Ordering::SeqCst);
    let mut ids = [Purpose::Treatment, Purpose::Coverage]
        .map(|purpose| ask(&cast, purpose).unwrap().id)
        .to_vec();
    assert_eq!((unfinished(&cast), waiting(&cast)), (vec![], (2, 0)));
    reach(world, false);
    ask_in_vain(&cast, Purpose::Research);
    let named = unfinished(&cast);
    let [(id, "Request")] = named[..] else {
        panic!("{named:?}")
    };
    ask_in_vain(&cast, Purpose::Research);
    assert_eq!(unfinished(&cast), named, "the same one, and no other");
    assert_eq!(waiting(&cast), (2, 1));
    assert_eq!(operations(&cast), before + 2);
    reach(world, true);
    assert_eq!(ask(&cast, Purpose::Research).unwrap().id, id);
    assert_eq!((unfinished(&cast), waiting(&cast)), (vec![], (3, 0)));
    assert_eq!(operations(&cast), before + 3);
    world.mail_down.store(false, Ordering::SeqCst);
    let desk = world.desk(&cast.institute);
    assert_eq!(outbox::flush(&desk).unwrap(), 3);
    assert_eq!(waiting(&cast), (0, 0));
    ids.push(id);
    let mut letters = received(&cast);
    ids.sort_unstable();
    letters.sort_unstable();
    assert_eq!(letters, ids);
}

/// What pins nothing is noted in the form that earlier releases read and wrote: no field of
/// later ones stands in it.
#[test]
fn an_operation_that_pins_nothing_is_noted_as_ever() {
    let cast = Cast::new();
    reach(&cast.world, false);
    ask_in_vain(&cast, Purpose::Research);
    let noted = cast.institute.vault.list(Table::Journal).unwrap();
    let [(_, intent)] = &noted[..] else {
        panic!("one operation")
    };
    let has = |name: &[u8]| intent.windows(name.len()).any(|found| found == name);
    assert!(has(b"wanted") && has(b"undo"));
    assert!(!has(b"pins") && !has(b"unsent"));
}

/// Two calls were cut short and are to have the same number. The ledger takes one under it:
/// the other ends, with its key and its letter, and its next call is a new operation.
#[test]
fn of_two_under_one_number_one_takes_it() {
    let cast = Cast::new();
    let world = &cast.world;
    reach(world, false);
    ask_in_vain(&cast, Purpose::Treatment);
    ask_in_vain(&cast, Purpose::Research);
    let named = unfinished(&cast);
    assert_eq!(named.len(), 2);
    assert_eq!((waiting(&cast), one_time_keys(&cast)), ((0, 2), 2));
    reach(world, true);
    let first = ask(&cast, Purpose::Treatment).unwrap().id;
    assert!(named.contains(&(first, "Request")));
    let second = ask(&cast, Purpose::Research).unwrap().id;
    assert!(!named.contains(&(second, "Request")));
    assert_eq!(unfinished(&cast), []);
    assert_eq!((waiting(&cast), one_time_keys(&cast)), ((0, 0), 2));
    let mut letters = received(&cast);
    letters.sort_unstable();
    let mut ids = vec![first, second];
    ids.sort_unstable();
    assert_eq!(letters, ids);
}

/// Nobody calls again for what was cut short: it ends when its number is used up.
#[test]
fn what_nobody_calls_again_ends_with_its_number() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    reach(world, false);
    ask_in_vain(&cast, Purpose::Treatment);
    reach(world, true);
    journal::settle(&desk).unwrap();
    assert_eq!(unfinished(&cast).len(), 1, "its number is free");
    // another process of the institute, with a vault of its own, uses the number
    let other = world::MemoryVault::default();
    let desk_of_other = share::Desk {
        vault: &other,
        ..desk
    };
    let used = request::request(
        &desk_of_other,
        cast.patient.id(),
        &wish(Purpose::Research, world),
        world.now().plus(Millis::DAY),
        None,
        &mut rng(),
    );
    let used = used.unwrap().id;
    journal::settle(&desk).unwrap();
    assert_eq!(unfinished(&cast), []);
    assert_eq!((waiting(&cast), one_time_keys(&cast)), ((0, 0), 0));
    assert_eq!(received(&cast), [used]);
}

/// Another process of the party was faster: the operation goes under the next number, and
/// nothing of the first try is left.
#[test]
fn two_processes_of_a_party_race_for_a_number() {
    for lasting in [false, true] {
        let cast = Cast::new();
        let world = &cast.world;
        let before = operations(&cast);
        // the number as it was before the other process had used it
        let mut asked = false;
        world.lies.lock().unwrap().sequence = Some(Box::new(move |told| {
            let late = lasting || !std::mem::replace(&mut asked, true);
            told.map(|number| number - u64::from(late))
        }));
        let sent = ask(&cast, Purpose::Research).unwrap();
        world.lies.lock().unwrap().sequence = None;
        assert_eq!(operations(&cast), before + 1);
        assert_eq!(unfinished(&cast), []);
        assert_eq!((waiting(&cast), one_time_keys(&cast)), ((0, 0), 1));
        assert_eq!(received(&cast), [sent.id]);
    }
}

/// A node that refuses every number does not keep the party busy.
#[test]
fn a_node_that_refuses_every_number_is_left() {
    let cast = Cast::new();
    let world = &cast.world;
    let number = operations(&cast) + 1;
    for expected in [number, number + 7] {
        world.lies.lock().unwrap().unsent = Some(NodeError::Refused(Refusal::WrongSequence {
            expected,
            found: number,
        }));
        match ask(&cast, Purpose::Research) {
            Err(RequestError::Send(SendError::Node(NodeError::Refused(
                Refusal::WrongSequence { .. },
            )))) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(unfinished(&cast), []);
        assert_eq!((waiting(&cast), one_time_keys(&cast)), ((0, 0), 0));
    }
}

/// What a dispute or a review commits to, as the vault of who sent it has it.
fn evidence(person: &world::Person) -> Vec<(Digest, EvidenceLetter)> {
    let entries = person.vault.list(Table::Evidence).unwrap().into_iter();
    entries
        .map(|(name, bytes)| {
            let name = Digest(name.try_into().unwrap());
            (name, codec::decode(&bytes).unwrap())
        })
        .collect()
}

/// Whoever commits to evidence can show it, from before the ledger has the commitment; for
/// one that the ledger did not take nothing is kept.
#[test]
fn evidence_is_kept_before_the_ledger_has_its_commitment() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&file(b"a stranger's", Class::Laboratory));
    let desk = world.desk(&cast.patient);
    let arbiter = cast.other_hospital.id();
    let said = || Evidence::Words("this is not my blood".into());
    let send = |record: RecordId| {
        let (subject, code) = (Subject::Record(record), DisputeCode::WrongPatient);
        dispute::dispute(&desk, subject, code, said(), arbiter, &mut rng())
    };
    reach(world, false);
    send(record).unwrap_err();
    let kept = evidence(&cast.patient);
    let [(name, letter)] = &kept[..] else {
        panic!("{kept:?}")
    };
    assert_eq!(letter.evidence, said());
    reach(world, true);
    let sent = send(record).unwrap();
    let view = world.view();
    let logged = view.disputes(Page::default()).unwrap().items;
    assert_eq!((logged.len(), logged[0].id), (1, sent.id));
    assert_eq!(logged[0].commitment, *name);
    let opened = Digest::commit(&letter.salt, &codec::encode(&letter.evidence));
    assert_eq!(opened, *name);
    assert_eq!(evidence(&cast.patient), kept, "for whoever asks later");
    assert_eq!(
        world.one_letter(&cast.other_hospital).letter,
        Letter::Evidence(letter.clone())
    );
    match send(RecordId([7; 32])) {
        Err(DisputeError::Send(SendError::Failed { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(evidence(&cast.patient), kept, "nothing of what failed");
    assert!(world.post(&cast.other_hospital).is_empty());
}

/// The words of a review stay with who wrote them.
#[test]
fn the_words_of_a_review_are_kept() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&file(b"lab", Class::Laboratory));
    let grant = cast.granted(&[Class::Laboratory], &[&cast.agent]);
    let answer = cast.answered(grant, record, 0, &cast.agent);
    let desk = world.desk(&cast.institute);
    let words = Some("of no use to us");
    let poor = Verdict::PoorQuality;
    let sent = review::review(&desk, answer.query, poor, words, &mut rng()).unwrap();
    let kept = evidence(&cast.institute);
    let [(name, letter)] = &kept[..] else {
        panic!("{kept:?}")
    };
    assert_eq!(letter.evidence, Evidence::Words("of no use to us".into()));
    let opened = Digest::commit(&letter.salt, &codec::encode(&letter.evidence));
    assert_eq!(opened, *name);
    let leaf = world.view().leaf(sent.index).unwrap().unwrap();
    let Action::Review(logged) = leaf.operation.body.action else {
        panic!("a review")
    };
    assert_eq!(logged.evidence, Some(*name));
}
