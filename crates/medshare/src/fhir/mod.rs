//! Formats of medical records: which kind a file is, and its byte ranges by class.
//!
//! A FHIR R4 bundle (JSON) is cut into its entries; each goes to the part of its [`Class`]
//! (by `class.rs` and `sensitive.rs`), and what lies outside the entries is the part
//! `skeleton`. All parts joined are the file, byte for byte: nothing is ever printed anew.
//! [`extract()`] makes a valid bundle of any subset of the parts. Every other file is one
//! part. Sources: HL7 FHIR R4 (hl7.org/fhir/R4/bundle.html), DICOM PS3.10 section 7.1,
//! HL7 v2.x chapter 2, C-CDA R2.1.
//!
//! Any bytes are a record: nothing here refuses a file. A bundle that cannot be cut safely
//! (no JSON to its end, a member given twice, too many entries) stays whole, is classed as
//! sensitive because nobody can say what is in it, and [`Split::notice`] says why.
//!
//! This module does not know keys, grants, the store or the ledger.

mod class;
mod extract;
mod json;
mod scope;
mod sensitive;
mod split;
mod tables;

#[cfg(test)]
mod tests;

pub use extract::{ExtractError, extract};
pub use scope::{NoScope, Scope};
pub use split::split_bundle;

use base::Class;
use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

/// Largest bundle, in bytes, that is read into memory to be cut; a larger one stays whole.
pub const MAX_BUNDLE: u64 = 256 << 20;
/// Most entries of a bundle that is cut: the ranges of a part have to fit one object.
pub const MAX_ENTRIES: usize = 40_000;

/// Media type of a FHIR resource in JSON.
pub const FHIR_JSON: &str = "application/fhir+json";
/// Media type of a part that holds entries of a bundle, one after another with nothing
/// between: [`extract()`] makes a bundle of them.
pub const FHIR_ENTRIES: &str = "application/vnd.medshare.fhir-entries";
/// Media type of the bytes of a bundle outside its entries.
pub const FHIR_SKELETON: &str = "application/vnd.medshare.fhir-skeleton";

/// One part of a file: its class, its media type, and where it lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartRanges {
    /// What the part holds.
    pub class: Class,
    /// RFC 6838 media type, without parameters.
    pub media_type: String,
    /// Byte ranges of the file, in order, none overlapping.
    pub ranges: Vec<Range<u64>>,
}

/// What kind of file it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A JSON object: a FHIR bundle, another FHIR resource, or neither.
    Json,
    /// DICOM with its preamble: `DICM` at byte 128.
    Dicom,
    /// An XML `ClinicalDocument`.
    Ccda,
    /// An HL7 v2 message or batch.
    Hl7v2,
    /// Any other file.
    Other,
}

/// A file cut into parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Split {
    /// The parts, which cover the file exactly once; in the order of [`Class::ALL`].
    pub parts: Vec<PartRanges>,
    /// Why a file that looks like a FHIR bundle was not cut.
    pub notice: Option<String>,
}

/// Bytes of a file that [`Kind::of`] looks at, at most.
pub const HEAD: usize = 16 << 10;

impl Kind {
    /// The kind of the file that begins with `head`: its first [`HEAD`] bytes, or all.
    pub fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(HEAD)];
        if head.get(128..132) == Some(b"DICM") {
            return Self::Dicom;
        }
        let text = head.strip_prefix(BOM).unwrap_or(head).trim_ascii_start();
        match text {
            [b'{', ..] => Self::Json,
            [b'<', ..] if is_clinical_document(text) => Self::Ccda,
            _ if is_hl7(text) => Self::Hl7v2,
            _ => Self::Other,
        }
    }

    /// The media type of a file of this kind that is stored whole.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Dicom => "application/dicom",
            Self::Ccda => "text/xml",
            Self::Hl7v2 => "x-application/hl7-v2+er7",
            Self::Other => "application/octet-stream",
        }
    }
}

