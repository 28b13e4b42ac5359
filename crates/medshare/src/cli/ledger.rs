//! `medshare ledger`: for anybody. An auditor needs an address and a genesis file,
//! no home; with a home, its pinned genesis counts.

use base::{OperationId, codec, genesis::Genesis};
use clap::{Args, Subcommand};
use ledger::{
    Block, CompactRange, Conflict, HeadError, Leaf, Receipt, Replay, Validators, VerifiedHead,
};
use serde_json::{Value, json};
use share::{node::Node as _, trust};
use std::{path::PathBuf, time::Duration};

use super::{
    anchored::{self, AnchorArgs, TrustArgs},
    conflict::{self, ConflictArgs},
    context::Context,
    operation::parse_id,
    page::{ANYWHERE, parse_page},
    proof::{ProofFile, read_genesis, transitions_before},
    show,
};
use crate::{
    exit::{Exit, Fault, Result},
    files::{self, Existing, write_whole},
    home::Home,
    http::{Address, HttpNode},
    page,
    stop::Stop,
};

/// Verbs of the ledger.
#[derive(Subcommand, Debug)]
pub enum LedgerCommand {
    /// Print logged operations, each checked against the certified head
    #[command(after_help = "\
Examples:
  medshare ledger tail --node unix:/run/medshare.sock
  medshare ledger tail --from 0 --json | jq .action
  medshare ledger tail --follow")]
    Tail(TailArgs),
    /// Print one operation or block, whole
    #[command(after_help = "\
Examples:
  medshare ledger show bafyrei…
  medshare ledger show --height 12")]
    Show {
        /// The operation
        #[arg(value_parser = parse_id, required_unless_present = "height")]
        operation: Option<OperationId>,
        /// A block instead
        #[arg(long, conflicts_with = "operation")]
        height: Option<u64>,
    },
    /// Write a self-contained proof that an operation is logged, with its outcome
    #[command(after_help = "\
Example:
  medshare ledger prove bafyrei… --output query.proof
  medshare ledger prove bafyrei… --anchor ethereum --output query.anchored")]
    Prove {
        /// The operation
        #[arg(value_parser = parse_id)]
        operation: OperationId,
        /// The proof file
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
        /// Of an anchor.
        #[command(flatten)]
        anchor: AnchorArgs,
    },
    /// Check a proof file, offline
    #[command(after_help = "\
Examples:
  medshare ledger verify query.proof --genesis genesis.cbor
  medshare ledger verify query.anchored --genesis genesis.cbor \\
    --network 1 --contract 0x… --block 0x…     # the block's hash, looked up elsewhere")]
    Verify {
        /// The proof file
        file: PathBuf,
        /// The ledger's genesis file [default: the home's]
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
        /// Of a public chain.
        #[command(flatten)]
        trust: TrustArgs,
    },
    /// Replay the whole log from genesis and compare every state hash
    #[command(after_help = "\
Example:
  medshare ledger replay --node unix:/run/medshare.sock --genesis genesis.cbor")]
    Replay {
        /// The ledger's genesis file [default: the home's, else the node's]
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
    },
    /// Show what contradicts the ledger that this home saw, prove it, decide
    Conflict(ConflictArgs),
    /// Serve the auditor's page to a browser on this machine: the log, proofs, statistics
    #[command(after_help = "\
Example:
  medshare ledger page --node unix:/run/medshare.sock --genesis genesis.cbor")]
    Page {
        /// Where: 127.0.0.1:port, 0 for any
        #[arg(long, value_name = "ADDRESS", default_value = ANYWHERE, value_parser = parse_page)]
        at: Address,
        /// The ledger's genesis file [default: the home's, else the node's]
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
    },
    /// Write the ledger's genesis file
    Genesis {
        /// The file
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
    },
}

