//! See `src/files.rs`.
#![no_main]

use files::FILES;
use medshare_fuzz::{Decoder, LEDGER, Target, canonical, text};

#[path = "../src/files.rs"]
mod files;

libfuzzer_sys::fuzz_target!(init: FILES.start(), |bytes: &[u8]| FILES.run(bytes));
