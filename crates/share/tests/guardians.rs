//! What guardians, devices and owners must not do, or believe.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    AccountId, Digest, Millis, OperationId, Salt, Signed,
    key::OperationSecret,
    operation::{Approval, Guard, Power, Recover},
};
use ledger::Failure;
use share::{
    account,
    identity::{HpkeSecret, Party},
    letter::Letter,
    recovery::{
        claim::{self, ClaimError},
        code, guard,
        guard::{GuardError, Guards},
        keep::{self, KeepError},
        letters::{ClaimLetter, ReleaseLetter, ShareLetter},
    },
};
use world::{Cast, DELAY, Person, rng};

#[test]
fn what_cannot_be_named_is_not() {
    let cast = Cast::new();
    let wallet = cast.world.wallet(&cast.patient);
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let name = |guards: &Guards| guard::guard(&wallet, phrase, guards, &mut rng());
    let good = cast.guards(2);
    for threshold in [0, 1, 4] {
        let guards = Guards {
            threshold,
            ..good.clone()
        };
        assert!(matches!(
            name(&guards),
            Err(GuardError::Threshold { count: 3, .. })
        ));
    }
    let with = |guardians: Vec<AccountId>| Guards {
        guardians,
        ..good.clone()
    };
    let (first, second) = (good.guardians[0], good.guardians[1]);
    for guardians in [vec![first, first], vec![first, cast.patient.id()]] {
        assert!(matches!(
            name(&with(guardians)),
            Err(GuardError::NotDistinct)
        ));
    }
    let unknown = name(&with(vec![first, AccountId([9; 32])]));
    assert!(matches!(unknown, Err(GuardError::Look(_))));
    let seventeen = (0..17).map(|at| AccountId([at; 32])).collect();
    assert!(matches!(
        name(&with(seventeen)),
        Err(GuardError::Threshold { count: 17, .. })
    ));
    let short = Guards {
        delay: DELAY - 1,
        ..with(vec![first, second])
    };
    assert!(matches!(
        name(&short),
        Err(GuardError::Send(error)) if error.failure() == Some(Failure::ShortDelay)
    ));
    // another wallet's phrase
    let other = cast.stranger.phrase.as_ref().unwrap();
    let wrong = guard::guard(&wallet, other, &good, &mut rng());
    assert!(matches!(wrong, Err(GuardError::OtherPhrase)));
    // nobody was sent anything
    for guardian in cast.guardians() {
        assert!(cast.world.post(guardian).is_empty());
    }
}

#[test]
fn a_share_that_is_not_what_she_committed_to_is_not_kept() {
    let cast = Cast::new();
    let world = &cast.world;
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let wallet = world.wallet(&cast.patient);
    guard::guard(&wallet, phrase, &cast.guards(2), &mut rng()).unwrap();
    let [guardian, friend, _] = cast.guardians();
    let Letter::Share(good) = world.one_letter(guardian).letter else {
        panic!()
    };
    let Letter::Share(other) = world.one_letter(friend).letter else {
        panic!()
    };
    let desk = world.desk(guardian);
    let refused = |change: &dyn Fn(&mut ShareLetter)| {
        let mut letter = good.clone();
        change(&mut letter);
        let error = keep::receive(&desk, &letter).unwrap_err();
        assert!(matches!(error, KeepError::NotThisShare), "{error}");
    };
    refused(&|letter| letter.share[3] ^= 1);
    refused(&|letter| letter.share.truncate(31));
    refused(&|letter| letter.share = other.share.clone());
    refused(&|letter| letter.index = 2);
    refused(&|letter| letter.index = 0);
    refused(&|letter| letter.index = 255);
    refused(&|letter| letter.opening = Salt([1; 32]));
    refused(&|letter| letter.salt = Salt([1; 32]));
    refused(&|letter| letter.owner = cast.stranger.id());
    refused(&|letter| letter.set.threshold = 3);
    refused(&|letter| letter.set.members[5] = Digest([1; 32]));
    let bag = world
        .view()
        .operations_of(cast.patient.id(), Default::default());
    let not_a_guard = *bag.unwrap().items.last().unwrap();
    assert_eq!(not_a_guard, good.guard);
    let first = world
        .view()
        .operations_of(cast.patient.id(), Default::default());
    let register = first.unwrap().items[0];
    refused(&|letter| letter.guard = register);
    // another guardian's letter is not for this one
    assert!(matches!(
        keep::receive(&desk, &other),
        Err(KeepError::NotThisShare)
    ));
    assert!(keep::shares(&desk).unwrap().is_empty());
    keep::receive(&desk, &good).unwrap();
    // one that comes before its operation waits
    let mut early = good.clone();
    early.guard = OperationId(base::cid::of_object(b"not logged"));
    assert!(matches!(
        keep::receive(&desk, &early),
        Err(KeepError::Look(share::desk::LookError::Unknown(..)))
    ));
}

