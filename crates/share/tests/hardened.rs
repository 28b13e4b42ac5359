//! Nodes that lie, answers that get lost, mailboxes that are full, keys that change.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{Class, Millis, key::OperationSecret};
use ledger::QueryState;
use share::{
    Table, Vault as _,
    account::{self, Replacement},
    authorize, bag,
    follow::FollowError,
    identity::{HpkeSecret, Party},
    letter::Letter,
    open,
    part::State,
    reencrypt::ReencryptError,
    wallet::Wallet,
};
use std::sync::atomic::Ordering;
use world::{Cast, Person, bundle, file, rng};

const LAB: &[Class] = &[Class::Laboratory];

/// Without its note, the agent has to find its query on the ledger.
fn forget_release(cast: &Cast) {
    let vault = &cast.agent.vault;
    for (key, _) in vault.list(Table::Released).unwrap() {
        vault.delete(Table::Released, &key).unwrap();
    }
}

#[test]
fn an_agent_takes_no_nodes_word_for_its_query() {
    let cast = Cast::new();
    let world = &cast.world;
    let (first, second) = (cast.accepted(&bundle()), cast.accepted(&bundle()));
    let grant = cast.granted(LAB, &[&cast.agent]);
    cast.answered(grant, first, 0, &cast.agent);
    let true_one = world
        .view()
        .queries_of_grant(grant, ledger::Page::default())
        .unwrap()
        .items
        .remove(0);
    cast.answered(grant, second, 0, &cast.agent);
    let other = world
        .view()
        .queries_of_grant(grant, ledger::Page::default())
        .unwrap()
        .items
        .into_iter()
        .find(|query| query.id != true_one.id)
        .unwrap();
    // another query of hers, and an operation that is no query at all
    for id in [other.id, grant] {
        forget_release(&cast);
        world.lies.lock().unwrap().queries = Some(vec![QueryState {
            id,
            ..true_one.clone()
        }]);
        let refused = cast.answer(&cast.agent, &cast.ask(grant, first, 0, &cast.agent));
        assert!(
            matches!(refused, Err(ReencryptError::NotLogged)),
            "{refused:?}"
        );
        assert!(world.post(&cast.institute).is_empty());
    }
    // the truth, within ten minutes
    world.lies.lock().unwrap().queries = None;
    forget_release(&cast);
    let ask = cast.ask(grant, first, 0, &cast.agent);
    assert_eq!(cast.answer(&cast.agent, &ask).unwrap().query, true_one.id);
}

#[test]
fn a_query_that_a_restored_ledger_lost_is_not_released_again() {
    let cast = Cast::new();
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let answer = cast.answered(grant, record, 0, &cast.agent);
    // the agent's note names a query that is in no log
    let vault = &cast.agent.vault;
    let (key, note) = vault.list(Table::Released).unwrap().remove(0);
    let name = answer.query.0.to_bytes();
    let at = note.windows(name.len()).position(|at| at == name).unwrap();
    let mut lost = note.to_vec();
    let gone = base::cid::of_object(b"gone").to_bytes();
    lost[at..at + name.len()].copy_from_slice(&gone);
    vault.put(Table::Released, &key, &lost).unwrap();
    let ask = cast.ask(grant, record, 0, &cast.agent);
    let released = cast.answer(&cast.agent, &ask).unwrap();
    assert_eq!(released.query, answer.query, "the logged one");
}

#[test]
fn an_agent_takes_no_nodes_word_for_a_grant() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    cast.answered(grant, record, 0, &cast.agent);
    let mut lie = world.view().grant(grant).unwrap().unwrap();
    lie.terms.expires = world.now().plus(365 * Millis::DAY);
    world.pass(8 * Millis::DAY);
    world.lies.lock().unwrap().grant = Some(lie);
    let refused = cast.answer(&cast.agent, &cast.ask(grant, record, 0, &cast.agent));
    assert!(
        matches!(refused, Err(ReencryptError::Expired)),
        "{refused:?}"
    );
    assert!(world.post(&cast.institute).is_empty());
}

#[test]
fn a_full_mailbox_holds_no_other_letter_up() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.accepted(&bundle());
    for _ in 0..3 {
        let request = cast.asked(LAB);
        let choice = cast.choice(LAB, &[&cast.agent]);
        world.full.lock().unwrap().insert(cast.institute.id());
        authorize::authorize(&world.wallet(&cast.patient), request, &choice, &mut rng()).unwrap();
        world.full.lock().unwrap().clear();
        assert_eq!(world.post(&cast.agent).len(), 1, "the agent's packet went");
        world.full.lock().unwrap().insert(cast.institute.id());
    }
    let wallet = world.wallet(&cast.patient);
    assert_eq!(share::outbox::flush(&wallet.desk).unwrap(), 0);
    world.full.lock().unwrap().clear();
    assert_eq!(share::outbox::flush(&wallet.desk).unwrap(), 3);
    assert_eq!(world.post(&cast.institute).len(), 3);
}

