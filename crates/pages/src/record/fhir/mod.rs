//! FHIR R4: a bundle, a resource, or lines of them, as a person reads them.
//!
//! Source: HL7 FHIR R4 (4.0.1). Entries are looked at one by one, so that a large bundle
//! costs one entry at a time, and one that cannot be read hides no other. Whatever has no
//! table of its own is counted, never passed over.

mod notes;
mod observation;
mod resource;
mod value;

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::words::{Term, chart as w};

use super::{
    Limits,
    model::{Block, Cell, Kind, Label, Reading, Remark, Row, Table},
};
use observation::Observations;
use value::Value;

/// Whether text is JSON that says it is a resource.
pub(crate) fn is(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') && text.contains("\"resourceType\"")
}

/// Reads a bundle, a resource, or resources line by line.
pub(crate) fn read(text: &str) -> Result<Reading, Remark> {
    let mut chart = Chart::default();
    for line in documents(text) {
        chart.document(line);
    }
    if chart.seen == 0 {
        return Err(Remark::plain(w::JSON_IS_BROKEN));
    }
    Ok(chart.reading())
}

/// The whole text if it is one JSON value, else its lines (bulk data, NDJSON).
fn documents(text: &str) -> Vec<&str> {
    if serde_json::from_str::<&RawValue>(text).is_ok() {
        return vec![text];
    }
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .collect()
}

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default)]
    entry: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "fullUrl")]
    full_url: Option<std::borrow::Cow<'a, str>>,
}

/// Everything that was found, on its way to tables.
#[derive(Default)]
struct Chart {
    seen: usize,
    broken: usize,
    person: Vec<(Term, Cell)>,
    /// What a reference is called: by `Type/id` and by full URL.
    names: BTreeMap<String, String>,
    tables: BTreeMap<usize, Vec<Draft>>,
    observations: Observations,
    notes: Vec<(Label, Vec<Block>)>,
    others: BTreeMap<String, u64>,
    sensitive: bool,
}

/// A row whose references are named when every entry was seen.
struct Draft {
    row: Row,
    /// Cell and reference.
    references: Vec<(usize, String)>,
}

/// A table: its title, its columns, and what it takes from a resource.
struct Kindred {
    title: Term,
    head: &'static [Term],
    types: &'static [&'static str],
    row: fn(&Value) -> Draft,
}

const KINDREDS: &[Kindred] = &[
    Kindred {
        title: w::PROBLEMS,
        head: &[w::WHAT, w::STATE, w::SINCE, w::UNTIL],
        types: &["Condition"],
        row: resource::condition,
    },
    Kindred {
        title: w::MEDICATION,
        head: &[w::WHAT, w::DOSE, w::STATE, w::WHEN, w::BECAUSE],
        types: &[
            "MedicationRequest",
            "MedicationStatement",
            "MedicationAdministration",
            "MedicationDispense",
        ],
        row: resource::medication,
    },
    Kindred {
        title: w::ALLERGIES,
        head: &[w::WHAT, w::REACTION, w::RISK, w::STATE, w::SINCE],
        types: &["AllergyIntolerance"],
        row: resource::allergy,
    },
    Kindred {
        title: w::IMMUNISATIONS,
        head: &[w::VACCINE, w::GIVEN, w::STATE],
        types: &["Immunization"],
        row: resource::immunization,
    },
    Kindred {
        title: w::PROCEDURES,
        head: &[w::WHAT, w::WHEN, w::STATE, w::BECAUSE],
        types: &["Procedure"],
        row: resource::procedure,
    },
    Kindred {
        title: w::VISITS,
        head: &[w::WHAT, w::KIND, w::WHEN, w::PLACE, w::BECAUSE],
        types: &["Encounter"],
        row: resource::encounter,
    },
    Kindred {
        title: w::IMAGING,
        head: &[w::WHAT, w::BODY_PART, w::WHEN, w::PICTURES],
        types: &["ImagingStudy"],
        row: resource::imaging,
    },
    Kindred {
        title: w::REPORTS,
        head: &[w::WHAT, w::WHEN, w::CONCLUSION, w::STATE],
        types: &["DiagnosticReport"],
        row: resource::report,
    },
    Kindred {
        title: w::PLANS,
        head: &[w::WHAT, w::STATE, w::SINCE, w::UNTIL],
        types: &["CarePlan", "Goal", "ServiceRequest", "Appointment"],
        row: resource::plan,
    },
    Kindred {
        title: w::BILLS,
        head: &[w::WHAT, w::WHEN, w::AMOUNT, w::STATE],
        types: &["Claim", "ExplanationOfBenefit"],
        row: resource::bill,
    },
];

/// Behind which table the observations come: after what a doctor asks first.
const RESULTS_AFTER: usize = 3;

impl Chart {
    fn document(&mut self, text: &str) {
        let Some(value) = resource(text) else {
            // Too deep, or broken: if it is a bundle, its entries are still looked at.
            return self.bundle(text);
        };
        if value.string("resourceType") == Some("Bundle") {
            self.bundle(text);
        } else {
            self.take(&value, None);
        }
    }

