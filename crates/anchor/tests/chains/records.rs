//! Single operation records: each its own transaction, once, in the log's order, whatever happens.

use anchor::{
    AnchoredProof, Checkpoint, Next, Record, RecordProof, Service, State, StepError, Trouble,
    ethereum::{Ethereum, EthereumTrust, Kind, Settings},
};
use base::Digest;
use ledger::{Validators, log::leaf_hash};
use serde_json::json;
use std::time::Duration;

use crate::{
    anvil::NETWORK,
    feed::{Fed, GWEI, budget, contract, key, next, record, shove, step},
    rig::{self, Known},
    world::{CONFIRMATIONS, SCHEDULE, T0, World},
};

fn started(world: &World) -> Fed {
    Fed::start(Kind::Records(0), world.chain())
}

fn leaf(world: &World, index: u64) -> [u8; 32] {
    let leaf = world.ledger.view().unwrap().leaf(index).unwrap().unwrap();
    leaf_hash(&leaf.to_bytes()).0
}

/// The proof of leaf `index` by its own transaction, and what a verifier knows.
pub(crate) fn prove(
    world: &World,
    fed: &Fed,
    journal: &anchor::Journal,
    index: u64,
) -> RecordProof {
    let entry = journal.record(anchor::Chain::Ethereum, index).unwrap();
    let State::Final { evidence, .. } = entry.expect("it is submitted").state else {
        panic!("not final");
    };
    let leaf = world.ledger.view().unwrap().leaf(index).unwrap().unwrap();
    let proof = RecordProof::new(&leaf, index, evidence);
    let known = known(world, fed, &proof);
    let validators = Validators::of(&world.genesis);
    let recorded = proof.verify(&known.trust(world, &validators)).unwrap();
    assert_eq!(recorded.index, index);
    proof
}

pub(crate) fn known(world: &World, fed: &Fed, proof: &RecordProof) -> Known {
    let stood = proof.examine(world.chain()).unwrap().stood;
    Known {
        bitcoin: None,
        eos: None,
        ethereum: Some(EthereumTrust {
            chain_id: NETWORK,
            contract: fed.settings.contract,
            blocks: vec![Digest([9; 32]), stood.block],
        }),
    }
}

#[test]
fn ethereum_has_each_record_once_in_its_order_and_each_is_proved() {
    let world = World::new();
    let fed = started(&world);
    let journal = world.journal("anchors.redb");
    let mut service = fed.service::<Record>(&journal, 0);
    assert_eq!(step(&mut service, &world.ledger, T0).unwrap(), Next::Idle);
    world.grow(12);
    // One a block, without waiting for depth.
    for count in 1..=5 {
        assert_eq!(step(&mut service, &world.ledger, T0).unwrap(), Next::Begun);
        fed.include(count);
    }
    assert_eq!(service.report(T0).unwrap().open, 3, "two are deep enough");
    fed.settle(&mut service, &world.ledger);
    assert!(fed.said().into_iter().eq(0..12));
    assert_eq!((fed.paid(0), next(&fed)), (12, 12));
    let report = service.report(T0).unwrap();
    assert_eq!((report.anchors, report.open), (12, 0));
    assert!(report.cost > 0 && report.left == SCHEDULE.budget - report.cost);
    assert_eq!(
        report.newest.unwrap().0,
        Record::of(world.chain(), 11, &bytes(&world, 11))
    );
    for index in 0..12 {
        let proof = prove(&world, &fed, &journal, index);
        assert_eq!(RecordProof::read(&proof.to_bytes()).unwrap(), proof);
        assert_eq!(
            RecordProof::read(proof.to_json().as_bytes()).unwrap(),
            proof
        );
        assert!(AnchoredProof::read(&proof.to_bytes()).is_err());
    }
    assert!(
        journal
            .record(anchor::Chain::Ethereum, 12)
            .unwrap()
            .is_none()
    );
}

fn bytes(world: &World, index: u64) -> Vec<u8> {
    let leaf = world.ledger.view().unwrap().leaf(index).unwrap();
    leaf.unwrap().to_bytes()
}

