//! Records before sealing and after opening: the original's bytes and how parts lie in it.
//!
//! Source: protocol page, "A record", step 1. A part is a class, a media type and byte
//! ranges of the original; the parts of one record cover it exactly once, so that all of
//! them joined give it back bit for bit. What the bytes mean is not known here: the FHIR
//! splitter lives with the formats.

use base::{Class, codec};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::Arc,
};
use thiserror::Error;

/// Most parts of one record.
pub const MAX_PARTS: usize = 64;
/// Most bytes of a media type.
pub const MAX_MEDIA_TYPE: usize = 127;
/// Most ranges of one part; their canonical bytes stay below one object.
pub const MAX_RANGES: usize = 50_000;

/// The bytes of an original, opened as often as there are parts.
pub trait Original: Send + Sync {
    /// A fresh handle, at any position.
    ///
    /// # Errors
    /// When the bytes cannot be read.
    fn open(&self) -> io::Result<Box<dyn ReadSeek>>;

    /// Length in bytes.
    ///
    /// # Errors
    /// When it cannot be told.
    fn length(&self) -> io::Result<u64>;
}

/// Something to read and seek in, on any thread.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

impl Original for PathBuf {
    fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(File::open(self)?))
    }

    fn length(&self) -> io::Result<u64> {
        std::fs::metadata(self).map(|metadata| metadata.len())
    }
}

impl Original for Arc<[u8]> {
    fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(Cursor::new(self.clone())))
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// Where a part's bytes lie in the original: (offset, length), in reading order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layout(Vec<(u64, u64)>);

impl Layout {
    /// The whole of an original of `length` bytes.
    pub fn whole(length: u64) -> Self {
        Self(vec![(0, length)])
    }

    /// Ranges sorted by offset, none overlapping.
    ///
    /// # Errors
    /// [`RecordError::Ranges`].
    pub fn new(ranges: Vec<(u64, u64)>) -> Result<Self, RecordError> {
        let mut end = 0;
        for &(offset, length) in &ranges {
            if offset < end {
                return Err(RecordError::Ranges);
            }
            end = offset.checked_add(length).ok_or(RecordError::Ranges)?;
        }
        if ranges.len() > MAX_RANGES {
            return Err(RecordError::Ranges);
        }
        Ok(Self(ranges))
    }

    /// The ranges.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Bytes in all ranges.
    pub fn length(&self) -> u64 {
        // No overflow: the ranges lie one after another below 2^64.
        self.0.iter().map(|&(_, length)| length).sum()
    }

    /// The canonical bytes, empty for a part that is the whole original.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        if self.0.len() == 1 && self.0[0].0 == 0 {
            return Vec::new();
        }
        codec::encode(self)
    }

    /// Reads what [`Self::to_bytes`] wrote, for a part of `length` bytes.
    pub(crate) fn from_bytes(bytes: &[u8], length: u64) -> Result<Self, RecordError> {
        if bytes.is_empty() {
            return Ok(Self::whole(length));
        }
        let raw: Self = codec::decode(bytes).map_err(|_| RecordError::Ranges)?;
        let layout = Self::new(raw.0)?;
        if layout.length() != length || layout.to_bytes() != bytes {
            return Err(RecordError::Ranges);
        }
        Ok(layout)
    }
}

/// One part of an original.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartSource {
    /// Its class.
    pub class: Class,
    /// RFC 6838 media type, ASCII, at most [`MAX_MEDIA_TYPE`] bytes.
    pub media_type: String,
    /// Where it lies.
    pub layout: Layout,
}

/// A record before it is sealed.
pub struct RecordSource {
    original: Box<dyn Original>,
    length: u64,
    parts: Vec<PartSource>,
}

impl RecordSource {
    /// An original with its parts, which together cover it exactly once.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn new(original: Box<dyn Original>, parts: Vec<PartSource>) -> Result<Self, RecordError> {
        if parts.is_empty() || parts.len() > MAX_PARTS {
            return Err(RecordError::Parts(parts.len()));
        }
        if !parts.iter().all(|part| is_media_type(&part.media_type)) {
            return Err(RecordError::MediaType);
        }
        let mut ranges: Vec<_> = parts
            .iter()
            .flat_map(|part| part.layout.0.clone())
            .collect();
        ranges.sort_unstable();
        let mut end = 0;
        for (offset, length) in ranges {
            if offset != end {
                return Err(RecordError::NotCovered {
                    at: offset.min(end),
                });
            }
            end = offset.saturating_add(length);
        }
        if end
            != original
                .length()
                .map_err(|error| RecordError::Read(error.to_string()))?
        {
            return Err(RecordError::NotCovered { at: end });
        }
        Ok(Self {
            original,
            length: end,
            parts,
        })
    }

    /// An original as one part.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn whole(
        original: Box<dyn Original>,
        class: Class,
        media_type: &str,
    ) -> Result<Self, RecordError> {
        let length = original
            .length()
            .map_err(|error| RecordError::Read(error.to_string()))?;
        let part = PartSource {
            class,
            media_type: media_type.to_owned(),
            layout: Layout::whole(length),
        };
        Self::new(original, vec![part])
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[PartSource] {
        &self.parts
    }

    /// Bytes of the original when its parts were made.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of the original now.
    pub(crate) fn length_now(&self) -> io::Result<u64> {
        self.original.length()
    }

    /// The bytes of part `index`.
    pub(crate) fn read(&self, part: &PartSource) -> io::Result<PartReader> {
        Ok(PartReader {
            original: self.original.open()?,
            ranges: part.layout.0.clone().into_iter(),
            left: 0,
        })
    }
}

