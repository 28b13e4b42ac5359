//! The demo as a whole: every step and every refusal happens, and no home holds what is
//! another party's alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base::{Scope, codec};
use medshare::home::{Home, passphrase::PassphraseSource};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::Value;
use share::Table;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

fn demo(arguments: &[&str], temporary: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_medshare"))
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", temporary)
        .env("MEDSHARE_HOME", "/nowhere")
        .output()
        .unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_whole_story_and_nobody_holds_a_key_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let keep = dir.path().join("stage");
    let output = demo(&["--json", "--keep", keep.to_str().unwrap()], dir.path());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let steps = objects(&output);
    every_step_is_an_object(&steps);
    every_step_and_refusal_happened(&steps);
    no_home_holds_a_key_of_another(&keep);
}

fn every_step_is_an_object(steps: &[Value]) {
    for step in steps {
        for key in [
            "step",
            "outcome",
            "operation",
            "cid",
            "milliseconds",
            "error",
        ] {
            assert!(step.get(key).is_some(), "{key} is missing in {step}");
        }
        let refused = match step["outcome"].as_str() {
            Some("ok") => false,
            Some("refused") => true,
            other => panic!("outcome {other:?} in {step}"),
        };
        assert_eq!(step["error"].is_string(), refused, "{step}");
        assert!(step["milliseconds"].is_u64(), "{step}");
    }
}

fn every_step_and_refusal_happened(steps: &[Value]) {
    let with = |outcome: &str| -> BTreeSet<&str> {
        let found = steps.iter().filter(|step| step["outcome"] == outcome);
        found.map(|step| step["step"].as_str().unwrap()).collect()
    };
    let (done, refused) = (with("ok"), with("refused"));
    for step in DONE {
        assert!(done.contains(step), "{step} is missing");
    }
    let expected: BTreeSet<&str> = REFUSED.iter().map(|(step, _)| *step).collect();
    assert_eq!(refused, expected);
    for (name, says) in REFUSED {
        let step = steps.iter().find(|step| step["step"] == *name).unwrap();
        let reason = step["error"].as_str().unwrap();
        assert!(reason.contains(says), "{name}: {reason}");
        // The ledger's own refusals are leaves, with an operation id.
        if name.ends_with("-ledger") {
            assert!(step["operation"].is_string(), "{step}");
        }
    }
    // What reached the ledger names its operation, what reached the store its root.
    for (name, key) in [
        ("publish", "operation"),
        ("publish", "cid"),
        ("accept", "operation"),
        ("open", "operation"),
        ("open", "cid"),
    ] {
        let missing = steps
            .iter()
            .find(|step| step["step"] == name && !step[key].is_string());
        assert_eq!(missing, None);
    }
    // Every file that was published is compared with its source, once as another
    // hospital opened it and once as its patient did.
    let count = |name: &str| steps.iter().filter(|step| step["step"] == name).count();
    assert_eq!(count("open"), count("open-own"));
    assert_eq!(count("compare"), 2 * count("open-own"));
    assert!(count("open-own") >= 8);
    for published in steps.iter().filter(|step| step["step"] == "publish") {
        assert!(published["stored_bytes"].as_u64() >= published["bytes"].as_u64());
    }
}

const DONE: &[&str] = &[
    "node-init",
    "node-run",
    "init",
    "register",
    "admit",
    "join",
    "attest",
    "publish",
    "accept",
    "agent-keys",
    "request",
    "authorise",
    "open",
    "compare",
    "review",
    "open-again",
    "open-extract",
    "open-own",
    "ask",
    "deny",
    "revoke",
    "emergency",
    "agent-answers",
    "emergency-open",
    "emergency-compare",
    "emergency-told",
    "tamper-store",
    "rotate-key",
    "lie",
    "audit",
    "rotate",
    "guard",
    "keep-share",
    "recover-start",
    "approve",
    "recovery-told",
    "object",
    "lose",
    "recover-logged",
    "recover-key",
    "give-share",
    "recover",
    "recover-open",
    "recover-compare",
    "dispute",
    "examine",
    "resolve",
    "balance",
    "ranking",
    "prove",
    "verify",
    "replay",
    "compare-all",
];

