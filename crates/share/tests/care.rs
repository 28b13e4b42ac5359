//! Rotation, restore, delegation, emergencies, erasure, keys that change.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    Class, Millis,
    operation::{EmergencyCode, GrantUse, Power},
};
use ledger::Failure;
use share::{
    Table, Vault as _,
    account::{self, Replacement},
    authorize::{self, AuthorizeError},
    bag::{self, Phrase},
    identity::{HpkeSecret, Party, RecordSecret},
    letter::Letter,
    open,
    reencrypt::ReencryptError,
    wallet::Wallet,
};
use std::sync::atomic::Ordering;
use store::BlockStore as _;
use world::{BUNDLE, Cast, MemoryVault, Person, bundle, file, rng};

const LAB: &[Class] = &[Class::Laboratory];

#[test]
fn a_rotated_scope_moves_its_keys_and_nothing_else() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let wallet = world.wallet(&cast.patient);
    let sid = cast.choice(LAB, &[]).sids[0];
    let state = |record| {
        let root = wallet.desk.record(record).unwrap().accepted.unwrap();
        share::part::State::load(&wallet.desk, record, root).unwrap()
    };
    let before = state(record);
    let pending = cast.publish(&bundle());
    let rotated = share::rotate::rotate(&wallet, sid, &mut rng()).unwrap();
    assert_eq!(
        (rotated.rewrapped.as_slice(), rotated.waiting.len()),
        (&[record][..], 0)
    );
    let after = state(record);
    assert_ne!(before.root, after.root);
    for (old, new) in before.sealed.parts.iter().zip(&after.sealed.parts) {
        assert_eq!((old.body, &old.opening), (new.body, &new.opening));
    }
    assert_ne!(
        before.sealed.parts[0].capsule,
        after.sealed.parts[0].capsule
    );
    assert_eq!(
        before.sealed.parts[1].capsule,
        after.sealed.parts[1].capsule
    );
    let mut out = Vec::new();
    let opened = open::open_own(&wallet, record, 0, &mut out).unwrap();
    assert_eq!(opened.manifest.previous, None);
    assert!(String::from_utf8(out).unwrap().contains("Hb"));

    // nothing under the retired scope: no query, no acceptance; hospitals find the next
    let ask = cast.ask(grant, record, 0, &cast.agent);
    assert!(matches!(
        cast.answer(&cast.agent, &ask),
        Err(ReencryptError::NoKey)
    ));
    let refused = share::accept::accept(&wallet, pending, &mut rng()).unwrap_err();
    assert!(
        matches!(refused, share::accept::AcceptError::Retired { part: 0 }),
        "{refused}"
    );
    share::accept::reject(&wallet, pending, refused.code().unwrap()).unwrap();
    let fresh = cast.accepted(&bundle());
    let parts = wallet.desk.record(fresh).unwrap().parts;
    assert_eq!(parts[0].sid, rotated.next);
    // and a grant under the next one works
    let grant = cast.granted(LAB, &[&cast.second_agent]);
    let answer = cast.answered(grant, record, 0, &cast.second_agent);
    open::open(&world.desk(&cast.institute), &answer, &mut Vec::new()).unwrap();
    // and the record is updated over the re-wrapped state
    let desk = world.desk(&cast.hospital);
    share::publish::update(&desk, record, &bundle(), world.now(), &mut rng()).unwrap();
    share::accept::accept(&wallet, record, &mut rng()).unwrap();
}

fn restored(cast: &Cast, phrase: &Phrase) -> (Person, bag::Restored) {
    let world = &cast.world;
    let mut person = Person::new(Party::new(
        world.chain(),
        phrase.operation(),
        HpkeSecret::generate(&mut rng()),
    ));
    let back = bag::restore(&world.desk(&person), phrase.bag()).unwrap();
    person.party.hpke = back.hpke.clone();
    (person, back)
}

