//! A party dies at every step between its vault and its node, and is started again over
//! what it left: nothing is lost, nothing is done twice.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use std::{
    io::Read,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base::{
    AccountId, Cid, Class, Digest, Millis, OperationId, RecordId, ScopeId, Signed, SignedOperation,
    operation::Power, scope::Cover,
};
use ledger::{
    Account, BagState, ConsistencyProof, Grant, Guardianship, Head, InclusionProof, Institution,
    Leaf, QueryState, Receipt, Record, Recovery, RequestState, ScopeState, StateInfo, Transition,
};
use share::{
    Desk, Node, NodeError, Table, Vault, VaultError, account, authorize, erase, journal,
    letter::Letter,
    open, outbox, post,
    prekey::Prekey,
    recovery::{
        claim, code, guard,
        keep::{self, KeepError},
    },
    request, rotate,
    scheme::sid_of,
    vault::{Change, Entries},
    wallet::Wallet,
};
use store::{Absent, BlockStore as _};
use world::{Cast, Client, MemoryVault, Person, bundle, file, rng};
use zeroize::Zeroizing;

const LAB: &[Class] = &[Class::Laboratory];

/// Counts what reaches the outside. Call `left` (from 0) is the last: it is not done
/// (`After::No`) or done without an answer, and every later one fails.
#[derive(Clone)]
struct Fuse {
    left: Arc<AtomicUsize>,
    done: bool,
}

impl Fuse {
    fn blows(&self) -> Blow {
        let left = self.left.load(Ordering::SeqCst);
        if left == usize::MAX {
            return Blow::Dead;
        }
        if left == 0 {
            self.left.store(usize::MAX, Ordering::SeqCst);
            return if self.done { Blow::Silent } else { Blow::Dead };
        }
        self.left.store(left - 1, Ordering::SeqCst);
        Blow::No
    }

    fn run<T, E: Clone>(&self, dead: E, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self.blows() {
            Blow::No => call(),
            Blow::Silent => {
                let _ = call();
                Err(dead)
            }
            Blow::Dead => Err(dead),
        }
    }
}

enum Blow {
    No,
    Silent,
    Dead,
}

struct Dying<'a> {
    node: Client<'a>,
    vault: &'a MemoryVault,
    fuse: Fuse,
}

fn gone() -> NodeError {
    NodeError::Unreachable("the party is dead".into())
}

fn lost() -> VaultError {
    VaultError::Storage("the party is dead".into())
}

impl Vault for Dying<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.vault.get(table, key)
    }
    fn apply(&self, changes: &[Change<'_>]) -> Result<(), VaultError> {
        self.fuse.run(lost(), || self.vault.apply(changes))
    }
    fn list(&self, table: Table) -> Result<Entries, VaultError> {
        self.vault.list(table)
    }
}

macro_rules! node {
    (reads { $($read:ident($($r:ident: $rt:ty),*) -> $ro:ty;)* }
     writes { $($write:ident($($w:ident: $wt:ty),*) -> $wo:ty;)* }) => {
        impl Node for Dying<'_> {
            $(fn $read(&self, $($r: $rt),*) -> Result<$ro, NodeError> {
                self.node.$read($($r),*)
            })*
            $(fn $write(&self, $($w: $wt),*) -> Result<$wo, NodeError> {
                self.fuse.run(gone(), || self.node.$write($($w),*))
            })*
        }
    };
}

