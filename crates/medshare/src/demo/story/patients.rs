//! Chapter: patients open accounts and show their cards to their hospitals.

use super::{
    super::{
        party::at_once,
        step::{Report, step},
    },
    cast::Cast,
    consortium::{job, join_ledger},
};
use crate::exit::Result;

/// Homes, accounts, cards on a pipe, attestations.
pub(super) fn enrol(report: &mut Report, cast: &Cast) -> Result<()> {
    report.chapter("Patients come, each the authority of her own keys")?;
    let newcomers = cast.patients().map(|(patient, _)| (patient, "patient"));
    join_ledger(report, &newcomers)?;

    // The card goes from process to process; the demo itself does not see it.
    let shown = at_once(
        cast.patients()
            .map(|(patient, hospital)| {
                job(move || {
                    let attest = ["account", "attest", "--card", "-"];
                    let card = ["wallet", "card", "--for", hospital.account()];
                    hospital.run_on_pipe(&attest, patient, &card)
                })
            })
            .into(),
    );
    for ((patient, hospital), answer) in cast.patients().into_iter().zip(shown) {
        let text = format!(
            "{} shows a card to {} (on a pipe) and is attested",
            patient.name, hospital.name
        );
        report.passes(step("attest", text), answer)?;
    }
    Ok(())
}