/// Every refusal, and words that its reason has.
const REFUSED: &[(&str, &str)] = &[
    ("no-grant", "for this account"),
    ("no-grant-ledger", "no such grant"),
    ("expired", "expired"),
    ("expired-agent", "expired"),
    ("expired-ledger", "expired"),
    ("revoked", "revoked"),
    ("revoked-agent", "revoked"),
    ("revoked-ledger", "revoked"),
    ("wrong-agent", "names another agent"),
    ("wrong-agent-ledger", "not named by the grant"),
    ("no-emergency", "emergency"),
    ("no-emergency-ledger", "emergency"),
    ("same-institution", "institution"),
    ("same-institution-ledger", "same institution"),
    ("over-budget", "budget"),
    ("over-budget-ledger", "budget"),
    ("not-accepted", "no accepted state"),
    ("not-accepted-agent", "last accepted state"),
    ("not-accepted-ledger", "last accepted state"),
    ("tampered-ciphertext", "damaged"),
    ("tampered-wire", "damaged"),
    ("tampered-log", "certified head"),
    ("tampered-log-agent", "leaves"),
    ("tampered-replay", ""),
    ("tampered-proof", ""),
    ("lying-agent", "does not open"),
    ("objected", "owner objected"),
    ("one-guardian", "1 of 2 guardians"),
    ("lost-device", "no longer the operation key"),
];

#[test]
fn a_folder_of_ones_own_makes_the_journey_and_nothing_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (temporary, records) = (dir.path().join("tmp"), dir.path().join("records"));
    fs::create_dir(&temporary).unwrap();
    fs::create_dir_all(records.join("below")).unwrap();
    fs::write(records.join("below/note ü.txt"), "Zuckerwerte heute gut\n").unwrap();
    fs::write(records.join("nothing"), "").unwrap();
    let output = demo(&["--records", records.to_str().unwrap()], &temporary);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{text}");
    assert!(text.contains("byte for byte: note ü.txt"), "{text}");
    assert!(text.contains("What to try next"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours into a pipe");
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_wrong_folder_is_one_clear_line() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().to_str().unwrap();
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/x"), "x").unwrap();
    let full = dir.path().join("full");
    for arguments in [
        &["--records", "/no/such/folder"] as &[&str],
        &["--keep", full.to_str().unwrap()],
    ] {
        let output = demo(arguments, Path::new(here));
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
        assert!(output.stdout.is_empty());
    }
}

// -- what the homes hold

/// A scope as a wallet's vault holds it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownScope {
    scope: Scope,
    key: ByteBuf,
    tainted: bool,
}

/// One party's folder: what nobody else may have, and everything that lies in it, as it
/// stands on the disk and decrypted.
struct Holdings {
    name: String,
    secrets: Vec<(&'static str, Vec<u8>)>,
    contents: Vec<(String, Vec<u8>)>,
}

impl Holdings {
    fn of(folder: &Path) -> Self {
        let home = Home::open(&folder.join("home")).unwrap();
        for private in [folder.to_owned(), folder.join("home")] {
            let mode = fs::metadata(&private).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", private.display());
        }
        let source = PassphraseSource::File(folder.join("passphrase"));
        let passphrase = source.read().unwrap();
        let keys = home.unlock(&passphrase).unwrap();
        let session = home.enter(&keys, Duration::from_secs(5)).unwrap();
        let party = &session.identity.party;
        let mut secrets = vec![
            ("passphrase", passphrase.as_bytes().to_vec()),
            ("vault key", keys.vault_secret().to_vec()),
            ("operation key", party.operation.as_secret().to_vec()),
            ("HPKE key", party.hpke.as_secret().to_vec()),
        ];
        if let Some(record) = &party.record {
            secrets.push(("record key", record.as_secret().to_vec()));
        }
        if let Some(patient) = &session.identity.patient {
            secrets.push(("master key", patient.master.to_bytes().to_vec()));
            secrets.push(("rejection secret", patient.z.as_secret().to_vec()));
            secrets.push(("bag key", patient.bag.key.as_secret().to_vec()));
        }
        let tables = Table::ALL.iter().map(|table| table.name());
        let mut contents = Vec::new();
        for table in tables.chain(["identity", "identity-next", "contacts"]) {
            for (key, value) in session.vault.entries(table).unwrap() {
                if table == Table::Scopes.name() {
                    let known: KnownScope = codec::decode(&value).unwrap();
                    secrets.push(("scope key", known.key.to_vec()));
                }
                contents.push((format!("table {table}"), [&key, &value[..]].concat()));
            }
        }
        drop(session);
        read_files(folder, &mut contents);
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            secrets,
            contents,
        }
    }
}

