//! What a block does beside its operations: missed turns are paid for, and who decides the
//! next height, with which weight, is settled.

use base::{AccountId, OperationId};
use std::collections::BTreeMap;

use super::{Asked, BlockContext, Fault, Overlay, Stop, Work, validators::seats};
use crate::{credit, state::entry::Council, validators::ValidatorSet, weight::FEW};

/// Ends a block: who decides the next height, and since when.
pub(crate) fn end_block(
    state: &mut Overlay<'_>,
    block: &BlockContext<'_>,
) -> Result<(u64, ValidatorSet), Fault> {
    let mut work = Work {
        state,
        block,
        index: block.first_leaf,
        id: OperationId(block.previous),
        sender: block.slot.proposer,
        sequence: 0,
        principal: block.slot.proposer,
        asked: Asked::default(),
    };
    let ended = missed(&mut work).and_then(|()| settle(&mut work));
    ended.map_err(|stop| match stop {
        Stop::Fault(fault) => fault,
        // The accounts of validators are there.
        Stop::Failed(failure) => Fault::Damaged(failure.to_string()),
    })
}

/// Turns before the block's own were missed. They are counted up to a limit that no cap of a
/// day leaves anything above.
fn missed(work: &mut Work<'_, '_>) -> Result<(), Stop> {
    let block = work.block;
    let rounds = block.slot.round.map_or(0, |round| round.get());
    if rounds == 0 {
        return Ok(());
    }
    let mut turns = BTreeMap::<AccountId, u32>::new();
    for round in 0..rounds.min(MOST_ROUNDS) {
        if let Some(seat) = block.validators.proposer(block.height, round) {
            *turns.entry(seat.account).or_default() += 1;
        }
    }
    for (validator, turns) in turns {
        credit::punish_missed(work, validator, turns)?;
    }
    Ok(())
}

/// Weights follow credit in the first block of an epoch, and whenever the members change.
fn settle(work: &mut Work<'_, '_>) -> Result<(u64, ValidatorSet), Stop> {
    let block = work.block;
    let before = block.validators;
    let seats = seats(work)?;
    let accounts = |seats: &[crate::Seat]| -> Vec<AccountId> {
        seats.iter().map(|seat| seat.account).collect()
    };
    let epoch = work.policy()?.duties().epoch.max(1);
    let fresh = block.time.0 / epoch != block.last.0 / epoch;
    let set = if fresh || accounts(&seats) != accounts(before.seats()) {
        let mut earned = vec![0; seats.len()];
        if seats.len() >= FEW {
            for (earned, seat) in earned.iter_mut().zip(&seats) {
                *earned = credit::behind(work, seat.account)?;
            }
        }
        ValidatorSet::weighed(seats, &earned)
    } else if seats == before.seats() {
        before.clone()
    } else {
        ValidatorSet::of_sorted(seats)
    };
    let since = if set == *before {
        block.since
    } else {
        block.height + 1
    };
    if set != *before || work.find::<Council>(&())?.is_some() {
        let seats = set.seats().to_vec();
        work.put(&(), &Council { since, seats });
    }
    Ok((since, set))
}

/// Rounds of one height that are looked at: about a day of them, each as long as it gets.
const MOST_ROUNDS: u32 = 4_096;
