//! Says what is due of a ledger in a chain, anchors by time or count, single leaves as they come,
//! and sees each transaction through.
//!
//! One call of [`Service::step`] does what is due and comes back; it waits for the network,
//! never for the ledger, and the ledger never for it. Whatever dies in between, the journal
//! says where it was: a transaction is in it, signed, before the chain can have it, and all
//! transactions that say one thing share a slot of which the chain takes one.

use base::{Millis, Version};
use ledger::View;
use std::time::Duration;
use thiserror::Error;

use crate::{
    chain::{Attempt, Order, PublicChain, Seen, Standing, Trouble},
    checkpoint::Checkpoint,
    journal::{Entry, Journal, JournalError, State},
    subject::{Subject, Wish},
};

/// When to anchor, and for how much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// An anchor is due so many milliseconds after the last, if there is anything new.
    pub every: u64,
    /// Or as soon as so many operations are new.
    pub count: u64,
    /// Blocks, its own included, after which an anchor counts as final.
    pub confirmations: u64,
    /// A transaction that waits so many milliseconds is replaced by one that pays more.
    pub replace: u64,
    /// Most that is spent in [`WINDOW`], in [`Chain::unit`](crate::Chain::unit)s.
    pub budget: u64,
    /// Pause between two looks.
    pub poll: Duration,
}

/// The time that a budget is for: 30 days.
pub const WINDOW: u64 = 30 * Millis::DAY;

/// How anchoring stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report<S = Checkpoint> {
    /// Anchors that are final.
    pub anchors: u64,
    /// The newest of them.
    pub newest: Option<(S, u64)>,
    /// Anchors that are on their way.
    pub open: u64,
    /// What all cost, in [`Chain::unit`](crate::Chain::unit)s.
    pub cost: u64,
    /// What is left to spend in the running [`WINDOW`].
    pub left: u64,
    /// Why the last step got no further.
    pub trouble: Option<String>,
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Nothing is due.
    Idle,
    /// An anchor was begun.
    Begun,
    /// One is on its way.
    Waiting,
    /// One became final.
    Final,
    /// An anchor that another node sent was taken over.
    Adopted,
    /// One that was final is not part of the chain any more, and is sent again.
    Reopened,
    /// One came to nothing.
    Void,
}

/// Why a step got no further. The next one begins where it ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StepError {
    /// The chain.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The journal.
    #[error("anchors.redb: {0}")]
    Journal(#[from] JournalError),
    /// The ledger.
    #[error("ledger: {0}")]
    Ledger(#[from] ledger::Fault),
}

/// Says one kind of thing of one ledger in one chain.
pub struct Service<'a, S: Subject = Checkpoint> {
    chain: Box<dyn PublicChain<S> + 'a>,
    journal: &'a Journal,
    schedule: Schedule,
    /// When this service began: what "so long after the last" counts from at first.
    began: Millis,
    /// Leaves between these say nothing: how far was looked, from where.
    scanned: (u64, u64),
    /// The leaf that was left to another node, since when.
    yielded: Option<(u64, Millis)>,
    failures: u32,
}

impl<S: Subject> std::fmt::Debug for Service<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({})", S::lane(self.chain.chain()))
    }
}

/// Gives a snapshot of the ledger.
pub type Views<'a> = dyn Fn() -> Result<View, ledger::Fault> + 'a;

impl<'a, S: Subject> Service<'a, S> {
    /// A service that goes on where `journal` ends.
    pub fn new(
        chain: Box<dyn PublicChain<S> + 'a>,
        journal: &'a Journal,
        schedule: Schedule,
        now: Millis,
    ) -> Self {
        Self {
            chain,
            journal,
            schedule,
            began: now,
            scanned: (0, 0),
            yielded: None,
            failures: 0,
        }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// [`StepError`].
    pub fn step(&mut self, views: &Views<'_>, now: Millis) -> Result<Next, StepError> {
        let done = self.try_step(views, now);
        self.failures = match &done {
            Ok(_) => 0,
            Err(_) => self.failures.saturating_add(1),
        };
        done
    }

    /// How long to wait before the next step: longer after each failure, five minutes at most.
    pub fn pause(&self) -> Duration {
        let factor = 1 << self.failures.min(16);
        let most = LONGEST_PAUSE.max(self.schedule.poll);
        self.schedule.poll.saturating_mul(factor).min(most)
    }

    /// How anchoring stands, as far as the journal knows.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn report(&self, now: Millis) -> Result<Report<S>, JournalError> {
        let chain = self.chain.chain();
        let (anchors, cost) = self.journal.sums::<S>(chain)?;
        let newest = self.journal.newest_final::<S>(chain)?;
        Ok(Report {
            anchors,
            newest: newest.and_then(|(_, entry)| match entry.state {
                State::Final { place, .. } => Some((entry.says, place.number)),
                State::Open | State::Void => None,
            }),
            open: self.open()?.len() as u64,
            cost,
            left: self.left(now)?,
            trouble: None,
        })
    }

