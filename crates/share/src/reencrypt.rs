//! Re-encrypt: an agent takes packets in, and answers asks: it logs before it releases.
//!
//! Source: protocol page, "Sharing", rows "authorise" and "query", "Log before release";
//! scheme page, steps 7 and 8.

mod packet;

pub use packet::{PacketError, receive};
pub(crate) use packet::{asker, grant_of};

use base::{
    AccountId, Action, Digest, GrantId, Millis, Operation, OperationId, ScopeId, Signed,
    operation::{Query, SignedAsk, Terms},
};
use ibpre::{AcceptedCapsule, NoiseKey, ReencryptionKey};
use ledger::{Failure, VerifiedHead};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

use crate::{
    desk::{Desk, LookError, SendError},
    follow::{self, FollowError},
    letter::{AgentKey, Answer, AskLetter, Letter, LetterError, Reencrypted},
    node::NodeError,
    part::PartError,
    scheme,
    sealed::{CapsuleNode, CheckedCapsule, SealedRecord},
    vault::{self, Table, VaultError},
};

/// Longest time between a query's block and its first release.
pub const RELEASE_WITHIN: u64 = 10 * 60 * Millis::SECOND;

/// One scope's key as the agent holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    gid: GrantId,
    key: AgentKey,
}

/// A query of this agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logged {
    query: OperationId,
    time: Millis,
    released: bool,
}

/// What an agent has put into a requester's mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Released {
    /// The query on the ledger.
    pub query: OperationId,
    /// Who gets it.
    pub requester: AccountId,
    /// Whether the query was logged before and this is a re-delivery.
    pub again: bool,
}

/// A grant as its patient and its requester signed it, proven: the node's word on who
/// asked and until when is not taken.
struct Proven {
    id: OperationId,
    requester: AccountId,
    terms: Terms,
}

