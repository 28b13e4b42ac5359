//! An owner, her guardians, and a device on which she starts again.

use base::{
    AccountId, Millis, OperationId,
    key::OperationSecret,
    operation::{RecoveryClaim, Role},
};
use share::{
    account,
    bag::{self, Phrase, Restored},
    identity::{HpkeSecret, Party},
    letter::Letter,
    recovery::{claim, code, guard, guard::Guards, keep},
};

use super::{Cast, Person, rng};

pub const DELAY: u64 = 3 * Millis::DAY;

impl Cast {
    /// A hospital, a patient and an agent.
    pub fn guardians(&self) -> [&Person; 3] {
        [&self.other_hospital, &self.stranger, &self.agent]
    }

    pub fn guards(&self, threshold: usize) -> Guards {
        Guards {
            guardians: self.guardians().map(Person::id).to_vec(),
            threshold,
            delay: DELAY,
        }
    }

    /// The patient names them, and they take their shares in.
    pub fn guarded(&self, threshold: usize) -> OperationId {
        let wallet = self.world.wallet(&self.patient);
        let phrase = self.patient.phrase.as_ref().unwrap();
        let sent = guard::guard(&wallet, phrase, &self.guards(threshold), &mut rng()).unwrap();
        for guardian in self.guardians() {
            self.keep(guardian);
        }
        sent.id
    }

    /// A guardian takes the one letter in that it has.
    pub fn keep(&self, guardian: &Person) {
        let Letter::Share(share) = self.world.one_letter(guardian).letter else {
            panic!("a share")
        };
        keep::receive(&self.world.desk(guardian), &share).unwrap();
    }

    /// A device with an account of its own.
    pub fn device(&self) -> Person {
        let secret = OperationSecret::new(*HpkeSecret::generate(&mut rng()).as_secret());
        let device = Person::new(Party::new(
            self.world.chain(),
            secret,
            HpkeSecret::generate(&mut rng()),
        ));
        account::register(&self.world.desk(&device), Role::Requester, None, None).unwrap();
        device
    }

    /// The device asks `guardians`, who note it.
    pub fn claimed(&self, device: &Person, guardians: &[&Person]) -> RecoveryClaim {
        self.claimed_of(self.patient.id(), device, guardians)
    }

    fn claimed_of(
        &self,
        owner: AccountId,
        device: &Person,
        guardians: &[&Person],
    ) -> RecoveryClaim {
        let ids: Vec<AccountId> = guardians.iter().map(|guardian| guardian.id()).collect();
        let desk = self.world.desk(device);
        let claim = claim::begin(&desk, owner, &ids, &mut rng()).unwrap();
        for guardian in guardians {
            let Letter::Claim(letter) = self.world.one_letter(guardian).letter else {
                panic!("a claim")
            };
            keep::asked(&self.world.desk(guardian), &letter, self.world.now()).unwrap();
        }
        claim
    }

    /// A guardian hears the code and approves; the device takes that in.
    pub fn approved(&self, guardian: &Person, claim: &RecoveryClaim, device: &Person) {
        let desk = self.world.desk(guardian);
        keep::approve(&desk, &code(claim), self.world.now(), &mut rng()).unwrap();
        let Letter::Approval(letter) = self.world.one_letter(device).letter else {
            panic!("an approval")
        };
        let who = claim::receive_approval(&self.world.desk(device), &letter).unwrap();
        assert_eq!(who, guardian.id());
    }

    /// Two guardians approve, and it stands on the ledger.
    pub fn logged(&self, device: &Person, guardians: &[&Person]) -> (RecoveryClaim, OperationId) {
        self.logged_of(self.patient.id(), device, guardians)
    }

    /// The same for an account of which they keep shares.
    pub fn logged_of(
        &self,
        owner: AccountId,
        device: &Person,
        guardians: &[&Person],
    ) -> (RecoveryClaim, OperationId) {
        let claim = self.claimed_of(owner, device, guardians);
        for guardian in guardians {
            self.approved(guardian, &claim, device);
        }
        let recovery = claim::log(&self.world.desk(device)).unwrap();
        (claim, recovery)
    }

    /// A guardian looks whether it can give its share out, and does.
    pub fn released(&self, guardian: &Person, device: &Person) {
        let desk = self.world.desk(guardian);
        let released = keep::release(&desk, self.world.now(), &mut rng()).unwrap();
        assert_eq!(released.len(), 1);
        let Letter::Release(letter) = self.world.one_letter(device).letter else {
            panic!("a share")
        };
        claim::receive_share(&self.world.desk(device), &letter).unwrap();
    }

    /// The owner's wallet in an empty vault, from her phrase and the key in force.
    pub fn returned(&self, phrase: &Phrase, key: OperationSecret) -> (Person, Restored) {
        let mut party = Party::new(
            self.world.chain(),
            phrase.operation(),
            HpkeSecret::generate(&mut rng()),
        );
        party.operation = key;
        let mut person = Person::new(party);
        let back = bag::restore(&self.world.desk(&person), phrase.bag()).unwrap();
        person.party.operation = back.operation.clone();
        person.party.hpke = back.hpke.clone();
        (person, back)
    }
}
