//! Putting the contract on a chain.

use alloy::{
    consensus::TxEip1559,
    eips::{BlockId, BlockNumberOrTag},
    primitives::{B256, TxKind, U256, keccak256},
    providers::Provider as _,
    rpc::types::TransactionRequest,
};
use base::{ChainId, Digest};
use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    Key, client,
    contract::{self, Kind, Permissions},
    rpc::Rpc,
};
use crate::{chain::Trouble, endpoint::Endpoint};

/// A contract that stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deployed {
    /// The network.
    pub chain_id: u64,
    /// Its address.
    pub contract: [u8; 20],
    /// The block that created it.
    pub block: u64,
    /// The transaction that created it.
    pub transaction: Digest,
    /// Gas that it took.
    pub gas: u64,
    /// What it cost, gwei.
    pub cost: u64,
}

/// What is to be created, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Deployment<'a> {
    /// Which contract.
    pub kind: Kind,
    /// The network that the node must be of.
    pub network: Option<u64>,
    /// Of which ledger.
    pub ledger: ChainId,
    /// Who pays, and owns it.
    pub key: &'a Key,
    /// Who owns it as well.
    pub others: &'a [[u8; 20]],
    /// Most that is paid for a unit of gas, wei.
    pub fee_cap: u64,
}

/// Creates a contract and waits until it is in a block, for `patience` at most. `sent` hears the
/// contract's address and the transaction before that is sent.
///
/// # Errors
/// [`Trouble`]; after `sent` was called it may still be created.
pub fn deploy(
    endpoint: &Endpoint,
    deployment: &Deployment<'_>,
    patience: Duration,
    sent: impl FnOnce([u8; 20], Digest),
) -> Result<Deployed, Trouble> {
    let Deployment {
        kind,
        network,
        ledger,
        key,
        others,
        fee_cap,
    } = *deployment;
    let rpc = Rpc::new(endpoint, patience.min(Duration::from_secs(30)))?;
    let chain_id = rpc.chain_id()?;
    if let Some(expected) = network
        && expected != chain_id
    {
        return Err(client::wrong_chain(expected, chain_id));
    }
    let from = key.0.address();
    let owners: Vec<[u8; 20]> = std::iter::once(key.address())
        .chain(others.iter().copied())
        .collect();
    let input = contract::creation(kind, ledger, &owners);
    let fees = rpc.fees(None, fee_cap)?;
    let request = TransactionRequest {
        from: Some(from),
        to: Some(TxKind::Create),
        input: input.clone().into(),
        ..TransactionRequest::default()
    };
    let gas = rpc.ask(
        rpc.provider()
            .estimate_gas(request)
            .block(BlockId::latest()),
    )?;
    let nonce = rpc.count(from, BlockNumberOrTag::Pending)?;
    let bytes = client::sign(
        key,
        TxEip1559 {
            chain_id,
            nonce,
            gas_limit: gas.saturating_add(gas / 4),
            max_fee_per_gas: fees.most.into(),
            max_priority_fee_per_gas: fees.tip.into(),
            to: TxKind::Create,
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        },
    )?;
    let transaction = keccak256(&bytes);
    let contract = from.create(nonce).into_array();
    sent(contract, Digest(transaction.0));
    rpc.send(&bytes)?;
    wait(&rpc, transaction, patience, |block, gas, cost| Deployed {
        chain_id,
        contract,
        block,
        transaction: Digest(transaction.0),
        gas,
        cost,
    })
}

/// What the contract for grants answers at the newest block: whether a grant holds now for a
/// requester.
///
/// # Errors
/// [`Trouble`].
pub fn allows(
    endpoint: &Endpoint,
    contract: [u8; 20],
    grant: [u8; 32],
    requester: [u8; 32],
    patience: Duration,
) -> Result<bool, Trouble> {
    let rpc = Rpc::new(endpoint, patience)?;
    let call = Permissions::isAllowedCall {
        grant_: grant.into(),
        requester: requester.into(),
    };
    rpc.view(contract.into(), &call)
}

fn wait(
    rpc: &Rpc,
    transaction: B256,
    patience: Duration,
    done: impl FnOnce(u64, u64, u64) -> Deployed,
) -> Result<Deployed, Trouble> {
    let until = Instant::now() + patience;
    loop {
        let receipt = rpc.ask(rpc.provider().get_transaction_receipt(transaction))?;
        if let Some((receipt, block)) = receipt.and_then(|receipt| {
            let block = receipt.block_number?;
            Some((receipt, block))
        }) {
            if !receipt.status() {
                return Err(Trouble::Refused("the contract was not created".into()));
            }
            let wei = u128::from(receipt.gas_used).saturating_mul(receipt.effective_gas_price);
            return Ok(done(block, receipt.gas_used, client::gwei(wei)));
        }
        if Instant::now() >= until {
            return Err(Trouble::Refused(
                "it is in no block yet; it may still come, look for it before deploying again"
                    .into(),
            ));
        }
        thread::sleep(POLL);
    }
}

const POLL: Duration = Duration::from_millis(200);
