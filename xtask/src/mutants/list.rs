//! What cargo-mutants would change, as it lists it.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{components, run};

/// What kind of change; cargo-mutants' own word.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Genre {
    /// A body that only returns a value.
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    /// A field of a struct expression left to its base.
    StructField,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mutant {
    /// Its switch; from 1, within the package.
    pub(super) number: usize,
    pub(super) path: String,
    /// As cargo-mutants tells it, without line and column: an answer stays when lines above
    /// it change. Those of one file with the same name are numbered.
    pub(super) name: String,
    /// As cargo-mutants tells it.
    pub(super) told: String,
    pub(super) genre: Genre,
    /// Bytes of the file that go.
    pub(super) range: Range<usize>,
    /// What comes instead.
    pub(super) replacement: String,
}

impl Mutant {
    /// The file's text with the change.
    pub(super) fn applied(&self, source: &str) -> String {
        let (before, after) = (&source[..self.range.start], &source[self.range.end..]);
        format!("{before}{}{after}", self.replacement)
    }
}

/// The pinned cargo-mutants, compiled into the cache once.
pub(super) fn tool() -> Result<PathBuf> {
    let tool = components::component("cargo-mutants")?;
    let program = tool.variables.into_iter().next();
    Ok(program.context("no program")?.1)
}

/// All mutants of a package, in the order of files and lines.
pub(super) fn of(tool: &Path, package: &str) -> Result<Vec<Mutant>> {
    let mut command = Command::new(tool);
    command.current_dir(run::root());
    command.args(["mutants", "--list", "--json", "--package", package]);
    parse(&run::output(&mut command)?, |path| {
        fs::read_to_string(run::root().join(path)).with_context(|| path.to_owned())
    })
}

#[derive(Deserialize)]
struct Told {
    file: String,
    name: String,
    genre: Genre,
    replacement: String,
    span: Span,
}

#[derive(Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Both from 1; columns are characters.
#[derive(Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

fn parse(json: &str, read: impl Fn(&str) -> Result<String>) -> Result<Vec<Mutant>> {
    let mut told: Vec<Told> = serde_json::from_str(json).context("cargo-mutants' list")?;
    told.sort_by(|a, b| a.file.cmp(&b.file)); // stable: lines stay in order
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut mutants = Vec::new();
    for (index, told) in told.into_iter().enumerate() {
        if !sources.contains_key(&told.file) {
            sources.insert(told.file.clone(), read(&told.file)?);
        }
        let source = &sources[&told.file];
        let name = shortened(&told.name);
        let times = seen.entry((told.file.clone(), name.clone())).or_default();
        *times += 1;
        mutants.push(Mutant {
            number: index + 1,
            name: match times {
                1 => name,
                _ => format!("{name} #{times}"),
            },
            range: offset(source, &told.span.start)?..offset(source, &told.span.end)?,
            path: told.file,
            told: told.name,
            genre: told.genre,
            replacement: told.replacement,
        });
    }
    Ok(mutants)
}

/// Without path, line and column.
fn shortened(name: &str) -> String {
    let parts: Vec<&str> = name.splitn(4, ':').collect();
    parts.last().unwrap_or(&name).trim().to_owned()
}

fn offset(source: &str, place: &Place) -> Result<usize> {
    let starts = source.match_indices('\n').map(|(at, _)| at + 1);
    let start = std::iter::once(0)
        .chain(starts)
        .nth(place.line - 1)
        .context("a line after the last")?;
    let columns = source[start..].char_indices().map(|(at, _)| at);
    let column = columns
        .chain([source.len() - start])
        .nth(place.column - 1)
        .context("a column after the last")?;
    Ok(start + column)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// Mutants as cargo-mutants would list them, of a file `a.rs`: genre, what goes (its
    /// first occurrence after the mark), what comes.
    pub(in super::super) fn mutants(source: &str, wanted: &[(Genre, &str, &str)]) -> Vec<Mutant> {
        let mut mutants = Vec::new();
        for (index, (genre, goes, comes)) in wanted.iter().enumerate() {
            let at = source.find(goes).unwrap();
            mutants.push(Mutant {
                number: index + 1,
                path: "a.rs".into(),
                name: format!("{goes} to {comes}"),
                told: String::new(),
                genre: *genre,
                range: at..at + goes.len(),
                replacement: (*comes).into(),
            });
        }
        mutants
    }

    #[test]
    fn a_list_is_read_and_namesakes_are_numbered() {
        let json = r#"[
            {"file": "b.rs", "name": "b.rs:2:5: replace == with != in f", "genre": "BinaryOperator",
             "replacement": "!=", "span": {"start": {"line": 2, "column": 5}, "end": {"line": 2, "column": 7}}},
            {"file": "b.rs", "name": "b.rs:3:1: replace == with != in f", "genre": "BinaryOperator",
             "replacement": "!=", "span": {"start": {"line": 3, "column": 1}, "end": {"line": 3, "column": 3}}}
        ]"#;
        let source = "// é\né + == b\n==";
        let mutants = parse(json, |_| Ok(source.to_owned())).unwrap();
        assert_eq!(mutants[0].applied(source), "// é\né + != b\n==");
        assert_eq!(mutants[1].applied(source), "// é\né + == b\n!=");
        let names: Vec<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
        assert_eq!(
            names,
            ["replace == with != in f", "replace == with != in f #2"]
        );
        assert!(parse(json, |_| Ok(String::new())).is_err());
    }
}
