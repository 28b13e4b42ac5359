//! Every refusal of the protocol, by the party that must refuse.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{Class, Digest, Millis, OperationId, Signed};
use ledger::Failure;
use share::{
    Table, Vault as _,
    accept::AcceptError,
    authorize::{self, AuthorizeError},
    letter::{Answer, Letter},
    open::{self, OpenError},
    part::{PartError, State},
    publish,
    reencrypt::{self, PacketError, ReencryptError},
};
use world::{Cast, bundle, file, refused, rng, wish};

const LAB: &[Class] = &[Class::Laboratory];

#[test]
fn without_a_live_grant_nothing_is_released() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);

    // no grant: an id that names no grant, an agent without a key, a part outside it
    let nothing = OperationId(base::cid::of_object(b"nothing"));
    refused!(
        cast.answer(&cast.agent, &cast.ask(nothing, record, 0, &cast.agent)),
        ReencryptError::NoGrant
    );
    refused!(
        cast.answer(&cast.agent, &cast.ask(grant, record, 1, &cast.agent)),
        ReencryptError::NoKey
    );
    refused!(
        cast.answer(
            &cast.second_agent,
            &cast.ask(grant, record, 0, &cast.second_agent)
        ),
        ReencryptError::WrongAgent
    );
    let ask = cast.ask(grant, record, 0, &cast.agent);
    refused!(
        cast.answer(&cast.second_agent, &ask),
        ReencryptError::WrongAgent
    );

    // an ask that somebody else signed, and one that is over
    let mut forged = ask.clone();
    forged.ask = Signed::new(forged.ask.body, &cast.stranger.party.operation);
    refused!(cast.answer(&cast.agent, &forged), ReencryptError::BadAsk);
    world.pass(2 * Millis::HOUR);
    refused!(cast.answer(&cast.agent, &ask), ReencryptError::AskExpired);

    // revoked: refused at once, keys destroyed, and again when the node forgets
    let ask = cast.ask(grant, record, 0, &cast.agent);
    share::revoke::revoke(&world.desk(&cast.patient), grant).unwrap();
    refused!(cast.answer(&cast.agent, &ask), ReencryptError::Revoked);
    let desk = world.desk(&cast.agent);
    assert_eq!(share::revoke::tidy(&desk, world.now()).unwrap(), 1);
    assert!(
        cast.agent
            .vault
            .list(Table::Reencryption)
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        share::revoke::tidy(&world.desk(&cast.institute), world.now()).unwrap(),
        1
    );
    assert!(cast.institute.vault.list(Table::Grants).unwrap().is_empty());

    // expired
    let grant = cast.granted(LAB, &[&cast.agent]);
    world.pass(7 * Millis::DAY);
    refused!(
        cast.answer(&cast.agent, &cast.ask(grant, record, 0, &cast.agent)),
        ReencryptError::Expired
    );
}

#[test]
fn the_ledger_refuses_too() {
    let cast = Cast::new();
    let world = &cast.world;
    let (first, second) = (cast.accepted(&bundle()), cast.accepted(&bundle()));
    let request = cast.asked(LAB);
    let mut choice = cast.choice(LAB, &[&cast.agent, &cast.second_agent]);
    choice.max_queries = 1;
    let grant = cast.granted_as(
        &cast.institute,
        request,
        &choice,
        &[&cast.agent, &cast.second_agent],
    );
    cast.answered(grant, first, 0, &cast.agent);
    // the same capsule by another agent counts nothing, another capsule exhausts
    cast.answered(grant, first, 0, &cast.second_agent);
    let failed = cast.answer(&cast.agent, &cast.ask(grant, second, 0, &cast.agent));
    refused!(failed, ReencryptError::Send(error) if error.failure() == Some(Failure::GrantExhausted));

    // over budget: W of one scope is 32768
    let request = cast.asked(LAB);
    choice.max_queries = 40_000;
    let failed = authorize::authorize(&world.wallet(&cast.patient), request, &choice, &mut rng());
    refused!(failed, AuthorizeError::Send(error) if error.failure() == Some(Failure::OverBudget));
    assert!(
        cast.patient.vault.list(Table::Outbox).unwrap().is_empty(),
        "no packet stays"
    );
    assert!(world.post(&cast.agent).is_empty(), "no packet went");

    // answered twice
    refused!(
        authorize::authorize(&world.wallet(&cast.patient), grant, &choice, &mut rng()),
        AuthorizeError::Look(_)
    );
    let denied = cast.asked(LAB);
    share::revoke::deny(&world.desk(&cast.patient), denied).unwrap();
    refused!(
        authorize::authorize(&world.wallet(&cast.patient), denied, &choice, &mut rng()),
        AuthorizeError::Answered
    );
}

