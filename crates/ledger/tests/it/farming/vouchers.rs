//! Vouchers: one per account and tier, ever, and each redeemed once, whoever is faster.

use base::genesis::{Policy, Tariff};
use ledger::{Failure, Outcome, Refusal};

use super::{
    accepting,
    farm::{Farm, failures, small},
    patient_of_mercy,
};
use crate::world::*;

/// p0 has the vouchers of tiers 1 and 2.
fn holder() -> Farm {
    let mut farm = Farm::new(small());
    let chart = patient_of_mercy(&mut farm);
    farm.split(&accepting("institute", &["ag"], &chart), 4);
    let vouchers = farm.world.view().vouchers_of(id("p0")).unwrap();
    assert_eq!(vouchers.len(), 2);
    farm
}

/// Two hospitals bring the patient's signature one after the other, in one block and in
/// two, in both orders: the first in the log has it.
#[test]
fn the_first_hospital_in_the_log_has_it() {
    for (first, second) in [("general", "coast"), ("coast", "general")] {
        for one_block in [true, false] {
            let mut farm = holder();
            farm.redeem("p0", 1, first);
            let mut outcomes = Vec::new();
            if !one_block {
                outcomes.extend(farm.seal());
            }
            farm.redeem("p0", 1, second);
            outcomes.extend(farm.seal());
            let twice = Some(Failure::AlreadyRedeemed);
            assert_eq!(failures(outcomes), [None, twice]);
            let used = farm.world.view().vouchers_of(id("p0")).unwrap()[0].redeemed;
            assert_eq!(used.unwrap().hospital, id(first));
            // the other tier's is another voucher
            farm.redeem("p0", 2, second);
            assert_eq!(failures(farm.seal()), [None]);
        }
    }
}

/// The patient signs two redemptions with one sequence number and gives one to each
/// hospital: only one of them ever is in the log.
#[test]
fn one_number_signed_twice_is_logged_once() {
    for one_block in [true, false] {
        for swap in [false, true] {
            let mut farm = holder();
            let world = &mut farm.world;
            let mut rivals = Vec::new();
            for hospital in ["general", "coast"] {
                let number = world.sequence("p0");
                let voucher = base::operation::VoucherId {
                    account: id("p0"),
                    tier: 1,
                };
                let redeem = base::operation::Redeem {
                    voucher,
                    hospital: id(hospital),
                };
                rivals.push(world.sign("p0", redeem).to_bytes().0);
                world.sequences.insert(id("p0"), number);
            }
            if swap {
                rivals.reverse();
            }
            let results = if one_block {
                world.block(rivals)
            } else {
                let blocks = rivals.into_iter().map(|rival| world.block(vec![rival]));
                blocks.flatten().collect()
            };
            assert_eq!(results[0].as_ref().unwrap().outcome, Outcome::Ok);
            assert!(
                matches!(results[1], Err(Refusal::WrongSequence { .. })),
                "{results:?}"
            );
        }
    }
}

/// Nobody redeems what is another's, not reached, or at a stranger's.
#[test]
fn strangers_redeem_nothing() {
    let mut farm = holder();
    let stolen = base::operation::Redeem {
        voucher: base::operation::VoucherId {
            account: id("p0"),
            tier: 1,
        },
        hospital: id("general"),
    };
    farm.add("general", stolen);
    farm.add("p1", stolen);
    farm.redeem("p0", 1, "quack");
    farm.redeem("p0", 3, "general");
    farm.redeem("p1", 1, "general");
    let expected = [
        Failure::NotYours,
        Failure::NotYours,
        Failure::NotAdmitted,
        Failure::NoVoucher,
        Failure::NoVoucher,
    ];
    assert_eq!(failures(farm.seal()), expected.map(Some));
}

/// Who reached the last tier there can be gets no voucher a second time by earning on.
#[test]
fn the_last_tiers_voucher_is_issued_once() {
    let policy = Policy {
        tariff: Tariff {
            patient_first: 300,
            ..small().tariff
        },
        cap_pair_day: 10_000,
        tiers: (1..=255).collect(),
        ..small()
    };
    let mut farm = Farm::new(policy);
    let chart = patient_of_mercy(&mut farm);
    farm.split(&accepting("institute", &["ag"], &chart), 1);
    let last = |farm: &Farm| farm.world.view().vouchers_of(id("p0")).unwrap()[254];
    farm.redeem("p0", 255, "general");
    assert_eq!(failures(farm.seal()), [None]);
    let spent = last(&farm);
    farm.split(&accepting("institute", &["ag"], &chart), 1);
    assert_eq!(last(&farm), spent);
    farm.redeem("p0", 255, "coast");
    assert_eq!(failures(farm.seal()), [Some(Failure::AlreadyRedeemed)]);
}
