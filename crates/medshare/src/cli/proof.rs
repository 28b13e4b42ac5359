//! The proof file: one logged operation that anybody can check offline against a
//! genesis object.
//!
//! Canonical DAG-CBOR: `{v, leaf, receipt}`. The receipt leads from the leaf's hash
//! to the root of a certified block; the genesis object says whose signatures count.

use base::{Version, codec, genesis::Genesis};
use ledger::{Leaf, Receipt, Validators, VerifiedReceipt};
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
    /// Format.
    #[serde(rename = "v")]
    version: Version,
    /// Canonical bytes of the leaf.
    leaf: ByteBuf,
    /// Inclusion proof and certified head.
    receipt: Receipt,
}

impl ProofFile {
    /// The proof of `leaf`.
    pub fn new(leaf: &Leaf, receipt: Receipt) -> Self {
        Self {
            version: Version,
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
        codec::decode(&bytes).map_err(|error| unreadable(path, "proof file", error))
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
            .verify(&Validators::of(genesis), &leaf.operation)
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
    codec::decode(&bytes).map_err(|error| unreadable(path, "genesis file", error))
}

fn unreadable(path: &Path, kind: &str, error: codec::DecodeError) -> Fault {
    let name = path.display();
    match error {
        codec::DecodeError::Version { version, .. } => Fault::newer(Exit::Invalid, name, version),
        other => Fault::new(
            Exit::Invalid,
            format!("{name} is no {kind} of medshare, or damaged: {other}"),
        ),
    }
}
