//! Trees that go from node to node.

use crate::harness::{content, file, node, options, settings, until};
use base::cid;
use std::{
    io::Read as _,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use store::{
    Source,
    peer::{FetchError, PeerKey},
    unixfs::Reader,
    walk,
};

fn read(store: &dyn store::BlockStore, root: cid::Cid) -> Vec<u8> {
    let mut bytes = Vec::new();
    Reader::open(&store as &dyn Source, root)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_from_node_to_node() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    let root = file(&*one.store, 3_000_000, 4096);
    two.knows(&one);
    let fetch = two.peer.fetch(root, &[one.peer.id()], options());
    let progress = fetch.progress();
    let fetched = fetch.await.unwrap();
    assert_eq!(read(&*two.store, root), content(3_000_000));
    let report = walk::verify(&*two.store, root);
    assert_eq!(report.blocks, fetched.blocks);
    assert_eq!(report.bytes, fetched.bytes);
    assert_eq!(fetched.from[&one.peer.id()], fetched.bytes);
    assert_eq!(fetched.held, 0);
    let last = *progress.borrow();
    assert_eq!(last.expected, Some(fetched.bytes));
    assert_eq!(last.bytes, fetched.bytes);
    let facts = &one.peer.peers()[0];
    assert_eq!(facts.traffic.bytes_sent, fetched.bytes);
    assert_eq!(two.peer.peers()[0].traffic.blocks_received, fetched.blocks);
    // Again: everything is here.
    let again = two.peer.fetch(root, &[], options()).await.unwrap();
    assert_eq!((again.blocks, again.held), (0, fetched.blocks));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_or_missing_is_fetched_alone() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    let root = file(&*one.store, 100_000, 4096);
    let same = file(&*two.store, 100_000, 4096);
    assert_eq!(root, same);
    let blocks = walk::verify(&*one.store, root).blocks;
    let leaf = cid::of_block(cid::RAW, &content(100_000)[4096..8192]);
    assert!(two.store.delete(&leaf).unwrap());
    assert!(two.store.delete(&root).unwrap());
    two.knows(&one);
    let fetched = two.peer.fetch(root, &[one.peer.id()], options()).await;
    let fetched = fetched.unwrap();
    assert_eq!((fetched.blocks, fetched.held), (2, blocks - 2));
    assert_eq!(read(&*two.store, root), content(100_000));
    // One block alone, which is not stored.
    two.store.delete(&leaf).unwrap();
    let block = two.peer.block(&leaf, &[one.peer.id()]).await.unwrap();
    assert_eq!(block, content(100_000)[4096..8192]);
    assert!(!two.store.has(&leaf).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_providers_share_the_work() {
    let (one, two, three) = (node(settings(1)), node(settings(2)), node(settings(3)));
    let root = file(&*one.store, 8_000_000, 16_384);
    file(&*two.store, 8_000_000, 16_384);
    three.knows(&one);
    three.knows(&two);
    let providers = [one.peer.id(), two.peer.id()];
    until("both are connected", || three.peer.peers().len() == 2).await;
    let fetched = three.peer.fetch(root, &providers, options()).await.unwrap();
    assert_eq!(read(&*three.store, root), content(8_000_000));
    for provider in providers {
        let share = fetched.from[&provider];
        assert!(share > fetched.bytes / 10, "{share} of {}", fetched.bytes);
    }
    assert_eq!(fetched.from.values().sum::<u64>(), fetched.bytes);
}

/// Each has what the other lacks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_lacks_another_gives() {
    let (one, two, three) = (node(settings(1)), node(settings(2)), node(settings(3)));
    let root = file(&*one.store, 500_000, 4096);
    file(&*two.store, 500_000, 4096);
    for (at, chunk) in content(500_000).chunks(4096).enumerate() {
        let leaf = cid::of_block(cid::RAW, chunk);
        let without = if at % 2 == 0 { &one } else { &two };
        without.store.delete(&leaf).unwrap();
    }
    three.knows(&one);
    three.knows(&two);
    let providers = [one.peer.id(), two.peer.id()];
    three.peer.fetch(root, &providers, options()).await.unwrap();
    assert_eq!(read(&*three.store, root), content(500_000));
    // Who holds it is asked, not guessed.
    let leaf = cid::of_block(cid::RAW, &content(500_000)[..4096]);
    let wait = Duration::from_secs(5);
    let holders = three.peer.holders(&leaf, &providers, wait).await;
    assert_eq!(holders, [two.peer.id()]);
    let holders = three.peer.holders(&root, &providers, wait).await;
    assert_eq!(holders.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_has() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    let root = cid::of_block(cid::RAW, b"nowhere");
    let fetch = |providers: &[_]| two.peer.fetch(root, providers, options());
    assert!(matches!(
        fetch(&[]).await,
        Err(FetchError::NoProvider(cid)) if cid == root
    ));
    let stranger = PeerKey::from_seed(&mut [9; 32]).id();
    assert!(matches!(
        fetch(&[stranger]).await,
        Err(FetchError::NoProvider(_))
    ));
    two.knows(&one);
    assert!(matches!(
        fetch(&[one.peer.id()]).await,
        Err(FetchError::Missing(cid)) if cid == root
    ));
    one.policy.shut.store(true, Ordering::Relaxed);
    until("it is cut", || one.peer.peers().is_empty()).await;
    assert!(matches!(
        fetch(&[one.peer.id()]).await,
        Err(FetchError::NoProvider(_))
    ));
    let identity: cid::Cid = "bafkqaaa".parse().unwrap();
    assert!(matches!(
        two.peer.fetch(identity, &[], options()).await,
        Err(FetchError::Unsupported(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_ends_its_fetches() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    let root = cid::of_block(cid::RAW, b"nowhere");
    let stranger = PeerKey::from_seed(&mut [9; 32]).id();
    one.peer
        .add_address(stranger, "/ip4/203.0.113.1/tcp/1".parse().unwrap())
        .unwrap();
    let providers = [stranger];
    let fetch = one.peer.fetch(root, &providers, options());
    let block = one.peer.block(&root, &providers);
    one.peer.stop().await;
    let begun = Instant::now();
    assert!(matches!(fetch.await, Err(FetchError::Stopped)));
    assert!(matches!(block.await, Err(FetchError::Stopped)));
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(two);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_fetch_is_cancelled() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    let root = file(&*one.store, 64 << 20, 1 << 20);
    two.knows(&one);
    let fetch = two.peer.fetch(root, &[one.peer.id()], options());
    let mut progress = fetch.progress();
    progress
        .wait_for(|progress| progress.blocks > 2)
        .await
        .unwrap();
    drop(fetch);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let sent = |node: &crate::harness::Node| node.peer.peers()[0].traffic.bytes_sent;
    let then = sent(&one);
    assert!(then < 32 << 20, "{then} bytes were sent all the same");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(sent(&one), then, "nothing is sent after the cancel");
}
