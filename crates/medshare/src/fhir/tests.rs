//! Laws of cutting and joining, on generated files; in `files.rs` on samples and real records.
#![allow(clippy::unwrap_used, clippy::panic)]

mod files;

use super::*;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// The bytes of a part.
fn bytes_of(part: &PartRanges, file: &[u8]) -> Vec<u8> {
    let pieces = part.ranges.iter();
    pieces
        .flat_map(|range| file[range.start as usize..range.end as usize].to_vec())
        .collect()
}

/// Joins the parts again as a reader does: each at its ranges. Every byte exactly once.
fn join(parts: &[(PartRanges, Vec<u8>)], length: usize) -> Vec<u8> {
    let mut file = vec![0; length];
    let mut covered = Vec::new();
    for (part, bytes) in parts {
        let mut rest = &bytes[..];
        for range in &part.ranges {
            let (start, end) = (range.start as usize, range.end as usize);
            let (now, later) = rest.split_at(end - start);
            file[start..end].copy_from_slice(now);
            rest = later;
            covered.push(start..end);
        }
        assert_eq!(rest, b"");
        assert!(part.ranges.is_sorted_by(|a, b| a.end <= b.start));
    }
    covered.sort_by_key(|range| (range.start, range.end));
    let end = covered.iter().fold(0, |end, range| {
        assert_eq!(range.start, end, "a gap, or two parts with one byte");
        range.end
    });
    assert_eq!(end, length);
    file
}

/// The laws that hold for any file; gives its parts with their bytes.
fn check(file: &[u8]) -> Vec<(PartRanges, Vec<u8>)> {
    let split = split(file);
    assert_eq!(split_file(&mut Cursor::new(file)).unwrap(), split);
    let parts: Vec<_> = split
        .parts
        .iter()
        .map(|part| (part.clone(), bytes_of(part, file)))
        .collect();
    assert_eq!(join(&parts, file.len()), file);
    let mut classes: Vec<_> = parts.iter().map(|(part, _)| part.class).collect();
    classes.dedup();
    assert_eq!(classes.len(), parts.len(), "one part a class");
    parts
}

/// A part as [`extract()`] takes it.
fn given(parts: &[(PartRanges, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    parts
        .iter()
        .map(|(part, bytes)| (part.media_type.as_str(), bytes.as_slice()))
        .collect()
}

/// The laws of extracts of a bundle: each single part, and all of them.
fn check_extracts(file: &[u8], parts: &[(PartRanges, Vec<u8>)]) {
    let source: Value = serde_json::from_slice(file.strip_prefix(BOM).unwrap_or(file)).unwrap();
    let resources = |bundle: &Value| -> Vec<String> {
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let resources = entries.iter().filter_map(|entry| entry.get("resource"));
        let mut all: Vec<_> = resources.map(Value::to_string).collect();
        all.sort();
        all
    };
    let mut all = Vec::new();
    for part in parts.chunks(1).chain([parts]) {
        let bytes = extract(&given(part)).unwrap();
        let bundle: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(bundle["resourceType"], "Bundle");
        assert_eq!(bundle["type"], "collection");
        assert_eq!(bundle["meta"]["tag"][0]["code"], "SUBSETTED");
        assert_eq!(bundle["meta"]["tag"][1]["code"], "extract");
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            assert!(entry["resource"].is_object());
            for member in ["request", "response", "search"] {
                assert!(entry.get(member).is_none());
            }
        }
        assert_ne!(
            bundle.get("entry"),
            Some(&json!([])),
            "no empty list in FHIR"
        );
        all = resources(&bundle); // the last is of all parts
    }
    assert_eq!(all, resources(&source), "numbers and texts untouched");
}

fn class_of(resource: Value) -> Class {
    let bundle =
        json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]});
    let parts = check(bundle.to_string().as_bytes());
    let mut classes = parts.iter().map(|(part, _)| part.class);
    let class = classes.find(|class| *class != Class::Skeleton);
    assert_eq!(parts.len(), 2);
    class.unwrap()
}

