//! Records of every format, small enough to see what is read.

use pages::{Language, record};

use crate::document::{Element, inert, parse};

/// A record as a page shows it.
pub(crate) fn shown(bytes: &[u8], language: Language) -> Element {
    let page = parse(&record::show(&record::read(bytes), language).into_string());
    inert(&page);
    assert_eq!(page.named("h1").len(), 1);
    page
}

fn text(bytes: &[u8]) -> String {
    shown(bytes, Language::English).text()
}

#[test]
fn a_bundle_is_read_as_a_person_reads_it() {
    let bundle = br#"{"resourceType":"Bundle","type":"collection","entry":[
      {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p","birthDate":"1960-04-02",
        "gender":"female","name":[{"use":"official","given":["Mara"],"family":"Lindqvist"}]}},
      {"fullUrl":"urn:uuid:c","resource":{"resourceType":"Condition","code":{"text":"Hypertension"},
        "clinicalStatus":{"coding":[{"code":"active"}]},"onsetDateTime":"2019-03"}},
      {"resource":{"resourceType":"MedicationRequest","status":"stopped","authoredOn":"2020-01-05",
        "medicationCodeableConcept":{"text":"Lisinopril 10 MG"},
        "dosageInstruction":[{"text":"one in the morning"}],
        "reasonReference":[{"reference":"urn:uuid:c"}]}},
      {"resource":{"resourceType":"AllergyIntolerance","criticality":"high","code":{"text":"Penicillin"},
        "reaction":[{"manifestation":[{"text":"Rash"}]}]}},
      {"resource":{"resourceType":"Observation","category":[{"coding":[{"code":"vital-signs"}]}],
        "code":{"text":"Blood pressure"},"effectiveDateTime":"2020-01-05","component":[
        {"code":{"text":"Systolic"},"valueQuantity":{"value":142,"unit":"mmHg"}},
        {"code":{"text":"Diastolic"},"valueQuantity":{"value":91,"unit":"mmHg"}}]}},
      {"resource":{"resourceType":"Observation","category":[{"coding":[{"code":"vital-signs"}]}],
        "code":{"text":"Blood pressure"},"effectiveDateTime":"2021-01-05","component":[
        {"code":{"text":"Systolic"},"valueQuantity":{"value":128,"unit":"mmHg"}},
        {"code":{"text":"Diastolic"},"valueQuantity":{"value":84.123456789,"unit":"mmHg"}}]}},
      {"resource":{"resourceType":"Observation","category":[{"coding":[{"code":"laboratory"}]}],
        "code":{"text":"Potassium"},"effectiveDateTime":"2021-01-05","valueQuantity":{"value":6.2,"unit":"mmol/L"},
        "referenceRange":[{"low":{"value":3.5},"high":{"value":5.1,"unit":"mmol/L"}}]}},
      {"resource":{"resourceType":"Basic","id":"x"}}]}"#;
    let page = shown(bundle, Language::English);
    assert_eq!(page.named("h1")[0].text(), "Mara Lindqvist");
    let headings: Vec<String> = page.named("h2").iter().map(|h| h.text()).collect();
    let order = [
        "Diagnoses",
        "Medication",
        "Allergies",
        "Vital signs",
        "Laboratory",
        "Also in this record",
    ];
    assert_eq!(headings, order);
    let text = page.text();
    for part in [
        "2 April 1960",
        "March 2019",
        "one in the morning",
        "Stopped",
        "Rash",
        "Systolic 128 mmHg ; Diastolic 84.12 mmHg",
        "3.5–5.1 mmol/L",
        "6.2 mmol/L high",
        "Basic 1",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // The reason is named where it is only referred to.
    let medication = page.named("table")[1].text();
    assert!(medication.contains("Hypertension"), "{medication}");
    // Two lines in one plot; one potassium is no plot.
    assert_eq!(page.named("svg").len(), 1);
    assert_eq!(page.named("polyline").len(), 2);
    assert!(
        page.named("svg")[0]
            .attribute("aria-label")
            .contains("from 2020 to 2021")
    );
    let german = shown(bundle, Language::German).text();
    assert!(
        german.contains("84,12")
            && german.contains("2. April 1960")
            && german.contains("Diagnosen")
    );
}

