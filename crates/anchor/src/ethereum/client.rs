//! Saying things to contracts in Ethereum: [`PublicChain`] on a node.

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718 as _},
    network::TxSignerSync as _,
    primitives::{Address, B256, Bytes as Input, TxKind, U256, keccak256},
    providers::Provider as _,
    rpc::types::{Filter, TransactionReceipt, TransactionRequest},
};
use base::{ChainId, Digest};
use std::{marker::PhantomData, time::Duration};

use super::{
    Key,
    contract::{Anchor, Feed},
    evidence::{Contract, EthereumEvidence},
    receipts,
    rpc::{Fees, Rpc},
    told::Told,
    verify,
};
use crate::{
    bytes::Bytes,
    chain::{Attempt, Chain, Order, Place, PublicChain, Seen, Standing, Trouble},
    checkpoint::Checkpoint,
    endpoint::Endpoint,
    proof::{By, Evidence},
};

/// Where and how to say it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The node.
    pub endpoint: Endpoint,
    /// The network that it must be of.
    pub chain_id: u64,
    /// The ledger's contract for what is said.
    pub contract: [u8; 20],
    /// Nothing stands before this block: that of the contract's creation, or 0.
    pub from_block: u64,
    /// Most that is paid for a unit of gas, wei.
    pub fee_cap: u64,
    /// Whether the contract keeps root or leaf for other contracts: costs about 22,000 gas more.
    pub store: bool,
    /// Blocks after which one counts as final, the block itself included.
    pub confirmations: u64,
    /// Longest wait for one answer.
    pub patience: Duration,
}

/// Ethereum, or another network that speaks as it does.
pub struct Ethereum<S: Told = Checkpoint> {
    rpc: Rpc,
    key: Key,
    settings: Settings,
    ledger: ChainId,
    contract: Address,
    checked: bool,
    says: PhantomData<fn() -> S>,
}

impl<S: Told> std::fmt::Debug for Ethereum<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ethereum({})", self.settings.endpoint)
    }
}

impl<S: Told> Ethereum<S> {
    /// A client for `ledger`'s contract; nothing is asked yet.
    ///
    /// # Errors
    /// [`Trouble::Unreachable`] when the system gives no sockets.
    pub fn new(settings: Settings, ledger: ChainId, key: Key) -> Result<Self, Trouble> {
        Ok(Self {
            rpc: Rpc::new(&settings.endpoint, settings.patience)?,
            contract: Address::from(settings.contract),
            key,
            settings,
            ledger,
            checked: false,
            says: PhantomData,
        })
    }

    /// The contract is this ledger's, and our key may anchor.
    fn check_contract(&self) -> Result<(), Trouble> {
        let ledger = self.rpc.view(self.contract, &Anchor::ledgerCall {})?;
        if ledger.0 != self.ledger.0 {
            return Err(Trouble::Contract(format!(
                "the contract at {} is of another ledger",
                self.contract
            )));
        }
        let owner = self.key.0.address();
        if !self
            .rpc
            .view(self.contract, &Anchor::isOwnerCall { owner })?
        {
            return Err(Trouble::Contract(format!(
                "{owner} is no owner of the contract at {}",
                self.contract
            )));
        }
        Ok(())
    }

    fn receipt(&self, id: Digest) -> Result<Option<(TransactionReceipt, Place)>, Trouble> {
        let id = B256::from(id.0);
        let Some(receipt) = self
            .rpc
            .ask(self.rpc.provider().get_transaction_receipt(id))?
        else {
            return Ok(None);
        };
        let place = receipt
            .block_hash
            .zip(receipt.block_number)
            .zip(receipt.transaction_index);
        Ok(place.map(|((block, number), transaction)| {
            let block = Digest(block.0);
            (
                receipt,
                Place {
                    block,
                    number,
                    transaction,
                },
            )
        }))
    }

    /// Whether the key's `slot` went to some transaction, deep enough.
    fn slot_is_gone(&self, slot: u64, tip: u64) -> Result<bool, Trouble> {
        let Some(settled) = tip
            .saturating_add(1)
            .checked_sub(self.settings.confirmations)
        else {
            return Ok(false);
        };
        let count = self.rpc.count(self.key.0.address(), settled.into())?;
        Ok(count > slot)
    }

    /// The event of a number, looked for from the newest block back.
    fn event(&self, number: u64, tip: u64) -> Result<Option<(S, Place)>, Trouble> {
        let mut last = tip;
        for _ in 0..MOST_RANGES {
            let first = last.saturating_sub(RANGE - 1).max(self.settings.from_block);
            let filter = Filter::new()
                .address(self.contract)
                .event_signature(S::EVENT)
                .topic2(B256::from(U256::from(number)))
                .from_block(first)
                .to_block(last);
            let found = self.rpc.ask(self.rpc.provider().get_logs(&filter))?;
            if let Some(log) = found.first() {
                let place = log
                    .block_hash
                    .zip(log.block_number)
                    .zip(log.transaction_index);
                let said = S::heard(&log.inner).zip(place);
                return Ok(said.map(|((says, _), ((block, number), transaction))| {
                    let block = Digest(block.0);
                    let place = Place {
                        block,
                        number,
                        transaction,
                    };
                    (says, place)
                }));
            }
            if first <= self.settings.from_block {
                break;
            }
            last = first - 1;
        }
        Ok(None)
    }
}

