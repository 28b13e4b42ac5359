//! Random histories. The ledger's outcomes are judged by an auditor that knows only the
//! log, keeps its own plain books and shares no code with the state machine.

use base::{
    AccountId, Action, CapsuleId, Millis, Operation, OperationId, RecordId, ScopeId, operation::*,
};
use ledger::{Block, Leaf, replay};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use crate::world::*;

/// One random step: what, for whom, and how much time goes by.
#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    a: u8,
    b: u8,
    c: u8,
    pause: u8,
    same_block: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (
        0_u8..22,
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(|(kind, a, b, c, pause, same_block)| Step {
            kind,
            a,
            b,
            c,
            pause,
            same_block,
        })
}

const HOSPITALS: [&str; 3] = ["mercy", "general", "coast"];
const PATIENTS: [&str; 2] = ["pat", "quinn"];
const QUERIERS: [&str; 4] = ["institute", "general", "coast", "loner"];
const AGENTS: [&str; 5] = ["am", "ag", "ac", "ai", "free"];
const SCOPES: [&str; 3] = ["s", "t", "u"];

fn pick<T: Copy>(list: &[T], at: u8) -> T {
    list[at as usize % list.len()]
}

/// What the generator remembers to make mostly sensible steps.
#[derive(Default)]
struct Memory {
    records: Vec<(&'static str, &'static str, RecordId, String, Vec<PartKey>)>,
    requests: Vec<(&'static str, &'static str, OperationId)>,
    grants: Vec<(&'static str, &'static str, OperationId, Terms)>,
    queries: Vec<(&'static str, OperationId)>,
    disputes: Vec<OperationId>,
    names: u32,
}

impl Memory {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }
}

fn at<T: Clone>(list: &[T], index: u8) -> Option<T> {
    (!list.is_empty()).then(|| list[index as usize % list.len()].clone())
}

/// One of the last few: what is old is mostly expired or answered.
fn recent<T: Clone>(list: &[T], index: u8) -> Option<T> {
    at(&list[list.len().saturating_sub(4)..], index)
}

