//! The interface and its description are one: every route that is described answers, every
//! answer has the shape that is described, the page names them all.

use super::{
    net::{Cast, Net},
    talk::{call, get},
};
use medshare::http::{media, openapi, routes};
use serde_json::Value;

const AS_JSON: (&str, &str) = ("Accept", media::JSON);

/// A path with something that is well formed in place of every name.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{height}" | "{index}" => "1",
        "{chain}" => "ethereum",
        "{work}" => "verify",
        "{account}" | "{agent}" | "{locator}" | "{name}" | "{patient}" | "{record}" | "{sid}" => ID,
        part if part.starts_with('{') => CID,
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

const ID: &str = "00000000000000000000000000000000000000000000000000000000000000ff";
const CID: &str = "bafyreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";

#[test]
fn every_route_is_described_and_every_described_route_answers() {
    let net = Net::start();
    let heard = get(&net, "/openapi.json", &[]);
    assert_eq!(
        (heard.status, heard.header("content-type")),
        (200, media::JSON)
    );
    let document = heard.json();
    assert_eq!(document, openapi::made());
    let page = get(&net, "/reference", &[("Accept", "text/html")]);
    assert_eq!(page.status, 200);
    let page = String::from_utf8(page.body).unwrap();
    let mut described = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let target = filled(path);
        for method in methods.as_object().unwrap().keys() {
            described += 1;
            let heard = call(&net, &method.to_uppercase(), &target, &[AS_JSON], b"");
            assert_ne!(heard.status, 405, "{method} {path}");
            assert!(heard.status < 500, "{method} {path}: {heard:?}");
            assert_guarded(&heard, path);
            let named = format!("{} {path}", method.to_uppercase());
            assert!(page.contains(&named), "the page lacks {named}");
        }
        // The path is there, and that method is not: it is no other route that answers.
        let other = call(&net, "PATCH", &target, &[AS_JSON], b"");
        assert_eq!(other.status, 405, "{path}");
        assert_eq!(other.json()["code"], "method-not-allowed");
    }
    assert_eq!(described, routes::about().len());
    assert!(described > 75, "{described}");
    // Nothing in the page is loaded from elsewhere.
    for tag in ["<script", "<link", "src=", "http://", "https://"] {
        assert!(!page.contains(tag), "{tag}");
    }
}

fn assert_guarded(heard: &super::talk::Heard, path: &str) {
    let policy = heard.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
    assert!(
        policy.contains("frame-ancestors 'none'"),
        "{path}: {policy}"
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(heard.header(name), value, "{path}: {name}");
    }
}

#[test]
fn what_a_node_answers_has_the_shape_that_is_described() {
    let cast = Cast::gather();
    let net = &cast.net;
    let record = cast.record(&net.write("note.txt", "a note"));
    let grant = cast.grant(&["document"], &[]);
    cast.open(&record, "opened.txt").ok();
    let document = get(net, "/openapi.json", &[]).json();
    let read = |target: &str| get(net, target, &[AS_JSON]);
    let state = read(&format!("/v1/records/{record}")).json()["accepted"]["/"].clone();
    let state = state.as_str().unwrap().to_owned();
    let queries = read(&format!("/v1/grants/{grant}/queries")).json();
    let query = queries["items"][0]["id"]["/"].as_str().unwrap().to_owned();
    let request = read(&format!("/v1/grants/{grant}")).json()["terms"]["request"]["/"].clone();
    let request = request.as_str().unwrap().to_owned();
    let mut fitting = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(schema) = methods["get"]["responses"]["200"]["content"].get(media::JSON) else {
            continue;
        };
        if path == "/openapi.json" {
            continue;
        }
        for account in [&cast.patient, &cast.hospital, &cast.agent, &cast.institute] {
            let target = path
                .replace("{account}", account)
                .replace("{agent}", account)
                .replace("{patient}", &cast.patient)
                .replace("{record}", &record)
                .replace("{grant}", &grant)
                .replace("{operation}", &grant)
                .replace("{request}", &request)
                .replace("{query}", &query)
                .replace("{state}", &state)
                .replace("{height}", "2");
            let target = match path.as_str() {
                "/v1/proofs/inclusion" => format!("{target}?index=0&size=2"),
                "/v1/proofs/consistency" => format!("{target}?from=1&to=2"),
                _ => filled(&target),
            };
            let heard = read(&target);
            if heard.status == 200 {
                fits(&document, &schema["schema"], &heard.json(), &target);
                fitting += 1;
            } else {
                let problem = serde_json::json!({"$ref": "#/components/schemas/Problem"});
                fits(&document, &problem, &heard.json(), &target);
            }
        }
    }
    assert!(fitting > 120, "{fitting} answers were compared");
    // A shape that is wrong is noticed.
    let wrong = std::panic::catch_unwind(|| {
        let status = serde_json::json!({"$ref": "#/components/schemas/Status"});
        fits(
            &document,
            &status,
            &serde_json::json!({"interface": 1}),
            "wrong",
        );
    });
    assert!(wrong.is_err());
}

/// What the document uses of JSON Schema.
fn fits(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = &document.pointer(name.trim_start_matches('#')).unwrap();
        return fits(document, schema, value, &format!("{place} ({name})"));
    }
    if let Some(one_of) = schema["anyOf"].as_array() {
        let one_of: Vec<&Value> = one_of.iter().filter(|one| one["type"] != "null").collect();
        if !value.is_null() {
            fits(document, one_of[0], value, place);
        }
        return;
    }
    if let Some(listed) = schema["enum"].as_array() {
        assert!(listed.contains(value), "{place}: {value}");
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        Value::Null => return,
        kind => vec![kind.clone()],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(
        kinds.contains(&kind.into()),
        "{place}: {kind} where {kinds:?} is due"
    );
    if let Value::Array(items) = value {
        for item in items {
            fits(document, &schema["items"], item, &format!("{place} []"));
        }
    }
    if let (Value::Object(found), Some(properties)) = (value, schema["properties"].as_object()) {
        for name in schema["required"].as_array().unwrap() {
            assert!(
                found.contains_key(name.as_str().unwrap()),
                "{place} lacks {name}"
            );
        }
        for (name, value) in found {
            let schema = properties.get(name);
            let schema = schema.unwrap_or_else(|| panic!("{place} has {name}"));
            fits(document, schema, value, &format!("{place}.{name}"));
        }
    }
}
