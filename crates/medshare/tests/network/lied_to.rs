//! One of four validators lies, as a process beside three that are the program itself: it
//! proposes what breaks a rule, keeps parts of blocks back, floods the others, and signs two
//! things where it may sign one. They go on, with one ledger, and find it out.

use base::AccountId;
use consensus::bft::liar::{AHEAD, FLAWS, Lie, Told};
use share::node::Node as _;
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use super::{liar::Liar, load::Load, proofs, validators::Validators, ward::Ward};

/// Three honest ones, and the fourth.
struct Bench {
    net: Validators,
    liar: Liar,
    account: AccountId,
    /// Blocks that it lied about, by height.
    wrong: Vec<Told>,
}

impl Bench {
    fn set_up() -> Self {
        let (net, home, passphrase) = Validators::start_all_but_one(4);
        let account = AccountId::of(&net.genesis().validators[3].key);
        let liar = Liar::run(&home, &passphrase);
        Self {
            net,
            liar,
            account,
            wrong: Vec::new(),
        }
    }

    /// It tells these lies until all three have found it out, while operations are ordered.
    fn lies(&mut self, lie: Lie, found_out: impl Fn(&Self, &[Told], usize) -> bool) {
        let (begun, before) = (Instant::now(), self.operations());
        self.liar.order(lie);
        loop {
            let told = self.liar.told(lie);
            let ordered = (0..3).all(|at| self.operations()[at] >= before[at] + EACH);
            let found_out = (0..3).all(|at| found_out(self, &told, at));
            if !told.is_empty() && ordered && found_out {
                println!("{lie}: {} in {:?}", told.len(), begun.elapsed());
                self.wrong
                    .extend(told.into_iter().filter(|told| told.header.is_some()));
                return;
            }
            let late = begun.elapsed() > PATIENCE;
            let standing = || (0..3).map(|at| self.net.standing(at).to_string());
            assert!(
                !late,
                "{lie}: ordered {ordered}, told {}: {:#?}",
                told.len(),
                standing().collect::<Vec<_>>()
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Operations that each has ordered.
    fn operations(&self) -> [u64; 3] {
        let count = "medshare_validator_operations_total";
        [0, 1, 2].map(|at| self.net.metric(at, count))
    }

    fn counts(&self, what: &str) -> [u64; 3] {
        let count = format!("medshare_validator_{what}_total");
        [0, 1, 2].map(|at| self.net.metric(at, &count))
    }

    /// Every way to break a rule, each refused by each; of torn blocks nothing can be held
    /// against anybody.
    fn blocks(&mut self) {
        let before = self.counts("refused");
        self.lies(Lie::Blocks, |bench, told, at| {
            let ways: BTreeSet<_> = told.iter().map(|told| &told.how).collect();
            let executed = ways.iter().filter(|how| !how.contains("torn")).count();
            let refused = bench.counts("refused")[at] - before[at];
            ways.len() == FLAWS && refused >= executed as u64
        });
    }

    /// Each such height goes to another round.
    fn parts(&mut self) {
        let before = self.counts("further_rounds");
        self.lies(Lie::Parts, |bench, told, at| {
            let further = bench.counts("further_rounds")[at] - before[at];
            told.len() >= 3 && further >= 3
        });
    }

    /// Each hears how far it says that it is, and believes nothing of it; and verifies what it
    /// forged, beside what is ordered.
    fn flood(&mut self) {
        let (verified, ordered) = (self.counts("verified"), self.operations());
        self.lies(Lie::Flood, |bench, told, at| {
            let shown = bench.shown(at);
            let verified = bench.counts("verified")[at] - verified[at];
            let forged = verified.saturating_sub(bench.operations()[at] - ordered[at]);
            told.len() >= 20 && shown.is_some_and(|height| height > AHEAD) && forged > 100
        });
    }

    /// How high the liar is, as one of the others shows it.
    fn shown(&self, at: usize) -> Option<u64> {
        let standing = self.net.standing(at);
        let all = standing["validators"].as_array().unwrap();
        let account = self.account.to_string();
        let seen = all.iter().find(|other| other["account"] == account)?;
        seen["height"].as_u64()
    }

    fn has_a_seat(&self) -> bool {
        let seats = self.net.seats();
        seats.iter().any(|(seat, _)| *seat == self.account)
    }

    /// It loses its seat.
    fn twice(&mut self) {
        self.lies(Lie::Twice, |bench, _, _| !bench.has_a_seat());
    }

    /// No block that it lied about was decided.
    fn nothing_wrong_is_decided(&self) {
        let node = self.net.client(0);
        for told in &self.wrong {
            let decided = node.head_at(told.height).unwrap().unwrap().header.cid();
            assert_ne!(Some(decided), told.header, "{told:?}");
        }
    }
}

/// All lies in turn, `rounds` times; signing twice is the last, for it costs the seat.
fn beside_a_liar(rounds: usize) {
    let mut bench = Bench::set_up();
    let mut load = Load::new(&bench.net, 4);
    let mut ward = Ward::open(&bench.net, 1);
    ward.run(|| {
        load.run(|| {
            bench.net.wait("it takes part", |_| {
                bench.shown(0).is_some_and(|height| height > 0)
            });
            for _ in 0..rounds {
                bench.blocks();
                bench.parts();
                bench.flood();
            }
            assert!(bench.has_a_seat(), "it signed nothing twice so far");
            bench.twice();
        });
    });
    let operations = [load.finish(), ward.close()].concat();
    proofs::settle(&bench.net, &operations, bench.account);
    bench.nothing_wrong_is_decided();
    bench.net.wait("no garbage waits", |net| {
        (0..3).all(|at| net.standing(at)["waiting"] == 0)
    });
    for at in 0..3 {
        let standing = bench.net.standing(at);
        assert!(standing["halted"].is_null(), "{standing}");
    }
}

/// Operations that each orders beside each kind of lie.
const EACH: u64 = 20;
/// How long a kind of lie may stay unfound, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn three_go_on_beside_one_that_lies() {
    beside_a_liar(1);
}

#[test]
#[ignore = "the long form: cargo xtask chaos"]
fn long() {
    beside_a_liar(super::rounds());
}
