//! Chapter: hospitals and an institute ask, patients authorise, agents re-encrypt,
//! requesters open, compare and review.

use std::{collections::BTreeSet, fs, io::Read, path::Path, time::Instant};

use super::{
    super::{
        party::{Answer, Party, at_once},
        stage::Stage,
        step::{Facts, Report, step},
    },
    cast::Cast,
    consortium::job,
    records::{Journey, Published, parts},
};
use crate::{
    exit::{Fault, Result},
    files,
};

/// The main job, for every file.
pub(super) fn share(
    stage: &Stage,
    report: &mut Report,
    cast: &Cast,
    published: &Published<'_>,
) -> Result<()> {
    report.chapter("Requesters ask, patients authorise, agents re-encrypt, requesters open")?;
    let journeys = &published.journeys;
    for (agent, _) in cast.agents() {
        let text = format!("{} leaves one-time keys at the interface", agent.name);
        report.passes(step("agent-keys", text), agent.run(&["agent", "once"]))?;
    }
    for agent in [&cast.north_agent, &cast.river_agent, &cast.helix_agent] {
        serve(stage, agent)?;
    }
    report.talk("    Three agents serve from here on, each in a process of its own.")?;

    // Another hospital treats each patient and may read everything.
    let treated: Vec<Treatment<'_>> = cast
        .patients()
        .into_iter()
        .zip(cast.treatments())
        .map(|((patient, _), (hospital, agent))| Treatment {
            patient,
            hospital,
            agent,
        })
        .filter(|case| journeys.iter().any(|journey| case.is_about(journey)))
        .collect();
    let grants = at_once(
        treated
            .iter()
            .map(|case| job(|| case.grant(journeys)))
            .collect(),
    );
    for (case, answers) in treated.iter().zip(grants) {
        let (asked, granted) = answers?;
        let text = format!(
            "{} asks {} for all records, to treat",
            case.hospital.name, case.patient.name
        );
        report.passes(step("request", text), asked)?;
        let text = format!(
            "{} authorises {}, through {}",
            case.patient.name, case.hospital.name, case.agent.name
        );
        report.passes(step("authorise", text), granted)?;
    }
    let opened = at_once(
        treated
            .iter()
            .flat_map(|case| {
                journeys
                    .iter()
                    .filter(|journey| case.is_about(journey))
                    .map(move |journey| (case, journey))
            })
            .map(|(case, journey)| job(move || (case, journey, open(case.hospital, journey))))
            .collect(),
    );
    let mut queries = Vec::new();
    for (case, journey, answer) in opened {
        let text = format!(
            "{} opens {}: {}",
            case.hospital.name,
            journey.name(),
            parts(journey)
        );
        let facts = Facts {
            operation: answer.list("queries").into_iter().next(),
            ..Facts::of(&answer)
        };
        let facts = facts.cid(&journey.state).sizes(journey.source.bytes, None);
        let answer = report.passes_with(step("open", text), answer, facts)?;
        compare(report, case.hospital, journey)?;
        queries.push((case.hospital, answer.list("queries")));
    }
    review(report, queries)?;
    research(report, cast, journeys)?;
    own(report, journeys)
}

/// An agent that runs until the end, looking often.
fn serve(stage: &Stage, agent: &Party) -> Result<()> {
    let config = agent.path("agent.toml");
    files::write_private(&config, b"[agent]\npoll-milliseconds = 50\n")?;
    let config = config.to_string_lossy().into_owned();
    stage.run(agent, &["agent", "run", "--json", "--config", &config])?;
    Ok(())
}

/// A hospital that treats a patient of another one.
struct Treatment<'a> {
    patient: &'a Party,
    hospital: &'a Party,
    agent: &'a Party,
}