#[test]
fn a_wallet_that_died_after_its_operation_catches_up() {
    let cast = Cast::new();
    let world = &cast.world;
    let wallet = world.wallet(&cast.patient);
    let record = cast.publish(&bundle());
    *world.lost.lock().unwrap() = Some("Accept");
    share::accept::accept(&wallet, record, &mut rng()).unwrap_err();
    *world.lost.lock().unwrap() = None;
    assert!(wallet.records().unwrap().is_empty(), "not known yet");
    let caught = share::accept::catch_up(&wallet, &mut rng()).unwrap();
    assert!(matches!(&caught[..], [(id, Ok(()))] if *id == record));
    assert!(
        share::accept::catch_up(&wallet, &mut rng())
            .unwrap()
            .is_empty()
    );
    let state = wallet.records().unwrap()[0].1.state;
    assert_eq!(wallet.desk.record(record).unwrap().accepted, Some(state));

    // the same between a re-wrap and its note: the rotation goes on where it stopped
    let other = cast.accepted(&bundle());
    let sid = cast.choice(LAB, &[]).sids[0];
    *world.lost.lock().unwrap() = Some("Rewrap");
    share::rotate::rotate(&wallet, sid, &mut rng()).unwrap_err();
    *world.lost.lock().unwrap() = None;
    let rotated = share::rotate::rotate(&wallet, sid, &mut rng()).unwrap();
    assert_eq!(rotated.rewrapped.len(), 2);
    for id in [record, other] {
        let accepted = wallet.desk.record(id).unwrap().accepted.unwrap();
        let state = State::load(&wallet.desk, id, accepted).unwrap();
        assert_eq!(
            state.capsule(&wallet.desk, 0).unwrap().header.sid,
            rotated.next
        );
    }
    assert!(
        share::accept::catch_up(&wallet, &mut rng())
            .unwrap()
            .is_empty()
    );
    assert_eq!(cast.choice(LAB, &[]).sids, [rotated.next]);
}

#[test]
fn a_ledger_that_cannot_be_followed_rejects_no_record() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.publish(&bundle());
    let mut head = world.view().head().unwrap();
    head.header.height += 1;
    *world.forged.lock().unwrap() = Some(head);
    let wallet = world.wallet(&cast.patient);
    let error = share::accept::accept(&wallet, record, &mut rng()).unwrap_err();
    assert_eq!(error.code(), None, "{error}");
    *world.forged.lock().unwrap() = None;
    share::accept::accept(&wallet, record, &mut rng()).unwrap();
}

#[test]
fn an_agent_takes_no_answer_back_by_changing_its_key() {
    let mut cast = Cast::new();
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let answer = cast.answered(grant, record, 0, &cast.agent);
    let next = OperationSecret::new([77; 32]);
    account::rotate_key(
        &cast.world.desk(&cast.agent),
        &Replacement::Operation(&next),
        None,
    )
    .unwrap();
    cast.agent.party.operation = next;
    let desk = cast.world.desk(&cast.institute);
    let mut out = Vec::new();
    open::open(&desk, &answer, &mut out).unwrap();
    assert!(!out.is_empty());
    // and the patient still audits it
    open::report(&desk, &answer, &mut rng()).unwrap();
    let Letter::Failure(failure) = cast.world.one_letter(&cast.patient).letter else {
        panic!()
    };
    let wallet = cast.world.wallet(&cast.patient);
    let verdict = share::dispute::receive_failure(&wallet, &failure).unwrap();
    assert_eq!(verdict, ibpre::AuditVerdict::Honest);
}

#[test]
fn an_erased_scope_serves_no_grant_again() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let wallet = world.wallet(&cast.patient);
    let state = wallet.desk.record(record).unwrap().accepted.unwrap();
    let sid = cast.choice(&[Class::Sensitive], &[]).sids[0];
    // the answer to the receipt is lost: she looks at the record again
    *world.lost.lock().unwrap() = Some("Erase");
    share::erase::erase_own(&wallet, record, &mut rng()).unwrap_err();
    *world.lost.lock().unwrap() = None;
    share::accept::inspect(&wallet, record, state, &mut rng()).unwrap();
    let request = cast.asked(&[Class::Sensitive]);
    let mut choice = cast.choice(LAB, &[&cast.agent]);
    choice.sids = vec![sid];
    let refused = authorize::authorize(&wallet, request, &choice, &mut rng());
    assert!(
        matches!(refused, Err(authorize::AuthorizeError::Tainted(tainted)) if tainted == sid),
        "{refused:?}"
    );
}

