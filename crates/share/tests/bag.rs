//! The key bag and who else could be taken for it: another ledger's or another patient's,
//! an older or a rival copy; and what the log says beside it, read from a node that tells
//! too little or too much.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    AccountId, Class, Digest, RecordId, ScopeId, codec,
    operation::{
        Accept, Authorize, Commitment, Delegate, GrantUse, PartKey, Power, Rewrap, Role, Terms,
    },
};
use ledger::Failure;
use share::{
    Desk, Table, Vault as _, account,
    bag::{self, BagError, Phrase, RestoreError},
    checkup::{self, AtNode},
    desk::SendError,
    follow::FollowError,
    identity::{HpkeSecret, Party},
    wallet::Wallet,
};
use world::{Cast, MemoryVault, Person, World, file, rng, wish};

fn phrase(cast: &Cast) -> &Phrase {
    cast.patient.phrase.as_ref().unwrap()
}

/// Her bag as the node has it, taken away.
fn taken(cast: &Cast) -> Vec<u8> {
    let locator = phrase(cast).bag().locator;
    cast.world.bags.lock().unwrap().remove(&locator).unwrap()
}

fn put(world: &World, phrase: &Phrase, bag: Vec<u8>) {
    let mut bags = world.bags.lock().unwrap();
    bags.insert(phrase.bag().locator, bag);
}

/// Who has nothing yet but a phrase's operation key.
fn empty(world: &World, phrase: &Phrase) -> Person {
    Person::new(Party::new(
        world.chain(),
        phrase.operation(),
        HpkeSecret::generate(&mut rng()),
    ))
}

fn logged(cast: &Cast) -> u64 {
    let bag = cast.world.view().bag(cast.patient.id()).unwrap();
    bag.map_or(0, |bag| bag.version)
}

/// A bag opens for the ledger and the patient for whom it was sealed, and for no other, even
/// where phrase and account are the same and that ledger names no bag.
#[test]
fn a_bag_of_another_ledger_or_patient_is_not_opened() {
    let (here, there) = (Cast::new(), Cast::new());
    let words = phrase(&here);
    bag::sync(&here.world.wallet(&here.patient), &mut rng()).unwrap();
    let bytes = taken(&here);
    put(&here.world, words, bytes.clone());
    put(&there.world, words, bytes);

    let secrets = here.patient.secrets.as_ref().unwrap();
    let abroad = empty(&there.world, words);
    let desk = there.world.desk(&abroad);
    account::register(&desk, Role::Patient, Some(secrets), None).unwrap();
    assert_eq!(abroad.id(), here.patient.id(), "the same account");
    let refused = |desk: &Desk<'_>| {
        let error = bag::restore(desk, words.bag()).err().unwrap();
        assert!(matches!(error, RestoreError::NotThisBag), "{error}");
        let at_node = checkup::bag_at_node(desk, secrets).unwrap();
        assert_eq!(at_node, AtNode::Unreadable);
    };
    refused(&desk);

    let other = empty(&here.world, here.stranger.phrase.as_ref().unwrap());
    refused(&here.world.desk(&other));

    let (_, back) = here.returned(words, words.operation());
    assert_eq!(back.secrets.to_bytes(), secrets.to_bytes());
}

/// A backup is a new bag even where no key was added: the node that lost the last one has
/// one again.
#[test]
fn a_backup_is_a_new_bag_with_nothing_new_in_it() {
    let cast = Cast::new();
    let wallet = cast.world.wallet(&cast.patient);
    cast.accepted(&file(b"lab", Class::Laboratory));
    let before = logged(&cast);
    taken(&cast);
    bag::sync(&wallet, &mut rng()).unwrap();
    assert!(cast.world.bags.lock().unwrap().is_empty(), "nothing is new");

    let number = bag::backup(&wallet, &mut rng()).unwrap();
    assert_eq!(number, before + 1);
    assert_eq!(logged(&cast), number);
    let at_node = checkup::bag_at_node(&wallet.desk, wallet.secrets).unwrap();
    assert_eq!(at_node, AtNode::Newest(number));
    let (person, back) = cast.returned(phrase(&cast), phrase(&cast).operation());
    assert_eq!((back.number, back.newest), (number, None));
    assert!(back.tainted.is_empty());
    let scopes = |vault: &MemoryVault| vault.list(Table::Scopes).unwrap();
    assert_eq!(scopes(&person.vault), scopes(&cast.patient.vault));
    assert_eq!(scopes(&person.vault).len(), 1);
}

