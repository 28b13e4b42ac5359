//! All mutants of a package compiled at once; see ADR 22.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    process::Command,
};

use super::{
    Package,
    build::{Fault, Tree},
    list::Mutant,
    rewrite::{self, Switched},
    spots::{self, Spot},
};
use crate::run;

/// The sources of a package with the places of its mutants.
pub(super) struct Sources<'a> {
    package: &'static Package,
    files: BTreeMap<&'a str, File<'a>>,
}

/// How the mutants of a package compile.
#[derive(Serialize, Deserialize)]
pub(super) struct Sorted {
    /// The sources that it was found with.
    key: String,
    /// Those that could not be switched.
    pub(super) alone: BTreeSet<usize>,
    /// Those of them that do not compile.
    pub(super) refused: BTreeSet<usize>,
}

struct File<'a> {
    text: String,
    mutants: Vec<(&'a Mutant, Spot)>,
    bodies: Vec<Range<usize>>,
}

impl<'a> Sources<'a> {
    pub(super) fn read(package: &'static Package, mutants: &'a [Mutant]) -> Result<Self> {
        let mut files = BTreeMap::new();
        for of_file in mutants.chunk_by(|a, b| a.path == b.path) {
            let path = of_file[0].path.as_str();
            let text = fs::read_to_string(run::root().join(path)).context("no source")?;
            let of_file: Vec<&Mutant> = of_file.iter().collect();
            let (spots, bodies) = spots::find(&text, &of_file).with_context(|| path.to_owned())?;
            let mutants = of_file.into_iter().zip(spots).collect();
            let file = File {
                text,
                mutants,
                bodies,
            };
            files.insert(path, file);
        }
        Ok(Self { package, files })
    }

    /// Which mutants compile how; kept in a file as long as no source changes, since it takes
    /// minutes. Leaves the tree with all mutants in it that can be switched.
    pub(super) fn sort(&self, tree: &Tree) -> Result<Sorted> {
        let mut command = Command::new("git");
        let sources = run::tracked(".rs")?;
        let product = sources
            .iter()
            .filter(|path| path.starts_with("crates/") && path.contains("/src/"));
        command
            .arg("hash-object")
            .args(product)
            .current_dir(run::root());
        let key = run::output(&mut command)?;
        let path = tree.beside("json");
        let known = fs::read_to_string(&path).ok();
        let known: Option<Sorted> = known.and_then(|text| serde_json::from_str(&text).ok());
        let sorted = match known.filter(|sorted| sorted.key == key) {
            Some(sorted) => sorted,
            None => {
                let alone = self.switch(tree)?;
                let refused = self.refused(tree, &alone)?;
                let sorted = Sorted {
                    key,
                    alone,
                    refused,
                };
                fs::write(path, serde_json::to_string(&sorted)?)?;
                sorted
            }
        };
        tree.fill(&self.with_switch(&self.switched(&sorted.alone))?)?;
        Ok(sorted)
    }

    /// Every file with its mutants, without some.
    fn switched(&self, without: &BTreeSet<usize>) -> BTreeMap<String, Switched> {
        let files = self.files.iter().map(|(path, file)| {
            let with = file.mutants.iter().map(|(mutant, spot)| (*mutant, spot));
            let with = with.filter(|(mutant, _)| !without.contains(&mutant.number));
            let with: Vec<_> = with.collect();
            ((*path).to_owned(), rewrite::switched(&file.text, &with))
        });
        files.collect()
    }

