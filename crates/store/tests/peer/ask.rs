//! Connections, who is admitted, swarm keys, requests and answers.

use crate::harness::{node, settings, until};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use store::peer::{
    AddressError, AskError, DialFault, Limits, MAX_ASK, PeerKey, PeerNode, PeerStatus, StartError,
    SwarmKey,
};

fn swarm_key(digit: u8) -> Option<SwarmKey> {
    let line = format!("{digit:02x}").repeat(32);
    let text = format!("/key/swarm/psk/1.0.0/\n/base16/\n{line}\n");
    Some(text.parse().unwrap())
}

fn away(fault: DialFault) -> Option<PeerStatus> {
    Some(PeerStatus::Away(fault))
}

#[tokio::test]
async fn a_request_is_answered() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    one.knows(&two);
    let answer = one.peer.ask(two.peer.id(), b"hello".to_vec()).await;
    assert_eq!(answer, Ok(b"hello.".to_vec()));
    // The other way over the same connection, whose address two was never told.
    let answer = two.peer.ask(one.peer.id(), b"you too".to_vec()).await;
    assert_eq!(answer, Ok(b"you too.".to_vec()));
    let nothing = one.peer.ask(two.peer.id(), Vec::new()).await;
    assert_eq!(nothing, Err(AskError::NoAnswer));
    let panicked = one.peer.ask(two.peer.id(), b"panic".to_vec()).await;
    assert_eq!(panicked, Err(AskError::NoAnswer));
    let largest = vec![7; MAX_ASK - 1];
    let answer = one.peer.ask(two.peer.id(), largest).await.unwrap();
    assert_eq!(answer.len(), MAX_ASK);
    // The answer would be a byte too long, and is none.
    let answer = one.peer.ask(two.peer.id(), vec![7; MAX_ASK]).await;
    assert_eq!(answer, Err(AskError::NoAnswer));
    let answer = one.peer.ask(two.peer.id(), vec![7; MAX_ASK + 1]).await;
    assert_eq!(answer, Err(AskError::TooLarge(MAX_ASK + 1)));
    let facts = one.peer.peers();
    assert_eq!((facts.len(), facts[0].id), (1, two.peer.id()));
}

#[tokio::test]
async fn more_requests_than_turns_all_get_answers() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    one.knows(&two);
    let asks = (0..40).map(|_| one.peer.ask(two.peer.id(), b"slow".to_vec()));
    for answer in libp2p::futures::future::join_all(asks).await {
        assert_eq!(answer, Ok(b"slow.".to_vec()));
    }
}

/// A peer that asks more at once than it may, for slow answers, keeps nobody else waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_peer_does_not_take_all_threads() {
    let mut greedy = settings(1);
    greedy.limits.asks_per_peer = 8; // as many as the other side has threads
    let (one, two, three) = (node(greedy), node(settings(2)), node(settings(3)));
    one.knows(&two);
    three.knows(&two);
    let ask = |from: &crate::harness::Node, what: &[u8]| {
        let (asked, what) = (two.peer.id(), what.to_vec());
        let from = from.peer.clone();
        async move { from.ask(asked, what).await }
    };
    assert!(ask(&one, b"hello").await.is_ok());
    assert!(ask(&three, b"hello").await.is_ok());
    let slow: Vec<_> = (0..8).map(|_| tokio::spawn(ask(&one, b"slower"))).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    assert!(ask(&three, b"hello").await.is_ok());
    assert!(begun.elapsed() < Duration::from_millis(1500));
    for answer in slow {
        assert_eq!(answer.await.unwrap(), Ok(b"slower.".to_vec()));
    }
}

#[tokio::test]
async fn who_is_not_admitted_is_cut() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    two.policy.shut.store(true, Ordering::Relaxed);
    one.knows(&two);
    until("the cut is seen", || {
        one.status(&two) == away(DialFault::Cut)
    })
    .await;
    assert_eq!(two.status(&one), None);
    // Our own policy says no: nobody is dialled.
    one.policy.shut.store(true, Ordering::Relaxed);
    until("it is refused", || {
        one.status(&two) == away(DialFault::NotAdmitted)
    })
    .await;
    // Admitted again, it is connected again without a word.
    one.policy.shut.store(false, Ordering::Relaxed);
    two.policy.shut.store(false, Ordering::Relaxed);
    until("it is connected", || {
        one.status(&two) == Some(PeerStatus::Connected)
    })
    .await;
    let answer = one.peer.ask(two.peer.id(), b"hello".to_vec()).await;
    assert_eq!(answer, Ok(b"hello.".to_vec()));
    // A connection that stands is cut when its peer is admitted no more.
    two.policy.shut.store(true, Ordering::Relaxed);
    until("it is cut", || two.status(&one).is_none()).await;
}

