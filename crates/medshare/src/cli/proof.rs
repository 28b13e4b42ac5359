//! The proof file: one logged operation that anybody can check offline against a
//! genesis object.
//!
//! Canonical DAG-CBOR: `{version, leaf, receipt}`. The receipt leads from the leaf's hash
//! to the root of a certified block; the genesis object says whose signatures count.

use base::{codec, genesis::Genesis};
use ledger::{Leaf, Receipt, ValidatorSet, VerifiedReceipt};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::path::Path;

use crate::{
    exit::{Exit, Fault, Result},
    files,
};

/// An operation, its outcome, and the proof of both.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// Format; 1.
    version: u32,
    /// Canonical bytes of the leaf.
    leaf: ByteBuf,
    /// Inclusion proof and certified head.
    receipt: Receipt,
}

impl ProofFile {
    /// The proof of `leaf`.
    pub fn new(leaf: &Leaf, receipt: Receipt) -> Self {
        Self {
            version: 1,
            leaf: leaf.to_bytes().into(),
            receipt,
        }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads the file at `path`; nothing is checked yet.
    ///
    /// # Errors
    /// [`Exit::Invalid`] for anything that is no proof file, [`Exit::NotFound`],
    /// [`Exit::Storage`].
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read_small(path, codec::MAX_OBJECT)?;
        let wrong = |reason: String| {
            Fault::new(
                Exit::Invalid,
                format!(
                    "{} is no proof file of medshare, or damaged: {reason}",
                    path.display()
                ),
            )
        };
        let proof: Self = codec::decode(&bytes).map_err(|error| wrong(error.to_string()))?;
        if proof.version != 1 {
            return Err(wrong("made by a newer version".into()));
        }
        Ok(proof)
    }

    /// Checks everything against `genesis`.
    ///
    /// # Errors
    /// [`Exit::Invalid`] naming what does not hold.
    pub fn verify(self, genesis: &Genesis) -> Result<(Leaf, VerifiedReceipt)> {
        let wrong = |reason: String| {
            Fault::new(Exit::Invalid, format!("the proof does not hold: {reason}"))
        };
        let leaf: Leaf = codec::decode(&self.leaf).map_err(|error| wrong(error.to_string()))?;
        if leaf.operation.body.chain != genesis.chain() {
            return Err(wrong("it is about another ledger than this genesis".into()));
        }
        if leaf.outcome != self.receipt.outcome {
            return Err(wrong("leaf and receipt have different outcomes".into()));
        }
        let receipt = self
            .receipt
            .verify(&ValidatorSet::of(genesis), &leaf.operation)
            .map_err(|error| wrong(error.to_string()))?;
        Ok((leaf, receipt))
    }
}

/// Reads a genesis file.
///
/// # Errors
/// [`Exit::Invalid`], [`Exit::NotFound`], [`Exit::Storage`].
pub fn read_genesis(path: &Path) -> Result<Genesis> {
    let bytes = files::read_small(path, codec::MAX_OBJECT)?;
    codec::decode(&bytes).map_err(|error| {
        Fault::new(
            Exit::Invalid,
            format!(
                "{} is no genesis file of medshare, or damaged: {error}",
                path.display()
            ),
        )
    })
}
