//! RFC 9421 and RFC 9530: the RFCs' own examples, and everything that must not pass.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// RFC 9421, appendix B.1.4 and B.2.6.
#[test]
fn the_rfcs_ed25519_example_verifies_and_is_made_again() {
    let key: [u8; 32] = URL_SAFE_NO_PAD
        .decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs")
        .unwrap()
        .try_into()
        .unwrap();
    let seed: [u8; 32] = URL_SAFE_NO_PAD
        .decode("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU")
        .unwrap()
        .try_into()
        .unwrap();
    let parts = parts(
        "POST",
        "/foo?param=Value&Pet=dog",
        &[
            ("host", "example.com"),
            ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("content-type", "application/json"),
            ("content-length", "18"),
        ],
    );
    let input = "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
                 \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
    let read: Dictionary = Parser::new(input).parse().unwrap();
    let Some((_, ListEntry::InnerList(list))) = read.first() else {
        panic!("an inner list");
    };
    let text = signed_text(&covered(list).unwrap(), list, &parts).unwrap();
    assert_eq!(
        text,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\
         \"@authority\": example.com\n\"content-type\": application/json\n\
         \"content-length\": 18\n\"@signature-params\": (\"date\" \"@method\" \"@path\" \
         \"@authority\" \"content-type\" \"content-length\");created=1618884473;\
         keyid=\"test-key-ed25519\""
    );
    let signature =
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    let signature = Signature(STANDARD.decode(signature).unwrap().try_into().unwrap());
    OperationKey(key)
        .verify(text.as_bytes(), &signature)
        .unwrap();
    let secret = OperationSecret::new(seed);
    assert_eq!(secret.public(), OperationKey(key));
    assert_eq!(secret.sign(text.as_bytes()), signature);
}

/// RFC 9421, section 2.2 and 2.1: derived components and fields as the RFC writes them.
#[test]
fn components_are_written_as_in_the_rfc() {
    let parts = parts(
        "POST",
        "/path?param=value&foo=bar&baz=batman",
        &[
            ("Host", "WWW.example.com:80"),
            ("X-OWS-Header", "   Leading and trailing whitespace.   "),
            ("Cache-Control", "max-age=60"),
            ("Cache-Control", "   must-revalidate"),
            ("X-Empty-Header", ""),
        ],
    );
    for (name, value) in [
        ("@method", "POST"),
        ("@authority", "www.example.com"),
        ("@scheme", "http"),
        ("@path", "/path"),
        ("@query", "?param=value&foo=bar&baz=batman"),
        ("@request-target", "/path?param=value&foo=bar&baz=batman"),
        (
            "@target-uri",
            "http://www.example.com/path?param=value&foo=bar&baz=batman",
        ),
        ("x-ows-header", "Leading and trailing whitespace."),
        ("cache-control", "max-age=60, must-revalidate"),
        ("x-empty-header", ""),
    ] {
        assert_eq!(component(name, &parts).as_deref(), Some(value), "{name}");
    }
    for none in ["@status", "@query-param", "@x", "absent", "Cache-Control"] {
        assert_eq!(component(none, &parts), None, "{none}");
    }
    let bare = self::parts("GET", "/", &[]);
    assert_eq!(component("@query", &bare).as_deref(), Some("?"));
    assert_eq!(component("@authority", &bare), None);
}

/// RFC 9530, section B.1 (the sha-256 of the same body in RFC 9421, B.2).
#[test]
fn the_rfcs_content_digest_is_the_same() {
    assert_eq!(
        content_digest(b"{\"hello\": \"world\"}"),
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    );
}

const CHAIN: ChainId = ChainId([5; 32]);
const NOW: u64 = 1_795_305_600;
const NONCE: &str = "0123456789abcdef";
const USUAL: [&str; 4] = ["@method", "@path", "@query", "content-digest"];

fn secret() -> OperationSecret {
    OperationSecret::new([8; 32])
}

fn account() -> AccountId {
    AccountId([9; 32])
}

/// An honest request with its headers, and the same ones as names and values.
fn honest(covered: &[&str]) -> Parts {
    let digest = content_digest(b"body");
    let mut parts = parts(
        "PUT",
        "/v1/prekeys?x=1",
        &[("host", "127.0.0.1:7400"), ("content-digest", &digest)],
    );
    let keyid = account().to_string();
    let (input, signature) = sign(&parts, covered, (&keyid, &secret()), CHAIN, NOW, NONCE).unwrap();
    parts.headers.insert(INPUT, input.parse().unwrap());
    parts.headers.insert(SIGNATURE, signature.parse().unwrap());
    parts
}

#[test]
fn an_honest_request_is_read() {
    for covered in [
        &USUAL[..],
        &["@method", "@target-uri", "content-digest"],
        &["@request-target", "@method", "content-digest", "host"],
    ] {
        let claim = read(&honest(covered), CHAIN).unwrap();
        assert_eq!((claim.account, claim.key), (account(), None));
        assert_eq!(claim.created, Millis(NOW * 1000));
        assert_eq!(claim.content, Some(Digest::of(b"body")));
        assert!(claim.is_by(&secret().public()));
        assert!(!claim.is_by(&OperationSecret::new([7; 32]).public()));
    }
}

