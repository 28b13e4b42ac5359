//! Hostile records: each gives a page in little time, never a panic, and says what it left out.

use pages::Language;
use std::time::Instant;

use crate::reading::{EXPLICIT, GREY, dicom, shown};

fn text(bytes: &[u8]) -> String {
    shown(bytes, Language::English).text()
}

#[test]
fn ten_thousand_levels_of_json() {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let nested = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    for deep in [deep, nested] {
        let bundle = format!(
            r#"{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Observation","x":{deep}}}}},
            {{"resource":{{"resourceType":"Condition","code":{{"text":"Still here"}}}}}}]}}"#
        );
        let text = text(bundle.as_bytes());
        assert!(text.contains("Still here"), "one deep entry hid another");
        assert!(text.contains("Entries that could not be read: 1"));
        let alone = format!(r#"{{"resourceType":"Patient","x":{deep}}}"#);
        let _ = self::text(alone.as_bytes());
    }
    let _ = text("{\"resourceType\":".repeat(10_000).as_bytes());
}

#[test]
fn script_in_every_field_of_a_record() {
    for script in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "</pre></table><b>",
    ] {
        let quoted = serde_json::to_string(script).unwrap();
        // Every string of a real-looking bundle is the script, keys aside.
        let bundle = BUNDLE.replace("\"@\"", &quoted);
        let page = shown(bundle.as_bytes(), Language::English);
        assert!(page.text().matches("alert(1)").count() > 10 || script.contains("<b>"));
        let escaped = script
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;");
        let document = CDA.replace('@', &escaped);
        assert!(
            shown(document.as_bytes(), Language::English)
                .named("h2")
                .len()
                == 1
        );
        let message = HL7.replace('@', script);
        let _ = shown(message.as_bytes(), Language::German);
        let named: Vec<_> = [(0x0008_u16, 0x103e_u16, b"LO", script.as_bytes())]
            .into_iter()
            .chain(GREY.iter().copied())
            .collect();
        let _ = shown(&dicom(EXPLICIT, &named, &[0; 16]), Language::German);
        let _ = shown(script.as_bytes(), Language::German);
    }
}

pub(crate) const BUNDLE: &str = r#"{"resourceType":"Bundle","entry":[
 {"resource":{"resourceType":"Patient","gender":"@","birthDate":"@","name":[{"text":"@"}],"address":[{"line":["@"],"city":"@"}]}},
 {"resource":{"resourceType":"Condition","code":{"text":"@"},"clinicalStatus":{"coding":[{"code":"@"}]},"onsetDateTime":"@"}},
 {"resource":{"resourceType":"MedicationRequest","status":"@","medicationCodeableConcept":{"text":"@"},"dosageInstruction":[{"text":"@"}],"reasonCode":[{"text":"@"}]}},
 {"resource":{"resourceType":"AllergyIntolerance","criticality":"@","code":{"coding":[{"display":"@"}]},"reaction":[{"manifestation":[{"text":"@"}]}]}},
 {"resource":{"resourceType":"Encounter","class":{"code":"@"},"type":[{"text":"@"}],"serviceProvider":{"display":"@"}}},
 {"resource":{"resourceType":"Observation","code":{"text":"@"},"effectiveDateTime":"2020","valueQuantity":{"value":1,"unit":"@"},"referenceRange":[{"text":"@"}]}},
 {"resource":{"resourceType":"Observation","code":{"text":"@"},"effectiveDateTime":"2021","valueQuantity":{"value":2,"unit":"@"},"component":[{"code":{"text":"@"},"valueString":"@"}]}},
 {"resource":{"resourceType":"DiagnosticReport","code":{"text":"@"},"conclusion":"@","status":"@"}},
 {"resource":{"resourceType":"DocumentReference","description":"@","content":[{"attachment":{"contentType":"@","title":"@"}}]}},
 {"resource":{"resourceType":"Composition","title":"@","section":[{"title":"@","text":{"div":"<div>x<script>alert(1)</script><a href='javascript:alert(1)' onclick='alert(1)'>y</a></div>"}}]}},
 {"resource":{"resourceType":"Claim","item":[{"productOrService":{"text":"@"}}],"total":{"value":1,"currency":"@"}}},
 {"resource":{"resourceType":"@"}}]}"#;