/// Answers an ask: re-encrypts, logs the query, checks that it took effect and that the
/// grant still lives, and only then releases. `clock` is read before and after.
///
/// # Errors
/// [`ReencryptError`]; nothing was released then.
pub fn answer(
    desk: &Desk<'_>,
    letter: &AskLetter,
    clock: &dyn Fn() -> Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Released, ReencryptError> {
    let head = follow::advance(desk)?;
    let grant = check_ask(desk, &head, letter, clock())?;
    let capsule = accepted_capsule(desk, letter)?;
    let held = held(desk, grant.id, capsule.header.sid)?;
    let word = reencrypt(desk, &held, &capsule)?;
    let query = query(letter, &grant, &capsule, word.1);
    let key = place(grant.id, capsule.header.ctid.0);
    let before: Option<Logged> = vault::load(desk.vault, Table::Released, &key)?;
    let (logged, again) = match before {
        // A ledger that was restored may have lost the query: then it is logged again.
        Some(logged) if is_logged(desk, &head, logged.query, &query)? => (logged, true),
        _ => {
            let logged = log(desk, &query)?;
            vault::save(desk.vault, Table::Released, &key, &logged)?;
            (logged, false)
        }
    };
    check_release(desk, &grant, &query, &logged, clock)?;
    let answer = Answer {
        query: logged.query,
        result: ByteBuf::from(word.0),
        word: word.2,
    };
    let to = desk.hpke_key(grant.requester)?;
    let sealed = Letter::Answer(answer).seal(desk.party.chain, &to, rng)?;
    desk.node.send(grant.requester, &sealed)?;
    let released = Logged {
        released: true,
        ..logged
    };
    vault::save(desk.vault, Table::Released, &key, &released)?;
    Ok(Released {
        query: released.query,
        requester: grant.requester,
        again,
    })
}

/// The ask is hers, names this agent, and its grant lives by this agent's clock.
fn check_ask(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    letter: &AskLetter,
    now: Millis,
) -> Result<Proven, ReencryptError> {
    let ask = &letter.ask.body;
    let grant = proven_grant(desk, head, ask.grant)?;
    if ask.chain != desk.party.chain
        || ask.agent != desk.party.account
        || !grant.terms.agents.contains(&ask.agent)
    {
        return Err(ReencryptError::WrongAgent);
    }
    if follow::is_revoked(desk, grant.id)? {
        return Err(ReencryptError::Revoked);
    }
    if now >= grant.terms.expires {
        return Err(ReencryptError::Expired);
    }
    if now < grant.terms.not_before {
        return Err(ReencryptError::NotYet);
    }
    if now >= ask.expires {
        return Err(ReencryptError::AskExpired);
    }
    let key = desk.operation_key(grant.requester)?;
    letter
        .ask
        .clone()
        .verify(&key)
        .map_err(|_| ReencryptError::BadAsk)?;
    Ok(grant)
}

fn proven_grant(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    id: OperationId,
) -> Result<Proven, ReencryptError> {
    let Some(Action::Authorize(authorize)) = took_effect(desk, head, id)?.map(|op| op.action)
    else {
        return Err(ReencryptError::NoGrant);
    };
    let terms = authorize.terms;
    match took_effect(desk, head, terms.request)? {
        Some(Operation {
            account,
            action: Action::Request(_),
            ..
        }) => Ok(Proven {
            id,
            requester: account,
            terms,
        }),
        _ => Err(ReencryptError::NoGrant),
    }
}

/// An operation that took effect in the log under `head`, or that there is none.
fn took_effect(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    id: OperationId,
) -> Result<Option<Operation>, LookError> {
    match desk.proven(head, id) {
        Ok(operation) => Ok(Some(operation)),
        Err(LookError::Unknown(..)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The capsule that the ask is about: fetched by its CID, named again, and in the last
/// accepted state.
fn accepted_capsule(desk: &Desk<'_>, letter: &AskLetter) -> Result<CheckedCapsule, ReencryptError> {
    let ask = &letter.ask.body;
    let record = desk.record(letter.record)?;
    let part = record.parts.iter().find(|part| part.part == ask.part);
    let (Some(part), true) = (part, record.accepted == Some(ask.state)) else {
        return Err(ReencryptError::NotAccepted);
    };
    let root = desk.node.read_block(&ask.state)?;
    let sealed = SealedRecord::from_block(&root, letter.record).map_err(PartError::from)?;
    let index = ask.part as usize;
    let sealed_part = sealed.parts.get(index).ok_or(ReencryptError::NotAccepted)?;
    let node = desk.node.read_block(&sealed_part.capsule)?;
    let capsule = CapsuleNode::from_block(&node, &sealed, index).map_err(PartError::from)?;
    if (capsule.header.sid, capsule.header.ctid) != (part.sid, part.ctid) {
        return Err(ReencryptError::OtherCapsule);
    }
    Ok(capsule)
}

fn held(desk: &Desk<'_>, grant: OperationId, sid: ScopeId) -> Result<Held, ReencryptError> {
    vault::load(desk.vault, Table::Reencryption, &place(grant, sid.0))?.ok_or(ReencryptError::NoKey)
}

type Word = (Vec<u8>, Digest, Signed<Reencrypted>);

fn reencrypt(
    desk: &Desk<'_>,
    held: &Held,
    capsule: &CheckedCapsule,
) -> Result<Word, ReencryptError> {
    let rk = ReencryptionKey::<crate::Suite>::from_bytes(&held.key.rk)
        .map_err(|_| ReencryptError::NoKey)?;
    let accepted = AcceptedCapsule::trust_ledger(capsule.capsule.clone());
    let noise = NoiseKey::from_bytes(held.key.noise);
    let (gid, ctid) = (
        scheme::grant(held.gid),
        scheme::capsule(capsule.header.ctid),
    );
    let bytes = rk
        .prepare()
        .reencrypt(&accepted, &noise, gid, ctid)
        .to_bytes();
    let result = Digest::of(&bytes);
    let word = Reencrypted {
        chain: desk.party.chain,
        gid: held.gid,
        ctid: capsule.header.ctid,
        result,
    };
    Ok((bytes, result, Signed::new(word, &desk.party.operation)))
}

fn query(letter: &AskLetter, grant: &Proven, capsule: &CheckedCapsule, result: Digest) -> Query {
    let ask = &letter.ask.body;
    Query {
        grant: grant.id,
        ask: SignedAsk {
            expires: ask.expires,
            signature: letter.ask.signature,
        },
        record: letter.record,
        state: ask.state,
        part: ask.part,
        sid: capsule.header.sid,
        ctid: capsule.header.ctid,
        result,
    }
}

/// Logs the query; finds it again if an earlier run logged it and did not get further.
fn log(desk: &Desk<'_>, query: &Query) -> Result<Logged, ReencryptError> {
    match desk.send(*query) {
        Ok(sent) => Ok(Logged {
            query: sent.id,
            time: sent.time(),
            released: false,
        }),
        Err(error) if error.failure() == Some(Failure::AlreadyQueried) => {
            let mine = desk
                .node
                .queries_of(query.grant)?
                .into_iter()
                .find(|other| {
                    other.agent == desk.party.account
                        && other.ctid == query.ctid
                        && other.result == query.result
                });
            let mine = mine.ok_or(error)?.id;
            // Which one it is, the node may say; when it was logged, its block says.
            let head = follow::advance(desk)?;
            if !is_logged(desk, &head, mine, query)? {
                return Err(ReencryptError::NotLogged);
            }
            Ok(Logged {
                query: mine,
                time: desk.block_of(&head, mine)?.time,
                released: false,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether operation `id` took effect under `head` and is this agent's `Query` of that
/// capsule under that grant, with that result.
fn is_logged(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    id: OperationId,
    query: &Query,
) -> Result<bool, LookError> {
    let Some(operation) = took_effect(desk, head, id)? else {
        return Ok(false);
    };
    let about = |query: &Query| (query.grant, query.sid, query.ctid, query.result);
    Ok(operation.account == desk.party.account
        && matches!(&operation.action, Action::Query(logged) if about(logged) == about(query)))
}

/// The query stands in the log that this agent follows, the newest head has no `Revoke`,
/// the clock is before the end, and a first release is in time.
fn check_release(
    desk: &Desk<'_>,
    grant: &Proven,
    query: &Query,
    logged: &Logged,
    clock: &dyn Fn() -> Millis,
) -> Result<(), ReencryptError> {
    let head = follow::advance(desk)?;
    if !is_logged(desk, &head, logged.query, query)? {
        return Err(ReencryptError::NotLogged);
    }
    if follow::is_revoked(desk, grant.id)? {
        return Err(ReencryptError::Revoked);
    }
    let now = clock();
    if now >= grant.terms.expires {
        return Err(ReencryptError::Expired);
    }
    if !logged.released && now > logged.time.plus(RELEASE_WITHIN) {
        return Err(ReencryptError::TooLate);
    }
    Ok(())
}

/// grant ‖ 32 bytes.
pub(crate) fn place(grant: OperationId, name: [u8; 32]) -> Vec<u8> {
    [grant.0.to_bytes(), name.to_vec()].concat()
}

/// Why nothing was released.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReencryptError {
    /// No such grant.
    #[error("there is no such grant")]
    NoGrant,
    /// The ask or the grant names somebody else.
    #[error("the ask or its grant names another agent")]
    WrongAgent,
    /// Revoked.
    #[error("the grant is revoked")]
    Revoked,
    /// Over.
    #[error("the grant has expired")]
    Expired,
    /// Not begun.
    #[error("the grant is not yet valid")]
    NotYet,
    /// The permission is over.
    #[error("the requester's permission has expired; she must ask again")]
    AskExpired,
    /// The permission is not hers.
    #[error("the ask is not signed by the requester of its grant")]
    BadAsk,
    /// Not in the last accepted state.
    #[error("the part is not in the record's last accepted state")]
    NotAccepted,
    /// Another capsule than the accepted one.
    #[error("the capsule in the store is not the one that the patient accepted")]
    OtherCapsule,
    /// No key: not granted, not yet delivered, or destroyed.
    #[error("this agent holds no key for the part's scope under this grant")]
    NoKey,
    /// Not in the log that this agent follows.
    #[error("the query does not stand in the ledger that this agent follows")]
    NotLogged,
    /// More than ten minutes.
    #[error("the query was logged more than ten minutes ago and never released; ask another agent")]
    TooLate,
    /// The capsule does not hold.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The answer could not be sealed.
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
