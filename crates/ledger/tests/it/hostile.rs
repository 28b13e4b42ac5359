//! Bytes from outside: never a panic, never an effect.

use base::{codec, operation::Bag};
use ledger::{
    Block, CompactRange, ConsistencyProof, Head, InclusionProof, Leaf, Receipt, Refusal,
    check_batch,
};
use proptest::prelude::*;
use std::sync::OnceLock;

use crate::world::*;

struct Fixture {
    world: World,
    samples: Vec<Vec<u8>>,
}

/// One world for all cases, with honest bytes to spoil.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let mut world = World::cast();
        let record = world.record("mercy", "pat", "r", &[("s", "c0")]);
        let grant = world.grant("institute", &["s"], &["ag", "ac"]);
        let part = parts(&[("s", "c0")])[0];
        let query = world.querying(&want(grant, "institute", "ag", record, "r", part));
        world.ok("ag", query);
        let view = world.view();
        let samples = view
            .leaves(0, 1_000)
            .unwrap()
            .iter()
            .map(|leaf| leaf.operation.to_bytes().0)
            .collect();
        Fixture { world, samples }
    })
}

fn check_one(bytes: Vec<u8>) -> Result<ledger::Checked, Refusal> {
    let fixture = fixture();
    let mut results =
        check_batch(vec![bytes], fixture.world.chain(), &fixture.world.view()).unwrap();
    results.pop().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(check_one(bytes.clone()).is_err());
        let _ = codec::decode::<Leaf>(&bytes);
        let _ = codec::decode::<Receipt>(&bytes);
        let _ = codec::decode::<Head>(&bytes);
        let _ = codec::decode::<Block>(&bytes);
        let _ = codec::decode::<InclusionProof>(&bytes);
        let _ = codec::decode::<ConsistencyProof>(&bytes);
        let _ = codec::decode::<CompactRange>(&bytes);
    }

    #[test]
    fn spoilt_operations_are_refused(
        sample in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        how in 0_u8..4,
        byte in any::<u8>(),
    ) {
        let samples = &fixture().samples;
        let good = &samples[sample.index(samples.len())];
        let mut bad = good.clone();
        let at = at.index(bad.len());
        match how {
            0 => bad.truncate(at),
            1 => bad.push(byte),
            2 => bad.insert(at, byte),
            _ => bad[at] ^= byte.max(1),
        }
        prop_assume!(bad != *good);
        prop_assert!(check_one(bad).is_err());
    }
}

#[test]
fn second_spellings_and_sizes() {
    let fixture = fixture();
    // A map with an unknown key, long integers, trailing bytes: not canonical.
    let good = &fixture.samples[0];
    let mut trailing = good.clone();
    trailing.push(0);
    assert!(matches!(check_one(trailing), Err(Refusal::Malformed(_))));
    let huge = vec![0; ledger::MAX_OPERATION + 1];
    assert!(matches!(check_one(huge), Err(Refusal::TooLarge { .. })));
    let largest = vec![0; ledger::MAX_OPERATION];
    assert!(matches!(check_one(largest), Err(Refusal::Malformed(_))));
    assert!(matches!(check_one(Vec::new()), Err(Refusal::Malformed(_))));
    // Deep nesting does not overflow the stack.
    assert!(check_one(vec![0x81; 100_000]).is_err());
    assert!(check_one(vec![0xa1; 100_000]).is_err());
    assert!(check_one([vec![0x9b], vec![0xff; 8]].concat()).is_err());
}

#[test]
fn the_largest_operation_fits_a_leaf() {
    let mut world = World::cast();
    let record = world.publish("mercy", "pat", "r");
    let names: Vec<(String, String)> = (0..4_096)
        .map(|at| ("s".to_owned(), format!("c{at}")))
        .collect();
    let list: Vec<(&str, &str)> = names
        .iter()
        .map(|(s, c)| (s.as_str(), c.as_str()))
        .collect();
    world.accept("pat", record, state("r"), &list);
    let index = world.view().head().unwrap().header.tree_size - 1;
    assert!(world.view().leaf(index).unwrap().is_some());
    world.ok(
        "pat",
        Bag {
            version: 1,
            commitment: digest("bag"),
        },
    );
}