/// What `tail` takes.
#[derive(Args, Debug)]
pub struct TailArgs {
    /// First leaf [default: the last 20]
    #[arg(long, value_name = "INDEX")]
    from: Option<u64>,
    /// Keep printing what comes
    #[arg(long, short)]
    follow: bool,
    /// The ledger's genesis file [default: the home's, else the node's]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: LedgerCommand, context: &Context) -> Result<()> {
    match command {
        LedgerCommand::Tail(args) => tail(&args, context),
        LedgerCommand::Show {
            operation: Some(id),
            ..
        } => show_operation(id, context),
        LedgerCommand::Show { height, .. } => show_block(height.unwrap_or(0), context),
        LedgerCommand::Prove {
            operation,
            output,
            force,
            anchor,
        } => prove(operation, &output, force, &anchor, context),
        LedgerCommand::Verify {
            file,
            genesis,
            trust,
        } => verify(&file, genesis, &trust, context),
        LedgerCommand::Replay { genesis } => replay(genesis, context),
        LedgerCommand::Conflict(args) => conflict::run(&args, context),
        LedgerCommand::Page { at, genesis } => {
            let node = context.anonymous_node()?;
            let genesis = trusted_genesis(genesis, context, &node)?;
            let stop = Stop::on_signals()?;
            let serving = page::serve_log(genesis, node, &at, &context.output)?;
            while !stop.wait(Duration::from_secs(3600)) {}
            serving.end();
            Ok(())
        }
        LedgerCommand::Genesis { output, force } => {
            let genesis = context.anonymous_node()?.genesis()?;
            write_whole(&output, &codec::encode(&genesis), Existing::of(force))?;
            context.output.data(
                &json!({"chain": genesis.chain().to_string(), "file": output.display().to_string()}),
                format!("genesis of {} ({}) in {}", genesis.chain(), genesis.network, output.display()),
            )
        }
    }
}

/// The genesis object that counts: the file's, the home's, or, said aloud, the node's.
fn trusted_genesis(file: Option<PathBuf>, context: &Context, node: &HttpNode) -> Result<Genesis> {
    if let Some(path) = file {
        let genesis = read_genesis(&path)?;
        node.check_chain(genesis.chain())?;
        return Ok(genesis);
    }
    if let Ok(home) = Home::open(&context.home) {
        node.check_chain(home.facts.chain)?;
        return Ok(home.genesis);
    }
    let genesis = node.genesis()?;
    context.output.talk(format!(
        "taking the node's word for the genesis of {} (give --genesis to check)",
        genesis.chain()
    ));
    Ok(genesis)
}

/// The node's newest head, checked; changes of validators before it are followed.
///
/// # Errors
/// [`Exit::Invalid`], [`Exit::Unreachable`].
pub fn certified(node: &HttpNode, validators: &mut Validators) -> Result<VerifiedHead> {
    let head = node.head()?;
    let checked = match head.clone().verify(validators) {
        Err(HeadError::OtherValidators) => {
            trust::follow(node, validators)?;
            head.verify(validators)
        }
        checked => checked,
    };
    checked.map_err(|error| {
        Fault::new(
            Exit::Invalid,
            format!("the node's head does not hold: {error}"),
        )
    })
}

fn tail(args: &TailArgs, context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let genesis = trusted_genesis(args.genesis.clone(), context, &node)?;
    let mut validators = Validators::of(&genesis);
    let mut head = certified(&node, &mut validators)?;
    let mut next = args
        .from
        .unwrap_or(head.header.tree_size.saturating_sub(20));
    let mut range = (next == 0).then(CompactRange::new);
    let stop = Stop::on_signals()?;
    loop {
        while next < head.header.tree_size {
            let limit = (head.header.tree_size - next).min(500);
            let leaves = node.leaves(next, u32::try_from(limit).unwrap_or(500))?;
            if leaves.is_empty() || leaves.len() as u64 > limit {
                return Err(Fault::new(
                    Exit::Invalid,
                    "the node withholds leaves of its own log",
                ));
            }
            for leaf in leaves {
                let bytes = leaf.to_bytes();
                match &mut range {
                    Some(range) => range.append(&bytes),
                    None => prove_one(&node, &head, next, &bytes)?,
                }
                print_leaf(context, next, &leaf)?;
                next += 1;
            }
        }
        if range.as_ref().is_some_and(|range| {
            range.size() == head.header.tree_size && range.root() != head.header.tree_root
        }) {
            return Err(Fault::new(
                Exit::Invalid,
                "the leaves do not make up the root of the certified head",
            ));
        }
        if !args.follow || stop.wait(Duration::from_millis(500)) {
            return Ok(());
        }
        let newer = certified(&node, &mut validators)?;
        check_extends(&node, &head, &newer)?;
        head = newer;
    }
}

