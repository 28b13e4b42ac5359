//! Real records: every file of the folder of real data becomes a page, in both languages.
//!
//! The folder is `MEDSHARE_DATA`, or `../shared/data` beside the workspace; it is not part
//! of the repository. Where it is absent the test says so, and with `CI=true` it fails.

use pages::{Language, record};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::reading::shown;

#[test]
fn every_real_file_becomes_a_page() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = env::var_os("MEDSHARE_DATA").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        let line = "NOT RUN: the folder of real records is absent; set MEDSHARE_DATA to it";
        println!("{line}");
        assert!(env::var("CI").as_deref() != Ok("true"), "{line}");
        return;
    }
    let mut files = Vec::new();
    collect(&folder, &mut files);
    assert!(files.len() > 40);
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = fs::read(path).unwrap();
        let reading = record::read(&bytes);
        let german = shown(&bytes, Language::German).text();
        let english = shown(&bytes, Language::English);
        println!("{name}: {:?}, {} characters", reading.kind(), german.len());
        assert!(!german.contains("konnte nicht gelesen"), "{name}: {german}");
        assert!(!german.contains("beschädigt"), "{name}");
        let kind = match path.extension().and_then(|found| found.to_str()) {
            Some("json") => record::Kind::Fhir,
            Some("xml") => record::Kind::Cda,
            Some("hl7") => record::Kind::Hl7,
            Some("dcm") => record::Kind::Dicom,
            Some("gz") => record::Kind::File,
            _ => record::Kind::Text,
        };
        assert_eq!(reading.kind(), kind, "{name}");
        match kind {
            record::Kind::Fhir => {
                let headings: Vec<String> = english.named("h2").iter().map(|h| h.text()).collect();
                for heading in ["Vital signs", "Visits", "Immunisations"] {
                    assert!(
                        headings.contains(&heading.to_owned()),
                        "{name}: {headings:?}"
                    );
                }
                assert!(!english.named("svg").is_empty(), "{name}");
            }
            record::Kind::Cda if !name.contains("PDF") => {
                assert!(english.named("h2").len() > 2, "{name}");
            }
            record::Kind::Hl7 => assert!(!english.named("table").is_empty(), "{name}"),
            record::Kind::Dicom => {
                // One is JPEG 2000, one a report, one a dose of 32 bits.
                let drawn = !["US1_J2KR.dcm", "test-SR.dcm", "rtdose.dcm"].contains(&name.as_str());
                assert_eq!(
                    !english.named("img").is_empty(),
                    drawn,
                    "{name}: {}",
                    english.text()
                );
            }
            _ => {}
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
