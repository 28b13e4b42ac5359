//! Two certified heads that cannot be of one ledger: a proof against the validators that
//! signed both, for anybody who holds the genesis object.

use base::{
    AccountId, Version,
    codec::{self, DecodeError},
};
use serde::{Deserialize, Serialize};

use crate::{
    block::{Block, Head, HeadError, Header},
    validators::Validators,
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
}

impl Conflict {
    /// Nothing is checked.
    pub fn new(ours: Head, theirs: Block, fault: String) -> Self {
        Self {
            version: Version,
            ours,
            theirs,
            fault,
        }
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

    /// Checks both certificates; says whether the heads alone convict. If they do not, it
    /// takes the log up to `ours` and a replay of `theirs` to see what does not hold.
    ///
    /// # Errors
    /// [`HeadError`]: one of the heads was made up.
    pub fn is_fork(&self, validators: &Validators) -> Result<bool, HeadError> {
        let ours = self.ours.clone().verify(validators)?;
        let theirs = self.theirs.head.clone().verify(validators)?;
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

/// Above the largest block that a solo sequencer makes.
const MAX_BYTES: usize = 16 << 20;
