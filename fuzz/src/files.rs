//! Files of people and messages of the interface: records to split, extracts to make,
//! configuration to read, tickets, answers.

use anchor::{
    AnchoredProof, Evidence, RecordProof,
    bitcoin::{BitcoinEvidence, Payer},
    eos::{EosEvidence, Name},
    ethereum::EthereumEvidence,
};

use super::{Decoder, Target, canonical, text};
use medshare::{
    cli::proof::ProofFile,
    config::Config,
    fhir,
    home::{Facts, LedgerSeen, keys::Keys},
    http::{
        Address, events, json,
        message::{
            BagHead, ErrorBody, ErrorCode, Leaves, Letters, LoggedOperation, Prekeys, Status,
        },
        signature, ticket,
    },
};

/// The binary's decoders.
pub const FILES: Target = Target {
    name: "files",
    decoders: &[
        Decoder {
            name: "record",
            run: record,
        },
        Decoder {
            name: "page-of-record",
            run: page_of_record,
        },
        Decoder {
            name: "entries",
            run: |bytes| fhir::extract(&[(fhir::FHIR_ENTRIES, bytes)]).is_ok(),
        },
        Decoder {
            name: "config",
            run: |bytes| text(bytes, |text| Config::parse(text, "config.toml").is_ok()),
        },
        Decoder {
            name: "home",
            run: |bytes| text(bytes, |text| toml::from_str::<Facts>(text).is_ok()),
        },
        Decoder {
            name: "ledger-seen",
            run: |bytes| text(bytes, |text| toml::from_str::<LedgerSeen>(text).is_ok()),
        },
        Decoder {
            name: "keys",
            run: canonical::<Keys>,
        },
        Decoder {
            name: "proof-file",
            run: canonical::<ProofFile>,
        },
        Decoder {
            name: "anchored-proof",
            run: anchored_proof,
        },
        Decoder {
            name: "record-proof",
            run: record_proof,
        },
        Decoder {
            name: "bitcoin-transaction",
            run: |bytes| anchor::bitcoin::verify::read(bytes).is_some(),
        },
        Decoder {
            name: "payer",
            run: |bytes| text(bytes, |text| text.parse::<Payer>().is_ok()),
        },
        Decoder {
            name: "eos-transaction",
            run: anchor::eos::verify::reads,
        },
        Decoder {
            name: "eos-block",
            run: anchor::eos::verify::reads_block,
        },
        Decoder {
            name: "eos-name",
            run: |bytes| text(bytes, |text| text.parse::<Name>().is_ok()),
        },
        Decoder {
            name: "ticket",
            run: |bytes| {
                text(bytes, |text| {
                    ticket::parse(text).is_some_and(|ticket| ticket.is_ok())
                })
            },
        },
        Decoder {
            name: "signature",
            run: signature,
        },
        Decoder {
            name: "object-as-json",
            run: object_as_json,
        },
        Decoder {
            name: "object-to-json",
            run: |bytes| {
                let written = json::of_cbor(bytes);
                written.is_ok_and(|text| json::to_cbor(&text).is_ok())
            },
        },
        Decoder {
            name: "cursor",
            run: |bytes| text(bytes, |text| text.parse::<events::Cursor>().is_ok()),
        },
        Decoder {
            name: "scope",
            run: |bytes| text(bytes, |text| text.parse::<fhir::Scope>().is_ok()),
        },
        Decoder {
            name: "address",
            run: |bytes| text(bytes, |text| text.parse::<Address>().is_ok()),
        },
        Decoder {
            name: "status",
            run: canonical::<Status>,
        },
        Decoder {
            name: "error",
            run: canonical::<ErrorBody>,
        },
        Decoder {
            name: "logged-operation",
            run: canonical::<LoggedOperation>,
        },
        Decoder {
            name: "leaves",
            run: canonical::<Leaves>,
        },
        Decoder {
            name: "letters",
            run: canonical::<Letters>,
        },
        Decoder {
            name: "prekeys",
            run: canonical::<Prekeys>,
        },
        Decoder {
            name: "bag-head",
            run: canonical::<BagHead>,
        },
    ],
    seeds,
};

fn record(bytes: &[u8]) -> bool {
    let split = fhir::split(bytes);
    let ranges = split.parts.iter().flat_map(|part| &part.ranges);
    let whole: u64 = ranges.map(|range| range.end - range.start).sum();
    assert_eq!(whole, bytes.len() as u64, "parts join to the source");
    split.parts.len() > 1
}

