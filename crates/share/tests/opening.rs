//! What a wallet and a requester check before a part counts as opened.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::Signed;
use base::{
    AccountId, Cid, Class, Digest, Millis, Nonce, RecordId, Salt, Version, cid, codec,
    operation::{Accept, PartKey, Publish, RejectCode, Verdict},
    scope::Cover,
};
use ibpre::{ScopeKey, SetA};
use serde_bytes::ByteBuf;
use share::{
    Table, Vault as _,
    accept::{self, AcceptError},
    authorize,
    body::{self, BodyHeader, padded},
    identity::HpkeSecret,
    letter::{Letter, Reencrypted},
    manifest::{Manifest, Opening},
    open::{self, OpenError},
    part::PartError,
    record::{Layout, RecordError},
    reencrypt::{PacketError, ReencryptError},
    scheme::sid_of,
    sealed::{CapsuleNode, ContentKey, PartOpening, Place, SUITE, SealedPart, SealedRecord},
};
use world::{Cast, astray, bundle, refused, rng};

const LAB: &[Class] = &[Class::Laboratory];
const CONTENT: &[u8] = b"blood";

fn random() -> [u8; 32] {
    *HpkeSecret::generate(&mut rng()).as_secret()
}

/// A record that its hospital's own program would not make: what it changes before it seals
/// and signs it.
struct Lie {
    layout: Vec<u8>,
    opening: fn(&mut Opening),
    manifest: fn(&mut Manifest),
    root: fn(&mut SealedRecord),
}

/// No lie.
impl Default for Lie {
    fn default() -> Self {
        Self {
            layout: Vec::new(),
            opening: |_| {},
            manifest: |_| {},
            root: |_| {},
        }
    }
}

/// The hospital seals [`CONTENT`] as one part of laboratory data, and publishes it.
fn published(cast: &Cast, lie: &Lie) -> RecordId {
    let desk = cast.world.desk(&cast.hospital);
    let wallet = cast.world.wallet(&cast.patient);
    let now = cast.world.now();
    let nonce = Nonce(random());
    let record = RecordId::of(cast.hospital.id(), &nonce);
    let key = ContentKey::new(random());
    let length = CONTENT.len() as u64;
    let header = BodyHeader {
        version: Version,
        suite: SUITE,
        record,
        part: 0,
        size: padded(length + lie.layout.len() as u64),
    };
    let (body, sealed) = body::seal(
        &header,
        key.keys().k_body.as_secret(),
        &mut &CONTENT[..],
        length,
        &lie.layout,
        |from| Ok(desk.node.put_file(from).unwrap()),
    )
    .unwrap();
    let mut opening = Opening {
        class: Class::Laboratory,
        media_type: "text/plain".into(),
        length,
        digest: sealed.digest,
        layout_length: lie.layout.len() as u32,
        layout: Digest::of(&lie.layout),
    };
    (lie.opening)(&mut opening);
    let salt = Salt(random());
    let mut manifest = Manifest {
        version: Version,
        record,
        patient: cast.patient.id(),
        hospital: cast.hospital.id(),
        created: now,
        previous: None,
        parts: vec![opening.commitment(&salt)],
    };
    (lie.manifest)(&mut manifest);
    let signer = cast.hospital.party.record.as_ref().unwrap();
    let cover = Cover {
        class: Class::Laboratory,
        epoch: Some(now.epoch()),
        record: None,
        counter: 0,
    };
    let place = Place {
        pkh: wallet.pkh(),
        sid: sid_of(&wallet.scope(cover)),
        record,
        part: 0,
        body,
    };
    let public = desk.public_params(cast.patient.id()).unwrap();
    let scope_key = ScopeKey::<SetA>::new(&public, ibpre::ScopeId::from_bytes(place.sid.0));
    let (secret, capsule) = scope_key.encapsulate(&mut rng());
    let (name, node) = CapsuleNode::wrap(&place, &secret, &capsule, &key).to_block();
    desk.node.put_block(&name, &node).unwrap();
    let part = PartOpening {
        opening,
        salt,
        manifest: ByteBuf::from(manifest.sign(desk.party.chain, signer)),
        padding: ByteBuf::new(),
    };
    let mut root = SealedRecord {
        version: Version,
        suite: SUITE,
        record,
        previous: None,
        parts: vec![SealedPart {
            capsule: name,
            body,
            size: header.size,
            opening: part.seal(&key.keys(), &header, &body),
        }],
    };
    (lie.root)(&mut root);
    let (after, bytes) = root.to_block();
    desk.node.put_block(&after, &bytes).unwrap();
    let patient = cast.patient.id();
    desk.send(Publish {
        record,
        nonce,
        patient,
        after,
    })
    .unwrap();
    record
}

