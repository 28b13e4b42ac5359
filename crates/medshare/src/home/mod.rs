//! A home: the folder of one party in one role.
//!
//! | file | holds |
//! | --- | --- |
//! | `home.toml` | what `init` settled: role, account, ledger; public, never edited |
//! | `config.toml` | the person's settings ([`crate::config`]) |
//! | `genesis.cbor` | the ledger's genesis object: the pin |
//! | `keys.age` | the vault's key, under the passphrase |
//! | `vault.redb` | everything secret or remembered, sealed under the vault's key |
//! | `lock`, `run.lock` | one command, and one running loop, at a time |
//! | `ledger.toml` | homes of role node: how far the ledger had come when it last ran |
//! | `node/` | homes of role node: ledger, store, post, socket |

pub mod database;
pub mod identity;
pub mod keys;
pub mod lock;
pub mod passphrase;
mod sets;
pub mod vault;

use base::{AccountId, ChainId, Millis, Version, codec, genesis::Genesis, operation::Role};
use serde::{Deserialize, Serialize};
use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    exit::{Exit, Fault, Result},
    files,
};
use identity::Identity;
use keys::Keys;
use lock::Lock;
use passphrase::Passphrase;
use vault::LocalVault;

/// What `init` settled about a home.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Facts {
    /// Format.
    pub version: Version,
    /// The one role.
    pub role: Role,
    /// The account.
    pub account: AccountId,
    /// The ledger.
    pub chain: ChainId,
    /// scrypt work factor with which `keys.age` was made.
    pub work_factor: u8,
}

/// A home folder that exists. Nothing secret is open.
#[derive(Clone, Debug)]
pub struct Home {
    folder: PathBuf,
    /// What `init` settled.
    pub facts: Facts,
    /// The pinned genesis object.
    pub genesis: Genesis,
}

