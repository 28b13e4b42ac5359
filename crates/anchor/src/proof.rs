//! The proof file: one logged operation, the root that it stands under, and that root's
//! anchor in a public chain. docs/anchors.md says how each link is checked.
//!
//! Canonical DAG-CBOR, or the same in JSON with byte strings in hexadecimal digits. Nothing
//! in it is believed: every field is bound by a hash to the one thing the verifier brings,
//! the hashes of public blocks.

use base::{AccountId, ChainId, Digest, OperationId, Version, codec, key::Signature};
use ledger::{Certificate, Head, Header, InclusionProof, Leaf, Transition, Validators};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;
use thiserror::Error;

use crate::{
    bitcoin::{self, BitcoinEvidence, BitcoinTrust},
    bytes::Bytes,
    chain::Chain,
    checkpoint::Checkpoint,
    eos::{self, EosEvidence, EosTrust},
    ethereum::{self, EthereumEvidence, EthereumTrust},
};

/// An operation with the proof that a public chain has anchored it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchoredProof {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// Canonical bytes of the leaf: the operation as it was signed, and its outcome.
    pub leaf: Bytes,
    /// From the leaf to the anchored root.
    pub inclusion: InclusionProof,
    /// Canonical bytes of the ledger's block header that was anchored.
    pub block: Bytes,
    /// The round in which validators agreed on it, where the certificate is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// Signatures of validators on that header, if they are wanted in the file.
    pub certificate: Option<Vec<(AccountId, Bytes)>>,
    /// With a certificate: canonical bytes of each [`Transition`] before that block, oldest
    /// first. They lead from the genesis object's validators to those who signed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Bytes>,
    /// The anchor.
    pub anchor: Evidence,
}

/// What a chain shows for an anchor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// An event of our contract.
    Ethereum(EthereumEvidence),
    /// An output of a transaction of one of our keys.
    Bitcoin(BitcoinEvidence),
    /// An action that one of our accounts authorised.
    Eos(EosEvidence),
}

impl Evidence {
    /// Which chain.
    pub fn chain(&self) -> Chain {
        match self {
            Self::Ethereum(_) => Chain::Ethereum,
            Self::Bitcoin(_) => Chain::Bitcoin,
            Self::Eos(_) => Chain::Eos,
        }
    }

    /// Where it says that `checkpoint` is anchored. All of it but what [`Trust`] is asked about
    /// is bound to the hash of the block that is given back.
    fn stood(&self, checkpoint: &Checkpoint) -> Result<Stood, Broken> {
        match self {
            #[cfg(feature = "ethereum")]
            Self::Ethereum(evidence) => ethereum::verify::stood(evidence, checkpoint),
            #[cfg(feature = "bitcoin")]
            Self::Bitcoin(evidence) => bitcoin::verify::stood(evidence, checkpoint),
            #[cfg(feature = "eos")]
            Self::Eos(evidence) => eos::verify::stood(evidence, checkpoint),
            #[allow(unreachable_patterns)]
            other => {
                let _ = checkpoint;
                Err(not_built(other.chain()))
            }
        }
    }
}

/// What a verifier brings.
#[derive(Clone, Debug)]
pub struct Trust<'a> {
    /// The ledger.
    pub ledger: ChainId,
    /// Its validators; a certificate in the file is checked against them.
    pub validators: Option<&'a Validators>,
    /// What is known of Ethereum.
    pub ethereum: Option<&'a EthereumTrust>,
    /// What is known of Bitcoin.
    pub bitcoin: Option<&'a BitcoinTrust>,
    /// What is known of EOS.
    pub eos: Option<&'a EosTrust>,
}

/// The links of a proof, from the operation outward.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Link {
    /// The file itself.
    Format,
    /// The operation is one of this ledger.
    Operation,
    /// The operation stands under the block's root.
    Inclusion,
    /// The ledger's block header.
    Block,
    /// The validators' signatures on it.
    Certificate,
    /// The public chain's block header.
    Header,
    /// The receipt stands in the public block.
    Receipt,
    /// The receipt's event is our contract's and anchors the ledger's block.
    Event,
    /// The transaction stands in the public block.
    Transaction,
    /// An output of the transaction anchors the ledger's block.
    Output,
    /// Who signed the transaction.
    Payer,
    /// The transaction's action anchors the ledger's block.
    Action,
    /// The public block is one that the verifier trusts.
    Trust,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "format",
            Self::Operation => "operation",
            Self::Inclusion => "inclusion",
            Self::Block => "block",
            Self::Certificate => "certificate",
            Self::Header => "header",
            Self::Receipt => "receipt",
            Self::Event => "event",
            Self::Transaction => "transaction",
            Self::Output => "output",
            Self::Payer => "payer",
            Self::Action => "action",
            Self::Trust => "trust",
        })
    }
}

