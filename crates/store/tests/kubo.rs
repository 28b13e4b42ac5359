//! What answers is no Kubo, or one gone mad: every answer is bounded in size and time, and nothing counts as done
//! before the end of an answer said so. Beside a real Kubo: `cargo xtask interop ipfs`.
#![allow(clippy::unwrap_used, clippy::panic)]

use base::cid::{self, Cid};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};
use store::{
    BlockStore as _, GetError, Kubo, PutError,
    kubo::{Endpoint, KuboSettings, OpenError, RpcError},
};

/// What is done to a connection once a request has come.
#[derive(Clone)]
enum Act {
    /// Says this and closes.
    Say(String),
    /// Says this and then nothing, for long.
    Hang(String),
    /// Says the first and then the second for ever, with a pause.
    Drip(String, String, Duration),
}

fn ok(body: &str) -> Act {
    Act::Say(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn status(line: &str, body: &str) -> Act {
    Act::Say(format!(
        "HTTP/1.1 {line}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn chunked(chunks: &[&str], trailer: &str) -> Act {
    let mut said =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\n"
            .to_owned();
    for chunk in chunks {
        said += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    Act::Say(said + "0\r\n" + trailer + "\r\n")
}

/// A server that behaves in all that a store needs to open, except where `act` says otherwise.
fn server(act: impl Fn(&str) -> Option<Act> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let act = Arc::new(act);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let act = Arc::clone(&act);
            std::thread::spawn(move || serve(stream, &*act));
        }
    });
    address
}

fn serve(mut stream: TcpStream, act: &dyn Fn(&str) -> Option<Act>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count @ 1..) => request.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request);
    let path = text.split(' ').nth(1).unwrap_or("").to_owned();
    let act = act(&path).unwrap_or_else(|| match path.split(['?', '/']).nth(3) {
        Some("version") => ok(r#"{"Version":"0.39.0","Repo":"18"}"#),
        _ => ok(""),
    });
    match act {
        Act::Say(said) => {
            let _ = stream.write_all(said.as_bytes());
            // What is still being sent is read, or the answer would be lost with it.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            while matches!(stream.read(&mut piece), Ok(1..)) {}
        }
        Act::Hang(said) => {
            let _ = stream.write_all(said.as_bytes());
            std::thread::sleep(Duration::from_secs(60));
        }
        Act::Drip(first, then, pause) => {
            let mut said = first;
            while stream.write_all(said.as_bytes()).is_ok() {
                std::thread::sleep(pause);
                said.clone_from(&then);
            }
        }
    }
}

fn open(address: SocketAddr, folder: &tempfile::TempDir) -> Result<Kubo, OpenError> {
    Kubo::open(KuboSettings {
        endpoint: Endpoint::Tcp(address),
        folder: folder.path().to_owned(),
        patience: PATIENCE,
    })
}

const PATIENCE: Duration = Duration::from_millis(400);

/// A store whose server acts so on one command.
fn acting(command: &'static str, act: Act) -> (tempfile::TempDir, Kubo) {
    let address = server(move |path| path.contains(command).then(|| act.clone()));
    let folder = tempfile::tempdir().unwrap();
    let store = open(address, &folder).unwrap();
    (folder, store)
}

fn block() -> (Cid, &'static [u8]) {
    (cid::of_block(cid::RAW, b"block"), b"block")
}

/// What reading a block gives; in bounded time.
fn read(act: Act) -> GetError {
    let (_folder, store) = acting("block/get", act);
    let begin = Instant::now();
    let error = store.get(&block().0).unwrap_err();
    assert!(begin.elapsed() < PATIENCE * 10, "{:?}", begin.elapsed());
    error
}

/// What storing a block gives; in bounded time.
fn write(act: Act) -> PutError {
    let (_folder, store) = acting("dag/import", act);
    let begin = Instant::now();
    let (cid, bytes) = block();
    let error = store.put(&cid, bytes).unwrap_err();
    assert!(begin.elapsed() < PATIENCE * 10, "{:?}", begin.elapsed());
    error
}

#[test]
fn another_machine_is_not_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(([192, 0, 2, 1], 5001).into(), &folder).unwrap_err();
    assert!(matches!(error, OpenError::NotLocal(_)), "{error}");
}

