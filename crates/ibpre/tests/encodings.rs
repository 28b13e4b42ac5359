//! Test 19 of the design: decoders never panic, and accept nothing but canonical bytes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;

use ibpre::*;
use proptest::prelude::*;

#[path = "../src/test_rng.rs"]
mod test_rng;
use test_rng::TestRng;

/// Feeds bytes to every decoder; what is accepted must be written again as it was read.
fn feed<P: ParameterSet>(bytes: &[u8]) {
    if let Ok(object) = PublicParams::<P>::from_bytes(bytes) {
        assert_eq!(object.to_bytes(), bytes);
    }
    if let Ok(object) = MasterKey::<P>::from_bytes(bytes) {
        assert_eq!(*object.to_bytes(), bytes);
    }
    if let Ok(object) = UserKey::<P>::from_bytes(bytes) {
        assert_eq!(*object.to_bytes(), bytes);
    }
    if let Ok(object) = GrantKey::<P>::from_bytes(bytes) {
        assert_eq!(*object.to_bytes(), bytes);
        let public = PublicParams::<P>::from_bytes(&example::<P>()[0]).unwrap();
        let honest = bytes == example::<P>()[3];
        let gid = GrantId::from_bytes([1; 32]);
        assert_eq!(object.verify(&public, gid).is_ok(), honest);
    }
    if let Ok(object) = ReencryptionKey::<P>::from_bytes(bytes) {
        assert_eq!(*object.to_bytes(), bytes);
    }
    if let Ok(object) = Capsule::<P>::from_bytes(bytes) {
        assert_eq!(object.to_bytes(), bytes);
    }
    if let Ok(object) = ReencryptedCapsule::<P>::from_bytes(bytes) {
        assert_eq!(object.to_bytes(), bytes);
    }
}

fn feed_both(bytes: &[u8]) {
    feed::<SetA>(bytes);
    feed::<SetB>(bytes);
}

/// One valid encoding of each kind: h, master, user, grant, rk, capsule, c2.
fn make<P: ParameterSet>() -> [Vec<u8>; 7] {
    let rng = &mut TestRng::new(b"encodings");
    let master = setup::<P>(rng);
    let extractor = Extractor::new(&master);
    let mut issued = BTreeSet::new();
    let sid = scope_id::<P>(b"scope");
    let gid = GrantId::from_bytes([1; 32]);
    let scope = ScopeKey::new(master.public_params(), sid);
    let e1 = extractor.extract(sid, &mut issued, rng).unwrap();
    let (e2, rk) = rekey(&extractor, &e1, gid, &mut issued, rng).unwrap();
    let (_, capsule) = scope.encapsulate(rng);
    let id = capsule.id(master.public_params().pkh(), sid);
    let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
    let c2 = rk
        .prepare()
        .reencrypt(&accepted, &NoiseKey::generate(rng), gid, id);
    [
        master.public_params().to_bytes(),
        master.to_bytes().to_vec(),
        e1.to_bytes().to_vec(),
        e2.to_bytes().to_vec(),
        rk.to_bytes().to_vec(),
        capsule.to_bytes(),
        c2.to_bytes(),
    ]
}

fn example<P: ParameterSet>() -> &'static [Vec<u8>; 7] {
    use std::sync::OnceLock;
    static A: OnceLock<[Vec<u8>; 7]> = OnceLock::new();
    static B: OnceLock<[Vec<u8>; 7]> = OnceLock::new();
    let cell = if P::CODE == SetA::CODE { &A } else { &B };
    cell.get_or_init(make::<P>)
}

#[test]
fn lengths_are_those_of_the_design() {
    let lengths = |all: &[Vec<u8>; 7]| all.each_ref().map(|bytes| bytes.len() - 2);
    assert_eq!(
        lengths(example::<SetA>()),
        [2560, 5632, 1920, 1920, 1920, 3328, 768]
    );
    assert_eq!(
        lengths(example::<SetB>()),
        [5376, 11264, 3840, 3840, 4096, 6912, 1536]
    );
    for bytes in example::<SetA>().iter().chain(example::<SetB>()) {
        feed_both(bytes);
    }
}

