//! The auditor's page: the log, live; a dropped proof; statistics.

use ::anchor::Link;
use base::Digest;
use ledger::Validators;
use pages::auditor::{self, Checked, Extent};
use share::Node as _;

use super::{
    operation::{self, Placed},
    site::{Asked, Fields, PAGE, Reply, invalid, nothing},
    statistics, upload,
};
use crate::{
    cli::{anchored, proof::ProofFile},
    exit::{Exit, Result},
};

pub(super) fn look(asked: &Asked, path: &[&str]) -> Result<Reply> {
    match path {
        ["log"] => log(asked),
        ["verify"] => Ok(verify(asked, None)),
        ["statistics"] => statistics::show(asked),
        _ => Err(nothing()),
    }
}

pub(super) fn change(asked: &Asked, path: &[&str], fields: Fields) -> Result<Reply> {
    match path {
        ["verify"] => {
            let file = fields.file.ok_or_else(|| invalid("choose a file"))?;
            let bytes = upload::small(&file, upload::PROOF)?;
            Ok(verify(asked, Some(&check(asked, &bytes)?)))
        }
        _ => Err(nothing()),
    }
}

/// The newest leaves. That they are in the log that the certified head names was checked as
/// the log was followed.
fn log(asked: &Asked) -> Result<Reply> {
    let site = &asked.site;
    let names = operation::names(asked)?;
    let mut log = site.log.advance(&site.node)?;
    let Some(head) = log.head() else {
        return Err(nothing());
    };
    let extent = Extent {
        operations: head.tree_size,
        blocks: head.height,
    };
    let end = extent.operations.saturating_sub(asked.from as u64);
    let begin = end.saturating_sub(PAGE as u64);
    let limit = u32::try_from(end - begin).unwrap_or(0);
    let leaves = match limit {
        0 => Vec::new(),
        limit => site.node.leaves(begin, limit)?,
    };
    let mut lines = Vec::new();
    for (leaf, index) in leaves.iter().zip(begin..end) {
        let body = &leaf.operation.body;
        lines.push(auditor::Leaf {
            index,
            id: leaf.operation.to_bytes().1,
            action: body.action.name().to_owned(),
            account: names.party(body.account),
            at: log.time_of(&site.node, index)?,
            refused: leaf.outcome.failure().map(|failure| failure.to_string()),
        });
    }
    lines.reverse();
    let next = asked.next(usize::try_from(extent.operations).unwrap_or(usize::MAX));
    Ok(Reply::Page(auditor::log(
        &asked.frame("/log"),
        &lines,
        extent,
        next.as_deref(),
    )))
}

// -- a proof file

fn verify(asked: &Asked, checked: Option<&Checked>) -> Reply {
    Reply::Page(auditor::verify(
        &asked.frame("/verify"),
        checked,
        asked.csrf(),
    ))
}

/// What a file proves, against the genesis that counts. The changes of validators that it
/// does not bring itself are those that this page has followed.
fn check(asked: &Asked, bytes: &[u8]) -> Result<Checked> {
    let names = operation::names(asked)?;
    let refused = |why: &dyn std::fmt::Display| Ok(Checked::Refused(why.to_string()));
    if anchored::is_anchored(bytes) {
        let proof = match anchored::Proof::read(bytes) {
            Ok(anchored::Proof::Anchored(proof)) => proof,
            Ok(anchored::Proof::Record(_)) => {
                let why = "this page does not check proofs of a transaction of an operation's \
                           own: `medshare ledger verify` does";
                return refused(&why);
            }
            Err(broken) => return refused(&broken),
        };
        let path: Vec<Digest> = proof.inclusion.path.clone();
        let validators = Validators::of(asked.genesis());
        let trust = ::anchor::Trust {
            ledger: asked.genesis().chain(),
            validators: Some(&validators),
            ethereum: None,
            bitcoin: None,
            eos: None,
        };
        // The last link is which public blocks are trusted: the page names the block, and
        // whoever reads it looks that up.
        let checked = match proof.verify(&trust) {
            Err(broken) if broken.link == Link::Trust => proof.examine(trust.ledger),
            checked => checked,
        };
        let found = match checked {
            Ok(found) => found,
            Err(broken) => return refused(&broken),
        };
        let placed = Placed {
            id: found.operation,
            index: found.index,
            leaf: &found.leaf,
            header: &found.header,
            path,
        };
        let mut proven = operation::proven(&placed, Ok(()), &names);
        proven.anchors = vec![(
            found.stood.chain().name().to_owned(),
            format!("{}, {}", found.stood.transaction, found.stood.block),
        )];
        return Ok(Checked::Proven(Box::new(proven)));
    }
    let file = match ProofFile::from_bytes(bytes) {
        Ok(file) => file,
        Err(error) => return refused(&format!("this is no proof file, or a damaged one: {error}")),
    };
    let path = file.path().to_vec();
    match file.verify(asked.genesis()) {
        Ok((leaf, receipt)) => {
            let placed = Placed {
                id: receipt.id,
                index: receipt.index,
                leaf: &leaf,
                header: &receipt.head().header,
                path,
            };
            let proven = operation::proven(&placed, Ok(()), &names);
            Ok(Checked::Proven(Box::new(proven)))
        }
        Err(fault) if fault.exit == Exit::Invalid => refused(&fault.message),
        Err(fault) => Err(fault),
    }
}
