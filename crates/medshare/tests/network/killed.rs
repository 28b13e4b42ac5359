//! Validators killed with -9 while operations flow.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{load::Load, validators::Validators, ward::Ward};

/// Kills one of four, then all, while operations flow and patients grant and revoke; `rounds`
/// times.
fn kill_and_start(rounds: usize, pause: Duration) {
    let mut net = Validators::start(4);
    let mut load = Load::new(&net, 6);
    let mut ward = Ward::open(&net, 2);
    ward.run(|| {
        load.run(|| thread::sleep(pause));
        let calm = load.acknowledged();
        assert!(calm > 0, "nothing was acknowledged");
        println!("four validators: {calm} operations in {pause:?}");
        for round in 0..rounds {
            one_then_all(&mut net, &mut load, round % 4, pause);
        }
    });
    let operations = [load.finish(), ward.close()].concat();
    net.settle(&operations);
    println!(
        "{} operations acknowledged, each in the log once",
        operations.len()
    );
}

fn one_then_all(net: &mut Validators, load: &mut Load, one: usize, pause: Duration) {
    let before = load.acknowledged();
    load.run(|| {
        net.kill(one);
        thread::sleep(pause);
    });
    let gone = load.acknowledged();
    assert!(gone > before, "three of four order nothing");
    load.run(|| {
        let begun = Instant::now();
        net.run(one);
        net.catch_up(one);
        println!(
            "validator {one} was killed and takes part again after {:?}",
            begun.elapsed()
        );
        thread::sleep(pause);
    });
    load.run(|| {
        (0..4).for_each(|at| net.kill(at));
        (0..4).for_each(|at| net.run(at));
        thread::sleep(pause);
    });
}

/// Kills one and the same again and again, also while it starts, while patients grant and
/// revoke.
fn again_and_again(times: u32, pause: Duration) {
    let mut net = Validators::start(4);
    let mut load = Load::new(&net, 3);
    let mut ward = Ward::open(&net, 2);
    ward.run(|| {
        load.run(|| {
            for time in 0..times {
                net.kill(1);
                net.run(1);
                // From the first moment on to well after it votes again.
                thread::sleep(pause * time / times);
            }
            net.catch_up(1);
        });
    });
    let operations = [load.finish(), ward.close()].concat();
    net.settle(&operations);
}

#[test]
fn one_and_all() {
    kill_and_start(1, Duration::from_secs(3));
}

#[test]
fn one_again_and_again() {
    again_and_again(6, Duration::from_secs(2));
}

#[test]
#[ignore = "the long form: cargo xtask chaos"]
fn long_one_and_all() {
    kill_and_start(super::rounds(), Duration::from_secs(10));
}

#[test]
#[ignore = "the long form: cargo xtask chaos"]
fn long_one_again_and_again() {
    again_and_again(10 * super::rounds() as u32, Duration::from_secs(4));
}
