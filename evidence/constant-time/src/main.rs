//! Evidence of constant time for what `docs/scheme.md` says has it.
//!
//! ```text
//! valgrind --error-limit=no constant-time secrets   secrets undefined: no jump, no address from them
//! constant-time timing [ROUNDS]                     two classes of secrets, Welch's t
//! ```
//! Both run a deliberate leak first and fail if it goes unnoticed. `cargo xtask constant-time` and
//! `cargo xtask statistics` start them. Exit codes: 0 all well, 1 a leak (or a leak unnoticed), 2 usage.

mod memcheck;
mod secrets;
mod timing;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let well = match words.as_slice() {
        ["secrets"] if memcheck::running() => secrets::run(),
        ["secrets"] => {
            eprintln!("constant-time: `secrets` means nothing outside valgrind on the x86-64");
            return ExitCode::from(2);
        }
        ["timing"] => timing::run(20_000),
        ["timing", rounds] if rounds.parse::<usize>().is_ok_and(|r| r >= 100) => {
            timing::run(rounds.parse().unwrap_or(20_000))
        }
        _ => {
            eprintln!("usage: constant-time secrets | timing [ROUNDS, at least 100]");
            return ExitCode::from(2);
        }
    };
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
