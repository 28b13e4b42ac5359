//! CARv1: a tree of blocks as one stream (ipld.io/specs/transport/car/carv1).
//!
//! ```text
//! varint length ‖ DAG-CBOR {roots: [CID], version: 1}
//! ( varint length ‖ CID ‖ bytes )*
//! ```
//! A CAR file from outside is hostile: [`import`] holds one block at a time, checks every
//! block against its CID, and stores nothing if anything is wrong.

use crate::{BlockStore, GetError, MAX_BLOCK, PutError, Source, varint, walk::Walk};
use base::cid::Cid;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    io::{self, BufRead, BufReader, Read, Write},
};
use thiserror::Error;

/// Of the format that is read and written.
const VERSION: u64 = 1;
/// Largest header, in bytes: some 1,600 roots.
const MAX_HEADER: usize = 64 << 10;
/// Largest CID inside a CAR, in bytes: version, codec, hash, length, 64 bytes of digest.
const MAX_CID: usize = 96;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    roots: Vec<Cid>,
    version: u64,
}

/// What went through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// The roots that the header names.
    pub roots: Vec<Cid>,
    /// Blocks, repetitions counted.
    pub blocks: u64,
    /// Bytes in those blocks.
    pub bytes: u64,
}

/// Why a CAR was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A block of the tree is missing or damaged. What was written so far is no whole CAR.
    #[error(transparent)]
    Block(#[from] GetError),
    /// The writer failed.
    #[error("the CAR could not be written: {0}")]
    Io(#[from] io::Error),
}

/// Why a CAR was not taken. Nothing of it was stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// No CARv1, cut off, or with impossible lengths.
    #[error("not a valid CARv1 file at byte {offset}: {reason}")]
    Malformed {
        /// Where in the stream.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A block that does not fit its CID, or that the store refuses.
    #[error("the CAR file was not stored: {0}")]
    Store(#[from] PutError),
    /// A root of the header is neither in the CAR nor in the store.
    #[error("the CAR file does not hold its root {0}")]
    NoRoot(Cid),
    /// More bytes than the caller allows.
    #[error("the CAR file holds more than the {0} bytes allowed")]
    TooLarge(u64),
    /// The stream, or the store's disk, failed.
    #[error("the CAR file could not be read: {0}")]
    Io(#[source] io::Error),
}

/// Writes everything that `root` reaches, each block once, parents first.
///
/// # Errors
/// [`ExportError`]: a missing or damaged block stops it, and is named.
pub fn export(
    source: impl Source,
    root: Cid,
    mut writer: impl Write,
) -> Result<Summary, ExportError> {
    writer.write_all(&header(&[root]))?;
    let mut summary = Summary {
        roots: vec![root],
        ..Summary::default()
    };
    for found in Walk::new(source, root) {
        let (cid, bytes) = found?;
        writer.write_all(&section_head(&cid, bytes.len()))?;
        writer.write_all(&bytes)?;
        summary.blocks += 1;
        summary.bytes += bytes.len() as u64;
    }
    writer.flush()?;
    Ok(summary)
}

/// What a CAR begins with.
pub(crate) fn header(roots: &[Cid]) -> Vec<u8> {
    let header = base::codec::encode(&Header {
        roots: roots.to_vec(),
        version: VERSION,
    });
    let mut bytes = Vec::with_capacity(header.len() + 2);
    varint::write(header.len() as u64, &mut bytes);
    bytes.extend_from_slice(&header);
    bytes
}

/// What stands before the bytes of a block.
pub(crate) fn section_head(cid: &Cid, length: usize) -> Vec<u8> {
    let name = cid.to_bytes();
    let mut bytes = Vec::with_capacity(name.len() + 4);
    varint::write((name.len() + length) as u64, &mut bytes);
    bytes.extend_from_slice(&name);
    bytes
}

/// Stores every block of a CAR, all or none, and tells its roots. They are not pinned, and
/// the tree need not be whole: [`walk::verify`](crate::walk::verify) tells.
///
/// Memory: one block, and a name for each.
///
/// # Errors
/// [`ImportError`]; then nothing was stored, except that blocks may be there if the disk
/// failed at the last step. A stream of more than `limit` bytes is given up.
pub fn import(
    store: &dyn BlockStore,
    reader: impl Read,
    limit: u64,
) -> Result<Summary, ImportError> {
    let mut car = Input {
        reader: BufReader::with_capacity(64 << 10, reader),
        offset: 0,
        limit,
    };
    let header = car.header()?;
    let mut summary = Summary::default();
    let mut batch = store.batch();
    let mut absent: HashSet<Cid> = header.roots.iter().copied().collect();
    let mut section = Vec::new();
    while let Some((cid, bytes)) = car.section(&mut section)? {
        batch.put(&cid, bytes)?;
        absent.remove(&cid);
        summary.blocks += 1;
        summary.bytes += bytes.len() as u64;
    }
    for root in absent {
        match store.has(&root) {
            Ok(true) => {}
            Ok(false) => return Err(ImportError::NoRoot(root)),
            Err(GetError::Io { source, .. }) => return Err(ImportError::Io(source)),
            Err(_) => return Err(ImportError::Store(PutError::Unsupported(root))),
        }
    }
    batch.commit()?;
    summary.roots = header.roots;
    Ok(summary)
}

/// A CAR as it is read, and how far.
struct Input<R> {
    reader: BufReader<R>,
    offset: u64,
    limit: u64,
}

impl<R: Read> Input<R> {
    fn header(&mut self) -> Result<Header, ImportError> {
        let length = match self.length()? {
            Some(length @ 1..=MAX_HEADER) => length,
            Some(length) => {
                return Err(self.malformed(format!("a header of {length} bytes")));
            }
            None => return Err(self.malformed("the file is empty".to_owned())),
        };
        let mut bytes = Vec::new();
        self.exactly(length, &mut bytes)?;
        let header: Header = base::codec::decode(&bytes)
            .map_err(|error| self.malformed(format!("its header is {error}")))?;
        if header.version != VERSION {
            return Err(self.malformed(format!("version {}", header.version)));
        }
        Ok(header)
    }

    /// The next block, in `section`; `None` at a clean end.
    fn section<'a>(
        &mut self,
        section: &'a mut Vec<u8>,
    ) -> Result<Option<(Cid, &'a [u8])>, ImportError> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        if length == 0 || length > MAX_BLOCK + MAX_CID {
            return Err(self.malformed(format!("a section of {length} bytes")));
        }
        self.exactly(length, section)?;
        let mut rest = section.as_slice();
        let cid = Cid::read_bytes(&mut rest)
            .map_err(|error| self.malformed(format!("a section begins with no CID: {error}")))?;
        Ok(Some((cid, rest)))
    }

    /// A length in front of a section; `None` at the end of the stream.
    fn length(&mut self) -> Result<Option<usize>, ImportError> {
        let mut bytes = Vec::with_capacity(10);
        loop {
            let next = self.reader.fill_buf().map(|buffer| buffer.first().copied());
            let byte = match next {
                Ok(Some(byte)) => byte,
                Ok(None) if bytes.is_empty() => return Ok(None),
                Ok(None) => return Err(self.malformed("it is cut off".to_owned())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ImportError::Io(error)),
            };
            self.reader.consume(1);
            self.advance(1)?;
            bytes.push(byte);
            if byte < 0x80 || bytes.len() == 10 {
                let value = varint::read(&bytes).map(|(value, _)| value);
                return value
                    .and_then(|value| usize::try_from(value).ok())
                    .map(Some)
                    .ok_or_else(|| self.malformed("a length that is no number".to_owned()));
            }
        }
    }

    /// Reads `length` bytes, which the caller has bounded.
    fn exactly(&mut self, length: usize, out: &mut Vec<u8>) -> Result<(), ImportError> {
        self.advance(length as u64)?;
        out.clear();
        let read = self.reader.by_ref().take(length as u64).read_to_end(out);
        match read {
            Ok(read) if read == length => Ok(()),
            Ok(_) => Err(self.malformed("it is cut off".to_owned())),
            Err(error) => Err(ImportError::Io(error)),
        }
    }

    fn advance(&mut self, bytes: u64) -> Result<(), ImportError> {
        self.offset = self.offset.saturating_add(bytes);
        if self.offset > self.limit {
            return Err(ImportError::TooLarge(self.limit));
        }
        Ok(())
    }

    fn malformed(&self, reason: String) -> ImportError {
        ImportError::Malformed {
            offset: self.offset,
            reason,
        }
    }
}
