//! DICOM: what its header says, and its picture if it is of a kind that is drawn here.
//!
//! Drawn: uncompressed little endian and RLE, 8 or 16 bits, grey or RGB. Everything else
//! (JPEG, JPEG 2000, deflated, reports, dose) says plainly that it is not, and stays a file.
//! The reader is our own because no parser that we found keeps to "nothing is allocated from
//! a claimed size" (docs/adr/0021); it borrows from the file and allocates nothing.

mod pixels;
mod read;
mod rle;

use crate::{
    when::Moment,
    words::{Term, chart as w},
};

use super::model::{Block, Cell, Kind, Label, Reading, Remark};
use read::{Data, Tag};

/// Whether the bytes are a DICOM file (PS3.10, section 7.1).
pub(crate) fn is(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
}

/// Reads header and picture.
pub(crate) fn read(bytes: &[u8]) -> Reading {
    let data = read::parse(bytes);
    let mut reading = Reading::new(Kind::Dicom, Label::Term(w::KIND_DICOM));
    let named = [STUDY, SERIES].map(|tag| data.text(tag));
    if let Some(name) = named.iter().find(|name| !name.is_empty()) {
        reading.title = Label::foreign(name);
    }
    facts(&data, &mut reading);
    if data.cut {
        reading.remarks.push(Remark::plain(w::DICOM_IS_CUT));
    }
    match pixels::draw(&data) {
        Ok(pictures) => {
            let blocks = pictures.into_iter().map(Block::Picture).collect();
            reading.section(Label::Term(w::PICTURE), blocks);
            reading.remarks.push(Remark::plain(w::NOT_FOR_DIAGNOSIS));
        }
        Err(remark) => reading.remarks.push(remark),
    }
    reading
}

const STUDY: Tag = (0x0008, 0x1030);
const SERIES: Tag = (0x0008, 0x103e);

fn facts(data: &Data<'_>, reading: &mut Reading) {
    let modality = data.text((0x0008, 0x0060));
    let known = MODALITIES.iter().find(|(code, _)| *code == modality);
    reading.fact(
        w::KIND,
        known.map_or_else(|| Cell::text(&modality), |(_, term)| Cell::Term(*term)),
    );
    let name = data.text((0x0010, 0x0010));
    let mut parts = name.split('^');
    let family = parts.next().unwrap_or_default();
    let given = parts.collect::<Vec<_>>().join(" ");
    reading.fact(w::PATIENT, Cell::text(format!("{} {family}", given.trim())));
    reading.fact(
        w::BORN,
        Cell::when(Moment::compact(&data.text((0x0010, 0x0030)))),
    );
    reading.fact(
        w::SEX,
        match data.text((0x0010, 0x0040)).as_str() {
            "F" => Cell::Term(w::FEMALE),
            "M" => Cell::Term(w::MALE),
            other => Cell::text(other),
        },
    );
    let date = data.text((0x0008, 0x0020));
    let time = data.text((0x0008, 0x0030));
    let at = Moment::compact(&format!("{date}{time}")).or_else(|| Moment::compact(&date));
    reading.fact(w::TAKEN, Cell::when(at));
    for (term, tag) in [
        (w::BODY_PART, (0x0018, 0x0015)),
        (w::SERIES, SERIES),
        (w::INSTITUTION, (0x0008, 0x0080)),
        (w::DEVICE, (0x0008, 0x1090)),
        (w::NUMBER_IN_SERIES, (0x0020, 0x0013)),
    ] {
        reading.fact(term, Cell::text(data.text(tag)));
    }
    if let (Some(columns), Some(rows)) = (data.number(pixels::COLUMNS), data.number(pixels::ROWS)) {
        reading.fact(w::POINTS, Cell::text(format!("{columns} × {rows}")));
    }
    reading.fact(w::SIZE, Cell::Size(data.file.len() as u64));
}

/// PS3.3, section C.7.3.1.1.1, the common ones.
const MODALITIES: &[(&str, Term)] = &[
    ("CT", w::MODALITY_CT),
    ("MR", w::MODALITY_MR),
    ("US", w::MODALITY_US),
    ("CR", w::MODALITY_XRAY),
    ("DX", w::MODALITY_XRAY),
    ("MG", w::MODALITY_MG),
    ("XA", w::MODALITY_XA),
    ("NM", w::MODALITY_NM),
    ("PT", w::MODALITY_PT),
    ("SR", w::MODALITY_SR),
    ("RTDOSE", w::MODALITY_RTDOSE),
];
