//! What a form does: the same calls as the command line's verbs. What is another's is, from
//! here, not there.

use base::{
    AccountId, Class, OperationId, RecordId,
    operation::{GrantUse, Redeem, RejectCode, VoucherId},
};
use share::{
    Node as _, accept,
    authorize::{self, Choice},
    bag, request, revoke,
};

use super::{
    super::{
        day::end_of_day,
        site::{Asked, Fields, Reply, invalid, nothing},
    },
    records,
};
use crate::{
    cli::{context::Entered, operation},
    exit::Result,
    system::{self, OsRng},
};

/// Accepts what waits; the hospital is listed first if the form says so.
pub(super) fn accept(
    asked: &Asked,
    entered: &Entered,
    id: RecordId,
    fields: &Fields,
) -> Result<Reply> {
    let wallet = entered.wallet()?;
    let record = records::own(asked, entered, id)?;
    if fields.get("trust") == "yes" {
        wallet.list_hospital(record.hospital, system::now())?;
    }
    accept::accept(&wallet, id, &mut OsRng)?;
    Reply::go("/records")
}

pub(super) fn reject(asked: &Asked, entered: &Entered, id: RecordId) -> Result<Reply> {
    let wallet = entered.wallet()?;
    records::own(asked, entered, id)?;
    accept::reject(&wallet, id, RejectCode::NotMine)?;
    Reply::go("/records")
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
    Reply::go("/grants")
}

pub(super) fn deny(asked: &Asked, entered: &Entered, id: OperationId) -> Result<Reply> {
    asked.concerned(id)?;
    let found = entered.node.request(id)?;
    let own = entered.session.identity.acts_for();
    found
        .filter(|request| request.patient == own)
        .ok_or_else(nothing)?;
    revoke::deny(&entered.desk(), id)?;
    Reply::go("/requests")
}

pub(super) fn revoke(asked: &Asked, entered: &Entered, id: OperationId) -> Result<Reply> {
    asked.concerned(id)?;
    let found = entered.node.grant(id)?;
    let own = entered.session.identity.acts_for();
    found
        .filter(|grant| grant.patient == own)
        .ok_or_else(nothing)?;
    revoke::revoke(&entered.desk(), id)?;
    Reply::go("/grants")
}

pub(super) fn redeem(entered: &Entered, tier: u8, fields: &Fields) -> Result<Reply> {
    let hospital: AccountId = fields.get("hospital").parse().map_err(|_| nothing())?;
    let voucher = VoucherId {
        account: entered.session.identity.account(),
        tier,
    };
    operation::send(entered, Redeem { voucher, hospital })?;
    Reply::go("/credit")
}

pub(super) fn back_up(entered: &Entered) -> Result<Reply> {
    bag::backup(&entered.wallet()?, &mut OsRng)?;
    Reply::go("/backup")
}