/// Every kind of bad header and length, by name.
#[test]
fn refusals_are_named() {
    let [h, master, user, grant, rk, capsule, c2] = example::<SetA>();
    for bytes in [h, master, user, grant, rk, capsule, c2] {
        for cut in [0, 1, 2, bytes.len() - 1] {
            feed_both(&bytes[..cut]);
            let error = PublicParams::<SetA>::from_bytes(&bytes[..cut])
                .err()
                .unwrap();
            assert!(matches!(error, DecodeError::Length { .. }), "{error}");
        }
        feed_both(&[bytes.as_slice(), &[0]].concat());
    }
    let with = |bytes: &[u8], at: usize, value: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = value;
        bytes
    };
    assert_eq!(
        Capsule::<SetA>::from_bytes(&with(capsule, 0, 2)).err(),
        Some(DecodeError::Version(2))
    );
    assert_eq!(
        Capsule::<SetA>::from_bytes(&with(capsule, 1, 0x24)).err(),
        Some(DecodeError::Kind {
            expected: 0x14,
            found: 0x24
        })
    );
    // A user key is no grant key although they are equally long.
    assert_eq!(
        GrantKey::<SetA>::from_bytes(user).err(),
        Some(DecodeError::Kind {
            expected: 0x15,
            found: 0x13
        })
    );
    // q itself, and all ones, are not coefficients.
    let q = SetA::Q.to_le_bytes();
    let mut bad = h.clone();
    bad[2..4].copy_from_slice(&q[..2]);
    bad[4] = bad[4] & 0xf0 | q[2];
    assert_eq!(
        PublicParams::<SetA>::from_bytes(&bad).err(),
        Some(DecodeError::Coefficient)
    );
    let mut bad = capsule.clone();
    bad[2..2562].fill(0xff);
    assert_eq!(
        Capsule::<SetA>::from_bytes(&bad).err(),
        Some(DecodeError::Coefficient)
    );
    // One coefficient of f, g, F or G off by one is no trapdoor.
    for at in [2, 2 + 1152, 2 + 2 * 1152, 2 + 2 * 1152 + 1664] {
        assert_eq!(
            MasterKey::<SetA>::from_bytes(&with(master, at, master[at] ^ 1)).err(),
            Some(DecodeError::NotATrapdoor)
        );
    }
    // A grant key far too long is refused by its norm.
    let mut long = grant.clone();
    long[2..].fill(0x55);
    feed_both(&long);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        feed_both(&bytes);
    }

    #[test]
    fn random_bodies(kind in 1u8..8, set in 1u8..3, seed in any::<[u8; 8]>()) {
        let lengths = if set == 1 { example::<SetA>() } else { example::<SetB>() };
        for example in lengths {
            let mut bytes = example.clone();
            Rng::fill_bytes(&mut TestRng::new(&seed), &mut bytes);
            bytes[0] = 1;
            bytes[1] = set << 4 | kind;
            feed_both(&bytes);
        }
    }

    #[test]
    fn damaged_encodings(which in 0usize..14, at in any::<prop::sample::Index>(), flip in 1u8..) {
        let all: Vec<_> = example::<SetA>().iter().chain(example::<SetB>()).collect();
        let mut bytes = all[which].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        feed_flipped(&bytes, which);
    }
}

/// Like [`feed_both`], but a grant key with one changed coefficient may still be short.
fn feed_flipped(bytes: &[u8], which: usize) {
    if which % 7 != 3 {
        feed_both(bytes);
    } else if let Ok(object) = GrantKey::<SetA>::from_bytes(bytes) {
        assert_eq!(*object.to_bytes(), bytes);
    }
}
