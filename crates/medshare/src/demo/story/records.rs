//! Chapter: hospitals publish what they hold, patients check and accept it.

use super::{
    super::{
        party::{Party, at_once},
        samples::{self, Source},
        step::{Facts, Report, step},
    },
    cast::Cast,
    consortium::job,
};
use crate::{exit::Result, files};

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
    /// Classes of its parts.
    pub(super) classes: Vec<String>,
}

/// Everything that was published.
pub(super) struct Published<'a> {
    /// What is accepted.
    pub(super) journeys: Vec<Journey<'a>>,
    /// What waits for Mara.
    pub(super) waiting: Journey<'a>,
}

/// Publishes every file, and one more that its patient does not accept yet.
pub(super) fn publish<'a>(
    report: &mut Report,
    cast: &'a Cast,
    sources: Option<Vec<Source>>,
) -> Result<Published<'a>> {
    report.chapter("Hospitals sign, seal and publish; patients check and accept")?;
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
    publish_all(report, &mut journeys)?;
    accept_all(report, &journeys)?;

    let mut waiting: Vec<Journey<'_>> = smallest
        .map(|source| Journey::new(source, &cast.northgate, &cast.mara))
        .into_iter()
        .collect();
    publish_all(report, &mut waiting)?;
    let waiting = waiting.pop().ok_or_else(samples::nothing)?;
    Ok(Published { journeys, waiting })
}

impl<'a> Journey<'a> {
    fn new(source: Source, hospital: &'a Party, patient: &'a Party) -> Self {
        Self {
            source,
            hospital,
            patient,
            record: String::new(),
            state: String::new(),
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

fn publish_all(report: &mut Report, journeys: &mut [Journey<'_>]) -> Result<()> {
    let answers = at_once(
        journeys
            .iter()
            .map(|journey| {
                job(move || {
                    let file = journey.source.path.to_string_lossy();
                    let patient = journey.patient.account();
                    journey
                        .hospital
                        .run(&["record", "publish", &file, "--patient", patient])
                })
            })
            .collect(),
    );
    for (journey, answer) in journeys.iter_mut().zip(answers) {
        let parts = answer
            .values
            .iter()
            .find_map(|value| value["parts"].as_array());
        journey.classes = parts
            .into_iter()
            .flatten()
            .filter_map(|part| part["class"].as_str().map(str::to_owned))
            .collect();
        let text = format!(
            "{} publishes {} for {} ({} parts)",
            journey.hospital.name,
            journey.name(),
            journey.patient.name,
            journey.classes.len()
        );
        let facts = Facts::of(&answer).sizes(journey.source.bytes, None);
        let answer = report.passes_with(step("publish", text), answer, facts)?;
        journey.record = answer.text("record")?;
        journey.state = answer.text("state")?;
    }
    Ok(())
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
            "{} checks and accepts {}",
            journey.patient.name,
            journey.name()
        );
        let facts = Facts::of(&answer).cid(&journey.state);
        report.passes_with(step("accept", text), answer, facts)?;
    }
    Ok(())
}
