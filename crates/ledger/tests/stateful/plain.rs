//! The ledger's rules once more, as the protocol page has them: plain maps, every rule
//! looked at, nothing cached, nothing undone. It shares no code with the state machine;
//! what it keeps has the shapes that the interface hands out.
//!
//! An operation is held against *all* its rules: the ledger, which stops at the first that
//! does not hold, must name one of those that the model finds.

#[path = "plain/accounts.rs"]
mod accounts;
#[path = "plain/consortium.rs"]
mod consortium;
#[path = "plain/credit.rs"]
mod credit;
#[path = "plain/records.rs"]
mod records;
#[path = "plain/recovery.rs"]
mod recovery;
#[path = "plain/sharing.rs"]
mod sharing;
#[path = "plain/validators.rs"]
mod validators;

pub use sharing::hint_cost;

use base::{
    AccountId, Action, CapsuleId, ChainId, Cid, Millis, OperationId, RecordId, ScopeId,
    SignedOperation, Statement,
    genesis::{Genesis, Policy},
    key::{HpkeKey, OperationKey},
    operation::{Power, Role, VoucherId},
};
use ledger::{
    Account, BagState, CreditEntry, Delegation, DisputeState, EmergencyState, Failure, Grant,
    Guardianship, Institution, KeyPeriod, Notice, Outcome, Proposal, QueryState, Record, Recovery,
    Refusal, RequestState, StateInfo, Voucher,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a ranking is made of, by floating point.
#[derive(Clone, Copy, Default)]
pub struct Standing {
    pub score: f64,
    pub day: u64,
    /// By verdict: accepted, not as requested, poor quality, fabricated.
    pub reviews: [u64; 4],
    pub marks: u32,
    pub emergencies: u32,
}

#[derive(Clone)]
pub struct Plain {
    pub chain: ChainId,
    /// Validators of the genesis object, which no `Register` opened.
    pub founders: Vec<AccountId>,
    /// Who decides the block in hand.
    pub deciding: BTreeMap<AccountId, validators::Seat>,
    /// Who will decide the next, as far as the block has come.
    pub seats: BTreeMap<AccountId, validators::Seat>,
    /// The first height that `deciding` decided.
    pub since: u64,
    /// Time of the block before.
    pub last: Millis,
    pub punished: BTreeMap<(AccountId, u64), OperationId>,
    /// What missed turns cost, by validator and day.
    pub missed: BTreeMap<(AccountId, u64), u64>,
    pub policy: Policy,
    pub height: u64,
    pub time: Millis,
    pub accounts: BTreeMap<AccountId, Account>,
    pub sequences: BTreeMap<AccountId, u64>,
    pub institutions: BTreeMap<AccountId, Institution>,
    /// Attester, patient, day.
    pub attests: Vec<(AccountId, AccountId, u64)>,
    pub delegations: BTreeMap<OperationId, Delegation>,
    pub proposals: BTreeMap<OperationId, Proposal>,
    pub bags: BTreeMap<AccountId, BagState>,
    pub records: BTreeMap<RecordId, Record>,
    pub states: BTreeMap<(RecordId, Cid), StateInfo>,
    pub rotated: BTreeMap<(AccountId, ScopeId), ScopeId>,
    pub requests: BTreeMap<OperationId, RequestState>,
    pub grants: BTreeMap<OperationId, Grant>,
    /// Of each capsule under a grant: its scope, and the agents that answered.
    pub capsules: BTreeMap<(OperationId, CapsuleId), (ScopeId, Vec<AccountId>)>,
    pub queries: BTreeMap<OperationId, QueryState>,
    pub emergencies: BTreeMap<(AccountId, AccountId), EmergencyState>,
    pub disputes: BTreeMap<OperationId, DisputeState>,
    pub vouchers: BTreeMap<VoucherId, Voucher>,
    pub journals: BTreeMap<AccountId, Vec<CreditEntry>>,
    /// Reviewing institution, hospital, day.
    pub pairs: BTreeMap<(AccountId, AccountId, u64), u64>,
    pub earned: BTreeMap<(AccountId, u64), u64>,
    pub standings: BTreeMap<AccountId, Standing>,
    pub guards: BTreeMap<AccountId, Guardianship>,
    pub recoveries: BTreeMap<OperationId, Recovery>,
    pub log: Vec<(OperationId, AccountId, Outcome)>,
    pub places: BTreeMap<OperationId, u64>,
    pub notices: Vec<(AccountId, Told)>,
    /// What the door knew before the block in hand.
    before: BTreeMap<AccountId, OperationKey>,
    /// And what it learned from the block's operations so far.
    offered: BTreeMap<AccountId, Vec<OperationKey>>,
}

/// What a patient was told; queries and recoveries are looked up when she asks.
#[derive(Clone)]
pub enum Told {
    Query(OperationId),
    Recovery(OperationId),
    Other(Notice),
}

/// Where an operation stands.
#[derive(Clone, Copy)]
pub struct At {
    pub id: OperationId,
    pub sender: AccountId,
    pub principal: AccountId,
    pub sequence: u64,
}

/// The rules that an operation breaks.
#[derive(Default)]
pub struct No(pub BTreeSet<Failure>);

impl No {
    pub fn because(&mut self, failure: Failure) {
        self.0.insert(failure);
    }

    pub fn unless(&mut self, holds: bool, failure: Failure) {
        if !holds {
            self.because(failure);
        }
    }

    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }
}