fn elsewhere() -> Cid {
    cid::of_object(b"elsewhere")
}

#[test]
fn a_record_that_contradicts_itself_is_not_accepted() {
    let cast = Cast::new();
    let wallet = cast.world.wallet(&cast.patient);
    let honest = published(&cast, &Lie::default());
    accept::accept(&wallet, honest, &mut rng()).unwrap();
    let mut out = Vec::new();
    let opened = open::open_own(&wallet, honest, 0, &mut out).unwrap();
    assert_eq!(out, CONTENT);
    assert_eq!(opened.layout, Layout::whole(CONTENT.len() as u64));

    let opening = |opening| Lie {
        opening,
        ..Lie::default()
    };
    let manifest = |manifest| Lie {
        manifest,
        ..Lie::default()
    };
    let root = |root| Lie {
        root,
        ..Lie::default()
    };
    let lies: [(&str, Lie); 10] = [
        (
            "class of data",
            opening(|opening| opening.class = Class::Other),
        ),
        (
            "content",
            opening(|opening| opening.digest = Digest::of(b"water")),
        ),
        (
            "content",
            opening(|opening| opening.layout = Digest::of(b"layout")),
        ),
        (
            "part",
            manifest(|manifest| manifest.parts[0] = Digest::of(b"another part")),
        ),
        (
            "number of parts",
            manifest(|manifest| manifest.parts.push(Digest::of(b"one more"))),
        ),
        (
            "record",
            manifest(|manifest| manifest.record = RecordId([1; 32])),
        ),
        (
            "patient",
            manifest(|manifest| manifest.patient = AccountId([1; 32])),
        ),
        (
            "hospital",
            manifest(|manifest| manifest.hospital = AccountId([1; 32])),
        ),
        (
            "state before",
            manifest(|manifest| manifest.previous = Some(elsewhere())),
        ),
        (
            "state before",
            root(|root| root.previous = Some(elsewhere())),
        ),
    ];
    for (what, lie) in lies {
        let record = published(&cast, &lie);
        let error = accept::accept(&wallet, record, &mut rng()).unwrap_err();
        assert_eq!(error.code(), Some(RejectCode::Invalid), "{what}: {error}");
        refused!(
            Err::<(), _>(error),
            AcceptError::Part(PartError::Contradiction(other)) if other == what
        );
    }
}

#[test]
fn a_part_has_one_layout_of_its_own_length() {
    let cast = Cast::new();
    let wallet = cast.world.wallet(&cast.patient);
    let length = CONTENT.len() as u64;
    let with = |ranges: Vec<(u64, u64)>| {
        let lie = Lie {
            layout: codec::encode(&ranges),
            ..Lie::default()
        };
        let record = published(&cast, &lie);
        accept::accept(&wallet, record, &mut rng()).map(|_| record)
    };
    let record = with(vec![(3, 2), (9, length - 2)]).unwrap();
    let opened = open::open_own(&wallet, record, 0, &mut Vec::new()).unwrap();
    assert_eq!(opened.layout.ranges(), [(3, 2), (9, length - 2)]);
    // shorter, longer, overlapping, and the whole that is said by no bytes at all
    for ranges in [
        vec![(3, length - 1)],
        vec![(3, length + 1)],
        vec![(3, 2), (4, length - 2)],
        vec![(0, length)],
    ] {
        refused!(
            with(ranges),
            AcceptError::Part(PartError::Layout(RecordError::Ranges))
        );
    }
}

#[test]
fn only_the_capsule_that_the_patient_accepted_is_opened() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.accepted(&bundle());
    // she says that the first capsule is another one than lies in the store
    let record = cast.publish(&bundle());
    let wallet = world.wallet(&cast.patient);
    let state = wallet.desk.record(record).unwrap().pending.unwrap();
    let known = accept::inspect(&wallet, record, state, &mut rng()).unwrap();
    let mut parts: Vec<PartKey> = known.parts.iter().map(|part| part.key).collect();
    parts[0].ctid.0[0] ^= 1;
    let accepted = parts[0];
    wallet
        .desk
        .send(Accept {
            record,
            state,
            parts,
        })
        .unwrap();
    let grant = cast.granted(LAB, &[&cast.agent]);
    let ask = cast.ask(grant, record, 0, &cast.agent);
    refused!(cast.answer(&cast.agent, &ask), ReencryptError::OtherCapsule);
    // and an agent that does not look is of no use to anybody
    let answer = astray(&cast, &cast.agent, &ask, Some(&accepted), |_| ());
    let mut out = Vec::new();
    refused!(
        open::open(&world.desk(&cast.institute), &answer, &mut out),
        OpenError::OtherCapsule
    );
    assert!(out.is_empty());
}

