//! Chosen cases: what each ground opens and ends, and what strangers try.

use base::{Millis, cid, operation::*};
use ledger::Outcome;
use medshare::peers::{hint::Says, releases::Freshly};

use crate::{
    stage::{Stage, account, now},
    world,
};

#[test]
fn publisher_patient_grant_copy_and_nobody_else() {
    let stage = Stage::new();
    let (record, root, body) = stage.record("general", "pat", "r", "s");
    // Pat was met by mercy.
    assert_eq!(stage.who(&root), ["n-mercy", "n-general"]);
    assert_eq!(stage.who(&body), ["n-mercy", "n-general"]);
    let grant = stage
        .grant("pat", "institute", "s", "ac", GrantUse::Ordinary)
        .unwrap();
    let four = ["n-mercy", "n-general", "n-coast", "n-institute"];
    assert_eq!(stage.who(&body), four, "requester and agent as well");
    assert!(!stage.releases.may_have(b"a stranger", &body));
    assert!(!stage.may_have("n-free", &body));
    // not while the upstream is silent, and nothing at all once the ledger is in doubt
    stage.freshly(Freshly::Stale);
    assert_eq!(stage.who(&body), ["n-mercy", "n-general"]);
    stage.freshly(Freshly::Halted);
    assert!(stage.who(&body).is_empty());
    stage.freshly(Freshly::Current);
    assert_eq!(stage.who(&body), four);
    stage.ok("pat", Revoke { grant });
    assert_eq!(stage.who(&body), ["n-mercy", "n-general"]);
    // a copy to keep: the word of the publisher's node, and of no other
    assert!(stage.say("n-institute", root, Says::Entrusted(account("n-coast"))));
    assert_eq!(stage.who(&body), ["n-mercy", "n-general"]);
    assert!(stage.say("n-general", root, Says::Entrusted(account("n-coast"))));
    assert_eq!(stage.who(&body), ["n-mercy", "n-general", "n-coast"]);
    stage.tick(1);
    assert!(stage.say("n-general", root, Says::Withdrawn(account("n-coast"))));
    assert_eq!(stage.who(&body), ["n-mercy", "n-general"]);
    stage.tick(1);
    assert!(stage.say("n-general", root, Says::Entrusted(account("n-coast"))));
    // erased by its patient: hers and the copies end, the publisher's stays his
    stage.ok("pat", Erase { record });
    assert_eq!(stage.who(&body), ["n-general"]);
    stage.ok("general", Erase { record });
    assert!(stage.who(&body).is_empty());
}

#[test]
fn a_grant_ends_by_itself_and_covers_the_accepted_state_alone() {
    let stage = Stage::new();
    let (record, root, body) = stage.record("general", "pat", "r", "s");
    stage
        .grant("pat", "institute", "s", "ac", GrantUse::Ordinary)
        .unwrap();
    assert!(stage.may_have("n-institute", &root));
    let (next, next_body) = stage.seal(record, "r2", Some(root));
    stage.ok(
        "general",
        Modify {
            record,
            before: root,
            after: next,
        },
    );
    assert!(
        !stage.may_have("n-institute", &next_body),
        "it waits for its patient"
    );
    assert!(
        stage.may_have("n-mercy", &next_body),
        "who must be able to look"
    );
    let parts = world::parts(&[("other", "r2")]);
    stage.ok(
        "pat",
        Accept {
            record,
            state: next,
            parts,
        },
    );
    assert!(
        !stage.may_have("n-institute", &body),
        "no part is under the grant any more"
    );
    stage
        .grant("pat", "institute", "other", "ac", GrantUse::Ordinary)
        .unwrap();
    assert!(stage.may_have("n-institute", &next_body));
    stage.tick(Millis::HOUR - 1_000);
    assert!(stage.may_have("n-institute", &next_body));
    stage.tick(1_000);
    assert!(!stage.may_have("n-institute", &next_body));
}

#[test]
fn the_glass_must_be_broken() {
    let stage = Stage::new();
    let (_, root, _) = stage.record("general", "pat", "r", "s");
    stage
        .grant("pat", "coast", "s", "ai", GrantUse::Emergency)
        .unwrap();
    assert!(!stage.may_have("n-coast", &root));
    stage.ok(
        "coast",
        Emergency {
            patient: account("pat"),
            code: EmergencyCode::Urgent,
        },
    );
    assert!(stage.may_have("n-coast", &root));
    assert!(stage.may_have("n-institute", &root), "the agent too");
}

