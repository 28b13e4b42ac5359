//! The ledger is followed: heads that do not extend the one seen, leaves, the keys of
//! accounts, and validators from set to set. The node, and even the validator, lies.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{AccountId, key::OperationSecret};
use ledger::{
    CompactRange, ConsistencyProof, Head, Header, Reign, Transition, ValidatorSet, Validators,
};
use serde::{Deserialize, Serialize};
use share::{
    Desk, NodeError, Table, Trust, TrustError, Vault as _,
    account::{self, Replacement},
    checkup::{self, LastHead},
    follow::{self, Conflict, FollowError},
    identity::{HpkeSecret, Party, RecordSecret},
    trust,
};
use std::sync::MutexGuard;
use world::{Cast, Lies, MemoryVault, Person, World, refused, rng};

fn lies(world: &World) -> MutexGuard<'_, Lies> {
    world.lies.lock().unwrap()
}

/// The node tells the truth again.
fn honest(world: &World) {
    *lies(world) = Lies::default();
    *world.forged.lock().unwrap() = None;
}

fn show(world: &World, head: Head) {
    *world.forged.lock().unwrap() = Some(head);
}

/// One more block.
fn grow(cast: &Cast) {
    let next = HpkeSecret::generate(&mut rng());
    let desk = cast.world.desk(&cast.institute);
    account::rotate_key(&desk, &Replacement::Hpke(&next), None).unwrap();
}

/// A block without operations.
fn after(header: &Header) -> Header {
    Header {
        height: header.height + 1,
        time: header.time.plus(1),
        previous: Some(header.cid()),
        first_leaf: header.tree_size,
        ..header.clone()
    }
}

/// No proof can be had.
fn without_proofs(world: &World) {
    lies(world).consistency = Some(Box::new(|_| Err(NodeError::Busy("later".into()))));
}

/// A party that has seen a head, and how its vault stands.
struct Watcher<'a> {
    cast: &'a Cast,
    vault: MemoryVault,
}

impl<'a> Watcher<'a> {
    fn of(cast: &'a Cast, seen: &Head) -> Self {
        let one = Self {
            cast,
            vault: MemoryVault::default(),
        };
        honest(&cast.world);
        show(&cast.world, seen.clone());
        assert_eq!(*follow::advance(&one.desk()).unwrap(), *seen);
        honest(&cast.world);
        one
    }

    fn desk(&self) -> Desk<'_> {
        Desk {
            vault: &self.vault,
            ..self.cast.world.desk(&self.cast.stranger)
        }
    }

    /// It stops at this head, and does not forget that.
    fn stops(&self, head: &Head, seen: &Head) -> Conflict {
        show(&self.cast.world, head.clone());
        assert_eq!(follow::stopped(&self.vault).unwrap(), None);
        let Err(FollowError::Stopped(conflict)) = follow::advance(&self.desk()) else {
            panic!("not stopped")
        };
        let place = |head: &Head| (head.header.height, head.header.tree_size);
        assert_eq!(conflict.seen, place(seen));
        assert_eq!(conflict.found, place(head));
        honest(&self.cast.world);
        refused!(follow::advance(&self.desk()), FollowError::Stopped(_));
        assert_eq!(
            follow::stopped(&self.vault).unwrap().as_ref(),
            Some(&conflict)
        );
        let trust = &self.cast.world.trust;
        let last = checkup::last_head(&self.vault, trust).unwrap();
        assert_eq!(last, LastHead::Stopped(conflict.clone()));
        conflict
    }
}

#[test]
fn a_head_that_does_not_extend_the_one_seen_stops_everything() {
    let cast = Cast::new();
    let world = &cast.world;
    let earlier = world.view().head().unwrap();
    grow(&cast);
    let seen = world.view().head().unwrap();
    grow(&cast);
    grow(&cast);
    let newest = world.view().head().unwrap();
    let (old, new) = (&seen.header, &newest.header);
    let forged = [
        // a second one of its height
        Header {
            time: old.time.plus(1),
            ..old.clone()
        },
        // lower, though longer and later
        Header {
            height: old.height - 1,
            ..new.clone()
        },
        // a shorter log
        Header {
            tree_size: earlier.header.tree_size,
            tree_root: earlier.header.tree_root,
            ..new.clone()
        },
        // not later
        Header {
            time: old.time,
            ..new.clone()
        },
        // as long, with other leaves
        Header {
            tree_size: old.tree_size,
            ..new.clone()
        },
    ];
    for header in forged {
        let head = world.certified(header);
        let conflict = Watcher::of(&cast, &seen).stops(&head, &seen);
        let proof = conflict.proof.unwrap();
        assert_eq!((proof.ours, proof.theirs.head), (seen.clone(), head));
    }
    // a restored ledger, until a person decides
    let one = Watcher::of(&cast, &seen);
    one.stops(&earlier, &seen);
    assert_eq!(*follow::resume(&one.desk()).unwrap(), newest);
    assert_eq!(follow::stopped(&one.vault).unwrap(), None);
    // what the node does not prove is no extension
    let truth = world.view().consistency(old.tree_size, new.tree_size);
    let truth = truth.unwrap().unwrap();
    let mut other_path = truth.clone();
    other_path.path[0].0[0] ^= 1;
    let other_size = [truth.to + 1, truth.to - 1]
        .map(|to| ConsistencyProof {
            to,
            ..truth.clone()
        })
        .into_iter()
        .find(|proof| proof.verify(&old.tree_root, &new.tree_root).is_ok())
        .unwrap();
    for proof in [other_path, other_size] {
        let one = Watcher::of(&cast, &seen);
        lies(world).consistency = Some(Box::new(move |_| Ok(proof.clone())));
        one.stops(&newest, &seen);
    }
}

