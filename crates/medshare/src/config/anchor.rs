//! `[anchor.*]`: public chains that a node anchors its ledger in.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[anchor]`
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AnchorConfig {
    /// Without this table nothing is anchored there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethereum: Option<EthereumConfig>,
    /// Without this table nothing is anchored there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitcoin: Option<BitcoinConfig>,
    /// Without this table nothing is anchored there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eos: Option<EosConfig>,
}

impl AnchorConfig {
    /// Keys with their ranges, as `Config::ranges` has them.
    pub(super) fn ranges(&self) -> Vec<Range> {
        let mut ranges = Vec::new();
        if let Some(ethereum) = &self.ethereum {
            ranges.extend(ethereum.ranges());
        }
        if let Some(bitcoin) = &self.bitcoin {
            ranges.extend(bitcoin.ranges());
        }
        if let Some(eos) = &self.eos {
            ranges.extend(eos.ranges());
        }
        ranges
    }

    /// What may be shown: without what may be a key in a node's address.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        if let Some(ethereum) = &mut shown.ethereum {
            ethereum.endpoint = without_key(&ethereum.endpoint);
        }
        if let Some(bitcoin) = &mut shown.bitcoin {
            bitcoin.endpoint = without_key(&bitcoin.endpoint);
        }
        if let Some(eos) = &mut shown.eos {
            eos.endpoint = without_key(&eos.endpoint);
        }
        shown
    }
}

/// Table, key, value, least, most.
type Range = (&'static str, &'static str, u32, u32, u32);

/// `[anchor.ethereum]`; the key that pays is in the home (`medshare anchor key`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EthereumConfig {
    /// JSON-RPC of a node: `https://…`, or `http://127.0.0.1:port` on this machine. Whatever
    /// follows the host is shown nowhere.
    pub endpoint: String,
    /// Number of the network (EIP-155); a node of another one gets nothing.
    pub chain_id: u64,
    /// Address of the ledger's contract (`medshare anchor deploy`); without it nothing is
    /// anchored, and only what the tables below name is submitted.
    pub contract: String,
    /// The block that created it: older ones are not searched.
    pub from_block: u64,
    /// An anchor is due so many seconds after the last, if anything is new, 1..=31536000.
    pub every_seconds: u32,
    /// Or when so many operations are new, 1..=1000000000.
    pub count: u32,
    /// Blocks, its own included, after which an anchor is final, 1..=10000.
    pub confirmations: u32,
    /// A transaction that waits so many seconds is replaced by one that pays more, 1..=86400.
    pub replace_seconds: u32,
    /// Most that is paid for a unit of gas, gwei, 1..=1000000.
    pub fee_cap_gwei: u32,
    /// Most that is spent in 30 days, gwei; 0 spends nothing.
    pub budget_gwei: u64,
    /// Whether the contract keeps each root for other contracts; more than twice the gas.
    pub store_root: bool,
    /// Longest wait for an answer, seconds, 1..=600.
    pub timeout_seconds: u32,
    /// Pause between two looks, milliseconds, 100..=3600000.
    pub poll_milliseconds: u32,
    /// Without this table no single operation records are submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordsConfig>,
    /// Without this table no grants are mirrored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<PermissionsConfig>,
}

/// `[anchor.ethereum.records]`: every operation record in a transaction of its own. Endpoint,
/// key, network, fees and pauses are those of `[anchor.ethereum]`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RecordsConfig {
    /// Address of the contract (`medshare anchor deploy --contract records`).
    pub contract: String,
    /// The block that created it.
    pub from_block: u64,
    /// Most that is spent in 30 days, gwei; 0 spends nothing.
    pub budget_gwei: u64,
    /// Whether the contract keeps each leaf's hash for other contracts.
    pub store_leaf: bool,
}

impl Default for RecordsConfig {
    fn default() -> Self {
        Self {
            contract: String::new(),
            from_block: 0,
            budget_gwei: 50_000_000,
            store_leaf: false,
        }
    }
}

/// `[anchor.ethereum.permissions]`: grants, for other contracts to ask. The rest as of
/// [`RecordsConfig`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PermissionsConfig {
    /// Address of the contract (`medshare anchor deploy --contract permissions`).
    pub contract: String,
    /// The block that created it.
    pub from_block: u64,
    /// Most that is spent in 30 days, gwei; 0 spends nothing.
    pub budget_gwei: u64,
}

