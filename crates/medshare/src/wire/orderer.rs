//! Who orders the ledger at this node: itself alone, or itself and the other validators.

use consensus::{Limits, Sequencer, Solo, SystemClock};
use ledger::Ledger;
use std::sync::Arc;

use super::NodeParts;
use crate::{
    exit::{Exit, Fault, Result},
    http::message::ValidatorStanding,
};

/// What orders operations at a validator's node.
pub(super) enum Orderer {
    /// One node alone.
    Solo(Arc<Solo>),
    /// One of several.
    #[cfg(feature = "bft")]
    Bft(Arc<consensus::bft::Bft>),
}

/// How a validator stands, asked now.
pub(super) type AskValidator = Arc<dyn Fn() -> ValidatorStanding + Send + Sync>;

impl Orderer {
    /// Starts what ledger and configuration ask for. A node that names validators is one of
    /// them as soon, and as long, as the ledger says so, and follows them otherwise; none at a
    /// node that names nobody and is no validator.
    ///
    /// # Errors
    /// [`Exit::Config`] when the other validators are not named, or this build has no engine;
    /// [`Exit::Home`], [`Exit::Forked`], [`Exit::Storage`].
    pub(super) fn start(parts: &NodeParts<'_>, ledger: &Arc<Ledger>) -> Result<Option<Self>> {
        let validators = ledger.validators();
        let validators = validators.newest();
        if parts.consensus.is_none() {
            if validators.key(parts.account).is_none() {
                return Ok(None);
            }
            if validators.len() > 1 {
                return Err(Fault::new(
                    Exit::Config,
                    "this node is one of several validators: set consensus.listen and consensus.peers in config.toml",
                ));
            }
            return start_solo(parts, ledger).map(|solo| Some(Self::Solo(Arc::new(solo))));
        }
        require_bft()?;
        #[cfg(feature = "bft")]
        return super::validator::start(parts, ledger).map(|bft| Some(Self::Bft(Arc::new(bft))));
        #[cfg(not(feature = "bft"))]
        Ok(None)
    }

    pub(super) fn sequencer(&self) -> Arc<dyn Sequencer> {
        match self {
            Self::Solo(solo) => Arc::<Solo>::clone(solo),
            #[cfg(feature = "bft")]
            Self::Bft(bft) => Arc::<consensus::bft::Bft>::clone(bft),
        }
    }

    /// How it stands among the others; none where there are none.
    pub(super) fn standing(&self) -> Option<AskValidator> {
        match self {
            Self::Solo(_) => None,
            #[cfg(feature = "bft")]
            Self::Bft(bft) => Some(super::validator::ask(bft)),
        }
    }

    /// Ends it; what was queued is answered first.
    ///
    /// # Errors
    /// [`Exit::Forked`] when it halted.
    pub(super) fn stop(self) -> Result<()> {
        match self {
            Self::Solo(solo) => {
                if let Ok(solo) = Arc::try_unwrap(solo) {
                    solo.stop();
                }
                Ok(())
            }
            #[cfg(feature = "bft")]
            Self::Bft(bft) => super::validator::stop(bft),
        }
    }
}

fn start_solo(parts: &NodeParts<'_>, ledger: &Arc<Ledger>) -> Result<Solo> {
    let limits = Limits {
        queue: parts.server.queue as usize,
        ..Limits::default()
    };
    // The seat says which key signs: a rotation may not have been heard of to its end.
    let seat = ledger.validators().newest().key(parts.account);
    let next = parts.next.as_ref();
    let next = next.filter(|next| seat == Some(next.public()));
    let secret = next.unwrap_or(&parts.secret).clone();
    Solo::start(Arc::clone(ledger), secret, SystemClock, limits)
        .map_err(|error| Fault::new(Exit::Home, error))
}

/// Makes the place of a validator that has never voted in a new node's folder.
///
/// # Errors
/// [`Exit::Config`], [`Exit::Storage`].
pub fn prepare_validator(folder: &std::path::Path) -> Result<()> {
    require_bft()?;
    #[cfg(feature = "bft")]
    return super::validator::prepare(folder);
    #[cfg(not(feature = "bft"))]
    {
        let _ = folder;
        Ok(())
    }
}

/// Refuses what this build was made without.
///
/// # Errors
/// [`Exit::Config`].
pub fn require_bft() -> Result<()> {
    match cfg!(feature = "bft") {
        true => Ok(()),
        false => Err(Fault::new(
            Exit::Config,
            "this build cannot order a ledger together with other nodes; build with --features full",
        )),
    }
}
