//! What the tests need beside Rust, and whether this machine has it.
//!
//! Programs of the system first, then the [components](crate::components) that are installed
//! into a cache. A missing one is named with its reason; its tests report that they did not
//! run; with `CI=true` it is a failure.

use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use crate::{components, run};

/// One program of the system.
struct Program {
    name: &'static str,
    needed_for: &'static str,
    probe: &'static [&'static str],
    how: &'static str,
    /// Package of this name in apt-get and dnf, if set-up may install it.
    package: Option<&'static str>,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "git",
        needed_for: "tidy (lists tracked files)",
        probe: &["git", "--version"],
        how: "install git with your package manager",
        package: None,
    },
    Program {
        name: "python3",
        needed_for: "known-answer tests of ibpre from the independent oracle",
        probe: &["python3", "--version"],
        how: "install Python 3 with your package manager",
        package: None,
    },
    Program {
        name: "C compiler",
        needed_for: "building aws-lc (AES-GCM, ML-DSA)",
        probe: &["cc", "--version"],
        how: "install gcc or clang with your package manager",
        package: None,
    },
    #[cfg(target_os = "linux")]
    Program {
        name: "make",
        needed_for: "building jemalloc",
        probe: &["make", "--version"],
        how: "install make with your package manager",
        package: None,
    },
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Program {
        name: "valgrind",
        needed_for: "constant time: secrets marked undefined",
        probe: &["valgrind", "--version"],
        how: "install valgrind with your package manager",
        package: Some("valgrind"),
    },
];

/// What benchmarks alone need, which CI does not run.
const OF_BENCHES: &[Program] = &[Program {
    name: "wrk",
    needed_for: "bench service",
    // It tells its version and ends with 1.
    probe: &["sh", "-c", "wrk --version | grep '^wrk '"],
    how: "install wrk with your package manager",
    package: Some("wrk"),
}];

/// Looks for everything and installs what can be installed; what is missing, with the reason.
pub(crate) fn run() -> Result<BTreeMap<&'static str, String>> {
    let mut missing = BTreeMap::new();
    let of_benches = OF_BENCHES.iter().filter(|_| !run::ci());
    for program in PROGRAMS.iter().chain(of_benches) {
        match had(program) {
            Some(version) => println!("{:12} {version}", program.name),
            None => {
                let reason = format!("for {}; {}", program.needed_for, program.how);
                missing.insert(program.name, reason);
            }
        }
    }
    for (name, needed_for) in components::all() {
        match components::component(name) {
            Ok(component) => println!("{name:12} {}", component.version),
            Err(error) => {
                missing.insert(name, format!("for {needed_for}; {error:#}"));
            }
        }
    }
    for (name, reason) in &missing {
        println!("{name:12} MISSING, needed {reason}");
    }
    if run::ci() && !missing.is_empty() {
        let names: Vec<&str> = missing.keys().copied().collect();
        bail!("missing in CI: {}", names.join(", "));
    }
    Ok(missing)
}

/// A program that a benchmark needs, installed if it can be.
///
/// # Errors
/// Why it is not there.
pub(crate) fn needed(name: &str) -> Result<()> {
    let found = OF_BENCHES.iter().find(|program| program.name == name);
    let program = found.with_context(|| format!("no program is called {name}"))?;
    match had(program) {
        Some(_) => Ok(()),
        None => bail!("no {name}, for {}; {}", program.needed_for, program.how),
    }
}

/// The version of a program that is there, or could be installed.
fn had(program: &Program) -> Option<String> {
    let installed = || program.package.is_some_and(install);
    version(program).or_else(|| installed().then(|| version(program))?)
}

/// First line of what a program says of its version, if it is there.
fn version(program: &Program) -> Option<String> {
    let [command, arguments @ ..] = program.probe else {
        return None;
    };
    let mut probe = Command::new(command);
    let done = probe.args(arguments).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&done.stdout);
    let first = said.lines().next().unwrap_or_default().to_owned();
    done.status.success().then_some(first)
}

/// Installs a package with the system's package manager: by root only, nobody is asked for a
/// password.
pub(crate) fn install(package: &str) -> bool {
    let root = Command::new("id").arg("-u").output();
    if !root.is_ok_and(|done| done.stdout.trim_ascii() == b"0") {
        return false;
    }
    ["apt-get", "dnf"].iter().any(|manager| {
        println!("{manager} install -y {package}");
        let mut install = Command::new(manager);
        let done = install
            .args(["install", "-y", package])
            .stdout(Stdio::null());
        done.status().is_ok_and(|status| status.success())
    })
}