    fn try_step(&mut self, views: &Views<'_>, now: Millis) -> Result<Next, StepError> {
        self.chain.ready()?;
        let reopened = self.follow_reorg()?;
        let open = self.open()?;
        let mut room = open.len() < S::AT_ONCE;
        let mut next = match (reopened, open.is_empty()) {
            (true, _) => Next::Reopened,
            (false, true) => Next::Idle,
            (false, false) => Next::Waiting,
        };
        let newest = open.first().map(|(_, entry)| entry.attempts.clone());
        let mut looked = open.len() < 3;
        // Oldest first: a slot counts only after those before it.
        for (number, entry) in open.into_iter().rev() {
            match self.settle(number, entry, now)? {
                // Each leads on from the one before: if the newest is in a block, so are all.
                Settled::InBlock if !looked => {
                    looked = true;
                    let newest = newest.as_deref().unwrap_or_default();
                    if let Standing::Placed { .. } = self.chain.standing(newest)? {
                        break;
                    }
                }
                Settled::InBlock => {}
                Settled::Waiting => room = false,
                Settled::Final => next = Next::Final,
                Settled::Void => (next, room) = (Next::Void, false),
            }
        }
        if !room {
            return Ok(next);
        }
        let settled = self.open()?.is_empty();
        let mut begun = self.begin(views, settled, now)?;
        // What others sent while this node was away is taken over at a stretch.
        for _ in 1..S::AT_ONCE {
            if begun != Next::Adopted {
                break;
            }
            next = begun;
            begun = self.begin(views, settled, now)?;
        }
        Ok(match begun {
            Next::Idle | Next::Waiting if next != Next::Idle => next,
            begun => begun,
        })
    }

    /// Entries that are on their way, newest first. One is begun when those before it are in
    /// blocks, so that what is open stands behind everything settled, but for what a
    /// reorganisation reopened.
    fn open(&self) -> Result<Vec<(u64, Entry<S>)>, JournalError> {
        let mut final_ones = 0;
        let recent = self
            .journal
            .back_while(self.chain.chain(), |entry: &Entry<S>| {
                final_ones += usize::from(matches!(entry.state, State::Final { .. }));
                final_ones <= WATCHED.max(S::AT_ONCE)
            })?;
        let open = |entry: &Entry<S>| entry.state == State::Open;
        Ok(recent
            .into_iter()
            .filter(|(_, entry)| open(entry))
            .collect())
    }

    /// The chain may have been reorganised deeper than an anchor was: then it is open again.
    fn follow_reorg(&mut self) -> Result<bool, StepError> {
        let chain = self.chain.chain();
        let mut final_ones = 0;
        let recent = self.journal.back_while(chain, |entry: &Entry<S>| {
            final_ones += usize::from(matches!(entry.state, State::Final { .. }));
            final_ones <= WATCHED.max(S::AT_ONCE)
        })?;
        let mut reopened = false;
        for (number, mut entry) in recent {
            let State::Final { place, .. } = entry.state else {
                continue;
            };
            if self.chain.depth(&place)?.is_some() {
                return Ok(reopened); // so are those before it
            }
            // What another node sent is that node's to send again.
            entry.state = match entry.attempts.is_empty() {
                true => State::Void,
                false => State::Open,
            };
            entry.cost = 0;
            self.journal.put(chain, number, &entry)?;
            reopened = true;
        }
        Ok(reopened)
    }

