//! Short sessions: a party signs once, and what it is then given stands for it for some
//! minutes, at this node, until it ends it or its key changes. For clients that keep the
//! signing key elsewhere than the code that asks.

use axum::extract::{Request, State};
use base::{AccountId, Digest, Millis, key::OperationKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    admission::{admitted, blocking},
    answer::{Answer, Handled},
    interface::Shared,
    message::{ErrorCode, Opened},
};
use crate::system;

/// The open sessions, by the digest of what stands for each: the node cannot be made to tell
/// it, and a search by digest tells nothing by its time.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<Digest, Session>>);

#[derive(Clone, Copy, Debug)]
struct Session {
    account: AccountId,
    /// The key that opened it.
    key: OperationKey,
    until: Millis,
}

impl Sessions {
    /// Opens a session; its account's oldest one ends if it has too many. `None` when too
    /// many accounts have one.
    fn open(
        &self,
        secret: &[u8; 32],
        account: AccountId,
        key: OperationKey,
        now: Millis,
    ) -> Option<Opened> {
        let mut sessions = self.lock();
        if sessions.len() >= MOST {
            sessions.retain(|_, session| now < session.until);
        }
        let mut own: Vec<(Millis, Digest)> = sessions
            .iter()
            .filter(|(_, session)| session.account == account)
            .map(|(name, session)| (session.until, *name))
            .collect();
        if own.len() >= MOST_OF_ONE {
            own.sort_unstable();
            sessions.remove(&own[0].1);
        }
        if sessions.len() >= MOST {
            return None;
        }
        let until = now.plus(LENGTH);
        let session = Session {
            account,
            key,
            until,
        };
        sessions.insert(Digest::of(secret), session);
        Some(Opened {
            token: URL_SAFE_NO_PAD.encode(secret),
            until,
        })
    }

    /// Whose session a token stands for at `now`, and the key that must still be its own.
    pub(super) fn find(&self, token: &str, now: Millis) -> Option<(AccountId, OperationKey)> {
        let session = *self.lock().get(&name(token)?)?;
        (now < session.until).then_some((session.account, session.key))
    }

    fn end(&self, token: &str) {
        if let Some(name) = name(token) {
            self.lock().remove(&name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(token: &str) -> Option<Digest> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    (bytes.len() == 32).then(|| Digest::of(&bytes))
}

/// The token of `Authorization: Bearer`.
pub(super) fn token(authorization: &str) -> Option<&str> {
    authorization.strip_prefix("Bearer ")
}

/// `POST /v1/session`: opens one, by a ticket or a signature. A session opens none.
pub(super) async fn open(State(interface): Shared, request: Request) -> Handled {
    let (asker, _) = admitted(&interface, request).await?;
    if asker.by_session {
        return Err(Answer::not_found());
    }
    let opened =
        interface
            .sessions
            .open(&system::random32(), asker.account, asker.key, system::now());
    let busy = || Answer::error(ErrorCode::Busy, "too many sessions are open");
    opened
        .map(|opened| Answer::object(&opened))
        .ok_or_else(busy)
}

/// `DELETE /v1/session`: ends the one that asks.
pub(super) async fn end(State(interface): Shared, request: Request) -> Handled {
    let authorization = request.headers().get(axum::http::header::AUTHORIZATION);
    let token = authorization
        .and_then(|value| value.to_str().ok())
        .and_then(token)
        .map(str::to_owned);
    admitted(&interface, request).await?;
    blocking(move || {
        interface
            .sessions
            .end(&token.ok_or_else(Answer::not_found)?);
        Ok(Answer::done())
    })
    .await
}

/// How long a session lasts, milliseconds: ten minutes.
const LENGTH: u64 = 600_000;
/// Most sessions of one account.
const MOST_OF_ONE: usize = 16;
/// Most sessions.
const MOST: usize = 10_000;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends() {
        let sessions = Sessions::default();
        let (account, key) = (AccountId([1; 32]), OperationKey([2; 32]));
        let start = Millis(1_000);
        let opened = sessions.open(&[7; 32], account, key, start).unwrap();
        let find = |now| sessions.find(&opened.token, Millis(now));
        assert_eq!(find(1_000), Some((account, key)));
        assert_eq!(find(600_999), Some((account, key)));
        assert_eq!(find(601_000), None);
        for other in ["", "x", &opened.token[1..], &format!("{}A", opened.token)] {
            assert_eq!(sessions.find(other, start), None);
        }
        sessions.end(&opened.token);
        assert_eq!(find(1_000), None);
    }

    #[test]
    fn an_account_has_so_many_and_all_have_so_many() {
        let sessions = Sessions::default();
        let key = OperationKey([2; 32]);
        let open = |number: u64, account: u64, now| {
            let mut secret = [0; 32];
            secret[..8].copy_from_slice(&number.to_be_bytes());
            let mut id = [0; 32];
            id[..8].copy_from_slice(&account.to_be_bytes());
            sessions.open(&secret, AccountId(id), key, Millis(now))
        };
        let tokens: Vec<String> = (0..17)
            .map(|number| open(number, 1, number).unwrap().token)
            .collect();
        let is_open = |token: &String| sessions.find(token, Millis(20)).is_some();
        assert!(!is_open(&tokens[0]), "the oldest made room");
        assert!(tokens[1..].iter().all(is_open));
        for number in 17..10_001 {
            assert!(open(number, number, 20).is_some());
        }
        assert!(open(20_000, 20_000, 20).is_none());
        assert!(
            open(20_001, 20_001, 700_000).is_some(),
            "the old ones ended"
        );
    }
}