#[test]
fn phrase_and_bag_give_the_wallet_back() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    // many scopes: pages of the bag
    for at in 0..70u64 {
        let text = format!("{at}");
        let record = cast.publish(&file(text.as_bytes(), Class::Sensitive));
        share::accept::accept(&world.wallet(&cast.patient), record, &mut rng()).unwrap();
    }

    let words = cast.patient.phrase.as_ref().unwrap().words();
    let phrase = Phrase::parse(&words.to_uppercase()).unwrap();
    let (person, back) = restored(&cast, &phrase);
    assert_eq!(
        (person.id(), back.newest, back.tainted.len()),
        (cast.patient.id(), None, 0)
    );
    let wallet = Wallet::new(world.desk(&person), &back.secrets, person.id());
    let mut out = Vec::new();
    open::open_own(&wallet, record, 0, &mut out).unwrap();
    assert!(!out.is_empty());
    let scopes = |vault: &MemoryVault| vault.list(Table::Scopes).unwrap();
    assert_eq!(scopes(&person.vault), scopes(&cast.patient.vault));
    assert!(Phrase::parse("abandon abandon").is_err());

    // an erasure writes all entries into pages again, two where there was one, and lets go of
    // the old page and of the record's state
    let pinned = || world.store.pins().unwrap().len();
    let (erased, before) = (cast.accepted(&file(b"gone", Class::Sensitive)), pinned());
    share::erase::erase_own(&world.wallet(&cast.patient), erased, &mut rng()).unwrap();
    assert_eq!(pinned(), before);

    // not hers
    let other = cast.stranger.phrase.as_ref().unwrap();
    let desk = world.desk(&person);
    assert!(matches!(
        bag::restore(&desk, other.bag()),
        Err(bag::RestoreError::NoBag | bag::RestoreError::NotThisBag)
    ));
    let mut damaged = world
        .bags
        .lock()
        .unwrap()
        .get(&phrase.bag().locator)
        .cloned()
        .unwrap();
    let end = damaged.len() - 1;
    damaged[end] ^= 1;
    world
        .bags
        .lock()
        .unwrap()
        .insert(phrase.bag().locator, damaged);
    assert!(matches!(
        bag::restore(&desk, phrase.bag()),
        Err(bag::RestoreError::NotThisBag)
    ));
}

#[test]
fn a_stale_bag_taints_the_scopes_that_it_lacks() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.accepted(&file(b"old", Class::Laboratory));
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let stale = world
        .bags
        .lock()
        .unwrap()
        .get(&phrase.bag().locator)
        .cloned()
        .unwrap();
    let record = cast.accepted(&file(b"new", Class::Condition));
    world
        .bags
        .lock()
        .unwrap()
        .insert(phrase.bag().locator, stale);

    let (mut person, back) = restored(&cast, phrase);
    assert!(back.newest > Some(back.number));
    assert_eq!(back.tainted.len(), 1);
    let sid = back.tainted[0];
    person.secrets = Some(back.secrets);
    let wallet = world.wallet(&person);
    wallet
        .list_hospital(cast.hospital.id(), world.now())
        .unwrap();
    // extracted once more, for her own reading
    let root = wallet.desk.record(record).unwrap().accepted.unwrap();
    let known = share::accept::inspect(&wallet, record, root, &mut rng()).unwrap();
    person
        .vault
        .put(Table::Parts, &record.0, &base::codec::encode(&known))
        .unwrap();
    let mut out = Vec::new();
    open::open_own(&wallet, record, 0, &mut out).unwrap();
    assert_eq!(out, b"new");
    // no grant under it until it is rotated
    let request = cast.asked(&[Class::Condition]);
    let mut choice = cast.choice(&[Class::Condition], &[&cast.agent]);
    choice.sids = vec![sid];
    let refused = authorize::authorize(&wallet, request, &choice, &mut rng());
    assert!(matches!(refused, Err(AuthorizeError::Tainted(tainted)) if tainted == sid));
    let rotated = share::rotate::rotate(&wallet, sid, &mut rng()).unwrap();
    assert_eq!(rotated.rewrapped, [record]);
    choice.sids = vec![rotated.next];
    authorize::authorize(&wallet, request, &choice, &mut rng()).unwrap();
}

#[test]
fn the_bag_is_logged_before_a_key_is_used() {
    let cast = Cast::new();
    let version = |cast: &Cast| {
        cast.world
            .view()
            .bag(cast.patient.id())
            .unwrap()
            .map_or(0, |bag| bag.version)
    };
    let before = version(&cast);
    cast.accepted(&bundle());
    let accepted = version(&cast);
    assert_eq!(accepted, before + 1, "four scopes, one bag");
    cast.granted(LAB, &[&cast.agent]);
    assert_eq!(version(&cast), accepted + 1);
}

