//! A Kubo that is not there, ends in the middle, answers nothing, or has no room: a clear error in bounded time, and
//! nothing lost that was acknowledged.

use crate::{
    backend::open,
    cids::content,
    daemon::{Repository, may_mount},
    travel::{put_record, read_record},
};
use base::cid::{self, Cid};
use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use store::{
    BlockStore as _, GetError, Kubo, PutError,
    kubo::{Endpoint, KuboSettings, OpenError, RpcError},
};

/// Blocks of 1 MiB that no two seeds share.
fn blocks(seed: u64, count: u64) -> Vec<(Cid, Vec<u8>)> {
    let block = |number: u64| {
        let mut bytes = content(1 << 20);
        bytes[..16].copy_from_slice(&[seed.to_le_bytes(), number.to_le_bytes()].concat());
        (cid::of_block(cid::RAW, &bytes), bytes)
    };
    (0..count).map(block).collect()
}

fn put_all(store: &Kubo, blocks: &[(Cid, Vec<u8>)]) -> Result<(), PutError> {
    let mut batch = store.batch();
    for (cid, bytes) in blocks {
        batch.put(cid, bytes)?;
    }
    batch.commit()
}

fn kind(error: &PutError) -> io::ErrorKind {
    match error {
        PutError::Io(source) | PutError::Full(source) => source.kind(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_daemon_that_is_killed_again_and_again_loses_nothing_acknowledged() {
    let mut daemon = Repository::new().start();
    let folder = tempfile::tempdir().unwrap();
    let store = open(&daemon, folder.path()).unwrap();
    let mut acknowledged = Vec::new();
    let (root, files) = put_record(&store, 0);
    store.pin(&root).unwrap();
    let (mut refused, mut taken) = (0, 0);
    for round in 0..4 {
        let ended = AtomicBool::new(false);
        let fresh = blocks(round, 48);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(120 * round));
                daemon.kill();
                ended.store(true, Ordering::SeqCst);
            });
            // Some blocks a batch, until the daemon is gone.
            for some in fresh.chunks(8).cycle() {
                match put_all(&store, some) {
                    Ok(()) => {
                        taken += 1;
                        acknowledged.extend(some.iter().cloned());
                    }
                    Err(error) => {
                        assert!(!matches!(error, PutError::Full(_)), "{error}");
                        refused += 1;
                        break;
                    }
                }
            }
        });
        assert!(ended.load(Ordering::SeqCst));
        let error = store.get(&root).unwrap_err();
        let down = error.to_string();
        assert!(
            down.contains("no Kubo answers at") && down.contains("start its daemon"),
            "{down}"
        );
        assert!(
            matches!(error, GetError::Io { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused)
        );
        let unpinned = store.unpin(&root).unwrap_err();
        assert_eq!(kind(&unpinned), io::ErrorKind::ConnectionRefused);
        assert_eq!(store.pins().unwrap(), [(root, 1)], "nothing was changed");
        // The same store goes on when the daemon is there again.
        daemon.restart();
        for (cid, bytes) in &acknowledged {
            assert_eq!(&store.get(cid).unwrap(), bytes);
        }
        assert_eq!(read_record(&store, &root), files);
    }
    assert_eq!(refused, 4);
    assert!(
        taken > 0,
        "something must have been acknowledged for this to say anything"
    );
}

#[test]
fn a_daemon_that_answers_nothing_is_given_up_in_time() {
    let daemon = Repository::new().start();
    let folder = tempfile::tempdir().unwrap();
    let store = Kubo::open(KuboSettings {
        endpoint: Endpoint::Tcp(daemon.api()),
        folder: folder.path().to_owned(),
        patience: Duration::from_secs(2),
    })
    .unwrap();
    let (root, files) = put_record(&store, 0);
    daemon.freeze();
    let begin = Instant::now();
    let silent = store.get(&root).unwrap_err().to_string();
    assert!(silent.contains("gave no answer within 2 s"), "{silent}");
    // Larger than what fits into the buffers between the two.
    let error = put_all(&store, &blocks(1, 32)).unwrap_err();
    assert_eq!(kind(&error), io::ErrorKind::TimedOut);
    assert!(begin.elapsed() < Duration::from_secs(30));
    daemon.thaw();
    assert_eq!(read_record(&store, &root), files);
    put_all(&store, &blocks(1, 32)).unwrap();
}

#[test]
fn nobody_there_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for endpoint in [
        Endpoint::Tcp(free),
        Endpoint::Unix(folder.path().join("no.sock")),
    ] {
        let down = Kubo::open(KuboSettings {
            endpoint: endpoint.clone(),
            folder: folder.path().to_owned(),
            patience: Duration::from_secs(5),
        });
        let down = down.unwrap_err();
        assert!(
            matches!(down, OpenError::Rpc(RpcError::Down { .. })),
            "{down}"
        );
        assert!(down.to_string().contains(&endpoint.to_string()), "{down}");
    }
}

#[test]
fn a_kubo_without_room_says_so_and_goes_on() {
    if !may_mount() {
        let line = "NOT RUN: no file system can be mounted here, so no disk was filled";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{line}");
        let _ = writeln!(io::stderr(), "{line}");
        return;
    }
    let daemon = Repository::new().start_on_small_disk("40m");
    let folder = tempfile::tempdir().unwrap();
    let store = open(&daemon, folder.path()).unwrap();
    let (root, files) = put_record(&store, 0);
    store.pin(&root).unwrap();
    let full = put_all(&store, &blocks(0, 64)).unwrap_err();
    assert!(matches!(full, PutError::Full(_)), "{full}");
    assert_eq!(read_record(&store, &root), files);
    // What came of it, if anything, goes.
    store.gc(Duration::ZERO, store::Absent::Refused).unwrap();
    put_all(&store, &blocks(1, 2)).unwrap();
    assert_eq!(store.unpin(&root).unwrap(), 0);
}
