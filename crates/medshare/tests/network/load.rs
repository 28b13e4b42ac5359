//! Clients that send one operation after the other, each to another validator than the one
//! before, and again until somebody acknowledges it.

use base::{
    AccountId, ChainId, Digest, Operation, Signed, SignedOperation, cid,
    key::{HpkeKey, OperationSecret},
    operation::{Action, Bag, PatientKeys, Register, Role},
};
use medshare::http::HttpNode;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    courier::{Courier, PAUSE, Sent},
    validators::Validators,
};

pub(crate) struct Load {
    clients: Vec<Client>,
}

struct Client {
    courier: Courier,
    secret: OperationSecret,
    chain: ChainId,
    acknowledged: Vec<Sent>,
    slowest: Duration,
}

impl Load {
    pub(crate) fn new(net: &Validators, clients: usize) -> Self {
        let all: Vec<_> = (0..net.count()).collect();
        Self::at(net, clients, &all)
    }

    /// Clients of these validators only.
    pub(crate) fn at(net: &Validators, clients: usize, nodes: &[usize]) -> Self {
        let to = || nodes.iter().map(|node| net.client(*node)).collect();
        Self::of(net.genesis().chain(), clients, &format!("{nodes:?}"), to)
    }

    /// Clients of a ledger, each with connections of its own; `name` tells them from others.
    pub(crate) fn of(
        chain: ChainId,
        clients: usize,
        name: &str,
        to: impl Fn() -> Vec<HttpNode>,
    ) -> Self {
        let client = |at: usize| Client {
            courier: Courier::new(to(), at),
            secret: OperationSecret::new(Digest::of(format!("client {at} of {name}").as_bytes()).0),
            chain,
            acknowledged: Vec::new(),
            slowest: Duration::ZERO,
        };
        Self {
            clients: (0..clients).map(client).collect(),
        }
    }

    /// Sends as long as `during` lasts. What is not acknowledged by then is sent again next
    /// time.
    pub(crate) fn run(&mut self, during: impl FnOnce()) {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for client in &mut self.clients {
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        client.step();
                    }
                });
            }
            // Also when `during` fails, or nobody would stop.
            let _stop = Stop(&over);
            during();
        });
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.clients
            .iter()
            .map(|client| client.acknowledged.len())
            .sum()
    }

    /// Everything that was acknowledged, the last of each client included.
    pub(crate) fn finish(mut self) -> Vec<Sent> {
        for client in &mut self.clients {
            let limit = Instant::now() + Duration::from_secs(30);
            while !client.step() {
                assert!(
                    Instant::now() < limit,
                    "the last operation is not acknowledged"
                );
            }
        }
        let slowest = self.clients.iter().map(|client| client.slowest).max();
        println!(
            "the slowest acknowledgement took {:?}",
            slowest.unwrap_or_default()
        );
        self.clients
            .into_iter()
            .flat_map(|client| client.acknowledged)
            .collect()
    }
}

pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Client {
    /// Sends the next operation once; says whether it was acknowledged.
    fn step(&mut self) -> bool {
        let operation = self.operation();
        let begun = Instant::now();
        let Some(outcome) = self.courier.offer(&operation) else {
            thread::sleep(PAUSE);
            return false;
        };
        assert!(outcome.is_ok(), "{outcome:?}");
        self.slowest = self.slowest.max(begun.elapsed());
        self.acknowledged.push((operation, outcome));
        true
    }

    fn operation(&self) -> SignedOperation {
        let sequence = self.acknowledged.len() as u64 + 1;
        operation(&self.secret, self.chain, sequence)
    }
}

/// A patient's operation of this number: the first opens her account.
pub(crate) fn operation(
    secret: &OperationSecret,
    chain: ChainId,
    sequence: u64,
) -> SignedOperation {
    let key = secret.public();
    let account = AccountId::of(&key);
    let action: Action = match sequence {
        1 => Register {
            role: Role::Patient,
            operation_key: key,
            hpke_key: HpkeKey::new(vec![2; HpkeKey::LENGTH]).unwrap(),
            record_key: None,
            peer: None,
            patient: Some(PatientKeys {
                pkh: Digest::of(&account.0),
                h: cid::of_block(cid::RAW, &account.0),
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
        chain,
        account,
        delegation: None,
        sequence,
        action,
    };
    Signed::new(operation, secret)
}
