//! Everything that keeps an anchor from being made, and that it is made afterwards.

use anchor::{Next, Schedule, Service, StepError, Trouble, ethereum::Ethereum};
use serde_json::json;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::{
    anvil::{Anvil, NETWORK},
    world::{Anchoring, SCHEDULE, T0, World, key},
};

fn trouble(done: Result<Next, StepError>) -> Trouble {
    match done {
        Err(StepError::Trouble(trouble)) => trouble,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_node_that_is_down_is_waited_for_ever_longer() {
    let world = World::new();
    let state = world.folder.join("anvil");
    let port = Anvil::start().end();
    let anvil = Anvil::keeping(&state, port);
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    world.grow(100);
    assert_eq!(anchoring.step(&mut service, T0).unwrap(), Next::Begun);
    anvil.end();
    let mut pauses = vec![service.pause()];
    for _ in 0..14 {
        let said = trouble(anchoring.step(&mut service, T0));
        assert_eq!(
            said,
            Trouble::Unreachable(format!("http://127.0.0.1:{port}"))
        );
        pauses.push(service.pause());
        world.grow(1);
    }
    assert!(pauses.windows(2).all(|two| two[0] <= two[1]));
    assert_eq!(pauses.last(), Some(&Duration::from_secs(300)));
    let anvil = Anvil::keeping(&state, port);
    anchoring.settle(&mut service, &anvil, T0);
    assert_eq!(service.pause(), SCHEDULE.poll);
    assert_eq!(anvil.anchors(&anchoring.settings.contract), [(1, 100)]);
}

/// Something that takes connections and is no node: an answer is waited for as long as was
/// said, whatever comes or does not.
#[test]
fn what_answers_nonsense_or_nothing_is_no_node() {
    let world = World::new();
    let anvil = Anvil::start();
    let mut anchoring = Anchoring::deploy(&world, &anvil);
    anchoring.settings.patience = Duration::from_millis(300);
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}?",
        "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
            std::thread::sleep(Duration::from_secs(2));
        });
        anchoring.settings.endpoint = format!("http://{address}/s3cr3t").parse().unwrap();
        let journal = world.journal("none.redb");
        let mut service = anchoring.service(&journal, 0);
        let begin = Instant::now();
        let said = trouble(anchoring.step(&mut service, T0)).to_string();
        assert!(begin.elapsed() < Duration::from_secs(2), "{answer:?}");
        assert!(
            said.starts_with("no usable answer from http://127.0.0.1:"),
            "{said}"
        );
        assert!(!said.contains("s3cr3t"), "{said}");
    }
}

#[test]
fn fees_over_the_cap_are_waited_out() {
    let (world, anvil) = (World::new(), Anvil::start());
    let mut anchoring = Anchoring::deploy(&world, &anvil);
    anchoring.settings.fee_cap = 5_000_000_000;
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    world.grow(100);
    anvil.base_fee(400_000_000_000);
    let said = trouble(anchoring.step(&mut service, T0));
    assert!(
        matches!(
            said,
            Trouble::FeeOverCap {
                cap: 5_000_000_000,
                ..
            }
        ),
        "{said}"
    );
    assert_eq!(anvil.count(&key(0).address()), 1, "the contract alone");
    assert_eq!(service.report(T0).unwrap().open, 0);
    anvil.base_fee(1_000_000_000);
    assert_eq!(anchoring.step(&mut service, T0).unwrap(), Next::Begun);
    anchoring.settle(&mut service, &anvil, T0);
}

#[test]
fn a_stuck_transaction_is_replaced_and_paid_once() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    anvil.mine_at_once(false);
    world.grow(100);
    assert_eq!(anchoring.step(&mut service, T0).unwrap(), Next::Begun);
    let attempts = || {
        journal
            .newest(anchor::Chain::Ethereum)
            .unwrap()
            .unwrap()
            .1
            .attempts
    };
    let mut now = T0;
    for count in 1..=4 {
        assert_eq!(
            anchoring.step(&mut service, now.plus(59_999)).unwrap(),
            Next::Waiting
        );
        assert_eq!(attempts().len(), count, "not yet");
        now = now.plus(60_000);
        assert_eq!(anchoring.step(&mut service, now).unwrap(), Next::Waiting);
        let attempts = attempts();
        assert_eq!(attempts.len(), count + 1);
        let [.., old, new] = attempts.as_slice() else {
            panic!()
        };
        assert_eq!(old.slot, new.slot);
        assert!(new.fee * 10 > old.fee * 11 && new.tip * 10 >= old.tip * 11);
    }
    anchoring.settle(&mut service, &anvil, now);
    assert_eq!(anvil.anchors(&anchoring.settings.contract), [(1, 100)]);
    assert_eq!(anvil.count(&key(0).address()), 2);
    let cost = service.report(now).unwrap().cost;
    assert!(cost > 0 && cost <= attempts().last().unwrap().most);
}

