//! The ledger as it grows: the everyday mix of operations of ever new patients, signed
//! beforehand, through check, rules, block, proofs and durable commit, at 10^3 operations
//! of state, 10^4 and so on, beside bare verification of the same signatures in the same
//! run. With every block some patients of any earlier time come back.
//!
//! `cargo xtask bench growth` runs it and writes what it finds into `docs/performance.md`;
//! alone, with a JSON object a line: `cargo bench --package medshare-ledger --bench growth --
//! 1000000`.
//!
//! The allocator is the one that the program has. Times are of the committing thread's processor, so that a busy machine does not
//! distort them, except the latency of a block, which is what a sender waits for.
#![allow(missing_docs, clippy::unwrap_used)]

use base::{
    Action, Millis, OperationId, Signed, Statement,
    key::{OperationKey, Signature},
    operation::{Accept, Bag, PartKey, Role, SignedOperation},
};
use ed25519_zebra::batch;
use ledger::{Replay, check_batch};
use rand_core::{TryCryptoRng, TryRng};
use std::{
    convert::Infallible, fs, hint::black_box, os::unix::fs::MetadataExt as _, time::Instant,
};

#[path = "../tests/it/world.rs"]
mod world;

use world::*;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Patients that take each step together; a block holds a cohort at every step.
const COHORT: usize = 102;
/// Patients of any earlier time that each block brings a key bag of.
const RETURNING: usize = 102;
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

    /// The operations of a step.
    fn step(&mut self, world: &mut World, step: usize) -> Vec<Sent> {
        let name = self.name.as_str();
        let (hospital, agent) = (HOSPITALS[self.place], AGENTS[self.place]);
        let record = record_id(hospital, &self.root);
        match step {
            0 => {
                let register = registration(world.chain(), name, Role::Patient);
                vec![sign(world, name, register)]
            }
            1 => {
                let publish = world.publishing(hospital, name, &self.root);
                vec![sign(world, hospital, publish)]
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
                vec![sign(world, name, accept), sign(world, name, bag)]
            }
            3 => {
                let request = world.requesting(name, name);
                let request = sign(world, "institute", request);
                self.request = Some(request.id());
                vec![request]
            }
            4 => {
                let terms = world.terms(self.request.unwrap(), &[name], &[agent]);
                let authorize = sign(world, name, authorizing(terms));
                self.grant = Some(authorize.id());
                vec![authorize]
            }
            5 => {
                let mut queries = Vec::new();
                for part in self.parts.clone() {
                    let grant = self.grant.unwrap();
                    let want = want(grant, "institute", agent, record, &self.root, part);
                    let query = world.querying(&want);
                    queries.push(sign(world, agent, query));
                }
                self.queries = queries.iter().map(Sent::id).collect();
                queries
            }
            _ => {
                let queries = std::mem::take(&mut self.queries);
                let review = |query| sign(world, "institute", accepted(query));
                queries.into_iter().map(review).collect()
            }
        }
    }
}

/// A signed operation, and the key to verify it under.
struct Sent {
    operation: SignedOperation,
    key: OperationKey,
}

impl Sent {
    fn id(&self) -> OperationId {
        self.operation.to_bytes().1
    }
}

fn sign(world: &mut World, name: &str, action: impl Into<Action>) -> Sent {
    Sent {
        operation: world.sign(name, action),
        key: key_of(name),
    }
}

const STEPS: usize = 7;

/// What was measured since the last line of the table; seconds of processor time.
#[derive(Default)]
struct Window {
    operations: usize,
    check: f64,
    propose: f64,
    commit: f64,
    waits: Vec<f64>,
    bare: f64,
    signatures: usize,
    singles: f64,
    single: usize,
}

fn main() {
    let wanted = std::env::args().find_map(|word| word.parse().ok());
    let wanted: u64 = wanted.unwrap_or(100_000);
    let mut world = World::cast();
    let mut lines = (3..).flat_map(|power| [10_u64.pow(power), 3 * 10_u64.pow(power)]);
    let mut line = lines.next().unwrap();
    let mut cohorts: Vec<Vec<Case>> = Vec::new();
    let mut window = Window::default();
    let mut patients = 0;
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
        if cohorts.len() == STEPS {
            batch.extend(returning(&mut world, patients - STEPS * COHORT));
        }
        bare(&world, &batch, &mut window);
        commit(&mut world, &batch, &mut window);
        if world.view().head().unwrap().header.tree_size >= line {
            report(&world, &mut window);
            window = Window::default();
            line = lines.next().unwrap();
        }
    }
    open_again(&mut world);
    replay(&world);
}

/// New key bags of patients among the first `among`, spread evenly over them.
fn returning(world: &mut World, among: usize) -> Vec<Sent> {
    let step =
        |at: usize| (at as f64 * 0.618_033_988_75 + world.time as f64 * 0.324_717_957_24) % 1.0;
    let mut numbers: Vec<_> = (0..RETURNING)
        .map(|at| (step(at) * among as f64) as usize)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let bags = numbers.into_iter().filter(|number| *number < among);
    bags.map(|number| {
        let name = format!("patient {number}");
        let version = world.sequence(&name) + 1;
        let commitment = digest("bag");
        sign(
            world,
            &name,
            Bag {
                version,
                commitment,
            },
        )
    })
    .collect()
}

