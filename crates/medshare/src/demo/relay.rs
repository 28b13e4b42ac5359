//! A relay between a party and its node that flips one bit of real answers.
//!
//! It listens on a Unix socket and passes bytes both ways. When a request's path begins
//! with the watched one, one bit in the middle of the answer's body is turned over: what a
//! thief on the wire, or a node that lies, could do.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use super::step::{Facts, Report, step};
use crate::exit::{Fault, Result};

/// A running relay; it ends with the demo.
#[derive(Debug)]
pub(super) struct Relay {
    socket: PathBuf,
    flipped: Arc<AtomicU64>,
}

impl Relay {
    /// Relays between a new socket at `socket` and the node's at `node`, and flips a bit
    /// in each answer to a request whose path begins with `watched`.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Storage`].
    pub(super) fn start(socket: &Path, node: &Path, watched: &'static str) -> Result<Self> {
        let listener =
            UnixListener::bind(socket).map_err(|error| Fault::io(socket.display(), &error))?;
        let flipped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&flipped);
        let node = node.to_owned();
        thread::spawn(move || {
            for party in listener.incoming().flatten() {
                let (node, counter) = (node.clone(), Arc::clone(&counter));
                thread::spawn(move || {
                    let _ = carry(&party, &node, watched, &counter);
                });
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            flipped,
        })
    }

    /// Where parties reach it.
    pub(super) fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// How many answers it has changed.
    fn flipped(&self) -> u64 {
        self.flipped.load(Ordering::SeqCst)
    }

    /// Ends the demo when the relay never got to change anything.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Internal`].
    pub(super) fn must_have_flipped(&self, report: &mut Report) -> Result<()> {
        match self.flipped() {
            0 => report.broken(
                &step("relay", "The relay"),
                &Facts::default(),
                "it saw no answer to change",
            ),
            _ => Ok(()),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Carries one connection until either side closes it.
fn carry(
    party: &UnixStream,
    node: &Path,
    watched: &str,
    flipped: &AtomicU64,
) -> std::io::Result<()> {
    let node = UnixStream::connect(node)?;
    let armed = Arc::new(AtomicBool::new(false));
    let up = {
        let (mut from, mut to) = (party.try_clone()?, node.try_clone()?);
        let (armed, watched) = (Arc::clone(&armed), watched.to_owned());
        thread::spawn(move || {
            let mut buffer = [0; BUFFER];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                if asks_for(&buffer[..length], &watched) {
                    armed.store(true, Ordering::SeqCst);
                }
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        })
    };
    let mut answer = Tamper::default();
    let mut buffer = [0; BUFFER];
    let (mut from, mut to) = (&node, party);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if armed.swap(false, Ordering::SeqCst) {
            answer = Tamper::armed();
        }
        let bytes = answer.pass(&buffer[..length]);
        if answer.is_done() {
            flipped.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = up.join();
    Ok(())
}

/// A request line for the watched path; requests of this client begin a read each.
fn asks_for(bytes: &[u8], watched: &str) -> bool {
    bytes
        .strip_prefix(b"GET ")
        .is_some_and(|rest| rest.starts_with(watched.as_bytes()))
}

/// Holds one answer back until it is whole, and changes one bit of its body.
#[derive(Default, Debug)]
struct Tamper {
    state: State,
    held: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    /// Everything passes.
    #[default]
    Idle,
    /// The next answer is held back.
    Armed,
    /// It was changed and has just passed.
    Done,
}

impl Tamper {
    fn armed() -> Self {
        Self {
            state: State::Armed,
            held: Vec::new(),
        }
    }

    /// Whether the last [`Self::pass`] let a changed answer go.
    fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// What goes on of what has come.
    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self.state {
            State::Armed => self.held.extend_from_slice(bytes),
            State::Idle | State::Done => {
                self.state = State::Idle;
                return bytes.to_vec();
            }
        }
        let end = self
            .held
            .windows(4)
            .position(|window| window == b"\r\n\r\n");
        let Some(body) = end.map(|end| end + 4) else {
            return Vec::new();
        };
        let length = body_length(&self.held[..body]).unwrap_or(0);
        if self.held.len() < body + length {
            return Vec::new();
        }
        let mut whole = std::mem::take(&mut self.held);
        self.state = if flip(&mut whole[body..]) {
            State::Done
        } else {
            State::Idle
        };
        whole
    }
}

/// Turns one bit over: inside the first signature, where the bytes stay well-formed and
/// only a hash can tell, or else in the middle.
fn flip(body: &mut [u8]) -> bool {
    let word = body
        .windows(SIGNATURE.len())
        .position(|window| window == SIGNATURE);
    let at = match word {
        Some(at) if at + INSIDE < body.len() => at + INSIDE,
        _ => body.len() / 2,
    };
    match body.get_mut(at) {
        Some(byte) => {
            *byte ^= 1;
            true
        }
        None => false,
    }
}

/// The body's length, if the head tells it.
fn body_length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines().find_map(|line| {
        line.strip_prefix("content-length:")
            .and_then(|length| length.trim().parse().ok())
    })
}

const BUFFER: usize = 16 << 10;
const SIGNATURE: &[u8] = b"signature";
/// From the word to well inside the 64 bytes that follow it.
const INSIDE: usize = SIGNATURE.len() + 2 + 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn through(parts: &[&[u8]]) -> (Vec<u8>, u32) {
        let mut tamper = Tamper::armed();
        let (mut out, mut changes) = (Vec::new(), 0);
        for part in parts {
            out.extend(tamper.pass(part));
            changes += u32::from(tamper.is_done());
        }
        (out, changes)
    }

    #[test]
    fn one_bit_of_the_body_changes_however_it_is_cut() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec();
        let whole = [head.clone(), b"aaaaaaaaa".to_vec()].concat();
        let expected = [head, b"aaaa`aaaa".to_vec()].concat();
        for cut in 0..whole.len() {
            let (out, changes) = through(&[&whole[..cut], &whole[cut..]]);
            assert_eq!((out, changes), (expected.clone(), 1), "cut at {cut}");
        }
    }

    #[test]
    fn a_signature_is_preferred() {
        let mut body = [b"..signature".as_slice(), &[0; 100]].concat();
        assert!(flip(&mut body));
        assert_eq!(body[2 + INSIDE], 1);
        assert_eq!(body.iter().filter(|byte| **byte == 1).count(), 1);
    }

    #[test]
    fn an_empty_answer_passes() {
        let head = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(through(&[head]), (head.to_vec(), 0));
    }

    #[test]
    fn a_relay_changes_what_it_watches_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("n");
        let listener = UnixListener::bind(&node).unwrap();
        thread::spawn(move || {
            for mut peer in listener.incoming().flatten() {
                let mut request = [0; 100];
                let _ = peer.read(&mut request);
                let _ = peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\naaa");
            }
        });
        let relay = Relay::start(&dir.path().join("r"), &node, "/v1/leaves").unwrap();
        for (path, body) in [("/v1/leaves?from=0", "a`a"), ("/v1/head", "aaa")] {
            let mut party = UnixStream::connect(&relay.socket).unwrap();
            write!(party, "GET {path} HTTP/1.1\r\n\r\n").unwrap();
            party.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            party.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with(body), "{path}: {answer}");
        }
        assert_eq!(relay.flipped(), 1);
    }
}
