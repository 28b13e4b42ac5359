//! The walk over a tree that is being fetched: what comes next, and how much may come.

use super::{
    fetch::{FetchError, FetchOptions},
    name::Name,
};
use crate::{BlockStore, GetError, links, unixfs::node::Node};
use base::cid::{self, Cid};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use tokio::task::{JoinHandle, spawn_blocking};

pub(super) struct Walk {
    root: Name,
    /// Blocks not looked for yet, the next last, with their distance from the root.
    ahead: Vec<(Name, usize)>,
    /// Blocks that are waited for and can have links, with their distance.
    distances: HashMap<Name, usize>,
    /// Nodes met before; leaves are many and are told by the store and by what is wanted.
    met: HashSet<Name>,
    /// Leaves that came and the store may not show yet: since the last commit, and before it.
    fresh: [HashSet<Name>; 2],
    depth: usize,
    blocks: u64,
    bytes: u64,
}

/// What a look into the store gave for one block.
pub(super) struct Here {
    name: Name,
    distance: usize,
    /// Its links if it is here.
    links: Option<Vec<Cid>>,
}

impl Walk {
    pub(super) fn new(root: &Cid, options: &FetchOptions) -> Result<Self, FetchError> {
        let name = Name::of(root).ok_or(FetchError::Unsupported(*root))?;
        Ok(Self {
            root: name,
            ahead: vec![(name, 0)],
            distances: HashMap::new(),
            met: HashSet::new(),
            fresh: Default::default(),
            depth: options.depth,
            blocks: options.blocks,
            bytes: options.bytes,
        })
    }

    /// Whether everything was looked for. Blocks that still come may have links.
    pub(super) fn is_done(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Looks for the next blocks in the store, on a thread that may block.
    pub(super) fn look(
        &mut self,
        wanted: impl Fn(&Name) -> bool,
        store: Arc<dyn BlockStore>,
    ) -> Option<JoinHandle<Result<Vec<Here>, GetError>>> {
        let mut names = Vec::new();
        while names.len() < AT_ONCE
            && let Some((name, distance)) = self.ahead.pop()
        {
            let again = if name.is_leaf() {
                self.fresh.iter().any(|fresh| fresh.contains(&name)) || wanted(&name)
            } else {
                !self.met.insert(name)
            };
            if !again {
                names.push((name, distance));
            }
        }
        if names.is_empty() {
            return None;
        }
        Some(spawn_blocking(move || look(&*store, names)))
    }

    /// Takes in what was found; gives the name if the block is not here.
    pub(super) fn found(&mut self, here: Here) -> Result<Option<Name>, FetchError> {
        match here.links {
            Some(links) => {
                self.ahead(&here.name, here.distance, &links)?;
                Ok(None)
            }
            None => {
                if !here.name.is_leaf() {
                    self.distances.insert(here.name, here.distance);
                }
                Ok(Some(here.name))
            }
        }
    }

    /// Takes in a block that came. Gives the bytes of the whole tree if it is the root and
    /// says so.
    pub(super) fn came(&mut self, name: &Name, data: &[u8]) -> Result<Option<u64>, FetchError> {
        self.blocks = self
            .blocks
            .checked_sub(1)
            .ok_or(FetchError::TooLarge(name.cid()))?;
        let bytes = self.bytes.checked_sub(data.len() as u64);
        self.bytes = bytes.ok_or(FetchError::TooLarge(name.cid()))?;
        if name.is_leaf() {
            self.fresh[0].insert(*name);
        } else {
            let distance = self.distances.remove(name).unwrap_or(0);
            self.ahead(name, distance, &links(&name.cid(), data)?)?;
        }
        Ok((*name == self.root).then(|| total(name, data)).flatten())
    }

    /// What came before the last commit is to be seen in the store. What came since may
    /// still be on its way there.
    pub(super) fn committed(&mut self) {
        self.fresh.swap(0, 1);
        self.fresh[0].clear();
    }

    fn ahead(&mut self, of: &Name, distance: usize, links: &[Cid]) -> Result<(), FetchError> {
        if !links.is_empty() && distance == self.depth {
            return Err(FetchError::TooDeep {
                cid: of.cid(),
                limit: self.depth,
            });
        }
        if self.ahead.len() + links.len() > MOST_AHEAD || self.met.len() > MOST_MET {
            return Err(FetchError::TooLarge(of.cid()));
        }
        for link in links.iter().rev() {
            let name = Name::of(link).ok_or(FetchError::Unsupported(*link))?;
            self.ahead.push((name, distance + 1));
        }
        Ok(())
    }
}

fn look(store: &dyn BlockStore, names: Vec<(Name, usize)>) -> Result<Vec<Here>, GetError> {
    let mut found = Vec::with_capacity(names.len());
    for (name, distance) in names {
        let cid = name.cid();
        let held = if name.is_leaf() {
            // Not asked for: there is nothing to it, and a Kubo never gives it.
            let empty = cid == cid::of_block(cid::RAW, &[]);
            (store.has(&cid)? || empty && store.put(&cid, &[]).is_ok()).then(Vec::new)
        } else {
            match store.get(&cid) {
                Ok(bytes) => Some(links(&cid, &bytes)?),
                Err(GetError::Missing(_) | GetError::Damaged(_)) => None,
                Err(error) => return Err(error),
            }
        };
        found.push(Here {
            name,
            distance,
            links: held,
        });
    }
    Ok(found)
}

/// Bytes of the whole tree below a dag-pb node and of itself, as it says.
fn total(name: &Name, data: &[u8]) -> Option<u64> {
    if name.cid().codec() != cid::DAG_PB {
        return None;
    }
    let node = Node::decode(data).ok()?;
    let mut below = node.links.iter();
    below.try_fold(data.len() as u64, |sum, link| sum.checked_add(link.total))
}

/// Blocks looked for in one go.
const AT_ONCE: usize = 64;
/// Names that wait, at most: 48 bytes each. A node of our files has 1,024 links, a path of
/// three such nodes reaches a pebibyte.
const MOST_AHEAD: usize = 1 << 18;
/// Nodes that are remembered, at most: 33 bytes each, those of a file of 256 TiB.
const MOST_MET: usize = 1 << 18;
