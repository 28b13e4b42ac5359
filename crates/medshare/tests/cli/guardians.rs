//! Guardians by the command line: named, asked, approved, objected to, recovered.

use super::{
    net::{Cast, Net},
    told,
};
use serde_json::Value;
use std::{fs, thread, time::Duration};

const GUARDIANS: [&str; 3] = ["hospital", "friend", "agent"];

/// The usual cast on a ledger with short recoveries, and a friend of anna's.
fn gather() -> (Cast, [String; 3]) {
    let cast = Cast::gather_on(Net::start_with(&["--recovery-delay", "1s"]));
    let friend = cast.net.party("friend", "patient");
    let ids = [cast.hospital.clone(), friend, cast.agent.clone()];
    (cast, ids)
}

/// Anna names the three, two of whom must help.
fn guard(cast: &Cast, ids: &[String; 3], delay: &str) -> Value {
    let mut arguments = vec!["wallet", "guard", "--threshold", "2", "--delay", delay];
    for id in ids {
        arguments.extend(["--guardian", id]);
    }
    arguments.extend(["--phrase-file", "anna.phrase", "--home", "anna"]);
    let told = cast.net.json(&arguments);
    for home in GUARDIANS {
        let rows = cast.net.rows(&["guardian", "list", "--home", home]);
        let share = rows.iter().find(|row| row["kind"] == "share").unwrap();
        assert_eq!(share["owner"], cast.patient.as_str());
    }
    told
}

/// A device asks two guardians; gives the code.
fn start(cast: &Cast, ids: &[String; 3], home: &str) -> String {
    let told = cast.net.json(&[
        "wallet",
        "recover",
        "start",
        "--account",
        &cast.patient,
        "--guardian",
        &ids[0],
        "--guardian",
        &ids[1],
        "--home",
        home,
        "--work-factor",
        "2",
    ]);
    told["code"].as_str().unwrap().to_owned()
}

fn approve(net: &Net, code: &str, home: &str) {
    net.run(&["guardian", "approve", code, "--home", home]).ok();
}

const FINISH: [&str; 3] = ["wallet", "recover", "finish"];

fn finish(net: &Net, home: &str) -> super::net::Ran {
    net.run(&[&FINISH[..], &["--home", home]].concat())
}