/// Whatever a record holds, a person's page of it is made; true if its format was known.
fn page_of_record(bytes: &[u8]) -> bool {
    let reading = pages::record::read(bytes);
    let page = pages::record::show(&reading, pages::Language::English);
    assert!(!page.into_string().is_empty());
    !matches!(
        reading.kind(),
        pages::record::Kind::Text | pages::record::Kind::File
    )
}

/// What is read as JSON is written as JSON that reads as the same.
fn object_as_json(bytes: &[u8]) -> bool {
    let Ok(cbor) = json::to_cbor(bytes) else {
        return false;
    };
    let again = json::of_cbor(&cbor).and_then(|text| json::to_cbor(&text));
    assert_eq!(again.as_ref(), Ok(&cbor), "JSON of {cbor:?}");
    true
}

/// A request whose `Signature-Input` is the first line and whose `Signature` is the second.
fn signature(bytes: &[u8]) -> bool {
    text(bytes, |text| {
        let (input, signature) = text.split_once('\n').unwrap_or((text, ""));
        let request = axum::http::Request::builder()
            .uri("/v1/mailbox?after=0")
            .header("host", "localhost")
            .header("signature-input", input)
            .header("signature", signature)
            .body(());
        request.is_ok_and(|request| {
            signature::read(&request.into_parts().0, base::ChainId([7; 32])).is_some()
        })
    })
}

/// A signed request as [`signature`] takes it.
fn signed_request() -> Vec<u8> {
    let request = axum::http::Request::builder()
        .uri("/v1/mailbox?after=0")
        .header("host", "localhost")
        .body(());
    let parts = request.expect("a request").into_parts().0;
    let secret = base::key::OperationSecret::new([8; 32]);
    let keyid = base::AccountId([9; 32]).to_string();
    let (input, signature) = signature::sign(
        &parts,
        &["@method", "@target-uri"],
        (&keyid, &secret),
        base::ChainId([7; 32]),
        1_795_305_600,
        "0123456789abcdef",
    )
    .expect("components that are there");
    format!("{input}\n{signature}").into_bytes()
}

/// Short records of every kind, a configuration, a ticket, an answer of each shape.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        BUNDLE.to_vec(),
        br#"{"resourceType":"Patient","id":"p"}"#.to_vec(),
    ];
    for part in fhir::split(BUNDLE).parts {
        let slices = part
            .ranges
            .iter()
            .map(|range| &BUNDLE[range.start as usize..range.end as usize]);
        seeds.push(slices.collect::<Vec<_>>().concat());
    }
    seeds.push(b"MSH|^~\\&|LAB|X|Y|Z|20261122||ORU^R01|1|P|2.5\rPID|1||1\r".to_vec());
    seeds.push(b"<?xml version=\"1.0\"?><ClinicalDocument xmlns=\"urn:hl7-org:v3\"/>".to_vec());
    seeds.push([&[0; 128][..], b"DICM"].concat());
    seeds.push(CONFIG.to_vec());
    let chain = base::ChainId([7; 32]);
    let secret = base::key::OperationSecret::new([8; 32]);
    let ticket = ticket::Ticket {
        chain,
        account: base::AccountId([9; 32]),
        key: secret.public(),
        method: "PUT".into(),
        path: "/v1/prekeys".into(),
        body: Some(base::Digest([1; 32])),
        time: base::Millis(1_795_305_600_000),
        nonce: base::Nonce([2; 32]),
    };
    seeds.push(ticket::header(ticket, &secret).into_bytes());
    seeds.push(signed_request());
    seeds.push(b"12.1795305600000".to_vec());
    seeds.push(b"patient/Observation.rs?category=laboratory".to_vec());
    seeds.push(br#"{"id":{"/":{"bytes":"AAEC"}},"list":[1,-2,null,true,"x"]}"#.to_vec());
    seeds.extend([&b"http://127.0.0.1:7878"[..], b"unix:/run/medshare.sock"].map(<[u8]>::to_vec));
    let status = Status {
        interface: 1,
        version: "0.1.0".into(),
        chain,
        network: "test".into(),
        height: 1,
        tree_size: 2,
        time: base::Millis(1_795_305_600_000),
    };
    let facts = Facts {
        version: base::Version,
        role: base::operation::Role::Patient,
        account: base::AccountId([9; 32]),
        chain,
        work_factor: 18,
    };
    let seen = LedgerSeen {
        version: base::Version,
        chain,
        height: 7,
    };
    seeds.push(toml::to_string(&facts).expect("writes").into_bytes());
    seeds.push(toml::to_string(&seen).expect("writes").into_bytes());
    seeds.push(base::codec::encode(&Keys::new(
        base::operation::Role::Agent,
    )));
    seeds.extend(proof());
    for evidence in [in_ethereum(), in_bitcoin(), in_eos()] {
        let proof = anchored(evidence);
        seeds.extend(proof.iter().map(AnchoredProof::to_bytes));
        seeds.extend(proof.iter().map(|proof| proof.to_json().into_bytes()));
    }
    if let Some(proof) = anchored(in_ethereum()) {
        let leaf = base::codec::decode(&proof.leaf).expect("a leaf");
        let single = RecordProof::new(&leaf, proof.inclusion.index, proof.anchor);
        seeds.extend([single.to_bytes(), single.to_json().into_bytes()]);
    }
    seeds.push(transaction());
    seeds.push(action());
    seeds.extend([EOS_BLOCK, EOS_EMPTY].map(<[u8]>::to_vec));
    seeds.push(b"eosio.token".to_vec());
    seeds.push(b"mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn".to_vec());
    let bytes = || vec![1, 2, 3].into();
    seeds.push(base::codec::encode(&status));
    seeds.push(base::codec::encode(&LoggedOperation {
        index: 1,
        leaf: bytes(),
    }));
    seeds.push(base::codec::encode(&Leaves {
        leaves: vec![bytes(), bytes()],
    }));
    seeds.push(base::codec::encode(&Letters {
        letters: vec![(1, bytes())],
    }));
    seeds.push(base::codec::encode(&Prekeys {
        prekeys: vec![bytes()],
    }));
    seeds.push(base::codec::encode(&BagHead { head: bytes() }));
    seeds.push(base::codec::encode(&ErrorBody {
        code: ErrorCode::Missing,
        message: "not here".into(),
        refusal: None,
        block: Some(base::cid::of_object(b"block")),
    }));
    seeds
}

