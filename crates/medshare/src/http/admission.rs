//! What a request passes before its handler: rate, time, who asks.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequestParts, Request, State},
    http::{header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base::{AccountId, Digest, Signed, codec, key::OperationKey};
use serde::de::DeserializeOwned;
use std::{str::FromStr, sync::Arc};
use tokio::time;

use super::{
    answer::Answer,
    interface::{Interface, Shared},
    limit::MAX_BODY,
    media,
    message::ErrorCode,
    session,
    signature::{self, Claim},
    ticket::{self, Asked, Ticket},
};
use crate::system;

/// Refuses what is too often.
pub(super) async fn not_too_often(
    State(interface): Shared,
    request: Request,
    next: Next,
) -> Response {
    if interface.rate.admit() {
        return next.run(request).await;
    }
    Answer::error(ErrorCode::Busy, "too many requests; try again shortly").into_response()
}

/// Ends what takes too long.
pub(super) async fn in_time(State(interface): Shared, request: Request, next: Next) -> Response {
    time::timeout(interface.request_time, next.run(request))
        .await
        .unwrap_or_else(|_| {
            Answer::error(ErrorCode::TimedOut, "the request took too long").into_response()
        })
}

/// Parses a part of the path.
pub(super) fn parse<T: FromStr>(text: &str) -> Result<T, Answer> {
    text.parse()
        .map_err(|_| Answer::malformed("an identifier in the path is not well formed"))
}

/// Runs `work` on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Answer> + Send + 'static,
) -> Result<T, Answer> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Answer::error(ErrorCode::Internal, "a fault of the node")))
}

/// `?name=value`: parameters that a route does not have are refused.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Answer> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(_) => Err(Answer::malformed(
                "a parameter of the query is unknown or not well formed",
            )),
        }
    }
}

/// Who asks, once it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    /// The account.
    pub(super) account: AccountId,
    /// Its key.
    pub(super) key: OperationKey,
    /// Whether a session stands for it; else it signed this request.
    pub(super) by_session: bool,
    /// What the streamed body must have as its digest, if it was signed.
    pub(super) content: Option<Digest>,
}

/// Reads the body of a small request and checks who asks.
pub(super) async fn admitted(
    interface: &Arc<Interface>,
    request: Request,
) -> Result<(Asker, Bytes), Answer> {
    admitted_as(interface, request, Who::Registered).await
}

pub(super) async fn admitted_as(
    interface: &Arc<Interface>,
    request: Request,
    who: Who,
) -> Result<(Asker, Bytes), Answer> {
    let (parts, body) = request.into_parts();
    let body = taken(body).await?;
    let asker = asker(interface, &parts, Some(Digest::of(&body)), who).await?;
    Ok((asker, body))
}

/// The same, with a body that is an object: its canonical bytes, in whatever form it came.
pub(super) async fn admitted_object(
    interface: &Arc<Interface>,
    request: Request,
) -> Result<(Asker, Bytes), Answer> {
    let (parts, body) = request.into_parts();
    let body = taken(body).await?;
    let asker = asker(interface, &parts, Some(Digest::of(&body)), Who::Registered).await?;
    Ok((asker, media::object(&parts.headers, body)?))
}

/// The body of a small request, which has come in whole already (`turn::take_in`).
pub(super) async fn taken(body: Body) -> Result<Bytes, Answer> {
    axum::body::to_bytes(body, MAX_BODY)
        .await
        .map_err(|_| Answer::malformed("the body broke off"))
}

/// Whose requests a route takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// Accounts on the ledger.
    Registered,
    /// Accounts about to register as well: a patient's public key is stored before her
    /// account names it.
    Newcomer,
}

/// What a request brings to say who asks.
enum Shown {
    Ticket(Box<Signed<Ticket>>),
    Signature(Box<Claim>),
    Session(AccountId, OperationKey),
}

/// Checks who asks. Nothing that says it, something wrong and nothing there to see are one
/// answer.
pub(super) async fn asker(
    interface: &Arc<Interface>,
    parts: &Parts,
    body: Option<Digest>,
    who: Who,
) -> Result<Asker, Answer> {
    let shown = shown(interface, parts)?;
    let method = parts.method.clone();
    let path = parts
        .uri
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let interface = Arc::clone(interface);
    blocking(move || {
        let (account, named) = match &shown {
            Shown::Ticket(ticket) => (ticket.body.account, Some(ticket.body.key)),
            Shown::Signature(claim) => (claim.account, claim.key),
            Shown::Session(account, _) => (*account, None),
        };
        let key = match ((interface.views)()?.account(account)?, named) {
            (Some(account), _) => account.operation_key().ok_or_else(Answer::not_found)?,
            // Somebody who is about to register: her first key is who she is.
            (None, Some(key))
                if who == Who::Newcomer
                    && AccountId::of(&key) == account
                    && interface.newcomers.admit() =>
            {
                key
            }
            (None, _) => return Err(Answer::not_found()),
        };
        let now = system::now();
        let (mut by_session, mut content) = (false, None);
        let admitted = match shown {
            Shown::Ticket(ticket) => {
                let asked = Asked {
                    method: method.as_str(),
                    path: &path,
                    body,
                };
                interface.gate.admit(*ticket, &key, asked, now).map(drop)
            }
            Shown::Signature(claim) => {
                content = claim.content;
                interface.gate.admit_signed(&claim, &key, body, now)
            }
            Shown::Session(_, opened_by) => {
                by_session = true;
                (opened_by == key).then_some(())
            }
        };
        admitted.ok_or_else(Answer::not_found)?;
        Ok(Asker {
            account,
            key,
            by_session,
            content,
        })
    })
    .await
}

/// Reads what a request shows: a ticket, a signature or a session, one of them.
fn shown(interface: &Interface, parts: &Parts) -> Result<Shown, Answer> {
    let mut authorizations = parts.headers.get_all(header::AUTHORIZATION).iter();
    let authorization = authorizations.next().map(|value| value.to_str());
    let signed = signature::is_signed(&parts.headers);
    match authorization {
        _ if authorizations.next().is_some() => Err(Answer::not_found()),
        None if signed => signature::read(parts, interface.gate.chain())
            .map(|claim| Shown::Signature(Box::new(claim)))
            .ok_or_else(Answer::not_found),
        Some(Ok(text)) if !signed => match session::token(text) {
            Some(token) => interface
                .sessions
                .find(token, system::now())
                .map(|(account, key)| Shown::Session(account, key))
                .ok_or_else(Answer::not_found),
            None => match ticket::parse(text).ok_or_else(Answer::not_found)? {
                Ok(ticket) => Ok(Shown::Ticket(Box::new(ticket))),
                Err(error @ codec::DecodeError::Version { .. }) => Err(Answer::undecodable(&error)),
                Err(_) => Err(Answer::not_found()),
            },
        },
        _ => Err(Answer::not_found()),
    }
}