#[test]
fn a_delegate_acts_for_her() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&file(b"first", Class::Laboratory));
    let wallet = world.wallet(&cast.patient);
    let powers = vec![Power::Accept, Power::Authorize, Power::Protect];
    let until = world.now().plus(30 * Millis::DAY);
    let sent = account::delegate(&wallet, cast.stranger.id(), powers, until, &mut rng()).unwrap();
    let Letter::Delegate(letter) = world.one_letter(&cast.stranger).letter else {
        panic!()
    };
    assert_eq!(
        (letter.delegation, letter.patient),
        (sent.id, cast.patient.id())
    );

    // the delegate keeps her things in a vault of their own
    let secret = cast.stranger.party.operation.clone();
    let mut guardian = Person::new(Party::new(
        world.chain(),
        secret,
        cast.stranger.party.hpke.clone(),
    ));
    guardian.party.delegation = Some(letter.delegation);
    let secrets = account::receive_delegation(&world.desk(&guardian), &letter).unwrap();
    let acting = Wallet::new(world.desk(&guardian), &secrets, cast.patient.id());

    // accepts under a scope whose key exists, and makes none
    let second = cast.publish(&file(b"second", Class::Laboratory));
    share::accept::accept(&acting, second, &mut rng()).unwrap();
    let third = cast.publish(&file(b"third", Class::Imaging));
    let refused = share::accept::accept(&acting, third, &mut rng()).unwrap_err();
    assert!(
        matches!(refused, share::accept::AcceptError::Extract(_)) && refused.code().is_none(),
        "{refused}"
    );

    // authorises and revokes
    let request = cast.asked(LAB);
    let choice = cast.choice(LAB, &[&cast.agent]);
    let grant = authorize::authorize(&acting, request, &choice, &mut rng())
        .unwrap()
        .id;
    cast.take_packet(&cast.agent);
    let packet = world.one_letter(&cast.institute);
    let Letter::Grant(keys) = &packet.letter else {
        panic!()
    };
    open::receive_grant(&world.desk(&cast.institute), keys, packet.name, packet.key).unwrap();
    let answer = cast.answered(grant, record, 0, &cast.agent);
    open::open(&world.desk(&cast.institute), &answer, &mut Vec::new()).unwrap();
    share::revoke::revoke(&world.desk(&guardian), grant).unwrap();

    account::undelegate(&world.desk(&cast.patient), letter.delegation).unwrap();
    let over = share::revoke::deny(&world.desk(&guardian), cast.asked(LAB)).unwrap_err();
    assert_eq!(over.failure(), Some(Failure::NoDelegation));
}

#[test]
fn the_glass_breaks_for_a_day() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&file(b"allergic to penicillin", Class::Emergency));
    let other = &cast.other_hospital;
    let request = cast.asked_by(other, &[Class::Emergency]);
    let mut choice = cast.choice(&[Class::Emergency], &[&cast.agent]);
    choice.purpose = GrantUse::Emergency;
    choice.expires = world.now().plus(365 * Millis::DAY);
    let grant = cast.granted_as(other, request, &choice, &[&cast.agent]);
    let ask = |cast: &Cast| {
        let expires = world.now().plus(Millis::HOUR);
        open::ask(
            &world.desk(other),
            grant,
            record,
            0,
            cast.agent.id(),
            expires,
            &mut rng(),
        )
        .unwrap();
        let Letter::Ask(ask) = world.one_letter(&cast.agent).letter else {
            panic!()
        };
        cast.answer(&cast.agent, &ask)
    };
    let no = |result: Result<_, ReencryptError>| match result {
        Err(ReencryptError::Send(error)) => assert_eq!(error.failure(), Some(Failure::NoEmergency)),
        other => panic!("{:?}", other.map(|_: share::reencrypt::Released| ())),
    };
    no(ask(&cast));
    share::emergency::emergency(
        &world.desk(other),
        cast.patient.id(),
        EmergencyCode::Unresponsive,
    )
    .unwrap();
    world.pass(25 * Millis::HOUR);
    no(ask(&cast));
    share::emergency::emergency(
        &world.desk(other),
        cast.patient.id(),
        EmergencyCode::Unresponsive,
    )
    .unwrap();
    ask(&cast).unwrap();
    let Letter::Answer(answer) = world.one_letter(other).letter else {
        panic!()
    };
    let mut out = Vec::new();
    open::open(&world.desk(other), &answer, &mut out).unwrap();
    assert_eq!(out, b"allergic to penicillin");
    // months later the same scope still opens: it has no epoch
    world.pass(100 * Millis::DAY);
    share::emergency::emergency(&world.desk(other), cast.patient.id(), EmergencyCode::Urgent)
        .unwrap();
    assert!(ask(&cast).unwrap().again);
}

