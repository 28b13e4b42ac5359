//! Guardians of an account, and what they put forward.

use base::{
    ChainId, OperationId, Salt, Statement,
    key::{OperationSecret, Signature},
    operation::*,
};

use super::{digest, hpke, id, key_of, secret};

/// The guardians of one account, in the order of their places.
pub struct Guards {
    pub names: Vec<&'static str>,
    pub threshold: u8,
    pub delay: u64,
}

impl Guards {
    pub fn member(&self, place: usize) -> (Member, Salt) {
        let name = self.names[place];
        let member = Member {
            guardian: id(name),
            share: digest(&format!("share of {name}")),
        };
        (member, Salt(digest(&format!("salt of {name}")).0))
    }

    pub fn set(&self) -> GuardianSet {
        let members = (0..MAX_GUARDIANS)
            .map(|place| match place < self.names.len() {
                true => {
                    let (member, salt) = self.member(place);
                    member.commitment(&salt)
                }
                false => digest(&format!("random {place}")),
            })
            .collect();
        GuardianSet {
            threshold: self.threshold,
            members,
        }
    }

    pub fn guard(&self) -> Guard {
        Guard {
            set: self.set().digest(),
            delay: self.delay,
        }
    }

    /// What `by` put forward for `account`: the key of the name `key`.
    pub fn recover(&self, asked: &Asked<'_>, by: &[&'static str]) -> Recover {
        let mut recover = Recover {
            account: id(asked.account),
            guard: asked.guard,
            key: key_of(asked.key),
            hpke_key: hpke(asked.key),
            consent: Signature([0; 64]),
            set: self.set(),
            approvals: Vec::new(),
        };
        let preimage = recover.claim(asked.chain, asked.attempt).preimage();
        recover.consent = secret(asked.key).sign(&preimage);
        for (place, name) in self.names.iter().enumerate() {
            if by.contains(name) {
                recover
                    .approvals
                    .push(self.approval(place, &secret(name), &preimage));
            }
        }
        recover
    }

    pub fn approval(&self, place: usize, by: &OperationSecret, preimage: &[u8]) -> Approval {
        let (member, salt) = self.member(place);
        Approval {
            index: place as u8 + 1,
            member,
            salt,
            signature: by.sign(preimage),
        }
    }
}

/// What guardians are asked for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub chain: ChainId,
    pub account: &'a str,
    pub guard: OperationId,
    pub attempt: u64,
    pub key: &'a str,
}
