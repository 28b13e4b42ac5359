//! Open: a requester takes her grant in, asks an agent, and opens its answer with every
//! check; a patient opens her own.
//!
//! Source: protocol page, "Sharing", rows "query" and "open"; scheme page, steps 7 and 9.
//! Opening writes into a sink that the caller commits only when it gets `Ok`.

use base::{
    AccountId, Action, Digest, GrantId, Millis, OperationId, RecordId, Salt, Scope, ScopeId,
    Signed, codec,
    operation::{Ask, Query},
};
use ibpre::{GrantKey, ReencryptedCapsule};
use ledger::Account;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::io::Write;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Suite,
    accept::{self, AcceptError},
    desk::{Desk, LookError},
    dispute::{self, distrust_key},
    follow::{self, FollowError},
    identity::secret,
    letter::{Answer, AskLetter, GrantPacket, Letter, LetterError, OpenFailure, Reencrypted},
    node::NodeError,
    outbox::{self, Posted},
    part::{OpenedPart, PartError, State},
    reencrypt::{PacketError, asker, grant_of, place},
    scheme::{self, gid_of, sid_of},
    vault::{self, Table, VaultError},
    wallet::Wallet,
};

/// One scope of a grant as the requester holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldGrant {
    patient: AccountId,
    scope: Scope,
    gsalt: Salt,
    gid: GrantId,
    key: ByteBuf,
}

secret! { HeldGrant { key } }

/// Takes a grant packet in: refused unless its grant is proven on the ledger, names this
/// very packet, and every key is short and belongs to the grant. Durable, and the
/// one-time key (`opened_with`) gone, when it returns.
///
/// # Errors
/// [`PacketError`].
pub fn receive_grant(
    desk: &Desk<'_>,
    packet: &GrantPacket,
    sealed: Digest,
    opened_with: Digest,
) -> Result<OperationId, PacketError> {
    let head = follow::advance(desk)?;
    let (grant, authorize) = grant_of(desk, &head, packet.request)?;
    let (requester, one_time_key) = asker(desk, &head, packet.request)?;
    if authorize.packets.first() != Some(&sealed) || requester != desk.party.account {
        return Err(PacketError::OtherPacket);
    }
    let sids = packet.keys.iter().map(|key| sid_of(&key.scope));
    if !sids.eq(authorize.terms.sids.iter().copied()) {
        return Err(PacketError::OtherScopes);
    }
    let state = desk.node.grant(grant)?.ok_or(PacketError::NoGrant)?;
    let public = desk.public_params(state.patient)?;
    let mut entries = Vec::new();
    for (key, &sid) in packet.keys.iter().zip(&authorize.terms.sids) {
        let gid = gid_of(
            desk.party.chain,
            sid,
            requester,
            one_time_key,
            &key.gsalt,
            &authorize.terms,
        );
        GrantKey::<Suite>::from_bytes(&key.key)
            .ok()
            .and_then(|grant_key| grant_key.verify(&public, scheme::grant(gid)).ok())
            .ok_or(PacketError::BadGrantKey(sid))?;
        let held = HeldGrant {
            patient: state.patient,
            scope: key.scope,
            gsalt: key.gsalt,
            gid,
            key: key.key.clone(),
        };
        entries.push((place(grant, sid.0), Zeroizing::new(codec::encode(&held))));
    }
    let mut changes: Vec<vault::Change<'_>> = entries
        .iter()
        .map(|(place, held)| (Table::Grants, place.as_slice(), Some(held.as_slice())))
        .collect();
    changes.push((Table::OneTime, &opened_with.0, None));
    desk.vault.apply(&changes)?;
    Ok(grant)
}

/// What the requester may open: each (grant, scope) that she holds a key for.
///
/// # Errors
/// [`VaultError`].
pub fn grants(desk: &Desk<'_>) -> Result<Vec<(OperationId, AccountId, Scope)>, VaultError> {
    let entries: Vec<(Vec<u8>, HeldGrant)> = vault::load_all(desk.vault, Table::Grants)?;
    Ok(entries
        .into_iter()
        .filter_map(|(key, held)| {
            let grant = base::Cid::try_from(key.get(..key.len().checked_sub(32)?)?).ok()?;
            Some((OperationId(grant), held.patient, held.scope))
        })
        .collect())
}

/// Those of `agents` that may be asked for scope `sid`: all but those whose answer did not
/// open.
///
/// # Errors
/// [`VaultError`].
pub fn trusted(
    desk: &Desk<'_>,
    sid: ScopeId,
    mut agents: Vec<AccountId>,
) -> Result<Vec<AccountId>, VaultError> {
    for at in (0..agents.len()).rev() {
        if dispute::is_distrusted(desk, agents[at], sid)? {
            agents.remove(at);
        }
    }
    Ok(agents)
}