#[test]
fn classes_by_type_and_category() {
    let category = |code: &str| json!([{"coding": [{"code": code}]}]);
    let of = |kind: &str| class_of(json!({"resourceType": kind}));
    let observation =
        |code: &str| class_of(json!({"resourceType": "Observation", "category": category(code)}));
    assert_eq!(observation("laboratory"), Class::Laboratory);
    assert_eq!(observation("vital-signs"), Class::VitalSigns);
    assert_eq!(observation("imaging"), Class::Imaging);
    assert_eq!(observation("survey"), Class::Other);
    let pulse = json!({"resourceType": "Observation", "code": {"coding": [{"code": "8867-4"}]}});
    assert_eq!(class_of(pulse), Class::VitalSigns);
    let report = |code: &str| {
        let one = json!({"coding": [{"code": code}]}); // not in a list: read all the same
        class_of(json!({"resourceType": "DiagnosticReport", "category": one}))
    };
    assert_eq!(report("LAB"), Class::Laboratory);
    assert_eq!(report("RAD"), Class::Imaging);
    assert_eq!(report("PHY"), Class::Other);
    for (kind, class) in [
        ("MedicationRequest", Class::Medication),
        ("MedicationStatement", Class::Medication),
        ("MedicationAdministration", Class::Medication),
        ("ImagingStudy", Class::Imaging),
        ("Condition", Class::Condition),
        ("AllergyIntolerance", Class::Allergy),
        ("Immunization", Class::Immunization),
        ("Procedure", Class::Procedure),
        ("Encounter", Class::Encounter),
        ("DocumentReference", Class::Document),
        ("Patient", Class::Other),
        ("Unheard-of", Class::Other),
    ] {
        assert_eq!(of(kind), class, "{kind}");
    }
}

#[test]
fn what_is_sensitive() {
    let sensitive = |inside: Value| {
        class_of(json!({"resourceType": "Condition", "inside": inside})) == Class::Sensitive
    };
    let coding = |system: &str, code: &str| json!({"coding": [{"code": code, "system": system}]});
    for yes in [
        json!({"meta": {"security": [{"code": "R"}]}}),
        json!({"meta": {"security": [{"code": "HIV"}]}}),
        json!([{"contained": [{"meta": {"security": [{"code": "ETH"}]}}]}]),
        coding("http://snomed.info/sct", "66590003"),
        coding("http://hl7.org/fhir/sid/icd-10-cm", "F32.9"),
        coding("http://hl7.org/fhir/sid/icd-10", "B20"),
        coding("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "O80"),
        coding("http://hl7.org/fhir/sid/icd-9-cm", "303.90"),
        coding("http://loinc.org", "44261-6"),
        coding("http://www.whocc.no/atc", "N06AB06"),
        json!({"text": "History of Alcoholism"}),
        json!({"display": "Sertraline 50 MG Oral Tablet"}),
        json!({"div": "<div>on HIV treatment</div>"}),
        json!({"note": [{"text": "reports self-harm"}]}),
        json!({"text": "Schwangerschaft"}),
        json!({"code": "HIV"}),
    ] {
        assert!(sensitive(yes.clone()), "{yes}");
    }
    for no in [
        json!({"meta": {"security": [{"code": "N"}]}}),
        coding("http://snomed.info/sct", "38341003"),
        coding("http://hl7.org/fhir/sid/icd-10", "I10"),
        coding("http://loinc.org", "F32"),
        json!({"text": "wears hearing aids"}),
        json!({"text": "Archive of grape allergy"}),
        json!({"url": "http://example.org/psychology"}),
        json!({"data": "HIV"}),
        json!({"valueDecimal": 1e300}),
        json!([null, true, 1, -2, 3.50]),
    ] {
        assert!(!sensitive(no.clone()), "{no}");
    }
}

/// What refers to a sensitive finding goes with it; what shares its visit does not.
#[test]
fn sensitivity_spreads_along_references() {
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": {"resourceType": "Claim", "diagnosis": [{"d": {"reference": "urn:uuid:rx"}}]}},
        {"fullUrl": "urn:uuid:rx", "resource": {"resourceType": "MedicationRequest",
            "reasonReference": [{"reference": "http://a.example/fhir/Condition/c1/_history/3"}]}},
        {"resource": {"resourceType": "Condition", "id": "c1", "text": "Alcohol dependence",
            "encounter": {"reference": "Encounter/e1"}}},
        {"resource": {"resourceType": "Encounter", "id": "e1", "reason": "detoxification"}},
        {"resource": {"resourceType": "Observation", "category": [{"coding": [{"code": "laboratory"}]}],
            "encounter": {"reference": "Encounter/e1"}}},
    ]});
    let parts = check(bundle.to_string().as_bytes());
    let counts: Vec<_> = parts
        .iter()
        .map(|(part, _)| (part.class, part.ranges.len()))
        .collect();
    let expected = [
        (Class::Laboratory, 1),
        (Class::Skeleton, 6),
        (Class::Sensitive, 4),
    ];
    assert_eq!(counts, expected);
}

