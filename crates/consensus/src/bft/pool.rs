//! Operations that wait to be ordered. Each was verified once. An account's operations are in
//! order of sequence number; of two with one number the first that came stays.

use base::{AccountId, OperationId};
use ledger::{Checked, Refusal};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

use crate::sequencer::{SubmitError, Teller};

/// How much the pool holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolLimits {
    /// Operations.
    pub(super) operations: usize,
    /// Their bytes.
    pub(super) bytes: usize,
    /// Operations of one account.
    pub(super) account: usize,
}

/// The pool. A pure value: time is an argument.
pub(super) struct Pool {
    limits: PoolLimits,
    entries: HashMap<OperationId, Entry>,
    accounts: HashMap<AccountId, BTreeMap<u64, OperationId>>,
    /// In the order they came.
    order: BTreeMap<u64, OperationId>,
    came: u64,
    bytes: usize,
}

struct Entry {
    checked: Checked,
    came: u64,
    since: Instant,
    /// Given by a party of this node, which answers for it: it is told to others again.
    ours: bool,
    waiters: Vec<Teller>,
}

impl Entry {
    /// So many wait; one more is told that nothing is known yet.
    fn wait(&mut self, waiter: Teller) {
        match self.waiters.len() < MAX_WAITERS {
            true => self.waiters.push(waiter),
            false => waiter(Err(SubmitError::undecided())),
        }
    }
}

/// An operation that left the pool unordered, with those who wait for it.
pub(super) struct Dropped {
    pub(super) id: OperationId,
    pub(super) refusal: Refusal,
    pub(super) waiters: Vec<Teller>,
}

impl Pool {
    pub(super) fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            entries: HashMap::new(),
            accounts: HashMap::new(),
            order: BTreeMap::new(),
            came: 0,
            bytes: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What was verified before.
    pub(super) fn known(&self, ids: &[OperationId]) -> Vec<Option<Checked>> {
        let checked = |id| self.entries.get(id).map(|entry| entry.checked.clone());
        ids.iter().map(checked).collect()
    }