/// Asks `agent` to re-encrypt part `part` of the accepted state of `record`.
///
/// # Errors
/// [`OpenError`].
pub fn ask(
    desk: &Desk<'_>,
    grant: OperationId,
    record: RecordId,
    part: u32,
    agent: AccountId,
    expires: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<(), OpenError> {
    let known = desk.record(record)?;
    let state = known.accepted.ok_or(OpenError::NotAccepted)?;
    if let Some(part) = known.parts.iter().find(|other| other.part == part)
        && dispute::is_distrusted(desk, agent, part.sid)?
    {
        return Err(OpenError::Distrusted(agent));
    }
    let ask = Ask {
        chain: desk.party.chain,
        grant,
        state,
        part,
        agent,
        expires,
    };
    let letter = Letter::Ask(AskLetter {
        record,
        ask: Signed::new(ask, &desk.party.operation),
    });
    let sealed = letter.seal(desk.party.chain, &desk.hpke_key(agent)?, rng)?;
    outbox::post(desk, agent, &sealed)?;
    Ok(())
}

/// Keeps an answer until it is opened; the letter may go then.
///
/// # Errors
/// [`OpenError`].
pub fn receive_answer(desk: &Desk<'_>, answer: &Answer) -> Result<OperationId, OpenError> {
    Checked::check(desk, answer)?;
    vault::save(
        desk.vault,
        Table::Answers,
        &answer.query.0.to_bytes(),
        answer,
    )?;
    Ok(answer.query)
}

/// The answers that are kept: query and answer.
///
/// # Errors
/// [`VaultError`].
pub fn answers(desk: &Desk<'_>) -> Result<Vec<Answer>, VaultError> {
    let entries = vault::load_all(desk.vault, Table::Answers)?;
    Ok(entries.into_iter().map(|(_, answer)| answer).collect())
}

/// An opened part with what the ledger says about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The query, to be reviewed.
    pub query: OperationId,
    /// The record.
    pub record: RecordId,
    /// Its state.
    pub state: base::Cid,
    /// Index of the part.
    pub part: u32,
    /// What was opened.
    pub content: OpenedPart,
}

/// Opens an agent's answer into `sink`: the query is proven on the ledger, the agent's
/// word and the logged hash are on these very bytes, the capsule is the accepted one, it
/// decapsulates with every check, and the part holds.
///
/// # Errors
/// [`OpenError`]; throw away what `sink` got. [`OpenError::DoesNotOpen`] is for
/// [`report`], and for nobody else.
pub fn open(desk: &Desk<'_>, answer: &Answer, sink: &mut dyn Write) -> Result<Opened, OpenError> {
    let checked = Checked::check(desk, answer)?;
    let Checked { query, held, .. } = &checked;
    let state = State::load(desk, query.record, query.state)?;
    let capsule = state.capsule(desk, query.part as usize)?;
    let header = &capsule.header;
    if (header.sid, header.ctid) != (query.sid, query.ctid) || state.record.patient != held.patient
    {
        return Err(OpenError::OtherCapsule);
    }
    let public = desk.public_params(held.patient)?;
    let result = ReencryptedCapsule::<Suite>::from_bytes(&answer.result)
        .map_err(|_| OpenError::DoesNotOpen)?;
    let secret = GrantKey::<Suite>::from_bytes(&held.key)
        .ok()
        .and_then(|key| key.verify(&public, scheme::grant(held.gid)).ok())
        .and_then(|key| key.prepare(&scheme::scope_key(&public, header.sid)).ok())
        .ok_or(OpenError::NoKey)?
        .decapsulate(&capsule.capsule, &result)
        .map_err(|_| OpenError::DoesNotOpen)?;
    let content = state.open(desk, &capsule, &secret, held.scope.cover.class, sink)?;
    Ok(Opened {
        query: answer.query,
        record: query.record,
        state: query.state,
        part: query.part,
        content,
    })
}

