//! No decoder without a fuzz target: every place in the sources that makes something of
//! bytes or text from outside is found and must be on the list, with the decoder that
//! covers it or the reason why none can.

mod list;

use super::targets;
use list::SITES;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A call of a decoder for any type.
const CALLS: [&str; 9] = [
    "codec::decode",
    "decode_lenient",
    "decode_within",
    "serde_ipld_dagcbor::from_",
    "Deserializer::from_",
    "serde_json::from_",
    "toml::from_",
    "from_tagged_slice",
    ": Query<",
];
/// Names of functions that decode, if they are given bytes or text.
const NAMES: [&str; 5] = ["decode", "from_bytes", "parse", "from_block", "read"];
const GIVEN: [&str; 8] = [
    "bytes: &[u8]",
    "bytes: &Bytes",
    "bytes: [u8",
    "text: &",
    "words: &str",
    "value: &str",
    "plain: &[u8]",
    "head: &[u8",
];

/// What covers a place.
enum By {
    /// These decoders.
    Fuzz(&'static [&'static str]),
    /// None, because
    Not(&'static str),
}
use By::{Fuzz, Not};

#[test]
fn no_decoder_without_a_fuzz_target() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in fs::read_dir(&crates).unwrap() {
        sources(&folder.unwrap().path().join("src"), &mut files);
    }
    let mut found = BTreeSet::new();
    for file in files {
        let name = file
            .strip_prefix(&crates)
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/");
        if !skipped(&name) {
            let text = fs::read_to_string(&file).unwrap();
            found.extend(places(&text).map(|function| (name.clone(), function)));
        }
    }
    let listed: BTreeMap<_, _> = SITES
        .iter()
        .map(|(path, function, by)| ((path.to_string(), function.to_string()), by))
        .collect();
    let new: Vec<_> = found
        .iter()
        .filter(|it| !listed.contains_key(*it))
        .collect();
    assert!(
        new.is_empty(),
        "decode, and no fuzz target is named for them: {new:#?}"
    );
    let gone: Vec<_> = listed.keys().filter(|it| !found.contains(*it)).collect();
    assert!(gone.is_empty(), "no longer there: {gone:#?}");

    let known: BTreeSet<String> = targets()
        .flat_map(|target| {
            let names = target.decoders.iter();
            names.map(|decoder| format!("{}/{}", target.name, decoder.name))
        })
        .collect();
    for by in listed.values() {
        match by {
            Fuzz(names) => {
                for name in *names {
                    let built = cfg!(feature = "peers") || !name.starts_with("peers/");
                    assert!(!built || known.contains(*name), "no decoder {name}");
                }
            }
            Not(why) => assert!(!why.is_empty()),
        }
    }
}

/// Not linked into the product, or generated from outside nothing.
fn skipped(name: &str) -> bool {
    [
        "test",
        "/literal/",
        "ibpre/src/vectors.rs",
        "ibpre/src/statistics.rs",
        "/demo/",
        "/trials/",
    ]
    .iter()
    .any(|part| name.contains(part))
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// Functions of a source, tests aside, that decode.
fn places(text: &str) -> impl Iterator<Item = String> {
    let product = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    let lines: Vec<&str> = product.lines().collect();
    let mut function = "-".to_owned();
    let mut found = BTreeSet::new();
    for (number, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        let mut decodes = CALLS.iter().any(|call| line.contains(call));
        if let Some(name) = function_of(line) {
            function = name.to_owned();
            let signature = lines[number..lines.len().min(number + 4)].concat();
            let signature = signature.split('{').next().unwrap_or_default();
            decodes |= NAMES.contains(&name) && GIVEN.iter().any(|it| signature.contains(it));
        }
        if line.contains("FromStr for") || line.contains("TryFrom<&") {
            function = "from_str".to_owned();
            decodes = true;
        }
        if decodes {
            found.insert(function.clone());
        }
    }
    found.into_iter()
}

fn function_of(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let starts = before.is_empty() || before.ends_with([' ', '\t']);
    let end = rest.find(['(', '<'])?;
    starts.then_some(&rest[..end])
}
