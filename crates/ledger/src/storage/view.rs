//! A read snapshot: everything that parties, followers and auditors ask for.

use base::{
    AccountId, Action, Cid, Digest, Millis, OperationId, RecordId, ScopeId, cid, codec,
    genesis::Policy,
    operation::{EmergencyCode, VoucherId},
};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::tables::{Snapshot, fault};
use crate::{
    block::{Block, Head},
    credit::{self, Ranked},
    leaf::Leaf,
    log::{self, ConsistencyProof, InclusionProof},
    receipt::Receipt,
    state::{
        Fault, List, Overlay, Read, StateHash,
        entry::{
            Account, BagState, Balance, CreditEntry, Delegation, DisputeState, EmergencyState,
            Entry, Grant, Institution, Proposal, QueryState, Record, RequestState, ScopeState,
            Sequence, Standing, StateInfo, Totals, Voucher,
        },
        operation_key,
    },
};

/// Most items in one answer.
const MAX_PAGE: usize = 10_000;

/// Which part of a list is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// First leaf index that counts.
    pub from: u64,
    /// Most items; at most 10,000 are given.
    pub limit: usize,
}

impl Default for Page {
    /// From the start, as many as one answer holds.
    fn default() -> Self {
        Self {
            from: 0,
            limit: MAX_PAGE,
        }
    }
}

/// One page of a list, in log order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// [`Page::from`] of the next page, if there is more.
    pub next: Option<u64>,
}

/// What a patient is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// Somebody's agent re-encrypted something of hers.
    Query(Box<QueryState>),
    /// A hospital broke the glass.
    Emergency {
        /// The `Emergency` operation.
        id: OperationId,
        /// The hospital.
        hospital: AccountId,
        /// Why.
        code: EmergencyCode,
        /// Block time.
        time: Millis,
    },
}

/// The ledger at one block.
pub struct View {
    snapshot: Snapshot,
}

impl Read for View {
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.snapshot.read(key)
    }
}

