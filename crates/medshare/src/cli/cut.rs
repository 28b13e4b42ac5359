//! A document cut into the parts that a hospital seals, as `record publish` and its page do it.

use base::Class;
use serde_json::{Value, json};
use share::record::{Layout, Original, PartSource};
use std::io::{self, Read as _};

use crate::{
    exit::{Fault, Result},
    fhir,
};

/// A document cut into parts.
pub(crate) struct Cut {
    /// The parts.
    pub(crate) parts: Vec<PartSource>,
    /// The same for people.
    pub(crate) shown: Value,
}

/// Cuts the document `name`: a FHIR bundle by what is in it, any other file, or what is to be
/// of one `class`, not at all. `notice` hears why a bundle was not cut.
///
/// # Errors
/// [`Exit::Storage`], [`Exit::Invalid`].
pub(crate) fn cut(
    original: &dyn Original,
    name: &str,
    class: Option<Class>,
    notice: &mut dyn FnMut(String),
) -> Result<Cut> {
    let io = |error: io::Error| Fault::io(name, &error);
    let length = original.length().map_err(io)?;
    let mut file = original.open().map_err(io)?;
    let mut head = Vec::new();
    (&mut file)
        .take(fhir::HEAD as u64)
        .read_to_end(&mut head)
        .map_err(io)?;
    let whole = fhir::whole(&head, length);
    let cut = if let Some(class) = class {
        vec![fhir::PartRanges { class, ..whole }]
    } else if fhir::Kind::of(&head) == fhir::Kind::Json && length <= fhir::MAX_BUNDLE {
        let mut bytes = head;
        file.read_to_end(&mut bytes).map_err(io)?;
        let split = fhir::split(&bytes);
        split.notice.into_iter().for_each(notice);
        split.parts
    } else {
        vec![whole]
    };
    let shown = cut
        .iter()
        .map(|part| {
            let bytes: u64 = part
                .ranges
                .iter()
                .map(|range| range.end - range.start)
                .sum();
            json!({"class": part.class.name(), "media_type": part.media_type, "bytes": bytes})
        })
        .collect();
    let parts = cut
        .into_iter()
        .map(|part| {
            let ranges = part
                .ranges
                .iter()
                .map(|range| (range.start, range.end - range.start));
            Ok(PartSource {
                class: part.class,
                media_type: part.media_type,
                layout: Layout::new(ranges.collect())?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Cut { parts, shown })
}
