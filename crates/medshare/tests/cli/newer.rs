//! What a newer version wrote is refused by name and left as it is, to the byte; the two
//! lock files apart, which hold nothing but a process id.

use super::net::{Net, PASSPHRASE, Ran};
use base::{codec, key::OperationSecret};
use database::{FileDevice, Tables};
use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Every file under `folder` with its bytes.
pub(crate) fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let locks = ["lock", "run.lock"];
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else if path.is_file() && !locks.iter().any(|lock| path.ends_with(lock)) {
            let bytes = fs::read(&path).unwrap();
            files.insert(path, bytes);
        }
    }
    files
}

/// The canonical bytes of an object, with its version raised.
pub(crate) fn raised(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    assert_eq!(&bytes[1..4], b"\x61v\x01", "the version stands first");
    bytes[3] = 2;
    bytes
}

/// A database of a home, opened as the program opens it.
pub(crate) fn tables(path: &Path) -> Tables {
    Tables::open(Arc::new(FileDevice::new(path)), 1 << 20, version(path)).unwrap()
}

/// The version of its tables.
fn version(path: &Path) -> u32 {
    match path.ends_with("ledger.redb") {
        true => ledger::TABLES_VERSION,
        false => 1,
    }
}

/// Raises the version of a database's tables, through the database.
pub(crate) fn raise_tables(path: &Path) {
    database::write_version(&tables(path).handle().unwrap(), version(path) + 1).unwrap();
}

fn raise_text(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("version = 1"), "{text}");
    // with a key that only the newer version knows
    let text = text.replace("version = 1", "version = 2\naaa = true");
    fs::write(path, text).unwrap();
}

fn raise_keys(path: &Path) {
    let passphrase = || age::secrecy::SecretString::from(PASSPHRASE.to_owned());
    let sealed = fs::read(path).unwrap();
    let mut plain = Vec::new();
    age::Decryptor::new(&sealed[..])
        .unwrap()
        .decrypt(std::iter::once(
            &age::scrypt::Identity::new(passphrase()) as &dyn age::Identity
        ))
        .unwrap()
        .read_to_end(&mut plain)
        .unwrap();
    let mut recipient = age::scrypt::Recipient::new(passphrase());
    recipient.set_work_factor(2);
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let mut sealed = Vec::new();
    let mut writer = age::Encryptor::with_recipients(recipients)
        .unwrap()
        .wrap_output(&mut sealed)
        .unwrap();
    writer.write_all(&raised(&plain)).unwrap();
    writer.finish().unwrap();
    fs::write(path, sealed).unwrap();
}

fn raise_object(path: &Path) {
    fs::write(path, raised(&fs::read(path).unwrap())).unwrap();
}

fn raise_store(path: &Path) {
    let line = fs::read_to_string(path).unwrap();
    let (name, _) = line.trim_end().rsplit_once(' ').unwrap();
    fs::write(path, format!("{name} 1000\n")).unwrap();
}

/// Says file, found and known version, and what to do.
fn says_newer(ran: Ran, code: i32, file: &str) {
    for words in [
        file,
        "is not known here, only",
        "use the medshare that wrote it",
    ] {
        assert!(ran.stderr.contains(words), "{words:?}: {ran:?}");
    }
    ran.fails(code, "nothing was changed");
}

/// Home, file, what raises its version, exit code.
type Case = (&'static str, &'static str, fn(&Path), i32);

#[test]
fn every_file_of_a_home_that_is_newer_stays_as_it_is() {
    let mut net = Net::start();
    net.party("anna", "patient");
    net.stop_node();
    let cases: [Case; 9] = [
        ("anna", "home.toml", raise_text, 4),
        ("anna", "config.toml", raise_text, 3),
        ("anna", "genesis.cbor", raise_object, 4),
        ("anna", "keys.age", raise_keys, 4),
        ("anna", "vault.redb", raise_tables, 4),
        ("node", "ledger.toml", raise_text, 4),
        ("node", "node/ledger.redb", raise_tables, 4),
        ("node", "node/post.redb", raise_tables, 4),
        ("node", "node/blocks/format", raise_store, 4),
    ];
    for (home, file, raise, code) in cases {
        let path = net.path(home).join(file);
        let whole = fs::read(&path).unwrap();
        raise(&path);
        let before = snapshot(&net.path(home));
        let ran = match home {
            "node" => net.run(&["node", "run", "--home", "node"]),
            _ => net.run(&["wallet", "card", "--home", home]),
        };
        says_newer(ran, code, file);
        assert!(before == snapshot(&net.path(home)), "{file} was touched");
        fs::write(&path, whole).unwrap();
    }
    net.run_node();
    net.run(&["wallet", "card", "--home", "anna"]).ok();
}

