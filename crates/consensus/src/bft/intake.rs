//! Where operations come in, from parties of this node and from other nodes: each is looked
//! up, verified once, in batches, and put into the pool; those of this node's parties are
//! told to the others.

use base::{OperationId, SignedOperation, codec};
use ledger::{Checked, Fault, MAX_OPERATION, Refusal, View};
use malachite::NetworkMsg;
use serde_bytes::ByteBuf;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::{Duration, Instant},
};

use super::{context::Part, shared::Shared, stream::Numbers};
use crate::sequencer::{SubmitError, Teller};

/// An operation that comes in: with who waits for it, if it is of a party of this node.
pub(super) struct Incoming {
    pub(super) bytes: Vec<u8>,
    pub(super) waiter: Option<Teller>,
}

/// Gives the intake what another node sent; what does not fit is dropped, it is sent again.
pub(super) fn offer(queue: &SyncSender<Incoming>, operations: Vec<ByteBuf>) {
    for bytes in operations.into_iter().take(MAX_TOLD) {
        let bytes = bytes.into_vec();
        if bytes.len() <= MAX_OPERATION {
            let _ = queue.try_send(Incoming {
                bytes,
                waiter: None,
            });
        }
    }
}

/// An operation of an account that is not in this node's ledger yet: its sender may come from
/// a node that is a block ahead.
struct Held {
    bytes: Vec<u8>,
    waiter: Teller,
    until: Instant,
}

pub(super) struct Intake {
    pub(super) shared: Arc<Shared>,
    pub(super) numbers: Numbers,
    held: Vec<Held>,
}

impl Intake {
    pub(super) fn new(shared: Arc<Shared>, numbers: Numbers) -> Self {
        Self {
            shared,
            numbers,
            held: Vec::new(),
        }
    }