impl Default for PermissionsConfig {
    fn default() -> Self {
        Self {
            contract: String::new(),
            from_block: 0,
            budget_gwei: 50_000_000,
        }
    }
}

impl Default for EthereumConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            chain_id: 1,
            contract: String::new(),
            from_block: 0,
            every_seconds: 3_600,
            count: 1_024,
            confirmations: 64,
            replace_seconds: 300,
            fee_cap_gwei: 50,
            budget_gwei: 50_000_000,
            store_root: false,
            timeout_seconds: 20,
            poll_milliseconds: 12_000,
            records: None,
            permissions: None,
        }
    }
}

/// `[anchor.bitcoin]`; the key that pays is in the home (`medshare anchor key`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BitcoinConfig {
    /// JSON-RPC of a full node: `https://…`, or `http://127.0.0.1:port` on this machine. A user
    /// and password in it, and whatever follows the host, are shown nowhere.
    pub endpoint: String,
    /// The file with a user and password that the node writes when it starts; else they are in
    /// the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<PathBuf>,
    /// `main`, `testnet4`, `signet` or `regtest`; a node of another network gets nothing.
    pub network: String,
    /// Addresses of other nodes' keys: their anchors of this ledger count as well.
    pub payers: Vec<String>,
    /// An anchor is due so many seconds after the last, if anything is new, 1..=31536000.
    pub every_seconds: u32,
    /// Or when so many operations are new, 1..=1000000000.
    pub count: u32,
    /// Blocks, its own included, after which an anchor is final, 1..=1000.
    pub confirmations: u32,
    /// A transaction that waits so many seconds is replaced by one that pays more, 1..=604800.
    pub replace_seconds: u32,
    /// Most that is paid for a virtual byte, satoshi, 1..=100000.
    pub fee_cap_sat: u32,
    /// Most that is spent in 30 days, satoshi; 0 spends nothing.
    pub budget_sat: u64,
    /// Longest wait for an answer, seconds, 1..=600; a scan for coins may take 15 minutes.
    pub timeout_seconds: u32,
    /// Pause between two looks, milliseconds, 100..=3600000.
    pub poll_milliseconds: u32,
}

impl Default for BitcoinConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            cookie: None,
            network: "main".into(),
            payers: Vec::new(),
            every_seconds: 86_400,
            count: 65_536,
            confirmations: 6,
            replace_seconds: 7_200,
            fee_cap_sat: 50,
            budget_sat: 300_000,
            timeout_seconds: 60,
            poll_milliseconds: 30_000,
        }
    }
}

/// `[anchor.eos]`; the key that signs is in the home (`medshare anchor key --chain eos`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EosConfig {
    /// HTTP interface of a node: `https://…`, or `http://127.0.0.1:port` on this machine.
    /// Whatever follows the host is shown nowhere.
    pub endpoint: String,
    /// Id of the network, 64 hexadecimal digits; a node of another one gets nothing.
    pub network: String,
    /// The account whose action is used (`medshare anchor deploy --chain eos`).
    pub account: String,
    /// The account that pays with its CPU time and bandwidth.
    pub actor: String,
    /// Its permission that the key is in.
    pub permission: String,
    /// Accounts of other nodes: their anchors of this ledger count as well.
    pub payers: Vec<String>,
    /// An anchor is due so many seconds after the last, if anything is new, 1..=31536000.
    pub every_seconds: u32,
    /// Or when so many operations are new, 1..=1000000000.
    pub count: u32,
    /// Irreversible blocks, its own included, after which an anchor is final, 1..=10000.
    pub confirmations: u32,
    /// Seconds that the chain has to take a transaction, 3..=3600; then it is made anew.
    pub expire_seconds: u32,
    /// Most CPU time of an anchor, milliseconds, 1..=255.
    pub cpu_cap_milliseconds: u32,
    /// Most bandwidth of an anchor, words of 8 bytes, 1..=65535.
    pub net_cap_words: u32,
    /// Most CPU time in 30 days, microseconds; 0 spends nothing.
    pub budget_microseconds: u64,
    /// Longest wait for an answer, seconds, 1..=600.
    pub timeout_seconds: u32,
    /// Pause between two looks, milliseconds, 100..=3600000.
    pub poll_milliseconds: u32,
}

