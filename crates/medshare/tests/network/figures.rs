//! Measures for `cargo xtask bench network`: one object a line. Clients sign before the clock
//! runs; each sends the next operation when the one before is acknowledged, so durable.

use base::{AccountId, Digest, SignedOperation, key::OperationSecret};
use serde_json::json;
use share::node::Node as _;
use std::{
    sync::{Barrier, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::{
    load::{Load, operation},
    validators::Validators,
};

/// Operations a second and how long each took, of so many clients for so long.
fn throughput(net: &Validators, clients: usize, span: Duration) {
    let chain = net.genesis().chain();
    let most = 1 + span.as_secs() * FASTEST / clients as u64;
    let took = Mutex::new(Vec::new());
    let (ready, mut bytes) = (Barrier::new(clients + 1), 0);
    let (begin, end) = thread::scope(|scope| {
        for client in 0..clients {
            let (took, ready) = (&took, &ready);
            let node = net.client(client % net.count());
            scope.spawn(move || {
                let seed = Digest::of(format!("{clients} clients: {client}").as_bytes());
                let secret = OperationSecret::new(seed.0);
                let mut signed = (1..=most).map(|number| operation(&secret, chain, number));
                let first: SignedOperation = signed.next().unwrap();
                let signed: Vec<_> = signed.collect();
                node.submit(&first).unwrap();
                let mut own = Vec::new();
                ready.wait();
                let end = Instant::now() + span;
                for operation in &signed {
                    let begun = Instant::now();
                    if begun > end {
                        break;
                    }
                    assert!(node.submit(operation).unwrap().outcome.is_ok());
                    own.push(begun.elapsed());
                }
                took.lock().unwrap().append(&mut own);
            });
        }
        let secret = OperationSecret::new([1; 32]);
        bytes = operation(&secret, chain, 2).to_bytes().0.len();
        ready.wait();
        let begin = Instant::now();
        (begin, begin + span)
    });
    let mut took = took.into_inner().unwrap();
    took.sort();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1e3;
    let seconds = (end - begin).as_secs_f64();
    let figure = json!({
        "validators": net.count(),
        "clients": clients,
        "bytes": bytes,
        "operations_per_second": took.len() as f64 / seconds,
        "p50_ms": at(50),
        "p99_ms": at(99),
    });
    println!("{figure}");
}

/// How long one that was killed takes to sign a block again.
fn recovery(net: &mut Validators) {
    let account = AccountId::of(&net.genesis().validators[3].key);
    let mut load = Load::at(net, 4, &[0, 1, 2]);
    load.run(|| {
        net.kill(3);
        thread::sleep(Duration::from_secs(5));
        let begun = Instant::now();
        net.run(3);
        let ran = begun.elapsed();
        net.wait("it signs again", |net| {
            let signed = &net.head(0).certificate.signatures;
            signed.iter().any(|(signer, _)| *signer == account)
        });
        let figure = json!({
            "recovery": true,
            "started_seconds": ran.as_secs_f64(),
            "voted_seconds": begun.elapsed().as_secs_f64(),
        });
        println!("{figure}");
    });
}

#[test]
#[ignore = "measures: cargo xtask bench network"]
fn figures() {
    let number =
        |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let span = Duration::from_secs(number("FIGURES_SECONDS", 20));
    for count in [1, 4] {
        let mut net = Validators::start(count);
        for clients in [8, 64, 256] {
            throughput(&net, clients, span);
        }
        if count == 4 {
            recovery(&mut net);
        }
    }
}

/// Operations a second, at most: as many are signed before.
const FASTEST: u64 = 10_000;
