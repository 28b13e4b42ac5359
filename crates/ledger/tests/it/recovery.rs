//! Guardians recover an account: who may, when, and what is refused.

use base::{Millis, OperationId, Signed, Statement, genesis::Policy, key::Signature, operation::*};
use ledger::{Failure, Notice, Outcome, Page, RecoveryStatus, Refusal, replay};

use crate::world::*;

const DELAY: u64 = 3 * Millis::DAY;

fn guards() -> Guards {
    Guards {
        names: vec!["mercy", "quinn", "am"],
        threshold: 2,
        delay: DELAY,
    }
}

/// A hospital, a patient and an agent guard pat's account.
fn guarded() -> (World, Guards, OperationId) {
    let mut world = World::cast();
    let guards = guards();
    let guard = world.ok("pat", guards.guard());
    (world, guards, guard)
}

fn asked<'a>(world: &World, guard: OperationId, attempt: u64, key: &'a str) -> Asked<'a> {
    Asked {
        chain: world.chain(),
        account: "pat",
        guard,
        attempt,
        key,
    }
}

fn completing(recovery: OperationId, key: &str) -> CompleteRecovery {
    CompleteRecovery {
        recovery,
        account: id("pat"),
        key: key_of(key),
    }
}

fn bag(version: u64) -> Bag {
    Bag {
        version,
        commitment: digest("bag"),
    }
}

fn status(world: &World, recovery: OperationId) -> RecoveryStatus {
    world.view().recovery(recovery).unwrap().unwrap().status
}

fn replays(world: &World) {
    let view = world.view();
    let head = view.head().unwrap().header;
    let blocks: Vec<_> = (1..=head.height)
        .map(|height| view.block(height).unwrap().unwrap())
        .collect();
    let replayed = replay(&world.genesis, &blocks).unwrap();
    assert_eq!(replayed.state_hash().digest(), head.state_hash);
}

#[test]
fn two_of_three_guardians_give_an_account_its_next_key() {
    let (mut world, guards, guard) = guarded();
    let grant = world.grant("institute", &["s"], &["ag"]);
    let before = world.view().grant(grant).unwrap();
    let recover = guards.recover(&asked(&world, guard, 1, "new"), &["mercy", "am"]);
    let recovery = world.ok("loner", recover);
    let stands = world.view().recovery(recovery).unwrap().unwrap();
    assert_eq!(stands.status, RecoveryStatus::Pending);
    assert_eq!(stands.due, stands.time.plus(DELAY));
    assert_eq!(stands.guardians, [id("mercy"), id("am")]);

    // while it waits nothing else changes: her old key still works, grants stay
    assert_eq!(world.view().grant(grant).unwrap(), before);
    world.ok("pat", bag(1));
    world.fails("loner", completing(recovery, "new"), Failure::RecoveryEarly);
    world.advance(DELAY - 10_000);
    world.fails("loner", completing(recovery, "new"), Failure::RecoveryEarly);
    world.advance(10_000);
    // anyone completes it, with the key that was approved and no other
    world.fails("ag", completing(recovery, "thief"), Failure::BadShape);
    world.ok("ag", completing(recovery, "new"));
    let height = world.view().head().unwrap().header.height;
    assert!(matches!(
        status(&world, recovery),
        RecoveryStatus::Complete(_)
    ));
    world.fails("ag", completing(recovery, "new"), Failure::NoRecovery);

    // the old key signs nothing any more, the new one does
    let with_old = world.sign("pat", bag(2));
    assert_eq!(world.submit(&with_old), Err(Refusal::BadSignature));
    let account = world.view().account(id("pat")).unwrap().unwrap();
    let periods: Vec<_> = account
        .operation_keys
        .iter()
        .map(|period| (period.key, period.until))
        .collect();
    assert_eq!(
        periods,
        [(key_of("pat"), Some(height)), (key_of("new"), None)]
    );
    let with_new = Signed::new(with_old.body, &secret("new"));
    assert_eq!(world.submit(&with_new).unwrap().outcome, Outcome::Ok);
    // her notices tell it
    let notices = world.view().notices_of(id("pat"), Page::default()).unwrap();
    assert!(notices.items.iter().any(|notice| matches!(
        notice,
        Notice::Recovery(told) if told.id == recovery
    )));
    replays(&world);
    world.reopen();
    world.check_invariants();
}

