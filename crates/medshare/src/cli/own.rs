//! Whose a thing is. What belongs to another account is not there, for who asks: one exit
//! code and one line for both, before anything is signed or logged.

use base::{AccountId, OperationId, RecordId};
use ledger::Record;
use share::{Node as _, open};

use super::context::Entered;
use crate::exit::{Exit, Fault, Result};

/// A record of this patient, or of her for whom this home acts.
///
/// # Errors
/// [`Exit::NotFound`]; what the node answers.
pub fn record(entered: &Entered, id: RecordId) -> Result<Record> {
    let own = entered.session.identity.acts_for();
    let found = entered.node.record(id)?;
    let found = found.filter(|record| record.patient == own);
    found.ok_or_else(|| no_record(id))
}

/// The one line for a record that does not exist or is not for the asker.
pub fn no_record(id: RecordId) -> Fault {
    Fault::new(
        Exit::NotFound,
        format!("there is no record {id} for this account; `medshare record list` shows yours"),
    )
}

/// Looks whether this account has, or had, a grant of the record's patient. All others' records
/// are none: what is done to find that out is the same for one that does not exist.
///
/// # Errors
/// [`Exit::NotFound`]; what the node and the vault answer.
pub fn granted(entered: &Entered, id: RecordId) -> Result<()> {
    let found = entered.node.record(id)?;
    let of = |patient: AccountId| {
        let record = found.as_ref();
        record.is_some_and(|record| record.patient == patient)
    };
    let mut held = open::grants(&entered.desk())?.into_iter();
    if held.any(|(_, patient, _)| of(patient)) {
        return Ok(());
    }
    let me = entered.session.identity.account();
    let mut grants = entered.node.grants_of(me)?.into_iter();
    let had = grants.any(|grant| grant.requester == me && of(grant.patient));
    had.then_some(()).ok_or_else(|| no_record(id))
}

/// Looks whether a request is to this patient.
///
/// # Errors
/// [`Exit::NotFound`]; what the node answers.
pub fn request(entered: &Entered, id: OperationId) -> Result<()> {
    let own = entered.session.identity.acts_for();
    let found = entered.node.request(id)?;
    let is_own = found.is_some_and(|request| request.patient == own);
    is_own.then_some(()).ok_or_else(|| none("request", id))
}

/// Looks whether a grant is this patient's.
///
/// # Errors
/// [`Exit::NotFound`]; what the node answers.
pub fn grant(entered: &Entered, id: OperationId) -> Result<()> {
    let own = entered.session.identity.acts_for();
    let found = entered.node.grant(id)?;
    let is_own = found.is_some_and(|grant| grant.patient == own);
    is_own.then_some(()).ok_or_else(|| none("grant", id))
}

/// Looks whether a query was made for this account.
///
/// # Errors
/// [`Exit::NotFound`]; what the node answers.
pub fn query(entered: &Entered, id: OperationId) -> Result<()> {
    let own = entered.session.identity.account();
    let found = entered.node.query(id)?;
    let is_own = found.is_some_and(|query| query.querier == own);
    is_own.then_some(()).ok_or_else(|| none("query", id))
}

fn none(what: &str, id: OperationId) -> Fault {
    Fault::new(
        Exit::NotFound,
        format!("there is no {what} {id} for this account"),
    )
}
