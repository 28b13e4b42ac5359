//! JSON-RPC to a node on this machine, as tests speak it.

use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// What the node at `port` answers.
pub(crate) fn ask(port: u16, authorization: &str, method: &str, params: &Value) -> Option<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = body.len();
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-type: application/json\r\n{authorization}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

/// A call; panics with the node's error.
pub(crate) fn call(port: u16, authorization: &str, method: &str, params: &Value) -> Value {
    let answer = ask(port, authorization, method, params).expect("an answer");
    let fine = answer.get("error").is_none_or(Value::is_null);
    assert!(fine, "{method}: {answer}");
    answer["result"].clone()
}
