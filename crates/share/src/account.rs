//! Accounts: register, rotate keys, join, attest, delegate.
//!
//! Source: protocol page, "Parties". A patient's public key is in the store before her
//! account names it; only an account can pin, so it is pinned right after.

use base::{
    AccountId, Digest, Millis, OperationId, Statement as _, cid,
    key::{OperationSecret, Signature},
    operation::{
        Attest, ConsentToJoin, Delegate, Join, KeyConsent, NewKey, PatientKeys, Power, Register,
        Role, RotateKey, Undelegate,
    },
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    desk::{Desk, LookError, SendError, Sent},
    identity::{BadSecrets, HpkeSecret, PatientSecrets, RecordSecret, secret},
    journal::{self, Plan},
    letter::{DelegateLetter, Letter, LetterError},
    node::NodeError,
    vault::{Table, VaultError},
    wallet::{KnownScope, Wallet},
};

/// Opens the account of the desk's party. A patient gives her secrets.
///
/// # Errors
/// [`AccountError`].
pub fn register(
    desk: &Desk<'_>,
    role: Role,
    patient: Option<&PatientSecrets>,
    peer: Option<Vec<u8>>,
) -> Result<Sent, AccountError> {
    let patient = match patient {
        Some(secrets) => {
            let public = secrets.master.public_params();
            let bytes = public.to_bytes();
            let h = cid::of_block(cid::RAW, &bytes);
            desk.node.put_block(&h, &bytes)?;
            let pkh = Digest(*public.pkh());
            Some(PatientKeys { pkh, h })
        }
        None => None,
    };
    let kept = patient.as_ref().map(|keys| keys.h);
    let sent = desk.send(Register {
        role,
        operation_key: desk.party.operation.public(),
        hpke_key: desk.party.hpke.public(),
        record_key: desk.party.proven_record_key(),
        peer: peer.map(ByteBuf::from),
        patient,
    })?;
    if let Some(h) = kept {
        desk.node.pin(&h)?;
    }
    Ok(sent)
}

/// Puts and pins a registered patient's public key again: for one whose registration
/// broke off before the pin.
///
/// # Errors
/// [`AccountError::Node`].
pub fn keep_public_key(desk: &Desk<'_>, secrets: &PatientSecrets) -> Result<(), AccountError> {
    let bytes = secrets.master.public_params().to_bytes();
    let h = cid::of_block(cid::RAW, &bytes);
    desk.node.put_block(&h, &bytes)?;
    Ok(desk.node.pin(&h)?)
}

