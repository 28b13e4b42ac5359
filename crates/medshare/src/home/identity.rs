//! The party's keys inside the vault, and how a new party's are made.
//!
//! The operation key comes from the backup phrase; every other key is fresh randomness.
//! A key that replaces another is durable here before the ledger hears of it.

use anchor::Chain;
use base::{AccountId, ChainId, OperationId, codec, key::OperationSecret, operation::Role};
use serde::{Deserialize, Serialize};
use share::{
    bag::Phrase,
    identity::{HpkeSecret, Party, PatientSecrets, RecordSecret},
    post::former_key,
    vault::Table,
};
use zeroize::Zeroizing;

use super::vault::LocalVault;
use crate::{
    exit::{Exit, Fault, Result},
    peers::key::PeerSeed,
    system::{self, OsRng},
};

/// A party's keys and, for patients, her secrets.
pub struct Identity {
    /// The party, as the protocol's verbs take it.
    pub party: Party,
    /// What only a patient has; a delegate's home has those of its ward.
    pub patient: Option<PatientSecrets>,
    /// The patient that this home acts for, if it is a delegate's.
    pub ward: Option<AccountId>,
    /// The account that is recovered into this home: until that is done, the party is the
    /// device's own.
    pub recovering: Option<AccountId>,
    /// The key of a node's peer id.
    pub peer: Option<PeerSeed>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.party.fmt(f)
    }
}

impl Identity {
    /// Fresh keys for `role`, around the operation key that the phrase gives.
    pub fn generate(role: Role, chain: ChainId, phrase: &Phrase) -> Self {
        let mut rng = OsRng;
        let mut party = Party::new(chain, phrase.operation(), HpkeSecret::generate(&mut rng));
        if role == Role::Hospital {
            party = party.with_record_key(RecordSecret::generate(&mut rng));
        }
        let patient =
            (role == Role::Patient).then(|| PatientSecrets::generate(phrase.bag(), &mut rng));
        Self {
            party,
            patient,
            ward: None,
            recovering: None,
            peer: (role == Role::Node).then(PeerSeed::generate),
        }
    }

    /// A patient's keys before her key bag is fetched: only the phrase's.
    pub fn bare(chain: ChainId, phrase: &Phrase) -> Self {
        Self::only(chain, phrase.operation())
    }

    /// The account's current operation key alone, for a bag whose phrase is another one's.
    pub fn recovered(chain: ChainId, owner: AccountId, operation: OperationSecret) -> Self {
        let mut identity = Self::only(chain, operation);
        identity.party.account = owner;
        identity
    }

    /// Fresh keys for a device on which `owner` starts again.
    pub fn device(chain: ChainId, owner: AccountId) -> Self {
        let mut identity = Self::only(chain, OperationSecret::new(system::random32()));
        identity.recovering = Some(owner);
        identity
    }

    fn only(chain: ChainId, operation: OperationSecret) -> Self {
        let hpke = HpkeSecret::generate(&mut OsRng);
        Self {
            party: Party::new(chain, operation, hpke),
            patient: None,
            ward: None,
            recovering: None,
            peer: None,
        }
    }

    /// A patient's keys as her phrase and her key bag give them. The account is that of the
    /// phrase's operation key, whichever key it has by now.
    pub fn restored(
        chain: ChainId,
        phrase: &Phrase,
        operation: OperationSecret,
        hpke: HpkeSecret,
        secrets: PatientSecrets,
    ) -> Self {
        let mut party = Party::new(chain, phrase.operation(), hpke);
        party.operation = operation;
        Self {
            party,
            patient: Some(secrets),
            ward: None,
            recovering: None,
            peer: None,
        }
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        self.party.account
    }

    /// The account whose home this is, or will be.
    pub fn home_of(&self) -> AccountId {
        self.recovering.unwrap_or(self.party.account)
    }

    /// The patient whose wallet this is: the account itself, or its ward.
    pub fn acts_for(&self) -> AccountId {
        self.ward.unwrap_or(self.party.account)
    }

    /// The patient's secrets.
    ///
    /// # Errors
    /// [`Exit::Role`] in another role's home.
    pub fn patient(&self) -> Result<&PatientSecrets> {
        self.not_recovering()?;
        self.patient
            .as_ref()
            .ok_or_else(|| Fault::new(Exit::Role, "this takes a patient's home"))
    }

