//! What reviews earn, under which conditions and caps; vouchers; the ranking.

use base::{
    Millis, OperationId, RecordId,
    genesis::{Policy, Tariff},
    operation::*,
};
use ledger::{CreditReason, Failure};
use std::collections::BTreeMap;

use crate::world::*;

const FOUNDERS: &[(&str, Option<u32>)] = &[
    ("mercy", None),
    ("general", None),
    ("coast", None),
    ("institute", None),
];

const PARTS: &[(&str, &str)] = &[("s", "c0"), ("s", "c1"), ("s", "c2"), ("s", "c3")];

fn query(
    world: &mut World,
    grant: OperationId,
    querier: &str,
    agent: &str,
    record: RecordId,
    part: usize,
) -> OperationId {
    let wanted = want(grant, querier, agent, record, "r", parts(PARTS)[part]);
    let query = world.querying(&wanted);
    world.ok(agent, query)
}

/// One accepted query of `querier` by `agent` on a record of mercy.
fn earn(world: &mut World, querier: &str, agent: &str) -> BTreeMap<&'static str, i64> {
    let record = world.record("mercy", "pat", "r", PARTS);
    let grant = world.grant(querier, &["s"], &[agent]);
    let query = query(world, grant, querier, agent, record, 0);
    world.ok(querier, accepted(query));
    world.balances()
}

#[test]
fn an_accepted_review_pays_three_parties() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", PARTS);
    // attested by mercy, asked by institute, agent of general
    let grant = world.grant("institute", &["s"], &["ag"]);
    let first = query(&mut world, grant, "institute", "ag", record, 0);
    let second = query(&mut world, grant, "institute", "ag", record, 1);
    let review = world.ok("institute", accepted(first));
    assert_eq!(
        world.balances(),
        BTreeMap::from([("pat", 10), ("mercy", 5), ("ag", 1)])
    );
    world.ok("institute", accepted(second));
    assert_eq!(
        world.balances(),
        BTreeMap::from([("pat", 11), ("mercy", 10), ("ag", 2)])
    );
    let journal = world.view().journal(id("pat"), 0).unwrap();
    assert_eq!(journal[0].cause, review);
    assert_eq!(journal[0].reason, CreditReason::FirstAccepted);
    assert_eq!(journal[1].reason, CreditReason::FurtherAccepted);
    // a new grant starts again
    let grant = world.grant("institute", &["s"], &["ag"]);
    let third = query(&mut world, grant, "institute", "ag", record, 2);
    world.ok("institute", accepted(third));
    assert_eq!(
        world.balances(),
        BTreeMap::from([("pat", 21), ("mercy", 15), ("ag", 3)])
    );
    assert_eq!(
        world
            .view()
            .query(third)
            .unwrap()
            .unwrap()
            .review
            .unwrap()
            .minted,
        16
    );
    assert_eq!(world.view().totals().unwrap().minted, 39);
}

#[test]
fn only_accepted_reviews_pay() {
    for verdict in [
        Verdict::NotAsRequested,
        Verdict::PoorQuality,
        Verdict::Fabricated,
    ] {
        let mut world = World::cast();
        let record = world.record("mercy", "pat", "r", PARTS);
        let grant = world.grant("institute", &["s"], &["ag"]);
        let query = query(&mut world, grant, "institute", "ag", record, 0);
        world.ok("institute", reviewing(query, verdict));
        assert!(world.balances().is_empty(), "{verdict:?}");
        let counts = world.view().standing(id("mercy")).unwrap().unwrap().reviews;
        let bad = [
            counts.not_as_requested,
            counts.poor_quality,
            counts.fabricated,
        ];
        let expected = [
            Verdict::NotAsRequested,
            Verdict::PoorQuality,
            Verdict::Fabricated,
        ];
        assert_eq!(counts.accepted, 0);
        assert_eq!(bad, expected.map(|one| u64::from(one == verdict)));
    }
}

