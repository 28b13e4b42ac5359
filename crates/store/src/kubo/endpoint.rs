//! Where a Kubo's RPC is: on this machine only, for it can do everything to that Kubo.

use std::{fmt, net::SocketAddr, path::PathBuf};

/// The address of a Kubo's RPC (`Addresses.API` in its configuration).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// A Unix socket: who may use it is a matter of file permissions.
    Unix(PathBuf),
    /// A loopback address: every local program may use it, unless `API.Authorizations` says otherwise.
    Tcp(SocketAddr),
}

impl Endpoint {
    /// Whether it can only be this machine.
    pub const fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().is_loopback(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "http://{address}"),
        }
    }
}
