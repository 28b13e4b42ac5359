//! Signatures of validators: Ed25519 under ZIP 215, over statements with a domain tag and the
//! chain id. A precommit of a block is signed as [`ledger::Commit`], so that the engine's commit
//! certificate is the block's own certificate, which everybody can check who knows the
//! validators and nothing of the engine.

use async_trait::async_trait;
use base::{
    ChainId, Statement, domain,
    key::{OperationKey, OperationSecret, Signature},
    operation::Word,
};
use ledger::word_preimage;
use malachite::app::types::core as engine;
use malachite_signing::{Error, Signer, VerificationResult, Verifier};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::cmp::Ordering;

use super::{
    context::{Chain, Height, Proposal, Vote},
    ring::Ring,
};
use engine::{NilOrVal, SignedMessage, ValidatorProof, VoteExtensionScope, VoteType};

/// Ed25519, as the engine names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scheme;

/// A signature that can be sorted, which the engine wants.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Signed(pub(super) Signature);

impl PartialOrd for Signed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Signed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.0.cmp(&other.0.0)
    }
}

impl engine::SigningScheme for Scheme {
    type DecodingError = &'static str;
    type Signature = Signed;
    type PublicKey = OperationKey;
    type PrivateKey = OperationSecret;

    fn decode_signature(bytes: &[u8]) -> Result<Signed, Self::DecodingError> {
        let bytes = bytes.try_into().map_err(|_| "a signature has 64 bytes")?;
        Ok(Signed(Signature(bytes)))
    }

    fn encode_signature(signature: &Signed) -> Vec<u8> {
        signature.0.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<OperationKey, Self::DecodingError> {
        let bytes = bytes.try_into().map_err(|_| "a key has 32 bytes")?;
        Ok(OperationKey(bytes))
    }

    fn encode_public_key(key: &OperationKey) -> Vec<u8> {
        key.0.to_vec()
    }
}

/// "This peer id is mine."
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Presence {
    chain: ChainId,
    key: ByteBuf,
    peer: ByteBuf,
}

impl Statement for Presence {
    const DOMAIN: &'static str = domain::VALIDATOR;
}

/// What a vote says, in the ledger's vocabulary.
pub(super) fn word_of_vote(vote: &Vote) -> Word {
    let block = match vote.value {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(block.0),
    };
    match vote.kind {
        VoteType::Prevote => Word::Prevote(block),
        VoteType::Precommit => Word::Precommit(block),
    }
}

fn vote_preimage(chain: ChainId, vote: &Vote) -> Vec<u8> {
    let word = word_of_vote(vote);
    word_preimage(chain, vote.height.0, vote.round.as_u32(), &word)
}

fn proposal_preimage(chain: ChainId, proposal: &Proposal) -> Vec<u8> {
    let word = Word::Proposal {
        block: proposal.value.0,
        valid_round: proposal.pol_round.as_u32(),
    };
    word_preimage(chain, proposal.height.0, proposal.round.as_u32(), &word)
}

fn presence_preimage(chain: ChainId, key: &[u8], peer: &[u8]) -> Vec<u8> {
    let presence = Presence {
        chain,
        key: ByteBuf::from(key),
        peer: ByteBuf::from(peer),
    };
    presence.preimage()
}

/// Checks what others signed.
#[derive(Clone, Debug)]
pub(super) struct Checker {
    pub(super) chain: ChainId,
}

fn verdict(key: &OperationKey, message: &[u8], signature: &Signed) -> VerificationResult {
    VerificationResult::from_bool(key.verify(message, &signature.0).is_ok())
}

#[async_trait]
impl Verifier<Chain> for Checker {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signed,
        key: &OperationKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verdict(key, &vote_preimage(self.chain, vote), signature))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signed,
        key: &OperationKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verdict(
            key,
            &proposal_preimage(self.chain, proposal),
            signature,
        ))
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Chain>,
        (): &(),
        _: &Signed,
        _: &OperationKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid) // nobody extends a vote here
    }

    async fn verify_validator_proof(
        &self,
        proof: &ValidatorProof<Chain>,
    ) -> Result<VerificationResult, Error> {
        let Ok(key) = proof.decoded_public_key() else {
            return Ok(VerificationResult::Invalid);
        };
        let message = presence_preimage(self.chain, &proof.public_key, &proof.peer_id);
        Ok(verdict(&key, &message, &proof.signature))
    }
}

/// Signs as one validator, with the key that its seat names at a height.
pub(super) struct Seal {
    pub(super) chain: ChainId,
    pub(super) ring: Ring,
}

impl Seal {
    fn sign(&self, height: Height, message: &[u8]) -> Result<Signed, Error> {
        let secret = self.ring.at(height.0);
        let secret =
            secret.ok_or_else(|| Error::from_source("the key of this seat is not here"))?;
        Ok(Signed(secret.sign(message)))
    }
}

#[async_trait]
impl Signer<Chain> for Seal {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Chain, Vote>, Error> {
        let signature = self.sign(vote.height, &vote_preimage(self.chain, &vote))?;
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<Chain, Proposal>, Error> {
        let signature = self.sign(proposal.height, &proposal_preimage(self.chain, &proposal))?;
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Chain>,
        (): (),
    ) -> Result<SignedMessage<Chain, ()>, Error> {
        Err(Error::from_source("votes carry no extension"))
    }

    async fn sign_validator_proof(
        &self,
        key: Vec<u8>,
        peer: Vec<u8>,
    ) -> Result<ValidatorProof<Chain>, Error> {
        let message = presence_preimage(self.chain, &key, &peer);
        let public = key.as_slice().try_into().map(OperationKey);
        let secret = public.ok().and_then(|public| self.ring.secret(&public));
        let secret = secret.ok_or_else(|| Error::from_source("the key is not here"))?;
        let signature = Signed(secret.sign(&message));
        Ok(ValidatorProof::new(key, peer, signature))
    }
}
