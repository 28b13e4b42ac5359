//! See `src/scheme.rs`.
#![no_main]

use medshare_fuzz::SCHEME;

libfuzzer_sys::fuzz_target!(init: SCHEME.start(), |bytes: &[u8]| SCHEME.run(bytes));
