//! A patient's card: what she shows to a hospital face to face, as a QR text.
//!
//! Source: protocol page, "Parties": (account, pkh, κ) with a signed nonce. Whoever holds
//! a card can seal to its patient and can tell the class of her scopes; it opens nothing.
//! The text is `medshare1:` and the base64url of the signed canonical bytes, no padding.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use base::{
    AccountId, ChainId, Digest, Millis, Nonce, Signed, Statement, UnknownVersion, codec, domain,
    key::OperationKey, scope::ScopeSecret,
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    identity::{Party, PatientSecrets, random},
    vault::{self, Table, Vault, VaultError},
};
use rand_core::CryptoRng;

/// What a hospital learns from a card. κ is secret: a card is shown, never published.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The ledger.
    pub chain: ChainId,
    /// The patient.
    pub account: AccountId,
    /// H_pk of her public key.
    pub pkh: Digest,
    #[serde(with = "serde_bytes")]
    kappa: [u8; 32],
    /// When it was shown; good for [`VALID`] milliseconds.
    pub shown: Millis,
    /// Makes each showing a new card.
    pub nonce: Nonce,
}

/// How long a shown card may be read, milliseconds.
pub const VALID: u64 = 10 * 60 * Millis::SECOND;

impl Statement for Card {
    const DOMAIN: &'static str = domain::CARD;
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Card({})", self.account)
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.kappa.zeroize();
    }
}

impl Card {
    /// κ.
    pub fn kappa(&self) -> ScopeSecret {
        ScopeSecret::new(self.kappa)
    }

    /// The text of a patient's card, signed by her operation key.
    pub fn show(
        party: &Party,
        secrets: &PatientSecrets,
        now: Millis,
        rng: &mut dyn CryptoRng,
    ) -> Zeroizing<String> {
        let card = Self {
            chain: party.chain,
            account: party.account,
            pkh: Digest(*secrets.master.public_params().pkh()),
            kappa: *secrets.kappa.as_secret(),
            shown: now,
            nonce: Nonce(random(rng)),
        };
        let bytes = Zeroizing::new(codec::encode(&Signed::new(card, &party.operation)));
        Zeroizing::new(format!("{PREFIX}{VERSION}:{}", base64url(&bytes)))
    }

    /// Reads a card's text; the signature is checked by [`UncheckedCard::verify`].
    ///
    /// # Errors
    /// [`CardError::NotACard`].
    pub fn read(text: &str) -> Result<UncheckedCard, CardError> {
        let rest = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or(CardError::NotACard)?;
        let (version, body) = rest.split_once(':').ok_or(CardError::NotACard)?;
        let found = version.parse().map_err(|_| CardError::NotACard)?;
        if found != u64::from(VERSION) {
            let known = VERSION;
            return Err(CardError::Newer(UnknownVersion { found, known }));
        }
        if body.len() > MAX_TEXT {
            return Err(CardError::NotACard);
        }
        let bytes = Zeroizing::new(unbase64url(body).ok_or(CardError::NotACard)?);
        codec::decode(&bytes)
            .map(UncheckedCard)
            .map_err(|error| match error {
                codec::DecodeError::Version { version, .. } => CardError::Newer(version),
                _ => CardError::NotACard,
            })
    }
}

/// A card whose signature nobody has checked yet.
#[derive(Clone, Debug)]
pub struct UncheckedCard(Signed<Card>);

impl UncheckedCard {
    /// Whose it says it is: the account whose key and pkh the caller looks up.
    pub fn account(&self) -> AccountId {
        self.0.body.account
    }

    /// Checks the card against the patient's account as the ledger has it, and files it.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn keep(
        self,
        chain: ChainId,
        key: &OperationKey,
        pkh: Digest,
        now: Millis,
        vault: &dyn Vault,
    ) -> Result<Card, CardError> {
        let card = self.verify(chain, key, pkh, now)?;
        vault::save(vault, Table::Cards, &card.account.0, &card)?;
        Ok(card)
    }

    /// Checks the card against the patient's account as the ledger has it.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn verify(
        self,
        chain: ChainId,
        key: &OperationKey,
        pkh: Digest,
        now: Millis,
    ) -> Result<Card, CardError> {
        let card = self.0.verify(key).map_err(|_| CardError::BadSignature)?;
        if card.chain != chain {
            return Err(CardError::WrongLedger);
        }
        if card.pkh != pkh {
            return Err(CardError::WrongKey);
        }
        if now > card.shown.plus(VALID) || card.shown > now.plus(VALID) {
            return Err(CardError::Expired { shown: card.shown });
        }
        Ok(card.into_signed().body)
    }
}

