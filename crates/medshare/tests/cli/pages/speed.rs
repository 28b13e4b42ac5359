//! Time to the first byte of every page at many records, and at few: a JSON object a page.

use super::Page;
use crate::net::Cast;
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant},
};

/// The measurement. Records are published on the hospital's page and accepted by the patient's.
#[test]
#[ignore = "many minutes of records: cargo xtask bench pages"]
fn first_bytes() {
    let records = std::env::var("MEDSHARE_RECORDS").ok();
    first_bytes_at(records.map_or(10_000, |text| text.parse().unwrap()));
}

/// The same at few records, with a bound that only a blunder breaks.
#[test]
fn no_page_is_slow() {
    for (page, path, times) in first_bytes_at(30) {
        let median = times[times.len() / 2];
        assert!(median < Duration::from_secs(2), "{page} {path}: {median:?}");
    }
}

fn first_bytes_at(records: usize) -> Vec<(&'static str, String, Vec<Duration>)> {
    let cast = Cast::gather();
    let net = &cast.net;
    let hospital = Page::open(net, "hospital");
    let anna = Page::open(net, "anna");
    let csrf = hospital.get("/publish").csrf();
    let fields = [("csrf", csrf.as_str()), ("patient", cast.patient.as_str())];
    let begin = Instant::now();
    for number in 0..records {
        let text = format!("Note {number}: nothing to report.");
        loop {
            let file = ("file", "note.txt", text.as_bytes());
            match hospital.upload("/publish", &fields, file).status {
                303 => break,
                // The home is at work for longer than a page waits.
                503 => thread::sleep(Duration::from_millis(100)),
                other => panic!("{other}"),
            }
        }
    }
    let accepted = || {
        hospital
            .get("/published")
            .text()
            .matches(">accepted<")
            .count()
    };
    while accepted() < records.min(50) {
        thread::sleep(Duration::from_millis(200));
    }
    eprintln!("{records} records in {:?}", begin.elapsed());
    cast.grant(&["other", "document"], &[]);
    let institute = Page::open(net, "institute");
    let agent = Page::open(net, "agent");
    let audit = Page::audit(net);
    cast.ask(&["other"]);
    let mut request = None;
    let mut grant = None;
    for _ in 0..300 {
        request = anna.link_to("/requests", "/requests/");
        grant = institute.link_to("/opened", "/opened/");
        if request.is_some() && grant.is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let (request, grant) = (request.unwrap(), grant.unwrap());
    let record = anna.link_to("/records", "/records/").unwrap();
    let operation = audit.link_to("/log", "/operations/").unwrap();
    let mut all = Vec::new();
    for (name, page, paths) in [
        (
            "patient",
            &anna,
            vec![
                "/records",
                &record,
                "/requests",
                &request,
                "/grants",
                "/accesses",
                "/credit",
                "/backup",
            ],
        ),
        (
            "hospital",
            &hospital,
            vec![
                "/publish",
                "/published",
                "/published?from=5000",
                "/agent",
                "/ranking",
                "/vouchers",
            ],
        ),
        ("agent", &agent, vec!["/agent", "/ranking"]),
        (
            "researcher",
            &institute,
            vec!["/ask", "/request", "/asked", "/opened", &grant],
        ),
        (
            "auditor",
            &audit,
            vec![
                "/log",
                "/log?from=5000",
                &operation,
                "/verify",
                "/statistics",
            ],
        ),
    ] {
        for path in paths {
            let mut times: Vec<Duration> = (0..21).map(|_| page.first_byte(path)).collect();
            let first = times.remove(0);
            times.sort();
            let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
            let shown = match path.split('/').collect::<Vec<_>>().as_slice() {
                ["", list, id] if id.len() > 20 => format!("/{list}/…"),
                _ => path.to_owned(),
            };
            let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
            println!(
                "{}",
                json!({
                    "page": name,
                    "path": shown,
                    "records": records,
                    "median": milliseconds(median),
                    "worst": milliseconds(most),
                    "first": milliseconds(first),
                })
            );
            all.push((name, path.to_owned(), times));
        }
    }
    all
}
