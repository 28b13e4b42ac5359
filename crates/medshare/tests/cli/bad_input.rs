//! Bad input: the documented exit code, one clear line, nothing half-written.

use super::net::{Cast, Net, PASSPHRASE, Ran};
use std::fs;

#[test]
fn wrong_passphrases_roles_and_homes() {
    let net = Net::start();
    net.party("anna", "patient");
    net.write("wrong", "incorrect horse");
    let card = ["wallet", "card", "--home", "anna"];
    let with = |file: &str| net.run(&[&card[..], &["--passphrase-file", file]].concat());
    with("wrong").fails(6, "wrong passphrase");
    with("absent").fails(6, "cannot read the passphrase");
    net.write("empty", "\n");
    with("empty").fails(6, "no passphrase");
    net.write("short", "1234567");
    net.run(&[
        "init",
        "--role",
        "agent",
        "--home",
        "x",
        "--passphrase-file",
        "short",
    ])
    .fails(6, "shorter");
    assert!(!net.path("x").exists());
    let mut piped = net.command(&card);
    piped.env_remove("MEDSHARE_PASSPHRASE_FILE");
    Ran::new(&card, piped.output().unwrap()).fails(6, "--passphrase-file");
    net.run(&["agent", "once", "--home", "anna"])
        .fails(7, "home of a patient");
    net.run(&[
        "record",
        "publish",
        "pass",
        "--patient",
        "x",
        "--home",
        "anna",
    ])
    .fails(7, "home of a hospital");
    net.run(&["node", "run", "--home", "anna"])
        .fails(7, "home of a node");
    net.run(&["wallet", "card", "--home", "nowhere"])
        .fails(4, "no medshare home");
    net.run(&["init", "--role", "agent", "--home", "anna"])
        .fails(4, "not empty");
}

#[test]
fn a_passphrase_comes_from_a_descriptor() {
    let net = Net::start();
    net.party("anna", "patient");
    let arguments = ["wallet", "card", "--home", "anna", "--passphrase-fd", "0"];
    let mut command = net.command(&arguments);
    command.env_remove("MEDSHARE_PASSPHRASE_FILE");
    command.stdin(fs::File::open(net.path("pass")).unwrap());
    let ran = Ran::new(&arguments, command.output().unwrap()).ok();
    assert!(ran.stdout.starts_with("medshare1:"));
}

