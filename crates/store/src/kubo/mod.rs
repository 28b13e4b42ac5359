//! A Kubo, the IPFS program of the Go world, as the store of blocks: driven by its RPC, which does everything it can
//! do to blocks and pins, and a small database beside it for what it cannot.
//!
//! * CIDs cannot change: blocks go in as a CAR (`dag/import`), never as a file.
//! * Nothing is announced and nothing fetched: every call says `offline`, none provides.
//! * What is read is hashed again here; what Kubo says it took is counted.
//! * Not enforced: who may fetch. A Kubo in a swarm gives whatever it holds to every member of that swarm. Its own
//!   collection (`ipfs daemon --enable-gc`, `ipfs repo gc`) knows only pins: it may delete what came up and is not
//!   pinned yet; [`BlockStore::pin`] then says so. And what "durable" means is a setting of Kubo's:
//!   [`Kubo::concerns`].

mod answer;
mod batch;
mod calls;
mod endpoint;
mod error;
mod index;
mod pins;
mod rpc;
mod settings;

pub use self::{
    endpoint::Endpoint,
    error::RpcError,
    pins::Reconciled,
    settings::{Concern, SwarmKey},
};

use self::{
    batch::KuboBatch,
    index::{Index, Key},
    rpc::{Call, Rpc},
};
use crate::{
    Absent, Batch, BlockStore, Collected, GcError, GetError, MAX_BLOCK, PutError, Source,
    block::{self, Mismatch},
};
use base::cid::Cid;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::HashSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use thiserror::Error;

/// How to reach a Kubo and where to keep what it does not know.
#[derive(Clone, Debug)]
pub struct KuboSettings {
    /// Its RPC.
    pub endpoint: Endpoint,
    /// Folder of our database; made if absent. Belongs to this Kubo and no other.
    pub folder: PathBuf,
    /// Longest wait: for a short answer, for each piece of a long one. 60 s if in doubt.
    pub patience: Duration,
}

/// A Kubo as a store of blocks.
pub struct Kubo {
    rpc: Rpc,
    index: Index,
    folder: PathBuf,
    version: String,
    reconciled: Reconciled,
    /// Held while pins change and while something is deleted.
    order: Mutex<()>,
    /// Blocks whose bytes were found to be others.
    damaged: Mutex<HashSet<Key>>,
}

/// Why a Kubo is not used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its RPC is on another machine, or open to others.
    #[error(
        "{0} is not on this machine: Kubo's RPC can do everything to it and is spoken to on loopback or a Unix socket only"
    )]
    NotLocal(Endpoint),
    /// It does not answer, or not as a Kubo does.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// Another process has our database open.
    #[error("{0} is in use by another process; stop that one first")]
    InUse(PathBuf),
    /// Our database cannot be used.
    #[error("{path} cannot be used: {source}")]
    Index {
        /// The file.
        path: PathBuf,
        /// What the machine or the database said.
        source: io::Error,
    },
    /// Another medshare keeps its blocks there; each would delete the other's.
    #[error(
        "the Kubo keeps blocks for another store of medshare already (pins named {0}): one Kubo serves one node. If that store is no more, `ipfs pin ls --type=direct --names` shows its pins"
    )]
    Taken(String),
    /// The pins could not be compared.
    #[error("the pins of the Kubo cannot be compared with ours: {0}")]
    Pins(#[source] io::Error),
}

