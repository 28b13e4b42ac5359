//! One validator whose clock is wrong: by less than the ledger allows nobody notices; by more
//! it gets no block through and votes for none in time, and the others go on.

use base::AccountId;
use share::node::Node as _;
use std::{
    ops::RangeInclusive,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

use super::{load::Load, validators::Validators, ward::Ward};

/// A library that shifts a program's clock, made by the machine's C compiler.
pub(crate) fn skewed() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("skewed.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/network/skewed.c");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status();
    assert!(made.unwrap().success(), "no C compiler");
    (folder, library)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
}

/// Shifts the clock of validator 2 by each of these, one after the other.
fn with_skews(skews: &[i64], pause: Duration) {
    let (_folder, library) = skewed();
    let mut net = Validators::start(4);
    let genesis = net.genesis();
    let wrong = AccountId::of(&genesis.validators[2].key);
    let mut load = Load::new(&net, 3);
    let mut ward = Ward::open(&net, 1);
    let first = net.height(0);
    assert!(built(&net, wrong, 1..=first) > 0, "it builds no block");
    for skew in skews {
        ward.run(|| {
            load.run(|| {
                net.kill(2);
                net.run_with(2, &library, *skew);
                let before = net.height(0);
                thread::sleep(pause);
                assert!(net.height(0) > before, "the others wait: skew {skew}");
                // It follows them, wherever its clock stands.
                net.wait("it keeps up", |net| net.height(2) > before);
                let time = net.head(0).header.time.0;
                let far = time.abs_diff(now());
                assert!(
                    far < 10_000,
                    "the ledger's time is {far} ms off: skew {skew}"
                );
                if skew.unsigned_abs() <= genesis.drift {
                    return;
                }
                // What it built before it was killed may still have been decided on.
                let since = before + 3;
                net.wait("its turn comes", |net| net.height(0) >= since + 8);
                let own = built(&net, wrong, since..=net.height(0));
                assert_eq!(own, 0, "blocks with its time: skew {skew}");
            });
        });
    }
    let operations = [load.finish(), ward.close()].concat();
    net.settle(&operations);
}

/// How many of these blocks a validator built.
fn built(net: &Validators, by: AccountId, heights: RangeInclusive<u64>) -> usize {
    let node = net.client(0);
    let header = |height| node.head_at(height).unwrap().unwrap().header;
    heights.filter(|at| header(*at).proposer == by).count()
}

#[test]
fn a_minute_ahead_then_behind() {
    with_skews(&[60_000, -60_000], Duration::from_secs(4));
}

#[test]
#[ignore = "the long form: cargo xtask chaos"]
fn long() {
    for _ in 0..super::rounds().div_ceil(4) {
        let skews = [3_000, -3_000, 60_000, -60_000, 86_400_000, -86_400_000];
        with_skews(&skews, Duration::from_secs(10));
    }
}
