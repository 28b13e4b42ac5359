//! See `src/blocks.rs`.
#![no_main]

use medshare_fuzz::BLOCKS;

libfuzzer_sys::fuzz_target!(init: BLOCKS.start(), |bytes: &[u8]| BLOCKS.run(bytes));
