//! `cargo xtask docs`: the documents as a site, under `target/site/book`.
//!
//! The same files that are read where they lie: they are laid out beside each other as in the
//! tree, in the order of `SUMMARY.md`, and mdBook makes pages of them. Then every link of every
//! page is followed. That code blocks hold is a test of `crates/medshare/tests/cli/documents`.

use anyhow::{Context, Result, bail};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use crate::{components, copy, links, run, tally::Tally};

/// What cannot be had on every machine.
const NEEDS: &str = "mdBook";

/// Makes the site.
pub(crate) fn run() -> Result<()> {
    let mut tally = Tally::default();
    make(&mut tally)?;
    match tally.missing.get(NEEDS) {
        Some(reason) => bail!("no {NEEDS}: {reason}"),
        None => Ok(()),
    }
}

/// The same, if there is an mdBook; else the tally says why there is none.
pub(crate) fn make(tally: &mut Tally) -> Result<()> {
    let component = match components::component(NEEDS) {
        Ok(component) => component,
        Err(error) => {
            let reason = format!("{error:#}");
            tally.missing.entry(NEEDS).or_insert(reason);
            return Ok(());
        }
    };
    let (_, program) = component.variables.first().context("mdBook is nowhere")?;
    let site = copy::target().join("site");
    if site.exists() {
        fs::remove_dir_all(&site)?;
    }
    let chapters = lay_out(&site)?;
    run::must(Command::new(program).arg("build").arg(&site))?;
    let book = site.join("book");
    let links = follow(&book)?;
    println!(
        "{chapters} chapters, {links} links that lead somewhere: {}",
        book.join("index.html").display()
    );
    Ok(())
}

/// Puts everything that the book is made of under `site`; how many chapters there are.
fn lay_out(site: &Path) -> Result<usize> {
    let tracked = run::tracked("")?;
    let summary = summary(&tracked)?;
    let chapters: BTreeSet<String> = links::targets(&summary).into_iter().collect();
    let of_docs = |path: &&String| path.starts_with("docs/");
    let left_out: Vec<&String> = tracked
        .iter()
        .filter(of_docs)
        .filter(|path| path.ends_with(".md") && !chapters.contains(*path))
        .collect();
    if !left_out.is_empty() {
        bail!("{SUMMARY} lacks {left_out:?}");
    }
    let mut wanted = chapters.clone();
    wanted.extend(tracked.iter().filter(of_docs).cloned());
    // What chapters show or lead to goes along.
    for chapter in &chapters {
        let text = fs::read_to_string(run::root().join(chapter)).context(chapter.clone())?;
        let local = links::targets(&text);
        let local = local.iter().filter(|link| !links::is_elsewhere(link));
        let files = local.filter_map(|link| links::resolved(chapter, link.split('#').next()?));
        wanted.extend(files.filter(|file| tracked.contains(file)));
    }
    for path in &wanted {
        copied(path, &site.join("src").join(path))?;
    }
    fs::write(site.join("src").join(SUMMARY), summary)?;
    copied(BOOK, &site.join(BOOK))?;
    Ok(chapters.len())
}

/// The order of the chapters, with every decision in its place.
fn summary(tracked: &[String]) -> Result<String> {
    let text = fs::read_to_string(run::root().join(SUMMARY))?;
    let mut decisions = String::new();
    for path in tracked.iter().filter(|path| path.starts_with(DECISIONS.1)) {
        let decision = fs::read_to_string(run::root().join(path))?;
        let title = decision.lines().find_map(|line| line.strip_prefix("# "));
        let title = title.with_context(|| format!("{path} has no title"))?;
        decisions.push_str(&format!("- [{title}]({path})\n"));
    }
    if !text.contains(DECISIONS.0) {
        bail!("{SUMMARY} lacks {}", DECISIONS.0);
    }
    Ok(text.replace(DECISIONS.0, &decisions))
}

fn copied(from: &str, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(run::root().join(from), to).with_context(|| from.to_owned())?;
    Ok(())
}

/// Follows every link of every page of `book` that stays there; how many there are.
fn follow(book: &Path) -> Result<usize> {
    let mut pages = BTreeMap::new();
    let mut files = BTreeSet::new();
    collect(book, book, &mut pages, &mut files)?;
    let mut followed = 0;
    let mut broken = Vec::new();
    for (page, text) in &pages {
        for link in attributes(text, &["href", "src"]) {
            if links::is_elsewhere(link) || link.starts_with("data:") {
                continue;
            }
            followed += 1;
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let to = match file {
                "" => Some(page.clone()),
                file => links::resolved(page, file),
            };
            let leads = to.is_some_and(|to| {
                let has = |text: &String| attributes(text, &["id", "name"]).any(|id| id == place);
                files.contains(&to) && (place.is_empty() || pages.get(&to).is_some_and(has))
            });
            if !leads {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    if !broken.is_empty() {
        bail!("links that lead nowhere:\n  {}", broken.join("\n  "));
    }
    Ok(followed)
}

fn collect(
    book: &Path,
    folder: &Path,
    pages: &mut BTreeMap<String, String>,
    files: &mut BTreeSet<String>,
) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(book, &path, pages, files)?;
            continue;
        }
        let name = path.strip_prefix(book)?.to_string_lossy().into_owned();
        // The page for addresses that there are not stands for any folder.
        if name.ends_with(".html") && name != "404.html" {
            pages.insert(name.clone(), fs::read_to_string(&path)?);
        }
        files.insert(name);
    }
    Ok(())
}

/// Values of the attributes of these names.
fn attributes<'a>(html: &'a str, names: &'a [&str]) -> impl Iterator<Item = &'a str> {
    names.iter().flat_map(move |name| {
        let values = html.match_indices(*name).filter_map(|(at, _)| {
            let before = html[..at].chars().next_back()?;
            let value = html[at + name.len()..].strip_prefix("=\"")?;
            before.is_whitespace().then(|| value.split('"').next())?
        });
        values.collect::<Vec<_>>()
    })
}

const SUMMARY: &str = "SUMMARY.md";
/// The line that stands for them, and where they are.
const DECISIONS: (&str, &str) = ("<!-- every file of docs/adr, by number -->", "docs/adr/");
const BOOK: &str = "book.toml";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_page_whose_links_lead_nowhere_is_no_site() {
        let html = "<a href=\"b.html#here\">\n<img src=\"p.png\" data-src=\"no\"><h2 id=\"x\">";
        let found: Vec<&str> = attributes(html, &["href", "src"]).collect();
        assert_eq!(found, ["b.html#here", "p.png"]);
        let book = run::root().join("target/site-test");
        fs::create_dir_all(&book).unwrap();
        fs::write(book.join("p.png"), "").unwrap();
        fs::write(book.join("a.html"), html).unwrap();
        let write = |text: &str| fs::write(book.join("b.html"), text).unwrap();
        write("<h2 id=\"there\">");
        assert!(follow(&book).is_err());
        write("<h2 id=\"here\"><a href=\"#here\">");
        assert_eq!(follow(&book).unwrap(), 3);
        fs::remove_dir_all(book).unwrap();
    }
}
