//! Objects as JSON and as text: one rule for every type, no second description of any.
//!
//! An object becomes IPLD data, then JSON: byte strings (ids, keys, hashes) as lower-case
//! hexadecimal text, links as the text of their CID, times as numbers of milliseconds.

use base::Cid;
use ipld_core::{ipld::Ipld, serde::to_ipld};
use serde::Serialize;
use serde_json::{Map, Value};

/// `object` as JSON.
pub fn json<T: Serialize>(object: &T) -> Value {
    // Every type of ours has an IPLD form; null stands for what cannot happen.
    to_ipld(object).map_or(Value::Null, convert)
}

/// JSON as indented text for people: `key  value` lines.
pub fn text(value: &Value) -> String {
    let mut lines = String::new();
    write(value, 0, &mut lines);
    lines.trim_end().to_owned()
}

/// The first 12 characters of an id, for tables.
pub fn short(id: impl std::fmt::Display) -> String {
    let text = id.to_string();
    let from = if text.starts_with("bafy") {
        text.len().saturating_sub(12)
    } else {
        0
    };
    text.chars().skip(from).take(12).collect()
}

/// A word of the protocol, or several, as they are typed: `research`, `accept,protect`.
pub fn word<T: Serialize>(word: &T) -> String {
    match json(word) {
        Value::Array(words) => words.iter().map(scalar).collect::<Vec<_>>().join(","),
        other => scalar(&other),
    }
}

fn convert(ipld: Ipld) -> Value {
    match ipld {
        Ipld::Null => Value::Null,
        Ipld::Bool(value) => value.into(),
        Ipld::Integer(value) => match i64::try_from(value) {
            Ok(value) => value.into(),
            Err(_) => value.to_string().into(),
        },
        Ipld::Float(value) => value.into(),
        Ipld::String(text) => text.into(),
        Ipld::Bytes(bytes) => hex::encode(bytes).into(),
        Ipld::List(items) => items.into_iter().map(convert).collect(),
        Ipld::Map(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| (key, convert(value)))
                .collect::<Map<_, _>>(),
        ),
        Ipld::Link(cid) => Cid::to_string(&cid).into(),
    }
}

fn write(value: &Value, depth: usize, lines: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::Object(_) | Value::Array(_) if !is_empty(value) => {
                        lines.push_str(&format!("{indent}{key}\n"));
                        write(value, depth + 1, lines);
                    }
                    other => lines.push_str(&format!("{indent}{key:<16} {}\n", scalar(other))),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Object(_) | Value::Array(_) => {
                        lines.push_str(&format!("{indent}-\n"));
                        write(item, depth + 1, lines);
                    }
                    other => lines.push_str(&format!("{indent}- {}\n", scalar(other))),
                }
            }
        }
        other => lines.push_str(&format!("{indent}{}\n", scalar(other))),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(entries) => entries.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        Value::Array(_) | Value::Object(_) => "none".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::AccountId;

    #[test]
    fn ids_are_hexadecimal() {
        assert_eq!(json(&AccountId([0xab; 32])), Value::from("ab".repeat(32)));
        assert_eq!(word(&base::operation::RejectCode::NotMine), "not-mine");
        assert_eq!(short(AccountId([0xab; 32])), "abababababab");
    }
}