#[test]
fn fewer_others_or_the_same_twice_do_not() {
    let (mut world, guards, guard) = guarded();
    let ask = asked(&world, guard, 1, "new");
    let good = guards.recover(&ask, &["mercy", "quinn"]);
    let preimage = good.claim(world.chain(), 1).preimage();

    let alone = guards.recover(&ask, &["mercy"]);
    world.fails("loner", alone, Failure::TooFewGuardians);
    let nobody = guards.recover(&ask, &[]);
    world.fails("loner", nobody, Failure::TooFewGuardians);
    let all = guards.recover(&ask, &["mercy", "quinn", "am"]);
    world.fails("loner", all, Failure::BadShape);
    // the same guardian twice, and out of order
    let mut twice = good.clone();
    twice.approvals[1] = twice.approvals[0];
    world.fails("loner", twice, Failure::BadShape);
    let mut turned = good.clone();
    turned.approvals.swap(0, 1);
    world.fails("loner", turned, Failure::BadShape);
    // a stranger in a guardian's place, in a place that nobody has, outside the set
    for place in [2, 9, 0, 17, 255] {
        let mut strange = good.clone();
        strange.approvals[1] = Approval {
            index: place,
            member: Member {
                guardian: id("coast"),
                share: digest("share"),
            },
            salt: base::Salt([7; 32]),
            signature: secret("coast").sign(&preimage),
        };
        strange.approvals.sort_by_key(|approval| approval.index);
        world.fails("loner", strange, Failure::WrongGuardians);
    }
    // a stranger's signature under a guardian's name; a guardian without an account
    let mut forged = good.clone();
    forged.approvals[1].signature = secret("coast").sign(&preimage);
    world.fails("loner", forged, Failure::BadApproval);
    // an approval for another key, and for another one-time key
    let other = guards.recover(&asked(&world, guard, 1, "thief"), &["mercy", "quinn"]);
    let mut swapped = good.clone();
    swapped.approvals = other.approvals.clone();
    world.fails("loner", swapped, Failure::BadApproval);
    let mut swapped = good.clone();
    swapped.key = key_of("thief");
    world.fails("loner", swapped, Failure::BadProof);
    let mut swapped = good.clone();
    swapped.hpke_key = hpke("thief");
    world.fails("loner", swapped, Failure::BadProof);
    // the new key must consent, and be new
    let mut unwilling = good.clone();
    unwilling.consent = Signature([1; 64]);
    world.fails("loner", unwilling, Failure::BadProof);
    let same = guards.recover(&asked(&world, guard, 1, "pat"), &["mercy", "quinn"]);
    world.fails("loner", same, Failure::KeyInUse);
    // another set than the one committed to: a lower threshold, an own member
    let mut lower = good.clone();
    lower.set.threshold = 1;
    lower.approvals.truncate(1);
    world.fails("loner", lower, Failure::WrongGuardians);
    // nobody's account, another patient's, no patient's
    for (name, failure) in [
        ("nobody", Failure::UnknownAccount),
        ("mercy", Failure::UnknownAccount),
        ("quinn", Failure::NoGuardians),
    ] {
        let elsewhere = Recover {
            account: id(name),
            ..good.clone()
        };
        world.fails("loner", elsewhere, failure);
    }
    // and what was good all along still is
    world.ok("loner", good);
    replays(&world);
}

