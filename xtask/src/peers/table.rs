//! The generated section in Markdown: machine, versions, targets, every operation, sizes, memory.

use anyhow::Result;
use std::{collections::BTreeSet, fmt::Write as _, fs, process::Command};

use super::{
    figures::{Figures, Operation, Peer},
    targets,
};
use crate::run;

/// The verbs in the order of the tables; what a peer calls otherwise comes after them.
const VERBS: &[&str] = &[
    "set up",
    "load the secret key",
    "extract",
    "rekey",
    "encapsulate",
    "encapsulate and wrap",
    "decapsulate",
    "re-encrypt",
    "re-encrypt with proof",
    "open re-encrypted",
    "open re-encrypted, checked",
    "audit",
    "sign",
    "verify a signature",
];

/// What is sent and stored, in the order of the table.
const SIZES: &[&str] = &[
    "public key",
    "secret key",
    "user key",
    "capsule",
    "re-encryption key",
    "re-encrypted capsule",
    "signature",
];

/// Verbs for which ours does something else or more: what the last column compares.
const STANDS_FOR: &[(&str, &str)] = &[
    ("open re-encrypted", "open re-encrypted, checked"),
    ("sign", "extract"),
];

/// The whole section.
pub(super) fn section(figures: &Figures, core: usize, rounds: usize) -> Result<String> {
    let mut text = preamble(figures, core, rounds)?;
    for (peer, reason) in figures.absent() {
        writeln!(text, "\n**Not run: {peer}**: {reason}.")?;
    }
    writeln!(
        text,
        "\n### What was to be reached\n\n{}",
        targets::table(figures)
    )?;
    writeln!(
        text,
        "\nThe batch target (≥ 1.9x on two cores) is no matter of one core: see \"Batches\"."
    )?;
    writeln!(text, "\n### Every operation\n\n{}", operations(figures)?)?;
    writeln!(text, "### Bytes\n\n{}", sizes(figures))?;
    writeln!(
        text,
        "\n### Memory of a peer's process, KiB\n\n{}",
        memory(figures)
    )?;
    Ok(text)
}

fn preamble(figures: &Figures, core: usize, rounds: usize) -> Result<String> {
    let date = run::output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let compiler = run::output(Command::new("rustc").arg("-V"))?;
    let cores = std::thread::available_parallelism()?;
    let notes: Vec<String> = figures
        .present()
        .filter(|peer| !peer.note.is_empty())
        .map(|peer| format!("{}: {}", peer.name, peer.note))
        .collect();
    let mut text = format!(
        "{}, {cores} cores, of which core {core} was used. {}. {}.\n\n",
        processor(),
        date.trim(),
        compiler.trim(),
    );
    writeln!(
        text,
        "Medians of thread-CPU time; rounds, in each of which every program runs in turn with fresh keys: {rounds}.\n\
         Measured: {}.",
        figures.versions().join(", ")
    )?;
    if !notes.is_empty() {
        writeln!(text, "{}.", notes.join("; "))?;
    }
    Ok(text)
}

/// Model of the processor with what decides which paths are taken.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let flags: BTreeSet<String> = field("flags")
        .unwrap_or_default()
        .split(' ')
        .map(str::to_owned)
        .collect();
    let widest = ["avx512f", "avx2", "sse2"]
        .into_iter()
        .find(|flag| flags.contains(*flag));
    let family = |name| field(name).unwrap_or_default();
    format!(
        "{} (family {}, model {}, {})",
        field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        family("cpu family"),
        family("model\t"),
        widest.unwrap_or("no vector flags"),
    )
}

/// One table a verb.
fn operations(figures: &Figures) -> Result<String> {
    let mut names: Vec<&str> = VERBS.to_vec();
    for operation in figures.present().flat_map(|peer| &peer.operations) {
        if !names.contains(&operation.name.as_str()) {
            names.push(&operation.name);
        }
    }
    let mut text = String::new();
    for name in names {
        let rows: Vec<String> = figures
            .present()
            .filter_map(|peer| row(figures, peer, name))
            .collect();
        if !rows.is_empty() {
            writeln!(
                text,
                "**{name}**\n\n| peer | class | ready keys, µs | quartiles | from bytes, µs | times ours | samples | what is called |\n\
                 |---|---|---:|---:|---:|---:|---:|---|\n{}\n",
                rows.join("\n")
            )?;
        }
    }
    Ok(text)
}

fn row(figures: &Figures, peer: &Peer, name: &str) -> Option<String> {
    let find = |form| figures.operation(&peer.name, name, form);
    let (prepared, cold) = (find("prepared"), find("cold"));
    let shown = prepared.or(cold)?;
    let compared = STANDS_FOR
        .iter()
        .find(|(theirs, _)| *theirs == name)
        .map_or(name, |(_, ours)| *ours);
    let ours = figures.operation("ibpre A", compared, &shown.form);
    let ratio = ours.map_or(String::new(), |ours| {
        format!("{:.2}", shown.median() / ours.median())
    });
    let median = |of: Option<&Operation>| of.map_or(String::new(), |of| micros(of.median()));
    Some(format!(
        "| {} | {} | {} | {} to {} | {} | {ratio} | {} | {} |",
        peer.name,
        shown.class,
        median(prepared),
        micros(shown.quantile(0.25)),
        micros(shown.quantile(0.75)),
        median(cold),
        shown.count(),
        shown.call,
    ))
}

fn sizes(figures: &Figures) -> String {
    let mut lines = vec![
        format!("| peer | {} |", SIZES.join(" | ")),
        format!("|---|{}", "---:|".repeat(SIZES.len())),
    ];
    for peer in figures.present() {
        let cells: Vec<String> = SIZES
            .iter()
            .map(|what| {
                figures
                    .size(&peer.name, what)
                    .map_or(String::new(), |bytes| bytes.to_string())
            })
            .collect();
        lines.push(format!("| {} | {} |", peer.name, cells.join(" | ")));
    }
    lines.join("\n")
}

fn memory(figures: &Figures) -> String {
    let mut lines = vec![
        "| peer | before its work | peak | its own |".to_owned(),
        "|---|---:|---:|---:|".to_owned(),
    ];
    for peer in figures.present() {
        let (before, peak) = peer.memory;
        let own = peak.saturating_sub(before);
        lines.push(format!("| {} | {before} | {peak} | {own} |", peer.name));
    }
    lines.join("\n")
}

/// Microseconds with three digits or more.
pub(super) fn micros(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
