//! Who votes at a height, with which weight, and whose turn it is to propose, in terms of the
//! engine: the ledger's set.

use base::{AccountId, key::OperationKey};
use ledger::ValidatorSet;
use malachite::app::types::core as engine;

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
pub(super) struct Validators {
    set: ValidatorSet,
    all: Vec<Validator>,
}

impl Validators {
    /// None for an empty set: nobody could propose.
    pub(super) fn of(set: &ValidatorSet) -> Option<Self> {
        let all = set.seats().iter().map(|seat| Validator {
            address: Address(seat.account),
            key: seat.key,
            weight: seat.weight.into(),
        });
        (!set.is_empty()).then(|| Self {
            set: set.clone(),
            all: all.collect(),
        })
    }

    /// Whose turn it is: [`ValidatorSet::proposer`].
    pub(super) fn proposer(&self, height: u64, round: u32) -> &Validator {
        let turn = self.set.proposer(height, round);
        let turn = turn.and_then(|seat| self.find(&Address(seat.account)));
        turn.unwrap_or(&self.all[0]) // never: the set is not empty
    }

    pub(super) fn key(&self, account: AccountId) -> Option<OperationKey> {
        self.set.key(account)
    }

    /// The validator's place among all.
    pub(super) fn place(&self, account: AccountId) -> Option<usize> {
        let address = Address(account);
        self.all
            .binary_search_by_key(&address, |validator| validator.address)
            .ok()
    }

    fn find(&self, address: &Address) -> Option<&Validator> {
        self.all.get(self.place(address.0)?)
    }
}

impl engine::ValidatorSet<Chain> for Validators {
    fn count(&self) -> usize {
        self.all.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.set.total()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.find(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.all.get(index)
    }
}
