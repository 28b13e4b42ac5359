//! See `src/ledger.rs`.
#![no_main]

use medshare_fuzz::LEDGER;

libfuzzer_sys::fuzz_target!(init: LEDGER.start(), |bytes: &[u8]| LEDGER.run(bytes));
