//! The party's own durable store: redb, every entry sealed with AES-256-GCM under keys
//! derived from the vault key of `keys.age`.
//!
//! An entry's place is HMAC(index key, table) ‖ HMAC(index key, table, key), so that the
//! file shows how many entries a table has and how long they are, and nothing else; its
//! place is the associated data of its box, so that entries cannot be swapped. What the
//! tables hold as a whole is sealed too ([`sets`]), so that none can be hidden or taken out.
//! A whole older file in the place of a newer one is not noticed here.

use aws_lc_rs::{aead, hkdf, hmac};
use database::{Device, Handle, Tables};
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};
use share::vault::{Change, Entries, Table, Vault, VaultError};
use std::{path::Path, sync::Arc};
use zeroize::Zeroizing;

use super::{database as file, sets::Sets};
use crate::exit::{Exit, Fault, Result};

/// An open vault.
pub struct LocalVault {
    tables: Tables,
    index: hmac::Key,
    cipher: aead::LessSafeKey,
    set: hmac::Key,
    name: String,
}

impl std::fmt::Debug for LocalVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalVault({})", self.name)
    }
}

impl LocalVault {
    /// Opens the vault at `path`.
    ///
    /// # Errors
    /// [`Exit::Busy`], [`Exit::Home`] when there is none or a file that is no vault of
    /// this key, [`Exit::Storage`].
    pub fn open(path: &Path, key: &[u8; 32]) -> Result<Self> {
        Self::new(path, file::open(path, CACHE_BYTES, TABLES_VERSION)?, key).checked()
    }

    /// As [`LocalVault::open`], but what is written stays in memory and is forgotten.
    ///
    /// # Errors
    /// As [`LocalVault::open`].
    pub fn look(path: &Path, key: &[u8; 32]) -> Result<Self> {
        Self::new(path, file::look(path, CACHE_BYTES, TABLES_VERSION)?, key).checked()
    }

    /// Whether no read has found damage so far.
    pub fn is_sound(&self) -> bool {
        self.tables.damage().is_none()
    }

    /// Opens every entry's seal; gives how many there are.
    ///
    /// # Errors
    /// [`Exit::Home`] at the first that does not hold, [`Exit::Storage`].
    pub fn unseal_all(&self) -> Result<u64> {
        let view = self.handle()?.begin_read().map_err(|e| self.fault(e))?;
        let entries = view.open_table(ENTRIES).map_err(|e| self.fault(e))?;
        let mut count = 0;
        for entry in entries.range::<&[u8]>(..).map_err(|e| self.fault(e))? {
            let (place, sealed) = entry.map_err(|e| self.fault(e))?;
            self.unseal(place.value(), sealed.value().to_vec())?;
            count += 1;
        }
        Ok(count)
    }

