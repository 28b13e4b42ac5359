//! Authorize: a patient grants scopes to a requester through agents.
//!
//! Source: protocol page, "Sharing", row "authorise"; scheme page, step 7. What was
//! extracted is in the key bag, and every packet in the vault, before the operation is
//! sent; packets go out once it took effect. Packets never go to the store.

mod packets;

use base::{
    AccountId, Action, Millis, OperationId, RecordId, ScopeId,
    key::HpkeKey,
    operation::{GrantUse, Request, Terms},
};
use ledger::{RequestState, RequestStatus};
use rand_core::CryptoRng;
use std::collections::BTreeSet;
use thiserror::Error;

use crate::{
    bag::{self, BagError},
    desk::{LookError, SendError, Sent},
    dispute,
    follow::{self, FollowError},
    journal,
    letter::{LetterError, Wish},
    node::NodeError,
    prekey::{self, PrekeyError},
    seal::is_retired,
    vault::VaultError,
    wallet::{ExtractError, KnownRecord, KnownScope, Wallet},
};

use packets::Made;

/// What a patient chooses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Scopes.
    pub sids: Vec<ScopeId>,
    /// Agents, of other institutions than the requester.
    pub agents: Vec<AccountId>,
    /// Start.
    pub not_before: Millis,
    /// End.
    pub expires: Millis,
    /// Distinct capsules.
    pub max_queries: u32,
    /// Ordinary or break-glass.
    pub purpose: GrantUse,
}

/// The scopes of accepted records that a wish is about, sorted; none that is retired.
///
/// # Errors
/// [`AuthorizeError`].
pub fn matching(wallet: &Wallet<'_>, wish: &Wish) -> Result<Vec<ScopeId>, AuthorizeError> {
    matching_among(wallet, &wallet.records()?, wish)
}

/// The same for who has the wallet's records in hand.
///
/// # Errors
/// [`AuthorizeError`].
pub fn matching_among(
    wallet: &Wallet<'_>,
    records: &[(RecordId, KnownRecord)],
    wish: &Wish,
) -> Result<Vec<ScopeId>, AuthorizeError> {
    let mut sids = BTreeSet::new();
    for (record, known) in records {
        if !wish.records.is_empty() && !wish.records.contains(record) {
            continue;
        }
        for part in &known.parts {
            let cover = part.cover;
            let month = cover
                .epoch
                .is_none_or(|epoch| (wish.from..=wish.to).contains(&epoch));
            if month && wish.classes.contains(&cover.class) {
                sids.insert(part.key.sid);
            }
        }
    }
    let mut live = Vec::new();
    for sid in sids {
        if !is_retired(&wallet.desk, wallet.patient, sid)? {
            live.push(sid);
        }
    }
    Ok(live)
}

