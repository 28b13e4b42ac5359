//! Files of people: records to split, extracts to make, configuration to read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use medshare::{config::Config, fhir};

fuzz_target!(|bytes: &[u8]| {
    let split = fhir::split(bytes);
    let whole: u64 = split.parts.iter().flat_map(|part| &part.ranges).map(|r| r.end - r.start).sum();
    assert_eq!(whole, bytes.len() as u64, "parts join to the source");
    let _ = fhir::extract(&[(fhir::FHIR_ENTRIES, bytes)]);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Config::parse(text, "config.toml");
    }
});
