//! A node without its process: ledger and store on a simulated disk, and the things that
//! are done to them, each entered in the book before and after.

use base::{AccountId, Cid, Millis, genesis::Genesis};
use ledger::{CommitError, Ledger, OpenOptions, check_batch};
use std::{path::Path, sync::Arc, time::Duration};
use store::{Absent, BlockStore, Embedded};

use crate::{
    book::{BUNDLES, Book, Fate, bundle, content, genesis, operation, secret},
    disk::{SimDevice, SimDisk},
    random::Random,
};

const FOLDER: &str = "/srv/node";
/// In another folder, so that the syncs of one do not serve the other.
const LEDGER: &str = "/srv/ledger.redb";
const PATIENTS: u64 = 6;
const CONTENTS: u64 = 24;
/// Objects of three blocks each.
const OBJECTS: u64 = 4;

pub struct Life {
    pub disk: SimDisk,
    pub book: Book,
    pub genesis: Genesis,
    created: bool,
    sequences: Vec<u64>,
}

pub struct Node {
    pub ledger: Ledger,
    pub store: Embedded,
}

type Done = Result<(), String>;

fn said(error: impl ToString) -> String {
    error.to_string()
}

impl Life {
    pub fn new() -> Self {
        Self {
            disk: SimDisk::new(Path::new(FOLDER)),
            book: Book::default(),
            genesis: genesis(),
            created: false,
            sequences: vec![0; PATIENTS as usize],
        }
    }

    /// Makes the node or opens it, as a node does that finds its home.
    pub fn start(&mut self) -> Result<Node, String> {
        let folder = Path::new(FOLDER);
        let store = Embedded::open_on(Arc::new(self.disk.clone()), folder.join("store"));
        let store = store.map_err(said)?;
        let device = Arc::new(SimDevice::new(&self.disk, Path::new(LEDGER)));
        let exists = ledger::Device::exists(&*device).map_err(said)?;
        assert!(exists || !self.created, "the ledger is gone");
        let options = OpenOptions { cache: 1 << 20 };
        let ledger = if exists {
            Ledger::open_on(device, &self.genesis, options).map_err(said)?
        } else {
            Ledger::create_on(device, &self.genesis, options).map_err(said)?
        };
        self.created = true;
        // What failed writes had left was cleared away.
        self.book.doubtful.clear();
        Ok(Node { ledger, store })
    }

    /// Makes the block store's index anew, with these pins.
    pub fn reindex(&self, pins: &[(Cid, u64)]) {
        let folder = Path::new(FOLDER).join("store");
        Embedded::reindex_on(Arc::new(self.disk.clone()), folder, pins).unwrap();
    }

    /// Everything that was acknowledged is there. `settled`: the power was lost before.
    pub fn check(&mut self, node: &Node, settled: bool) {
        self.book.check_ledger(&node.ledger);
        self.book.check_store(&node.store, settled);
        self.learn(node).unwrap();
    }

    /// Of what is gone no byte is left on the disk, as it lies there.
    pub fn check_destroyed(&self) {
        const ENOUGH: usize = 64;
        let packs = self.disk.files(&Path::new(FOLDER).join("store/packs"));
        let gone = self.book.blocks.iter();
        let gone = gone
            .filter(|(_, fate)| **fate == Fate::Gone)
            .map(|(cid, _)| cid);
        for number in 0..CONTENTS {
            let (cid, bytes) = content(number);
            if !gone.clone().any(|gone| *gone == cid)
                || self.book.doubtful.contains(&cid)
                || bytes.len() < ENOUGH
            {
                continue;
            }
            for pack in &packs {
                let mut windows = pack.windows(ENOUGH);
                let found =
                    windows.any(|window| window[0] == bytes[0] && window == &bytes[..ENOUGH]);
                assert!(!found, "{cid} is gone and its bytes are not");
            }
        }
    }

    /// The sequence numbers, as the ledger has them.
    fn learn(&mut self, node: &Node) -> Done {
        let view = node.ledger.view().map_err(said)?;
        for (patient, sequence) in self.sequences.iter_mut().enumerate() {
            let account = AccountId::of(&secret(&format!("patient {patient}")).public());
            *sequence = view.sequence(account).map_err(said)?;
        }
        Ok(())
    }

    /// Does one thing.
    pub fn act(&mut self, node: &Node, random: &mut Random) -> Done {
        match random.below(14) {
            0..=5 => self.commit(node, random),
            6 | 7 => {
                let block = self.pick(random);
                self.put(node, &[block])
            }
            8 => {
                let blocks = [(); 3].map(|()| self.pick(random));
                self.put(node, &blocks)
            }
            9 | 10 => self.pin(node, random),
            11 => self.unpin(node, random),
            12 => self.delete(node, random),
            _ => self.collect(node),
        }
    }

