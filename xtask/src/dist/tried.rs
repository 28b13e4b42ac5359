//! What is in the archive, tried as who installs it would: unpacked into an empty folder, held
//! against its checksum, each part used. What this machine has no program for is named.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::run;

/// How a part in the unpacked folder is tried; the text is the program's version.
type Try = fn(&Path, &str) -> Result<Tried>;

/// The parts that are tried, in order.
const PARTS: [(&str, Try); 6] = [
    ("program", program),
    ("manual", manual),
    ("completions", completions),
    ("bill of materials", bill),
    ("unit for systemd", unit),
    ("documents", documents),
];

/// What became of a part.
enum Tried {
    /// It does what it is for.
    Works(String),
    /// This machine lacks a program.
    Untried(&'static str),
}

/// Unpacks `name`.tar.gz of the folder `dist` and tries what is in it; `version` is the program's.
pub(super) fn archive(dist: &Path, name: &str, version: &str) -> Result<()> {
    let empty = dist.join("tried");
    fs::create_dir_all(&empty)?;
    let archive = format!("{name}.tar.gz");
    for file in [archive.as_str(), super::SUMS] {
        fs::copy(dist.join(file), empty.join(file)).with_context(|| file.to_owned())?;
    }
    let here = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(&empty);
        command
    };
    run::must(here("sha256sum").args(["--check", super::SUMS]))?;
    run::must(here("tar").args(["--extract", "--gzip", "--file", &archive]))?;
    let folder = empty.join(name);
    for (part, tried) in PARTS {
        match tried(&folder, version).with_context(|| format!("tried: {part}"))? {
            Tried::Works(what) => println!("tried: {part}: {what}"),
            Tried::Untried(lacks) => println!("NOT TRIED: {part}: no {lacks} here"),
        }
    }
    fs::remove_dir_all(&empty)?;
    Ok(())
}

/// It says its version, has the peer-to-peer parts, carries no symbols, and serves a ledger that
/// a second command reads.
fn program(folder: &Path, version: &str) -> Result<Tried> {
    let program = folder.join("bin/medshare");
    let told = run::output(Command::new(&program).arg("--version"))?;
    if told.trim() != format!("medshare {version}") {
        bail!("it says {told}");
    }
    let symbols = Command::new("nm").arg(&program).output()?;
    if !symbols.stdout.is_empty() {
        bail!("it is not stripped");
    }
    let homes = folder.join("homes");
    fs::create_dir(&homes)?;
    fs::write(homes.join("pass"), "a passphrase\n")?;
    let command = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).current_dir(&homes);
        command
            .env("MEDSHARE_PASSPHRASE_FILE", "pass")
            .env_remove("MEDSHARE_HOME")
            .env_remove("MEDSHARE_CONFIG")
            .env_remove("MEDSHARE_NODE");
        command
    };
    let init = ["--quiet", "init", "--role", "node", "--home", "node"];
    run::output(command(&init).args(["--work-factor", "2", "--phrase-file", "phrase"]))?;
    let node = command(&["node", "run", "--home", "node"])
        .stdout(Stdio::piped())
        .spawn()?;
    let served = serves(node, || {
        run::output(&mut command(&["ledger", "replay", "--home", "node"]))
    });
    let bytes = fs::metadata(&program)?.len();
    let served = served?;
    let first = served.lines().next().unwrap_or_default();
    Ok(Tried::Works(format!("{bytes} bytes; {first}")))
}

/// Waits for the node's first line, asks it, and ends it.
fn serves(mut node: std::process::Child, ask: impl FnOnce() -> Result<String>) -> Result<String> {
    use std::io::{BufRead as _, BufReader};
    let mut line = String::new();
    let read = match node.stdout.take() {
        Some(stdout) => BufReader::new(stdout).read_line(&mut line),
        None => Ok(0),
    };
    let answer = match line.starts_with("listening") {
        true => ask(),
        false => Err(anyhow::anyhow!("the node said {line:?}")),
    };
    let ended = run::must(Command::new("kill").arg(node.id().to_string()));
    let status = node.wait()?;
    read?;
    ended?;
    if !status.success() {
        bail!("the node ended with {status}");
    }
    answer
}

/// Every page is laid out without a warning, and there is one for each command.
fn manual(folder: &Path, _: &str) -> Result<Tried> {
    let pages = files(&folder.join("man/man1"))?;
    if !is_there("man") {
        return Ok(Tried::Untried("man"));
    }
    for page in &pages {
        let mut man = Command::new("man");
        let laid_out = man.args(["--warnings", "-l"]).arg(page).output()?;
        let text = String::from_utf8_lossy(&laid_out.stdout);
        let whole = text.contains("SYNOPSIS") && laid_out.stderr.is_empty();
        if !laid_out.status.success() || !whole {
            bail!(
                "{}: {}",
                page.display(),
                String::from_utf8_lossy(&laid_out.stderr)
            );
        }
    }
    let named = |name: &str| pages.iter().any(|page| page.ends_with(name));
    if !named("medshare.1") || !named("medshare-record-publish.1") {
        bail!("pages are missing");
    }
    Ok(Tried::Works(format!("{} pages", pages.len())))
}

