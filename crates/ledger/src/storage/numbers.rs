//! Which number stands behind a digest: an operation's digest has its leaf, the name of an
//! entry its row, the name of a list's subject the number under which its lists are kept.
//!
//! Digests are spread evenly: in a large table nearly every new one would touch a page of
//! its own. So new pairs wait. They are durable at once, in a table of the blocks that
//! brought them, and found in memory; and with every block the pairs that wait for a few
//! of the 256 slices of the table go in together, slice after slice in turn.

use base::Digest;
use redb::{ReadableTable, Table, WriteTransaction};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use super::tables::{META, NUMBERS, WAITING, damaged, fault};
use crate::state::Fault;

/// A digest and its number.
pub(super) type Pair = ([u8; 32], u64);

/// Parts of the table, by first byte of the digest.
const SLICES: usize = 256;
/// New pairs for each slice that a block merges. About 128 times as many wait in the end,
/// 20 MiB, unless a block brings more. The more wait, the more of them go to one page.
const PACE: usize = 4_096;
/// Digest and number, big-endian.
const PAIR: usize = 40;

/// The name of an entry.
pub(super) fn entry_name(stored_key: &[u8]) -> [u8; 32] {
    Digest::of(stored_key).0
}

/// The name of a list's subject. No stored key begins with 0.
pub(super) fn subject_name(subject: &[u8; 32]) -> [u8; 32] {
    Digest::of(&[&[0], subject.as_slice()].concat()).0
}

/// The pairs that the table lacks, as of one block.
#[derive(Clone)]
pub(super) struct Waiting {
    height: u64,
    /// By first byte.
    slices: Vec<Slice>,
    /// Slices merged since the ledger began.
    turn: u64,
    /// Blocks some of whose pairs may wait, each with the turn before it.
    blocks: VecDeque<(u64, u64)>,
}

/// Pairs of one slice: runs, each sorted and more than [`RATIO`] times as long as the next.
/// So a pair is moved a few times while it waits, not with every block; and few runs are
/// to be searched.
#[derive(Clone, Default)]
struct Slice(Vec<Arc<Vec<Pair>>>);

const RATIO: usize = 4;

impl Slice {
    /// Adds sorted pairs.
    fn add(&mut self, pairs: &[Pair]) {
        let mut run = pairs.to_vec();
        while let Some(last) = self.0.pop_if(|last| last.len() <= RATIO * run.len()) {
            run.extend_from_slice(&last);
            run.sort(); // two sorted runs: a merge
        }
        if !run.is_empty() {
            self.0.push(Arc::new(run));
        }
    }

    fn find(&self, digest: &[u8; 32]) -> Option<u64> {
        self.0
            .iter()
            .find_map(|run| search(run, digest).map(|at| run[at].1))
    }

    /// All of them, sorted.
    fn into_pairs(self) -> Vec<Pair> {
        let mut pairs = Vec::with_capacity(self.0.iter().map(|run| run.len()).sum());
        self.0.iter().for_each(|run| pairs.extend_from_slice(run));
        pairs.sort();
        pairs
    }
}

/// What a block writes beside the pairs that wait after it.
pub(super) struct Merge {
    pub(super) next: Waiting,
    /// Pairs to put into the table, sorted, slice by slice.
    due: Vec<Vec<Pair>>,
    /// Blocks none of whose pairs waits any more.
    done: Vec<u64>,
}

impl Waiting {
    /// As of height 0, whose pairs do not wait.
    fn none(height: u64, turn: u64) -> Self {
        Self {
            height,
            slices: vec![Slice::default(); SLICES],
            turn,
            blocks: VecDeque::new(),
        }
    }

