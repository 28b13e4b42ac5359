//! Everything that keeps an anchor from being made, and that it is made afterwards.

use anchor::{
    Checkpoint, Next, Schedule, Service, StepError, Trouble,
    bitcoin::{Access, Bitcoin, Key, Network, Settings as InBitcoinSettings},
    ethereum::{Ethereum, Settings},
};
use base::{ChainId, Millis};
use serde_json::json;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::{
    anvil::NETWORK,
    in_each_chain,
    rig::{Competing, Rig, step},
    rigs::{InBitcoin, InEthereum, ethereum_key},
    world::{SCHEDULE, T0, World},
};

in_each_chain!(
    a_node_that_is_down_is_waited_for_ever_longer,
    what_answers_nonsense_or_nothing_is_no_node,
    a_budget_is_kept_over_restarts_and_renewed,
    a_false_anchor_of_another_owner_is_said_and_passed,
);
crate::where_transactions_compete!(
    fees_over_the_cap_are_waited_out,
    a_stuck_transaction_is_replaced_and_paid_once,
);

fn trouble(done: Result<Next, StepError>) -> Trouble {
    match done {
        Err(StepError::Trouble(trouble)) => trouble,
        other => panic!("{other:?}"),
    }
}

fn a_node_that_is_down_is_waited_for_ever_longer<R: Rig>() {
    let world = World::new();
    let mut rig = R::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    world.grow(100);
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
    let url = rig.url();
    rig.end();
    let mut pauses = vec![service.pause()];
    for _ in 0..14 {
        let said = trouble(step(&world, &mut service, T0));
        assert!(
            said == Trouble::Unreachable(url.clone()) || said.to_string().contains("cookie"),
            "{said}"
        );
        pauses.push(service.pause());
        world.grow(1);
    }
    assert!(pauses.windows(2).all(|two| two[0] <= two[1]));
    assert_eq!(pauses.last(), Some(&Duration::from_secs(300)));
    rig.start_again();
    rig.settle(&world, &mut service, T0);
    assert_eq!(service.pause(), SCHEDULE.poll);
    assert_eq!(rig.anchored(), [100]);
}

/// Something that takes connections and is no node: an answer is waited for as long as was
/// said, whatever comes or does not.
fn what_answers_nonsense_or_nothing_is_no_node<R: Rig>() {
    let world = World::new();
    let rig = R::start(&world);
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}?",
        "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"result\": \"no\"}",
        "HTTP/1.1 200 OK\r\ncontent-length: 99000000000\r\n\r\n{\"result\": \"no\"}",
        "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
            std::thread::sleep(Duration::from_secs(20));
        });
        let client = rig.client_at(
            &world,
            &format!("http://{address}/s3cr3t"),
            Duration::from_millis(300),
        );
        let journal = world.journal("none.redb");
        let mut service = Service::new(client, &journal, SCHEDULE, T0);
        let begin = Instant::now();
        let said = trouble(step(&world, &mut service, T0)).to_string();
        assert!(begin.elapsed() < Duration::from_secs(10), "{answer:?}");
        assert!(
            said.starts_with("no usable answer from http://127.0.0.1:"),
            "{said}"
        );
        assert!(!said.contains("s3cr3t"), "{said}");
    }
}

fn fees_over_the_cap_are_waited_out<R: Competing>() {
    let world = World::new();
    let mut rig = R::start(&world);
    let cap = rig.cap();
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    world.grow(100);
    rig.ask(true);
    let said = trouble(step(&world, &mut service, T0));
    assert!(
        matches!(said, Trouble::FeeOverCap { cap: own, needed } if own == cap && needed > cap),
        "{said}"
    );
    assert_eq!(rig.paid(0), 0);
    assert_eq!(service.report(T0).unwrap().open, 0);
    rig.ask(false);
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
    rig.settle(&world, &mut service, T0);
}

fn a_stuck_transaction_is_replaced_and_paid_once<R: Competing>() {
    let world = World::new();
    let rig = R::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    rig.hold();
    world.grow(100);
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
    let attempts = || {
        journal
            .newest::<Checkpoint>(R::CHAIN)
            .unwrap()
            .unwrap()
            .1
            .attempts
    };
    let mut now = T0;
    for count in 1..=4 {
        assert_eq!(
            step(&world, &mut service, now.plus(59_999)).unwrap(),
            Next::Waiting
        );
        assert_eq!(attempts().len(), count, "not yet");
        now = now.plus(60_000);
        assert_eq!(step(&world, &mut service, now).unwrap(), Next::Waiting);
        let attempts = attempts();
        assert_eq!(attempts.len(), count + 1);
        let [.., old, new] = attempts.as_slice() else {
            panic!()
        };
        assert!(rig.excludes(old, new));
        assert!(new.fee * 10 > old.fee * 11 && new.tip * 10 >= old.tip * 11);
        assert!(new.most > old.most);
    }
    rig.settle(&world, &mut service, now);
    assert_eq!(rig.anchored(), [100]);
    assert_eq!(rig.paid(0), 1);
    let cost = service.report(now).unwrap().cost;
    assert!(cost > 0 && cost <= attempts().last().unwrap().most);
}

