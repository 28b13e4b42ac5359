//! `/v1` from outside: tickets, limits, one answer for "not allowed" and "not there", and
//! the documents that describe it.

use super::net::{Cast, Net};
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
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(answer.len());
    let text = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    (status, answer[(end + 4).min(answer.len())..].to_vec())
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
        ("DELETE /v1/head HTTP/1.1", b"", 400),
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
fn the_documents_say_what_the_program_does() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let codes = fs::read_to_string(docs.join("exit-codes.md")).unwrap();
    assert!(
        codes.contains(&medshare::exit::Exit::table_markdown()),
        "docs/exit-codes.md is stale"
    );
    let routes = include_str!("../../src/http/routes.rs");
    let listed = fs::read_to_string(docs.join("interface.md")).unwrap();
    for route in routes.split(".route(\"").skip(1) {
        let path = route.split('"').next().unwrap();
        assert!(listed.contains(path), "docs/interface.md lacks {path}");
    }
}
