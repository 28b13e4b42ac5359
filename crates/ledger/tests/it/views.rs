//! What a view shows beside what the blocks say, for every index and every size: blocks of
//! no, one and many leaves, pages of every length, proofs of everything.

use base::{Millis, OperationId, codec, operation::*};
use ledger::{Leaf, Page};

use crate::world::*;

fn bag(version: u64) -> Bag {
    Bag {
        version,
        commitment: digest("bag"),
    }
}

/// Blocks of one operation, and two of several.
fn story() -> World {
    let mut world = World::cast();
    for versions in [1..=4, 5..=11] {
        let batch = versions.map(|version| world.sign("pat", bag(version)).to_bytes().0);
        let batch = batch.collect();
        assert!(world.block(batch).iter().all(Result::is_ok));
    }
    world.record("mercy", "pat", "r", &[("s", "c")]);
    world
}

#[test]
fn leaves_and_the_blocks_that_hold_them() {
    let world = story();
    let view = world.view();
    let head = view.head().unwrap();
    let (height, size) = (head.header.height, head.header.tree_size);
    assert_eq!(view.head_at(height).unwrap(), Some(head));
    assert_eq!(view.head_at(height + 1).unwrap(), None);
    assert_eq!(view.block(height + 1).unwrap(), None);
    let mut leaves: Vec<Leaf> = Vec::new();
    for height in 1..=height {
        let block = view.block(height).unwrap().unwrap();
        let header = &block.head.header;
        assert_eq!(header.first_leaf, leaves.len() as u64);
        leaves.extend(block.leaves.iter().map(|leaf| codec::decode(leaf).unwrap()));
        assert_eq!(header.tree_size, leaves.len() as u64);
        for index in header.first_leaf..header.tree_size {
            let found = view.head_of(index).unwrap().unwrap();
            assert_eq!(found, block.head, "leaf {index}");
            let leaf = &leaves[index as usize];
            assert_eq!(view.leaf(index).unwrap().as_ref(), Some(leaf));
            let id = leaf.operation.to_bytes().1;
            assert_eq!(view.index_of(id).unwrap(), Some(index));
            assert_eq!(view.operation(id).unwrap(), Some((index, leaf.clone())));
            // The receipt of long ago is of its block, and holds.
            let receipt = view.receipt(id).unwrap().unwrap();
            let receipt = receipt.verify(&world.ledger().validators(), &leaf.operation);
            let receipt = receipt.unwrap();
            assert!(receipt.is_of_its_block());
            assert_eq!(receipt.head().header.height, height);
        }
    }
    assert_eq!(leaves.len() as u64, size);
    assert_eq!(view.head_of(size).unwrap(), None);
    assert_eq!(view.leaf(size).unwrap(), None);
    let unknown = OperationId::of(b"x");
    assert_eq!(view.index_of(unknown).unwrap(), None);
    assert_eq!(view.operation(unknown).unwrap(), None);
    assert_eq!(view.receipt(unknown).unwrap(), None);
    for (from, limit) in [(0, 1), (0, 5), (7, 3), (size - 1, 9), (size, 9), (3, 0)] {
        let rest = leaves[from as usize..].iter().take(limit);
        let rest: Vec<Leaf> = rest.cloned().collect();
        assert_eq!(view.leaves(from, limit).unwrap(), rest, "{from} {limit}");
    }
}

#[test]
fn a_receipt_under_a_later_head_is_not_of_its_block() {
    let world = story();
    let view = world.view();
    let leaf = view.leaf(2).unwrap().unwrap();
    let id = leaf.operation.to_bytes().1;
    let mut receipt = view.receipt(id).unwrap().unwrap();
    let head = view.head().unwrap();
    let size = head.header.tree_size;
    receipt.inclusion = view.inclusion(2, size).unwrap().unwrap();
    receipt.head = head;
    let receipt = receipt.verify(&world.ledger().validators(), &leaf.operation);
    assert!(!receipt.unwrap().is_of_its_block());
}

/// At most about 1 MiB, and always one.
#[test]
fn leaves_stop_before_they_are_too_many_bytes() {
    let mut world = World::cast();
    let first = world.view().head().unwrap().header.tree_size;
    let record = world.publish("mercy", "pat", "r");
    // Operations of about 380,000 bytes that are refused by a rule, so that they may repeat.
    let parts = |salt: usize| -> Vec<PartKey> {
        let part = |part: usize| PartKey {
            part: part as u32,
            sid: sid("s"),
            ctid: ctid(&format!("{salt} {part}")),
        };
        (0..4_097).map(part).collect()
    };
    for salt in 0..4 {
        let accept = Accept {
            record,
            state: state("r"),
            parts: parts(salt),
        };
        world.send("pat", accept);
    }
    let view = world.view();
    let length = view.leaf(first + 1).unwrap().unwrap().to_bytes().len();
    assert!((codec::MAX_OBJECT / 4..codec::MAX_OBJECT).contains(&length));
    let fit = codec::MAX_OBJECT / length;
    assert_eq!(view.leaves(first + 1, 9).unwrap().len(), fit.min(4));
    assert!(fit < 4, "{length}");
}

