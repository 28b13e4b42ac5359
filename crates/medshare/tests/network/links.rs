//! Wires between validators that a test can cut: each reaches each other through a proxy of
//! its own. What is cut is silent, as when a cable is pulled: connections stay open, nothing
//! comes through, and what was on its way arrives when it is mended.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A wire for each ordered pair of validators.
pub(crate) struct Links(Vec<Link>);

struct Link {
    from: usize,
    to: usize,
    port: u16,
    switch: Arc<Switch>,
}

#[derive(Default)]
struct Switch {
    cut: AtomicBool,
    over: AtomicBool,
}

impl Switch {
    /// Waits while it is cut; false when all is over.
    fn passes(&self) -> bool {
        while self.cut.load(Ordering::Relaxed) && !self.over.load(Ordering::Relaxed) {
            thread::sleep(STEP);
        }
        !self.over.load(Ordering::Relaxed)
    }
}

impl Links {
    /// Between validators that listen at these ports.
    pub(crate) fn between(ports: &[u16]) -> Self {
        let pairs = (0..ports.len()).flat_map(|from| (0..ports.len()).map(move |to| (from, to)));
        let link = |(from, to): (usize, usize)| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let switch = Arc::<Switch>::default();
            let (target, inner) = (
                SocketAddr::from(([127, 0, 0, 1], ports[to])),
                Arc::clone(&switch),
            );
            thread::spawn(move || accept(&listener, target, &inner));
            Link {
                from,
                to,
                port,
                switch,
            }
        };
        Self(pairs.filter(|(from, to)| from != to).map(link).collect())
    }

    /// Where `from` finds `to`.
    pub(crate) fn port(&self, from: usize, to: usize) -> u16 {
        let link = self
            .0
            .iter()
            .find(|link| (link.from, link.to) == (from, to));
        link.unwrap().port
    }

    /// Only those of one side reach each other.
    pub(crate) fn part(&self, sides: &[&[usize]]) {
        let side = |at: usize| sides.iter().position(|side| side.contains(&at));
        for link in &self.0 {
            let cut = side(link.from) != side(link.to);
            link.switch.cut.store(cut, Ordering::Relaxed);
        }
    }

    pub(crate) fn heal(&self) {
        for link in &self.0 {
            link.switch.cut.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for link in &self.0 {
            link.switch.over.store(true, Ordering::Relaxed);
            // Wakes the thread that waits for connections.
            drop(TcpStream::connect(("127.0.0.1", link.port)));
        }
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, switch: &Arc<Switch>) {
    for stream in listener.incoming() {
        if switch.over.load(Ordering::Relaxed) {
            return;
        }
        let (Ok(stream), switch) = (stream, Arc::clone(switch)) else {
            continue;
        };
        thread::spawn(move || join(stream, target, &switch));
    }
}

/// One connection, both ways.
fn join(near: TcpStream, target: SocketAddr, switch: &Arc<Switch>) {
    if !switch.passes() {
        return;
    }
    // Nobody may be there: then the caller finds its connection closed.
    let Ok(far) = TcpStream::connect(target) else {
        return;
    };
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else {
        return;
    };
    let back = Arc::clone(switch);
    thread::spawn(move || pump(far_too, near_too, &back));
    pump(near, far, switch);
}

fn pump(mut from: TcpStream, mut to: TcpStream, switch: &Switch) {
    let mut bytes = vec![0; 64 << 10];
    let _ = from.set_read_timeout(Some(STEP));
    while switch.passes() {
        match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(length) => {
                if !switch.passes() || to.write_all(&bytes[..length]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

const STEP: Duration = Duration::from_millis(20);