node! {
    reads {
        head() -> Head;
        head_at(height: u64) -> Option<Head>;
        transitions(since: u64, limit: u32) -> Vec<Transition>;
        sequence(account: AccountId) -> u64;
        account(account: AccountId) -> Option<Account>;
        record(record: RecordId) -> Option<Record>;
        records_of(patient: AccountId) -> Vec<Record>;
        request(request: OperationId) -> Option<RequestState>;
        requests_of(account: AccountId) -> Vec<RequestState>;
        grant(grant: OperationId) -> Option<Grant>;
        grants_of(account: AccountId) -> Vec<Grant>;
        state(record: RecordId, state: &Cid) -> Option<StateInfo>;
        states_of(record: RecordId) -> Vec<StateInfo>;
        institution_of(account: AccountId) -> Option<Institution>;
        scope(patient: AccountId, sid: ScopeId) -> Option<ScopeState>;
        bag(patient: AccountId) -> Option<BagState>;
        guardianship(account: AccountId) -> Option<Guardianship>;
        recovery(recovery: OperationId) -> Option<Recovery>;
        query(query: OperationId) -> Option<QueryState>;
        queries_of(grant: OperationId) -> Vec<QueryState>;
        operation(operation: OperationId) -> Option<(u64, Leaf)>;
        receipt(operation: OperationId) -> Option<Receipt>;
        leaves(from: u64, limit: u32) -> Vec<Leaf>;
        inclusion(index: u64, tree_size: u64) -> InclusionProof;
        consistency(from: u64, to: u64) -> ConsistencyProof;
        read_block(cid: &Cid) -> Vec<u8>;
        read_file(cid: &Cid) -> Box<dyn Read + Send + '_>;
        inbox() -> Vec<(Digest, Vec<u8>)>;
        prekeys_left(agent: AccountId) -> usize;
        read_bag(locator: Digest) -> Option<Vec<u8>>;
    }
    writes {
        submit(operation: &SignedOperation) -> Receipt;
        put_block(cid: &Cid, bytes: &[u8]) -> ();
        put_file(source: &mut dyn Read) -> Cid;
        pin(root: &Cid) -> ();
        unpin(root: &Cid) -> ();
        send(to: AccountId, letter: &[u8]) -> ();
        delete_letter(letter: Digest) -> ();
        put_prekeys(prekeys: &[Signed<Prekey>]) -> ();
        take_prekey(agent: AccountId) -> Option<Signed<Prekey>>;
        put_bag(locator: Digest, head: &[u8]) -> ();
    }
}

