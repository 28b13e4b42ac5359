//! Lists: which operations belong to an account, a grant, a record. They are derived from
//! the log, kept beside the state and no part of the state hash.

use base::{AccountId, OperationId, RecordId};

use super::operation_key;

/// A list that the tables keep, in log order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum List {
    /// Accounts in order of registration.
    Accounts,
    /// Records of a patient or of a publishing hospital.
    Records(AccountId),
    /// States of a record, by the operation that brought each.
    States(RecordId),
    /// Requests of a requester or to a patient.
    Requests(AccountId),
    /// Grants of a patient, to a requester, or for an agent.
    Grants(AccountId),
    /// Successful queries under a grant.
    QueriesOfGrant(OperationId),
    /// Successful queries by an agent or querier.
    Queries(AccountId),
    /// A patient's notices: successful queries, emergencies, recoveries.
    Notices(AccountId),
    /// Delegations of a patient or to a delegate.
    Delegations(AccountId),
    /// Disputes.
    Disputes,
    /// Proposals.
    Proposals,
    /// Institutions, by admission through votes.
    Institutions,
    /// Every logged operation of an account, failed ones included.
    Operations(AccountId),
}

impl List {
    /// The kind's number; never reused.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Accounts => 1,
            Self::Records(_) => 2,
            Self::States(_) => 3,
            Self::Requests(_) => 4,
            Self::Grants(_) => 5,
            Self::QueriesOfGrant(_) => 6,
            Self::Queries(_) => 7,
            Self::Notices(_) => 8,
            Self::Delegations(_) => 9,
            Self::Disputes => 10,
            Self::Proposals => 11,
            Self::Institutions => 12,
            Self::Operations(_) => 13,
        }
    }

    /// Whose list it is.
    pub(crate) fn subject(&self) -> Option<[u8; 32]> {
        match self {
            Self::Accounts | Self::Disputes | Self::Proposals | Self::Institutions => None,
            Self::States(id) => Some(id.0),
            // An id of another form names no operation: its list is empty.
            Self::QueriesOfGrant(id) => Some(operation_key(*id).unwrap_or([0; 32])),
            Self::Records(id)
            | Self::Requests(id)
            | Self::Grants(id)
            | Self::Queries(id)
            | Self::Notices(id)
            | Self::Delegations(id)
            | Self::Operations(id) => Some(id.0),
        }
    }
}

/// One line of a list: at this leaf, this item (an operation's digest, an account or a
/// record id).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IndexEntry {
    pub(crate) list: List,
    pub(crate) leaf: u64,
    pub(crate) item: [u8; 32],
}
