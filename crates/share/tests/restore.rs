//! Backup and restore, sentence by sentence as the protocol page has it ("A record",
//! Scope): what the bag holds and when, what the phrase gives, what is tainted and what
//! that means.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    Class, ScopeId,
    operation::{Authorize, Commitment, RotateScope},
};
use share::{
    Table, Vault as _, accept, account,
    authorize::{self, AuthorizeError},
    bag::{Phrase, Restored},
    open, rotate,
    wallet::{ExtractError, Wallet},
};
use std::sync::atomic::Ordering;
use store::BlockStore as _;
use world::{Cast, Person, bundle, file, rng};

const LAB: &[Class] = &[Class::Laboratory];

fn phrase(cast: &Cast) -> &Phrase {
    cast.patient.phrase.as_ref().unwrap()
}

/// Her bag as the node has it now.
fn bag_now(cast: &Cast) -> Vec<u8> {
    cast.world.bags.lock().unwrap()[&phrase(cast).bag().locator].clone()
}

/// The node lost what came after: it has this older bag.
fn put_back(cast: &Cast, bag: Vec<u8>) {
    let locator = phrase(cast).bag().locator;
    cast.world.bags.lock().unwrap().insert(locator, bag);
}

fn restored(cast: &Cast) -> (Person, Restored) {
    let (person, back) = cast.returned(phrase(cast), phrase(cast).operation());
    (person, back)
}

/// A wallet over what came back, that knows its records again.
fn wallet<'a>(cast: &'a Cast, person: &'a Person, back: &'a Restored) -> Wallet<'a> {
    let wallet = Wallet::new(cast.world.desk(person), &back.secrets, person.id());
    for (record, caught) in accept::catch_up(&wallet, &mut rng()).unwrap() {
        caught.unwrap_or_else(|error| panic!("{record}: {error}"));
    }
    wallet
}

/// "The phrase gives the bag's key and locator and the operation key, with no floating
/// point": bytes that an HKDF-SHA256 and an Ed25519 of another make (Python's
/// `cryptography` 48) gives for the entropy 00 01 … 1f.
#[test]
fn the_phrase_gives_what_it_gives_everywhere() {
    let words = "abandon amount liar amount expire adjust cage candy arch gather drum bullet \
                 absurd math era live bid rhythm alien crouch range attend journey unaware";
    let phrase = Phrase::parse(words).unwrap();
    assert_eq!(phrase.words().as_str(), words);
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    assert_eq!(hex(phrase.operation().as_secret()), OPERATION);
    assert_eq!(hex(phrase.bag().key.as_secret()), KEY);
    assert_eq!(hex(&phrase.bag().locator.0), LOCATOR);
    let account = base::AccountId::of(&phrase.operation().public());
    assert_eq!(account.to_string(), ACCOUNT);
}

/// "Each extracted key is durable in the wallet's key bag before anything made with it
/// leaves the wallet": without a place for the bag nothing leaves.
#[test]
fn without_a_bag_nothing_leaves_the_wallet() {
    let cast = Cast::new();
    let world = &cast.world;
    let hers = world.wallet(&cast.patient);
    let accepted = cast.accepted(&file(b"lab", Class::Laboratory));
    let waiting = cast.publish(&file(b"image", Class::Imaging));
    let request = cast.asked(LAB);
    let choice = cast.choice(LAB, &[&cast.agent]);
    let leaves = || world.view().head().unwrap().header.tree_size;
    world.bags_down.store(true, Ordering::SeqCst);
    let before = leaves();
    let refused = accept::accept(&hers, waiting, &mut rng()).unwrap_err();
    assert!(
        matches!(refused, accept::AcceptError::Extract(ExtractError::Bag(_))),
        "{refused}"
    );
    let refused = authorize::authorize(&hers, request, &choice, &mut rng()).unwrap_err();
    assert!(matches!(refused, AuthorizeError::Bag(_)), "{refused}");
    assert_eq!(leaves(), before);
    assert!(world.post(&cast.agent).is_empty());
    assert!(world.post(&cast.institute).is_empty());
    world.bags_down.store(false, Ordering::SeqCst);
    accept::accept(&hers, waiting, &mut rng()).unwrap();
    authorize::authorize(&hers, request, &choice, &mut rng()).unwrap();
    // and all of it is in the bag
    let (person, back) = restored(&cast);
    assert!(back.tainted.is_empty() && back.newest.is_none());
    let wallet = wallet(&cast, &person, &back);
    for record in [accepted, waiting] {
        open::open_own(&wallet, record, 0, &mut Vec::new()).unwrap();
    }
}

