//! What one party sends to another: sealed records, letters, cards, manifests.

use super::{Decoder, Target, canonical, text};
use base::{Action, Class, Digest, Millis, RecordId, Salt, Signed, codec, key::OperationSecret};
use share::{
    account::Delegated,
    bag::{Phrase, SealedBag},
    card::Card,
    identity::{HpkeSecret, PatientSecrets},
    letter::{Letter, OpenFailure, SealedLetter},
    manifest::{Manifest, Opening},
    prekey::Prekey,
    record::Layout,
    recovery::{
        claim_id,
        keep::{self, AskedClaim},
        letters::{ApprovalLetter, ClaimLetter, ReleaseLetter},
    },
    sealed::{CapsuleNode, PartOpening, SealedRecord},
};
use store::{BlockStore as _, walk::Walk};
use world::{Cast, bundle, rng, wish};

/// The tests of the protocol have a world of real parties: the seeds are what they send.
#[path = "../../crates/share/tests/world/mod.rs"]
#[allow(unused_imports)]
mod world;

/// Everything between parties.
pub const SHARE: Target = Target {
    name: "share",
    decoders: &[
        Decoder {
            name: "sealed-record",
            run: sealed_record,
        },
        Decoder {
            name: "capsule-node",
            run: canonical::<CapsuleNode>,
        },
        Decoder {
            name: "part-opening",
            run: canonical::<PartOpening>,
        },
        Decoder {
            name: "layout",
            run: canonical::<Layout>,
        },
        Decoder {
            name: "letter",
            run: canonical::<Letter>,
        },
        Decoder {
            name: "asked-claim",
            run: canonical::<AskedClaim>,
        },
        Decoder {
            name: "sealed-letter",
            run: |bytes| SealedLetter::parse(bytes).is_ok(),
        },
        Decoder {
            name: "failure",
            run: canonical::<Signed<OpenFailure>>,
        },
        Decoder {
            name: "prekey",
            run: canonical::<Signed<Prekey>>,
        },
        Decoder {
            name: "manifest",
            run: |bytes| Manifest::read(bytes).is_ok(),
        },
        Decoder {
            name: "patient-secrets",
            run: |bytes| PatientSecrets::from_bytes(bytes).is_ok(),
        },
        Decoder {
            name: "sealed-bag",
            run: canonical::<SealedBag>,
        },
        Decoder {
            name: "delegated",
            run: canonical::<Delegated>,
        },
        Decoder {
            name: "card",
            run: |bytes| text(bytes, |text| Card::read(text).is_ok()),
        },
        Decoder {
            name: "phrase",
            run: |bytes| text(bytes, |text| Phrase::parse(text).is_ok()),
        },
    ],
    seeds,
};

fn sealed_record(bytes: &[u8]) -> bool {
    if let Ok(sealed) = SealedRecord::from_block(bytes, RecordId([7; 32])) {
        let _ = CapsuleNode::from_block(bytes, &sealed, 0);
        let _ = sealed.header(0);
    }
    canonical::<SealedRecord>(bytes)
}

/// A record on its way from a hospital to a requester, every letter of it.
fn seeds() -> Vec<Vec<u8>> {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let mut seeds = Vec::new();
    for (root, _) in world.store.pins().expect("its disk reads") {
        let blocks = Walk::new(&world.store, root).filter_map(Result::ok);
        seeds.extend(blocks.map(|(_, bytes)| bytes));
    }

    let now = world.now();
    let classes = [Class::Laboratory, Class::Condition];
    let institute = world.desk(&cast.institute);
    let asked = share::request::request(
        &institute,
        cast.patient.id(),
        &wish(&classes, now),
        now.plus(Millis::DAY),
        None,
        &mut rng(),
    )
    .expect("asks");
    let request = world.one_letter(&cast.patient).letter;
    seeds.push(codec::encode(&request));
    if let Letter::Request(request) = &request {
        share::request::receive(&world.desk(&cast.patient), cast.patient.id(), request)
            .expect("is asked");
    }
    let choice = cast.choice(&classes, &[&cast.agent]);
    let grant =
        share::authorize::authorize(&world.wallet(&cast.patient), asked.id, &choice, &mut rng())
            .expect("grants");
    for mail in world.mail.lock().expect("mail").values().flatten() {
        seeds.push(mail.clone());
    }
    let packet = world.one_letter(&cast.agent);
    if let Letter::Agent(letter) = &packet.letter {
        share::reencrypt::receive(&world.desk(&cast.agent), letter, packet.name, packet.key)
            .expect("takes");
    }
    seeds.push(codec::encode(&packet.letter));
    let packet = world.one_letter(&cast.institute);
    if let Letter::Grant(letter) = &packet.letter {
        share::open::receive_grant(&institute, letter, packet.name, packet.key).expect("takes");
    }
    seeds.push(codec::encode(&packet.letter));
    let ask = cast.ask(grant.id, record, 0, &cast.agent);
    cast.answer(&cast.agent, &ask).expect("answers");
    seeds.push(codec::encode(&Letter::Ask(ask)));
    let answer = world.one_letter(&cast.institute).letter;
    seeds.push(codec::encode(&answer));
    if let Letter::Answer(answer) = answer {
        let failure = OpenFailure {
            chain: world.chain(),
            grant: grant.id,
            agent: cast.agent.id(),
            answer,
        };
        let failure = Signed::new(failure, &OperationSecret::new([6; 32]));
        seeds.push(codec::encode(&failure));
        seeds.push(codec::encode(&Letter::Failure(failure)));
    }
    let layout = Layout::new(vec![(0, 5), (9, 300)]).expect("in order");
    seeds.push(codec::encode(&layout));
    seeds.extend(opening(&cast, record));

    let secrets = cast.patient.secrets.as_ref().expect("a patient's");
    seeds.push(secrets.to_bytes().to_vec());
    seeds.extend(sealed_elsewhere(&secrets.to_bytes()));
    let card = Card::show(&cast.patient.party, secrets, now, &mut rng());
    seeds.push(card.as_bytes().to_vec());
    seeds.push(Phrase::generate(&mut rng()).words().as_bytes().to_vec());
    let keys =
        share::prekey::make(&cast.agent.party, &cast.agent.vault, 1, &mut rng()).expect("a key");
    seeds.extend(keys.iter().map(codec::encode));
    let sealed = request.seal(
        world.chain(),
        &HpkeSecret::new([3; 32]).public(),
        &mut rng(),
    );
    seeds.push(sealed.expect("seals"));
    seeds.extend(recovery());
    seeds
}

