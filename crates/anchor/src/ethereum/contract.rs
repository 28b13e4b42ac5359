//! The contracts, as `contract/*.sol` has them: calls, events, errors, and their bytecode.
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

sol! {
    /// What is the same in contracts that follow a ledger's leaves.
    contract Feed {
        error NotNext();

        function first() external view returns (uint64);
        function next() external view returns (uint64);
    }

    /// Leaves of one ledger's log, a transaction each.
    contract Records {
        #[derive(Debug)]
        event Recorded(bytes32 indexed ledger, uint64 indexed index, bytes32 leaf);

        constructor(bytes32 ledger_, address[] memory owners_, uint64 first_);

        function leafOf(uint64 index) external view returns (bytes32);
        function record(uint64 index, bytes32 leaf) external;
        function recordAndStore(uint64 index, bytes32 leaf) external;
    }

    /// Grants of one ledger.
    contract Permissions {
        #[derive(Debug)]
        event Permitted(bytes32 indexed ledger, uint64 indexed index, bytes32 indexed key, uint64 from, uint64 notBefore, uint64 expires);

        error NeverHolds();

        constructor(bytes32 ledger_, address[] memory owners_, uint64 first_);

        function spanOf(bytes32 key) external view returns (uint64 notBefore, uint64 expires);
        function grant(uint64 from, uint64 index, bytes32 key, uint64 notBefore, uint64 expires) external;
        function revoke(uint64 from, uint64 index, bytes32 key) external;
        function isAllowed(bytes32 grant_, bytes32 requester) external view returns (bool);
        function keyOf(bytes32 grant_, bytes32 requester) external view returns (bytes32);
    }
}

/// Which contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Anchors.
    Anchors,
    /// Single records, from this leaf on.
    Records(u64),
    /// Grants, from this leaf on.
    Permissions(u64),
}

/// What the compiler made: compiler, then ABI and bytecode of each contract, JSON.
pub const COMPILED: &str = include_str!("contract/compiled.json");

/// Creation code of a contract in [`COMPILED`]; empty if there is none of this name.
pub fn bytecode(name: &str) -> Vec<u8> {
    let compiled: serde_json::Value = serde_json::from_str(COMPILED).unwrap_or_default();
    let code = compiled[name]["bytecode"].as_str().unwrap_or_default();
    hex::decode(code).unwrap_or_default()
}

/// What creates a contract for `ledger`.
pub(super) fn creation(kind: Kind, ledger: ChainId, owners: &[[u8; 20]]) -> Bytes {
    let ledger_ = B256::from(ledger.0);
    let owners_ = owners.iter().map(Address::from).collect();
    let (name, arguments) = match kind {
        Kind::Anchors => (
            "Anchor",
            Anchor::constructorCall { ledger_, owners_ }.abi_encode(),
        ),
        Kind::Records(first_) => (
            "Records",
            Records::constructorCall {
                ledger_,
                owners_,
                first_,
            }
            .abi_encode(),
        ),
        Kind::Permissions(first_) => (
            "Permissions",
            Permissions::constructorCall {
                ledger_,
                owners_,
                first_,
            }
            .abi_encode(),
        ),
    };
    [bytecode(name), arguments].concat().into()
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
    if Feed::FeedErrors::abi_decode(bytes).is_ok() {
        return Some("the contract waits for another leaf");
    }
    if Permissions::PermissionsErrors::abi_decode(bytes).is_ok() {
        return Some("the grant never holds");
    }
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
        let of = |contract: &str, kind: &str| -> Vec<String> {
            let abi = compiled[contract]["abi"].as_array().unwrap();
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
        let owned = [
            Anchor::ledgerCall::SIGNATURE,
            Anchor::ownersCall::SIGNATURE,
            Anchor::isOwnerCall::SIGNATURE,
            Anchor::addOwnerCall::SIGNATURE,
            Anchor::removeOwnerCall::SIGNATURE,
        ];
        let feed = [Feed::firstCall::SIGNATURE, Feed::nextCall::SIGNATURE];
        let calls: [(&str, usize, &str, Vec<&str>); 3] = [
            (
                "Anchor",
                4,
                Anchor::Anchored::SIGNATURE,
                vec![
                    Anchor::newestCall::SIGNATURE,
                    Anchor::rootOfCall::SIGNATURE,
                    Anchor::anchorCall::SIGNATURE,
                    Anchor::anchorAndStoreCall::SIGNATURE,
                ],
            ),
            (
                "Records",
                4,
                Records::Recorded::SIGNATURE,
                [
                    feed.as_slice(),
                    &[
                        Records::leafOfCall::SIGNATURE,
                        Records::recordCall::SIGNATURE,
                        Records::recordAndStoreCall::SIGNATURE,
                    ],
                ]
                .concat(),
            ),
            (
                "Permissions",
                5,
                Permissions::Permitted::SIGNATURE,
                [
                    feed.as_slice(),
                    &[
                        Permissions::spanOfCall::SIGNATURE,
                        Permissions::grantCall::SIGNATURE,
                        Permissions::revokeCall::SIGNATURE,
                        Permissions::isAllowedCall::SIGNATURE,
                        Permissions::keyOfCall::SIGNATURE,
                    ],
                ]
                .concat(),
            ),
        ];
        for (contract, errors, event, own) in calls {
            let mut calls = [owned.as_slice(), &own].concat();
            calls.sort_unstable();
            assert_eq!(of(contract, "function"), calls);
            assert!(of(contract, "event").contains(&event.to_owned()));
            assert_eq!(of(contract, "error").len(), errors, "{contract}");
            assert!(bytecode(contract).len() > 500);
        }
        assert!(bytecode("PerRecord").len() > 200);
    }
}