    /// A group of operations in one block.
    pub fn commit(&mut self, node: &Node, random: &mut Random) -> Done {
        self.learn(node)?; // after an error, what is there is found out as a client would
        let mut batch = Vec::new();
        let mut group = Vec::new();
        for _ in 0..1 + random.below(6) {
            let patient = random.below(PATIENTS);
            let sequence = &mut self.sequences[patient as usize];
            *sequence += 1;
            let operation = operation(&self.genesis, &format!("patient {patient}"), *sequence);
            let (bytes, id) = operation.to_bytes();
            batch.push(bytes);
            group.push(id.0);
        }
        let view = node.ledger.view().map_err(said)?;
        let time = Millis(view.head().map_err(said)?.header.time.0 + 1);
        let checked = check_batch(batch, self.genesis.chain(), &view).map_err(said)?;
        let checked: Vec<_> = checked.into_iter().map(Result::unwrap).collect();
        drop(view);
        let proposer = AccountId::of(&secret("node").public());
        let pending = node.ledger.propose(checked, time, proposer);
        let pending = pending.map_err(said)?;
        assert_eq!(pending.len(), group.len());
        self.book.sent.extend(group.iter().copied());
        self.book.group = group.iter().copied().collect();
        let certificate = pending.header().certify(&secret("node"));
        match node.ledger.commit(pending, certificate) {
            Ok(receipts) => {
                for receipt in receipts {
                    self.book.operations.insert(receipt.id.0, receipt.index);
                }
                self.book.group.clear();
                Ok(())
            }
            Err(error) => {
                if !matches!(error, CommitError::Unknown(_)) {
                    // "The block is not there": nothing of it may ever show up.
                    for id in &group {
                        self.book.sent.remove(id);
                    }
                    self.book.group.clear();
                }
                Err(error.to_string())
            }
        }
    }

    /// Any block, sometimes one that links to others.
    fn pick(&mut self, random: &mut Random) -> (Cid, Vec<u8>) {
        let number = random.below(CONTENTS + OBJECTS);
        if number < CONTENTS {
            return content(number);
        }
        let of = [0, 7, 14].map(|step| (number * 5 + step) % CONTENTS);
        let (cid, bytes, links) = bundle(BUNDLES + number, of);
        self.book.links.insert(cid, links);
        (cid, bytes)
    }

    fn put(&mut self, node: &Node, contents: &[(Cid, Vec<u8>)]) -> Done {
        for (cid, _) in contents {
            self.book.doubtful.insert(*cid);
            let fate = self.book.blocks.entry(*cid).or_insert(Fate::Unsure);
            if *fate == Fate::Gone {
                *fate = Fate::Unsure;
            }
        }
        if let [(cid, bytes)] = contents {
            node.store.put(cid, bytes).map_err(said)?;
        } else {
            let mut batch = node.store.batch();
            for (cid, bytes) in contents {
                batch.put(cid, bytes).map_err(said)?;
            }
            batch.commit().map_err(said)?;
        }
        for (cid, _) in contents {
            self.book.doubtful.remove(cid);
            self.book.blocks.insert(*cid, Fate::There);
        }
        Ok(())
    }

    fn pin(&mut self, node: &Node, random: &mut Random) -> Done {
        let (root, _) = self.pick(random);
        let allowed = self.book.pins.entry(root).or_insert_with(|| vec![0]);
        allowed.push(allowed.iter().max().unwrap() + 1);
        let count = node.store.pin(&root).map_err(said)?;
        assert!(allowed.contains(&count));
        *allowed = vec![count];
        Ok(())
    }

    fn unpin(&mut self, node: &Node, random: &mut Random) -> Done {
        let pinned: Vec<_> = node.store.pins().map_err(said)?;
        if pinned.is_empty() {
            return Ok(());
        }
        let (root, _) = *random.pick(&pinned);
        let allowed = self.book.pins.get_mut(&root).unwrap();
        let least = *allowed.iter().min().unwrap();
        allowed.push(least.saturating_sub(1));
        // With the last pin go the blocks that nobody has stored again since.
        let reach = self.book.reach(&root);
        let fates = reach.iter().map(|cid| self.book.blocks.get(cid).copied());
        let fates: Vec<_> = fates.collect();
        self.book.doubt(&reach);
        let count = node.store.unpin(&root).map_err(said)?;
        let allowed = self.book.pins.get_mut(&root).unwrap();
        assert!(allowed.contains(&count));
        *allowed = vec![count];
        for (cid, fate) in reach.iter().zip(fates) {
            let is_here = node.store.has(cid).map_err(said)?;
            if let Some(fate) = fate {
                let now = if is_here { fate } else { Fate::Gone };
                self.book.blocks.insert(*cid, now);
            }
            if fate == Some(Fate::There) && !is_here {
                let count = self.book.count(cid);
                assert!(count.is_none_or(|count| count == 0), "{cid} was pinned");
            }
        }
        Ok(())
    }

    fn delete(&mut self, node: &Node, random: &mut Random) -> Done {
        let (cid, _) = self.pick(random);
        if self.book.count(&cid) != Some(0) || !self.book.blocks.contains_key(&cid) {
            return Ok(());
        }
        self.book.blocks.insert(cid, Fate::Unsure);
        node.store.delete(&cid).map_err(said)?;
        self.book.blocks.insert(cid, Fate::Gone);
        Ok(())
    }

    fn collect(&mut self, node: &Node) -> Done {
        let book = &mut self.book;
        let counts: Vec<_> = book
            .blocks
            .keys()
            .map(|cid| (*cid, book.count(cid)))
            .collect();
        for (cid, count) in &counts {
            let fate = book.blocks.get_mut(cid).unwrap();
            if matches!(count, None | Some(0)) && *fate == Fate::There {
                *fate = Fate::Unsure;
            }
        }
        let done = node.store.gc(Duration::ZERO, Absent::Allowed);
        done.map_err(said)?;
        for (cid, count) in counts {
            if count == Some(0) {
                book.blocks.insert(cid, Fate::Gone);
            }
        }
        Ok(())
    }
}
