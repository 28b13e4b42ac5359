//! Errors of the crates below as exit codes and lines.

use share::{
    bag::PhraseError,
    card::CardError,
    desk::{LookError, SendError},
    follow::FollowError,
    node::NodeError,
    prekey::PrekeyError,
    vault::VaultError,
};

use crate::exit::{Exit, Fault};

impl From<NodeError> for Fault {
    fn from(error: NodeError) -> Self {
        let exit = match &error {
            NodeError::Refused(_) => Exit::Refused,
            NodeError::NotFound => Exit::NotFound,
            NodeError::Missing(_) | NodeError::Damaged(_) | NodeError::BadAnswer(_) => {
                Exit::Invalid
            }
            NodeError::Busy(_) | NodeError::Unreachable(_) => Exit::Unreachable,
            NodeError::Storage(_) | NodeError::Local(_) => Exit::Storage,
            _ => Exit::Internal,
        };
        Self::new(exit, error)
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        let exit = match &error {
            VaultError::Damaged { .. } => Exit::Home,
            _ => Exit::Storage,
        };
        Self::new(exit, error)
    }
}

impl From<CardError> for Fault {
    fn from(error: CardError) -> Self {
        match error {
            CardError::Vault(error) => error.into(),
            other => Self::new(Exit::Invalid, other),
        }
    }
}

impl From<PrekeyError> for Fault {
    fn from(error: PrekeyError) -> Self {
        match error {
            PrekeyError::Node(error) => error.into(),
            PrekeyError::Vault(error) => error.into(),
            PrekeyError::NoneLeft { .. } => Self::new(Exit::Pending, error),
            other => Self::new(Exit::Invalid, other),
        }
    }
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Node(error) => error.into(),
            SendError::Failed { .. } => {
                Self::new(Exit::Refused, format!("the ledger refused it: {error}"))
            }
            other => Self::new(Exit::Invalid, other),
        }
    }
}

impl From<LookError> for Fault {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Node(error) => error.into(),
            LookError::Unknown(..) => Self::new(Exit::NotFound, error),
            other => Self::new(Exit::Invalid, other),
        }
    }
}

impl From<FollowError> for Fault {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Node(error) => error.into(),
            FollowError::Vault(error) => error.into(),
            FollowError::Stopped(_) => Self::new(Exit::Forked, error),
            other => Self::new(Exit::Invalid, other),
        }
    }
}

impl From<PhraseError> for Fault {
    fn from(error: PhraseError) -> Self {
        Self::new(Exit::Passphrase, error)
    }
}
