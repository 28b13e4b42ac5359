//! Who validates. What an operation changes here counts from the next height on; the block
//! in hand is decided, and votes in it are counted, by the set that it began with.

use base::{
    AccountId,
    key::OperationKey,
    operation::{Apply, DoubleSign, Expel, Leave, Role},
};

use super::{Stop, Work, consortium, ensure};
use crate::{
    credit,
    leaf::Failure,
    state::entry::{Account, Change, Council, Institution, Punishment},
    validators::{MAX_VALIDATORS, Seat},
    word,
};

pub(super) fn apply(work: &mut Work<'_, '_>, Apply {}: &Apply) -> Result<(), Stop> {
    can_be_seated(work, work.sender)?;
    let validator = work.sender;
    consortium::propose(work, Change::Seat { validator }, Vec::new())
}

/// A node of an institution that has no validator, as long as there is room.
fn can_be_seated(work: &Work<'_, '_>, account: AccountId) -> Result<(), Stop> {
    let seats = seats(work)?;
    ensure(place(&seats, account).is_err(), Failure::AlreadyValidator)?;
    let institution = work.account(account)?.institution;
    let institution = institution.ok_or(Failure::NotAdmitted)?;
    let admitted = work.find::<Institution>(&institution)?.is_some();
    ensure(admitted, Failure::NotAdmitted)?;
    ensure(!has_seat(work, institution)?, Failure::InstitutionSeated)?;
    ensure(seats.len() < MAX_VALIDATORS, Failure::NoSeat)
}

/// Whether one of the validators is of this institution.
fn has_seat(work: &Work<'_, '_>, institution: AccountId) -> Result<bool, Stop> {
    for seat in seats(work)? {
        if work.account(seat.account)?.institution == Some(institution) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A validator without institution joins one: that must have none then.
pub(super) fn may_join(work: &Work<'_, '_>, institution: AccountId) -> Result<(), Stop> {
    let is_one = place(&seats(work)?, work.sender).is_ok();
    ensure(
        !is_one || !has_seat(work, institution)?,
        Failure::InstitutionSeated,
    )
}

/// Whether the account could still take its seat.
pub(super) fn seat(work: &mut Work<'_, '_>, account: AccountId) -> Result<bool, Stop> {
    match can_be_seated(work, account) {
        Ok(()) => {}
        Err(Stop::Failed(_)) => return Ok(false),
        Err(fault) => return Err(fault),
    }
    let found = work.account(account)?;
    let Some(key) = found.operation_key() else {
        return Ok(false);
    };
    let mut seats = seats(work)?;
    if let Err(at) = place(&seats, account) {
        // The weight is set when the block ends.
        let weight = 1;
        seats.insert(
            at,
            Seat {
                account,
                key,
                weight,
            },
        );
    }
    keep(work, seats);
    Ok(true)
}

pub(super) fn leave(work: &mut Work<'_, '_>, Leave {}: &Leave) -> Result<(), Stop> {
    let is_one = place(&seats(work)?, work.sender).is_ok();
    ensure(is_one, Failure::NotValidator)?;
    ensure(unseat(work, work.sender)?, Failure::LastValidator)
}

pub(super) fn expel(work: &mut Work<'_, '_>, action: &Expel) -> Result<(), Stop> {
    consortium::require_validator(work)?;
    let validator = action.validator;
    let is_one = place(&seats(work)?, validator).is_ok();
    ensure(is_one, Failure::NotValidator)?;
    let votes = vec![work.sender];
    consortium::propose(work, Change::Expel { validator }, votes)
}

/// Takes a seat away; says whether there was one, and was another.
pub(super) fn unseat(work: &mut Work<'_, '_>, account: AccountId) -> Result<bool, Stop> {
    let mut seats = seats(work)?;
    let Ok(at) = place(&seats, account) else {
        return Ok(false);
    };
    if seats.len() == 1 {
        return Ok(false);
    }
    seats.remove(at);
    keep(work, seats);
    Ok(true)
}

/// A validator's new operation key signs its votes from the next height on.
pub(super) fn rekey(work: &mut Work<'_, '_>, key: OperationKey) -> Result<(), Stop> {
    let mut seats = seats(work)?;
    if let Ok(at) = place(&seats, work.sender) {
        seats[at].key = key;
        keep(work, seats);
    }
    Ok(())
}

pub(super) fn double_sign(work: &mut Work<'_, '_>, action: &DoubleSign) -> Result<(), Stop> {
    let height = 1..=work.block.height;
    ensure(height.contains(&action.height), Failure::BadShape)?;
    let account = work.account_as(action.validator, Role::Node)?;
    let proven = word::is_contradiction(action) && signed_both(work, &account, action);
    ensure(proven, Failure::NoContradiction)?;
    let key = (action.validator, action.height);
    let punished = work.find::<Punishment>(&key)?.is_some();
    ensure(!punished, Failure::AlreadyPunished)?;
    let punishment = Punishment {
        proof: work.id,
        time: work.now(),
    };
    work.put(&key, &punishment);
    unseat(work, action.validator)?;
    credit::punish_double_sign(work, &account)
}

/// Under one key of that height: at a height whose block rotates a key there are two.
fn signed_both(work: &Work<'_, '_>, account: &Account, proof: &DoubleSign) -> bool {
    account.operation_keys_at(proof.height).any(|key| {
        proof.words.iter().all(|signed| {
            let round = Some(proof.round);
            let message = word::word_preimage(work.block.chain, proof.height, round, &signed.word);
            key.verify(&message, &signed.signature).is_ok()
        })
    })
}

/// The seats as the block has left them so far.
pub(super) fn seats(work: &Work<'_, '_>) -> Result<Vec<Seat>, Stop> {
    let council = work.find::<Council>(&())?;
    Ok(council.map_or_else(
        || work.block.validators.seats().to_vec(),
        |council| council.seats.clone(),
    ))
}

fn place(seats: &[Seat], account: AccountId) -> Result<usize, usize> {
    seats.binary_search_by_key(&account, |seat| seat.account)
}

fn keep(work: &mut Work<'_, '_>, seats: Vec<Seat>) {
    let since = work.block.since; // settled when the block ends
    work.put(&(), &Council { since, seats });
}
