//! The key bag: everything a patient cannot make again, sealed under her backup phrase.
//!
//! Source: protocol page, "A record", Scope (restore = phrase + bag). The bag's head holds
//! the trapdoor, κ, z, the HPKE secret and the newest keys; older keys lie in sealed pages
//! in the store, which the head names, so that one more key costs one head. `Bag` on the
//! ledger shows a stale head.

mod check;
mod restore;

pub use check::{AtNode, Standing};
pub(crate) use check::{at_node, standing};
pub use restore::{RestoreError, Restored, restore};

use aws_lc_rs::{
    aead::{Aad, NONCE_LEN, Nonce},
    hkdf,
};
use base::{
    AccountId, ChainId, Cid, Digest, GrantId, Millis, Salt, ScopeId, Version, cid, codec, domain,
    key::OperationSecret, operation::Bag,
};
use bip39::Mnemonic;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    body::cipher,
    desk::SendError,
    identity::{BagKeys, SecretBytes, random, secret},
    node::NodeError,
    recovery::guard::NamedGuardians,
    vault::{self, Table, VaultError},
    wallet::{KnownScope, Wallet},
};

/// A patient's backup phrase: 24 BIP 39 words, shown once.
pub struct Phrase(Zeroizing<[u8; 32]>);

impl Phrase {
    /// A fresh one.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Zeroizing::new(random(rng)))
    }

    /// Reads 24 English words; case and spacing do not matter.
    ///
    /// # Errors
    /// [`PhraseError`].
    pub fn parse(words: &str) -> Result<Self, PhraseError> {
        let words = Zeroizing::new(
            words
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .to_lowercase(),
        );
        let phrase = Mnemonic::parse_in_normalized(bip39::Language::English, &words)
            .map_err(|error| PhraseError(error.to_string()))?;
        let entropy = Zeroizing::new(phrase.to_entropy());
        let entropy = <[u8; 32]>::try_from(entropy.as_slice())
            .map_err(|_| PhraseError("it has 24 words".into()))?;
        Ok(Self(Zeroizing::new(entropy)))
    }

    pub(crate) fn from_entropy(entropy: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*entropy))
    }

    pub(crate) fn entropy(&self) -> &[u8; 32] {
        &self.0
    }

    /// The words.
    pub fn words(&self) -> Zeroizing<String> {
        #[expect(clippy::expect_used, reason = "32 bytes are a valid entropy")]
        let phrase = Mnemonic::from_entropy(&*self.0).expect("24 words");
        Zeroizing::new(phrase.to_string())
    }

    /// The operation key that it gives.
    pub fn operation(&self) -> OperationSecret {
        OperationSecret::new(self.derive(b"operation"))
    }

    /// Key and place of the bag.
    pub fn bag(&self) -> BagKeys {
        BagKeys {
            key: SecretBytes::new(self.derive(b"key")),
            locator: Digest(self.derive(b"locator")),
        }
    }

    fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        let secret =
            hkdf::Salt::new(hkdf::HKDF_SHA256, &domain::preamble(domain::BAG)).extract(&*self.0);
        let mut key = [0; 32];
        #[expect(clippy::expect_used, reason = "32 bytes are below HKDF's limit")]
        secret
            .expand(&[purpose], hkdf::HKDF_SHA256)
            .and_then(|material| material.fill(&mut key))
            .expect("one block of HKDF");
        key
    }
}

/// Words that are no backup phrase.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this is not a backup phrase of 24 words: {0}")]
pub struct PhraseError(String);

/// One line of the bag.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BagEntry {
    /// A scope's key.
    Scope { sid: ScopeId, known: KnownScope },
    /// A grant for which a key was made; never again under this name.
    Grant(GrantId),
    /// A hospital went onto the list of those whose records she accepts, or off it.
    Hospital {
        hospital: AccountId,
        listed: Option<Millis>,
    },
    /// An operation key that was to replace the one before; the ledger says whether it did.
    Operation(NextKey),
    /// Guardians whom she named; the ledger says which set is in force.
    Guardians { set: Digest, named: NamedGuardians },
}

