//! No bytes from outside make a decoder panic, and none but the right ones are taken.
#![allow(clippy::unwrap_used, missing_docs)]

use base::{ChainId, RecordId, codec};
use proptest::prelude::*;
use share::{
    bag::Phrase,
    card::Card,
    identity::{HpkeSecret, PatientSecrets},
    letter::{Letter, SealedLetter},
    manifest::Manifest,
    record::Layout,
    sealed::{CapsuleNode, PartOpening, SealedRecord},
};

fn decode_everything(bytes: &[u8]) {
    let record = RecordId([7; 32]);
    let secret = HpkeSecret::new([3; 32]);
    let sealed = SealedRecord::from_block(bytes, record);
    if let Ok(sealed) = &sealed {
        let _ = CapsuleNode::from_block(bytes, sealed, 0);
    }
    let _ = codec::decode::<CapsuleNode>(bytes);
    let _ = codec::decode::<PartOpening>(bytes);
    let _ = codec::decode::<Letter>(bytes);
    let _ = codec::decode::<Layout>(bytes);
    let _ = SealedLetter::parse(bytes).map(|letter| letter.open(ChainId([1; 32]), &secret));
    let _ = Manifest::read(bytes);
    let _ = PatientSecrets::from_bytes(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = Card::read(&text);
    let _ = Phrase::parse(&text);
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..3_000)) {
        decode_everything(&bytes);
    }

    #[test]
    fn any_cbor_shape(depth in 0usize..2_000, head in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        // deep arrays, long declared lengths
        let nested = [vec![0x81; depth], bytes.clone()].concat();
        decode_everything(&nested);
        let long = [&[head, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &bytes[..]].concat();
        decode_everything(&long);
    }

    #[test]
    fn a_changed_letter_does_not_open(at in any::<proptest::sample::Index>(), bit in 0u8..8) {
        let secret = HpkeSecret::new([3; 32]);
        let chain = ChainId([1; 32]);
        let letter = Letter::Evidence(share::letter::EvidenceLetter {
            subject: base::operation::Subject::Record(RecordId([7; 32])),
            salt: base::Salt([0; 32]),
            evidence: share::letter::Evidence::Words("words".into()),
        });
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let sealed = letter.seal(chain, &secret.public(), &mut rng).unwrap();
        let open = |bytes: &[u8]| SealedLetter::parse(bytes).and_then(|sealed| sealed.open(chain, &secret));
        prop_assert_eq!(open(&sealed).unwrap(), letter);
        let mut bad = sealed.clone();
        let at = at.index(bad.len());
        bad[at] ^= 1 << bit;
        // the name of the key is a hint to its holder, not a check
        let key = Letter::seal(&Letter::Evidence(share::letter::EvidenceLetter {
            subject: base::operation::Subject::Record(RecordId([7; 32])),
            salt: base::Salt([0; 32]),
            evidence: share::letter::Evidence::Words("words".into()),
        }), chain, &secret.public(), &mut rng).unwrap();
        prop_assert_eq!(key.len(), sealed.len());
        if SealedLetter::parse(&bad).is_ok_and(|bad| bad.key() == SealedLetter::parse(&sealed).unwrap().key()) {
            prop_assert!(open(&bad).is_err());
        }
    }
}
