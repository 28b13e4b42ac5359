//! What a node is started with: its key, its addresses, the swarm's key, and its limits.

use libp2p::{
    Multiaddr, PeerId,
    identity::Keypair,
    pnet::{KeyParseError, PreSharedKey},
};
use std::{fmt, str::FromStr, time::Duration};
use thiserror::Error;
use zeroize::Zeroize as _;

/// What a node is started with.
pub struct PeerSettings {
    /// The key that its [`PeerId`] stands for.
    pub key: PeerKey,
    /// Where it listens: `/ip4/…/tcp/…` or `/ip6/…/tcp/…`; port 0 takes any.
    pub listen: Vec<Multiaddr>,
    /// The key of the private network, if it is one.
    pub swarm_key: Option<SwarmKey>,
    /// What others may use of it.
    pub limits: Limits,
}

impl PeerSettings {
    /// A node that listens nowhere, in no private network, with the usual limits.
    pub fn new(key: PeerKey) -> Self {
        Self {
            key,
            listen: Vec::new(),
            swarm_key: None,
            limits: Limits::default(),
        }
    }
}

/// An Ed25519 key pair that names a node.
#[derive(Clone)]
pub struct PeerKey(Keypair);

impl PeerKey {
    /// The key of an Ed25519 seed, which is wiped.
    pub fn from_seed(seed: &mut [u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "every 32 bytes are an Ed25519 seed")]
        let key = Keypair::ed25519_from_bytes(&mut seed[..]).expect("32 bytes");
        seed.zeroize();
        Self(key)
    }

    /// The id that the key stands for.
    pub fn id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(super) const fn as_secret(&self) -> &Keypair {
        &self.0
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerKey").field(&self.id()).finish()
    }
}

/// The pre-shared key of a private network: who does not have it cannot even say hello.
#[derive(Clone)]
pub struct SwarmKey(PreSharedKey);

/// Why a text is no swarm key. It does not show the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum SwarmKeyError {
    /// Not the three lines of a `swarm.key` file.
    #[error("no swarm key: the file has three lines, /key/swarm/psk/1.0.0/, /base16/, the key")]
    Form,
    /// The third line is not 64 hexadecimal digits.
    #[error("no swarm key: the third line is not 64 hexadecimal digits")]
    Digits,
}

impl SwarmKey {
    pub(super) const fn as_secret(&self) -> PreSharedKey {
        self.0
    }
}

/// The text of a `swarm.key` file, as Kubo and js-libp2p have it.
impl FromStr for SwarmKey {
    type Err = SwarmKeyError;

    fn from_str(text: &str) -> Result<Self, SwarmKeyError> {
        // The parser below slices by bytes: other than ASCII must not reach it.
        if !text.is_ascii() {
            return Err(SwarmKeyError::Form);
        }
        text.parse().map(Self).map_err(|error| match error {
            KeyParseError::InvalidKeyLength | KeyParseError::InvalidKeyChar(_) => {
                SwarmKeyError::Digits
            }
            _ => SwarmKeyError::Form,
        })
    }
}

impl fmt::Debug for SwarmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SwarmKey(..)")
    }
}

/// What others may use of a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at once, of all peers.
    pub connections: u32,
    /// Connections at once of one peer: two that dialled each other, and dead ones not yet
    /// noticed.
    pub connections_per_peer: u32,
    /// Connections at once whose identity is not proven yet, each way.
    pub handshakes: u32,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How often [`Policy::admits`](super::Policy::admits) is asked again.
    pub recheck: Duration,
    /// Requests of the node's own protocol at once, from one peer and to one peer.
    pub asks_per_peer: usize,
    /// How long such a request may take, connecting and answer included.
    pub ask: Duration,
    /// Answers worked on at once, for all peers: each has a thread.
    pub answers: usize,
    /// Bitswap streams that a peer may have open to this node.
    pub streams_per_peer: usize,
    /// Bytes of messages that a peer may have under way and unread; at least one message.
    pub unread_per_peer: usize,
    /// Wants that are kept of a peer; what comes above them is not answered.
    pub wants_per_peer: usize,
    /// Blocks that nobody asked for, and messages that are none, before a peer is banned.
    pub wrong_blocks: u32,
    /// How long a ban lasts.
    pub ban: Duration,
    /// Threads that read blocks for peers, at once.
    pub reads: usize,
    /// How long after its arrival a want is answered with "not here": the same whether the
    /// block is absent or refused.
    pub absence: Duration,
    /// Fetches at once; others wait.
    pub fetches: usize,
    /// How long to wait before a peer is dialled again; doubled at each failure.
    pub redial: Duration,
    /// The longest such wait.
    pub redial_at_most: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_peer: 4,
            handshakes: 64,
            handshake: Duration::from_secs(10),
            recheck: Duration::from_secs(15),
            asks_per_peer: 4,
            ask: Duration::from_secs(30),
            answers: 8,
            streams_per_peer: 32,
            unread_per_peer: 8 << 20,
            wants_per_peer: 4096,
            wrong_blocks: 8,
            ban: Duration::from_secs(3600),
            reads: 4,
            absence: Duration::from_millis(20),
            fetches: 8,
            redial: Duration::from_secs(1),
            redial_at_most: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn swarm_keys() {
        let key = |text: &str| text.parse::<SwarmKey>().map(drop);
        let digits = "0a".repeat(32);
        let head = "/key/swarm/psk/1.0.0/\n/base16/\n";
        assert_eq!(key(&format!("{head}{digits}\n")), Ok(()));
        assert_eq!(key(&format!("{head}{digits}")), Ok(()));
        assert_eq!(key(""), Err(SwarmKeyError::Form));
        assert_eq!(key(&digits), Err(SwarmKeyError::Form));
        let base64 = format!("/key/swarm/psk/1.0.0/\n/base64/\n{digits}");
        assert_eq!(key(&base64), Err(SwarmKeyError::Form));
        assert_eq!(key(&format!("{head}0a")), Err(SwarmKeyError::Digits));
        let letters = format!("{head}{}", "zz".repeat(32));
        assert_eq!(key(&letters), Err(SwarmKeyError::Digits));
        let wide = format!("{head}a{}0", "é".repeat(31));
        assert_eq!(key(&wide), Err(SwarmKeyError::Form));
    }

    #[test]
    fn secrets_are_not_shown() {
        let text = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}", "5e".repeat(32));
        let key: SwarmKey = text.parse().unwrap();
        assert!(!format!("{key:?}").contains("5e5e"));
        let mut seed = [7; 32];
        let key = PeerKey::from_seed(&mut seed);
        assert_eq!(seed, [0; 32], "the seed is wiped");
        assert_eq!(format!("{key:?}"), format!("PeerKey({:?})", key.id()));
    }
}
