//! A damage of each kind: it is found, named, and left alone with `--repair` too.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use medshare::home::{keys::Keys, vault::LocalVault};
use redb::{ReadableTable as _, TableDefinition};
use share::vault::Table;

use super::{doctor, problems, stopped};
use crate::{
    net::PASSPHRASE,
    newer::{raise_tables, raised, snapshot, tables},
};

pub(super) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Flips a bit in every 64 bytes behind the header, so that a page in use is hit.
pub(super) fn wreck(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    for some in bytes[4096..].chunks_mut(64) {
        some[0] ^= 0x10;
    }
    fs::write(path, bytes).unwrap();
}

/// Changes tables through their database, which seals the change.
pub(super) fn change(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let tables = tables(path);
    let transaction = tables.handle().unwrap().begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

/// Home, file, what is done to it, the checks that name it, words of the first one's line.
type Damage = (
    &'static str,
    &'static str,
    fn(&Path),
    &'static [&'static str],
    &'static str,
);

const LETTERS: TableDefinition<'_, ([u8; 32], u64), &[u8]> = TableDefinition::new("letters");
const LEAVES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("leaves");
const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");

const OF_A_PARTY: [Damage; 8] = [
    (
        "anna",
        "home.toml",
        |path| fs::write(path, "x").unwrap(),
        &["home"],
        "home.toml",
    ),
    (
        "anna",
        "genesis.cbor",
        |path| flip(path, 40),
        &["home"],
        "genesis",
    ),
    (
        "anna",
        "config.toml",
        |path| fs::write(path, "[node]\nx = 1\n").unwrap(),
        &["settings"],
        "config.toml:2",
    ),
    (
        "anna",
        "keys.age",
        |path| flip(path, usize::MAX),
        &["keys"],
        "keys.age",
    ),
    ("anna", "vault.redb", wreck, &["vault"], "vault.redb"),
    (
        "anna",
        "vault.redb",
        raise_tables,
        &["formats"],
        "format version 2",
    ),
    (
        "anna",
        "vault.redb",
        |path| {
            change(path, |to| {
                drop(to.open_table(ENTRIES).unwrap().pop_first().unwrap());
            });
        },
        &["vault"],
        // Whichever comes first under its sealed name: it may be the one that says whose vault it is.
        "vault.redb",
    ),
    (
        "hospital",
        "vault.redb",
        |path| fs::remove_file(path).unwrap(),
        &["vault"],
        "is missing",
    ),
];

const OF_A_NODE: [Damage; 9] = [
    (
        "node",
        "node/ledger.redb",
        |path| {
            change(path, |to| {
                drop(to.open_table(LEAVES).unwrap().pop_last().unwrap());
            });
        },
        &["ledger"],
        "leaves",
    ),
    (
        "node",
        "node/ledger.redb",
        wreck,
        &["ledger"],
        "ledger.redb is damaged",
    ),
    (
        "node",
        "node/ledger.redb",
        |path| fs::remove_file(path).unwrap(),
        &["ledger"],
        "is missing",
    ),
    (
        "node",
        "ledger.toml",
        |path| {
            let text = fs::read_to_string(path).unwrap();
            let (rest, _) = text.split_once("height").unwrap();
            fs::write(path, format!("{rest}height = 99999\n")).unwrap();
        },
        &["ledger"],
        "has a ledger at height",
    ),
    (
        "node",
        "node/post.redb",
        |path| {
            change(path, |to| {
                let mut letters = to.open_table(LETTERS).unwrap();
                let key = letters.first().unwrap().unwrap().0.value();
                letters.insert(key, &b"another"[..]).unwrap();
            });
        },
        &["post"],
        "lost or damaged",
    ),
    (
        "node",
        "node/post.redb",
        |path| fs::remove_file(path).unwrap(),
        &["post"],
        "is missing",
    ),
    (
        "node",
        "node/blocks/packs/0000000000000001.pack",
        |path| flip(path, 200),
        &["store"],
        "1 blocks are damaged",
    ),
    (
        "node",
        "node/blocks/packs/0000000000000001.pack",
        |path| {
            let length = path.metadata().unwrap().len();
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(length - 60).unwrap();
        },
        &["store"],
        "1 blocks are damaged",
    ),
    (
        "node",
        "node/blocks/format",
        |path| fs::write(path, "medshare-store 3\n").unwrap(),
        &["formats"],
        "format version 3",
    ),
];

