//! Sealing and opening take constant memory. The example `stream` measures its own peak
//! in a process of its own; here with 300 MiB, `cargo run --release -p medshare-share
//! --example stream` with 2 GiB.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

#[test]
#[cfg(target_os = "linux")]
fn a_large_body_takes_little_memory() {
    // Examples are built with the tests, beside them.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let path = path.join("examples").join("stream");
    assert!(path.exists(), "cargo builds examples with the tests: {}", path.display());
    let output = Command::new(path).arg("300").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("resident memory grew by"), "{text}");
}
