//! The settings of `docs/ipfs.md` on a real Kubo: they are taken, they do what the page says, and each that is
//! missing is told.

use crate::{
    backend::open,
    daemon::{Repository, SWARM_KEY, documented},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, process::Stdio};

/// What the node would warn of.
fn told(store: &store::Kubo) -> BTreeSet<&'static str> {
    let concerns = store.concerns().unwrap();
    concerns.iter().map(|concern| concern.setting).collect()
}

#[test]
fn the_page_sets_everything_and_each_line_is_needed() {
    // The commands themselves, as the page gives them, but for ports that may be taken.
    let repository = Repository::initial();
    fs::write(repository.path().join("swarm.key"), SWARM_KEY).unwrap();
    for (name, value) in documented() {
        repository.ipfs(&["config", "--json", &name, &value.to_string()]);
    }
    repository.ipfs(&[
        "config",
        "--json",
        "Addresses.Swarm",
        r#"["/ip4/127.0.0.1/tcp/0"]"#,
    ]);
    repository.ipfs(&[
        "config",
        "--json",
        "Addresses.API",
        r#""/ip4/127.0.0.1/tcp/0""#,
    ]);
    let daemon = repository.start();
    let folder = tempfile::tempdir().unwrap();
    let store = open(&daemon, folder.path()).unwrap();
    assert_eq!(told(&store), BTreeSet::new());
    assert!(store.serves_its_swarm().unwrap());

    // What it does.
    let log = daemon.log();
    assert!(log.contains("Swarm is limited to private network"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
    for address in daemon.ipfs(&["swarm", "addrs", "listen"]).lines() {
        assert!(
            address.starts_with("/ip4/127.0.0.1/tcp/") && address.split('/').count() == 5,
            "{address}"
        );
    }
    assert_eq!(daemon.ipfs(&["bootstrap", "list"]), "");
    assert_eq!(daemon.ipfs(&["swarm", "peers"]), "", "it called nobody");
    let block = daemon.ipfs_bytes(&["block", "put"], b"unheard of");
    let block = String::from_utf8(block).unwrap();
    let mut announce = daemon.repository().command();
    let api = format!("--api=/ip4/127.0.0.1/tcp/{}", daemon.api().port());
    let announced = announce
        .args([&api, "routing", "provide", block.trim()])
        .output()
        .unwrap();
    assert!(
        !announced.status.success(),
        "there is nobody to announce to"
    );

    // Kubo reads its file again for `config show`: one line less at a time.
    let repository = daemon.repository();
    let mut found = BTreeSet::new();
    for (name, value) in documented() {
        let value = match name.as_str() {
            "Addresses.Swarm" | "Addresses.API" => json!("/ip4/127.0.0.1/tcp/0"),
            _ => value,
        };
        let broken = match name.as_str() {
            "Addresses.API" => json!("/ip4/0.0.0.0/tcp/5001"),
            "Addresses.Swarm" => json!(["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"]),
            "Addresses.Gateway" => json!("/ip4/127.0.0.1/tcp/8080"),
            "Bootstrap" | "Routing.DelegatedRouters" | "Ipns.DelegatedPublishers" => {
                json!(["auto"])
            }
            "DNS.Resolvers" => json!({".": "auto"}),
            "Datastore.Spec" => {
                serde_json::from_str(&value.to_string().replace("true", "false")).unwrap()
            }
            _ => Value::Null,
        };
        repository.set(&name, broken);
        let told = told(&store);
        assert!(
            !told.is_empty() && told.iter().all(|setting| setting.starts_with(&name)),
            "{name}: {told:?}"
        );
        found.extend(told);
        repository.set(&name, value);
    }
    fs::remove_file(repository.path().join("swarm.key")).unwrap();
    assert_eq!(told(&store), BTreeSet::from(["swarm.key"]));
    found.extend(told(&store));
    assert_eq!(found.len(), ALL, "every concern was seen: {found:?}");
    repository.set("Bitswap.ServerEnabled", json!(false));
    assert!(!store.serves_its_swarm().unwrap());
}

/// Everything that is warned of.
const ALL: usize = 22;

#[test]
fn kubos_defaults_are_told_one_by_one() {
    // Offline: it must not call the public network that it is made for.
    let repository = Repository::initial();
    repository.set("Addresses.API", json!("/ip4/127.0.0.1/tcp/0"));
    repository.set("Addresses.Gateway", json!("/ip4/127.0.0.1/tcp/0"));
    let daemon = repository.start_offline();
    let folder = tempfile::tempdir().unwrap();
    let store = open(&daemon, folder.path()).unwrap();
    let mut expected = ALL;
    expected -= 1; // the RPC is on loopback as it comes
    let concerns = store.concerns().unwrap();
    let lines: Vec<String> = concerns.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), expected, "{lines:#?}");
    assert!(
        lines.iter().all(|line| line.contains(", should be ")),
        "{lines:#?}"
    );
}

#[test]
fn without_a_swarm_key_kubo_does_not_start() {
    let repository = Repository::new();
    fs::remove_file(repository.path().join("swarm.key")).unwrap();
    let mut command = repository.command();
    let ended = command.arg("daemon").stdin(Stdio::null()).output().unwrap();
    assert!(!ended.status.success());
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.contains("private network was not configured"),
        "{said}"
    );
}
