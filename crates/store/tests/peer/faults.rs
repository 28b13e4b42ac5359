//! Hostile and failing peers. After each, the node serves others.

use crate::{
    fakes::Watched,
    harness::{Node, content, file, node, node_of, options, settings, until},
    raw::{self, Raw, soon, varint},
};
use base::cid::{self, Cid};
use bytes::Bytes;
use libp2p::futures::{AsyncReadExt as _, AsyncWriteExt as _};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use store::{
    BlockStore, PutError,
    peer::{Block, FetchError, FetchOptions, Message, PeerId, WantKind},
    walk,
};
use tokio::task::JoinHandle;

/// Somebody else gets a file from this node, while all this goes on.
async fn serves_others(one: &Node) {
    let root = file(&*one.store, 300_000, 4096);
    let other = node(settings(77));
    other.knows(one);
    let fetched = other.peer.fetch(root, &[one.peer.id()], options()).await;
    assert!(fetched.unwrap().blocks > 70);
    assert!(walk::verify(&*other.store, root).faults.is_empty());
    other.peer.stop().await;
}

/// Every block of a tree by its CID.
fn blocks(root: Cid, of: &dyn BlockStore) -> HashMap<Cid, Bytes> {
    walk::Walk::new(of, root)
        .map(|block| block.map(|(cid, bytes)| (cid, Bytes::from(bytes))).unwrap())
        .collect()
}

/// A connected peer that answers each block that is wanted of it with what `answer` gives.
async fn liar(
    seed: u8,
    to: &Node,
    answer: impl Fn(&Cid) -> Option<Block> + Send + Sync + 'static,
) -> (PeerId, JoinHandle<()>) {
    let (raw, mut heard) = Raw::connect(seed, to).await.listen();
    let id = raw.id;
    until("it is connected", || {
        to.peer.peers().iter().any(|peer| peer.id == id)
    })
    .await;
    let lies = tokio::spawn(async move {
        while let Some(message) = heard.recv().await {
            let wanted = message
                .wants
                .iter()
                .filter(|want| want.kind == WantKind::Block);
            for block in wanted.filter_map(|want| answer(&want.cid)) {
                let message = Message {
                    blocks: vec![block],
                    ..Message::default()
                };
                let Ok(mut stream) = raw.stream().await else {
                    return;
                };
                let _ = raw::write(&mut stream, &message.encode()).await;
                let _ = stream.close().await;
            }
        }
    });
    (id, lies)
}

