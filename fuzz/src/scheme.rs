//! Encodings of the re-encryption scheme: what is accepted encodes to the same bytes.

use super::{Decoder, Target};
use ibpre::{
    AcceptedCapsule, Capsule, Extractor, GrantKey, MasterKey, NoiseKey, ParameterSet, PublicParams,
    ReencryptedCapsule, ReencryptionKey, ScopeKey, SetA, SetB, UserKey, grant_id, rekey, scope_id,
    setup, terms_hash,
};
use std::collections::BTreeSet;

/// Both parameter sets.
pub const SCHEME: Target = Target {
    name: "scheme",
    decoders: &[
        Decoder {
            name: "public-a",
            run: |bytes| public::<SetA>(bytes),
        },
        Decoder {
            name: "public-b",
            run: |bytes| public::<SetB>(bytes),
        },
        Decoder {
            name: "capsule-a",
            run: |bytes| capsule::<SetA>(bytes),
        },
        Decoder {
            name: "capsule-b",
            run: |bytes| capsule::<SetB>(bytes),
        },
        Decoder {
            name: "reencrypted-a",
            run: |bytes| reencrypted::<SetA>(bytes),
        },
        Decoder {
            name: "reencrypted-b",
            run: |bytes| reencrypted::<SetB>(bytes),
        },
        Decoder {
            name: "user-key-a",
            run: |bytes| user_key::<SetA>(bytes),
        },
        Decoder {
            name: "user-key-b",
            run: |bytes| user_key::<SetB>(bytes),
        },
        Decoder {
            name: "grant-key-a",
            run: |bytes| grant_key::<SetA>(bytes),
        },
        Decoder {
            name: "grant-key-b",
            run: |bytes| grant_key::<SetB>(bytes),
        },
        Decoder {
            name: "reencryption-key-a",
            run: |bytes| reencryption_key::<SetA>(bytes),
        },
        Decoder {
            name: "reencryption-key-b",
            run: |bytes| reencryption_key::<SetB>(bytes),
        },
        Decoder {
            name: "master-key-a",
            run: |bytes| master_key::<SetA>(bytes),
        },
        Decoder {
            name: "master-key-b",
            run: |bytes| master_key::<SetB>(bytes),
        },
    ],
    seeds: || [seeds::<SetA>(), seeds::<SetB>()].concat(),
};

fn public<P: ParameterSet>(bytes: &[u8]) -> bool {
    PublicParams::<P>::from_bytes(bytes).is_ok_and(|value| {
        assert!(value.to_bytes() == bytes);
        true
    })
}

fn capsule<P: ParameterSet>(bytes: &[u8]) -> bool {
    Capsule::<P>::from_bytes(bytes).is_ok_and(|value| {
        assert!(value.to_bytes() == bytes);
        true
    })
}

fn reencrypted<P: ParameterSet>(bytes: &[u8]) -> bool {
    ReencryptedCapsule::<P>::from_bytes(bytes).is_ok_and(|value| {
        assert!(value.to_bytes() == bytes);
        true
    })
}

fn user_key<P: ParameterSet>(bytes: &[u8]) -> bool {
    UserKey::<P>::from_bytes(bytes).is_ok_and(|value| {
        assert!(value.to_bytes()[..] == *bytes);
        true
    })
}

fn grant_key<P: ParameterSet>(bytes: &[u8]) -> bool {
    GrantKey::<P>::from_bytes(bytes).is_ok_and(|value| {
        assert!(value.to_bytes()[..] == *bytes);
        true
    })
}

fn reencryption_key<P: ParameterSet>(bytes: &[u8]) -> bool {
    ReencryptionKey::<P>::from_bytes(bytes).is_ok_and(|value| {
        assert!(value.to_bytes()[..] == *bytes);
        true
    })
}

fn master_key<P: ParameterSet>(bytes: &[u8]) -> bool {
    MasterKey::<P>::from_bytes(bytes).is_ok_and(|value| {
        assert!(value.to_bytes()[..] == *bytes);
        true
    })
}

/// One of each, from a fresh key.
fn seeds<P: ParameterSet>() -> Vec<Vec<u8>> {
    let rng = &mut rand_core::UnwrapErr(getrandom::SysRng);
    let master = setup::<P>(rng);
    let public = master.public_params();
    let sid = scope_id::<P>(b"seed");
    let scope = ScopeKey::new(public, sid);
    let (_, capsule) = scope.encapsulate(rng);
    let extractor = Extractor::new(&master);
    let mut issued = BTreeSet::new();
    let key = extractor
        .extract(sid, &mut issued, rng)
        .expect("first of its name");
    let terms = terms_hash::<P>(b"terms");
    let gid = grant_id::<P>(b"seed", sid, b"requester", &[1; 32], &[2; 32], &terms);
    let (grant_key, rk) =
        rekey(&extractor, &key, gid, &mut issued, rng).expect("first of its name");
    let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
    let ctid = capsule.id(public.pkh(), sid);
    let turned = rk
        .prepare()
        .reencrypt(&accepted, &NoiseKey::generate(rng), gid, ctid);
    vec![
        public.to_bytes(),
        capsule.to_bytes(),
        turned.to_bytes(),
        key.to_bytes().to_vec(),
        grant_key.to_bytes().to_vec(),
        rk.to_bytes().to_vec(),
        master.to_bytes().to_vec(),
    ]
}
