//! The table of formats in `docs/upgrades.md` is the code's: every versioned format of the
//! product stands in it, with its number, its file and its name, and nothing else does.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// File, name of the type or constant, version.
type Entry = (String, String, u64);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What the table of formats says, of rows whose version is a number of their own.
fn written() -> BTreeSet<Entry> {
    let text = fs::read_to_string(root().join("docs/upgrades.md")).unwrap();
    let mut entries = BTreeSet::new();
    let (_, table) = text.split_once("\n## The formats\n").unwrap();
    let table = table.split("\n## ").next().unwrap();
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 7, "five columns: {line}");
        let (version, code) = (cells[3], cells[4]);
        let Ok(version) = version.parse() else {
            continue;
        };
        let mut words = code.split('`').filter(|word| !word.trim().is_empty());
        let path = words.next().unwrap();
        assert!(path.ends_with(".rs"), "{line}");
        for name in words.filter(|word| *word != ", " && *word != " ") {
            let name = name.trim().to_owned();
            if name != "," {
                entries.insert((format!("crates/{path}"), name, version));
            }
        }
    }
    entries
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                let product = name.contains("/src/") && !name.contains("/demo/");
                if product && !name.ends_with("version.rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
                    found.push((name, text));
                }
            }
        }
    }
    found
}

/// The name after the last `before` in `text`.
fn name_before(text: &str, before: &str) -> String {
    let at = text.rfind(before).unwrap() + before.len();
    let rest = &text[at..];
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    rest[..end.unwrap_or(rest.len())].to_owned()
}

/// The number in `Version<N>` or `= N;` that follows, 1 if none is named.
fn number(rest: &str, open: char, close: char) -> u64 {
    let rest = rest.trim_start();
    match rest.strip_prefix(open) {
        Some(rest) => rest.split(close).next().unwrap().trim().parse().unwrap(),
        None => 1,
    }
}

fn coded() -> BTreeSet<Entry> {
    let mut entries = BTreeSet::new();
    for (path, text) in sources() {
        // fields: `version: Version`, under a key of its own or public
        for (at, found) in text.match_indices("version: Version") {
            if !text[at + found.len()..].starts_with([',', '<']) {
                continue;
            }
            let before = &text[..at];
            let attributes: String = before.lines().rev().take(3).collect();
            let public = before.ends_with("pub ");
            if public || attributes.contains("rename = \"v\"") {
                let version = number(&text[at + found.len()..], '<', '>');
                entries.insert((path.clone(), name_before(before, "struct "), version));
            }
        }
        // statements: signed, in an envelope with their version
        for (at, found) in text.match_indices("impl Statement for ") {
            let body = text[at..].split("\n}").next().unwrap();
            let version = body
                .split_once("const VERSION: u32 ")
                .map_or(1, |(_, rest)| number(rest, '=', ';'));
            let name = name_before(&text[..at + found.len() + 40], found);
            entries.insert((path.clone(), name, version));
        }
        // constants
        for line in text.lines() {
            let Some((name, value)) = line.split_once(": u32 = ").or(line.split_once(": u64 = "))
            else {
                continue;
            };
            let Some(name) = name.split(' ').next_back() else {
                continue;
            };
            if name.contains("VERSION") || name == "INTERFACE" {
                let version = value.trim_end_matches(';').parse();
                if !line.starts_with(' ') {
                    entries.insert((path.clone(), name.to_owned(), version.unwrap()));
                }
            }
        }
    }
    entries
}

#[test]
fn the_table_of_formats_is_the_codes() {
    let (written, coded) = (written(), coded());
    let missing: Vec<_> = coded.difference(&written).collect();
    let idle: Vec<_> = written.difference(&coded).collect();
    assert!(missing.is_empty(), "docs/upgrades.md lacks {missing:#?}");
    assert!(idle.is_empty(), "docs/upgrades.md invents {idle:#?}");
    assert!(coded.len() > 25, "{coded:#?}");
}
