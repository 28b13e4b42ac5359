//! Operations out of a seed: mostly what a party could send now, each part spoilt at times.

#[path = "draw/care.rs"]
mod care;
#[path = "draw/parties.rs"]
mod parties;
#[path = "draw/sharing.rs"]
mod sharing;
#[path = "draw/validators.rs"]
mod validators;

use base::{
    AccountId, Action, ChainId, Millis, Operation, OperationId, ScopeId, Signed, SignedOperation,
    Statement,
    genesis::{Duties, Policy, Tariff},
    key::{OperationKey, OperationSecret, Signature},
    operation::Role,
};
use std::collections::BTreeMap;

use super::{
    digest,
    guards::Guards,
    id,
    plain::{Plain, current},
    random::Random,
    secret, sid,
};

const HOSPITALS: [&str; 3] = ["mercy", "general", "coast"];
const REQUESTERS: [&str; 2] = ["institute", "loner"];
const AGENTS: [&str; 5] = ["am", "ag", "ac", "ai", "free"];
const APPLICANTS: [&str; 4] = ["m0", "m1", "m2", "m3"];
const PATIENTS: [&str; 3] = ["pat", "quinn", "rose"];

/// An action with its sender, and the delegation that it names.
struct Wish {
    sender: AccountId,
    delegation: Option<OperationId>,
    action: Action,
}

pub struct Draw {
    chain: ChainId,
    cast: Vec<(&'static str, Role)>,
    secrets: BTreeMap<OperationKey, OperationSecret>,
    guards: BTreeMap<base::Digest, Guards>,
    sent: Vec<SignedOperation>,
    /// Makes names that nobody used.
    names: u64,
}

/// A policy whose limits are near.
pub fn policy(random: &mut Random) -> Policy {
    let hour = Millis::HOUR;
    Policy {
        tariff: Tariff {
            patient_first: random.pick(&[0, 3, 10]),
            patient_more: random.pick(&[0, 1, 2]),
            hospital: random.pick(&[0, 5, 7]),
            agent: random.pick(&[0, 1, 4]),
            fabrication: random.pick(&[0, 9, 200]),
        },
        cap_institution_day: random.pick(&[6, 14, 40, 2_000]),
        cap_pair_day: random.pick(&[11, 16, 40, 1_000, u32::MAX]),
        cap_attest_day: random.pick(&[1, 2, 200]),
        tiers: random.pick(&[vec![], vec![1], vec![3, 10, 20], vec![10, 100, 1_000]]),
        half_life_days: random.pick(&[1, 7, 365]),
        emergency_hours: random.pick(&[1, 24, u32::MAX]),
        hint_limit: random.pick(&[9_216, 20_000, 40_000, 80_000, 3_276_800]),
        grants_per_scope: random.pick(&[1, 3, 9, 1_024]),
        recovery_delay: random.pick(&[None, Some(1), Some(hour), Some(30 * hour)]),
        duties: match random.once_in(3) {
            true => None,
            false => Some(Duties {
                epoch: random.pick(&[60_000, hour, Millis::DAY]),
                missed_turn: random.pick(&[0, 1, 3]),
                cap_missed_day: random.pick(&[0, 4, 10]),
                double_sign: random.pick(&[0, 5, 200]),
            }),
        },
    }
}

impl Draw {
    pub fn new(chain: ChainId, nodes: &[&'static str]) -> Self {
        let cast = HOSPITALS.iter().map(|name| (*name, Role::Hospital));
        let cast = cast.chain(REQUESTERS.iter().map(|name| (*name, Role::Requester)));
        let cast = cast.chain(AGENTS.iter().map(|name| (*name, Role::Agent)));
        let cast = cast.chain(PATIENTS.iter().map(|name| (*name, Role::Patient)));
        let cast = cast.chain(APPLICANTS.iter().map(|name| (*name, Role::Node)));
        let cast: Vec<_> = cast
            .chain(nodes.iter().map(|name| (*name, Role::Node)))
            .collect();
        let secrets = cast.iter().map(|(name, _)| secret(name));
        Self {
            chain,
            secrets: secrets.map(|secret| (secret.public(), secret)).collect(),
            cast,
            guards: BTreeMap::new(),
            sent: Vec::new(),
            names: 0,
        }
    }

    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("fresh {}", self.names)
    }

