//! The proof file of a single record: one logged operation, and its own transaction in a public
//! chain. Both forms as in [`crate::proof`]; docs/anchors.md says how each link is checked.

use base::{ChainId, OperationId, Version, codec};
use ledger::Leaf;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::{
    bytes::Bytes,
    proof::{self, Broken, Evidence, Link, Stood, Trust},
};

/// An operation with the proof that it was submitted by itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordProof {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// Canonical bytes of the leaf: the operation as it was signed, and its outcome.
    pub leaf: Bytes,
    /// Its index in the log, as the transaction says it.
    pub index: u64,
    /// The transaction.
    pub anchor: Evidence,
}

/// What such a proof says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The operation.
    pub operation: OperationId,
    /// With its outcome.
    pub leaf: Leaf,
    /// Its index in the log.
    pub index: u64,
    /// Where the transaction stands.
    pub stood: Stood,
}

impl RecordProof {
    /// Puts a proof together; nothing is checked.
    pub fn new(leaf: &Leaf, index: u64, anchor: Evidence) -> Self {
        Self {
            version: Version,
            leaf: leaf.to_bytes().into(),
            index,
            anchor,
        }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The same as JSON.
    pub fn to_json(&self) -> String {
        proof::json(self)
    }

    /// Reads either form.
    ///
    /// # Errors
    /// [`Broken`] at [`Link::Format`].
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        proof::either(bytes)
    }

    /// Checks every link, from the operation outward.
    ///
    /// # Errors
    /// [`Broken`] names the first link that does not hold.
    pub fn verify(&self, trust: &Trust<'_>) -> Result<Recorded, Broken> {
        let found = self.examine(trust.ledger)?;
        proof::trusted(&found.stood, trust)?;
        Ok(found)
    }

    /// Checks every link but the one that needs a verifier's own knowledge.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn examine(&self, ledger: ChainId) -> Result<Recorded, Broken> {
        let leaf: Leaf =
            codec::decode(&self.leaf).map_err(|error| Broken::at(Link::Operation, error))?;
        let (_, operation) = leaf.operation.to_bytes();
        if leaf.operation.body.chain != ledger {
            return Err(Broken::at(Link::Operation, "it is about another ledger"));
        }
        let record = Record::of(ledger, self.index, &self.leaf);
        Ok(Recorded {
            operation,
            leaf,
            index: self.index,
            stood: stood(&self.anchor, &record)?,
        })
    }
}

fn stood(evidence: &Evidence, record: &Record) -> Result<Stood, Broken> {
    match evidence {
        #[cfg(feature = "ethereum")]
        Evidence::Ethereum(evidence) => crate::ethereum::verify::stood(evidence, record),
        #[cfg(not(feature = "ethereum"))]
        Evidence::Ethereum(_) => {
            let _ = record;
            Err(proof::not_built(evidence.chain()))
        }
        other => Err(Broken::at(
            Link::Format,
            format!("single records are not submitted to {}", other.chain()),
        )),
    }
}
