//! Manifests from outside: as a COSE library that knows no more makes them, and what is
//! refused though the publisher's own key signed it. And that key.
#![allow(clippy::unwrap_used, missing_docs)]

use base::{AccountId, ChainId, Digest, Millis, RecordId, Version, codec, key::OperationSecret};
use coset::{
    CoseSign1, CoseSign1Builder, Header, HeaderBuilder, TaggedCborSerializable as _,
    iana::Algorithm,
};
use share::{
    identity::{HpkeSecret, Party, RecordSecret},
    manifest::{Manifest, ManifestError},
};

const CHAIN: ChainId = ChainId([9; 32]);

fn manifest() -> Manifest {
    Manifest {
        version: Version,
        record: RecordId([1; 32]),
        patient: AccountId([2; 32]),
        hospital: AccountId([3; 32]),
        created: Millis(1_795_305_600_000),
        previous: None,
        parts: vec![Digest([4; 32])],
    }
}

fn secret() -> RecordSecret {
    RecordSecret::new([5; 32])
}

/// What the signature covers besides header and payload.
fn ledger() -> Vec<u8> {
    [b"medshare/v1/manifest\0", &CHAIN.0[..]].concat()
}

fn with_algorithm(algorithm: Algorithm) -> Header {
    HeaderBuilder::new().algorithm(algorithm).build()
}

/// The manifest under these headers, signed by its hospital whatever they say.
fn signed(protected: Header, unprotected: Header) -> Vec<u8> {
    CoseSign1Builder::new()
        .protected(protected)
        .unprotected(unprotected)
        .payload(codec::encode(&manifest()))
        .create_signature(&ledger(), |bytes| secret().sign(bytes).as_bytes().to_vec())
        .build()
        .to_tagged_vec()
        .unwrap()
}

/// Whether a COSE library that knows no more finds the hospital's signature in it.
fn is_signed(bytes: &[u8]) -> bool {
    let object = CoseSign1::from_tagged_slice(bytes).unwrap();
    let key = secret().public();
    object
        .verify_signature(&ledger(), |signature, bytes| key.verify(bytes, signature))
        .is_ok()
}

/// RFC 9052: tag 18, ML-DSA-65 (-49) protected and alone, nothing unprotected, one spelling.
#[test]
fn a_manifest_has_one_form() {
    let header = || with_algorithm(Algorithm::ML_DSA_65);
    let good = signed(header(), Header::default());
    assert_eq!(good[..8], [0xd2, 0x84, 0x44, 0xa1, 0x01, 0x38, 0x30, 0xa0]);
    let read = Manifest::read(&good).unwrap();
    assert_eq!(
        *read.verify(CHAIN, [&secret().public()]).unwrap(),
        manifest()
    );
    let own = manifest().sign(CHAIN, &secret());
    assert!(is_signed(&own));
    let unsigned = |bytes: &[u8]| bytes[..bytes.len() - 3_309].to_vec();
    assert_eq!(unsigned(&own), unsigned(&good));
    // the same, with the length of the array in two bytes
    let spelt = [&good[..1], &[0x98, 0x04], &good[2..]].concat();
    // the same, with the algorithm in two bytes
    let mut object = CoseSign1::from_tagged_slice(&good).unwrap();
    object.protected.original_data = Some(vec![0xa1, 0x01, 0x39, 0x00, 0x30]);
    object.signature = secret()
        .sign(&object.tbs_data(&ledger()))
        .as_bytes()
        .to_vec();
    let longer = object.to_tagged_vec().unwrap();
    let named = HeaderBuilder::new().key_id(b"ours".to_vec()).build();
    let wider = HeaderBuilder::new()
        .algorithm(Algorithm::ML_DSA_65)
        .key_id(b"ours".to_vec())
        .build();
    for (what, bad) in [
        ("spelt differently", spelt),
        ("a header spelt differently", longer),
        (
            "another algorithm",
            signed(with_algorithm(Algorithm::EdDSA), Header::default()),
        ),
        ("no algorithm", signed(Header::default(), Header::default())),
        ("more that is protected", signed(wider, Header::default())),
        ("something unprotected", signed(header(), named)),
    ] {
        assert!(is_signed(&bad), "{what}");
        assert_eq!(
            Manifest::read(&bad).unwrap_err(),
            ManifestError::Malformed,
            "{what}"
        );
    }
}

/// "Signature, 64 commitments and the rest": 8 KiB are read, and not a byte more, whoever
/// signed it.
#[test]
fn what_is_longer_than_8_kib_is_not_read() {
    let of_length = |length: usize| {
        let good = manifest().sign(CHAIN, &secret());
        let mut object = CoseSign1::from_tagged_slice(&good).unwrap();
        object.signature.resize(3_309 + length - good.len(), 0);
        let bytes = object.to_tagged_vec().unwrap();
        assert_eq!(bytes.len(), length);
        bytes
    };
    let read = Manifest::read(&of_length(8_192)).unwrap();
    assert_eq!(
        read.verify(CHAIN, [&secret().public()]).unwrap_err(),
        ManifestError::BadSignature
    );
    for length in [8_193, 20_000] {
        assert_eq!(
            Manifest::read(&of_length(length)).unwrap_err(),
            ManifestError::Malformed
        );
    }
}

/// FIPS 204: the public key that another library (Python's `cryptography` 48, OpenSSL 4)
/// makes of the seed 00 01 … 1f, which a home keeps.
#[test]
fn the_seed_gives_the_key_that_it_gives_everywhere() {
    let seed: [u8; 32] = std::array::from_fn(|at| at as u8);
    let secret = RecordSecret::new(seed);
    assert_eq!(*secret.as_secret(), seed);
    let digest = Digest::of(secret.public().as_bytes());
    assert_eq!(
        digest.to_string(),
        "d666806e11cee19a7c989f7445f90dd419cf4d2d51db8c0fdb4c0f0a542238c9"
    );
    // kept, and read again: the same key
    let again = RecordSecret::new(*secret.as_secret());
    assert_eq!(again.public(), secret.public());
}

/// A party in a log or a failed test: which account it is, and no byte of a secret.
#[test]
fn a_party_shows_its_account_alone() {
    let (operation, hpke) = (OperationSecret::new([7; 32]), HpkeSecret::new([8; 32]));
    let account = AccountId::of(&operation.public());
    let party = Party::new(CHAIN, operation, hpke).with_record_key(secret());
    assert_eq!(format!("{party:?}"), format!("Party({account})"));
}