/// What a dishonest guardian or stranger sends to the device.
#[test]
fn wrong_approvals_and_shares_are_named() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, agent] = cast.guardians();
    let device = cast.device();
    let claim = cast.claimed(&device, &[hospital, friend, agent]);
    let desk = world.desk(&device);
    keep::approve(
        &world.desk(hospital),
        &code(&claim),
        world.now(),
        &mut rng(),
    )
    .unwrap();
    let Letter::Approval(good) = world.one_letter(&device).letter else {
        panic!()
    };
    let refused = |change: &dyn Fn(&mut share::recovery::letters::ApprovalLetter)| {
        let mut letter = good.clone();
        change(&mut letter);
        claim::receive_approval(&desk, &letter).unwrap_err()
    };
    assert!(matches!(
        refused(&|letter| letter.claim = Digest([1; 32])),
        ClaimError::OtherClaim
    ));
    let changes: [&dyn Fn(&mut Approval); 4] = [
        &|approval| approval.index = 2,
        &|approval| approval.index = 0,
        &|approval| approval.member.guardian = cast.institute.id(),
        &|approval| approval.salt = Salt([1; 32]),
    ];
    for change in changes {
        let error = refused(&|letter| change(&mut letter.approval));
        assert!(matches!(error, ClaimError::NotAGuardian), "{error}");
    }
    assert!(matches!(
        refused(&|letter| letter.set.threshold = 1),
        ClaimError::NotAGuardian
    ));
    let forged = refused(&|letter| letter.approval.signature.0[0] ^= 1);
    assert!(matches!(forged, ClaimError::BadApproval(who) if who == hospital.id()));
    claim::receive_approval(&desk, &good).unwrap();
    cast.approved(friend, &claim, &device);
    let recovery = claim::log(&desk).unwrap();
    world.pass(DELAY + Millis::HOUR);
    claim::complete(&desk, world.now()).unwrap();
    cast.released(hospital, &device);

    // the friend gives a share of its own making; the agent, who has not approved, its own
    let honest = keep::shares(&world.desk(friend)).unwrap().remove(0);
    let release = |index, share: &[u8]| ReleaseLetter {
        recovery,
        index,
        opening: honest.opening,
        share: share.to_vec().into(),
    };
    let mut bent = honest.share.to_vec();
    bent[31] ^= 0x80;
    for share in [&bent[..], &bent[..31], &[]] {
        let wrong = claim::receive_share(&desk, &release(2, share));
        assert!(matches!(wrong, Err(ClaimError::WrongShare(who)) if who == friend.id()));
    }
    assert!(matches!(
        claim::receive_share(&desk, &release(3, &honest.share)),
        Err(ClaimError::NotAGuardian)
    ));
    let mut elsewhere = release(2, &honest.share);
    elsewhere.recovery = honest.guard;
    assert!(matches!(
        claim::receive_share(&desk, &elsewhere),
        Err(ClaimError::OtherClaim)
    ));
    assert!(claim::phrase(&desk).is_err());
    cast.released(friend, &device);
    claim::phrase(&desk).unwrap();
}

