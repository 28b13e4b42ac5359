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
    for package in &PACKAGES {
        let start = Instant::now();
        let minutes = || start.elapsed().as_secs_f64() / 60.0;
        let mutants = list::of(&tool, package.name)?;
        let wanted = wanted(&mutants, &words, which)?;
        if wanted.is_empty() {
            continue;
        }
        let run = Run::new(package, &mutants, &wanted, jobs)?;
        println!("{:.1} minutes until here", minutes());
        let mut found = BTreeMap::new();
        for is_last in [false, true] {
            for (path, file) in &wanted {
                // One build each comes last: it takes the place of the build with all.
                match is_last {
                    false => run.together(&file.mutants, &mut found)?,
                    true if file.is_done(&found) => continue,
                    true => run.alone(&file.mutants, &mut found)?,
                }
                if file.is_done(&found) {
                    let row = file.row(&found);
                    let survive = row.survivors.len();
                    println!("{path}: {} mutants, {survive} survive", row.mutants);
                    page::put(path, row)?;
                }
            }
        }
        if which == Which::Slow {
            for (path, file) in &wanted {
                compare(&tool, package, path, &file.mutants, &found)?;
            }
        }
        println!("{}: {:.1} minutes", package.name, minutes());
    }
    page::check()
}

/// What is to be run of one file.
struct Wanted<'a> {
    /// What is known and stays.
    row: Row,
    mutants: Vec<&'a Mutant>,
}

impl Wanted<'_> {
    fn is_done(&self, found: &BTreeMap<usize, Verdict>) -> bool {
        self.mutants
            .iter()
            .all(|mutant| found.contains_key(&mutant.number))
    }

    /// The row with what became of the mutants.
    fn row(&self, found: &BTreeMap<usize, Verdict>) -> Row {
        let mut row = self.row.clone();
        for mutant in &self.mutants {
            let verdict = found[&mutant.number];
            match row.survivors.contains(&mutant.name) {
                true => row.again(&mutant.name, verdict),
                false => row.add(&mutant.name, verdict),
            }
        }
        row
    }
}

fn wanted<'a>(
    mutants: &'a [Mutant],
    words: &[&str],
    which: Which,
) -> Result<BTreeMap<&'a str, Wanted<'a>>> {
    let rows = page::read()?;
    let mut wanted = BTreeMap::new();
    for of_file in mutants.chunk_by(|a, b| a.path == b.path) {
        let path = of_file[0].path.as_str();
        if !words.is_empty() && !words.iter().any(|word| path.contains(word)) {
            continue;
        }
        let digest = digest(path)?;
        let known = rows.get(path).filter(|row| row.digest() == digest);
        let (row, mutants) = match (which, known) {
            (Which::New, Some(_)) => continue,
            (Which::Survivors, Some(row)) => {
                let survive = |mutant: &&Mutant| row.survivors.contains(&mutant.name);
                (row.clone(), of_file.iter().filter(survive).collect())
            }
            _ => (Row::new(digest), of_file.iter().collect::<Vec<_>>()),
        };
        if !mutants.is_empty() {
            wanted.insert(path, Wanted { row, mutants });
        }
    }
    Ok(wanted)
}

/// All that is needed to run mutants of a package.
struct Run<'a> {
    sources: Sources<'a>,
    sorted: Sorted,
    suite: Suite,
    tree: Tree,
    jobs: usize,
}

impl<'a> Run<'a> {
    fn new(
        package: &'static Package,
        mutants: &'a [Mutant],
        wanted: &BTreeMap<&str, Wanted<'_>>,
        jobs: usize,
    ) -> Result<Self> {
        let asked = |numbers: Option<&BTreeSet<usize>>| {
            let asked = wanted.values().flat_map(|file| &file.mutants);
            let is_in = |mutant: &&&Mutant| numbers.is_none_or(|all| all.contains(&mutant.number));
            asked.filter(is_in).count()
        };
        let all = mutants.len();
        println!("{}: {all} mutants, {} to run", package.name, asked(None));
        let sources = Sources::read(package, mutants)?;
        let tree = Tree::new(package);
        let sorted = sources.sort(&tree)?;
        let (alone, refused) = (asked(Some(&sorted.alone)), asked(Some(&sorted.refused)));
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
            tree,
            jobs,
        })
    }

    /// What becomes of those of a file that are switched, or do not compile.
    fn together(&self, mutants: &[&Mutant], found: &mut BTreeMap<usize, Verdict>) -> Result<()> {
        let of_file = mutants.iter().map(|mutant| mutant.number);
        for number in of_file
            .clone()
            .filter(|number| self.sorted.refused.contains(number))
        {
            found.insert(number, Verdict::Unviable);
        }
        let switched = of_file.filter(|number| !self.sorted.alone.contains(number));
        let results = Mutex::new(found);
        self.suite
            .verdicts(&switched.collect::<Vec<_>>(), |number, verdict| {
                tell(mutants, number, verdict);
                let mut found = results.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert(number, verdict);
            })
    }

    /// What becomes of those that are compiled for themselves.
    fn alone(&self, mutants: &[&Mutant], found: &mut BTreeMap<usize, Verdict>) -> Result<()> {
        for mutant in mutants {
            if found.contains_key(&mutant.number) {
                continue;
            }
            self.sources.apply(&self.tree, mutant)?;
            let verdict = match self.tree.build()? {
                None => Verdict::Unviable,
                Some(binaries) => {
                    let mut suite = Suite::of(&binaries, self.tree.folder(), self.jobs)?;
                    suite.time_as(&self.suite);
                    suite.verdict()?
                }
            };
            tell(mutants, mutant.number, verdict);
            found.insert(mutant.number, verdict);
        }
        Ok(())
    }
}

/// Prints what was not caught by a failing test.
fn tell(mutants: &[&Mutant], number: usize, verdict: Verdict) {
    let told = mutants.iter().find(|mutant| mutant.number == number);
    if let Some(mutant) = told
        && matches!(verdict, Verdict::Survives | Verdict::Endless)
    {
        println!("{verdict:?}: {}", mutant.told);
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
