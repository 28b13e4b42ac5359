//! How the engine's messages are spelt, on the wire and in its write-ahead log: a version,
//! then canonical DAG-CBOR. Bytes in another spelling are refused.

use base::{AccountId, Digest, Version, codec, codec::DecodeError, key::Signature};
use bytes::Bytes;
use malachite::app::{
    consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg},
    streaming::{StreamContent, StreamId, StreamMessage},
    types::{
        codec::{Codec, HasEncodedLen},
        core as engine,
        sync::{RawDecidedValue, Request, Response, Status},
    },
};
use malachite_sync::{PeerId, ValueRequest, ValueResponse};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;
use thiserror::Error;

use super::{
    context::{Address, BlockId, Chain, Height, Part, Proposal, Vote},
    signing::Signed,
};
use engine::{
    ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, PolkaCertificate, PolkaSignature,
    Round, RoundCertificate, RoundCertificateType, RoundSignature, SignedMessage, ValidatorProof,
    Validity, VoteType,
};

/// Writes and reads every message.
#[derive(Copy, Clone, Debug)]
pub(super) struct Spelling;

/// Bytes that are no message.
#[derive(Debug, Error)]
pub(super) enum BadMessage {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("a message that {0}")]
    Odd(&'static str),
}

/// What has a form in bytes.
trait Spelt: Sized {
    type Form: Serialize + DeserializeOwned;
    fn form(&self) -> Self::Form;
    fn read(form: Self::Form) -> Result<Self, BadMessage>;
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    #[serde(rename = "v")]
    version: Version,
    body: T,
}

impl<T: Spelt> Codec<T> for Spelling {
    type Error = BadMessage;

    fn decode(&self, bytes: Bytes) -> Result<T, BadMessage> {
        let envelope: Envelope<T::Form> = codec::decode_within(&bytes, MAX_MESSAGE)?;
        T::read(envelope.body)
    }

    fn encode(&self, message: &T) -> Result<Bytes, BadMessage> {
        let body = message.form();
        Ok(codec::encode(&Envelope {
            version: Version,
            body,
        })
        .into())
    }
}

impl HasEncodedLen<Response<Chain>> for Spelling {
    fn encoded_len(&self, message: &Response<Chain>) -> Result<usize, BadMessage> {
        Ok(self.encode(message)?.len())
    }
}

/// Above the longest answer of a node that others catch up from.
const MAX_MESSAGE: usize = 16 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VoteForm {
    precommit: bool,
    height: u64,
    round: Option<u32>,
    block: Option<Digest>,
    account: AccountId,
    signature: Signature,
}

impl From<&SignedMessage<Chain, Vote>> for VoteForm {
    fn from(signed: &SignedMessage<Chain, Vote>) -> Self {
        let vote = &signed.message;
        Self {
            precommit: vote.kind == VoteType::Precommit,
            height: vote.height.0,
            round: vote.round.as_u32(),
            block: digest(&vote.value),
            account: vote.address.0,
            signature: signed.signature.0,
        }
    }
}

impl From<VoteForm> for SignedMessage<Chain, Vote> {
    fn from(form: VoteForm) -> Self {
        let vote = Vote {
            kind: kind(form.precommit),
            height: Height(form.height),
            round: form.round.into(),
            value: value(form.block),
            address: Address(form.account),
        };
        Self::new(vote, Signed(form.signature))
    }
}

fn kind(precommit: bool) -> VoteType {
    match precommit {
        true => VoteType::Precommit,
        false => VoteType::Prevote,
    }
}

fn value(block: Option<Digest>) -> NilOrVal<BlockId> {
    block.map_or(NilOrVal::Nil, |block| NilOrVal::Val(BlockId(block)))
}

