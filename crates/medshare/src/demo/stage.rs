//! The stage: a folder that nobody else may enter, the node's process, and every party
//! of the story.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::party::{Party, Running};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    stop::Stop,
};

/// Where the story plays.
#[derive(Debug)]
pub(super) struct Stage {
    folder: PathBuf,
    kept: bool,
    socket: PathBuf,
    /// Removed with the stage.
    _temporary: Option<tempfile::TempDir>,
    processes: Arc<Mutex<Vec<Running>>>,
    /// Ctrl-C is how it is meant to end.
    serving: Arc<AtomicBool>,
}

impl Stage {
    /// A fresh stage: in `keep`, which must not hold anything, or in a temporary folder
    /// that goes when the stage does.
    ///
    /// # Errors
    /// [`Exit::Usage`], [`Exit::Storage`].
    pub(super) fn new(keep: Option<&Path>) -> Result<Self> {
        let temporary = tempfile::Builder::new()
            .prefix("medshare-demo-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| Fault::io("the folder for temporary files", &error))?;
        let (folder, kept) = match keep {
            None => (temporary.path().to_owned(), false),
            Some(folder) => (own_folder(folder)?, true),
        };
        // The operating system takes about a hundred bytes for a socket's path.
        let socket = match folder.join(SOCKET) {
            near if near.as_os_str().len() < LONGEST_SOCKET => near,
            _ => temporary.path().join(SOCKET),
        };
        let unused = kept && socket.starts_with(&folder);
        let stage = Self {
            folder,
            kept,
            socket,
            _temporary: (!unused).then_some(temporary),
            processes: Arc::default(),
            serving: Arc::default(),
        };
        stage.leave_on_signals()?;
        Ok(stage)
    }

    /// The folder.
    #[cfg(test)]
    fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the folder stays.
    pub(super) fn is_kept(&self) -> bool {
        self.kept
    }

    /// The node's socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// A place for a further socket.
    pub(super) fn side_socket(&self, name: &str) -> PathBuf {
        self.socket.with_file_name(name)
    }

    /// The node's address.
    pub(super) fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// A party with a fresh folder on this stage.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub(super) fn party(&self, slug: &str, name: &'static str) -> Result<Party> {
        self.party_at(slug, name, &self.address())
    }

    /// A party whose node is another one.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub(super) fn party_at(&self, slug: &str, name: &'static str, node: &str) -> Result<Party> {
        Party::new(&self.folder, slug, name, node)
    }

    /// Starts the node's process and waits until it listens.
    ///
    /// # Errors
    /// [`Exit::Unreachable`] with its last line when it ends or stays silent.
    pub(super) fn run_node(&self, node: &Party) -> Result<Running> {
        self.run_node_at(node, &self.address())
    }

    /// [`Stage::run_node`] at another address.
    ///
    /// # Errors
    /// As there.
    pub(super) fn run_node_at(&self, node: &Party, listen: &str) -> Result<Running> {
        let running = self.run(node, &["node", "run", "--listen", listen])?;
        self.hear(node, &running, "listening")?;
        Ok(running)
    }

    /// Waits until what `party` runs has said `word`; gives all that it said.
    ///
    /// # Errors
    /// [`Exit::Unreachable`] with its last line when it ends or stays silent.
    pub(super) fn hear(&self, party: &Party, running: &Running, word: &str) -> Result<String> {
        let log = party.path("run.log");
        let started = Instant::now();
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains(word) && said.ends_with('\n') {
                return Ok(said);
            }
            if !running.is_alive() || started.elapsed() > START {
                let last = said.lines().last().unwrap_or("it said nothing");
                return Err(Fault::new(
                    Exit::Unreachable,
                    format!("{} did not start: {last}", party.name),
                ));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stays until Ctrl-C, which ends the program with success then.
    pub(super) fn serve(&self) -> ! {
        self.serving.store(true, Ordering::SeqCst);
        loop {
            thread::park();
        }
    }

    /// Starts a process that ends with the stage at the latest.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub(super) fn run(&self, party: &Party, arguments: &[&str]) -> Result<Running> {
        let running = party.start(arguments)?;
        self.watch_over(running.clone());
        Ok(running)
    }

    /// Ends `running` with the stage at the latest.
    pub(super) fn watch_over(&self, running: Running) {
        locked(&self.processes).push(running);
    }

    /// Ctrl-C leaves neither a process nor a folder behind.
    fn leave_on_signals(&self) -> Result<()> {
        let stop = Stop::on_signals()?;
        let processes = Arc::clone(&self.processes);
        let serving = Arc::clone(&self.serving);
        let folder = (!self.kept).then(|| self.folder.clone());
        thread::spawn(move || {
            while !stop.wait(Duration::from_secs(3600)) {}
            locked(&processes).iter().for_each(Running::kill);
            if let Some(folder) = folder {
                let _ = fs::remove_dir_all(folder);
            }
            std::process::exit(match serving.load(Ordering::SeqCst) {
                true => 0,
                false => INTERRUPTED,
            });
        });
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let processes = std::mem::take(&mut *locked(&self.processes));
        processes.iter().for_each(Running::ask_to_stop);
        processes.iter().for_each(Running::stop);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An absolute, empty folder of the person's own.
fn own_folder(folder: &Path) -> Result<PathBuf> {
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(Fault::new(
            Exit::Usage,
            format!(
                "{} is not empty; name a new folder for --keep",
                folder.display()
            ),
        ));
    }
    files::make_private_folder(folder)?;
    // A folder that was there already is closed to others as well: it will hold keys.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .and_then(|()| fs::canonicalize(folder))
        .map_err(|error| Fault::io(folder.display(), &error))
}

const SOCKET: &str = "node.sock";
const LONGEST_SOCKET: usize = 96;
const START: Duration = Duration::from_secs(30);
/// What shells show for a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_goes_or_stays_as_asked() {
        let stage = Stage::new(None).unwrap();
        let folder = stage.folder().to_owned();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(stage);
        assert!(!folder.exists());

        let dir = tempfile::tempdir().unwrap();
        let keep = dir.path().join("a/b");
        drop(Stage::new(Some(&keep)).unwrap());
        assert!(keep.is_dir());
        fs::write(keep.join("x"), "x").unwrap();
        assert_eq!(Stage::new(Some(&keep)).unwrap_err().exit, Exit::Usage);

        let deep = dir.path().join("d".repeat(120));
        let stage = Stage::new(Some(&deep)).unwrap();
        assert!(stage.socket().as_os_str().len() < LONGEST_SOCKET);
    }
}
