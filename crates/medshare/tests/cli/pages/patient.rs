//! `wallet run --page`: the patient's own page as her browser sees it, and as others do not.

use super::{Page, sample};
use crate::net::Cast;

#[test]
fn a_patient_reads_answers_and_takes_back_in_her_browser() {
    let cast = Cast::gather();
    let net = &cast.net;
    for (name, id) in [
        ("riverside", &cast.hospital),
        ("brigid", &cast.agent),
        ("kidneys", &cast.institute),
    ] {
        net.run(&["contact", "add", name, id, "--home", "anna"])
            .ok();
    }
    let record = cast.record(&sample());
    let request = cast.ask(&["laboratory", "medication"]);
    net.run(&["wallet", "run", "--once", "--home", "anna"]).ok();
    let page = Page::open(&cast.net, "anna");

    // Her records, and one of them whole.
    let records = page.get("/records");
    assert_eq!(records.status, 200);
    let text = records.text();
    assert!(
        text.contains("Record from riverside") && text.contains("One request waits"),
        "{text}"
    );
    let one = page.get(&format!("/records/{record}"));
    assert_eq!(one.status, 200);
    let text = one.text();
    assert!(
        text.contains("Health record (FHIR)") && text.contains("was verified on this device"),
        "{text}"
    );
    let policy = one.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    assert_eq!(one.header("cache-control"), Some("no-store"));
    for asset in ["/assets/pages.css", "/assets/pages.js"] {
        assert!(text.contains(asset) && page.get(asset).status == 200);
    }
    // A part is saved as a file that nothing runs.
    let part = page.get(&format!("/records/{record}/parts/0"));
    assert_eq!(
        part.header("content-type"),
        Some("application/octet-stream")
    );
    assert!(
        part.header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    assert!(!part.body.is_empty());

    // In German, from then on.
    let wish = page.get("/requests?language=de");
    assert_eq!(
        (wish.status, wish.header("location")),
        (303, Some("/requests"))
    );
    assert!(
        wish.header("set-cookie")
            .unwrap()
            .starts_with("medshare-language=de")
    );
    let german = page.ask(
        "GET",
        "/requests",
        "Accept-Language: de-AT, en;q=0.5\r\n",
        "",
    );
    assert!(
        german
            .text()
            .contains("kidneys möchte Ihre Laborwerte, Medikamente lesen"),
        "{}",
        german.text()
    );

    // The request; a yes to less than was asked; no yes without the page's own token.
    let asked = page.get(&format!("/requests/{request}"));
    assert!(
        asked.text().contains("What cannot be undone"),
        "{}",
        asked.text()
    );
    let until = "2999-01-01"; // later than was asked
    let answer = |csrf: &str| {
        format!(
            "csrf={csrf}&class=laboratory&agent={}&until={until}&queries=7",
            cast.agent
        )
    };
    let approve = format!("/requests/{request}/approve");
    for token in ["", &"0".repeat(64), &asked.csrf()[1..]] {
        assert_eq!(page.post(&approve, &answer(token)).status, 404);
    }
    let elsewhere = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: cross-site\r\nOrigin: http://{}\r\n",
        page.at
    );
    assert_eq!(
        page.ask("POST", &approve, &elsewhere, answer(&asked.csrf()))
            .status,
        404
    );
    assert!(net.rows(&["grant", "list", "--home", "anna"]).is_empty());
    let nothing_chosen = format!(
        "csrf={}&agent={}&until={until}&queries=7",
        asked.csrf(),
        cast.agent
    );
    assert_eq!(page.post(&approve, &nothing_chosen).status, 409);
    let came = page.post(&approve, &answer(&asked.csrf()));
    assert_eq!(
        (came.status, came.header("location")),
        (303, Some("/grants")),
        "{}",
        came.text()
    );
    let granted = net.rows(&["grant", "list", "--live", "--home", "anna"]);
    assert_eq!(granted.len(), 1);
    let terms = &granted[0]["terms"];
    assert_eq!(terms["max_queries"], 7);
    // Never longer than was asked: 30 days.
    let span = terms["expires"].as_u64().unwrap() - terms["not_before"].as_u64().unwrap();
    assert!(span <= 30 * 86_400_000, "{span}");
    let grants = page.get("/grants").text();
    assert!(
        grants.contains("laboratory results") && !grants.contains(">medication<"),
        "{grants}"
    );

    // Somebody opens it: she sees who, what, why, and the proof.
    cast.open(&record, "extract.json").ok();
    let accesses = page.get("/accesses").text();
    assert!(
        accesses.contains("kidneys")
            && accesses.contains("laboratory results")
            && accesses.contains("research"),
        "{accesses}"
    );
    let at = accesses.find("/operations/").unwrap();
    let operation = accesses[at..].split('"').next().unwrap();
    let proven = page.get(operation).text();
    assert!(
        proven.contains("Proven: this operation is in the log") && proven.contains("Query"),
        "{proven}"
    );
    let proof = page.get(&format!("{operation}/proof"));
    net.write("page.proof", &proof.body);
    net.run(&["ledger", "verify", "page.proof", "--home", "anna"])
        .ok();

    // She takes it back.
    let grant = granted[0]["id"].as_str().unwrap();
    let token = page.get("/grants").csrf();
    assert_eq!(
        page.post(&format!("/grants/{grant}/revoke"), &format!("csrf={token}"))
            .status,
        303
    );
    assert!(
        net.rows(&["grant", "list", "--live", "--home", "anna"])
            .is_empty()
    );
    assert!(page.get("/grants").text().contains("ended by you"));
    for path in ["/credit", "/backup"] {
        assert_eq!(page.get(path).status, 200, "{path}");
    }
    assert_eq!(
        page.post("/backup/now", &format!("csrf={token}")).status,
        303
    );
    page.end();
}

