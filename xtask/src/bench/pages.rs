//! `cargo xtask bench pages`: how long a reader waits for the first byte of every page, into
//! `docs/performance.md`.
//!
//! The test `pages::speed::first_bytes` of `crates/medshare/tests/cli` measures; it prints an
//! object a page.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fmt::Write as _;

use super::{figures, machine};
use crate::{document, run};

const USAGE: run::Usage = run::Usage("bench pages [RECORDS]");

/// Longest wait that is met, milliseconds, and at how many records.
const GOAL: f64 = 50.0;
const AT: u64 = 10_000;

/// Publishes records on a hospital's page, lets a patient's page accept them, and measures the
/// time to the first byte of every page.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let records = match arguments {
        [] => AT,
        [records] => records.parse().ok().context(USAGE)?,
        _ => bail!(USAGE),
    };
    let before = machine::load();
    let words = ["--test", "cli", "--"];
    let test = [
        "--ignored",
        "--nocapture",
        "--exact",
        "pages::speed::first_bytes",
    ];
    let variable = ("MEDSHARE_RECORDS", records.to_string());
    let pages = figures::of(&[&words[..], &test].concat(), &variable)?;
    let section = format!("{}\n{}", machine::when(&before)?, section(&pages, records)?);
    println!("{section}");
    document::write(document::PERFORMANCE, "pages", &section)?;
    println!("written to {}", document::PERFORMANCE);
    Ok(())
}

fn section(pages: &[Value], records: u64) -> Result<String> {
    let mut text = format!(
        "{records} records, the test profile. Milliseconds.\n\n\
         | page | median | worst of 20 | first visit |\n| --- | ---: | ---: | ---: |\n"
    );
    let mut late = 0;
    for page in pages {
        let time = |name: &str| page[name].as_f64().context("no time of a page");
        let word = |name: &str| page[name].as_str().context("no name of a page");
        late += usize::from(time("median")? >= GOAL);
        writeln!(
            text,
            "| {} `{}` | {:.1} | {:.1} | {:.1} |",
            word("page")?,
            word("path")?,
            time("median")?,
            time("worst")?,
            time("first")?
        )?;
    }
    if pages.is_empty() {
        bail!("no page was measured");
    }
    let goal = match late {
        _ if records < AT => "not measured at so many".to_owned(),
        0 => "met by every page's median".to_owned(),
        late => format!("NOT met by the median of {late} of {} pages", pages.len()),
    };
    writeln!(text, "\nThe goal, {GOAL:.0} ms at {AT} records: {goal}.")?;
    Ok(text)
}
