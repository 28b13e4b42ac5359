//! How a step is laid out: an object for programs, columns for people.

use serde_json::{Value, json};
use std::time::Duration;

use super::step::{Facts, Step};

/// A step for programs; every key is always there.
pub(super) fn object(step: &Step, outcome: &str, facts: &Facts, reason: Option<&str>) -> Value {
    let mut object = json!({
        "step": step.name,
        "outcome": outcome,
        "operation": facts.operation,
        "cid": facts.cid,
        "milliseconds": facts.time.as_millis() as u64,
        "error": reason,
        "text": step.text,
    });
    if let Some((source, sealed)) = facts.bytes {
        object["bytes"] = json!(source);
        object["stored_bytes"] = json!(sealed);
    }
    object
}

/// A step for people: one row.
pub(super) fn row(step: &Step, facts: &Facts) -> String {
    columns(
        &clipped(&step.text, TEXT),
        &tail(facts.operation.as_deref()),
        &tail(facts.cid.as_deref()),
        &sizes(facts.bytes),
        &time(facts.time),
    )
}

/// The heads of the columns.
pub(super) fn heads() -> String {
    columns("step", "operation", "CID", "bytes", "time")
}

fn columns(text: &str, operation: &str, cid: &str, bytes: &str, time: &str) -> String {
    format!("{text:<TEXT$} {operation:>9} {cid:>9} {bytes:>10} {time:>8}")
}

/// Ids of one kind begin alike: their ends tell them apart. `--json` has them whole.
fn tail(id: Option<&str>) -> String {
    let Some(id) = id else { return String::new() };
    let from = id
        .char_indices()
        .rev()
        .nth(TAIL - 1)
        .map_or(0, |(at, _)| at);
    format!("…{}", &id[from..])
}

fn sizes(bytes: Option<(u64, Option<u64>)>) -> String {
    bytes.map_or_else(String::new, |(source, _)| amount(source))
}

/// Bytes as people read them: whole below 1 KiB, else one decimal.
fn amount(bytes: u64) -> String {
    let tenths = |unit: u64| bytes.saturating_mul(10).div_ceil(unit);
    let (tenths, unit) = match bytes {
        0..1024 => return format!("{bytes} B"),
        1024..0x10_0000 => (tenths(1 << 10), "KiB"),
        _ => (tenths(1 << 20), "MiB"),
    };
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

fn time(time: Duration) -> String {
    match time.as_millis() {
        0 => String::new(),
        millis @ 1..10_000 => format!("{millis} ms"),
        millis => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
    }
}

fn clipped(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

const TEXT: usize = 70;
const TAIL: usize = 8;

#[cfg(test)]
mod tests {
    use super::{super::step::step, *};

    #[test]
    fn people_can_read_it() {
        assert_eq!(amount(1023), "1023 B");
        assert_eq!(amount(4096), "4.0 KiB");
        assert_eq!(amount(3 << 20), "3.0 MiB");
        assert_eq!(tail(Some("bafyreiabcdefgh12345678")), "…12345678");
        assert_eq!(tail(Some("abc")), "…abc");
        assert_eq!(clipped("abcdef", 4), "abc…");
        assert_eq!(sizes(Some((10, Some(4096)))), "10 B");
    }

    #[test]
    fn a_step_is_one_object_with_every_key() {
        let object = object(&step("publish", "x"), "ok", &Facts::default(), None);
        for key in [
            "step",
            "outcome",
            "operation",
            "cid",
            "milliseconds",
            "error",
        ] {
            assert!(object.get(key).is_some(), "{key}");
        }
    }
}
