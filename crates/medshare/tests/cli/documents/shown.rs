//! What a document shows of an output, held against what was printed.
//!
//! A document shortens: a line `…` stands for any lines, a word `…` for any words, and lines may
//! be left out between those that it shows. An id is shown by its beginning (`12fd5cd7…`); the
//! first time it stands for what was printed there, and from then on for the same id, in output
//! and in commands. A time stands for any time. Everything else is printed as it is shown.

use std::collections::BTreeMap;

/// What the document's ids stand for in this run, by their first characters.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Holds the lines of `shown` against those of `printed`.
    ///
    /// # Errors
    /// The first line that was not printed.
    pub(super) fn compare(&mut self, shown: &str, printed: &str) -> Result<(), String> {
        let mut left = printed.lines();
        for line in shown.lines().filter(|line| line.trim() != ANY) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let found = left.find_map(|printed| {
                let mut ids = self.clone();
                let printed: Vec<&str> = printed.split_whitespace().collect();
                ids.words(&words, &printed).then_some(ids)
            });
            *self = found.ok_or_else(|| line.to_owned())?;
        }
        Ok(())
    }

    /// The commands of a block, with ids in full.
    ///
    /// # Errors
    /// An id that nothing has printed.
    pub(super) fn fill(&self, commands: &str) -> Result<String, String> {
        let mut filled = String::new();
        for word in commands.split_inclusive(char::is_whitespace) {
            let (word, space) = word.split_at(word.trim_end().len());
            match key(word) {
                Some(key) => {
                    let id = self.0.get(key);
                    filled.push_str(id.ok_or_else(|| word.to_owned())?);
                }
                None if word.contains(ANY) => return Err(word.to_owned()),
                None => filled.push_str(word),
            }
            filled.push_str(space);
        }
        Ok(filled)
    }

    fn words(&mut self, shown: &[&str], printed: &[&str]) -> bool {
        match (shown, printed) {
            ([], []) => true,
            ([ANY, rest @ ..], _) => (0..=printed.len()).any(|skipped| {
                let mut ids = self.clone();
                let fits = ids.words(rest, &printed[skipped..]);
                if fits {
                    *self = ids;
                }
                fits
            }),
            ([first, shown @ ..], [word, printed @ ..]) => {
                self.word(first, word) && self.words(shown, printed)
            }
            _ => false,
        }
    }

    fn word(&mut self, shown: &str, printed: &str) -> bool {
        let bare = |word: &str| word.trim_end_matches([';', ',', '.', ':', ')']).len();
        let (shown, end) = shown.split_at(bare(shown));
        let (printed, printed_end) = printed.split_at(bare(printed));
        if end != printed_end {
            return false;
        }
        let Some(key) = key(shown) else {
            return shown == printed || is_time(shown) && is_time(printed);
        };
        match self.0.get(key) {
            // The program shortens ids too.
            Some(id) => id.starts_with(printed) || printed.starts_with(id.as_str()),
            None => {
                let fits = alike(key, printed);
                if fits {
                    self.0.insert(key.to_owned(), printed.to_owned());
                }
                fits
            }
        }
    }
}

const ANY: &str = "…";

/// By what an id is known, if the word is one: a CID or a number in hexadecimal that was
/// shortened, here or by the program; the code of a recovery whole.
fn key(word: &str) -> Option<&str> {
    let stem = word.strip_suffix(ANY).unwrap_or(word);
    let is_short = stem.len() < word.len();
    if is_code(word) {
        return Some(word);
    }
    if stem.starts_with(CID) {
        return stem.get(..CID.len() + 2);
    }
    let is_id = is_hex(stem) && (is_short && stem.len() >= 8 || stem.len() == 12);
    is_id.then(|| &stem[..8])
}

fn alike(key: &str, printed: &str) -> bool {
    match key {
        _ if is_code(key) => is_code(printed),
        _ if key.starts_with(CID) => printed.starts_with(CID),
        _ => is_hex(printed) && printed.len() >= 12,
    }
}

const CID: &str = "bafyrei";

fn is_hex(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// `08154-47110-31415-92653`
fn is_code(word: &str) -> bool {
    let groups: Vec<&str> = word.split('-').collect();
    groups.len() == 4 && groups.iter().all(|group| is_number(group, 5))
}

/// `2026-11-22T21:21:25.402Z`
fn is_time(word: &str) -> bool {
    let parts = word.split_once('T');
    let day = |day: &str| {
        let parts: Vec<&str> = day.split('-').collect();
        parts.len() == 3
            && parts
                .iter()
                .zip([4, 2, 2])
                .all(|(part, n)| is_number(part, n))
    };
    parts.is_some_and(|(date, time)| day(date) && time.len() == 13 && time.ends_with('Z'))
}

fn is_number(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())
}

#[test]
fn what_is_shown_is_what_was_printed() {
    let mut ids = Ids::default();
    let record = "ab".repeat(32);
    let printed = format!("talk\nrecord   {record}\nat 2027-01-02T03:04:05.678Z, height 3\n");
    let shown = "record 12fd5cd7…\n…\nat 2026-11-22T21:21:25.402Z, … 3";
    ids.compare(shown, &printed).unwrap();
    // The same id, shortened by the program, and no other.
    let short = "12fd5cd7ce09 is read";
    ids.compare(short, "abababababab is read").unwrap();
    assert!(ids.compare(short, "cdcdcdcdcdcd is read").is_err());
    assert_eq!(
        ids.fill("open 12fd5cd7…\n").unwrap(),
        format!("open {record}\n")
    );
    assert!(ids.fill("open 99fd5cd7…").is_err());
    assert!(ids.fill("verify bafyrei…").is_err());
    for (shown, printed) in [
        ("height 3", "height 4"),
        ("granted", "refused"),
        ("two\none", "one\ntwo"),
        ("bafyreid5…", "bafkreiabc"),
        ("done", "done twice"),
    ] {
        let mut ids = Ids::default();
        assert!(ids.compare(shown, printed).is_err(), "{shown}");
    }
}