#[test]
fn an_agent_gives_the_answer_that_it_logged_and_signed() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let honest = cast.answered(grant, record, 0, &cast.agent);
    let desk = world.desk(&cast.institute);
    let signed = |change: &dyn Fn(&mut Reencrypted)| {
        let mut answer = honest.clone();
        change(&mut answer.word.body);
        answer.word = Signed::new(answer.word.body, &cast.agent.party.operation);
        answer
    };
    // its word is about another answer than the one that it logged, or about something else
    let mut other = signed(&|_| {});
    other.result[100] ^= 1;
    let result = Digest::of(&other.result);
    other.word = signed(&|word| word.result = result).word;
    for answer in [
        other,
        signed(&|word| word.result.0[0] ^= 1),
        signed(&|word| word.ctid.0[0] ^= 1),
        signed(&|word| word.gid.0[0] ^= 1),
        signed(&|word| word.chain.0[0] ^= 1),
    ] {
        refused!(
            open::receive_answer(&desk, &answer),
            OpenError::NotTheAgents
        );
        refused!(
            open::open(&desk, &answer, &mut Vec::new()),
            OpenError::NotTheAgents
        );
        refused!(
            open::report(&desk, &answer, &mut rng()),
            OpenError::NotTheAgents
        );
    }
    assert_eq!(open::answers(&desk).unwrap(), std::slice::from_ref(&honest));
    open::open(&desk, &signed(&|_| {}), &mut Vec::new()).unwrap();
}

#[test]
fn a_requester_knows_what_she_may_open_and_what_she_has_not_judged_yet() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let desk = world.desk(&cast.institute);
    assert_eq!(open::grants(&desk).unwrap(), []);
    assert_eq!(open::answers(&desk).unwrap(), []);
    let grant = cast.granted(&[Class::Laboratory, Class::Condition], &[&cast.agent]);
    let held = open::grants(&desk).unwrap();
    let mut classes: Vec<Class> = held.iter().map(|(.., scope)| scope.cover.class).collect();
    classes.sort_unstable();
    assert_eq!(classes, [Class::Laboratory, Class::Condition]);
    for (id, patient, scope) in &held {
        assert_eq!((*id, *patient), (grant, cast.patient.id()));
        assert_eq!(scope.cover.epoch, Some(world.now().epoch()));
    }
    // the letter of the answer may go: it is kept until she judges it
    let first = cast.answered(grant, record, 0, &cast.agent);
    let second = cast.answered(grant, record, 1, &cast.agent);
    let kept = open::answers(&desk).unwrap();
    assert_eq!(kept.len(), 2);
    assert!(kept.contains(&first) && kept.contains(&second));
    share::review::review(&desk, first.query, Verdict::Accepted, None, &mut rng()).unwrap();
    assert_eq!(open::answers(&desk).unwrap(), std::slice::from_ref(&second));
    open::report(&desk, &second, &mut rng()).unwrap();
    assert_eq!(open::answers(&desk).unwrap(), []);
    // and nothing is left of a grant that is over
    share::revoke::tidy(&desk, world.now().plus(7 * Millis::DAY)).unwrap();
    assert_eq!(open::grants(&desk).unwrap(), []);
}

#[test]
fn a_requester_takes_her_own_packet_only() {
    let cast = Cast::new();
    let world = &cast.world;
    cast.accepted(&bundle());
    let request = cast.asked(LAB);
    let choice = cast.choice(LAB, &[&cast.agent]);
    authorize::authorize(&world.wallet(&cast.patient), request, &choice, &mut rng()).unwrap();
    let letter = world.one_letter(&cast.institute);
    let Letter::Grant(packet) = &letter.letter else {
        panic!("a grant packet")
    };
    // keys that its grant names, in another letter; and the letter in other hands
    let desk = world.desk(&cast.institute);
    refused!(
        open::receive_grant(&desk, packet, Digest::of(b"another"), letter.key),
        PacketError::OtherPacket
    );
    let stranger = world.desk(&cast.other_hospital);
    refused!(
        open::receive_grant(&stranger, packet, letter.name, letter.key),
        PacketError::OtherPacket
    );
    let mut fewer = packet.clone();
    fewer.keys.clear();
    refused!(
        open::receive_grant(&desk, &fewer, letter.name, letter.key),
        PacketError::OtherScopes
    );
    for person in [&cast.institute, &cast.other_hospital] {
        assert_eq!(open::grants(&world.desk(person)).unwrap(), []);
    }
    // her one-time key stays until the right one is in
    let one_time = |key: &Digest| cast.institute.vault.get(Table::OneTime, &key.0).unwrap();
    assert!(one_time(&letter.key).is_some());
    open::receive_grant(&desk, packet, letter.name, letter.key).unwrap();
    assert!(one_time(&letter.key).is_none());
}
