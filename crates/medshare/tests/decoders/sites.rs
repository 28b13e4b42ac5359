//! No decoder without a fuzz target: every place in the sources that makes something of
//! bytes or text from outside is found and must be on the list, with the decoder that
//! covers it or the reason why none can.

mod list;

use super::{
    scan::{places, skipped, sources},
    targets,
};
use list::SITES;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// What covers a place.
enum By {
    /// These decoders.
    Fuzz(&'static [&'static str]),
    /// None, because
    Not(&'static str),
}
use By::{Fuzz, Not};

#[test]
fn no_decoder_without_a_fuzz_target() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in fs::read_dir(&crates).unwrap() {
        sources(&folder.unwrap().path().join("src"), &mut files);
    }
    let mut found = BTreeSet::new();
    for file in files {
        let name = file
            .strip_prefix(&crates)
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/");
        if !skipped(&name) {
            let text = fs::read_to_string(&file).unwrap();
            found.extend(places(&text).map(|function| (name.clone(), function)));
        }
    }
    let listed: BTreeMap<_, _> = SITES
        .iter()
        .map(|(path, function, by)| ((path.to_string(), function.to_string()), by))
        .collect();
    let new: Vec<_> = found
        .iter()
        .filter(|it| !listed.contains_key(*it))
        .collect();
    assert!(
        new.is_empty(),
        "decode, and no fuzz target is named for them: {new:#?}"
    );
    let gone: Vec<_> = listed.keys().filter(|it| !found.contains(*it)).collect();
    assert!(gone.is_empty(), "no longer there: {gone:#?}");

    let known: BTreeSet<String> = targets()
        .flat_map(|target| {
            let names = target.decoders.iter();
            names.map(|decoder| format!("{}/{}", target.name, decoder.name))
        })
        .collect();
    for by in listed.values() {
        match by {
            Fuzz(names) => {
                for name in *names {
                    let built = cfg!(feature = "peers") || !name.starts_with("peers/");
                    assert!(!built || known.contains(*name), "no decoder {name}");
                }
            }
            Not(why) => assert!(!why.is_empty()),
        }
    }
}
