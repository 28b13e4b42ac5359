//! Every limit from both sides: the last value that is good and the first that is not; of
//! every moment the last millisecond before and the first after.

use base::{Millis, genesis::Policy, key::OperationSecret, operation::*};
use ledger::{Failure, Outcome};
use serde_bytes::ByteBuf;

use crate::world::*;

fn peer(length: usize) -> ByteBuf {
    ByteBuf::from(vec![7; length])
}

#[test]
fn peer_ids() {
    let mut world = World::cast();
    let with = |world: &World, name: &str, role, length| Register {
        peer: Some(peer(length)),
        ..registration(world.chain(), name, role)
    };
    for (name, role, length) in [("a", Role::Agent, 1), ("n", Role::Node, 128)] {
        for bad in [0, 129] {
            let register = with(&world, name, role, bad);
            world.fails(name, register, Failure::BadShape);
        }
        let register = with(&world, name, role, length);
        world.ok(name, register);
        let account = world.view().account(id(name)).unwrap().unwrap();
        assert_eq!(account.peer, Some(peer(length)));
    }
    for role in [Role::Hospital, Role::Requester, Role::Patient] {
        let register = with(&world, "x", role, 9);
        world.fails("x", register, Failure::BadShape);
    }
    let next = |length| RotateKey {
        new: NewKey::Peer(peer(length)),
        compromised_after: None,
    };
    for name in ["a", "n"] {
        world.fails(name, next(0), Failure::BadShape);
        world.fails(name, next(129), Failure::BadShape);
        world.ok(name, next(127));
        let account = world.view().account(id(name)).unwrap().unwrap();
        assert_eq!(account.peer, Some(peer(127)));
    }
    world.fails("mercy", next(9), Failure::BadShape);
    world.fails("pat", next(9), Failure::BadShape);
}

#[test]
fn keys_of_an_account() {
    let mut world = World::cast();
    let secret_of = |number: usize| secret(&format!("pat{number}"));
    let (mut batch, mut outcomes) = (Vec::new(), Vec::new());
    for number in 1..=256 {
        let consent = KeyConsent {
            chain: world.chain(),
            account: id("pat"),
            sequence: world.sequence("pat") + 1,
        };
        let next: OperationSecret = secret_of(number);
        let consent = next.sign(&base::Statement::preimage(&consent));
        let rotate = RotateKey {
            new: NewKey::Operation(next.public(), consent),
            compromised_after: None,
        };
        batch.push(world.sign("pat", rotate).to_bytes().0);
        world.keys.insert(id("pat"), next);
        // Of more than eight keys in one block nobody could say which will count.
        if number % 8 == 0 {
            let results = world.block(std::mem::take(&mut batch));
            outcomes.extend(results.into_iter().map(|result| result.unwrap().outcome));
        }
    }
    // The first of 256 is the one that it was opened with.
    assert!(outcomes[..255].iter().all(|outcome| outcome.is_ok()));
    assert_eq!(outcomes[255], Outcome::Failed(Failure::BadShape));
    let account = world.view().account(id("pat")).unwrap().unwrap();
    assert_eq!(account.operation_keys.len(), 256);
    assert_eq!(account.operation_key(), Some(secret_of(255).public()));
}

#[test]
fn institutions_that_attest_a_patient() {
    let names: Vec<String> = (0..65).map(|number| format!("r{number}")).collect();
    let founders: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
    let mut world = World::empty(genesis(&["node"], &founders, Policy::default()));
    world.register("pat", Role::Patient);
    let mut batch = Vec::new();
    for name in &names {
        let register = registration(world.chain(), name, Role::Requester);
        batch.push(world.sign(name, register).to_bytes().0);
    }
    assert!(world.block(batch).iter().all(Result::is_ok));
    let attest = Attest { patient: id("pat") };
    let signed = names.iter().map(|name| world.sign(name, attest));
    let batch = signed.map(|operation| operation.to_bytes().0).collect();
    let results = world.block(batch);
    let outcome = |at: usize| results[at].as_ref().unwrap().outcome;
    assert!((0..64).all(|at| outcome(at).is_ok()));
    assert_eq!(outcome(64), Outcome::Failed(Failure::AlreadyAttested));
}

