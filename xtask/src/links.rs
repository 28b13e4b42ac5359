//! Links in documents: every one that stays in the tree leads to a file that is tracked, and to
//! a heading that is there. Readers follow them where the files lie, and on the site.

use anyhow::Result;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::run;

/// What is wrong with the links of every tracked document, a line each.
pub(crate) fn faults() -> Result<Vec<String>> {
    let files: BTreeSet<String> = run::tracked("")?.into_iter().collect();
    let mut documents = BTreeMap::new();
    for path in files.iter().filter(|path| path.ends_with(".md")) {
        if let Ok(text) = fs::read_to_string(run::root().join(path)) {
            documents.insert(path.clone(), text);
        }
    }
    let wrong = |path: &String, text: &String| {
        let links = targets(text).into_iter();
        let faults = links.filter_map(|link| fault(path, &link, &files, &documents));
        faults.collect::<Vec<_>>()
    };
    Ok(documents
        .iter()
        .flat_map(|(path, text)| wrong(path, text))
        .collect())
}

fn fault(
    from: &str,
    link: &str,
    files: &BTreeSet<String>,
    documents: &BTreeMap<String, String>,
) -> Option<String> {
    if is_elsewhere(link) {
        return None;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let to = match file {
        "" => from.to_owned(),
        file => resolved(from, file)?,
    };
    let folder = format!("{}/", to.trim_end_matches('/'));
    if !files.contains(&to) && !files.iter().any(|file| file.starts_with(&folder)) {
        return Some(format!("{from}: {link} leads to no tracked file"));
    }
    let has = |text: &String| headings(text).contains(heading);
    let found = heading.is_empty() || documents.get(&to).is_some_and(has);
    (!found).then(|| format!("{from}: {link}: no such heading"))
}

/// Whether a link leaves the tree.
pub(crate) fn is_elsewhere(link: &str) -> bool {
    ["http:", "https:", "mailto:"]
        .iter()
        .any(|scheme| link.starts_with(scheme))
}

/// The path that `link` of the document `from` names, from the root; one that leaves it names
/// itself, which is no file.
pub(crate) fn resolved(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Some(link.to_owned()),
            ".." => {}
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Targets of the links and pictures of a document, code left out.
pub(crate) fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for (open, close) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            for rest in prose.split(open).skip(1) {
                let target = rest.split(close).next().unwrap_or_default();
                found.extend(target.split(' ').next().map(str::to_owned));
            }
        }
    }
    found
}

/// Names of a document's headings, as the sites name them.
fn headings(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if !fenced && line.starts_with('#') {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            });
            found.insert(kept.collect());
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let text = "# A `b`: c\n[1](x.md) and ![2](../p.png)\n```\n[no](no.md)\n```\n`[no](no)`\n\
                    <img src=\"p/q.png\" alt=\"\"> [t](y.md \"title\")";
        assert_eq!(targets(text), ["x.md", "../p.png", "y.md", "p/q.png"]);
        assert!(headings(text).contains("a-b-c"));
        let files: BTreeSet<String> = ["docs/x.md", "docs/y.md", "p.png"]
            .map(str::to_owned)
            .into();
        let documents = BTreeMap::from([("docs/y.md".to_owned(), "## To do".to_owned())]);
        let wrong = |link: &str| fault("docs/x.md", link, &files, &documents).is_some();
        for right in [
            "y.md",
            "y.md#to-do",
            "../p.png",
            "../docs/x.md",
            "../docs",
            "https://a.b",
        ] {
            assert!(!wrong(right), "{right}");
        }
        for there_is_no in [
            "z.md",
            "y.md#done",
            "../x.md",
            "../../p.png",
            "#to-do",
            "p.png",
        ] {
            assert!(wrong(there_is_no), "{there_is_no}");
        }
    }
}
