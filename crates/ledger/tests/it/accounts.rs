//! Registration, keys, joining, attestation, delegation: each rule good and bad.

use base::{Millis, Signed, Statement, genesis::Policy, key::Signature, operation::*};
use ledger::{Failure, Outcome, Refusal};

use crate::world::*;

#[test]
fn registration() {
    let mut world = World::empty(genesis(&["node"], &[("mercy", None)], Policy::default()));
    let chain = world.chain();
    world.register("pat", Role::Patient);
    let account = world.view().account(id("pat")).unwrap().unwrap();
    assert_eq!(account.role, Role::Patient);
    assert_eq!(account.operation_key(), Some(key_of("pat")));
    let again = registration_of(&world, "pat", Role::Patient);
    world.fails("pat", again, Failure::AlreadyRegistered);
    // keys that do not fit the role
    let mut agent = crate::world::registration(chain, "a", Role::Agent);
    agent.record_key = Some(record_key(chain, id("a"), "a"));
    world.fails("a", agent, Failure::BadShape);
    let mut hospital = crate::world::registration(chain, "h", Role::Hospital);
    hospital.record_key = None;
    world.fails("h", hospital, Failure::BadShape);
    let mut patient = crate::world::registration(chain, "p", Role::Patient);
    patient.patient = None;
    world.fails("p", patient, Failure::BadShape);
    // a record key proven for another account
    let mut hospital = crate::world::registration(chain, "h", Role::Hospital);
    hospital.record_key = Some(record_key(chain, id("other"), "h"));
    world.fails("h", hospital, Failure::BadProof);
    // a failed registration used its number; the next one counts on
    world.register("h", Role::Hospital);
    assert_eq!(world.view().sequence(id("h")).unwrap(), 3);
    // an institution of the genesis cannot be a patient
    let patient = registration_of(&world, "mercy", Role::Patient);
    world.fails("mercy", patient, Failure::WrongRole);
}

fn registration_of(world: &World, name: &str, role: Role) -> Register {
    crate::world::registration(world.chain(), name, role)
}

#[test]
fn what_leaves_no_leaf() {
    let mut world = World::cast();
    let size = world.view().head().unwrap().header.tree_size;
    // an account that does not exist
    let operation = world.sign(
        "nobody",
        Bag {
            version: 1,
            commitment: digest("bag"),
        },
    );
    assert_eq!(world.submit(&operation), Err(Refusal::UnknownAccount));
    // a registration of an account that is not its key's
    let register = registration_of(&world, "x", Role::Agent);
    let mut operation = world.sign("x", register);
    operation.body.account = id("y");
    let operation = Signed::new(operation.body, &secret("x"));
    assert_eq!(world.submit(&operation), Err(Refusal::UnknownAccount));
    // another chain
    let bag = Bag {
        version: 1,
        commitment: digest("bag"),
    };
    let good = world.sign("pat", bag);
    let mut foreign = good.body.clone();
    foreign.chain = base::ChainId([9; 32]);
    let foreign = Signed::new(foreign, &secret("pat"));
    assert_eq!(world.submit(&foreign), Err(Refusal::WrongChain));
    // another's signature, a flipped bit
    let stolen = Signed::new(good.body.clone(), &secret("quinn"));
    assert_eq!(world.submit(&stolen), Err(Refusal::BadSignature));
    let mut flipped = good.clone();
    flipped.signature.0[3] ^= 1;
    assert_eq!(world.submit(&flipped), Err(Refusal::BadSignature));
    // reordered: the number after next
    let mut later = good.body.clone();
    later.sequence += 1;
    let (expected, found) = (good.body.sequence, later.sequence);
    let later = Signed::new(later, &secret("pat"));
    assert_eq!(
        world.submit(&later),
        Err(Refusal::WrongSequence { expected, found })
    );
    assert_eq!(world.view().head().unwrap().header.tree_size, size);
    // in, and replayed
    assert_eq!(world.submit(&good).unwrap().outcome, Outcome::Ok);
    assert_eq!(world.submit(&good), Err(Refusal::Duplicate { index: size }));
    // twice in one block
    let next = world.sign(
        "pat",
        Bag {
            version: 2,
            commitment: digest("bag"),
        },
    );
    let bytes = next.to_bytes().0;
    let results = world.block(vec![bytes.clone(), bytes]);
    assert_eq!(results[0].as_ref().unwrap().index, size + 1);
    assert_eq!(results[1], Err(Refusal::Duplicate { index: size + 1 }));
    assert_eq!(world.view().head().unwrap().header.tree_size, size + 2);
}

