//! "Not allowed" and "not there" are one answer: of the same bytes but for the id that was
//! sent, and after the same time. At the node, on pages, at a home that is served.

use super::{
    net::{Cast, Net},
    pages::{Came, Page},
    serve::Served,
    talk::{Heard, Signer, Way, borrowed, call, heard},
};
use std::{
    ops::RangeInclusive,
    path::Path,
    time::{Duration, Instant},
};

/// How often the one answer may come later than the other, of all pairs of them. Of two that take
/// the same time it is half, with a standard error of 0.04 at [`ROUNDS`]: chance alone leaves
/// these bounds once in a million, and must do so in each of [`TRIES`]. Load makes answers
/// slower, but both alike, since they are asked for in turns: it hides a difference rather than
/// showing one. That is why ranks are compared, not times.
const EVEN: RangeInclusive<f64> = 0.3..=0.7;
const ROUNDS: usize = 100;
const TRIES: usize = 3;
/// What the first answers cost (pages of memory, files, the node's caches) is not measured.
const WARM: usize = 5;

/// Asks for `theirs` and for `absent` in turns: nobody can tell which is which.
fn alike(what: &str, [theirs, absent]: [&str; 2], ask: &dyn Fn(&str) -> Heard) {
    let answer = |id: &str| {
        let begin = Instant::now();
        let heard = ask(id);
        (begin.elapsed(), without(heard, id))
    };
    let nothing = answer(absent).1;
    let mut tries = Vec::new();
    for _ in 0..TRIES {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..WARM + ROUNDS {
            // In the order of Thue and Morse: what comes and goes on the machine, in whatever
            // rhythm, falls on both.
            let first = round.count_ones() as usize % 2;
            for half in [first, 1 - first] {
                let (spent, heard) = answer([theirs, absent][half]);
                assert_eq!(heard, nothing, "{what}: {}", ["another's", "none"][half]);
                if round >= WARM {
                    times[half].push(spent);
                }
            }
        }
        let [theirs, absent] = &times;
        let odds = later(theirs, absent);
        if EVEN.contains(&odds) {
            return;
        }
        tries.push((odds, median(theirs), median(absent)));
    }
    panic!(
        "{what}: another's thing is later than none with these odds, at these medians: {tries:?}"
    );
}

/// The answer, but for the id.
fn without(mut heard: Heard, id: &str) -> Heard {
    let text = String::from_utf8_lossy(&heard.body).replace(id, "ID");
    heard.body = text.into_bytes();
    heard
}

/// Of all pairs, the share in which the one took longer (Mann and Whitney's U): ties are halves.
fn later(one: &[Duration], other: &[Duration]) -> f64 {
    let pairs = one
        .iter()
        .flat_map(|one| other.iter().map(move |other| one.cmp(other)));
    let points = pairs.map(|order| f64::from(order as i8 + 1) / 2.0);
    points.sum::<f64>() / (one.len() * other.len()) as f64
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn what_is_slower_is_told_apart() {
    let times =
        |from: u64| -> Vec<Duration> { (from..from + 100).map(Duration::from_micros).collect() };
    assert!((later(&times(0), &times(0)) - 0.5).abs() < 1e-9);
    assert!(EVEN.contains(&later(&times(10), &times(0))));
    for (one, other) in [(times(40), times(0)), (times(0), times(40))] {
        assert!(!EVEN.contains(&later(&one, &other)));
    }
}

// -- what is another's

/// A record of Ben's, a request to him, his grant on it, a query under that: nothing of it is
/// Anna's, the institute's, or the second hospital's.
struct Others {
    record: String,
    request: String,
    grant: String,
    query: String,
}

/// Of nothing.
const NO_RECORD: &str = "00000000000000000000000000000000000000000000000000000000000000ff";
const NO_OPERATION: &str = "bafyreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";

impl Others {
    fn of(cast: &Cast) -> Self {
        let net = &cast.net;
        let ben = net.party("ben", "patient");
        let card = net.json(&["wallet", "card", "--for", &cast.hospital, "--home", "ben"]);
        net.write("ben.card", card["card"].as_str().unwrap());
        let attest = [
            "account", "attest", "--card", "ben.card", "--home", "hospital",
        ];
        net.run(&attest).ok();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let sample = sample();
        let publish = [
            "record",
            "publish",
            &sample,
            "--patient",
            &ben,
            "--home",
            "hospital",
        ];
        let record = text(&net.json(&publish)["record"]);
        net.run(&["record", "accept", "--all", "--home", "ben"])
            .ok();
        let create = [
            "request",
            "create",
            "--patient",
            &ben,
            "--purpose",
            "research",
        ];
        let asked = |home| {
            let more = ["--class", "laboratory", "--home", home];
            text(&net.json(&[&create[..], &more].concat())["request"])
        };
        let granted = asked("hospital");
        let approve = [
            "grant",
            "approve",
            &granted,
            "--agent",
            &cast.agent,
            "--home",
            "ben",
        ];
        let grant = text(&net.json(&approve)["grant"]);
        let agent = net.spawn(&["agent", "run", "--home", "agent", "--json"]);
        let open = ["record", "open", &record, "-o", "ben.json", "--wait", "60s"];
        let opened = net.json(&[&open[..], &["--home", "hospital"]].concat());
        assert_eq!(agent.terminate(), Some(0));
        Self {
            record,
            request: asked("hospital"),
            grant,
            query: text(&opened["queries"][0]),
        }
    }

    fn records(&self) -> [&str; 2] {
        [&self.record, NO_RECORD]
    }

    fn requests(&self) -> [&str; 2] {
        [&self.request, NO_OPERATION]
    }

    fn grants(&self) -> [&str; 2] {
        [&self.grant, NO_OPERATION]
    }

    fn queries(&self) -> [&str; 2] {
        [&self.query, NO_OPERATION]
    }
}

fn sample() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("samples/beispiel-mueller.fhir.json");
    path.display().to_string()
}

