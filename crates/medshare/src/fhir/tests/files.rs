//! The laws on whole files: the samples of this project, and real records.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{check, check_extracts};
use crate::fhir::{PartRanges, split};
use base::Class;
use std::{fs, path::Path, process::Command};

/// Every file below a folder.
fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn check_file(path: &Path) -> Vec<(PartRanges, Vec<u8>)> {
    let file = fs::read(path).unwrap();
    let split = split(&file);
    assert_eq!(split.notice, None, "{}", path.display());
    let parts = check(&file);
    if parts.iter().any(|(part, _)| part.class == Class::Skeleton) {
        check_extracts(&file, &parts);
    }
    parts
}

/// The samples of this project: their kinds, and that a granted part is without the others.
#[test]
fn the_samples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let mut bundles = 0;
    let mut sensitive = 0;
    for path in files_below(&folder) {
        let parts = check_file(&path);
        let classes: Vec<_> = parts.iter().map(|(part, _)| part.class).collect();
        match path
            .extension()
            .and_then(|end| end.to_str())
            .unwrap_or_default()
        {
            "json" => {
                bundles += 1;
                assert!(classes.contains(&Class::Skeleton), "{}", path.display());
                sensitive += usize::from(classes.contains(&Class::Sensitive));
            }
            "dcm" => assert_eq!(classes, [Class::Imaging]),
            "xml" | "hl7" => assert_eq!(classes, [Class::Document]),
            _ => {}
        }
    }
    assert!(
        bundles >= 4 && sensitive >= 2,
        "{bundles} bundles, {sensitive} with sensitive data"
    );
}

/// The real records, if this machine has them: see the environment's MEDSHARE_DATA.
#[test]
fn real_records() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("MEDSHARE_DATA").map_or(default, Into::into);
    if !folder.is_dir() {
        let line = format!(
            "not run: no real records at {} (MEDSHARE_DATA)",
            folder.display()
        );
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{line}");
        eprintln!("{line}");
        return;
    }
    let (mut bundles, mut files) = (0, 0);
    let mut check_all = |folder: &Path| {
        for path in files_below(folder) {
            let parts = check_file(&path);
            files += 1;
            let is_bundle = parts.iter().any(|(part, _)| part.class == Class::Skeleton);
            bundles += usize::from(is_bundle);
            let json = path.extension().is_some_and(|end| end == "json");
            assert_eq!(is_bundle, json, "{}", path.display());
        }
    };
    check_all(&folder);
    let cohort = folder.join("fhir/cohort.tar.gz");
    if cohort.is_file() {
        let unpacked = tempfile::tempdir().unwrap();
        let mut tar = Command::new("tar");
        let done = tar
            .arg("-xzf")
            .arg(&cohort)
            .arg("-C")
            .arg(unpacked.path())
            .status();
        assert!(done.expect("tar is needed to unpack the cohort").success());
        check_all(unpacked.path());
    }
    assert!(bundles > 0 && files > bundles);
}