// What stands in the log.
impl View {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(super) fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let value = self.snapshot.meta.get(key).map_err(fault)?;
        Ok(value.map(|guard| guard.value().to_vec()))
    }

    /// The newest head.
    ///
    /// # Errors
    /// [`Fault`], as every method of a view.
    pub fn head(&self) -> Result<Head, Fault> {
        let last = self.snapshot.blocks.last().map_err(fault)?;
        let (_, bytes) = last.ok_or_else(|| Fault::Damaged("no block".into()))?;
        decode(bytes.value())
    }

    /// The head of a height.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn head_at(&self, height: u64) -> Result<Option<Head>, Fault> {
        let bytes = self.snapshot.blocks.get(height).map_err(fault)?;
        bytes.map(|guard| decode(guard.value())).transpose()
    }

    /// A whole block.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn block(&self, height: u64) -> Result<Option<Block>, Fault> {
        let Some(head) = self.head_at(height)? else {
            return Ok(None);
        };
        let range = self
            .snapshot
            .leaves
            .range(head.header.first_leaf..head.header.tree_size)
            .map_err(fault)?;
        let leaves = range
            .map(|item| Ok(ByteBuf::from(item.map_err(fault)?.1.value())))
            .collect::<Result<_, Fault>>()?;
        Ok(Some(Block { head, leaves }))
    }

    /// The head of the block that holds leaf `index`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn head_of(&self, index: u64) -> Result<Option<Head>, Fault> {
        let newest = self.head()?;
        if index >= newest.header.tree_size {
            return Ok(None);
        }
        // The first height whose tree is larger than `index`.
        let (mut low, mut high) = (1, newest.header.height);
        while low < high {
            let middle = low.midpoint(high);
            let head = self.head_at(middle)?;
            let size = head.map_or(0, |head| head.header.tree_size);
            if size > index {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.head_at(low)
    }

    /// A leaf.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn leaf(&self, index: u64) -> Result<Option<Leaf>, Fault> {
        let bytes = self.snapshot.leaves.get(index).map_err(fault)?;
        bytes.map(|guard| decode(guard.value())).transpose()
    }

    /// Leaves from an index, at most `limit` of them and about 1 MiB.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn leaves(&self, from: u64, limit: usize) -> Result<Vec<Leaf>, Fault> {
        let mut size = 0;
        let mut leaves = Vec::new();
        for item in self.snapshot.leaves.range(from..).map_err(fault)? {
            let (_, bytes) = item.map_err(fault)?;
            size += bytes.value().len();
            if leaves.len() >= limit || (size > codec::MAX_OBJECT && !leaves.is_empty()) {
                break;
            }
            leaves.push(decode(bytes.value())?);
        }
        Ok(leaves)
    }

    /// An operation: where it stands, and its leaf.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn operation(&self, id: OperationId) -> Result<Option<(u64, Leaf)>, Fault> {
        let Some(index) = self.index_of(id)? else {
            return Ok(None);
        };
        Ok(self.leaf(index)?.map(|leaf| (index, leaf)))
    }

    /// Where an operation stands.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn index_of(&self, id: OperationId) -> Result<Option<u64>, Fault> {
        let Some(key) = operation_key(id) else {
            return Ok(None);
        };
        let index = self.snapshot.operations.get(&key).map_err(fault)?;
        Ok(index.map(|guard| guard.value()))
    }

    /// A receipt for a logged operation against the newest head.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn receipt(&self, id: OperationId) -> Result<Option<Receipt>, Fault> {
        let Some((index, leaf)) = self.operation(id)? else {
            return Ok(None);
        };
        let head = self.head()?;
        Ok(Some(Receipt {
            id,
            index,
            outcome: leaf.outcome,
            leaf: log::leaf_hash(&leaf.to_bytes()),
            inclusion: log::inclusion_proof(&self.snapshot, index, head.header.tree_size)?,
            head,
        }))
    }

    /// Proof that leaf `index` stands in the tree of `tree_size` leaves; none when the
    /// numbers are impossible.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn inclusion(&self, index: u64, tree_size: u64) -> Result<Option<InclusionProof>, Fault> {
        if index >= tree_size || tree_size > self.head()?.header.tree_size {
            return Ok(None);
        }
        log::inclusion_proof(&self.snapshot, index, tree_size).map(Some)
    }

    /// Proof that the tree of `from` leaves is a prefix of that of `to`; none when the
    /// numbers are impossible.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn consistency(&self, from: u64, to: u64) -> Result<Option<ConsistencyProof>, Fault> {
        if from > to || to > self.head()?.header.tree_size {
            return Ok(None);
        }
        log::consistency_proof(&self.snapshot, from, to).map(Some)
    }

    /// Root of the first `size` leaves, recomputed from stored nodes.
    ///
    /// # Errors
    /// [`Fault`], also when there are fewer leaves.
    pub fn root_at(&self, size: u64) -> Result<Digest, Fault> {
        log::root_at(&self.snapshot, size)
    }

    /// The stored sum of the state.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn state_hash(&self) -> Result<StateHash, Fault> {
        self.meta("state-hash")?
            .and_then(|bytes| StateHash::from_bytes(&bytes))
            .ok_or_else(|| Fault::Damaged("no state hash".into()))
    }

    /// The sum recomputed from every entry of the state.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn recompute_state_hash(&self) -> Result<StateHash, Fault> {
        let mut hash = StateHash::default();
        for item in self.snapshot.state.iter().map_err(fault)? {
            let (key, value) = item.map_err(fault)?;
            hash.add(key.value(), value.value());
        }
        Ok(hash)
    }
}

macro_rules! lookups {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $entry:ty = $key:expr;)*) => {
        // What stands in the state.
        impl View {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`Fault`].
            pub fn $name(&self, $($argument: $type),*) -> Result<Option<$entry>, Fault> {
                self.entry::<$entry>(&$key)
            })*
        }
    };
}

lookups! {
    /// An account.
    account(id: AccountId) -> Account = id;
    /// An institution, if the consortium admitted it.
    institution(id: AccountId) -> Institution = id;
    /// A delegation.
    delegation(id: OperationId) -> Delegation = id;
    /// A proposal.
    proposal(id: OperationId) -> Proposal = id;
    /// A patient's newest key bag.
    bag(patient: AccountId) -> BagState = patient;
    /// A record.
    record(id: RecordId) -> Record = id;
    /// One state of a record.
    state_of(record: RecordId, state: Cid) -> StateInfo = (record, state);
    /// One scope of a patient: none means neither granted nor rotated.
    scope(patient: AccountId, sid: ScopeId) -> ScopeState = (patient, sid);
    /// A request.
    request(id: OperationId) -> RequestState = id;
    /// A grant.
    grant(id: OperationId) -> Grant = id;
    /// A successful query.
    query(id: OperationId) -> QueryState = id;
    /// The last emergency of a hospital for a patient.
    emergency(hospital: AccountId, patient: AccountId) -> EmergencyState = (hospital, patient);
    /// A dispute.
    dispute(id: OperationId) -> DisputeState = id;
    /// A voucher.
    voucher(id: VoucherId) -> Voucher = id;
    /// A line of an account's credit journal; lines are numbered from 0.
    credit(account: AccountId, number: u64) -> CreditEntry = (account, number);
    /// What a ranking says of an account, before decay.
    standing(account: AccountId) -> Standing = account;
}