#[test]
fn an_erasure_that_the_node_did_not_take_leaves_the_bag_whole() {
    let cast = Cast::new();
    let world = &cast.world;
    // more keys than one object holds
    let mut records = Vec::new();
    for at in 0..540u64 {
        let text = format!("{at}");
        records.push(cast.accepted(&file(text.as_bytes(), Class::Sensitive)));
    }
    let wallet = world.wallet(&cast.patient);
    *world.lost.lock().unwrap() = Some("Bag");
    share::erase::erase_own(&wallet, records[0], &mut rng()).unwrap_err();
    *world.lost.lock().unwrap() = None;
    bag::backup(&wallet, &mut rng()).unwrap();
    share::erase::erase_own(&wallet, records[0], &mut rng()).unwrap();
    cast.accepted(&bundle());
}

#[test]
fn a_restore_takes_no_nodes_word_for_the_log() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.accepted(&file(b"old", Class::Laboratory));
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let locator = phrase.bag().locator;
    let stale = world.bags.lock().unwrap().get(&locator).cloned().unwrap();
    cast.accepted(&file(b"new", Class::Condition));
    world.bags.lock().unwrap().insert(locator, stale);
    let person = || {
        Person::new(Party::new(
            world.chain(),
            phrase.operation(),
            HpkeSecret::generate(&mut rng()),
        ))
    };
    // the node says that the old bag is the newest
    let number = 1;
    let mut lie = world.view().bag(cast.patient.id()).unwrap().unwrap();
    lie.version = number - 1;
    world.lies.lock().unwrap().bag = Some(lie);
    let one = person();
    let back = bag::restore(&world.desk(&one), phrase.bag()).unwrap();
    assert!(back.newest > Some(back.number), "the log says otherwise");
    assert_eq!(back.tainted.len(), 1);
    // the node shows another log the second time
    world.lies.lock().unwrap().leaves_after = Some(1);
    let two = person();
    let refused = bag::restore(&world.desk(&two), phrase.bag()).err();
    assert!(
        matches!(
            refused,
            Some(bag::RestoreError::Follow(FollowError::WrongLeaves))
        ),
        "{refused:?}"
    );
}

#[test]
fn a_restored_wallet_knows_its_records_again() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let mut person = Person::new(Party::new(
        world.chain(),
        phrase.operation(),
        HpkeSecret::generate(&mut rng()),
    ));
    let back = bag::restore(&world.desk(&person), phrase.bag()).unwrap();
    person.party.hpke = back.hpke.clone();
    let wallet = Wallet::new(world.desk(&person), &back.secrets, person.id());
    let caught = share::accept::catch_up(&wallet, &mut rng()).unwrap();
    assert!(matches!(&caught[..], [(id, Ok(()))] if *id == record));
    let wish = world::wish(LAB, world.now());
    assert_eq!(authorize::matching(&wallet, &wish).unwrap().len(), 1);
    assert_eq!(wallet.hospitals().unwrap(), [cast.hospital.id()]);
    // whom she took off the list stays off it
    wallet.unlist_hospital(cast.hospital.id()).unwrap();
    bag::sync(&wallet, &mut rng()).unwrap();
    let mut again = Person::new(Party::new(
        world.chain(),
        phrase.operation(),
        back.hpke.clone(),
    ));
    let back = bag::restore(&world.desk(&again), phrase.bag()).unwrap();
    again.secrets = Some(back.secrets);
    assert_eq!(world.wallet(&again).hospitals().unwrap(), []);
}

