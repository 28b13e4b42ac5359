//! The main job, end to end, by the command line alone.

use super::{net::Cast, told};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// A FHIR bundle with laboratory, medication and a sensitive part.
pub(crate) const BUNDLE: &str = r#"{
  "resourceType": "Bundle", "type": "collection",
  "entry": [
    {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Observation", "id": "1", "status": "final",
      "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
      "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
      "valueQuantity": {"value": 1.10, "unit": "mg/dL"}}},
    {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "MedicationRequest", "id": "2", "status": "active",
      "intent": "order", "medicationCodeableConcept": {"text": "Ramipril 5 mg"},
      "subject": {"reference": "urn:uuid:9"}}}
  ]
}
"#;

#[test]
fn a_record_is_published_accepted_granted_opened_reviewed_and_proven() {
    let cast = Cast::gather();
    let net = &cast.net;
    let source = net.write("bundle.json", BUNDLE);
    let record = cast.record(&source);

    // The patient opens her own record: the original, byte for byte, for her eyes only.
    net.run(&[
        "record", "open", &record, "-o", "own.json", "--home", "anna",
    ])
    .ok();
    assert_eq!(fs::read(net.path("own.json")).unwrap(), BUNDLE.as_bytes());
    let mode = fs::metadata(net.path("own.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // Not granted: as if it were not there.
    net.run(&[
        "record",
        "open",
        &record,
        "-o",
        "no.json",
        "--home",
        "institute",
    ])
    .fails(8, "there is no record");

    let grant = cast.grant(&["laboratory"], &[]);
    let opened = cast.open(&record, "extract.json").ok();
    let opened: Value = serde_json::from_str(&opened.stdout).unwrap();
    assert_eq!(opened["parts"].as_array().unwrap().len(), 1);
    assert_eq!(opened["parts"][0]["class"], "laboratory");
    let extract: Value =
        serde_json::from_slice(&fs::read(net.path("extract.json")).unwrap()).unwrap();
    assert_eq!(extract["entry"].as_array().unwrap().len(), 1);
    assert_eq!(extract["entry"][0]["resource"]["id"], "1");

    // Review mints; the ranking shows the hospital; a second review is refused.
    let query = opened["queries"][0].as_str().unwrap();
    let review = [
        "review",
        query,
        "--verdict",
        "accepted",
        "--home",
        "institute",
    ];
    assert!(net.json(&review)["minted"].as_u64().unwrap() > 0);
    net.run(&review).fails(9, "already reviewed");
    assert_eq!(
        net.json(&["credit", "balance", "--home", "anna"])["balance"],
        10
    );
    assert_eq!(
        net.json(&["credit", "balance", &cast.hospital])["balance"],
        5
    );
    assert_eq!(net.json(&["credit", "balance", &cast.agent])["balance"], 1);
    assert_eq!(
        net.rows(&["credit", "ranking"])[0]["hospital"],
        Value::from(cast.hospital.as_str())
    );
    let redeemed = [
        "credit",
        "redeem",
        "--tier",
        "1",
        &cast.second,
        "--home",
        "anna",
    ];
    net.run(&redeemed).ok();
    net.run(&redeemed).fails(9, "already redeemed");

    // The patient's own log says who, which data, and when.
    let log = net.rows(&["wallet", "log", "--home", "anna"]);
    assert_eq!(log[0]["class"], "laboratory");
    assert_eq!(log[0]["querier"], Value::from(cast.institute.as_str()));

    // Anybody proves and verifies, offline, with the genesis file alone.
    net.run(&["ledger", "genesis", "-o", "genesis.cbor"]).ok();
    net.run(&["ledger", "prove", query, "-o", "query.proof"])
        .ok();
    let replayed = net.json(&["ledger", "replay", "--genesis", "genesis.cbor"]);
    assert_eq!(replayed["equal"], true);
    let tail = net.rows(&["ledger", "tail", "--from", "0"]);
    assert_eq!(tail.len() as u64, replayed["leaves"].as_u64().unwrap());

    // Revoked: the agent's keys and the requester's are gone, and both say why.
    net.run(&["grant", "revoke", &grant, "--home", "anna"]).ok();
    net.run(&[
        "record",
        "open",
        &record,
        "-o",
        "late.json",
        "--home",
        "institute",
    ])
    .fails(9, "revoked");
    let swept = net.rows(&["agent", "once", "--home", "agent"]);
    assert!(
        swept.iter().any(|event| event["event"] == "keys-destroyed"),
        "{swept:?}"
    );

    let mut net = cast.net;
    net.stop_node();
    net.run(&[
        "ledger",
        "verify",
        "query.proof",
        "--genesis",
        "genesis.cbor",
    ])
    .ok();
}

#[test]
fn a_node_that_is_killed_loses_nothing_that_was_acknowledged() {
    let mut cast = Cast::gather();
    let source = cast
        .net
        .write("note.txt", "a note of some length\n".repeat(9000));
    let record = cast.record(&source);
    let before = cast.net.json(&["ledger", "replay"]);
    cast.net.kill_node();
    cast.net
        .run(&["record", "list", "--home", "anna"])
        .fails(11, "no node answers");
    cast.net.run_node();
    assert_eq!(cast.net.json(&["ledger", "replay"]), before);
    cast.net
        .run(&[
            "record",
            "open",
            &record,
            "-o",
            "again.txt",
            "--home",
            "anna",
        ])
        .ok();
    assert_eq!(
        fs::read(cast.net.path("again.txt")).unwrap(),
        fs::read(source).unwrap()
    );
}

#[test]
fn a_record_is_updated_rejected_and_erased() {
    let cast = Cast::gather();
    let net = &cast.net;
    let first = net.write("first.txt", "first state");
    let second = net.write("second.txt", "second state, longer");
    let record = cast.record(&first);
    let update = [
        "record",
        "update",
        &record,
        second.to_str().unwrap(),
        "--home",
        "hospital",
    ];
    net.run(&update).ok();
    net.run(&update).fails(9, "waits for its patient");
    net.run(&[
        "record", "reject", &record, "--code", "not-mine", "--home", "anna",
    ])
    .ok();
    net.run(&["record", "open", &record, "-o", "a.txt", "--home", "anna"])
        .ok();
    assert_eq!(fs::read(net.path("a.txt")).unwrap(), b"first state");
    // A rejected state is not offered again: the hospital seals anew.
    net.run(&update).ok();
    net.run(&["record", "accept", "--all", "--home", "anna"])
        .ok();
    net.run(&["record", "open", &record, "-o", "a.txt", "--home", "anna"])
        .fails(2, "exists already");
    net.run(&[
        "record", "open", &record, "-o", "a.txt", "--force", "--home", "anna",
    ])
    .ok();
    assert_eq!(
        fs::read(net.path("a.txt")).unwrap(),
        b"second state, longer"
    );
    assert_eq!(net.rows(&["record", "history", &record]).len(), 3);
    net.run(&["record", "erase", &record, "--home", "anna"])
        .fails(2, "--yes");
    net.run(&["record", "erase", &record, "--yes", "--home", "anna"])
        .ok();
    net.run(&["record", "open", &record, "-o", "b.txt", "--home", "anna"])
        .fails(9, "was erased");
    assert_eq!(
        net.rows(&["record", "list", "--home", "anna"])[0]["status"],
        "erased"
    );
    assert!(!net.path("b.txt").exists());
}

#[test]
fn an_emergency_opens_its_grant_and_is_told() {
    let cast = Cast::gather();
    let net = &cast.net;
    let file = net.write("emergency.txt", "blood group A, allergic to penicillin");
    let path = file.to_str().unwrap();
    net.run(&[
        "record",
        "publish",
        path,
        "--class",
        "emergency",
        "--patient",
        &cast.patient,
        "--home",
        "hospital",
    ])
    .ok();
    net.run(&["wallet", "run", "--once", "--home", "anna"]).ok();
    let record = net.rows(&["record", "list", "--home", "anna"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let third = net.party("third", "hospital");
    net.run(&["institution", "admit", &third, "--home", "node"])
        .ok();
    let asked = net.json(&[
        "request",
        "create",
        "--patient",
        &cast.patient,
        "--class",
        "emergency",
        "--purpose",
        "emergency-treatment",
        "--home",
        "third",
    ]);
    let request = asked["request"].as_str().unwrap();
    net.run(&[
        "grant",
        "approve",
        request,
        "--agent",
        &cast.agent,
        "--emergency",
        "--home",
        "anna",
    ])
    .ok();
    let agent = net.spawn(&["agent", "run", "--home", "agent", "--json"]);
    let open = [
        "record", "open", &record, "-o", "er.txt", "--wait", "2s", "--home", "third",
    ];
    net.run(&open).fails(14, "has not answered");
    net.run(&[
        "emergency",
        &cast.patient,
        "--code",
        "unresponsive",
        "--home",
        "third",
    ])
    .ok();
    net.run(&[
        "record", "open", &record, "-o", "er.txt", "--wait", "20s", "--home", "third",
    ])
    .ok();
    drop(agent);
    assert_eq!(
        fs::read(net.path("er.txt")).unwrap(),
        fs::read(file).unwrap()
    );
    let log = net.rows(&["wallet", "log", "--home", "anna"]);
    assert!(
        log.iter()
            .any(|line| line["kind"] == "emergency" && line["code"] == "unresponsive")
    );
    told::hears(net, "anna", &cast.patient, "event: emergency\ndata: {");
}

#[test]
fn every_sample_comes_back_byte_for_byte() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let cast = Cast::gather();
    for entry in fs::read_dir(&samples).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("md" | "py")) || path.is_dir() {
            continue;
        }
        let record = cast.record(&path.canonicalize().unwrap());
        let name = format!("{record}.out");
        cast.net
            .run(&["record", "open", &record, "-o", &name, "--home", "anna"])
            .ok();
        assert_eq!(
            fs::read(cast.net.path(&name)).unwrap(),
            fs::read(&path).unwrap(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_restored_ledger_stops_who_has_seen_more() {
    let mut cast = Cast::gather();
    let note = cast.net.write("note.txt", "a note");
    cast.record(&note);
    cast.net.stop_node();
    let ledger = cast.net.path("node/node/ledger.redb");
    let old = fs::read(&ledger).unwrap();
    cast.net.run_node();
    cast.ask(&["document"]);
    cast.net.run(&["request", "list", "--home", "anna"]).ok();
    cast.net.run(&["agent", "once", "--home", "agent"]).ok();
    cast.net.stop_node();
    fs::write(&ledger, old).unwrap();
    // The node's home knows better; an operator may insist, the parties still see it.
    cast.net
        .run(&["node", "run", "--home", "node"])
        .fails(4, "restore a newer one from a backup");
    fs::remove_file(cast.net.path("node/ledger.toml")).unwrap();
    cast.net.run_node();
    for _ in 0..2 {
        cast.net
            .run(&["agent", "once", "--home", "agent"])
            .fails(13, "restored or forked");
    }
    // It goes on another way: two heads of one height, both signed.
    let net = &cast.net;
    let admit = ["institution", "admit", &cast.hospital, "--home", "node"];
    (0..4).for_each(|_| drop(net.run(&admit).ok()));
    net.run(&["wallet", "run", "--home", "anna"])
        .fails(13, "restored or forked");
    net.run(&["ledger", "genesis", "--output", "genesis.cbor"])
        .ok();
    let verdict = |home: &str| {
        let write = ["ledger", "conflict", "--output", "conflict.cbor", "--force"];
        let told = net.json(&[&write[..], &["--home", home]].concat());
        assert_eq!(told["resumed"], false);
        net.json(&[
            "ledger",
            "verify",
            "conflict.cbor",
            "--genesis",
            "genesis.cbor",
        ])
    };
    // The agent saw the log shrink, which no two heads show.
    assert_eq!(verdict("agent")["fork"], false);
    let proven = verdict("anna");
    assert_eq!(proven["fork"], true);
    assert_eq!(proven["heights"][0], proven["heights"][1]);
    assert_eq!(proven["signed_both"].as_array().unwrap().len(), 1);
    let mut forged = fs::read(net.path("conflict.cbor")).unwrap();
    let last = forged.len() - 200;
    forged[last] ^= 1;
    net.write("forged.cbor", forged);
    let forged = [
        "ledger",
        "verify",
        "forged.cbor",
        "--genesis",
        "genesis.cbor",
    ];
    net.run(&forged).fails(10, "");
    // A person decides.
    net.run(&["ledger", "conflict", "--resume", "--home", "agent"])
        .ok();
    net.run(&["agent", "once", "--home", "agent"]).ok();
    net.run(&["ledger", "conflict", "--home", "agent"])
        .fails(8, "nothing contradicts");
}