#[test]
fn a_lost_wallet_comes_back_with_two_of_three_guardians() {
    let (cast, ids) = gather();
    let net = &cast.net;
    let note = net.write("note.txt", "a note about anna");
    let record = cast.record(&note);
    let told = guard(&cast, &ids, "2s");
    assert_eq!(
        (&told["guardians"], &told["threshold"]),
        (&3.into(), &2.into())
    );
    let named = net.json(&["wallet", "guardians", "--home", "anna"]);
    let listed = named["named"]["guardians"].as_array().unwrap();
    assert!(ids.iter().all(|id| listed.contains(&id.as_str().into())));

    // everything is gone: device and phrase
    fs::rename(net.path("anna"), net.path("stolen")).unwrap();
    fs::remove_file(net.path("anna.phrase")).unwrap();
    let code = start(&cast, &ids, "anna");
    // this is nobody's wallet yet
    net.run(&["scope", "list", "--home", "anna"])
        .fails(14, "recover finish");
    net.run(&["wallet", "card", "--home", "anna"])
        .fails(14, "recover finish");
    finish(net, "anna").fails(14, "0 of 2 guardians have approved");

    // not a blind click: without the code nothing is approved
    net.run(&[
        "guardian",
        "approve",
        "00000-00000-00000-00000",
        "--home",
        "hospital",
    ])
    .fails(8, "let its owner read the code again");
    let asked = net.rows(&["guardian", "list", "--home", "hospital"]);
    let claim = asked.iter().find(|row| row["kind"] == "claim").unwrap();
    assert!(claim["approved"].is_null() && !claim.to_string().contains(&code));
    approve(net, &code, "hospital");
    finish(net, "anna").fails(14, "1 of 2 guardians have approved");
    approve(net, &code.replace('-', " "), "friend");
    finish(net, "anna").fails(14, "may object until");
    let status = net.json(&["wallet", "recover", "status", "--home", "anna"]);
    assert_eq!(status["recovery"]["status"], "pending");
    assert_eq!(status["returned"].as_array().unwrap().len(), 0);
    // no share before the delay has passed and the key is in force
    let early = net.rows(&["guardian", "list", "--home", "hospital"]);
    assert!(early.iter().any(|row| row["approved"].is_string()));
    // Whoever has the old device is told by the node, too.
    told::hears(net, "stolen", &cast.patient, "event: recovery\ndata: {");

    thread::sleep(Duration::from_millis(2_500));
    finish(net, "anna").fails(14, "0 of 2 guardians have given their share");
    net.run(&["guardian", "list", "--home", "hospital"]).ok();
    finish(net, "anna").fails(14, "1 of 2 guardians have given their share");
    let events = net.rows(&["wallet", "run", "--once", "--home", "friend"]);
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "share-released"),
        "{events:?}"
    );
    let back: Value = {
        let more = ["--home", "anna", "--json", "--phrase-file", "again.phrase"];
        let ran = net.run(&[&FINISH[..], &more].concat());
        serde_json::from_str(ran.ok().stdout.trim()).unwrap()
    };
    assert_eq!(back["account"], cast.patient.as_str());
    assert_eq!(
        (&back["records"], &back["hospitals"], &back["unreadable"]),
        (&1.into(), &1.into(), &0.into())
    );

    // the phrase is the one she had: without guardians, the next time
    assert!(back.get("phrase").is_none());
    let restored = [
        "wallet",
        "restore",
        "--phrase-file",
        "again.phrase",
        "--home",
        "next",
    ];
    let next = net.json(&[&restored[..], &["--work-factor", "2"]].concat());
    assert_eq!(next["account"], cast.patient.as_str());
    fs::remove_dir_all(net.path("next")).unwrap();
    // it is her wallet, and the stolen one is none any more
    net.run(&[
        "record", "open", &record, "-o", "back.txt", "--home", "anna",
    ])
    .ok();
    assert_eq!(
        fs::read(net.path("back.txt")).unwrap(),
        b"a note about anna"
    );
    cast.grant(&["document"], &[]);
    cast.open(&record, "granted.txt").ok();
    let named = net.json(&["wallet", "guardians", "--home", "anna"]);
    assert_eq!(named["named"]["guardians"], Value::from(listed.clone()));
    net.run(&["wallet", "run", "--once", "--home", "stolen"])
        .fails(9, "no longer the operation key");
    let log = net.rows(&["wallet", "log", "--home", "anna"]);
    let told = log.iter().find(|line| line["kind"] == "recovery").unwrap();
    assert!(told["status"]["complete"].is_u64(), "{told}");
    finish(net, "anna").fails(4, "a complete home");
    // the ledger replays, and the accounts' keys are proven to everybody
    net.run(&["ledger", "genesis", "-o", "genesis.cbor"]).ok();
    let replayed = net.json(&["ledger", "replay", "--genesis", "genesis.cbor"]);
    assert_eq!(replayed["equal"], true);
    let note = net.write("after.txt", "sealed after the recovery");
    cast.record(&note);
    assert_eq!(net.rows(&["record", "list", "--home", "anna"]).len(), 2);
}

#[test]
fn a_recovery_that_nobody_meant_is_seen_and_ended() {
    let (cast, ids) = gather();
    let net = &cast.net;
    guard(&cast, &ids, "1h");
    let code = start(&cast, &ids, "thief");
    approve(net, &code, "hospital");
    approve(net, &code, "friend");
    finish(net, "thief").fails(14, "may object until");
    // every round of her wallet says so, loudly, until it ends
    for _ in 0..2 {
        let events = net.rows(&["wallet", "run", "--once", "--home", "anna"]);
        let warning = events
            .iter()
            .find(|event| event["event"] == "recovery-pending");
        let guardians = warning.unwrap()["guardians"].as_array().unwrap();
        assert_eq!(guardians.len(), 2);
    }
    let ran = net.run(&["request", "list", "--home", "anna"]).ok();
    assert!(ran.stderr.contains("WARNING") && ran.stderr.contains("wallet object"));
    // meanwhile nobody is named anew, nor let go
    net.run(&["wallet", "unguard", "--home", "anna"])
        .fails(9, "object to it first");
    net.run(&["wallet", "object", "--home", "friend"])
        .fails(8, "nobody guards this account");
    net.run(&["wallet", "object", "--home", "anna"]).ok();
    net.run(&["wallet", "object", "--home", "anna"])
        .fails(8, "no recovery of this account waits");
    finish(net, "thief").fails(9, "owner objected");
    let events = net.rows(&["wallet", "run", "--once", "--home", "anna"]);
    assert!(
        events
            .iter()
            .all(|event| event["event"] != "recovery-pending")
    );
    let log = net.rows(&["wallet", "log", "--home", "anna"]);
    assert!(log.iter().any(|line| line["status"]["objected"].is_u64()));
    // a guardian forgets what was asked
    let rows = net.rows(&["guardian", "list", "--home", "friend"]);
    let claim = rows.iter().find(|row| row["kind"] == "claim").unwrap();
    let deny = [
        "guardian",
        "deny",
        claim["claim"].as_str().unwrap(),
        "--home",
        "friend",
    ];
    net.run(&deny).ok();
    net.run(&deny).fails(8, "there is no request");
    // she lets them go, and their shares go too
    net.run(&["wallet", "unguard", "--home", "anna"]).ok();
    net.run(&["wallet", "unguard", "--home", "anna"])
        .fails(8, "nobody guards this account");
    for home in GUARDIANS {
        let rows = net.rows(&["guardian", "list", "--home", home]);
        assert!(rows.iter().all(|row| row["kind"] != "share"), "{rows:?}");
    }
}

