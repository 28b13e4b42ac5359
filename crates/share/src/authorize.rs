//! Authorize: a patient grants scopes to a requester through agents.
//!
//! Source: protocol page, "Sharing", row "authorise"; scheme page, step 7. What was
//! extracted is in the key bag, and every packet in the outbox, before the operation is
//! sent; packets go out once it took effect. Packets never go to the store.

use base::{
    AccountId, Action, Digest, GrantId, Millis, OperationId, Salt, ScopeId, codec,
    key::HpkeKey,
    operation::{Authorize, Commitment, GrantUse, Request, Terms},
};
use ibpre::{GrantKey, NoiseKey, ReencryptionKey, RekeyError};
use ledger::{RequestState, RequestStatus};
use rand_core::CryptoRng;
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Suite,
    bag::{self, BagEntry, BagError},
    desk::{LookError, SendError, Sent},
    follow::{self, FollowError},
    identity::random,
    letter::{
        AgentKey, AgentPacket, GrantPacket, GrantedScope, Letter, LetterError, Wish, key_hash,
    },
    node::NodeError,
    outbox::{self, OutboxError, Posted},
    prekey::{self, PrekeyError},
    scheme::{self, gid_of},
    seal::is_retired,
    vault::{self, Table, VaultError},
    wallet::{ExtractError, KnownScope, Wallet},
};

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
    let mut sids = BTreeSet::new();
    for (record, known) in wallet.records()? {
        if !wish.records.is_empty() && !wish.records.contains(&record) {
            continue;
        }
        for part in known.parts {
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

/// Grants `choice` in answer to `request`.
///
/// # Errors
/// [`AuthorizeError`]; nothing has left the wallet then, unless it is a
/// [`SendError::Node`] or later, after which [`recover`] finds out.
pub fn authorize(
    wallet: &Wallet<'_>,
    request: OperationId,
    choice: &Choice,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, AuthorizeError> {
    let asked = open_request(wallet, request)?;
    let terms = terms(request, choice);
    let scopes = check(wallet, &asked, &terms)?;
    let keys = terms
        .agents
        .iter()
        .map(|&agent| {
            let key = wallet.desk.operation_key(agent)?;
            Ok(prekey::take(
                wallet.desk.node,
                wallet.desk.party.chain,
                agent,
                &key,
            )?)
        })
        .collect::<Result<Vec<_>, AuthorizeError>>()?;
    let made = Made::make(wallet, &asked, &terms, &scopes, rng)?;
    let (operation, posted) = made.seal(wallet, &asked, terms, &keys, rng)?;
    bag::sync(wallet, rng)?;
    let sent = match wallet.desk.send(operation) {
        Ok(sent) => sent,
        Err(error) => {
            if matches!(
                error,
                SendError::Failed { .. } | SendError::Node(NodeError::Refused(_))
            ) {
                discard(wallet, &posted)?;
            }
            return Err(error.into());
        }
    };
    outbox::release(&wallet.desk, &posted)?;
    let _ = outbox::flush(&wallet.desk); // what did not go stays for the next flush
    Ok(sent)
}

/// After a crash: lets packets go whose `Authorize` took effect, and throws away the
/// others once their request is closed or expired at `now`.
///
/// # Errors
/// [`AuthorizeError`].
pub fn recover(wallet: &Wallet<'_>, now: Millis) -> Result<(), AuthorizeError> {
    let desk = &wallet.desk;
    let held: Vec<(Vec<u8>, Posted)> = vault::load_all(desk.vault, Table::Outbox)?;
    if !held.iter().any(|(_, posted)| posted.held) {
        return Ok(());
    }
    let head = follow::advance(desk)?;
    let mut logged = BTreeSet::new();
    for grant in desk.node.grants_of(wallet.patient)? {
        if let Action::Authorize(authorize) = desk.proven(&head, grant.id)?.action {
            logged.extend(authorize.packets);
        }
    }
    for (name, posted) in held.into_iter().filter(|(_, posted)| posted.held) {
        let letter = Digest::of(&posted.letter);
        if logged.contains(&letter) {
            outbox::release(desk, &[letter])?;
        } else if head.header.time.plus(Millis::DAY) < now {
            desk.vault.delete(Table::Outbox, &name)?;
        }
    }
    outbox::flush(desk)?;
    Ok(())
}

/// The request as its author signed it, proven, still open.
struct Asked {
    requester: AccountId,
    key: HpkeKey,
    state: RequestState,
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
    if terms.not_before >= terms.expires
        || asked.state.expires <= terms.not_before.min(asked.state.time)
    {
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
            if desk
                .vault
                .get(Table::Distrusted, &[agent.0, sid.0].concat())?
                .is_some()
            {
                return Err(AuthorizeError::Distrusted { agent, sid });
            }
        }
        scopes.push(known);
    }
    Ok(scopes)
}

/// The keys of a grant, in memory.
struct Made {
    granted: Vec<GrantedScope>,
    /// For each agent, its keys.
    agents: Vec<Vec<AgentKey>>,
    commitments: Vec<Commitment>,
}

impl Made {
    fn make(
        wallet: &Wallet<'_>,
        asked: &Asked,
        terms: &Terms,
        scopes: &[KnownScope],
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, AuthorizeError> {
        let mut made = Self {
            granted: Vec::new(),
            agents: vec![Vec::new(); terms.agents.len()],
            commitments: Vec::new(),
        };
        let mut issued = Vec::new();
        for (&sid, known) in terms.sids.iter().zip(scopes) {
            let (gid, gsalt, key, rk) = rekey(wallet, asked, terms, sid, known, rng)?;
            issued.push(BagEntry::Grant(gid));
            made.granted.push(GrantedScope {
                scope: known.scope,
                gsalt,
                key: ByteBuf::from(key.to_bytes().to_vec()),
            });
            let mut rng = &mut *rng;
            let noise = NoiseKey::generate(&mut rng);
            for (&agent, keys) in terms.agents.iter().zip(&mut made.agents) {
                let csalt = Salt(random(rng));
                let com = ibpre::commitment(scheme::grant(gid), &agent.0, &rk, &noise, &csalt.0);
                made.commitments.push(Commitment {
                    sid,
                    agent,
                    com: Digest(com),
                });
                keys.push(AgentKey {
                    sid,
                    rk: ByteBuf::from(rk.to_bytes().to_vec()),
                    noise: *noise.as_secret(),
                    gsalt,
                    csalt,
                });
            }
        }
        bag::add(wallet, issued)?;
        Ok(made)
    }

    /// Seals the packets and puts them, and what an audit needs, into the vault.
    fn seal(
        self,
        wallet: &Wallet<'_>,
        asked: &Asked,
        terms: Terms,
        prekeys: &[HpkeKey],
        rng: &mut dyn CryptoRng,
    ) -> Result<(Authorize, Vec<Digest>), AuthorizeError> {
        let chain = wallet.desk.party.chain;
        let request = terms.request;
        let grant = Letter::Grant(GrantPacket {
            request,
            keys: self.granted,
        });
        let mut letters = vec![(asked.requester, grant.seal(chain, &asked.key, rng)?)];
        let mut openings = Vec::new();
        for ((&agent, keys), prekey) in terms.agents.iter().zip(self.agents).zip(prekeys) {
            let packet = AgentPacket { request, keys };
            openings.push((
                opening_key(request, agent),
                Zeroizing::new(codec::encode(&packet)),
            ));
            letters.push((agent, Letter::Agent(packet).seal(chain, prekey, rng)?));
        }
        let packets: Vec<Digest> = letters
            .iter()
            .map(|(_, letter)| Digest::of(letter))
            .collect();
        let posted: Vec<(Digest, Vec<u8>)> = letters
            .iter()
            .map(|(to, letter)| Posted::entry(*to, letter, true))
            .collect();
        let mut changes: Vec<vault::Change<'_>> = posted
            .iter()
            .map(|(name, entry)| (Table::Outbox, &name.0[..], Some(entry.as_slice())))
            .collect();
        changes.extend(
            openings
                .iter()
                .map(|(key, packet)| (Table::Openings, key.as_slice(), Some(packet.as_slice()))),
        );
        wallet.desk.vault.apply(&changes)?;
        let operation = Authorize {
            terms,
            commitments: self.commitments,
            packets: packets.clone(),
        };
        Ok((operation, packets))
    }
}

type Rekeyed = (GrantId, Salt, GrantKey<Suite>, ReencryptionKey<Suite>);

fn rekey(
    wallet: &Wallet<'_>,
    asked: &Asked,
    terms: &Terms,
    sid: ScopeId,
    known: &KnownScope,
    rng: &mut dyn CryptoRng,
) -> Result<Rekeyed, AuthorizeError> {
    let own = wallet.user_key(known)?;
    let chain = wallet.desk.party.chain;
    let mut issued = BTreeSet::new(); // every gid is fresh: its salt is
    loop {
        let gsalt = Salt(random(rng));
        let gid = gid_of(
            chain,
            sid,
            asked.requester,
            key_hash(&asked.key),
            &gsalt,
            terms,
        );
        if wallet.desk.vault.get(Table::Issued, &gid.0)?.is_some() {
            continue;
        }
        let mut rng = &mut *rng;
        match ibpre::rekey(
            &wallet.extractor,
            &own,
            scheme::grant(gid),
            &mut issued,
            &mut rng,
        ) {
            Ok((key, rk)) => return Ok((gid, gsalt, key, rk)),
            Err(RekeyError::OutOfRange | RekeyError::AlreadyExtracted) => {}
            Err(_) => return Err(ExtractError::Damaged.into()),
        }
    }
}

/// Where the opening of an agent's commitments is kept.
pub(crate) fn opening_key(request: OperationId, agent: AccountId) -> Vec<u8> {
    [request.0.to_bytes(), agent.0.to_vec()].concat()
}

fn discard(wallet: &Wallet<'_>, posted: &[Digest]) -> Result<(), VaultError> {
    let changes: Vec<vault::Change<'_>> = posted
        .iter()
        .map(|name| (Table::Outbox, &name.0[..], None))
        .collect();
    wallet.desk.vault.apply(&changes)
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
    /// A packet could not be delivered.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
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