    /// Until the node stops.
    pub(super) fn run(mut self, queue: &Receiver<Incoming>) {
        let mut retold = Instant::now();
        let mut taken: Option<Instant> = None;
        while !self.shared.is_stopped() {
            let pause = if self.held.is_empty() {
                RETELL
            } else {
                RECHECK
            };
            match queue.recv_timeout(pause) {
                Ok(first) => {
                    let pause = gathering(self.shared.block_time());
                    let until = taken.map_or_else(Instant::now, |taken| taken + pause);
                    let group = gather(first, queue, until);
                    self.take(group);
                    taken = Some(Instant::now());
                }
                Err(RecvTimeoutError::Timeout) => self.recheck(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if retold.elapsed() >= RETELL {
                retold = Instant::now();
                let pool = self.shared.pool();
                let unheard = pool.unheard(RETELL, retold, TOLD_BYTES);
                drop(pool);
                self.tell(unheard);
            }
        }
    }

    /// Tries what is held again.
    fn recheck(&mut self) {
        let held = std::mem::take(&mut self.held);
        let known = |one: &Held| self.knows(&one.bytes).unwrap_or(true);
        let now = Instant::now();
        let (ready, waiting): (Vec<_>, Vec<_>) = held
            .into_iter()
            .partition(|one| one.until <= now || known(one));
        self.held = waiting;
        let incoming = |one: Held| Incoming {
            bytes: one.bytes,
            waiter: Some(one.waiter),
        };
        let group: Vec<_> = ready.into_iter().map(incoming).collect();
        if !group.is_empty() {
            self.take_for_good(group);
        }
    }

    /// Whether the sender's account is in the ledger by now.
    fn knows(&self, bytes: &[u8]) -> Result<bool, Fault> {
        let Ok(signed) = codec::decode::<SignedOperation>(bytes) else {
            return Ok(true);
        };
        let view = self.shared.ledger.view()?;
        Ok(view.account(signed.body.account)?.is_some())
    }

    /// A group of what came in.
    pub(super) fn take(&mut self, group: Vec<Incoming>) {
        let refused = self.take_in(group);
        let until = Instant::now() + PATIENCE;
        for (waiter, problem, bytes) in refused {
            let unknown = problem == SubmitError::Refused(Refusal::UnknownAccount);
            if unknown && self.held.len() < MAX_HELD {
                self.held.push(Held {
                    bytes,
                    waiter,
                    until,
                });
            } else {
                waiter(Err(problem));
            }
        }
    }

    fn take_for_good(&mut self, group: Vec<Incoming>) {
        for (waiter, problem, _) in self.take_in(group) {
            waiter(Err(problem));
        }
    }

    /// Takes in what may come in; gives who is refused, why, and what was sent.
    fn take_in(&mut self, group: Vec<Incoming>) -> Vec<Refused> {
        let fresh = self.unknown(group);
        let (told, refused) = match self.look(&fresh) {
            Ok((view, results)) => self.admit_each(fresh, results, &view),
            Err(fault) => {
                let problem = SubmitError::Storage(fault.to_string());
                let refuse = |one| refused(one, &problem);
                (Vec::new(), fresh.into_iter().flat_map(refuse).collect())
            }
        };
        self.tell(told);
        self.shared.wake.notify_one();
        refused
    }

    /// Each once, and without what is in the pool: whoever sends that again waits with the
    /// first sender.
    fn unknown(&self, group: Vec<Incoming>) -> Vec<Fresh> {
        let mut pool = self.shared.pool();
        let mut fresh: Vec<Fresh> = Vec::with_capacity(group.len());
        let mut places = HashMap::new();
        for Incoming { bytes, mut waiter } in group {
            let id = OperationId::of(&bytes);
            if pool.join(id, &mut waiter) {
                continue;
            }
            let place = *places.entry(id).or_insert(fresh.len());
            match fresh.get_mut(place) {
                Some(first) => first.waiters.extend(waiter),
                None => fresh.push(Fresh {
                    id,
                    bytes,
                    waiters: waiter.into_iter().collect(),
                }),
            }
        }
        fresh
    }

    /// Verifies what is not in the log.
    fn look(&self, fresh: &[Fresh]) -> Result<(View, Vec<Result<Checked, Refusal>>), Fault> {
        let view = self.shared.ledger.view()?;
        let mut logged = Vec::with_capacity(fresh.len());
        for one in fresh {
            logged.push(view.index_of(one.id)?);
        }
        let new = fresh.iter().zip(&logged);
        let new = new.filter(|(_, index)| index.is_none());
        let new = new.map(|(one, _)| one.bytes.clone()).collect();
        let mut checked = self.shared.check(new, &view)?.into_iter();
        let results = logged
            .into_iter()
            .filter_map(|index| match index {
                Some(index) => Some(Err(Refusal::Duplicate { index })),
                None => checked.next(),
            })
            .collect();
        Ok((view, results))
    }

    /// Puts into the pool what may be there; gives what is to be told to others, and who is
    /// refused.
    fn admit_each(
        &self,
        fresh: Vec<Fresh>,
        results: Vec<Result<Checked, Refusal>>,
        view: &View,
    ) -> (Vec<Vec<u8>>, Vec<Refused>) {
        let (mut told, mut all) = (Vec::new(), Vec::new());
        for (result, mut one) in results.into_iter().zip(fresh) {
            // Another node's party: that node tells and answers.
            let ours = !one.waiters.is_empty();
            let admitted = result
                .map_err(SubmitError::from)
                .and_then(|checked| self.admit(checked, view, &mut one.waiters));
            match admitted {
                Ok(()) if ours => told.push(one.bytes),
                Ok(()) => {}
                Err(problem) => all.extend(refused(one, &problem)),
            }
        }
        (told, all)
    }

    fn admit(
        &self,
        checked: Checked,
        view: &View,
        waiters: &mut Vec<Teller>,
    ) -> Result<(), SubmitError> {
        let used = view
            .sequence(checked.operation().account)
            .map_err(|fault| SubmitError::Storage(fault.to_string()))?;
        let mut pool = self.shared.pool();
        pool.admit(checked, used, waiters, Instant::now())
    }

    fn tell(&mut self, operations: Vec<Vec<u8>>) {
        let mut batch = Vec::new();
        let mut size = 0;
        for bytes in operations {
            if !batch.is_empty() && (size + bytes.len() > TOLD_BYTES || batch.len() >= MAX_TOLD) {
                self.publish(std::mem::take(&mut batch));
                size = 0;
            }
            size += bytes.len();
            batch.push(ByteBuf::from(bytes));
        }
        if !batch.is_empty() {
            self.publish(batch);
        }
    }

    fn publish(&mut self, batch: Vec<ByteBuf>) {
        let message = self.numbers.single(Part::Operations(batch));
        // Without an engine nothing is sent: it ended, or is being started anew; what waits is
        // told again.
        if let Some(wire) = self.shared.wire() {
            let _ = wire.blocking_send(NetworkMsg::PublishProposalPart(message));
        }
    }
}

/// An operation that is not in the pool, and those who wait for it.
struct Fresh {
    id: OperationId,
    bytes: Vec<u8>,
    waiters: Vec<Teller>,
}

/// Who is refused, why, and what was sent.
type Refused = (Teller, SubmitError, Vec<u8>);

fn refused(one: Fresh, problem: &SubmitError) -> Vec<Refused> {
    let Fresh { bytes, waiters, .. } = one;
    let refuse = |waiter| (waiter, problem.clone(), bytes.clone());
    waiters.into_iter().map(refuse).collect()
}

/// Pause between two groups, of the time that a block takes: many together are verified in a
/// third of the time and told in one message, which every node signs or checks and passes on;
/// and who waits a block's time does not feel an eighth of it. What comes after a pause is taken
/// at once.
fn gathering(block_time: Duration) -> Duration {
    (block_time / 8).clamp(SHORTEST_GATHERING, LONGEST_GATHERING)
}

/// What is there, and what comes until then.
fn gather(first: Incoming, queue: &Receiver<Incoming>, until: Instant) -> Vec<Incoming> {
    let mut size = first.bytes.len();
    let mut group = vec![first];
    while group.len() < GROUP && size < GROUP_BYTES {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(next) = queue.recv_timeout(left) else {
            break;
        };
        size += next.bytes.len();
        group.push(next);
    }
    group
}

/// Operations verified together.
const GROUP: usize = 512;
const GROUP_BYTES: usize = 2 << 20;
const SHORTEST_GATHERING: Duration = Duration::from_millis(4);
const LONGEST_GATHERING: Duration = Duration::from_millis(25);
/// Operations in one message to others.
const MAX_TOLD: usize = 1_024;
/// Their bytes, unless a single one is longer.
const TOLD_BYTES: usize = 512 << 10;
/// Pause after which others are told again what is still not ordered.
const RETELL: Duration = Duration::from_millis(500);
/// Pause between two looks at what is held.
const RECHECK: Duration = Duration::from_millis(50);
/// How long an operation of an unknown account is held.
const PATIENCE: Duration = Duration::from_secs(2);
/// Operations held; more are refused at once.
const MAX_HELD: usize = 256;
