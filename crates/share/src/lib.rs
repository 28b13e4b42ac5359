//! The protocol of medshare for its parties: records, scopes, and one file per verb.
#![forbid(unsafe_code)]

pub mod accept;
pub mod account;
pub mod authorize;
pub mod bag;
pub mod body;
pub mod card;
pub mod desk;
pub mod dispute;
pub mod emergency;
pub mod erase;
pub mod follow;
pub mod identity;
pub mod letter;
pub mod manifest;
pub mod node;
pub mod open;
pub mod outbox;
pub mod part;
pub mod post;
pub mod prekey;
pub mod publish;
pub mod record;
pub mod reencrypt;
pub mod request;
pub mod review;
pub mod revoke;
pub mod rotate;
pub mod scheme;
pub mod seal;
pub mod sealed;
pub mod vault;
pub mod wallet;

pub use desk::{Desk, LookError, SendError, Sent};
pub use node::{Node, NodeError};
pub use vault::{Table, Vault, VaultError};

/// The parameter set of the product: set A.
pub type Suite = ibpre::SetA;