/// A proof that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{link}: {reason}")]
pub struct Broken {
    /// The first link that does not hold.
    pub link: Link,
    /// Why.
    pub reason: String,
}

impl Broken {
    pub(crate) fn at(link: Link, reason: impl fmt::Display) -> Self {
        Self {
            link,
            reason: reason.to_string(),
        }
    }
}

/// What a proof that holds says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anchored {
    /// The operation.
    pub operation: OperationId,
    /// With its outcome.
    pub leaf: Leaf,
    /// Its index in the log.
    pub index: u64,
    /// The ledger's block that was anchored.
    pub header: Header,
    /// Whether validators' signatures on that block were checked.
    pub certified: bool,
    /// Where the anchor stands.
    pub stood: Stood,
}

/// An anchor in a public chain, checked as far as the file goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stood {
    /// Hash of the public block, as the chain's explorers write it.
    pub block: Digest,
    /// Its height, where its header says it.
    pub number: Option<u64>,
    /// Index of the transaction in it.
    pub transaction: u64,
    /// Time of the public block, seconds since 1970.
    pub time: u64,
    /// Whose anchor it is.
    pub by: By,
}

/// Whose an anchor is, as the chain shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// This contract's.
    Ethereum(ethereum::Contract),
    /// This key's.
    Bitcoin(bitcoin::Payer),
    /// This account's.
    Eos(eos::Name),
}

impl Stood {
    /// Which chain.
    pub fn chain(&self) -> Chain {
        match self.by {
            By::Ethereum(_) => Chain::Ethereum,
            By::Bitcoin(_) => Chain::Bitcoin,
            By::Eos(_) => Chain::Eos,
        }
    }
}

impl AnchoredProof {
    /// Puts a proof together; nothing is checked.
    pub fn new(
        leaf: &Leaf,
        inclusion: InclusionProof,
        head: &Head,
        certified: bool,
        anchor: Evidence,
    ) -> Self {
        let signatures = &head.certificate.signatures;
        let certificate = signatures
            .iter()
            .map(|(account, signature)| (*account, Bytes(signature.0.to_vec())))
            .collect();
        Self {
            version: Version,
            leaf: leaf.to_bytes().into(),
            inclusion,
            block: codec::encode(&head.header).into(),
            round: head.certificate.round.filter(|_| certified),
            certificate: certified.then_some(certificate),
            transitions: Vec::new(),
            anchor,
        }
    }

    /// The same with the changes of validators before its block, which its certificate needs.
    pub fn led_by(mut self, transitions: &[Transition]) -> Self {
        if self.certificate.is_some() {
            let bytes = |one: &Transition| Bytes(codec::encode(one));
            self.transitions = transitions.iter().map(bytes).collect();
        }
        self
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The same as JSON.
    pub fn to_json(&self) -> String {
        json(self)
    }

    /// Reads either form.
    ///
    /// # Errors
    /// [`Broken`] at [`Link::Format`].
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        either(bytes)
    }

    /// Checks every link, from the operation outward.
    ///
    /// # Errors
    /// [`Broken`] names the first link that does not hold.
    pub fn verify(&self, trust: &Trust<'_>) -> Result<Anchored, Broken> {
        let found = self.examine(trust.ledger)?;
        if let Some(signatures) = &self.certificate {
            let validators = trust.validators.ok_or_else(|| {
                Broken::at(
                    Link::Certificate,
                    "the file has one, and no genesis object says whose signatures count",
                )
            })?;
            let validators = followed(&self.transitions, validators)?;
            certified(&found.header, self.round, signatures, &validators)?;
        } else if self.round.is_some() || !self.transitions.is_empty() {
            return Err(Broken::at(
                Link::Format,
                "a round or changes of validators without a certificate",
            ));
        }
        trusted(&found.stood, trust)?;
        Ok(Anchored {
            certified: self.certificate.is_some(),
            ..found
        })
    }

