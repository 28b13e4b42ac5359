//! Every message comes back as it went, and is signed for one ledger, round and purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::bft::{
    ring::Ring,
    signing::{Checker, Seal},
};
use base::{
    AccountId, ChainId, Millis, Statement as _,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
};
use ledger::{Commit, Ledger, OpenOptions};
use malachite_signing::{Signer as _, Verifier as _};
use std::{fmt::Debug, sync::Arc};

fn secret() -> OperationSecret {
    OperationSecret::new([9; 32])
}

/// Signs for the one validator of a ledger of its own; `chain` is what it signs for.
fn seal(chain: u8) -> Seal {
    let genesis = Genesis {
        version: Version,
        network: "test".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: vec![Validator {
            key: secret().public(),
            hpke_key: HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap(),
        }],
        institutions: vec![],
        policy: Policy::default(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let ledger = Ledger::create(&path, &genesis, OpenOptions::default()).unwrap();
    let account = AccountId::of(&secret().public());
    Seal {
        chain: ChainId([chain; 32]),
        ring: Ring::new(account, Arc::new(ledger), vec![secret()]),
    }
}

fn vote(kind: VoteType, round: u32, block: Option<[u8; 32]>) -> Vote {
    Vote {
        kind,
        height: Height(7),
        round: Round::new(round),
        value: value(block.map(Digest)),
        address: Address(AccountId::of(&secret().public())),
    }
}

fn comes_back<T: Spelt + PartialEq + Debug>(message: &T) -> Bytes {
    let bytes = Spelling.encode(message).unwrap();
    let back: T = Spelling.decode(bytes.clone()).unwrap();
    assert_eq!(back, *message);
    bytes
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn votes_come_back_and_no_other_spelling_is_read() {
    let seal = seal(1);
    let signed = run(seal.sign_vote(vote(VoteType::Precommit, 3, Some([5; 32])))).unwrap();
    let bytes = comes_back(&SignedConsensusMsg::Vote(signed.clone()));
    comes_back(&LivenessMsg::Vote(signed.clone()));
    comes_back(&LivenessMsg::SkipRoundCertificate(
        RoundCertificate::new_from_votes(
            Height(7),
            Round::new(3),
            RoundCertificateType::Skip,
            vec![signed.clone()],
        ),
    ));
    comes_back(&PolkaCertificate::<Chain>::new(
        Height(7),
        Round::new(3),
        BlockId(Digest([5; 32])),
        vec![signed],
    ));
    let mut longer = bytes.to_vec();
    longer.push(0);
    let read =
        |bytes: Vec<u8>| -> Result<SignedConsensusMsg<Chain>, _> { Spelling.decode(bytes.into()) };
    assert!(read(longer).is_err());
    assert!((0..bytes.len()).all(|length| read(bytes[..length].to_vec()).is_err()));
    #[derive(Serialize)]
    struct Newer {
        v: u32,
        body: u32,
    }
    let newer = codec::encode(&Newer { v: 2, body: 1 });
    let refused = read(newer);
    assert!(
        matches!(
            refused,
            Err(BadMessage::Decode(DecodeError::Version { .. }))
        ),
        "{refused:?}"
    );
}

#[test]
fn a_signature_is_for_one_ledger_round_and_purpose() {
    let all: Vec<_> = [VoteType::Prevote, VoteType::Precommit]
        .into_iter()
        .flat_map(|kind| [(kind, 0), (kind, 1)])
        .flat_map(|(kind, round)| [None, Some([5; 32])].map(|block| vote(kind, round, block)))
        .collect();
    let (seal, key) = (seal(1), secret().public());
    for signed in &all {
        let message = run(seal.sign_vote(signed.clone())).unwrap();
        for other in &all {
            for chain in [1, 2] {
                let checker = Checker {
                    chain: ChainId([chain; 32]),
                };
                let verdict =
                    run(checker.verify_signed_vote(other, &message.signature, &key)).unwrap();
                assert_eq!(
                    verdict.is_valid(),
                    signed == other && chain == 1,
                    "{signed:?} {other:?}"
                );
            }
        }
    }
}

#[test]
fn a_proposal_and_a_peers_proof_are_for_one_ledger() {
    let (seal, key) = (seal(1), secret().public());
    let proposal = Proposal {
        height: Height(7),
        round: Round::new(3),
        value: BlockId(Digest([5; 32])),
        pol_round: Round::Nil,
        address: Address(AccountId::of(&key)),
    };
    let signed = run(seal.sign_proposal(proposal.clone())).unwrap();
    let proof = run(seal.sign_validator_proof(key.0.to_vec(), vec![8; 38])).unwrap();
    let mut other = proof.clone();
    other.peer_id[3] ^= 1;
    for chain in [1, 2] {
        let checker = Checker {
            chain: ChainId([chain; 32]),
        };
        let verdict = run(checker.verify_signed_proposal(&proposal, &signed.signature, &key));
        assert_eq!(verdict.unwrap().is_valid(), chain == 1);
        let verdict = run(checker.verify_validator_proof(&proof));
        assert_eq!(verdict.unwrap().is_valid(), chain == 1);
        let verdict = run(checker.verify_validator_proof(&other));
        assert!(!verdict.unwrap().is_valid(), "another peer's");
    }
}

#[test]
fn a_precommit_of_a_block_is_what_the_blocks_certificate_holds() {
    let seal = seal(1);
    let signed = run(seal.sign_vote(vote(VoteType::Precommit, 3, Some([5; 32])))).unwrap();
    let commit = Commit {
        chain: seal.chain,
        height: 7,
        round: 3,
        header: BlockId(Digest([5; 32])).cid(),
    };
    let key = secret().public();
    key.verify(&commit.preimage(), &signed.signature.0).unwrap();
}