fn prove_one(node: &HttpNode, head: &VerifiedHead, index: u64, leaf: &[u8]) -> Result<()> {
    let proof = node.inclusion(index, head.header.tree_size)?;
    let holds = proof.index == index
        && proof.tree_size == head.header.tree_size
        && proof.verify(leaf, &head.header.tree_root).is_ok();
    if holds {
        return Ok(());
    }
    Err(Fault::new(
        Exit::Invalid,
        format!("leaf {index} is not in the log that the head certifies"),
    ))
}

fn check_extends(node: &HttpNode, old: &VerifiedHead, new: &VerifiedHead) -> Result<()> {
    let (old, new) = (&old.header, &new.header);
    let forked = || {
        Fault::new(
            Exit::Forked,
            "the newest head is not an extension of the one before: the ledger was restored or forked",
        )
    };
    if new.tree_size < old.tree_size || new.height < old.height {
        return Err(forked());
    }
    if old.tree_size == 0 || old == new {
        return Ok(());
    }
    let proof = node.consistency(old.tree_size, new.tree_size)?;
    if proof.from != old.tree_size
        || proof.to != new.tree_size
        || proof.verify(&old.tree_root, &new.tree_root).is_err()
    {
        return Err(forked());
    }
    Ok(())
}

fn print_leaf(context: &Context, index: u64, leaf: &Leaf) -> Result<()> {
    let (_, id) = leaf.operation.to_bytes();
    let body = &leaf.operation.body;
    let outcome = match leaf.outcome.failure() {
        None => "ok".to_owned(),
        Some(failure) => format!("failed: {failure}"),
    };
    let value = json!({
        "index": index,
        "operation": id.to_string(),
        "account": body.account.to_string(),
        "sequence": body.sequence,
        "action": body.action.name(),
        "outcome": show::json(&leaf.outcome),
    });
    context.output.data(
        &value,
        format!(
            "{index:>8}  {:<11} {}  #{:<4} {}  {outcome}",
            body.action.name(),
            show::short(body.account),
            body.sequence,
            id
        ),
    )
}

fn show_operation(id: OperationId, context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let (index, leaf) = node.operation(id)?.ok_or_else(|| no_operation(id))?;
    if leaf.operation.to_bytes().1 != id {
        return Err(Fault::new(
            Exit::Invalid,
            "the node answered with another operation",
        ));
    }
    let mut value = show::json(&leaf);
    value["index"] = json!(index);
    value["id"] = json!(id.to_string());
    context.output.data(&value, show::text(&value))
}

fn no_operation(id: OperationId) -> Fault {
    Fault::new(Exit::NotFound, format!("the ledger has no operation {id}"))
}

fn show_block(height: u64, context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let block: Option<Block> = node.find(&format!("/v1/ledger/blocks/{height}"))?;
    let block = block
        .ok_or_else(|| Fault::new(Exit::NotFound, format!("the ledger has no block {height}")))?;
    let mut value = show::json(&block.head);
    value["cid"] = json!(block.head.header.cid().to_string());
    value["leaves"] = json!(block.leaves.len());
    context.output.data(&value, show::text(&value))
}

