//! A bundle cut into its entries, each under its class.

use super::{
    BOM, FHIR_ENTRIES, FHIR_JSON, FHIR_SKELETON, MAX_ENTRIES, PartRanges, Split, class,
    json::{self, Members, Repeated},
    one_part,
    sensitive::{self, Findings},
};
use base::Class;
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

/// What is known of one entry.
struct Entry {
    range: Range<u64>,
    class: Class,
    /// Whether what refers to this entry is about the same matter: not so for persons,
    /// places and visits, which everything refers to.
    telling: bool,
    /// By which references others name it.
    names: Vec<String>,
    references: Vec<String>,
}

/// Cuts a FHIR bundle in JSON into parts; a single resource is one part of its class.
/// `None` if the bytes are no FHIR resource in JSON, nor look like one.
pub fn split_bundle(bytes: &[u8]) -> Option<Split> {
    let length = bytes.len() as u64;
    let kept_whole = |reason: String| Split {
        parts: vec![one_part(Class::Sensitive, FHIR_JSON, length)],
        notice: Some(format!(
            "this FHIR file is kept whole, as sensitive: {reason}"
        )),
    };
    let body = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let looks_like_one = || {
        let name: &[u8] = b"\"resourceType\"";
        body.windows(name.len()).any(|window| window == name)
    };
    let read = std::str::from_utf8(body)
        .map_err(|error| error.to_string())
        .and_then(|text| {
            let members = Members::read(text).map_err(|error| error.to_string())?;
            Ok((text, members))
        });
    let (text, members) = match read {
        Ok(read) => read,
        Err(reason) => return looks_like_one().then(|| kept_whole(reason)),
    };
    match members.text("resourceType") {
        Ok(Some(kind)) if kind == "Bundle" => {}
        Ok(Some(_)) => {
            let class = of_resource(text).class;
            return Some(Split {
                parts: vec![one_part(class, FHIR_JSON, length)],
                notice: None,
            });
        }
        Ok(None) => return None,
        Err(Repeated) => return Some(kept_whole("it gives its resourceType twice".to_owned())),
    }
    let offset = bytes.len() - body.len();
    Some(match entries(text, &members) {
        Ok(entries) => Split {
            parts: parts(entries, offset as u64, length),
            notice: None,
        },
        Err(reason) => kept_whole(reason),
    })
}