    /// From the tables, at `height`.
    pub(super) fn load(
        height: u64,
        turn: Option<&[u8]>,
        table: &impl ReadableTable<u64, &'static [u8]>,
    ) -> Result<Self, Fault> {
        let broken = || damaged("pairs that wait");
        let turn = match turn {
            Some(bytes) => u64::from_be_bytes(bytes.try_into().map_err(|_| broken())?),
            None => 0,
        };
        let mut waiting = Self::none(height, turn);
        let mut slices = vec![Vec::new(); SLICES];
        for row in table.iter().map_err(fault)? {
            let (block, bytes) = row.map_err(fault)?;
            let (before, pairs) = bytes.value().split_first_chunk().ok_or_else(broken)?;
            let before = u64::from_be_bytes(*before);
            let merged = turn.checked_sub(before).ok_or_else(broken)?;
            if pairs.len() % PAIR != 0 {
                return Err(broken());
            }
            for pair in pairs.chunks_exact(PAIR).map(pair) {
                let slice = u64::from(pair.0[0]);
                // Slices `before`, `before` + 1 … have had their turn since.
                if slice.wrapping_sub(before) % SLICES as u64 >= merged {
                    slices[usize::from(pair.0[0])].push(pair);
                }
            }
            waiting.blocks.push_back((block.value(), before));
        }
        for (to, mut pairs) in waiting.slices.iter_mut().zip(slices) {
            pairs.sort_unstable();
            to.add(&pairs);
        }
        Ok(waiting)
    }

    /// The block that this is as of.
    pub(super) fn height(&self) -> u64 {
        self.height
    }

    /// Every digest that waits.
    pub(super) fn digests(&self) -> impl Iterator<Item = &[u8; 32]> {
        let runs = self.slices.iter().flat_map(|slice| &slice.0);
        runs.flat_map(|run| run.iter()).map(|(digest, _)| digest)
    }

    /// The number, if the pair waits.
    pub(super) fn find(&self, digest: &[u8; 32]) -> Option<u64> {
        self.slices[usize::from(digest[0])].find(digest)
    }

    /// After the next block, which brings `new` pairs, sorted.
    pub(super) fn after(&self, new: &[Pair]) -> Merge {
        let mut next = self.clone();
        next.height += 1;
        next.blocks.push_back((next.height, self.turn));
        for group in new.chunk_by(|a, b| a.0[0] == b.0[0]) {
            next.slices[usize::from(group[0].0[0])].add(group);
        }
        let turns = new.len().div_ceil(PACE).clamp(1, SLICES);
        let due = (0..turns)
            .map(|_| {
                let slice = next.turn % SLICES as u64;
                next.turn += 1;
                std::mem::take(&mut next.slices[slice as usize]).into_pairs()
            })
            .collect();
        let mut done = Vec::new();
        while let Some((block, before)) = next.blocks.front()
            && before + SLICES as u64 <= next.turn
        {
            done.push(*block);
            next.blocks.pop_front();
        }
        Merge { next, due, done }
    }
}

impl Merge {
    /// Writes the merge and the pairs that wait; `new` are those of this block.
    pub(super) fn write(&self, transaction: &WriteTransaction, new: &[Pair]) -> Result<(), Fault> {
        let mut table = transaction.open_table(WAITING).map_err(fault)?;
        let height = self.next.height;
        if let Some((_, before)) = self
            .next
            .blocks
            .back()
            .filter(|(block, _)| *block == height)
        {
            let mut bytes = before.to_be_bytes().to_vec();
            bytes.reserve_exact(new.len() * PAIR);
            for (digest, number) in new {
                bytes.extend_from_slice(digest);
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            table.insert(height, bytes.as_slice()).map_err(fault)?;
        }
        for block in self.done.iter().filter(|block| **block != height) {
            table.remove(block).map_err(fault)?;
        }
        let mut meta = transaction.open_table(META).map_err(fault)?;
        let turn = self.next.turn.to_be_bytes();
        meta.insert("turn", turn.as_slice()).map_err(fault)?;
        let mut numbers = transaction.open_table(NUMBERS).map_err(fault)?;
        self.due
            .iter()
            .try_for_each(|pairs| insert(&mut numbers, pairs))
    }
}

/// The place of a digest among sorted pairs of one slice. Digests are spread evenly, so
/// the search starts where this one should be and doubles its steps.
fn search(slice: &[Pair], digest: &[u8; 32]) -> Option<usize> {
    let mut second = [0; 4];
    second.copy_from_slice(&digest[1..5]);
    let share = u64::from(u32::from_be_bytes(second)); // of 2^32
    let guess = ((slice.len() as u64 * share) >> 32) as usize; // below the length
    let (mut low, mut high) = (guess, guess);
    let mut step = 1;
    while low > 0 && slice[low - 1].0 >= *digest {
        low = low.saturating_sub(step);
        step *= 2;
    }
    step = 1;
    while high < slice.len() && slice[high].0 < *digest {
        high = (high + step).min(slice.len());
        step *= 2;
    }
    // Everything before `low` is smaller, everything from `high` on is not.
    let at = low + slice[low..high].partition_point(|pair| pair.0 < *digest);
    (slice.get(at)?.0 == *digest).then_some(at)
}

/// Puts sorted pairs into the table.
pub(super) fn insert(
    numbers: &mut Table<'_, &'static [u8; 32], u64>,
    pairs: &[Pair],
) -> Result<(), Fault> {
    for (digest, number) in pairs {
        numbers.insert(digest, number).map_err(fault)?;
    }
    Ok(())
}

fn pair(bytes: &[u8]) -> Pair {
    let (mut digest, mut number) = ([0; 32], [0; 8]);
    digest.copy_from_slice(&bytes[..32]);
    number.copy_from_slice(&bytes[32..]);
    (digest, u64::from_be_bytes(number))
}

/// What waits, as of the last two blocks: a block is shown to readers a moment after it
/// is durable, so somebody may still read at the one before.
pub(super) struct Versions(Mutex<Vec<Arc<Waiting>>>);

impl Versions {
    pub(super) fn new(waiting: Waiting) -> Self {
        Self(Mutex::new(vec![Arc::new(waiting)]))
    }

