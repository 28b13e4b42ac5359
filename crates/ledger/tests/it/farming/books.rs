//! The auditor of credit: from the log alone it keeps its own books of who was admitted,
//! who joined, who was met and what every review earns, and compares after each block.
//! It shares no code with the state machine.

use base::{
    AccountId, Action, CapsuleId, Operation, OperationId, RecordId,
    genesis::{Genesis, Policy},
    operation::*,
};
use ledger::{Block, Leaf, View};
use std::collections::{BTreeMap, BTreeSet};

/// A query as the books have it.
#[derive(Clone, Copy)]
struct Asked {
    grant: OperationId,
    agent: AccountId,
    record: RecordId,
    repeat: bool,
}

/// A review that could earn, and its three institutions.
#[derive(Clone, Copy)]
pub struct Source {
    pub agent: AccountId,
    pub querier: AccountId,
    pub hospital: AccountId,
    pub day: u64,
}

pub struct Books {
    policy: Policy,
    institutions: BTreeMap<AccountId, Option<u32>>,
    joined: BTreeMap<AccountId, AccountId>,
    met: BTreeMap<AccountId, BTreeSet<AccountId>>,
    attests: BTreeMap<(AccountId, u64), u32>,
    records: BTreeMap<RecordId, AccountId>,
    fabricated: BTreeSet<RecordId>,
    disputes: BTreeMap<OperationId, Dispute>,
    requests: BTreeMap<OperationId, AccountId>,
    grants: BTreeMap<OperationId, (AccountId, AccountId)>,
    queries: BTreeMap<OperationId, Asked>,
    capsules: BTreeSet<(OperationId, CapsuleId)>,
    reviewed: BTreeSet<OperationId>,
    rewarded: BTreeSet<OperationId>,
    redeemed: BTreeSet<(AccountId, u8)>,
    pair: BTreeMap<(AccountId, AccountId, u64), u64>,
    earned: BTreeMap<(AccountId, u64), u64>,
    tiers: BTreeMap<AccountId, usize>,
    counted: BTreeMap<AccountId, u64>,
    pub sources: BTreeMap<OperationId, Source>,
    pub balances: BTreeMap<AccountId, i64>,
    /// Rewards that a cap left no room for.
    pub capped: u32,
    pub minted: i64,
    pub burnt: i64,
}

impl Books {
    pub fn new(genesis: &Genesis) -> Self {
        let founders = genesis.institutions.iter();
        Self {
            policy: genesis.policy.clone(),
            institutions: founders.map(|one| (one.account, one.group)).collect(),
            joined: BTreeMap::new(),
            met: BTreeMap::new(),
            attests: BTreeMap::new(),
            records: BTreeMap::new(),
            fabricated: BTreeSet::new(),
            disputes: BTreeMap::new(),
            requests: BTreeMap::new(),
            grants: BTreeMap::new(),
            queries: BTreeMap::new(),
            capsules: BTreeSet::new(),
            reviewed: BTreeSet::new(),
            rewarded: BTreeSet::new(),
            redeemed: BTreeSet::new(),
            pair: BTreeMap::new(),
            earned: BTreeMap::new(),
            tiers: BTreeMap::new(),
            counted: BTreeMap::new(),
            sources: BTreeMap::new(),
            balances: BTreeMap::new(),
            capped: 0,
            minted: 0,
            burnt: 0,
        }
    }

    /// Everybody's books after every block of a ledger.
    pub fn audit(genesis: &Genesis, view: &View) -> Self {
        let mut books = Self::new(genesis);
        for height in 1..=view.head().unwrap().header.height {
            books.block(&view.block(height).unwrap().unwrap());
        }
        books.agree(view);
        books
    }

    pub fn block(&mut self, block: &Block) {
        let day = block.head.header.time.0 / 86_400_000;
        for bytes in &block.leaves {
            let leaf: Leaf = base::codec::decode(bytes).unwrap();
            if leaf.outcome.is_ok() {
                let id = leaf.operation.to_bytes().1;
                self.note(id, &leaf.operation.body, day);
            }
        }
        let sum: i64 = self.balances.values().sum();
        assert_eq!(sum, self.minted - self.burnt, "not conserved");
    }