fn read_files(folder: &Path, contents: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            read_files(&path, contents);
        } else if kind.is_file() {
            contents.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn parties(keep: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(keep)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries
        .filter(|path| path.join("home/home.toml").is_file())
        .collect();
    folders.sort();
    folders
}

fn no_home_holds_a_key_of_another(keep: &Path) {
    let folders = parties(keep);
    // twelve parties and an impostor's empty home
    assert_eq!(folders.len(), 13, "{folders:?}");
    let holdings: Vec<Holdings> = folders.iter().map(|folder| Holdings::of(folder)).collect();
    // Pieces of 16 bytes: a part of a key is as bad as the whole.
    let mut pieces: HashMap<[u8; PIECE], (usize, &str)> = HashMap::new();
    for (owner, holding) in holdings.iter().enumerate() {
        for (kind, secret) in &holding.secrets {
            for piece in secret.chunks_exact(PIECE) {
                let piece: [u8; PIECE] = piece.try_into().unwrap();
                assert_eq!(
                    pieces.insert(piece, (owner, kind)),
                    None,
                    "two secrets are alike"
                );
            }
        }
    }
    // The search finds what is there: every party's own keys, in its own home.
    let mut own: BTreeMap<(usize, &str), u32> = BTreeMap::new();
    for (holder, holding) in holdings.iter().enumerate() {
        for (place, bytes) in &holding.contents {
            for window in bytes.windows(PIECE) {
                let Some(&(owner, kind)) = pieces.get(window) else {
                    continue;
                };
                let (name, of) = (&holding.name, &holdings[owner].name);
                assert_eq!(owner, holder, "{name} holds {of}'s {kind}, in {place}");
                *own.entry((owner, kind)).or_default() += 1;
            }
        }
    }
    for (owner, holding) in holdings.iter().enumerate() {
        for (kind, _) in holding
            .secrets
            .iter()
            .filter(|(kind, _)| *kind != "vault key")
        {
            assert!(
                own.contains_key(&(owner, *kind)),
                "{}'s own {kind} was not found",
                holding.name
            );
        }
    }
    let scopes = |holding: &Holdings| {
        holding
            .secrets
            .iter()
            .filter(|(kind, _)| *kind == "scope key")
            .count()
    };
    assert_eq!(
        holdings
            .iter()
            .filter(|holding| scopes(holding) > 0)
            .count(),
        3
    );
}

const PIECE: usize = 16;

#[test]
fn it_stays_for_a_browser_until_it_is_told_to_end() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_medshare"))
        .args(["demo", "--serve", "--json"])
        .env("TMPDIR", dir.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut links = Vec::new();
    // Three patients, a hospital, an institute, an auditor.
    while links.len() < 6 {
        let step: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_ne!(step["outcome"], "failed", "{step}");
        if step["step"] == "page" {
            let text = step["text"].as_str().unwrap();
            links.push(text.split_once("page: http://").unwrap().1.to_owned());
        }
    }
    for link in &links {
        let (host, path) = link.split_once('/').unwrap();
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        let ask = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    }
    let end = Command::new("kill").arg(child.id().to_string()).status();
    assert!(end.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "something is left"
    );
    for link in &links {
        let host = link.split_once('/').unwrap().0;
        assert!(
            std::net::TcpStream::connect(host).is_err(),
            "{host} still listens"
        );
    }
}

/// The same story on a network of validators, one of which dies in the middle of it.
#[cfg(feature = "bft")]
#[test]
fn four_validators_have_one_ledger_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let output = demo(&["--json", "--validators", "4"], dir.path());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let steps = objects(&output);
    every_step_is_an_object(&steps);
    let place = |name: &str| steps.iter().position(|step| step["step"] == name).unwrap();
    let story = [
        "network-init",
        "vote",
        "validator-killed",
        "open",
        "validator-started",
    ];
    assert!(story.is_sorted_by_key(|name| place(name)));
    let refused = steps.iter().filter(|step| step["outcome"] == "refused");
    let refused: BTreeSet<&str> = refused.map(|step| step["step"].as_str().unwrap()).collect();
    let expected: BTreeSet<&str> = REFUSED.iter().map(|(step, _)| *step).collect();
    assert_eq!(refused, expected);
    let same = steps.iter().filter(|step| step["step"] == "same-ledger");
    assert_eq!(same.count(), 4);
}

#[test]
fn a_network_that_bears_no_death_is_not_played() {
    let dir = tempfile::tempdir().unwrap();
    let output = demo(&["--validators", "3"], dir.path());
    assert_eq!(output.status.code(), Some(2));
    #[cfg(not(feature = "bft"))]
    {
        let output = demo(&["--validators", "4"], dir.path());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("build with --features full"), "{errors}");
    }
}
