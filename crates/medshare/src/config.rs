//! One TOML configuration. A flag beats `MEDSHARE_*` in the environment beats the file.
//!
//! Unknown keys are refused; an error names the file, the line and the key.

mod anchor;

pub use anchor::{
    AnchorConfig, BitcoinConfig, EosConfig, EthereumConfig, PermissionsConfig, RecordsConfig,
};

use base::Version;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

use crate::{
    exit::{Exit, Fault, Result},
    files,
    http::Address,
};

/// The file, whole. Every key may be absent.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Format.
    pub version: Version,
    /// Where the node is.
    pub node: NodeConfig,
    /// How keys are protected; read by `init`.
    pub keys: KeysConfig,
    /// `wallet run`.
    pub wallet: WatchConfig,
    /// `agent run`.
    pub agent: WatchConfig,
    /// `node run`.
    pub server: ServerConfig,
    /// Where `node run` keeps blocks.
    pub store: StoreConfig,
    /// Other nodes; without this table a node has none.
    pub peers: Option<PeersConfig>,
    /// Other validators; without this table a validator orders alone.
    pub consensus: Option<ConsensusConfig>,
    /// Public chains that `node run` anchors the ledger in.
    pub anchor: AnchorConfig,
    /// What is printed.
    pub output: OutputConfig,
}

/// `[node]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct NodeConfig {
    /// `unix:/path` or `http://127.0.0.1:port`.
    pub address: Option<String>,
    /// Longest wait for an answer, seconds, 1..=3600.
    pub timeout_seconds: u32,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            address: None,
            timeout_seconds: 60,
        }
    }
}

/// `[keys]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct KeysConfig {
    /// scrypt work factor: N = 2 to this power, 1..=22. 17 takes about half a second and
    /// 128 MiB. Below 15 is for tests only.
    pub work_factor: u8,
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self { work_factor: 17 }
    }
}

/// `[wallet]` and `[agent]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct WatchConfig {
    /// Pause between two looks at the node, milliseconds, 50..=3600000.
    pub poll_milliseconds: u32,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            poll_milliseconds: 250,
        }
    }
}

/// `[server]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ServerConfig {
    /// `unix:/path` or `127.0.0.1:port`; by default a socket in the home folder.
    pub listen: Option<String>,
    /// Requests per second over all connections, 1..=1000000.
    pub requests_per_second: u32,
    /// Requests worked on at once, 1..=4096.
    pub concurrent_requests: u32,
    /// Longest time for one request, file transfers apart, seconds, 1..=600.
    pub request_seconds: u32,
    /// Most bytes of one file that is sent up, MiB, 1..=1048576.
    pub file_mebibytes: u32,
    /// Operations waiting to be ordered, 1..=1000000.
    pub queue: u32,
    /// Pause between two rounds in which every block of the store is hashed again,
    /// seconds, 1..=2592000.
    pub scrub_seconds: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: None,
            requests_per_second: 20_000,
            concurrent_requests: 256,
            request_seconds: 30,
            file_mebibytes: 65_536,
            queue: 16_384,
            scrub_seconds: 6 * 3600,
        }
    }
}

/// `[store]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StoreConfig {
    /// `embedded` or `kubo` (feature `kubo`). A node keeps the one it began with.
    pub backend: Backend,
    /// Kubo's RPC: `http://127.0.0.1:port` or `unix:/path`, this machine only.
    pub kubo_api: String,
}

/// What keeps blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The store in the node's folder.
    #[default]
    Embedded,
    /// A Kubo that runs on this machine.
    Kubo,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            backend: Backend::Embedded,
            kubo_api: "http://127.0.0.1:5001".to_owned(),
        }
    }
}

