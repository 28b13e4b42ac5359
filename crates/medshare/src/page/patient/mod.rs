//! The patient's own page.

mod act;
mod export;
mod known;
mod records;
pub(super) mod sharing;

pub(super) use known::Remembered;

use super::site::{Asked, Fields, Reply, nothing, parse};
use crate::exit::Result;

pub(super) fn look(asked: &Asked, path: &[&str]) -> Result<Reply> {
    match path {
        ["records"] => records::timeline(asked),
        ["records", id] => records::record(asked, parse(id)?),
        ["records", id, "parts", index] => records::part(asked, parse(id)?, parse(index)?),
        ["requests"] => sharing::requests(asked),
        ["requests", id] => sharing::request(asked, parse(id)?),
        ["grants"] => sharing::grants(asked),
        ["accesses"] => records::accesses(asked),
        ["credit"] => sharing::credit(asked),
        ["backup"] => sharing::backup(asked),
        _ => Err(nothing()),
    }
}

pub(super) fn change(asked: &Asked, path: &[&str], fields: &Fields) -> Result<Reply> {
    let entered = asked.enter()?;
    match path {
        ["records", id, "accept"] => act::accept(asked, &entered, parse(id)?, fields),
        ["records", id, "reject"] => act::reject(asked, &entered, parse(id)?),
        ["requests", id, "approve"] => act::approve(&entered, parse(id)?, fields),
        ["requests", id, "deny"] => act::deny(asked, &entered, parse(id)?),
        ["grants", id, "revoke"] => act::revoke(asked, &entered, parse(id)?),
        ["vouchers", tier, "redeem"] => act::redeem(&entered, parse(tier)?, fields),
        ["backup", "now"] => act::back_up(&entered),
        ["export"] => export::everything(&entered, asked),
        _ => Err(nothing()),
    }
}
