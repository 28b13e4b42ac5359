//! `GET /v1/accounts/{account}/events`: what happens to a party, told as it happens, as
//! server-sent events (WHATWG HTML, 9.2). It is the party's own, so that it says who asks.
//!
//! Nothing is remembered for a reader: each event's id says where in the log and when it
//! was, and a reader that was cut off goes on from there by `Last-Event-ID`.

use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State},
};
use base::{AccountId, Digest, Millis, OperationId, codec, key::OperationKey};
use ledger::{Fault, Grant, Notice, Page, View};
use serde::Serialize;
use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};

use super::{
    admission::{Asker, Who, asker, blocking, parse},
    answer::{Answer, Handled},
    body,
    interface::{Interface, Shared},
    json,
    message::ErrorCode,
};
use crate::system;

/// How many readers each account has.
#[derive(Debug, Default)]
pub struct Readers(Arc<Mutex<HashMap<AccountId, usize>>>);

/// A reader's place, free again when this is dropped.
struct Reader {
    readers: Arc<Mutex<HashMap<AccountId, usize>>>,
    account: AccountId,
}

impl Readers {
    fn admit(&self, account: AccountId) -> Option<Reader> {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = readers.values().sum();
        let own = readers.entry(account).or_default();
        if all >= MOST || *own >= MOST_OF_ONE {
            return None;
        }
        *own += 1;
        Some(Reader {
            readers: Arc::clone(&self.0),
            account,
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = readers.get_mut(&self.account) {
            *own -= 1;
            if *own == 0 {
                readers.remove(&self.account);
            }
        }
    }
}

/// How far a reader is: the leaves that it was told of, and the time up to which it was told
/// of grants that end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    leaves: u64,
    time: Millis,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.leaves, self.time.0)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (leaves, time) = text.split_once('.').ok_or(())?;
        Ok(Self {
            leaves: leaves.parse().map_err(drop)?,
            time: Millis(time.parse().map_err(drop)?),
        })
    }
}

pub(super) async fn events(
    State(interface): Shared,
    Path(account): Path<String>,
    request: Request,
) -> Handled {
    let account: AccountId = parse(&account)?;
    let (parts, _) = request.into_parts();
    let nothing = Digest::of(b"");
    let asker = asker(&interface, &parts, Some(nothing), Who::Registered).await?;
    if asker.account != account {
        return Err(Answer::not_found());
    }
    let begin = match parts.headers.get("last-event-id") {
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.parse().ok());
            id.ok_or_else(|| Answer::malformed("Last-Event-ID is none of ours"))?
        }
        None => {
            let interface = Arc::clone(&interface);
            blocking(move || {
                let leaves = (interface.views)()?.head()?.header.tree_size;
                let time = system::now();
                Ok(Cursor { leaves, time })
            })
            .await?
        }
    };
    let busy = || Answer::error(ErrorCode::Busy, "too many readers of events");
    let reader = interface.readers.admit(account).ok_or_else(busy)?;
    let (feeder, fed) = body::fed();
    tokio::spawn(async move {
        tell(interface, asker, begin, &feeder).await;
        drop(reader);
    });
    Ok(Answer::Events(Body::new(fed)))
}

