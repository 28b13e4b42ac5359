//! Why a peer is not connected, in words that say what to do.

use libp2p::{
    PeerId,
    core::transport::{TransportError, timeout::TransportTimeoutError},
    swarm::{ConnectionDenied, DialError},
};
use std::{error::Error, fmt, io};
use thiserror::Error;

/// Why a peer is not connected.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum DialFault {
    /// Nothing answers at its addresses.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// Something answers, and does not speak as we do.
    #[error(
        "no common language: the swarm key is another one, or is set on one side only, or no \
         libp2p node listens there"
    )]
    Unsecured,
    /// Another node answers at its address.
    #[error("the node at its address is {0}")]
    OtherPeer(PeerId),
    /// It closed the connection as soon as it knew who we are.
    #[error("it cut the connection at once: it does not admit us, or has no room")]
    Cut,
    /// Our policy does not admit it, or it is banned.
    #[error("it is not admitted here")]
    NotAdmitted,
    /// Our own limits leave no room for it.
    #[error("too many connections")]
    NoRoom,
    /// No address of it is known.
    #[error("no address of it is known")]
    NoAddress,
    /// The connection was lost; it is dialled again.
    #[error("the connection was lost")]
    Lost,
}

/// Refused by the node's own policy.
#[derive(Debug)]
pub(super) struct Unwelcome;

impl fmt::Display for Unwelcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer is not admitted")
    }
}

impl Error for Unwelcome {}

/// TCP did not connect: what failed after it is another matter.
#[derive(Debug)]
pub(super) struct Unconnected(pub(super) NoTcp);

type NoTcp = TransportTimeoutError<io::Error>;

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The enums that libp2p wraps this in show not what they hold but its source.
impl Error for Unconnected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl From<&DialError> for DialFault {
    fn from(error: &DialError) -> Self {
        match error {
            DialError::Transport(attempts) => of_attempts(attempts),
            DialError::WrongPeerId { obtained, .. } => Self::OtherPeer(*obtained),
            DialError::LocalPeerId { .. } => {
                Self::Unreachable("this node itself listens there".to_owned())
            }
            DialError::Denied { cause } => of_denial(cause),
            DialError::NoAddresses => Self::NoAddress,
            DialError::DialPeerConditionFalse(_) | DialError::Aborted => Self::Lost,
        }
    }
}

fn of_denial(cause: &ConnectionDenied) -> DialFault {
    if cause.downcast_ref::<Unwelcome>().is_some() {
        DialFault::NotAdmitted
    } else {
        DialFault::NoRoom
    }
}

/// An address at which something answered says more than one at which nothing did.
fn of_attempts<A>(attempts: &[(A, TransportError<io::Error>)]) -> DialFault {
    let mut texts = Vec::new();
    for (_, error) in attempts {
        match error {
            TransportError::MultiaddrNotSupported(address) => {
                texts.push(format!("{address} is no TCP address"));
            }
            TransportError::Other(error) => match unconnected(error) {
                Some(why) => texts.push(why.to_string()),
                None => return DialFault::Unsecured,
            },
        }
    }
    DialFault::Unreachable(texts.join("; "))
}

/// Looks for the inside of [`Unconnected`] in what the transport said. An [`io::Error`] hides
/// what it carries from `source`, so each is opened by hand.
fn unconnected(error: &io::Error) -> Option<&NoTcp> {
    let mut next: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<NoTcp>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    None
}
