//! What an agent releases and when, and whose packets it takes in: protocol page, "Sharing",
//! "Log before release".
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{Class, Digest, Millis, OperationId, RecordId};
use ledger::{QueryState, RequestStatus};
use share::{
    Table, Vault as _, authorize,
    letter::{AskLetter, Letter},
    open,
    reencrypt::{self, PacketError, ReencryptError},
};
use world::{Cast, bundle, refused, rng};

const LAB: &[Class] = &[Class::Laboratory];

/// The only query of a grant.
fn query_of(cast: &Cast, grant: OperationId) -> QueryState {
    let view = cast.world.view();
    let page = view.queries_of_grant(grant, ledger::Page::default());
    let mut queries = page.unwrap().items;
    assert_eq!(queries.len(), 1);
    queries.remove(0)
}

/// Without its note, the agent has to find its query on the ledger.
fn forget_release(cast: &Cast) {
    let vault = &cast.agent.vault;
    for (key, _) in vault.list(Table::Released).unwrap() {
        vault.delete(Table::Released, &key).unwrap();
    }
}

/// The agent answers by a clock that stands at `now`.
fn answer_at(
    cast: &Cast,
    ask: &AskLetter,
    now: Millis,
) -> Result<reencrypt::Released, ReencryptError> {
    reencrypt::answer(&cast.world.desk(&cast.agent), ask, &move || now, &mut rng())
}

#[test]
fn a_first_release_is_in_time_up_to_ten_minutes_after_its_block() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let ask = cast.ask(grant, record, 0, &cast.agent);
    // logged, and the grant is over by the agent's clock before the release
    let expires = world.view().grant(grant).unwrap().unwrap().terms.expires;
    let calls = std::cell::Cell::new(0);
    let over = || match calls.replace(calls.get() + 1) {
        0 => world.now(),
        _ => expires,
    };
    let desk = world.desk(&cast.agent);
    refused!(
        reencrypt::answer(&desk, &ask, &over, &mut rng()),
        ReencryptError::Expired
    );
    let logged = query_of(&cast, grant);
    let last = logged.time.plus(600_000);
    refused!(
        answer_at(&cast, &ask, last.plus(1)),
        ReencryptError::TooLate
    );
    assert!(world.post(&cast.institute).is_empty());
    let released = answer_at(&cast, &ask, last).unwrap();
    assert_eq!((released.query, released.again), (logged.id, true));
    assert_eq!(world.post(&cast.institute).len(), 1);
    // what was released in time is delivered again later
    answer_at(&cast, &ask, last.plus(1)).unwrap();
}

#[test]
fn a_query_whose_answer_was_lost_releases_nothing_yet() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let ask = cast.ask(grant, record, 0, &cast.agent);
    *world.lost.lock().unwrap() = Some("Query");
    refused!(cast.answer(&cast.agent, &ask), ReencryptError::Send(error) if error.failure().is_none());
    assert!(world.post(&cast.institute).is_empty());
    *world.lost.lock().unwrap() = None;
    let logged = query_of(&cast, grant);
    let released = cast.answer(&cast.agent, &ask).unwrap();
    assert_eq!(released.query, logged.id, "found again");
    assert_eq!(query_of(&cast, grant), logged, "and not logged again");
}

/// A rule of the ledger that does not hold is no hint to look for an older query.
#[test]
fn nothing_of_an_erased_record_is_released_for_the_first_time() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    cast.answered(grant, record, 0, &cast.agent);
    forget_release(&cast);
    let ask = cast.ask(grant, record, 0, &cast.agent);
    share::erase::erase_own(&world.wallet(&cast.patient), record, &mut rng()).unwrap();
    refused!(cast.answer(&cast.agent, &ask), ReencryptError::Send(error)
        if error.failure() == Some(ledger::Failure::RecordErased));
    assert!(world.post(&cast.institute).is_empty());
}

