//! Damaged blocks and full disks: named, and nothing half-written.

use super::net::{Cast, Net, Ran};
use std::fs;

#[test]
fn damaged_blocks_are_named_and_nothing_is_written() {
    let mut cast = Cast::gather();
    let note = cast.net.write("note.txt", "a longer note\n".repeat(40_000));
    let record = cast.record(&note);
    cast.net.stop_node();
    // The body is by far the largest block: flip a bit here and there, so that it is hit.
    let packs = || blocks(&cast.net.path("node/node/blocks/packs"));
    for path in packs() {
        let mut bytes = fs::read(&path).unwrap();
        for byte in bytes.iter_mut().step_by(200_000).skip(1) {
            *byte ^= 1;
        }
        fs::write(&path, bytes).unwrap();
    }
    cast.net.run_node();
    let open = ["record", "open", &record, "-o", "out.txt", "--home", "anna"];
    cast.net.run(&open).fails(10, "is damaged");
    assert!(!cast.net.path("out.txt").exists());
    assert!(
        !cast
            .net
            .listing(".")
            .iter()
            .any(|name| name.starts_with(".medshare"))
    );
    cast.net.stop_node();
    for path in blocks(&cast.net.path("node/node/blocks/packs")) {
        fs::remove_file(path).unwrap();
    }
    cast.net.run_node();
    cast.net.run(&open).fails(10, "is damaged");
    // A flipped bit of the index is no reason to trust the rest of it.
    cast.net.stop_node();
    let index = cast.net.path("node/node/blocks/index.redb");
    let mut bytes = fs::read(&index).unwrap();
    for byte in bytes.iter_mut().skip(4096).step_by(512) {
        *byte ^= 1;
    }
    fs::write(&index, bytes).unwrap();
    let run = ["node", "run", "--home", "node"];
    cast.net.run(&run).fails(4, "index");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let mut cast = Cast::gather();
    let note = cast.net.write("note.bin", vec![7u8; 3 << 20]);
    let record = cast.record(&note);
    // Here, at the reader's: no file may grow beyond 1 MiB.
    let program = env!("CARGO_BIN_EXE_medshare");
    let limited = |limit: &str, arguments: &[&str]| {
        let mut shell = cast.net.command(&[]);
        let environment: Vec<_> = shell
            .get_envs()
            .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
            .collect();
        shell = std::process::Command::new("bash");
        shell.current_dir(cast.net.dir.path());
        for (key, value) in environment {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        // ulimit -f counts kibibytes in bash; the signal would end the process.
        shell.args([
            "-c",
            "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"",
            "-",
            limit,
            program,
        ]);
        shell.args(arguments);
        Ran::new(arguments, shell.output().unwrap())
    };
    limited(
        "2048",
        &["record", "open", &record, "-o", "out.bin", "--home", "anna"],
    )
    .fails(12, "no room left");
    assert!(!cast.net.path("out.bin").exists());
    assert!(
        !cast
            .net
            .listing(".")
            .iter()
            .any(|name| name.starts_with(".medshare"))
    );
    limited(
        "0",
        &[
            "init",
            "--role",
            "agent",
            "--home",
            "new",
            "--work-factor",
            "2",
        ],
    )
    .fails(12, "no room left");
    assert!(!cast.net.path("new").exists());
    // There, at the node's: it refuses with the reason and keeps serving reads.
    let before = cast.net.json(&["ledger", "replay"]);
    cast.net.stop_node();
    let mut node = std::process::Command::new("bash");
    node.current_dir(cast.net.dir.path())
        .env("MEDSHARE_PASSPHRASE_FILE", cast.net.path("pass"))
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 700; exec \"$0\" node run --home node",
            program,
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut node = node.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(
        node.try_wait().unwrap().is_none(),
        "the node must run on a nearly full disk"
    );
    {
        let big = cast.net.write("big.bin", vec![9u8; 4 << 20]);
        let publish = [
            "record",
            "publish",
            big.to_str().unwrap(),
            "--patient",
            &cast.patient,
            "--home",
            "hospital",
        ];
        let ran = cast.net.run(&publish);
        assert_eq!(ran.code, 12, "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        cast.net
            .run(&[
                "record", "open", &record, "-o", "read.bin", "--home", "anna",
            ])
            .ok();
    }
    node.kill().unwrap();
    node.wait().unwrap();
    cast.net.run_node();
    assert_eq!(cast.net.json(&["ledger", "replay"]), before);
}

fn blocks(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(blocks(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_node_that_ran_names_what_it_lost_and_makes_nothing_anew() {
    let mut net = Net::start();
    net.party("anna", "patient");
    net.stop_node();
    let run = ["node", "run", "--home", "node"];
    for file in ["ledger.redb", "post.redb", "blocks/format"] {
        let path = net.path(&format!("node/node/{file}"));
        let whole = fs::read(&path).unwrap();
        for (kind, bytes) in [
            ("empty", Vec::new()),
            ("truncated", whole[..whole.len() / 2].to_vec()),
            ("foreign", b"something else entirely".repeat(3_000)),
        ] {
            fs::write(&path, &bytes).unwrap();
            let ran = net.run(&run);
            assert_eq!(ran.code, 4, "{file} {kind}: {ran:?}");
            ran.fails(4, file.split('/').next().unwrap());
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let ran = net.run(&run);
        assert_eq!(ran.code, 4, "{file} as a folder: {ran:?}");
        fs::remove_dir(&path).unwrap();
        if file == "ledger.redb" {
            net.run(&run)
                .fails(4, "ledger.redb is missing; restore it from a backup");
            assert!(!path.exists());
        }
        fs::write(&path, whole).unwrap();
    }
    // nothing of the ledger is left but the home's own note of it
    let (folder, aside) = (net.path("node/node"), net.path("aside"));
    fs::rename(&folder, &aside).unwrap();
    net.run(&run).fails(4, "ran here up to height");
    assert!(!folder.exists(), "no new ledger");
    fs::rename(&aside, &folder).unwrap();
    // an older ledger in the place of the newer one
    let note = net.path("node/ledger.toml");
    let whole = fs::read_to_string(&note).unwrap();
    let (chain, _) = whole.split_once("height").unwrap();
    fs::write(&note, format!("{chain}height = 1000000\n")).unwrap();
    net.run(&run).fails(4, "restore a newer one");
    fs::write(&note, whole).unwrap();
    net.run_node();
    net.run(&["account", "show", "--home", "anna"]).ok();
}

#[test]
fn a_home_names_what_it_lost_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let net = Net::start();
    net.party("anna", "patient");
    let card = ["wallet", "card", "--home", "anna"];
    for file in ["keys.age", "genesis.cbor", "vault.redb"] {
        let path = net.path(&format!("anna/{file}"));
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        net.run(&card).fails(4, file);
        assert!(!path.exists(), "{file} must not be made anew");
        fs::create_dir(&path).unwrap();
        net.run(&card).fails(4, file);
        fs::remove_dir(&path).unwrap();
        fs::write(&path, whole).unwrap();
    }
    let facts = net.path("anna/home.toml");
    let whole = fs::read(&facts).unwrap();
    fs::write(&facts, [&whole[..], b"\xff\xfe"].concat()).unwrap();
    net.run(&card).fails(4, "home.toml");
    fs::write(&facts, whole).unwrap();
    net.run(&card).ok();
    let mode = |name: &str| fs::metadata(net.path(name)).unwrap().permissions().mode() & 0o777;
    for folder in ["anna", "node", "node/node"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    for file in [
        "anna/vault.redb",
        "node/node/ledger.redb",
        "node/node/post.redb",
    ] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}
