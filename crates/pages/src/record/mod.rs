//! Records as a person reads them: bytes in, a [`Reading`] out, HTML from that.
//!
//! A reader knows its format and no HTML; [`show()`] knows HTML and no format. Bytes are
//! hostile: nothing is allocated from a size that they claim, nothing recurses deeper than
//! [`Limits`] say, and what is left out is said in a remark, never passed over. What cannot
//! be read is a reading too, whose remark says so: the file itself can always be saved.

mod cda;
mod dicom;
mod fhir;
mod hl7;
mod model;
mod narrative;
mod show;
mod text;
mod xml;

pub use model::{Kind, Reading};
pub use show::{show, show_below};

use crate::words::chart as w;
use model::{Block, Cell, Label, Remark};

/// Bounds of what one page shows; a person reads less.
pub(crate) struct Limits;

impl Limits {
    /// Most bytes that a reader takes, in bytes. DICOM, of which only pictures are looked at,
    /// is taken at any size.
    pub(crate) const INPUT: usize = 64 << 20;
    /// Most bytes of XML, which becomes a tree of some ten times its size.
    pub(crate) const XML: usize = 16 << 20;
    /// Most rows of one table.
    pub(crate) const ROWS: usize = 1_000;
    /// Most characters of one cell.
    pub(crate) const CELL: usize = 4_000;
    /// Most characters of a text shown whole.
    pub(crate) const TEXT: usize = 400_000;
    /// Most sections, and most nodes of narrative.
    pub(crate) const SECTIONS: usize = 300;
    /// Most nodes of one narrative.
    pub(crate) const NODES: usize = 50_000;
    /// Deepest nesting of XML that is looked into.
    pub(crate) const DEPTH: usize = 100;
    /// Most plots, and most points of one.
    pub(crate) const PLOTS: usize = 60;
    /// Most points of one plot.
    pub(crate) const POINTS: usize = 2_000;
}

/// Reads a record, or a part of one, of whatever format its bytes are.
pub fn read(bytes: &[u8]) -> Reading {
    if dicom::is(bytes) {
        return dicom::read(bytes);
    }
    if bytes.len() > Limits::INPUT {
        return too_large(bytes.len() as u64);
    }
    let Some(decoded) = text::decode(bytes) else {
        let mut reading = too_large(bytes.len() as u64);
        reading.remarks = vec![Remark::plain(w::NOT_TEXT)];
        return reading;
    };
    let reading = if hl7::is(&decoded) {
        hl7::read(&decoded)
    } else if fhir::is(&decoded) {
        fhir::read(&decoded)
    } else if xml::is(&decoded) && decoded.len() <= Limits::XML {
        cda::read(&decoded)
    } else {
        Ok(plain(Kind::Text, &decoded))
    };
    reading.unwrap_or_else(|remark| {
        let mut reading = plain(Kind::Text, &decoded);
        reading.remarks.insert(0, remark);
        reading
    })
}

/// What a page shows of a record that is too large to be read into memory for it.
pub fn too_large(bytes: u64) -> Reading {
    let mut reading = Reading::new(Kind::File, Label::Term(Kind::File.term()));
    reading.fact(w::SIZE, Cell::Size(bytes));
    reading.remarks.push(Remark::plain(w::TOO_LARGE_TO_SHOW));
    reading
}

/// Text as it is.
fn plain(kind: Kind, decoded: &str) -> Reading {
    let mut reading = Reading::new(kind, Label::Term(kind.term()));
    let (shown, cut) = model::cut(decoded, Limits::TEXT);
    if cut {
        reading.remarks.push(Remark::plain(w::TEXT_IS_CUT));
    }
    reading.section(Label::Term(w::TEXT), vec![Block::Text(shown)]);
    reading
}
