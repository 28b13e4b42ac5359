//! Anchoring in Bitcoin: [`PublicChain`] on a full node without a wallet.
//!
//! All transactions of one anchor spend the same outputs, so that the chain takes one of them
//! at most. An anchor pays with what the last one gave back; only when that is not enough the
//! node is asked to look through all outputs that there are.

use base::ChainId;
use bitcoin::{
    BlockHash, Network, OutPoint, Transaction, Txid, blockdata::constants::genesis_block,
    consensus, hashes::Hash as _,
};
use std::time::Duration;

use super::{
    Access, BitcoinEvidence, Key, Payer,
    blocks::{self, Follower, Taker},
    coins::{self, CHANGE, Coin},
    key, mark, path,
    rpc::{self, Rpc},
    verify,
};
use crate::{
    bytes::Bytes,
    chain::{Attempt, Chain, Order, Place, PublicChain, Seen, Standing, Trouble},
    checkpoint::Checkpoint,
    endpoint::Endpoint,
    proof::Evidence,
};

/// Where and how to anchor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The node.
    pub endpoint: Endpoint,
    /// How it knows us.
    pub access: Access,
    /// The network that it must be of.
    pub network: Network,
    /// Other keys whose anchors of this ledger count: those of other nodes.
    pub payers: Vec<Payer>,
    /// Most that is paid for 1,000 virtual bytes, satoshi.
    pub fee_cap: u64,
    /// Longest wait for one answer; but for a scan of all outputs, which may take 15 minutes.
    pub patience: Duration,
}

/// Bitcoin, as a full node sees it.
pub struct Bitcoin {
    rpc: Rpc,
    key: Key,
    settings: Settings,
    ledger: ChainId,
    tip: u64,
    follower: Follower,
    /// Where the transaction stands that was found last.
    found: Option<(Txid, Place)>,
}

impl std::fmt::Debug for Bitcoin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitcoin({})", self.settings.endpoint)
    }
}

impl Bitcoin {
    /// A client for anchors of `ledger`; nothing is asked yet.
    ///
    /// # Errors
    /// [`Trouble::Unreachable`] when the system gives no sockets.
    pub fn new(settings: Settings, ledger: ChainId, key: Key) -> Result<Self, Trouble> {
        let (access, patience) = (settings.access.clone(), settings.patience);
        Ok(Self {
            rpc: Rpc::new(&settings.endpoint, access, patience)?,
            key,
            settings,
            ledger,
            tip: 0,
            follower: Follower::default(),
            found: None,
        })
    }

    fn depth_of(&self, number: u64) -> u64 {
        (self.tip + 1).saturating_sub(number)
    }

    /// Where transaction `id` stands, if block `number` holds it.
    fn place_in(&mut self, id: Txid, number: u64) -> Result<Option<Place>, Trouble> {
        let Some(hash) = self.rpc.block_at(number)? else {
            return Ok(None);
        };
        if let Some((known, place)) = self.found
            && known == id
            && blocks::hash(&place.block) == hash
        {
            return Ok(Some(place));
        }
        let listed = self.rpc.listed(hash)?;
        let index = listed.tx.iter().position(|other| *other == id);
        let place = index.map(|index| blocks::place(hash, number, index));
        self.found = place.map(|place| (id, place));
        Ok(place)
    }

    /// What the key can pay with at `rate`: what its newest anchor gave back, if that is
    /// enough, else what a scan of all outputs finds.
    fn coins(&self, spent: &[Attempt], rate: u64) -> Result<Vec<Coin>, Trouble> {
        for attempt in spent.iter().rev() {
            let at = change(parsed(attempt)?.compute_txid());
            if let Some(coin) = self.unspent(at)?
                && let Some(enough) = coins::select(vec![coin], rate)
            {
                return Ok(enough);
            }
        }
        let mut found = Vec::new();
        for coin in self.rpc.scan(&self.key.payer().script())? {
            // What waits for a block may spend it already.
            found.extend(self.unspent(coin.at)?);
        }
        let have = coins::most(&found);
        coins::select(found, rate).ok_or_else(|| {
            Trouble::Refused(format!(
                "{} has {have} sat to spend where {} are needed; give it some",
                self.key.payer().address(self.settings.network),
                coins::fee(1, rate),
            ))
        })
    }

