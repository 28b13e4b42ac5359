//! Events: a party is told what happens to it, by itself, from where it was cut off.

use super::{
    net::{Cast, Net},
    talk::{HOST, Signer, Way, connect},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A reader of events, and what it has heard.
struct Ear {
    stream: UnixStream,
    heard: String,
}

impl Ear {
    fn open(net: &Net, signer: &Signer, account: &str, last: Option<&str>) -> Self {
        let target = format!("/v1/accounts/{account}/events");
        let headers = signer.headers("GET", &target, b"", &Way::default());
        let mut head = format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n");
        head += "Accept: text/event-stream\r\n";
        for (name, value) in &headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(last) = last {
            head += &format!("Last-Event-ID: {last}\r\n");
        }
        let mut stream = connect(net);
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let heard = String::new();
        let mut ear = Self { stream, heard };
        ear.until("\r\n\r\n");
        ear
    }

    /// Listens until `words` were heard.
    fn until(&mut self, words: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.heard.contains(words) {
            assert!(Instant::now() < end, "{words:?} is not in {:?}", self.heard);
            self.more();
        }
    }

    fn more(&mut self) {
        let mut piece = [0; 4096];
        if let Ok(length) = self.stream.read(&mut piece) {
            assert_ne!(length, 0, "it ended: {:?}", self.heard);
            self.heard += std::str::from_utf8(&piece[..length]).unwrap();
        }
    }

    fn status(&self) -> u16 {
        self.heard.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// What the first event of a kind says, whole.
    fn data(&mut self, event: &str) -> serde_json::Value {
        let begin = format!("event: {event}\ndata: ");
        self.until(&begin);
        let at = self.heard.find(&begin).unwrap() + begin.len();
        loop {
            if let Some(end) = self.heard[at..].find("\n\n") {
                return serde_json::from_str(&self.heard[at..at + end]).unwrap();
            }
            self.more();
        }
    }

    /// The ids of the events so far.
    fn ids(&self) -> Vec<String> {
        let lines = self.heard.lines();
        lines
            .filter_map(|line| Some(line.strip_prefix("id: ")?.to_owned()))
            .collect()
    }
}

/// The account of `home` is told `words`, from the beginning of its events.
pub(super) fn hears(net: &Net, home: &str, account: &str, words: &str) {
    let signer = Signer::of(net, home);
    Ear::open(net, &signer, account, Some("0.0")).until(words);
}

#[test]
fn a_patient_hears_what_happens_and_goes_on_where_she_was() {
    let cast = Cast::gather();
    let net = &cast.net;
    let anna = Signer::of(net, "anna");
    let record = cast.record(&net.write("note.txt", "a note"));
    let mut ear = Ear::open(net, &anna, &cast.patient, None);
    assert_eq!(ear.status(), 200);
    assert!(
        ear.heard.contains("content-type: text/event-stream"),
        "{}",
        ear.heard
    );
    ear.until(": listening");
    cast.grant(&["document"], &[]);
    ear.until("event: request\ndata: {");
    cast.open(&record, "opened.txt").ok();
    ear.until("event: query\ndata: {");
    let ids = ear.ids();
    assert_eq!(ids.len(), 2, "{}", ear.heard);
    drop(ear);
    // Cut off after the first, she hears the second and not the first again.
    let mut later = Ear::open(net, &anna, &cast.patient, Some(&ids[0]));
    later.until("event: query");
    assert!(!later.heard.contains("event: request"), "{}", later.heard);
    assert_eq!(later.ids().first(), ids.get(1));
    drop(later);
    // From the beginning.
    let mut all = Ear::open(net, &anna, &cast.patient, Some("0.0"));
    all.until("event: query");
    assert!(all.heard.contains("event: request"), "{}", all.heard);
}

#[test]
fn a_patient_hears_who_breaks_the_glass() {
    let cast = Cast::gather();
    let net = &cast.net;
    let anna = Signer::of(net, "anna");
    let mut ear = Ear::open(net, &anna, &cast.patient, None);
    ear.until(": listening");
    let other = Signer::of(net, "institute");
    let mut elsewhere = Ear::open(net, &other, &cast.institute, None);
    elsewhere.until(": listening");
    let declare = ["emergency", &cast.patient, "--code", "unresponsive"];
    net.run(&[&declare[..], &["--home", "second"]].concat())
        .ok();
    ear.until("event: emergency\ndata: {");
    let told = ear.data("emergency");
    let told = &told["emergency"];
    assert_eq!(told["code"], "unresponsive", "{told}");
    let hospital = told["hospital"]["/"]["bytes"].as_str().unwrap();
    let hospital = STANDARD_NO_PAD.decode(hospital).unwrap();
    assert_eq!(hex::encode(hospital), cast.second, "{told}");
    // Who was cut off at that moment hears it when she comes back, after what she has heard.
    drop(ear);
    let mut later = Ear::open(net, &anna, &cast.patient, Some("0.0"));
    later.until("event: emergency");
    // It is hers alone.
    cast.ask(&["document"]);
    elsewhere.until("event: request");
    assert!(
        !elsewhere.heard.contains("emergency"),
        "{}",
        elsewhere.heard
    );
}

#[test]
fn a_grant_that_ends_soon_is_told_once() {
    let cast = Cast::gather();
    let net = &cast.net;
    cast.record(&net.write("note.txt", "a note"));
    let anna = Signer::of(net, "anna");
    // A short grant is told of in its second half: a longer one where the machine is too slow.
    for seconds in [20, 90, 400] {
        let (asked, span) = (Instant::now(), Duration::from_secs(seconds));
        let grant = cast.grant(&["document"], &["--for", &format!("{seconds}s")]);
        let half = asked.elapsed() + span / 2 + Duration::from_secs(1);
        let begin = format!("0.{}", now());
        std::thread::sleep(half.saturating_sub(asked.elapsed()));
        let mut ear = Ear::open(net, &anna, &cast.patient, Some(&begin));
        ear.until("event: request");
        if asked.elapsed() > span.mul_f64(0.8) {
            continue;
        }
        ear.until("event: grant-expires\ndata: {");
        assert_eq!(ear.data("grant-expires")["id"]["/"], grant, "{}", ear.heard);
        let last = ear.ids().pop().unwrap();
        let mut later = Ear::open(net, &anna, &cast.patient, Some(&last));
        cast.ask(&["document"]);
        later.until("event: request");
        assert!(!later.heard.contains("grant-expires"), "{}", later.heard);
        return;
    }
    panic!("no grant of this machine lived to its second half");
}

/// Milliseconds since 1970.
fn now() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_millis()
}

#[test]
fn events_are_for_their_party_alone_and_for_so_many_readers() {
    let cast = Cast::gather();
    let net = &cast.net;
    let hospital = Signer::of(net, "hospital");
    let status = |account: &str, last| Ear::open(net, &hospital, account, last).status();
    assert_eq!(status(&cast.patient, None), 404, "another's");
    assert_eq!(status(&"00".repeat(32), None), 404, "nobody's");
    assert_eq!(status(&cast.hospital, Some("yesterday")), 400);
    let ears: Vec<Ear> = (0..4)
        .map(|_| Ear::open(net, &hospital, &cast.hospital, None))
        .collect();
    assert!(ears.iter().all(|ear| ear.status() == 200));
    assert_eq!(status(&cast.hospital, None), 503, "a fifth");
    drop(ears);
    let end = Instant::now() + Duration::from_secs(60);
    while status(&cast.hospital, None) != 200 {
        assert!(Instant::now() < end, "who went away is still counted");
        std::thread::sleep(Duration::from_millis(100));
    }
    // A new key ends what was opened under the old one.
    let mut ear = Ear::open(net, &hospital, &cast.hospital, None);
    net.run(&[
        "account",
        "rotate-key",
        "--kind",
        "operation",
        "--home",
        "hospital",
    ])
    .ok();
    ear.until("\r\n0\r\n\r\n");
}
