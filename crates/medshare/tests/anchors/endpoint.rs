//! What stands between a node and a public chain: TLS, and a chain that says nothing.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    anvil::{Anvil, KEYS},
    ethereum::hurry,
    net::Net,
};

/// A server with a certificate in front of anvil.
struct Tls {
    server: Child,
    port: u16,
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Tls {
    /// Its authority's certificate is `authority.pem`.
    fn start(net: &Net, behind: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = authority.self_signed(&key).unwrap();
        net.write("authority.pem", authority.pem());
        let own = KeyPair::generate().unwrap();
        let names = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = names.signed_by(&own, &authority, &key).unwrap();
        net.write("server.pem", certificate.pem());
        net.write("server.key", own.serialize_pem());
        net.write("proxy.py", PROXY);
        let mut server = Command::new("python3")
            .args(["proxy.py", behind])
            .current_dir(net.path(""))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            server,
            port: line.trim().parse().unwrap(),
        }
    }
}

const PROXY: &str = r#"
import http.server, ssl, sys, urllib.request

class Proxy(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        asked = urllib.request.Request(sys.argv[1], body, {"content-type": "application/json"})
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        said = direct.open(asked).read()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
server = http.server.HTTPServer(("127.0.0.1", 0), Proxy)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// A node's home whose key has coins.
fn net() -> Net {
    let mut net = Net::start();
    net.stop_node();
    net.write("key.hex", hex::encode(KEYS[0]));
    net.json(&["anchor", "key", "--import", "key.hex", "--home", "node"]);
    net
}

#[test]
fn ethereum_is_asked_over_tls_if_its_certificate_holds() {
    let anvil = Anvil::start();
    let net = net();
    let tls = Tls::start(&net, &anvil.url());
    let deploy = |host: &str, trusted: &str| {
        let endpoint = format!("https://{host}:{}", tls.port);
        let words = [
            "anchor",
            "deploy",
            "--endpoint",
            &endpoint,
            "--home",
            "node",
        ];
        let mut command = net.command(&[&words[..], &["--json"]].concat());
        command.env("SSL_CERT_FILE", net.path(trusted));
        command.output().unwrap()
    };
    // Of an authority that nobody knows; and of another name than the one that was asked.
    net.write("none.pem", "");
    for (host, trusted) in [("localhost", "none.pem"), ("127.0.0.1", "authority.pem")] {
        let refused = deploy(host, trusted);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_ne!(refused.status.code(), Some(0), "{said}");
        assert!(said.contains("no usable answer from https://"), "{said}");
        let config = fs::read_to_string(net.path("node/config.toml")).unwrap();
        assert!(!config.contains("[anchor.ethereum]"), "{config}");
    }
    let deployed = deploy("localhost", "authority.pem");
    let said = String::from_utf8_lossy(&deployed.stderr).into_owned();
    assert_eq!(deployed.status.code(), Some(0), "{said}");
    let deployed: Value = serde_json::from_slice(&deployed.stdout).unwrap();
    assert!(deployed["contract"].is_string());
}

/// Longer than any operation takes here, and far less than what the node waits for the chain.
const SOON: Duration = Duration::from_secs(8);

#[test]
fn ethereum_that_says_nothing_holds_nobody_up() {
    let anvil = Anvil::start();
    let mut net = net();
    let url = anvil.url();
    net.json(&["anchor", "deploy", "--endpoint", &url, "--home", "node"]);
    hurry(&net);
    // It takes connections and requests, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let config = fs::read_to_string(net.path("node/config.toml")).unwrap();
    let config = config.replace(&url, &address);
    assert!(config.contains(&address));
    net.write("node/config.toml", config);
    net.run_node();
    let asked = silent.accept().unwrap();
    for number in 0..5 {
        let begun = Instant::now();
        net.party(&format!("patient-{number}"), "patient");
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    }
    let standing = net.json(&["anchor", "status", "--home", "node"]);
    assert_eq!(standing["chains"][0]["anchors"], 0);
    drop(asked);
    net.stop_node();
}
