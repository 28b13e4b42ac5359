//! Which block is asked of which provider, and when another is tried. It holds no connection
//! and no clock.
//!
//! A provider is asked for a few blocks at first, for one more with every block it gives, and
//! for half as many when it lets one wait. A block that was not had from one provider is asked
//! of the next; at the end, when nothing else is left to ask, slow ones are overtaken early.

use super::name::Name;
use libp2p::PeerId;
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// When to give up on whom.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Bytes that may be asked for or lie unsaved.
    pub(super) window: usize,
    /// How long a provider may take for a block before another is asked too.
    pub(super) patience: Duration,
    /// How long may pass without any block before all is given up.
    pub(super) stall: Duration,
}

/// Why nothing more comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// No provider can be reached.
    NoProvider,
    /// Every provider says that it has no such block.
    Missing(Name),
    /// None has sent anything for [`Pace::stall`].
    Stalled(Name),
}

pub(super) struct Plan {
    pace: Pace,
    providers: Vec<Provider>,
    /// Blocks that are wanted, with whom they were asked of.
    wanted: HashMap<Name, Wanted>,
    /// Those of them that are to be asked for.
    waiting: VecDeque<Name>,
    /// Requests under way.
    flying: usize,
    /// What a block is taken to weigh, in bytes.
    expected: usize,
    /// When a block came last, or there was nothing to wait for.
    moved: Instant,
}

struct Provider {
    id: PeerId,
    state: State,
    /// Requests under way to it, and as many as it may have.
    flying: usize,
    allowed: usize,
    /// It sent something wrong: others are asked first.
    suspect: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Up,
    /// Not connected yet, or lost: it is being dialled.
    Expected,
    /// It could not be reached.
    Away,
}

#[derive(Default)]
struct Wanted {
    /// Whom it was asked of, and when.
    asked: Vec<(usize, Instant)>,
    /// Who said no.
    refused: Vec<usize>,
    queued: bool,
}

impl Plan {
    pub(super) fn new(pace: Pace, providers: &[PeerId], now: Instant) -> Self {
        let mut unique: Vec<Provider> = Vec::with_capacity(providers.len());
        for id in providers {
            if unique.iter().all(|known| known.id != *id) {
                unique.push(Provider {
                    id: *id,
                    state: State::Expected,
                    flying: 0,
                    allowed: FIRST,
                    suspect: false,
                });
            }
        }
        Self {
            pace,
            providers: unique,
            wanted: HashMap::new(),
            waiting: VecDeque::new(),
            flying: 0,
            expected: LARGE,
            moved: now,
        }
    }

    /// Adds a block to what is wanted.
    pub(super) fn want(&mut self, name: Name, now: Instant) {
        if self.wanted.is_empty() {
            self.moved = now;
        }
        let wanted = self.wanted.entry(name).or_default();
        if wanted.asked.is_empty() && !wanted.queued {
            wanted.queued = true;
            self.waiting.push_back(name);
        }
    }

