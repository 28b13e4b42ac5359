//! The proof file: one logged operation, the root that it stands under, and that root's
//! anchor in a public chain. docs/anchors.md says how each link is checked.
//!
//! Canonical DAG-CBOR, or the same in JSON with byte strings in hexadecimal digits. Nothing
//! in it is believed: every field is bound by a hash to the one thing the verifier brings,
//! the hashes of public blocks.

use base::{AccountId, ChainId, Digest, OperationId, Version, codec, key::Signature};
use ledger::{Certificate, Head, Header, InclusionProof, Leaf, Validators};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

use crate::{
    bytes::Bytes,
    chain::{Chain, Place},
    checkpoint::Checkpoint,
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
    /// The anchor.
    pub anchor: Evidence,
}

/// What a chain shows for an anchor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// An event of our contract.
    Ethereum(EthereumEvidence),
}

impl Evidence {
    /// Which chain.
    pub fn chain(&self) -> Chain {
        match self {
            Self::Ethereum(_) => Chain::Ethereum,
        }
    }
}

/// That a transaction's receipt in a block holds the event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EthereumEvidence {
    /// The network, as EIP-155 numbers them.
    pub chain_id: u64,
    /// RLP of the block's header.
    pub header: Bytes,
    /// Index of the transaction in the block.
    pub transaction: u64,
    /// Index of the event among the transaction's.
    pub log: u64,
    /// Nodes of the receipt trie from its root to the receipt, RLP.
    pub receipt: Vec<Bytes>,
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
}

/// What a verifier knows of an Ethereum network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EthereumTrust {
    /// Its number.
    pub chain_id: u64,
    /// The ledger's contract.
    pub contract: [u8; 20],
    /// Hashes of blocks that are final there.
    pub blocks: Vec<Digest>,
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
    /// Which chain.
    pub chain: Chain,
    /// Which network of it.
    pub network: u64,
    /// Where.
    pub place: Place,
    /// Time of the public block, seconds since 1970.
    pub time: u64,
    /// The anchors before it, this one included.
    pub sequence: u64,
    /// The contract that said it.
    pub contract: [u8; 20],
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
            anchor,
        }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The same as JSON.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads either form.
    ///
    /// # Errors
    /// [`Broken`] at [`Link::Format`].
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        let wrong = |reason: String| Broken::at(Link::Format, reason);
        if bytes.first() != Some(&b'{') {
            return codec::decode(bytes).map_err(|error| wrong(error.to_string()));
        }
        if bytes.len() > codec::MAX_OBJECT {
            return Err(wrong("it is too large".into()));
        }
        serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))
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
            certified(&found.header, self.round, signatures, validators)?;
        } else if self.round.is_some() {
            return Err(Broken::at(Link::Format, "a round without a certificate"));
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
            stood: stood(&self.anchor, &Checkpoint::of(&header))?,
            header,
        })
    }
}

#[cfg(feature = "ethereum")]
fn stood(anchor: &Evidence, checkpoint: &Checkpoint) -> Result<Stood, Broken> {
    match anchor {
        Evidence::Ethereum(evidence) => crate::ethereum::verify::stood(evidence, checkpoint),
    }
}

#[cfg(not(feature = "ethereum"))]
fn stood(anchor: &Evidence, _: &Checkpoint) -> Result<Stood, Broken> {
    let chain = anchor.chain();
    let reason = format!("this program was built without {chain}; build it with --features full");
    Err(Broken::at(Link::Header, reason))
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

fn trusted(stood: &Stood, trust: &Trust<'_>) -> Result<(), Broken> {
    let broken = |reason: String| Err(Broken::at(Link::Trust, reason));
    let block = hex::encode(stood.place.block.0);
    let Some(known) = trust.ethereum else {
        return broken(format!(
            "it rests on block 0x{block} of network {}, and nobody said which blocks to trust",
            stood.network
        ));
    };
    if stood.network != known.chain_id {
        return broken(format!(
            "it is about network {}, not {}",
            stood.network, known.chain_id
        ));
    }
    if stood.contract != known.contract {
        return broken(format!(
            "the event is of contract 0x{}, not of the ledger's",
            hex::encode(stood.contract)
        ));
    }
    if !known.blocks.contains(&stood.place.block) {
        return broken(format!(
            "it rests on block 0x{block} of height {}, which is not among those to trust",
            stood.place.number
        ));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base::{
        Millis, Statement as _,
        genesis::{Genesis, Policy, Validator},
        key::{HpkeKey, OperationSecret},
    };
    use ledger::Commit;

    #[test]
    fn a_certificate_holds_for_its_round_alone() {
        let secrets: Vec<_> = (1..=4).map(|at| OperationSecret::new([at; 32])).collect();
        let genesis = Genesis {
            version: Version,
            network: "test".into(),
            created: Millis(1_000),
            drift: 5_000,
            validators: secrets
                .iter()
                .map(|secret| Validator {
                    key: secret.public(),
                    hpke_key: HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap(),
                })
                .collect(),
            institutions: vec![],
            policy: Policy::default(),
        };
        let header = Header {
            height: 1,
            ..Header::genesis(&genesis)
        };
        let commit = Commit {
            chain: header.chain,
            height: 1,
            round: 3,
            header: header.cid(),
        };
        let sign = |secret: &OperationSecret| {
            let signature = secret.sign(&commit.preimage()).0.to_vec();
            (AccountId::of(&secret.public()), Bytes(signature))
        };
        let all: Vec<_> = secrets.iter().map(sign).collect();
        let validators = Validators::of(&genesis);
        let link = |round, signatures| {
            certified(&header, round, signatures, &validators).map_err(|broken| broken.link)
        };
        assert_eq!(link(Some(3), &all), Ok(()));
        assert_eq!(link(Some(3), &all[1..]), Ok(()), "three of four");
        let refused = Err(Link::Certificate);
        assert_eq!(link(Some(3), &all[2..]), refused, "two of four");
        assert_eq!(link(Some(2), &all), refused, "another round");
        assert_eq!(link(None, &all), refused, "no round");
    }
}
