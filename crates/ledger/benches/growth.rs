//! The ledger as it grows: the everyday mix of operations of ever new patients, signed
//! beforehand, through check, rules, block, proofs and durable commit, at 10^3 operations
//! of state, 10^4 and so on, beside bare signature verification in the same run.
//!
//! `cargo bench --package medshare-ledger --bench growth -- 1000000`
//!
//! Times are of the committing thread's processor, so that a busy machine does not
//! distort them, except the latency of a block, which is what a sender waits for.
#![allow(missing_docs, clippy::unwrap_used)]

use base::{
    Millis, OperationId, Statement,
    operation::{Accept, Bag, PartKey, Role, SignedOperation},
};
use ed25519_zebra::batch;
use ledger::{Replay, check_batch};
use rand_core::{TryCryptoRng, TryRng};
use std::{convert::Infallible, fs, hint::black_box, time::Instant};

#[path = "../tests/it/world.rs"]
mod world;

use world::*;

/// Patients that take each step together; a block holds a cohort at every step.
const COHORT: usize = 102;
const HOSPITALS: [&str; 3] = ["mercy", "general", "coast"];
const AGENTS: [&str; 3] = ["am", "ag", "ac"];

/// One patient's story of ten operations.
struct Case {
    name: String,
    place: usize,
    root: String,
    parts: Vec<PartKey>,
    request: Option<OperationId>,
    grant: Option<OperationId>,
    queries: Vec<OperationId>,
}

impl Case {
    fn new(number: usize) -> Self {
        let name = format!("patient {number}");
        let root = format!("record of {name}");
        let parts = parts(&[(&name, &format!("{root} 0")), (&name, &format!("{root} 1"))]);
        Self {
            place: number % 3,
            name,
            root,
            parts,
            request: None,
            grant: None,
            queries: Vec::new(),
        }
    }

    /// The operations of a step, signed.
    fn step(&mut self, world: &mut World, step: usize) -> Vec<SignedOperation> {
        let name = self.name.as_str();
        let (hospital, agent) = (HOSPITALS[self.place], AGENTS[self.place]);
        let record = record_id(hospital, &self.root);
        match step {
            0 => {
                let register = registration(world.chain(), name, Role::Patient);
                vec![world.sign(name, register)]
            }
            1 => {
                let publish = world.publishing(hospital, name, &self.root);
                vec![world.sign(hospital, publish)]
            }
            2 => {
                let accept = Accept {
                    record,
                    state: state(&self.root),
                    parts: self.parts.clone(),
                };
                let bag = Bag {
                    version: 1,
                    commitment: digest("bag"),
                };
                vec![world.sign(name, accept), world.sign(name, bag)]
            }
            3 => {
                let request = world.requesting(name, name);
                let request = world.sign("institute", request);
                self.request = Some(request.to_bytes().1);
                vec![request]
            }
            4 => {
                let terms = world.terms(self.request.unwrap(), &[name], &[agent]);
                let authorize = world.sign(name, authorizing(terms));
                self.grant = Some(authorize.to_bytes().1);
                vec![authorize]
            }
            5 => {
                let mut queries = Vec::new();
                for part in self.parts.clone() {
                    let grant = self.grant.unwrap();
                    let want = want(grant, "institute", agent, record, &self.root, part);
                    let query = world.querying(&want);
                    queries.push(world.sign(agent, query));
                }
                self.queries = queries.iter().map(|query| query.to_bytes().1).collect();
                queries
            }
            _ => {
                let queries = std::mem::take(&mut self.queries);
                let review = |query| world.sign("institute", accepted(query));
                queries.into_iter().map(review).collect()
            }
        }
    }
}

const STEPS: usize = 7;

/// What was measured since the last line of the table.
#[derive(Default)]
struct Window {
    operations: usize,
    processor: f64,
    waits: Vec<f64>,
    bare: f64,
    bare_one: f64,
    signatures: usize,
}

fn main() {
    let wanted = std::env::args().find_map(|word| word.parse().ok());
    let wanted: usize = wanted.unwrap_or(100_000);
    let mut world = World::cast();
    let mut line = 1_000;
    let mut cohorts: Vec<Vec<Case>> = Vec::new();
    let mut window = Window::default();
    let mut patients = 0;
    header();
    while line <= wanted {
        patients += COHORT;
        cohorts.insert(0, (patients - COHORT..patients).map(Case::new).collect());
        cohorts.truncate(STEPS);
        let mut batch = Vec::new();
        for (step, cohort) in cohorts.iter_mut().enumerate() {
            for case in cohort {
                batch.extend(case.step(&mut world, step));
            }
        }
        bare(&batch, &mut window);
        commit(&mut world, &batch, &mut window);
        if world.view().head().unwrap().header.tree_size >= line as u64 {
            report(&world, &mut window);
            window = Window::default();
            line *= 10;
        }
    }
    replay(&world);
}