#[test]
fn a_forged_signature_spoils_nobody_elses() {
    let mut world = World::cast();
    let mut batch = Vec::new();
    for version in 1..=20 {
        let bag = Bag {
            version,
            commitment: digest("bag"),
        };
        let mut operation = world.sign(if version % 2 == 0 { "pat" } else { "quinn" }, bag);
        if version == 20 {
            operation.signature.0[40] ^= 4;
        }
        batch.push(operation.to_bytes().0);
    }
    let results = world.block(batch);
    assert!(results[..19].iter().all(|result| result.is_ok()));
    assert_eq!(results[19], Err(Refusal::BadSignature));
}

#[test]
fn accounts_and_their_first_operations_fit_one_block() {
    let mut world = World::cast();
    let register = registration_of(&world, "new", Role::Patient);
    let register = world.sign("new", register);
    let bag = world.sign(
        "new",
        Bag {
            version: 1,
            commitment: digest("bag"),
        },
    );
    let results = world.block(vec![register.to_bytes().0, bag.to_bytes().0]);
    assert!(
        results
            .iter()
            .all(|result| result.as_ref().unwrap().outcome.is_ok())
    );
}

fn consent(world: &World, name: &str, new: &str, sequence: u64) -> Signature {
    let body = KeyConsent {
        chain: world.chain(),
        account: id(name),
        sequence,
    };
    secret(new).sign(&body.preimage())
}

fn rotation(world: &World, name: &str, new: &str) -> RotateKey {
    let consent = consent(world, name, new, world.sequence(name) + 1);
    RotateKey {
        new: NewKey::Operation(key_of(new), consent),
        compromised_after: None,
    }
}

#[test]
fn operation_keys_rotate() {
    let mut world = World::cast();
    // no consent, an old consent, the same key again
    let bad = RotateKey {
        new: NewKey::Operation(key_of("pat2"), consent(&world, "pat", "quinn", 99)),
        compromised_after: None,
    };
    world.fails("pat", bad, Failure::BadProof);
    let stale = rotation(&world, "pat", "pat2");
    world.ok(
        "pat",
        Bag {
            version: 1,
            commitment: digest(""),
        },
    );
    world.fails("pat", stale, Failure::BadProof);
    let same = rotation(&world, "pat", "pat");
    world.fails("pat", same, Failure::KeyInUse);
    let future = RotateKey {
        compromised_after: Some(1_000_000),
        ..rotation(&world, "pat", "pat2")
    };
    world.fails("pat", future, Failure::BadShape);
    // good; in the same block the old key is out and the new one in
    let rotate = rotation(&world, "pat", "pat2");
    let rotate = world.sign("pat", rotate);
    let mut old = world.sign(
        "pat",
        Bag {
            version: 2,
            commitment: digest("bag"),
        },
    );
    world.keys.insert(id("pat"), secret("pat2"));
    let new = Signed::new(old.body.clone(), &secret("pat2"));
    old = Signed::new(old.body, &secret("pat"));
    let results = world.block(vec![
        rotate.to_bytes().0,
        old.to_bytes().0,
        new.to_bytes().0,
    ]);
    assert!(results[0].as_ref().unwrap().outcome.is_ok());
    assert_eq!(results[1], Err(Refusal::BadSignature));
    assert!(results[2].as_ref().unwrap().outcome.is_ok());
    let account = world.view().account(id("pat")).unwrap().unwrap();
    assert_eq!(account.id, id("pat"));
    assert_eq!(account.operation_key(), Some(key_of("pat2")));
    // back to a former key: no
    let back = rotation(&world, "pat", "pat");
    world.fails("pat", back, Failure::KeyInUse);
    // a validator's key signs its blocks as well, from the next height on
    let next = rotation(&world, "node", "node2");
    world.ok("node", next);
    assert_eq!(
        world.view().validators().unwrap().key(id("node")),
        Some(key_of("node2"))
    );
    let back = rotation(&world, "pat", "pat");
    world.fails("pat", back, Failure::KeyInUse);
}