#[test]
fn three_institutions_or_nothing() {
    let nothing = BTreeMap::new();
    // the agent is the publishing hospital's
    assert_eq!(earn(&mut World::cast(), "institute", "am"), nothing);
    // the querier is the publishing hospital
    assert_eq!(earn(&mut World::cast(), "mercy", "ag"), nothing);
    // the querier has no institution
    assert_eq!(earn(&mut World::cast(), "loner", "ag"), nothing);
    // agent and publishing hospital share a group
    let grouped = [
        ("mercy", Some(1)),
        ("general", Some(1)),
        ("coast", None),
        ("institute", None),
    ];
    let mut world = World::cast_with(Policy::default(), &grouped);
    assert_eq!(earn(&mut world, "institute", "ag"), nothing);
    assert_eq!(earn(&mut World::cast(), "coast", "ag").len(), 3);
}

#[test]
fn patients_earn_only_when_attested_from_outside() {
    let without_patient = BTreeMap::from([("mercy", 5), ("ag", 1)]);
    // pat attested by the querier's or the agent's institution only
    for attester in ["general", "institute"] {
        let mut world = World::empty(genesis(&["node"], FOUNDERS, Policy::default()));
        for name in ["mercy", "general", "coast"] {
            world.register(name, Role::Hospital);
        }
        world.register("institute", Role::Requester);
        world.register("ag", Role::Agent);
        world.join("ag", "general");
        world.register("pat", Role::Patient);
        world.ok(attester, Attest { patient: id("pat") });
        assert_eq!(
            earn(&mut world, "institute", "ag"),
            without_patient,
            "{attester}"
        );
        // attested from outside afterwards: her next accepted query is the grant's first
        world.ok("coast", Attest { patient: id("pat") });
        let record = record_id("mercy", "r");
        let grants = world
            .view()
            .grants_of(id("pat"), ledger::Page::default())
            .unwrap();
        let next = query(&mut world, grants.items[0].id, "institute", "ag", record, 1);
        world.ok("institute", accepted(next));
        assert_eq!(world.balances()["pat"], 10);
    }
}

#[test]
fn caps_of_an_institution_and_a_pair() {
    let policy = Policy {
        cap_institution_day: 9,
        ..Policy::default()
    };
    let mut world = World::cast_with(policy, FOUNDERS);
    let record = world.record("mercy", "pat", "r", PARTS);
    let grant = world.grant("institute", &["s"], &["ag"]);
    for part in 0..3 {
        let query = query(&mut world, grant, "institute", "ag", record, part);
        world.ok("institute", accepted(query));
    }
    // 5 of 9 once, the rest of mercy's dropped whole; the agent's institution is another
    assert_eq!(
        world.balances(),
        BTreeMap::from([("pat", 12), ("mercy", 5), ("ag", 3)])
    );
    world.advance(Millis::DAY);
    let next = query(&mut world, grant, "institute", "ag", record, 3);
    world.ok("institute", accepted(next));
    assert_eq!(world.balances()["mercy"], 10);

    let policy = Policy {
        cap_pair_day: 17,
        ..Policy::default()
    };
    let mut world = World::cast_with(policy, FOUNDERS);
    let record = world.record("mercy", "pat", "r", PARTS);
    let grant = world.grant("institute", &["s"], &["ag"]);
    for part in 0..2 {
        let query = query(&mut world, grant, "institute", "ag", record, part);
        world.ok("institute", accepted(query));
    }
    // 16 of 17, then 1 for the patient
    assert_eq!(
        world.balances(),
        BTreeMap::from([("pat", 11), ("mercy", 5), ("ag", 1)])
    );
    // another querier is another pair
    let grant = world.grant("coast", &["s"], &["ag"]);
    let other = query(&mut world, grant, "coast", "ag", record, 2);
    world.ok("coast", accepted(other));
    assert_eq!(
        world.balances(),
        BTreeMap::from([("pat", 21), ("mercy", 10), ("ag", 2)])
    );
}

#[test]
fn an_agents_credit_counts_for_its_institution() {
    let tariff = Tariff {
        agent: 2,
        ..Policy::default().tariff
    };
    let policy = Policy {
        cap_institution_day: 5,
        tariff,
        ..Policy::default()
    };
    let mut world = World::cast_with(policy, FOUNDERS);
    let record = world.record("mercy", "pat", "r", PARTS);
    let grant = world.grant("institute", &["s"], &["ag"]);
    for part in 0..3 {
        let query = query(&mut world, grant, "institute", "ag", record, part);
        world.ok("institute", accepted(query));
    }
    assert_eq!(world.balances()["ag"], 4); // 2 + 2, a third would be 6
}

