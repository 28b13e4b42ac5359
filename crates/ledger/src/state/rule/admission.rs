//! What an operation must be to enter the log at all. These checks leave no leaf.

use base::{AccountId, Action, key::OperationKey};

use super::{BlockContext, Fault, Overlay};
use crate::{
    leaf::Refusal,
    state::entry::{Account, Sequence},
    verify::Checked,
};

/// Lets an operation in, or says why not.
pub(crate) fn admit(
    state: &Overlay<'_>,
    checked: &Checked,
    block: &BlockContext<'_>,
) -> Result<Result<(), Refusal>, Fault> {
    let operation = checked.operation();
    if operation.chain != block.chain {
        return Ok(Err(Refusal::WrongChain));
    }
    let account = state.find::<Account>(&operation.account)?;
    let stored = account.and_then(|account| account.operation_key());
    let Some(key) = stored.or_else(|| opening_key(operation.account, &operation.action)) else {
        return Ok(Err(Refusal::UnknownAccount));
    };
    let last = state
        .get::<Sequence>(&operation.account)?
        .unwrap_or_default()
        .last;
    if operation.sequence != last.saturating_add(1) {
        return Ok(Err(Refusal::WrongSequence {
            expected: last.saturating_add(1),
            found: operation.sequence,
        }));
    }
    // A key rotated since the batch was verified: judge again under the current one.
    if !checked.is_under(&key) && checked.verify_under(&key).is_err() {
        return Ok(Err(Refusal::BadSignature));
    }
    Ok(Ok(()))
}

/// The key of an account that its own `Register` opens.
pub(crate) fn opening_key(account: AccountId, action: &Action) -> Option<OperationKey> {
    match action {
        Action::Register(register) if AccountId::of(&register.operation_key) == account => {
            Some(register.operation_key)
        }
        _ => None,
    }
}
