//! Records, states, scopes, bags, erasure: each rule good and bad.

use base::{cid, operation::*};
use ledger::{Failure, Page, StateStatus};

use crate::world::*;

#[test]
fn publishing() {
    let mut world = World::cast();
    let good = world.publishing("mercy", "pat", "r");
    world.fails("institute", good, Failure::WrongRole);
    world.fails("pat", good, Failure::WrongRole);
    world.fails("general", good, Failure::BadRecordId); // another's nonce
    world.fails(
        "mercy",
        Publish {
            patient: id("am"),
            ..good
        },
        Failure::UnknownAccount,
    );
    world.fails(
        "mercy",
        Publish {
            patient: id("nobody"),
            ..good
        },
        Failure::UnknownAccount,
    );
    let raw = cid::of_block(cid::RAW, b"raw");
    world.fails("mercy", Publish { after: raw, ..good }, Failure::BadState);
    world.register("quack", Role::Hospital);
    let quack = world.publishing("quack", "pat", "r");
    world.fails("quack", quack, Failure::NotAdmitted);
    world.ok("mercy", good);
    world.fails("mercy", good, Failure::RecordExists);
    for owner in ["mercy", "pat"] {
        let listing = world.view().records_of(id(owner), Page::default()).unwrap();
        assert_eq!(listing.items.len(), 1);
        assert_eq!(listing.items[0].pending, Some(state("r")));
    }
    // Two hospitals may publish the same root: nobody can squat another's state.
    let twin = Publish {
        after: state("r"),
        ..world.publishing("general", "pat", "r")
    };
    world.ok("general", twin);
}

#[test]
fn states_follow_each_other() {
    let mut world = World::cast();
    let record = world.publish("mercy", "pat", "s0");
    let modify = |before: &str, after: &str| Modify {
        record,
        before: state(before),
        after: state(after),
    };
    let accept = |at: &str| Accept {
        record,
        state: state(at),
        parts: parts(&[("s", at), ("s", "c1")]),
    };
    world.fails("mercy", modify("s0", "s1"), Failure::StatePending);
    world.fails("quinn", accept("s0"), Failure::NotYours);
    world.fails("pat", accept("s1"), Failure::NothingPending);
    world.ok("pat", accept("s0"));
    world.fails("pat", accept("s0"), Failure::NothingPending);
    world.fails("mercy", modify("s1", "s2"), Failure::NotLastAccepted);
    world.fails("general", modify("s0", "s1"), Failure::NotYours);
    world.fails("mercy", modify("s0", "s0"), Failure::StateReused);
    world.ok("mercy", modify("s0", "s1"));
    world.fails("mercy", modify("s0", "s2"), Failure::StatePending);
    // the accepted state stays queryable while another is pending
    let view = world.view().record(record).unwrap().unwrap();
    assert_eq!(
        (view.accepted, view.pending),
        (Some(state("s0")), Some(state("s1")))
    );
    let reject = |at: &str| Reject {
        record,
        state: state(at),
        code: RejectCode::Invalid,
    };
    world.fails("pat", reject("s0"), Failure::NothingPending);
    world.fails("quinn", reject("s1"), Failure::NotYours);
    world.ok("pat", reject("s1"));
    // a rejected state does not come back
    world.fails("mercy", modify("s0", "s1"), Failure::StateReused);
    world.ok("mercy", modify("s0", "s2"));
    world.ok("pat", accept("s2"));
    let states = world
        .view()
        .states_of(record, Page::default())
        .unwrap()
        .items;
    let said: Vec<_> = states
        .iter()
        .map(|info| (info.state, matches!(info.status, StateStatus::Accepted(_))))
        .collect();
    assert_eq!(
        said,
        [
            (state("s0"), true),
            (state("s1"), false),
            (state("s2"), true)
        ]
    );
    let unknown = Modify {
        record: record_id("mercy", "none"),
        ..modify("s2", "s3")
    };
    world.fails("mercy", unknown, Failure::UnknownRecord);
}

