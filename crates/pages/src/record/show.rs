//! A reading as HTML: the one place where records become markup.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};

use super::{
    model::{Block, Cell, Label, Picture, Reading, Remark, Row, Table},
    narrative,
};
use crate::{language::Language, pieces, plot, words::chart as w};

/// The record as the main part of a page: an `h1`, facts, remarks, an `h2` for each section.
pub fn show(reading: &Reading, language: Language) -> Markup {
    let title = said(&reading.title, language);
    article(reading, "section", &html! { h1 { (title) } }, language)
}

/// One of several on a page: an `h2`, and its sections as `h3`. `part` makes its anchors its own.
pub fn show_below(reading: &Reading, part: u32, language: Language) -> Markup {
    let title = said(&reading.title, language);
    article(
        reading,
        &format!("part-{part}-section"),
        &html! { h2 { (title) } },
        language,
    )
}

fn article(reading: &Reading, anchor: &str, heading: &Markup, language: Language) -> Markup {
    let say = |label| said(label, language);
    let id = |at: usize| format!("{anchor}-{at}");
    html! {
        article class="record" {
            (heading)
            p class="kind" { (language.say(reading.kind.term())) }
            @if !reading.facts.is_empty() {
                dl class="facts" {
                    @for (term, cell) in &reading.facts {
                        div { dt { (language.say(*term)) } dd { (self::cell(cell, language)) } }
                    }
                }
            }
            @for remark in &reading.remarks {
                p class="remark" role="note" { (told(remark, language)) }
            }
            @if reading.sections.len() > 3 {
                nav class="contents" aria-label=(language.say(w::CONTENTS)) {
                    ul {
                        @for (at, section) in reading.sections.iter().enumerate() {
                            li { a href=(format!("#{}", id(at))) { (say(&section.title)) } }
                        }
                    }
                }
            }
            @for (at, section) in reading.sections.iter().enumerate() {
                section aria-labelledby=(id(at)) {
                    @if anchor == "section" {
                        h2 id=(id(at)) { (say(&section.title)) }
                    } @else {
                        h3 id=(id(at)) { (say(&section.title)) }
                    }
                    @for block in &section.blocks { (self::block(block, language)) }
                }
            }
        }
    }
}

fn block(block: &Block, language: Language) -> Markup {
    match block {
        Block::Table(found) => table(found, language),
        Block::Plots(plots) => html! {
            div class="plots" { @for found in plots { (plot::show(found, language)) } }
        },
        Block::Narrative(nodes) => html! { div class="narrative" { (narrative::show(nodes)) } },
        Block::Picture(found) => picture(found, language),
        Block::Text(text) => html! { pre class="text" tabindex="0" { (text) } },
        Block::Fold(label, blocks) => html! {
            details {
                summary { (said(label, language)) }
                @for block in blocks { (self::block(block, language)) }
            }
        },
    }
}

/// A table; on a phone each row becomes a card whose cells say what they are.
fn table(table: &Table, language: Language) -> Markup {
    // A column that is empty in every row says nothing.
    let full: Vec<bool> = (0..table.head.len())
        .map(|at| {
            table
                .rows
                .iter()
                .any(|row| row.cells.get(at).is_some_and(|cell| !cell.is_empty()))
        })
        .collect();
    let columns = || {
        full.iter()
            .enumerate()
            .filter(|(_, full)| **full)
            .map(|(at, _)| at)
    };
    let row = |row: &Row| {
        html! {
            tr role="row" class=[row.sensitive.then_some("sensitive")] {
                @for (place, at) in columns().enumerate() {
                    @let found = row.cells.get(at).unwrap_or(&Cell::Empty);
                    td role="cell" class=[found.is_empty().then_some("empty")]
                        data-label=(language.say(table.head[at])) {
                        div {
                            (cell(found, language))
                            @if place == 0 && row.sensitive {
                                " " span class="tag sensitive" { (language.say(w::SENSITIVE)) }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(said(&table.caption, language)) {
            table role="table" class="cards" {
                caption class="hidden" { (said(&table.caption, language)) }
                thead role="rowgroup" {
                    tr role="row" {
                        @for at in columns() {
                            th role="columnheader" scope="col" { (language.say(table.head[at])) }
                        }
                    }
                }
                tbody role="rowgroup" { @for found in &table.rows { (row(found)) } }
            }
        }
        @if table.more > 0 {
            p class="remark" role="note" {
                (language.fill(w::ROWS_LEFT_OUT, &[&language.whole(table.more as u64)]))
            }
        }
    }
}

fn cell(cell: &Cell, language: Language) -> Markup {
    match cell {
        Cell::Empty | Cell::Span(None, None) => html! {},
        Cell::Term(term) => html! { (language.say(*term)) },
        Cell::Text(text) => html! { span class="words" { (text) } },
        Cell::When(moment) => pieces::moment(*moment, language),
        Cell::Span(Some(from), Some(to)) => html! {
            (pieces::moment(*from, language)) " – " (pieces::moment(*to, language))
        },
        Cell::Span(Some(from), None) => html! {
            (language.say(w::FROM)) " " (pieces::moment(*from, language))
        },
        Cell::Span(None, Some(to)) => html! {
            (language.say(w::UP_TO)) " " (pieces::moment(*to, language))
        },
        Cell::Quantity(number, unit) => html! {
            span class="number" { (language.decimal(number)) }
            @if !unit.is_empty() { " " span class="unit" { (unit) } }
        },
        Cell::Named(values) => html! {
            @for (at, (name, value)) in values.iter().enumerate() {
                @if at > 0 { "; " }
                span class="words" { (name) } " " (self::cell(value, language))
            }
        },
        Cell::Size(bytes) => html! { (language.size(*bytes)) },
        Cell::Flagged(inner, flag) => html! {
            (self::cell(inner, language))
            @if !inner.is_empty() { " " }
            span class="tag flag" { (language.say(*flag)) }
        },
    }
}

fn picture(picture: &Picture, language: Language) -> Markup {
    let (at, of) = picture.frame;
    let words = if of > 1 {
        language.fill(w::FRAME_OF, &[&at, &of])
    } else {
        language.say(w::PICTURE_OF_RECORD).to_owned()
    };
    html! {
        figure class="picture" {
            img width=(picture.width) height=(picture.height) alt=(words)
                src=(format!("data:image/png;base64,{}", STANDARD.encode(&picture.png)));
            figcaption { (words) }
        }
    }
}

fn said(label: &Label, language: Language) -> &str {
    match label {
        Label::Term(term) => language.say(*term),
        Label::Foreign(text) => text,
    }
}

fn told(remark: &Remark, language: Language) -> String {
    let arguments: Vec<&dyn std::fmt::Display> = remark
        .arguments
        .iter()
        .map(|text| text as &dyn std::fmt::Display)
        .collect();
    language.fill(remark.term, &arguments)
}
