//! Requests, grants, queries, and the hint budget.

use base::{
    AccountId, Millis, OperationId, ScopeId, Statement,
    operation::{Ask, Authorize, Deny, GrantUse, Query, Request, Revoke, Role},
};
use ledger::{Failure, Grant, QueryState, RequestState, RequestStatus};

use super::{At, No, Plain, Told};

/// Hundredths of W that N distinct capsules cost: 100 (√N + 8.6)² without its cross terms
/// rounded down, as the scheme page has it: 100 N + ⌈1720 √N⌉ + 7396.
pub fn hint_cost(queries: u64) -> u64 {
    if queries == 0 {
        return 0;
    }
    let square = 1_720_u128 * 1_720 * u128::from(queries);
    let mut root = (1_720.0 * (queries as f64).sqrt()) as u128;
    while root * root < square {
        root += 1;
    }
    while root > 0 && (root - 1) * (root - 1) >= square {
        root -= 1;
    }
    100 * queries + root as u64 + 7_396
}

impl Plain {
    pub fn request(&mut self, at: &At, action: &Request, no: &mut No) {
        no.unless(self.is_patient(action.patient), Failure::UnknownAccount);
        no.unless(action.expires > self.time, Failure::RequestExpired);
        let mut used = self.requests.values();
        let fresh = used.all(|it| it.one_time_key != action.one_time_key);
        no.unless(fresh, Failure::ReusedOneTimeKey);
        if no.any() {
            return;
        }
        let request = RequestState {
            id: at.id,
            requester: at.sender,
            patient: action.patient,
            expires: action.expires,
            one_time_key: action.one_time_key.clone(),
            commitment: action.commitment,
            cohort: action.cohort,
            time: self.time,
            status: RequestStatus::Open,
        };
        self.requests.insert(at.id, request);
    }

    /// An unanswered request to her.
    fn unanswered(&self, at: &At, id: OperationId, no: &mut No) -> Option<RequestState> {
        let Some(request) = self.requests.get(&id) else {
            no.because(Failure::UnknownRequest);
            return None;
        };
        no.unless(request.patient == at.principal, Failure::NotYours);
        let open = request.status == RequestStatus::Open;
        no.unless(open, Failure::RequestClosed);
        Some(request.clone())
    }

    pub fn authorize(&mut self, at: &At, action: &Authorize, no: &mut No) {
        let terms = &action.terms;
        no.unless(shaped(action), Failure::BadShape);
        no.unless(self.time < terms.expires, Failure::GrantExpired);
        let Some(request) = self.unanswered(at, terms.request, no) else {
            return;
        };
        no.unless(self.time < request.expires, Failure::RequestExpired);
        let hospital = self.role(request.requester) == Some(Role::Hospital);
        let ordinary = terms.purpose == GrantUse::Ordinary;
        no.unless(ordinary || hospital, Failure::WrongRole);
        for agent in &terms.agents {
            self.separated(*agent, request.requester, no);
        }
        for sid in &terms.sids {
            let retired = self.rotated.contains_key(&(request.patient, *sid));
            no.unless(!retired, Failure::RetiredScope);
            let cost = self.cost(request.patient, *sid) + hint_cost(terms.max_queries.into());
            no.unless(cost <= self.policy.hint_limit, Failure::OverBudget);
            let grants = self.under(request.patient, *sid).count() as u64;
            let room = grants < u64::from(self.policy.grants_per_scope);
            no.unless(room, Failure::OverBudget);
        }
        if no.any() {
            return;
        }
        let grant = Grant {
            id: at.id,
            patient: request.patient,
            requester: request.requester,
            terms: terms.clone(),
            time: self.time,
            revoked: None,
            used: 0,
            used_by_scope: vec![0; terms.sids.len()],
            rewarded: 0,
        };
        self.grants.insert(at.id, grant);
        if let Some(request) = self.requests.get_mut(&request.id) {
            request.status = RequestStatus::Granted(at.id);
        }
    }

    /// An agent and a querier of one institution or group hold a scope's key together.
    fn separated(&self, agent: AccountId, querier: AccountId, no: &mut No) {
        let is_agent = self.role(agent) == Some(Role::Agent);
        let Some(his) = self.institution(agent).filter(|_| is_agent) else {
            return no.because(Failure::WrongAgent);
        };
        if let Some(hers) = self.institution(querier) {
            no.unless(!Self::same(&his, &hers), Failure::SameInstitution);
        }
    }

    /// Grants ever made under a patient's scope.
    pub fn under(&self, patient: AccountId, sid: ScopeId) -> impl Iterator<Item = &Grant> {
        let grants = self.grants.values();
        grants.filter(move |it| it.patient == patient && it.terms.sids.contains(&sid))
    }

    /// What a scope's budget is used for: all that live grants may ask, and all that was
    /// asked under those that ended.
    pub fn cost(&self, patient: AccountId, sid: ScopeId) -> u64 {
        let costs = self.under(patient, sid).map(|grant| {
            let ended = grant.revoked.is_some() || self.time >= grant.terms.expires;
            hint_cost(match ended {
                true => self.used(grant.id, sid),
                false => grant.terms.max_queries.into(),
            })
        });
        costs.sum()
    }

    /// Distinct capsules of a scope that were re-encrypted under a grant.
    pub fn used(&self, grant: OperationId, sid: ScopeId) -> u64 {
        let capsules = self.capsules.iter();
        capsules
            .filter(|(key, value)| key.0 == grant && value.0 == sid)
            .count() as u64
    }

    pub fn deny(&mut self, at: &At, action: &Deny, no: &mut No) {
        let now = self.time;
        self.unanswered(at, action.request, no);
        if !no.any()
            && let Some(request) = self.requests.get_mut(&action.request)
        {
            request.status = RequestStatus::Denied(now);
        }
    }