#[test]
fn a_failed_rotation_in_a_block_leaves_the_old_key_good() {
    let mut world = World::cast();
    let bad = RotateKey {
        new: NewKey::Operation(key_of("pat2"), Signature([1; 64])),
        compromised_after: None,
    };
    let bad = world.sign("pat", bad);
    let bag = world.sign(
        "pat",
        Bag {
            version: 1,
            commitment: digest("bag"),
        },
    );
    let results = world.block(vec![bad.to_bytes().0, bag.to_bytes().0]);
    assert_eq!(
        results[0].as_ref().unwrap().outcome,
        Outcome::Failed(Failure::BadProof)
    );
    assert!(results[1].as_ref().unwrap().outcome.is_ok());
}

#[test]
fn record_keys_have_a_history() {
    let mut world = World::cast();
    let chain = world.chain();
    let height = |world: &World| world.view().head().unwrap().header.height;
    let first = record_key(chain, id("mercy"), "mercy").key;
    let second = record_key(chain, id("mercy"), "mercy2");
    let third = record_key(chain, id("mercy"), "mercy3");
    let rotate = |proven: &ProvenRecordKey, compromised_after| RotateKey {
        new: NewKey::Record(proven.clone()),
        compromised_after,
    };
    world.ok("mercy", rotate(&second, None));
    let rotated = height(&world);
    let at = |world: &World, height| -> Vec<_> {
        let account = world.view().account(id("mercy")).unwrap().unwrap();
        account.record_keys_at(height).cloned().collect()
    };
    assert_eq!(at(&world, rotated - 1), vec![first.clone()]);
    assert_eq!(at(&world, rotated), vec![first.clone(), second.key.clone()]);
    assert_eq!(at(&world, rotated + 1), vec![second.key.clone()]);
    // compromised: not trusted for what was logged after that height
    world.publish("mercy", "pat", "r1");
    world.publish("mercy", "pat", "r2");
    world.ok("mercy", rotate(&third, Some(rotated + 1)));
    assert_eq!(at(&world, rotated + 1), vec![second.key.clone()]);
    assert_eq!(at(&world, rotated + 2), vec![]);
    assert_eq!(at(&world, height(&world)), vec![third.key.clone()]);
    // nobody but a hospital has one
    let foreign = RotateKey {
        new: NewKey::Record(record_key(chain, id("ag"), "x")),
        compromised_after: None,
    };
    world.fails("ag", foreign, Failure::WrongRole);
    // a proof for another account
    let foreign = RotateKey {
        new: NewKey::Record(record_key(chain, id("general"), "x")),
        compromised_after: None,
    };
    world.fails("mercy", foreign, Failure::BadProof);
    world.ok(
        "pat",
        RotateKey {
            new: NewKey::Hpke(hpke("new")),
            compromised_after: None,
        },
    );
    assert_eq!(
        world.view().account(id("pat")).unwrap().unwrap().hpke_key,
        hpke("new")
    );
}

#[test]
fn joining() {
    let mut world = World::cast();
    let again = world.joining("am", "general");
    world.fails("am", again, Failure::AlreadyJoined);
    let not_one = world.joining("free", "loner");
    world.fails("free", not_one, Failure::NotAdmitted);
    let mut forged = world.joining("free", "general");
    forged.consent = world.joining("am", "general").consent;
    world.fails("free", forged, Failure::BadProof);
    let one_itself = world.joining("mercy", "general");
    world.fails("mercy", one_itself, Failure::AlreadyJoined);
    let patient = world.joining("pat", "general");
    world.fails("pat", patient, Failure::WrongRole);
    world.join("free", "general");
    let institution = world.view().institution_of(id("free")).unwrap().unwrap();
    assert_eq!(institution.account, id("general"));
}

