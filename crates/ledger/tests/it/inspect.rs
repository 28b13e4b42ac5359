//! Inspection: a sound ledger is found sound, whatever is changed in it is found and named,
//! and nothing is written while looking.

use base::{
    genesis::{Genesis, Policy},
    operation::{Leave, Role},
};
use database::Tables;
use ledger::{Depth, FileDevice, Leaf, Ledger, Look, OpenOptions, Part, TABLES_VERSION, rebuild};
use redb::{ReadableTable as _, TableDefinition};
use std::{fs, path::Path, sync::Arc};

use crate::world::*;

mod forged;
mod sick;

fn damage(path: &Path, genesis: &Genesis, depth: Depth) -> Vec<(Part, String)> {
    let before = fs::read(path).unwrap();
    let look = Look::open(FileDevice::new(path), genesis, OpenOptions::default()).unwrap();
    let found = look.view().unwrap().inspect(genesis, depth).unwrap();
    drop(look);
    assert!(fs::read(path).unwrap() == before, "a look writes nothing");
    let lost = |part| matches!(part, Part::Blocks | Part::Leaves);
    assert_eq!(
        found.is_rebuildable(),
        !found.damage.iter().any(|damage| lost(damage.part))
    );
    for damage in &found.damage {
        assert_eq!(damage.part.is_derived(), !lost(damage.part));
        let told = format!("{}: {}", name(damage.part), damage.reason);
        assert_eq!(damage.to_string(), told);
    }
    let damage = found.damage.into_iter();
    damage.map(|damage| (damage.part, damage.reason)).collect()
}

fn name(part: Part) -> String {
    format!("{part:?}").to_lowercase()
}

const LEAVES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("leaves");
const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
const NODES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("nodes");
const NUMBERS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("numbers");
const WAITING: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("waiting");
const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");
const SCANNED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("scanned");
const LISTS: TableDefinition<'_, &[u8; 17], &[u8; 32]> = TableDefinition::new("lists");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

type Change = fn(&redb::WriteTransaction);

#[test]
fn what_is_changed_is_found_and_named() {
    let mut world = World::cast();
    world.record("mercy", "pat", "r", &[("s", "c0"), ("t", "c1")]);
    world.request("institute", "pat");
    world.ledger = None; // closed
    let path = world.dir.path().join("ledger.redb");
    let genesis = world.genesis.clone();
    let whole = fs::read(&path).unwrap();
    for depth in [Depth::Tables, Depth::Replay] {
        assert_eq!(damage(&path, &genesis, depth), []);
    }
    let changes: [(Part, Depth, Change); 12] = [
        (Part::Leaves, Depth::Tables, |to| {
            let mut leaves = to.open_table(LEAVES).unwrap();
            let mut bytes = leaves.get(2).unwrap().unwrap().value().to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            leaves.insert(2, &bytes[..]).unwrap();
        }),
        (Part::Leaves, Depth::Tables, |to| {
            to.open_table(LEAVES).unwrap().pop_last().unwrap();
        }),
        (Part::Blocks, Depth::Tables, |to| {
            to.open_table(BLOCKS).unwrap().remove(3).unwrap();
        }),
        (Part::Blocks, Depth::Tables, |to| {
            let mut blocks = to.open_table(BLOCKS).unwrap();
            let mut bytes = blocks.get(3).unwrap().unwrap().value().to_vec();
            let at = bytes.len() - 5;
            bytes[at] ^= 1;
            blocks.insert(3, &bytes[..]).unwrap();
        }),
        (Part::Tree, Depth::Tables, |to| {
            let mut nodes = to.open_table(NODES).unwrap();
            let mut row = nodes.get(0).unwrap().unwrap().value().to_vec();
            row[40] ^= 1;
            nodes.insert(0, &row[..]).unwrap();
        }),
        (Part::Operations, Depth::Tables, |to| {
            let leaves = to.open_table(LEAVES).unwrap();
            let numbers = to.open_table(NUMBERS).unwrap();
            let ids = leaves.iter().unwrap().map(|row| {
                let leaf: Leaf = base::codec::decode(row.unwrap().1.value()).unwrap();
                leaf.operation.to_bytes().1.0.to_bytes()
            });
            // One that waits still: another's pair was merged into the table.
            let waits = |id: &Vec<u8>| {
                let digest = id.last_chunk().unwrap();
                numbers.get(digest).unwrap().is_none()
            };
            let id = ids.into_iter().find(waits).unwrap();
            let mut waiting = to.open_table(WAITING).unwrap();
            let rows = waiting.iter().unwrap().map(|row| {
                let (block, pairs) = row.unwrap();
                (block.value(), pairs.value().to_vec())
            });
            let rows: Vec<_> = rows.collect();
            let found = rows.into_iter().find_map(|(block, mut pairs)| {
                let at = pairs.windows(32).position(|part| id.ends_with(part))?;
                pairs[at + 31] ^= 1;
                Some((block, pairs))
            });
            let (block, pairs) = found.unwrap();
            waiting.insert(block, &pairs[..]).unwrap();
        }),
        (Part::Operations, Depth::Tables, |to| {
            let mut numbers = to.open_table(NUMBERS).unwrap();
            numbers.insert(&[7; 32], 1).unwrap();
        }),
        (Part::State, Depth::Tables, |to| {
            to.open_table(ROWS).unwrap().pop_first().unwrap();
        }),
        (Part::State, Depth::Tables, |to| {
            to.open_table(ROWS).unwrap().pop_last().unwrap();
        }),
        (Part::State, Depth::Tables, |to| {
            to.open_table(SCANNED).unwrap().pop_first().unwrap();
        }),
        (Part::State, Depth::Tables, |to| {
            let mut meta = to.open_table(META).unwrap();
            meta.insert("state-hash", &[0; 2048][..]).unwrap();
        }),
        (Part::Lists, Depth::Replay, |to| {
            to.open_table(LISTS).unwrap().pop_first().unwrap();
        }),
    ];
    for (part, depth, change) in changes {
        fs::write(&path, &whole).unwrap();
        edit(&path, change);
        let found = damage(&path, &genesis, depth);
        assert_eq!(found.len(), 1, "{part:?}: {found:?}");
        assert_eq!(found[0].0, part, "{found:?}");
        if depth == Depth::Tables {
            let deep = damage(&path, &genesis, Depth::Replay);
            assert_eq!(deep[0].0, part, "{deep:?}");
        }
    }
}

