//! Accounts, keys, institutions, guardians.

use base::operation::*;
use serde_bytes::ByteBuf;

use super::*;
use crate::{
    guards::Asked,
    names::{hpke, record_key, registration},
};

type Drawn = Option<(AccountId, Action)>;

impl Draw {
    pub fn register(&mut self, random: &mut Random, account: AccountId) -> (AccountId, Action) {
        let name = self.named(account);
        let found = self.cast.iter().find(|(known, _)| *known == name);
        let role = found.map_or(Role::Requester, |(_, role)| *role);
        let mut register = registration(self.chain, name, role);
        match random.below(60) {
            0 => register.record_key = None,
            1 => register.peer = Some(ByteBuf::from(vec![1; random.pick(&[0, 1, 128, 129])])),
            2 => register.patient = None,
            3 => register.role = random.pick(&[Role::Agent, Role::Requester, Role::Node]),
            4 => {
                let other = id("mallory");
                register.record_key = Some(record_key(self.chain, other, "mallory"));
            }
            5 => register.operation_key = self.fresh_key(),
            _ => {}
        }
        (account, register.into())
    }

    pub fn rotate_key(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let sender = self.anybody(random);
        let kind = random.below(8);
        let new = match kind {
            0..5 => {
                let mut key = self.fresh_key();
                if random.once_in(6)
                    && let Some(account) = model.accounts.get(&sender)
                {
                    key = random.pick(&account.operation_keys).key;
                }
                let consent = KeyConsent {
                    chain: self.chain,
                    account: sender,
                    sequence: model.sequences.get(&sender).map_or(1, |last| last + 1),
                };
                let by = match random.once_in(12) {
                    true => self.fresh_key(),
                    false => key,
                };
                NewKey::Operation(key, self.sign(by, &consent.preimage()))
            }
            5 => NewKey::Hpke(hpke(&self.fresh())),
            6 => {
                let name = match random.once_in(4) {
                    true => self.named(sender).to_owned(),
                    false => self.fresh(),
                };
                let whose = match random.once_in(6) {
                    true => id("mallory"),
                    false => sender,
                };
                NewKey::Record(record_key(self.chain, whose, &name))
            }
            _ => NewKey::Peer(ByteBuf::from(vec![1; random.pick(&[0, 1, 128, 129])])),
        };
        let sender = match kind {
            6 => self.of(random, &HOSPITALS),
            7 => self.of(random, &AGENTS),
            _ => sender,
        };
        let earlier = model.height.saturating_sub(random.below(20));
        let compromised_after = match random.below(8) {
            0 | 1 => Some(earlier),
            2 => Some(model.height + 1),
            _ => None,
        };
        let action = RotateKey {
            new,
            compromised_after,
        };
        Some((sender, action.into()))
    }

    pub fn join(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let names: Vec<_> = AGENTS[..4]
            .iter()
            .chain(&APPLICANTS)
            .copied()
            .chain(["loner", "coast", "n0", "n1"])
            .collect();
        let mut sender = self.of(random, &names);
        let all = AGENTS[..4].iter().chain(&APPLICANTS);
        let loose = all.map(|name| id(name)).filter(|id| {
            let account = model.accounts.get(id);
            account.is_some_and(|account| account.institution.is_none())
        });
        if !random.once_in(4) {
            sender = random.maybe(&loose.collect::<Vec<_>>()).unwrap_or(sender);
        }
        let usual = match self.named(sender) {
            "am" | "m0" | "n0" => "mercy",
            "ag" | "m1" | "n1" => "general",
            "ai" | "loner" | "m2" => "institute",
            _ => "coast",
        };
        let institution = match random.once_in(5) {
            true => self.anybody(random),
            false => id(usual),
        };
        let consent = ConsentToJoin {
            chain: self.chain,
            account: sender,
            institution,
        };
        let key = model.key(institution).unwrap_or(secret("mallory").public());
        let key = match random.once_in(15) {
            true => self.fresh_key(),
            false => key,
        };
        let consent = self.sign(key, &consent.preimage());
        let action = Join {
            institution,
            consent,
        };
        Some((sender, action.into()))
    }

    pub fn attest(&mut self, random: &mut Random) -> Drawn {
        let names = ["mercy", "general", "coast", "institute"];
        let patient = self.of(random, &PATIENTS);
        Some((self.of(random, &names), Attest { patient }.into()))
    }

    pub fn delegate(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let mut powers = vec![Power::Accept, Power::Authorize, Power::Protect];
        powers.retain(|_| !random.once_in(3));
        if random.once_in(10) {
            powers.reverse();
        }
        let spans = [0, 1, Millis::HOUR, Millis::DAY, 60 * Millis::DAY];
        let action = Delegate {
            delegate: self.anybody(random),
            powers,
            expires: model.time.plus(random.pick(&spans)),
        };
        Some((self.of(random, &PATIENTS), action.into()))
    }

    pub fn undelegate(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let all: Vec<_> = model.delegations.values().cloned().collect();
        let found = random.maybe(&all)?;
        let delegation = found.id;
        Some((found.patient, Undelegate { delegation }.into()))
    }