#[test]
fn ethereum_is_told_nothing_before_the_leaf_that_the_contract_begins_with() {
    let world = World::new();
    let fed = Fed::start(Kind::Records(5), world.chain());
    let journal = world.journal("anchors.redb");
    let mut service = fed.service::<Record>(&journal, 0);
    world.grow(5);
    assert_eq!(step(&mut service, &world.ledger, T0).unwrap(), Next::Idle);
    world.grow(3);
    fed.settle(&mut service, &world.ledger);
    assert_eq!(fed.said(), [5, 6, 7]);
    prove(&world, &fed, &journal, 6);
    assert!(
        journal
            .record(anchor::Chain::Ethereum, 4)
            .unwrap()
            .is_none()
    );
}

#[test]
fn ethereum_takes_each_record_of_two_nodes_once_and_both_can_prove() {
    let world = World::new();
    let fed = started(&world);
    let (first, second) = (world.journal("first.redb"), world.journal("second.redb"));
    let mut one = fed.service::<Record>(&first, 0);
    let mut two = fed.service::<Record>(&second, 1);
    fed.anvil.mine_at_once(false);
    world.grow(10);
    assert_eq!(step(&mut one, &world.ledger, T0).unwrap(), Next::Begun);
    // It sees what waits, and does not pay for the same.
    assert_eq!(step(&mut two, &world.ledger, T0).unwrap(), Next::Waiting);
    for _ in 0..30 {
        fed.anvil.mine(1);
        step(&mut one, &world.ledger, T0).unwrap();
        step(&mut two, &world.ledger, T0).unwrap();
    }
    assert!(fed.said().into_iter().eq(0..10));
    assert_eq!((fed.paid(0), fed.paid(1)), (10, 0));
    // The first is away: the second goes on where it ended.
    drop(one);
    world.grow(3);
    for _ in 0..12 {
        step(&mut two, &world.ledger, T0).unwrap();
        fed.anvil.mine(1);
    }
    assert!(fed.said().into_iter().eq(0..13));
    let mut one = fed.service::<Record>(&first, 0);
    assert_eq!(step(&mut one, &world.ledger, T0).unwrap(), Next::Adopted);
    assert_eq!((fed.paid(0), fed.paid(1)), (10, 3));
    for journal in [&first, &second] {
        for index in 0..13 {
            prove(&world, &fed, journal, index);
        }
    }
}

/// Both send before either sees the other's: one is refused, pays for that, and nothing is lost.
#[test]
fn ethereum_refuses_the_same_record_twice_and_the_loser_goes_on() {
    let world = World::new();
    let fed = started(&world);
    let journal = world.journal("anchors.redb");
    let mut service = fed.service::<Record>(&journal, 0);
    fed.anvil.mine_at_once(false);
    world.grow(3);
    assert_eq!(step(&mut service, &world.ledger, T0).unwrap(), Next::Begun);
    shove(&fed, 1, &record(0, leaf(&world, 0)), 50);
    fed.anvil.mine(1);
    assert_eq!(fed.said(), [0]);
    fed.anvil.mine_at_once(true);
    fed.settle(&mut service, &world.ledger);
    assert_eq!(fed.said(), [0, 1, 2]);
    assert_eq!((fed.paid(0), fed.paid(1)), (3, 1));
    assert_eq!(service.report(T0).unwrap().anchors, 3);
    for index in 0..3 {
        prove(&world, &fed, &journal, index);
    }
}

#[test]
fn ethereum_takes_records_again_that_a_reorganisation_took_away() {
    let world = World::new();
    let fed = started(&world);
    let journal = world.journal("anchors.redb");
    let mut service = fed.service::<Record>(&journal, 0);
    fed.anvil.mine(30);
    world.grow(12);
    for count in 1..=4 {
        assert_eq!(step(&mut service, &world.ledger, T0).unwrap(), Next::Begun);
        fed.include(count);
    }
    // Some that wait for depth.
    fed.anvil.reorganise(2);
    assert_eq!(fed.said(), [0, 1]);
    fed.settle(&mut service, &world.ledger);
    assert!(fed.said().into_iter().eq(0..12));
    // All, however deep; nobody is shown them meanwhile.
    fed.anvil.reorganise(fed.anvil.height() - 20);
    assert!(fed.said().is_empty());
    assert_eq!(
        step(&mut service, &world.ledger, T0).unwrap(),
        Next::Reopened
    );
    assert!(
        journal
            .record(anchor::Chain::Ethereum, 3)
            .unwrap()
            .is_none()
    );
    fed.settle(&mut service, &world.ledger);
    assert!(fed.said().into_iter().eq(0..12));
    assert_eq!(fed.paid(0), 12, "nothing was paid twice");
    for index in 0..12 {
        prove(&world, &fed, &journal, index);
    }
}