#[test]
fn what_extends_the_head_seen_is_followed() {
    let cast = Cast::new();
    let world = &cast.world;
    let seen = world.view().head().unwrap();
    grow(&cast);
    let newest = world.view().head().unwrap();
    let one = Watcher::of(&cast, &seen);
    assert_eq!(*follow::advance(&one.desk()).unwrap(), newest);
    // a block without operations, or the first ones of all, need no proof
    without_proofs(world);
    let empty = world.certified(after(&newest.header));
    show(world, empty.clone());
    assert_eq!(*follow::advance(&one.desk()).unwrap(), empty);
    let one = Watcher::of(&cast, &Head::genesis(&world.genesis));
    without_proofs(world);
    assert_eq!(*follow::advance(&one.desk()).unwrap(), newest);
}

#[test]
fn two_heads_of_one_height_convict_the_validators() {
    let cast = Cast::new();
    let world = &cast.world;
    let seen = world.view().head().unwrap();
    let other = world.certified(Header {
        time: seen.header.time.plus(1),
        ..seen.header.clone()
    });
    let newest = world.certified(Header {
        tree_root: base::Digest([7; 32]),
        ..after(&other.header)
    });
    let one = Watcher::of(&cast, &seen);
    let told = other.clone();
    lies(world).head_at = Some(Box::new(move |_| Ok(Some(told.clone()))));
    let proof = one.stops(&newest, &seen).proof.unwrap();
    assert_eq!(proof.theirs.head, other);
    assert!(proof.is_fork(&Validators::of(&world.genesis)).unwrap());
}

#[test]
fn leaves_make_up_the_root_of_the_head() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.stranger);
    let newest = world.view().head().unwrap();
    let size = newest.header.tree_size as usize;
    let advance = |given: &[usize], head: &Head| {
        lies(world).leaves_given = given.iter().copied().collect();
        show(world, head.clone());
        let vault = MemoryVault::default();
        follow::advance(&Desk {
            vault: &vault,
            ..desk
        })
    };
    // fewer at once than asked for are welcome, none are not
    advance(&[1, 3, 2], &newest).unwrap();
    refused!(advance(&[0], &newest), FollowError::WrongLeaves);
    refused!(advance(&[1, 0], &newest), FollowError::WrongLeaves);
    // a log that has grown since: more than the head has
    grow(&cast);
    refused!(advance(&[size + 1], &newest), FollowError::WrongLeaves);
    advance(&[1], &newest).unwrap();
    // and others than the head has
    lies(world).leaves_after = Some(0);
    refused!(advance(&[], &newest), FollowError::WrongLeaves);
}

/// As it stands in a vault.
#[derive(Serialize, Deserialize)]
struct Mark {
    head: Option<Head>,
    range: CompactRange,
    stopped: Option<Conflict>,
}

#[test]
fn a_vault_that_contradicts_itself_is_told() {
    let cast = Cast::new();
    let world = &cast.world;
    let vault = &MemoryVault::default();
    let last = |trust: &Trust| checkup::last_head(vault, trust).unwrap();
    assert_eq!(last(&world.trust), LastHead::Nothing);
    let desk = Desk {
        vault,
        ..world.desk(&cast.stranger)
    };
    let head = follow::advance(&desk).unwrap();
    let header = &head.header;
    assert_eq!(
        last(&world.trust),
        LastHead::Head {
            height: header.height,
            leaves: header.tree_size,
            time: header.time,
        }
    );
    // the validators of another ledger
    let mut other = world.genesis.clone();
    other.validators[0].key = OperationSecret::new([5; 32]).public();
    assert!(matches!(
        last(&Trust::of(&other)),
        LastHead::Contradiction(_)
    ));
    // as many leaves, and others
    let (key, mark) = vault.list(Table::Watermark).unwrap().remove(0);
    let mut mark: Mark = base::codec::decode(&mark).unwrap();
    mark.range = CompactRange::new();
    for _ in 0..header.tree_size {
        mark.range.append(b"another");
    }
    let mark = base::codec::encode(&mark);
    vault.put(Table::Watermark, &key, &mark).unwrap();
    assert!(matches!(last(&world.trust), LastHead::Contradiction(_)));
}

