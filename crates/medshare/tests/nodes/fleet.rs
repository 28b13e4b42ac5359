//! Nodes in folders of one directory, each a process, and what commands print.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A directory of homes, and the nodes that run.
pub(crate) struct Fleet {
    pub(crate) dir: TempDir,
    running: BTreeMap<String, Running>,
}

impl Fleet {
    /// One node, `first`, that orders; it listens for others.
    pub(crate) fn start() -> Self {
        let mut fleet = Self::empty();
        fleet.json("", &init("first", &["--peer-listen", LOOPBACK]));
        fleet.run_node("first");
        fleet
    }

    /// No node.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("pass"), "correct horse battery").unwrap();
        Self {
            dir,
            running: BTreeMap::new(),
        }
    }

    /// A node that follows `first`, runs, and has an account.
    pub(crate) fn join(&mut self, name: &str) {
        self.prepare(name);
        self.begin(name);
    }

    /// Makes the home of a node that will follow `first`, which lets it in.
    pub(crate) fn prepare(&self, name: &str) {
        self.json("first", &["ledger", "genesis", "--output", "genesis.cbor"]);
        let upstream = self.peer_address("first");
        let more = [
            "--peer-listen",
            LOOPBACK,
            "--join",
            &upstream,
            "--genesis",
            "genesis.cbor",
        ];
        let made = self.json("", &init(name, &more));
        let _ = fs::remove_file(self.path("genesis.cbor"));
        self.allow("first", made["peer"].as_str().unwrap());
    }

    /// Runs it and registers its account.
    pub(crate) fn begin(&mut self, name: &str) {
        self.run_node(name);
        until("the link", || self.is_linked(name));
        self.json(name, &["account", "register", "--home", name]);
    }

    /// Changes a number in a node's settings.
    pub(crate) fn set(&self, node: &str, key: &str, value: &str) {
        let path = self.path(node).join("config.toml");
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.lines().map(|line| match line.split_once(" = ") {
            Some((found, _)) if found == key => format!("{key} = {value}\n"),
            _ => format!("{line}\n"),
        });
        let changed: String = changed.collect();
        assert_ne!(changed, text, "no {key} in {}", path.display());
        fs::write(path, changed).unwrap();
    }

    /// Lets a peer in, while the node runs.
    pub(crate) fn allow(&self, node: &str, peer: &str) {
        let path = self.path(node).join("config.toml");
        let text = fs::read_to_string(&path).unwrap();
        let (before, after) = text.split_once("allow = [").unwrap();
        let comma = if after.starts_with(']') { "" } else { ", " };
        fs::write(&path, format!("{before}allow = [\"{peer}\"{comma}{after}")).unwrap();
    }

    pub(crate) fn run_node(&mut self, name: &str) {
        self.run_node_in(name, &[]);
    }

    /// Runs a node with these variables in its environment.
    pub(crate) fn run_node_in(&mut self, name: &str, environment: &[(&str, &Path)]) {
        let mut command = self.command("", &["node", "run", "--home", name, "--json"]);
        command.envs(environment.iter().copied());
        let mut running = Running::spawn(command);
        let line = running.line();
        assert!(line.contains("listening"), "{line}: {}", running.talk());
        running.told = serde_json::from_str(&line).unwrap();
        self.running.insert(name.to_owned(), running);
    }

    /// The multiaddress, without the id, at which `first` listens now.
    pub(crate) fn peer_address_again(&self) -> String {
        let address = self.peer_address("first");
        address.rsplit_once("/p2p/").unwrap().0.to_owned()
    }

    /// Runs a node that listens for others where others know it.
    pub(crate) fn run_node_at(&mut self, name: &str, address: &str) {
        let path = self.path(name).join("config.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(LOOPBACK, address)).unwrap();
        self.run_node(name);
    }

    /// What the node printed when it began.
    pub(crate) fn told(&self, name: &str) -> &Value {
        &self.running[name].told
    }

    /// What the node has said on standard error.
    pub(crate) fn talk(&self, name: &str) -> String {
        self.running[name].talk()
    }

    pub(crate) fn peer_address(&self, name: &str) -> String {
        let address = &self.told(name)["peer_addresses"][0];
        address.as_str().unwrap().to_owned()
    }

    /// SIGTERM, and its exit code.
    pub(crate) fn stop(&mut self, name: &str) -> Option<i32> {
        self.running.remove(name).unwrap().terminate()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self, name: &str) {
        let mut running = self.running.remove(name).unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// Waits for a node that ends by itself, and gives its exit code.
    pub(crate) fn ended(&mut self, name: &str) -> Option<i32> {
        let mut running = self.running.remove(name).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if let Some(status) = running.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{name} did not end");
    }

    /// The number of a node's process.
    pub(crate) fn process(&self, name: &str) -> u32 {
        self.running[name].child.id()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command of a party at `node`; the node's own home needs none.
    pub(crate) fn command(&self, node: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_medshare"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_remove("MEDSHARE_HOME")
            .env_remove("MEDSHARE_CONFIG")
            .env_remove("MEDSHARE_NODE")
            .env("MEDSHARE_PASSPHRASE_FILE", self.path("pass"))
            .stdin(Stdio::null());
        if !node.is_empty() {
            let socket = self.path(node).join("node/medshare.sock");
            command.env("MEDSHARE_NODE", format!("unix:{}", socket.display()));
        }
        command
    }

    pub(crate) fn run(&self, node: &str, arguments: &[&str]) -> Ran {
        Ran::new(arguments, &self.command(node, arguments).output().unwrap())
    }

    /// Runs with `--json` and gives the last object that was printed.
    pub(crate) fn json(&self, node: &str, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let ran = self.run(node, &all).ok();
        let last = ran.stdout.lines().last().unwrap_or("null");
        serde_json::from_str(last).unwrap()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        Running::spawn(self.command("", arguments))
    }

    /// Makes a home at `node` and registers its account; gives the account.
    pub(crate) fn party(&self, node: &str, home: &str, role: &str) -> String {
        let made = self.json(
            node,
            &["init", "--role", role, "--home", home, "--work-factor", "2"],
        );
        self.run(node, &["account", "register", "--home", home])
            .ok();
        made["account"].as_str().unwrap().to_owned()
    }

    /// Lets the account of `home` join the institution of `institution`, both at `node`.
    pub(crate) fn joins(&self, node: &str, home: &str, institution: &str) {
        let id = self.account_of(home);
        let consent = self.json(node, &["account", "consent", &id, "--home", institution]);
        let consent = consent["consent"].as_str().unwrap().to_owned();
        let to = self.account_of(institution);
        self.run(
            node,
            &[
                "account",
                "join",
                &to,
                "--consent",
                &consent,
                "--home",
                home,
            ],
        )
        .ok();
    }

    /// Publishes a file as a record of `patient`; the record's id.
    pub(crate) fn publish(&self, node: &str, file: &str, patient: &str, home: &str) -> String {
        let publish = [
            "record",
            "publish",
            file,
            "--patient",
            patient,
            "--home",
            home,
        ];
        let published = self.json(node, &publish);
        published["record"].as_str().unwrap().to_owned()
    }

    /// The account that stands in a home.
    pub(crate) fn account_of(&self, home: &str) -> String {
        let text = fs::read_to_string(self.path(home).join("home.toml")).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("account"))
            .unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    }

    /// The height of a node's ledger.
    pub(crate) fn height(&self, node: &str) -> u64 {
        self.status(node)["height"].as_u64().unwrap()
    }

    /// Whether a node is connected to another, and up to date.
    pub(crate) fn is_linked(&self, node: &str) -> bool {
        let status = self.status(node);
        let peers = status["peers"].as_array().unwrap();
        status["follows"]["current_ms"].is_number()
            && peers.iter().any(|peer| peer["connected"] == true)
    }

    /// What `node status` prints.
    pub(crate) fn status(&self, node: &str) -> Value {
        self.json("", &["node", "status", "--home", node])
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.dir.path().join(name)).unwrap()
    }
}

/// Waits until `reached`, within a minute.
pub(crate) fn until(what: &str, reached: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !reached() {
        assert!(Instant::now() < limit, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn init<'a>(home: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "init",
        "--role",
        "node",
        "--home",
        home,
        "--work-factor",
        "2",
    ];
    arguments.extend(more);
    arguments
}

const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

/// A process that runs on. Killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    talk: Arc<Mutex<String>>,
    told: Value,
}

impl Running {
    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let talk = Arc::<Mutex<String>>::default();
        let (heard, mut stderr) = (Arc::clone(&talk), child.stderr.take().unwrap());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut bytes) {
                heard
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        });
        Self {
            child,
            stdout,
            talk,
            told: Value::Null,
        }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn talk(&self) -> String {
        self.talk.lock().unwrap().clone()
    }

    /// SIGTERM, then its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
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
    /// Shown when an assertion fails.
    #[allow(dead_code)]
    arguments: Vec<String>,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn new(arguments: &[&str], output: &Output) -> Self {
        Self {
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The documented exit code, and one line on stderr that holds `words`.
    pub(crate) fn fails(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(words), "{words:?}: {self:?}");
        self
    }
}
