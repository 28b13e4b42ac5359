//! The interface described: an OpenAPI 3.1 document and a page to read, both made of the
//! routes' own descriptions ([`routes::about`](super::routes::about)) and the shapes in
//! [`shapes`].

mod shapes;

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use pages::reference;
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, sync::LazyLock};

use super::{
    media,
    message::{ErrorCode, INTERFACE},
    routes,
    table::{About, Asks, Gives, Method, Takes},
};

/// `GET /openapi.json`
pub(super) async fn document() -> Response {
    static TEXT: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&made()).unwrap_or_default().into());
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(media::JSON))];
    (kind, TEXT.clone()).into_response()
}

/// `GET /reference`
pub(super) async fn reference() -> Response {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| page().into_bytes().into());
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let policy = HeaderValue::from_static(reference::POLICY);
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, TEXT.clone()).into_response()
}

/// The document.
pub fn made() -> Value {
    let mut paths = Map::new();
    for about in routes::about() {
        let path = paths.entry(about.path).or_insert_with(|| json!({}));
        path[about.method.name().to_ascii_lowercase()] = operation(&about);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "medshare",
            "version": format!("{INTERFACE}.0.0"),
            "summary": "Patients own their medical records and share them.",
            "description": "Objects are canonical DAG-CBOR, or DAG-JSON where JSON is asked for: bytes are {\"/\":{\"bytes\":\"base64\"}}, CIDs {\"/\":\"text\"}. Ids in paths are hexadecimal, operations and blocks CIDs. What is not allowed and what does not exist are one answer.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": shapes::schemas(),
            "responses": {"Problem": problem()},
            "securitySchemes": schemes(),
        },
    })
}

fn operation(about: &About) -> Value {
    let mut operation = json!({
        "operationId": id(about),
        "summary": about.says,
        "tags": [tag(about)],
        "responses": {
            "200": {"description": "done", "content": content(&about.gives)},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    });
    let named = names(about.path).map(|name| {
        json!({"name": name, "in": "path", "required": true, "schema": shapes::of_name(name)})
    });
    let asked = about.query.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.says,
            "schema": {"type": "integer", "minimum": 0, "maximum": u64::MAX},
        })
    });
    let parameters: Vec<Value> = named.chain(asked).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    match about.takes {
        Takes::Nothing => {}
        Takes::Object(name) => {
            operation["requestBody"] = json!({
                "required": true,
                "content": {
                    media::JSON: {"schema": shapes::named(name)},
                    media::CBOR: {"schema": {}},
                },
            });
        }
        Takes::Bytes(kind) => {
            operation["requestBody"] = json!({"required": true, "content": {kind: {"schema": {}}}});
        }
    }
    if about.asks != Asks::Nothing {
        let ways = [WAYS.0, WAYS.1, WAYS.2].map(|way| json!({way: []}));
        operation["security"] = ways.to_vec().into();
    }
    operation
}

fn content(gives: &Gives) -> Value {
    let schema = match gives {
        Gives::Done => json!({"type": "null"}),
        Gives::Object(name) => shapes::named(name),
        Gives::List(name) => json!({"type": "array", "items": shapes::named(name)}),
        Gives::Page(name) => json!({
            "type": "object",
            "required": ["items", "next"],
            "additionalProperties": false,
            "properties": {
                "items": {"type": "array", "items": shapes::named(name)},
                "next": {"type": ["integer", "null"]},
            },
        }),
        Gives::Bytes(media::JSON) => return json!({media::JSON: {"schema": {"type": "object"}}}),
        Gives::Bytes(kind) => return json!({*kind: {"schema": {}}}),
    };
    json!({
        media::JSON: {"schema": schema},
        media::DAG_JSON: {"schema": schema},
        media::CBOR: {"schema": {}},
    })
}

fn problem() -> Value {
    json!({
        "description": "not done; the code says why",
        "content": {
            media::PROBLEM: {"schema": shapes::named("Problem")},
            media::CBOR: {"schema": {}},
            "text/plain": {"schema": {"type": "string"}},
        },
    })
}

