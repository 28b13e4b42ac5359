//! Where a recovery's rules end: the last moment, the last place, the last guardian.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    AccountId, ChainId, Digest, Millis, OperationId, Statement as _,
    key::HpkeKey,
    operation::{Approval, MAX_GUARDIANS, Member, RecoveryClaim},
};
use ledger::Header;
use share::{
    Table, Vault as _, follow,
    letter::{Letter, LetterError},
    recovery::{
        claim::{self, ClaimError, Progress},
        claim_id, guard,
        guard::Guards,
        keep::{self, KeepError},
        letters::{ApprovalLetter, ClaimLetter, ShareLetter},
        watch,
    },
};
use world::{Cast, DELAY, Person, World, rng};

/// The share that a guardian was sent, taken in.
fn share_of(world: &World, guardian: &Person) -> ShareLetter {
    let Letter::Share(share) = world.one_letter(guardian).letter else {
        panic!("a share")
    };
    keep::receive(&world.desk(guardian), &share).unwrap();
    share
}

fn progress(world: &World, device: &Person) -> Progress {
    claim::progress(&world.desk(device)).unwrap().unwrap()
}

#[test]
fn sixteen_guardians_may_all_be_needed() {
    let cast = Cast::new();
    let world = &cast.world;
    let others: Vec<Person> = (0..9).map(|_| cast.device()).collect();
    let mut all: Vec<&Person> = vec![
        &cast.hospital,
        &cast.other_hospital,
        &cast.institute,
        &cast.agent,
        &cast.second_agent,
        &cast.institute_agent,
        &cast.stranger,
    ];
    all.extend(&others);
    assert_eq!(all.len(), MAX_GUARDIANS);
    let guards = Guards {
        guardians: all.iter().map(|guardian| guardian.id()).collect(),
        threshold: MAX_GUARDIANS,
        delay: DELAY,
    };
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let wallet = world.wallet(&cast.patient);
    guard::guard(&wallet, phrase, &guards, &mut rng()).unwrap();
    for guardian in &all {
        cast.keep(guardian);
    }
    let device = cast.device();
    let claim = cast.claimed(&device, &all);
    let (last, others) = all.split_last().unwrap();
    for guardian in others {
        cast.approved(guardian, &claim, &device);
    }
    assert!(matches!(
        claim::log(&world.desk(&device)),
        Err(ClaimError::TooFew { have: 15, need: 16 })
    ));
    cast.approved(last, &claim, &device);
    claim::log(&world.desk(&device)).unwrap();
    world.pass(DELAY + Millis::HOUR);
    claim::complete(&world.desk(&device), world.now()).unwrap();
    for guardian in others {
        cast.released(guardian, &device);
    }
    assert!(matches!(
        claim::phrase(&world.desk(&device)),
        Err(ClaimError::TooFew { have: 15, need: 16 })
    ));
    cast.released(last, &device);
    let back = claim::phrase(&world.desk(&device)).unwrap();
    assert_eq!(back.words(), phrase.words());
}

#[test]
fn a_device_knows_whom_it_asked_and_what_came_of_it() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, agent] = cast.guardians();
    let device = cast.device();
    let claim = cast.claimed(&device, &[hospital]);
    assert_eq!(progress(world, &device).asked, [hospital.id()]);
    // it asks another one too, and the first one again
    cast.claimed(&device, &[hospital, agent]);
    let seen = progress(world, &device);
    assert_eq!(seen.claim, claim);
    assert_eq!(seen.asked, [hospital.id(), agent.id()]);
    assert!(seen.approved.is_empty() && seen.threshold.is_none());
    cast.approved(agent, &claim, &device);
    let seen = progress(world, &device);
    assert_eq!((seen.approved, seen.threshold), (vec![agent.id()], Some(2)));
    cast.approved(hospital, &claim, &device);
    let recovery = claim::log(&world.desk(&device)).unwrap();
    assert_eq!(
        progress(world, &device).recovery.map(|told| told.id),
        Some(recovery)
    );

    // the log says to those concerned how it goes on, to nobody else
    let seen = |person: &Person| {
        let desk = world.desk(person);
        follow::advance(&desk).unwrap();
        watch::watched(&desk, cast.patient.id()).unwrap()
    };
    for person in [&cast.patient, hospital, friend, agent, &device] {
        let seen = seen(person).unwrap();
        assert!(seen.waits() && seen.recover == recovery);
    }
    for person in [&cast.institute, &cast.second_agent] {
        assert!(seen(person).is_none());
    }
    guard::object(&world.desk(&cast.patient), recovery).unwrap();
    assert!(!seen(&device).unwrap().waits());
}

