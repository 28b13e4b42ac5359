//! What a node and the loops of its parties log: lines that a machine reads, with nothing in
//! them that is a secret or says something of a person.

use super::{
    net::{Cast, Net, PASSPHRASE, Running},
    talk::call,
};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

/// What stands in the record, in the request, in a form that is refused.
const SECRETS: [&str; 4] = ["Quintessa", "hypothyreosis", "kidney study", "purloined"];

#[test]
fn logs_are_objects_and_tell_nothing_of_anybody() {
    let mut cast = Cast::gather();
    cast.net.stop_node();
    let config = cast.net.path("node/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let usual = "scrub-seconds = 21600";
    assert!(text.contains(usual), "{text}");
    fs::write(&config, text.replace(usual, "scrub-seconds = 1")).unwrap();
    let node = logged(&cast, &["node", "run", "--home", "node"], "node.log");
    let net = &cast.net;

    let note = net.write("Quintessa.txt", "Quintessa has a hypothyreosis");
    let loops = [
        logged(&cast, &["wallet", "run", "--home", "anna"], "anna.log"),
        logged(&cast, &["agent", "run", "--home", "agent"], "agent.log"),
        logged(&cast, &["page", "--home", "institute"], "institute.log"),
        logged(&cast, &["serve", "--home", "hospital"], "hospital.log"),
    ];
    net.run(&[
        "contact",
        "add",
        "Quintessa",
        &cast.patient,
        "--home",
        "hospital",
    ])
    .ok();
    let record = cast.publish(&note);
    let accepted = || net.rows(&["record", "list", "--home", "anna"])[0]["status"] == "accepted";
    until(&accepted);
    let mut ask = vec![
        "request",
        "create",
        "--patient",
        &cast.patient,
        "--class",
        "document",
    ];
    ask.extend([
        "--purpose",
        "research",
        "--words",
        "kidney study",
        "--home",
        "institute",
    ]);
    let asked = net.json(&ask);
    let request = asked["request"].as_str().unwrap();
    let approve = [
        "grant",
        "approve",
        request,
        "--agent",
        &cast.agent,
        "--home",
        "anna",
    ];
    net.run(&approve).ok();
    let open = [
        "record",
        "open",
        &record,
        "-o",
        "out.txt",
        "--wait",
        "60s",
        "--home",
        "institute",
    ];
    net.run(&open).ok();
    // Requests that mean harm, with what they would like to see in a log.
    for (method, path) in [
        ("GET", "/v1/accounts/purloined"),
        ("PUT", "/v1/files?name=purloined"),
        ("POST", "/v1/operations"),
    ] {
        let token = [
            ("Authorization", "Bearer purloined"),
            ("X-Name", "purloined"),
        ];
        assert!(call(net, method, path, &token, b"purloined").status >= 400);
    }
    for home in ["institute", "hospital"] {
        let at = served_at(net, home);
        for line in ["GET /purloined", "POST /v1/do/purloined?purloined=1"] {
            let head = format!(
                "{line} HTTP/1.1\r\nHost: {at}\r\nCookie: purloined=1\r\nAuthorization: Bearer purloined\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let mut stream = TcpStream::connect(&at).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        }
    }
    // And trouble with the record's own bytes.
    let pack = net.path("node/node/blocks/packs/0000000000000001.pack");
    let mut bytes = fs::read(&pack).unwrap();
    let last = bytes.len() - 40;
    for at in [200, last] {
        bytes[at] ^= 0x10;
    }
    fs::write(&pack, bytes).unwrap();
    let log = net.path("node.log");
    until(&|| fs::read_to_string(&log).unwrap().contains("is damaged"));
    for process in loops.into_iter().chain([node]) {
        assert_eq!(process.terminate(), Some(0));
    }

    let mut lines = 0;
    for name in ["node", "anna", "agent", "institute", "hospital"] {
        lines += check(&cast, &net.path(&format!("{name}.log")));
    }
    assert!(lines >= 5, "{lines} lines");
    let node = fs::read_to_string(&log).unwrap();
    for line in node.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["listening"].is_string() || line["time"].is_string(),
            "{line}"
        );
    }
}

/// Where a page or a served home listens, as it says itself.
fn served_at(net: &Net, home: &str) -> String {
    let log = net.path(&format!("{home}.log"));
    let line = || -> Option<Value> {
        let text = fs::read_to_string(&log).unwrap();
        serde_json::from_str(text.lines().find(|line| line.contains("address"))?).ok()
    };
    until(&|| line().is_some());
    let address = line().unwrap()["address"].as_str().unwrap().to_owned();
    address.strip_prefix("http://").unwrap().to_owned()
}

/// Starts a command that logs, both its streams, into a file.
fn logged(cast: &Cast, words: &[&str], file: &str) -> Running {
    let log = cast.net.path(file);
    let command = cast.net.command(words);
    // Both streams go into the file; stdout is heard as well, to wait for the node.
    let sink = File::create(&log).unwrap();
    let mut echo = std::process::Command::new("bash");
    echo.args(["-c", "exec \"$@\" --json > >(tee -a \"$0\") 2>>\"$0\""])
        .arg(&log)
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(cast.net.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(sink);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => echo.env(name, value),
            None => echo.env_remove(name),
        };
    }
    let mut running = Running::new(&mut echo);
    if words[0] == "node" {
        assert!(running.line().contains("listening"));
    }
    running
}

/// Every line is an object and holds nothing that it must not; how many there are.
fn check(cast: &Cast, log: &Path) -> usize {
    let text = fs::read_to_string(log).unwrap();
    let mut forbidden: Vec<String> = SECRETS.map(str::to_owned).to_vec();
    forbidden.push(PASSPHRASE.to_owned());
    for home in ["anna", "hospital", "agent", "institute"] {
        let phrase = fs::read_to_string(cast.net.path(&format!("{home}.phrase"))).unwrap();
        let words: Vec<&str> = phrase.split_whitespace().collect();
        // Any three of its words in a row.
        forbidden.extend(words.windows(3).map(|three| three.join(" ")));
    }
    for line in text.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        assert!(object.is_object(), "{line}");
        for word in &forbidden {
            assert!(!line.contains(word.as_str()), "{}: {line}", log.display());
        }
    }
    text.lines().count()
}

fn until(done: &dyn Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !done() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}
