//! Blocks: header and certificate. Protocol page, "The log".
//!
//! A header is a signed statement (domain `block`); its CID names the block. Every party
//! that holds the genesis object, and has followed the validators since
//! ([`Validators::follow`]), can check a head: it needs no table.

use base::{
    AccountId, ChainId, Cid, Digest, Millis, Statement, Version, cid, codec, domain,
    genesis::Genesis,
    key::{OperationSecret, Signature},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::{num::NonZeroU32, ops::Deref};
use thiserror::Error;

use crate::{
    state,
    validators::{Reign, ValidatorSet, Validators},
    word::Commit,
};

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
    /// The validator that built the block, in its turn of height and round.
    pub proposer: AccountId,
    /// The round in which it did, if it was not the first: so many turns were missed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<NonZeroU32>,
    /// Who decides the next height; absent while it is the genesis object's validators that
    /// always did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_validators: Option<Reign>,
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
            round: None,
            next_validators: None,
        }
    }

    /// The round in which the block was built; 0 is the first.
    pub fn round(&self) -> u32 {
        self.round.map_or(0, NonZeroU32::get)
    }

    /// A certificate of this header by one validator that decides alone, without rounds.
    pub fn certify(&self, secret: &OperationSecret) -> Certificate {
        Certificate {
            height: self.height,
            round: None,
            header: self.cid(),
            // Its account, whichever key it has by now.
            signatures: vec![(self.proposer, secret.sign(&self.preimage()))],
        }
    }
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

    /// Checks that more than two thirds of the validators of its height, by weight, signed
    /// this header, and that its proposer had the turn that the header names.
    ///
    /// # Errors
    /// [`HeadError`] names the first thing that does not hold; [`HeadError::OtherValidators`]
    /// says that `validators` may not have been followed far enough.
    pub fn verify(self, validators: &Validators) -> Result<VerifiedHead, HeadError> {
        let Self {
            header,
            certificate,
        } = &self;
        if header.chain != validators.chain() {
            return Err(HeadError::WrongChain);
        }
        if header.height == 0 {
            let bare = certificate.signatures.is_empty() && certificate.round.is_none();
            return if header == validators.genesis() && bare {
                Ok(VerifiedHead(self))
            } else {
                Err(HeadError::NotGenesis)
            };
        }
        if certificate.height != header.height || certificate.header != header.cid() {
            return Err(HeadError::OtherHeader);
        }
        if !validators.reaches(header) {
            return Err(HeadError::OtherValidators);
        }
        if let Err(error) = self.check(validators.at(header.height)) {
            // The end of a time that began after what is known looks like this.
            let later =
                header.height >= validators.since() && header.next_validators != validators.reign();
            return Err(if later {
                HeadError::OtherValidators
            } else {
                error
            });
        }
        Ok(VerifiedHead(self))
    }

    fn check(&self, set: &ValidatorSet) -> Result<(), HeadError> {
        let header = &self.header;
        set.seat(header.proposer).ok_or(HeadError::NotValidator)?;
        let turn = set.proposer(header.height, header.round());
        if turn.is_none_or(|seat| seat.account != header.proposer) {
            return Err(HeadError::NotInTurn);
        }
        let message = self.certificate.preimage(header);
        set.check(&message, &self.certificate.signatures)
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
    /// Validators that the party does not know decided, or the head is made up: fetch the
    /// transitions from [`Validators::since`] on and follow them, then try again.
    #[error("validators that are not known here decided the block")]
    OtherValidators,
    /// The head certifies no change to these validators.
    #[error("the block does not hand over to these validators")]
    NoTransition,
    /// A proposer or signer that is no validator, or one that signs twice.
    #[error("the block names an account that is no validator, or a signer twice")]
    NotValidator,
    /// It was another's turn to propose.
    #[error("it was not the proposer's turn")]
    NotInTurn,
    /// A signature that does not verify.
    #[error("a validator's signature on the block does not verify")]
    BadSignature,
    /// Two thirds of the weight, or less.
    #[error(
        "validators of weight {signed} of {of} signed the block, that is not more than two thirds"
    )]
    TooFew {
        /// Weight of the valid signatures.
        signed: u64,
        /// Of all validators.
        of: u64,
    },
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
