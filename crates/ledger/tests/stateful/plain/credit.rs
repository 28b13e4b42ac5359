//! Reviews and what they mint; emergencies, disputes, vouchers.

use base::{
    AccountId, OperationId, RecordId,
    operation::{
        Dispute, DisputeCode, Emergency, Redeem, Review, Role, Subject, Verdict, VoucherId,
    },
};
use ledger::{
    CreditEntry, CreditReason, DisputeState, EmergencyState, Failure, Institution, Notice,
    QueryState, ReviewState, Voucher, VoucherUse,
};

use super::{At, No, Plain, Told};

const DAY: u64 = 86_400_000;

impl Plain {
    pub fn review(&mut self, at: &At, action: &Review, no: &mut No) {
        let Some(query) = self.queries.get(&action.query).cloned() else {
            return no.because(Failure::UnknownQuery);
        };
        no.unless(query.querier == at.sender, Failure::NotYours);
        no.unless(query.review.is_none(), Failure::AlreadyReviewed);
        if no.any() {
            return;
        }
        let hospital = self.records[&query.record].hospital;
        let sound = self.records[&query.record].fabricated.is_none();
        let querier = self.institution(query.querier);
        let publisher = self.institution(hospital);
        let apart = match (&querier, &publisher) {
            (Some(one), Some(other)) => !Self::same(one, other),
            _ => false,
        };
        if apart && !query.repeat {
            let counts = &mut self.standings.entry(hospital).or_default().reviews;
            counts[match action.verdict {
                Verdict::Accepted => 0,
                Verdict::NotAsRequested => 1,
                Verdict::PoorQuality => 2,
                Verdict::Fabricated => 3,
            }] += 1;
        }
        let mut minted = 0;
        let agent = self.institution(query.agent);
        if let (Some(agent), Some(querier), Some(publisher)) = (agent, querier, publisher) {
            let three = apart && !Self::same(&agent, &querier) && !Self::same(&agent, &publisher);
            if three && sound && !query.repeat && action.verdict == Verdict::Accepted {
                minted = self.reward(at.id, &query, hospital, [agent, querier, publisher]);
            }
        }
        let review = ReviewState {
            id: at.id,
            verdict: action.verdict,
            time: self.time,
            minted: minted as u32,
        };
        if let Some(query) = self.queries.get_mut(&query.id) {
            query.review = Some(review);
        }
    }

    /// Patient first, then hospital, then agent: each whole or not at all, as the caps
    /// leave room.
    fn reward(
        &mut self,
        cause: OperationId,
        query: &QueryState,
        hospital: AccountId,
        [agent, querier, publisher]: [Institution; 3],
    ) -> u64 {
        let day = self.time.0 / DAY;
        let pair = (querier.account, publisher.account, day);
        let tariff = self.policy.tariff;
        let met = self.attests.iter().any(|(attester, patient, _)| {
            *patient == query.patient
                && self.institutions.get(attester).is_some_and(|attester| {
                    !Self::same(attester, &querier) && !Self::same(attester, &agent)
                })
        });
        let mut minted = 0;
        if met {
            let first = self.grants[&query.grant].rewarded == 0;
            let (amount, reason) = match first {
                true => (tariff.patient_first, CreditReason::FirstAccepted),
                false => (tariff.patient_more, CreditReason::FurtherAccepted),
            };
            if self.fits(pair, None, amount.into()) {
                if let Some(grant) = self.grants.get_mut(&query.grant) {
                    grant.rewarded += 1;
                }
                self.enter(cause, query.patient, amount.into(), reason);
                minted += u64::from(amount);
            }
        }
        if self.fits(pair, Some(publisher.account), tariff.hospital.into()) {
            let amount = i64::from(tariff.hospital);
            self.enter(cause, hospital, amount, CreditReason::RecordAccepted);
            self.score(hospital, amount);
            minted += u64::from(tariff.hospital);
        }
        if self.fits(pair, Some(agent.account), tariff.agent.into()) {
            let amount = i64::from(tariff.agent);
            self.enter(cause, query.agent, amount, CreditReason::Reencrypted);
            minted += u64::from(tariff.agent);
        }
        minted
    }

    /// Takes room under the pair's cap of the day, and the earning institution's.
    fn fits(
        &mut self,
        pair: (AccountId, AccountId, u64),
        earner: Option<AccountId>,
        amount: u64,
    ) -> bool {
        let taken = self.pairs.get(&pair).copied().unwrap_or(0) + amount;
        let earner = earner.map(|earner| (earner, pair.2));
        let earned = earner.map_or(0, |key| self.earned.get(&key).copied().unwrap_or(0)) + amount;
        let fits = amount > 0
            && taken <= self.policy.cap_pair_day.into()
            && (earner.is_none() || earned <= self.policy.cap_institution_day.into());
        if fits {
            self.pairs.insert(pair, taken);
            if let Some(key) = earner {
                self.earned.insert(key, earned);
            }
        }
        fits
    }