#[test]
fn agent_and_querier_are_separated() {
    let cast = Cast::new();
    cast.accepted(&bundle());
    let request = cast.asked(LAB);
    let wallet = cast.world.wallet(&cast.patient);
    let mut choice = cast.choice(LAB, &[&cast.agent, &cast.institute_agent]);
    refused!(authorize::authorize(&wallet, request, &choice, &mut rng()), AuthorizeError::SameInstitution(agent) if agent == cast.institute_agent.id());
    choice.agents = vec![cast.stranger.id()];
    refused!(
        authorize::authorize(&wallet, request, &choice, &mut rng()),
        AuthorizeError::NoInstitution(_)
    );
    choice.agents = vec![];
    refused!(
        authorize::authorize(&wallet, request, &choice, &mut rng()),
        AuthorizeError::Empty
    );
}

#[test]
fn a_grant_has_a_period_and_answers_a_request_in_time() {
    let cast = Cast::new();
    cast.accepted(&bundle());
    let request = cast.asked(LAB);
    let wallet = cast.world.wallet(&cast.patient);
    let choice = cast.choice(LAB, &[&cast.agent]);
    let mut backwards = choice.clone();
    backwards.expires = choice.not_before;
    refused!(
        authorize::authorize(&wallet, request, &backwards, &mut rng()),
        AuthorizeError::Period
    );
    // requests end after a day; the ledger's time moves with its blocks
    cast.world.pass(2 * Millis::DAY);
    cast.accepted(&bundle());
    let late = cast.choice(LAB, &[&cast.agent]);
    refused!(
        authorize::authorize(&wallet, request, &late, &mut rng()),
        AuthorizeError::Period
    );
}

#[test]
fn a_grant_whose_answer_was_lost_is_the_same_a_moment_later() {
    let cast = Cast::new();
    cast.accepted(&bundle());
    let request = cast.asked(LAB);
    let wallet = cast.world.wallet(&cast.patient);
    *cast.world.lost.lock().unwrap() = Some("Authorize");
    let choice = cast.choice(LAB, &[&cast.agent]);
    let lost = authorize::authorize(&wallet, request, &choice, &mut rng());
    refused!(lost, AuthorizeError::Send(error) if error.failure().is_none());
    *cast.world.lost.lock().unwrap() = None;
    // whoever calls again counts the days of the grant from now on
    cast.world.pass(1_000);
    let later = cast.choice(LAB, &[&cast.agent]);
    assert!(later.not_before != choice.not_before && later.expires != choice.expires);
    let sent = authorize::authorize(&wallet, request, &later, &mut rng()).unwrap();
    let grant = cast.world.view().grant(sent.id).unwrap().unwrap();
    assert_eq!(grant.terms.expires, choice.expires);
}

#[test]
fn a_wish_for_one_record_touches_no_other() {
    let cast = Cast::new();
    let wallet = cast.world.wallet(&cast.patient);
    let first = cast.accepted(&file(b"blood", Class::Laboratory));
    let second = cast.accepted(&file(b"lung", Class::Imaging));
    let sid_of = |record| {
        let records = wallet.records().unwrap();
        let (_, known) = records.into_iter().find(|(id, _)| *id == record).unwrap();
        known.parts[0].key.sid
    };
    let mut wish = wish(&[Class::Laboratory, Class::Imaging], cast.world.now());
    assert_eq!(authorize::matching(&wallet, &wish).unwrap().len(), 2);
    for record in [first, second] {
        wish.records = vec![record];
        assert_eq!(
            authorize::matching(&wallet, &wish).unwrap(),
            [sid_of(record)]
        );
    }
}

