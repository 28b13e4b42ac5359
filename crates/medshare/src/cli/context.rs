//! What is meant: flags, environment and configuration put together.

use base::{AccountId, key::OperationSecret, operation::Role};
use share::{desk::Desk, node::Node as _, trust::Trust};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{Global, output::Output};
use crate::{
    config::{Config, Required},
    exit::{Exit, Fault, Result},
    home::{
        Home, Session,
        identity::{Identity, Kind},
        keys::Keys,
        passphrase::PassphraseSource,
    },
    http::{Address, Credentials, HttpNode},
};

/// Everything a command needs to know before it does anything.
#[derive(Clone, Debug)]
pub struct Context {
    /// The home folder, whether it exists or not.
    pub home: PathBuf,
    /// The settings.
    pub config: Config,
    /// The file they are read from, if it was named.
    named_config: Option<PathBuf>,
    /// Where the passphrase is.
    pub passphrase: PassphraseSource,
    /// How to print.
    pub output: Output,
    /// How long to wait for another command on the same home.
    pub patience: Duration,
    pub(super) node: Option<String>,
    /// The home's keys, where they are in hand already.
    held: Option<Arc<Keys>>,
}

impl Context {
    /// Puts together what was typed.
    ///
    /// # Errors
    /// [`Exit::Config`], [`Exit::Usage`].
    pub fn new(global: &Global) -> Result<Self> {
        let home = home_folder(global)?;
        let config = match &global.config {
            Some(path) => Config::load(path, Required::Yes)?,
            None => Config::load(&Home::config_path(&home), Required::No)?,
        };
        Ok(Self::with(global, home, config))
    }

    /// Puts together what was typed, whatever the configuration says.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn without_config(global: &Global) -> Result<Self> {
        Ok(Self::with(global, home_folder(global)?, Config::default()))
    }

    fn with(global: &Global, home: PathBuf, config: Config) -> Self {
        let passphrase = match (&global.passphrase_file, global.passphrase_fd) {
            (Some(path), _) => PassphraseSource::File(path.clone()),
            (None, Some(number)) => PassphraseSource::Descriptor(number),
            // The environment comes after both flags; an empty variable is none.
            (None, None) => match std::env::var_os(PASSPHRASE_FILE) {
                Some(path) if !path.is_empty() => PassphraseSource::File(path.into()),
                _ => PassphraseSource::Prompt,
            },
        };
        Self {
            named_config: global.config.clone(),
            home,
            passphrase,
            output: Output::new(
                global.json || config.output.json,
                global.quiet || config.output.quiet,
            ),
            patience: Duration::from_secs(global.lock_wait.into()),
            node: global.node.clone().or_else(|| config.node.address.clone()),
            held: None,
            config,
        }
    }

    /// The file that the settings are read from, whether it exists or not.
    pub fn config_file(&self) -> PathBuf {
        match &self.named_config {
            Some(path) => path.clone(),
            None => Home::config_path(&self.home),
        }
    }

    /// Opens the home's public part.
    ///
    /// # Errors
    /// [`Exit::Home`].
    pub fn open_home(&self) -> Result<Home> {
        Home::open(&self.home)
    }

    /// The node's address: flag, environment, configuration, or the socket of the home
    /// when it is a node's.
    ///
    /// # Errors
    /// [`Exit::Usage`] when there is none or it is none.
    pub fn address(&self) -> Result<Address> {
        match &self.node {
            Some(text) => text
                .parse()
                .map_err(|error| Fault::new(Exit::Usage, format!("--node: {error}"))),
            None => match Home::open(&self.home) {
                Ok(home) if home.facts.role == Role::Node => {
                    crate::http::listen_address(&home, &self.config)
                }
                _ => Err(Fault::new(
                    Exit::Usage,
                    "no node address; give --node unix:/path/to/socket, or set node.address in config.toml",
                )),
            },
        }
    }

    /// The node, for what needs no account.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn anonymous_node(&self) -> Result<HttpNode> {
        HttpNode::new(self.address()?, self.timeout(), None)
    }

    /// Longest wait for an answer of the node.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.config.node.timeout_seconds.into())
    }

    /// Opens the home of one of `roles` with the passphrase and the node with its keys.
    ///
    /// # Errors
    /// [`Exit::Home`], [`Exit::Role`], [`Exit::Passphrase`], [`Exit::Busy`],
    /// [`Exit::Usage`].
    pub fn enter(&self, roles: &[Role]) -> Result<Entered> {
        let unlocked = self.unlock(roles)?;
        unlocked.enter(self.patience)
    }

    /// Opens the home of one of `roles` with the passphrase, without taking it yet.
    ///
    /// # Errors
    /// As [`Context::enter`], [`Exit::Busy`] apart.
    pub fn unlock(&self, roles: &[Role]) -> Result<Unlocked> {
        let home = self.open_home()?;
        home.require(roles)?;
        let address = self.address()?;
        let keys = self.keys(&home)?;
        Ok(Unlocked {
            home,
            keys,
            address,
            timeout: self.timeout(),
        })
    }

    /// The keys of `home`, which is this context's: with the passphrase, or those in hand.
    ///
    /// # Errors
    /// [`Exit::Passphrase`], [`Exit::Home`].
    pub fn keys(&self, home: &Home) -> Result<Arc<Keys>> {
        match &self.held {
            Some(keys) => Ok(Arc::clone(keys)),
            None => home.unlock(&self.passphrase.read()?).map(Arc::new),
        }
    }

    /// For one command of a program that keeps the home open: with its keys, and `output`.
    pub(crate) fn holding(&self, keys: Arc<Keys>, output: Output) -> Self {
        let held = Some(keys);
        Self {
            held,
            output,
            ..self.clone()
        }
    }

    /// A home whose keys are in hand already.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn unlock_with(&self, home: &Home, keys: Keys) -> Result<Unlocked> {
        Ok(Unlocked {
            home: home.clone(),
            keys: Arc::new(keys),
            address: self.address()?,
            timeout: self.timeout(),
        })
    }
}

