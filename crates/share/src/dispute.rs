//! Dispute: a claim on the ledger, its evidence sealed to an arbiter; and the audit of an
//! agent, by the patient first and by the arbiter then.
//!
//! Source: protocol page, "Sharing", rows "review" and "dispute"; scheme page, step 10.

use base::{
    AccountId, Action, Digest, OperationId, Salt, Signed,
    operation::{Dispute, DisputeCode, Query, Subject},
};
use ibpre::{AuditVerdict, NoiseKey, Opening, ReencryptedCapsule, ReencryptionKey};
use rand_core::CryptoRng;
use thiserror::Error;

use crate::{
    Suite,
    authorize::opening_key,
    desk::{Desk, LookError, SendError, Sent},
    follow::{self, FollowError},
    identity::random,
    letter::{AgentPacket, AuditFile, Evidence, EvidenceLetter, Letter, LetterError, OpenFailure},
    node::NodeError,
    open::said_by,
    outbox,
    part::{PartError, State},
    reencrypt::{PacketError, asker},
    review::commitment,
    scheme::{self, gid_of},
    seal::is_retired,
    vault::{self, Table, VaultError},
    wallet::Wallet,
};

/// The patient's side of a failure: checks that it is about a query under a grant of
/// hers, audits the agent with the keys she made, and never uses that agent for that
/// scope again. `Lied` is evidence; `Honest` means that the requester is wrong.
///
/// # Errors
/// [`DisputeError`].
pub fn receive_failure(
    wallet: &Wallet<'_>,
    failure: &Signed<OpenFailure>,
) -> Result<AuditVerdict, DisputeError> {
    let desk = &wallet.desk;
    let file = audit_file(wallet, failure)?;
    let (query, verdict) = audit(desk, &file)?;
    if verdict == AuditVerdict::Lied {
        let key = [file.agent.0, query.sid.0].concat();
        vault::save(desk.vault, Table::Distrusted, &key, failure)?;
    }
    Ok(verdict)
}

/// Opens the patient's commitments for a failure that she received.
fn audit_file(
    wallet: &Wallet<'_>,
    failure: &Signed<OpenFailure>,
) -> Result<AuditFile, DisputeError> {
    let desk = &wallet.desk;
    let body = &failure.body;
    let grant = desk.node.grant(body.grant)?.ok_or(DisputeError::NotMine)?;
    let key = desk.operation_key(grant.requester)?;
    if grant.patient != wallet.patient
        || body.chain != desk.party.chain
        || failure.clone().verify(&key).is_err()
    {
        return Err(DisputeError::NotMine);
    }
    let query = logged_query(desk, body.answer.query, body.agent)?;
    let packet: AgentPacket = vault::load(
        desk.vault,
        Table::Openings,
        &opening_key(grant.terms.request, body.agent),
    )?
    .ok_or(DisputeError::NotMine)?;
    let key = packet
        .keys
        .into_iter()
        .find(|key| key.sid == query.sid)
        .ok_or(DisputeError::NotMine)?;
    let state = State::load(desk, query.record, query.state)?;
    let part = state.sealed.parts.get(query.part as usize);
    let part = part.ok_or(PartError::NoSuchPart(query.part as usize))?;
    Ok(AuditFile {
        grant: body.grant,
        agent: body.agent,
        key,
        answer: body.answer.clone(),
        capsule: part.capsule,
    })
}

