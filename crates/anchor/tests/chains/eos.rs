//! What only EOS has: times that end, resources that run out, blocks that are not irreversible.

use anchor::{
    Chain, Next, Schedule, Service, StepError, Trouble,
    eos::{Eos, Key, Settings, prepare},
};
use base::{Digest, Millis};
use std::time::Duration;

use crate::{
    anvil::KEYS,
    rig::{Rig, step},
    rigs::{ACTORS, InEos, eos_key, eos_name as name},
    world::{SCHEDULE, T0, World},
};

fn trouble(done: Result<Next, StepError>) -> String {
    match done {
        Err(StepError::Trouble(trouble)) => trouble.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_no_block_took_in_its_time_is_made_anew_and_anchors_once() {
    let world = World::new();
    let mut rig = InEos::start(&world);
    let journal = world.journal("anchors.redb");
    // A node that forgets what it was sent, twice.
    let client = rig.client_at(&world, &rig.url(), Duration::from_secs(2));
    let mut service = Service::new(client, &journal, InEos::schedule(), T0);
    world.grow(100);
    rig.hold();
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
    let attempts = || {
        journal
            .newest::<anchor::Checkpoint>(Chain::Eos)
            .unwrap()
            .unwrap()
            .1
            .attempts
    };
    for _ in 0..2 {
        let before = attempts().len();
        rig.end();
        std::thread::sleep(Duration::from_secs(7));
        rig.node.start_again(&["--pause-on-startup"]);
        // The chain's clock stands still as long as nobody makes blocks: nothing is over.
        for _ in 0..5 {
            match step(&world, &mut service, T0) {
                // A node that waits for blocks keeps who sends it something waiting.
                Ok(Next::Waiting) | Err(StepError::Trouble(Trouble::Unreachable(_))) => {}
                other => panic!("{other:?}"),
            }
            assert_eq!(attempts().len(), before, "the first may still be taken");
        }
        rig.mine(1);
        for _ in 0..60 {
            step(&world, &mut service, T0).unwrap();
            if attempts().len() > before {
                break;
            }
            rig.mine(1);
        }
        rig.hold();
        let made = attempts();
        if rig.anchored().is_empty() {
            assert_eq!(made.len(), before + 1);
        }
    }
    rig.settle(&world, &mut service, T0);
    assert_eq!(rig.anchored(), [100]);
    assert!(attempts().len() > 1, "none was lost");
    // Every one of them, sent again: none is taken any more.
    let mut client = rig.client(&world, 0);
    for attempt in attempts() {
        client.send(&attempt).unwrap();
    }
    rig.mine(4);
    assert_eq!((rig.anchored(), rig.paid(0)), (vec![100], 1));
}

#[test]
fn a_clock_of_ours_that_is_wrong_by_years_changes_nothing() {
    let world = World::new();
    let rig = InEos::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    for (now, size) in [(Millis(1), 100), (Millis(u64::MAX), 200), (T0, 300)] {
        world.grow(100);
        assert_eq!(step(&world, &mut service, now).unwrap(), Next::Begun);
        rig.settle(&world, &mut service, now);
        assert_eq!(rig.anchored().last(), Some(&size));
    }
    assert_eq!(rig.paid(0), 3);
}

#[test]
fn another_network_account_or_key_of_eos_gets_nothing() {
    let world = World::new();
    let rig = InEos::start(&world);
    world.grow(100);
    let journal = world.journal("anchors.redb");
    let said = |change: &dyn Fn(&mut Settings), owner| {
        let client = rig.with(&world, owner, change);
        let mut service = Service::new(client, &journal, SCHEDULE, T0);
        trouble(step(&world, &mut service, T0))
    };
    let network = rig.settings.network;
    let other = Digest([7; 32]);
    let wrong = said(&|it| it.network = other, 0);
    assert_eq!(
        wrong,
        format!("the node is of chain {network}, not of {other}")
    );
    let nobody = said(&|it| it.actor = name("nobody"), 0);
    assert_eq!(nobody, "refused: there is no account nobody");
    let stranger = said(&|it| it.actor = name(ACTORS[1]), 2);
    let key = eos_key(2).public();
    assert_eq!(
        stranger,
        format!("refused: {key} is no key of hospitalb@active")
    );
    let none = said(&|it| it.permission = name("anchors"), 0);
    assert!(none.ends_with("is no key of hospitala@anchors"), "{none}");
    assert!(rig.anchored().is_empty());
    // Its ABI: not on another network, not over another's, and only once.
    let endpoint = rig.node.url().parse().unwrap();
    let set = |network, account, key: &Key| {
        let done = prepare(
            &endpoint,
            network,
            name(account),
            key,
            Duration::from_secs(9),
        );
        done.map(|prepared| prepared.transaction)
            .map_err(|trouble| trouble.to_string())
    };
    assert!(
        set(Some(other), "medshare", &eos_key(0))
            .unwrap_err()
            .starts_with("the node is of")
    );
    assert_eq!(set(Some(network), "medshare", &eos_key(0)), Ok(None));
    assert!(
        set(None, "eosio", &eos_key(0))
            .unwrap_err()
            .contains("has another ABI")
    );
    assert!(
        set(None, "nobody", &eos_key(0))
            .unwrap_err()
            .contains("there is no account")
    );
    assert!(
        set(None, ACTORS[1], &eos_key(2))
            .unwrap_err()
            .starts_with("refused: ")
    );
}

/// The cap is part of the transaction: the chain itself keeps it.
#[test]
fn an_anchor_that_would_take_more_than_its_cap_or_than_there_is_waits() {
    let world = World::new();
    let rig = InEos::start(&world);
    rig.node.with_limits();
    let journal = world.journal("anchors.redb");
    world.grow(100);
    let with = |change: &dyn Fn(&mut Settings)| {
        Service::new(rig.with(&world, 0, change), &journal, SCHEDULE, T0)
    };
    let said = trouble(step(&world, &mut with(&|it| it.most_net = 10), T0));
    assert!(said.contains("above the cap of 10"), "{said}");
    // Others have everything, this account a part too small to be seen.
    rig.node.limit(ACTORS[1], 1_000_000_000, 1_000_000_000);
    rig.node.limit(ACTORS[0], 1_000_000_000, 1);
    rig.mine(2);
    let said = trouble(step(&world, &mut with(&|_| {}), T0));
    assert!(
        said.contains("microseconds of CPU time left, and an anchor may take 95000"),
        "{said}"
    );
    rig.node.limit(ACTORS[0], 1, 1_000_000_000);
    rig.mine(2);
    let said = trouble(step(&world, &mut with(&|_| {}), T0));
    assert!(
        said.contains("bytes of bandwidth left, and an anchor may take 512"),
        "{said}"
    );
    assert!(rig.anchored().is_empty());
    assert_eq!(with(&|_| {}).report(T0).unwrap().open, 0);
    // Staked again, it goes on, and what is charged is within the caps.
    rig.node.limit(ACTORS[0], -1, -1);
    rig.mine(2);
    let mut service = with(&|_| {});
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
    rig.settle(&world, &mut service, T0);
    let cost = service.report(T0).unwrap().cost;
    assert!((1..=95_000).contains(&cost), "{cost}");
}

/// As long as its block is not irreversible nobody is shown an anchor.
#[test]
fn an_anchor_is_final_when_its_block_is_irreversible_and_not_before() {
    let world = World::new();
    let rig = InEos::start(&world);
    let journal = world.journal("anchors.redb");
    let schedule = Schedule {
        confirmations: 1,
        replace: 0,
        ..SCHEDULE
    };
    let mut service = Service::new(rig.client(&world, 0), &journal, schedule, T0);
    let mut seen = 0;
    for batch in 1..=8 {
        rig.hold();
        world.grow(100);
        assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
        while rig.anchored().len() < batch {
            rig.mine(1);
            rig.hold();
        }
        // The newest block alone is not irreversible; nobody makes the next one now.
        let number = rig.node.block_of_newest_anchor();
        if number
            > rig.node.info()["last_irreversible_block_num"]
                .as_u64()
                .unwrap()
        {
            for _ in 0..5 {
                assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Waiting);
            }
            let index = 100 * batch as u64 - 1;
            assert!(journal.covering(Chain::Eos, index).unwrap().is_none());
            seen += 1;
        }
        rig.mine(2);
        rig.settle(&world, &mut service, T0);
        if seen == 2 {
            return;
        }
    }
    panic!("seen {seen} times");
}

#[test]
fn what_is_no_client_is_said_without_a_node() {
    let world = World::new();
    let settings = Settings {
        endpoint: "http://127.0.0.1:1/s3cr3t".parse().unwrap(),
        network: Digest([1; 32]),
        account: name("medshare"),
        actor: name(ACTORS[0]),
        permission: name("active"),
        payers: vec![],
        most_cpu: 1,
        most_net: 64,
        expires: 5,
        patience: Duration::from_millis(300),
    };
    let key = Key::new(&KEYS[0]).unwrap();
    let client = Eos::new(settings, world.chain(), key).unwrap();
    let shown = format!("{client:?}");
    assert_eq!(shown, "Eos(http://127.0.0.1:1)");
    let journal = world.journal("anchors.redb");
    let mut service = Service::new(Box::new(client), &journal, SCHEDULE, T0);
    world.grow(100);
    let said = match step(&world, &mut service, T0) {
        Err(StepError::Trouble(said @ Trouble::Unreachable(_))) => said.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(said, "no usable answer from http://127.0.0.1:1");
}
