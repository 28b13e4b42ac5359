//! Measures for `cargo xtask bench network`: one object a line. Clients sign before the clock
//! runs; each sends the next operation when the one before is acknowledged, so durable.

use base::{
    AccountId, ChainId, Digest, SignedOperation, codec,
    key::{OperationKey, OperationSecret},
};
use ledger::Receipt;
use serde_json::json;
use std::{
    os::unix::net::UnixStream,
    path::Path,
    sync::{Barrier, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::{
    comet::{self, Comet},
    fleet::Fleet,
    load::{Load, operation},
    plain::Plain,
    validators::{Validators, client_at},
};

/// Sends an operation and comes back when it is durable.
type Send<'a> = Box<dyn FnMut(&SignedOperation, &OperationKey) + std::marker::Send + 'a>;

/// Operations a second and how long each took, of so many clients for so long. `connect` makes
/// a client.
pub(crate) fn throughput<'a>(
    who: &str,
    chain: ChainId,
    clients: usize,
    span: Duration,
    connect: &(dyn Fn(usize) -> Send<'a> + Sync),
) -> f64 {
    let most = 1 + span.as_secs() * FASTEST / clients as u64;
    let took = Mutex::new(Vec::new());
    let ready = Barrier::new(clients);
    thread::scope(|scope| {
        for client in 0..clients {
            let (took, ready) = (&took, &ready);
            scope.spawn(move || {
                let mut send = connect(client);
                let seed = format!("{who}, {clients} clients: {client}");
                let secret = OperationSecret::new(Digest::of(seed.as_bytes()).0);
                let key = secret.public();
                let mut signed = (1..=most).map(|number| operation(&secret, chain, number));
                let first = signed.next().unwrap();
                let signed: Vec<_> = signed.collect();
                send(&first, &key);
                let mut own = Vec::new();
                ready.wait();
                let end = Instant::now() + span;
                for operation in &signed {
                    let begun = Instant::now();
                    if begun > end {
                        break;
                    }
                    send(operation, &key);
                    own.push(begun.elapsed());
                }
                took.lock().unwrap().append(&mut own);
            });
        }
    });
    let mut took = took.into_inner().unwrap();
    took.sort();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1e3;
    let secret = OperationSecret::new([1; 32]);
    let per_second = took.len() as f64 / span.as_secs_f64();
    let figure = json!({
        "who": who,
        "clients": clients,
        "bytes": operation(&secret, chain, 2).to_bytes().0.len(),
        "operations_per_second": per_second,
        "p50_ms": at(50),
        "p99_ms": at(99),
    });
    println!("{figure}");
    per_second
}

/// A client of the node at this socket.
pub(crate) fn sender(socket: &Path) -> Send<'static> {
    let mut node = Plain::new(UnixStream::connect(socket).unwrap());
    Box::new(move |operation, _| {
        let (bytes, _) = operation.to_bytes();
        let mut request = format!(
            "POST /v1/operations HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/vnd.ipld.dag-cbor\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )
        .into_bytes();
        request.extend_from_slice(&bytes);
        let (status, body) = node.ask(&request);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let receipt: Receipt = codec::decode(&body).unwrap();
        assert!(receipt.outcome.is_ok());
    })
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

pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "measures: cargo xtask bench network"]
fn figures() {
    let span = Duration::from_secs(number("FIGURES_SECONDS", 20));
    let fleet = Fleet::start();
    let socket = fleet.path("first").join("node/medshare.sock");
    let chain = client_at(socket.clone()).genesis().unwrap().chain();
    for clients in CLIENTS {
        let connect = |_| sender(&socket);
        throughput(
            "medshare, one node without the engine",
            chain,
            clients,
            span,
            &connect,
        );
    }
    drop(fleet);
    for (count, who) in [(1, "medshare, 1 validator"), (4, FOUR)] {
        let mut net = Validators::start(count);
        let chain = net.genesis().chain();
        for clients in CLIENTS {
            let connect = |client| sender(&net.socket(client % count));
            throughput(who, chain, clients, span, &connect);
        }
        if count == 4 {
            recovery(&mut net);
        }
    }
    if let Some(program) = std::env::var_os("COMETBFT") {
        beside(program.as_ref(), chain, span);
    }
}

/// CometBFT, with each block size.
fn beside(program: &Path, chain: ChainId, span: Duration) {
    for (who, verifies) in [("CometBFT", false), ("CometBFT, signatures verified", true)] {
        for clients in CLIENTS {
            for most in [64 << 10, 1 << 20, 4 << 20] {
                let comet = Comet::start(program, most);
                let connect = |client| -> Send<'_> {
                    let mut connection = comet::Client::new(&comet, client).unwrap();
                    Box::new(move |operation, key| {
                        if verifies {
                            comet::verify_for_four(operation, key);
                        }
                        // Its key-value store takes a key, "=" and a value.
                        let (bytes, id) = operation.to_bytes();
                        let mut text = format!("{id}=").into_bytes();
                        text.resize(bytes.len(), b'x');
                        assert!(connection.commit(&text));
                    })
                };
                throughput(who, chain, clients, span, &connect);
            }
        }
    }
}

/// Clients that send at once.
const CLIENTS: [usize; 4] = [8, 64, 256, 1_000];
pub(crate) const FOUR: &str = "medshare, 4 validators";
/// Operations a second, at most: as many are signed before.
const FASTEST: u64 = 20_000;
