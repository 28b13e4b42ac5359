//! A validator's key at two machines: its home was copied, and both run.

use base::AccountId;
use std::{
    thread,
    time::{Duration, Instant},
};

use super::{load::Load, proofs, validators::Validators};

#[test]
fn a_validator_that_runs_twice_loses_its_seat() {
    let mut net = Validators::start(4);
    let twice = AccountId::of(&net.genesis().validators[3].key);
    let mut load = Load::at(&net, 3, &[0, 1, 2]);
    load.run(|| thread::sleep(Duration::from_secs(1)));
    load.run(|| {
        net.run_twice(3);
        let begun = Instant::now();
        let mut again = PATIENCE;
        while net.seats().iter().any(|(seat, _)| *seat == twice) {
            assert!(begun.elapsed() < 16 * PATIENCE, "never found out");
            // Whether both take part is a matter of who connects first.
            if begun.elapsed() > again {
                net.run_both_again();
                again = begun.elapsed() + PATIENCE;
            }
            thread::sleep(Duration::from_millis(200));
        }
        println!("found out after {:?}", begun.elapsed());
    });
    net.end_both();
    assert_eq!(net.seats().len(), 3);
    let operations = load.finish();
    proofs::settle(&net, &operations, twice);
}

/// How long both run before they are started again.
const PATIENCE: Duration = Duration::from_secs(15);
