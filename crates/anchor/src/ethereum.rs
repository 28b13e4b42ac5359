//! Ethereum: anchors are events of a contract of ours ([`contract`]), read and sent by
//! JSON-RPC ([`Ethereum`]), and checked without any node ([`verify`]). So are single records and
//! grants, each of a contract of its own.
//!
//! Costs are in gwei, 10^9 wei; fees are in wei for a unit of gas (EIP-1559).

mod evidence;

pub use evidence::{Contract, EthereumEvidence, EthereumTrust};

#[cfg(feature = "ethereum")]
pub use self::{
    client::{Ethereum, Settings},
    contract::Kind,
    deploy::{Deployed, Deployment, allows, deploy},
    key::Key,
    rpc::Fees,
    told::Told,
};

#[cfg(feature = "ethereum")]
mod client;
#[cfg(feature = "ethereum")]
pub mod contract;
#[cfg(feature = "ethereum")]
mod deploy;
#[cfg(feature = "ethereum")]
mod key;
#[cfg(feature = "ethereum")]
pub mod permission;
#[cfg(feature = "ethereum")]
mod receipts;
#[cfg(feature = "ethereum")]
mod rpc;
#[cfg(feature = "ethereum")]
mod told;
#[cfg(feature = "ethereum")]
pub mod verify;
