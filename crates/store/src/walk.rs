//! Which blocks a root reaches, each once, parents first.

use crate::{GetError, Source, links};
use base::cid::Cid;
use std::collections::HashSet;

/// The blocks that a root reaches: depth first, in the order of the links, each block once.
///
/// A block that cannot be read is an error item; the walk goes on with the others. Memory:
/// the CIDs seen and those waiting, no block.
pub struct Walk<S> {
    source: S,
    waiting: Vec<Cid>,
    seen: HashSet<Cid>,
}

impl<S: Source> Walk<S> {
    /// A walk from one root.
    pub fn new(source: S, root: Cid) -> Self {
        Self {
            source,
            waiting: vec![root],
            seen: HashSet::new(),
        }
    }

    fn visit(&mut self, cid: Cid) -> Result<(Cid, Vec<u8>), GetError> {
        let bytes = self.source.block(&cid)?;
        let links = links(&cid, &bytes)?;
        let new = links
            .into_iter()
            .rev()
            .filter(|link| !self.seen.contains(link));
        self.waiting.extend(new);
        Ok((cid, bytes))
    }
}

impl<S: Source> Iterator for Walk<S> {
    type Item = Result<(Cid, Vec<u8>), GetError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let cid = self.waiting.pop()?;
            if self.seen.insert(cid) {
                return Some(self.visit(cid));
            }
        }
    }
}

/// What [`verify`] found.
#[derive(Debug, Default)]
pub struct Report {
    /// Whole blocks.
    pub blocks: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// What is missing, damaged or malformed; each names its block. What only such a block
    /// would reach was not looked at.
    pub faults: Vec<GetError>,
}

/// Reads every block that `root` reaches.
pub fn verify(source: impl Source, root: Cid) -> Report {
    let mut report = Report::default();
    for found in Walk::new(source, root) {
        match found {
            Ok((_, bytes)) => {
                report.blocks += 1;
                report.bytes += bytes.len() as u64;
            }
            Err(fault) => report.faults.push(fault),
        }
    }
    report
}
