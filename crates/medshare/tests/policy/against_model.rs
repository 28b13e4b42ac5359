//! Random histories: after every block, for every node and every block of every record, the
//! policy says what a model says that looks through everything that was done.

use base::{Cid, Millis, OperationId, RecordId, operation::*};
use ledger::Outcome;
use medshare::peers::hint::Says;
use proptest::prelude::*;
use std::collections::BTreeSet;

use crate::{
    stage::{NODES, Stage, account, now},
    world,
};

const HOSPITALS: [&str; 3] = ["mercy", "general", "coast"];
const PATIENTS: [&str; 2] = ["pat", "quinn"];
const REQUESTERS: [&str; 3] = ["institute", "coast", "general"];
const AGENTS: [(&str, &str); 4] = [
    ("am", "mercy"),
    ("ag", "general"),
    ("ac", "coast"),
    ("ai", "institute"),
];
const SIDS: [&str; 3] = ["s0", "s1", "s2"];

#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    a: usize,
    b: usize,
    c: usize,
}

fn step() -> impl Strategy<Value = Step> {
    (0..13u8, 0..12usize, 0..12usize, 0..12usize).prop_map(|(kind, a, b, c)| Step { kind, a, b, c })
}

/// What was done to one record, as a list of facts.
struct Emr {
    id: RecordId,
    hospital: &'static str,
    patient: &'static str,
    states: Vec<(Cid, Cid)>,
    accepted: Option<usize>,
    sid: &'static str,
    erased_by_hospital: bool,
    erased_by_patient: bool,
}

struct Given {
    id: OperationId,
    patient: &'static str,
    requester: &'static str,
    sid: &'static str,
    agent_of: &'static str,
    emergency: bool,
    until: Millis,
    revoked: bool,
}

#[derive(Default)]
struct Model {
    records: Vec<Emr>,
    grants: Vec<Given>,
    met: BTreeSet<(&'static str, &'static str)>,
    emergencies: Vec<(&'static str, &'static str, Millis)>,
    /// Giver's institution, root, keeper.
    given: BTreeSet<(&'static str, Cid, &'static str)>,
    delegations: Vec<(OperationId, &'static str, &'static str, Millis, bool)>,
    count: u64,
}

impl Model {
    fn may_have(&self, node: &str, institution: &str, record: &Emr, state: usize) -> bool {
        let erased = record.erased_by_hospital || record.erased_by_patient;
        let (root, _) = record.states[state];
        let publisher = record.hospital == institution && !record.erased_by_hospital;
        let copy = !erased
            && self.given.iter().any(|(giver, given, keeper)| {
                *giver == record.hospital && *given == root && *keeper == node
            });
        let delegate = self
            .delegations
            .iter()
            .any(|(_, patient, of, until, ended)| {
                *patient == record.patient && *of == institution && !ended && now() < *until
            });
        let patients = !record.erased_by_patient
            && (delegate
                || self
                    .met
                    .iter()
                    .any(|(by, patient)| *by == institution && *patient == record.patient));
        let granted = !erased
            && record.accepted == Some(state)
            && self.grants.iter().any(|grant| {
                grant.patient == record.patient
                    && grant.sid == record.sid
                    && !grant.revoked
                    && now() < grant.until
                    && (grant.requester == institution || grant.agent_of == institution)
                    && (!grant.emergency || self.broken(grant))
            });
        publisher || copy || patients || granted
    }

    fn broken(&self, grant: &Given) -> bool {
        self.emergencies.iter().any(|(hospital, patient, time)| {
            *hospital == grant.requester
                && *patient == grant.patient
                && now() < time.plus(24 * Millis::HOUR)
        })
    }
}

