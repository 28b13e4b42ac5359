//! A party of the story: a folder of its own with its home and passphrase in it, and a
//! process of its own for every verb.
//!
//! The demo knows no keys and opens no home: all it does is what a person at that
//! party's keyboard could do.

use serde_json::Value;
use std::{
    ffi::OsString,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    exit::{Exit, Fault, Result},
    files, system,
};

/// One party.
#[derive(Debug)]
pub(super) struct Party {
    /// What people call it.
    pub(super) name: &'static str,
    folder: PathBuf,
    program: PathBuf,
    node: String,
    account: OnceLock<String>,
}

/// What a party's process said and how it ended.
#[derive(Clone, Default, Debug)]
pub(super) struct Answer {
    /// Exit code; 255 when it was killed.
    pub(super) exit: u8,
    /// What it printed, one object a line.
    pub(super) values: Vec<Value>,
    /// From start to end of the process.
    pub(super) time: Duration,
    error: Option<String>,
}

impl Party {
    /// A party with a fresh folder `slug` on `stage`, whose node is at `node`.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub(super) fn new(stage: &Path, slug: &str, name: &'static str, node: &str) -> Result<Self> {
        let folder = stage.join(slug);
        files::make_private_folder(&folder)?;
        let passphrase = hex::encode(&system::random32()[..16]);
        files::write_private(&folder.join(PASSPHRASE), passphrase.as_bytes())?;
        Ok(Self {
            name,
            folder,
            program: program()?,
            node: node.to_owned(),
            account: OnceLock::new(),
        })
    }

    /// Makes the party's home; its keys are made in its own process.
    pub(super) fn init(&self, role: &str, more: &[&str]) -> Answer {
        let factor = WORK_FACTOR.to_string();
        let phrase = self.path("phrase");
        let phrase = phrase.to_string_lossy();
        let mut arguments = vec!["init", "--role", role, "--work-factor", &factor];
        arguments.extend(["--phrase-file", &phrase]);
        arguments.extend(more);
        let answer = self.run(&arguments);
        if let Some(account) = answer.find("account") {
            let _ = self.account.set(account);
        }
        answer
    }

    /// The account, once the party has a home; empty before.
    pub(super) fn account(&self) -> &str {
        self.account.get().map_or("", String::as_str)
    }

    /// A file of this party's own.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The party's home folder.
    pub(super) fn home(&self) -> PathBuf {
        self.path(HOME)
    }

    /// Where its node listens.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Its home was made by another, under the other's passphrase.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub(super) fn takes_passphrase_of(&self, other: &Self) -> Result<()> {
        let (from, to) = (other.path(PASSPHRASE), self.path(PASSPHRASE));
        let copied = fs::copy(&from, &to);
        copied
            .map(drop)
            .map_err(|error| Fault::io(to.display(), &error))
    }

    /// Runs one verb to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Answer {
        self.run_at(&self.node, arguments)
    }

    /// Runs one verb against another address than the node's own.
    pub(super) fn run_at(&self, node: &str, arguments: &[&str]) -> Answer {
        let mut command = self.command(node);
        command.arg("--json").args(arguments).stdin(Stdio::null());
        finish(command)
    }

    /// Runs one verb with the plain output of a verb of `other` on its standard input,
    /// through a pipe between the two processes.
    pub(super) fn run_on_pipe(&self, arguments: &[&str], other: &Self, others: &[&str]) -> Answer {
        let mut source = other.command(&other.node);
        source
            .args(others)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut source = match source.spawn() {
            Ok(child) => child,
            Err(error) => return Answer::failed(format!("starting {}: {error}", other.name)),
        };
        let mut command = self.command(&self.node);
        command.arg("--json").args(arguments);
        match source.stdout.take() {
            Some(pipe) => command.stdin(Stdio::from(pipe)),
            None => command.stdin(Stdio::null()),
        };
        let answer = finish(command);
        let spoken = source.stderr.take().map(read_all).unwrap_or_default();
        match source.wait() {
            Ok(status) if status.success() => answer,
            _ => Answer::failed(format!("{}: {}", other.name, spoken.trim())),
        }
    }

    /// Starts a verb that runs until it is stopped.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub(super) fn start(&self, arguments: &[&str]) -> Result<Running> {
        let log = fs::File::create(self.path("run.log"))
            .map_err(|error| Fault::io(self.path("run.log").display(), &error))?;
        let errors = log
            .try_clone()
            .map_err(|error| Fault::io("a log file", &error))?;
        let child = self
            .command(&self.node)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| Fault::io(self.program.display(), &error))?;
        Ok(Running::new(child))
    }

    fn command(&self, node: &str) -> Command {
        let mut command = Command::new(&self.program);
        // Nothing of the person's own settings reaches a party.
        let own = |name: &OsString| name.to_string_lossy().starts_with("MEDSHARE_");
        for name in std::env::vars_os().map(|(name, _)| name).filter(own) {
            command.env_remove(name);
        }
        command
            .current_dir(&self.folder)
            .arg("--home")
            .arg(self.home())
            .arg("--passphrase-file")
            .arg(self.path(PASSPHRASE))
            .args(["--lock-wait", "30", "--node", node]);
        command
    }
}

impl Answer {
    /// What a process that could not be run would have said.
    pub(super) fn failed(error: String) -> Self {
        Self {
            exit: Exit::Internal as u8,
            error: Some(error),
            ..Self::default()
        }
    }

