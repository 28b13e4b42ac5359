//! The catalogue: every word a page says, in every language, by one name.
//!
//! A term cannot be written in one language only, since it is one value; the tests below
//! see to the rest. `{0}`, `{1}` … are arguments.

/// One term in every language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Term {
    pub(crate) en: &'static str,
    pub(crate) de: &'static str,
}

macro_rules! terms {
    ($($name:ident $en:literal $de:literal;)*) => {
        $(pub(crate) const $name: $crate::words::Term = $crate::words::Term { en: $en, de: $de };)*
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, $crate::words::Term)] = &[$((stringify!($name), $name),)*];
    };
}

pub(crate) mod chart;
pub(crate) mod people;
pub(crate) mod role;
pub(crate) mod site;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    fn all() -> impl Iterator<Item = &'static (&'static str, Term)> {
        [chart::ALL, people::ALL, role::ALL, site::ALL]
            .into_iter()
            .flatten()
    }

    fn arguments(text: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let end = rest[at..].find('}').map(|end| at + end + 1);
            found.insert(&rest[at..end.unwrap_or(rest.len())]);
            rest = &rest[at + 1..];
        }
        found
    }

    #[test]
    fn every_term_is_translated() {
        /// The same word in both languages.
        const SAME: [&str; 9] = [
            "BLOCK",
            "NAME",
            "OPERATION",
            "PATIENT",
            "QUEUE",
            "ROLE_AGENT",
            "ROLE_PATIENT",
            "TEXT",
            "VERSION_NUMBER",
        ];
        for (name, term) in all() {
            for text in [term.en, term.de] {
                assert!(!text.trim().is_empty(), "{name} is empty");
                assert_eq!(text, text.trim(), "{name} has blanks at its ends");
            }
            let same = SAME.contains(name);
            assert_eq!(
                term.en == term.de,
                same,
                "{name} is not translated: {}",
                term.en
            );
            assert_eq!(arguments(term.en), arguments(term.de), "{name}");
        }
    }

    #[test]
    fn every_term_is_used_and_named_once() {
        let mut source = String::new();
        read(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            &mut source,
        );
        let words: BTreeSet<&str> = source
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .collect();
        let mut names = BTreeSet::new();
        for (name, _) in all() {
            assert!(words.contains(name), "{name} is not used");
            assert!(names.insert(name), "{name} is there twice");
        }
        assert!(names.len() > 100);
    }

    fn read(folder: &Path, source: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("words") {
                continue;
            }
            if path.is_dir() {
                read(&path, source);
            } else {
                source.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
}
