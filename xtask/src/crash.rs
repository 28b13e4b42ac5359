//! `cargo xtask crash`: the long forms of the tests that take away process, power and
//! disk, and a run that shows of every sync call that a test fails without it.

use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{copy, run};

/// Where what is acknowledged is made durable.
const SOURCES: [&str; 4] = [
    "crates/database/src/",
    "crates/ledger/src/",
    "crates/consensus/src/",
    "crates/store/src/",
];

/// What is built for Kubo alone has no test among those that lose power.
const ELSEWHERE: &str = "crates/store/src/kubo/";

/// Where a file's own tests begin.
const TEST_MODULE: &str = "\nmod tests {";

/// The calls that make something durable.
const CALLS: [&str; 6] = [
    "sync_all",
    "sync_data",
    "sync_file",
    "sync_dir",
    "sync_name",
    "rewrite",
];

/// Long forms, or with `--mutants` the run without each sync call.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    if let ["--mutants", rest @ ..] = arguments {
        return mutants(rest.first().copied().unwrap_or_default());
    }
    let (mut kills, mut runs) = (1_000, 10_000);
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for pair in arguments.chunks(2) {
        let number = |text: &str| text.parse().with_context(|| format!("{text:?}?"));
        match pair {
            ["--kills", text] => kills = number(text)?,
            ["--runs", text] => runs = number(text)?,
            ["--seed", text] => seed = number(text)?,
            _ => bail!(run::Usage(
                "crash [--kills N] [--runs N] [--seed N] | --mutants"
            )),
        }
    }
    println!("again with: cargo xtask crash --kills {kills} --runs {runs} --seed {seed}");
    let phases: [(&[&str], &str); 3] = [(&TESTS, ""), (&DISK_TESTS, ""), (&NODE_TESTS, "killed::")];
    for (tests, only) in phases {
        let mut command = run::cargo();
        command.args(tests).args(["--", only, "--include-ignored"]);
        command.args(["--nocapture", "--test-threads=1"]);
        command.env("CRASH_KILLS", kills.to_string());
        command.env("CRASH_RUNS", runs.to_string());
        command.env("CRASH_SEED", seed.to_string());
        command.env("CRASH_STEP", "1");
        run::must(&mut command)?;
    }
    Ok(())
}

/// Post and vault on a disk that fails.
const DISK_TESTS: [&str; 7] = whole("disks");

/// The node's own process, under load through `/v1`.
const NODE_TESTS: [&str; 7] = whole("cli");

/// Built as the test command builds it.
const fn whole(target: &str) -> [&str; 7] {
    let (name, set) = ("--features", "medshare/full");
    [
        "test",
        "--locked",
        "--workspace",
        name,
        set,
        "--test",
        target,
    ]
}

const TESTS: [&str; 6] = [
    "test",
    "--locked",
    "--package",
    "medshare-faults",
    "--test",
    "it",
];

/// Those of a validator's journal: its application without engine and network, on memory that
/// loses power.
const TRIALS: [&str; 7] = [
    "test",
    "--locked",
    "--package",
    "medshare-consensus",
    "--features",
    "bft",
    "--lib",
];

/// Calls that may go: path, function, why.
const EXCUSED: [(&str, &str, &str); 2] = [
    ("crates/database/src/version.rs", "write_version", CLOSED),
    ("crates/ledger/src/storage/write.rs", "first", CLOSED),
];

/// Of what is written before a file has its name.
const CLOSED: &str =
    "redb syncs what it holds when it is closed, which is before the file gets its name";

/// One sync call less.
struct Mutant {
    function: String,
    line: usize,
    text: String,
    source: String,
}

/// Copies the workspace, takes one sync call away at a time, and runs the short forms:
/// each must fail. `only`: paths that contain this.
fn mutants(only: &str) -> Result<()> {
    let paths: Vec<String> = run::tracked(".rs")?
        .into_iter()
        .filter(|path| SOURCES.iter().any(|folder| path.starts_with(folder)))
        .filter(|path| !path.starts_with(ELSEWHERE) && path.contains(only))
        .collect();
    let tree = copy::target().join("mutants");
    copy::workspace(&tree, &BTreeMap::new())?;
    for tests in [&TESTS[..], &TRIALS] {
        let is_asked = paths.iter().any(|path| tests_of(path) == tests);
        if is_asked && !failed(&tree, tests)?.is_empty() {
            bail!("the tests fail with every sync call in place");
        }
    }
    let mut survivors = 0;
    let mut all = 0;
    for path in paths {
        let source = fs::read_to_string(run::root().join(&path))?;
        // Tests may sync as they like.
        let product = source.split(TEST_MODULE).next().unwrap_or_default();
        for mutant in of(product) {
            let rest = &source[product.len()..];
            fs::write(tree.join(&path), mutant.source + rest)?;
            let found = failed(&tree, tests_of(&path))?;
            let excuse = EXCUSED
                .iter()
                .find(|(of, function, _)| *of == path && *function == mutant.function);
            let verdict = match excuse {
                _ if !found.is_empty() => found.join(", "),
                Some((.., why)) => format!("may go: {why}"),
                None => {
                    survivors += 1;
                    "SURVIVES".to_owned()
                }
            };
            println!("{path}:{}: {}: {verdict}", mutant.line, mutant.text);
            all += 1;
        }
        fs::write(tree.join(&path), &source)?;
    }
    println!("{all} sync calls, {survivors} without which no test fails and no excuse");
    if survivors > 0 {
        bail!("{survivors} sync calls could be deleted and nobody would notice");
    }
    Ok(())
}

