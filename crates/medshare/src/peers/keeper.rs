//! The rounds that keep nodes together: say hello to who is connected, learn where others
//! are, take in new hints, and say what this node holds.
//!
//! One round is a function of what the nodes answer; the thread that repeats it is in
//! `wire`. Nothing that another node says is believed beyond what the ledger backs.

use base::{AccountId, Cid, Millis, Signed, codec, key::OperationSecret};
use ledger::{Fault, View};
use serde_bytes::ByteBuf;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::BlockStore;

use super::{
    contacts::Contacts,
    hint::{CheckedHint, Hint, Says},
    hints::{Hints, HintsError, Noted},
    porter::Porter,
    registry::Registry,
    remote::{Line, Remote},
};
use crate::http::{interface::Views, log_line};

/// The network, as far as the rounds need it.
pub trait Net: Send + Sync + 'static {
    /// A way to a peer.
    fn line(&self, peer: &[u8]) -> Arc<dyn Line>;

    /// Peers that are connected now.
    fn connected(&self) -> Vec<Vec<u8>>;

    /// A peer may be reached there; what is no address is left out.
    fn know(&self, peer: &[u8], addresses: &[String]);
}

/// Repeats rounds for one node.
pub struct Keeper {
    /// Its account.
    pub account: AccountId,
    /// Signs its hints.
    pub secret: OperationSecret,
    /// Reads its ledger.
    pub views: Views,
    /// Its blocks and pins.
    pub store: Arc<dyn BlockStore>,
    /// Who is admitted.
    pub registry: Arc<Registry>,
    /// Who holds what.
    pub hints: Arc<Hints>,
    /// Where others are.
    pub contacts: Arc<Contacts>,
    /// How this node presents itself.
    pub porter: Arc<Porter>,
    /// The way to others.
    pub net: Arc<dyn Net>,
    /// Tells the time.
    pub clock: fn() -> Millis,
    /// What it remembers between rounds.
    pub memory: Mutex<Memory>,
}

/// What a keeper remembers between rounds.
#[derive(Debug, Default)]
pub struct Memory {
    /// How far the books of others were read.
    read: BTreeMap<Vec<u8>, u64>,
    /// Pins and length of the log when this node last said what it holds.
    said: Option<(BTreeSet<Cid>, u64)>,
}

impl Keeper {
    /// One round.
    ///
    /// # Errors
    /// [`Fault`] when the ledger cannot be read; what other nodes do wrong is their matter.
    pub fn round(&self) -> Result<(), Fault> {
        let view = (self.views)()?;
        self.registry.catch_up(&view)?;
        drop(view);
        for contact in self.contacts.all() {
            if self.registry.admits(&contact.peer) {
                self.net.know(&contact.peer, &contact.addresses);
            }
        }
        match self.pins() {
            Ok(pins) => {
                if let Err(error) = self.say_what_is_held(pins) {
                    log_line(&error);
                }
            }
            Err(error) => log_line(&format!("reading the pins: {error}")),
        }
        for peer in self.net.connected() {
            self.visit(&peer)?;
        }
        Ok(())
    }

    /// Exchanges hellos with a peer, and takes in what it knows.
    fn visit(&self, peer: &[u8]) -> Result<(), Fault> {
        let view = (self.views)()?;
        let chain = view.head()?.header.chain;
        drop(view);
        let remote = Remote::new(self.net.line(peer), Some(chain));
        let Ok((hello, contacts)) = remote.hello(self.porter.hello()?) else {
            return Ok(()); // it is dialled again by the network
        };
        let newest = hello.hints;
        self.porter.note(peer, hello);
        for contact in contacts {
            self.contacts.heard(contact);
        }
        self.take_in(&remote, peer, newest)
    }

    /// Reads a peer's book from where it was left, within bounds for one round.
    fn take_in(&self, remote: &Remote, peer: &[u8], newest: u64) -> Result<(), Fault> {
        let mut after = self.lock().read.get(peer).copied().unwrap_or(0);
        if newest < after {
            after = 0; // it began a new book
        }
        for _ in 0..PIECES_A_ROUND {
            if after >= newest {
                break;
            }
            let Ok(hints) = remote.hints(after) else {
                break;
            };
            let Some((last, _)) = hints.last().filter(|(last, _)| *last > after) else {
                break;
            };
            after = *last;
            self.judge(&hints)?;
            self.lock().read.insert(peer.to_vec(), after);
        }
        Ok(())
    }

    fn judge(&self, hints: &[(u64, ByteBuf)]) -> Result<(), Fault> {
        let view = (self.views)()?;
        self.registry.catch_up(&view)?;
        for (_, bytes) in hints {
            let Ok(signed) = codec::decode::<Signed<Hint>>(bytes) else {
                continue;
            };
            if signed.body.account == self.account {
                continue; // this node knows better
            }
            let checked = CheckedHint::check(signed, &view, &self.registry, (self.clock)())?;
            if let Ok(hint) = checked
                && let Err(error) = self.hints.note(&hint)
            {
                log_line(&error);
                break;
            }
        }
        Ok(())
    }

    /// Says `Held` of every state that is pinned here and was not said to be, and `Dropped`
    /// of what was and is not.
    fn say_what_is_held(&self, pins: BTreeSet<Cid>) -> Result<(), HintsError> {
        let now = Some((pins.clone(), self.registry.size()));
        if self.lock().said == now {
            return Ok(());
        }
        let known = |root: &Cid| self.registry.record(root).is_some();
        let pinned: BTreeSet<Cid> = pins.into_iter().filter(known).collect();
        let said: BTreeSet<Cid> = self.hints.held_by(self.account)?.into_iter().collect();
        for root in pinned.difference(&said) {
            self.say(*root, Says::Held)?;
        }
        for root in said.difference(&pinned) {
            self.say(*root, Says::Dropped)?;
        }
        self.lock().said = now;
        Ok(())
    }

    fn pins(&self) -> io::Result<BTreeSet<Cid>> {
        let pins = self.store.pins()?;
        Ok(pins.into_iter().map(|(root, _)| root).collect())
    }

    /// Signs and keeps a word of this node; others read it in their next round. Nothing is
    /// said before the ledger has this node.
    ///
    /// # Errors
    /// [`HintsError`].
    pub fn say(&self, root: Cid, says: Says) -> Result<(), HintsError> {
        let Some((peer, _)) = self.registry.node(self.account) else {
            return Ok(());
        };
        let Ok(view) = (self.views)() else {
            return Ok(());
        };
        let Some(hint) = self.sign(&view, peer, root, says) else {
            return Ok(());
        };
        match self.hints.note(&hint)? {
            Noted::New | Noted::Known => {}
            Noted::TooMany => log_line(&format!("no more room for hints: {root} is not told")),
        }
        Ok(())
    }

    fn sign(&self, view: &View, peer: Vec<u8>, root: Cid, says: Says) -> Option<CheckedHint> {
        let now = (self.clock)();
        let hint = Hint {
            chain: view.head().ok()?.header.chain,
            account: self.account,
            peer: ByteBuf::from(peer),
            root,
            says,
            time: now,
        };
        let signed = Signed::new(hint, &self.secret);
        CheckedHint::check(signed, view, &self.registry, now)
            .ok()?
            .ok()
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pieces of another's book in one round: about 32 MiB.
const PIECES_A_ROUND: usize = 16;