#[test]
fn a_home_takes_one_process_at_a_time() {
    let net = Net::start();
    net.party("anna", "patient");
    let lock = fs::OpenOptions::new()
        .write(true)
        .open(net.path("anna/lock"))
        .unwrap();
    lock.lock().unwrap();
    net.run(&["wallet", "card", "--home", "anna", "--lock-wait", "0"])
        .fails(5, "another process");
    drop(lock);
    let mut running = net.spawn(&["wallet", "run", "--home", "anna", "--json"]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(running.child.try_wait().unwrap().is_none());
    net.run(&["wallet", "run", "--home", "anna"])
        .fails(5, "another process");
    // The loop gives way between its rounds.
    net.run(&["wallet", "card", "--home", "anna"]).ok();
    assert_eq!(running.terminate(), Some(0));
    net.run(&["node", "run", "--home", "node"])
        .fails(5, "another process");
}

#[test]
fn damaged_homes_are_named_and_left_alone() {
    let net = Net::start();
    net.party("anna", "patient");
    let card = ["wallet", "card", "--home", "anna"];
    for (file, words) in [
        ("keys.age", "keys.age"),
        ("vault.redb", "vault.redb"),
        ("genesis.cbor", "genesis.cbor"),
        ("home.toml", "home.toml"),
    ] {
        let path = net.path(&format!("anna/{file}"));
        let whole = fs::read(&path).unwrap();
        for (kind, bytes) in [
            ("truncated", whole[..whole.len() / 2].to_vec()),
            ("flipped", whole.iter().map(|byte| byte ^ 0x20).collect()),
            (
                "foreign",
                b"something else entirely, not a file of this program".to_vec(),
            ),
        ] {
            fs::write(&path, &bytes).unwrap();
            let ran = net.run(&card);
            assert_eq!(ran.code, 4, "{file} {kind}: {ran:?}");
            ran.fails(4, words);
        }
        fs::write(&path, whole).unwrap();
    }
    net.run(&card).ok();
}

#[test]
fn accounts_cards_and_ids_that_are_none() {
    let cast = Cast::gather();
    let net = &cast.net;
    let nobody = "ab".repeat(32);
    let note = net.write("note.txt", "a note");
    let note = note.to_str().unwrap();
    net.run(&[
        "record",
        "publish",
        note,
        "--patient",
        &nobody,
        "--home",
        "hospital",
    ])
    .fails(8, "no card");
    net.run(&["account", "show", &nobody])
        .fails(8, "no account");
    net.run(&["record", "show", &nobody]).fails(8, "no record");
    net.run(&["record", "show", "xyz"])
        .fails(2, "64 hexadecimal digits");
    net.run(&["ledger", "show", "bafyreinonsense"])
        .fails(2, "no operation id");
    net.run(&[
        "record",
        "publish",
        "absent.json",
        "--patient",
        &cast.patient,
        "--home",
        "hospital",
    ])
    .fails(8, "no file absent.json");
    net.run(&[
        "record",
        "publish",
        "node",
        "--patient",
        &cast.patient,
        "--home",
        "hospital",
    ])
    .fails(2, "not a regular file");
    let card = fs::read_to_string(net.path("card.txt")).unwrap();
    let flipped = card.replace(
        &card[100..104],
        if &card[100..104] == "AAAA" {
            "BBBB"
        } else {
            "AAAA"
        },
    );
    for (name, text) in [
        ("truncated", &card[..60]),
        ("flipped", &flipped),
        ("foreign", "https://example.org"),
        ("empty", ""),
    ] {
        net.write("bad-card", text);
        let ran = net.run(&[
            "account", "attest", "--card", "bad-card", "--home", "hospital",
        ]);
        assert!(matches!(ran.code, 8 | 10), "{name}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{name}: {ran:?}");
    }
    // An account that never registered may do nothing.
    net.run(&[
        "init",
        "--role",
        "hospital",
        "--home",
        "stranger",
        "--work-factor",
        "2",
    ])
    .ok();
    net.run(&[
        "emergency",
        &cast.patient,
        "--code",
        "urgent",
        "--home",
        "stranger",
    ])
    .fails(9, "does not exist on this ledger");
    // A hospital that is not admitted may not publish.
    let late = net.party("late", "hospital");
    net.run(&[
        "account",
        "attest",
        "--card",
        "card.txt",
        "--home",
        "late",
        "--keep-only",
    ])
    .ok();
    net.run(&[
        "record",
        "publish",
        note,
        "--patient",
        &cast.patient,
        "--home",
        "late",
    ])
    .fails(9, "not admitted");
    net.run(&["institution", "admit", &late, "--home", "node"])
        .ok();
    net.run(&[
        "record",
        "publish",
        note,
        "--patient",
        &cast.patient,
        "--home",
        "late",
    ])
    .ok();
    // Her wallet does not accept from a hospital that is not on her list.
    let events = net.rows(&["wallet", "run", "--once", "--home", "anna"]);
    assert!(
        !events.iter().any(|event| event["event"] == "accepted"),
        "{events:?}"
    );
}

#[test]
fn grants_that_have_ended_or_never_began() {
    let cast = Cast::gather();
    let net = &cast.net;
    let note = net.write("note.txt", "a note");
    let record = cast.record(&note);
    let open = |more: &[&str]| {
        let base = [
            "record",
            "open",
            record.as_str(),
            "-o",
            "out.txt",
            "--wait",
            "3s",
            "--home",
            "institute",
        ];
        net.run(&[&base[..], more].concat())
    };
    // Not yet, and expired.
    let later = cast.grant(&["document"], &["--after", "1h"]);
    open(&["--grant", &later]).fails(9, "it starts at");
    let brief = cast.grant(&["document"], &["--for", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    open(&["--grant", &brief]).fails(9, "it expired at");
    // Used up: one part opened, another record's is refused.
    let one = cast.grant(&["document"], &["--max-queries", "1"]);
    cast.open(&record, "one.txt").ok();
    let more = net.write("more.txt", "another note");
    let other = cast.record(&more);
    net.run(&[
        "record",
        "open",
        &other,
        "-o",
        "out.txt",
        "--grant",
        &one,
        "--home",
        "institute",
    ])
    .fails(9, "used up");
    // Agent and requester of one institution; an agent that is none; no such class.
    let consent = net.json(&["account", "consent", &cast.agent, "--home", "institute"]);
    let consent = consent["consent"].as_str().unwrap();
    net.run(&[
        "account",
        "join",
        &cast.institute,
        "--consent",
        consent,
        "--home",
        "agent",
    ])
    .fails(9, "already belongs");
    let own = net.party("own", "agent");
    let consent = net.json(&["account", "consent", &own, "--home", "institute"]);
    let consent = consent["consent"].as_str().unwrap();
    net.run(&[
        "account",
        "join",
        &cast.institute,
        "--consent",
        consent,
        "--home",
        "own",
    ])
    .ok();
    net.run(&["agent", "once", "--home", "own"]).ok();
    let request = cast.ask(&["document"]);
    net.run(&[
        "grant", "approve", &request, "--agent", &own, "--home", "anna",
    ])
    .fails(9, "same institution");
    net.run(&[
        "grant",
        "approve",
        &request,
        "--agent",
        &cast.agent,
        "--class",
        "imaging",
        "--home",
        "anna",
    ])
    .fails(2, "does not ask for imaging");
    net.run(&["grant", "deny", &request, "--home", "anna"]).ok();
    net.run(&[
        "grant",
        "approve",
        &request,
        "--agent",
        &cast.agent,
        "--home",
        "anna",
    ])
    .fails(9, "already answered");
    assert!(!net.path("out.txt").exists());
    assert!(
        !net.listing(".")
            .iter()
            .any(|name| name.starts_with(".medshare")),
        "{:?}",
        net.listing(".")
    );
}

#[test]
fn proofs_and_genesis_files_that_do_not_hold() {
    let cast = Cast::gather();
    let net = &cast.net;
    let operation = net.rows(&["ledger", "tail", "--from", "0"])[3]["operation"]
        .as_str()
        .unwrap()
        .to_owned();
    net.run(&["ledger", "genesis", "-o", "genesis.cbor"]).ok();
    net.run(&["ledger", "prove", &operation, "-o", "x.proof"])
        .ok();
    net.run(&["ledger", "prove", &operation, "-o", "x.proof"])
        .fails(2, "exists already");
    let whole = fs::read(net.path("x.proof")).unwrap();
    let verify = |file: &str| net.run(&["ledger", "verify", file, "--genesis", "genesis.cbor"]);
    verify("x.proof").ok();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        net.write("bad.proof", &bytes);
        verify("bad.proof").fails(10, "proof");
        net.write("bad.proof", &whole[..at]);
        verify("bad.proof").fails(10, "bad.proof");
    }
    verify("genesis.cbor").fails(10, "no proof file");
    verify("absent").fails(8, "no file");
    net.run(&["ledger", "verify", "x.proof", "--genesis", "x.proof"])
        .fails(10, "no genesis file");
    let other = Net::start();
    other.run(&["ledger", "genesis", "-o", "g"]).ok();
    let foreign = other.path("g");
    net.run(&[
        "ledger",
        "verify",
        "x.proof",
        "--genesis",
        foreign.to_str().unwrap(),
    ])
    .fails(10, "another ledger");
    // A home of one ledger does not speak to the node of another.
    let address = format!("unix:{}", other.path("node/node/medshare.sock").display());
    net.run(&["request", "list", "--home", "anna", "--node", &address])
        .fails(10, "another ledger");
}

#[test]
fn output_that_cannot_be_written() {
    let net = Net::start();
    net.party("anna", "patient");
    let mut full = net.command(&["ledger", "tail"]);
    full.stdout(
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap(),
    );
    let ran = Ran::new(
        &["ledger", "tail"],
        full.stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap(),
    );
    assert_eq!(ran.code, 12, "{ran:?}");
    // A reader that goes away is no failure.
    let mut gone = net.command(&["ledger", "tail", "--from", "0", "--quiet"]);
    let (reader, writer) = std::io::pipe().unwrap();
    gone.stdout(writer).stderr(std::process::Stdio::piped());
    drop(reader);
    let ran = Ran::new(
        &["ledger", "tail"],
        gone.spawn().unwrap().wait_with_output().unwrap(),
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn configurations_and_command_lines() {
    let mut net = Net::start();
    net.party("anna", "patient");
    net.run(&["config", "check", "--home", "anna"]).ok();
    net.write(
        "bad.toml",
        "[node]\naddress = \"unix:x\"\n\n[wallet]\npoll-seconds = 3\n",
    );
    net.run(&["config", "check", "--config", "bad.toml"])
        .fails(3, "bad.toml:5: poll-seconds: unknown field");
    net.write("bad.toml", "[node]\ntimeout-seconds = 0\n");
    net.run(&["ledger", "tail", "--config", "bad.toml"])
        .fails(3, "bad.toml:2: node.timeout-seconds");
    net.run(&["ledger", "tail", "--config", "absent.toml"])
        .fails(3, "absent.toml");
    net.run(&["ledger", "tail", "--node", "http://192.0.2.1:80"])
        .fails(2, "this machine only");
    net.run(&["ledger", "frobnicate"])
        .fails(2, "unrecognized subcommand");
    net.run(&["record", "open", "--json"]).fails(2, "required");
    // A flag beats the environment beats the file.
    net.write("wrong.toml", "[node]\naddress = \"unix:/nowhere\"\n");
    net.run(&["ledger", "tail", "--config", "wrong.toml"]).ok();
    net.run(&["ledger", "tail", "--node", "unix:/nowhere"])
        .fails(11, "no node answers at unix:/nowhere");
    net.stop_node();
    // What serves looks at its settings before it listens.
    for (home, words) in [
        ("node", ["node", "run", "--home", "node"]),
        ("anna", ["page", "--quiet", "--home", "anna"]),
        ("anna", ["serve", "--quiet", "--home", "anna"]),
    ] {
        let file = format!("{home}/config.toml");
        let good = fs::read(net.path(&file)).unwrap();
        net.write(&file, "[server]\nrequests-per-second = 0\n");
        net.run(&words)
            .fails(3, "config.toml:2: server.requests-per-second");
        net.write(&file, good);
    }
    net.run(&["wallet", "card", "--home", "anna"]).ok();
    net.run(&["request", "list", "--home", "anna"])
        .fails(11, "no node answers");
    assert!(!PASSPHRASE.is_empty());
}

#[test]
fn only_regular_files_are_replaced_or_published() {
    let cast = Cast::gather();
    let net = &cast.net;
    let note = net.write("note.txt", "a note");
    let record = cast.record(&note);
    fs::create_dir(net.path("folder")).unwrap();
    std::os::unix::fs::symlink("/dev/null", net.path("null")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(net.path("pipe"))
        .status();
    assert!(pipe.unwrap().success());
    for target in ["folder", "null", "pipe"] {
        for force in [&["--force"][..], &[]] {
            let open = ["record", "open", &record, "-o", target, "--home", "anna"];
            net.run(&[&open[..], force].concat())
                .fails(2, "is not a regular file");
        }
    }
    net.run(&["ledger", "genesis", "-o", "null", "--force"])
        .fails(2, "is not a regular file");
    let before = net.json(&["ledger", "replay"]);
    for document in ["folder", "null", "pipe", "/dev/full"] {
        net.run(&[
            "record",
            "publish",
            document,
            "--patient",
            &cast.patient,
            "--home",
            "hospital",
        ])
        .fails(2, "is not a regular file");
    }
    assert_eq!(net.json(&["ledger", "replay"]), before);
    assert_eq!(
        fs::read_link(net.path("null")).unwrap().to_str(),
        Some("/dev/null")
    );
}

#[test]
fn arguments_that_are_no_text_and_settings_that_compete() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let net = Net::start();
    net.party("anna", "patient");
    let mut odd = net.command(&["record", "show"]);
    odd.arg(OsStr::from_bytes(b"\xff\xfe"));
    Ran::new(&["odd"], odd.output().unwrap()).fails(2, "see --help");
    // A flag beats the environment; an empty variable is none.
    let card = ["wallet", "card", "--home", "anna", "--passphrase-fd", "0"];
    for file in ["absent", ""] {
        let mut command = net.command(&card);
        command
            .env("MEDSHARE_PASSPHRASE_FILE", file)
            .stdin(fs::File::open(net.path("pass")).unwrap());
        Ran::new(&card, command.output().unwrap()).ok();
    }
    let mut command = net.command(&card[..4]);
    command.env("MEDSHARE_PASSPHRASE_FILE", "");
    Ran::new(&card, command.output().unwrap()).fails(6, "no terminal");
    net.write("bad.toml", "[keys]\n[node]\naddress = \"foo\"\n");
    net.run(&["config", "check", "--config", "bad.toml"])
        .fails(3, "bad.toml:3: node.address");
    let nobody = "ab".repeat(32);
    net.run(&["credit", "balance", &nobody])
        .fails(8, "no account");
}

#[test]
fn records_of_unlisted_hospitals_and_erased_ones_are_explained() {
    let cast = Cast::gather();
    let net = &cast.net;
    let note = net.write("note.txt", "a note");
    let record = cast.record(&note);
    net.run(&[
        "wallet",
        "hospital",
        "remove",
        &cast.hospital,
        "--home",
        "anna",
    ])
    .ok();
    let waiting = cast.publish(&net.write("other.txt", "another note"));
    let ran = net
        .run(&["record", "accept", "--all", "--home", "anna"])
        .ok();
    let hint = format!("medshare wallet hospital add {}", cast.hospital);
    assert!(
        ran.stderr.contains(&waiting) && ran.stderr.contains(&hint),
        "{ran:?}"
    );
    net.run(&["record", "erase", &record, "--yes", "--home", "hospital"])
        .ok();
    net.run(&["record", "erase", &record, "--yes", "--home", "anna"])
        .ok();
    net.run(&["record", "open", &record, "-o", "x", "--home", "anna"])
        .fails(9, "was erased");
}
