//! Messages of HL7 version 2: segments in plain words, results as tables.
//!
//! Source: HL7 2.5.1, chapters 2 (control), 3 (ADT), 4 (orders, vaccines), 7 (observations).
//! A batch is as many messages as it has MSH segments. Segments that have no words here are
//! shown field by field.

use hl7_parser::{
    Message,
    message::{Field, Segment, Separators},
};

use crate::{
    when::Moment,
    words::{Term, chart as w},
};

use super::{
    Limits,
    model::{Block, Cell, Kind, Label, Reading, Remark, Row, Table, cut, unit_words},
};

/// Whether text is a message, or a batch of them, in its MLLP frame or not.
pub(crate) fn is(text: &str) -> bool {
    let text = text.trim_start_matches(['\x0b', '\r', '\n', ' ']);
    ["MSH", "FHS", "BHS"]
        .iter()
        .any(|name| text.starts_with(name))
        && text.as_bytes().get(3).is_some_and(u8::is_ascii_punctuation)
}

/// Reads messages.
pub(crate) fn read(text: &str) -> Result<Reading, Remark> {
    let mut reading = Reading::new(Kind::Hl7, Label::Term(w::KIND_HL7));
    let mut messages = 0;
    for source in messages_of(text) {
        let Ok(message) = Message::parse_with_lenient_newlines(&source, true) else {
            reading
                .remarks
                .push(Remark::of(w::MESSAGE_UNREADABLE, messages + 1));
            messages += 1;
            continue;
        };
        messages += 1;
        if messages > MESSAGES {
            reading
                .remarks
                .push(Remark::of(w::MESSAGES_LEFT_OUT, MESSAGES));
            break;
        }
        self::message(&message, messages == 1, &mut reading);
    }
    if reading.sections.is_empty() {
        return Err(Remark::plain(w::NOTHING_TO_READ));
    }
    Ok(reading)
}

/// Most messages of a batch that are shown.
const MESSAGES: usize = 50;
/// Most segments of a message, and most bytes of one.
const SEGMENTS: usize = 5_000;

/// The text of each message, without frames, batch headers and blank lines.
fn messages_of(text: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    let lines = text.split(['\r', '\n', '\x0b', '\x1c']);
    for line in lines.map(str::trim_end).filter(|line| !line.is_empty()) {
        if line.starts_with("MSH") {
            if messages.len() > MESSAGES {
                break;
            }
            messages.push(line.to_owned());
        } else if let Some(message) = messages.last_mut() {
            let batch = ["FHS", "FTS", "BHS", "BTS"];
            if !batch.iter().any(|name| line.starts_with(name)) {
                message.push('\r');
                message.push_str(line);
            }
        }
    }
    messages
}

/// A segment with the separators that its message declared.
#[derive(Clone, Copy)]
struct View<'a> {
    segment: &'a Segment<'a>,
    separators: &'a Separators,
}

impl View<'_> {
    /// The field as text: repeats by `; `, components by blanks.
    fn whole(self, number: usize) -> String {
        self.segment
            .field(number)
            .map(|field| self.words(field))
            .unwrap_or_default()
    }

    fn words(self, field: &Field<'_>) -> String {
        let repeat = |raw: &str| {
            raw.split([self.separators.component, self.separators.subcomponent])
                .map(|part| self.plain(part))
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        };
        field
            .repeats()
            .take(50)
            .map(|found| repeat(found.raw_value()))
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// A component of the field's first repeat, numbered from 1.
    fn part(self, number: usize, component: usize) -> String {
        let field = self.segment.field(number);
        let repeat = field.and_then(|field| field.repeat(1));
        let found = repeat.and_then(|repeat| repeat.component(component));
        found
            .map(|found| self.plain(found.raw_value()))
            .unwrap_or_default()
    }

    /// A coded element in words: its text, its second text, or its code.
    fn coded(self, number: usize) -> String {
        [2, 5, 9, 1]
            .into_iter()
            .map(|component| self.part(number, component))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }

    fn moment(self, number: usize) -> Option<Moment> {
        Moment::compact(&self.part(number, 1))
    }

    /// A person's name as it is spoken: given, family.
    fn person(self, number: usize, first: usize) -> String {
        let family = self.part(number, first);
        let given = self.part(number, first + 1);
        format!("{given} {family}").trim().to_owned()
    }

    /// Escape sequences become what they mean; blanks at the ends go.
    fn plain(self, raw: &str) -> String {
        if raw == "\"\"" {
            return String::new(); // "deleted", in the standard's own spelling
        }
        let text = self.separators.decode(raw).to_string();
        text.replace("\\.br\\", "\n")
            .replace("\\H\\", "")
            .replace("\\N\\", "")
            .trim()
            .to_owned()
    }
}