    /// Writes the copy with as many mutants behind switches as compile so; the numbers of
    /// the others.
    fn switch(&self, tree: &Tree) -> Result<BTreeSet<usize>> {
        let all = self.files.values().flat_map(|file| &file.mutants);
        let fixed = all.filter(|(_, spot)| *spot == Spot::Fixed);
        let mut without: BTreeSet<usize> = fixed.map(|(mutant, _)| mutant.number).collect();
        loop {
            let files = self.switched(&without);
            tree.fill(&self.with_switch(&files)?)?;
            let mut faults = tree.check()?;
            if faults.is_empty() {
                faults = tree.check_code()?;
            }
            if faults.is_empty() {
                return Ok(without);
            }
            let before = without.len();
            for fault in &faults {
                without.extend(blamed(&files, fault));
            }
            println!("{} faults, {} not switched", faults.len(), without.len());
            if without.len() == before {
                let messages: Vec<String> = faults.iter().map(Fault::told).collect();
                bail!("with switches it does not compile: {}", messages.join("; "));
            }
        }
    }

    fn with_switch(&self, files: &BTreeMap<String, Switched>) -> Result<BTreeMap<String, String>> {
        let texts = files
            .iter()
            .map(|(path, file)| (path.clone(), file.text.clone()));
        let mut texts: BTreeMap<String, String> = texts.collect();
        let folder = format!("{}/src", self.package.folder);
        let root = format!("{folder}/lib.rs");
        let text = match texts.remove(&root) {
            Some(text) => text,
            None => fs::read_to_string(run::root().join(&root))?,
        };
        texts.insert(root, format!("{text}\nmod {};\n", rewrite::MODULE));
        let module = format!("{folder}/{}.rs", rewrite::MODULE);
        texts.insert(module, rewrite::SWITCH.to_owned());
        Ok(texts)
    }

    /// Which of these mutants the compiler refuses as they are, at their own place. Many are
    /// checked at once, but only one of each function: what is inside of another does not
    /// matter to it.
    fn refused(&self, tree: &Tree, numbers: &BTreeSet<usize>) -> Result<BTreeSet<usize>> {
        let mut refused = BTreeSet::new();
        let mut rounds: Vec<BTreeMap<&str, Vec<&Mutant>>> = Vec::new();
        for (path, file) in &self.files {
            let mut times: BTreeMap<usize, usize> = BTreeMap::new();
            for (mutant, _) in &file.mutants {
                let around = file
                    .bodies
                    .iter()
                    .filter(|body| body.contains(&mutant.range.start));
                // Not a constant: what it spoils may be anywhere.
                if let Some(body) = around.max_by_key(|body| body.len())
                    && numbers.contains(&mutant.number)
                {
                    let time = times.entry(body.start).or_default();
                    if rounds.len() == *time {
                        rounds.push(BTreeMap::new());
                    }
                    rounds[*time].entry(path).or_default().push(mutant);
                    *time += 1;
                }
            }
        }
        for round in &rounds {
            let files = round.iter().map(|(path, mutants)| {
                let text = rewrite::applied(&self.files[path].text, mutants);
                ((*path).to_owned(), text)
            });
            let files: BTreeMap<String, Switched> = files.collect();
            let texts = files
                .iter()
                .map(|(path, file)| (path.clone(), file.text.clone()));
            tree.fill(&texts.collect())?;
            for fault in tree.check()? {
                refused.extend(blamed(&files, &fault));
            }
            println!("{} do not compile", refused.len());
        }
        Ok(refused)
    }

    /// The workspace with one mutant as it is.
    pub(super) fn apply(&self, tree: &Tree, mutant: &Mutant) -> Result<()> {
        let text = mutant.applied(&self.files[mutant.path.as_str()].text);
        tree.fill(&BTreeMap::from([(mutant.path.clone(), text)]))
    }
}

/// The mutants nearest to a fault.
fn blamed(files: &BTreeMap<String, Switched>, fault: &Fault) -> Vec<usize> {
    let of_file = files.iter().map(|(path, file)| {
        let shown = fault.shown.iter().filter(|(of, _)| of == path);
        let shown: Vec<Range<usize>> = shown.map(|(_, range)| range.clone()).collect();
        file.blamed(&shown)
    });
    let found = of_file.filter(|numbers| !numbers.is_empty());
    found.min_by_key(Vec::len).unwrap_or_default()
}
