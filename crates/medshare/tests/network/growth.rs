//! What the size of the ledger means for validators and those who follow them: measured for
//! `cargo xtask bench network`, one object a line.

use base::{AccountId, ChainId, Digest, key::OperationSecret};
use serde_json::json;
use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    figures::{FOUR, number, sender, throughput},
    load::operation,
    validators::Validators,
};

/// Sends operations of ever new patients, ten of each, until this many were acknowledged in
/// all. Gives how many a second.
fn fill(net: &Validators, chain: ChainId, done: &AtomicU64, until: u64) -> f64 {
    let (begun, before) = (Instant::now(), done.load(Ordering::Relaxed));
    thread::scope(|scope| {
        for client in 0..FILLERS {
            scope.spawn(move || {
                let mut send = sender(&net.socket(client % net.count()));
                for patient in 0.. {
                    let seed = format!("{client}.{patient} from {before}");
                    let secret = OperationSecret::new(Digest::of(seed.as_bytes()).0);
                    let key = secret.public();
                    for sequence in 1..=10 {
                        if done.fetch_add(1, Ordering::Relaxed) >= until {
                            return;
                        }
                        send(&operation(&secret, chain, sequence), &key);
                    }
                }
            });
        }
    });
    (until - before) as f64 / begun.elapsed().as_secs_f64()
}

/// Since the process began to run: until it answers, and until it signs a block again, while
/// others write.
fn restart(net: &mut Validators) -> (Duration, Duration) {
    let last = net.count() - 1;
    let account = AccountId::of(&net.genesis().validators[last].key);
    let others: Vec<_> = (0..last).collect();
    let mut load = super::Load::at(net, 4, &others);
    let mut took = Default::default();
    load.run(|| {
        net.kill(last);
        thread::sleep(Duration::from_secs(2));
        let begun = Instant::now();
        net.run(last);
        let answers = begun.elapsed();
        net.wait("it signs again", |net| {
            let signed = &net.head(0).certificate.signatures;
            signed.iter().any(|(signer, _)| *signer == account)
        });
        took = (answers, begun.elapsed());
    });
    load.finish();
    took
}

/// Bytes of all files below a folder.
fn held(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let sizes = entries.map(|entry| match entry.metadata().unwrap() {
        it if it.is_dir() => held(&entry.path()),
        it => it.len(),
    });
    sizes.sum()
}

#[test]
#[ignore = "measures: cargo xtask bench network"]
fn growth() {
    let most = number("FIGURES_MOST", 1_000_000);
    let mut net = Validators::start(4);
    let chain = net.genesis().chain();
    let done = AtomicU64::new(0);
    for size in [1_000, 10_000, 100_000, 1_000_000] {
        if size > most {
            break;
        }
        let rate = fill(&net, chain, &done, size);
        done.store(size, Ordering::Relaxed);
        let span = Duration::from_secs(5);
        let connect = |client| sender(&net.socket(client % 4));
        let at = format!("{FOUR}, {size} operations");
        throughput(&at, chain, 8, span, &connect);
        let memory = net.memory_in_use(0);
        let disk = held(&net.home(0).join("node"));
        let (answers, votes) = restart(&mut net);
        let leaves = net.head(0).header.tree_size;
        let synced = net
            .catch_up_anew(&format!("new-{size}"), leaves)
            .as_secs_f64();
        let figure = json!({
            "size": leaves,
            "filled_per_second": rate,
            "memory_bytes": memory,
            "disk_bytes": disk,
            "answers_seconds": answers.as_secs_f64(),
            "votes_seconds": votes.as_secs_f64(),
            "synced_per_second": leaves as f64 / synced,
        });
        println!("{figure}");
    }
}

const FILLERS: usize = 256;
