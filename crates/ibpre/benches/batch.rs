//! Batches of 10,000 on one core and on all: time on the clock, time on processors, and the ratio.
//!
//! `cargo bench -p ibpre --bench batch`. The ratio says what the code gives only on a machine with
//! nothing else to do: the load is printed. Each figure is the least of several rounds that take
//! turns.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use ibpre::*;

#[path = "../src/test_rng.rs"]
mod test_rng;
use test_rng::TestRng;

const COUNT: usize = 10_000;
const ROUNDS: usize = 5;

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return; // `cargo test` builds and starts benches too
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".into());
    println!(
        "{COUNT} items, set A, {} cores, load {}",
        all_cores(),
        load.trim()
    );
    println!("verb          one core    all cores   ratio   processor time one / all");

    let rng = &mut TestRng::new(b"batch");
    let master = setup::<SetA>(rng);
    let public = master.public_params().clone();
    let extractor = Extractor::new(&master);
    let issued = &mut BTreeSet::new();
    let sid = scope_id::<SetA>(b"bench");
    let scope = ScopeKey::new(&public, sid);
    let e1 = extractor.extract(sid, issued, rng).unwrap();
    let terms = terms_hash::<SetA>(b"terms");
    let gid = grant_id::<SetA>(b"bench", sid, b"requester", &[1; 32], &[2; 32], &terms);
    let (grant_key, rk) = rekey(&extractor, &e1, gid, issued, rng).unwrap();
    let noise_key = NoiseKey::generate(rng);
    let proxy = rk.prepare();
    let delegator = DecapsulationKey::new(&scope, &e1, [3; 32]);
    let opener = grant_key
        .verify(&public, gid)
        .unwrap()
        .prepare(&scope)
        .unwrap();

    let capsules: Vec<_> = scope
        .encapsulate_many(COUNT, rng, all_cores())
        .into_iter()
        .map(|(_, capsule)| capsule)
        .collect();
    let queries: Vec<_> = capsules
        .iter()
        .map(|c| {
            (
                AcceptedCapsule::trust_ledger(c.clone()),
                c.id(public.pkh(), sid),
            )
        })
        .collect();
    let turned = proxy.reencrypt_many(&queries, &noise_key, gid, all_cores());
    let pairs: Vec<_> = capsules.iter().cloned().zip(turned).collect();
    let agent = ed25519_zebra::SigningKey::from_bytes(&[9; 32]);

    row("encapsulate", |threads| {
        black_box(scope.encapsulate_many(COUNT, rng, threads));
    });
    row("accept", |threads| {
        black_box(delegator.accept_many(&capsules, threads));
    });
    row("reencrypt", |threads| {
        black_box(proxy.reencrypt_many(&queries, &noise_key, gid, threads));
    });
    row("and signed", |threads| {
        black_box(in_parallel(&queries, threads, |(capsule, id)| {
            let c2 = proxy.reencrypt(capsule, &noise_key, gid, *id);
            let signed = [gid.as_bytes().as_slice(), id.as_bytes(), &c2.hash()].concat();
            (agent.sign(&signed), c2)
        }));
    });
    row("open", |threads| {
        black_box(opener.decapsulate_many(&pairs, threads));
    });
}

fn row(verb: &str, mut batch: impl FnMut(NonZeroUsize)) {
    let mut best = [(Duration::MAX, Duration::MAX); 2];
    for _ in 0..ROUNDS {
        for (best, threads) in best.iter_mut().zip([NonZeroUsize::MIN, all_cores()]) {
            let (clock, processors) = (Instant::now(), ProcessTime::now());
            batch(threads);
            *best = (
                best.0.min(clock.elapsed()),
                best.1.min(processors.elapsed()),
            );
        }
    }
    let [one, all] = best;
    println!(
        "{verb:<12}{:>7.1} ms   {:>7.1} ms   {:>6.2}   {:.1} / {:.1} ms",
        one.0.as_secs_f64() * 1e3,
        all.0.as_secs_f64() * 1e3,
        one.0.as_secs_f64() / all.0.as_secs_f64(),
        one.1.as_secs_f64() * 1e3,
        all.1.as_secs_f64() * 1e3,
    );
}
