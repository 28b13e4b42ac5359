//! The journal: what hangs on an operation is durable before the operation is sent.
//!
//! A party may die anywhere between its vault and the ledger. So an intent comes first: the
//! signed operation, the letters that it lets go, and what the vault notes once it took
//! effect, or once it has not. The sequence number makes an operation unique: the ledger
//! takes one under each. So an intent may be sent again, and it ends when its number is
//! used up. Nothing is sent again unless its verb is called again.

use base::{AccountId, Action, Cid, Digest, OperationId, SignedOperation, codec};
use ledger::Refusal;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use crate::{
    desk::{Desk, SendError, Sent},
    follow,
    node::NodeError,
    outbox::{self, Posted},
    vault::{self, Table, Vault, VaultError},
};

/// What hangs on one operation.
#[derive(Default)]
pub(crate) struct Plan {
    /// In the vault before the operation is sent; gone again if it does not take effect.
    pub(crate) before: Vec<(Table, Vec<u8>, Zeroizing<Vec<u8>>)>,
    /// Letters that go once it took effect: to whom, sealed.
    pub(crate) letters: Vec<(AccountId, Vec<u8>)>,
    /// What is noted once it took effect; nothing secret.
    pub(crate) after: Vec<Note>,
}

/// A change of the vault: what to put, or `None` to delete.
pub(crate) type Note = (Table, ByteBuf, Option<ByteBuf>);

impl Plan {
    /// Puts a canonical object before the operation is sent.
    pub(crate) fn before<T: Serialize>(&mut self, table: Table, key: &[u8], value: &T) {
        let value = Zeroizing::new(codec::encode(value));
        self.before.push((table, key.to_vec(), value));
    }
}

/// A plan whose operation has no outcome yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Intent {
    wanted: Digest,
    operation: SignedOperation,
    letters: Vec<Digest>,
    after: Vec<Note>,
    undo: Vec<(Table, ByteBuf)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pins: Vec<Cid>,
    /// What it pins may not be pinned yet: then it was never sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unsent: bool,
}

/// Names what a caller wants, so that a repeated call finds the one that was cut short.
pub(crate) fn wanted<T: Serialize>(verb: &str, what: &T) -> Digest {
    Digest::of(&codec::encode(&(verb, what)))
}

/// Ends every intent whose operation has an outcome, and every one whose sequence number
/// the node says is used by another operation.
///
/// # Errors
/// [`SendError`]; what is not ended stays.
pub fn settle(desk: &Desk<'_>) -> Result<(), SendError> {
    for intent in unfinished(desk)? {
        settle_one(desk, &intent)?;
    }
    Ok(())
}

/// Finishes an earlier call for the same thing: the operation that took effect without
/// the caller hearing of it, or its very bytes sent again. `None` if there was none.
pub(crate) fn resume(desk: &Desk<'_>, wanted: Digest) -> Result<Option<Sent>, SendError> {
    for intent in unfinished(desk)? {
        let mut outcome = settle_one(desk, &intent)?;
        if intent.wanted != wanted {
            continue;
        }
        if outcome.is_none() {
            outcome = Some(submit(desk, &intent));
        }
        match outcome {
            Some(Err(error)) if expected(&error).is_none() => return Err(error),
            Some(Ok(sent)) => return Ok(Some(sent)),
            _ => {}
        }
    }
    Ok(None)
}

/// Sends `action` with what `plan` hangs on it, given the id that it will have.
pub(crate) fn send<E: From<SendError>>(
    desk: &Desk<'_>,
    wanted: Digest,
    action: impl Into<Action>,
    plan: impl FnMut(OperationId) -> Result<Plan, E>,
) -> Result<Sent, E> {
    send_pinned(desk, wanted, action, &[], plan)
}

/// [`send`], for an operation that brings `roots`: they are pinned before it is sent, and
/// unpinned if it does not take effect. `plan` stores what they reach, with every try: what
/// is unpinned after one is gone.
pub(crate) fn send_pinned<E: From<SendError>>(
    desk: &Desk<'_>,
    wanted: Digest,
    action: impl Into<Action>,
    roots: &[Cid],
    mut plan: impl FnMut(OperationId) -> Result<Plan, E>,
) -> Result<Sent, E> {
    let action = action.into();
    let mut sequence = desk.next_sequence()?;
    let mut again = true;
    loop {
        let signed = desk.sign(action.clone(), sequence);
        let id = signed.to_bytes().1;
        let plan = plan(id)?;
        let mut intent = begin(desk, wanted, signed, plan, roots).map_err(SendError::from)?;
        intent.pin(desk)?;
        match submit(desk, &intent) {
            // another process of this party was faster
            Err(error) if again && expected(&error).is_some_and(|other| other != sequence) => {
                sequence = expected(&error).unwrap_or(sequence);
                again = false;
            }
            other => return Ok(other?),
        }
    }
}

fn expected(error: &SendError) -> Option<u64> {
    match error {
        SendError::Node(NodeError::Refused(Refusal::WrongSequence { expected, .. })) => {
            Some(*expected)
        }
        _ => None,
    }
}

/// The intents that may have been sent. One that never was is undone: what it would pin may
/// be gone from the store by now.
fn unfinished(desk: &Desk<'_>) -> Result<Vec<Intent>, SendError> {
    let mut sent = Vec::new();
    for (_, intent) in vault::load_all::<Intent>(desk.vault, Table::Journal)? {
        if intent.unsent {
            intent.undo(desk)?;
        } else {
            sent.push(intent);
        }
    }
    Ok(sent)
}

