//! What the programs printed, put together over all rounds.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Every peer in the order of declaration.
#[derive(Default)]
pub(super) struct Figures {
    peers: Vec<Peer>,
}

/// One peer's figures.
pub(super) struct Peer {
    /// Name in the tables.
    pub(super) name: String,
    /// The crate or package that is measured, with its version.
    version: String,
    /// What the peer says of its own parameters.
    pub(super) note: String,
    /// Its operations in its own order.
    pub(super) operations: Vec<Operation>,
    /// What it stores or sends, in bytes.
    pub(super) sizes: Vec<(String, u64)>,
    /// Resident memory in KiB before its work, and its peak; the largest over the rounds.
    pub(super) memory: (u64, u64),
    absent: Option<String>,
}

/// One operation's samples over all rounds.
pub(super) struct Operation {
    /// The verb, as in the tables.
    pub(super) name: String,
    /// `prepared` or `cold`.
    pub(super) form: String,
    /// CPA, HRA, CCA, verified, or a dash.
    pub(super) class: String,
    /// What is called, in the peer's own words.
    pub(super) call: String,
    /// Nanoseconds of thread-CPU time a call.
    samples: Vec<f64>,
}

impl Operation {
    /// Microseconds below which this part of the samples lies.
    pub(super) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
        sorted.get(place).copied().unwrap_or_default() / 1_000.0
    }

    /// Median in microseconds.
    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// How many batches were timed.
    pub(super) fn count(&self) -> usize {
        self.samples.len()
    }
}

impl Figures {
    /// A peer that is to run.
    pub(super) fn declare(&mut self, name: &str, version: &str) {
        self.peers.push(Peer {
            name: name.to_owned(),
            version: version.to_owned(),
            note: String::new(),
            operations: Vec::new(),
            sizes: Vec::new(),
            memory: (0, 0),
            absent: None,
        });
    }

    /// Notes why a peer has no figures; those it has are dropped.
    pub(super) fn set_absent(&mut self, name: &str, reason: &str) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.name == name) {
            peer.absent = Some(reason.to_owned());
            peer.operations.clear();
            peer.sizes.clear();
        }
    }

    pub(super) fn is_absent(&self, name: &str) -> bool {
        self.absent().any(|(absent, _)| absent == name)
    }

    /// Peers without figures, with the reason.
    pub(super) fn absent(&self) -> impl Iterator<Item = (&str, &str)> {
        self.peers
            .iter()
            .filter_map(|peer| Some((peer.name.as_str(), peer.absent.as_deref()?)))
    }

    /// Peers that ran.
    pub(super) fn present(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.absent.is_none())
    }

    /// What is measured, with its version, each once.
    pub(super) fn versions(&self) -> Vec<&str> {
        let mut versions: Vec<&str> = self
            .peers
            .iter()
            .map(|peer| peer.version.as_str())
            .collect();
        versions.dedup();
        versions
    }

    /// An operation of a peer that ran.
    pub(super) fn operation(&self, peer: &str, name: &str, form: &str) -> Option<&Operation> {
        let peer = self.present().find(|found| found.name == peer)?;
        peer.operations
            .iter()
            .find(|found| found.name == name && found.form == form)
    }

    /// A size in bytes of a peer that ran.
    pub(super) fn size(&self, peer: &str, what: &str) -> Option<u64> {
        let peer = self.present().find(|found| found.name == peer)?;
        peer.sizes
            .iter()
            .find(|(name, _)| name == what)
            .map(|(_, bytes)| *bytes)
    }

    /// Adds one round of a peer.
    pub(super) fn add(&mut self, name: &str, lines: &str) -> Result<()> {
        let peer = self.peers.iter_mut().find(|peer| peer.name == name);
        let peer = peer.context("a peer that was not declared")?;
        let mut whole = false;
        for line in lines.lines().filter(|line| line.starts_with('{')) {
            let value: Value = serde_json::from_str(line).context("it prints no JSON")?;
            if value["peer"] != name {
                bail!("it calls itself {}", value["peer"]);
            }
            whole |= peer.read(&value)?;
        }
        if !whole {
            bail!("its last line is missing");
        }
        Ok(())
    }
}

impl Peer {
    /// Reads one line; true for the line that ends a round.
    fn read(&mut self, value: &Value) -> Result<bool> {
        let word = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        if let Some(what) = value["size"].as_str() {
            let bytes = value["bytes"].as_u64().context("a size without bytes")?;
            match self.sizes.iter_mut().find(|(name, _)| name == what) {
                Some(known) => known.1 = known.1.max(bytes),
                None => self.sizes.push((what.to_owned(), bytes)),
            }
        } else if let Some(name) = value["operation"].as_str() {
            let samples = value["nanoseconds"]
                .as_array()
                .context("an operation without samples")?;
            let samples = samples.iter().filter_map(Value::as_f64);
            let form = word("form");
            let known = self
                .operations
                .iter_mut()
                .find(|found| found.name == name && found.form == form);
            match known {
                Some(known) => known.samples.extend(samples),
                None => self.operations.push(Operation {
                    name: name.to_owned(),
                    form,
                    class: word("class"),
                    call: word("call"),
                    samples: samples.collect(),
                }),
            }
        } else if let Some(peak) = value["memory_peak_kib"].as_u64() {
            let before = value["memory_before_kib"].as_u64().unwrap_or_default();
            self.memory = (self.memory.0.max(before), self.memory.1.max(peak));
            return Ok(true);
        } else if value["note"].is_string() {
            self.note = word("note");
        }
        Ok(false)
    }
}