/// Writes a part's bytes at their places in the original.
///
/// # Errors
/// [`RecordError::Read`] when reading or writing fails or `part` is too short.
pub fn place<W: Write + Seek>(
    part: &mut dyn Read,
    layout: &Layout,
    original: &mut W,
) -> Result<(), RecordError> {
    let failed = |error: io::Error| RecordError::Read(error.to_string());
    for &(offset, length) in &layout.0 {
        original.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let copied = io::copy(&mut part.take(length), original).map_err(failed)?;
        if copied != length {
            return Err(RecordError::Ranges);
        }
    }
    Ok(())
}

/// Whether these layouts cover an original exactly once; its length if they do.
pub fn covers(layouts: &[&Layout]) -> Option<u64> {
    let mut ranges: Vec<_> = layouts.iter().flat_map(|layout| layout.0.clone()).collect();
    ranges.sort_unstable();
    ranges.into_iter().try_fold(0u64, |end, (offset, length)| {
        (offset == end).then(|| end.checked_add(length))?
    })
}

/// Why bytes are not a record, or not parts of one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// None, or more than [`MAX_PARTS`].
    #[error("a record has 1 to {MAX_PARTS} parts, not {0}")]
    Parts(usize),
    /// Not a media type.
    #[error(
        "a media type is 1 to {MAX_MEDIA_TYPE} printable ASCII characters, such as application/fhir+json"
    )]
    MediaType,
    /// Ranges that overlap, run backwards or are too many.
    #[error("the byte ranges of a part overlap, are out of order, or are more than {MAX_RANGES}")]
    Ranges,
    /// Bytes of the original in no part, or in two.
    #[error("the parts do not cover the record exactly once: see byte {at}")]
    NotCovered {
        /// First such byte.
        at: u64,
    },
    /// The original cannot be read, or a part not written.
    #[error("{0}")]
    Read(String),
}

/// The bytes of one part, range after range.
pub(crate) struct PartReader {
    original: Box<dyn ReadSeek>,
    ranges: std::vec::IntoIter<(u64, u64)>,
    left: u64,
}

impl Read for PartReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some((offset, length)) = self.ranges.next() else {
                return Ok(0);
            };
            self.original.seek(SeekFrom::Start(offset))?;
            self.left = length;
        }
        let room = out
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.original.read(&mut out[..room])?;
        if count == 0 && room > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Whether `text` may stand as a media type.
pub(crate) fn is_media_type(text: &str) -> bool {
    (1..=MAX_MEDIA_TYPE).contains(&text.len())
        && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn part(ranges: &[(u64, u64)]) -> PartSource {
        PartSource {
            class: Class::Other,
            media_type: "text/plain".into(),
            layout: Layout::new(ranges.to_vec()).unwrap(),
        }
    }

    #[test]
    fn parts_join_to_the_original() {
        let bytes: Arc<[u8]> = b"{head[one,two,three]tail}".to_vec().into();
        let parts = vec![
            part(&[(6, 3), (14, 5)]),
            part(&[(0, 6), (9, 1), (13, 1), (19, 6)]),
            part(&[(10, 3)]),
        ];
        let source = RecordSource::new(Box::new(bytes.clone()), parts).unwrap();
        let mut joined = Cursor::new(Vec::new());
        let mut texts = Vec::new();
        for part in source.parts() {
            let mut text = Vec::new();
            source.read(part).unwrap().read_to_end(&mut text).unwrap();
            place(&mut text.as_slice(), &part.layout, &mut joined).unwrap();
            let again = Layout::from_bytes(&part.layout.to_bytes(), text.len() as u64).unwrap();
            assert_eq!(again, part.layout);
            texts.push(String::from_utf8(text).unwrap());
        }
        assert_eq!(texts, ["onethree", "{head[,,]tail}", "two"]);
        assert_eq!(joined.into_inner(), *bytes);
        let layouts: Vec<_> = source.parts().iter().map(|part| &part.layout).collect();
        assert_eq!(covers(&layouts), Some(25));
        assert_eq!(covers(&layouts[1..]), None);
    }

    /// A file that became shorter.
    struct Cut;

    impl Original for Cut {
        fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
            Ok(Box::new(Cursor::new(vec![1; 6])))
        }

        fn length(&self) -> io::Result<u64> {
            Ok(10)
        }
    }

    #[test]
    fn a_part_that_is_cut_off_has_not_ended() {
        let source = RecordSource::whole(Box::new(Cut), Class::Other, "text/plain").unwrap();
        let mut part = source.read(&source.parts()[0]).unwrap();
        assert_eq!(part.read(&mut []).unwrap(), 0, "no room is no end");
        let mut text = Vec::new();
        let error = part.read_to_end(&mut text).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(text, [1; 6]);
    }

    #[test]
    fn bad_parts_are_refused() {
        let bytes: Arc<[u8]> = vec![0; 10].into();
        let refused = |parts| {
            RecordSource::new(Box::new(bytes.clone()), parts)
                .err()
                .unwrap()
        };
        assert_eq!(refused(vec![]), RecordError::Parts(0));
        assert_eq!(
            refused(vec![part(&[(0, 4)]), part(&[(5, 5)])]),
            RecordError::NotCovered { at: 4 }
        );
        assert_eq!(
            refused(vec![part(&[(0, 6)]), part(&[(5, 5)])]),
            RecordError::NotCovered { at: 5 }
        );
        assert_eq!(
            refused(vec![part(&[(0, 11)])]),
            RecordError::NotCovered { at: 11 }
        );
        assert_eq!(Layout::new(vec![(5, 1), (0, 5)]), Err(RecordError::Ranges));
        assert_eq!(Layout::new(vec![(5, u64::MAX)]), Err(RecordError::Ranges));
        let odd = PartSource {
            media_type: "text/\u{7}".into(),
            ..part(&[(0, 10)])
        };
        assert_eq!(refused(vec![odd]), RecordError::MediaType);
    }
}
