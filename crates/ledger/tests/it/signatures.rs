//! ZIP 215: single and batch verification agree on the published edge cases.
//!
//! Vectors: every pair (A, R) of the fourteen encodings of small-order points, six of
//! them not canonical, with s = 0. ZIP 215 accepts all 196, on any message. Source: ZIP
//! 215, test vectors; H. de Valence, "It's 255:19AM. Do you know what your validation
//! criteria are?".

use base::{
    AccountId, Operation, Signed, Statement,
    genesis::Policy,
    key::{OperationKey, Signature},
    operation::{Bag, NewKey, Role, RotateKey},
};
use ledger::{Refusal, Signatures, check_batch};

use crate::world::*;

const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

fn bytes(hex: &str) -> [u8; 32] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

/// A registration of the account whose first key is `key`, with a made-up signature.
fn registering(world: &World, key: [u8; 32], r: [u8; 32], s: [u8; 32]) -> Signed<Operation> {
    let key = OperationKey(key);
    let mut register = registration(world.chain(), "x", Role::Requester);
    register.operation_key = key;
    let body = Operation {
        chain: world.chain(),
        account: AccountId::of(&key),
        delegation: None,
        sequence: 1,
        action: register.into(),
    };
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s);
    Signed {
        body,
        signature: Signature(signature),
    }
}

#[test]
fn small_order_points() {
    let mut world = World::cast();
    let good = world
        .sign(
            "pat",
            Bag {
                version: 1,
                commitment: digest("bag"),
            },
        )
        .to_bytes()
        .0;
    let mut batch = vec![good.clone()];
    for key in SMALL_ORDER {
        for r in SMALL_ORDER {
            let signed = registering(&world, bytes(key), bytes(r), [0; 32]);
            let message = signed.body.preimage();
            assert!(
                OperationKey(bytes(key))
                    .verify(&message, &signed.signature)
                    .is_ok()
            );
            let (alone, _) = signed.to_bytes();
            let result = check_batch(vec![alone.clone()], world.chain(), &world.view());
            assert!(result.unwrap()[0].is_ok());
            batch.push(alone);
        }
    }
    let results = check_batch(batch, world.chain(), &world.view()).unwrap();
    assert_eq!(results.len(), 197);
    assert!(results.iter().all(|result| result.is_ok()));
}

#[test]
fn what_both_refuse() {
    let mut world = World::cast();
    let good = world
        .sign(
            "pat",
            Bag {
                version: 1,
                commitment: digest("bag"),
            },
        )
        .to_bytes()
        .0;
    // s = the group order: not canonical, though it means 0
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let no_point = bytes("0200000000000000000000000000000000000000000000000000000000000000");
    let small = bytes(SMALL_ORDER[1]);
    let mut one = [0; 32];
    one[0] = 1;
    for (key, r, s) in [
        (small, small, order),
        (small, no_point, [0; 32]),
        (no_point, small, [0; 32]),
        (small, small, one),
    ] {
        let signed = registering(&world, key, r, s);
        let message = signed.body.preimage();
        assert!(
            OperationKey(key)
                .verify(&message, &signed.signature)
                .is_err()
        );
        let (bad, _) = signed.to_bytes();
        let batch = vec![good.clone(), bad.clone(), good.clone()];
        let results = check_batch(batch, world.chain(), &world.view()).unwrap();
        assert!(results[0].is_ok() && results[2].is_ok());
        assert_eq!(results[1], Err(Refusal::BadSignature));
        let results = check_batch(vec![bad], world.chain(), &world.view()).unwrap();
        assert_eq!(results[0], Err(Refusal::BadSignature));
    }
}

/// Only what a rotation's own signature says counts for the operations beside it.
#[test]
fn a_key_that_a_forged_rotation_names_is_nobodys() {
    let mut world = World::empty(genesis(&["node"], &[], Policy::default()));
    world.register("ann", Role::Patient);
    let rotate = RotateKey {
        new: NewKey::Operation(key_of("thief"), Signature([0; 64])),
        compromised_after: None,
    };
    let by_thief = |body: Operation| Signed::new(body, &secret("thief")).to_bytes().0;
    let forged = by_thief(world.sign("ann", rotate).body);
    let mut bag = world
        .sign(
            "ann",
            Bag {
                version: 1,
                commitment: digest("bag"),
            },
        )
        .body;
    for sequence in [2, 3] {
        bag.sequence = sequence;
        let batch = vec![forged.clone(), by_thief(bag.clone())];
        let results = check_batch(batch, world.chain(), &world.view()).unwrap();
        for result in results {
            assert!(matches!(result, Err(Refusal::BadSignature)), "{result:?}");
        }
    }
}

/// What was found good is remembered, at least the last `limit`; what was not never is.
#[test]
fn a_good_signature_is_verified_once() {
    let mut world = World::empty(genesis(&["node"], &[], Policy::default()));
    let bag = |version| Bag {
        version,
        commitment: digest("bag"),
    };
    let sign = |version| world.sign("node", bag(version)).to_bytes().0;
    let good: Vec<Vec<u8>> = (1..=9).map(sign).collect();
    let (chain, view) = (world.chain(), world.view());
    let mut signatures = Signatures::new(4);
    let mut check = |batch: &[Vec<u8>]| {
        let results = signatures.check_batch(batch.to_vec(), chain, &view);
        let good = results.unwrap().iter().filter(|one| one.is_ok()).count();
        (good, signatures.verified())
    };
    assert_eq!(check(&good[..3]), (3, 3));
    assert_eq!(check(&good[..3]), (3, 3));
    assert_eq!(check(&good[..5]), (5, 5));
    assert_eq!(check(&good[1..5]), (4, 5), "the last four");
    assert_eq!(check(&good[5..]), (4, 9));
    assert_eq!(check(&good[..1]), (1, 10), "it was forgotten");
    // Its last byte is the signature's.
    let mut forged = good[8].clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(check(std::slice::from_ref(&forged)), (0, 11));
    assert_eq!(check(&[forged, good[8].clone()]), (1, 12), "each time anew");
}
