//! SIGTERM while somebody is being served: what was begun is answered and done, nobody new is
//! let in, and the process ends well. A node, a page, a served home.

use super::{
    net::{Cast, Net, Running},
    pages::Page,
    serve::Served,
    talk::{HOST, Signer, Way, connect, get, heard},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::Command,
    time::{Duration, Instant},
};

/// Sends a request but for the second half of its body, then SIGTERM to `process`; once nobody
/// new gets in, the rest. Gives the answer; the process must end with 0.
fn ended_in_between(
    mut stream: impl Read + Write,
    head: &str,
    body: &[u8],
    mut process: Running,
    is_open: &dyn Fn() -> bool,
) -> Vec<u8> {
    let (first, rest) = body.split_at(body.len() / 2);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(first).unwrap();
    // That it has come as far as the program nobody can see from outside.
    std::thread::sleep(Duration::from_millis(500));
    let id = process.child.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    let until = Instant::now() + Duration::from_secs(4);
    while is_open() {
        assert!(Instant::now() < until, "it goes on as if nothing were");
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.write_all(rest).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = process.child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(0));
            return answer;
        }
        assert!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_node_ends_after_what_it_has_begun() {
    let mut net = Net::start();
    net.party("anna", "patient");
    let signer = Signer::of(&net, "anna");
    let file: Vec<u8> = (0..700_000_u32).map(|at| (at % 251) as u8).collect();
    let mut head = format!(
        "PUT /v1/files HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n",
        file.len()
    );
    for (name, value) in signer.headers("PUT", "/v1/files", b"", &Way::default()) {
        head += &format!("{name}: {value}\r\n");
    }
    head += "Accept: application/json\r\nConnection: close\r\n\r\n";
    let socket = net.path("node/node/medshare.sock");
    let is_open = || UnixStream::connect(&socket).is_ok();
    let stream = connect(&net);
    let node = net.take_node();
    let answer = heard(&ended_in_between(stream, &head, &file, node, &is_open));
    assert_eq!(answer.status, 200, "{answer:?}");
    // And it is kept: read back from the node that runs next, byte for byte.
    net.run_node();
    let cid = answer.json().to_string();
    let cid = cid
        .split('"')
        .find(|word| word.starts_with("baf"))
        .unwrap()
        .to_owned();
    let read = get(&net, &format!("/v1/files/{cid}"), &[]);
    assert_eq!(
        (read.status, read.header("transfer-encoding")),
        (200, "chunked")
    );
    let read = unchunked(&read.body);
    assert!(read == file, "{} bytes", read.len());
}

#[test]
fn a_page_ends_after_what_it_has_begun() {
    let cast = Cast::gather();
    let page = Page::open(&cast.net, "anna");
    let body = format!("csrf={}", page.get("/backup").csrf());
    let head = format!(
        "POST /backup/now HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.at,
        page.cookie,
        body.len()
    );
    let stream = TcpStream::connect(&page.at).unwrap();
    let is_open = || TcpStream::connect(&page.at).is_ok();
    let answer = heard(&ended_in_between(
        stream,
        &head,
        body.as_bytes(),
        page.process,
        &is_open,
    ));
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/backup"),
        "{answer:?}"
    );
}

#[test]
fn a_served_home_ends_after_what_it_has_begun() {
    let cast = Cast::gather();
    let served = Served::start(&cast.net, "hospital");
    let note = b"Nothing to report, at length.";
    let head = format!(
        "POST /v1/do/record/publish?patient={} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        cast.patient,
        served.token,
        note.len()
    );
    let stream = UnixStream::connect(&served.socket).unwrap();
    let is_open = || UnixStream::connect(&served.socket).is_ok();
    let answer = heard(&ended_in_between(
        stream,
        &head,
        note,
        served.process,
        &is_open,
    ));
    assert_eq!(answer.status, 200, "{answer:?}");
    let published = cast.net.rows(&["record", "list", "--home", "hospital"]);
    assert_eq!(
        published[0]["id"],
        answer.json()["items"][0]["record"],
        "{published:?}"
    );
    assert!(
        !cast
            .net
            .listing("hospital")
            .iter()
            .any(|name| name.starts_with(".serve"))
    );
}

/// A streamed body out of its chunks.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = std::str::from_utf8(&body[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend(&body[end + 2..end + 2 + length]);
        body = &body[end + 2 + length + 2..];
    }
}