impl Kubo {
    /// Speaks to the Kubo, opens our database, finishes what was cut short, and compares the pins. Time in
    /// proportion to the pinned blocks.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(settings: KuboSettings) -> Result<Self, OpenError> {
        let KuboSettings {
            endpoint,
            folder,
            patience,
        } = settings;
        if !endpoint.is_local() {
            return Err(OpenError::NotLocal(endpoint));
        }
        let path = folder.join(index::FILE);
        let unusable = |source| OpenError::Index {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&folder).map_err(unusable)?;
        let mut store = Self {
            rpc: Rpc::new(endpoint, patience).map_err(unusable)?,
            index: Index::open(&path)?,
            folder,
            version: String::new(),
            reconciled: Reconciled::default(),
            order: Mutex::new(()),
            damaged: Mutex::new(HashSet::new()),
        };
        store.version = store.ask_version()?;
        if let Some(other) = store.other_owner()? {
            return Err(OpenError::Taken(other));
        }
        store.reconciled = store.reconcile().map_err(OpenError::Pins)?;
        Ok(store)
    }

    /// The version of the program, as it says.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What was amiss when it was opened.
    pub const fn reconciled(&self) -> Reconciled {
        self.reconciled
    }

    /// Every setting of it that a consortium must not have.
    ///
    /// # Errors
    /// [`RpcError`].
    pub fn concerns(&self) -> Result<Vec<Concern>, RpcError> {
        let config = self.config()?;
        let system: Value = self.rpc.object(&Call::new("diag/sys"))?;
        let repository = system.pointer("/environment/IPFS_PATH");
        let repository = Path::new(repository.and_then(Value::as_str).unwrap_or(""));
        Ok(settings::concerns(&config, SwarmKey::look(repository)))
    }

    /// Whether it gives blocks to other peers: to every member of its swarm, whoever may have them.
    ///
    /// # Errors
    /// [`RpcError`].
    pub fn serves_its_swarm(&self) -> Result<bool, RpcError> {
        Ok(settings::serves(&self.config()?))
    }

    fn config(&self) -> Result<Value, RpcError> {
        self.rpc.object(&Call::new("config/show"))
    }

    fn ask_version(&self) -> Result<String, RpcError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Version {
            version: String,
            repo: String,
        }
        let told: Version = self.rpc.object(&Call::new("version"))?;
        Ok(format!("{} (repository {})", told.version, told.repo))
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A Kubo takes a block of a name that it has seen for stored already: only what is deleted first is written.
    fn note_damaged(&self, cid: &Cid) -> GetError {
        self.damaged().extend(index::key(cid));
        GetError::Damaged(*cid)
    }
}

impl BlockStore for Kubo {
    fn put(&self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        let mut batch = self.batch();
        batch.put(cid, bytes)?;
        batch.commit()
    }

    fn batch(&self) -> Box<dyn Batch + '_> {
        Box::new(KuboBatch::new(self))
    }

    fn get(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        block::digest(cid).ok_or(GetError::Unsupported(*cid))?;
        let call = Call::new("block/get")
            .with("arg", cid)
            .with("offline", true);
        let bytes = self
            .rpc
            .bytes(&call, MAX_BLOCK)
            .map_err(|error| match error {
                RpcError::TooLarge { .. } => self.note_damaged(cid),
                other => unread(cid, other),
            })?;
        match block::check(cid, &bytes) {
            Ok(()) => Ok(bytes),
            Err(Mismatch::Hash) => Err(self.note_damaged(cid)),
            Err(Mismatch::Unsupported) => Err(GetError::Unsupported(*cid)),
        }
    }

    fn size(&self, cid: &Cid) -> Result<Option<u64>, GetError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Stat {
            size: u64,
        }
        block::digest(cid).ok_or(GetError::Unsupported(*cid))?;
        let call = Call::new("block/stat")
            .with("arg", cid)
            .with("offline", true);
        match self.rpc.object::<Stat>(&call) {
            Ok(stat) => Ok(Some(stat.size)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(unread(cid, error)),
        }
    }

    fn roots_of(&self, cid: &Cid) -> Result<Vec<Cid>, GetError> {
        let key = index::key(cid).ok_or(GetError::Unsupported(*cid))?;
        let roots = self.index.roots_of(&key).map_err(|fault| GetError::Io {
            cid: *cid,
            source: fault.into(),
        })?;
        Ok(roots.iter().map(index::named).collect())
    }

    fn delete(&self, cid: &Cid) -> Result<bool, PutError> {
        self.remove(cid)
    }

    fn pin(&self, root: &Cid) -> Result<u64, PutError> {
        self.add_pin(root)
    }

    fn unpin(&self, root: &Cid) -> Result<u64, PutError> {
        self.take_pin(root)
    }

    fn pins(&self) -> io::Result<Vec<(Cid, u64)>> {
        Ok(self.index.pins()?)
    }

    fn gc(&self, grace: Duration, absent: Absent) -> Result<Collected, GcError> {
        self.collect(grace, absent)
    }
}

impl Source for Kubo {
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        self.get(cid)
    }
}

impl fmt::Debug for Kubo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubo")
            .field("version", &self.version)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

fn unread(cid: &Cid, error: RpcError) -> GetError {
    if error.is_missing() {
        return GetError::Missing(*cid);
    }
    GetError::Io {
        cid: *cid,
        source: error.into(),
    }
}
