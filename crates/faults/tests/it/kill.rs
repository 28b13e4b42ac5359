//! A loaded node is killed with SIGKILL, again and again. The page cache survives that, so
//! this is about the process: half-done work in memory, locks, recovery that is killed
//! itself. What survives when the power goes is tested in `power`.

use base::cid::Cid;
use consensus::{Limits, Sequencer as _, Solo, SystemClock};
use ledger::{Ledger, OpenOptions};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use store::{BlockStore as _, Embedded, embedded::OpenError};

use crate::{
    book::{Book, Fate, content, genesis, operation},
    power::Named,
    random::{Random, wanted},
};

const CHILD: &str = "MEDSHARE_FAULTS_CHILD";
const CLIENTS: u64 = 4;

/// Not a test of its own: the node that gets killed. Its clients print what they are
/// about to do and what was acknowledged.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let folder = PathBuf::from(folder);
    let genesis = genesis();
    let path = folder.join("ledger.redb");
    let options = OpenOptions::default();
    let ledger = if path.exists() {
        Ledger::open(&path, &genesis, options).unwrap()
    } else {
        Ledger::create(&path, &genesis, options).unwrap()
    };
    let store = Embedded::open(folder.join("store")).unwrap();
    let ledger = Arc::new(ledger);
    let node = crate::book::secret("node");
    let solo = Solo::start(Arc::clone(&ledger), node, SystemClock, Limits::default()).unwrap();
    println!("\nready");
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (solo, store, genesis) = (&solo, &store, &genesis);
            scope.spawn(move || {
                let name = format!("patient {client}");
                let account = base::AccountId::of(&crate::book::secret(&name).public());
                let view = solo.ledger().view().unwrap();
                let mut sequence = view.sequence(account).unwrap();
                drop(view);
                loop {
                    sequence += 1;
                    let (bytes, id) = operation(genesis, &name, sequence).to_bytes();
                    say(&format!("sends {}", id.0));
                    let receipt = solo.submit(bytes).unwrap();
                    say(&format!("logged {} {}", id.0, receipt.index));
                    if sequence % 4 == client {
                        let (cid, bytes) = content(sequence * CLIENTS + client);
                        say(&format!("puts {cid}"));
                        store.put(&cid, &bytes).unwrap();
                        say(&format!("stored {cid}"));
                        say(&format!("pins {cid}"));
                        let count = store.pin(&cid).unwrap();
                        say(&format!("pinned {cid} {count}"));
                    }
                }
            });
        }
    });
}

/// One write to the pipe a line: a line is whole or not there.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

#[test]
fn nothing_is_lost_with_the_process() {
    run(10, 1);
}

#[test]
#[ignore = "the long form: cargo xtask crash"]
fn long() {
    let (kills, seed) = (wanted("CRASH_KILLS", 1_000), wanted("CRASH_SEED", 1_000));
    println!("{kills} kills from seed {seed}");
    let (mut done, mut sum) = (0, (0, 0));
    while done < kills {
        let (operations, blocks) = run(40.min(kills - done), seed + done);
        sum = (sum.0 + operations, sum.1 + blocks);
        done += 40;
    }
    println!(
        "{kills} kills: {} acknowledged operations, {} blocks; nothing lost",
        sum.0, sum.1
    );
}

/// One home, killed so often. Operations and blocks that are there in the end.
fn run(kills: u64, seed: u64) -> (usize, usize) {
    let _named = Named("seed", seed);
    let random = &mut Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut book = Book::default();
    for kill in 0..kills {
        live(folder.path(), &mut book, random);
        // Sometimes the next one is killed before anybody looks.
        if kill + 1 == kills || random.below(4) > 0 {
            check(folder.path(), &mut book);
        }
    }
    (book.operations.len(), book.blocks.len())
}

/// A node starts, works under load, and is killed.
fn live(folder: &Path, book: &mut Book, random: &mut Random) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    if random.below(8) == 0 {
        // in its first moments: creation, or recovery from the last kill
        thread::sleep(Duration::from_micros(random.below(30_000)));
    } else {
        let mut wanted = 1 + random.below(150);
        let mut is_ready = false;
        let deadline = Instant::now() + Duration::from_secs(60);
        while wanted > 0 {
            let line = lines.next().expect("the node ended by itself").unwrap();
            enter(book, &line);
            // Before that the test harness talks, and the store may be nobody's yet.
            is_ready |= line == "ready";
            wanted -= u64::from(is_ready);
            assert!(Instant::now() < deadline, "the node hangs");
        }
        // Nobody else gets at its store meanwhile.
        let second = Embedded::open(folder.join("store"));
        assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
        thread::sleep(Duration::from_micros(random.below(3_000)));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    // What was still in the pipe had been said too.
    for line in lines.map_while(Result::ok) {
        enter(book, &line);
    }
}

fn enter(book: &mut Book, line: &str) {
    let mut words = line.split(' ');
    let (Some(verb), Some(Ok(cid))) = (words.next(), words.next().map(Cid::try_from)) else {
        return; // what the test harness prints
    };
    let number = words.next().map(|word| word.parse::<u64>().unwrap());
    match (verb, number) {
        ("sends", None) => {
            book.sent.insert(cid);
        }
        ("logged", Some(index)) => {
            let before = book.operations.insert(cid, index);
            assert_eq!(before, None, "acknowledged twice");
        }
        ("puts", None) => {
            book.blocks.entry(cid).or_insert(Fate::Unsure);
        }
        ("stored", None) => {
            book.blocks.insert(cid, Fate::There);
        }
        ("pins", None) => {
            let allowed = book.pins.entry(cid).or_insert_with(|| vec![0]);
            allowed.push(allowed.iter().max().unwrap() + 1);
        }
        ("pinned", Some(count)) => {
            book.pins.insert(cid, vec![count]);
        }
        _ => panic!("{line}"),
    }
}

fn check(folder: &Path, book: &mut Book) {
    let path = folder.join("ledger.redb");
    if path.exists() {
        let ledger = Ledger::open(&path, &genesis(), OpenOptions::default()).unwrap();
        book.check_ledger(&ledger);
    } else {
        assert!(book.operations.is_empty(), "the ledger is gone");
    }
    book.check_store(&Embedded::open(folder.join("store")).unwrap(), true);
}
