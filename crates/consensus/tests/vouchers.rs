//! Two hospitals race for one voucher through the solo sequencer, from two threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../ledger/tests/it/world.rs"]
mod world;

use base::{
    Millis, SignedOperation,
    genesis::{Policy, Tariff},
    operation::{Attest, Redeem, Role, VoucherId},
};
use consensus::{Limits, Sequencer, Solo, SubmitError};
use ledger::{Failure, Ledger, Outcome, Receipt};
use std::{
    collections::BTreeSet,
    sync::{Arc, Barrier},
    thread,
};
use world::{World, accepted, genesis, id, parts, secret, want};

const ROUNDS: u8 = 24;
const PARTS: &[(&str, &str)] = &[("s", "c0")];

/// Pat has a voucher for each round, earned by one accepted query.
fn holder() -> (World, Arc<Ledger>) {
    let policy = Policy {
        tariff: Tariff {
            patient_first: 100,
            ..Policy::default().tariff
        },
        tiers: (1..=u32::from(3 * ROUNDS)).collect(),
        ..Policy::default()
    };
    let founders = ["mercy", "general", "coast", "institute"].map(|name| (name, None));
    let mut world = World::empty(genesis(&["node"], &founders, policy));
    for name in ["mercy", "general", "coast"] {
        world.register(name, Role::Hospital);
    }
    world.register("institute", Role::Requester);
    world.register("ag", Role::Agent);
    world.join("ag", "general");
    world.register("pat", Role::Patient);
    world.ok("mercy", Attest { patient: id("pat") });
    let record = world.record("mercy", "pat", "r", PARTS);
    let grant = world.grant("institute", &["s"], &["ag"]);
    let wanted = want(grant, "institute", "ag", record, "r", parts(PARTS)[0]);
    let query = world.querying(&wanted);
    let query = world.ok("ag", query);
    world.ok("institute", accepted(query));
    let ledger = Arc::new(world.ledger.take().unwrap());
    (world, ledger)
}

/// Sends until it is in the log; a number that is not its turn yet comes again.
fn insist(solo: &Solo, operation: &SignedOperation) -> Result<Receipt, SubmitError> {
    for _ in 0..1_000 {
        let result = solo.submit(operation.to_bytes().0);
        let Err(SubmitError::Refused(ledger::Refusal::WrongSequence { expected, found })) = result
        else {
            return result;
        };
        if expected > found {
            return result; // its turn is over
        }
        thread::yield_now();
    }
    panic!("its turn never came");
}

/// Both at once; what each hospital was told.
fn race(solo: &Solo, rivals: &[SignedOperation; 2]) -> Vec<Result<Receipt, SubmitError>> {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let racers = rivals.each_ref().map(|operation| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                insist(solo, operation)
            })
        });
        racers.map(|racer| racer.join().unwrap()).into()
    })
}

#[test]
fn a_voucher_is_redeemed_once_however_hospitals_race() {
    let (mut world, ledger) = holder();
    let now = Millis(world.time + 1);
    let limits = Limits::default();
    let solo = Solo::start(Arc::clone(&ledger), secret("node"), move || now, limits).unwrap();
    let mut winners = BTreeSet::new();
    for tier in 1..=3 * ROUNDS {
        let hospitals = if tier % 2 == 0 {
            ["general", "coast"]
        } else {
            ["coast", "general"]
        };
        let voucher = VoucherId {
            account: id("pat"),
            tier,
        };
        // Two signatures with two numbers; two with one number; one signature, twice.
        let kind = tier % 3;
        let number = world.sequence("pat");
        let mut rivals = hospitals.map(|hospital| {
            let hospital = id(hospital);
            if kind == 1 {
                world.sequences.insert(id("pat"), number);
            }
            world.sign("pat", Redeem { voucher, hospital })
        });
        if kind == 2 {
            rivals[1] = rivals[0].clone();
            world.sequences.insert(id("pat"), number + 1);
        }
        let told = race(&solo, &rivals);
        let done = told.iter().filter(|result| {
            let receipt = result.as_ref().ok();
            receipt.is_some_and(|receipt| receipt.outcome == Outcome::Ok)
        });
        assert_eq!(done.count(), 1, "tier {tier}: {told:?}");
        if kind == 0 {
            let late = Outcome::Failed(Failure::AlreadyRedeemed);
            let late = told.iter().flatten().any(|receipt| receipt.outcome == late);
            assert!(late, "tier {tier}: {told:?}");
        } else {
            let refused = |result: &Result<_, _>| matches!(result, Err(SubmitError::Refused(_)));
            assert!(told.iter().any(refused), "tier {tier}: {told:?}");
        }
        let stored = ledger.view().unwrap().voucher(voucher).unwrap().unwrap();
        winners.insert(stored.redeemed.unwrap().hospital);
    }
    assert_eq!(winners.len(), 2, "one hospital won every race");
}
