//! Elements of a DICOM file, borrowed from its bytes.
//!
//! Source: DICOM PS3.5, section 7 (data set), annex A (transfer syntaxes); PS3.10, section 7.
//! A length is only ever compared with what is left of the file. Sequences are walked over,
//! never into, but for the one table below whose items carry what an enhanced image needs.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Group and element.
pub(crate) type Tag = (u16, u16);

/// Pixel data: as it is, or in fragments, the first of which is a table of offsets.
#[derive(Clone, Debug)]
pub(crate) enum Pixels<'a> {
    Plain(&'a [u8]),
    Fragments(Vec<&'a [u8]>),
}

/// A file's elements.
#[derive(Debug)]
pub(crate) struct Data<'a> {
    pub(crate) file: &'a [u8],
    elements: Vec<(Tag, &'a [u8])>,
    /// Those of sequences.
    inner: Vec<(Tag, &'a [u8])>,
    pub(crate) pixels: Option<Pixels<'a>>,
    pub(crate) syntax: String,
    /// The file ends before its header says so, or has more elements than are looked at.
    pub(crate) cut: bool,
    encoding: &'static Encoding,
}

/// Reads as far as the file goes.
pub(crate) fn parse(file: &[u8]) -> Data<'_> {
    let mut data = Data {
        file,
        elements: Vec::new(),
        inner: Vec::new(),
        pixels: None,
        syntax: String::new(),
        cut: false,
        encoding: WINDOWS_1252,
    };
    // The meta group is always explicit; it ends where the group does.
    let mut reader = Walk {
        rest: file.get(132..).unwrap_or_default(),
        explicit: true,
    };
    while reader.rest.get(..2) == Some(&[2, 0]) {
        match reader.element() {
            Some(Element::Value(tag, value)) => data.keep(tag, value, 0),
            Some(_) => {}
            None => {
                data.cut = true;
                return data;
            }
        }
    }
    data.syntax = data.text((0x0002, 0x0010));
    reader.explicit = data.syntax != IMPLICIT;
    if UNREADABLE.contains(&data.syntax.as_str()) {
        return data; // deflated or big endian: nothing behind the meta group can be read
    }
    reader.all(&mut data, 0);
    data.encoding = match data.text((0x0008, 0x0005)).as_str() {
        "ISO_IR 192" => UTF_8,
        "ISO_IR 101" => encoding_rs::ISO_8859_2,
        "ISO_IR 144" => encoding_rs::ISO_8859_5,
        "ISO_IR 13" => encoding_rs::SHIFT_JIS,
        "GB18030" | "GBK" => encoding_rs::GB18030,
        _ => WINDOWS_1252,
    };
    data
}

pub(crate) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub(crate) const RLE: &str = "1.2.840.10008.1.2.5";
const UNREADABLE: &[&str] = &["1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"];

/// Whether pictures of this transfer syntax are drawn.
pub(crate) fn drawn(syntax: &str) -> bool {
    [IMPLICIT, EXPLICIT, RLE].contains(&syntax)
}

/// Most elements that are kept; a file of thousands of private ones is no picture to us.
const ELEMENTS: usize = 20_000;
/// Deepest sequence that is walked into.
const DEPTH: u32 = 6;

impl<'a> Data<'a> {
    fn keep(&mut self, tag: Tag, value: &'a [u8], depth: u32) {
        let list = if depth == 0 {
            &mut self.elements
        } else {
            &mut self.inner
        };
        if list.len() < ELEMENTS {
            list.push((tag, value));
        } else {
            self.cut = true;
        }
    }

    /// An element's bytes: the first of that tag outside of sequences. What an enhanced
    /// image says of its pixels may stand in its functional groups.
    pub(crate) fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        let inner = if tag.0 == 0x0028 {
            self.inner.as_slice()
        } else {
            &[]
        };
        let mut all = self.elements.iter().chain(inner);
        all.find(|(found, _)| *found == tag)
            .map(|(_, value)| *value)
    }

    /// An element as text, at most 1,000 bytes of it.
    pub(crate) fn text(&self, tag: Tag) -> String {
        let bytes = self.bytes(tag).unwrap_or_default();
        let text = self
            .encoding
            .decode_without_bom_handling(&bytes[..bytes.len().min(1_000)])
            .0;
        text.trim_matches(['\0', ' ']).to_owned()
    }

    /// An unsigned short.
    pub(crate) fn number(&self, tag: Tag) -> Option<u16> {
        let bytes = self.bytes(tag)?.first_chunk::<2>()?;
        Some(u16::from_le_bytes(*bytes))
    }

    /// The first of decimal numbers in text.
    pub(crate) fn decimal(&self, tag: Tag) -> Option<f64> {
        let text = self.text(tag);
        let number: f64 = text.split('\\').next()?.trim().parse().ok()?;
        number.is_finite().then_some(number)
    }
}

