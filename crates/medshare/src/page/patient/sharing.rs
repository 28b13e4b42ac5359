//! Models of requests, grants, credit and backup.

use base::{AccountId, Class, OperationId, operation::Role};
use ledger::{
    Account, Balance, CreditEntry, CreditReason, Institution, RequestState, RequestStatus, Voucher,
};
use pages::patient::{
    self, AgentChoice, Backup, Bag, Credit, Entry, Grant, GrantState, Guardians, Reason, Request,
};
use share::{Node as _, authorize, letter::Wish, recovery::guard, request, wallet::Wallet};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        names::{Names, purpose},
        site::{Asked, Reply, nothing},
    },
    known,
};
use crate::{cli::context::Entered, exit::Result, system};

// -- requests

/// Requests that wait for her and whose letter is here.
pub(super) fn waiting(entered: &Entered, wallet: &Wallet<'_>) -> Result<Vec<(RequestState, Wish)>> {
    let now = system::now();
    let mut waiting = Vec::new();
    for state in entered.node.requests_of(wallet.patient)? {
        let open = state.status == RequestStatus::Open && state.expires > now;
        if let Some(wish) = request::wish_of(&wallet.desk, state.id)?.filter(|_| open) {
            waiting.push((state, wish));
        }
    }
    waiting.sort_by_key(|(state, _)| state.expires);
    Ok(waiting)
}

pub(super) fn requests(asked: &Asked) -> Result<Reply> {
    let entered = &asked.enter()?;
    let wallet = entered.wallet()?;
    let names = Names::of(entered)?;
    // What would be shared stands on each request's own page.
    let waiting: Vec<Request> = waiting(entered, &wallet)?
        .into_iter()
        .map(|(state, wish)| told(&state, &wish, &names, Vec::new(), Vec::new()))
        .collect();
    Ok(Reply::Page(patient::requests(
        &asked.frame("/requests"),
        &waiting,
    )))
}

pub(super) fn request(asked: &Asked, id: OperationId) -> Result<Reply> {
    let entered = &asked.enter()?;
    let wallet = entered.wallet()?;
    let names = Names::of(entered)?;
    let mut waiting = waiting(entered, &wallet)?.into_iter();
    let (state, wish) = waiting
        .find(|(state, _)| state.id == id)
        .ok_or_else(nothing)?;
    let agents = agents(entered, &wallet, state.requester, &names)?;
    let matching = matching(asked, &wallet, &wish)?;
    let told = told(&state, &wish, &names, matching, agents);
    Ok(Reply::Page(patient::request(
        &asked.frame("/requests"),
        &told,
        asked.csrf(),
    )))
}

fn told(
    state: &RequestState,
    wish: &Wish,
    names: &Names,
    matching: Vec<(Class, u64)>,
    agents: Vec<AgentChoice>,
) -> Request {
    Request {
        id: state.id,
        wish: patient::Wish {
            from: names.party(state.requester),
            purpose: purpose(wish.purpose),
            classes: wish.classes.clone(),
            months: (wish.from, wish.to),
            named_records: wish.records.len() as u64,
            until: wish.until,
            words: wish.words.clone(),
        },
        at: state.time,
        answer_until: state.expires,
        matching,
        agents,
    }
}

/// What a yes would share: of each class, from how many records, by the same rule as the
/// grant itself.
fn matching(asked: &Asked, wallet: &Wallet<'_>, wish: &Wish) -> Result<Vec<(Class, u64)>> {
    let records = known::records(asked, wallet)?;
    let sids = authorize::matching_among(wallet, &records, wish)?;
    let sids: BTreeSet<_> = sids.into_iter().collect();
    let mut counts: BTreeMap<Class, u64> = BTreeMap::new();
    for (_, known) in records.iter() {
        let parts = known
            .parts
            .iter()
            .filter(|part| sids.contains(&part.key.sid));
        let classes: BTreeSet<Class> = parts.map(|part| part.cover.class).collect();
        for class in classes {
            *counts.entry(class).or_default() += 1;
        }
    }
    Ok(counts.into_iter().collect())
}

/// Agents that she knows: those in her contacts and those of her grants; if there are none,
/// every agent of the ledger.
fn agents(
    entered: &Entered,
    wallet: &Wallet<'_>,
    requester: AccountId,
    names: &Names,
) -> Result<Vec<AgentChoice>> {
    let mut accounts: BTreeSet<AccountId> = BTreeSet::new();
    let grants = entered.node.grants_of(wallet.patient)?;
    let used = grants.into_iter().flat_map(|grant| grant.terms.agents);
    for id in names.accounts().chain(used) {
        let account = entered.node.account(id)?;
        if account.is_some_and(|account| account.role == Role::Agent) {
            accounts.insert(id);
        }
    }
    if accounts.is_empty() {
        let all: Vec<Account> = entered.node.list("/v1/accounts")?;
        let agents = all
            .into_iter()
            .filter(|account| account.role == Role::Agent);
        accounts.extend(agents.map(|account| account.id));
    }
    let theirs = entered.node.institution_of(requester)?;
    let mut agents = Vec::new();
    for id in accounts {
        let own: Option<Institution> = entered.node.institution_of(id)?;
        // The ledger refuses an agent without an institution, too.
        let conflicts = own.as_ref().is_none_or(|own| {
            theirs.as_ref().is_some_and(|theirs| {
                own.account == theirs.account || own.group.is_some() && own.group == theirs.group
            })
        });
        agents.push(AgentChoice {
            party: names.party(id),
            institution: own.map(|own| names.party(own.account)),
            conflicts,
        });
    }
    Ok(agents)
}