#[test]
fn attestation() {
    let mut world = World::cast_with(
        Policy {
            cap_attest_day: 2,
            ..Policy::default()
        },
        &[
            ("mercy", None),
            ("general", None),
            ("coast", None),
            ("institute", None),
        ],
    );
    // the cast attested pat by mercy
    world.fails(
        "mercy",
        Attest { patient: id("pat") },
        Failure::AlreadyAttested,
    );
    world.fails("loner", Attest { patient: id("pat") }, Failure::NotAdmitted);
    world.fails("am", Attest { patient: id("pat") }, Failure::WrongRole);
    world.fails(
        "mercy",
        Attest { patient: id("am") },
        Failure::UnknownAccount,
    );
    world.fails(
        "mercy",
        Attest {
            patient: id("nobody"),
        },
        Failure::UnknownAccount,
    );
    world.ok(
        "mercy",
        Attest {
            patient: id("quinn"),
        },
    );
    world.register("third", Role::Patient);
    world.fails(
        "mercy",
        Attest {
            patient: id("third"),
        },
        Failure::AttestCap,
    );
    world.ok(
        "general",
        Attest {
            patient: id("third"),
        },
    );
    world.advance(Millis::DAY);
    world.ok(
        "mercy",
        Attest {
            patient: id("third"),
        },
    );
}

#[test]
fn delegates_act_within_their_powers() {
    let mut world = World::cast();
    world.register("guardian", Role::Patient);
    let expires = world.now().plus(Millis::DAY);
    let delegate = |powers: &[Power]| Delegate {
        delegate: id("guardian"),
        powers: powers.to_vec(),
        expires,
    };
    world.fails("pat", delegate(&[]), Failure::BadShape);
    world.fails(
        "pat",
        delegate(&[Power::Protect, Power::Accept]),
        Failure::BadShape,
    );
    world.fails("guardian", delegate(&[Power::Accept]), Failure::BadShape); // oneself
    let unknown = Delegate {
        delegate: id("nobody"),
        ..delegate(&[Power::Accept])
    };
    world.fails("pat", unknown, Failure::UnknownAccount);
    world.fails("mercy", delegate(&[Power::Accept]), Failure::WrongRole);
    let accepting = world.ok("pat", delegate(&[Power::Accept]));
    let all = world.ok(
        "pat",
        delegate(&[Power::Accept, Power::Authorize, Power::Protect]),
    );
    // accept
    let record = world.publish("mercy", "pat", "r");
    let accept = Accept {
        record,
        state: state("r"),
        parts: parts(&[("s", "c")]),
    };
    world.fails("guardian", accept.clone(), Failure::NotYours); // without naming it
    world.fails_for("quinn", accepting, accept.clone(), Failure::NoDelegation);
    world.ok_for("guardian", accepting, accept);
    // authorise
    let request = world.request("institute", "pat");
    let terms = world.terms(request, &["s"], &["ag"]);
    world.fails_for(
        "guardian",
        accepting,
        authorizing(terms.clone()),
        Failure::PowerMissing,
    );
    let grant = world.ok_for("guardian", all, authorizing(terms));
    assert_eq!(
        world.view().grant(grant).unwrap().unwrap().patient,
        id("pat")
    );
    world.ok_for("guardian", all, Revoke { grant });
    // never for what no power names
    let rotate = RotateScope {
        sid: sid("s"),
        next: sid("t"),
    };
    world.fails_for("guardian", all, rotate, Failure::PowerMissing);
    // ended, expired
    world.fails(
        "quinn",
        Undelegate {
            delegation: accepting,
        },
        Failure::NotYours,
    );
    world.ok(
        "pat",
        Undelegate {
            delegation: accepting,
        },
    );
    world.fails(
        "pat",
        Undelegate {
            delegation: accepting,
        },
        Failure::NoDelegation,
    );
    let record = world.publish("mercy", "pat", "r2");
    let reject = Reject {
        record,
        state: state("r2"),
        code: RejectCode::NotMine,
    };
    world.fails_for("guardian", accepting, reject, Failure::NoDelegation);
    world.advance(Millis::DAY);
    world.fails_for("guardian", all, reject, Failure::NoDelegation);
    world.ok("pat", reject);
}
