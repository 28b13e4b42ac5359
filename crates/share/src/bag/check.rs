//! How the key bag stands: what is not in it yet, and whether the node's copy is the one
//! that the ledger names.

use base::{Digest, codec};

use super::{BOOK, BagError, Book, Head, SealedBag, open};
use crate::{
    desk::Desk,
    identity::PatientSecrets,
    vault::{self, Table, Vault, VaultError},
};

/// The bag as the vault has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Version of the last bag that was stored and logged; 0 if there was none.
    pub number: u64,
    /// Keys were made that no stored bag has.
    pub unsaved: bool,
}

/// The bag as the node has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtNode {
    /// Opens, is the one that the ledger names, and no older than the vault's.
    Newest(u64),
    /// There is none, and the ledger names none.
    None,
    /// There is none, but the ledger names this version.
    Missing(u64),
    /// Damaged, of another version of the format, or not under this patient's key.
    Unreadable,
    /// Another one than the ledger or the vault names.
    Other {
        /// Its version.
        found: u64,
        /// The ledger's, or the vault's if that is newer.
        newest: u64,
    },
}

/// See [`crate::checkup::bag`].
pub(crate) fn standing(vault: &dyn Vault) -> Result<Standing, VaultError> {
    let book: Book = vault::load(vault, Table::Bag, BOOK)?.unwrap_or_default();
    Ok(Standing {
        number: book.number,
        unsaved: book.dirty,
    })
}

/// See [`crate::checkup::bag_at_node`].
pub(crate) fn at_node(desk: &Desk<'_>, secrets: &PatientSecrets) -> Result<AtNode, BagError> {
    let patient = desk.party.account;
    let logged = desk.node.bag(patient)?;
    let Some(bytes) = desk.node.read_bag(secrets.bag.locator)? else {
        return Ok(match logged {
            Some(logged) => AtNode::Missing(logged.version),
            None => AtNode::None,
        });
    };
    let place = (desk.party.chain, patient);
    let head = codec::decode::<SealedBag>(&bytes)
        .ok()
        .and_then(|sealed| open(&secrets.bag.key, place, b"head", sealed))
        .and_then(|plain| codec::decode::<Head>(&plain).ok());
    let Some(head) = head else {
        return Ok(AtNode::Unreadable);
    };
    let found = head.number;
    let kept = standing(desk.vault)?.number;
    let newest = logged.as_ref().map_or(0, |logged| logged.version).max(kept);
    let named = logged.is_some_and(|logged| {
        logged.version == found && logged.commitment == Digest::commit(&head.salt, &bytes)
    });
    Ok(match found == newest && named {
        true => AtNode::Newest(found),
        false => AtNode::Other { found, newest },
    })
}
