//! One operation with all that proves it, for every role.

use base::{AccountId, Digest, OperationId};
use ledger::{Header, Leaf};
use pages::auditor::{self, Proven};
use share::Node as _;

use super::{
    names::Names,
    site::{Asked, Reply, Whose, nothing, parse},
};
use crate::{
    cli::{
        anchored::{self, AnchorArgs, Format},
        proof::{ProofFile, transitions_before},
        show,
    },
    exit::{Exit, Result},
};

/// The page of an operation: what was checked here, against the genesis that counts.
pub(super) fn show(asked: &Asked, id: &str) -> Result<Reply> {
    let id = parse(id)?;
    let names = names(asked)?;
    let (index, leaf, file) = file(asked, id)?;
    let header = file.header().clone();
    let path = file.path().to_vec();
    // The id too, since the node could answer with another operation.
    let verdict = match file.verify(asked.genesis()) {
        Ok((_, checked)) if checked.id == id => Ok(()),
        Ok(_) => Err("the node answered with another operation".to_owned()),
        Err(fault) => Err(fault.message),
    };
    let mut proven = proven(
        &Placed {
            id,
            index,
            leaf: &leaf,
            header: &header,
            path,
        },
        verdict,
        &names,
    );
    proven.anchors = anchors(asked, id);
    // Below the list that most of its operations are in.
    let here = match asked.site.role {
        pages::frame::Site::Patient => "/accesses",
        pages::frame::Site::Hospital => "/published",
        pages::frame::Site::Researcher => "/asked",
        role => role.menu()[0].0,
    };
    Ok(Reply::Page(auditor::operation(&asked.frame(here), &proven)))
}

/// The proof of an operation as a file, checked before it is given.
pub(super) fn proof(asked: &Asked, id: &str) -> Result<Reply> {
    let id: OperationId = parse(id)?;
    let (_, _, file) = file(asked, id)?;
    file.clone().verify(asked.genesis())?;
    Ok(Reply::File {
        name: format!("{}.proof", show::short(id)),
        bytes: file.to_bytes(),
    })
}

fn file(asked: &Asked, id: OperationId) -> Result<(u64, Leaf, ProofFile)> {
    let node = &asked.site.node;
    let (index, leaf) = node.operation(id)?.ok_or_else(nothing)?;
    let receipt = node.receipt(id)?.ok_or_else(nothing)?;
    let transitions = transitions_before(receipt.head.header.height, node)?;
    let file = ProofFile::new(&leaf, receipt, transitions);
    Ok((index, leaf, file))
}

/// Names of accounts, where there is a home with contacts.
pub(super) fn names(asked: &Asked) -> Result<Names> {
    match &asked.site.whose {
        Whose::Home(_) => Names::of(&*asked.enter()?),
        Whose::Anybody(_) => Ok(Names::none()),
    }
}

/// An operation at its place.
pub(super) struct Placed<'a> {
    pub(super) id: OperationId,
    pub(super) index: u64,
    pub(super) leaf: &'a Leaf,
    pub(super) header: &'a Header,
    pub(super) path: Vec<Digest>,
}

/// The page's model of it.
pub(super) fn proven(
    placed: &Placed<'_>,
    verdict: std::result::Result<(), String>,
    names: &Names,
) -> Proven {
    let Placed {
        id,
        index,
        leaf,
        header,
        path,
    } = placed;
    let action = &leaf.operation.body.action;
    let account: AccountId = leaf.operation.body.account;
    let whole = |value: &serde_json::Value| vec![(action.name().to_owned(), text(value))];
    let fields = match show::json(action) {
        serde_json::Value::Object(action) => action
            .into_iter()
            .flat_map(|(_, inner)| match inner {
                serde_json::Value::Object(fields) => fields
                    .into_iter()
                    .map(|(name, value)| (name, text(&value)))
                    .collect(),
                other => whole(&other),
            })
            .collect(),
        other => whole(&other),
    };
    Proven {
        leaf: auditor::Leaf {
            index: *index,
            id: *id,
            action: action.name().to_owned(),
            account: names.party(account),
            at: header.time,
            refused: leaf.outcome.failure().map(|failure| failure.to_string()),
        },
        height: header.height,
        block: header.cid(),
        root: header.tree_root,
        state: header.state_hash,
        proposer: names.party(header.proposer),
        path: path.clone(),
        verdict,
        fields,
        anchors: Vec::new(),
    }
}

fn text(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Where the log that holds it is anchored, each checked as far as a page can: that the public
/// block is in its chain, a verifier looks up elsewhere.
fn anchors(asked: &Asked, id: OperationId) -> Vec<(String, String)> {
    let node = &asked.site.node;
    let chains = ::anchor::Chain::ALL.into_iter();
    let found = chains.filter_map(|chain| {
        let how = AnchorArgs {
            record: false,
            anchor: Some(chain),
            certificate: false,
            format: Format::Cbor,
        };
        match anchored::prove(id, chain, &how, node, asked.genesis()) {
            Ok((_, anchored)) => Some((
                chain.name().to_owned(),
                format!("{}, {}", anchored.stood.transaction, anchored.stood.block),
            )),
            Err(fault) if fault.exit == Exit::Invalid => {
                Some((chain.name().to_owned(), fault.message))
            }
            // No anchor yet, or a build without that chain.
            Err(_) => None,
        }
    });
    found.collect()
}
