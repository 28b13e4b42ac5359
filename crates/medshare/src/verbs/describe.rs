//! The verbs as OpenAPI 3.1, made of what the command line says of itself.

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value, json};

use super::verb::{Argument, Shape, Verb, every};
use crate::{exit::Exit, http::media};

/// `GET /openapi.json`
pub(super) async fn document() -> Response {
    let text = made().to_string();
    ([(header::CONTENT_TYPE, media::JSON)], text).into_response()
}

/// The document.
pub fn made() -> Value {
    let mut paths = Map::new();
    for verb in every() {
        let operation = json!({ "post": operation(verb) });
        paths.insert(format!("/v1/do/{}", verb.path), operation);
    }
    let codes: Vec<&str> = Exit::TABLE.iter().skip(1).map(|row| row.1).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "medshare serve",
            "version": "1.0.0",
            "summary": "The verbs of one home, for programs on this machine.",
            "description": "Each is a command of `medshare`, whose help says more. Arguments stand in the query; a file that the command reads is the body, and one that it writes is the body of the answer. An operation that is sent again under its Idempotency-Key is not done again.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {
                "Items": {
                    "type": "object",
                    "required": ["items"],
                    "additionalProperties": false,
                    "properties": {"items": {
                        "type": "array",
                        "description": "what the command prints with --json, an object each",
                        "items": {"type": "object"},
                    }},
                },
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail", "code"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "code": {"type": "string", "enum": codes},
                    },
                },
            },
            "responses": {"Problem": {
                "description": "not done; the code is the name of the command's exit code",
                "content": {media::PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }},
            "securitySchemes": {"token": {
                "type": "http", "scheme": "bearer",
                "description": "what `medshare serve` prints when it starts",
            }},
        },
    })
}

fn operation(verb: &Verb) -> Value {
    let words: Vec<&str> = verb.path.split('/').collect();
    let mut parameters: Vec<Value> = verb.arguments.iter().map(parameter).collect();
    let gives = match verb.output {
        Some(_) => json!({
            media::OCTETS: {"schema": {}},
            media::JSON: {"schema": {"$ref": "#/components/schemas/Items"}},
        }),
        None => json!({media::JSON: {"schema": {"$ref": "#/components/schemas/Items"}}}),
    };
    if verb.output.is_none() {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "any text of the caller's; the same key with the same call is done once",
            "schema": {"type": "string", "minLength": 1, "maxLength": super::once::LONGEST},
        }));
    }
    let mut operation = json!({
        "operationId": words.join("-"),
        "summary": verb.says,
        "tags": [words[0]],
        "parameters": parameters,
        "responses": {
            "200": {"description": "done", "content": gives},
            "default": {"$ref": "#/components/responses/Problem"},
        },
        "security": [{"token": []}],
    });
    if let Some(input) = &verb.input {
        operation["requestBody"] = json!({
            "required": input.required,
            "description": input.says,
            "content": {media::OCTETS: {"schema": {}}},
        });
    }
    operation
}

fn parameter(argument: &Argument) -> Value {
    let one = match argument.shape {
        Shape::Switch => json!({"type": "boolean"}),
        _ if argument.values.is_empty() => json!({"type": "string"}),
        _ => json!({"type": "string", "enum": argument.values}),
    };
    let schema = match argument.shape {
        Shape::Many => json!({"type": "array", "items": one}),
        _ => one,
    };
    json!({
        "name": argument.name,
        "in": "query",
        "required": argument.required,
        "description": argument.says,
        "schema": schema,
    })
}
