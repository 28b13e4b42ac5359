//! The power goes, again and again; or the process is killed and what it wrote stays in
//! the page cache until the power goes later. A run is named by its seed.

use base::{Cid, cid};
use store::BlockStore as _;

use crate::{
    disk::{LOTS, Lot},
    life::{Life, Node},
    random::{Random, wanted},
};

#[test]
fn nothing_is_lost_with_the_power() {
    for seed in 0..200 {
        run(seed);
    }
}

#[test]
#[ignore = "the long form: cargo xtask crash"]
fn long() {
    let (first, runs) = (wanted("CRASH_SEED", 1_000), wanted("CRASH_RUNS", 10_000));
    println!("{runs} runs from seed {first}");
    let mut sum = Sum::default();
    for seed in first..first + runs {
        sum.add(&run(seed));
    }
    println!(
        "{runs} runs: {} deaths ({} by lost power), {} acknowledged operations, {} blocks, \
         {} changes of the disk; nothing lost",
        sum.deaths, sum.losses, sum.operations, sum.blocks, sum.changes
    );
}

/// A batch larger than what the store gathers in memory goes to packs of its own, which
/// nobody else syncs.
#[test]
fn a_large_batch_is_durable_when_it_is_acknowledged() {
    for (number, lot) in (0..).zip(LOTS) {
        let random = &mut Random::new(number);
        let mut life = Life::new();
        let node = life.start().unwrap();
        let blocks: Vec<Vec<u8>> = (1..5_u8)
            .map(|byte| vec![byte; store::MAX_BLOCK / 2])
            .collect();
        let names = blocks.iter().map(|bytes| cid::of_block(cid::RAW, bytes));
        let names: Vec<_> = names.collect();
        let mut batch = node.store.batch();
        for (name, bytes) in names.iter().zip(&blocks) {
            batch.put(name, bytes).unwrap();
        }
        batch.commit().unwrap();
        life.disk.cut_power();
        drop(node);
        life.disk.power_loss(lot, random);
        let node = life.start().unwrap();
        for (name, bytes) in names.iter().zip(&blocks) {
            assert_eq!(&node.store.get(name).unwrap(), bytes, "{lot:?}");
        }
    }
}

/// `doctor --repair` makes the block store's index anew: what is acknowledged from then on
/// stands in the new one alone.
#[test]
fn an_index_that_was_made_anew_stays() {
    for (number, lot) in (0..).zip(LOTS) {
        let random = &mut Random::new(number);
        let mut life = Life::new();
        let blocks =
            [b"before".as_slice(), b"after"].map(|bytes| (cid::of_block(cid::RAW, bytes), bytes));
        let [(before, _), (after, _)] = blocks;
        let keep = |node: &Node, (name, bytes): (Cid, &[u8])| {
            node.store.put(&name, bytes).unwrap();
            node.store.pin(&name).unwrap();
        };
        let node = life.start().unwrap();
        keep(&node, blocks[0]);
        drop(node);
        life.reindex(&[(before, 1)]);
        let node = life.start().unwrap();
        keep(&node, blocks[1]);
        life.disk.cut_power();
        drop(node);
        life.disk.power_loss(lot, random);
        let node = life.start().unwrap();
        for (name, bytes) in blocks {
            assert_eq!(node.store.get(&name).unwrap(), bytes, "{lot:?}");
        }
        let mut pinned = [(before, 1), (after, 1)];
        pinned.sort_unstable();
        assert_eq!(node.store.pins().unwrap(), pinned, "{lot:?}");
    }
}

/// The power goes at every change of the first start.
#[test]
fn the_first_start_is_whole_or_nothing() {
    let mut life = Life::new();
    life.start().unwrap();
    let changes = life.disk.counts().changes;
    assert!(changes > 20);
    for at in 1..changes + 2 {
        for (number, lot) in (0..).zip(LOTS.repeat(2)) {
            let seed = at * 100 + number;
            let _named = Named("first start", seed);
            let random = &mut Random::new(seed);
            let mut life = Life::new();
            life.disk.power_off_after(at);
            let started = life.start();
            if let Ok(node) = &started {
                // Acknowledged as soon as it is there.
                let _ = life.commit(node, random);
            }
            life.disk.cut_power();
            drop(started);
            if random.coin() {
                life.disk.revive();
            } else {
                life.disk.power_loss(lot, random);
            }
            let node = life.start().unwrap();
            life.check(&node, false);
            for _ in 0..2 {
                life.act(&node, random).unwrap();
            }
            life.disk.cut_power();
            drop(node);
            life.disk.power_loss(Lot::Dropped, random);
            let node = life.start().unwrap();
            life.check(&node, true);
        }
    }
}

#[derive(Default)]
struct Sum {
    deaths: u64,
    losses: u64,
    operations: u64,
    blocks: u64,
    changes: u64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.deaths += other.deaths;
        self.losses += other.losses;
        self.operations += other.operations;
        self.blocks += other.blocks;
        self.changes += other.changes;
    }
}

/// Says which run it was if it fails.
pub struct Named(pub &'static str, pub u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} {}", self.0, self.1);
        }
    }
}

fn run(seed: u64) -> Sum {
    let _named = Named("seed", seed);
    let random = &mut Random::new(seed);
    let mut life = Life::new();
    let mut sum = Sum::default();
    for _ in 0..2 + random.below(3) {
        lead(&mut life, random);
        let settled = die(&mut life, random, &mut sum);
        life.check_destroyed();
        // The next start finds all of it and goes on; sometimes that one dies at once.
        if random.below(3) == 0 {
            continue;
        }
        let node = life.start().unwrap();
        life.check(&node, settled);
        for _ in 0..random.below(4) {
            life.act(&node, random).unwrap();
        }
        if random.coin() {
            life.disk.cut_power(); // not even a clean shutdown
        }
        drop(node);
        die(&mut life, random, &mut sum);
        life.check_destroyed();
    }
    let node = life.start().unwrap();
    life.check(&node, false);
    life.commit(&node, random).unwrap();
    life.check(&node, false);
    sum.operations = life.book.operations.len() as u64;
    sum.blocks = life.book.blocks.len() as u64;
    sum.changes = life.disk.counts().changes;
    sum
}

/// Until the power goes, or about forty things are done.
fn lead(life: &mut Life, random: &mut Random) {
    let limit = *random.pick(&[8, 60, 400, 1_200]);
    life.disk.power_off_after(1 + random.below(limit));
    match life.start() {
        Ok(node) => {
            for _ in 0..40 {
                if let Err(error) = life.act(&node, random) {
                    assert!(life.disk.is_dead(), "{error}");
                }
                if life.disk.is_dead() {
                    break;
                }
            }
            if random.coin() {
                life.disk.cut_power();
            }
        }
        Err(error) => assert!(life.disk.is_dead(), "{error}"),
    }
}

/// Whether it was by lost power, not by a kill that leaves all that was written readable.
fn die(life: &mut Life, random: &mut Random, sum: &mut Sum) -> bool {
    sum.deaths += 1;
    let power = random.below(3) > 0;
    if power {
        sum.losses += 1;
        life.disk.power_loss(Lot::draw(random), random);
    } else {
        life.disk.revive();
    }
    power
}