#[test]
fn a_record_that_waits_is_accepted_on_the_page() {
    let cast = Cast::gather();
    cast.net
        .run(&[
            "wallet",
            "hospital",
            "remove",
            &cast.hospital,
            "--home",
            "anna",
        ])
        .ok();
    cast.net
        .run(&[
            "contact",
            "add",
            "riverside",
            &cast.hospital,
            "--home",
            "anna",
        ])
        .ok();
    let record = cast.publish(&sample());
    let page = Page::open(&cast.net, "anna");
    let waits = page.get(&format!("/records/{record}"));
    assert!(
        waits.text().contains("Accept it if it is about you"),
        "{}",
        waits.text()
    );
    // Of a hospital that is not on her list only with her word for it.
    let path = format!("/records/{record}/accept");
    assert!(
        waits.text().contains("riverside is not on your list"),
        "{}",
        waits.text()
    );
    let token = format!("csrf={}", waits.csrf());
    assert_eq!(page.post(&path, &token).status, 409);
    assert_eq!(page.post(&path, &format!("{token}&trust=yes")).status, 303);
    assert!(page.get("/records").text().contains("accepted"));
    page.end();
}

/// A record about somebody else, and a request to him.
fn another_patients(cast: &Cast) -> (String, String) {
    let net = &cast.net;
    let ben = net.party("ben", "patient");
    let card = net.json(&["wallet", "card", "--for", &cast.hospital, "--home", "ben"]);
    net.write("ben.card", card["card"].as_str().unwrap());
    let attest = ["account", "attest", "--card", "ben.card", "--home"];
    net.run(&[&attest[..], &["hospital"]].concat()).ok();
    let file = sample();
    let publish = ["record", "publish", file.to_str().unwrap(), "--patient"];
    let published = net.json(&[&publish[..], &[&ben, "--home", "hospital"]].concat());
    let create = [
        "request",
        "create",
        "--patient",
        &ben,
        "--purpose",
        "research",
    ];
    let more = ["--class", "laboratory", "--home", "institute"];
    let asked = net.json(&[&create[..], &more].concat());
    let id = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (id(&published["record"]), id(&asked["request"]))
}

