//! A node that lies, floods or stands still: every command ends in bounded time and
//! memory with one clear line.

use medshare::{http::Address, http::HttpNode};
use share::node::{Node as _, NodeError};
use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// Answers every request on a socket with `answer`, which gets the request's path.
fn liar(
    answer: impl Fn(&str, &mut UnixStream) -> io::Result<()> + Clone + Send + 'static,
) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                loop {
                    let mut first = String::new();
                    let mut line = String::new();
                    if reader.read_line(&mut first).unwrap_or(0) == 0 {
                        return;
                    }
                    while reader.read_line(&mut line).unwrap_or(0) > 2 {
                        line.clear();
                    }
                    let path = first.split(' ').nth(1).unwrap_or_default();
                    if answer(path, &mut stream).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (dir, path)
}

fn node(path: PathBuf) -> HttpNode {
    HttpNode::new(Address::Unix(path), Duration::from_secs(1), None).unwrap()
}

fn send(stream: &mut UnixStream, body: &[u8]) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

/// A list's page with nothing in it, and a next one.
fn page(next: u64) -> Vec<u8> {
    base::codec::encode(&ledger::Listing::<u64> {
        items: Vec::new(),
        next: Some(next),
    })
}

fn start(path: &str) -> u64 {
    path.rsplit('=').next().unwrap().parse().unwrap_or(0)
}

#[test]
fn a_list_without_end_ends() {
    let (_dir, path) = liar(|path, stream| send(stream, &page(start(path) + 1)));
    let started = Instant::now();
    let listed = node(path).list::<ledger::Proposal>("/v1/proposals");
    assert!(matches!(&listed, Err(NodeError::BadAnswer(why)) if why.contains("does not end")));
    assert!(started.elapsed() < Duration::from_secs(15));
    let (_dir, path) = liar(|_, stream| send(stream, &page(1)));
    let listed = node(path).list::<ledger::Proposal>("/v1/proposals");
    assert!(
        matches!(listed, Err(NodeError::BadAnswer(_))),
        "it does not move on"
    );
}

#[test]
fn bodies_without_end_are_cut_and_slow_ones_are_left() {
    let (_dir, path) = liar(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = vec![b'x'; 1 << 20];
        loop {
            write!(stream, "{:x}\r\n", chunk.len())?;
            stream.write_all(&chunk)?;
            stream.write_all(b"\r\n")?;
        }
    });
    let cid = base::cid::of_block(base::cid::RAW, b"a block");
    let client = node(path);
    let block = client.read_block(&cid);
    assert!(
        matches!(&block, Err(NodeError::BadAnswer(why)) if why.contains("2097152")),
        "{block:?}"
    );
    assert!(matches!(
        client.head(),
        Err(NodeError::BadAnswer(_) | NodeError::Unreachable(_))
    ));

    let (_dir, path) = liar(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
        loop {
            stream.write_all(b"x")?;
            thread::sleep(Duration::from_millis(50));
        }
    });
    let started = Instant::now();
    let head = node(path).head();
    assert!(matches!(&head, Err(NodeError::Unreachable(why)) if why.contains("within 1 s")));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_node_that_takes_nothing_does_not_hold_a_file_for_ever() {
    let net = super::net::Net::start();
    let hospital = net.party("hospital", "hospital");
    // It accepts and never reads.
    let socket = net.path("deaf");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok(stream) = listener.accept() {
            held.push(stream);
        }
    });
    let credentials = medshare::http::Credentials {
        chain: base::ChainId([1; 32]),
        account: hospital.parse().unwrap(),
        secret: base::key::OperationSecret::new([9; 32]),
    };
    let deaf = HttpNode::new(
        Address::Unix(socket),
        Duration::from_secs(1),
        Some(credentials),
    )
    .unwrap();
    for size in [10, 100 << 20] {
        let started = Instant::now();
        let sent = deaf.put_file(&mut io::repeat(7).take(size));
        assert!(
            matches!(&sent, Err(NodeError::Unreachable(why)) if why.contains("within 1 s")),
            "{sent:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn the_command_line_says_who_stands_still() {
    let net = super::net::Net::start();
    let config = net.write("config.toml", "[node]\ntimeout-seconds = 1\n");
    let (_dir, path) = liar(|_, _| {
        thread::sleep(Duration::from_secs(60));
        Ok(())
    });
    let address = format!("unix:{}", path.display());
    let config = config.to_str().unwrap();
    net.run(&[
        "institution",
        "proposals",
        "--node",
        &address,
        "--config",
        config,
    ])
    .fails(11, "did not answer within 1 s");
    let (_dir, path) = liar(|path, stream| send(stream, &page(start(path) + 1)));
    let address = format!("unix:{}", path.display());
    net.run(&[
        "institution",
        "proposals",
        "--node",
        &address,
        "--config",
        config,
    ])
    .fails(10, "does not end");
}