    /// Makes an empty vault at `path`, where none is.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn create(path: &Path, key: &[u8; 32]) -> Result<Self> {
        let tables = file::create(path, CACHE_BYTES, TABLES_VERSION, |_| Ok(()))?;
        Self::new(path, tables, key).marked()
    }

    /// [`LocalVault::open`], or else [`LocalVault::create`], on another device.
    ///
    /// # Errors
    /// As those.
    pub fn on(device: Arc<dyn Device>, key: &[u8; 32]) -> Result<Self> {
        let path = device.name().to_owned();
        match device.exists() {
            Err(error) => Err(Fault::io(path.display(), &error)),
            Ok(true) => {
                let tables = file::open_on(device, CACHE_BYTES, TABLES_VERSION)?;
                Self::new(&path, tables, key).checked()
            }
            Ok(false) => {
                let tables = Tables::create(device, CACHE_BYTES, TABLES_VERSION, |_| Ok(()));
                let tables =
                    tables.map_err(|error| file::fault(&path.display().to_string(), error))?;
                Self::new(&path, tables, key).marked()
            }
        }
    }

    fn checked(self) -> Result<Self> {
        if self.read(MARK_TABLE, MARK_KEY)?.is_none() {
            return Err(Fault::new(
                Exit::Home,
                format!(
                    "{} belongs to another home; put this home's own vault back",
                    self.name
                ),
            ));
        }
        self.check_sets()?;
        Ok(self)
    }

    fn marked(self) -> Result<Self> {
        self.write(MARK_TABLE, MARK_KEY, &[])?;
        Ok(self)
    }

    fn new(path: &Path, tables: Tables, key: &[u8; 32]) -> Self {
        let secrets = hkdf::Salt::new(
            hkdf::HKDF_SHA256,
            &base::domain::preamble(base::domain::VAULT),
        )
        .extract(key);
        Self {
            tables,
            index: hmac::Key::new(hmac::HMAC_SHA256, &*derived(&secrets, b"index")),
            cipher: cipher(&derived(&secrets, b"box")),
            set: hmac::Key::new(hmac::HMAC_SHA256, &*derived(&secrets, b"set")),
            name: path.display().to_string(),
        }
    }

    fn handle(&self) -> Result<Arc<Handle>> {
        self.tables.handle().map_err(|e| self.fault(e))
    }

    /// The value at (`table`, `key`).
    ///
    /// # Errors
    /// [`Exit::Home`] when the entry is damaged, [`Exit::Storage`].
    pub fn read(&self, table: &str, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let place = self.place(table, key);
        let sealed = {
            let handle = self.handle()?;
            let view = handle.begin_read().map_err(|e| self.fault(e))?;
            let entries = match view.open_table(ENTRIES) {
                Ok(entries) => entries,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(error) => return Err(self.fault(error)),
            };
            let found = entries.get(place.as_slice()).map_err(|e| self.fault(e))?;
            match found {
                None => return Ok(None),
                Some(sealed) => sealed.value().to_vec(),
            }
        };
        let (found, value) = self.unseal(&place, sealed)?;
        if found != key {
            return Err(self.damaged());
        }
        Ok(Some(value))
    }

    /// Writes the value at (`table`, `key`); durable when this returns.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn write(&self, table: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.write_all(&[(table, key, Some(value))])
    }

    /// Writes (`Some`) and deletes (`None`) entries in one durable step.
    ///
    /// # Errors
    /// [`Exit::Storage`]; nothing is changed then.
    pub fn write_all(&self, changes: &[Entry<'_>]) -> Result<()> {
        let handle = self.handle()?;
        let transaction = handle.begin_write().map_err(|e| self.fault(e))?;
        {
            let mut entries = transaction.open_table(ENTRIES).map_err(|e| self.fault(e))?;
            let mut kept = transaction.open_table(SETS).map_err(|e| self.fault(e))?;
            let before = {
                let sealed = kept.get(SETS_KEY).map_err(|e| self.fault(e))?;
                sealed.map(|sealed| sealed.value().to_vec())
            };
            let mut sets = self.open_sets(before)?;
            for (table, key, value) in changes {
                let place = self.place(table, key);
                let old = match value {
                    Some(value) => {
                        let sealed = self.seal(&place, key, value)?;
                        sets.add(&self.set, &place, &sealed);
                        entries.insert(place.as_slice(), sealed.as_slice())
                    }
                    None => entries.remove(place.as_slice()),
                };
                if let Some(old) = old.map_err(|e| self.fault(e))? {
                    sets.take(&self.set, &place, old.value());
                }
            }
            let sealed = self.seal(SETS_KEY, &[], &sets.to_bytes())?;
            kept.insert(SETS_KEY, sealed.as_slice())
                .map_err(|e| self.fault(e))?;
        }
        transaction.commit().map_err(|e| self.fault(e))
    }

    /// Deletes the value at (`table`, `key`), if there is one.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn remove(&self, table: &str, key: &[u8]) -> Result<()> {
        self.write_all(&[(table, key, None)])
    }

    /// Every (key, value) of `table`, sorted by key.
    ///
    /// # Errors
    /// As [`LocalVault::read`].
    pub fn entries(&self, table: &str) -> Result<Entries> {
        let start = self.prefix(table);
        let handle = self.handle()?;
        let view = handle.begin_read().map_err(|e| self.fault(e))?;
        let entries = match view.open_table(ENTRIES) {
            Ok(entries) => entries,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(self.fault(error)),
        };
        let mut found = Vec::new();
        for entry in entries
            .range(start.as_slice()..)
            .map_err(|e| self.fault(e))?
        {
            let (place, sealed) = entry.map_err(|e| self.fault(e))?;
            if !place.value().starts_with(&start) {
                break;
            }
            found.push(self.unseal(place.value(), sealed.value().to_vec())?);
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Compares what the tables hold with what was sealed about them.
    fn check_sets(&self) -> Result<()> {
        let handle = self.handle()?;
        let view = handle.begin_read().map_err(|e| self.fault(e))?;
        let kept = match view.open_table(SETS) {
            Ok(kept) => kept.get(SETS_KEY).map_err(|e| self.fault(e))?,
            Err(redb::TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(self.fault(error)),
        };
        let sealed = self.open_sets(kept.map(|sealed| sealed.value().to_vec()))?;
        let mut found = Sets::default();
        let entries = view.open_table(ENTRIES).map_err(|e| self.fault(e))?;
        for entry in entries.range::<&[u8]>(..).map_err(|e| self.fault(e))? {
            let (place, sealed) = entry.map_err(|e| self.fault(e))?;
            found.add(&self.set, place.value(), sealed.value());
        }
        let Some(difference) = sealed.difference(&found) else {
            return Ok(());
        };
        let names = Table::ALL.iter().map(|table| table.name());
        let mut names = names.chain(OWN_TABLES.iter().copied());
        let name = names.find(|name| self.prefix(name) == difference.table);
        Err(Fault::new(
            Exit::Home,
            format!(
                "{}: table {} holds {} entries that are not the {} that were written; restore the home from its backup",
                self.name,
                name.unwrap_or("(unknown)"),
                difference.found,
                difference.written
            ),
        ))
    }

    fn open_sets(&self, sealed: Option<Vec<u8>>) -> Result<Sets> {
        let Some(sealed) = sealed else {
            return Ok(Sets::default());
        };
        let (_, bytes) = self.unseal(SETS_KEY, sealed)?;
        Sets::from_bytes(&bytes).ok_or_else(|| self.damaged())
    }

    fn prefix(&self, table: &str) -> Vec<u8> {
        hmac::sign(&self.index, table.as_bytes()).as_ref()[..PREFIX].to_vec()
    }

    fn place(&self, table: &str, key: &[u8]) -> Vec<u8> {
        let mut place = self.prefix(table);
        let message = [&(table.len() as u64).to_le_bytes(), table.as_bytes(), key].concat();
        place.extend_from_slice(hmac::sign(&self.index, &message).as_ref());
        place
    }

    fn seal(&self, place: &[u8], key: &[u8], value: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        crate::system::fill_random(&mut nonce);
        let mut sealed = Vec::with_capacity(NONCE + 4 + key.len() + value.len() + 16);
        let mut plain = Zeroizing::new(Vec::with_capacity(4 + key.len() + value.len() + 16));
        plain.extend_from_slice(&(key.len() as u32).to_le_bytes());
        plain.extend_from_slice(key);
        plain.extend_from_slice(value);
        self.cipher
            .seal_in_place_append_tag(
                aead::Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(place),
                &mut *plain,
            )
            .map_err(|_| Fault::new(Exit::Internal, "a vault entry is too large to seal"))?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&plain);
        Ok(sealed)
    }

    fn unseal(&self, place: &[u8], sealed: Vec<u8>) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>)> {
        let mut sealed = Zeroizing::new(sealed);
        let (nonce, body) = sealed
            .split_first_chunk_mut::<NONCE>()
            .ok_or_else(|| self.damaged())?;
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let plain = self
            .cipher
            .open_in_place(nonce, aead::Aad::from(place), body)
            .map_err(|_| self.damaged())?;
        let (length, rest) = plain
            .split_first_chunk::<4>()
            .ok_or_else(|| self.damaged())?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > rest.len() {
            return Err(self.damaged());
        }
        let (key, value) = rest.split_at(length);
        Ok((key.to_vec(), Zeroizing::new(value.to_vec())))
    }

    fn damaged(&self) -> Fault {
        Fault::new(
            Exit::Home,
            format!(
                "{} is damaged or not this home's; restore the home from its backup",
                self.name
            ),
        )
    }

    fn fault(&self, error: impl Into<redb::Error>) -> Fault {
        file::fault(&self.name, error.into())
    }
}

