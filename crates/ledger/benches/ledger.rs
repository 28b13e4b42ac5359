//! Operations through the ledger beside bare signature verification, on one core.
//!
//! Through the ledger means: canonical bytes in; decoded, every signature verified (a
//! query carries two), every rule applied, block built, signed, and committed durably by
//! group; receipts with inclusion proofs out.
#![allow(missing_docs, clippy::unwrap_used)]

use base::{Millis, Statement, operation::Bag};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ledger::check_batch;
use std::hint::black_box;

#[path = "../tests/it/world.rs"]
mod world;

use world::*;

/// Operations in one group commit.
const GROUP: usize = 1_024;

/// Bags of many patients: the smallest operation, one signature.
fn bags(world: &mut World, patients: &[String]) -> Vec<Vec<u8>> {
    (0..GROUP)
        .map(|at| {
            let name = &patients[at % patients.len()];
            let version = world.sequence(name) + 1;
            let bag = Bag {
                version,
                commitment: digest("bag"),
            };
            world.sign(name, bag).to_bytes().0
        })
        .collect()
}

/// Queries: the heaviest everyday operation, two signatures and a dozen rules.
fn queries(world: &mut World, sources: &[Source]) -> Vec<Vec<u8>> {
    sources
        .iter()
        .map(|source| {
            let query = world.querying(&source.want());
            world.sign(source.agent, query).to_bytes().0
        })
        .collect()
}

struct Source {
    grant: base::OperationId,
    record: base::RecordId,
    root: String,
    part: base::operation::PartKey,
    agent: &'static str,
}

impl Source {
    fn want(&self) -> Want<'_> {
        want(
            self.grant,
            "institute",
            self.agent,
            self.record,
            &self.root,
            self.part,
        )
    }
}

/// A thousand fresh capsules under one grant.
fn sources(world: &mut World, round: usize) -> Vec<Source> {
    const PARTS: usize = 16;
    let scope = format!("scope {round}");
    let mut sources = Vec::new();
    let mut batch = Vec::new();
    let request = world.requesting("pat", &scope);
    let request = world.sign("institute", request);
    batch.push(request.to_bytes().0);
    let mut terms = world.terms(request.to_bytes().1, &[&scope], &["ag"]);
    terms.max_queries = GROUP as u32;
    let authorize = world.sign("pat", authorizing(terms));
    let (bytes, grant) = authorize.to_bytes();
    batch.push(bytes);
    for record in 0..GROUP / PARTS {
        let root = format!("record {round} {record}");
        let publish = world.publishing("mercy", "pat", &root);
        batch.push(world.sign("mercy", publish).to_bytes().0);
        let names: Vec<String> = (0..PARTS).map(|part| format!("{root} {part}")).collect();
        let list: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (scope.as_str(), name.as_str()))
            .collect();
        let parts = parts(&list);
        let accept = base::operation::Accept {
            record: publish.record,
            state: state(&root),
            parts: parts.clone(),
        };
        batch.push(world.sign("pat", accept).to_bytes().0);
        for part in parts {
            sources.push(Source {
                grant,
                record: publish.record,
                root: root.clone(),
                part,
                agent: "ag",
            });
        }
    }
    commit(world, batch);
    sources
}

/// One group through the whole ledger.
fn commit(world: &mut World, batch: Vec<Vec<u8>>) -> usize {
    world.time += 1;
    let ledger = world.ledger();
    let view = ledger.view().unwrap();
    let checked = check_batch(batch, ledger.validators().chain(), &view).unwrap();
    drop(view);
    let good = checked.into_iter().map(Result::unwrap).collect();
    let time = Millis(world.time);
    let pending = ledger.propose(good, time, id("node")).unwrap();
    let certificate = pending.header().certify(&secret("node"));
    let receipts = ledger.commit(pending, certificate).unwrap();
    assert!(receipts.iter().all(|receipt| receipt.outcome.is_ok()));
    receipts.len()
}

fn patients(world: &mut World) -> Vec<String> {
    let names: Vec<String> = (0..GROUP).map(|at| format!("patient {at}")).collect();
    let batch = names
        .iter()
        .map(|name| {
            let register = registration(world.chain(), name, base::operation::Role::Patient);
            world.sign(name, register).to_bytes().0
        })
        .collect();
    commit(world, batch);
    names
}

fn through_the_ledger(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger");
    group.sample_size(20);
    group.throughput(Throughput::Elements(GROUP as u64));

    let mut world = World::cast();
    let names = patients(&mut world);
    group.bench_function("bags", |bencher| {
        // Signed outside the measurement, in order, since numbers must follow.
        bencher.iter_custom(|rounds| {
            (0..rounds)
                .map(|_| {
                    let batch = bags(&mut world, &names);
                    let start = std::time::Instant::now();
                    black_box(commit(&mut world, batch));
                    start.elapsed()
                })
                .sum()
        });
    });

    let mut world = World::cast();
    let mut round = 0;
    group.bench_function("queries", |bencher| {
        bencher.iter_custom(|rounds| {
            (0..rounds)
                .map(|_| {
                    round += 1;
                    let sources = sources(&mut world, round);
                    let batch = queries(&mut world, &sources);
                    let start = std::time::Instant::now();
                    black_box(commit(&mut world, batch));
                    start.elapsed()
                })
                .sum()
        });
    });
    group.finish();
}

fn yardsticks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("signature");
    let mut world = World::cast();
    let names = patients(&mut world);
    let batch = bags(&mut world, &names);
    let chain = world.chain();
    let view = world.view();
    let operation = world.sign(
        "pat",
        Bag {
            version: 1,
            commitment: digest("bag"),
        },
    );
    let message = operation.body.preimage();
    let key = key_of("pat");
    group.bench_function("verify one", |bencher| {
        bencher.iter(|| key.verify(black_box(&message), &operation.signature));
    });
    group.throughput(Throughput::Elements(GROUP as u64));
    group.bench_function("decode and verify a batch", |bencher| {
        bencher.iter_batched(
            || batch.clone(),
            |batch| check_batch(batch, chain, &view),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, yardsticks, through_the_ledger);
criterion_main!(benches);
