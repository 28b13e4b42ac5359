//! What a genesis object may not be, and what no policy may say, from the start or later.

use base::genesis::{Duties, Genesis, Policy};
use base::operation::SetPolicy;
use ledger::{CreateError, Failure, Ledger, OpenOptions};

use crate::world::*;

fn creates(genesis: &Genesis) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    match Ledger::create(&path, genesis, OpenOptions::default()) {
        Ok(_) => true,
        Err(CreateError::Genesis(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn validators_and_institutions() {
    let with = |nodes: &[&str], founders: &[(&str, Option<u32>)]| {
        creates(&genesis(nodes, founders, Policy::default()))
    };
    assert!(with(&["node"], &[]));
    assert!(with(
        &["node", "n2"],
        &[("mercy", None), ("coast", Some(1))]
    ));
    assert!(!with(&[], &[]));
    assert!(!with(&["node", "n2", "node"], &[]));
    assert!(!with(&["node"], &[("mercy", None), ("mercy", Some(1))]));
    assert!(!with(&["node", "n2"], &[("n2", None)]));
    // At most 128 of them.
    let names: Vec<String> = (0..=128).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(with(&names[..128], &[]));
    assert!(!with(&names, &[]));
}

fn epoch(epoch: u64) -> Option<Duties> {
    Some(Duties {
        epoch,
        ..Duties::default()
    })
}

#[test]
fn policies() {
    type Change = fn(&mut Policy);
    let good: &[Change] = &[
        |_| (),
        |p| p.tiers = Vec::new(),
        |p| p.tiers = vec![1],
        |p| p.tiers = (1..=255).collect(),
        |p| p.half_life_days = 1,
        |p| p.emergency_hours = 1,
        |p| p.recovery_delay = Some(1),
        |p| p.recovery_delay = Some(365 * base::Millis::DAY),
        |p| p.tariff.patient_first = 1_000_000,
        |p| p.tariff.fabrication = 0,
        |p| p.duties = epoch(60_000),
        |p| p.duties = epoch(366 * base::Millis::DAY),
    ];
    let bad: &[Change] = &[
        |p| p.tiers = vec![0],
        |p| p.tiers = vec![5, 5],
        |p| p.tiers = vec![5, 6, 4],
        |p| p.tiers = (1..=256).collect(),
        |p| p.half_life_days = 0,
        |p| p.emergency_hours = 0,
        |p| p.recovery_delay = Some(0),
        |p| p.recovery_delay = Some(365 * base::Millis::DAY + 1),
        |p| p.tariff.patient_first = 1_000_001,
        |p| p.tariff.patient_more = 1_000_001,
        |p| p.tariff.hospital = 1_000_001,
        |p| p.tariff.agent = 1_000_001,
        |p| p.tariff.fabrication = 1_000_001,
        |p| p.duties = epoch(59_999),
        |p| p.duties = epoch(366 * base::Millis::DAY + 1),
    ];
    let changed = |change: &Change| {
        let mut policy = Policy::default();
        change(&mut policy);
        policy
    };
    let mut world = World::empty(genesis(&["node"], &[], Policy::default()));
    for policy in good.iter().map(changed) {
        assert!(creates(&genesis(&["node"], &[], policy.clone())));
        world.ok("node", SetPolicy { policy });
    }
    for policy in bad.iter().map(changed) {
        assert!(
            !creates(&genesis(&["node"], &[], policy.clone())),
            "{policy:?}"
        );
        world.fails("node", SetPolicy { policy }, Failure::BadPolicy);
    }
}

/// Stored keys are a format: the kind's number, then what names the entry.
#[test]
fn keys_of_the_first_entries() {
    let genesis = genesis(&["node"], &[("mercy", None)], Policy::default());
    let replay = ledger::Replay::new(&genesis);
    let keys: Vec<Vec<u8>> = replay.state().iter().map(|(key, _)| key.to_vec()).collect();
    let of = |tag: u8, name: &str| [&[tag], id(name).0.as_slice()].concat();
    for key in [vec![1], of(3, "node"), of(5, "mercy")] {
        assert!(keys.contains(&key), "{key:?}");
    }
    assert_eq!(keys.len(), 3);
}

/// Every node must come to this very state: whoever changes it forks from all that run.
#[test]
fn a_small_history_has_the_state_that_it_always_had() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c0"), ("t", "c1")]);
    let grant = world.grant("institute", &["s"], &["ag"]);
    let part = parts(&[("s", "c0")])[0];
    let query = world.querying(&want(grant, "institute", "ag", record, "r", part));
    let query = world.ok("ag", query);
    world.ok("institute", accepted(query));
    let header = world.view().head().unwrap().header;
    // Not the log's root: some proofs in operations are drawn.
    assert_eq!(
        header.state_hash.to_string(),
        "b66918cc4dc88ddf66e2751af79e5fbaaa273c9c7a367d544f12cfa7aa1a8608"
    );
}
