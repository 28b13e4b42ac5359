//! No decoder without a fuzz target: every place in the sources that makes something of
//! bytes or text from outside is found and must be on the list, with the decoder that
//! covers it or the reason why none can.

use super::{
    scan::{places, skipped, sources},
    targets,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// What covers a place.
enum By {
    /// These decoders.
    Fuzz(&'static [&'static str]),
    /// None, because
    Not(&'static str),
}
use By::{Fuzz, Not};

const GENERIC: By = Not("for any type: each caller is on this list");
const VALIDATORS: By =
    Not("only a named validator sends it; its own tests cut and spoil it (bft/codec/tests.rs)");
const OWN: By = Not("this process wrote it, and every page of its file is checked (ADR 16)");

/// Path, function, what covers it.
const SITES: &[(&str, &str, By)] = &[
    (
        "anchor/src/chain.rs",
        "from_str",
        Not("compared with the names that there are"),
    ),
    (
        "anchor/src/endpoint.rs",
        "from_str",
        Not("an address of the operator's own, read by the crate url"),
    ),
    (
        "anchor/src/bitcoin/key.rs",
        "from_str",
        Fuzz(&["files/payer"]),
    ),
    (
        "anchor/src/bitcoin/key.rs",
        "read",
        Fuzz(&["files/anchored-proof", "files/bitcoin-transaction"]),
    ),
    (
        "anchor/src/bitcoin/verify.rs",
        "read",
        Fuzz(&["files/anchored-proof", "files/bitcoin-transaction"]),
    ),
    (
        "anchor/src/bitcoin/rpc.rs",
        "call",
        Not("the operator's own node, JSON by serde; chains/faults.rs answers wrongly"),
    ),
    (
        "anchor/src/ethereum/contract.rs",
        "bytecode",
        Not("it is compiled in, and CI compiles it again"),
    ),
    ("anchor/src/journal.rs", "walk_back", OWN),
    (
        "anchor/src/proof.rs",
        "read",
        Fuzz(&["files/anchored-proof"]),
    ),
    (
        "anchor/src/proof.rs",
        "examine",
        Fuzz(&["files/anchored-proof"]),
    ),
    ("base/src/class.rs", "from_str", Fuzz(&["vocabulary/class"])),
    ("base/src/codec.rs", "decode", GENERIC),
    ("base/src/codec.rs", "decode_within", GENERIC),
    ("base/src/codec.rs", "decode_lenient", GENERIC),
    ("base/src/codec.rs", "read", GENERIC),
    (
        "base/src/id.rs",
        "from_str",
        Fuzz(&["vocabulary/id", "vocabulary/operation-id", "vocabulary/cid"]),
    ),
    ("consensus/src/bft/codec.rs", "decode", VALIDATORS),
    ("consensus/src/bft/proposed.rs", "parse", VALIDATORS),
    (
        "consensus/src/bft/proposed.rs",
        "read_leaves",
        Fuzz(&["ledger/leaf"]),
    ),
    (
        "consensus/src/bft/intake.rs",
        "knows",
        Fuzz(&["vocabulary/signed-operation"]),
    ),
    ("consensus/src/bft/journal.rs", "parse", OWN),
    (
        "ledger/src/conflict.rs",
        "parse",
        Fuzz(&["ledger/conflict"]),
    ),
    (
        "consensus/src/follow/follower.rs",
        "parse",
        Fuzz(&["vocabulary/signed-operation"]),
    ),
    (
        "ibpre/src/encapsulate.rs",
        "from_bytes",
        Fuzz(&["scheme/capsule-a", "scheme/capsule-b"]),
    ),
    (
        "ibpre/src/keys.rs",
        "from_bytes",
        Fuzz(&[
            "scheme/user-key-a",
            "scheme/user-key-b",
            "scheme/grant-key-a",
            "scheme/grant-key-b",
            "scheme/reencryption-key-a",
            "scheme/reencryption-key-b",
        ]),
    ),
    (
        "ibpre/src/keys.rs",
        "decode",
        Fuzz(&["scheme/user-key-a", "scheme/grant-key-a"]),
    ),
    (
        "ibpre/src/public.rs",
        "from_bytes",
        Fuzz(&["scheme/public-a", "scheme/public-b"]),
    ),
    (
        "ibpre/src/reencrypt.rs",
        "from_bytes",
        Fuzz(&["scheme/reencrypted-a", "scheme/reencrypted-b"]),
    ),
    (
        "ibpre/src/setup.rs",
        "from_bytes",
        Fuzz(&["scheme/master-key-a", "scheme/master-key-b"]),
    ),
    (
        "ibpre/src/id.rs",
        "from_bytes",
        Not("32 bytes of any value"),
    ),
    (
        "ledger/src/replay.rs",
        "push_and_tell",
        Fuzz(&["ledger/leaf", "ledger/block"]),
    ),
    ("ledger/src/state/hash.rs", "from_bytes", OWN),
    ("ledger/src/state/stored.rs", "entry", OWN),
    (
        "ledger/src/storage/append.rs",
        "leaves",
        Fuzz(&["ledger/leaf"]),
    ),
    (
        "ledger/src/storage/inspect.rs",
        "block",
        Fuzz(&["ledger/head"]),
    ),
    (
        "ledger/src/storage/inspect.rs",
        "leaf",
        Fuzz(&["ledger/leaf"]),
    ),
    ("ledger/src/storage/view.rs", "decode", OWN),
    ("ledger/src/storage/view/validators.rs", "council", OWN),
    (
        "ledger/src/verify.rs",
        "decode",
        Fuzz(&["vocabulary/signed-operation"]),
    ),
    ("medshare/src/cli/anchor/key.rs", "read", TYPED),
    (
        "medshare/src/cli/care.rs",
        "failure_of",
        Fuzz(&["share/failure"]),
    ),
    (
        "medshare/src/cli/init.rs",
        "joined_ledger",
        Fuzz(&["vocabulary/genesis"]),
    ),
    (
        "medshare/src/cli/proof.rs",
        "read",
        Fuzz(&["files/proof-file"]),
    ),
    (
        "medshare/src/cli/proof.rs",
        "verify",
        Fuzz(&["ledger/leaf"]),
    ),
    (
        "medshare/src/cli/proof.rs",
        "read_genesis",
        Fuzz(&["vocabulary/genesis"]),
    ),
    ("medshare/src/config.rs", "parse", Fuzz(&["files/config"])),
    (
        "medshare/src/files.rs",
        "newer_toml",
        Fuzz(&["files/config"]),
    ),
    (
        "medshare/src/fhir/class.rs",
        "codes",
        Fuzz(&["files/record"]),
    ),
    (
        "medshare/src/fhir/extract.rs",
        "extract",
        Fuzz(&["files/entries"]),
    ),
    ("medshare/src/fhir/json.rs", "read", Fuzz(&["files/record"])),
    ("medshare/src/fhir/json.rs", "text", Fuzz(&["files/record"])),
    (
        "medshare/src/fhir/sensitive.rs",
        "scan",
        Fuzz(&["files/record"]),
    ),
    (
        "medshare/src/fhir/split.rs",
        "entries",
        Fuzz(&["files/record"]),
    ),
    (
        "medshare/src/home/identity.rs",
        "load",
        Not("two fixed-size ids inside the vault's authenticated encryption"),
    ),
    ("medshare/src/home/keys.rs", "read", Fuzz(&["files/keys"])),
    (
        "medshare/src/home/mod.rs",
        "open",
        Fuzz(&["files/home", "vocabulary/genesis"]),
    ),
    (
        "medshare/src/home/mod.rs",
        "ledger_seen",
        Fuzz(&["files/ledger-seen"]),
    ),
    (
        "medshare/src/home/sets.rs",
        "from_bytes",
        Not("records of one length inside the vault's authenticated encryption"),
    ),
    (
        "medshare/src/http/address.rs",
        "from_str",
        Fuzz(&["files/address"]),
    ),
    (
        "medshare/src/http/admission.rs",
        "parse",
        Fuzz(&["vocabulary/id", "vocabulary/cid"]),
    ),
    (
        "medshare/src/http/client.rs",
        "genesis",
        Fuzz(&["vocabulary/genesis"]),
    ),
    (
        "medshare/src/http/client.rs",
        "error",
        Fuzz(&["files/error"]),
    ),
    (
        "medshare/src/http/client.rs",
        "decode",
        Fuzz(&[
            "files/status",
            "files/leaves",
            "files/letters",
            "files/prekeys",
            "files/bag-head",
            "files/logged-operation",
            "ledger/head",
            "ledger/validators",
            "ledger/transitions",
            "ledger/receipt",
            "ledger/inclusion-proof",
            "ledger/consistency-proof",
            "ledger/account",
            "ledger/record",
            "ledger/state",
            "ledger/request",
            "ledger/grant",
            "ledger/query",
            "ledger/scope-state",
            "ledger/bag-state",
            "ledger/guardianship",
            "ledger/recovery",
            "ledger/accounts",
            "ledger/records",
            "ledger/requests",
            "ledger/grants",
            "ledger/notices",
            "ledger/ranking",
            "vocabulary/policy",
        ]),
    ),
    (
        "medshare/src/http/custody.rs",
        "decode",
        Fuzz(&["files/letters", "files/prekeys", "files/bag-head"]),
    ),
    ("medshare/src/http/custody.rs", "inbox", QUERY),
    (
        "medshare/src/http/events.rs",
        "from_str",
        Fuzz(&["files/cursor"]),
    ),
    (
        "medshare/src/http/json.rs",
        "to_cbor",
        Fuzz(&["files/object-as-json"]),
    ),
    (
        "medshare/src/http/json.rs",
        "of_cbor",
        Fuzz(&["files/object-to-json"]),
    ),
    ("medshare/src/http/ledger.rs", "page", QUERY),
    ("medshare/src/http/ledger.rs", "page_of", QUERY),
    ("medshare/src/http/ledger.rs", "journal", QUERY),
    ("medshare/src/http/ledger.rs", "transitions", QUERY),
    ("medshare/src/http/ledger.rs", "leaves", QUERY),
    ("medshare/src/http/ledger.rs", "inclusion", QUERY),
    ("medshare/src/http/ledger.rs", "consistency", QUERY),
    ("medshare/src/http/operator.rs", "pins", QUERY),
    (
        "medshare/src/http/party.rs",
        "operation",
        Fuzz(&["ledger/leaf"]),
    ),
    (
        "medshare/src/http/party.rs",
        "leaves",
        Fuzz(&["ledger/leaf"]),
    ),
    (
        "medshare/src/http/party.rs",
        "take_prekey",
        Fuzz(&["share/prekey"]),
    ),
    (
        "medshare/src/http/media.rs",
        "problem",
        Not("an error that this process wrote a moment before"),
    ),
    (
        "medshare/src/http/signature.rs",
        "dictionary",
        Fuzz(&["files/signature"]),
    ),
    (
        "medshare/src/http/signature.rs",
        "sign",
        Not("the names that the caller itself signs"),
    ),
    (
        "medshare/src/http/ticket.rs",
        "parse",
        Fuzz(&["files/ticket"]),
    ),
    (
        "medshare/src/page/routes.rs",
        "parse",
        Fuzz(&["vocabulary/id", "vocabulary/cid"]),
    ),
    ("medshare/src/peers/copies.rs", "all", OWN),
    ("medshare/src/peers/hints.rs", "parse", OWN),
    (
        "medshare/src/peers/keeper.rs",
        "judge",
        Fuzz(&["peers/hint"]),
    ),
    (
        "medshare/src/peers/message.rs",
        "decode",
        Fuzz(&["peers/question", "peers/reply"]),
    ),
    (
        "medshare/src/peers/releases.rs",
        "find_owner",
        Fuzz(&["share/sealed-record"]),
    ),
    (
        "medshare/src/peers/settings.rs",
        "from_str",
        Fuzz(&["peers/reachable"]),
    ),
    ("pages/src/record/cda.rs", "read", PAGE),
    ("pages/src/record/dicom/mod.rs", "read", PAGE),
    ("pages/src/record/fhir/mod.rs", "bundle", PAGE),
    ("pages/src/record/fhir/mod.rs", "documents", PAGE),
    ("pages/src/record/fhir/mod.rs", "read", PAGE),
    ("pages/src/record/fhir/mod.rs", "resource", PAGE),
    ("pages/src/record/hl7.rs", "read", PAGE),
    ("pages/src/record/mod.rs", "read", PAGE),
    ("pages/src/record/text.rs", "decode", PAGE),
    ("pages/src/record/xml.rs", "parse", PAGE),
    (
        "share/src/account.rs",
        "receive_delegation",
        Fuzz(&["share/delegated"]),
    ),
    ("share/src/bag.rs", "parse", Fuzz(&["share/phrase"])),
    ("share/src/bag.rs", "open_page", Fuzz(&["share/sealed-bag"])),
    (
        "share/src/bag/check.rs",
        "at_node",
        Fuzz(&["share/sealed-bag"]),
    ),
    (
        "share/src/bag/restore.rs",
        "restore",
        Fuzz(&["share/sealed-bag"]),
    ),
    ("share/src/card.rs", "read", Fuzz(&["share/card"])),
    (
        "share/src/identity.rs",
        "from_bytes",
        Fuzz(&["share/patient-secrets"]),
    ),
    ("share/src/letter.rs", "unpadded", Fuzz(&["share/letter"])),
    (
        "share/src/letter.rs",
        "parse",
        Fuzz(&["share/sealed-letter"]),
    ),
    ("share/src/manifest.rs", "read", Fuzz(&["share/manifest"])),
    ("share/src/record.rs", "from_bytes", Fuzz(&["share/layout"])),
    (
        "share/src/sealed.rs",
        "from_block",
        Fuzz(&["share/sealed-record", "share/capsule-node"]),
    ),
    ("share/src/sealed.rs", "open", Fuzz(&["share/part-opening"])),
    (
        "share/src/vault.rs",
        "parse",
        Not("for any type of the party's own, inside the vault's authenticated encryption"),
    ),
    ("store/src/car.rs", "header", Fuzz(&["blocks/archive"])),
    (
        "store/src/embedded/record.rs",
        "parse",
        Not("48 bytes compared with the one spelling that they may have"),
    ),
    ("store/src/kubo/answer.rs", "read_lines", KUBO),
    ("store/src/kubo/answer.rs", "read", KUBO),
    ("store/src/kubo/rpc.rs", "object", KUBO),
    (
        "store/src/links.rs",
        "object_links",
        Fuzz(&["blocks/links"]),
    ),
    (
        "store/src/peer/message.rs",
        "decode",
        Fuzz(&["peers/bitswap"]),
    ),
    (
        "store/src/peer/settings.rs",
        "from_str",
        Fuzz(&["peers/swarm-key"]),
    ),
    (
        "store/src/unixfs/node.rs",
        "decode",
        Fuzz(&["blocks/node", "blocks/tree"]),
    ),
    (
        "store/src/varint.rs",
        "read",
        Fuzz(&["blocks/archive", "blocks/node"]),
    ),
];

const TYPED: By = Not("64 hexadecimal digits from a file that the operator names");
const PAGE: By = Fuzz(&["files/page-of-record"]);
const QUERY: By = Not("numbers, read by the router before any of our code; tests/cli/hostile.rs");
const KUBO: By = Not("the operator's own Kubo, JSON by serde; store/tests/kubo.rs answers wrongly");

#[test]
fn no_decoder_without_a_fuzz_target() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in fs::read_dir(&crates).unwrap() {
        sources(&folder.unwrap().path().join("src"), &mut files);
    }
    let mut found = BTreeSet::new();
    for file in files {
        let name = file
            .strip_prefix(&crates)
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/");
        if !skipped(&name) {
            let text = fs::read_to_string(&file).unwrap();
            found.extend(places(&text).map(|function| (name.clone(), function)));
        }
    }
    let listed: BTreeMap<_, _> = SITES
        .iter()
        .map(|(path, function, by)| ((path.to_string(), function.to_string()), by))
        .collect();
    let new: Vec<_> = found
        .iter()
        .filter(|it| !listed.contains_key(*it))
        .collect();
    assert!(
        new.is_empty(),
        "decode, and no fuzz target is named for them: {new:#?}"
    );
    let gone: Vec<_> = listed.keys().filter(|it| !found.contains(*it)).collect();
    assert!(gone.is_empty(), "no longer there: {gone:#?}");

    let known: BTreeSet<String> = targets()
        .flat_map(|target| {
            let names = target.decoders.iter();
            names.map(|decoder| format!("{}/{}", target.name, decoder.name))
        })
        .collect();
    for by in listed.values() {
        match by {
            Fuzz(names) => {
                for name in *names {
                    let built = cfg!(feature = "peers") || !name.starts_with("peers/");
                    assert!(!built || known.contains(*name), "no decoder {name}");
                }
            }
            Not(why) => assert!(!why.is_empty()),
        }
    }
}
