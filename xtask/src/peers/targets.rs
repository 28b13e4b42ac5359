//! What was to be reached beside the peers, and whether it was.

use super::{figures::Figures, table::micros};

/// Ours against one peer's, as peer's / ours.
struct Target {
    what: &'static str,
    ours: Of,
    peer: &'static str,
    theirs: Of,
    /// Least ratio; 1 means "no slower" or "no larger".
    least: f64,
    /// Microseconds to aim at on the machine the list was made for.
    goal: Option<f64>,
}

#[derive(Clone, Copy)]
enum Of {
    /// Median of an operation with ready keys, in microseconds.
    Prepared(&'static str),
    /// Bytes.
    Size(&'static str),
}

const fn target(
    what: &'static str,
    ours: Of,
    peer: &'static str,
    theirs: Of,
    least: f64,
    goal: Option<f64>,
) -> Target {
    Target {
        what,
        ours,
        peer,
        theirs,
        least,
        goal,
    }
}

use Of::{Prepared, Size};

const PROOF: Of = Prepared("re-encrypt with proof");
const OPEN: Of = Prepared("open re-encrypted, checked");
const REENCRYPT: Of = Prepared("re-encrypt");

const TARGETS: &[Target] = &[
    target(
        "encapsulate",
        Prepared("encapsulate"),
        "umbral-pre",
        Prepared("encapsulate"),
        4.0,
        Some(41.0),
    ),
    target(
        "decapsulate",
        Prepared("decapsulate"),
        "umbral-pre",
        Prepared("decapsulate"),
        1.0,
        Some(41.0),
    ),
    target(
        "re-encrypt, signed, against with proof",
        PROOF,
        "umbral-pre",
        PROOF,
        5.0,
        Some(44.0),
    ),
    target(
        "re-encrypt",
        REENCRYPT,
        "openfhe INDCPA",
        REENCRYPT,
        2.0,
        None,
    ),
    target(
        "re-encrypt",
        REENCRYPT,
        "openfhe FIXED_NOISE_HRA",
        REENCRYPT,
        15.0,
        None,
    ),
    target(
        "re-encrypt",
        REENCRYPT,
        "openfhe NOISE_FLOODING_HRA",
        REENCRYPT,
        15.0,
        None,
    ),
    target(
        "open re-encrypted, all checks",
        OPEN,
        "umbral-pre",
        OPEN,
        8.0,
        Some(80.0),
    ),
    target(
        "rekey, with the grant key",
        Prepared("rekey"),
        "umbral-pre",
        Prepared("rekey"),
        1.0,
        Some(350.0),
    ),
    target(
        "set up",
        Prepared("set up"),
        "ntru-trapdoor",
        Prepared("set up"),
        1.0,
        Some(15_000.0),
    ),
    target(
        "capsule, bytes",
        Size("capsule"),
        "openfhe INDCPA",
        Size("capsule"),
        10.0,
        None,
    ),
    target(
        "re-encryption key, bytes",
        Size("re-encryption key"),
        "openfhe INDCPA",
        Size("re-encryption key"),
        50.0,
        None,
    ),
];

/// Extraction is held against a time, not against a peer.
const EXTRACT: f64 = 300.0;

/// The table of targets for set A, in Markdown.
pub(super) fn table(figures: &Figures) -> String {
    let mut lines = vec![
        "| of set A | ours | held against | theirs | theirs / ours | to reach | met | goal µs | within |".to_owned(),
        "|---|---:|---|---:|---:|---:|---|---:|---|".to_owned(),
    ];
    for target in TARGETS {
        let (ours, theirs) = (
            value(figures, OURS, target.ours),
            value(figures, target.peer, target.theirs),
        );
        let shown =
            |value: Option<f64>, of| value.map_or("not run".to_owned(), |value| show(value, of));
        let ratio = ours.zip(theirs).map(|(ours, theirs)| theirs / ours);
        let goal = target.goal.map_or(String::new(), micros);
        let within = target.goal.zip(ours).map(|(goal, ours)| ours <= goal);
        lines.push(format!(
            "| {} | {} | {} | {} | {} | {} | {} | {goal} | {} |",
            target.what,
            shown(ours, target.ours),
            target.peer,
            shown(theirs, target.theirs),
            ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
            target.least,
            met(ratio.map(|ratio| ratio >= target.least)),
            met(within),
        ));
    }
    let extract = value(figures, OURS, Prepared("extract"));
    lines.push(format!(
        "| extract | {} | | | | | | {} | {} |",
        extract.map_or("not run".to_owned(), |value| show(
            value,
            Prepared("extract")
        )),
        micros(EXTRACT),
        met(extract.map(|extract| extract <= EXTRACT)),
    ));
    lines.join("\n")
}

const OURS: &str = "ibpre A";

fn value(figures: &Figures, peer: &str, of: Of) -> Option<f64> {
    match of {
        Prepared(name) => Some(figures.operation(peer, name, "prepared")?.median()),
        Size(what) => Some(figures.size(peer, what)? as f64),
    }
}

fn show(value: f64, of: Of) -> String {
    match of {
        Size(_) => format!("{value}"),
        Prepared(_) => format!("{} µs", micros(value)),
    }
}

fn met(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "",
    }
}
