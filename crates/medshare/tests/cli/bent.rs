//! Requests that are bent: broken off, larger than they say, aimed outside.

use super::{
    net::{Cast, Net},
    talk::{HOST, Signer, Way, borrowed, call, connect, get},
};
use medshare::http::media;
use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

#[test]
fn a_body_that_breaks_off_does_nothing() {
    let net = Net::start();
    let size = || get(&net, "/v1/status", &[]).body;
    let before = size();
    for (kind, body) in [
        (media::JSON, &b"{\"body\":{\"acc"[..]),
        (media::CBOR, &[0xa2, 0x64, b'b', b'o'][..]),
    ] {
        for framing in ["Content-Length: 400", "Transfer-Encoding: chunked"] {
            let mut stream = connect(&net);
            let head = format!(
                "POST /v1/operations HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            if framing.starts_with('T') {
                stream.write_all(b"200\r\n").unwrap();
            }
            stream.write_all(body).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let text = String::from_utf8_lossy(&answer);
            assert!(!text.starts_with("HTTP/1.1 200"), "{framing}: {text}");
        }
    }
    assert_eq!(size(), before, "no leaf");
}

#[test]
fn names_in_a_path_lead_nowhere_else() {
    let cast = Cast::gather();
    let net = &cast.net;
    let anna = Signer::of(net, "anna");
    let before = net.listing("node/node");
    for path in [
        "/v1/files/../../../../etc/passwd",
        "/v1/files/..%2f..%2f..%2fetc%2fpasswd",
        "/v1/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/v1/blocks/..%2fpost.redb",
        "/v1/blocks/%00",
        "/v1/blocks/..",
        "/v1/bags/..%2f..%2fx",
        "/v1/mailbox/..%5c..%5cx",
        "/v1/heads/-1",
        "/v1/heads/18446744073709551616",
        "/v1/heads/0x1",
        "//v1/status",
        "/v1/../v1/status",
    ] {
        for (method, body) in [("GET", &b""[..]), ("PUT", b"x"), ("DELETE", b"")] {
            let heard = anna.call(net, method, path, body, &Way::default());
            let refused = matches!(heard.status, 400 | 404 | 405);
            assert!(refused, "{method} {path}: {}", heard.status);
        }
    }
    assert_eq!(net.listing("node/node"), before);
    net.run(&["ledger", "replay"]).ok();
}

/// Resident memory of the node, KiB.
fn resident(net: &Net) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", net.node_id())).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_car_that_claims_more_than_it_brings_costs_nothing() {
    let net = Net::start();
    let node = Signer::of(&net, "node");
    // What was signed in the second in which the node began may have been used before it did.
    std::thread::sleep(Duration::from_secs(2));
    let varint = |mut number: u64| {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let root = base::cid::of_block(base::cid::RAW, b"x");
    let header = car_header(&root);
    let whole = [varint(header.len() as u64), header.clone()].concat();
    let put = |body: &[u8], more: &[(&str, &str)]| {
        let headers = node.headers("PUT", "/v1/store/cars", body, &Way::default());
        let mut headers = borrowed(&headers);
        headers.extend(more);
        call(&net, "PUT", "/v1/store/cars", &headers, body).status
    };
    let good = [
        &whole[..],
        &varint(root.to_bytes().len() as u64 + 1),
        &root.to_bytes(),
        b"x",
    ];
    let good = good.concat();
    let kind = [("Content-Type", media::CAR)];
    assert_eq!(put(&good, &kind), 200, "an honest one is taken");
    let before = resident(&net);
    for (what, body) in [
        ("an endless header", varint(u64::MAX)),
        (
            "a header of an exbibyte",
            [varint(1 << 60), header].concat(),
        ),
        (
            "a block of a tebibyte",
            [&whole[..], &varint(1 << 40)].concat(),
        ),
        ("a block of a gibibyte, begun", {
            [
                &whole[..],
                &varint(1 << 30),
                &root.to_bytes(),
                &[0; 100_000],
            ]
            .concat()
        }),
        ("a length without end", [&whole[..], &[0xff; 64]].concat()),
        ("what is packed", {
            // Compressed a thousandfold; nothing here unpacks it.
            [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0; 4096]].concat()
        }),
    ] {
        for more in [&kind[..], &[("Content-Encoding", "gzip"), kind[0]]] {
            let status = put(&body, more);
            assert!(matches!(status, 400 | 413), "{what}: {status}");
        }
    }
    let grown = resident(&net) - before;
    assert!(grown < 32 << 10, "{grown} KiB more for what was refused");
}

fn car_header(root: &base::Cid) -> Vec<u8> {
    use std::collections::BTreeMap;
    let root = ipld_core::ipld::Ipld::Link(*root);
    let fields = [
        ("roots".to_owned(), ipld_core::ipld::Ipld::List(vec![root])),
        ("version".to_owned(), ipld_core::ipld::Ipld::Integer(1)),
    ];
    base::codec::encode(&ipld_core::ipld::Ipld::Map(BTreeMap::from(fields)))
}
