//! A full node of Bitcoin, spoken to by JSON-RPC as Bitcoin Core has it.

use base::Digest;
use bitcoin::{
    Amount, Block, BlockHash, Denomination, OutPoint, ScriptBuf, Transaction, Txid, consensus,
};
use reqwest::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{fs::File, io::Read as _, path::PathBuf, time::Duration};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::{coins::Coin, verify::shown};
use crate::{
    chain::Trouble,
    endpoint::{Endpoint, exchange, plain},
};

/// How the node knows us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Access {
    /// By the user and password in the endpoint, if there are any.
    Endpoint,
    /// By the file that the node writes anew each time it starts.
    Cookie(PathBuf),
}

/// A refusal of the node's, as it numbers them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) code: i64,
    said: String,
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(format!("{} ({})", refusal.said, refusal.code))
    }
}

/// A client of one node.
pub(super) struct Rpc {
    runtime: Runtime,
    client: reqwest::Client,
    endpoint: Endpoint,
    access: Access,
    patience: Duration,
}

/// What the node says of the chain.
#[derive(Deserialize)]
pub(super) struct Info {
    pub(super) chain: String,
    #[serde(rename = "blocks")]
    pub(super) tip: u64,
    #[serde(rename = "initialblockdownload")]
    pub(super) behind: bool,
}

/// An output that nothing spends.
pub(super) struct Unspent {
    pub(super) value: u64,
    /// Height of its block; none while it waits for one.
    pub(super) number: Option<u64>,
}

/// What a block has.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) tx: Vec<Txid>,
}

impl Rpc {
    /// A client that waits for each answer for `patience` at most.
    pub(super) fn new(
        endpoint: &Endpoint,
        access: Access,
        patience: Duration,
    ) -> Result<Self, Trouble> {
        let (client, runtime) = endpoint.client(patience)?;
        let mut endpoint = endpoint.clone();
        if let Access::Cookie(_) = access {
            // One of the two.
            let _ = endpoint.0.set_username("");
            let _ = endpoint.0.set_password(None);
        }
        Ok(Self {
            runtime,
            client,
            endpoint,
            access,
            patience,
        })
    }

    pub(super) fn info(&self) -> Result<Info, Trouble> {
        self.must("getblockchaininfo", &json!([]))
    }

    /// The block of a height; none above the newest.
    pub(super) fn block_at(&self, number: u64) -> Result<Option<BlockHash>, Trouble> {
        self.unless(OUT_OF_RANGE, "getblockhash", &json!([number]))
    }

    pub(super) fn block(&self, hash: BlockHash) -> Result<Block, Trouble> {
        self.object("getblock", &json!([hash, 0]))
    }

    pub(super) fn header(&self, hash: BlockHash) -> Result<bitcoin::block::Header, Trouble> {
        self.object("getblockheader", &json!([hash, false]))
    }

    /// The ids of a block's transactions.
    pub(super) fn listed(&self, hash: BlockHash) -> Result<Listed, Trouble> {
        self.must("getblock", &json!([hash, 1]))
    }

    pub(super) fn transaction(&self, id: Txid, block: BlockHash) -> Result<Transaction, Trouble> {
        self.object("getrawtransaction", &json!([id, false, block]))
    }

    /// An output that nothing spends, in blocks alone or with what waits for one, too.
    pub(super) fn unspent(&self, at: OutPoint, waiting: bool) -> Result<Option<Unspent>, Trouble> {
        #[derive(Deserialize)]
        struct Said {
            #[serde(rename = "bestblock")]
            tip: BlockHash,
            confirmations: u64,
            value: serde_json::Number,
        }
        #[derive(Deserialize)]
        struct Height {
            height: u64,
        }
        let params = json!([at.txid, at.vout, waiting]);
        let Some(said) = self.must::<Option<Said>>("gettxout", &params)? else {
            return Ok(None);
        };
        let number = match said.confirmations {
            0 => None,
            depth => {
                let tip: Height = self.must("getblockheader", &json!([said.tip, true]))?;
                Some((tip.height + 1).saturating_sub(depth))
            }
        };
        Ok(Some(Unspent {
            value: self.satoshi(&said.value)?,
            number,
        }))
    }

    /// Whether a transaction waits for a block, and how many wait with it that spend what it
    /// gives, itself included.
    pub(super) fn waiting(&self, id: Txid) -> Result<Option<u64>, Trouble> {
        #[derive(Deserialize)]
        struct Said {
            #[serde(rename = "descendantcount")]
            with: u64,
        }
        let said: Option<Said> = self.unless(NOT_THERE, "getmempoolentry", &json!([id]))?;
        Ok(said.map(|said| said.with))
    }

    /// What is asked for 1,000 virtual bytes to be in one of the next blocks, and the least
    /// that is relayed, satoshi.
    pub(super) fn rates(&self) -> Result<(u64, u64), Trouble> {
        #[derive(Deserialize)]
        struct Estimate {
            feerate: Option<serde_json::Number>,
        }
        #[derive(Deserialize)]
        struct Pool {
            mempoolminfee: serde_json::Number,
            minrelaytxfee: serde_json::Number,
            incrementalrelayfee: serde_json::Number,
        }
        let estimate: Estimate = self.must("estimatesmartfee", &json!([BLOCKS]))?;
        let pool: Pool = self.must("getmempoolinfo", &json!([]))?;
        let least = self
            .satoshi(&pool.mempoolminfee)?
            .max(self.satoshi(&pool.minrelaytxfee)?);
        let asked = match &estimate.feerate {
            Some(rate) => self.satoshi(rate)?,
            None => LEAST,
        };
        Ok((asked.max(least), self.satoshi(&pool.incrementalrelayfee)?))
    }

