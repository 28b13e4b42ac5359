//! The story, top down.

mod anchors;
mod cast;
mod consortium;
mod emergency;
mod end;
mod expiry;
mod patients;
mod records;
mod recovery;
mod refusals;
mod serve;
mod sharing;
mod tampering;
mod validators;

use anchor::Chain;

pub(super) use validators::check as check_validators;

use super::{samples::Source, stage::Stage, step::Report};
use crate::exit::Result;

/// Tells it from the first node to the last comparison.
///
/// # Errors
/// [`crate::exit::Exit::Internal`] naming the step that did not come out as it must.
pub(super) fn tell(
    stage: &Stage,
    report: &mut Report,
    sources: Option<Vec<Source>>,
    chains: &[Chain],
    count: usize,
    stays: bool,
) -> Result<()> {
    report.talk("medshare: patients own their medical records and share them.")?;
    report.talk(
        "Northgate, Riverside and St. Brigid's are hospitals, Helix is a research institute.",
    )?;
    report.talk("Every party is a process of its own, with its own home and its own keys.")?;
    report.heads()?;
    let cast = cast::Cast::new(stage)?;
    let mut nodes = consortium::found(stage, report, &cast, chains, count)?;
    patients::enrol(report, &cast)?;
    let published = records::publish(stage, report, &cast, sources)?;
    nodes.kill_one(report)?;
    sharing::share(stage, report, &cast, &published)?;
    refusals::provoke(report, &cast, &published)?;
    emergency::break_glass(report, &cast, &published)?;
    tampering::tamper(stage, report, &cast, &published)?;
    end::accept_waiting(report, &cast, &published)?;
    nodes.start_it_again(stage, report)?;
    recovery::bring_back(stage, report, &cast, &published)?;
    end::settle(report, &cast, &published, chains)?;
    nodes.compare(report, &cast)?;
    if stays {
        return serve::stay(stage, report, &cast);
    }
    nodes.stop();
    end::farewell(stage, report, &cast)
}
