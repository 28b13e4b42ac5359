//! The machine under the home: room on the disk, handles, clock.

use base::{Millis, operation::Role};
use rustix::fs::statvfs;
use std::path::Path;

use super::Finding;
use crate::{
    exit::{Fault, Result},
    machine, system,
};

/// Room on the disk that the home lies on.
pub(super) fn room(folder: &Path, role: Role) -> Result<Finding> {
    let least = match role {
        Role::Node => LEAST_ROOM_NODE,
        _ => LEAST_ROOM,
    };
    let disk = statvfs(folder).map_err(|error| Fault::io(folder.display(), &error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    // Some file systems make room for names as they go and say 0 of 0.
    let names = match disk.f_files {
        0 => u64::MAX,
        _ => disk.f_favail,
    };
    let says = format!("{} MiB are free", free >> 20);
    Ok(match (free < least, names < LEAST_NAMES) {
        (false, false) => Finding::ok("disk", says),
        (false, true) => Finding::problem(
            "disk",
            format!("{says}, but only {names} files can be made; writing will fail soon"),
            "remove files that nobody needs",
        ),
        (true, _) => Finding::problem(
            "disk",
            format!("{says}; writing will fail soon, and be refused whole"),
            format!("make room: {} MiB at least", least >> 20),
        ),
    })
}

/// Open files that a process may have.
pub(super) fn handles(role: Role) -> Finding {
    if role != Role::Node {
        return Finding::ok("handles", "a party's home needs few open files");
    }
    match machine::connections() {
        Ok(connections) => Finding::ok(
            "handles",
            format!("enough open files for {connections} connections"),
        ),
        Err(fault) => Finding::problem(
            "handles",
            fault.message,
            "raise the limit for the user that runs the node",
        ),
    }
}

/// The clock is not behind what was dated already.
pub(super) fn clock(newest: Millis, drift: u64) -> Finding {
    let now = system::now();
    let behind = newest.0.saturating_sub(now.0);
    if behind <= drift {
        return Finding::ok("clock", format!("now is {now}, after everything seen"));
    }
    Finding::problem(
        "clock",
        format!(
            "now is {now}, {behind} ms before the newest block or head seen: a node takes nothing in, a party's tickets are refused"
        ),
        "set the machine's clock right",
    )
}

/// Bytes that a party's home should have left.
const LEAST_ROOM: u64 = 64 << 20;
/// Bytes that a node should have left.
const LEAST_ROOM_NODE: u64 = 1 << 30;
const LEAST_NAMES: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    #[test]
    fn a_clock_that_was_set_back_is_a_problem() {
        let now = system::now();
        let drift = 60_000;
        let ahead = |milliseconds| clock(Millis(now.0 + milliseconds), drift).state;
        assert_eq!(clock(Millis(0), drift).state, State::Ok);
        assert_eq!(ahead(drift / 2), State::Ok);
        assert_eq!(ahead(60 * drift), State::Problem);
    }
}