/// `[peers]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PeersConfig {
    /// Where to listen for other nodes: `/ip4/0.0.0.0/tcp/7500`.
    pub listen: Vec<String>,
    /// What other nodes are told instead, behind a router for example.
    pub announce: Vec<String>,
    /// The node whose ledger is followed, with its id: `/ip4/…/tcp/…/p2p/…`.
    pub upstream: Option<String>,
    /// Other nodes whose addresses are known, with their ids.
    pub known: Vec<String>,
    /// Peer ids admitted before the ledger knows them; read again when this file changes.
    pub allow: Vec<String>,
    /// File with the private network's key, as Kubo has it; relative to the home.
    pub swarm_key: Option<String>,
    /// How old the ledger of a node that follows may be before it releases nothing more
    /// under grants, seconds, 5..=86400.
    pub stale_seconds: u32,
    /// How many nodes keep a record that this node's hospital published, this one
    /// included, 1..=16.
    pub copies: u32,
    /// After how long without a connection, seconds, 10..=31536000, a node that keeps a copy
    /// counts no longer and another is asked. Counted anew when this node is started.
    pub absent_seconds: u32,
    /// Most MiB that this node keeps for other hospitals, 0..=1073741824; 0 keeps nothing.
    pub keep_mebibytes: u32,
    /// By account: how many nodes keep the records of patients who wish otherwise.
    pub patients: BTreeMap<String, u32>,
}

impl Default for PeersConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            announce: Vec::new(),
            upstream: None,
            known: Vec::new(),
            allow: Vec::new(),
            swarm_key: None,
            stale_seconds: 60,
            copies: 2,
            absent_seconds: 259_200,
            keep_mebibytes: 65_536,
            patients: BTreeMap::new(),
        }
    }
}

/// `[consensus]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConsensusConfig {
    /// Where to listen for other validators: `/ip4/0.0.0.0/tcp/7600`.
    pub listen: String,
    /// Where the others are, with their peer ids: `/ip4/…/tcp/…/p2p/…`.
    #[serde(default)]
    pub peers: Vec<String>,
}

/// `[output]`
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OutputConfig {
    /// As `--json`.
    pub json: bool,
    /// As `--quiet`.
    pub quiet: bool,
}

impl Config {
    /// Reads and checks the file; an absent one is the default when `required` is off.
    ///
    /// # Errors
    /// [`Exit::Config`] naming the line and key.
    pub fn load(path: &Path, required: Required) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &path.display().to_string()),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && required == Required::No =>
            {
                Ok(Self::default())
            }
            Err(error) => Err(Fault::new(
                Exit::Config,
                format!("{}: {error}; correct --config", path.display()),
            )),
        }
    }

    /// Parses and checks the text of the file called `name`.
    ///
    /// # Errors
    /// [`Exit::Config`] naming the line and key.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        if let Some(version) = files::newer_toml::<1>(text) {
            return Err(Fault::newer(Exit::Config, name, version));
        }
        let config: Self = toml::from_str(text).map_err(|error| syntax(text, name, &error))?;
        for (table, key, value, low, high) in config.ranges() {
            if !(low..=high).contains(&value) {
                return Err(Fault::new(
                    Exit::Config,
                    format!(
                        "{name}:{}: {table}.{key} is {value}; it must be {low} to {high}",
                        line_of(text, table, key)
                    ),
                ));
            }
        }
        if let Some(address) = &config.node.address {
            check_address(text, name, "node", "address", address)?;
        }
        if let Some(listen) = &config.server.listen {
            check_address(text, name, "server", "listen", listen)?;
        }
        check_address(text, name, "store", "kubo-api", &config.store.kubo_api)?;
        Ok(config)
    }

    fn ranges(&self) -> Vec<(&'static str, &'static str, u32, u32, u32)> {
        let server = &self.server;
        let mut ranges = vec![
            (
                "node",
                "timeout-seconds",
                self.node.timeout_seconds,
                1,
                3_600,
            ),
            ("keys", "work-factor", self.keys.work_factor.into(), 1, 22),
            (
                "wallet",
                "poll-milliseconds",
                self.wallet.poll_milliseconds,
                50,
                3_600_000,
            ),
            (
                "agent",
                "poll-milliseconds",
                self.agent.poll_milliseconds,
                50,
                3_600_000,
            ),
            (
                "server",
                "requests-per-second",
                server.requests_per_second,
                1,
                1_000_000,
            ),
            (
                "server",
                "concurrent-requests",
                server.concurrent_requests,
                1,
                4_096,
            ),
            ("server", "request-seconds", server.request_seconds, 1, 600),
            (
                "server",
                "file-mebibytes",
                server.file_mebibytes,
                1,
                1_048_576,
            ),
            ("server", "queue", server.queue, 1, 1_000_000),
            (
                "server",
                "scrub-seconds",
                server.scrub_seconds,
                1,
                2_592_000,
            ),
        ];
        if let Some(peers) = &self.peers {
            ranges.push(("peers", "stale-seconds", peers.stale_seconds, 5, 86_400));
            ranges.push(("peers", "copies", peers.copies, 1, 16));
            ranges.push((
                "peers",
                "absent-seconds",
                peers.absent_seconds,
                10,
                31_536_000,
            ));
            ranges.push(("peers", "keep-mebibytes", peers.keep_mebibytes, 0, 1 << 30));
        }
        ranges.extend(self.anchor.ranges());
        ranges
    }
}

