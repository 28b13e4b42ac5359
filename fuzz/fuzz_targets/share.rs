//! See `src/share.rs`.
#![no_main]

use medshare_fuzz::SHARE;

libfuzzer_sys::fuzz_target!(init: SHARE.start(), |bytes: &[u8]| SHARE.run(bytes));
