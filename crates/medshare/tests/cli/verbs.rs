//! Verbs of the consortium and of care that the main job does not need: disputes, votes,
//! lists, names, settings, requests for many patients.

use super::net::{Cast, Net, Ran};
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A record that the institute opened; its query.
fn opened(cast: &Cast) -> (String, String) {
    let note = cast.net.write("note.txt", "a note of one patient");
    let record = cast.record(&note);
    cast.grant(&["document"], &[]);
    let ran = cast.open(&record, "out.txt").ok();
    let told: Value = serde_json::from_str(ran.stdout.trim()).unwrap();
    (record, text(&told["queries"][0]).to_owned())
}

#[test]
fn a_dispute_is_opened_examined_and_resolved() {
    let cast = Cast::gather();
    let net = &cast.net;
    assert!(net.rows(&["dispute", "list"]).is_empty());
    let (record, query) = opened(&cast);
    let open = |more: &[&str]| -> Ran {
        let mut arguments = vec!["dispute", "open", "--home", "anna", "--json"];
        arguments.extend(more);
        net.run(&arguments)
    };
    let by_words = [
        "--query",
        &query,
        "--code",
        "misuse",
        "--arbiter",
        &cast.hospital,
        "--words",
        "sold to an advertiser",
    ];
    let told = open(&by_words).ok().stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    let dispute = text(&told["dispute"]).to_owned();
    // Neither the accused nor a stranger can judge, and a lie needs its evidence.
    open(&[
        "--record",
        &record,
        "--code",
        "fabrication",
        "--arbiter",
        "nobody",
    ])
    .fails(8, "neither an account id");
    open(&[
        "--record",
        &record,
        "--code",
        "lying-agent",
        "--arbiter",
        &cast.second,
    ])
    .fails(2, "--query");
    open(&[
        "--query",
        &query,
        "--code",
        "lying-agent",
        "--arbiter",
        &cast.second,
    ])
    .fails(8, "no requester has reported");
    let listed = net.rows(&["dispute", "list"]);
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["code"]),
        (&dispute.as_str().into(), &"misuse".into())
    );
    let line = net.run(&["dispute", "list"]).ok().stdout;
    assert!(
        line.contains("misuse against") && line.trim_end().ends_with("open"),
        "{line}"
    );

    net.run(&["dispute", "examine", &dispute, "--home", "second"])
        .fails(8, "no evidence for dispute");
    let seen = net.json(&["dispute", "examine", &dispute, "--home", "hospital"]);
    assert_eq!(seen["words"], "sold to an advertiser");
    assert_eq!(seen["evidence"], "as committed");
    net.run(&[
        "dispute",
        "resolve",
        &dispute,
        "--resolution",
        "upheld",
        "--home",
        "anna",
    ])
    .fails(7, "node");
    net.json(&[
        "dispute",
        "resolve",
        &dispute,
        "--resolution",
        "dismissed",
        "--home",
        "node",
    ]);
    let line = net.run(&["dispute", "list"]).ok().stdout;
    assert!(line.contains("dismissed"), "{line}");
    net.run(&[
        "dispute",
        "resolve",
        &dispute,
        "--resolution",
        "upheld",
        "--home",
        "node",
    ])
    .fails(9, "already decided");
    net.run(&[
        "dispute",
        "resolve",
        &query,
        "--resolution",
        "upheld",
        "--home",
        "node",
    ])
    .fails(9, "dispute");
}

