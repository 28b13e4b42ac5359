//! A browser without one: a page's link, its session, its forms.

use crate::{
    net::{Net, Running},
    talk::parts,
};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

/// Between the parts of a form.
pub(crate) const EDGE: &str = "0123456789abcdef";

/// A running wallet with its page, and the session of its browser.
pub(crate) struct Page {
    pub(crate) process: Running,
    pub(crate) at: String,
    pub(crate) link: String,
    pub(crate) cookie: String,
}

/// What came back.
pub(crate) struct Came {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Came {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }

    /// The token that the page's forms carry.
    pub(crate) fn csrf(&self) -> String {
        let text = self.text();
        let at = text.find("name=\"csrf\" value=\"").unwrap() + 19;
        text[at..at + 64].to_owned()
    }
}

impl Page {
    /// Starts the page of a home; the link is not opened yet.
    pub(crate) fn start(net: &Net, home: &str) -> Self {
        let verb = match home {
            "anna" => ["wallet", "run", "--page"],
            _ => ["page", "--quiet", "--at"],
        };
        let arguments = [&verb[..], &["127.0.0.1:0", "--home", home, "--json"]].concat();
        Self::of(net.spawn(&arguments))
    }

    /// The auditor's, who has a genesis file and no home.
    pub(crate) fn audit(net: &Net) -> Self {
        net.run(&["ledger", "genesis", "--output", "genesis.cbor", "--force"])
            .ok();
        let arguments = ["ledger", "page", "--genesis", "genesis.cbor", "--json"];
        Self::of(net.spawn(&arguments)).opened()
    }

    pub(crate) fn of(mut process: Running) -> Self {
        let line: serde_json::Value = serde_json::from_str(&process.line()).unwrap();
        process.say_on();
        let at = line["address"]
            .as_str()
            .unwrap()
            .strip_prefix("http://")
            .unwrap()
            .to_owned();
        let link = line["link"]
            .as_str()
            .unwrap()
            .split_once(&at)
            .unwrap()
            .1
            .to_owned();
        Self {
            process,
            at,
            link,
            cookie: String::new(),
        }
    }

    /// The same, as her browser: the link was opened.
    pub(crate) fn open(net: &Net, home: &str) -> Self {
        Self::start(net, home).opened()
    }

    pub(crate) fn opened(self) -> Self {
        let mut page = self;
        let came = page.get(&page.link.clone());
        assert_eq!(came.status, 303);
        let cookie = came.header("set-cookie").unwrap();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        page.cookie = cookie.split(';').next().unwrap().to_owned();
        page
    }

    pub(crate) fn ask(&self, method: &str, path: &str, more: &str, body: impl AsRef<[u8]>) -> Came {
        let body = body.as_ref();
        let mut stream = TcpStream::connect(&self.at).unwrap();
        let host = if more.contains("Host:") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.at)
        };
        let cookie = if self.cookie.is_empty() {
            String::new()
        } else {
            format!("Cookie: {}\r\n", self.cookie)
        };
        let length = if more.contains("Content-Length:") || more.contains("chunked") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let text = format!(
            "{method} {path} HTTP/1.1\r\n{host}{cookie}{more}{length}Connection: close\r\n\r\n"
        );
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let (status, head, body) = parts(&answer);
        Came { status, head, body }
    }

    pub(crate) fn get(&self, path: &str) -> Came {
        self.ask("GET", path, "", "")
    }

    /// From the request to the first byte of the answer, which must be a page.
    pub(crate) fn first_byte(&self, path: &str) -> Duration {
        let mut stream = TcpStream::connect(&self.at).unwrap();
        let begin = Instant::now();
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
            self.at, self.cookie
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer[..1]).unwrap();
        let spent = begin.elapsed();
        stream.read_exact(&mut answer[1..]).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200", "{path}");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        spent
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Came {
        let more = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://{}\r\n",
            self.at
        );
        self.ask("POST", path, &more, body)
    }

    /// The path of the link whose text ends so.
    pub(crate) fn link_to(&self, page: &str, prefix: &str) -> Option<String> {
        let text = self.get(page).text();
        let at = text.find(&format!("href=\"{prefix}"))? + 6;
        text[at..].split('"').next().map(str::to_owned)
    }

    /// Sends a form with a file, its fields first.
    pub(crate) fn upload(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        file: (&str, &str, &[u8]),
    ) -> Came {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(
                format!(
                    "--{EDGE}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                )
                .bytes(),
            );
        }
        let (name, called, bytes) = file;
        body.extend(format!("--{EDGE}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{called}\"\r\nContent-Type: text/html\r\n\r\n").bytes());
        body.extend(bytes);
        body.extend(format!("\r\n--{EDGE}--\r\n").bytes());
        self.ask("POST", path, &self.of_form(), body)
    }

    pub(crate) fn of_form(&self) -> String {
        format!(
            "Content-Type: multipart/form-data; boundary={EDGE}\r\nOrigin: http://{}\r\n",
            self.at
        )
    }

    pub(crate) fn end(self) {
        assert_eq!(self.process.terminate(), Some(0));
    }
}
