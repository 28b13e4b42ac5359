//! The agent's own page: what waits for it, what it served and earned.

use base::{AccountId, Millis, RecordId};
use ledger::{Balance, CreditEntry};
use pages::{hospital, patient::Party};
use share::{Node as _, letter::Letter, post};

use super::{
    hospital::ranking,
    names::Names,
    patient::sharing::entry,
    site::{Asked, Reply, nothing},
};
use crate::{cli::context::Entered, exit::Result, http::HttpNode, system};

pub(super) fn look(asked: &Asked, path: &[&str]) -> Result<Reply> {
    match path {
        ["agent"] => own(asked),
        ["ranking"] => ranking(asked),
        _ => Err(nothing()),
    }
}

fn own(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let site = &asked.site;
    let id = entered.session.identity.account();
    let served = site.log.advance(&site.node)?.served(id);
    let waiting = waiting(&entered, &names)?;
    let agent = told(&site.node, &names, id, served, Some(waiting))?;
    Ok(Reply::Page(hospital::agents(
        &asked.frame("/agent"),
        &[agent],
    )))
}

/// Asks that lie in the mailbox.
fn waiting(entered: &Entered, names: &Names) -> Result<Vec<(Party, RecordId, Millis)>> {
    let mut waiting = Vec::new();
    for received in post::collect(&entered.desk(), system::now())?.letters {
        let Letter::Ask(letter) = received.letter else {
            continue;
        };
        // An ask under a grant that is not there is refused when its turn comes.
        if let Some(grant) = entered.node.grant(letter.ask.body.grant)? {
            let who = names.party(grant.requester);
            waiting.push((who, letter.record, letter.ask.body.expires));
        }
    }
    waiting.sort_by_key(|(_, _, expires)| *expires);
    Ok(waiting)
}

/// An agent as the ledger tells of it.
pub(super) fn told(
    node: &HttpNode,
    names: &Names,
    id: AccountId,
    served: u64,
    waiting: Option<Vec<(Party, RecordId, Millis)>>,
) -> Result<hospital::Agent> {
    let account = format!("/v1/accounts/{id}");
    let balance: Balance = node.read(&format!("{account}/balance"))?;
    let from = balance.entries.saturating_sub(JOURNAL);
    let mut journal: Vec<CreditEntry> = node.read(&format!("{account}/journal?from={from}"))?;
    journal.reverse();
    Ok(hospital::Agent {
        party: names.party(id),
        waiting,
        served,
        earned: balance.amount,
        prekeys: node.prekeys_left(id)? as u64,
        journal: journal.into_iter().map(entry).collect(),
    })
}

/// Lines of the journal that a page shows, the newest.
const JOURNAL: u64 = 50;