/// bash completes a noun and a verb; the other shells take their files.
fn completions(folder: &Path, _: &str) -> Result<Tried> {
    if !is_there("bash") {
        return Ok(Tried::Untried("bash"));
    }
    let script = "source \"$0\"
        COMP_WORDS=(medshare record pub) COMP_CWORD=2
        _medshare medshare pub record
        echo \"${COMPREPLY[@]}\"";
    let file = folder.join("completions/medshare.bash");
    let completed = run::output(Command::new("bash").args(["-c", script]).arg(&file))?;
    if completed.trim() != "publish" {
        bail!("bash completes `record pub` to {completed:?}");
    }
    let mut shells = vec!["bash"];
    for (shell, file) in [("zsh", "_medshare"), ("fish", "medshare.fish")] {
        if is_there(shell) {
            let file = folder.join("completions").join(file);
            run::must(Command::new(shell).arg("-n").arg(file))?;
            shells.push(shell);
        }
    }
    Ok(Tried::Works(format!("by {}", shells.join(", "))))
}

/// It names this version, and what came from a registry has the registry's checksum.
fn bill(folder: &Path, version: &str) -> Result<Tried> {
    let text = fs::read_to_string(folder.join("sbom.cdx.json"))?;
    let bill: Value = serde_json::from_str(&text)?;
    let own = &bill["metadata"]["component"];
    if own["name"] != "medshare" || own["version"] != version {
        bail!("it is of {own}");
    }
    let components = bill["components"].as_array().context("no components")?;
    let summed = |part: &&Value| part["hashes"][0]["content"].as_str().is_some();
    let with_sums = components.iter().filter(summed).count();
    let ours = components.iter().filter(|part| !summed(part)).count();
    // The crates of this workspace have none: they are what the program is.
    if with_sums < 100 || ours > 20 {
        bail!("{with_sums} components have a checksum, {ours} have none");
    }
    Ok(Tried::Works(format!(
        "{with_sums} components from registries, {ours} of ours"
    )))
}

/// systemd reads it and finds the program.
fn unit(folder: &Path, _: &str) -> Result<Tried> {
    if !is_there("systemd-analyze") {
        return Ok(Tried::Untried("systemd-analyze"));
    }
    const INSTALLED: &str = "/usr/bin/medshare";
    let text = fs::read_to_string(folder.join(UNIT))?;
    if !text.contains(&format!("ExecStart={INSTALLED} ")) {
        bail!("{UNIT} does not start {INSTALLED}");
    }
    let program = folder.join("bin/medshare").display().to_string();
    let unpacked = folder.join("homes").join(UNIT);
    fs::write(&unpacked, text.replace(INSTALLED, &program))?;
    let mut verify = Command::new("systemd-analyze");
    let done = verify
        .args(["verify", "--man=no"])
        .arg(&unpacked)
        .output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() || said.contains(UNIT) {
        bail!("systemd-analyze verify: {said}");
    }
    Ok(Tried::Works("systemd-analyze verify".to_owned()))
}

/// A link between documents of the archive leads to one of them.
fn documents(folder: &Path, _: &str) -> Result<Tried> {
    let mut followed = 0;
    for path in super::documents()?
        .iter()
        .filter(|path| path.ends_with(".md"))
    {
        let text = fs::read_to_string(folder.join(path)).with_context(|| path.clone())?;
        for link in crate::links::targets(&text) {
            let file = link.split('#').next().unwrap_or_default();
            // Sources are not in the archive.
            if crate::links::is_elsewhere(&link) || !file.ends_with(".md") {
                continue;
            }
            let to = crate::links::resolved(path, file).context("no path")?;
            if to.starts_with("bench/") {
                continue;
            }
            if !folder.join(&to).is_file() {
                bail!("{path}: {link}");
            }
            followed += 1;
        }
    }
    Ok(Tried::Works(format!("{followed} links between them")))
}

const UNIT: &str = "medshare-node.service";

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let mut found = Vec::new();
    for entry in entries {
        found.push(entry?.path());
    }
    found.sort();
    Ok(found)
}

fn is_there(program: &str) -> bool {
    let mut which = Command::new("sh");
    which.args(["-c", "command -v \"$0\""]).arg(program);
    let silent = which.stdout(Stdio::null()).status();
    silent.is_ok_and(|status| status.success())
}
