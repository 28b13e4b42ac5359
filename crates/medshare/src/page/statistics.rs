//! Statistics of the log: what each day brought, which kinds, what was earned.

use base::Millis;
use pages::auditor::{self, Statistics};

use super::{
    log::Known,
    site::{Asked, Reply},
};
use crate::{exit::Result, http::HttpNode};

/// Days that are shown, the newest.
const DAYS: u64 = 30;

pub(super) fn show(asked: &Asked) -> Result<Reply> {
    let site = &asked.site;
    let mut log = site.log.advance(&site.node)?;
    let Some(head) = log.head() else {
        return Ok(page(asked, &Statistics::default()));
    };
    let (size, last) = (head.tree_size, head.time.day());
    let first = match size {
        0 => last,
        _ => log.time_of(&site.node, 0)?.day(),
    };
    let from = first.max((last + 1).saturating_sub(DAYS));
    let mut before = leaves_before(&mut log, &site.node, from, size)?;
    let mut a_day = Vec::new();
    for day in from..=last {
        let after = leaves_before(&mut log, &site.node, day + 1, size)?;
        a_day.push((start(day), after.saturating_sub(before)));
        before = after;
    }
    let mut credit: Vec<(Millis, u64)> = (from..=last).map(|day| (start(day), 0)).collect();
    for (time, minted) in log.minted(&site.node)? {
        let place = time.day().checked_sub(from);
        let day = place.and_then(|at| credit.get_mut(usize::try_from(at).ok()?));
        if let Some((_, sum)) = day {
            *sum += u64::from(*minted);
        }
    }
    let statistics = Statistics {
        a_day,
        by_action: log
            .actions
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect(),
        openings: log.openings,
        credit,
    };
    Ok(page(asked, &statistics))
}

fn page(asked: &Asked, statistics: &Statistics) -> Reply {
    Reply::Page(auditor::statistics(&asked.frame("/statistics"), statistics))
}

const fn start(day: u64) -> Millis {
    Millis(day * Millis::DAY)
}

/// Leaves in blocks before a UTC day.
fn leaves_before(log: &mut Known, node: &HttpNode, day: u64, all: u64) -> Result<u64> {
    match log.first(node, |(_, time)| time >= start(day))? {
        Some(height) => log.leaves_below(node, height),
        None => Ok(all),
    }
}