    /// As of a height.
    pub(super) fn at(&self, height: u64) -> Option<Arc<Waiting>> {
        let versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions
            .iter()
            .find(|waiting| waiting.height == height)
            .cloned()
    }

    /// Adds the next version, to be there when its block is.
    pub(super) fn publish(&self, next: Waiting) {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions.retain(|waiting| waiting.height + 1 == next.height);
        versions.push(Arc::new(next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn pairs(block: u64, count: u64) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = (0..count)
            .map(|at| {
                (
                    Digest::of(&[block.to_be_bytes(), at.to_be_bytes()].concat()).0,
                    at,
                )
            })
            .collect();
        pairs.sort_unstable();
        pairs
    }

    #[test]
    fn the_search_agrees_with_a_plain_one() {
        let mut even = pairs(1, 3_000);
        even.iter_mut().for_each(|pair| pair.0[0] = 9);
        even.sort_unstable();
        let mut crowded = even.clone();
        crowded.iter_mut().for_each(|pair| pair.0[1..5].fill(200));
        crowded.sort_unstable();
        for slice in [&even[..], &even[..1], &crowded[..], &[]] {
            for (digest, _) in even.iter().chain(&crowded) {
                let plain = slice.binary_search_by(|pair| pair.0.cmp(digest)).ok();
                assert_eq!(search(slice, digest), plain);
            }
        }
    }

    /// A block is shown to readers a moment after it is durable.
    #[test]
    fn the_last_two_blocks_are_kept() {
        let versions = Versions::new(Waiting::none(5, 0));
        for height in 6..=8 {
            versions.publish(Waiting::none(height, 0));
            let kept = (0..10).filter(|height| versions.at(*height).is_some());
            assert_eq!(kept.collect::<Vec<_>>(), [height - 1, height]);
        }
    }

    /// Every pair is found, in memory or in the table, after every block; each goes into
    /// the table once; and nothing waits longer than a whole round.
    #[test]
    fn nothing_is_lost_on_the_way() {
        let mut waiting = Waiting::none(0, 0);
        let mut table = BTreeMap::new();
        let mut all = Vec::new();
        for block in 1..=600 {
            let new = pairs(block, [1, 3, 2_000, 40][block as usize % 4]);
            let merge = waiting.after(&new);
            for pair in merge.due.iter().flat_map(|pairs| pairs.iter()) {
                assert!(table.insert(pair.0, pair.1).is_none(), "twice");
            }
            waiting = merge.next;
            all.extend(new);
            for (digest, number) in &all[all.len().saturating_sub(3_000)..] {
                let found = waiting.find(digest).or_else(|| table.get(digest).copied());
                assert_eq!(found, Some(*number));
            }
            assert!(waiting.blocks.len() <= SLICES);
            for slice in &waiting.slices {
                let lengths = slice
                    .0
                    .windows(2)
                    .map(|pair| (pair[0].len(), pair[1].len()));
                lengths.for_each(|(long, short)| assert!(long > RATIO * short));
            }
        }
        let held = waiting.digests().count();
        assert_eq!(held + table.len(), all.len());
        assert!(held < 128 * PACE, "{held} wait");
        assert_eq!(waiting.find(&[7; 32]), None);
    }
}
