//! Who may see the page: whoever came by the one-time link.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

use crate::system;

/// The page's only session. Its secrets live as long as the process.
pub(super) struct Session {
    /// Until somebody came by it.
    link: Mutex<Option<Zeroizing<String>>>,
    cookie: Zeroizing<String>,
    csrf: Zeroizing<String>,
    /// The cookie's name: browsers keep one jar for all ports of a host.
    name: String,
}

impl Session {
    /// A session at `port` that nobody has opened, and the secret of its link.
    pub(super) fn new(port: u16) -> (Self, Zeroizing<String>) {
        let secret = || Zeroizing::new(hex::encode(*Zeroizing::new(system::random32())));
        let link = secret();
        let session = Self {
            link: Mutex::new(Some(link.clone())),
            cookie: secret(),
            csrf: secret(),
            name: format!("medshare-session-{port}"),
        };
        (session, link)
    }

    /// The cookie's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The cookie for who came by the link; nothing for a wrong link, and nothing the
    /// second time.
    pub(super) fn open(&self, link: &str) -> Option<&str> {
        let mut waiting = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.as_ref().is_some_and(|secret| equal(secret, link)) {
            return None;
        }
        *waiting = None;
        Some(&self.cookie)
    }

    /// Whether this is the session's cookie.
    pub(super) fn is_open(&self, cookie: &str) -> bool {
        equal(&self.cookie, cookie)
    }

    /// Whether a form came from a page of this session.
    pub(super) fn sent(&self, token: &str) -> bool {
        equal(&self.csrf, token)
    }

    /// What forms carry.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }
}

fn equal(secret: &str, other: &str) -> bool {
    verify_slices_are_equal(secret.as_bytes(), other.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_once() {
        let (session, link) = Session::new(7480);
        assert!(session.open("").is_none() && session.open(&link[1..]).is_none());
        let cookie = session.open(&link).map(str::to_owned);
        assert!(
            cookie
                .as_deref()
                .is_some_and(|cookie| session.is_open(cookie))
        );
        assert!(session.open(&link).is_none());
        assert!(!session.is_open(&link) && !session.sent(&link) && !session.is_open(""));
        assert!(session.sent(session.csrf()) && !session.is_open(session.csrf()));
    }
}
