//! The state that a ledger starts with: policy, founding institutions, and the accounts
//! of the validators (role node, sequence 0).

use base::{
    AccountId, Millis,
    genesis::{Genesis, Policy},
    operation::Role,
};
use std::{collections::HashSet, ops::RangeInclusive};

use super::{
    MAX_DELAY, Memory, Overlay, StateHash,
    entry::{Account, Institution, KeyPeriod},
    overlay::Changes,
};
use crate::validators::MAX_VALIDATORS;

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

/// A genesis object must be able to start a ledger.
pub(crate) fn check_genesis(genesis: &Genesis) -> Result<(), &'static str> {
    let ids: HashSet<AccountId> = genesis
        .validators
        .iter()
        .map(|validator| AccountId::of(&validator.key))
        .collect();
    if ids.is_empty() || ids.len() != genesis.validators.len() {
        return Err("it needs at least one validator and no key twice");
    }
    let institutions: HashSet<AccountId> = genesis
        .institutions
        .iter()
        .map(|founding| founding.account)
        .collect();
    if institutions.len() != genesis.institutions.len() || !institutions.is_disjoint(&ids) {
        return Err("an institution is named twice or is a validator's account");
    }
    if ids.len() > MAX_VALIDATORS {
        return Err("it names too many validators");
    }
    policy_is_sound(&genesis.policy)
        .then_some(())
        .ok_or("its policy contradicts itself")
}

/// Shortest and longest epoch, milliseconds: a minute, 366 days.
const EPOCHS: RangeInclusive<u64> = 60_000..=366 * Millis::DAY;

/// Largest number of credits for one cause: sums of a review's stay far inside 32 bits.
const MAX_TARIFF: u32 = 1_000_000;

/// Tiers strictly increase and their numbers fit a byte; a half-life and emergency hours
/// exist; no tariff is absurd; weights change once a minute at most.
pub(crate) fn policy_is_sound(policy: &Policy) -> bool {
    let tariffs = [
        policy.tariff.patient_first,
        policy.tariff.patient_more,
        policy.tariff.hospital,
        policy.tariff.agent,
        policy.tariff.fabrication,
        policy.duties().missed_turn,
        policy.duties().double_sign,
    ];
    policy.tiers.windows(2).all(|pair| pair[0] < pair[1])
        && policy.tiers.first().is_none_or(|first| *first > 0)
        && policy.tiers.len() <= 255
        && policy.half_life_days > 0
        && policy.emergency_hours > 0
        && (1..=MAX_DELAY).contains(&policy.shortest_recovery())
        && EPOCHS.contains(&policy.duties().epoch)
        && tariffs.iter().all(|tariff| *tariff <= MAX_TARIFF)
}
