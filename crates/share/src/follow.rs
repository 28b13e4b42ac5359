//! The watermark: the highest head a party has seen, every grant it saw revoked, and the
//! keys of every account as their own operations set them.
//!
//! Source: protocol page, "Sharing", last paragraph; RFC 9162, consistency proofs. A head
//! that is not an extension of the one seen (a restored or forked ledger) stops every
//! release, durably, until a person decides ([`resume`]).

use base::{
    AccountId, Action, Digest, OperationId, SignedOperation, codec,
    operation::{NewKey, PatientKeys},
};
use ledger::{Account, Block, CompactRange, Head, KeyPeriod, VerifiedHead};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, btree_map::Entry};
use thiserror::Error;

use crate::{
    account::Replacement,
    checkup::LastHead,
    desk::{Desk, LookError},
    node::NodeError,
    recovery::watch::Watch,
    trust::{self, Trust, TrustError},
    vault::{self, Table, Vault, VaultError},
};

/// What is kept of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watermark {
    head: Option<Head>,
    range: CompactRange,
    stopped: Option<Conflict>,
}

/// A head that contradicts the one seen before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// Height and log size seen before.
    pub seen: (u64, u64),
    /// Height and log size of the head that contradicts it.
    pub found: (u64, u64),
    /// Both heads, certified: that of the height seen where the node has another there, the
    /// newest one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<ledger::Conflict>>,
}

/// Fetches the newest head, checks its certificate and that it extends the one seen,
/// reads the leaves between and notes revocations; durable when it returns.
///
/// # Errors
/// [`FollowError`]; after [`FollowError::Stopped`] every call gives it again.
pub fn advance(desk: &Desk<'_>) -> Result<VerifiedHead, FollowError> {
    let mut mark = load(desk)?;
    if let Some(conflict) = mark.stopped {
        return Err(FollowError::Stopped(conflict));
    }
    let head = newest(desk)?;
    if !extends(desk, &mark, &head)? {
        let conflict = conflict(desk, &mark, &head);
        mark.stopped = Some(conflict.clone());
        vault::save(desk.vault, Table::Watermark, MARK, &mark)?;
        return Err(FollowError::Stopped(conflict));
    }
    if mark.head.as_ref() == Some(&*head) {
        return Ok(head);
    }
    let seen = append(desk, &mut mark.range, &head)?;
    mark.head = Some(head.clone().into_head());
    let mut entries = seen.watch.changes();
    let put = |table, key: Vec<u8>, value| (table, key, Some(value));
    entries.push(put(Table::Watermark, MARK.to_vec(), codec::encode(&mark)));
    let height = codec::encode(&head.header.height);
    for grant in seen.revoked {
        entries.push(put(Table::Revoked, grant.0.to_bytes(), height.clone()));
    }
    for (account, keys) in seen.keys {
        entries.push(put(Table::Keys, account.0.to_vec(), codec::encode(&keys)));
    }
    let changes: Vec<vault::Change<'_>> = entries
        .iter()
        .map(|(table, key, value)| (*table, key.as_slice(), value.as_deref()))
        .collect();
    desk.vault.apply(&changes)?;
    Ok(head)
}

/// Whether this party has seen `grant` revoked, whatever a node says now.
///
/// # Errors
/// [`VaultError`].
pub fn is_revoked(desk: &Desk<'_>, grant: OperationId) -> Result<bool, VaultError> {
    Ok(desk
        .vault
        .get(Table::Revoked, &grant.0.to_bytes())?
        .is_some())
}

/// A person's decision to take the node's ledger as it is from now on. Grants that were
/// seen revoked stay revoked; keys and guardians are those of the log that is followed now.
///
/// # Errors
/// [`FollowError`].
pub fn resume(desk: &Desk<'_>) -> Result<VerifiedHead, FollowError> {
    let keys = desk.vault.list(Table::Keys)?;
    let guarded = desk.vault.list(Table::Guarded)?;
    let none = codec::encode(&0_u64);
    let mut changes: Vec<vault::Change<'_>> = vec![(Table::Watermark, MARK, None)];
    changes.extend(keys.iter().map(|(key, _)| (Table::Keys, &key[..], None)));
    let guarded = guarded.iter();
    changes.extend(guarded.map(|(key, _)| (Table::Guarded, &key[..], Some(&none[..]))));
    desk.vault.apply(&changes)?;
    advance(desk)
}

