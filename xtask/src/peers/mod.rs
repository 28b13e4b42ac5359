//! Our scheme beside its peers: builds `bench/peers`, runs every program in turn, several rounds on one core, and
//! writes the section "peers" of `docs/performance.md`.
//!
//! Refuses to know how anything is measured: the programs do that and print JSON lines, which
//! `bench/peers/README.md` describes. A peer that cannot be had or fails is named in the table with its reason.

mod figures;
mod openfhe;
mod programs;
mod table;
mod targets;

use anyhow::{Context, Result, bail};

use crate::{document, run};
use figures::Figures;
use programs::Program;

const USAGE: run::Usage = run::Usage("peers [--rounds N] [--core N] [PEER]");

/// Runs all peers and writes the document; with the name of a peer, that peer only, and prints.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let asked = Asked::read(arguments)?;
    let mut figures = Figures::default();
    let programs = programs::build(asked.only.as_deref(), &mut figures)?;
    measure(&programs, &asked, &mut figures);
    let section = table::section(&figures, asked.core, asked.rounds)?;
    if asked.only.is_some() {
        println!("{section}");
        return Ok(());
    }
    println!("{}", targets::table(&figures));
    document::write(document::PERFORMANCE, "peers", &section)?;
    println!("written to {}", document::PERFORMANCE);
    if let Some((peer, reason)) = figures.absent().find(|(peer, _)| peer.starts_with("ibpre")) {
        bail!("{peer} did not run: {reason}");
    }
    Ok(())
}

struct Asked {
    rounds: usize,
    core: usize,
    only: Option<String>,
}

impl Asked {
    fn read(arguments: &[&str]) -> Result<Self> {
        // The last core: interrupts tend to be served by the first.
        let cores = std::thread::available_parallelism()?.get();
        let mut asked = Self {
            rounds: 6,
            core: cores - 1,
            only: None,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match *word {
                "--rounds" => asked.rounds = words.next().context(USAGE)?.parse().context(USAGE)?,
                "--core" => asked.core = words.next().context(USAGE)?.parse().context(USAGE)?,
                name if !name.starts_with('-') && asked.only.is_none() => {
                    asked.only = Some(name.to_owned());
                }
                _ => bail!(USAGE),
            }
        }
        if asked.rounds == 0 {
            bail!(USAGE);
        }
        Ok(asked)
    }
}

/// Round by round, each round begun by another peer: what disturbs the machine disturbs all of them.
fn measure(programs: &[Program], asked: &Asked, figures: &mut Figures) {
    for round in 0..asked.rounds {
        for turn in 0..programs.len() {
            let program = &programs[(turn + round) % programs.len()];
            if figures.is_absent(&program.name) {
                continue;
            }
            println!("round {} of {}: {}", round + 1, asked.rounds, program.name);
            let lines = program.run(asked.core);
            if let Err(error) = lines.and_then(|lines| figures.add(&program.name, &lines)) {
                println!("  failed: {error:#}");
                figures.set_absent(&program.name, &format!("{error:#}"));
            }
        }
    }
}
