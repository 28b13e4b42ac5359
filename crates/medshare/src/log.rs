//! What a running node tells its operator: a line on stderr each, or one JSON object with its
//! time where the node was started with `--json`. Who calls puts in no secret, no content of
//! a record and no name of a person; accounts and roots stand on the ledger anyway.

use base::Millis;
use serde_json::json;
use std::{
    fmt::Display,
    io::Write as _,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::system;

static JSON: AtomicBool = AtomicBool::new(false);

/// From now on one JSON object a line: `{"time", "source", "message"}`.
pub(crate) fn as_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// A line for the node's operator.
pub(crate) fn line(what: &dyn Display) {
    let line = written(JSON.load(Ordering::Relaxed), system::now(), what);
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn written(as_json: bool, now: Millis, what: &dyn Display) -> String {
    if !as_json {
        return format!("medshare node: {what}");
    }
    let line = json!({
        "time": now.to_string(), "source": "node", "message": what.to_string(),
    });
    line.to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_with_its_time() {
        let text = written(true, Millis(0), &"a \"fault\"\nof two lines");
        assert!(!text.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(value["message"], "a \"fault\"\nof two lines");
        assert_eq!(written(false, Millis(0), &"so"), "medshare node: so");
    }
}
