//! A real Kubo for one test: its own repository in a temporary folder, loopback, ports that the machine chooses, the
//! settings of `docs/ipfs.md`, ended with the test whatever happens.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The program, which `cargo xtask interop ipfs` installs and names.
pub fn program() -> PathBuf {
    std::env::var_os("MEDSHARE_KUBO")
        .expect("these tests are run by `cargo xtask interop ipfs`, which installs Kubo")
        .into()
}

pub const SWARM_KEY: &str = "/key/swarm/psk/1.0.0/\n/base16/\n\
     3f5f2a1d9c0b7e64d1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f701\n";

/// The commands of `docs/ipfs.md`: setting and value.
pub fn documented() -> Vec<(String, Value)> {
    let page = include_str!("../../../../docs/ipfs.md");
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("ipfs config --json "));
    let settings: Vec<(String, Value)> = lines
        .map(|line| {
            let (name, value) = line.split_once(' ').unwrap();
            let value = value
                .strip_prefix('\'')
                .unwrap()
                .strip_suffix('\'')
                .unwrap();
            (name.to_owned(), serde_json::from_str(value).unwrap())
        })
        .collect();
    assert!(settings.len() > 15, "the page lists the settings");
    settings
}

/// A repository that is not running.
pub struct Repository {
    folder: TempDir,
}

impl Repository {
    /// With the settings of the page, but loopback and free ports.
    pub fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    /// The same, in a folder of this one.
    pub fn new_in(parent: &Path) -> Self {
        let repository = Self::initial_in(parent);
        fs::write(repository.path().join("swarm.key"), SWARM_KEY).unwrap();
        for (name, value) in documented() {
            repository.set(&name, value);
        }
        repository.set("Addresses.Swarm", json!(["/ip4/127.0.0.1/tcp/0"]));
        repository.set("Addresses.API", json!("/ip4/127.0.0.1/tcp/0"));
        repository
    }

    /// As `ipfs init` makes it.
    pub fn initial() -> Self {
        Self::initial_in(&std::env::temp_dir())
    }

    fn initial_in(parent: &Path) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap();
        let repository = Self { folder };
        repository.ipfs(&["init"]);
        repository
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Sets one setting in the file, as `ipfs config` would.
    pub fn set(&self, name: &str, value: Value) {
        let file = self.path().join("config");
        let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let mut at = &mut config;
        for part in name.split('.') {
            if at.is_null() {
                *at = json!({});
            }
            at = &mut at[part];
        }
        *at = value;
        fs::write(&file, config.to_string()).unwrap();
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(program());
        self.environment(&mut command);
        command
    }

    fn environment(&self, command: &mut Command) {
        command
            .env("IPFS_PATH", self.path())
            .env("IPFS_TELEMETRY", "off")
            .env("LIBP2P_FORCE_PNET", "1");
    }

    /// What a command prints; it must succeed.
    pub fn ipfs(&self, words: &[&str]) -> String {
        self.ipfs_with(words, b"")
    }

    /// The same with an input.
    pub fn ipfs_with(&self, words: &[&str], input: &[u8]) -> String {
        String::from_utf8(self.ipfs_bytes(words, input))
            .unwrap()
            .trim()
            .to_owned()
    }

    pub fn ipfs_bytes(&self, words: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = self
            .command()
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let done = std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().unwrap()
        });
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "ipfs {words:?}: {error}");
        done.stdout
    }

    pub fn start(self) -> Daemon {
        self.start_in("exec \"$@\"")
    }

    /// On a file system of its own of so many bytes; needs the right to mount one.
    pub fn start_on_small_disk(self, size: &str) -> Daemon {
        let script = format!(
            "set -e; small=$(mktemp -d); mount -t tmpfs -o size={size} tmpfs $small; cp -a \"$IPFS_PATH\"/. $small/; \
             mount --bind $small \"$IPFS_PATH\"; exec \"$@\""
        );
        self.start_in(&script)
    }

    /// Without any network, and without the private swarm that the others are held to.
    pub fn start_offline(self) -> Daemon {
        self.start_in("unset LIBP2P_FORCE_PNET; exec \"$@\" --offline")
    }

    fn start_in(self, script: &str) -> Daemon {
        let mut daemon = Daemon {
            repository: self,
            leash: None,
            pid: 0,
            api: ([127, 0, 0, 1], 0).into(),
        };
        daemon.begin(script);
        daemon
    }
}

