//! Queries, reviews, emergencies: every rule that stands before a release.

use base::{Digest, Millis, OperationId, operation::*};
use ledger::{Failure, Notice, Outcome, Page};

use crate::world::*;

const PARTS: &[(&str, &str)] = &[("s", "c0"), ("t", "c1"), ("s", "c2"), ("u", "c3")];

struct Scene {
    world: World,
    record: base::RecordId,
    grant: OperationId,
}

fn scene() -> Scene {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", PARTS);
    let grant = world.grant("institute", &["s", "t"], &["ag", "ac"]);
    Scene {
        world,
        record,
        grant,
    }
}

impl Scene {
    fn query(&self, agent: &str, part: usize) -> Query {
        let part = parts(PARTS)[part];
        self.world.querying(&want(
            self.grant,
            "institute",
            agent,
            self.record,
            "r",
            part,
        ))
    }
}

#[test]
fn a_good_query_is_noted_everywhere() {
    let mut scene = scene();
    let query = scene.query("ag", 0);
    let logged = scene.world.ok("ag", query);
    let view = scene.world.view();
    let state = view.query(logged).unwrap().unwrap();
    assert_eq!((state.querier, state.agent), (id("institute"), id("ag")));
    assert!(!state.repeat);
    let grant = view.grant(scene.grant).unwrap().unwrap();
    assert_eq!(grant.used, 1);
    assert_eq!(
        view.queries_of_grant(scene.grant, Page::default())
            .unwrap()
            .items
            .len(),
        1
    );
    let notices = view.notices_of(id("pat"), Page::default()).unwrap().items;
    assert!(matches!(&notices[..], [Notice::Query(seen)] if **seen == state));
}

/// One change of an otherwise good query, and what it brings.
type Twist = (&'static str, fn(&mut Query), Failure);

#[test]
fn twisted_queries() {
    let mut scene = scene();
    let twists: &[Twist] = &[
        (
            "no grant",
            |q| q.grant = OperationId::of(b"x"),
            Failure::NoGrant,
        ),
        (
            "ask over",
            |q| q.ask.expires = Millis(1),
            Failure::AskExpired,
        ),
        (
            "ask changed",
            |q| q.ask.expires = q.ask.expires.plus(1),
            Failure::BadAsk,
        ),
        ("ask forged", |q| q.ask.signature.0[0] ^= 1, Failure::BadAsk),
        (
            "no record",
            |q| q.record = record_id("mercy", "x"),
            Failure::UnknownRecord,
        ),
        (
            "capsule of another record",
            |q| q.ctid = ctid("x"),
            Failure::NotAccepted,
        ),
        (
            "capsule of another part",
            |q| q.ctid = ctid("c1"),
            Failure::NotAccepted,
        ),
        ("another scope", |q| q.sid = sid("t"), Failure::NotAccepted),
    ];
    for (name, twist, failure) in twists {
        let mut query = scene.query("ag", 0);
        twist(&mut query);
        println!("{name}");
        scene.world.fails("ag", query, *failure);
    }
    // a part under a scope that the grant does not name
    let query = scene.query("ag", 3);
    scene.world.fails("ag", query, Failure::ScopeNotGranted);
    // a part that does not exist
    let part = PartKey {
        part: 9,
        ..parts(PARTS)[0]
    };
    let wanted = want(scene.grant, "institute", "ag", scene.record, "r", part);
    let query = scene.world.querying(&wanted);
    scene.world.fails("ag", query, Failure::NotAccepted);
    // an agent that the grant does not name; somebody else's ask; no agent at all
    let query = scene.query("am", 0);
    scene.world.fails("am", query, Failure::WrongAgent);
    let query = scene.query("ac", 0); // asked of ac, sent by ag
    scene.world.fails("ag", query, Failure::BadAsk);
    let wanted = want(
        scene.grant,
        "general",
        "ag",
        scene.record,
        "r",
        parts(PARTS)[0],
    );
    let query = scene.world.querying(&wanted); // signed by general
    scene.world.fails("ag", query, Failure::BadAsk);
    let query = scene.query("ag", 0);
    scene.world.fails("institute", query, Failure::WrongRole);
    // another patient's record
    let record = scene.world.record("mercy", "quinn", "q", PARTS);
    let wanted = want(scene.grant, "institute", "ag", record, "q", parts(PARTS)[0]);
    let query = scene.world.querying(&wanted);
    scene.world.fails("ag", query, Failure::WrongPatient);
    // nothing of this counted
    assert_eq!(
        scene.world.view().grant(scene.grant).unwrap().unwrap().used,
        0
    );
    let query = scene.query("ag", 0);
    scene.world.ok("ag", query);
}

#[test]
fn only_the_last_accepted_state() {
    let mut scene = scene();
    let record = scene.record;
    scene.world.ok(
        "mercy",
        Modify {
            record,
            before: state("r"),
            after: state("r2"),
        },
    );
    let pending = want(
        scene.grant,
        "institute",
        "ag",
        record,
        "r2",
        parts(PARTS)[0],
    );
    let query = scene.world.querying(&pending);
    scene.world.fails("ag", query, Failure::NotAccepted);
    let query = scene.query("ag", 0); // the old one still counts
    scene.world.ok("ag", query);
    scene
        .world
        .accept("pat", record, state("r2"), &[("s", "n0")]);
    let query = scene.query("ac", 0);
    scene.world.fails("ac", query, Failure::NotAccepted);
    let new = parts(&[("s", "n0")])[0];
    let query = scene
        .world
        .querying(&want(scene.grant, "institute", "ag", record, "r2", new));
    scene.world.ok("ag", query);
    // a record that was never accepted
    let fresh = scene.world.publish("mercy", "pat", "fresh");
    let query = scene
        .world
        .querying(&want(scene.grant, "institute", "ag", fresh, "fresh", new));
    scene.world.fails("ag", query, Failure::NotAccepted);
}

#[test]
fn grants_begin_end_and_are_revoked() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", PARTS);
    let request = world.request("institute", "pat");
    let mut terms = world.terms(request, &["s"], &["ag"]);
    terms.not_before = world.now().plus(Millis::HOUR);
    terms.expires = world.now().plus(2 * Millis::HOUR);
    let (start, end) = (terms.not_before.0, terms.expires.0);
    let grant = world.ok("pat", authorizing(terms));
    let mut scene = Scene {
        world,
        record,
        grant,
    };
    let at = |scene: &mut Scene, time: u64, part| {
        scene.world.time = time - 1; // the block adds one
        scene.query("ag", part)
    };
    let query = at(&mut scene, start - 1, 0);
    scene.world.fails("ag", query, Failure::GrantNotYet);
    let query = at(&mut scene, start, 0); // to the millisecond
    scene.world.ok("ag", query);
    let query = at(&mut scene, end - 1, 2);
    scene.world.ok("ag", query);
    let query = at(&mut scene, end, 2);
    scene.world.fails("ag", query, Failure::GrantExpired);
    // revocation earlier in the same block counts
    let grant = scene.world.grant("institute", &["s"], &["ag"]);
    let revoke = scene.world.sign("pat", Revoke { grant });
    scene.grant = grant;
    let query = scene.query("ag", 0);
    let query = scene.world.sign("ag", query);
    let results = scene
        .world
        .block(vec![revoke.to_bytes().0, query.to_bytes().0]);
    let outcome = results[1].as_ref().unwrap().outcome;
    assert_eq!(outcome, Outcome::Failed(Failure::GrantRevoked));
}

