//! What an inspection says of tables in which everything is well formed, but not true.

use ledger::{Fault, FileDevice, Head, Header, Inspection, OpenError};

use super::{sick::Sick, *};

type Forge = fn(&mut Header, &Header);

/// Three blocks that differ in all that is compared.
fn story() -> World {
    let mut world = World::cast();
    world.record("mercy", "pat", "r", &[("s", "c0"), ("t", "c1")]);
    world.request("institute", "pat");
    world
}

/// What is found after a change, deep; the reasons of one part.
fn reasons(world: &mut World, part: Part, change: impl FnOnce(&redb::WriteTransaction)) -> String {
    world.ledger = None;
    let path = world.dir.path().join("ledger.redb");
    edit(&path, change);
    let found = damage(&path, &world.genesis, Depth::Replay);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, part, "{found:?}");
    found[0].1.clone()
}

/// A validator signs whatever it likes: each rule of what follows, alone.
#[test]
fn a_signed_block_that_does_not_follow_is_found() {
    let forgeries: [Forge; 5] = [
        |header, before| header.previous = before.previous,
        |header, _| header.first_leaf += 1,
        |header, before| header.time = before.time,
        |header, before| header.time.0 = before.time.0 - 1,
        |header, _| header.height += 1,
    ];
    for forge in forgeries {
        let mut world = story();
        let head = world.view().head().unwrap();
        let before = world.view().head_at(head.header.height - 1);
        let before = before.unwrap().unwrap().header;
        let height = head.header.height;
        let mut forged: Head = head;
        forge(&mut forged.header, &before);
        forged.certificate = forged.header.certify(&secret("node"));
        let reason = reasons(&mut world, Part::Blocks, |to| {
            let mut blocks = to.open_table(BLOCKS).unwrap();
            let bytes = base::codec::encode(&forged);
            blocks.insert(height, &bytes[..]).unwrap();
        });
        let told = format!("block {height}: it does not follow the one before");
        assert_eq!(reason, told);
    }
}

#[test]
fn a_changed_leaf_is_named() {
    let mut world = story();
    let reason = reasons(&mut world, Part::Leaves, |to| {
        let mut leaves = to.open_table(LEAVES).unwrap();
        let mut bytes = leaves.get(2).unwrap().unwrap().value().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        leaves.insert(2, &bytes[..]).unwrap();
    });
    assert!(
        reason.ends_with(": leaf 2 is not the one of its tree root"),
        "{reason}"
    );
}

/// An operation's number is that of another leaf; both are there.
#[test]
fn an_operation_that_is_found_elsewhere_is_named() {
    let mut world = story();
    let operation = world.view().leaf(3).unwrap().unwrap().operation;
    let id = operation.to_bytes().1.0.to_bytes();
    let reason = reasons(&mut world, Part::Operations, |to| {
        let digest = id.last_chunk::<32>().unwrap();
        let mut numbers = to.open_table(NUMBERS).unwrap();
        let is_merged = numbers.get(digest).unwrap().is_some();
        if is_merged {
            numbers.insert(digest, 2).unwrap();
            return;
        }
        let mut waiting = to.open_table(WAITING).unwrap();
        let rows = waiting.iter().unwrap().map(|row| {
            let (block, pairs) = row.unwrap();
            (block.value(), pairs.value().to_vec())
        });
        let rows: Vec<_> = rows.collect();
        for (block, mut pairs) in rows {
            if let Some(at) = pairs.windows(32).position(|part| part == digest) {
                pairs[at + 32..at + 40].copy_from_slice(&2u64.to_be_bytes());
                waiting.insert(block, &pairs[..]).unwrap();
            }
        }
    });
    assert_eq!(reason, "the operation of leaf 3 is not found there");
}

#[test]
fn another_item_in_a_list_is_named() {
    let mut world = story();
    let reason = reasons(&mut world, Part::Lists, |to| {
        let mut lists = to.open_table(LISTS).unwrap();
        let (key, item) = {
            let (key, item) = lists.last().unwrap().unwrap();
            (*key.value(), *item.value())
        };
        let mut item = item;
        item[31] ^= 1;
        lists.insert(&key, &item).unwrap();
    });
    assert!(
        reason.starts_with("leaf ") && reason.contains(" is not in the list "),
        "{reason}"
    );
}

/// The replay says which entry it is, by its key in hexadecimal digits.
#[test]
fn a_changed_entry_is_named() {
    let mut world = story();
    let mut changed = String::new();
    let reason = reasons(&mut world, Part::State, |to| {
        let mut scanned = to.open_table(SCANNED).unwrap();
        let (key, mut value) = {
            let (key, value) = scanned.first().unwrap().unwrap();
            (key.value().to_vec(), value.value().to_vec())
        };
        *value.last_mut().unwrap() ^= 1;
        scanned.insert(&key[..], &value[..]).unwrap();
        changed = key.iter().map(|byte| format!("{byte:02x}")).collect();
    });
    assert_eq!(reason, format!("entry {changed} is not the replay's"));
}

#[test]
fn a_ledger_without_its_genesis_block_is_damaged() {
    let reason = reasons(&mut World::cast(), Part::Blocks, |to| {
        let mut blocks = to.open_table(BLOCKS).unwrap();
        blocks.retain(|height, _| height > 0).unwrap();
    });
    assert_eq!(reason, "block 0: it is missing");
}

fn few_pages() -> OpenOptions {
    OpenOptions { cache: 16 << 10 }
}

/// A disk that cannot be read is no damage: nothing is known then.
#[test]
fn a_read_that_fails_is_told_and_no_damage() {
    let mut world = story();
    world.ledger = None;
    let path = world.dir.path().join("ledger.redb");
    let whole: Inspection = {
        let look = Look::open(FileDevice::new(&path), &world.genesis, few_pages()).unwrap();
        let view = look.view().unwrap();
        view.inspect(&world.genesis, Depth::Replay).unwrap()
    };
    assert_eq!(whole.damage, []);
    let mut failed = 0;
    for reads in 0.. {
        let device = Sick::new(&path);
        let look = Look::open(device.clone(), &world.genesis, few_pages()).unwrap();
        let view = look.view().unwrap();
        device.fail_after(reads);
        match view.inspect(&world.genesis, Depth::Replay) {
            Ok(found) => {
                assert_eq!(found, whole);
                break;
            }
            Err(Fault::Storage(_)) => failed += 1,
            Err(other) => panic!("after {reads} reads: {other}"),
        }
    }
    assert!(failed > 20, "{failed}");
}

/// A page whose bytes are not those that were written is damage, not a disk that fails.
#[test]
fn a_flipped_byte_in_any_page_is_damage() {
    let mut world = story();
    world.ledger = None;
    let path = world.dir.path().join("ledger.redb");
    let whole = fs::read(&path).unwrap();
    let mut found = 0;
    for page in (0..whole.len()).step_by(4_096) {
        let mut bytes = whole.clone();
        bytes[page + 100] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let look = Look::open(FileDevice::new(&path), &world.genesis, few_pages());
        let inspected = look.and_then(|look| {
            let view = look.view()?;
            Ok(view.inspect(&world.genesis, Depth::Replay)?)
        });
        match inspected {
            Ok(inspection) => found += usize::from(!inspection.damage.is_empty()),
            Err(OpenError::Fault(Fault::Damaged(_))) => found += 1,
            Err(other) => panic!("page {page}: {other:?}"),
        }
    }
    assert!(found > 20, "{found}");
}
