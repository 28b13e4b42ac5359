//! The closed list of classes that a part of a record can have.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// What kind of data a part holds. A grant covers classes, never whole records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Laboratory results.
    Laboratory,
    /// Vital signs.
    VitalSigns,
    /// Prescriptions, administrations, statements of medication.
    Medication,
    /// Imaging studies and DICOM files.
    Imaging,
    /// Conditions and problems.
    Condition,
    /// Allergies and intolerances.
    Allergy,
    /// Immunizations.
    Immunization,
    /// Procedures.
    Procedure,
    /// Encounters and visits.
    Encounter,
    /// Any file that is neither FHIR nor DICOM.
    Document,
    /// The bytes of a FHIR bundle outside its entries.
    Skeleton,
    /// Emergency data, for break-glass grants; its scopes have no epoch.
    Emergency,
    /// Whatever none of the others names.
    Other,
    /// Specially protected data: always sealed per record.
    Sensitive,
}

impl Class {
    /// Every class, in the order a wallet tries them.
    pub const ALL: [Self; 14] = [
        Self::Laboratory,
        Self::VitalSigns,
        Self::Medication,
        Self::Imaging,
        Self::Condition,
        Self::Allergy,
        Self::Immunization,
        Self::Procedure,
        Self::Encounter,
        Self::Document,
        Self::Skeleton,
        Self::Emergency,
        Self::Other,
        Self::Sensitive,
    ];

    /// The class's name, as written in bytes, flags and pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Laboratory => "laboratory",
            Self::VitalSigns => "vital-signs",
            Self::Medication => "medication",
            Self::Imaging => "imaging",
            Self::Condition => "condition",
            Self::Allergy => "allergy",
            Self::Immunization => "immunization",
            Self::Procedure => "procedure",
            Self::Encounter => "encounter",
            Self::Document => "document",
            Self::Skeleton => "skeleton",
            Self::Emergency => "emergency",
            Self::Other => "other",
            Self::Sensitive => "sensitive",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A class name that is not on the list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "unknown class {0:?}; one of laboratory, vital-signs, medication, imaging, condition, allergy, immunization, procedure, encounter, document, skeleton, emergency, other, sensitive"
)]
pub struct UnknownClass(String);

impl FromStr for Class {
    type Err = UnknownClass;
    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Self::ALL
            .into_iter()
            .find(|class| class.name() == text)
            .ok_or_else(|| UnknownClass(text.chars().take(80).collect()))
    }
}