/// Not closed in peace: the database under the tables would be repaired first.
#[test]
fn a_newer_vault_stays_as_a_crash_left_it() {
    let net = Net::start();
    net.party("anna", "patient");
    let path = net.path("anna/vault.redb");
    let tables = tables(&path);
    database::write_version(&tables.handle().unwrap(), 2).unwrap();
    let crashed = fs::read(&path).unwrap();
    drop(tables);
    fs::write(&path, crashed).unwrap();
    let before = snapshot(&net.path("anna"));
    says_newer(
        net.run(&["wallet", "card", "--home", "anna"]),
        4,
        "vault.redb",
    );
    assert!(before == snapshot(&net.path("anna")));
}

#[test]
fn files_that_are_handed_on_say_that_they_are_newer() {
    let net = Net::start();
    net.party("anna", "patient");
    net.party("hospital", "hospital");
    net.run(&["ledger", "genesis", "-o", "genesis.cbor"]).ok();
    let head = net.rows(&["ledger", "tail"]);
    let id = head[0]["operation"].as_str().unwrap();
    net.run(&["ledger", "prove", id, "-o", "x.proof"]).ok();
    let verify = ["ledger", "verify", "x.proof", "--genesis", "genesis.cbor"];
    net.run(&verify).ok();
    for file in ["x.proof", "genesis.cbor"] {
        let path = net.path(file);
        let whole = fs::read(&path).unwrap();
        raise_object(&path);
        says_newer(net.run(&verify), 10, file);
        fs::write(&path, whole).unwrap();
    }
    let card = net.json(&["wallet", "card", "--home", "anna"]);
    let card = card["card"]
        .as_str()
        .unwrap()
        .replace("medshare1:", "medshare2:");
    net.write("card.txt", card);
    net.run(&[
        "account", "attest", "--card", "card.txt", "--home", "hospital",
    ])
    .fails(10, "the card: format version 2 is not known here, only 1");
    let consent = ["account", "join", "00", "--consent", "medshare-consent2:00"];
    let account = net.json(&["account", "show", "--home", "hospital"]);
    let mut consent = consent.to_vec();
    consent[2] = account["id"].as_str().unwrap();
    consent.extend(["--home", "anna"]);
    net.run(&consent)
        .fails(10, "the consent: format version 2 is not known here");
}

/// The node answers with a code of its own, and does nothing.
#[test]
fn what_is_sent_in_a_newer_format_is_answered_by_its_code() {
    let net = Net::start();
    let ask = |head: &str, body: &[u8]| {
        let mut stream = UnixStream::connect(net.path("node/node/medshare.sock")).unwrap();
        let head = format!(
            "{head}\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = ask("GET /v2/status HTTP/1.1", b"");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    for words in [
        "unknown-version",
        "format version 2 is not known here, only 1",
    ] {
        assert!(answer.contains(words), "{answer}");
    }
    let leaf = net.rows(&["ledger", "tail"]);
    assert!(leaf.is_empty(), "a new ledger has no leaf");

    let secret = OperationSecret::new([5; 32]);
    let chain = base::ChainId([0; 32]);
    let account = base::AccountId::of(&secret.public());
    let operation = base::Signed::new(
        base::Operation {
            chain,
            account,
            delegation: None,
            sequence: 1,
            action: base::operation::Undelegate {
                delegation: base::OperationId(base::cid::of_object(b"x")),
            }
            .into(),
        },
        &secret,
    );
    let answer = ask(
        "POST /v1/operations HTTP/1.1",
        &raised(&codec::encode(&operation)),
    );
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    for words in [
        "unknown-version",
        "format version 2 is not known here, only 1",
    ] {
        assert!(answer.contains(words), "{answer}");
    }

    let ticket = medshare::http::ticket::Ticket {
        chain,
        account,
        key: secret.public(),
        method: "GET".into(),
        path: "/v1/mailbox".into(),
        body: None,
        time: base::Millis(0),
        nonce: base::Nonce([0; 32]),
    };
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let ticket = raised(&codec::encode(&base::Signed::new(ticket, &secret)));
    let ticket = URL_SAFE_NO_PAD.encode(ticket);
    let head = format!("GET /v1/mailbox HTTP/1.1\r\nAuthorization: Medshare {ticket}");
    let answer = ask(&head, b"");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("unknown-version"), "{answer}");
}
