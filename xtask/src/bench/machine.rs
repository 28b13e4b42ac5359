//! The circumstances of a measurement.

use anyhow::Result;
use std::{fs, process::Command};

use crate::run;

/// The load of the last minute, as the system has it.
pub(super) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// A line about now and here; `before` is [`load`] at the start.
pub(super) fn when(before: &str) -> Result<String> {
    let date = run::output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{}, {}, {cores} cores, load {before} at the start, {} at the end.",
        date.trim(),
        processor(),
        load()
    ))
}

/// What the system calls its processor.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    name.map_or("processor unknown", |name| {
        name.trim_start_matches([' ', '\t', ':'])
    })
    .to_owned()
}
