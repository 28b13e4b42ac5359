//! Does what the post derives from letters and pins agree with them, and making it anew.

use base::Cid;
use redb::{ReadTransaction, ReadableDatabase as _, ReadableTable};
use std::{collections::BTreeMap, path::Path};

use super::{
    BAGS, BY, CACHE_BYTES, IN_BOX, IN_BOX_BY, LETTERS, NAMES, NEXT, PINNED, PINS, PREKEYS, Post,
    SEEN, SUMS, SumName, TABLES_VERSION,
};
use crate::{exit::Result, home::database};

/// What the tables hold, and what of it does not agree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PostReport {
    /// Letters that wait.
    pub letters: u64,
    /// Pinned roots, each with the accounts that pin it.
    pub pinned: BTreeMap<Vec<u8>, u64>,
    /// Sums, counts or numbers that do not follow from letters and pins; made anew by
    /// [`rebuild`].
    pub derived: Vec<String>,
    /// What nothing else can make again.
    pub lost: Vec<String>,
}

impl PostReport {
    /// Every root that accounts pin, with how many do.
    pub fn roots(&self) -> Vec<(Cid, u64)> {
        let cid = |root: &Vec<u8>| Cid::try_from(&root[..]).ok(); // one that is none is in `lost`
        let roots = self.pinned.iter();
        roots
            .filter_map(|(root, count)| Some((cid(root)?, *count)))
            .collect()
    }

    /// Those of [`PostReport::roots`] that have fewer pins in the store.
    pub fn missing_from(&self, pins: &BTreeMap<Cid, u64>) -> Vec<(Cid, u64)> {
        let mut roots = self.roots();
        roots.retain(|(root, count)| pins.get(root).is_none_or(|pins| pins < count));
        roots
    }
}

/// Sums as letters and names give them, counts of pins, highest numbers.
#[derive(PartialEq, Eq, Debug, Default)]
struct Derived {
    sums: BTreeMap<SumName, (u64, u64)>,
    pinned: BTreeMap<[u8; 32], u64>,
    numbers: BTreeMap<&'static str, u64>,
}

/// Looks at the post at `path`; nothing is written.
///
/// # Errors
/// A [`crate::exit::Fault`] naming the file.
pub fn check(path: &Path) -> Result<PostReport> {
    let tables = database::look(path, CACHE_BYTES, TABLES_VERSION)?;
    let look = || -> std::result::Result<PostReport, redb::Error> {
        let view = tables.handle()?.begin_read()?;
        let mut report = PostReport::default();
        let derived = derive(&view, &mut report)?;
        compare(&view, &derived, &mut report)?;
        Ok(report)
    };
    look().map_err(|error| database::fault(&path.display().to_string(), error))
}

/// Writes sums, counts and numbers anew, in one step. Numbers only grow.
///
/// # Errors
/// A [`crate::exit::Fault`] naming the file; nothing is changed then.
pub fn rebuild(path: &Path) -> Result<()> {
    let post = Post::open(path, super::PostLimits::default())?;
    let write = || -> std::result::Result<(), redb::Error> {
        let derived = {
            let view = post.tables.handle()?.begin_read()?;
            derive(&view, &mut PostReport::default())?
        };
        let transaction = post.tables.handle()?.begin_write()?;
        transaction.delete_table(SUMS)?;
        transaction.delete_table(PINNED)?;
        {
            let mut sums = transaction.open_table(SUMS)?;
            for (name, sum) in &derived.sums {
                sums.insert(name, sum)?;
            }
            let mut pinned = transaction.open_table(PINNED)?;
            for (account, count) in &derived.pinned {
                pinned.insert(account, count)?;
            }
            let mut numbers = transaction.open_table(NEXT)?;
            for (name, highest) in &derived.numbers {
                let last = numbers.get(name)?.map_or(0, |last| last.value());
                numbers.insert(name, last.max(*highest))?;
            }
        }
        transaction.commit()?;
        Ok(())
    };
    write().map_err(|error| database::fault(&path.display().to_string(), error))
}

fn derive(
    view: &ReadTransaction,
    report: &mut PostReport,
) -> std::result::Result<Derived, redb::Error> {
    let mut derived = Derived::default();
    let letters = view.open_table(LETTERS)?;
    let names = view.open_table(NAMES)?;
    let mut named = 0;
    for entry in names.iter()? {
        let (name, at) = entry?;
        let ((reader, hash), (number, sender)) = (name.value(), at.value());
        let letter = letters.get((reader, number))?;
        let Some(letter) = letter.filter(|letter| base::Digest::of(letter.value()).0 == hash)
        else {
            report
                .lost
                .push(format!("letter {} is lost or damaged", hex::encode(hash)));
            continue;
        };
        named += 1;
        let length = letter.value().len() as u64;
        for name in [
            (IN_BOX, reader, [0; 32]),
            (IN_BOX_BY, reader, sender),
            (BY, sender, [0; 32]),
        ] {
            let sum = derived.sums.entry(name).or_default();
            *sum = (sum.0 + 1, sum.1 + length);
        }
    }
    for entry in letters.iter()? {
        let (_, number) = entry?.0.value();
        report.letters += 1;
        let highest = derived.numbers.entry("letter").or_default();
        *highest = (*highest).max(number);
    }
    if report.letters > named {
        let left = report.letters - named;
        report.lost.push(format!(
            "{left} letters have no name and cannot be deleted by their reader"
        ));
    }
    for entry in view.open_table(PREKEYS)?.iter()? {
        let (_, number) = entry?.0.value();
        let highest = derived.numbers.entry("prekey").or_default();
        *highest = (*highest).max(number);
    }
    for entry in view.open_table(PINS)?.iter()? {
        let (key, _) = entry?;
        let (account, root) = key.value();
        *derived.pinned.entry(account).or_default() += 1;
        if Cid::try_from(root).is_err() {
            report.lost.push("a pin names no block".into());
            continue;
        }
        *report.pinned.entry(root.to_vec()).or_default() += 1;
    }
    // Read to the end: what cannot be read is damaged.
    for entry in view.open_table(BAGS)?.iter()? {
        entry?;
    }
    for entry in view.open_table(SEEN)?.iter()? {
        entry?;
    }
    Ok(derived)
}

fn compare(
    view: &ReadTransaction,
    derived: &Derived,
    report: &mut PostReport,
) -> std::result::Result<(), redb::Error> {
    let mut sums = BTreeMap::new();
    for entry in view.open_table(SUMS)?.iter()? {
        let (name, sum) = entry?;
        sums.insert(name.value(), sum.value());
    }
    if sums != derived.sums {
        report
            .derived
            .push("the sums of letters are not those of the letters".into());
    }
    let mut pinned = BTreeMap::new();
    for entry in view.open_table(PINNED)?.iter()? {
        let (account, count) = entry?;
        if count.value() > 0 {
            pinned.insert(account.value(), count.value());
        }
    }
    if pinned != derived.pinned {
        report
            .derived
            .push("the counts of pins are not those of the pins".into());
    }
    let numbers = view.open_table(NEXT)?;
    for (name, highest) in &derived.numbers {
        if numbers.get(name)?.map_or(0, |last| last.value()) < *highest {
            report
                .derived
                .push(format!("the last {name} number is below one in use"));
        }
    }
    Ok(())
}
