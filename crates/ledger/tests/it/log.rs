//! RFC 9162: known roots, proofs of all small sizes, another implementation, tampering.

use base::{Digest, Millis, operation::Bag};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ledger::{
    Failure, Outcome, Receipt,
    log::{CompactRange, Nodes, consistency_proof, inclusion_proof, leaf_hash, node_hash, root_at},
};
use sha2::Sha256;
use std::convert::Infallible;

use crate::world::*;

const SIZE: u64 = 130;

/// Leaves in memory; nodes recomputed from the definition (RFC 9162 2.1.1).
struct Plain(Vec<Digest>);

impl Plain {
    fn of(entries: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(entries.into_iter().map(|entry| leaf_hash(&entry)).collect())
    }

    fn many(size: u64) -> Self {
        Self::of((0..size).map(entry))
    }

    fn root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [one] => *one,
            several => {
                let split = several.len().next_power_of_two() / 2;
                let (left, right) = several.split_at(split);
                node_hash(&Self::root(left), &Self::root(right))
            }
        }
    }
}

impl Nodes for Plain {
    type Error = Infallible;
    fn node(&self, level: u8, index: u64) -> Result<Digest, Infallible> {
        let (from, to) = ((index << level) as usize, ((index + 1) << level) as usize);
        Ok(Self::root(&self.0[from..to]))
    }
}

