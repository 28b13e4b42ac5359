//! The page: a row for each file, and survivors that nobody answered.

use anyhow::{Context, Result, bail};
use std::{collections::BTreeMap, fmt::Write as _, fs};

use super::suite::Verdict;
use crate::{document, run};

const PAGE: &str = "docs/mutants.md";

pub(super) type Rows = BTreeMap<String, Row>;

/// What is known of one file.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Row {
    /// Beginning of git's name of its text.
    digest: String,
    pub(super) mutants: usize,
    /// A test failed.
    caught: usize,
    /// The tests did not come to an end, which is noticed too.
    endless: usize,
    /// It does not compile.
    unviable: usize,
    pub(super) survivors: Vec<String>,
}

impl Row {
    /// Nothing is known of the text with this name.
    pub(super) fn new(digest: String) -> Self {
        Self {
            digest,
            ..Self::default()
        }
    }

    /// The text's name.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Adds one mutant.
    pub(super) fn add(&mut self, name: &str, verdict: Verdict) {
        self.mutants += 1;
        match verdict {
            Verdict::Caught => self.caught += 1,
            Verdict::Endless => self.endless += 1,
            Verdict::Unviable => self.unviable += 1,
            Verdict::Survives => self.survivors.push(name.to_owned()),
        }
    }

    /// Takes what became of a survivor that was tried again.
    pub(super) fn again(&mut self, name: &str, verdict: Verdict) {
        self.survivors.retain(|survivor| survivor != name);
        self.mutants -= 1;
        self.add(name, verdict);
    }
}

/// The rows of files that are still there.
pub(super) fn read() -> Result<Rows> {
    let mut rows = parse(&text()?)?;
    let files = run::tracked(".rs")?;
    rows.retain(|path, _| files.contains(path));
    Ok(rows)
}

/// Adds a row, or takes the place of the one before.
pub(super) fn put(path: &str, row: Row) -> Result<()> {
    let mut rows = read()?; // another run may have written since
    rows.insert(path.to_owned(), row);
    document::write(PAGE, "mutants", &table(&rows))
}

/// An error if a survivor is not answered; all are printed.
pub(super) fn check() -> Result<()> {
    let (rows, page) = (read()?, text()?);
    let open = unanswered(&rows, &page);
    for (path, name) in &open {
        println!("{path}: SURVIVES: {name}");
    }
    if !open.is_empty() {
        bail!("{} mutants survive without an answer in {PAGE}", open.len());
    }
    Ok(())
}

fn text() -> Result<String> {
    fs::read_to_string(run::root().join(PAGE)).context(PAGE)
}

fn table(rows: &Rows) -> String {
    let mut text = "| file | text | mutants | caught | endless | do not compile | survive |\n\
                    |---|---|---:|---:|---:|---:|---|\n"
        .to_owned();
    for (path, row) in rows {
        let survivors: Vec<String> = row
            .survivors
            .iter()
            .map(|name| format!("`{}`", name.replace('|', "\\|")))
            .collect();
        let _ = writeln!(
            text,
            "| {path} | {} | {} | {} | {} | {} | {} |",
            row.digest,
            row.mutants,
            row.caught,
            row.endless,
            row.unviable,
            survivors.join("<br>")
        ); // a String takes all
    }
    text
}

/// The rows as [`table`] wrote them.
fn parse(page: &str) -> Result<Rows> {
    let mut rows = Rows::new();
    for line in page.lines().filter(|line| line.starts_with("| crates/")) {
        let line = line.replace("\\|", "\u{0}");
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [
            _,
            path,
            digest,
            mutants,
            caught,
            endless,
            unviable,
            survivors,
            _,
        ] = cells[..]
        else {
            bail!("{PAGE}: {line}");
        };
        let number = |text: &str| text.parse().with_context(|| format!("{PAGE}: {line}"));
        let survivors = survivors.split("<br>").filter(|name| !name.is_empty());
        let row = Row {
            digest: digest.to_owned(),
            mutants: number(mutants)?,
            caught: number(caught)?,
            endless: number(endless)?,
            unviable: number(unviable)?,
            survivors: survivors
                .map(|name| name.trim_matches('`').replace('\u{0}', "|"))
                .collect(),
        };
        rows.insert(path.to_owned(), row);
    }
    Ok(rows)
}

/// Survivors, with their files, that "Answers" does not name under their file's heading.
fn unanswered<'a>(rows: &'a Rows, page: &str) -> Vec<(&'a str, &'a str)> {
    let of_file = |path: &str| {
        let (_, answers) = page.split_once(&format!("\n### {path}\n"))?;
        answers.split("\n#").next()
    };
    let mut open = Vec::new();
    for (path, row) in rows {
        let answers = of_file(path).unwrap_or_default();
        let without = |name: &&String| !answers.contains(&format!("`{name}`"));
        let names = row.survivors.iter().filter(without);
        open.extend(names.map(|name| (path.as_str(), name.as_str())));
    }
    open
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PATH: &str = "crates/ledger/src/block.rs";
    const NAME: &str = "replace || with && in Head::verify";

    #[test]
    fn what_is_written_is_read_again_and_survivors_are_asked_for() {
        let mut row = Row::default();
        row.add("a", Verdict::Caught);
        row.add(NAME, Verdict::Survives);
        row.add("b", Verdict::Survives);
        row.again("b", Verdict::Endless);
        assert_eq!((row.mutants, row.caught, row.endless), (3, 1, 1));
        assert_eq!(row.survivors, [NAME]);
        let rows = Rows::from([(PATH.to_owned(), row)]);
        let page = table(&rows);
        assert_eq!(parse(&page).unwrap(), rows);
        assert_eq!(unanswered(&rows, &page), [(PATH, NAME)]);
        let answered = |path| format!("{page}\n### {path}\n- `{NAME}`: the same.\n\n### b\n");
        assert!(unanswered(&rows, &answered(PATH)).is_empty());
        assert_eq!(unanswered(&rows, &answered("b")).len(), 1);
        assert!(parse("| crates/a.rs | 1 |").is_err());
    }
}
