//! Tickets: a party's short, signed permission for one request.
//!
//! Every write other than an operation, and every read of what is one party's own,
//! carries `Authorization: Medshare <base64url of canonical bytes>`. The key is the
//! account's on the ledger; a ticket is good for a minute, once, for one method, path
//! and body.

use base::{
    AccountId, ChainId, Digest, Millis, Nonce, Signed, Statement, Verified, codec, domain,
    key::{OperationKey, OperationSecret},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::signature::Claim;
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// What a party signs to use the interface once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The ledger.
    pub chain: ChainId,
    /// Who asks.
    pub account: AccountId,
    /// The operation key that signs. The ledger's key counts for an account that is on
    /// it; for one that is about to register, the key must be the one that names it.
    pub key: OperationKey,
    /// HTTP method, upper case.
    pub method: String,
    /// Path with query, as sent.
    pub path: String,
    /// SHA2-256 of the body; none for a file that is streamed.
    pub body: Option<Digest>,
    /// When it was made, by the party's clock.
    pub time: Millis,
    /// Makes it serve once.
    pub nonce: Nonce,
}

impl Statement for Ticket {
    const DOMAIN: &'static str = domain::TICKET;
}

/// The header's value for a signed ticket.
pub fn header(ticket: Ticket, secret: &OperationSecret) -> String {
    let bytes = codec::encode(&Signed::new(ticket, secret));
    format!("{SCHEME}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads the header's value; nothing is checked yet. `None` for what is no ticket; inside,
/// why its bytes are none.
pub fn parse(value: &str) -> Option<Result<Signed<Ticket>, codec::DecodeError>> {
    if value.len() > MAX_HEADER {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(value.strip_prefix(SCHEME)?).ok()?;
    Some(codec::decode(&bytes))
}

/// The request that a ticket must name.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path with query.
    pub path: &'a str,
    /// SHA2-256 of the body; none when it is streamed.
    pub body: Option<Digest>,
}

/// Checks tickets for one ledger and remembers those that were used.
#[derive(Debug)]
pub struct Gate {
    chain: ChainId,
    /// Tickets made before this server started may have been used before it did.
    started: Millis,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    /// By their own time.
    tickets: BTreeSet<(Millis, AccountId, Nonce)>,
    /// Those up to here may have been forgotten: none of them is taken any more, should the
    /// clock step back to their time.
    forgotten: Millis,
}

impl Gate {
    /// A gate for the ledger `chain`, opened at `now`.
    pub fn new(chain: ChainId, now: Millis) -> Self {
        Self {
            chain,
            started: now,
            used: Mutex::default(),
        }
    }

    /// The ledger.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// Checks `ticket` for the request `asked` at `now`, under `key`, and uses it up.
    pub fn admit(
        &self,
        ticket: Signed<Ticket>,
        key: &OperationKey,
        asked: Asked<'_>,
        now: Millis,
    ) -> Option<Verified<Ticket>> {
        let body = &ticket.body;
        let fits = body.chain == self.chain
            && body.method == asked.method
            && body.path == asked.path
            && body.body == asked.body
            && self.is_timely(body.time, now);
        if !fits {
            return None;
        }
        let ticket = ticket.verify(key).ok()?;
        self.once(ticket.time, ticket.account, ticket.nonce, now)?;
        Some(ticket)
    }

    /// Checks a signature for a request with the body `body` (`None`: it is streamed) at
    /// `now`, under `key`, and uses it up. A body must be covered unless it is streamed or
    /// empty; a digest that is covered must be its own.
    pub fn admit_signed(
        &self,
        claim: &Claim,
        key: &OperationKey,
        body: Option<Digest>,
        now: Millis,
    ) -> Option<()> {
        let fits = match (body, claim.content) {
            (None, _) => true,
            (Some(found), Some(said)) => found == said,
            (Some(found), None) => found == Digest::of(b""),
        };
        let timely = self.is_timely(claim.created, now)
            && claim.expires.is_none_or(|expires| now <= expires);
        if !(fits && timely && claim.is_by(key)) {
            return None;
        }
        self.once(claim.created, claim.account, claim.nonce, now)
    }

    fn is_timely(&self, time: Millis, now: Millis) -> bool {
        time >= self.started && time.0.abs_diff(now.0) <= WINDOW
    }

    /// Uses up what was made at `time` with this nonce.
    fn once(&self, time: Millis, account: AccountId, nonce: Nonce, now: Millis) -> Option<()> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((time, ..)) = used.tickets.first().copied() {
            if time.plus(WINDOW) >= now {
                break;
            }
            used.tickets.pop_first();
            used.forgotten = time;
        }
        let new = time > used.forgotten && used.tickets.insert((time, account, nonce));
        new.then_some(())
    }
}

/// How far, in milliseconds, a ticket's time may lie from the server's clock.
const WINDOW: u64 = 60_000;
const SCHEME: &str = "Medshare ";
const MAX_HEADER: usize = 4096;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ticket(time: u64) -> Ticket {
        Ticket {
            chain: ChainId([1; 32]),
            account: AccountId([2; 32]),
            key: OperationSecret::new([9; 32]).public(),
            method: "PUT".into(),
            path: "/v1/store/pins/x".into(),
            body: None,
            time: Millis(time),
            nonce: Nonce([3; 32]),
        }
    }

    #[test]
    fn a_ticket_serves_once_for_one_request() {
        let secret = OperationSecret::new([9; 32]);
        let key = secret.public();
        let gate = Gate::new(ChainId([1; 32]), Millis(100_000));
        let asked = Asked {
            method: "PUT",
            path: "/v1/store/pins/x",
            body: None,
        };
        let now = Millis(200_000);
        let signed = |t: Ticket| parse(&header(t, &secret)).unwrap().unwrap();
        let other = OperationSecret::new([8; 32]).public();
        assert!(
            gate.admit(signed(ticket(190_000)), &other, asked, now)
                .is_none()
        );
        let elsewhere = Asked {
            path: "/v1/store/pins/y",
            ..asked
        };
        assert!(
            gate.admit(signed(ticket(190_000)), &key, elsewhere, now)
                .is_none()
        );
        assert!(
            gate.admit(signed(ticket(139_999)), &key, asked, now)
                .is_none()
        );
        assert!(
            gate.admit(signed(ticket(99_999)), &key, asked, Millis(110_000))
                .is_none()
        );
        assert!(
            gate.admit(signed(ticket(190_000)), &key, asked, now)
                .is_some()
        );
        assert!(
            gate.admit(signed(ticket(190_000)), &key, asked, now)
                .is_none()
        );
        assert!(
            gate.admit(signed(ticket(190_000)), &key, asked, Millis(250_000))
                .is_none()
        );
        assert!(parse("Medshare !!").is_none());
        assert!(parse("Basic abc").is_none());
    }

    #[test]
    fn a_clock_that_jumps_lets_no_ticket_serve_twice() {
        let secret = OperationSecret::new([9; 32]);
        let key = secret.public();
        let asked = Asked {
            method: "PUT",
            path: "/v1/store/pins/x",
            body: None,
        };
        let gate = Gate::new(ChainId([1; 32]), Millis(100_000));
        let admit = |time: u64, nonce: u8, now: u64| {
            let ticket = Ticket {
                nonce: Nonce([nonce; 32]),
                ..ticket(time)
            };
            let signed = parse(&header(ticket, &secret)).unwrap().unwrap();
            gate.admit(signed, &key, asked, Millis(now)).is_some()
        };
        const DAY: u64 = 86_400_000;
        assert!(admit(190_000, 1, 200_000));
        // The clock jumps ahead by a day: what was used is forgotten,
        assert!(admit(DAY, 2, DAY));
        assert!(!admit(190_000, 1, DAY));
        // and back: it still served once, and new ones are taken.
        assert!(!admit(190_000, 1, 201_000));
        assert!(admit(201_000, 3, 201_000));
        assert!(!admit(201_000, 3, 202_000));
        // When that day really comes, its ticket has served as well.
        assert!(!admit(DAY, 2, DAY + 1_000));
        assert!(admit(DAY + 1, 4, DAY + 1_000));
        // Before the node started, the clock said later: those tickets are not taken.
        assert!(!admit(99_000, 5, 99_500));
    }
}
