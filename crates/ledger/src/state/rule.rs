//! The rules. One file per area, as in `base::operation`; each rule a small function that
//! says no with one [`Failure`].

mod account;
mod admission;
mod care;
mod consortium;
mod ending;
mod grant;
mod query;
mod record;
mod recovery;
mod review;
mod scope;
mod validators;

pub(crate) use admission::{admit, opening_key};
pub(crate) use ending::end_block;
pub(crate) use recovery::MAX_DELAY;

use base::{
    AccountId, Action, ChainId, Cid, Millis, Operation, OperationId,
    genesis::Policy,
    key::OperationKey,
    operation::{Power, Role},
};
use std::sync::Arc;

use super::{
    Fault, IndexEntry, List, Overlay,
    entry::{Account, Delegation, Entry, Institution, Sequence},
    operation_key,
};
use crate::{
    assemble::Slot,
    leaf::{Failure, Outcome},
    validators::ValidatorSet,
};

/// What a block tells its operations.
#[derive(Clone, Copy, Debug)]
pub struct BlockContext<'a> {
    /// The ledger.
    pub chain: ChainId,
    /// Who decides the block.
    pub validators: &'a ValidatorSet,
    /// The first height that they decided.
    pub since: u64,
    /// Height of the block.
    pub height: u64,
    /// Time of the block: the only clock there is.
    pub time: Millis,
    /// Whose turn it is built in.
    pub slot: Slot,
    /// CID of the header before.
    pub previous: Cid,
    /// Time of the block before.
    pub last: Millis,
    /// Leaves before it.
    pub first_leaf: u64,
}

/// The key under which a batch already verified the ask inside a `Query`. A hint: when it
/// is not the querier's current key, the ask is verified again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Asked(pub Option<OperationKey>);

