//! A node's process whose clock jumped. No test can set the clock of its machine back; but a
//! node that finds its own last block in the future sees just that, and one that finds it long
//! past sees a jump forward.

use super::net::Net;
use base::{
    AccountId, ChainId, Digest, Millis, Operation, Signed, cid,
    key::{HpkeKey, OperationSecret},
    operation::{PatientKeys, Register, Role, SignedOperation},
};
use consensus::{Limits, Sequencer as _, Solo};
use ledger::{Ledger, OpenOptions};
use medshare::{
    home::{Home, passphrase::Passphrase},
    http::{Address, HttpNode},
};
use share::node::Node as _;
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Logs an operation in the node's stead, at `now` shifted by so many milliseconds.
fn log_at(net: &Net, number: u8, shift: i64) {
    let folder = net.path("node");
    let home = Home::open(&folder).unwrap();
    let keys = home.unlock(&Passphrase::new(super::net::PASSPHRASE.to_owned()));
    let session = home.enter(&keys.unwrap(), Duration::ZERO).unwrap();
    let path = folder.join("node/ledger.redb");
    let ledger = Ledger::open(&path, &home.genesis, OpenOptions::default()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now.as_millis() as u64;
    let clock = move || Millis(now.saturating_add_signed(shift));
    let secret = session.identity.party.operation.clone();
    let solo = Solo::start(Arc::new(ledger), secret, clock, Limits::default()).unwrap();
    let operation = registration(home.genesis.chain(), number);
    solo.submit(operation.to_bytes().0).unwrap();
    solo.stop();
}

/// Opens the account of a patient of this number.
fn registration(chain: ChainId, number: u8) -> SignedOperation {
    let patient = OperationSecret::new([number; 32]);
    let register = Register {
        role: Role::Patient,
        operation_key: patient.public(),
        hpke_key: HpkeKey::new(vec![2; HpkeKey::LENGTH]).unwrap(),
        record_key: None,
        peer: None,
        patient: Some(PatientKeys {
            pkh: Digest([number; 32]),
            h: cid::of_block(cid::RAW, &[number]),
        }),
    };
    let operation = Operation {
        chain,
        account: AccountId::of(&patient.public()),
        delegation: None,
        sequence: 1,
        action: register.into(),
    };
    Signed::new(operation, &patient)
}

#[test]
fn a_clock_that_was_set_back_stops_nothing_but_writing() {
    let mut net = Net::start();
    net.party("anna", "patient");
    net.stop_node();
    // An hour behind its last block: it says so, writes nothing, and serves reads.
    log_at(&net, 200, 3_600_000);
    net.run_node();
    let before = net.json(&["ledger", "replay"]);
    assert_eq!(before["equal"], true);
    let address = Address::Unix(net.path("node/node/medshare.sock"));
    let node = HttpNode::new(address, Duration::from_secs(30), None).unwrap();
    let operation = registration(node.genesis().unwrap().chain(), 202);
    let refused = node.submit(&operation).unwrap_err();
    assert!(refused.to_string().contains("clock"), "{refused}");
    net.run(&["account", "show", "--home", "anna"]).ok();
    assert_eq!(
        net.json(&["ledger", "replay"]),
        before,
        "nothing was written"
    );
    net.stop_node();
}

#[test]
fn a_clock_that_jumps_forward_or_a_little_back_goes_on() {
    let mut net = Net::start();
    net.stop_node();
    // Three seconds are within what the genesis object allows: time goes on in small steps.
    log_at(&net, 201, 3_000);
    net.run_node();
    let address = Address::Unix(net.path("node/node/medshare.sock"));
    let node = HttpNode::new(address, Duration::from_secs(30), None).unwrap();
    let chain = node.genesis().unwrap().chain();
    let ahead = node.head().unwrap().header.time;
    node.submit(&registration(chain, 202)).unwrap();
    assert_eq!(node.head().unwrap().header.time, ahead.plus(1));
    // Once the clock has passed it, time is the clock's again.
    net.stop_node();
    net.run_node();
    std::thread::sleep(Duration::from_secs(4));
    node.submit(&registration(chain, 203)).unwrap();
    assert!(node.head().unwrap().header.time > ahead.plus(100));
    let replay = net.json(&["ledger", "replay"]);
    assert_eq!(
        (&replay["equal"], &replay["leaves"]),
        (&true.into(), &3.into())
    );
}
