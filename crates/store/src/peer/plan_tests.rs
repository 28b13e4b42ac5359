//! The plan of a fetch, on a clock of the test's own.

use super::{
    name::Name,
    plan::{Ending, Fault, Pace, Plan},
};
use libp2p::{PeerId, identity::Keypair};
use proptest::{collection::vec, prelude::*};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

fn name(number: u32) -> Name {
    Name::of_block(0x55, &number.to_le_bytes())
}

fn peer(seed: u8) -> PeerId {
    let key = Keypair::ed25519_from_bytes([seed; 32]).unwrap();
    key.public().to_peer_id()
}

/// A plan with providers 1 to `count`, connected, that wants blocks 0 to `blocks`.
fn planned(count: u8, blocks: u32) -> (Plan, Instant) {
    let now = Instant::now();
    let pace = Pace {
        window: 16 << 20,
        patience: 5 * SECOND,
        stall: 30 * SECOND,
    };
    let providers: Vec<_> = (1..=count).map(peer).collect();
    let mut plan = Plan::new(pace, &providers, now);
    for provider in &providers {
        plan.up(provider);
    }
    for number in 0..blocks {
        plan.want(name(number), now);
    }
    (plan, now)
}

#[test]
fn a_provider_is_asked_for_more_with_every_block() {
    let (mut plan, now) = planned(1, 100);
    let asks = plan.assign(0, now);
    assert_eq!(asks.len(), 4);
    assert_eq!(asks[0], (peer(1), name(0)), "in the order of the tree");
    assert!(plan.assign(0, now).is_empty());
    plan.came(&name(0), &peer(1), 1000, now).unwrap();
    assert_eq!(plan.assign(0, now).len(), 2);
    assert_eq!(
        plan.came(&name(0), &peer(1), 1000, now),
        None,
        "once is enough"
    );
}

#[test]
fn the_window_counts_bytes() {
    let (mut plan, now) = planned(8, 100);
    assert_eq!(
        plan.assign(0, now).len(),
        16,
        "a MiB each, as far as is known"
    );
    let (mut plan, now) = planned(8, 100);
    assert_eq!(plan.assign(12 << 20, now).len(), 4, "the rest lies unsaved");
    assert_eq!(plan.assign(16 << 20, now).len(), 0);
    // Blocks of 1 KiB: there is room for many.
    let (mut plan, now) = planned(8, 300);
    let mut under_way = 0;
    for number in 0..60 {
        under_way += plan.assign(0, now).len();
        plan.came(&name(number), &peer(1), 1 << 10, now).unwrap();
        under_way -= 1;
    }
    assert!(under_way > 16, "{under_way}");
}

#[test]
fn work_is_shared() {
    let (mut plan, now) = planned(3, 100);
    let asks = plan.assign(0, now);
    for seed in 1..=3 {
        let share = asks.iter().filter(|(to, _)| *to == peer(seed)).count();
        assert_eq!(share, 4);
    }
}

#[test]
fn who_refuses_is_not_asked_again() {
    let (mut plan, now) = planned(2, 1);
    let first = plan.assign(0, now)[0].0;
    plan.refused(&name(0), &first);
    assert_eq!(plan.fault(now), None);
    let second = plan.assign(0, now)[0].0;
    assert_ne!(first, second);
    plan.refused(&name(0), &second);
    assert!(plan.assign(0, now).is_empty());
    assert_eq!(plan.fault(now), Some(Fault::Missing(name(0))));
}

#[test]
fn a_slow_provider_is_overtaken_and_the_loser_cancelled() {
    let (mut plan, now) = planned(2, 1);
    let first = plan.assign(0, now)[0].0;
    plan.overdue(Ending::NotYet, now + 4 * SECOND);
    assert!(plan.assign(0, now + 4 * SECOND).is_empty());
    plan.overdue(Ending::NotYet, now + 5 * SECOND);
    let second = plan.assign(0, now + 5 * SECOND)[0].0;
    assert_ne!(first, second);
    let others = plan.came(&name(0), &second, 10, now + 6 * SECOND);
    assert_eq!(others, Some(vec![first]));
    assert!(plan.is_idle());
    // At the end of the tree it goes sooner.
    let (mut plan, now) = planned(2, 1);
    plan.assign(0, now);
    plan.overdue(Ending::Yes, now + SECOND);
    assert_eq!(plan.assign(0, now + SECOND).len(), 1);
}

