//! Where a node of a public chain answers, and the client that asks it: every call has a
//! limit, no text of ours names more of the address than scheme, host and port.

use std::{fmt, str::FromStr, time::Duration};
use thiserror::Error;

use crate::chain::Trouble;

/// Where a node answers. The address may hold a key: it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(pub(crate) reqwest::Url);

/// Text that is no address of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("it must be https://host/path, or http://127.0.0.1:port for a node on this machine")]
pub struct BadEndpoint;

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    /// Without TLS only this machine is spoken to: what a node says decides what is paid.
    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let url = reqwest::Url::parse(text).map_err(|_| BadEndpoint)?;
        let host = url.host_str().ok_or(BadEndpoint)?;
        let here = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if here => Ok(Self(url)),
            _ => Err(BadEndpoint),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{host}", self.0.scheme())?;
        match self.0.port() {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Endpoint {
    /// That it gives no usable answer; nothing more is said, since the reasons name addresses.
    pub(crate) fn unreachable(&self) -> Trouble {
        Trouble::Unreachable(self.to_string())
    }

    /// A client that waits for each answer for `patience` at most and follows nobody elsewhere,
    /// and the runtime of the calling thread for it.
    pub(crate) fn client(
        &self,
        patience: Duration,
    ) -> Result<(reqwest::Client, tokio::runtime::Runtime), Trouble> {
        let client = reqwest::Client::builder()
            .timeout(patience)
            .connect_timeout(patience)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| self.unreachable())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| self.unreachable())?;
        Ok((client, runtime))
    }
}

/// Sends a request of which two do no more than one, and gives the answer's status and body;
/// nothing if there is none, or one of more than `longest` bytes.
#[cfg(any(feature = "bitcoin", feature = "eos"))]
pub(crate) async fn exchange(
    request: reqwest::RequestBuilder,
    longest: usize,
) -> Option<(reqwest::StatusCode, Vec<u8>)> {
    let again = request.try_clone();
    let mut response = match (request.send().await, again) {
        (Ok(response), _) => response,
        // The node may have ended the connection, as it does when it is started again; that is
        // noticed only now.
        (Err(error), Some(again)) if !error.is_timeout() => again.send().await.ok()?,
        (Err(_), _) => return None,
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if bytes.len() + chunk.len() > longest {
            return None;
        }
        bytes.extend_from_slice(&chunk);
    }
    Some((response.status(), bytes))
}

/// What a node gave as the reason of a refusal, short and on one line.
pub(crate) fn plain(said: &str) -> String {
    let short: String = said.chars().take(200).collect();
    short.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_no_key_and_needs_tls_beyond_this_machine() {
        for secret in [
            "https://mainnet.example.org/v3/s3cr3t?k=t0k3n",
            "https://me:s3cr3t@mainnet.example.org",
        ] {
            let endpoint: Endpoint = secret.parse().unwrap();
            assert_eq!(endpoint.to_string(), "https://mainnet.example.org");
            assert_eq!(format!("{endpoint:?}"), "https://mainnet.example.org");
        }
        assert!("http://127.0.0.1:8545".parse::<Endpoint>().is_ok());
        for wrong in [
            "http://192.0.2.1:8545",
            "ftp://127.0.0.1",
            "127.0.0.1:8545",
            "",
            "http://127.0.0.1.example.org",
        ] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }
}
