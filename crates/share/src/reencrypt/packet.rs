//! Packets: the keys that a patient hands to agents and requesters, checked against the
//! proven grant before they are kept.

use base::{
    AccountId, Action, Digest, GrantId, OperationId, ScopeId, codec,
    operation::{Authorize, Request},
};
use ibpre::{NoiseKey, ReencryptionKey};
use ledger::{RequestStatus, VerifiedHead};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    desk::{Desk, LookError},
    follow::{self, FollowError},
    letter::{AgentKey, AgentPacket, key_hash},
    node::NodeError,
    scheme::{self, gid_of},
    vault::{self, Table, VaultError},
};

use super::{Held, place};

/// Takes a packet in: refused unless its grant is proven on the ledger, names this very
/// packet, and every key opens its commitment. Durable, and the prekey (`opened_with`)
/// gone, when it returns.
///
/// # Errors
/// [`PacketError`].
pub fn receive(
    desk: &Desk<'_>,
    packet: &AgentPacket,
    sealed: Digest,
    opened_with: Digest,
) -> Result<OperationId, PacketError> {
    let head = follow::advance(desk)?;
    let (grant, authorize) = grant_of(desk, &head, packet.request)?;
    let me = desk.party.account;
    let position = authorize.terms.agents.iter().position(|agent| *agent == me);
    let position = position.ok_or(PacketError::NotForThisAgent)?;
    if authorize.packets.get(position + 1) != Some(&sealed) {
        return Err(PacketError::OtherPacket);
    }
    if !packet
        .keys
        .iter()
        .map(|key| key.sid)
        .eq(authorize.terms.sids.iter().copied())
    {
        return Err(PacketError::OtherScopes);
    }
    let (requester, one_time_key) = asker(desk, &head, packet.request)?;
    let mut entries = Vec::new();
    for key in &packet.keys {
        let gid = gid_of(
            desk.party.chain,
            key.sid,
            requester,
            one_time_key,
            &key.gsalt,
            &authorize.terms,
        );
        check_commitment(&authorize, me, gid, key)?;
        let held = Held {
            gid,
            key: key.clone(),
        };
        entries.push((
            place(grant, key.sid.0),
            Zeroizing::new(codec::encode(&held)),
        ));
    }
    let mut changes: Vec<vault::Change<'_>> = entries
        .iter()
        .map(|(place, held)| (Table::Reencryption, place.as_slice(), Some(held.as_slice())))
        .collect();
    changes.push((Table::OneTime, &opened_with.0, None));
    desk.vault.apply(&changes)?;
    Ok(grant)
}

/// The grant that answers `request`, as its author signed it, proven.
pub(crate) fn grant_of(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    request: OperationId,
) -> Result<(OperationId, Authorize), PacketError> {
    let state = desk.node.request(request)?.ok_or(PacketError::NoGrant)?;
    let RequestStatus::Granted(grant) = state.status else {
        return Err(PacketError::NoGrant);
    };
    match desk.proven(head, grant)?.action {
        Action::Authorize(authorize) if authorize.terms.request == request => {
            Ok((grant, authorize))
        }
        _ => Err(PacketError::NoGrant),
    }
}

/// Who asked, and the hash of her one-time key, proven.
pub(crate) fn asker(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    request: OperationId,
) -> Result<(AccountId, Digest), PacketError> {
    let operation = desk.proven(head, request)?;
    match operation.action {
        Action::Request(Request { one_time_key, .. }) => {
            Ok((operation.account, key_hash(&one_time_key)))
        }
        _ => Err(PacketError::NoGrant),
    }
}

fn check_commitment(
    authorize: &Authorize,
    agent: AccountId,
    gid: GrantId,
    key: &AgentKey,
) -> Result<(), PacketError> {
    let rk = ReencryptionKey::<crate::Suite>::from_bytes(&key.rk)
        .map_err(|_| PacketError::Commitment(key.sid))?;
    let noise = NoiseKey::from_bytes(key.noise);
    let com = Digest(ibpre::commitment(
        scheme::grant(gid),
        &agent.0,
        &rk,
        &noise,
        &key.csalt.0,
    ));
    let stands =
        |entry: &&base::operation::Commitment| entry.sid == key.sid && entry.agent == agent;
    match authorize.commitments.iter().find(stands) {
        Some(entry) if entry.com == com => Ok(()),
        _ => Err(PacketError::Commitment(key.sid)),
    }
}

/// Why a packet is not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PacketError {
    /// No grant answers its request (yet).
    #[error("no grant on the ledger answers the packet's request")]
    NoGrant,
    /// The grant names other agents.
    #[error("the packet's grant does not name this agent")]
    NotForThisAgent,
    /// The grant names another packet.
    #[error("the packet is not the one that its grant names")]
    OtherPacket,
    /// Keys for other scopes than granted.
    #[error("the packet's keys are not those of the granted scopes")]
    OtherScopes,
    /// The commitment on the ledger is to another key.
    #[error("the key of scope {0} is not the one that its grant commits to")]
    Commitment(ScopeId),
    /// The grant key does not belong to the grant.
    #[error("the grant key of scope {0} does not belong to this grant and patient")]
    BadGrantKey(ScopeId),
    /// The ledger cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
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
