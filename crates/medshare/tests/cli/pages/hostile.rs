//! What a page must not do, whoever asks for it: by name, each refused.

use super::{Came, EDGE, Page, sample};
use crate::net::Cast;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// A form of each role that changes something, and its kind.
const FORMS: [(&str, &str, bool); 4] = [
    ("anna", "/backup/now", false),
    ("hospital", "/publish", true),
    ("institute", "/request", false),
    ("audit", "/verify", true),
];

fn page(cast: &Cast, home: &str) -> Page {
    match home {
        "audit" => Page::audit(&cast.net),
        home => Page::open(&cast.net, home),
    }
}

fn token(page: &Page, home: &str) -> String {
    let form = match home {
        "anna" => "/backup",
        "hospital" => "/publish",
        "institute" => "/request",
        _ => "/verify",
    };
    page.get(form).csrf()
}

#[test]
fn other_sites_and_other_names_get_nothing() {
    let cast = Cast::gather();
    for (home, path, file) in FORMS {
        let page = page(&cast, home);
        let csrf = token(&page, home);
        let kind = match file {
            true => format!("multipart/form-data; boundary={EDGE}"),
            false => "application/x-www-form-urlencoded".to_owned(),
        };
        let body = match file {
            true => format!(
                "--{EDGE}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--{EDGE}--\r\n"
            ),
            false => format!("csrf={csrf}"),
        };
        for (more, status) in [
            ("Origin: http://evil.example\r\n", 400),
            ("Origin: null\r\n", 400),
            ("Origin: http://127.0.0.1:1\r\n", 400),
            ("Host: evil.example\r\n", 400), // rebinding
            ("Host: evil.example:80\r\n", 400),
            ("Sec-Fetch-Site: cross-site\r\n", 404),
            ("Sec-Fetch-Site: same-site\r\n", 404), // another port of this machine
        ] {
            let more = format!("Content-Type: {kind}\r\n{more}");
            let came = page.ask("POST", path, &more, &body);
            assert_eq!(came.status, status, "{home} {more}");
        }
        // A wrong kind of form, a form of no kind, a method that nobody knows.
        for kind in ["text/plain", "application/json", "multipart/form-data"] {
            let more = format!("Content-Type: {kind}\r\n");
            let came = page.ask("POST", path, &more, &body);
            assert_eq!(came.status, 415, "{home} {kind}");
        }
        assert_eq!(page.ask("POST", path, "", &body).status, 415, "{home}");
        assert!(matches!(page.ask("DELETE", path, "", "").status, 404 | 405));
        // Pages of other roles are not there.
        for (_, path, _) in FORMS.into_iter().filter(|(other, ..)| *other != home) {
            assert_eq!(page.get(path).status, 404, "{home} {path}");
        }
        page.end();
    }
}

#[test]
fn a_file_goes_nowhere_but_into_a_record() {
    let cast = Cast::gather();
    let net = &cast.net;
    let hospital = Page::open(net, "hospital");
    let csrf = token(&hospital, "hospital");
    let patient = cast.patient.clone();
    let before = net.listing("hospital");
    let bytes = std::fs::read(sample()).unwrap();
    // The token comes after the file, is another's, or is missing: not a byte is kept.
    let published = || net.rows(&["record", "list", "--of", &patient]).len();
    for fields in [
        &[("patient", patient.as_str())][..],
        &[("csrf", "0"), ("patient", &patient)],
        &[("patient", &patient), ("csrf", "")],
    ] {
        let came = hospital.upload("/publish", fields, ("file", "a.json", &bytes));
        assert_eq!(came.status, 404);
    }
    let own = [("csrf", csrf.as_str()), ("patient", patient.as_str())];
    // Cut short, two files, no file, a patient whose card is not here, no patient.
    let more = hospital.of_form();
    let cut = format!(
        "--{EDGE}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--{EDGE}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf a fi"
    );
    assert_eq!(hospital.ask("POST", "/publish", &more, &cut).status, 400);
    for (fields, status) in [
        (vec![own[0], ("patient", cast.institute.as_str())], 409),
        (vec![own[0], ("patient", "nobody")], 404),
        (vec![own[0], own[1], ("record", "../../x")], 404),
    ] {
        let came = hospital.upload("/publish", &fields, ("file", "a.json", &bytes));
        assert!(
            came.status == status || came.status == 404,
            "{}",
            came.text()
        );
    }
    // It says itself that it is longer than is taken.
    let long = format!("{more}Content-Length: {}\r\n", 3_u64 << 30);
    assert_eq!(hospital.ask("POST", "/publish", &long, "").status, 413);
    assert_eq!(published(), 0);
    // Whatever the file is called, nothing is called so on disk.
    for name in [
        "../../../evil.json",
        "/etc/evil.json",
        "evil\\..\\evil.json",
        "%2e%2e%2fevil",
    ] {
        let came = hospital.upload("/publish", &own, ("file", name, &bytes));
        assert_eq!(came.status, 303, "{name}: {}", came.text());
    }
    assert_eq!(published(), 4);
    assert_eq!(net.listing("hospital"), before);
    for folder in ["", "hospital", "node", "anna"] {
        assert!(
            net.listing(folder)
                .iter()
                .all(|name| !name.contains("evil"))
        );
    }
    hospital.end();
}