fn schemes() -> Value {
    json!({
        WAYS.0: {
            "type": "apiKey", "in": "header", "name": "Signature",
            "description": "HTTP Message Signatures (RFC 9421), ed25519, with Signature-Input: tag \"medshare/v1/<ledger>\", keyid the account, created within 60 s, a nonce; covers @method, the target and, with a body, content-digest. Once.",
        },
        WAYS.1: {
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "Medshare <base64url of a signed ticket>, once",
        },
        WAYS.2: {
            "type": "http", "scheme": "bearer",
            "description": "a session, opened by one of the others at POST /v1/session",
        },
    })
}

/// The ways to say who asks.
const WAYS: (&str, &str, &str) = ("signature", "ticket", "session");

/// `get` and the words of the path.
fn id(about: &About) -> String {
    let words = about.path.split(|c: char| !c.is_ascii_alphanumeric());
    let mut id = about.method.name().to_ascii_lowercase();
    for word in words.filter(|word| !word.is_empty()) {
        id.push('-');
        id.push_str(word);
    }
    id
}

fn tag(about: &About) -> &'static str {
    let mut parts = about.path.split('/').filter(|part| !part.is_empty());
    match parts.next() {
        Some("v1") => parts.next().unwrap_or("node"),
        _ => "node",
    }
}

/// The names in a path.
fn names(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// The page.
fn page() -> String {
    let every = routes::about();
    let tags: BTreeSet<&str> = every.iter().map(tag).collect();
    let groups = tags
        .into_iter()
        .map(|name| {
            let routes = every.iter().filter(|about| tag(about) == name);
            (name, routes.map(row).collect())
        })
        .collect();
    let errors = ErrorCode::ALL
        .iter()
        .map(|(code, status, title)| (code.name(), *status, *title))
        .collect();
    let shapes = shapes::lines();
    reference::show(&reference::Reference {
        groups,
        errors,
        shapes,
    })
    .into_string()
}

fn row(about: &About) -> reference::Route {
    let query = about.query.iter().map(|parameter| {
        let mark = if parameter.required { "" } else { "?" };
        format!("{}{mark}: {}", parameter.name, parameter.says)
    });
    reference::Route {
        method: about.method.name(),
        path: about.path,
        says: about.says,
        asks: asks(about.asks),
        query: query.collect(),
        takes: match about.takes {
            Takes::Nothing => String::new(),
            Takes::Object(name) => name.to_owned(),
            Takes::Bytes(kind) => kind.to_owned(),
        },
        gives: match about.gives {
            Gives::Done => "null".to_owned(),
            Gives::Object(name) => name.to_owned(),
            Gives::List(name) => format!("list of {name}"),
            Gives::Page(name) => format!("page of {name}"),
            Gives::Bytes(kind) => kind.to_owned(),
        },
    }
}

const fn asks(asks: Asks) -> &'static str {
    match asks {
        Asks::Nothing => "",
        Asks::Account => "an account",
        Asks::Newcomer => "an account, also one about to register",
        Asks::Operator => "the node's own account",
    }
}

/// The table of routes of `docs/interface.md`.
pub fn table_markdown() -> String {
    let mut table = String::from("| route | who | gives |\n| --- | --- | --- |\n");
    for about in routes::about() {
        let query: Vec<&str> = about.query.iter().map(|parameter| parameter.name).collect();
        let query = match about.method {
            Method::Get if !query.is_empty() => format!("?{}=", query.join("=&")),
            _ => String::new(),
        };
        let who = match about.asks {
            Asks::Nothing => "",
            Asks::Account => "T",
            Asks::Newcomer => "T, N",
            Asks::Operator => "O",
        };
        let line = format!(
            "| `{} {}{query}` | {who} | {} |\n",
            about.method.name(),
            about.path,
            about.says
        );
        table.push_str(&line);
    }
    table
}
