//! Wires cut between validators, and mended.

use std::{thread, time::Duration};

use super::{links::Links, load::Load, validators::Validators, ward::Ward};

/// Two and two: nothing is ordered, and nothing lost.
fn in_halves(net: &Validators, links: &Links, pause: Duration) {
    links.part(&[&[0, 1], &[2, 3]]);
    // What was on its way may arrive; what was decided in one half is certified there.
    thread::sleep(Duration::from_secs(2));
    let heights = || (0..4).map(|at| net.height(at)).collect::<Vec<_>>();
    let before = heights();
    thread::sleep(pause);
    assert_eq!(heights(), before, "a half orders");
    links.heal();
    let highest = before.iter().max().copied().unwrap_or_default();
    net.wait("they go on together", |net| {
        (0..4).all(|at| net.height(at) > highest)
    });
}

/// Three and one: the three go on, the one stands still, and comes after.
fn one_apart(net: &Validators, links: &Links, apart: usize, pause: Duration) {
    let others: Vec<_> = (0..4).filter(|at| *at != apart).collect();
    links.part(&[&others, &[apart]]);
    thread::sleep(Duration::from_secs(2));
    let (before, alone) = (net.height(others[0]), net.height(apart));
    thread::sleep(pause);
    assert!(
        net.height(others[0]) > before,
        "three of four order nothing"
    );
    assert_eq!(net.height(apart), alone, "one of four orders");
    links.heal();
    net.catch_up(apart);
}

/// `rounds` partitions of each kind, while operations flow and patients grant and revoke.
fn part_and_heal(rounds: usize, pause: Duration) {
    let (net, links) = Validators::start_wired(4);
    let mut ward = Ward::open(&net, 2);
    // Whoever sends to the one apart waits there: others go on.
    let mut loads: Vec<_> = (0..4).map(|at| Load::at(&net, 1, &[at])).collect();
    let [one, two, three, four] = &mut loads[..] else {
        unreachable!()
    };
    ward.run(|| {
        one.run(|| {
            two.run(|| {
                three.run(|| {
                    four.run(|| {
                        thread::sleep(Duration::from_secs(1));
                        for round in 0..rounds {
                            in_halves(&net, &links, pause);
                            one_apart(&net, &links, (3 + round) % 4, pause);
                        }
                    })
                })
            })
        });
    });
    let sent = loads.into_iter().map(Load::finish).collect::<Vec<_>>();
    let operations = [sent.concat(), ward.close()].concat();
    net.settle(&operations);
}

#[test]
fn two_and_two_then_three_and_one() {
    part_and_heal(1, Duration::from_secs(3));
}

#[test]
#[ignore = "the long form: cargo xtask chaos"]
fn long() {
    part_and_heal(super::rounds(), Duration::from_secs(10));
}