/// See [`crate::checkup::last_head`].
pub(crate) fn last_head(vault: &dyn Vault, trust: &Trust) -> Result<LastHead, VaultError> {
    // Read for their form alone: after a person's decision ([`resume`]) what was revoked may
    // be of the ledger before.
    vault::load_all::<Keys>(vault, Table::Keys)?;
    vault::load_all::<u64>(vault, Table::Revoked)?;
    let mark: Option<Watermark> = vault::load(vault, Table::Watermark, MARK)?;
    let Some(mark) = mark else {
        return Ok(LastHead::Nothing);
    };
    if let Some(conflict) = mark.stopped {
        return Ok(LastHead::Stopped(conflict));
    }
    let Some(head) = mark.head else {
        return Ok(LastHead::Nothing);
    };
    let Ok(head) = head.verify(&trust.known()) else {
        return Ok(LastHead::Contradiction(
            "the head's certificate does not hold",
        ));
    };
    let header = &head.header;
    if mark.range.size() != header.tree_size || mark.range.root() != header.tree_root {
        return Ok(LastHead::Contradiction(
            "the log's frontier is not the head's",
        ));
    }
    Ok(LastHead::Head {
        height: header.height,
        leaves: header.tree_size,
        time: header.time,
    })
}

/// Why the newest head is not followed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The ledger is not the one seen before.
    #[error(
        "the ledger was restored or forked: height {} with {} leaves is not an extension of height {} with {}; nothing is released until you decide",
        .0.found.0, .0.found.1, .0.seen.0, .0.seen.1
    )]
    Stopped(Conflict),
    /// The head's certificate does not hold.
    #[error("the node's head is not certified: {0}")]
    NotCertified(String),
    /// The leaves do not make up the head's root.
    #[error("the node's leaves do not make up the root of its head")]
    WrongLeaves,
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

fn load(desk: &Desk<'_>) -> Result<Watermark, VaultError> {
    Ok(
        vault::load(desk.vault, Table::Watermark, MARK)?.unwrap_or(Watermark {
            head: None,
            range: CompactRange::new(),
            stopped: None,
        }),
    )
}

fn newest(desk: &Desk<'_>) -> Result<VerifiedHead, FollowError> {
    desk.certified(desk.node.head()?)
        .map_err(|error| match error {
            TrustError::Node(error) => error.into(),
            TrustError::Vault(error) => error.into(),
            other => FollowError::NotCertified(other.to_string()),
        })
}

fn extends(desk: &Desk<'_>, mark: &Watermark, head: &VerifiedHead) -> Result<bool, FollowError> {
    let Some(seen) = &mark.head else {
        return Ok(true);
    };
    let (seen, new) = (&seen.header, &head.header);
    if new.height == seen.height {
        return Ok(new == seen);
    }
    if new.height < seen.height || new.tree_size < seen.tree_size || new.time <= seen.time {
        return Ok(false);
    }
    if new.tree_size == seen.tree_size || seen.tree_size == 0 {
        return Ok(new.tree_root == seen.tree_root || seen.tree_size == 0);
    }
    let proof = desk.node.consistency(seen.tree_size, new.tree_size)?;
    let sizes = proof.from == seen.tree_size && proof.to == new.tree_size;
    Ok(sizes && proof.verify(&seen.tree_root, &new.tree_root).is_ok())
}

/// What the leaves between two heads bring.
struct Seen {
    revoked: Vec<OperationId>,
    keys: BTreeMap<AccountId, Keys>,
    watch: Watch,
}

/// The keys of an account as its own operations set them, oldest first: those of a founding
/// validator come after its [`Founding`] ones.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    operation: Vec<LoggedKey>,
    hpke: Option<Digest>,
    record: Vec<LoggedKey>,
    patient: Option<PatientKeys>,
}

/// A key that signs, with the operation that set it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoggedKey {
    key: Digest,
    by: OperationId,
    /// Height after which the keys before it count as compromised.
    compromised_after: Option<u64>,
    /// Height of `by`'s block, once somebody wanted to know.
    height: Option<u64>,
}

/// The keys that the genesis object gave an account, valid from height 0: founding validators
/// alone have some.
struct Founding {
    operation: Option<Digest>,
    hpke: Option<Digest>,
}

impl Founding {
    fn of(desk: &Desk<'_>, account: AccountId) -> Self {
        let founder = desk.trust.founder(account);
        Self {
            operation: founder.map(|founder| Digest::of(&founder.key.0)),
            hpke: founder.map(|founder| Digest::of(founder.hpke_key.as_bytes())),
        }
    }
}