    /// Checks every link but those that need a verifier's own knowledge.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn examine(&self, ledger: ChainId) -> Result<Anchored, Broken> {
        let leaf: Leaf =
            codec::decode(&self.leaf).map_err(|error| Broken::at(Link::Operation, error))?;
        let (_, operation) = leaf.operation.to_bytes();
        if leaf.operation.body.chain != ledger {
            return Err(Broken::at(Link::Operation, "it is about another ledger"));
        }
        let header: Header =
            codec::decode(&self.block).map_err(|error| Broken::at(Link::Block, error))?;
        if header.chain != ledger {
            return Err(Broken::at(Link::Block, "it is of another ledger"));
        }
        if self.inclusion.tree_size != header.tree_size {
            return Err(Broken::at(
                Link::Inclusion,
                "it is about another number of leaves than the block",
            ));
        }
        self.inclusion
            .verify(&self.leaf, &header.tree_root)
            .map_err(|error| Broken::at(Link::Inclusion, error))?;
        Ok(Anchored {
            operation,
            leaf,
            index: self.inclusion.index,
            certified: false,
            stood: self.anchor.stood(&Checkpoint::of(&header))?,
            header,
        })
    }
}

/// That this build checks nothing of a chain.
pub(crate) fn not_built(chain: Chain) -> Broken {
    let reason = format!("this program was built without {chain}; build it with --features full");
    Broken::at(Link::Header, reason)
}

/// A file as JSON.
pub(crate) fn json(file: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(file).unwrap_or_default();
    text.push('\n');
    text
}

/// A file in either form.
pub(crate) fn either<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Broken> {
    let wrong = |reason: String| Broken::at(Link::Format, reason);
    if bytes.first() != Some(&b'{') {
        return codec::decode(bytes).map_err(|error| wrong(error.to_string()));
    }
    if bytes.len() > codec::MAX_OBJECT {
        return Err(wrong("it is too large".into()));
    }
    serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))
}

/// Whom a file's changes of validators lead to; each is certified by the set before.
fn followed(transitions: &[Bytes], known: &Validators) -> Result<Validators, Broken> {
    let broken = |reason: &dyn fmt::Display| {
        let reason = format!("a change of validators: {reason}");
        Broken::at(Link::Certificate, reason)
    };
    let mut known = known.clone();
    for bytes in transitions {
        let transition: Transition = codec::decode(bytes).map_err(|error| broken(&error))?;
        known.follow(transition).map_err(|error| broken(&error))?;
    }
    Ok(known)
}

fn certified(
    header: &Header,
    round: Option<u32>,
    signatures: &[(AccountId, Bytes)],
    validators: &Validators,
) -> Result<(), Broken> {
    let broken = |reason: &dyn fmt::Display| Broken::at(Link::Certificate, reason);
    let signatures = signatures
        .iter()
        .map(|(account, bytes)| Some((*account, Signature(bytes.0.as_slice().try_into().ok()?))))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| broken(&"a signature is not 64 bytes long"))?;
    let certificate = Certificate {
        height: header.height,
        round,
        header: header.cid(),
        signatures,
    };
    let head = Head {
        header: header.clone(),
        certificate,
    };
    head.verify(validators)
        .map(drop)
        .map_err(|error| broken(&error))
}

pub(crate) fn trusted(stood: &Stood, trust: &Trust<'_>) -> Result<(), Broken> {
    let known = match &stood.by {
        By::Ethereum(contract) => trust
            .ethereum
            .map(|known| (known.distrusts(contract), &known.blocks)),
        By::Bitcoin(payer) => trust
            .bitcoin
            .map(|known| (known.distrusts(payer), &known.blocks)),
        By::Eos(actor) => trust
            .eos
            .map(|known| (known.distrusts(*actor), &known.blocks)),
    };
    let (chain, block) = (stood.chain(), stood.block);
    let reason = match known {
        None => {
            format!("it rests on block {block} of {chain}, and nobody said which blocks to trust")
        }
        Some((Some(reason), _)) => reason,
        Some((None, blocks)) if !blocks.contains(&block) => {
            format!("it rests on block {block} of {chain}, which is not among those to trust")
        }
        Some(_) => return Ok(()),
    };
    Err(Broken::at(Link::Trust, reason))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
