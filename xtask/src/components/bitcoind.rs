//! bitcoind, compiled from the source of Bitcoin Core inside a crate: neither Debian nor another registry has it.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{fs, path::Path, process::Command};

use super::{Component, Pins, client, says, whole};
use crate::{run, setup};

/// Which crate carries the source, and where in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    source: String,
    version: String,
    folder: String,
}

/// A node without wallet and without what only its own tests and other programs need. It is fast to build rather than
/// fast: it makes blocks of its own, a few at a time.
const FLAGS: [&str; 14] = [
    "-DCMAKE_BUILD_TYPE=Release",
    "-DCMAKE_CXX_FLAGS_RELEASE=-O1",
    "-DBUILD_DAEMON=ON",
    "-DBUILD_BITCOIN_BIN=OFF",
    "-DBUILD_CLI=OFF",
    "-DBUILD_TESTS=OFF",
    "-DBUILD_TX=OFF",
    "-DBUILD_UTIL=OFF",
    "-DENABLE_EXTERNAL_SIGNER=OFF",
    "-DENABLE_IPC=OFF",
    "-DENABLE_WALLET=OFF",
    "-DINSTALL_MAN=OFF",
    "-DWITH_EMBEDDED_ASMAP=OFF",
    "-DWITH_ZMQ=OFF",
];
/// What the build needs of the system, as apt-get and as dnf call it.
const PACKAGES: [&str; 5] = [
    "cmake",
    "libboost-dev",
    "libevent-dev",
    "boost-devel",
    "libevent-devel",
];

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    let Pin { version, .. } = &pins.bitcoind;
    let folder = cache.join("bitcoind").join(version);
    let program = folder.join("bitcoind");
    let says_version = || {
        let said = says(&program, &["-version"])?;
        Some(said.lines().next()?.trim().to_owned())
    };
    if says_version().is_none() {
        let what = format!("bitcoind of crate version {version} (minutes: it is compiled)");
        whole(&folder, &what, |draft| build(&pins.bitcoind, draft))?;
    }
    match says_version() {
        Some(version) => Ok(Component {
            version,
            variables: vec![("MEDSHARE_BITCOIND", program)],
        }),
        None => bail!("{} does not run on this machine", program.display()),
    }
}

/// Leaves the program in `draft`, and nothing else.
fn build(pin: &Pin, draft: &Path) -> Result<()> {
    let work = draft.join("work");
    let source = fetch(pin, &work)?;
    let objects = work.join("build");
    let configure = || {
        let _ = fs::remove_dir_all(&objects);
        let mut cmake = Command::new("cmake");
        cmake.arg("-S").arg(&source).arg("-B").arg(&objects);
        client(cmake.args(FLAGS))
    };
    if configure().is_err() {
        for package in PACKAGES {
            setup::install(package);
        }
        configure().context("it needs cmake, Boost's headers and libevent")?;
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut cmake = Command::new("cmake");
    cmake.arg("--build").arg(&objects);
    cmake.args(["--target", "bitcoind", "--parallel", &jobs.to_string()]);
    client(&mut cmake)?;
    fs::copy(objects.join("bin/bitcoind"), draft.join("bitcoind"))?;
    Ok(fs::remove_dir_all(work)?)
}

/// The crate's files, by cargo, which compares them with the registry's checksum.
fn fetch(pin: &Pin, work: &Path) -> Result<std::path::PathBuf> {
    let Pin {
        source,
        version,
        folder,
    } = pin;
    fs::create_dir_all(work.join("src"))?;
    fs::write(work.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"fetch\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{source} = \"={version}\"\n"
    );
    fs::write(work.join("Cargo.toml"), manifest)?;
    client(run::cargo().args(["vendor", "--quiet"]).current_dir(work))?;
    Ok(work.join("vendor").join(source).join(folder))
}
