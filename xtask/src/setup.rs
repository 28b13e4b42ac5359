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
    /// Package of this name in apt-get and dnf, if set-up may install it.
    package: Option<&'static str>,
}

const COMPONENTS: &[Component] = &[
    Component {
        name: "git",
        needed_for: "tidy (lists tracked files)",
        probe: &["git", "--version"],
        how: "install git with your package manager",
        package: None,
    },
    Component {
        name: "python3",
        needed_for: "known-answer tests of ibpre from the independent oracle",
        probe: &["python3", "--version"],
        how: "install Python 3 with your package manager",
        package: None,
    },
    Component {
        name: "C compiler",
        needed_for: "building aws-lc (AES-GCM, ML-DSA)",
        probe: &["cc", "--version"],
        how: "install gcc or clang with your package manager",
        package: None,
    },
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Component {
        name: "valgrind",
        needed_for: "constant time: secrets marked undefined",
        probe: &["valgrind", "--version"],
        how: "install valgrind with your package manager",
        package: Some("valgrind"),
    },
];

/// Looks for every component; returns the names of those that are missing.
pub(crate) fn run() -> Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    for component in COMPONENTS {
        let installed = || component.package.is_some_and(install);
        match version(component).or_else(|| installed().then(|| version(component))?) {
            Some(version) => println!("{:12} {version}", component.name),
            None => {
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

/// First line of what the component says of its version, if it is there.
fn version(component: &Component) -> Option<String> {
    let [program, arguments @ ..] = component.probe else {
        return None;
    };
    let mut probe = Command::new(program);
    let done = probe.args(arguments).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&done.stdout);
    let first = said.lines().next().unwrap_or_default().to_owned();
    done.status.success().then_some(first)
}

/// Installs a package with the system's package manager: by root only, nobody is asked for a
/// password.
fn install(package: &str) -> bool {
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