/// Grants `choice` in answer to `request`. A call that was cut short is finished by the
/// next one for the same choice.
///
/// # Errors
/// [`AuthorizeError`]; nothing has left the wallet then, unless it is a [`SendError`]
/// without an outcome: then [`crate::journal::settle`] finds out.
pub fn authorize(
    wallet: &Wallet<'_>,
    request: OperationId,
    choice: &Choice,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, AuthorizeError> {
    let desk = &wallet.desk;
    let terms = terms(request, choice);
    let timeless = Terms {
        not_before: Millis(0),
        expires: Millis(0),
        ..terms.clone()
    };
    let wanted = journal::wanted("authorize", &timeless);
    if let Some(sent) = journal::resume(desk, wanted)? {
        return Ok(sent);
    }
    let asked = open_request(wallet, request)?;
    let scopes = check(wallet, &asked, &terms)?;
    let keys = terms
        .agents
        .iter()
        .map(|&agent| {
            let key = desk.operation_key(agent)?;
            Ok(prekey::take(desk.node, desk.party.chain, agent, &key)?)
        })
        .collect::<Result<Vec<_>, AuthorizeError>>()?;
    let made = Made::make(wallet, &asked, &terms, &scopes, rng)?;
    let sealed = made.seal(wallet, &asked, terms, &keys, rng)?;
    bag::sync(wallet, rng)?;
    journal::send(
        desk,
        wanted,
        sealed.operation.clone(),
        |_| Ok(sealed.plan()),
    )
}

/// The request as its author signed it, proven, still open.
struct Asked {
    requester: AccountId,
    key: HpkeKey,
    state: RequestState,
    /// The ledger's time when it was looked up.
    now: Millis,
}

fn open_request(wallet: &Wallet<'_>, id: OperationId) -> Result<Asked, AuthorizeError> {
    let desk = &wallet.desk;
    let unknown = || LookError::Unknown("request", id.to_string());
    let head = follow::advance(desk)?;
    let operation = desk.proven(&head, id)?;
    let Action::Request(Request {
        patient,
        one_time_key,
        ..
    }) = operation.action
    else {
        return Err(unknown().into());
    };
    let state = desk.node.request(id)?.ok_or_else(unknown)?;
    if patient != wallet.patient {
        return Err(unknown().into());
    }
    if state.status != RequestStatus::Open {
        return Err(AuthorizeError::Answered);
    }
    Ok(Asked {
        requester: operation.account,
        key: one_time_key,
        state,
        now: head.header.time,
    })
}

fn terms(request: OperationId, choice: &Choice) -> Terms {
    let mut sids = choice.sids.clone();
    let mut agents = choice.agents.clone();
    sids.sort_unstable();
    sids.dedup();
    agents.sort_unstable();
    agents.dedup();
    Terms {
        request,
        purpose: choice.purpose,
        sids,
        agents,
        not_before: choice.not_before,
        expires: choice.expires,
        max_queries: choice.max_queries,
    }
}

/// What the ledger would refuse too, in words; and what only the wallet knows.
fn check(
    wallet: &Wallet<'_>,
    asked: &Asked,
    terms: &Terms,
) -> Result<Vec<KnownScope>, AuthorizeError> {
    let desk = &wallet.desk;
    if terms.sids.is_empty() || terms.agents.is_empty() || terms.max_queries == 0 {
        return Err(AuthorizeError::Empty);
    }
    if terms.not_before >= terms.expires || asked.state.expires <= asked.now {
        return Err(AuthorizeError::Period);
    }
    let querier = desk.node.institution_of(asked.requester)?;
    for &agent in &terms.agents {
        let institution = desk.node.institution_of(agent)?;
        let institution = institution.ok_or(AuthorizeError::NoInstitution(agent))?;
        if querier
            .as_ref()
            .is_some_and(|querier| querier.together(&institution))
        {
            return Err(AuthorizeError::SameInstitution(agent));
        }
    }
    let mut scopes = Vec::new();
    for &sid in &terms.sids {
        let known = wallet.known_scope(sid)?.ok_or(ExtractError::NoKey(sid))?;
        if known.tainted {
            return Err(AuthorizeError::Tainted(sid));
        }
        if is_retired(desk, wallet.patient, sid)? {
            return Err(AuthorizeError::Retired(sid));
        }
        for &agent in &terms.agents {
            if dispute::is_distrusted(desk, agent, sid)? {
                return Err(AuthorizeError::Distrusted { agent, sid });
            }
        }
        scopes.push(known);
    }
    Ok(scopes)
}

/// Where the opening of an agent's commitments is kept.
pub(crate) fn opening_key(request: OperationId, agent: AccountId) -> Vec<u8> {
    [request.0.to_bytes(), agent.0.to_vec()].concat()
}

/// Why nothing was granted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// Nothing to grant, or nobody to do it.
    #[error("a grant names at least one scope, one agent and one query")]
    Empty,
    /// Ends before it starts, or its request has expired.
    #[error("the grant would end before it starts, or its request has expired")]
    Period,
    /// Granted or denied before.
    #[error("the request is already answered")]
    Answered,
    /// An agent that belongs nowhere.
    #[error("agent {0} belongs to no admitted institution")]
    NoInstitution(AccountId),
    /// Agent and querier together would hold the scope's key.
    #[error(
        "agent {0} and the requester belong to the same institution or group; choose another agent"
    )]
    SameInstitution(AccountId),
    /// Restored without its key.
    #[error(
        "scope {0} was in use before the wallet was restored; rotate it before granting under it"
    )]
    Tainted(ScopeId),
    /// Rotated.
    #[error("scope {0} is retired; grant under the one that replaced it")]
    Retired(ScopeId),
    /// The agent gave an answer that did not open.
    #[error("agent {agent} gave an answer for scope {sid} that did not open; choose another agent")]
    Distrusted {
        /// The agent.
        agent: AccountId,
        /// The scope.
        sid: ScopeId,
    },
    /// No prekey.
    #[error(transparent)]
    Prekey(#[from] PrekeyError),
    /// No key.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The bag.
    #[error(transparent)]
    Bag(#[from] BagError),
    /// A packet could not be sealed.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// The ledger cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
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