    /// Why it did not succeed, if it did not.
    pub(super) fn reason(&self) -> Option<String> {
        match (self.exit, &self.error) {
            (0, _) => None,
            (_, Some(error)) => Some(error.clone()),
            (exit, None) => Some(format!("ended with exit code {exit} and no word")),
        }
    }

    /// The first text (or number) under `key`, in the order in which it was printed.
    pub(super) fn find(&self, key: &str) -> Option<String> {
        self.values.iter().find_map(|value| text(value.get(key)?))
    }

    /// The text under `key`; a fault that names it when there is none.
    ///
    /// # Errors
    /// [`Exit::Internal`].
    pub(super) fn text(&self, key: &str) -> Result<String> {
        self.find(key).ok_or_else(|| {
            Fault::new(
                Exit::Internal,
                format!("a party's process told no {key:?}: {:?}", self.values),
            )
        })
    }

    /// Every text under `key`.
    pub(super) fn all(&self, key: &str) -> Vec<String> {
        let found = self.values.iter().filter_map(|value| text(value.get(key)?));
        found.collect()
    }

    /// The first event named `event`, as loops and rounds print them.
    pub(super) fn event(&self, event: &str) -> Option<&Value> {
        self.values.iter().find(|value| value["event"] == event)
    }

    /// The list of texts under `key`.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let lists = self
            .values
            .iter()
            .filter_map(|value| value.get(key)?.as_array());
        lists.flatten().filter_map(text).collect()
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A process that runs until it is stopped; stopped at the latest when dropped.
#[derive(Clone, Debug)]
pub(super) struct Running(Arc<Mutex<Child>>);

impl Running {
    /// A process that is no party's.
    pub(super) fn new(child: Child) -> Self {
        Self(Arc::new(Mutex::new(child)))
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// Asks it to end (SIGTERM).
    pub(super) fn ask_to_stop(&self) {
        let mut child = self.child();
        // A process that has ended has given its number back.
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        let _ = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .stderr(Stdio::null())
            .status();
    }

    /// Asks it to end, waits a little, then ends it.
    pub(super) fn stop(&self) {
        self.ask_to_stop();
        if !ended(&mut self.child(), Duration::from_secs(5)) {
            self.kill();
        }
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what does not depend on each other at once, as many as there are cores; answers
/// come in the order of the jobs.
pub(super) fn at_once<T: Send>(jobs: Vec<Box<dyn FnOnce() -> T + Send + '_>>) -> Vec<T> {
    let width = thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 8);
    let count = jobs.len();
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let answers = Mutex::new(Vec::with_capacity(count));
    thread::scope(|scope| {
        for _ in 0..width.min(count) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((at, job)) = next else { break };
                    let answer = job();
                    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                    answers.push((at, answer));
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Waits for the process and reads what it says; ends it after [`PATIENCE`].
fn finish(mut command: Command) -> Answer {
    let started = Instant::now();
    let mut child = match command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    {
        Ok(child) => child,
        Err(error) => return Answer::failed(format!("starting a party's process: {error}")),
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || stderr.map(read_all).unwrap_or_default());
    let output = thread::spawn(move || stdout.map(read_all).unwrap_or_default());
    if !ended(&mut child, PATIENCE) {
        let _ = child.kill();
    }
    let status = child.wait();
    let time = started.elapsed();
    let output = output.join().unwrap_or_default();
    let errors = errors.join().unwrap_or_default();
    Answer {
        exit: status
            .ok()
            .and_then(|status| status.code())
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(255),
        values: output.lines().map(parsed).collect(),
        time,
        error: spoken(&errors),
    }
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned()))
}

/// The error object's message, or else the last line.
fn spoken(errors: &str) -> Option<String> {
    let last = errors.lines().rev().find(|line| !line.trim().is_empty())?;
    let message = parsed(last).pointer("/error/message").and_then(text);
    Some(message.unwrap_or_else(|| last.trim().to_owned()))
}

fn read_all(mut source: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = source.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ended(child: &mut Child, patience: Duration) -> bool {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) | Err(_) => return true,
            Ok(None) if started.elapsed() > patience => return false,
            Ok(None) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|error| Fault::io("this program's own file", &error))
}

/// Low, for homes that live for seconds; recorded in each `keys.age` as always.
pub(super) const WORK_FACTOR: u8 = 4;
/// No verb of the story takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(120);
const PASSPHRASE: &str = "passphrase";
const HOME: &str = "home";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_jobs() {
        let jobs: Vec<Box<dyn FnOnce() -> u64 + Send>> = (0..9)
            .map(|at| -> Box<dyn FnOnce() -> u64 + Send> {
                Box::new(move || {
                    thread::sleep(Duration::from_millis(9 - at));
                    at
                })
            })
            .collect();
        assert_eq!(at_once(jobs), (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn the_error_object_is_read_and_other_words_are_kept() {
        let object = r#"{"error":{"code":9,"name":"refused","message":"the grant is revoked"}}"#;
        assert_eq!(spoken(object).as_deref(), Some("the grant is revoked"));
        assert_eq!(
            spoken("warning\nplain words\n\n").as_deref(),
            Some("plain words")
        );
        assert_eq!(spoken(""), None);
    }
}
