//! Inspection: everything that a ledger's tables hold, against what its certified blocks
//! prove. Blocks and leaves are proven by signatures and roots alone; tree, operations,
//! state and lists follow from them.

use base::{codec, genesis::Genesis};
use redb::ReadableTableMetadata as _;
use serde_bytes::ByteBuf;
use std::fmt;

use super::{tables::fault, view::View};
use crate::{
    block::{Block, Head, Header},
    leaf::Leaf,
    log::{self, Appender, CompactRange, Nodes as _},
    replay::Replay,
    state::{Changes, Fault, Read as _, StateHash, write_genesis},
    validators::{Transition, Validators},
};

/// How much an inspection does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Certificates, chain, leaves, tree, operations, and the sum of the state's entries.
    Tables,
    /// That, and the whole log replayed: every signature, every outcome, every entry of
    /// state and lists. Time as of a replay; memory as of the state.
    Replay,
}

/// A part of a ledger's tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// Heads of blocks.
    Blocks,
    /// The log's entries.
    Leaves,
    /// Nodes of the tree over the log.
    Tree,
    /// Where an operation, an entry or a list's subject stands.
    Operations,
    /// Entries of the state and their sum.
    State,
    /// Lists.
    Lists,
    /// Who decided after whom.
    Validators,
}

impl Part {
    /// Whether it follows from blocks and leaves.
    pub fn is_derived(self) -> bool {
        !matches!(self, Self::Blocks | Self::Leaves)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Leaves => "leaves",
            Self::Tree => "tree",
            Self::Operations => "operations",
            Self::State => "state",
            Self::Lists => "lists",
            Self::Validators => "validators",
        }
    }
}

/// Something that is not what it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Where.
    pub part: Part,
    /// What and where exactly; one line.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part.name(), self.reason)
    }
}

/// What an inspection found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inspection {
    /// Height of the last block that holds.
    pub height: u64,
    /// Leaves up to it.
    pub leaves: u64,
    /// What does not hold: at most one for each part, the first.
    pub damage: Vec<Damage>,
}

impl Inspection {
    /// Whether every block and leaf holds: whatever else does not can be made anew.
    pub fn is_rebuildable(&self) -> bool {
        self.damage.iter().all(|damage| damage.part.is_derived())
    }

    fn note(&mut self, part: Part, reason: impl fmt::Display) {
        if self.damage.iter().all(|damage| damage.part != part) {
            let reason = reason.to_string();
            self.damage.push(Damage { part, reason });
        }
    }
}

impl View {
    /// Inspects the whole ledger of `genesis`.
    ///
    /// # Errors
    /// [`Fault::Storage`] when the disk fails; damage is no error.
    pub fn inspect(&self, genesis: &Genesis, depth: Depth) -> Result<Inspection, Fault> {
        let mut inspector = Inspector::new(self, genesis, depth);
        if inspector.blocks()? {
            inspector.counts()?;
            inspector.state()?;
            inspector.sum()?;
        }
        Ok(inspector.found)
    }
}

struct Inspector<'a> {
    view: &'a View,
    validators: Validators,
    changes: u64,
    previous: Header,
    range: CompactRange,
    tree: Appender,
    nodes: u64,
    replay: Option<Replay>,
    lists: u64,
    found: Inspection,
}

