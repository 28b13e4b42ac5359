//! The scrubber in the background: every block is hashed again, slowly, round after round.
//! What is damaged or missing is brought from a node that has it; both are said.

use base::Cid;
use std::{
    sync::{Arc, PoisonError},
    thread::JoinHandle,
    time::Duration,
};
use store::{
    Embedded,
    scrub::{Finding, Flaw, Outcome, ScrubReport},
};

use crate::{
    http::{
        interface::{Interface, Scrubs},
        log_line,
    },
    stop::Stop,
};

/// Begins it, with `pause` between two rounds; it ends with `stop`, and goes on there the
/// next time.
pub(super) fn scrub(
    store: Arc<Embedded>,
    interface: &Arc<Interface>,
    pause: Duration,
    stop: Stop,
) -> JoinHandle<()> {
    let (finder, scrubs) = (interface.finder.clone(), Arc::clone(&interface.scrubs));
    std::thread::spawn(move || {
        let repair = |cid: &Cid, roots: &[Cid]| finder.as_ref()?.mend(cid, roots);
        let (mut said, mut wait) = (Vec::new(), pause.min(FIRST));
        while !stop.wait(wait) {
            wait = pause;
            match store.scrub(&repair, BYTES_PER_SECOND, &|| stop.is_set()) {
                Ok(report) => said = note(&scrubs, report, &said),
                Err(error) => log_line(&format!("scrubbing: {error}")),
            }
        }
    })
}

/// Says and counts what is new since the round before; gives what is still wrong.
fn note(scrubs: &Scrubs, report: ScrubReport, said: &[Finding]) -> Vec<Finding> {
    for finding in report.findings.iter().filter(|found| !said.contains(found)) {
        let flaw = match finding.flaw {
            Flaw::Damaged => "damaged",
            _ => "missing",
        };
        let outcome = match &finding.outcome {
            Outcome::Repaired => "repaired from another node",
            Outcome::NoCopy => "nobody gave a copy",
            Outcome::WrongCopy => "what came was another block",
            Outcome::Failed(reason) => reason,
            _ => "not repaired",
        };
        log_line(&format!(
            "scrubbing: block {} is {flaw}: {outcome}",
            finding.cid
        ));
    }
    let mut sum = scrubs.lock().unwrap_or_else(PoisonError::into_inner);
    sum.rounds += u64::from(report.complete);
    sum.damaged += report.damaged;
    sum.missing += report.missing;
    sum.repaired += report.repaired;
    report.findings
}

/// Longest wait for the first round.
const FIRST: Duration = Duration::from_secs(30);
/// So much a reader does not notice; 1 TiB takes about nine hours.
const BYTES_PER_SECOND: u64 = 32 << 20;