impl Home {
    /// Reads the home at `folder`.
    ///
    /// # Errors
    /// [`Exit::Home`].
    pub fn open(folder: &Path) -> Result<Self> {
        let wrong = |reason: &str| Fault::new(Exit::Home, format!("{} {reason}", folder.display()));
        let damaged =
            |file: &str| wrong(&format!("has a damaged {file}; restore it from the backup"));
        let text = match std::fs::read_to_string(folder.join(FACTS)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(wrong(
                    "is no medshare home; name one with --home or make it with `medshare init`",
                ));
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::InvalidData | std::io::ErrorKind::IsADirectory
                ) =>
            {
                return Err(damaged(FACTS));
            }
            Err(error) => return Err(Fault::io(folder.join(FACTS).display(), &error)),
        };
        refuse_newer(&text, &folder.join(FACTS))?;
        let facts: Facts = toml::from_str(&text).map_err(|_| damaged(FACTS))?;
        let bytes = files::read_kept(&folder.join(GENESIS), codec::MAX_OBJECT)?;
        let genesis: Genesis = codec::decode(&bytes).map_err(|error| match error {
            codec::DecodeError::Version { version, .. } => {
                Fault::newer(Exit::Home, folder.join(GENESIS).display(), version)
            }
            _ => damaged(GENESIS),
        })?;
        if genesis.chain() != facts.chain {
            return Err(wrong(
                "has a genesis file of another ledger; put its own back",
            ));
        }
        Ok(Self {
            folder: folder.to_owned(),
            facts,
            genesis,
        })
    }

    /// Makes a home at `folder`, whole or not at all, and gives it back with its secrets.
    ///
    /// # Errors
    /// [`Exit::Home`] when there is something at `folder`, [`Exit::Storage`].
    pub fn create(folder: &Path, plan: &Plan<'_>) -> Result<Self> {
        Self::check_free(folder)?;
        let parent = files::folder(folder);
        files::make_private_folder(parent)?;
        let draft = files::private_draft(parent, ".medshare-init-")?;
        let at = draft.path();
        files::write_private(&at.join(GENESIS), &codec::encode(plan.genesis))?;
        let facts = Facts {
            version: Version,
            role: plan.keys.role,
            account: plan.identity.home_of(),
            chain: plan.genesis.chain(),
            work_factor: plan.work_factor,
        };
        let text = toml::to_string(&facts)
            .map_err(|error| Fault::new(Exit::Internal, format!("writing {FACTS}: {error}")))?;
        files::write_private(&at.join(FACTS), text.as_bytes())?;
        files::write_private(&at.join(CONFIG), plan.config.as_bytes())?;
        plan.keys
            .write(&at.join(KEYS), plan.passphrase, plan.work_factor)?;
        {
            let vault = LocalVault::create(&at.join(VAULT), plan.keys.vault_secret())?;
            plan.identity.save(&vault)?;
        }
        files::sync_folder(at)?;
        Self::place(at, folder)?;
        Self::open(folder)
    }

    /// Refuses a place where something is already.
    ///
    /// # Errors
    /// [`Exit::Home`].
    pub fn check_free(folder: &Path) -> Result<()> {
        let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
            || (folder.symlink_metadata().is_ok() && !folder.is_dir());
        if !occupied {
            return Ok(());
        }
        Err(Fault::new(
            Exit::Home,
            format!(
                "{} exists and is not empty; name another folder",
                folder.display()
            ),
        ))
    }

    /// Moves a finished home to its place, which is free or an empty folder.
    ///
    /// # Errors
    /// [`Exit::Storage`]; the draft is then where it was.
    pub fn place(draft: &Path, folder: &Path) -> Result<()> {
        std::fs::rename(draft, folder).map_err(|error| Fault::io(folder.display(), &error))?;
        files::sync_folder(files::folder(folder))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where this home's settings are.
    pub fn config_path(folder: &Path) -> PathBuf {
        folder.join(CONFIG)
    }

    /// Where a node's ledger, store and post are.
    pub fn node_folder(&self) -> PathBuf {
        self.folder.join("node")
    }

    /// How far this home's ledger had come when it last ran, if it ever did.
    ///
    /// # Errors
    /// [`Exit::Home`] when the note is damaged, [`Exit::Storage`].
    pub fn ledger_seen(&self) -> Result<Option<LedgerSeen>> {
        let path = self.folder.join(LEDGER_SEEN);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let bytes = files::read_kept(&path, codec::MAX_OBJECT)?;
        let text = String::from_utf8_lossy(&bytes);
        refuse_newer(&text, &path)?;
        toml::from_str(&text).ok().map(Some).ok_or_else(|| {
            Fault::new(
                Exit::Home,
                format!("{} is damaged; restore it from a backup", path.display()),
            )
        })
    }

    /// Notes how far this home's ledger has come.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn note_ledger(&self, height: u64) -> Result<()> {
        let seen = LedgerSeen {
            version: Version,
            chain: self.facts.chain,
            height,
        };
        let text = toml::to_string(&seen).map_err(|error| {
            Fault::new(Exit::Internal, format!("writing {LEDGER_SEEN}: {error}"))
        })?;
        files::write_private(&self.folder.join(LEDGER_SEEN), text.as_bytes())
    }

    /// Refuses to go on with no ledger, or an older one, where a newer one ran: receipts
    /// that parties hold would contradict it.
    ///
    /// # Errors
    /// [`Exit::Home`], [`Exit::Storage`].
    pub fn check_ledger(&self, height: Option<u64>) -> Result<()> {
        let Some(seen) = self.ledger_seen()? else {
            return Ok(());
        };
        let folder = self.node_folder();
        let found = match height {
            Some(height) if height >= seen.height => return Ok(()),
            Some(height) => format!(
                "{} has a ledger at height {height} only; restore a newer one from a backup",
                folder.display()
            ),
            None => format!(
                "{} is missing; restore it from a backup",
                folder.join("ledger.redb").display()
            ),
        };
        Err(Fault::new(
            Exit::Home,
            format!(
                "{found}: ledger {} ran here up to height {} at least (to go on all the same, remove {})",
                seen.chain,
                seen.height,
                self.folder.join(LEDGER_SEEN).display()
            ),
        ))
    }

    /// Refuses another role than one of `roles`.
    ///
    /// # Errors
    /// [`Exit::Role`].
    pub fn require(&self, roles: &[Role]) -> Result<()> {
        if roles.contains(&self.facts.role) {
            return Ok(());
        }
        let names: Vec<_> = roles.iter().map(|role| a_role(*role)).collect();
        Err(Fault::new(
            Exit::Role,
            format!(
                "{} is the home of {}; this takes the home of {}",
                self.folder.display(),
                a_role(self.facts.role),
                names.join(" or ")
            ),
        ))
    }

    /// Opens the secrets with the passphrase; the work takes as long as the work factor says.
    ///
    /// # Errors
    /// [`Exit::Passphrase`], [`Exit::Home`].
    pub fn unlock(&self, passphrase: &Passphrase) -> Result<Keys> {
        let keys = Keys::read(&self.folder.join(KEYS), passphrase)?;
        if keys.role != self.facts.role {
            return Err(Fault::new(
                Exit::Home,
                format!(
                    "{} has the keys of another role; restore its own",
                    self.folder.display()
                ),
            ));
        }
        Ok(keys)
    }

    /// Takes the home for one command and opens its vault. Waits up to `patience` for who
    /// works in it, and a moment for who only keeps it.
    ///
    /// # Errors
    /// [`Exit::Busy`], [`Exit::Home`], [`Exit::Storage`].
    pub fn enter(&self, keys: &Keys, patience: Duration) -> Result<Session> {
        let lock = Lock::take(&self.folder.join(LOCK), patience.max(GIVES_WAY))?;
        let path = self.folder.join(VAULT);
        let vault = LocalVault::open(&path, keys.vault_secret())?;
        let identity = Identity::load(&vault, self.facts.chain, self.facts.account)?;
        Ok(Session {
            identity,
            vault,
            file: (file_at(&path), path),
            lock,
        })
    }

    /// Refuses a vault of a newer version, if that can be told without touching it.
    ///
    /// # Errors
    /// [`Exit::Home`].
    pub fn check_vault_version(&self) -> Result<()> {
        database::check_version(&self.folder.join(VAULT), vault::TABLES_VERSION)
    }

    /// Reads every page of the vault and compares its checksum; no key is needed.
    ///
    /// # Errors
    /// [`Exit::Home`], [`Exit::Busy`], [`Exit::Storage`].
    pub fn check_vault_pages(&self) -> Result<()> {
        database::look(&self.folder.join(VAULT), LOOK_CACHE, vault::TABLES_VERSION).map(drop)
    }

    /// Opens the vault to look at it: nothing of the file changes.
    ///
    /// # Errors
    /// As [`Home::enter`].
    pub fn look_at_vault(&self, keys: &Keys) -> Result<LocalVault> {
        LocalVault::look(&self.folder.join(VAULT), keys.vault_secret())
    }

    /// Takes the home whole, from running loops and single commands.
    ///
    /// # Errors
    /// [`Exit::Busy`], [`Exit::Storage`].
    pub fn lock_whole(folder: &Path, patience: Duration) -> Result<[Lock; 2]> {
        let running = Lock::take(&folder.join(RUN_LOCK), patience)?;
        let patience = patience.max(GIVES_WAY);
        Ok([running, Lock::take(&folder.join(LOCK), patience)?])
    }

    /// Whether `folder` looks like a home, sound or not.
    pub fn is_at(folder: &Path) -> bool {
        let mut files = [FACTS, KEYS, VAULT].iter();
        files.any(|name| folder.join(name).symlink_metadata().is_ok())
    }

    /// Where the home's database is while it is being made.
    pub fn drafts(folder: &Path) -> [PathBuf; 1] {
        [folder.join(VAULT).with_extension(database::DRAFT)]
    }

    /// Takes the home for a running loop: a second loop on it is refused.
    ///
    /// # Errors
    /// [`Exit::Busy`], [`Exit::Storage`].
    pub fn lock_for_running(&self) -> Result<Lock> {
        Lock::take(&self.folder.join(RUN_LOCK), Duration::ZERO)
    }

    /// Replaces the passphrase.
    ///
    /// # Errors
    /// [`Exit::Storage`]; the old file is then still there.
    pub fn rekey(&self, keys: &Keys, passphrase: &Passphrase, work_factor: u8) -> Result<()> {
        keys.write(&self.folder.join(KEYS), passphrase, work_factor)
    }
}