/// A file that two readers may read in two ways is never split as one of them reads it.
#[test]
fn ambiguous_files_stay_together() {
    let whole = |text: &str| {
        let split = split(text.as_bytes());
        assert_eq!(split.parts.len(), 1, "{text}");
        assert_eq!(split.parts[0].class, Class::Sensitive, "{text}");
        split.notice.unwrap()
    };
    assert!(whole(r#"{"resourceType":"Bundle","entry":[],"entry":[]}"#).ends_with("entries twice"));
    assert!(whole(r#"{"resourceType":"Bundle","\u0065ntry":[],"entry":[]}"#).ends_with("twice"));
    assert!(whole(r#"{"resourceType":"Bundle","resourceType":"Patient"}"#).ends_with("twice"));
    assert!(whole(r#"{"resourceType":"Bundle","entry":{}}"#).contains("no list"));
    assert!(whole(r#"{"resourceType":"Bundle","entry":["#).contains("EOF"));
    assert!(whole(r#"{"resourceType":"Bundle"} x"#).contains("trailing"));
    whole("{\"resourceType\":\"Bundle\",\"x\":\"\u{1}\"}");

    // One entry like that is sensitive; the others are not touched by it.
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    for odd in [
        r#"{"resource":{"resourceType":"Patient"},"resource":{"resourceType":"Condition"}}"#,
        r#"{"resource":{"resourceType":"Patient","resourceType":"Condition"}}"#,
        r#"{"resource":{"resourceType":"Observation","category":[],"category":[]}}"#,
        r#"{"resource":17}"#,
        "17",
        &format!(r#"{{"resource":{{"resourceType":"Patient","x":{deep}}}}}"#),
    ] {
        let text = format!(
            r#"{{"resourceType":"Bundle","entry":[{odd}, {{"resource":{{"resourceType":"Procedure"}}}}]}}"#
        );
        let parts = check(text.as_bytes());
        let classes: Vec<_> = parts.iter().map(|(part, _)| part.class).collect();
        assert_eq!(
            classes,
            [Class::Procedure, Class::Skeleton, Class::Sensitive],
            "{odd}"
        );
        assert_eq!(parts[2].1, odd.as_bytes());
    }
}

#[test]
fn kinds_of_files() {
    let one = |file: &[u8]| {
        let parts = check(file);
        assert_eq!(parts.len(), 1);
        (parts[0].0.class, parts[0].0.media_type.clone())
    };
    let is = |file: &[u8], class, media_type: &str| {
        assert_eq!(one(file), (class, media_type.to_owned()));
    };
    is(
        &[&[0; 128][..], b"DICM", &[2, 0, 0, 0]].concat(),
        Class::Imaging,
        "application/dicom",
    );
    is(b"", Class::Document, "application/octet-stream");
    is(
        b"MSH|^~\\&|LAB|",
        Class::Document,
        "x-application/hl7-v2+er7",
    );
    is(
        b"\x0bMSH|^~\\&#|LAB\r",
        Class::Document,
        "x-application/hl7-v2+er7",
    );
    is(
        b"MSHAPED| things",
        Class::Document,
        "application/octet-stream",
    );
    is(b"{\"a\": 1}", Class::Document, "application/json");
    is(
        b"{\"resourceType\": \"Immunization\"}",
        Class::Immunization,
        FHIR_JSON,
    );
    is(
        b"\xef\xbb\xbf {\"resourceType\": \"Patient\"}",
        Class::Other,
        FHIR_JSON,
    );
    is(
        b"{\"resourceType\": \"Condition\", \"text\": \"HIV\"}",
        Class::Sensitive,
        FHIR_JSON,
    );
    let cda = b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- c --><n:ClinicalDocument xmlns:n='urn:hl7-org:v3'/>";
    is(cda, Class::Document, "text/xml");
    is(
        b"<html>ClinicalDocument</html>",
        Class::Document,
        "application/octet-stream",
    );
    is(b"<?xml", Class::Document, "application/octet-stream");
    let restricted =
        b"<ClinicalDocument><confidentialityCode codeSystem='x'\n code = 'R' /></ClinicalDocument>";
    is(restricted, Class::Sensitive, "text/xml");
    is(
        b"<ClinicalDocument><confidentialityCode code=\"N\"/></ClinicalDocument>",
        Class::Document,
        "text/xml",
    );
}

/// A file that says it is huge and counts what is read of it.
struct Huge {
    head: &'static [u8],
    at: u64,
    read: u64,
}

impl Read for Huge {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *out {
            *byte = self.head.get(self.at as usize).copied().unwrap_or(b' ');
            self.at += 1;
        }
        self.read += out.len() as u64;
        Ok(out.len())
    }
}

impl Seek for Huge {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(0) => 2 << 30,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(self.at)
    }
}

#[test]
fn a_huge_file_is_not_read() {
    for (head, class, notice) in [
        (&b"movie"[..], Class::Document, false),
        (b"MSH|^~\\&|A|", Class::Document, false),
        (b"{\"resourceType\":\"Bundle\",", Class::Sensitive, true),
        (b"<ClinicalDocument>", Class::Sensitive, true),
    ] {
        let mut file = Huge {
            head,
            at: 0,
            read: 0,
        };
        let split = split_file(&mut file).unwrap();
        assert_eq!(split.parts.len(), 1);
        assert_eq!(split.parts[0].class, class);
        assert_eq!(
            split.parts[0].ranges,
            std::iter::once(0..2 << 30).collect::<Vec<_>>()
        );
        assert_eq!(split.notice.is_some(), notice);
        assert!(file.read <= HEAD as u64);
    }
}

#[test]
fn extracts_keep_bytes_and_drop_what_a_collection_forbids() {
    let file = br#" { "resourceType" : "Bundle", "type":"transaction",
      "entry" : [ {"fullUrl":"urn:uuid:1" , "resource" : {"resourceType":"Observation","valueQuantity":{"value":6.30e0}},"request":{"method":"POST","url":"Observation"}}
      , {"resource":{"resourceType":"Patient","name":[{"family":"Ng\u0142"}]}}, {"request":{"method":"DELETE","url":"Patient/1"}} ,
      {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Device"}} ] } "#;
    let parts = check(file);
    check_extracts(file, &parts);
    let text = String::from_utf8(extract(&given(&parts)).unwrap()).unwrap();
    assert!(text.contains("\"value\":6.30e0"));
    assert!(text.contains(
        "{\"resource\":{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"Ng\\u0142\"}]}}"
    ));
    assert!(!text.contains("request"));
    assert_eq!(text.matches("urn:uuid:1").count(), 1);
    let none: Value = serde_json::from_slice(&extract(&[]).unwrap()).unwrap();
    assert!(none.get("entry").is_none());
    for bad in [&b"{"[..], b"[]", b"{}x", b"\xff"] {
        let error = extract(&[("text/plain", b"?"), (FHIR_ENTRIES, bad)]).unwrap_err();
        assert!(matches!(error, ExtractError::Part { part: 1, .. }));
    }
}

/// JSON with white space anywhere, escapes, odd numbers; often a bundle.
fn json_text() -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", " ", "\n  ", "\t", "\r\n"]);
    let scalar = prop::sample::select(vec![
        "null",
        "true",
        "1",
        "-0.0",
        "1.10",
        "6.02E+23",
        "\"\"",
        "\"Köln 東京\"",
        "\"\\u00e9\\n\"",
        "\"HIV\"",
        "\"Patient/1\"",
        "99999999999999999999999.000",
    ])
    .prop_map(str::to_owned);
    let key = prop::sample::select(vec![
        "resourceType",
        "entry",
        "resource",
        "fullUrl",
        "id",
        "reference",
        "code",
        "system",
        "security",
        "category",
        "coding",
        "request",
        "text",
        "x",
    ]);
    let value = scalar.prop_recursive(6, 60, 5, move |inner| {
        let members = vec((key.clone(), space(), inner.clone(), space()), 0..5);
        let object = members.prop_map(|members| {
            let members: Vec<_> = members
                .iter()
                .map(|(key, before, value, after)| {
                    format!("{before}\"{key}\"{after}:{before}{value}{after}")
                })
                .collect();
            format!("{{{}}}", members.join(","))
        });
        let list = vec((space(), inner), 0..5).prop_map(|items| {
            let items: Vec<_> = items
                .iter()
                .map(|(space, item)| format!("{space}{item}{space}"))
                .collect();
            format!("[{}]", items.join(","))
        });
        prop_oneof![2 => object, 1 => list]
    });
    let kinds = ["Observation", "Condition", "Patient", "Encounter", "Bundle"];
    let resource = (prop::sample::select(kinds.to_vec()), space(), value.clone()).prop_map(
        |(kind, space, x)| format!("{{\"resourceType\":{space}\"{kind}\",\"x\":{x}{space}}}"),
    );
    let entry = (space(), resource, space()).prop_map(|(before, resource, after)| {
        format!("{{{before}\"fullUrl\":\"urn:1\",\"resource\":{resource}{after}}}")
    });
    let entry = prop_oneof![4 => entry, 1 => value.clone()];
    let bundle = (space(), vec((space(), entry), 0..8), space()).prop_map(|(a, entries, b)| {
        let entries: Vec<_> = entries
            .iter()
            .map(|(space, entry)| format!("{space}{entry}{space}"))
            .collect();
        format!(
            "{a}{{{b}\"entry\":{b}[{}],{a}\"resourceType\":\"Bundle\"}}{b}",
            entries.join(",")
        )
    });
    prop_oneof![4 => bundle, 1 => value]
}

proptest! {
    #[test]
    fn cut_and_joined(text in json_text(), bom: bool) {
        let file = if bom { format!("\u{feff}{text}") } else { text };
        let parts = check(file.as_bytes());
        if parts.iter().any(|(part, _)| part.class == Class::Skeleton) {
            let all_objects = parts.iter().all(|(part, bytes)| {
                part.media_type != FHIR_ENTRIES || extract(&[(FHIR_ENTRIES, bytes)]).is_ok()
            });
            if all_objects {
                let _ = extract(&given(&parts)).unwrap();
            }
        }
    }

    /// Any change to a bundle gives another file with the same laws, and no panic.
    #[test]
    fn cut_and_joined_after_damage(
        text in json_text(), at: prop::sample::Index, to: u8, cut: prop::sample::Index,
    ) {
        let mut file = text.into_bytes();
        let index = at.index(file.len());
        file[index] = to;
        check(&file);
        check(&file[..cut.index(file.len())]);
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        check(&bytes);
        let _ = extract(&[(FHIR_ENTRIES, &bytes)]);
        let _ = Kind::of(&bytes);
    }
}
