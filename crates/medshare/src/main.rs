//! The `medshare` program: see `medshare --help`.

use std::{panic, process::ExitCode};

/// Many small pieces and pages come and go with every block: docs/adr/0018.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // A fault of this program is still one line for the person, with where it happened.
    panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        eprintln!("medshare: a fault of this program{place}; please report this line");
    }));
    match panic::catch_unwind(medshare::cli::main) {
        Ok(code) => ExitCode::from(code),
        Err(_) => ExitCode::from(medshare::exit::Exit::Internal as u8),
    }
}
