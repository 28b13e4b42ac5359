//! Backup and restore, delegation, scopes, keys, names.

use super::net::Cast;
use std::fs;

#[test]
fn a_wallet_comes_back_from_phrase_and_bag() {
    let cast = Cast::gather();
    let net = &cast.net;
    // A wallet of her own whose phrase is kept in a file.
    net.run(&[
        "init",
        "--role",
        "patient",
        "--home",
        "ben",
        "--work-factor",
        "2",
        "--phrase-file",
        "phrase",
    ])
    .ok();
    net.run(&["account", "register", "--home", "ben"]).ok();
    let card = net.json(&["wallet", "card", "--for", &cast.hospital, "--home", "ben"]);
    let card = card["card"].as_str().unwrap();
    net.run_with_input(
        &["account", "attest", "--card", "-", "--home", "hospital"],
        card.as_bytes(),
    )
    .ok();
    let ben = net.json(&["account", "show", "--home", "ben"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let note = net.write("note.txt", "a note about ben");
    net.run(&[
        "record",
        "publish",
        note.to_str().unwrap(),
        "--patient",
        &ben,
        "--home",
        "hospital",
    ])
    .ok();
    net.run(&["wallet", "run", "--once", "--home", "ben"]).ok();
    net.run(&["wallet", "backup", "--home", "ben"]).ok();
    let record = net.rows(&["record", "list", "--home", "ben"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for kind in ["operation", "hpke"] {
        let rotate = ["account", "rotate-key", "--kind", kind, "--home", "ben"];
        let talk = net.run(&rotate).ok().stderr;
        assert!(!talk.contains("no longer recovers"), "{talk}");
    }

    fs::remove_dir_all(net.path("ben")).unwrap();
    net.write("wrong", "abandon ".repeat(24));
    net.run(&[
        "wallet",
        "restore",
        "--phrase-file",
        "wrong",
        "--home",
        "ben",
    ])
    .fails(6, "backup phrase");
    assert!(!net.path("ben").exists());
    let strange = format!("{}art", "abandon ".repeat(23));
    net.write("strange", strange);
    net.run(&[
        "wallet",
        "restore",
        "--phrase-file",
        "strange",
        "--home",
        "ben",
        "--work-factor",
        "2",
    ])
    .fails(8, "no key bag");
    assert!(!net.path("ben").exists());
    let back = net.json(&[
        "wallet",
        "restore",
        "--phrase-file",
        "phrase",
        "--home",
        "ben",
        "--work-factor",
        "2",
    ]);
    assert_eq!(back["account"], ben.as_str());
    assert_eq!(back["tainted"].as_array().unwrap().len(), 0);
    assert_eq!(
        (&back["records"], &back["hospitals"], &back["unreadable"]),
        (&1.into(), &1.into(), &0.into())
    );
    let scopes = net.rows(&["scope", "list", "--home", "ben"]);
    assert_eq!(scopes.len(), 1);
    let listed = net.rows(&["wallet", "hospital", "list", "--home", "ben"]);
    assert_eq!(listed[0]["hospital"], cast.hospital.as_str());
    // what was accepted before the loss is granted and opened
    let asked = net.json(&[
        "request",
        "create",
        "--patient",
        &ben,
        "--purpose",
        "research",
        "--class",
        "document",
        "--home",
        "institute",
    ]);
    let request = asked["request"].as_str().unwrap();
    net.run(&["wallet", "run", "--once", "--home", "ben"]).ok();
    net.run(&[
        "grant",
        "approve",
        request,
        "--agent",
        &cast.agent,
        "--home",
        "ben",
    ])
    .ok();
    cast.open(&record, "granted.txt").ok();
    assert_eq!(
        fs::read(net.path("granted.txt")).unwrap(),
        b"a note about ben"
    );
    net.run(&["record", "open", &record, "-o", "back.txt", "--home", "ben"])
        .ok();
    assert_eq!(fs::read(net.path("back.txt")).unwrap(), b"a note about ben");
    assert!(
        !net.listing(".")
            .iter()
            .any(|name| name.starts_with(".medshare"))
    );
}

#[test]
fn a_scope_is_rotated_and_its_records_still_open() {
    let cast = Cast::gather();
    let net = &cast.net;
    let note = net.write("note.txt", "a note");
    let record = cast.record(&note);
    let scopes = net.rows(&["scope", "list", "--home", "anna"]);
    let sid = scopes[0]["sid"].as_str().unwrap();
    let rotated = net.json(&["scope", "rotate", sid, "--home", "anna"]);
    assert_eq!(rotated["rewrapped"][0], record.as_str());
    let after = net.rows(&["scope", "list", "--home", "anna"]);
    assert_eq!(after[0]["counter"], 1);
    assert_eq!(after[0]["sid"], rotated["next"]);
    net.run(&["record", "open", &record, "-o", "n.txt", "--home", "anna"])
        .ok();
    assert_eq!(fs::read(net.path("n.txt")).unwrap(), b"a note");
    let unknown = "00".repeat(32);
    net.run(&["scope", "rotate", &unknown, "--home", "anna"])
        .fails(8, "no key for scope");
}

#[test]
fn a_delegate_accepts_and_grants_for_a_patient() {
    let cast = Cast::gather();
    let net = &cast.net;
    let first = net.write("first.txt", "before");
    cast.record(&first);
    let guardian = net.party("guardian", "patient");
    net.run(&[
        "delegate",
        "give",
        &guardian,
        "--power",
        "accept",
        "--power",
        "authorize",
        "--home",
        "anna",
    ])
    .ok();
    net.run(&["delegate", "take", "--home", "guardian"]).ok();
    let note = net.write("second.txt", "accepted by the delegate");
    let record = cast.publish(&note);
    net.run(&["record", "accept", &record, "--home", "guardian"])
        .ok();
    // The letter of a request is sealed to the patient: her delegate says what is granted.
    let granted = cast.ask(&["document"]);
    let approve = [
        "grant",
        "approve",
        &granted,
        "--agent",
        &cast.agent,
        "--home",
        "guardian",
    ];
    net.run(&approve).fails(8, "its letter is not here");
    let approved = net.json(&[&approve[..], &["--class", "document", "--for", "1h"]].concat());
    let grant = approved["grant"].as_str().unwrap();
    cast.open(&record, "opened.txt").ok();
    assert_eq!(
        fs::read(net.path("opened.txt")).unwrap(),
        b"accepted by the delegate"
    );
    let request = cast.ask(&["document"]);
    net.run(&["grant", "revoke", grant, "--home", "guardian"])
        .fails(9, "does not cover");
    let listed = net.rows(&["delegate", "list", "--home", "anna"]);
    assert_eq!(listed[0]["delegate"], guardian.as_str());
    let delegation = listed[0]["id"].as_str().unwrap();
    net.run(&["delegate", "end", delegation, "--home", "anna"])
        .ok();
    net.run(&["grant", "deny", &request, "--home", "guardian"])
        .fails(9, "no such delegation");
}

#[test]
fn keys_are_rotated_and_the_old_one_no_longer_serves() {
    let cast = Cast::gather();
    let net = &cast.net;
    copy(&net.path("hospital"), &net.path("thief"));
    net.run(&[
        "account",
        "rotate-key",
        "--kind",
        "operation",
        "--home",
        "hospital",
    ])
    .ok();
    net.run(&[
        "account",
        "rotate-key",
        "--kind",
        "hpke",
        "--home",
        "hospital",
    ])
    .ok();
    net.run(&[
        "account",
        "rotate-key",
        "--kind",
        "record",
        "--home",
        "hospital",
    ])
    .ok();
    net.run(&[
        "account",
        "rotate-key",
        "--kind",
        "record",
        "--home",
        "anna",
    ])
    .fails(7, "home of a patient");
    let note = net.write("note.txt", "signed with the new key");
    let record = cast.record(&note);
    net.run(&["record", "open", &record, "-o", "n.txt", "--home", "anna"])
        .ok();
    net.run(&[
        "emergency",
        &cast.patient,
        "--code",
        "urgent",
        "--home",
        "thief",
    ])
    .fails(9, "no longer the operation key");
}

#[test]
fn a_phrase_whose_key_was_replaced_recovers_nothing_and_says_so() {
    let cast = Cast::gather();
    let net = &cast.net;
    let init = |home: &str, word: &str, file: &str| {
        net.run(&[
            "init",
            "--role",
            "requester",
            "--home",
            home,
            "--work-factor",
            "2",
            word,
            file,
        ])
    };
    init("lab", "--phrase-file", "lab.phrase").ok();
    net.run(&["account", "register", "--home", "lab"]).ok();
    init("lab2", "--recover", "lab.phrase").ok();
    let rotate = [
        "account",
        "rotate-key",
        "--kind",
        "operation",
        "--home",
        "lab",
    ];
    let talk = net.run(&rotate).ok().stderr;
    assert!(talk.contains("no longer recovers"), "{talk}");
    init("lab3", "--recover", "lab.phrase").fails(9, "no longer recovers");
    assert!(!net.path("lab3").exists());
    net.run(&["request", "list", "--home", "lab2"])
        .fails(9, "no longer the operation key");
    net.run(&["account", "rotate-key", "--kind", "hpke", "--home", "lab"])
        .ok();
}

#[test]
fn names_stand_for_accounts() {
    let cast = Cast::gather();
    let net = &cast.net;
    net.run(&[
        "contact",
        "add",
        "anna",
        &cast.patient,
        "--home",
        "hospital",
    ])
    .ok();
    net.run(&["contact", "add", "a b", &cast.patient, "--home", "hospital"])
        .fails(2, "letters");
    let note = net.write("note.txt", "by name");
    let path = note.to_str().unwrap();
    net.run(&[
        "record",
        "publish",
        path,
        "--patient",
        "anna",
        "--home",
        "hospital",
    ])
    .ok();
    net.run(&[
        "record",
        "publish",
        path,
        "--patient",
        "nobody",
        "--home",
        "hospital",
    ])
    .fails(8, "neither an account id");
    net.run(&["contact", "remove", "anna", "--home", "hospital"])
        .ok();
    net.run(&["contact", "remove", "anna", "--home", "hospital"])
        .fails(8, "no contact");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
