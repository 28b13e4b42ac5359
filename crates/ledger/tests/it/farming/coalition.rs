//! Random strategies of a coalition: all the strangers of the cast, and the keys of `c`
//! of the four institutions. The other institutions are honest: they meet patients and
//! publish for them, and their agents serve whom the rules let them, but they review
//! nothing for the coalition and consent to nobody.

use base::{Millis, OperationId, genesis::Policy, operation::*};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use std::collections::BTreeSet;

use super::farm::{Chart, Deal, Farm, HONEST_AGENTS, INSTITUTIONS, small};
use crate::world::*;

const PATIENTS: [&str; 4] = ["p0", "p1", "p2", "p3"];
const STRANGE_QUERIERS: [&str; 3] = ["r0", "r1", "r2"];
const STRANGE_AGENTS: [&str; 3] = ["x0", "x1", "x2"];
const VERDICTS: [Verdict; 4] = [
    Verdict::Accepted,
    Verdict::Accepted,
    Verdict::Accepted,
    Verdict::Fabricated,
];

/// Caps that random strategies meet.
fn tight() -> Policy {
    Policy {
        cap_institution_day: 14,
        cap_pair_day: 40,
        ..small()
    }
}

#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    a: u8,
    b: u8,
    c: u8,
    more: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (0_u8..20, any::<u8>(), any::<u8>(), any::<u8>(), 0_u8..4).prop_map(|(kind, a, b, c, more)| {
        Step {
            kind,
            a,
            b,
            c,
            more: more > 0,
        }
    })
}

fn pick<T: Clone>(list: &[T], at: u8) -> T {
    list[at as usize % list.len()].clone()
}

/// What the coalition plays with.
struct Coalition {
    farm: Farm,
    turned: Vec<&'static str>,
    charts: Vec<Chart>,
    queries: Vec<(String, OperationId)>,
    days: BTreeSet<u64>,
}

impl Coalition {
    /// `mask`: bit i set means that institution i turned.
    fn new(mask: u8) -> Self {
        let turned = (0..4).filter(|at| mask >> at & 1 == 1);
        let turned: Vec<_> = turned.map(|at| INSTITUTIONS[at]).collect();
        let mut farm = Farm::new(tight());
        // Honest service to start with: mercy and coast meet two patients each.
        let mut charts = Vec::new();
        for (hospital, patient) in [("mercy", "p0"), ("coast", "p1")] {
            farm.attest(hospital, patient);
            charts.push(farm.chart(hospital, patient, 3));
        }
        farm.seal();
        Self {
            farm,
            turned,
            charts,
            queries: Vec::new(),
            days: BTreeSet::new(),
        }
    }

