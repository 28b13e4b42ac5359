//! Parties that ignore their own program's checks, to see what stops them then.
//!
//! The ordinary verbs refuse early what the ledger would refuse late. These hidden verbs
//! of the demo sign and send it all the same, so that the refusal that is shown is the
//! ledger's own, with a leaf. They are given nothing that a dishonest party would not have.

use base::{
    Action, CapsuleId, Cid, Digest, Operation, OperationId, RecordId, ScopeId, Signed, cid,
    key::Signature,
    operation::{Ask, Authorize, Commitment, GrantUse, Query, Role, SignedAsk, Terms},
};
use clap::Args;
use ledger::Outcome;
use serde_json::json;
use share::{
    Desk, Node as _,
    letter::{AskLetter, Letter},
    post,
    sealed::{CapsuleNode, SealedRecord},
};

use crate::{
    cli::{context::Context, output::Output},
    exit::{Exit, Fault, Result},
    system::{self, OsRng},
};

/// An agent that logs a query under `grant`, whether it may or not.
#[derive(Args, Debug)]
pub(super) struct DefiantQuery {
    /// The grant
    #[arg(long, value_parser = id)]
    grant: OperationId,
}

/// A requester that asks an agent for the newest state of a record, accepted or not.
#[derive(Args, Debug)]
pub(super) struct DefiantAsk {
    /// The grant
    #[arg(long, value_parser = id)]
    grant: OperationId,
    /// The record
    #[arg(long)]
    record: RecordId,
    /// The agent
    #[arg(long)]
    agent: base::AccountId,
}

/// A patient who signs a grant that her wallet would not make.
#[derive(Args, Debug)]
pub(super) struct DefiantGrant {
    /// The request
    #[arg(long, value_parser = id)]
    request: OperationId,
    /// The agent
    #[arg(long)]
    agent: base::AccountId,
    /// Queries
    #[arg(long)]
    max_queries: u32,
}

/// Logs the query for the newest ask of that grant in the mailbox; without an ask, one
/// that the requester never signed.
pub(super) fn query(args: &DefiantQuery, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Agent])?;
    let desk = entered.desk();
    let asks = asks(&desk, args.grant)?;
    let query = match asks.last() {
        Some(letter) => asked_query(&desk, letter)?,
        None => Query {
            grant: args.grant,
            ask: SignedAsk {
                expires: system::now().plus(60_000),
                signature: Signature([0; 64]),
            },
            record: RecordId(system::random32()),
            state: anything(),
            part: 0,
            sid: ScopeId(system::random32()),
            ctid: CapsuleId(system::random32()),
            result: Digest(system::random32()),
        },
    };
    insist(&desk, query, &context.output)
}

/// The asks in the agent's own mailbox that name `grant`, oldest first.
pub(super) fn asks(desk: &Desk<'_>, grant: OperationId) -> Result<Vec<AskLetter>> {
    let letters = post::collect(desk, system::now())
        .map_err(|error| Fault::new(Exit::Invalid, error))?
        .letters;
    Ok(letters
        .into_iter()
        .filter_map(|received| match received.letter {
            Letter::Ask(letter) if letter.ask.body.grant == grant => Some(letter),
            _ => None,
        })
        .collect())
}

/// A query for exactly the capsule that is asked for, with a made-up result.
fn asked_query(desk: &Desk<'_>, letter: &AskLetter) -> Result<Query> {
    let ask = &letter.ask.body;
    let header = capsule_of(desk, letter)?.header;
    Ok(Query {
        grant: ask.grant,
        ask: SignedAsk {
            expires: ask.expires,
            signature: letter.ask.signature,
        },
        record: letter.record,
        state: ask.state,
        part: ask.part,
        sid: header.sid,
        ctid: header.ctid,
        result: Digest(system::random32()),
    })
}

/// The capsule that an ask is about, as it stands in the store.
pub(super) fn capsule_of(
    desk: &Desk<'_>,
    letter: &AskLetter,
) -> Result<share::sealed::CheckedCapsule> {
    let ask = &letter.ask.body;
    let wrong = |error: &dyn std::fmt::Display| Fault::new(Exit::Invalid, error);
    let root = desk.node.read_block(&ask.state)?;
    let sealed = SealedRecord::from_block(&root, letter.record).map_err(|error| wrong(&error))?;
    let index = ask.part as usize;
    let part = sealed
        .parts
        .get(index)
        .ok_or_else(|| wrong(&"no such part"))?;
    let node = desk.node.read_block(&part.capsule)?;
    CapsuleNode::from_block(&node, &sealed, index).map_err(|error| wrong(&error))
}

/// Sends the ask that the requester's program would not send.
pub(super) fn ask(args: &DefiantAsk, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Requester, Role::Hospital])?;
    let desk = entered.desk();
    let record = desk.record(args.record)?;
    let state = record
        .pending
        .or(record.accepted)
        .ok_or_else(|| Fault::new(Exit::NotFound, "the record has no state"))?;
    let ask = Ask {
        chain: desk.party.chain,
        grant: args.grant,
        state,
        part: 0,
        agent: args.agent,
        expires: system::now().plus(60_000),
    };
    let letter = Letter::Ask(AskLetter {
        record: args.record,
        ask: Signed::new(ask, &desk.party.operation),
    });
    let to = desk.hpke_key(args.agent)?;
    let sealed = letter
        .seal(desk.party.chain, &to, &mut OsRng)
        .map_err(|error| Fault::new(Exit::Invalid, error))?;
    entered.node.send(args.agent, &sealed)?;
    let value = json!({"grant": args.grant.to_string(), "cid": state.to_string()});
    context.output.data(&value, "asked")
}

/// Signs a grant whose keys and packets do not exist.
pub(super) fn grant(args: &DefiantGrant, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    let desk = entered.desk();
    let (sid, now) = (ScopeId(system::random32()), system::now());
    let authorize = Authorize {
        terms: Terms {
            request: args.request,
            purpose: GrantUse::Ordinary,
            sids: vec![sid],
            agents: vec![args.agent],
            not_before: now,
            expires: now.plus(3_600_000),
            max_queries: args.max_queries,
        },
        commitments: vec![Commitment {
            sid,
            agent: args.agent,
            com: Digest(system::random32()),
        }],
        packets: vec![Digest(system::random32()), Digest(system::random32())],
    };
    insist(&desk, authorize, &context.output)
}

/// Signs and sends `action`, tells its id, and gives the ledger's verdict.
pub(super) fn insist(desk: &Desk<'_>, action: impl Into<Action>, output: &Output) -> Result<()> {
    let action = action.into();
    let name = action.name();
    let operation = Operation {
        chain: desk.party.chain,
        account: desk.party.account,
        delegation: desk.party.delegation,
        sequence: desk.node.sequence(desk.party.account)? + 1,
        action,
    };
    let signed = Signed::new(operation, &desk.party.operation);
    let receipt = desk
        .received(desk.node.submit(&signed)?, &signed)
        .map_err(|error| Fault::new(Exit::Invalid, error))?;
    let value = json!({"operation": receipt.id.to_string(), "index": receipt.index});
    output.data(&value, receipt.id)?;
    match receipt.outcome {
        Outcome::Ok => Ok(()),
        Outcome::Failed(failure) => Err(Fault::new(
            Exit::Refused,
            format!("the ledger refused it: {name} failed: {failure}"),
        )),
    }
}

fn anything() -> Cid {
    cid::of_object(&system::random32())
}

/// An operation's id as typed.
pub(super) fn id(text: &str) -> std::result::Result<OperationId, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no operation id"))
}
