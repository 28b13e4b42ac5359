//! `cargo xtask bench pages`: how long a reader waits for the first byte of every page.

use anyhow::{Result, bail};

use crate::{run, tally::Tally};

const USAGE: run::Usage = run::Usage("bench pages [RECORDS]");

/// Publishes records on a hospital's page, lets a patient's page accept them, and prints the
/// time to the first byte of every page.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let records = match arguments {
        [] => "10000",
        [records] if records.parse::<u32>().is_ok() => records,
        _ => bail!(USAGE),
    };
    let words = [
        "--workspace",
        "--features",
        "medshare/full",
        "--test",
        "cli",
        "--",
        "--ignored",
        "--exact",
        "--nocapture",
        "pages::speed::first_bytes",
    ];
    let variable = ("MEDSHARE_RECORDS", records.into());
    Tally::default().cargo_test(&words, [&variable])
}
