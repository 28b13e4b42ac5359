//! Blocks between a real Kubo and our nodes over Bitswap, in one private swarm.

use crate::{
    backend::open,
    cids::content,
    daemon::{Daemon, Repository, SWARM_KEY},
    node::{Node, id},
    travel::{put_record, read_record},
};
use base::cid::Cid;
use serde_json::json;
use std::{
    process::{Command, Output},
    sync::Arc,
};
use store::{car, peer::FetchError, walk};

/// A command to a Kubo that shall fail soon, and what it says.
fn fails(daemon: &Daemon, words: &[&str]) -> String {
    let mut command: Command = daemon.repository().command();
    let api = format!("--api=/ip4/127.0.0.1/tcp/{}", daemon.api().port());
    let Output { status, stderr, .. } = command
        .args([&*api, "--timeout=10s"])
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert!(!status.success(), "ipfs {words:?} must fail");
    said
}

fn car_of(node: &Node, root: Cid) -> Vec<u8> {
    let mut bytes = Vec::new();
    car::export(&*node.store, root, &mut bytes).unwrap();
    bytes
}

#[test]
fn kubo_fetches_a_record_from_us_and_only_when_it_may() {
    let node = Node::new(1);
    let (root, files) = put_record(&*node.store, 0);
    let (secret, _) = put_record(&*node.store, 1);
    node.withhold(secret);
    let kubo = Repository::new().start();
    let ours = node.multiaddr();

    // Not known to us: cut before any protocol is spoken.
    let refused = fails(&kubo, &["block", "get", &root.to_string()]);
    assert!(
        refused.contains("timeout") || refused.contains("deadline"),
        "{refused}"
    );
    node.admit(id(&kubo.multiaddr()));
    kubo.ipfs(&["swarm", "connect", &ours]);

    let fetched = kubo.ipfs_bytes(
        &["dag", "export", "--progress=false", &root.to_string()],
        b"",
    );
    assert_eq!(fetched, car_of(&node, root));
    let parts = store::links(&root, &node.store.get(&root).unwrap()).unwrap();
    for (part, file) in parts.iter().zip(&files) {
        assert_eq!(&kubo.ipfs_bytes(&["cat", &part.to_string()], b""), file);
    }
    kubo.ipfs(&["pin", "add", &root.to_string()]);

    // Withheld looks like absent.
    let before = node.asked();
    fails(&kubo, &["block", "get", &secret.to_string()]);
    assert!(node.asked() > before, "it did ask");
    assert!(!kubo.ipfs(&["refs", "local"]).contains(&secret.to_string()));
}

#[test]
fn kubo_fetches_256_mib_from_us() {
    let node = Node::new(2);
    let file = content(256 << 20);
    let mut batch = node.store.batch();
    let profile = store::unixfs::Profile::UNIXFS_V1_2025;
    let root = store::unixfs::add(profile, &file[..], &mut *batch)
        .unwrap()
        .cid;
    batch.commit().unwrap();
    let kubo = Repository::new().start();
    node.admit(id(&kubo.multiaddr()));
    kubo.ipfs(&["swarm", "connect", &node.multiaddr()]);
    assert!(kubo.ipfs_bytes(&["cat", &root.to_string()], b"") == file);
}

#[test]
fn we_fetch_from_kubo() {
    let kubo = Repository::new().start();
    let file = content((46 << 20) + 5);
    for words in [
        [
            "--cid-version=0",
            "--raw-leaves=false",
            "--chunker=size-262144",
            "--max-file-links=174",
        ],
        [
            "--cid-version=1",
            "--raw-leaves=true",
            "--chunker=size-1048576",
            "--max-file-links=1024",
        ],
    ] {
        let added = kubo.ipfs_bytes(&[&["add", "-Q"][..], &words].concat(), &file);
        let root: Cid = String::from_utf8(added).unwrap().trim().parse().unwrap();
        let node = Node::new(3);
        let fetched = node.fetch(root, &kubo.multiaddr()).unwrap();
        assert_eq!(fetched.from.len(), 1);
        let mut reader = store::unixfs::Reader::open(&*node.store, root).unwrap();
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut read).unwrap();
        assert!(read == file);
    }
    // An object with links, and what nobody has.
    let source = Node::new(4);
    let (root, files) = put_record(&*source.store, 7);
    kubo.ipfs_bytes(&["dag", "import"], &car_of(&source, root));
    let node = Node::new(5);
    node.fetch(root, &kubo.multiaddr()).unwrap();
    assert_eq!(read_record(&*node.store, &root), files);
    assert!(walk::verify(&*node.store, root).faults.is_empty());
    let absent = base::cid::of_block(base::cid::RAW, b"nobody has this");
    let error = node.fetch(absent, &kubo.multiaddr()).unwrap_err();
    assert!(
        matches!(error, FetchError::Missing(cid) if cid == absent),
        "{error}"
    );
}

#[test]
fn another_swarm_key_is_another_world() {
    let other = SWARM_KEY.replace("f701", "f702");
    assert_ne!(other, SWARM_KEY);
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store::Embedded::open(folder.path()).unwrap());
    let node = Node::over(6, store, &other, folder);
    let (root, _) = put_record(&*node.store, 0);
    let kubo = Repository::new().start();
    node.admit(id(&kubo.multiaddr()));
    let refused = fails(&kubo, &["swarm", "connect", &node.multiaddr()]);
    assert!(refused.contains("failed to dial"), "{refused}");
    let error = node.fetch(root, &kubo.multiaddr());
    assert!(error.is_ok(), "it holds that itself");
    let absent = base::cid::of_block(base::cid::RAW, b"nobody has this");
    let error = node.fetch(absent, &kubo.multiaddr()).unwrap_err();
    assert!(matches!(error, FetchError::NoProvider(_)), "{error}");
}

#[test]
fn a_node_on_a_kubo_serves_by_its_own_rules_and_fetches_into_it() {
    // The Kubo itself gives nothing to anybody.
    let repository = Repository::new();
    repository.set("Bitswap.ServerEnabled", json!(false));
    let kubo = repository.start();
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Arc::new(open(&kubo, data.path()).unwrap());
    assert!(!store.serves_its_swarm().unwrap());
    let hospital = Node::over(7, store.clone(), SWARM_KEY, folder);
    let (root, files) = put_record(&*hospital.store, 0);
    let (withheld, _) = put_record(&*hospital.store, 1);
    for root in [root, withheld] {
        hospital.store.pin(&root).unwrap();
    }
    hospital.withhold(withheld);

    let clinic = Node::new(8);
    hospital.admit(clinic.peer.id());
    clinic.fetch(root, &hospital.multiaddr()).unwrap();
    assert_eq!(read_record(&*clinic.store, &root), files);
    let error = clinic.fetch(withheld, &hospital.multiaddr()).unwrap_err();
    assert!(
        matches!(error, FetchError::Missing(cid) if cid == withheld),
        "{error}"
    );
    let error = clinic.fetch(withheld, &kubo.multiaddr()).unwrap_err();
    assert!(
        matches!(error, FetchError::Missing(_) | FetchError::Stalled(_)),
        "{error}"
    );

    let (back, files) = put_record(&*clinic.store, 9);
    clinic.admit(hospital.peer.id());
    hospital.fetch(back, &clinic.multiaddr()).unwrap();
    hospital.store.pin(&back).unwrap();
    kubo.ipfs(&["repo", "gc"]);
    assert_eq!(read_record(&*hospital.store, &back), files);
}