/// One block through the ledger.
fn commit(world: &mut World, batch: &[Sent], window: &mut Window) {
    let bytes: Vec<_> = batch
        .iter()
        .map(|sent| sent.operation.to_bytes().0)
        .collect();
    world.time += 1;
    let ledger = world.ledger();
    let (start, begun) = (Instant::now(), processor());
    let view = ledger.view().unwrap();
    let checked = check_batch(bytes, ledger.validators().chain(), &view).unwrap();
    drop(view);
    let good = checked.into_iter().map(Result::unwrap).collect();
    let time = Millis(world.time);
    let verified = processor();
    let pending = ledger.propose(good, time, id("node")).unwrap();
    let proposed = processor();
    let certificate = pending.header().certify(&secret("node"));
    let receipts = black_box(ledger.commit(pending, certificate).unwrap());
    window.commit += processor() - proposed;
    window.propose += proposed - verified;
    window.check += verified - begun;
    window.waits.push(start.elapsed().as_secs_f64());
    window.operations += receipts.len();
    for (receipt, sent) in receipts.iter().zip(batch) {
        let kind = sent.operation.body.action.name();
        assert!(receipt.outcome.is_ok(), "{kind}: {:?}", receipt.outcome);
    }
}

/// The block's signatures alone, all together and some one by one.
fn bare(world: &World, batch: &[Sent], window: &mut Window) {
    let mut claims: Vec<(OperationKey, Signature, Vec<u8>)> = Vec::new();
    for Sent { operation, key } in batch {
        claims.push((*key, operation.signature, operation.body.preimage()));
        if let Action::Query(query) = &operation.body.action {
            let Signed { body, signature } = query.ask(world.chain(), operation.body.account);
            claims.push((key_of("institute"), signature, body.preimage()));
        }
    }
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
    for (key, signature, message) in claims.iter().take(16) {
        key.verify(message, signature).unwrap();
    }
    window.singles += processor() - start;
    window.single += claims.len().min(16);
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

/// One line of the growth.
fn report(world: &World, window: &mut Window) {
    let view = world.view();
    let size = view.head().unwrap().header.tree_size;
    let file = fs::metadata(world.dir.path().join("ledger.redb")).unwrap();
    window.waits.sort_by(f64::total_cmp);
    let wait = |part: f64| window.waits[((window.waits.len() - 1) as f64 * part) as usize] * 1e3;
    let (count, mut bytes) = (1_000, 0);
    let start = processor();
    let proofs: Vec<_> = (0..count)
        .map(|at| view.inclusion(at * 7_919 % size, size).unwrap().unwrap())
        .collect();
    let proof = (processor() - start) / count as f64;
    for proof in &proofs {
        bytes += base::codec::encode(proof).len();
    }
    let micros = |seconds: f64| seconds * 1e6 / window.operations as f64;
    let single = window.singles / window.single as f64 * window.signatures as f64;
    let figures = [
        ("operations", size as f64),
        ("check", micros(window.check)),
        ("propose", micros(window.propose)),
        ("commit", micros(window.commit)),
        ("batch", micros(window.bare)),
        ("single", micros(single)),
        ("p50", wait(0.5)),
        ("p99", wait(0.99)),
        ("disk", (file.blocks() * 512 / size) as f64),
        ("memory", memory()),
        ("proof_bytes", (bytes / count as usize) as f64),
        ("proof", proof * 1e6),
    ];
    println(&figures);
}

/// The whole file verified and opened.
fn open_again(world: &mut World) {
    let (start, begun) = (Instant::now(), processor());
    world.reopen();
    let figures = [
        ("open", start.elapsed().as_secs_f64()),
        ("open_processor", processor() - begun),
    ];
    println(&figures);
}

/// The whole log again, in memory, every signature verified.
fn replay(world: &World) {
    let view = world.view();
    let head = view.head().unwrap().header;
    let mut replay = Replay::new(&world.genesis);
    let (mut spent, mut took) = (0.0, 0.0);
    for height in 1..=head.height {
        let block = view.block(height).unwrap().unwrap();
        let (start, begun) = (Instant::now(), processor());
        replay.push(&block).unwrap();
        spent += processor() - begun;
        took += start.elapsed().as_secs_f64();
    }
    assert_eq!(replay.state_hash().digest(), head.state_hash);
    let figures = [
        ("replayed", head.tree_size as f64),
        ("replay", took),
        ("replay_processor", spent),
        ("replay_memory", memory()),
    ];
    println(&figures);
}

fn println(figures: &[(&str, f64)]) {
    let fields: Vec<_> = figures
        .iter()
        .map(|(name, figure)| format!("\"{name}\":{figure:.3}"))
        .collect();
    println!("{{{}}}", fields.join(","));
}