#[test]
fn an_agent_finds_its_own_query_among_others() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent, &cast.second_agent]);
    cast.answered(grant, record, 0, &cast.agent);
    let own = query_of(&cast, grant);
    let other = base::CapsuleId([1; 32]);
    let another = Digest::of(b"another");
    // first of all: queries that agree with it in one or two things, or in none
    let mut listed: Vec<QueryState> = [
        (own.agent, own.ctid, another),
        (own.agent, other, own.result),
        (own.agent, other, another),
        (cast.second_agent.id(), own.ctid, own.result),
        (cast.second_agent.id(), own.ctid, another),
        (cast.second_agent.id(), other, own.result),
        (cast.second_agent.id(), other, another),
    ]
    .map(|(agent, ctid, result)| QueryState {
        id: grant,
        agent,
        ctid,
        result,
        ..own.clone()
    })
    .to_vec();
    listed.push(own.clone());
    world.lies.lock().unwrap().queries = Some(listed);
    forget_release(&cast);
    let ask = cast.ask(grant, record, 0, &cast.agent);
    let released = cast.answer(&cast.agent, &ask).unwrap();
    assert_eq!((released.query, released.again), (own.id, false));
}

/// The grant that the node names must answer the packet's own request.
#[test]
fn a_grant_of_another_request_takes_no_packet_in() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.accepted(&bundle());
    let wallet = world.wallet(&cast.patient);
    let (first, second) = (cast.asked(LAB), cast.asked(LAB));
    let choice = cast.choice(LAB, &[&cast.agent]);
    authorize::authorize(&wallet, first, &choice, &mut rng()).unwrap();
    let for_agent = world.one_letter(&cast.agent);
    let for_requester = world.one_letter(&cast.institute);
    let other = authorize::authorize(&wallet, second, &choice, &mut rng()).unwrap();
    let (Letter::Agent(keys), Letter::Grant(grant)) = (&for_agent.letter, &for_requester.letter)
    else {
        panic!("packets")
    };
    let take = || {
        let desk = world.desk(&cast.agent);
        reencrypt::receive(&desk, keys, for_agent.name, for_agent.key)
    };
    let open = || {
        let desk = world.desk(&cast.institute);
        open::receive_grant(&desk, grant, for_requester.name, for_requester.key)
    };
    world.lies.lock().unwrap().told_request = Some(Box::new(move |told| {
        told.map(|told| {
            told.map(|told| ledger::RequestState {
                status: RequestStatus::Granted(other.id),
                ..told
            })
        })
    }));
    refused!(take(), PacketError::NoGrant);
    refused!(open(), PacketError::NoGrant);
    for (person, table) in [
        (&cast.agent, Table::Reencryption),
        (&cast.institute, Table::Grants),
    ] {
        assert!(person.vault.list(table).unwrap().is_empty());
    }
    world.lies.lock().unwrap().told_request = None;
    assert_eq!(take().unwrap(), open().unwrap());
}

/// A grant with a beginning in an hour, and an ask for it.
fn later(cast: &Cast, record: RecordId) -> (AskLetter, Millis) {
    let request = cast.asked(LAB);
    let mut choice = cast.choice(LAB, &[&cast.agent]);
    choice.not_before = cast.world.now().plus(Millis::HOUR);
    let grant = cast.granted_as(&cast.institute, request, &choice, &[&cast.agent]);
    let expires = choice.not_before.plus(Millis::HOUR);
    let desk = cast.world.desk(&cast.institute);
    open::ask(
        &desk,
        grant,
        record,
        0,
        cast.agent.id(),
        expires,
        &mut rng(),
    )
    .unwrap();
    let Letter::Ask(ask) = cast.world.one_letter(&cast.agent).letter else {
        panic!("an ask")
    };
    (ask, choice.not_before)
}

#[test]
fn a_grant_begins_when_it_says_and_an_ask_is_for_one_ledger() {
    let cast = Cast::new();
    let record = cast.accepted(&bundle());
    let (ask, begins) = later(&cast, record);
    refused!(
        answer_at(&cast, &ask, begins.minus(1)),
        ReencryptError::NotYet
    );
    let mut elsewhere = ask.clone();
    elsewhere.ask.body.chain = base::ChainId([1; 32]);
    elsewhere.ask = base::Signed::new(elsewhere.ask.body, &cast.institute.party.operation);
    refused!(
        answer_at(&cast, &elsewhere, begins),
        ReencryptError::WrongAgent
    );
    assert!(cast.world.post(&cast.institute).is_empty());
    cast.world.pass(Millis::HOUR);
    answer_at(&cast, &ask, begins).unwrap();
}