#[test]
fn spoilt_records_are_shown_without_harm() {
    let cast = Cast::gather();
    let hospital = Page::open(&cast.net, "hospital");
    let anna = Page::open(&cast.net, "anna");
    let csrf = token(&hospital, "hospital");
    let fields = [("csrf", csrf.as_str()), ("patient", cast.patient.as_str())];
    let deep = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{{\"resource\":{{\"resourceType\":\"Condition\",\"x\":{}1{}}}}}]}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    // Pixel data of 4 GiB, of which there are eight bytes; a picture of 65,535 × 65,535.
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM");
    dicom.extend([0x02, 0, 0x10, 0, b'U', b'I', 20, 0]);
    dicom.extend(b"1.2.840.10008.1.2.1\0");
    for (element, value) in [(0x10_u8, u16::MAX), (0x11, u16::MAX), (0x00, 16), (0x02, 1)] {
        let group = if matches!(element, 0x02) {
            0x02
        } else {
            element
        };
        dicom.extend([0x28, 0, group, if matches!(element, 0x00) { 1 } else { 0 }]);
        dicom.extend([b'U', b'S', 2, 0]);
        dicom.extend(value.to_le_bytes());
    }
    dicom.extend([0xe0, 0x7f, 0x10, 0, b'O', b'W', 0, 0]);
    dicom.extend(u32::MAX.to_le_bytes());
    dicom.extend([0; 8]);
    // A bomb of gzip: 10 MiB of nothing in some bytes; it is a file like any other.
    let bomb = [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..], &[0; 4096]].concat();
    let script = b"<script>alert(1)</script>";
    for (at, bytes) in [deep.as_bytes(), &dicom, &bomb, script, b""]
        .iter()
        .enumerate()
    {
        let came = hospital.upload("/publish", &fields, ("file", "x", bytes));
        assert!(matches!(came.status, 303 | 409), "{at}: {}", came.text());
    }
    // All that are taken are accepted by her wallet in a moment.
    for _ in 0..200 {
        let text = anna.get("/records").text();
        if text.matches("/records/").count() >= 4 && !text.contains(">waits for you<") {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let text = anna.get("/records").text();
    let records: Vec<&str> = text
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .filter(|path| path.starts_with("/records/"))
        .collect();
    assert!(records.len() >= 4, "{text}");
    for record in records {
        let came = anna.get(record);
        assert_eq!(came.status, 200, "{record}");
        assert!(!came.text().contains("<script>alert"), "{record}");
    }
    anna.end();
    hospital.end();
}

#[test]
fn what_is_no_proof_proves_nothing() {
    let cast = Cast::gather();
    let audit = Page::audit(&cast.net);
    let csrf = token(&audit, "audit");
    let fields = [("csrf", csrf.as_str())];
    let car = b"\x3a\xa2eroots\x81\xd8\x2aX%\0\x01\x70\x12 ";
    // A list of 2^64 − 1 entries; 10,000 lists in each other; JSON as deep; a CAR; a bomb.
    let huge = b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
    for bytes in [
        Vec::new(),
        huge,
        vec![0x81; 10_000],
        vec![b'['; 10_000],
        vec![b'{'; 10_000],
        car.to_vec(),
        b"\x1f\x8b\x08\0\0\0\0\0".to_vec(),
        b"<script>alert(1)</script>".to_vec(),
    ] {
        let came = audit.upload("/verify", &fields, ("proof", "../x", &bytes));
        assert_eq!(came.status, 200, "{}", came.text());
        let text = came.text();
        assert!(
            text.contains("Not proven:") && !text.contains("<script>alert"),
            "{text}"
        );
    }
    // Too long, said or not.
    let large = vec![0; 3 << 20];
    let came = audit.upload("/verify", &fields, ("proof", "x", &large));
    assert!(matches!(came.status, 413 | 0), "{}", came.status);
    let head = format!(
        "--{EDGE}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--{EDGE}\r\nContent-Disposition: form-data; name=\"proof\"; filename=\"x\"\r\n\r\n"
    );
    let mut chunked = format!("{:x}\r\n{head}\r\n", head.len()).into_bytes();
    for _ in 0..48 {
        chunked.extend(b"10000\r\n");
        chunked.extend([0; 0x10000]);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    let more = format!("{}Transfer-Encoding: chunked\r\n", audit.of_form());
    let came = audit.ask("POST", "/verify", &more, chunked);
    assert!(matches!(came.status, 413 | 0), "{}", came.status);
    assert_eq!(audit.get("/verify").status, 200);
    // A header line too many, a path that climbs, ids that are none.
    for path in [
        "/operations/../../etc/passwd",
        "/log/../verify/x",
        "/operations/x",
        "/log?from=-1",
    ] {
        let came = audit.get(path);
        assert!(matches!(came.status, 200 | 404), "{path}");
        assert!(!came.text().contains("root:"), "{path}");
    }
    audit.end();
}

/// Headers under which a browser does nothing with an answer but show it.
fn assert_guarded(what: &str, came: &Came) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(came.header(name), Some(value), "{what}: {name}");
    }
    let policy = came.header("content-security-policy").unwrap_or_default();
    let strict = policy.starts_with("default-src 'none'") && !policy.contains("unsafe");
    assert!(
        strict && policy.contains("frame-ancestors 'none'"),
        "{what}: {policy}"
    );
    assert!(came.header("referrer-policy").is_some(), "{what}");
    assert!(
        came.header("access-control-allow-origin").is_none(),
        "{what}"
    );
}

#[test]
fn every_answer_is_guarded() {
    let cast = Cast::gather();
    let record = cast.record(&sample());
    let page = Page::open(&cast.net, "anna");
    let token = format!("csrf={}", token(&page, "anna"));
    for (path, status) in [
        ("/records", 200),
        (&*format!("/records/{record}"), 200),
        (&*format!("/records/{record}/parts/0"), 200),
        ("/", 303),
        ("/requests?language=de", 303),
        ("/nothing", 404),
        ("/open/nothing", 404),
        ("/assets/pages.css", 200),
        ("/assets/nothing", 404),
    ] {
        let came = page.get(path);
        assert_eq!(came.status, status, "{path}");
        assert_guarded(path, &came);
    }
    let large = format!("{token}&x={}", "a".repeat(100_000));
    for (body, status) in [(&token, 303), (&large, 413), (&String::new(), 404)] {
        let came = page.post("/backup/now", body);
        assert_eq!(came.status, status);
        assert_guarded("a form", &came);
    }
    assert_guarded("an archive", &page.post("/export", &token));
    for (more, status) in [
        ("Host: evil.example\r\n", 400),
        ("Origin: http://evil.example\r\n", 400),
        ("Content-Type: text/plain\r\n", 415),
    ] {
        let came = page.ask("POST", "/backup/now", more, &token);
        assert_eq!(came.status, status, "{more}");
        assert_guarded(more, &came);
    }
    page.end();
}

#[test]
fn who_stands_still_keeps_nobody_from_a_page() {
    let cast = Cast::gather();
    let page = Page::open(&cast.net, "hospital");
    let head = |line: &str| {
        let (at, cookie) = (&page.at, &page.cookie);
        format!("{line} HTTP/1.1\r\nHost: {at}\r\nCookie: {cookie}\r\n")
    };
    let form = format!(
        "{}{}Content-Length: 100000\r\n\r\n",
        head("POST /publish"),
        page.of_form()
    );
    let csrf = token(&page, "hospital");
    let field =
        format!("--{EDGE}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n");
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf a";
    let mut held = Vec::new();
    for text in [
        "GET /publi".to_owned(),
        head("GET /publish") + "Accept: ",
        form.clone(),
        form.clone() + &field,
        format!("{form}{field}--{EDGE}\r\n{file}"),
        head("POST /publish") + &page.of_form() + "Transfer-Encoding: chunked\r\n\r\nffff\r\nab",
    ] {
        // More than are open at once.
        for _ in 0..80 {
            let mut stream = TcpStream::connect(&page.at).unwrap();
            let _ = stream.write_all(text.as_bytes());
            held.push(stream);
        }
        let begin = Instant::now();
        assert_eq!(page.get("/publish").status, 200, "{text}");
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "{:?}",
            begin.elapsed()
        );
    }
    // Who goes away in the middle has done nothing.
    drop(held);
    let mut cut = TcpStream::connect(&page.at).unwrap();
    cut.write_all(format!("{form}{field}--{EDGE}\r\n{file}").as_bytes())
        .unwrap();
    cut.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = cut.read_to_end(&mut answer);
    assert!(
        !answer.starts_with(b"HTTP/1.1 3"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(
        cast.net
            .rows(&["record", "list", "--of", &cast.patient])
            .is_empty()
    );
    page.end();
}
