//! The contract, as `contract/Anchor.sol` has it: calls, events, errors, and its bytecode.
//!
//! `contract/compiled.json` is what the compiler makes of the sources; `cargo xtask contracts`
//! writes it, and CI compiles again and compares.

use alloy::{
    primitives::{Address, B256, Bytes},
    sol,
    sol_types::{SolConstructor as _, SolInterface as _},
};
use base::{ChainId, Digest};

use crate::checkpoint::Checkpoint;

sol! {
    /// An anchor of one ledger.
    contract Anchor {
        #[derive(Debug)]
        event Anchored(bytes32 indexed ledger, uint64 indexed sequence, bytes32 root, uint64 size, uint64 height, bytes32 head);
        event OwnerAdded(address indexed owner);
        event OwnerRemoved(address indexed owner);

        error NotOwner();
        error NotNewer();
        error LastOwner();
        error NoOwner();

        constructor(bytes32 ledger_, address[] memory owners_);

        function ledger() external view returns (bytes32);
        function newest() external view returns (uint64 sequence, uint64 size, uint64 height);
        function owners() external view returns (uint256);
        function isOwner(address owner) external view returns (bool);
        function rootOf(uint64 sequence) external view returns (bytes32);
        function anchor(bytes32 root, uint64 size, uint64 height, bytes32 head) external;
        function anchorAndStore(bytes32 root, uint64 size, uint64 height, bytes32 head) external;
        function addOwner(address owner) external;
        function removeOwner(address owner) external;
    }
}

/// What the compiler made: compiler, then ABI and bytecode of each contract, JSON.
pub const COMPILED: &str = include_str!("contract/compiled.json");

/// Creation code of a contract in [`COMPILED`]; empty if there is none of this name.
pub fn bytecode(name: &str) -> Vec<u8> {
    let compiled: serde_json::Value = serde_json::from_str(COMPILED).unwrap_or_default();
    let code = compiled[name]["bytecode"].as_str().unwrap_or_default();
    hex::decode(code).unwrap_or_default()
}

/// What creates the contract for `ledger`.
pub(super) fn creation(ledger: ChainId, owners: &[[u8; 20]]) -> Bytes {
    let arguments = Anchor::constructorCall {
        ledger_: B256::from(ledger.0),
        owners_: owners.iter().map(Address::from).collect(),
    };
    [bytecode("Anchor"), arguments.abi_encode()].concat().into()
}

impl From<&Anchor::Anchored> for Checkpoint {
    fn from(event: &Anchor::Anchored) -> Self {
        Self {
            ledger: ChainId(event.ledger.0),
            root: Digest(event.root.0),
            size: event.size,
            height: event.height,
            head: Digest(event.head.0),
        }
    }
}

/// Why the contract refused, in words, from the bytes that it gave back.
pub(super) fn reason(bytes: &[u8]) -> Option<&'static str> {
    Some(match Anchor::AnchorErrors::abi_decode(bytes).ok()? {
        Anchor::AnchorErrors::NotOwner(_) => "the key is no owner of the contract",
        Anchor::AnchorErrors::NotNewer(_) => "the contract has an anchor that is as new",
        Anchor::AnchorErrors::LastOwner(_) => "the contract's last owner cannot be removed",
        Anchor::AnchorErrors::NoOwner(_) => "an owner is missing",
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy::sol_types::{SolCall, SolEvent as _};

    /// What is declared here is what the compiler found in the sources.
    #[test]
    fn the_declarations_are_those_of_the_compiled_contract() {
        let compiled: serde_json::Value = serde_json::from_str(COMPILED).unwrap();
        let of = |kind: &str| -> Vec<String> {
            let abi = compiled["Anchor"]["abi"].as_array().unwrap();
            let mut found: Vec<String> = abi
                .iter()
                .filter(|item| item["type"] == kind)
                .map(|item| {
                    let inputs = item["inputs"].as_array().unwrap();
                    let types: Vec<&str> = inputs
                        .iter()
                        .map(|input| input["type"].as_str().unwrap())
                        .collect();
                    format!("{}({})", item["name"].as_str().unwrap(), types.join(","))
                })
                .collect();
            found.sort();
            found
        };
        let mut calls = vec![
            Anchor::ledgerCall::SIGNATURE,
            Anchor::newestCall::SIGNATURE,
            Anchor::ownersCall::SIGNATURE,
            Anchor::isOwnerCall::SIGNATURE,
            Anchor::rootOfCall::SIGNATURE,
            Anchor::anchorCall::SIGNATURE,
            Anchor::anchorAndStoreCall::SIGNATURE,
            Anchor::addOwnerCall::SIGNATURE,
            Anchor::removeOwnerCall::SIGNATURE,
        ];
        calls.sort_unstable();
        assert_eq!(of("function"), calls);
        assert!(of("event").contains(&Anchor::Anchored::SIGNATURE.to_owned()));
        assert_eq!(of("error").len(), 4);
        assert!(bytecode("Anchor").len() > 500);
        assert!(bytecode("PerRecord").len() > 200);
    }
}
