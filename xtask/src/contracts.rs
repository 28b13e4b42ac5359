//! `cargo xtask contracts`: the Solidity sources compiled anew, and what is committed
//! compared with it.

use anyhow::{Context, Result, bail};
use std::{fs, process::Command};

use crate::{components, run};

const FOLDER: &str = "crates/anchor/src/ethereum/contract";
const COMPILED: &str = "compiled.json";

/// Compiles and writes.
pub(crate) fn write() -> Result<()> {
    let compiled = compile()?;
    fs::write(run::root().join(FOLDER).join(COMPILED), compiled)?;
    println!("{FOLDER}/{COMPILED} is written");
    Ok(())
}

/// Compiles and compares with what is committed.
pub(crate) fn check() -> Result<()> {
    let committed = fs::read_to_string(run::root().join(FOLDER).join(COMPILED))?;
    if compile()? != committed {
        bail!("{FOLDER}/{COMPILED} is not what the sources give; run `cargo xtask contracts`");
    }
    println!("{FOLDER}/{COMPILED} is what the sources give");
    Ok(())
}

fn compile() -> Result<String> {
    let solc = components::component("solc").context("the contracts cannot be compiled")?;
    let mut node = Command::new("node");
    node.arg(run::root().join(FOLDER).join("compile.cjs"))
        .envs(solc.variables.iter().map(|(name, value)| (name, value)));
    run::output(&mut node)
}
