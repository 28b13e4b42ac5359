//! A node, spoken to by HTTP as nodeos has it, 4.0 or later.

use base::Digest;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::runtime::Runtime;

use super::{
    Name,
    block::{Block, Raw},
    key, slot,
};
use crate::{
    chain::Trouble,
    endpoint::{Endpoint, exchange, plain},
};

/// A client of one node.
pub(super) struct Rpc {
    runtime: Runtime,
    client: reqwest::Client,
    endpoint: Endpoint,
}

/// A refusal of the node's, as it numbers them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) code: u64,
    said: String,
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(format!("{} ({})", refusal.said, refusal.code))
    }
}

/// What the node says of the chain.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Info {
    pub(super) chain_id: Digest,
    #[serde(rename = "head_block_num")]
    pub(super) head: u64,
    #[serde(rename = "head_block_time")]
    time: String,
    #[serde(rename = "last_irreversible_block_num")]
    pub(super) irreversible: u64,
    #[serde(rename = "last_irreversible_block_id")]
    pub(super) irreversible_id: Digest,
}

/// A block as its number names it.
#[derive(Deserialize)]
struct Named {
    id: Digest,
    timestamp: String,
}

/// An account.
#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) cpu_limit: Limit,
    pub(super) net_limit: Limit,
    pub(super) permissions: Vec<Permission>,
}

/// What an account may use; less than nothing where nothing is counted.
#[derive(Deserialize)]
pub(super) struct Limit {
    #[serde(deserialize_with = "number")]
    pub(super) available: i64,
    #[serde(default)]
    last_usage_update_time: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Permission {
    pub(super) perm_name: String,
    pub(super) required_auth: Authority,
}

#[derive(Deserialize)]
pub(super) struct Authority {
    pub(super) threshold: u64,
    pub(super) keys: Vec<Weight>,
}

#[derive(Deserialize)]
pub(super) struct Weight {
    pub(super) key: String,
    pub(super) weight: u64,
}

/// Numbers beyond what JavaScript can count come as text.
fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let wrong = || serde::de::Error::custom("no number");
    match Value::deserialize(from)? {
        Value::Number(number) => number.as_i64().ok_or_else(wrong),
        Value::String(text) => text.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

impl Account {
    /// The slot in which it last paid for a transaction, if the node says so.
    pub(super) fn last_used(&self) -> Option<u32> {
        slot::read(self.net_limit.last_usage_update_time.as_deref()?)
    }
}

impl Info {
    /// The newest block's slot.
    pub(super) fn slot(&self) -> u32 {
        slot::read(&self.time).unwrap_or_default()
    }
}

impl Rpc {
    /// A client that waits for each answer for `patience` at most.
    pub(super) fn new(endpoint: &Endpoint, patience: Duration) -> Result<Self, Trouble> {
        let (client, runtime) = endpoint.client(patience)?;
        Ok(Self {
            runtime,
            client,
            endpoint: endpoint.clone(),
        })
    }

    pub(super) fn info(&self) -> Result<Info, Trouble> {
        let info: Info = self.must("get_info", &json!({}))?;
        match slot::read(&info.time) {
            Some(_) => Ok(info),
            None => Err(self.endpoint.unreachable()),
        }
    }

    /// Id and slot of the block of a height; none above the newest.
    pub(super) fn block_at(&self, number: u64) -> Result<Option<(Digest, u32)>, Trouble> {
        let asked = json!({ "block_num": number });
        let named: Option<Named> = self.unless(NO_BLOCK, "get_block_info", &asked)?;
        named
            .map(|named| Some((named.id, slot::read(&named.timestamp)?)))
            .map(|read| read.ok_or_else(|| self.endpoint.unreachable()))
            .transpose()
    }

    /// The block of a height; what it says of itself has been checked.
    pub(super) fn block(&self, number: u64) -> Result<Block, Trouble> {
        let asked = json!({ "block_num_or_id": number });
        let raw: Raw = self.must("get_raw_block", &asked)?;
        let block = Block::of(&raw)?;
        match block.number == number {
            true => Ok(block),
            false => Err(Trouble::Contradiction("it gave another block".into())),
        }
    }

    pub(super) fn account(&self, name: Name) -> Result<Option<Account>, Trouble> {
        let asked = json!({ "account_name": name.to_string() });
        self.unless(NO_ACCOUNT, "get_account", &asked)
    }

    /// What the ABI of an account hashes to; where there is none, the hash of nothing.
    pub(super) fn abi_hash(&self, name: Name) -> Result<Digest, Trouble> {
        #[derive(Deserialize)]
        struct Said {
            abi_hash: Digest,
        }
        let asked = json!({ "account_name": name.to_string() });
        let said: Said = self.must("get_raw_abi", &asked)?;
        Ok(said.abi_hash)
    }

    /// Sends a signed transaction.
    pub(super) fn send(
        &self,
        signature: &[u8; 65],
        transaction: &[u8],
    ) -> Result<Result<(), Refusal>, Trouble> {
        let asked = json!({
            "signatures": [key::shown(signature)],
            "compression": "none",
            "packed_context_free_data": "",
            "packed_trx": hex::encode(transaction),
        });
        Ok(self.call::<Value>("send_transaction", &asked)?.map(drop))
    }

    fn must<T: DeserializeOwned>(&self, method: &str, asked: &Value) -> Result<T, Trouble> {
        Ok(self.call(method, asked)??)
    }

    fn unless<T: DeserializeOwned>(
        &self,
        code: u64,
        method: &str,
        asked: &Value,
    ) -> Result<Option<T>, Trouble> {
        match self.call(method, asked)? {
            Ok(said) => Ok(Some(said)),
            Err(refusal) if refusal.code == code => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Waits for an answer, which may be a refusal.
    fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        asked: &Value,
    ) -> Result<Result<T, Refusal>, Trouble> {
        let unreachable = || self.endpoint.unreachable();
        let mut url = self.endpoint.0.clone();
        let path = format!("{}/v1/chain/{method}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let request = self.client.post(url).body(asked.to_string());
        let answered = self.runtime.block_on(exchange(request, LONGEST));
        let (status, bytes) = answered.ok_or_else(unreachable)?;
        if !status.is_success() {
            return Ok(Err(refusal(&bytes).ok_or_else(unreachable)?));
        }
        let said = serde_json::from_slice(&bytes);
        Ok(Ok(said.map_err(|_| unreachable())?))
    }
}

fn refusal(bytes: &[u8]) -> Option<Refusal> {
    #[derive(Deserialize)]
    struct Answer {
        error: Refused,
    }
    #[derive(Deserialize)]
    struct Refused {
        code: u64,
        #[serde(default)]
        what: String,
        #[serde(default)]
        details: Vec<Detail>,
    }
    #[derive(Deserialize)]
    struct Detail {
        message: String,
    }
    let Answer { error } = serde_json::from_slice(bytes).ok()?;
    let detail = error.details.into_iter().next();
    Some(Refusal {
        code: error.code,
        said: plain(&detail.map_or(error.what, |detail| detail.message)),
    })
}

/// Longest answer: a block of 1 MiB in hexadecimal digits, and its names, several times.
const LONGEST: usize = 16 << 20;
/// The chain's numbers (exceptions.hpp).
const NO_BLOCK: u64 = 3_100_002;
const NO_ACCOUNT: u64 = 3_060_002;
pub(super) const DUPLICATE: u64 = 3_040_008;
pub(super) const EXPIRED: u64 = 3_040_005;
pub(super) const OTHER_CHAIN: u64 = 3_040_007;