pub(crate) const CDA: &str = "<ClinicalDocument><title>@</title><component><structuredBody><component><section>\
    <title>@</title><text><paragraph>@</paragraph><table><tr><td>@</td></tr></table>\
    <linkHtml href=\"@\">@</linkHtml><renderMultiMedia referencedObject=\"@\"/></text></section>\
    </component></structuredBody></component></ClinicalDocument>";

pub(crate) const HL7: &str = "MSH|^~\\&|@|@|||2020||@^@|@|P|2.5\rPID|1||@||@^@||@|@|||@\rPV1|1|@|@\r\
    OBR|1|||@^@\rOBX|1|NM|@^@||@|@|@|@|||@\rOBX|2|TX|@||@\rNTE|1||@\rZ@@|@\r";

#[test]
fn enormous_numbers() {
    let value = |number: &str, at: u32| {
        format!(
            r#"{{"resource":{{"resourceType":"Observation","code":{{"text":"n"}},"effectiveDateTime":"{at}",
            "valueQuantity":{{"value":{number},"unit":"u"}},"referenceRange":[{{"low":{{"value":{number}}}}}]}}}}"#
        )
    };
    let long = "9".repeat(100_000);
    let numbers = [
        "1e308",
        "-1e308",
        "1e999999",
        "0.1e-999999",
        "1e-308",
        "0",
        long.as_str(),
        "-0.0",
    ];
    let entries: Vec<String> = numbers
        .iter()
        .zip(2000..)
        .map(|(n, at)| value(n, at))
        .collect();
    let bundle = format!(
        r#"{{"resourceType":"Bundle","entry":[{}]}}"#,
        entries.join(",")
    );
    let page = shown(bundle.as_bytes(), Language::German);
    let html = format!("{page:?}");
    assert!(!html.contains("NaN") && !html.contains("\"inf"));
    assert!(
        page.text().len() < 20_000,
        "a number of 100,000 digits is shown whole"
    );
    // As dates, as dimensions, as frames.
    let _ = text(br#"{"resourceType":"Condition","onsetDateTime":"99999999999999999999-99-99"}"#);
    let frames = [(0x0028_u16, 0x0008_u16, b"IS", &b"99999999999999999999"[..])];
    let named: Vec<_> = frames.into_iter().chain(GREY.iter().copied()).collect();
    assert!(!text(&dicom(EXPLICIT, &named, &[0; 16])).is_empty());
}

#[test]
fn a_dicom_header_that_lies_about_its_size() {
    // Rows and columns of 65535: 8 GiB by the header, 16 bytes in the file.
    let lie: Vec<_> = GREY
        .iter()
        .map(|(group, number, vr, value)| match (group, number) {
            (0x0028, 0x0010 | 0x0011) => (*group, *number, *vr, &[0xff, 0xff][..]),
            _ => (*group, *number, *vr, *value),
        })
        .collect();
    assert!(text(&dicom(EXPLICIT, &lie, &[0; 16])).contains("does not hold the picture"));
    assert!(
        text(&dicom("1.2.840.10008.1.2.5\0", &lie, &[0; 16])).contains("does not hold the picture")
    );
    // Lengths of 4 GiB, undefined lengths, a file that ends anywhere, any byte wrong.
    let whole = dicom(EXPLICIT, GREY, &[7; 16]);
    let drawn = text(&whole);
    for at in 132..whole.len() {
        let _ = text(&whole[..at]);
        for byte in [0, 0x7f, 0xff] {
            let mut wrong = whole.clone();
            wrong[at] = byte;
            let _ = text(&wrong);
            wrong.splice(at..(at + 4).min(whole.len()), [0xff; 4]);
            let _ = text(&wrong);
        }
    }
    assert!(drawn.contains("preview"));
    let mut nested = whole[..132].to_vec();
    nested.extend([8, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xff, 0xff, 0xff, 0xff].repeat(10_000));
    let _ = text(&nested);
}

