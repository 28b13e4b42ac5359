//! Who decides changes while operations flow: a hospital's node takes a seat, another validator
//! gives its own up, and a day later weights follow what the hospital earned.

use base::AccountId;
use std::{thread, time::Duration};

use super::{clocks::skewed, load::Load, validators::Validators, ward::Ward};

#[test]
fn one_validator_for_another_and_other_weights() {
    let mut net = Validators::start(4);
    let first = AccountId::of(&net.genesis().validators[0].key);
    let mut load = Load::new(&net, 4);
    let mut ward = Ward::open(&net, 2);
    let mut own = 0; // operations of validators themselves
    let mut newcomer = None;
    ward.run(|| {
        load.run(|| {
            let (account, proposal) = net.applicant();
            newcomer = Some(account);
            own += 3;
            for at in 0..3 {
                assert!(!net.seats().iter().any(|(seat, _)| *seat == account));
                net.run_by(at, &["validator", "vote", &proposal]);
                own += 1;
            }
            assert_eq!(net.seats().len(), 5, "three of four decide");
            net.seat(4);
            net.catch_up(4);
            // Four of five are needed: without another of them, the new one.
            let without = |net: &mut Validators, one: usize| {
                net.kill(one);
                let height = net.height(2);
                net.wait("they go on", |net| net.height(2) > height + 5);
                net.run(one);
                net.catch_up(one);
            };
            without(&mut net, 1);
            net.run_by(0, &["validator", "leave"]);
            own += 1;
            net.wait("it is none any more", |net| {
                net.seats().len() == 4 && !net.seats().iter().any(|(seat, _)| *seat == first)
            });
            // Three of four, and not of those that are none.
            without(&mut net, 3);
        });
    });
    // It brought its hospital's credit with it; what that earned since counts from tomorrow on.
    let before = net.seats();
    let heaviest = before.iter().max_by_key(|(_, weight)| *weight).unwrap();
    assert_eq!(Some(heaviest.0), newcomer, "{before:?}");

    // A day later, by all clocks.
    let (_folder, library) = skewed();
    load.run(|| {
        for at in 0..net.count() {
            net.kill(at);
        }
        for at in 0..net.count() {
            net.run_with(at, &library, 86_400_000);
        }
        net.wait("weights are others", |net| net.seats() != before);
        thread::sleep(Duration::from_secs(2));
    });
    let operations = [load.finish(), ward.close()].concat();
    net.agree(operations.len() as u64 + own);
    net.prove(&operations);
    net.replay();
}
