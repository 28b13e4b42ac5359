//! What a form does: the same calls as the command line's verbs.

use base::{
    AccountId, Class, Millis, OperationId, RecordId,
    operation::{GrantUse, Redeem, RejectCode, VoucherId},
};
use share::{
    accept,
    authorize::{self, Choice},
    bag, request, revoke,
};

use super::{
    records,
    routes::{Fields, Reply, nothing},
};
use crate::{
    cli::{context::Entered, operation},
    exit::{Exit, Fault, Result},
    system::{self, OsRng},
};

/// Accepts what waits; the hospital is listed first if the form says so.
pub(super) fn accept(entered: &Entered, id: RecordId, fields: &Fields) -> Result<Reply> {
    let wallet = entered.wallet()?;
    let record = records::own(entered, &wallet, id)?;
    if fields.get("trust") == "yes" {
        wallet.list_hospital(record.hospital, system::now())?;
    }
    accept::accept(&wallet, id, &mut OsRng)?;
    Ok(Reply::Go("/records"))
}

pub(super) fn reject(entered: &Entered, id: RecordId) -> Result<Reply> {
    accept::reject(&entered.wallet()?, id, RejectCode::NotMine)?;
    Ok(Reply::Go("/records"))
}

/// Grants what was left of the wish: never more classes, never longer than was asked.
pub(super) fn approve(entered: &Entered, id: OperationId, fields: &Fields) -> Result<Reply> {
    let wallet = entered.wallet()?;
    let mut wish = request::wish_of(&wallet.desk, id)?.ok_or_else(nothing)?;
    let chosen: Vec<Class> = fields
        .all("class")
        .filter_map(|class| class.parse().ok())
        .collect();
    wish.classes.retain(|class| chosen.contains(class));
    let mut agents: Vec<AccountId> = fields
        .all("agent")
        .filter_map(|id| id.parse().ok())
        .collect();
    agents.sort_unstable();
    agents.dedup();
    let sids = authorize::matching(&wallet, &wish)?;
    if sids.is_empty() || agents.is_empty() {
        return Err(invalid(
            "choose at least one kind of data that you have, and one agent",
        ));
    }
    let end = end_of_day(fields.get("until")).ok_or_else(|| invalid("that is no day"))?;
    let not_before = system::now();
    let expires = end.min(wish.until);
    if expires <= not_before {
        return Err(invalid("that day is over"));
    }
    let max_queries: u32 = fields.get("queries").parse().unwrap_or(0);
    if max_queries == 0 {
        return Err(invalid("at least one part must be allowed to be opened"));
    }
    let choice = Choice {
        sids,
        agents,
        not_before,
        expires,
        max_queries,
        purpose: GrantUse::Ordinary,
    };
    authorize::authorize(&wallet, id, &choice, &mut OsRng)?;
    Ok(Reply::Go("/grants"))
}

pub(super) fn deny(entered: &Entered, id: OperationId) -> Result<Reply> {
    revoke::deny(&entered.desk(), id)?;
    Ok(Reply::Go("/requests"))
}

pub(super) fn revoke(entered: &Entered, id: OperationId) -> Result<Reply> {
    revoke::revoke(&entered.desk(), id)?;
    Ok(Reply::Go("/grants"))
}

pub(super) fn redeem(entered: &Entered, tier: u8, fields: &Fields) -> Result<Reply> {
    let hospital: AccountId = fields.get("hospital").parse().map_err(|_| nothing())?;
    let voucher = VoucherId {
        account: entered.session.identity.account(),
        tier,
    };
    operation::send(entered, Redeem { voucher, hospital })?;
    Ok(Reply::Go("/credit"))
}

pub(super) fn back_up(entered: &Entered) -> Result<Reply> {
    bag::backup(&entered.wallet()?, &mut OsRng)?;
    Ok(Reply::Go("/backup"))
}

/// The end of a UTC day, `YYYY-MM-DD`.
fn end_of_day(text: &str) -> Option<Millis> {
    let mut numbers = text.splitn(3, '-').map(|number| number.parse::<u64>().ok());
    let date = (numbers.next()??, numbers.next()??, numbers.next()??);
    if !(1970..=9999).contains(&date.0) {
        return None;
    }
    // The day that has this date: at most 366 steps from the start of its year.
    let near = (date.0 - 1970) * 365 + (date.0 - 1969) / 4;
    let from = near.saturating_sub(20);
    let mut days = (from..=near + 400).map(|day| Millis(day * Millis::DAY));
    let day = days.find(|day| day.date() == date)?;
    Some(day.plus(Millis::DAY - 1))
}

fn invalid(message: &str) -> Fault {
    Fault::new(Exit::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_its_end() {
        let end = |text| end_of_day(text).map(|end| end.to_string());
        assert_eq!(
            end("2026-12-22").as_deref(),
            Some("2026-12-22T23:59:59.999Z")
        );
        assert_eq!(
            end("1970-01-01").as_deref(),
            Some("1970-01-01T23:59:59.999Z")
        );
        assert_eq!(
            end("2000-02-29").as_deref(),
            Some("2000-02-29T23:59:59.999Z")
        );
        assert_eq!(
            end("9999-12-31").as_deref(),
            Some("9999-12-31T23:59:59.999Z")
        );
        for text in [
            "",
            "2026-02-29",
            "2026-13-01",
            "1969-12-31",
            "99999-01-01",
            "x-y-z",
            "2026-1",
        ] {
            assert_eq!(end(text), None, "{text}");
        }
    }
}