/// Who is to notice a call that is gone from a file.
fn tests_of(path: &str) -> &'static [&'static str] {
    match path.starts_with("crates/consensus/") {
        true => &TRIALS,
        false => &TESTS,
    }
}

/// The first of these tests that fail in `tree`; an error if it does not build.
fn failed(tree: &Path, tests: &[&str]) -> Result<Vec<String>> {
    let cargo = |arguments: &[&str]| {
        let mut command = run::cargo();
        command
            .current_dir(tree)
            .env("CARGO_TARGET_DIR", copy::target());
        command.args(tests).args(arguments);
        command
    };
    let build = cargo(&["--no-run"]).output()?;
    if !build.status.success() {
        bail!("{}", String::from_utf8_lossy(&build.stderr));
    }
    for round in ROUNDS {
        let tests = cargo(&["--", round]).output()?;
        let text = String::from_utf8_lossy(&tests.stdout);
        let found: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
            .map(str::to_owned)
            .collect();
        if found.is_empty() != tests.status.success() {
            bail!("{text}{}", String::from_utf8_lossy(&tests.stderr));
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// The quickest tests first; a process that is killed needs no sync.
const ROUNDS: [&str; 4] = ["syncs::", "power::", "sick::", "trials::hostile_orders"];

/// Every way to leave out one call in a source.
fn of(source: &str) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let mut mutant = |from: usize, to: usize, instead: &str| {
        let before = source[..from].rsplit(" fn ").next().unwrap_or_default();
        let function = before.split(['(', '<']).next().unwrap_or_default();
        mutants.push(Mutant {
            function: function.to_owned(),
            line: source[..from].lines().count(),
            text: source[from..to].split_whitespace().collect(),
            source: [&source[..from], instead, &source[to..]].concat(),
        });
    };
    for call in CALLS {
        let needle = format!(".{call}(");
        for (at, _) in source.match_indices(&needle) {
            let end = closing(source, at + needle.len() - 1);
            mutant(receiver(source, at), end, "std::io::Result::Ok(())");
        }
    }
    // redb syncs when a transaction commits, unless told not to.
    let begin = "database.begin_write()";
    for (at, _) in source.match_indices(begin) {
        let line = source[..at].rsplit('\n').next().unwrap_or_default();
        if line.trim_start().starts_with("//") {
            continue;
        }
        let at = receiver(source, at);
        let end = at + source[at..].find(';').unwrap_or(begin.len());
        let asked = &source[at..end];
        let lax = format!(
            "{{ let mut lax = {asked}; let _ = lax.set_durability(redb::Durability::None); lax }}"
        );
        mutant(at, end, &lax);
    }
    mutants.sort_by_key(|mutant| mutant.line);
    mutants
}

/// Just after the bracket that closes the one at `open`.
fn closing(source: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in source.bytes().enumerate().skip(open) {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    source.len()
}

/// Where the expression begins whose method is called at the dot.
fn receiver(source: &str, dot: usize) -> usize {
    let bytes = source.as_bytes();
    let (mut at, mut depth) = (dot, 0);
    while at > 0 {
        let before = bytes[at - 1];
        match before {
            b')' => depth += 1,
            b'(' if depth == 0 => break,
            b'(' => depth -= 1,
            _ if depth > 0 => {}
            b'.' | b'?' | b':' | b'_' => {}
            _ if before.is_ascii_alphanumeric() => {}
            // a chain over several lines
            _ if before.is_ascii_whitespace() && source[at..].trim_start().starts_with('.') => {}
            _ => break,
        }
        at -= 1;
    }
    at + source[at..].len() - source[at..].trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_taken_out_whole() {
        let source = "fn f() {\n    self\n        .disk\n        .sync_dir(of(&path))?;\n    \
                      File::open(p)?.sync_all()\n}\n.and_then(|()| disk.sync_file(&tmp))\n";
        let found: Vec<_> = of(source)
            .into_iter()
            .map(|it| (it.line, it.source))
            .collect();
        assert_eq!(found.len(), 3);
        assert!(found[0].1.contains("{\n    std::io::Result::Ok(())?;\n"));
        assert!(found[1].1.contains("    std::io::Result::Ok(())\n}"));
        assert!(found[2].1.contains("(|()| std::io::Result::Ok(()))"));
        let source = "let t = database.begin_write().map_err(fault)?;";
        assert!(of(source)[0].source.starts_with("let t = { let mut lax"));
    }
}
