//! Narrative of a document: an allow-list of elements, none of their attributes.
//!
//! Source: CDA R2, "Narrative Block" (NarrativeBlock.xsd), and the XHTML that FHIR allows in
//! `text.div` (R4, section 2.6.1.1). What is not on the list loses its tags and keeps its
//! text; scripts and styles lose their text too. A link shows its address and leads nowhere:
//! a record is no place to click in.

use maud::{Markup, html};

use super::{
    Limits,
    model::clean,
    xml::{Child, Element},
};

/// Narrative, ready to be written.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    Break,
    Element(Tag, Vec<Node>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tag {
    Block,
    Strong,
    Emphasis,
    Sub,
    Sup,
    List,
    Numbered,
    Item,
    Table,
    Caption,
    Row,
    Head,
    Data { columns: u8, rows: u8 },
}

/// The narrative below `element`, and whether it was cut.
pub(crate) fn read(element: &Element) -> (Vec<Node>, bool) {
    let mut left = Limits::NODES;
    let nodes = children(element, &mut left);
    (nodes, left == 0)
}

/// Whether there is anything to read in it.
pub(crate) fn is_blank(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text(text) => text.trim().is_empty(),
        Node::Break => true,
        Node::Element(_, inner) => is_blank(inner),
    })
}

fn children(element: &Element, left: &mut usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    for child in &element.children {
        let Some(less) = left.checked_sub(1) else {
            break;
        };
        *left = less;
        match child {
            Child::Text(text) => nodes.push(Node::Text(clean(text))),
            Child::Element(element) => push(element, left, &mut nodes),
        }
    }
    nodes
}

fn push(element: &Element, left: &mut usize, nodes: &mut Vec<Node>) {
    let name = element.name.to_ascii_lowercase();
    let span = |name: &str| {
        let stated = element
            .attribute(name)
            .and_then(|text| text.parse::<u8>().ok());
        stated.map_or(1, |number| number.clamp(1, 50))
    };
    let tag = match name.as_str() {
        "script" | "style" | "head" | "title" | "iframe" | "object" | "embed" | "svg" | "math" => {
            return;
        }
        "br" => return nodes.push(Node::Break),
        "paragraph" | "p" | "div" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "footnote"
        | "pre" | "blockquote" => Tag::Block,
        "content" => match element.attribute("styleCode").unwrap_or_default() {
            code if code.contains("Bold") => Tag::Strong,
            code if code.contains("Italics") || code.contains("Emphasis") => Tag::Emphasis,
            _ => return nodes.extend(children(element, left)),
        },
        "b" | "strong" => Tag::Strong,
        "i" | "em" => Tag::Emphasis,
        "sub" => Tag::Sub,
        "sup" => Tag::Sup,
        "list" if element.attribute("listType") == Some("ordered") => Tag::Numbered,
        "ol" => Tag::Numbered,
        "list" | "ul" => Tag::List,
        "item" | "li" => Tag::Item,
        "table" => Tag::Table,
        "caption" => Tag::Caption,
        "tr" => Tag::Row,
        "th" => Tag::Head,
        "td" => Tag::Data {
            columns: span("colspan"),
            rows: span("rowspan"),
        },
        "linkhtml" | "a" => {
            nodes.extend(children(element, left));
            if let Some(address) = element.attribute("href") {
                nodes.push(Node::Text(clean(&format!(" ({address}) "))));
            }
            return;
        }
        "img" => return nodes.extend(element.attribute("alt").map(|alt| Node::Text(clean(alt)))),
        _ => return nodes.extend(children(element, left)),
    };
    let inner = children(element, left);
    nodes.push(Node::Element(tag, shaped(tag, inner)));
}

