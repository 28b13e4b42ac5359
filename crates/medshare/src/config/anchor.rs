//! `[anchor.*]`: public chains that a node anchors its ledger in.

use serde::{Deserialize, Serialize};

/// `[anchor]`
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AnchorConfig {
    /// Without this table nothing is anchored there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethereum: Option<EthereumConfig>,
}

/// `[anchor.ethereum]`; the key that pays is in the home (`medshare anchor key`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EthereumConfig {
    /// JSON-RPC of a node: `https://…`, or `http://127.0.0.1:port` on this machine. Whatever
    /// follows the host is shown nowhere.
    pub endpoint: String,
    /// Number of the network (EIP-155); a node of another one gets nothing.
    pub chain_id: u64,
    /// Address of the ledger's contract (`medshare anchor deploy`).
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
        }
    }
}

impl EthereumConfig {
    /// Keys with their ranges, as `Config::ranges` has them.
    pub(super) fn ranges(&self) -> [(&'static str, &'static str, u32, u32, u32); 7] {
        let table = "anchor.ethereum";
        [
            (table, "every-seconds", self.every_seconds, 1, 31_536_000),
            (table, "count", self.count, 1, 1_000_000_000),
            (table, "confirmations", self.confirmations, 1, 10_000),
            (table, "replace-seconds", self.replace_seconds, 1, 86_400),
            (table, "fee-cap-gwei", self.fee_cap_gwei, 1, 1_000_000),
            (table, "timeout-seconds", self.timeout_seconds, 1, 600),
            (
                table,
                "poll-milliseconds",
                self.poll_milliseconds,
                100,
                3_600_000,
            ),
        ]
    }

    /// What may be shown: without what may be a key in the node's address.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        let host_ends = |at: &usize| self.endpoint[*at..].starts_with(['/', '?', '#']);
        let start = self.endpoint.find("://").map_or(0, |at| at + 3);
        let end = (start..self.endpoint.len())
            .filter(|at| self.endpoint.is_char_boundary(*at))
            .find(host_ends);
        if let Some(end) = end {
            shown.endpoint.truncate(end);
            shown.endpoint.push_str("/…");
        }
        if let Some(at) = shown.endpoint.find('@') {
            shown.endpoint.replace_range(start..at, "…");
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_address_is_not_shown() {
        let shown = |endpoint: &str| {
            let config = EthereumConfig {
                endpoint: endpoint.into(),
                ..EthereumConfig::default()
            };
            config.shown().endpoint
        };
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
