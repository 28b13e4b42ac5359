//! A node's process whose clock jumped. No test can set the clock of its machine back; but a
//! node that finds its own last block in the future sees just that, and one that finds it long
//! past sees a jump forward.

use super::net::Net;
use base::{
    AccountId, Digest, Millis, Operation, Signed, cid,
    key::{HpkeKey, OperationSecret},
    operation::{PatientKeys, Register, Role},
};
use consensus::{Limits, Sequencer as _, Solo};
use ledger::{Ledger, OpenOptions};
use medshare::home::{Home, passphrase::Passphrase};
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
        chain: home.genesis.chain(),
        account: AccountId::of(&patient.public()),
        delegation: None,
        sequence: 1,
        action: register.into(),
    };
    solo.submit(Signed::new(operation, &patient).to_bytes().0)
        .unwrap();
    solo.stop();
}

/// A patient's home, and what registering it says.
fn register(net: &Net, name: &str) -> super::net::Ran {
    let init = [
        "init",
        "--role",
        "patient",
        "--work-factor",
        "2",
        "--home",
        name,
    ];
    net.run(&init).ok();
    net.run(&["account", "register", "--home", name])
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
    let refused = register(&net, "bert");
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.stderr.contains("clock"), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
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
    register(&net, "anna").ok();
    net.stop_node();
    net.run_node();
    register(&net, "bert").ok();
    let replay = net.json(&["ledger", "replay"]);
    assert_eq!(
        (&replay["equal"], &replay["leaves"]),
        (&true.into(), &3.into())
    );
}
