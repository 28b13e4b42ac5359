//! Which settings of a Kubo a consortium must not have: every one of them tells strangers what is held, fetches from
//! strangers, or loses what was acknowledged. `docs/ipfs.md` gives the commands that set them right.
//!
//! Source: `docs/config.md` and `docs/telemetry.md` of Kubo 0.39. What its configuration leaves open has a default,
//! and the defaults are those of the public network.

use serde_json::Value;
use std::{fmt, path::Path};

/// A setting that a consortium's Kubo must not have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Concern {
    /// Its name in Kubo's configuration.
    pub setting: &'static str,
    /// What it is now, as JSON; `null` if the configuration leaves it open.
    pub found: String,
    /// What it should be.
    pub wanted: &'static str,
    /// What happens otherwise.
    pub otherwise: &'static str,
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, should be {}: {}",
            self.setting, self.found, self.wanted, self.otherwise
        )
    }
}

/// What is known of the key that closes a Kubo's swarm, which is a file in its repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SwarmKey {
    /// It is there.
    There,
    /// It is not there: the Kubo speaks to anybody.
    Absent,
    /// The repository cannot be seen from here.
    Unseen,
}

impl SwarmKey {
    /// Looks into a repository.
    pub(super) fn look(repository: &Path) -> Self {
        if repository.as_os_str().is_empty() {
            return Self::Unseen;
        }
        match repository.join("swarm.key").try_exists() {
            Ok(true) => Self::There,
            Ok(false) if repository.join("config").is_file() => Self::Absent,
            _ => Self::Unseen,
        }
    }

    fn concern(self) -> Option<Concern> {
        let found = match self {
            Self::There => return None,
            Self::Absent => "not there",
            Self::Unseen => "not to be seen from here",
        };
        Some(Concern {
            setting: "swarm.key",
            found: found.to_owned(),
            wanted: "a file in Kubo's repository, the same at every hospital",
            otherwise: "anybody may connect and fetch whatever this Kubo holds",
        })
    }
}

/// Every concern about a configuration as `config show` gives it.
pub(super) fn concerns(config: &Value, key: SwarmKey) -> Vec<Concern> {
    let of_rule = |rule: &Rule| {
        let found = config.pointer(rule.at).unwrap_or(&Value::Null);
        (!(rule.holds)(found)).then(|| Concern {
            setting: rule.setting,
            found: shown(found),
            wanted: rule.wanted,
            otherwise: rule.otherwise,
        })
    };
    key.concern()
        .into_iter()
        .chain(RULES.iter().filter_map(of_rule))
        .collect()
}

/// Whether the Kubo answers to wants of other peers at all.
pub(super) fn serves(config: &Value) -> bool {
    config.pointer("/Bitswap/ServerEnabled") != Some(&Value::Bool(false))
}

struct Rule {
    setting: &'static str,
    /// Where in the configuration (RFC 6901).
    at: &'static str,
    wanted: &'static str,
    holds: fn(&Value) -> bool,
    otherwise: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        setting: "Routing.Type",
        at: "/Routing/Type",
        wanted: "\"none\"",
        holds: |value| value == "none",
        otherwise: "the names of all that it holds go to the public DHT or to indexers",
    },
    Rule {
        setting: "Provide.Enabled",
        at: "/Provide/Enabled",
        wanted: "false",
        holds: is_false,
        otherwise: "it announces what it holds",
    },
    Rule {
        setting: "AutoConf.Enabled",
        at: "/AutoConf/Enabled",
        wanted: "false",
        holds: is_false,
        otherwise: "a public server decides on its peers, routers and resolvers",
    },
    Rule {
        setting: "Bootstrap",
        at: "/Bootstrap",
        wanted: "[]",
        holds: is_empty,
        otherwise: "it calls strangers at every start",
    },
    Rule {
        setting: "Routing.DelegatedRouters",
        at: "/Routing/DelegatedRouters",
        wanted: "[]",
        holds: is_empty,
        otherwise: "it asks public servers who holds what it looks for",
    },
    Rule {
        setting: "Ipns.DelegatedPublishers",
        at: "/Ipns/DelegatedPublishers",
        wanted: "[]",
        holds: is_empty,
        otherwise: "it publishes names through public servers",
    },
    Rule {
        setting: "DNS.Resolvers",
        at: "/DNS/Resolvers",
        wanted: "{}",
        holds: is_empty,
        otherwise: "it asks public resolvers",
    },
    Rule {
        setting: "HTTPRetrieval.Enabled",
        at: "/HTTPRetrieval/Enabled",
        wanted: "false",
        holds: is_false,
        otherwise: "it asks web servers for blocks, and so tells them what it looks for",
    },
    Rule {
        setting: "AutoTLS.Enabled",
        at: "/AutoTLS/Enabled",
        wanted: "false",
        holds: is_false,
        otherwise: "it asks a public authority for a certificate, which is logged for everybody to see",
    },
    Rule {
        setting: "Plugins.Plugins.telemetry.Config.Mode",
        at: "/Plugins/Plugins/telemetry/Config/Mode",
        wanted: "\"off\"",
        holds: |value| value == "off",
        otherwise: "it reports about itself to its makers, from a private swarm too",
    },
    Rule {
        setting: "Discovery.MDNS.Enabled",
        at: "/Discovery/MDNS/Enabled",
        wanted: "false",
        holds: is_false,
        otherwise: "it calls itself out on the local network",
    },
    Rule {
        setting: "Swarm.DisableNatPortMap",
        at: "/Swarm/DisableNatPortMap",
        wanted: "true",
        holds: |value| *value == Value::Bool(true),
        otherwise: "it opens a port in the router",
    },
    Rule {
        setting: "Swarm.Transports.Network.Relay",
        at: "/Swarm/Transports/Network/Relay",
        wanted: "false",
        holds: is_false,
        otherwise: "it speaks through strangers and for them",
    },
    Rule {
        setting: "Swarm.Transports.Network.QUIC",
        at: "/Swarm/Transports/Network/QUIC",
        wanted: "false",
        holds: is_false,
        otherwise: "QUIC knows no swarm key",
    },
    Rule {
        setting: "Swarm.Transports.Network.WebTransport",
        at: "/Swarm/Transports/Network/WebTransport",
        wanted: "false",
        holds: is_false,
        otherwise: "WebTransport knows no swarm key",
    },
    Rule {
        setting: "Swarm.Transports.Network.WebRTCDirect",
        at: "/Swarm/Transports/Network/WebRTCDirect",
        wanted: "false",
        holds: is_false,
        otherwise: "WebRTC knows no swarm key",
    },
    Rule {
        setting: "Swarm.Transports.Network.Websocket",
        at: "/Swarm/Transports/Network/Websocket",
        wanted: "false",
        holds: is_false,
        otherwise: "medshare's nodes speak TCP alone",
    },
    Rule {
        setting: "Addresses.Swarm",
        at: "/Addresses/Swarm",
        wanted: "TCP addresses alone",
        holds: |value| addresses(value).is_some_and(|mut all| all.all(is_plain_tcp)),
        otherwise: "other transports know no swarm key",
    },
    Rule {
        setting: "Addresses.API",
        at: "/Addresses/API",
        wanted: "a loopback address or a Unix socket",
        holds: |value| addresses(value).is_some_and(|mut all| all.all(is_local)),
        otherwise: "who reaches the RPC can do everything to this Kubo",
    },
    Rule {
        setting: "Addresses.Gateway",
        at: "/Addresses/Gateway",
        wanted: "[]",
        holds: is_empty,
        otherwise: "it serves whatever it holds over HTTP",
    },
    Rule {
        setting: "Datastore.Spec",
        at: "/Datastore/Spec",
        wanted: "\"sync\": true at its flatfs",
        holds: syncs,
        otherwise: "what was acknowledged is lost when the power goes",
    },
];

