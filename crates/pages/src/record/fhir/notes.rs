//! Notes: documents, compositions, what was written as text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value as Json;

use super::value::{Value, each, string};
use crate::{
    record::{
        Limits,
        model::{Block, Label, cut},
        narrative, text, xml,
    },
    words::chart as w,
};

/// Sections of a resource's text, if it has any.
pub(super) fn read(kind: &str, resource: &Value) -> Vec<(Label, Vec<Block>)> {
    let words = ["title", "type", "description", "code"];
    let title = words.into_iter().find_map(|key| resource.concept(key));
    let label = |title: Option<&str>| title.map_or(Label::Term(w::NOTES), Label::foreign);
    let mut sections = Vec::new();
    for section in each(resource.get("section")) {
        let blocks: Vec<Block> = section
            .get("text")
            .and_then(narrative_of)
            .into_iter()
            .collect();
        sections.push((label(string(section, "title").or(title.as_deref())), blocks));
    }
    let attachments = each(resource.get("content")).filter_map(|content| content.get("attachment"));
    let forms = each(resource.get("presentedForm"));
    let mut blocks: Vec<Block> = attachments.chain(forms).filter_map(attachment).collect();
    let summary = ["summary"]
        .into_iter()
        .filter_map(|key| resource.string(key));
    blocks.extend(summary.map(|text| Block::Text(cut(text, Limits::TEXT).0)));
    if blocks.is_empty() && kind != "DiagnosticReport" {
        blocks.extend(resource.get("text").and_then(narrative_of));
    }
    sections.push((label(title.as_deref()), blocks));
    sections.retain(|(_, blocks)| !blocks.is_empty());
    sections
}

/// `text.div`, by the allow-list of narrative.
fn narrative_of(value: &Json) -> Option<Block> {
    let tree = xml::parse(string(value, "div")?)?;
    let (nodes, _) = narrative::read(&tree.root);
    (!narrative::is_blank(&nodes)).then_some(Block::Narrative(nodes))
}

/// An attachment that is text; of others, that they are there.
fn attachment(attachment: &Json) -> Option<Block> {
    let media = string(attachment, "contentType").unwrap_or_default();
    let title = string(attachment, "title").or_else(|| string(attachment, "url"));
    if media.starts_with("text/plain") {
        let data: String = string(attachment, "data")?
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .take(Limits::TEXT * 4)
            .collect();
        let whole = data.get(..data.len() / 4 * 4)?; // base64 is ASCII
        let bytes = STANDARD.decode(whole).ok()?;
        return Some(Block::Text(cut(&text::decode(&bytes)?, Limits::TEXT).0));
    }
    let name = [title, Some(media)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ");
    (!name.is_empty()).then(|| Block::Text(format!("[{}]", cut(&name, 300).0)))
}
