//! Single entries of the state, and what is computed from a few of them.

use base::{
    AccountId, Cid, Millis, OperationId, RecordId, ScopeId, genesis::Policy, operation::VoucherId,
};

use super::{MAX_PAGE, View, decode, fault};
use crate::{
    credit::{self, Ranked},
    state::{
        Fault, Overlay,
        entry::{
            Account, BagState, Balance, CreditEntry, Delegation, DisputeState, EmergencyState,
            Entry, Grant, Guardianship, Institution, Proposal, Punishment, QueryState, Record,
            Recovery, RequestState, ScopeState, Sequence, Standing, StateInfo, Totals, Voucher,
        },
    },
};

macro_rules! lookups {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $entry:ty = $key:expr;)*) => {
        // What stands in the state.
        impl View {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`Fault`].
            pub fn $name(&self, $($argument: $type),*) -> Result<Option<$entry>, Fault> {
                self.entry::<$entry>(&$key)
            })*
        }
    };
}

lookups! {
    /// An account.
    account(id: AccountId) -> Account = id;
    /// An institution, if the consortium admitted it.
    institution(id: AccountId) -> Institution = id;
    /// A delegation.
    delegation(id: OperationId) -> Delegation = id;
    /// A proposal.
    proposal(id: OperationId) -> Proposal = id;
    /// A patient's newest key bag.
    bag(patient: AccountId) -> BagState = patient;
    /// A record.
    record(id: RecordId) -> Record = id;
    /// One state of a record.
    state_of(record: RecordId, state: Cid) -> StateInfo = (record, state);
    /// One scope of a patient: none means neither granted nor rotated.
    scope(patient: AccountId, sid: ScopeId) -> ScopeState = (patient, sid);
    /// A request.
    request(id: OperationId) -> RequestState = id;
    /// A grant.
    grant(id: OperationId) -> Grant = id;
    /// A successful query.
    query(id: OperationId) -> QueryState = id;
    /// The last emergency of a hospital for a patient.
    emergency(hospital: AccountId, patient: AccountId) -> EmergencyState = (hospital, patient);
    /// A dispute.
    dispute(id: OperationId) -> DisputeState = id;
    /// A voucher.
    voucher(id: VoucherId) -> Voucher = id;
    /// A line of an account's credit journal; lines are numbered from 0.
    credit(account: AccountId, number: u64) -> CreditEntry = (account, number);
    /// Who may recover an account.
    guardianship(account: AccountId) -> Guardianship = account;
    /// A recovery.
    recovery(id: OperationId) -> Recovery = id;
    /// A validator's punishment for a height.
    punishment(validator: AccountId, height: u64) -> Punishment = (validator, height);
    /// What a ranking says of an account, before decay.
    standing(account: AccountId) -> Standing = account;
}

// What is computed from state and lists.
impl View {
    pub(super) fn entry<E: Entry>(&self, key: &E::Key) -> Result<Option<E>, Fault> {
        Overlay::new(&self.snapshot).get(key)
    }

    /// Last sequence number that an account used; 0 if none.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn sequence(&self, account: AccountId) -> Result<u64, Fault> {
        Ok(self.entry::<Sequence>(&account)?.unwrap_or_default().last)
    }

    /// The policy in force.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn policy(&self) -> Result<Policy, Fault> {
        self.entry::<Policy>(&())?
            .ok_or_else(|| Fault::Damaged("no policy".into()))
    }

    /// The admitted institution that an account is or joined.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn institution_of(&self, account: AccountId) -> Result<Option<Institution>, Fault> {
        if let Some(institution) = self.institution(account)? {
            return Ok(Some(institution));
        }
        let joined = self.account(account)?.and_then(|found| found.institution);
        joined.map_or(Ok(None), |institution| self.institution(institution))
    }

    /// An account's credits; zero for one that never earned.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn balance(&self, account: AccountId) -> Result<Balance, Fault> {
        Ok(self.entry::<Balance>(&account)?.unwrap_or_default())
    }

    /// All credits ever minted and burnt.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn totals(&self) -> Result<Totals, Fault> {
        Ok(self.entry::<Totals>(&())?.unwrap_or_default())
    }

    /// An account's credit journal from line `from`, at most 10,000 lines.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn journal(&self, account: AccountId, from: u64) -> Result<Vec<CreditEntry>, Fault> {
        let end = self.balance(account)?.entries;
        (from..end)
            .take(MAX_PAGE)
            .filter_map(|number| self.credit(account, number).transpose())
            .collect()
    }

    /// Vouchers of an account, by tier.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn vouchers_of(&self, account: AccountId) -> Result<Vec<Voucher>, Fault> {
        (1..=self.balance(account)?.tier)
            .filter_map(|tier| self.voucher(VoucherId { account, tier }).transpose())
            .collect()
    }

    /// Hospitals by decayed credit at `now`, best first, with the reviews behind it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn ranking(&self, now: Millis) -> Result<Vec<Ranked>, Fault> {
        let half_life = self.policy()?.half_life_days;
        let mut standings = Vec::new();
        let range = [Standing::TAG].as_slice()..[Standing::TAG + 1].as_slice();
        for item in self.snapshot.scanned.range::<&[u8]>(range).map_err(fault)? {
            let (key, value) = item.map_err(fault)?;
            let id = key.value().get(1..).and_then(|id| id.try_into().ok());
            let id = id.ok_or_else(|| Fault::Damaged("a standing's key".into()))?;
            standings.push((AccountId(id), decode::<Standing>(value.value())?));
        }
        let mut ranking = Vec::new();
        for (id, standing) in standings {
            if credit::is_ranked(self.account(id)?) {
                let balance = self.balance(id)?.amount;
                ranking.push(credit::rank(id, standing, balance, now, half_life));
            }
        }
        credit::sort(&mut ranking);
        Ok(ranking)
    }
}