#[test]
fn a_set_that_says_nonsense_recovers_nothing() {
    let mut world = World::cast();
    let cases: [(Vec<&'static str>, u8, Failure); 4] = [
        (vec!["mercy", "am"], 1, Failure::BadShape),
        (vec!["mercy", "am"], 17, Failure::BadShape),
        // her own account, and one account in two places
        (vec!["mercy", "pat"], 2, Failure::WrongGuardians),
        (vec!["mercy", "mercy"], 2, Failure::WrongGuardians),
    ];
    for (names, threshold, failure) in cases {
        let guards = Guards {
            names: names.clone(),
            threshold,
            delay: DELAY,
        };
        let guard = world.ok("pat", guards.guard());
        let recover = guards.recover(&asked(&world, guard, 1, "new"), &names);
        world.fails("loner", recover, failure);
    }
    // a set of another length
    let guards = guards();
    let mut set = guards.set();
    set.members.truncate(3);
    let guard = world.ok(
        "pat",
        Guard {
            set: set.digest(),
            delay: DELAY,
        },
    );
    let mut recover = guards.recover(&asked(&world, guard, 1, "new"), &["mercy", "am"]);
    recover.set = set;
    world.fails("loner", recover, Failure::BadShape);
    // a guardian that never registered
    let guards = Guards {
        names: vec!["mercy", "nobody"],
        threshold: 2,
        delay: DELAY,
    };
    let guard = world.ok("pat", guards.guard());
    let recover = guards.recover(&asked(&world, guard, 1, "new"), &["mercy", "nobody"]);
    world.fails("loner", recover, Failure::BadApproval);
}

#[test]
fn she_objects_in_time_and_no_approval_serves_again() {
    let (mut world, guards, guard) = guarded();
    let recover = guards.recover(&asked(&world, guard, 1, "thief"), &["mercy", "am"]);
    let recovery = world.ok("loner", recover.clone());
    // not somebody else's recovery, not by somebody else
    world.fails("quinn", Object { recovery }, Failure::NoRecovery);
    world.fails("mercy", Object { recovery }, Failure::WrongRole);
    world.fails("pat", Object { recovery: guard }, Failure::NoRecovery);
    world.advance(DELAY - 10_000);
    world.ok("pat", Object { recovery });
    assert!(matches!(
        status(&world, recovery),
        RecoveryStatus::Objected(_)
    ));
    world.fails("pat", Object { recovery }, Failure::NoRecovery);
    world.advance(DELAY);
    world.fails("loner", completing(recovery, "thief"), Failure::NoRecovery);
    // the same approvals again: as they were, and under a new operation of another sender
    world.fails("loner", recover.clone(), Failure::BadProof);
    let mut again = guards.recover(&asked(&world, guard, 2, "thief"), &[]);
    again.approvals = recover.approvals;
    world.fails("ag", again, Failure::BadApproval);
    // approved anew, it waits anew
    let anew = guards.recover(&asked(&world, guard, 2, "mine"), &["mercy", "am"]);
    let recovery = world.ok("loner", anew);
    world.advance(DELAY - 1);
    let due = world.view().recovery(recovery).unwrap().unwrap().due;
    assert_eq!(world.next(), due); // too late from the very moment on
    world.fails("pat", Object { recovery }, Failure::ObjectionLate);
    world.ok("loner", completing(recovery, "mine"));
    world.takes_new_key("mine");
    world.fails("pat", Object { recovery }, Failure::NoRecovery);
    replays(&world);
}

impl World {
    /// From now on pat signs with the key of this name.
    fn takes_new_key(&mut self, name: &str) {
        self.keys.insert(id("pat"), secret(name));
    }
}

#[test]
fn a_delegate_with_the_power_to_protect_objects_for_her() {
    let (mut world, guards, guard) = guarded();
    let delegate = |powers: &[Power]| Delegate {
        delegate: id("quinn"),
        powers: powers.to_vec(),
        expires: Millis(START + 30 * Millis::DAY),
    };
    let accepting = world.ok("pat", delegate(&[Power::Accept]));
    let protecting = world.ok("pat", delegate(&[Power::Protect]));
    let recover = guards.recover(&asked(&world, guard, 1, "thief"), &["mercy", "am"]);
    let recovery = world.ok("loner", recover);
    let object = Object { recovery };
    world.fails_for("quinn", accepting, object, Failure::PowerMissing);
    // no delegate names guardians, or recovers in her name
    world.fails_for("quinn", protecting, guards.guard(), Failure::PowerMissing);
    world.fails_for(
        "quinn",
        protecting,
        Unguard { guard },
        Failure::PowerMissing,
    );
    world.ok_for("quinn", protecting, object);
    assert!(matches!(
        status(&world, recovery),
        RecoveryStatus::Objected(_)
    ));
}

#[test]
fn replaced_and_ended_guardians_recover_nothing() {
    let (mut world, guards, first) = guarded();
    let prepared = guards.recover(&asked(&world, first, 1, "new"), &["mercy", "am"]);
    // the same people, named again: what they approved before is void
    let second = world.ok("pat", guards.guard());
    world.fails("loner", prepared.clone(), Failure::NoGuardians);
    let renamed = Recover {
        guard: second,
        ..prepared
    };
    world.fails("loner", renamed, Failure::BadProof);
    // others
    let others = Guards {
        names: vec!["general", "coast"],
        ..self::guards()
    };
    let third = world.ok("pat", others.guard());
    let old = guards.recover(&asked(&world, third, 1, "new"), &["mercy", "am"]);
    world.fails("loner", old, Failure::WrongGuardians);
    // ended
    world.fails("pat", Unguard { guard: second }, Failure::NoGuardians);
    world.fails("quinn", Unguard { guard: third }, Failure::NoGuardians);
    world.ok("pat", Unguard { guard: third });
    let ended = others.recover(&asked(&world, third, 1, "new"), &["general", "coast"]);
    world.fails("loner", ended, Failure::NoGuardians);
    world.fails("pat", Unguard { guard: third }, Failure::NoGuardians);
    // the next one counts on
    let fourth = world.ok("pat", guards.guard());
    let good = guards.recover(&asked(&world, fourth, 1, "new"), &["mercy", "am"]);
    world.ok("loner", good);
    replays(&world);
}

#[test]
fn who_has_the_old_key_cannot_slip_away_while_a_recovery_waits() {
    let (mut world, guards, guard) = guarded();
    let recover = guards.recover(&asked(&world, guard, 1, "new"), &["mercy", "am"]);
    let recovery = world.ok("loner", recover);
    world.fails("pat", guards.guard(), Failure::RecoveryPending);
    world.fails("pat", Unguard { guard }, Failure::RecoveryPending);
    // a new key of the thief's own is replaced all the same
    let consent = KeyConsent {
        chain: world.chain(),
        account: id("pat"),
        sequence: world.sequence("pat") + 1,
    };
    let consent = secret("thief").sign(&consent.preimage());
    let rotate = RotateKey {
        new: NewKey::Operation(key_of("thief"), consent),
        compromised_after: None,
    };
    world.ok("pat", rotate);
    world.takes_new_key("thief");
    world.ok("pat", bag(1));
    world.advance(DELAY);
    world.ok("loner", completing(recovery, "new"));
    let account = world.view().account(id("pat")).unwrap().unwrap();
    assert_eq!(account.operation_key(), Some(key_of("new")));
    assert!(
        account.operation_keys[..2]
            .iter()
            .all(|period| period.until.is_some())
    );
    let thief = world.sign("pat", bag(2));
    assert_eq!(world.submit(&thief), Err(Refusal::BadSignature));
    world.takes_new_key("new");
    let hers = Signed::new(thief.body, &secret("new"));
    assert!(world.submit(&hers).unwrap().outcome.is_ok());
    world.ok("pat", guards.guard());
    replays(&world);
}

#[test]
fn a_later_recovery_takes_the_place_of_one_that_waits() {
    let (mut world, guards, guard) = guarded();
    let lost = guards.recover(&asked(&world, guard, 1, "lost"), &["mercy", "am"]);
    let lost = world.ok("loner", lost);
    world.advance(DELAY);
    let second = guards.recover(&asked(&world, guard, 2, "found"), &["quinn", "am"]);
    let second = world.ok("ag", second);
    assert!(matches!(status(&world, lost), RecoveryStatus::Replaced(_)));
    world.fails("loner", completing(lost, "lost"), Failure::NoRecovery);
    world.fails("pat", Object { recovery: lost }, Failure::NoRecovery);
    // its own delay begins with it
    world.fails("ag", completing(second, "found"), Failure::RecoveryEarly);
    world.advance(DELAY);
    world.ok("ag", completing(second, "found"));
    replays(&world);
}

#[test]
fn a_guardian_is_judged_under_its_current_key() {
    let (mut world, guards, guard) = guarded();
    let ask = asked(&world, guard, 1, "new");
    let before = guards.recover(&ask, &["quinn", "am"]);
    let consent = KeyConsent {
        chain: world.chain(),
        account: id("quinn"),
        sequence: world.sequence("quinn") + 1,
    };
    let consent = secret("quinn2").sign(&consent.preimage());
    world.ok(
        "quinn",
        RotateKey {
            new: NewKey::Operation(key_of("quinn2"), consent),
            compromised_after: None,
        },
    );
    world.fails("loner", before.clone(), Failure::BadApproval);
    let mut now = before;
    let preimage = now.claim(world.chain(), 1).preimage();
    now.approvals[0] = guards.approval(1, &secret("quinn2"), &preimage);
    world.ok("loner", now);
}

#[test]
fn delays_have_bounds() {
    let mut world = World::cast();
    let with = |delay| Guards { delay, ..guards() }.guard();
    world.fails("pat", with(Policy::RECOVERY_DELAY - 1), Failure::ShortDelay);
    world.fails("pat", with(0), Failure::ShortDelay);
    world.fails("pat", with(366 * Millis::DAY), Failure::BadShape);
    world.ok("pat", with(Policy::RECOVERY_DELAY));
    world.ok("pat", with(365 * Millis::DAY));
    world.fails("mercy", with(DELAY), Failure::WrongRole);
    // the policy of the genesis object, or of a vote, says how short
    let policy = Policy {
        recovery_delay: Some(Millis::HOUR),
        ..Policy::default()
    };
    let mut world = World::empty(genesis(&["node"], &[], policy));
    world.register("pat", Role::Patient);
    world.fails("pat", with(Millis::HOUR - 1), Failure::ShortDelay);
    world.ok("pat", with(Millis::HOUR));
    for delay in [0, 366 * Millis::DAY] {
        let policy = Policy {
            recovery_delay: Some(delay),
            ..Policy::default()
        };
        world.fails("node", SetPolicy { policy }, Failure::BadPolicy);
    }
}

/// In the block that completes a recovery the old key is out at once, in the live ledger
/// and in its replay.
#[test]
fn the_old_key_is_out_within_the_block() {
    let (mut world, guards, guard) = guarded();
    let recover = guards.recover(&asked(&world, guard, 1, "new"), &["mercy", "am"]);
    let recovery = world.ok("loner", recover);
    world.advance(DELAY);
    let before = world.sign("pat", bag(1)).to_bytes().0;
    let complete = world.sign("ag", completing(recovery, "new")).to_bytes().0;
    let after = world.sign("pat", bag(2)).to_bytes().0;
    let results = world.block(vec![before, complete, after]);
    assert!(results[0].as_ref().unwrap().outcome.is_ok());
    assert!(results[1].as_ref().unwrap().outcome.is_ok());
    assert_eq!(results[2], Err(Refusal::BadSignature));
    replays(&world);
}

/// A genesis object that names no delay is, byte for byte, what it was before there were
/// recoveries; one that names it is another ledger.
#[test]
fn older_genesis_objects_keep_their_chain() {
    let world = World::cast();
    let bytes = base::codec::encode(&world.genesis);
    assert!(!bytes.windows(14).any(|window| window == b"recovery_delay"));
    let read: base::genesis::Genesis = base::codec::decode(&bytes).unwrap();
    assert_eq!(read.chain(), world.chain());
    let mut named = world.genesis.clone();
    named.policy.recovery_delay = Some(Millis::HOUR);
    assert_ne!(named.chain(), world.chain());
    let read: base::genesis::Genesis = base::codec::decode(&base::codec::encode(&named)).unwrap();
    assert_eq!(read, named);
}
