//! `cargo xtask`: the project's chores, without any tool that cargo does not bring.
//!
//! Refuses to know what the product does: it runs commands, checks the house rules and
//! prints figures.

mod advisories;
mod attacks;
mod bench;
mod chaos;
mod components;
mod constant_time;
mod contracts;
mod copy;
mod crash;
mod dist;
mod document;
mod e2e;
mod fuzz;
mod interop;
mod licences;
mod links;
mod mutants;
mod peers;
mod release_homes;
mod run;
mod setup;
mod site;
mod stages;
mod statistics;
mod tally;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <chore>

  setup        look for what the tests need, install what can be installed
  test         setup, fmt, tidy, licences, clippy, tests, doc tests, docs, interop, e2e,
               constant time, the demo (what CI runs)
  interop ipfs [TEST]   our nodes and files beside a real Kubo and a real Helia
  interop chains [TEST]   anchors in real nodes of public chains
  e2e [--short]   the pages of every role in a real Chromium, with pictures under target/e2e
  interop api [TEST]   requests drawn from the interface's own description, answers held against it
  contracts    compiles the Solidity contracts into compiled.json anew
  tidy         the house rules: edges, sizes, module docs, names, domain tags
  licences     every dependency against the lists in deny.toml
  advisories   known vulnerabilities (needs the advisory database)
  attacks      every number and plot of docs/attacks.md anew (minutes)
  chaos [--rounds N]   validators killed, cut off and skewed under load, and 10,000 drawn schedules: long forms
  crash [--kills N] [--runs N] [--seed N]   kill -9, lost power, failing disks: long forms
  crash --mutants [PATH]   of every sync call: which test fails without it
  mutants [--again | --survivors | --slow] [--jobs N] [PATH]...   the ledger's and the protocol's
               rules changed one spot at a time: which change no test notices, into
               docs/mutants.md; what is known is kept
  fuzz [--seconds N | --runs N] [TARGET[/DECODER]]...   every decoder under libFuzzer,
               60 s a target by default
  fuzz decoders [--runs N] [--seed N] [WORD]   every decoder on its own spoilt seeds, 10^7
               times each by default, into docs/fuzzing.md
  fuzz stateful [--seconds N | --runs N] [--seed N]   sequences of operations, ledger and
               model side by side, 1,000 by default
  bench [--json] [FILTER]   every figure beside its yardstick and target
  bench growth [OPERATIONS]  the ledger up to a million operations, into docs/performance.md
  bench ipfs [--rounds N]   our store and nodes beside a real Kubo, into docs/performance.md
  bench chains   what a record costs on public chains, into docs/performance.md
  bench pages [RECORDS]   first byte of every page at 10,000 records
  bench network [--seconds N]  validators beside CometBFT, into docs/performance.md
  bench service [--seconds N]  the interface under wrk, into docs/performance.md
  peers [--rounds N] [--core N] [PEER]   our scheme beside its peers, on one core, into
               docs/performance.md
  constant-time   every verb that claims it, on secrets that valgrind holds for undefined
  statistics [TIMES] [--seed SEED] [--report FILE]
               sampler, noise, failure and timing tests at full size, by hand
  release-homes   the homes of this version into fixtures/homes, once a release
  dist         what an operator installs: archive with program, manual, completions, unit, bill of
               materials, and its checksum, under target/dist
  docs         the documents as a site, under target/site/book
  vectors      writes the known-answer vectors anew, with the independent oracle
  package      builds the publishable crate from its package file

Exit codes: 0 all well, 1 a check failed, 2 usage.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["setup"] => setup::run().map(|_| ()),
        ["test"] => stages::run(),
        ["tidy"] => tidy::run(),
        ["interop", rest @ ..] => interop::run(rest),
        ["e2e", rest @ ..] => e2e::run(rest),
        ["contracts"] => contracts::write(),
        ["licences"] => licences::run(),
        ["advisories"] => advisories::run(),
        ["attacks"] => attacks::run(),
        ["chaos", rest @ ..] => chaos::run(rest),
        ["dist"] => dist::run(),
        ["docs"] => site::run(),
        ["crash", rest @ ..] => crash::run(rest),
        ["mutants", rest @ ..] => mutants::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["constant-time"] => constant_time::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["peers", rest @ ..] => peers::run(rest),
        ["statistics", rest @ ..] => statistics::run(rest),
        ["release-homes"] => release_homes::run(),
        ["vectors"] => statistics::vectors(),
        ["package"] => stages::package(),
        ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            match error.is::<run::Usage>() {
                true => ExitCode::from(2),
                false => ExitCode::FAILURE,
            }
        }
    }
}