impl Treatment<'_> {
    fn is_about(&self, journey: &Journey<'_>) -> bool {
        journey.patient.account() == self.patient.account()
    }

    /// The request and its grant.
    fn grant(&self, journeys: &[Journey<'_>]) -> Result<(Answer, Answer)> {
        let about = journeys.iter().filter(|journey| self.is_about(journey));
        let classes: BTreeSet<&str> = about
            .flat_map(|journey| &journey.classes)
            .map(String::as_str)
            .collect();
        let asked = ask(
            self.hospital,
            &[self.patient],
            classes,
            "treatment",
            "For your treatment with us",
        );
        if asked.reason().is_some() {
            return Ok((asked, Answer::default()));
        }
        let request = asked.text("request")?;
        let granted = self.patient.run(&[
            "grant",
            "approve",
            &request,
            "--agent",
            self.agent.account(),
        ]);
        Ok((asked, granted))
    }
}

/// A request for classes of data of some patients.
pub(super) fn ask<'a>(
    requester: &Party,
    patients: &[&Party],
    classes: impl IntoIterator<Item = &'a str>,
    purpose: &str,
    words: &str,
) -> Answer {
    let mut arguments = vec!["request", "create", "--purpose", purpose, "--words", words];
    for patient in patients {
        arguments.extend(["--patient", patient.account()]);
    }
    for class in classes {
        arguments.extend(["--class", class]);
    }
    requester.run(&arguments)
}

/// Where a party puts what it opened.
fn target(party: &Party, journey: &Journey<'_>) -> std::path::PathBuf {
    party.path(&format!(
        "opened-{}-{}",
        &journey.record[..8],
        journey.name()
    ))
}

fn open(party: &Party, journey: &Journey<'_>) -> Answer {
    let target = target(party, journey);
    let target = target.to_string_lossy();
    party.run(&[
        "record",
        "open",
        &journey.record,
        "--output",
        &target,
        "--force",
    ])
}

