//! How fast the interface is: `cargo xtask bench service` runs this, with wrk, and writes what
//! it prints into docs/performance.md. One JSON object a figure.

use super::{
    net::{Net, Running},
    talk::{Signer, Way, on_tcp},
};
use base::{
    AccountId, ChainId, Digest, Millis, Signed, codec,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
    operation::{Operation, PatientKeys, Register, Role},
};
use consensus::{Limits, Sequencer, Solo, SystemClock};
use ledger::{Ledger, OpenOptions};
use serde_json::json;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Connections of wrk, and threads of the same work in one process.
const CLIENTS: usize = 64;
/// Operations that are signed beforehand: more than are done in the time.
const OPERATIONS: usize = 150_000;
/// Bytes of the upload.
const UPLOAD: u64 = 1 << 30;

#[test]
#[ignore = "measures: cargo xtask bench service"]
fn figures() {
    let seconds: u64 = std::env::var("FIGURES_SECONDS").map_or(5, |text| text.parse().unwrap());
    let mut net = Net::start();
    net.stop_node();
    net.allow_requests(1_000_000);
    let (node, address) = on_tcp(&net);
    let genesis: Genesis = codec::decode(&body_of(&address, "/v1/genesis")).unwrap();

    let operations = signed(genesis.chain(), OPERATIONS);
    let bytes = operations[0].len();
    post(&address, &operations[0]);
    let account = account_of(0);
    for (what, path, accept) in [
        ("static answer", "/healthz".to_owned(), "*/*"),
        ("newest head", "/v1/head".to_owned(), "*/*"),
        ("account", format!("/v1/accounts/{account}"), "*/*"),
        (
            "account as JSON",
            format!("/v1/accounts/{account}"),
            "application/json",
        ),
    ] {
        let rate = wrk(
            seconds,
            &[
                "-H",
                &format!("Accept: {accept}"),
                &format!("{address}{path}"),
            ],
        );
        print(json!({"figure": what, "per_second": rate, "clients": CLIENTS}));
    }
    let file = net.path("operations");
    let mut framed = Vec::new();
    for operation in &operations[1..] {
        framed.extend(u32::try_from(operation.len()).unwrap().to_be_bytes());
        framed.extend(operation);
    }
    fs::write(&file, framed).unwrap();
    let script = net.write("writes.lua", WRITES);
    let rate = wrk(
        seconds,
        &[
            "-s",
            script.to_str().unwrap(),
            &format!("{address}/v1/operations"),
            "--",
            file.to_str().unwrap(),
        ],
    );
    print(
        json!({"figure": "signed write", "per_second": rate, "clients": CLIENTS, "bytes": bytes}),
    );
    in_process(seconds);
    // What goes up is held by a node that has just written as much as it can, and by one that
    // was started afresh on the same ledger.
    upload(&net, &address, &node, "upload of 1 GiB after the writes");
    assert_eq!(node.terminate(), Some(0));
    let (node, address) = on_tcp(&net);
    upload(&net, &address, &node, "upload of 1 GiB");
    assert_eq!(node.terminate(), Some(0));
}

/// The same reads and writes without HTTP: a ledger and its sequencer in this process.
fn in_process(seconds: u64) {
    let folder = tempfile::tempdir().unwrap();
    let secret = OperationSecret::new([1; 32]);
    let genesis = Genesis {
        version: base::Version,
        network: "figures".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: vec![Validator {
            key: secret.public(),
            hpke_key: hpke(),
        }],
        institutions: vec![],
        policy: Policy::default(),
    };
    let path = folder.path().join("ledger.redb");
    let ledger = Arc::new(Ledger::create(&path, &genesis, OpenOptions::default()).unwrap());
    let solo = Solo::start(Arc::clone(&ledger), secret, SystemClock, Limits::default()).unwrap();
    let operations = signed(genesis.chain(), OPERATIONS);
    solo.submit(operations[0].clone()).unwrap();
    let rate = threads(seconds, |_| {
        let account = ledger.view().unwrap().account(account_of(0)).unwrap();
        !codec::encode(&account.unwrap()).is_empty()
    });
    print(json!({"figure": "account, in process", "per_second": rate, "clients": CLIENTS}));
    let rate = threads(seconds, |number| {
        let operation = operations.get(number + 1);
        operation.is_some_and(|operation| solo.submit(operation.clone()).is_ok())
    });
    print(json!({"figure": "signed write, in process", "per_second": rate, "clients": CLIENTS}));
}