fn a_budget_is_kept_over_restarts_and_renewed<R: Rig>() {
    let world = World::new();
    let rig = R::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    world.grow(100);
    step(&world, &mut service, T0).unwrap();
    rig.settle(&world, &mut service, T0);
    let spent = service.report(T0).unwrap().cost;
    drop(service);
    // Enough for what was spent, not for another.
    let schedule = Schedule {
        budget: spent + 10,
        ..SCHEDULE
    };
    let mut service = Service::new(rig.client(&world, 0), &journal, schedule, T0);
    assert_eq!(service.report(T0).unwrap().left, 10);
    world.grow(100);
    let said = trouble(step(&world, &mut service, T0));
    assert!(
        matches!(said, Trouble::OverBudget { chain, left: 10, .. } if chain == R::CHAIN),
        "{said}"
    );
    assert_eq!(rig.paid(0), 1);
    // A month later the first is no longer counted; the budget allows one again.
    let later = T0.plus(anchor::WINDOW);
    assert_eq!(service.report(later).unwrap().left, schedule.budget);
    let schedule = Schedule {
        budget: (100 * spent).max(1_000_000),
        ..SCHEDULE
    };
    let mut service = Service::new(rig.client(&world, 0), &journal, schedule, later);
    assert_eq!(step(&world, &mut service, later).unwrap(), Next::Begun);
    let open = service.report(later).unwrap();
    assert!(
        open.open == 1 && open.left < schedule.budget,
        "what is on its way is reserved"
    );
}

/// One who may anchor anchors a root that the ledger never had.
fn a_false_anchor_of_another_owner_is_said_and_passed<R: Rig>() {
    let world = World::new();
    let rig = R::start(&world);
    let other = World::new();
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    other.grow(150);
    world.grow(100);
    let liar = other.journal("liar.redb");
    let mut lying = rig.service(&world, &liar, 1);
    step(&other, &mut lying, T0).unwrap();
    rig.include();
    let said = trouble(step(&world, &mut service, T0));
    assert_eq!(said, Trouble::Forked { size: 150 });
    // Once the ledger is longer, the truth is anchored too.
    world.grow(100);
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
    rig.settle(&world, &mut service, T0);
    assert_eq!(rig.anchored(), [150, 200]);
}

#[test]
fn another_network_or_contract_of_ethereum_gets_nothing() {
    let world = World::new();
    let rig = InEthereum::start(&world);
    world.grow(100);
    let journal = world.journal("anchors.redb");
    let said = |change: &dyn Fn(&mut Settings), owner| {
        let client = rig.with(&world, owner, change);
        let mut service = Service::new(client, &journal, SCHEDULE, T0);
        trouble(step(&world, &mut service, T0)).to_string()
    };
    let wrong = said(&|settings| settings.chain_id = 1, 0);
    assert_eq!(wrong, format!("the node is of chain {NETWORK}, not of 1"));
    let empty = said(&|settings| settings.contract = [7; 20], 0);
    assert!(
        empty.starts_with("there is no contract of medshare at 0x0707"),
        "{empty}"
    );
    let stranger = said(&|_| {}, 2);
    assert!(
        stranger.contains("is no owner of the contract"),
        "{stranger}"
    );
    let foreign = ChainId([3; 32]);
    let client =
        Ethereum::<Checkpoint>::new(rig.settings.clone(), foreign, ethereum_key(0)).unwrap();
    let mut service = Service::new(Box::new(client), &journal, SCHEDULE, T0);
    let said = trouble(step(&world, &mut service, T0)).to_string();
    assert!(said.contains("is of another ledger"), "{said}");
    assert!(rig.anchored().is_empty());

    // A node that becomes another network's in the middle: signed for the old one, refused.
    let mut service = rig.service(&world, &journal, 0);
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
    // A block that anvil makes just then can put the old number back.
    let said = (0..10).find_map(|_| {
        rig.anvil().call("anvil_setChainId", json!([5]));
        step(&world, &mut service, T0).err()
    });
    let said = trouble(Err(said.expect("the other network was served"))).to_string();
    assert_eq!(said, format!("the node is of chain 5, not of {NETWORK}"));
}

#[test]
fn another_network_or_a_key_without_coins_in_bitcoin_gets_nothing() {
    let world = World::new();
    let rig = InBitcoin::start(&world);
    world.grow(100);
    let journal = world.journal("anchors.redb");
    let said = |change: &dyn Fn(&mut InBitcoinSettings), now: Millis| {
        let client = rig.with(&world, 0, change);
        let mut service = Service::new(client, &journal, SCHEDULE, T0);
        trouble(step(&world, &mut service, now)).to_string()
    };
    let wrong = said(&|it| it.network = Network::Bitcoin, T0);
    assert_eq!(wrong, "the node is of chain regtest, not of main");
    let wrong = said(&|it| it.network = Network::Signet, T0);
    assert_eq!(wrong, "the node is of chain regtest, not of signet");
    let stranger = said(&|it| it.access = Access::Endpoint, T0);
    assert_eq!(stranger, "refused: the node does not let us in");
    let none = said(&|it| it.access = Access::Cookie("nowhere".into()), T0);
    assert_eq!(none, "refused: the node's cookie cannot be read");
    let poor = Key::new(&[5; 32]).unwrap();
    let address = poor.payer().address(Network::Regtest);
    let client = Bitcoin::new(rig.settings.clone(), world.chain(), poor).unwrap();
    let mut service = Service::new(Box::new(client), &journal, SCHEDULE, T0);
    let said = trouble(step(&world, &mut service, T0)).to_string();
    assert!(said.contains(&format!("{address} has 0 sat")), "{said}");
    assert!(rig.anchored().is_empty());
    // Coins come, and it goes on.
    rig.node.pay(&address);
    rig.mine(110);
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
    rig.settle(&world, &mut service, T0);
    assert_eq!((rig.anchored(), rig.paid(0)), (vec![100], 0));
}