#[test]
fn lists_of_parts() {
    let mut world = World::cast();
    let record = world.publish("mercy", "pat", "r");
    let accept = |parts: Vec<PartKey>| Accept {
        record,
        state: state("r"),
        parts,
    };
    let two = parts(&[("s", "c0"), ("s", "c1")]);
    world.fails("pat", accept(vec![]), Failure::BadParts);
    world.fails("pat", accept(vec![two[1], two[0]]), Failure::BadParts);
    world.fails("pat", accept(vec![two[1]]), Failure::BadParts);
    let twice = parts(&[("s", "c0"), ("t", "c0")]);
    world.fails("pat", accept(twice), Failure::BadParts);
    world.ok("pat", accept(two));
}

#[test]
fn rewrapping() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c0"), ("s", "c1")]);
    let rewrap = |before: &str, after: &str| Rewrap {
        record,
        before: state(before),
        after: state(after),
        parts: parts(&[("t", "d0"), ("t", "d1")]),
    };
    world.fails("mercy", rewrap("r", "r2"), Failure::WrongRole);
    world.fails("quinn", rewrap("r", "r2"), Failure::NotYours);
    world.fails("pat", rewrap("x", "r2"), Failure::NotLastAccepted);
    world.fails("pat", rewrap("r", "r"), Failure::StateReused);
    let shorter = Rewrap {
        parts: parts(&[("t", "d0")]),
        ..rewrap("r", "r2")
    };
    world.fails("pat", shorter, Failure::BadParts);
    world.ok(
        "mercy",
        Modify {
            record,
            before: state("r"),
            after: state("m"),
        },
    );
    world.fails("pat", rewrap("r", "r2"), Failure::StatePending);
    world.ok(
        "pat",
        Reject {
            record,
            state: state("m"),
            code: RejectCode::Unavailable,
        },
    );
    world.ok("pat", rewrap("r", "r2"));
    let after = world.view().record(record).unwrap().unwrap();
    assert_eq!(after.accepted, Some(state("r2")));
    assert_eq!(after.parts[1].ctid, ctid("d1"));
}

#[test]
fn scopes_retire() {
    let mut world = World::cast();
    let rotate = |from: &str, to: &str| RotateScope {
        sid: sid(from),
        next: sid(to),
    };
    world.fails("mercy", rotate("s", "t"), Failure::WrongRole);
    world.fails("pat", rotate("s", "s"), Failure::BadShape);
    world.ok("pat", rotate("s", "t"));
    world.fails("pat", rotate("s", "u"), Failure::RetiredScope);
    world.fails("pat", rotate("t", "s"), Failure::RetiredScope); // no way back
    world.ok("pat", rotate("t", "u"));
    let scope = world.view().scope(id("pat"), sid("s")).unwrap().unwrap();
    assert_eq!(scope.next, Some(sid("t")));
    // Nobody retires another's scope by naming it.
    world.ok("quinn", rotate("u", "v"));
    assert!(world.view().scope(id("pat"), sid("u")).unwrap().is_none());
}

#[test]
fn bags_only_grow() {
    let mut world = World::cast();
    let bag = |version| Bag {
        version,
        commitment: digest("bag"),
    };
    world.fails("mercy", bag(1), Failure::WrongRole);
    world.ok("pat", bag(3));
    world.fails("pat", bag(3), Failure::StaleBag);
    world.fails("pat", bag(2), Failure::StaleBag);
    world.ok("pat", bag(4));
    assert_eq!(world.view().bag(id("pat")).unwrap().unwrap().version, 4);
}

#[test]
fn erasure_ends_a_record() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c")]);
    let grant = world.grant("institute", &["s"], &["ag"]);
    world.fails("quinn", Erase { record }, Failure::NotYours);
    world.fails("general", Erase { record }, Failure::NotYours);
    world.fails("ag", Erase { record }, Failure::WrongRole);
    world.ok("mercy", Erase { record });
    world.fails("mercy", Erase { record }, Failure::AlreadyErased);
    let part = parts(&[("s", "c")])[0];
    let query = world.querying(&want(grant, "institute", "ag", record, "r", part));
    world.fails("ag", query, Failure::RecordErased);
    let modify = Modify {
        record,
        before: state("r"),
        after: state("r2"),
    };
    world.fails("mercy", modify, Failure::RecordErased);
    world.ok("pat", Erase { record }); // her own receipt
}
