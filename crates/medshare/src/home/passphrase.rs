//! Where a passphrase comes from: a file, a file descriptor, or the terminal.

use std::{
    fs::File,
    io::{IsTerminal as _, Read as _},
    path::PathBuf,
};
use zeroize::Zeroizing;

use crate::exit::{Exit, Fault, Result};

/// A passphrase in memory that is overwritten when dropped.
pub type Passphrase = Zeroizing<String>;

/// Where to read it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum PassphraseSource {
    /// Ask at the terminal.
    #[default]
    Prompt,
    /// First line of this file.
    File(PathBuf),
    /// First line of what this descriptor gives.
    Descriptor(u32),
}

impl PassphraseSource {
    /// Reads it, to open a home.
    ///
    /// # Errors
    /// [`Exit::Passphrase`] when there is none.
    pub fn read(&self) -> Result<Passphrase> {
        match self {
            Self::Prompt => prompt("Passphrase: "),
            Self::File(path) => {
                let file = File::open(path)
                    .map_err(|error| unreadable(&path.display().to_string(), &error))?;
                first_line(file, &path.display().to_string())
            }
            Self::Descriptor(number) => {
                let name = format!("descriptor {number}");
                // The kernel's folder of this process's own descriptors: no unsafe needed.
                let file = File::open(format!("/dev/fd/{number}"))
                    .map_err(|error| unreadable(&name, &error))?;
                first_line(file, &name)
            }
        }
    }

    /// Reads it, if it is given: asked once at a terminal, where nothing may be answered;
    /// without a terminal there is none.
    ///
    /// # Errors
    /// [`Exit::Passphrase`].
    pub fn read_if_given(&self) -> Result<Option<Passphrase>> {
        let given = match self {
            Self::Prompt if !std::io::stdin().is_terminal() => return Ok(None),
            Self::Prompt => prompt("Passphrase (nothing: leave what is sealed): ")?,
            source => source.read()?,
        };
        Ok((!given.is_empty()).then_some(given))
    }

    /// Reads it, to make a home: asked twice at a terminal, at least 8 characters.
    ///
    /// # Errors
    /// [`Exit::Passphrase`].
    pub fn choose(&self) -> Result<Passphrase> {
        let chosen = match self {
            Self::Prompt => {
                let first = prompt("New passphrase: ")?;
                if *prompt("Once more: ")? != *first {
                    return Err(Fault::new(
                        Exit::Passphrase,
                        "the two passphrases differ; nothing was made",
                    ));
                }
                first
            }
            _ => self.read()?,
        };
        if chosen.chars().count() < MIN_CHARACTERS {
            return Err(Fault::new(
                Exit::Passphrase,
                format!(
                    "the passphrase is shorter than {MIN_CHARACTERS} characters; take a longer one"
                ),
            ));
        }
        Ok(chosen)
    }
}

fn prompt(text: &str) -> Result<Passphrase> {
    if !std::io::stdin().is_terminal() {
        return Err(Fault::new(
            Exit::Passphrase,
            "no terminal to ask for the passphrase; give --passphrase-file or --passphrase-fd",
        ));
    }
    rpassword::prompt_password(text)
        .map(Zeroizing::new)
        .map_err(|error| unreadable("the terminal", &error))
}

fn first_line(mut file: File, name: &str) -> Result<Passphrase> {
    let mut bytes = Zeroizing::new(vec![0; MAX_BYTES]);
    let mut length = 0;
    loop {
        let read = file
            .read(&mut bytes[length..])
            .map_err(|error| unreadable(name, &error))?;
        length += read;
        if read == 0 || length == MAX_BYTES || bytes[..length].contains(&b'\n') {
            break;
        }
    }
    let line = bytes[..length]
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or(&[]);
    let text = std::str::from_utf8(line).map_err(|_| {
        Fault::new(
            Exit::Passphrase,
            format!("the passphrase in {name} is not UTF-8 text"),
        )
    })?;
    let text = text.trim_end_matches('\r');
    if text.is_empty() {
        return Err(Fault::new(
            Exit::Passphrase,
            format!("{name} holds no passphrase on its first line"),
        ));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn unreadable(name: &str, error: &std::io::Error) -> Fault {
    Fault::new(
        Exit::Passphrase,
        format!("cannot read the passphrase from {name}: {error}"),
    )
}

const MIN_CHARACTERS: usize = 8;
const MAX_BYTES: usize = 4096;