/// UTF-8 byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Cuts a file into its parts. Only bundles and XML documents are read whole, up to
/// [`MAX_BUNDLE`] bytes; of any other file its first [`HEAD`] bytes.
///
/// # Errors
/// Those of reading.
pub fn split_file(file: &mut (impl Read + Seek)) -> io::Result<Split> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(HEAD as u64).read_to_end(&mut bytes)?;
    let kind = Kind::of(&bytes);
    let looked_into = matches!(kind, Kind::Json | Kind::Ccda);
    if looked_into && length <= MAX_BUNDLE {
        file.take(MAX_BUNDLE).read_to_end(&mut bytes)?;
        return Ok(split(&bytes));
    }
    Ok(Split {
        parts: vec![whole(&bytes, length)],
        notice: looked_into.then(|| {
            format!("this file is kept whole, as sensitive: it has more than {MAX_BUNDLE} bytes")
        }),
    })
}

/// A file of `length` bytes that begins with `head` (see [`Kind::of`]) as one part, looking
/// at nothing else of it. JSON is sensitive, because it may be a bundle, and so is a C-CDA
/// document if its head says so, or if it is too large to be looked through.
pub fn whole(head: &[u8], length: u64) -> PartRanges {
    let kind = Kind::of(head);
    let class = match kind {
        Kind::Dicom => Class::Imaging,
        Kind::Json => Class::Sensitive,
        Kind::Ccda if length > MAX_BUNDLE || sensitive::restricted_document(head) => {
            Class::Sensitive
        }
        Kind::Ccda | Kind::Hl7v2 | Kind::Other => Class::Document,
    };
    one_part(class, kind.media_type(), length)
}

/// Cuts a file that is in memory into its parts.
pub fn split(bytes: &[u8]) -> Split {
    let kind = Kind::of(bytes);
    if kind == Kind::Json
        && let Some(split) = split_bundle(bytes)
    {
        return split;
    }
    let class = match kind {
        Kind::Dicom => Class::Imaging,
        Kind::Ccda if sensitive::restricted_document(bytes) => Class::Sensitive,
        _ => Class::Document,
    };
    Split {
        parts: vec![one_part(class, kind.media_type(), bytes.len() as u64)],
        notice: None,
    }
}

fn one_part(class: Class, media_type: &str, length: u64) -> PartRanges {
    PartRanges {
        class,
        media_type: media_type.to_owned(),
        ranges: std::iter::once(0..length).collect(),
    }
}

/// Whether the root element is `ClinicalDocument`, with or without a prefix: the first tag
/// that is no declaration, comment or processing instruction.
fn is_clinical_document(mut text: &[u8]) -> bool {
    loop {
        let end: &[u8] = match text {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'!', ..] => b">",
            [b'<', rest @ ..] => {
                let name =
                    rest.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
                let name = name.into_iter().next().unwrap_or_default();
                let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
                return local == b"ClinicalDocument";
            }
            _ => return false,
        };
        let Some(at) = text.windows(end.len()).position(|window| window == end) else {
            return false;
        };
        text = text[at + end.len()..].trim_ascii_start();
    }
}

/// `MSH`, `FHS` or `BHS`, a field separator, and the four or five encoding characters.
fn is_hl7(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\x0b").unwrap_or(text); // MLLP frame
    match text {
        [
            b'M' | b'F' | b'B',
            b'S' | b'H',
            b'H' | b'S',
            separator,
            rest @ ..,
        ] => {
            matches!(&text[..3], b"MSH" | b"FHS" | b"BHS")
                && separator.is_ascii_punctuation()
                && rest
                    .iter()
                    .position(|byte| byte == separator)
                    .is_some_and(|end| {
                        matches!(end, 3..=5) && rest[..end].iter().all(u8::is_ascii_punctuation)
                    })
        }
        _ => false,
    }
}
