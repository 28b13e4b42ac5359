//! Entries in accounts' journals, totals and vouchers.

use base::{AccountId, operation::VoucherId};

use super::ranking;
use crate::state::{
    Stop, Work,
    entry::{Balance, CreditEntry, CreditReason, Totals, Voucher},
};

/// Gives an account minted credits, and the vouchers of tiers that it reaches first.
pub(super) fn mint(
    work: &mut Work<'_, '_>,
    account: AccountId,
    amount: u32,
    reason: CreditReason,
) -> Result<(), Stop> {
    let mut totals = work.get::<Totals>(&())?.unwrap_or_default();
    totals.minted = totals.minted.saturating_add(u64::from(amount));
    work.put(&(), &totals);
    let balance = enter(work, account, i64::from(amount), reason)?;
    issue_vouchers(work, account, balance)
}

/// Takes the penalty of a proven fabrication from a hospital and burns it.
pub(crate) fn punish_fabrication(work: &mut Work<'_, '_>, hospital: AccountId) -> Result<(), Stop> {
    let penalty = work.policy()?.tariff.fabrication;
    if penalty == 0 {
        return Ok(());
    }
    burn(work, hospital, penalty, CreditReason::Fabrication)?;
    ranking::score(work, hospital, -i64::from(penalty))
}

/// Takes credits from an account and burns them.
pub(super) fn burn(
    work: &mut Work<'_, '_>,
    account: AccountId,
    amount: u32,
    reason: CreditReason,
) -> Result<(), Stop> {
    let mut totals = work.get::<Totals>(&())?.unwrap_or_default();
    totals.burnt = totals.burnt.saturating_add(u64::from(amount));
    work.put(&(), &totals);
    enter(work, account, -i64::from(amount), reason).map(drop)
}

/// One line in an account's journal.
fn enter(
    work: &mut Work<'_, '_>,
    account: AccountId,
    amount: i64,
    reason: CreditReason,
) -> Result<Balance, Stop> {
    let mut balance = work.get::<Balance>(&account)?.unwrap_or_default();
    // |amount| < 2^32 a line: 2^31 lines before this could saturate.
    balance.amount = balance.amount.saturating_add(amount);
    let line = CreditEntry {
        amount,
        balance: balance.amount,
        cause: work.id,
        reason,
        time: work.now(),
    };
    work.put(&(account, balance.entries), &line);
    balance.entries += 1;
    work.put(&account, &balance);
    Ok(balance)
}

fn issue_vouchers(
    work: &mut Work<'_, '_>,
    account: AccountId,
    mut balance: Balance,
) -> Result<(), Stop> {
    let policy = work.policy()?;
    let reached = policy
        .tiers
        .iter()
        .take_while(|tier| balance.amount >= i64::from(**tier))
        .count() as u8; // a sound policy has at most 255 tiers
    if reached <= balance.tier {
        return Ok(());
    }
    // No saturation: tier < reached <= 255. A voucher once issued is never written again.
    for tier in balance.tier + 1..=reached {
        let id = VoucherId { account, tier };
        let voucher = Voucher {
            id,
            cause: work.id,
            issued: work.now(),
            redeemed: None,
        };
        work.put(&id, &voucher);
    }
    balance.tier = reached;
    work.put(&account, &balance);
    Ok(())
}
