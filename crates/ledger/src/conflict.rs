//! Two certified heads that cannot be of one ledger: a proof against the validators that
//! signed both, for anybody who holds the genesis object.

use base::{
    AccountId, Version,
    codec::{self, DecodeError},
};
use serde::{Deserialize, Serialize};

use crate::{
    block::{Block, Head, HeadError, Header},
    validators::{Transition, Validators},
};

/// A ledger that contradicts itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    #[serde(rename = "v")]
    version: Version,
    /// A head of the ledger that was seen first.
    pub ours: Head,
    /// The block that contradicts it: of the same height and another header, or of the next
    /// height and built on another block, or one that the rules do not give. Without leaves
    /// where the head alone tells.
    pub theirs: Block,
    /// What does not hold, for people.
    pub fault: String,
    /// Changes of validators from the genesis object on, up to who decided `theirs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transitions: Vec<Transition>,
}

impl Conflict {
    /// Nothing is checked.
    pub fn new(ours: Head, theirs: Block, fault: String) -> Self {
        Self {
            version: Version,
            ours,
            theirs,
            fault,
            transitions: Vec::new(),
        }
    }

    /// With the changes of validators that lead from the genesis object to those who decided,
    /// oldest first; later ones are left out.
    #[must_use]
    pub fn led_by(mut self, transitions: Vec<Transition>) -> Self {
        let last = self.theirs.head.header.height;
        self.transitions = transitions;
        self.transitions.retain(|one| one.head.header.height < last);
        self
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what [`Conflict::to_bytes`] gave.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode_within(bytes, MAX_BYTES)
    }

    /// Validators that signed both heads.
    pub fn signers(&self) -> Vec<AccountId> {
        let ours = self.ours.certificate.signatures.iter();
        let theirs = &self.theirs.head.certificate.signatures;
        let both = ours.filter(|(one, _)| theirs.iter().any(|(other, _)| other == one));
        both.map(|(account, _)| *account).collect()
    }

    /// Follows the changes of validators, checks both certificates, and says whether the heads
    /// alone convict. If they do not, it takes the log up to `ours` and a replay of `theirs` to
    /// see what does not hold.
    ///
    /// # Errors
    /// [`HeadError`]: one of the heads, or of the changes, was made up.
    pub fn is_fork(&self, validators: &Validators) -> Result<bool, HeadError> {
        let mut validators = validators.clone();
        for transition in &self.transitions {
            validators.follow(transition.clone())?;
        }
        let ours = self.ours.clone().verify(&validators)?;
        let theirs = self.theirs.head.clone().verify(&validators)?;
        Ok(contradict(&ours.header, &theirs.header))
    }
}

/// Whether one ledger can have both: headers of one height are equal, and one of the next
/// height names the one before it.
pub fn contradict(one: &Header, other: &Header) -> bool {
    let (low, high) = match one.height <= other.height {
        true => (one, other),
        false => (other, one),
    };
    match high.height - low.height {
        0 => low != high,
        1 => high.previous != Some(low.cid()),
        _ => false,
    }
}

/// Above the largest block that a solo sequencer makes and some thousand changes of validators.
const MAX_BYTES: usize = 32 << 20;