#[test]
fn what_cannot_be_is_said_in_one_line() {
    let (cast, ids) = gather();
    let net = &cast.net;
    let base = ["wallet", "guard", "--home", "anna", "--phrase-file"];
    let two = ["--guardian", &ids[0], "--guardian", &ids[1]];
    let with = |phrase: &str, more: &[&str]| {
        let mut all = base.to_vec();
        all.push(phrase);
        all.extend(more);
        net.run(&all)
    };
    let good = [&two[..], &["--threshold", "2"]].concat();
    with("friend.phrase", &good).fails(6, "not the backup phrase of this wallet");
    let threshold = |k: &'static str| [&two[..], &["--threshold", k]].concat();
    with("anna.phrase", &threshold("1")).fails(2, "no threshold");
    with("anna.phrase", &threshold("3")).fails(2, "no threshold");
    let twice = [
        "--guardian",
        &ids[0],
        "--guardian",
        &ids[0],
        "--threshold",
        "2",
    ];
    with("anna.phrase", &twice).fails(2, "different accounts");
    let own = [
        "--guardian",
        &ids[0],
        "--guardian",
        &cast.patient,
        "--threshold",
        "2",
    ];
    with("anna.phrase", &own).fails(2, "none of them is your own");
    let short = [&good[..], &["--delay", "0s"]].concat();
    with("anna.phrase", &short).fails(9, "delays of 1 s or more");
    let long = [&good[..], &["--delay", "2y"]].concat();
    with("anna.phrase", &long).fails(9, "out of range");
    let mut other = base.to_vec();
    other[3] = "agent";
    net.run(&[&other[..], &["anna.phrase"], &good[..]].concat())
        .fails(7, "home of an agent");

    let start = [
        "wallet",
        "recover",
        "start",
        "--account",
        &cast.patient,
        "--guardian",
        &ids[0],
    ];
    let at = |home: &'static str| [&start[..], &["--home", home, "--work-factor", "2"]].concat();
    net.run(&at("nobody")).fails(8, "no guardians in force");
    assert!(!net.path("nobody").exists());
    net.run(&at("anna")).fails(4, "a complete home");
    finish(net, "nowhere").fails(4, "is no medshare home");
    net.run(&["wallet", "guardians", "--home", "anna"]).ok();
    net.run(&[
        "init",
        "--role",
        "node",
        "--home",
        "n2",
        "--recovery-delay",
        "2y",
    ])
    .fails(2, "1s to 365d");
    net.run(&[
        "init",
        "--role",
        "patient",
        "--home",
        "p2",
        "--recovery-delay",
        "1h",
    ])
    .fails(2, "--role node");
    // a home that recovers one account does not recover another
    guard(&cast, &ids, "1h");
    net.run(&at("device")).ok();
    net.run(&[
        "wallet",
        "restore",
        "--phrase-file",
        "anna.phrase",
        "--home",
        "device",
    ])
    .fails(4, "is not empty");
    let mut other = at("device");
    other[4] = &ids[1];
    net.run(&other).fails(9, "this home recovers");
}
