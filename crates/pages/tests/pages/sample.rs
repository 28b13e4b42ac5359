//! Models of every page, as a node and a wallet would fill them.

use base::{
    AccountId, Cid, Class, Digest, Epoch, Millis, OperationId, RecordId, operation::RejectCode,
};
use pages::{
    Language, Markup, auditor,
    frame::{Frame, Site},
    hospital,
    patient::{self, Csrf, Party, Purpose},
    record::{self, Reading},
    researcher,
};

pub(crate) const CSRF: Csrf<'static> = Csrf("token-of-the-session");

/// A page of the gallery: its name and how it is made, given text for every free field.
pub(crate) type Page = (&'static str, fn(Language, &str) -> Markup);

#[path = "sample_others.rs"]
mod others;

use others::*;

/// Every page of every role.
pub(crate) const ALL: &[Page] = &[
    ("patient-records", patient_records),
    ("patient-record", patient_record),
    ("patient-record-waiting", patient_record_waiting),
    ("patient-requests", patient_requests),
    ("patient-request", patient_request),
    ("patient-grants", patient_grants),
    ("patient-accesses", patient_accesses),
    ("patient-credit", patient_credit),
    ("patient-backup", patient_backup),
    ("patient-refusal", patient_refusal),
    ("hospital-publish", hospital_publish),
    ("hospital-published", hospital_published),
    ("hospital-agent", hospital_agent),
    ("hospital-ranking", hospital_ranking),
    ("hospital-vouchers", hospital_vouchers),
    ("researcher-ask", researcher_ask),
    ("researcher-request", researcher_request),
    ("researcher-asked", researcher_asked),
    ("researcher-opened", researcher_opened),
    ("researcher-grants", researcher_grants),
    ("researcher-granted", researcher_granted),
    ("auditor-log", auditor_log),
    ("auditor-operation", auditor_operation),
    ("auditor-verify", auditor_verify),
    ("auditor-statistics", auditor_statistics),
];

const NOW: Millis = Millis(1_795_305_600_000); // 2026-11-22
const fn ago(days: u64) -> Millis {
    NOW.minus(days * Millis::DAY)
}

pub(crate) fn frame(language: Language, site: Site, here: &'static str) -> Frame<'static> {
    Frame {
        language,
        site,
        here,
        notice: None,
    }
}

fn party(seed: u8, name: &str) -> Party {
    Party {
        id: AccountId([seed; 32]),
        name: (!name.is_empty()).then(|| name.to_owned()),
    }
}

fn operation(seed: u8) -> OperationId {
    OperationId::of(&[seed])
}

fn cid(seed: u8) -> Cid {
    operation(seed).0
}

/// `text`, or the word that stands there in the gallery.
fn or<'a>(text: &'a str, word: &'a str) -> &'a str {
    if text.is_empty() { word } else { text }
}

fn records(text: &str) -> Vec<patient::Record> {
    let part = |index, class, bytes| patient::Part {
        index,
        class,
        bytes,
    };
    let record = |seed, hospital: &str, days, state, parts, opened| patient::Record {
        id: RecordId([seed; 32]),
        hospital: party(seed, or(text, hospital)),
        at: ago(days),
        version: u64::from(seed % 3 + 1),
        state,
        parts,
        opened,
    };
    vec![
        record(
            1,
            "Northgate Hospital",
            1,
            patient::RecordState::Pending,
            vec![],
            0,
        ),
        record(
            2,
            "Riverside Clinic",
            12,
            patient::RecordState::Accepted,
            vec![
                part(0, Class::Laboratory, 48_211),
                part(1, Class::Medication, 9_120),
                part(2, Class::Sensitive, 4_096),
                part(3, Class::Skeleton, 512),
            ],
            3,
        ),
        record(
            3,
            "Northgate Hospital",
            200,
            patient::RecordState::Accepted,
            vec![part(0, Class::Imaging, 2_098_988)],
            1,
        ),
        record(
            4,
            "",
            400,
            patient::RecordState::Rejected(RejectCode::NotMine),
            vec![],
            0,
        ),
        record(
            5,
            "Riverside Clinic",
            800,
            patient::RecordState::Erased,
            vec![],
            0,
        ),
    ]
}

fn accesses(text: &str) -> Vec<patient::Access> {
    let access = |seed, days, emergency, class, purpose| patient::Access {
        at: ago(days),
        who: party(seed, or(text, "Institute of Kidney Research")),
        agent: party(9, or(text, "Agent of St Brigid")),
        record: RecordId([2; 32]),
        class,
        purpose,
        emergency,
        operation: operation(seed),
    };
    vec![
        access(
            20,
            2,
            false,
            Some(Class::Laboratory),
            Some(Purpose::Research),
        ),
        access(
            21,
            3,
            true,
            Some(Class::Emergency),
            Some(Purpose::EmergencyTreatment),
        ),
        access(22, 9, false, None, None),
    ]
}

fn wish(text: &str) -> patient::Request {
    let agent = |seed, name, institution, conflicts| patient::AgentChoice {
        party: party(seed, or(text, name)),
        institution: Some(party(seed + 1, or(text, institution))),
        conflicts,
    };
    patient::Request {
        id: operation(30),
        at: ago(1),
        answer_until: NOW.plus(13 * Millis::DAY),
        wish: patient::Wish {
            from: party(20, or(text, "Institute of Kidney Research")),
            purpose: Purpose::Research,
            classes: vec![Class::Laboratory, Class::Medication, Class::Sensitive],
            months: (Epoch(12 * 2024), Epoch(12 * 2026 + 10)),
            named_records: 0,
            until: NOW.plus(30 * Millis::DAY),
            words: or(
                text,
                "We study how kidney function changes under blood pressure drugs.",
            )
            .into(),
        },
        matching: vec![
            (Class::Laboratory, 4),
            (Class::Medication, 3),
            (Class::Sensitive, 1),
        ],
        agents: vec![
            agent(
                40,
                "Agent of the institute",
                "Institute of Kidney Research",
                true,
            ),
            agent(50, "Agent of St Brigid", "St Brigid Hospital", false),
        ],
    }
}

fn reading(text: &str) -> Reading {
    let name = serde_json::to_string(or(text, "Potassium")).unwrap();
    let value = |day: u32, number: f64| {
        format!(
            r#"{{"resource":{{"resourceType":"Observation","category":[{{"coding":[{{"code":"laboratory"}}]}}],
            "code":{{"text":{name}}},"effectiveDateTime":"2026-0{day}-01",
            "valueQuantity":{{"value":{number},"unit":"mmol/L"}},
            "referenceRange":[{{"low":{{"value":3.5,"unit":"mmol/L"}},"high":{{"value":5.1,"unit":"mmol/L"}}}}]}}}}"#
        )
    };
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[
        {{"resource":{{"resourceType":"Patient","name":[{{"text":{}}}],"birthDate":"1960-04-02"}}}},
        {{"resource":{{"resourceType":"Condition","meta":{{"security":[{{"code":"PSY"}}]}},
            "code":{{"text":{name}}},"onsetDateTime":"2019"}}}},{},{},{}]}}"#,
        serde_json::to_string(or(text, "Mara Lindqvist")).unwrap(),
        value(3, 4.1),
        value(5, 5.6),
        value(9, 4.8)
    );
    record::read(bundle.as_bytes())
}