#[tokio::test]
async fn swarm_keys_must_be_equal() {
    let with = |seed, key| {
        let mut settings = settings(seed);
        settings.swarm_key = key;
        node(settings)
    };
    let one = with(1, swarm_key(1));
    let (same, other, none) = (with(2, swarm_key(1)), with(3, swarm_key(2)), with(4, None));
    one.knows(&same);
    one.knows(&other);
    one.knows(&none);
    none.knows(&one);
    let ask = |peer| one.peer.ask(peer, b"hello".to_vec());
    assert_eq!(ask(same.peer.id()).await, Ok(b"hello.".to_vec()));
    let refused = Err(AskError::Away(DialFault::Unsecured));
    assert_eq!(ask(other.peer.id()).await, refused);
    assert_eq!(ask(none.peer.id()).await, refused);
    let answer = none.peer.ask(one.peer.id(), b"hello".to_vec()).await;
    assert_eq!(answer, refused);
    until("it says why", || {
        one.status(&other) == away(DialFault::Unsecured)
    })
    .await;
}

#[tokio::test]
async fn a_lost_peer_is_found_again() {
    let one = node(settings(1));
    let two = node(settings(2));
    let address = two.peer.listening().remove(0);
    one.knows(&two);
    let ask = || one.peer.ask(two.peer.id(), b"hello".to_vec());
    assert!(ask().await.is_ok());
    two.peer.stop().await;
    until("the loss is seen", || {
        matches!(
            one.status(&two),
            Some(PeerStatus::Away(DialFault::Unreachable(_)))
        )
    })
    .await;
    assert!(matches!(ask().await, Err(AskError::Away(_))));
    assert_eq!(
        two.peer.ask(one.peer.id(), b"hello".to_vec()).await,
        Err(AskError::Stopped)
    );
    // The same node at the same address: the port is free, and nobody has to be told.
    let mut again = settings(2);
    again.listen = vec![address];
    let _again = node(again);
    until("it is connected again", || {
        one.status(&two) == Some(PeerStatus::Connected)
    })
    .await;
    assert!(ask().await.is_ok());
}

#[tokio::test]
async fn unknown_peers_and_bad_addresses() {
    let one = node(settings(1));
    let stranger = PeerKey::from_seed(&mut [9; 32]).id();
    let answer = one.peer.ask(stranger, b"hello".to_vec()).await;
    assert_eq!(answer, Err(AskError::Away(DialFault::NoAddress)));
    let add = |text: &str| one.peer.add_address(stranger, text.parse().unwrap());
    assert!(matches!(
        add("/ip4/10.0.0.1/udp/4001/quic-v1"),
        Err(AddressError::Form(_))
    ));
    assert!(matches!(add("/ip4/10.0.0.1"), Err(AddressError::Form(_))));
    assert!(matches!(
        add("/ip4/10.0.0.1/tcp/0"),
        Err(AddressError::Form(_))
    ));
    let other = format!("/ip4/10.0.0.1/tcp/1/p2p/{}", one.peer.id());
    assert!(matches!(add(&other), Err(AddressError::OtherPeer(_))));
    let relayed = format!("/ip4/10.0.0.1/tcp/1/p2p/{stranger}/p2p-circuit");
    assert!(matches!(add(&relayed), Err(AddressError::Form(_))));
    for port in 1..=16 {
        assert_eq!(add(&format!("/dns4/no.host.invalid/tcp/{port}")), Ok(()));
    }
    assert_eq!(add("/ip4/10.0.0.1/tcp/1"), Err(AddressError::TooMany));
    // Another node than the named one answers: it is not taken for it.
    let two = node(settings(2));
    one.peer.forget(&stranger);
    one.peer
        .add_address(stranger, two.peer.listening().remove(0))
        .unwrap();
    let answer = one.peer.ask(stranger, b"hello".to_vec()).await;
    let found = DialFault::OtherPeer(two.peer.id());
    assert_eq!(answer, Err(AskError::Away(found)));
}

#[tokio::test]
async fn host_names_are_resolved() {
    let (one, two) = (node(settings(1)), node(settings(2)));
    let text = two.peer.listening().remove(0).to_string();
    let named = text.replace("/ip4/127.0.0.1", "/dns4/localhost");
    let address = format!("{named}/p2p/{}", two.peer.id());
    one.peer
        .add_address(two.peer.id(), address.parse().unwrap())
        .unwrap();
    let answer = one.peer.ask(two.peer.id(), b"hello".to_vec()).await;
    assert_eq!(answer, Ok(b"hello.".to_vec()));
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let one = node(settings(1));
    let mut taken = settings(2);
    taken.listen = one.peer.listening();
    let store = store::Embedded::open(tempfile::tempdir().unwrap().path()).unwrap();
    let policy = std::sync::Arc::new(crate::harness::Open::default());
    let exchange = std::sync::Arc::new(crate::harness::Echo);
    let started = PeerNode::start(taken, std::sync::Arc::new(store), policy, exchange);
    assert!(matches!(started, Err(StartError::Listen { .. })));
}

#[test]
fn outside_a_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(store::Embedded::open(folder.path()).unwrap());
    let policy = std::sync::Arc::new(crate::harness::Open::default());
    let exchange = std::sync::Arc::new(crate::harness::Echo);
    let started = PeerNode::start(settings(1), store, policy, exchange);
    assert!(matches!(started, Err(StartError::NoRuntime)));
    assert!(Limits::default().asks_per_peer > 0);
}
