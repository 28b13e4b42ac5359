//! The contract itself, called by whoever may and may not.

use alloy::{
    primitives::{Address, B256},
    sol_types::SolCall,
};
use anchor::ethereum::contract::Anchor;
use serde_json::{Value, json};
use std::time::Duration;

use crate::{
    anvil::Anvil,
    rig::Rig as _,
    rigs::{InEthereum, ethereum_key as key},
    world::World,
};

/// The gas of a call by an account, or that it was refused.
pub(crate) fn send(
    anvil: &Anvil,
    owner: usize,
    contract: &[u8; 20],
    call: &impl SolCall,
) -> Result<u64, String> {
    let transaction = json!({
        "from": Address::from(key(owner).address()), "to": Address::from(contract),
        "data": format!("0x{}", hex::encode(call.abi_encode())), "gas": "0x100000",
    });
    let hash = anvil.call("eth_sendTransaction", json!([transaction]));
    let receipt = receipt(anvil, &hash);
    match receipt["status"].as_str().unwrap() {
        "0x1" => Ok(crate::anvil::number(&receipt["gasUsed"])),
        _ => Err("refused".into()),
    }
}

/// The receipt of a transaction, once it is in a block.
pub(crate) fn receipt(anvil: &Anvil, hash: &Value) -> Value {
    loop {
        let receipt = anvil.call("eth_getTransactionReceipt", json!([hash]));
        if !receipt.is_null() {
            return receipt;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn view<C: SolCall>(anvil: &Anvil, contract: &[u8; 20], call: &C) -> C::Return {
    let data = format!("0x{}", hex::encode(call.abi_encode()));
    let request = json!([{"to": Address::from(contract), "data": data}, "latest"]);
    let answer = anvil.call("eth_call", request);
    let bytes = hex::decode(answer.as_str().unwrap().trim_start_matches("0x")).unwrap();
    C::abi_decode_returns(&bytes).unwrap()
}

fn anchor(size: u64, height: u64) -> Anchor::anchorCall {
    Anchor::anchorCall {
        root: B256::repeat_byte(7),
        size,
        height,
        head: B256::repeat_byte(8),
    }
}

#[test]
fn only_owners_anchor_and_only_forward() {
    let world = World::new();
    let rig = InEthereum::start(&world);
    let (anvil, contract) = (rig.anvil(), rig.settings.contract);
    assert_eq!(
        view(&anvil, &contract, &Anchor::ledgerCall {}).0,
        world.chain().0
    );
    assert!(
        send(&anvil, 2, &contract, &anchor(1, 1)).is_err(),
        "a stranger"
    );
    let first = send(&anvil, 0, &contract, &anchor(10, 5)).unwrap();
    let second = send(&anvil, 1, &contract, &anchor(20, 6)).unwrap();
    assert!(
        first > second,
        "the first fills an empty slot: {first}, {second}"
    );
    assert!(second < 40_000, "{second}");
    for (size, height) in [(20, 7), (21, 6), (19, 8), (0, 0)] {
        assert!(send(&anvil, 0, &contract, &anchor(size, height)).is_err());
    }
    let newest = view(&anvil, &contract, &Anchor::newestCall {});
    assert_eq!((newest.sequence, newest.size, newest.height), (2, 20, 6));
    assert_eq!(anvil.anchors(&contract), [(1, 10), (2, 20)]);

    // A root that other contracts can ask for, if it was asked to be kept.
    let kept = Anchor::anchorAndStoreCall {
        root: B256::repeat_byte(9),
        size: 30,
        height: 7,
        head: B256::repeat_byte(8),
    };
    send(&anvil, 0, &contract, &kept).unwrap();
    let root = |sequence| view(&anvil, &contract, &Anchor::rootOfCall { sequence });
    assert_eq!((root(2), root(3)), (B256::ZERO, B256::repeat_byte(9)));
}

#[test]
fn owners_come_and_go_but_never_all() {
    let world = World::new();
    let rig = InEthereum::start(&world);
    let (anvil, contract) = (rig.anvil(), rig.settings.contract);
    let [one, two, three] = [0, 1, 2].map(|owner| Address::from(key(owner).address()));
    let add = |by, owner| send(&anvil, by, &contract, &Anchor::addOwnerCall { owner }).is_ok();
    let remove =
        |by, owner| send(&anvil, by, &contract, &Anchor::removeOwnerCall { owner }).is_ok();
    let owners = || view(&anvil, &contract, &Anchor::ownersCall {}).to::<u64>();
    assert_eq!(owners(), 2);
    assert!(!add(2, three), "a stranger lets himself in");
    assert!(!remove(2, one), "a stranger throws out");
    assert!(add(0, three) && add(1, three), "twice is once");
    assert!(!add(0, Address::ZERO));
    assert_eq!(owners(), 3);
    assert!(remove(2, one) && !remove(2, one));
    assert!(
        send(&anvil, 0, &contract, &anchor(1, 1)).is_err(),
        "he is out"
    );
    assert!(send(&anvil, 2, &contract, &anchor(1, 1)).is_ok());
    assert!(remove(1, two) && !remove(2, three), "the last stays");
    assert_eq!(owners(), 1);
}