/// The ledger takes a completion at this very time, and so does the device.
#[test]
fn the_new_key_is_in_force_from_the_moment_it_is_due() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();
    let device = cast.device();
    cast.logged(&device, &[hospital, friend]);
    let due = progress(world, &device).recovery.unwrap().due;
    let desk = world.desk(&device);
    world.pass(due.0 - world.now().0 - 1);
    let early = claim::complete(&desk, world.now());
    assert!(matches!(early, Err(ClaimError::NotDue(time)) if time == due));
    world.pass(1);
    let key = claim::complete(&desk, world.now()).unwrap();
    let in_force = world
        .desk(&cast.institute)
        .operation_key(cast.patient.id())
        .unwrap();
    assert_eq!(in_force, key.public());
    // the blocks lie the delay apart, and not more: that is enough
    cast.released(hospital, &device);
    cast.released(friend, &device);
    claim::phrase(&desk).unwrap();
}

/// Validators who let a recovery pass before its time do not get the shares.
#[test]
fn shares_stay_if_the_ledger_did_not_wait() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();
    let device = cast.device();
    let (_, recovery) = cast.logged(&device, &[hospital, friend]);
    world.pass(DELAY + Millis::HOUR);
    claim::complete(&world.desk(&device), world.now()).unwrap();
    let desk = world.desk(hospital);
    let head = follow::advance(&desk).unwrap();
    let seen = watch::watched(&desk, cast.patient.id()).unwrap().unwrap();
    let ended = desk.block_of(&head, seen.completed.unwrap()).unwrap().time;
    let release = || keep::release(&desk, world.now(), &mut rng());
    // as if the recovery had begun so late
    begun_at(world, recovery, ended.minus(DELAY).plus(1));
    assert!(matches!(
        release().unwrap()[..],
        [(_, Err(KeepError::TooSoon))]
    ));
    begun_at(world, recovery, ended);
    assert!(matches!(
        release().unwrap()[..],
        [(_, Err(KeepError::TooSoon))]
    ));
    assert!(world.post(&device).is_empty());
    begun_at(world, recovery, ended.minus(DELAY));
    assert!(matches!(release().unwrap()[..], [(_, Ok(()))]));
}

/// The validator certifies another time for the recovery's block.
fn begun_at(world: &World, recovery: OperationId, time: Millis) {
    let honest = world.view().receipt(recovery).unwrap().unwrap();
    let mut lie = honest.clone();
    lie.head = world.certified(Header {
        time,
        ..honest.head.header
    });
    world.lies.lock().unwrap().receipt = Some(Box::new(move |told| match told {
        Ok(Some(told)) if told.id == recovery => Ok(Some(lie.clone())),
        other => other,
    }));
}

#[test]
fn a_later_recovery_takes_the_place_of_one_that_waits() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, agent] = cast.guardians();
    let first = cast.device();
    cast.logged(&first, &[hospital, friend]);
    let second = cast.device();
    let (_, recovery) = cast.logged(&second, &[hospital, agent]);
    world.pass(DELAY + Millis::HOUR);
    assert!(matches!(
        claim::complete(&world.desk(&first), world.now()),
        Err(ClaimError::Replaced(_))
    ));
    claim::complete(&world.desk(&second), world.now()).unwrap();
    // who approved both gives its share to the one that counts
    let release = |guardian| keep::release(&world.desk(guardian), world.now(), &mut rng()).unwrap();
    let given = release(hospital);
    assert_eq!(given.len(), 1);
    assert_eq!(
        (given[0].0.owner, given[0].0.device),
        (cast.patient.id(), second.id())
    );
    assert!(release(friend).is_empty());
    assert_eq!(release(agent).len(), 1);
    assert!(world.post(&first).is_empty());
    let seen = watch::watched(&world.desk(friend), cast.patient.id()).unwrap();
    assert_eq!(seen.unwrap().recover, recovery);
}

