//! Anchoring in EOS: [`PublicChain`] on a node without plugins for history.
//!
//! A transaction can be taken until the second that it names, and never after. Another one for
//! the same anchor is made only when an irreversible block is later than that and all blocks up
//! to there were read and hold none of those before: so the chain takes one of them at most.

use base::{ChainId, Digest};
use std::{thread, time::Duration};

use super::{
    EosEvidence, Key, Name,
    blocks::{self, Follower, Found},
    rpc::{self, Info, Rpc},
    slot::{self, YEAR_2000},
    transaction::{self, ANCHOR, Transaction},
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
    /// Id of the network that it must be of.
    pub network: Digest,
    /// The account whose action is used: it has our ABI.
    pub account: Name,
    /// The account that pays with its CPU time and bandwidth.
    pub actor: Name,
    /// Its permission that the key is in.
    pub permission: Name,
    /// Other accounts whose anchors of this ledger count: those of other nodes.
    pub payers: Vec<Name>,
    /// Most CPU time of an anchor, milliseconds.
    pub most_cpu: u8,
    /// Most bandwidth of an anchor, words of 8 bytes.
    pub most_net: u32,
    /// Seconds that the chain has to take a transaction, at most an hour.
    pub expires: u16,
    /// Longest wait for one answer.
    pub patience: Duration,
}

/// EOS, as a node sees it.
pub struct Eos {
    rpc: Rpc,
    key: Key,
    settings: Settings,
    ledger: ChainId,
    info: Option<Info>,
    follower: Follower,
}

impl std::fmt::Debug for Eos {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Eos({})", self.settings.endpoint)
    }
}

impl Eos {
    /// A client for anchors of `ledger`; nothing is asked yet.
    ///
    /// # Errors
    /// [`Trouble::Unreachable`] when the system gives no sockets.
    pub fn new(settings: Settings, ledger: ChainId, key: Key) -> Result<Self, Trouble> {
        Ok(Self {
            rpc: Rpc::new(&settings.endpoint, settings.patience)?,
            key,
            settings,
            ledger,
            info: None,
            follower: Follower::default(),
        })
    }

    fn info(&mut self) -> Result<Info, Trouble> {
        if self.info.is_none() {
            self.ready()?;
        }
        self.info
            .clone()
            .ok_or_else(|| self.settings.endpoint.unreachable())
    }

    /// The newest anchor of this ledger that an account authorised, if its newest transaction of
    /// all is one.
    fn newest_of(&mut self, actor: Name) -> Result<Option<Found>, Trouble> {
        let used = self.rpc.account(actor)?.and_then(|it| it.last_used());
        let Some(used) = used.filter(|slot| *slot > 0) else {
            return Ok(None);
        };
        let mut info = self.info()?;
        for _ in 0..WAITS {
            if info.slot() >= used {
                break;
            }
            // It is in the block that is being made.
            thread::sleep(BLOCK);
            self.ready()?;
            info = self.info()?;
        }
        let Some(number) = self.block_of(used, &info)? else {
            return Ok(None);
        };
        let own = |found: &Found| found.by == actor && found.says.ledger == self.ledger;
        let found = blocks::anchors(&self.rpc.block(number)?);
        Ok(found.into_iter().rfind(own))
    }

    /// The height of the block of a slot. A slot has one block or none.
    fn block_of(&self, wanted: u32, info: &Info) -> Result<Option<u64>, Trouble> {
        let behind = u64::from(info.slot().saturating_sub(wanted));
        let mut low = info.head.saturating_sub(behind).max(1);
        let mut high = info.head;
        // Where no slot was left out, it is the lowest that it can be.
        let mut at = low;
        while low <= high {
            let Some((_, found)) = self.rpc.block_at(at)? else {
                return Ok(None);
            };
            match found.cmp(&wanted) {
                std::cmp::Ordering::Equal => return Ok(Some(at)),
                std::cmp::Ordering::Less => low = at + 1,
                std::cmp::Ordering::Greater => high = at.saturating_sub(1),
            }
            at = low.midpoint(high);
        }
        Ok(None)
    }

    /// Whether none of these can be taken any more, and none was.
    fn are_over(&mut self, attempts: &[Attempt]) -> Result<bool, Trouble> {
        let info = self.info()?;
        let (range, _) = range(attempts)?;
        self.follower.follow(&self.rpc, &info, range)?;
        let taken = self.taken(attempts).is_some();
        Ok(!taken && self.follower.is_past(&info, range))
    }

    fn taken(&self, attempts: &[Attempt]) -> Option<&Found> {
        let mut found = self.follower.anchors();
        found.find(|found| attempts.iter().any(|attempt| attempt.id == found.id))
    }

