//! Opened bytes as something to read: bounded, and an extract where they are parts of one.

use pages::record::{self, Reading};
use std::io::{self, Write};

use crate::fhir;

/// Most bytes of a record that are opened to be shown; more is saved by the command line.
pub(super) const SHOWN: u64 = 64 << 20;

/// Bytes of which there are at most [`SHOWN`].
#[derive(Default)]
pub(super) struct Bounded(Vec<u8>);

impl Bounded {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) as u64 > SHOWN {
            return Err(io::Error::other(
                "the part is larger than what a page opens",
            ));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One part by itself.
pub(super) fn of_part(media_type: &str, bytes: &[u8]) -> Reading {
    if media_type == fhir::FHIR_ENTRIES
        && let Ok(extract) = fhir::extract(&[(media_type, bytes)])
    {
        return record::read(&extract);
    }
    record::read(bytes)
}