// What is computed from state and lists.
impl View {
    fn entry<E: Entry>(&self, key: &E::Key) -> Result<Option<E>, Fault> {
        Overlay::new(&self.snapshot).get(key)
    }

    /// Last sequence number that an account used; 0 if none.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn sequence(&self, account: AccountId) -> Result<u64, Fault> {
        Ok(self.entry::<Sequence>(&account)?.unwrap_or_default().last)
    }

    /// The policy in force.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn policy(&self) -> Result<Policy, Fault> {
        self.entry::<Policy>(&())?
            .ok_or_else(|| Fault::Damaged("no policy".into()))
    }

    /// The admitted institution that an account is or joined.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn institution_of(&self, account: AccountId) -> Result<Option<Institution>, Fault> {
        if let Some(institution) = self.institution(account)? {
            return Ok(Some(institution));
        }
        let joined = self.account(account)?.and_then(|found| found.institution);
        joined.map_or(Ok(None), |institution| self.institution(institution))
    }

    /// An account's credits; zero for one that never earned.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn balance(&self, account: AccountId) -> Result<Balance, Fault> {
        Ok(self.entry::<Balance>(&account)?.unwrap_or_default())
    }

    /// All credits ever minted and burnt.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn totals(&self) -> Result<Totals, Fault> {
        Ok(self.entry::<Totals>(&())?.unwrap_or_default())
    }

    /// An account's credit journal from line `from`, at most 10,000 lines.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn journal(&self, account: AccountId, from: u64) -> Result<Vec<CreditEntry>, Fault> {
        let end = self.balance(account)?.entries;
        (from..end)
            .take(MAX_PAGE)
            .filter_map(|number| self.credit(account, number).transpose())
            .collect()
    }

    /// Vouchers of an account, by tier.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn vouchers_of(&self, account: AccountId) -> Result<Vec<Voucher>, Fault> {
        (1..=self.balance(account)?.tier)
            .filter_map(|tier| self.voucher(VoucherId { account, tier }).transpose())
            .collect()
    }

    /// Hospitals by decayed credit at `now`, best first, with the reviews behind it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn ranking(&self, now: Millis) -> Result<Vec<Ranked>, Fault> {
        let half_life = self.policy()?.half_life_days;
        let mut standings = Vec::new();
        let range = [Standing::TAG].as_slice()..[Standing::TAG + 1].as_slice();
        for item in self.snapshot.state.range::<&[u8]>(range).map_err(fault)? {
            let (key, value) = item.map_err(fault)?;
            let id = key.value().get(1..).and_then(|id| id.try_into().ok());
            let id = id.ok_or_else(|| Fault::Damaged("a standing's key".into()))?;
            standings.push((AccountId(id), decode::<Standing>(value.value())?));
        }
        let mut ranking = Vec::new();
        for (id, standing) in standings {
            if credit::is_ranked(self.account(id)?) {
                let balance = self.balance(id)?.amount;
                ranking.push(credit::rank(id, standing, balance, now, half_life));
            }
        }
        credit::sort(&mut ranking);
        Ok(ranking)
    }

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

    /// What a patient is told: every successful query and emergency.
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
        let entries = self.snapshot.state.range::<&[u8]>(range).map_err(fault)?;
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
        let first = crate::state::list_key(list, page.from);
        let last = crate::state::list_key(list, u64::MAX);
        let limit = page.limit.min(MAX_PAGE);
        let mut items = Vec::new();
        for item in self
            .snapshot
            .lists
            .range::<&[u8; 41]>(&first..=&last)
            .map_err(fault)?
        {
            let (key, value) = item.map_err(fault)?;
            if items.len() == limit {
                let mut leaf = [0; 8];
                leaf.copy_from_slice(&key.value()[33..]);
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

fn operation_id(digest: [u8; 32]) -> OperationId {
    OperationId(cid::of_digest(cid::DAG_CBOR, digest))
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    codec::decode_lenient(bytes).map_err(|error| Fault::Damaged(error.to_string()))
}
