//! Farming of credit: what coalitions of accounts that the consortium did not admit can
//! gain, at most, by strategies made to gain it (`docs/credit.md` numbers them) and by
//! random ones. Every block is checked against the auditor's books.

use base::{Millis, genesis::Policy, genesis::Tariff, operation::*};
use ledger::Failure;
use std::collections::BTreeMap;

use crate::world::*;

pub mod books;
mod coalition;
mod farm;
mod vouchers;

use farm::{Chart, Deal, Farm, INSTITUTIONS, SYBILS, small};

const PAIR: u64 = 100;
const INSTITUTION: u64 = 60;

fn accepting<'a>(querier: &'a str, agents: &'a [&'a str], chart: &'a Chart) -> Deal<'a> {
    Deal {
        querier,
        agents,
        chart,
        parts: 1,
        verdict: Some(Verdict::Accepted),
    }
}

/// Patient p0, met by mercy and with a record of mercy's.
fn patient_of_mercy(farm: &mut Farm) -> Chart {
    farm.attest("mercy", "p0");
    let chart = farm.chart("mercy", "p0", 4);
    farm.seal();
    chart
}

/// S1: a patient and a requester that nobody admitted serve each other, over real
/// records and with honest agents.
#[test]
fn a_self_dealing_pair_gains_nothing() {
    let mut farm = Farm::new(small());
    let chart = patient_of_mercy(&mut farm);
    farm.split(&accepting("r0", &["ag"], &chart), 20);
    farm.split(&accepting("r1", &["ac", "ai"], &chart), 5);
    assert_eq!(farm.books.sources.len(), 0);
    assert_eq!(farm.gains(), BTreeMap::new());
}

/// S2: every role there is, none of them admitted: they attest, publish, join each other
/// and admit themselves.
#[test]
fn a_ring_of_strangers_gains_nothing() {
    let mut farm = Farm::new(small());
    farm.attest("quack", "p0");
    farm.attest("r0", "p0");
    for (account, institution) in [("x0", "quack"), ("r1", "quack"), ("x1", "mercy")] {
        let mut join = farm.world.joining(account, institution);
        if institution == "mercy" {
            // mercy consented to nothing
            join.consent = farm.world.joining(account, "quack").consent;
        }
        farm.add(account, join);
    }
    let admit = Admit {
        institution: id("quack"),
        group: None,
        nonce: nonce("a"),
    };
    farm.add("n0", admit);
    let set = SetPolicy {
        policy: Policy::default(),
    };
    farm.add("n0", set);
    let chart = farm.chart("quack", "p0", 2);
    farm.deal(&accepting("r0", &["x0"], &chart));
    let outcomes = farm.seal();
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(done, 1, "to ask is all that a stranger may: {outcomes:?}");
    assert_eq!(farm.gains(), BTreeMap::new());
}

/// S3: two institutions turn: one reviews what the other publishes, an honest agent
/// serves. The pair's cap is reached to the credit, and it is all there is in a day.
#[test]
fn a_pair_of_institutions_gains_its_cap_and_no_more() {
    let mut farm = Farm::new(small());
    let chart = patient_of_mercy(&mut farm);
    farm.split(&accepting("institute", &["ag"], &chart), 30);
    assert_eq!(farm.total(), PAIR, "the cap is tight");
    // more patients, agents, and reviewers of the same institution change nothing
    farm.attest("mercy", "p1");
    let other = farm.chart("mercy", "p1", 4);
    for (account, institution) in [("r0", "institute"), ("x0", "coast"), ("x1", "coast")] {
        let join = farm.world.joining(account, institution);
        farm.add(account, join);
    }
    farm.split(&accepting("institute", &["ac"], &other), 10);
    farm.split(&accepting("r0", &["x0", "x1"], &other), 10);
    assert_eq!(farm.total(), PAIR);
    // the next day has the next cap
    farm.world.advance(Millis::DAY);
    farm.split(&accepting("institute", &["ag"], &other), 30);
    assert_eq!(farm.total(), 2 * PAIR);
}

