//! What an anchoring thread does: steps of the service, how it stands, what the log says.

use anchor::{Checkpoint, Next, PublicChain, Report, Schedule, Service, Subject};
use std::sync::PoisonError;

use super::{Anchoring, Begin};
use crate::{
    http::{
        anchors::{AnchorStanding, Feed},
        interface::Views,
        log_line,
    },
    stop::Stop,
    system,
};

/// A client, when it is used, and how that stands at first.
pub(super) struct Made<S: Subject = Checkpoint> {
    pub(super) client: Box<dyn PublicChain<S>>,
    pub(super) schedule: Schedule,
    pub(super) standing: AnchorStanding,
}

impl<S: Subject> Begin for Made<S> {
    fn standing(&self) -> AnchorStanding {
        self.standing.clone()
    }

    fn run(self: Box<Self>, anchoring: &Anchoring, views: &Views, stop: &Stop) {
        let now = system::now();
        let service = Service::new(self.client, &anchoring.journal, self.schedule, now);
        run(service, self.standing, anchoring, views, stop);
    }
}

fn run<S: Subject>(
    mut service: Service<'_, S>,
    mut standing: AnchorStanding,
    anchoring: &Anchoring,
    views: &Views,
    stop: &Stop,
) {
    let about = match standing.feed {
        Feed::Anchors => format!("anchors in {}", standing.chain),
        feed => format!("{} in {}", feed.name(), standing.chain),
    };
    let mut said = None;
    let mut next = Next::Begun;
    loop {
        // Nothing changed: the journal need not be read again.
        if next != Next::Idle || standing.trouble != said {
            let report = service.report(system::now()).ok();
            show(&mut standing, report.as_ref(), anchoring, &said);
        }
        if stop.wait(service.pause()) {
            return;
        }
        let trouble = match service.step(&|| views(), system::now()) {
            Ok(done) => {
                next = done;
                match done {
                    Next::Idle | Next::Waiting => {}
                    done => log_line(&format!("{about}: {}", word(done))),
                }
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if trouble != said {
            if let Some(trouble) = &trouble {
                log_line(&format!("{about}: {trouble}"));
            }
            said = trouble;
        }
    }
}

fn show<S: Subject>(
    standing: &mut AnchorStanding,
    report: Option<&Report<S>>,
    anchoring: &Anchoring,
    said: &Option<String>,
) {
    if let Some(report) = report {
        standing.anchors = report.anchors;
        let newest = report.newest.as_ref();
        standing.newest = newest.map(|(says, block)| (says.covers(), says.digest(), *block));
        standing.open = report.open;
        standing.cost = report.cost;
        standing.left = report.left;
    }
    standing.trouble.clone_from(said);
    let mut shown = anchoring
        .standing
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let same = |one: &&mut AnchorStanding| one.chain == standing.chain && one.feed == standing.feed;
    let own = shown.iter_mut().find(same);
    if let Some(own) = own {
        own.clone_from(standing);
    }
}

fn word(next: Next) -> &'static str {
    match next {
        Next::Idle | Next::Waiting => "nothing new",
        Next::Begun => "one was sent",
        Next::Final => "one is final",
        Next::Adopted => "one that another node sent is final",
        Next::Reopened => "the chain was reorganised; one is sent again",
        Next::Void => {
            "one came to nothing: the chain took another transaction in its place, or refused it"
        }
    }
}
