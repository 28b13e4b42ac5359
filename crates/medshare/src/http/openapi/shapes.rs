//! The shapes of objects as JSON, for the OpenAPI document and the reference page: of every
//! object each field, whether it may be null, whether it may be absent. A test holds them
//! against what a node answers.

use anchor::Chain;
use serde_json::{Map, Value, json};

use crate::http::message::ErrorCode;

/// Name and fields, each `name: kind`. Kinds: `int`, `bool`, `text`, `bytes`, `link` (a CID),
/// `any` (one of several kinds: the protocol's documents have them), `[kind]`, another shape's name; `?` after it: or
/// null; `?` after the name: or absent.
const SHAPES: &[(&str, &str)] = &[
    (
        "Account",
        "id: bytes, role: text, operation_keys: [any], hpke_key: bytes, record_keys: [any], peer: bytes?, patient: any, institution: bytes?, attested_by: [bytes], opened: int",
    ),
    (
        "AnchorStanding",
        "chain: text, feed?: text, network: text, contract: text?, payer: text, anchors: int, newest: any, open: int, cost: int, left: int, trouble: text?",
    ),
    ("AnchoredHead", "head: Head, evidence: any"),
    ("BagHead", "head: bytes"),
    ("BagState", "version: int, commitment: bytes, time: int"),
    ("Balance", "amount: int, entries: int, tier: int"),
    ("Block", "head: Head, leaves: [bytes]"),
    (
        "Certificate",
        "height: int, round?: int, header: link, signatures: [any]",
    ),
    ("Collected", "deleted: int, bytes: int, recent: int"),
    ("ConsistencyProof", "from: int, to: int, path: [bytes]"),
    ("Count", "count: int"),
    (
        "CreditEntry",
        "amount: int, balance: int, cause: link, reason: any, time: int",
    ),
    (
        "Delegation",
        "id: link, patient: bytes, delegate: bytes, powers: [any], expires: int, ended: int?",
    ),
    (
        "DisputeState",
        "id: link, by: bytes, subject: any, code: any, against: bytes, commitment: bytes, time: int, resolution: any",
    ),
    (
        "Genesis",
        "v: int, network: text, created: int, drift: int, validators: [any], institutions: [any], policy: Policy",
    ),
    (
        "Grant",
        "id: link, patient: bytes, requester: bytes, terms: Terms, time: int, revoked: int?, used: int, used_by_scope: [int], rewarded: int",
    ),
    (
        "Guardianship",
        "guard: link?, set: bytes, delay: int, attempts: int, pending: link?",
    ),
    ("Head", "header: Header, certificate: Certificate"),
    (
        "Header",
        "v: int, chain: bytes, height: int, time: int, previous: link?, first_leaf: int, tree_size: int, tree_root: bytes, state_hash: bytes, proposer: bytes, round?: int, next_validators?: any",
    ),
    (
        "InclusionProof",
        "index: int, tree_size: int, path: [bytes]",
    ),
    ("Institution", "account: bytes, group: int?, admitted: int"),
    (
        "JobStanding",
        "blocks: int, bytes: int, expected: int?, faults: int, named: [any], error: text?, done: bool",
    ),
    ("Leaves", "leaves: [bytes]"),
    ("Letters", "letters: [any]"),
    ("LoggedOperation", "index: int, leaf: bytes"),
    (
        "NodeStanding",
        "peer: bytes?, follows: any, peers: [any], kept: any, validator?: any",
    ),
    (
        "Notice",
        "query?: QueryState, emergency?: any, recovery?: Recovery",
    ),
    ("Opened", "token: text, until: int"),
    ("Pinned", "root: link, count: int"),
    (
        "Policy",
        "tariff: any, cap_institution_day: int, cap_pair_day: int, cap_attest_day: int, tiers: [int], half_life_days: int, emergency_hours: int, hint_limit: int, grants_per_scope: int, recovery_delay?: int, duties?: any",
    ),
    ("Prekey", "v: int, body: any, signature: bytes"),
    ("Prekeys", "prekeys: [bytes]"),
    (
        "Problem",
        "type: text, title: text, status: int, detail: text, code: text, refusal?: any, block?: link",
    ),
    (
        "Proposal",
        "id: link, change: any, votes: [bytes], status: any",
    ),
    (
        "QueryState",
        "id: link, grant: link, agent: bytes, querier: bytes, patient: bytes, record: bytes, state: link, part: int, sid: bytes, ctid: bytes, result: bytes, time: int, height: int, repeat: bool, review: any",
    ),
    (
        "Ranked",
        "hospital: bytes, score: int, balance: int, reviews: any, marks: int, emergencies: int",
    ),
    (
        "Receipt",
        "id: link, index: int, outcome: any, leaf: bytes, inclusion: InclusionProof, head: Head",
    ),
    (
        "Record",
        "id: bytes, hospital: bytes, patient: bytes, accepted: link?, parts: [any], pending: link?, erased_by_hospital: int?, erased_by_patient: int?, fabricated: link?",
    ),
    ("RecordedLeaf", "evidence: any"),
    (
        "Recovery",
        "id: link, account: bytes, guard: link, key: bytes, guardians: [bytes], time: int, due: int, status: any",
    ),
    (
        "RequestState",
        "id: link, requester: bytes, patient: bytes, expires: int, one_time_key: bytes, commitment: bytes, cohort: bytes?, time: int, status: any",
    ),
    (
        "ScopeState",
        "patient: bytes, sid: bytes, next: bytes?, grants: int, spent: int, reserved: [any]",
    ),
    ("SignedOperation", "v: int, body: any, signature: bytes"),
    (
        "Standing",
        "score: int, day: int, reviews: any, marks: int, emergencies: int",
    ),
    (
        "StateInfo",
        "record: bytes, state: link, by: link, before: link?, height: int, time: int, status: any",
    ),
    (
        "Status",
        "interface: int, version: text, chain: bytes, network: text, height: int, tree_size: int, time: int",
    ),
    ("StoreFacts", "pins: int, kept: any, scrubbed: any"),
    ("Stored", "cid: link"),
    (
        "Terms",
        "request: link, purpose: any, sids: [bytes], agents: [bytes], not_before: int, expires: int, max_queries: int",
    ),
    ("Totals", "minted: int, burnt: int"),
    ("Transition", "head: Head, next: ValidatorSet"),
    (
        "Tree",
        "roots: [link], blocks: int, bytes: int, missing: int",
    ),
    (
        "Voucher",
        "id: any, cause: link, issued: int, redeemed: any",
    ),
];

