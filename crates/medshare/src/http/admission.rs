//! What a request passes before its handler: rate, time, ticket.

use axum::{
    body::Bytes,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base::{AccountId, Digest, Verified, codec};
use std::{str::FromStr, sync::Arc};
use tokio::time;

use super::{
    answer::Answer,
    interface::{Interface, Shared},
    limit::MAX_BODY,
    message::ErrorCode,
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
/// Reads the body of a small request and checks its ticket.
pub(super) async fn admitted(
    interface: &Arc<Interface>,
    request: Request,
) -> Result<(Verified<Ticket>, Bytes), Answer> {
    admitted_as(interface, request, Who::Registered).await
}

pub(super) async fn admitted_as(
    interface: &Arc<Interface>,
    request: Request,
    who: Who,
) -> Result<(Verified<Ticket>, Bytes), Answer> {
    let (parts, body) = request.into_parts();
    // It has come in whole already (`turn::take_in`).
    let body = axum::body::to_bytes(body, MAX_BODY)
        .await
        .map_err(|_| Answer::malformed("the body broke off"))?;
    let ticket = check_ticket(interface, &parts, Some(Digest::of(&body)), who).await?;
    Ok((ticket, body))
}

/// Whose tickets a route takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// Accounts on the ledger.
    Registered,
    /// Accounts about to register as well: a patient's public key is stored before her
    /// account names it.
    Newcomer,
}

/// Checks the ticket of a request. No ticket, a wrong one and nothing there to see are
/// one answer.
pub(super) async fn check_ticket(
    interface: &Arc<Interface>,
    parts: &axum::http::request::Parts,
    body: Option<Digest>,
    who: Who,
) -> Result<Verified<Ticket>, Answer> {
    let signed = parts
        .headers
        .get(axum::http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(ticket::parse)
        .ok_or_else(Answer::not_found)?
        .map_err(|error| match error {
            codec::DecodeError::Version { .. } => Answer::undecodable(&error),
            _ => Answer::not_found(),
        })?;
    let method = parts.method.clone();
    let path = parts
        .uri
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let interface = Arc::clone(interface);
    blocking(move || {
        let key = match (interface.views)()?.account(signed.body.account)? {
            Some(account) => account.operation_key().ok_or_else(Answer::not_found)?,
            // Somebody who is about to register: her first key is who she is.
            None if who == Who::Newcomer
                && AccountId::of(&signed.body.key) == signed.body.account
                && interface.newcomers.admit() =>
            {
                signed.body.key
            }
            None => return Err(Answer::not_found()),
        };
        let asked = Asked {
            method: method.as_str(),
            path: &path,
            body,
        };
        interface
            .gate
            .admit(signed, &key, asked, system::now())
            .ok_or_else(Answer::not_found)
    })
    .await
}
