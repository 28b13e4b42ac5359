//! Who votes at a height, with which weight, and whose turn it is to propose.

use base::{AccountId, key::OperationKey};
use ledger::ValidatorSet;
use malachite::app::types::core as engine;
use std::sync::Arc;

use super::context::{Address, Chain};

/// One validator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Validator {
    pub(super) address: Address,
    pub(super) key: OperationKey,
    pub(super) weight: u64,
}

impl engine::Validator<Chain> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &OperationKey {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        self.weight
    }
}

/// The validators of a height, in order of account. Never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Validators(Arc<[Validator]>);

impl Validators {
    /// None for an empty set: nobody could propose.
    pub(super) fn of(set: &ValidatorSet) -> Option<Self> {
        let mut all: Vec<_> = set
            .iter()
            .map(|(account, key)| Validator {
                address: Address(account),
                key,
                weight: 1,
            })
            .collect();
        all.sort_by_key(|validator| validator.address);
        (!all.is_empty()).then(|| Self(all.into()))
    }

    /// Whose turn it is: one after the other, from height to height and from round to round.
    pub(super) fn proposer(&self, height: u64, round: u32) -> &Validator {
        let count = self.0.len() as u64;
        let turn = (height % count + u64::from(round) % count) % count;
        &self.0[turn as usize]
    }

    pub(super) fn key(&self, account: AccountId) -> Option<OperationKey> {
        self.find(&Address(account)).map(|validator| validator.key)
    }

    fn find(&self, address: &Address) -> Option<&Validator> {
        let at = self
            .0
            .binary_search_by_key(address, |validator| validator.address);
        at.ok().and_then(|at| self.0.get(at))
    }
}

impl engine::ValidatorSet<Chain> for Validators {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.0.iter().map(|validator| validator.weight).sum()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.find(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.get(index)
    }
}