#[test]
fn scopes_and_agents_of_a_grant() {
    let mut world = World::cast();
    let names = |letter: char, count: usize| -> Vec<String> {
        (0..count)
            .map(|number| format!("{letter}{number}"))
            .collect()
    };
    let (scopes, agents) = (names('s', 257), names('a', 17));
    for agent in &agents {
        world.register(agent, Role::Agent);
        world.join(agent, "general");
    }
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let agents: Vec<&str> = agents.iter().map(String::as_str).collect();
    let request = world.request("institute", "pat");
    let many = authorizing(world.terms(request, &scopes, &agents[..1]));
    world.fails("pat", many, Failure::BadShape);
    let many = authorizing(world.terms(request, &scopes[..1], &agents));
    world.fails("pat", many, Failure::BadShape);
    // One packet for the querier and one for each agent.
    let most = world.terms(request, &scopes[..256], &agents[..16]);
    for packets in [16, 18] {
        let mut authorize = authorizing(most.clone());
        authorize.packets.resize(packets, digest("packet"));
        world.fails("pat", authorize, Failure::BadShape);
    }
    world.ok("pat", authorizing(most));
}

#[test]
fn parts_of_a_state() {
    let mut world = World::cast();
    let record = world.publish("mercy", "pat", "r");
    let accepting = |count: usize| Accept {
        record,
        state: state("r"),
        parts: (0..count)
            .map(|part| PartKey {
                part: part as u32,
                sid: sid("s"),
                ctid: ctid(&part.to_string()),
            })
            .collect(),
    };
    world.fails("pat", accepting(0), Failure::BadParts);
    world.fails("pat", accepting(4_097), Failure::BadParts);
    world.ok("pat", accepting(4_096));
}

#[test]
fn moments() {
    let mut world = World::cast();
    world.register("guardian", Role::Patient);
    // A delegation ends in the future, and holds until just before.
    let delegate = |expires| Delegate {
        delegate: id("guardian"),
        powers: vec![Power::Authorize],
        expires,
    };
    let now = world.next();
    world.fails("pat", delegate(now), Failure::BadShape);
    let ends = world.next().plus(5);
    let delegation = world.ok("pat", delegate(ends));
    let (first, second) = (
        world.request("institute", "pat"),
        world.request("institute", "pat"),
    );
    world.time = ends.0 - 2;
    world.ok_for("guardian", delegation, Deny { request: first });
    assert_eq!(world.next(), ends);
    let late = Deny { request: second };
    world.fails_for("guardian", delegation, late, Failure::NoDelegation);
    // A request and a grant end in the future too.
    let asking = |world: &World, key: &str, expires| Request {
        expires,
        ..world.requesting("pat", key)
    };
    let request = asking(&world, "k", world.next());
    world.fails("institute", request, Failure::RequestExpired);
    let ends = world.next().plus(3);
    let request = asking(&world, "k", ends);
    let request = world.ok("institute", request);
    let granting = |world: &World, expires: Millis| {
        let mut terms = world.terms(request, &["s"], &["ag"]);
        (terms.not_before, terms.expires) = (Millis(expires.0 - 1), expires);
        authorizing(terms)
    };
    let grant = granting(&world, world.next());
    world.fails("pat", grant, Failure::GrantExpired);
    world.time = ends.0 - 1;
    let grant = granting(&world, world.next().plus(1));
    world.fails("pat", grant, Failure::RequestExpired);
    // The last moment at which each is good.
    let ends = world.next().plus(2);
    let request = asking(&world, "l", ends);
    let request = world.ok("institute", request);
    assert_eq!(world.next().plus(1), ends);
    let mut terms = world.terms(request, &["s"], &["ag"]);
    terms.expires = world.next().plus(1);
    world.ok("pat", authorizing(terms));
}