#[test]
fn wrong_encodings() {
    for bytes in [
        &b"{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"M\xfcller\"}]}"[..],
        b"<?xml version='1.0' encoding='utf-16'?><ClinicalDocument/>",
        b"<?xml version='1.0' encoding='x'?><ClinicalDocument/>",
        b"MSH|^~\\&\xff\xfe|",
        b"MSH\xe9",
        b"MSH|",
        b"\xff\xfe\x00\xd8",
        b"\xef\xbb\xbf",
        b"{\"resourceType\":\"\\ud800\"}",
    ] {
        let _ = shown(bytes, Language::English);
    }
    assert!(
        text(b"{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"M\xfcller\"}]}")
            .contains("Müller")
    );
}

#[test]
fn xml_that_laughs_and_xml_that_nests() {
    let mut bomb = String::from("<!DOCTYPE ClinicalDocument [<!ENTITY e0 \"ha\">");
    for level in 1..30 {
        let before = format!("&e{};", level - 1).repeat(10);
        bomb.push_str(&format!("<!ENTITY e{level} \"{before}\">"));
    }
    bomb.push_str("<!ENTITY file SYSTEM \"file:///etc/passwd\">]>");
    bomb.push_str(&CDA.replace('@', "&e29; &file;"));
    let text = text(bomb.as_bytes());
    assert!(text.len() < 2_000 && text.contains("&e29;") && !text.contains("root:"));

    let deep = "<paragraph>".repeat(10_000) + "bottom" + &"</paragraph>".repeat(10_000);
    let document = CDA.replacen("<paragraph>@</paragraph>", &deep, 1);
    assert!(self::text(document.as_bytes()).contains("nested too deeply"));
    let tables = "<table><tr><td>".repeat(3_000) + &"</td></tr></table>".repeat(3_000);
    let document = CDA.replacen("<paragraph>@</paragraph>", &tables, 1);
    let _ = self::text(document.as_bytes());
}

#[test]
fn much_of_anything_takes_little_time() {
    let started = Instant::now();
    let repeats = r#"{"resource":{"resourceType":"Observation","code":{"text":"n"},"effectiveDateTime":"2020","valueQuantity":{"value":1}}}"#;
    let many = format!(
        r#"{{"resourceType":"Bundle","entry":[{}]}}"#,
        vec![repeats; 20_000].join(",")
    );
    let text = text(many.as_bytes());
    assert!(text.contains("19,000 more rows are in the file"));
    let names: Vec<String> = (0..2_000)
        .map(|n| repeats.replace("\"n\"", &format!("\"n{n}\"")))
        .collect();
    let many = format!(
        r#"{{"resourceType":"Bundle","entry":[{}]}}"#,
        names.join(",")
    );
    let _ = self::text(many.as_bytes());
    let separators = format!(
        "MSH|^~\\&|{}\rOBX|{}\r",
        "~^&|".repeat(50_000),
        "\\".repeat(100_000)
    );
    let _ = self::text(separators.as_bytes());
    let messages = "MSH|^~\\&|a\rOBX|1|ST|x||y\r".repeat(5_000);
    assert!(self::text(messages.as_bytes()).contains("Only the first 50 messages"));
    let segments = format!("MSH|^~\\&|a\r{}", "Z|1\r".repeat(50_000));
    let _ = self::text(segments.as_bytes());
    let sections =
        "<component><section><title>t</title><text>x</text></section></component>".repeat(20_000);
    let document = format!(
        "<ClinicalDocument><component><structuredBody>{sections}</structuredBody></component></ClinicalDocument>"
    );
    assert!(self::text(document.as_bytes()).contains("more sections than are shown"));
    let _ = self::text("\u{1F469}\u{200D}".repeat(400_000).as_bytes());
    // Some 20 MB of records; a page of any takes well below a second in release.
    assert!(started.elapsed().as_secs() < 120, "{:?}", started.elapsed());
}