/// "`Bag {version, commitment}` on the ledger shows a stale one": none, the newest, one that
/// is lost, damaged or older.
#[test]
fn a_look_at_the_bag_tells_which_one_the_node_has() {
    let cast = Cast::new();
    let wallet = cast.world.wallet(&cast.patient);
    let look = || checkup::bag_at_node(&wallet.desk, wallet.secrets).unwrap();
    assert_eq!(look(), AtNode::None);
    let old = bag::backup(&wallet, &mut rng()).unwrap();
    assert_eq!(look(), AtNode::Newest(old));
    let logged = cast.world.view().bag(cast.patient.id()).unwrap().unwrap();
    let first = taken(&cast);
    assert_eq!(look(), AtNode::Missing(old));

    let newest = bag::backup(&wallet, &mut rng()).unwrap();
    assert_eq!(look(), AtNode::Newest(newest));
    // A ledger that names an older one does not name it.
    cast.world.lies.lock().unwrap().bag = Some(logged);
    let unlogged = AtNode::Other {
        found: newest,
        newest,
    };
    assert_eq!(look(), unlogged);
    cast.world.lies.lock().unwrap().bag = None;
    let mut second = taken(&cast);
    put(&cast.world, phrase(&cast), first);
    assert_eq!(look(), AtNode::Other { found: old, newest });

    *second.last_mut().unwrap() ^= 1;
    put(&cast.world, phrase(&cast), second);
    assert_eq!(look(), AtNode::Unreadable);
}

/// Two devices with one phrase write the same version, and the ledger takes the first: the
/// node then has the second one's bag, which the ledger does not name.
#[test]
fn a_rival_bag_of_the_same_number_is_not_the_newest() {
    let cast = Cast::new();
    let world = &cast.world;
    let first = world.wallet(&cast.patient);
    let look = |desk: &Desk<'_>| checkup::bag_at_node(desk, first.secrets).unwrap();
    let number = bag::backup(&first, &mut rng()).unwrap();
    let (device, back) = cast.returned(phrase(&cast), phrase(&cast).operation());
    let second = Wallet::new(world.desk(&device), &back.secrets, device.id());

    // The second device read the ledger before the first one's bag was logged.
    let read = world.view().bag(cast.patient.id()).unwrap();
    cast.accepted(&file(b"lab", Class::Laboratory));
    let newest = logged(&cast);
    assert_eq!(newest, number + 1);
    world.lies.lock().unwrap().bag = read;
    let refused = bag::backup(&second, &mut rng()).unwrap_err();
    assert!(
        matches!(&refused, BagError::Send(error) if error.failure() == Some(Failure::StaleBag)),
        "{refused}"
    );
    // for who still reads the ledger so, it is one that nobody logged
    let unlogged = AtNode::Other {
        found: newest,
        newest: number,
    };
    assert_eq!(look(&second.desk), unlogged);

    world.lies.lock().unwrap().bag = None;
    let rival = AtNode::Other {
        found: newest,
        newest,
    };
    assert_eq!(look(&first.desk), rival);
    assert_eq!(look(&second.desk), rival);
    // It restores, and what was in the other one alone is tainted.
    let (_, back) = cast.returned(phrase(&cast), phrase(&cast).operation());
    assert_eq!((back.number, back.newest), (newest, Some(newest)));
    let made = cast.patient.vault.list(Table::Scopes).unwrap();
    let made: Vec<_> = made.into_iter().map(|(sid, _)| sid).collect();
    assert_eq!(
        back.tainted
            .iter()
            .map(|sid| &sid.0[..])
            .collect::<Vec<_>>(),
        made
    );
    let again = bag::backup(&first, &mut rng()).unwrap();
    assert_eq!(look(&first.desk), AtNode::Newest(again));
}

/// One part under `sid`, as an operation of hers lists it.
fn parts(sid: ScopeId) -> Vec<PartKey> {
    let ctid = base::CapsuleId(sid.0);
    vec![PartKey { part: 0, sid, ctid }]
}

fn accept_under(world: &World, desk: &Desk<'_>, record: RecordId, sid: ScopeId) {
    let state = world.view().record(record).unwrap().unwrap().pending;
    desk.send(Accept {
        record,
        state: state.unwrap(),
        parts: parts(sid),
    })
    .unwrap();
}

fn rewrap_under(
    world: &World,
    desk: &Desk<'_>,
    record: RecordId,
    sid: ScopeId,
) -> Result<(), SendError> {
    let before = world.view().record(record).unwrap().unwrap().accepted;
    let after = base::cid::of_block(base::cid::DAG_CBOR, &sid.0);
    desk.send(Rewrap {
        record,
        before: before.unwrap(),
        after,
        parts: parts(sid),
    })
    .map(drop)
}