#[test]
fn institutions_are_proposed_voted_and_listed() {
    let cast = Cast::gather();
    let net = &cast.net;
    let listed = net.rows(&["institution", "list"]);
    let accounts: Vec<&str> = listed.iter().map(|one| text(&one["account"])).collect();
    for account in [&cast.hospital, &cast.second, &cast.institute] {
        assert!(accounts.contains(&account.as_str()));
    }
    let third = net.party("third", "requester");
    let admitted = net.json(&[
        "institution",
        "admit",
        &third,
        "--group",
        "7",
        "--home",
        "node",
    ]);
    let line = net.run(&["institution", "list"]).ok().stdout;
    assert!(line.contains("group 7"), "{line}");
    let proposals = net.rows(&["institution", "proposals"]);
    assert_eq!(proposals.len(), 4);
    let line = net.run(&["institution", "proposals"]).ok().stdout;
    assert!(
        line.contains("  enacted 20") && line.contains("1 vote(s)"),
        "{line}"
    );
    // The single validator's own vote enacted it: there is nothing left to vote about.
    let vote = [
        "institution",
        "vote",
        text(&admitted["operation"]),
        "--home",
        "node",
    ];
    net.run(&vote).fails(9, "");
    net.run(&[
        "institution",
        "vote",
        text(&admitted["operation"]),
        "--home",
        "anna",
    ])
    .fails(7, "node");
    let unknown = "bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    net.run(&["institution", "vote", unknown, "--home", "node"])
        .fails(9, "proposal");
}

#[test]
fn grants_hospitals_names_and_settings_are_listed() {
    let cast = Cast::gather();
    let net = &cast.net;
    assert!(net.rows(&["grant", "list", "--home", "anna"]).is_empty());
    let note = net.write("note.txt", "a note");
    cast.record(&note);
    let grant = cast.grant(&["document"], &["--max-queries", "3"]);
    for home in ["anna", "institute", "agent"] {
        let listed = net.rows(&["grant", "list", "--live", "--home", home]);
        assert_eq!(listed.len(), 1, "{home}");
        assert_eq!(
            (&listed[0]["id"], &listed[0]["status"]),
            (&grant.as_str().into(), &"live".into())
        );
    }
    let line = net.run(&["grant", "list", "--home", "anna"]).ok().stdout;
    assert!(line.contains("0/3 queries"), "{line}");
    net.run(&["grant", "revoke", &grant, "--home", "anna"]).ok();
    assert!(
        net.rows(&["grant", "list", "--live", "--home", "anna"])
            .is_empty()
    );
    assert_eq!(
        net.rows(&["grant", "list", "--home", "anna"])[0]["status"],
        "revoked"
    );

    let hospitals = || net.rows(&["wallet", "hospital", "list", "--home", "anna"]);
    assert_eq!(hospitals()[0]["hospital"], cast.hospital.as_str());
    net.run(&[
        "wallet",
        "hospital",
        "remove",
        &cast.hospital,
        "--home",
        "anna",
    ])
    .ok();
    assert!(hospitals().is_empty());
    net.run(&[
        "wallet",
        "hospital",
        "remove",
        &cast.hospital,
        "--home",
        "anna",
    ])
    .fails(8, "not on the list");
    net.run(&[
        "wallet",
        "hospital",
        "add",
        &cast.institute,
        "--home",
        "anna",
    ])
    .fails(10, "not a hospital");
    // What an unlisted hospital publishes waits for a decision by hand.
    let note = net.write("note2.txt", "another note");
    let record = cast.record(&note);
    let listed = net.rows(&["record", "list", "--home", "anna"]);
    let of = |id: &str| listed.iter().find(|one| one["id"] == id).unwrap()["status"].clone();
    assert_ne!(of(&record), "accepted");

    assert!(
        net.rows(&["contact", "list", "--home", "hospital"])
            .is_empty()
    );
    for (name, account) in [("zoe", &cast.second), ("anna", &cast.patient)] {
        net.run(&["contact", "add", name, account, "--home", "hospital"])
            .ok();
    }
    let names = net.rows(&["contact", "list", "--home", "hospital"]);
    let names: Vec<_> = names.iter().map(|one| text(&one["name"])).collect();
    assert_eq!(names, ["anna", "zoe"]);

    let shown = net.run(&["config", "show", "--home", "anna"]).ok().stdout;
    let file = net.write("shown.toml", &shown);
    net.run(&["config", "check", "--config", file.to_str().unwrap()])
        .ok();
    for line in [
        "[node]",
        "timeout-seconds = 60",
        "[server]",
        "poll-milliseconds = 250",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    let mut command = net.command(&["config", "show", "--json", "--node", "http://127.0.0.1:9"]);
    let told = Ran::new(&[], command.output().unwrap()).ok().stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told["node"]["address"], "http://127.0.0.1:9",
        "the flag is in force"
    );
}

