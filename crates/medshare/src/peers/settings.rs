//! `[peers]` as libp2p takes it: every address, id and key of the configuration checked.

use base::Millis;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Mutex, PoisonError, RwLock},
    time::SystemTime,
};
use store::peer::{Multiaddr, PeerId, SwarmKey};

use super::warden::Wishes;
use crate::{
    config::{Config, PeersConfig, Required},
    exit::{Exit, Fault, Result},
    files,
};

/// A node that is reached at an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reachable {
    /// Its id.
    pub peer: PeerId,
    /// Where it is; ends in `/p2p/` and its id.
    pub address: Multiaddr,
}

impl FromStr for Reachable {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = |reason: &str| {
            let shown: String = text.chars().take(200).collect();
            format!("{shown:?} {reason}; write /ip4/192.0.2.1/tcp/7500/p2p/12D3KooW…")
        };
        let address: Multiaddr = text.parse().map_err(|_| wrong("is no multiaddress"))?;
        let id = text.rsplit_once("/p2p/").map(|(_, id)| id);
        let peer = id
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| wrong("does not end in the node's peer id"))?;
        Ok(Self { peer, address })
    }
}

/// What a node needs to have peers.
#[derive(Clone, Debug)]
pub struct PeerPlan {
    /// Where it listens.
    pub listen: Vec<Multiaddr>,
    /// The key of the private network.
    pub swarm_key: Option<SwarmKey>,
    /// The node that is followed.
    pub upstream: Option<Reachable>,
    /// Other nodes whose address is known.
    pub known: Vec<Reachable>,
    /// Peers that are admitted without the ledger.
    pub allow: BTreeSet<PeerId>,
    /// What others are told instead of where it listens.
    pub announce: Vec<String>,
    /// How many nodes keep this hospital's records.
    pub wishes: Wishes,
    /// How long a node that keeps a copy may be away before it counts no longer, milliseconds.
    pub absence: u64,
    /// Most bytes kept for other hospitals.
    pub capacity: u64,
}

impl PeerPlan {
    /// Checks the configuration of the home at `home`; a swarm key is read.
    ///
    /// # Errors
    /// [`Exit::Config`] naming the key, [`Exit::Storage`].
    pub fn of(config: &PeersConfig, home: &Path) -> Result<Self> {
        let swarm_key = match &config.swarm_key {
            None => None,
            Some(path) => {
                let bytes = files::read_small(&home.join(path), 4096)?;
                let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
                let key = text.parse::<SwarmKey>();
                Some(key.map_err(|error| wrong("swarm-key", &error))?)
            }
        };
        let announce: Vec<Multiaddr> = each("announce", &config.announce)?;
        Ok(Self {
            listen: each("listen", &config.listen)?,
            swarm_key,
            upstream: config
                .upstream
                .iter()
                .map(|text| {
                    text.parse()
                        .map_err(|error: String| wrong("upstream", &error))
                })
                .next()
                .transpose()?,
            known: each("known", &config.known)?,
            allow: allowed(config)?,
            announce: announce.iter().map(ToString::to_string).collect(),
            wishes: wishes(config)?,
            absence: u64::from(config.absent_seconds) * Millis::SECOND,
            capacity: u64::from(config.keep_mebibytes) << 20,
        })
    }
}

fn wishes(config: &PeersConfig) -> Result<Wishes> {
    let mut wishes = Wishes {
        copies: config.copies,
        ..Wishes::default()
    };
    for (patient, copies) in &config.patients {
        let account = patient.parse();
        let account = account.map_err(|error| wrong("patients", &error))?;
        if !(1..=MAX_COPIES).contains(copies) {
            let range = format!("{patient} is {copies}; it must be 1 to {MAX_COPIES}");
            return Err(wrong("patients", &range));
        }
        wishes.of_patients.insert(account, *copies);
    }
    Ok(wishes)
}

const MAX_COPIES: u32 = 16;

/// The `allow` list of the configuration, read again when its file changes: who lets a new
/// node in does not have to stop its own.
#[derive(Debug)]
pub struct Allowed {
    peers: RwLock<BTreeSet<PeerId>>,
    file: PathBuf,
    read: Mutex<Option<SystemTime>>,
}

impl Allowed {
    /// Starts with what was read from `file`.
    pub fn new(peers: BTreeSet<PeerId>, file: PathBuf) -> Self {
        let read = Mutex::new(changed(&file));
        Self {
            peers: RwLock::new(peers),
            file,
            read,
        }
    }

    /// Whether the peer is on the list.
    pub fn contains(&self, peer: &PeerId) -> bool {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        peers.contains(peer)
    }

    /// Reads the file again if it changed since; a wrong one changes nothing.
    ///
    /// # Errors
    /// [`Exit::Config`].
    pub fn refresh(&self) -> Result<()> {
        let now = changed(&self.file);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *read == now {
            return Ok(());
        }
        *read = now;
        let config = Config::load(&self.file, Required::Yes)?;
        let peers = allowed(&config.peers.unwrap_or_default())?;
        *self.peers.write().unwrap_or_else(PoisonError::into_inner) = peers;
        Ok(())
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|meta| meta.modified()).ok()
}

fn allowed(config: &PeersConfig) -> Result<BTreeSet<PeerId>> {
    let peers: Vec<PeerId> = each("allow", &config.allow)?;
    Ok(peers.into_iter().collect())
}

fn each<T: FromStr<Err: std::fmt::Display>>(key: &str, texts: &[String]) -> Result<Vec<T>> {
    let parsed = texts.iter().map(|text| {
        text.parse()
            .map_err(|error| wrong(key, &format!("{text:?}: {error}")))
    });
    parsed.collect()
}

fn wrong(key: &str, reason: &dyn std::fmt::Display) -> Fault {
    Fault::new(Exit::Config, format!("peers.{key}: {reason}"))
}
