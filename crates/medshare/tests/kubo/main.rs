//! A node that keeps its blocks in a real Kubo: a record is published, opened, outlives the Kubo's death, and is
//! erased. Run by `cargo xtask interop ipfs`, which installs Kubo.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../../store/tests/interop/daemon.rs"]
mod daemon;
#[allow(dead_code)]
#[path = "../cli/net.rs"]
mod net;

use daemon::{Daemon, Repository};
use net::{Net, Running};
use std::{
    fs::{self, File},
    process::Stdio,
};

/// Writes the node's configuration.
fn choose(net: &Net, backend: &str, kubo: &Daemon) {
    let text = format!(
        "[store]\nbackend = \"{backend}\"\nkubo-api = \"http://{}\"\n",
        kubo.api()
    );
    net.write("node/config.toml", text);
}

/// Runs the node; what it says goes into a file.
fn run(net: &Net) -> Running {
    let mut command = net.command(&["node", "run", "--home", "node", "--json"]);
    let said = File::create(net.path("said")).unwrap();
    let mut node = Running::new(command.stdout(Stdio::piped()).stderr(said));
    let line = node.line();
    assert!(
        line.contains("listening"),
        "{line}{}",
        fs::read_to_string(net.path("said")).unwrap()
    );
    node
}

/// How many blocks have a pin of ours.
fn pinned(kubo: &Daemon) -> usize {
    let listed = kubo.ipfs(&["pin", "ls", "--type=direct", "--names"]);
    listed
        .lines()
        .filter(|line| line.contains("medshare-"))
        .count()
}

#[test]
fn a_record_lives_in_a_kubo_and_is_erased_from_it() {
    let mut kubo = Repository::new().start();
    let mut net = Net::start();
    net.stop_node();

    // What was kept in the other store is not left behind without a word.
    choose(&net, "kubo", &kubo);
    net.run(&["node", "run", "--home", "node"])
        .fails(3, "store.backend = \"embedded\"");
    fs::remove_dir_all(net.path("node/node/blocks")).unwrap();
    kubo.kill();
    net.run(&["node", "run", "--home", "node"])
        .fails(11, "no Kubo answers at");
    kubo.restart();

    let node = run(&net);
    let said = fs::read_to_string(net.path("said")).unwrap();
    assert!(said.contains("blocks are kept in Kubo 0.39"), "{said}");
    assert!(
        said.contains("who may fetch is not enforced by it"),
        "{said}"
    );
    assert!(
        !said.contains("Kubo's settings"),
        "they are those of the page: {said}"
    );

    let hospital = net.party("hospital", "hospital");
    let patient = net.party("anna", "patient");
    net.json(&["institution", "admit", &hospital, "--home", "node"]);
    let card = net.json(&["wallet", "card", "--for", &hospital, "--home", "anna"]);
    net.write("card.txt", card["card"].as_str().unwrap());
    net.run(&[
        "account", "attest", "--card", "card.txt", "--home", "hospital",
    ])
    .ok();
    let before = pinned(&kubo);
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let file = net.write("scan.bin", &bytes);
    let publish = [
        "record",
        "publish",
        file.to_str().unwrap(),
        "--patient",
        &patient,
        "--home",
        "hospital",
    ];
    let record = net.json(&publish)["record"].as_str().unwrap().to_owned();
    net.run(&["wallet", "run", "--once", "--home", "anna"]).ok();
    let held = pinned(&kubo);
    assert!(
        held >= before + 4,
        "manifest, file, three leaves and more: {before}, {held}"
    );
    kubo.ipfs(&["repo", "gc"]);

    // The Kubo dies; the node says so and goes on when it is back.
    let open = [
        "record", "open", &record, "-o", "read.bin", "--home", "anna",
    ];
    kubo.kill();
    let refused = net.run(&open);
    assert_ne!(refused.code, 0, "{refused:?}");
    let said = fs::read_to_string(net.path("said")).unwrap();
    assert!(
        said.contains("no Kubo answers at") || said.contains("broke off"),
        "{said}"
    );
    kubo.restart();
    net.run(&open).ok();
    assert_eq!(fs::read(net.path("read.bin")).unwrap(), bytes);

    net.run(&["record", "erase", &record, "--yes", "--home", "hospital"])
        .ok();
    net.run(&["record", "erase", &record, "--yes", "--home", "anna"]);
    net.run(&["wallet", "run", "--once", "--home", "anna"]).ok();
    assert!(pinned(&kubo) < held, "{} of {held}", pinned(&kubo));
    assert_eq!(node.terminate(), Some(0));

    choose(&net, "embedded", &kubo);
    net.run(&["node", "run", "--home", "node"])
        .fails(3, "store.backend = \"kubo\"");
}