/// What must become of an operation.
#[derive(Debug)]
pub enum Verdict {
    /// No leaf, for one of these reasons.
    Refused(Vec<Refusal>),
    /// A leaf: `ok` if no rule is broken, or one of these failures.
    Leaf(BTreeSet<Failure>),
}

impl Plain {
    pub fn new(genesis: &Genesis) -> Self {
        let validators: Vec<_> = genesis.validators.iter().collect();
        let founders = genesis.institutions.iter();
        let seats: BTreeMap<_, _> = validators
            .iter()
            .map(|node| (AccountId::of(&node.key), (node.key, 1_000.0)))
            .collect();
        Self {
            chain: genesis.chain(),
            founders: validators
                .iter()
                .map(|node| AccountId::of(&node.key))
                .collect(),
            deciding: seats.clone(),
            seats,
            since: 1,
            last: genesis.created,
            punished: BTreeMap::new(),
            missed: BTreeMap::new(),
            policy: genesis.policy.clone(),
            height: 0,
            time: genesis.created,
            accounts: validators
                .iter()
                .map(|node| {
                    let id = AccountId::of(&node.key);
                    (id, opened(id, Role::Node, (node.key, &node.hpke_key), 0))
                })
                .collect(),
            institutions: founders
                .map(|one| {
                    let institution = Institution {
                        account: one.account,
                        group: one.group,
                        admitted: genesis.created,
                    };
                    (one.account, institution)
                })
                .collect(),
            sequences: BTreeMap::new(),
            attests: Vec::new(),
            delegations: BTreeMap::new(),
            proposals: BTreeMap::new(),
            bags: BTreeMap::new(),
            records: BTreeMap::new(),
            states: BTreeMap::new(),
            rotated: BTreeMap::new(),
            requests: BTreeMap::new(),
            grants: BTreeMap::new(),
            capsules: BTreeMap::new(),
            queries: BTreeMap::new(),
            emergencies: BTreeMap::new(),
            disputes: BTreeMap::new(),
            vouchers: BTreeMap::new(),
            journals: BTreeMap::new(),
            pairs: BTreeMap::new(),
            earned: BTreeMap::new(),
            standings: BTreeMap::new(),
            guards: BTreeMap::new(),
            recoveries: BTreeMap::new(),
            log: Vec::new(),
            places: BTreeMap::new(),
            notices: Vec::new(),
            before: BTreeMap::new(),
            offered: BTreeMap::new(),
        }
    }

    /// A block begins, with this time.
    pub fn begin(&mut self, time: Millis) {
        self.height += 1;
        self.time = time;
        let keys = self.accounts.iter();
        self.before = keys.map(|(id, account)| (*id, current(account))).collect();
        self.offered.clear();
    }

    /// A block that took nothing in is none.
    pub fn forget(&mut self, time: Millis) {
        self.height -= 1;
        self.time = time;
    }

