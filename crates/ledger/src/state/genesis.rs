//! The state that a ledger starts with: policy, founding institutions, and the accounts
//! of the validators (role node, sequence 0).

use base::{AccountId, genesis::Genesis, operation::Role};

use super::{
    Memory, Overlay, StateHash,
    entry::{Account, Institution, KeyPeriod},
    overlay::Changes,
};

/// The hash of the starting state.
pub fn genesis_hash(genesis: &Genesis) -> StateHash {
    let mut hash = StateHash::default();
    write_genesis(genesis).update(&mut hash);
    hash
}

/// The starting state as changes of the empty one.
pub(crate) fn write_genesis(genesis: &Genesis) -> Changes {
    let empty = Memory::default();
    let mut state = Overlay::new(&empty);
    state.put(&(), &genesis.policy);
    for founding in &genesis.institutions {
        state.put(
            &founding.account,
            &Institution {
                account: founding.account,
                group: founding.group,
                admitted: genesis.created,
            },
        );
    }
    for validator in &genesis.validators {
        let id = AccountId::of(&validator.key);
        state.put(
            &id,
            &Account {
                id,
                role: Role::Node,
                operation_keys: vec![KeyPeriod {
                    key: validator.key,
                    from: 0,
                    until: None,
                }],
                hpke_key: validator.hpke_key.clone(),
                record_keys: Vec::new(),
                peer: None,
                patient: None,
                institution: None,
                attested_by: Vec::new(),
                opened: 0,
            },
        );
    }
    // Memory never fails to read.
    state.into_changes().unwrap_or_default()
}
