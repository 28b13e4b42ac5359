//! A validator that lost its memory of votes follows, signs nothing, and votes again by
//! itself when nothing that it can have signed matters any more.

use base::{Signed, operation::Role};
use consensus::{
    Sequencer,
    bft::{Lost, Watching},
};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

use super::net::{Net, bag, register, sign};

/// Sends one patient's operations, one after the other.
struct Sender {
    number: u64,
}

impl Sender {
    fn send(&mut self, net: &Net) {
        self.number += 1;
        let genesis = net.genesis();
        let operation: Signed<_> = match self.number {
            1 => sign(&genesis, "p", 1, register("p", Role::Patient)),
            number => sign(&genesis, "p", number, bag(number)),
        };
        net.node(0).submit(operation.to_bytes().0).unwrap();
    }
}

fn wait(what: &str, reached: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !reached() {
        assert!(Instant::now() < until, "in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Destroys something of validator 3's, and sees it come back.
fn comes_back_after(blocks: u64, lost: Lost, damage: impl Fn(&Net)) {
    let mut net = Net::start(4);
    let mut sender = Sender { number: 0 };
    (0..blocks).for_each(|_| sender.send(&net));
    net.agree(blocks);
    net.stop(3);
    damage(&net);
    net.restart(3);
    let watching = |net: &Net| net.node(3).standing().watching;
    let seen = watching(&net).expect("it votes at once");
    assert_eq!(seen.lost, lost);
    // It catches up before anything new is ordered.
    let head = net.agree(blocks).header.height;
    wait("it knows when it may vote", || {
        watching(&net).is_some_and(|watching| watching.until.is_some())
    });
    let until = watching(&net).and_then(|watching| watching.until).unwrap();
    assert_eq!(until, head + 2);
    // Up to there it signs nothing; then it starts voting without anybody's help.
    while net.node(0).head().unwrap().header.height < until {
        let until = Some(until);
        let lost = lost.clone();
        assert_eq!(watching(&net), Some(Watching { lost, until }));
        sender.send(&net);
        net.agree(sender.number);
    }
    wait("it votes again", || watching(&net).is_none());
    let view = net.node(0).ledger().view().unwrap();
    let wiped = net.account(3);
    for height in head + 1..=until {
        let certificate = view.head_at(height).unwrap().unwrap().certificate;
        let signed = certificate
            .signatures
            .iter()
            .any(|(account, _)| *account == wiped);
        assert!(!signed, "it voted for block {height}");
    }
    // Now it is needed.
    net.stop(2);
    (0..3).for_each(|_| sender.send(&net));
    net.agree(sender.number);
    net.replay_each();
    // It remembers what it votes from now on.
    net.stop(3);
    net.restart(2);
    net.restart(3);
    assert_eq!(watching(&net), None);
    sender.send(&net);
    net.agree(sender.number);
}

#[test]
fn without_anything() {
    comes_back_after(12, Lost::Journal, |net| {
        fs::remove_dir_all(net.folder(3)).unwrap();
        fs::create_dir_all(net.folder(3)).unwrap();
    });
}

#[test]
fn without_its_journal() {
    comes_back_after(3, Lost::Journal, |net| {
        fs::remove_file(net.folder(3).join("journal.redb")).unwrap()
    });
}

#[test]
fn without_its_write_ahead_log() {
    comes_back_after(3, Lost::Log, |net| {
        fs::remove_file(net.folder(3).join("engine.wal")).unwrap()
    });
}

#[test]
fn with_a_damaged_write_ahead_log() {
    let reason = Lost::Damaged("Invalid WAL version".into());
    comes_back_after(3, reason, |net| {
        let path = net.folder(3).join("engine.wal");
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 0xff;
        fs::write(path, bytes).unwrap();
    });
}
