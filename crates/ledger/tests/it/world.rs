//! A small world to test in: parties with keys made from their names, one validator, and
//! a ledger on disk whose invariants are checked after every block.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base::{
    AccountId, ChainId, Cid, Millis, Operation, OperationId, RecordId, Signed, Statement,
    genesis::{Genesis, Institution, Policy, Validator},
    key::OperationSecret,
    operation::*,
};
use ledger::{
    Certificate, CreditReason, Failure, Header, Ledger, OpenOptions, Outcome, Page, Receipt,
    Refusal, Slot, check_batch,
};
use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
};
use tempfile::TempDir;

/// Names of nodes, whose keys are made of them.
pub const NODES: [&str; 8] = ["node", "n2", "n3", "n4", "n5", "n6", "node2", "spare"];

pub const START: u64 = 1_795_305_600_000; // 2026-11-22

#[path = "world/guards.rs"]
mod guards;
#[path = "world/names.rs"]
mod names;

#[allow(unused_imports)]
pub use guards::*;
pub use names::*;

/// `nodes` validators; `founders` are institutions from the start, with groups.
pub fn genesis(nodes: &[&str], founders: &[(&str, Option<u32>)], policy: Policy) -> Genesis {
    Genesis {
        version: base::Version,
        network: "test".into(),
        created: Millis(START),
        drift: 5_000,
        validators: nodes
            .iter()
            .map(|name| Validator {
                key: secret(name).public(),
                hpke_key: hpke(name),
            })
            .collect(),
        institutions: founders
            .iter()
            .map(|(name, group)| Institution {
                account: id(name),
                group: *group,
            })
            .collect(),
        policy,
    }
}

pub struct World {
    pub dir: TempDir,
    pub ledger: Option<Ledger>,
    pub genesis: Genesis,
    pub time: u64,
    pub sequences: HashMap<AccountId, u64>,
    pub keys: HashMap<AccountId, OperationSecret>,
    /// The round in which the next blocks are built.
    pub round: u32,
}

