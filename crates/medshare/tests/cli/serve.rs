//! `medshare serve`: a home's verbs over HTTP. The story is told by calls alone; who has no
//! token learns nothing; every command is a call or stays local, as `docs/interface.md` has it.

use super::{
    net::{Cast, Net, Running},
    talk::{Heard, call_over},
};
use medshare::{
    http::routes,
    verbs::{self, verb},
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A home that is served on a socket.
pub(crate) struct Served {
    pub(crate) process: Running,
    pub(crate) socket: PathBuf,
    pub(crate) token: String,
}

impl Served {
    pub(crate) fn start(net: &Net, home: &str) -> Self {
        let socket = net.path(&format!("{home}.sock"));
        let at = format!("unix:{}", socket.display());
        let mut process = net.spawn(&["serve", "--home", home, "--at", &at, "--json"]);
        let line: Value = serde_json::from_str(&process.line()).unwrap();
        assert_eq!(line["event"], "serving");
        let token = line["token"].as_str().unwrap().to_owned();
        Self {
            process,
            socket,
            token,
        }
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Heard {
        let stream = UnixStream::connect(&self.socket).unwrap();
        call_over(stream, method, target, headers, body)
    }

    /// A call with the token.
    pub(crate) fn call(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Heard {
        let token = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", token.as_str())];
        all.extend(headers);
        self.ask("POST", &format!("/v1/do/{target}"), &all, body)
    }

    /// A call that works; what it gives.
    fn items(&self, target: &str, body: &[u8]) -> Vec<Value> {
        let heard = self.call(target, &[], body);
        assert_eq!(heard.status, 200, "{target}: {heard:?}");
        heard.json()["items"].as_array().unwrap().clone()
    }

    /// A call that is not done: its status and code.
    fn refused(&self, target: &str, body: &[u8]) -> (u16, String) {
        let heard = self.call(target, &[], body);
        assert_eq!(heard.header("content-type"), "application/problem+json");
        let problem = heard.json();
        assert_eq!(problem["status"], heard.status);
        (heard.status, problem["code"].as_str().unwrap().to_owned())
    }
}

fn word(item: &Value, name: &str) -> String {
    item[name].as_str().unwrap().to_owned()
}

#[test]
fn the_story_is_told_by_calls() {
    let cast = Cast::gather();
    let net = &cast.net;
    let [hospital, anna, institute, agent] =
        ["hospital", "anna", "institute", "agent"].map(|home| Served::start(net, home));

    let note = "Blutbild, Größe in µm";
    let publish = format!("record/publish?patient={}&class=document", cast.patient);
    let published = hospital.items(&publish, note.as_bytes());
    let record = word(&published[0], "record");
    // The wallet's loop accepts it, beside the calls.
    let until = Instant::now() + Duration::from_secs(60);
    while word(&anna.items("record/list", b"")[0], "status") != "accepted" {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(100));
    }
    let ask = format!(
        "request/create?patient={}&class=document&purpose=research&words=K%C3%B6rper%20%26%20Geist",
        cast.patient
    );
    let request = word(&institute.items(&ask, b"")[0], "request");
    let until = Instant::now() + Duration::from_secs(60);
    let waiting = loop {
        let listed = anna.items("request/list", b"");
        if listed[0]["wish"]["words"].is_string() || Instant::now() > until {
            break listed;
        }
    };
    assert_eq!(waiting[0]["wish"]["words"], "Körper & Geist", "{waiting:?}");
    let approve = format!(
        "grant/approve?request={request}&agent={}&max-queries=2",
        cast.agent
    );
    anna.items(&approve, b"");
    let opened = institute.call(&format!("record/open?record={record}&wait=60s"), &[], b"");
    assert_eq!(
        (opened.status, opened.header("content-type")),
        (200, "application/octet-stream"),
        "{opened:?}"
    );
    assert_eq!(opened.body, note.as_bytes());
    let told: Value = serde_json::from_str(opened.header("medshare-told")).unwrap();
    assert!(told["file"].is_null());
    let query = told["queries"][0].as_str().unwrap();
    institute.items(&format!("review?query={query}&verdict=accepted"), b"");
    let log = anna.items("wallet/log", b"");
    assert!(
        log.iter().any(|line| line.to_string().contains(&record)),
        "{log:?}"
    );

    // A proof goes out as a file and comes in as one, and the operator's verbs are calls too.
    let proof = institute.call(&format!("ledger/prove?operation={query}"), &[], b"");
    assert_eq!(proof.status, 200, "{proof:?}");
    let verified = anna.items("ledger/verify", &proof.body);
    assert_eq!(verified[0]["verified"], true, "{verified:?}");
    let operator = Served::start(net, "node");
    assert!(!operator.items("store/pins", b"").is_empty());

    // The home is free between calls, and nothing of them is left in it.
    assert_eq!(net.rows(&["record", "list", "--home", "anna"]).len(), 1);
    for served in [hospital, anna, institute, agent, operator] {
        assert_eq!(served.process.terminate(), Some(0));
    }
    for home in ["hospital", "anna", "institute", "agent", "node"] {
        let left: Vec<String> = net.listing(home);
        assert!(
            !left.iter().any(|name| name.starts_with(".serve")),
            "{left:?}"
        );
    }
}

#[test]
fn without_the_token_nothing_is_told_and_wrong_calls_do_nothing() {
    let net = Net::start();
    net.party("anna", "patient");
    let anna = Served::start(&net, "anna");
    let wrong = format!("Bearer {}", "0".repeat(64));
    let basic = format!("Basic {}", anna.token);
    let right = format!("Bearer {}", anna.token);
    let list = "/v1/do/record/list";
    // No token, a wrong one, two; no such verb, one that stays local, another method: one answer.
    let nothing = anna.ask("POST", list, &[], b"");
    assert_eq!(
        (nothing.status, nothing.json()["code"].as_str()),
        (404, Some("not-found"))
    );
    for (method, target, headers) in [
        ("POST", list, vec![("Authorization", wrong.as_str())]),
        ("POST", list, vec![("Authorization", basic.as_str())]),
        ("POST", list, vec![("Authorization", right.as_str()); 2]),
        ("POST", "/v1/do/record/lose", vec![]),
        (
            "POST",
            "/v1/do/record/lose",
            vec![("Authorization", right.as_str())],
        ),
        (
            "POST",
            "/v1/do/wallet/restore",
            vec![("Authorization", right.as_str())],
        ),
        (
            "POST",
            "/v1/do/init?role=patient",
            vec![("Authorization", right.as_str())],
        ),
        ("GET", list, vec![("Authorization", right.as_str())]),
        (
            "POST",
            "/v1/do/..%2Frecord%2Flist",
            vec![("Authorization", right.as_str())],
        ),
        ("GET", "/", vec![]),
    ] {
        let heard = anna.ask(method, target, &headers, b"");
        assert_eq!(heard, nothing, "{method} {target}");
    }
    for (target, body, refused) in [
        ("record/list?home=x", &b""[..], (400, "usage")),
        ("record/list?file=/etc/passwd", b"", (400, "usage")),
        ("record/list", b"a body", (400, "usage")),
        ("record/show", b"", (400, "usage")),
        ("record/show?record=12", b"", (400, "usage")),
        ("record/erase?yes=1", b"", (400, "usage")),
        ("record/publish?patient=anna", b"a note", (409, "role")),
        ("ledger/verify", b"no proof", (422, "invalid")),
        (
            "grant/revoke?grant=bafyreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4",
            b"",
            (404, "not-found"),
        ),
    ] {
        let (status, code) = anna.refused(target, body);
        assert_eq!((status, code.as_str()), refused, "{target}");
    }
    let guarded = anna.call("record/list", &[], b"");
    assert_eq!(guarded.json()["items"].as_array().unwrap().len(), 0);
    assert_eq!(guarded.header("cache-control"), "no-store");
    assert_eq!(anna.process.terminate(), Some(0));

    // Over TCP pages of other sites are kept out, with the token too.
    let mut process = net.spawn(&["serve", "--home", "anna", "--json"]);
    let line: Value = serde_json::from_str(&process.line()).unwrap();
    let address = word(&line, "address");
    let host = address.strip_prefix("http://").unwrap().to_owned();
    let token = word(&line, "token");
    let status = |host_line: &str, more: &str| {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&host).unwrap();
        let head = format!(
            "POST /v1/do/record/list HTTP/1.1\r\nHost: {host_line}\r\n{more}Authorization: Bearer {token}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status(&host, ""), "200");
    assert_eq!(status("medshare.example", ""), "400");
    assert_eq!(status(&host, "Origin: https://example.org\r\n"), "400");
}

#[test]
fn bodies_that_break_off_stand_still_or_are_too_long_do_nothing() {
    use std::io::{Read as _, Write as _};
    let cast = Cast::gather();
    let hospital = Served::start(&cast.net, "hospital");
    let publish = format!("record/publish?patient={}", cast.patient);
    let begun = |length: u64, body: &[u8]| {
        let mut stream = UnixStream::connect(&hospital.socket).unwrap();
        let head = format!(
            "POST /v1/do/{publish} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n\r\n",
            hospital.token
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(body);
        stream
    };
    // It says that it is longer than is taken, and is not waited for.
    let mut stream = begun((1 << 30) + 1, b"");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 422");
    let mut cut = begun(400, b"half a note");
    cut.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = cut.read_to_end(&mut answer);
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    // More of them than are open at once, and who is whole is served.
    let held: Vec<UnixStream> = (0..100).map(|_| begun(400, b"half a note")).collect();
    assert_eq!(hospital.items("record/list", b"").len(), 0);
    hospital.items(&publish, b"a whole note");
    drop(held);
    assert_eq!(hospital.items("record/list", b"").len(), 1);
    // Of what was begun nothing stays.
    let until = Instant::now() + Duration::from_secs(20);
    let left = || {
        let names = cast.net.listing("hospital");
        let folder = names
            .iter()
            .find(|name| name.starts_with(".serve"))
            .unwrap()
            .clone();
        cast.net.listing(&format!("hospital/{folder}"))
    };
    while left() != ["lock"] {
        assert!(Instant::now() < until, "{:?}", left());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(hospital.process.terminate(), Some(0));
}

#[test]
fn a_call_is_done_once_under_its_key() {
    let cast = Cast::gather();
    let hospital = Served::start(&cast.net, "hospital");
    let publish = format!("record/publish?patient={}", cast.patient);
    let under = |key: &str, body: &[u8]| hospital.call(&publish, &[("Idempotency-Key", key)], body);
    let first = under("order 17", b"a note");
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(under("order 17", b"a note"), first);
    // Two at once are one, too.
    let both = std::thread::scope(|scope| {
        let calls = [0, 1].map(|_| scope.spawn(|| under("order 18", b"another")));
        calls.map(|call| call.join().unwrap())
    });
    assert_eq!(both[0], both[1]);
    assert_ne!(both[0].body, first.body);
    let other = under("order 17", b"another note");
    assert_eq!(
        (other.status, other.json()["code"].as_str()),
        (400, Some("usage"))
    );
    assert_eq!(under("", b"a note").status, 400);
    // What was refused was not done, and may be done yet.
    let nobody = hospital.call(
        "record/publish?patient=nobody",
        &[("Idempotency-Key", "o")],
        b"a",
    );
    assert_eq!(nobody.status, 404, "{nobody:?}");
    assert_eq!(under("o", b"a note").status, 200);
    assert_eq!(
        cast.net
            .rows(&["record", "list", "--home", "hospital"])
            .len(),
        3
    );
}

#[test]
fn every_offered_verb_is_described() {
    let net = Net::start();
    net.party("anna", "patient");
    let anna = Served::start(&net, "anna");
    let document = anna.ask("GET", "/openapi.json", &[], b"").json();
    assert_eq!(document, verbs::described());
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), verb::every().len());
    let publish = &paths["/v1/do/record/publish"]["post"];
    assert_eq!(publish["requestBody"]["required"], true);
    let patient = &publish["parameters"][0];
    assert_eq!(
        (&patient["name"], &patient["required"]),
        (&"patient".into(), &true.into())
    );
    let verdict = paths["/v1/do/review"]["post"]["parameters"].to_string();
    assert!(verdict.contains("\"enum\":[\"accepted\""), "{verdict}");
    // What needs something says so when it is not given; whatever is called is answered.
    for verb in verb::every() {
        let asks = verb.arguments.iter().any(|argument| argument.required);
        if asks {
            let (status, code) = anna.refused(&verb.path, b"");
            assert_eq!((status, code.as_str()), (400, "usage"), "{}", verb.path);
        }
    }
}

/// Rows of the table of commands in `docs/interface.md`: the commands, and where they are.
fn rows() -> Vec<(Vec<String>, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/interface.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text
        .split_once("| command | as a call | at the node |\n| --- | --- | --- |\n")
        .unwrap();
    let lines = table.lines().take_while(|line| line.starts_with('|'));
    let spans = |cell: &str| -> Vec<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let row = |line: &str| {
        let (commands, rest) = line[1..].split_once('|').unwrap();
        (spans(commands), rest.to_owned())
    };
    lines.map(row).collect()
}

#[test]
fn the_table_of_commands_is_whole() {
    let rows = rows();
    let listed: Vec<&String> = rows.iter().flat_map(|(commands, _)| commands).collect();
    let named: BTreeSet<&String> = listed.iter().copied().collect();
    assert_eq!(listed.len(), named.len(), "a command stands twice");
    let commands = verb::commands();
    let all: BTreeSet<&String> = commands.iter().map(|(words, _)| words).collect();
    let lacking: Vec<_> = all.difference(&named).collect();
    let foreign: Vec<_> = named.difference(&all).collect();
    assert!(
        lacking.is_empty() && foreign.is_empty(),
        "lacks {lacking:?}, has {foreign:?}"
    );
    let routes = routes::about();
    for (words, why) in &commands {
        let (_, rest) = rows.iter().find(|(row, _)| row.contains(words)).unwrap();
        let (call, node) = rest.split_once('|').unwrap();
        match why {
            Some(why) => assert!(call.contains(why), "{words}: {call} does not say {why}"),
            None => assert_eq!(call.trim(), "yes", "{words}"),
        }
        for route in node.split('`').skip(1).step_by(2) {
            let known = routes.iter().any(|about| {
                let path = about.path.split('?').next().unwrap();
                route == format!("{} {path}", about.method.name())
            });
            assert!(known, "{words}: there is no {route}");
        }
    }
}
