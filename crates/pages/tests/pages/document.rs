//! A page as a tree, from the tokens that a browser sees; and what every page must have.

use html5gum::{Token, Tokenizer};
use std::collections::BTreeMap;

/// An element with its text and what is in it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) children: Vec<Node>,
}

#[derive(Debug)]
pub(crate) enum Node {
    Element(Element),
    Text(String),
}

const VOID: [&str; 6] = ["meta", "link", "input", "br", "img", "hr"];
/// Elements that a reader of records or a page may ever make.
const KNOWN: &[&str] = &[
    "html",
    "head",
    "meta",
    "title",
    "link",
    "script",
    "body",
    "a",
    "header",
    "p",
    "span",
    "nav",
    "ul",
    "ol",
    "li",
    "main",
    "footer",
    "article",
    "section",
    "h1",
    "h2",
    "h3",
    "dl",
    "div",
    "dt",
    "dd",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "time",
    "code",
    "form",
    "input",
    "label",
    "select",
    "option",
    "textarea",
    "fieldset",
    "legend",
    "button",
    "details",
    "summary",
    "pre",
    "figure",
    "figcaption",
    "img",
    "svg",
    "rect",
    "line",
    "text",
    "polyline",
    "circle",
    "strong",
    "em",
    "sub",
    "sup",
    "br",
    "blockquote",
];

/// Parses and checks that every tag that is opened is closed in its turn: only then does a
/// browser build the same tree.
pub(crate) fn parse(html: &str) -> Element {
    let mut open = vec![Element::default()];
    for token in Tokenizer::new(html) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8(tag.name.to_vec()).unwrap();
                assert!(KNOWN.contains(&name.as_str()), "<{name}> is on no list");
                let attributes = tag.attributes.iter().map(|(name, value)| {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    (text(name), text(value))
                });
                let element = Element {
                    name: name.clone(),
                    attributes: attributes.collect(),
                    children: Vec::new(),
                };
                if VOID.contains(&name.as_str()) {
                    open.last_mut()
                        .unwrap()
                        .children
                        .push(Node::Element(element));
                } else {
                    open.push(element);
                }
            }
            Token::EndTag(tag) => {
                let done = open.pop().unwrap();
                assert_eq!(done.name.as_bytes(), &tag.name[..], "tags are not nested");
                open.last_mut().unwrap().children.push(Node::Element(done));
            }
            Token::String(text) => {
                let text = String::from_utf8(text.to_vec()).unwrap();
                open.last_mut().unwrap().children.push(Node::Text(text));
            }
            Token::Doctype(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(open.len(), 1, "a tag was not closed");
    open.pop().unwrap()
}

impl Element {
    pub(crate) fn all(&self) -> Vec<&Self> {
        let mut found = Vec::new();
        let mut left = vec![self];
        while let Some(element) = left.pop() {
            found.push(element);
            left.extend(
                element
                    .children
                    .iter()
                    .rev()
                    .filter_map(|child| match child {
                        Node::Element(element) => Some(element),
                        Node::Text(_) => None,
                    }),
            );
        }
        found
    }

