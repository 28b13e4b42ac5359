//! The owner: names her guardians, ends that, and objects to a recovery that is not hers.

use base::{
    AccountId, Digest, OperationId, Salt,
    key::HpkeKey,
    operation::{Guard, GuardianSet, MAX_GUARDIANS, Member, Object, Unguard},
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;
use thiserror::Error;

use super::{
    letters::ShareLetter,
    shamir::{self, Share},
};
use crate::{
    bag::{self, BagEntry, BagError, Phrase},
    desk::{Desk, LookError, SendError, Sent},
    identity::random,
    journal::{self, Plan},
    letter::{Letter, LetterError},
    node::NodeError,
    vault::{self, Table, VaultError},
    wallet::Wallet,
};

/// Whom she names, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guards {
    /// Registered accounts, hers not among them; at most [`MAX_GUARDIANS`].
    pub guardians: Vec<AccountId>,
    /// How many of them must help, at least two.
    pub threshold: usize,
    /// Milliseconds in which she may object; the policy of the ledger has a minimum.
    pub delay: u64,
}

/// Whom she named: in her vault and her key bag under the set's digest. The ledger says
/// which set is in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedGuardians {
    /// By their places, from 1.
    pub guardians: Vec<AccountId>,
    /// How many must help.
    pub threshold: u8,
}

/// Names guardians in place of those before: each is sent a share of the phrase, sealed to
/// it, once the ledger has the `Guard`. A call that was cut short is finished by the next
/// one for the same guardians, threshold and delay.
///
/// # Errors
/// [`GuardError`].
pub fn guard(
    wallet: &Wallet<'_>,
    phrase: &Phrase,
    guards: &Guards,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, GuardError> {
    let desk = &wallet.desk;
    let keys = check(wallet, phrase, guards)?;
    let wanted = journal::wanted(
        "guard",
        &(&guards.guardians, guards.threshold as u64, guards.delay),
    );
    if let Some(sent) = journal::resume(desk, wanted)? {
        return Ok(sent);
    }
    let shared = Shared::new(phrase, guards, rng)?;
    // Known before the ledger hears of it: a restored wallet knows whom she named.
    let named = NamedGuardians {
        guardians: guards.guardians.clone(),
        threshold: shared.set.threshold,
    };
    let set = shared.set.digest();
    bag::add(wallet, vec![BagEntry::Guardians { set, named }])?;
    bag::sync(wallet, rng)?;
    let action = Guard {
        set,
        delay: guards.delay,
    };
    journal::send(desk, wanted, action, |guard| {
        let mut plan = Plan::default();
        for (place, (guardian, key)) in guards.guardians.iter().zip(&keys).enumerate() {
            let letter = Letter::Share(shared.letter(wallet.patient, guard, place));
            let sealed = letter.seal(desk.party.chain, key, rng)?;
            plan.letters.push((*guardian, sealed));
        }
        Ok(plan)
    })
}

/// The guardians' keys, if all that she says can be.
fn check(
    wallet: &Wallet<'_>,
    phrase: &Phrase,
    guards: &Guards,
) -> Result<Vec<HpkeKey>, GuardError> {
    if phrase.bag().locator != wallet.secrets.bag.locator {
        return Err(GuardError::OtherPhrase);
    }
    let distinct: BTreeSet<_> = guards.guardians.iter().collect();
    if distinct.len() != guards.guardians.len() || distinct.contains(&wallet.patient) {
        return Err(GuardError::NotDistinct);
    }
    let count = guards.guardians.len();
    if !(2..=count).contains(&guards.threshold) || count > MAX_GUARDIANS {
        return Err(GuardError::Threshold {
            threshold: guards.threshold,
            count,
        });
    }
    let keys = guards.guardians.iter();
    Ok(keys
        .map(|guardian| wallet.desk.hpke_key(*guardian))
        .collect::<Result<_, _>>()?)
}

/// Shares with what commits to them.
struct Shared {
    set: GuardianSet,
    shares: Vec<Share>,
    openings: Vec<Salt>,
    salts: Vec<Salt>,
}

impl Shared {
    fn new(phrase: &Phrase, guards: &Guards, rng: &mut dyn CryptoRng) -> Result<Self, GuardError> {
        let count = guards.guardians.len();
        let wrong = GuardError::Threshold {
            threshold: guards.threshold,
            count,
        };
        let shares = shamir::split(phrase.entropy(), guards.threshold, count, rng).ok_or(wrong)?;
        let openings: Vec<Salt> = shares.iter().map(|_| Salt(random(rng))).collect();
        let salts: Vec<Salt> = shares.iter().map(|_| Salt(random(rng))).collect();
        let mut members: Vec<Digest> = shares
            .iter()
            .zip(&guards.guardians)
            .zip(openings.iter().zip(&salts))
            .map(|((share, guardian), (opening, salt))| {
                let member = Member {
                    guardian: *guardian,
                    share: share.commitment(opening),
                };
                member.commitment(salt)
            })
            .collect();
        // The length of the list tells nobody how many there are.
        members.resize_with(MAX_GUARDIANS, || Digest(random(rng)));
        let set = GuardianSet {
            threshold: guards.threshold as u8, // at most 16
            members,
        };
        Ok(Self {
            set,
            shares,
            openings,
            salts,
        })
    }

    fn letter(&self, owner: AccountId, guard: OperationId, place: usize) -> ShareLetter {
        let share = &self.shares[place];
        ShareLetter {
            guard,
            owner,
            set: self.set.clone(),
            index: share.index,
            salt: self.salts[place],
            opening: self.openings[place],
            share: ByteBuf::from(share.value.as_secret().to_vec()),
        }
    }
}

/// Whom she named in the set that is in force, if this wallet knows it.
///
/// # Errors
/// [`VaultError`].
pub fn named(desk: &Desk<'_>, set: Digest) -> Result<Option<NamedGuardians>, VaultError> {
    vault::load(desk.vault, Table::Guardians, &set.0)
}

/// Nobody may recover the account any more. The guardians' wallets destroy their shares
/// when they see it; one that does not keeps its share.
///
/// # Errors
/// [`SendError`].
pub fn unguard(desk: &Desk<'_>, guard: OperationId) -> Result<Sent, SendError> {
    desk.send(Unguard { guard })
}

/// Ends a recovery that waits.
///
/// # Errors
/// [`SendError`].
pub fn object(desk: &Desk<'_>, recovery: OperationId) -> Result<Sent, SendError> {
    desk.send(Object { recovery })
}

/// Why no guardians were named.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The phrase is another wallet's.
    #[error("this is not the backup phrase of this wallet")]
    OtherPhrase,
    /// An account twice, or her own.
    #[error("guardians are different accounts, and none of them is your own")]
    NotDistinct,
    /// Too few or too many.
    #[error(
        "{threshold} of {count} is no threshold: at least 2, at most all, of at most {MAX_GUARDIANS} guardians"
    )]
    Threshold {
        /// How many must help.
        threshold: usize,
        /// How many there are.
        count: usize,
    },
    /// The key bag did not take the names.
    #[error(transparent)]
    Bag(#[from] BagError),
    /// A share could not be sealed.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// Logging.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The ledger's side.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
