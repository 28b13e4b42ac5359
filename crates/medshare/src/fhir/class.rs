//! The class of a FHIR resource: by its type, and for observations and reports by category.
//!
//! | class | resource types |
//! |---|---|
//! | laboratory | Observation and DiagnosticReport of a laboratory category, Specimen |
//! | vital-signs | Observation of category `vital-signs`, or without category and with a LOINC code of the FHIR vital signs profile |
//! | medication | Medication, MedicationRequest, -Statement, -Administration, -Dispense |
//! | imaging | ImagingStudy, Media, Observation and DiagnosticReport of an imaging category |
//! | condition | Condition |
//! | allergy | AllergyIntolerance |
//! | immunization | Immunization, ImmunizationEvaluation, ImmunizationRecommendation |
//! | procedure | Procedure |
//! | encounter | Encounter, EpisodeOfCare |
//! | document | DocumentReference, Composition, Binary |
//! | other | everything else, unknown types too |
//!
//! Whether it is sensitive, whatever its type, `sensitive.rs` says.

use super::json::{Members, Repeated};
use base::Class;
use serde_json::Value;

/// The class of a resource by its own members, sensitivity aside.
pub(super) fn of_resource(kind: &str, resource: &Members<'_>) -> Result<Class, Repeated> {
    Ok(match kind {
        "Observation" => of_observation(&codes(resource, "category")?, &codes(resource, "code")?),
        "DiagnosticReport" => of_report(&codes(resource, "category")?),
        "Specimen" => Class::Laboratory,
        "Medication"
        | "MedicationRequest"
        | "MedicationStatement"
        | "MedicationAdministration"
        | "MedicationDispense" => Class::Medication,
        "ImagingStudy" | "Media" => Class::Imaging,
        "Condition" => Class::Condition,
        "AllergyIntolerance" => Class::Allergy,
        "Immunization" | "ImmunizationEvaluation" | "ImmunizationRecommendation" => {
            Class::Immunization
        }
        "Procedure" => Class::Procedure,
        "Encounter" | "EpisodeOfCare" => Class::Encounter,
        "DocumentReference" | "Composition" | "Binary" => Class::Document,
        _ => Class::Other,
    })
}

fn of_observation(categories: &[String], codes: &[String]) -> Class {
    let any = |names: &[&str]| categories.iter().any(|code| names.contains(&code.as_str()));
    if any(&["laboratory", "LAB"]) {
        Class::Laboratory
    } else if any(&["vital-signs", "vital-sign"]) {
        Class::VitalSigns
    } else if any(&["imaging"]) {
        Class::Imaging
    } else if categories.is_empty()
        && codes
            .iter()
            .any(|code| VITAL_SIGNS.contains(&code.as_str()))
    {
        Class::VitalSigns
    } else {
        Class::Other
    }
}

fn of_report(categories: &[String]) -> Class {
    let any = |names: &[&str]| categories.iter().any(|code| names.contains(&code.as_str()));
    if any(LABORATORY_SECTIONS) {
        Class::Laboratory
    } else if any(IMAGING_SECTIONS) {
        Class::Imaging
    } else {
        Class::Other
    }
}

/// The codes of a CodeableConcept or of a list of them; anything else has none.
fn codes(resource: &Members<'_>, name: &str) -> Result<Vec<String>, Repeated> {
    let Some(raw) = resource.one(name)? else {
        return Ok(Vec::new());
    };
    // Too deep to read: no codes here, and `sensitive.rs` keeps the entry apart.
    let value: Value = serde_json::from_str(raw.get()).unwrap_or_default();
    let concepts = match &value {
        Value::Array(concepts) => concepts.as_slice(),
        one => std::slice::from_ref(one),
    };
    let codings = concepts
        .iter()
        .filter_map(|concept| concept.get("coding")?.as_array())
        .flatten();
    Ok(codings
        .filter_map(|coding| Some(coding.get("code")?.as_str()?.to_owned()))
        .collect())
}

/// LOINC codes of the FHIR R4 vital signs profile (hl7.org/fhir/R4/observation-vitalsigns).
const VITAL_SIGNS: &[&str] = &[
    "85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8302-2", "9843-4", "29463-7",
    "39156-5", "85354-9", "8480-6", "8462-4",
];

/// Laboratory sections of HL7 table 0074, and the LOINC class of laboratory studies.
const LABORATORY_SECTIONS: &[&str] = &[
    "LAB",
    "laboratory",
    "BG",
    "BLB",
    "CG",
    "CH",
    "CP",
    "CTH",
    "HM",
    "ICU",
    "IMM",
    "MB",
    "MCB",
    "MYC",
    "SP",
    "SR",
    "TX",
    "VR",
    "GE",
    "LP7819-8",
    "26436-6",
];

/// Imaging sections of HL7 table 0074, and their LOINC codes.
const IMAGING_SECTIONS: &[&str] = &[
    "RAD",
    "imaging",
    "RX",
    "CT",
    "CUS",
    "IMG",
    "NMR",
    "NMS",
    "OUS",
    "RUS",
    "VUS",
    "XRC",
    "LP29684-5",
    "18748-4",
];
