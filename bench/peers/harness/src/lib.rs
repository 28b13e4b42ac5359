//! What every peer program is made of: it registers operations, this measures them on one core and prints one
//! JSON object a line. `bench/peers/README.md` describes the lines.
//!
//! A sample is the thread-CPU time of a batch of calls (about 2 ms, or one call where a call is longer), divided by
//! the number of calls. Operations take turns, one batch each, until the time is used up. Refuses to know what the
//! operations compute and what the figures are held against.

use rustix::{
    thread::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
};
use serde_json::{Value, json};
use std::time::Duration;

/// What an operation promises, by the words of those who made it.
#[derive(Clone, Copy)]
pub enum Class {
    /// Secure against chosen plaintexts only.
    Cpa,
    /// Secure against honest re-encryption attacks.
    Hra,
    /// Secure against chosen ciphertexts.
    Cca,
    /// The result is checked, or comes with what lets others check it.
    Verified,
    /// A building block without a class of its own: keys, signatures, trapdoors.
    Block,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Cpa => "CPA",
            Self::Hra => "HRA",
            Self::Cca => "CCA",
            Self::Verified => "verified",
            Self::Block => "-",
        }
    }
}

/// Whether keys are parsed and transformed already.
#[derive(Clone, Copy)]
pub enum Form {
    /// Keys stand ready in memory, as in a running node.
    Prepared,
    /// From the bytes of keys and messages.
    Cold,
}

struct Operation<'a> {
    name: &'static str,
    form: Form,
    class: Class,
    call: &'static str,
    run: Box<dyn FnMut() + 'a>,
    batch: u32,
    samples: Vec<f64>,
}

/// What was typed: `[--seconds S] [--core N] [VARIANT]`.
pub struct Arguments {
    seconds: f64,
    memory_before: u64,
    /// The word that is no option, such as a parameter set.
    pub variant: Option<String>,
}

impl Arguments {
    /// Reads the command line and pins this process to the core that was asked for. To be called first: the
    /// peak of memory is held against this moment.
    ///
    /// # Panics
    /// With one line, if an argument is not understood or the core does not exist.
    pub fn read() -> Self {
        let mut read = Self {
            seconds: 3.0,
            memory_before: peak_kib(),
            variant: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().expect("an option lacks its value");
            match word.as_str() {
                "--seconds" => read.seconds = value().parse().expect("--seconds takes a number"),
                "--core" => pin(value().parse().expect("--core takes a number")),
                _ => read.variant = Some(word),
            }
        }
        read
    }
}

/// One peer: its operations, and the sizes of what it makes.
pub struct Peer<'a> {
    name: String,
    time: Duration,
    memory_before: u64,
    operations: Vec<Operation<'a>>,
}

impl<'a> Peer<'a> {
    /// A peer that stands ready to be measured: what its operations borrow exists already.
    pub fn new(name: impl Into<String>, arguments: &Arguments) -> Self {
        Self {
            name: name.into(),
            time: Duration::from_secs_f64(arguments.seconds),
            memory_before: arguments.memory_before,
            operations: Vec::new(),
        }
    }

    /// Prints the size in bytes of something this peer stores or sends.
    pub fn size(&self, what: &str, bytes: usize) {
        self.line(json!({ "size": what, "bytes": bytes }));
    }

    /// Adds an operation; `call` says in the peer's own words what is called.
    pub fn operation<T>(
        &mut self,
        name: &'static str,
        form: Form,
        class: Class,
        call: &'static str,
        mut run: impl FnMut() -> T + 'a,
    ) {
        let run = Box::new(move || {
            std::hint::black_box(run());
        });
        self.operations.push(Operation {
            name,
            form,
            class,
            call,
            run,
            batch: 1,
            samples: Vec::new(),
        });
    }

    /// Measures everything and prints it.
    pub fn run(mut self) {
        for operation in &mut self.operations {
            operation.calibrate();
        }
        let begin = now();
        while now() - begin < self.time {
            for operation in &mut self.operations {
                operation.sample();
            }
        }
        for operation in &self.operations {
            self.line(operation.report());
        }
        self.line(
            json!({ "memory_before_kib": self.memory_before, "memory_peak_kib": peak_kib() }),
        );
    }

    fn line(&self, mut value: Value) {
        value["peer"] = json!(self.name);
        println!("{value}");
    }
}

impl Operation<'_> {
    /// Warms up and finds how many calls last about 2 ms.
    fn calibrate(&mut self) {
        (self.run)();
        let one = self.time(1).max(1e-9);
        self.batch = (BATCH_SECONDS / one).clamp(1.0, 1e6) as u32;
    }

    /// One batch; three where one call is a batch, for such calls (key generation) vary most.
    fn sample(&mut self) {
        for _ in 0..if self.batch == 1 { 3 } else { 1 } {
            let nanos = self.time(self.batch) * 1e9 / f64::from(self.batch);
            self.samples.push((nanos * 10.0).round() / 10.0);
        }
    }

    /// Thread-CPU seconds of so many calls.
    fn time(&mut self, calls: u32) -> f64 {
        let begin = now();
        for _ in 0..calls {
            (self.run)();
        }
        (now() - begin).as_secs_f64()
    }

    fn report(&self) -> Value {
        let form = match self.form {
            Form::Prepared => "prepared",
            Form::Cold => "cold",
        };
        json!({
            "operation": self.name, "form": form, "class": self.class.name(), "call": self.call,
            "batch": self.batch, "nanoseconds": self.samples,
        })
    }
}

/// CPU time that this thread has used.
fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).expect("no such core");
}

/// Largest resident memory of this process so far, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0)
}

const BATCH_SECONDS: f64 = 0.002;
