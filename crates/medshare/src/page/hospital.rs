//! The hospital's page: publishing, acceptances, its agents, ranking, vouchers.

use base::{AccountId, RecordId};
use ledger::{Ranked, Voucher};
use pages::hospital::{self, Answer, Published};
use share::{Node as _, card, publish, record::RecordSource};
use std::{fs::File, sync::Arc};

use super::{
    agent,
    log::{self, Line},
    names::Names,
    site::{Asked, Fields, PAGE, Reply, invalid, nothing, parse},
    upload::Nameless,
};
use crate::{
    cli::cut::cut,
    exit::Result,
    http::HttpNode,
    system::{self, OsRng},
};

pub(super) fn look(asked: &Asked, path: &[&str]) -> Result<Reply> {
    match path {
        ["publish"] => publish(asked),
        ["published"] => published(asked),
        ["agent"] => agents(asked),
        ["ranking"] => ranking(asked),
        ["vouchers"] => vouchers(asked),
        _ => Err(nothing()),
    }
}

pub(super) fn change(asked: &Asked, path: &[&str], fields: Fields) -> Result<Reply> {
    match path {
        ["publish"] => sign_and_publish(asked, fields),
        _ => Err(nothing()),
    }
}

// -- publishing

/// Records whose next version can be chosen: the newest.
pub(super) const CHOICE: usize = 200;

fn publish(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let patients = card::patients(&entered.session.vault)?;
    let patients: Vec<_> = patients.into_iter().map(|id| names.party(id)).collect();
    let records = lines(asked, &names, 0, CHOICE)?.0;
    Ok(Reply::Page(hospital::publish(
        &asked.frame("/publish"),
        &patients,
        &records,
        asked.csrf(),
    )))
}

fn sign_and_publish(asked: &Asked, fields: Fields) -> Result<Reply> {
    let patient: AccountId = parse(fields.get("patient"))?;
    let record = match fields.get("record") {
        "" => None,
        id => Some(parse::<RecordId>(id)?),
    };
    let file = fields.file.ok_or_else(|| invalid("choose a file"))?;
    let source = source(file)?;
    let entered = asked.enter()?;
    let desk = entered.desk();
    let now = system::now();
    match record {
        None => publish::publish(&desk, patient, &source, now, &mut OsRng)?,
        Some(id) => {
            let site = &asked.site;
            // Another hospital's record is none: only its own are in what the page follows.
            let known = site.log.advance(&site.node)?.records.get(&id).copied();
            let known = known.filter(|line| line.hospital == desk.party.account);
            // A slip of the hand must not put one patient's file into another's record.
            if known.ok_or_else(nothing)?.patient != patient {
                return Err(invalid("that record is another patient's"));
            }
            publish::update(&desk, id, &source, now, &mut OsRng)?
        }
    };
    Reply::go("/published")
}

/// The document cut into parts as the command line cuts it.
fn source(file: File) -> Result<RecordSource> {
    let document = Nameless(Arc::new(file));
    let cut = cut(&document, "the file", None, &mut |_| {})?;
    Ok(RecordSource::new(Box::new(document), cut.parts)?)
}

fn published(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let (records, all) = lines(asked, &names, asked.from, PAGE)?;
    Ok(Reply::Page(hospital::published(
        &asked.frame("/published"),
        &records,
        asked.next(all).as_deref(),
    )))
}

/// The newest records but for the first `from`, and how many there are.
fn lines(
    asked: &Asked,
    names: &Names,
    from: usize,
    count: usize,
) -> Result<(Vec<Published>, usize)> {
    let site = &asked.site;
    let mut log = site.log.advance(&site.node)?;
    let mut lines = Vec::new();
    for (id, line) in log.newest(from, count) {
        let Line {
            patient,
            by,
            at,
            version,
            answer,
            ..
        } = line;
        lines.push(Published {
            id,
            patient: names.party(patient),
            at: log.time_of(&site.node, at)?,
            operation: by,
            version,
            answer: match answer {
                log::Answer::Waiting => Answer::Waiting,
                log::Answer::Accepted => Answer::Accepted,
                log::Answer::Rejected(code) => Answer::Rejected(code),
                log::Answer::Erased => Answer::Erased,
            },
        });
    }
    Ok((lines, log.order.len()))
}

// -- its agents, what others think of it, what patients gave it

fn agents(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let site = &asked.site;
    let own = entered.session.identity.account();
    let served = site.log.advance(&site.node)?.agents_of(own);
    let mut agents = Vec::new();
    for (id, served) in served {
        agents.push(agent::told(&site.node, &names, id, served, None)?);
    }
    Ok(Reply::Page(hospital::agents(
        &asked.frame("/agent"),
        &agents,
    )))
}

/// Hospitals as the node ranks them, with the reviews of this one's records.
pub(super) fn ranking(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let site = &asked.site;
    let own = entered.session.identity.account();
    let newest: Vec<_> = {
        let log = site.log.advance(&site.node)?;
        log.reviews.iter().rev().take(PAGE).copied().collect()
    };
    let mut reviews = Vec::new();
    for (operation, query) in newest {
        let query = site.node.query(query)?.ok_or_else(nothing)?;
        let review = query.review.ok_or_else(nothing)?;
        reviews.push(hospital::Reviewed {
            operation,
            at: review.time,
            by: names.party(query.querier),
            record: query.record,
            verdict: review.verdict,
            minted: review.minted.into(),
        });
    }
    let ranking = ranked(&site.node, &names)?;
    let own = (site.role == pages::frame::Site::Hospital).then_some(own);
    Ok(Reply::Page(hospital::ranking(
        &asked.frame("/ranking"),
        &ranking,
        own,
        &reviews,
    )))
}

fn ranked(node: &HttpNode, names: &Names) -> Result<Vec<hospital::Ranked>> {
    let ranking: Vec<Ranked> = node.read("/v1/ranking")?;
    let ranked = ranking.into_iter().map(|ranked| {
        let reviews = &ranked.reviews;
        let refused = reviews.not_as_requested + reviews.poor_quality + reviews.fabricated;
        hospital::Ranked {
            hospital: names.party(ranked.hospital),
            // The ledger counts thousandths.
            score: ranked.score / 1000,
            accepted: reviews.accepted,
            refused,
        }
    });
    Ok(ranked.collect())
}

fn vouchers(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let site = &asked.site;
    let given: Vec<_> = {
        let log = site.log.advance(&site.node)?;
        log.redeemed.iter().rev().take(PAGE).copied().collect()
    };
    let mut redeemed = Vec::new();
    for (id, operation) in given {
        let account = id.account;
        let all: Vec<Voucher> = site
            .node
            .read(&format!("/v1/accounts/{account}/vouchers"))?;
        let found = all.into_iter().find(|voucher| voucher.id == id);
        let used = found
            .and_then(|voucher| voucher.redeemed)
            .ok_or_else(nothing)?;
        redeemed.push(hospital::Redeemed {
            account: names.party(account),
            tier: id.tier,
            at: used.time,
            operation,
        });
    }
    Ok(Reply::Page(hospital::vouchers(
        &asked.frame("/vouchers"),
        &redeemed,
    )))
}