/// A leaf with its receipt, as `medshare prove` writes them.
fn proof() -> Option<Vec<u8>> {
    let words = (super::LEDGER.seeds)();
    let leaf = words
        .iter()
        .find_map(|word| base::codec::decode(word).ok())?;
    let receipt = words
        .iter()
        .find_map(|word| base::codec::decode(word).ok())?;
    let transitions = words
        .iter()
        .filter_map(|word| base::codec::decode(word).ok());
    Some(ProofFile::new(&leaf, receipt, transitions.collect()).to_bytes())
}

/// Read, and every link followed that needs no verifier.
fn anchored_proof(bytes: &[u8]) -> bool {
    let Ok(proof) = AnchoredProof::read(bytes) else {
        return false;
    };
    let leaf = base::codec::decode::<ledger::Leaf>(&proof.leaf);
    if let Ok(leaf) = leaf {
        let _ = proof.examine(leaf.operation.body.chain);
    }
    true
}

/// The same of an operation that was submitted by itself.
fn record_proof(bytes: &[u8]) -> bool {
    let Ok(proof) = RecordProof::read(bytes) else {
        return false;
    };
    let leaf = base::codec::decode::<ledger::Leaf>(&proof.leaf);
    if let Ok(leaf) = leaf {
        let _ = proof.examine(leaf.operation.body.chain);
    }
    true
}

/// The same leaf and head with an anchor whose header can be read.
fn anchored(evidence: Option<Evidence>) -> Option<AnchoredProof> {
    let words = (super::LEDGER.seeds)();
    let leaf: ledger::Leaf = words
        .iter()
        .find_map(|word| base::codec::decode(word).ok())?;
    let receipt: ledger::Receipt = words
        .iter()
        .find_map(|word| base::codec::decode(word).ok())?;
    let (inclusion, head) = (receipt.inclusion, &receipt.head);
    Some(AnchoredProof::new(&leaf, inclusion, head, true, evidence?))
}

fn in_ethereum() -> Option<Evidence> {
    let hashes = [&[0xa0][..], &[7; 32]].concat().repeat(6);
    let fields = [&hashes[..], &[0x80, 0x80, 5, 0x80, 0x80, 9]].concat();
    let header = [&[0xf8, u8::try_from(fields.len()).ok()?][..], &fields].concat();
    // A leaf of a trie: its path, and a receipt without events.
    let node = vec![0xc8, 0x82, 0x20, 0x80, 0x84, 0xc3, 0x01, 0x80, 0xc0];
    Some(Evidence::Ethereum(EthereumEvidence {
        chain_id: 1,
        header: header.into(),
        transaction: 0,
        log: 0,
        receipt: vec![node.into()],
    }))
}