    /// All outputs in blocks that `script` locks and nothing spends, from the node's own table
    /// of all there are: minutes on the public network.
    pub(super) fn scan(&self, script: &ScriptBuf) -> Result<Vec<Coin>, Trouble> {
        #[derive(Deserialize)]
        struct Said {
            success: bool,
            height: u64,
            unspents: Vec<Found>,
        }
        #[derive(Deserialize)]
        struct Found {
            txid: Txid,
            vout: u32,
            amount: serde_json::Number,
            #[serde(default)]
            coinbase: bool,
            height: u64,
        }
        let what = format!("raw({})", script.to_hex_string());
        let said = self.call("scantxoutset", &json!(["start", [what]]), SCAN)?;
        let said: Said = said.map_err(Trouble::from)?;
        if !said.success {
            return Err(Trouble::Refused("the scan for coins was ended".into()));
        }
        let usable = |found: &&Found| !found.coinbase || found.height + MATURE <= said.height;
        let coin = |found: &Found| {
            let (txid, vout) = (found.txid, found.vout);
            Ok(Coin {
                at: OutPoint { txid, vout },
                value: self.satoshi(&found.amount)?,
            })
        };
        said.unspents.iter().filter(usable).map(coin).collect()
    }

    /// Sends a signed transaction. That the node, or a block, has it already is as good.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), Trouble> {
        // No limit of the node's on the fee: ours was kept.
        let params = json!([hex::encode(bytes), 0]);
        let said = self.call::<Txid>("sendrawtransaction", &params, self.patience)?;
        match said {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.code == ALREADY || refusal.said.contains("already") => Ok(()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn satoshi(&self, bitcoin: &serde_json::Number) -> Result<u64, Trouble> {
        let amount = Amount::from_str_in(&bitcoin.to_string(), Denomination::Bitcoin)
            // Such as 1e-05.
            .or_else(|_| Amount::from_btc(bitcoin.as_f64().unwrap_or(-1.0)));
        Ok(amount.map_err(|_| self.endpoint.unreachable())?.to_sat())
    }

    fn object<T: consensus::Decodable>(&self, method: &str, params: &Value) -> Result<T, Trouble> {
        let text: String = self.must(method, params)?;
        consensus::encode::deserialize_hex(&text).map_err(|_| self.endpoint.unreachable())
    }

    fn must<T: DeserializeOwned>(&self, method: &str, params: &Value) -> Result<T, Trouble> {
        Ok(self.call(method, params, self.patience)??)
    }

    fn unless<T: DeserializeOwned>(
        &self,
        code: i64,
        method: &str,
        params: &Value,
    ) -> Result<Option<T>, Trouble> {
        match self.call(method, params, self.patience)? {
            Ok(said) => Ok(Some(said)),
            Err(refusal) if refusal.code == code => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Waits for an answer, which may be a refusal.
    fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &Value,
        patience: Duration,
    ) -> Result<Result<T, Refusal>, Trouble> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            result: Value,
            error: Option<Refused>,
        }
        #[derive(Deserialize)]
        struct Refused {
            code: i64,
            message: String,
        }
        let unreachable = || self.endpoint.unreachable();
        let asked = json!({"jsonrpc": "1.0", "id": 0, "method": method, "params": params});
        let request = self
            .client
            .post(self.endpoint.0.clone())
            .timeout(patience)
            .body(asked.to_string());
        let request = match &self.access {
            Access::Endpoint => request,
            Access::Cookie(path) => {
                let cookie = cookie(path)
                    .ok_or_else(|| Trouble::Refused("the node's cookie cannot be read".into()))?;
                let (user, password) = cookie.trim().split_once(':').unwrap_or_default();
                request.basic_auth(user, Some(password))
            }
        };
        let answered = self.runtime.block_on(exchange(request, LONGEST));
        let (status, bytes) = answered.ok_or_else(unreachable)?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(Trouble::Refused("the node does not let us in".into()));
        }
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| unreachable())?;
        match answer.error {
            Some(Refused { code: STARTING, .. }) => Err(unreachable()),
            Some(Refused { code, message }) => Ok(Err(Refusal {
                code,
                said: plain(&message),
            })),
            None => {
                let said = serde_json::from_value(answer.result);
                Ok(Ok(said.map_err(|_| unreachable())?))
            }
        }
    }
}

fn cookie(path: &PathBuf) -> Option<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(256));
    File::open(path)
        .ok()?
        .take(256)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// A transaction's id as explorers write it.
pub(super) fn id(of: Txid) -> Digest {
    shown(of.to_raw_hash())
}

/// Within so many blocks a transaction should be in one.
const BLOCKS: u32 = 6;
/// What is offered where the node has seen too few transactions to say, satoshi.
const LEAST: u64 = 1_000;
/// Blocks after which what a block gave its maker can be spent, with room for a short
/// reorganisation.
const MATURE: u64 = 110;
/// Longest wait for a scan of all outputs.
const SCAN: Duration = Duration::from_secs(15 * 60);
/// Longest answer: a block of 4 MB in hexadecimal digits.
const LONGEST: usize = 9 << 20;
/// Bitcoin Core's numbers (rpc/protocol.h).
const OUT_OF_RANGE: i64 = -8;
const NOT_THERE: i64 = -5;
const ALREADY: i64 = -27;
const STARTING: i64 = -28;