impl Default for EosConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            network: EOS.into(),
            account: String::new(),
            actor: String::new(),
            permission: "active".into(),
            payers: Vec::new(),
            every_seconds: 3_600,
            count: 1_024,
            confirmations: 1,
            expire_seconds: 120,
            cpu_cap_milliseconds: 10,
            net_cap_words: 64,
            budget_microseconds: 10_000_000,
            timeout_seconds: 20,
            poll_milliseconds: 10_000,
        }
    }
}

impl EthereumConfig {
    fn ranges(&self) -> [Range; 7] {
        let table = "anchor.ethereum";
        [
            (table, "every-seconds", self.every_seconds, 1, YEAR),
            (table, "count", self.count, 1, 1_000_000_000),
            (table, "confirmations", self.confirmations, 1, 10_000),
            (table, "replace-seconds", self.replace_seconds, 1, 86_400),
            (table, "fee-cap-gwei", self.fee_cap_gwei, 1, 1_000_000),
            (table, "timeout-seconds", self.timeout_seconds, 1, 600),
            (table, POLL, self.poll_milliseconds, 100, 3_600_000),
        ]
    }
}

impl BitcoinConfig {
    fn ranges(&self) -> [Range; 7] {
        let table = "anchor.bitcoin";
        [
            (table, "every-seconds", self.every_seconds, 1, YEAR),
            (table, "count", self.count, 1, 1_000_000_000),
            (table, "confirmations", self.confirmations, 1, 1_000),
            (table, "replace-seconds", self.replace_seconds, 1, 604_800),
            (table, "fee-cap-sat", self.fee_cap_sat, 1, 100_000),
            (table, "timeout-seconds", self.timeout_seconds, 1, 600),
            (table, POLL, self.poll_milliseconds, 100, 3_600_000),
        ]
    }
}

impl EosConfig {
    fn ranges(&self) -> [Range; 8] {
        let (table, cpu) = ("anchor.eos", self.cpu_cap_milliseconds);
        [
            (table, "every-seconds", self.every_seconds, 1, YEAR),
            (table, "count", self.count, 1, 1_000_000_000),
            (table, "confirmations", self.confirmations, 1, 10_000),
            (table, "expire-seconds", self.expire_seconds, 3, 3_600),
            (table, "cpu-cap-milliseconds", cpu, 1, 255),
            (table, "net-cap-words", self.net_cap_words, 1, 65_535),
            (table, "timeout-seconds", self.timeout_seconds, 1, 600),
            (table, POLL, self.poll_milliseconds, 100, 3_600_000),
        ]
    }
}

/// The public network's id.
const EOS: &str = "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906";
const YEAR: u32 = 31_536_000;
const POLL: &str = "poll-milliseconds";

/// An address without what may be a key: user, password, path, query.
fn without_key(endpoint: &str) -> String {
    let mut shown = endpoint.to_owned();
    let start = endpoint.find("://").map_or(0, |at| at + 3);
    let host_ends = |at: &usize| endpoint[*at..].starts_with(['/', '?', '#']);
    let end = (start..endpoint.len())
        .filter(|at| endpoint.is_char_boundary(*at))
        .find(host_ends);
    if let Some(end) = end {
        shown.truncate(end);
        shown.push_str("/…");
    }
    if let Some(at) = shown.find('@') {
        shown.replace_range(start..at, "…");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_address_is_not_shown() {
        let shown = without_key;
        assert_eq!(
            shown("https://rpc.example.org/v3/s3cr3t"),
            "https://rpc.example.org/…"
        );
        assert_eq!(
            shown("https://rpc.example.org?k=s3cr3t"),
            "https://rpc.example.org/…"
        );
        assert_eq!(
            shown("https://me:s3cr3t@rpc.example.org"),
            "https://…@rpc.example.org"
        );
        assert_eq!(shown("http://127.0.0.1:8545"), "http://127.0.0.1:8545");
        assert_eq!(shown("s3cr3t/ü"), "s3cr3t/…");
    }
}
