//! Requests, grants, denial, revocation, separation: each rule good and bad.

use base::{Millis, OperationId, genesis::Policy, operation::*};
use ledger::{Failure, Page, RequestStatus};

use crate::world::*;

#[test]
fn requesting() {
    let mut world = World::cast();
    let good = world.requesting("pat", "k");
    world.fails("pat", good.clone(), Failure::WrongRole);
    world.fails("ag", good.clone(), Failure::WrongRole);
    let unknown = Request {
        patient: id("mercy"),
        ..good.clone()
    };
    world.fails("institute", unknown, Failure::UnknownAccount);
    let late = Request {
        expires: world.now(),
        ..good.clone()
    };
    world.fails("institute", late, Failure::RequestExpired);
    world.ok("institute", good.clone());
    world.fails("institute", good.clone(), Failure::ReusedOneTimeKey);
    world.fails("general", good, Failure::ReusedOneTimeKey);
    world.request("general", "pat");
    world.request("loner", "pat"); // without institution: may ask
    let listing = world
        .view()
        .requests_of(id("pat"), Page::default())
        .unwrap();
    assert_eq!(listing.items.len(), 3);
    // pages
    let page = world
        .view()
        .requests_of(id("pat"), Page { from: 0, limit: 2 })
        .unwrap();
    let rest = Page {
        from: page.next.unwrap(),
        limit: 2,
    };
    let rest = world.view().requests_of(id("pat"), rest).unwrap();
    assert_eq!(
        (page.items.len(), rest.items.len(), rest.next),
        (2, 1, None)
    );
    assert_eq!(rest.items[0], listing.items[2]);
}

