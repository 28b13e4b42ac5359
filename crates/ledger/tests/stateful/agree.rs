//! What the ledger shows, held against the model: every entry and every list.

use base::AccountId;
use ledger::{Balance, Listing, Notice, Page, View};
use std::fmt::Debug;

use super::plain::{Plain, Told, hint_cost};

/// `Err` names the first thing that differs.
pub type Agreement = Result<(), String>;

pub fn same<T: PartialEq + Debug>(what: &str, ledger: &T, model: &T) -> Agreement {
    match ledger == model {
        true => Ok(()),
        false => Err(format!("{what}\n  ledger {ledger:?}\n  model  {model:?}")),
    }
}

/// Every entry of the state.
pub fn entries(view: &View, model: &Plain) -> Agreement {
    same("policy", &view.policy().unwrap(), &model.policy)?;
    for (id, account) in &model.accounts {
        same(
            "account",
            &view.account(*id).unwrap().as_ref(),
            &Some(account),
        )?;
        let institution = view.institution_of(*id).unwrap();
        same("its institution", &institution, &model.institution(*id))?;
    }
    for (id, last) in &model.sequences {
        same("sequence", &view.sequence(*id).unwrap(), last)?;
    }
    let institutions = model.institutions.values().copied().collect();
    same("institutions", &view.institutions().unwrap(), &institutions)?;
    macro_rules! each {
        ($map:ident, $lookup:ident) => {
            for (key, entry) in &model.$map {
                let found = view.$lookup(*key).unwrap();
                same(stringify!($lookup), &found.as_ref(), &Some(entry))?;
            }
        };
        ($map:ident, $lookup:ident, two) => {
            for ((one, two), entry) in &model.$map {
                let found = view.$lookup(*one, *two).unwrap();
                same(stringify!($lookup), &found.as_ref(), &Some(entry))?;
            }
        };
    }
    each!(delegations, delegation);
    each!(proposals, proposal);
    each!(bags, bag);
    each!(records, record);
    each!(states, state_of, two);
    each!(requests, request);
    each!(grants, grant);
    each!(queries, query);
    each!(emergencies, emergency, two);
    each!(disputes, dispute);
    each!(vouchers, voucher);
    each!(guards, guardianship);
    each!(recoveries, recovery);
    for ((validator, height), proof) in &model.punished {
        let found = view.punishment(*validator, *height).unwrap();
        same("punishment", &found.map(|it| it.proof), &Some(*proof))?;
    }
    credit(view, model)?;
    scopes(view, model)
}

fn credit(view: &View, model: &Plain) -> Agreement {
    let (mut minted, mut burnt) = (0, 0);
    for id in model.accounts.keys() {
        let journal = model.journals.get(id).cloned().unwrap_or_default();
        same("journal", &view.journal(*id, 0).unwrap(), &journal)?;
        let vouchers = model.vouchers.values();
        let vouchers: Vec<_> = vouchers
            .filter(|it| it.id.account == *id)
            .copied()
            .collect();
        same("vouchers", &view.vouchers_of(*id).unwrap(), &vouchers)?;
        let balance = Balance {
            amount: model.balance(*id),
            entries: journal.len() as u64,
            tier: vouchers.last().map_or(0, |it| it.id.tier),
        };
        same("balance", &view.balance(*id).unwrap(), &balance)?;
        for line in journal {
            minted += line.amount.max(0);
            burnt -= line.amount.min(0);
        }
        let found = view.standing(*id).unwrap().unwrap_or_default();
        let standing = model.standings.get(id).copied().unwrap_or_default();
        let reviews = [
            found.reviews.accepted,
            found.reviews.not_as_requested,
            found.reviews.poor_quality,
            found.reviews.fabricated,
        ];
        same("reviews", &reviews, &standing.reviews)?;
        let counts = (standing.marks, standing.emergencies);
        same(
            "marks and emergencies",
            &(found.marks, found.emergencies),
            &counts,
        )?;
        same("day of the score", &found.day, &standing.day)?;
        let score = found.score as f64 / f64::from(1 << 20);
        if (score - standing.score).abs() > 1e-4 {
            return Err(format!("score: {score} in the ledger, {}", standing.score));
        }
    }
    let totals = view.totals().unwrap();
    let found = (totals.minted as i64, totals.burnt as i64);
    same("totals", &found, &(minted, burnt))
}