/// S4: all institutions turn, each plays every part. Every ordered pair with a hospital
/// reaches at most its cap, hospitals and agents at most their institution's.
#[test]
fn a_ring_of_institutions_gains_the_sum_of_its_caps() {
    let mut farm = Farm::new(small());
    let mut charts = Vec::new();
    for (hospital, patient) in [("mercy", "p0"), ("general", "p1"), ("coast", "p2")] {
        for by in INSTITUTIONS {
            farm.attest(by, patient); // each meets two a day at most
        }
        farm.seal();
        charts.push(farm.chart(hospital, patient, 4));
    }
    farm.seal();
    let agents = [
        ("mercy", "am"),
        ("general", "ag"),
        ("coast", "ac"),
        ("institute", "ai"),
    ];
    let mut pairs = 0;
    for chart in &charts {
        for querier in INSTITUTIONS {
            if querier == chart.hospital {
                continue;
            }
            pairs += 1;
            for (of, agent) in agents {
                if of != querier && of != chart.hospital {
                    farm.split(&accepting(querier, &[agent], chart), 10);
                }
            }
        }
    }
    assert_eq!(pairs, 9);
    let gains = farm.gains();
    assert!(farm.total() <= pairs * PAIR, "{gains:?}");
    assert!(farm.total() > pairs * PAIR / 2, "no strategy: {gains:?}");
    for (of, agent) in agents {
        let sum = [of, agent]
            .iter()
            .filter_map(|name| gains.get(name))
            .sum::<u64>();
        assert!(sum <= INSTITUTION, "{of}: {gains:?}");
    }
    assert_eq!(gains["mercy"] + gains.get("am").unwrap_or(&0), INSTITUTION);
}

/// S5: as many pseudonyms as one likes: met are two a day of each institution, and all of
/// them share the pair's cap.
#[test]
fn sybil_patients_share_one_cap() {
    let mut farm = Farm::new(small());
    for patient in ["p0", "p1", "p2", "p3"] {
        farm.attest("mercy", patient);
    }
    let outcomes = farm::failures(farm.seal());
    let cap = Some(Failure::AttestCap);
    assert_eq!(outcomes, [None, None, cap, cap]);
    let patients = ["p0", "p1", "p2", "p3"];
    let charts = patients.map(|patient| farm.chart("mercy", patient, 1));
    for chart in &charts {
        farm.split(&accepting("institute", &["ag"], chart), 4);
    }
    let gains = farm.gains();
    assert_eq!(farm.total(), PAIR);
    assert!(
        !gains.contains_key("p2") && !gains.contains_key("p3"),
        "{gains:?}"
    );
    // no voucher without the credits for it
    let vouchers: usize = patients
        .iter()
        .map(|name| farm.world.view().vouchers_of(id(name)).unwrap().len())
        .sum();
    assert!(vouchers as u64 <= PAIR / 10, "{vouchers}");
}

/// S6: one request split in many earns the patient the first's reward each time, which
/// is what the cap is for: never above it.
#[test]
fn split_requests_stay_under_the_cap() {
    let whole = {
        let mut farm = Farm::new(small());
        let chart = patient_of_mercy(&mut farm);
        let deal = Deal {
            parts: 4,
            ..accepting("institute", &["ag"], &chart)
        };
        farm.split(&deal, 1);
        farm.gains()["p0"]
    };
    assert_eq!(whole, 10 + 3);
    let mut farm = Farm::new(small());
    let chart = patient_of_mercy(&mut farm);
    farm.split(&accepting("institute", &["ag"], &chart), 4);
    assert_eq!(farm.gains()["p0"], 40);
    farm.split(&accepting("institute", &["ag"], &chart), 40);
    assert!(farm.gains()["p0"] <= PAIR);
    assert_eq!(farm.total(), PAIR);
}

/// S7: more agents for the same capsule, and more accounts behind one institution.
#[test]
fn sybil_agents_share_one_cap() {
    let policy = Policy {
        cap_pair_day: 10_000,
        tariff: Tariff {
            agent: 7,
            ..small().tariff
        },
        ..small()
    };
    let mut farm = Farm::new(policy);
    let chart = patient_of_mercy(&mut farm);
    for agent in ["x0", "x1", "x2"] {
        let join = farm.world.joining(agent, "general");
        farm.add(agent, join);
    }
    farm.seal();
    let all = ["ag", "x0", "x1", "x2"];
    farm.split(&accepting("institute", &all, &chart), 1);
    assert_eq!(farm.gains()["ag"], 7);
    assert!(!farm.gains().contains_key("x0"), "a repeat earns nothing");
    for agent in all {
        farm.split(&accepting("institute", &[agent], &chart), 10);
    }
    let sum = |farm: &Farm| {
        all.iter()
            .filter_map(|name| farm.gains().get(name).copied())
            .sum()
    };
    let first: u64 = sum(&farm);
    assert_eq!(first, INSTITUTION / 7 * 7);
    assert_eq!(farm.gains()["mercy"], INSTITUTION);
}

