//! The vocabulary that every floor of medshare speaks: identifiers, canonical
//! bytes, statements and their signatures, the operations of the ledger.
//!
//! Source: protocol page of the project (`docs/protocol.md`), after Chen et al.
//! 2019. This crate refuses to know about I/O, clocks and randomness.

pub mod cid;
pub mod class;
pub mod codec;
pub mod domain;
pub mod genesis;
pub mod id;
pub mod key;
pub mod operation;
pub mod scope;
pub mod signed;
pub mod time;
pub mod version;

pub use cid::Cid;
pub use class::Class;
pub use id::{
    AccountId, CapsuleId, ChainId, Digest, GrantId, Nonce, OperationId, RecordId, Salt, ScopeId,
};
pub use operation::{Action, Operation, SignedOperation};
pub use scope::Scope;
pub use signed::{Signed, Statement, Verified};
pub use time::{Epoch, Millis};
pub use version::{UnknownVersion, Version};