/// One change of otherwise good terms, and what it brings.
type Twist = (&'static str, fn(&World, &mut Authorize), Failure);

#[test]
fn authorising() {
    let mut world = World::cast();
    let request = world.request("institute", "pat");
    let twists: &[Twist] = &[
        ("no scope", |_, a| a.terms.sids.clear(), Failure::BadShape),
        ("no agent", |_, a| a.terms.agents.clear(), Failure::BadShape),
        ("unsorted", |_, a| a.terms.sids.reverse(), Failure::BadShape),
        (
            "twice",
            |_, a| {
                a.terms.sids[1] = a.terms.sids[0];
                *a = authorizing(a.terms.clone()); // all else fits
            },
            Failure::BadShape,
        ),
        (
            "no query",
            |_, a| a.terms.max_queries = 0,
            Failure::BadShape,
        ),
        (
            "no time",
            |_, a| a.terms.not_before = a.terms.expires,
            Failure::BadShape,
        ),
        (
            "over",
            |w, a| {
                a.terms.not_before = Millis(0);
                a.terms.expires = w.now();
            },
            Failure::GrantExpired,
        ),
        (
            "commitment missing",
            |_, a| {
                let _ = a.commitments.pop();
            },
            Failure::BadShape,
        ),
        (
            "commitments swapped",
            |_, a| a.commitments.swap(0, 1),
            Failure::BadShape,
        ),
        (
            "packet missing",
            |_, a| {
                let _ = a.packets.pop();
            },
            Failure::BadShape,
        ),
        (
            "unknown request",
            |_, a| a.terms.request = OperationId::of(b"x"),
            Failure::UnknownRequest,
        ),
        (
            "unknown agent",
            |_, a| with_agents(a, &["nobody"]),
            Failure::WrongAgent,
        ),
        (
            "no agent's role",
            |_, a| with_agents(a, &["general"]),
            Failure::WrongAgent,
        ),
        (
            "no institution",
            |_, a| with_agents(a, &["free"]),
            Failure::WrongAgent,
        ),
        (
            "the querier's own",
            |_, a| with_agents(a, &["ag", "ai"]),
            Failure::SameInstitution,
        ),
        (
            "break-glass for no hospital",
            |_, a| a.terms.purpose = GrantUse::Emergency,
            Failure::WrongRole,
        ),
        (
            "too many queries",
            |_, a| a.terms.max_queries = 29_729,
            Failure::OverBudget,
        ),
    ];
    for (name, twist, failure) in twists {
        let mut authorize = authorizing(world.terms(request, &["s", "t"], &["ag", "ac"]));
        twist(&world, &mut authorize);
        println!("{name}");
        world.fails("pat", authorize, *failure);
    }
    let good = authorizing(world.terms(request, &["s", "t"], &["ag", "ac"]));
    world.fails("quinn", good.clone(), Failure::NotYours);
    world.fails("mercy", good.clone(), Failure::WrongRole);
    let grant = world.ok("pat", good.clone());
    world.fails("pat", good, Failure::RequestClosed);
    let status = world.view().request(request).unwrap().unwrap().status;
    assert_eq!(status, RequestStatus::Granted(grant));
    for party in ["pat", "institute", "ag", "ac"] {
        let listing = world.view().grants_of(id(party), Page::default()).unwrap();
        assert_eq!(listing.items.len(), 1, "{party}");
    }
    // expired request
    let request = world.request("institute", "pat");
    world.advance(30 * Millis::DAY);
    let late = authorizing(world.terms(request, &["s"], &["ag"]));
    world.fails("pat", late, Failure::RequestExpired);
    // retired scope
    world.ok(
        "pat",
        RotateScope {
            sid: sid("s"),
            next: sid("s'"),
        },
    );
    let request = world.request("institute", "pat");
    let retired = authorizing(world.terms(request, &["s", "t"], &["ag"]));
    world.fails("pat", retired, Failure::RetiredScope);
}

fn with_agents(authorize: &mut Authorize, agents: &[&str]) {
    let mut terms = authorize.terms.clone();
    terms.agents = agents.iter().map(|name| id(name)).collect();
    terms.agents.sort();
    *authorize = authorizing(terms);
}

#[test]
fn separation_covers_groups_and_institutions_themselves() {
    let founders = [
        ("mercy", None),
        ("general", Some(7)),
        ("coast", Some(8)),
        ("institute", Some(7)),
    ];
    let mut world = World::cast_with(Policy::default(), &founders);
    let request = world.request("institute", "pat");
    let grouped = authorizing(world.terms(request, &["s"], &["ag"]));
    world.fails("pat", grouped, Failure::SameInstitution);
    let apart = authorizing(world.terms(request, &["s"], &["ac"]));
    world.ok("pat", apart);
    // a hospital that asks, with its own agent
    let request = world.request("mercy", "pat");
    let own = authorizing(world.terms(request, &["s"], &["am"]));
    world.fails("pat", own, Failure::SameInstitution);
    let other = authorizing(world.terms(request, &["s"], &["ag"]));
    world.ok("pat", other);
}

#[test]
fn separation_is_judged_again_at_the_query() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c0"), ("s", "c1")]);
    let grant = world.grant("loner", &["s"], &["ag"]);
    let part = parts(&[("s", "c0"), ("s", "c1")]);
    let query = world.querying(&want(grant, "loner", "ag", record, "r", part[0]));
    world.ok("ag", query);
    world.join("loner", "general");
    let query = world.querying(&want(grant, "loner", "ag", record, "r", part[1]));
    world.fails("ag", query, Failure::SameInstitution);
}

#[test]
fn denying_and_revoking() {
    let mut world = World::cast();
    let request = world.request("institute", "pat");
    world.fails("quinn", Deny { request }, Failure::NotYours);
    world.fails(
        "pat",
        Deny {
            request: OperationId::of(b"x"),
        },
        Failure::UnknownRequest,
    );
    world.ok("pat", Deny { request });
    world.fails("pat", Deny { request }, Failure::RequestClosed);
    let denied = authorizing(world.terms(request, &["s"], &["ag"]));
    world.fails("pat", denied, Failure::RequestClosed);
    let grant = world.grant("institute", &["s"], &["ag"]);
    world.fails("quinn", Revoke { grant }, Failure::NotYours);
    world.fails("institute", Revoke { grant }, Failure::WrongRole);
    world.fails(
        "pat",
        Revoke {
            grant: OperationId::of(b"x"),
        },
        Failure::NoGrant,
    );
    world.ok("pat", Revoke { grant });
    world.fails("pat", Revoke { grant }, Failure::GrantRevoked);
}