#[test]
fn a_cohort_is_asked_in_one_command() {
    let cast = Cast::gather();
    let net = &cast.net;
    let mut accounts = vec![cast.patient.clone()];
    for name in ["ben", "cleo"] {
        let account = net.party(name, "patient");
        let card = net.json(&["wallet", "card", "--for", &cast.hospital, "--home", name]);
        net.run_with_input(
            &["account", "attest", "--card", "-", "--home", "hospital"],
            text(&card["card"]).as_bytes(),
        )
        .ok();
        accounts.push(account);
    }
    let mut records = Vec::new();
    for (account, home) in accounts.iter().zip(["anna", "ben", "cleo"]) {
        for number in 0..2 {
            let note = net.write("note.txt", format!("note {number} of {home}"));
            let told = net.json(&[
                "record",
                "publish",
                note.to_str().unwrap(),
                "--patient",
                account,
                "--home",
                "hospital",
            ]);
            records.push((home, text(&told["record"]).to_owned()));
        }
        net.run(&["wallet", "run", "--once", "--home", home]).ok();
    }
    let mut arguments = vec![
        "request",
        "create",
        "--purpose",
        "research",
        "--class",
        "document",
    ];
    arguments.extend(["--home", "institute"]);
    for account in &accounts {
        arguments.extend(["--patient", account]);
    }
    // One who is none: nobody is asked. One named twice is asked once.
    let logged = || net.rows(&["ledger", "tail", "--from", "0"]).len();
    let before = logged();
    let wrong = [&arguments[..], &["--patient", &cast.hospital]].concat();
    net.run(&wrong).fails(10, "is not a patient's account");
    let unknown = "00".repeat(32);
    let wrong = [&arguments[..], &["--patient", &unknown]].concat();
    net.run(&wrong).fails(8, "the ledger has no account");
    assert_eq!(logged(), before);
    arguments.extend(["--patient", &accounts[0]]);
    let asked = net.rows(&arguments);
    assert_eq!(asked.len(), 3, "{asked:?}");
    for (home, request) in ["anna", "ben", "cleo"].iter().zip(&asked) {
        net.json(&[
            "grant",
            "approve",
            text(&request["request"]),
            "--agent",
            &cast.agent,
            "--home",
            home,
        ]);
    }
    for (home, record) in &records {
        let output = format!("{home}-{}.txt", &record[..8]);
        cast.open(record, &output).ok();
        let bytes = std::fs::read_to_string(net.path(&output)).unwrap();
        assert!(bytes.ends_with(home), "{bytes}");
    }
}

#[test]
fn a_shell_and_man_know_the_verbs() {
    let net = Net::start();
    for shell in ["bash", "zsh", "fish"] {
        let text = net.run(&["completions", shell]).ok().stdout;
        assert!(text.contains("rotate-key"), "{shell}");
    }
    net.run(&["completions", "sh"]).fails(2, "invalid value");
    let folder = net.path("man1");
    let shown = folder.to_str().unwrap();
    net.run(&["man", shown]).fails(12, "man1");
    std::fs::create_dir(&folder).unwrap();
    net.run(&["man", shown]).ok();
    let page = std::fs::read_to_string(folder.join("medshare-record-publish.1")).unwrap();
    assert!(page.contains("patient"), "{page}");
    assert!(folder.join("medshare.1").exists());
}