/// The step's sender and action, if it makes sense yet.
fn action(world: &World, memory: &mut Memory, step: &Step) -> Option<(&'static str, Action)> {
    let Step { kind, a, b, c, .. } = *step;
    Some(match kind {
        0 | 1 => {
            let (hospital, patient) = (pick(&HOSPITALS, a), pick(&PATIENTS, b));
            let name = memory.name();
            let parts = (0..1 + u32::from(c % 4))
                .map(|part| PartKey {
                    part,
                    sid: sid(pick(&SCOPES, c.wrapping_add(part as u8))),
                    ctid: ctid(&format!("{name}/{part}")),
                })
                .collect();
            let publish = world.publishing(hospital, patient, &name);
            memory
                .records
                .push((hospital, patient, publish.record, name, parts));
            (hospital, publish.into())
        }
        2..=4 => {
            let (_, patient, record, name, parts) = at(&memory.records, a)?;
            let state = state(&name);
            let accept = Accept {
                record,
                state,
                parts,
            };
            (
                if c == 0 { pick(&PATIENTS, b) } else { patient },
                accept.into(),
            )
        }
        5..=7 => {
            let (querier, patient) = (pick(&QUERIERS, a), pick(&PATIENTS, b));
            let key = memory.name();
            (querier, world.requesting(patient, &key).into())
        }
        8..=10 => {
            let (_, patient, request) = recent(&memory.requests, a)?;
            let scopes: BTreeSet<_> = [pick(&SCOPES, b), pick(&SCOPES, b / 3)].into();
            let agents: BTreeSet<_> = [pick(&AGENTS, c), pick(&AGENTS, c / 50)].into();
            let mut terms = world.terms(
                request,
                &scopes.into_iter().collect::<Vec<_>>(),
                &agents.into_iter().collect::<Vec<_>>(),
            );
            terms.max_queries = pick(&[1, 2, 5, 2_000, 9_000], b);
            terms.expires = world.now().plus(pick(&[Millis::HOUR, Millis::DAY], c));
            (patient, authorizing(terms).into())
        }
        11 => {
            let (patient, _, grant, _) = recent(&memory.grants, a)?;
            (patient, Revoke { grant }.into())
        }
        12..=16 => {
            let (patient, querier, grant, terms) = recent(&memory.grants, a)?;
            let fits = |part: &PartKey| terms.sids.contains(&part.sid);
            let hers: Vec<_> = memory
                .records
                .iter()
                .filter(|record| record.1 == patient && record.4.iter().any(fits))
                .cloned()
                .collect();
            let strays = c < 20;
            let (_, _, record, name, parts) = at(if strays { &memory.records } else { &hers }, b)?;
            let named = AGENTS
                .into_iter()
                .filter(|name| terms.agents.contains(&id(name)));
            let agent = pick(
                &if strays {
                    AGENTS.to_vec()
                } else {
                    named.collect()
                },
                c,
            );
            let granted: Vec<_> = parts.iter().filter(|part| fits(part)).copied().collect();
            let part = at(if strays { &parts } else { &granted }, c / 5)?;
            let query = world.querying(&want(grant, querier, agent, record, &name, part));
            (agent, query.into())
        }
        17 | 18 => {
            let (querier, query) = at(&memory.queries, a)?;
            let verdict = pick(
                &[Verdict::Accepted, Verdict::Accepted, Verdict::PoorQuality],
                b,
            );
            (querier, reviewing(query, verdict).into())
        }
        19 if c < 60 => {
            let patient = pick(&PATIENTS, a);
            let next = sid(&memory.name());
            (
                patient,
                RotateScope {
                    sid: sid(pick(&SCOPES, b / 60)),
                    next,
                }
                .into(),
            )
        }
        20 => {
            let (_, query) = at(&memory.queries, a)?;
            let subject = Subject::Query(query);
            let code = pick(&[DisputeCode::Fabrication, DisputeCode::LyingAgent], b);
            (
                pick(&PATIENTS, c),
                Dispute {
                    subject,
                    code,
                    commitment: digest("e"),
                }
                .into(),
            )
        }
        19 => return None,
        _ => {
            let dispute = at(&memory.disputes, a)?;
            let resolution = pick(&[Resolution::Upheld, Resolution::Dismissed], b);
            (
                "node",
                Resolve {
                    dispute,
                    resolution,
                }
                .into(),
            )
        }
    })
}

/// Notes what an operation made.
fn remember(memory: &mut Memory, sender: &'static str, operation: &SignedOperation) {
    let made = operation.to_bytes().1;
    match &operation.body.action {
        Action::Request(request) => {
            let patient = PATIENTS
                .into_iter()
                .find(|name| id(name) == request.patient);
            memory.requests.push((sender, patient.unwrap(), made));
        }
        Action::Authorize(authorize) => {
            let terms = authorize.terms.clone();
            let request = memory
                .requests
                .iter()
                .find(|request| request.2 == terms.request);
            memory
                .grants
                .push((sender, request.unwrap().0, made, terms));
        }
        Action::Query(query) => {
            let grant = memory
                .grants
                .iter()
                .find(|grant| grant.2 == query.grant)
                .unwrap();
            memory.queries.push((grant.1, made));
        }
        Action::Dispute(_) => memory.disputes.push(made),
        _ => {}
    }
}

fn run(steps: &[Step]) -> World {
    let mut world = World::cast();
    let mut memory = Memory::default();
    let mut batch = Vec::new();
    for step in steps {
        if let Some((sender, action)) = action(&world, &mut memory, step) {
            batch.push((sender, world.sign(sender, action)));
        }
        if !step.same_block {
            log_all(&mut world, &mut memory, std::mem::take(&mut batch));
            world.advance(u64::from(step.pause) * 20_000);
        }
    }
    log_all(&mut world, &mut memory, batch);
    world
}