    /// A new key that the drawer can sign with.
    fn fresh_key(&mut self) -> OperationKey {
        let secret = secret(&self.fresh());
        let key = secret.public();
        self.secrets.insert(key, secret);
        key
    }

    /// The secret half of a key that was drawn.
    pub fn secret_of(&self, key: &OperationKey) -> Option<&OperationSecret> {
        self.secrets.get(key)
    }

    fn sign(&self, key: OperationKey, message: &[u8]) -> Signature {
        match self.secrets.get(&key) {
            Some(secret) => secret.sign(message),
            None => Signature([7; 64]),
        }
    }

    fn named(&self, account: AccountId) -> &'static str {
        let found = self.cast.iter().find(|(name, _)| id(name) == account);
        found.map_or("nobody", |(name, _)| name)
    }

    fn of(&self, random: &mut Random, names: &[&str]) -> AccountId {
        match random.once_in(40) {
            true => id(random.pick(&self.cast).0),
            false => id(random.pick(names)),
        }
    }

    fn anybody(&self, random: &mut Random) -> AccountId {
        id(random.pick(&self.cast).0)
    }

    /// A few scopes each, and one that everybody names; seldom one that is retired.
    fn scope(&self, random: &mut Random, model: &Plain, patient: AccountId) -> ScopeId {
        let own = (0..12).map(|number| sid(&format!("{patient} {number}")));
        let all: Vec<_> = own.chain([sid("everybody's")]).collect();
        let live = all
            .iter()
            .filter(|sid| !model.rotated.contains_key(&(patient, **sid)));
        let live: Vec<_> = live.copied().take(3).collect();
        match random.once_in(12) {
            true => random.pick(&all),
            false => random.maybe(&live).unwrap_or(all[0]),
        }
    }

    /// The time of the next block: a little later, much later, or just around a moment at
    /// which something begins or ends.
    pub fn time(&self, random: &mut Random, model: &Plain) -> Millis {
        let now = model.time;
        let least = now.plus(1);
        if random.once_in(3) {
            let mut moments: Vec<Millis> = Vec::new();
            for grant in model.grants.values() {
                moments.extend([grant.terms.not_before, grant.terms.expires]);
            }
            moments.extend(model.requests.values().map(|it| it.expires));
            moments.extend(model.delegations.values().map(|it| it.expires));
            moments.extend(model.recoveries.values().map(|it| it.due));
            let hours = u64::from(model.policy.emergency_hours).saturating_mul(Millis::HOUR);
            moments.extend(model.emergencies.values().map(|it| it.time.plus(hours)));
            moments.push(Millis((now.day() + 1) * Millis::DAY));
            let far = now.plus(400 * Millis::DAY);
            moments.retain(|moment| *moment > now && *moment < far);
            moments.sort();
            // The nearest ones, so that time does not run away.
            moments.truncate(4);
            if let Some(moment) = random.maybe(&moments) {
                let offset = random.pick(&[moment.minus(1), moment, moment, moment.plus(1)]);
                return offset.max(least);
            }
        }
        let steps = [1, 1, Millis::SECOND, Millis::SECOND, 600_000, 600_000];
        let rare = [
            Millis::HOUR,
            25 * Millis::HOUR,
            3 * Millis::DAY,
            40 * Millis::DAY,
        ];
        match random.once_in(18) {
            true => now.plus(random.pick(&rare)),
            false => now.plus(random.pick(&steps)),
        }
    }

