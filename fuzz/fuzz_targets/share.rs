//! What one party sends to another: sealed records, letters, cards, manifests.
#![no_main]

use base::codec;
use libfuzzer_sys::fuzz_target;
use share::{
    card::Card,
    letter::{Letter, SealedLetter},
    manifest::Manifest,
    sealed::{CapsuleNode, SealedRecord},
};

fuzz_target!(|bytes: &[u8]| {
    let _ = codec::decode::<SealedRecord>(bytes);
    let _ = codec::decode::<CapsuleNode>(bytes);
    let _ = codec::decode::<Letter>(bytes);
    let _ = SealedLetter::parse(bytes);
    let _ = Manifest::read(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Card::read(text);
    }
});
