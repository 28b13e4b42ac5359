//! Lists: what belongs to an account, a grant, a record, in log order and by pages.

use base::{AccountId, Action, OperationId, RecordId};

use super::{
    super::tables::list_key, Listing, MAX_PAGE, Notice, Page, View, decode, fault, operation_id,
};
use crate::state::{
    Fault, List,
    entry::{
        Account, Delegation, DisputeState, Entry, Grant, Institution, Proposal, QueryState, Record,
        RequestState, StateInfo,
    },
    operation_key,
};

impl View {
    /// Accounts in order of registration (validators of the genesis are not among them).
    ///
    /// # Errors
    /// [`Fault`].
    pub fn accounts(&self, page: Page) -> Result<Listing<Account>, Fault> {
        self.list(List::Accounts, page, |item| self.account(AccountId(item)))
    }

    /// Records of a patient, or that a hospital published.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn records_of(&self, account: AccountId, page: Page) -> Result<Listing<Record>, Fault> {
        self.list(List::Records(account), page, |item| {
            self.record(RecordId(item))
        })
    }

    /// States of a record, oldest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn states_of(&self, record: RecordId, page: Page) -> Result<Listing<StateInfo>, Fault> {
        self.list(List::States(record), page, |item| {
            let leaf = self.operation(operation_id(item))?;
            let state = leaf.and_then(|(_, leaf)| match leaf.operation.body.action {
                Action::Publish(publish) => Some(publish.after),
                Action::Modify(modify) => Some(modify.after),
                Action::Rewrap(rewrap) => Some(rewrap.after),
                _ => None,
            });
            state.map_or(Ok(None), |state| self.state_of(record, state))
        })
    }

    /// Requests of a requester, or to a patient.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn requests_of(
        &self,
        account: AccountId,
        page: Page,
    ) -> Result<Listing<RequestState>, Fault> {
        self.list(List::Requests(account), page, |item| {
            self.request(operation_id(item))
        })
    }

    /// Grants of a patient, to a requester, or for an agent.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn grants_of(&self, account: AccountId, page: Page) -> Result<Listing<Grant>, Fault> {
        self.list(List::Grants(account), page, |item| {
            self.grant(operation_id(item))
        })
    }

    /// Successful queries under a grant.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn queries_of_grant(
        &self,
        grant: OperationId,
        page: Page,
    ) -> Result<Listing<QueryState>, Fault> {
        if operation_key(grant).is_none() {
            return Ok(Listing {
                items: Vec::new(),
                next: None,
            });
        }
        self.list(List::QueriesOfGrant(grant), page, |item| {
            self.query(operation_id(item))
        })
    }

    /// Successful queries by an agent, or for a querier.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn queries_of(&self, account: AccountId, page: Page) -> Result<Listing<QueryState>, Fault> {
        self.list(List::Queries(account), page, |item| {
            self.query(operation_id(item))
        })
    }

    /// What a patient is told: every successful query, emergency and recovery.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn notices_of(&self, patient: AccountId, page: Page) -> Result<Listing<Notice>, Fault> {
        self.list(List::Notices(patient), page, |item| {
            self.notice(operation_id(item))
        })
    }

    /// Delegations of a patient, or to a delegate.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn delegations_of(
        &self,
        account: AccountId,
        page: Page,
    ) -> Result<Listing<Delegation>, Fault> {
        self.list(List::Delegations(account), page, |item| {
            self.delegation(operation_id(item))
        })
    }

    /// Every dispute.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn disputes(&self, page: Page) -> Result<Listing<DisputeState>, Fault> {
        self.list(List::Disputes, page, |item| {
            self.dispute(operation_id(item))
        })
    }

    /// Every proposal.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn proposals(&self, page: Page) -> Result<Listing<Proposal>, Fault> {
        self.list(List::Proposals, page, |item| {
            self.proposal(operation_id(item))
        })
    }

    /// Every institution, by account.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn institutions(&self) -> Result<Vec<Institution>, Fault> {
        let range = [Institution::TAG].as_slice()..[Institution::TAG + 1].as_slice();
        let entries = self.snapshot.scanned.range::<&[u8]>(range);
        let entries = entries.map_err(fault)?;
        entries
            .map(|item| decode(item.map_err(fault)?.1.value()))
            .collect()
    }

    /// Ids of every logged operation of an account, failed ones included.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn operations_of(
        &self,
        account: AccountId,
        page: Page,
    ) -> Result<Listing<OperationId>, Fault> {
        self.list(List::Operations(account), page, |item| {
            Ok(Some(operation_id(item)))
        })
    }

    fn notice(&self, id: OperationId) -> Result<Option<Notice>, Fault> {
        if let Some(query) = self.query(id)? {
            return Ok(Some(Notice::Query(Box::new(query))));
        }
        if let Some(recovery) = self.recovery(id)? {
            return Ok(Some(Notice::Recovery(Box::new(recovery))));
        }
        let Some((index, leaf)) = self.operation(id)? else {
            return Ok(None);
        };
        let operation = leaf.operation.body;
        let Action::Emergency(emergency) = operation.action else {
            return Ok(None);
        };
        let time = self.head_of(index)?.map(|head| head.header.time);
        Ok(time.map(|time| Notice::Emergency {
            id,
            hospital: operation.account,
            code: emergency.code,
            time,
        }))
    }

    fn list<T>(
        &self,
        list: List,
        page: Page,
        find: impl Fn([u8; 32]) -> Result<Option<T>, Fault>,
    ) -> Result<Listing<T>, Fault> {
        let mut items = Vec::new();
        let Some(subject) = self.subject_of(list)? else {
            return Ok(Listing { items, next: None });
        };
        let first = list_key(subject, list.kind(), page.from);
        let last = list_key(subject, list.kind(), u64::MAX);
        let limit = page.limit.min(MAX_PAGE);
        for item in self
            .snapshot
            .lists
            .range::<&[u8; 17]>(&first..=&last)
            .map_err(fault)?
        {
            let (key, value) = item.map_err(fault)?;
            if items.len() == limit {
                let mut leaf = [0; 8];
                leaf.copy_from_slice(&key.value()[9..]);
                return Ok(Listing {
                    items,
                    next: Some(u64::from_be_bytes(leaf)),
                });
            }
            let found = find(*value.value())?;
            items.push(found.ok_or_else(|| Fault::Damaged("a list names nothing".into()))?);
        }
        Ok(Listing { items, next: None })
    }
}
