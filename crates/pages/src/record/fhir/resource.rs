//! One row for one resource.

use serde_json::Value as Json;

use super::{
    Draft,
    value::{self, Value, code, each, string},
};
use crate::{
    record::model::{Cell, cut},
    when::Moment,
    words::{Term, chart as w},
};

/// Name and facts of a patient.
pub(super) fn patient(value: &Value) -> Vec<(Term, Cell)> {
    let sex = match value.string("gender") {
        Some("female") => Cell::Term(w::FEMALE),
        Some("male") => Cell::Term(w::MALE),
        other => Cell::maybe(other),
    };
    let address = each(value.get("address")).next().map(|address| {
        let lines = each(address.get("line")).filter_map(Json::as_str);
        let rest = ["postalCode", "city", "state", "country"];
        let rest = rest.into_iter().filter_map(|key| string(address, key));
        lines.chain(rest).collect::<Vec<_>>().join(", ")
    });
    vec![
        (w::NAME, Cell::maybe(human_name(value))),
        (w::BORN, Cell::when(value.moment(&["birthDate"]))),
        (w::DIED, Cell::when(value.moment(&["deceasedDateTime"]))),
        (w::SEX, sex),
        (w::ADDRESS, Cell::maybe(address)),
    ]
}

/// What others call this resource.
pub(super) fn name(kind: &str, value: &Value) -> Option<String> {
    match kind {
        "Patient" | "Practitioner" => human_name(value),
        "Organization" | "Location" => value.string("name").map(str::to_owned),
        "Condition" | "Medication" | "Observation" | "Procedure" => value.concept("code"),
        _ => None,
    }
}

/// The official name, else the first.
fn human_name(value: &Value) -> Option<String> {
    let official = |name: &&Json| string(name, "use") == Some("official");
    let name = each(value.get("name"))
        .find(official)
        .or_else(|| each(value.get("name")).next())?;
    if let Some(text) = string(name, "text") {
        return Some(text.to_owned());
    }
    let prefix = each(name.get("prefix"));
    let given = each(name.get("given"));
    let words = prefix
        .chain(given)
        .filter_map(Json::as_str)
        .chain(string(name, "family"));
    let words = words.collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then_some(words)
}

/// Labelled restricted, or of a sensitivity of DS4P's least set.
pub(super) fn is_sensitive(value: &Value) -> bool {
    const CODES: [&str; 9] = [
        "R", "V", "ETH", "ETHUD", "OPIOIDUD", "PSY", "SDV", "HIV", "SUD",
    ];
    let security = value.get("meta").and_then(|meta| meta.get("security"));
    each(security).any(|label| string(label, "code").is_some_and(|code| CODES.contains(&code)))
}

pub(super) fn condition(value: &Value) -> Draft {
    let since = value.moment(&["onsetDateTime", "onsetPeriod", "recordedDate"]);
    Draft::new(
        since,
        vec![
            Cell::maybe(value.concept("code")),
            state(code(value.get("clinicalStatus"))),
            day(since),
            day(value.moment(&["abatementDateTime"])),
        ],
    )
}

pub(super) fn medication(value: &Value) -> Draft {
    let at = value.moment(&[
        "authoredOn",
        "effectiveDateTime",
        "effectivePeriod",
        "whenHandedOver",
        "dateAsserted",
    ]);
    let dosage = value
        .get("dosageInstruction")
        .or_else(|| value.get("dosage"));
    let dose: Vec<String> = each(dosage).filter_map(dose).collect();
    Draft::new(
        at,
        vec![
            Cell::maybe(value.concept("medicationCodeableConcept")),
            Cell::text(dose.join("; ")),
            state(value.string("status")),
            day(at),
            Cell::maybe(value.concept("reasonCode")),
        ],
    )
    .refer(0, value.reference("medicationReference"))
    .refer(4, value.reference("reasonReference"))
}