/// What a node's home remembers of its ledger, outside the ledger's folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerSeen {
    /// Format.
    pub version: Version,
    /// The ledger.
    pub chain: ChainId,
    /// Its height when it was last noted.
    pub height: u64,
}

/// Refuses a file of a home that a newer version wrote, whatever else stands in it.
fn refuse_newer(text: &str, path: &Path) -> Result<()> {
    match files::newer_toml::<1>(text) {
        Some(version) => Err(Fault::newer(Exit::Home, path.display(), version)),
        None => Ok(()),
    }
}

/// What a new home is made of.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The ledger's genesis object.
    pub genesis: &'a Genesis,
    /// Role and vault key.
    pub keys: &'a Keys,
    /// The party's keys.
    pub identity: &'a Identity,
    /// Text of `config.toml`.
    pub config: &'a str,
    /// Protects `keys.age`.
    pub passphrase: &'a Passphrase,
    /// scrypt's.
    pub work_factor: u8,
}

/// A home that is open. Dropping it wipes its secrets and lets the next one in.
#[derive(Debug)]
pub struct Session {
    /// The party's keys.
    pub identity: Identity,
    /// Its vault.
    pub vault: LocalVault,
    /// The vault's file when it was opened, and its name.
    file: (Option<(u64, u64)>, PathBuf),
    lock: Lock,
}

