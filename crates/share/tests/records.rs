//! Files that become records, wishes that become requests, and keys that are used once.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    ChainId, Class, Digest, Millis, OperationId, Salt, Signed, codec, key::HpkeKey,
    operation::Request,
};
use ledger::{Leaf, Page};
use share::{
    Node as _, NodeError, Table, Vault,
    body::SealBodyError,
    identity::HpkeSecret,
    letter::{
        AgentPacket, Evidence, EvidenceLetter, GrantPacket, Letter, MAX_WORDS, RequestLetter, Wish,
        key_hash,
    },
    open, post,
    prekey::{self, Prekey, PrekeyError},
    publish::{self, PublishError},
    record::{RecordError, RecordSource},
    reencrypt::ReencryptError,
    request::{self, RequestError, SentRequest},
    revoke,
    seal::SealError,
};
use store::BlockStore as _;
use world::{Cast, Full, Person, bundle, refused, rng, wish};

const LAB: &[Class] = &[Class::Laboratory];

#[test]
fn a_file_on_disk_is_published_as_it_is_or_not_at_all() {
    let cast = Cast::new();
    let world = &cast.world;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.dcm");
    let bytes: Vec<u8> = (0..9_999u32).map(|at| (at % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let source = RecordSource::whole(Box::new(path.clone()), Class::Imaging, "application/dicom");
    let source = source.unwrap();
    assert_eq!(source.parts()[0].layout.length(), 9_999);
    let record = cast.accepted(&source);
    let mut out = Vec::new();
    let opened = open::open_own(&world.wallet(&cast.patient), record, 0, &mut out).unwrap();
    assert_eq!((out, opened.length), (bytes.clone(), 9_999));

    // a file that becomes shorter or longer meanwhile is not the one that was looked at
    let desk = world.desk(&cast.hospital);
    let left = || {
        let logged = world.view().sequence(cast.hospital.id()).unwrap();
        (logged, world.store.pins().unwrap())
    };
    let (before, now) = (left(), world.now());
    let longer = [&bytes[..], &[1]].concat();
    for changed in [&bytes[1..], &longer[..]] {
        std::fs::write(&path, changed).unwrap();
        refused!(
            publish::publish(&desk, cast.patient.id(), &source, now, &mut rng()),
            PublishError::Seal(SealError::Body(SealBodyError::Changed { expected: 9_999 }))
        );
        assert_eq!(left(), before, "nothing is logged or stays pinned");
    }
    std::fs::remove_file(&path).unwrap();
    let gone = RecordSource::whole(Box::new(path), Class::Imaging, "application/dicom");
    refused!(gone, RecordError::Read(_));
}

#[test]
fn a_wish_is_checked_by_her_who_sends_it_and_by_her_who_gets_it() {
    let cast = Cast::new();
    let world = &cast.world;
    let now = world.now();
    let (desk, patient) = (world.desk(&cast.institute), cast.patient.id());
    let good = wish(&[Class::Laboratory, Class::Condition], now);
    let later = now.plus(40 * Millis::DAY).epoch();
    let bad = [
        Wish {
            classes: vec![],
            ..good.clone()
        },
        Wish {
            classes: vec![Class::Laboratory, Class::Laboratory],
            ..good.clone()
        },
        Wish {
            classes: vec![Class::Condition, Class::Laboratory],
            ..good.clone()
        },
        Wish {
            from: later,
            ..good.clone()
        },
        Wish {
            words: "x".repeat(MAX_WORDS + 1),
            ..good.clone()
        },
    ];
    let ask = |wish: &Wish| {
        let expires = now.plus(Millis::DAY);
        request::request(&desk, patient, wish, expires, None, &mut rng())
    };
    let at_patient = |letter: &RequestLetter| {
        request::receive(&world.desk(&cast.patient), patient, letter).map(|state| state.id)
    };
    for wish in bad {
        refused!(ask(&wish), RequestError::BadWish);
        // a program that does not look logs it
        let salt = Salt([5; 32]);
        let sent = desk.send(Request {
            patient,
            expires: now.plus(Millis::DAY),
            one_time_key: HpkeSecret::generate(&mut rng()).public(),
            commitment: Digest::commit(&salt, &codec::encode(&wish)),
            cohort: None,
        });
        let request = sent.unwrap().id;
        refused!(
            at_patient(&RequestLetter {
                request,
                wish,
                salt
            }),
            RequestError::BadWish
        );
        let kept = request::wish_of(&world.desk(&cast.patient), request);
        assert_eq!(kept.unwrap(), None);
    }
    // the longest words, and a period of several months
    for wish in [
        Wish {
            words: "x".repeat(MAX_WORDS),
            ..good.clone()
        },
        Wish {
            to: later,
            ..good.clone()
        },
    ] {
        let id = ask(&wish).unwrap().id;
        let Letter::Request(letter) = world.one_letter(&cast.patient).letter else {
            panic!("a request")
        };
        assert_eq!(at_patient(&letter).unwrap(), id);
        assert_eq!(letter.wish, wish);
    }
}

#[test]
fn a_request_whose_answer_was_lost_is_the_same_a_moment_later() {
    let cast = Cast::new();
    let world = &cast.world;
    let (desk, patient) = (world.desk(&cast.institute), cast.patient.id());
    let ask = |wish: &Wish| {
        let expires = world.now().plus(Millis::DAY);
        request::request(&desk, patient, wish, expires, None, &mut rng())
    };
    let first = wish(LAB, world.now());
    *world.lost.lock().unwrap() = Some("Request");
    refused!(ask(&first), RequestError::Send(error) if error.failure().is_none());
    *world.lost.lock().unwrap() = None;
    // whoever calls again counts the days from now on
    world.pass(1_000);
    let again = wish(LAB, world.now());
    assert_ne!(again.until, first.until);
    let id = ask(&again).unwrap().id;
    let logged = world
        .view()
        .requests_of(cast.institute.id(), Page::default());
    let logged = logged.unwrap().items;
    assert_eq!(logged.iter().map(|one| one.id).collect::<Vec<_>>(), [id]);
    // she knows what she asked for, and has the key that the answer is sealed to
    let one_time_key = key_hash(&logged[0].one_time_key);
    assert_eq!(
        request::sent(&desk, id).unwrap(),
        Some(SentRequest {
            patient,
            wish: first.clone(),
            one_time_key
        })
    );
    let key = cast.institute.vault.get(Table::OneTime, &one_time_key.0);
    assert!(key.unwrap().is_some());
    let Letter::Request(letter) = world.one_letter(&cast.patient).letter else {
        panic!("a request")
    };
    assert_eq!((letter.request, &letter.wish), (id, &first));
    // another wish is another request; nobody else sent either
    let other = ask(&wish(&[Class::Condition], world.now())).unwrap().id;
    assert_ne!(other, id);
    assert!(request::sent(&desk, other).unwrap().is_some());
    assert_eq!(request::sent(&world.desk(&cast.patient), id).unwrap(), None);
}

/// What a party's vault holds under a grant.
fn held(person: &Person, table: Table, grant: OperationId) -> usize {
    let entries = person.vault.list(table).unwrap();
    let under = |key: &[u8]| key.starts_with(&grant.0.to_bytes());
    entries.iter().filter(|(key, _)| under(key)).count()
}

#[test]
fn keys_are_destroyed_when_their_grant_is_over_and_not_before() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let short = cast.granted(LAB, &[&cast.agent]);
    let request = cast.asked(LAB);
    let mut choice = cast.choice(LAB, &[&cast.agent]);
    let end = choice.expires;
    choice.expires = end.plus(Millis::DAY);
    let long = cast.granted_as(&cast.institute, request, &choice, &[&cast.agent]);
    for grant in [short, long] {
        cast.answered(grant, record, 0, &cast.agent);
    }
    let all = || {
        [short, long].map(|grant| {
            [
                held(&cast.agent, Table::Reencryption, grant),
                held(&cast.agent, Table::Released, grant),
                held(&cast.institute, Table::Grants, grant),
            ]
        })
    };
    let tidy = |now| {
        [&cast.agent, &cast.institute].map(|who| revoke::tidy(&world.desk(who), now).unwrap())
    };
    assert_eq!(tidy(end.minus(1)), [0, 0]);
    assert_eq!(all(), [[1, 1, 1], [1, 1, 1]]);
    // a node that says of a living grant that it is revoked, or over
    let truth = world.view().grant(long).unwrap().unwrap();
    let mut revoked = truth.clone();
    revoked.revoked = Some(world.now());
    let mut over = truth.clone();
    over.terms.expires = Millis(1);
    for lie in [revoked, over] {
        world.lies.lock().unwrap().grant = Some(lie);
        assert_eq!(tidy(end.minus(1)), [0, 0]);
    }
    world.lies.lock().unwrap().grant = None;
    // one that shows nothing of the log, or one grant's terms as every grant's
    let lied = |lie: Result<Option<(u64, Leaf)>, NodeError>| {
        world.lies.lock().unwrap().operation = Some(Box::new(move |_| lie.clone()));
        let gone = tidy(end);
        world.lies.lock().unwrap().operation = None;
        gone
    };
    for lie in [Ok(None), Err(NodeError::NotFound)] {
        assert_eq!(lied(lie), [0, 0]);
        assert_eq!(all(), [[1, 1, 1], [1, 1, 1]]);
    }
    assert_eq!(lied(world.client(&cast.agent).operation(short)), [1, 1]);
    assert_eq!(all(), [[0, 0, 0], [1, 1, 1]]);
    assert_eq!(tidy(end), [0, 0]);

    // revoked: also when the node then denies what the log said
    revoke::revoke(&world.desk(&cast.patient), long).unwrap();
    let ask = cast.ask(long, record, 0, &cast.agent);
    refused!(cast.answer(&cast.agent, &ask), ReencryptError::Revoked);
    world.lies.lock().unwrap().grant = Some(truth);
    let desk = world.desk(&cast.agent);
    assert_eq!(revoke::tidy(&desk, world.now()).unwrap(), 1);
    assert_eq!(all(), [[0, 0, 0], [0, 0, 1]]);
}

/// Puts a letter into a mailbox, and tells whether it opens or is dead.
fn opens(cast: &Cast, person: &Person, key: &HpkeKey, letter: &Letter) -> bool {
    let world = &cast.world;
    let sealed = letter.seal(world.chain(), key, &mut rng()).unwrap();
    let desk = world.desk(person);
    desk.node.send(person.id(), &sealed).unwrap();
    let mail = post::collect(&desk, world.now()).unwrap();
    desk.node.delete_letter(Digest::of(&sealed)).unwrap();
    assert_eq!(mail.letters.len() + mail.dead.len(), 1);
    mail.letters.iter().all(|received| {
        assert_eq!((received.key, &received.letter), (key_hash(key), letter));
        true
    }) && mail.dead.is_empty()
}

#[test]
fn packets_come_under_one_time_keys_and_nothing_else_does() {
    let cast = Cast::new();
    let request = OperationId(base::cid::of_object(b"request"));
    let prekey = cast.world.client(&cast.agent).take_prekey(cast.agent.id());
    let one_time = prekey.unwrap().unwrap().body.key;
    let account = cast.agent.party.hpke.public();
    let packets = [
        Letter::Grant(GrantPacket {
            request,
            keys: vec![],
        }),
        Letter::Agent(AgentPacket {
            request,
            keys: vec![],
        }),
    ];
    let others = [
        Letter::Request(RequestLetter {
            request,
            wish: wish(LAB, cast.world.now()),
            salt: Salt([5; 32]),
        }),
        Letter::Evidence(EvidenceLetter {
            subject: base::operation::Subject::Query(request),
            salt: Salt([5; 32]),
            evidence: Evidence::Words("words".into()),
        }),
    ];
    let opens = |key, letter| opens(&cast, &cast.agent, key, letter);
    for packet in &packets {
        assert!(opens(&one_time, packet));
        assert!(!opens(&account, packet), "a key that outlives the packet");
    }
    for letter in &others {
        assert!(opens(&account, letter));
        assert!(!opens(&one_time, letter), "a key for a packet");
    }
}

#[test]
fn letters_have_thirty_days_for_a_replaced_key_and_seven_for_their_operation() {
    let cast = Cast::new();
    let desk = cast.world.desk(&cast.agent);
    let now = cast.world.now();
    let days = |count: u64| now.plus(count * Millis::DAY);
    let former = HpkeSecret::generate(&mut rng());
    let (key, value) = post::former_key(&former, now);
    let vault = &cast.agent.vault;
    vault.put(Table::FormerKeys, &key.0, &value).unwrap();
    let request = OperationId(base::cid::of_object(b"request"));
    let letter = Letter::Evidence(EvidenceLetter {
        subject: base::operation::Subject::Query(request),
        salt: Salt([5; 32]),
        evidence: Evidence::Words("words".into()),
    });
    let sealed = letter.seal(cast.world.chain(), &former.public(), &mut rng());
    let sealed = sealed.unwrap();
    desk.node.send(cast.agent.id(), &sealed).unwrap();
    let name = Digest::of(&sealed);
    let open = |at| post::collect(&desk, at).unwrap().letters.len();
    assert_eq!([open(days(30).minus(1)), open(days(30))], [1, 0]);

    let given_up = |at| post::give_up(&desk, &[name], at).unwrap();
    assert_eq!(given_up(now), []);
    assert_eq!(given_up(days(7).minus(1)), []);
    assert_eq!(given_up(days(7)), [name]);
}

#[test]
fn a_one_time_key_is_its_agents_own_word() {
    let cast = Cast::new();
    let (agent, other) = (&cast.agent, &cast.second_agent);
    let client = cast.world.client(agent);
    let chain = cast.world.chain();
    let key = Person::patient(chain).party.hpke.public();
    let taken = || prekey::take(&client, chain, agent.id(), &agent.party.operation.public());
    let put = |chain, whose: &Person, signer: &Person| {
        let prekey = Prekey {
            chain,
            agent: whose.id(),
            key: key.clone(),
        };
        let prekey = Signed::new(prekey, &signer.party.operation);
        client.put_prekeys(&[prekey]).unwrap();
    };
    put(chain, agent, agent);
    assert_eq!(taken().unwrap(), key);
    // signed by another, for another ledger, or for another agent
    for (ledger, whose, signer) in [
        (chain, agent, other),
        (ChainId([9; 32]), agent, agent),
        (chain, other, agent),
    ] {
        put(ledger, whose, signer);
        refused!(taken(), PrekeyError::NotTheAgents { agent: id } if id == agent.id());
    }
    // each is handed out once, and then there are none
    for _ in 0..prekey::STOCK {
        assert_ne!(taken().unwrap(), key);
    }
    refused!(taken(), PrekeyError::NoneLeft { agent: id } if id == agent.id());
}

#[test]
fn an_agent_makes_the_one_time_keys_that_are_missing_and_keeps_them_first() {
    let cast = Cast::new();
    let agent = &cast.agent;
    let client = cast.world.client(agent);
    let fill = |vault: &dyn Vault| prekey::replenish(&agent.party, &client, vault, &mut rng());
    let left = || client.prekeys_left(agent.id()).unwrap();
    // a whole stock: nothing is to be written
    assert_eq!(fill(&Full(&agent.vault)).unwrap(), 0);
    for _ in 0..3 {
        client.take_prekey(agent.id()).unwrap().unwrap();
    }
    // no key leaves whose secret is not durable
    refused!(fill(&Full(&agent.vault)), PrekeyError::Vault(_));
    assert_eq!(left(), prekey::STOCK - 3);
    assert_eq!(fill(&agent.vault).unwrap(), 3);
    assert_eq!(left(), prekey::STOCK);
    let made = agent.vault.list(Table::OneTime).unwrap();
    assert_eq!(made.len(), prekey::STOCK + 3);
    assert_eq!(fill(&agent.vault).unwrap(), 0);
}
