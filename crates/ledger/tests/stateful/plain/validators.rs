//! Who decides: seats, punishments, missed turns, weights.

use base::{
    AccountId, Cid, OperationId, Statement,
    key::OperationKey,
    operation::{Apply, DoubleSign, Expel, Leave, Role, Word},
};
use ledger::{Change, CreditReason, Failure, word_preimage};
use std::collections::BTreeMap;

use super::{At, No, Plain};

const DAY: u64 = 86_400_000;

/// A validator: its key and weight.
pub type Seat = (OperationKey, f64);

impl Plain {
    /// Who decides the block in hand.
    pub fn validators(&self) -> Vec<AccountId> {
        self.deciding.keys().copied().collect()
    }

    /// Whether these are more than two thirds of the weight.
    pub fn is_enough(&self, votes: &[AccountId]) -> bool {
        let all: f64 = self.deciding.values().map(|(_, weight)| weight).sum();
        let deciding = self.deciding.iter();
        let some: f64 = deciding
            .filter(|(id, _)| votes.contains(id))
            .map(|(_, (_, weight))| weight)
            .sum();
        3.0 * some > 2.0 * all
    }

    pub fn apply(&mut self, at: &At, _: &Apply, no: &mut No) {
        self.seatable(at.sender, no);
        let change = Change::Seat {
            validator: at.sender,
        };
        self.propose(at, change, Vec::new(), no);
    }

    fn seatable(&self, account: AccountId, no: &mut No) {
        no.unless(
            !self.seats.contains_key(&account),
            Failure::AlreadyValidator,
        );
        let joined = self.accounts.get(&account).and_then(|it| it.institution);
        match joined.filter(|joined| self.institutions.contains_key(joined)) {
            None => no.because(Failure::NotAdmitted),
            Some(joined) => no.unless(!self.is_seated(joined), Failure::InstitutionSeated),
        }
    }

    pub fn is_seated(&self, institution: AccountId) -> bool {
        let mut seats = self.seats.keys();
        seats.any(|id| self.accounts[id].institution == Some(institution))
    }

    pub fn take_seat(&mut self, account: AccountId) -> bool {
        let mut no = No::default();
        self.seatable(account, &mut no);
        if !no.any() {
            let key = super::current(&self.accounts[&account]);
            self.seats.insert(account, (key, 0.0));
        }
        !no.any()
    }

    pub fn lose_seat(&mut self, account: AccountId) -> bool {
        self.seats.len() > 1 && self.seats.remove(&account).is_some()
    }

    pub fn step_down(&mut self, at: &At, _: &Leave, no: &mut No) {
        let is_one = self.seats.contains_key(&at.sender);
        no.unless(is_one, Failure::NotValidator);
        no.unless(self.seats.len() > 1 || !is_one, Failure::LastValidator);
        if !no.any() {
            self.seats.remove(&at.sender);
        }
    }

    pub fn expel(&mut self, at: &At, action: &Expel, no: &mut No) {
        let validator = action.validator;
        no.unless(
            self.deciding.contains_key(&at.sender),
            Failure::NotValidator,
        );
        no.unless(self.seats.contains_key(&validator), Failure::NotValidator);
        let change = Change::Expel { validator };
        self.propose(at, change, vec![at.sender], no);
    }

    pub fn double_sign(&mut self, at: &At, action: &DoubleSign, no: &mut No) {
        let told = action.height >= 1 && action.height <= self.height;
        no.unless(told, Failure::BadShape);
        if self.role(action.validator) != Some(Role::Node) {
            return no.because(Failure::UnknownAccount);
        }
        let keys = &self.accounts[&action.validator].operation_keys;
        let signed = |key: &OperationKey, place: usize| {
            let signed = &action.words[place];
            let message = said(self.chain, action, &signed.word);
            key.verify(&message, &signed.signature).is_ok()
        };
        let proven = keys.iter().any(|period| {
            period.covers(action.height) && signed(&period.key, 0) && signed(&period.key, 1)
        });
        let [one, other] = action.words.map(|signed| signed.word);
        let contradicts = match (one, other) {
            (Word::Prevote(a), Word::Prevote(b)) | (Word::Precommit(a), Word::Precommit(b)) => {
                a < b
            }
            (Word::Proposal { block: a, .. }, Word::Proposal { block: b, .. }) => a < b,
            _ => false,
        };
        no.unless(proven && contradicts, Failure::NoContradiction);
        let key = (action.validator, action.height);
        let known = self.punished.contains_key(&key);
        no.unless(!known, Failure::AlreadyPunished);
        if no.any() {
            return;
        }
        self.punished.insert(key, at.id);
        self.lose_seat(action.validator);
        let amount = self.policy.duties.unwrap_or_default().double_sign;
        self.pay(at.id, action.validator, amount, CreditReason::DoubleSign);
    }

