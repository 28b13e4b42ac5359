//! Chapter: Mara loses her device and her phrase; two of three guardians bring her back.

use std::{fs, thread, time::Duration};

use super::{
    super::{
        party::{Answer, Party},
        stage::Stage,
        step::{Facts, Report, refusal, step},
    },
    cast::Cast,
    records::Published,
    sharing::same_bytes,
};
use crate::exit::{Exit, Fault, Result};

/// A recovery that nobody meant ends by her word; the one that she needs succeeds.
pub(super) fn bring_back(
    stage: &Stage,
    report: &mut Report,
    cast: &Cast,
    published: &Published<'_>,
) -> Result<()> {
    report.chapter("A patient loses everything, and her guardians bring her back")?;
    name_guardians(report, cast, "1h")?;
    let impostor = stage.party("impostor", "an impostor")?;
    objected(report, cast, &impostor)?;
    name_guardians(report, cast, "1s")?;
    lose(report, cast)?;
    let code = start(report, cast, &cast.mara, "Mara, on an empty device")?;
    approve(
        report,
        &cast.ines,
        &code,
        "Ines knows her voice and types the code",
    )?;
    report.refuses(
        step("one-guardian", "One guardian alone does not bring her back"),
        &finish(&cast.mara),
        refusal(Exit::Pending, "1 of 2 guardians have approved"),
    )?;
    approve(report, &cast.tomas, &code, "Tomas types it too")?;
    report.waits(
        step(
            "recover-logged",
            "The new key stands on the ledger, and waits",
        ),
        &finish(&cast.mara),
    )?;
    thread::sleep(DELAY + Duration::from_millis(500));
    report.waits(
        step(
            "recover-key",
            "Nobody has objected: the new key is in force",
        ),
        &finish(&cast.mara),
    )?;
    for guardian in [&cast.ines, &cast.tomas] {
        let text = format!(
            "{} gives the share out, by its own clock too",
            guardian.name
        );
        let answer = guardian.run(&["guardian", "list"]);
        report.passes(step("give-share", text), answer)?;
    }
    report.passes(
        step("recover", "Two shares are her phrase: her wallet is back"),
        cast.mara.run(&[
            "wallet",
            "recover",
            "finish",
            "--phrase-file",
            &cast.mara.path("phrase").to_string_lossy(),
        ]),
    )?;
    opens_again(report, cast, published)?;
    lost_device(report, &cast.mara)
}

/// Mara names three, two of whom must help; each takes its share in.
fn name_guardians(report: &mut Report, cast: &Cast, delay: &str) -> Result<()> {
    let phrase = cast.mara.path("phrase");
    let phrase = phrase.to_string_lossy();
    let guardians = [&cast.northgate, &cast.tomas, &cast.ines];
    let mut arguments = vec!["wallet", "guard", "--threshold", "2", "--delay", delay];
    arguments.extend(["--phrase-file", &phrase]);
    for guardian in guardians {
        arguments.extend(["--guardian", guardian.account()]);
    }
    let text = format!("Mara names three guardians; any two will do, after {delay}");
    report.passes(step("guard", text), cast.mara.run(&arguments))?;
    for guardian in guardians {
        let text = format!("{} keeps a share that says nothing alone", guardian.name);
        let answer = guardian.run(&["guardian", "list"]);
        report.passes(step("keep-share", text), answer)?;
    }
    Ok(())
}

/// Somebody with a good story; her wallet tells her, and she ends it.
fn objected(report: &mut Report, cast: &Cast, impostor: &Party) -> Result<()> {
    let code = start(report, cast, impostor, "An impostor, in her name")?;
    approve(report, &cast.tomas, &code, "Tomas believes the story")?;
    approve(report, &cast.northgate, &code, "Northgate believes it too")?;
    report.waits(
        step("recover-logged", "The impostor's key stands on the ledger"),
        &finish(impostor),
    )?;
    let told = cast.mara.run(&["wallet", "run", "--once"]);
    let facts = Facts::of(&told);
    report.checks(
        step("recovery-told", "Mara's wallet warns her in every round"),
        &facts,
        told.event("recovery-pending").is_some(),
        "it says nothing",
    )?;
    report.passes(
        step("object", "Mara objects"),
        cast.mara.run(&["wallet", "object"]),
    )?;
    report.refuses(
        step("objected", "The impostor's recovery is over"),
        &finish(impostor),
        refusal(Exit::Refused, "owner objected"),
    )
}

/// An empty home asks Mara's guardians; gives the code to be read out.
fn start(report: &mut Report, cast: &Cast, device: &Party, who: &str) -> Result<String> {
    let factor = super::super::party::WORK_FACTOR.to_string();
    let mut arguments = vec!["wallet", "recover", "start", "--work-factor", &factor];
    arguments.extend(["--account", cast.mara.account()]);
    for guardian in [&cast.northgate, &cast.tomas, &cast.ines] {
        arguments.extend(["--guardian", guardian.account()]);
    }
    let text = format!("{who}, asks her guardians");
    report
        .passes(step("recover-start", text), device.run(&arguments))?
        .text("code")
}

fn approve(report: &mut Report, guardian: &Party, code: &str, text: &str) -> Result<()> {
    let answer = guardian.run(&["guardian", "approve", code]);
    report.passes(step("approve", text), answer).map(drop)
}

fn finish(device: &Party) -> Answer {
    device.run(&["wallet", "recover", "finish"])
}

/// Her device and the paper with the phrase are gone; somebody may have the device.
fn lose(report: &mut Report, cast: &Cast) -> Result<()> {
    let gone = fs::rename(cast.mara.home(), cast.mara.path(LOST))
        .and_then(|()| fs::remove_file(cast.mara.path("phrase")));
    gone.map_err(|error| Fault::io("Mara's folder", &error))?;
    report.done(
        step(
            "lose",
            "Mara loses her device, and the paper with her phrase",
        ),
        &Facts::default(),
    )
}

fn opens_again(report: &mut Report, cast: &Cast, published: &Published<'_>) -> Result<()> {
    let journey = published.of(&cast.mara);
    let target = cast.mara.path("recovered");
    let shown = target.to_string_lossy();
    let open = ["record", "open", &journey.record, "--output", &shown];
    let opened = cast.mara.run(&open);
    let facts = Facts::of(&opened).sizes(journey.source.bytes, None);
    report.passes_with(
        step("recover-open", "She opens a record from before the loss"),
        opened,
        facts,
    )?;
    let same = same_bytes(&target, &journey.source.path)?;
    report.checks(
        step("recover-compare", "It is the original, byte for byte"),
        &Facts::default(),
        same,
        "the bytes differ",
    )
}

/// Whoever finds the old device has a key that signs nothing any more.
fn lost_device(report: &mut Report, mara: &Party) -> Result<()> {
    let (home, lost, aside) = (mara.home(), mara.path(LOST), mara.path("aside"));
    let swap = |from: &std::path::Path, to: &std::path::Path| {
        fs::rename(from, to).map_err(|error| Fault::io("Mara's folder", &error))
    };
    swap(&home, &aside)?;
    swap(&lost, &home)?;
    let answer = mara.run(&["wallet", "run", "--once"]);
    swap(&home, &lost)?;
    swap(&aside, &home)?;
    report.refuses(
        step(
            "lost-device",
            "The lost device, found by somebody, is refused",
        ),
        &answer,
        refusal(Exit::Refused, "no longer the operation key"),
    )
}

const DELAY: Duration = Duration::from_secs(1);
const LOST: &str = "lost";
