//! Known vulnerabilities: `cargo deny check advisories`, where its database is reachable.

use anyhow::Result;

use crate::run;

/// Installs `cargo-deny` into the project's cache folder if need be, then runs it.
pub(crate) fn run() -> Result<()> {
    let tools = run::root().join("target/tools");
    let deny = tools.join("bin/cargo-deny");
    if !deny.exists() {
        println!("installing cargo-deny into target/tools");
        run::must(
            run::cargo()
                .args(["install", "cargo-deny", "--locked", "--root"])
                .arg(&tools),
        )?;
    }
    run::must(
        std::process::Command::new(deny)
            .current_dir(run::root())
            .args(["check", "advisories"]),
    )
}
