//! Guardians and recovery.

use base::{
    AccountId, Digest, OperationId, Statement, codec,
    operation::{CompleteRecovery, Guard, Object, Recover, RecoveryClaim, Unguard},
};
use ledger::{Failure, Guardianship, Recovery, RecoveryStatus};

use super::{At, No, Plain, Told, accounts::follow};

const DAY: u64 = 86_400_000;

impl Plain {
    fn pending(&self, account: AccountId) -> Option<OperationId> {
        self.guards.get(&account).and_then(|guard| guard.pending)
    }

    /// `Recover`s of an account that took effect.
    fn attempts(&self, account: AccountId) -> u64 {
        let all = self.recoveries.values();
        all.filter(|it| it.account == account).count() as u64
    }

    pub fn guard(&mut self, at: &At, action: &Guard, no: &mut No) {
        no.unless(action.delay <= 365 * DAY, Failure::BadShape);
        let shortest = self.policy.recovery_delay.unwrap_or(3 * DAY);
        no.unless(action.delay >= shortest, Failure::ShortDelay);
        let waits = self.pending(at.sender).is_some();
        no.unless(!waits, Failure::RecoveryPending);
        if !no.any() {
            let guard = Guardianship {
                guard: Some(at.id),
                set: action.set,
                delay: action.delay,
                attempts: self.attempts(at.sender),
                pending: None,
            };
            self.guards.insert(at.sender, guard);
        }
    }

    pub fn unguard(&mut self, at: &At, action: &Unguard, no: &mut No) {
        let waits = self.pending(at.sender).is_some();
        no.unless(!waits, Failure::RecoveryPending);
        let found = self.guards.get_mut(&at.sender);
        match found.filter(|it| it.guard == Some(action.guard)) {
            None => no.because(Failure::NoGuardians),
            Some(_) if no.any() => {}
            Some(guard) => guard.guard = None,
        }
    }

    pub fn recover(&mut self, at: &At, action: &Recover, no: &mut No) {
        let owner = action.account;
        no.unless(self.is_patient(owner), Failure::UnknownAccount);
        let had = self
            .accounts
            .get(&owner)
            .is_some_and(|account| account.operation_keys.iter().any(|it| it.key == action.key));
        no.unless(!had, Failure::KeyInUse);
        let claim = RecoveryClaim {
            chain: self.chain,
            account: owner,
            guard: action.guard,
            attempt: self.attempts(owner) + 1,
            key: action.key,
            hpke_key: action.hpke_key.clone(),
        };
        let consents = action.key.verify(&claim.preimage(), &action.consent);
        no.unless(consents.is_ok(), Failure::BadProof);
        let guardians = self.guardians(action, &claim, no);
        let found = self.guards.get(&owner).copied();
        let Some(mut guard) = found.filter(|it| it.guard == Some(action.guard)) else {
            return no.because(Failure::NoGuardians);
        };
        let set = Digest::of(&codec::encode(&action.set));
        no.unless(set == guard.set, Failure::WrongGuardians);
        if no.any() {
            return;
        }
        if let Some(earlier) = guard.pending {
            self.settle(earlier, RecoveryStatus::Replaced(self.time));
        }
        guard.pending = Some(at.id);
        guard.attempts = claim.attempt;
        let recovery = Recovery {
            id: at.id,
            account: owner,
            guard: action.guard,
            key: action.key,
            guardians,
            time: self.time,
            due: self.time.plus(guard.delay),
            status: RecoveryStatus::Pending,
        };
        self.guards.insert(owner, guard);
        self.recoveries.insert(at.id, recovery);
        self.notices.push((owner, Told::Recovery(at.id)));
    }

    /// Who approves: as many as must, each in its place, none twice, not she herself.
    fn guardians(&self, action: &Recover, claim: &RecoveryClaim, no: &mut No) -> Vec<AccountId> {
        let must = usize::from(action.set.threshold);
        no.unless((2..=16).contains(&must), Failure::BadShape);
        no.unless(action.set.members.len() == 16, Failure::BadShape);
        let approvals = &action.approvals;
        no.unless(approvals.len() >= must, Failure::TooFewGuardians);
        no.unless(approvals.len() <= must, Failure::BadShape);
        let mut last = 0;
        let mut guardians = Vec::new();
        for (at, approval) in approvals.iter().enumerate() {
            no.unless(at == 0 || approval.index > last, Failure::BadShape);
            last = approval.index;
            let place = usize::from(approval.index).wrapping_sub(1);
            let bytes = codec::encode(&approval.member);
            let opened = Digest::commit(&approval.salt, &bytes);
            let stands = action.set.members.get(place) == Some(&opened);
            let guardian = approval.member.guardian;
            let other = guardian != action.account && !guardians.contains(&guardian);
            no.unless(stands && other, Failure::WrongGuardians);
            guardians.push(guardian);
            let signs = self
                .key(guardian)
                .is_some_and(|key| key.verify(&claim.preimage(), &approval.signature).is_ok());
            no.unless(signs, Failure::BadApproval);
        }
        guardians
    }

    fn settle(&mut self, id: OperationId, status: RecoveryStatus) {
        if let Some(recovery) = self.recoveries.get_mut(&id) {
            recovery.status = status;
        }
    }

    /// The recovery that waits for an account leaves.
    fn leave(&mut self, account: AccountId, id: OperationId, status: RecoveryStatus) {
        if let Some(guard) = self.guards.get_mut(&account) {
            guard.pending = None;
        }
        self.settle(id, status);
    }

    pub fn object(&mut self, at: &At, action: &Object, no: &mut No) {
        let waits = self.pending(at.principal) == Some(action.recovery);
        if !waits {
            return no.because(Failure::NoRecovery);
        }
        let due = self.recoveries[&action.recovery].due;
        no.unless(self.time < due, Failure::ObjectionLate);
        if !no.any() {
            let status = RecoveryStatus::Objected(self.time);
            self.leave(at.principal, action.recovery, status);
        }
    }

    pub fn complete(&mut self, _: &At, action: &CompleteRecovery, no: &mut No) {
        if self.pending(action.account) != Some(action.recovery) {
            return no.because(Failure::NoRecovery);
        }
        let recovery = &self.recoveries[&action.recovery];
        no.unless(action.key == recovery.key, Failure::BadShape);
        no.unless(self.time >= recovery.due, Failure::RecoveryEarly);
        let mut account = self.accounts[&action.account].clone();
        let (key, height) = (recovery.key, self.height);
        follow(&mut account.operation_keys, key, height, height, no);
        if !no.any() {
            self.accounts.insert(account.id, account);
            let status = RecoveryStatus::Complete(self.time);
            self.leave(action.account, action.recovery, status);
        }
    }
}
