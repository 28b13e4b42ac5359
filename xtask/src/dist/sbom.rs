//! What is compiled into the program, as CycloneDX 1.5
//! (<https://cyclonedx.org/docs/1.5/json/>): every package that is reached over normal
//! dependencies, with version, licence and the registry's checksum.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The program's version.
pub(super) fn version(metadata: &Value) -> Result<String> {
    Ok(program(metadata)?["version"]
        .as_str()
        .context("no version")?
        .to_owned())
}

/// The bill of a `cargo metadata` whose features are the program's.
pub(super) fn cyclonedx(metadata: &Value, lock: &str) -> Result<Value> {
    let program = program(metadata)?;
    let sums = checksums(lock)?;
    let reached = reached(metadata, id(program)?)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let mut components = Vec::new();
    for package in packages {
        let own = id(package)?;
        if own == id(program)? || !reached.contains(own) {
            continue;
        }
        components.push(component("library", package, &sums)?);
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component("application", program, &sums)? },
        "components": components,
    }))
}

type Sums = BTreeMap<(String, String), String>;

fn component(kind: &str, package: &Value, sums: &Sums) -> Result<Value> {
    let name = package["name"].as_str().context("no name")?;
    let version = package["version"].as_str().context("no version")?;
    let link = format!("pkg:cargo/{name}@{version}");
    let mut component = json!({
        "type": kind, "bom-ref": link, "purl": link, "name": name, "version": version,
    });
    if let Some(licence) = package["license"].as_str() {
        // Cargo still takes "MIT/Apache-2.0", which is no expression of SPDX.
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(sum) = sums.get(&(name.to_owned(), version.to_owned())) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    Ok(component)
}

fn program(metadata: &Value) -> Result<&Value> {
    let packages = metadata["packages"].as_array().context("no packages")?;
    let found = packages
        .iter()
        .find(|package| package["name"] == "medshare");
    found.context("no package medshare")
}

fn id(package: &Value) -> Result<&str> {
    package["id"].as_str().context("a package without id")
}

/// Ids reached from `start` over dependencies that are neither for tests nor for building.
fn reached<'a>(metadata: &'a Value, start: &'a str) -> Result<BTreeSet<&'a str>> {
    let nodes = metadata["resolve"]["nodes"]
        .as_array()
        .context("nothing is resolved")?;
    let nodes: BTreeMap<&str, &Value> = nodes
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let mut found = BTreeSet::new();
    let mut todo = vec![start];
    while let Some(next) = todo.pop() {
        if !found.insert(next) {
            continue;
        }
        let node = nodes
            .get(next)
            .with_context(|| format!("{next} is not resolved"))?;
        for dependency in node["deps"].as_array().into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
            if kinds.into_iter().any(|kind| kind["kind"].is_null()) {
                todo.extend(dependency["pkg"].as_str());
            }
        }
    }
    Ok(found)
}

fn checksums(lock: &str) -> Result<Sums> {
    let lock: toml::Table = lock.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    Ok(packages
        .into_iter()
        .flatten()
        .filter_map(|package| {
            let name = (text(package, "name")?, text(package, "version")?);
            Some((name, text(package, "checksum")?))
        })
        .collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_in_is_listed_once_and_nothing_else() {
        let package = |name: &str| json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0"});
        let to = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let node = |name: &str, deps: Value| json!({"id": name, "deps": deps});
        let packages = ["medshare", "a", "b", "tester", "builder"].map(package);
        let metadata = json!({
            "packages": packages,
            "resolve": {"nodes": [
                node("medshare", json!([to("a", Value::Null), to("tester", "dev".into())])),
                node("a", json!([to("b", Value::Null), to("builder", "build".into())])),
                node("b", json!([to("a", Value::Null)])),
            ]},
        });
        let lock = "[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n";
        let bill = cyclonedx(&metadata, lock).unwrap();
        let names: Vec<_> = bill["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(bill["components"][1]["hashes"][0]["content"], "ab");
        assert_eq!(
            bill["components"][0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(version(&metadata).unwrap(), "1.0.0");
    }
}
