//! The routes that are open to everybody: what watches the node, the log, the state.

use axum::routing::{get, post};
use ledger::View;

use crate::http::{
    anchors, health,
    ledger::{self as reads, fixed, one, page, page_of, two},
    media, metrics, openapi,
    table::{
        CONSISTENCY, Gives, INCLUSION,
        Method::{Get, Post},
        PAGE, RANGE, Route, Takes,
    },
};
use Gives::{Bytes, List, Object, Page};

pub(super) fn watching() -> Vec<Route> {
    vec![
        Route::new(
            Get,
            "/v1/status",
            get(reads::status),
            Object("Status"),
            "interface, program, ledger, height",
        ),
        Route::new(
            Get,
            "/v1/node",
            get(reads::node),
            Object("NodeStanding"),
            "peer id, how it follows (milliseconds since it was last up to date, trouble, why it halted), other nodes, copies kept for them; of one of several validators: height, round, proposer, how far each other is, what waits, trouble, counters",
        ),
        Route::new(
            Get,
            "/v1/metrics",
            get(metrics::metrics),
            Bytes(TEXT),
            "the same in numbers, as text in the format of Prometheus 0.0.4",
        ),
        Route::new(
            Get,
            "/metrics",
            get(metrics::metrics),
            Bytes(TEXT),
            "the same under the name that Prometheus looks for",
        ),
        Route::new(
            Get,
            "/healthz",
            get(health::alive),
            Bytes(TEXT),
            "200 while the process answers",
        ),
        Route::new(
            Get,
            "/readyz",
            get(health::ready),
            Bytes(TEXT),
            "200 while the node serves its parties; else 503 with the reason as text: it cannot read its ledger, halted, has not caught up with the node it follows, is in trouble with the other validators",
        ),
        Route::new(
            Get,
            "/openapi.json",
            get(openapi::document),
            Bytes(media::JSON),
            "this interface as OpenAPI 3.1",
        ),
        Route::new(
            Get,
            "/reference",
            get(openapi::reference),
            Bytes(HTML),
            "the same as a page to read",
        ),
        Route::new(
            Get,
            "/v1/genesis",
            get(reads::genesis),
            Object("Genesis"),
            "the genesis object",
        ),
    ]
}

pub(super) fn log() -> Vec<Route> {
    vec![
        Route::new(Get, "/v1/head", fixed(|view| view.head().map(Some)), Object("Head"),
            "newest header with its certificate"),
        Route::new(Get, "/v1/heads/{height}", one(View::head_at), Object("Head"),
            "that of a height"),
        Route::new(Get, "/v1/ledger/blocks/{height}", one(View::block), Object("Block"),
            "a block with its leaves"),
        Route::new(Get, "/v1/validators", fixed(|view| view.validators().map(Some)), Object("ValidatorSet"),
            "who decides the next block: account, key and weight of each"),
        Route::new(Get, "/v1/transitions", get(reads::transitions), List("Transition"),
            "changes of validators from the height `from` on, at most 100: the last head that the old ones certified, and the new ones, whose digest is in its header. A party checks each with the set before and trusts no node")
            .query(RANGE),
        Route::new(Get, "/v1/leaves", get(reads::leaves), Object("Leaves"),
            "leaves from an index, about 1 MiB")
            .query(RANGE),
        Route::new(Get, "/v1/proofs/inclusion", get(reads::inclusion), Object("InclusionProof"),
            "RFC 9162 proof that a leaf is in the log")
            .query(INCLUSION),
        Route::new(Get, "/v1/proofs/consistency", get(reads::consistency), Object("ConsistencyProof"),
            "RFC 9162 proof that one log begins another")
            .query(CONSISTENCY),
        Route::new(Post, "/v1/operations", post(reads::submit), Object("Receipt"),
            "a signed operation; a receipt once it is durable. It is known by its id: sent again it leaves no second leaf, and the answer is `refused` as a duplicate; its receipt is at its id")
            .takes(Takes::Object("SignedOperation")),
        Route::new(Get, "/v1/operations/{operation}", one(reads::logged), Object("LoggedOperation"),
            "index and leaf of an operation"),
        Route::new(Get, "/v1/operations/{operation}/receipt", one(View::receipt), Object("Receipt"),
            "its receipt"),
        Route::new(Get, "/v1/anchors", get(anchors::standing), List("AnchorStanding"),
            "how anchors in public chains stand"),
        Route::new(Get, "/v1/anchors/{chain}/{index}", get(anchors::covering), Object("AnchoredHead"),
            "the head that was anchored with leaf `index` in it, and what proves it"),
        Route::new(Get, "/v1/anchors/{chain}/{index}/record", get(anchors::record), Object("RecordedLeaf"),
            "what proves that leaf `index` was submitted by itself"),
    ]
}