fn digest(value: &NilOrVal<BlockId>) -> Option<Digest> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(block.0),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProposalForm {
    height: u64,
    round: Option<u32>,
    valid_round: Option<u32>,
    block: Digest,
    account: AccountId,
    signature: Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ConsensusForm {
    Vote(VoteForm),
    Proposal(ProposalForm),
}

impl Spelt for SignedConsensusMsg<Chain> {
    type Form = ConsensusForm;

    fn form(&self) -> ConsensusForm {
        match self {
            Self::Vote(vote) => ConsensusForm::Vote(vote.into()),
            Self::Proposal(signed) => {
                let proposal = &signed.message;
                ConsensusForm::Proposal(ProposalForm {
                    height: proposal.height.0,
                    round: proposal.round.as_u32(),
                    valid_round: proposal.pol_round.as_u32(),
                    block: proposal.value.0,
                    account: proposal.address.0,
                    signature: signed.signature.0,
                })
            }
        }
    }

    fn read(form: ConsensusForm) -> Result<Self, BadMessage> {
        Ok(match form {
            ConsensusForm::Vote(vote) => Self::Vote(vote.into()),
            ConsensusForm::Proposal(form) => {
                let proposal = Proposal {
                    height: Height(form.height),
                    round: form.round.into(),
                    value: BlockId(form.block),
                    pol_round: form.valid_round.into(),
                    address: Address(form.account),
                };
                Self::Proposal(SignedMessage::new(proposal, Signed(form.signature)))
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolkaForm {
    height: u64,
    round: Option<u32>,
    block: Digest,
    signatures: Vec<(AccountId, Signature)>,
}

impl Spelt for PolkaCertificate<Chain> {
    type Form = PolkaForm;

    fn form(&self) -> PolkaForm {
        PolkaForm {
            height: self.height.0,
            round: self.round.as_u32(),
            block: self.value_id.0,
            signatures: (self.polka_signatures.iter())
                .map(|signed| (signed.address.0, signed.signature.0))
                .collect(),
        }
    }

    fn read(form: PolkaForm) -> Result<Self, BadMessage> {
        let signed =
            |(account, signature)| PolkaSignature::new(Address(account), Signed(signature));
        Ok(Self {
            height: Height(form.height),
            round: form.round.into(),
            value_id: BlockId(form.block),
            polka_signatures: form.signatures.into_iter().map(signed).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoundForm {
    height: u64,
    round: Option<u32>,
    skip: bool,
    votes: Vec<RoundVoteForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoundVoteForm {
    precommit: bool,
    block: Option<Digest>,
    account: AccountId,
    signature: Signature,
}

impl From<&RoundCertificate<Chain>> for RoundForm {
    fn from(certificate: &RoundCertificate<Chain>) -> Self {
        let vote = |signed: &RoundSignature<Chain>| RoundVoteForm {
            precommit: signed.vote_type == VoteType::Precommit,
            block: digest(&signed.value_id),
            account: signed.address.0,
            signature: signed.signature.0,
        };
        Self {
            height: certificate.height.0,
            round: certificate.round.as_u32(),
            skip: certificate.cert_type == RoundCertificateType::Skip,
            votes: certificate.round_signatures.iter().map(vote).collect(),
        }
    }
}

impl From<RoundForm> for RoundCertificate<Chain> {
    fn from(form: RoundForm) -> Self {
        let signed = |vote: RoundVoteForm| {
            RoundSignature::new(
                kind(vote.precommit),
                value(vote.block),
                Address(vote.account),
                Signed(vote.signature),
            )
        };
        Self {
            height: Height(form.height),
            round: form.round.into(),
            cert_type: match form.skip {
                true => RoundCertificateType::Skip,
                false => RoundCertificateType::Precommit,
            },
            round_signatures: form.votes.into_iter().map(signed).collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LivenessForm {
    Vote(VoteForm),
    Polka(PolkaForm),
    Round(RoundForm),
}

impl Spelt for LivenessMsg<Chain> {
    type Form = LivenessForm;

    fn form(&self) -> LivenessForm {
        match self {
            Self::Vote(vote) => LivenessForm::Vote(vote.into()),
            Self::PolkaCertificate(polka) => LivenessForm::Polka(polka.form()),
            Self::SkipRoundCertificate(round) => LivenessForm::Round(round.into()),
        }
    }

    fn read(form: LivenessForm) -> Result<Self, BadMessage> {
        Ok(match form {
            LivenessForm::Vote(vote) => Self::Vote(vote.into()),
            LivenessForm::Polka(polka) => Self::PolkaCertificate(Spelt::read(polka)?),
            LivenessForm::Round(round) => Self::SkipRoundCertificate(round.into()),
        })
    }
}

impl Spelt for Part {
    type Form = Self;

    fn form(&self) -> Self {
        self.clone()
    }

    fn read(form: Self) -> Result<Self, BadMessage> {
        Ok(form)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamForm {
    stream: ByteBuf,
    sequence: u64,
    /// None: the stream's end.
    part: Option<Part>,
}

impl Spelt for StreamMessage<Part> {
    type Form = StreamForm;

    fn form(&self) -> StreamForm {
        StreamForm {
            stream: ByteBuf::from(self.stream_id.to_bytes()),
            sequence: self.sequence,
            part: self.content.as_data().cloned(),
        }
    }

    fn read(form: StreamForm) -> Result<Self, BadMessage> {
        if form.stream.len() > 32 {
            return Err(BadMessage::Odd("names a stream by more than 32 bytes"));
        }
        let content = form.part.map_or(StreamContent::Fin, StreamContent::Data);
        let stream = StreamId::new(form.stream.into_vec().into());
        Ok(Self::new(stream, form.sequence, content))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofForm {
    key: ByteBuf,
    peer: ByteBuf,
    signature: Signature,
}

impl Spelt for ValidatorProof<Chain> {
    type Form = ProofForm;

    fn form(&self) -> ProofForm {
        ProofForm {
            key: ByteBuf::from(self.public_key.clone()),
            peer: ByteBuf::from(self.peer_id.clone()),
            signature: self.signature.0,
        }
    }

    fn read(form: ProofForm) -> Result<Self, BadMessage> {
        let signature = Signed(form.signature);
        Ok(Self::new(
            form.key.into_vec(),
            form.peer.into_vec(),
            signature,
        ))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusForm {
    peer: ByteBuf,
    tip: u64,
    first: u64,
}

impl Spelt for Status<Chain> {
    type Form = StatusForm;

    fn form(&self) -> StatusForm {
        StatusForm {
            peer: ByteBuf::from(self.peer_id.to_bytes()),
            tip: self.tip_height.0,
            first: self.history_min_height.0,
        }
    }

    fn read(form: StatusForm) -> Result<Self, BadMessage> {
        let peer = PeerId::from_bytes(&form.peer);
        Ok(Self {
            peer_id: peer.map_err(|_| BadMessage::Odd("names no peer"))?,
            tip_height: Height(form.tip),
            history_min_height: Height(form.first),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestForm {
    first: u64,
    last: u64,
}

impl Spelt for Request<Chain> {
    type Form = RequestForm;

    fn form(&self) -> RequestForm {
        let Self::ValueRequest(request) = self;
        RequestForm {
            first: request.range.start().0,
            last: request.range.end().0,
        }
    }

    fn read(form: RequestForm) -> Result<Self, BadMessage> {
        let range = Height(form.first)..=Height(form.last);
        Ok(Self::ValueRequest(ValueRequest::new(range)))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseForm {
    first: u64,
    blocks: Vec<DecidedForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecidedForm {
    bytes: ByteBuf,
    height: u64,
    round: Option<u32>,
    block: Digest,
    signatures: Vec<(AccountId, Signature)>,
}

impl Spelt for Response<Chain> {
    type Form = ResponseForm;

    fn form(&self) -> ResponseForm {
        let Self::ValueResponse(response) = self;
        let decided = |decided: &RawDecidedValue<Chain>| {
            let certificate = &decided.certificate;
            DecidedForm {
                bytes: ByteBuf::from(decided.value_bytes.to_vec()),
                height: certificate.height.0,
                round: certificate.round.as_u32(),
                block: certificate.value_id.0,
                signatures: (certificate.commit_signatures.iter())
                    .map(|signed| (signed.address.0, signed.signature.0))
                    .collect(),
            }
        };
        ResponseForm {
            first: response.start_height.0,
            blocks: response.values.iter().map(decided).collect(),
        }
    }

    fn read(form: ResponseForm) -> Result<Self, BadMessage> {
        let decided = |form: DecidedForm| {
            let signed = |(account, signature)| {
                ExtendedCommitSignature::new(Address(account), Signed(signature), None)
            };
            let certificate = ExtendedCommitCertificate {
                height: Height(form.height),
                round: form.round.into(),
                value_id: BlockId(form.block),
                commit_signatures: form.signatures.into_iter().map(signed).collect(),
            };
            RawDecidedValue::new(form.bytes.into_vec().into(), certificate)
        };
        let values = form.blocks.into_iter().map(decided).collect();
        let response = ValueResponse::new(Height(form.first), values);
        Ok(Self::ValueResponse(response))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProposedForm {
    height: u64,
    round: Option<u32>,
    valid_round: Option<u32>,
    account: AccountId,
    block: Digest,
    valid: bool,
}

impl Spelt for ProposedValue<Chain> {
    type Form = ProposedForm;

    fn form(&self) -> ProposedForm {
        ProposedForm {
            height: self.height.0,
            round: self.round.as_u32(),
            valid_round: self.valid_round.as_u32(),
            account: self.proposer.0,
            block: self.value.0,
            valid: self.validity.is_valid(),
        }
    }

    fn read(form: ProposedForm) -> Result<Self, BadMessage> {
        Ok(Self {
            height: Height(form.height),
            round: Round::from(form.round),
            valid_round: Round::from(form.valid_round),
            proposer: Address(form.account),
            value: BlockId(form.block),
            validity: Validity::from_bool(form.valid),
        })
    }
}

#[cfg(test)]
mod tests;
