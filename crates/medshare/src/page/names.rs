//! Names of accounts in the reader's own contacts.

use base::AccountId;
use pages::patient::{Party, Purpose};
use share::letter;
use std::collections::BTreeMap;

use crate::{
    cli::{contact, context::Entered, show},
    exit::Result,
};

/// Names by account; without any contacts, an account is called by its own beginning.
pub(super) struct Names(Option<BTreeMap<AccountId, String>>);

impl Names {
    pub(super) fn of(entered: &Entered) -> Result<Self> {
        let book = contact::book(&entered.session.vault)?;
        let names = book.into_iter().map(|(name, id)| (id, name));
        Ok(Self(Some(names.collect())))
    }

    /// Of a reader without a home.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) fn party(&self, id: AccountId) -> Party {
        Party {
            id,
            name: match &self.0 {
                Some(names) => names.get(&id).cloned(),
                None => Some(show::short(id)),
            },
        }
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.0.iter().flat_map(BTreeMap::keys).copied()
    }
}

/// A purpose in the page's words.
pub(super) const fn purpose(purpose: letter::Purpose) -> Purpose {
    match purpose {
        letter::Purpose::Treatment => Purpose::Treatment,
        letter::Purpose::EmergencyTreatment => Purpose::EmergencyTreatment,
        letter::Purpose::Research => Purpose::Research,
        letter::Purpose::PublicHealth => Purpose::PublicHealth,
        letter::Purpose::Coverage => Purpose::Coverage,
        letter::Purpose::PatientRequest => Purpose::PatientRequest,
    }
}

/// The same, as letters have it.
pub(super) const fn in_letter(purpose: Purpose) -> letter::Purpose {
    match purpose {
        Purpose::Treatment => letter::Purpose::Treatment,
        Purpose::EmergencyTreatment => letter::Purpose::EmergencyTreatment,
        Purpose::Research => letter::Purpose::Research,
        Purpose::PublicHealth => letter::Purpose::PublicHealth,
        Purpose::Coverage => letter::Purpose::Coverage,
        Purpose::PatientRequest => letter::Purpose::PatientRequest,
    }
}
