//! Starts the engine: its settings, and who this node is on the validators' network.

use base::{AccountId, ChainId, key::OperationKey};
use malachite::{
    AppMsg, ConsensusContext, NetworkContext, NetworkIdentity, NetworkMsg, RequestContext,
    SyncContext, WalContext,
    app::{
        config::{ConsensusConfig, NodeConfig, ProtocolNames, ValueSyncConfig},
        engine::{node::NodeRef, util::events::RxEvent},
        net::Multiaddr,
        types::{Keypair, codec::Codec as _},
    },
    start_engine,
};
use malachite_signing::Signer as _;
use std::{path::PathBuf, time::Duration};
use tokio::{
    runtime::Runtime,
    sync::mpsc::{Receiver, Sender},
};
use zeroize::Zeroizing;

use super::{
    Network, StartError,
    codec::Spelling,
    context::{Address, Chain},
    ring::Ring,
    signing::{Checker, Seal},
};

/// What an engine is made of, each time one is started.
pub(super) struct Seat {
    pub(super) chain: ChainId,
    pub(super) ring: Ring,
    /// The key that the node's peer id is signed with.
    pub(super) key: OperationKey,
    pub(super) network: Network,
    /// Its write-ahead log.
    pub(super) log: PathBuf,
}

/// A running engine, seen from the application.
pub(super) struct Session {
    /// What it asks.
    pub(super) messages: Receiver<AppMsg<Chain>>,
    /// What it says of itself.
    pub(super) events: RxEvent<Chain>,
    /// What it is to tell others.
    pub(super) wire: Sender<NetworkMsg<Chain>>,
    pub(super) running: Running,
}

/// An engine's threads. When this is dropped nothing of it is left: not its address, not its
/// hold on the write-ahead log. Not to be dropped on a thread that runs futures.
pub(super) struct Running {
    pub(super) actor: NodeRef,
    runtime: Option<Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.actor.kill();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LAST_WORDS);
        }
    }
}

impl Session {
    pub(super) fn of(
        channels: malachite::Channels<Chain>,
        handle: malachite::EngineHandle,
        runtime: Runtime,
    ) -> Self {
        Self {
            messages: channels.consensus,
            events: channels.events.subscribe(),
            wire: channels.network,
            running: Running {
                actor: handle.actor,
                runtime: Some(runtime),
            },
        }
    }
}

/// An engine's threads.
pub(super) fn threads() -> Result<Runtime, StartError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("validator")
        .enable_all()
        .build()
        .map_err(|error| StartError::Thread(error.to_string()))
}

/// An engine's settings.
pub(super) struct Config {
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

impl Seat {
    /// Starts an engine: one that votes, or one that follows the others' votes.
    pub(super) fn start(&self, votes: bool) -> Result<Session, StartError> {
        let runtime = threads()?;
        match runtime.block_on(self.engine(votes)) {
            Ok((channels, handle)) => Ok(Session::of(channels, handle, runtime)),
            Err(error) => {
                runtime.shutdown_timeout(LAST_WORDS);
                Err(error)
            }
        }
    }

    pub(super) fn seal(&self) -> Seal {
        Seal {
            chain: self.chain,
            ring: self.ring.clone(),
        }
    }

    /// Who it is on the validators' network, and the engine's settings.
    pub(super) async fn settings(&self) -> Result<(NetworkIdentity, Config), StartError> {
        let seal = self.seal();
        let address = Address(self.ring.account);
        let pair = pair(&self.network.seed)?;
        let peer = pair.public().to_peer_id().to_bytes();
        let key = self.key.0.to_vec();
        let proof = seal.sign_validator_proof(key, peer).await.map_err(engine)?;
        let proof = Spelling.encode(&proof).map_err(engine)?;
        let name = address.to_string();
        let identity = NetworkIdentity::new_validator(name.clone(), pair, name.clone(), proof);
        let config = Config {
            name,
            consensus: consensus(self.chain, &self.network)?,
            sync: ValueSyncConfig {
                status_update_interval: Duration::from_secs(1),
                request_timeout: Duration::from_secs(5),
                batch_size: 64,
                ..ValueSyncConfig::default()
            },
        };
        Ok((identity, config))
    }

    async fn engine(
        &self,
        votes: bool,
    ) -> Result<(malachite::Channels<Chain>, malachite::EngineHandle), StartError> {
        let address = Address(self.ring.account);
        let (identity, config) = self.settings().await?;
        let checker = Box::new(Checker { chain: self.chain });
        start_engine(
            Chain,
            config,
            WalContext::new(self.log.clone(), Spelling),
            NetworkContext::new(identity, Spelling),
            match votes {
                true => ConsensusContext::new_validator(address, checker, Box::new(self.seal())),
                // The engine can also be told that it takes no part at all. Then it is not
                // subscribed to votes, blocks and tips, of which it needs the last to go on. As
                // an account that is no validator it hears everything and has nothing to sign.
                false => ConsensusContext::new_full_node(NOBODY, checker),
            },
            SyncContext::new(Spelling),
            RequestContext::new(16),
        )
        .await
        .map_err(engine)
    }
}

/// An account of which nobody can have the key: it is no key's hash that anybody can find.
const NOBODY: Address = Address(AccountId([0; 32]));
/// How long an engine's threads are waited for.
const LAST_WORDS: Duration = Duration::from_secs(5);

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

pub(super) fn engine(error: impl std::fmt::Display) -> StartError {
    StartError::Engine(error.to_string())
}