/// Tells the patient, and nobody else, that an answer did not open, and asks that agent no
/// more for that scope.
///
/// # Errors
/// [`OpenError`].
pub fn report(desk: &Desk<'_>, answer: &Answer, rng: &mut dyn CryptoRng) -> Result<(), OpenError> {
    let Checked { agent, query, held } = Checked::check(desk, answer)?;
    let failure = OpenFailure {
        chain: desk.party.chain,
        grant: query.grant,
        agent,
        answer: answer.clone(),
    };
    let failure = Signed::new(failure, &desk.party.operation);
    let bytes = codec::encode(&failure);
    let letter = Letter::Failure(failure);
    let sealed = letter.seal(desk.party.chain, &desk.hpke_key(held.patient)?, rng)?;
    let (name, posted) = Posted::entry(held.patient, &sealed, false);
    let place = distrust_key(agent, query.sid, answer.query);
    desk.vault.apply(&[
        (Table::Distrusted, &place, Some(&bytes)),
        (Table::Outbox, &name.0, Some(&posted)),
        (Table::Answers, &answer.query.0.to_bytes(), None),
    ])?;
    outbox::try_flush(desk);
    Ok(())
}

/// An answer that belongs to a logged query of this requester.
struct Checked {
    agent: AccountId,
    query: Query,
    held: HeldGrant,
}

impl Checked {
    fn check(desk: &Desk<'_>, answer: &Answer) -> Result<Self, OpenError> {
        let head = follow::advance(desk)?;
        let operation = desk.proven(&head, answer.query)?;
        let agent = operation.account;
        let Action::Query(query) = operation.action else {
            return Err(OpenError::NotAQuery);
        };
        let held: HeldGrant =
            vault::load(desk.vault, Table::Grants, &place(query.grant, query.sid.0))?
                .ok_or(OpenError::NoKey)?;
        let mine = query.ask(desk.party.chain, agent);
        let word = said_by(&desk.account(agent)?, &answer.word).ok_or(OpenError::NotTheAgents)?;
        let result = Digest::of(&answer.result);
        let about = (word.chain, word.gid, word.ctid, word.result);
        if about != (desk.party.chain, held.gid, query.ctid, result) || query.result != result {
            return Err(OpenError::NotTheAgents);
        }
        // The requester's own signature: the query answers an ask of hers.
        let asked = desk
            .account(desk.party.account)?
            .operation_keys
            .iter()
            .any(|period| mine.clone().verify(&period.key).is_ok());
        if !asked {
            return Err(OpenError::NotAQuery);
        }
        Ok(Self { agent, query, held })
    }
}

/// An agent's word, signed by a key that it has or had: which answer it gave stands in its
/// `Query` too, and it takes neither back by changing its key.
pub(crate) fn said_by(agent: &Account, word: &Signed<Reencrypted>) -> Option<Reencrypted> {
    let mut keys = agent.operation_keys.iter();
    keys.find_map(|period| word.clone().verify(&period.key).ok())
        .map(|word| word.into_signed().body)
}

/// Opens part `part` of the accepted state of a record of the wallet's patient.
///
/// # Errors
/// [`AcceptError`]; throw away what `sink` got.
pub fn open_own(
    wallet: &Wallet<'_>,
    record: RecordId,
    part: u32,
    sink: &mut dyn Write,
) -> Result<OpenedPart, AcceptError> {
    let desk = &wallet.desk;
    let on_ledger = desk.record(record).map_err(PartError::from)?;
    if on_ledger.patient != wallet.patient {
        return Err(AcceptError::NotMine);
    }
    let root = on_ledger.accepted.ok_or(AcceptError::NothingPending)?;
    let state = State::load(desk, record, root)?;
    let capsule = state.capsule(desk, part as usize)?;
    let scope = wallet
        .find_scope(capsule.header.sid, record, state.published.time)?
        .ok_or(AcceptError::NoScope { part })?;
    accept::open_own(wallet, &state, &capsule, scope.cover.class, sink)
}

/// Why an answer does not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// One opaque error for every failed check of the re-encrypted capsule.
    #[error("the agent's answer does not open; tell the patient, and ask another agent")]
    DoesNotOpen,
    /// Nothing accepted to ask for.
    #[error("the record has no accepted state")]
    NotAccepted,
    /// An answer of this agent for this scope did not open.
    #[error("an answer of agent {0} for this scope did not open; ask another agent of the grant")]
    Distrusted(AccountId),
    /// Not granted, or the grant's key is gone.
    #[error("no key is held for this scope: it was not granted, or the grant has ended")]
    NoKey,
    /// The query is not this requester's.
    #[error("the answer belongs to no query of yours")]
    NotAQuery,
    /// Not what the agent signed and logged.
    #[error("the answer is not what its agent signed and logged")]
    NotTheAgents,
    /// Another capsule than the accepted one.
    #[error("the capsule in the store is not the one of the query")]
    OtherCapsule,
    /// A check of the part.
    #[error(transparent)]
    Part(#[from] PartError),
    /// A letter could not be sealed.
    #[error(transparent)]
    Letter(#[from] LetterError),
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
