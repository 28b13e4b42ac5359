//! What the machine grants this process. A node that would run out of it half-way says so
//! when it starts.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::exit::{Exit, Fault, Result};

/// How many connections a node may have open, so that handles are left for its files and
/// its memory stays within bounds. The soft limit of handles is raised to the hard one.
///
/// # Errors
/// [`Exit::Config`] when the machine grants less than a node needs.
pub(crate) fn connections() -> Result<usize> {
    let mut handles = getrlimit(Resource::Nofile);
    if handles.current != handles.maximum {
        let raised = Rlimit {
            current: handles.maximum,
            ..handles
        };
        // Refused where the hard limit is above what the kernel takes: then as it was.
        if setrlimit(Resource::Nofile, raised).is_ok() {
            handles = raised;
        }
    }
    let memory = getrlimit(Resource::As).current;
    check(handles.current, memory)
}

/// The same, for these limits; `None` is without limit.
fn check(handles: Option<u64>, memory: Option<u64>) -> Result<usize> {
    let short = |what: String| Err(Fault::new(Exit::Config, what));
    if let Some(bytes) = memory.filter(|bytes| *bytes < LEAST_MEMORY) {
        return short(format!(
            "this process may use {} MiB of address space; a node needs {} (`ulimit -v`)",
            bytes >> 20,
            LEAST_MEMORY >> 20
        ));
    }
    let handles = handles.map_or(usize::MAX, |handles| {
        usize::try_from(handles).unwrap_or(usize::MAX)
    });
    match handles.saturating_sub(OWN_HANDLES) / HANDLES_EACH {
        each if each < LEAST_CONNECTIONS => short(format!(
            "this process may have {handles} files open; a node needs {} (`ulimit -n`)",
            OWN_HANDLES + HANDLES_EACH * LEAST_CONNECTIONS
        )),
        each => Ok(each.min(MOST_CONNECTIONS)),
    }
}

/// Handles for databases, locks, sockets and the event loop.
const OWN_HANDLES: usize = 128;
/// A connection's own, and those of the files that its request reads or writes at a time.
const HANDLES_EACH: usize = 3;
const LEAST_CONNECTIONS: usize = 32;
const MOST_CONNECTIONS: usize = 1024;
/// Address space, bytes: stacks of 512 threads, their allocators' arenas, the caches.
const LEAST_MEMORY: u64 = 2 << 30;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_node_starts_only_with_what_it_needs() {
        assert_eq!(check(None, None), Ok(MOST_CONNECTIONS));
        assert_eq!(check(Some(1 << 20), None), Ok(MOST_CONNECTIONS));
        assert_eq!(check(Some(428), None), Ok(100));
        let handles = check(Some(223), None).unwrap_err();
        assert!(handles.message.contains("223 files open"), "{handles}");
        assert!(check(Some(224), Some(2 << 30)).is_ok());
        let memory = check(None, Some(1 << 30)).unwrap_err();
        assert!(memory.message.contains("1024 MiB"), "{memory}");
        assert_eq!(memory.exit, Exit::Config);
    }
}