    /// Whether the account may do it, as far as the chain says beforehand.
    fn check_account(&self) -> Result<(), Trouble> {
        let Settings {
            actor, permission, ..
        } = &self.settings;
        let refused = |what: String| Err(Trouble::Refused(what));
        let Some(account) = self.rpc.account(*actor)? else {
            return refused(format!("there is no account {actor}"));
        };
        let own = [self.key.public(), self.key.public_k1()];
        let permission = permission.to_string();
        let may = account.permissions.iter().any(|known| {
            let auth = &known.required_auth;
            let ours = |weight: &rpc::Weight| own.contains(&weight.key);
            known.perm_name == permission
                && auth
                    .keys
                    .iter()
                    .any(|it| ours(it) && it.weight >= auth.threshold)
        });
        if !may {
            let [key, _] = own;
            return refused(format!("{key} is no key of {actor}@{permission}"));
        }
        let cpu = i64::from(self.settings.most_cpu) * 1_000;
        let net = i64::from(self.settings.most_net) * 8;
        for (what, left, needed) in [
            ("microseconds of CPU time", account.cpu_limit.available, cpu),
            ("bytes of bandwidth", account.net_limit.available, net),
        ] {
            if left >= 0 && left < needed {
                return refused(format!(
                    "{actor} has {left} {what} left, and an anchor may take {needed}; stake or rent more, or lower the cap"
                ));
            }
        }
        Ok(())
    }
}

/// The transaction of an attempt.
fn parsed(attempt: &Attempt) -> Result<([u8; 65], &[u8], Transaction), Trouble> {
    let read = transaction::unpacked(&attempt.bytes)
        .and_then(|(signature, bytes)| Some((signature, bytes, Transaction::read(bytes)?)));
    read.ok_or_else(|| Trouble::Contradiction("the journal holds no transaction".into()))
}

/// The first block that can hold one of these, and the last slot; and the last second of the
/// newest.
fn range(attempts: &[Attempt]) -> Result<((u64, u32), u32), Trouble> {
    let (mut first, mut last, mut newest) = (u64::MAX, 0, 0);
    for attempt in attempts {
        let (_, _, transaction) = parsed(attempt)?;
        newest = transaction.expires;
        first = first.min(attempt.slot.saturating_add(1));
        last = last.max(newest);
    }
    let since = u64::from(last).saturating_sub(YEAR_2000);
    // The last slot of that second.
    let slot = u32::try_from(since.saturating_mul(2).saturating_add(1)).unwrap_or(u32::MAX);
    Ok(((first, slot), newest))
}

/// Words that a transaction of so many bytes is charged, by what every network charges today:
/// 12 bytes for any, 16 for its frame, its own, and its signature's part.
fn words(length: usize) -> u32 {
    u32::try_from((12 + 16 + length + 69).div_ceil(8)).unwrap_or(u32::MAX)
}

impl PublicChain for Eos {
    fn chain(&self) -> Chain {
        Chain::Eos
    }

    fn ready(&mut self) -> Result<(), Trouble> {
        let info = self.rpc.info()?;
        if info.chain_id != self.settings.network {
            return Err(Trouble::WrongChain {
                expected: self.settings.network.to_string(),
                found: info.chain_id.to_string(),
            });
        }
        if verify::number(&info.irreversible_id) != info.irreversible
            || info.irreversible > info.head
        {
            return Err(Trouble::Contradiction(
                "its irreversible block is none of its blocks".into(),
            ));
        }
        self.info = Some(info);
        Ok(())
    }

    fn newest(&mut self, _: &Checkpoint) -> Result<Option<Seen>, Trouble> {
        let mut actors = vec![self.settings.actor];
        actors.extend(&self.settings.payers);
        actors.sort();
        actors.dedup();
        let mut newest: Option<Found> = None;
        for actor in actors {
            if let Some(found) = self.newest_of(actor)?
                && newest
                    .as_ref()
                    .is_none_or(|best| best.says.size < found.says.size)
            {
                newest = Some(found);
            }
        }
        let info = self.info()?;
        Ok(newest.map(|found| Seen {
            mark: found.says.mark(),
            place: Some(found.place),
            depth: depth(&info, found.place.number),
        }))
    }