    fn settle(
        &mut self,
        number: u64,
        mut entry: Entry<S>,
        now: Millis,
    ) -> Result<Settled, StepError> {
        let chain = self.chain.chain();
        match self.chain.standing(&entry.attempts)? {
            Standing::Placed {
                id,
                place,
                depth,
                cost,
            } if depth >= self.schedule.confirmations => {
                let evidence = self.chain.evidence(&place, &entry.says)?;
                // Last: should the chain be reorganised, it is the one to be sent again, since
                // later anchors may pay with what it left over.
                entry.attempts.sort_by_key(|attempt| attempt.id == id);
                entry.state = State::Final { place, evidence };
                entry.cost = cost;
                self.journal.put(chain, number, &entry)?;
                Ok(Settled::Final)
            }
            Standing::Void { depth, cost, .. } if depth >= self.schedule.confirmations => {
                entry.cost = cost;
                let (state, settled) = self.said_by_another(&entry.says)?;
                entry.state = state;
                self.journal.put(chain, number, &entry)?;
                Ok(settled)
            }
            Standing::Placed { .. } => Ok(Settled::InBlock),
            Standing::Void { .. } => Ok(Settled::Waiting),
            standing @ (Standing::Absent | Standing::Waiting) => {
                let Some(last) = entry.attempts.last() else {
                    return Ok(Settled::Waiting);
                };
                // A clock that was set, either way, replaces too early and never too late.
                let newest = entry.attempts.iter().map(|attempt| attempt.made).max();
                let waited = now.0.abs_diff(newest.unwrap_or(last.made).0);
                let stuck = waited >= self.schedule.replace;
                if stuck && let Some(better) = self.better(&entry, now)? {
                    entry.attempts.push(better.clone());
                    self.journal.put(chain, number, &entry)?;
                    self.chain.send(&better)?;
                } else if standing == Standing::Absent {
                    self.chain.send(last)?;
                }
                Ok(Settled::Waiting)
            }
        }
    }

    /// What became of something that this node did not get said: where each leads on from the
    /// one before, another node said the same.
    fn said_by_another(&mut self, says: &S) -> Result<(State, Settled), StepError> {
        if S::AT_ONCE > 1
            && let Some(seen) = self.chain.newest(says)?
            && seen.mark == says.mark()
            && seen.depth >= self.schedule.confirmations
            && let Some(place) = seen.place
        {
            let evidence = self.chain.evidence(&place, says)?;
            return Ok((State::Final { place, evidence }, Settled::Final));
        }
        Ok((State::Void, Settled::Void))
    }

    /// A transaction in place of one that is stuck; none while fees or budget forbid it.
    fn better(&mut self, entry: &Entry<S>, now: Millis) -> Result<Option<Attempt>, StepError> {
        // Of one slot only one costs anything: what the dearest might cost is to be spent anyway.
        let reserved = entry.attempts.iter().map(|attempt| attempt.most).max();
        let order = Order {
            says: &entry.says,
            before: &entry.attempts,
            spent: &[],
            allowance: self.left(now)?.saturating_add(reserved.unwrap_or(0)),
            now,
        };
        match self.chain.prepare(&order) {
            Ok(attempt) => Ok(Some(attempt)),
            Err(Trouble::FeeOverCap { .. } | Trouble::OverBudget { .. } | Trouble::Refused(_)) => {
                Ok(None)
            }
            Err(other) => Err(other.into()),
        }
    }

