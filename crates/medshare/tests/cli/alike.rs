//! "Not allowed" and "not there" are one answer: of the same bytes but for the id that was
//! sent, and after the same time. At the node, on pages, at a home that is served.

use super::{
    net::{Cast, Net},
    pages::{Came, Page},
    serve::Served,
    talk::{Heard, Signer, Way, borrowed, call, heard},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// The fast end of what was measured, as shares of all: load makes answers late, and only late,
/// so that what an answer takes by itself shows in the fastest ones. Two kinds of answer are
/// told apart when their fast ends lie apart (Crosby, Wallach and Riedi's box test): of two that
/// take the same time chance alone parts them once in 400 at 100 rounds and once in 50 at 60,
/// whatever the load, since they are asked for in turns; and it must do so in each of [`TRIES`].
const FAST: [f64; 2] = [0.05, 0.2];
const TRIES: usize = 4;
/// Less than this is no difference, even where a quiet machine shows one in every try: reading an
/// answer of some hundred bytes more takes so long, and nobody hears it beside a scheduler.
const NOTHING: Duration = Duration::from_micros(250);
const ROUNDS: usize = 100;
/// A call opens its home anew each time.
const CALLS: usize = 60;
/// What the first answers cost (pages of memory, files, the node's caches) is not measured.
const WARM: usize = 5;

/// Asks for `theirs` and for `absent` in turns: nobody can tell which is which.
fn alike(what: &str, ids: [&str; 2], ask: &dyn Fn(&str) -> Heard) {
    alike_in(ROUNDS, what, ids, ask);
}

fn alike_in(rounds: usize, what: &str, [theirs, absent]: [&str; 2], ask: &dyn Fn(&str) -> Heard) {
    let answer = |id: &str| {
        let begin = Instant::now();
        let heard = ask(id);
        (begin.elapsed(), without(heard, id))
    };
    let nothing = answer(absent).1;
    let mut tries = Vec::new();
    for _ in 0..TRIES {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..WARM + rounds {
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
        let ends = times.map(fast_end);
        println!("{what}: {ends:?}");
        if !are_apart(ends) {
            return;
        }
        tries.push(ends);
    }
    panic!(
        "{what}: another's thing and none are told apart by the fast ends of their times: {tries:?}"
    );
}

/// Where the fast end begins and ends.
fn fast_end(mut times: Vec<Duration>) -> [Duration; 2] {
    times.sort_unstable();
    FAST.map(|share| times[(times.len() as f64 * share) as usize])
}

fn are_apart([one, other]: [[Duration; 2]; 2]) -> bool {
    let gap =
        |fast: [Duration; 2], slow: [Duration; 2]| fast[1] < slow[0] && slow[0] - fast[0] > NOTHING;
    gap(one, other) || gap(other, one)
}

/// The answer, but for the id.
fn without(mut heard: Heard, id: &str) -> Heard {
    let text = String::from_utf8_lossy(&heard.body).replace(id, "ID");
    heard.body = text.into_bytes();
    heard
}

#[test]
fn what_is_slower_is_told_apart() {
    // From 3 ms on, and some far later, as on a loaded machine.
    let times = |more: u64| -> [Duration; 2] {
        let times = (0..100_u64).map(|at| 3_000 + more + 9 * at + 40_000 * u64::from(at % 3 == 0));
        fast_end(times.map(Duration::from_micros).collect())
    };
    assert!(!are_apart([times(0), times(0)]) && !are_apart([times(0), times(100)]));
    assert!(are_apart([times(0), times(2_000)]) && are_apart([times(2_000), times(0)]));
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
            alike_in(CALLS, verb, *ids, &|id| {
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
