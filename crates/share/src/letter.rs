//! Letters: what parties tell each other off the ledger, sealed to one HPKE key each.
//!
//! Source: protocol page, "Sharing" (column "off the ledger"); RFC 9180 with X-Wing,
//! HKDF-SHA256 and AES-256-GCM. A letter's sender is not authenticated by its seal:
//! packets are named by hash in `Authorize`, asks, answers and failures are signed.
//! Lengths are padded, so that a mailbox does not see how many words a letter has.

use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;
use zeroize::Zeroizing;

use base::{
    AccountId, CapsuleId, ChainId, Cid, Class, Digest, Epoch, GrantId, Millis, OperationId,
    RecordId, Salt, Scope, ScopeId, Signed, Statement, UnknownVersion, Version, codec, domain,
    key::HpkeKey,
    operation::{Ask, Subject},
};

use crate::{
    body::padme,
    identity::{HpkeSecret, Kem, secret},
    recovery::letters::{ApprovalLetter, ClaimLetter, ReleaseLetter, ShareLetter},
};

/// Everything that one party may tell another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Letter {
    /// Requester to patient: what the `Request` asks for.
    Request(RequestLetter),
    /// Patient to requester, under her one-time key: the grant keys.
    Grant(GrantPacket),
    /// Patient to agent, under a one-time prekey: the re-encryption keys.
    Agent(AgentPacket),
    /// Requester to agent: please re-encrypt.
    Ask(AskLetter),
    /// Agent to requester: the re-encrypted capsule.
    Answer(Answer),
    /// Requester to patient: an answer that did not open.
    Failure(Signed<OpenFailure>),
    /// Anyone to an arbiter: evidence of a dispute.
    Evidence(EvidenceLetter),
    /// Patient to her delegate: what acting for her needs.
    #[serde(rename = "guardian")]
    Delegate(DelegateLetter),
    /// Owner to guardian: a share of her phrase.
    Share(ShareLetter),
    /// A device to a guardian: please approve.
    Claim(ClaimLetter),
    /// Guardian to device: approved.
    Approval(ApprovalLetter),
    /// Guardian to device, under its one-time key: the share.
    Release(ReleaseLetter),
}

/// What a requester wants, in full. The `Request` commits to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Classes of data, sorted, at least one.
    pub classes: Vec<Class>,
    /// First month of records.
    pub from: Epoch,
    /// Last month of records.
    pub to: Epoch,
    /// Only these records; empty for all of hers.
    pub records: Vec<RecordId>,
    /// What for (HL7 v3 PurposeOfUse).
    pub purpose: Purpose,
    /// Her own words to the patient, at most [`MAX_WORDS`] bytes.
    pub words: String,
    /// When the data shall be open until, as she asks.
    pub until: Millis,
}

/// Most bytes of words in a letter.
pub const MAX_WORDS: usize = 4_000;

/// Purpose of use (HL7 v3 code system ActReason, the codes that apply).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// TREAT: treatment of the patient.
    Treatment,
    /// ETREAT: emergency treatment, prepared in advance.
    EmergencyTreatment,
    /// HRESCH: health-care research.
    Research,
    /// PUBHLTH: public health.
    PublicHealth,
    /// COVERAGE: coverage under a policy.
    Coverage,
    /// PATRQT: at the patient's own request.
    PatientRequest,
}

/// See [`Letter::Request`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLetter {
    /// The logged request.
    pub request: OperationId,
    /// What it commits to.
    pub wish: Wish,
    /// Opens the commitment.
    pub salt: Salt,
}

/// See [`Letter::Grant`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantPacket {
    /// The request that is answered; its grant is the `Authorize` that names this
    /// packet's hash first.
    pub request: OperationId,
    /// One for each scope, sorted by sid.
    pub keys: Vec<GrantedScope>,
}

/// One scope's grant key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantedScope {
    /// D.
    pub scope: Scope,
    /// Makes the gid unique.
    pub gsalt: Salt,
    /// s2 of the grant key, in the encoding of `ibpre`.
    pub key: ByteBuf,
}

/// See [`Letter::Agent`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentPacket {
    /// As in [`GrantPacket::request`].
    pub request: OperationId,
    /// One for each scope, sorted by sid.
    pub keys: Vec<AgentKey>,
}

/// One scope's re-encryption key for one agent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentKey {
    /// The scope.
    pub sid: ScopeId,
    /// rk, in the encoding of `ibpre`.
    pub rk: ByteBuf,
    /// k_E.
    #[serde(with = "serde_bytes")]
    pub noise: [u8; 32],
    /// Makes the gid unique.
    pub gsalt: Salt,
    /// Opens the commitment in `Authorize`.
    pub csalt: Salt,
}

