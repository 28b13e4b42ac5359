//! Homes of every release, committed under `fixtures/homes`: the program of today opens and
//! uses each of them. `cargo xtask release-homes` writes those of this version.

use super::net::{Cast, Net, PASSPHRASE};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Names the folder that [`write_the_homes_of_this_version`] writes.
const WHERE: &str = "MEDSHARE_RELEASE_HOMES";
const HOMES: [&str; 6] = ["node", "hospital", "second", "anna", "agent", "institute"];
/// Files beside the homes.
const FILES: [&str; 5] = [
    "record.json",
    "extract.json",
    "query.proof",
    "genesis.cbor",
    "anna.phrase",
];
const FACTS: &str = "story.json";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/homes")
}

/// Not a test of its own: with the variable set, writes the homes that are committed.
#[test]
fn write_the_homes_of_this_version() {
    if let Some(target) = std::env::var_os(WHERE) {
        write(Path::new(&target));
    }
}

fn write(target: &Path) {
    let mut cast = Cast::gather();
    let facts = play(&cast);
    cast.net.stop_node();
    let _ = fs::remove_dir_all(target);
    for home in HOMES {
        copy(&cast.net.path(home), &target.join(home));
    }
    for file in FILES {
        fs::copy(cast.net.path(file), target.join(file)).unwrap();
    }
    let text = serde_json::to_string_pretty(&facts).unwrap();
    fs::write(target.join(FACTS), text + "\n").unwrap();
}

/// One record published, accepted, granted, queried, opened and reviewed; the bag backed up.
fn play(cast: &Cast) -> Value {
    let net = &cast.net;
    let source = net.write("record.json", super::journey::BUNDLE);
    let record = cast.record(&source);
    let request = net.json(&[
        "request",
        "create",
        "--patient",
        &cast.patient,
        "--class",
        "laboratory",
        "--purpose",
        "research",
        "--for",
        "90y",
        "--home",
        "institute",
    ]);
    let grant = net.json(&[
        "grant",
        "approve",
        request["request"].as_str().unwrap(),
        "--agent",
        &cast.agent,
        "--home",
        "anna",
    ]);
    let opened = cast.open(&record, "extract.json").ok();
    let opened: Value = serde_json::from_str(&opened.stdout).unwrap();
    let query = opened["queries"][0].as_str().unwrap();
    net.run(&[
        "review",
        query,
        "--verdict",
        "accepted",
        "--home",
        "institute",
    ])
    .ok();
    let bag = net.json(&["wallet", "backup", "--home", "anna"]);
    net.run(&["ledger", "genesis", "-o", "genesis.cbor"]).ok();
    net.run(&["ledger", "prove", query, "-o", "query.proof"])
        .ok();
    json!({
        "record": record,
        "grant": grant["grant"],
        "query": query,
        "bag": bag["bag"],
        "leaves": net.json(&["ledger", "replay"])["leaves"],
        "patient": cast.patient,
        "agent": cast.agent,
        "hospital": cast.hospital,
        "second": cast.second,
        "institute": cast.institute,
    })
}

/// Copies what is kept: no lock, no socket. The copy is its owner's alone, as a home is.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_owned();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else if path.is_file() && name != "lock" && name != "run.lock" {
            fs::copy(&path, to.join(&name)).unwrap();
            fs::set_permissions(to.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// This version has its homes, and so has every one that the changelog calls released.
#[test]
fn homes_of_every_release_open_and_work() {
    let mut versions: Vec<PathBuf> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    versions.sort();
    let written = |number: &str| {
        let folder = format!("v{number}");
        assert!(
            versions.iter().any(|path| path.ends_with(&folder)),
            "no homes of {folder}; `cargo xtask release-homes` writes them"
        );
    };
    written(env!("CARGO_PKG_VERSION"));
    let changelog = fs::read_to_string(fixtures().join("../../CHANGELOG.md")).unwrap();
    for line in changelog.lines() {
        let number = line
            .strip_prefix("## ")
            .map(|rest| rest.trim_start_matches('['));
        let Some(number) = number.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        else {
            continue;
        };
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.');
        written(&number[..end.unwrap_or(number.len())]);
    }
    for version in versions {
        eprintln!("homes of {}", version.display());
        use_the_homes(&version);
    }
}

#[test]
fn homes_that_were_put_away_open_and_work() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    write(&kept);
    use_the_homes(&kept);
}