#[test]
fn a_code_that_nobody_read_out_approves_nothing() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();
    let desk = world.desk(hospital);
    // two ask at once: a thief and the owner
    let thief = cast.device();
    let theirs = cast.claimed(&thief, &[hospital]);
    let device = cast.device();
    let hers = cast.claimed(&device, &[hospital]);
    assert_ne!(code(&theirs), code(&hers));
    let wrong = keep::approve(&desk, "00000-00000-00000-00000", world.now(), &mut rng());
    assert!(matches!(wrong, Err(KeepError::NoSuchCode)));
    let approved = keep::approve(&desk, &code(&hers), world.now(), &mut rng()).unwrap();
    assert_eq!((approved.device, &approved.claim), (device.id(), &hers));
    assert!(world.post(&thief).is_empty());
    // who keeps no share is asked in vain
    let letter = ClaimLetter {
        claim: hers.clone(),
        device: device.id(),
    };
    assert!(matches!(
        keep::asked(&world.desk(&cast.institute), &letter, world.now()),
        Err(KeepError::NoShare(_))
    ));
    // a flood ends; the same device asks in place of itself
    let desk = world.desk(friend);
    let from = |device, attempt| ClaimLetter {
        claim: base::operation::RecoveryClaim {
            attempt,
            ..hers.clone()
        },
        device,
    };
    for attempt in 0..40 {
        keep::asked(&desk, &from(device.id(), attempt), world.now()).unwrap();
    }
    assert_eq!(keep::claims(&desk).unwrap().len(), 1);
    let mut full = None;
    for at in 0..keep::MAX_CLAIMS as u8 {
        let letter = from(AccountId([at; 32]), 100 + u64::from(at));
        full = keep::asked(&desk, &letter, world.now()).err();
    }
    assert!(matches!(full, Some(KeepError::TooMany)));
    assert_eq!(keep::claims(&desk).unwrap().len(), keep::MAX_CLAIMS);
    // what nobody approved is forgotten in the end
    let later = world.now().plus(keep::KEEP_FOR);
    keep::release(&desk, later, &mut rng()).unwrap();
    assert!(keep::claims(&desk).unwrap().is_empty());
}

/// Whoever signs without the parties' own checks meets the ledger's.
#[test]
fn the_ledger_refuses_what_a_dishonest_device_sends() {
    let cast = Cast::new();
    let world = &cast.world;
    let guard = cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();
    let device = cast.device();
    let claim = cast.claimed(&device, &[hospital, friend]);
    let mut approvals = Vec::new();
    let mut set = None;
    for guardian in [hospital, friend] {
        keep::approve(
            &world.desk(guardian),
            &code(&claim),
            world.now(),
            &mut rng(),
        )
        .unwrap();
        let Letter::Approval(letter) = world.one_letter(&device).letter else {
            panic!()
        };
        approvals.push(letter.approval);
        set = Some(letter.set);
    }
    let (desk, set) = (world.desk(&device), set.unwrap());
    let own = OperationSecret::new([8; 32]);
    let recover = |key: &OperationSecret, approvals: &[Approval]| {
        let mut recover = Recover {
            account: claim.account,
            guard,
            key: key.public(),
            hpke_key: claim.hpke_key.clone(),
            consent: base::key::Signature([0; 64]),
            set: set.clone(),
            approvals: approvals.to_vec(),
        };
        let of = recover.claim(world.chain(), claim.attempt);
        recover.consent = Signed::new(of, key).signature;
        recover
    };
    let fails = |recover: Recover| desk.send(recover).unwrap_err().failure().unwrap();
    // one guardian alone; both, for a key that they did not see; one twice
    assert_eq!(
        fails(recover(&own, &approvals[..1])),
        Failure::TooFewGuardians
    );
    assert_eq!(fails(recover(&own, &approvals)), Failure::BadApproval);
    let twice = [approvals[0], approvals[0]];
    assert_eq!(fails(recover(&own, &twice)), Failure::BadShape);
    // a delegate of hers cannot name guardians
    let powers = vec![Power::Protect];
    let until = world.now().plus(Millis::DAY);
    let wallet = world.wallet(&cast.patient);
    let delegation =
        account::delegate(&wallet, cast.institute.id(), powers, until, &mut rng()).unwrap();
    let acting = Person::new(Party {
        delegation: Some(delegation.id),
        ..Party::new(
            world.chain(),
            cast.institute.party.operation.clone(),
            HpkeSecret::generate(&mut rng()),
        )
    });
    let action = Guard {
        set: set.digest(),
        delay: DELAY,
    };
    let refused = world.desk(&acting).send(action).unwrap_err();
    assert_eq!(refused.failure(), Some(Failure::PowerMissing));
    // but objects for her
    let recovery = claim::log(&desk);
    assert!(matches!(recovery, Err(ClaimError::TooFew { .. })));
    let honest = cast.device();
    let (_, recovery) = cast.logged(&honest, &[hospital, friend]);
    guard::object(&world.desk(&acting), recovery).unwrap();
}