#[test]
fn the_log_says_which_key_was_given_last() {
    let cast = Cast::new();
    let world = &cast.world;
    let desk = world.desk(&cast.hospital);
    let given = |key: &Replacement<'_>| follow::has_given(&desk, cast.hospital.id(), key).unwrap();
    let party = &cast.hospital.party;
    let record = party.record.as_ref().unwrap();
    let hpke = HpkeSecret::generate(&mut rng());
    let operation = OperationSecret::new([78; 32]);
    let next_record = RecordSecret::generate(&mut rng());
    // the operation key last: it signs no more after that
    for (before, next) in [
        (Replacement::Hpke(&party.hpke), Replacement::Hpke(&hpke)),
        (
            Replacement::Record(record),
            Replacement::Record(&next_record),
        ),
        (
            Replacement::Operation(&party.operation),
            Replacement::Operation(&operation),
        ),
    ] {
        assert_eq!((given(&before), given(&next)), (true, false));
        account::rotate_key(&desk, &next, None).unwrap();
        assert_eq!((given(&before), given(&next)), (false, true));
    }
    assert!(given(&Replacement::Peer(b"any")));
}

/// The validator as a party, with the HPKE key of the genesis object.
fn founder(world: &World) -> Party {
    Party::new(
        world.chain(),
        world.validator.clone(),
        HpkeSecret::new([1; 32]),
    )
}

#[test]
fn before_the_log_the_genesis_object_gave_keys() {
    let cast = Cast::new();
    let world = &cast.world;
    let party = founder(world);
    let desk = Desk {
        party: &party,
        ..world.desk(&cast.stranger)
    };
    let given = |key: &Replacement<'_>| follow::has_given(&desk, party.account, key).unwrap();
    let hpke = HpkeSecret::generate(&mut rng());
    let operation = OperationSecret::new([78; 32]);
    for (before, next) in [
        (Replacement::Hpke(&party.hpke), Replacement::Hpke(&hpke)),
        (
            Replacement::Operation(&party.operation),
            Replacement::Operation(&operation),
        ),
    ] {
        assert_eq!((given(&before), given(&next)), (true, false));
        account::rotate_key(&desk, &next, None).unwrap();
        assert_eq!((given(&before), given(&next)), (false, true));
    }
}

#[test]
fn keys_are_those_of_the_ledger_that_a_person_decided_for() {
    let cast = Cast::new();
    let world = &cast.world;
    let party = founder(world);
    let earlier = world.view().head().unwrap();
    let before = world.view().account(party.account).unwrap().unwrap();
    let validator = Desk {
        party: &party,
        ..world.desk(&cast.stranger)
    };
    let next = OperationSecret::new([78; 32]);
    account::rotate_key(&validator, &Replacement::Operation(&next), None).unwrap();
    let newest = world.view().head().unwrap();
    let one = Watcher::of(&cast, &newest);
    let key = || one.desk().operation_key(party.account).unwrap();
    assert_eq!(key(), next.public());
    // a ledger that never had the change
    one.stops(&earlier, &newest);
    show(world, earlier.clone());
    lies(world).account = Some(before);
    assert_eq!(*follow::resume(&one.desk()).unwrap(), earlier);
    assert_eq!(key(), world.validator.public());
    // one that has it, read once more
    honest(world);
    for _ in 0..2 {
        follow::resume(&one.desk()).unwrap();
        assert_eq!(key(), next.public());
    }
}

/// Validators that change with every height, one at a time, from the founding one on.
struct Reigns {
    transitions: Vec<Transition>,
    last: OperationSecret,
    reign: Option<Reign>,
    pattern: Header,
}

impl Reigns {
    fn of(world: &World, count: u64) -> Self {
        let mut all = Self {
            transitions: Vec::new(),
            last: world.validator.clone(),
            reign: None,
            pattern: world.view().head().unwrap().header,
        };
        for height in 1..=count {
            let mut seed = [9; 32];
            seed[..8].copy_from_slice(&height.to_be_bytes());
            let secret = OperationSecret::new(seed);
            let mut genesis = world.genesis.clone();
            genesis.validators[0].key = secret.public();
            let next = ValidatorSet::of(&genesis);
            all.reign = Some(Reign {
                first: height + 1,
                set: next.digest(),
            });
            let head = all.head(height, 0);
            all.transitions.push(Transition { head, next });
            all.last = secret;
        }
        all
    }