#[test]
fn only_what_is_accepted_is_queried() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let ask = cast.ask(grant, record, 0, &cast.agent);

    // a state that only waits, or is no longer the last
    let other = cast.publish(&bundle());
    let mut pending = ask.clone();
    pending.record = other;
    refused!(
        cast.answer(&cast.agent, &pending),
        ReencryptError::NotAccepted
    );
    let desk = world.desk(&cast.hospital);
    publish::update(&desk, record, &bundle(), world.now(), &mut rng()).unwrap();
    share::accept::accept(&world.wallet(&cast.patient), record, &mut rng()).unwrap();
    refused!(cast.answer(&cast.agent, &ask), ReencryptError::NotAccepted);

    // a record of another patient
    let theirs = publish::publish(
        &desk,
        cast.stranger.id(),
        &bundle(),
        world.now(),
        &mut rng(),
    )
    .unwrap()
    .record;
    let stranger = world.wallet(&cast.stranger);
    refused!(
        share::accept::accept(&world.wallet(&cast.patient), theirs, &mut rng()),
        AcceptError::NotMine
    );
    share::accept::accept(&stranger, theirs, &mut rng()).unwrap();
    refused!(
        cast.answer(&cast.agent, &cast.ask(grant, theirs, 0, &cast.agent)),
        ReencryptError::NoKey
    );
    refused!(
        open::open_own(&world.wallet(&cast.patient), theirs, 0, &mut Vec::new()),
        AcceptError::NotMine
    );
}

#[test]
fn a_wallet_rejects_what_does_not_hold() {
    let cast = Cast::new();
    let world = &cast.world;
    let wallet = world.wallet(&cast.patient);
    let accept = |record| share::accept::accept(&wallet, record, &mut rng());

    // a hospital that is not on the list
    let record = cast.publish(&bundle());
    wallet.unlist_hospital(cast.hospital.id()).unwrap();
    let error = accept(record).unwrap_err();
    assert!(matches!(error, AcceptError::UnknownHospital(_)));
    share::accept::reject(&wallet, record, error.code().unwrap()).unwrap();
    wallet
        .list_hospital(cast.hospital.id(), world.now())
        .unwrap();
    refused!(accept(record), AcceptError::NothingPending);

    // damaged blocks: body, capsule, root
    for what in ["body", "capsule", "root"] {
        let record = cast.publish(&bundle());
        let root = world
            .desk(&cast.hospital)
            .record(record)
            .unwrap()
            .pending
            .unwrap();
        let state = State::load(&wallet.desk, record, root).unwrap();
        let cid = match what {
            "body" => state.sealed.parts[0].body,
            "capsule" => state.sealed.parts[0].capsule,
            _ => root,
        };
        world.damage(&cid);
        let error = accept(record).unwrap_err();
        assert!(matches!(&error, AcceptError::Part(_)), "{what}: {error}");
        assert!(
            error.to_string().contains(&cid.to_string()) || what == "body",
            "{what}: {error}"
        );
        assert!(error.code().is_some());
    }

    // old month: sealed with last month's scopes is fine on the first day only
    let error = {
        let desk = world.desk(&cast.hospital);
        let old = world.now().minus(40 * Millis::DAY);
        let record = publish::publish(&desk, cast.patient.id(), &bundle(), old, &mut rng())
            .unwrap()
            .record;
        accept(record).unwrap_err()
    };
    assert!(matches!(error, AcceptError::NoScope { part: 0 }), "{error}");
}

#[test]
fn a_manifest_signed_by_another_key_is_refused() {
    let cast = Cast::new();
    let record = cast.publish(&bundle());
    // the hospital gives its key up, for the time of the record too
    let desk = cast.world.desk(&cast.hospital);
    let height = cast.world.view().head().unwrap().header.height;
    let next = share::identity::RecordSecret::generate(&mut rng());
    let new = share::account::Replacement::Record(&next);
    share::account::rotate_key(&desk, &new, Some(height - 1)).unwrap();
    let wallet = cast.world.wallet(&cast.patient);
    let error = share::accept::accept(&wallet, record, &mut rng()).unwrap_err();
    assert!(
        matches!(error, AcceptError::Part(PartError::Manifest(_))),
        "{error}"
    );
    assert_eq!(error.code(), Some(base::operation::RejectCode::Invalid));
}

