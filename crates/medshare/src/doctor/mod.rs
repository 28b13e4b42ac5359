//! What `medshare doctor` looks at, and what it may repair.
//!
//! A home is looked at while nobody uses it, and nothing in it is written: databases and the
//! block store are opened with their writes held back. One file for each thing looked at;
//! data goes one way: a look gives [`Finding`]s, a finding may name its [`Repair`], and what
//! a repair came to is told by a second look. A repair is offered only for what follows from
//! data that was proven in the same look, or takes nothing away but what nobody reads;
//! `docs/upgrades.md` has the list with the reasons.

mod finding;
mod formats;
mod keys;
mod ledger;
mod leftovers;
mod machine;
mod memory;
mod network;
mod online;
mod peers;
mod pins;
mod post;
mod repair;
mod rights;
mod store;

use ::ledger::Depth;
use base::{Millis, operation::Role};
use share::trust::Trust;
use std::path::Path;

pub use finding::{Finding, State};
pub use network::{Network, faults_tolerated};
pub use repair::Repair;

use crate::{
    exit::{Fault, Result},
    home::{Home, passphrase::Passphrase, role_name},
    http::HttpNode,
};

/// What is to be looked at, and with what.
#[derive(Clone, Copy)]
pub struct Exam<'a> {
    /// The home, which the caller has locked.
    pub folder: &'a Path,
    /// Opens its sealed parts.
    pub passphrase: Option<&'a Passphrase>,
    /// How much of a node's ledger is recomputed.
    pub depth: Depth,
    /// Is asked what only the node knows.
    pub node: Option<&'a HttpNode>,
    /// Is told how many blocks of the store were hashed, and of how many.
    pub hashed: &'a dyn Fn(u64, u64),
}

impl std::fmt::Debug for Exam<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exam({})", self.folder.display())
    }
}

impl Exam<'_> {
    /// Looks at everything; writes nothing.
    ///
    /// # Errors
    /// When the folder cannot be listed, or something of it is in use; what is wrong with
    /// the home is a finding.
    pub fn examine(&self) -> Result<Vec<Finding>> {
        let mut found = vec![rights::look(self.folder)?, leftovers::look(self.folder)?];
        let home = match Home::open(self.folder) {
            Ok(home) => home,
            Err(fault) => {
                found.push(Finding::fault("home", fault));
                return Ok(found);
            }
        };
        found.push(Finding::ok("home", introduction(&home)));
        found.push(formats::settings(self.folder));
        found.push(machine::room(self.folder, home.facts.role)?);
        found.push(machine::handles(home.facts.role));
        let formats = formats::look(&home);
        let known = formats.state == State::Ok;
        found.push(formats);
        if !known {
            return Ok(found); // nobody here can read the rest
        }
        let mut newest = home.genesis.created;
        self.sealed(&home, &mut found, &mut newest)?;
        if home.facts.role == Role::Node {
            self.node(&home, &mut found, &mut newest)?;
        }
        found.push(machine::clock(newest, home.genesis.drift));
        Ok(found)
    }

    /// Does what the findings name as their repair, and looks again. `announce` is told
    /// each repair before it is begun.
    ///
    /// # Errors
    /// As [`Exam::examine`], and what `announce` gives. A repair that fails leaves its
    /// problem in the findings.
    pub fn heal(
        &self,
        before: &[Finding],
        announce: &dyn Fn(&Finding, &Repair) -> Result<()>,
    ) -> Result<Vec<Finding>> {
        let mut failed: Vec<(&str, Fault)> = Vec::new();
        for finding in before {
            if let Some(repair) = finding.repair() {
                announce(finding, repair)?;
                if let Err(fault) = repair.perform(self.folder) {
                    failed.push((finding.check, fault));
                }
            }
        }
        let mut after = self.examine()?;
        for finding in &mut after {
            let is_same = |was: &&Finding| was.check == finding.check && was.is_repairable();
            if let Some(was) = before.iter().find(is_same) {
                let fault = failed.iter().find(|(check, _)| *check == was.check);
                finding.after_repair(was, fault.map(|(_, fault)| fault));
            }
        }
        Ok(after)
    }

    /// What the passphrase opens, and what the node says to it.
    fn sealed(&self, home: &Home, found: &mut Vec<Finding>, newest: &mut Millis) -> Result<()> {
        let Some(passphrase) = self.passphrase else {
            found.push(keys::sealed(home)?);
            return Ok(());
        };
        let Some((identity, vault)) = keys::look(home, passphrase, found)? else {
            return Ok(());
        };
        let trust = match Trust::load(&home.genesis, &vault) {
            Ok(trust) => trust,
            Err(error) => {
                found.push(memory::unreadable("validators", &error));
                return Ok(());
            }
        };
        memory::look(home, &trust, &vault, found, newest);
        match self.node {
            Some(node) => online::ask(home, &trust, &identity, &vault, node, found),
            None => found.push(online::not_asked()),
        }
        Ok(())
    }

    /// A node's folder: each part, and what they say of each other.
    fn node(&self, home: &Home, found: &mut Vec<Finding>, newest: &mut Millis) -> Result<()> {
        let Some(ledger) = ledger::look(home, self.depth, found, newest)? else {
            return Ok(());
        };
        found.push(peers::look(home)?);
        let post = post::look(home, found)?;
        let store = store::look(home, post.as_ref(), self.hashed, found)?;
        if let (Some(post), Some(store)) = (&post, &store) {
            found.push(pins::at_the_post(post, store));
            found.push(pins::on_the_ledger(home, &ledger, store));
        }
        Ok(())
    }
}

fn introduction(home: &Home) -> String {
    format!(
        "the home of {} {} on ledger {} ({})",
        role_name(home.facts.role),
        home.facts.account,
        home.facts.chain,
        home.genesis.network
    )
}
