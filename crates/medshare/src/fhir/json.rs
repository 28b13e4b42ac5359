//! JSON read without being changed: members of an object as ranges of the source.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{fmt, ops::Range};

/// The members of an object in their order, repeated names and all, each with its bytes.
pub(super) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads `text` as one object and nothing else.
    pub(super) fn read(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The one member of this name; `Ok(None)` if there is none.
    pub(super) fn one(&self, name: &str) -> Result<Option<&'a RawValue>, Repeated> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => Ok(Some(value)),
            (Some(_), Some(_)) => Err(Repeated),
        }
    }

    /// The one member of this name if it is a string.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Repeated> {
        let raw = self.one(name)?;
        Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

/// A member that stands twice: two readers may read two things.
#[derive(Debug)]
pub(super) struct Repeated;

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Where `inner`, which was read from `outer`, lies in it.
pub(super) fn range(outer: &str, inner: &RawValue) -> Range<usize> {
    let start = inner.get().as_ptr().addr() - outer.as_ptr().addr();
    start..start + inner.get().len()
}
