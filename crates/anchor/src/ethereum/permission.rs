//! What a leaf makes of a grant, for contracts that ask.
//!
//! Public is only what they need: a hash of ledger, grant and requester, from when until when
//! it holds, and that it was revoked. A refusal says nothing, nor does a grant for emergencies:
//! neither allows anything by itself. docs/anchors.md, docs/threat-model.md.

use alloy::primitives::keccak256;
use base::{
    AccountId, ChainId, Digest, Millis, OperationId,
    operation::{Action, Authorize, GrantUse},
};
use ledger::{Fault, Leaf, View};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Chain,
    subject::{Subject, Wish},
};

/// A grant that began or was revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// The ledger.
    pub ledger: ChainId,
    /// The first leaf that nothing was said about before: none from there to `index` does.
    pub from: u64,
    /// The leaf that says so.
    pub index: u64,
    /// [`key`] of the grant.
    pub key: Digest,
    /// When it holds; none any more if it was revoked.
    pub span: Option<Span>,
}

/// When a grant holds, seconds since 1970: never longer than in the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// From this second on; 0 if it held at once.
    pub not_before: u64,
    /// Before this second.
    pub expires: u64,
}

/// What a contract finds a grant by: Keccak-256(ledger ‖ grant ‖ requester). Who does not know
/// the grant, whose id is a hash over a signature, can neither make nor recognise it.
pub fn key(ledger: ChainId, grant: OperationId, requester: AccountId) -> Digest {
    let bytes = [ledger.0, word(grant), requester.0].concat();
    Digest(keccak256(bytes).0)
}

/// An operation's id as contracts write it: the digest in it.
pub fn word(id: OperationId) -> [u8; 32] {
    // Ids are of SHA2-256.
    id.0.hash().digest().try_into().unwrap_or([0; 32])
}

impl Permission {
    /// The first from leaf `from` on.
    fn first(view: &View, from: u64, scanned: &mut u64) -> Result<Option<Self>, Fault> {
        let mut index = from.max(*scanned);
        loop {
            let leaves = view.leaves(index, AT_ONCE)?;
            if leaves.is_empty() {
                *scanned = index;
                return Ok(None);
            }
            for leaf in leaves {
                if let Some((grant, requester, span)) = said(view, index, &leaf)? {
                    *scanned = index;
                    let ledger = leaf.operation.body.chain;
                    let key = key(ledger, grant, requester);
                    return Ok(Some(Self {
                        ledger,
                        from,
                        index,
                        key,
                        span,
                    }));
                }
                index += 1;
            }
        }
    }
}

/// What a leaf makes of which grant to whom.
type Said = (OperationId, AccountId, Option<Span>);

fn said(view: &View, index: u64, leaf: &Leaf) -> Result<Option<Said>, Fault> {
    if !leaf.outcome.is_ok() {
        return Ok(None);
    }
    match &leaf.operation.body.action {
        Action::Authorize(granted) => {
            let Some(head) = view.head_of(index)? else {
                return Ok(None);
            };
            let span = span(granted, head.header.time);
            let (_, grant) = leaf.operation.to_bytes();
            let requester = requester(view, granted)?;
            Ok(span
                .zip(requester)
                .map(|(span, requester)| (grant, requester, Some(span))))
        }
        Action::Revoke(revoked) => {
            let Some(granted) = action(view, revoked.grant)? else {
                return Ok(None);
            };
            let Action::Authorize(granted) = granted.operation.body.action else {
                return Ok(None);
            };
            let ordinary = granted.terms.purpose == GrantUse::Ordinary;
            let requester = requester(view, &granted)?.filter(|_| ordinary);
            Ok(requester.map(|requester| (revoked.grant, requester, None)))
        }
        _ => Ok(None),
    }
}

/// When a grant of a block of this time holds; none for emergencies, and for what is over before
/// a whole second has passed.
fn span(granted: &Authorize, given: Millis) -> Option<Span> {
    let terms = &granted.terms;
    let not_before = match terms.not_before <= given {
        true => 0,
        false => terms.not_before.0.div_ceil(1_000),
    };
    let expires = terms.expires.0 / 1_000;
    let holds = terms.purpose == GrantUse::Ordinary && not_before < expires;
    holds.then_some(Span {
        not_before,
        expires,
    })
}

fn requester(view: &View, granted: &Authorize) -> Result<Option<AccountId>, Fault> {
    let request = action(view, granted.terms.request)?;
    Ok(request.map(|leaf| leaf.operation.body.account))
}

fn action(view: &View, id: OperationId) -> Result<Option<Leaf>, Fault> {
    Ok(view.operation(id)?.map(|(_, leaf)| leaf))
}

impl Subject for Permission {
    type Mark = Self;
    const AT_ONCE: usize = 128;

    fn lane(_: Chain) -> &'static str {
        "ethereum-permissions"
    }

    fn covers(&self) -> u64 {
        self.index.saturating_add(1) // the chain may show any index
    }

    fn covered(mark: &Self) -> u64 {
        mark.covers()
    }

    fn mark(&self) -> Self {
        *self
    }

    fn digest(&self) -> Digest {
        self.key
    }

    fn due(view: &View, wish: &mut Wish<'_>) -> Result<Option<Self>, Fault> {
        Self::first(view, wish.from, wish.scanned)
    }

    fn in_place_of(view: &View, mark: &Self) -> Result<Option<Self>, Fault> {
        Self::first(view, mark.from, &mut 0)
    }

    fn passes(&self, _: &Self) -> bool {
        false
    }
}

/// Leaves that are looked through at once.
const AT_ONCE: usize = 256;