#[test]
fn nobody_else_sees_anything() {
    let cast = Cast::gather();
    let record = cast.record(&sample());
    let mut page = Page::start(&cast.net, "anna");
    // Without the link, with a wrong one, or with another's cookie: one answer for all.
    let nothing = page.get("/nothing").text();
    for path in [
        "/records",
        &format!("/records/{record}"),
        &format!("/records/{}", "0".repeat(64)),
        "/requests",
        "/backup",
        &format!("/open/{}", "0".repeat(64)),
        "/open/",
        "/../../etc/passwd",
        "/assets/../records",
    ] {
        let came = page.get(path);
        assert_eq!((came.status, came.text()), (404, nothing.clone()), "{path}");
        assert!(came.header("set-cookie").is_none());
        assert!(came.header("content-security-policy").is_some(), "{path}");
    }
    let port = page.at.rsplit(':').next().unwrap().to_owned();
    page.cookie = format!("medshare-session-{port}={}", "a".repeat(64));
    assert_eq!(page.get("/records").status, 404);
    page.cookie.clear();
    // A name that a stranger owns, pages of other sites.
    let link = page.link.clone();
    for more in [
        "Host: evil.example\r\n",
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
    ] {
        let came = page.ask("GET", &link, more, "");
        assert_eq!(came.status, 400, "{more}");
        assert!(came.header("set-cookie").is_none());
    }
    // The link is still good, once.
    let came = page.get(&link);
    assert_eq!(came.status, 303);
    assert_eq!(page.get(&link).status, 404);
    page.cookie = came
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    // What is not there and what is not hers are one answer inside too.
    let missing = page.get(&format!("/records/{}", "0".repeat(64)));
    assert_eq!(missing.status, 404);
    let (record, request) = another_patients(&cast);
    for more in ["", "/parts/0"] {
        let came = page.get(&format!("/records/{record}{more}"));
        assert_eq!((came.status, came.text()), (404, missing.text()), "{more}");
    }
    let csrf = page.get("/backup").csrf();
    let nobody = "0".repeat(64);
    let nowhere = base::OperationId(base::cid::of_block(base::cid::DAG_CBOR, b"none")).to_string();
    for (theirs, absent, list, verb) in [
        (&record, &nobody, "records", "accept"),
        (&record, &nobody, "records", "reject"),
        (&request, &nowhere, "requests", "approve"),
        (&request, &nowhere, "requests", "deny"),
        (&request, &nowhere, "grants", "revoke"),
    ] {
        let post = |id: &str| {
            let came = page.post(&format!("/{list}/{id}/{verb}"), &format!("csrf={csrf}"));
            (came.status, came.text())
        };
        let absent = post(absent);
        assert_eq!(absent.0, 404, "{verb}");
        assert_eq!(post(theirs), absent, "{verb}");
    }
    for path in [
        "/records/x",
        "/operations/x",
        "/requests/bafkqaaa",
        "/records/x/parts/-1",
        "/x/y/z",
    ] {
        let came = page.get(path);
        assert_eq!((came.status, came.text()), (404, missing.text()), "{path}");
    }
    // Bodies: too large, no form, not text.
    let csrf = page.get("/backup").csrf();
    let large = format!("csrf={csrf}&x={}", "a".repeat(100_000));
    assert_eq!(page.post("/backup/now", &large).status, 413);
    assert_eq!(
        page.ask(
            "POST",
            "/backup/now",
            "Content-Type: text/plain\r\n",
            "csrf=1"
        )
        .status,
        415
    );
    assert_eq!(
        page.post("/records/x/accept", "csrf=%ff%00&&==;").status,
        404
    );
    page.end();

    // Elsewhere than on this machine it is not served at all.
    for address in ["0.0.0.0:0", "192.0.2.1:80", "unix:page.sock", "localhost"] {
        cast.net
            .run(&["wallet", "run", "--page", address, "--home", "anna"])
            .fails(2, "");
    }
}