fn message(message: &Message<'_>, first: bool, reading: &mut Reading) {
    let views = || {
        message.segments().take(SEGMENTS).map(|segment| View {
            segment,
            separators: &message.separators,
        })
    };
    let named = |name: &'static str| views().filter(move |view| view.segment.name == name);
    if let Some(header) = named("MSH").next() {
        let kind = header.part(9, 1);
        let title = meaning(&kind, KINDS).map_or_else(|| Label::foreign(&kind), Label::Term);
        if first {
            reading.title = title;
            reading.fact(w::SENT, Cell::when(header.moment(7)));
            let sender = format!("{} {}", header.part(3, 1), header.part(4, 1));
            reading.fact(w::SENDER, Cell::text(sender));
            reading.fact(w::MESSAGE_NUMBER, Cell::text(header.whole(10)));
        } else {
            let rows = facts(vec![
                (w::SENT, Cell::when(header.moment(7))),
                (w::MESSAGE_NUMBER, Cell::text(header.whole(10))),
            ]);
            reading.section(title.clone(), vec![pairs(title, rows)]);
        }
    }
    if let Some(patient) = named("PID").next() {
        let sex = match patient.part(8, 1).as_str() {
            "F" => Cell::Term(w::FEMALE),
            "M" => Cell::Term(w::MALE),
            other => Cell::text(other),
        };
        let person = vec![
            (w::PATIENT, Cell::text(patient.person(5, 1))),
            (w::BORN, Cell::when(patient.moment(7))),
            (w::SEX, sex),
            (w::NUMBERS, Cell::text(patient.part(3, 1))),
            (w::ADDRESS, Cell::text(patient.whole(11))),
        ];
        if first {
            person
                .into_iter()
                .for_each(|(term, cell)| reading.fact(term, cell));
        } else {
            let rows = facts(person);
            reading.section(
                Label::Term(w::PATIENT),
                vec![pairs(Label::Term(w::PATIENT), rows)],
            );
        }
    }
    if let Some(visit) = named("PV1").next() {
        let class = visit.part(2, 1);
        let rows = facts(vec![
            (
                w::KIND,
                meaning(&class, VISITS).map_or_else(|| Cell::text(&class), Cell::Term),
            ),
            (w::PLACE, Cell::text(visit.whole(3))),
            (w::ATTENDING, Cell::text(visit.person(7, 2))),
            (w::BEGAN, Cell::when(visit.moment(44))),
            (w::ENDED, Cell::when(visit.moment(45))),
        ]);
        if !rows.is_empty() {
            let label = Label::Term(w::VISIT);
            reading.section(label.clone(), vec![pairs(label, rows)]);
        }
    }
    reading.table(
        w::DIAGNOSES,
        &[w::WHAT, w::SINCE],
        named("DG1")
            .map(|view| {
                let text = view.coded(3);
                let text = if text.is_empty() { view.whole(4) } else { text };
                row(
                    view.moment(5),
                    vec![Cell::text(text), Cell::when(view.moment(5))],
                )
            })
            .collect(),
    );
    reading.table(
        w::ALLERGIES,
        &[w::WHAT, w::REACTION, w::SINCE],
        named("AL1")
            .map(|view| {
                let at = view.moment(6);
                let cells = vec![
                    Cell::text(view.coded(3)),
                    Cell::text(view.whole(5)),
                    Cell::when(at),
                ];
                row(at, cells)
            })
            .collect(),
    );
    reading.table(
        w::IMMUNISATIONS,
        &[w::VACCINE, w::GIVEN, w::DOSE],
        named("RXA")
            .map(|view| {
                let dose = Cell::Quantity(cut(&view.part(6, 1), 40).0, unit_words(&view.coded(7)));
                let dose = if view.part(6, 1).is_empty() {
                    Cell::Empty
                } else {
                    dose
                };
                let cells = vec![Cell::text(view.coded(5)), Cell::when(view.moment(3)), dose];
                row(view.moment(3), cells)
            })
            .collect(),
    );
    reading.table(
        w::MEDICATION,
        &[w::WHAT, w::DOSE],
        named("RXE")
            .map(|view| {
                let dose = format!("{} {}", view.part(3, 1), view.coded(5));
                row(None, vec![Cell::text(view.coded(2)), Cell::text(dose)])
            })
            .collect(),
    );
    results(views(), reading);
    let rest: Vec<Block> = views()
        .filter(|view| !SPOKEN.contains(&view.segment.name))
        .map(raw)
        .collect();
    if !rest.is_empty() {
        let rest = vec![Block::Fold(Label::Term(w::SEGMENT_BY_SEGMENT), rest)];
        reading.section(Label::Term(w::FURTHER_SEGMENTS), rest);
    }
}