fn patient_records(language: Language, text: &str) -> Markup {
    let frame = frame(language, Site::Patient, "/records");
    patient::timeline(&frame, &records(text), 2, Some("120"))
}

fn patient_record(language: Language, text: &str) -> Markup {
    let frame = frame(language, Site::Patient, "/records");
    let view = patient::RecordView {
        record: &records(text)[1],
        signature: patient::Signature::Verified,
        listed: true,
        readings: &[(0, reading(text))],
        accesses: &accesses(text),
    };
    patient::record(&frame, &view, CSRF)
}

fn patient_record_waiting(language: Language, text: &str) -> Markup {
    let frame = frame(language, Site::Patient, "/records");
    let view = patient::RecordView {
        record: &records(text)[0],
        signature: patient::Signature::NotOpened,
        listed: false,
        readings: &[(0, reading(text)), (4, reading(text))],
        accesses: &[],
    };
    patient::record(&frame, &view, CSRF)
}

fn patient_requests(language: Language, text: &str) -> Markup {
    patient::requests(&frame(language, Site::Patient, "/requests"), &[wish(text)])
}

fn patient_request(language: Language, text: &str) -> Markup {
    patient::request(
        &frame(language, Site::Patient, "/requests"),
        &wish(text),
        CSRF,
    )
}

fn patient_grants(language: Language, text: &str) -> Markup {
    use patient::GrantState::{Expired, Live, NotYet, Revoked, UsedUp};
    let grants: Vec<patient::Grant> = [Expired, Live, NotYet, Revoked, UsedUp]
        .into_iter()
        .zip(60..)
        .map(|(state, seed)| patient::Grant {
            id: operation(seed),
            at: ago(5),
            to: party(seed, or(text, "Institute of Kidney Research")),
            classes: vec![Class::Laboratory, Class::Sensitive],
            purpose: Some(Purpose::Research),
            not_before: ago(5),
            expires: NOW.plus(Millis::DAY),
            used: (3, 100),
            state,
        })
        .collect();
    patient::grants(&frame(language, Site::Patient, "/grants"), &grants, CSRF)
}

