//! Dispute: a claim on the ledger, its evidence sealed to an arbiter; and the audit of an
//! agent, by the patient first and by the arbiter then.
//!
//! Source: protocol page, "Sharing", rows "review" and "dispute"; scheme page, step 10.

use base::{
    AccountId, Action, Digest, OperationId, Salt, ScopeId, Signed,
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
    journal::{self, Plan},
    letter::{AgentPacket, AuditFile, Evidence, EvidenceLetter, Letter, LetterError, OpenFailure},
    node::NodeError,
    open::said_by,
    part::{PartError, State},
    reencrypt::{PacketError, asker},
    review::commitment,
    scheme::{self, gid_of},
    seal::is_retired,
    vault::{self, Table, VaultError},
    wallet::Wallet,
};

/// The patient's side of a failure: from now on that agent is not used for that scope,
/// durably; then she audits it with the keys she made, and an agent that is cleared is
/// used again. `Lied` is evidence; `Honest` means that the requester is wrong.
///
/// # Errors
/// [`DisputeError`]; once the report is known to be about the agent's own answer, the
/// agent stays out of use after every error.
pub fn receive_failure(
    wallet: &Wallet<'_>,
    failure: &Signed<OpenFailure>,
) -> Result<AuditVerdict, DisputeError> {
    let desk = &wallet.desk;
    let reported = Reported::check(wallet, failure)?;
    let place = distrust_key(
        failure.body.agent,
        reported.query.sid,
        failure.body.answer.query,
    );
    vault::save(desk.vault, Table::Distrusted, &place, failure)?;
    let (_, verdict) = audit(desk, &reported.file(wallet)?)?;
    if verdict == AuditVerdict::Honest {
        desk.vault.delete(Table::Distrusted, &place)?;
    }
    Ok(verdict)
}

/// Whether an answer of `agent` for scope `sid` did not open, as far as this party knows:
/// a requester asks another agent then, a patient grants through another one.
///
/// # Errors
/// [`VaultError`].
pub fn is_distrusted(desk: &Desk<'_>, agent: AccountId, sid: ScopeId) -> Result<bool, VaultError> {
    let prefix = [agent.0, sid.0].concat();
    let entries = desk.vault.list(Table::Distrusted)?;
    Ok(entries.iter().any(|(key, _)| key.starts_with(&prefix)))
}

/// agent ‖ sid ‖ query: one report clears no other.
pub(crate) fn distrust_key(agent: AccountId, sid: ScopeId, query: OperationId) -> Vec<u8> {
    [&agent.0[..], &sid.0, &query.0.to_bytes()].concat()
}

/// A report about a query under a grant of this patient, by its requester.
struct Reported<'a> {
    failure: &'a OpenFailure,
    request: OperationId,
    query: Query,
}

impl<'a> Reported<'a> {
    fn check(wallet: &Wallet<'_>, failure: &'a Signed<OpenFailure>) -> Result<Self, DisputeError> {
        let desk = &wallet.desk;
        let body = &failure.body;
        let head = follow::advance(desk)?;
        let Action::Authorize(authorize) = desk.proven(&head, body.grant)?.action else {
            return Err(DisputeError::NotMine);
        };
        let request = authorize.terms.request;
        let asked = desk.proven(&head, request)?;
        let mine = matches!(asked.action, Action::Request(ref request) if request.patient == wallet.patient);
        let key = desk.operation_key(asked.account)?;
        if !mine || body.chain != desk.party.chain || failure.clone().verify(&key).is_err() {
            return Err(DisputeError::NotMine);
        }
        let query = logged_query(desk, body.answer.query, body.agent)?;
        if query.grant != body.grant {
            return Err(DisputeError::NotMine);
        }
        // What the agent did not sign, or did not log, says nothing about it.
        let word = said_by(&desk.account(body.agent)?, &body.answer.word);
        let result = Digest::of(&body.answer.result);
        if result != query.result || word.is_none_or(|word| word.result != result) {
            return Err(DisputeError::OtherEvidence);
        }
        Ok(Self {
            failure: body,
            request,
            query,
        })
    }

    /// Opens the patient's commitments.
    fn file(&self, wallet: &Wallet<'_>) -> Result<AuditFile, DisputeError> {
        let desk = &wallet.desk;
        let (query, agent) = (&self.query, self.failure.agent);
        let packet: Option<AgentPacket> = vault::load(
            desk.vault,
            Table::Openings,
            &opening_key(self.request, agent),
        )?;
        let key = packet
            .and_then(|packet| packet.keys.into_iter().find(|key| key.sid == query.sid))
            .ok_or(DisputeError::NoOpening)?;
        let state = State::load(desk, query.record, query.state)?;
        let part = state.sealed.parts.get(query.part as usize);
        let part = part.ok_or(PartError::NoSuchPart(query.part as usize))?;
        Ok(AuditFile {
            grant: self.failure.grant,
            agent,
            key,
            answer: self.failure.answer.clone(),
            capsule: part.capsule,
        })
    }
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
    let file = Reported::check(wallet, failure)?.file(wallet)?;
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
    let wanted = journal::wanted("dispute", &(subject, code, arbiter));
    if let Some(sent) = journal::resume(desk, wanted)? {
        return Ok(sent);
    }
    let letter = EvidenceLetter {
        subject,
        salt: Salt(random(rng)),
        evidence,
    };
    let to = desk.hpke_key(arbiter)?;
    let commitment = commitment(&letter);
    let sealed = Letter::Evidence(letter.clone()).seal(desk.party.chain, &to, rng)?;
    let action = Dispute {
        subject,
        code,
        commitment,
    };
    journal::send(desk, wanted, action, |_| {
        let mut plan = Plan::default();
        plan.before(Table::Evidence, &commitment.0, &letter);
        plan.letters.push((arbiter, sealed.clone()));
        Ok(plan)
    })
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

/// Why there is no dispute, or no verdict.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DisputeError {
    /// Not about a grant of this patient.
    #[error("the report is not about a grant of yours, or not from its requester")]
    NotMine,
    /// The keys that she made for the agent are gone: after a restore.
    #[error(
        "this wallet no longer has the keys that it made for the agent, and cannot audit it; the agent is not used for that scope again"
    )]
    NoOpening,
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