fn play(stage: &Stage, model: &mut Model, step: &Step) {
    let Step { kind, a, b, c } = *step;
    let hospital = HOSPITALS[a % 3];
    let patient = PATIENTS[b % 2];
    model.count += 1;
    let name = format!("x{}", model.count);
    match kind {
        0 | 1 => {
            let record = world::record_id(hospital, &name);
            let (root, body) = stage.seal(record, &name, None);
            let publish = Publish {
                record,
                nonce: world::nonce(&name),
                patient: account(patient),
                after: root,
            };
            if stage.send(hospital, publish).1 == Outcome::Ok {
                model.records.push(Emr {
                    id: record,
                    hospital,
                    patient,
                    states: vec![(root, body)],
                    accepted: None,
                    sid: "none",
                    erased_by_hospital: false,
                    erased_by_patient: false,
                });
            }
        }
        2 | 3 => {
            let Some(record) = pick(&mut model.records, a) else {
                return;
            };
            let last = record.states.len() - 1;
            let sid = SIDS[c % 3];
            let accept = Accept {
                record: record.id,
                state: record.states[last].0,
                parts: world::parts(&[(sid, &name)]),
            };
            if stage.send(record.patient, accept).1 == Outcome::Ok {
                record.accepted = Some(last);
                record.sid = sid;
            }
        }
        4 => {
            let Some(record) = pick(&mut model.records, a) else {
                return;
            };
            let Some(accepted) = record.accepted else {
                return;
            };
            let before = record.states[accepted].0;
            let (after, body) = stage.seal(record.id, &name, Some(before));
            let modify = Modify {
                record: record.id,
                before,
                after,
            };
            if stage.send(record.hospital, modify).1 == Outcome::Ok {
                record.states.push((after, body));
            }
        }
        5 | 6 => {
            let requester = REQUESTERS[a % 3];
            let (agent, agent_of) = AGENTS[c % 4];
            let sid = SIDS[(a + c) % 3];
            let emergency = requester != "institute" && b > 7;
            let purpose = match emergency {
                true => GrantUse::Emergency,
                false => GrantUse::Ordinary,
            };
            if let Some(id) = stage.grant(patient, requester, sid, agent, purpose) {
                // The terms were made a block before the grant was logged.
                let until = stage
                    .world
                    .lock()
                    .unwrap()
                    .view()
                    .grant(id)
                    .unwrap()
                    .unwrap();
                model.grants.push(Given {
                    id,
                    patient,
                    requester,
                    sid,
                    agent_of,
                    emergency,
                    until: until.terms.expires,
                    revoked: false,
                });
            }
        }
        7 => {
            let Some(grant) = pick(&mut model.grants, a) else {
                return;
            };
            let sent = stage.send(grant.patient, Revoke { grant: grant.id });
            grant.revoked |= sent.1 == Outcome::Ok;
        }
        8 => {
            let Some(record) = pick(&mut model.records, a) else {
                return;
            };
            let by = if b % 2 == 0 {
                record.hospital
            } else {
                record.patient
            };
            if stage.send(by, Erase { record: record.id }).1 == Outcome::Ok {
                record.erased_by_hospital |= by == record.hospital;
                record.erased_by_patient |= by == record.patient;
            }
        }
        9 => {
            let met = stage.send(
                hospital,
                Attest {
                    patient: account(patient),
                },
            );
            if met.1 == Outcome::Ok {
                model.met.insert((hospital, patient));
            }
        }
        10 => stage.tick([60_000, Millis::HOUR / 2, 9 * Millis::HOUR][c % 3]),
        11 => {
            let giver = NODES[a % 4];
            let keeper = NODES[b % 4].0;
            let Some(record) = pick(&mut model.records, c) else {
                return;
            };
            let root = record.states[0].0;
            let key = (giver.1.unwrap(), root, keeper);
            stage.tick(1);
            let says = match model.given.contains(&key) {
                true => Says::Withdrawn(account(keeper)),
                false => Says::Entrusted(account(keeper)),
            };
            assert!(stage.say(giver.0, root, says));
            if !model.given.remove(&key) {
                model.given.insert(key);
            }
        }
        _ => {
            let code = EmergencyCode::Urgent;
            if a % 2 == 0 {
                let broke = stage.send(
                    hospital,
                    Emergency {
                        patient: account(patient),
                        code,
                    },
                );
                if broke.1 == Outcome::Ok {
                    model.emergencies.push((hospital, patient, now()));
                }
            } else if c < 8 {
                let until = now().plus(Millis::HOUR);
                let delegate = Delegate {
                    delegate: account(hospital),
                    powers: vec![Power::Accept],
                    expires: until,
                };
                let (id, outcome) = stage.send(patient, delegate);
                if outcome == Outcome::Ok {
                    model
                        .delegations
                        .push((id, patient, hospital, until, false));
                }
            } else if let Some(delegation) = pick(&mut model.delegations, c) {
                let end = Undelegate {
                    delegation: delegation.0,
                };
                delegation.4 |= stage.send(delegation.1, end).1 == Outcome::Ok;
            }
        }
    }
}

fn pick<T>(items: &mut [T], at: usize) -> Option<&mut T> {
    let count = items.len();
    items.get_mut(at % count.max(1))
}

fn compare(stage: &Stage, model: &Model) {
    for record in &model.records {
        for (at, (root, body)) in record.states.iter().enumerate() {
            for (node, institution) in NODES {
                let allowed = |state| {
                    institution
                        .is_some_and(|institution| model.may_have(node, institution, record, state))
                };
                // A block is reached from its own state and from every later one.
                let expected = (at..record.states.len()).any(allowed);
                for block in [root, body] {
                    assert_eq!(
                        stage.may_have(node, block),
                        expected,
                        "{node}, state {at} of a record of {} for {}",
                        record.hospital,
                        record.patient
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_policy_is_the_models(steps in prop::collection::vec(step(), 10..45)) {
        let stage = Stage::new();
        let mut model = Model::default();
        model.met.insert(("mercy", "pat"));
        for step in &steps {
            play(&stage, &mut model, step);
            compare(&stage, &model);
        }
    }
}