impl World {
    /// Nobody is registered.
    pub fn empty(genesis: Genesis) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(
            &dir.path().join("ledger.redb"),
            &genesis,
            OpenOptions::default(),
        )
        .unwrap();
        Self {
            dir,
            ledger: Some(ledger),
            genesis,
            time: START,
            sequences: HashMap::new(),
            keys: HashMap::new(),
            round: 0,
        }
    }

    /// The usual cast. Hospitals mercy, general and coast; institute (all admitted, no
    /// group; coast and institute share a group if asked); agents am, ag, ac of mercy,
    /// general and coast, ai of institute, free of nobody; patients pat and quinn;
    /// requester loner without institution. Pat is attested by mercy.
    pub fn cast_with(policy: Policy, founders: &[(&str, Option<u32>)]) -> Self {
        let mut world = Self::empty(genesis(&["node"], founders, policy));
        for name in ["mercy", "general", "coast"] {
            world.register(name, Role::Hospital);
        }
        for name in ["institute", "loner"] {
            world.register(name, Role::Requester);
        }
        for name in ["am", "ag", "ac", "ai", "free"] {
            world.register(name, Role::Agent);
        }
        for name in ["pat", "quinn"] {
            world.register(name, Role::Patient);
        }
        for (agent, institution) in [
            ("am", "mercy"),
            ("ag", "general"),
            ("ac", "coast"),
            ("ai", "institute"),
        ] {
            world.join(agent, institution);
        }
        world.ok("mercy", Attest { patient: id("pat") });
        world
    }

    pub fn cast() -> Self {
        Self::cast_with(
            Policy::default(),
            &[
                ("mercy", None),
                ("general", None),
                ("coast", None),
                ("institute", None),
            ],
        )
    }

    pub fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    pub fn view(&self) -> ledger::View {
        self.ledger().view().unwrap()
    }

    pub fn chain(&self) -> ChainId {
        self.genesis.chain()
    }

    pub fn now(&self) -> Millis {
        Millis(self.time)
    }

    /// Time of the next block, if nothing else advances it.
    pub fn next(&self) -> Millis {
        Millis(self.time + 1)
    }

    pub fn advance(&mut self, milliseconds: u64) {
        self.time += milliseconds;
    }

    pub fn reopen(&mut self) {
        self.ledger = None;
        let path = self.dir.path().join("ledger.redb");
        self.ledger = Some(Ledger::open(&path, &self.genesis, OpenOptions::default()).unwrap());
    }

    pub fn secret_of(&self, account: AccountId, name: &str) -> OperationSecret {
        self.keys
            .get(&account)
            .cloned()
            .unwrap_or_else(|| secret(name))
    }

    pub fn sequence(&self, name: &str) -> u64 {
        self.sequences.get(&id(name)).copied().unwrap_or(0)
    }

    /// The next operation of a party, signed.
    pub fn sign(&mut self, name: &str, action: impl Into<Action>) -> SignedOperation {
        self.sign_for(name, None, action)
    }

    pub fn sign_for(
        &mut self,
        name: &str,
        delegation: Option<OperationId>,
        action: impl Into<Action>,
    ) -> SignedOperation {
        let account = id(name);
        let sequence = self.sequences.entry(account).or_default();
        *sequence += 1;
        let operation = Operation {
            chain: self.genesis.chain(),
            account,
            delegation,
            sequence: *sequence,
            action: action.into(),
        };
        Signed::new(operation, &self.secret_of(account, name))
    }

    /// One block of these bytes; what became of each.
    pub fn block(&mut self, batch: Vec<Vec<u8>>) -> Vec<Result<Receipt, Refusal>> {
        self.time += 1;
        let ledger = self.ledger.as_ref().unwrap();
        let checked = check_batch(batch, self.genesis.chain(), &ledger.view().unwrap()).unwrap();
        let (mut slots, mut good) = (Vec::new(), Vec::new());
        for result in checked {
            match result {
                Ok(operation) => {
                    slots.push(None);
                    good.push(operation);
                }
                Err(refusal) => slots.push(Some(refusal)),
            }
        }
        let pending = ledger
            .propose(good, Millis(self.time), self.slot())
            .unwrap();
        let fates = pending.fates().to_vec();
        assert_eq!(pending.len(), fates.iter().flatten().count());
        let receipts = if pending.is_empty() {
            Vec::new()
        } else {
            let certificate = self.certificate(pending.header());
            ledger.commit(pending, certificate).unwrap()
        };
        self.check_invariants();
        let (mut fates, mut receipts) = (fates.into_iter(), receipts.into_iter());
        slots
            .into_iter()
            .map(|slot| match slot {
                Some(refusal) => Err(refusal),
                None => fates.next().unwrap().map(|_| receipts.next().unwrap()),
            })
            .collect()
    }

    /// Whose turn it is.
    pub fn slot(&self) -> Slot {
        let height = self.view().head().unwrap().header.height + 1;
        let validators = self.ledger().validators();
        let seat = validators.newest().proposer(height, self.round);
        Slot {
            proposer: seat.unwrap().account,
            round: NonZeroU32::new(self.round),
        }
    }

    /// All validators sign.
    pub fn certificate(&self, header: &Header) -> Certificate {
        let validators = self.ledger().validators();
        let mut all = Vec::new();
        for seat in validators.at(header.height).seats() {
            let names = NODES.iter().map(|name| secret(name));
            let mut secrets = names.chain(self.keys.values().cloned());
            let secret = secrets.find(|secret| secret.public() == seat.key).unwrap();
            all.push((seat.account, secret.sign(&header.preimage())));
        }
        let mut certificate = header.certify(&secret("node"));
        certificate.signatures = all;
        certificate
    }

    /// Conservation of credit, and the state hash against the tables.
    pub fn check_invariants(&self) {
        let view = self.view();
        let totals = view.totals().unwrap();
        let mut sum = 0;
        let mut lines = 0;
        for account in view.accounts(Page::default()).unwrap().items {
            let balance = view.balance(account.id).unwrap();
            let journal = view.journal(account.id, 0).unwrap();
            assert_eq!(
                journal.iter().map(|line| line.amount).sum::<i64>(),
                balance.amount
            );
            for line in &journal {
                if line.reason == CreditReason::MissedTurn {
                    continue; // caused by a block, not by an operation
                }
                assert!(
                    view.operation(line.cause)
                        .unwrap()
                        .unwrap()
                        .1
                        .outcome
                        .is_ok()
                );
            }
            sum += balance.amount;
            lines += journal.len();
        }
        assert_eq!(
            sum + totals.burnt as i64,
            totals.minted as i64,
            "{lines} lines"
        );
        let head = view.head().unwrap().header;
        assert_eq!(
            view.recompute_state_hash().unwrap().digest(),
            head.state_hash
        );
    }

    pub fn submit(&mut self, operation: &SignedOperation) -> Result<Receipt, Refusal> {
        self.block(vec![operation.to_bytes().0]).remove(0)
    }

    /// One operation in a block of its own.
    pub fn send(&mut self, name: &str, action: impl Into<Action>) -> (OperationId, Outcome) {
        let operation = self.sign(name, action);
        let receipt = self.submit(&operation).unwrap();
        receipt
            .clone()
            .verify(&self.ledger().validators(), &operation)
            .unwrap();
        (receipt.id, receipt.outcome)
    }

    pub fn ok(&mut self, name: &str, action: impl Into<Action>) -> OperationId {
        let action = action.into();
        let kind = action.name();
        let (id, outcome) = self.send(name, action);
        assert_eq!(outcome, Outcome::Ok, "{name} {kind}");
        id
    }

    pub fn fails(&mut self, name: &str, action: impl Into<Action>, failure: Failure) {
        let before = self.view().recompute_state_hash().unwrap();
        let action = action.into();
        let kind = action.name();
        let (_, outcome) = self.send(name, action);
        assert_eq!(outcome, Outcome::Failed(failure), "{name} {kind}");
        // Only the sequence number changed.
        let mut after = self.view().recompute_state_hash().unwrap();
        assert_ne!(before, after);
        let key = [&[2], id(name).0.as_slice()].concat();
        let last = self.sequence(name);
        after.remove(&key, &sequence_bytes(last));
        if last > 1 {
            after.add(&key, &sequence_bytes(last - 1));
        }
        assert_eq!(before, after, "{name} {kind} changed more than its number");
    }

    pub fn ok_for(
        &mut self,
        name: &str,
        delegation: OperationId,
        action: impl Into<Action>,
    ) -> OperationId {
        let operation = self.sign_for(name, Some(delegation), action);
        let receipt = self.submit(&operation).unwrap();
        assert_eq!(receipt.outcome, Outcome::Ok, "{name} as delegate");
        receipt.id
    }

    pub fn fails_for(
        &mut self,
        name: &str,
        delegation: OperationId,
        action: impl Into<Action>,
        failure: Failure,
    ) {
        let operation = self.sign_for(name, Some(delegation), action);
        let receipt = self.submit(&operation).unwrap();
        assert_eq!(
            receipt.outcome,
            Outcome::Failed(failure),
            "{name} as delegate"
        );
    }

    pub fn register(&mut self, name: &str, role: Role) -> OperationId {
        let registration = registration(self.chain(), name, role);
        self.ok(name, registration)
    }

    pub fn joining(&self, account: &str, institution: &str) -> Join {
        let consent = ConsentToJoin {
            chain: self.chain(),
            account: id(account),
            institution: id(institution),
        };
        Join {
            institution: id(institution),
            consent: secret(institution).sign(&consent.preimage()),
        }
    }

    pub fn join(&mut self, account: &str, institution: &str) {
        let join = self.joining(account, institution);
        self.ok(account, join);
    }

    pub fn publishing(&self, hospital: &str, patient: &str, name: &str) -> Publish {
        Publish {
            record: record_id(hospital, name),
            nonce: nonce(name),
            patient: id(patient),
            after: state(name),
        }
    }

    pub fn publish(&mut self, hospital: &str, patient: &str, name: &str) -> RecordId {
        let publish = self.publishing(hospital, patient, name);
        let record = publish.record;
        self.ok(hospital, publish);
        record
    }

    pub fn accept(&mut self, patient: &str, record: RecordId, root: Cid, list: &[(&str, &str)]) {
        self.ok(
            patient,
            Accept {
                record,
                state: root,
                parts: parts(list),
            },
        );
    }

    /// A record published by `hospital` for `patient` and accepted with these parts.
    pub fn record(
        &mut self,
        hospital: &str,
        patient: &str,
        name: &str,
        list: &[(&str, &str)],
    ) -> RecordId {
        let record = self.publish(hospital, patient, name);
        self.accept(patient, record, state(name), list);
        record
    }

    pub fn requesting(&self, patient: &str, key: &str) -> Request {
        Request {
            patient: id(patient),
            expires: self.now().plus(30 * Millis::DAY),
            one_time_key: hpke(key),
            commitment: digest("request"),
            cohort: None,
        }
    }

    pub fn request(&mut self, requester: &str, patient: &str) -> OperationId {
        let request = self.requesting(patient, &format!("{requester}{}", self.time));
        self.ok(requester, request)
    }

    pub fn terms(&self, request: OperationId, sids: &[&str], agents: &[&str]) -> Terms {
        let mut sids: Vec<_> = sids.iter().map(|name| sid(name)).collect();
        let mut agents: Vec<_> = agents.iter().map(|name| id(name)).collect();
        sids.sort();
        agents.sort();
        Terms {
            request,
            purpose: GrantUse::Ordinary,
            sids,
            agents,
            not_before: self.now(),
            expires: self.now().plus(30 * Millis::DAY),
            max_queries: 10,
        }
    }

    pub fn grant(&mut self, querier: &str, sids: &[&str], agents: &[&str]) -> OperationId {
        let request = self.request(querier, "pat");
        let terms = self.terms(request, sids, agents);
        self.ok("pat", authorizing(terms))
    }

    /// A query as the agent would log it.
    pub fn querying(&self, want: &Want<'_>) -> Query {
        let ask = Ask {
            chain: self.chain(),
            grant: want.grant,
            state: want.state,
            part: want.part.part,
            agent: id(want.agent),
            expires: self.now().plus(Millis::HOUR),
        };
        let querier = self.secret_of(id(want.querier), want.querier);
        let signed = Signed::new(ask, &querier);
        Query {
            grant: want.grant,
            ask: SignedAsk {
                expires: ask.expires,
                signature: signed.signature,
            },
            record: want.record,
            state: want.state,
            part: want.part.part,
            sid: want.part.sid,
            ctid: want.part.ctid,
            result: digest("c2"),
        }
    }

    pub fn balances(&self) -> BTreeMap<&'static str, i64> {
        [
            "pat",
            "mercy",
            "general",
            "coast",
            "institute",
            "am",
            "ag",
            "ac",
            "ai",
        ]
        .into_iter()
        .map(|name| (name, self.view().balance(id(name)).unwrap().amount))
        .filter(|(_, amount)| *amount != 0)
        .collect()
    }
}

