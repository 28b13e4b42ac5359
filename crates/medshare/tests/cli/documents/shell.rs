//! One shell for one document: its blocks are run in order, in a fresh folder, with the program
//! of this build.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The shell. What it started ends with it.
pub(super) struct Shell {
    folder: TempDir,
    bash: Child,
    stdin: Option<ChildStdin>,
    blocks: u32,
    /// Bytes of the output that belong to blocks before.
    seen: usize,
}

impl Shell {
    /// In a folder that holds the samples of this repository.
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (work, tools) = (folder.path().join("work"), folder.path().join("tools"));
        for made in [&work, &tools] {
            fs::create_dir(made).unwrap();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::os::unix::fs::symlink(root.join("samples"), work.join("samples")).unwrap();
        let program = tools.join("medshare");
        fs::write(&program, PROGRAM).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let path = std::env::var("PATH").unwrap();
        let output = File::create(folder.path().join(OUTPUT)).unwrap();
        let mut command = Command::new("bash");
        for name in ["HOME", "CONFIG", "NODE", "PASSPHRASE_FILE"] {
            command.env_remove(format!("MEDSHARE_{name}"));
        }
        let mut bash = command
            .args(["--norc", "--noprofile"])
            .current_dir(&work)
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("HOME", &work)
            .env("REAL", env!("CARGO_BIN_EXE_medshare"))
            .env("OUTPUT", folder.path().join(OUTPUT))
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap();
        let mut stdin = bash.stdin.take().unwrap();
        stdin.write_all(BEGIN.as_bytes()).unwrap();
        Self {
            folder,
            bash,
            stdin: Some(stdin),
            blocks: 0,
            seen: 0,
        }
    }

    /// Runs a block; what was printed since the block before. A command that fails is the last.
    ///
    /// # Errors
    /// What was printed, if a command failed or the block does not end.
    pub(super) fn run(&mut self, block: &str) -> Result<String, String> {
        self.blocks += 1;
        let end = format!("@ end of block {}", self.blocks);
        let mut text = String::new();
        for line in block.lines() {
            text.push_str(line);
            text.push('\n');
            let command = line.split(" #").next().unwrap_or(line).trim_end();
            if command.ends_with(" &") {
                text.push_str("settle\n");
            }
        }
        let stdin = self.stdin.as_mut().unwrap();
        let sent = stdin.write_all(format!("{text}echo '{end}'\n").as_bytes());
        let until = Instant::now() + LONGEST;
        loop {
            let printed = self.printed();
            if let Some((block, _)) = printed.split_once(&end) {
                return Ok(block.to_owned());
            }
            let ended = sent.is_err() || self.bash.try_wait().unwrap().is_some();
            if ended || Instant::now() > until {
                return Err(self.printed());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What was printed since the block before, by whatever runs beside too.
    pub(super) fn printed(&self) -> String {
        let all = fs::read(self.output()).unwrap();
        String::from_utf8_lossy(&all[self.seen..]).into_owned()
    }

    /// The next block's output begins here.
    pub(super) fn next(&mut self) {
        self.seen = fs::read(self.output()).unwrap().len();
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join(OUTPUT)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let until = Instant::now() + Duration::from_secs(5);
        while self.bash.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        // What the shell did not end by itself, or stands in its way.
        let group = format!("-{}", self.bash.id());
        let mut kill = Command::new("kill");
        let _ = kill
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        let _ = self.bash.wait();
    }
}

const OUTPUT: &str = "output";
/// Longest time of one block.
const LONGEST: Duration = Duration::from_secs(90);

/// The shell ends at the first command that fails, and ends what runs beside it. A person who
/// started something sees it answer before she types on: so does this.
const BEGIN: &str = r#"
set -eu -o pipefail
trap 'running=$(jobs -p); [ -z "$running" ] || kill $running; wait' EXIT
settle() {
    local before=$(stat -c %s "$OUTPUT")
    for _ in $(seq 20); do
        sleep 0.1
        [ "$(stat -c %s "$OUTPUT")" = "$before" ] || return 0
    done
}
"#;

/// The program, with what no document would say to a person: homes whose passphrase is quick to
/// try, and guardians' delays of a second in place of days.
const PROGRAM: &str = r#"#!/usr/bin/env bash
more=()
case " $* " in
    " init "*) more=(--work-factor 2) ;;
    " wallet restore "* | " wallet recover start "*) more=(--work-factor 2) ;;
esac
case " $* " in
    " init"*" --join "*) ;;
    " init"*" --role node "*) more+=(--recovery-delay 1s) ;;
    " wallet guard "*) set -- "${@/#7d/1s}" ;;
esac
exec "$REAL" "$@" "${more[@]}"
"#;