#[test]
fn packets_that_do_not_match_are_refused() {
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
    let desk = world.desk(&cast.agent);
    let take = |packet: &share::letter::AgentPacket, name| {
        reencrypt::receive(&desk, packet, name, letter.key)
    };
    refused!(
        take(packet, Digest::of(b"another")),
        PacketError::OtherPacket
    );
    let mut bad = packet.clone();
    bad.keys[0].noise[0] ^= 1;
    refused!(take(&bad, letter.name), PacketError::Commitment(_));
    bad = packet.clone();
    bad.keys.clear();
    refused!(take(&bad, letter.name), PacketError::OtherScopes);
    let other = world.desk(&cast.second_agent);
    refused!(
        reencrypt::receive(&other, packet, letter.name, letter.key),
        PacketError::NotForThisAgent
    );
    assert!(
        cast.agent
            .vault
            .list(Table::Reencryption)
            .unwrap()
            .is_empty()
    );
    take(packet, letter.name).unwrap();

    let letter = world.one_letter(&cast.institute);
    let Letter::Grant(packet) = &letter.letter else {
        panic!()
    };
    let desk = world.desk(&cast.institute);
    let mut bad = packet.clone();
    bad.keys[0].gsalt.0[0] ^= 1;
    refused!(
        open::receive_grant(&desk, &bad, letter.name, letter.key),
        PacketError::BadGrantKey(_)
    );
    open::receive_grant(&desk, packet, letter.name, letter.key).unwrap();
}

#[test]
fn log_before_release_and_the_ten_minutes() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let ask = cast.ask(grant, record, 0, &cast.agent);

    // The clock jumps between the query's block and the release: nothing goes out.
    let desk = world.desk(&cast.agent);
    let calls = std::cell::Cell::new(0);
    let late = || {
        calls.set(calls.get() + 1);
        if calls.get() == 1 {
            world.now()
        } else {
            world.now().plus(11 * 60_000)
        }
    };
    refused!(
        reencrypt::answer(&desk, &ask, &late, &mut rng()),
        ReencryptError::TooLate
    );
    assert!(world.post(&cast.institute).is_empty());
    // Within ten minutes the same query is released; later it is delivered again.
    let first = cast.answer(&cast.agent, &ask).unwrap();
    assert!(first.again, "the query was logged once");
    world.pass(30 * 60_000);
    let again = cast.answer(&cast.agent, &ask).unwrap();
    assert_eq!(again.query, first.query);
    let letters = world.post(&cast.institute);
    assert_eq!(letters.len(), 2);
    assert_eq!(world.view().grant(grant).unwrap().unwrap().used, 1);

    // An agent that lost its vault's note of the query finds it on the ledger.
    let entries = cast.agent.vault.list(Table::Released).unwrap();
    cast.agent
        .vault
        .delete(Table::Released, &entries[0].0)
        .unwrap();
    refused!(cast.answer(&cast.agent, &ask), ReencryptError::TooLate);

    // A restored ledger stops every release until a person decides.
    let old = world.view().head_at(3).unwrap().unwrap();
    *world.forged.lock().unwrap() = Some(old);
    let fresh = cast.ask(grant, record, 0, &cast.agent);
    refused!(cast.answer(&cast.agent, &fresh), ReencryptError::Follow(_));
    *world.forged.lock().unwrap() = None;
    refused!(
        cast.answer(&cast.agent, &fresh),
        ReencryptError::Follow(share::follow::FollowError::Stopped(_))
    );
    share::follow::resume(&desk).unwrap();
    refused!(cast.answer(&cast.agent, &fresh), ReencryptError::TooLate);
}