    /// Those that turned twice as often: they are the ones who can earn.
    fn queriers(&self) -> Vec<&'static str> {
        let turned = self.turned.iter().copied();
        let strangers = STRANGE_QUERIERS.into_iter().chain(turned.clone());
        strangers.chain(turned.clone()).chain(turned).collect()
    }

    fn agents() -> Vec<&'static str> {
        let honest = HONEST_AGENTS.iter().map(|(name, _)| *name);
        honest.chain(STRANGE_AGENTS).collect()
    }

    fn play(&mut self, step: &Step) {
        let Step { kind, a, b, c, .. } = *step;
        let patient = pick(&PATIENTS, b);
        match kind {
            0 => {
                let mut by = self.queriers();
                by.extend(["mercy", "quack"]);
                self.farm.attest(pick(&by, a), patient);
            }
            1 | 2 => self.join(a, b),
            3 => {
                let hospital = pick(&["mercy", "general", "coast", "quack"], a);
                if self.charts.len() < 12 {
                    let chart = self.farm.chart(hospital, patient, 3);
                    self.charts.extend((hospital != "quack").then_some(chart));
                }
            }
            4..=13 => self.deal(a, b, c),
            14 | 15 if !self.queries.is_empty() => {
                let (querier, query) = pick(&self.queries, a);
                let by = if c < 40 {
                    pick(&self.queriers(), b)
                } else {
                    &*querier
                };
                self.farm.add(by, reviewing(query, pick(&VERDICTS, b)));
            }
            17 => self.seize(a),
            18 if c < 20 => self.fabrication(a),
            16 | 18 => {
                let hospital = pick(&["mercy", "general", "coast", "quack"], a);
                self.farm.redeem(patient, 1 + c % 3, hospital);
                // the same again, elsewhere
                self.farm
                    .redeem(patient, 1 + c % 3, pick(&["mercy", "coast"], c));
            }
            19 => self.farm.world.advance(Millis::DAY / 3),
            _ => {}
        }
    }

    /// With consent where the coalition has the key; forged where it has not.
    fn join(&mut self, a: u8, b: u8) {
        let who = pick(&[STRANGE_QUERIERS, STRANGE_AGENTS].concat(), a);
        let to = pick(&["mercy", "general", "coast", "institute", "quack"], b);
        let mut join = self.farm.world.joining(who, to);
        if !self.turned.contains(&to) {
            join.consent = self.farm.world.joining(who, "quack").consent;
        }
        self.farm.add(who, join);
    }

    fn deal(&mut self, a: u8, b: u8, c: u8) {
        let chart = pick(&self.charts, b);
        let querier = pick(&self.queriers(), a);
        // Mostly an agent that makes three institutions, now and then any.
        let third = HONEST_AGENTS.into_iter().filter(|(_, of)| *of != querier);
        let third = third.filter(|(_, of)| *of != chart.hospital);
        let third: Vec<_> = third.map(|(name, _)| name).collect();
        let all = if c < 180 { third } else { Self::agents() };
        let agents: BTreeSet<_> = [pick(&all, c), pick(&all, c / 16)].into();
        let agents: Vec<_> = agents.into_iter().collect();
        let verdict = (a < 200).then(|| pick(&VERDICTS, b / 8));
        let deal = Deal {
            querier,
            agents: &agents[..1 + (agents.len() - 1) * usize::from(c.is_multiple_of(4))],
            chart: &chart,
            parts: 1 + usize::from(b % 3),
            verdict,
        };
        let queries = self.farm.deal(&deal);
        let queries = queries
            .into_iter()
            .map(|query| (querier.to_string(), query));
        self.queries.extend(queries);
    }

    /// What only validators may.
    fn seize(&mut self, a: u8) {
        let by = pick(&["n0", "quack", "r0"], a);
        let institution = id(pick(&["quack", "r0"], a / 3));
        let nonce = nonce(&self.farm.fresh());
        let group = None;
        let admit = Admit {
            institution,
            group,
            nonce,
        };
        let proposal = self.farm.add(by, admit);
        self.farm.add("n0", Vote { proposal });
    }

    /// A dispute, and the honest validators' ruling.
    fn fabrication(&mut self, a: u8) {
        let record = pick(&self.charts, a).record;
        let dispute = Dispute {
            subject: Subject::Record(record),
            code: DisputeCode::Fabrication,
            commitment: digest("e"),
        };
        let dispute = self.farm.add("r0", dispute);
        let resolution = Resolution::Upheld;
        self.farm.add(
            "r1",
            Resolve {
                dispute,
                resolution,
            },
        );
        self.farm.add(
            "node",
            Resolve {
                dispute,
                resolution,
            },
        );
    }

    /// Plays, and holds the bound of `docs/credit.md` after every block.
    fn run(mut self, steps: &[Step]) -> Self {
        for step in steps {
            self.play(step);
            if !step.more {
                self.end_block();
            }
        }
        self.end_block();
        self
    }

    fn end_block(&mut self) {
        self.farm.seal();
        self.days.insert(self.farm.world.now().0 / Millis::DAY);
        let (gained, bound) = (self.farm.total(), self.bound());
        let turned = &self.turned;
        assert!(gained <= bound, "{turned:?} gained {gained} > {bound}");
    }

    /// Days · pairs of a turned reviewer and a hospital apart from it · the pair's cap:
    /// nothing at all when nobody turned.
    fn bound(&self) -> u64 {
        let hospitals = ["mercy", "general", "coast"];
        let pairs = self.turned.iter().map(|querier| {
            let others = hospitals.iter().filter(|hospital| *hospital != querier);
            others.count() as u64
        });
        let cap = u64::from(tight().cap_pair_day);
        self.days.len() as u64 * pairs.sum::<u64>() * cap
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_coalition_gains_more_than_the_caps(
        mask in 0_u8..16,
        steps in proptest::collection::vec(step(), 20..60),
    ) {
        let end = Coalition::new(mask).run(&steps);
        // the log alone tells the same story
        let view = end.farm.world.view();
        super::books::Books::audit(&end.farm.world.genesis, &view);
    }
}

/// Strangers alone: the same strategies with nobody turned mint nothing, ever.
#[test]
fn strangers_alone_gain_nothing() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..6 {
        let steps = proptest::collection::vec(step(), 60).new_tree(&mut runner);
        let end = Coalition::new(0).run(&steps.unwrap().current());
        assert_eq!(end.farm.total(), 0);
        assert_eq!(end.farm.books.minted, 0);
    }
}

/// The strategies reach what they are meant to reach: with institutions turned they earn,
/// meet the caps, redeem, and are punished.
#[test]
fn strategies_are_not_idle() {
    let mut runner = TestRunner::deterministic();
    let (mut minted, mut burnt, mut redeemed, mut capped) = (0, 0, 0, 0);
    for mask in [0b1001, 0b1111, 0b1110, 0b0111] {
        let steps = proptest::collection::vec(step(), 120).new_tree(&mut runner);
        let end = Coalition::new(mask).run(&steps.unwrap().current());
        minted += end.farm.books.minted;
        burnt += end.farm.books.burnt;
        redeemed += end.farm.books.redeemed();
        capped += end.farm.books.capped;
    }
    println!("{minted} minted, {capped} rewards capped, {burnt} burnt, {redeemed} redeemed");
    assert!(minted > 500 && capped > 20 && burnt >= 200 && redeemed > 2);
}
