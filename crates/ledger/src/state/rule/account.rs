//! Accounts: registration, keys, joining, attestation, delegation. Protocol page,
//! "Parties".

use base::{
    Signed, Statement,
    key::{OperationKey, RecordKey, Signature},
    operation::{
        Attest, ConsentToJoin, Delegate, Join, KeyConsent, NewKey, ProvenRecordKey, RecordKeyClaim,
        Register, Role, RotateKey, Undelegate,
    },
};
use serde_bytes::ByteBuf;
use std::sync::Arc;

use super::{Stop, Work, ensure, validators};
use crate::{
    leaf::Failure,
    state::{
        List,
        entry::{Account, AttestDay, Delegation, Institution, KeyPeriod},
    },
};

/// Longest peer id, bytes.
const MAX_PEER: usize = 128;
/// Most operation or record keys that an account has in its life.
const MAX_KEYS: usize = 256;
/// Most institutions that attest one patient: more add nothing.
const MAX_ATTESTATIONS: usize = 64;

pub(super) fn register(work: &mut Work<'_, '_>, action: &Register) -> Result<(), Stop> {
    let id = work.sender;
    ensure(
        work.find::<Account>(&id)?.is_none(),
        Failure::AlreadyRegistered,
    )?;
    keys_fit_role(action)?;
    founding_role(work, action.role)?;
    if let Some(proven) = &action.record_key {
        prove_record_key(work, proven)?;
    }
    let height = work.block.height;
    let account = Account {
        id,
        role: action.role,
        operation_keys: vec![current(action.operation_key, height)],
        hpke_key: action.hpke_key.clone(),
        record_keys: action
            .record_key
            .iter()
            .map(|proven| current(proven.key.clone(), height))
            .collect(),
        peer: action.peer.clone(),
        patient: action.patient,
        institution: None,
        attested_by: Vec::new(),
        opened: height,
    };
    work.put(&id, &account);
    work.list_other(List::Accounts, id.0);
    Ok(())
}

/// Hospitals and only they have a record key, patients and only they a public key h.
fn keys_fit_role(action: &Register) -> Result<(), Stop> {
    let fits = action.record_key.is_some() == (action.role == Role::Hospital)
        && action.patient.is_some() == (action.role == Role::Patient)
        && action.peer.as_ref().is_none_or(peer_fits)
        && (action.peer.is_none() || matches!(action.role, Role::Node | Role::Agent));
    ensure(fits, Failure::BadShape)
}

fn peer_fits(peer: &ByteBuf) -> bool {
    !peer.is_empty() && peer.len() <= MAX_PEER
}

/// An institution that the genesis names registers as one that can be an institution.
fn founding_role(work: &Work<'_, '_>, role: Role) -> Result<(), Stop> {
    let founding = work.get::<Institution>(&work.sender)?.is_some();
    ensure(!founding || can_be_admitted(role), Failure::WrongRole)
}

/// Roles that an institution can have.
pub(super) fn can_be_admitted(role: Role) -> bool {
    matches!(role, Role::Hospital | Role::Requester)
}

fn prove_record_key(work: &Work<'_, '_>, proven: &ProvenRecordKey) -> Result<(), Stop> {
    let claim = RecordKeyClaim {
        chain: work.block.chain,
        account: work.sender,
        key: proven.key.clone(),
    };
    proven
        .key
        .verify(&claim.preimage(), proven.proof.as_bytes())
        .map_err(|_| Failure::BadProof.into())
}

fn current<K>(key: K, from: u64) -> KeyPeriod<K> {
    KeyPeriod {
        key,
        from,
        until: None,
    }
}

pub(super) fn rotate_key(work: &mut Work<'_, '_>, action: &RotateKey) -> Result<(), Stop> {
    let mut account = Arc::unwrap_or_clone(work.account(work.sender)?);
    let height = work.block.height;
    let until = action.compromised_after.unwrap_or(height);
    ensure(until <= height, Failure::BadShape)?;
    match &action.new {
        NewKey::Operation(key, consent) => {
            rotate_operation_key(work, &mut account, *key, consent, until)?;
            validators::rekey(work, *key)?;
        }
        NewKey::Record(proven) => rotate_record_key(work, &mut account, proven, until)?,
        NewKey::Hpke(key) => account.hpke_key = key.clone(),
        NewKey::Peer(peer) => {
            let has_peer = matches!(account.role, Role::Node | Role::Agent);
            ensure(has_peer && peer_fits(peer), Failure::BadShape)?;
            account.peer = Some(peer.clone());
        }
    }
    work.put(&account.id, &account);
    Ok(())
}