#[test]
fn what_cannot_be_repaired_is_named_and_left_alone() {
    let cast = stopped();
    for (home, file, damage, checks, words) in OF_A_PARTY.into_iter().chain(OF_A_NODE) {
        let path = cast.net.path(home).join(file);
        let whole = fs::read(&path).unwrap();
        damage(&path);
        let before = snapshot(&cast.net.path(home));
        for more in [&[][..], &["--repair"]] {
            let (code, found) = doctor(&cast, home, more);
            assert_eq!(code, 4, "{file}: {found:#?}");
            problems(&found, checks, words);
            assert!(before == snapshot(&cast.net.path(home)), "{file}: touched");
        }
        fs::write(&path, whole).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }
    for home in ["node", "anna"] {
        let (code, found) = doctor(&cast, home, &[]);
        assert_eq!(code, 0, "{found:#?}");
    }
}

/// Sealed well, and nothing that the protocol wrote.
#[test]
fn entries_of_the_vault_that_are_none_are_named() {
    let cast = stopped();
    let path = cast.net.path("anna/vault.redb");
    let passphrase = PASSPHRASE.to_owned().into();
    let keys = Keys::read(&cast.net.path("anna/keys.age"), &passphrase).unwrap();
    for (table, key, check) in [
        (Table::Watermark, &b"head"[..], "heads"),
        (Table::Journal, &[7; 32], "journal"),
        (Table::Outbox, &[7; 32], "letters"),
        (Table::Bag, b"book", "key bag"),
    ] {
        let whole = fs::read(&path).unwrap();
        let vault = LocalVault::open(&path, keys.vault_secret()).unwrap();
        vault.write(table.name(), key, b"nothing").unwrap();
        drop(vault);
        let before = snapshot(&cast.net.path("anna"));
        let (code, found) = doctor(&cast, "anna", &["--repair"]);
        assert_eq!(code, 4, "{check}: {found:#?}");
        problems(&found, &[check], "");
        assert!(before == snapshot(&cast.net.path("anna")), "touched");
        fs::write(&path, whole).unwrap();
    }
}

/// Only root may give files away; for others there is nothing to be seen here.
#[test]
fn files_of_another_user_are_named() {
    let cast = stopped();
    let nobody = |path: &Path| std::os::unix::fs::chown(path, Some(65_534), None);
    if nobody(&cast.net.path("anna/keys.age")).is_err() {
        return;
    }
    let (code, found) = doctor(&cast, "anna", &["--repair"]);
    assert_eq!(code, 4, "{found:#?}");
    problems(&found, &["rights"], "keys.age belong to another user");
    nobody(&cast.net.path("anna")).unwrap();
    cast.net
        .run(&["doctor", "--home", "anna"])
        .fails(2, "run the doctor as that user");
}

#[test]
fn what_is_kept_of_other_nodes_is_looked_at() {
    let cast = stopped();
    for name in ["hints.redb", "copies.redb"] {
        let path = cast.net.path("node/node").join(name);
        fs::write(&path, "no database").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let (code, found) = doctor(&cast, "node", &["--repair"]);
        assert_eq!(code, 4, "{found:#?}");
        problems(&found, &["peers"], name);
        fs::remove_file(path).unwrap();
    }
}

/// A note of another version is no note for this program.
#[test]
fn a_newer_note_of_a_contradiction_is_a_format() {
    let cast = stopped();
    let note = cast.net.path("node/node/conflict.cbor");
    fs::write(&note, raised(b"\xa1\x61v\x01")).unwrap();
    fs::set_permissions(&note, PermissionsExt::from_mode(0o600)).unwrap();
    let (code, found) = doctor(&cast, "node", &[]);
    assert_eq!(code, 4, "{found:#?}");
    problems(&found, &["formats"], "conflict.cbor: format version 2");
    fs::write(&note, "nothing").unwrap();
    let (code, found) = doctor(&cast, "node", &[]);
    assert_eq!(code, 4, "{found:#?}");
    problems(&found, &["formats"], "conflict.cbor is damaged");
}