/// The secret half of an operation key that the phrase does not give.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NextKey {
    secret: ByteBuf,
}

secret! { NextKey { secret } }

impl NextKey {
    fn operation(&self) -> Option<OperationSecret> {
        let secret: [u8; 32] = self.secret.as_slice().try_into().ok()?;
        Some(OperationSecret::new(secret))
    }
}

/// The bag as the vault has it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    number: u64,
    /// Entries that the node does not have yet.
    dirty: bool,
    pages: Vec<Cid>,
    tail: Vec<BagEntry>,
    /// Pages that are, or may be, pinned and belong to no head any more.
    stale: Vec<Cid>,
}

/// What the bag's head seals.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    number: u64,
    salt: Salt,
    master: ByteBuf,
    #[serde(with = "serde_bytes")]
    kappa: [u8; 32],
    #[serde(with = "serde_bytes")]
    z: [u8; 32],
    #[serde(with = "serde_bytes")]
    hpke: [u8; 32],
    pages: Vec<Cid>,
    tail: Vec<BagEntry>,
}

impl Drop for Head {
    fn drop(&mut self) {
        self.master.zeroize();
        self.kappa.zeroize();
        self.z.zeroize();
        self.hpke.zeroize();
    }
}

/// A sealed head or page, as the store has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedBag {
    #[serde(rename = "v")]
    version: Version,
    #[serde(with = "serde_bytes")]
    nonce: [u8; NONCE_LEN],
    text: ByteBuf,
}

/// Notes entries in the vault, the scopes' own table in the same step.
pub(crate) fn add(wallet: &Wallet<'_>, entries: Vec<BagEntry>) -> Result<(), VaultError> {
    let vault = wallet.desk.vault;
    let mut book: Book = vault::load(vault, Table::Bag, BOOK)?.unwrap_or_default();
    let own: Vec<OwnChange> = entries.iter().filter_map(BagEntry::own_change).collect();
    book.tail.extend(entries);
    book.dirty = true;
    let bytes = Zeroizing::new(codec::encode(&book));
    let mut changes: Vec<vault::Change<'_>> = own.iter().map(borrow).collect();
    changes.push((Table::Bag, BOOK, Some(&bytes)));
    vault.apply(&changes)
}

type OwnChange = (Table, [u8; 32], Option<Zeroizing<Vec<u8>>>);

fn borrow((table, key, value): &OwnChange) -> vault::Change<'_> {
    (
        *table,
        &key[..],
        value.as_ref().map(|value| value.as_slice()),
    )
}

impl BagEntry {
    /// What it changes in the vault beside the bag's own book.
    fn own_change(&self) -> Option<OwnChange> {
        let bytes = |value: Vec<u8>| Some(Zeroizing::new(value));
        match self {
            Self::Scope { sid, known } => Some((Table::Scopes, sid.0, bytes(codec::encode(known)))),
            Self::Grant(gid) => Some((Table::Issued, gid.0, bytes(Vec::new()))),
            Self::Hospital { hospital, listed } => {
                let since = listed.map(|since| Zeroizing::new(codec::encode(&since)));
                Some((Table::Hospitals, hospital.0, since))
            }
            Self::Guardians { set, named } => {
                Some((Table::Guardians, set.0, bytes(codec::encode(named))))
            }
            Self::Operation(_) => None,
        }
    }
}

/// Puts the operation key that is about to replace the current one into the bag, before
/// the ledger hears of it: from then on phrase and bag give the account back.
///
/// # Errors
/// [`BagError`]; do not rotate then.
pub fn keep_operation_key(
    wallet: &Wallet<'_>,
    next: &OperationSecret,
    rng: &mut dyn CryptoRng,
) -> Result<(), BagError> {
    let secret = ByteBuf::from(next.as_secret().to_vec());
    add(wallet, vec![BagEntry::Operation(NextKey { secret })])?;
    sync(wallet, rng)
}

