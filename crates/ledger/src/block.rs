//! Blocks: header, certificate, and who must sign. Protocol page, "The log".
//!
//! A header is a signed statement (domain `block`); its CID names the block. Every
//! party that holds the genesis object can check a head: it needs no table.

use base::{
    AccountId, ChainId, Cid, Digest, Millis, Statement, Version, cid, codec, domain,
    genesis::Genesis,
    key::{OperationKey, OperationSecret, Signature},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::ops::Deref;
use thiserror::Error;

use crate::state;

/// One block without its leaves. Height 0 is the genesis header: no leaf, no signature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Format of header, certificate and leaves.
    #[serde(rename = "v")]
    pub version: Version,
    /// The ledger.
    pub chain: ChainId,
    /// Blocks before this one.
    pub height: u64,
    /// Time of every operation in the block; strictly greater than the block before.
    pub time: Millis,
    /// CID of the header before; none at height 0 only.
    pub previous: Option<Cid>,
    /// Index of the first leaf of this block, which is the tree size before it.
    pub first_leaf: u64,
    /// Leaves in the log, this block's included.
    pub tree_size: u64,
    /// RFC 9162 root of the log at `tree_size`.
    pub tree_root: Digest,
    /// Hash of the state after the block ([`crate::StateHash`]).
    pub state_hash: Digest,
    /// The validator that built the block.
    pub proposer: AccountId,
}

impl Statement for Header {
    const DOMAIN: &'static str = domain::BLOCK;
}

impl Header {
    /// The CID of the canonical bytes.
    pub fn cid(&self) -> Cid {
        cid::of_object(&codec::encode(self))
    }

    /// The header of height 0: a function of the genesis object alone.
    pub fn genesis(genesis: &Genesis) -> Self {
        Self {
            version: Version,
            chain: genesis.chain(),
            height: 0,
            time: genesis.created,
            previous: None,
            first_leaf: 0,
            tree_size: 0,
            tree_root: crate::log::empty_root(),
            state_hash: state::genesis_hash(genesis).digest(),
            proposer: genesis
                .validators
                .first()
                .map_or(AccountId([0; 32]), |first| AccountId::of(&first.key)),
        }
    }

    /// A certificate of this header by one validator that decides alone, without rounds.
    pub fn certify(&self, secret: &OperationSecret) -> Certificate {
        Certificate {
            height: self.height,
            round: None,
            header: self.cid(),
            signatures: vec![(
                AccountId::of(&secret.public()),
                secret.sign(&self.preimage()),
            )],
        }
    }
}

/// A validator's word that a block is the one of its height: it is given once a round, after
/// more than two thirds showed that they would accept the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The ledger.
    pub chain: ChainId,
    /// The block's height.
    pub height: u64,
    /// The round, from 0.
    pub round: u32,
    /// CID of the block's header.
    pub header: Cid,
}

impl Statement for Commit {
    const DOMAIN: &'static str = domain::COMMIT;
}

/// Signatures of validators: of a [`Commit`] where they agree in rounds, of the header
/// itself where one decides alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The header's height.
    pub height: u64,
    /// The round in which the validators decided; none where there are no rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// The header's CID.
    pub header: Cid,
    /// Who signed; each validator at most once. Empty at height 0 only.
    pub signatures: Vec<(AccountId, Signature)>,
}

impl Certificate {
    /// What each of its signatures is over.
    fn preimage(&self, header: &Header) -> Vec<u8> {
        match self.round {
            None => header.preimage(),
            Some(round) => {
                let commit = Commit {
                    chain: header.chain,
                    height: header.height,
                    round,
                    header: self.header,
                };
                commit.preimage()
            }
        }
    }
}

/// A header with its certificate, unchecked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The header.
    pub header: Header,
    /// Its certificate.
    pub certificate: Certificate,
}

impl Head {
    /// The head of height 0.
    pub fn genesis(genesis: &Genesis) -> Self {
        let header = Header::genesis(genesis);
        let certificate = Certificate {
            height: 0,
            round: None,
            header: header.cid(),
            signatures: Vec::new(),
        };
        Self {
            header,
            certificate,
        }
    }