/// The card of `patient`, if the hospital has one.
///
/// # Errors
/// [`VaultError`].
pub fn card_of(vault: &dyn Vault, patient: AccountId) -> Result<Option<Card>, VaultError> {
    vault::load(vault, Table::Cards, &patient.0)
}

/// The patients whose cards are in `vault`.
///
/// # Errors
/// [`VaultError`].
pub fn patients(vault: &dyn Vault) -> Result<Vec<AccountId>, VaultError> {
    let cards = vault.list(Table::Cards)?.into_iter();
    Ok(cards
        .filter_map(|(patient, _)| Some(AccountId(patient.try_into().ok()?)))
        .collect())
}

/// Why a text is not taken as a patient's card.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CardError {
    /// A card of the future.
    #[error("the card: {0}")]
    Newer(UnknownVersion),
    /// Not the text of a card.
    #[error(
        "this text is not a patient's card; it starts with {PREFIX:?} and is not to be retyped"
    )]
    NotACard,
    /// Signed by somebody else.
    #[error("the card's signature is not by the account that it names")]
    BadSignature,
    /// A card of another ledger.
    #[error("the card belongs to another ledger")]
    WrongLedger,
    /// The account has another public key.
    #[error("the card's public key is not the one that its account registered")]
    WrongKey,
    /// An old card.
    #[error("the card was shown at {shown} and is no longer valid; ask for a new one")]
    Expired {
        /// When it was shown.
        shown: Millis,
    },
    /// The vault did not take it.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What the text begins with, before its version.
const PREFIX: &str = "medshare";
/// Version of the text.
pub const VERSION: u32 = 1;
/// A card's canonical bytes are below 400; 4/3 of that in text.
const MAX_TEXT: usize = 1024;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .chain(std::iter::repeat(&0))
            .take(3)
            .fold(0u32, |word, &byte| word << 8 | u32::from(byte));
        for digit in 0..=chunk.len() {
            text.push(ALPHABET[(word >> (18 - 6 * digit)) as usize & 63] as char);
        }
    }
    text
}

/// The bytes of `text`; only the one spelling that [`base64url`] gives.
fn unbase64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0u32;
        for &digit in chunk {
            word = word << 6 | ALPHABET.iter().position(|&letter| letter == digit)? as u32;
        }
        word <<= 6 * (4 - chunk.len());
        let length = chunk.len().checked_sub(1)?;
        bytes.extend_from_slice(word.to_be_bytes().get(1..=length)?);
    }
    (base64url(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64url_vectors() {
        // RFC 4648, section 10, without padding.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64url(bytes.as_bytes()), text);
            assert_eq!(unbase64url(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
        assert_eq!(unbase64url("Zh"), None, "a second spelling");
        assert_eq!(unbase64url("Z"), None);
    }

    #[test]
    fn a_card_of_a_later_format_asks_for_a_newer_program() {
        let card = Card {
            chain: ChainId([1; 32]),
            account: AccountId([2; 32]),
            pkh: Digest([3; 32]),
            kappa: [4; 32],
            shown: Millis(5),
            nonce: Nonce([6; 32]),
        };
        assert_eq!(format!("{card:?}"), format!("Card({})", card.account));
        let secret = base::key::OperationSecret::new([7; 32]);
        let mut bytes = codec::encode(&Signed::new(card, &secret));
        let read = |bytes: &[u8]| Card::read(&format!("{PREFIX}{VERSION}:{}", base64url(bytes)));
        assert!(read(&bytes).is_ok());
        assert_eq!(&bytes[1..4], b"\x61v\x01");
        bytes[3] = 9;
        let newer = UnknownVersion { found: 9, known: 1 };
        assert_eq!(read(&bytes).err(), Some(CardError::Newer(newer)));
        assert_eq!(
            Card::read("medshare2:").err(),
            Some(CardError::Newer(UnknownVersion { found: 2, known: 1 }))
        );
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_read(text in ".{0,300}") {
            let _ = Card::read(&text);
            let _ = Card::read(&format!("{PREFIX}{text}"));
        }

        #[test]
        fn any_bytes_in_a_card_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(
                Card::read(&format!("{PREFIX}{VERSION}:{}", base64url(&bytes))).err(),
                Some(CardError::NotACard)
            );
        }
    }
}
