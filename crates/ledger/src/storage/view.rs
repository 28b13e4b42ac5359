//! A read snapshot: everything that parties, followers and auditors ask for. Here what
//! stands in the log; `entries` and `lists` have the state, `validators` who decides.

mod entries;
mod lists;
mod validators;

use base::{
    AccountId, Digest, Millis, OperationId, cid, codec, genesis::Genesis, operation::EmergencyCode,
};
use redb::{Database, ReadableDatabase as _, ReadableTable};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::sync::Arc;

use super::{
    error::OpenError,
    numbers::{entry_name, subject_name},
    session::Beside,
    tables::{Snapshot, fault, list_key, of_row},
};
use crate::{
    block::{Block, Head},
    leaf::Leaf,
    log::{self, ConsistencyProof, InclusionProof},
    receipt::Receipt,
    state::{
        Fault, List, Read, StateHash, Stored,
        entry::{QueryState, Recovery},
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
    /// Guardians put a new operation key forward.
    Recovery(Box<Recovery>),
}

/// The ledger at one block.
pub struct View {
    snapshot: Snapshot,
}

impl Read for View {
    fn read(&self, key: &[u8]) -> Result<Option<Arc<Stored>>, Fault> {
        self.snapshot.read(key)
    }
}

// What stands in the log.
impl View {
    pub(super) fn of(database: &Database) -> Result<Self, Fault> {
        let beside = Beside::load(database, 0)?;
        let transaction = database.begin_read().map_err(fault)?;
        let snapshot = Snapshot::new(&transaction, &beside)?;
        let snapshot = snapshot.ok_or_else(|| Fault::Storage("it is being written".into()))?;
        Ok(Self::new(snapshot))
    }

    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }

    /// Refuses a ledger that was made from another genesis object.
    pub(super) fn is_of(&self, genesis: &Genesis) -> Result<(), OpenError> {
        match self.meta("genesis")?.as_deref() == Some(&codec::encode(genesis)) {
            true => Ok(()),
            false => Err(OpenError::OtherGenesis),
        }
    }

    /// What stands at a leaf's place in a list.
    pub(super) fn listed(&self, list: List, leaf: u64) -> Result<Option<[u8; 32]>, Fault> {
        let Some(subject) = self.subject_of(list)? else {
            return Ok(None);
        };
        let key = list_key(subject, list.kind(), leaf);
        let item = self.snapshot.lists.get(&key).map_err(fault)?;
        Ok(item.map(|item| *item.value()))
    }

    /// The number under which a list is kept; none if nothing was ever put on it.
    fn subject_of(&self, list: List) -> Result<Option<u64>, Fault> {
        match list.subject() {
            None => Ok(Some(0)),
            Some(subject) => self.snapshot.number(&subject_name(&subject)),
        }
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
        self.snapshot.number(&key)
    }

    /// A receipt for a logged operation, under the head of the block that holds it: it
    /// proves the operation's height and time too.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn receipt(&self, id: OperationId) -> Result<Option<Receipt>, Fault> {
        let Some((index, leaf)) = self.operation(id)? else {
            return Ok(None);
        };
        let Some(head) = self.head_of(index)? else {
            return Ok(None);
        };
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

    /// The sum recomputed from every entry of the state, each of which must be found where
    /// readers look for it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn recompute_state_hash(&self) -> Result<StateHash, Fault> {
        let mut hash = StateHash::default();
        for item in self.snapshot.scanned.iter().map_err(fault)? {
            let (key, value) = item.map_err(fault)?;
            hash.add(key.value(), value.value());
        }
        for item in self.snapshot.rows.iter().map_err(fault)? {
            let (row, bytes) = item.map_err(fault)?;
            let (key, value) = of_row(bytes.value())?;
            if self.snapshot.number(&entry_name(key))? != Some(row.value()) {
                return Err(Fault::Damaged(format!("row {} is not found", row.value())));
            }
            hash.add(key, value);
        }
        Ok(hash)
    }
}

fn operation_id(digest: [u8; 32]) -> OperationId {
    OperationId(cid::of_digest(cid::DAG_CBOR, digest))
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    codec::decode_lenient(bytes).map_err(|error| Fault::Damaged(error.to_string()))
}
