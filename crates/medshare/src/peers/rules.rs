//! Which nodes may have which state of a record: a function of the ledger and the time.
//!
//! Source: protocol page, "Parties", "A record", "Sharing". A party has a node through the
//! institution that it is or joined; the node's account joined the same. So a node may have
//! a state for
//! - its **publisher**, until she erased the record;
//! - its **patient**: she has the nodes of the institutions that met her (`Attest`) and of
//!   her delegates', until she erased it;
//! - **requester and agents of a grant in force** that covers a part of the last accepted
//!   state, which this must be; break-glass grants count after the emergency;
//! - the node **entrusted** with it by its publisher's node, until anybody erased it.
//!
//! A used-up grant is still in force: what was queried under it must be fetched.

use base::{AccountId, Cid, Millis, RecordId, operation::GrantUse};
use ledger::{Fault, Grant, Page, Record, View};

use super::registry::Node;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Case {
    /// The record.
    pub record: RecordId,
    /// Root of the state.
    pub root: Cid,
    /// UTC now.
    pub now: Millis,
}

/// The answer, as long as the ledger says the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ruling {
    /// Why it may have it, if it may.
    pub ground: Option<Ground>,
    /// From this time on it must be asked again; none if time changes nothing.
    pub until: Option<Millis>,
}

/// Why a node may have a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    /// Its institution published it.
    Publisher,
    /// Its institution is the patient's, or her delegate's.
    Patient,
    /// Its institution asks or re-encrypts under a grant. Ends with a revocation, so it
    /// holds only while the ledger at hand is up to date.
    Grant,
    /// The publisher's node gave it a copy to keep.
    Entrusted,
}

/// Rules on `node`; `entrusted` is what the publisher's nodes say of it.
///
/// # Errors
/// [`Fault`].
pub fn rule(
    view: &View,
    case: &Case,
    node: Node,
    entrusted: impl FnOnce(&Record) -> Result<bool, Fault>,
) -> Result<Ruling, Fault> {
    let always = |ground| {
        Ok(Ruling {
            ground,
            until: None,
        })
    };
    let Some(record) = view.record(case.record)? else {
        return always(None);
    };
    if view.state_of(case.record, case.root)?.is_none() {
        return always(None);
    }
    let publishes = node.institution == Some(record.hospital);
    if publishes && record.erased_by_hospital.is_none() {
        return always(Some(Ground::Publisher));
    }
    if !record.is_erased() && entrusted(&record)? {
        return always(Some(Ground::Entrusted));
    }
    let Some(institution) = node.institution else {
        return always(None);
    };
    let mut clock = Clock {
        now: case.now,
        until: None,
    };
    if record.erased_by_patient.is_none()
        && serves_patient(view, record.patient, institution, &mut clock)?
    {
        return Ok(clock.ruling(Some(Ground::Patient)));
    }
    let queryable = !record.is_erased() && record.accepted == Some(case.root);
    if queryable && is_granted(view, &record, institution, &mut clock)? {
        return Ok(clock.ruling(Some(Ground::Grant)));
    }
    Ok(clock.ruling(None))
}

/// Whether the institution is one of the patient's.
fn serves_patient(
    view: &View,
    patient: AccountId,
    institution: AccountId,
    clock: &mut Clock,
) -> Result<bool, Fault> {
    let met = view
        .account(patient)?
        .is_some_and(|found| found.attested_by.contains(&institution));
    if met {
        return Ok(true);
    }
    pages(
        |page| view.delegations_of(patient, page),
        |delegation| {
            let running = delegation.patient == patient
                && delegation.ended.is_none()
                && clock.is_within(Millis(0), delegation.expires);
            Ok(running && is_of(view, delegation.delegate, institution)?)
        },
    )
}

/// Whether somebody of the institution asks or re-encrypts under a grant that covers a part
/// of the record.
fn is_granted(
    view: &View,
    record: &Record,
    institution: AccountId,
    clock: &mut Clock,
) -> Result<bool, Fault> {
    pages(
        |page| view.grants_of(record.patient, page),
        |grant| {
            let about = grant.patient == record.patient && grant.revoked.is_none();
            let covers = || {
                let mut parts = record.parts.iter();
                parts.any(|part| grant.terms.sids.binary_search(&part.sid).is_ok())
            };
            Ok(about
                && covers()
                && concerns(view, &grant, institution)?
                && clock.is_within(grant.terms.not_before, grant.terms.expires)
                && glass_broken(view, &grant, clock)?)
        },
    )
}

fn concerns(view: &View, grant: &Grant, institution: AccountId) -> Result<bool, Fault> {
    if is_of(view, grant.requester, institution)? {
        return Ok(true);
    }
    for agent in &grant.terms.agents {
        if is_of(view, *agent, institution)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// As the ledger's own rule for queries under a break-glass grant.
fn glass_broken(view: &View, grant: &Grant, clock: &mut Clock) -> Result<bool, Fault> {
    if grant.terms.purpose == GrantUse::Ordinary {
        return Ok(true);
    }
    let Some(emergency) = view.emergency(grant.requester, grant.patient)? else {
        return Ok(false);
    };
    let hours = u64::from(view.policy()?.emergency_hours);
    let end = emergency.time.plus(hours.saturating_mul(Millis::HOUR));
    Ok(clock.is_within(Millis(0), end))
}

fn is_of(view: &View, account: AccountId, institution: AccountId) -> Result<bool, Fault> {
    let of = view.institution_of(account)?;
    Ok(of.is_some_and(|found| found.account == institution))
}

/// Whether `holds` for an item of any page.
fn pages<T>(
    list: impl Fn(Page) -> Result<ledger::Listing<T>, Fault>,
    mut holds: impl FnMut(T) -> Result<bool, Fault>,
) -> Result<bool, Fault> {
    let mut page = Page::default();
    loop {
        let listing = list(page)?;
        for item in listing.items {
            if holds(item)? {
                return Ok(true);
            }
        }
        match listing.next {
            Some(next) => page.from = next,
            None => return Ok(false),
        }
    }
}

/// The time, and when it will next make a difference.
struct Clock {
    now: Millis,
    until: Option<Millis>,
}

impl Clock {
    fn is_within(&mut self, from: Millis, end: Millis) -> bool {
        for edge in [from, end] {
            if self.now < edge {
                self.until = Some(self.until.map_or(edge, |until| until.min(edge)));
            }
        }
        from <= self.now && self.now < end
    }

    fn ruling(&self, ground: Option<Ground>) -> Ruling {
        Ruling {
            ground,
            until: self.until,
        }
    }
}
