//! An agent that does not do what it should.

use base::{
    Digest, Signed, codec,
    operation::{PartKey, Query, SignedAsk},
};
use ibpre::{AcceptedCapsule, NoiseKey, ReencryptionKey, SetA};
use serde::{Deserialize, Serialize};
use share::{
    Table, Vault as _,
    letter::{AgentKey, Answer, AskLetter, Reencrypted},
    part::State,
};

use super::{Cast, Person};

/// What an agent's vault holds for one scope.
#[derive(Deserialize, Serialize)]
struct Held {
    gid: base::GrantId,
    key: AgentKey,
}

/// Re-encrypts the capsule in the store without a question, logs that as a query of `named` if
/// that is another one, and gives what `spoil` makes of the result.
pub fn astray(
    cast: &Cast,
    agent: &Person,
    ask: &AskLetter,
    named: Option<&PartKey>,
    spoil: impl FnOnce(&mut Vec<u8>),
) -> Answer {
    let desk = cast.world.desk(agent);
    let body = &ask.ask.body;
    let state = State::load(&desk, ask.record, body.state).unwrap();
    let stored = state.capsule(&desk, body.part as usize).unwrap();
    let (_, bytes) = agent.vault.list(Table::Reencryption).unwrap().remove(0);
    let held: Held = codec::decode(&bytes).unwrap();
    let mut c2 = ReencryptionKey::<SetA>::from_bytes(&held.key.rk)
        .unwrap()
        .prepare()
        .reencrypt(
            &AcceptedCapsule::trust_ledger(stored.capsule.clone()),
            &NoiseKey::from_bytes(held.key.noise),
            ibpre::GrantId::from_bytes(held.gid.0),
            ibpre::CapsuleId::from_bytes(stored.header.ctid.0),
        )
        .to_bytes()
        .to_vec();
    spoil(&mut c2);
    let header = &stored.header;
    let (sid, ctid) = named.map_or((header.sid, header.ctid), |part| (part.sid, part.ctid));
    let result = Digest::of(&c2);
    let query = desk
        .send(Query {
            grant: body.grant,
            ask: SignedAsk {
                expires: body.expires,
                signature: ask.ask.signature,
            },
            record: ask.record,
            state: body.state,
            part: body.part,
            sid,
            ctid,
            result,
        })
        .unwrap();
    let word = Reencrypted {
        chain: body.chain,
        gid: held.gid,
        ctid,
        result,
    };
    Answer {
        query: query.id,
        result: c2.into(),
        word: Signed::new(word, &agent.party.operation),
    }
}