/// One block through the ledger.
fn commit(world: &mut World, batch: &[SignedOperation], window: &mut Window) {
    let bytes: Vec<_> = batch
        .iter()
        .map(|operation| operation.to_bytes().0)
        .collect();
    world.time += 1;
    let ledger = world.ledger();
    let (start, processor) = (Instant::now(), processor());
    let view = ledger.view().unwrap();
    let checked = check_batch(bytes, ledger.validators().chain(), &view).unwrap();
    drop(view);
    let good = checked.into_iter().map(Result::unwrap).collect();
    let time = Millis(world.time);
    let pending = ledger.propose(good, time, id("node")).unwrap();
    let certificate = pending.header().certify(&secret("node"));
    let receipts = black_box(ledger.commit(pending, certificate).unwrap());
    window.processor += self::processor() - processor;
    window.waits.push(start.elapsed().as_secs_f64());
    window.operations += receipts.len();
    for (receipt, operation) in receipts.iter().zip(batch) {
        let kind = operation.body.action.name();
        assert!(receipt.outcome.is_ok(), "{kind}: {:?}", receipt.outcome);
    }
}

/// The senders' signatures alone, all together and some one by one.
fn bare(batch: &[SignedOperation], window: &mut Window) {
    let claims: Vec<_> = batch
        .iter()
        .filter_map(|operation| Some((operation, key(operation)?)))
        .map(|(operation, key)| (key, operation.signature, operation.body.preimage()))
        .collect();
    let start = processor();
    let mut verifier = batch::Verifier::new();
    for (key, signature, message) in &claims {
        verifier.queue((key.0.into(), signature.0.into(), message));
    }
    let stream = blake3::Hasher::new().finalize_xof();
    verifier.verify(Coefficients(stream)).unwrap();
    window.bare += processor() - start;
    window.signatures += claims.len();
    let start = processor();
    for (key, signature, message) in claims.iter().take(64) {
        key.verify(message, signature).unwrap();
    }
    window.bare_one += (processor() - start) / claims.len().min(64) as f64;
}

/// The key of a sender that this file knows by name.
fn key(operation: &SignedOperation) -> Option<base::key::OperationKey> {
    use base::Action;
    if let Action::Register(register) = &operation.body.action {
        return Some(register.operation_key);
    }
    let known = [HOSPITALS, AGENTS].concat();
    known
        .into_iter()
        .chain(["institute"])
        .find(|name| id(name) == operation.body.account)
        .map(key_of)
}

struct Coefficients(blake3::OutputReader);

impl TryRng for Coefficients {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Coefficients {}

/// Seconds that this thread had a processor. The system keeps the account when a thread
/// gives way.
fn processor() -> f64 {
    std::thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanos / 1e9
}

/// Resident memory, MiB.
fn memory() -> f64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages / 256.0
}

fn header() {
    println!(
        "| operations | operations/s a core | bare batch verify/s | bare single/s | block p50 ms \
         | block p99 ms | disk B/operation | memory MiB | proof B | proof µs |"
    );
    println!("|{}", "---:|".repeat(10));
}

fn report(world: &World, window: &mut Window) {
    let view = world.view();
    let size = view.head().unwrap().header.tree_size;
    let file = fs::metadata(world.dir.path().join("ledger.redb")).unwrap();
    window.waits.sort_by(f64::total_cmp);
    let wait = |part: f64| window.waits[((window.waits.len() - 1) as f64 * part) as usize] * 1e3;
    let (count, mut bytes) = (1_000, 0);
    let start = processor();
    for at in 0..count {
        let proof = view.inclusion(at * 7_919 % size, size).unwrap().unwrap();
        bytes += base::codec::encode(&proof).len();
    }
    let proof = (processor() - start) / count as f64;
    println!(
        "| {size} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {} | {:.0} | {} | {:.1} |",
        window.operations as f64 / window.processor,
        window.signatures as f64 / window.bare,
        window.waits.len() as f64 / window.bare_one,
        wait(0.5),
        wait(0.99),
        file.len() / size,
        memory(),
        bytes / count as usize,
        proof * 1e6,
    );
}

/// The whole log again, in memory, every signature verified.
fn replay(world: &World) {
    let view = world.view();
    let head = view.head().unwrap().header;
    let mut replay = Replay::new(&world.genesis);
    let mut spent = 0.0;
    for height in 1..=head.height {
        let block = view.block(height).unwrap().unwrap();
        let start = processor();
        replay.push(&block).unwrap();
        spent += processor() - start;
    }
    assert_eq!(replay.state_hash().digest(), head.state_hash);
    let rate = head.tree_size as f64 / spent;
    println!(
        "\nreplay: {} operations in {spent:.1} s, {rate:.0}/s; memory {:.0} MiB",
        head.tree_size,
        memory()
    );
}
