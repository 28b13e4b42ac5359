//! The watermark: the highest head a party has seen, and every grant it saw revoked.
//!
//! Source: protocol page, "Sharing", last paragraph; RFC 9162, consistency proofs. A head
//! that is not an extension of the one seen (a restored or forked ledger) stops every
//! release, durably, until a person decides ([`resume`]).

use base::{Action, OperationId, codec};
use ledger::{CompactRange, Head, VerifiedHead};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    desk::Desk,
    node::NodeError,
    vault::{self, Table, VaultError},
};

/// What is kept of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watermark {
    head: Option<Head>,
    range: CompactRange,
    stopped: Option<Conflict>,
}

/// A head that contradicts the one seen before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// Height and log size seen before.
    pub seen: (u64, u64),
    /// Height and log size of the head that contradicts it.
    pub found: (u64, u64),
}

/// Fetches the newest head, checks its certificate and that it extends the one seen,
/// reads the leaves between and notes revocations; durable when it returns.
///
/// # Errors
/// [`FollowError`]; after [`FollowError::Stopped`] every call gives it again.
pub fn advance(desk: &Desk<'_>) -> Result<VerifiedHead, FollowError> {
    let mut mark = load(desk)?;
    if let Some(conflict) = mark.stopped {
        return Err(FollowError::Stopped(conflict));
    }
    let head = newest(desk)?;
    if !extends(desk, &mark, &head)? {
        let conflict = conflict(&mark, &head);
        mark.stopped = Some(conflict.clone());
        vault::save(desk.vault, Table::Watermark, MARK, &mark)?;
        return Err(FollowError::Stopped(conflict));
    }
    if mark.head.as_ref() == Some(&*head) {
        return Ok(head);
    }
    let revoked = append(desk, &mut mark.range, &head)?;
    mark.head = Some(head.clone().into_head());
    let height = codec::encode(&head.header.height);
    let bytes = codec::encode(&mark);
    let keys: Vec<Vec<u8>> = revoked.iter().map(|grant| grant.0.to_bytes()).collect();
    let mut changes: Vec<vault::Change<'_>> = keys
        .iter()
        .map(|key| (Table::Revoked, key.as_slice(), Some(height.as_slice())))
        .collect();
    changes.push((Table::Watermark, MARK, Some(&bytes)));
    desk.vault.apply(&changes)?;
    Ok(head)
}

/// Whether this party has seen `grant` revoked, whatever a node says now.
///
/// # Errors
/// [`VaultError`].
pub fn is_revoked(desk: &Desk<'_>, grant: OperationId) -> Result<bool, VaultError> {
    Ok(desk
        .vault
        .get(Table::Revoked, &grant.0.to_bytes())?
        .is_some())
}

/// A person's decision to take the node's ledger as it is from now on. Grants that were
/// seen revoked stay revoked.
///
/// # Errors
/// [`FollowError`].
pub fn resume(desk: &Desk<'_>) -> Result<VerifiedHead, FollowError> {
    desk.vault.delete(Table::Watermark, MARK)?;
    advance(desk)
}

/// Why the newest head is not followed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The ledger is not the one seen before.
    #[error(
        "the ledger was restored or forked: height {} with {} leaves is not an extension of height {} with {}; nothing is released until you decide",
        .0.found.0, .0.found.1, .0.seen.0, .0.seen.1
    )]
    Stopped(Conflict),
    /// The head's certificate does not hold.
    #[error("the node's head is not certified: {0}")]
    NotCertified(String),
    /// The leaves do not make up the head's root.
    #[error("the node's leaves do not make up the root of its head")]
    WrongLeaves,
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

fn load(desk: &Desk<'_>) -> Result<Watermark, VaultError> {
    Ok(
        vault::load(desk.vault, Table::Watermark, MARK)?.unwrap_or(Watermark {
            head: None,
            range: CompactRange::new(),
            stopped: None,
        }),
    )
}

fn newest(desk: &Desk<'_>) -> Result<VerifiedHead, FollowError> {
    desk.node
        .head()?
        .verify(desk.validators)
        .map_err(|error| FollowError::NotCertified(error.to_string()))
}

fn extends(desk: &Desk<'_>, mark: &Watermark, head: &VerifiedHead) -> Result<bool, FollowError> {
    let Some(seen) = &mark.head else {
        return Ok(true);
    };
    let (seen, new) = (&seen.header, &head.header);
    if new.height == seen.height {
        return Ok(new == seen);
    }
    if new.height < seen.height || new.tree_size < seen.tree_size || new.time <= seen.time {
        return Ok(false);
    }
    if new.tree_size == seen.tree_size || seen.tree_size == 0 {
        return Ok(new.tree_root == seen.tree_root || seen.tree_size == 0);
    }
    let proof = desk.node.consistency(seen.tree_size, new.tree_size)?;
    let sizes = proof.from == seen.tree_size && proof.to == new.tree_size;
    Ok(sizes && proof.verify(&seen.tree_root, &new.tree_root).is_ok())
}

/// Appends the leaves up to `head` and returns the grants that they revoke.
fn append(
    desk: &Desk<'_>,
    range: &mut CompactRange,
    head: &VerifiedHead,
) -> Result<Vec<OperationId>, FollowError> {
    let mut revoked = Vec::new();
    while range.size() < head.header.tree_size {
        let left = head.header.tree_size - range.size();
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(BATCH);
        let leaves = desk.node.leaves(range.size(), limit)?;
        if leaves.is_empty() || leaves.len() as u64 > left {
            return Err(FollowError::WrongLeaves);
        }
        for leaf in leaves {
            range.append(&leaf.to_bytes());
            if let (true, Action::Revoke(revoke)) =
                (leaf.outcome.is_ok(), &leaf.operation.body.action)
            {
                revoked.push(revoke.grant);
            }
        }
    }
    if range.root() != head.header.tree_root {
        return Err(FollowError::WrongLeaves);
    }
    Ok(revoked)
}

fn conflict(mark: &Watermark, head: &VerifiedHead) -> Conflict {
    let seen = mark.head.as_ref().map(|head| &head.header);
    Conflict {
        seen: seen.map_or((0, 0), |header| (header.height, header.tree_size)),
        found: (head.header.height, head.header.tree_size),
    }
}

const MARK: &[u8] = b"head";
const BATCH: u32 = 1_000;