/// A home whose keys are open, and where its node is.
#[derive(Debug)]
pub struct Unlocked {
    /// The home.
    pub home: Home,
    keys: Arc<Keys>,
    address: Address,
    timeout: Duration,
}

impl Unlocked {
    /// Takes the home for one command.
    ///
    /// # Errors
    /// [`Exit::Busy`], [`Exit::Home`], [`Exit::Storage`]; [`Exit::Refused`] when the
    /// account has another operation key by now.
    pub fn enter(&self, patience: Duration) -> Result<Entered> {
        let entered = self.enter_as_is(patience)?;
        entered.session.identity.not_recovering()?;
        entered.check_key()?;
        Ok(entered)
    }

    /// Takes a home into which an account is being recovered, as the device that it still
    /// is.
    ///
    /// # Errors
    /// As [`Unlocked::enter`]; [`Exit::Home`] for a home that is complete.
    pub fn enter_recovering(&self, patience: Duration) -> Result<Entered> {
        let entered = self.enter_as_is(patience)?;
        if entered.session.identity.recovering.is_none() {
            return Err(Fault::new(
                Exit::Home,
                format!(
                    "{} is a complete home; nothing is being recovered into it",
                    self.home.folder().display()
                ),
            ));
        }
        Ok(entered)
    }

    /// As [`Unlocked::enter`], whatever the ledger says about this home's operation key.
    ///
    /// # Errors
    /// As [`Unlocked::enter`].
    pub fn enter_as_is(&self, patience: Duration) -> Result<Entered> {
        self.entered(self.home.enter(&self.keys, patience)?)
    }

    /// The same home, still taken, as `identity`.
    ///
    /// # Errors
    /// As [`Unlocked::enter`].
    pub fn enter_again(&self, entered: Entered, identity: Identity) -> Result<Entered> {
        let mut session = entered.session;
        session.identity = identity;
        self.entered(session)
    }

    fn entered(&self, session: Session) -> Result<Entered> {
        let credentials = Credentials {
            chain: self.home.facts.chain,
            account: session.identity.account(),
            secret: session.identity.party.operation.clone(),
        };
        let node = HttpNode::new(self.address.clone(), self.timeout, Some(credentials))?;
        let node = Arc::new(node);
        node.check_chain(self.home.facts.chain)?;
        Ok(Entered {
            trust: Trust::load(&self.home.genesis, &session.vault)?,
            home: self.home.clone(),
            session,
            node,
        })
    }
}

/// A home that is open for one command, with its node.
#[derive(Debug)]
pub struct Entered {
    /// The home's public part.
    pub home: Home,
    /// Vault and keys, under the lock.
    pub session: Session,
    /// The node, with this party's tickets.
    pub node: Arc<HttpNode>,
    trust: Trust,
}

impl Entered {
    /// What every verb of the protocol needs.
    pub fn desk(&self) -> Desk<'_> {
        Desk {
            party: &self.session.identity.party,
            node: &*self.node,
            vault: &self.session.vault,
            trust: &self.trust,
        }
    }

    /// What may have changed since the home was entered: the node, and the account's key.
    ///
    /// # Errors
    /// As [`Unlocked::enter`].
    pub fn check(&self) -> Result<()> {
        self.node.check_chain(self.home.facts.chain)?;
        self.check_key()
    }

    /// A home whose operation key was replaced elsewhere can do nothing; it says so before
    /// the node refuses it piece by piece. A rotation of its own that it did not hear the
    /// end of passes: `account rotate-key` finishes it.
    fn check_key(&self) -> Result<()> {
        let party = &self.session.identity.party;
        let known = self.node.account(party.account)?;
        let Some(current) = known.and_then(|account| account.operation_key()) else {
            return Ok(());
        };
        if current == party.operation.public() {
            return Ok(());
        }
        let staged = Identity::staged(&self.session.vault, Kind::Operation)?;
        if staged.is_some_and(|secret| OperationSecret::new(secret).public() == current) {
            return Ok(());
        }
        Err(replaced(party.account))
    }
}

/// The line for a home whose operation key is not the account's any more.
pub(super) fn replaced(account: AccountId) -> Fault {
    Fault::new(
        Exit::Refused,
        format!(
            "this key is no longer the operation key of {account}: it was replaced; use the home that has the new one"
        ),
    )
}

const PASSPHRASE_FILE: &str = "MEDSHARE_PASSPHRASE_FILE";

fn home_folder(global: &Global) -> Result<PathBuf> {
    if let Some(home) = &global.home {
        return Ok(home.clone());
    }
    match std::env::var_os("HOME") {
        Some(home) => Ok(Path::new(&home).join(".medshare")),
        None => Err(Fault::new(Exit::Usage, "no home folder; give --home DIR")),
    }
}
