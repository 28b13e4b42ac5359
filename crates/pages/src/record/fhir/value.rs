//! Looking into a resource: nothing is there until it is found to be of the right kind.

use serde_json::Value as Json;

use crate::{
    record::model::{Cell, unit_words},
    when::Moment,
};

/// A JSON value of a resource.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Value(pub(crate) Json);

impl Value {
    pub(crate) fn string(&self, key: &str) -> Option<&str> {
        string(&self.0, key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.0.get(key)
    }

    /// The first of these keys that is a point in time, or a period's start.
    pub(crate) fn moment(&self, keys: &[&str]) -> Option<Moment> {
        keys.iter().find_map(|key| {
            let found = self.get(key)?;
            let text = found.as_str().or_else(|| string(found, "start"))?;
            Moment::iso(text)
        })
    }

    /// The words of a concept.
    pub(crate) fn concept(&self, key: &str) -> Option<String> {
        self.get(key).and_then(concept)
    }

    /// What a reference points to.
    pub(crate) fn reference(&self, key: &str) -> Option<&str> {
        string(first(self.get(key)?)?, "reference")
    }
}

pub(crate) fn string<'a>(value: &'a Json, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// Itself, or the first of an array.
pub(crate) fn first(value: &Json) -> Option<&Json> {
    match value {
        Json::Array(items) => items.first(),
        other => Some(other),
    }
}

/// Itself, or each of an array, at most 50.
pub(crate) fn each(value: Option<&Json>) -> impl Iterator<Item = &Json> {
    let items = match value {
        Some(Json::Array(items)) => items.as_slice(),
        Some(other) => std::slice::from_ref(other),
        None => &[],
    };
    items.iter().take(50)
}

/// A CodeableConcept's words: its text, else a display, else a code; of several, all.
pub(crate) fn concept(value: &Json) -> Option<String> {
    let words: Vec<String> = each(Some(value))
        .filter_map(|one| {
            if let Some(text) = one.as_str().or_else(|| string(one, "text")) {
                return Some(text.to_owned());
            }
            let mut codings = each(one.get("coding"));
            let shown = codings.find_map(|coding| string(coding, "display"));
            let code = || each(one.get("coding")).find_map(|coding| string(coding, "code"));
            shown.or_else(code).map(str::to_owned)
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// The first code of a concept.
pub(crate) fn code(value: Option<&Json>) -> Option<&str> {
    let one = first(value?)?;
    string(one, "code")
        .or_else(|| each(one.get("coding")).find_map(|coding| string(coding, "code")))
}

/// A Quantity: its number as it stands in the record, at most 40 characters, and its unit.
pub(crate) fn quantity(value: &Json) -> Option<(String, f64, String)> {
    let number = value.get("value")?;
    let text = match number {
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.clone(), // wrong, and seen
        _ => return None,
    };
    let as_float: f64 = text.trim().parse().ok()?;
    let unit = string(value, "unit")
        .or_else(|| string(value, "code"))
        .unwrap_or_default();
    Some((readable(&text), as_float, unit_words(unit)))
}

/// A number as people read it: more than six decimals are a computer's, not a
/// measurement's, and are rounded to four significant digits.
fn readable(text: &str) -> String {
    let decimals = text
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    let float: f64 = text.trim().parse().unwrap_or(f64::NAN);
    if decimals <= 4 || !float.is_finite() || text.contains(['e', 'E']) {
        return text.chars().take(40).collect();
    }
    let magnitude = if float == 0.0 {
        0.0
    } else {
        float.abs().log10().floor()
    };
    let places = (3.0 - magnitude).clamp(0.0, 12.0) as usize;
    format!("{float:.places$}")
}

/// `value[x]` of an observation or a component.
pub(crate) fn any(value: &Json) -> Cell {
    if let Some((text, _, unit)) = value.get("valueQuantity").and_then(quantity) {
        return Cell::Quantity(text, unit);
    }
    for key in ["valueCodeableConcept", "valueString"] {
        if let Some(words) = value.get(key).and_then(concept) {
            return Cell::text(words);
        }
    }
    for key in ["valueInteger", "valueBoolean"] {
        if let Some(found) = value
            .get(key)
            .filter(|found| !found.is_object() && !found.is_array())
        {
            return Cell::text(found.to_string());
        }
    }
    let date = string(value, "valueDateTime");
    let date = date.or_else(|| string(value.get("valuePeriod")?, "start"));
    Cell::when(date.and_then(Moment::iso))
}
