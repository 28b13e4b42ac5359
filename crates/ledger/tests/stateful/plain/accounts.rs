//! Accounts, keys, joining, attestation, delegation.

use base::{
    Statement,
    key::RecordKey,
    operation::{
        Attest, ConsentToJoin, Delegate, Join, KeyConsent, NewKey, ProvenRecordKey, RecordKeyClaim,
        Register, Role, RotateKey, Undelegate,
    },
};
use ledger::{Account, Delegation, Failure, KeyPeriod};

use super::{At, No, Plain, opened};

impl Plain {
    pub fn register(&mut self, at: &At, action: &Register, no: &mut No) {
        no.unless(
            !self.accounts.contains_key(&at.sender),
            Failure::AlreadyRegistered,
        );
        let hospital = action.role == Role::Hospital;
        let patient = action.role == Role::Patient;
        let node = matches!(action.role, Role::Node | Role::Agent);
        no.unless(action.record_key.is_some() == hospital, Failure::BadShape);
        no.unless(action.patient.is_some() == patient, Failure::BadShape);
        if let Some(peer) = &action.peer {
            no.unless(node && (1..=128).contains(&peer.len()), Failure::BadShape);
        }
        let founder = self.institutions.contains_key(&at.sender);
        let fits = hospital || action.role == Role::Requester;
        no.unless(!founder || fits, Failure::WrongRole);
        if let Some(proven) = &action.record_key {
            no.unless(self.proven(at, proven), Failure::BadProof);
        }
        if no.any() {
            return;
        }
        let keys = (action.operation_key, &action.hpke_key);
        let account = Account {
            record_keys: action
                .record_key
                .iter()
                .map(|proven| KeyPeriod {
                    key: proven.key.clone(),
                    from: self.height,
                    until: None,
                })
                .collect(),
            peer: action.peer.clone(),
            patient: action.patient,
            ..opened(at.sender, action.role, keys, self.height)
        };
        self.accounts.insert(at.sender, account);
    }

    fn proven(&self, at: &At, proven: &ProvenRecordKey) -> bool {
        let claim = RecordKeyClaim {
            chain: self.chain,
            account: at.sender,
            key: proven.key.clone(),
        };
        let key: &RecordKey = &proven.key;
        key.verify(&claim.preimage(), proven.proof.as_bytes())
            .is_ok()
    }

    pub fn rotate_key(&mut self, at: &At, action: &RotateKey, no: &mut No) {
        let height = self.height;
        let until = action.compromised_after.unwrap_or(height);
        no.unless(until <= height, Failure::BadShape);
        let Some(account) = self.accounts.get(&at.sender) else {
            return;
        };
        let mut account = account.clone();
        match &action.new {
            NewKey::Operation(key, consent) => {
                let statement = KeyConsent {
                    chain: self.chain,
                    account: at.sender,
                    sequence: at.sequence,
                };
                let consents = key.verify(&statement.preimage(), consent).is_ok();
                no.unless(consents, Failure::BadProof);
                follow(&mut account.operation_keys, *key, height, until, no);
            }
            NewKey::Record(proven) => {
                no.unless(account.role == Role::Hospital, Failure::WrongRole);
                no.unless(self.proven(at, proven), Failure::BadProof);
                let key = proven.key.clone();
                follow(&mut account.record_keys, key, height, until, no);
            }
            NewKey::Hpke(key) => account.hpke_key = key.clone(),
            NewKey::Peer(peer) => {
                let node = matches!(account.role, Role::Node | Role::Agent);
                no.unless(node && (1..=128).contains(&peer.len()), Failure::BadShape);
                account.peer = Some(peer.clone());
            }
        }
        if !no.any() {
            if let NewKey::Operation(key, _) = &action.new
                && let Some(seat) = self.seats.get_mut(&at.sender)
            {
                seat.0 = *key;
            }
            self.accounts.insert(at.sender, account);
        }
    }

    pub fn join(&mut self, at: &At, action: &Join, no: &mut No) {
        let one = self.institution(at.sender).is_some();
        let joined = self.accounts.get(&at.sender).and_then(|it| it.institution);
        no.unless(!one && joined.is_none(), Failure::AlreadyJoined);
        let admitted = self.institutions.contains_key(&action.institution);
        no.unless(admitted, Failure::NotAdmitted);
        let second = self.seats.contains_key(&at.sender) && self.is_seated(action.institution);
        no.unless(!second, Failure::InstitutionSeated);
        let Some(key) = self.key(action.institution) else {
            return no.because(Failure::UnknownAccount);
        };
        let consent = ConsentToJoin {
            chain: self.chain,
            account: at.sender,
            institution: action.institution,
        };
        let consents = key.verify(&consent.preimage(), &action.consent).is_ok();
        no.unless(consents, Failure::BadProof);
        if !no.any()
            && let Some(account) = self.accounts.get_mut(&at.sender)
        {
            account.institution = Some(action.institution);
        }
    }

    pub fn attest(&mut self, at: &At, action: &Attest, no: &mut No) {
        let admitted = self.institutions.contains_key(&at.sender);
        no.unless(admitted, Failure::NotAdmitted);
        no.unless(self.is_patient(action.patient), Failure::UnknownAccount);
        let mut hers = self.attests.iter().filter(|it| it.1 == action.patient);
        no.unless(hers.all(|it| it.0 != at.sender), Failure::AlreadyAttested);
        let today = self.time.0 / 86_400_000;
        let his = self
            .attests
            .iter()
            .filter(|it| it.0 == at.sender && it.2 == today);
        let room = (his.count() as u64) < u64::from(self.policy.cap_attest_day);
        no.unless(room, Failure::AttestCap);
        if !no.any()
            && let Some(patient) = self.accounts.get_mut(&action.patient)
        {
            patient.attested_by.push(at.sender);
            self.attests.push((at.sender, action.patient, today));
        }
    }

    pub fn delegate(&mut self, at: &At, action: &Delegate, no: &mut No) {
        let mut sorted = action.powers.clone();
        sorted.sort();
        sorted.dedup();
        no.unless(
            !sorted.is_empty() && sorted == action.powers,
            Failure::BadShape,
        );
        no.unless(action.expires > self.time, Failure::BadShape);
        no.unless(action.delegate != at.sender, Failure::BadShape);
        let known = self.accounts.contains_key(&action.delegate);
        no.unless(known, Failure::UnknownAccount);
        if !no.any() {
            let delegation = Delegation {
                id: at.id,
                patient: at.sender,
                delegate: action.delegate,
                powers: action.powers.clone(),
                expires: action.expires,
                ended: None,
            };
            self.delegations.insert(at.id, delegation);
        }
    }

    pub fn undelegate(&mut self, at: &At, action: &Undelegate, no: &mut No) {
        let now = self.time;
        let Some(found) = self.delegations.get_mut(&action.delegation) else {
            return no.because(Failure::NoDelegation);
        };
        no.unless(found.patient == at.sender, Failure::NotYours);
        no.unless(found.ended.is_none(), Failure::NoDelegation);
        if !no.any() {
            found.ended = Some(now);
        }
    }
}

/// The keys before end at `until`; nothing that they signed later is trusted.
pub fn follow<K: PartialEq>(
    keys: &mut Vec<KeyPeriod<K>>,
    key: K,
    height: u64,
    until: u64,
    no: &mut No,
) {
    for period in keys.iter_mut() {
        no.unless(period.key != key, Failure::KeyInUse);
        period.until = Some(period.until.unwrap_or(until).min(until));
    }
    keys.push(KeyPeriod {
        key,
        from: height,
        until: None,
    });
}
