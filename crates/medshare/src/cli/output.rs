//! What is printed: data on stdout, talk on stderr, one JSON object a line with `--json`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::exit::{Exit, Fault, Result};

/// How this command prints.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// One JSON object a line instead of text.
    pub json: bool,
    /// No talk, no progress bars.
    pub quiet: bool,
    /// Where data goes in place of stdout.
    kept: Option<Kept>,
}

/// The data of a command that a program asked for, in the order in which they came.
pub(crate) type Kept = Arc<Mutex<Vec<Value>>>;

impl Output {
    /// To a terminal or a pipe.
    pub const fn new(json: bool, quiet: bool) -> Self {
        let kept = None;
        Self { json, quiet, kept }
    }

    /// Keeps the data as `--json` would print them, and prints nothing.
    pub(crate) fn keeping() -> (Self, Kept) {
        let kept = Kept::default();
        let output = Self {
            json: true,
            quiet: true,
            kept: Some(Arc::clone(&kept)),
        };
        (output, kept)
    }

    /// Prints one datum: `value` with `--json`, else `text`.
    ///
    /// # Errors
    /// [`Exit::Storage`]; a reader that went away ends the program with success.
    pub fn data(&self, value: &Value, text: impl fmt::Display) -> Result<()> {
        if let Some(kept) = &self.kept {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(value.clone());
            return Ok(());
        }
        if self.json {
            self.line(value)
        } else {
            self.line(text)
        }
    }

    /// Prints a list: one JSON object a line, or the `heading` and a line each.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub fn rows<R>(
        &self,
        empty: &str,
        rows: impl IntoIterator<Item = R>,
        show: impl Fn(&R) -> (Value, String),
    ) -> Result<()> {
        let mut any = false;
        for row in rows {
            any = true;
            let (value, text) = show(&row);
            self.data(&value, text)?;
        }
        if !any {
            self.talk(empty);
        }
        Ok(())
    }

    /// Talk for the person at the terminal.
    pub fn talk(&self, text: impl fmt::Display) {
        if !self.quiet && !self.json {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// A bar for work of `total` bytes; invisible when piped, quiet or JSON.
    pub fn bytes_bar(&self, what: &'static str, total: u64) -> ProgressBar {
        self.bar(
            ProgressBar::new(total),
            what,
            "{msg:12} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        )
    }

    /// A bar for work of `total` steps; invisible when piped, quiet or JSON.
    pub fn steps_bar(&self, what: &'static str, total: u64) -> ProgressBar {
        self.bar(
            ProgressBar::new(total),
            what,
            "{msg:12} {bar:30} {pos}/{len} {eta}",
        )
    }

    fn bar(&self, bar: ProgressBar, what: &'static str, template: &str) -> ProgressBar {
        if self.quiet || self.json || !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        } else {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.with_message(what)
    }

    /// Prints the one line of a fault to stderr.
    pub fn fault(&self, fault: &Fault) {
        let mut stderr = io::stderr();
        let _ = if self.json {
            let error = json!({
                "error": {
                    "code": fault.exit as u8,
                    "name": fault.exit.name(),
                    "message": fault.message,
                }
            });
            writeln!(stderr, "{error}")
        } else {
            writeln!(stderr, "medshare: {}", fault.message)
        };
    }

    fn line(&self, text: impl fmt::Display) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                // Its reader has what it wanted. Everything this program acknowledged is
                // durable already, and locks are the kernel's.
                std::process::exit(0)
            }
            Err(error) => Err(Fault::io("standard output", &error)),
        }
    }
}

/// A fault for arguments that contradict each other.
pub fn usage(message: impl fmt::Display) -> Fault {
    Fault::new(Exit::Usage, message)
}