/// Brings the node's copy up to date and logs it, if there is anything new.
///
/// # Errors
/// [`BagError`].
pub fn sync(wallet: &Wallet<'_>, rng: &mut dyn CryptoRng) -> Result<(), BagError> {
    let vault = wallet.desk.vault;
    let mut book: Book = vault::load(vault, Table::Bag, BOOK)?.unwrap_or_default();
    // A delegate makes keys for fresh grant names only: there is nothing to restore.
    if wallet.desk.party.delegation.is_some() {
        return Ok(());
    }
    if book.dirty {
        write(wallet, &mut book, rng)?;
    }
    release(wallet, &mut book)
}

/// Lets go of pages that belong to no head.
fn release(wallet: &Wallet<'_>, book: &mut Book) -> Result<(), BagError> {
    if book.stale.is_empty() {
        return Ok(());
    }
    for page in &book.stale {
        wallet.desk.node.unpin(page)?;
    }
    book.stale.clear();
    Ok(vault::save(wallet.desk.vault, Table::Bag, BOOK, book)?)
}

/// Writes a first or a new head even when no key was added.
///
/// # Errors
/// [`BagError`].
pub fn backup(wallet: &Wallet<'_>, rng: &mut dyn CryptoRng) -> Result<u64, BagError> {
    let mut book: Book = vault::load(wallet.desk.vault, Table::Bag, BOOK)?.unwrap_or_default();
    write(wallet, &mut book, rng)?;
    Ok(book.number)
}

fn write(wallet: &Wallet<'_>, book: &mut Book, rng: &mut dyn CryptoRng) -> Result<(), BagError> {
    write_and(wallet, book, &[], rng)
}

/// Writes the bag, and deletes the keys of `gone` from the vault in the same step. A scope
/// whose key is gone is tainted: another preimage of its target must never serve a grant.
fn write_and(
    wallet: &Wallet<'_>,
    book: &mut Book,
    gone: &[ScopeId],
    rng: &mut dyn CryptoRng,
) -> Result<(), BagError> {
    let desk = &wallet.desk;
    let place = (desk.party.chain, wallet.patient);
    let key = &wallet.secrets.bag.key;
    if book.tail.len() > PAGE {
        let tail = std::mem::take(&mut book.tail);
        let pages: Vec<(Cid, Vec<u8>)> = tail
            .chunks(PAGE)
            .map(|chunk| {
                let plain = Zeroizing::new(codec::encode(&chunk));
                let page = seal(key, place, b"page", &plain, rng);
                (cid::of_block(cid::RAW, &page), page)
            })
            .collect();
        // Noted before they are pinned: what a crash leaves behind is let go later.
        let mut noted: Book = vault::load(desk.vault, Table::Bag, BOOK)?.unwrap_or_default();
        noted.stale.extend(pages.iter().map(|(name, _)| *name));
        vault::save(desk.vault, Table::Bag, BOOK, &noted)?;
        for (name, page) in pages {
            desk.node.put_block(&name, &page)?;
            desk.node.pin(&name)?;
            book.pages.push(name);
        }
    }
    let logged = desk.node.bag(wallet.patient)?.map_or(0, |bag| bag.version);
    book.number = book.number.max(logged) + 1;
    let salt = Salt(random(rng));
    let head = Head {
        number: book.number,
        salt,
        master: ByteBuf::from(wallet.secrets.master.to_bytes().to_vec()),
        kappa: *wallet.secrets.kappa.as_secret(),
        z: *wallet.secrets.z.as_secret(),
        hpke: *desk.party.hpke.as_secret(),
        pages: book.pages.clone(),
        tail: book.tail.clone(),
    };
    let head = Zeroizing::new(codec::encode(&head));
    let sealed = seal(key, place, b"head", &head, rng);
    desk.node.put_bag(wallet.secrets.bag.locator, &sealed)?;
    let sent = desk.send(Bag {
        version: book.number,
        commitment: Digest::commit(&salt, &sealed),
    })?;
    book.dirty = false;
    let height = codec::encode(&sent.head.header.height);
    let bytes = Zeroizing::new(codec::encode(book));
    let mut changes: Vec<vault::Change<'_>> = vec![(Table::Bag, BOOK, Some(&bytes))];
    for sid in gone {
        changes.push((Table::Scopes, &sid.0, None));
        changes.push((Table::Tainted, &sid.0, Some(&height)));
    }
    desk.vault.apply(&changes)?;
    Ok(())
}