fn trouble(done: Result<Next, StepError>) -> Trouble {
    match done {
        Err(StepError::Trouble(trouble)) => trouble,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ethereum_gets_nothing_on_another_network_over_the_cap_or_in_another_contract() {
    let world = World::new();
    let fed = started(&world);
    world.grow(2);
    let journal = world.journal("anchors.redb");
    let with = |change: &dyn Fn(&mut Settings), owner| {
        let mut settings = fed.settings.clone();
        change(&mut settings);
        let client = Ethereum::<Record>::new(settings, world.chain(), key(owner)).unwrap();
        Service::new(Box::new(client), &journal, SCHEDULE, T0)
    };
    let said = |change: &dyn Fn(&mut Settings), owner| {
        trouble(step(&mut with(change, owner), &world.ledger, T0)).to_string()
    };
    let anchors = contract(&fed.anvil, Kind::Anchors, world.chain()).contract;
    let wrong = said(&|settings| settings.chain_id = 1, 0);
    assert_eq!(wrong, format!("the node is of chain {NETWORK}, not of 1"));
    let wrong = said(&|settings| settings.contract = anchors, 0);
    assert!(
        wrong.contains("refused") || wrong.contains("no contract"),
        "{wrong}"
    );
    let stranger = said(&|_| {}, 2);
    assert!(
        stranger.contains("is no owner of the contract"),
        "{stranger}"
    );
    fed.anvil.base_fee(400 * GWEI);
    let mut dear = with(&|settings| settings.fee_cap = 5 * GWEI, 0);
    let said = trouble(step(&mut dear, &world.ledger, T0));
    assert!(matches!(said, Trouble::FeeOverCap { .. }), "{said}");
    assert!(fed.said().is_empty());
    fed.anvil.base_fee(GWEI);
    fed.settle(&mut dear, &world.ledger);
    assert_eq!(fed.said(), [0, 1]);
    // No budget is left; what stands is untouched.
    world.grow(1);
    let client = fed.client::<Record>(0);
    let mut poor = Service::new(client, &journal, budget(10), T0);
    let said = trouble(step(&mut poor, &world.ledger, T0));
    assert!(matches!(said, Trouble::OverBudget { .. }), "{said}");
    assert_eq!(fed.said(), [0, 1]);
}

#[test]
fn ethereum_away_is_waited_for_and_nothing_is_lost() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    let anvil = crate::anvil::Anvil::keeping(&file, 0);
    let mut fed = Fed::on(anvil, Kind::Records(0), world.chain());
    let journal = world.journal("anchors.redb");
    let mut service = fed.service::<Record>(&journal, 0);
    world.grow(4);
    step(&mut service, &world.ledger, T0).unwrap();
    // A node that is none any more, at the same address.
    let url = fed.anvil.url();
    let other = crate::anvil::Anvil::start();
    let port = std::mem::replace(&mut fed.anvil, other).end();
    for _ in 0..3 {
        let said = trouble(step(&mut service, &world.ledger, T0));
        assert_eq!(said, Trouble::Unreachable(url.clone()));
    }
    assert!(service.pause() > Duration::from_millis(100));
    fed.anvil = crate::anvil::Anvil::keeping(&file, port);
    fed.settle(&mut service, &world.ledger);
    assert_eq!(fed.said(), [0, 1, 2, 3]);
}

/// Another node's transaction waits, and nobody raises its fee.
#[test]
fn ethereum_is_told_over_a_transaction_of_another_that_waits_too_long() {
    let world = World::new();
    let fed = started(&world);
    let journal = world.journal("anchors.redb");
    let mut service = fed.service::<Record>(&journal, 0);
    fed.anvil.mine_at_once(false);
    world.grow(1);
    shove(&fed, 1, &record(0, leaf(&world, 0)), 1);
    for later in [0, SCHEDULE.replace - 1] {
        let now = T0.plus(later);
        assert_eq!(
            step(&mut service, &world.ledger, now).unwrap(),
            Next::Waiting
        );
    }
    let now = T0.plus(SCHEDULE.replace);
    assert_eq!(step(&mut service, &world.ledger, now).unwrap(), Next::Begun);
    fed.anvil.mine_at_once(true);
    fed.anvil.mine(1);
    fed.settle(&mut service, &world.ledger);
    assert_eq!(fed.said(), [0]);
    prove(&world, &fed, &journal, 0);
}

/// A new contract, as after an owner's lie, is told what it waits for; proofs of both are kept.
#[test]
fn ethereum_with_another_contract_is_told_from_where_that_begins() {
    let world = World::new();
    let mut fed = started(&world);
    let journal = world.journal("anchors.redb");
    world.grow(4);
    fed.settle(&mut fed.service::<Record>(&journal, 0), &world.ledger);
    fed.settings = contract(&fed.anvil, Kind::Records(2), world.chain());
    fed.settle(&mut fed.service::<Record>(&journal, 0), &world.ledger);
    assert_eq!(fed.said(), [2, 3]);
    fed.settings = contract(&fed.anvil, Kind::Records(9), world.chain());
    world.grow(8);
    fed.settle(&mut fed.service::<Record>(&journal, 0), &world.ledger);
    assert_eq!(fed.said(), [9, 10, 11]);
    prove(&world, &fed, &journal, 10);
    let record = |index| journal.record(anchor::Chain::Ethereum, index).unwrap();
    assert!(record(1).is_some() && record(3).is_some());
    assert!(record(5).is_none() && record(12).is_none());
}

/// An owner who lies: every node says so, and says nothing more there.
#[test]
fn ethereum_with_a_false_record_is_left_alone() {
    let world = World::new();
    let fed = started(&world);
    let journal = world.journal("anchors.redb");
    let mut service = fed.service::<Record>(&journal, 0);
    world.grow(2);
    shove(&fed, 1, &record(0, [7; 32]), 1);
    fed.include(1);
    let said = trouble(step(&mut service, &world.ledger, T0));
    assert_eq!(said, Trouble::Forked { size: 1 });
    assert_eq!((fed.said(), fed.paid(0)), (vec![0], 0));
}

/// Roots, single records and grants of one ledger by one key: no nonce is left out, none is used twice.
#[test]
fn ethereum_takes_anchors_and_records_of_one_key_at_once() {
    let world = World::new();
    let fed = started(&world);
    let anchors = contract(&fed.anvil, Kind::Anchors, world.chain());
    let journal = world.journal("anchors.redb");
    let client = Ethereum::<Checkpoint>::new(anchors, world.chain(), key(0)).unwrap();
    let mut roots = Service::new(Box::new(client), &journal, SCHEDULE, T0);
    let mut records = fed.service::<Record>(&journal, 0);
    fed.anvil.mine_at_once(false);
    world.grow(100);
    for _ in 0..2 {
        // Both wait in the same block, in turn.
        step(&mut records, &world.ledger, T0).unwrap();
        step(&mut roots, &world.ledger, T0).unwrap();
        let waiting = fed.anvil.call("txpool_status", json!([]));
        assert_eq!(waiting["queued"], "0x0", "{waiting}");
        fed.anvil.mine(1);
    }
    for _ in 0..6 {
        step(&mut roots, &world.ledger, T0).unwrap();
        step(&mut records, &world.ledger, T0).unwrap();
        fed.anvil.mine(1);
    }
    // Threads of their own, as in a node.
    world.grow(100);
    std::thread::scope(|scope| {
        let (world, ledger, anvil) = (&world, &world.ledger, &fed.anvil);
        let steps = |count: u32, step: &mut dyn FnMut()| {
            for _ in 0..count {
                step();
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        scope.spawn(move || steps(40, &mut || anvil.mine(1)));
        let roots = &mut roots;
        scope.spawn(move || {
            steps(40, &mut || {
                let _ = rig::step(world, roots, T0);
            });
        });
        steps(40, &mut || drop(step(&mut records, ledger, T0)));
    });
    for _ in 0..2 * CONFIRMATIONS {
        fed.anvil.mine(1);
        step(&mut roots, &world.ledger, T0).unwrap();
    }
    let (anchored, recorded) = (roots.report(T0).unwrap(), records.report(T0).unwrap());
    assert_eq!((anchored.anchors, anchored.open), (2, 0));
    assert!(recorded.anchors + recorded.open > 20, "{recorded:?}");
    let said = fed.said();
    assert!(said.iter().copied().eq(0..said.len() as u64), "{said:?}");
    // One contract more was made by the key.
    assert_eq!(fed.paid(0) - 1, said.len() as u64 + 2);
}
