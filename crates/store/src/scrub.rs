//! What a scrubber finds, and where it gets whole copies from.

use base::cid::Cid;

/// Whole copies of blocks, from replicas.
pub trait Repair {
    /// The bytes of a block that is damaged or missing here, or `None` if they cannot be
    /// had. `roots` are the pinned roots that reach it; none for a block that nobody has
    /// pinned. The bytes are hashed before they are stored.
    fn block(&self, cid: &Cid, roots: &[Cid]) -> Option<Vec<u8>>;
}

impl<F: Fn(&Cid, &[Cid]) -> Option<Vec<u8>>> Repair for F {
    fn block(&self, cid: &Cid, roots: &[Cid]) -> Option<Vec<u8>> {
        self(cid, roots)
    }
}

/// What is wrong with a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Flaw {
    /// The bytes held are not the block, or cannot be read.
    Damaged,
    /// A pinned root reaches it and it is not here.
    Missing,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A whole copy is in its place, durable.
    Repaired,
    /// Nobody had a copy.
    NoCopy,
    /// What came was not the block.
    WrongCopy,
    /// The copy could not be stored.
    Failed(String),
}

/// One flaw, and what was done about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The block.
    pub cid: Cid,
    /// The pinned roots that reach it.
    pub roots: Vec<Cid>,
    /// What is wrong.
    pub flaw: Flaw,
    /// What was done.
    pub outcome: Outcome,
}

/// What a scrubber did since it was called.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScrubReport {
    /// Blocks hashed.
    pub blocks: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Blocks that are damaged.
    pub damaged: u64,
    /// Blocks that are missing.
    pub missing: u64,
    /// Of those, how many were repaired.
    pub repaired: u64,
    /// The first [`MAX_FINDINGS`] of those flaws.
    pub findings: Vec<Finding>,
    /// Whether it came to the end, not stopped before.
    pub complete: bool,
}

/// Most findings that a report lists; the counts are of all.
pub const MAX_FINDINGS: usize = 1000;

impl ScrubReport {
    pub(crate) fn enter(&mut self, finding: Finding) {
        match finding.flaw {
            Flaw::Damaged => self.damaged += 1,
            Flaw::Missing => self.missing += 1,
        }
        self.repaired += u64::from(finding.outcome == Outcome::Repaired);
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}