/// Whether the file must exist: it must when the person named it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Required {
    /// It must.
    Yes,
    /// It need not.
    No,
}

fn check_address(text: &str, name: &str, table: &str, key: &str, value: &str) -> Result<()> {
    value.parse::<Address>().map(drop).map_err(|error| {
        Fault::new(
            Exit::Config,
            format!(
                "{name}:{}: {table}.{key}: {error}",
                line_of(text, table, key)
            ),
        )
    })
}

fn syntax(text: &str, name: &str, error: &toml::de::Error) -> Fault {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text[..at].matches('\n').count() + 1;
    let content = text.lines().nth(line - 1).unwrap_or("");
    let key = content.split('=').next().unwrap_or("").trim();
    let reason = error.message().lines().collect::<Vec<_>>().join(", ");
    let key = if key.is_empty() {
        String::new()
    } else {
        format!(" {key}:")
    };
    Fault::new(Exit::Config, format!("{name}:{line}:{key} {reason}"))
}

fn line_of(text: &str, table: &str, key: &str) -> usize {
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            inside = rest
                .split(']')
                .next()
                .is_some_and(|name| name.trim() == table);
        } else if line.split('=').next().is_some_and(|name| {
            let name = name.trim();
            (inside && name == key) || name == format!("{table}.{key}")
        }) {
            return at + 1;
        }
    }
    0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range_and_survive_a_round_trip() {
        let text = toml::to_string(&Config::default()).unwrap();
        assert_eq!(Config::parse(&text, "x").unwrap(), Config::default());
    }

    #[test]
    fn an_error_names_line_and_key() {
        let wrong = |text: &str| Config::parse(text, "c.toml").unwrap_err().message;
        let unknown = wrong("[node]\naddress = \"x\"\nadress = \"y\"\n");
        assert!(
            unknown.starts_with("c.toml:3: adress: unknown field"),
            "{unknown}"
        );
        let kind = wrong("[server]\n\nqueue = \"many\"\n");
        assert!(kind.starts_with("c.toml:3: queue: invalid type"), "{kind}");
        let range = wrong("[keys]\nwork-factor = 60\n");
        assert!(
            range.starts_with("c.toml:2: keys.work-factor is 60"),
            "{range}"
        );
        let address = wrong("[node]\naddress = \"foo\"\n");
        assert!(
            address.starts_with("c.toml:2: node.address: \"foo\" is no node address"),
            "{address}"
        );
        let api = wrong("[store]\nkubo-api = \"http://192.0.2.1:5001\"\n");
        assert!(api.starts_with("c.toml:2: store.kubo-api:"), "{api}");
        let backend = wrong("[store]\nbackend = \"s3\"\n");
        assert!(
            backend.starts_with("c.toml:2: backend: unknown variant"),
            "{backend}"
        );
        let syntax = wrong("[node\n");
        assert!(syntax.starts_with("c.toml:1:"), "{syntax}");
    }
}
