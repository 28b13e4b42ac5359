//! The hint budget of a scope key, at its limit and one past it.

use base::{Millis, OperationId, genesis::Policy, operation::*};
use ledger::{Failure, Outcome, hint_cost};

use crate::world::*;

fn authorise(world: &mut World, max_queries: u32) -> SignedOperation {
    let request = world.request("institute", "pat");
    let mut terms = world.terms(request, &["s"], &["ag"]);
    terms.max_queries = max_queries;
    world.sign("pat", authorizing(terms))
}

/// Many grants in one block, and what became of each.
fn authorise_many(world: &mut World, max_queries: u32, count: u32) -> Vec<Outcome> {
    let mut batch = Vec::new();
    for number in 0..count {
        let mut request = world.requesting("pat", &format!("k{max_queries}-{number}"));
        request.commitment = digest("many");
        let request = world.sign("institute", request);
        let (bytes, id) = request.to_bytes();
        let mut terms = world.terms(id, &["s"], &["ag"]);
        terms.max_queries = max_queries;
        batch.push(bytes);
        batch.push(world.sign("pat", authorizing(terms)).to_bytes().0);
    }
    let results = world.block(batch);
    results
        .into_iter()
        .skip(1)
        .step_by(2)
        .map(|result| result.unwrap().outcome)
        .collect()
}

#[test]
fn the_examples_of_the_scheme_page() {
    for (queries, grants) in [(1, 355), (10, 236), (100, 94), (1_000, 20), (29_728, 1)] {
        let mut world = World::cast();
        let outcomes = authorise_many(&mut world, queries, grants + 1);
        let (last, within) = outcomes.split_last().unwrap();
        assert!(within.iter().all(|outcome| outcome.is_ok()), "{queries}");
        assert_eq!(*last, Outcome::Failed(Failure::OverBudget), "{queries}");
        let scope = world.view().scope(id("pat"), sid("s")).unwrap().unwrap();
        assert_eq!(scope.cost(), hint_cost(queries) * u64::from(grants));
    }
}

#[test]
fn ended_grants_keep_only_what_they_used() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c0"), ("s", "c1")]);
    let cost = |world: &World| {
        world
            .view()
            .scope(id("pat"), sid("s"))
            .unwrap()
            .unwrap()
            .cost()
    };
    // 20 grants of 1000 fill the scope
    let outcomes = authorise_many(&mut world, 1_000, 20);
    assert!(outcomes.iter().all(|outcome| outcome.is_ok()));
    let full = authorise(&mut world, 1_000);
    assert_eq!(
        world.submit(&full).unwrap().outcome,
        Outcome::Failed(Failure::OverBudget)
    );
    let grants: Vec<OperationId> = world
        .view()
        .grants_of(id("pat"), ledger::Page::default())
        .unwrap()
        .items
        .iter()
        .map(|grant| grant.id)
        .collect();
    // one is used twice by distinct capsules, then revoked
    for part in parts(&[("s", "c0"), ("s", "c1")]) {
        let query = world.querying(&want(grants[0], "institute", "ag", record, "r", part));
        world.ok("ag", query);
    }
    assert_eq!(cost(&world), 20 * hint_cost(1_000));
    world.ok("pat", Revoke { grant: grants[0] });
    assert_eq!(cost(&world), 19 * hint_cost(1_000) + hint_cost(2));
    // one unused is revoked: N = 0 counts 0
    world.ok("pat", Revoke { grant: grants[1] });
    assert_eq!(cost(&world), 18 * hint_cost(1_000) + hint_cost(2));
    let again = authorise(&mut world, 1_000);
    assert!(world.submit(&again).unwrap().outcome.is_ok());
    // expiry: after it, everything unused comes back
    world.advance(40 * Millis::DAY);
    let fresh = authorise(&mut world, 29_000);
    assert!(world.submit(&fresh).unwrap().outcome.is_ok());
    assert_eq!(cost(&world), hint_cost(29_000) + hint_cost(2));
    let scope = world.view().scope(id("pat"), sid("s")).unwrap().unwrap();
    assert_eq!(scope.grants, 22);
}

