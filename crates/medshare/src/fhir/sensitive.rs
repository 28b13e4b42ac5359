//! What is specially protected, whatever its resource type: labels, codes and words.
//!
//! An entry is sensitive if anything in it, at any depth, matches one of:
//!
//! 1. **Labels**: a code of `SECURITY_LABELS` (`tables.rs`) in a `security` list (FHIR `meta.security`,
//!    HL7 v3-Confidentiality and v3-ActCode, the set that DS4P and PCF name).
//! 2. **Codes**: SNOMED CT, ICD-10, ICD-9, LOINC and ATC codes of the tables below, for
//!    substance use, mental health, HIV, sexual and reproductive health, and violence.
//! 3. **Words**: of `WORDS` (beginnings of words, any case) and `EXACT_WORDS`, in
//!    displays, texts and narratives: records carry local codes, and drugs by name.
//!
//! This errs toward protection: "ST depression" is taken for a mood. It is no proof of
//! absence: words in other languages than English, German, French and Spanish, free text
//! that avoids them, and scanned documents pass. The hospital's own labels come first.

use super::tables::{
    ATC, EXACT_WORDS, ICD_9, ICD_10, LOINC, SECURITY_LABELS, SNOMED, UNREAD, WORDS,
};
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use std::{fmt, sync::LazyLock};

/// What was found in an entry.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Whether anything in it is specially protected.
    pub(super) sensitive: bool,
    /// Every `reference` in it.
    pub(super) references: Vec<String>,
}

/// Looks through a JSON text, repeated members and all. `None` if it cannot be read, or
/// is nested more than 127 deep.
pub(super) fn scan(text: &str) -> Option<Findings> {
    let mut findings = Findings::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let root = Scan {
        key: "",
        findings: &mut findings,
        kept: None,
    };
    root.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(findings)
}

/// Whether a CDA document says of itself, or of a section, that it is restricted.
pub(super) fn restricted_document(bytes: &[u8]) -> bool {
    let tag: &[u8] = b"confidentialityCode";
    let mut rest = bytes;
    while let Some(at) = rest.windows(tag.len()).position(|window| window == tag) {
        rest = &rest[at + tag.len()..];
        let end = rest
            .iter()
            .position(|byte| *byte == b'>')
            .unwrap_or(rest.len());
        let attributes = String::from_utf8_lossy(&rest[..end]);
        let packed: String = attributes
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| if c == '\'' { '"' } else { c })
            .collect();
        if packed.contains("code=\"R\"") || packed.contains("code=\"V\"") {
            return true;
        }
    }
    false
}

/// One value under the member name `key`; kept in `kept` if it is a string.
struct Scan<'a> {
    key: &'a str,
    findings: &'a mut Findings,
    kept: Option<&'a mut Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        if self.key == "reference" {
            self.findings.references.push(text.to_owned());
        } else if !UNREAD.contains(&self.key) && has_word(text) {
            self.findings.sensitive = true;
        }
        if let Some(kept) = self.kept {
            kept.push(text.to_owned());
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { key, findings, .. } = self;
        loop {
            let item = Scan {
                key,
                findings,
                kept: None,
            };
            if list.next_element_seed(item)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { key, findings, .. } = self;
        let (mut systems, mut codes) = (Vec::new(), Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            map.next_value_seed(Scan {
                key: &name,
                findings,
                kept: match name.as_str() {
                    "system" => Some(&mut systems),
                    "code" => Some(&mut codes),
                    _ => None,
                },
            })?;
        }
        let label =
            key == "security" && codes.iter().any(|code| SECURITY_LABELS.contains(&&**code));
        let coded = || {
            let sensitive = |system| codes.iter().any(|code| is_sensitive_code(system, code));
            systems.iter().any(|system: &String| sensitive(system))
        };
        if label || coded() {
            findings.sensitive = true;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

fn is_sensitive_code(system: &str, code: &str) -> bool {
    let system = system.to_ascii_lowercase();
    let begins = |table: &[&str]| {
        let code = code.to_ascii_uppercase();
        table.iter().any(|prefix| code.starts_with(prefix))
    };
    if system.contains("snomed") || system.ends_with("2.16.840.1.113883.6.96") {
        SNOMED.contains(&code)
    } else if system.contains("icd-10") || system.contains("icd10") {
        begins(ICD_10)
    } else if system.contains("icd-9") || system.contains("icd9") {
        begins(ICD_9)
    } else if system.contains("loinc") {
        LOINC.contains(&code)
    } else if system.contains("atc") {
        begins(ATC)
    } else {
        false
    }
}

/// Whether a text holds a word of the tables: looked up at each beginning of a word.
fn has_word(text: &str) -> bool {
    let lower = text.to_lowercase();
    let begins = word_starts(&lower).any(|rest| {
        let candidates = rest
            .bytes()
            .next()
            .map(|first| &words_by_first()[usize::from(first)]);
        candidates.is_some_and(|words| words.iter().any(|word| rest.starts_with(word)))
    });
    begins
        || word_starts(text).any(|rest| {
            EXACT_WORDS.iter().any(|word| {
                let after = rest.strip_prefix(word).map(|rest| rest.chars().next());
                after.is_some_and(|next| next.is_none_or(|c| !c.is_alphanumeric()))
            })
        })
}

/// What follows each place where a word begins.
fn word_starts(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.char_indices().filter_map(move |(at, c)| {
        let was_inside = std::mem::replace(&mut inside, c.is_alphanumeric());
        (inside && !was_inside).then(|| &text[at..])
    })
}

/// [`WORDS`] by their first byte.
fn words_by_first() -> &'static [Vec<&'static str>] {
    static TABLE: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| {
        let mut table = vec![Vec::new(); 256];
        for word in WORDS {
            table[usize::from(word.as_bytes()[0])].push(*word);
        }
        table
    });
    &TABLE
}
