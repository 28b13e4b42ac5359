//! Clinical documents: CDA R2 and C-CDA, whose narrative is what their author attested.
//!
//! Source: HL7 CDA R2, sections 4.2 (header) and 4.3 (body). The coded entries behind the
//! narrative are for machines and stay in the file.

use crate::{when::Moment, words::chart as w};

use super::{
    Limits,
    model::{Block, Cell, Kind, Label, Reading, Remark, cut},
    narrative,
    xml::{self, Element},
};

/// Reads a clinical document; other XML is shown as the text that it is.
pub(crate) fn read(text: &str) -> Result<Reading, Remark> {
    let tree = xml::parse(text).ok_or(Remark::plain(w::XML_IS_BROKEN))?;
    if tree.root.name != "ClinicalDocument" {
        return Err(Remark::of(w::XML_OF_ANOTHER_KIND, &tree.root.name));
    }
    let root = &tree.root;
    let title = root.child("title").map(Element::text).unwrap_or_default();
    let mut reading = Reading::new(Kind::Cda, Label::foreign(&title));
    if title.is_empty() {
        reading.title = Label::Term(w::KIND_CDA);
    }
    header(root, &mut reading);
    if let Some(body) = root.at(&["component", "structuredBody"]) {
        for component in body
            .elements()
            .filter(|element| element.name == "component")
        {
            component
                .elements()
                .for_each(|section| self::section(section, &mut reading));
        }
    }
    if let Some(body) = root.at(&["component", "nonXMLBody", "text"]) {
        embedded(body, &mut reading);
    }
    if tree.cut {
        reading.remarks.push(Remark::plain(w::TOO_DEEP));
    }
    if reading.sections.is_empty() && reading.remarks.is_empty() {
        reading.remarks.push(Remark::plain(w::NOTHING_TO_READ));
    }
    Ok(reading)
}

fn header(root: &Element, reading: &mut Reading) {
    let patient = root.at(&["recordTarget", "patientRole"]);
    let person = patient.and_then(|role| role.child("patient"));
    reading.fact(w::PATIENT, Cell::maybe(person.map(name)));
    reading.fact(
        w::BORN,
        Cell::when(person.and_then(|p| time(p.child("birthTime")))),
    );
    let sex = person.and_then(|person| person.child("administrativeGenderCode"));
    reading.fact(
        w::SEX,
        match sex.and_then(|sex| sex.attribute("code")) {
            Some("F") => Cell::Term(w::FEMALE),
            Some("M") => Cell::Term(w::MALE),
            _ => Cell::maybe(sex.and_then(|sex| sex.attribute("displayName"))),
        },
    );
    reading.fact(w::WRITTEN, Cell::when(time(root.child("effectiveTime"))));
    let author = root.at(&["author", "assignedAuthor"]);
    let person = author.and_then(|author| author.child("assignedPerson"));
    reading.fact(w::AUTHOR, Cell::maybe(person.map(name)));
    let keeper = [
        "custodian",
        "assignedCustodian",
        "representedCustodianOrganization",
        "name",
    ];
    reading.fact(
        w::INSTITUTION,
        Cell::maybe(root.at(&keeper).map(Element::text)),
    );
}

/// A person's name: its parts in their order, the title that C-CDA puts behind included.
fn name(person: &Element) -> String {
    person.child("name").map(Element::text).unwrap_or_default()
}

fn time(element: Option<&Element>) -> Option<Moment> {
    let element = element?;
    let value = element.attribute("value");
    let value = value.or_else(|| element.child("low")?.attribute("value"));
    Moment::compact(value?)
}

/// A section and those in it, which come after it. The parser bounds how deep.
fn section(section: &Element, reading: &mut Reading) {
    if section.name != "section" {
        return;
    }
    let title = section
        .child("title")
        .map(Element::text)
        .unwrap_or_default();
    let label = if title.is_empty() {
        Label::Term(w::SECTION)
    } else {
        Label::foreign(&title)
    };
    if let Some(text) = section.child("text") {
        let (nodes, cut) = narrative::read(text);
        if cut {
            reading.remarks.push(Remark::of(w::SECTION_IS_CUT, &title));
        }
        let blocks = if narrative::is_blank(&nodes) {
            vec![Block::Text("–".into())]
        } else {
            vec![Block::Narrative(nodes)]
        };
        reading.section(label, blocks);
    }
    for component in section
        .elements()
        .filter(|element| element.name == "component")
    {
        component
            .elements()
            .for_each(|inner| self::section(inner, reading));
    }
}

/// A body that is not XML: a letter scanned, a PDF, or plain text.
fn embedded(body: &Element, reading: &mut Reading) {
    let media = body.attribute("mediaType").unwrap_or("text/plain");
    let text = body.text();
    if media == "text/plain" && body.attribute("representation") != Some("B64") {
        let (shown, was_cut) = cut(&text, Limits::TEXT);
        if was_cut {
            reading.remarks.push(Remark::plain(w::TEXT_IS_CUT));
        }
        reading.section(Label::Term(w::TEXT), vec![Block::Text(shown)]);
    } else {
        reading.remarks.push(Remark::of(w::EMBEDDED_FILE, media));
    }
}
