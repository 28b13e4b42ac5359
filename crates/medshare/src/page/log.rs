//! The log as a page needs it: followed from its first leaf, checked against the certified
//! head, and what concerns the page's party kept in order.
//!
//! Everything is in memory and read anew when a page starts. What is kept grows with what
//! the party did, and with the agents and the grants for emergencies that there are; an
//! auditor's also with the reviews.

use base::{
    AccountId, Action, Millis, OperationId, RecordId,
    genesis::Genesis,
    operation::{GrantUse, RejectCode, Role, VoucherId},
};
use ledger::{CompactRange, Header, Leaf, Validators};
use share::Node;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    cli::ledger::certified,
    exit::{Exit, Fault, Result},
    http::HttpNode,
};

/// The followed log.
pub(super) struct Log(Mutex<Known>);

/// What is known of it so far.
pub(super) struct Known {
    /// Whose things are kept; an auditor has none.
    of: Option<AccountId>,
    validators: Validators,
    range: CompactRange,
    head: Option<Header>,
    /// Records that the party published or that are about her.
    pub(super) records: BTreeMap<RecordId, Line>,
    /// The same by the place of their newest state.
    pub(super) order: BTreeMap<u64, RecordId>,
    /// Openings of those records, in order.
    pub(super) queries: Vec<(OperationId, RecordId)>,
    /// Emergencies declared for the party: place, and by whom.
    pub(super) emergencies: Vec<(u64, AccountId)>,
    /// Vouchers given to the party, in order.
    pub(super) redeemed: Vec<(VoucherId, OperationId)>,
    /// Agents by institution, and openings that each served.
    agents: BTreeMap<AccountId, Agent>,
    /// Operations of each kind, done or refused.
    pub(super) actions: BTreeMap<&'static str, u64>,
    /// Openings under ordinary grants and under grants for emergencies.
    pub(super) openings: (u64, u64),
    for_emergencies: BTreeSet<OperationId>,
    /// Queries that were reviewed, in order; an auditor's alone.
    reviewed: Vec<OperationId>,
    /// Of as many of them as were looked up.
    minted: Vec<(Millis, u32)>,
    /// Reviews of the party's own records: review and query.
    pub(super) reviews: Vec<(OperationId, OperationId)>,
    own: BTreeSet<OperationId>,
    /// Requests by the party or to it, and the grants on them.
    pub(super) concerned: BTreeSet<OperationId>,
    /// Place of the newest operation of the party, or on a record of it.
    pub(super) changed: u64,
    /// Leaves and time at heights that were looked up: neither ever changes.
    heights: BTreeMap<u64, (u64, Millis)>,
}

/// A record as the log tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) hospital: AccountId,
    pub(super) patient: AccountId,
    /// The operation that logged its newest state, and its place.
    pub(super) by: OperationId,
    pub(super) at: u64,
    /// Number of that state, from 1.
    pub(super) version: u64,
    pub(super) answer: Answer,
    /// How often somebody opened a part of it.
    pub(super) opened: u64,
}

/// What the patient did with the newest state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Waiting,
    Accepted,
    Rejected(RejectCode),
    Erased,
}

#[derive(Clone, Copy, Default, Debug)]
struct Agent {
    institution: Option<AccountId>,
    served: u64,
}

impl Log {
    /// The log that begins with `genesis`, as it concerns `of`; nothing is read yet.
    pub(super) fn new(genesis: &Genesis, of: Option<AccountId>) -> Self {
        Self(Mutex::new(Known::new(of, Validators::of(genesis))))
    }

    /// What is known, with the node's newest head followed.
    ///
    /// # Errors
    /// [`Exit::Forked`] when the node's log is not the one that its certified head names, or
    /// goes back behind what was seen; [`Exit::Invalid`], [`Exit::Unreachable`].
    pub(super) fn advance(&self, node: &HttpNode) -> Result<MutexGuard<'_, Known>> {
        let mut known = self.known();
        let head = certified(node, &mut known.validators)?;
        let size = head.header.tree_size;
        if size < known.range.size() {
            return Err(other());
        }
        while known.range.size() < size {
            let at = known.range.size();
            let left = u32::try_from(size - at).unwrap_or(u32::MAX);
            let leaves = node.leaves(at, left.min(BATCH))?;
            if leaves.is_empty() || leaves.len() > left as usize {
                return Err(other());
            }
            for leaf in leaves {
                let at = known.range.size();
                known.range.append(&leaf.to_bytes());
                known.keep(at, &leaf);
            }
        }
        if known.range.root() != head.header.tree_root {
            // Whatever was kept came from a log that does not hold.
            *known = Known::new(known.of, known.validators.clone());
            return Err(other());
        }
        known.head = Some(head.header.clone());
        Ok(known)
    }
}

