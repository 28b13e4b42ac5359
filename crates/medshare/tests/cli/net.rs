//! A node in a folder of its own, homes beside it, and what a command printed.

use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub(crate) const PASSPHRASE: &str = "correct horse battery";

/// A running node and a folder for homes.
pub(crate) struct Net {
    pub(crate) dir: TempDir,
    node: Option<Running>,
    address: String,
}

impl Net {
    /// Makes a ledger and runs its node.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments for the node's `init`.
    pub(crate) fn start_with(more: &[&str]) -> Self {
        let mut net = Self::on(tempfile::tempdir().unwrap());
        let init = [
            "init",
            "--role",
            "node",
            "--home",
            "node",
            "--work-factor",
            "2",
        ];
        net.run(&[&init[..], more].concat()).ok();
        net.run_node();
        net
    }

    /// Homes that are in `dir` already.
    pub(crate) fn on(dir: TempDir) -> Self {
        fs::write(dir.path().join("pass"), PASSPHRASE).unwrap();
        // Every command runs in the folder: no home names a place of this machine.
        let address = "unix:node/node/medshare.sock".to_owned();
        let node = None;
        Self { dir, node, address }
    }

    pub(crate) fn run_node(&mut self) {
        self.node = Some(self.spawn(&["node", "run", "--home", "node", "--json"]));
        let line = self.node.as_mut().unwrap().line();
        assert!(line.contains("listening"), "{line}");
    }

    /// How many requests the node takes in a second, from its next start on.
    #[allow(dead_code)]
    pub(crate) fn allow_requests(&self, per_second: u32) {
        let config = self.path("node/config.toml");
        let text = fs::read_to_string(&config).unwrap();
        let usual = "requests-per-second = 20000";
        assert!(text.contains(usual), "{text}");
        let other = format!("requests-per-second = {per_second}");
        fs::write(&config, text.replace(usual, &other)).unwrap();
    }

    /// Ends the node with SIGTERM; it must end cleanly.
    pub(crate) fn stop_node(&mut self) {
        let status = self.node.take().unwrap().terminate();
        assert_eq!(status, Some(0));
    }

    /// The node's process, for who ends it in another way; [`Self::run_node`] runs it again.
    pub(crate) fn take_node(&mut self) -> Running {
        self.node.take().unwrap()
    }

    /// Ends the node as a power cut would.
    pub(crate) fn kill_node(&mut self) {
        let mut node = self.node.take().unwrap();
        node.child.kill().unwrap();
        node.child.wait().unwrap();
    }

