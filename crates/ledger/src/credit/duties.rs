//! What validators pay, and what stands behind their weight: the credit of the institution
//! that a validator's node joined, or the node's own where a founding one joined none.

use base::{AccountId, operation::Role};

use super::{balance, ranking};
use crate::state::{
    Stop, Work,
    entry::{Account, CreditReason, MissedDay, Standing},
};

/// For a proven contradiction.
pub(crate) fn punish_double_sign(work: &mut Work<'_, '_>, validator: &Account) -> Result<(), Stop> {
    let penalty = work.policy()?.duties().double_sign;
    take(work, validator, penalty, CreditReason::DoubleSign)
}

/// For turns of the block's height that were missed, up to the day's cap.
pub(crate) fn punish_missed(
    work: &mut Work<'_, '_>,
    validator: AccountId,
    turns: u32,
) -> Result<(), Stop> {
    let duties = work.policy()?.duties();
    let key = (validator, work.now().day());
    let mut day = work.get::<MissedDay>(&key)?.unwrap_or_default();
    let room = duties.cap_missed_day.saturating_sub(day.amount);
    let amount = turns.saturating_mul(duties.missed_turn).min(room);
    if amount == 0 {
        return Ok(());
    }
    day.amount += amount; // at most the cap
    work.put(&key, &day);
    let account = work.account(validator)?;
    take(work, &account, amount, CreditReason::MissedTurn)
}

fn take(
    work: &mut Work<'_, '_>,
    validator: &Account,
    amount: u32,
    reason: CreditReason,
) -> Result<(), Stop> {
    if amount == 0 {
        return Ok(());
    }
    let payer = payer(validator);
    balance::burn(work, payer, amount, reason)?;
    if is_hospital(work, payer)? {
        ranking::score(work, payer, -i64::from(amount))?;
    }
    Ok(())
}

/// Whole credits, with the ranking's decay, that stand behind a validator; what was lost
/// beyond them counts as none.
pub(crate) fn behind(work: &Work<'_, '_>, validator: AccountId) -> Result<u64, Stop> {
    let payer = payer(&*work.account(validator)?);
    let Some(standing) = work.find::<Standing>(&payer)? else {
        return Ok(0);
    };
    let half_life = work.policy()?.half_life_days;
    Ok(ranking::credits(&standing, work.now(), half_life))
}

fn payer(validator: &Account) -> AccountId {
    validator.institution.unwrap_or(validator.id)
}

/// Only hospitals have a score.
fn is_hospital(work: &Work<'_, '_>, account: AccountId) -> Result<bool, Stop> {
    let account = work.find::<Account>(&account)?;
    Ok(account.is_some_and(|account| account.role == Role::Hospital))
}