/// A transaction, alone in its block.
fn in_bitcoin() -> Option<Evidence> {
    Some(Evidence::Bitcoin(BitcoinEvidence {
        header: vec![1; 80].into(),
        transaction: transaction().into(),
        index: 0,
        path: vec![vec![3; 32].into()],
    }))
}

/// A transaction, alone in its block.
fn in_eos() -> Option<Evidence> {
    Some(Evidence::Eos(EosEvidence {
        header: vec![1; 116].into(),
        cpu: 100,
        net: 27,
        transaction: action().into(),
        signatures: vec![2; 32].into(),
        index: 0,
        path: vec![vec![0x83; 32].into()],
    }))
}

/// One action that anchors, of one account.
fn action() -> Vec<u8> {
    let anchor = 0x34d0_da5c_0000_0000_u64.to_le_bytes();
    let begin = [&[9; 10][..], &[64, 20, 0, 0, 1], &[1; 8], &anchor];
    let end = [&[1][..], &[2; 16], &[112], &[7; 112], &[0]];
    [begin.concat(), end.concat()].concat()
}

/// One input and two outputs.
fn transaction() -> Vec<u8> {
    let script = [&[2, 0x30, 1, 33][..], &[2; 33]].concat();
    let mark = [&[0x6a, 0x4c, 80][..], b"MSA\x01", &[7; 76]].concat();
    let transaction = [
        &[2, 0, 0, 0, 1][..],
        &[9; 36],
        &[script.len() as u8],
        &script,
        &[0xff; 4],
        &[2],
        &[0; 8],
        &[mark.len() as u8],
        &mark,
        &[1, 0, 0, 0, 0, 0, 0, 0],
        &[1, 0x51],
        &[0; 4],
    ];
    transaction.concat()
}

const BUNDLE: &[u8] = br#"{"resourceType":"Bundle","type":"collection","entry":[
 {"resource":{"resourceType":"Observation","category":[{"coding":[{"code":"laboratory"}]}],"valueString":"\u00e9"}},
 {"resource":{"resourceType":"Condition","code":{"text":"anaemia"},"meta":{"security":[{"code":"HIV"}]}}},
 {"fullUrl":"urn:x","resource":{"resourceType":"Patient","name":[{"family":"M\u00fcller"}]}}]}
"#;

/// A block of a node for tests, which holds nothing.
const EOS_EMPTY: &[u8] = br#"{"timestamp":"2026-11-29T21:42:38.000","producer":"eosio","confirmed":0,
 "previous":"000000028380a22df14b22ac0d9f5ffec71dbab3ebdb1541a2d56421b6007762",
 "transaction_mroot":"0000000000000000000000000000000000000000000000000000000000000000",
 "action_mroot":"d49a03c91f352ab3a2e998018ae7517f5b622e5e83c37aad2e4d9d9345932831","schedule_version":0,
 "header_extensions":[],"producer_signature":"SIG_K1_","transactions":[],"block_extensions":[]}"#;
/// With a transaction of each kind, whose root no header has.
const EOS_BLOCK: &[u8] = br#"{"timestamp":"2026-11-29T21:42:38.500","producer":"eosio","confirmed":0,
 "previous":"000000028380a22df14b22ac0d9f5ffec71dbab3ebdb1541a2d56421b6007762",
 "transaction_mroot":"0000000000000000000000000000000000000000000000000000000000000000",
 "action_mroot":"d49a03c91f352ab3a2e998018ae7517f5b622e5e83c37aad2e4d9d9345932831","schedule_version":0,
 "header_extensions":[[1,"00ff"]],"transactions":[
 {"status":"executed","cpu_usage_us":100,"net_usage_words":9,"trx":[1,{"signatures":[
 "SIG_K1_K63TRARUPSkEUMEBTofAcUjD3Fz87HXjtpmKHeHM4gALyrsHznN2SSPuvpR9qYqfnWc7ibrFGZLeXk1e2dWmtb2jP5Pc4D"],
 "compression":"none","packed_context_free_data":"","packed_trx":"0102"}]},
 {"status":"executed","cpu_usage_us":1,"net_usage_words":0,"trx":
 "d49a03c91f352ab3a2e998018ae7517f5b622e5e83c37aad2e4d9d9345932831"}]}"#;
const CONFIG: &[u8] =
    b"[node]\naddress = \"http://127.0.0.1:7878\"\ntimeout-seconds = 5\n[output]\njson = true\n";