    /// Checks that more than two thirds of the validators signed this header.
    ///
    /// # Errors
    /// [`HeadError`] names the first thing that does not hold.
    pub fn verify(self, validators: &ValidatorSet) -> Result<VerifiedHead, HeadError> {
        let Self {
            header,
            certificate,
        } = &self;
        if header.chain != validators.genesis.chain {
            return Err(HeadError::WrongChain);
        }
        if header.height == 0 {
            let bare = certificate.signatures.is_empty() && certificate.round.is_none();
            return if *header == validators.genesis && bare {
                Ok(VerifiedHead(self))
            } else {
                Err(HeadError::NotGenesis)
            };
        }
        if certificate.height != header.height || certificate.header != header.cid() {
            return Err(HeadError::OtherHeader);
        }
        validators
            .key(header.proposer)
            .ok_or(HeadError::NotValidator)?;
        validators.check(&certificate.preimage(header), &certificate.signatures)?;
        Ok(VerifiedHead(self))
    }
}

/// A head whose certificate was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedHead(Head);

impl VerifiedHead {
    /// The head.
    pub fn into_head(self) -> Head {
        self.0
    }
}

impl Deref for VerifiedHead {
    type Target = Head;
    fn deref(&self) -> &Head {
        &self.0
    }
}

/// Why a head is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The header names another ledger.
    #[error("the block belongs to another ledger")]
    WrongChain,
    /// Height 0, but not the header that the genesis object gives.
    #[error("the block of height 0 is not the one of this genesis")]
    NotGenesis,
    /// The certificate names another header or height.
    #[error("the certificate belongs to another block")]
    OtherHeader,
    /// A proposer or signer that is no validator, or one that signs twice.
    #[error("the block names an account that is no validator, or a signer twice")]
    NotValidator,
    /// A signature that does not verify.
    #[error("a validator's signature on the block does not verify")]
    BadSignature,
    /// Two thirds or less of the validators.
    #[error("only {signed} of {validators} validators signed the block")]
    TooFew {
        /// Valid signatures.
        signed: usize,
        /// Validators.
        validators: usize,
    },
}

/// The validators of a ledger with their keys, and its genesis header. The keys are those
/// of the genesis object: a validator's operation key is not rotated by `RotateKey`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidatorSet {
    genesis: Header,
    validators: Vec<(AccountId, OperationKey)>,
}

impl ValidatorSet {
    /// The set that a genesis object names.
    pub fn of(genesis: &Genesis) -> Self {
        Self {
            genesis: Header::genesis(genesis),
            validators: genesis
                .validators
                .iter()
                .map(|validator| (AccountId::of(&validator.key), validator.key))
                .collect(),
        }
    }

    /// The ledger.
    pub fn chain(&self) -> ChainId {
        self.genesis.chain
    }

    /// Number of validators.
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Whether there is none; a ledger cannot be created so.
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// Account and key of each.
    pub fn iter(&self) -> impl Iterator<Item = (AccountId, OperationKey)> + '_ {
        self.validators.iter().copied()
    }

    /// The key of one validator.
    pub fn key(&self, account: AccountId) -> Option<OperationKey> {
        self.iter()
            .find(|(id, _)| *id == account)
            .map(|(_, key)| key)
    }

    /// Whether `count` validators decide: more than two thirds.
    pub fn decides(&self, count: usize) -> bool {
        two_thirds(count, self.validators.len())
    }

    fn check(
        &self,
        message: &[u8],
        signatures: &[(AccountId, Signature)],
    ) -> Result<(), HeadError> {
        if signatures.len() > self.validators.len() {
            return Err(HeadError::NotValidator);
        }
        for (at, (account, signature)) in signatures.iter().enumerate() {
            let key = self.key(*account).ok_or(HeadError::NotValidator)?;
            if signatures[..at].iter().any(|(other, _)| other == account) {
                return Err(HeadError::NotValidator);
            }
            key.verify(message, signature)
                .map_err(|_| HeadError::BadSignature)?;
        }
        if !self.decides(signatures.len()) {
            return Err(HeadError::TooFew {
                signed: signatures.len(),
                validators: self.validators.len(),
            });
        }
        Ok(())
    }
}

/// Whether `count` is more than two thirds of `all`.
pub(crate) fn two_thirds(count: usize, all: usize) -> bool {
    count.saturating_mul(3) > all.saturating_mul(2)
}

/// A whole block as one node hands it to another: head and the leaves' canonical bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Header and certificate.
    pub head: Head,
    /// Canonical bytes of each [`crate::Leaf`], in log order.
    pub leaves: Vec<ByteBuf>,
}