fn block(cid: &Cid, data: Bytes) -> Block {
    Block {
        version: 1,
        codec: u8::try_from(cid.codec()).unwrap(),
        data,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bytes_are_dropped_counted_and_end_in_a_ban() {
    let mut settings_of_one = settings(1);
    settings_of_one.limits.wrong_blocks = 3;
    let (one, two) = (node(settings_of_one), node(settings(2)));
    let root = file(&*two.store, 200_000, 4096);
    let lie = |cid: &Cid| Some(block(cid, Bytes::from(cid.to_bytes())));
    let (liar, lies) = liar(9, &one, lie).await;
    one.knows(&two);
    until("both are connected", || one.peer.peers().len() == 2).await;
    let providers = [liar, two.peer.id()];
    let fetched = one.peer.fetch(root, &providers, options()).await.unwrap();
    assert_eq!(
        fetched.from.get(&liar),
        None,
        "no byte of the liar's counts"
    );
    assert!(walk::verify(&*one.store, root).faults.is_empty());
    // Alone, it gives nothing, and is out after the third.
    for _ in 0..3 {
        let nowhere = cid::of_block(cid::RAW, b"nowhere");
        let failed = one.peer.fetch(nowhere, &[liar], options()).await;
        assert!(failed.is_err());
    }
    until("it is cut", || {
        one.peer.peers().iter().all(|peer| peer.id != liar)
    })
    .await;
    lies.await.unwrap();
    // It is not let in again.
    let again = Raw::connect(9, &one).await;
    tokio::time::timeout(Duration::from_secs(5), again.task)
        .await
        .expect("the banned peer is cut")
        .unwrap();
    serves_others(&one).await;
}

/// A ban ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_is_not_for_ever() {
    let mut settings = settings(1);
    settings.limits.wrong_blocks = 1;
    settings.limits.ban = Duration::from_millis(500);
    let one = node(settings);
    let raw = Raw::connect(9, &one).await;
    let nothing = cid::of_block(cid::RAW, b"");
    let unasked = Message {
        blocks: vec![block(&nothing, Bytes::from_static(b"take this"))],
        ..Message::default()
    };
    raw.say(&unasked).await;
    raw.task.await.unwrap(); // cut
    until("it is let in again", || one.peer.peers().is_empty()).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (raw, mut heard) = Raw::connect(9, &one).await.listen();
    let held = cid::of_block(cid::RAW, b"held");
    one.store.put(&held, b"held").unwrap();
    let want = store::peer::Want {
        cid: held,
        kind: WantKind::Block,
        or_absence: store::peer::Absence::Told,
    };
    let message = Message {
        wants: vec![want],
        ..Message::default()
    };
    raw.say(&message).await;
    assert_eq!(soon(&mut heard).await.unwrap().blocks[0].data, &b"held"[..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_answers() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    let root = file(&*two.store, 200_000, 4096);
    let (silent, _) = liar(9, &one, |_| None).await;
    let begun = Instant::now();
    let failed = one.peer.fetch(root, &[silent], options()).await;
    assert!(matches!(failed, Err(FetchError::Stalled(cid)) if cid == root));
    assert!(begun.elapsed() < Duration::from_secs(10));
    // With another, the silent one costs the patience, once.
    one.knows(&two);
    until("both are connected", || one.peer.peers().len() == 2).await;
    let providers = [silent, two.peer.id()];
    let begun = Instant::now();
    one.peer.fetch(root, &providers, options()).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    assert!(walk::verify(&*one.store, root).faults.is_empty());
    serves_others(&one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_answers_at_1_kib_a_second() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    let root = file(&*two.store, 2_000_000, 1 << 17);
    let tree = blocks(root, &*two.store);
    let (raw, mut heard) = Raw::connect(9, &one).await.listen();
    let slow = raw.id;
    tokio::spawn(async move {
        while let Some(message) = heard.recv().await {
            for want in &message.wants {
                let data = tree.get(&want.cid).cloned();
                let Some(data) = data.filter(|_| want.kind == WantKind::Block) else {
                    continue;
                };
                let message = Message {
                    blocks: vec![block(&want.cid, data)],
                    ..Message::default()
                };
                let Ok(mut stream) = raw.stream().await else {
                    return;
                };
                tokio::spawn(async move {
                    let frame = message.encode();
                    let _ = stream.write_all(&varint(frame.len() as u64)).await;
                    for kib in frame.chunks(1 << 10) {
                        if stream.write_all(kib).await.is_err() || stream.flush().await.is_err() {
                            return;
                        }
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                });
            }
        }
    });
    until("it is connected", || !one.peer.peers().is_empty()).await;
    // The root is small and comes; the leaves would take minutes.
    let begun = Instant::now();
    let failed = one.peer.fetch(root, &[slow], options()).await;
    assert!(matches!(failed, Err(FetchError::Stalled(_))), "{failed:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    one.knows(&two);
    until("both are connected", || one.peer.peers().len() == 2).await;
    let providers = [slow, two.peer.id()];
    let begun = Instant::now();
    one.peer.fetch(root, &providers, options()).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert!(walk::verify(&*one.store, root).faults.is_empty());
    serves_others(&one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_opens_10000_streams() {
    let one = node(settings(1));
    let (mut opened, mut connections) = (0, 0);
    while opened < 10_000 {
        let Ok(raw) = Raw::dial(9, one.peer.listening().remove(0)).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue; // as many connections as one peer may have
        };
        connections += 1;
        let mut streams = Vec::new();
        // More than 512 at once would be refused by Yamux on this side.
        while opened < 10_000
            && streams.len() < 400
            && let Ok(Ok(mut stream)) =
                tokio::time::timeout(Duration::from_millis(500), raw.stream()).await
        {
            opened += 1;
            // A part of a message, so that the stream is being read from.
            let _ = stream.write_all(&varint(1000)).await;
            let _ = stream.flush().await;
            streams.push(stream);
        }
        if connections == 1 {
            assert_eq!(kept(&mut streams).await, 32, "of {}", streams.len());
        }
    }
    serves_others(&one).await;
}

/// How many of these streams the node has not closed.
async fn kept(streams: &mut [libp2p::core::muxing::SubstreamBox]) -> usize {
    let (mut kept, mut end) = (0, [0]);
    for stream in streams {
        let read = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut end)).await;
        kept += usize::from(read.is_err());
    }
    kept
}

/// The limit is the peer's, not the connection's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_over_several_connections() {
    let one = node(settings(1));
    let (first, second) = (Raw::connect(9, &one).await, Raw::connect(9, &one).await);
    let mut streams = Vec::new();
    for raw in [&first, &second] {
        for _ in 0..40 {
            let mut stream = raw.stream().await.unwrap();
            let _ = stream.write_all(&varint(1000)).await; // it may be closed already
            let _ = stream.flush().await;
            streams.push(stream);
        }
    }
    assert_eq!(kept(&mut streams).await, 32);
    serves_others(&one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impossible_lengths_and_nonsense() {
    let mut settings = settings(1);
    settings.limits.wrong_blocks = 6;
    let one = node(settings);
    let raw = Raw::connect(9, &one).await;
    let nonsense = [
        varint(3 << 30),
        varint((4 << 20) + 1),
        varint(u64::MAX),
        vec![0xff; 32],
        [varint(4), b"\xff\xff\xff\xff".to_vec()].concat(),
    ];
    for (index, bytes) in nonsense.iter().enumerate() {
        let mut stream = raw.stream().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        until("it is counted", || {
            one.peer.peers()[0].wrong == index as u32 + 1
        })
        .await;
        if index < 4 {
            let mut end = [0];
            let closed = stream.read(&mut end).await;
            assert!(matches!(closed, Ok(0) | Err(_)), "the stream is closed");
        }
    }
    serves_others(&one).await;
    // The sixth time it is cut.
    let mut stream = raw.stream().await.unwrap();
    stream.write_all(&varint(3 << 30)).await.unwrap();
    stream.flush().await.unwrap();
    raw.task.await.unwrap();
    serves_others(&one).await;
}

fn chain(store: &dyn BlockStore, length: usize, links: usize) -> Cid {
    let mut below = cid::of_block(cid::RAW, b"the end");
    store.put(&below, b"the end").unwrap();
    for height in 0..length {
        let links: Vec<_> = (0..links).map(|_| below).collect();
        let bytes = serde_ipld_dagcbor::to_vec(&(height, links)).unwrap();
        below = cid::of_object(&bytes);
        store.put(&below, &bytes).unwrap();
    }
    below
}

/// No provider can make a cycle, because a CID is the hash of what it names; it can make a
/// tree of any depth, and one with more paths than anybody can walk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_trees_and_trees_of_many_paths() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    two.knows(&one);
    let fetch = |root, options| two.peer.fetch(root, &[one.peer.id()], options);
    let limit = FetchOptions::default().depth;
    let deep = chain(&*one.store, limit + 1, 1);
    let failed = fetch(deep, options()).await;
    assert!(
        matches!(failed, Err(FetchError::TooDeep { limit: stated, .. }) if stated == limit),
        "{failed:?}"
    );
    // 3^64 paths through 65 blocks.
    let wide = chain(&*one.store, limit, 3);
    let fetched = fetch(wide, options()).await.unwrap();
    assert_eq!(fetched.blocks, limit as u64 + 1);

    // Each node names the next and 40,000 times the same leaf: what waits must not grow.
    let leaf = cid::of_block(cid::RAW, b"the end");
    let mut below = leaf;
    for height in 0..8 {
        let links: Vec<_> = [below]
            .into_iter()
            .chain(std::iter::repeat_n(leaf, 40_000))
            .collect();
        let bytes = serde_ipld_dagcbor::to_vec(&(height, links)).unwrap();
        below = cid::of_object(&bytes);
        one.store.put(&below, &bytes).unwrap();
    }
    let failed = fetch(below, options()).await;
    assert!(matches!(failed, Err(FetchError::TooLarge(_))), "{failed:?}");

    let root = file(&*one.store, 100_000, 4096);
    let mut few = options();
    few.blocks = 10;
    assert!(matches!(
        fetch(root, few).await,
        Err(FetchError::TooLarge(_))
    ));
    let mut small = options();
    small.bytes = 50_000;
    assert!(matches!(
        fetch(root, small).await,
        Err(FetchError::TooLarge(_))
    ));
    serves_others(&one).await;
    serves_others(&two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_in_the_middle() {
    let one = node(settings(1));
    let small = Arc::new(Watched::default());
    let two = node_of(settings(2), small.clone());
    let root = file(&*one.store, 3_000_000, 4096);
    serves_others(&two).await; // leaves 300 kB in it
    small.room.store(1_000_000, Ordering::Relaxed);
    two.knows(&one);
    let fetch = || two.peer.fetch(root, &[one.peer.id()], options());
    let failed = fetch().await;
    assert!(
        matches!(failed, Err(FetchError::Store(PutError::Full(_)))),
        "{failed:?}"
    );
    // It still serves what it has, and with room again the same fetch succeeds.
    small.room.store(0, Ordering::Relaxed);
    serves_others(&two).await;
    fetch().await.unwrap();
    assert!(walk::verify(&*two.store, root).faults.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_dies_midway() {
    let (one, two, three) = (node(settings(1)), node(settings(2)), node(settings(3)));
    let root = file(&*one.store, 40_000_000, 16_384);
    file(&*two.store, 40_000_000, 16_384);
    three.knows(&one);
    three.knows(&two);
    let providers = [one.peer.id(), two.peer.id()];
    let fetch = three.peer.fetch(root, &providers, options());
    let mut progress = fetch.progress();
    progress
        .wait_for(|so_far| so_far.blocks > 200)
        .await
        .unwrap();
    one.peer.stop().await;
    let fetched = fetch.await.unwrap();
    assert!(walk::verify(&*three.store, root).faults.is_empty());
    assert!(fetched.from[&two.peer.id()] > 0);
    serves_others(&three).await;
}

/// The only provider dies and comes back: the fetch goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let disk = || Arc::new(store::Embedded::open(folder.path()).unwrap());
    let one = node_of(settings(1), disk());
    let two = node(settings(2));
    let root = file(&*one.store, 40_000_000, 16_384);
    two.knows(&one);
    let mut patient = options();
    patient.patience = Duration::from_secs(5);
    let fetch = two.peer.fetch(root, &[one.peer.id()], patient);
    let mut progress = fetch.progress();
    progress
        .wait_for(|so_far| so_far.blocks > 200)
        .await
        .unwrap();
    let mut again = settings(1);
    again.listen = one.peer.listening();
    one.peer.stop().await;
    let store = one.store.clone();
    drop(one);
    let _again = node_of(again, store);
    fetch.await.unwrap();
    assert!(walk::verify(&*two.store, root).faults.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_fetches_of_one_root_at_once() {
    let (one, two, three) = (node(settings(1)), node(settings(2)), node(settings(3)));
    let root = file(&*one.store, 8_000_000, 16_384);
    file(&*two.store, 8_000_000, 16_384);
    three.knows(&one);
    three.knows(&two);
    let fetch = |provider: &Node| three.peer.fetch(root, &[provider.peer.id()], options());
    // Of one provider, of another, and one that is given up.
    let (first, second, third) = (fetch(&one), fetch(&one), fetch(&two));
    let given_up = fetch(&two);
    let mut progress = given_up.progress();
    let _ = progress.wait_for(|so_far| so_far.blocks > 20).await;
    drop(given_up);
    for fetched in [first.await, second.await, third.await] {
        let fetched = fetched.unwrap();
        assert!(fetched.blocks + fetched.held > 480);
    }
    assert!(walk::verify(&*three.store, root).faults.is_empty());
    assert_eq!(content(8_000_000).len(), 8_000_000);
    serves_others(&three).await;
}