    fn unspent(&self, at: OutPoint) -> Result<Option<Coin>, Trouble> {
        let unspent = self.rpc.unspent(at, true)?;
        Ok(unspent.map(|unspent| Coin {
            at,
            value: unspent.value,
        }))
    }

    /// The coins of transactions that are to be replaced: each gives back what the fee leaves.
    fn replaced(&self, dearest: &Attempt) -> Result<Vec<Coin>, Trouble> {
        let transaction = parsed(dearest)?;
        if self.rpc.waiting(transaction.compute_txid())?.unwrap_or(1) > 1 {
            return Err(Trouble::Refused(
                "a later anchor spends what it gives back: they wait together".into(),
            ));
        }
        // Their values are known as a sum: what was given back and what was paid.
        let left = transaction
            .output
            .iter()
            .map(|output| output.value.to_sat());
        let mut sum = left.sum::<u64>().saturating_add(dearest.most);
        let coins = transaction.input.iter().map(|input| Coin {
            at: input.previous_output,
            value: std::mem::take(&mut sum),
        });
        Ok(coins.collect())
    }
}

/// The transaction of an attempt.
fn parsed(attempt: &Attempt) -> Result<Transaction, Trouble> {
    key::read(&attempt.bytes)
        .ok_or_else(|| Trouble::Contradiction("the journal holds no transaction".into()))
}

fn change(txid: Txid) -> OutPoint {
    OutPoint { txid, vout: CHANGE }
}

impl PublicChain for Bitcoin {
    fn chain(&self) -> Chain {
        Chain::Bitcoin
    }

    fn ready(&mut self) -> Result<(), Trouble> {
        let info = self.rpc.info()?;
        let expected = self.settings.network;
        let genesis = genesis_block(expected).block_hash();
        if info.chain != expected.to_core_arg() || self.rpc.block_at(0)? != Some(genesis) {
            return Err(Trouble::WrongChain {
                expected: expected.to_core_arg().into(),
                found: info
                    .chain
                    .chars()
                    .filter(|c| c.is_ascii_alphanumeric())
                    .collect(),
            });
        }
        if info.behind {
            return Err(Trouble::Refused(
                "the node is catching up with the chain".into(),
            ));
        }
        self.tip = info.tip;
        Ok(())
    }

    fn newest(&mut self, _: &Checkpoint) -> Result<Option<Seen>, Trouble> {
        let own = self.key.payer();
        let ours = |mark: &crate::Mark, payer: Payer| {
            let known = payer == own || self.settings.payers.contains(&payer);
            known && self.ledger.0.starts_with(&mark.ledger)
        };
        self.follower.follow(&self.rpc, self.tip, ours)?;
        Ok(self.follower.newest().map(|(mark, place)| Seen {
            mark,
            place: Some(place),
            depth: self.depth_of(place.number),
        }))
    }

    fn prepare(&mut self, order: &Order<'_>) -> Result<Attempt, Trouble> {
        let says = mark::script(&order.says.mark())
            .ok_or_else(|| Trouble::Refused("the ledger is too long for a mark".into()))?;
        let (asked, relay) = self.rpc.rates()?;
        let dearest = order.before.iter().max_by_key(|before| before.most);
        let replaced = match dearest {
            Some(dearest) => Some((dearest, self.replaced(dearest)?)),
            None => None,
        };
        let paid = replaced
            .as_ref()
            .map(|(dearest, coins)| (dearest.fee, dearest.most, coins.len()));
        let rate = coins::offer(asked, relay, paid);
        if rate > self.settings.fee_cap {
            return Err(Trouble::FeeOverCap {
                needed: rate,
                cap: self.settings.fee_cap,
            });
        }
        let coins = match replaced {
            Some((_, coins)) => coins,
            None => self.coins(order.spent, rate)?,
        };
        let fee = coins::fee(coins.len(), rate);
        if fee > order.allowance {
            return Err(Trouble::OverBudget {
                chain: Chain::Bitcoin,
                needed: fee,
                left: order.allowance,
            });
        }
        let tip = u32::try_from(self.tip).unwrap_or(0);
        let signed = coins::spend(&self.key, &coins, says, fee, tip)
            .ok_or_else(|| Trouble::Refused("its outputs do not pay for more".into()))?;
        let transaction = signed.map_err(|_| Trouble::Refused("the key signs nothing".into()))?;
        Ok(Attempt {
            bytes: Bytes(consensus::serialize(&transaction)),
            id: rpc::id(transaction.compute_txid()),
            slot: 0,
            fee: rate,
            tip: 0,
            most: fee,
            made: order.now,
        })
    }

