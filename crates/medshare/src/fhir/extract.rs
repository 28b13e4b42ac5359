//! From any subset of the parts of a bundle to a valid bundle of their entries.
//!
//! The envelope is new and says so: `type` is `collection`, `meta.tag` holds FHIR's own
//! `SUBSETTED` and our `extract`. The resources are the original's bytes, digit for digit.
//! Of an entry's own members `request`, `response` and `search` are left out, which a
//! collection must not have (invariants bdl-2, bdl-3 and bdl-4 of FHIR R4), and so are
//! entries without a resource (bdl-5).

use super::{FHIR_ENTRIES, json::Members};
use serde_json::value::RawValue;
use std::collections::HashSet;
use thiserror::Error;

/// Why no extract can be made.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The bytes of a part are not entries of a bundle.
    #[error("part {part} does not hold entries of a FHIR bundle: {reason}")]
    Part {
        /// Position in the list given.
        part: usize,
        /// What is wrong.
        reason: String,
    },
}

/// A bundle of the entries in `parts`, each given as its media type and its bytes. Parts
/// of other media types than [`FHIR_ENTRIES`], the skeleton among them, are passed over.
///
/// # Errors
/// [`ExtractError`] if a part's bytes are not what its media type says.
pub fn extract(parts: &[(&str, &[u8])]) -> Result<Vec<u8>, ExtractError> {
    let length: usize = parts.iter().map(|(_, bytes)| bytes.len() + 1024).sum();
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(ENVELOPE);
    let mut urls = HashSet::new();
    let mut first = true;
    for (part, (media_type, bytes)) in parts.iter().enumerate() {
        if *media_type != FHIR_ENTRIES {
            continue;
        }
        let malformed = |reason: String| ExtractError::Part { part, reason };
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
        let values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        for value in values {
            let value = value.map_err(|error| malformed(error.to_string()))?;
            let entry = Members::read(value.get()).map_err(|error| malformed(error.to_string()))?;
            if !has_resource(&entry) {
                continue;
            }
            // The same fullUrl twice would break bdl-7; the second goes without one.
            let url = entry.text("fullUrl").ok().flatten();
            let repeated = url.is_some_and(|url| !urls.insert(url));
            out.extend_from_slice(if first { b"\n" } else { b",\n" });
            first = false;
            splice(&entry, value, repeated, &mut out);
        }
    }
    if first {
        // FHIR has no empty lists: a bundle of nothing has no `entry`.
        out.truncate(out.len() - ENTRIES.len());
        out.extend_from_slice(b"}\n");
    } else {
        out.extend_from_slice(b"\n]}\n");
    }
    Ok(out)
}

fn has_resource(entry: &Members<'_>) -> bool {
    entry
        .iter()
        .any(|(name, value)| name == "resource" && value.get().starts_with('{'))
}

/// Writes one entry: as it stands where it can be, else its allowed members as they stand.
fn splice(entry: &Members<'_>, whole: &RawValue, repeated: bool, out: &mut Vec<u8>) {
    let left_out = |name: &str| {
        matches!(name, "request" | "response" | "search") || (repeated && name == "fullUrl")
    };
    if !entry.iter().any(|(name, _)| left_out(name)) {
        out.extend_from_slice(whole.get().as_bytes());
        return;
    }
    out.push(b'{');
    let mut first = true;
    for (name, value) in entry.iter().filter(|(name, _)| !left_out(name)) {
        if !first {
            out.push(b',');
        }
        first = false;
        // A name as JSON: escaped as it has to be.
        out.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
}

const ENVELOPE: &[u8] = br#"{"resourceType":"Bundle","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"subsetted"},{"system":"urn:medshare:tag","code":"extract","display":"Extract of a larger record: only the parts that were granted"}]},"type":"collection","entry":["#;
const ENTRIES: &[u8] = br#","entry":["#;
