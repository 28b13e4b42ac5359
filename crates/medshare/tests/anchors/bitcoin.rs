//! Bitcoin.

use serde_json::json;

use crate::{anchored, anvil::KEYS, bitcoind::Bitcoind, net::Net, proved_and_verified};

const SECRET: &str = "s3cr3t-t0ken";

#[test]
fn a_node_anchors_in_bitcoin_and_an_auditor_verifies_offline() {
    let bitcoind = Bitcoind::start();
    let mut net = Net::start();
    net.stop_node();
    let key = ["anchor", "key", "--chain", "bitcoin", "--home", "node"];
    net.run(&[&key[..], &["--network", "dogecoin"]].concat())
        .fails(2, "known are main");
    net.write("key.hex", hex::encode(KEYS[0]));
    let regtest = [&key[..], &["--network", "regtest"]].concat();
    let made = net.json(&[&regtest[..], &["--import", "key.hex"]].concat());
    let address = made["address"].as_str().unwrap().to_owned();
    assert!(address.starts_with(['m', 'n']), "{address}");
    let public = net.json(&key);
    assert!(public["address"].as_str().unwrap().starts_with('1'));
    // A chain has a key of its own.
    assert!(net.json(&["anchor", "key", "--home", "node"])["address"] != made["address"]);
    bitcoind.pay(&address);
    bitcoind.mine(110);

    let before = std::fs::read_to_string(net.path("node/config.toml")).unwrap_or_default();
    let table = |more: &str| {
        let endpoint = bitcoind.url().replace("//", &format!("//me:{SECRET}@"));
        let table = format!(
            "{before}\n[anchor.bitcoin]\nendpoint = \"{endpoint}\"\nnetwork = \"regtest\"\nevery-seconds = 1\nconfirmations = 3\npoll-milliseconds = 100\n{more}"
        );
        net.write("node/config.toml", table);
    };
    table("payers = [\"nobody\"]\n");
    let run = ["node", "run", "--home", "node", "--listen", "unix:x.sock"];
    net.run(&run).fails(3, "anchor.bitcoin.payers: \"nobody\"");
    table("fee-cap-sat = 0\n");
    net.run(&["config", "check", "--home", "node"])
        .fails(3, "fee-cap-sat");
    let cookie = bitcoind.cookie().display().to_string();
    table(&format!("cookie = {cookie:?}\npayers = [{address:?}]\n"));
    let shown = net.run(&["config", "show", "--home", "node"]);
    assert!(
        shown.stdout.contains("127.0.0.1") && !shown.stdout.contains(SECRET),
        "{}",
        shown.stdout
    );

    net.run_node();
    let standing = anchored(&net, || bitcoind.mine(1));
    assert_eq!(standing["chain"], "bitcoin");
    assert_eq!(standing["network"], "regtest");
    assert_eq!(standing["payer"], address.as_str());
    assert_eq!(standing["contract"], json!(null));
    assert_eq!(standing["unit"], "sat");
    assert!(standing["cost"].as_u64() >= Some(284), "{standing}");
    proved_and_verified(&mut net, "bitcoin", &|proved| {
        assert_eq!(proved["payer"].as_str().unwrap().len(), 40);
        vec!["--payer".into(), address.clone()]
    });
}
