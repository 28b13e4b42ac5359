//! Every role's page, from a file on a hospital's disk to a checked proof.

use super::{Page, sample};
use crate::net::Cast;
use std::{thread, time::Duration};

/// Names for everybody in a home's contacts.
fn introduce(cast: &Cast, home: &str) {
    for (name, id) in [
        ("anna", &cast.patient),
        ("riverside", &cast.hospital),
        ("northgate", &cast.second),
        ("brigid", &cast.agent),
        ("kidneys", &cast.institute),
    ] {
        let arguments = ["contact", "add", name, id, "--home", home];
        cast.net.run(&arguments).ok();
    }
}

/// Asks again until `path` says `words`: other processes' loops take a moment.
fn until(page: &Page, path: &str, words: &str) -> String {
    for _ in 0..200 {
        let text = page.get(path).text();
        if text.contains(words) {
            return text;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{words:?} never came to {path}: {}", page.get(path).text());
}

#[test]
fn from_a_file_to_a_checked_proof() {
    let cast = Cast::gather();
    let net = &cast.net;
    for home in ["anna", "hospital", "second", "agent", "institute"] {
        introduce(&cast, home);
    }
    let hospital = Page::open(net, "hospital");
    let anna = Page::open(net, "anna");
    let agent = Page::open(net, "agent");
    let institute = Page::open(net, "institute");

    // The hospital publishes by a plain form; the patient's wallet accepts by itself.
    let form = hospital.get("/publish");
    assert!(form.text().contains("anna"), "{}", form.text());
    let original = std::fs::read(sample()).unwrap();
    let fields = [
        ("csrf", form.csrf()),
        ("patient", cast.patient.clone()),
        ("record", String::new()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let came = hospital.upload("/publish", &fields, ("file", "record.json", &original));
    assert_eq!(
        (came.status, came.header("location")),
        (303, Some("/published")),
        "{}",
        came.text()
    );
    let text = until(&hospital, "/published", ">accepted<");
    assert!(text.contains("anna"), "{text}");
    let record = anna.link_to("/records", "/records/").unwrap();
    assert!(anna.get(&record).text().contains("Health record (FHIR)"));

    // Its next version, for the same patient and for another.
    let record = record.rsplit('/').next().unwrap();
    let mut next = fields.clone();
    next[2].1 = record;
    let came = hospital.upload("/publish", &next, ("file", "record.json", &original));
    assert_eq!(came.status, 303, "{}", came.text());
    until(&hospital, "/published", "Version 2");
    next[1].1 = &cast.agent;
    let came = hospital.upload("/publish", &next, ("file", "record.json", &original));
    assert!(came.text().contains("another patient"), "{}", came.text());
    until(&hospital, "/published", ">accepted<");

    // The institute writes a request; the preview is what she will read.
    let csrf = institute.get("/request").csrf();
    let request = |scopes: &str, more: &str| {
        format!(
            "csrf={csrf}&patients=anna&scopes={scopes}&records=&from=&to=&purpose=HRESCH&words=Kidneys+%3Cb%3E&days-open=30&days-to-answer=14{more}"
        )
    };
    let laboratory = "patient/Observation.rs%3Fcategory%3Dlaboratory";
    let preview = |body: &str| {
        let more = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nAccept: text/plain\r\nOrigin: http://{}\r\n",
            institute.at
        );
        institute.ask("POST", "/request/preview", &more, body)
    };
    let shown = preview(&request(laboratory, "&class=medication"));
    assert_eq!(
        shown.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let shown = shown.text();
    assert!(
        shown.contains("would like to read your laboratory results, medication")
            && shown.contains("Kidneys <b>"),
        "{shown}"
    );
    // A scope that says something else than a class of data is refused, and says why.
    let unknown = preview(&request(&format!("{laboratory}%26date%3Dge2020"), "")).text();
    assert!(
        unknown.contains("the only parameter is category"),
        "{unknown}"
    );
    let refused = institute.post("/request", &request("patient/*.rs", ""));
    assert_eq!(refused.status, 200);
    assert!(
        refused.text().contains("name kinds of data"),
        "{}",
        refused.text()
    );
    assert!(institute.get("/asked").text().contains("Nothing here yet"));
    let came = institute.post("/request", &request(laboratory, "&class=medication"));
    assert_eq!(
        (came.status, came.header("location")),
        (303, Some("/asked")),
        "{}",
        came.text()
    );
    assert!(institute.get("/asked").text().contains("no answer yet"));

    // She approves on her page.
    until(&anna, "/requests", "kidneys");
    let asked = anna.link_to("/requests", "/requests/").unwrap();
    let page = anna.get(&asked);
    assert!(page.text().contains("Kidneys &lt;b&gt;"), "{}", page.text());
    let yes = format!(
        "csrf={}&class=laboratory&class=medication&agent={}&until=2999-01-01&queries=50",
        page.csrf(),
        cast.agent
    );
    assert_eq!(anna.post(&format!("{asked}/approve"), &yes).status, 303);

    // The institute opens what she shares, through the agent, and reviews it.
    until(&institute, "/opened", "What anna shares with you");
    let grant = institute.link_to("/opened", "/opened/").unwrap();
    let page = institute.get(&grant);
    assert!(page.text().contains("no answer yet"), "{}", page.text());
    let came = institute.post(&format!("{grant}/ask"), &format!("csrf={}", page.csrf()));
    assert_eq!(came.status, 303, "{}", came.text());
    until(&institute, &grant, ">here<");
    let part = institute.link_to(&grant, &format!("{grant}/")).unwrap();
    let page = institute.get(&part);
    assert!(
        page.text().contains("Signature of riverside verified"),
        "{}",
        page.text()
    );
    let saved = institute.get(&format!("{part}/file"));
    assert!(saved.status == 200 && !saved.body.is_empty());
    let query = part.rsplit('/').next().unwrap();
    let verdict = format!("csrf={}&verdict=", page.csrf());
    let review = format!("/queries/{query}/review");
    assert_eq!(
        institute.post(&review, &format!("{verdict}nice")).status,
        409
    );
    let came = institute.post(&review, &format!("{verdict}accepted"));
    assert_eq!(came.status, 303, "{}", came.text());
    assert!(institute.get(&grant).text().contains(">reviewed<"));
    // Grants and openings of others are nothing at all to the institute.
    for path in [format!("/opened/{query}"), format!("{grant}/{grant}")] {
        assert_eq!(institute.get(&path).status, 404, "{path}");
    }

    // Everybody sees what came of it.
    let ranking = hospital.get("/ranking").text();
    assert!(
        ranking.contains("riverside")
            && ranking.contains("this is you")
            && ranking.contains("As it was described, and usable")
            && ranking.contains("kidneys"),
        "{ranking}"
    );
    let own = agent.get("/agent").text();
    assert!(
        own.contains("Served so far") && own.contains("work as an agent"),
        "{own}"
    );
    assert!(
        hospital
            .get("/agent")
            .text()
            .contains("No agent has joined")
    );
    let second = Page::open(net, "second");
    let theirs = second.get("/agent").text();
    assert!(
        theirs.contains("brigid") && theirs.contains("sealed to the agent"),
        "{theirs}"
    );
    second.end();
    a_voucher_is_given(&cast, &anna, &hospital);
    let accesses = anna.get("/accesses").text();
    assert!(
        accesses.contains("kidneys") && accesses.contains("research"),
        "{accesses}"
    );

    everything_leaves(&anna, record, &original);
    audited(&cast, &anna);
    for page in [hospital, anna, agent, institute] {
        page.end();
    }
}

/// What she earned by it goes to the hospital, once, and the hospital sees it.
fn a_voucher_is_given(cast: &Cast, anna: &Page, hospital: &Page) {
    let before = hospital.get("/vouchers").text();
    assert!(before.contains("Nothing here yet"), "{before}");
    let credit = anna.get("/credit");
    assert!(
        credit.text().contains("/vouchers/1/redeem"),
        "{}",
        credit.text()
    );
    let csrf = credit.csrf();
    let give = |tier: &str, csrf: &str, to: &str| {
        let form = format!("csrf={csrf}&hospital={to}");
        let came = anna.post(&format!("/vouchers/{tier}/redeem"), &form);
        came.status
    };
    // Without the page's token, of a tier that she has not, to somebody who takes none.
    assert_eq!(give("1", "0", &cast.hospital), 404);
    assert_eq!(give("2", &csrf, &cast.hospital), 409);
    assert_eq!(give("1", &csrf, &cast.agent), 409);
    assert_eq!(give("1", &csrf, "nobody"), 404);
    assert_eq!(hospital.get("/vouchers").text(), before);
    assert_eq!(give("1", &csrf, &cast.hospital), 303);
    let after = hospital.get("/vouchers").text();
    assert!(
        after.contains("anna") && after.contains("Tier 1") && after.contains("/operations/"),
        "{after}"
    );
    let hers = anna.get("/credit").text();
    assert!(
        hers.contains("riverside") && !hers.contains("/vouchers/1/redeem"),
        "{hers}"
    );
    assert_eq!(give("1", &csrf, &cast.hospital), 409, "a second time");
}

/// Her export holds the original, byte for byte, and who saw what.
fn everything_leaves(anna: &Page, record: &str, original: &[u8]) {
    let csrf = anna.get("/backup").csrf();
    let came = anna.post("/export", &format!("csrf={csrf}"));
    assert_eq!(came.status, 200, "{}", came.text());
    let disposition = came.header("content-disposition").unwrap();
    assert!(disposition.contains("my-records.tar"), "{disposition}");
    let mut archive = tar::Archive::new(came.body.as_slice());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        if name == format!("records/{record}.json") {
            assert_eq!(bytes, original);
        } else {
            assert!(
                serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(),
                "{name}"
            );
        }
        found.push(name);
    }
    found.sort();
    assert_eq!(
        found,
        [
            "records.json",
            &format!("records/{record}.json"),
            "who-saw-what.json"
        ]
    );
}

/// The auditor, without a home: the log, an operation, a dropped proof, statistics.
fn audited(cast: &Cast, anna: &Page) {
    let audit = Page::audit(&cast.net);
    let log = audit.get("/log").text();
    assert!(log.contains("Query") && log.contains("Authorize"), "{log}");
    let older = audit.get("/log?from=5").text();
    assert!(
        older.contains("Register") && !older.contains(">Review<"),
        "{older}"
    );
    let operation = anna.link_to("/accesses", "/operations/").unwrap();
    let page = audit.get(&operation).text();
    assert!(
        page.contains("Proven: this operation is in the log"),
        "{page}"
    );
    let proof = anna.get(&format!("{operation}/proof")).body;
    let form = audit.get("/verify");
    let csrf = form.csrf();
    let fields = [("csrf", csrf.as_str())];
    let came = audit.upload("/verify", &fields, ("proof", "x.proof", &proof));
    assert!(came.text().contains("Proven: this"), "{}", came.text());
    // One bit of it, anywhere, and it proves nothing.
    for at in [0, proof.len() / 3, proof.len() / 2, proof.len() - 1] {
        let mut spoilt = proof.clone();
        spoilt[at] ^= 1;
        let came = audit.upload("/verify", &fields, ("proof", "x.proof", &spoilt));
        assert_eq!(came.status, 200);
        assert!(came.text().contains("Not proven:"), "{at}: {}", came.text());
    }
    let statistics = audit.get("/statistics").text();
    for words in [
        "Operations a day",
        "Publish",
        "Credit gained a day",
        "ordinary grants",
    ] {
        assert!(statistics.contains(words), "{words}: {statistics}");
    }
    audit.end();
}
