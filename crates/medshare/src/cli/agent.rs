//! `medshare agent`: logs first, re-encrypts, releases. Also the loop that `wallet run`
//! and `agent run` share.

use base::operation::Role;
use clap::Subcommand;
use share::Node as _;
use std::{sync::Arc, time::Duration};

use super::{
    context::{Context, Entered},
    kept::Kept,
    party::{Event, round},
};
use crate::{
    exit::{Exit, Result},
    http::HttpNode,
    stop::Stop,
};

/// Verbs of agents.
#[derive(Subcommand, Debug)]
pub enum AgentCommand {
    /// Serve until SIGTERM or SIGINT
    #[command(
        after_help = "Example:\n  medshare agent run --home ~/agent --passphrase-file pass.txt"
    )]
    Run,
    /// Do what waits, then end
    #[command(after_help = "Example:\n  medshare agent once --home ~/agent --json")]
    Once,
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table; [`Exit::Forked`] ends the loop: nothing is released any more.
pub fn run(command: AgentCommand, context: &Context) -> Result<()> {
    let unlocked = context.unlock(&[Role::Agent])?;
    match command {
        AgentCommand::Once => {
            let entered = unlocked.enter(context.patience)?;
            for event in round(&entered)? {
                event.print(&context.output)?;
            }
            Ok(())
        }
        AgentCommand::Run => {
            let pause = Duration::from_millis(context.config.agent.poll_milliseconds.into());
            let kept = Kept::new(unlocked, context.patience)?;
            watch(&kept, context, &Stop::on_signals()?, pause, round)
        }
    }
}

/// Looks at the node every `pause` and runs `work` when there is something new, until `stop`. The home is given back between two rounds to who waits for it, so that
/// other commands get their turn.
///
/// # Errors
/// What a person must decide about; a node that is away is waited for.
pub(super) fn watch(
    kept: &Kept,
    context: &Context,
    stop: &Stop,
    pause: Duration,
    work: impl FnMut(&Entered) -> Result<Vec<Event>>,
) -> Result<()> {
    let _running = kept.home().lock_for_running()?;
    let done = rounds(kept, context, stop, pause, work);
    kept.close();
    done
}

fn rounds(
    kept: &Kept,
    context: &Context,
    stop: &Stop,
    pause: Duration,
    mut work: impl FnMut(&Entered) -> Result<Vec<Event>>,
) -> Result<()> {
    context.output.talk("running; end with Ctrl-C");
    let mut watcher = Watcher::default();
    let mut away = false;
    loop {
        match watcher.look(kept, &mut work) {
            Ok(events) => {
                for event in events {
                    event.print(&context.output)?;
                }
                away = false;
            }
            Err(fault) if matches!(fault.exit, Exit::Unreachable | Exit::Busy) => {
                if !away {
                    context.output.talk(format!("{fault}; waiting"));
                }
                away = true;
            }
            Err(fault) => return Err(fault),
        }
        if stop.wait(pause) {
            context.output.talk("ended");
            return Ok(());
        }
    }
}

/// Looks without the home, until there is news.
#[derive(Default)]
struct Watcher {
    /// The node, with the party's tickets, from the last round.
    node: Option<Arc<HttpNode>>,
    /// Height and newest letter before the last round.
    seen: Option<(u64, u64)>,
    idle: u32,
}

impl Watcher {
    fn look(
        &mut self,
        kept: &Kept,
        work: &mut impl FnMut(&Entered) -> Result<Vec<Event>>,
    ) -> Result<Vec<Event>> {
        if let Some(node) = &self.node {
            // Now and then without news too: grants expire by the clock.
            self.idle += 1;
            match news(node) {
                Ok(seen) if self.idle < IDLE_ROUNDS && self.seen == seen => {
                    return Ok(Vec::new());
                }
                Err(fault) if fault.exit == Exit::Unreachable => return Err(fault),
                // Refused: a command replaced the key meanwhile, and the home has the new one.
                Ok(_) | Err(_) => {}
            }
        }
        let entered = kept.enter()?;
        // Before the work: what comes while the round runs is news for the next one.
        let seen = news(&entered.node)?;
        let events = work(&entered)?;
        self.seen = seen;
        self.node = Some(Arc::clone(&entered.node));
        self.idle = 0;
        Ok(events)
    }
}

/// Height of the ledger and number of the newest letter.
fn news(node: &HttpNode) -> Result<Option<(u64, u64)>> {
    Ok(Some((node.head()?.header.height, node.newest_letter()?)))
}

const IDLE_ROUNDS: u32 = 240;