#[test]
fn every_altered_part_spoils_it() {
    let is_good =
        |parts: &Parts| read(parts, CHAIN).is_some_and(|claim| claim.is_by(&secret().public()));
    assert!(is_good(&honest(&USUAL)));
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = honest(&USUAL);
        change(&mut parts);
        is_good(&parts)
    };
    assert!(!with(&|parts| parts.method = "POST".parse().unwrap()));
    for target in [
        "/v1/prekeys",
        "/v1/prekeys?x=2",
        "/v1/prekey?x=1",
        "/v1/prekeys?x=1&y",
    ] {
        assert!(
            !with(&|parts| parts.uri = target.parse().unwrap()),
            "{target}"
        );
    }
    let other = content_digest(b"other body");
    assert!(!with(&|parts| {
        parts.headers.insert(DIGEST, other.parse().unwrap());
    }));
    assert!(!with(&|parts| drop(parts.headers.remove(DIGEST))));
    assert!(!with(&|parts| drop(parts.headers.remove(SIGNATURE))));
    // Every byte of both headers; the label and the spare bits of base64 mean nothing.
    for name in [INPUT, SIGNATURE] {
        let whole = honest(&USUAL).headers[name].to_str().unwrap().to_owned();
        for at in (4..whole.len()).filter(|at| name == INPUT || at + 4 != whole.len()) {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else {
                continue;
            };
            let Ok(value) = axum::http::HeaderValue::from_str(&text) else {
                continue;
            };
            let spoilt = |parts: &mut Parts| drop(parts.headers.insert(name, value.clone()));
            assert!(!with(&spoilt), "{name} {at}: {text}");
        }
    }
    assert!(
        read(&honest(&USUAL), ChainId([6; 32])).is_none(),
        "another ledger's"
    );
}

#[test]
fn too_little_too_much_and_nonsense_are_no_signature() {
    let read_with = |covered: &str, params: &str| {
        let mut parts = honest(&USUAL);
        let input = format!("sig=({covered}){params};tag=\"{}\"", tag(CHAIN));
        parts.headers.insert(INPUT, input.parse().unwrap());
        read(&parts, CHAIN)
    };
    let keyid = account();
    let params = format!(";created={NOW};keyid=\"{keyid}\";nonce=\"{NONCE}\"");
    let all = "\"@method\" \"@path\" \"@query\"";
    assert!(read_with(all, &params).is_some());
    for covered in [
        "",
        "\"@method\"",
        "\"@path\" \"@query\"",
        "\"@method\" \"@path\"",
        "\"@method\" \"@method\" \"@path\" \"@query\"",
        "\"@method\" \"@path\" \"@query\" \"absent\"",
        "\"@method\";req \"@path\" \"@query\"",
        "\"@method\" \"@path\" \"@query\" \"host\";bs",
        "@method \"@path\" \"@query\"",
        "\"@method\" \"@path\" \"@query\" \"@status\"",
    ] {
        assert!(read_with(covered, &params).is_none(), "{covered}");
    }
    for params in [
        format!(";keyid=\"{keyid}\";nonce=\"{NONCE}\""),
        format!(";created={NOW};nonce=\"{NONCE}\""),
        format!(";created={NOW};keyid=\"{keyid}\""),
        format!(";created={NOW};keyid=\"{keyid}\";nonce=\"short\""),
        format!(";created={NOW};keyid=\"nobody\";nonce=\"{NONCE}\""),
        format!(";created={NOW};keyid=\"{keyid}.00\";nonce=\"{NONCE}\""),
        format!(";created=-1;keyid=\"{keyid}\";nonce=\"{NONCE}\""),
        format!(";created=\"{NOW}\";keyid=\"{keyid}\";nonce=\"{NONCE}\""),
        format!(";created={NOW};keyid=\"{keyid}\";nonce=\"{NONCE}\";alg=\"hmac-sha256\""),
        format!(";created={NOW};keyid=\"{keyid}\";nonce=\"{NONCE}\";expires=x"),
    ] {
        assert!(read_with(all, &params).is_none(), "{params}");
    }
    // Two that are meant for us; one of another application beside ours is none of ours.
    let twice = |second: &str| {
        let mut parts = honest(&USUAL);
        let first = parts.headers[INPUT].to_str().unwrap().to_owned();
        let both = format!("{first}, two={second}");
        parts.headers.insert(INPUT, both.parse().unwrap());
        read(&parts, CHAIN).is_some()
    };
    assert!(!twice(&format!("(\"@method\");tag=\"{}\"", tag(CHAIN))));
    assert!(twice("(\"@method\");tag=\"other\""));
}

#[test]
fn who_is_about_to_register_names_her_key() {
    let key = secret().public();
    let id = AccountId::of(&key);
    let (account, named) = who(&format!("{id}.{}", hex::encode(key.0))).unwrap();
    assert_eq!((account, named), (id, Some(key)));
}