/// Every opened file once more, after everything that was tried: as another hospital
/// opened it, and as its patient did.
pub(super) fn compare_all(
    report: &mut Report,
    cast: &Cast,
    journeys: &[Journey<'_>],
) -> Result<()> {
    let started = Instant::now();
    let (mut count, mut bytes) = (0, 0);
    for ((patient, _), (hospital, _)) in cast.patients().into_iter().zip(cast.treatments()) {
        let hers = |journey: &&Journey<'_>| journey.patient.account() == patient.account();
        for journey in journeys.iter().filter(hers) {
            for reader in [hospital, patient] {
                count += u32::from(same_bytes(&target(reader, journey), &journey.source.path)?);
                bytes += journey.source.bytes;
            }
        }
    }
    report.checks(
        step(
            "compare-all",
            format!("All {count} opened files equal their sources, byte for byte"),
        ),
        &Facts::took(started).sizes(bytes, None),
        count as usize == 2 * journeys.len(),
        "an opened file differs from its source",
    )
}

/// The opened file against the hospital's own, byte for byte.
fn compare(report: &mut Report, party: &Party, journey: &Journey<'_>) -> Result<()> {
    let started = Instant::now();
    let equal = same_bytes(&target(party, journey), &journey.source.path)?;
    let text = format!("… and it is the source, byte for byte: {}", journey.name());
    report.checks(
        step("compare", text),
        &Facts::took(started).sizes(journey.source.bytes, None),
        equal,
        "the opened bytes differ from the source",
    )
}

pub(super) fn same_bytes(one: &Path, other: &Path) -> Result<bool> {
    let open =
        |path: &Path| fs::File::open(path).map_err(|error| Fault::io(path.display(), &error));
    let (mut one, mut other) = (open(one)?, open(other)?);
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let io = |error: std::io::Error| Fault::io("comparing two files", &error);
    loop {
        let length = one.read(&mut left).map_err(io)?;
        if length == 0 {
            return Ok(other.read(&mut right).map_err(io)? == 0);
        }
        if other.read_exact(&mut right[..length]).is_err() || left[..length] != right[..length] {
            return Ok(false);
        }
    }
}

/// One review for each opened record; it mints credit.
fn review(report: &mut Report, opened: Vec<(&Party, Vec<String>)>) -> Result<()> {
    let reviews: Vec<(&Party, String)> = opened
        .into_iter()
        .filter_map(|(party, queries)| Some((party, queries.into_iter().next()?)))
        .collect();
    let answers = at_once(
        reviews
            .iter()
            .map(|(party, query)| {
                job(move || party.run(&["review", query, "--verdict", "accepted"]))
            })
            .collect(),
    );
    for ((party, _), answer) in reviews.iter().zip(answers) {
        let minted = answer.find("minted").unwrap_or_default();
        let text = format!(
            "{} reviews it as accepted: {minted} credits minted",
            party.name
        );
        report.passes(step("review", text), answer)?;
    }
    Ok(())
}

/// A cohort: an institute gets one class of every patient, as a marked extract.
fn research(report: &mut Report, cast: &Cast, journeys: &[Journey<'_>]) -> Result<()> {
    let Some((class, cases)) = cohort(cast, journeys) else {
        return Ok(());
    };
    let patients: Vec<&Party> = cases.iter().map(|(journey, _)| journey.patient).collect();
    let asked = ask(
        &cast.helix,
        &patients,
        [class.as_str()],
        "research",
        "A study of many patients",
    );
    let text = format!(
        "{} asks {} patient(s) for {class} data only",
        cast.helix.name,
        patients.len()
    );
    let asked = report.passes(step("request", text), asked)?;
    let requests = asked.all("request");
    let mut queries = Vec::new();
    for ((journey, agent), request) in cases.iter().zip(&requests) {
        let granted = journey.patient.run(&[
            "grant",
            "approve",
            request,
            "--agent",
            agent.account(),
            "--max-queries",
            "20",
        ]);
        let text = format!(
            "{} authorises {class} for {}",
            journey.patient.name, cast.helix.name
        );
        report.passes(step("authorise", text), granted)?;
        let answer = open(&cast.helix, journey);
        let form = answer.find("form").unwrap_or_default();
        let text = format!("{} opens {form} of {}", cast.helix.name, journey.name());
        let facts = Facts {
            operation: answer.list("queries").into_iter().next(),
            ..Facts::of(&answer)
        };
        let facts = facts.cid(&journey.state);
        let answer = report.passes_with(step("open-extract", text), answer, facts)?;
        queries.push((&cast.helix, answer.list("queries")));
    }
    review(report, queries)
}

/// One record of each patient that has a class which several have, and an agent for it.
fn cohort<'a>(
    cast: &'a Cast,
    journeys: &'a [Journey<'a>],
) -> Option<(String, Vec<(&'a Journey<'a>, &'a Party)>)> {
    let cases = |class: &str| -> Vec<(&'a Journey<'a>, &'a Party)> {
        cast.patients()
            .into_iter()
            .zip(cast.study_agents())
            .filter_map(|((patient, _), agent)| {
                let fits = |journey: &&Journey<'_>| {
                    journey.patient.account() == patient.account()
                        && journey.classes.iter().any(|have| have == class)
                };
                Some((journeys.iter().find(fits)?, agent))
            })
            .collect()
    };
    let classes = ["laboratory", "medication", "document", "imaging"];
    let best = classes
        .into_iter()
        .max_by_key(|class| (cases(class).len(), *class == "laboratory"))?;
    let found = cases(best);
    (!found.is_empty()).then(|| (best.to_owned(), found))
}

/// The patients open their own, with nobody's help.
fn own(report: &mut Report, journeys: &[Journey<'_>]) -> Result<()> {
    let answers = at_once(
        journeys
            .iter()
            .map(|journey| job(|| open(journey.patient, journey)))
            .collect(),
    );
    for (journey, answer) in journeys.iter().zip(answers) {
        let text = format!(
            "{} opens {} alone, with nobody's help",
            journey.patient.name,
            journey.name()
        );
        let facts = Facts::of(&answer)
            .cid(&journey.state)
            .sizes(journey.source.bytes, None);
        report.passes_with(step("open-own", text), answer, facts)?;
        compare(report, journey.patient, journey)?;
    }
    Ok(())
}