fn whole(came: &Came) -> Heard {
    heard(&[came.head.as_bytes(), b"\r\n\r\n", &came.body].concat())
}

/// The answer's status, which is "not there", too.
fn is_not_found(heard: Heard) -> Heard {
    assert_eq!(heard.status, 404, "{heard:?}");
    heard
}

// -- pages

#[test]
fn pages_tell_nobody_what_there_is() {
    let cast = Cast::gather();
    let others = Others::of(&cast);
    let net = &cast.net;
    let page = Page::open(net, "anna");
    let csrf = page.get("/backup").csrf();
    let get = |path: &str| is_not_found(whole(&page.get(path)));
    let post = |path: &str, more: &str| {
        is_not_found(whole(&page.post(path, &format!("csrf={csrf}{more}"))))
    };
    alike("a record", others.records(), &|id| {
        get(&format!("/records/{id}"))
    });
    alike("a part", others.records(), &|id| {
        get(&format!("/records/{id}/parts/0"))
    });
    alike("a request", others.requests(), &|id| {
        get(&format!("/requests/{id}"))
    });
    alike("accept", others.records(), &|id| {
        post(&format!("/records/{id}/accept"), "&trust=yes")
    });
    alike("reject", others.records(), &|id| {
        post(&format!("/records/{id}/reject"), "")
    });
    let yes = format!(
        "&class=laboratory&agent={}&until=2999-01-01&queries=7",
        cast.agent
    );
    alike("approve", others.requests(), &|id| {
        post(&format!("/requests/{id}/approve"), &yes)
    });
    alike("deny", others.requests(), &|id| {
        post(&format!("/requests/{id}/deny"), "")
    });
    alike("revoke", others.grants(), &|id| {
        post(&format!("/grants/{id}/revoke"), "")
    });
    page.end();

    let record = cast.record(Path::new(&sample()));
    let stranger = Page::start(net, "anna");
    alike("without the link", [&record, NO_RECORD], &|id| {
        is_not_found(whole(&stranger.get(&format!("/records/{id}"))))
    });
    stranger.end();
}

#[test]
fn pages_of_hospitals_and_researchers_tell_nothing_either() {
    let cast = Cast::gather();
    let others = Others::of(&cast);
    let net = &cast.net;
    // A hospital's own patient, another hospital's record.
    let page = Page::open(net, "second");
    let csrf = page.get("/publish").csrf();
    alike("the next version", others.records(), &|id| {
        let fields = [
            ("csrf", csrf.as_str()),
            ("patient", &cast.patient),
            ("record", id),
        ];
        is_not_found(whole(&page.upload(
            "/publish",
            &fields,
            ("file", "a.txt", b"a note"),
        )))
    });
    page.end();

    let page = Page::open(net, "institute");
    let csrf = page.get("/request").csrf();
    let get = |path: &str| is_not_found(whole(&page.get(path)));
    let post = |path: &str, more: &str| {
        is_not_found(whole(&page.post(path, &format!("csrf={csrf}{more}"))))
    };
    let query = &others.query;
    alike("a grant", others.grants(), &|id| {
        get(&format!("/opened/{id}"))
    });
    alike("an opening", others.grants(), &|id| {
        get(&format!("/opened/{id}/{query}"))
    });
    alike("its file", others.grants(), &|id| {
        get(&format!("/opened/{id}/{query}/file"))
    });
    alike("ask", others.grants(), &|id| {
        post(&format!("/opened/{id}/ask"), "")
    });
    alike("review", others.queries(), &|id| {
        post(&format!("/queries/{id}/review"), "&verdict=accepted")
    });
    // Under a grant of its own, another's opening.
    cast.record(Path::new(&sample()));
    let own = cast.grant(&["laboratory"], &[]);
    alike("an opening under its own grant", others.queries(), &|id| {
        get(&format!("/opened/{own}/{id}"))
    });
    page.end();
}

