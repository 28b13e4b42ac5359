//! What a ledger sends to those who check it.

use super::{Decoder, Target, canonical};
use base::{
    OperationId, Signed, codec,
    genesis::{Genesis, Policy},
    operation::{
        Ask, Bag, CompleteRecovery, Deny, KeyConsent, NewKey, Object, Review, Revoke, RotateKey,
        RotateScope, Unguard, Verdict,
    },
};
use consensus::follow::Conflict;
use ledger::{
    Account, BagState, Block, CompactRange, ConsistencyProof, Failure, Grant, Guardianship, Head,
    InclusionProof, Leaf, Listing, Notice, Page, QueryState, Ranked, Receipt, Record, Recovery,
    RequestState, ScopeState, StateInfo, Transition, ValidatorSet, View,
};
use world::{Asked, Guards, World, digest, id, key_of, parts, secret, sid, want};

/// The ledger's tests have a world with a real ledger in it: the seeds are its words.
#[path = "../../crates/ledger/tests/it/world.rs"]
#[allow(unused_imports)]
mod world;

/// Log, proofs and entries of the state.
pub const LEDGER: Target = Target {
    name: "ledger",
    decoders: &[
        Decoder {
            name: "leaf",
            run: leaf,
        },
        Decoder {
            name: "head",
            run: canonical::<Head>,
        },
        Decoder {
            name: "block",
            run: canonical::<Block>,
        },
        Decoder {
            name: "receipt",
            run: canonical::<Receipt>,
        },
        Decoder {
            name: "inclusion-proof",
            run: canonical::<InclusionProof>,
        },
        Decoder {
            name: "consistency-proof",
            run: canonical::<ConsistencyProof>,
        },
        Decoder {
            name: "compact-range",
            run: canonical::<CompactRange>,
        },
        Decoder {
            name: "validators",
            run: canonical::<ValidatorSet>,
        },
        Decoder {
            name: "transitions",
            run: |bytes| lenient::<Vec<Transition>>(bytes),
        },
        Decoder {
            name: "account",
            run: canonical::<Account>,
        },
        Decoder {
            name: "record",
            run: canonical::<Record>,
        },
        Decoder {
            name: "state",
            run: canonical::<StateInfo>,
        },
        Decoder {
            name: "request",
            run: canonical::<RequestState>,
        },
        Decoder {
            name: "grant",
            run: canonical::<Grant>,
        },
        Decoder {
            name: "query",
            run: canonical::<QueryState>,
        },
        Decoder {
            name: "scope-state",
            run: canonical::<ScopeState>,
        },
        Decoder {
            name: "bag-state",
            run: canonical::<BagState>,
        },
        Decoder {
            name: "guardianship",
            run: canonical::<Guardianship>,
        },
        Decoder {
            name: "recovery",
            run: canonical::<Recovery>,
        },
        Decoder {
            name: "accounts",
            run: listing::<Account>,
        },
        Decoder {
            name: "records",
            run: listing::<Record>,
        },
        Decoder {
            name: "grants",
            run: listing::<Grant>,
        },
        Decoder {
            name: "requests",
            run: listing::<RequestState>,
        },
        Decoder {
            name: "notices",
            run: listing::<Notice>,
        },
        Decoder {
            name: "ranking",
            run: |bytes| lenient::<Vec<Ranked>>(bytes),
        },
        Decoder {
            name: "conflict",
            run: |bytes| {
                Conflict::parse(bytes).is_ok_and(|conflict| {
                    assert_eq!(conflict.to_bytes(), bytes);
                    true
                })
            },
        },
    ],
    seeds,
};

/// A list as the client reads it: one longer than a canonical object may be is no fault.
fn listing<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
    lenient::<Listing<T>>(bytes)
}

fn lenient<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
    codec::decode_lenient::<T>(bytes).is_ok()
}

fn leaf(bytes: &[u8]) -> bool {
    codec::decode::<Leaf>(bytes).is_ok_and(|leaf| {
        assert!(leaf.to_bytes() == bytes);
        true
    })
}

/// A short history, for the seeds of this target and of the vocabulary.
pub(super) struct Story {
    pub(super) genesis: Genesis,
    pub(super) leaves: Vec<Leaf>,
    pub(super) ask: Signed<Ask>,
    answers: Vec<Vec<u8>>,
}

