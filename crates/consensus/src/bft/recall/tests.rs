//! Logs that are whole, and what is missing from others.

#![allow(clippy::unwrap_used)]

use super::*;

const PAST: Past = Past {
    votes: true,
    began: true,
    seen: 7,
};

/// A log of this height with two entries, changed.
fn found(height: u64, past: Past, change: impl FnOnce(&mut Vec<u8>)) -> Option<Lost> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.wal");
    let mut log = Log::open(&path).unwrap();
    log.reset(height).unwrap();
    log.append(b"a vote of this height").unwrap();
    log.append(b"another vote of this height").unwrap();
    log.flush().unwrap();
    drop(log);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let lost = lost(past, &path, 6).unwrap();
    let damaged = matches!(lost, Some(Lost::Damaged(_)));
    assert_eq!(path.exists(), !damaged);
    assert_eq!(path.with_extension("damaged").exists(), damaged);
    lost
}

#[test]
fn what_is_whole() {
    assert_eq!(found(7, PAST, |_| {}), None);
    // A block was kept, and the node killed before the engine began that height.
    assert_eq!(found(6, PAST, |_| {}), None);
    // The last entry was being written.
    assert_eq!(
        found(7, PAST, |bytes| bytes.truncate(bytes.len() - 3)),
        None
    );
    let fresh = Past {
        began: false,
        seen: 0,
        ..PAST
    };
    let nowhere = Path::new("/nowhere/engine.wal");
    assert_eq!(lost(fresh, nowhere, 0).unwrap(), None);
}

#[test]
fn what_is_lost() {
    let flip = |at: usize| move |bytes: &mut Vec<u8>| bytes[at] ^= 1;
    let last = 12 + 13 + 21 + 13; // header, an entry with its header, and the next one's
    assert!(matches!(found(7, PAST, flip(last)), Some(Lost::Damaged(_))));
    assert!(matches!(
        found(7, PAST, flip(12 + 13)),
        Some(Lost::Damaged(_))
    ));
    assert!(matches!(found(7, PAST, flip(3)), Some(Lost::Damaged(_))));
    assert_eq!(found(5, PAST, |_| {}), Some(Lost::OlderLog));
    assert_eq!(found(8, PAST, |_| {}), Some(Lost::OlderLedger));
    assert_eq!(found(7, PAST, Vec::clear), Some(Lost::Log));
    let nowhere = Path::new("/nowhere/engine.wal");
    assert_eq!(lost(PAST, nowhere, 6).unwrap(), Some(Lost::Log));
    assert_eq!(lost(PAST, nowhere, 5).unwrap(), Some(Lost::OlderLedger));
    let fresh = Past {
        votes: false,
        ..PAST
    };
    assert_eq!(found(7, fresh, |_| {}), Some(Lost::Journal));
}