fn rotate_operation_key(
    work: &Work<'_, '_>,
    account: &mut Account,
    key: OperationKey,
    consent: &Signature,
    until: u64,
) -> Result<(), Stop> {
    let body = KeyConsent {
        chain: work.block.chain,
        account: account.id,
        sequence: work.sequence,
    };
    let signed = Signed {
        body,
        signature: *consent,
    };
    ensure(signed.verify(&key).is_ok(), Failure::BadProof)?;
    push_key(&mut account.operation_keys, key, work.block.height, until)
}

fn rotate_record_key(
    work: &Work<'_, '_>,
    account: &mut Account,
    proven: &ProvenRecordKey,
    until: u64,
) -> Result<(), Stop> {
    ensure(account.role == Role::Hospital, Failure::WrongRole)?;
    prove_record_key(work, proven)?;
    push_key::<RecordKey>(
        &mut account.record_keys,
        proven.key.clone(),
        work.block.height,
        until,
    )
}

/// The last key ends at `until`, a new one starts at `height`.
pub(super) fn push_key<K: PartialEq>(
    keys: &mut Vec<KeyPeriod<K>>,
    key: K,
    height: u64,
    until: u64,
) -> Result<(), Stop> {
    ensure(keys.len() < MAX_KEYS, Failure::BadShape)?;
    ensure(
        keys.iter().all(|period| period.key != key),
        Failure::KeyInUse,
    )?;
    // A compromise reaches back to earlier keys too: nothing signed after it is trusted
    // under a key that was current then.
    for period in keys.iter_mut() {
        period.until = Some(period.until.map_or(until, |earlier| earlier.min(until)));
    }
    keys.push(current(key, height));
    Ok(())
}

pub(super) fn join(work: &mut Work<'_, '_>, action: &Join) -> Result<(), Stop> {
    let mut account = Arc::unwrap_or_clone(work.account(work.sender)?);
    let is_one = work.get::<Institution>(&work.sender)?.is_some();
    ensure(
        account.institution.is_none() && !is_one,
        Failure::AlreadyJoined,
    )?;
    let admitted = work.get::<Institution>(&action.institution)?.is_some();
    ensure(admitted, Failure::NotAdmitted)?;
    let institution = work.account(action.institution)?;
    let consent = Signed {
        body: ConsentToJoin {
            chain: work.block.chain,
            account: work.sender,
            institution: action.institution,
        },
        signature: action.consent,
    };
    let key = institution.operation_key().ok_or(Failure::BadProof)?;
    ensure(consent.verify(&key).is_ok(), Failure::BadProof)?;
    validators::may_join(work, action.institution)?;
    account.institution = Some(action.institution);
    work.put(&account.id, &account);
    Ok(())
}

pub(super) fn attest(work: &mut Work<'_, '_>, action: &Attest) -> Result<(), Stop> {
    work.require_institution()?;
    let mut patient = Arc::unwrap_or_clone(work.account_as(action.patient, Role::Patient)?);
    ensure(
        !patient.attested_by.contains(&work.sender) && patient.attested_by.len() < MAX_ATTESTATIONS,
        Failure::AlreadyAttested,
    )?;
    let key = (work.sender, work.now().day());
    let mut day = work.get::<AttestDay>(&key)?.unwrap_or_default();
    ensure(
        day.count < work.policy()?.cap_attest_day,
        Failure::AttestCap,
    )?;
    day.count += 1;
    work.put(&key, &day);
    patient.attested_by.push(work.sender);
    work.put(&patient.id, &patient);
    Ok(())
}

pub(super) fn delegate(work: &mut Work<'_, '_>, action: &Delegate) -> Result<(), Stop> {
    let sorted = action.powers.windows(2).all(|pair| pair[0] < pair[1]);
    ensure(
        sorted && !action.powers.is_empty() && action.expires > work.now(),
        Failure::BadShape,
    )?;
    ensure(action.delegate != work.sender, Failure::BadShape)?;
    work.account(action.delegate)?;
    let delegation = Delegation {
        id: work.id,
        patient: work.sender,
        delegate: action.delegate,
        powers: action.powers.clone(),
        expires: action.expires,
        ended: None,
    };
    work.put(&delegation.id, &delegation);
    work.list_item(List::Delegations(work.sender));
    work.list_item(List::Delegations(action.delegate));
    Ok(())
}

pub(super) fn undelegate(work: &mut Work<'_, '_>, action: &Undelegate) -> Result<(), Stop> {
    let found = work.get::<Delegation>(&action.delegation)?;
    let mut delegation = found.ok_or(Failure::NoDelegation)?;
    ensure(delegation.patient == work.sender, Failure::NotYours)?;
    ensure(delegation.ended.is_none(), Failure::NoDelegation)?;
    delegation.ended = Some(work.now());
    work.put(&delegation.id, &delegation);
    Ok(())
}