/// Forgets entries for good: they leave the tail and every page is written again.
pub(crate) fn forget(
    wallet: &Wallet<'_>,
    sids: &[ScopeId],
    rng: &mut dyn CryptoRng,
) -> Result<(), BagError> {
    let desk = &wallet.desk;
    let mut book: Book = vault::load(desk.vault, Table::Bag, BOOK)?.unwrap_or_default();
    let place = (desk.party.chain, wallet.patient);
    let old = std::mem::take(&mut book.pages);
    let mut all = Vec::new();
    for page in &old {
        let bytes = desk.node.read_block(page)?;
        all.extend(
            open_page(&wallet.secrets.bag.key, place, &bytes)
                .ok_or(BagError::DamagedPage(*page))?,
        );
    }
    all.append(&mut book.tail);
    all.retain(|entry| !matches!(entry, BagEntry::Scope { sid, .. } if sids.contains(sid)));
    book.tail = all;
    book.stale.extend(old);
    // The keys leave the vault in the step that notes the new bag: until then the old one
    // is whole, and a wallet that dies here begins again.
    write_and(wallet, &mut book, sids, rng)?;
    release(wallet, &mut book)
}

fn open_page(key: &SecretBytes, place: Place, bytes: &[u8]) -> Option<Vec<BagEntry>> {
    let sealed = codec::decode(bytes).ok()?;
    codec::decode(&open(key, place, b"page", sealed)?).ok()
}

type Place = (ChainId, AccountId);

fn seal(
    key: &SecretBytes,
    place: Place,
    kind: &[u8],
    plain: &[u8],
    rng: &mut dyn CryptoRng,
) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut text = plain.to_vec();
    #[expect(clippy::expect_used, reason = "far below AES-GCM's 64 GiB")]
    cipher(key.as_secret())
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad(place, kind)),
            &mut text,
        )
        .expect("a short message");
    codec::encode(&SealedBag {
        version: Version,
        nonce,
        text: ByteBuf::from(text),
    })
}

fn open(
    key: &SecretBytes,
    place: Place,
    kind: &[u8],
    sealed: SealedBag,
) -> Option<Zeroizing<Vec<u8>>> {
    let nonce = Nonce::assume_unique_for_key(sealed.nonce);
    let mut text = Zeroizing::new(sealed.text.into_vec());
    let length = cipher(key.as_secret())
        .open_in_place(nonce, Aad::from(aad(place, kind)), &mut text)
        .ok()?
        .len();
    text.truncate(length);
    Some(text)
}

fn aad((chain, patient): Place, kind: &[u8]) -> Vec<u8> {
    let mut aad = domain::preamble(domain::BAG);
    for part in [&chain.0[..], &patient.0, kind] {
        aad.extend_from_slice(part);
    }
    aad
}

/// Why the key bag was not brought up to date; nothing made with its new keys leaves.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BagError {
    /// The node did not take it.
    #[error("the key bag could not be stored: {0}")]
    Node(#[from] NodeError),
    /// The ledger did not.
    #[error("the key bag could not be logged: {0}")]
    Send(#[from] SendError),
    /// A page in the store is not one of this bag.
    #[error("page {0} of the key bag is damaged")]
    DamagedPage(Cid),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

const BOOK: &[u8] = b"book";
/// Entries in the head before they move to a page: 64 keys of 2 kB.
const PAGE: usize = 64;
