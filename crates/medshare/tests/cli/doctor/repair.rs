//! Each repair: what it heals, and that nothing else in the home changed.

use redb::{ReadableTable as _, TableDefinition};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    damage::{change, flip, wreck},
    doctor, in_state, problems, stopped,
};
use crate::{
    net::Cast,
    newer::{snapshot, tables},
};

/// The files of a home that differ.
type Differing = BTreeSet<PathBuf>;

/// Names the problem, announces its repair, heals it, finds nothing the next time; gives
/// the files that the repair changed, made or removed.
fn heals(cast: &Cast, home: &str, check: &str, words: &str, more: &[&str]) -> Differing {
    let folder = cast.net.path(home);
    let before = snapshot(&folder);
    let (code, found) = doctor(cast, home, more);
    assert_eq!(code, 4, "{found:#?}");
    problems(&found, &[check], words);
    assert!(before == snapshot(&folder), "a look touched it");
    let all = [more, &["--repair"]].concat();
    let (code, found) = doctor(cast, home, &all);
    assert_eq!(code, 0, "{found:#?}");
    assert_eq!(in_state(&found, "repairing"), [check], "{found:#?}");
    assert_eq!(in_state(&found, "healed"), [check], "{found:#?}");
    let after = snapshot(&folder);
    let (code, found) = doctor(cast, home, more);
    assert_eq!(code, 0, "{found:#?}");
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| name.strip_prefix(&folder).unwrap().to_owned())
        .collect()
}

