//! A sample of every page of researchers and auditors.

use super::*;

pub(super) fn researcher_ask(language: Language, _: &str) -> Markup {
    researcher::ask(&frame(language, Site::Researcher, "/ask"))
}

pub(super) fn researcher_request(language: Language, text: &str) -> Markup {
    let draft = researcher::Draft {
        patients: or(text, "anna").into(),
        classes: vec![Class::Laboratory],
        scopes: or(text, "patient/Condition.rs").into(),
        records: text.into(),
        months: ("2024-01".into(), or(text, "2026-11").into()),
        purpose: Some(Purpose::Research),
        words: text.into(),
        days_open: 30,
        days_to_answer: 14,
    };
    let frame = frame(language, Site::Researcher, "/request");
    researcher::request(&frame, &draft, Ok(&wish(text).wish), CSRF)
}

pub(super) fn researcher_asked(language: Language, text: &str) -> Markup {
    use researcher::Answer::{Denied, Expired, Granted, Revoked, Waiting};
    let asked: Vec<researcher::Asked> = [
        Waiting,
        Granted(operation(1), NOW),
        Denied,
        Expired,
        Revoked,
    ]
    .into_iter()
    .zip(100..)
    .map(|(answer, seed)| researcher::Asked {
        id: operation(seed),
        at: ago(2),
        patient: party(seed, or(text, "patient 4711")),
        classes: vec![Class::Laboratory, Class::Imaging],
        purpose: Purpose::PublicHealth,
        answer,
    })
    .collect();
    researcher::asked(&frame(language, Site::Researcher, "/asked"), &asked, None)
}

fn shared(text: &str) -> researcher::Granted {
    use researcher::PartState::{Here, NotHere, Reviewed};
    let states = [NotHere, Here(operation(7)), Reviewed(operation(8))];
    let part = |(state, part)| researcher::GrantedPart {
        record: RecordId([2; 32]),
        part,
        class: Class::Laboratory,
        state,
    };
    researcher::Granted {
        grant: operation(1),
        patient: party(80, or(text, "patient 4711")),
        until: NOW,
        used: (2, 10),
        over: (!text.is_empty()).then(|| text.to_owned()),
        parts: states.into_iter().zip(0..).map(part).collect(),
        next: Some("50".into()),
    }
}

pub(super) fn researcher_grants(language: Language, text: &str) -> Markup {
    researcher::grants(
        &frame(language, Site::Researcher, "/opened"),
        &[shared(text)],
    )
}

pub(super) fn researcher_granted(language: Language, text: &str) -> Markup {
    researcher::granted(
        &frame(language, Site::Researcher, "/opened"),
        &shared(text),
        CSRF,
    )
}

pub(super) fn researcher_opened(language: Language, text: &str) -> Markup {
    let opened = researcher::Opened {
        query: operation(110),
        grant: operation(1),
        at: ago(1),
        record: RecordId([2; 32]),
        hospital: party(2, or(text, "Riverside Clinic")),
        verified: true,
        reading: &reading(text),
        reviewed: false,
    };
    researcher::opened(&frame(language, Site::Researcher, "/opened"), &opened, CSRF)
}

fn leaf(index: u64, action: &str, text: &str) -> auditor::Leaf {
    auditor::Leaf {
        index,
        id: operation(index as u8),
        action: or(text, action).into(),
        account: party(index as u8, text),
        at: ago(index),
        refused: (index % 3 == 2).then(|| or(text, "grant is revoked").into()),
    }
}

pub(super) fn auditor_log(language: Language, text: &str) -> Markup {
    let actions = ["Query", "Authorize", "Request", "Accept", "Publish"];
    let leaves: Vec<auditor::Leaf> = (0..5)
        .map(|at| leaf(at as u64 + 100, actions[at], text))
        .collect();
    let extent = auditor::Extent {
        operations: 105,
        blocks: 77,
    };
    auditor::log(
        &frame(language, Site::Auditor, "/log"),
        &leaves,
        extent,
        Some("100"),
    )
}

fn proven(text: &str, verdict: Result<(), String>) -> auditor::Proven {
    auditor::Proven {
        leaf: leaf(100, "Query", text),
        height: 77,
        block: cid(1),
        root: Digest([7; 32]),
        state: Digest([8; 32]),
        proposer: party(1, or(text, "Northgate Hospital")),
        path: (0..7).map(|seed| Digest([seed; 32])).collect(),
        verdict,
        fields: vec![("grant".into(), or(text, "bafyreigh2akiscaildc").into())],
        anchors: vec![],
    }
}

pub(super) fn auditor_operation(language: Language, text: &str) -> Markup {
    auditor::operation(
        &frame(language, Site::Auditor, "/log"),
        &proven(text, Ok(())),
    )
}

pub(super) fn auditor_verify(language: Language, text: &str) -> Markup {
    let frame = frame(language, Site::Auditor, "/verify");
    let checked = if text.is_empty() {
        auditor::Checked::Proven(Box::new(proven(text, Ok(()))))
    } else {
        auditor::Checked::Refused(text.to_owned())
    };
    auditor::verify(&frame, Some(&checked), CSRF)
}

pub(super) fn auditor_statistics(language: Language, text: &str) -> Markup {
    let days = |scale: u64| {
        (0..14)
            .map(|day| (ago(14 - day), day * day % 11 * scale))
            .collect()
    };
    let statistics = auditor::Statistics {
        a_day: days(40),
        by_action: vec![
            (or(text, "Query").into(), 4_020),
            ("Accept".into(), 120),
            ("Deny".into(), 3),
        ],
        openings: (40, 12),
        credit: days(3),
    };
    auditor::statistics(&frame(language, Site::Auditor, "/statistics"), &statistics)
}
