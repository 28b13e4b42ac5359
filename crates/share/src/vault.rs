//! A party's own durable store, as this crate needs it.
//!
//! Key bag, prekeys, re-encryption keys, one-time keys, cards and the watermark live in
//! it. The implementation encrypts; this crate refuses to know how, and where.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;
use zeroize::Zeroizing;

use base::codec;

/// A durable encrypted map from (table, key) to value. It belongs to one party.
pub trait Vault: Send + Sync {
    /// The value at (`table`, `key`).
    ///
    /// # Errors
    /// [`VaultError`].
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError>;

    /// Puts (`Some`) and deletes (`None`) entries in one step; durable, and the deleted
    /// values gone, when it returns.
    ///
    /// # Errors
    /// [`VaultError`]; nothing is changed then.
    fn apply(&self, changes: &[Change<'_>]) -> Result<(), VaultError>;

    /// Every (key, value) of `table`, sorted by key.
    ///
    /// # Errors
    /// [`VaultError`].
    fn list(&self, table: Table) -> Result<Entries, VaultError>;

    /// Puts one entry; durable when it returns.
    ///
    /// # Errors
    /// [`VaultError`].
    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), VaultError> {
        self.apply(&[(table, key, Some(value))])
    }

    /// Deletes one entry, if it is there.
    ///
    /// # Errors
    /// [`VaultError`].
    fn delete(&self, table: Table, key: &[u8]) -> Result<(), VaultError> {
        self.apply(&[(table, key, None)])
    }
}

/// What [`Vault::list`] gives: keys and values, sorted by key.
pub type Entries = Vec<(Vec<u8>, Zeroizing<Vec<u8>>)>;

/// One change: table, key, and the value to put or `None` to delete.
pub type Change<'a> = (Table, &'a [u8], Option<&'a [u8]>);

/// Reads the canonical object at (`table`, `key`).
pub(crate) fn load<T: Serialize + DeserializeOwned>(
    vault: &dyn Vault,
    table: Table,
    key: &[u8],
) -> Result<Option<T>, VaultError> {
    vault
        .get(table, key)?
        .map(|bytes| parse(table, &bytes))
        .transpose()
}

/// Every canonical object of `table`.
pub(crate) fn load_all<T: Serialize + DeserializeOwned>(
    vault: &dyn Vault,
    table: Table,
) -> Result<Vec<(Vec<u8>, T)>, VaultError> {
    let entries = vault.list(table)?;
    entries
        .into_iter()
        .map(|(key, bytes)| Ok((key, parse(table, &bytes)?)))
        .collect()
}

/// Puts a canonical object.
pub(crate) fn save<T: Serialize>(
    vault: &dyn Vault,
    table: Table,
    key: &[u8],
    value: &T,
) -> Result<(), VaultError> {
    vault.put(table, key, &Zeroizing::new(codec::encode(value)))
}

fn parse<T: Serialize + DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, VaultError> {
    codec::decode(bytes).map_err(|error| VaultError::Damaged {
        table: table.name(),
        reason: error.to_string(),
    })
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The closed list of tables in a vault.
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize,
        )]
        pub enum Table {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }
        impl Table {
            /// Every table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The table's name inside the vault; never changes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

tables! {
    /// Hospital: patient account -> card.
    Cards = "cards",
    /// Patient: hospital account -> listed since.
    Hospitals = "hospitals",
    /// Patient: sid -> scope, extracted key and state of the scope.
    Scopes = "scopes",
    /// Patient: sid -> height of the restore or erasure after which its key may be made once
    /// more, for her own reading.
    Tainted = "tainted",
    /// Patient: grants for which a preimage was made.
    Issued = "issued",
    /// Patient: record ‖ part -> what the wallet found when it accepted.
    Parts = "parts",
    /// Patient: records that she erases, or has erased.
    Erased = "erased",
    /// Patient: version and pages of the key bag.
    Bag = "bag",
    /// Patient: digest of a set of guardians -> whom she named in it.
    Guardians = "guardians",
    /// Patient: request id -> what was asked.
    Asked = "asked",
    /// Patient: grant ‖ sid ‖ agent -> what an arbiter needs to audit the agent.
    Openings = "openings",
    /// Patient, requester: agent ‖ sid ‖ query -> why that agent is not used for that scope.
    Distrusted = "distrusted",
    /// Anyone: key hash -> one-time HPKE secret.
    OneTime = "one-time",
    /// Anyone: key hash -> a former HPKE secret of the account, and until when it is tried.
    FormerKeys = "former-keys",
    /// Anyone: letter -> since when it waits for an operation that it names.
    Waiting = "waiting",
    /// Requester: request id -> what was asked of whom, with which key.
    Requests = "requests",
    /// Requester: grant ‖ sid -> scope, salt and grant key.
    Grants = "grants",
    /// Requester: query id -> the agent's answer.
    Answers = "answers",
    /// Agent: grant ‖ sid -> re-encryption key.
    Reencryption = "reencryption",
    /// Agent: grant ‖ ctid -> its query and whether it was released.
    Released = "released",
    /// Anyone: hash -> sealed letter that still has to be sent.
    Outbox = "outbox",
    /// Anyone: operation id -> an operation that may have no outcome yet, and what hangs on it.
    Journal = "journal",
    /// Anyone: highest head seen, frontier of its log, and whether releases stopped.
    Watermark = "watermark",
    /// Anyone: first height -> the validators that decide from there on.
    Validators = "validators",
    /// Anyone: grant -> height at which it was revoked.
    Revoked = "revoked",
    /// Anyone: account -> the keys that its own operations gave it, with their heights.
    Keys = "keys",
    /// Guardian: owner -> the share that it keeps for her.
    Shares = "shares",
    /// Guardian: owner -> number of the newest `Guard` or `Unguard` of hers that was seen.
    Guarded = "guarded",
    /// Guardian: claim -> a recovery that it is asked to approve.
    Claims = "claims",
    /// Anyone: account -> its newest recovery in the log; own, guarded or claimed accounts.
    Recoveries = "recoveries",
    /// Device: the account that it recovers, and the new key.
    Recovery = "recovery",
    /// Device: place -> a guardian's approval.
    Approvals = "approvals",
    /// Device: place -> a share that came back.
    Returned = "returned",
    /// Anyone: subject -> evidence of a dispute, with its salt.
    Evidence = "evidence",
}

/// Why a vault did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The store under it failed: disk full, lost permission.
    #[error("the vault cannot be read or written: {0}")]
    Storage(String),
    /// An entry that this program cannot have written.
    #[error("the vault's table {table} holds a damaged entry: {reason}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
}