const HAND_OVERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("hand-overs");

/// Without the sets nobody can tell whether later heads hold; they follow from the blocks.
#[test]
fn a_lost_set_of_validators_is_found_and_can_be_made_anew() {
    let mut world = World::empty(genesis(&["node", "n2"], &[], Policy::default()));
    world.ok("n2", Leave {});
    world.register("pat", Role::Patient);
    let validators = world.ledger().validators();
    world.ledger = None;
    let path = world.dir.path().join("ledger.redb");
    let genesis = world.genesis.clone();
    let whole = fs::read(&path).unwrap();
    let changes: [Change; 3] = [
        |to| {
            to.open_table(HAND_OVERS).unwrap().pop_first().unwrap();
        },
        |to| {
            let mut table = to.open_table(HAND_OVERS).unwrap();
            let mut bytes = table.get(1).unwrap().unwrap().value().to_vec();
            let at = bytes.len() - 1; // of the last account
            bytes[at] ^= 1;
            table.insert(1, &bytes[..]).unwrap();
        },
        |to| {
            let mut table = to.open_table(HAND_OVERS).unwrap();
            let bytes = table.get(1).unwrap().unwrap().value().to_vec();
            table.insert(7, &bytes[..]).unwrap();
        },
    ];
    for change in changes {
        fs::write(&path, &whole).unwrap();
        edit(&path, change);
        for depth in [Depth::Tables, Depth::Replay] {
            let found = damage(&path, &genesis, depth);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].0, Part::Validators, "{found:?}");
        }
        let look = Look::open(FileDevice::new(&path), &genesis, OpenOptions::default()).unwrap();
        let view = look.view().unwrap();
        assert!(
            view.inspect(&genesis, Depth::Tables)
                .unwrap()
                .is_rebuildable()
        );
        let copy = world.dir.path().join("copy.redb");
        let _ = fs::remove_file(&copy);
        rebuild(&view, &copy, &genesis, OpenOptions::default()).unwrap();
        drop((view, look));
        assert_eq!(damage(&copy, &genesis, Depth::Replay), []);
        let copy = Ledger::open(&copy, &genesis, OpenOptions::default()).unwrap();
        assert_eq!(copy.validators(), validators);
    }
}

fn edit(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let tables = Tables::open(Arc::new(FileDevice::new(path)), 1 << 20, TABLES_VERSION);
    let tables = tables.unwrap();
    let transaction = tables.handle().unwrap().begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}
