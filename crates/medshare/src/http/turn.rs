//! Taking turns: how many requests are worked on at once, how their bodies come in, how
//! answers go out. Nobody's turn lasts longer because he is slow: a body is taken in
//! before its request takes a turn, a long answer keeps its turn only while it is being
//! taken, and who stands still makes room when others wait.

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{self, Instant},
};

use super::{
    answer::Answer,
    connections::{Phase, Place},
    interface::Shared,
    limit::MAX_BODY,
    message::ErrorCode,
    paced::Pace,
};

/// What there is a limited number of.
#[derive(Debug)]
pub struct Turns {
    requests: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    files: Arc<Semaphore>,
}

impl Turns {
    /// So many requests at once, and so many files on their way.
    pub fn new(requests: usize, files: usize) -> Self {
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.max(1)));
        Self {
            requests: semaphore(requests),
            bodies: semaphore(BODIES),
            files: semaphore(files),
        }
    }

    /// A turn to send or take a file.
    pub(super) async fn file(&self, place: Option<&Place>) -> Option<OwnedSemaphorePermit> {
        turn(&self.files, place, Phase::Streaming).await
    }
}

/// Waits for a turn; who keeps one and does not move is put out meanwhile.
async fn turn(
    turns: &Arc<Semaphore>,
    place: Option<&Place>,
    phase: Phase,
) -> Option<OwnedSemaphorePermit> {
    let next = Arc::clone(turns).acquire_owned();
    let mut next = std::pin::pin!(next);
    let until = Instant::now() + QUEUE;
    loop {
        match time::timeout(STILL, next.as_mut()).await {
            Ok(turn) => return turn.ok(),
            Err(_) if Instant::now() >= until => return None,
            Err(_) => {
                if let Some(place) = place {
                    place.put_out(phase);
                }
            }
        }
    }
}

/// The place of the connection that a request came on.
pub(super) fn place_of(request: &Request) -> Option<Arc<Place>> {
    request.extensions().get::<Arc<Place>>().cloned()
}

/// Takes in the body of a small request, whole, before it takes a turn.
pub(super) async fn take_in(State(interface): Shared, request: Request, next: Next) -> Response {
    let place = place_of(&request);
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let mut room = None;
    if body.size_hint().upper().is_none_or(|upper| upper > SMALL) {
        let bodies = &interface.turns.bodies;
        room = turn(bodies, place.as_deref(), Phase::Receiving).await;
        if room.is_none() {
            return busy();
        }
    }
    let whole = whole(Incoming::new(body, place, Phase::Receiving));
    let body = match time::timeout(interface.request_time, whole).await {
        Ok(Ok(body)) => body,
        Ok(Err(answer)) => return answer.into_response(),
        Err(_) => return Answer::from(Cut::Slow).into_response(),
    };
    let response = next.run(Request::from_parts(parts, body.into())).await;
    drop(room);
    response
}

async fn whole(mut body: Incoming) -> Result<Bytes, Answer> {
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await? {
        if whole.len() + piece.len() > MAX_BODY {
            return Err(Answer::error(
                ErrorCode::TooLarge,
                "the body is larger than 1 MiB",
            ));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

/// A body on its way in, which must keep [`PACE`].
pub(super) struct Incoming {
    body: Body,
    place: Option<Arc<Place>>,
    phase: Phase,
    until: Instant,
    came: usize,
}

/// Why a body did not come in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// The connection ended.
    Broken,
    /// It kept no pace.
    Slow,
}

impl From<Cut> for Answer {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Broken => Self::malformed("the body broke off"),
            Cut::Slow => Self::error(ErrorCode::TimedOut, "the body stood still for too long"),
        }
    }
}

impl Incoming {
    /// Of a connection that is in `phase` meanwhile.
    pub(super) fn new(body: Body, place: Option<Arc<Place>>, phase: Phase) -> Self {
        Self {
            body,
            place,
            phase,
            until: Instant::now() + PACE.span,
            came: 0,
        }
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        loop {
            if let Some(place) = &self.place {
                place.enter(self.phase);
            }
            let frame = match time::timeout_at(self.until, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => return Err(Cut::Broken),
                Err(_) if self.came < PACE.least => return Err(Cut::Slow),
                Err(_) => {
                    (self.until, self.came) = (Instant::now() + PACE.span, 0);
                    continue;
                }
            };
            if let Ok(bytes) = frame.into_data() {
                self.came += bytes.len();
                return Ok(Some(bytes));
            }
        }
    }
}

/// Gives a request its turn.
pub(super) async fn in_turn(State(interface): Shared, request: Request, next: Next) -> Response {
    let place = place_of(&request);
    let requests = &interface.turns.requests;
    let Some(turn) = turn(requests, place.as_deref(), Phase::Answering).await else {
        return busy();
    };
    if let Some(place) = &place {
        place.enter(Phase::Working);
    }
    let response = next.run(request).await;
    give_out(response, place, Phase::Answering, Some(turn))
}

/// The same for files, which take their turns themselves.
pub(super) async fn stream(request: Request, next: Next) -> Response {
    let place = place_of(&request);
    if let Some(place) = &place {
        place.enter(Phase::Working);
    }
    let response = next.run(request).await;
    give_out(response, place, Phase::Streaming, None)
}

/// An answer that the connection holds whole at once ends the turn; a longer one keeps it
/// until its last piece is taken.
fn give_out(
    response: Response,
    place: Option<Arc<Place>>,
    phase: Phase,
    turn: Option<OwnedSemaphorePermit>,
) -> Response {
    let long = |hint: &SizeHint| hint.upper().is_none_or(|upper| upper > PIECE as u64);
    if !long(&response.body().size_hint()) {
        if let Some(place) = place {
            place.enter(Phase::Waiting);
        }
        return response;
    }
    response.map(|body| {
        Body::new(Outgoing {
            body,
            rest: Bytes::new(),
            held: Some((place, turn)),
            phase,
        })
    })
}

/// A body on its way out, piece by piece.
struct Outgoing {
    body: Body,
    rest: Bytes,
    /// Let go of after the last piece.
    held: Option<(Option<Arc<Place>>, Option<OwnedSemaphorePermit>)>,
    phase: Phase,
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some((Some(place), _)) = &self.held {
            place.enter(self.phase); // the piece before was taken
        }
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, inner) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some((Some(place), _)) = self.held.take() {
            place.enter(Phase::Waiting);
        }
    }
}

fn busy() -> Response {
    Answer::error(ErrorCode::Busy, "the node is busy; try again shortly").into_response()
}

/// How fast a body must come and an answer be taken.
pub(super) const PACE: Pace = Pace {
    least: 64 << 10,
    span: Duration::from_secs(30),
};
/// How long one must have stood still before he makes room for another.
pub(super) const STILL: Duration = Duration::from_secs(1);
/// Longest wait for a turn.
const QUEUE: Duration = Duration::from_secs(5);
/// Bodies above this, bytes, are counted.
const SMALL: u64 = 16 << 10;
/// Most bodies above [`SMALL`] at once: with [`MAX_BODY`], 128 MiB.
const BODIES: usize = 128;
/// What a connection holds of an answer, bytes.
const PIECE: usize = 64 << 10;