#[test]
fn a_rotated_operation_key_comes_back_from_the_bag() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let locator = phrase.bag().locator;
    let stale = world.bags.lock().unwrap().get(&locator).cloned().unwrap();
    let person = || {
        Person::new(Party::new(
            world.chain(),
            phrase.operation(),
            HpkeSecret::generate(&mut rng()),
        ))
    };
    let next = OperationSecret::new([9; 32]);
    let wallet = world.wallet(&cast.patient);
    bag::keep_operation_key(&wallet, &next, &mut rng()).unwrap();
    // begun only: the ledger still has the phrase's key
    let back = bag::restore(&world.desk(&person()), phrase.bag()).unwrap();
    assert!(back.operation.public() == phrase.operation().public());
    let new = Replacement::Operation(&next);
    account::rotate_key(&wallet.desk, &new, None).unwrap();
    let mut restored = person();
    let back = bag::restore(&world.desk(&restored), phrase.bag()).unwrap();
    assert!(back.operation.public() == next.public());
    restored.party.operation = back.operation;
    restored.secrets = Some(back.secrets);
    let wallet = world.wallet(&restored);
    let caught = share::accept::catch_up(&wallet, &mut rng()).unwrap();
    assert!(matches!(&caught[..], [(id, Ok(()))] if *id == record));
    bag::backup(&wallet, &mut rng()).unwrap();
    // a bag from before the rotation gives no account back, and says so
    world.bags.lock().unwrap().insert(locator, stale);
    assert!(matches!(
        bag::restore(&world.desk(&person()), phrase.bag()),
        Err(bag::RestoreError::KeyReplaced)
    ));
}

#[test]
fn a_hospital_signs_with_its_current_record_key_only() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let desk = world.desk(&cast.hospital);
    let next = share::identity::RecordSecret::generate(&mut rng());
    let new = Replacement::Record(&next);
    account::rotate_key(&desk, &new, None).unwrap();
    let logged = world.view().sequence(cast.hospital.id()).unwrap();
    let now = world.now();
    let refused = [
        share::publish::publish(&desk, cast.patient.id(), &bundle(), now, &mut rng()).err(),
        share::publish::update(&desk, record, &bundle(), now, &mut rng()).err(),
    ];
    for refused in refused {
        assert!(
            matches!(refused, Some(share::publish::PublishError::OldRecordKey)),
            "{refused:?}"
        );
    }
    assert_eq!(world.view().sequence(cast.hospital.id()).unwrap(), logged);
}

#[test]
fn a_keys_heights_are_not_the_nodes_word() {
    let mut cast = Cast::new();
    let record = cast.accepted(&bundle());
    let waiting = cast.publish(&bundle());
    let hospital = cast.hospital.id();
    // the key is given up as compromised from its first block on
    let next = share::identity::RecordSecret::generate(&mut rng());
    let opened = cast.world.view().account(hospital).unwrap().unwrap().opened;
    let new = Replacement::Record(&next);
    account::rotate_key(&cast.world.desk(&cast.hospital), &new, Some(opened)).unwrap();
    cast.hospital.party.record = Some(next);
    let world = &cast.world;
    let wallet = world.wallet(&cast.patient);
    let accept = || share::accept::accept(&wallet, waiting, &mut rng());
    let error = accept().unwrap_err();
    assert!(
        matches!(
            error,
            share::accept::AcceptError::Part(share::part::PartError::Manifest(_))
        ),
        "{error}"
    );
    // the node says that the key was good for longer, or from earlier on
    let truth = world.view().account(hospital).unwrap().unwrap();
    for (from, until) in [(opened, Some(u64::MAX)), (0, truth.record_keys[0].until)] {
        let mut lie = truth.clone();
        lie.record_keys[0].from = from;
        lie.record_keys[0].until = until;
        world.lies.lock().unwrap().account = Some(lie);
        let error = accept().unwrap_err();
        assert_eq!(error.code(), None, "no fault of the state: {error}");
    }
    world.lies.lock().unwrap().account = None;
    // or that the state was published at another height or time
    let state = wallet.desk.record(waiting).unwrap().pending.unwrap();
    let told = world.view().state_of(waiting, state).unwrap().unwrap();
    world.lies.lock().unwrap().state = Some(ledger::StateInfo {
        height: opened,
        time: told.time.plus(40 * Millis::DAY),
        ..told
    });
    accept().unwrap_err();
    let published = wallet
        .desk
        .published_state(&wallet.desk.record(waiting).unwrap(), &state)
        .unwrap();
    assert_eq!((published.height, published.time), (told.height, told.time));
    world.lies.lock().unwrap().state = None;
    open::open_own(&wallet, record, 0, &mut Vec::new()).unwrap_err();
}

#[test]
fn a_found_query_has_the_time_of_its_block() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    cast.answered(grant, record, 0, &cast.agent);
    let mut queries = world
        .view()
        .queries_of_grant(grant, ledger::Page::default())
        .unwrap()
        .items;
    world.pass(3_600_000);
    forget_release(&cast);
    // the node says that the query was logged just now
    queries[0].time = world.now();
    world.lies.lock().unwrap().queries = Some(queries);
    let refused = cast.answer(&cast.agent, &cast.ask(grant, record, 0, &cast.agent));
    assert!(
        matches!(refused, Err(ReencryptError::TooLate)),
        "{refused:?}"
    );
    assert!(world.post(&cast.institute).is_empty());
}