    pub(super) fn wants(&self, name: &Name) -> bool {
        self.wanted.contains_key(name)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether there is little left to ask for.
    pub(super) fn is_hungry(&self) -> bool {
        self.waiting.len() < MOST
    }

    /// A provider is connected; what it was asked before is asked anew.
    pub(super) fn up(&mut self, peer: &PeerId) {
        if let Some(at) = self.at(peer) {
            self.release(at);
            self.providers[at].state = State::Up;
        }
    }

    /// A provider is lost, and is dialled again.
    pub(super) fn down(&mut self, peer: &PeerId) {
        if let Some(at) = self.at(peer) {
            self.release(at);
            self.providers[at].state = State::Expected;
        }
    }

    /// A provider cannot be reached.
    pub(super) fn away(&mut self, peer: &PeerId) {
        if let Some(at) = self.at(peer)
            && self.providers[at].state != State::Up
        {
            self.providers[at].state = State::Away;
        }
    }

    /// A provider sent something wrong: what it was asked is asked of others.
    pub(super) fn wrong(&mut self, peer: &PeerId) {
        if let Some(at) = self.at(peer) {
            self.release(at);
            self.providers[at].suspect = true;
        }
    }

    /// A block came. Gives the other providers that were asked for it; `None` if it was not
    /// wanted.
    pub(super) fn came(
        &mut self,
        name: &Name,
        from: &PeerId,
        size: usize,
        now: Instant,
    ) -> Option<Vec<PeerId>> {
        let wanted = self.wanted.remove(name)?;
        self.moved = now;
        self.expected = size.max(self.expected - self.expected / 8).max(SMALL);
        let mut others = Vec::new();
        for (at, _) in wanted.asked {
            let provider = &mut self.providers[at];
            provider.flying -= 1;
            self.flying -= 1;
            if provider.id == *from {
                provider.allowed = (provider.allowed + 1).min(MOST);
            } else {
                others.push(provider.id);
            }
        }
        Some(others)
    }

    /// A provider has not got it.
    pub(super) fn refused(&mut self, name: &Name, by: &PeerId) {
        if let Some(at) = self.at(by)
            && self.take_back(name, at)
            && let Some(wanted) = self.wanted.get_mut(name)
        {
            wanted.refused.push(at);
        }
    }

    /// A block came when there was no room for it: it is asked for again.
    pub(super) fn no_room(&mut self, name: &Name, from: &PeerId) {
        self.expected = LARGE;
        if let Some(at) = self.at(from) {
            self.take_back(name, at);
        }
    }

    /// Requests that have waited too long are made of another provider too, or again of the
    /// same if there is no other. `ending`: nothing else is left to ask for.
    pub(super) fn overdue(&mut self, ending: Ending, now: Instant) {
        let patience = match ending {
            Ending::Yes if self.waiting.is_empty() => self.pace.patience / 5,
            _ => self.pace.patience,
        };
        let mut slow = Vec::new();
        for (name, wanted) in &mut self.wanted {
            let last = wanted.asked.iter().map(|(_, since)| *since).max();
            if wanted.queued || last.is_none_or(|last| now < last + patience) {
                continue;
            }
            slow.extend(wanted.asked.iter().map(|(at, _)| *at));
            wanted.queued = true;
            self.waiting.push_back(*name);
        }
        slow.sort_unstable();
        slow.dedup();
        for at in slow {
            let provider = &mut self.providers[at];
            provider.allowed = (provider.allowed / 2).max(1);
        }
    }

    /// What to ask of whom now, with so many bytes not saved yet.
    pub(super) fn assign(&mut self, unsaved: usize, now: Instant) -> Vec<(PeerId, Name)> {
        let room = self.pace.window.saturating_sub(unsaved) / self.expected;
        let most = room.min(MOST).max(usize::from(unsaved == 0));
        if self.flying >= most {
            if unsaved > 0 {
                self.moved = now; // it is the store that all wait for
            }
            return Vec::new();
        }
        let mut asks = Vec::new();
        let mut left = VecDeque::new();
        while self.flying < most
            && let Some(name) = self.waiting.pop_front()
        {
            match self.choose(&name) {
                Choice::Ask(at) => {
                    self.providers[at].flying += 1;
                    self.flying += 1;
                    if let Some(wanted) = self.wanted.get_mut(&name) {
                        wanted.queued = false;
                        wanted.asked.push((at, now));
                    }
                    asks.push((self.providers[at].id, name));
                }
                Choice::Repeat(at) => {
                    if let Some(wanted) = self.wanted.get_mut(&name) {
                        wanted.queued = false;
                        for (asked, since) in &mut wanted.asked {
                            if *asked == at {
                                *since = now;
                            }
                        }
                    }
                    asks.push((self.providers[at].id, name));
                }
                Choice::Wait => left.push_back(name),
                Choice::Forget => {}
            }
            if left.len() > LOOK_AHEAD {
                break;
            }
        }
        while let Some(name) = left.pop_back() {
            self.waiting.push_front(name);
        }
        asks
    }

    /// Why nothing more is to be hoped for.
    pub(super) fn fault(&self, now: Instant) -> Option<Fault> {
        let idle = now.saturating_duration_since(self.moved);
        for (name, wanted) in self
            .wanted
            .iter()
            .filter(|(_, wanted)| wanted.asked.is_empty())
        {
            let hopeless = |at: usize, provider: &Provider| {
                wanted.refused.contains(&at) || provider.state == State::Away
            };
            let mut providers = self.providers.iter().enumerate();
            if providers.all(|(at, provider)| hopeless(at, provider)) {
                if wanted.refused.len() == self.providers.len() && !self.providers.is_empty() {
                    return Some(Fault::Missing(*name));
                }
                if idle >= self.pace.patience || self.providers.is_empty() {
                    return Some(if wanted.refused.is_empty() {
                        Fault::NoProvider
                    } else {
                        Fault::Missing(*name)
                    });
                }
            }
        }
        let name = self
            .wanted
            .keys()
            .next()
            .filter(|_| idle >= self.pace.stall)?;
        let up = self.providers.iter().any(|one| one.state == State::Up);
        Some(if up {
            Fault::Stalled(*name)
        } else {
            Fault::NoProvider
        })
    }

    fn at(&self, peer: &PeerId) -> Option<usize> {
        self.providers.iter().position(|known| known.id == *peer)
    }

    /// Nothing is under way to this provider any more.
    fn release(&mut self, at: usize) {
        let asked: Vec<Name> = self
            .wanted
            .iter()
            .filter(|(_, wanted)| wanted.asked.iter().any(|(asked, _)| *asked == at))
            .map(|(name, _)| *name)
            .collect();
        for name in asked {
            self.take_back(&name, at);
        }
    }

    /// A request is not under way any more; the block waits again if it was the last.
    fn take_back(&mut self, name: &Name, at: usize) -> bool {
        let Some(wanted) = self.wanted.get_mut(name) else {
            return false;
        };
        let before = wanted.asked.len();
        wanted.asked.retain(|(asked, _)| *asked != at);
        if wanted.asked.len() == before {
            return false;
        }
        self.providers[at].flying -= 1;
        self.flying -= 1;
        if wanted.asked.is_empty() && !wanted.queued {
            wanted.queued = true;
            self.waiting.push_front(*name);
        }
        true
    }

    fn choose(&self, name: &Name) -> Choice {
        let Some(wanted) = self.wanted.get(name) else {
            return Choice::Forget; // it came meanwhile
        };
        let mut best: Option<(bool, usize, usize)> = None;
        for (at, provider) in self.providers.iter().enumerate() {
            let asked = wanted.asked.iter().any(|(asked, _)| *asked == at);
            if provider.state != State::Up || asked || wanted.refused.contains(&at) {
                continue;
            }
            let free = provider.allowed.saturating_sub(provider.flying);
            let rank = (!provider.suspect, free, at);
            if free > 0 && best.is_none_or(|best| (best.0, best.1) < (rank.0, rank.1)) {
                best = Some(rank);
            }
        }
        match (best, wanted.asked.first()) {
            (Some((_, _, at)), _) => Choice::Ask(at),
            (None, Some((at, _))) => Choice::Repeat(*at),
            (None, None) => Choice::Wait,
        }
    }
}

/// Whether anything is left to be wanted later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    Yes,
    NotYet,
}

enum Choice {
    Ask(usize),
    Repeat(usize),
    Wait,
    Forget,
}

/// Requests under way to a provider that has not shown yet what it can do.
const FIRST: usize = 4;
/// Requests under way at most.
const MOST: usize = 128;
/// Blocks without a provider that are passed over to find one that has.
const LOOK_AHEAD: usize = 32;
/// What a block is taken to weigh before one was seen, in bytes.
const LARGE: usize = 1 << 20;
/// What it is taken to weigh at least.
const SMALL: usize = 8 << 10;