/// Scopes: who is retired by what, grants ever made, and the budget in use once the
/// reservations of grants that have ended are counted at what was used.
fn scopes(view: &View, model: &Plain) -> Agreement {
    let rotated = model.rotated.keys().copied();
    let granted = model.grants.values().flat_map(|grant| {
        let sids = grant.terms.sids.iter();
        sids.map(|sid| (grant.patient, *sid))
    });
    for (patient, sid) in rotated.chain(granted) {
        let Some(scope) = view.scope(patient, sid).unwrap() else {
            return Err(format!("no scope {sid}"));
        };
        let next = model.rotated.get(&(patient, sid)).copied();
        same("next scope", &scope.next, &next)?;
        let grants = model.under(patient, sid).count() as u32;
        same("grants of a scope", &scope.grants, &grants)?;
        let reserved = scope.reserved.iter().map(|held| {
            hint_cost(match model.time < held.expires {
                true => held.max_queries.into(),
                false => model.used(held.grant, sid),
            })
        });
        let cost = scope.spent + reserved.sum::<u64>();
        same("budget of a scope", &cost, &model.cost(patient, sid))?;
    }
    Ok(())
}

/// Every list that the ledger keeps.
pub fn lists(view: &View, model: &Plain) -> Agreement {
    let everybody: Vec<AccountId> = model.accounts.keys().copied().collect();
    let registered = everybody.iter().filter(|id| !model.founders.contains(id));
    let mut registered: Vec<_> = registered.copied().collect();
    let openings = |id: &AccountId| {
        let mut log = model.log.iter();
        log.position(|(_, sender, outcome)| sender == id && outcome.is_ok())
    };
    registered.sort_by_key(openings);
    let accounts = all(view.accounts(Page::default()));
    let accounts: Vec<_> = accounts.iter().map(|account| account.id).collect();
    same("accounts", &accounts, &registered)?;
    macro_rules! list {
        ($found:expr, $map:ident, $by:ident, |$it:pat_param| $of:expr) => {{
            let mut model_has: Vec<_> = Vec::new();
            for entry in model.$map.values() {
                let $it = entry;
                if $of {
                    model_has.push(entry.clone());
                }
            }
            model_has.sort_by_key(|one| model.place(&one.$by));
            same(stringify!($found), &all($found), &model_has)?;
        }};
    }
    let page = Page::default();
    for id in everybody {
        list!(view.requests_of(id, page), requests, id, |it| {
            it.requester == id || it.patient == id
        });
        list!(view.grants_of(id, page), grants, id, |it| {
            it.requester == id || it.patient == id || it.terms.agents.contains(&id)
        });
        list!(view.queries_of(id, page), queries, id, |it| {
            it.agent == id || it.querier == id
        });
        list!(view.delegations_of(id, page), delegations, id, |it| {
            it.patient == id || it.delegate == id
        });
        let logged = model.log.iter().filter(|(_, sender, _)| *sender == id);
        let logged: Vec<_> = logged.map(|(id, ..)| *id).collect();
        same("operations_of", &all(view.operations_of(id, page)), &logged)?;
        let told = model.notices.iter().filter(|(patient, _)| *patient == id);
        let told: Vec<_> = told.map(|(_, told)| notice(model, told)).collect();
        same("notices_of", &all(view.notices_of(id, page)), &told)?;
        let records = model.records.values();
        let records = records.filter(|it| it.patient == id || it.hospital == id);
        let mut records: Vec<_> = records.cloned().collect();
        records.sort_by_key(|record| {
            let states = model.states.values().filter(|it| it.record == record.id);
            states.map(|state| model.place(&state.by)).min()
        });
        same("records_of", &all(view.records_of(id, page)), &records)?;
    }
    for id in model.records.keys().copied() {
        list!(view.states_of(id, page), states, by, |it| it.record == id);
    }
    for id in model.grants.keys().copied() {
        list!(view.queries_of_grant(id, page), queries, id, |it| it.grant
            == id);
    }
    list!(view.disputes(page), disputes, id, |_| true);
    list!(view.proposals(page), proposals, id, |_| true);
    for (index, (id, _, _)) in (0..).zip(&model.log) {
        same("place", &view.index_of(*id).unwrap(), &Some(index))?;
    }
    Ok(())
}

fn all<T, E: Debug>(listing: Result<Listing<T>, E>) -> Vec<T> {
    let listing = listing.unwrap();
    assert!(listing.next.is_none(), "one page holds all");
    listing.items
}

fn notice(model: &Plain, told: &Told) -> Notice {
    match told {
        Told::Query(id) => Notice::Query(Box::new(model.queries[id].clone())),
        Told::Recovery(id) => Notice::Recovery(Box::new(model.recoveries[id].clone())),
        Told::Other(notice) => notice.clone(),
    }
}
