//! `cargo xtask mutants`: changes the rules one spot at a time and asks whether a test
//! notices, into `docs/mutants.md`.
//!
//! cargo-mutants says what to change; all changes of a package are compiled together, each
//! behind a switch (ADR 22). What is known is kept: a file whose text has not changed since
//! its row was written is not run again. A survivor that nobody answered in the page's
//! "Answers" is an error.

mod build;
mod list;
mod page;
mod rewrite;
mod slow;
mod spots;
mod suite;
mod together;

use anyhow::{Context, Result, bail};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use crate::run;
use build::Tree;
use list::Mutant;
use page::Row;
use suite::{Suite, Verdict};
use together::{Sorted, Sources};

const USAGE: run::Usage =
    run::Usage("mutants [--again | --survivors | --slow] [--jobs N] [PATH]...");

/// Whose rules.
struct Package {
    name: &'static str,
    folder: &'static str,
}

static PACKAGES: [Package; 2] = [
    Package {
        name: "medshare-ledger",
        folder: "crates/ledger",
    },
    Package {
        name: "medshare-share",
        folder: "crates/share",
    },
];

/// Which mutants are run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those of files that changed.
    New,
    /// All.
    Again,
    /// Those that survived, as well as the new ones.
    Survivors,
    /// All, and by cargo-mutants itself too.
    Slow,
}

/// Runs every file that changed, or those whose path contains one of the words.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut which, mut jobs, mut words) = (Which::New, 2, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(word) = arguments.next() {
        match *word {
            "--again" => which = Which::Again,
            "--survivors" => which = Which::Survivors,
            "--slow" => which = Which::Slow,
            "--jobs" => {
                jobs = arguments
                    .next()
                    .and_then(|text| text.parse().ok())
                    .context(USAGE)?
            }
            word if word.starts_with('-') => bail!(USAGE),
            word => words.push(word),
        }
    }
    if which == Which::Slow && words.is_empty() {
        bail!(USAGE); // days
    }
    let tool = list::tool()?;
    let mut rows = page::read()?;
    for package in &PACKAGES {
        let start = Instant::now();
        let mutants = list::of(&tool, package.name)?;
        let mut wanted = BTreeMap::new();
        for of_file in mutants.chunk_by(|a, b| a.path == b.path) {
            let path = of_file[0].path.as_str();
            if words.is_empty() || words.iter().any(|word| path.contains(word)) {
                let digest = digest(path)?;
                let row = rows.get(path).filter(|row| row.digest == digest);
                let of_file = of_file.iter().filter(|mutant| match (which, row) {
                    (Which::New, Some(_)) => false,
                    (Which::Survivors, Some(row)) => row.survivors.contains(&mutant.name),
                    _ => true,
                });
                let of_file: Vec<&Mutant> = of_file.collect();
                if !of_file.is_empty() {
                    wanted.insert(path, (digest, of_file));
                }
            }
        }
        if wanted.is_empty() {
            continue;
        }
        let all = wanted
            .values()
            .flat_map(|(_, of_file)| of_file.iter().copied());
        let run = Run::new(package, &mutants, all.collect(), jobs)?;
        println!(
            "{:.1} minutes until here",
            start.elapsed().as_secs_f64() / 60.0
        );
        for (path, (digest, of_file)) in &wanted {
            let verdicts = run.verdicts(of_file)?;
            let row = rows.entry((*path).to_owned()).or_default();
            if row.digest != *digest || which != Which::Survivors {
                *row = Row::default();
                row.digest.clone_from(digest);
            }
            for mutant in of_file {
                let verdict = verdicts[&mutant.number];
                match row.survivors.contains(&mutant.name) {
                    true => row.again(&mutant.name, verdict),
                    false => row.add(&mutant.name, verdict),
                }
            }
            println!(
                "{path}: {} mutants, {} survive",
                row.mutants,
                row.survivors.len()
            );
            page::write(&rows)?;
            if which == Which::Slow {
                compare(&tool, package, path, of_file, &verdicts)?;
            }
        }
        println!(
            "{}: {:.1} minutes",
            package.name,
            start.elapsed().as_secs_f64() / 60.0
        );
    }
    page::check(&rows)
}