    fn send(&mut self, attempt: &Attempt) -> Result<(), Trouble> {
        self.rpc.send(&attempt.bytes)
    }

    fn standing(&mut self, attempts: &[Attempt]) -> Result<Standing, Trouble> {
        let transactions = attempts.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = transactions.first() else {
            return Ok(Standing::Waiting);
        };
        let ids: Vec<Txid> = transactions.iter().map(Transaction::compute_txid).collect();
        let placed = |own: &Self, id: Txid, place: Place| {
            let cost = attempts.iter().find(|attempt| attempt.id == rpc::id(id));
            Standing::Placed {
                id: rpc::id(id),
                place,
                depth: own.depth_of(place.number),
                cost: cost.map_or(0, |attempt| attempt.most),
            }
        };
        // As long as nothing spends what it gave back, the node tells where it stands.
        for id in ids.iter().rev() {
            let unspent = self.rpc.unspent(change(*id), false)?;
            if let Some(number) = unspent.and_then(|unspent| unspent.number)
                && let Some(place) = self.place_in(*id, number)?
            {
                return Ok(placed(self, *id, place));
            }
        }
        for id in &ids {
            if self.rpc.waiting(*id)?.is_some() {
                return Ok(Standing::Waiting);
            }
        }
        let coins: Vec<OutPoint> = first
            .input
            .iter()
            .map(|input| input.previous_output)
            .collect();
        let mut all_there = true;
        for coin in &coins {
            all_there &= self.rpc.unspent(*coin, false)?.is_some()
                || self.rpc.unspent(*coin, true)?.is_some();
        }
        if all_there {
            return Ok(Standing::Absent);
        }
        // Something took what they spend. It stands in no block that was there when the first
        // was signed: that is what its lock time says.
        let signed = u64::from(first.lock_time.to_consensus_u32());
        let range = (signed + 1, self.tip.min(signed + LOOKED_AT));
        let gone = Standing::Void {
            depth: u64::MAX,
            cost: 0,
            foreign: true,
        };
        Ok(match blocks::taker(&self.rpc, range, &coins, &ids)? {
            Some(Taker::Own(id, place)) => placed(self, id, place),
            Some(Taker::Foreign(number)) => Standing::Void {
                depth: self.depth_of(number),
                cost: 0,
                foreign: true,
            },
            // What gave the outputs was taken back by a reorganisation, and may come again.
            None if self.tip < signed + LOOKED_AT => Standing::Waiting,
            None => gone,
        })
    }

    fn depth(&mut self, place: &Place) -> Result<Option<u64>, Trouble> {
        let stands = self.rpc.block_at(place.number)? == Some(blocks::hash(&place.block));
        Ok(stands.then(|| self.depth_of(place.number)))
    }

    fn evidence(&mut self, place: &Place, checkpoint: &Checkpoint) -> Result<Evidence, Trouble> {
        let contradiction = |what: &str| Trouble::Contradiction(what.to_owned());
        let block: BlockHash = blocks::hash(&place.block);
        let header = self.rpc.header(block)?;
        let listed = self.rpc.listed(block)?;
        let index = usize::try_from(place.transaction).unwrap_or(usize::MAX);
        let id = *listed
            .tx
            .get(index)
            .ok_or_else(|| contradiction("the block lacks the transaction"))?;
        let leaves: Vec<[u8; 32]> = listed.tx.iter().map(|id| id.to_byte_array()).collect();
        let path = path::of(&leaves, index).unwrap_or_default();
        let evidence = BitcoinEvidence {
            header: Bytes(consensus::serialize(&header)),
            transaction: Bytes(consensus::serialize(&self.rpc.transaction(id, block)?)),
            index: place.transaction,
            path: path.into_iter().map(|node| Bytes(node.to_vec())).collect(),
        };
        // What is kept has been checked as a verifier will, against the hash that the node named.
        let stood = verify::stood(&evidence, checkpoint)
            .map_err(|broken| Trouble::Contradiction(broken.to_string()))?;
        if stood.block != place.block {
            return Err(contradiction("the block's header is of another block"));
        }
        Ok(Evidence::Bitcoin(evidence))
    }
}

/// Blocks in which what took an anchor's outputs is looked for: a week's.
const LOOKED_AT: u64 = 1_008;
