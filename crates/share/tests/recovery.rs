//! A patient loses everything; her guardians bring it back, unless she objects.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{Class, Millis};
use ledger::Failure;
use share::{
    NodeError, Table, Vault as _, bag, follow,
    letter::{Letter, SealedLetter},
    open,
    recovery::{
        claim::{self, ClaimError},
        code, guard,
        guard::Guards,
        keep::{self, KeepError},
        letters::ClaimLetter,
        watch,
    },
    wallet::Wallet,
};
use world::{Cast, DELAY, bundle, rng};

#[test]
fn two_of_three_guardians_bring_a_patient_back() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(&[Class::Laboratory], &[&cast.second_agent]);
    cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();

    // her device is gone; she starts again on another
    let device = cast.device();
    let claim = cast.claimed(&device, &[hospital, friend]);
    cast.approved(hospital, &claim, &device);
    let desk = world.desk(&device);
    assert!(matches!(
        claim::log(&desk),
        Err(ClaimError::TooFew { have: 1, need: 2 })
    ));
    cast.approved(friend, &claim, &device);
    let recovery = claim::log(&desk).unwrap();
    assert_eq!(claim::log(&desk).unwrap(), recovery, "once");

    // nothing moves while she could object
    let early = claim::complete(&desk, world.now());
    assert!(matches!(early, Err(ClaimError::NotDue(_))));
    for guardian in [hospital, friend] {
        let early = keep::release(&world.desk(guardian), world.now(), &mut rng());
        assert!(early.unwrap().is_empty());
    }
    assert!(matches!(
        claim::phrase(&desk),
        Err(ClaimError::TooFew { have: 0, need: 2 })
    ));
    // what she had granted goes on
    cast.answered(grant, record, 0, &cast.second_agent);

    world.pass(DELAY + Millis::HOUR);
    // not even now, until the new key is in force
    let early = keep::release(&world.desk(hospital), world.now(), &mut rng());
    assert!(early.unwrap().is_empty());
    let key = claim::complete(&desk, world.now()).unwrap();
    assert_eq!(
        claim::complete(&desk, world.now()).unwrap().public(),
        key.public(),
        "twice is once"
    );
    cast.released(hospital, &device);
    cast.released(friend, &device);
    let phrase = claim::phrase(&desk).unwrap();
    assert_eq!(
        phrase.words(),
        cast.patient.phrase.as_ref().unwrap().words()
    );
    let progress = claim::progress(&desk).unwrap().unwrap();
    assert_eq!(progress.approved.len(), 2);
    assert_eq!(progress.returned.len(), 2);

    // phrase and bag give everything back, under the new key
    let (person, back) = cast.returned(&phrase, key.clone());
    assert_eq!(back.operation.public(), key.public());
    let wallet = Wallet::new(world.desk(&person), &back.secrets, person.id());
    bag::keep_operation_key(&wallet, &key, &mut rng()).unwrap();
    for (_, caught) in share::accept::catch_up(&wallet, &mut rng()).unwrap() {
        caught.unwrap();
    }
    let mut out = Vec::new();
    open::open_own(&wallet, record, 0, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("Hb"));
    // she knows whom she named
    let set = world.view().guardianship(person.id()).unwrap().unwrap().set;
    let named = guard::named(&wallet.desk, set).unwrap().unwrap();
    assert_eq!(named.guardians, cast.guards(2).guardians);
    // the lost device speaks for her no more
    let lost = share::revoke::revoke(&world.desk(&cast.patient), grant).unwrap_err();
    assert!(matches!(
        lost,
        share::SendError::Node(NodeError::Refused(ledger::Refusal::BadSignature))
    ));
    share::revoke::revoke(&wallet.desk, grant).unwrap();
    // the next loss needs no guardian: the phrase and the bag know the new key
    let (again, back) = cast.returned(&phrase, phrase.operation());
    assert_eq!(back.operation.public(), key.public());
    assert_eq!(again.id(), cast.patient.id());
    // and everybody can prove her new key
    let proven = world.desk(&cast.institute).account(person.id()).unwrap();
    assert_eq!(proven.operation_key(), Some(key.public()));
}