    pub fn node(&self, random: &mut Random, model: &Plain) -> AccountId {
        match random.once_in(20) {
            true => self.anybody(random),
            false => random.pick(&model.validators()),
        }
    }

    pub fn admit(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let names = ["coast", "coast", "mercy", "loner", "institute"];
        let action = Admit {
            institution: self.of(random, &names),
            group: random.pick(&[None, None, None, Some(1), Some(2)]),
            nonce: base::Nonce(digest(&self.fresh()).0),
        };
        Some((self.node(random, model), action.into()))
    }

    pub fn set_policy(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let mut policy = policy(random);
        match random.below(16) {
            0 => policy.tiers = vec![0, 1],
            1 => policy.tiers = vec![5, 5],
            2 => policy.half_life_days = 0,
            3 => policy.emergency_hours = 0,
            4 => policy.tariff.hospital = 1_000_001,
            5 => policy.recovery_delay = random.pick(&[Some(0), Some(366 * Millis::DAY)]),
            6 => {
                policy.duties = Some(Duties {
                    epoch: random.pick(&[0, 59_999, 367 * Millis::DAY]),
                    ..Duties::default()
                });
            }
            7 => {
                policy.duties = Some(Duties {
                    double_sign: 1_000_001,
                    ..Duties::default()
                });
            }
            _ => {}
        }
        Some((self.node(random, model), SetPolicy { policy }.into()))
    }

    pub fn vote(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let open = model
            .proposals
            .values()
            .filter(|it| random.once_in(20) || it.status == ledger::ProposalStatus::Open);
        let open: Vec<_> = open.map(|it| it.id).collect();
        let proposal = match random.once_in(20) {
            true => random.maybe(&model.log)?.0,
            false => random.maybe(&open)?,
        };
        Some((self.node(random, model), Vote { proposal }.into()))
    }

    pub fn guard(&mut self, random: &mut Random) -> Drawn {
        let mut names = vec!["mercy", "am", "rose", "institute", "quinn", "pat"];
        names.rotate_left(random.below(3) as usize);
        names.truncate(2 + random.below(5) as usize);
        if random.once_in(20) {
            names.push("quinn");
        }
        let hour = Millis::HOUR;
        let delays = [1, hour, 72 * hour, 72 * hour, 80 * hour, 366 * 24 * hour];
        let guards = Guards {
            threshold: match random.once_in(8) {
                true => random.pick(&[0, 1, 3, 16, 17]),
                false => 2,
            },
            delay: random.pick(&delays),
            names,
        };
        let guard = guards.guard();
        self.guards.insert(guard.set, guards);
        Some((self.of(random, &PATIENTS), guard.into()))
    }

    pub fn unguard(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let guarded: Vec<_> = model.guards.iter().collect();
        let (sender, found) = random.maybe(&guarded)?;
        let guard = found.guard.or(random.maybe(&model.log).map(|it| it.0))?;
        Some((*sender, Unguard { guard }.into()))
    }

    pub fn recover(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let guarded: Vec<_> = model.guards.iter().collect();
        let (account, found) = random.maybe(&guarded)?;
        let guards = self.guards.get(&found.set)?;
        let guard = found.guard.or(random.maybe(&model.log).map(|it| it.0))?;
        // Whoever still has the key of its name approves.
        let loyal = guards.names.iter().copied().filter(|name| {
            model.key(id(name)) == Some(secret(name).public()) || random.once_in(20)
        });
        let mut by: Vec<_> = loyal.collect();
        by.truncate(match random.once_in(6) {
            true => random.below(4) as usize,
            false => guards.threshold.into(),
        });
        let attempt = found.attempts + 1 - u64::from(random.once_in(20));
        let name = match random.once_in(20) {
            true => self.named(*account).to_owned(),
            false => format!("recovered {}", self.names),
        };
        let asked = Asked {
            chain: self.chain,
            account: self.named(*account),
            guard,
            attempt,
            key: &name,
        };
        let mut recover = guards.recover(&asked, &by);
        self.names += 1;
        self.secrets.insert(secret(&name).public(), secret(&name));
        match random.below(40) {
            0 => recover.approvals.reverse(),
            1 => recover.set.threshold ^= 1,
            2 => recover.consent = Signature([1; 64]),
            3 => recover.set.members.truncate(MAX_GUARDIANS - 1),
            4 => recover.account = self.anybody(random),
            5 => recover.key = self.fresh_key(),
            _ => {}
        }
        Some((self.anybody(random), recover.into()))
    }

    pub fn object(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let all: Vec<_> = model.recoveries.values().cloned().collect();
        let found = random.maybe(&all)?;
        let recovery = found.id;
        Some((found.account, Object { recovery }.into()))
    }

    pub fn complete(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let waiting = model
            .recoveries
            .values()
            .filter(|it| random.once_in(10) || it.status == ledger::RecoveryStatus::Pending);
        let waiting: Vec<_> = waiting.cloned().collect();
        let found = random.maybe(&waiting)?;
        let key = match random.once_in(15) {
            true => self.fresh_key(),
            false => found.key,
        };
        let action = CompleteRecovery {
            recovery: found.id,
            account: found.account,
            key,
        };
        Some((self.anybody(random), action.into()))
    }
}