#[test]
fn what_is_sensitive_is_marked() {
    let bundle = |label: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[
              {{"resource":{{"resourceType":"Condition","code":{{"text":"Anaemia"}}}}}},
              {{"resource":{{"resourceType":"Condition","code":{{"text":"Depression"}},
                "meta":{{"security":[{{"code":"{label}"}}]}}}}}}]}}"#
        )
    };
    let marked = |label: &str| {
        let page = shown(bundle(label).as_bytes(), Language::English);
        let rows = page.named("tr");
        let row = |of: &str| {
            rows.iter()
                .map(|row| row.text())
                .find(|row| row.contains(of))
        };
        let told = page.text().contains("Some entries are marked as sensitive");
        let [anaemia, depression] =
            ["Anaemia", "Depression"].map(|of| row(of).unwrap().contains("sensitive"));
        assert!(!anaemia, "{label}");
        assert_eq!(told, depression, "{label}");
        told
    };
    for label in ["R", "V", "PSY", "HIV", "SUD", "ETH", "SDV"] {
        assert!(marked(label), "{label}");
    }
    assert!(!marked("N"));
}

#[test]
fn lines_and_single_resources_are_read_too() {
    let one = br#"{"resourceType":"Immunization","status":"completed","vaccineCode":{"text":"Tetanus"},"occurrenceDateTime":"2021"}"#;
    assert!(text(one).contains("Tetanus"));
    let lines = [&one[..], b"\n", one, b"\n{broken\n"].concat();
    let text = text(&lines);
    assert_eq!(text.matches("Tetanus").count(), 2);
    assert!(text.contains("Entries that could not be read: 1"));
}

#[test]
fn a_document_keeps_its_narrative_and_loses_its_tricks() {
    let document = r##"<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>Discharge</title>
      <effectiveTime value="20200105"/><recordTarget><patientRole><patient><name><given>Mara</given>
      <family>Lindqvist</family></name><birthTime value="19600402"/></patient></patientRole></recordTarget>
      <component><structuredBody><component><section><title>Plan</title><text>
      <paragraph onclick="x()">Rest <content styleCode="Bold">well</content>&amp; drink&#160;water</paragraph>
      <list listType="ordered"><item>one</item><item>two</item></list>
      <table><caption>Doses</caption><thead><tr><th>What</th></tr></thead><tbody><tr><td colspan="999">x</td></tr></tbody></table>
      <linkHtml href="javascript:alert(1)">link</linkHtml><script>bad()</script>
      <table><paragraph>stray</paragraph><td>cell</td></table><item>lone</item>
      </text></section></component></structuredBody></component></ClinicalDocument>"##;
    let page = shown(document.as_bytes(), Language::English);
    assert_eq!(page.named("h1")[0].text(), "Discharge");
    let text = page.text();
    for part in [
        "Mara Lindqvist",
        "2 April 1960",
        "Plan",
        "link (javascript:alert(1))",
        "stray",
        "cell",
        "lone",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("bad()"));
    assert_eq!(page.named("strong")[0].text(), "well");
    assert_eq!(page.named("ol")[0].named("li").len(), 2);
    // What is outside of its table or list would be moved by a browser.
    for table in page.named("table") {
        for row in table.named("tr") {
            assert!(row.named("td").len() + row.named("th").len() > 0);
        }
    }
    assert!(
        page.all()
            .iter()
            .all(|e| e.attribute("colspan").parse::<u8>().unwrap_or(1) <= 50)
    );
}