/// Runs `verb` of `person` until it has died at every step, each time before and after the
/// step, in a `world` of its own; then `again` with nothing in its way.
fn at_every_step(
    step: usize,
    make: impl Fn() -> Cast,
    who: impl Fn(&Cast) -> &Person,
    verb: impl Fn(&Cast, Desk<'_>) -> bool,
    check: impl Fn(&Cast, &str),
) {
    for done in [false, true] {
        for at in (0..).step_by(step) {
            let cast = make();
            if one_death(at, done, &cast, who(&cast), &verb, &check) {
                break;
            }
        }
    }
}

/// The same for somebody who is not of the cast.
fn at_every_step_of(
    step: usize,
    make: impl Fn() -> Cast,
    who: impl Fn(&Cast) -> Rc<Person>,
    verb: impl Fn(&Cast, Desk<'_>) -> bool,
    check: impl Fn(&Cast, &str),
) {
    for done in [false, true] {
        for at in (0..).step_by(step) {
            let cast = make();
            if one_death(at, done, &cast, &who(&cast), &verb, &check) {
                break;
            }
        }
    }
}

/// Whether `verb` had no step `at` to die at.
fn one_death(
    at: usize,
    done: bool,
    cast: &Cast,
    person: &Person,
    verb: &impl Fn(&Cast, Desk<'_>) -> bool,
    check: &impl Fn(&Cast, &str),
) -> bool {
    let fuse = Fuse {
        left: Arc::new(AtomicUsize::new(at)),
        done,
    };
    let dying = Dying {
        node: cast.world.client(person),
        vault: &person.vault,
        fuse: fuse.clone(),
    };
    let desk = Desk {
        party: &person.party,
        node: &dying,
        vault: &dying,
        trust: &cast.world.trust,
    };
    verb(cast, desk);
    let survived = fuse.left.load(Ordering::SeqCst) != usize::MAX;
    if !survived {
        assert!(verb(cast, cast.world.desk(person)), "again after {at}");
    }
    let desk = cast.world.desk(person);
    journal::settle(&desk).unwrap();
    outbox::flush(&desk).unwrap();
    for table in [Table::Journal, Table::Outbox] {
        assert!(person.vault.list(table).unwrap().is_empty(), "{table:?}");
    }
    check(cast, &format!("step {at}, done: {done}"));
    assert!(!survived || at > 1, "the verb has steps");
    survived
}

/// Requests that the last step cut off from their caller may be there twice: whole.
#[test]
fn a_request_survives_its_sender() {
    let expires = |cast: &Cast| cast.world.now().plus(Millis::DAY);
    at_every_step(
        1,
        Cast::new,
        |cast| &cast.institute,
        |cast, desk| {
            let wish = world::wish(LAB, cast.world.now());
            cast.world.pass(5);
            let patient = cast.patient.id();
            request::request(&desk, patient, &wish, expires(cast), None, &mut rng()).is_ok()
        },
        |cast, at| {
            let world = &cast.world;
            let logged = world
                .client(&cast.institute)
                .requests_of(cast.institute.id());
            let logged = logged.unwrap();
            assert!((1..=2).contains(&logged.len()), "{at}");
            let letters = world.post(&cast.patient);
            assert_eq!(letters.len(), logged.len(), "{at}: each has its letter");
            for received in letters {
                let Letter::Request(letter) = received.letter else {
                    panic!("{at}")
                };
                let desk = world.desk(&cast.patient);
                request::receive(&desk, cast.patient.id(), &letter).unwrap();
            }
            let keys = cast.institute.vault.list(Table::OneTime).unwrap();
            assert_eq!(keys.len(), logged.len(), "{at}: each has its key");
        },
    );
}

#[test]
fn a_delegation_survives_its_patient() {
    let powers = || vec![Power::Accept, Power::Authorize];
    at_every_step(
        1,
        || {
            let cast = Cast::new();
            cast.accepted(&bundle());
            cast
        },
        |cast| &cast.patient,
        |cast, desk| {
            let secrets = cast.patient.secrets.as_ref().unwrap();
            let wallet = Wallet::new(desk, secrets, cast.patient.id());
            let expires = cast.world.now().plus(Millis::DAY);
            let to = cast.stranger.id();
            account::delegate(&wallet, to, powers(), expires, &mut rng()).is_ok()
        },
        |cast, at| {
            let letters = cast.world.post(&cast.stranger);
            assert!((1..=2).contains(&letters.len()), "{at}");
            for received in letters {
                let Letter::Delegate(letter) = received.letter else {
                    panic!("{at}")
                };
                let desk = cast.world.desk(&cast.stranger);
                let head = share::follow::advance(&desk).unwrap();
                desk.proven(&head, letter.delegation).unwrap();
                account::receive_delegation(&desk, &letter).unwrap();
            }
        },
    );
}

#[test]
fn a_grant_survives_its_patient() {
    at_every_step(
        2,
        || {
            let cast = Cast::new();
            cast.accepted(&bundle());
            cast.asked(LAB);
            cast
        },
        |cast| &cast.patient,
        |cast, desk| {
            let secrets = cast.patient.secrets.as_ref().unwrap();
            let wallet = Wallet::new(desk, secrets, cast.patient.id());
            let asked = desk.node.requests_of(cast.institute.id()).unwrap();
            // the second call is a later one, and finishes the first all the same
            cast.world.pass(1_000);
            let choice = cast.choice(LAB, &[&cast.agent]);
            match authorize::authorize(&wallet, asked[0].id, &choice, &mut rng()) {
                Ok(_) | Err(authorize::AuthorizeError::Answered) => true,
                Err(_) => false,
            }
        },
        |cast, at| {
            let world = &cast.world;
            cast.take_packet(&cast.agent);
            let letter = world.one_letter(&cast.institute);
            let Letter::Grant(packet) = &letter.letter else {
                panic!("{at}")
            };
            let desk = world.desk(&cast.institute);
            let grant = open::receive_grant(&desk, packet, letter.name, letter.key).unwrap();
            let record = world.wallet(&cast.patient).records().unwrap()[0].0;
            let answer = cast.answered(grant, record, 0, &cast.agent);
            open::open(&desk, &answer, &mut Vec::new()).unwrap();
            let grants = desk.node.grants_of(cast.institute.id()).unwrap();
            assert_eq!(grants.len(), 1, "{at}");
        },
    );
}

#[test]
fn an_erasure_survives_its_patient() {
    at_every_step(
        1,
        || {
            let cast = Cast::new();
            cast.accepted(&bundle());
            cast
        },
        |cast| &cast.patient,
        |cast, desk| {
            let secrets = cast.patient.secrets.as_ref().unwrap();
            let wallet = Wallet::new(desk, secrets, cast.patient.id());
            let record = desk.node.records_of(cast.patient.id()).unwrap()[0].id;
            // between two runs the wallet looks at what it has accepted, and learns nothing
            share::accept::catch_up(&wallet, &mut rng()).is_ok_and(|learnt| learnt.is_empty())
                && match erase::erase_own(&wallet, record, &mut rng()) {
                    Ok(_) => true,
                    Err(erase::EraseError::Send(error)) => error.failure().is_some(),
                    Err(_) => false,
                }
        },
        |cast, at| {
            let record = cast
                .world
                .client(&cast.patient)
                .records_of(cast.patient.id());
            assert!(record.unwrap()[0].is_erased(), "{at}");
            let wallet = cast.world.wallet(&cast.patient);
            assert!(wallet.records().unwrap().is_empty(), "{at}");
            let sensitive = cast.patient.vault.list(Table::Tainted).unwrap();
            assert_eq!(sensitive.len(), 1, "{at}: the record's own key is gone");
            assert_eq!(
                cast.patient.vault.list(Table::Scopes).unwrap().len(),
                3,
                "{at}"
            );
        },
    );
}

/// What it had begun is finished, or let go: no root of the record stays pinned that is no
/// state of it.
#[test]
fn a_rotation_survives_its_patient() {
    at_every_step(
        1,
        || {
            let cast = Cast::new();
            cast.accepted(&file(b"blood", Class::Laboratory));
            cast
        },
        |cast| &cast.patient,
        |cast, desk| {
            // the store collects what nobody had pinned when she died
            let store = &cast.world.store;
            store.gc(Duration::ZERO, Absent::Allowed).unwrap();
            let secrets = cast.patient.secrets.as_ref().unwrap();
            let wallet = Wallet::new(desk, secrets, cast.patient.id());
            let month = Some(cast.world.now().epoch());
            let sid = sid_of(&wallet.scope(Cover {
                class: Class::Laboratory,
                epoch: month,
                record: None,
                counter: 0,
            }));
            rotate::rotate(&wallet, sid, &mut rng()).is_ok()
        },
        |cast, at| {
            let wallet = cast.world.wallet(&cast.patient);
            let (record, known) = wallet.records().unwrap().remove(0);
            assert_eq!(known.parts[0].cover.counter, 1, "{at}");
            let accepted = wallet.desk.record(record).unwrap().accepted;
            assert_eq!(accepted, Some(known.state), "{at}");
            open::open_own(&wallet, record, 0, &mut Vec::new()).unwrap();
            let states = wallet.desk.node.states_of(record).unwrap();
            assert_eq!(states.len(), 2, "{at}: re-wrapped once");
            assert_eq!(cast.strays(record), 0, "{at}");
            let pins = cast.world.store.pins().unwrap();
            let pinned = |(root, _): &(Cid, u64)| *root == known.state;
            assert!(pins.iter().any(pinned), "{at}");
        },
    );
}

/// A call that the last step cut off from its caller may be there twice: then the first
/// shares are of no use, and the second ones are whole.
#[test]
fn named_guardians_survive_their_patient() {
    at_every_step(
        2,
        Cast::new,
        |cast| &cast.patient,
        |cast, desk| {
            let secrets = cast.patient.secrets.as_ref().unwrap();
            let wallet = Wallet::new(desk, secrets, cast.patient.id());
            let phrase = cast.patient.phrase.as_ref().unwrap();
            guard::guard(&wallet, phrase, &cast.guards(2), &mut rng()).is_ok()
        },
        |cast, at| {
            let world = &cast.world;
            let stands = world.view().guardianship(cast.patient.id());
            let stands = stands.unwrap().unwrap();
            for guardian in cast.guardians() {
                let desk = world.desk(guardian);
                for received in world.post(guardian) {
                    let Letter::Share(share) = received.letter else {
                        panic!("{at}")
                    };
                    match keep::receive(&desk, &share) {
                        Ok(()) => assert_eq!(Some(share.guard), stands.guard, "{at}"),
                        Err(KeepError::Replaced) => {
                            assert_ne!(Some(share.guard), stands.guard, "{at}");
                        }
                        Err(error) => panic!("{at}: {error}"),
                    }
                }
                assert_eq!(keep::shares(&desk).unwrap().len(), 1, "{at}");
            }
            let hers = world.desk(&cast.patient);
            assert!(guard::named(&hers, stands.set).unwrap().is_some(), "{at}");
            // two of them do bring her back
            let [hospital, friend, _] = cast.guardians();
            let device = cast.device();
            cast.logged(&device, &[hospital, friend]);
            world.pass(world::DELAY + Millis::HOUR);
            claim::complete(&world.desk(&device), world.now()).unwrap();
            cast.released(hospital, &device);
            cast.released(friend, &device);
            claim::phrase(&world.desk(&device)).unwrap();
        },
    );
}

/// The device dies anywhere between its first letter and the new key.
#[test]
fn a_recovery_survives_its_device() {
    let device = std::cell::RefCell::new(None::<Rc<Person>>);
    let current = || Rc::clone(device.borrow().as_ref().unwrap());
    at_every_step_of(
        2,
        || {
            let cast = Cast::new();
            cast.guarded(2);
            *device.borrow_mut() = Some(Rc::new(cast.device()));
            cast
        },
        |_| current(),
        |cast, desk| {
            let [hospital, friend, _] = cast.guardians();
            let ids = [hospital.id(), friend.id()];
            let Ok(claim) = claim::begin(&desk, cast.patient.id(), &ids, &mut rng()) else {
                return false;
            };
            // what it still has to send goes out with its next round
            if outbox::flush(&desk).is_err() {
                return false;
            }
            for guardian in [hospital, friend] {
                let guards = cast.world.desk(guardian);
                for received in cast.world.post(guardian) {
                    if let Letter::Claim(letter) = received.letter {
                        keep::asked(&guards, &letter, cast.world.now()).unwrap();
                    }
                }
                let now = cast.world.now();
                match keep::approve(&guards, &code(&claim), now, &mut rng()) {
                    Ok(_) | Err(KeepError::Stale) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            let Ok(mail) = post::collect(&desk, cast.world.now()) else {
                return false;
            };
            for received in mail.letters {
                if let Letter::Approval(letter) = &received.letter
                    && (claim::receive_approval(&desk, letter).is_err()
                        || desk.node.delete_letter(received.name).is_err())
                {
                    return false;
                }
            }
            claim::log(&desk).is_ok()
        },
        |cast, at| {
            let world = &cast.world;
            let [hospital, friend, _] = cast.guardians();
            let stands = world.view().guardianship(cast.patient.id());
            assert_eq!(stands.unwrap().unwrap().attempts, 1, "{at}: logged once");
            world.pass(world::DELAY + Millis::HOUR);
            let device = current();
            claim::complete(&world.desk(&device), world.now()).unwrap();
            world.post(&device);
            cast.released(hospital, &device);
            cast.released(friend, &device);
            claim::phrase(&world.desk(&device)).unwrap();
        },
    );
}

#[test]
fn a_share_survives_its_guardian() {
    let device = std::cell::RefCell::new(None::<Rc<Person>>);
    let current = || Rc::clone(device.borrow().as_ref().unwrap());
    at_every_step(
        1,
        || {
            let cast = Cast::new();
            cast.guarded(2);
            let [hospital, friend, _] = cast.guardians();
            let fresh = cast.device();
            cast.logged(&fresh, &[hospital, friend]);
            cast.world.pass(world::DELAY + Millis::HOUR);
            claim::complete(&cast.world.desk(&fresh), cast.world.now()).unwrap();
            *device.borrow_mut() = Some(Rc::new(fresh));
            cast
        },
        |cast| cast.guardians()[1],
        |cast, desk| {
            keep::release(&desk, cast.world.now(), &mut rng()).is_ok()
                && outbox::flush(&desk).is_ok()
        },
        |cast, at| {
            let desk = cast.world.desk(cast.guardians()[1]);
            assert!(keep::claims(&desk).unwrap().is_empty(), "{at}");
            let device = current();
            let letters = cast.world.post(&device);
            assert_eq!(letters.len(), 1, "{at}");
            let Letter::Release(letter) = &letters[0].letter else {
                panic!("{at}")
            };
            claim::receive_share(&cast.world.desk(&device), letter).unwrap();
        },
    );
}