// -- a home that is served

#[test]
fn a_served_home_tells_nobody_what_there_is() {
    let cast = Cast::gather();
    let others = Others::of(&cast);
    let net = &cast.net;
    let anna = Served::start(net, "anna");
    let own = cast.record(Path::new(&sample()));
    // Without the token: what is hers and what is not, verbs that there are and that are not.
    let stranger =
        |target: &str| is_not_found(anna.ask("POST", &format!("/v1/do/{target}"), &[], b""));
    alike("without the token", [&own, NO_RECORD], &|id| {
        stranger(&format!("record/show?record={id}"))
    });
    alike(
        "a verb without the token",
        ["record/list", "record/lose"],
        &|verb| stranger(verb),
    );
    let calls = |served: &Served, body: &[u8], verbs: &[(&str, [&str; 2])]| {
        for (verb, ids) in verbs {
            alike(verb, *ids, &|id| {
                is_not_found(served.call(&verb.replace("ID", id), &[], body))
            });
        }
    };
    let approve = format!("grant/approve?request=ID&agent={}", cast.agent);
    calls(
        &anna,
        b"",
        &[
            ("record/open?record=ID", others.records()),
            ("record/accept?record=ID", others.records()),
            ("record/reject?record=ID&code=not-mine", others.records()),
            ("record/erase?record=ID&yes=true", others.records()),
            (&approve, others.requests()),
            ("grant/deny?request=ID", others.requests()),
            ("grant/revoke?grant=ID", others.grants()),
        ],
    );
    assert_eq!(anna.process.terminate(), Some(0));
    let institute = Served::start(net, "institute");
    calls(
        &institute,
        b"",
        &[
            ("record/open?record=ID", others.records()),
            ("review?query=ID&verdict=accepted", others.queries()),
        ],
    );
    assert_eq!(institute.process.terminate(), Some(0));
    let second = Served::start(net, "second");
    calls(
        &second,
        b"a note",
        &[("record/update?record=ID", others.records())],
    );
    assert_eq!(second.process.terminate(), Some(0));
}

// -- the node

#[test]
fn a_node_tells_nobody_what_there_is() {
    let cast = Cast::gather();
    let net = &cast.net;
    let record = cast.record(&net.write("note.txt", "a note"));
    let history = net.rows(&["record", "history", &record]);
    let root = history[0]["state"].as_str().unwrap();
    let institute = Signer::of(net, "institute");
    let ask = |method: &str, target: &str| signed(net, &institute, method, target);
    alike("events", [&cast.patient, NO_RECORD], &|id| {
        is_not_found(ask("GET", &format!("/v1/accounts/{id}/events")))
    });
    let none = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";
    // Who is not the operator learns nothing of what stands in the store.
    alike("a tree", [root, NO_OPERATION], &|id| {
        is_not_found(ask("GET", &format!("/v1/store/trees/{id}")))
    });
    alike(
        "operators' routes",
        ["/v1/store", &format!("/v1/store/trees/{none}")],
        &|path| is_not_found(ask("GET", path)),
    );
    alike("unpin", [root, NO_OPERATION], &|id| {
        ask("DELETE", &format!("/v1/pins/{id}"))
    });
    assert_eq!(
        net.rows(&["record", "history", &record]).len(),
        history.len()
    );
    let open = [
        "record", "open", &record, "-o", "note.out", "--home", "anna",
    ];
    net.run(&open).ok();
}

fn signed(net: &Net, signer: &Signer, method: &str, target: &str) -> Heard {
    let headers = signer.headers(method, target, b"", &Way::default());
    call(net, method, target, &borrowed(&headers), b"")
}
