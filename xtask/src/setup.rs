//! What the tests need beside Rust, and whether this machine has it.
//!
//! The foundation needs one program: Python 3, which runs the independent oracle of the
//! re-encryption scheme. A missing component is named with its reason; its tests report
//! that they did not run; with `CI=true` it is a failure.

use anyhow::{Result, bail};
use std::process::{Command, Stdio};

use crate::run;

/// One real component that some tests start.
struct Component {
    name: &'static str,
    needed_for: &'static str,
    probe: &'static [&'static str],
    how: &'static str,
}

const COMPONENTS: &[Component] = &[
    Component {
        name: "git",
        needed_for: "tidy (lists tracked files)",
        probe: &["git", "--version"],
        how: "install git with your package manager",
    },
    Component {
        name: "python3",
        needed_for: "known-answer tests of ibpre from the independent oracle",
        probe: &["python3", "--version"],
        how: "install Python 3 with your package manager",
    },
    Component {
        name: "C compiler",
        needed_for: "building aws-lc (AES-GCM, ML-DSA)",
        probe: &["cc", "--version"],
        how: "install gcc or clang with your package manager",
    },
];

/// Looks for every component; returns the names of those that are missing.
pub(crate) fn run() -> Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    for component in COMPONENTS {
        let [program, arguments @ ..] = component.probe else {
            continue;
        };
        let found = Command::new(program)
            .args(arguments)
            .stderr(Stdio::null())
            .output();
        match found {
            Ok(done) if done.status.success() => {
                let version = String::from_utf8_lossy(&done.stdout);
                println!(
                    "{:12} {}",
                    component.name,
                    version.lines().next().unwrap_or_default()
                );
            }
            _ => {
                println!(
                    "{:12} MISSING, needed for {}; {}",
                    component.name, component.needed_for, component.how
                );
                missing.push(component.name);
            }
        }
    }
    if run::ci() && !missing.is_empty() {
        bail!("missing in CI: {}", missing.join(", "));
    }
    Ok(missing)
}
