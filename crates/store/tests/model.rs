//! The store against a plain model of it: blocks with links, pins, erasure, collection.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use base::cid::{self, Cid};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use store::{Absent, BlockStore, Embedded};

/// Blocks of the model: each links to some of those with higher numbers.
const NODES: usize = 7;

#[derive(Clone, Debug)]
enum Action {
    Put(usize),
    Delete(usize),
    Pin(usize),
    Unpin(usize),
    Collect,
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..NODES).prop_map(Action::Put),
        1 => (0..NODES).prop_map(Action::Delete),
        3 => (0..NODES).prop_map(Action::Pin),
        3 => (0..NODES).prop_map(Action::Unpin),
        1 => Just(Action::Collect),
        1 => Just(Action::Reopen),
    ]
}

/// Objects that link as `links` says; bit `j` of `links[i]` is a link from `i` to `j`.
fn nodes(links: &[u8]) -> Vec<(Cid, Vec<u8>, Vec<usize>)> {
    let mut nodes: Vec<(Cid, Vec<u8>, Vec<usize>)> = Vec::new();
    for number in (0..NODES).rev() {
        let to: Vec<usize> = (number + 1..NODES)
            .filter(|other| links[number] >> other & 1 == 1)
            .collect();
        let cids: Vec<Cid> = to.iter().map(|other| nodes[NODES - 1 - other].0).collect();
        let node = if number % 3 == 2 {
            let bytes = vec![number as u8; 10];
            (cid::of_block(cid::RAW, &bytes), bytes, Vec::new())
        } else {
            let bytes = base::codec::encode(&(number as u64, "a block of the model", cids));
            (cid::of_object(&bytes), bytes, to)
        };
        nodes.push(node);
    }
    nodes.reverse();
    nodes
}

#[derive(Default)]
struct Model {
    /// Blocks that are here, and how many stored them and are still to pin them.
    blocks: BTreeMap<usize, u32>,
    pins: BTreeMap<usize, u64>,
    reach: BTreeMap<usize, BTreeSet<usize>>,
    missed: BTreeSet<usize>,
}

impl Model {
    fn is_kept(&self, node: usize) -> bool {
        self.reach.values().any(|reach| reach.contains(&node))
    }

    fn join(&mut self, root: usize, node: usize, links: &dyn Fn(usize) -> Vec<usize>) {
        if !self.reach.get_mut(&root).unwrap().insert(node) {
            return;
        }
        match self.blocks.get_mut(&node) {
            Some(awaited) => {
                *awaited = awaited.saturating_sub(1);
                for link in links(node) {
                    self.join(root, link, links);
                }
            }
            None => drop(self.missed.insert(node)),
        }
    }

    fn put(&mut self, node: usize, links: &dyn Fn(usize) -> Vec<usize>) {
        let is_new = !self.blocks.contains_key(&node);
        let is_missed = is_new && self.is_kept(node);
        *self.blocks.entry(node).or_default() += u32::from(!is_missed);
        self.missed.remove(&node);
        let roots: Vec<usize> = self.reach.keys().copied().collect();
        for root in roots {
            if is_new && self.reach[&root].contains(&node) {
                for link in links(node) {
                    self.join(root, link, links);
                }
            }
        }
    }

    fn pin(&mut self, root: usize, links: &dyn Fn(usize) -> Vec<usize>) -> u64 {
        let count = self.pins.entry(root).or_default();
        *count += 1;
        if *count == 1 {
            self.reach.insert(root, BTreeSet::new());
            self.join(root, root, links);
            return 1;
        }
        let count = *count;
        for member in &self.reach[&root] {
            if let Some(awaited) = self.blocks.get_mut(member) {
                *awaited = awaited.saturating_sub(1);
            }
        }
        count
    }

    fn unpin(&mut self, root: usize) -> Option<u64> {
        let count = self.pins.get_mut(&root)?;
        *count -= 1;
        if *count > 0 {
            return Some(*count);
        }
        self.pins.remove(&root);
        for member in self.reach.remove(&root).unwrap() {
            if !self.is_kept(member) {
                self.missed.remove(&member);
                if self.blocks.get(&member) == Some(&0) {
                    self.blocks.remove(&member);
                }
            }
        }
        Some(0)
    }

    fn collect(&mut self) -> usize {
        let before = self.blocks.len();
        let kept: BTreeSet<usize> = self.reach.values().flatten().copied().collect();
        self.blocks.retain(|node, awaited| {
            *awaited = 0;
            kept.contains(node)
        });
        before - self.blocks.len()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is done in whatever order, blocks, pins, what each root reaches, and what
    /// is missed are those of the model, and no pack holds a byte of what is gone.
    #[test]
    fn as_the_model(
        links in prop::collection::vec(any::<u8>(), NODES),
        actions in prop::collection::vec(action(), 1..50),
    ) {
        let nodes = nodes(&links);
        let links = |node: usize| nodes[node].2.clone();
        let disk = harness::FaultDisk::default();
        let open = || Embedded::open_on(Arc::new(disk.clone()), "/store").unwrap();
        let mut slot = Some(open());
        let mut model = Model::default();
        for action in actions {
            let store = slot.as_ref().unwrap();
            match action {
                Action::Put(n) => {
                    store.put(&nodes[n].0, &nodes[n].1).unwrap();
                    model.put(n, &links);
                }
                Action::Delete(n) => {
                    model.missed.remove(&n);
                    let was_there = model.blocks.remove(&n).is_some();
                    prop_assert_eq!(store.delete(&nodes[n].0).unwrap(), was_there);
                }
                Action::Pin(n) => {
                    prop_assert_eq!(store.pin(&nodes[n].0).unwrap(), model.pin(n, &links));
                }
                Action::Unpin(n) => {
                    prop_assert_eq!(store.unpin(&nodes[n].0).ok(), model.unpin(n));
                }
                Action::Collect => {
                    let collected = store.gc(Duration::ZERO, Absent::Allowed).unwrap();
                    prop_assert_eq!(collected.deleted as usize, model.collect());
                    prop_assert_eq!(collected.absent as usize, model.missed.len());
                    prop_assert_eq!(collected.pinned as usize, model.blocks.len());
                }
                Action::Reopen => {
                    drop(slot.take());
                    slot = Some(open());
                }
            }
            let store = slot.as_ref().unwrap();
            for (n, (cid, bytes, _)) in nodes.iter().enumerate() {
                let held = store.get(cid).ok();
                prop_assert_eq!(held.is_some(), model.blocks.contains_key(&n), "{}", n);
                prop_assert!(held.is_none_or(|held| held == *bytes));
                let roots: BTreeSet<Cid> = store.roots_of(cid).unwrap().into_iter().collect();
                let expected = model.reach.iter().filter(|(_, reach)| reach.contains(&n));
                prop_assert_eq!(roots, expected.map(|(root, _)| nodes[*root].0).collect());
            }
        }
        let store = slot.as_ref().unwrap();
        let held: BTreeMap<_, _> = store.pins().unwrap().into_iter().collect();
        let expected = model.pins.iter().map(|(n, count)| (nodes[*n].0, *count));
        prop_assert_eq!(held, expected.collect());
        for (path, pack) in disk.files() {
            let gone = (0..NODES).filter(|n| !model.blocks.contains_key(n));
            for n in gone.filter(|_| path.starts_with("/store/packs")) {
                let bytes = &nodes[n].1;
                prop_assert!(pack.windows(bytes.len()).all(|window| window != bytes));
            }
        }
    }
}