#[test]
fn retired_scopes_answer_nothing() {
    let mut scene = scene();
    scene.world.ok(
        "pat",
        RotateScope {
            sid: sid("s"),
            next: sid("s2"),
        },
    );
    let query = scene.query("ag", 0);
    scene.world.fails("ag", query, Failure::RetiredScope);
    let query = scene.query("ag", 1); // the other scope is as it was
    scene.world.ok("ag", query);
}

#[test]
fn capsules_count_once() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", PARTS);
    let request = world.request("institute", "pat");
    let mut terms = world.terms(request, &["s", "t"], &["ag", "ac"]);
    terms.max_queries = 2;
    let grant = world.ok("pat", authorizing(terms));
    let mut scene = Scene {
        world,
        record,
        grant,
    };
    let query = scene.query("ag", 0);
    let first = scene.world.ok("ag", query);
    scene.world.fails("ag", query, Failure::AlreadyQueried);
    let query = scene.query("ac", 0);
    let repeat = scene.world.ok("ac", query); // a further agent
    let query = scene.query("ac", 0);
    scene.world.fails("ac", query, Failure::AlreadyQueried);
    let query = scene.query("ag", 1);
    scene.world.ok("ag", query);
    let grant = scene.world.view().grant(scene.grant).unwrap().unwrap();
    assert_eq!(
        (grant.used, grant.used_by_scope.iter().sum::<u32>()),
        (2, 2)
    );
    let query = scene.query("ag", 2);
    scene.world.fails("ag", query, Failure::GrantExhausted);
    let query = scene.query("ac", 1); // repeats go on
    scene.world.ok("ac", query);
    // the repeat may be reviewed and earns nothing
    let view = scene.world.view();
    assert!(view.query(repeat).unwrap().unwrap().repeat);
    scene.world.ok("institute", accepted(repeat));
    assert!(scene.world.balances().is_empty());
    scene.world.ok("institute", accepted(first));
    assert!(!scene.world.balances().is_empty());
}

