//! See `src/vocabulary.rs`.
#![no_main]

use medshare_fuzz::VOCABULARY;

libfuzzer_sys::fuzz_target!(init: VOCABULARY.start(), |bytes: &[u8]| VOCABULARY.run(bytes));