fn use_the_homes(version: &Path) {
    let dir = tempfile::tempdir().unwrap();
    copy(version, dir.path());
    let text = fs::read_to_string(version.join(FACTS)).unwrap();
    let facts: Value = serde_json::from_str(&text).unwrap();
    let fact = |name: &str| facts[name].as_str().unwrap();
    let record = fact("record");
    let mut net = Net::on(dir);
    for home in HOMES {
        net.run(&["doctor", "--deep", "--home", home]).ok();
    }
    net.run_node();

    // What was written then is there, and says the same.
    let replayed = net.json(&["ledger", "replay", "--genesis", "genesis.cbor"]);
    assert_eq!(replayed["equal"], true);
    assert_eq!(replayed["leaves"], facts["leaves"]);
    let verify = [
        "ledger",
        "verify",
        "query.proof",
        "--genesis",
        "genesis.cbor",
    ];
    net.run(&verify).ok();
    let log = net.rows(&["wallet", "log", "--home", "anna"]);
    assert_eq!(log[0]["querier"], facts["institute"]);
    let agent = net.spawn(&["agent", "run", "--home", "agent", "--json"]);
    for (home, file, original) in [
        ("anna", "own.json", "record.json"),
        ("institute", "again.json", "extract.json"),
    ] {
        net.run(&["record", "open", record, "-o", file, "--home", home])
            .ok();
        let read = |name: &str| fs::read(net.path(name)).unwrap();
        assert!(read(file) == read(original), "{home} opens {original}");
    }
    assert_eq!(agent.terminate(), Some(0));
    net.run(&[
        "wallet",
        "restore",
        "--phrase-file",
        "anna.phrase",
        "--home",
        "restored",
        "--work-factor",
        "2",
    ])
    .ok();
    net.run(&[
        "record", "open", record, "-o", "r.json", "--home", "restored",
    ])
    .ok();

    // And every home goes on: a next state, accepted, asked for and opened.
    net.run(&["agent", "once", "--home", "agent"]).ok();
    let next = net.write("next.txt", "the next state");
    net.run(&[
        "record",
        "update",
        record,
        next.to_str().unwrap(),
        "--home",
        "hospital",
    ])
    .ok();
    net.run(&["wallet", "run", "--once", "--home", "anna"]).ok();
    net.run(&["record", "open", record, "-o", "n.txt", "--home", "anna"])
        .ok();
    assert_eq!(fs::read(net.path("n.txt")).unwrap(), b"the next state");
    let consent = ["account", "consent", fact("agent"), "--home", "second"];
    net.run(&consent).ok();
    let admitted = ["institution", "admit", fact("second"), "--home", "node"];
    net.run(&admitted).ok();
    let replayed = net.json(&["ledger", "replay", "--genesis", "genesis.cbor"]);
    assert!(replayed["leaves"].as_u64() > facts["leaves"].as_u64());
    net.stop_node();
}

#[test]
fn the_committed_homes_say_nothing_of_the_machine_that_wrote_them() {
    let read_me = fs::read_to_string(fixtures().join("README.md")).unwrap();
    assert!(read_me.contains(PASSPHRASE));
    let mut size = 0;
    let mut folders = vec![fixtures()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            size += bytes.len();
            for word in [&b"/tmp"[..], concat!("/ho", "me/").as_bytes(), b"/root"] {
                let found = bytes.windows(word.len()).any(|window| window == word);
                assert!(!found, "{} names a place", path.display());
            }
        }
    }
    assert!(size <= 4 << 20, "{size} bytes of homes");
}
