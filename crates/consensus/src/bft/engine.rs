//! Starts the engine: its settings, and who this node is on the validators' network.

use base::{ChainId, key::OperationKey};
use malachite::{
    Channels, ConsensusContext, EngineHandle, NetworkContext, NetworkIdentity, RequestContext,
    SyncContext, WalContext,
    app::{
        config::{ConsensusConfig, NodeConfig, ProtocolNames, ValueSyncConfig},
        net::Multiaddr,
        types::{Keypair, codec::Codec as _},
    },
    start_engine,
};
use malachite_signing::Signer as _;
use std::{path::PathBuf, time::Duration};
use zeroize::Zeroizing;

use super::{
    Network, StartError,
    codec::Spelling,
    context::{Address, Chain},
    ring::Ring,
    signing::{Checker, Seal},
};

/// Everything the engine is given.
pub(super) struct Plan<'a> {
    pub(super) chain: ChainId,
    pub(super) ring: &'a Ring,
    /// The key that the node's peer id is signed with.
    pub(super) key: OperationKey,
    pub(super) network: &'a Network,
    /// Its write-ahead log.
    pub(super) log: PathBuf,
    /// Whether it votes; else it only follows the decisions.
    pub(super) votes: bool,
}

struct Config {
    name: String,
    consensus: ConsensusConfig,
    sync: ValueSyncConfig,
}

impl NodeConfig for Config {
    fn moniker(&self) -> &str {
        &self.name
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

pub(super) async fn start(plan: Plan<'_>) -> Result<(Channels<Chain>, EngineHandle), StartError> {
    let seal = Seal {
        chain: plan.chain,
        ring: plan.ring.clone(),
    };
    let address = Address(plan.ring.account);
    let pair = pair(&plan.network.seed)?;
    let peer = pair.public().to_peer_id().to_bytes();
    let key = plan.key.0.to_vec();
    let proof = seal.sign_validator_proof(key, peer).await.map_err(engine)?;
    let proof = Spelling.encode(&proof).map_err(engine)?;
    let name = address.to_string();
    let identity = NetworkIdentity::new_validator(name.clone(), pair, name.clone(), proof);
    let config = Config {
        name,
        consensus: ConsensusConfig {
            enabled: plan.votes,
            ..consensus(plan.chain, plan.network)?
        },
        sync: ValueSyncConfig {
            status_update_interval: Duration::from_secs(1),
            request_timeout: Duration::from_secs(5),
            batch_size: 64,
            ..ValueSyncConfig::default()
        },
    };
    let checker = Checker { chain: plan.chain };
    start_engine(
        Chain,
        config,
        WalContext::new(plan.log, Spelling),
        NetworkContext::new(identity, Spelling),
        match plan.votes {
            true => ConsensusContext::new_validator(address, Box::new(checker), Box::new(seal)),
            false => ConsensusContext::new_full_node(address, Box::new(checker)),
        },
        SyncContext::new(Spelling),
        RequestContext::new(16),
    )
    .await
    .map_err(engine)
}

/// The peer id, as others write it, of a node with this seed.
pub(super) fn peer_id(seed: &[u8; 32]) -> Result<String, StartError> {
    Ok(pair(seed)?.public().to_peer_id().to_base58())
}

fn pair(seed: &[u8; 32]) -> Result<Keypair, StartError> {
    let mut seed = Zeroizing::new(*seed);
    Keypair::ed25519_from_bytes(&mut *seed).map_err(engine)
}

fn consensus(chain: ChainId, network: &Network) -> Result<ConsensusConfig, StartError> {
    let mut config = ConsensusConfig::default();
    let p2p = &mut config.p2p;
    p2p.listen_addr = multiaddr(&network.listen)?;
    p2p.persistent_peers = network
        .peers
        .iter()
        .map(|text| multiaddr(text))
        .collect::<Result<_, _>>()?;
    p2p.persistent_peers_only = true;
    // Several hospitals may stand behind one address, and a test has all of them on one.
    p2p.discovery.max_connections_per_ip = 256;
    p2p.discovery.ip_throttle_duration = Duration::ZERO;
    // Nodes of another ledger do not speak this one's protocols.
    let name = |what: &str| format!("/medshare/{chain}/{what}/1");
    p2p.protocol_names = ProtocolNames {
        consensus: name("consensus"),
        discovery_kad: name("discovery"),
        discovery_regres: name("addresses"),
        sync: name("sync"),
        validator_proof: name("validator"),
    };
    Ok(config)
}

fn multiaddr(text: &str) -> Result<Multiaddr, StartError> {
    text.parse()
        .map_err(|error| StartError::Address(text.to_owned(), format!("{error}")))
}

fn engine(error: impl std::fmt::Display) -> StartError {
    StartError::Engine(error.to_string())
}