/// Disputes an agent's answer: only after the scope was rotated, since the evidence holds
/// the re-encryption key. `arbiter` is an account of an institution that is no grantee.
///
/// # Errors
/// [`DisputeError`].
pub fn dispute_agent(
    wallet: &Wallet<'_>,
    failure: &Signed<OpenFailure>,
    arbiter: AccountId,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, DisputeError> {
    let desk = &wallet.desk;
    let file = audit_file(wallet, failure)?;
    if !is_retired(desk, wallet.patient, file.key.sid)? {
        return Err(DisputeError::RotateFirst);
    }
    let subject = Subject::Query(file.answer.query);
    let evidence = Evidence::LyingAgent(Box::new(file));
    dispute(
        desk,
        subject,
        DisputeCode::LyingAgent,
        evidence,
        arbiter,
        rng,
    )
}

/// Logs a dispute and seals its evidence to `arbiter`.
///
/// # Errors
/// [`DisputeError`].
pub fn dispute(
    desk: &Desk<'_>,
    subject: Subject,
    code: DisputeCode,
    evidence: Evidence,
    arbiter: AccountId,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, DisputeError> {
    let letter = EvidenceLetter {
        subject,
        salt: Salt(random(rng)),
        evidence,
    };
    let to = desk.hpke_key(arbiter)?;
    let commitment = commitment(&letter);
    vault::save(desk.vault, Table::Evidence, &commitment.0, &letter)?;
    let sealed = Letter::Evidence(letter).seal(desk.party.chain, &to, rng)?;
    let sent = desk.send(Dispute {
        subject,
        code,
        commitment,
    })?;
    outbox::post(desk, arbiter, &sealed)?;
    Ok(sent)
}

/// The arbiter's side: the evidence is what `dispute` commits to; an audit, if it is one
/// about an agent.
///
/// # Errors
/// [`DisputeError`].
pub fn examine(
    desk: &Desk<'_>,
    dispute: OperationId,
    letter: &EvidenceLetter,
) -> Result<Option<AuditVerdict>, DisputeError> {
    let head = follow::advance(desk)?;
    let Action::Dispute(logged) = desk.proven(&head, dispute)?.action else {
        return Err(DisputeError::OtherEvidence);
    };
    if logged.subject != letter.subject || logged.commitment != commitment(letter) {
        return Err(DisputeError::OtherEvidence);
    }
    vault::save(desk.vault, Table::Evidence, &logged.commitment.0, letter)?;
    match &letter.evidence {
        Evidence::LyingAgent(file) if Subject::Query(file.answer.query) == letter.subject => {
            Ok(Some(audit(desk, file)?.1))
        }
        Evidence::LyingAgent(_) => Err(DisputeError::OtherEvidence),
        Evidence::Words(_) => Ok(None),
    }
}

/// Recomputes a re-encryption bit for bit: against the commitment in the proven
/// `Authorize`, the agent's signature, and the hash in the proven `Query`.
fn audit(desk: &Desk<'_>, file: &AuditFile) -> Result<(Query, AuditVerdict), DisputeError> {
    let query = logged_query(desk, file.answer.query, file.agent)?;
    let head = follow::advance(desk)?;
    let Action::Authorize(authorize) = desk.proven(&head, file.grant)?.action else {
        return Err(DisputeError::OtherEvidence);
    };
    let (requester, one_time_key) = asker(desk, &head, authorize.terms.request)?;
    let gid = gid_of(
        desk.party.chain,
        query.sid,
        requester,
        one_time_key,
        &file.key.gsalt,
        &authorize.terms,
    );
    let word = said_by(&desk.account(file.agent)?, &file.answer.word)
        .ok_or(DisputeError::OtherEvidence)?;
    let about = (word.chain, word.gid, word.ctid, word.result);
    let result = Digest::of(&file.answer.result);
    if about != (desk.party.chain, gid, query.ctid, result)
        || query.grant != file.grant
        || query.result != result
    {
        return Err(DisputeError::OtherEvidence);
    }
    let stands =
        |entry: &&base::operation::Commitment| entry.sid == query.sid && entry.agent == file.agent;
    let com = authorize
        .commitments
        .iter()
        .find(stands)
        .ok_or(DisputeError::OtherEvidence)?
        .com;
    let state = State::load(desk, query.record, query.state)?;
    let capsule = state.capsule(desk, query.part as usize)?;
    if (capsule.header.sid, capsule.header.ctid) != (query.sid, query.ctid) {
        return Err(DisputeError::OtherEvidence);
    }
    // An answer that is no encoding of a capsule at all is a lie as well.
    let Ok(reencrypted) = ReencryptedCapsule::<Suite>::from_bytes(&file.answer.result) else {
        return Ok((query, AuditVerdict::Lied));
    };
    let rk = ReencryptionKey::from_bytes(&file.key.rk).map_err(|_| DisputeError::OtherEvidence)?;
    let verdict = ibpre::audit::<Suite>(
        &ibpre::Query {
            grant: scheme::grant(gid),
            agent: &file.agent.0,
            commitment: &com.0,
            pkh: &capsule.header.pkh.0,
            scope: scheme::scope(query.sid),
            capsule: &capsule.capsule,
            reencrypted: &reencrypted,
        },
        &Opening {
            rk: &rk,
            noise_key: &NoiseKey::from_bytes(file.key.noise),
            commitment_salt: &file.key.csalt.0,
        },
    );
    Ok((query, verdict.map_err(|_| DisputeError::OtherEvidence)?))
}

fn logged_query(desk: &Desk<'_>, id: OperationId, agent: AccountId) -> Result<Query, DisputeError> {
    let head = follow::advance(desk)?;
    let operation = desk.proven(&head, id)?;
    match operation.action {
        Action::Query(query) if operation.account == agent => Ok(query),
        _ => Err(DisputeError::OtherEvidence),
    }
}

/// Stops trusting an agent for a scope on the requester's word alone.
///
/// # Errors
/// [`DisputeError`].
pub fn distrust(wallet: &Wallet<'_>, failure: &Signed<OpenFailure>) -> Result<(), DisputeError> {
    let file = audit_file(wallet, failure)?;
    let key = [file.agent.0, file.key.sid.0].concat();
    Ok(vault::save(
        wallet.desk.vault,
        Table::Distrusted,
        &key,
        failure,
    )?)
}

/// Why there is no dispute, or no verdict.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DisputeError {
    /// Not about a grant of this patient.
    #[error("the report is not about a grant of yours, or not from its requester")]
    NotMine,
    /// The evidence would give the scope away.
    #[error("rotate the scope first: the evidence holds its re-encryption key")]
    RotateFirst,
    /// Evidence that is about something else.
    #[error("the evidence is not what the ledger commits to")]
    OtherEvidence,
    /// The grant.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// The record.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The letter could not be sealed.
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