// -- grants

pub(super) fn grants(asked: &Asked) -> Result<Reply> {
    let entered = &asked.enter()?;
    let wallet = entered.wallet()?;
    let names = Names::of(entered)?;
    let now = system::now();
    let mut grants = Vec::new();
    for grant in entered.node.grants_of(wallet.patient)? {
        if grant.patient != wallet.patient {
            continue;
        }
        let state = if grant.revoked.is_some() {
            GrantState::Revoked
        } else if now >= grant.terms.expires {
            GrantState::Expired
        } else if now < grant.terms.not_before {
            GrantState::NotYet
        } else if grant.used >= grant.terms.max_queries {
            GrantState::UsedUp
        } else {
            GrantState::Live
        };
        let mut classes: BTreeSet<Class> = BTreeSet::new();
        for sid in &grant.terms.sids {
            classes.extend(wallet.class_of(*sid)?);
        }
        let wish = request::wish_of(&wallet.desk, grant.terms.request)?;
        grants.push(Grant {
            id: grant.id,
            at: grant.time,
            to: names.party(grant.requester),
            classes: classes.into_iter().collect(),
            purpose: wish.map(|wish| purpose(wish.purpose)),
            not_before: grant.terms.not_before,
            expires: grant.terms.expires,
            used: (grant.used, grant.terms.max_queries),
            state,
        });
    }
    grants.sort_by_key(|grant| std::cmp::Reverse(grant.at));
    Ok(Reply::Page(patient::grants(
        &asked.frame("/grants"),
        &grants,
        asked.csrf(),
    )))
}

// -- credit

pub(super) fn credit(asked: &Asked) -> Result<Reply> {
    let entered = &asked.enter()?;
    let wallet = entered.wallet()?;
    let names = Names::of(entered)?;
    let account = format!("/v1/accounts/{}", wallet.patient);
    let balance: Balance = entered.node.read(&format!("{account}/balance"))?;
    let vouchers: Vec<Voucher> = entered.node.read(&format!("{account}/vouchers"))?;
    let from = balance.entries.saturating_sub(JOURNAL);
    let mut journal: Vec<CreditEntry> = entered
        .node
        .read(&format!("{account}/journal?from={from}"))?;
    journal.reverse();
    let tiers = &entered.home.genesis.policy.tiers;
    let hospitals = wallet.hospitals()?;
    let credit = Credit {
        balance: balance.amount,
        tier: balance.tier,
        next: tiers
            .get(usize::from(balance.tier))
            .map(|at| i64::from(*at)),
        vouchers: vouchers
            .into_iter()
            .map(|voucher| patient::Voucher {
                tier: voucher.id.tier,
                given: voucher.redeemed.map(|given| names.party(given.hospital)),
            })
            .collect(),
        journal: journal.into_iter().map(entry).collect(),
        hospitals: hospitals.into_iter().map(|id| names.party(id)).collect(),
    };
    Ok(Reply::Page(patient::credit(
        &asked.frame("/credit"),
        &credit,
        asked.csrf(),
    )))
}

pub(in crate::page) fn entry(entry: CreditEntry) -> Entry {
    Entry {
        at: entry.time,
        amount: entry.amount,
        balance: entry.balance,
        reason: match entry.reason {
            CreditReason::FirstAccepted | CreditReason::FurtherAccepted => Reason::Shared,
            CreditReason::RecordAccepted => Reason::Signed,
            CreditReason::Reencrypted => Reason::Agent,
            CreditReason::Fabrication | CreditReason::DoubleSign | CreditReason::MissedTurn => {
                Reason::Penalty
            }
        },
        cause: entry.cause,
    }
}

/// Lines of the journal that a page shows, the newest.
const JOURNAL: u64 = 100;

// -- backup

pub(super) fn backup(asked: &Asked) -> Result<Reply> {
    let entered = &asked.enter()?;
    let wallet = entered.wallet()?;
    let kept = entered.node.bag(wallet.patient)?;
    let stands = entered.node.guardianship(wallet.patient)?;
    let guardians = match stands.filter(|stands| stands.guard.is_some()) {
        None => Guardians::Nobody,
        Some(stands) => match guard::named(&wallet.desk, stands.set)? {
            None => Guardians::NamedElsewhere,
            Some(named) => Guardians::Named {
                threshold: named.threshold,
                members: u8::try_from(named.guardians.len()).unwrap_or(u8::MAX),
            },
        },
    };
    let backup = Backup {
        // A wallet brings its bag up to date before anything made with it leaves.
        bag: kept.map(|kept| Bag {
            version: kept.version,
            newest: kept.version,
            at: kept.time,
        }),
        guardians,
        export: true,
    };
    Ok(Reply::Page(patient::backup(
        &asked.frame("/backup"),
        &backup,
        asked.csrf(),
    )))
}
