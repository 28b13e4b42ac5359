//! Objects of the vocabulary: one spelling each.
#![no_main]

use base::{
    Operation, Scope, Signed, SignedOperation, codec,
    genesis::Genesis,
    operation::{Ask, Terms},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(operation) = codec::decode::<SignedOperation>(bytes) {
        assert_eq!(operation.to_bytes().0, bytes);
    }
    let _ = codec::decode::<Operation>(bytes);
    let _ = codec::decode::<Genesis>(bytes);
    let _ = codec::decode::<Terms>(bytes);
    let _ = codec::decode::<Scope>(bytes);
    let _ = codec::decode::<Signed<Ask>>(bytes);
});
