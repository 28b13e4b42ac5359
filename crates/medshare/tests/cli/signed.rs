//! Who asks, by HTTP Message Signatures (RFC 9421): what is signed once is done once, what
//! was changed is not, and a session stands for its account until it ends.

use super::{
    net::Cast,
    talk::{Heard, Signer, Way, borrowed, call, get},
};
use medshare::http::{json, media, message::BagHead};

const MAILBOX: &str = "/v1/mailbox?after=0";

#[test]
fn a_signature_is_as_good_as_a_ticket_and_serves_once() {
    let cast = Cast::gather();
    let net = &cast.net;
    let anna = Signer::of(net, "anna");
    let nothing = get(net, MAILBOX, &[]);
    assert_eq!(nothing.status, 404);
    let refused = |heard: Heard, why: &str| assert_eq!(heard, nothing, "{why}");
    for covered in [
        &["@method", "@target-uri"][..],
        &["@method", "@path", "@query"],
        &["@request-target", "@method", "@authority", "host"],
    ] {
        let way = Way {
            covered,
            ..Way::default()
        };
        assert_eq!(
            anna.call(net, "GET", MAILBOX, b"", &way).status,
            200,
            "{covered:?}"
        );
    }
    // Twice, with another clock, or for another request.
    let once = anna.headers("GET", MAILBOX, b"", &Way::default());
    assert_eq!(get(net, MAILBOX, &borrowed(&once)).status, 200);
    refused(get(net, MAILBOX, &borrowed(&once)), "replayed");
    let nonce = Some("a nonce of sixteen");
    let again = || {
        anna.call(
            net,
            "GET",
            MAILBOX,
            b"",
            &Way {
                nonce,
                ..Way::default()
            },
        )
    };
    let first = again();
    assert_eq!(first.status, 200);
    for ahead in [-3_600, -62, 62, 3_600] {
        let way = Way {
            ahead,
            ..Way::default()
        };
        refused(anna.call(net, "GET", MAILBOX, b"", &way), "clock skew");
    }
    let near = Way {
        ahead: 50,
        ..Way::default()
    };
    assert_eq!(
        anna.call(net, "GET", MAILBOX, b"", &near).status,
        200,
        "a little skew"
    );
    let fresh = || anna.headers("GET", MAILBOX, b"", &Way::default());
    refused(
        get(net, "/v1/mailbox?after=1", &borrowed(&fresh())),
        "another query",
    );
    refused(
        get(net, "/v1/mailbox/newest", &borrowed(&fresh())),
        "another path",
    );
    assert_eq!(
        call(net, "HEAD", MAILBOX, &borrowed(&fresh()), b"").status,
        404
    );
    let hospital = Signer::of(net, "hospital");
    let as_anna = Signer {
        keyid: anna.keyid.clone(),
        ..hospital
    };
    refused(
        as_anna.call(net, "GET", MAILBOX, b"", &Way::default()),
        "another's key",
    );
    let elsewhere = Signer {
        chain: base::ChainId([1; 32]),
        ..Signer::of(net, "anna")
    };
    refused(
        elsewhere.call(net, "GET", MAILBOX, b"", &Way::default()),
        "another ledger",
    );
    // Beside a ticket, or twice: which one counts is not guessed.
    let mut both = fresh();
    both.push(("Authorization".into(), "Medshare AAAA".into()));
    refused(get(net, MAILBOX, &borrowed(&both)), "two ways at once");
}

#[test]
fn the_body_is_what_was_signed() {
    let cast = Cast::gather();
    let net = &cast.net;
    let anna = Signer::of(net, "anna");
    let target = format!("/v1/bags/{}", "ab".repeat(32));
    let bag = BagHead {
        head: vec![7; 40].into(),
    };
    let body = json::of_cbor(&base::codec::encode(&bag)).unwrap();
    let put = |headers: &[(String, String)], body: &[u8]| {
        let mut headers = borrowed(headers);
        headers.push(("Content-Type", media::JSON));
        call(net, "PUT", &target, &headers, body).status
    };
    let signed = || anna.headers("PUT", &target, &body, &Way::default());
    let mut other = body.clone();
    *other.last_mut().unwrap() = b' ';
    assert_eq!(put(&signed(), &other), 404, "another body");
    assert_eq!(
        put(&anna.headers("PUT", &target, b"", &Way::default()), &body),
        404,
        "uncovered"
    );
    assert_eq!(put(&signed(), &body), 200);
    let read = get(net, &target, &[("Accept", media::JSON)]);
    assert_eq!(read.body, body);
    // A file's digest need not be signed; if it is, it must be the file's.
    let file = vec![3; 700_000];
    let way = Way::default();
    let upload = |headers: &[(String, String)], body: &[u8]| {
        call(net, "PUT", "/v1/files", &borrowed(headers), body)
    };
    let open = anna.headers("PUT", "/v1/files", b"", &way);
    assert_eq!(upload(&open, &file).status, 200);
    let closed = anna.headers("PUT", "/v1/files", &file, &way);
    assert_eq!(upload(&closed, &file).status, 200);
    let closed = anna.headers("PUT", "/v1/files", &file, &way);
    assert_eq!(upload(&closed, &file[1..]).status, 400);
}

#[test]
fn a_session_stands_for_its_account_until_it_ends() {
    let cast = Cast::gather();
    let net = &cast.net;
    let anna = Signer::of(net, "anna");
    let way = Way::default();
    let open = || {
        let opened = anna.call(net, "POST", "/v1/session", b"", &way);
        assert_eq!(opened.status, 200, "{opened:?}");
        let opened: medshare::http::message::Opened = base::codec::decode(&opened.body).unwrap();
        format!("Bearer {}", opened.token)
    };
    let session = open();
    let with = |method: &str, target: &str, token: &str| {
        call(net, method, target, &[("Authorization", token)], b"").status
    };
    for _ in 0..3 {
        assert_eq!(with("GET", MAILBOX, &session), 200);
    }
    assert_eq!(
        with("GET", "/v1/store", &session),
        404,
        "she is no operator"
    );
    assert_eq!(
        with("POST", "/v1/session", &session),
        404,
        "a session opens none"
    );
    let other = open();
    assert_ne!(other, session);
    assert_eq!(with("DELETE", "/v1/session", &session), 200);
    assert_eq!(with("GET", MAILBOX, &session), 404, "it was ended");
    assert_eq!(with("GET", MAILBOX, &other), 200, "the other goes on");
    for none in [
        "Bearer ",
        "Bearer AAAA",
        "bearer x",
        &format!("{other}A"),
        &other[..30],
    ] {
        assert_eq!(with("GET", MAILBOX, none), 404, "{none}");
    }
    assert_eq!(get(net, "/v1/session", &[]).status, 405);
    assert_eq!(call(net, "POST", "/v1/session", &[], b"").status, 404);
    // A new key ends what the old one opened.
    net.run(&[
        "account",
        "rotate-key",
        "--kind",
        "operation",
        "--home",
        "anna",
    ])
    .ok();
    assert_eq!(with("GET", MAILBOX, &other), 404);
    let old = anna.call(net, "GET", MAILBOX, b"", &way).status;
    assert_eq!(old, 404, "and the old key signs no more");
    assert_eq!(
        Signer::of(net, "anna")
            .call(net, "GET", MAILBOX, b"", &way)
            .status,
        200
    );
}