/// The shapes of what travels inside or beside ciphertext: a bag, and what a delegate is
/// given.
fn sealed_elsewhere(secrets: &[u8]) -> [Vec<u8>; 2] {
    #[derive(serde::Serialize)]
    struct Bag {
        #[serde(rename = "v")]
        version: u32,
        #[serde(with = "serde_bytes")]
        nonce: [u8; 12],
        text: serde_bytes::ByteBuf,
    }
    #[derive(serde::Serialize)]
    struct Given {
        secrets: serde_bytes::ByteBuf,
        scopes: [u8; 0],
        records: [u8; 0],
        hospitals: Vec<base::AccountId>,
    }
    let bag = Bag {
        version: 1,
        nonce: [4; 12],
        text: vec![5; 100].into(),
    };
    let given = Given {
        secrets: secrets.to_vec().into(),
        scopes: [],
        records: [],
        hospitals: vec![base::AccountId([6; 32])],
    };
    [codec::encode(&bag), codec::encode(&given)]
}

/// Every letter of a recovery.
fn recovery() -> Vec<Vec<u8>> {
    let cast = Cast::new();
    let world = &cast.world;
    cast.guarded(2);
    let [hospital, friend, _] = cast.guardians();
    let share = keep::shares(&world.desk(hospital))
        .expect("keeps")
        .remove(0);
    let device = cast.device();
    let (claim, recovery) = cast.logged(&device, &[hospital, friend]);
    let asks = ClaimLetter {
        claim: claim.clone(),
        device: device.id(),
    };
    let desk = world.desk(hospital);
    let (_, approved) = keep::claims(&desk).expect("notes").remove(0);
    let release = ReleaseLetter {
        recovery,
        index: share.index,
        opening: share.opening,
        share: share.share.clone(),
    };
    let (_, leaf) = world
        .view()
        .operation(recovery)
        .expect("reads")
        .expect("is there");
    let mut seeds = vec![
        codec::encode(&Letter::Share(share)),
        codec::encode(&Letter::Claim(asks)),
        codec::encode(&Letter::Release(release)),
        codec::encode(&approved),
    ];
    if let Action::Recover(recover) = leaf.operation.body.action {
        seeds.push(codec::encode(&Letter::Approval(ApprovalLetter {
            claim: claim_id(&claim),
            set: recover.set,
            approval: recover.approvals[0],
        })));
    }
    seeds
}

/// A signed manifest, and the inside of a part's box.
fn opening(cast: &Cast, record: RecordId) -> [Vec<u8>; 2] {
    let opening = Opening {
        class: Class::Laboratory,
        media_type: "application/fhir+json".into(),
        length: 300,
        digest: Digest([1; 32]),
        layout_length: 9,
        layout: Digest([2; 32]),
    };
    let salt = Salt([3; 32]);
    let manifest = Manifest {
        version: base::Version,
        record,
        patient: cast.patient.id(),
        hospital: cast.hospital.id(),
        created: cast.world.now(),
        previous: None,
        parts: vec![opening.commitment(&salt)],
    };
    let key = cast.hospital.party.record.as_ref().expect("a hospital's");
    let manifest = manifest.sign(cast.world.chain(), key);
    let opening = PartOpening {
        opening,
        salt,
        manifest: manifest.clone().into(),
        padding: vec![0; 20].into(),
    };
    [manifest, codec::encode(&opening)]
}