/// A running Kubo.
pub struct Daemon {
    repository: Repository,
    /// A shell that kills the daemon when its input ends: when we say so, or are no more.
    leash: Option<Child>,
    pid: u32,
    api: SocketAddr,
}

const LEASH: &str = r#"
    inner=$1; shift
    sh -c "$inner" inner "$@" >"$LOG" 2>&1 </dev/null & child=$!
    echo $child
    cat >/dev/null
    kill -KILL $child 2>/dev/null
    wait $child 2>/dev/null
"#;

impl Daemon {
    fn begin(&mut self, script: &str) {
        let _ = fs::remove_file(self.log_file());
        let small = script.contains("mount");
        let mut command = Command::new(if small { "unshare" } else { "sh" });
        command.args(if small {
            &["-rm", "sh", "-c"][..]
        } else {
            &["-c"]
        });
        self.repository.environment(&mut command);
        let mut leash = command
            .args([LEASH, "leash", script])
            .arg(program())
            .args(["daemon", "--migrate=false"])
            .env("LOG", self.log_file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(leash.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        self.pid = line.trim().parse().unwrap();
        self.leash = Some(leash);
        let until = Instant::now() + Duration::from_secs(120);
        while !self.log().contains("Daemon is ready") {
            assert!(Instant::now() < until, "Kubo must come up: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        let marker = "RPC API server listening on /ip4/127.0.0.1/tcp/";
        let log = self.log();
        let port = log.split(marker).nth(1).unwrap().lines().next().unwrap();
        self.api.set_port(port.trim().parse().unwrap());
    }

    /// All it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.repository.path().join("daemon.log")
    }

    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub const fn api(&self) -> SocketAddr {
        self.api
    }

    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// A command to the running daemon.
    pub fn ipfs(&self, words: &[&str]) -> String {
        let api = format!("--api=/ip4/127.0.0.1/tcp/{}", self.api.port());
        self.repository.ipfs(&[&[&*api], words].concat())
    }

    pub fn ipfs_bytes(&self, words: &[&str], input: &[u8]) -> Vec<u8> {
        let api = format!("--api=/ip4/127.0.0.1/tcp/{}", self.api.port());
        self.repository
            .ipfs_bytes(&[&[&*api], words].concat(), input)
    }

    /// Its address for other peers.
    pub fn multiaddr(&self) -> String {
        let id = self.ipfs(&["id", "--format", "<id>"]);
        let listening = self.ipfs(&["swarm", "addrs", "listen"]);
        format!("{}/p2p/{id}", listening.lines().next().unwrap())
    }

    /// As in a power cut: no word of farewell.
    pub fn kill(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            drop(leash.stdin.take());
            leash.wait().unwrap();
        }
    }

    /// Comes up again on the same repository and port.
    pub fn restart(&mut self) {
        self.kill();
        let api = format!("/ip4/127.0.0.1/tcp/{}", self.api.port());
        self.repository.set("Addresses.API", json!(api));
        self.begin("exec \"$@\"");
    }

    /// Stops it without ending it: it answers nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
        let status = format!("/proc/{}/status", self.pid);
        while !fs::read_to_string(&status).unwrap().contains("State:\tT") {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.pid.to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            drop(leash.stdin.take());
            let _ = leash.wait();
        }
    }
}

/// Whether this machine lets a person mount a small file system of her own.
pub fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args([
            "-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt",
        ])
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}
