//! What clients saw of grants, and whether it can be so: whether there is an order of all
//! that was done, in which each took effect between its call and its answer, and in which
//! each answer is right. (Herlihy and Wing 1990, section 3; search after Wing and Gong 1993.)

use std::{
    collections::{BTreeMap, HashSet},
    time::Instant,
};

use base::OperationId;

/// What a client does with a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Did {
    Grant,
    Revoke,
    /// A query, and what it met.
    Query(Met),
}

/// What a query met.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Met {
    NoGrant,
    Live,
    Revoked,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) grant: OperationId,
    pub(crate) did: Did,
    pub(crate) called: Instant,
    pub(crate) answered: Instant,
}

/// A grant for which no order explains what was seen.
pub(crate) fn contradiction(events: &[Event]) -> Option<OperationId> {
    let mut grants: BTreeMap<_, Vec<Event>> = BTreeMap::new();
    for event in events {
        grants.entry(event.grant).or_default().push(*event);
    }
    // Grants do not touch each other: each is judged for itself.
    let mut grants = grants.into_iter();
    grants.find_map(|(grant, events)| (!is_linearisable(&events)).then_some(grant))
}

fn is_linearisable(events: &[Event]) -> bool {
    let mut seen = HashSet::new();
    search(
        events,
        &mut vec![false; events.len()],
        Met::NoGrant,
        &mut seen,
    )
}

/// Whether what is not `done` yet can be put in order from `now` on.
fn search(
    events: &[Event],
    done: &mut Vec<bool>,
    now: Met,
    seen: &mut HashSet<(Vec<bool>, Met)>,
) -> bool {
    let waiting = || (0..events.len()).filter(|at| !done[*at]);
    let Some(first_answer) = waiting().map(|at| events[at].answered).min() else {
        return true;
    };
    if !seen.insert((done.clone(), now)) {
        return false;
    }
    // Next can only be what was called before anything that remains was answered.
    let candidates: Vec<_> = waiting()
        .filter(|at| events[*at].called <= first_answer)
        .collect();
    candidates.into_iter().any(|at| {
        let Some(next) = step(now, events[at].did) else {
            return false;
        };
        done[at] = true;
        let found = search(events, done, next, seen);
        done[at] = false;
        found
    })
}

/// What a grant is after `did`; none if it cannot have gone so.
fn step(now: Met, did: Did) -> Option<Met> {
    match (now, did) {
        (Met::NoGrant, Did::Grant) => Some(Met::Live),
        (Met::Live, Did::Revoke) => Some(Met::Revoked),
        (now, Did::Query(met)) if now == met => Some(now),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn events(list: &[(Did, u64, u64)]) -> Vec<Event> {
        let begun = Instant::now();
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        let event = |(did, called, answered): &(Did, u64, u64)| Event {
            grant: OperationId::of(b"g"),
            did: *did,
            called: at(*called),
            answered: at(*answered),
        };
        list.iter().map(event).collect()
    }

    #[test]
    fn what_can_be_so() {
        use {Did::*, Met::*};
        for history in [
            &[][..],
            &[
                (Grant, 0, 1),
                (Query(Live), 2, 3),
                (Revoke, 4, 5),
                (Query(Revoked), 6, 7),
            ],
            // While the revocation is on its way both may be met, in one order only.
            &[
                (Grant, 0, 1),
                (Revoke, 2, 9),
                (Query(Live), 3, 4),
                (Query(Revoked), 5, 6),
            ],
            &[(Grant, 0, 9), (Query(NoGrant), 1, 2), (Query(Live), 3, 4)],
            // Called before the revocation, answered after it.
            &[(Grant, 0, 1), (Query(Live), 2, 9), (Revoke, 3, 4)],
        ] {
            assert_eq!(contradiction(&events(history)), None, "{history:?}");
        }
    }

    #[test]
    fn what_cannot_be_so() {
        use {Did::*, Met::*};
        for history in [
            // Applied after the revocation was acknowledged.
            &[(Grant, 0, 1), (Revoke, 2, 3), (Query(Live), 4, 5)][..],
            &[(Grant, 0, 1), (Query(NoGrant), 2, 3)],
            &[(Query(Revoked), 0, 1), (Grant, 2, 3), (Revoke, 4, 5)],
            // First revoked, then live again, while the revocation was on its way.
            &[
                (Grant, 0, 1),
                (Revoke, 2, 9),
                (Query(Revoked), 3, 4),
                (Query(Live), 5, 6),
            ],
        ] {
            assert!(contradiction(&events(history)).is_some(), "{history:?}");
        }
    }
}
