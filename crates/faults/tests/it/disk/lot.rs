//! What becomes of the things that were not synced.

use super::{Change, File, Names, Node, SECTOR, State};
use crate::random::Random;

/// How the lot is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lot {
    /// Nothing reached the disk.
    Dropped,
    /// All of it did.
    Kept,
    /// What came first did; the last of it within a write.
    Torn,
    /// Any of the changes did.
    Reordered,
    /// Any sectors of any of the changes did.
    Scattered,
    /// Of each file only its first sector, where databases keep what is true, did.
    FirstSector,
}

pub const LOTS: [Lot; 6] = [
    Lot::Dropped,
    Lot::Kept,
    Lot::Torn,
    Lot::Reordered,
    Lot::Scattered,
    Lot::FirstSector,
];

impl Lot {
    pub fn draw(random: &mut Random) -> Self {
        *random.pick(&LOTS)
    }
}

/// The bytes of one file after the power came back.
pub fn bytes(file: &mut File, lot: Lot, random: &mut Random) {
    let pending = std::mem::take(&mut file.pending);
    let mut image = std::mem::take(&mut file.durable);
    let cut = random.below(pending.len() as u64 + 1) as usize;
    for (at, change) in pending.iter().enumerate() {
        match lot {
            Lot::Kept => change.apply(&mut image),
            Lot::Torn if at < cut => change.apply(&mut image),
            Lot::Torn if at == cut => sectors(change, &mut image, random),
            Lot::Reordered if random.coin() => change.apply(&mut image),
            Lot::Scattered => sectors(change, &mut image, random),
            Lot::FirstSector => first(change, &mut image),
            Lot::Dropped | Lot::Torn | Lot::Reordered => {}
        }
    }
    file.live.clone_from(&image);
    file.durable = image;
}

/// After a sync that failed: the disk has a part, the rest is as if written.
pub fn lose(file: &mut File, random: &mut Random) {
    for change in std::mem::take(&mut file.pending) {
        sectors(&change, &mut file.durable, random);
    }
}

/// Each sector of a change by lot.
fn sectors(change: &Change, image: &mut Vec<u8>, random: &mut Random) {
    match change {
        Change::Length(_) => {
            if random.coin() {
                change.apply(image);
            }
        }
        Change::Write { offset, bytes } => {
            let mut at = 0;
            while at < bytes.len() {
                let end = bytes.len().min(at + SECTOR - (offset + at) % SECTOR);
                if random.coin() {
                    let part = Change::Write {
                        offset: offset + at,
                        bytes: bytes[at..end].to_vec(),
                    };
                    part.apply(image);
                }
                at = end;
            }
        }
    }
}

fn first(change: &Change, image: &mut Vec<u8>) {
    if let Change::Write { offset, bytes } = change
        && *offset < SECTOR
    {
        let part = Change::Write {
            offset: *offset,
            bytes: bytes[..bytes.len().min(SECTOR - offset)].to_vec(),
        };
        part.apply(image);
    }
}

/// The names after the power came back. A folder that is gone takes all in it along.
pub fn names(state: &mut State, lot: Lot, random: &mut Random) {
    let mut image = Names::new();
    let paths: Vec<_> = state.names.keys().chain(state.durable.keys()).collect();
    for path in paths {
        let (now, before) = (state.names.get(path), state.durable.get(path));
        let kept = match lot {
            Lot::Kept => true,
            Lot::Dropped => false,
            _ => random.coin(),
        };
        if let Some(node) = if kept { now } else { before } {
            image.insert(path.clone(), *node);
        } else {
            image.remove(path);
        }
    }
    // In order, a folder comes before what is in it.
    let mut whole = Names::new();
    for (path, node) in image {
        let folder = path.parent();
        if folder.is_none_or(|folder| whole.get(folder) == Some(&Node::Folder)) {
            whole.insert(path, node);
        }
    }
    let image = whole;
    state.names = image.clone();
    state.durable = image;
}