    pub(crate) fn named(&self, name: &str) -> Vec<&Self> {
        self.all()
            .into_iter()
            .filter(|element| element.name == name)
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for child in &self.children {
            match child {
                Node::Element(element) => text.push_str(&element.text()),
                Node::Text(found) => text.push_str(found),
            }
            text.push(' ');
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }
}

/// What every page must have, whatever is on it; returns the page for more.
pub(crate) fn check(html: &str, language: &str) -> Element {
    let page = parse(html);
    let all = page.all();
    assert!(html.starts_with("<!DOCTYPE html>"));
    assert_eq!(page.named("html")[0].attribute("lang"), language);
    assert!(!page.named("title")[0].text().is_empty());
    // Landmarks.
    for (landmark, count) in [
        ("main", 1),
        ("h1", 1),
        ("header", 1),
        ("footer", 1),
        ("title", 1),
    ] {
        let found = page.named(landmark).len();
        // An SVG's dots have titles of their own.
        assert!(
            found == count || landmark == "title" && found > 1,
            "{found} × {landmark}"
        );
    }
    assert_eq!(
        page.named("body")[0].named("a")[0].attribute("href"),
        "#main"
    );
    for nav in page.named("nav") {
        assert!(
            !nav.attribute("aria-label").is_empty(),
            "a nav without a name"
        );
    }
    // Headings go down one at a time.
    let mut depth = 0;
    for heading in all
        .iter()
        .filter(|e| ["h1", "h2", "h3"].contains(&e.name.as_str()))
    {
        let level = heading.name[1..].parse::<u32>().unwrap();
        assert!(level <= depth + 1, "{} after h{depth}", heading.name);
        assert!(!heading.text().is_empty(), "an empty heading");
        depth = level;
    }
    inert(&page);
    // Names: every control, every picture, every link.
    let labels: Vec<&str> = page
        .named("label")
        .iter()
        .map(|label| label.attribute("for"))
        .collect();
    let wrapped: Vec<*const Element> = page
        .named("label")
        .iter()
        .flat_map(|label| label.all())
        .map(std::ptr::from_ref)
        .collect();
    for control in all
        .iter()
        .filter(|e| ["input", "select", "textarea"].contains(&e.name.as_str()))
    {
        let named = control.attribute("type") == "hidden"
            || labels.contains(&control.attribute("id")) && control.has("id")
            || wrapped.contains(&std::ptr::from_ref(*control));
        assert!(named, "a control without a label: {control:?}");
    }
    for element in all
        .iter()
        .filter(|e| ["a", "button", "summary"].contains(&e.name.as_str()))
    {
        let name = element.text() + element.attribute("aria-label");
        assert!(!name.trim().is_empty(), "nothing to press: {element:?}");
    }
    for picture in page.named("img") {
        assert!(!picture.attribute("alt").is_empty());
    }
    for drawing in page.named("svg") {
        assert_eq!(drawing.attribute("role"), "img");
        assert!(!drawing.attribute("aria-label").is_empty());
    }
    for row in page
        .named("table")
        .iter()
        .filter(|table| table.attribute("class") == "cards")
    {
        assert!(!row.named("caption")[0].text().is_empty());
    }
    // References within the page lead somewhere, and ids are there once.
    let mut ids: Vec<&str> = all
        .iter()
        .map(|e| e.attribute("id"))
        .filter(|id| !id.is_empty())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is there twice");
    for element in &all {
        for name in ["aria-labelledby", "aria-describedby", "for"] {
            let to = element.attribute(name);
            assert!(
                to.is_empty() || ids.contains(&to),
                "{name}={to} leads nowhere"
            );
        }
        if let Some(to) = element.attribute("href").strip_prefix('#') {
            assert!(ids.contains(&to), "#{to} leads nowhere");
        }
    }
    // Forms that change something carry the token.
    for form in page
        .named("form")
        .iter()
        .filter(|form| form.attribute("method") == "post")
    {
        let token = form
            .named("input")
            .into_iter()
            .find(|input| input.attribute("name") == "csrf");
        assert_eq!(
            token.map(|token| token.attribute("value")),
            Some("token-of-the-session")
        );
    }
    // Nothing of the catalogue's own making shows through.
    let text = page.text();
    for mark in ["{0}", "{1}", "{2}", "Term {", "Some(", "None"] {
        assert!(!text.contains(mark), "{mark} in {text}");
    }
    page
}

/// Nothing runs, nothing is fetched from elsewhere, nothing leads out.
pub(crate) fn inert(page: &Element) {
    for element in page.all() {
        for (name, value) in &element.attributes {
            assert!(
                !name.starts_with("on") && name != "style" && name != "srcdoc",
                "{name}={value}"
            );
            if ["href", "src", "action", "formaction"].contains(&name.as_str()) {
                let ours = ["/", "#", "?"].iter().any(|start| value.starts_with(start))
                    && !value.starts_with("//")
                    || value.starts_with("data:image/png;base64,") && element.name == "img";
                assert!(ours, "{name}={value}");
            }
        }
    }
    let scripts = page.named("script");
    assert!(scripts.len() <= 1 && scripts.iter().all(|s| s.children.is_empty()));
    assert!(
        scripts
            .iter()
            .all(|script| script.attribute("src") == "/assets/pages.js")
    );
    assert!(page.named("style").is_empty());
}
