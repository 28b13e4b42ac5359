//! What a ledger sends to those who check it.
#![no_main]

use base::codec;
use ledger::{Block, ConsistencyProof, Head, InclusionProof, Leaf, Receipt};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(leaf) = codec::decode::<Leaf>(bytes) {
        assert_eq!(leaf.to_bytes(), bytes);
    }
    let _ = codec::decode::<Head>(bytes);
    let _ = codec::decode::<Block>(bytes);
    let _ = codec::decode::<Receipt>(bytes);
    let _ = codec::decode::<InclusionProof>(bytes);
    let _ = codec::decode::<ConsistencyProof>(bytes);
});
