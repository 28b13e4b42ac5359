//! What a record costs: gas of anchors for batches of several sizes, beside a contract that
//! stores every record, in the same chain. `cargo xtask bench chains` tabulates what this
//! prints; gas depends on nothing but the calls.

use alloy::{
    primitives::{Address, B256, keccak256},
    sol,
    sol_types::SolCall as _,
};
use anchor::ethereum::{
    Kind,
    contract::{self, Anchor, Permissions, Records},
};
use base::ChainId;
use serde_json::json;

use crate::{
    anvil::{Anvil, number},
    contract::{receipt, send},
    feed::{self, Fed},
    rig::Rig as _,
    rigs::{InEthereum, ethereum_key as key},
    world::World,
};

sol! {
    function add(address patient, bytes32 pointer, bytes32 hash) external;
}

pub(crate) const BATCHES: [u64; 4] = [1, 16, 1_024, 65_536];

#[test]
fn a_record_in_a_batch_costs_a_five_hundredth_of_a_stored_one() {
    let world = World::new();
    let rig = InEthereum::start(&world);
    let (anvil, ours) = (rig.anvil(), rig.settings.contract);
    let theirs = deploy(&anvil, contract::bytecode("PerRecord"));

    // Records of two patients, as they come after the first.
    let record = |patient: u8, number: u64| {
        let of = |what: &str| keccak256(format!("{what} {patient} {number}"));
        let patient = Address::repeat_byte(patient);
        let call = addCall {
            patient,
            pointer: of("pointer"),
            hash: of("hash"),
        };
        send(&anvil, 0, &theirs, &call).unwrap()
    };
    let first = record(0xa1, 0);
    let stored = (1..8).map(|number| record(0xa1, number)).min().unwrap();
    print("stored, a patient's first", 1, first);
    print("stored, a patient's next", 1, stored);

    let (mut size, mut height) = (1_000_000, 50_000);
    let mut anchor = |batch: u64, store: bool| {
        (size, height) = (size + batch, height + 1);
        let hash = |what: &str| B256::from(keccak256(format!("{what} {size}")));
        let (root, head) = (hash("root"), hash("head"));
        let gas = match store {
            false => send(
                &anvil,
                0,
                &ours,
                &Anchor::anchorCall {
                    root,
                    size,
                    height,
                    head,
                },
            ),
            true => send(
                &anvil,
                0,
                &ours,
                &Anchor::anchorAndStoreCall {
                    root,
                    size,
                    height,
                    head,
                },
            ),
        };
        gas.unwrap()
    };
    anchor(1, false);
    for batch in BATCHES {
        let gas = anchor(batch, false);
        print("anchored, event", batch, gas);
        // The goal.
        assert!(
            batch != 1_024 || gas * 500 <= stored * batch,
            "{gas} / {batch} against {stored}"
        );
    }
    for batch in BATCHES {
        print(
            "anchored, event and stored root",
            batch,
            anchor(batch, true),
        );
    }
}

#[test]
fn a_record_by_itself_and_a_change_of_a_grant() {
    let chain = ChainId([1; 32]);
    let fed = Fed::start(Kind::Records(0), chain);
    let (anvil, records) = (&fed.anvil, fed.settings.contract);
    let permissions = feed::contract(anvil, Kind::Permissions(0), chain).contract;
    let hash = |number: u64| keccak256(format!("leaf {number}"));
    let record = |index| {
        let leaf = hash(index);
        send(anvil, 0, &records, &Records::recordCall { index, leaf }).unwrap()
    };
    let first = record(0);
    let single = record(1);
    assert!(single < first && single < 40_000, "{single}");
    print("submitted by itself, event", 1, single);
    let kept = Records::recordAndStoreCall {
        index: 2,
        leaf: hash(2),
    };
    let kept = send(anvil, 0, &records, &kept).unwrap();
    print("submitted by itself, event and stored hash", 1, kept);
    let grant = |from, index| {
        let grant = Permissions::grantCall {
            from,
            index,
            key: hash(index),
            notBefore: 0,
            expires: 1_800_000_000,
        };
        send(anvil, 0, &permissions, &grant).unwrap()
    };
    grant(0, 10);
    let granted = grant(11, 20);
    let revoke = Permissions::revokeCall {
        from: 21,
        index: 30,
        key: hash(20),
    };
    let revoked = send(anvil, 0, &permissions, &revoke).unwrap();
    print("grant mirrored", 1, granted);
    print("revocation mirrored", 1, revoked);
    assert!(granted < 70_000 && revoked < 40_000, "{granted}, {revoked}");
}

fn print(what: &str, batch: u64, gas: u64) {
    println!("{}", json!({"what": what, "batch": batch, "gas": gas}));
}

pub(crate) fn deploy(anvil: &Anvil, code: Vec<u8>) -> [u8; 20] {
    let from = Address::from(key(2).address());
    let data = format!("0x{}", hex::encode(code));
    let hash = anvil.call(
        "eth_sendTransaction",
        json!([{"from": from, "data": data, "gas": "0x1000000"}]),
    );
    let receipt = receipt(anvil, &hash);
    assert!(number(&receipt["status"]) == 1 && addCall::SIGNATURE.starts_with("add("));
    let address = receipt["contractAddress"].as_str().unwrap();
    hex::decode(&address[2..]).unwrap().try_into().unwrap()
}