#[test]
fn proofs_for_every_index_and_size() {
    let world = story();
    let view = world.view();
    let size = view.head().unwrap().header.tree_size;
    for to in 0..=size {
        let root = view.root_at(to).unwrap();
        for from in 0..=to {
            let proof = view.consistency(from, to).unwrap().unwrap();
            proof.verify(&view.root_at(from).unwrap(), &root).unwrap();
        }
        for index in 0..to {
            let proof = view.inclusion(index, to).unwrap().unwrap();
            let leaf = view.leaf(index).unwrap().unwrap().to_bytes();
            proof.verify(&leaf, &root).unwrap();
        }
        assert_eq!(view.inclusion(to, to).unwrap(), None);
        assert_eq!(view.consistency(to + 1, to).unwrap(), None);
    }
    assert_eq!(view.inclusion(0, size + 1).unwrap(), None);
    assert_eq!(view.consistency(0, size + 1).unwrap(), None);
}

#[test]
fn pages_of_every_length() {
    let world = story();
    let view = world.view();
    let all = view.operations_of(id("pat"), Page::default()).unwrap();
    assert_eq!(all.next, None);
    assert_eq!(all.items.len() as u64, view.sequence(id("pat")).unwrap());
    for limit in 1..=all.items.len() {
        let (mut items, mut from) = (Vec::new(), Some(0));
        while let Some(start) = from {
            let page = Page { from: start, limit };
            let page = view.operations_of(id("pat"), page).unwrap();
            assert!(!page.items.is_empty() && page.items.len() <= limit);
            items.extend(page.items);
            from = page.next;
        }
        assert_eq!(items, all.items, "{limit}");
    }
    let accounts = view.accounts(Page::default()).unwrap().items;
    assert_eq!(accounts[0].id, id("mercy"));
    let nobody = view.operations_of(id("nobody"), Page::default()).unwrap();
    assert_eq!((nobody.items.len(), nobody.next), (0, None));
    let nothing = OperationId::of(b"x");
    let none = view.queries_of_grant(nothing, Page::default()).unwrap();
    assert_eq!((none.items.len(), none.next), (0, None));
}

#[test]
fn states_delegations_proposals_disputes_and_vouchers_are_listed() {
    let mut world = story();
    world.register("guardian", Role::Patient);
    let record = record_id("mercy", "r");
    let modify = Modify {
        record,
        before: state("r"),
        after: state("r2"),
    };
    world.ok("mercy", modify);
    let list = [("s", "d")];
    world.accept("pat", record, state("r2"), &list);
    let rewrap = Rewrap {
        record,
        before: state("r2"),
        after: state("r3"),
        parts: parts(&[("s", "e")]),
    };
    world.ok("pat", rewrap);
    let delegate = Delegate {
        delegate: id("guardian"),
        powers: vec![Power::Accept],
        expires: world.now().plus(Millis::DAY),
    };
    let delegation = world.ok("pat", delegate);
    let dispute = Dispute {
        subject: Subject::Record(record),
        code: DisputeCode::WrongPatient,
        commitment: digest("why"),
    };
    let dispute = world.ok("pat", dispute);
    let admit = Admit {
        institution: id("loner"),
        group: Some(4),
        nonce: nonce("loner"),
    };
    let proposal = world.ok("node", admit);
    let view = world.view();
    let states = view.states_of(record, Page::default()).unwrap().items;
    let states: Vec<_> = states.iter().map(|info| info.state).collect();
    assert_eq!(states, ["r", "r2", "r3"].map(state));
    for name in ["pat", "guardian"] {
        let found = view.delegations_of(id(name), Page::default()).unwrap();
        assert_eq!(found.items[0].id, delegation, "{name}");
    }
    assert_eq!(view.disputes(Page::default()).unwrap().items[0].id, dispute);
    assert_eq!(
        view.proposals(Page::default()).unwrap().items[0].id,
        proposal
    );
    let institutions = view.institutions().unwrap();
    assert_eq!(institutions.len(), 5);
    assert!(institutions.is_sorted_by_key(|institution| institution.account));
    let loner = institutions
        .iter()
        .find(|found| found.account == id("loner"));
    assert_eq!(loner.unwrap().group, Some(4));
    assert_eq!(view.vouchers_of(id("pat")).unwrap().len(), 0);
    for name in ["pat", "mercy"] {
        let records = view.records_of(id(name), Page::default()).unwrap().items;
        assert_eq!(records[0].id, record, "{name}");
    }
}

/// An agent that lied is marked, and has no place among hospitals.
#[test]
fn only_hospitals_are_ranked() {
    let mut world = World::cast();
    let list = [("s", "c")];
    let record = world.record("mercy", "pat", "r", &list);
    let grant = world.grant("institute", &["s"], &["ag"]);
    let part = parts(&list)[0];
    let query = world.querying(&want(grant, "institute", "ag", record, "r", part));
    let query = world.ok("ag", query);
    world.ok("institute", accepted(query));
    let dispute = Dispute {
        subject: Subject::Query(query),
        code: DisputeCode::LyingAgent,
        commitment: digest("why"),
    };
    let dispute = world.ok("pat", dispute);
    let resolve = Resolve {
        dispute,
        resolution: Resolution::Upheld,
    };
    world.ok("node", resolve);
    let view = world.view();
    assert_eq!(view.standing(id("ag")).unwrap().unwrap().marks, 1);
    let ranking = view.ranking(world.now()).unwrap();
    let ranked: Vec<_> = ranking.iter().map(|line| line.hospital).collect();
    assert_eq!(ranked, [id("mercy")]);
}
