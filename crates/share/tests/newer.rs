//! What a newer program wrote is neither taken nor rejected nor thrown away.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{Class, Statement as _, UnknownVersion, codec, operation::Modify};
use share::{
    Table, Vault as _,
    accept::{self, AcceptError},
    bag::{self, RestoreError},
    identity::{Party, PatientSecrets, RecordSecret},
    manifest::{Manifest, ManifestError},
    part::{PartError, State},
    post,
    prekey::Prekey,
    sealed::{CapsuleNode, SealedError},
};
use store::BlockStore as _;
use world::{Cast, Person, bundle, rng};

const LAB: &[Class] = &[Class::Laboratory];
const SECOND: UnknownVersion = UnknownVersion { found: 2, known: 1 };

/// Canonical bytes with their version raised: it stands first.
fn raised(bytes: &[u8]) -> Vec<u8> {
    assert_eq!(&bytes[1..4], b"\x61v\x01");
    [&bytes[..3], &[2], &bytes[4..]].concat()
}

#[test]
fn a_newer_state_waits_for_a_newer_wallet() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let wallet = world.wallet(&cast.patient);
    let before = wallet.desk.record(record).unwrap().accepted.unwrap();
    let root = raised(&world.store.get(&before).unwrap());
    let after = base::cid::of_object(&root);
    world.store.put(&after, &root).unwrap();
    let modify = Modify {
        record,
        before,
        after,
    };
    world.desk(&cast.hospital).send(modify).unwrap();
    let refused = accept::accept(&wallet, record, &mut rng()).unwrap_err();
    assert!(
        matches!(
            &refused,
            AcceptError::Part(PartError::Sealed(SealedError::Version(SECOND)))
        ),
        "{refused}"
    );
    assert_eq!(refused.code(), None, "it must not be rejected");

    let state = State::load(&wallet.desk, record, before).unwrap();
    let capsule = world.store.get(&state.sealed.parts[0].capsule).unwrap();
    assert!(CapsuleNode::from_block(&capsule, &state.sealed, 0).is_ok());
    assert_eq!(
        CapsuleNode::from_block(&raised(&capsule), &state.sealed, 0).unwrap_err(),
        SealedError::Version(SECOND)
    );
}

#[test]
fn a_newer_manifest_is_no_bad_signature() {
    let manifest = Manifest {
        version: base::Version,
        record: base::RecordId([1; 32]),
        patient: base::AccountId([2; 32]),
        hospital: base::AccountId([3; 32]),
        created: base::Millis(1),
        previous: None,
        parts: vec![base::Digest([4; 32])],
    };
    let mut bytes = manifest.sign(base::ChainId([5; 32]), &RecordSecret::new([6; 32]));
    let at = bytes.windows(3).position(|three| three == b"\x61v\x01");
    bytes[at.unwrap() + 2] = 2;
    let refused = Manifest::read(&bytes).unwrap_err();
    assert_eq!(refused, ManifestError::Version(SECOND));
    assert!(PartError::from(refused).is_newer());
}

#[test]
fn a_newer_letter_stays_in_the_mailbox() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let wish = world::wish(LAB, world.now());
    let expires = world.now().plus(base::Millis::DAY);
    share::request::request(&desk, cast.patient.id(), &wish, expires, None, &mut rng()).unwrap();
    for letter in world.mail.lock().unwrap().values_mut().flatten() {
        *letter = raised(letter);
    }
    let mail = post::collect(&world.desk(&cast.patient), world.now()).unwrap();
    assert!(mail.letters.is_empty() && mail.dead.is_empty());
    assert_eq!(mail.newer.len(), 1);
    assert_eq!(mail.newer[0].1, SECOND);
}

#[test]
fn a_newer_bag_restores_nothing_and_says_why() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.accepted(&bundle());
    bag::backup(&world.wallet(&cast.patient), &mut rng()).unwrap();
    for bag in world.bags.lock().unwrap().values_mut() {
        *bag = raised(bag);
    }
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let empty = Person::new(Party::new(
        world.chain(),
        phrase.operation(),
        share::identity::HpkeSecret::generate(&mut rng()),
    ));
    let refused = bag::restore(&world.desk(&empty), phrase.bag()).err();
    assert!(matches!(refused, Some(RestoreError::Newer(SECOND))));
    for table in Table::ALL {
        assert!(empty.vault.list(*table).unwrap().is_empty());
    }
}

#[test]
fn newer_secrets_and_statements_are_refused() {
    let cast = Cast::new();
    let secrets = cast.patient.secrets.as_ref().unwrap().to_bytes();
    assert!(PatientSecrets::from_bytes(&secrets).is_ok());
    assert!(PatientSecrets::from_bytes(&raised(&secrets)).is_err());
    let body = Prekey {
        chain: cast.world.chain(),
        agent: cast.agent.id(),
        key: cast.agent.party.hpke.public(),
    };
    assert!(body.preimage().starts_with(b"medshare/v1/prekey\0"));
    let signed = base::Signed::new(body, &cast.agent.party.operation);
    let refused = codec::decode::<base::Signed<Prekey>>(&raised(&codec::encode(&signed)));
    assert!(matches!(
        refused,
        Err(codec::DecodeError::Version {
            version: SECOND,
            ..
        })
    ));
}
