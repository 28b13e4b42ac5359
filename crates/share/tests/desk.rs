//! What a node says is held against the certified log: receipts, proofs, blocks, accounts,
//! states.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    AccountId, Cid, Class, Millis, OperationId,
    key::OperationSecret,
    operation::{NewKey, Revoke, RotateKey},
};
use ledger::{Header, KeyPeriod, Receipt, Refusal, Reign, StateInfo, Transition, ValidatorSet};
use share::{
    Desk, LookError, NodeError, SendError, Sent,
    account::{self, Replacement},
    follow::{self, FollowError},
    identity::{HpkeSecret, Party},
};
use std::sync::{
    Arc, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};
use world::{Cast, Full, Lies, MemoryVault, World, bundle, file, refused, rng};

fn lies(world: &World) -> MutexGuard<'_, Lies> {
    world.lies.lock().unwrap()
}

/// The node tells the truth again.
fn honest(world: &World) {
    *lies(world) = Lies::default();
}

/// An operation that always takes effect.
fn new_key() -> RotateKey {
    RotateKey {
        new: NewKey::Hpke(HpkeSecret::generate(&mut rng()).public()),
        compromised_after: None,
    }
}

fn sent(desk: &Desk<'_>) -> Sent {
    desk.send(new_key()).unwrap()
}

/// The operation at a place of the log.
fn operation_at(world: &World, index: u64) -> OperationId {
    let leaf = world.view().leaf(index).unwrap().unwrap();
    leaf.operation.to_bytes().1
}

/// A header of the next block, which would hold no operation.
fn after(header: &Header) -> Header {
    Header {
        height: header.height + 1,
        time: header.time.plus(1),
        previous: Some(header.cid()),
        first_leaf: header.tree_size,
        ..header.clone()
    }
}

/// The proof that the node gives of an operation, under the newest head.
fn under(world: &World, id: OperationId) -> Receipt {
    let receipt = world.view().receipt(id).unwrap().unwrap();
    let head = world.view().head().unwrap();
    let size = head.header.tree_size;
    let inclusion = world.view().inclusion(receipt.index, size).unwrap();
    Receipt {
        inclusion: inclusion.unwrap(),
        head,
        ..receipt
    }
}

#[test]
fn another_process_of_the_party_may_be_faster() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let before = world.view().sequence(cast.institute.id()).unwrap();
    lies(world).sequence = Some(Box::new(|told| told.map(|number| number - 1)));
    let done = sent(&desk);
    assert_eq!(
        world.view().sequence(cast.institute.id()).unwrap(),
        before + 1
    );
    assert_eq!(done.time(), done.head.header.time);
    honest(world);
    // a node that refuses the number that it asks for gets nothing more
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    lies(world).submit = Some(Box::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Err(NodeError::Refused(Refusal::WrongSequence {
            expected: before + 2,
            found: before + 2,
        }))
    }));
    refused!(
        desk.send(new_key()),
        SendError::Node(NodeError::Refused(Refusal::WrongSequence { .. }))
    );
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_receipt_is_of_the_operation_and_its_own_block() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    // under a later block its time would be another
    let validator = world.validator.clone();
    lies(world).submit = Some(Box::new(move |told| {
        told.map(|receipt| {
            let header = after(&receipt.head.header);
            let certificate = header.certify(&validator);
            let head = ledger::Head {
                header,
                certificate,
            };
            Receipt { head, ..receipt }
        })
    }));
    refused!(desk.send(new_key()), SendError::BadReceipt(_));
    // of another operation
    let other = world
        .view()
        .receipt(operation_at(world, 0))
        .unwrap()
        .unwrap();
    lies(world).submit = Some(Box::new(move |_| Ok(other.clone())));
    refused!(desk.send(new_key()), SendError::BadReceipt(_));
    // what failed is not told as done
    let revoke = Revoke {
        grant: operation_at(world, 0),
    };
    lies(world).submit = Some(Box::new(|told| {
        told.map(|receipt| Receipt {
            outcome: ledger::Outcome::Ok,
            ..receipt
        })
    }));
    refused!(desk.send(revoke), SendError::BadReceipt(_));
    honest(world);
    let error = desk.send(revoke).unwrap_err();
    let SendError::Failed { failure, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(error.failure(), Some(failure));
    assert_eq!(SendError::BadReceipt(String::new()).failure(), None);
}