#[test]
fn public_keys_are_for_every_admitted_node_and_other_blocks_for_none() {
    let stage = Stage::new();
    let h = cid::of_block(cid::RAW, b"pat");
    assert_eq!(
        stage.who(&h),
        ["n-mercy", "n-general", "n-coast", "n-institute"]
    );
    let page = cid::of_block(cid::RAW, b"a page of a key bag");
    stage.shelf.0.lock().unwrap().pinned.insert(page);
    assert!(stage.who(&page).is_empty());
}

#[test]
fn a_strangers_record_that_links_to_another_opens_nothing() {
    let stage = Stage::new();
    let (_, root, body) = stage.record("general", "pat", "r", "s");
    // coast makes a record of its own whose state before is general's root, as the ledger
    // shows it, and gets it pinned here
    let own = world::record_id("coast", "trick");
    let (trick, trick_body) = stage.seal(own, "trick", Some(root));
    let publish = Publish {
        record: own,
        nonce: world::nonce("trick"),
        patient: account("quinn"),
        after: trick,
    };
    stage.ok("coast", publish);
    assert!(!stage.may_have("n-coast", &root));
    assert!(!stage.may_have("n-coast", &body));
    assert!(
        !stage.may_have("n-coast", &trick_body),
        "such a root counts for nothing"
    );
    assert!(stage.may_have("n-general", &body));
    // it logs general's root as a state of its own
    let steal = Publish {
        record: world::record_id("coast", "steal"),
        nonce: world::nonce("steal"),
        patient: account("quinn"),
        after: root,
    };
    stage.ok("coast", steal);
    assert!(!stage.may_have("n-coast", &root));
    // an honest later record that shares a body does not open the earlier one
    let shared = world::record_id("coast", "shared");
    let (later, _) = stage.seal(shared, "r", None);
    let publish = Publish {
        record: shared,
        nonce: world::nonce("shared"),
        patient: account("quinn"),
        after: later,
    };
    stage.ok("coast", publish);
    assert!(!stage.may_have("n-coast", &body));
    assert!(stage.may_have("n-general", &body));
    assert!(stage.may_have("n-coast", &later));
}

#[test]
fn who_names_anothers_peer_gains_nothing() {
    let stage = Stage::new();
    let (_, root, _) = stage.record("general", "pat", "r", "s");
    // coast's node says its peer is general's
    let theirs = serde_bytes::ByteBuf::from(crate::stage::peer("n-general"));
    stage.ok(
        "n-coast",
        RotateKey {
            new: NewKey::Peer(theirs),
            compromised_after: None,
        },
    );
    assert!(
        !stage.may_have("n-coast", &root),
        "its own peer is no node's any more"
    );
    assert!(stage.may_have("n-general", &root));
    let (_, own, _) = stage.record("coast", "quinn", "q", "s");
    assert!(stage.may_have("n-general", &own), "it lent its own rights");
}

#[test]
fn hints_of_strangers_of_the_future_and_of_nothing_do_not_count() {
    let stage = Stage::new();
    let (_, root, _) = stage.record("general", "pat", "r", "s");
    assert!(!stage.say("n-free", root, Says::Held), "it joined nobody");
    let nothing = cid::of_object(b"no state");
    assert!(!stage.say("n-coast", nothing, Says::Held));
    assert!(stage.say("n-coast", root, Says::Held));
    assert!(
        !stage.say("n-coast", root, Says::Dropped),
        "of the same time"
    );
    assert_eq!(stage.hints.holders(&root), [account("n-coast")]);
    stage.tick(1);
    assert!(stage.say("n-coast", root, Says::Dropped));
    assert!(stage.hints.holders(&root).is_empty());
    let before = now();
    let rotated = stage.send(
        "n-coast",
        RotateKey {
            new: NewKey::Peer(serde_bytes::ByteBuf::from(b"another".to_vec())),
            compromised_after: None,
        },
    );
    assert_eq!(rotated.1, Outcome::Ok);
    assert!(now() > before);
    assert!(
        !stage.say("n-coast", root, Says::Held),
        "under its former peer id"
    );
}