fn prove(
    id: OperationId,
    output: &std::path::Path,
    force: bool,
    anchor: &AnchorArgs,
    context: &Context,
) -> Result<()> {
    let existing = Existing::of(force);
    files::check_free(output, existing)?;
    let node = context.anonymous_node()?;
    if let Some(chain) = anchor.anchor {
        let genesis = trusted_genesis(None, context, &node)?;
        if anchor.record {
            let (bytes, recorded) = anchored::prove_record(id, chain, anchor, &node, &genesis)?;
            write_whole(output, &bytes, existing)?;
            return anchored::report_record(&recorded, output, bytes.len(), context);
        }
        let (bytes, anchored) = anchored::prove(id, chain, anchor, &node, &genesis)?;
        write_whole(output, &bytes, existing)?;
        return anchored::report_proved(&anchored, output, bytes.len(), context);
    }
    let (_, leaf) = node.operation(id)?.ok_or_else(|| no_operation(id))?;
    let receipt: Receipt = node.read(&format!("/v1/operations/{id}/receipt"))?;
    let transitions = transitions_before(receipt.head.header.height, &node)?;
    let proof = ProofFile::new(&leaf, receipt, transitions);
    // What the person gets has been checked once already, against what this side trusts.
    let genesis = trusted_genesis(None, context, &node)?;
    let (_, checked) = proof.clone().verify(&genesis)?;
    write_whole(output, &proof.to_bytes(), existing)?;
    let value = json!({
        "operation": id.to_string(),
        "index": checked.index,
        "tree_size": checked.head().header.tree_size,
        "height": checked.head().header.height,
        "file": output.display().to_string(),
    });
    context.output.data(
        &value,
        format!(
            "proof of leaf {} in {} leaves (block {}) in {}",
            checked.index,
            checked.head().header.tree_size,
            checked.head().header.height,
            output.display()
        ),
    )
}

fn verify(
    file: &std::path::Path,
    genesis: Option<PathBuf>,
    trust: &TrustArgs,
    context: &Context,
) -> Result<()> {
    let genesis = match genesis {
        Some(path) => read_genesis(&path)?,
        None => {
            Home::open(&context.home)
                .map_err(|_| {
                    Fault::new(Exit::Usage, "give --genesis FILE, or a home that has one")
                })?
                .genesis
        }
    };
    let bytes = files::read_small(file, codec::MAX_OBJECT)?;
    if anchored::is_anchored(&bytes) {
        return anchored::verify(&bytes, &genesis, trust, context);
    }
    if let Ok(conflict) = Conflict::parse(&bytes) {
        return conflict::verify(&conflict, &genesis, context);
    }
    let (leaf, receipt) = ProofFile::read(file)?.verify(&genesis)?;
    let header = &receipt.head().header;
    let body = &leaf.operation.body;
    let value = json!({
        "verified": true,
        "chain": genesis.chain().to_string(),
        "operation": receipt.id.to_string(),
        "action": body.action.name(),
        "account": body.account.to_string(),
        "outcome": show::json(&leaf.outcome),
        "index": receipt.index,
        "tree_size": header.tree_size,
        "height": header.height,
        "time": header.time.to_string(),
    });
    let outcome = leaf
        .outcome
        .failure()
        .map_or("ok".into(), |failure| format!("failed: {failure}"));
    context.output.data(
        &value,
        format!(
            "the proof holds\noperation        {}\naction           {} by {}\noutcome          {outcome}\nstands at        leaf {} of {}, in or before block {} of {}\nledger           {} ({})",
            receipt.id,
            body.action.name(),
            body.account,
            receipt.index,
            header.tree_size,
            header.height,
            header.time,
            genesis.chain(),
            genesis.network,
        ),
    )
}

fn replay(genesis: Option<PathBuf>, context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let genesis = trusted_genesis(genesis, context, &node)?;
    let head = certified(&node, &mut Validators::of(&genesis))?;
    let bar = context.output.steps_bar("replaying", head.header.height);
    let mut replay = Replay::new(&genesis);
    for height in 1..=head.header.height {
        let block: Option<Block> = node.find(&format!("/v1/ledger/blocks/{height}"))?;
        let block = block.ok_or_else(|| {
            Fault::new(Exit::Invalid, format!("the node withholds block {height}"))
        })?;
        replay
            .push(&block)
            .map_err(|error| Fault::new(Exit::Invalid, format!("block {height}: {error}")))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let header = replay.header();
    if *header != head.header {
        return Err(Fault::new(
            Exit::Invalid,
            "the replayed log does not end in the certified head",
        ));
    }
    let value: Value = json!({
        "chain": genesis.chain().to_string(),
        "height": header.height,
        "leaves": header.tree_size,
        "root": header.tree_root.to_string(),
        "state_hash": header.state_hash.to_string(),
        "equal": true,
    });
    context.output.data(
        &value,
        format!(
            "replayed {} leaves in {} blocks: root and state hash are the certified ones\nroot             {}\nstate hash       {}",
            header.tree_size, header.height, header.tree_root, header.state_hash
        ),
    )
}
