//! One-time prekeys: HPKE keys that an agent leaves at the interface, each handed out
//! once, so that a packet cannot be read after its receipt, whoever takes the agent's
//! keys later.
//!
//! Source: protocol page, "Parties" (at least 100 signed one-time prekeys).

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use base::{
    AccountId, ChainId, Digest, Signed, Statement, domain,
    key::{HpkeKey, OperationKey},
};

use crate::{
    identity::{HpkeSecret, Party},
    letter::key_hash,
    node::{Node, NodeError},
    vault::{Table, Vault, VaultError},
};

/// A one-time key, as its agent signs it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prekey {
    /// The ledger.
    pub chain: ChainId,
    /// The agent.
    pub agent: AccountId,
    /// The key.
    pub key: HpkeKey,
}

impl Statement for Prekey {
    const DOMAIN: &'static str = domain::PREKEY;
}

/// How many prekeys an agent keeps at the interface.
pub const STOCK: usize = 100;

/// Makes `count` prekeys, their secrets durable in the vault before they are returned.
///
/// # Errors
/// [`VaultError`].
pub fn make(
    party: &Party,
    vault: &dyn Vault,
    count: usize,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<Signed<Prekey>>, VaultError> {
    let fresh: Vec<(Digest, HpkeSecret, HpkeKey)> = (0..count)
        .map(|_| {
            let secret = HpkeSecret::generate(rng);
            let key = secret.public();
            (key_hash(&key), secret, key)
        })
        .collect();
    let changes: Vec<_> = fresh
        .iter()
        .map(|(hash, secret, _)| {
            let value: &[u8] = secret.as_secret();
            (Table::OneTime, &hash.0[..], Some(value))
        })
        .collect();
    vault.apply(&changes)?;
    let sign = |(_, _, key)| {
        let body = Prekey {
            chain: party.chain,
            agent: party.account,
            key,
        };
        Signed::new(body, &party.operation)
    };
    Ok(fresh.into_iter().map(sign).collect())
}

/// Fills the interface's stock up to [`STOCK`]; returns how many were added.
///
/// # Errors
/// [`PrekeyError`].
pub fn replenish(
    party: &Party,
    node: &dyn Node,
    vault: &dyn Vault,
    rng: &mut dyn CryptoRng,
) -> Result<usize, PrekeyError> {
    let missing = STOCK.saturating_sub(node.prekeys_left(party.account)?);
    if missing > 0 {
        node.put_prekeys(&make(party, vault, missing, rng)?)?;
    }
    Ok(missing)
}

/// Takes one of `agent`'s prekeys and checks that it is the agent's own.
///
/// # Errors
/// [`PrekeyError`].
pub fn take(
    node: &dyn Node,
    chain: ChainId,
    agent: AccountId,
    key: &OperationKey,
) -> Result<HpkeKey, PrekeyError> {
    let prekey = node
        .take_prekey(agent)?
        .ok_or(PrekeyError::NoneLeft { agent })?;
    check(prekey, chain, agent, key).ok_or(PrekeyError::NotTheAgents { agent })
}

fn check(
    prekey: Signed<Prekey>,
    chain: ChainId,
    agent: AccountId,
    key: &OperationKey,
) -> Option<HpkeKey> {
    let prekey = prekey.verify(key).ok()?;
    (prekey.chain == chain && prekey.agent == agent).then(|| prekey.key.clone())
}

/// Why there is no prekey.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PrekeyError {
    /// The agent's stock is used up.
    #[error(
        "agent {agent} has no one-time key left at the interface; it must run to leave new ones"
    )]
    NoneLeft {
        /// The agent.
        agent: AccountId,
    },
    /// The interface gave a key that the agent did not sign.
    #[error("the interface gave a one-time key that agent {agent} did not sign")]
    NotTheAgents {
        /// The agent.
        agent: AccountId,
    },
    /// The interface did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not take the secrets.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
