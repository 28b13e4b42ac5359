//! A second word beside each that the engine says, for the same height and round.

use base::Digest;
use malachite::app::{
    consensus::SignedConsensusMsg,
    engine::network::NetworkMsg,
    types::core::{NilOrVal, SignedProposal, SignedVote},
};
use malachite_signing::Signer as _;

use super::{Liar, Lie};
use crate::bft::context::{BlockId, Chain};

impl Liar {
    pub(super) async fn contradict(&mut self, said: SignedConsensusMsg<Chain>) {
        let other = match said {
            SignedConsensusMsg::Vote(vote) => self.vote_again(vote).await,
            SignedConsensusMsg::Proposal(proposal) => self.propose_again(proposal).await,
        };
        let Some((how, other)) = other else { return };
        let message = NetworkMsg::PublishConsensusMsg(other);
        if self.network.cast(message).is_ok() {
            self.told(Lie::Twice, how, None);
        }
    }

    /// For nothing where it voted for a block, for a block that nobody has where it did not.
    async fn vote_again(&self, vote: SignedVote<Chain>) -> Option<Word> {
        let mut vote = vote.message;
        vote.value = match vote.value {
            NilOrVal::Nil => NilOrVal::Val(BlockId(Digest([8; 32]))),
            NilOrVal::Val(_) => NilOrVal::Nil,
        };
        let vote = self.seal.sign_vote(vote).await.ok()?;
        Some(("a second vote", SignedConsensusMsg::Vote(vote)))
    }

    /// Another block that holds, so that some hear of the one first and some of the other.
    async fn propose_again(&mut self, proposal: SignedProposal<Chain>) -> Option<Word> {
        let mut proposal = proposal.message;
        let round = proposal.round.as_u32()?;
        let (block, _) = self.app.build(round).ok()??;
        let fits = block.header.height == proposal.height.0 && block.id() != proposal.value;
        let secret = self.secret().filter(|_| fits)?;
        proposal.value = block.id();
        let parts = self.cut(&secret, &block, round, None);
        self.send(parts).await;
        let proposal = self.seal.sign_proposal(proposal).await.ok()?;
        Some(("a second block", SignedConsensusMsg::Proposal(proposal)))
    }
}

type Word = (&'static str, SignedConsensusMsg<Chain>);