    fn prepare(&mut self, order: &Order<'_>) -> Result<Attempt, Trouble> {
        if !order.before.is_empty() && !self.are_over(order.before)? {
            return Err(Trouble::Refused(
                "what was sent may still be taken, or was".into(),
            ));
        }
        self.check_account()?;
        let most = u64::from(self.settings.most_cpu) * 1_000;
        if most > order.allowance {
            return Err(Trouble::OverBudget {
                chain: Chain::Eos,
                needed: most,
                left: order.allowance,
            });
        }
        let info = self.info()?;
        // The chain's clock, not ours. The reference is irreversible: it stays in the chain.
        let expires = slot::second(info.slot()) + u64::from(self.settings.expires);
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = info.irreversible_id.0;
        let transaction = Transaction {
            expires: u32::try_from(expires).unwrap_or(u32::MAX),
            reference: (info.irreversible & 0xffff) as u16,
            prefix: [a, b, c, d],
            most_net: self.settings.most_net,
            most_cpu: self.settings.most_cpu,
            action: (self.settings.account, ANCHOR),
            by: (self.settings.actor, self.settings.permission),
            data: transaction::says(order.says),
        };
        let bytes = transaction.to_bytes();
        let needed = words(bytes.len());
        if needed > self.settings.most_net {
            return Err(Trouble::FeeOverCap {
                needed: needed.into(),
                cap: self.settings.most_net.into(),
            });
        }
        Ok(Attempt {
            bytes: Bytes(signed(&self.key, &self.settings.network, &bytes)?),
            id: transaction::id(&bytes),
            slot: info.irreversible,
            fee: self.settings.most_net.into(),
            tip: 0,
            most,
            made: order.now,
        })
    }

    fn send(&mut self, attempt: &Attempt) -> Result<(), Trouble> {
        let (signature, bytes, _) = parsed(attempt)?;
        match self.rpc.send(&signature, bytes)? {
            Ok(()) => Ok(()),
            // The node has it; or its time is over, and another is made when that is certain; or
            // the node has lost the irreversible block that it refers to, and must catch up.
            Err(refusal)
                if [rpc::DUPLICATE, rpc::EXPIRED, rpc::OTHER_CHAIN].contains(&refusal.code) =>
            {
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn standing(&mut self, attempts: &[Attempt]) -> Result<Standing, Trouble> {
        if attempts.is_empty() {
            return Ok(Standing::Waiting);
        }
        let info = self.info()?;
        let (range, newest) = range(attempts)?;
        self.follower.follow(&self.rpc, &info, range)?;
        if let Some(found) = self.taken(attempts) {
            return Ok(Standing::Placed {
                id: found.id,
                place: found.place,
                depth: depth(&info, found.place.number),
                cost: found.cpu,
            });
        }
        // Nodes keep what waits to themselves: it is sent again until its time is over.
        Ok(match slot::second(info.slot()) < u64::from(newest) {
            true => Standing::Absent,
            false => Standing::Waiting,
        })
    }

    fn depth(&mut self, place: &Place) -> Result<Option<u64>, Trouble> {
        let info = self.info()?;
        let stands = self.rpc.block_at(place.number)?;
        let stands = stands.is_some_and(|(id, _)| id == place.block);
        Ok(stands.then(|| depth(&info, place.number)))
    }

    fn evidence(&mut self, place: &Place, checkpoint: &Checkpoint) -> Result<Evidence, Trouble> {
        let contradiction = |what: &str| Trouble::Contradiction(what.to_owned());
        let block = self.rpc.block(place.number)?;
        if block.id != place.block {
            return Err(contradiction("another block stands there"));
        }
        let index = usize::try_from(place.transaction).unwrap_or(usize::MAX);
        let lacks = || contradiction("the block lacks the transaction");
        let receipt = block.receipts.get(index).ok_or_else(lacks)?;
        let (bytes, signatures) = receipt.plain.clone().ok_or_else(lacks)?;
        let (index, path) = block.path(index).ok_or_else(lacks)?;
        let evidence = EosEvidence {
            header: Bytes(block.bytes.clone()),
            cpu: receipt.cpu,
            net: receipt.net,
            transaction: Bytes(bytes),
            signatures: Bytes(signatures.to_vec()),
            index,
            path: path.into_iter().map(|node| Bytes(node.to_vec())).collect(),
        };
        // What is kept has been checked as a verifier will.
        let stood = verify::stood(&evidence, checkpoint)
            .map_err(|broken| Trouble::Contradiction(broken.to_string()))?;
        match stood.block == place.block {
            true => Ok(Evidence::Eos(evidence)),
            false => Err(contradiction("the block's header is of another block")),
        }
    }
}

/// Irreversible blocks from one to the newest such, both included; 0 for one that is not.
fn depth(info: &Info, number: u64) -> u64 {
    (info.irreversible + 1).saturating_sub(number)
}

/// A signed transaction as it is sent and kept. What is signed names the network.
pub(super) fn signed(key: &Key, network: &Digest, bytes: &[u8]) -> Result<Vec<u8>, Trouble> {
    let preimage = [network.0.as_slice(), bytes, &[0; 32]].concat();
    let signature = key
        .sign(&Digest::of(&preimage))
        .map_err(|_| Trouble::Refused("the key signs nothing".into()))?;
    Ok(transaction::packed(&signature, bytes))
}

/// How long a block takes, and how often one is waited for that is being made.
const BLOCK: Duration = Duration::from_millis(500);
const WAITS: u32 = 4;
