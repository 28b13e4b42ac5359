//! Where a node listens: a Unix socket, or TCP on this machine only.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};
use thiserror::Error;

/// A node's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// `unix:/path/to/socket`
    Unix(PathBuf),
    /// `http://127.0.0.1:port`, `127.0.0.1:port` or `[::1]:port`
    Loopback(SocketAddr),
}

/// Text that is no address of a node on this machine.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "{0:?} is no node address; write unix:/path/to/socket or http://127.0.0.1:port (this machine only)"
)]
pub struct BadAddress(String);

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.chars().take(200).collect());
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(bad()),
                _ => Ok(Self::Unix(path.into())),
            };
        }
        let host = text
            .strip_prefix("http://")
            .unwrap_or(text)
            .trim_end_matches('/');
        let address = match host.strip_prefix("localhost:") {
            Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().map_err(|_| bad())?)),
            None => host.parse().map_err(|_| bad())?,
        };
        if !address.ip().is_loopback() {
            return Err(bad());
        }
        Ok(Self::Loopback(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Loopback(address) => write!(f, "http://{address}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine() {
        for text in [
            "unix:/run/m.sock",
            "http://127.0.0.1:7400",
            "http://[::1]:7400",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(
            "localhost:1".parse::<Address>().unwrap(),
            "http://127.0.0.1:1/".parse().unwrap()
        );
        for text in [
            "",
            "unix:",
            "0.0.0.0:80",
            "http://192.0.2.1:80",
            "example.org:80",
            "127.0.0.1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