/// All that is needed to run mutants of a package.
struct Run<'a> {
    sources: Sources<'a>,
    sorted: Sorted,
    suite: Suite,
    /// For those that run alone.
    plain: Tree,
    jobs: usize,
}

impl<'a> Run<'a> {
    fn new(
        package: &'static Package,
        mutants: &'a [Mutant],
        wanted: Vec<&Mutant>,
        jobs: usize,
    ) -> Result<Self> {
        println!(
            "{}: {} mutants, {} to run",
            package.name,
            mutants.len(),
            wanted.len()
        );
        let sources = Sources::read(package, mutants)?;
        let (tree, plain) = (Tree::new(package, "switched"), Tree::new(package, "plain"));
        let sorted = sources.sort(&tree, &plain)?;
        let asked = |numbers: &BTreeSet<usize>| {
            let asked = wanted.iter().map(|mutant| mutant.number);
            asked.filter(|number| numbers.contains(number)).count()
        };
        let (alone, refused) = (asked(&sorted.alone), asked(&sorted.refused));
        println!("{} alone, {refused} do not compile", alone - refused);
        let binaries = tree
            .build()?
            .context("with switches the tests do not compile")?;
        let mut suite = Suite::of(&binaries, tree.folder(), jobs)?;
        suite.record()?;
        println!("{}", suite.told());
        Ok(Self {
            sources,
            sorted,
            suite,
            plain,
            jobs,
        })
    }

    /// What becomes of these.
    fn verdicts(&self, mutants: &[&Mutant]) -> Result<BTreeMap<usize, Verdict>> {
        let found = Mutex::new(BTreeMap::new());
        let named = |number| mutants.iter().find(|mutant| mutant.number == number);
        let done = |number, verdict| {
            if let Some(mutant) = named(number)
                && matches!(verdict, Verdict::Survives | Verdict::Endless)
            {
                println!("{verdict:?}: {}", mutant.told);
            }
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.insert(number, verdict);
        };
        let together = mutants.iter().map(|mutant| mutant.number);
        let together = together.filter(|number| !self.sorted.alone.contains(number));
        self.suite.verdicts(&together.collect::<Vec<_>>(), done)?;
        for mutant in mutants
            .iter()
            .filter(|mutant| self.sorted.alone.contains(&mutant.number))
        {
            let verdict = match self.sorted.refused.contains(&mutant.number) {
                true => Verdict::Unviable,
                false => self.alone(mutant)?,
            };
            done(mutant.number, verdict);
        }
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// One mutant compiled for itself.
    fn alone(&self, mutant: &Mutant) -> Result<Verdict> {
        self.sources.apply(&self.plain, mutant)?;
        let Some(binaries) = self.plain.build()? else {
            return Ok(Verdict::Unviable);
        };
        let mut suite = Suite::of(&binaries, self.plain.folder(), self.jobs)?;
        suite.time_as(&self.suite);
        suite.verdict()
    }
}

/// Runs cargo-mutants on the file and fails if it finds other verdicts.
fn compare(
    tool: &Path,
    package: &'static Package,
    path: &str,
    mutants: &[&Mutant],
    verdicts: &BTreeMap<usize, Verdict>,
) -> Result<()> {
    let slow = slow::verdicts(tool, package, path)?;
    let mut differ = 0;
    for mutant in mutants {
        let (own, other) = (verdicts[&mutant.number], slow.get(&mutant.told));
        if other != Some(&own) {
            println!("{}: {own:?}, by cargo-mutants {other:?}", mutant.told);
            differ += 1;
        }
    }
    println!(
        "{path}: {} mutants, {differ} verdicts differ",
        mutants.len()
    );
    if differ > 0 || slow.len() != mutants.len() {
        bail!("cargo-mutants says otherwise");
    }
    Ok(())
}

/// Beginning of git's name of the file's text.
fn digest(path: &str) -> Result<String> {
    let mut command = Command::new("git");
    let name = run::output(command.args(["hash-object", path]).current_dir(run::root()))?;
    Ok(name.chars().take(12).collect())
}
