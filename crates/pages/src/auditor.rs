//! Pages for anybody: the log, one operation with its proof, a proof file, statistics.

use base::{Cid, Digest, Millis, OperationId};
use maud::{Markup, html};

use crate::{
    frame::Frame,
    pieces::{self, Party},
    plot::bars,
    words::{role as w, site as s},
};

/// A leaf of the log.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Its place, from 0.
    pub index: u64,
    /// The operation.
    pub id: OperationId,
    /// What it does, as the ledger names it.
    pub action: String,
    /// Who signed it.
    pub account: Party,
    /// The time of its block.
    pub at: Millis,
    /// Why it failed; nothing if it was done.
    pub refused: Option<String>,
}

/// The log's extent.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Operations.
    pub operations: u64,
    /// Blocks.
    pub blocks: u64,
}

/// One operation with all that proves it.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The leaf.
    pub leaf: Leaf,
    /// The height of its block.
    pub height: u64,
    /// The block's CID.
    pub block: Cid,
    /// The log's root that the proof leads to.
    pub root: Digest,
    /// The state's hash after that block.
    pub state: Digest,
    /// Who proposed the block.
    pub proposer: Party,
    /// Hashes of the inclusion proof, from the leaf up.
    pub path: Vec<Digest>,
    /// Whether it verified here, against the pinned genesis; else why not.
    pub verdict: Result<(), String>,
    /// What was signed, as names and values.
    pub fields: Vec<(String, String)>,
    /// Anchors in public chains: chain and transaction.
    pub anchors: Vec<(String, String)>,
}

/// What became of a proof file.
#[derive(Clone, Debug)]
pub enum Checked {
    /// It proves this.
    Proven(Box<Proven>),
    /// It proves nothing, and why.
    Refused(String),
}

/// Numbers a day, an action, a purpose.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Operations of each day, oldest first.
    pub a_day: Vec<(Millis, u64)>,
    /// Operations of each kind.
    pub by_action: Vec<(String, u64)>,
    /// Openings under ordinary grants, and under grants for emergencies.
    pub openings: (u64, u64),
    /// Credit gained on each day, oldest first.
    pub credit: Vec<(Millis, u64)>,
}

/// The log, newest first.
pub fn log(frame: &Frame<'_>, leaves: &[Leaf], extent: Extent, next: Option<&str>) -> Markup {
    let language = frame.language;
    let title = language.say(w::LOG);
    let head = [
        w::POSITION,
        w::OPERATION,
        s::WHO,
        s::WHEN_IT_WAS,
        s::RESULT,
        s::PROOF,
    ];
    let head = head.map(|term| language.say(term));
    let rows: Vec<Vec<Markup>> = leaves
        .iter()
        .map(|leaf| {
            vec![
                html! { (language.whole(leaf.index)) },
                html! { (leaf.action) },
                leaf.account.show(language),
                pieces::instant(leaf.at, language),
                result(leaf, language.say(s::DONE), language.say(s::REFUSED)),
                pieces::proof(leaf.id, leaf.at, language),
            ]
        })
        .collect();
    let [operations, blocks] = [extent.operations, extent.blocks].map(|n| language.whole(n));
    let main = html! {
        h1 { (title) }
        p { (language.say(w::LOG_INTRO)) }
        p class="figure" { (language.fill(w::LOG_SIZE, &[&operations, &blocks])) }
        p class="quiet" data-live="/log/events" hidden { (language.say(w::LOG_LIVE)) }
        (pieces::list(title, &head, &rows, language))
        (pieces::older(next, language))
    };
    frame.page(title, &main)
}

fn result(leaf: &Leaf, done: &str, refused: &str) -> Markup {
    html! {
        @match &leaf.refused {
            None => { span class="tag" { (done) } }
            Some(why) => { span class="tag flag" { (refused) } " " span class="words" { (why) } }
        }
    }
}

/// One operation: what it says, its block, its proof, its anchors.
pub fn operation(frame: &Frame<'_>, proven: &Proven) -> Markup {
    let language = frame.language;
    let title = format!("{}: {}", language.say(w::OPERATION), proven.leaf.action);
    let main = html! {
        h1 { (title) }
        (evidence(frame, proven))
        form method="get" action=(format!("/operations/{}/proof", proven.leaf.id)) {
            button { (language.say(w::SAVE_PROOF)) }
        }
    };
    frame.page(&title, &main)
}

