//! Patients who grant and revoke again and again, and agents who query all the while, each at
//! another validator than before. What they see is a history of grants.

use aws_lc_rs::signature::{KeyPair as _, ML_DSA_65_SIGNING, PqdsaKeyPair};
use base::{
    AccountId, CapsuleId, ChainId, Cid, Digest, Millis, Nonce, Operation, OperationId, RecordId,
    ScopeId, Signed, SignedOperation, Statement as _, cid,
    genesis::Institution,
    key::{HpkeKey, OperationSecret, RecordKey, RecordSignature},
    operation::{
        Accept, Action, Ask, Authorize, Commitment, ConsentToJoin, GrantUse, Join, PartKey,
        PatientKeys, ProvenRecordKey, Publish, Query, RecordKeyClaim, Register, Request, Review,
        Revoke, Role, SignedAsk, Terms, Verdict,
    },
};
use ledger::{Failure, Outcome};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    courier::{Courier, Sent},
    history::{self, Did, Event, Met},
    validators::Validators,
};

/// Somebody with a key, who sends one operation after the other.
struct Party {
    secret: OperationSecret,
    sequence: u64,
    chain: ChainId,
    courier: Courier,
    sent: Vec<Sent>,
}

/// One patient, who is asked again and again, and two agents.
struct Bed {
    patient: Party,
    requester: Party,
    agents: [Party; 2],
    record: RecordId,
    state: Cid,
    /// Grants so far.
    round: usize,
}

pub(crate) struct Ward {
    beds: Vec<Bed>,
    staff: Vec<Sent>,
    events: Vec<Event>,
}

/// The institutions that [`Ward`] needs from the start, as `network init` takes them.
pub(crate) fn institutions() -> Vec<String> {
    let institution = |name| Institution {
        account: account(name),
        group: None,
    };
    let all = ["clinic", "laboratory", "institute"].map(institution);
    all.iter().map(|one| one.account.to_string()).collect()
}

/// The clinic registers; gives what was sent for that.
pub(crate) fn clinic(net: &Validators) -> Vec<Sent> {
    Ward::open(net, 0).staff
}

/// The clinic, and its consent that this account joins, as `account join` takes them.
pub(crate) fn consent(chain: ChainId, account: AccountId) -> (String, String) {
    let clinic = secret("clinic");
    let institution = AccountId::of(&clinic.public());
    let consent = ConsentToJoin {
        chain,
        account,
        institution,
    };
    let signature = clinic.sign(&consent.preimage());
    let text = format!("medshare-consent1:{}", hex::encode(signature.0));
    (institution.to_string(), text)
}

impl Ward {
    /// Everybody is registered, and every patient has accepted a record.
    pub(crate) fn open(net: &Validators, beds: usize) -> Self {
        let chain = net.genesis().chain();
        let party = |name: &str, at: usize| Party {
            secret: secret(name),
            sequence: 0,
            chain,
            courier: Courier::new((0..net.count()).map(|node| net.client(node)).collect(), at),
            sent: Vec::new(),
        };
        let mut clinic = party("clinic", 0);
        let mut laboratory = party("laboratory", 1);
        clinic.register(Role::Hospital);
        laboratory.register(Role::Requester);
        let mut institute = party("institute", 2);
        institute.register(Role::Requester);
        let beds = (0..beds).map(|at| {
            let name = |what: &str| format!("{what} {at}");
            let mut bed = Bed {
                patient: party(&name("patient"), at),
                requester: party(&name("requester"), at + 1),
                agents: [
                    party(&name("agent"), at + 2),
                    party(&name("other agent"), at + 3),
                ],
                record: RecordId([0; 32]),
                state: cid::of_object(name("state").as_bytes()),
                round: 0,
            };
            bed.patient.register(Role::Patient);
            bed.requester.register(Role::Requester);
            bed.requester.join(&institute);
            for agent in &mut bed.agents {
                agent.register(Role::Agent);
                agent.join(&laboratory);
            }
            bed.admit(&mut clinic, Nonce(Digest::of(name("nonce").as_bytes()).0));
            bed
        });
        let beds = beds.collect();
        Self {
            beds,
            staff: [clinic.sent, laboratory.sent, institute.sent].concat(),
            events: Vec::new(),
        }
    }

    /// Works as long as `during` lasts, and until what was begun is done.
    pub(crate) fn run(&mut self, during: impl FnOnce()) {
        let over = AtomicBool::new(false);
        let events = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for bed in &mut self.beds {
                let (over, events) = (&over, &events);
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) && bed.round < ROUNDS {
                        let seen = bed.turn();
                        events.lock().unwrap().extend(seen);
                    }
                });
            }
            let _stop = super::load::Stop(&over);
            during();
        });
        self.events.append(&mut events.into_inner().unwrap());
    }

    /// Checks what was seen; gives everything that was acknowledged.
    pub(crate) fn close(self) -> Vec<Sent> {
        let count =
            |did: fn(&Did) -> bool| self.events.iter().filter(|event| did(&event.did)).count();
        let (grants, live) = (
            count(|did| *did == Did::Grant),
            count(|did| *did == Did::Query(Met::Live)),
        );
        let revoked = count(|did| *did == Did::Query(Met::Revoked));
        println!("{grants} grants; {live} queries under them, {revoked} refused after the end");
        assert!(live > 0 && revoked > 0, "the history shows nothing");
        if let Some(grant) = history::contradiction(&self.events) {
            let events = self.events.iter().filter(|event| event.grant == grant);
            panic!("no order explains {:#?}", events.collect::<Vec<_>>());
        }
        let beds = self.beds.into_iter();
        let sent = beds.flat_map(|bed| {
            let [one, other] = bed.agents;
            [bed.patient.sent, bed.requester.sent, one.sent, other.sent].concat()
        });
        self.staff.into_iter().chain(sent).collect()
    }
}

