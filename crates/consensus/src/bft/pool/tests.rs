//! The pool as a pure value.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use base::{
    Digest, Millis, Operation, Signed,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
    operation::{Action, Bag, PatientKeys, Register, Role},
};
use ledger::{Ledger, OpenOptions, check_batch};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

fn secret(name: &str) -> OperationSecret {
    OperationSecret::new(Digest::of(name.as_bytes()).0)
}

fn hpke() -> HpkeKey {
    HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap()
}

fn account(name: &str) -> AccountId {
    AccountId::of(&secret(name).public())
}

/// Checked operations, numbers 1 to `count` of each name.
fn operations(names: &[&str], count: u64) -> HashMap<(String, u64), Checked> {
    let genesis = Genesis {
        version: base::Version,
        network: "test".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: vec![Validator {
            key: secret("node").public(),
            hpke_key: hpke(),
        }],
        institutions: vec![],
        policy: Policy::default(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let ledger = Ledger::create(&path, &genesis, OpenOptions::default()).unwrap();
    let mut made = HashMap::new();
    for name in names {
        let sign = |sequence| {
            let action: Action = match sequence {
                1 => Register {
                    role: Role::Patient,
                    operation_key: secret(name).public(),
                    hpke_key: hpke(),
                    record_key: None,
                    peer: None,
                    patient: Some(PatientKeys {
                        pkh: Digest::of(name.as_bytes()),
                        h: base::cid::of_block(base::cid::RAW, name.as_bytes()),
                    }),
                }
                .into(),
                version => Bag {
                    version,
                    commitment: Digest([3; 32]),
                }
                .into(),
            };
            let operation = Operation {
                chain: genesis.chain(),
                account: account(name),
                delegation: None,
                sequence,
                action,
            };
            Signed::new(operation, &secret(name)).to_bytes().0
        };
        let bytes = (1..=count).map(sign).collect();
        let checked = check_batch(bytes, genesis.chain(), &ledger.view().unwrap()).unwrap();
        for (number, one) in (1..).zip(checked) {
            made.insert(((*name).to_owned(), number), one.unwrap());
        }
    }
    made
}

fn pool(operations: usize, account: usize) -> Pool {
    Pool::new(PoolLimits {
        operations,
        bytes: 1 << 20,
        account,
    })
}

fn numbers(pool: &Pool, most: usize, used: u64) -> Vec<u64> {
    let picked = pool
        .pick(most, 1 << 20, |_| Ok::<_, Infallible>(used))
        .unwrap();
    picked
        .iter()
        .map(|checked| checked.operation().sequence)
        .collect()
}

#[test]
fn numbers_go_in_order_and_none_is_left_out() {
    let made = operations(&["a"], 4);
    let mut pool = pool(10, 10);
    let now = Instant::now();
    for number in [3, 1, 4] {
        pool.admit(made[&("a".into(), number)].clone(), 0, &mut Vec::new(), now)
            .unwrap();
    }
    assert_eq!(numbers(&pool, 8, 0), [1]);
    pool.admit(made[&("a".into(), 2)].clone(), 0, &mut Vec::new(), now)
        .unwrap();
    assert_eq!(numbers(&pool, 16, 0), [1, 2, 3, 4]);
    assert_eq!(numbers(&pool, 16, 2), [3, 4]);
    // One account has no more than a quarter of a block.
    assert_eq!(numbers(&pool, 8, 0), [1, 2]);
}

#[test]
fn a_number_is_taken_once_and_the_free_one_is_named() {
    let made = operations(&["a"], 3);
    let mut pool = pool(10, 10);
    let now = Instant::now();
    let first = made[&("a".into(), 1)].clone();
    pool.admit(first.clone(), 0, &mut Vec::new(), now).unwrap();
    pool.admit(made[&("a".into(), 2)].clone(), 0, &mut Vec::new(), now)
        .unwrap();
    let refusal = Refusal::WrongSequence {
        expected: 3,
        found: 1,
    };
    assert_eq!(
        pool.admit(first.clone(), 0, &mut Vec::new(), now),
        Err(refusal.into())
    );
    // What the log has used is as used.
    let refusal = Refusal::WrongSequence {
        expected: 4,
        found: 3,
    };
    assert_eq!(
        pool.admit(made[&("a".into(), 3)].clone(), 3, &mut Vec::new(), now),
        Err(refusal.into())
    );
}

#[test]
fn who_sends_it_again_waits_with_the_first() {
    let made = operations(&["a"], 1);
    let mut pool = pool(10, 10);
    let one = made[&("a".into(), 1)].clone();
    let waiter = || -> Option<Teller> { Some(Box::new(drop)) };
    let mut first = Vec::from_iter(waiter());
    let (mut second, mut late) = (waiter(), waiter());
    pool.admit(one.clone(), 0, &mut first, Instant::now())
        .unwrap();
    assert!(pool.join(one.id(), &mut second));
    assert!(first.is_empty() && second.is_none(), "both wait there");
    assert_eq!(pool.ordered(one.id()).len(), 2);
    assert!(!pool.join(one.id(), &mut late) && late.is_some());
    assert_eq!((pool.len(), pool.bytes), (0, 0));
}

#[test]
fn the_limits_hold() {
    let made = operations(&["a", "b", "c"], 3);
    let mut pool = pool(3, 2);
    let now = Instant::now();
    let mut admit = |name: &str, number| {
        pool.admit(
            made[&(name.to_owned(), number)].clone(),
            0,
            &mut Vec::new(),
            now,
        )
        .is_ok()
    };
    assert!(admit("a", 1) && admit("a", 2));
    assert!(!admit("a", 3), "more than its share");
    assert!(admit("b", 1));
    assert!(!admit("c", 1), "full");
}

#[test]
fn bytes_are_bounded_and_given_back() {
    let made = operations(&["a", "b", "c"], 1);
    let one = |name: &str| made[&(name.to_owned(), 1)].clone();
    let size = one("a").bytes().len();
    let mut pool = Pool::new(PoolLimits {
        operations: 10,
        bytes: 3 * size - 1,
        account: 10,
    });
    let now = Instant::now();
    let admit = |pool: &mut Pool, name| pool.admit(one(name), 0, &mut Vec::new(), now);
    admit(&mut pool, "a").unwrap();
    admit(&mut pool, "b").unwrap();
    let full = Err(SubmitError::Busy { waiting: 2 });
    assert_eq!(admit(&mut pool, "c"), full);
    assert_eq!((pool.len(), pool.bytes), (2, 2 * size));
    pool.ordered(one("a").id());
    assert_eq!(admit(&mut pool, "c"), Ok(()));
    assert_eq!((pool.len(), pool.bytes), (2, 2 * size));
    // A block takes what fits, in the order they came.
    let used = |_| Ok::<_, Infallible>(0);
    for (bytes, fit) in [(size - 1, 0), (size, 1), (2 * size - 1, 1), (2 * size, 2)] {
        let picked = pool.pick(10, bytes, used).unwrap();
        let ids: Vec<_> = picked.iter().map(Checked::id).collect();
        assert_eq!(ids, [one("b").id(), one("c").id()][..fit], "{bytes}");
    }
}

#[test]
fn only_so_many_wait_for_one_operation() {
    let made = operations(&["a"], 1);
    let one = made[&("a".into(), 1)].clone();
    let told = Arc::new(AtomicUsize::new(0));
    let waiter = || -> Teller {
        let told = Arc::clone(&told);
        Box::new(move |fate| {
            assert!(matches!(fate, Err(SubmitError::Unknown(_))));
            told.fetch_add(1, Ordering::Relaxed);
        })
    };
    let waiters = |count| -> Vec<Teller> { (0..count).map(|_| waiter()).collect() };
    for first in [1, 100] {
        let mut pool = pool(10, 10);
        pool.admit(one.clone(), 0, &mut waiters(first), Instant::now())
            .unwrap();
        for waiter in waiters(100) {
            assert!(pool.join(one.id(), &mut Some(waiter)));
        }
        assert_eq!(pool.ordered(one.id()).len(), MAX_WAITERS);
        let others = first + 100 - MAX_WAITERS;
        assert_eq!(told.swap(0, Ordering::Relaxed), others);
    }
}

#[test]
fn what_the_log_outran_and_what_waits_in_vain_leaves() {
    let made = operations(&["a"], 4);
    let mut pool = pool(10, 10);
    let begun = Instant::now();
    for number in [1, 2, 4] {
        pool.admit(
            made[&("a".into(), number)].clone(),
            0,
            &mut Vec::new(),
            begun,
        )
        .unwrap();
    }
    let patience = Duration::from_secs(5);
    assert!(pool.stranded(account("a"), 0, patience, begun).is_empty());
    let late = begun + Duration::from_secs(6);
    let stranded = pool.stranded(account("a"), 0, patience, late);
    let refusal = Refusal::WrongSequence {
        expected: 3,
        found: 4,
    };
    assert_eq!(stranded.len(), 1);
    assert_eq!(stranded[0].refusal, refusal);
    let outrun = pool.outrun(account("a"), 1);
    assert_eq!(outrun.len(), 1);
    assert_eq!(outrun[0].id, made[&("a".into(), 1)].id());
    assert_eq!(numbers(&pool, 8, 1), [2]);
}