/// A full list does not shut out a device that is on it already.
#[test]
fn a_device_asks_anew_in_its_own_place() {
    let cast = Cast::new();
    let world = &cast.world;
    let guard = cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();
    let device = cast.device();
    let claim = cast.claimed(&device, &[hospital]);
    let desk = world.desk(friend);
    let from = |device, attempt| ClaimLetter {
        claim: RecoveryClaim {
            attempt,
            ..claim.clone()
        },
        device,
    };
    let ask = |letter: &ClaimLetter| keep::asked(&desk, letter, world.now());
    for at in 0..keep::MAX_CLAIMS as u8 {
        ask(&from(AccountId([at; 32]), 1 + u64::from(at))).unwrap();
    }
    let waiting = || keep::claims(&desk).unwrap();
    assert_eq!(waiting().len(), keep::MAX_CLAIMS);
    assert!(matches!(
        ask(&from(device.id(), 100)),
        Err(KeepError::TooMany)
    ));
    let anew = from(AccountId([3; 32]), 100);
    ask(&anew).unwrap();
    // the same letter twice is one request
    assert_eq!(ask(&anew).unwrap(), claim_id(&anew.claim));
    assert_eq!(waiting().len(), keep::MAX_CLAIMS);
    let of_device: Vec<u64> = waiting()
        .into_iter()
        .filter(|(_, asked)| asked.device == anew.device)
        .map(|(_, asked)| asked.claim.attempt)
        .collect();
    assert_eq!(of_device, [100]);
    // and what is for another ledger, or for other guardians, has no place at all
    let mut elsewhere = anew.clone();
    elsewhere.claim.chain = ChainId([1; 32]);
    assert!(matches!(ask(&elsewhere), Err(KeepError::Stale)));
    let mut others = anew;
    assert_eq!(others.claim.guard, guard);
    others.claim.guard = OperationId(base::cid::of_object(b"another"));
    assert!(matches!(ask(&others), Err(KeepError::Stale)));
}

/// A node that names another account's guardians for hers gains nothing, whatever they
/// sign.
#[test]
fn guardians_of_another_account_approve_nothing() {
    let cast = Cast::new();
    let world = &cast.world;
    let accomplice = &cast.hospital;
    let guards = Guards {
        guardians: vec![accomplice.id(), cast.agent.id()],
        threshold: 2,
        delay: DELAY,
    };
    let phrase = cast.stranger.phrase.as_ref().unwrap();
    let wallet = world.wallet(&cast.stranger);
    let guard = guard::guard(&wallet, phrase, &guards, &mut rng()).unwrap();
    let share = share_of(world, accomplice);
    let member = Member {
        guardian: accomplice.id(),
        share: Digest::commit(
            &share.opening,
            &[&[share.index][..], &share.share[..]].concat(),
        ),
    };
    let told = world.view().guardianship(cast.stranger.id()).unwrap();
    let approved = |account| {
        let device = cast.device();
        let desk = world.desk(&device);
        let claim = claim::begin(&desk, account, &[], &mut rng()).unwrap();
        assert_eq!((claim.account, claim.guard), (account, guard.id));
        let letter = ApprovalLetter {
            claim: claim_id(&claim),
            set: share.set.clone(),
            approval: Approval {
                index: share.index,
                member,
                salt: share.salt,
                signature: accomplice.party.operation.sign(&claim.preimage()),
            },
        };
        claim::receive_approval(&desk, &letter)
    };
    assert_eq!(approved(cast.stranger.id()).unwrap(), accomplice.id());
    world.lies.lock().unwrap().guardianship = Some(Box::new(move |_| Ok(told)));
    assert!(matches!(
        approved(cast.patient.id()),
        Err(ClaimError::NotAGuardian)
    ));
}

