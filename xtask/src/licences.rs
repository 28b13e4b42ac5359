//! Licences and sources of every dependency, against `deny.toml`.
//!
//! The same file serves `cargo deny` where that tool is installed; this check needs only
//! `cargo metadata`, so it runs everywhere.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::run;

/// Checks every package that the lock file names.
pub(crate) fn run() -> Result<()> {
    let rules: toml::Table = std::fs::read_to_string(run::root().join("deny.toml"))?.parse()?;
    let allowed = strings(&rules, "licenses", "allow")?;
    let excepted = exceptions(&rules)?;
    let banned: BTreeSet<String> = rules
        .get("bans")
        .and_then(|bans| bans.get("deny")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.get("crate")?.as_str()?.to_owned()))
        .collect();
    // Everything that some build of ours can contain, on any platform.
    let metadata = run::metadata_of(&["--features", "medshare/full"])?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let mut faults = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        if banned.contains(name) {
            faults.push(format!("{name} {version} is banned by deny.toml"));
        }
        if let Some(source) = package["source"].as_str()
            && !source.starts_with("registry+")
        {
            faults.push(format!(
                "{name} {version} comes from {source}, not from the registry"
            ));
        }
        match package["license"].as_str() {
            Some(expression) if satisfied(expression, &allowed) => {}
            Some(expression)
                if excepted
                    .get(name)
                    .is_some_and(|more| satisfied(expression, more)) => {}
            Some(expression) => faults.push(format!("{name} {version}: licence {expression}")),
            None => faults.push(format!("{name} {version} states no licence expression")),
        }
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    println!("{} packages, all under: {}", packages.len(), join(&allowed));
    Ok(())
}

/// What single packages may have beyond the list, as `cargo deny` reads it.
fn exceptions(rules: &toml::Table) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let list = rules
        .get("licenses")
        .and_then(|table| table.get("exceptions")?.as_array())
        .context("deny.toml has no licenses.exceptions")?;
    let mut found = BTreeMap::new();
    for entry in list {
        let name = entry.get("crate").and_then(toml::Value::as_str);
        let allow = entry.get("allow").and_then(toml::Value::as_array);
        let (name, allow) = name
            .zip(allow)
            .context("an exception without crate or allow")?;
        let words = allow.iter().filter_map(|word| word.as_str());
        found.insert(name.to_owned(), words.map(str::to_owned).collect());
    }
    Ok(found)
}

fn strings(rules: &toml::Table, section: &str, key: &str) -> Result<BTreeSet<String>> {
    let list = rules
        .get(section)
        .and_then(|table| table.get(key)?.as_array())
        .with_context(|| format!("deny.toml has no {section}.{key}"))?;
    Ok(list
        .iter()
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect())
}

/// Evaluates an SPDX expression: `OR` needs one side, `AND` needs all, parentheses nest;
/// `/` is the old spelling of `OR`.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at, allowed) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut holds = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        holds |= all_of(words, at, allowed);
    }
    holds
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut holds = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        holds &= one(words, at, allowed);
    }
    holds
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let word = words.get(*at).copied().unwrap_or_default();
    *at += 1;
    if word == "(" {
        let holds = any_of(words, at, allowed);
        *at += 1;
        return holds;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return allowed.contains(&format!("{word} WITH {exception}"));
    }
    allowed.contains(word)
}

fn join(words: &BTreeSet<String>) -> String {
    words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Names of our own packages and their path dependencies, for tidy.
pub(crate) fn own_edges(metadata: &Value) -> Vec<(String, BTreeSet<String>)> {
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    packages
        .iter()
        .filter(|package| package["source"].is_null())
        .map(|package| {
            let edges = package["dependencies"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|dependency| {
                    dependency["path"].is_string() && dependency["kind"].as_str() != Some("dev")
                })
                .filter_map(|dependency| dependency["name"].as_str().map(short))
                .collect();
            (short(package["name"].as_str().unwrap_or_default()), edges)
        })
        .collect()
}

fn short(name: &str) -> String {
    name.strip_prefix("medshare-").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]
            .map(str::to_owned)
            .into();
        assert!(satisfied("MIT OR GPL-3.0", &allowed));
        assert!(satisfied("MIT/Apache-2.0", &allowed));
        assert!(satisfied("ISC AND (GPL-2.0 OR MIT)", &allowed));
        assert!(satisfied("Apache-2.0 WITH LLVM-exception", &allowed));
        assert!(!satisfied("MIT AND GPL-3.0", &allowed));
        assert!(!satisfied("AGPL-3.0", &allowed));
        assert!(!satisfied("MIT OR", &["ISC".to_owned()].into()));
    }
}