#[test]
fn expired_grants_keep_only_what_they_used() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c0"), ("s", "c1")]);
    let scope = |world: &World| world.view().scope(id("pat"), sid("s")).unwrap().unwrap();
    let grant = world.grant("institute", &["s"], &["ag"]);
    let expires = world.view().grant(grant).unwrap().unwrap().terms.expires;
    for part in parts(&[("s", "c0"), ("s", "c1")]) {
        let query = world.querying(&want(grant, "institute", "ag", record, "r", part));
        world.ok("ag", query);
    }
    assert_eq!(scope(&world).cost(), hint_cost(10));
    // The last moment before, and the very moment. Each new grant holds ten as well.
    let request = |world: &mut World| {
        let key = world.now().0.to_string();
        let request = world.requesting("pat", &key);
        world.ok("institute", request)
    };
    let [early, late] = [request(&mut world), request(&mut world)];
    let authorise = |world: &World, request| {
        let mut terms = world.terms(request, &["s"], &["ag"]);
        terms.expires = expires.plus(30 * Millis::DAY);
        authorizing(terms)
    };
    world.advance(expires.0 - world.next().0 - 1);
    let early = authorise(&world, early);
    world.ok("pat", early);
    assert_eq!(world.now().0, expires.0 - 1);
    assert_eq!(scope(&world).cost(), 2 * hint_cost(10));
    let late = authorise(&world, late);
    world.ok("pat", late);
    assert_eq!(world.now(), expires);
    assert_eq!(scope(&world).spent, hint_cost(2));
    assert_eq!(scope(&world).cost(), 2 * hint_cost(10) + hint_cost(2));
    // Revoked besides, it does not count once more.
    world.ok("pat", Revoke { grant });
    assert_eq!(scope(&world).spent, hint_cost(2));
}

#[test]
fn the_budget_survives_a_restart() {
    let mut world = World::cast();
    assert!(
        authorise_many(&mut world, 1_000, 20)
            .iter()
            .all(|o| o.is_ok())
    );
    world.reopen();
    let full = authorise(&mut world, 1_000);
    assert_eq!(
        world.submit(&full).unwrap().outcome,
        Outcome::Failed(Failure::OverBudget)
    );
    // another scope of hers, and another patient's scope of that name, are untouched
    let request = world.request("institute", "pat");
    let terms = world.terms(request, &["other"], &["ag"]);
    world.ok("pat", authorizing(terms));
    let request = world.request("institute", "quinn");
    let terms = world.terms(request, &["s"], &["ag"]);
    world.ok("quinn", authorizing(terms));
}

#[test]
fn grants_ever_under_a_scope_are_limited() {
    let policy = Policy {
        grants_per_scope: 3,
        ..Policy::default()
    };
    let founders = [
        ("mercy", None),
        ("general", None),
        ("coast", None),
        ("institute", None),
    ];
    let mut world = World::cast_with(policy, &founders);
    for _ in 0..3 {
        let grant = world.grant("institute", &["s"], &["ag"]);
        world.ok("pat", Revoke { grant });
    }
    let fourth = authorise(&mut world, 1);
    assert_eq!(
        world.submit(&fourth).unwrap().outcome,
        Outcome::Failed(Failure::OverBudget)
    );
}

#[test]
fn a_lowered_limit_stops_queries_too() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c0"), ("s", "c1")]);
    let grant = world.grant("institute", &["s"], &["ag"]);
    let other = authorise(&mut world, 20_000);
    let other = world.submit(&other).unwrap().id;
    world.ok(
        "node",
        SetPolicy {
            policy: Policy {
                hint_limit: hint_cost(10),
                ..Policy::default()
            },
        },
    );
    let part = parts(&[("s", "c0"), ("s", "c1")]);
    let query = world.querying(&want(grant, "institute", "ag", record, "r", part[0]));
    world.fails("ag", query, Failure::OverBudget);
    world.ok("pat", Revoke { grant: other });
    let query = world.querying(&want(grant, "institute", "ag", record, "r", part[0]));
    world.ok("ag", query);
}
