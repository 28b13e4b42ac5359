//! A program that is not ours and that the story uses if it is installed.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{party::Running, stage::Stage};
use crate::exit::{Exit, Fault, Result};

/// Starts `name`, or the program that `variable` names, as `arrange` says; silent, unless that
/// says otherwise. It ends with the stage.
///
/// # Errors
/// [`Exit::NotFound`] when there is none.
pub(super) fn start(
    stage: &Stage,
    name: &str,
    variable: &str,
    arrange: impl FnOnce(&mut Command),
) -> Result<Running> {
    let program = env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from);
    let mut command = Command::new(&program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    arrange(&mut command);
    let child = command.spawn().map_err(|error| {
        Fault::new(
            Exit::NotFound,
            format!(
                "{}: {error}; install {name} (`cargo xtask setup` does) and name it in {variable}",
                program.display()
            ),
        )
    })?;
    let running = Running::new(child);
    stage.watch_over(running.clone());
    Ok(running)
}