    /// A head by the last one, with the log as it is.
    fn head(&self, height: u64, later: u64) -> Head {
        let header = Header {
            height,
            time: self.pattern.time.plus(height + later),
            proposer: AccountId::of(&self.last.public()),
            next_validators: self.reign,
            ..self.pattern.clone()
        };
        Head {
            certificate: header.certify(&self.last),
            header,
        }
    }

    /// The node tells these.
    fn tell(&self, world: &World) {
        let all = self.transitions.clone();
        lies(world).transitions = Some(Box::new(move |since, limit| {
            let wanted = all.iter().filter(|one| one.head.header.height >= since);
            Ok(wanted.take(limit as usize).cloned().collect())
        }));
    }

    /// The node tells the first so many each time; nobody listens for ever.
    fn repeat(&self, world: &World, count: usize) {
        let all = self.transitions[..count].to_vec();
        let mut patience = 10;
        lies(world).transitions = Some(Box::new(move |_, _| {
            patience -= 1;
            assert!(patience > 0, "asked for ever");
            Ok(all.clone())
        }));
    }
}

/// A party that knows the founding validators only.
fn newcomer<'a>(world: &'a World, person: &'a Person, trust: &'a Trust) -> Desk<'a> {
    Desk {
        trust,
        ..world.desk(person)
    }
}

/// More than a node is asked for at once.
const MANY: u64 = 150;

#[test]
fn validators_are_followed_from_set_to_set() {
    let cast = Cast::new();
    let world = &cast.world;
    let reigns = Reigns::of(world, MANY);
    let trust = Trust::of(&world.genesis);
    let desk = newcomer(world, &cast.stranger, &trust);
    let head = reigns.head(MANY + 1, 0);
    refused!(desk.certified(head.clone()), TrustError::Head(_));
    reigns.tell(world);
    assert_eq!(*desk.certified(head.clone()).unwrap(), head);
    assert_eq!(trust.known().since(), MANY + 1);
    // nobody is asked again, not even by the next run
    lies(world).transitions = Some(Box::new(|_, _| Err(NodeError::Busy("later".into()))));
    desk.certified(reigns.head(MANY + 2, 0)).unwrap();
    let again = Trust::load(&world.genesis, &cast.stranger.vault).unwrap();
    assert_eq!(again.known(), trust.known());
    // a node that repeats what is known ends it too
    let mut known = Validators::of(&world.genesis);
    reigns.repeat(world, 100);
    trust::follow(desk.node, &mut known).unwrap();
    assert_eq!(known.since(), 101);
}

#[test]
fn validators_that_nobody_certified_are_not_believed() {
    let cast = Cast::new();
    let world = &cast.world;
    let mut reigns = Reigns::of(world, 4);
    let trust = Trust::of(&world.genesis);
    let desk = newcomer(world, &cast.stranger, &trust);
    let head = reigns.head(5, 0);
    // by the set of the height before
    let fourth = &mut reigns.transitions[3].head;
    fourth.certificate = fourth.header.certify(&world.validator);
    reigns.tell(world);
    refused!(desk.certified(head), TrustError::Head(_));
    // what was reached stays
    assert_eq!(trust.known().since(), 4);
    let again = Trust::load(&world.genesis, &cast.stranger.vault).unwrap();
    assert_eq!(again.known(), trust.known());
}

#[test]
fn a_proof_of_a_fork_leads_to_the_validators_that_signed_it() {
    let cast = Cast::new();
    let world = &cast.world;
    let reigns = Reigns::of(world, MANY);
    let seen = reigns.head(MANY + 1, 0);
    let other = reigns.head(MANY + 1, 1);
    let stopped = |desk: &Desk<'_>| {
        reigns.tell(world);
        show(world, seen.clone());
        follow::advance(desk).unwrap();
        show(world, other.clone());
    };
    let trust = Trust::of(&world.genesis);
    let desk = newcomer(world, &cast.stranger, &trust);
    stopped(&desk);
    let Err(FollowError::Stopped(conflict)) = follow::advance(&desk) else {
        panic!("not stopped")
    };
    let proof = conflict.proof.unwrap();
    assert!(proof.is_fork(&Validators::of(&world.genesis)).unwrap());
    // a node that repeats itself is not asked for ever
    let desk = newcomer(world, &cast.agent, &trust);
    stopped(&desk);
    reigns.repeat(world, 100);
    refused!(follow::advance(&desk), FollowError::Stopped(_));
}
