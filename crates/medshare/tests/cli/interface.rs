//! `/v1` from outside: tickets, limits, one answer for "not allowed" and "not there", and
//! the documents that describe it.

use super::{
    net::{Cast, Net},
    talk::parts,
};
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

/// One raw request; status and body.
fn raw(net: &Net, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = UnixStream::connect(net.path("node/node/medshare.sock")).unwrap();
    let text = format!(
        "{head}\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let (status, _, body) = parts(&answer);
    (status, body)
}

#[test]
fn not_allowed_and_not_there_are_one_answer() {
    let cast = Cast::gather();
    let net = &cast.net;
    let missing = raw(
        net,
        "GET /v1/accounts/00000000000000000000000000000000000000000000000000000000000000ff HTTP/1.1",
        b"",
    );
    assert_eq!(missing.0, 404);
    let mailbox = raw(net, "GET /v1/mailbox HTTP/1.1", b"");
    let forged = raw(
        net,
        "GET /v1/mailbox HTTP/1.1\r\nAuthorization: Medshare AAAA",
        b"",
    );
    let pin = raw(
        net,
        "PUT /v1/pins/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4 HTTP/1.1",
        b"",
    );
    let prekey = raw(
        net,
        &format!("POST /v1/prekeys/{}/take HTTP/1.1", cast.agent),
        b"",
    );
    let nowhere = raw(net, "GET /v1/nothing HTTP/1.1", b"");
    for other in [&mailbox, &forged, &pin, &prekey, &nowhere] {
        assert_eq!(*other, missing);
    }
}

#[test]
fn hostile_requests_are_answered_and_the_node_lives() {
    let net = Net::start();
    for (head, body, status) in [
        ("POST /v1/operations HTTP/1.1", &b"not cbor"[..], 409),
        ("POST /v1/operations HTTP/1.1", &[0xff; 100], 409),
        ("POST /v1/operations HTTP/1.1", b"", 409),
        ("GET /v1/accounts/xyz HTTP/1.1", b"", 400),
        ("GET /v1/blocks/xyz HTTP/1.1", b"", 400),
        (
            "GET /v1/blocks/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4 HTTP/1.1",
            b"",
            404,
        ),
        ("GET /v1/proofs/inclusion?index=9&size=3 HTTP/1.1", b"", 404),
        ("GET /v1/proofs/inclusion?index=x HTTP/1.1", b"", 400),
        (
            "GET /v1/leaves?from=18446744073709551615&limit=99999999 HTTP/1.1",
            b"",
            200,
        ),
        ("DELETE /v1/head HTTP/1.1", b"", 405),
        ("GET /v1/ledger/blocks/99 HTTP/1.1", b"", 404),
    ] {
        let (found, answer) = raw(&net, head, body);
        assert_eq!(
            found,
            status,
            "{head}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    let (status, _) = raw(&net, "POST /v1/operations HTTP/1.1", &vec![0; 3 << 20]);
    assert_eq!(status, 413);
    let mut noise = UnixStream::connect(net.path("node/node/medshare.sock")).unwrap();
    let _ = noise.write_all(&[0x16, 0x03, 0x01, 0x00, 0xff]);
    drop(noise);
    net.run(&["ledger", "replay"]).ok();
}

#[test]
fn the_node_serves_loopback_tcp_as_well() {
    let net = Net::start();
    let mut other = {
        net.run(&[
            "init",
            "--role",
            "node",
            "--home",
            "second",
            "--work-factor",
            "2",
        ])
        .ok();
        net.spawn(&[
            "node",
            "run",
            "--home",
            "second",
            "--listen",
            "127.0.0.1:0",
            "--json",
        ])
    };
    let line: serde_json::Value = serde_json::from_str(&other.line()).unwrap();
    let address = line["listening"].as_str().unwrap();
    assert!(address.starts_with("http://127.0.0.1:"));
    net.run(&[
        "init",
        "--role",
        "patient",
        "--home",
        "anna",
        "--work-factor",
        "2",
        "--node",
        address,
    ])
    .ok();
    net.run(&["account", "register", "--home", "anna", "--node", address])
        .ok();
    // Meant for another host, or sent by another site's page: nothing is done or told.
    let port = address.strip_prefix("http://").unwrap();
    let ask = |more: &str| {
        let mut stream = std::net::TcpStream::connect(port).unwrap();
        let head = format!("GET /v1/status HTTP/1.1\r\nConnection: close\r\n{more}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.take(12).read_to_string(&mut answer);
        answer
    };
    assert_eq!(ask(&format!("Host: {port}")), "HTTP/1.1 200");
    assert_eq!(ask("Host: rebound.example:7400"), "HTTP/1.1 400");
    let origin = format!("Host: {port}\r\nOrigin: http://other.example");
    assert_eq!(ask(&origin), "HTTP/1.1 400");
    for listen in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0"] {
        net.run(&["node", "run", "--home", "second", "--listen", listen])
            .fails(2, "this machine only");
    }
    // The home's own configuration names the node it was made with.
    let mut command = net.command(&["ledger", "replay", "--home", "anna"]);
    command.env_remove("MEDSHARE_NODE");
    assert!(command.output().unwrap().status.success());
    let wrong = "00".repeat(32);
    net.run(&[
        "init",
        "--role",
        "agent",
        "--home",
        "x",
        "--chain",
        &wrong,
        "--work-factor",
        "2",
    ])
    .fails(10, "keeps the ledger");
    assert!(!net.path("x").exists());
}

#[test]
fn a_socket_has_its_rights_from_its_first_moment() {
    use std::os::unix::fs::PermissionsExt as _;
    let net = Net::start();
    net.run(&[
        "init",
        "--role",
        "node",
        "--home",
        "other",
        "--work-factor",
        "2",
    ])
    .ok();
    let open = net.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let path = open.join("node.sock");
    // Everything that is ever seen in the folder, while the node starts with a wide umask.
    let watched = open.clone();
    let watcher = std::thread::spawn(move || {
        let mut worst = 0;
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let socket = watched.join("node.sock");
        while std::time::Instant::now() < until {
            for entry in fs::read_dir(&watched).unwrap().flatten() {
                if let Ok(meta) = entry.metadata() {
                    worst |= meta.permissions().mode() & 0o007;
                }
            }
            if UnixStream::connect(&socket).is_ok() {
                return worst;
            }
        }
        panic!("the node did not come up");
    });
    let mut shell = net.command(&["node", "run", "--home", "other"]);
    let program = shell.get_program().to_owned();
    let environment: Vec<_> = shell
        .get_envs()
        .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
        .collect();
    shell = std::process::Command::new("sh");
    shell
        .envs(environment)
        .env_remove("MEDSHARE_NODE")
        .current_dir(net.dir.path())
        .args([
            "-c",
            "umask 0; exec \"$0\" node run --home other --listen unix:open/node.sock",
        ])
        .arg(program)
        .stdout(std::process::Stdio::null());
    let mut node = shell.spawn().unwrap();
    let worst = watcher.join().unwrap();
    // The kernel lets callers wait from the first moment; the node still has to clear up.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut names = net.listing("open");
    while names != ["node.sock"] && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
        names = net.listing("open");
    }
    node.kill().unwrap();
    node.wait().unwrap();
    assert_eq!(worst, 0, "others could reach the socket");
    assert_eq!(names, ["node.sock"], "nothing else is left there");
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o660
    );
}

#[test]
fn only_accounts_pin_and_keys_are_taken_at_a_measured_pace() {
    use base::{AccountId, key::OperationSecret};
    use medshare::{
        home::{Home, passphrase::PassphraseSource},
        http::{Address, Credentials, HttpNode},
    };
    use share::node::{Node as _, NodeError};
    let cast = Cast::gather();
    let net = &cast.net;
    let genesis = |node: &HttpNode| node.genesis().unwrap().chain();
    let address = Address::Unix(net.path("node/node/medshare.sock"));
    let seconds = std::time::Duration::from_secs(20);
    let open = HttpNode::new(address.clone(), seconds, None).unwrap();
    let secret = OperationSecret::new([7; 32]);
    let newcomer = Credentials {
        chain: genesis(&open),
        account: AccountId::of(&secret.public()),
        secret,
    };
    let newcomer = HttpNode::new(address, seconds, Some(newcomer)).unwrap();
    let block = [5; 1000];
    let cid = base::cid::of_block(base::cid::RAW, &block);
    newcomer.put_block(&cid, &block).unwrap();
    assert!(matches!(newcomer.pin(&cid), Err(NodeError::NotFound)));
    let large = vec![5; 9000];
    let cid = base::cid::of_block(base::cid::RAW, &large);
    assert!(newcomer.put_block(&cid, &large).is_err());
    // A patient takes key after key: so many a minute, and the agent keeps the rest.
    let home = Home::open(&net.path("anna")).unwrap();
    let passphrase = PassphraseSource::File(net.path("pass")).read().unwrap();
    let keys = home.unlock(&passphrase).unwrap();
    let patient = Credentials {
        chain: home.facts.chain,
        account: home.facts.account,
        secret: home
            .enter(&keys, seconds)
            .unwrap()
            .identity
            .party
            .operation
            .clone(),
    };
    let patient = HttpNode::new(open.address().clone(), seconds, Some(patient)).unwrap();
    let agent: AccountId = cast.agent.parse().unwrap();
    let before = open.prekeys_left(agent).unwrap();
    let started = std::time::Instant::now();
    let mut refused = 0;
    let taken = (0..30)
        .filter(|_| match patient.take_prekey(agent) {
            Ok(key) => key.is_some(),
            Err(NodeError::Busy(why)) => {
                assert!(why.contains("too many one-time keys"), "{why}");
                refused += 1;
                false
            }
            Err(other) => panic!("{other}"),
        })
        .count();
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    assert!(
        taken as f64 <= 21.0 + 20.0 * minutes,
        "{taken} in {minutes}"
    );
    assert_eq!(taken + refused, 30);
    assert_eq!(before - open.prekeys_left(agent).unwrap(), taken);
}

#[test]
fn the_documents_say_what_the_program_does() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let codes = fs::read_to_string(docs.join("exit-codes.md")).unwrap();
    assert!(
        codes.contains(&medshare::exit::Exit::table_markdown()),
        "docs/exit-codes.md is stale"
    );
    let listed = fs::read_to_string(docs.join("interface.md")).unwrap();
    let table = medshare::http::openapi::table_markdown();
    assert!(listed.contains(&table), "docs/interface.md lacks:\n{table}");
    for (code, status, _) in medshare::http::message::ErrorCode::ALL {
        let name = format!("`{}`", code.name());
        assert!(
            listed.contains(&name),
            "docs/interface.md lacks {name} {status}"
        );
    }
}

#[test]
fn whoever_watches_the_node_is_answered_without_a_ticket() {
    let net = Net::start();
    let told = |path: &str| {
        let (status, body) = raw(&net, &format!("GET {path} HTTP/1.1"), b"");
        (status, String::from_utf8(body).unwrap())
    };
    assert_eq!(told("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(told("/readyz"), (200, "ready\n".to_owned()));
    let (status, page) = told("/metrics");
    assert_eq!(status, 200);
    assert!(page.contains("\nmedshare_ledger_height "), "{page}");
}