#[test]
fn the_only_provider_is_asked_again() {
    let (mut plan, now) = planned(1, 1);
    assert_eq!(plan.assign(0, now).len(), 1);
    let later = now + 6 * SECOND;
    plan.overdue(Ending::NotYet, later);
    assert_eq!(plan.assign(0, later), [(peer(1), name(0))]);
    plan.overdue(Ending::NotYet, later);
    assert!(plan.assign(0, later).is_empty(), "not twice for one delay");
    assert_eq!(plan.fault(now + 29 * SECOND), None);
    assert_eq!(plan.fault(now + 30 * SECOND), Some(Fault::Stalled(name(0))));
}

#[test]
fn what_a_lost_provider_was_asked_is_asked_of_others() {
    let (mut plan, now) = planned(2, 8);
    assert_eq!(plan.assign(0, now).len(), 8);
    plan.down(&peer(1));
    for number in 0..8 {
        plan.came(&name(number), &peer(2), 1 << 20, now);
    }
    let (mut plan, now) = planned(2, 4);
    plan.assign(0, now);
    plan.down(&peer(1));
    let asks = plan.assign(0, now);
    assert!(asks.iter().all(|(to, _)| *to == peer(2)));
    // One who sent something wrong is the last to be asked.
    let (mut plan, now) = planned(2, 4);
    plan.wrong(&peer(1));
    assert!(plan.assign(0, now).iter().all(|(to, _)| *to == peer(2)));
    plan.down(&peer(2));
    assert!(plan.assign(0, now).iter().all(|(to, _)| *to == peer(1)));
}

#[test]
fn nobody_to_ask() {
    let (plan, now) = planned(0, 1);
    assert_eq!(plan.fault(now), Some(Fault::NoProvider));
    let (mut plan, now) = planned(2, 1);
    plan.down(&peer(1));
    plan.down(&peer(2));
    assert_eq!(
        plan.fault(now + 29 * SECOND),
        None,
        "they are being dialled"
    );
    assert_eq!(plan.fault(now + 30 * SECOND), Some(Fault::NoProvider));
    plan.away(&peer(1));
    plan.away(&peer(2));
    assert_eq!(plan.fault(now + 4 * SECOND), None, "they may come back");
    assert_eq!(plan.fault(now + 5 * SECOND), Some(Fault::NoProvider));
    plan.up(&peer(2));
    assert_eq!(plan.fault(now + 5 * SECOND), None);
    plan.assign(0, now);
    plan.refused(&name(0), &peer(2));
    assert_eq!(plan.fault(now + 5 * SECOND), Some(Fault::Missing(name(0))));
}

proptest! {
    /// Whatever happens in whatever order, every block that is wanted is asked for in the
    /// end and comes, and no more is under way than the window and the providers allow.
    #[test]
    fn any_course_ends(events in vec((0..8u8, 1..4u8, 0..20u32), 0..200)) {
        let (mut plan, mut now) = planned(3, 20);
        let mut asked: Vec<(PeerId, Name)> = Vec::new();
        let mut left: Vec<u32> = (0..20).collect();
        for (event, seed, number) in events {
            now += SECOND / 2;
            let at = peer(seed);
            match event {
                0 => plan.down(&at),
                1 => plan.up(&at),
                2 => plan.away(&at),
                3 => plan.wrong(&at),
                4 => plan.no_room(&name(number), &at),
                5 => plan.overdue(Ending::NotYet, now),
                _ => {
                    if plan.came(&name(number), &at, 1 << 18, now).is_some() {
                        left.retain(|wanted| *wanted != number);
                    }
                }
            }
            asked.extend(plan.assign(0, now));
            prop_assert_eq!(plan.is_idle(), left.is_empty());
        }
        for seed in 1..4 {
            plan.up(&peer(seed));
        }
        let mut rounds = 0;
        while !plan.is_idle() {
            for (from, wanted) in plan.assign(0, now) {
                prop_assert!(plan.came(&wanted, &from, 1 << 18, now).is_some());
            }
            rounds += 1;
            prop_assert!(rounds < 100, "nothing moves");
        }
        prop_assert!(plan.assign(0, now).is_empty());
    }
}