    /// The ledger says the same as the books, of everybody and of all together.
    pub fn agree(&self, view: &View) {
        let totals = view.totals().unwrap();
        let (minted, burnt) = (totals.minted as i64, totals.burnt as i64);
        assert_eq!((minted, burnt), (self.minted, self.burnt), "totals");
        let ranking = view.ranking(view.head().unwrap().header.time).unwrap();
        for account in view.accounts(ledger::Page::default()).unwrap().items {
            let hers = self.balances.get(&account.id).copied().unwrap_or(0);
            let balance = view.balance(account.id).unwrap();
            assert_eq!(balance.amount, hers, "balance of {}", account.id);
            let vouchers = view.vouchers_of(account.id).unwrap();
            let tiers = self.tiers.get(&account.id).copied().unwrap_or(0);
            assert_eq!(vouchers.len(), tiers, "vouchers of {}", account.id);
            for voucher in vouchers {
                let spent = self.redeemed.contains(&(account.id, voucher.id.tier));
                assert_eq!(voucher.redeemed.is_some(), spent, "voucher spent");
            }
            let place = ranking.iter().find(|line| line.hospital == account.id);
            let counts = place.map(|line| line.reviews).unwrap_or_default();
            let shown =
                counts.accepted + counts.not_as_requested + counts.poor_quality + counts.fabricated;
            let counted = self.counted.get(&account.id).copied().unwrap_or(0);
            assert_eq!(shown, counted, "reviews behind {}", account.id);
        }
    }

    /// Vouchers redeemed.
    pub fn redeemed(&self) -> usize {
        self.redeemed.len()
    }

    /// The admitted institution that an account is, or joined.
    pub fn of(&self, account: AccountId) -> Option<AccountId> {
        let own = self.institutions.contains_key(&account).then_some(account);
        own.or_else(|| self.joined.get(&account).copied())
    }

    fn together(&self, a: AccountId, b: AccountId) -> bool {
        let group = |of| self.institutions.get(&of).copied().flatten();
        a == b || (group(a).is_some() && group(a) == group(b))
    }

    fn note(&mut self, id: OperationId, operation: &Operation, day: u64) {
        let sender = operation.account;
        let admitted = self.institutions.contains_key(&sender);
        match &operation.action {
            Action::Join(join) => {
                assert!(self.institutions.contains_key(&join.institution));
                let before = self.joined.insert(sender, join.institution);
                assert!(before.is_none(), "joined twice");
            }
            Action::Attest(attest) => {
                assert!(admitted, "attested by a stranger");
                let met = self.met.entry(attest.patient).or_default();
                assert!(met.insert(sender), "attested twice");
                let today = self.attests.entry((sender, day)).or_default();
                *today += 1;
                assert!(*today <= self.policy.cap_attest_day, "attestation cap");
            }
            Action::Publish(publish) => {
                assert!(admitted, "published by a stranger");
                self.records.insert(publish.record, sender);
            }
            Action::Request(_) => {
                self.requests.insert(id, sender);
            }
            Action::Authorize(authorize) => {
                let querier = self.requests[&authorize.terms.request];
                self.grants.insert(id, (sender, querier));
            }
            Action::Query(query) => {
                assert!(self.of(sender).is_some(), "an agent of nobody");
                let repeat = !self.capsules.insert((query.grant, query.ctid));
                let asked = Asked {
                    grant: query.grant,
                    agent: sender,
                    record: query.record,
                    repeat,
                };
                self.queries.insert(id, asked);
            }
            Action::Review(review) => self.review(id, review, sender, day),
            Action::Dispute(dispute) => {
                self.disputes.insert(id, *dispute);
            }
            Action::Resolve(resolve) => self.resolve(resolve),
            Action::Redeem(redeem) => {
                let voucher = redeem.voucher;
                assert_eq!(voucher.account, sender, "a voucher of another");
                assert!(self.institutions.contains_key(&redeem.hospital));
                let tiers = self.tiers.get(&sender).copied().unwrap_or(0);
                assert!(usize::from(voucher.tier) <= tiers, "not reached");
                let first = self.redeemed.insert((sender, voucher.tier));
                assert!(first, "redeemed twice");
            }
            Action::DoubleSign(proof) => {
                let joined = self.joined.get(&proof.validator).copied();
                let payer = joined.unwrap_or(proof.validator);
                let penalty = i64::from(self.policy.duties().double_sign);
                *self.balances.entry(payer).or_default() -= penalty;
                self.burnt += penalty;
            }
            Action::Admit(_) | Action::SetPolicy(_) | Action::Vote(_) => {
                panic!("a stranger changed the consortium");
            }
            _ => {}
        }
    }

    fn resolve(&mut self, resolve: &Resolve) {
        let dispute = &self.disputes[&resolve.dispute];
        let record = match dispute.subject {
            Subject::Record(record) => record,
            Subject::Query(query) => self.queries[&query].record,
        };
        let proven = resolve.resolution == Resolution::Upheld
            && dispute.code == DisputeCode::Fabrication
            && self.fabricated.insert(record);
        if proven {
            let penalty = i64::from(self.policy.tariff.fabrication);
            *self.balances.entry(self.records[&record]).or_default() -= penalty;
            self.burnt += penalty;
        }
    }

