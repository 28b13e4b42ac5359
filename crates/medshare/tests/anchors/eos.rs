//! EOS.

use serde_json::json;

use crate::{anchored, net::Net, nodeos::Nodeos, proved_and_verified};

const SECRET: &str = "s3cr3t-t0ken";

#[test]
fn a_node_anchors_in_eos_and_an_auditor_verifies_offline() {
    let nodeos = Nodeos::start();
    let mut net = Net::start();
    net.stop_node();
    let key = ["anchor", "key", "--chain", "eos", "--home", "node"];
    net.write("key.hex", hex::encode(crate::anvil::KEYS[0]));
    let made = net.json(&[&key[..], &["--import", "key.hex"]].concat());
    assert!(made["address"].as_str().unwrap().starts_with("EOS"));
    assert_eq!(net.json(&key), made);
    nodeos.account("medshareacct", &crate::anvil::KEYS[0]);
    nodeos.account("hospital", &crate::anvil::KEYS[0]);
    nodeos.account("stranger", &crate::anvil::KEYS[1]);

    let endpoint = nodeos.url().replace("//", &format!("//me:{SECRET}@"));
    let deploy = |more: &[&'static str]| {
        let words = [
            "anchor",
            "deploy",
            "--chain",
            "eos",
            "--home",
            "node",
            "--endpoint",
        ];
        let words: Vec<&str> = words.into_iter().chain([endpoint.as_str()]).collect();
        net.run(&[&words[..], more].concat())
    };
    deploy(&[]).fails(2, "--account");
    deploy(&["--account", "Nobody!"]).fails(2, "a name has up to 13");
    deploy(&["--account", "nobody"]).fails(3, "there is no account nobody");
    deploy(&["--account", "eosio"]).fails(3, "has another ABI");
    deploy(&["--account", "stranger"]).fails(9, "refused: ");
    let other = "1111111111111111111111111111111111111111111111111111111111111111";
    deploy(&["--account", "medshareacct", "--network", other]).fails(3, "not of 1111");
    let words = ["--account", "medshareacct", "--actor", "hospital", "--json"];
    let deployed = deploy(&words).ok();
    let deployed: serde_json::Value = serde_json::from_str(&deployed.stdout).unwrap();
    assert_eq!(deployed["actor"], "hospital");
    assert_eq!(deployed["transaction"].as_str().unwrap().len(), 64);
    deploy(&["--account", "medshareacct"]).fails(3, "has [anchor.eos] already");
    let shown = net.run(&["config", "show", "--home", "node"]);
    assert!(
        shown.stdout.contains("127.0.0.1") && !shown.stdout.contains(SECRET),
        "{}",
        shown.stdout
    );
    let text = std::fs::read_to_string(net.path("node/config.toml")).unwrap();
    let quick = text
        .replace("every-seconds = 3600", "every-seconds = 1")
        .replace("cpu-cap-milliseconds = 10\n", "cpu-cap-milliseconds = 95\n")
        .replace("poll-milliseconds = 10000", "poll-milliseconds = 100");
    net.write("node/config.toml", quick.replace("\"hospital\"", "\"\""));
    let run = ["node", "run", "--home", "node", "--listen", "unix:x.sock"];
    net.run(&run).fails(3, "anchor.eos.actor: \"\"");
    net.write("node/config.toml", quick);

    net.run_node();
    let standing = anchored(&net, || {});
    assert_eq!(standing["chain"], "eos");
    assert_eq!(standing["network"], deployed["network"]);
    assert_eq!(standing["payer"], "hospital");
    assert_eq!(standing["contract"], "medshareacct");
    assert_eq!(standing["unit"], json!("µs"));
    assert!(standing["cost"].as_u64() >= Some(100), "{standing}");
    proved_and_verified(&mut net, "eos", &|proved| {
        assert_eq!(proved["payer"], "hospital");
        vec!["--payer".into(), "hospital".into()]
    });
}
