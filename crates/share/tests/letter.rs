//! Letters from outside: their form as another program sees it, and what a mailbox sees
//! of what they say.
#![allow(clippy::unwrap_used, missing_docs)]

mod world;

use base::{ChainId, Digest, OperationId, Salt, Version, codec, operation::Subject};
use hpke::{Deserializable as _, Kem, OpModeR};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use share::{
    identity::HpkeSecret,
    letter::{Evidence, EvidenceLetter, Letter, LetterError, SealedLetter, key_hash},
};
use world::rng;

const CHAIN: ChainId = ChainId([3; 32]);
const SEED: [u8; 32] = [5; 32];
/// Of AES-256-GCM.
const TAG: usize = 16;

/// A sealed letter's envelope, written down once more.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    v: Version,
    key: Digest,
    enc: ByteBuf,
    text: ByteBuf,
}

fn says(words: String) -> Letter {
    Letter::Evidence(EvidenceLetter {
        subject: Subject::Query(OperationId(base::cid::of_object(b"query"))),
        salt: Salt([1; 32]),
        evidence: Evidence::Words(words),
    })
}

/// A letter whose canonical bytes are so many.
fn of_length(length: usize) -> Letter {
    let mut words = length;
    loop {
        let letter = says("w".repeat(words));
        let found = codec::encode(&letter).len();
        if found == length {
            return letter;
        }
        words = words.saturating_sub(found - length);
    }
}

fn sealed(letter: &Letter) -> Vec<u8> {
    let to = HpkeSecret::new(SEED).public();
    letter.seal(CHAIN, &to, &mut rng()).unwrap()
}

/// RFC 9180 in base mode with X-Wing, HKDF-SHA256 and AES-256-GCM, bound to the ledger by
/// `info`; inside, a length of four bytes, the canonical letter, and zeros up to a Padmé
/// length of at least 1024: a mailbox sees no more of a length than that.
#[test]
fn a_letter_has_one_form_everywhere() {
    type Suite = hpke::kem::XWing;
    let secret = <Suite as Kem>::PrivateKey::from_bytes(&SEED).unwrap();
    let info = [b"medshare/v1/letter\0", &CHAIN.0[..]].concat();
    let shortest = codec::encode(&says(String::new())).len();
    for (length, padded) in [
        (shortest, 1_024),
        (1_020, 1_024),
        (1_021, 1_088),
        (1_084, 1_088),
        (1_085, 1_152),
        (10_000, 10_240),
    ] {
        let letter = of_length(length);
        let envelope: Envelope = codec::decode(&sealed(&letter)).unwrap();
        assert_eq!(envelope.key, key_hash(&HpkeSecret::new(SEED).public()));
        assert_eq!(envelope.text.len(), padded + TAG, "{length}");
        let plain = hpke::single_shot_open::<hpke::aead::AesGcm256, hpke::kdf::HkdfSha256, Suite>(
            &OpModeR::Base,
            &secret,
            &<Suite as Kem>::EncappedKey::from_bytes(&envelope.enc).unwrap(),
            &info,
            &envelope.text,
            &[],
        )
        .unwrap();
        let mut expected = (length as u32).to_be_bytes().to_vec();
        expected.extend(codec::encode(&letter));
        expected.resize(padded, 0);
        assert_eq!(plain, expected, "{length}");
    }
}

#[test]
fn a_letter_of_another_ledger_is_not_opened() {
    let letter = says("words".into());
    let sealed = SealedLetter::parse(&sealed(&letter)).unwrap();
    let secret = HpkeSecret::new(SEED);
    assert_eq!(sealed.open(CHAIN, &secret).unwrap(), letter);
    assert_eq!(
        sealed.open(ChainId([4; 32]), &secret),
        Err(LetterError::NotOurs)
    );
}

/// The longest fits one object, sealed, and opens; what is longer is not sealed.
#[test]
fn the_longest_letter_fits_one_object() {
    let longest = of_length(880_000);
    let bytes = sealed(&longest);
    assert!(bytes.len() <= codec::MAX_OBJECT, "{}", bytes.len());
    let back = SealedLetter::parse(&bytes).unwrap();
    assert_eq!(back.open(CHAIN, &HpkeSecret::new(SEED)).unwrap(), longest);
    let to = HpkeSecret::new(SEED).public();
    for length in [880_001, 900_000] {
        assert_eq!(
            of_length(length).seal(CHAIN, &to, &mut rng()),
            Err(LetterError::TooLong(length))
        );
    }
}
