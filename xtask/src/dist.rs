//! `cargo xtask dist`: what an operator installs, as one archive with its checksum: the
//! program with all features, stripped; manual, completions, a unit for systemd, a file for
//! containers, the documents, a list of everything that was compiled in. What was packed is then
//! unpacked and tried.

mod sbom;
mod tried;

use anyhow::{Context, Result};
use std::{fs, path::Path, process::Command};

use crate::run;

/// Files of the tree that go along as they are: from, to.
const PLAIN: [(&str, &str); 2] = [
    ("packaging/medshare-node.service", "medshare-node.service"),
    ("packaging/Containerfile", "Containerfile"),
];

/// Documents and licences, which keep their places: links between them work.
fn documents() -> Result<Vec<String>> {
    const OF_THE_ROOT: [&str; 5] = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
    ];
    let mut found = run::tracked("")?;
    found.retain(|path| path.starts_with("docs/") || OF_THE_ROOT.contains(&path.as_str()));
    Ok(found)
}

const SHELLS: [(&str, &str); 3] = [
    ("bash", "medshare.bash"),
    ("zsh", "_medshare"),
    ("fish", "medshare.fish"),
];

/// Builds the archive under `target/dist` and tries what is in it, unpacked elsewhere.
pub(crate) fn run() -> Result<()> {
    run::must(run::cargo().args(BUILD))?;
    let metadata =
        run::metadata_of(&["--features", "medshare/full", "--filter-platform", &host()?])?;
    let version = sbom::version(&metadata)?;
    let name = format!("medshare-{version}-{}", host()?);
    let dist = run::root().join("target/dist");
    let folder = dist.join(&name);
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    let program = folder.join("bin/medshare");
    for sub in ["bin", "man/man1", "completions"] {
        fs::create_dir_all(folder.join(sub))?;
    }
    fs::copy(run::root().join("target/release/medshare"), &program)?;
    run::must(Command::new("strip").arg(&program))?;
    run::must(
        Command::new(&program)
            .arg("--quiet")
            .arg("man")
            .arg(folder.join("man/man1")),
    )?;
    for (shell, file) in SHELLS {
        let text = run::output(Command::new(&program).args(["completions", shell]))?;
        fs::write(folder.join("completions").join(file), text)?;
    }
    for (from, to) in PLAIN {
        fs::copy(run::root().join(from), folder.join(to)).context(from)?;
    }
    for path in documents()? {
        let to = folder.join(&path);
        fs::create_dir_all(to.parent().unwrap_or(&folder))?;
        fs::copy(run::root().join(&path), to).context(path)?;
    }
    let lock = fs::read_to_string(run::root().join("Cargo.lock"))?;
    let bill = sbom::cyclonedx(&metadata, &lock)?;
    fs::write(
        folder.join("sbom.cdx.json"),
        serde_json::to_string_pretty(&bill)?,
    )?;
    pack(&dist, &name)?;
    tried::archive(&dist, &name, &version)?;
    for file in fs::read_dir(&dist)? {
        let file = file?;
        if file.file_type()?.is_file() {
            println!(
                "{} bytes  {}",
                file.metadata()?.len(),
                file.path().display()
            );
        }
    }
    Ok(())
}

/// The same files give the same archive: sorted, without owners, dated by the last commit.
fn pack(dist: &Path, name: &str) -> Result<()> {
    let date = run::output(
        Command::new("git")
            .args(["log", "-1", "--format=@%ct"])
            .current_dir(run::root()),
    )?;
    let archive = format!("{name}.tar.gz");
    run::must(
        Command::new("tar")
            .current_dir(dist)
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime={}", date.trim()))
            .args(["--use-compress-program=gzip -n", "-cf", &archive, name]),
    )?;
    let sums = run::output(Command::new("sha256sum").arg(&archive).current_dir(dist))?;
    fs::write(dist.join(SUMS), sums).context(SUMS)
}

const SUMS: &str = "SHA256SUMS";

/// This machine's target, as the compiler names it.
fn host() -> Result<String> {
    let told = run::output(Command::new("rustc").arg("-vV"))?;
    let line = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc names no host")?.to_owned())
}

const BUILD: [&str; 7] = [
    "build",
    "--locked",
    "--release",
    "--package",
    "medshare",
    "--features",
    "full",
];
