//! A package's tests, one process each: which mutants each reaches, and what becomes of one.

use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use super::build::Binary;
use crate::run;

/// What a mutant came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// A test failed.
    Caught,
    /// A test did not come to an end, which is noticed too.
    Endless,
    /// It does not compile.
    Unviable,
    /// No test noticed.
    Survives,
}

/// One test.
struct Test {
    binary: PathBuf,
    name: String,
    time: Duration,
    reaches: BTreeSet<usize>,
}

/// All tests of a package, the quickest first.
pub(super) struct Suite {
    tests: Vec<Test>,
    /// The package's, where cargo would start them.
    folder: PathBuf,
    jobs: usize,
}

/// How often a test noticed a mutant of a file. Who noticed the last ones is asked first.
#[derive(Clone, Copy, Default)]
struct Score {
    tried: u32,
    noticed: u32,
}

impl Score {
    fn count(&mut self, noticed: bool) {
        self.tried += 1;
        self.noticed += u32::from(noticed);
    }

    /// What it takes, in time, until this test notices one: little is known at first.
    fn price(self, time: Duration) -> Duration {
        time * (self.tried + 4) / (self.noticed + 1)
    }
}

/// A test has this, and some times its own time, before it counts as endless.
const PATIENCE: Duration = Duration::from_secs(10);
const TIMES: u32 = 5;
/// The same of a test whose time is not known.
const UNKNOWN: Duration = Duration::from_secs(120);

/// Memory for one test, KiB: a change may make it take all there is.
const MEMORY: u32 = 8 << 20;

impl Suite {
    /// The tests in these programs, in no order.
    pub(super) fn of(binaries: &[Binary], folder: PathBuf, jobs: usize) -> Result<Self> {
        let mut tests = Vec::new();
        for binary in binaries {
            let mut list = Command::new(&binary.path);
            list.args(["--list", "--format=terse"]).current_dir(&folder);
            let list = run::output(&mut list)?;
            let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
            tests.extend(names.map(|name| Test {
                binary: binary.path.clone(),
                name: name.to_owned(),
                time: UNKNOWN,
                reaches: BTreeSet::new(),
            }));
        }
        Ok(Self {
            tests,
            folder,
            jobs,
        })
    }

    /// Runs each test once without a change, and notes its time and what it reaches.
    pub(super) fn record(&mut self) -> Result<()> {
        let found = Mutex::new(Vec::new());
        each(self.jobs, self.tests.len(), |index| {
            let test = &self.tests[index];
            let folder = Folder::new()?;
            let seen = folder.0.join("seen");
            fs::write(&seen, "")?;
            let start = Instant::now();
            match self.end(test, &[("MUTANTS_SEEN", seen.as_os_str())])? {
                Some(status) if status.success() => {}
                end => bail!("{} fails without a change: {end:?}", test.name),
            }
            let time = start.elapsed();
            let numbers = fs::read_to_string(&seen)?;
            let numbers = numbers.lines().map(str::parse);
            let reaches = numbers.collect::<Result<BTreeSet<usize>, _>>()?;
            locked(&found).push((index, time, reaches));
            Ok(())
        })?;
        for (index, time, reaches) in locked(&found).drain(..) {
            self.tests[index].time = time;
            self.tests[index].reaches = reaches;
        }
        self.tests.sort_by_key(|test| test.time);
        Ok(())
    }

    /// Takes the times, and so the order, of the same tests in another build.
    pub(super) fn time_as(&mut self, other: &Self) {
        for test in &mut self.tests {
            let same = other.tests.iter().find(|other| other.name == test.name);
            test.time = same.map_or(UNKNOWN, |same| same.time);
        }
        self.tests.sort_by_key(|test| test.time);
    }

    /// How many tests, their time one after the other, and the slowest.
    pub(super) fn told(&self) -> String {
        let all: Duration = self.tests.iter().map(|test| test.time).sum();
        let mut told = format!("{} tests, {:.0} s", self.tests.len(), all.as_secs_f64());
        for test in self.tests.iter().rev().take(5) {
            told += &format!(", {} {:.1} s", test.name, test.time.as_secs_f64());
        }
        told
    }

