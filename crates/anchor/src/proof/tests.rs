//! Certificates of rounds, and of validators that others led to.

use super::*;
use base::{
    Millis, Statement as _,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
};
use ledger::{Commit, Reign, Seat, ValidatorSet};

/// A ledger of these validators.
fn genesis(secrets: &[OperationSecret]) -> Genesis {
    let validator = |secret: &OperationSecret| Validator {
        key: secret.public(),
        hpke_key: HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap(),
    };
    Genesis {
        version: Version,
        network: "test".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: secrets.iter().map(validator).collect(),
        institutions: vec![],
        policy: Policy::default(),
    }
}

/// These sign that they agreed on a header in this round.
fn signed(header: &Header, round: u32, by: &[OperationSecret]) -> Vec<(AccountId, Bytes)> {
    let commit = Commit {
        chain: header.chain,
        height: header.height,
        round,
        header: header.cid(),
    };
    let sign = |secret: &OperationSecret| {
        let signature = secret.sign(&commit.preimage()).0.to_vec();
        (AccountId::of(&secret.public()), Bytes(signature))
    };
    by.iter().map(sign).collect()
}

#[test]
fn changes_of_validators_lead_from_one_set_to_the_next() {
    let secrets: Vec<_> = (1..=5).map(|at| OperationSecret::new([at; 32])).collect();
    let (old, new) = (&secrets[..4], &secrets[1..]);
    let known = Validators::of(&genesis(old));
    let seat = |secret: &OperationSecret| Seat {
        account: AccountId::of(&secret.public()),
        key: secret.public(),
        weight: 1_000,
    };
    let mut seats: Vec<_> = new.iter().map(seat).collect();
    seats.sort_by_key(|seat| seat.account);
    let next = ValidatorSet::try_from(seats).unwrap();
    let reign = Reign {
        first: 2,
        set: next.digest(),
    };
    let header = |height: u64, set: &ValidatorSet| Header {
        height,
        proposer: set.proposer(height, 0).unwrap().account,
        next_validators: Some(reign),
        ..Header::genesis(&genesis(old))
    };
    let head = |header: &Header, by| {
        let signatures = signed(header, 0, by).into_iter();
        let signature = |bytes: Bytes| Signature(bytes.0.as_slice().try_into().unwrap());
        Head {
            certificate: Certificate {
                height: header.height,
                round: Some(0),
                header: header.cid(),
                signatures: signatures.map(|(who, it)| (who, signature(it))).collect(),
            },
            header: header.clone(),
        }
    };
    let last = header(1, known.newest());
    let transition = |by| {
        let head = head(&last, by);
        let next = next.clone();
        Bytes(codec::encode(&Transition { head, next }))
    };
    let later = header(2, &next);
    let certificate = signed(&later, 0, new);
    let verdict = |transitions: &[Bytes]| {
        followed(transitions, &known)
            .and_then(|known| certified(&later, Some(0), &certificate, &known))
            .map_err(|broken| broken.link)
    };
    assert_eq!(verdict(&[transition(old)]), Ok(()));
    let refused = Err(Link::Certificate);
    assert_eq!(verdict(&[]), refused, "left out");
    assert_eq!(verdict(&[transition(&old[2..])]), refused, "two of four");
    assert_eq!(verdict(&[transition(new)]), refused, "one that is none yet");
    assert_eq!(verdict(&[Bytes(vec![0xf6])]), refused, "no change at all");

    #[cfg(feature = "bitcoin")]
    {
        let key = bitcoin::Key::new(&[7; 32]).unwrap();
        let made = bitcoin::tests::made_of(&key, &genesis(old), |header| Header {
            height: later.height,
            proposer: later.proposer,
            next_validators: later.next_validators,
            ..header
        });
        let mut proof = made.proof;
        proof.round = Some(4);
        proof.certificate = Some(signed(&made.header, 4, new));
        proof.transitions = vec![transition(old)];
        let bitcoin = BitcoinTrust {
            payers: vec![key.payer()],
            blocks: vec![made.block],
        };
        let trust = Trust {
            ledger: known.chain(),
            validators: Some(&known),
            ethereum: None,
            bitcoin: Some(&bitcoin),
            eos: None,
        };
        let payer = key.payer().address(bitcoin::Network::Regtest);
        let holds = |proof: &AnchoredProof| {
            let ours = proof.verify(&trust).map_err(|broken| broken.link);
            for bytes in [proof.to_bytes(), proof.to_json().into_bytes()] {
                let theirs = script(&bytes, &genesis(old), made.block, &payer);
                match &ours {
                    Ok(found) => assert!(found.certified && theirs.is_ok(), "{theirs:?}"),
                    Err(link) => {
                        let said = theirs.unwrap_err();
                        assert!(
                            said.starts_with(&format!("broken link: {link}: ")),
                            "{link}: {said}"
                        );
                    }
                }
            }
            ours.map(drop)
        };
        assert_eq!(holds(&proof), Ok(()));
        let wrong = |edit: fn(&mut AnchoredProof)| {
            let mut other = proof.clone();
            edit(&mut other);
            holds(&other)
        };
        assert_eq!(wrong(|proof| proof.round = Some(3)), refused);
        assert_eq!(wrong(|proof| proof.round = None), refused);
        assert_eq!(wrong(|proof| proof.transitions.clear()), refused);
        assert_eq!(wrong(|proof| proof.transitions[0].0[40] ^= 1), refused);
        let few = |proof: &mut AnchoredProof| {
            proof.certificate.as_mut().unwrap().truncate(2);
        };
        assert_eq!(wrong(few), refused);
        let bare = |proof: &mut AnchoredProof| proof.certificate = None;
        assert_eq!(wrong(bare), Err(Link::Format));
    }
}

/// What the script that shares no code says of a file.
#[cfg(feature = "bitcoin")]
fn script(file: &[u8], genesis: &Genesis, block: Digest, payer: &str) -> Result<String, String> {
    use std::{fs, path::Path, process::Command};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("proof"), file).unwrap();
    fs::write(at("genesis"), codec::encode(genesis)).unwrap();
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../evidence/anchor-proof/verify.py");
    let done = Command::new("python3")
        .arg(script)
        .arg(at("proof"))
        .arg("--genesis")
        .arg(at("genesis"))
        .args(["--block", &block.to_string()])
        .args(["--payer", payer])
        .output()
        .unwrap();
    match done.status.success() {
        true => Ok(String::from_utf8(done.stdout).unwrap()),
        false => Err(String::from_utf8(done.stderr).unwrap()),
    }
}

#[test]
fn a_certificate_holds_for_its_round_alone() {
    let secrets: Vec<_> = (1..=4).map(|at| OperationSecret::new([at; 32])).collect();
    let genesis = genesis(&secrets);
    let validators = Validators::of(&genesis);
    let turn = validators.newest().proposer(1, 0).unwrap();
    let header = Header {
        height: 1,
        proposer: turn.account,
        ..Header::genesis(&genesis)
    };
    let all = signed(&header, 3, &secrets);
    let link = |round, signatures| {
        certified(&header, round, signatures, &validators).map_err(|broken| broken.link)
    };
    assert_eq!(link(Some(3), &all), Ok(()));
    assert_eq!(link(Some(3), &all[1..]), Ok(()), "three of four");
    let refused = Err(Link::Certificate);
    assert_eq!(link(Some(3), &all[2..]), refused, "two of four");
    assert_eq!(link(Some(2), &all), refused, "another round");
    assert_eq!(link(None, &all), refused, "no round");
}
