//! The log: one append-only Merkle tree over all operation records.
//!
//! Source: RFC 9162 section 2.1 (leaf hash, node hash, inclusion and consistency
//! proofs), SHA2-256. This module refuses to know what a leaf says.

mod hash;
mod proof;
mod range;
mod tree;

pub use hash::{empty_root, leaf_hash, node_hash};
pub use proof::{ConsistencyProof, InclusionProof, ProofError};
pub use range::CompactRange;
pub use tree::{Nodes, consistency_proof, inclusion_proof, root_at};

pub(crate) use tree::{Appender, Memo};