/// A dosage: its text, else what its timing and dose say.
fn dose(dosage: &Json) -> Option<String> {
    if let Some(text) = string(dosage, "text") {
        return Some(text.to_owned());
    }
    let amount = each(dosage.get("doseAndRate")).find_map(|dose| {
        let (number, _, unit) = value::quantity(dose.get("doseQuantity")?)?;
        Some(format!("{number} {unit}").trim().to_owned())
    });
    let repeat = dosage.get("timing").and_then(|timing| timing.get("repeat"));
    let timing = repeat.and_then(|repeat| {
        let number = |key: &str| {
            repeat
                .get(key)
                .filter(|n| n.is_number())
                .map(Json::to_string)
        };
        let (often, period) = (number("frequency")?, number("period")?);
        Some(format!(
            "{often} / {period} {}",
            string(repeat, "periodUnit").unwrap_or_default()
        ))
    });
    let words: Vec<String> = amount.into_iter().chain(timing).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

pub(super) fn allergy(value: &Value) -> Draft {
    let since = value.moment(&["onsetDateTime", "recordedDate"]);
    let reactions: Vec<String> = each(value.get("reaction"))
        .filter_map(|reaction| value::concept(reaction.get("manifestation")?))
        .collect();
    let risk = match value.string("criticality") {
        Some("low") => Cell::Term(w::LOW),
        Some("high") => Cell::Flagged(Box::new(Cell::Empty), w::HIGH),
        other => Cell::maybe(other),
    };
    Draft::new(
        since,
        vec![
            Cell::maybe(value.concept("code")),
            Cell::text(reactions.join(", ")),
            risk,
            state(code(value.get("clinicalStatus"))),
            day(since),
        ],
    )
}

pub(super) fn immunization(value: &Value) -> Draft {
    let at = value.moment(&["occurrenceDateTime"]);
    Draft::new(
        at,
        vec![
            Cell::maybe(value.concept("vaccineCode")),
            day(at),
            state(value.string("status")),
        ],
    )
}

pub(super) fn procedure(value: &Value) -> Draft {
    let at = value.moment(&["performedDateTime", "performedPeriod"]);
    Draft::new(
        at,
        vec![
            Cell::maybe(value.concept("code")),
            day(at),
            state(value.string("status")),
            Cell::maybe(value.concept("reasonCode")),
        ],
    )
    .refer(3, value.reference("reasonReference"))
}

pub(super) fn encounter(value: &Value) -> Draft {
    let at = value.moment(&["period"]);
    let end = value.get("period").and_then(|period| string(period, "end"));
    let end = end.and_then(Moment::iso).map(Moment::day_only);
    // A visit of one day is one date.
    let span = match (at.map(Moment::day_only), end) {
        (Some(from), Some(to)) if from == to => Cell::When(from),
        (from, to) => Cell::Span(from, to),
    };
    let class = match code(value.get("class")) {
        Some("AMB") => Cell::Term(w::OUTPATIENT),
        Some("IMP") => Cell::Term(w::INPATIENT),
        Some("EMER") => Cell::Term(w::EMERGENCY),
        other => Cell::maybe(other),
    };
    let provider = value.get("serviceProvider");
    Draft::new(
        at,
        vec![
            Cell::maybe(value.concept("type")),
            class,
            span,
            Cell::maybe(provider.and_then(|provider| string(provider, "display"))),
            Cell::maybe(value.concept("reasonCode")),
        ],
    )
    .refer(3, value.reference("serviceProvider"))
}

pub(super) fn imaging(value: &Value) -> Draft {
    let at = value.moment(&["started"]);
    let series: Vec<&Json> = each(value.get("series")).collect();
    let words = |key: &str| {
        let mut words: Vec<&str> = series
            .iter()
            .filter_map(|series| {
                let coding = series.get(key)?;
                string(coding, "display").or_else(|| string(coding, "code"))
            })
            .collect();
        words.dedup();
        words.join(", ")
    };
    let count = value
        .get("numberOfInstances")
        .filter(|number| number.is_number());
    Draft::new(
        at,
        vec![
            Cell::text(words("modality")),
            Cell::text(words("bodySite")),
            day(at),
            Cell::maybe(count.map(Json::to_string)),
        ],
    )
}

pub(super) fn report(value: &Value) -> Draft {
    let at = value.moment(&["effectiveDateTime", "effectivePeriod", "issued"]);
    Draft::new(
        at,
        vec![
            Cell::maybe(value.concept("code")),
            day(at),
            Cell::maybe(value.string("conclusion")),
            state(value.string("status")),
        ],
    )
}

pub(super) fn plan(value: &Value) -> Draft {
    let since = value.moment(&["period", "startDate", "authoredOn", "start"]);
    let until = value.get("period").and_then(|period| string(period, "end"));
    let words = ["title", "category", "description", "code", "serviceType"];
    let words = words.into_iter().find_map(|key| value.concept(key));
    Draft::new(
        since,
        vec![
            Cell::maybe(words),
            state(
                value
                    .string("status")
                    .or_else(|| value.string("lifecycleStatus")),
            ),
            day(since),
            day(until.and_then(Moment::iso)),
        ],
    )
}

pub(super) fn bill(value: &Value) -> Draft {
    let at = value.moment(&["billablePeriod", "created"]);
    let words =
        each(value.get("item")).find_map(|item| value::concept(item.get("productOrService")?));
    let total = each(value.get("total")).next();
    // A Claim's total is the money itself, an ExplanationOfBenefit's has an amount.
    let money = total.map(|total| total.get("amount").unwrap_or(total));
    let amount = money.and_then(|money| {
        let (number, float, _) = value::quantity(money)?;
        let number = if float.abs() < 1e12 {
            format!("{float:.2}")
        } else {
            number
        };
        Some(Cell::Quantity(
            number,
            cut(string(money, "currency").unwrap_or_default(), 40).0,
        ))
    });
    Draft::new(
        at,
        vec![
            Cell::maybe(words),
            day(at),
            amount.unwrap_or_default(),
            state(value.string("status")),
        ],
    )
}

fn day(at: Option<Moment>) -> Cell {
    Cell::when(at.map(Moment::day_only))
}

/// A status in words; one without words as it is.
fn state(code: Option<&str>) -> Cell {
    let Some(code) = code else {
        return Cell::Empty;
    };
    let known = STATES.iter().find(|(found, _)| *found == code);
    known.map_or_else(|| Cell::text(code), |(_, term)| Cell::Term(*term))
}

const STATES: &[(&str, Term)] = &[
    ("active", w::ACTIVE),
    ("inactive", w::INACTIVE),
    ("resolved", w::RESOLVED),
    ("remission", w::REMISSION),
    ("recurrence", w::ACTIVE),
    ("relapse", w::ACTIVE),
    ("completed", w::COMPLETED),
    ("finished", w::COMPLETED),
    ("stopped", w::STOPPED),
    ("cancelled", w::CANCELLED),
    ("on-hold", w::ON_HOLD),
    ("in-progress", w::IN_PROGRESS),
    ("planned", w::PLANNED),
    ("not-done", w::NOT_DONE),
    ("final", w::FINAL),
    ("amended", w::CORRECTED),
    ("corrected", w::CORRECTED),
    ("preliminary", w::PRELIMINARY),
    ("entered-in-error", w::IN_ERROR),
    ("draft", w::DRAFT),
    ("accepted", w::ACTIVE),
];