    fn pay(&mut self, cause: OperationId, validator: AccountId, amount: u32, why: CreditReason) {
        if amount == 0 {
            return;
        }
        let payer = self.accounts[&validator].institution.unwrap_or(validator);
        self.enter(cause, payer, -i64::from(amount), why);
        if self.role(payer) == Some(Role::Hospital) {
            self.score(payer, -i64::from(amount));
        }
    }

    /// The block in hand ends. `missed`: whose turns were missed; `before`: the header before.
    pub fn end(&mut self, missed: &[AccountId], before: Cid) {
        let duties = self.policy.duties.unwrap_or_default();
        let day = self.time.0 / DAY;
        let mut turns: BTreeMap<AccountId, u64> = BTreeMap::new();
        for account in missed {
            *turns.entry(*account).or_default() += u64::from(duties.missed_turn);
        }
        for (validator, cost) in turns {
            let taken = self.missed.entry((validator, day)).or_default();
            let room = u64::from(duties.cap_missed_day).saturating_sub(*taken);
            let cost = cost.min(room);
            *taken += cost;
            let cause = OperationId(before);
            self.pay(cause, validator, cost as u32, CreditReason::MissedTurn);
        }
        let epoch = |time: base::Millis| time.0 / duties.epoch;
        let others = self.seats.keys().ne(self.deciding.keys());
        if epoch(self.time) != epoch(self.last) || others {
            self.weigh();
        }
        if self.seats != self.deciding {
            self.since = self.height + 1;
        }
        self.deciding = self.seats.clone();
        self.last = self.time;
    }

    fn weigh(&mut self) {
        let earned: Vec<f64> = self.seats.keys().map(|id| self.behind(*id)).collect();
        let mut weights: Vec<f64> = earned.iter().map(|it| 1_000.0 + it.min(3_000.0)).collect();
        if weights.len() < 4 {
            weights.fill(1_000.0);
        } else {
            // Down, until nobody has a third.
            let mut level = weights.iter().copied().fold(0.0, f64::max);
            while 3.0 * level >= weights.iter().map(|it| it.min(level)).sum() {
                level -= 1.0;
            }
            for weight in &mut weights {
                *weight = weight.min(level);
            }
        }
        for ((_, weight), new) in self.seats.values_mut().zip(weights) {
            *weight = new;
        }
    }

    /// Whole credits behind a validator.
    fn behind(&self, validator: AccountId) -> f64 {
        let payer = self.accounts[&validator].institution.unwrap_or(validator);
        let Some(standing) = self.standings.get(&payer) else {
            return 0.0;
        };
        let days = (self.time.0 / DAY - standing.day) as f64;
        let half_life = f64::from(self.policy.half_life_days);
        // The ledger rounds down, in steps of 2^-20: close to a whole number it may be below.
        (standing.score * 2_f64.powf(-days / half_life))
            .floor()
            .max(0.0)
    }

    /// The ledger's weights, where rounding may have made them others by one; none if they
    /// differ by more.
    pub fn adopt(&mut self, seats: &[ledger::Seat]) -> bool {
        let alike = seats.len() == self.seats.len()
            && seats
                .iter()
                .zip(&self.seats)
                .all(|(seat, (id, (key, weight)))| {
                    let near = (f64::from(seat.weight) - weight).abs() <= 1.0;
                    (seat.account, seat.key) == (*id, *key) && near
                });
        if alike {
            let new = seats
                .iter()
                .map(|seat| (seat.account, (seat.key, f64::from(seat.weight))));
            self.seats = new.collect();
            self.deciding = self.seats.clone();
        }
        alike
    }
}

/// What a validator signs: for a precommit of a block a commit of its header, else a ballot.
fn said(chain: base::ChainId, proof: &DoubleSign, word: &Word) -> Vec<u8> {
    match word {
        Word::Precommit(Some(block)) => ledger::Commit {
            chain,
            height: proof.height,
            round: proof.round,
            header: base::cid::of_digest(base::cid::DAG_CBOR, block.0),
        }
        .preimage(),
        _ => word_preimage(chain, proof.height, Some(proof.round), word),
    }
}