    /// Whether it is in; then who is there waits with it.
    pub(super) fn join(&mut self, id: OperationId, waiter: &mut Option<Teller>) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        if let Some(waiter) = waiter.take() {
            entry.ours = true;
            entry.wait(waiter);
        }
        true
    }

    /// Takes a verified operation in, and those who wait for it. `used` is the account's last number
    /// in the log.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] when its number is used, here or in the log;
    /// [`SubmitError::Busy`].
    pub(super) fn admit(
        &mut self,
        checked: Checked,
        used: u64,
        waiters: &mut Vec<Teller>,
        now: Instant,
    ) -> Result<(), SubmitError> {
        let (id, size) = (checked.id(), checked.bytes().len());
        let operation = checked.operation();
        let (account, found) = (operation.account, operation.sequence);
        let numbers = self.accounts.get(&account);
        let count = numbers.map_or(0, BTreeMap::len);
        if found <= used || numbers.is_some_and(|numbers| numbers.contains_key(&found)) {
            let free = (used.saturating_add(1)..)
                .find(|number| !numbers.is_some_and(|n| n.contains_key(number)));
            let expected = free.unwrap_or(u64::MAX);
            return Err(Refusal::WrongSequence { expected, found }.into());
        }
        let waiting = self.entries.len();
        let full = waiting >= self.limits.operations
            || self.bytes + size > self.limits.bytes
            || count >= self.limits.account;
        if full {
            return Err(SubmitError::Busy { waiting });
        }
        self.came += 1;
        self.bytes += size;
        self.order.insert(self.came, id);
        self.accounts.entry(account).or_default().insert(found, id);
        let mut entry = Entry {
            checked,
            came: self.came,
            since: now,
            ours: !waiters.is_empty(),
            waiters: Vec::new(),
        };
        waiters.drain(..).for_each(|waiter| entry.wait(waiter));
        self.entries.insert(id, entry);
        Ok(())
    }

    /// What the next block is made of: in the order they came, each account's numbers without
    /// a gap after the log's last, which `used` tells.
    ///
    /// # Errors
    /// What `used` gives.
    pub(super) fn pick<E>(
        &self,
        most: usize,
        most_bytes: usize,
        mut used: impl FnMut(AccountId) -> Result<u64, E>,
    ) -> Result<Vec<Checked>, E> {
        let (mut picked, mut size) = (Vec::new(), 0);
        let mut seen = HashSet::new();
        // No account has a block for itself while others wait.
        let share = (most / 4).max(1);
        for id in self.order.values() {
            let Some(entry) = self.entries.get(id) else {
                continue;
            };
            let account = entry.checked.operation().account;
            if !seen.insert(account) {
                continue;
            }
            let first = used(account)?.saturating_add(1);
            let numbers = self.accounts.get(&account).into_iter().flatten();
            let ready = numbers
                .skip_while(|(number, _)| **number < first)
                .zip(first..);
            for ((number, id), wanted) in ready.take(share) {
                let Some(entry) = self.entries.get(id).filter(|_| *number == wanted) else {
                    break;
                };
                let length = entry.checked.bytes().len();
                if picked.len() >= most || size + length > most_bytes {
                    return Ok(picked);
                }
                size += length;
                picked.push(entry.checked.clone());
            }
        }
        Ok(picked)
    }

    /// Whether something could go into a block.
    pub(super) fn has_ready<E>(
        &self,
        used: impl FnMut(AccountId) -> Result<u64, E>,
    ) -> Result<bool, E> {
        Ok(!self.pick(1, usize::MAX, used)?.is_empty())
    }

    /// Takes out what a block ordered, or never will; gives those who wait for it.
    pub(super) fn ordered(&mut self, id: OperationId) -> Vec<Teller> {
        self.remove(id).map_or_else(Vec::new, |entry| entry.waiters)
    }

    /// Takes out an account's operations whose numbers the log has used.
    pub(super) fn outrun(&mut self, account: AccountId, used: u64) -> Vec<Dropped> {
        let numbers = self.accounts.get(&account).into_iter();
        let stale: Vec<_> = numbers
            .flat_map(|numbers| numbers.range(..=used))
            .map(|(number, id)| (*number, *id))
            .collect();
        stale
            .into_iter()
            .filter_map(|(found, id)| {
                let entry = self.remove(id)?;
                let refusal = Refusal::WrongSequence {
                    expected: used.saturating_add(1),
                    found,
                };
                Some(Dropped {
                    id,
                    refusal,
                    waiters: entry.waiters,
                })
            })
            .collect()
    }

    /// Whether something of this account is in the pool.
    pub(super) fn has_any(&self, account: AccountId) -> bool {
        self.accounts.contains_key(&account)
    }

    /// Accounts that have something in the pool.
    pub(super) fn accounts(&self) -> Vec<AccountId> {
        self.accounts.keys().copied().collect()
    }

    /// Takes out what waits longer than `patience` for a number before it that does not come.
    pub(super) fn stranded(
        &mut self,
        account: AccountId,
        used: u64,
        patience: Duration,
        now: Instant,
    ) -> Vec<Dropped> {
        let Some(numbers) = self.accounts.get(&account) else {
            return Vec::new();
        };
        let expected = (used.saturating_add(1)..).find(|number| !numbers.contains_key(number));
        let expected = expected.unwrap_or(u64::MAX);
        let old = |id: &OperationId| {
            let entry = self.entries.get(id);
            entry.is_some_and(|entry| now.saturating_duration_since(entry.since) > patience)
        };
        let behind: Vec<_> = numbers
            .range(expected..)
            .filter(|(_, id)| old(id))
            .map(|(number, id)| (*number, *id))
            .collect();
        behind
            .into_iter()
            .filter_map(|(found, id)| {
                let entry = self.remove(id)?;
                let refusal = Refusal::WrongSequence { expected, found };
                Some(Dropped {
                    id,
                    refusal,
                    waiters: entry.waiters,
                })
            })
            .collect()
    }

    /// Bytes of this node's own operations that wait longer than `patience`, up to a limit:
    /// others may not have heard of them.
    pub(super) fn unheard(
        &self,
        patience: Duration,
        now: Instant,
        most_bytes: usize,
    ) -> Vec<Vec<u8>> {
        let mut size = 0;
        (self.order.values())
            .filter_map(|id| self.entries.get(id))
            .filter(|entry| entry.ours && now.saturating_duration_since(entry.since) > patience)
            .map(|entry| entry.checked.bytes().to_vec())
            .take_while(|bytes| {
                size += bytes.len();
                size <= most_bytes
            })
            .collect()
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Vec<Teller> {
        let entries = std::mem::take(&mut self.entries);
        self.accounts.clear();
        self.order.clear();
        self.bytes = 0;
        entries
            .into_values()
            .flat_map(|entry| entry.waiters)
            .collect()
    }

    fn remove(&mut self, id: OperationId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.order.remove(&entry.came);
        self.bytes -= entry.checked.bytes().len();
        let operation = entry.checked.operation();
        if let Some(numbers) = self.accounts.get_mut(&operation.account) {
            numbers.remove(&operation.sequence);
            if numbers.is_empty() {
                self.accounts.remove(&operation.account);
            }
        }
        Some(entry)
    }
}

/// Senders that wait for one operation; more are told to ask for its id.
const MAX_WAITERS: usize = 16;

#[cfg(test)]
mod tests;