/// How often all threads together do `work` in a second; each time gets its number. Where
/// there is no more to do they end.
fn threads(seconds: u64, work: impl Fn(usize) -> bool + Sync) -> f64 {
    let (next, done, start) = (AtomicUsize::new(0), AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while start.elapsed() < Duration::from_secs(seconds) {
                    if !work(next.fetch_add(1, Ordering::Relaxed)) {
                        break;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner() as f64 / start.elapsed().as_secs_f64()
}

/// Requests a second; every answer must be a 200.
fn wrk(seconds: u64, words: &[&str]) -> f64 {
    let program = std::env::var_os("MEDSHARE_WRK").unwrap_or_else(|| "wrk".into());
    let done = Command::new(program)
        .args(["-t1", &format!("-c{CLIENTS}"), &format!("-d{seconds}s")])
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(
        !said.contains("Non-2xx") && !said.contains("Socket errors"),
        "{said}"
    );
    let rate = said
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.unwrap_or_else(|| panic!("{said}"))
        .trim()
        .parse()
        .unwrap()
}

/// A file goes up, and the node's memory is looked at.
fn upload(net: &Net, address: &str, node: &Running, figure: &str) {
    let signer = Signer::of(net, "node");
    let way = Way {
        covered: &["@method", "@path"],
        ..Way::default()
    };
    let host = address.strip_prefix("http://").unwrap();
    let before = resident(node);
    let mut head =
        format!("PUT /v1/files HTTP/1.1\r\nHost: {host}\r\nContent-Length: {UPLOAD}\r\n");
    for (name, value) in signer.headers("PUT", "/v1/files", b"", &way) {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(host).unwrap();
    let start = Instant::now();
    stream
        .write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())
        .unwrap();
    // Pieces that are not alike: equal blocks would be stored once.
    let mut piece = vec![0; 1 << 20];
    for number in 0..UPLOAD >> 20 {
        for (at, chunk) in piece.chunks_mut(32).enumerate() {
            let seed = [number.to_be_bytes(), (at as u64).to_be_bytes()].concat();
            chunk[..16].copy_from_slice(&seed);
            chunk[16] = figure.len() as u8; // nor those of another upload
        }
        stream.write_all(&piece).unwrap();
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let took = start.elapsed().as_secs_f64();
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    print(json!({
        "figure": figure,
        "mebibytes_per_second": (UPLOAD >> 20) as f64 / took,
        "resident_before_mebibytes": before >> 10,
        "resident_mebibytes": resident(node) >> 10,
    }));
}

/// Most memory that was resident at once, KiB, since it was last forgotten.
fn resident(node: &Running) -> u64 {
    let folder = format!("/proc/{}", node.child.id());
    let text = fs::read_to_string(format!("{folder}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let most = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let _ = fs::write(format!("{folder}/clear_refs"), "5");
    most
}

fn signed(chain: ChainId, count: usize) -> Vec<Vec<u8>> {
    let hpke_key = hpke();
    (0..count)
        .map(|number| {
            let secret = secret_of(number);
            let action = Register {
                role: Role::Patient,
                operation_key: secret.public(),
                hpke_key: hpke_key.clone(),
                record_key: None,
                peer: None,
                patient: Some(PatientKeys {
                    pkh: Digest::of(&number.to_be_bytes()),
                    h: base::cid::of_block(base::cid::RAW, &number.to_be_bytes()),
                }),
            };
            let operation = Operation {
                chain,
                account: AccountId::of(&secret.public()),
                delegation: None,
                sequence: 1,
                action: action.into(),
            };
            codec::encode(&Signed::new(operation, &secret))
        })
        .collect()
}

fn secret_of(number: usize) -> OperationSecret {
    OperationSecret::new(Digest::of(&[&b"figures"[..], &number.to_be_bytes()].concat()).0)
}

fn account_of(number: usize) -> AccountId {
    AccountId::of(&secret_of(number).public())
}

fn hpke() -> HpkeKey {
    HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap()
}

fn exchange(address: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let host = address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!(
        "{head} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    answer
}

fn post(address: &str, body: &[u8]) {
    exchange(address, "POST /v1/operations", body);
}

fn body_of(address: &str, path: &str) -> Vec<u8> {
    let answer = exchange(address, &format!("GET {path}"), b"");
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    answer[end + 4..].to_vec()
}

fn print(figure: serde_json::Value) {
    println!("{figure}");
}

/// Each request of wrk posts the next operation of the file.
const WRITES: &str = r#"
local bodies, at = {}, 0
function init(arguments)
  local file = io.open(arguments[1], "rb")
  while true do
    local head = file:read(4)
    if not head then break end
    local a, b, c, d = head:byte(1, 4)
    bodies[#bodies + 1] = file:read(((a * 256 + b) * 256 + c) * 256 + d)
  end
  file:close()
end
local headers = { ["Content-Type"] = "application/vnd.ipld.dag-cbor" }
function request()
  at = at + 1
  return wrk.format("POST", nil, headers, bodies[at])
end
"#;