    fn bundle(&mut self, text: &str) {
        let Ok(bundle) = serde_json::from_str::<Bundle<'_>>(text) else {
            self.broken += 1;
            return;
        };
        self.seen += 1;
        for entry in bundle.entry {
            let entry = serde_json::from_str::<Entry<'_>>(entry.get());
            let found = entry.ok().and_then(|entry| {
                let value = resource(entry.resource?.get())?;
                Some((value, entry.full_url))
            });
            match found {
                Some((value, url)) => self.take(&value, url.as_deref()),
                None => self.broken += 1,
            }
        }
    }

    fn take(&mut self, value: &Value, url: Option<&str>) {
        let Some(kind) = value.string("resourceType") else {
            self.broken += 1;
            return;
        };
        self.seen += 1;
        self.sensitive |= resource::is_sensitive(value);
        if let Some(name) = resource::name(kind, value) {
            let id = value.string("id").map(|id| format!("{kind}/{id}"));
            for key in [id, url.map(str::to_owned)].into_iter().flatten() {
                self.names.insert(key, name.clone());
            }
        }
        if let Some(at) = KINDREDS
            .iter()
            .position(|kindred| kindred.types.contains(&kind))
        {
            let mut draft = (KINDREDS[at].row)(value);
            draft.row.sensitive = resource::is_sensitive(value);
            self.tables.entry(at).or_default().push(draft);
            if kind == "DiagnosticReport" {
                self.notes.extend(notes::read(kind, value));
            }
            return;
        }
        match kind {
            "Patient" if self.person.is_empty() => self.person = resource::patient(value),
            "Observation" => self.observations.take(value, resource::is_sensitive(value)),
            "DocumentReference" | "Composition" | "ClinicalImpression" | "Communication" => {
                self.notes.extend(notes::read(kind, value));
            }
            // Named where others refer to them.
            "Patient" | "Practitioner" | "Organization" | "Location" | "Medication"
            | "PractitionerRole" => {}
            other => {
                let name = other.chars().take(60).collect();
                *self.others.entry(name).or_default() += 1;
            }
        }
    }

    fn reading(mut self) -> Reading {
        let mut reading = Reading::new(Kind::Fhir, Label::Term(w::KIND_FHIR));
        for (term, cell) in std::mem::take(&mut self.person) {
            if term == w::NAME {
                if let Cell::Text(name) = &cell {
                    reading.title = Label::foreign(name);
                }
            } else {
                reading.fact(term, cell);
            }
        }
        if self.sensitive {
            reading.remarks.push(Remark::plain(w::HAS_SENSITIVE_PARTS));
        }
        for (at, kindred) in KINDREDS.iter().enumerate() {
            if at == RESULTS_AFTER {
                std::mem::take(&mut self.observations).sections(&mut reading);
            }
            let drafts = self.tables.remove(&at).unwrap_or_default();
            let rows = drafts
                .into_iter()
                .map(|draft| draft.named(&self.names))
                .collect();
            reading.table(kindred.title, kindred.head, rows);
        }
        for (label, blocks) in std::mem::take(&mut self.notes) {
            reading.section(label, blocks);
        }
        if !self.others.is_empty() {
            let rows = self
                .others
                .into_iter()
                .take(Limits::ROWS)
                .map(|(kind, count)| Row {
                    cells: vec![Cell::text(kind), Cell::text(count.to_string())],
                    ..Row::default()
                })
                .collect();
            let label = Label::Term(w::ALSO_IN_THIS_RECORD);
            let table = Table::new(label.clone(), &[w::KIND, w::NUMBER], rows);
            reading.section(label, vec![Block::Table(table)]);
        }
        if self.broken > 0 {
            reading
                .remarks
                .push(Remark::of(w::ENTRIES_UNREADABLE, self.broken));
        }
        if reading.sections.is_empty() && self.broken == 0 {
            reading.remarks.push(Remark::plain(w::NOTHING_TO_READ));
        }
        reading
    }
}

impl Draft {
    fn new(at: Option<crate::when::Moment>, cells: Vec<Cell>) -> Self {
        let row = Row {
            cells,
            sensitive: false,
            at,
        };
        Self {
            row,
            references: Vec::new(),
        }
    }

    /// The cell that stands for what is referred to, if it is empty.
    fn refer(mut self, cell: usize, reference: Option<&str>) -> Self {
        if let Some(reference) = reference {
            self.references.push((cell, reference.to_owned()));
        }
        self
    }

    fn named(mut self, names: &BTreeMap<String, String>) -> Row {
        for (at, reference) in self.references {
            if let (Some(cell), Some(name)) = (self.row.cells.get_mut(at), names.get(&reference))
                && cell.is_empty()
            {
                *cell = Cell::text(name);
            }
        }
        self.row
    }
}

/// One resource, not nested deeper than JSON's parser allows (128).
fn resource(text: &str) -> Option<Value> {
    let parsed = serde_json::from_str::<serde_json::Value>(text).ok()?;
    parsed.is_object().then_some(Value(parsed))
}