/// Who wants what re-encrypted by whom.
#[derive(Clone, Copy)]
pub struct Want<'a> {
    pub grant: OperationId,
    pub querier: &'a str,
    pub agent: &'a str,
    pub record: RecordId,
    pub state: Cid,
    pub part: PartKey,
}

pub fn want<'a>(
    grant: OperationId,
    querier: &'a str,
    agent: &'a str,
    record: RecordId,
    root: &str,
    part: PartKey,
) -> Want<'a> {
    Want {
        grant,
        querier,
        agent,
        record,
        state: state(root),
        part,
    }
}

pub fn authorizing(terms: Terms) -> Authorize {
    let commitments = terms
        .sids
        .iter()
        .flat_map(|sid| {
            terms.agents.iter().map(|agent| Commitment {
                sid: *sid,
                agent: *agent,
                com: digest("com"),
            })
        })
        .collect();
    let packets = vec![digest("packet"); 1 + terms.agents.len()];
    Authorize {
        terms,
        commitments,
        packets,
    }
}

pub fn accepted(query: OperationId) -> Review {
    reviewing(query, Verdict::Accepted)
}

pub fn reviewing(query: OperationId, verdict: Verdict) -> Review {
    Review {
        query,
        verdict,
        evidence: None,
    }
}

/// The stored entry of a sequence number.
fn sequence_bytes(last: u64) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Sequence {
        last: u64,
    }
    base::codec::encode(&Sequence { last })
}
