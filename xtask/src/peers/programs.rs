//! The list of peers, how their programs are built and started.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{figures::Figures, openfhe};
use crate::run;

/// One program, ready to be started.
pub(super) struct Program {
    /// Name in the tables, the one the program prints.
    pub(super) name: String,
    executable: PathBuf,
    /// Script, if an interpreter is started, and the variant.
    words: Vec<String>,
}

/// Name in the tables, package of the program, variant, crate that is measured.
const PEERS: &[(&str, &str, &str, &str)] = &[
    ("ibpre A", "peer-ibpre", "A", "ibpre"),
    ("ibpre B", "peer-ibpre", "B", "ibpre"),
    ("umbral-pre", "peer-umbral", "", "umbral-pre"),
    ("recrypt", "peer-recrypt", "", "recrypt"),
    ("age", "peer-age", "", "age"),
    ("ml-kem 512", "peer-ml-kem", "512", "ml-kem"),
    ("ml-kem 768", "peer-ml-kem", "768", "ml-kem"),
    ("aws-lc ml-kem 512", "peer-aws-lc", "512", "aws-lc-rs"),
    ("aws-lc ml-kem 768", "peer-aws-lc", "768", "aws-lc-rs"),
    ("fn-dsa 1024", "peer-fn-dsa", "1024", "fn-dsa"),
    ("ntru-trapdoor", "peer-ntru-trapdoor", "", "ntru-trapdoor"),
];

/// Workspaces of the peers; recrypt's dependencies agree with nobody's.
const WORKSPACES: &[&str] = &["bench/peers", "bench/peers/recrypt"];

/// Seconds each program measures in one round; ours has three times as many operations as any other.
const SECONDS: u64 = 3;
const OUR_SECONDS: u64 = 7;
/// Most seconds one round of a program may take, its set-up included.
const LIMIT: Duration = Duration::from_secs(180);

/// Builds what is asked for; what cannot be built or had is noted as absent, with the reason.
pub(super) fn build(only: Option<&str>, figures: &mut Figures) -> Result<Vec<Program>> {
    let asked = |name: &str| only.is_none_or(|only| name.contains(only));
    let target = target();
    let mut executables = BTreeMap::new();
    let mut versions = BTreeMap::new();
    for workspace in WORKSPACES {
        compile(workspace, &target, &mut executables)?;
        locked(workspace, &mut versions)?;
    }
    let mut programs = Vec::new();
    for (name, package, variant, measured) in PEERS.iter().filter(|peer| asked(peer.0)) {
        let version = versions.get(*measured).cloned().unwrap_or_default();
        let mut version = format!("{measured} {version}");
        if *measured == "ibpre" {
            version = format!("{version} at {}", commit()?);
        }
        figures.declare(name, &version);
        match executables.get(*package) {
            Some(executable) => programs.push(Program {
                name: (*name).to_owned(),
                executable: executable.clone(),
                words: Some(*variant)
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
            }),
            None => figures.set_absent(name, "its program does not build"),
        }
    }
    let modes: Vec<&str> = openfhe::MODES
        .iter()
        .copied()
        .filter(|mode| asked(&openfhe::name(mode)))
        .collect();
    if modes.is_empty() {
        return Ok(programs);
    }
    let interpreter = openfhe::interpreter(&target);
    for mode in modes {
        let name = openfhe::name(mode);
        figures.declare(&name, &format!("openfhe {}", openfhe::version()?));
        match &interpreter {
            Ok(executable) => programs.push(Program {
                name,
                executable: executable.clone(),
                words: vec![openfhe::script().display().to_string(), mode.to_owned()],
            }),
            Err(error) => figures.set_absent(&name, &format!("{error:#}")),
        }
    }
    Ok(programs)
}

impl Program {
    /// One round: what the program prints, or why it failed.
    pub(super) fn run(&self, core: usize) -> Result<String> {
        let mut command = Command::new(&self.executable);
        let ours = self.name.starts_with("ibpre");
        let seconds = if ours { OUR_SECONDS } else { SECONDS };
        let (script, variant) = match self.words.as_slice() {
            [script, variant] => (Some(script), Some(variant)),
            words => (None, words.first()),
        };
        command
            .args(script)
            .args(["--seconds", &seconds.to_string()]);
        command.args(["--core", &core.to_string()]).args(variant);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("it cannot be started")?;
        let streams = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = streams else {
            bail!("it has no output");
        };
        let (out, err) = (drain(stdout), drain(stderr));
        let status = wait(&mut child)?;
        let (out, err) = (
            out.join().unwrap_or_default(),
            err.join().unwrap_or_default(),
        );
        if !status {
            let last = err
                .lines()
                .rfind(|line| !line.starts_with("note:"))
                .unwrap_or("no reason given");
            bail!("it ended early: {}", last.trim());
        }
        Ok(out)
    }
}

/// True if it ended well; an error if it did not end in time.
fn wait(child: &mut Child) -> Result<bool> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if begin.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("it did not end within {} s", LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Reads a stream to its end, so that the program never waits for us.
fn drain(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Builds a workspace as far as it goes; cargo tells which programs came out of it.
fn compile(workspace: &str, target: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    println!("building {workspace}");
    let mut command = run::cargo();
    command.args(["build", "--release", "--locked", "--keep-going", "--quiet"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command
        .arg("--manifest-path")
        .arg(run::root().join(workspace).join("Cargo.toml"));
    command.arg("--target-dir").arg(target);
    // Not an error: a peer that does not build is named in the table.
    let done = command
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(executable) = message["executable"].as_str() {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            found.insert(name.to_owned(), PathBuf::from(executable));
        }
    }
    Ok(())
}

/// Versions of the peers' crates, from the lock file. A crate that is locked twice is no peer's own.
fn locked(workspace: &str, versions: &mut BTreeMap<String, String>) -> Result<()> {
    let text = fs::read_to_string(run::root().join(workspace).join("Cargo.lock"))?;
    let lock: toml::Table = text.parse()?;
    let packages = lock
        .get("package")
        .and_then(toml::Value::as_array)
        .context("an empty lock file")?;
    for package in packages {
        let word = |key| {
            package
                .get(key)
                .and_then(toml::Value::as_str)
                .unwrap_or_default()
        };
        versions.insert(word("name").to_owned(), word("version").to_owned());
    }
    Ok(())
}

/// The commit that is measured; a plus sign says that files were changed since.
fn commit() -> Result<String> {
    let git =
        |words: &[&str]| run::output(Command::new("git").args(words).current_dir(run::root()));
    let changed = git(&["status", "--porcelain", "--", "crates/ibpre", "bench/peers"])?;
    let mark = if changed.trim().is_empty() { "" } else { "+" };
    Ok(format!(
        "{}{mark}",
        git(&["rev-parse", "--short=10", "HEAD"])?.trim()
    ))
}

/// Where the peers' programs and OpenFHE's environment are kept.
fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| run::root().join("target"), PathBuf::from);
    target.join("peers")
}
