//! Records, requests, grants, queries.

use base::{Cid, cid, operation::*};

use super::*;
use crate::names::{ctid, hpke, nonce, record_id, state};

type Drawn = Option<(AccountId, Action)>;

impl Draw {
    fn state(&mut self, random: &mut Random) -> Cid {
        match random.once_in(30) {
            true => cid::of_block(cid::RAW, b"no object"),
            false => state(&self.fresh()),
        }
    }

    fn parts(
        &mut self,
        random: &mut Random,
        model: &Plain,
        patient: AccountId,
        count: u64,
    ) -> Vec<PartKey> {
        let mut parts: Vec<_> = (0..count)
            .map(|part| PartKey {
                part: part as u32,
                sid: self.scope(random, model, patient),
                // a capsule of another state or record, at times
                ctid: match random.once_in(12) {
                    true => ctid("shared"),
                    false => ctid(&self.fresh()),
                },
            })
            .collect();
        match random.below(40) {
            0 => parts.reverse(),
            1 => parts.truncate(1),
            2 => parts.clear(),
            3 => parts.extend(parts.last().copied()),
            _ => {}
        }
        parts
    }

    pub fn publish(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let sender = self.of(random, &HOSPITALS);
        let name = match random.once_in(15) {
            true => "taken".to_owned(),
            false => self.fresh(),
        };
        let mut record = record_id(self.named(sender), &name);
        if random.once_in(30)
            && let Some(other) = random.maybe(&model.records.keys().copied().collect::<Vec<_>>())
        {
            record = other;
        }
        let action = Publish {
            record,
            nonce: nonce(&name),
            patient: self.of(random, &PATIENTS),
            after: self.state(random),
        };
        Some((sender, action.into()))
    }

    fn record(&self, random: &mut Random, model: &Plain) -> Option<ledger::Record> {
        let all: Vec<_> = model.records.values().cloned().collect();
        random.maybe(&all)
    }

    /// A record of this kind, or any at times.
    fn record_with(
        &self,
        random: &mut Random,
        model: &Plain,
        fits: fn(&ledger::Record) -> bool,
    ) -> Option<ledger::Record> {
        if random.once_in(10) {
            return self.record(random, model);
        }
        let all: Vec<_> = model
            .records
            .values()
            .filter(|it| fits(it))
            .cloned()
            .collect();
        random.maybe(&all)
    }

    fn a_state_of(&mut self, random: &mut Random, model: &Plain, of: &ledger::Record) -> Cid {
        let states = model.states.keys().filter(|key| key.0 == of.id);
        let states: Vec<_> = states.map(|key| key.1).collect();
        random.maybe(&states).unwrap_or_else(|| state("none"))
    }

    pub fn modify(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let fits = |it: &ledger::Record| it.accepted.is_some() && it.pending.is_none();
        let record = self.record_with(random, model, fits)?;
        let before = match random.once_in(10) {
            true => self.a_state_of(random, model, &record),
            false => record.accepted.unwrap_or_else(|| state("none")),
        };
        let after = match random.once_in(10) {
            true => self.a_state_of(random, model, &record),
            false => self.state(random),
        };
        let action = Modify {
            record: record.id,
            before,
            after,
        };
        Some((record.hospital, action.into()))
    }

    fn pending(&mut self, random: &mut Random, model: &Plain) -> Option<(ledger::Record, Cid)> {
        let record = self.record_with(random, model, |it| it.pending.is_some())?;
        let state = match record.pending {
            Some(pending) if !random.once_in(15) => pending,
            _ => self.a_state_of(random, model, &record),
        };
        Some((record, state))
    }

    pub fn accept(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let (record, state) = self.pending(random, model)?;
        let count = 1 + random.below(3);
        let action = Accept {
            record: record.id,
            state,
            parts: self.parts(random, model, record.patient, count),
        };
        Some((record.patient, action.into()))
    }

    pub fn reject(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let (record, state) = self.pending(random, model)?;
        let action = Reject {
            record: record.id,
            state,
            code: random.pick(&[RejectCode::Invalid, RejectCode::NotMine]),
        };
        Some((record.patient, action.into()))
    }

