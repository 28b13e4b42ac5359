//! Where other nodes may be reached: what they said themselves, and what others said of
//! them. All of it is only a hint, since a peer's id is proven when it is connected; so it
//! is bounded, and nothing is kept over a restart.

use base::AccountId;
use serde_bytes::ByteBuf;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::message::Contact;

/// The nodes that were met or heard of.
#[derive(Debug, Default)]
pub struct Contacts {
    known: Mutex<BTreeMap<Vec<u8>, Known>>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Known {
    /// What it said of itself; hearsay does not change that.
    account: Option<AccountId>,
    addresses: Vec<String>,
}

impl Contacts {
    /// The peer itself said so.
    pub fn met(&self, peer: &[u8], account: AccountId, addresses: Vec<String>) {
        if let Some(known) = self.entry(&mut self.lock(), peer) {
            known.account = Some(account);
            known.addresses = bounded(addresses);
        }
    }

    /// Others say so; says whether that is new.
    pub fn heard(&self, contact: Contact) -> bool {
        let addresses = bounded(contact.addresses);
        let mut known = self.lock();
        match self.entry(&mut known, &contact.peer) {
            Some(known) if known.account.is_none() && known.addresses != addresses => {
                known.addresses = addresses;
                true
            }
            _ => false,
        }
    }

    /// Everybody with an address.
    pub fn all(&self) -> Vec<Contact> {
        let known = self.lock();
        let reachable = known
            .iter()
            .filter(|(_, known)| !known.addresses.is_empty());
        reachable
            .map(|(peer, known)| Contact {
                peer: ByteBuf::from(peer.clone()),
                addresses: known.addresses.clone(),
            })
            .collect()
    }

    /// The account that a peer says it is.
    pub fn account(&self, peer: &[u8]) -> Option<AccountId> {
        self.lock().get(peer).and_then(|known| known.account)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry<'a>(
        &self,
        known: &'a mut BTreeMap<Vec<u8>, Known>,
        peer: &[u8],
    ) -> Option<&'a mut Known> {
        let fits = peer.len() <= MAX_PEER && (known.len() < MAX_KNOWN || known.contains_key(peer));
        fits.then(|| known.entry(peer.to_vec()).or_default())
    }
}

fn bounded(mut addresses: Vec<String>) -> Vec<String> {
    addresses.retain(|address| address.len() <= MAX_ADDRESS);
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// A peer id with an inlined Ed25519 key has 38 bytes, one with a hash 34.
const MAX_PEER: usize = 64;
const MAX_KNOWN: usize = 1_024;
const MAX_ADDRESSES: usize = 8;
const MAX_ADDRESS: usize = 256;