/// The usual cast registers; a record goes from its hospital to a requester.
pub(super) fn story() -> Story {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c0"), ("t", "c1")]);
    let denied = world.request("loner", "pat");
    world.ok("pat", Deny { request: denied });
    let grant = world.grant("institute", &["s"], &["ag", "ac"]);
    let querying = world.querying(&want(
        grant,
        "institute",
        "ag",
        record,
        "r",
        parts(&[("s", "c0")])[0],
    ));
    let body = Ask {
        chain: world.chain(),
        grant,
        state: querying.state,
        part: querying.part,
        agent: id("ag"),
        expires: querying.ask.expires,
    };
    let ask = Signed {
        body,
        signature: querying.ask.signature,
    };
    let query = world.ok("ag", querying);
    world.ok(
        "institute",
        Review {
            query,
            verdict: Verdict::Accepted,
            evidence: None,
        },
    );
    world.ok(
        "pat",
        Bag {
            version: 1,
            commitment: digest("bag"),
        },
    );
    world.ok("pat", Revoke { grant });
    world.ok(
        "pat",
        RotateScope {
            sid: sid("t"),
            next: sid("u"),
        },
    );
    let recoveries = recover(&mut world);
    hand_over(&mut world);
    let view = world.view();
    let head = view.head().expect("a head");
    let size = head.header.tree_size;
    let leaves = view.leaves(0, 1_000).expect("leaves");
    let mut answers = vec![codec::encode(&head)];
    let last = leaves.last().expect("a leaf").operation.to_bytes().1;
    answers.push(codec::encode(
        &view.receipt(last).expect("reads").expect("is there"),
    ));
    answers.push(codec::encode(
        &view.receipt(query).expect("reads").expect("is there"),
    ));
    answers.push(codec::encode(
        &view.block(head.header.height).expect("reads"),
    ));
    answers.push(codec::encode(
        &view.inclusion(3, size).expect("reads").expect("is there"),
    ));
    answers.push(codec::encode(
        &view.consistency(5, size).expect("reads").expect("is there"),
    ));
    answers.push(codec::encode(&view.validators().expect("reads")));
    let transitions = view.transitions(1, 100).expect("reads");
    answers.push(codec::encode(&transitions));
    answers.extend(transitions.iter().map(codec::encode));
    let mut range = CompactRange::new();
    for leaf in &leaves {
        range.append(&leaf.to_bytes());
    }
    answers.push(codec::encode(&range));
    answers.push(codec::encode(
        &view
            .state_of(record, world::state("r"))
            .expect("reads")
            .expect("is there"),
    ));
    for account in view.accounts(Page::default()).expect("accounts").items {
        answers.push(codec::encode(&account));
    }
    answers.push(codec::encode(
        &view.record(record).expect("reads").expect("is there"),
    ));
    answers.push(codec::encode(
        &view.request(denied).expect("reads").expect("is there"),
    ));
    answers.push(codec::encode(
        &view.grant(grant).expect("reads").expect("is there"),
    ));
    answers.push(codec::encode(
        &view.query(query).expect("reads").expect("is there"),
    ));
    answers.push(codec::encode(
        &view
            .scope(id("pat"), sid("t"))
            .expect("reads")
            .expect("is there"),
    ));
    answers.push(codec::encode(
        &view.bag(id("pat")).expect("reads").expect("is there"),
    ));
    answers.push(codec::encode(
        &view
            .guardianship(id("pat"))
            .expect("reads")
            .expect("is there"),
    ));
    for recovery in recoveries {
        answers.push(codec::encode(
            &view.recovery(recovery).expect("reads").expect("is there"),
        ));
    }
    let page = Page::default();
    answers.push(codec::encode(&view.accounts(page).expect("reads")));
    answers.push(codec::encode(
        &view.records_of(id("pat"), page).expect("reads"),
    ));
    answers.push(codec::encode(
        &view.grants_of(id("pat"), page).expect("reads"),
    ));
    answers.push(codec::encode(
        &view.requests_of(id("pat"), page).expect("reads"),
    ));
    answers.push(codec::encode(
        &view.notices_of(id("pat"), page).expect("reads"),
    ));
    answers.push(codec::encode(&view.ranking(world.now()).expect("reads")));
    answers.push(conflict(&view));
    Story {
        genesis: world.genesis.clone(),
        leaves,
        ask,
        answers,
    }
}

/// As a follower writes it down.
fn conflict(view: &View) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Written {
        #[serde(rename = "v")]
        version: u32,
        ours: Head,
        theirs: Option<Block>,
        fault: &'static str,
    }
    let theirs = view.block(2).expect("reads");
    codec::encode(&Written {
        version: 1,
        ours: view.head().expect("a head"),
        theirs,
        fault: "another block of this height",
    })
}

/// Guardians put a key forward; she objects to the first and not to the second.
fn recover(world: &mut World) -> [OperationId; 2] {
    let guards = Guards {
        names: vec!["mercy", "quinn", "am"],
        threshold: 2,
        delay: Policy::RECOVERY_DELAY,
    };
    let guard = world.ok("pat", guards.guard());
    let asked = |attempt, key| Asked {
        chain: world.chain(),
        account: "pat",
        guard,
        attempt,
        key,
    };
    let (first, second) = (
        guards.recover(&asked(1, "thief"), &["mercy", "am"]),
        guards.recover(&asked(2, "new"), &["quinn", "am"]),
    );
    let first = world.ok("loner", first);
    world.ok("pat", Object { recovery: first });
    let second = world.ok("loner", second);
    world.fails("pat", Unguard { guard }, Failure::RecoveryPending);
    world.advance(Policy::RECOVERY_DELAY);
    world.ok(
        "loner",
        CompleteRecovery {
            recovery: second,
            account: id("pat"),
            key: key_of("new"),
        },
    );
    [first, second]
}

/// The validator goes on under another key.
fn hand_over(world: &mut World) {
    let consent = KeyConsent {
        chain: world.chain(),
        account: id("node"),
        sequence: world.sequence("node") + 1,
    };
    let new = secret("spare");
    let consent = Signed::new(consent, &new).signature;
    world.ok(
        "node",
        RotateKey {
            new: NewKey::Operation(new.public(), consent),
            compromised_after: None,
        },
    );
}

fn seeds() -> Vec<Vec<u8>> {
    let story = story();
    let leaves = story.leaves.iter().map(Leaf::to_bytes);
    leaves.chain(story.answers.iter().cloned()).collect()
}