    fn begin(&mut self, views: &Views<'_>, settled: bool, now: Millis) -> Result<Next, StepError> {
        let view = views()?;
        let (covered, at) = self.last()?;
        let from = self.chain.leads_on(covered, settled)?;
        if self.scanned.0 != from {
            self.scanned = (from, from);
        }
        let mut wish = Wish {
            from,
            scanned: &mut self.scanned.1,
            // Either way: a clock that was once far ahead does not stop anchoring until then.
            waited: now.0.abs_diff(at.0),
            schedule: &self.schedule,
        };
        let Some(says) = S::due(&view, &mut wish)? else {
            return Ok(Next::Idle);
        };
        if let Some(seen) = self.chain.newest(&says)?
            && S::covered(&seen.mark) > from
            && (seen.place.is_some() || self.yields(from, now))
        {
            if let Some(next) = self.adopt(&view, &seen, now)? {
                return Ok(next);
            }
            if !says.passes(&seen.mark) {
                let size = S::covered(&seen.mark);
                return Err(Trouble::Forked { size }.into());
            }
        }
        drop(view);
        let turn = self.journal.turn();
        let order = Order {
            says: &says,
            before: &[],
            spent: &self.spent()?,
            allowance: self.left(now)?,
            now,
        };
        let attempt = self.chain.prepare(&order)?;
        let entry = Entry {
            version: Version,
            says,
            made: now,
            attempts: vec![attempt.clone()],
            state: State::Open,
            cost: 0,
        };
        self.journal.add(self.chain.chain(), &entry)?;
        drop(turn);
        self.chain.send(&attempt)?;
        Ok(Next::Begun)
    }

    /// Whether to leave it to another node whose transaction waits: for as long as one of our own
    /// would be left alone.
    fn yields(&mut self, from: u64, now: Millis) -> bool {
        match self.yielded {
            Some((leaf, since)) if leaf == from => now.0.abs_diff(since.0) < self.schedule.replace,
            _ => {
                self.yielded = Some((from, now));
                true
            }
        }
    }

    /// Takes over what another node sent; none if it does not fit this ledger.
    fn adopt(
        &mut self,
        view: &View,
        seen: &Seen<S::Mark>,
        now: Millis,
    ) -> Result<Option<Next>, StepError> {
        // A node that is behind has no such block, and will know.
        let Some(says) = S::in_place_of(view, &seen.mark)? else {
            return Ok(Some(Next::Waiting));
        };
        if says.mark() != seen.mark {
            return Ok(None);
        }
        let deep = seen.depth >= self.schedule.confirmations;
        let Some(place) = seen.place.filter(|_| deep) else {
            return Ok(Some(Next::Waiting));
        };
        let evidence = self.chain.evidence(&place, &says)?;
        let entry = Entry {
            version: Version,
            says,
            made: now,
            attempts: Vec::new(),
            state: State::Final { place, evidence },
            cost: 0,
        };
        self.journal.add(self.chain.chain(), &entry)?;
        Ok(Some(Next::Adopted))
    }

    /// The first leaf that nothing was said about, and when the last was begun.
    fn last(&self) -> Result<(u64, Millis), JournalError> {
        let newest = self.journal.newest_standing::<S>(self.chain.chain())?;
        Ok(newest.map_or((0, self.began), |(_, entry)| {
            (entry.says.covers(), entry.made)
        }))
    }

    /// Attempts at what this node said last, here and in other streams of the same key.
    fn spent(&self) -> Result<Vec<Attempt>, JournalError> {
        let chain = self.chain.chain();
        let mut newest = Vec::new();
        self.journal.back_while(chain, |entry: &Entry<S>| {
            if entry.state != State::Void {
                newest.clone_from(&entry.attempts);
            }
            newest.is_empty()
        })?;
        newest.extend(self.journal.beside::<S>(chain)?);
        Ok(newest)
    }

    /// What may still be spent in the running window. What is on its way counts as spent.
    fn left(&self, now: Millis) -> Result<u64, JournalError> {
        let mut spent = 0_u64;
        self.journal
            .back_while(self.chain.chain(), |entry: &Entry<S>| {
                let inside = now.0.abs_diff(entry.made.0) < WINDOW;
                if inside {
                    let may_cost = entry.attempts.iter().map(|attempt| attempt.most).max();
                    spent = spent.saturating_add(match entry.state {
                        State::Open => may_cost.unwrap_or(0),
                        State::Final { .. } | State::Void => entry.cost,
                    });
                }
                inside
            })?;
        Ok(self.schedule.budget.saturating_sub(spent))
    }
}

/// What became of an entry in a step.
enum Settled {
    /// It is in no block yet, or was refused in one that is not deep enough.
    Waiting,
    /// It is in a block that is not deep enough.
    InBlock,
    Final,
    Void,
}

const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Final ones behind which no reorganisation is looked for, at least.
const WATCHED: usize = 8;