#[test]
fn answers_are_bound_to_their_query() {
    let cast = Cast::new();
    let world = &cast.world;
    let (first, second) = (cast.accepted(&bundle()), cast.accepted(&bundle()));
    let grant = cast.granted(LAB, &[&cast.agent]);
    let (one, two) = (
        cast.answered(grant, first, 0, &cast.agent),
        cast.answered(grant, second, 0, &cast.agent),
    );
    let desk = world.desk(&cast.institute);
    let open = |answer: &Answer| open::open(&desk, answer, &mut Vec::new());

    // replayed for another query, changed on the way, signed by another
    refused!(
        open(&Answer {
            query: two.query,
            ..one.clone()
        }),
        OpenError::NotTheAgents
    );
    refused!(
        open(&Answer {
            result: two.result.clone(),
            ..one.clone()
        }),
        OpenError::NotTheAgents
    );
    let mut bad = one.clone();
    bad.result[100] ^= 1;
    refused!(open(&bad), OpenError::NotTheAgents);
    bad = one.clone();
    bad.word = Signed::new(bad.word.body, &cast.second_agent.party.operation);
    refused!(open(&bad), OpenError::NotTheAgents);
    refused!(
        open(&Answer {
            query: grant,
            ..one.clone()
        }),
        OpenError::NotAQuery
    );
    // somebody else's answer
    refused!(
        open::open(&world.desk(&cast.other_hospital), &one, &mut Vec::new()),
        OpenError::NoKey
    );

    // damaged body: refused, and the sink is thrown away
    let state = State::load(&desk, first, desk.record(first).unwrap().accepted.unwrap()).unwrap();
    world.damage(&state.sealed.parts[0].body);
    refused!(open(&one), OpenError::Part(_));
    open(&two).unwrap();
}

#[test]
fn bad_requests_are_refused() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let now = world.now();
    let ask = |wish: &share::letter::Wish, who| {
        share::request::request(&desk, who, wish, now.plus(1_000), None, &mut rng())
    };
    refused!(
        ask(&wish(&[], now), cast.patient.id()),
        share::request::RequestError::BadWish
    );
    refused!(
        ask(
            &wish(&[Class::Other, Class::Laboratory], now),
            cast.patient.id()
        ),
        share::request::RequestError::BadWish
    );
    refused!(
        ask(&wish(LAB, now), cast.agent.id()),
        share::request::RequestError::Look(_)
    );
    // a letter that is not what was logged
    let sent = ask(&wish(LAB, now), cast.patient.id()).unwrap();
    let Letter::Request(mut letter) = world.one_letter(&cast.patient).letter else {
        panic!()
    };
    assert_eq!(letter.request, sent.id);
    letter.wish.words.push('!');
    refused!(
        share::request::receive(&world.desk(&cast.patient), cast.patient.id(), &letter),
        share::request::RequestError::NotWhatWasLogged
    );
    // no card, no record key
    let other = world.desk(&cast.other_hospital);
    let publish = |desk| {
        publish::publish(
            desk,
            cast.patient.id(),
            &file(b"x", Class::Other),
            now,
            &mut rng(),
        )
    };
    refused!(publish(&other), publish::PublishError::NoCard(_));
}

#[test]
fn a_node_cannot_slip_in_a_key() {
    let mut cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.patient);
    let mut account = desk.account(cast.institute.id()).unwrap();
    assert!(share::follow::keys_are_proven(&desk, &account).unwrap());
    account.hpke_key = cast.stranger.party.hpke.public();
    assert!(!share::follow::keys_are_proven(&desk, &account).unwrap());
    let mut hospital = desk.account(cast.hospital.id()).unwrap();
    hospital.record_keys[0].key = share::identity::RecordSecret::generate(&mut rng()).public();
    assert!(!share::follow::keys_are_proven(&desk, &hospital).unwrap());
    // a key that its owner changed is found by following on
    let next = share::identity::HpkeSecret::generate(&mut rng());
    let replacement = share::account::Replacement::Hpke(&next);
    share::account::rotate_key(&world.desk(&cast.institute), &replacement, None).unwrap();
    assert_eq!(desk.hpke_key(cast.institute.id()).unwrap(), next.public());
    // and so is an operation key, with which the account goes on
    let next = base::key::OperationSecret::new([9; 32]);
    let replacement = share::account::Replacement::Operation(&next);
    share::account::rotate_key(&world.desk(&cast.institute), &replacement, None).unwrap();
    assert_eq!(
        desk.operation_key(cast.institute.id()).unwrap(),
        next.public()
    );
    cast.institute.party.operation = next;
    cast.asked(LAB);
}
