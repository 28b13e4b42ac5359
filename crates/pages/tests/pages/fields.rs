//! Script in every text field of a record: one field at a time, in every sample, of every
//! format. Nothing of it becomes an element, an attribute or an address of the page.

use pages::Language;
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

use crate::reading::shown;

/// Closes what may be open around it, and tries to run in four ways.
const SCRIPT: &str = "\"'></td></p><script>alert(1)</script><img src=x onerror=alert(1)>\
    <svg onload=alert(1)></svg><a href=\"javascript:alert(1)\">x</a>";

fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    fs::read(folder.join(name)).unwrap()
}

/// Whether the script can be read on the page; that it is text there, `shown` has looked.
fn is_told(bytes: &[u8]) -> bool {
    shown(bytes, Language::English).text().contains("alert(1)")
}

// -- FHIR

/// The strings of a value: where each is, and what kind of field that is.
fn strings(value: &Value, at: &str, kind: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(_) => found.push((at.to_owned(), kind.to_owned())),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                strings(item, &format!("{at}/{index}"), kind, found);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                strings(
                    item,
                    &format!("{at}/{name}"),
                    &format!("{kind}.{name}"),
                    found,
                );
            }
        }
        _ => {}
    }
}

#[test]
fn in_every_kind_of_field_of_fhir() {
    let mut kinds = BTreeSet::new();
    let mut told = 0;
    for name in [
        "beispiel-mueller",
        "ejemplo-nunez",
        "li-shili",
        "przykladowa",
        "testsson",
    ] {
        let bundle: Value = serde_json::from_slice(&sample(&format!("{name}.fhir.json"))).unwrap();
        for entry in bundle["entry"].as_array().unwrap() {
            let resource = &entry["resource"];
            let mut found = Vec::new();
            strings(
                resource,
                "",
                resource["resourceType"].as_str().unwrap(),
                &mut found,
            );
            for (at, kind) in found {
                // A field that only repeats another's kind is read by the same lines.
                if kinds.insert(kind) {
                    let mut poisoned = resource.clone();
                    *poisoned.pointer_mut(&at).unwrap() = SCRIPT.into();
                    told += usize::from(is_told(poisoned.to_string().as_bytes()));
                }
            }
        }
        // All of them at once, and names of fields too.
        let mut found = Vec::new();
        strings(&bundle, "", "", &mut found);
        let mut poisoned = bundle.clone();
        for (at, _) in found {
            if !at.ends_with("/resourceType") && !at.ends_with("/type") {
                *poisoned.pointer_mut(&at).unwrap() = SCRIPT.into();
            }
        }
        assert!(is_told(poisoned.to_string().as_bytes()), "{name}");
    }
    assert!(kinds.len() > 150 && told > 35, "{told} of {}", kinds.len());
    let named = format!(
        "{{\"resourceType\":\"Basic\",{0}:{{{0}:{0}}}}}",
        Value::from(SCRIPT)
    );
    let _ = is_told(named.as_bytes());
}

// -- HL7 v2

#[test]
fn in_every_field_of_hl7() {
    let text = String::from_utf8(sample("d-essai.oru.hl7")).unwrap();
    let script: String = SCRIPT.chars().filter(|c| !"|^~\\&".contains(*c)).collect();
    let (mut fields, mut told) = (0, 0);
    for (at, c) in text.char_indices().filter(|(at, _)| *at > 8) {
        if !"|^&~".contains(c) {
            continue;
        }
        // From one mark to the next: a field, one of its components, or a part of that.
        let rest = &text[at + c.len_utf8()..];
        let end = rest
            .find(['|', '^', '&', '~', '\r', '\n'])
            .unwrap_or(rest.len());
        let poisoned = format!("{}{script}{}", &text[..=at], &rest[end..]);
        fields += 1;
        told += usize::from(is_told(poisoned.as_bytes()));
    }
    assert!(fields > 150 && told > 40, "{told} of {fields}");
}

// -- C-CDA

#[test]
fn in_every_text_and_attribute_of_ccda() {
    let text = String::from_utf8(sample("ni-shamplach.ccda.xml")).unwrap();
    let escaped = SCRIPT
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    let spots: Vec<(usize, usize)> = text
        .match_indices(['>', '"'])
        .filter_map(|(at, mark)| {
            let rest = &text[at + 1..];
            let value = mark == ">" || text[..at].ends_with('=');
            let length = rest.find(if mark == ">" { '<' } else { '"' })?;
            (value && !rest[..length].trim().is_empty()).then_some((at + 1, at + 1 + length))
        })
        .collect();
    let mut told = 0;
    for (from, to) in &spots {
        let with = |script: &str| format!("{}{script}{}", &text[..*from], &text[*to..]);
        told += usize::from(is_told(with(&escaped).as_bytes()));
        // Markup as it is: no document any more, or another one.
        let _ = is_told(with(SCRIPT).as_bytes());
        let _ = is_told(
            with("<script>alert(1)</script><img src=\"x\" onerror=\"alert(1)\"/>").as_bytes(),
        );
    }
    assert!(spots.len() > 150 && told > 25, "{told} of {}", spots.len());
}

// -- DICOM

#[test]
fn in_every_text_element_of_dicom() {
    let file = sample("phantom.ct.dcm");
    let (mut at, mut elements, mut told) = (132, 0, 0);
    while let Some(head) = file.get(at..at + 8) {
        let kind = &head[4..6];
        let long = [b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR"]
            .iter()
            .any(|vr| kind == *vr);
        if long {
            let length = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap());
            at += 12 + length as usize;
            continue;
        }
        let length = usize::from(u16::from_le_bytes(head[6..8].try_into().unwrap()));
        let is_text = [
            "AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI",
        ]
        .iter()
        .any(|vr| kind == vr.as_bytes());
        if is_text {
            let mut poisoned = file[..at + 6].to_vec();
            let mut script = SCRIPT.to_owned();
            if script.len() % 2 == 1 {
                script.push(' ');
            }
            poisoned.extend(u16::try_from(script.len()).unwrap().to_le_bytes());
            poisoned.extend(script.as_bytes());
            poisoned.extend(&file[at + 8 + length..]);
            elements += 1;
            told += usize::from(is_told(&poisoned));
        }
        at += 8 + length;
    }
    assert_eq!(at, file.len(), "every element was looked at");
    assert!(elements > 15 && told > 4, "{told} of {elements}");
}