impl Bed {
    /// The clinic publishes the record, and the patient accepts it.
    fn admit(&mut self, clinic: &mut Party, nonce: Nonce) {
        self.record = RecordId::of(clinic.account(), &nonce);
        clinic.ok(Publish {
            record: self.record,
            nonce,
            patient: self.patient.account(),
            after: self.state,
        });
        self.patient.ok(Accept {
            record: self.record,
            state: self.state,
            parts: (0..ROUNDS * CAPSULES).map(part).collect(),
        });
    }

    /// One grant from its request to what is refused after its end.
    fn turn(&mut self) -> Vec<Event> {
        let round = self.round;
        self.round += 1;
        let now = Millis(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_millis() as u64,
        );
        let request = self.requester.ok(Request {
            patient: self.patient.account(),
            expires: now.plus(Millis::DAY),
            one_time_key: key(&self.requester.secret, round),
            commitment: Digest([1; 32]),
            cohort: None,
        });
        let authorize = self.authorize(request, now, round);
        let authorize = self.patient.sign(authorize);
        let grant = authorize.to_bytes().1;
        let asks = Asks {
            chain: self.patient.chain,
            requester: &self.requester.secret,
            grant,
            record: self.record,
            state: self.state,
            expires: now.plus(Millis::DAY),
            round,
        };
        let (ended, applied) = (AtomicBool::new(false), AtomicU32::new(0));
        let (mut seen, queries) = thread::scope(|scope| {
            let agents = self.agents.each_mut().map(|agent| {
                let (asks, ended, applied) = (&asks, &ended, &applied);
                scope.spawn(move || agent.query_all(asks, ended, applied))
            });
            let mut seen = vec![self.patient.act(grant, Did::Grant, &authorize)];
            let patience = Instant::now() + Duration::from_secs(60);
            while applied.load(Ordering::Relaxed) < 2 && Instant::now() < patience {
                thread::sleep(Duration::from_millis(5));
            }
            let revoke = self.patient.sign(Revoke { grant });
            seen.push(self.patient.act(grant, Did::Revoke, &revoke));
            ended.store(true, Ordering::Relaxed);
            let agents = agents.into_iter();
            (
                seen,
                agents
                    .flat_map(|agent| agent.join().unwrap())
                    .collect::<Vec<_>>(),
            )
        });
        for (event, query) in queries {
            if event.did == Did::Query(Met::Live) {
                self.requester.ok(Review {
                    query,
                    verdict: Verdict::Accepted,
                    evidence: None,
                });
            }
            seen.push(event);
        }
        seen
    }

    fn authorize(&self, request: OperationId, now: Millis, round: usize) -> Authorize {
        let mut agents = self.agents.each_ref().map(Party::account).to_vec();
        agents.sort();
        let sid = scope(round);
        let commitment = |agent: &AccountId| Commitment {
            sid,
            agent: *agent,
            com: Digest([2; 32]),
        };
        Authorize {
            commitments: agents.iter().map(commitment).collect(),
            packets: vec![Digest([3; 32]); 1 + agents.len()],
            terms: Terms {
                request,
                purpose: GrantUse::Ordinary,
                sids: vec![sid],
                agents,
                // A block's time may be a little behind this clock.
                not_before: Millis(now.0 - Millis::HOUR),
                expires: now.plus(Millis::DAY),
                max_queries: CAPSULES as u32,
            },
        }
    }
}

/// What is needed for the queries of one grant.
struct Asks<'a> {
    chain: ChainId,
    requester: &'a OperationSecret,
    grant: OperationId,
    record: RecordId,
    state: Cid,
    expires: Millis,
    round: usize,
}

impl Asks<'_> {
    fn query(&self, agent: AccountId, number: usize) -> Query {
        let part = part(self.round * CAPSULES + number);
        let ask = Ask {
            chain: self.chain,
            grant: self.grant,
            state: self.state,
            part: part.part,
            agent,
            expires: self.expires,
        };
        Query {
            grant: self.grant,
            ask: SignedAsk {
                expires: ask.expires,
                signature: Signed::new(ask, self.requester).signature,
            },
            record: self.record,
            state: self.state,
            part: part.part,
            sid: part.sid,
            ctid: part.ctid,
            result: Digest([4; 32]),
        }
    }
}