enum Element<'a> {
    Value(Tag, &'a [u8]),
    /// A sequence's items, whose length may be undefined.
    Sequence(Option<&'a [u8]>),
    Pixels(Pixels<'a>),
}

struct Walk<'a> {
    rest: &'a [u8],
    explicit: bool,
}

impl<'a> Walk<'a> {
    /// Every element from here on, those in items of sequences too. `depth` counts the
    /// sequences around.
    fn all(&mut self, data: &mut Data<'a>, depth: u32) {
        let mut open = depth; // and those of undefined length that began here
        while !self.rest.is_empty() {
            // Items are walked flat: only their headers are skipped.
            match self.rest.first_chunk::<4>() {
                Some([0xfe, 0xff, 0xdd, 0xe0]) => {
                    open = open.saturating_sub(1).max(depth);
                    self.rest = self.rest.get(8..).unwrap_or_default();
                    continue;
                }
                Some([0xfe, 0xff, _, _]) => {
                    self.rest = self.rest.get(8..).unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            match self.element() {
                Some(Element::Value(tag, value)) => data.keep(tag, value, open),
                // What follows pixels is padding and signatures; those in a sequence are an
                // icon's.
                Some(Element::Pixels(pixels)) if open == 0 => {
                    data.pixels = Some(pixels);
                    return;
                }
                Some(Element::Pixels(_)) => {}
                // Undefined length: its items follow here.
                Some(Element::Sequence(None)) => open += 1,
                Some(Element::Sequence(Some(items))) if depth < DEPTH => {
                    Self {
                        rest: items,
                        explicit: self.explicit,
                    }
                    .all(data, depth.max(open) + 1);
                }
                Some(Element::Sequence(Some(_))) => {}
                None => {
                    data.cut = true;
                    return;
                }
            }
        }
    }

    fn element(&mut self) -> Option<Element<'a>> {
        let header = self.rest.first_chunk::<8>()?;
        let tag = (
            u16::from_le_bytes([header[0], header[1]]),
            u16::from_le_bytes([header[2], header[3]]),
        );
        let (length, skip, sequence) = if self.explicit {
            let long = matches!(
                &header[4..6],
                b"OB"
                    | b"OD"
                    | b"OF"
                    | b"OL"
                    | b"OV"
                    | b"OW"
                    | b"SQ"
                    | b"UC"
                    | b"UN"
                    | b"UR"
                    | b"UT"
                    | b"SV"
                    | b"UV"
            );
            let sequence = &header[4..6] == b"SQ";
            if long {
                let length = self.rest.get(8..12)?.first_chunk::<4>()?;
                (u32::from_le_bytes(*length), 12, sequence)
            } else {
                (
                    u32::from(u16::from_le_bytes([header[6], header[7]])),
                    8,
                    false,
                )
            }
        } else {
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
            (length, 8, SEQUENCES.contains(&tag))
        };
        let body = self.rest.get(skip..)?;
        if length == UNDEFINED {
            self.rest = body;
            return Some(if tag == PIXELS {
                Element::Pixels(Pixels::Fragments(self.fragments()?))
            } else {
                Element::Sequence(None)
            });
        }
        // The only use of a claimed length: is there as much?
        let value = body.get(..length as usize)?;
        self.rest = &body[length as usize..];
        Some(if tag == PIXELS {
            Element::Pixels(Pixels::Plain(value))
        } else if sequence {
            Element::Sequence(Some(value))
        } else {
            Element::Value(tag, value)
        })
    }

    /// Items up to the sequence's end.
    fn fragments(&mut self) -> Option<Vec<&'a [u8]>> {
        let mut fragments = Vec::new();
        while let Some(header) = self.rest.first_chunk::<8>() {
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
            match &header[..4] {
                [0xfe, 0xff, 0x00, 0xe0] if fragments.len() < ELEMENTS => {
                    fragments.push(self.rest.get(8..)?.get(..length)?);
                    self.rest = &self.rest[8 + length..];
                }
                [0xfe, 0xff, 0xdd, 0xe0] => {
                    self.rest = &self.rest[8..];
                    return Some(fragments);
                }
                _ => return None,
            }
        }
        None
    }
}

const PIXELS: Tag = (0x7fe0, 0x0010);
const UNDEFINED: u32 = u32::MAX;

/// Sequences that are walked into where the syntax does not name them: functional groups of
/// enhanced images, in which windows and slopes lie (PS3.6).
const SEQUENCES: &[Tag] = &[
    (0x5200, 0x9229),
    (0x5200, 0x9230),
    (0x0028, 0x9132),
    (0x0028, 0x9145),
];
