//! Decoders of the re-encryption scheme: what is accepted encodes to the same bytes.
#![no_main]

use ibpre::{
    Capsule, GrantKey, MasterKey, ParameterSet, PublicParams, ReencryptedCapsule, ReencryptionKey,
    SetA, SetB, UserKey,
};
use libfuzzer_sys::fuzz_target;

fn every<P: ParameterSet>(bytes: &[u8]) {
    if let Ok(value) = PublicParams::<P>::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
    if let Ok(value) = Capsule::<P>::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
    if let Ok(value) = ReencryptedCapsule::<P>::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
    let _ = UserKey::<P>::from_bytes(bytes);
    let _ = GrantKey::<P>::from_bytes(bytes);
    let _ = ReencryptionKey::<P>::from_bytes(bytes);
    let _ = MasterKey::<P>::from_bytes(bytes);
}

fuzz_target!(|bytes: &[u8]| {
    every::<SetA>(bytes);
    every::<SetB>(bytes);
});
