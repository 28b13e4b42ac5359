//! Chapter, if it is asked for: several nodes order the ledger together. One of them is
//! killed while the story goes on, comes back, and has what the others have.

use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use super::{
    super::{
        party::{Party, Running},
        stage::Stage,
        step::{Facts, Report, step},
    },
    cast::Cast,
};
use crate::exit::{Exit, Fault, Result};

/// The nodes that run.
pub(super) struct Nodes {
    first: Running,
    /// The further validators, if there are any.
    others: Vec<Validator>,
}

struct Validator {
    party: Party,
    address: String,
    running: Running,
}

impl Nodes {
    /// One node that decides alone.
    pub(super) fn alone(first: Running) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }

    /// Whether more than one decides.
    pub(super) fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    pub(super) fn stop(&self) {
        let others = self.others.iter().map(|validator| &validator.running);
        let all: Vec<_> = others.chain([&self.first]).collect();
        all.iter().for_each(|running| running.ask_to_stop());
        all.iter().for_each(|running| running.stop());
    }

    /// More than two thirds say yes to what the first has proposed.
    pub(super) fn vote(&self, report: &mut Report, proposal: &str) -> Result<()> {
        let all = self.others.len() + 1;
        // The first voted when it proposed.
        let needed = all * 2 / 3;
        for validator in self.others.iter().take(needed) {
            let answer = validator.party.run(&["institution", "vote", proposal]);
            let text = format!("{} votes for it", validator.party.name);
            report.passes(step("vote", text), answer)?;
        }
        Ok(())
    }

    /// The last validator dies, as in a power cut.
    pub(super) fn kill_one(&self, report: &mut Report) -> Result<()> {
        let Some(last) = self.others.last() else {
            return Ok(());
        };
        let started = Instant::now();
        last.running.kill();
        let text = format!(
            "{} is killed: the other {} go on without it",
            last.party.name,
            self.others.len()
        );
        report.done(step("validator-killed", text), &Facts::took(started))
    }

    /// It is started again, and has the others' ledger before long.
    pub(super) fn start_it_again(&mut self, stage: &Stage, report: &mut Report) -> Result<()> {
        let Some(last) = self.others.last_mut() else {
            return Ok(());
        };
        let started = Instant::now();
        last.running = stage.run_node_at(&last.party, &last.address)?;
        let text = format!("{} is started again", last.party.name);
        report.done(step("validator-started", text), &Facts::took(started))
    }

    /// Every node's log, replayed by its owner, ends in the same root and state.
    pub(super) fn compare(&self, report: &mut Report, cast: &Cast) -> Result<()> {
        let everybody = || {
            let others = self.others.iter().map(|validator| &validator.party);
            [&cast.node].into_iter().chain(others)
        };
        if !self.are_several() {
            return Ok(());
        }
        report.chapter("What each validator has")?;
        let started = Instant::now();
        let shown = loop {
            let shown: Vec<_> = everybody()
                .map(|party| party.run(&["ledger", "replay"]))
                .collect();
            let heads: Vec<_> = shown.iter().map(|answer| head(&answer.values)).collect();
            let same = heads
                .iter()
                .all(|found| found.is_some() && *found == heads[0]);
            if same || started.elapsed() > PATIENCE {
                break shown;
            }
        };
        let first = shown.first().and_then(|answer| head(&answer.values));
        for (party, answer) in everybody().zip(&shown) {
            let found = head(&answer.values);
            let (leaves, root) = found.clone().unwrap_or_default();
            let short = root.get(..16).unwrap_or_default();
            let text = format!("{:<20} {leaves} leaves, root {short}…", party.name);
            let same = found.is_some() && found == first;
            let reason = answer.reason().unwrap_or_else(|| "another ledger".into());
            report.checks(step("same-ledger", text), &Facts::of(answer), same, &reason)?;
        }
        Ok(())
    }
}

/// Leaves, and root and state hash together.
fn head(values: &[Value]) -> Option<(u64, String)> {
    let value = values.iter().find(|value| value["equal"] == true)?;
    let (root, state) = (value["root"].as_str()?, value["state_hash"].as_str()?);
    Some((value["leaves"].as_u64()?, format!("{root} {state}")))
}

/// One of them makes genesis and all homes; each goes to its own folder, as it would to its
/// own hospital.
pub(super) fn found(
    stage: &Stage,
    report: &mut Report,
    cast: &Cast,
    count: usize,
) -> Result<Vec<Party>> {
    let number = count.to_string();
    let places = places(count)?;
    let mut arguments = vec!["network", "init", "--validators", &number];
    arguments.extend(["--folder", "net", "--network", "demo"]);
    arguments.extend(["--recovery-delay", "1s", "--work-factor", "4"]);
    for place in &places {
        arguments.extend(["--at", place]);
    }
    let answer = cast.node.run(&arguments);
    let text = format!("{count} validators: a genesis object, and a home for each");
    report.passes(step("network-init", text), answer)?;
    let made = cast.node.path("net");
    let moved = |from: &str, to: &std::path::Path| {
        fs::rename(made.join(from), to).map_err(|error| Fault::io(to.display(), &error))
    };
    moved("validator-1", &cast.node.home())?;
    let mut others = Vec::new();
    for (name, at) in NAMES.iter().copied().zip(2..=count) {
        let slug = format!("validator-{at}");
        let socket = stage.side_socket(&format!("{slug}.sock"));
        let party = stage.party_at(&slug, name, &format!("unix:{}", socket.display()))?;
        moved(&slug, &party.home())?;
        party.takes_passphrase_of(&cast.node)?;
        others.push(party);
    }
    Ok(others)
}

/// The first node runs where every party finds it, the others at sockets of their own.
pub(super) fn start(
    stage: &Stage,
    report: &mut Report,
    first: Running,
    others: Vec<Party>,
) -> Result<Nodes> {
    let started = Instant::now();
    let mut nodes = Nodes::alone(first);
    for party in others {
        let address = party.node().to_owned();
        let running = stage.run_node_at(&party, &address)?;
        nodes.others.push(Validator {
            party,
            address,
            running,
        });
    }
    if nodes.are_several() {
        let text = "The other validators run, each a process with its own ledger";
        report.done(step("validators-run", text), &Facts::took(started))?;
    }
    Ok(nodes)
}

/// Free places on this machine; held until all are known, so that none comes twice.
fn places(count: usize) -> Result<Vec<String>> {
    let held: std::io::Result<Vec<_>> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect();
    let held = held.map_err(|error| Fault::io("a port of this machine", &error))?;
    held.iter()
        .map(|held| {
            let address = held.local_addr();
            let address = address.map_err(|error| Fault::io("a port of this machine", &error))?;
            Ok(format!("/ip4/127.0.0.1/tcp/{}", address.port()))
        })
        .collect()
}

/// How many the story has names for.
pub(in super::super) fn check(count: usize) -> Result<()> {
    match count {
        1 | 4..=7 => Ok(()),
        _ => Err(Fault::new(
            Exit::Usage,
            "--validators takes 1, or 4 to 7: fewer than four do not bear that one is killed",
        )),
    }
}

const NAMES: [&str; 6] = [
    "The second validator",
    "The third validator",
    "The fourth validator",
    "The fifth validator",
    "The sixth validator",
    "The seventh validator",
];
/// How long one that came back may need.
const PATIENCE: Duration = Duration::from_secs(60);
