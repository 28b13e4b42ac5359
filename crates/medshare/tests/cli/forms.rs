//! One interface in two forms: DAG-CBOR and DAG-JSON say the same, errors too; what is
//! neither is refused.

use super::{
    net::{Cast, Net},
    talk::{Heard, call, get},
};
use base::{
    AccountId, Digest, Signed, codec,
    key::{HpkeKey, OperationSecret},
    operation::{Operation, PatientKeys, Register, Role},
};
use medshare::http::{json, media, message::ErrorBody};

const AS_JSON: (&str, &str) = ("Accept", media::JSON);

#[test]
fn every_read_says_the_same_in_both_forms() {
    let cast = Cast::gather();
    let net = &cast.net;
    let record = cast.record(&net.write("note.txt", "a note"));
    let grant = cast.grant(&["document"], &[]);
    let (patient, hospital, agent) = (&cast.patient, &cast.hospital, &cast.agent);
    let mut paths: Vec<String> = [
        "status",
        "node",
        "genesis",
        "head",
        "heads/1",
        "ledger/blocks/2",
        "validators",
        "transitions?from=0",
        "leaves?from=0&limit=3",
        "proofs/inclusion?index=0&size=3",
        "proofs/consistency?from=1&to=3",
        "accounts",
        "accounts?from=2&limit=2",
        "disputes",
        "proposals",
        "institutions",
        "ranking",
        "totals",
        "policy",
        "anchors",
    ]
    .map(|path| format!("/v1/{path}"))
    .to_vec();
    for what in [
        "",
        "/sequence",
        "/bag",
        "/balance",
        "/vouchers",
        "/journal",
        "/records",
        "/requests",
        "/grants",
        "/queries",
        "/notices",
        "/delegations",
        "/operations",
    ] {
        paths.push(format!("/v1/accounts/{patient}{what}"));
    }
    paths.push(format!("/v1/accounts/{hospital}/institution"));
    paths.push(format!("/v1/prekeys/{agent}"));
    paths.push(format!("/v1/records/{record}"));
    paths.push(format!("/v1/records/{record}/states"));
    for what in ["grants/", "operations/"] {
        paths.push(format!("/v1/{what}{grant}"));
    }
    paths.push(format!("/v1/operations/{grant}/receipt"));
    paths.push(format!("/v1/grants/{grant}/queries"));
    for path in &paths {
        let cbor = get(net, path, &[]);
        assert_eq!(
            (cbor.status, cbor.header("content-type")),
            (200, media::CBOR),
            "{path}"
        );
        for (accept, kind) in [
            (media::JSON, media::JSON),
            (media::DAG_JSON, media::DAG_JSON),
            ("application/json, text/plain, */*", media::JSON),
        ] {
            let json = get(net, path, &[("Accept", accept)]);
            assert_eq!(
                (json.status, json.header("content-type")),
                (200, kind),
                "{path}"
            );
            // Some answers tell the time at which they are given.
            if path != "/v1/ranking" && path != "/v1/node" {
                assert_eq!(json::to_cbor(&json.body).unwrap(), cbor.body, "{path}");
            }
        }
    }
    // A cursor is the same number in both.
    let page = get(net, "/v1/accounts?limit=2", &[AS_JSON]).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let next = format!("/v1/accounts?from={}", page["next"]);
    assert_eq!(
        get(net, &next, &[AS_JSON]).json()["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn errors_are_problems_to_who_asks_for_json() {
    let net = Net::start();
    let unknown = format!("/v1/accounts/{}", "00".repeat(32));
    for (method, target, status, code) in [
        ("GET", unknown.as_str(), 404, "not-found"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/mailbox", 404, "not-found"),
        ("GET", "/v1/accounts/xyz", 400, "malformed"),
        ("GET", "/v1/accounts?from=x", 400, "malformed"),
        ("GET", "/v1/accounts?form=1", 400, "malformed"),
        ("GET", "/v2/status", 400, "unknown-version"),
        ("DELETE", "/v1/head", 405, "method-not-allowed"),
        (
            "GET",
            "/v1/blocks/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4",
            404,
            "missing",
        ),
        ("POST", "/v1/operations", 409, "refused"),
    ] {
        for accept in [media::JSON, media::PROBLEM] {
            let heard = call(&net, method, target, &[("Accept", accept)], b"");
            let problem = heard.json();
            assert_eq!(
                (heard.status, heard.header("content-type")),
                (status, media::PROBLEM)
            );
            assert_eq!(problem["status"], status, "{problem}");
            assert_eq!(problem["code"], code, "{problem}");
            assert_eq!(problem["type"], format!("/reference#{code}"), "{problem}");
            assert!(problem["title"].is_string() && problem["detail"].is_string());
            assert_eq!(problem["refusal"].is_null(), code != "refused", "{problem}");
            assert_eq!(problem["block"].is_null(), code != "missing", "{problem}");
        }
        let heard = call(&net, method, target, &[], b"");
        let error: ErrorBody = codec::decode(&heard.body).unwrap();
        assert_eq!(
            (error.code.name(), error.code.status()),
            (code.to_owned(), status)
        );
    }
}

/// An account's registration, signed.
fn registration(net: &Net, seed: u8) -> Vec<u8> {
    let genesis: base::genesis::Genesis =
        codec::decode(&get(net, "/v1/genesis", &[]).body).unwrap();
    let secret = OperationSecret::new([seed; 32]);
    let operation = Operation {
        chain: genesis.chain(),
        account: AccountId::of(&secret.public()),
        delegation: None,
        sequence: 1,
        action: Register {
            role: Role::Patient,
            operation_key: secret.public(),
            hpke_key: HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap(),
            record_key: None,
            peer: None,
            patient: Some(PatientKeys {
                pkh: Digest::of(&[seed]),
                h: base::cid::of_block(base::cid::RAW, &[seed]),
            }),
        }
        .into(),
    };
    codec::encode(&Signed::new(operation, &secret))
}

#[test]
fn an_operation_is_taken_in_json_and_only_once_however_it_is_spelt() {
    let net = Net::start();
    let cbor = registration(&net, 1);
    let json = json::of_cbor(&cbor).unwrap();
    let spelt: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let post = |kind: &str, body: &[u8]| {
        call(
            &net,
            "POST",
            "/v1/operations",
            &[("Content-Type", kind)],
            body,
        )
    };
    let first = post(media::JSON, &json);
    assert_eq!(
        (first.status, first.header("content-type")),
        (200, media::JSON)
    );
    // The same operation again, in every spelling: it is known by its id, and leaves one leaf.
    let pretty = serde_json::to_vec_pretty(&spelt).unwrap();
    for (kind, body) in [
        (media::JSON, &json),
        (media::DAG_JSON, &pretty),
        ("application/json; charset=utf-8", &pretty),
        (media::CBOR, &cbor),
    ] {
        let again = post(kind, body);
        assert_eq!(again.status, 409, "{kind}");
        let error = String::from_utf8_lossy(&again.body).into_owned();
        assert!(error.contains("duplicate"), "{error}");
    }
    let size = get(&net, "/v1/status", &[AS_JSON]).json()["tree_size"].clone();
    let id = first.json();
    assert!(id.is_object(), "{id}");
    let again = post(media::JSON, &json::of_cbor(&registration(&net, 2)).unwrap());
    assert_eq!(again.status, 200);
    let after = get(&net, "/v1/status", &[AS_JSON]).json()["tree_size"].clone();
    assert_eq!(after.as_u64(), size.as_u64().map(|size| size + 1));
    net.run(&["ledger", "replay"]).ok();
}

#[test]
fn what_no_route_takes_is_refused_before_anything_is_done() {
    let net = Net::start();
    let operation = registration(&net, 3);
    let post = |headers: &[(&str, &str)], body: &[u8]| -> Heard {
        call(&net, "POST", "/v1/operations", headers, body)
    };
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/cbor",
        "text/html",
        "",
        media::OCTETS,
        media::CAR,
    ] {
        let heard = post(&[("Content-Type", kind)], &operation);
        assert_eq!(heard.status, 415, "{kind}");
    }
    // A block is no JSON, whatever is in it.
    let target = "/v1/blocks/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";
    let json = [("Content-Type", media::JSON)];
    assert_eq!(call(&net, "PUT", target, &json, b"{}").status, 415);
    // Nobody could read the answer: the operation is not done.
    assert_eq!(post(&[("Accept", "text/html")], &operation).status, 406);
    assert_eq!(
        get(&net, "/v1/head", &[("Accept", "image/png")]).status,
        406
    );
    assert_eq!(post(&[], &operation).status, 200, "it was not there yet");
    // JSON that is none, is too deep, or is more than it seems.
    let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    let keys = [b"{".to_vec(), vec![b' '; 1 << 20], b"}".to_vec()].concat();
    for (body, status) in [
        (&deep[..], 400),
        (&b"{\"a\":1"[..], 400),
        (b"{\"a\":1,\"a\":1}", 400),
        (b"{\"a\":1.5}", 400),
        (b"\xff\xfe", 400),
        (b"{}", 409),
        (&keys, 409),
        (&[b' '; 3 << 20], 413),
    ] {
        assert_eq!(post(&json, body).status, status, "{:?}", &body[..2]);
    }
    net.run(&["ledger", "replay"]).ok();
}