/// Below the threshold nothing shows: neither in what a guardian has, nor on the ledger,
/// nor in the mailbox. (That k - 1 shares fit every secret is shown in `shamir`'s tests.)
#[test]
fn nothing_shows_who_guards_or_what_they_keep() {
    let cast = Cast::new();
    let world = &cast.world;
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let wallet = world.wallet(&cast.patient);
    guard::guard(&wallet, phrase, &cast.guards(2), &mut rng()).unwrap();
    let sealed: Vec<Vec<u8>> = cast
        .guardians()
        .map(|guardian| world.mail.lock().unwrap()[&guardian.id()][0].clone())
        .to_vec();
    let mut shares = Vec::new();
    for guardian in cast.guardians() {
        let Letter::Share(share) = world.one_letter(guardian).letter else {
            panic!()
        };
        keep::receive(&world.desk(guardian), &share).unwrap();
        shares.push(share);
    }
    // every letter has one length, and opens for one guardian alone
    assert!(sealed.iter().all(|letter| letter.len() == sealed[0].len()));
    let strange = SealedLetter::parse(&sealed[0]).unwrap();
    assert!(
        strange
            .open(world.chain(), &cast.stranger.party.hpke)
            .is_err()
    );
    // no share in the mailbox, in another guardian's hands, or in the log
    let mut public = sealed.concat();
    for leaf in world.view().leaves(0, 1_000).unwrap() {
        public.extend(leaf.to_bytes());
    }
    let secret = entropy(&phrase.words());
    let holds = |place: &[u8], piece: &[u8]| place.windows(16).any(|window| window == &piece[..16]);
    for share in &shares {
        assert!(!holds(&public, &share.share));
        assert_ne!(share.share.as_slice(), secret);
    }
    assert!(!holds(&public, &secret));
    // the ledger names no guardian
    let guard = world
        .view()
        .guardianship(cast.patient.id())
        .unwrap()
        .unwrap();
    let (_, leaf) = world
        .view()
        .operation(guard.guard.unwrap())
        .unwrap()
        .unwrap();
    let leaf = leaf.to_bytes();
    for guardian in cast.guardians() {
        assert!(!holds(&leaf, &guardian.id().0));
    }
    // nor how many there are: two sets of other sizes look alike
    let mut fewer = cast.guards(2);
    fewer.guardians.pop();
    guard::guard(&wallet, phrase, &fewer, &mut rng()).unwrap();
    let Letter::Share(of_two) = world.one_letter(cast.guardians()[0]).letter else {
        panic!()
    };
    assert_eq!(of_two.set.members.len(), shares[0].set.members.len());
}

/// What the words spell: eleven bits each, big-endian, then eight bits of checksum.
fn entropy(words: &str) -> [u8; 32] {
    let list = bip39::Language::English.word_list();
    let mut bits = Vec::new();
    for word in words.split(' ') {
        let at = list.iter().position(|other| *other == word).unwrap();
        bits.extend((0..11).rev().map(|bit| (at >> bit) & 1 == 1));
    }
    let mut entropy = [0; 32];
    for (at, byte) in entropy.iter_mut().enumerate() {
        *byte = bits[8 * at..8 * at + 8]
            .iter()
            .fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    }
    entropy
}

#[test]
fn an_objection_ends_it_and_nobody_gives_a_share() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, agent] = cast.guardians();
    let thief = cast.device();
    let (claim, recovery) = cast.logged(&thief, &[hospital, friend]);

    // her wallet sees it in the log, whatever its node says
    world.lies.lock().unwrap().no_guardians = true;
    let hers = world.desk(&cast.patient);
    follow::advance(&hers).unwrap();
    let seen = watch::watched(&hers, cast.patient.id()).unwrap().unwrap();
    assert!(seen.waits() && seen.recover == recovery);
    world.lies.lock().unwrap().no_guardians = false;

    world.pass(DELAY - Millis::HOUR);
    guard::object(&hers, recovery).unwrap();
    follow::advance(&hers).unwrap();
    let seen = watch::watched(&hers, cast.patient.id()).unwrap().unwrap();
    assert!(!seen.waits());
    world.pass(DELAY + Millis::HOUR);
    let desk = world.desk(&thief);
    assert!(matches!(
        claim::complete(&desk, world.now()),
        Err(ClaimError::Objected(_))
    ));
    for guardian in [hospital, friend, agent] {
        let desk = world.desk(guardian);
        let released = keep::release(&desk, world.now(), &mut rng()).unwrap();
        assert!(released.is_empty());
    }
    assert!(world.post(&thief).is_empty());
    // the claim is spent: the same guardians are not asked for it again
    let stale = keep::approve(&world.desk(friend), &code(&claim), world.now(), &mut rng());
    assert!(matches!(stale, Err(KeepError::Stale)));
    // one that is meant, on another device, counts on
    let device = cast.device();
    let (second, _) = cast.logged(&device, &[hospital, agent]);
    assert_eq!((claim.attempt, second.attempt), (1, 2));
    // now it is too late for an objection
    world.pass(DELAY + Millis::HOUR);
    let late = guard::object(&hers, claim::log(&world.desk(&device)).unwrap()).unwrap_err();
    assert_eq!(late.failure(), Some(Failure::ObjectionLate));
}

