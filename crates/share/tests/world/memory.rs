//! A vault in memory.

use std::{collections::BTreeMap, sync::Mutex};

use share::{
    Table, Vault, VaultError,
    vault::{Change, Entries},
};
use zeroize::Zeroizing;

#[derive(Default)]
pub struct MemoryVault(Mutex<BTreeMap<Place, Vec<u8>>>);

type Place = (Table, Vec<u8>);

impl Vault for MemoryVault {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(&(table, key.to_vec()))
            .cloned()
            .map(Zeroizing::new))
    }
    fn apply(&self, changes: &[Change<'_>]) -> Result<(), VaultError> {
        let mut map = self.0.lock().unwrap();
        for (table, key, value) in changes {
            match value {
                Some(value) => map.insert((*table, key.to_vec()), value.to_vec()),
                None => map.remove(&(*table, key.to_vec())),
            };
        }
        Ok(())
    }
    fn list(&self, table: Table) -> Result<Entries, VaultError> {
        let map = self.0.lock().unwrap();
        let entries = map.iter().filter(|((other, _), _)| *other == table);
        Ok(entries
            .map(|((_, key), value)| (key.clone(), Zeroizing::new(value.clone())))
            .collect())
    }
}

/// A vault that takes nothing more.
pub struct Full<'a>(pub &'a MemoryVault);

impl Vault for Full<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.0.get(table, key)
    }
    fn apply(&self, _: &[Change<'_>]) -> Result<(), VaultError> {
        Err(VaultError::Storage("full".into()))
    }
    fn list(&self, table: Table) -> Result<Entries, VaultError> {
        self.0.list(table)
    }
}