    fn review(&mut self, id: OperationId, review: &Review, sender: AccountId, day: u64) {
        let query = self.queries[&review.query];
        let (patient, querier) = self.grants[&query.grant];
        assert_eq!(querier, sender, "reviewed by another");
        assert!(self.reviewed.insert(review.query), "reviewed twice");
        let hospital = self.records[&query.record];
        let Some(of_querier) = self.of(querier) else {
            return;
        };
        if !self.together(of_querier, hospital) && !query.repeat {
            *self.counted.entry(hospital).or_default() += 1;
        }
        let of_agent = self.of(query.agent).unwrap();
        let three = !self.together(of_agent, of_querier)
            && !self.together(of_agent, hospital)
            && !self.together(of_querier, hospital);
        let earns = three
            && review.verdict == Verdict::Accepted
            && !query.repeat
            && !self.fabricated.contains(&query.record);
        if !earns {
            return;
        }
        let source = Source {
            agent: of_agent,
            querier: of_querier,
            hospital,
            day,
        };
        self.sources.insert(id, source);
        let tariff = self.policy.tariff;
        let met = self.met.get(&patient).into_iter().flatten();
        let outside =
            |by: &AccountId| !self.together(*by, of_querier) && !self.together(*by, of_agent);
        if met.copied().any(|by| outside(&by)) {
            let first = !self.rewarded.contains(&query.grant);
            let amount = if first {
                tariff.patient_first
            } else {
                tariff.patient_more
            };
            if self.pay(patient, amount, None, &source) {
                self.rewarded.insert(query.grant);
            }
        }
        self.pay(hospital, tariff.hospital, Some(hospital), &source);
        self.pay(query.agent, tariff.agent, Some(of_agent), &source);
    }

    /// Pays, if the caps of the pair and of the earner's institution leave room.
    fn pay(
        &mut self,
        to: AccountId,
        amount: u32,
        institution: Option<AccountId>,
        source: &Source,
    ) -> bool {
        let amount = u64::from(amount);
        let key = (source.querier, source.hospital, source.day);
        let pair = self.pair.get(&key).copied().unwrap_or(0) + amount;
        let earned = institution.map(|of| {
            let key = (of, source.day);
            (key, self.earned.get(&key).copied().unwrap_or(0) + amount)
        });
        let within = pair <= u64::from(self.policy.cap_pair_day)
            && earned.is_none_or(|(_, sum)| sum <= u64::from(self.policy.cap_institution_day));
        if amount == 0 || !within {
            self.capped += u32::from(!within);
            return false;
        }
        self.pair.insert(key, pair);
        self.earned.extend(earned);
        let balance = self.balances.entry(to).or_default();
        *balance += amount as i64;
        self.minted += amount as i64;
        let thresholds = self.policy.tiers.iter();
        let reached = thresholds.filter(|tier| i64::from(**tier) <= *balance);
        let (reached, tier) = (reached.count(), self.tiers.entry(to).or_default());
        *tier = reached.max(*tier);
        true
    }
}

/// What accounts gained, from the ledger's own journals; holds every cap against them.
pub fn gains(view: &View, books: &Books, policy: &Policy) -> BTreeMap<AccountId, u64> {
    let mut gains = BTreeMap::new();
    let mut pair: BTreeMap<(AccountId, AccountId, u64), u64> = BTreeMap::new();
    let mut earned: BTreeMap<(AccountId, u64), u64> = BTreeMap::new();
    for account in view.accounts(ledger::Page::default()).unwrap().items {
        for line in view.journal(account.id, 0).unwrap() {
            if line.amount <= 0 {
                continue;
            }
            let amount = line.amount as u64;
            let source = books.sources.get(&line.cause);
            let source = source.expect("credit without three institutions");
            *gains.entry(account.id).or_default() += amount;
            *pair
                .entry((source.querier, source.hospital, source.day))
                .or_default() += amount;
            if account.role == Role::Patient {
                assert!(!account.attested_by.is_empty(), "a patient nobody met");
            } else {
                let of = books.of(account.id).expect("credit of a stranger");
                *earned.entry((of, source.day)).or_default() += amount;
            }
        }
    }
    for (key, sum) in pair {
        assert!(sum <= u64::from(policy.cap_pair_day), "pair cap: {key:?}");
    }
    for (key, sum) in earned {
        let cap = u64::from(policy.cap_institution_day);
        assert!(sum <= cap, "institution cap: {key:?}");
    }
    gains
}
