//! Keys, a ledger and operations of a trial.

use base::{
    AccountId, Digest, Millis, Operation, Signed, SignedOperation, cid,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
    operation::{Action, Bag, PatientKeys, Register, Role},
};

pub const START: u64 = 1_000_000;
/// How far a clock may be off, milliseconds.
pub const DRIFT: u64 = 5_000;

pub fn secret(name: &str) -> OperationSecret {
    OperationSecret::new(Digest::of(name.as_bytes()).0)
}

pub fn validator(at: usize) -> OperationSecret {
    secret(&format!("validator {at}"))
}

pub fn account(secret: &OperationSecret) -> AccountId {
    AccountId::of(&secret.public())
}

fn hpke() -> HpkeKey {
    HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap()
}

/// Of four validators.
pub fn genesis() -> Genesis {
    genesis_since(Millis(START))
}

pub fn genesis_since(created: Millis) -> Genesis {
    Genesis {
        version: base::Version,
        network: "trial".into(),
        created,
        drift: DRIFT,
        validators: (0..4)
            .map(|at| Validator {
                key: validator(at).public(),
                hpke_key: hpke(),
            })
            .collect(),
        institutions: vec![],
        policy: Policy::default(),
    }
}

/// A patient's operation of this number; `twist` tells several of one number apart.
pub fn operation(genesis: &Genesis, name: &str, sequence: u64, twist: u8) -> SignedOperation {
    let secret = secret(name);
    let action: Action = match sequence {
        1 => Register {
            role: Role::Patient,
            operation_key: secret.public(),
            hpke_key: hpke(),
            record_key: None,
            peer: None,
            patient: Some(PatientKeys {
                pkh: Digest::of(name.as_bytes()),
                h: cid::of_block(cid::RAW, name.as_bytes()),
            }),
        }
        .into(),
        version => Bag {
            version,
            commitment: Digest([twist; 32]),
        }
        .into(),
    };
    let operation = Operation {
        chain: genesis.chain(),
        account: account(&secret),
        delegation: None,
        sequence,
        action,
    };
    Signed::new(operation, &secret)
}
