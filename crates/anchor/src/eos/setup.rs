//! Puts our ABI on an account, once.

use base::Digest;
use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    Key, Name, abi, client,
    rpc::{DUPLICATE, Info, Rpc},
    slot,
    transaction::{self, Transaction},
};
use crate::{chain::Trouble, endpoint::Endpoint};

/// An account that can be anchored with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// Id of the network.
    pub network: Digest,
    /// The transaction that set the ABI; none if it was there.
    pub transaction: Option<Digest>,
}

/// Makes sure that `account` has our ABI. Its `active` permission must hold the key if it has
/// to be set. An account with another ABI is left alone.
///
/// # Errors
/// [`Trouble`].
pub fn prepare(
    endpoint: &Endpoint,
    network: Option<Digest>,
    account: Name,
    key: &Key,
    patience: Duration,
) -> Result<Prepared, Trouble> {
    let rpc = Rpc::new(endpoint, ANSWER)?;
    let info = rpc.info()?;
    if let Some(expected) = network.filter(|expected| *expected != info.chain_id) {
        return Err(Trouble::WrongChain {
            expected: expected.to_string(),
            found: info.chain_id.to_string(),
        });
    }
    if rpc.account(account)?.is_none() {
        return Err(Trouble::Contract(format!("there is no account {account}")));
    }
    let there = rpc.abi_hash(account)?;
    let prepared = |transaction| Prepared {
        network: info.chain_id,
        transaction,
    };
    if there == abi::hash() {
        return Ok(prepared(None));
    }
    if there != Digest::of(&[]) && there != Digest([0; 32]) {
        return Err(Trouble::Contract(format!(
            "the account {account} has another ABI, which would be replaced: use one that has none"
        )));
    }
    let bytes = setting(account, &info).to_bytes();
    let sent = client::signed(key, &info.chain_id, &bytes)?;
    let (signature, _) = transaction::unpacked(&sent)
        .ok_or_else(|| Trouble::Contradiction("nothing was signed".into()))?;
    match rpc.send(&signature, &bytes)? {
        Ok(()) => {}
        Err(refusal) if refusal.code == DUPLICATE => {}
        Err(refusal) => return Err(refusal.into()),
    }
    let until = Instant::now() + patience;
    loop {
        let now = rpc.info()?;
        if rpc.abi_hash(account)? == abi::hash() && now.irreversible > info.head {
            return Ok(prepared(Some(transaction::id(&bytes))));
        }
        if Instant::now() >= until {
            return Err(Trouble::Refused(
                "it is not irreversible yet; it may still come, so run this again".into(),
            ));
        }
        thread::sleep(POLL);
    }
}

fn setting(account: Name, info: &Info) -> Transaction {
    let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = info.irreversible_id.0;
    let expires = slot::second(info.slot()) + EXPIRES;
    Transaction {
        expires: u32::try_from(expires).unwrap_or(u32::MAX),
        reference: (info.irreversible & 0xffff) as u16,
        prefix: [a, b, c, d],
        most_net: 0,
        most_cpu: 0,
        action: abi::SET,
        by: (account, ACTIVE),
        data: abi::set(account),
    }
}

/// The permission that may set an ABI.
const ACTIVE: Name = Name(0x3232_eda8_0000_0000);
/// Seconds that the chain has to take it.
const EXPIRES: u64 = 60;
const ANSWER: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(200);
