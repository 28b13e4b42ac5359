//! A lying agent: it does everything that an honest one does, and corrupts the bytes of
//! the re-encrypted capsule before it logs, signs and sends them.
//!
//! Scheme page, steps 9 and 10: the requester's check of the capsule catches it, and its
//! own signature on the bytes is the evidence.

use base::{
    AccountId, Digest, GrantId, Millis, OperationId, Signed, codec,
    operation::{Query, Role, SignedAsk},
};
use clap::Args;
use ibpre::{AcceptedCapsule, NoiseKey, ReencryptionKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::json;
use share::{
    Desk, Node as _, Suite, Table,
    letter::{AgentKey, Answer, AskLetter, Letter, Reencrypted},
    sealed::CheckedCapsule,
};

use super::defy::{asks, capsule_of, id};
use crate::{
    cli::context::Context,
    exit::{Exit, Fault, Result},
    system::OsRng,
};

/// An agent that lies about one re-encryption.
#[derive(Args, Debug)]
pub(super) struct Lie {
    /// The grant
    #[arg(long, value_parser = id)]
    grant: OperationId,
}

/// A re-encryption key as the agent's own vault holds it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    gid: GrantId,
    key: AgentKey,
}

/// Answers the newest ask of the grant with corrupted bytes.
pub(super) fn lie(args: &Lie, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Agent])?;
    let desk = entered.desk();
    let letters = asks(&desk, args.grant)?;
    let letter = letters
        .last()
        .ok_or_else(|| Fault::new(Exit::Pending, "nobody has asked this agent yet"))?;
    let capsule = capsule_of(&desk, letter)?;
    let held = held(&desk, args.grant, &capsule)?;
    let result = corrupted(reencrypted(&held, &capsule)?);
    let digest = Digest::of(&result);
    let sent = desk.send(query(letter, &capsule, digest))?;
    let word = Reencrypted {
        chain: desk.party.chain,
        gid: held.gid,
        ctid: capsule.header.ctid,
        result: digest,
    };
    let answer = Letter::Answer(Answer {
        query: sent.id,
        result: ByteBuf::from(result),
        word: Signed::new(word, &desk.party.operation),
    });
    let requester = requester_of(&desk, args.grant)?;
    let sealed = answer
        .seal(desk.party.chain, &desk.hpke_key(requester)?, &mut OsRng)
        .map_err(|error| Fault::new(Exit::Invalid, error))?;
    entered.node.send(requester, &sealed)?;
    let value = json!({"operation": sent.id.to_string(), "time": Millis::to_string(&sent.time())});
    context.output.data(&value, sent.id)
}

fn held(desk: &Desk<'_>, grant: OperationId, capsule: &CheckedCapsule) -> Result<Held> {
    let place = [grant.0.to_bytes(), capsule.header.sid.0.to_vec()].concat();
    let bytes = desk
        .vault
        .get(Table::Reencryption, &place)?
        .ok_or_else(|| Fault::new(Exit::NotFound, "this agent holds no key of that scope"))?;
    codec::decode(&bytes).map_err(|error| Fault::new(Exit::Home, error))
}

/// c2 as an honest agent computes it.
fn reencrypted(held: &Held, capsule: &CheckedCapsule) -> Result<Vec<u8>> {
    let rk = ReencryptionKey::<Suite>::from_bytes(&held.key.rk)
        .map_err(|error| Fault::new(Exit::Home, error))?;
    let accepted = AcceptedCapsule::trust_ledger(capsule.capsule.clone());
    let (gid, ctid) = (
        ibpre::GrantId::from_bytes(held.gid.0),
        ibpre::CapsuleId::from_bytes(capsule.header.ctid.0),
    );
    let noise = NoiseKey::from_bytes(held.key.noise);
    Ok(rk
        .prepare()
        .reencrypt(&accepted, &noise, gid, ctid)
        .to_bytes())
}

/// Turns over every bit of the last half: few flips would be mended by the code.
fn corrupted(mut bytes: Vec<u8>) -> Vec<u8> {
    let half = bytes.len() / 2;
    for byte in &mut bytes[half..] {
        *byte ^= 0xff;
    }
    bytes
}

fn query(letter: &AskLetter, capsule: &CheckedCapsule, result: Digest) -> Query {
    let ask = &letter.ask.body;
    Query {
        grant: ask.grant,
        ask: SignedAsk {
            expires: ask.expires,
            signature: letter.ask.signature,
        },
        record: letter.record,
        state: ask.state,
        part: ask.part,
        sid: capsule.header.sid,
        ctid: capsule.header.ctid,
        result,
    }
}

fn requester_of(desk: &Desk<'_>, grant: OperationId) -> Result<AccountId> {
    let grant = desk.node.grant(grant)?;
    grant
        .map(|grant| grant.requester)
        .ok_or_else(|| Fault::new(Exit::NotFound, "the ledger has no such grant"))
}