    pub fn rewrap(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let fits = |it: &ledger::Record| it.accepted.is_some() && it.pending.is_none();
        let record = self.record_with(random, model, fits)?;
        let count = record.parts.len() as u64 + u64::from(random.once_in(20));
        let after = match random.once_in(10) {
            true => self.a_state_of(random, model, &record),
            false => self.state(random),
        };
        let action = Rewrap {
            record: record.id,
            before: record.accepted.unwrap_or_else(|| state("none")),
            after,
            parts: self.parts(random, model, record.patient, count),
        };
        Some((record.patient, action.into()))
    }

    pub fn erase(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let record = self.record(random, model)?;
        let sender = random.pick(&[record.hospital, record.patient]);
        let erase = Erase { record: record.id };
        Some((sender, erase.into()))
    }

    pub fn rotate_scope(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let sender = self.of(random, &PATIENTS);
        let action = RotateScope {
            sid: self.scope(random, model, sender),
            next: match random.once_in(2) {
                true => self.scope(random, model, sender),
                false => sid(&format!("{sender} next {}", model.height)),
            },
        };
        Some((sender, action.into()))
    }

    pub fn bag(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let sender = self.of(random, &PATIENTS);
        let last = model.bags.get(&sender).map_or(0, |bag| bag.version);
        let action = Bag {
            version: random.pick(&[last + 1, last + 1, last + 9, last, 0]),
            commitment: digest(&self.fresh()),
        };
        Some((sender, action.into()))
    }

    pub fn request(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let names = ["mercy", "general", "coast", "institute", "loner"];
        let key = match random.once_in(15) {
            true => "used before".to_owned(),
            false => self.fresh(),
        };
        let spans = [
            0,
            1,
            Millis::HOUR,
            Millis::DAY,
            30 * Millis::DAY,
            90 * Millis::DAY,
        ];
        let action = Request {
            patient: self.of(random, &PATIENTS),
            expires: model.time.plus(random.pick(&spans)),
            one_time_key: hpke(&key),
            commitment: digest("asked"),
            cohort: random.once_in(4).then(|| nonce("cohort")),
        };
        Some((self.of(random, &names), action.into()))
    }

    fn open(&self, random: &mut Random, model: &Plain) -> Option<ledger::RequestState> {
        let any = random.once_in(15);
        let open = model.requests.values().filter(|it| {
            any || it.status == ledger::RequestStatus::Open && model.time < it.expires
        });
        random.maybe(&open.cloned().collect::<Vec<_>>())
    }

    /// Agents of institutions that are not the querier's.
    fn apart(&self, model: &Plain, querier: AccountId) -> Vec<AccountId> {
        let querier = model.institution(querier);
        let agents = AGENTS.iter().map(|name| id(name)).filter(|agent| {
            let his = model.institution(*agent);
            his.is_some_and(|his| querier.is_none_or(|hers| !Plain::same(&his, &hers)))
        });
        agents.collect()
    }