impl Party {
    fn account(&self) -> AccountId {
        AccountId::of(&self.secret.public())
    }

    fn sign(&mut self, action: impl Into<Action>) -> SignedOperation {
        self.sequence += 1;
        let operation = Operation {
            chain: self.chain,
            account: self.account(),
            delegation: None,
            sequence: self.sequence,
            action: action.into(),
        };
        Signed::new(operation, &self.secret)
    }

    fn deliver(&mut self, operation: &SignedOperation) -> Outcome {
        let outcome = self.courier.deliver(operation);
        self.sent.push((operation.clone(), outcome));
        outcome
    }

    fn ok(&mut self, action: impl Into<Action>) -> OperationId {
        let operation = self.sign(action);
        let outcome = self.deliver(&operation);
        assert!(outcome.is_ok(), "{outcome:?}: {operation:?}");
        operation.to_bytes().1
    }

    fn act(&mut self, grant: OperationId, did: Did, operation: &SignedOperation) -> Event {
        let called = Instant::now();
        let outcome = self.deliver(operation);
        assert!(outcome.is_ok(), "{outcome:?}: {operation:?}");
        Event {
            grant,
            did,
            called,
            answered: Instant::now(),
        }
    }

    fn register(&mut self, role: Role) {
        let account = self.account();
        self.ok(Register {
            role,
            operation_key: self.secret.public(),
            hpke_key: HpkeKey::new(vec![2; HpkeKey::LENGTH]).unwrap(),
            record_key: (role == Role::Hospital).then(|| record_key(self.chain, account)),
            peer: None,
            patient: (role == Role::Patient).then(|| PatientKeys {
                pkh: Digest::of(&account.0),
                h: cid::of_block(cid::RAW, &account.0),
            }),
        });
    }

    fn join(&mut self, institution: &Self) {
        let consent = ConsentToJoin {
            chain: self.chain,
            account: self.account(),
            institution: institution.account(),
        };
        self.ok(Join {
            institution: institution.account(),
            consent: institution.secret.sign(&consent.preimage()),
        });
    }

    /// Queries one capsule after the other, the last ones after the grant has ended.
    fn query_all(
        &mut self,
        asks: &Asks<'_>,
        ended: &AtomicBool,
        applied: &AtomicU32,
    ) -> Vec<(Event, OperationId)> {
        let (mut seen, mut after) = (Vec::new(), 0);
        for number in 0..CAPSULES {
            // The last is kept for after the end.
            while number + 1 == CAPSULES && !ended.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5));
            }
            after += u32::from(ended.load(Ordering::Relaxed));
            let query = asks.query(self.account(), number);
            let query = self.sign(query);
            let called = Instant::now();
            let met = match self.deliver(&query) {
                Outcome::Ok => Met::Live,
                Outcome::Failed(Failure::NoGrant) => Met::NoGrant,
                Outcome::Failed(Failure::GrantRevoked) => Met::Revoked,
                other => panic!("{other:?}: {query:?}"),
            };
            applied.fetch_add(u32::from(met == Met::Live), Ordering::Relaxed);
            let event = Event {
                grant: asks.grant,
                did: Did::Query(met),
                called,
                answered: Instant::now(),
            };
            seen.push((event, query.to_bytes().1));
            if after == 2 {
                break;
            }
        }
        seen
    }
}

fn secret(name: &str) -> OperationSecret {
    OperationSecret::new(Digest::of(name.as_bytes()).0)
}

fn account(name: &str) -> AccountId {
    AccountId::of(&secret(name).public())
}

/// A hospital's ML-DSA key, with its proof.
fn record_key(chain: ChainId, account: AccountId) -> ProvenRecordKey {
    let pair = PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, &account.0).unwrap();
    let key = RecordKey::new(pair.public_key().as_ref().to_vec()).unwrap();
    let claim = RecordKeyClaim {
        chain,
        account,
        key: key.clone(),
    };
    let mut proof = vec![0; RecordSignature::LENGTH];
    pair.sign(&claim.preimage(), &mut proof).unwrap();
    ProvenRecordKey {
        key,
        proof: RecordSignature::new(proof).unwrap(),
    }
}

/// A one-time key that nobody used before.
fn key(secret: &OperationSecret, round: usize) -> HpkeKey {
    let seed = [&secret.public().0[..], &round.to_be_bytes()].concat();
    let bytes = Digest::of(&seed).0;
    HpkeKey::new(
        bytes
            .iter()
            .copied()
            .cycle()
            .take(HpkeKey::LENGTH)
            .collect(),
    )
    .unwrap()
}

/// Each grant has a scope of its own, so that no budget ends.
fn scope(round: usize) -> ScopeId {
    ScopeId(Digest::of(format!("scope {round}").as_bytes()).0)
}

fn part(number: usize) -> PartKey {
    PartKey {
        part: number as u32,
        sid: scope(number / CAPSULES),
        ctid: CapsuleId(Digest::of(format!("capsule {number}").as_bytes()).0),
    }
}

/// Grants of one patient.
const ROUNDS: usize = 100;
/// Capsules under each.
const CAPSULES: usize = 8;