/// One change: table, key, and the value to write or `None` to delete.
pub type Entry<'a> = (&'a str, &'a [u8], Option<&'a [u8]>);

impl Vault for LocalVault {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.read(table.name(), key)
            .map_err(|fault| error(table, fault))
    }

    fn apply(&self, changes: &[Change<'_>]) -> Result<(), VaultError> {
        let changes: Vec<_> = changes
            .iter()
            .map(|(table, key, value)| (table.name(), *key, *value))
            .collect();
        self.write_all(&changes)
            .map_err(|fault| VaultError::Storage(fault.message))
    }

    fn list(&self, table: Table) -> Result<Entries, VaultError> {
        self.entries(table.name())
            .map_err(|fault| error(table, fault))
    }
}

fn error(table: Table, fault: Fault) -> VaultError {
    match fault.exit {
        Exit::Home => VaultError::Damaged {
            table: table.name(),
            reason: fault.message,
        },
        _ => VaultError::Storage(fault.message),
    }
}

fn derived(secrets: &hkdf::Prk, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    #[expect(
        clippy::expect_used,
        reason = "32 bytes are far below HKDF's limit of 255 blocks"
    )]
    secrets
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *key))
        .expect("32 <= 255 * 32");
    key
}

fn cipher(key: &[u8; 32]) -> aead::LessSafeKey {
    #[expect(clippy::expect_used, reason = "the key has AES-256's length by type")]
    let key = aead::UnboundKey::new(&aead::AES_256_GCM, key).expect("32 bytes");
    aead::LessSafeKey::new(key)
}

