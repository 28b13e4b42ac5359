//! Damaged blocks and full disks: named, and nothing half-written.

use super::net::{Cast, Ran};
use std::fs;

#[test]
fn damaged_blocks_are_named_and_nothing_is_written() {
    let mut cast = Cast::gather();
    let note = cast.net.write("note.txt", "a longer note\n".repeat(40_000));
    let record = cast.record(&note);
    let state = cast.net.json(&["record", "show", &record])["accepted"]
        .as_str()
        .unwrap()
        .to_owned();
    cast.net.stop_node();
    // Every block of a fair size is a body's: flip a bit in each.
    for path in blocks(&cast.net.path("node/node/blocks")) {
        let mut bytes = fs::read(&path).unwrap();
        if bytes.len() > 100_000 {
            bytes[77] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
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
    for path in blocks(&cast.net.path("node/node/blocks")) {
        if path.to_string_lossy().contains(&state) || fs::metadata(&path).unwrap().len() > 100_000 {
            fs::remove_file(path).unwrap();
        }
    }
    cast.net.run_node();
    cast.net.run(&open).fails(10, "missing");
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
