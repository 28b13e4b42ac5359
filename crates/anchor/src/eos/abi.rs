//! What tells everybody how to read our action: the ABI that an account carries. It needs no
//! code: an action of an account without code is taken and does nothing.
//!
//! Source: the chain's `abi_def.hpp`.

use base::Digest;

use super::{
    Name,
    transaction::ANCHOR,
    wire::{put_bytes, put_varuint},
};

const VERSION: &str = "eosio::abi/1.1";
const FIELDS: [(&str, &str); 5] = [
    ("ledger", "checksum256"),
    ("root", "checksum256"),
    ("size", "uint64"),
    ("height", "uint64"),
    ("head", "checksum256"),
];

/// The ABI as the chain keeps it: no types, one structure, one action, and nothing else.
pub(super) fn ours() -> Vec<u8> {
    let mut abi = Vec::new();
    put_bytes(&mut abi, VERSION.as_bytes());
    abi.extend([0, 1]);
    put_bytes(&mut abi, b"anchor");
    put_bytes(&mut abi, b"");
    put_varuint(&mut abi, FIELDS.len() as u32);
    for (name, kind) in FIELDS {
        put_bytes(&mut abi, name.as_bytes());
        put_bytes(&mut abi, kind.as_bytes());
    }
    abi.push(1);
    abi.extend(ANCHOR.0.to_le_bytes());
    put_bytes(&mut abi, b"anchor");
    put_bytes(&mut abi, b"");
    // Tables, clauses, messages of errors, extensions.
    abi.extend([0; 4]);
    abi
}

/// What a node says an account's ABI hashes to.
pub(super) fn hash() -> Digest {
    Digest::of(&ours())
}

/// What the chain's own action `setabi` says.
pub(super) fn set(account: Name) -> Vec<u8> {
    let mut data = account.0.to_le_bytes().to_vec();
    put_bytes(&mut data, &ours());
    data
}

/// The account and the action by which an ABI is set: `eosio`, `setabi`.
pub(super) const SET: (Name, Name) = (Name(0x5530_ea00_0000_0000), Name(0xc2b2_63b8_0000_0000));
