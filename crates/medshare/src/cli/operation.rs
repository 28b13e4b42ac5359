//! Sending one operation and telling what became of it.

use base::{Action, OperationId};
use serde_json::{Value, json};
use share::desk::Sent;

use super::{context::Entered, output::Output};
use crate::exit::Result;

/// Sends `action` as the home's party and checks receipt and outcome.
///
/// # Errors
/// [`crate::exit::Exit::Refused`] naming the rule, and what reaching the node gives.
pub fn send(entered: &Entered, action: impl Into<Action>) -> Result<Sent> {
    Ok(entered.desk().send(action)?)
}

/// An operation that took effect, as JSON.
pub fn sent_json(sent: &Sent) -> Value {
    json!({
        "operation": sent.id.to_string(),
        "index": sent.index,
        "height": sent.head.header.height,
        "time": sent.time().to_string(),
        "outcome": "ok",
    })
}

/// Prints an operation that took effect, after what was done.
///
/// # Errors
/// As [`Output::data`].
pub fn report(output: &Output, done: &str, sent: &Sent, more: &[(&str, Value)]) -> Result<()> {
    let mut value = sent_json(sent);
    let mut text = format!(
        "{done}\noperation        {}\nheight           {}",
        sent.id, sent.head.header.height
    );
    for (key, extra) in more {
        value[*key] = extra.clone();
        if let Some(extra) = extra.as_str() {
            text.push_str(&format!("\n{:<16} {extra}", key.replace('_', " ")));
        }
    }
    output.data(&value, text)
}

/// An operation's id as typed.
///
/// # Errors
/// One line for the person.
pub fn parse_id(text: &str) -> std::result::Result<OperationId, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no operation id; it begins with bafyrei"))
}