/// Only what may stand in it: rows in a table, cells in a row, items in a list. Anything
/// else would be moved by the browser to where it was not.
fn shaped(tag: Tag, inner: Vec<Node>) -> Vec<Node> {
    let allowed = |node: &Node| match (tag, node) {
        (Tag::Table, Node::Element(inner, _)) => matches!(inner, Tag::Row | Tag::Caption),
        (Tag::Row, Node::Element(inner, _)) => matches!(inner, Tag::Head | Tag::Data { .. }),
        (Tag::List | Tag::Numbered, Node::Element(inner, _)) => matches!(inner, Tag::Item),
        (Tag::Table | Tag::Row | Tag::List | Tag::Numbered, _) => false,
        _ => true,
    };
    let fallback = match tag {
        Tag::Table => Tag::Row,
        Tag::Row => Tag::Data {
            columns: 1,
            rows: 1,
        },
        _ => Tag::Item,
    };
    let mut nodes = Vec::with_capacity(inner.len());
    for node in inner {
        if allowed(&node) {
            nodes.push(node);
        } else if !is_blank(std::slice::from_ref(&node)) {
            // A caption of a list is its first item, text in a table a row of its own.
            let wrapped = match (fallback, node) {
                (Tag::Row, node) => vec![Node::Element(
                    Tag::Data {
                        columns: 50,
                        rows: 1,
                    },
                    vec![without_rows(node)],
                )],
                (_, node) => vec![without_rows(node)],
            };
            nodes.push(Node::Element(fallback, wrapped));
        }
    }
    if tag == Tag::Table {
        // A caption comes first, and once.
        nodes.sort_by_key(|node| !matches!(node, Node::Element(Tag::Caption, _)));
        let captions = nodes
            .iter()
            .filter(|node| matches!(node, Node::Element(Tag::Caption, _)))
            .count();
        nodes.drain(..captions.saturating_sub(1));
    }
    nodes
}

/// A row, cell, item or caption that strayed, as a block.
fn without_rows(node: Node) -> Node {
    match node {
        Node::Element(
            Tag::Row | Tag::Head | Tag::Data { .. } | Tag::Item | Tag::Caption,
            inner,
        ) => Node::Element(Tag::Block, inner.into_iter().map(without_rows).collect()),
        other => other,
    }
}

/// As HTML. What strayed outside of its table or list is a block.
pub(crate) fn show(nodes: &[Node]) -> Markup {
    html! { @for node in nodes { (one(node, None)) } }
}

fn one(node: &Node, parent: Option<Tag>) -> Markup {
    let (tag, inner) = match node {
        Node::Text(text) => return html! { (text) },
        Node::Break => return html! { br; },
        Node::Element(tag, inner) => (*tag, inner),
    };
    let home = match tag {
        Tag::Item => matches!(parent, Some(Tag::List | Tag::Numbered)),
        Tag::Row | Tag::Caption => parent == Some(Tag::Table),
        Tag::Head | Tag::Data { .. } => parent == Some(Tag::Row),
        _ => true,
    };
    let inner = html! { @for node in inner { (one(node, Some(tag))) } };
    if !home {
        return html! { div { (inner) } };
    }
    match tag {
        Tag::Block => html! { div class="para" { (inner) } },
        Tag::Strong => html! { strong { (inner) } },
        Tag::Emphasis => html! { em { (inner) } },
        Tag::Sub => html! { sub { (inner) } },
        Tag::Sup => html! { sup { (inner) } },
        Tag::List => html! { ul { (inner) } },
        Tag::Numbered => html! { ol { (inner) } },
        Tag::Item => html! { li { (inner) } },
        Tag::Table => {
            html! { div class="scroll" tabindex="0" { table class="narrative" { (inner) } } }
        }
        Tag::Caption => html! { caption { (inner) } },
        Tag::Row => html! { tr { (inner) } },
        Tag::Head => html! { th { (inner) } },
        Tag::Data {
            columns: 1,
            rows: 1,
        } => html! { td { (inner) } },
        Tag::Data { columns, rows } => html! { td colspan=(columns) rowspan=(rows) { (inner) } },
    }
}
