//! Keys, identifiers and registrations made from names.

use aws_lc_rs::signature::{KeyPair as _, ML_DSA_65_SIGNING, PqdsaKeyPair};
use base::{
    AccountId, CapsuleId, ChainId, Cid, Digest, Nonce, RecordId, ScopeId, Statement, cid,
    key::{HpkeKey, OperationKey, OperationSecret, RecordKey, RecordSignature},
    operation::*,
};
use std::{cell::RefCell, collections::HashMap};

pub fn secret(name: &str) -> OperationSecret {
    OperationSecret::new(Digest::of(name.as_bytes()).0)
}

pub fn id(name: &str) -> AccountId {
    public(name).1
}

thread_local! {
    /// A public key costs a scalar multiplication, and everybody is named many times.
    static PUBLIC: RefCell<HashMap<String, (OperationKey, AccountId)>> = RefCell::default();
}

fn public(name: &str) -> (OperationKey, AccountId) {
    PUBLIC.with_borrow_mut(|known| {
        if let Some(found) = known.get(name) {
            return *found;
        }
        if known.len() >= 2_000 {
            known.clear();
        }
        let key = secret(name).public();
        let found = (key, AccountId::of(&key));
        known.insert(name.to_owned(), found);
        found
    })
}

pub fn hpke(name: &str) -> HpkeKey {
    let seed = Digest::of(name.as_bytes()).0;
    HpkeKey::new(seed.iter().copied().cycle().take(HpkeKey::LENGTH).collect()).unwrap()
}

pub fn sid(name: &str) -> ScopeId {
    ScopeId(Digest::of(name.as_bytes()).0)
}

pub fn ctid(name: &str) -> CapsuleId {
    CapsuleId(Digest::of(name.as_bytes()).0)
}

pub fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

pub fn nonce(name: &str) -> Nonce {
    Nonce(Digest::of(name.as_bytes()).0)
}

pub fn state(name: &str) -> Cid {
    cid::of_object(name.as_bytes())
}

pub fn record_id(hospital: &str, name: &str) -> RecordId {
    RecordId::of(id(hospital), &nonce(name))
}

/// The ML-DSA key of a name, with its proof for an account.
pub fn record_key(chain: ChainId, account: AccountId, name: &str) -> ProvenRecordKey {
    let pair = PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, &digest(name).0).unwrap();
    let key = RecordKey::new(pair.public_key().as_ref().to_vec()).unwrap();
    let claim = RecordKeyClaim {
        chain,
        account,
        key: key.clone(),
    };
    let mut proof = vec![0; RecordSignature::LENGTH];
    pair.sign(&claim.preimage(), &mut proof).unwrap();
    ProvenRecordKey {
        key,
        proof: RecordSignature::new(proof).unwrap(),
    }
}

pub fn registration(chain: ChainId, name: &str, role: Role) -> Register {
    Register {
        role,
        operation_key: key_of(name),
        hpke_key: hpke(name),
        record_key: (role == Role::Hospital).then(|| record_key(chain, id(name), name)),
        peer: None,
        patient: (role == Role::Patient).then(|| PatientKeys {
            pkh: digest(name),
            h: cid::of_block(cid::RAW, name.as_bytes()),
        }),
    }
}

pub fn parts(list: &[(&str, &str)]) -> Vec<PartKey> {
    (0..)
        .zip(list)
        .map(|(part, (scope, capsule))| PartKey {
            part,
            sid: sid(scope),
            ctid: ctid(capsule),
        })
        .collect()
}

pub fn key_of(name: &str) -> OperationKey {
    public(name).0
}