    pub fn balance(&self, account: AccountId) -> i64 {
        let lines = self.journals.get(&account).into_iter().flatten();
        lines.map(|line| line.amount).sum()
    }

    pub fn enter(
        &mut self,
        cause: OperationId,
        account: AccountId,
        amount: i64,
        why: CreditReason,
    ) {
        let balance = self.balance(account) + amount;
        let time = self.time;
        self.journals.entry(account).or_default().push(CreditEntry {
            amount,
            balance,
            cause,
            reason: why,
            time,
        });
        if amount < 0 {
            return;
        }
        for (tier, at) in (1..).zip(&self.policy.tiers) {
            let id = VoucherId { account, tier };
            if balance >= i64::from(*at) {
                self.vouchers.entry(id).or_insert(Voucher {
                    id,
                    cause,
                    issued: time,
                    redeemed: None,
                });
            }
        }
    }

    pub fn score(&mut self, hospital: AccountId, amount: i64) {
        let today = self.time.0 / DAY;
        let half_life = f64::from(self.policy.half_life_days);
        let standing = self.standings.entry(hospital).or_default();
        let days = (today - standing.day) as f64;
        standing.score = standing.score * 2_f64.powf(-days / half_life) + amount as f64;
        standing.day = today;
    }

    /// A proven fabrication costs once for a record.
    pub fn fabricated(&mut self, record: RecordId, dispute: OperationId, by: OperationId) {
        let penalty = i64::from(self.policy.tariff.fabrication);
        let Some(record) = self.records.get_mut(&record) else {
            return;
        };
        if record.fabricated.is_some() {
            return;
        }
        record.fabricated = Some(dispute);
        let hospital = record.hospital;
        if penalty > 0 {
            self.enter(by, hospital, -penalty, CreditReason::Fabrication);
            self.score(hospital, -penalty);
        }
    }

    pub fn emergency(&mut self, at: &At, action: &Emergency, no: &mut No) {
        let admitted = self.institutions.contains_key(&at.sender);
        no.unless(admitted, Failure::NotAdmitted);
        no.unless(self.is_patient(action.patient), Failure::UnknownAccount);
        if no.any() {
            return;
        }
        let key = (at.sender, action.patient);
        let count = self.emergencies.get(&key).map_or(0, |last| last.count) + 1;
        let emergency = EmergencyState {
            hospital: at.sender,
            patient: action.patient,
            last: at.id,
            code: action.code,
            time: self.time,
            count,
        };
        self.emergencies.insert(key, emergency);
        self.standings.entry(at.sender).or_default().emergencies += 1;
        let notice = Notice::Emergency {
            id: at.id,
            hospital: at.sender,
            code: action.code,
            time: self.time,
        };
        self.notices.push((action.patient, Told::Other(notice)));
    }

    pub fn dispute(&mut self, at: &At, action: &Dispute, no: &mut No) {
        let (record, query) = match action.subject {
            Subject::Record(record) => (self.records.get(&record), None),
            Subject::Query(query) => match self.queries.get(&query) {
                None => return no.because(Failure::UnknownQuery),
                Some(query) => (self.records.get(&query.record), Some(query)),
            },
        };
        let Some(record) = record else {
            return no.because(Failure::UnknownRecord);
        };
        let against = match action.code {
            DisputeCode::Fabrication | DisputeCode::WrongPatient => Some(record.hospital),
            DisputeCode::LyingAgent => query.map(|query| query.agent),
            DisputeCode::Misuse => query.map(|query| query.querier),
        };
        let Some(against) = against else {
            return no.because(Failure::BadShape);
        };
        if no.any() {
            return;
        }
        let dispute = DisputeState {
            id: at.id,
            by: at.principal,
            subject: action.subject,
            code: action.code,
            against,
            commitment: action.commitment,
            time: self.time,
            resolution: None,
        };
        self.disputes.insert(at.id, dispute);
    }

    pub fn redeem(&mut self, at: &At, action: &Redeem, no: &mut No) {
        no.unless(action.voucher.account == at.sender, Failure::NotYours);
        let hospital = self.role(action.hospital) == Some(Role::Hospital);
        no.unless(hospital, Failure::UnknownAccount);
        let admitted = self.institutions.contains_key(&action.hospital);
        no.unless(admitted, Failure::NotAdmitted);
        let time = self.time;
        let Some(voucher) = self.vouchers.get_mut(&action.voucher) else {
            return no.because(Failure::NoVoucher);
        };
        no.unless(voucher.redeemed.is_none(), Failure::AlreadyRedeemed);
        if !no.any() {
            voucher.redeemed = Some(VoucherUse {
                hospital: action.hospital,
                by: at.id,
                time,
            });
        }
    }
}
