//! OpenFHE comes as a Python wheel for one version of CPython; this finds that version and sets up an
//! environment of its own under the target folder.

use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::run;

/// Security modes of its proxy re-encryption.
pub(super) const MODES: [&str; 3] = ["INDCPA", "FIXED_NOISE_HRA", "NOISE_FLOODING_HRA"];

/// The version the wheel is built for.
const PYTHON: &str = "3.10";
const FOLDER: &str = "bench/peers/openfhe";

/// Name of a mode in the tables, the one the script prints.
pub(super) fn name(mode: &str) -> String {
    format!("openfhe {mode}")
}

/// The measuring script.
pub(super) fn script() -> PathBuf {
    run::root().join(FOLDER).join("peer.py")
}

/// Version of the wheel, from the list of requirements.
pub(super) fn version() -> Result<String> {
    let text = fs::read_to_string(requirements())?;
    let version = text.lines().find_map(|line| line.strip_prefix("openfhe=="));
    Ok(version
        .context("requirements.txt lacks openfhe")?
        .to_owned())
}

/// An interpreter that can import the wheel, or why there is none.
pub(super) fn interpreter(target: &Path) -> Result<PathBuf> {
    let environment = target.join("openfhe").join(version()?);
    let interpreter = environment.join("bin/python");
    if succeeds(Command::new(&interpreter).args(["-c", "import openfhe"])) {
        return Ok(interpreter);
    }
    let Some(python) = candidates().into_iter().find(|path| is_wanted(path)) else {
        bail!(
            "its wheel needs CPython {PYTHON}, which is not installed (`pyenv install {PYTHON}`)"
        );
    };
    println!("installing openfhe {}", version()?);
    if !succeeds(
        Command::new(python)
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
    ) {
        bail!("CPython {PYTHON} cannot make a virtual environment");
    }
    let mut pip = Command::new(&interpreter);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    if !succeeds(pip.arg("--requirement").arg(requirements())) {
        bail!("its wheel cannot be installed");
    }
    if !succeeds(Command::new(&interpreter).args(["-c", "import openfhe"])) {
        bail!("its wheel is installed and cannot be imported on this system");
    }
    Ok(interpreter)
}

/// Interpreters that may be the wanted one: on the path, or kept by pyenv.
fn candidates() -> Vec<PathBuf> {
    let mut found = vec![
        PathBuf::from(format!("python{PYTHON}")),
        PathBuf::from("python3"),
    ];
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or(home);
    let versions = pyenv.and_then(|root| fs::read_dir(root.join("versions")).ok());
    found.extend(
        versions
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("bin/python")),
    );
    found
}

fn is_wanted(python: &Path) -> bool {
    let script = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name)";
    let told = Command::new(python)
        .args(["-c", script])
        .stderr(Stdio::null())
        .output();
    told.is_ok_and(|told| told.stdout.trim_ascii() == format!("{PYTHON} cpython").as_bytes())
}

fn requirements() -> PathBuf {
    run::root().join(FOLDER).join("requirements.txt")
}

fn succeeds(command: &mut Command) -> bool {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