#[test]
fn another_operation_or_one_that_failed_proves_nothing() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let revoke = Revoke {
        grant: operation_at(world, 0),
    };
    refused!(desk.send(revoke), SendError::Failed { .. });
    let head = follow::advance(&desk).unwrap();
    let failed = operation_at(world, head.header.tree_size - 1);
    refused!(
        desk.proven(&head, failed),
        LookError::Unknown("operation", _)
    );
    let (one, other) = (operation_at(world, 0), operation_at(world, 1));
    let told = world.view().operation(other).unwrap();
    desk.proven(&head, one).unwrap();
    lies(world).operation = Some(Box::new(move |_| Ok(told.clone())));
    refused!(desk.proven(&head, one), LookError::Unknown("operation", _));
}

#[test]
fn a_proof_of_another_place_or_log_proves_nothing() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let head = follow::advance(&desk).unwrap();
    let (id, size) = (operation_at(world, 0), head.header.tree_size);
    let truth = world.view().inclusion(0, size).unwrap().unwrap();
    let entry = world.view().leaf(0).unwrap().unwrap().to_bytes();
    // a good proof of a place that the operation does not have
    let proof = truth.clone();
    lies(world).inclusion = Some(Box::new(move |_| Ok(proof.clone())));
    desk.proven(&head, id).unwrap();
    lies(world).operation = Some(Box::new(|told| {
        told.map(|found| found.map(|(index, leaf)| (index + 1, leaf)))
    }));
    refused!(desk.proven(&head, id), LookError::NotProven);
    // of a log that is one leaf longer or shorter, in which the first leaf's path looks alike
    honest(world);
    let proof = [size + 1, size - 1]
        .map(|tree_size| ledger::InclusionProof {
            tree_size,
            ..truth.clone()
        })
        .into_iter()
        .find(|proof| proof.verify(&entry, &head.header.tree_root).is_ok());
    let proof = proof.unwrap();
    lies(world).inclusion = Some(Box::new(move |_| Ok(proof.clone())));
    refused!(desk.proven(&head, id), LookError::NotProven);
    // and one that does not end in the root
    lies(world).inclusion = Some(Box::new(|told| {
        told.map(|mut proof| {
            proof.path[0].0[0] ^= 1;
            proof
        })
    }));
    refused!(desk.proven(&head, id), LookError::NotProven);
}

#[test]
fn a_block_is_that_of_the_operation_and_part_of_the_log() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let head = follow::advance(&desk).unwrap();
    let id = operation_at(world, 2);
    let receipt = world.view().receipt(id).unwrap().unwrap();
    let block = receipt.head.header.clone();
    assert!(block.height < head.header.height);
    assert_eq!(desk.block_of(&head, id).unwrap(), block);
    // a later block holds it too, as a part of the whole log
    let later = under(world, id);
    lies(world).receipt = Some(Box::new(move |_| Ok(Some(later.clone()))));
    refused!(desk.block_of(&head, id), LookError::NotProven);
    // a proof that does not end in the root
    honest(world);
    lies(world).consistency = Some(Box::new(|told| {
        told.map(|mut proof| {
            proof.path[0].0[0] ^= 1;
            proof
        })
    }));
    refused!(desk.block_of(&head, id), LookError::NotProven);
    // one that would hold, but is about other sizes
    honest(world);
    let (from, to) = (&block, &head.header);
    let truth = world.view().consistency(from.tree_size, to.tree_size);
    let truth = truth.unwrap().unwrap();
    let lie = [truth.to + 1, truth.to - 1]
        .map(|to| ledger::ConsistencyProof {
            to,
            ..truth.clone()
        })
        .into_iter()
        .find(|proof| proof.verify(&from.tree_root, &to.tree_root).is_ok());
    let lie = lie.unwrap();
    lies(world).consistency = Some(Box::new(move |_| Ok(lie.clone())));
    refused!(desk.block_of(&head, id), LookError::NotProven);
}

