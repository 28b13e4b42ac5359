//! The keys of a grant and the packets that carry them.

use base::{
    AccountId, Digest, GrantId, Salt, ScopeId, codec,
    key::HpkeKey,
    operation::{Authorize, Commitment, Terms},
};
use ibpre::{GrantKey, NoiseKey, ReencryptionKey, RekeyError};
use rand_core::CryptoRng;
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

use crate::{
    Suite,
    bag::{self, BagEntry},
    identity::random,
    journal::Plan,
    letter::{AgentKey, AgentPacket, GrantPacket, GrantedScope, Letter, key_hash},
    scheme::{self, gid_of},
    vault::Table,
    wallet::{ExtractError, KnownScope, Wallet},
};

use super::{Asked, AuthorizeError, opening_key};

/// The keys of a grant, in memory.
pub(super) struct Made {
    granted: Vec<GrantedScope>,
    /// For each agent, its keys.
    agents: Vec<Vec<AgentKey>>,
    commitments: Vec<Commitment>,
}

impl Made {
    pub(super) fn make(
        wallet: &Wallet<'_>,
        asked: &Asked,
        terms: &Terms,
        scopes: &[KnownScope],
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, AuthorizeError> {
        let mut made = Self {
            granted: Vec::new(),
            agents: vec![Vec::new(); terms.agents.len()],
            commitments: Vec::new(),
        };
        let mut issued = Vec::new();
        for (&sid, known) in terms.sids.iter().zip(scopes) {
            let (gid, gsalt, key, rk) = rekey(wallet, asked, terms, sid, known, rng)?;
            issued.push(BagEntry::Grant(gid));
            made.granted.push(GrantedScope {
                scope: known.scope,
                gsalt,
                key: ByteBuf::from(key.to_bytes().to_vec()),
            });
            let mut rng = &mut *rng;
            let noise = NoiseKey::generate(&mut rng);
            for (&agent, keys) in terms.agents.iter().zip(&mut made.agents) {
                let csalt = Salt(random(rng));
                let com = ibpre::commitment(scheme::grant(gid), &agent.0, &rk, &noise, &csalt.0);
                made.commitments.push(Commitment {
                    sid,
                    agent,
                    com: Digest(com),
                });
                keys.push(AgentKey {
                    sid,
                    rk: ByteBuf::from(rk.to_bytes().to_vec()),
                    noise: *noise.as_secret(),
                    gsalt,
                    csalt,
                });
            }
        }
        bag::add(wallet, issued)?;
        Ok(made)
    }

    /// Seals the packets.
    pub(super) fn seal(
        self,
        wallet: &Wallet<'_>,
        asked: &Asked,
        terms: Terms,
        prekeys: &[HpkeKey],
        rng: &mut dyn CryptoRng,
    ) -> Result<Sealed, AuthorizeError> {
        let chain = wallet.desk.party.chain;
        let request = terms.request;
        let grant = Letter::Grant(GrantPacket {
            request,
            keys: self.granted,
        });
        let mut letters = vec![(asked.requester, grant.seal(chain, &asked.key, rng)?)];
        let mut openings = Vec::new();
        for ((&agent, keys), prekey) in terms.agents.iter().zip(self.agents).zip(prekeys) {
            let packet = AgentPacket { request, keys };
            openings.push((
                Table::Openings,
                opening_key(request, agent),
                Zeroizing::new(codec::encode(&packet)),
            ));
            letters.push((agent, Letter::Agent(packet).seal(chain, prekey, rng)?));
        }
        let packets = letters.iter().map(|(_, letter)| Digest::of(letter));
        Ok(Sealed {
            operation: Authorize {
                terms,
                commitments: self.commitments,
                packets: packets.collect(),
            },
            openings,
            letters,
        })
    }
}

/// A grant that is ready to be logged.
pub(super) struct Sealed {
    pub(super) operation: Authorize,
    /// What an audit needs.
    openings: Vec<(Table, Vec<u8>, Zeroizing<Vec<u8>>)>,
    letters: Vec<(AccountId, Vec<u8>)>,
}

impl Sealed {
    pub(super) fn plan(&self) -> Plan {
        Plan {
            before: self.openings.clone(),
            letters: self.letters.clone(),
            after: Vec::new(),
        }
    }
}

type Rekeyed = (GrantId, Salt, GrantKey<Suite>, ReencryptionKey<Suite>);

fn rekey(
    wallet: &Wallet<'_>,
    asked: &Asked,
    terms: &Terms,
    sid: ScopeId,
    known: &KnownScope,
    rng: &mut dyn CryptoRng,
) -> Result<Rekeyed, AuthorizeError> {
    let own = wallet.user_key(known)?;
    let chain = wallet.desk.party.chain;
    let mut issued = BTreeSet::new(); // every gid is fresh: its salt is
    loop {
        let gsalt = Salt(random(rng));
        let gid = gid_of(
            chain,
            sid,
            asked.requester,
            key_hash(&asked.key),
            &gsalt,
            terms,
        );
        if wallet.desk.vault.get(Table::Issued, &gid.0)?.is_some() {
            continue;
        }
        let mut rng = &mut *rng;
        match ibpre::rekey(
            wallet.extractor(),
            &own,
            scheme::grant(gid),
            &mut issued,
            &mut rng,
        ) {
            Ok((key, rk)) => return Ok((gid, gsalt, key, rk)),
            Err(RekeyError::OutOfRange | RekeyError::AlreadyExtracted) => {}
            Err(_) => return Err(ExtractError::Damaged.into()),
        }
    }
}
