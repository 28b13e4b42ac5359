//! Where the sources decode: found by the names of what is called, and by signatures.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A call of a decoder for any type.
const CALLS: [&str; 10] = [
    "codec::decode",
    "decode_lenient",
    "decode_within",
    "serde_ipld_dagcbor::from_",
    "Deserializer::from_",
    "serde_json::from_",
    "toml::from_",
    "from_tagged_slice",
    ": Query<",
    "Parser::new",
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

/// Not linked into the product, or generated from outside nothing.
pub(crate) fn skipped(name: &str) -> bool {
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

pub(crate) fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
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
pub(crate) fn places(text: &str) -> impl Iterator<Item = String> {
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