/// See [`Letter::Ask`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskLetter {
    /// The record.
    pub record: RecordId,
    /// Its signed permission.
    pub ask: Signed<Ask>,
}

/// See [`Letter::Answer`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The logged query.
    pub query: OperationId,
    /// c2, in the encoding of `ibpre`.
    pub result: ByteBuf,
    /// The agent's word on it.
    pub word: Signed<Reencrypted>,
}

/// What an agent signs about a re-encryption.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reencrypted {
    /// The ledger.
    pub chain: ChainId,
    /// The scope under the grant.
    pub gid: GrantId,
    /// The capsule that came in.
    pub ctid: CapsuleId,
    /// SHA2-256 of the bytes that went out.
    pub result: Digest,
}

impl Statement for Reencrypted {
    const DOMAIN: &'static str = domain::REENCRYPTED;
}

/// What a requester tells the patient about an answer that did not open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenFailure {
    /// The ledger.
    pub chain: ChainId,
    /// The grant.
    pub grant: OperationId,
    /// Who answered.
    pub agent: AccountId,
    /// Its answer.
    pub answer: Answer,
}

impl Statement for OpenFailure {
    const DOMAIN: &'static str = domain::FAILURE;
}

/// See [`Letter::Evidence`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceLetter {
    /// What the dispute is about.
    pub subject: Subject,
    /// Opens the commitment in `Dispute`.
    pub salt: Salt,
    /// What it commits to.
    pub evidence: Evidence,
}

/// What a dispute commits to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// All that an audit of one re-encryption needs.
    LyingAgent(Box<AuditFile>),
    /// Somebody's words.
    Words(String),
}

/// The opened commitment of an agent, and what it signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditFile {
    /// The grant.
    pub grant: OperationId,
    /// The agent.
    pub agent: AccountId,
    /// The re-encryption key as the agent received it.
    pub key: AgentKey,
    /// What the agent answered.
    pub answer: Answer,
    /// The capsule's node.
    pub capsule: Cid,
}

/// See [`Letter::Delegate`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegateLetter {
    /// The `Delegate` operation.
    pub delegation: OperationId,
    /// The patient.
    pub patient: AccountId,
    /// The key bag's head, as [`crate::bag`] writes it.
    pub head: ByteBuf,
}

secret! {
    GrantedScope { key }
    AgentKey { rk, noise }
    DelegateLetter { head }
}

impl Letter {
    /// Seals the letter to the holder of `to`.
    ///
    /// # Errors
    /// [`LetterError::BadKey`], [`LetterError::TooLong`].
    pub fn seal(
        &self,
        chain: ChainId,
        to: &HpkeKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, LetterError> {
        let mut rng = rng;
        let key = public_key(to).ok_or(LetterError::BadKey)?;
        let text = self.padded()?;
        let (enc, text) = hpke::single_shot_seal_with_rng::<Aead, Kdf, Kem>(
            &OpModeS::Base,
            &key,
            &info(chain),
            &text,
            &[],
            &mut rng,
        )
        .map_err(|_| LetterError::BadKey)?;
        Ok(codec::encode(&SealedLetter {
            version: Version,
            key: key_hash(to),
            enc: ByteBuf::from(enc.to_bytes().to_vec()),
            text: ByteBuf::from(text),
        }))
    }

    fn padded(&self) -> Result<Zeroizing<Vec<u8>>, LetterError> {
        let plain = Zeroizing::new(codec::encode(self));
        if plain.len() > MAX_LETTER {
            return Err(LetterError::TooLong(plain.len()));
        }
        let room = room(plain.len());
        let mut padded = Zeroizing::new(Vec::with_capacity(room));
        padded.extend_from_slice(&(plain.len() as u32).to_be_bytes());
        padded.extend_from_slice(&plain);
        padded.resize(room, 0);
        Ok(padded)
    }

    fn unpadded(padded: &[u8]) -> Result<Self, LetterError> {
        let (length, rest) = padded.split_first_chunk().ok_or(LetterError::Malformed)?;
        let (plain, zeros) = rest
            .split_at_checked(u32::from_be_bytes(*length) as usize)
            .ok_or(LetterError::Malformed)?;
        if zeros.iter().any(|&byte| byte != 0) || padded.len() != room(plain.len()) {
            return Err(LetterError::Malformed);
        }
        Ok(codec::decode(plain)?)
    }
}

/// A letter as a mailbox holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedLetter {
    #[serde(rename = "v")]
    version: Version,
    key: Digest,
    enc: ByteBuf,
    text: ByteBuf,
}

