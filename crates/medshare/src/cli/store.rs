//! `medshare store`: what a node's store holds, for the node's operator.

use base::{Cid, operation::Role};
use clap::Subcommand;
use indicatif::ProgressBar;
use serde_json::json;
use share::node::Node as _;
use std::{
    fs::File,
    io::{self, Read, Write},
    path::PathBuf,
    thread,
    time::Duration,
};
use store::car;

use super::context::{Context, Entered};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    http::message::{JobStanding, NodeStanding},
    peers::key,
};

/// Verbs of the store. Every one takes the node's own home.
#[derive(Subcommand, Debug)]
pub enum StoreCommand {
    /// Print how much is pinned and what is kept for other hospitals
    #[command(after_help = "Example:\n  medshare store status --home ~/node --json")]
    Status,
    /// Print other nodes, and whether they are connected
    Peers,
    /// Print every pinned root
    Pins,
    /// Fetch a state of a record from the nodes that have it
    #[command(after_help = "Example:\n  medshare store fetch bafyrei… --home ~/node")]
    Fetch {
        /// Root of the state
        root: Cid,
    },
    /// Keep what a root reaches, under the node's own account
    Pin {
        /// The root
        root: Cid,
    },
    /// Take the node's own pin off a root; what no other pin reaches is deleted
    Unpin {
        /// The root
        root: Cid,
    },
    /// Hash every block that a root reaches; names what is damaged or missing
    Verify {
        /// The root
        root: Cid,
    },
    /// Write everything that a root reaches into a CARv1 file
    #[command(after_help = "Example:\n  medshare store export bafyrei… record.car --home ~/node")]
    Export {
        /// The root
        root: Cid,
        /// The new file
        file: PathBuf,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
    },
    /// Store every block of a CARv1 file and pin its roots
    Import {
        /// The file
        file: PathBuf,
    },
    /// Delete what came up and was never pinned
    Gc,
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table; [`Exit::Invalid`] when `verify` finds something.
pub fn run(command: StoreCommand, context: &Context) -> Result<()> {
    if matches!(command, StoreCommand::Peers) {
        return peers(context);
    }
    let entered = context.enter(&[Role::Node])?;
    match command {
        StoreCommand::Status => status(&entered, context),
        StoreCommand::Peers => Ok(()),
        StoreCommand::Pins => pins(&entered, context),
        StoreCommand::Fetch { root } => fetch(&entered, context, &root),
        StoreCommand::Pin { root } => {
            entered.node.pin(&root)?;
            let text = format!("pinned {root}");
            context
                .output
                .data(&json!({"pinned": root.to_string()}), text)
        }
        StoreCommand::Unpin { root } => {
            entered.node.unpin(&root)?;
            let text = format!("unpinned {root}");
            context
                .output
                .data(&json!({"unpinned": root.to_string()}), text)
        }
        StoreCommand::Verify { root } => verify(&entered, context, &root),
        StoreCommand::Export { root, file, force } => {
            let existing = match force {
                true => files::Existing::Replace,
                false => files::Existing::Refuse,
            };
            export(&entered, context, root, &file, existing)
        }
        StoreCommand::Import { file } => import(&entered, context, &file),
        StoreCommand::Gc => {
            let collected = entered.node.store_collect()?;
            context.output.data(
                &json!({
                    "deleted": collected.deleted,
                    "bytes": collected.bytes,
                    "recent": collected.recent,
                }),
                format!(
                    "deleted {} block(s) of {} bytes; {} came too lately to be judged",
                    collected.deleted, collected.bytes, collected.recent
                ),
            )
        }
    }
}

fn status(entered: &Entered, context: &Context) -> Result<()> {
    let facts = entered.node.store_facts()?;
    let (kept, scrubbed) = (facts.kept, facts.scrubbed);
    context.output.data(
        &json!({
            "pins": facts.pins,
            "kept": {
                "promised": kept.promised,
                "here": kept.here,
                "bytes": kept.bytes,
                "capacity": kept.capacity,
            },
            "scrubbed": {
                "rounds": scrubbed.rounds,
                "damaged": scrubbed.damaged,
                "missing": scrubbed.missing,
                "repaired": scrubbed.repaired,
            },
        }),
        format!(
            "pinned roots     {}\nkept for others  {} of {} promised, {} of {} bytes\n\
             scrubbed         {} rounds, {} damaged, {} missing, {} repaired",
            facts.pins,
            kept.here,
            kept.promised,
            kept.bytes,
            kept.capacity,
            scrubbed.rounds,
            scrubbed.damaged,
            scrubbed.missing,
            scrubbed.repaired
        ),
    )
}

fn peers(context: &Context) -> Result<()> {
    let standing: NodeStanding = context.anonymous_node()?.read("/v1/node")?;
    context
        .output
        .rows("no other nodes are known", standing.peers, |other| {
            let peer = key::shown(&other.peer);
            let value = json!({
                "peer": peer,
                "account": other.account.map(|id| id.to_string()),
                "connected": other.connected,
                "addresses": other.addresses,
            });
            let state = if other.connected { "connected" } else { "away" };
            (value, format!("{peer}  {state}"))
        })
}

fn pins(entered: &Entered, context: &Context) -> Result<()> {
    let mut from = Some(0);
    while let Some(number) = from {
        let page = entered.node.store_pins(number)?;
        for pin in &page.items {
            context.output.data(
                &json!({"root": pin.root.to_string(), "pins": pin.count}),
                format!("{}  {} pin(s)", pin.root, pin.count),
            )?;
        }
        from = page.next.filter(|next| *next > number);
    }
    Ok(())
}

/// Asks how far the work is until it is done.
fn watch(
    entered: &Entered,
    context: &Context,
    work: &'static str,
    root: &Cid,
) -> Result<JobStanding> {
    let bar = context.output.bytes_bar(work, 0);
    loop {
        let standing = entered.node.store_work(work, root)?;
        bar.set_length(standing.expected.unwrap_or(standing.bytes));
        bar.set_position(standing.bytes);
        if standing.done {
            bar.finish_and_clear();
            return Ok(standing);
        }
        thread::sleep(LOOK);
    }
}

fn fetch(entered: &Entered, context: &Context, root: &Cid) -> Result<()> {
    let standing = watch(entered, context, "fetch", root)?;
    if let Some(reason) = standing.error {
        return Err(Fault::new(Exit::NotFound, format!("{root}: {reason}")));
    }
    context.output.data(
        &json!({
            "root": root.to_string(),
            "blocks": standing.blocks,
            "bytes": standing.bytes,
        }),
        format!(
            "{root} is here: {} block(s) of {} bytes came; pin it to keep it",
            standing.blocks, standing.bytes
        ),
    )
}

fn verify(entered: &Entered, context: &Context, root: &Cid) -> Result<()> {
    let standing = watch(entered, context, "verify", root)?;
    let named: Vec<_> = standing
        .named
        .iter()
        .map(|(cid, fault)| json!({"block": cid.to_string(), "fault": fault}))
        .collect();
    let mut text = format!(
        "{root}: {} block(s) of {} bytes are whole",
        standing.blocks, standing.bytes
    );
    for (_, fault) in &standing.named {
        text.push_str(&format!("\n{fault}"));
    }
    context.output.data(
        &json!({
            "root": root.to_string(),
            "blocks": standing.blocks,
            "bytes": standing.bytes,
            "faults": standing.faults,
            "named": named,
        }),
        text,
    )?;
    match standing.faults {
        0 => Ok(()),
        count => Err(Fault::new(
            Exit::Invalid,
            format!("{count} block(s) of {root} are damaged or missing"),
        )),
    }
}

fn export(
    entered: &Entered,
    context: &Context,
    root: Cid,
    path: &std::path::Path,
    existing: files::Existing,
) -> Result<()> {
    files::check_free(path, existing)?;
    let tree = entered.node.store_tree(&root)?;
    let bar = context.output.bytes_bar("export", tree.bytes);
    let mut pending = files::Pending::new(path)?;
    let counted = Counted(io::BufWriter::new(pending.file()), &bar);
    let written = car::export(entered.node.blocks(), root, counted);
    bar.finish_and_clear();
    let summary = written.map_err(|error| match error {
        car::ExportError::Io(error) => Fault::io(path.display(), &error),
        other => Fault::new(Exit::Invalid, format!("{other}; no file was made")),
    })?;
    pending.keep(existing)?;
    context.output.data(
        &json!({
            "root": root.to_string(),
            "file": path.display().to_string(),
            "blocks": summary.blocks,
            "bytes": summary.bytes,
        }),
        format!(
            "{} block(s) of {} bytes in {}",
            summary.blocks,
            summary.bytes,
            path.display()
        ),
    )
}

fn import(entered: &Entered, context: &Context, path: &std::path::Path) -> Result<()> {
    let file = files::open_regular(path)?;
    let length = file.metadata().map_or(0, |meta| meta.len());
    let bar = context.output.bytes_bar("import", length);
    let stored = entered.node.store_import(&mut Watched(file, &bar));
    bar.finish_and_clear();
    let tree = stored?;
    let roots: Vec<String> = tree.roots.iter().map(ToString::to_string).collect();
    context.output.data(
        &json!({"roots": roots, "blocks": tree.blocks, "bytes": tree.bytes}),
        format!(
            "{} block(s) of {} bytes stored; pinned {}",
            tree.blocks,
            tree.bytes,
            roots.join(", ")
        ),
    )
}

/// Counts what is written.
struct Counted<'a, W>(W, &'a ProgressBar);

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.0.write(bytes)?;
        self.1.inc(length as u64);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Counts what is read.
struct Watched<'a>(File, &'a ProgressBar);

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.0.read(buffer)?;
        self.1.inc(length as u64);
        Ok(length)
    }
}

/// Pause between two looks at work that runs.
const LOOK: Duration = Duration::from_millis(200);
