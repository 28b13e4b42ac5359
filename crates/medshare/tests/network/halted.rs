//! A validator that halted stays so, until people have decided which ledger is right.

use ledger::{Block, Conflict};
use std::{fs, os::unix::fs::PermissionsExt};

use super::validators::Validators;

#[test]
fn a_kept_conflict_keeps_a_validator_from_starting() {
    let mut net = Validators::start(2);
    let head = net.head(1);
    net.kill(1);
    let theirs = Block {
        head: head.clone(),
        leaves: Vec::new(),
    };
    let conflict = Conflict::new(head, theirs, "two heads of one height".into());
    let note = net.home(1).join("node/conflict.cbor");
    fs::write(&note, conflict.to_bytes()).unwrap();
    fs::set_permissions(&note, PermissionsExt::from_mode(0o600)).unwrap();
    for _ in 0..2 {
        let words = "this validator has halted: two heads of one height";
        net.run_in_vain(1).fails(13, words);
        assert_eq!(fs::read(&note).unwrap(), conflict.to_bytes());
    }
    // It is the note, and nothing else.
    fs::remove_file(&note).unwrap();
    net.run(1);
    assert!(net.standing(1)["halted"].is_null());
}