#[test]
fn a_letter_to_a_former_key_opens_for_a_while() {
    let mut cast = Cast::new();
    cast.accepted(&bundle());
    let now = cast.world.now();
    // in the mailbox when the key changes
    let wish = world::wish(LAB, now);
    let desk = cast.world.desk(&cast.institute);
    let expires = now.plus(Millis::DAY);
    share::request::request(&desk, cast.patient.id(), &wish, expires, None, &mut rng()).unwrap();
    let next = HpkeSecret::generate(&mut rng());
    let new = Replacement::Hpke(&next);
    account::rotate_key(&cast.world.desk(&cast.patient), &new, None).unwrap();
    let (key, value) = share::post::former_key(&cast.patient.party.hpke, now);
    let vault = &cast.patient.vault;
    vault.put(Table::FormerKeys, &key.0, &value).unwrap();
    cast.patient.party.hpke = next;
    let desk = cast.world.desk(&cast.patient);
    let share::post::Mail { letters, dead, .. } = share::post::collect(&desk, now).unwrap();
    assert_eq!((letters.len(), dead.len()), (1, 0));
    // and then it is gone
    let later = now.plus(share::post::FORMER_KEYS_FOR);
    let share::post::Mail { letters, dead, .. } = share::post::collect(&desk, later).unwrap();
    assert_eq!((letters.len(), dead.len()), (0, 1));
    assert!(
        cast.patient
            .vault
            .list(Table::FormerKeys)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn letters_do_not_wait_for_ever() {
    let cast = Cast::new();
    let desk = cast.world.desk(&cast.patient);
    let now = cast.world.now();
    let name = |at: u8| base::Digest([at; 32]);
    let give_up =
        |waiting: &[base::Digest], now| share::post::give_up(&desk, waiting, now).unwrap();
    assert!(give_up(&[name(1)], now).is_empty());
    let later = now.plus(share::post::WAIT_FOR - 1);
    assert!(give_up(&[name(1), name(2)], later).is_empty());
    assert_eq!(give_up(&[name(1), name(2)], later.plus(1)), [name(1)]);
    // nothing is remembered of letters that are gone
    assert!(give_up(&[], later).is_empty());
    assert!(cast.patient.vault.list(Table::Waiting).unwrap().is_empty());
    // of too many, those that have waited longest go
    let all: Vec<_> = (0..=share::post::MAX_WAITING as u8).map(name).collect();
    assert!(give_up(&all[7..8], now).is_empty());
    assert_eq!(give_up(&all, now.plus(1)), [name(7)]);
}

#[test]
fn a_long_upload_loses_no_part() {
    let cast = Cast::new();
    let world = &cast.world;
    world.collects.store(true, Ordering::SeqCst);
    let record = cast.accepted(&bundle());
    let wallet = world.wallet(&cast.patient);
    for part in 0..4 {
        open::open_own(&wallet, record, part, &mut Vec::new()).unwrap();
    }
    // each root has its pins, and nothing else
    use store::BlockStore as _;
    let root = wallet.desk.record(record).unwrap().accepted.unwrap();
    let state = State::load(&wallet.desk, record, root).unwrap();
    let pins = world.store.pins().unwrap();
    assert!(
        pins.iter()
            .any(|(pinned, count)| (*pinned, *count) == (root, 2))
    );
    for part in &state.sealed.parts {
        assert!(pins.iter().all(|(pinned, _)| *pinned != part.body));
    }
}

#[test]
fn secrets_do_not_print() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.accepted(&bundle());
    let request = cast.asked(LAB);
    let choice = cast.choice(LAB, &[&cast.agent]);
    authorize::authorize(&world.wallet(&cast.patient), request, &choice, &mut rng()).unwrap();
    let letter = world.one_letter(&cast.agent);
    let Letter::Agent(packet) = &letter.letter else {
        panic!()
    };
    let text = format!("{letter:?}");
    assert!(!text.contains(&format!("{:?}", packet.keys[0].noise)));
    assert!(!text.contains(&format!("{:?}", packet.keys[0].rk)));
    let letter = world.one_letter(&cast.institute);
    let Letter::Grant(packet) = &letter.letter else {
        panic!()
    };
    assert!(!format!("{letter:?}").contains(&format!("{:?}", packet.keys[0].key)));
}
