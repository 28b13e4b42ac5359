//! What validators sign in a round: statements with a domain tag and the chain id. They are
//! the ledger's, not the engine's, so that certificates and proofs against validators are
//! checked by everybody who knows the keys.

use base::{
    ChainId, Cid, Digest, Statement, cid, domain,
    operation::{DoubleSign, Word},
};
use serde::{Deserialize, Serialize};

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

/// A prevote, or a precommit of no block.
#[derive(Copy, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ballot {
    chain: ChainId,
    height: u64,
    round: Option<u32>,
    precommit: bool,
    block: Option<Digest>,
}

impl Statement for Ballot {
    const DOMAIN: &'static str = domain::VOTE;
}

/// A proposer's choice.
#[derive(Copy, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    chain: ChainId,
    height: u64,
    round: Option<u32>,
    valid_round: Option<u32>,
    block: Digest,
}

impl Statement for Choice {
    const DOMAIN: &'static str = domain::PROPOSAL;
}

/// The bytes that a validator signs to say `word`. No round: the engine's word for none,
/// which is never a precommit of a block.
pub fn word_preimage(chain: ChainId, height: u64, round: Option<u32>, word: &Word) -> Vec<u8> {
    let ballot = |precommit, block| {
        Ballot {
            chain,
            height,
            round,
            precommit,
            block,
        }
        .preimage()
    };
    match (*word, round) {
        (Word::Precommit(Some(block)), Some(round)) => Commit {
            chain,
            height,
            round,
            header: cid::of_digest(cid::DAG_CBOR, block.0),
        }
        .preimage(),
        (Word::Precommit(block), _) => ballot(true, block),
        (Word::Prevote(block), _) => ballot(false, block),
        (Word::Proposal { block, valid_round }, _) => Choice {
            chain,
            height,
            round,
            valid_round,
            block,
        }
        .preimage(),
    }
}

/// Whether the words contradict each other, in the one order that counts. Signatures are
/// another matter.
pub(crate) fn is_contradiction(proof: &DoubleSign) -> bool {
    let [one, other] = &proof.words;
    one.word < other.word && one.word.contradicts(&other.word)
}