#[test]
fn a_grant_runs_from_its_first_to_its_last_millisecond() {
    let mut world = World::cast();
    let list = [("s", "c0"), ("s", "c1"), ("s", "c2"), ("s", "c3")];
    let record = world.record("mercy", "pat", "r", &list);
    let request = world.request("institute", "pat");
    let mut terms = world.terms(request, &["s"], &["ag"]);
    let (begins, ends) = (world.next().plus(10), world.next().plus(20));
    (terms.not_before, terms.expires) = (begins, ends);
    let grant = world.ok("pat", authorizing(terms));
    let asking = |world: &World, part: usize, expires: Option<Millis>| {
        let key = parts(&list)[part];
        let mut query = world.querying(&want(grant, "institute", "ag", record, "r", key));
        if let Some(expires) = expires {
            let ask = Ask {
                chain: world.chain(),
                grant,
                state: state("r"),
                part: key.part,
                agent: id("ag"),
                expires,
            };
            let signed = base::Signed::new(ask, &secret("institute"));
            query.ask.expires = expires;
            query.ask.signature = signed.signature;
        }
        query
    };
    let at = |world: &mut World, time: Millis| world.time = time.0 - 1;
    at(&mut world, Millis(begins.0 - 1));
    let early = asking(&world, 0, None);
    world.fails("ag", early, Failure::GrantNotYet);
    let first = asking(&world, 0, None);
    world.ok("ag", first);
    // An ask holds until its own last millisecond, and in it.
    let over = asking(&world, 1, Some(world.now()));
    world.fails("ag", over, Failure::AskExpired);
    let last = asking(&world, 1, Some(world.next()));
    world.ok("ag", last);
    at(&mut world, Millis(ends.0 - 1));
    let last = asking(&world, 2, None);
    world.ok("ag", last);
    let late = asking(&world, 3, None);
    world.fails("ag", late, Failure::GrantExpired);
}

/// What a list of grants calls live is what a query may use.
#[test]
fn a_grant_is_live_while_it_may_be_used() {
    let mut world = World::cast();
    let request = world.request("institute", "pat");
    let mut terms = world.terms(request, &["s"], &["ag"]);
    let (begins, ends) = (world.next().plus(10), world.next().plus(20));
    (terms.not_before, terms.expires, terms.max_queries) = (begins, ends, 2);
    let grant = world.ok("pat", authorizing(terms));
    let mut grant = world.view().grant(grant).unwrap().unwrap();
    let live = |grant: &ledger::Grant, at: u64| grant.is_live(Millis(at));
    assert!(!live(&grant, begins.0 - 1));
    assert!(live(&grant, begins.0) && live(&grant, ends.0 - 1));
    assert!(!live(&grant, ends.0) && !live(&grant, ends.0 + 1));
    grant.used = 1;
    assert!(live(&grant, begins.0));
    for used in [2, 3] {
        grant.used = used;
        assert!(!live(&grant, begins.0));
    }
    grant.used = 0;
    grant.revoked = Some(Millis(begins.0 - 1));
    assert!(!live(&grant, begins.0));
}

#[test]
fn powers_of_a_delegate_are_sorted_and_named_once() {
    let mut world = World::cast();
    let expires = world.now().plus(Millis::DAY);
    let delegate = |powers: &[Power]| Delegate {
        delegate: id("quinn"),
        powers: powers.to_vec(),
        expires,
    };
    let twice = delegate(&[Power::Accept, Power::Accept]);
    world.fails("pat", twice, Failure::BadShape);
    let twice = delegate(&[Power::Accept, Power::Protect, Power::Protect]);
    world.fails("pat", twice, Failure::BadShape);
    world.ok("pat", delegate(&[Power::Accept, Power::Protect]));
}