/// A key's hash and the heights at which it is valid, as [`KeyPeriod`] has them.
type Period = (Digest, u64, Option<u64>);

fn told<K>(periods: &[KeyPeriod<K>], bytes: impl Fn(&K) -> &[u8]) -> Vec<Period> {
    periods
        .iter()
        .map(|period| (Digest::of(bytes(&period.key)), period.from, period.until))
        .collect()
}

/// The rule of the ledger: a key ends with the next one, or where that one says.
fn logged(founding: Option<Digest>, keys: &[LoggedKey]) -> Option<Vec<Period>> {
    let mut periods: Vec<Period> = founding.into_iter().map(|key| (key, 0, None)).collect();
    for key in keys {
        let height = key.height?;
        let end = key.compromised_after.unwrap_or(height);
        for (_, _, until) in &mut periods {
            *until = Some(until.map_or(end, |earlier: u64| earlier.min(end)));
        }
        periods.push((key.key, height, None));
    }
    Some(periods)
}

impl Keys {
    /// Whether `account` is told with exactly these keys, from and until where they are
    /// valid. False while a height is not known.
    fn are_those_of(&self, account: &Account, founding: &Founding) -> bool {
        let operation = logged(founding.operation, &self.operation);
        let record = logged(None, &self.record);
        operation == Some(told(&account.operation_keys, |key| &key.0))
            && record == Some(told(&account.record_keys, |key| key.as_bytes()))
            && self.hpke.or(founding.hpke) == Some(Digest::of(account.hpke_key.as_bytes()))
            && self.patient == account.patient
    }

    /// Finds out the heights that nobody wanted to know before.
    fn place(&mut self, desk: &Desk<'_>, head: &VerifiedHead) -> Result<(), LookError> {
        for key in self.operation.iter_mut().chain(&mut self.record) {
            if key.height.is_none() {
                key.height = Some(desk.block_of(head, key.by)?.height);
            }
        }
        Ok(())
    }
}

/// Whether `account` has exactly the keys that the genesis object and its operations in the
/// log gave it, valid at the heights that those set. What the vault has is looked at first;
/// the log is followed if that does not settle it.
///
/// # Errors
/// [`LookError`].
pub fn keys_are_proven(desk: &Desk<'_>, account: &Account) -> Result<bool, LookError> {
    let founding = Founding::of(desk, account.id);
    let known = || {
        vault::load::<Keys>(desk.vault, Table::Keys, &account.id.0)
            .map_err(|error| Box::new(error.into()))
    };
    if known()?.is_some_and(|keys| keys.are_those_of(account, &founding)) {
        return Ok(true);
    }
    let head = advance(desk).map_err(Box::new)?;
    let Some(mut keys) = known()? else {
        // Only a founding validator that changed no key is not in the log.
        return Ok(Keys::default().are_those_of(account, &founding));
    };
    keys.place(desk, &head)?;
    vault::save(desk.vault, Table::Keys, &account.id.0, &keys)
        .map_err(|error| Box::new(error.into()))?;
    Ok(keys.are_those_of(account, &founding))
}

/// Whether the log, followed to its end, or the genesis object before it, gave `account` this
/// key as its newest of the kind. A peer id, of which nothing is kept, it gave.
///
/// # Errors
/// [`FollowError`].
pub fn has_given(
    desk: &Desk<'_>,
    account: AccountId,
    key: &Replacement<'_>,
) -> Result<bool, FollowError> {
    advance(desk)?;
    let keys: Keys = vault::load(desk.vault, Table::Keys, &account.0)?.unwrap_or_default();
    let founding = Founding::of(desk, account);
    let newest = |keys: &[LoggedKey]| keys.last().map(|last| last.key);
    let is = |newest: Option<Digest>, key: &[u8]| newest == Some(Digest::of(key));
    Ok(match key {
        Replacement::Operation(secret) => {
            let newest = newest(&keys.operation).or(founding.operation);
            is(newest, &secret.public().0)
        }
        Replacement::Hpke(secret) => is(keys.hpke.or(founding.hpke), secret.public().as_bytes()),
        Replacement::Record(secret) => is(newest(&keys.record), secret.public().as_bytes()),
        Replacement::Peer(_) => true,
    })
}

