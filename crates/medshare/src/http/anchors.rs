//! Anchors in public chains: how they stand, and what proves one. Open to anybody, as every
//! read of the ledger is; who is shown an anchor checks it.

use anchor::{Chain, Checkpoint, Evidence};
use axum::extract::{Path, State};
use base::Digest;
use ledger::Head;
use serde::{Deserialize, Serialize};

use super::{
    admission::{blocking, parse},
    answer::{Answer, Handled},
    interface::Shared,
    message::ErrorCode,
};

/// What a node knows of its anchors.
pub trait Anchors: Send + Sync {
    /// How each chain stands.
    fn standing(&self) -> Vec<AnchorStanding>;

    /// The final anchor with the smallest tree that holds leaf `index`.
    ///
    /// # Errors
    /// In words, why the journal cannot be read.
    fn covering(&self, chain: Chain, index: u64) -> Result<Option<(Checkpoint, Evidence)>, String>;

    /// The final transaction of leaf `index` alone.
    ///
    /// # Errors
    /// As [`Anchors::covering`].
    fn record(&self, chain: Chain, index: u64) -> Result<Option<Evidence>, String>;
}

/// What is submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feed {
    /// Roots of the log.
    #[default]
    Anchors,
    /// Single operation records.
    Records,
    /// Grants.
    Permissions,
}

impl Feed {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anchors => "anchors",
            Self::Records => "records",
            Self::Permissions => "permissions",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_anchors(&self) -> bool {
        *self == Self::Anchors
    }
}

/// `GET /v1/anchors`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorStanding {
    /// Which chain.
    pub chain: Chain,
    /// What is submitted there; absent for anchors.
    #[serde(default, skip_serializing_if = "Feed::is_anchors")]
    pub feed: Feed,
    /// Which network of it.
    pub network: String,
    /// The contract that is told so, where there are contracts.
    pub contract: Option<String>,
    /// Who pays.
    pub payer: String,
    /// Anchors, records or changes of grants that are final.
    pub anchors: u64,
    /// Of the newest: leaves up to it, root, leaf's hash or grant's key, height of the public block.
    pub newest: Option<(u64, Digest, u64)>,
    /// Those that are on their way.
    pub open: u64,
    /// What all cost, in [`Chain::unit`]s.
    pub cost: u64,
    /// What is left of the budget for 30 days, in [`Chain::unit`]s.
    pub left: u64,
    /// Why it gets no further now.
    pub trouble: Option<String>,
}

/// `GET /v1/anchors/{chain}/{index}`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchoredHead {
    /// The head that was anchored.
    pub head: Head,
    /// What proves it.
    pub evidence: Evidence,
}

/// `GET /v1/anchors/{chain}/{index}/record`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedLeaf {
    /// What proves it.
    pub evidence: Evidence,
}

pub(super) async fn standing(State(interface): Shared) -> Handled {
    let anchors = interface.anchors.as_ref();
    let standing = anchors.map_or_else(Vec::new, |anchors| anchors.standing());
    Ok(Answer::object(&standing))
}

pub(super) async fn covering(
    State(interface): Shared,
    Path((chain, index)): Path<(String, String)>,
) -> Handled {
    let (chain, index): (Chain, u64) = (parse(&chain)?, parse(&index)?);
    let anchors = interface.anchors.clone().ok_or_else(Answer::not_found)?;
    blocking(move || {
        let found = anchors
            .covering(chain, index)
            .map_err(|_| Answer::error(ErrorCode::Storage, "the anchors cannot be read"))?;
        let (checkpoint, evidence) = found.ok_or_else(Answer::not_found)?;
        let head = (interface.views)()?
            .head_at(checkpoint.height)?
            .ok_or_else(Answer::not_found)?;
        Ok(Answer::object(&AnchoredHead { head, evidence }))
    })
    .await
}

pub(super) async fn record(
    State(interface): Shared,
    Path((chain, index)): Path<(String, String)>,
) -> Handled {
    let (chain, index): (Chain, u64) = (parse(&chain)?, parse(&index)?);
    let anchors = interface.anchors.clone().ok_or_else(Answer::not_found)?;
    blocking(move || {
        let found = anchors
            .record(chain, index)
            .map_err(|_| Answer::error(ErrorCode::Storage, "the anchors cannot be read"))?;
        let evidence = found.ok_or_else(Answer::not_found)?;
        Ok(Answer::object(&RecordedLeaf { evidence }))
    })
    .await
}
