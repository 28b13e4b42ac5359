//! What every reader makes: titles, facts, tables, plots, narrative, pictures.

use crate::{
    plot::Plot,
    when::Moment,
    words::{Term, chart as w},
};

use super::{Limits, narrative::Node};

/// A record in a form that a page can show in any language.
#[derive(Clone, Debug)]
pub struct Reading {
    pub(crate) kind: Kind,
    pub(crate) title: Label,
    pub(crate) facts: Vec<(Term, Cell)>,
    pub(crate) sections: Vec<Section>,
    pub(crate) remarks: Vec<Remark>,
}

/// The format of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A FHIR R4 bundle or resource in JSON.
    Fhir,
    /// A clinical document (CDA R2, C-CDA).
    Cda,
    /// A message of HL7 version 2.
    Hl7,
    /// A DICOM file.
    Dicom,
    /// Any other text.
    Text,
    /// Any other file.
    File,
}

impl Kind {
    pub(crate) const fn term(self) -> Term {
        match self {
            Self::Fhir => w::KIND_FHIR,
            Self::Cda => w::KIND_CDA,
            Self::Hl7 => w::KIND_HL7,
            Self::Dicom => w::KIND_DICOM,
            Self::Text => w::KIND_TEXT,
            Self::File => w::KIND_FILE,
        }
    }
}

/// A heading: of the catalogue, or in the record's own words.
#[derive(Clone, Debug)]
pub(crate) enum Label {
    Term(Term),
    Foreign(String),
}

impl Label {
    pub(crate) fn foreign(text: &str) -> Self {
        Self::Foreign(cut(text.trim(), 300).0)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) title: Label,
    pub(crate) blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
pub(crate) enum Block {
    Table(Table),
    Plots(Vec<Plot>),
    Narrative(Vec<Node>),
    Picture(Picture),
    Text(String),
    /// Shown on demand.
    Fold(Label, Vec<Block>),
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) caption: Label,
    pub(crate) head: Vec<Term>,
    pub(crate) rows: Vec<Row>,
    /// Rows that were left out.
    pub(crate) more: usize,
}

impl Table {
    /// The first rows of `rows`, as many as a page shows.
    pub(crate) fn new(caption: Label, head: &[Term], mut rows: Vec<Row>) -> Self {
        let more = rows.len().saturating_sub(Limits::ROWS);
        rows.truncate(Limits::ROWS);
        Self {
            caption,
            head: head.to_vec(),
            rows,
            more,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) cells: Vec<Cell>,
    pub(crate) sensitive: bool,
    /// By what a table is sorted, newest first.
    pub(crate) at: Option<Moment>,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Cell {
    #[default]
    Empty,
    Term(Term),
    Text(String),
    When(Moment),
    Span(Option<Moment>, Option<Moment>),
    /// A number as the source wrote it, and its unit.
    Quantity(String, String),
    Size(u64),
    /// Several values with their names: the components of a blood pressure.
    Named(Vec<(String, Cell)>),
    /// Outside of what is usual, by the record's own word.
    Flagged(Box<Cell>, Term),
}

impl Cell {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        let text = text.as_ref().trim();
        if text.is_empty() {
            Self::Empty
        } else {
            Self::Text(cut(text, Limits::CELL).0)
        }
    }

    pub(crate) fn maybe(text: Option<impl AsRef<str>>) -> Self {
        text.map_or(Self::Empty, Self::text)
    }

    pub(crate) fn when(moment: Option<Moment>) -> Self {
        moment.map_or(Self::Empty, Self::When)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        match self {
            Self::Empty | Self::Span(None, None) => true,
            Self::Named(values) => values.is_empty(),
            _ => false,
        }
    }
}

/// A picture ready for a browser.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) png: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Which of how many frames, from 1.
    pub(crate) frame: (u32, u32),
}

/// Something a reader wants said: what is not shown, and why.
#[derive(Clone, Debug)]
pub(crate) struct Remark {
    pub(crate) term: Term,
    pub(crate) arguments: Vec<String>,
}

impl Remark {
    pub(crate) const fn plain(term: Term) -> Self {
        Self {
            term,
            arguments: Vec::new(),
        }
    }

    pub(crate) fn of(term: Term, argument: impl ToString) -> Self {
        Self {
            term,
            arguments: vec![cut(&argument.to_string(), 200).0],
        }
    }
}

impl Reading {
    pub(crate) const fn new(kind: Kind, title: Label) -> Self {
        Self {
            kind,
            title,
            facts: Vec::new(),
            sections: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Which format it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn fact(&mut self, term: Term, cell: Cell) {
        if !cell.is_empty() && self.facts.len() < Limits::SECTIONS {
            self.facts.push((term, cell));
        }
    }

    /// A section, unless nothing is in it or there are too many.
    pub(crate) fn section(&mut self, title: Label, blocks: Vec<Block>) {
        if blocks.is_empty() {
            return;
        }
        if self.sections.len() < Limits::SECTIONS {
            self.sections.push(Section { title, blocks });
        } else if self.sections.len() == Limits::SECTIONS {
            self.remarks.push(Remark::plain(w::SECTIONS_LEFT_OUT));
            self.sections.push(Section {
                title,
                blocks: Vec::new(),
            });
        }
    }

    /// A section of one table, newest row first, unless it is empty.
    pub(crate) fn table(&mut self, title: Term, head: &[Term], mut rows: Vec<Row>) {
        if !rows.is_empty() {
            rows.sort_by_key(|row| std::cmp::Reverse(row.at));
            let table = Table::new(Label::Term(title), head, rows);
            self.section(Label::Term(title), vec![Block::Table(table)]);
        }
    }
}

/// At most `most` characters of `text`, and whether that cut it. Control characters, which
/// HTML does not have, are seen as such.
pub(crate) fn cut(text: &str, most: usize) -> (String, bool) {
    match text.char_indices().nth(most) {
        Some((at, _)) => (format!("{}…", clean(&text[..at])), true),
        None => (clean(text), false),
    }
}

pub(crate) fn clean(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\t' => c,
        '\r' => '\n',
        c if c.is_control() || ('\u{fdd0}'..='\u{fdef}').contains(&c) => {
            char::REPLACEMENT_CHARACTER
        }
        c if (c as u32) & 0xfffe == 0xfffe => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(visible).collect()
}

/// A unit of UCUM as people write it: annotations without their braces, pressure without
/// brackets.
pub(crate) fn unit_words(unit: &str) -> String {
    let unit = cut(unit, 40).0;
    match unit.as_str() {
        "mm[Hg]" => "mmHg".into(),
        "1" => String::new(),
        other => other.replace(['{', '}'], ""),
    }
}