/// That a node is of another network.
pub(super) fn wrong_chain(expected: u64, found: u64) -> Trouble {
    Trouble::WrongChain {
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

/// Depth of a block of height `number` under the newest, both included.
fn depth(number: u64, tip: u64) -> u64 {
    tip.saturating_sub(number).saturating_add(1)
}

/// What a transaction cost, gwei, rounded up.
fn cost(receipt: &TransactionReceipt) -> u64 {
    let wei = u128::from(receipt.gas_used).saturating_mul(receipt.effective_gas_price);
    gwei(wei)
}

/// Wei in gwei, rounded up.
pub(super) fn gwei(wei: u128) -> u64 {
    u64::try_from(wei.div_ceil(GWEI)).unwrap_or(u64::MAX)
}

impl<S: Told> PublicChain<S> for Ethereum<S> {
    fn chain(&self) -> Chain {
        Chain::Ethereum
    }

    fn ready(&mut self) -> Result<(), Trouble> {
        let (expected, found) = (self.settings.chain_id, self.rpc.chain_id()?);
        if found != expected {
            self.checked = false;
            return Err(wrong_chain(expected, found));
        }
        if !self.checked {
            self.check_contract()?;
            self.checked = true;
        }
        Ok(())
    }

    fn leads_on(&mut self, covered: u64, settled: bool) -> Result<u64, Trouble> {
        if !S::FEED {
            return Ok(covered);
        }
        let first = self.rpc.view(self.contract, &Feed::firstCall {})?;
        let next = self.rpc.view(self.contract, &Feed::nextCall {})?;
        // It forgot more than is looked for, or it is another contract than before.
        let forgot = settled && next < covered;
        Ok(if forgot { next } else { covered.max(first) })
    }

    fn newest(&mut self, due: &S) -> Result<Option<Seen<S::Mark>>, Trouble> {
        let number = if S::FEED {
            let next = |block| self.rpc.view_at(block, self.contract, &Feed::nextCall {});
            if next(BlockNumberOrTag::Latest)? <= due.begins() {
                // What waits is said soon enough; a node that shows nothing of it says so.
                let waits = next(BlockNumberOrTag::Pending).is_ok_and(|next| next > due.begins());
                return Ok(waits.then(|| Seen {
                    mark: due.mark(),
                    place: None,
                    depth: 0,
                }));
            }
            due.number()
        } else {
            let newest = self.rpc.view(self.contract, &Anchor::newestCall {})?;
            if newest.sequence == 0 {
                return Ok(None);
            }
            newest.sequence
        };
        let tip = self.rpc.tip()?;
        let Some((says, place)) = self.event(number, tip)? else {
            return match S::FEED {
                // It went on from another leaf than this one.
                true => Err(Trouble::Forked {
                    size: due.number() + 1,
                }),
                false => Err(Trouble::Contradiction(format!(
                    "it shows no event of anchor {number}"
                ))),
            };
        };
        Ok(Some(Seen {
            mark: says.mark(),
            place: Some(place),
            depth: depth(place.number, tip),
        }))
    }

    fn prepare(&mut self, order: &Order<'_, S>) -> Result<Attempt, Trouble> {
        let before = order.before.iter().max_by_key(|before| before.fee);
        let paid = before.map(|before| Fees {
            most: before.fee,
            tip: before.tip,
        });
        let fees = self.rpc.fees(paid, self.settings.fee_cap)?;
        let from = self.key.0.address();
        let input = Input::from(order.says.call(self.settings.store));
        let request = TransactionRequest::default()
            .from(from)
            .to(self.contract)
            .input(input.clone().into());
        // At the newest block, without what waits: that may be what is replaced.
        let dry = self
            .rpc
            .provider()
            .estimate_gas(request)
            .block(BlockId::latest());
        let gas = self.rpc.ask(dry)?;
        let gas_limit = gas.saturating_add(gas / 4);
        let most = gwei(u128::from(gas_limit).saturating_mul(fees.most.into()));
        if most > order.allowance {
            return Err(Trouble::OverBudget {
                chain: Chain::Ethereum,
                needed: most,
                left: order.allowance,
            });
        }
        let slot = match before {
            Some(before) => before.slot,
            None => {
                let used = order.spent.iter().map(|spent| spent.slot + 1);
                let used = used.max().unwrap_or(0);
                let known = self.rpc.count(from, BlockNumberOrTag::Pending)?;
                known.max(used)
            }
        };
        let bytes = sign(
            &self.key,
            TxEip1559 {
                chain_id: self.settings.chain_id,
                nonce: slot,
                gas_limit,
                max_fee_per_gas: fees.most.into(),
                max_priority_fee_per_gas: fees.tip.into(),
                to: TxKind::Call(self.contract),
                value: U256::ZERO,
                access_list: Default::default(),
                input,
            },
        )?;
        Ok(Attempt {
            id: Digest(keccak256(&bytes).0),
            bytes: Bytes(bytes),
            slot,
            fee: fees.most,
            tip: fees.tip,
            most,
            made: order.now,
        })
    }

    fn send(&mut self, attempt: &Attempt) -> Result<(), Trouble> {
        self.rpc.send(&attempt.bytes)
    }

    fn standing(&mut self, attempts: &[Attempt]) -> Result<Standing, Trouble> {
        let tip = self.rpc.tip()?;
        for attempt in attempts.iter().rev() {
            let Some((receipt, place)) = self.receipt(attempt.id)? else {
                continue;
            };
            let (depth, cost) = (depth(place.number, tip), cost(&receipt));
            return Ok(match receipt.status() {
                true => Standing::Placed {
                    id: attempt.id,
                    place,
                    depth,
                    cost,
                },
                false => Standing::Void {
                    depth,
                    cost,
                    foreign: false,
                },
            });
        }
        let Some(last) = attempts.last() else {
            return Ok(Standing::Waiting);
        };
        if self.slot_is_gone(last.slot, tip)? {
            let depth = self.settings.confirmations;
            return Ok(Standing::Void {
                depth,
                cost: 0,
                foreign: true,
            });
        }
        let id = B256::from(last.id.0);
        let known = self
            .rpc
            .ask(self.rpc.provider().get_transaction_by_hash(id))?;
        Ok(match known {
            Some(_) => Standing::Waiting,
            None => Standing::Absent,
        })
    }

    fn depth(&mut self, place: &Place) -> Result<Option<u64>, Trouble> {
        let tip = self.rpc.tip()?;
        let number = BlockNumberOrTag::Number(place.number);
        let block = self
            .rpc
            .ask(self.rpc.provider().get_block_by_number(number))?;
        let stands = block.is_some_and(|block| block.header.hash.0 == place.block.0);
        Ok(stands.then(|| depth(place.number, tip)))
    }

    fn evidence(&mut self, place: &Place, says: &S) -> Result<Evidence, Trouble> {
        let contradiction = |what: &str| Trouble::Contradiction(what.to_owned());
        let hash = B256::from(place.block.0);
        let block = self.rpc.ask(self.rpc.provider().get_block_by_hash(hash))?;
        let block =
            block.ok_or_else(|| contradiction("it does not have the block that it named"))?;
        let receipts = self
            .rpc
            .ask(self.rpc.provider().get_block_receipts(BlockId::hash(hash)))?;
        let receipts = receipts.ok_or_else(|| contradiction("it has no receipts of that block"))?;
        let index = usize::try_from(place.transaction).unwrap_or(usize::MAX);
        let own = receipts
            .get(index)
            .ok_or_else(|| contradiction("it lacks the receipt"))?;
        let says_so = |log: &alloy::primitives::Log| {
            let own = log.address == self.contract;
            own && S::heard(log).is_some_and(|(heard, _)| heard == *says)
        };
        let log = own.logs().iter().position(|log| says_so(&log.inner));
        let log = log.ok_or_else(|| contradiction("the transaction's receipt does not say so"))?;
        let encoded: Vec<Vec<u8>> = receipts
            .into_iter()
            .map(|receipt| receipt.into_primitives_receipt().inner.encoded_2718())
            .collect();
        let (_, nodes) = receipts::prove(&encoded, index);
        let evidence = EthereumEvidence {
            chain_id: self.settings.chain_id,
            header: Bytes(alloy::rlp::encode(&block.header.inner)),
            transaction: place.transaction,
            log: log as u64,
            receipt: nodes,
        };
        // What is kept has been checked as a verifier will, against the hash that the node named.
        let stood = verify::stood(&evidence, says)
            .map_err(|broken| Trouble::Contradiction(broken.to_string()))?;
        let own = |contract: Contract| contract.address == self.settings.contract;
        let ours = matches!(stood.by, By::Ethereum(contract) if own(contract));
        if stood.block != place.block || stood.number != Some(place.number) || !ours {
            return Err(contradiction("the block's header is of another block"));
        }
        Ok(Evidence::Ethereum(evidence))
    }
}

/// The bytes of a signed transaction.
pub(super) fn sign(key: &Key, mut transaction: TxEip1559) -> Result<Vec<u8>, Trouble> {
    let signature = key
        .0
        .sign_transaction_sync(&mut transaction)
        .map_err(|_| Trouble::Refused("the key signs nothing for this network".into()))?;
    let signed = transaction.into_signed(signature);
    Ok(TxEnvelope::from(signed).encoded_2718())
}

const GWEI: u128 = 1_000_000_000;
/// Blocks that are searched at once for an event: public nodes allow about so many.
const RANGE: u64 = 10_000;
/// Ranges after which an event is not looked for any further back.
const MOST_RANGES: usize = 100;