    pub fn revoke(&mut self, at: &At, action: &Revoke, no: &mut No) {
        let now = self.time;
        let Some(grant) = self.grants.get_mut(&action.grant) else {
            return no.because(Failure::NoGrant);
        };
        no.unless(grant.patient == at.principal, Failure::NotYours);
        no.unless(grant.revoked.is_none(), Failure::GrantRevoked);
        if !no.any() {
            grant.revoked = Some(now);
        }
    }

    pub fn query(&mut self, at: &At, action: &Query, no: &mut No) {
        let Some(grant) = self.grants.get(&action.grant).cloned() else {
            return no.because(Failure::NoGrant);
        };
        self.live(&grant, no);
        self.asked(at, action, &grant, no);
        self.accepted(action, &grant, no);
        let capsule = (grant.id, action.ctid);
        let before = self.capsules.get(&capsule);
        match before {
            Some((_, agents)) => no.unless(!agents.contains(&at.sender), Failure::AlreadyQueried),
            None => {
                let used = self.capsules.keys().filter(|key| key.0 == grant.id).count();
                let room = (used as u64) < u64::from(grant.terms.max_queries);
                no.unless(room, Failure::GrantExhausted);
            }
        }
        if no.any() {
            return;
        }
        let repeat = before.is_some();
        let entry = self.capsules.entry(capsule);
        let entry = entry.or_insert_with(|| (action.sid, Vec::new()));
        entry.1.push(at.sender);
        if !repeat && let Some(grant) = self.grants.get_mut(&grant.id) {
            grant.used += 1;
            for (sid, used) in grant.terms.sids.iter().zip(&mut grant.used_by_scope) {
                *used += u32::from(*sid == action.sid);
            }
        }
        let query = QueryState {
            id: at.id,
            grant: grant.id,
            agent: at.sender,
            querier: grant.requester,
            patient: grant.patient,
            record: action.record,
            state: action.state,
            part: action.part,
            sid: action.sid,
            ctid: action.ctid,
            result: action.result,
            time: self.time,
            height: self.height,
            repeat,
            review: None,
        };
        self.queries.insert(at.id, query);
        self.notices.push((grant.patient, Told::Query(at.id)));
    }

    fn live(&self, grant: &Grant, no: &mut No) {
        no.unless(grant.revoked.is_none(), Failure::GrantRevoked);
        no.unless(self.time >= grant.terms.not_before, Failure::GrantNotYet);
        no.unless(self.time < grant.terms.expires, Failure::GrantExpired);
        if grant.terms.purpose == GrantUse::Emergency {
            let hours = u64::from(self.policy.emergency_hours);
            let last = self.emergencies.get(&(grant.requester, grant.patient));
            let open = last.is_some_and(|last| {
                self.time.0
                    < last
                        .time
                        .0
                        .saturating_add(hours.saturating_mul(Millis::HOUR))
            });
            no.unless(open, Failure::NoEmergency);
        }
    }

    fn asked(&self, at: &At, action: &Query, grant: &Grant, no: &mut No) {
        let named = grant.terms.agents.contains(&at.sender);
        no.unless(named, Failure::WrongAgent);
        self.separated(at.sender, grant.requester, no);
        no.unless(self.time <= action.ask.expires, Failure::AskExpired);
        let ask = Ask {
            chain: self.chain,
            grant: action.grant,
            state: action.state,
            part: action.part,
            agent: at.sender,
            expires: action.ask.expires,
        };
        let key = self.key(grant.requester);
        let hers =
            key.is_some_and(|key| key.verify(&ask.preimage(), &action.ask.signature).is_ok());
        no.unless(hers, Failure::BadAsk);
    }

    fn accepted(&self, action: &Query, grant: &Grant, no: &mut No) {
        let granted = grant.terms.sids.contains(&action.sid);
        no.unless(granted, Failure::ScopeNotGranted);
        let retired = self.rotated.contains_key(&(grant.patient, action.sid));
        no.unless(!retired, Failure::RetiredScope);
        let cost = self.cost(grant.patient, action.sid);
        no.unless(cost <= self.policy.hint_limit, Failure::OverBudget);
        let Some(record) = self.records.get(&action.record) else {
            return no.because(Failure::UnknownRecord);
        };
        no.unless(record.patient == grant.patient, Failure::WrongPatient);
        let erased = record.erased_by_hospital.or(record.erased_by_patient);
        no.unless(erased.is_none(), Failure::RecordErased);
        let stands = record.parts.iter().any(|part| {
            part.part == action.part && part.sid == action.sid && part.ctid == action.ctid
        });
        let last = record.accepted == Some(action.state);
        no.unless(stands && last, Failure::NotAccepted);
    }
}

/// Sorted lists, one commitment for each pair, one packet for each party.
fn shaped(action: &Authorize) -> bool {
    let terms = &action.terms;
    let mut sids = terms.sids.clone();
    sids.sort();
    sids.dedup();
    let mut agents = terms.agents.clone();
    agents.sort();
    agents.dedup();
    let mut pairs = Vec::new();
    for sid in &sids {
        for agent in &agents {
            pairs.push((*sid, *agent));
        }
    }
    let committed = action.commitments.iter().map(|it| (it.sid, it.agent));
    (1..=256).contains(&sids.len())
        && (1..=16).contains(&agents.len())
        && sids == terms.sids
        && agents == terms.agents
        && terms.not_before < terms.expires
        && terms.max_queries != 0
        && committed.eq(pairs)
        && action.packets.len() == agents.len() + 1
}
