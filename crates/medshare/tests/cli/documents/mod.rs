//! The documents, as tests: the code blocks of the README and of everything under `docs` are
//! run in order, and print what is shown; settings are taken; what is not run says why, and
//! names commands that there are. `cargo xtask docs` makes a site of the same files.

mod blocks;
mod shell;
mod shown;
mod typed;

use blocks::{Block, Kind};
use shell::Shell;
use shown::Ids;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// The README, the architecture, the changes, and the pages of `docs`.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let entries = fs::read_dir(root.join("docs")).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|kind| kind == "md"));
    found.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root.join(name)));
    found.sort();
    found
}

#[derive(Default, Debug, PartialEq, Eq)]
struct Count {
    run: usize,
    compared: usize,
    settings: usize,
    ignored: usize,
}

#[test]
fn the_code_blocks_of_the_documents_are_run_and_hold() {
    let mut all = Count::default();
    for path in documents() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let count = play(name, &blocks::of(&text));
        all.run += count.run;
        all.compared += count.compared;
        all.settings += count.settings;
        all.ignored += count.ignored;
        for span in typed::spans(&text) {
            let wrong = typed::wrong(span);
            assert!(wrong.is_empty(), "{name}: `{span}`: {wrong:?}");
        }
    }
    println!("documents: {all:?}");
    // The guide alone has as many: nothing was passed over.
    assert!(all.run >= 16 && all.compared >= 13, "{all:?}");
}

/// Runs the blocks of one document; panics at what does not hold.
fn play(name: &str, blocks: &[Block]) -> Count {
    let mut count = Count::default();
    let (mut shell, mut ids) = (None, Ids::default());
    let mut was_run = false;
    for block in blocks {
        let at = format!("{name}, block at line {}", block.line);
        let wrong = match block.kind {
            Kind::Run | Kind::Ignored(_) => typed::wrong(&block.text),
            _ => Vec::new(),
        };
        assert!(wrong.is_empty(), "{at}: {wrong:?}");
        match &block.kind {
            Kind::Run => {
                let shell = shell.get_or_insert_with(Shell::start);
                shell.next();
                let commands = ids.fill(&block.text);
                let commands = commands.unwrap_or_else(|id| panic!("{at}: nothing printed {id}"));
                let ran = shell.run(&commands);
                ran.unwrap_or_else(|printed| panic!("{at} failed:\n{commands}\n---\n{printed}"));
                count.run += 1;
            }
            Kind::Shown if was_run => {
                let shell = shell.as_ref().unwrap();
                compared(shell, &mut ids, &block.text, &at);
                count.compared += 1;
            }
            Kind::Settings => {
                settings(&block.text, &at);
                count.settings += 1;
            }
            Kind::Ignored(reason) => {
                println!("{at}: not run: {reason}");
                count.ignored += 1;
            }
            Kind::Shown | Kind::Drawing => {}
        }
        was_run = block.kind == Kind::Run;
    }
    count
}

/// What runs beside the commands may print a moment later.
fn compared(shell: &Shell, ids: &mut Ids, shown: &str, at: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let printed = shell.printed();
        let mut tried = ids.clone();
        match tried.compare(shown, &printed) {
            Ok(()) => {
                *ids = tried;
                return;
            }
            Err(line) if Instant::now() > until => {
                panic!(
                    "{at}: no such line was printed, or not in this order: {line}\n---\n{printed}"
                )
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A home takes these settings.
fn settings(text: &str, at: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_medshare"));
    let checked = command.args(["config", "check", "--config"]).arg(&file);
    let done = checked.env_remove("MEDSHARE_NODE").output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{at}: {said}");
}