fn only(names: &[&str]) -> Differing {
    names.iter().map(PathBuf::from).collect()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn rights_are_closed() {
    let cast = stopped();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (home, name, wrong, right) in [
        ("anna", "", 0o755, 0o700),
        ("anna", "keys.age", 0o644, 0o600),
        ("node", "node", 0o750, 0o700),
        ("node", "node/post.redb", 0o666, 0o600),
    ] {
        let path = cast.net.path(home).join(name);
        chmod(&path, wrong);
        let changed = heals(&cast, home, "rights", "others may enter or read", &[]);
        assert_eq!(mode(&path), right, "{name}");
        assert_eq!(changed, only(&[]));
    }
}

#[test]
fn leftovers_are_removed_and_nothing_else() {
    let cast = stopped();
    for (home, name) in [
        ("anna", ".medshare-abcdef"),
        ("anna", "vault.new"),
        ("node", "node/ledger.new"),
        ("node", "node/post.new"),
        ("node", "node/blocks/index.new"),
    ] {
        let path = cast.net.path(home).join(name);
        fs::write(&path, "half").unwrap();
        chmod(&path, 0o600);
        let changed = heals(&cast, home, "leftovers", "nobody reads them", &[]);
        assert_eq!(changed, only(&[name]));
        assert!(!path.exists());
    }
    // A name that only looks like one.
    let own = cast.net.path("anna/notes.new");
    fs::write(&own, "mine").unwrap();
    chmod(&own, 0o600);
    let (code, found) = doctor(&cast, "anna", &["--repair"]);
    assert_eq!(code, 0, "{found:#?}");
    assert!(own.exists());
}

type SumName = (u8, [u8; 32], [u8; 32]);
/// Words that name a change, and the change.
type Change = (&'static str, fn(&redb::WriteTransaction));

const SUMS: TableDefinition<'_, SumName, (u64, u64)> = TableDefinition::new("sums");
const PINNED: TableDefinition<'_, [u8; 32], u64> = TableDefinition::new("pinned");
const NEXT: TableDefinition<'_, &str, u64> = TableDefinition::new("next");

#[test]
fn the_posts_sums_are_made_anew() {
    let cast = stopped();
    let path = cast.net.path("node/node/post.redb");
    let rows = || {
        let tables = tables(&path);
        let view = redb::ReadableDatabase::begin_read(&**tables.handle().unwrap()).unwrap();
        let sums = view.open_table(SUMS).unwrap();
        let sums = sums.iter().unwrap().map(|row| {
            let (name, sum) = row.unwrap();
            (name.value(), sum.value())
        });
        let pinned = view.open_table(PINNED).unwrap();
        let pinned = pinned.iter().unwrap().map(|row| {
            let (account, count) = row.unwrap();
            (account.value(), count.value())
        });
        (sums.collect::<Vec<_>>(), pinned.collect::<Vec<_>>())
    };
    let right = rows();
    assert!(!right.0.is_empty() && !right.1.is_empty());
    let changes: [Change; 4] = [
        ("the sums of letters", |to| {
            to.open_table(SUMS).unwrap().pop_first().unwrap();
        }),
        ("the sums of letters", |to| {
            let mut sums = to.open_table(SUMS).unwrap();
            let name = sums.first().unwrap().unwrap().0.value();
            sums.insert(name, (9, 9)).unwrap();
        }),
        ("the counts of pins", |to| {
            let mut pinned = to.open_table(PINNED).unwrap();
            let account = pinned.first().unwrap().unwrap().0.value();
            pinned.insert(account, 1_000).unwrap();
        }),
        ("the last letter number", |to| {
            to.open_table(NEXT).unwrap().insert("letter", 0).unwrap();
        }),
    ];
    for (words, wrong) in changes {
        change(&path, wrong);
        let changed = heals(&cast, "node", "post", words, &[]);
        assert_eq!(changed, only(&["node/post.redb"]));
        assert_eq!(rows(), right);
    }
}

const NODES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("nodes");
const NUMBERS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("numbers");
const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");
const LISTS: TableDefinition<'_, &[u8; 17], &[u8; 32]> = TableDefinition::new("lists");

#[test]
fn a_ledger_is_made_anew_from_its_blocks() {
    let mut cast = stopped();
    let path = cast.net.path("node/node/ledger.redb");
    let whole = fs::read(&path).unwrap();
    let changes: [Change; 4] = [
        ("tree", |to| {
            to.open_table(NODES).unwrap().pop_first().unwrap();
        }),
        ("operations", |to| {
            let mut numbers = to.open_table(NUMBERS).unwrap();
            numbers.insert(&[7; 32], 1).unwrap();
        }),
        ("state", |to| {
            let mut rows = to.open_table(ROWS).unwrap();
            let (row, mut bytes) = {
                let (row, bytes) = rows.last().unwrap().unwrap();
                (row.value(), bytes.value().to_vec())
            };
            *bytes.last_mut().unwrap() ^= 1;
            rows.insert(row, &bytes[..]).unwrap();
        }),
        ("lists", |to| {
            to.open_table(LISTS).unwrap().pop_last().unwrap();
        }),
    ];
    for (words, wrong) in changes {
        fs::write(&path, &whole).unwrap();
        change(&path, wrong);
        let changed = heals(&cast, "node", "ledger", words, &["--deep"]);
        assert_eq!(changed, only(&["node/ledger.redb"]));
    }
    cast.net.run_node();
    let replayed = cast.net.json(&["ledger", "replay"]);
    assert_eq!(replayed["equal"], true);
    cast.net.run(&["wallet", "log", "--home", "anna"]).ok();
}

const PACK: &str = "node/blocks/packs/0000000000000001.pack";

#[test]
fn a_store_is_cleared_and_mended() {
    let mut cast = stopped();
    let stray = "node/blocks/packs/00000000000000ff.pack";
    fs::write(cast.net.path("node").join(stray), "medshare-pack 2\n").unwrap();
    let changed = heals(&cast, "node", "store files", "were being written", &[]);
    let index = "node/blocks/index.redb"; // opening it for use writes to it
    assert!(changed.contains(Path::new(stray)));
    assert!(changed.is_subset(&only(&[stray, index])), "{changed:?}");

    flip(&cast.net.path("node").join(PACK), 16 + 44); // zeros of the first block's head
    let changed = heals(&cast, "node", "store", "in front of the block", &[]);
    let outside = |name: &&PathBuf| !name.starts_with("node/blocks");
    assert_eq!(changed.iter().find(outside), None, "{changed:?}");
    cast.net.run_node();
    cast.net
        .run(&["wallet", "run", "--once", "--home", "anna"])
        .ok();
}

#[test]
fn a_lost_index_of_the_store_is_made_anew() {
    let mut cast = stopped();
    let index = "node/blocks/index.redb";
    for round in 0..2 {
        let path = cast.net.path("node").join(index);
        let aside = match round {
            0 => {
                fs::remove_file(&path).unwrap();
                None
            }
            _ => {
                wreck(&path);
                Some("node/blocks/index.damaged")
            }
        };
        let changed = heals(&cast, "node", "store", "the packs beside it", &[]);
        let mut expected = only(&[index]);
        expected.extend(aside.map(PathBuf::from));
        assert_eq!(changed, expected);
    }
    // Without the post nobody knows what is pinned.
    fs::remove_file(cast.net.path("node").join(index)).unwrap();
    let post = cast.net.path("node/node/post.redb");
    let whole = fs::read(&post).unwrap();
    fs::remove_file(&post).unwrap();
    let before = snapshot(&cast.net.path("node"));
    let (code, found) = doctor(&cast, "node", &["--repair"]);
    assert_eq!(code, 4);
    assert!(in_state(&found, "repairing").is_empty(), "{found:#?}");
    assert!(before == snapshot(&cast.net.path("node")));
    fs::write(&post, whole).unwrap();
    chmod(&post, 0o600);
    let (code, found) = doctor(&cast, "node", &["--repair"]);
    assert_eq!(code, 0, "{found:#?}");
    cast.net.run_node();
    let log = cast.net.rows(&["store", "pins", "--home", "node"]);
    assert!(!log.is_empty());
}

/// An older index beside newer packs: starting the node would remove them.
#[test]
fn an_index_older_than_its_packs_is_made_anew() {
    let mut cast = stopped();
    let index = cast.net.path("node/node/blocks/index.redb");
    let older = fs::read(&index).unwrap();
    cast.net.run_node();
    let source = cast.net.write("more.txt", "one more record");
    let record = cast.record(&source);
    cast.net.stop_node();
    fs::write(&index, older).unwrap();
    let before = snapshot(&cast.net.path("node"));
    let (code, found) = doctor(&cast, "node", &[]);
    assert_eq!(code, 4, "{found:#?}");
    problems(&found, &["store files", "pins", "records"], "an older one");
    let advice = found.iter().find(|it| it["check"] == "store files");
    let advice = advice.unwrap()["do"].as_str().unwrap();
    assert!(advice.contains("do not start the node"), "{advice}");
    assert!(before == snapshot(&cast.net.path("node")), "touched");

    let (code, found) = doctor(&cast, "node", &["--repair"]);
    assert_eq!(code, 0, "{found:#?}");
    assert_eq!(in_state(&found, "repairing"), ["store files"]);
    let after = snapshot(&cast.net.path("node"));
    let packs = |path: &&PathBuf| path.extension().is_some_and(|end| end == "pack");
    for pack in before.keys().filter(packs) {
        assert!(before.get(pack) == after.get(pack), "{}", pack.display());
    }
    cast.net.run_node();
    let open = ["record", "open", &record, "-o", "m.txt", "--home", "anna"];
    cast.net.run(&open).ok();
    assert_eq!(
        fs::read(cast.net.path("m.txt")).unwrap(),
        b"one more record"
    );
}

#[test]
fn pins_that_accounts_have_come_back() {
    let cast = stopped();
    let blocks = cast.net.path("node/node/blocks");
    let lost = {
        let store = store::Embedded::look(&blocks).unwrap().store;
        store::BlockStore::pins(&store).unwrap()
    };
    let (root, count) = *lost.iter().max_by_key(|(_, count)| *count).unwrap();
    assert!(count > 1, "patient and hospital pin it");
    let store = store::Embedded::open(&blocks).unwrap();
    store::BlockStore::unpin(&store, &root).unwrap();
    drop(store);
    let words = "accounts pin what the store would let go";
    let changed = heals(&cast, "node", "pins", words, &[]);
    assert_eq!(changed, only(&["node/blocks/index.redb"]));
    let store = store::Embedded::look(&blocks).unwrap().store;
    let mut pins = store::BlockStore::pins(&store).unwrap();
    pins.retain(|(found, _)| *found == root);
    assert_eq!(pins, [(root, count)]);
}
