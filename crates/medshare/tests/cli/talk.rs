//! HTTP with every header in hand, to the node of a [`Net`].

use super::net::{Net, Running};
use base::key::OperationSecret;
use medshare::{
    home::{Home, passphrase::PassphraseSource},
    http::signature,
    system,
};
use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

/// Runs the node of `net`, which must not run, on loopback TCP; and where that is.
pub(crate) fn on_tcp(net: &Net) -> (Running, String) {
    let words = [
        "node",
        "run",
        "--home",
        "node",
        "--json",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut node = net.spawn(&words);
    let line: serde_json::Value = serde_json::from_str(&node.line()).unwrap();
    (node, line["listening"].as_str().unwrap().to_owned())
}

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    /// Header lines in lower case, sorted, those of the moment left out.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        let found = self
            .headers
            .iter()
            .find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A connection to the node.
pub(crate) fn connect(net: &Net) -> UnixStream {
    let stream = UnixStream::connect(net.path("node/node/medshare.sock")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Status, head and body of what came before a connection ended; status 0 of nothing.
pub(crate) fn parts(answer: &[u8]) -> (u16, String, Vec<u8>) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, rest) = answer.split_at(end.unwrap_or(answer.len()));
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (
        status.unwrap_or(0),
        head,
        rest.get(4..).unwrap_or_default().to_vec(),
    )
}

/// One request on a connection of its own.
pub(crate) fn call(
    net: &Net,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Heard {
    call_over(connect(net), method, target, headers, body)
}

/// The same to somebody else.
pub(crate) fn call_over(
    mut stream: UnixStream,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Heard {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "Transfer-Encoding") {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "Connection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    heard(&answer)
}

pub(crate) fn get(net: &Net, target: &str, headers: &[(&str, &str)]) -> Heard {
    call(net, "GET", target, headers, b"")
}

/// An answer, taken apart.
pub(crate) fn heard(answer: &[u8]) -> Heard {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(answer)));
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap();
    let mut headers: Vec<String> = lines
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !name.eq_ignore_ascii_case("date"))
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .collect();
    headers.sort();
    Heard {
        status: first.split(' ').nth(1).unwrap().parse().unwrap(),
        headers,
        body: answer[end + 4..].to_vec(),
    }
}

/// Who signs requests.
pub(crate) struct Signer {
    pub(crate) keyid: String,
    pub(crate) secret: OperationSecret,
    pub(crate) chain: base::ChainId,
}

/// What may be different about a signed request.
pub(crate) struct Way<'a> {
    pub(crate) covered: &'a [&'a str],
    /// Seconds by which the signer's clock is ahead.
    pub(crate) ahead: i64,
    pub(crate) nonce: Option<&'a str>,
}

impl Default for Way<'_> {
    fn default() -> Self {
        Self {
            covered: &["@method", "@target-uri"],
            ahead: 0,
            nonce: None,
        }
    }
}

impl Signer {
    /// Whose home it is.
    pub(crate) fn of(net: &Net, home: &str) -> Self {
        let home = Home::open(&net.path(home)).unwrap();
        let passphrase = PassphraseSource::File(net.path("pass")).read().unwrap();
        let keys = home.unlock(&passphrase).unwrap();
        let entered = home.enter(&keys, Duration::from_secs(20)).unwrap();
        // Signatures have whole seconds, and a node takes none of the second in which it began.
        std::thread::sleep(Duration::from_millis(1_100));
        Self {
            keyid: home.facts.account.to_string(),
            secret: entered.identity.party.operation.clone(),
            chain: home.facts.chain,
        }
    }

    /// Headers that sign a request; with a body its digest is covered too.
    pub(crate) fn headers(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        way: &Way<'_>,
    ) -> Vec<(String, String)> {
        let digest = signature::content_digest(body);
        let request = axum::http::Request::builder()
            .method(method)
            .uri(target)
            .header("host", HOST)
            .header("content-digest", &digest);
        let parts = request.body(()).unwrap().into_parts().0;
        let mut covered = way.covered.to_vec();
        if !body.is_empty() {
            covered.push("content-digest");
        }
        let created = system::now().0 / 1000;
        let random = hex::encode(system::random32());
        let (input, signature) = signature::sign(
            &parts,
            &covered,
            (&self.keyid, &self.secret),
            self.chain,
            created.checked_add_signed(way.ahead).unwrap(),
            way.nonce.unwrap_or(&random),
        )
        .unwrap();
        let mut headers = vec![
            ("Signature-Input".to_owned(), input),
            ("Signature".to_owned(), signature),
        ];
        if !body.is_empty() {
            headers.push(("Content-Digest".to_owned(), digest));
        }
        headers
    }

    /// A signed request.
    pub(crate) fn call(
        &self,
        net: &Net,
        method: &str,
        target: &str,
        body: &[u8],
        way: &Way<'_>,
    ) -> Heard {
        let headers = self.headers(method, target, body, way);
        call(net, method, target, &borrowed(&headers), body)
    }
}

pub(crate) fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

pub(crate) const HOST: &str = "localhost";