    /// Something signed; at times by the wrong key, with a wrong number, for another
    /// ledger, or sent before.
    pub fn operation(&mut self, random: &mut Random, model: &Plain) -> Option<SignedOperation> {
        if random.once_in(50)
            && let Some(old) = random.maybe(&self.sent)
        {
            return Some(old);
        }
        // Not everything can be wished for yet.
        let wish = (0..4).find_map(|_| self.wish(random, model))?;
        let last = model.sequences.get(&wish.sender).copied().unwrap_or(0);
        let mut operation = Operation {
            chain: self.chain,
            account: wish.sender,
            delegation: wish.delegation,
            sequence: last + 1,
            action: wish.action,
        };
        if random.once_in(50) {
            operation.sequence = random.pick(&[0, last, last + 2, u64::MAX]);
        }
        if random.once_in(100) {
            operation.chain = ChainId(digest("another ledger").0);
        }
        let account = model.accounts.get(&wish.sender);
        let first = secret(self.named(wish.sender)).public();
        let mut key = account.map_or(first, current);
        if random.once_in(40) {
            // an older key of the account, or another's
            let old = account.and_then(|it| random.maybe(&it.operation_keys));
            key = old.map_or(first, |period| period.key);
            if random.once_in(2) {
                key = secret("mallory").public();
                self.secrets.insert(key, secret("mallory"));
            }
        }
        let signature = self.sign(key, &operation.preimage());
        let signed = Signed {
            body: operation,
            signature,
        };
        self.sent.push(signed.clone());
        Some(signed)
    }

    fn wish(&mut self, random: &mut Random, model: &Plain) -> Option<Wish> {
        // First the cast comes in, then it acts.
        let missing: Vec<_> = self.cast.iter().map(|(name, _)| id(name)).collect();
        let missing = missing.iter().filter(|id| !model.accounts.contains_key(id));
        let missing: Vec<_> = missing.copied().collect();
        let (sender, action) = match random.maybe(&missing) {
            Some(account) if random.below(4) > 0 => self.register(random, account),
            _ if random.once_in(3) && self.loose(model) => self.join(random, model)?,
            _ => self.any_action(random, model)?,
        };
        let mut wish = Wish {
            sender,
            delegation: None,
            action,
        };
        let given = model.delegations.values().filter(|it| it.patient == sender);
        let given: Vec<_> = given.cloned().collect();
        if random.once_in(6)
            && let Some(delegation) = random.maybe(&given)
        {
            wish.sender = delegation.delegate;
            wish.delegation = Some(delegation.id);
        }
        if random.once_in(80) {
            wish.delegation = random.maybe(&model.delegations.keys().copied().collect::<Vec<_>>());
        }
        if random.once_in(60) {
            wish.sender = self.anybody(random);
        }
        Some(wish)
    }

    /// Whether an agent that has a place to go to is not there yet.
    fn loose(&self, model: &Plain) -> bool {
        AGENTS[..4].iter().chain(&APPLICANTS).any(|name| {
            let account = model.accounts.get(&id(name));
            let ready =
                !matches!(*name, "ac" | "m3") || model.institutions.contains_key(&id("coast"));
            ready && account.is_some_and(|account| account.institution.is_none())
        })
    }

    fn any_action(&mut self, random: &mut Random, model: &Plain) -> Option<(AccountId, Action)> {
        match random.below(166) {
            0..4 => self.rotate_key(random, model),
            4..7 => self.join(random, model),
            7..11 => self.attest(random),
            11..15 => self.delegate(random, model),
            15..17 => self.undelegate(random, model),
            17..19 => self.admit(random, model),
            19 => self.set_policy(random, model),
            20..25 => self.vote(random, model),
            25..34 => self.publish(random, model),
            34..38 => self.modify(random, model),
            38..51 => self.accept(random, model),
            51..53 => self.reject(random, model),
            53..56 => self.rewrap(random, model),
            56..58 => self.rotate_scope(random, model),
            58..60 => self.bag(random, model),
            60 => self.erase(random, model),
            61..70 => self.request(random, model),
            70..81 => self.authorize(random, model),
            81..83 => self.deny(random, model),
            83..86 => self.revoke(random, model),
            86..108 => self.query(random, model),
            108..120 => self.review(random, model),
            120..123 => self.emergency(random),
            123..126 => self.dispute(random, model),
            126..129 => self.resolve(random, model),
            129..132 => self.redeem(random, model),
            132..136 => self.guard(random),
            136 => self.unguard(random, model),
            137..142 => self.recover(random, model),
            142..144 => self.object(random, model),
            144..149 => self.complete(random, model),
            149..155 => self.apply(random, model),
            155 => self.leave(random, model),
            156..158 => self.expel(random, model),
            158..161 => self.double_sign(random, model),
            161..165 => self.vote(random, model),
            _ => {
                let account = self.anybody(random);
                Some(self.register(random, account))
            }
        }
    }
}