#[test]
fn a_second_block_of_the_same_height_gives_no_time() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let done = sent(&desk);
    let head = follow::advance(&desk).unwrap();
    assert_eq!(desk.block_of(&head, done.id).unwrap(), head.header);
    let mut receipt = world.view().receipt(done.id).unwrap().unwrap();
    receipt.head = world.certified(Header {
        time: head.header.time.plus(Millis::DAY),
        ..head.header.clone()
    });
    lies(world).receipt = Some(Box::new(move |_| Ok(Some(receipt.clone()))));
    refused!(desk.block_of(&head, done.id), LookError::NotProven);
}

#[test]
fn a_block_that_cannot_be_checked_now_is_not_called_a_lie() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let head = follow::advance(&desk).unwrap();
    let id = operation_at(world, 2);
    // its validators are others, and the node does not say how they came about
    let mut genesis = world.genesis.clone();
    genesis.validators[0].key = OperationSecret::new([5; 32]).public();
    let next = ValidatorSet::of(&genesis);
    let reign = Reign {
        first: 2,
        set: next.digest(),
    };
    let mut receipt = world.view().receipt(id).unwrap().unwrap();
    receipt.head = world.certified(Header {
        next_validators: Some(reign),
        ..receipt.head.header
    });
    lies(world).receipt = Some(Box::new(move |_| Ok(Some(receipt.clone()))));
    lies(world).transitions = Some(Box::new(|_, _| Err(NodeError::Busy("later".into()))));
    refused!(
        desk.block_of(&head, id),
        LookError::Node(NodeError::Busy(_))
    );
    // or it does, and the vault has no room for them
    let first = world.view().head_at(1).unwrap().unwrap();
    let transition = Transition {
        head: world.certified(Header {
            next_validators: Some(reign),
            ..first.header
        }),
        next,
    };
    lies(world).transitions = Some(Box::new(move |_, _| Ok(vec![transition.clone()])));
    let empty = MemoryVault::default();
    let vault = Full(&empty);
    let full = Desk {
        vault: &vault,
        ..desk
    };
    match full.block_of(&head, id) {
        Err(LookError::Follow(error)) => assert!(matches!(*error, FollowError::Vault(_))),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        world.trust.known().since(),
        1,
        "durable before it is believed"
    );
}

#[test]
fn a_founding_validators_account_has_its_founding_key_alone() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let id = AccountId::of(&world.validator.public());
    let truth = desk.account(id).unwrap();
    let slipped = KeyPeriod {
        key: cast.stranger.party.operation.public(),
        from: 0,
        until: None,
    };
    for at in [0, 1] {
        let mut lie = truth.clone();
        lie.operation_keys.insert(at, slipped.clone());
        lies(world).account = Some(lie);
        refused!(desk.account(id), LookError::NotProven);
    }
}