/// See [`crate::checkup::unfinished`].
pub(crate) fn unfinished_operations(
    vault: &dyn Vault,
) -> Result<Vec<(OperationId, &'static str)>, VaultError> {
    let entries = vault::load_all::<Intent>(vault, Table::Journal)?;
    let named = |(_, intent): (_, Intent)| {
        let operation = &intent.operation;
        (operation.to_bytes().1, operation.body.action.name())
    };
    Ok(entries.into_iter().map(named).collect())
}

fn begin(
    desk: &Desk<'_>,
    wanted: Digest,
    operation: SignedOperation,
    plan: Plan,
    roots: &[Cid],
) -> Result<Intent, VaultError> {
    let posted: Vec<(Digest, Vec<u8>)> = plan
        .letters
        .iter()
        .map(|(to, letter)| Posted::entry(*to, letter, true))
        .collect();
    let undo = |(table, key, _): &(Table, Vec<u8>, _)| (*table, ByteBuf::from(key.clone()));
    let intent = Intent {
        wanted,
        operation,
        letters: posted.iter().map(|(name, _)| *name).collect(),
        after: plan.after,
        undo: plan.before.iter().map(undo).collect(),
        unsent: !roots.is_empty(),
        pins: roots.to_vec(),
    };
    let (name, bytes) = (intent.name(), codec::encode(&intent));
    let mut changes: Vec<vault::Change<'_>> = vec![(Table::Journal, &name, Some(&bytes))];
    for (table, key, value) in &plan.before {
        changes.push((*table, key, Some(value)));
    }
    for (name, entry) in &posted {
        changes.push((Table::Outbox, &name.0, Some(entry)));
    }
    desk.vault.apply(&changes)?;
    Ok(intent)
}

/// Sends the intent's operation, and ends the intent if that gave an outcome.
fn submit(desk: &Desk<'_>, intent: &Intent) -> Result<Sent, SendError> {
    let sent = desk.submit(&intent.operation);
    match &sent {
        Ok(_) => intent.took_effect(desk)?,
        Err(SendError::Failed { .. }) => intent.undo(desk)?,
        Err(SendError::Node(NodeError::Refused(_))) => {
            // It may be this very operation that has used the number.
            return settle_one(desk, intent)?.unwrap_or_else(|| {
                intent.undo(desk)?;
                sent
            });
        }
        Err(_) => {} // nobody knows yet
    }
    sent
}

/// The outcome of an intent, which ends with it; `None` while its number is still free.
fn settle_one(
    desk: &Desk<'_>,
    intent: &Intent,
) -> Result<Option<Result<Sent, SendError>>, SendError> {
    let sequence = intent.operation.body.sequence;
    if desk.next_sequence()? <= sequence {
        return Ok(None);
    }
    follow::advance(desk).map_err(Box::new)?; // a forked ledger ends nothing
    let Some(receipt) = desk.node.receipt(intent.operation.to_bytes().1)? else {
        intent.undo(desk)?;
        return Ok(Some(Err(NodeError::Refused(Refusal::WrongSequence {
            expected: desk.next_sequence()?,
            found: sequence,
        })
        .into())));
    };
    let outcome = desk.judge(receipt, &intent.operation);
    match &outcome {
        Ok(_) => intent.took_effect(desk)?,
        Err(SendError::Failed { .. }) => intent.undo(desk)?,
        Err(_) => return Ok(Some(outcome)),
    }
    Ok(Some(outcome))
}

impl Intent {
    fn name(&self) -> Vec<u8> {
        self.operation.to_bytes().1.0.to_bytes()
    }

    /// Pins what is to be pinned, and notes that it is.
    fn pin(&mut self, desk: &Desk<'_>) -> Result<(), SendError> {
        if self.unsent {
            for root in &self.pins {
                desk.node.pin(root)?;
            }
            self.unsent = false;
            vault::save(desk.vault, Table::Journal, &self.name(), self)?;
        }
        Ok(())
    }

    /// Lets the letters go and notes what is to be noted, in one step.
    fn took_effect(&self, desk: &Desk<'_>) -> Result<(), VaultError> {
        let mut released = Vec::new();
        for name in &self.letters {
            if let Some(letter) = vault::load::<Posted>(desk.vault, Table::Outbox, &name.0)? {
                released.push((name, codec::encode(&letter.released())));
            }
        }
        let name = self.name();
        let mut changes: Vec<vault::Change<'_>> = vec![(Table::Journal, &name, None)];
        for (name, entry) in &released {
            changes.push((Table::Outbox, &name.0, Some(entry)));
        }
        for (table, key, value) in &self.after {
            changes.push((*table, key, value.as_ref().map(|value| value.as_slice())));
        }
        desk.vault.apply(&changes)?;
        outbox::try_flush(desk);
        Ok(())
    }

    /// Takes back what was put and pinned before: the operation never took effect.
    fn undo(&self, desk: &Desk<'_>) -> Result<(), SendError> {
        // First: once the intent is gone, nobody knows of them.
        for root in &self.pins {
            desk.node.unpin(root)?;
        }
        let name = self.name();
        let mut changes: Vec<vault::Change<'_>> = vec![(Table::Journal, &name, None)];
        for name in &self.letters {
            changes.push((Table::Outbox, &name.0, None));
        }
        for (table, key) in &self.undo {
            changes.push((*table, key, None));
        }
        Ok(desk.vault.apply(&changes)?)
    }
}
