//! Real records: every file of the folder of real data makes the whole journey, and what
//! is opened equals the source, byte for byte.
//!
//! The folder is `MEDSHARE_DATA`, or `../shared/data` beside the workspace; it is not part
//! of the repository. Where it is absent the test says so, and with `CI=true` it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn every_real_file_makes_the_whole_journey() {
    let Some(data) = data() else {
        let line = "NOT RUN: the folder of real records is absent; set MEDSHARE_DATA to it";
        println!("{line}");
        assert!(env::var("CI").as_deref() != Ok("true"), "{line}");
        return;
    };
    let sources = files(&data);
    for kind in [".json", ".xml", ".hl7", ".dcm", ".tar.gz"] {
        let there = sources
            .iter()
            .any(|path| path.to_string_lossy().ends_with(kind));
        assert!(there, "{} has no {kind} file", data.display());
    }
    let dir = tempfile::tempdir().unwrap();
    let keep = dir.path().join("stage");
    let output = Command::new(env!("CARGO_BIN_EXE_medshare"))
        .args(["demo", "--json", "--records"])
        .arg(&data)
        .arg("--keep")
        .arg(&keep)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let steps: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |name: &str| steps.iter().filter(|step| step["step"] == name).count();
    assert_eq!(count("open-own"), sources.len());
    assert_eq!(count("compare"), 2 * sources.len());

    // Not the demo's own word: what another hospital and what the patient opened lies in
    // their folders, and is compared here.
    let (hospitals, patients) = (opened(&keep, &HOSPITALS), opened(&keep, &PATIENTS));
    let mut bytes = 0;
    for source in &sources {
        let content = fs::read(source).unwrap();
        bytes += content.len();
        let digest: [u8; 32] = Sha256::digest(&content).into();
        for (who, found) in [("hospital", &hospitals), ("patient", &patients)] {
            let same = found
                .get(&digest)
                .is_some_and(|path| fs::read(path).unwrap() == content);
            assert!(same, "no {who} opened {} as it was", source.display());
        }
    }
    println!(
        "{} files, {bytes} bytes, {} steps",
        sources.len(),
        steps.len()
    );
}

const HOSPITALS: [&str; 3] = ["northgate", "riverside", "brigid"];
const PATIENTS: [&str; 3] = ["mara", "tomas", "ines"];

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = env::var_os("MEDSHARE_DATA").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// What these parties opened, by its hash.
fn opened(keep: &Path, parties: &[&str]) -> BTreeMap<[u8; 32], PathBuf> {
    let mut found = BTreeMap::new();
    for party in parties {
        for path in files(&keep.join(party)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("opened-") {
                found.insert(Sha256::digest(fs::read(&path).unwrap()).into(), path);
            }
        }
    }
    found
}
