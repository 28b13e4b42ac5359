//! A node with a crowd before its door: ten thousand connections that ask nothing, clients
//! that stall in every way, no file handles left, little memory. Others are served.

use super::net::{Net, Running};
use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Longest time in which somebody new is served, whoever else is there: a loaded test
/// machine included.
const SERVED: Duration = Duration::from_secs(5);

/// One crowd at a time: this process has the clients' handles of all.
fn alone() -> MutexGuard<'static, ()> {
    static CROWD: Mutex<()> = Mutex::new(());
    CROWD.lock().unwrap_or_else(PoisonError::into_inner)
}

trait Wire: io::Read + io::Write {}
impl<T: io::Read + io::Write> Wire for T {}

/// Where the node listens.
#[derive(Clone)]
enum Door {
    Unix(std::path::PathBuf),
    Tcp(String),
}

impl Door {
    fn knock(&self) -> io::Result<Box<dyn Wire>> {
        Ok(match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(SERVED))?;
                Box::new(stream)
            }
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(SERVED))?;
                Box::new(stream)
            }
        })
    }

    fn head(&self, path: &str, more: &str) -> String {
        let host = match self {
            Self::Unix(_) => "localhost",
            Self::Tcp(address) => address,
        };
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}")
    }

    /// One request on a connection of its own; the answer's first line.
    fn ask(&self, path: &str) -> io::Result<String> {
        let mut stream = self.knock()?;
        stream.write_all(self.head(path, "Connection: close\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    fn is_served(&self) {
        let started = Instant::now();
        let answer = self.ask("/v1/status").unwrap();
        assert_eq!(answer, "HTTP/1.1 200 OK");
        let took = started.elapsed();
        assert!(took < SERVED, "{took:?}");
    }
}

/// A line of `/proc/<id>/status`, in its unit.
fn status(id: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of a process, in hundredths of a second.
fn ticks(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split(' ').collect();
    fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap()
}

/// Raises this process's limit of handles, which holds for all tests in it, and gives it.
fn handles() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    maximum.unwrap_or(20_000)
}

fn limit(id: u32, what: &str) {
    let ended = Command::new("prlimit")
        .args(["--pid", &id.to_string(), what])
        .status();
    assert!(ended.unwrap().success());
}

/// A node on loopback TCP besides the one of `net`.
fn on_tcp(net: &Net) -> (Running, Door) {
    let init = ["init", "--role", "node", "--home", "tcp", "--work-factor"];
    net.run(&[&init[..], &["2"]].concat()).ok();
    let run = ["node", "run", "--home", "tcp", "--json", "--listen"];
    let mut node = net.spawn(&[&run[..], &["127.0.0.1:0"]].concat());
    let line: serde_json::Value = serde_json::from_str(&node.line()).unwrap();
    let address = line["listening"].as_str().unwrap();
    let address = address.strip_prefix("http://").unwrap().to_owned();
    (node, Door::Tcp(address))
}

#[test]
fn ten_thousand_idle_connections_keep_nobody_out() {
    let _alone = alone();
    let count = 10_000.min(handles().saturating_sub(4_000));
    let net = Net::start();
    let (tcp_node, tcp) = on_tcp(&net);
    let unix = Door::Unix(net.path("node/node/medshare.sock"));
    for (door, id) in [(unix, net.node_id()), (tcp, tcp_node.child.id())] {
        let mut idle = Vec::new();
        for at in 0..count {
            let mut stream = door.knock().unwrap();
            // Some have begun a request, some were answered already; all then stand still.
            let said = match at % 10 {
                0 => door.head("/v1/status", "Accept: "),
                1 => door.head("/v1/head", "\r\n"),
                _ => String::new(),
            };
            let _ = stream.write_all(said.as_bytes());
            idle.push(stream);
            if at % 1_000 == 999 {
                door.is_served();
            }
        }
        door.is_served();
        let memory = status(id, "VmHWM") >> 10;
        assert!(memory < 256, "{memory} MiB");
        // Those that came last are still there: who waits longest goes first.
        let mut answered = idle.pop().unwrap();
        let request = door.head("/v1/status", "\r\n");
        answered.write_all(request.as_bytes()).unwrap();
        let mut first = [0; 15];
        answered.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
    }
}

#[test]
fn who_stands_still_keeps_nobody_out() {
    handles();
    let net = Net::start();
    // Answers that are longer than what a connection takes by itself.
    let patients: Vec<_> = (0..8).map(|at| format!("patient{at}")).collect();
    for patient in &patients {
        net.party(patient, "patient");
    }
    let leaves = net.rows(&["ledger", "tail", "--from", "0"]).len();
    assert!(leaves >= 8);
    let door = Door::Unix(net.path("node/node/medshare.sock"));
    let mut held = Vec::new();
    let mut stand = |text: &str, count: usize| {
        for _ in 0..count {
            let mut stream = door.knock().unwrap();
            let _ = stream.write_all(text.as_bytes());
            held.push(stream);
        }
        door.is_served();
    };
    let head = |line: &str, more: &str| format!("{line} HTTP/1.1\r\nHost: x\r\n{more}");
    // In the first line, in the header, before the body, in the body, in a chunk.
    stand("GET /v1/st", 300);
    stand(&head("GET /v1/status", "Accept: "), 300);
    let post = |more: &str| head("POST /v1/operations", more);
    stand(&post("Content-Length: 400000\r\n\r\n"), 300);
    stand(
        &post(&format!(
            "Content-Length: 900000\r\n\r\n{}",
            "x".repeat(50_000)
        )),
        300,
    );
    stand(&post("Transfer-Encoding: chunked\r\n\r\nfffff\r\nabc"), 300);
    stand(&head("PUT /v1/files", "Content-Length: 99999\r\n\r\n"), 300);
    // Never read what comes: asked for again and again, until nothing more can be sent.
    stand(
        &head("GET /v1/leaves?from=0&limit=500", "\r\n").repeat(200),
        300,
    );
    // A small request is still worked on while all of these stand there.
    let before = net.json(&["ledger", "replay"]);
    assert_eq!(before["equal"], true);
    net.party("late", "patient");
    let memory = status(net.node_id(), "VmHWM") >> 10;
    assert!(memory < 512, "{memory} MiB");
}

#[test]
fn a_node_without_file_handles_serves_again_once_it_has_some() {
    let net = Net::start();
    let door = Door::Unix(net.path("node/node/medshare.sock"));
    let id = net.node_id();
    let own = fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let mut idle: Vec<_> = (0..30).map(|_| door.knock().unwrap()).collect();
    door.is_served();
    // Not one more than it has now.
    limit(id, &format!("--nofile={}:20000", own + 30));
    let before = ticks(id);
    let started = Instant::now();
    for _ in 0..10 {
        idle.push(door.knock().unwrap());
    }
    // Somebody who waits makes room for who asks.
    door.is_served();
    // None at all: nobody can be let in, and nothing spins.
    drop(idle);
    std::thread::sleep(Duration::from_millis(300));
    limit(id, "--nofile=3:20000");
    let waiting = door.knock().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let (spent, passed) = (ticks(id) - before, started.elapsed().as_millis() / 10);
    assert!(u128::from(spent) < passed / 2, "{spent} of {passed}");
    limit(id, "--nofile=20000:20000");
    std::thread::sleep(Duration::from_millis(100));
    door.is_served();
    drop(waiting);
    net.party("anna", "patient");
}

#[test]
fn a_node_that_gets_too_little_says_so_and_starts_nothing() {
    let net = Net::start();
    let limited = |limits: &str| {
        let mut shell = net.command(&["node", "run"]);
        let program = shell.get_program().to_owned();
        let pass = net.path("pass");
        shell = Command::new("bash");
        shell
            .current_dir(net.dir.path())
            .env("MEDSHARE_PASSPHRASE_FILE", pass)
            .args([
                "-c",
                &format!("ulimit {limits}; exec \"$0\" node run --home other"),
            ])
            .arg(program);
        shell
    };
    let init = ["init", "--role", "node", "--home", "other", "--work-factor"];
    net.run(&[&init[..], &["2"]].concat()).ok();
    for (limits, words) in [
        ("-n 100", "may have 100 files open; a node needs 224"),
        (
            "-v 1000000",
            "may use 976 MiB of address space; a node needs 2048",
        ),
    ] {
        let ran = limited(limits).output().unwrap();
        super::net::Ran::new(&[limits], ran).fails(3, words);
        assert!(!net.path("other/node/ledger.redb").exists());
    }
    // With as much as it asks for it works, also under load.
    let mut node = limited("-n 224 -v 2097152");
    let mut node = Running::new(node.stdout(Stdio::piped()).stderr(Stdio::null()));
    assert!(node.line().contains("listening"));
    let door = Door::Unix(net.path("other/node/medshare.sock"));
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..300 {
            let (door, answered) = (&door, &answered);
            std::thread::Builder::new()
                .stack_size(256 << 10)
                .spawn_scoped(scope, move || {
                    for _ in 0..5 {
                        // On a busy machine some stand still for so long that they make room.
                        let Ok(answer) = door.ask("/v1/leaves?from=0&limit=500") else {
                            continue;
                        };
                        assert!(
                            answer == "HTTP/1.1 200 OK" || answer.contains("503"),
                            "{answer}"
                        );
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
                .unwrap();
        }
    });
    let answered = answered.into_inner();
    assert!(answered > 1_000, "of 1,500 only {answered} were answered");
    door.is_served();
    assert_eq!(node.terminate(), Some(0));
}

/// As little address space as it starts with, and a crowd that sends all that it may: it
/// serves others all the while, and ends when it is told to, not by a signal.
#[test]
fn little_memory_is_enough_for_any_crowd() {
    let _alone = alone();
    let count = 10_000.min(handles().saturating_sub(4_000));
    let net = Net::start();
    let init = ["init", "--role", "node", "--home", "small", "--work-factor"];
    net.run(&[&init[..], &["2"]].concat()).ok();
    let mut shell = Command::new("bash");
    shell
        .current_dir(net.dir.path())
        .env("MEDSHARE_PASSPHRASE_FILE", net.path("pass"))
        .args([
            "-c",
            "ulimit -v 2097152; exec \"$0\" node run --home small",
            env!("CARGO_BIN_EXE_medshare"),
        ]);
    let mut node = Running::new(shell.stdout(Stdio::piped()).stderr(Stdio::null()));
    assert!(node.line().contains("listening"));
    let door = Door::Unix(net.path("small/node/medshare.sock"));
    let mut held = Vec::new();
    for at in 0..count {
        let Ok(mut stream) = door.knock() else {
            continue; // turned away: no room for more
        };
        // A tenth of them send bodies as large as are taken, and never the last byte.
        if at % 10 == 0 {
            let more = "Content-Length: 900000\r\n\r\n";
            let head = format!("POST /v1/operations HTTP/1.1\r\nHost: x\r\n{more}");
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&[b'x'; 60_000]);
        }
        held.push(stream);
        if at % 1_000 == 999 {
            door.is_served();
        }
    }
    door.is_served();
    drop(held);
    door.is_served();
    assert_eq!(node.terminate(), Some(0));
}

#[test]
fn who_asks_too_often_is_told_so_and_served_later() {
    let mut net = Net::start();
    net.stop_node();
    net.allow_requests(5);
    net.run_node();
    let door = Door::Unix(net.path("node/node/medshare.sock"));
    let begin = Instant::now();
    let answers: Vec<String> = (0..200).map(|_| door.ask("/v1/status").unwrap()).collect();
    let served = answers
        .iter()
        .filter(|answer| answer.ends_with("200 OK"))
        .count();
    let most = 6.0 + 5.0 * begin.elapsed().as_secs_f64();
    assert!(
        (5..200).contains(&served) && served as f64 <= most,
        "{served} of {most}"
    );
    let told = answers
        .iter()
        .filter(|answer| answer.starts_with("HTTP/1.1 503"))
        .count();
    assert_eq!(served + told, 200, "{answers:?}");
    std::thread::sleep(Duration::from_secs(2));
    door.is_served();
}