/// "The bag also holds f, g, F, G, κ and z": and what else the wallet cannot make again.
#[test]
fn the_bag_holds_every_secret() {
    let cast = Cast::new();
    let records = [
        cast.accepted(&bundle()),
        cast.accepted(&file(b"a scan", Class::Imaging)),
        cast.accepted(&file(b"a secret", Class::Sensitive)),
    ];
    cast.granted(LAB, &[&cast.agent]);
    let (person, back) = restored(&cast);
    let secrets = cast.patient.secrets.as_ref().unwrap();
    assert_eq!(back.secrets.to_bytes(), secrets.to_bytes());
    assert_eq!(back.hpke.as_secret(), cast.patient.party.hpke.as_secret());
    for table in [Table::Scopes, Table::Issued, Table::Hospitals] {
        let (old, new) = (
            cast.patient.vault.list(table).unwrap(),
            person.vault.list(table).unwrap(),
        );
        if table == Table::Hospitals {
            assert_eq!(old.len(), new.len());
        } else {
            assert_eq!(old, new, "{table:?}");
        }
        assert!(!new.is_empty(), "{table:?}");
    }
    let wallet = wallet(&cast, &person, &back);
    assert_eq!(wallet.records().unwrap().len(), records.len());
    for (record, known) in wallet.records().unwrap() {
        for part in 0..known.parts.len() as u32 {
            open::open_own(&wallet, record, part, &mut Vec::new()).unwrap();
        }
    }
}

/// "A scope is tainted if its sid stands in an `Accept`, `Rewrap` or `Authorize` of hers up
/// to the restore height and its key is not in the bag": one of each, and nothing else.
#[test]
fn what_the_bag_lacks_and_the_ledger_has_is_tainted() {
    let cast = Cast::new();
    let world = &cast.world;
    let hers = world.wallet(&cast.patient);
    cast.accepted(&file(b"kept", Class::Laboratory));
    let kept = cast.choice(LAB, &[]).sids[0];
    let bag = bag_now(&cast);

    // in an `Accept`
    cast.accepted(&file(b"new", Class::Condition));
    let accepted = cast.choice(&[Class::Condition], &[]).sids[0];
    // in a `Rewrap` alone
    let rewrapped = rotate::rotate(&hers, kept, &mut rng()).unwrap().next;
    // in an `Authorize` alone: another of her wallets had made the key
    let request = cast.asked(LAB);
    let authorized = ScopeId([0x77; 32]);
    let choice = cast.choice(LAB, &[&cast.agent]);
    let terms = base::operation::Terms {
        request,
        purpose: choice.purpose,
        sids: vec![authorized],
        agents: choice.agents.clone(),
        not_before: choice.not_before,
        expires: choice.expires,
        max_queries: 1,
    };
    hers.desk
        .send(Authorize {
            commitments: vec![Commitment {
                sid: authorized,
                agent: cast.agent.id(),
                com: base::Digest([1; 32]),
            }],
            packets: vec![base::Digest([2; 32]); 2],
            terms,
        })
        .unwrap();
    // not hers, and not accepted
    let other = world.wallet(&cast.stranger);
    let strange = share::publish::publish(
        &world.desk(&cast.hospital),
        cast.stranger.id(),
        &file(b"x", Class::Imaging),
        world.now(),
        &mut rng(),
    );
    accept::accept(&other, strange.unwrap().record, &mut rng()).unwrap();
    cast.publish(&file(b"waits", Class::Imaging));

    put_back(&cast, bag);
    let (person, back) = restored(&cast);
    assert!(back.newest > Some(back.number), "the ledger shows it");
    let mut expected = vec![accepted, rewrapped, authorized];
    expected.sort_unstable();
    assert_eq!(back.tainted, expected);
    let noted = person.vault.list(Table::Tainted).unwrap();
    assert_eq!(noted.len(), 3);
}