/// A node shows an old letter again, and the old guardians as those in force: with the newer
/// share in the vault, and after an end that the log has shown.
#[test]
fn no_node_makes_a_guardian_keep_an_old_share() {
    let cast = Cast::new();
    let world = &cast.world;
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let wallet = world.wallet(&cast.patient);
    let hospital = cast.guardians()[0];
    let desk = world.desk(hospital);
    guard::guard(&wallet, phrase, &cast.guards(2), &mut rng()).unwrap();
    let old = share_of(world, hospital);
    let told = world.view().guardianship(cast.patient.id()).unwrap();
    let newer = guard::guard(&wallet, phrase, &cast.guards(3), &mut rng()).unwrap();
    let new = share_of(world, hospital);
    assert_eq!(new.guard, newer.id);

    let lie = || world.lies.lock().unwrap().guardianship = Some(Box::new(move |_| Ok(told)));
    let refused = || {
        let again = keep::receive(&desk, &old);
        assert!(matches!(again, Err(KeepError::Replaced)), "{again:?}");
    };
    lie();
    refused();
    assert_eq!(keep::shares(&desk).unwrap()[0].guard, new.guard);
    // As an earlier program left it, which noted no number.
    hospital
        .vault
        .delete(Table::Guarded, &cast.patient.id().0)
        .unwrap();
    refused();
    assert_eq!(keep::shares(&desk).unwrap()[0].guard, new.guard);

    world.lies.lock().unwrap().guardianship = None;
    guard::unguard(&wallet.desk, newer.id).unwrap();
    follow::advance(&desk).unwrap();
    assert!(keep::shares(&desk).unwrap().is_empty());
    lie();
    refused();
    assert!(keep::shares(&desk).unwrap().is_empty());
    // Also when a person had it read the log anew.
    follow::resume(&desk).unwrap();
    refused();

    // Whoever is no guardian of hers notes nothing of it.
    let other = &cast.institute;
    follow::advance(&world.desk(other)).unwrap();
    assert!(other.vault.list(Table::Guarded).unwrap().is_empty());
}

/// Somebody whose share the guardian keeps too makes a recovery that can never be served.
#[test]
fn a_claim_that_cannot_be_served_keeps_no_other_back() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();
    let device = cast.device();
    let (good, _) = cast.logged(&device, &[hospital, friend]);
    let other = Guards {
        guardians: vec![hospital.id(), cast.institute.id()],
        threshold: 2,
        delay: DELAY,
    };
    let phrase = cast.stranger.phrase.as_ref().unwrap();
    let wallet = world.wallet(&cast.stranger);
    guard::guard(&wallet, phrase, &other, &mut rng()).unwrap();
    for guardian in [hospital, &cast.institute] {
        share_of(world, guardian);
    }
    // Bytes that are no key are not noted at all.
    let desk = world.desk(hospital);
    let mut asking = ClaimLetter {
        claim: good.clone(),
        device: device.id(),
    };
    asking.claim.hpke_key = HpkeKey::new(vec![0xff; HpkeKey::LENGTH]).unwrap();
    assert!(matches!(
        keep::asked(&desk, &asking, world.now()),
        Err(KeepError::Letter(LetterError::BadKey))
    ));

    let second = cast.device();
    let helpers = [hospital, &cast.institute];
    let (other, _) = cast.logged_of(cast.stranger.id(), &second, &helpers);
    world.pass(DELAY + Millis::HOUR);
    for device in [&device, &second] {
        claim::complete(&world.desk(device), world.now()).unwrap();
    }
    // The node hides the `Guard` that the first of them is about, as the vault sorts them.
    let mut both = [good, other];
    both.sort_by_key(claim_id);
    let [hidden, shown] = both;
    world.lies.lock().unwrap().operation = Some(Box::new(move |told| match told {
        Ok(Some((_, leaf))) if leaf.operation.to_bytes().1 == hidden.guard => Ok(None),
        told => told,
    }));
    let released = keep::release(&desk, world.now(), &mut rng()).unwrap();
    let became: Vec<_> = released
        .iter()
        .map(|(to, end)| (to.owner, end.is_ok()))
        .collect();
    assert_eq!(became, [(hidden.account, false), (shown.account, true)]);
    world.lies.lock().unwrap().operation = None;
    let released = keep::release(&desk, world.now(), &mut rng()).unwrap();
    let [(to, Ok(()))] = &released[..] else {
        panic!("it was forgotten: {released:?}")
    };
    assert_eq!(to.owner, hidden.account);
}