/// Why the blocks are not looked at any further.
enum End {
    Damage(Part, String),
    Fault(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn damage(part: Part, reason: impl fmt::Display) -> End {
    End::Damage(part, reason.to_string())
}

/// Damage that the database itself reports belongs to the part that was read.
fn reading<T>(part: Part, result: Result<T, Fault>) -> Result<T, End> {
    result.map_err(|fault| match fault {
        Fault::Damaged(reason) => End::Damage(part, reason),
        other => End::Fault(other),
    })
}

impl<'a> Inspector<'a> {
    fn new(view: &'a View, genesis: &Genesis, depth: Depth) -> Self {
        Self {
            view,
            validators: Validators::of(genesis),
            changes: 0,
            previous: Header::genesis(genesis),
            range: CompactRange::new(),
            tree: Appender::new(),
            nodes: 0,
            replay: (depth == Depth::Replay).then(|| Replay::new(genesis)),
            lists: write_genesis(genesis).index.len() as u64,
            found: Inspection::default(),
        }
    }

    /// Height after height, until something does not hold; says whether all did.
    fn blocks(&mut self) -> Result<bool, Fault> {
        let mut next = 0;
        let ended = loop {
            match self.block(next) {
                Ok(true) => next += 1,
                Ok(false) => return Ok(true),
                Err(end) => break end,
            }
        };
        match ended {
            End::Damage(part, reason) => {
                self.found.note(part, format!("block {next}: {reason}"));
                Ok(false)
            }
            End::Fault(fault) => Err(fault),
        }
    }

    /// `false` past the last one.
    fn block(&mut self, height: u64) -> Result<bool, End> {
        let stored = self.view.snapshot().blocks.get(height).map_err(fault);
        let Some(bytes) = reading(Part::Blocks, stored)? else {
            let length = reading(
                Part::Blocks,
                self.view.snapshot().blocks.len().map_err(fault),
            )?;
            return match length == height && height > 0 {
                true => Ok(false),
                false => Err(damage(Part::Blocks, "it is missing")),
            };
        };
        let head: Head = codec::decode(bytes.value()).map_err(|e| damage(Part::Blocks, e))?;
        drop(bytes);
        let head = head.verify(&self.validators);
        let head = head
            .map_err(|error| damage(Part::Blocks, error))?
            .into_head();
        let header = head.header.clone();
        if height > 0 && !self.follows(&header) {
            return Err(damage(Part::Blocks, "it does not follow the one before"));
        }
        let leaves = reading(Part::Leaves, self.view.block(height))?;
        let leaves = leaves.map_or_else(Vec::new, |block| block.leaves);
        self.root(&header, &leaves)?;
        for (index, bytes) in (header.first_leaf..).zip(&leaves) {
            self.leaf(index, bytes)?;
        }
        if height > 0 {
            self.hand_over(&head)?;
            self.replay(&Block { head, leaves })?;
        }
        self.found.height = height;
        self.found.leaves = header.tree_size;
        self.previous = header;
        Ok(true)
    }

    /// The set that a certified header hands over to is the one that the tables keep: without
    /// it nobody can tell whether later heads hold.
    fn hand_over(&mut self, head: &Head) -> Result<(), End> {
        let height = head.header.height;
        let next = head.header.next_validators;
        if next.is_none_or(|next| next.first != height + 1) {
            return Ok(());
        }
        self.changes += 1;
        let next = reading(Part::Validators, self.view.hand_over(height))?;
        let next = next.ok_or_else(|| damage(Part::Validators, "the next ones are missing"))?;
        let head = head.clone();
        let followed = self.validators.follow(Transition { head, next });
        followed.map_err(|error| damage(Part::Validators, error))
    }

    fn follows(&self, header: &Header) -> bool {
        header.height == self.previous.height + 1
            && header.previous == Some(self.previous.cid())
            && header.first_leaf == self.previous.tree_size
            && header.time > self.previous.time
    }

    /// The leaves are those that the signed root is of. Before that holds, nothing is
    /// compared with them.
    fn root(&mut self, header: &Header, leaves: &[ByteBuf]) -> Result<(), End> {
        for bytes in leaves {
            self.range.append(bytes);
        }
        if self.range.size() == header.tree_size && self.range.root() == header.tree_root {
            return Ok(());
        }
        let tables = self.view.snapshot();
        let suspect = (header.first_leaf..).zip(leaves).find(|(index, bytes)| {
            let stored = tables.node(0, *index);
            stored.is_ok_and(|stored| stored != log::leaf_hash(bytes))
        });
        Err(match suspect {
            Some((index, _)) => damage(
                Part::Leaves,
                format!("leaf {index} is not the one of its tree root"),
            ),
            None => damage(Part::Leaves, "they do not give its tree root"),
        })
    }

    /// What follows from a leaf that holds.
    fn leaf(&mut self, index: u64, bytes: &[u8]) -> Result<(), End> {
        let leaf: Leaf = codec::decode(bytes)
            .map_err(|error| damage(Part::Leaves, format!("leaf {index}: {error}")))?;
        self.tree.append(log::leaf_hash(bytes));
        for (level, at, hash) in self.tree.take_added() {
            self.nodes += 1;
            match self.view.snapshot().node(level, at) {
                Ok(found) if found == hash => {}
                Err(Fault::Storage(reason)) => return Err(Fault::Storage(reason).into()),
                _ => self.found.note(
                    Part::Tree,
                    format!("node {at} at level {level} is not the one that the leaves give"),
                ),
            }
        }
        match self.view.index_of(leaf.operation.to_bytes().1) {
            Ok(Some(found)) if found == index => {}
            Err(Fault::Storage(reason)) => return Err(Fault::Storage(reason).into()),
            _ => self.found.note(
                Part::Operations,
                format!("the operation of leaf {index} is not found there"),
            ),
        }
        Ok(())
    }

    fn replay(&mut self, block: &Block) -> Result<(), End> {
        let Some(replay) = &mut self.replay else {
            return Ok(());
        };
        // A certified block that breaks a rule: no table is damaged, the validators lied.
        let changes = replay
            .push_and_tell(block)
            .map_err(|error| damage(Part::Blocks, error))?;
        self.lists(&changes)
    }

    fn lists(&mut self, changes: &Changes) -> Result<(), End> {
        for entry in &changes.index {
            self.lists += 1;
            match self.view.listed(entry.list, entry.leaf) {
                Ok(Some(item)) if item == entry.item => {}
                Err(Fault::Storage(reason)) => return Err(Fault::Storage(reason).into()),
                _ => {
                    let (list, leaf) = (entry.list, entry.leaf);
                    let reason = format!("leaf {leaf} is not in the list {list:?}");
                    self.found.note(Part::Lists, reason);
                }
            }
        }
        Ok(())
    }

    /// What stands in the tables beside what was found in its place.
    fn counts(&mut self) -> Result<(), Fault> {
        let tables = self.view.snapshot();
        let (leaves, nodes) = (self.found.leaves, self.nodes);
        let mut counts = vec![
            (Part::Leaves, tables.leaves.len().map_err(fault), leaves),
            (Part::Tree, tables.node_count(), nodes),
        ];
        let hand_overs = match &tables.hand_overs {
            Some(table) => table.len().map_err(fault),
            None => Ok(0),
        };
        counts.push((Part::Validators, hand_overs, self.changes));
        match tables.digest_count() {
            Ok((found, expected)) => counts.push((Part::Operations, Ok(found), expected)),
            Err(fault) => counts.push((Part::Operations, Err(fault), 0)),
        }
        if let Some(replay) = &self.replay {
            let entries = replay.state().iter().count() as u64;
            counts.push((Part::Lists, tables.lists.len().map_err(fault), self.lists));
            counts.push((Part::State, tables.entry_count(), entries));
        }
        for (part, found, expected) in counts {
            match found {
                Ok(found) if found == expected => {}
                Ok(found) => self
                    .found
                    .note(part, format!("{found} entries, {expected} belong there")),
                Err(Fault::Damaged(reason)) => self.found.note(part, reason),
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// The state's entries add up to what the last header says, and so does the stored sum.
    fn sum(&mut self) -> Result<(), Fault> {
        let certified = self.previous.state_hash;
        let sums = [
            ("the stored sum", self.view.state_hash()),
            ("the sum of the entries", self.view.recompute_state_hash()),
        ];
        for (what, sum) in sums {
            match sum.as_ref().map(StateHash::digest) {
                Ok(found) if found == certified => {}
                Ok(_) => self
                    .found
                    .note(Part::State, format!("{what} is not the last header's")),
                Err(Fault::Damaged(reason)) => self.found.note(Part::State, reason),
                Err(other) => return Err(other.clone()),
            }
        }
        Ok(())
    }

    /// Entry for entry, which says which one it is; without a replay the sum is as good a proof.
    fn state(&mut self) -> Result<(), Fault> {
        let Some(replay) = &self.replay else {
            return Ok(());
        };
        for (key, value) in replay.state().iter() {
            let reason = match self.view.read(key) {
                Ok(Some(stored)) if stored.bytes() == value => continue,
                Ok(_) => format!("entry {} is not the replay's", hex(key)),
                Err(Fault::Damaged(reason)) => reason,
                Err(other) => return Err(other),
            };
            self.found.note(Part::State, reason);
            break;
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