fn evidence(frame: &Frame<'_>, proven: &Proven) -> Markup {
    let language = frame.language;
    let leaf = &proven.leaf;
    let row = |name: &str, value: &Markup| html! { div { dt { (name) } dd { (value) } } };
    let code = |text: &dyn std::fmt::Display| html! { code { (text.to_string()) } };
    html! {
        @match &proven.verdict {
            Ok(()) => { p class="verified" role="status" { (language.say(w::PROVEN)) } }
            Err(why) => { p class="warning" role="alert" { (language.fill(w::NOT_PROVEN, &[why])) } }
        }
        p class="quiet" { (language.say(w::PROVEN_IS_NOT_PERMITTED)) }
        dl class="facts" {
            (row(language.say(s::RESULT), &result(leaf, language.say(s::DONE), language.say(s::REFUSED))))
            (row(language.say(s::WHO), &leaf.account.show(language)))
            (row(language.say(w::POSITION), &html! { (language.whole(leaf.index)) }))
            (row(language.say(s::LOG_ENTRY), &code(&leaf.id)))
        }
        section aria-labelledby="block" {
            h2 id="block" { (language.say(w::BLOCK)) " " (language.whole(proven.height)) }
            dl class="facts" {
                (row(language.say(w::BLOCK_TIME), &pieces::instant(leaf.at, language)))
                (row(language.say(w::BLOCK), &code(&proven.block)))
                (row(language.say(w::BLOCK_ROOT), &code(&proven.root)))
                (row(language.say(w::STATE_HASH), &code(&proven.state)))
                (row(language.say(w::PROPOSER), &proven.proposer.show(language)))
            }
        }
        section aria-labelledby="inclusion" {
            h2 id="inclusion" { (language.say(w::INCLUSION)) }
            p { (language.fill(w::INCLUSION_STEPS, &[&proven.path.len()])) }
            ol class="path" { @for hash in &proven.path { li { code { (hash) } } } }
        }
        section aria-labelledby="anchors" {
            h2 id="anchors" { (language.say(w::ANCHORS)) }
            @if proven.anchors.is_empty() { p { (language.say(w::NO_ANCHORS)) } }
            dl class="facts" {
                @for (chain, transaction) in &proven.anchors { (row(chain, &code(transaction))) }
            }
        }
        section aria-labelledby="fields" {
            h2 id="fields" { (language.say(w::SIGNED_FIELDS)) }
            dl class="facts" {
                @for (name, value) in &proven.fields { (row(name, &code(value))) }
            }
        }
    }
}

/// A place to drop a proof file, and what became of the one before.
pub fn verify(frame: &Frame<'_>, checked: Option<&Checked>, csrf: pieces::Csrf<'_>) -> Markup {
    let language = frame.language;
    let title = language.say(w::CHECK_PROOF);
    let main = html! {
        h1 { (title) }
        form method="post" action="/verify" enctype="multipart/form-data" class="upload" {
            input type="hidden" name="csrf" value=(csrf.0);
            p class="field drop" {
                label for="proof" { (language.say(w::PROOF_FILE)) }
                input id="proof" name="proof" type="file" required aria-describedby="proof-hint";
                span id="proof-hint" class="quiet" { (language.say(w::PROOF_HINT)) }
            }
            button class="primary" { (language.say(w::CHECK_NOW)) }
        }
        @match checked {
            None => {}
            Some(Checked::Refused(why)) => {
                p class="warning" role="alert" { (language.fill(w::NOT_PROVEN, &[why])) }
            }
            Some(Checked::Proven(proven)) => { (evidence(frame, proven)) }
        }
    };
    frame.page(title, &main)
}

/// Statistics as bars, each as a table too.
pub fn statistics(frame: &Frame<'_>, statistics: &Statistics) -> Markup {
    let language = frame.language;
    let title = language.say(w::STATISTICS);
    let days = |days: &[(Millis, u64)]| -> Vec<(String, u64)> {
        days.iter()
            .map(|(at, count)| (language.day(*at), *count))
            .collect()
    };
    let (ordinary, emergency) = statistics.openings;
    let purposes: Vec<(String, u64)> = [
        (w::ORDINARY_GRANT, ordinary),
        (w::EMERGENCY_GRANT, emergency),
    ]
    .map(|(term, count)| (language.say(term).to_owned(), count))
    .into_iter()
    .filter(|_| ordinary + emergency > 0)
    .collect();
    let charts = [
        (w::OPERATIONS_A_DAY, w::DAY, days(&statistics.a_day), None),
        (
            w::QUERIES_BY_OUTCOME,
            w::OPERATION,
            statistics.by_action.clone(),
            None,
        ),
        (
            w::QUERIES_BY_PURPOSE,
            s::WHY,
            purposes,
            Some(w::PURPOSE_NOT_ON_LEDGER),
        ),
        (w::CREDIT_FLOW, w::DAY, days(&statistics.credit), None),
    ];
    let main = html! {
        h1 { (title) }
        @for (name, column, values, remark) in charts {
            section {
                h2 { (language.say(name)) }
                @if let Some(remark) = remark { p class="quiet" { (language.say(remark)) } }
                @if values.is_empty() {
                    p { (language.say(s::NOTHING_YET)) }
                } @else {
                    (bars(language.say(name), &values, language))
                    details {
                        summary { (language.say(w::AS_TABLE)) }
                        (pieces::table(
                            language.say(name),
                            &[language.say(column), language.say(w::COUNT)],
                            &values
                                .iter()
                                .map(|(name, count)| {
                                    vec![html! { (name) }, html! { (language.whole(*count)) }]
                                })
                                .collect::<Vec<_>>(),
                        ))
                    }
                }
            }
        }
    };
    frame.page(title, &main)
}
