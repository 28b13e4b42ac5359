//! What makes the journey: the records of `samples/`, carried inside this program, or
//! every file of a folder of the person's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::exit::{Exit, Fault, Result};

/// A file that makes the journey.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// What people call it: its path below the folder.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its length.
    pub(super) bytes: u64,
}

/// Writes the samples into `folder`.
///
/// # Errors
/// [`Exit::Storage`].
pub(super) fn unpack(folder: &Path) -> Result<Vec<Source>> {
    SAMPLES
        .iter()
        .map(|(name, bytes)| {
            let path = folder.join(name);
            fs::write(&path, bytes).map_err(|error| Fault::io(path.display(), &error))?;
            Ok(Source {
                name: (*name).to_owned(),
                path,
                bytes: bytes.len() as u64,
            })
        })
        .collect()
}

/// Every file of `folder` and the folders in it, by name; links are not followed.
///
/// # Errors
/// [`Exit::Usage`] when there is none, [`Exit::Storage`].
pub(super) fn every_file(folder: &Path) -> Result<Vec<Source>> {
    let folder = fs::canonicalize(folder).map_err(|error| {
        Fault::new(
            Exit::Usage,
            format!("--records {}: {error}", folder.display()),
        )
    })?;
    let mut found = Vec::new();
    walk(&folder, &folder, &mut found)?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    match found.is_empty() {
        true => Err(Fault::new(
            Exit::Usage,
            format!("--records {}: there is no file in it", folder.display()),
        )),
        false => Ok(found),
    }
}

/// The fault of a journey without a file.
pub(super) fn nothing() -> Fault {
    Fault::new(Exit::Usage, "there is no file that could make the journey")
}

fn walk(top: &Path, folder: &Path, found: &mut Vec<Source>) -> Result<()> {
    let failed = |error: &std::io::Error| Fault::io(folder.display(), error);
    for entry in fs::read_dir(folder).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        let path = entry.path();
        if kind.is_dir() {
            walk(top, &path, found)?;
        } else if kind.is_file() {
            let bytes = entry.metadata().map_err(|error| failed(&error))?.len();
            let name = path.strip_prefix(top).unwrap_or(&path);
            found.push(Source {
                name: name.to_string_lossy().into_owned(),
                path: path.clone(),
                bytes,
            });
        }
    }
    Ok(())
}

macro_rules! samples {
    ($($name:literal,)*) => {
        /// Name and bytes of each; `samples/README.md` says what they are.
        const SAMPLES: &[(&str, &[u8])] = &[$(
            ($name, include_bytes!(concat!("../../../../samples/", $name))),
        )*];
    };
}

samples! {
    "beispiel-mueller.fhir.json",
    "ejemplo-nunez.fhir.json",
    "li-shili.fhir.json",
    "przykladowa.fhir.json",
    "testsson.fhir.json",
    "ni-shamplach.ccda.xml",
    "d-essai.oru.hl7",
    "phantom.ct.dcm",
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_program_carries_every_sample() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
        let other = |name: &str| name == "README.md" || name.ends_with(".py");
        let there: Vec<String> = every_file(&folder)
            .unwrap()
            .into_iter()
            .map(|source| source.name)
            .filter(|name| !other(name))
            .collect();
        let mut carried: Vec<&str> = SAMPLES.iter().map(|(name, _)| *name).collect();
        carried.sort_unstable();
        assert_eq!(there, carried);
    }

    #[test]
    fn a_folder_without_files_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        assert_eq!(every_file(dir.path()).unwrap_err().exit, Exit::Usage);
        fs::write(dir.path().join("empty/a"), "1").unwrap();
        let found = every_file(dir.path()).unwrap();
        assert_eq!((found[0].name.as_str(), found[0].bytes), ("empty/a", 1));
    }
}