/// S8: reviews kept back for one day fall under that day's cap.
#[test]
fn hoarded_reviews_fall_under_one_days_cap() {
    let mut farm = Farm::new(small());
    let chart = patient_of_mercy(&mut farm);
    let mut queries = Vec::new();
    for _ in 0..5 {
        for _ in 0..4 {
            let deal = Deal {
                verdict: None,
                ..accepting("institute", &["ag"], &chart)
            };
            queries.extend(farm.deal(&deal));
        }
        farm.seal();
        farm.world.advance(Millis::DAY);
    }
    assert_eq!(farm.total(), 0);
    for query in queries {
        farm.add("institute", accepted(query));
    }
    farm.seal();
    assert_eq!(farm.total(), PAIR);
}

/// S9: bad reviews by strangers and repeats count for nothing; an institution's count,
/// once a capsule and grant, and never touch the score.
#[test]
fn review_bombs_leave_the_ranking_alone() {
    let mut farm = Farm::new(small());
    let chart = patient_of_mercy(&mut farm);
    farm.split(&accepting("institute", &["ag"], &chart), 1);
    let line = |farm: &Farm| farm.world.view().ranking(farm.world.now()).unwrap()[0];
    let before = line(&farm);
    assert_eq!((before.score, before.reviews.accepted), (5_000, 1));
    for verdict in [Verdict::Fabricated, Verdict::PoorQuality, Verdict::Accepted] {
        // strangers; and the hospital's own people praising it
        let join = farm.world.joining("r1", "mercy");
        farm.add("r1", join);
        for querier in ["r0", "r1"] {
            let deal = Deal {
                verdict: Some(verdict),
                ..accepting(querier, &["ag"], &chart)
            };
            farm.split(&deal, 5);
        }
    }
    assert_eq!(line(&farm), before);
    let bomb = Deal {
        verdict: Some(Verdict::Fabricated),
        ..accepting("institute", &["ag", "ac"], &chart)
    };
    farm.split(&bomb, 3);
    let after = line(&farm);
    assert_eq!(after.reviews.fabricated, 3, "a capsule counts once a grant");
    assert_eq!((after.score, after.balance), (before.score, before.balance));
}

/// S10: a record proven fabricated earns nobody anything any more, also for queries that
/// were made before.
#[test]
fn a_proven_fabrication_stops_earning() {
    let mut farm = Farm::new(small());
    let chart = patient_of_mercy(&mut farm);
    let deal = Deal {
        verdict: None,
        ..accepting("institute", &["ag"], &chart)
    };
    let early = farm.deal(&deal);
    let dispute = farm.add(
        "p1",
        Dispute {
            subject: Subject::Record(chart.record),
            code: DisputeCode::Fabrication,
            commitment: digest("e"),
        },
    );
    let resolution = Resolution::Upheld;
    farm.add(
        "node",
        Resolve {
            dispute,
            resolution,
        },
    );
    farm.add("institute", accepted(early[0]));
    farm.split(&accepting("institute", &["ag"], &chart), 3);
    assert_eq!(farm.gains(), BTreeMap::new());
    let mercy = farm.world.view().balance(id("mercy")).unwrap();
    assert_eq!(mercy.amount, -200);
}

/// S11: a group counts as one institution wherever three are asked for.
#[test]
fn a_group_is_one_institution() {
    for (a, b) in [
        ("mercy", "institute"),
        ("mercy", "general"),
        ("general", "institute"),
    ] {
        let founders = INSTITUTIONS.map(|name| {
            let group = (name == a || name == b).then_some(1);
            (name, group)
        });
        let mut farm = Farm::grouped(small(), &founders);
        let chart = patient_of_mercy(&mut farm);
        farm.split(&accepting("institute", &["ag"], &chart), 3);
        assert_eq!(farm.gains(), BTreeMap::new(), "{a} and {b}");
        assert_eq!(farm.books.sources.len(), 0);
    }
}

/// The names in this file are those of the cast.
#[test]
fn strangers_are_not_admitted() {
    let farm = Farm::new(small());
    let view = farm.world.view();
    for (name, _) in SYBILS {
        assert!(view.institution(id(name)).unwrap().is_none(), "{name}");
    }
}