fn log_all(world: &mut World, memory: &mut Memory, batch: Vec<(&'static str, SignedOperation)>) {
    let bytes = batch.iter().map(|(_, operation)| operation.to_bytes().0);
    let results = world.block(bytes.collect());
    for ((sender, operation), result) in batch.iter().zip(results) {
        // Honest operations are leaves, whatever their outcome.
        if result.unwrap().outcome.is_ok() {
            remember(memory, sender, operation);
        }
    }
}

/// The auditor's books.
#[derive(Default)]
struct Books {
    accepted: BTreeMap<RecordId, (base::Cid, Vec<PartKey>, AccountId)>,
    patients: BTreeMap<RecordId, AccountId>,
    requests: BTreeMap<OperationId, (AccountId, AccountId)>,
    grants: BTreeMap<OperationId, (Terms, AccountId, AccountId)>,
    ended: BTreeMap<OperationId, Millis>,
    retired: BTreeSet<(AccountId, ScopeId)>,
    /// Per grant: capsule -> (scope, agents).
    used: BTreeMap<OperationId, BTreeMap<CapsuleId, (ScopeId, BTreeSet<AccountId>)>>,
    reviewed: BTreeSet<OperationId>,
    queries: BTreeMap<OperationId, AccountId>,
}

/// Hundredths of the hint budget by floating point, a little generous.
fn weight(queries: usize) -> f64 {
    if queries == 0 {
        return 0.0;
    }
    100.0 * ((queries as f64).sqrt() + 8.6).powi(2)
}

impl Books {
    fn audit(&mut self, block: &Block) {
        let now = block.head.header.time;
        for bytes in &block.leaves {
            let leaf: Leaf = base::codec::decode(bytes).unwrap();
            if leaf.outcome.is_ok() {
                let id = leaf.operation.to_bytes().1;
                self.note(id, &leaf.operation.body, now);
            }
        }
    }

    fn note(&mut self, id: OperationId, operation: &Operation, now: Millis) {
        let sender = operation.account;
        match &operation.action {
            Action::Publish(publish) => {
                assert!(
                    self.patients
                        .insert(publish.record, publish.patient)
                        .is_none()
                );
            }
            Action::Accept(accept) => {
                assert_eq!(self.patients[&accept.record], sender);
                let entry = (accept.state, accept.parts.clone(), sender);
                assert!(self.accepted.insert(accept.record, entry).is_none());
            }
            Action::Request(request) => {
                self.requests.insert(id, (request.patient, sender));
            }
            Action::Authorize(authorize) => self.authorized(id, &authorize.terms, sender, now),
            Action::Revoke(revoke) => {
                assert_eq!(self.grants[&revoke.grant].1, sender);
                assert!(self.ended.insert(revoke.grant, now).is_none());
            }
            Action::RotateScope(rotate) => {
                assert!(self.retired.insert((sender, rotate.sid)));
            }
            Action::Query(query) => self.queried(id, query, sender, now),
            Action::Review(review) => {
                assert_eq!(self.queries[&review.query], sender);
                assert!(self.reviewed.insert(review.query));
            }
            _ => {}
        }
    }

    fn authorized(&mut self, id: OperationId, terms: &Terms, patient: AccountId, now: Millis) {
        let (asked, requester) = self.requests[&terms.request];
        assert_eq!(asked, patient);
        assert!(
            self.grants
                .values()
                .all(|(other, ..)| other.request != terms.request)
        );
        for agent in &terms.agents {
            assert!(
                apart(*agent, requester),
                "agent and querier of one institution"
            );
        }
        for sid in &terms.sids {
            assert!(!self.retired.contains(&(patient, *sid)));
        }
        self.grants.insert(id, (terms.clone(), patient, requester));
        for sid in &terms.sids {
            let total: f64 = self
                .grants
                .iter()
                .filter(|(_, (terms, hers, _))| *hers == patient && terms.sids.contains(sid))
                .map(|(grant, (terms, ..))| {
                    let dead = self.ended.contains_key(grant) || now >= terms.expires;
                    weight(if dead {
                        let used = self.used.get(grant).into_iter().flatten();
                        used.filter(|(_, (at, _))| at == sid).count()
                    } else {
                        terms.max_queries as usize
                    })
                })
                .sum();
            assert!(total <= 3_276_800.0, "hint budget exceeded: {total}");
        }
    }

    fn queried(&mut self, id: OperationId, query: &Query, agent: AccountId, now: Millis) {
        let (terms, patient, requester) = &self.grants[&query.grant];
        assert!(
            terms.not_before <= now && now < terms.expires,
            "outside the grant's time"
        );
        assert!(!self.ended.contains_key(&query.grant), "after revocation");
        assert!(terms.agents.contains(&agent) && terms.sids.contains(&query.sid));
        assert!(apart(agent, *requester));
        assert!(!self.retired.contains(&(*patient, query.sid)));
        let (state, parts, owner) = &self.accepted[&query.record];
        assert_eq!((state, owner), (&query.state, patient));
        let part = PartKey {
            part: query.part,
            sid: query.sid,
            ctid: query.ctid,
        };
        assert!(parts.contains(&part));
        let used = self.used.entry(query.grant).or_default();
        let entry = used
            .entry(query.ctid)
            .or_insert_with(|| (query.sid, BTreeSet::new()));
        assert!(entry.1.insert(agent), "one agent, one capsule, once");
        assert!(
            used.len() <= terms.max_queries as usize,
            "more than was granted"
        );
        self.queries.insert(id, *requester);
    }
}

/// The cast's institutions, written out by hand.
fn apart(agent: AccountId, querier: AccountId) -> bool {
    let of = [
        ("am", "mercy"),
        ("ag", "general"),
        ("ac", "coast"),
        ("ai", "institute"),
    ];
    of.into_iter()
        .find(|(name, _)| id(name) == agent)
        .is_some_and(|(_, institution)| id(institution) != querier)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_histories(steps in proptest::collection::vec(step(), 40..140)) {
        let mut world = run(&steps);
        let view = world.view();
        let head = view.head().unwrap().header;
        let blocks: Vec<Block> = (1..=head.height)
            .map(|height| view.block(height).unwrap().unwrap())
            .collect();
        drop(view);
        // no rule broken
        let mut books = Books::default();
        blocks.iter().for_each(|block| books.audit(block));
        // replay = live
        let replayed = replay(&world.genesis, &blocks).unwrap();
        prop_assert_eq!(replayed.state_hash().digest(), head.state_hash);
        prop_assert_eq!(replayed.header(), &head);
        // restart = same
        world.reopen();
        prop_assert_eq!(world.view().head().unwrap().header, head);
        world.check_invariants();
    }
}

/// The generator reaches what it is meant to reach: without this the property could be
/// true of nothing.
#[test]
fn histories_are_not_empty() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<(&str, bool), u32> = BTreeMap::new();
    let mut why: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..6 {
        let steps = proptest::collection::vec(step(), 140..141);
        let world = run(&steps.new_tree(&mut runner).unwrap().current());
        for leaf in world.view().leaves(0, 10_000).unwrap() {
            let key = (leaf.operation.body.action.name(), leaf.outcome.is_ok());
            *seen.entry(key).or_default() += 1;
            *why.entry(format!("{} {:?}", key.0, leaf.outcome))
                .or_default() += 1;
        }
    }
    println!("{why:#?}");
    for name in [
        "Accept",
        "Authorize",
        "Query",
        "Review",
        "Revoke",
        "RotateScope",
    ] {
        assert!(seen.contains_key(&(name, true)), "no ok {name}");
    }
    assert!(seen.contains_key(&("Query", false)) && seen.contains_key(&("Authorize", false)));
}