#[test]
fn a_state_comes_from_its_hospital_by_the_log() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let wallet = world.wallet(&cast.patient);
    let desk = &wallet.desk;
    let accepted = || desk.record(record).unwrap().accepted.unwrap();
    let told = |state: &Cid| world.view().state_of(record, *state).unwrap().unwrap();
    let published = |state: &Cid| desk.published_state(&desk.record(record).unwrap(), state);
    let first = accepted();
    // twice re-wrapped
    let mut wraps = Vec::new();
    for _ in 0..2 {
        let sid = cast.choice(&[Class::Laboratory], &[]).sids[0];
        share::rotate::rotate(&wallet, sid, &mut rng()).unwrap();
        wraps.push(accepted());
    }
    assert_eq!(published(&wraps[1]).unwrap(), told(&first));
    // by a re-wrap of another state
    lies(world).state = Some(StateInfo {
        by: told(&wraps[0]).by,
        ..told(&wraps[1])
    });
    refused!(published(&wraps[1]), LookError::NotProven);
    // by an operation that brings no state
    lies(world).state = Some(StateInfo {
        by: operation_at(world, 0),
        ..told(&first)
    });
    refused!(published(&first), LookError::NotProven);
    honest(world);
    // changed by its hospital
    let now = world.now();
    let source = file(b"changed", Class::Laboratory);
    let hospital = world.desk(&cast.hospital);
    share::publish::update(&hospital, record, &source, now, &mut rng()).unwrap();
    share::accept::accept(&wallet, record, &mut rng()).unwrap();
    let second = accepted();
    let truth = published(&second).unwrap();
    assert_eq!(truth, told(&second));
    assert_eq!(truth.before, Some(wraps[1]));
    // it is no state of another hospital's record, nor of another patient's
    let on_ledger = desk.record(record).unwrap();
    let other_hospital = ledger::Record {
        hospital: cast.other_hospital.id(),
        ..on_ledger.clone()
    };
    let other_patient = ledger::Record {
        patient: cast.stranger.id(),
        ..on_ledger.clone()
    };
    for (of, state) in [
        (&other_hospital, first),
        (&other_hospital, second),
        (&other_patient, first),
    ] {
        refused!(desk.published_state(of, &state), LookError::NotProven);
    }
    // whatever else the node says of it
    let other = cast.publish(&file(b"other", Class::Laboratory));
    for state in [first, second] {
        let truth = published(&state).unwrap();
        lies(world).told_state = Some(Box::new(move |told| {
            told.map(|info| {
                info.map(|info| StateInfo {
                    record: other,
                    state: first,
                    before: Some(second),
                    height: 1,
                    time: Millis(1),
                    ..info
                })
            })
        }));
        assert_eq!(published(&state).unwrap(), truth);
        honest(world);
    }
}

#[test]
fn a_node_cannot_slip_in_a_founding_validators_letters_key() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.institute);
    let id = AccountId::of(&world.validator.public());
    let mut lie = desk.account(id).unwrap();
    lie.hpke_key = cast.stranger.party.hpke.public();
    lies(world).account = Some(lie);
    refused!(desk.hpke_key(id), LookError::NotProven);
}

#[test]
fn a_founding_validators_changed_key_is_found_by_following() {
    let cast = Cast::new();
    let world = &cast.world;
    let party = Party::new(
        world.chain(),
        world.validator.clone(),
        HpkeSecret::new([1; 32]),
    );
    let id = party.account;
    let validator = Desk {
        party: &party,
        ..world.desk(&cast.stranger)
    };
    let desk = world.desk(&cast.institute);
    let before = desk.account(id).unwrap();
    let next = HpkeSecret::generate(&mut rng());
    account::rotate_key(&validator, &Replacement::Hpke(&next), None).unwrap();
    assert_eq!(desk.hpke_key(id).unwrap(), next.public());
    lies(world).account = Some(before);
    refused!(desk.account(id), LookError::NotProven);
    honest(world);
    // and an operation key, after which the first one counts for less
    let height = world.view().head().unwrap().header.height;
    let next = OperationSecret::new([9; 32]);
    let new = Replacement::Operation(&next);
    account::rotate_key(&validator, &new, Some(height - 1)).unwrap();
    let truth = desk.account(id).unwrap();
    let first = &truth.operation_keys[0];
    assert_eq!((first.from, first.until), (0, Some(height - 1)));
    assert_eq!(truth.operation_key(), Some(next.public()));
    let slip: [fn(&mut Vec<KeyPeriod<_>>); 3] = [
        |keys| keys[0].from = 1,
        |keys| keys[0].until = keys[0].until.map(|until| until + 1),
        |keys| keys.insert(1, keys[0].clone()),
    ];
    for slip in slip {
        let mut lie = truth.clone();
        slip(&mut lie.operation_keys);
        lies(world).account = Some(lie);
        refused!(desk.account(id), LookError::NotProven);
    }
}
