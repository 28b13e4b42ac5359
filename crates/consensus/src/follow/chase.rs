//! One step of a follower: what the upstream tells, against the ledger at hand. No thread,
//! no clock.

use ledger::{AppendError, Block, Fault, Head, HeadError, Ledger, VerifiedHead, View, contradict};

use super::{Conflict, News, Upstream, UpstreamError};

/// How far a step came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// The ledger is as high as the upstream's was when it answered.
    Current,
    /// It grew, and there is more.
    Behind,
}

/// Why a step did not bring the ledger further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Setback {
    /// Worth another try.
    Trouble(String),
    /// Never again.
    Conflict(Box<Conflict>),
}

/// Asks once and appends what comes.
pub(super) fn step(ledger: &Ledger, upstream: &dyn Upstream) -> Result<Progress, Setback> {
    let own = ledger.view()?.head()?.header.height;
    let News { head, blocks } = upstream.news(own + 1)?;
    let head = match head.verify(&ledger.validators()) {
        // Validators that this ledger comes to know on the way there.
        Err(HeadError::OtherValidators) if !blocks.is_empty() => {
            for block in blocks {
                append(ledger, block)?;
            }
            return Ok(Progress::Behind);
        }
        other => other,
    };
    let head =
        head.map_err(|error| Setback::Trouble(format!("the upstream node's head: {error}")))?;
    compare(&ledger.view()?, &head)?;
    if head.header.height < own {
        return Err(Setback::Trouble(format!(
            "the upstream node is at height {}, this ledger at {own}",
            head.header.height
        )));
    }
    if head.header.height == own {
        return Ok(Progress::Current);
    }
    if blocks.is_empty() {
        return Err(Setback::Trouble(format!(
            "the upstream node shows a head of height {} and gives no block after {own}",
            head.header.height
        )));
    }
    for block in blocks {
        append(ledger, block)?;
    }
    match ledger.view()?.head()?.header.height < head.header.height {
        true => Ok(Progress::Behind),
        false => Ok(Progress::Current),
    }
}

/// Refuses a certified head that the ledger at hand contradicts.
pub(crate) fn compare(view: &View, head: &VerifiedHead) -> Result<(), Setback> {
    let newest = view.head()?;
    let ours = match view.head_at(head.header.height)? {
        Some(ours) => ours,
        None => newest,
    };
    match contradict(&ours.header, &head.header) {
        true => Err(forked(view, ours, head.clone().into_head())),
        false => Ok(()),
    }
}

fn forked(view: &View, ours: Head, theirs: Head) -> Setback {
    let fault = format!(
        "two certified heads, of height {} and {}, cannot be of one ledger",
        ours.header.height, theirs.header.height
    );
    let theirs = Block {
        head: theirs,
        leaves: Vec::new(),
    };
    conflict(view, ours, theirs, fault)
}

fn conflict(view: &View, ours: Head, theirs: Block, fault: String) -> Setback {
    match view.transitions(1, usize::MAX) {
        Ok(all) => Setback::Conflict(Box::new(Conflict::new(ours, theirs, fault).led_by(all))),
        Err(error) => error.into(),
    }
}

fn append(ledger: &Ledger, block: Block) -> Result<(), Setback> {
    match ledger.append(&block) {
        Ok(_) => Ok(()),
        Err(AppendError::Certified { fault, .. }) => {
            let view = ledger.view()?;
            Err(conflict(&view, view.head()?, block, fault.to_string()))
        }
        Err(error) => Err(Setback::Trouble(error.to_string())),
    }
}

impl From<Fault> for Setback {
    fn from(fault: Fault) -> Self {
        Self::Trouble(fault.to_string())
    }
}

impl From<UpstreamError> for Setback {
    fn from(error: UpstreamError) -> Self {
        Self::Trouble(error.to_string())
    }
}
