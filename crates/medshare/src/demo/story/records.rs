//! Chapter: hospitals publish what they hold, patients check and accept it.

use base::Cid;
use share::{Node as _, sealed::SealedRecord};
use std::time::Duration;

use super::{
    super::{
        party::{Party, at_once},
        samples::{self, Source},
        stage::Stage,
        step::{Facts, Report, step},
    },
    cast::Cast,
    consortium::job,
};
use crate::{
    cli::output::usage,
    exit::{Exit, Fault, Result},
    files,
    http::HttpNode,
};

/// One file on its way from a hospital to whoever may open it.
pub(super) struct Journey<'a> {
    /// The file.
    pub(super) source: Source,
    /// Who holds it.
    pub(super) hospital: &'a Party,
    /// Whose it is.
    pub(super) patient: &'a Party,
    /// The record on the ledger.
    pub(super) record: String,
    /// Its accepted state.
    pub(super) state: String,
    /// Bytes of its sealed parts, padding included, as its root tells.
    sealed: u64,
    /// Classes of its parts.
    pub(super) classes: Vec<String>,
}

/// Everything that was published.
pub(super) struct Published<'a> {
    /// What is accepted.
    pub(super) journeys: Vec<Journey<'a>>,
    /// What waits for Mara.
    pub(super) waiting: Journey<'a>,
    /// The node, for what anybody may read.
    node: HttpNode,
}

/// Publishes every file, and one more that its patient does not accept yet.
pub(super) fn publish<'a>(
    stage: &Stage,
    report: &mut Report,
    cast: &'a Cast,
    sources: Option<Vec<Source>>,
) -> Result<Published<'a>> {
    report.chapter("Hospitals sign, seal and publish; patients check and accept")?;
    let node = HttpNode::new(stage.address().parse().map_err(usage)?, PATIENCE, None)?;
    let sources = match sources {
        Some(sources) => sources,
        None => {
            let archive = cast.northgate.path("archive");
            files::make_private_folder(&archive)?;
            samples::unpack(&archive)?
        }
    };
    let smallest = sources.iter().min_by_key(|source| source.bytes).cloned();
    let patients = cast.patients();
    let mut journeys: Vec<Journey<'_>> = sources
        .into_iter()
        .enumerate()
        .map(|(at, source)| {
            let (patient, hospital) = patients[at % patients.len()];
            Journey::new(source, hospital, patient)
        })
        .collect();
    publish_all(report, &node, &mut journeys, &[])?;
    accept_all(report, &journeys)?;

    let mut waiting: Vec<Journey<'_>> = smallest
        .map(|source| Journey::new(source, &cast.northgate, &cast.mara))
        .into_iter()
        .collect();
    publish_all(report, &node, &mut waiting, &[])?;
    let waiting = waiting.pop().ok_or_else(samples::nothing)?;
    Ok(Published {
        journeys,
        waiting,
        node,
    })
}

impl<'a> Published<'a> {
    /// One more record of Mara's, of the class for emergencies, accepted.
    pub(super) fn emergency_sheet(
        &self,
        report: &mut Report,
        cast: &'a Cast,
    ) -> Result<Journey<'a>> {
        let source = self.waiting.source.clone();
        let mut sheet = [Journey::new(source, &cast.northgate, &cast.mara)];
        publish_all(report, &self.node, &mut sheet, &["--class", "emergency"])?;
        accept_all(report, &sheet)?;
        let [sheet] = sheet;
        Ok(sheet)
    }
}

impl<'a> Journey<'a> {
    fn new(source: Source, hospital: &'a Party, patient: &'a Party) -> Self {
        Self {
            source,
            hospital,
            patient,
            record: String::new(),
            state: String::new(),
            sealed: 0,
            classes: Vec::new(),
        }
    }

    /// A short name for people: the file's own, without its folders.
    pub(super) fn name(&self) -> &str {
        self.source
            .name
            .rsplit('/')
            .next()
            .unwrap_or(&self.source.name)
    }
}

fn publish_all(
    report: &mut Report,
    node: &HttpNode,
    journeys: &mut [Journey<'_>],
    more: &[&str],
) -> Result<()> {
    let answers = at_once(
        journeys
            .iter()
            .map(|journey| {
                job(move || {
                    let file = journey.source.path.to_string_lossy();
                    let patient = journey.patient.account();
                    let publish = ["record", "publish", &file, "--patient", patient];
                    journey.hospital.run(&[&publish[..], more].concat())
                })
            })
            .collect(),
    );
    for (journey, answer) in journeys.iter_mut().zip(answers) {
        let sealed_parts = answer
            .values
            .iter()
            .find_map(|value| value["parts"].as_array());
        journey.classes = sealed_parts
            .into_iter()
            .flatten()
            .filter_map(|part| part["class"].as_str().map(str::to_owned))
            .collect();
        let text = format!(
            "{} publishes {} for {}: {}",
            journey.hospital.name,
            journey.name(),
            journey.patient.name,
            parts(journey)
        );
        if answer.reason().is_none() {
            journey.record = answer.text("record")?;
            journey.state = answer.text("state")?;
            journey.sealed = sealed_bytes(node, journey)?;
        }
        let facts = Facts::of(&answer).sizes(journey.source.bytes, Some(journey.sealed));
        report.passes_with(step("publish", text), answer, facts)?;
    }
    Ok(())
}

/// The number of parts, in words.
pub(super) fn parts(journey: &Journey<'_>) -> String {
    match journey.classes.len() {
        1 => "1 part".to_owned(),
        count => format!("{count} parts"),
    }
}

/// What anybody sees of a record's size: the root at the node, as an auditor reads it.
fn sealed_bytes(node: &HttpNode, journey: &Journey<'_>) -> Result<u64> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Fault::new(
            Exit::Invalid,
            format!("root {} of {}: {error}", journey.state, journey.name()),
        )
    };
    let root = Cid::try_from(journey.state.as_str()).map_err(|error| unreadable(&error))?;
    let record = journey.record.parse().map_err(|error| unreadable(&error))?;
    let block = node.read_block(&root)?;
    let sealed = SealedRecord::from_block(&block, record).map_err(|error| unreadable(&error))?;
    Ok(sealed.parts.iter().map(|part| part.size).sum())
}

fn accept_all(report: &mut Report, journeys: &[Journey<'_>]) -> Result<()> {
    let answers = at_once(
        journeys
            .iter()
            .map(|journey| job(move || journey.patient.run(&["record", "accept", &journey.record])))
            .collect(),
    );
    for (journey, answer) in journeys.iter().zip(answers) {
        let text = format!(
            "{} checks the sealed {}, accepts it",
            journey.patient.name,
            journey.name()
        );
        let facts = Facts::of(&answer)
            .cid(&journey.state)
            .sizes(journey.sealed, None);
        report.passes_with(step("accept", text), answer, facts)?;
    }
    Ok(())
}

/// Longest wait for one block.
const PATIENCE: Duration = Duration::from_secs(30);