/// Appends the leaves up to `head` and returns what they bring.
fn append(
    desk: &Desk<'_>,
    range: &mut CompactRange,
    head: &VerifiedHead,
) -> Result<Seen, FollowError> {
    let mut seen = Seen {
        revoked: Vec::new(),
        keys: BTreeMap::new(),
        watch: Watch::new(desk)?,
    };
    while range.size() < head.header.tree_size {
        let left = head.header.tree_size - range.size();
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(BATCH);
        let leaves = desk.node.leaves(range.size(), limit)?;
        if leaves.is_empty() || leaves.len() as u64 > left {
            return Err(FollowError::WrongLeaves);
        }
        for leaf in leaves {
            range.append(&leaf.to_bytes());
            if leaf.outcome.is_ok() {
                seen.note(desk, &leaf.operation)?;
            }
        }
    }
    if range.root() != head.header.tree_root {
        return Err(FollowError::WrongLeaves);
    }
    Ok(seen)
}

impl Seen {
    fn note(&mut self, desk: &Desk<'_>, signed: &SignedOperation) -> Result<(), VaultError> {
        self.watch.note(desk, signed)?;
        let operation = &signed.body;
        let logged = |key: &[u8], compromised_after| LoggedKey {
            key: Digest::of(key),
            by: signed.to_bytes().1,
            compromised_after,
            height: None,
        };
        match &operation.action {
            Action::Revoke(revoke) => self.revoked.push(revoke.grant),
            Action::Register(register) => {
                let record = register.record_key.iter();
                let keys = Keys {
                    operation: vec![logged(&register.operation_key.0, None)],
                    hpke: Some(Digest::of(register.hpke_key.as_bytes())),
                    record: record
                        .map(|proven| logged(proven.key.as_bytes(), None))
                        .collect(),
                    patient: register.patient,
                };
                self.keys.insert(operation.account, keys);
            }
            Action::RotateKey(rotate) => {
                let keys = self.keys_of(desk, operation.account)?;
                let logged = |key| logged(key, rotate.compromised_after);
                match &rotate.new {
                    NewKey::Operation(key, _) => keys.operation.push(logged(&key.0)),
                    NewKey::Hpke(key) => keys.hpke = Some(Digest::of(key.as_bytes())),
                    NewKey::Record(proven) => keys.record.push(logged(proven.key.as_bytes())),
                    NewKey::Peer(_) => {}
                }
            }
            Action::CompleteRecovery(complete) => {
                let keys = self.keys_of(desk, complete.account)?;
                keys.operation.push(logged(&complete.key.0, None));
            }
            _ => {}
        }
        Ok(())
    }

    /// The keys of an account so far.
    fn keys_of(&mut self, desk: &Desk<'_>, account: AccountId) -> Result<&mut Keys, VaultError> {
        Ok(match self.keys.entry(account) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) => {
                place.insert(vault::load(desk.vault, Table::Keys, &account.0)?.unwrap_or_default())
            }
        })
    }
}

/// What the node says now against what was seen.
fn conflict(desk: &Desk<'_>, mark: &Watermark, head: &VerifiedHead) -> Conflict {
    let found = (head.header.height, head.header.tree_size);
    let Some(seen) = &mark.head else {
        return Conflict {
            seen: (0, 0),
            found,
            proof: None,
        };
    };
    let (height, size) = (seen.header.height, seen.header.tree_size);
    // Two heads of one height convict by themselves; what the node does not give is no proof.
    let there = desk.node.head_at(height).ok().flatten();
    let there = there.and_then(|there| desk.certified(there).ok());
    let theirs = there.filter(|there| there.header != seen.header);
    let fault = match theirs {
        Some(_) => format!("two heads of height {height}"),
        None => format!(
            "the log of height {} does not extend that of {height}",
            found.0
        ),
    };
    let theirs = Block {
        head: theirs.unwrap_or_else(|| head.clone()).into_head(),
        leaves: Vec::new(),
    };
    // A node that gives no changes of validators leaves them to whoever checks.
    let led = trust::transitions(desk.node).unwrap_or_default();
    let proof = ledger::Conflict::new(seen.clone(), theirs, fault).led_by(led);
    Conflict {
        seen: (height, size),
        found,
        proof: Some(Box::new(proof)),
    }
}

/// What stopped this party, if something did.
///
/// # Errors
/// [`VaultError`].
pub fn stopped(vault: &dyn Vault) -> Result<Option<Conflict>, VaultError> {
    let mark: Option<Watermark> = vault::load(vault, Table::Watermark, MARK)?;
    Ok(mark.and_then(|mark| mark.stopped))
}

const MARK: &[u8] = b"head";
const BATCH: u32 = 1_000;
