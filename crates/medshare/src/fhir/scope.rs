//! A class of data in the scope language of SMART App Launch 2.0 (hl7.org/fhir/smart-app-launch,
//! "Scopes for requesting FHIR resources"): `patient/Observation.rs?category=laboratory`.
//!
//! Only what a class of ours says exactly is taken. Anything wider or narrower, every unknown
//! parameter and every permission to write is refused: a scope must not mean less than it
//! reads.

use base::Class;
use std::str::FromStr;
use thiserror::Error;

/// A scope that is one class of data, to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope(Class);

impl Scope {
    /// The class that it is.
    pub const fn class(self) -> Class {
        self.0
    }
}

/// Why a text is no scope that can be asked for.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{scope:?} cannot be asked for: {reason}")]
pub struct NoScope {
    scope: String,
    reason: String,
}

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        parse(text).map(Self).map_err(|reason| NoScope {
            scope: text.chars().take(200).collect(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<Class, String> {
    let rest = text
        .strip_prefix("patient/")
        .ok_or("it must begin with patient/, for only a patient's own records can be asked for")?;
    let (resource, query) = match rest.split_once('?') {
        Some((resource, query)) => (resource, Some(query)),
        None => (rest, None),
    };
    let (kind, permissions) = resource
        .split_once('.')
        .ok_or("after the resource comes .rs")?;
    if permissions != "rs" {
        return Err("records are read and searched, .rs, and nothing else".into());
    }
    let category = query.map(category).transpose()?;
    // Kinds that make up a class alone, or are all of what a reader expects of it.
    match (kind, category) {
        ("Observation", Some("laboratory")) => Ok(Class::Laboratory),
        ("Observation", Some("vital-signs")) => Ok(Class::VitalSigns),
        ("Observation" | "DiagnosticReport", Some("imaging")) => Ok(Class::Imaging),
        ("DiagnosticReport", Some("LAB")) => Ok(Class::Laboratory),
        ("DiagnosticReport", Some("RAD")) => Ok(Class::Imaging),
        ("Observation" | "DiagnosticReport", Some(other)) => {
            Err(format!("there is no class of data for category {other:?}"))
        }
        ("Observation", None) => {
            Err("say which: ?category=laboratory or ?category=vital-signs".into())
        }
        ("DiagnosticReport", None) => Err("say which: ?category=LAB or ?category=RAD".into()),
        (_, Some(_)) => Err("category is for observations and reports alone".into()),
        (
            "MedicationRequest"
            | "MedicationStatement"
            | "MedicationAdministration"
            | "MedicationDispense",
            None,
        ) => Ok(Class::Medication),
        ("ImagingStudy", None) => Ok(Class::Imaging),
        ("Condition", None) => Ok(Class::Condition),
        ("AllergyIntolerance", None) => Ok(Class::Allergy),
        ("Immunization", None) => Ok(Class::Immunization),
        ("Procedure", None) => Ok(Class::Procedure),
        ("Encounter", None) => Ok(Class::Encounter),
        ("DocumentReference", None) => Ok(Class::Document),
        ("*", None) => Err("everything at once cannot be asked for; name kinds of data".into()),
        (other, None) => Err(format!("there is no class of data for {other:?}")),
    }
}

/// The value of the one parameter that is known.
fn category(query: &str) -> Result<&str, String> {
    let (name, value) = query.split_once('=').unwrap_or((query, ""));
    if name != "category" || value.contains('&') {
        return Err(format!("the only parameter is category, not {query:?}"));
    }
    // With or without its code system.
    match value.split_once('|') {
        None => Ok(value),
        Some((system, code)) if SYSTEMS.contains(&system) => Ok(code),
        Some((system, _)) => Err(format!("{system:?} is no system of categories")),
    }
}

const SYSTEMS: [&str; 2] = [
    "http://terminology.hl7.org/CodeSystem/observation-category",
    "http://terminology.hl7.org/CodeSystem/v2-0074",
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_class_or_nothing() {
        for (text, class) in [
            (
                "patient/Observation.rs?category=laboratory",
                Class::Laboratory,
            ),
            (
                "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs",
                Class::VitalSigns,
            ),
            ("patient/MedicationRequest.rs", Class::Medication),
            ("patient/Condition.rs", Class::Condition),
        ] {
            assert_eq!(text.parse::<Scope>().unwrap().class(), class, "{text}");
        }
        for text in [
            "",
            "patient/",
            "patient/Condition",
            "user/Condition.rs",
            "system/Condition.rs",
            "patient/Condition.cruds",
            "patient/Condition.r",
            "patient/Condition.rs?category=laboratory",
            "patient/Observation.rs",
            "patient/Observation.rs?",
            "patient/Observation.rs?code=1234-5",
            "patient/Observation.rs?category=laboratory&date=ge2020",
            "patient/Observation.rs?category=laboratory&category=vital-signs",
            "patient/Observation.rs?category=http://evil.example|laboratory",
            "patient/Observation.rs?category=survey",
            "patient/*.rs",
            "patient/Unknown.rs",
            "patient/Condition.rs patient/Procedure.rs",
            "launch/patient",
            "openid",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
