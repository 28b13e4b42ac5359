//! Put into the root of a crate's copy by `cargo xtask mutants`: says of each change whether
//! it is on. `MUTANT` names the one that is, `MUTANTS_SEEN` a file that gets the number of
//! each that was asked for.

use std::{
    env,
    fs::{File, OpenOptions},
    io::Write,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

struct Switches {
    on: usize,
    seen: Option<File>,
}

static SWITCHES: OnceLock<Switches> = OnceLock::new();
/// Far more than a package has.
static SEEN: [AtomicBool; 1 << 14] = [const { AtomicBool::new(false) }; 1 << 14];

fn read() -> Switches {
    let number = env::var("MUTANT").ok().and_then(|text| text.parse().ok());
    let append = |path| OpenOptions::new().append(true).open(path).ok();
    Switches {
        on: number.unwrap_or(0),
        seen: env::var_os("MUTANTS_SEEN").and_then(append),
    }
}

pub(crate) fn on(mutant: usize) -> bool {
    let switches = SWITCHES.get_or_init(read);
    if let Some(mut file) = switches.seen.as_ref()
        && !SEEN[mutant].load(Relaxed)
        && !SEEN[mutant].swap(true, Relaxed)
    {
        // One write a line, so that processes that share the file do not mix.
        let _ = file.write_all(format!("{mutant}\n").as_bytes());
    }
    switches.on == mutant
}