    /// The node's process.
    pub(crate) fn node_id(&self) -> u32 {
        self.node.as_ref().unwrap().child.id()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_medshare"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_remove("MEDSHARE_HOME")
            .env_remove("MEDSHARE_CONFIG")
            .env("MEDSHARE_NODE", &self.address)
            .env("MEDSHARE_PASSPHRASE_FILE", self.path("pass"))
            .stdin(Stdio::null());
        if arguments.first() == Some(&"node") {
            command.env_remove("MEDSHARE_NODE");
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(arguments, self.command(arguments).output().unwrap())
    }

    /// Runs with `--json` and gives the one object that was printed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let ran = self.run(&all).ok();
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 1, "{arguments:?}: {}", ran.stdout);
        serde_json::from_str(lines[0]).unwrap()
    }

    /// Runs with `--json` and gives every object that was printed.
    pub(crate) fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let mut all = arguments.to_vec();
        all.push("--json");
        let ran = self.run(&all).ok();
        ran.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran::new(arguments, child.wait_with_output().unwrap())
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        Running::new(command.stdout(Stdio::piped()).stderr(Stdio::null()))
    }

    /// Makes a home and registers its account; gives the account. The backup phrase is in
    /// `HOME.phrase`.
    pub(crate) fn party(&self, home: &str, role: &str) -> String {
        let made = self.json(&["init", "--role", role, "--home", home, "--work-factor", "2"]);
        self.write(&format!("{home}.phrase"), made["phrase"].as_str().unwrap());
        self.run(&["account", "register", "--home", home]).ok();
        made["account"].as_str().unwrap().to_owned()
    }

    /// Names of what stands in a folder, hidden files too.
    pub(crate) fn listing(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Two hospitals, a patient of the first, an agent of the second, an institute.
pub(crate) struct Cast {
    pub(crate) net: Net,
    pub(crate) hospital: String,
    pub(crate) second: String,
    pub(crate) patient: String,
    pub(crate) agent: String,
    pub(crate) institute: String,
}

impl Cast {
    pub(crate) fn gather() -> Self {
        Self::gather_on(Net::start())
    }

    pub(crate) fn gather_on(net: Net) -> Self {
        let hospital = net.party("hospital", "hospital");
        let second = net.party("second", "hospital");
        let patient = net.party("anna", "patient");
        let agent = net.party("agent", "agent");
        let institute = net.party("institute", "requester");
        for institution in [&hospital, &second, &institute] {
            let admitted = net.json(&["institution", "admit", institution, "--home", "node"]);
            assert_eq!(admitted["admitted"], true);
        }
        let consent = net.json(&["account", "consent", &agent, "--home", "second"]);
        let consent = consent["consent"].as_str().unwrap().to_owned();
        net.run(&[
            "account",
            "join",
            &second,
            "--consent",
            &consent,
            "--home",
            "agent",
        ])
        .ok();
        let cast = Self {
            net,
            hospital,
            second,
            patient,
            agent,
            institute,
        };
        cast.attest();
        cast.net.run(&["agent", "once", "--home", "agent"]).ok();
        cast
    }

    fn attest(&self) {
        let card = self
            .net
            .json(&["wallet", "card", "--for", &self.hospital, "--home", "anna"]);
        self.net.write("card.txt", card["card"].as_str().unwrap());
        for home in ["hospital", "second"] {
            self.net
                .run(&["account", "attest", "--card", "card.txt", "--home", home])
                .ok();
        }
    }

    /// Publishes `file` and lets the wallet accept it; gives the record.
    pub(crate) fn record(&self, file: &Path) -> String {
        let record = self.publish(file);
        self.net
            .run(&["wallet", "run", "--once", "--home", "anna"])
            .ok();
        record
    }

    pub(crate) fn publish(&self, file: &Path) -> String {
        let file = file.to_str().unwrap();
        let published = self.net.json(&[
            "record",
            "publish",
            file,
            "--patient",
            &self.patient,
            "--home",
            "hospital",
        ]);
        published["record"].as_str().unwrap().to_owned()
    }

    pub(crate) fn ask(&self, classes: &[&str]) -> String {
        let mut arguments = vec![
            "request",
            "create",
            "--patient",
            &self.patient,
            "--purpose",
            "research",
            "--home",
            "institute",
        ];
        for class in classes {
            arguments.extend(["--class", class]);
        }
        let asked = self.net.json(&arguments);
        asked["request"].as_str().unwrap().to_owned()
    }

    /// Asks and approves with `more` arguments; gives the grant.
    pub(crate) fn grant(&self, classes: &[&str], more: &[&str]) -> String {
        let request = self.ask(classes);
        let mut arguments = vec![
            "grant",
            "approve",
            &request,
            "--agent",
            &self.agent,
            "--home",
            "anna",
        ];
        arguments.extend(more);
        let granted = self.net.json(&arguments);
        granted["grant"].as_str().unwrap().to_owned()
    }

    /// The institute opens `record` into `output` while the agent runs beside it.
    pub(crate) fn open(&self, record: &str, output: &str) -> Ran {
        let agent = self
            .net
            .spawn(&["agent", "run", "--home", "agent", "--json"]);
        let ran = self.net.run(&[
            "record",
            "open",
            record,
            "--output",
            output,
            "--home",
            "institute",
            "--json",
        ]);
        assert_eq!(agent.terminate(), Some(0));
        ran
    }
}

/// A process that runs on. Killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts a command whose output is piped.
    pub(crate) fn new(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdout }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    /// Reads away whatever else it says: a pipe that nobody reads stops who writes.
    pub(crate) fn say_on(&mut self) {
        let mut stdout = self.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    }

    /// SIGTERM, then its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the process did not end on SIGTERM");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command printed and ended with.
#[derive(Debug)]
pub(crate) struct Ran {
    /// What was run, shown when an assertion fails.
    #[allow(dead_code)]
    arguments: Vec<String>,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(arguments: &[&str], output: Output) -> Self {
        let ran = Self {
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(
            !ran.stderr.contains(PASSPHRASE) && !ran.stdout.contains(PASSPHRASE),
            "{ran:?}"
        );
        assert!(
            !ran.stderr.contains("panicked") && !ran.stderr.contains("a fault of this program"),
            "{ran:?}"
        );
        ran
    }

    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The documented exit code, nothing on stdout, one line on stderr that holds `words`.
    pub(crate) fn fails(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let last = lines.last().copied().unwrap_or_default();
        let faults = lines
            .iter()
            .filter(|line| line.starts_with("medshare: ") || line.starts_with("{\"error\""))
            .count();
        assert_eq!(faults, 1, "{self:?}");
        assert!(
            last.contains(words),
            "{words:?} is not in {last:?}; {self:?}"
        );
        self
    }
}
