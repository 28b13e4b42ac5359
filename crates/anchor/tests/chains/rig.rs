//! What tests need of a chain, so that they are the same for each.

use anchor::{
    AnchoredProof, Attempt, Chain, Journal, Link, Next, PublicChain, Schedule, Service, StepError,
    Trust,
    bitcoin::{BitcoinTrust, Network},
    eos::EosTrust,
    ethereum::EthereumTrust,
};
use base::{Digest, Millis};
use ledger::Validators;
use std::time::Duration;

use crate::world::{CONFIRMATIONS, SCHEDULE, T0, World};

/// A real node, three keys with coins there, the first two of which may anchor.
pub(crate) trait Rig: Sized {
    const CHAIN: Chain;
    /// Whether the chain takes one of two anchors that are the same.
    const ONCE: bool;
    /// Steps, a block between two, after which all that was sent is final.
    const ROUNDS: u64 = 2 * CONFIRMATIONS;

    fn start(world: &World) -> Self;
    /// A client of key `owner`.
    fn client(&self, world: &World, owner: usize) -> Box<dyn PublicChain>;
    /// One of another node, which may be none.
    fn client_at(&self, world: &World, url: &str, patience: Duration) -> Box<dyn PublicChain>;
    fn url(&self) -> String;
    fn mine(&self, blocks: u64);
    fn height(&self) -> u64;
    /// From now on nothing is in a block until one is asked for.
    fn hold(&self);
    /// What was sent is in a block.
    fn include(&self);
    /// Replaces the newest blocks by empty ones.
    fn reorganise(&mut self, depth: u64);
    /// Leaves of the anchors in the chain, oldest first.
    fn anchored(&self) -> Vec<u64>;
    /// Anchors that a key has sent, in blocks.
    fn paid(&self, owner: usize) -> u64;
    fn end(&mut self);
    fn start_again(&mut self);
    /// What a verifier of `proof` knows.
    fn known(&self, world: &World, proof: &AnchoredProof) -> Known;
    /// Which links a field of the evidence, altered, may break.
    fn links(field: &str) -> &'static [Link];
    /// All that another process needs for [`Rig::client`], and to mine.
    fn handle(&self) -> String;
    fn client_of(world: &World, handle: &str) -> Box<dyn PublicChain>;
    fn mine_at(handle: &str);

    /// When it anchors.
    fn schedule() -> Schedule {
        SCHEDULE
    }

    /// What anchors.
    fn service<'j>(&self, world: &World, journal: &'j Journal, owner: usize) -> Service<'j> {
        Service::new(self.client(world, owner), journal, Self::schedule(), T0)
    }

    /// Steps, a block between two, until what is due is final.
    fn settle(&self, world: &World, service: &mut Service<'_>, now: Millis) {
        for _ in 0..Self::ROUNDS.max(16) {
            match step(world, service, now).unwrap() {
                Next::Final | Next::Adopted => return,
                _ => self.mine(1),
            }
        }
        panic!("nothing becomes final");
    }
}

/// A chain in which one transaction can take another's place, and which sets a price.
pub(crate) trait Competing: Rig {
    /// From now on little is paid; and what is asked for is more than that, or is not.
    fn cap(&mut self) -> u64;
    fn ask(&mut self, much: bool);
    /// Uses up what an attempt would use, by hand.
    fn steal(&self, attempt: &Attempt);
    /// Whether two attempts exclude each other.
    fn excludes(&self, one: &Attempt, other: &Attempt) -> bool;
}

/// One step.
pub(crate) fn step(
    world: &World,
    service: &mut Service<'_>,
    now: Millis,
) -> Result<Next, StepError> {
    service.step(&|| world.ledger.view(), now)
}

/// What a verifier knows of a chain.
pub(crate) struct Known {
    pub(crate) ethereum: Option<EthereumTrust>,
    pub(crate) bitcoin: Option<BitcoinTrust>,
    pub(crate) eos: Option<EosTrust>,
}

impl Known {
    pub(crate) fn trust<'a>(&'a self, world: &World, validators: &'a Validators) -> Trust<'a> {
        Trust {
            ledger: world.chain(),
            validators: Some(validators),
            ethereum: self.ethereum.as_ref(),
            bitcoin: self.bitcoin.as_ref(),
            eos: self.eos.as_ref(),
        }
    }

    /// The same for the independent script: blocks, and whose anchors count.
    pub(crate) fn words(&self) -> (Vec<String>, Vec<String>) {
        let words = |blocks: &[Digest]| {
            let blocks = blocks.iter().map(Digest::to_string);
            blocks.flat_map(|block| ["--block".into(), block]).collect()
        };
        if let Some(EthereumTrust {
            chain_id,
            contract,
            blocks,
        }) = &self.ethereum
        {
            let contract = hex::encode(contract);
            let whose = ["--network", &chain_id.to_string(), "--contract", &contract];
            return (words(blocks), whose.map(str::to_owned).to_vec());
        }
        if let Some(EosTrust { actors, blocks }) = &self.eos {
            let whose = actors.iter().map(ToString::to_string);
            let whose = whose.flat_map(|actor| ["--payer".into(), actor]);
            return (words(blocks), whose.collect());
        }
        let BitcoinTrust { payers, blocks } = self.bitcoin.as_ref().unwrap();
        let payers = payers.iter().map(|payer| payer.address(Network::Regtest));
        let whose = payers.flat_map(|payer| ["--payer".to_owned(), payer]);
        (words(blocks), whose.collect())
    }
}
