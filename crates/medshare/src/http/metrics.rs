//! `GET /v1/metrics`: counters for whoever watches the node, in the text format of Prometheus
//! 0.0.4. Nothing in it names an account but validators.

use axum::extract::State;
use std::{fmt::Write as _, sync::Arc};

use super::{
    admission::blocking,
    answer::{Answer, Handled},
    interface::Interface,
    message::{NodeStanding, ValidatorStanding},
};

pub(super) async fn metrics(State(interface): State<Arc<Interface>>) -> Handled {
    blocking(move || {
        let header = (interface.views)()?.head()?.header;
        let mut page = Page::default();
        page.gauge(
            "ledger_height",
            "Height of the newest block.",
            header.height,
        );
        page.gauge("ledger_leaves", "Operations in the log.", header.tree_size);
        page.gauge(
            "ledger_block_time_ms",
            "Time of the newest block.",
            header.time.0,
        );
        page.standing(&(interface.standing)());
        Ok(Answer::Text(page.0))
    })
    .await
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, help, "gauge");
        self.line(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, help, "counter");
        self.line(name, "", value);
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(
            self.0,
            "# HELP medshare_{name} {help}\n# TYPE medshare_{name} {kind}"
        );
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "medshare_{name}{labels} {value}");
    }

    fn standing(&mut self, standing: &NodeStanding) {
        let connected = standing.peers.iter().filter(|peer| peer.connected).count();
        self.gauge(
            "peers_connected",
            "Other nodes that are connected.",
            connected as u64,
        );
        if let Some(follows) = &standing.follows {
            let halted = u64::from(follows.halted.is_some());
            self.gauge("halted", "1: another ledger is certified too.", halted);
        }
        if let Some(validator) = &standing.validator {
            self.validator(validator);
        }
    }

    fn validator(&mut self, validator: &ValidatorStanding) {
        let counters = &validator.counters;
        let halted = u64::from(validator.halted.is_some());
        self.gauge("halted", "1: another ledger is certified too.", halted);
        let votes = u64::from(validator.watching.is_none());
        self.gauge("validator_votes", "0: it only follows the others.", votes);
        let quorum = u64::from(validator.quorum);
        self.gauge(
            "validator_quorum",
            "0: too few validators are heard: nothing is ordered without the others.",
            quorum,
        );
        let round = u64::from(validator.round.unwrap_or_default());
        self.gauge("validator_round", "Round of the height in hand.", round);
        self.gauge(
            "validator_waiting",
            "Operations that wait.",
            validator.waiting,
        );
        self.gauge(
            "validator_proofs",
            "Proofs against validators.",
            validator.accusations,
        );
        self.counter(
            "validator_blocks_total",
            "Blocks committed.",
            counters.blocks,
        );
        self.counter(
            "validator_own_blocks_total",
            "Of these, built here.",
            counters.own,
        );
        self.counter(
            "validator_empty_blocks_total",
            "Of these, empty.",
            counters.empty,
        );
        self.counter(
            "validator_operations_total",
            "Operations ordered.",
            counters.operations,
        );
        self.counter(
            "validator_verified_total",
            "Operations whose signature was verified.",
            counters.verified,
        );
        let further = counters.further_rounds;
        self.counter(
            "validator_further_rounds_total",
            "Rounds after a first one failed.",
            further,
        );
        self.counter(
            "validator_refused_total",
            "Blocks that got no vote.",
            counters.refused,
        );
        self.family(
            "validator_seen_height",
            "Height that each validator last signed for.",
            "gauge",
        );
        for other in &validator.validators {
            let labels = format!("{{account=\"{}\"}}", other.account);
            self.line(
                "validator_seen_height",
                &labels,
                other.height.unwrap_or_default(),
            );
        }
    }
}
