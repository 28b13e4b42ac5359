//! Exit codes and the one error of the command line: a code and one clear line.
//!
//! The table stands here once; `medshare --help` prints it and a test
//! compares `docs/exit-codes.md` with it.

use base::UnknownVersion;
use std::{fmt, io};

/// What a command ends with. The numbers are part of the interface: they never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// A fault of this program.
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is wrong.
    Config = 3,
    /// The home folder is missing, foreign or damaged, or there is one already.
    Home = 4,
    /// Another process uses the home.
    Busy = 5,
    /// The passphrase or backup phrase is wrong or missing.
    Passphrase = 6,
    /// This home's role cannot do that.
    Role = 7,
    /// It does not exist, or it is not for you.
    NotFound = 8,
    /// The ledger refused the operation.
    Refused = 9,
    /// Bytes are damaged, foreign or do not verify.
    Invalid = 10,
    /// The node does not answer.
    Unreachable = 11,
    /// The disk is full or cannot be read or written.
    Storage = 12,
    /// The ledger contradicts what this home has seen.
    Forked = 13,
    /// What was waited for has not come.
    Pending = 14,
}

impl Exit {
    /// Every code with its short name, its meaning and what to do.
    pub const TABLE: [(u8, &'static str, &'static str, &'static str); 15] = [
        (
            0,
            "ok",
            "done; also when the reader of a pipe went away",
            "-",
        ),
        (
            1,
            "internal",
            "a fault of this program",
            "report it with the line that was printed",
        ),
        (
            2,
            "usage",
            "the command line is wrong",
            "read `--help` of that command",
        ),
        (
            3,
            "config",
            "the configuration is wrong",
            "correct the named line and key; `medshare config check`",
        ),
        (
            4,
            "home",
            "the home folder is missing, foreign or damaged, or there is one already",
            "name the right folder with `--home`, or `medshare init`",
        ),
        (
            5,
            "busy",
            "another process uses the home",
            "end that process, or wait",
        ),
        (
            6,
            "passphrase",
            "the passphrase or backup phrase is wrong or missing",
            "try again; `--passphrase-file` for scripts",
        ),
        (
            7,
            "role",
            "this home's role cannot do that",
            "use the home of the named role",
        ),
        (
            8,
            "not-found",
            "it does not exist, or it is not for you (one answer for both)",
            "check the id with the `list` verbs",
        ),
        (
            9,
            "refused",
            "the ledger refused the operation; the line names the rule",
            "depends on the rule; the operation is logged with its outcome",
        ),
        (
            10,
            "invalid",
            "bytes are damaged, foreign or do not verify",
            "take the file or record from its source again; nothing was kept",
        ),
        (
            11,
            "unreachable",
            "the node does not answer",
            "start it (`medshare node run`) or correct `--node`",
        ),
        (
            12,
            "storage",
            "the disk is full or cannot be read or written",
            "make room or correct the rights, then repeat the command",
        ),
        (
            13,
            "forked",
            "the ledger contradicts what this home has seen",
            "stop; ask the consortium which ledger is right",
        ),
        (
            14,
            "pending",
            "what was waited for has not come yet",
            "repeat later, or raise `--wait`",
        ),
    ];

    /// The short name, as `--json` errors carry it.
    pub fn name(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The table as it is printed by the help.
    pub fn table_text() -> String {
        let mut text = String::new();
        for (code, name, meaning, _) in Self::TABLE {
            text.push_str(&format!("  {code:>2}  {name:<12} {meaning}\n"));
        }
        text
    }

    /// The table as `docs/exit-codes.md` holds it.
    pub fn table_markdown() -> String {
        let mut text =
            String::from("| code | name | meaning | what to do |\n| ---: | --- | --- | --- |\n");
        for (code, name, meaning, action) in Self::TABLE {
            text.push_str(&format!("| {code} | {name} | {meaning} | {action} |\n"));
        }
        text
    }
}

/// Why a command ends early: an exit code and one line for the person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The code.
    pub exit: Exit,
    /// Names the thing and what to do; one line, no secrets.
    pub message: String,
}

impl Fault {
    /// A fault with its line; line breaks become blanks, control characters go.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        let message = message
            .to_string()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Self { exit, message }
    }

    /// `what` is of a newer version, and was left as it is.
    pub fn newer(exit: Exit, what: impl fmt::Display, version: UnknownVersion) -> Self {
        Self::new(exit, format!("{what}: {version}; nothing was changed"))
    }

    /// A fault of reading or writing `what`.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let message = match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => {
                format!("{what}: no room left on the disk; nothing half-written was kept")
            }
            _ => format!("{what}: {error}"),
        };
        Self::new(Exit::Storage, message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// Shorthand of this crate.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (at, row) in Exit::TABLE.iter().enumerate() {
            assert_eq!(usize::from(row.0), at);
        }
        assert_eq!(Exit::Internal.name(), "internal");
        assert_eq!(Exit::Pending.name(), "pending");
    }

    #[test]
    fn a_fault_is_one_line() {
        let fault = Fault::new(Exit::Invalid, "a\nb\u{1b}[31m");
        assert_eq!(fault.message, "a b [31m");
    }
}
