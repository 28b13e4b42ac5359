//! Decisions about the same validators at the same time, by commands at their nodes, while
//! operations flow: one of them comes first, at all nodes the same.

use base::AccountId;
use std::{thread, time::Duration};

use super::{fleet::Ran, load::Load, validators::Validators, ward};

/// Two commands at two nodes, sent at the same time.
fn at_once(net: &Validators, one: (usize, &[&str]), other: (usize, &[&str])) -> [Ran; 2] {
    thread::scope(|scope| {
        let both = [one, other].map(|(at, verb)| scope.spawn(move || net.try_by(at, verb)));
        both.map(|ran| ran.join().unwrap())
    })
}

fn proposed(net: &Validators, at: usize, verb: &[&str]) -> String {
    let done = net.run_by(at, verb);
    done["operation"].as_str().unwrap().to_owned()
}

fn accounts(net: &Validators) -> Vec<AccountId> {
    let validators = net.genesis().validators;
    validators
        .iter()
        .map(|one| AccountId::of(&one.key))
        .collect()
}

fn is_seated(net: &Validators, account: AccountId) -> bool {
    net.seats().iter().any(|(seat, _)| *seat == account)
}

/// Each of two is a vote away from being none: the votes are cast at the same time, one of them
/// by one of the two. Its own vote counts in the block that takes its seat, and no later.
#[test]
fn two_are_expelled_at_once() {
    let net = Validators::start(4);
    let mut load = Load::at(&net, 3, &[0, 1]);
    let who = accounts(&net);
    let names = [2, 3].map(|at: usize| who[at].to_string());
    load.run(|| {
        let third = proposed(&net, 3, &["validator", "expel", &names[0]]);
        let fourth = proposed(&net, 0, &["validator", "expel", &names[1]]);
        net.run_by(1, &["validator", "vote", &fourth]);
        net.run_by(0, &["validator", "vote", &third]);
        assert_eq!(net.seats().len(), 4, "two of four decide");
        let [by_third, by_second] = at_once(
            &net,
            (2, &["validator", "vote", &fourth]),
            (1, &["validator", "vote", &third]),
        );
        by_second.ok();
        let voted = by_third.code == 0;
        if !voted {
            by_third.fails(9, "Vote failed");
        }
        net.wait("who lost its seat", |net| {
            is_seated(net, who[3]) != voted && (voted || !is_seated(net, who[2]))
        });
        thread::sleep(Duration::from_secs(1));
    });
    let seats = net.seats();
    assert!(seats.len() == 2 || seats.len() == 3, "{seats:?}");
    let operations = load.finish();
    let own = 6;
    net.agree(operations.len() as u64 + own);
    net.prove(&operations);
    net.replay();
}

/// The last vote against it comes while it replaces its key, and, when it is back, while it
/// leaves.
#[test]
fn one_is_expelled_while_it_rotates_and_while_it_leaves() {
    let mut net = Validators::start(4);
    let staff = ward::clinic(&net);
    let mut load = Load::at(&net, 3, &[0, 1]);
    let last = accounts(&net)[3];
    let name = last.to_string();
    let expelled_but_for_one = |net: &Validators| {
        let proposal = proposed(net, 0, &["validator", "expel", &name]);
        net.run_by(1, &["validator", "vote", &proposal]);
        proposal
    };
    let mut own = 0;
    load.run(|| {
        let proposal = expelled_but_for_one(&net);
        let vote = ["validator", "vote", &proposal];
        for ran in at_once(&net, (3, &["validator", "rotate"]), (2, &vote)) {
            ran.ok();
        }
        own += 4;
        net.wait("it is none any more", |net| !is_seated(net, last));
        // With its new key it follows, and is voted in again.
        assert_eq!(net.stop(3), Some(0));
        net.run(3);
        net.catch_up(3);
        let consent = ward::consent(net.genesis().chain(), last);
        net.run_by(3, &["account", "join", &consent.0, "--consent", &consent.1]);
        let proposal = proposed(&net, 3, &["validator", "apply"]);
        for at in 0..3 {
            net.run_by(at, &["validator", "vote", &proposal]);
        }
        own += 5;
        net.wait("it is one again", |net| is_seated(net, last));

        let proposal = expelled_but_for_one(&net);
        let vote = ["validator", "vote", &proposal];
        let [left, voted] = at_once(&net, (3, &["validator", "leave"]), (2, &vote));
        own += 4;
        // One of the two did it, and the other had nothing left to do.
        match left.code {
            0 => assert!(voted.ok().stdout.contains("nothing left to change")),
            _ => {
                left.fails(9, "Leave failed");
                assert!(voted.ok().stdout.contains("enacted"));
            }
        }
        net.wait("it is none again", |net| !is_seated(net, last));
        thread::sleep(Duration::from_secs(1));
    });
    assert_eq!(net.seats().len(), 3);
    let operations = [load.finish(), staff].concat();
    net.agree(operations.len() as u64 + own);
    net.prove(&operations);
    net.replay();
}