#[test]
fn a_guardian_who_changes_its_mind_gives_nothing() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, agent] = cast.guardians();
    let device = cast.device();
    let (claim, _) = cast.logged(&device, &[hospital, friend]);
    let (id, _) = keep::claims(&world.desk(friend)).unwrap()[0].clone();
    assert_eq!(id, share::recovery::claim_id(&claim));
    keep::deny(&world.desk(friend), id).unwrap();
    assert!(matches!(
        keep::deny(&world.desk(friend), id),
        Err(KeepError::NoSuchCode)
    ));
    world.pass(DELAY + Millis::HOUR);
    let desk = world.desk(&device);
    claim::complete(&desk, world.now()).unwrap();
    cast.released(hospital, &device);
    let denied = keep::release(&world.desk(friend), world.now(), &mut rng());
    assert!(denied.unwrap().is_empty());
    assert!(matches!(
        claim::phrase(&desk),
        Err(ClaimError::TooFew { have: 1, need: 2 })
    ));
    // the third one had not approved: it cannot help with this claim any more
    let letter = ClaimLetter {
        claim: claim.clone(),
        device: device.id(),
    };
    keep::asked(&world.desk(agent), &letter, world.now()).unwrap();
    let stale = keep::approve(&world.desk(agent), &code(&claim), world.now(), &mut rng());
    assert!(matches!(stale, Err(KeepError::Stale)));
}

/// A node whose clock runs ahead lets the ledger's delay pass in a moment; a guardian's own
/// clock does not.
#[test]
fn no_node_makes_the_delay_shorter() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();
    let device = cast.device();
    let approved = world.now();
    cast.logged(&device, &[hospital, friend]);
    world.pass(DELAY + Millis::HOUR);
    claim::complete(&world.desk(&device), world.now()).unwrap();
    let desk = world.desk(hospital);
    for waited in [0, Millis::HOUR, DELAY - 1] {
        let released = keep::release(&desk, approved.plus(waited), &mut rng());
        assert!(released.unwrap().is_empty());
    }
    let released = keep::release(&desk, approved.plus(DELAY), &mut rng());
    assert_eq!(released.unwrap().len(), 1);
}

#[test]
fn guardians_that_were_replaced_destroy_their_shares() {
    let cast = Cast::new();
    let world = &cast.world;
    let first = cast.guarded(2);
    let [hospital, friend, agent] = cast.guardians();
    let device = cast.device();
    let claim = cast.claimed(&device, &[agent]);
    let Some(old) = keep::shares(&world.desk(agent)).unwrap().pop() else {
        panic!()
    };
    // she names two others, the hospital again among them
    let wallet = world.wallet(&cast.patient);
    let phrase = cast.patient.phrase.as_ref().unwrap();
    let others = Guards {
        guardians: vec![hospital.id(), cast.institute.id()],
        threshold: 2,
        delay: DELAY,
    };
    let second = guard::guard(&wallet, phrase, &others, &mut rng())
        .unwrap()
        .id;
    cast.keep(hospital);
    cast.keep(&cast.institute);
    for guardian in [friend, agent] {
        let desk = world.desk(guardian);
        follow::advance(&desk).unwrap();
        assert!(keep::shares(&desk).unwrap().is_empty());
    }
    let kept = keep::shares(&world.desk(hospital)).unwrap();
    assert_eq!((kept.len(), kept[0].guard), (1, second));
    assert_ne!(first, second);
    // the old share is not taken in again, the old claim not approved
    assert!(matches!(
        keep::receive(&world.desk(agent), &old),
        Err(KeepError::Replaced)
    ));
    let gone = keep::approve(&world.desk(agent), &code(&claim), world.now(), &mut rng());
    assert!(matches!(gone, Err(KeepError::NoShare(_))));
    let letter = ClaimLetter {
        claim,
        device: device.id(),
    };
    assert!(matches!(
        keep::asked(&world.desk(hospital), &letter, world.now()),
        Err(KeepError::Stale)
    ));
    // ended
    guard::unguard(&wallet.desk, second).unwrap();
    let desk = world.desk(hospital);
    follow::advance(&desk).unwrap();
    assert!(keep::shares(&desk).unwrap().is_empty());
    assert!(matches!(
        claim::begin(
            &world.desk(&cast.device()),
            cast.patient.id(),
            &[],
            &mut rng()
        ),
        Err(ClaimError::NoGuardians(_))
    ));
}

/// A home may be made of the device's: nothing of the device's account stays.
#[test]
fn the_device_leaves_no_trace() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();
    let device = cast.device();
    let (claim, _) = cast.logged(&device, &[hospital, friend]);
    let desk = world.desk(&device);
    let other = claim::begin(&desk, cast.stranger.id(), &[], &mut rng());
    assert!(matches!(other, Err(ClaimError::OtherAccount(who)) if who == cast.patient.id()));
    // asking again is the same claim
    let again = claim::begin(&desk, cast.patient.id(), &[hospital.id()], &mut rng()).unwrap();
    assert_eq!(again, claim);
    let traces = claim::traces(&desk).unwrap();
    let changes: Vec<_> = traces
        .iter()
        .map(|(table, key)| (*table, key.as_slice(), None))
        .collect();
    device.vault.apply(&changes).unwrap();
    for table in Table::ALL {
        let left = device.vault.list(*table).unwrap();
        let public = [Table::Watermark, Table::Keys, Table::Recoveries];
        assert!(left.is_empty() || public.contains(table), "{table:?}");
    }
    assert!(claim::progress(&desk).unwrap().is_none());
}