/// Applies one operation that [`admit`] let in. It uses the sequence number and becomes
/// leaf `index` whatever the outcome; a failed one changes nothing else.
///
/// # Errors
/// [`Fault`] when the state cannot be read; the overlay is of no use then.
pub fn apply(
    state: &mut Overlay<'_>,
    operation: &Operation,
    id: OperationId,
    index: u64,
    asked: Asked,
    block: &BlockContext<'_>,
) -> Result<Outcome, Fault> {
    state.put(
        &operation.account,
        &Sequence {
            last: operation.sequence,
        },
    );
    let mut work = Work {
        state,
        block,
        index,
        id,
        sender: operation.account,
        sequence: operation.sequence,
        principal: operation.account,
        asked,
    };
    work.list_item(List::Operations(operation.account));
    work.state.mark();
    match work.run(operation) {
        Ok(()) => Ok(Outcome::Ok),
        Err(Stop::Failed(failure)) => {
            work.state.roll_back();
            Ok(Outcome::Failed(failure))
        }
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

/// Why a rule ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The rule says no.
    Failed(Failure),
    /// The state cannot be read.
    Fault(Fault),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// `Err(failure)` unless the condition holds.
pub(crate) fn ensure(condition: bool, failure: Failure) -> Result<(), Stop> {
    condition.then_some(()).ok_or(Stop::Failed(failure))
}

/// One operation at work on the state.
pub(crate) struct Work<'o, 'a> {
    pub(crate) state: &'o mut Overlay<'a>,
    pub(crate) block: &'o BlockContext<'o>,
    /// The operation's leaf.
    pub(crate) index: u64,
    /// The operation.
    pub(crate) id: OperationId,
    /// Who signed it.
    pub(crate) sender: AccountId,
    /// Its sequence number.
    pub(crate) sequence: u64,
    /// For whom it is done: the sender, or the patient that delegated to the sender.
    pub(crate) principal: AccountId,
    pub(crate) asked: Asked,
}

impl Work<'_, '_> {
    fn run(&mut self, operation: &Operation) -> Result<(), Stop> {
        if let Action::Register(register) = &operation.action {
            ensure(operation.delegation.is_none(), Failure::PowerMissing)?;
            return account::register(self, register);
        }
        if let Some(delegation) = operation.delegation {
            self.principal = self.delegated(delegation, power_of(&operation.action))?;
        }
        let role = self.account(self.principal)?.role;
        ensure(may_send(role, &operation.action), Failure::WrongRole)?;
        self.dispatch(&operation.action)
    }

    fn dispatch(&mut self, action: &Action) -> Result<(), Stop> {
        match action {
            Action::Register(action) => account::register(self, action),
            Action::RotateKey(action) => account::rotate_key(self, action),
            Action::Join(action) => account::join(self, action),
            Action::Attest(action) => account::attest(self, action),
            Action::Delegate(action) => account::delegate(self, action),
            Action::Undelegate(action) => account::undelegate(self, action),
            Action::Admit(action) => consortium::admit(self, action),
            Action::SetPolicy(action) => consortium::set_policy(self, action),
            Action::Vote(action) => consortium::vote(self, action),
            Action::Resolve(action) => consortium::resolve(self, action),
            Action::Publish(action) => record::publish(self, action),
            Action::Modify(action) => record::modify(self, action),
            Action::Accept(action) => record::accept(self, action),
            Action::Reject(action) => record::reject(self, action),
            Action::Rewrap(action) => record::rewrap(self, action),
            Action::Erase(action) => record::erase(self, action),
            Action::RotateScope(action) => scope::rotate(self, action),
            Action::Bag(action) => scope::bag(self, action),
            Action::Request(action) => grant::request(self, action),
            Action::Authorize(action) => grant::authorize(self, action),
            Action::Deny(action) => grant::deny(self, action),
            Action::Revoke(action) => grant::revoke(self, action),
            Action::Query(action) => query::query(self, action),
            Action::Review(action) => review::review(self, action),
            Action::Emergency(action) => care::emergency(self, action),
            Action::Dispute(action) => care::dispute(self, action),
            Action::Redeem(action) => care::redeem(self, action),
            Action::Guard(action) => recovery::guard(self, action),
            Action::Unguard(action) => recovery::unguard(self, action),
            Action::Recover(action) => recovery::recover(self, action),
            Action::Object(action) => recovery::object(self, action),
            Action::CompleteRecovery(action) => recovery::complete(self, action),
            Action::Apply(action) => validators::apply(self, action),
            Action::Leave(action) => validators::leave(self, action),
            Action::Expel(action) => validators::expel(self, action),
            Action::DoubleSign(action) => validators::double_sign(self, action),
        }
    }

    /// The patient for whom `sender` acts under a delegation with this power.
    fn delegated(&self, id: OperationId, power: Option<Power>) -> Result<AccountId, Stop> {
        let power = power.ok_or(Failure::PowerMissing)?;
        let delegation = self.get::<Delegation>(&id)?.ok_or(Failure::NoDelegation)?;
        let in_force = delegation.delegate == self.sender
            && delegation.ended.is_none()
            && self.now() < delegation.expires;
        ensure(in_force, Failure::NoDelegation)?;
        ensure(delegation.powers.contains(&power), Failure::PowerMissing)?;
        Ok(delegation.patient)
    }

    pub(crate) fn now(&self) -> Millis {
        self.block.time
    }

    pub(crate) fn get<E: Entry>(&self, key: &E::Key) -> Result<Option<E>, Fault> {
        self.state.get(key)
    }

    /// An entry to look at only.
    pub(crate) fn find<E: Entry>(&self, key: &E::Key) -> Result<Option<Arc<E>>, Fault> {
        self.state.find(key)
    }

    pub(crate) fn put<E: Entry>(&mut self, key: &E::Key, entry: &E) {
        self.state.put(key, entry);
    }

    /// Puts this operation on a list.
    pub(crate) fn list_item(&mut self, list: List) {
        if let Some(item) = operation_key(self.id) {
            self.list_other(list, item);
        }
    }

    /// Puts something else on a list, at this operation's place.
    pub(crate) fn list_other(&mut self, list: List, item: [u8; 32]) {
        self.state.list(IndexEntry {
            list,
            leaf: self.index,
            item,
        });
    }

    pub(crate) fn account(&self, id: AccountId) -> Result<Arc<Account>, Stop> {
        Ok(self.find::<Account>(&id)?.ok_or(Failure::UnknownAccount)?)
    }

    /// An account of this role; another role counts as unknown.
    pub(crate) fn account_as(&self, id: AccountId, role: Role) -> Result<Arc<Account>, Stop> {
        let account = self.account(id)?;
        ensure(account.role == role, Failure::UnknownAccount)?;
        Ok(account)
    }

    pub(crate) fn policy(&self) -> Result<Arc<Policy>, Stop> {
        let policy = self.find::<Policy>(&())?;
        Ok(policy.ok_or_else(|| Fault::Damaged("no policy".into()))?)
    }

    /// The admitted institution that an account is, or joined.
    pub(crate) fn institution_of(&self, account: AccountId) -> Result<Option<Institution>, Fault> {
        if let Some(institution) = self.get::<Institution>(&account)? {
            return Ok(Some(institution));
        }
        let joined = self
            .find::<Account>(&account)?
            .and_then(|account| account.institution);
        joined.map_or(Ok(None), |institution| self.get(&institution))
    }

    /// Fails unless the sender itself is an admitted institution.
    pub(crate) fn require_institution(&self) -> Result<Institution, Stop> {
        let institution = self.get::<Institution>(&self.principal)?;
        Ok(institution.ok_or(Failure::NotAdmitted)?)
    }
}

/// What a delegate needs to send an action for a patient; none when nobody may.
fn power_of(action: &Action) -> Option<Power> {
    match action {
        Action::Accept(_) | Action::Reject(_) => Some(Power::Accept),
        Action::Authorize(_) | Action::Deny(_) => Some(Power::Authorize),
        Action::Revoke(_) | Action::Dispute(_) | Action::Object(_) => Some(Power::Protect),
        _ => None,
    }
}

/// Whose actions are whose. Protocol page: only a role's holder may send its operations.
fn may_send(role: Role, action: &Action) -> bool {
    match action {
        Action::Register(_)
        | Action::RotateKey(_)
        | Action::Dispute(_)
        | Action::Redeem(_)
        | Action::Recover(_)
        | Action::CompleteRecovery(_)
        | Action::DoubleSign(_) => true,
        Action::Join(_) => role != Role::Patient,
        Action::Attest(_) | Action::Request(_) | Action::Review(_) => {
            matches!(role, Role::Hospital | Role::Requester)
        }
        Action::Admit(_)
        | Action::SetPolicy(_)
        | Action::Vote(_)
        | Action::Resolve(_)
        | Action::Apply(_)
        | Action::Leave(_)
        | Action::Expel(_) => role == Role::Node,
        Action::Publish(_) | Action::Modify(_) | Action::Emergency(_) => role == Role::Hospital,
        Action::Erase(_) => matches!(role, Role::Hospital | Role::Patient),
        Action::Query(_) => role == Role::Agent,
        Action::Delegate(_)
        | Action::Undelegate(_)
        | Action::Accept(_)
        | Action::Reject(_)
        | Action::Rewrap(_)
        | Action::RotateScope(_)
        | Action::Bag(_)
        | Action::Authorize(_)
        | Action::Deny(_)
        | Action::Revoke(_)
        | Action::Guard(_)
        | Action::Unguard(_)
        | Action::Object(_) => role == Role::Patient,
    }
}
