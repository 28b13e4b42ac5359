//! Who decides: the validators of one height with their weights, and what a party trusts of
//! them from the genesis object on. Protocol page, "Consensus as the situation demands"; ADR 23.

use base::{
    AccountId, ChainId, Digest, codec,
    genesis::Genesis,
    key::{OperationKey, Signature},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};

use crate::{
    block::{Head, HeadError, Header},
    weight,
};

/// Most validators that applications make.
pub(crate) const MAX_VALIDATORS: usize = 128;

/// One validator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// Its account.
    pub account: AccountId,
    /// The key that its votes are signed with: its operation key.
    pub key: OperationKey,
    /// What its vote counts; from 1 on.
    pub weight: u32,
}

/// The validators that decide one height, in order of account. Cheap to clone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Seat>", into = "Vec<Seat>")]
pub struct ValidatorSet(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    seats: Vec<Seat>,
    total: u64,
    /// A cycle of turns to propose, by place in `seats`.
    turns: Vec<usize>,
    digest: Digest,
}

impl PartialEq for ValidatorSet {
    fn eq(&self, other: &Self) -> bool {
        self.0.seats == other.0.seats
    }
}

impl Eq for ValidatorSet {}

impl TryFrom<Vec<Seat>> for ValidatorSet {
    type Error = &'static str;

    fn try_from(seats: Vec<Seat>) -> Result<Self, Self::Error> {
        let ordered = seats
            .windows(2)
            .all(|pair| pair[0].account < pair[1].account);
        let weights = 1..=weight::BASE + weight::MOST_EARNED;
        let sound = !seats.is_empty()
            && seats.len() <= MAX_VALIDATORS
            && seats.iter().all(|seat| weights.contains(&seat.weight));
        match ordered && sound {
            true => Ok(Self::of_sorted(seats)),
            false => Err("validators out of order, too many, or of no weight"),
        }
    }
}

impl From<ValidatorSet> for Vec<Seat> {
    fn from(set: ValidatorSet) -> Self {
        set.0.seats.clone()
    }
}

impl ValidatorSet {
    /// The set that a genesis object names, all of one weight.
    pub fn of(genesis: &Genesis) -> Self {
        let seat = |validator: &base::genesis::Validator| Seat {
            account: AccountId::of(&validator.key),
            key: validator.key,
            weight: weight::BASE,
        };
        let mut seats: Vec<_> = genesis.validators.iter().map(seat).collect();
        seats.sort_by_key(|seat| seat.account);
        seats.dedup_by_key(|seat| seat.account);
        Self::of_sorted(seats)
    }

    /// The same validators, with weights that follow what their institutions earned, in order.
    pub(crate) fn weighed(mut seats: Vec<Seat>, earned: &[u64]) -> Self {
        let weights = weight::weights(earned);
        for (seat, weight) in seats.iter_mut().zip(weights) {
            seat.weight = weight;
        }
        Self::of_sorted(seats)
    }

    pub(crate) fn of_sorted(seats: Vec<Seat>) -> Self {
        let weights: Vec<u32> = seats.iter().map(|seat| seat.weight).collect();
        Self(Arc::new(Inner {
            total: weights.iter().map(|one| u64::from(*one)).sum(),
            turns: weight::turns(&weights),
            digest: Digest::of(&codec::encode(&seats)),
            seats,
        }))
    }

    /// Each validator, in order of account.
    pub fn seats(&self) -> &[Seat] {
        &self.0.seats
    }

    /// Number of validators.
    pub fn len(&self) -> usize {
        self.0.seats.len()
    }

    /// Whether there is none; a ledger cannot be created so.
    pub fn is_empty(&self) -> bool {
        self.0.seats.is_empty()
    }

    /// Sum of the weights.
    pub fn total(&self) -> u64 {
        self.0.total
    }

    /// SHA2-256 of the canonical bytes: what a header names the set by.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// One validator.
    pub fn seat(&self, account: AccountId) -> Option<&Seat> {
        let seats = &self.0.seats;
        let at = seats.binary_search_by_key(&account, |seat| seat.account);
        at.ok().and_then(|at| seats.get(at))
    }

    /// The key of one validator.
    pub fn key(&self, account: AccountId) -> Option<OperationKey> {
        self.seat(account).map(|seat| seat.key)
    }

