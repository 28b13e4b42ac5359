//! A node whose file system is really full: it says why, keeps serving reads, and loses
//! nothing that it acknowledged.

use super::net::Cast;
use std::{
    env, fs,
    io::Write as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Whether this machine lets a person mount a small file system of her own.
fn permitted() -> bool {
    let tried = Command::new("unshare")
        .args([
            "-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt",
        ])
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// In a mount namespace: the node's folder on a file system of its own, of 24 MiB. When
/// its input ends the node dies as in a power cut, and what stood on the disk is kept.
const SCRIPT: &str = r#"
    set -e
    mkdir small kept
    mount -t tmpfs -o size=24m tmpfs small
    cp -a node/node/. small/
    mount --bind small node/node
    "$0" node run --home node --listen unix:small.sock >listening & node=$!
    cat >/dev/null
    kill -KILL $node
    df small >&2
    cp -a small/. kept/
"#;

struct Small(Child);

impl Small {
    fn end(mut self) {
        drop(self.0.stdin.take());
        let ended = self.0.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    if !permitted() {
        let line = "NOT RUN: no file system can be mounted here, so no disk was filled";
        assert!(env::var("CI").as_deref() != Ok("true"), "{line}");
        let _ = writeln!(std::io::stderr(), "{line}");
        return;
    }
    let mut cast = Cast::gather();
    let note = cast.net.write("first.txt", "written while there was room");
    let first = cast.record(&note);
    cast.net.stop_node();
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "bash", "-c", SCRIPT, env!("CARGO_BIN_EXE_medshare")])
        .current_dir(cast.net.dir.path())
        .env("MEDSHARE_PASSPHRASE_FILE", cast.net.path("pass"))
        .stdin(Stdio::piped());
    let small = Small(command.spawn().unwrap());
    let socket = cast.net.path("small.sock");
    let until = Instant::now() + Duration::from_secs(60);
    while !socket.exists() {
        assert!(Instant::now() < until, "the node must come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    let node = format!("unix:{}", socket.display());
    let net = &cast.net;
    let publish = |file: &str| {
        let mut arguments = vec!["record", "publish", file, "--patient", &cast.patient];
        arguments.extend(["--home", "hospital", "--json", "--node", &node]);
        net.run(&arguments)
    };
    // Large files, then smaller ones, until not even those find room.
    let mut kept = Vec::new();
    for size in [6 << 20, 700 << 10, 60 << 10] {
        let file = net.write(&format!("{size}.bin"), vec![7_u8; size]);
        let file = file.to_str().unwrap();
        let refused = (0..200).find_map(|_| {
            let ran = publish(file);
            if ran.code != 0 {
                return Some(ran);
            }
            let told: serde_json::Value = serde_json::from_str(ran.stdout.trim()).unwrap();
            kept.push((told["record"].as_str().unwrap().to_owned(), size));
            None
        });
        let refused = refused.expect("24 MiB are full some time");
        refused.fails(12, "the node's disk is full");
    }
    assert!(kept.len() > 3, "{kept:?}");
    // Reads are served on.
    let open = ["record", "open", &first, "-o", "read.txt", "--home", "anna"];
    net.run(&[&open[..], &["--node", &node]].concat()).ok();
    let replay = net.json(&["ledger", "replay", "--node", &node]);
    assert_eq!(replay["equal"], true);
    small.end();

    // The disk as the power cut left it, where there is room again.
    fs::remove_dir_all(net.path("node/node")).unwrap();
    fs::rename(net.path("kept"), net.path("node/node")).unwrap();
    cast.net.run_node();
    let net = &cast.net;
    let after = net.json(&["ledger", "replay"]);
    assert!(after["leaves"].as_u64() >= replay["leaves"].as_u64());
    net.run(&["wallet", "run", "--once", "--home", "anna"]).ok();
    for (record, size) in &kept {
        let output = format!("{record}.out");
        net.run(&["record", "open", record, "-o", &output, "--home", "anna"])
            .ok();
        assert_eq!(fs::read(net.path(&output)).unwrap(), vec![7; *size]);
    }
    let more = net.write("more.txt", "there is room again");
    cast.record(&more);
}
