//! Reviews: the querier's word on a query, one for each, ever.

use base::operation::{Review, Verdict};

use super::{Stop, Work, ensure};
use crate::{
    credit,
    leaf::Failure,
    state::entry::{QueryState, Record, ReviewState},
};

pub(super) fn review(work: &mut Work<'_, '_>, action: &Review) -> Result<(), Stop> {
    let found = work.get::<QueryState>(&action.query)?;
    let mut query = found.ok_or(Failure::UnknownQuery)?;
    ensure(query.querier == work.sender, Failure::NotYours)?;
    ensure(query.review.is_none(), Failure::AlreadyReviewed)?;
    let record = work.get::<Record>(&query.record)?;
    let hospital = record.ok_or(Failure::UnknownRecord)?.hospital;
    credit::count_review(work, hospital, action.verdict)?;
    let minted = if action.verdict == Verdict::Accepted && !query.repeat {
        credit::reward(work, &query, hospital)?
    } else {
        0
    };
    query.review = Some(ReviewState {
        id: work.id,
        verdict: action.verdict,
        time: work.now(),
        minted,
    });
    work.put(&query.id, &query);
    Ok(())
}