    /// Whether these decide together: more than two thirds of the weight. Others count for
    /// nothing, and who is named twice counts once.
    pub fn decides<'a>(&self, accounts: impl IntoIterator<Item = &'a AccountId>) -> bool {
        self.is_enough(self.weight_of(accounts))
    }

    /// Whether a weight is more than two thirds of all.
    pub fn is_enough(&self, weight: u64) -> bool {
        3 * weight > 2 * self.0.total
    }

    fn weight_of<'a>(&self, accounts: impl IntoIterator<Item = &'a AccountId>) -> u64 {
        let accounts: BTreeSet<_> = accounts.into_iter().collect();
        let seats = accounts.into_iter().filter_map(|one| self.seat(*one));
        seats.map(|seat| u64::from(seat.weight)).sum()
    }

    /// Whose turn it is to propose: a cycle in which each has a share that follows its weight,
    /// one turn further with each height and each round. None of an empty set.
    pub fn proposer(&self, height: u64, round: u32) -> Option<&Seat> {
        let turns = &self.0.turns;
        let all = turns.len() as u64;
        let at = (height.checked_rem(all)? + u64::from(round) % all) % all;
        turns.get(at as usize).and_then(|at| self.0.seats.get(*at))
    }

    /// Checks signatures of `message`, and that they decide.
    pub(crate) fn check(
        &self,
        message: &[u8],
        signatures: &[(AccountId, Signature)],
    ) -> Result<(), HeadError> {
        if signatures.len() > self.len() {
            return Err(HeadError::NotValidator);
        }
        let mut signed = 0;
        for (at, (account, signature)) in signatures.iter().enumerate() {
            let seat = self.seat(*account).ok_or(HeadError::NotValidator)?;
            if signatures[..at].iter().any(|(other, _)| other == account) {
                return Err(HeadError::NotValidator);
            }
            seat.key
                .verify(message, signature)
                .map_err(|_| HeadError::BadSignature)?;
            signed += u64::from(seat.weight);
        }
        match self.is_enough(signed) {
            true => Ok(()),
            false => Err(HeadError::TooFew {
                signed,
                of: self.total(),
            }),
        }
    }
}

/// A set of validators and the first height that it decides: what a header says of the
/// height after its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reign {
    /// The height.
    pub first: u64,
    /// [`ValidatorSet::digest`].
    pub set: Digest,
}

/// The end of one set's time: the last head that it certified, which commits to the next set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// The head of the last block of the old set.
    pub head: Head,
    /// Who decides the next height.
    pub next: ValidatorSet,
}

/// What a party trusts: the genesis object, and every set of validators that it led to, as
/// far as the party has followed. Heads of all these heights can be checked with it, and
/// heads after them for as long as the last set stands. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Validators {
    genesis: Arc<Header>,
    /// First heights and sets, by height; never empty.
    reigns: Arc<Vec<(u64, ValidatorSet)>>,
}

impl Validators {
    /// What the genesis object alone says.
    pub fn of(genesis: &Genesis) -> Self {
        Self {
            genesis: Arc::new(Header::genesis(genesis)),
            reigns: Arc::new(vec![(1, ValidatorSet::of(genesis))]),
        }
    }

    /// The ledger.
    pub fn chain(&self) -> ChainId {
        self.genesis.chain
    }

    pub(crate) fn genesis(&self) -> &Header {
        &self.genesis
    }

    /// The newest set that is known.
    pub fn newest(&self) -> &ValidatorSet {
        &self.last().1
    }

    /// The first height that [`Self::newest`] decides: ask a node for the transitions from
    /// here on ([`crate::View::transitions`]).
    pub fn since(&self) -> u64 {
        self.last().0
    }

    fn last(&self) -> &(u64, ValidatorSet) {
        &self.reigns[self.reigns.len() - 1]
    }

    /// Who decides, or decided, a height; the newest set for all that is not known yet.
    pub fn at(&self, height: u64) -> &ValidatorSet {
        let after = self.reigns.partition_point(|(first, _)| *first <= height);
        &self.reigns[after.saturating_sub(1)].1
    }

    /// Whether a certified header is of the newest set's time, or its end, as far as the
    /// header itself says.
    pub(crate) fn reaches(&self, header: &Header) -> bool {
        if header.height < self.since() {
            return true;
        }
        let ends = |next: Reign| header.height.checked_add(1) == Some(next.first);
        header.next_validators == self.reign() || header.next_validators.is_some_and(ends)
    }

    /// What headers say of the newest set while it stands: nothing of the genesis object's.
    pub(crate) fn reign(&self) -> Option<Reign> {
        let (first, set) = self.last();
        (*first > 1).then(|| Reign {
            first: *first,
            set: set.digest(),
        })
    }

    /// Goes on to the next set. One that is known already changes nothing.
    ///
    /// # Errors
    /// [`HeadError`]: the head is not certified by the set before, or names another next one.
    pub fn follow(&mut self, transition: Transition) -> Result<(), HeadError> {
        let Transition { head, next } = transition;
        let head = head.verify(self)?;
        let first = head.header.height.saturating_add(1);
        let reign = Reign {
            first,
            set: next.digest(),
        };
        if head.header.next_validators != Some(reign) {
            return Err(HeadError::NoTransition);
        }
        self.push(first, next);
        Ok(())
    }

    /// What a party followed before, and kept where nobody else writes: first heights and
    /// sets as [`Self::later`] gave them.
    pub fn remembered(
        genesis: &Genesis,
        later: impl IntoIterator<Item = (u64, ValidatorSet)>,
    ) -> Self {
        let mut known = Self::of(genesis);
        for (first, set) in later {
            known.push(first, set);
        }
        known
    }

    /// First heights and sets after that of the genesis object, by height.
    pub fn later(&self) -> impl Iterator<Item = &(u64, ValidatorSet)> {
        self.reigns.iter().skip(1)
    }

    /// Takes the next set from whoever is trusted.
    pub(crate) fn push(&mut self, first: u64, set: ValidatorSet) {
        if first > self.since() {
            Arc::make_mut(&mut self.reigns).push((first, set));
        }
    }
}
