//! The proof file: one logged operation that anybody can check offline against a
//! genesis object.
//!
//! Canonical DAG-CBOR: `{v, leaf, receipt, transitions}`. The receipt leads from the leaf's
//! hash to the root of a certified block; the genesis object says whose signatures count, and
//! where validators changed since, the transitions lead from those to the block's.

use base::{Digest, Version, codec, genesis::Genesis};
use ledger::{Header, Leaf, Receipt, Transition, Validators, VerifiedReceipt};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use share::node::{Node, NodeError};
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
    /// Every change of validators before that head; absent if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transitions: Vec<Transition>,
}

impl ProofFile {
    /// The proof of `leaf`, with what [`transitions_before`] its receipt's head gave.
    pub fn new(leaf: &Leaf, receipt: Receipt, transitions: Vec<Transition>) -> Self {
        Self {
            version: Version,
            leaf: leaf.to_bytes().into(),
            receipt,
            transitions,
        }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The file that has these bytes; nothing is checked yet.
    ///
    /// # Errors
    /// [`codec::DecodeError`].
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, codec::DecodeError> {
        codec::decode(bytes)
    }

    /// The header of the block that it leads to, unchecked.
    pub fn header(&self) -> &Header {
        &self.receipt.head.header
    }

    /// Hashes from the leaf to that block's root, unchecked.
    pub fn path(&self) -> &[Digest] {
        &self.receipt.inclusion.path
    }

    /// Reads the file at `path`; nothing is checked yet.
    ///
    /// # Errors
    /// [`Exit::Invalid`] for anything that is no proof file, [`Exit::NotFound`],
    /// [`Exit::Storage`].
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read_small(path, codec::MAX_OBJECT)?;
        Self::from_bytes(&bytes).map_err(|error| unreadable(path, "proof file", error))
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
        let mut validators = Validators::of(genesis);
        for transition in self.transitions {
            let height = transition.head.header.height;
            validators.follow(transition).map_err(|error| {
                wrong(format!("validators changed at height {height}: {error}"))
            })?;
        }
        let receipt = self
            .receipt
            .verify(&validators, &leaf.operation)
            .map_err(|error| wrong(error.to_string()))?;
        Ok((leaf, receipt))
    }
}

/// Every change of validators in blocks below `height`, oldest first: what leads from the
/// genesis object to whoever certified that block.
///
/// # Errors
/// [`NodeError`].
pub fn transitions_before(height: u64, node: &dyn Node) -> Result<Vec<Transition>, NodeError> {
    let mut found: Vec<Transition> = Vec::new();
    loop {
        let from = found.last().map_or(1, |last| last.head.header.height + 1);
        let batch = node.transitions(from, BATCH)?;
        let full = batch.len() >= BATCH as usize;
        let before =
            |transition: &Transition| (from..height).contains(&transition.head.header.height);
        let useful = batch.iter().take_while(|one| before(one)).count();
        let more = full && useful == batch.len();
        found.extend(batch.into_iter().take(useful));
        if !more {
            return Ok(found);
        }
    }
}

/// Transitions asked for at once.
const BATCH: u32 = 100;

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