/// A key that replaces one of the party's.
pub enum Replacement<'a> {
    /// The next operation key.
    Operation(&'a OperationSecret),
    /// The next HPKE key.
    Hpke(&'a HpkeSecret),
    /// The next record key.
    Record(&'a RecordSecret),
    /// The next peer id of a node.
    Peer(&'a [u8]),
}

/// Replaces one key of the desk's party; the caller changes its [`crate::identity::Party`]
/// once this returns. `compromised_after` is a height, if the old key is not trusted.
///
/// # Errors
/// [`AccountError`].
pub fn rotate_key(
    desk: &Desk<'_>,
    new: &Replacement<'_>,
    compromised_after: Option<u64>,
) -> Result<Sent, AccountError> {
    let party = desk.party;
    let new = match new {
        Replacement::Hpke(secret) => NewKey::Hpke(secret.public()),
        Replacement::Operation(secret) => {
            let consent = KeyConsent {
                chain: party.chain,
                account: party.account,
                sequence: desk.node.sequence(party.account)? + 1,
            };
            NewKey::Operation(secret.public(), secret.sign(&consent.preimage()))
        }
        Replacement::Record(secret) => {
            let key = secret.public();
            let claim = base::operation::RecordKeyClaim {
                chain: party.chain,
                account: party.account,
                key: key.clone(),
            };
            let proof = secret.sign(&claim.preimage());
            NewKey::Record(base::operation::ProvenRecordKey { key, proof })
        }
        Replacement::Peer(id) => NewKey::Peer(ByteBuf::from(*id)),
    };
    Ok(desk.send(RotateKey {
        new,
        compromised_after,
    })?)
}

/// An institution's consent that `account` joins it.
pub fn consent_to_join(desk: &Desk<'_>, account: AccountId) -> Signature {
    let consent = ConsentToJoin {
        chain: desk.party.chain,
        account,
        institution: desk.party.account,
    };
    desk.party.operation.sign(&consent.preimage())
}

/// Ties the desk's party to an institution that consents.
///
/// # Errors
/// [`AccountError`].
pub fn join(
    desk: &Desk<'_>,
    institution: AccountId,
    consent: Signature,
) -> Result<Sent, AccountError> {
    Ok(desk.send(Join {
        institution,
        consent,
    })?)
}

/// An institution says that it met a patient face to face.
///
/// # Errors
/// [`AccountError`].
pub fn attest(desk: &Desk<'_>, patient: AccountId) -> Result<Sent, AccountError> {
    Ok(desk.send(Attest { patient })?)
}

/// What a delegate gets: secrets and keys, but no place to put new ones.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegated {
    secrets: ByteBuf,
    scopes: Vec<KnownScope>,
    records: Vec<(base::RecordId, crate::wallet::KnownRecord)>,
    hospitals: Vec<AccountId>,
}

secret! { Delegated { secrets } }

/// Lets `delegate` act for the wallet's patient, until `expires`. Who may accept or
/// authorise gets what that needs, sealed to it: trust it like yourself. A call that was cut
/// short is finished by the next one for the same delegate and powers.
///
/// # Errors
/// [`AccountError`].
pub fn delegate(
    wallet: &Wallet<'_>,
    delegate: AccountId,
    powers: Vec<Power>,
    expires: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, AccountError> {
    let desk = &wallet.desk;
    let wanted = journal::wanted("delegate", &(delegate, &powers));
    if let Some(sent) = journal::resume(desk, wanted)? {
        return Ok(sent);
    }
    let to = desk.hpke_key(delegate)?;
    let needs_keys = powers
        .iter()
        .any(|power| matches!(power, Power::Accept | Power::Authorize));
    let mut head = Zeroizing::new(Vec::new());
    if needs_keys {
        let scopes: Vec<(Vec<u8>, KnownScope)> = crate::vault::load_all(desk.vault, Table::Scopes)?;
        *head = base::codec::encode(&Delegated {
            secrets: ByteBuf::from(wallet.secrets.to_bytes().to_vec()),
            scopes: scopes.into_iter().map(|(_, known)| known).collect(),
            records: wallet.records()?,
            hospitals: wallet.hospitals()?,
        });
    }
    let action = Delegate {
        delegate,
        powers,
        expires,
    };
    journal::send(desk, wanted, action, |delegation| {
        let mut plan = Plan::default();
        if needs_keys {
            let letter = Letter::Delegate(DelegateLetter {
                delegation,
                patient: wallet.patient,
                head: ByteBuf::from(head.to_vec()),
            });
            let sealed = letter.seal(desk.party.chain, &to, rng)?;
            plan.letters.push((delegate, sealed));
        }
        Ok(plan)
    })
}

/// A delegate takes in what it needs to act for a patient; its own vault for that patient
/// must be empty. The caller sets [`crate::identity::Party::delegation`].
///
/// # Errors
/// [`AccountError`].
pub fn receive_delegation(
    desk: &Desk<'_>,
    letter: &DelegateLetter,
) -> Result<PatientSecrets, AccountError> {
    let delegated: Delegated = base::codec::decode(&letter.head).map_err(|_| BadSecrets)?;
    let secrets = PatientSecrets::from_bytes(&delegated.secrets)?;
    let account = desk.account(letter.patient)?;
    let pkh = Digest(*secrets.master.public_params().pkh());
    if account.patient.map(|keys| keys.pkh) != Some(pkh) {
        return Err(BadSecrets.into());
    }
    for known in &delegated.scopes {
        let bytes = Zeroizing::new(base::codec::encode(known));
        desk.vault.put(
            Table::Scopes,
            &crate::scheme::sid_of(&known.scope).0,
            &bytes,
        )?;
    }
    for (record, known) in &delegated.records {
        crate::vault::save(desk.vault, Table::Parts, &record.0, known)?;
    }
    for hospital in &delegated.hospitals {
        crate::vault::save(desk.vault, Table::Hospitals, &hospital.0, &Millis(0))?;
    }
    Ok(secrets)
}

/// Ends a delegation.
///
/// # Errors
/// [`AccountError`].
pub fn undelegate(desk: &Desk<'_>, delegation: OperationId) -> Result<Sent, AccountError> {
    Ok(desk.send(Undelegate { delegation })?)
}

/// Why an account was not changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The letter holds no secrets of this patient.
    #[error(transparent)]
    Secrets(#[from] BadSecrets),
    /// The letter could not be sealed.
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
