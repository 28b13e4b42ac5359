//! A world with a coalition in it. Every block goes through the auditor's books.

use base::{OperationId, RecordId, genesis::Policy, operation::*};
use ledger::{Failure, Outcome};
use std::collections::BTreeMap;

use super::books::{Books, gains};
use crate::world::*;

/// Admitted: three hospitals and an institute, one agent each, no groups.
pub const INSTITUTIONS: [&str; 4] = ["mercy", "general", "coast", "institute"];
pub const HONEST_AGENTS: [(&str, &str); 4] = [
    ("am", "mercy"),
    ("ag", "general"),
    ("ac", "coast"),
    ("ai", "institute"),
];
/// Not admitted, whatever they call themselves.
pub const SYBILS: [(&str, Role); 12] = [
    ("p0", Role::Patient),
    ("p1", Role::Patient),
    ("p2", Role::Patient),
    ("p3", Role::Patient),
    ("r0", Role::Requester),
    ("r1", Role::Requester),
    ("r2", Role::Requester),
    ("quack", Role::Hospital),
    ("x0", Role::Agent),
    ("x1", Role::Agent),
    ("x2", Role::Agent),
    ("n0", Role::Node),
];

/// The protocol page's tariff under caps that a short strategy can reach.
pub fn small() -> Policy {
    Policy {
        cap_institution_day: 60,
        cap_pair_day: 100,
        cap_attest_day: 2,
        tiers: vec![10, 40, 90],
        ..Policy::default()
    }
}

/// A published and accepted record.
#[derive(Clone)]
pub struct Chart {
    pub hospital: String,
    pub patient: String,
    pub record: RecordId,
    pub name: String,
    pub parts: Vec<PartKey>,
}

/// One request, its grant, a query for each part by each agent, and the reviews.
pub struct Deal<'a> {
    pub querier: &'a str,
    pub agents: &'a [&'a str],
    pub chart: &'a Chart,
    pub parts: usize,
    pub verdict: Option<Verdict>,
}

pub struct Farm {
    pub world: World,
    pub books: Books,
    policy: Policy,
    batch: Vec<SignedOperation>,
    names: u32,
}

impl Farm {
    pub fn new(policy: Policy) -> Self {
        Self::grouped(policy, &INSTITUTIONS.map(|name| (name, None)))
    }

    pub fn grouped(policy: Policy, founders: &[(&str, Option<u32>)]) -> Self {
        let world = World::empty(genesis(&["node"], founders, policy.clone()));
        let books = Books::new(&world.genesis);
        let mut farm = Self {
            world,
            books,
            policy,
            batch: Vec::new(),
            names: 0,
        };
        let chain = farm.world.chain();
        for name in INSTITUTIONS {
            let role = if name == "institute" {
                Role::Requester
            } else {
                Role::Hospital
            };
            farm.add(name, registration(chain, name, role));
        }
        for (agent, institution) in HONEST_AGENTS {
            farm.add(agent, registration(chain, agent, Role::Agent));
            let join = farm.world.joining(agent, institution);
            farm.add(agent, join);
        }
        for (name, role) in SYBILS {
            farm.add(name, registration(chain, name, role));
        }
        assert!(farm.seal().iter().all(|outcome| outcome.is_ok()));
        farm
    }

    /// Signs an operation for the next block.
    pub fn add(&mut self, name: &str, action: impl Into<Action>) -> OperationId {
        let operation = self.world.sign(name, action);
        let id = operation.to_bytes().1;
        self.batch.push(operation);
        id
    }

    /// Makes the block; the auditor and every cap agree with it.
    pub fn seal(&mut self) -> Vec<Outcome> {
        if self.batch.is_empty() {
            return Vec::new();
        }
        let batch = std::mem::take(&mut self.batch);
        let bytes = batch.iter().map(|operation| operation.to_bytes().0);
        let receipts = self.world.block(bytes.collect());
        let view = self.world.view();
        let height = view.head().unwrap().header.height;
        self.books.block(&view.block(height).unwrap().unwrap());
        gains(&view, &self.books, &self.policy);
        self.books.agree(&view);
        receipts
            .into_iter()
            .map(|receipt| receipt.unwrap().outcome)
            .collect()
    }

    pub fn fresh(&mut self) -> String {
        self.names += 1;
        format!("f{}", self.names)
    }

    pub fn attest(&mut self, by: &str, patient: &str) {
        let patient = id(patient);
        self.add(by, Attest { patient });
    }

    pub fn chart(&mut self, hospital: &str, patient: &str, parts: usize) -> Chart {
        let name = self.fresh();
        let parts: Vec<_> = (0..parts as u32)
            .map(|part| PartKey {
                part,
                sid: sid(&name),
                ctid: ctid(&format!("{name}/{part}")),
            })
            .collect();
        let publish = self.world.publishing(hospital, patient, &name);
        let record = publish.record;
        self.add(hospital, publish);
        let accept = Accept {
            record,
            state: state(&name),
            parts: parts.clone(),
        };
        self.add(patient, accept);
        Chart {
            hospital: hospital.into(),
            patient: patient.into(),
            record,
            name,
            parts,
        }
    }

    /// The queries that the deal would log.
    pub fn deal(&mut self, deal: &Deal<'_>) -> Vec<OperationId> {
        let key = self.fresh();
        let request = self.world.requesting(&deal.chart.patient, &key);
        let request = self.add(deal.querier, request);
        let mut terms = self.world.terms(request, &[&deal.chart.name], deal.agents);
        terms.max_queries = deal.parts.max(1) as u32;
        let grant = self.add(&deal.chart.patient, authorizing(terms));
        let mut queries = Vec::new();
        for part in deal.chart.parts.iter().take(deal.parts) {
            for agent in deal.agents {
                let want = want(
                    grant,
                    deal.querier,
                    agent,
                    deal.chart.record,
                    &deal.chart.name,
                    *part,
                );
                let query = self.world.querying(&want);
                let query = self.add(agent, query);
                queries.push(query);
                if let Some(verdict) = deal.verdict {
                    self.add(deal.querier, reviewing(query, verdict));
                }
            }
        }
        queries
    }

    /// The deal again and again, each under a grant of its own ("split requests").
    pub fn split(&mut self, deal: &Deal<'_>, times: usize) {
        for _ in 0..times {
            self.deal(deal);
        }
        self.seal();
    }

    /// What everybody gained so far, by name.
    pub fn gains(&self) -> BTreeMap<&'static str, u64> {
        let gains = gains(&self.world.view(), &self.books, &self.policy);
        let agents = HONEST_AGENTS.iter().map(|(name, _)| *name);
        let sybils = SYBILS.iter().map(|(name, _)| *name);
        INSTITUTIONS
            .into_iter()
            .chain(agents)
            .chain(sybils)
            .filter_map(|name| Some((name, *gains.get(&id(name))?)))
            .collect()
    }

    pub fn total(&self) -> u64 {
        self.gains().values().sum()
    }

    pub fn redeem(&mut self, account: &str, tier: u8, hospital: &str) {
        let voucher = VoucherId {
            account: id(account),
            tier,
        };
        let hospital = id(hospital);
        self.add(account, Redeem { voucher, hospital });
    }
}

/// Outcomes of a block as failures; none for `ok`.
pub fn failures(outcomes: Vec<Outcome>) -> Vec<Option<Failure>> {
    outcomes.into_iter().map(Outcome::failure).collect()
}