/// The institute asks `patient`, and `desk` answers with a grant of `sid`.
fn grant_under(cast: &Cast, desk: &Desk<'_>, patient: AccountId, sid: ScopeId) {
    let now = cast.world.now();
    let asks = cast.world.desk(&cast.institute);
    let wish = wish(&[Class::Laboratory], now);
    let expires = now.plus(base::Millis::DAY);
    let request = share::request::request(&asks, patient, &wish, expires, None, &mut rng());
    let agent = cast.agent.id();
    desk.send(Authorize {
        terms: Terms {
            request: request.unwrap().id,
            purpose: GrantUse::Ordinary,
            sids: vec![sid],
            agents: vec![agent],
            not_before: now,
            expires,
            max_queries: 1,
        },
        commitments: vec![Commitment {
            sid,
            agent,
            com: Digest([1; 32]),
        }],
        packets: vec![Digest([2; 32]); 2],
    })
    .unwrap();
}

fn published(cast: &Cast, patient: AccountId) -> RecordId {
    let desk = cast.world.desk(&cast.hospital);
    let source = file(b"a result", Class::Laboratory);
    let sent = share::publish::publish(&desk, patient, &source, cast.world.now(), &mut rng());
    sent.unwrap().record
}

/// "A scope is tainted if its sid stands in an `Accept`, `Rewrap` or `Authorize` of hers":
/// those that her delegate sent are hers, and those that the same person sent for herself
/// are not.
#[test]
fn what_a_delegate_does_for_her_taints_and_what_it_does_for_itself_does_not() {
    let cast = Cast::new();
    let world = &cast.world;
    bag::sync(&world.wallet(&cast.patient), &mut rng()).unwrap();
    let (hers, own) = (cast.patient.id(), cast.stranger.id());
    let delegation = world.desk(&cast.patient).send(Delegate {
        delegate: own,
        powers: vec![Power::Accept, Power::Authorize],
        expires: world.now().plus(base::Millis::DAY),
    });
    let mut delegate = empty(world, cast.stranger.phrase.as_ref().unwrap());
    delegate.party.delegation = Some(delegation.unwrap().id);

    let for_her = world.desk(&delegate);
    let record = published(&cast, hers);
    accept_under(world, &for_her, record, ScopeId([1; 32]));
    grant_under(&cast, &for_her, hers, ScopeId([2; 32]));
    let refused = rewrap_under(world, &for_her, record, ScopeId([3; 32])).unwrap_err();
    assert_eq!(
        refused.failure(),
        Some(Failure::PowerMissing),
        "no delegate re-wraps"
    );
    let herself = world.desk(&cast.patient);
    rewrap_under(world, &herself, record, ScopeId([4; 32])).unwrap();

    let for_itself = world.desk(&cast.stranger);
    let record = published(&cast, own);
    accept_under(world, &for_itself, record, ScopeId([5; 32]));
    grant_under(&cast, &for_itself, own, ScopeId([6; 32]));
    rewrap_under(world, &for_itself, record, ScopeId([7; 32])).unwrap();

    let (_, back) = cast.returned(phrase(&cast), phrase(&cast).operation());
    let used = [1, 2, 4].map(|byte| ScopeId([byte; 32]));
    assert_eq!(back.tainted, used);
}

/// "Up to the restore height": the log grows while it is read in small answers, and what
/// came after the head that was shown is not looked at. With no leaves, or with more than
/// belong to that head, nothing comes back.
#[test]
fn the_log_is_read_up_to_the_head_that_was_shown() {
    let cast = Cast::new();
    let world = &cast.world;
    bag::sync(&world.wallet(&cast.patient), &mut rng()).unwrap();
    let records = [(); 2].map(|()| published(&cast, cast.patient.id()));
    let herself = world.desk(&cast.patient);
    let (before, after) = (ScopeId([1; 32]), ScopeId([2; 32]));
    accept_under(world, &herself, records[0], before);
    let head = world.view().head().unwrap();
    accept_under(world, &herself, records[1], after);
    grant_under(&cast, &herself, cast.patient.id(), after);
    *world.forged.lock().unwrap() = Some(head.clone());
    let size = usize::try_from(head.header.tree_size).unwrap();
    // the first answer brings the watermark up, the others are the reading for the bag
    let given = |counts: &[usize]| {
        let mut all = vec![size];
        all.extend(counts);
        world.lies.lock().unwrap().leaves_given = all.into();
    };

    for wrong in [0, size + 1] {
        given(&[wrong]);
        let person = empty(world, phrase(&cast));
        let refused = bag::restore(&world.desk(&person), phrase(&cast).bag());
        let refused = refused.err().unwrap();
        assert!(
            matches!(refused, RestoreError::Follow(FollowError::WrongLeaves)),
            "{refused}"
        );
        assert!(world.lies.lock().unwrap().leaves_given.is_empty());
    }

    given(&[1, 2]);
    let (person, back) = cast.returned(phrase(&cast), phrase(&cast).operation());
    assert_eq!(back.tainted, [before]);
    let noted = person.vault.get(Table::Tainted, &before.0).unwrap();
    let height: u64 = codec::decode(&noted.unwrap()).unwrap();
    assert_eq!(height, head.header.height);
}