#[test]
fn an_erased_record_is_gone() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(&[Class::Sensitive], &[&cast.agent]);
    let wallet = world.wallet(&cast.patient);
    let scopes = cast.patient.vault.list(Table::Scopes).unwrap().len();
    share::erase::erase_own(&wallet, record, &mut rng()).unwrap();
    assert_eq!(
        cast.patient.vault.list(Table::Scopes).unwrap().len(),
        scopes - 1,
        "the record's own scope"
    );
    assert!(wallet.records().unwrap().is_empty());
    let ask = cast.ask(grant, record, 2, &cast.agent);
    assert!(
        matches!(cast.answer(&cast.agent, &ask), Err(ReencryptError::Send(error)) if error.failure() == Some(Failure::RecordErased))
    );
    share::erase::erase(&world.desk(&cast.hospital), record).unwrap();
    let root = world
        .view()
        .record(record)
        .unwrap()
        .unwrap()
        .accepted
        .unwrap();
    let pins = world.store.pins().unwrap();
    assert!(pins.iter().all(|(pinned, _)| *pinned != root));
    // the key is in no bag any more
    let (person, _) = restored(&cast, cast.patient.phrase.as_ref().unwrap());
    assert_eq!(person.vault.list(Table::Scopes).unwrap().len(), scopes - 1);
}

#[test]
fn a_signature_is_judged_under_the_key_of_its_time() {
    let mut cast = Cast::new();
    let record = cast.accepted(&bundle());
    let waiting = cast.publish(&bundle());
    let next = RecordSecret::generate(&mut rng());
    account::rotate_key(
        &cast.world.desk(&cast.hospital),
        &Replacement::Record(&next),
        None,
    )
    .unwrap();
    cast.hospital.party.record = Some(next);
    let wallet = cast.world.wallet(&cast.patient);
    share::accept::accept(&wallet, waiting, &mut rng()).unwrap();
    let mut out = Vec::new();
    open::open_own(&wallet, record, 3, &mut out).unwrap();
    assert!(out.starts_with(&BUNDLE[..20]));
    cast.accepted(&bundle());
}

#[test]
fn no_packet_is_lost_when_the_mailbox_or_the_wallet_dies() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let wallet = world.wallet(&cast.patient);
    let request = cast.asked(LAB);
    let choice = cast.choice(LAB, &[&cast.agent]);
    // the wallet does not hear that its operation took effect
    *world.lost.lock().unwrap() = Some("Authorize");
    authorize::authorize(&wallet, request, &choice, &mut rng()).unwrap_err();
    *world.lost.lock().unwrap() = None;
    assert_eq!(cast.patient.vault.list(Table::Outbox).unwrap().len(), 2);
    assert_eq!(
        share::outbox::flush(&wallet.desk).unwrap(),
        0,
        "held packets do not go"
    );
    world.mail_down.store(true, Ordering::SeqCst);
    share::journal::settle(&wallet.desk).unwrap();
    assert!(share::outbox::flush(&wallet.desk).is_err());
    world.mail_down.store(false, Ordering::SeqCst);
    assert_eq!(share::outbox::flush(&wallet.desk).unwrap(), 2);
    let grant = world.view().request(request).unwrap().unwrap().status;
    let ledger::RequestStatus::Granted(grant) = grant else {
        panic!("{grant:?}")
    };
    assert!(cast.patient.vault.list(Table::Outbox).unwrap().is_empty());
    cast.take_packet(&cast.agent);
    let packet = world.one_letter(&cast.institute);
    let Letter::Grant(keys) = &packet.letter else {
        panic!()
    };
    let desk = world.desk(&cast.institute);
    open::receive_grant(&desk, keys, packet.name, packet.key).unwrap();
    let answer = cast.answered(grant, record, 0, &cast.agent);
    open::open(&desk, &answer, &mut Vec::new()).unwrap();
}