    /// Refuses a home that is not its owner's yet.
    ///
    /// # Errors
    /// [`Exit::Pending`].
    pub fn not_recovering(&self) -> Result<()> {
        match self.recovering {
            None => Ok(()),
            Some(owner) => Err(Fault::new(
                Exit::Pending,
                format!(
                    "{owner} is being recovered into this home; `medshare wallet recover finish` goes on with it"
                ),
            )),
        }
    }

    /// Writes every key into the vault in one step.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn save(&self, vault: &LocalVault) -> Result<()> {
        self.save_in_place_of(vault, &[])
    }

    /// The same, and deletes what a device's account left, in one step.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn save_in_place_of(&self, vault: &LocalVault, traces: &[(Table, Vec<u8>)]) -> Result<()> {
        let mut entries: Vec<(&[u8], Zeroizing<Vec<u8>>)> = vec![
            (OPERATION, copy(self.party.operation.as_secret())),
            (HPKE, copy(self.party.hpke.as_secret())),
            (ACCOUNT, Zeroizing::new(self.home_of().0.to_vec())),
        ];
        if let Some(record) = &self.party.record {
            entries.push((RECORD, copy(record.as_secret())));
        }
        if let Some(patient) = &self.patient {
            entries.push((PATIENT, patient.to_bytes()));
        }
        if let Some(peer) = &self.peer {
            entries.push((PEER, copy(peer.as_secret())));
        }
        let mut changes: Vec<_> = entries
            .iter()
            .map(|(name, value)| (TABLE, *name, Some(value.as_slice())))
            .collect();
        let recovering = self.recovering.map(|owner| owner.0);
        changes.push((
            TABLE,
            RECOVERING,
            recovering.as_ref().map(|owner| &owner[..]),
        ));
        for (table, key) in traces {
            changes.push((table.name(), key, None));
        }
        vault.write_all(&changes)
    }

    /// Reads the keys of `account` on `chain`.
    ///
    /// # Errors
    /// [`Exit::Home`] when one is missing or damaged.
    pub fn load(vault: &LocalVault, chain: ChainId, account: AccountId) -> Result<Self> {
        let bytes = |name: &[u8]| -> Result<Option<[u8; 32]>> {
            vault
                .read(TABLE, name)?
                .map(|value| value.as_slice().try_into().map_err(|_| damaged(name)))
                .transpose()
        };
        let needed = |name: &[u8]| bytes(name)?.ok_or_else(|| damaged(name));
        // The facts stand in a file that nothing seals; a home made before has no note here.
        if bytes(ACCOUNT)?.is_some_and(|noted| noted != account.0) {
            return Err(Fault::new(
                Exit::Home,
                format!(
                    "home.toml names the account {account}, which is not this home's; restore it from the backup"
                ),
            ));
        }
        let (delegation, ward) = match vault.read(TABLE, WARD)? {
            None => (None, None),
            Some(bytes) => {
                let ward: Ward = codec::decode(&bytes).map_err(|_| damaged(WARD))?;
                (Some(ward.delegation), Some(ward.patient))
            }
        };
        let operation = OperationSecret::new(needed(OPERATION)?);
        let recovering = bytes(RECOVERING)?.map(AccountId);
        let account = match recovering {
            Some(_) => AccountId::of(&operation.public()),
            None => account,
        };
        let party = Party {
            chain,
            account,
            operation,
            hpke: HpkeSecret::new(needed(HPKE)?),
            record: bytes(RECORD)?.map(RecordSecret::new),
            delegation,
        };
        let patient = vault
            .read(TABLE, PATIENT)?
            .map(|bytes| PatientSecrets::from_bytes(&bytes).map_err(|_| damaged(PATIENT)))
            .transpose()?;
        Ok(Self {
            party,
            patient,
            ward,
            recovering,
            peer: bytes(PEER)?.map(PeerSeed::new),
        })
    }

    /// The key of a node's peer id; a home that was made before nodes had one gets it now.
    ///
    /// # Errors
    /// [`Exit::Home`], [`Exit::Storage`].
    pub fn peer_seed(vault: &LocalVault) -> Result<PeerSeed> {
        if let Some(bytes) = vault.read(TABLE, PEER)? {
            let seed = bytes.as_slice().try_into().map_err(|_| damaged(PEER))?;
            return Ok(PeerSeed::new(seed));
        }
        let seed = PeerSeed::generate();
        vault.write(TABLE, PEER, seed.as_secret())?;
        Ok(seed)
    }

    /// The key that pays for anchors in a public chain, if there is one.
    ///
    /// # Errors
    /// [`Exit::Home`], [`Exit::Storage`].
    pub fn anchor_key(vault: &LocalVault, chain: Chain) -> Result<Option<Zeroizing<[u8; 32]>>> {
        let name = anchor_name(chain);
        let Some(bytes) = vault.read(TABLE, name)? else {
            return Ok(None);
        };
        let key = bytes.as_slice().try_into().map_err(|_| damaged(name))?;
        Ok(Some(Zeroizing::new(key)))
    }

    /// Keeps the key that pays for anchors in a public chain.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn set_anchor_key(vault: &LocalVault, chain: Chain, key: &[u8; 32]) -> Result<()> {
        vault.write(TABLE, anchor_name(chain), key)
    }

    /// Keeps a key that is about to replace `kind`, before the ledger hears of it.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn stage(vault: &LocalVault, kind: Kind, secret: &[u8; 32]) -> Result<()> {
        vault.write(NEXT_TABLE, kind.name(), secret)
    }

    /// The key that was kept for `kind`, if a rotation was begun and not finished.
    ///
    /// # Errors
    /// [`Exit::Home`], [`Exit::Storage`].
    pub fn staged(vault: &LocalVault, kind: Kind) -> Result<Option<[u8; 32]>> {
        vault
            .read(NEXT_TABLE, kind.name())?
            .map(|value| {
                value
                    .as_slice()
                    .try_into()
                    .map_err(|_| damaged(kind.name()))
            })
            .transpose()
    }

    /// Puts the kept key in place of the old one, once the ledger has it. An HPKE key that
    /// is replaced opens letters for a while longer.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn promote(vault: &LocalVault, kind: Kind) -> Result<()> {
        let Some(secret) = Self::staged(vault, kind)? else {
            return Ok(());
        };
        let mut changes = vec![
            (TABLE, kind.name(), Some(&secret[..])),
            (NEXT_TABLE, kind.name(), None),
        ];
        let former = match kind {
            Kind::Hpke => vault.read(TABLE, HPKE)?,
            Kind::Operation | Kind::Record | Kind::Peer => None,
        };
        let seed = former.and_then(|seed| <[u8; 32]>::try_from(seed.as_slice()).ok());
        let former = seed.map(|seed| former_key(&HpkeSecret::new(seed), system::now()));
        if let Some((key, value)) = &former {
            changes.push((Table::FormerKeys.name(), &key.0, Some(value)));
        }
        vault.write_all(&changes)
    }

    /// Makes this the home of a delegate: from now on its wallet verbs act for `patient`
    /// under `delegation`, with her secrets.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn take_ward(
        vault: &LocalVault,
        patient: AccountId,
        delegation: OperationId,
        secrets: &PatientSecrets,
    ) -> Result<()> {
        let ward = codec::encode(&Ward {
            patient,
            delegation,
        });
        let secrets = secrets.to_bytes();
        vault.write_all(&[(TABLE, WARD, Some(&ward)), (TABLE, PATIENT, Some(&secrets))])
    }
}