fn patient_accesses(language: Language, text: &str) -> Markup {
    let frame = frame(language, Site::Patient, "/accesses");
    let emergency = [(party(21, or(text, "St Brigid Hospital")), ago(3))];
    patient::accesses(&frame, &accesses(text), &emergency, None)
}

fn patient_credit(language: Language, text: &str) -> Markup {
    let entry = |seed, amount, balance, reason| patient::Entry {
        at: ago(4),
        amount,
        balance,
        reason,
        cause: operation(seed),
    };
    let credit = patient::Credit {
        balance: 121,
        tier: 2,
        next: Some(1000),
        vouchers: vec![
            patient::Voucher {
                tier: 1,
                given: Some(party(2, or(text, "Riverside Clinic"))),
            },
            patient::Voucher {
                tier: 2,
                given: None,
            },
        ],
        journal: vec![
            entry(70, 10, 121, patient::Reason::Shared),
            entry(71, 1, 111, patient::Reason::Agent),
            entry(72, 5, 110, patient::Reason::Signed),
            entry(73, -200, 105, patient::Reason::Penalty),
        ],
        hospitals: vec![party(1, or(text, "Northgate Hospital")), party(2, "")],
    };
    patient::credit(&frame(language, Site::Patient, "/credit"), &credit, CSRF)
}

fn patient_backup(language: Language, _: &str) -> Markup {
    let backup = patient::Backup {
        bag: Some(patient::Bag {
            version: 6,
            newest: 7,
            at: ago(30),
        }),
        guardians: patient::Guardians::Named {
            threshold: 2,
            members: 3,
        },
        export: true,
    };
    patient::backup(&frame(language, Site::Patient, "/backup"), &backup, CSRF)
}

fn patient_refusal(language: Language, text: &str) -> Markup {
    let mut frame = frame(language, Site::Patient, "/records");
    frame.notice = (!text.is_empty()).then_some("notice");
    frame.refusal((!text.is_empty()).then_some(text))
}

fn published(text: &str) -> Vec<hospital::Published> {
    use hospital::Answer::{Accepted, Erased, Rejected, Waiting};
    [Accepted, Waiting, Rejected(RejectCode::WrongScope), Erased]
        .into_iter()
        .zip(80..)
        .map(|(answer, seed)| hospital::Published {
            id: RecordId([seed; 32]),
            patient: party(seed, or(text, "patient 4711")),
            at: ago(u64::from(seed)),
            operation: operation(seed),
            version: 1,
            answer,
        })
        .collect()
}

fn hospital_publish(language: Language, text: &str) -> Markup {
    let frame = frame(language, Site::Hospital, "/publish");
    hospital::publish(
        &frame,
        &[party(80, or(text, "patient 4711"))],
        &published(text),
        CSRF,
    )
}

fn hospital_published(language: Language, text: &str) -> Markup {
    hospital::published(
        &frame(language, Site::Hospital, "/published"),
        &published(text),
        Some("9"),
    )
}

fn hospital_agent(language: Language, text: &str) -> Markup {
    let waits = (
        party(20, or(text, "Institute of Kidney Research")),
        RecordId([2; 32]),
        NOW,
    );
    let agent = |seed, waiting| hospital::Agent {
        party: party(seed, or(text, "agent")),
        waiting,
        served: 12_345,
        earned: -3,
        prekeys: 100,
        journal: vec![],
    };
    let agents = [agent(5, Some(vec![waits])), agent(6, None)];
    hospital::agents(&frame(language, Site::Hospital, "/agent"), &agents)
}

fn hospital_ranking(language: Language, text: &str) -> Markup {
    let ranked = |seed, name: &str, score| hospital::Ranked {
        hospital: party(seed, or(text, name)),
        score,
        accepted: 40,
        refused: 2,
    };
    let ranking = [
        ranked(1, "Northgate Hospital", 205),
        ranked(2, "Riverside Clinic", -40),
    ];
    let frame = frame(language, Site::Hospital, "/ranking");
    let review = hospital::Reviewed {
        operation: operation(91),
        at: ago(1),
        by: party(20, or(text, "Institute of Kidney Research")),
        record: RecordId([2; 32]),
        verdict: base::operation::Verdict::PoorQuality,
        minted: 7,
    };
    hospital::ranking(&frame, &ranking, Some(AccountId([2; 32])), &[review])
}

fn hospital_vouchers(language: Language, text: &str) -> Markup {
    let redeemed = hospital::Redeemed {
        account: party(90, text),
        tier: 1,
        at: ago(1),
        operation: operation(90),
    };
    hospital::vouchers(&frame(language, Site::Hospital, "/vouchers"), &[redeemed])
}
