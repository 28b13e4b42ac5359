//! What a node answers, word for word, and what its silence tells.

use crate::{
    harness::{Node, content, node, settings},
    raw::{Raw, soon},
};
use base::cid::{self, Cid};
use std::{collections::HashSet, time::Instant};
use store::peer::{Absence, Message, Presence, Want, WantKind};
use tokio::sync::mpsc::UnboundedReceiver;

fn want(cid: Cid, kind: WantKind) -> Want {
    let or_absence = Absence::Told;
    Want {
        cid,
        kind,
        or_absence,
    }
}

fn wants(wants: &[Want]) -> Message {
    Message {
        wants: wants.to_vec(),
        ..Message::default()
    }
}

fn put(node: &Node, bytes: &[u8]) -> Cid {
    let cid = cid::of_block(cid::RAW, bytes);
    node.store.put(&cid, bytes).unwrap();
    cid
}

/// Everything the node says until it has spoken of all these CIDs.
async fn answers(heard: &mut UnboundedReceiver<Message>, mut of: HashSet<Cid>) -> Message {
    let mut all = Message::default();
    while !of.is_empty() {
        let message = soon(heard).await.expect("an answer to every want");
        for block in &message.blocks {
            of.retain(|cid| *cid.hash() != *cid::of_block(0x55, &block.data).hash());
        }
        for presence in &message.presences {
            of.remove(&presence.cid);
        }
        all.blocks.extend(message.blocks);
        all.presences.extend(message.presences);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_want() {
    let one = node(settings(1));
    let (raw, mut heard) = Raw::connect(9, &one).await.listen();
    let large = put(&one, &content(5000));
    let small = put(&one, b"small");
    let empty = put(&one, b"");
    let absent = cid::of_block(cid::RAW, b"absent");
    let other_hash: Cid = "bafk2bzacedpc6ng5gfetjtpbzdxnxxrytgyrlphdmvgyomqrr6xpbmxgt4fmu"
        .parse()
        .unwrap();
    let message = wants(&[
        want(large, WantKind::Have),
        want(small, WantKind::Have),
        want(empty, WantKind::Block),
        want(absent, WantKind::Block),
        want(other_hash, WantKind::Have),
    ]);
    raw.say(&message).await;
    let all = answers(
        &mut heard,
        message.wants.iter().map(|want| want.cid).collect(),
    )
    .await;
    let presence = |cid, held| Presence { cid, held };
    assert_eq!(
        all.presences,
        [
            presence(large, true),
            presence(absent, false),
            presence(other_hash, false)
        ]
    );
    let blocks: Vec<&[u8]> = all.blocks.iter().map(|block| &block.data[..]).collect();
    assert_eq!(
        blocks,
        [b"small".as_slice(), b""],
        "small ones answer for themselves"
    );

    // A CID of version 0 gets a block that its asker finds under version 0.
    let mut batch = one.store.batch();
    let old = store::unixfs::add(
        store::unixfs::Profile::UNIXFS_V0_2015,
        &content(300)[..],
        &mut *batch,
    )
    .unwrap();
    batch.commit().unwrap();
    raw.say(&wants(&[want(old.cid, WantKind::Block)])).await;
    let message = soon(&mut heard).await.unwrap();
    assert_eq!(
        (message.blocks[0].version, message.blocks[0].codec),
        (0, 0x70)
    );

    // Silence where absence is not to be told; the wants after it are answered.
    let silent = Want {
        or_absence: Absence::Silent,
        ..want(absent, WantKind::Have)
    };
    raw.say(&wants(&[silent, want(large, WantKind::Block)]))
        .await;
    let message = soon(&mut heard).await.unwrap();
    assert_eq!((message.blocks.len(), message.presences.len()), (1, 0));
    assert!(heard.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_stay_small_and_cancels_count() {
    let one = node(settings(1));
    let (raw, mut heard) = Raw::connect(9, &one).await.listen();
    let all: Vec<Cid> = content(40 * 300_000)
        .chunks(300_000)
        .map(|bytes| put(&one, bytes))
        .collect();
    let message = wants(
        &all.iter()
            .map(|cid| want(*cid, WantKind::Block))
            .collect::<Vec<_>>(),
    );
    raw.say(&message).await;
    let (mut blocks, mut messages) = (0, 0);
    while blocks < all.len() {
        let message = soon(&mut heard).await.unwrap();
        assert!(
            message.encode().len() <= 1 << 20,
            "three blocks fit, four do not"
        );
        blocks += message.blocks.len();
        messages += 1;
    }
    assert_eq!((blocks, messages), (40, 14));

    // Wants that are taken back at once, in one message, are not served.
    let mut both = message.wants.clone();
    both.extend(all[1..].iter().map(|cid| want(*cid, WantKind::Cancel)));
    raw.say(&wants(&both)).await;
    let message = soon(&mut heard).await.unwrap();
    assert_eq!(message.blocks.len(), 1);
    // A list that replaces the one before it.
    let mut full = wants(&[want(all[3], WantKind::Block)]);
    full.full = true;
    raw.say(&full).await;
    assert_eq!(soon(&mut heard).await.unwrap().blocks.len(), 1);
    assert!(heard.try_recv().is_err());
}

/// What is refused is answered as what is absent is: in the same words, after the same time,
/// and the store is not even asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusal_is_absence() {
    let mut settings = settings(1);
    settings.limits.absence = std::time::Duration::from_millis(5);
    let counting = std::sync::Arc::new(crate::fakes::Watched::default());
    let one = crate::harness::node_of(settings, counting.clone());
    let (raw, mut heard) = Raw::connect(9, &one).await.listen();
    let (mut refused, mut absent) = (Vec::new(), Vec::new());
    for round in 0..200u32 {
        let held = put(&one, &round.to_le_bytes().repeat(500));
        let missing = cid::of_block(cid::RAW, &round.to_be_bytes());
        one.policy.secret.lock().unwrap().insert(held);
        let mut pair = [(held, &mut refused), (missing, &mut absent)];
        if round % 2 == 0 {
            pair.reverse();
        }
        for (cid, times) in pair {
            for kind in [WantKind::Block, WantKind::Have] {
                let begun = Instant::now();
                raw.say(&wants(&[want(cid, kind)])).await;
                let message = soon(&mut heard).await.unwrap();
                times.push(begun.elapsed().as_secs_f64());
                let expected = Message {
                    presences: vec![Presence { cid, held: false }],
                    ..Message::default()
                };
                assert_eq!(message, expected);
            }
        }
        assert!(
            !counting.was_asked_for(&held),
            "the store was asked for a refused block"
        );
        assert!(counting.was_asked_for(&missing));
    }
    let z = rank_sum(&refused, &absent);
    assert!(
        z.abs() < 4.0,
        "refusals and absences differ in time: z = {z}"
    );
}

/// The same test on a node that answers as soon as it can tells the two apart, if the store
/// is slow: the test above can fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_fixed_time_it_would_be_told() {
    let mut settings = settings(1);
    settings.limits.absence = std::time::Duration::ZERO;
    let slow = crate::fakes::Watched::slow(std::time::Duration::from_millis(3));
    let one = crate::harness::node_of(settings, std::sync::Arc::new(slow));
    let (raw, mut heard) = Raw::connect(9, &one).await.listen();
    let (mut refused, mut absent) = (Vec::new(), Vec::new());
    for round in 0..100u32 {
        let held = put(&one, &round.to_le_bytes().repeat(500));
        let missing = cid::of_block(cid::RAW, &round.to_be_bytes());
        one.policy.secret.lock().unwrap().insert(held);
        for (cid, times) in [(held, &mut refused), (missing, &mut absent)] {
            let begun = Instant::now();
            raw.say(&wants(&[want(cid, WantKind::Block)])).await;
            soon(&mut heard).await.unwrap();
            times.push(begun.elapsed().as_secs_f64());
        }
    }
    let z = rank_sum(&refused, &absent);
    assert!(z < -4.0, "z = {z}");
}

/// Mann and Whitney's rank sum as a normal deviate: below zero if `a` is the smaller.
fn rank_sum(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = a.iter().map(|time| (*time, true)).collect();
    all.extend(b.iter().map(|time| (*time, false)));
    all.sort_by(|left, right| left.0.total_cmp(&right.0));
    let ranks: f64 = (1..)
        .zip(&all)
        .filter(|(_, (_, of_a))| *of_a)
        .map(|(rank, _)| f64::from(rank))
        .sum();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let mean = n * (n + m + 1.0) / 2.0;
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    (ranks - mean) / deviation
}

#[test]
fn rank_sums() {
    let rising: Vec<f64> = (0..50).map(f64::from).collect();
    let higher: Vec<f64> = rising.iter().map(|time| time + 100.0).collect();
    assert!(rank_sum(&rising, &higher) < -8.0);
    assert!(rank_sum(&higher, &rising) > 8.0);
    assert!(rank_sum(&rising, &rising.clone()).abs() < 1.0);
}