/// Whom a delegate acts for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ward {
    patient: AccountId,
    delegation: OperationId,
}

/// Keys that can be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Signs operations.
    Operation,
    /// Opens letters.
    Hpke,
    /// Signs records.
    Record,
    /// Names a node among nodes.
    Peer,
}

impl Kind {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Operation => OPERATION,
            Self::Hpke => HPKE,
            Self::Record => RECORD,
            Self::Peer => PEER,
        }
    }
}

fn copy(secret: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(secret.to_vec())
}

fn damaged(name: &[u8]) -> Fault {
    Fault::new(
        Exit::Home,
        format!(
            "the vault has no usable {} key; restore the home from its backup",
            String::from_utf8_lossy(name)
        ),
    )
}

const fn anchor_name(chain: Chain) -> &'static [u8] {
    match chain {
        Chain::Ethereum => b"anchor-ethereum",
        Chain::Bitcoin => b"anchor-bitcoin",
        Chain::Eos => b"anchor-eos",
    }
}

const TABLE: &str = "identity";
const NEXT_TABLE: &str = "identity-next";
const ACCOUNT: &[u8] = b"account";
const OPERATION: &[u8] = b"operation";
const HPKE: &[u8] = b"hpke";
const RECORD: &[u8] = b"record";
const PATIENT: &[u8] = b"patient";
const WARD: &[u8] = b"ward";
const RECOVERING: &[u8] = b"recovering";
const PEER: &[u8] = b"peer";