fn entry(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

/// Certificate Transparency's test leaves and the roots of their prefixes.
#[test]
fn known_roots() {
    let leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let entries: Vec<Vec<u8>> = leaves.iter().map(|hex| hex::decode(hex).unwrap()).collect();
    let mut range = CompactRange::new();
    let nodes = Plain::of(entries.clone());
    for (size, root) in roots.iter().enumerate() {
        let root: Digest = root.parse().unwrap();
        assert_eq!(range.root(), root, "size {size}");
        assert_eq!(root_at(&nodes, size as u64).unwrap(), root);
        if let Some(entry) = entries.get(size) {
            range.append(entry);
        }
    }
}

#[test]
fn inclusion_of_every_leaf_of_every_size() {
    let nodes = Plain::many(SIZE);
    for size in 1..=SIZE {
        let root = root_at(&nodes, size).unwrap();
        for index in 0..size {
            let proof = inclusion_proof(&nodes, index, size).unwrap();
            proof.verify(&entry(index), &root).unwrap();
            // another leaf, another place, another root, a changed, missing or extra hash
            assert!(proof.verify(&entry(index + 1), &root).is_err());
            assert!(proof.verify(&entry(index), &Digest([7; 32])).is_err());
            let mut other = proof.clone();
            other.index = (index + 1) % size;
            assert!(size == 1 || other.verify(&entry(index), &root).is_err());
            let mut other = proof.clone();
            other.path.push(root);
            assert!(other.verify(&entry(index), &root).is_err());
            for at in 0..proof.path.len() {
                let mut other = proof.clone();
                other.path[at].0[at % 32] ^= 1;
                assert!(other.verify(&entry(index), &root).is_err());
                let mut other = proof.clone();
                other.path.remove(at);
                assert!(other.verify(&entry(index), &root).is_err());
            }
        }
    }
}

#[test]
fn consistency_of_every_pair_of_sizes() {
    let nodes = Plain::many(SIZE);
    let roots: Vec<Digest> = (0..=SIZE)
        .map(|size| root_at(&nodes, size).unwrap())
        .collect();
    for to in 0..=SIZE {
        for from in 0..=to {
            let proof = consistency_proof(&nodes, from, to).unwrap();
            let (old, new) = (roots[from as usize], roots[to as usize]);
            proof.verify(&old, &new).unwrap();
            if from != to && from != 0 {
                assert!(proof.verify(&new, &old).is_err());
                assert!(proof.verify(&old, &Digest([7; 32])).is_err());
            }
            assert!(proof.verify(&Digest([7; 32]), &new).is_err());
            for at in 0..proof.path.len() {
                let mut other = proof.clone();
                other.path[at].0[at % 32] ^= 1;
                assert!(other.verify(&old, &new).is_err());
                let mut other = proof.clone();
                other.path.remove(at);
                assert!(other.verify(&old, &new).is_err());
            }
            let mut other = proof.clone();
            other.path.push(new);
            assert!(other.verify(&old, &new).is_err());
        }
    }
}

/// The same tree by `ct-merkle`: roots equal, and each verifies the other's proofs.
#[test]
fn another_implementation_agrees() {
    let nodes = Plain::many(SIZE);
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=SIZE {
        tree.push(entry(size - 1));
        let root = root_at(&nodes, size).unwrap();
        let theirs = tree.root();
        assert_eq!(theirs.as_bytes().as_slice(), root.0);
        let index = size * 7 % size.max(2);
        let index = index.min(size - 1);
        let proof = inclusion_proof(&nodes, index, size).unwrap();
        let other = tree.prove_inclusion(index as usize);
        let path: Vec<u8> = proof.path.iter().flat_map(|hash| hash.0).collect();
        assert_eq!(other.as_bytes(), path);
        theirs
            .verify_inclusion(&entry(index), index, &other)
            .unwrap();
        let from = size.div_ceil(3);
        let proof = consistency_proof(&nodes, from, size).unwrap();
        let other = tree.prove_consistency((size - from) as usize);
        let path: Vec<u8> = proof.path.iter().flat_map(|hash| hash.0).collect();
        assert_eq!(other.as_bytes(), path);
    }
}

/// The proofs that a ledger on disk hands out.
#[test]
fn a_ledgers_proofs_verify() {
    let world = World::cast();
    let view = world.view();
    let head = view.head().unwrap().header;
    let mut range = CompactRange::new();
    let mut roots = vec![range.root()];
    for leaf in view.leaves(0, 1_000).unwrap() {
        range.append(&leaf.to_bytes());
        roots.push(range.root());
    }
    assert_eq!(
        (range.size(), range.root()),
        (head.tree_size, head.tree_root)
    );
    for index in 0..head.tree_size {
        let leaf = view.leaf(index).unwrap().unwrap();
        let proof = view.inclusion(index, head.tree_size).unwrap().unwrap();
        proof.verify(&leaf.to_bytes(), &head.tree_root).unwrap();
        let proof = view.consistency(index, head.tree_size).unwrap().unwrap();
        proof
            .verify(&roots[index as usize], &head.tree_root)
            .unwrap();
        let block = view.head_of(index).unwrap().unwrap().header;
        assert!((block.first_leaf..block.tree_size).contains(&index));
        let id = leaf.operation.to_bytes().1;
        let receipt = view.receipt(id).unwrap().unwrap();
        let receipt = receipt
            .verify(&world.ledger().validators(), &leaf.operation)
            .unwrap();
        assert!(receipt.is_of_its_block());
        assert_eq!(receipt.head().header, block);
    }
    assert!(
        view.inclusion(head.tree_size, head.tree_size)
            .unwrap()
            .is_none()
    );
    assert!(view.inclusion(0, head.tree_size + 1).unwrap().is_none());
    assert!(view.consistency(2, 1).unwrap().is_none());
    assert!(view.consistency(0, head.tree_size + 1).unwrap().is_none());
}

/// What an agent checks before it releases: every changed field of a receipt is noticed.
#[test]
fn tampered_receipts_are_refused() {
    let mut world = World::cast();
    let bag = Bag {
        version: 1,
        commitment: digest("bag"),
    };
    let operation = world.sign("pat", bag);
    let good = world.submit(&operation).unwrap();
    let other = world.sign("pat", Bag { version: 2, ..bag });
    let later = world.submit(&other).unwrap();
    type Twist = fn(&mut Receipt, &Receipt);
    let twists: &[Twist] = &[
        |receipt, _| receipt.outcome = Outcome::Failed(Failure::WrongRole),
        |receipt, _| receipt.index += 1,
        |receipt, later| receipt.id = later.id,
        |receipt, later| receipt.leaf = later.leaf,
        |receipt, later| receipt.inclusion = later.inclusion.clone(),
        |receipt, _| {
            let _ = receipt.inclusion.path.pop();
        },
        |receipt, later| receipt.head = later.head.clone(),
        |receipt, _| receipt.head.header.tree_root.0[0] ^= 1,
        |receipt, _| receipt.head.header.time = Millis(1),
        |receipt, _| receipt.head.certificate.signatures.clear(),
        |receipt, _| receipt.head.certificate.signatures[0].1.0[0] ^= 1,
        |receipt, _| {
            let twice = receipt.head.certificate.signatures[0];
            receipt.head.certificate.signatures.push(twice);
        },
        |receipt, _| receipt.head.certificate.signatures[0].0 = id("pat"),
        // a head of height 0 needs no signature, but it is only this one
        |receipt, _| {
            receipt.head.header.height = 0;
            receipt.head.certificate.signatures.clear();
        },
    ];
    let validators = &world.ledger().validators();
    for (at, twist) in twists.iter().enumerate() {
        let mut bad = good.clone();
        twist(&mut bad, &later);
        assert!(bad.verify(validators, &operation).is_err(), "twist {at}");
    }
    assert!(good.clone().verify(validators, &other).is_err());
    good.verify(validators, &operation).unwrap();
}

/// What a follower keeps comes back and goes on; one that cannot be is refused.
#[test]
fn a_stored_range_has_a_peak_for_each_bit_of_its_size() {
    let mut whole = CompactRange::new();
    for size in 0..20 {
        let bytes = base::codec::encode(&whole);
        let back: CompactRange = base::codec::decode(&bytes).unwrap();
        assert_eq!(back, whole);
        assert_eq!((back.size(), back.root()), (size, whole.root()));
        let peaks = u64::from(size.count_ones());
        for wrong in (0..6).filter(|wrong| *wrong != peaks) {
            let peaks: Vec<Digest> = (0..wrong).map(|at| Digest([at as u8; 32])).collect();
            let range = Range { size, peaks };
            let bytes = base::codec::encode(&range);
            assert!(base::codec::decode::<CompactRange>(&bytes).is_err());
        }
        whole.append(&entry(size));
    }
}

/// As it is stored.
#[derive(serde::Serialize)]
struct Range {
    size: u64,
    peaks: Vec<Digest>,
}