/// Observations below the order they answer, with the notes between them.
fn results<'a>(views: impl Iterator<Item = View<'a>>, reading: &mut Reading) {
    let mut title = Label::Term(w::RESULTS);
    let (mut rows, mut notes): (Vec<Row>, Vec<String>) = (Vec::new(), Vec::new());
    let mut flush = |title: &Label, rows: &mut Vec<Row>, notes: &mut Vec<String>| {
        let mut blocks = Vec::new();
        if !rows.is_empty() {
            let head = [w::TEST, w::VALUE, w::USUAL, w::WHEN, w::STATE];
            blocks.push(Block::Table(Table::new(
                title.clone(),
                &head,
                std::mem::take(rows),
            )));
        }
        if !notes.is_empty() {
            let text = std::mem::take(notes).join("\n");
            blocks.push(Block::Text(cut(&text, Limits::TEXT).0));
        }
        reading.section(title.clone(), blocks);
    };
    for view in views {
        match view.segment.name {
            "OBR" => {
                flush(&title, &mut rows, &mut notes);
                let name = view.coded(4);
                title = if name.is_empty() {
                    Label::Term(w::RESULTS)
                } else {
                    Label::foreign(&name)
                };
            }
            "TXA" => {
                flush(&title, &mut rows, &mut notes);
                title = Label::Term(w::NOTES);
            }
            "OBX" => {
                let kind = view.part(2, 1);
                if matches!(kind.as_str(), "ED" | "RP") {
                    notes.push(format!("{}: [{}]", view.coded(3), view.part(5, 2)));
                } else if matches!(kind.as_str(), "TX" | "FT") {
                    let text = view.whole(5);
                    let name = view.coded(3);
                    let known =
                        name.is_empty() || matches!(&title, Label::Foreign(t) if *t == name);
                    notes.push(if known {
                        text
                    } else {
                        format!("{name}: {text}")
                    });
                } else {
                    rows.push(observation(view, &kind));
                }
            }
            "NTE" => notes.push(view.whole(3)),
            _ => {}
        }
    }
    flush(&title, &mut rows, &mut notes);
}