/// Shapes that are no maps of fields.
fn others() -> [(&'static str, Value); 3] {
    let reserved = |inner: Value| {
        json!({
            "type": "object",
            "required": ["/"],
            "additionalProperties": false,
            "properties": {"/": inner},
        })
    };
    let bytes = json!({
        "type": "object",
        "required": ["bytes"],
        "additionalProperties": false,
        "properties": {"bytes": {"type": "string", "pattern": "^[A-Za-z0-9+/]*$"}},
    });
    [
        ("Bytes", reserved(bytes)),
        (
            "Link",
            reserved(json!({"type": "string", "pattern": "^b[a-z2-7]+$"})),
        ),
        ("ValidatorSet", json!({"type": "array", "items": {}})),
    ]
}

/// Every shape, as a schema.
pub(super) fn schemas() -> Value {
    let mut all: Map<String, Value> = others()
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    for (name, fields) in SHAPES {
        all.insert((*name).to_owned(), object(fields));
    }
    // Closed lists.
    let codes: Vec<String> = ErrorCode::ALL
        .iter()
        .map(|(code, ..)| code.name())
        .collect();
    all["Problem"]["properties"]["code"] = json!({"enum": codes});
    all.into()
}

/// Every shape, as a line.
pub(super) fn lines() -> Vec<(&'static str, String)> {
    let shapes = SHAPES.iter();
    shapes
        .map(|(name, fields)| (*name, (*fields).to_owned()))
        .collect()
}

/// A reference to a shape.
pub(super) fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn object(fields: &str) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in fields.split(", ") {
        let (name, kind) = field.split_once(": ").unwrap_or((field, "any"));
        let bare = name.trim_end_matches('?');
        if bare == name {
            required.push(bare);
        }
        properties.insert(bare.to_owned(), of_kind(kind));
    }
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn of_kind(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        return json!({"anyOf": [of_kind(kind), {"type": "null"}]});
    }
    if let Some(kind) = kind
        .strip_prefix('[')
        .and_then(|kind| kind.strip_suffix(']'))
    {
        return json!({"type": "array", "items": of_kind(kind)});
    }
    match kind {
        "int" => json!({"type": "integer"}),
        "bool" => json!({"type": "boolean"}),
        "text" => json!({"type": "string"}),
        "bytes" => named("Bytes"),
        "link" => named("Link"),
        "any" => json!({}),
        other => named(other),
    }
}

/// What may stand in a path under a name.
pub(super) fn of_name(name: &str) -> Value {
    match name {
        "height" | "index" => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
        "chain" => json!({"enum": Chain::ALL.map(Chain::name)}),
        "work" => json!({"enum": ["fetch", "verify"]}),
        "account" | "agent" | "locator" | "name" | "patient" | "record" | "sid" => {
            json!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
        }
        // The CID of an operation or a block: CIDv1, SHA2-256, DAG-CBOR or raw.
        _ => json!({"type": "string", "pattern": "^baf(yr|kr)ei[a-z2-7]{52}$"}),
    }
}