#[test]
fn a_message_is_told_in_words() {
    let message = "MSH|^~\\&|LAB|CITY|||20200105093000||ORU^R01|77|P|2.5.1\r\
        PID|1||4711^^^X||Lindqvist^Mara||19600402|F\r\
        OBR|1|||57021-8^Blood count^LN\r\
        OBX|1|NM|718-7^Hemoglobin^LN||10.2|g/dL|12-16|L|||F|||20200105\r\
        OBX|2|CE|ABO^Blood group^L||A^Group A\\T\\B^L||||||F\r\
        NTE|1||fasting\r\
        ZXY|1|own~field\r";
    for framed in [
        message.to_owned(),
        format!("\x0b{message}\x1c\r"),
        message.replace('\r', "\n"),
    ] {
        let text = text(framed.as_bytes());
        for part in [
            "Message with results",
            "Mara Lindqvist",
            "5 January 2020, 09:30",
            "Blood count",
            "10.2 g/dL low",
            "12-16",
            "Final",
            "Group A&B",
            "fasting",
            "own; field",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    let batch = format!(
        "FHS|^~\\&\r{message}{}FTS|2\r",
        message.replace("718-7^Hemoglobin", "x^Zinc")
    );
    let text = text(batch.as_bytes());
    assert!(text.contains("Hemoglobin") && text.contains("Zinc"));
}

#[test]
fn other_files_are_text_or_are_said_not_to_be() {
    assert!(text("63.0,1.0,Grüße".as_bytes()).contains("63.0,1.0,Grüße"));
    assert!(text(b"\x89PNG\r\n\x1a\n\0\0").contains("cannot be shown here"));
    assert!(text(b"<note>x</note>").contains("no reader here (note)"));
    assert!(text(b"").contains("Text file"));
}

/// A DICOM file of 4 × 2 points, with these elements around its pixels.
pub(crate) fn dicom(
    syntax: &str,
    elements: &[(u16, u16, &[u8; 2], &[u8])],
    pixels: &[u8],
) -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    let mut element = |group: u16, number: u16, vr: &[u8; 2], value: &[u8]| {
        file.extend(group.to_le_bytes());
        file.extend(number.to_le_bytes());
        file.extend(vr);
        if [b"OW", b"OB", b"SQ"].contains(&vr) {
            file.extend([0, 0]);
            file.extend((value.len() as u32).to_le_bytes());
        } else {
            file.extend((value.len() as u16).to_le_bytes());
        }
        file.extend(value);
    };
    element(2, 0x10, b"UI", syntax.as_bytes());
    for (group, number, vr, value) in elements {
        element(*group, *number, vr, value);
    }
    element(0x7fe0, 0x10, b"OW", pixels);
    file
}

pub(crate) const GREY: &[(u16, u16, &[u8; 2], &[u8])] = &[
    (0x0010, 0x0010, b"PN", b"Lindqvist^Mara"),
    (0x0028, 0x0002, b"US", &[1, 0]),
    (0x0028, 0x0004, b"CS", b"MONOCHROME2 "),
    (0x0028, 0x0010, b"US", &[2, 0]),
    (0x0028, 0x0011, b"US", &[4, 0]),
    (0x0028, 0x0100, b"US", &[16, 0]),
    (0x0028, 0x0101, b"US", &[12, 0]),
    (0x0028, 0x0103, b"US", &[0, 0]),
    (0x0028, 0x1050, b"DS", b"2048"),
    (0x0028, 0x1051, b"DS", b"4096"),
];
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1\0";

#[test]
fn a_picture_is_drawn_with_its_window() {
    let pixels: Vec<u8> = [0_u16, 4095, 2048, 1024, 0, 0, 0, 4095]
        .iter()
        .flat_map(|p| p.to_le_bytes())
        .collect();
    let page = shown(&dicom(EXPLICIT, GREY, &pixels), Language::English);
    assert!(page.text().contains("Mara Lindqvist") && page.text().contains("4 × 2"));
    let image = page.named("img")[0];
    let data = image
        .attribute("src")
        .strip_prefix("data:image/png;base64,")
        .unwrap();
    let points = decode_png(data);
    assert_eq!(points, [0, 254, 127, 63, 0, 0, 0, 254]);

    let undrawn = dicom("1.2.840.10008.1.2.4.90", GREY, &pixels);
    assert!(
        shown(&undrawn, Language::German)
            .text()
            .contains("1.2.840.10008.1.2.4.90")
    );
}

fn decode_png(base64: &str) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let bytes = STANDARD.decode(base64).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    let mut points = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut points).unwrap();
    assert_eq!((info.width, info.height), (4, 2));
    points.truncate(info.buffer_size());
    points
}
