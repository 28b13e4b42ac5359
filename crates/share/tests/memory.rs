//! Sealing and opening take constant memory: measured in a child process, since a peak
//! belongs to a whole process. Here with 300 MiB; `cargo run --release -p medshare-share
//! --example stream` does the same with 2 GiB.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

#[path = "../examples/stream.rs"]
#[allow(dead_code)]
mod stream;

const CHILD: &str = "MEDSHARE_TEST_STREAM";

#[test]
fn a_large_body_takes_little_memory() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--nocapture"])
        .env(CHILD, "300")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(
        child.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(text.contains("resident memory grew by"), "{text}");
}

/// Does nothing unless the test above started this process.
#[test]
fn the_child() {
    if let Ok(mebibytes) = std::env::var(CHILD) {
        assert!(stream::run(mebibytes.parse().unwrap(), &std::env::temp_dir()) < 64);
    }
}