impl SealedLetter {
    /// Reads a letter's envelope.
    ///
    /// # Errors
    /// [`LetterError::Malformed`], [`LetterError::Newer`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LetterError> {
        Ok(codec::decode(bytes)?)
    }

    /// [`key_hash`] of the key that it is sealed to.
    pub fn key(&self) -> Digest {
        self.key
    }

    /// Opens the letter.
    ///
    /// # Errors
    /// [`LetterError::NotOurs`] for a letter to another key or a damaged one,
    /// [`LetterError::Malformed`] for one whose content is no [`Letter`],
    /// [`LetterError::Newer`].
    pub fn open(&self, chain: ChainId, secret: &HpkeSecret) -> Result<Letter, LetterError> {
        let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(&self.enc)
            .map_err(|_| LetterError::Malformed)?;
        let padded = hpke::single_shot_open::<Aead, Kdf, Kem>(
            &OpModeR::Base,
            &secret.private(),
            &enc,
            &info(chain),
            &self.text,
            &[],
        )
        .map(Zeroizing::new)
        .map_err(|_| LetterError::NotOurs)?;
        Letter::unpadded(&padded)
    }
}

impl From<codec::DecodeError> for LetterError {
    fn from(error: codec::DecodeError) -> Self {
        match error {
            codec::DecodeError::Version { version, .. } => Self::Newer(version),
            _ => Self::Malformed,
        }
    }
}

type PublicKey = <Kem as hpke::Kem>::PublicKey;

/// The key itself; none if these bytes of the right length are no key.
fn public_key(key: &HpkeKey) -> Option<PublicKey> {
    PublicKey::from_bytes(key.as_bytes()).ok()
}

/// Whether anything can be sealed to these bytes.
pub(crate) fn is_key(key: &HpkeKey) -> bool {
    public_key(key).is_some()
}

/// SHA2-256 of a public HPKE key: how envelopes and gids name it.
pub fn key_hash(key: &HpkeKey) -> Digest {
    Digest::of(key.as_bytes())
}

/// Why a letter is not sealed or not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LetterError {
    /// Not a valid X-Wing key.
    #[error("the receiver's HPKE key is not a valid key")]
    BadKey,
    /// More than fits a letter.
    #[error(
        "a letter of {0} bytes is longer than the limit of {MAX_LETTER}; ask for or grant less at once"
    )]
    TooLong(usize),
    /// A letter of the future.
    #[error("the letter: {0}")]
    Newer(UnknownVersion),
    /// Bytes that are no letter.
    #[error("these bytes are not a letter")]
    Malformed,
    /// Sealed to another key, or damaged.
    #[error("the letter does not open: it is damaged or sealed to another key")]
    NotOurs,
}

type Aead = hpke::aead::AesGcm256;
type Kdf = hpke::kdf::HkdfSha256;

/// Room below one object: padding adds at most 1/8, the envelope 1.3 kB.
const MAX_LETTER: usize = 880_000;
const MIN_LETTER: u64 = 1_024;

/// Bytes of a padded letter of `length` bytes.
fn room(length: usize) -> usize {
    padme((length as u64 + 4).max(MIN_LETTER)) as usize
}

fn info(chain: ChainId) -> Vec<u8> {
    let mut info = domain::preamble(domain::LETTER);
    info.extend_from_slice(&chain.0);
    info
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn padding_is_zeros_of_one_length() {
        let letter = Letter::Evidence(EvidenceLetter {
            subject: Subject::Query(OperationId(base::cid::of_object(b"query"))),
            salt: Salt([1; 32]),
            evidence: Evidence::Words("words".into()),
        });
        let padded = letter.padded().unwrap();
        assert_eq!(Letter::unpadded(&padded).unwrap(), letter);
        let mut bad = padded.to_vec();
        *bad.last_mut().unwrap() = 1;
        assert_eq!(Letter::unpadded(&bad), Err(LetterError::Malformed));
        bad.pop();
        assert_eq!(Letter::unpadded(&bad), Err(LetterError::Malformed));
        bad.extend([0; 64]);
        assert_eq!(Letter::unpadded(&bad), Err(LetterError::Malformed));
        bad[..4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(Letter::unpadded(&bad), Err(LetterError::Malformed));
    }
}
