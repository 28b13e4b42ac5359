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
    /// Stored prefix: one kind byte and 32 bytes.
    pub(crate) fn prefix(&self) -> [u8; 33] {
        let (kind, subject) = match self {
            Self::Accounts => (1, [0; 32]),
            Self::Records(id) => (2, id.0),
            Self::States(id) => (3, id.0),
            Self::Requests(id) => (4, id.0),
            Self::Grants(id) => (5, id.0),
            // An id of another form names no operation: its list is empty.
            Self::QueriesOfGrant(id) => (6, operation_key(*id).unwrap_or([0; 32])),
            Self::Queries(id) => (7, id.0),
            Self::Notices(id) => (8, id.0),
            Self::Delegations(id) => (9, id.0),
            Self::Disputes => (10, [0; 32]),
            Self::Proposals => (11, [0; 32]),
            Self::Institutions => (12, [0; 32]),
            Self::Operations(id) => (13, id.0),
        };
        let mut prefix = [0; 33];
        prefix[0] = kind;
        prefix[1..].copy_from_slice(&subject);
        prefix
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

impl IndexEntry {
    pub(crate) fn key(&self) -> [u8; 41] {
        list_key(self.list, self.leaf)
    }
}

/// Prefix, then the leaf index, big-endian: log order is key order.
pub(crate) fn list_key(list: List, leaf: u64) -> [u8; 41] {
    let mut key = [0; 41];
    key[..33].copy_from_slice(&list.prefix());
    key[33..].copy_from_slice(&leaf.to_be_bytes());
    key
}