#[test]
fn another_network_or_contract_gets_nothing() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    world.grow(100);
    let journal = world.journal("anchors.redb");
    let said = |change: &dyn Fn(&mut anchor::ethereum::Settings), owner| {
        let mut settings = anchoring.settings.clone();
        change(&mut settings);
        let client = Ethereum::new(settings, world.chain(), key(owner)).unwrap();
        let mut service = Service::new(Box::new(client), &journal, SCHEDULE, T0);
        trouble(anchoring.step(&mut service, T0)).to_string()
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
    let other = anchoring.client(0);
    drop(other);
    let mut foreign = base::ChainId([3; 32]);
    foreign.0[0] = 4;
    let client = Ethereum::new(anchoring.settings.clone(), foreign, key(0)).unwrap();
    let mut service = Service::new(Box::new(client), &journal, SCHEDULE, T0);
    let said = trouble(anchoring.step(&mut service, T0)).to_string();
    assert!(said.contains("is of another ledger"), "{said}");
    assert!(anvil.anchors(&anchoring.settings.contract).is_empty());

    // A node that becomes another network's in the middle: signed for the old one, refused.
    let mut service = anchoring.service(&journal, 0);
    assert_eq!(anchoring.step(&mut service, T0).unwrap(), Next::Begun);
    anvil.call("anvil_setChainId", json!([5]));
    let said = trouble(anchoring.step(&mut service, T0));
    assert_eq!(
        said,
        Trouble::WrongChain {
            expected: NETWORK,
            found: 5
        }
    );
}

#[test]
fn a_budget_is_kept_over_restarts_and_renewed() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    world.grow(100);
    anchoring.step(&mut service, T0).unwrap();
    anchoring.settle(&mut service, &anvil, T0);
    let spent = service.report(T0).unwrap().cost;
    drop(service);
    // Enough for what was spent, not for another.
    let schedule = Schedule {
        budget: spent + 10,
        ..SCHEDULE
    };
    let mut service = Service::new(Box::new(anchoring.client(0)), &journal, schedule, T0);
    assert_eq!(service.report(T0).unwrap().left, 10);
    world.grow(100);
    let said = trouble(anchoring.step(&mut service, T0));
    assert!(
        matches!(said, Trouble::OverBudget { left: 10, .. }),
        "{said}"
    );
    assert_eq!(anvil.count(&key(0).address()), 2);
    // A month later the first is no longer counted; the budget allows one again.
    let later = T0.plus(anchor::WINDOW);
    assert_eq!(service.report(later).unwrap().left, schedule.budget);
    let schedule = Schedule {
        budget: 100 * spent,
        ..SCHEDULE
    };
    let mut service = Service::new(Box::new(anchoring.client(0)), &journal, schedule, later);
    assert_eq!(anchoring.step(&mut service, later).unwrap(), Next::Begun);
    let open = service.report(later).unwrap();
    assert!(
        open.open == 1 && open.left < schedule.budget,
        "what is on its way is reserved"
    );
}

/// An owner anchors a root that the ledger never had.
#[test]
fn a_false_anchor_of_another_owner_is_said_and_passed() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let other = World::new();
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    other.grow(150);
    world.grow(100);
    let liar = other.journal("liar.redb");
    let client = Ethereum::new(anchoring.settings.clone(), world.chain(), key(1)).unwrap();
    let mut lying = Service::new(Box::new(client), &liar, SCHEDULE, T0);
    lying.step(&|| other.ledger.view(), T0).unwrap();
    let said = trouble(anchoring.step(&mut service, T0));
    assert_eq!(said, Trouble::Forked { size: 150 });
    // Once the ledger is longer, the truth is anchored too.
    world.grow(100);
    assert_eq!(anchoring.step(&mut service, T0).unwrap(), Next::Begun);
    anchoring.settle(&mut service, &anvil, T0);
    assert_eq!(
        anvil.anchors(&anchoring.settings.contract),
        [(1, 150), (2, 200)]
    );
}