/// The entries of a bundle with their classes; ranges count from the start of `text`.
fn entries(text: &str, bundle: &Members<'_>) -> Result<Vec<Entry>, String> {
    let list: Vec<&RawValue> = match bundle.one("entry") {
        Ok(Some(raw)) => serde_json::from_str(raw.get())
            .map_err(|error| format!("its entries are no list: {error}"))?,
        Ok(None) => Vec::new(),
        Err(Repeated) => return Err("it gives its entries twice".to_owned()),
    };
    if list.len() > MAX_ENTRIES {
        return Err(format!("it has more than {MAX_ENTRIES} entries"));
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(list.len());
    for raw in list {
        let range = json::range(text, raw);
        let mut entry = of_entry(raw.get());
        entry.range = range.start as u64..range.end as u64;
        entries.push(entry);
    }
    spread(&mut entries);
    Ok(entries)
}

fn of_entry(text: &str) -> Entry {
    let read = || -> Option<Entry> {
        let entry = Members::read(text).ok()?;
        // All of it, not the resource alone: a request's URL or a search counts as well.
        let findings = sensitive::scan(text)?;
        let mut found = match entry.one("resource").ok()? {
            Some(resource) => of_members(&Members::read(resource.get()).ok()?, findings)?,
            None => unreadable(if findings.sensitive {
                Class::Sensitive
            } else {
                Class::Other
            }),
        };
        found.names.extend(entry.text("fullUrl").ok()?);
        Some(found)
    };
    // Two readers may read two things, or nobody can say what is in it: kept apart.
    read().unwrap_or_else(|| unreadable(Class::Sensitive))
}

/// What is known of a resource that stands by itself.
fn of_resource(text: &str) -> Entry {
    let read = || of_members(&Members::read(text).ok()?, sensitive::scan(text)?);
    read().unwrap_or_else(|| unreadable(Class::Sensitive))
}

/// What is known of a resource; `None` if a member that matters stands twice.
fn of_members(resource: &Members<'_>, findings: Findings) -> Option<Entry> {
    let kind = resource.text("resourceType").ok()?.unwrap_or_default();
    let class = class::of_resource(&kind, resource).ok()?;
    let id = resource.text("id").ok()?;
    Some(Entry {
        range: 0..0,
        class: if findings.sensitive {
            Class::Sensitive
        } else {
            class
        },
        telling: !BACKGROUND.contains(&kind.as_str()),
        names: id.map(|id| format!("{kind}/{id}")).into_iter().collect(),
        references: findings.references,
    })
}

const fn unreadable(class: Class) -> Entry {
    Entry {
        range: 0..0,
        class,
        telling: true,
        names: Vec::new(),
        references: Vec::new(),
    }
}

/// What refers to a sensitive entry is sensitive: the prescription for the diagnosis, the
/// report on the finding, the claim for either.
fn spread(entries: &mut [Entry]) {
    let mut referring: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        for reference in &entry.references {
            for name in spellings(reference) {
                referring.entry(name.to_owned()).or_default().push(index);
            }
        }
    }
    let sensitive = |entry: &Entry| entry.class == Class::Sensitive;
    let mut waiting: Vec<usize> = (0..entries.len())
        .filter(|index| sensitive(&entries[*index]))
        .collect();
    while let Some(index) = waiting.pop() {
        if !entries[index].telling {
            continue;
        }
        for name in std::mem::take(&mut entries[index].names) {
            for other in referring.remove(&name).unwrap_or_default() {
                if !sensitive(&entries[other]) {
                    entries[other].class = Class::Sensitive;
                    waiting.push(other);
                }
            }
        }
    }
}

/// A reference as it stands without its version, and as `Type/id` if it is longer.
fn spellings(reference: &str) -> impl Iterator<Item = &str> {
    let plain = reference
        .split_once("/_history/")
        .map_or(reference, |(plain, _)| plain);
    let short = plain
        .rmatch_indices('/')
        .nth(1)
        .map(|(at, _)| &plain[at + 1..]);
    std::iter::once(plain).chain(short)
}

/// One part for each class that occurs, and the skeleton between them.
fn parts(entries: Vec<Entry>, offset: u64, length: u64) -> Vec<PartRanges> {
    let mut by_class: BTreeMap<Class, Vec<Range<u64>>> = BTreeMap::new();
    let mut skeleton = Vec::with_capacity(entries.len() + 1);
    let mut end = 0;
    for entry in entries {
        let range = entry.range.start + offset..entry.range.end + offset;
        skeleton.push(end..range.start); // never empty: a bracket or a comma stands there
        end = range.end;
        by_class.entry(entry.class).or_default().push(range);
    }
    skeleton.push(end..length);
    by_class.insert(Class::Skeleton, skeleton);
    Class::ALL
        .into_iter()
        .filter_map(|class| {
            let ranges = by_class.remove(&class)?;
            let media_type = match class {
                Class::Skeleton => FHIR_SKELETON,
                _ => FHIR_ENTRIES,
            };
            Some(PartRanges {
                class,
                media_type: media_type.to_owned(),
                ranges,
            })
        })
        .collect()
}

/// Resource types that everything refers to, whatever the matter is.
const BACKGROUND: &[&str] = &[
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "RelatedPerson",
    "Organization",
    "Location",
    "HealthcareService",
    "Encounter",
    "EpisodeOfCare",
    "Coverage",
    "Device",
    "Group",
];
