//! A proof of one of a million operations in a full block, made here without a node.

#![allow(clippy::unwrap_used)]

use base::{
    AccountId, Digest, Millis, Operation, Signed, Version, codec,
    genesis::{Genesis, Policy},
    key::OperationSecret,
    operation::Bag,
};
use bitcoin::{
    BlockHash, CompactTarget, OutPoint, TxMerkleNode, Txid, block, consensus,
    hashes::{Hash as _, sha256d},
};
use ledger::{Header, InclusionProof, Leaf, Outcome};
use std::time::{Duration, Instant};

use super::{
    BitcoinEvidence, BitcoinTrust, Key,
    coins::{self, Coin},
    mark, path,
};
use crate::{AnchoredProof, Bytes, Checkpoint, Evidence, Link, Trust};

/// Of a tree of 2^20 leaves the first, in a block of 2^12 transactions the first.
pub(crate) struct Made {
    pub(crate) proof: AnchoredProof,
    pub(crate) header: Header,
    pub(crate) block: Digest,
}

fn hashes(what: u8, count: u8) -> Vec<[u8; 32]> {
    (0..count).map(|at| Digest::of(&[what, at]).0).collect()
}

fn made(key: &Key) -> Made {
    let genesis = Genesis {
        version: Version,
        network: "test".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: vec![],
        institutions: vec![],
        policy: Policy::default(),
    };
    made_of(key, &genesis, |header| Header {
        height: 9_999,
        ..header
    })
}

/// In a block of this ledger; `edit` says what its header has beside the log.
pub(crate) fn made_of(key: &Key, genesis: &Genesis, edit: impl Fn(Header) -> Header) -> Made {
    let patient = OperationSecret::new([2; 32]);
    let chain = genesis.chain();
    let operation = Operation {
        chain,
        account: AccountId::of(&patient.public()),
        delegation: None,
        sequence: 1,
        action: Bag {
            version: 1,
            commitment: Digest([1; 32]),
        }
        .into(),
    };
    let leaf = Leaf {
        version: Version,
        operation: Signed::new(operation, &patient),
        outcome: Outcome::Ok,
    };
    let siblings = hashes(1, 20);
    let mut root = Digest::of(&[&[0], leaf.to_bytes().as_slice()].concat());
    for sibling in &siblings {
        root = Digest::of(&[&[1], root.0.as_slice(), sibling].concat());
    }
    let header = edit(Header {
        tree_size: 1 << 20,
        tree_root: root,
        ..Header::genesis(genesis)
    });
    let checkpoint = Checkpoint::of(&header);
    let txid = Txid::from_byte_array([8; 32]);
    let coin = Coin {
        at: OutPoint { txid, vout: 1 },
        value: 100_000,
    };
    let says = mark::script(&checkpoint.mark()).unwrap();
    let transaction = coins::spend(key, &[coin], says, 284, 800_000);
    let transaction = consensus::serialize(&transaction.unwrap().unwrap());
    let siblings_there = hashes(2, 12);
    let leaf_there = sha256d::Hash::hash(&transaction).to_byte_array();
    let public = block::Header {
        version: block::Version::TWO,
        prev_blockhash: BlockHash::from_byte_array([7; 32]),
        merkle_root: TxMerkleNode::from_byte_array(
            path::root(leaf_there, 0, &siblings_there).unwrap(),
        ),
        time: 1_795_000_000,
        bits: CompactTarget::from_consensus(0x1703_4219),
        nonce: 1,
    };
    let evidence = BitcoinEvidence {
        header: Bytes(consensus::serialize(&public)),
        transaction: Bytes(transaction),
        index: 0,
        path: siblings_there
            .iter()
            .map(|node| Bytes(node.to_vec()))
            .collect(),
    };
    let proof = AnchoredProof {
        version: Version,
        leaf: leaf.to_bytes().into(),
        inclusion: InclusionProof {
            index: 0,
            tree_size: 1 << 20,
            path: siblings.into_iter().map(Digest).collect(),
        },
        block: codec::encode(&header).into(),
        round: None,
        certificate: None,
        transitions: Vec::new(),
        anchor: Evidence::Bitcoin(evidence),
    };
    Made {
        proof,
        header,
        block: super::verify::shown(public.block_hash().to_raw_hash()),
    }
}

#[test]
fn a_proof_of_one_of_a_million_operations_is_small_and_quick() {
    let key = Key::new(&[7; 32]).unwrap();
    let Made {
        proof,
        header,
        block,
    } = made(&key);
    let known = BitcoinTrust {
        payers: vec![key.payer()],
        blocks: vec![block],
    };
    let trust = Trust {
        ledger: header.chain,
        validators: None,
        ethereum: None,
        bitcoin: Some(&known),
        eos: None,
    };
    let bytes = proof.to_bytes();
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let begin = Instant::now();
        let read = AnchoredProof::read(&bytes).unwrap();
        read.verify(&trust).unwrap();
        fastest = fastest.min(begin.elapsed());
    }
    println!(
        "{} bytes, {} of them the operation; {fastest:?}",
        bytes.len(),
        proof.leaf.len()
    );
    assert!(bytes.len() <= 4_096, "{}", bytes.len());
    assert!(fastest < Duration::from_millis(5), "{fastest:?}");
    let text = proof.to_json();
    assert_eq!(AnchoredProof::read(text.as_bytes()), Ok(proof.clone()));

    // A bit of every byte.
    for at in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged[at] ^= 1 << (at % 8);
        let verified = AnchoredProof::read(&forged).and_then(|proof| proof.verify(&trust));
        assert!(verified.is_err(), "byte {at}");
    }

    // Everything is right, and somebody else signed it, or the block is another.
    let stranger = Key::new(&[9; 32]).unwrap();
    let other = made(&stranger);
    let whose = BitcoinTrust {
        payers: vec![key.payer()],
        blocks: vec![other.block],
    };
    let link = |proof: &AnchoredProof, known: Option<&BitcoinTrust>| {
        let trust = Trust {
            bitcoin: known,
            ..trust.clone()
        };
        proof
            .verify(&trust)
            .map(|_| ())
            .map_err(|broken| broken.link)
    };
    assert_eq!(link(&other.proof, Some(&whose)), Err(Link::Trust));
    assert_eq!(link(&other.proof, Some(&known)), Err(Link::Trust));
    assert_eq!(link(&proof, None), Err(Link::Trust));
    assert_eq!(link(&proof, Some(&known)), Ok(()));
}
