//! Re-encrypt: an agent takes packets in, and answers asks: it logs before it releases.
//!
//! Source: protocol page, "Sharing", rows "authorise" and "query", "Log before release";
//! scheme page, steps 7 and 8.

mod packet;

pub use packet::{PacketError, receive};
pub(crate) use packet::{asker, grant_of};

use base::{
    AccountId, Digest, GrantId, Millis, OperationId, ScopeId, Signed,
    operation::{Query, SignedAsk},
};
use ibpre::{AcceptedCapsule, NoiseKey, ReencryptionKey};
use ledger::{Failure, Grant};
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
    let grant = check_ask(desk, letter, clock())?;
    let capsule = accepted_capsule(desk, letter)?;
    let held = held(desk, grant.id, capsule.header.sid)?;
    let word = reencrypt(desk, &held, &capsule)?;
    let key = place(grant.id, capsule.header.ctid.0);
    let before: Option<Logged> = vault::load(desk.vault, Table::Released, &key)?;
    let again = before.is_some();
    let logged = match before {
        Some(logged) => logged,
        None => {
            let logged = log(desk, letter, &grant, &capsule, word.1)?;
            vault::save(desk.vault, Table::Released, &key, &logged)?;
            logged
        }
    };
    check_release(desk, &grant, &logged, clock())?;
    let answer = Answer {
        query: logged.query,
        result: ByteBuf::from(word.0),
        word: word.2,
    };
    let to = desk.hpke_key(grant.requester)?;
    let sealed = Letter::Answer(answer).seal(desk.party.chain, &to, rng)?;
    desk.node.send(grant.requester, &sealed)?;
    vault::save(
        desk.vault,
        Table::Released,
        &key,
        &Logged {
            released: true,
            ..logged.clone()
        },
    )?;
    Ok(Released {
        query: logged.query,
        requester: grant.requester,
        again,
    })
}

/// The ask is hers, names this agent, and its grant lives by this agent's clock.
fn check_ask(desk: &Desk<'_>, letter: &AskLetter, now: Millis) -> Result<Grant, ReencryptError> {
    let ask = &letter.ask.body;
    let grant = desk.node.grant(ask.grant)?.ok_or(ReencryptError::NoGrant)?;
    if ask.chain != desk.party.chain
        || ask.agent != desk.party.account
        || !grant.terms.agents.contains(&ask.agent)
    {
        return Err(ReencryptError::WrongAgent);
    }
    if follow::is_revoked(desk, grant.id)? || grant.revoked.is_some() {
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

/// Logs the query; finds it again if an earlier run logged it and did not get further.
fn log(
    desk: &Desk<'_>,
    letter: &AskLetter,
    grant: &Grant,
    capsule: &CheckedCapsule,
    result: Digest,
) -> Result<Logged, ReencryptError> {
    let ask = &letter.ask.body;
    let sent = desk.send(Query {
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
    });
    match sent {
        Ok(sent) => Ok(Logged {
            query: sent.id,
            time: sent.time(),
            released: false,
        }),
        Err(error) if error.failure() == Some(Failure::AlreadyQueried) => {
            let mine = desk.node.queries_of(grant.id)?.into_iter().find(|query| {
                query.agent == desk.party.account
                    && query.ctid == capsule.header.ctid
                    && query.result == result
            });
            let mine = mine.ok_or(error)?;
            let head = follow::advance(desk)?;
            desk.proven(&head, mine.id)?;
            Ok(Logged {
                query: mine.id,
                time: mine.time,
                released: false,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// The newest head has no `Revoke`, the clock is before the end, and a first release is
/// in time.
fn check_release(
    desk: &Desk<'_>,
    grant: &Grant,
    logged: &Logged,
    now: Millis,
) -> Result<(), ReencryptError> {
    follow::advance(desk)?;
    if follow::is_revoked(desk, grant.id)? {
        return Err(ReencryptError::Revoked);
    }
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