    /// The next operation of the block.
    pub fn take(&mut self, signed: &SignedOperation) -> Verdict {
        let refused = self.refusals(signed);
        if !refused.is_empty() {
            return Verdict::Refused(refused);
        }
        let operation = &signed.body;
        let mut at = At {
            id: signed.to_bytes().1,
            sender: operation.account,
            principal: operation.account,
            sequence: operation.sequence,
        };
        self.sequences.insert(at.sender, at.sequence);
        self.places.insert(at.id, self.log.len() as u64);
        let mut no = No::default();
        self.act_for(&mut at, operation.delegation, &operation.action, &mut no);
        self.act(&at, &operation.action, &mut no);
        let outcome =
            no.0.first()
                .map_or(Outcome::Ok, |one| Outcome::Failed(*one));
        self.log.push((at.id, at.sender, outcome));
        Verdict::Leaf(no.0)
    }

    /// A wrong signature, chain id or sequence number leaves no leaf.
    fn refusals(&mut self, signed: &SignedOperation) -> Vec<Refusal> {
        let operation = &signed.body;
        let mut refused = Vec::new();
        if operation.chain != self.chain {
            return vec![Refusal::WrongChain];
        }
        let opens = match &operation.action {
            Action::Register(register) => {
                Some(register.operation_key).filter(|key| AccountId::of(key) == operation.account)
            }
            _ => None,
        };
        // What can be known without executing the block's earlier operations.
        let known: Vec<_> = {
            let first = self.before.get(&operation.account).copied();
            let offered = self.offered.entry(operation.account).or_default();
            if first.is_none() && offered.is_empty() {
                offered.extend(opens);
            }
            first.into_iter().chain(offered.iter().copied()).collect()
        };
        if let Action::RotateKey(rotate) = &operation.action
            && let base::operation::NewKey::Operation(key, _) = &rotate.new
            && !known.is_empty()
        {
            let offered = self.offered.entry(operation.account).or_default();
            offered.push(*key);
        }
        let account = self.accounts.get(&operation.account);
        match account.map(current).or(opens) {
            None => refused.push(Refusal::UnknownAccount),
            Some(key) => {
                let signs = key.verify(&operation.preimage(), &signed.signature).is_ok();
                if !signs || !known.contains(&key) {
                    refused.push(Refusal::BadSignature);
                }
            }
        }
        let expected = self
            .sequences
            .get(&operation.account)
            .map_or(1, |last| last + 1);
        if operation.sequence != expected {
            let found = operation.sequence;
            let place = self.places.get(&signed.to_bytes().1);
            refused.push(match place {
                Some(index) => Refusal::Duplicate { index: *index },
                None => Refusal::WrongSequence { expected, found },
            });
        }
        refused
    }

    /// For whom it is done, and whether that account's role may do it.
    fn act_for(&self, at: &mut At, by: Option<OperationId>, action: &Action, no: &mut No) {
        if let Some(by) = by {
            let power = power(action);
            no.unless(power.is_some(), Failure::PowerMissing);
            match self.delegations.get(&by) {
                Some(found)
                    if found.delegate == at.sender
                        && found.ended.is_none()
                        && self.time < found.expires =>
                {
                    at.principal = found.patient;
                    let given = power.is_some_and(|power| found.powers.contains(&power));
                    no.unless(given, Failure::PowerMissing);
                }
                _ => no.because(Failure::NoDelegation),
            }
        }
        if let Some(account) = self.accounts.get(&at.principal) {
            no.unless(may(account.role, action), Failure::WrongRole);
        }
    }

    fn act(&mut self, at: &At, action: &Action, no: &mut No) {
        match action {
            Action::Register(action) => self.register(at, action, no),
            Action::RotateKey(action) => self.rotate_key(at, action, no),
            Action::Join(action) => self.join(at, action, no),
            Action::Attest(action) => self.attest(at, action, no),
            Action::Delegate(action) => self.delegate(at, action, no),
            Action::Undelegate(action) => self.undelegate(at, action, no),
            Action::Admit(action) => self.admit(at, action, no),
            Action::SetPolicy(action) => self.set_policy(at, action, no),
            Action::Vote(action) => self.vote(at, action, no),
            Action::Resolve(action) => self.resolve(at, action, no),
            Action::Publish(action) => self.publish(at, action, no),
            Action::Modify(action) => self.modify(at, action, no),
            Action::Accept(action) => self.accept(at, action, no),
            Action::Reject(action) => self.reject(at, action, no),
            Action::Rewrap(action) => self.rewrap(at, action, no),
            Action::Erase(action) => self.erase(at, action, no),
            Action::RotateScope(action) => self.rotate_scope(at, action, no),
            Action::Bag(action) => self.bag(at, action, no),
            Action::Request(action) => self.request(at, action, no),
            Action::Authorize(action) => self.authorize(at, action, no),
            Action::Deny(action) => self.deny(at, action, no),
            Action::Revoke(action) => self.revoke(at, action, no),
            Action::Query(action) => self.query(at, action, no),
            Action::Review(action) => self.review(at, action, no),
            Action::Emergency(action) => self.emergency(at, action, no),
            Action::Dispute(action) => self.dispute(at, action, no),
            Action::Redeem(action) => self.redeem(at, action, no),
            Action::Guard(action) => self.guard(at, action, no),
            Action::Unguard(action) => self.unguard(at, action, no),
            Action::Recover(action) => self.recover(at, action, no),
            Action::Object(action) => self.object(at, action, no),
            Action::CompleteRecovery(action) => self.complete(at, action, no),
            Action::Apply(action) => self.apply(at, action, no),
            Action::Leave(action) => self.step_down(at, action, no),
            Action::Expel(action) => self.expel(at, action, no),
            Action::DoubleSign(action) => self.double_sign(at, action, no),
        }
    }

