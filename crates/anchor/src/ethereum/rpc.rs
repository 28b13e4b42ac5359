//! A node of Ethereum, spoken to by JSON-RPC.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, Bytes},
    providers::{Provider as _, RootProvider},
    rpc::{client::RpcClient, types::TransactionRequest},
    sol_types::SolCall,
    transports::{RpcError, TransportError, http::Http},
};
use std::{future::Future, time::Duration};
use tokio::runtime::Runtime;

use super::contract;
use crate::{
    chain::Trouble,
    endpoint::{Endpoint, plain},
};

/// Fees for a unit of gas, wei.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fees {
    /// Most that is paid.
    pub most: u64,
    /// Most of it for who includes the transaction.
    pub tip: u64,
}

impl Fees {
    /// What is offered when the newest block's base fee is `base` and `tip` is usual: room for
    /// the base fee to double, but never more than `cap`; and at least an eighth more than
    /// what is replaced, since nodes take no replacement below a tenth.
    ///
    /// # Errors
    /// [`Trouble::FeeOverCap`].
    pub fn offer(base: u64, tip: u64, before: Option<Self>, cap: u64) -> Result<Self, Trouble> {
        let more = |fee: u64| fee.saturating_add(fee / 8).saturating_add(1);
        let tip = tip.max(before.map_or(0, |before| more(before.tip)));
        let needed = base
            .saturating_add(tip)
            .max(before.map_or(0, |before| more(before.most)));
        if needed > cap {
            return Err(Trouble::FeeOverCap { needed, cap });
        }
        let most = base.saturating_mul(2).saturating_add(tip);
        Ok(Self {
            most: most.clamp(needed, cap),
            tip,
        })
    }
}

/// A client of one node.
pub(super) struct Rpc {
    runtime: Runtime,
    provider: RootProvider,
    endpoint: Endpoint,
}

impl Rpc {
    /// A client that waits for each answer for `patience` at most.
    pub(super) fn new(endpoint: &Endpoint, patience: Duration) -> Result<Self, Trouble> {
        let (client, runtime) = endpoint.client(patience)?;
        let http = Http::with_client(client, endpoint.0.clone());
        Ok(Self {
            runtime,
            provider: RootProvider::new(RpcClient::new(http, false)),
            endpoint: endpoint.clone(),
        })
    }

    pub(super) fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// Waits for an answer.
    pub(super) fn ask<T, F>(&self, call: F) -> Result<T, Trouble>
    where
        F: IntoFuture<Output = Result<T, TransportError>>,
        F::IntoFuture: Future<Output = Result<T, TransportError>>,
    {
        let call = call.into_future();
        self.runtime
            .block_on(call)
            .map_err(|error| self.trouble(error))
    }

    /// Waits for an answer that may be an error of the node's; that is given back in words.
    pub(super) fn ask_of<T, F>(&self, call: F) -> Result<Result<T, String>, Trouble>
    where
        F: IntoFuture<Output = Result<T, TransportError>>,
        F::IntoFuture: Future<Output = Result<T, TransportError>>,
    {
        match self.ask(call) {
            Ok(answer) => Ok(Ok(answer)),
            Err(Trouble::Refused(reason)) => Ok(Err(reason)),
            Err(other) => Err(other),
        }
    }

    /// The network's number.
    pub(super) fn chain_id(&self) -> Result<u64, Trouble> {
        self.ask(self.provider.get_chain_id())
    }

    /// Height of the newest block.
    pub(super) fn tip(&self) -> Result<u64, Trouble> {
        self.ask(self.provider.get_block_number())
    }

    /// A function of the contract that changes nothing.
    pub(super) fn view<C: SolCall>(
        &self,
        contract: Address,
        call: &C,
    ) -> Result<C::Return, Trouble> {
        self.view_at(BlockNumberOrTag::Latest, contract, call)
    }

    /// The same at a block.
    pub(super) fn view_at<C: SolCall>(
        &self,
        block: BlockNumberOrTag,
        contract: Address,
        call: &C,
    ) -> Result<C::Return, Trouble> {
        let request = TransactionRequest::default()
            .to(contract)
            .input(call.abi_encode().into());
        let bytes = self.ask(self.provider.call(request).block(block.into()))?;
        C::abi_decode_returns(&bytes).map_err(|_| {
            Trouble::Contract(format!("there is no contract of medshare at {contract}"))
        })
    }

    /// Transactions of an account that are in a block up to `block`.
    pub(super) fn count(&self, of: Address, block: BlockNumberOrTag) -> Result<u64, Trouble> {
        self.ask(
            self.provider
                .get_transaction_count(of)
                .block_id(block.into()),
        )
    }

    /// What the newest block and its neighbours suggest to pay.
    pub(super) fn fees(&self, before: Option<Fees>, cap: u64) -> Result<Fees, Trouble> {
        let block = self.ask(self.provider.get_block_by_number(BlockNumberOrTag::Latest))?;
        let base = block
            .and_then(|block| block.header.base_fee_per_gas)
            .ok_or_else(|| Trouble::Contradiction("its newest block has no base fee".into()))?;
        let tip = self.ask(self.provider.get_max_priority_fee_per_gas())?;
        Fees::offer(base, u64::try_from(tip).unwrap_or(u64::MAX), before, cap)
    }

    /// Sends a signed transaction. That the node, or a block, has it already is as good.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), Trouble> {
        const KNOWN: [&str; 4] = [
            "already known",
            "already imported",
            "known transaction",
            "nonce too low",
        ];
        match self.ask_of(self.provider.send_raw_transaction(bytes))? {
            Ok(_) => Ok(()),
            Err(reason)
                if KNOWN
                    .iter()
                    .any(|known| reason.to_lowercase().contains(known)) =>
            {
                Ok(())
            }
            Err(reason) => Err(Trouble::Refused(reason)),
        }
    }

    fn trouble(&self, error: TransportError) -> Trouble {
        match error {
            RpcError::ErrorResp(payload) => {
                let data = payload.as_revert_data().unwrap_or_else(Bytes::new);
                match contract::reason(&data) {
                    Some(reason) => Trouble::Refused(reason.to_owned()),
                    None => {
                        let said = plain(&payload.message);
                        Trouble::Refused(format!("{said} ({})", payload.code))
                    }
                }
            }
            // Its own text would name the whole address.
            _ => self.endpoint.unreachable(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fees_have_room_and_a_cap() {
        let offer = Fees::offer;
        assert_eq!(offer(100, 2, None, 1000), Ok(Fees { most: 202, tip: 2 }));
        assert_eq!(offer(100, 2, None, 150), Ok(Fees { most: 150, tip: 2 }));
        assert_eq!(
            offer(100, 2, None, 101),
            Err(Trouble::FeeOverCap {
                needed: 102,
                cap: 101
            })
        );
        // Cheaper by now, but a replacement must pay more.
        let before = Fees { most: 202, tip: 2 };
        let after = offer(10, 1, Some(before), 1000).unwrap();
        assert!(after.most * 10 >= before.most * 11 && after.tip * 10 >= before.tip * 11);
        assert!(matches!(
            offer(10, 1, Some(before), 210),
            Err(Trouble::FeeOverCap { .. })
        ));
        assert!(
            offer(
                u64::MAX,
                u64::MAX,
                Some(Fees {
                    most: u64::MAX,
                    tip: 0
                }),
                5
            )
            .is_err()
        );
    }
}