impl Session {
    /// Whether another process waits for the home.
    pub fn is_wanted(&self) -> bool {
        self.lock.is_wanted()
    }

    /// Whether the vault is sound and still the file that its name names: a restored home
    /// has another.
    pub fn is_current(&self) -> bool {
        let (opened, path) = &self.file;
        opened.is_some() && *opened == file_at(path) && self.vault.is_sound()
    }
}

/// Which file has the name: its device and number.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// A role as people write it.
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Patient => "patient",
        Role::Hospital => "hospital",
        Role::Agent => "agent",
        Role::Requester => "requester",
        Role::Node => "node",
    }
}

/// A role with its article.
const fn a_role(role: Role) -> &'static str {
    match role {
        Role::Patient => "a patient",
        Role::Hospital => "a hospital",
        Role::Agent => "an agent",
        Role::Requester => "a requester",
        Role::Node => "a node",
    }
}

/// The time of a new ledger's start: now, on a whole second.
pub fn whole_second(now: Millis) -> Millis {
    now.minus(now.0 % Millis::SECOND)
}

/// How soon a process that only keeps a home gives way to one that waits for it, at a busy
/// machine.
const GIVES_WAY: Duration = Duration::from_millis(500);
const LOOK_CACHE: usize = 8 << 20;
const FACTS: &str = "home.toml";
const CONFIG: &str = "config.toml";
const LEDGER_SEEN: &str = "ledger.toml";
const GENESIS: &str = "genesis.cbor";
const KEYS: &str = "keys.age";
const VAULT: &str = "vault.redb";
const LOCK: &str = "lock";
const RUN_LOCK: &str = "run.lock";