fn observation(view: View<'_>, kind: &str) -> Row {
    let value = match kind {
        "CE" | "CWE" | "CNE" => Cell::text(view.coded(5)),
        "TS" | "DT" | "DTM" => Cell::when(view.moment(5)),
        _ => {
            // A unit is written, not spelled out: its code before its name.
            let unit = view.part(6, 1);
            let unit = if unit.is_empty() {
                view.part(6, 2)
            } else {
                unit
            };
            match view.whole(5) {
                text if text.is_empty() => Cell::Empty,
                text if unit.is_empty() => Cell::text(text),
                text => Cell::Quantity(cut(&text, 200).0, unit_words(&unit)),
            }
        }
    };
    let flag = view.part(8, 1);
    let value = match flag.as_str() {
        "L" | "<" => Cell::Flagged(Box::new(value), w::LOW),
        "H" | ">" => Cell::Flagged(Box::new(value), w::HIGH),
        "LL" => Cell::Flagged(Box::new(value), w::VERY_LOW),
        "HH" => Cell::Flagged(Box::new(value), w::VERY_HIGH),
        "A" | "AA" => Cell::Flagged(Box::new(value), w::UNUSUAL),
        _ => value,
    };
    let state = view.part(11, 1);
    let at = view.moment(14);
    let cells = vec![
        Cell::text(view.coded(3)),
        value,
        Cell::text(view.whole(7)),
        Cell::when(at),
        meaning(&state, STATES).map_or_else(|| Cell::text(&state), Cell::Term),
    ];
    row(at, cells)
}

/// A segment without words of its own: its fields by number.
fn raw(view: View<'_>) -> Block {
    let fields = view.segment.fields().take(200).enumerate();
    let rows = fields
        .map(|(at, field)| (at + 1, view.words(field)))
        .filter(|(_, text)| !text.is_empty())
        .map(|(at, text)| row(None, vec![Cell::text(at.to_string()), Cell::text(text)]))
        .collect();
    let label = meaning(view.segment.name, SEGMENT_NAMES)
        .map_or_else(|| Label::foreign(view.segment.name), Label::Term);
    Block::Table(Table::new(label, &[w::FIELD, w::VALUE], rows))
}

fn row(at: Option<Moment>, cells: Vec<Cell>) -> Row {
    Row {
        cells,
        sensitive: false,
        at,
    }
}

fn facts(facts: Vec<(Term, Cell)>) -> Vec<Row> {
    facts
        .into_iter()
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(term, cell)| row(None, vec![Cell::Term(term), cell]))
        .collect()
}

fn pairs(label: Label, rows: Vec<Row>) -> Block {
    Block::Table(Table::new(label, &[w::WHAT, w::VALUE], rows))
}

fn meaning(code: &str, table: &[(&str, Term)]) -> Option<Term> {
    table
        .iter()
        .find(|(found, _)| *found == code)
        .map(|(_, term)| *term)
}

/// Segments that are told in words, or are empty of them.
const SPOKEN: &[&str] = &[
    "MSH", "PID", "PV1", "DG1", "AL1", "RXA", "RXE", "OBR", "OBX", "NTE", "TXA",
];

const KINDS: &[(&str, Term)] = &[
    ("ADT", w::MESSAGE_ADT),
    ("ORU", w::MESSAGE_ORU),
    ("OML", w::MESSAGE_ORDER),
    ("ORM", w::MESSAGE_ORDER),
    ("VXU", w::MESSAGE_VXU),
    ("MDM", w::MESSAGE_MDM),
    ("RDE", w::MESSAGE_RDE),
];

const VISITS: &[(&str, Term)] = &[
    ("I", w::INPATIENT),
    ("O", w::OUTPATIENT),
    ("E", w::EMERGENCY),
    ("P", w::PRE_ADMISSION),
];

const STATES: &[(&str, Term)] = &[
    ("F", w::FINAL),
    ("P", w::PRELIMINARY),
    ("C", w::CORRECTED),
    ("X", w::NOT_OBTAINED),
];

const SEGMENT_NAMES: &[(&str, Term)] = &[
    ("EVN", w::SEGMENT_EVN),
    ("NK1", w::SEGMENT_NK1),
    ("ORC", w::SEGMENT_ORC),
    ("IN1", w::SEGMENT_IN1),
    ("GT1", w::SEGMENT_GT1),
    ("PD1", w::SEGMENT_PD1),
    ("PV2", w::SEGMENT_PV2),
    ("SPM", w::SEGMENT_SPM),
    ("RXR", w::SEGMENT_RXR),
    ("PR1", w::SEGMENT_PR1),
    ("MRG", w::SEGMENT_MRG),
    ("TQ1", w::SEGMENT_TQ1),
];