#[test]
fn reviews() {
    let mut scene = scene();
    let query = scene.query("ag", 0);
    let logged = scene.world.ok("ag", query);
    scene
        .world
        .fails("general", accepted(logged), Failure::NotYours);
    scene
        .world
        .fails("ag", accepted(logged), Failure::WrongRole);
    scene.world.fails(
        "institute",
        accepted(OperationId::of(b"x")),
        Failure::UnknownQuery,
    );
    // a failed query is none
    let bad = Query {
        result: Digest([0; 32]),
        ..query
    };
    let (failed, _) = scene.world.send("ag", bad);
    scene
        .world
        .fails("institute", accepted(failed), Failure::UnknownQuery);
    scene
        .world
        .ok("institute", reviewing(logged, Verdict::PoorQuality));
    scene
        .world
        .fails("institute", accepted(logged), Failure::AlreadyReviewed);
    assert!(scene.world.balances().is_empty());
}

#[test]
fn the_asks_key_is_the_queriers_current_one() {
    let mut scene = scene();
    let old = scene.query("ag", 0);
    let consent = KeyConsent {
        chain: scene.world.chain(),
        account: id("institute"),
        sequence: scene.world.sequence("institute") + 1,
    };
    use base::Statement;
    let consent = secret("institute2").sign(&consent.preimage());
    let rotate = scene.world.sign(
        "institute",
        RotateKey {
            new: NewKey::Operation(key_of("institute2"), consent),
            compromised_after: None,
        },
    );
    scene
        .world
        .keys
        .insert(id("institute"), secret("institute2"));
    // In one block: the batch verified the old ask under the old key, the rotation came first.
    let old = scene.world.sign("ag", old);
    let new = scene.query("ag", 0);
    let new = scene.world.sign("ag", new);
    let results = scene.world.block(vec![
        rotate.to_bytes().0,
        old.to_bytes().0,
        new.to_bytes().0,
    ]);
    let outcomes: Vec<_> = results
        .into_iter()
        .map(|result| result.unwrap().outcome)
        .collect();
    assert_eq!(
        outcomes,
        [Outcome::Ok, Outcome::Failed(Failure::BadAsk), Outcome::Ok]
    );
}

#[test]
fn emergencies() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("e", "c0"), ("e", "c1")]);
    let declare = Emergency {
        patient: id("pat"),
        code: EmergencyCode::Unresponsive,
    };
    world.fails("institute", declare, Failure::WrongRole);
    world.fails(
        "coast",
        Emergency {
            patient: id("ag"),
            ..declare
        },
        Failure::UnknownAccount,
    );
    world.register("quack", Role::Hospital);
    world.fails("quack", declare, Failure::NotAdmitted);
    let request = world.request("coast", "pat");
    let mut terms = world.terms(request, &["e"], &["ag"]);
    terms.purpose = GrantUse::Emergency;
    terms.not_before = Millis(0);
    let grant = world.ok("pat", authorizing(terms));
    let part = parts(&[("e", "c0"), ("e", "c1")]);
    let query = world.querying(&want(grant, "coast", "ag", record, "r", part[0]));
    world.fails("ag", query, Failure::NoEmergency);
    world.ok("general", declare); // another hospital's does not open it
    let query = world.querying(&want(grant, "coast", "ag", record, "r", part[0]));
    world.fails("ag", query, Failure::NoEmergency);
    world.ok("coast", declare);
    let opened = world.time;
    let query = world.querying(&want(grant, "coast", "ag", record, "r", part[0]));
    world.ok("ag", query);
    world.time = opened + 24 * Millis::HOUR - 1;
    let query = world.querying(&want(grant, "coast", "ag", record, "r", part[1]));
    world.fails("ag", query, Failure::NoEmergency); // 24 h to the millisecond
    world.ok("coast", declare);
    let query = world.querying(&want(grant, "coast", "ag", record, "r", part[1]));
    world.ok("ag", query);
    let view = world.view();
    assert_eq!(
        view.emergency(id("coast"), id("pat"))
            .unwrap()
            .unwrap()
            .count,
        2
    );
    let notices = view.notices_of(id("pat"), Page::default()).unwrap().items;
    let loud = notices
        .iter()
        .filter(|n| matches!(n, Notice::Emergency { .. }))
        .count();
    assert_eq!((notices.len(), loud), (5, 3));
    let ranked = view.ranking(world.now()).unwrap();
    let coast = ranked
        .iter()
        .find(|line| line.hospital == id("coast"))
        .unwrap();
    assert_eq!(coast.emergencies, 2);
}