    /// What becomes of each of these mutants of a file, several at a time; `done` is told as
    /// they end.
    pub(super) fn verdicts(
        &self,
        mutants: &[usize],
        done: impl Fn(usize, Verdict) + Sync,
    ) -> Result<()> {
        let scores = Mutex::new(vec![Score::default(); self.tests.len()]);
        each(self.jobs, mutants.len(), |index| {
            let mutant = mutants[index];
            let number = mutant.to_string();
            let mut left: Vec<usize> = (0..self.tests.len())
                .filter(|test| self.tests[*test].reaches.contains(&mutant))
                .collect();
            loop {
                let next = {
                    let scores = locked(&scores);
                    let price = |at: &usize| scores[left[*at]].price(self.tests[left[*at]].time);
                    (0..left.len()).min_by_key(price)
                };
                let Some(next) = next else {
                    done(mutant, Verdict::Survives);
                    return Ok(());
                };
                let test = left.remove(next);
                let end = self.end(&self.tests[test], &[("MUTANT", OsStr::new(&number))])?;
                let verdict = verdict(end);
                locked(&scores)[test].count(verdict.is_some());
                if let Some(verdict) = verdict {
                    done(mutant, verdict);
                    return Ok(());
                }
            }
        })
    }

    /// What becomes of the mutant that this was built with: every test may reach it.
    pub(super) fn verdict(&self) -> Result<Verdict> {
        let found = Mutex::new(None);
        each(self.jobs, self.tests.len(), |index| {
            if locked(&found).is_none()
                && let Some(verdict) = verdict(self.end(&self.tests[index], &[])?)
            {
                *locked(&found) = Some(verdict);
            }
            Ok(())
        })?;
        Ok(locked(&found).unwrap_or(Verdict::Survives))
    }

    /// How a test ends; none if it does not.
    fn end(&self, test: &Test, variables: &[(&str, &OsStr)]) -> Result<Option<ExitStatus>> {
        let folder = Folder::new()?;
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -v {MEMORY}; exec \"$@\""), "test"])
            .arg(&test.binary)
            .args(["--exact", &test.name])
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            // The same cases each time: what was reached once is reached again.
            .env("PROPTEST_RNG_SEED", "1")
            .env("TMPDIR", &folder.0)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let limit = Instant::now() + PATIENCE + test.time * TIMES;
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() > limit {
                // With the processes that it started.
                let group = format!("-{}", child.id());
                run::must(Command::new("kill").args(["-s", "KILL", "--", &group]))?;
                child.wait()?;
                return Ok(None);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

fn verdict(end: Option<ExitStatus>) -> Option<Verdict> {
    match end {
        Some(status) if status.success() => None,
        Some(_) => Some(Verdict::Caught),
        None => Some(Verdict::Endless),
    }
}

/// A folder for what one test leaves behind, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let name = format!("medshare-mutants-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // in the folder for what is temporary
    }
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something for each number below `count`, `jobs` at a time; the first error ends it.
fn each(jobs: usize, count: usize, act: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while locked(&failed).is_none() {
                    let index = next.fetch_add(1, Relaxed);
                    if index >= count {
                        break;
                    }
                    if let Err(error) = act(index) {
                        *locked(&failed) = Some(error);
                    }
                }
            });
        }
    });
    let failed = locked(&failed).take();
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn who_notices_is_asked_before_who_is_quick() {
        let (mut quick, mut slow) = (Score::default(), Score::default());
        let price = |score: Score, millis| score.price(Duration::from_millis(millis));
        assert!(price(quick, 10) < price(slow, 50));
        for _ in 0..4 {
            quick.count(false);
            slow.count(true);
        }
        assert!(price(slow, 50) < price(quick, 20));
    }

    #[test]
    fn each_is_done_once_and_an_error_is_told() {
        let sum = AtomicUsize::new(0);
        each(3, 100, |index| {
            sum.fetch_add(index, Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 4_950);
        let failed = each(2, 10, |index| match index {
            4 => bail!("four"),
            _ => Ok(()),
        });
        assert_eq!(failed.unwrap_err().to_string(), "four");
    }

    /// The tests of this very program.
    #[test]
    fn tests_end_or_are_ended() {
        let path = std::env::current_exe().unwrap();
        let mut suite = Suite::of(&[Binary { path }], std::env::temp_dir(), 1).unwrap();
        suite
            .tests
            .retain(|test| test.name.ends_with("an_error_is_told"));
        assert_eq!(suite.verdict().unwrap(), Verdict::Survives);
        // Asked for a test, `false` fails.
        suite.tests[0].binary = "false".into();
        assert_eq!(suite.verdict().unwrap(), Verdict::Caught);
        assert_eq!(verdict(None), Some(Verdict::Endless));
    }
}