fn is_false(value: &Value) -> bool {
    *value == Value::Bool(false)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// One address or a list of them.
fn addresses(value: &Value) -> Option<Box<dyn Iterator<Item = &str> + '_>> {
    match value {
        Value::String(one) => Some(Box::new(std::iter::once(&**one))),
        Value::Array(all) => Some(Box::new(all.iter().map(|one| one.as_str().unwrap_or("")))),
        _ => None,
    }
}

fn is_plain_tcp(address: &str) -> bool {
    matches!(
        address.split('/').collect::<Vec<_>>().as_slice(),
        ["", "ip4" | "ip6" | "dns" | "dns4" | "dns6", _, "tcp", _]
    )
}

fn is_local(address: &str) -> bool {
    address.starts_with("/unix/")
        || ["/ip4/127.", "/ip6/::1/"]
            .iter()
            .any(|start| address.starts_with(start))
}

/// Whether every flatfs in a datastore's description syncs. The other kinds do by themselves.
fn syncs(value: &Value) -> bool {
    match value {
        Value::Object(fields) if fields.get("type").is_some_and(|kind| kind == "flatfs") => {
            fields.get("sync") == Some(&Value::Bool(true))
        }
        Value::Object(fields) => {
            fields.contains_key("type")
                && fields
                    .values()
                    .all(|inner| !inner.is_object() && !inner.is_array() || syncs(inner))
        }
        Value::Array(items) => items.iter().all(syncs),
        _ => false,
    }
}

/// A value in a message: short, in one line.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_configuration_that_says_nothing_is_the_public_networks() {
        let found = concerns(&json!({}), SwarmKey::Absent);
        assert_eq!(found.len(), RULES.len() + 1);
    }

    #[test]
    fn datastores() {
        let flatfs = |sync: bool| json!({"type": "flatfs", "path": "blocks", "sync": sync});
        let mount = |sync| json!({"type": "mount", "mounts": [{"type": "measure", "child": flatfs(sync)}, {"type": "levelds"}]});
        assert!(syncs(&mount(true)));
        assert!(!syncs(&mount(false)));
        assert!(!syncs(&json!({"type": "flatfs"})));
        assert!(!syncs(&Value::Null));
        assert!(syncs(&json!({"type": "pebbleds", "path": "x"})));
    }

    #[test]
    fn addresses_by_kind() {
        assert!(is_plain_tcp("/ip4/0.0.0.0/tcp/4001"));
        assert!(is_plain_tcp("/ip6/::/tcp/4001"));
        for other in [
            "/ip4/0.0.0.0/udp/4001/quic-v1",
            "/ip4/0.0.0.0/tcp/4001/ws",
            "",
            "tcp",
        ] {
            assert!(!is_plain_tcp(other), "{other}");
        }
        assert!(is_local("/ip4/127.0.0.1/tcp/5001"));
        assert!(!is_local("/ip4/0.0.0.0/tcp/5001"));
    }
}
