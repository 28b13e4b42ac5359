//! Validators that lost what they knew of their votes: they follow, and vote again.

use std::{fs, thread, time::Duration};

use super::{load::Load, validators::Validators};

/// Destroys something of validator 3's while operations flow; it comes back, and is needed.
fn comes_back_after(shown: &str, damage: impl Fn(&Validators)) {
    let mut net = Validators::start(4);
    let mut load = Load::at(&net, 3, &[0, 1]);
    load.run(|| thread::sleep(Duration::from_secs(1)));
    net.kill(3);
    damage(&net);
    comes_back(&mut net, load, shown);
}

/// Validator 3 starts without the memory of its votes, comes back, and is needed.
pub(crate) fn comes_back(net: &mut Validators, mut load: Load, shown: &str) {
    net.run(3);
    let word = net.standing(3)["watching"].to_string();
    assert!(word.contains(shown), "{word}");
    // Nobody sends anything: it catches up all the same, and waits.
    net.catch_up(3);
    let word = net.standing(3)["watching"].to_string();
    assert!(word.contains(shown), "{word}");
    load.run(|| {
        net.wait("it votes again", |net| {
            net.standing(3)["watching"].is_null()
        });
    });
    net.kill(2);
    let before = load.acknowledged();
    load.run(|| thread::sleep(Duration::from_secs(3)));
    assert!(load.acknowledged() > before, "it does not vote");
    net.run(2);
    let operations = load.finish();
    net.settle(&operations);
}

#[test]
fn a_disk_was_wiped() {
    comes_back_after("its journal was gone", |net| {
        // What is put back from a backup is the home without its node's folder.
        fs::remove_dir_all(net.memory(3)).unwrap();
        fs::remove_file(net.home(3).join("node/ledger.redb")).unwrap();
        let remembered = net.home(3).join("ledger.toml");
        if remembered.exists() {
            fs::remove_file(remembered).unwrap();
        }
    });
}

/// Two are killed, so that the others stand in the middle of a height with votes in their
/// logs; one of these is killed too, and its log damaged.
#[test]
fn a_write_ahead_log_is_corrupt() {
    let mut net = Validators::start(4);
    let mut load = Load::at(&net, 2, &[0]);
    load.run(|| thread::sleep(Duration::from_secs(1)));
    load.run(|| {
        net.kill(2);
        net.kill(3);
        thread::sleep(Duration::from_secs(2));
        net.kill(1);
        let log = net.memory(1).join("engine.wal");
        let mut bytes = fs::read(&log).unwrap();
        // Behind the log's header (12 bytes) and the first entry's (13).
        assert!(
            bytes.len() > 30,
            "no votes in the log: {} bytes",
            bytes.len()
        );
        bytes[27] ^= 1;
        fs::write(&log, bytes).unwrap();
        (1..4).for_each(|at| net.run(at));
        let word = net.standing(1)["watching"].to_string();
        assert!(word.contains("its write-ahead log is damaged"), "{word}");
        net.wait("it votes again", |net| {
            net.standing(1)["watching"].is_null()
        });
    });
    assert!(net.memory(1).join("engine.damaged").exists());
    let operations = load.finish();
    net.settle(&operations);
}
