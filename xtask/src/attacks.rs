//! The attacks of `docs/attacks.md` at full size, and its plots drawn anew.

use anyhow::Result;

use crate::run;

/// Prints every number of the page, writes its plots, and runs the tests too long for every day.
pub(crate) fn run() -> Result<()> {
    const PACKAGE: [&str; 4] = ["--locked", "--release", "--package", "ibpre"];
    run::must(
        run::cargo()
            .arg("run")
            .args(PACKAGE)
            .args(["--example", "attacks"]),
    )?;
    for target in [&["--test", "attacks"][..], &["--lib", "literal"]] {
        let mut test = run::cargo();
        test.arg("test").args(PACKAGE).args(target);
        run::must(test.args(["--", "--ignored"]))?;
    }
    Ok(())
}