/// Tells what happens until nobody listens, the account's key changes, the ledger cannot be
/// read or [`LENGTH`] is over.
async fn tell(
    interface: Arc<Interface>,
    asker: Asker,
    begin: Cursor,
    feeder: &mpsc::Sender<body::Piece>,
) {
    let (end, mut alive) = (Instant::now() + LENGTH, Instant::now());
    let mut cursor = begin;
    let mut looked: Option<Instant> = None;
    // The first line goes out at once: the reader knows that it is heard.
    let mut text = ": listening\n\n".to_owned();
    loop {
        if !text.is_empty() {
            alive = Instant::now();
            let piece = Ok(Bytes::from(std::mem::take(&mut text)));
            match time::timeout(SILENCE, feeder.send(piece)).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
        let by_time = looked.is_none_or(|looked| looked.elapsed() >= BY_TIME);
        let interface = Arc::clone(&interface);
        let news = blocking(move || {
            let view = (interface.views)()?;
            let now = system::now();
            Ok(news(
                &view,
                asker.account,
                &asker.key,
                cursor,
                by_time.then_some(now),
            )?)
        });
        let Ok(Some(news)) = news.await else {
            return;
        };
        if by_time {
            looked = Some(Instant::now());
        }
        let more = news.more;
        (text, cursor) = (news.text, news.cursor);
        if text.is_empty() && alive.elapsed() >= ALIVE {
            text = ": still here\n\n".to_owned();
        }
        if Instant::now() >= end {
            return;
        }
        if !more {
            tokio::select! {
                () = time::sleep(PAUSE) => {}
                () = feeder.closed() => return,
            }
        }
    }
}

/// What is new.
struct News {
    text: String,
    cursor: Cursor,
    /// There is more than one answer holds.
    more: bool,
}

/// What is new to `account` after `cursor`; with `now`, grants that end soon as well. `None`
/// when `key` is its key no more.
fn news(
    view: &View,
    account: AccountId,
    key: &OperationKey,
    cursor: Cursor,
    now: Option<Millis>,
) -> Result<Option<News>, Fault> {
    let current = view
        .account(account)?
        .and_then(|found| found.operation_key());
    if current.as_ref() != Some(key) {
        return Ok(None);
    }
    let size = view.head()?.header.tree_size;
    let mut cursor = cursor;
    let mut text = String::new();
    let mut more = false;
    if size > cursor.leaves {
        let page = Page {
            from: cursor.leaves,
            limit: AT_ONCE,
        };
        let notices = view.notices_of(account, page)?;
        let requests = view.requests_of(account, page)?;
        let end = [notices.next, requests.next].into_iter().flatten().min();
        more = end.is_some();
        let end = end.unwrap_or(size);
        let mut events: Vec<(u64, Event)> = Vec::new();
        let mut found = |id: OperationId, event: Event| -> Result<(), Fault> {
            let index = view.index_of(id)?;
            events.extend(
                index
                    .filter(|index| *index < end)
                    .map(|index| (index, event)),
            );
            Ok(())
        };
        for notice in notices.items {
            let (id, name) = match &notice {
                Notice::Query(query) => (query.id, "query"),
                Notice::Emergency { id, .. } => (*id, "emergency"),
                Notice::Recovery(recovery) => (recovery.id, "recovery"),
            };
            found(id, Event::new(name, &notice))?;
        }
        for request in requests.items {
            found(request.id, Event::new("request", &request))?;
        }
        events.sort_by_key(|(index, _)| *index);
        for (index, event) in events {
            cursor.leaves = index + 1;
            event.write(cursor, &mut text);
        }
        cursor.leaves = end;
    }
    if let Some(now) = now.filter(|now| *now > cursor.time) {
        let mut page = Page {
            from: 0,
            limit: AT_ONCE,
        };
        let mut ending = Vec::new();
        loop {
            let grants = view.grants_of(account, page)?;
            let soon = grants.items.into_iter().filter(|grant| {
                let told = warns(grant);
                grant.patient == account && grant.is_live(now) && cursor.time < told && told <= now
            });
            ending.extend(soon);
            match grants.next {
                Some(next) => page.from = next,
                None => break,
            }
        }
        ending.sort_by_key(warns);
        for grant in ending {
            cursor.time = warns(&grant);
            Event::new("grant-expires", &grant).write(cursor, &mut text);
        }
        cursor.time = now;
    }
    Ok(Some(News { text, cursor, more }))
}

/// When it is told that a grant ends: a day before, and not in the first half of its time.
fn warns(grant: &Grant) -> Millis {
    let half = grant
        .time
        .plus(grant.terms.expires.0.saturating_sub(grant.time.0) / 2);
    grant.terms.expires.minus(Millis::DAY).max(half)
}

struct Event {
    name: &'static str,
    data: Vec<u8>,
}

impl Event {
    fn new(name: &'static str, value: &impl Serialize) -> Self {
        Self {
            name,
            data: codec::encode(value),
        }
    }

    /// Its data is DAG-JSON, which has no line breaks.
    fn write(&self, cursor: Cursor, text: &mut String) {
        let Ok(data) = json::of_cbor(&self.data) else {
            return;
        };
        let data = String::from_utf8_lossy(&data);
        text.push_str(&format!(
            "id: {cursor}\nevent: {}\ndata: {data}\n\n",
            self.name
        ));
    }
}

/// Most readers, and most of one account.
const MOST: usize = 64;
const MOST_OF_ONE: usize = 4;
/// Most items of a kind that are told at once.
const AT_ONCE: usize = 200;
/// Between two looks into the ledger.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks for grants that end.
const BY_TIME: Duration = Duration::from_secs(30);
/// Longest silence; then a comment shows that the line holds.
const ALIVE: Duration = Duration::from_secs(15);
/// Longest time until a piece is taken.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest time that a reader is told; it comes back with `Last-Event-ID`.
const LENGTH: Duration = Duration::from_secs(600);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let cursor = Cursor {
            leaves: 12,
            time: Millis(1_795_305_600_000),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for none in [
            "",
            "1",
            "1.",
            ".1",
            "1.2.3",
            "-1.2",
            "1.x",
            "99999999999999999999.1",
        ] {
            assert_eq!(none.parse::<Cursor>(), Err(()), "{none}");
        }
    }

    #[test]
    fn an_account_has_so_many_readers_and_they_go() {
        let readers = Readers::default();
        let admit = |account: u8| readers.admit(AccountId([account; 32]));
        let own: Vec<Reader> = (0..MOST_OF_ONE).map(|_| admit(1).unwrap()).collect();
        assert!(admit(1).is_none());
        drop(own);
        assert!(readers.0.lock().unwrap().is_empty());
        let all: Vec<Reader> = (0..MOST)
            .map(|number| admit(u8::try_from(number / MOST_OF_ONE).unwrap()).unwrap())
            .collect();
        assert!(admit(200).is_none(), "{}", all.len());
    }
}