/// "It may be extracted once more, for the wallet's own decapsulation only, then
/// `RotateScope` and `Rewrap`; the API refuses a grant under it."
#[test]
fn a_tainted_scope_reads_and_grants_nothing_until_it_is_rotated() {
    let cast = Cast::new();
    let world = &cast.world;
    let bag = first_bag(&cast);
    let record = cast.accepted(&file(b"lost key", Class::Laboratory));
    let sid = cast.choice(LAB, &[]).sids[0];
    let first = cast.patient.vault.get(Table::Scopes, &sid.0).unwrap();
    put_back(&cast, bag);

    let (person, back) = restored(&cast);
    assert_eq!(back.tainted, [sid]);
    let again = wallet(&cast, &person, &back);
    // once more: another preimage than the first, in the bag before anything else
    let second = person.vault.get(Table::Scopes, &sid.0).unwrap();
    assert!(second.is_some() && second != first);
    let mut out = Vec::new();
    open::open_own(&again, record, 0, &mut out).unwrap();
    assert_eq!(out, b"lost key");
    let request = cast.asked(LAB);
    let mut choice = cast.choice(LAB, &[&cast.agent]);
    choice.sids = vec![sid];
    let refuses = |wallet: &Wallet<'_>| {
        let refused = authorize::authorize(wallet, request, &choice, &mut rng());
        assert!(matches!(refused, Err(AuthorizeError::Tainted(tainted)) if tainted == sid));
    };
    refuses(&again);
    assert!(world.post(&cast.agent).is_empty());

    // a second loss does not wash it clean: the bag has the second key, and that it is one
    let (third, found) = restored(&cast);
    assert!(found.tainted.is_empty(), "its key is in the bag by now");
    let later = wallet(&cast, &third, &found);
    assert_eq!(third.vault.get(Table::Scopes, &sid.0).unwrap(), second);
    refuses(&later);
    open::open_own(&later, record, 0, &mut Vec::new()).unwrap();

    // rotated and re-wrapped, it grants again, and not under the old one
    let rotated = rotate::rotate(&later, sid, &mut rng()).unwrap();
    assert_eq!(
        (rotated.rewrapped.as_slice(), rotated.waiting.len()),
        (&[record][..], 0)
    );
    refuses(&later);
    let mut fresh = choice.clone();
    fresh.sids = vec![rotated.next];
    authorize::authorize(&later, request, &fresh, &mut rng()).unwrap();
    open::open_own(&later, record, 0, &mut Vec::new()).unwrap();
    let logged = world.view().scope(cast.patient.id(), sid).unwrap().unwrap();
    assert_eq!(logged.next, Some(rotated.next));
    let twice = later.desk.send(RotateScope {
        sid,
        next: rotated.next,
    });
    assert!(twice.is_err());
}

/// The first bag: the hospital on her list, and no scope yet.
fn first_bag(cast: &Cast) -> Vec<u8> {
    share::bag::sync(&cast.world.wallet(&cast.patient), &mut rng()).unwrap();
    bag_now(cast)
}

const OPERATION: &str = "260a282b297bcd4e8316967d5c43613c94cfaf8eb9b4d41816a0635b0bbdd450";
const KEY: &str = "bcb7ee225b1812c78d5c4aa2206ca4ed75f5a64956c7f728e95f3a4b12ef3ade";
const LOCATOR: &str = "aa510d4255c9c8e2638ef7a96f9f1888103c43ddbe3972dfc0783603e819cc16";
const ACCOUNT: &str = "a4c0844f9eeeb305e9eb84c7cca9edd34c6a0b73ae4d57b0201707e9c784dda1";

#[test]
fn what_was_erased_is_not_learnt_again() {
    let cast = Cast::new();
    let kept = cast.accepted(&bundle());
    let gone = cast.accepted(&bundle());
    share::erase::erase_own(&cast.world.wallet(&cast.patient), gone, &mut rng()).unwrap();
    let (person, back) = restored(&cast);
    let wallet = Wallet::new(cast.world.desk(&person), &back.secrets, person.id());
    let learnt = accept::catch_up(&wallet, &mut rng()).unwrap();
    let learnt: Vec<_> = learnt.iter().map(|(id, end)| (*id, end.is_ok())).collect();
    assert_eq!(learnt, [(kept, true)]);
}

#[test]
fn a_public_key_that_was_never_pinned_is_kept_later() {
    let cast = Cast::new();
    let wallet = cast.world.wallet(&cast.patient);
    let account = wallet.desk.account(cast.patient.id()).unwrap();
    let h = account.patient.unwrap().h;
    let pinned = || {
        cast.world
            .store
            .pins()
            .unwrap()
            .iter()
            .any(|(cid, _)| *cid == h)
    };
    wallet.desk.node.unpin(&h).unwrap();
    assert!(!pinned());
    account::keep_public_key(&wallet.desk, wallet.secrets).unwrap();
    assert!(pinned());
    assert!(wallet.desk.node.read_block(&h).is_ok());
}
