//! What makes a head acceptable to somebody who holds the genesis object only: each rule
//! alone.

use base::{Millis, Statement as _, cid, genesis::Policy};
use ledger::{Certificate, Commit, Head, HeadError, Header, ValidatorSet, Validators};

use crate::world::*;

const NODES: [&str; 4] = ["n0", "n1", "n2", "n3"];

/// Height 1 of a ledger of four validators, signed by three of them in a round.
fn good() -> (Validators, Head) {
    let genesis = genesis(&NODES, &[], Policy::default());
    let validators = Validators::of(&genesis);
    let turn = validators.newest().proposer(1, 0).unwrap();
    let header = Header {
        height: 1,
        time: Millis(START + 1),
        previous: Some(Header::genesis(&genesis).cid()),
        proposer: turn.account,
        ..Header::genesis(&genesis)
    };
    let certificate = signed(&header, &NODES[1..]);
    let head = Head {
        header,
        certificate,
    };
    (validators, head)
}

fn signed(header: &Header, by: &[&str]) -> Certificate {
    let commit = Commit {
        chain: header.chain,
        height: header.height,
        round: 0,
        header: header.cid(),
    };
    let sign = |name: &&str| (id(name), secret(name).sign(&commit.preimage()));
    Certificate {
        height: header.height,
        round: Some(0),
        header: header.cid(),
        signatures: by.iter().map(sign).collect(),
    }
}

#[test]
fn each_rule_alone() {
    let (validators, head) = good();
    assert!(head.clone().verify(&validators).is_ok());
    let refused = |change: fn(&mut Head), error: HeadError| {
        let mut head = head.clone();
        change(&mut head);
        assert_eq!(head.verify(&validators), Err(error));
    };
    refused(|head| head.header.chain.0[0] ^= 1, HeadError::WrongChain);
    // Both the height and the header that the certificate names.
    refused(|head| head.certificate.height = 2, HeadError::OtherHeader);
    refused(
        |head| head.certificate.header = cid::of_object(b"x"),
        HeadError::OtherHeader,
    );
    refused(
        |head| {
            head.header.proposer = id("x");
            head.certificate = signed(&head.header, &NODES);
        },
        HeadError::NotValidator,
    );
    refused(
        |head| {
            let turn = head.header.proposer;
            let others = NODES.map(id);
            head.header.proposer = others.into_iter().find(|id| *id != turn).unwrap();
            head.certificate = signed(&head.header, &NODES);
        },
        HeadError::NotInTurn,
    );
    refused(
        |head| head.certificate = signed(&head.header, &["n0", "n1", "x"]),
        HeadError::NotValidator,
    );
    refused(
        |head| head.certificate = signed(&head.header, &["n0", "n1", "n2", "n0"]),
        HeadError::NotValidator,
    );
    refused(
        |head| head.certificate = signed(&head.header, &["n0", "n1", "n2", "n3", "n3"]),
        HeadError::NotValidator,
    );
    refused(
        |head| head.certificate.round = Some(1),
        HeadError::BadSignature,
    );
    refused(
        |head| head.certificate.round = None,
        HeadError::BadSignature,
    );
    refused(
        |head| head.certificate = signed(&head.header, &NODES[2..]),
        HeadError::TooFew {
            signed: 2_000,
            of: 4_000,
        },
    );
    let mut all = head.clone();
    all.certificate = signed(&all.header, &NODES);
    assert!(all.verify(&validators).is_ok());
}

#[test]
fn height_0_is_the_genesis_objects_and_bare() {
    let genesis = genesis(&NODES, &[], Policy::default());
    let (validators, head) = good();
    let bare = Head::genesis(&genesis);
    assert!(bare.clone().verify(&validators).is_ok());
    let mut other = bare.clone();
    other.header.time = Millis(START + 1);
    let mut in_a_round = bare.clone();
    in_a_round.certificate.round = Some(0);
    let mut signed = bare;
    signed.certificate.signatures = head.certificate.signatures;
    for head in [other, in_a_round, signed] {
        assert_eq!(head.verify(&validators), Err(HeadError::NotGenesis));
    }
}

#[test]
fn who_validates_and_how_many_decide() {
    let (validators, _) = good();
    let set = validators.newest();
    assert_eq!((set.len(), set.is_empty()), (4, false));
    let mut names = NODES.map(id);
    names.sort();
    let seats: Vec<_> = set.seats().iter().map(|seat| seat.account).collect();
    assert_eq!(seats, names);
    assert_eq!(set.key(id("n2")), Some(key_of("n2")));
    assert_eq!(set.key(id("x")), None);
    let nobody = ValidatorSet::of(&genesis(&[], &[], Policy::default()));
    assert_eq!((nobody.len(), nobody.is_empty()), (0, true));
    // More than two thirds.
    for (all, fewest) in [(1, 1), (3, 3), (4, 3), (6, 5), (7, 5)] {
        let names: Vec<String> = (0..all).map(|number| format!("n{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let set = ValidatorSet::of(&genesis(&names, &[], Policy::default()));
        let accounts: Vec<_> = set.seats().iter().map(|seat| seat.account).collect();
        let first = (0..=all).find(|count| set.decides(&accounts[..*count]));
        assert_eq!(first, Some(fewest), "of {all}");
    }
}

/// A set of validators that somebody sends: in order, not too many, each of some weight.
#[test]
fn sets_from_outside() {
    let seats = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("n{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Vec::from(ValidatorSet::of(&genesis(&names, &[], Policy::default())))
    };
    let is_one = |seats: Vec<ledger::Seat>| ValidatorSet::try_from(seats).is_ok();
    assert!(is_one(seats(1)) && is_one(seats(3)) && is_one(seats(128)));
    assert!(!is_one(Vec::new()));
    assert!(!is_one(seats(129)));
    for weight in [1, 4_000] {
        let mut all = seats(3);
        all[1].weight = weight;
        assert!(is_one(all), "{weight}");
    }
    for weight in [0, 4_001] {
        let mut all = seats(3);
        all[1].weight = weight;
        assert!(!is_one(all), "{weight}");
    }
    let mut swapped = seats(3);
    swapped.swap(0, 1);
    assert!(!is_one(swapped));
    let mut twice = seats(3);
    twice[1] = twice[0];
    assert!(!is_one(twice));
}