impl Log {
    /// Follows the log before anybody asks, and looks up when the newest `count` records were
    /// logged; pages get their turn between two of them.
    ///
    /// # Errors
    /// As [`Log::advance`].
    pub(super) fn keep_up(&self, node: &HttpNode, count: usize) -> Result<()> {
        let newest = self.advance(node)?.newest(0, count);
        for (_, line) in newest {
            self.known().time_of(node, line.at)?;
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn other() -> Fault {
    Fault::new(
        Exit::Forked,
        "the node's log is not the one that its certified head names, or was restored or forked",
    )
}

/// Leaves asked for at once.
const BATCH: u32 = 2_000;

impl Known {
    fn new(of: Option<AccountId>, validators: Validators) -> Self {
        Self {
            of,
            validators,
            range: CompactRange::new(),
            head: None,
            records: BTreeMap::new(),
            order: BTreeMap::new(),
            queries: Vec::new(),
            emergencies: Vec::new(),
            redeemed: Vec::new(),
            agents: BTreeMap::new(),
            actions: BTreeMap::new(),
            openings: (0, 0),
            for_emergencies: BTreeSet::new(),
            reviewed: Vec::new(),
            minted: Vec::new(),
            reviews: Vec::new(),
            own: BTreeSet::new(),
            concerned: BTreeSet::new(),
            changed: 0,
            heights: BTreeMap::new(),
        }
    }

    /// The newest head.
    pub(super) fn head(&self) -> Option<&Header> {
        self.head.as_ref()
    }

    /// Agents of an institution, and openings that each served.
    pub(super) fn agents_of(&self, institution: AccountId) -> Vec<(AccountId, u64)> {
        let of = |agent: &&Agent| agent.institution == Some(institution);
        let agents = self.agents.iter();
        agents
            .filter(|(_, agent)| of(agent))
            .map(|(id, agent)| (*id, agent.served))
            .collect()
    }

    /// Openings that an agent served.
    pub(super) fn served(&self, agent: AccountId) -> u64 {
        self.agents.get(&agent).map_or(0, |agent| agent.served)
    }

    fn keep(&mut self, at: u64, leaf: &Leaf) {
        let signed = &leaf.operation;
        let (by, action) = (signed.body.account, &signed.body.action);
        *self.actions.entry(action.name()).or_default() += 1;
        if !leaf.outcome.is_ok() {
            return;
        }
        let id = signed.to_bytes().1;
        if self.of == Some(by) {
            self.changed = at;
        }
        match action {
            Action::Register(register) if register.role == Role::Agent => {
                self.agents.entry(by).or_default();
            }
            Action::Join(join) => {
                if let Some(agent) = self.agents.get_mut(&by) {
                    agent.institution = Some(join.institution);
                }
            }
            Action::Publish(publish) if self.of == Some(by) || self.of == Some(publish.patient) => {
                self.order.insert(at, publish.record);
                let line = Line {
                    hospital: by,
                    patient: publish.patient,
                    by: id,
                    at,
                    version: 1,
                    answer: Answer::Waiting,
                    opened: 0,
                };
                self.records.insert(publish.record, line);
            }
            Action::Modify(modify) => {
                if let Some(line) = self.records.get_mut(&modify.record) {
                    self.order.remove(&line.at);
                    self.order.insert(at, modify.record);
                    (line.by, line.at, line.answer) = (id, at, Answer::Waiting);
                    line.version += 1;
                }
            }
            Action::Accept(accept) => self.answered(at, accept.record, Answer::Accepted),
            Action::Reject(reject) => {
                self.answered(at, reject.record, Answer::Rejected(reject.code));
            }
            Action::Erase(erase) => self.answered(at, erase.record, Answer::Erased),
            Action::Request(request) if self.of == Some(by) || self.of == Some(request.patient) => {
                self.concerned.insert(id);
            }
            Action::Authorize(grant) => {
                if grant.terms.purpose == GrantUse::Emergency {
                    self.for_emergencies.insert(id);
                }
                if self.concerned.contains(&grant.terms.request) {
                    self.concerned.insert(id);
                }
            }
            Action::Query(query) => {
                if let Some(agent) = self.agents.get_mut(&by) {
                    agent.served += 1;
                }
                match self.for_emergencies.contains(&query.grant) {
                    true => self.openings.1 += 1,
                    false => self.openings.0 += 1,
                }
                if let Some(line) = self.records.get_mut(&query.record) {
                    line.opened += 1;
                    self.queries.push((id, query.record));
                    self.own.insert(id);
                }
            }
            Action::Review(review) if self.of.is_none() => self.reviewed.push(review.query),
            Action::Review(review) if self.own.contains(&review.query) => {
                self.reviews.push((id, review.query));
            }
            Action::Emergency(emergency) if self.of == Some(emergency.patient) => {
                self.emergencies.push((at, by));
            }
            Action::Redeem(redeem) if self.of == Some(redeem.hospital) => {
                self.redeemed.push((redeem.voucher, id));
            }
            _ => {}
        }
    }

    fn answered(&mut self, at: u64, record: RecordId, answer: Answer) {
        if let Some(line) = self.records.get_mut(&record) {
            line.answer = answer;
            self.changed = at;
        }
    }

    /// The newest `count` records but for the first `from` of them.
    pub(super) fn newest(&self, from: usize, count: usize) -> Vec<(RecordId, Line)> {
        let order = self.order.values().rev().skip(from).take(count);
        order
            .filter_map(|id| Some((*id, *self.records.get(id)?)))
            .collect()
    }

    /// The time of the block that a leaf is in, as the node's heads have it.
    pub(super) fn time_of(&mut self, node: &HttpNode, leaf: u64) -> Result<Millis> {
        // The first height whose block ends behind the leaf.
        let height = self.first(node, |(size, _)| size > leaf)?;
        self.at(node, height.ok_or_else(other)?)
            .map(|(_, time)| time)
    }

    /// The first height of which `holds` says yes, to leaves and time, if there is one.
    /// `holds` never goes back to no as heights grow.
    pub(super) fn first(
        &mut self,
        node: &HttpNode,
        holds: impl Fn((u64, Millis)) -> bool,
    ) -> Result<Option<u64>> {
        let Some(newest) = &self.head else {
            return Ok(None);
        };
        let (newest, end) = (newest.height, (newest.tree_size, newest.time));
        if !holds(end) {
            return Ok(None);
        }
        // By powers of two from 0, so that the same heights are looked at however far the log
        // has grown, and most are remembered.
        let mut below = 0;
        let mut step = newest.checked_ilog2().map_or(0, |power| 1 << power);
        while step > 0 {
            let at = below + step;
            if at < newest && !holds(self.at(node, at)?) {
                below = at;
            }
            step /= 2;
        }
        Ok(Some(newest.min(below + 1)))
    }

    /// Leaves in the blocks below a height.
    pub(super) fn leaves_below(&mut self, node: &HttpNode, height: u64) -> Result<u64> {
        match height {
            0 | 1 => Ok(0),
            height => self.at(node, height - 1).map(|(size, _)| size),
        }
    }

    /// When each review was logged, and the credits that came of it.
    pub(super) fn minted(&mut self, node: &HttpNode) -> Result<&[(Millis, u32)]> {
        while let Some(query) = self.reviewed.get(self.minted.len()) {
            let review = node.query(*query)?.and_then(|query| query.review);
            let review = review.ok_or_else(other)?;
            self.minted.push((review.time, review.minted));
        }
        Ok(&self.minted)
    }

    fn at(&mut self, node: &HttpNode, height: u64) -> Result<(u64, Millis)> {
        if let Some(known) = self.heights.get(&height) {
            return Ok(*known);
        }
        let head = node.head_at(height)?;
        let header = head.map(|head| head.header).ok_or_else(other)?;
        let known = (header.tree_size, header.time);
        if self.heights.len() >= HEIGHTS {
            self.heights.clear();
        }
        self.heights.insert(height, known);
        Ok(known)
    }
}

/// Heights that are remembered at most, 32 bytes each.
const HEIGHTS: usize = 100_000;