    pub fn authorize(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let request = self.open(random, model)?;
        let patient = request.patient;
        // Scopes that something can be asked under, mostly.
        let hers = model.records.values().filter(|it| it.patient == patient);
        let sealed: Vec<_> = hers
            .flat_map(|it| it.parts.iter().map(|part| part.sid))
            .collect();
        let mut sids: Vec<_> = (0..1 + random.below(3))
            .map(|_| match random.once_in(5) {
                true => self.scope(random, model, patient),
                false => random.maybe(&sealed).unwrap_or(sid("everybody's")),
            })
            .collect();
        let apart: Vec<_> = self.apart(model, request.requester);
        let mut agents: Vec<_> = (0..1 + random.below(2))
            .map(|_| match random.once_in(25) {
                true => self.of(random, &AGENTS),
                false => random.maybe(&apart).unwrap_or(id("free")),
            })
            .collect();
        sids.sort();
        sids.dedup();
        agents.sort();
        agents.dedup();
        let hospital = model.role(request.requester) == Some(Role::Hospital);
        let loud = hospital && random.once_in(3) || random.once_in(30);
        let (hour, day) = (Millis::HOUR, Millis::DAY);
        let now = model.time;
        let terms = Terms {
            request: request.id,
            purpose: match loud {
                true => GrantUse::Emergency,
                false => GrantUse::Ordinary,
            },
            sids,
            agents,
            not_before: random.pick(&[Millis(0), now, now, now, now.plus(1), now.plus(hour)]),
            expires: match random.once_in(12) {
                true => now.plus(random.pick(&[0, 1])),
                false => now.plus(random.pick(&[2 * hour, day, 30 * day, 90 * day])),
            },
            max_queries: match random.once_in(8) {
                true => random.pick(&[0, 10, 29_728, 29_729, u32::MAX]),
                false => random.pick(&[1, 1, 2, 3, 5]),
            },
        };
        let mut commitments = Vec::new();
        for sid in &terms.sids {
            for agent in &terms.agents {
                commitments.push(Commitment {
                    sid: *sid,
                    agent: *agent,
                    com: digest("com"),
                });
            }
        }
        let packets = vec![digest("packet"); terms.agents.len() + 1];
        let mut action = Authorize {
            terms,
            commitments,
            packets,
        };
        match random.below(50) {
            0 => action.terms.sids.reverse(),
            1 => action.terms.agents.clear(),
            2 => action.commitments.reverse(),
            3 => action.packets.truncate(1),
            4 => action.terms.sids.clear(),
            5 => action.terms.request = random.maybe(&model.log)?.0,
            _ => {}
        }
        Some((patient, action.into()))
    }

    pub fn deny(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let found = self.open(random, model)?;
        let request = match random.once_in(20) {
            true => random.maybe(&model.log)?.0,
            false => found.id,
        };
        Some((found.patient, Deny { request }.into()))
    }

    fn grant(&self, random: &mut Random, model: &Plain) -> Option<ledger::Grant> {
        let any = random.once_in(6);
        let live = model
            .grants
            .values()
            .filter(|it| any || it.revoked.is_none() && model.time < it.terms.expires);
        random.maybe(&live.cloned().collect::<Vec<_>>())
    }

    pub fn revoke(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let found = self.grant(random, model)?;
        let grant = match random.once_in(20) {
            true => random.maybe(&model.log)?.0,
            false => found.id,
        };
        Some((found.patient, Revoke { grant }.into()))
    }

    pub fn query(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let grant = self.grant(random, model)?;
        let strays = random.once_in(10);
        let mut wanted = Vec::new();
        for record in model.records.values() {
            for part in &record.parts {
                let fits = record.patient == grant.patient && grant.terms.sids.contains(&part.sid);
                if strays || fits {
                    wanted.push((record.clone(), *part));
                }
            }
        }
        let (record, mut part) = random.maybe(&wanted)?;
        let agent = match random.once_in(15) {
            true => self.of(random, &AGENTS),
            false => random.maybe(&grant.terms.agents)?,
        };
        let state = match record.accepted {
            Some(state) if !random.once_in(15) => state,
            _ => self.a_state_of(random, model, &record),
        };
        match random.below(60) {
            0 => part.part += 1,
            1 => part.ctid = ctid("none"),
            2 => part.sid = self.scope(random, model, record.patient),
            _ => {}
        }
        let expires = match random.below(12) {
            0 => model.time,
            1 => model.time.minus(1),
            _ => model.time.plus(Millis::HOUR),
        };
        let ask = Ask {
            chain: self.chain,
            grant: grant.id,
            state,
            part: part.part,
            agent,
            expires,
        };
        let mut key = model.key(grant.requester)?;
        if random.once_in(20)
            && let Some(account) = model.accounts.get(&grant.requester)
        {
            key = random.pick(&account.operation_keys).key;
        }
        let mut signature = self.sign(key, &ask.preimage());
        if random.once_in(40) {
            signature.0[40] ^= 1;
        }
        let action = Query {
            grant: match random.once_in(40) {
                true => random.maybe(&model.log)?.0,
                false => grant.id,
            },
            ask: SignedAsk { expires, signature },
            record: match random.once_in(60) {
                true => record_id("mercy", "never published"),
                false => record.id,
            },
            state,
            part: part.part,
            sid: part.sid,
            ctid: part.ctid,
            result: digest("c2"),
        };
        Some((agent, action.into()))
    }
}
