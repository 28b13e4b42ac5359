//! A tree of XML, bounded in depth and in number of elements.
//!
//! Only the five entities of XML and character references mean something; a document type
//! is skipped, so no entity of its own is ever expanded: what it names stays `&name;`.

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::Limits;

/// An element without its namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Child>,
}

#[derive(Clone, Debug)]
pub(crate) enum Child {
    Element(Element),
    Text(String),
}

/// A parsed document, and whether anything was too deep or too much for it.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: Element,
    pub(crate) cut: bool,
}

/// Whether text looks like XML.
pub(crate) fn is(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

/// Parses as far as the bounds let; nothing if it is not well-formed.
pub(crate) fn parse(text: &str) -> Option<Tree> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()]; // the document itself
    let (mut cut, mut left, mut too_deep) = (false, ELEMENTS, 0_usize);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                if too_deep > 0 || open.len() > Limits::DEPTH || left == 0 {
                    (cut, too_deep) = (true, too_deep + 1);
                } else {
                    left -= 1;
                    open.push(element(&start));
                }
            }
            Event::Empty(start) => {
                if too_deep > 0 || left == 0 {
                    cut = true;
                } else {
                    left -= 1;
                    let child = Child::Element(element(&start));
                    open.last_mut()?.children.push(child);
                }
            }
            Event::End(_) if too_deep > 0 => too_deep -= 1,
            Event::End(_) => {
                let done = open.pop()?;
                open.last_mut()?.children.push(Child::Element(done));
            }
            Event::Text(text) if too_deep == 0 => push(&mut open, &text.xml10_content()),
            Event::CData(text) if too_deep == 0 => push(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) if too_deep == 0 => {
                let name = reference.xml10_content();
                let text = match (&*name, reference.resolve_char_ref()) {
                    (_, Ok(Some(c))) => c.to_string(),
                    ("lt", _) => "<".into(),
                    ("gt", _) => ">".into(),
                    ("amp", _) => "&".into(),
                    ("quot", _) => "\"".into(),
                    ("apos", _) => "'".into(),
                    ("nbsp", _) => "\u{a0}".into(),
                    _ => format!("&{name};"),
                };
                push(&mut open, &text);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if open.len() != 1 {
        return None;
    }
    let document = open.pop()?;
    let root = document
        .children
        .into_iter()
        .find_map(|child| match child {
            Child::Element(element) => Some(element),
            Child::Text(_) => None,
        })?;
    Some(Tree { root, cut })
}

/// Most elements of a tree: it costs some 200 bytes for each.
const ELEMENTS: usize = 500_000;

fn element(start: &BytesStart<'_>) -> Element {
    let attributes = start
        .attributes()
        .with_checks(false)
        .take(32)
        .filter_map(|attribute| {
            let attribute = attribute.ok()?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).ok()?;
            let name = attribute.key.local_name().into_inner().to_owned();
            Some((name, value.into_owned()))
        })
        .collect();
    Element {
        name: start.local_name().into_inner().to_owned(),
        attributes,
        children: Vec::new(),
    }
}

/// Texts that follow each other become one.
fn push(open: &mut [Element], text: &str) {
    let Some(element) = open.last_mut() else {
        return;
    };
    if let Some(Child::Text(before)) = element.children.last_mut() {
        before.push_str(text);
    } else {
        element.children.push(Child::Text(text.to_owned()));
    }
}

impl Element {
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|child| match child {
            Child::Element(element) => Some(element),
            Child::Text(_) => None,
        })
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.elements().find(|element| element.name == name)
    }

    /// The first element that is reached by these names.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |element, name| element.child(name))
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// All text below, one blank for each run of them. Depth is bounded by the parser.
    pub(crate) fn text(&self) -> String {
        fn collect(element: &Element, text: &mut String) {
            for child in &element.children {
                match child {
                    Child::Text(found) => text.push_str(found),
                    Child::Element(element) => collect(element, text),
                }
                text.push(' ');
            }
        }
        let mut text = String::new();
        collect(self, &mut text);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_billion_laughs_are_none() {
        let mut bomb = String::from("<!DOCTYPE a [<!ENTITY e0 \"ha\">");
        for level in 1..40 {
            let before = format!("&e{};", level - 1).repeat(10);
            bomb.push_str(&format!("<!ENTITY e{level} \"{before}\">"));
        }
        bomb.push_str("]><a b='&e39;'>&e39;&lt;&#x41;</a>");
        let tree = parse(&bomb);
        assert!(tree.is_some_and(|tree| tree.root.text() == "&e39;<A"));
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep = "<a>".repeat(10_000) + &"</a>".repeat(10_000);
        assert!(parse(&deep).is_some_and(|tree| tree.cut));
        let wide = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS + 5));
        let wide = parse(&wide);
        assert!(wide.is_some_and(|tree| tree.cut && tree.root.children.len() < ELEMENTS));
    }

    #[test]
    fn what_is_not_well_formed_is_none() {
        for text in [
            "",
            "<",
            "<a>",
            "<a></b>",
            "</a>",
            "text",
            "<a b=</a>",
            "<!DOCTYPE",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
