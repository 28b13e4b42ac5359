//! The key that a node's peer id stands for: Ed25519, kept in the home's vault.
//!
//! Source: libp2p's specification of peer ids. The id of an Ed25519 key is the key itself:
//! an identity multihash of the key in protobuf, 38 bytes, shown in base58btc.

use base::key::OperationSecret;
use ipld_core::cid::multibase::Base;
use zeroize::Zeroizing;

use crate::system;

/// The seed of a node's peer key.
#[derive(Clone)]
pub struct PeerSeed(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for PeerSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PeerSeed({})", self.id())
    }
}

impl PeerSeed {
    /// A fresh one.
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        system::fill_random(&mut *seed);
        Self(seed)
    }

    /// From what the vault holds.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// The secret bytes; every use is a place to review.
    pub fn as_secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// The peer id, as the ledger has it.
    pub fn id_bytes(&self) -> Vec<u8> {
        let key = OperationSecret::new(*self.0).public();
        [&PREFIX[..], &key.0].concat()
    }

    /// The peer id, as people and multiaddresses have it.
    pub fn id(&self) -> String {
        shown(&self.id_bytes())
    }
}

/// A peer id as people have it.
pub fn shown(id: &[u8]) -> String {
    Base::Base58Btc.encode(id)
}

/// Identity multihash of 36 bytes; key type 1 (Ed25519); 32 bytes follow.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_id_begins_like_every_ed25519_id() {
        let seed = PeerSeed::new([7; 32]);
        assert!(seed.id().starts_with("12D3KooW"), "{}", seed.id());
        assert_eq!(seed.id_bytes().len(), 38);
        assert!(!format!("{seed:?}").contains("07, 07"));
        #[cfg(feature = "peers")]
        {
            let id = store::peer::PeerKey::from_seed(&mut [7; 32]).id();
            assert_eq!(
                (id.to_string(), id.to_bytes()),
                (seed.id(), seed.id_bytes())
            );
        }
    }
}
