//! Rotate: a patient retires a scope and re-wraps what was sealed to it.
//!
//! Source: protocol page, "A record", `Rewrap` and Scope; scheme page, step 11. Content
//! keys move to capsules of the next scope; bodies and boxes stay as they are.

use base::{
    RecordId, Scope, ScopeId,
    operation::{PartKey, Rewrap, RotateScope},
};
use rand_core::CryptoRng;
use thiserror::Error;

use crate::{
    accept::{self, AcceptError},
    desk::{LookError, SendError},
    journal::{self, Plan},
    node::NodeError,
    part::{PartError, State},
    scheme::{self, sid_of},
    seal::is_retired,
    sealed::{CapsuleNode, Place, SealedError},
    vault::{self, Table, VaultError},
    wallet::{ExtractError, KnownRecord, MAX_COUNTER, Wallet},
};

/// What a rotation did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotated {
    /// The scope that replaces the old one.
    pub next: ScopeId,
    /// Records that were re-wrapped.
    pub rewrapped: Vec<RecordId>,
    /// Records with a pending state: decide about it, then [`rewrap`] them.
    pub waiting: Vec<RecordId>,
}

/// Retires `sid` and re-wraps every accepted part under it. May be repeated after a crash:
/// it goes on where it stopped.
///
/// # Errors
/// [`RotateError`].
pub fn rotate(
    wallet: &Wallet<'_>,
    sid: ScopeId,
    rng: &mut dyn CryptoRng,
) -> Result<Rotated, RotateError> {
    let desk = &wallet.desk;
    let known = wallet.known_scope(sid)?.ok_or(ExtractError::NoKey(sid))?;
    let next = next_scope(wallet, sid, &known.scope)?;
    wallet.extract(&[next], rng)?;
    let next_sid = sid_of(&next);
    if !is_retired(desk, wallet.patient, sid)? {
        desk.send(RotateScope {
            sid,
            next: next_sid,
        })?;
    }
    let mut rotated = Rotated {
        next: next_sid,
        rewrapped: Vec::new(),
        waiting: Vec::new(),
    };
    for (record, known) in wallet.records()? {
        if known.parts.iter().any(|part| part.key.sid == sid) {
            match rewrap(wallet, record, known, sid, &next, rng) {
                Ok(()) => rotated.rewrapped.push(record),
                Err(RotateError::Pending(_)) => rotated.waiting.push(record),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(rotated)
}

/// The scope that the ledger names as the next one, or the first later counter that is
/// not retired.
fn next_scope(wallet: &Wallet<'_>, sid: ScopeId, scope: &Scope) -> Result<Scope, RotateError> {
    let desk = &wallet.desk;
    let named = desk
        .node
        .scope(wallet.patient, sid)?
        .and_then(|state| state.next);
    for counter in scope.cover.counter + 1..MAX_COUNTER {
        let next = wallet.scope(base::scope::Cover {
            counter,
            ..scope.cover
        });
        let next_sid = sid_of(&next);
        if named == Some(next_sid)
            || (named.is_none() && !is_retired(desk, wallet.patient, next_sid)?)
        {
            return Ok(next);
        }
    }
    Err(RotateError::TooManyRotations)
}

/// Re-wraps the parts of one record that are under `sid`.
fn rewrap(
    wallet: &Wallet<'_>,
    record: RecordId,
    mut known: KnownRecord,
    sid: ScopeId,
    next: &Scope,
    rng: &mut dyn CryptoRng,
) -> Result<(), RotateError> {
    let desk = &wallet.desk;
    let next_sid = sid_of(next);
    let wanted = journal::wanted("rewrap", &(record, sid, next_sid));
    // What an earlier run began may still take effect, so it is finished first. If it fails,
    // it is undone, and the record looked at as it is now.
    match journal::resume(desk, wanted) {
        Err(error) if error.failure().is_none() => return Err(error.into()),
        _ => {}
    }
    let on_ledger = desk.record(record)?;
    if on_ledger.is_erased() {
        return Ok(desk.vault.delete(Table::Parts, &record.0)?);
    }
    if on_ledger.pending.is_some() {
        return Err(RotateError::Pending(record));
    }
    // An earlier run may have re-wrapped it and died before it noted that.
    if let Some(accepted) = on_ledger.accepted.filter(|state| *state != known.state) {
        known = accept::learn(wallet, record, accepted, Some(&known), rng)?;
        if known.parts.iter().all(|part| part.key.sid != sid) {
            return Ok(());
        }
    }
    let before = known.state;
    let state = State::load(desk, record, before)?;
    let key = wallet.decapsulation_key(sid)?;
    let public = scheme::scope_key(wallet.public(), next_sid);
    let mut sealed = state.sealed.clone();
    let mut blocks = Vec::new();
    let affected = known.parts.iter_mut().zip(&mut sealed.parts).enumerate();
    for (index, (part, sealed_part)) in affected.filter(|(_, (part, _))| part.key.sid == sid) {
        let capsule = state.capsule(desk, index)?;
        let secret = key.accept(&capsule.capsule).map_err(|_| SealedError::Key)?;
        let content_key = capsule.unwrap_key(&secret)?;
        let mut rng = &mut *rng;
        let (secret, fresh) = public.encapsulate(&mut rng);
        let place = Place {
            pkh: wallet.pkh(),
            sid: next_sid,
            record,
            part: part.key.part,
            body: sealed_part.body,
        };
        let node = CapsuleNode::wrap(&place, &secret, &fresh, &content_key);
        let block = node.to_block();
        sealed_part.capsule = block.0;
        blocks.push(block);
        part.cover = next.cover;
        part.key = PartKey {
            part: part.key.part,
            sid: next_sid,
            ctid: node.header.ctid,
        };
    }
    let root = sealed.to_block();
    let after = root.0;
    blocks.push(root);
    let action = Rewrap {
        record,
        before,
        after,
        parts: known.parts.iter().map(|part| part.key).collect(),
    };
    journal::send_pinned(desk, wanted, action, &[after], |_| {
        for (name, bytes) in &blocks {
            desk.node.put_block(name, bytes)?;
        }
        Ok::<_, RotateError>(Plan::default())
    })?;
    known.state = after;
    vault::save(desk.vault, Table::Parts, &record.0, &known)?;
    desk.node.unpin(&before)?;
    Ok(())
}

/// Why a scope was not rotated, or not all of its records re-wrapped; repeat it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RotateError {
    /// A state waits.
    #[error("a state of record {0} still waits for you; accept or reject it first")]
    Pending(RecordId),
    /// More rotations than anybody tries.
    #[error("the scope was rotated {MAX_COUNTER} times")]
    TooManyRotations,
    /// What an earlier run re-wrapped does not hold.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// The accepted state does not hold.
    #[error(transparent)]
    Part(#[from] PartError),
    /// A capsule does not hold.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// No key.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// Logging.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The ledger's side.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
