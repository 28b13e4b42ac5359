//! A flipped byte in a file of a home: found, named and refused, or of no consequence. Every
//! byte of the small files, a sample of the large ones.

use medshare::{
    config::Config,
    exit::{Exit, Fault},
    home::{Facts, Home, LedgerSeen, passphrase::Passphrase},
    http::post::{Post, PostLimits},
};
use std::{fs, os::unix::fs::FileExt as _, path::Path, process::Command, time::Duration};
use tempfile::TempDir;

const WORDS: &str = "correct horse battery";

/// A home, made by the program itself.
fn home() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pass"), WORDS).unwrap();
    let init = [
        "init",
        "--role",
        "node",
        "--home",
        "home",
        "--work-factor",
        "2",
    ];
    let ended = Command::new(env!("CARGO_BIN_EXE_medshare"))
        .args(init)
        .current_dir(dir.path())
        .env("MEDSHARE_PASSPHRASE_FILE", dir.path().join("pass"))
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let made = Home::open(&dir.path().join("home")).unwrap();
    made.note_ledger(7).unwrap();
    dir
}

fn passphrase() -> Passphrase {
    Passphrase::new(WORDS.to_owned())
}

/// All that a command reads of a home before it does anything.
fn enter(folder: &Path) -> Result<(), Fault> {
    let home = Home::open(folder)?;
    let keys = home.unlock(&passphrase())?;
    home.ledger_seen()?;
    home.enter(&keys, Duration::ZERO).map(drop)
}

/// Some hundred places of a large file, more of them in its first pages.
fn sample(path: &Path) -> impl Iterator<Item = usize> + use<> {
    let length = fs::metadata(path).unwrap().len() as usize;
    (0..4_096)
        .step_by(97)
        .chain((4_096..length).step_by(length / 100))
}

/// Flips a bit of each of these places in turn; `taken` says what is of no consequence.
fn flip(
    path: &Path,
    places: impl Iterator<Item = usize>,
    look: &dyn Fn() -> Result<(), Fault>,
    taken: &dyn Fn(&[u8], usize) -> bool,
) {
    let whole = fs::read(path).unwrap();
    look().unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let (mut refused, mut harmless) = (0, 0);
    for at in places.take_while(|at| *at < whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        // In place: to cut a file off and write it anew is a sync on some file systems.
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
        match look() {
            Ok(()) => {
                assert!(taken(&bytes, at), "{name}: byte {at} is not noticed");
                harmless += 1;
            }
            Err(fault) => {
                let exits = [Exit::Home, Exit::Config, Exit::Passphrase];
                assert!(exits.contains(&fault.exit), "{name} {at}: {fault:?}");
                refused += 1;
            }
        }
        // A table file that is opened may write its own header.
        let own = fs::metadata(path).unwrap().len() > 4_096;
        match own {
            true => fs::write(path, &whole).unwrap(),
            false => file.write_all_at(&whole[at..=at], at as u64).unwrap(),
        }
    }
    look().unwrap();
    println!("{name}: {refused} flips refused, {harmless} of no consequence");
    assert!(refused > 0);
}

#[test]
fn a_flipped_byte_of_a_home_is_found() {
    let dir = home();
    let folder = dir.path().join("home");
    let look = || enter(&folder);
    let never = |_: &[u8], _: usize| false;
    flip(&folder.join("genesis.cbor"), 0..usize::MAX, &look, &never);
    flip(&folder.join("keys.age"), 0..usize::MAX, &look, &never);
    // The work factor only says how the key file is written next time.
    let facts =
        |bytes: &[u8]| -> Option<Facts> { toml::from_str(std::str::from_utf8(bytes).ok()?).ok() };
    let whole = facts(&fs::read(folder.join("home.toml")).unwrap()).unwrap();
    let same = |bytes: &[u8], _: usize| {
        facts(bytes).is_some_and(|found| {
            let work_factor = whole.work_factor;
            Facts {
                work_factor,
                ..found
            } == whole
        })
    };
    flip(&folder.join("home.toml"), 0..usize::MAX, &look, &same);
    let seen = folder.join("ledger.toml");
    let readable = |bytes: &[u8], _: usize| {
        std::str::from_utf8(bytes).is_ok_and(|text| toml::from_str::<LedgerSeen>(text).is_ok())
    };
    flip(&seen, 0..usize::MAX, &look, &readable);
    // Of the vault's file a sample. Every entry is held against what is sealed about all of
    // them, so what is not noticed lies in room that nothing uses.
    let vault = folder.join("vault.redb");
    flip(&vault, sample(&vault), &look, &|_, _| true);
}

/// An operator writes it: a flip that makes another right configuration is one; any other is
/// refused with the file's name.
#[test]
fn a_flipped_byte_of_a_configuration_is_read_or_named() {
    let dir = home();
    let path = dir.path().join("home/config.toml");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let Ok(text) = std::str::from_utf8(&bytes) else {
                continue; // refused when it is read
            };
            if let Err(fault) = Config::parse(text, "config.toml") {
                assert_eq!(fault.exit, Exit::Config);
                assert!(fault.message.contains("config.toml"), "{fault}");
            }
        }
    }
}

#[test]
fn a_flipped_byte_of_the_post_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("post.redb");
    let (from, to) = (base::AccountId([1; 32]), base::AccountId([2; 32]));
    let post = Post::open(&path, PostLimits::default()).unwrap();
    for number in 0..40_u8 {
        post.send(from, to, &[number; 700]).unwrap();
    }
    let whole = post.inbox(to, 0, usize::MAX).unwrap();
    drop(post);
    let look = || {
        let post = Post::open(&path, PostLimits::default())?;
        let inbox = post.inbox(to, 0, usize::MAX);
        let found = inbox.map_err(|error| Fault::new(Exit::Home, error))?;
        assert_eq!(found, whole, "a wrong answer");
        Ok(())
    };
    let places = sample(&path);
    flip(&path, places, &look, &|_, _| true);
}