#[test]
fn what_is_no_kubo_is_told_at_the_start() {
    let foreign = |error: &OpenError| matches!(error, OpenError::Rpc(RpcError::Foreign { .. }));
    let refused =
        |error: &OpenError| matches!(error, OpenError::Rpc(RpcError::Refused { status: 403, .. }));
    type Is<'a> = &'a dyn Fn(&OpenError) -> bool;
    let cases: [(&str, Act, Is<'_>); 7] = [
        ("a web server", ok("<html>welcome</html>"), &foreign),
        (
            "no such page",
            status("404 Not Found", "404 page not found"),
            &foreign,
        ),
        ("a redirection", status("302 Found", ""), &foreign),
        ("JSON of something else", ok(r#"{"version": 3}"#), &foreign),
        (
            "nobody may",
            status("403 Forbidden", "403 - Forbidden"),
            &refused,
        ),
        (
            "another protocol",
            Act::Say("SSH-2.0-OpenSSH_9.6\r\n".into()),
            &|error| matches!(error, OpenError::Rpc(RpcError::Broken { .. })),
        ),
        ("nothing", Act::Hang(String::new()), &|error| {
            matches!(error, OpenError::Rpc(RpcError::Silent { .. }))
        }),
    ];
    for (name, act, is) in cases {
        let address = server(move |_| Some(act.clone()));
        let folder = tempfile::tempdir().unwrap();
        let begin = Instant::now();
        let error = open(address, &folder).unwrap_err();
        assert!(is(&error), "{name}: {error:?}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert!(begin.elapsed() < PATIENCE * 10, "{name}");
    }
}

#[test]
fn reads_are_bounded_and_hashed() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let other = read(ok("other"));
    assert!(matches!(other, GetError::Damaged(_)), "{other}");
    let piece = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
    let endless = read(Act::Drip(head.into(), piece, Duration::ZERO));
    assert!(matches!(endless, GetError::Damaged(_)), "{endless}");
    let io = |error: &GetError, words: &str| {
        assert!(
            matches!(error, GetError::Io { .. }) && error.to_string().contains(words),
            "{error}"
        );
    };
    io(
        &read(Act::Drip(
            head.into(),
            "1\r\nx\r\n".into(),
            Duration::from_millis(50),
        )),
        "no answer within",
    );
    io(
        &read(Act::Hang("HTTP/1.1 200 OK\r\n".into())),
        "no answer within",
    );
    io(
        &read(Act::Hang(format!("{head}5\r\nblock\r\n"))),
        "no answer within",
    );
    io(
        &read(Act::Say(format!("{head}5\r\nblock\r\n"))),
        "broke off",
    );
    io(
        &read(Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nblock".into(),
        )),
        "broke off",
    );
    // All bytes came, and then the error.
    io(
        &read(chunked(&["block"], "X-Stream-Error: the disk failed\r\n")),
        "Kubo: the disk failed",
    );
    io(
        &read(status(
            "500 Internal Server Error",
            r#"{"Message":"a\u001bbad\nday","Type":"error"}"#,
        )),
        "Kubo: abadday",
    );
    let missing = r#"{"Message":"block was not found locally (offline): ipld: could not find X","Type":"error"}"#;
    let missing = read(status("500 Internal Server Error", missing));
    assert!(matches!(missing, GetError::Missing(_)), "{missing}");
}

#[test]
fn what_is_stored_is_counted_and_errors_in_the_middle_are_heard() {
    let fails = |act: Act, words: &str| {
        let error = write(act);
        assert!(
            matches!(error, PutError::Io(_)) && error.to_string().contains(words),
            "{words}: {error}"
        );
    };
    let stats = r#"{"Stats":{"BlockCount":1,"BlockBytesCount":5}}"#;
    fails(ok(""), "it took None");
    fails(ok(&stats.replace('5', "4")), "it took");
    fails(ok(&stats.replace('1', "0")), "it took");
    fails(ok("not JSON\n"), "not the RPC of a Kubo");
    fails(
        chunked(&[stats, "\n"], "X-Stream-Error: late\r\n"),
        "Kubo: late",
    );
    fails(
        chunked(
            &[
                r#"{"Message":"middle","Code":0,"Type":"error"}"#,
                "\n",
                stats,
            ],
            "",
        ),
        "Kubo: middle",
    );
    fails(Act::Hang(String::new()), "no answer within");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    fails(
        Act::Drip(
            head.into(),
            format!("10000\r\n{}\r\n", " ".repeat(1 << 16)),
            Duration::ZERO,
        ),
        "more than",
    );
    let full = r#"{"Message":"write /x: no space left on device","Type":"error"}"#;
    let full = write(status("500 Internal Server Error", full));
    assert!(matches!(full, PutError::Full(_)), "{full}");
    // And the same server, well behaved.
    let (_folder, store) = acting("dag/import", ok(stats));
    let (cid, bytes) = block();
    store.put(&cid, bytes).unwrap();
}

#[test]
fn pins_are_counted_too() {
    let (cid, _) = block();
    let fails = |command: &'static str, act: Act, words: &str| {
        let (_folder, store) = acting(command, act);
        let error = store.pin(&cid).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(store.pins().unwrap(), []);
    };
    let unpinned = status(
        "500 Internal Server Error",
        r#"{"Message":"x is not pinned","Type":"error"}"#,
    );
    fails(
        "pin/ls?type=direct&arg",
        unpinned.clone(),
        "not the RPC of a Kubo",
    );
    let asked = server(move |path| {
        if path.contains("pin/ls?type=direct&arg") {
            Some(unpinned.clone())
        } else {
            path.contains("pin/add").then(|| ok(r#"{"Pins":[]}"#))
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let store = open(asked, &folder).unwrap();
    let error = store.pin(&cid).unwrap_err().to_string();
    assert!(error.contains("0 pins where 1 were asked for"), "{error}");
    assert_eq!(store.pins().unwrap(), []);
}

#[test]
fn a_database_of_another_kind_is_refused() {
    let address = server(|_| None);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kubo.redb"), b"something else").unwrap();
    let error = open(address, &folder).unwrap_err();
    assert!(matches!(error, OpenError::Index { .. }), "{error}");
    assert!(error.to_string().contains("kubo.redb"), "{error}");
}
