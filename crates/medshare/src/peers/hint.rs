//! Hints: a node's signed word on a state that it holds, or that it gave to another node
//! to keep. Nodes hand them on; each is judged by the ledger where it arrives.

use base::{AccountId, ChainId, Cid, Millis, Signed, Statement, domain, operation::Role};
use ledger::{Fault, View};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

use super::registry::Registry;

/// What a node says of one root.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// The ledger.
    pub chain: ChainId,
    /// The node's account, which signs.
    pub account: AccountId,
    /// Its peer id.
    pub peer: ByteBuf,
    /// Root of a state of a record.
    pub root: Cid,
    /// What it says.
    pub says: Says,
    /// By its clock. A later word takes the place of an earlier one.
    pub time: Millis,
}

/// A node's word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// It has all of it and keeps it.
    Held,
    /// It no longer does.
    Dropped,
    /// The node of this account is to keep a copy. Counts for the publisher's nodes.
    Entrusted(AccountId),
    /// It no longer is.
    Withdrawn(AccountId),
}

impl Says {
    /// Whom it is about: the node that says it, or the one that is named.
    pub fn subject(self, speaker: AccountId) -> AccountId {
        match self {
            Self::Held | Self::Dropped => speaker,
            Self::Entrusted(account) | Self::Withdrawn(account) => account,
        }
    }

    /// Whether it says so of itself.
    pub fn is_own(self) -> bool {
        matches!(self, Self::Held | Self::Dropped)
    }

    /// Whether it gives rather than takes back.
    pub fn stands(self) -> bool {
        matches!(self, Self::Held | Self::Entrusted(_))
    }
}

impl Statement for Hint {
    const DOMAIN: &'static str = domain::HINT;
}

/// A hint whose signature and speaker were checked against the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckedHint(Signed<Hint>);

impl CheckedHint {
    /// Checks a hint at `now`: of this ledger, signed by the current key of an admitted
    /// node, about a state that the ledger knows, and not of the future.
    ///
    /// # Errors
    /// The outer [`Fault`] when the ledger cannot be read; inside, [`BadHint`].
    pub fn check(
        signed: Signed<Hint>,
        view: &View,
        registry: &Registry,
        now: Millis,
    ) -> Result<Result<Self, BadHint>, Fault> {
        let hint = &signed.body;
        if hint.chain != view.head()?.header.chain {
            return Ok(Err(BadHint::Chain));
        }
        if hint.time > now.plus(MAX_AHEAD) {
            return Ok(Err(BadHint::Future));
        }
        let speaker = registry.node(hint.account);
        if speaker.is_none_or(|(peer, _)| peer != hint.peer.as_ref()) {
            return Ok(Err(BadHint::Speaker));
        }
        if registry.record(&hint.root).is_none() {
            return Ok(Err(BadHint::Root));
        }
        let account = view.account(hint.account)?;
        let key = account
            .filter(|account| account.role == Role::Node)
            .and_then(|account| account.operation_key());
        let Some(key) = key else {
            return Ok(Err(BadHint::Speaker));
        };
        Ok(match signed.verify(&key) {
            Ok(verified) => Ok(Self(verified.into_signed())),
            Err(_) => Err(BadHint::Signature),
        })
    }

    /// What it says.
    pub fn hint(&self) -> &Hint {
        &self.0.body
    }

    /// With its signature.
    pub fn as_signed(&self) -> &Signed<Hint> {
        &self.0
    }
}

/// Why a hint does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadHint {
    /// Of another ledger.
    #[error("the hint is of another ledger")]
    Chain,
    /// Its time is ahead of the clock: it would outlast every later word.
    #[error("the hint's time is ahead of this node's clock")]
    Future,
    /// Not an admitted node under this peer id.
    #[error("the hint is not of an admitted node under its peer id")]
    Speaker,
    /// Not about a state on the ledger (yet).
    #[error("the hint names no state of a record on the ledger")]
    Root,
    /// Not signed by the node's current key.
    #[error("the hint's signature does not verify")]
    Signature,
}

/// How far a clock may be ahead of ours, milliseconds.
const MAX_AHEAD: u64 = 120_000;