    pub fn role(&self, id: AccountId) -> Option<Role> {
        self.accounts.get(&id).map(|account| account.role)
    }

    pub fn key(&self, id: AccountId) -> Option<OperationKey> {
        self.accounts.get(&id).map(current)
    }

    /// The institution that an account is, or joined.
    pub fn institution(&self, id: AccountId) -> Option<Institution> {
        let own = self.institutions.get(&id);
        let joined = || {
            let joined = self.accounts.get(&id)?.institution?;
            self.institutions.get(&joined)
        };
        own.or_else(joined).copied()
    }

    /// Two of them count as one where separation is required.
    pub fn same(one: &Institution, other: &Institution) -> bool {
        one.account == other.account || (one.group == other.group && one.group.is_some())
    }

    pub fn is_patient(&self, id: AccountId) -> bool {
        self.role(id) == Some(Role::Patient)
    }

    pub fn place(&self, id: &OperationId) -> u64 {
        self.places[id]
    }
}

pub fn current(account: &Account) -> OperationKey {
    account.operation_keys[account.operation_keys.len() - 1].key
}

fn opened(
    id: AccountId,
    role: Role,
    (key, hpke_key): (OperationKey, &HpkeKey),
    height: u64,
) -> Account {
    Account {
        id,
        role,
        operation_keys: vec![KeyPeriod {
            key,
            from: height,
            until: None,
        }],
        hpke_key: hpke_key.clone(),
        record_keys: Vec::new(),
        peer: None,
        patient: None,
        institution: None,
        attested_by: Vec::new(),
        opened: height,
    }
}

/// What a delegate needs for an action.
fn power(action: &Action) -> Option<Power> {
    let powers: [(&[&str], Power); 3] = [
        (&["Accept", "Reject"], Power::Accept),
        (&["Authorize", "Deny"], Power::Authorize),
        (&["Revoke", "Dispute", "Object"], Power::Protect),
    ];
    let found = powers
        .iter()
        .find(|(names, _)| names.contains(&action.name()));
    found.map(|(_, power)| *power)
}

/// Who sends what: the table of the protocol page ("Parties", "A record", "Sharing").
fn may(role: Role, action: &Action) -> bool {
    let anyone = [
        "Register",
        "RotateKey",
        "Dispute",
        "Redeem",
        "Recover",
        "CompleteRecovery",
        "DoubleSign",
    ];
    let patients = [
        "Delegate",
        "Undelegate",
        "Accept",
        "Reject",
        "Rewrap",
        "RotateScope",
        "Bag",
        "Erase",
        "Authorize",
        "Deny",
        "Revoke",
        "Guard",
        "Unguard",
        "Object",
    ];
    let queriers = ["Join", "Attest", "Request", "Review"];
    let hospitals = ["Publish", "Modify", "Emergency", "Erase"];
    let nodes = [
        "Join",
        "Admit",
        "SetPolicy",
        "Vote",
        "Resolve",
        "Apply",
        "Leave",
        "Expel",
    ];
    let name = &action.name();
    anyone.contains(name)
        || match role {
            Role::Patient => patients.contains(name),
            Role::Hospital => queriers.contains(name) || hospitals.contains(name),
            Role::Requester => queriers.contains(name),
            Role::Agent => ["Join", "Query"].contains(name),
            Role::Node => nodes.contains(name),
        }
}