/// Version of the tables of `vault.redb`, and of every entry in them.
pub const TABLES_VERSION: u32 = 1;
const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
const SETS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("sets");
const SETS_KEY: &[u8] = b"sets";
/// Tables that are not the protocol's.
const OWN_TABLES: [&str; 4] = ["identity", "identity-next", "contacts", MARK_TABLE];
const MARK_TABLE: &str = "vault";
const MARK_KEY: &[u8] = b"mark";
const CACHE_BYTES: usize = 8 << 20;
pub(super) const PREFIX: usize = 16;
const NONCE: usize = 12;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Tamper<'a> = dyn Fn(&mut redb::Table<'_, &[u8], &[u8]>, &[u8], &[u8]) + 'a;

    /// Whoever can write the file, but has no key, hides an entry, takes one out, or puts an
    /// old one back.
    #[test]
    fn no_entry_is_hidden_or_taken_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.redb");
        let tamper = |change: &Tamper<'_>| {
            let vault = LocalVault::open(&path, &[7; 32]).unwrap();
            let place = vault.place("scopes", b"a");
            drop(vault);
            let whole = std::fs::read(&path).unwrap();
            let database = file::open(&path, CACHE_BYTES, TABLES_VERSION).unwrap();
            let handle = database.handle().unwrap();
            let transaction = handle.begin_write().unwrap();
            {
                let mut entries = transaction.open_table(ENTRIES).unwrap();
                let sealed = {
                    let sealed = entries.remove(place.as_slice()).unwrap().unwrap();
                    sealed.value().to_vec()
                };
                change(&mut entries, &place, &sealed);
            }
            transaction.commit().unwrap();
            drop((handle, database));
            let refused = LocalVault::open(&path, &[7; 32]).err();
            std::fs::write(&path, whole).unwrap();
            refused.map(|fault| (fault.exit, fault.message))
        };
        let vault = LocalVault::create(&path, &[7; 32]).unwrap();
        vault.write("scopes", b"a", b"old").unwrap();
        let old = {
            let handle = vault.handle().unwrap();
            let view = handle.begin_read().unwrap();
            let entries = view.open_table(ENTRIES).unwrap();
            let place = vault.place("scopes", b"a");
            entries
                .get(place.as_slice())
                .unwrap()
                .unwrap()
                .value()
                .to_vec()
        };
        vault.write("scopes", b"a", b"new").unwrap();
        vault.write("scopes", b"b", b"2").unwrap();
        drop(vault);
        assert_eq!(
            tamper(&|entries, place, sealed| {
                entries.insert(place, sealed).unwrap();
            }),
            None
        );
        let taken = tamper(&|_, _, _| {}).unwrap();
        assert_eq!(taken.0, Exit::Home);
        assert!(
            taken.1.contains("table scopes holds 1 entries"),
            "{}",
            taken.1
        );
        for bit in [3, 8 * PREFIX + 5] {
            let hidden = tamper(&|entries, place, sealed| {
                let mut other = place.to_vec();
                other[bit / 8] ^= 1 << (bit % 8);
                entries.insert(other.as_slice(), sealed).unwrap();
            });
            assert!(hidden.unwrap().1.contains("table"));
        }
        let back = tamper(&|entries, place, _| {
            entries.insert(place, old.as_slice()).unwrap();
        });
        assert!(back.unwrap().1.contains("table scopes holds 2 entries"));
    }

    #[test]
    fn entries_survive_and_stay_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.redb");
        let secret = b"a very recognisable secret value";
        {
            let missing = LocalVault::open(&path, &[7; 32]).unwrap_err();
            assert_eq!(missing.exit, Exit::Home);
            assert!(!path.exists(), "a missing vault is not made anew");
            let vault = LocalVault::create(&path, &[7; 32]).unwrap();
            vault.write("keys", b"b", secret).unwrap();
            vault.write("keys", b"a", b"1").unwrap();
            vault.write("other", b"a", b"2").unwrap();
            vault.remove("keys", b"none").unwrap();
        }
        let vault = LocalVault::open(&path, &[7; 32]).unwrap();
        assert_eq!(
            vault.read("keys", b"b").unwrap().unwrap().as_slice(),
            secret
        );
        assert!(vault.read("keys", b"c").unwrap().is_none());
        let all = vault.entries("keys").unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((&all[0].0[..], &all[0].1[..]), (&b"a"[..], &b"1"[..]));
        assert_eq!((&all[1].0[..], &all[1].1[..]), (&b"b"[..], &secret[..]));
        vault.remove("keys", b"a").unwrap();
        assert_eq!(vault.entries("keys").unwrap().len(), 1);
        drop(vault);
        let file = std::fs::read(&path).unwrap();
        assert!(!file.windows(secret.len()).any(|window| window == secret));
        let refused = LocalVault::open(&path, &[8; 32]).unwrap_err();
        assert_eq!(refused.exit, Exit::Home);
    }
}
