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
    let found = work.find::<Record>(&query.record)?;
    let record = found.ok_or(Failure::UnknownRecord)?;
    if credit::counts(work, &query, record.hospital)? {
        credit::count_review(work, record.hospital, action.verdict)?;
    }
    // What is proven to be made up earns nobody anything any more.
    let earns = action.verdict == Verdict::Accepted && !query.repeat && record.fabricated.is_none();
    let minted = if earns {
        credit::reward(work, &query, record.hospital)?
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
