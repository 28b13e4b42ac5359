//! A real Helia, the IPFS of the JavaScript world, fetches from our node in the private swarm.

use crate::{cids::content, daemon::SWARM_KEY, node::Node, travel::put_record};
use base::cid::{self, Cid};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use store::{
    unixfs::{Profile, add},
    walk::Walk,
};

fn variable(name: &str) -> PathBuf {
    std::env::var_os(name)
        .expect("these tests are run by `cargo xtask interop ipfs`, which installs Helia")
        .into()
}

/// Starts the script beside its modules; it has so many seconds.
fn helia(address: &str, root: &Cid, key: &Path, seconds: &str) -> Output {
    let modules = variable("MEDSHARE_HELIA").join("node_modules");
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).unwrap();
    let script = folder.path().join("fetch.mjs");
    fs::write(&script, include_str!("helia/fetch.mjs")).unwrap();
    Command::new(variable("MEDSHARE_NODEJS"))
        .args(["--preserve-symlinks-main", "--preserve-symlinks"])
        .arg(&script)
        .args([address, &root.to_string()])
        .arg(key)
        .arg(seconds)
        .output()
        .unwrap()
}

#[test]
fn fetches_from_us_and_only_what_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("swarm.key");
    fs::write(&key, SWARM_KEY).unwrap();
    let node = Node::new(1);
    let (record, _) = put_record(&*node.store, 0);
    let mut batch = node.store.batch();
    let file = add(Profile::UNIXFS_V1_2025, &content(64 << 20)[..], &mut *batch)
        .unwrap()
        .cid;
    batch.commit().unwrap();
    let address = node.multiaddr();

    let stranger = helia(&address, &record, &key, "5");
    assert!(!stranger.status.success(), "a stranger gets nothing");
    node.admit_everybody();
    for root in [record, file] {
        let done = helia(&address, &root, &key, "120");
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{error}");
        let told: Value = serde_json::from_slice(&done.stdout).unwrap();
        let (mut blocks, mut raw) = (Vec::new(), Sha256::new());
        for block in Walk::new(&*node.store, root) {
            let (cid, bytes) = block.unwrap();
            blocks.push(cid.to_string());
            if cid.codec() == cid::RAW {
                raw.update(&bytes);
            }
        }
        assert_eq!(told["blocks"], Value::from(blocks));
        assert_eq!(told["sha256"], hex::encode(raw.finalize()));
    }

    let (withheld, _) = put_record(&*node.store, 1);
    node.withhold(withheld);
    let refused = helia(&address, &withheld, &key, "5");
    assert!(!refused.status.success(), "withheld looks like absent");
    fs::write(&key, SWARM_KEY.replace("f701", "f702")).unwrap();
    let foreign = helia(&address, &record, &key, "5");
    assert!(
        !foreign.status.success(),
        "another swarm key is another world"
    );
}
