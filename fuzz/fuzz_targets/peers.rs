//! See `src/peers.rs`.
#![no_main]

use medshare_fuzz::{Decoder, LEDGER, Target, canonical, text};
use peers::PEERS;

#[path = "../src/peers.rs"]
mod peers;

libfuzzer_sys::fuzz_target!(init: PEERS.start(), |bytes: &[u8]| PEERS.run(bytes));
