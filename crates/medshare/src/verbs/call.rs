//! One call: a verb run as the command line runs it, on the home that is served, with files of
//! this call alone.

use clap::Parser as _;
use serde_json::Value;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};
use tempfile::TempDir;

use super::verb::Verb;
use crate::{
    cli::{self, Cli, context::Context, output::Output},
    exit::{Exit, Fault, Result},
    home::{Home, keys::Keys},
};

/// What a verb gave.
pub(super) struct Given {
    /// What `--json` prints, an object each.
    pub(super) items: Vec<Value>,
    /// The file that it wrote; without a name by now.
    pub(super) file: Option<File>,
}

/// The home that is served.
pub(super) struct Desk {
    context: Context,
    keys: Arc<Keys>,
    files: Files,
}

impl Desk {
    pub(super) fn new(context: &Context, home: &Home) -> Result<Self> {
        Ok(Self {
            context: context.clone(),
            keys: context.keys(home)?,
            files: Files::new(home.folder())?,
        })
    }

    /// A folder for the files of one call.
    pub(super) fn folder(&self) -> Result<TempDir> {
        tempfile::tempdir_in(self.files.folder.path())
            .map_err(|error| Fault::io("a folder for what is sent", &error))
    }

    /// Runs `verb`; blocks.
    pub(super) fn call(
        &self,
        verb: &Verb,
        given: &[(String, String)],
        input: Option<&Path>,
        folder: &Path,
    ) -> Result<Given> {
        let written = folder.join("out");
        let output = verb.output.as_ref().map(|_| written.as_path());
        let line = verb.line(given, input, output)?;
        let parsed = Cli::try_parse_from(line)
            .map_err(|error| Fault::new(Exit::Usage, cli::in_a_line(&error)))?;
        let (output, kept) = Output::keeping();
        let context = self.context.holding(Arc::clone(&self.keys), output);
        cli::perform(parsed.command, &context)?;
        let items = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        let file = match File::open(&written) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Fault::io("what was written", &error)),
        };
        Ok(Given { items, file })
    }
}

/// Where files of calls stand while they last: in the home, for its owner alone. What a process
/// that was killed left is removed by the next one.
struct Files {
    folder: TempDir,
    /// Held as long as the folder is in use.
    _lock: File,
}

impl Files {
    fn new(home: &Path) -> Result<Self> {
        let io = |error: std::io::Error| Fault::io(home.display(), &error);
        for entry in fs::read_dir(home).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| name.starts_with(PREFIX)) && is_left(&path) {
                fs::remove_dir_all(&path).map_err(io)?;
            }
        }
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(home);
        let folder = made.map_err(io)?;
        let lock = File::create(lock_of(folder.path())).map_err(io)?;
        lock.lock().map_err(io)?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }
}

fn is_left(folder: &Path) -> bool {
    match File::open(lock_of(folder)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn lock_of(folder: &Path) -> PathBuf {
    folder.join("lock")
}

const PREFIX: &str = ".serve-";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let left = home.path().join(".serve-gone");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("in"), "a record").unwrap();
        fs::write(left.join("lock"), "").unwrap();
        let first = Files::new(home.path()).unwrap();
        assert!(!left.exists());
        let second = Files::new(home.path()).unwrap();
        assert!(first.folder.path().exists() && second.folder.path().exists());
        drop((first, second));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
