//! The protocol of medshare for its parties: records, scopes, and one file per verb.
#![forbid(unsafe_code)]

pub mod body;
pub mod card;
pub mod desk;
pub mod follow;
pub mod identity;
pub mod letter;
pub mod manifest;
pub mod node;
pub mod prekey;
pub mod record;
pub mod scheme;
pub mod sealed;
pub mod vault;

pub use desk::{Desk, LookError, SendError, Sent};
pub use node::{Node, NodeError};
pub use vault::{Table, Vault, VaultError};

/// The parameter set of the product: set A.
pub type Suite = ibpre::SetA;