pub(super) fn state() -> Vec<Route> {
    vec![
        Route::new(
            Get,
            "/v1/accounts",
            page(View::accounts),
            Page("Account"),
            "accounts",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/accounts/{account}",
            one(View::account),
            Object("Account"),
            "an account",
        ),
        Route::new(
            Get,
            "/v1/accounts/{account}/sequence",
            one(reads::sequence),
            Object("Count"),
            "last sequence number that it used",
        ),
        Route::new(
            Get,
            "/v1/accounts/{account}/institution",
            one(View::institution_of),
            Object("Institution"),
            "the admitted institution that it is or belongs to",
        ),
        Route::new(
            Get,
            "/v1/accounts/{account}/bag",
            one(View::bag),
            Object("BagState"),
            "its newest key bag",
        ),
        Route::new(
            Get,
            "/v1/accounts/{account}/guardianship",
            one(View::guardianship),
            Object("Guardianship"),
            "who may recover it",
        ),
        Route::new(
            Get,
            "/v1/accounts/{account}/balance",
            one(reads::balance),
            Object("Balance"),
            "its credit",
        ),
        Route::new(
            Get,
            "/v1/accounts/{account}/standing",
            one(View::standing),
            Object("Standing"),
            "what the ranking says of it, before decay",
        ),
        Route::new(
            Get,
            "/v1/accounts/{account}/vouchers",
            one(reads::vouchers),
            List("Voucher"),
            "its vouchers",
        ),
        Route::new(
            Get,
            "/v1/accounts/{account}/journal",
            get(reads::journal),
            List("CreditEntry"),
            "lines of its credit journal, from a number on",
        )
        .query(RANGE),
        Route::new(
            Get,
            "/v1/accounts/{account}/records",
            page_of(View::records_of),
            Page("Record"),
            "records of a patient, or from a hospital",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/accounts/{account}/requests",
            page_of(View::requests_of),
            Page("RequestState"),
            "requests to a patient, or by a requester",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/accounts/{account}/grants",
            page_of(View::grants_of),
            Page("Grant"),
            "grants of a patient, or to a requester or an agent",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/accounts/{account}/queries",
            page_of(View::queries_of),
            Page("QueryState"),
            "successful queries by an agent, or for a querier",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/accounts/{account}/notices",
            page_of(View::notices_of),
            Page("Notice"),
            "what a patient is told: queries, emergencies, recoveries",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/accounts/{account}/delegations",
            page_of(View::delegations_of),
            Page("Delegation"),
            "delegations of a patient, or to a delegate",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/accounts/{account}/operations",
            page_of(View::operations_of),
            Page("Link"),
            "ids of its operations",
        )
        .query(PAGE),
    ]
}

pub(super) fn sharing() -> Vec<Route> {
    vec![
        Route::new(
            Get,
            "/v1/records/{record}",
            one(View::record),
            Object("Record"),
            "a record",
        ),
        Route::new(
            Get,
            "/v1/records/{record}/states",
            page_of(View::states_of),
            Page("StateInfo"),
            "its states",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/records/{record}/states/{state}",
            two(View::state_of),
            Object("StateInfo"),
            "one of them",
        ),
        Route::new(
            Get,
            "/v1/scopes/{patient}/{sid}",
            two(View::scope),
            Object("ScopeState"),
            "rotation and hint budget of a scope",
        ),
        Route::new(
            Get,
            "/v1/requests/{request}",
            one(View::request),
            Object("RequestState"),
            "a request",
        ),
        Route::new(
            Get,
            "/v1/grants/{grant}",
            one(View::grant),
            Object("Grant"),
            "a grant",
        ),
        Route::new(
            Get,
            "/v1/grants/{grant}/queries",
            page_of(View::queries_of_grant),
            Page("QueryState"),
            "queries under it",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/queries/{query}",
            one(View::query),
            Object("QueryState"),
            "a query",
        ),
    ]
}

pub(super) fn consortium() -> Vec<Route> {
    vec![
        Route::new(
            Get,
            "/v1/disputes",
            page(View::disputes),
            Page("DisputeState"),
            "disputes",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/disputes/{dispute}",
            one(View::dispute),
            Object("DisputeState"),
            "a dispute",
        ),
        Route::new(
            Get,
            "/v1/proposals",
            page(View::proposals),
            Page("Proposal"),
            "proposals",
        )
        .query(PAGE),
        Route::new(
            Get,
            "/v1/proposals/{proposal}",
            one(View::proposal),
            Object("Proposal"),
            "a proposal",
        ),
        Route::new(
            Get,
            "/v1/delegations/{delegation}",
            one(View::delegation),
            Object("Delegation"),
            "a delegation",
        ),
        Route::new(
            Get,
            "/v1/recoveries/{recovery}",
            one(View::recovery),
            Object("Recovery"),
            "a recovery",
        ),
        Route::new(
            Get,
            "/v1/institutions",
            fixed(|view| view.institutions().map(Some)),
            List("Institution"),
            "who is in the consortium",
        ),
        Route::new(
            Get,
            "/v1/ranking",
            fixed(reads::ranking),
            List("Ranked"),
            "hospitals and agents by their reviews",
        ),
        Route::new(
            Get,
            "/v1/totals",
            fixed(|view| view.totals().map(Some)),
            Object("Totals"),
            "all credit",
        ),
        Route::new(
            Get,
            "/v1/policy",
            fixed(|view| view.policy().map(Some)),
            Object("Policy"),
            "the rules' numbers",
        ),
    ]
}

const TEXT: &str = "text/plain";
const HTML: &str = "text/html";