#[test]
fn vouchers_once_per_account_and_tier() {
    let tariff = Tariff {
        patient_first: 150,
        ..Policy::default().tariff
    };
    let policy = Policy {
        tariff,
        ..Policy::default()
    };
    let mut world = World::cast_with(policy, FOUNDERS);
    let redeem = |account: &str, tier, hospital: &str| Redeem {
        voucher: VoucherId {
            account: id(account),
            tier,
        },
        hospital: id(hospital),
    };
    world.fails("pat", redeem("pat", 1, "general"), Failure::NoVoucher);
    earn(&mut world, "institute", "ag"); // 150: tiers 1 (10) and 2 (100) at once
    let vouchers = world.view().vouchers_of(id("pat")).unwrap();
    assert_eq!(vouchers.len(), 2);
    world.fails("pat", redeem("pat", 3, "general"), Failure::NoVoucher);
    world.fails("quinn", redeem("pat", 1, "general"), Failure::NotYours);
    world.fails(
        "pat",
        redeem("pat", 1, "institute"),
        Failure::UnknownAccount,
    );
    world.register("quack", Role::Hospital);
    world.fails("pat", redeem("pat", 1, "quack"), Failure::NotAdmitted);
    world.ok("pat", redeem("pat", 1, "general"));
    world.fails("pat", redeem("pat", 1, "coast"), Failure::AlreadyRedeemed);
    world.ok("pat", redeem("pat", 2, "coast"));
    let used = world.view().vouchers_of(id("pat")).unwrap()[0]
        .redeemed
        .unwrap();
    assert_eq!(used.hospital, id("general"));
}

#[test]
fn a_tier_lost_and_reached_again_gives_no_second_voucher() {
    let tariff = Tariff {
        hospital: 12,
        fabrication: 5,
        ..Policy::default().tariff
    };
    let mut world = World::cast_with(
        Policy {
            tariff,
            ..Policy::default()
        },
        FOUNDERS,
    );
    earn(&mut world, "institute", "ag");
    assert_eq!(world.view().vouchers_of(id("mercy")).unwrap().len(), 1);
    let dispute = world.ok(
        "pat",
        Dispute {
            subject: Subject::Record(record_id("mercy", "r")),
            code: DisputeCode::Fabrication,
            commitment: digest("evidence"),
        },
    );
    let issued = world.view().vouchers_of(id("mercy")).unwrap();
    world.ok(
        "node",
        Resolve {
            dispute,
            resolution: Resolution::Upheld,
        },
    );
    assert_eq!(world.view().balance(id("mercy")).unwrap().amount, 7);
    assert_eq!(world.view().ranking(world.now()).unwrap()[0].score, 7_000);
    let other = world.record("mercy", "pat", "other", &[("s", "d0")]);
    let grant = world.grant("institute", &["s"], &["ag"]);
    let part = parts(&[("s", "d0")])[0];
    let more = world.querying(&want(grant, "institute", "ag", other, "other", part));
    let more = world.ok("ag", more);
    world.ok("institute", accepted(more));
    assert_eq!(world.view().balance(id("mercy")).unwrap().amount, 19);
    assert_eq!(world.view().vouchers_of(id("mercy")).unwrap(), issued);
}

#[test]
fn the_ranking_decays() {
    let mut world = World::cast();
    earn(&mut world, "institute", "ag"); // mercy +5
    let score = |world: &World| world.view().ranking(world.now()).unwrap();
    let before = score(&world);
    assert_eq!((before[0].hospital, before[0].score), (id("mercy"), 5_000));
    assert_eq!(before[0].reviews.accepted, 1);
    world.advance(365 * Millis::DAY);
    assert_eq!(score(&world)[0].score, 2_500);
    // general earns 5 a year later and stands first
    let record = world.record("general", "pat", "r", PARTS);
    let grant = world.grant("institute", &["s"], &["ac"]);
    let query = query(&mut world, grant, "institute", "ac", record, 0);
    world.ok("institute", accepted(query));
    let after = score(&world);
    assert_eq!(after[0].hospital, id("general"));
    assert_eq!(after[1].hospital, id("mercy"));
    assert_eq!(after[1].balance, 5);
}
