//! Validators that come and go while blocks are made: a node joins and another leaves, a key
//! is rotated, weights follow credit, one that lies is punished, and a ledger of one grows.

use base::{
    Action, Digest, Operation, OperationId, Signed, genesis::Policy, key::OperationSecret,
    operation::*,
};
use consensus::{Limits, Sequencer, Solo, SubmitError, SystemClock};
use ledger::{CreditReason, Ledger, OpenOptions, Outcome, ProposalStatus, word_preimage};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    net::Net,
    world::{self, World, id, secret},
};

const HOSPITALS: [&str; 5] = ["mercy", "general", "coast", "institute", "hill"];

/// A ledger of these validators, each of which joined the hospital of its place, and of nodes
/// that did so as well but are none.
fn prepared(validators: &[&str], others: &[&str]) -> World {
    let founders: Vec<_> = HOSPITALS.iter().map(|name| (*name, None)).collect();
    let policy = Policy {
        half_life_days: 10_000, // what was earned a while ago still counts
        ..Policy::default()
    };
    let mut world = World::empty(world::genesis(validators, &founders, policy));
    for name in HOSPITALS {
        world.register(name, Role::Hospital);
    }
    for name in others {
        world.register(name, Role::Node);
    }
    for (node, hospital) in validators.iter().chain(others).zip(HOSPITALS) {
        world.join(node, hospital);
    }
    world
}

/// Nodes of these names, each with the world's ledger.
fn run(world: &mut World, names: &[&str]) -> Net {
    world.ledger = None; // closed
    let path = world.dir.path().join("ledger.redb");
    let secrets = names.iter().map(|name| secret(name)).collect();
    Net::on(world.genesis.clone(), secrets, Some(&path))
}

/// Sends an operation of `name` to a node; its sequence number is the ledger's next.
fn send(net: &Net, at: usize, name: &str, action: impl Into<Action>) -> OperationId {
    let by = secret(name);
    let genesis = net.genesis();
    let sequence = net.node(at).ledger().view().unwrap();
    let sequence = sequence.sequence(id(name)).unwrap() + 1;
    let operation = Operation {
        chain: genesis.chain(),
        account: id(name),
        delegation: None,
        sequence,
        action: action.into(),
    };
    let operation = Signed::new(operation, &by);
    let receipt = net.node(at).submit(operation.to_bytes().0).unwrap();
    assert_eq!(receipt.outcome, Outcome::Ok, "{name}");
    let checked = receipt
        .clone()
        .verify(&net.node(at).ledger().validators(), &operation);
    checked.unwrap();
    receipt.id
}

/// Some operations, so that blocks come.
fn bags(net: &Net, at: usize, from: u64, count: u64) {
    for version in from..from + count {
        let bag = Bag {
            version,
            commitment: Digest([3; 32]),
        };
        send(net, at, "pat", bag);
    }
}

fn seats(net: &Net, at: usize) -> Vec<base::AccountId> {
    let set = net.node(at).ledger().view().unwrap().validators().unwrap();
    set.seats().iter().map(|seat| seat.account).collect()
}

fn leaves(net: &Net, at: usize) -> u64 {
    net.node(at).head().unwrap().header.tree_size
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn level(net: &Net) -> ledger::Head {
    let most = net
        .running()
        .map(|node| node.head().unwrap().header.tree_size);
    net.agree(most.max().unwrap())
}

/// Sends a validator's vote as long as it is needed.
fn voted(net: &Net, proposal: OperationId, voters: &[(usize, &str)]) {
    for (at, name) in voters {
        let node = net.node(*at).ledger();
        wait("the proposal", || {
            node.view().unwrap().proposal(proposal).unwrap().is_some()
        });
        let found = node.view().unwrap().proposal(proposal).unwrap().unwrap();
        if found.status == ProposalStatus::Open {
            send(net, *at, name, Vote { proposal });
            level(net);
        }
    }
    let node = net.node(voters[0].0).ledger();
    let found = node.view().unwrap().proposal(proposal).unwrap().unwrap();
    assert!(matches!(found.status, ProposalStatus::Enacted(_)));
}

#[test]
fn a_node_joins_decides_and_another_leaves() {
    let names = ["node", "n2", "n3", "n5"];
    let mut world = prepared(&names[..3], &names[3..]);
    world.register("pat", Role::Patient);
    let mut net = run(&mut world, &names);
    bags(&net, 0, 1, 5);
    // It follows before it decides.
    level(&net);
    let proposal = send(&net, 3, "n5", Apply {});
    level(&net);
    voted(&net, proposal, &[(0, "node"), (1, "n2"), (2, "n3")]);
    assert_eq!(seats(&net, 3).len(), 4);
    bags(&net, 1, 6, 8);
    let head = level(&net);
    let view = net.node(0).ledger().view().unwrap();
    let theirs = (1..=head.header.height)
        .filter(|height| view.head_at(*height).unwrap().unwrap().header.proposer == id("n5"));
    assert!(theirs.count() > 0, "the new one proposes");
    // Of four, one may be down: without the new one's votes nothing would go on.
    net.stop(0);
    bags(&net, 3, 14, 3);
    net.restart(0);
    level(&net);
    // A founder leaves, and it goes on without it: two of the other three are not enough,
    // three are.
    send(&net, 1, "n2", Leave {});
    level(&net);
    assert!(!seats(&net, 0).contains(&id("n2")));
    bags(&net, 1, 17, 3); // through the one that left, which follows now
    net.stop(1);
    bags(&net, 2, 20, 3);
    level(&net);
    net.replay_each();
    let first = ledger::Validators::of(&net.genesis());
    let mut trusted = first.clone();
    for transition in net
        .node(0)
        .ledger()
        .view()
        .unwrap()
        .transitions(1, 100)
        .unwrap()
    {
        trusted.follow(transition).unwrap();
    }
    assert_eq!(trusted, net.node(3).ledger().validators());
    assert_eq!(trusted.newest().len(), 3);
}

#[test]
fn a_validator_rotates_its_key_while_blocks_are_made() {
    let names = ["node", "n2", "n3", "n4"];
    let mut world = prepared(&names, &[]);
    world.register("pat", Role::Patient);
    let mut net = run(&mut world, &names);
    bags(&net, 0, 1, 3);
    level(&net);
    let new = secret("spare");
    net.node(1).add_key(new.clone());
    let sequence = net.node(1).ledger().view().unwrap();
    let consent = KeyConsent {
        chain: net.genesis().chain(),
        account: id("n2"),
        sequence: sequence.sequence(id("n2")).unwrap() + 1,
    };
    drop(sequence);
    let consent = Signed::new(consent, &new).signature;
    let rotate = RotateKey {
        new: NewKey::Operation(new.public(), consent),
        compromised_after: None,
    };
    send(&net, 1, "n2", rotate);
    level(&net);
    let set = net.node(0).ledger().validators();
    assert_eq!(set.newest().key(id("n2")), Some(new.public()));
    // Its votes are needed now, and are made with the new key,
    net.stop(3);
    bags(&net, 0, 4, 4);
    // also after a start with both keys, or with the new one alone.
    for secrets in [vec![secret("n2"), new.clone()], vec![new.clone()]] {
        net.stop(1);
        net.secrets[1] = secrets;
        net.restart(1);
        let next = 1 + net
            .node(0)
            .ledger()
            .view()
            .unwrap()
            .bag(id("pat"))
            .unwrap()
            .unwrap()
            .version;
        bags(&net, 0, next, 2);
    }
    net.restart(3);
    level(&net);
    net.replay_each();
    let view = net.node(0).ledger().view().unwrap();
    let last = view.head().unwrap();
    let signed = last
        .certificate
        .signatures
        .iter()
        .any(|(it, _)| *it == id("n2"));
    assert!(signed || last.certificate.signatures.len() == 3);
}

#[test]
fn who_misses_its_turns_pays_for_them() {
    let names = ["node", "n2", "n3", "n4"];
    let mut world = prepared(&names, &[]);
    world.register("pat", Role::Patient);
    let mut net = run(&mut world, &names);
    bags(&net, 0, 1, 1);
    let before = level(&net).header.height;
    net.stop(3);
    // Its turn comes about three times.
    bags(&net, 0, 2, 12);
    let head = level(&net).header;
    let view = net.node(0).ledger().view().unwrap();
    let lines = view.journal(id("institute"), 0).unwrap();
    let turns = net.node(0).ledger().validators();
    let each = i64::from(net.genesis().policy.duties().missed_turn);
    let mut last = 0;
    for line in lines {
        assert_eq!(line.reason, CreditReason::MissedTurn);
        // It was paid in a block of a later round than its own.
        let mut headers = (1..=head.height).map(|at| view.head_at(at).unwrap().unwrap().header);
        let paid = headers.find(|header| header.previous == Some(line.cause.0));
        let paid = paid.unwrap();
        let whose = |round| turns.at(paid.height).proposer(paid.height, round).unwrap();
        let missed = (0..paid.round()).filter(|round| whose(*round).account == id("n4"));
        let missed = missed.count() as i64;
        assert!(missed > 0, "{paid:?}");
        assert_eq!(line.amount, -each * missed, "{paid:?}");
        last = last.max(paid.height);
    }
    assert!(last > before, "it paid for nothing that it missed");
    net.restart(3);
    level(&net);
    net.replay_each();
}

/// Mercy's records are reviewed: its validator weighs more from the next day on.
fn earn(world: &mut World) {
    world.register("ag", Role::Agent);
    world.join("ag", "general");
    let names: Vec<_> = (0..40).map(|at| format!("c{at}")).collect();
    let list: Vec<_> = names.iter().map(|name| ("s", name.as_str())).collect();
    let record = world.record("mercy", "pat", "r", &list);
    let request = world.request("institute", "pat");
    let mut terms = world.terms(request, &["s"], &["ag"]);
    terms.max_queries = 40;
    let grant = world.ok("pat", world::authorizing(terms));
    for part in world::parts(&list) {
        let want = world::want(grant, "institute", "ag", record, "r", part);
        let query = world.querying(&want);
        let query = world.ok("ag", query);
        world.ok("institute", world::accepted(query));
    }
}

#[test]
fn weights_change_in_the_first_block_of_a_day() {
    let names = ["node", "n2", "n3", "n4"];
    let mut world = prepared(&names, &[]);
    world.register("pat", Role::Patient);
    earn(&mut world);
    let before = world.view().validators().unwrap();
    assert_eq!(before.total(), 4_000);
    let mut net = run(&mut world, &names);
    bags(&net, 0, 1, 1);
    let head = level(&net);
    let after = net.node(0).ledger().view().unwrap().validators().unwrap();
    let weight = |name| after.seat(id(name)).unwrap().weight;
    assert!((1_190..=1_200).contains(&weight("node")), "{after:?}");
    assert_eq!(weight("n2"), 1_000);
    assert_eq!(head.header.next_validators.unwrap().set, after.digest());
    // The engine counts by weight: three go on without any one.
    for gone in [0, 1] {
        net.stop(gone);
        let version = 1 + net
            .node(2)
            .ledger()
            .view()
            .unwrap()
            .bag(id("pat"))
            .unwrap()
            .unwrap()
            .version;
        bags(&net, 2, version, 4);
        net.restart(gone);
        level(&net);
    }
    net.replay_each();
}

#[test]
fn a_proven_contradiction_ends_a_seat_and_the_others_go_on() {
    let names = ["node", "n2", "n3", "n4"];
    let mut world = prepared(&names, &[]);
    world.register("pat", Role::Patient);
    let net = run(&mut world, &names);
    bags(&net, 0, 1, 2);
    let height = level(&net).header.height;
    let words = [1, 2].map(|at| {
        let word = Word::Precommit(Some(Digest([at; 32])));
        let message = word_preimage(net.genesis().chain(), height, Some(0), &word);
        SignedWord {
            word,
            signature: secret("n4").sign(&message),
        }
    });
    let proof = DoubleSign {
        validator: id("n4"),
        height,
        round: 0,
        words,
    };
    send(&net, 0, "node", proof);
    bags(&net, 0, 3, 3);
    level(&net);
    assert_eq!(seats(&net, 0).len(), 3);
    let view = net.node(3).ledger().view().unwrap();
    let line = view.journal(id("institute"), 0).unwrap()[0];
    assert_eq!((line.amount, line.reason), (-200, CreditReason::DoubleSign));
    net.replay_each();
}

#[test]
fn a_ledger_of_one_becomes_one_of_several() {
    let names = ["node", "n2", "n3", "n5"];
    let mut world = prepared(&names[..1], &names[1..]);
    world.register("pat", Role::Patient);
    let genesis = world.genesis.clone();
    world.ledger = None;
    let path = world.dir.path().join("ledger.redb");
    let ledger = Ledger::open(&path, &genesis, OpenOptions::default()).unwrap();
    let solo = Solo::start(
        Arc::new(ledger),
        secret("node"),
        SystemClock,
        Limits::default(),
    );
    let solo = solo.unwrap();
    let submit = |by: &OperationSecret, name: &str, action: Action| {
        let sequence = solo.ledger().view().unwrap().sequence(id(name)).unwrap() + 1;
        let operation = Operation {
            chain: genesis.chain(),
            account: id(name),
            delegation: None,
            sequence,
            action,
        };
        solo.submit(Signed::new(operation, by).to_bytes().0)
    };
    let proposal = submit(&secret("n2"), "n2", Apply {}.into()).unwrap().id;
    submit(&secret("node"), "node", Vote { proposal }.into()).unwrap();
    assert_eq!(solo.ledger().validators().newest().len(), 2);
    // One alone decides no more, and says why.
    let refused = submit(&secret("n3"), "n3", Apply {}.into()).unwrap_err();
    assert!(matches!(refused, SubmitError::Outgrown(_)), "{refused:?}");
    let again = Solo::start(
        Arc::clone(solo.ledger()),
        secret("node"),
        SystemClock,
        Limits::default(),
    );
    assert!(again.is_err());
    solo.stop();
    // The same database goes on with the others.
    let secrets = names.iter().map(|name| secret(name)).collect();
    let net = Net::on(genesis, secrets, Some(&path));
    bags(&net, 0, 1, 3);
    level(&net);
    for (at, name) in [(2, "n3"), (3, "n5")] {
        let proposal = send(&net, at, name, Apply {});
        level(&net);
        let voters = [(0, "node"), (1, "n2"), (2, "n3")];
        voted(&net, proposal, &voters[..at]);
    }
    assert_eq!(seats(&net, 0).len(), 4);
    bags(&net, 3, 4, 8);
    let head = level(&net);
    assert!(head.certificate.signatures.len() >= 3);
    net.replay_each();
    assert_eq!(leaves(&net, 3), leaves(&net, 0));
}

/// The same key on two machines, which people do when they bring a dead one back: in its turn
/// each proposes a block of its own. The others see both, and put it on the ledger.
#[test]
fn a_key_at_two_nodes_is_found_out_and_loses_its_seat() {
    let names = ["node", "n2", "n3", "n4"];
    let mut world = prepared(&names, &[]);
    world.register("pat", Role::Patient);
    let mut net = run(&mut world, &["node", "n2", "n3", "n4", "n4"]);
    let until = Instant::now() + Duration::from_secs(60);
    let mut version = 0;
    while seats(&net, 0).contains(&id("n4")) {
        version += 1;
        bags(&net, 0, version, 1);
        let standing = net.node(0).standing();
        assert!(Instant::now() < until, "never found out: {standing:?}");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(seats(&net, 0).len(), 3);
    let view = net.node(0).ledger().view().unwrap();
    let lines = view.journal(id("institute"), 0).unwrap();
    let paid = lines
        .iter()
        .filter(|line| line.reason == CreditReason::DoubleSign);
    assert!(paid.clone().count() > 0);
    for line in paid {
        let (_, leaf) = view.operation(line.cause).unwrap().unwrap();
        let Action::DoubleSign(proof) = leaf.operation.body.action else {
            panic!("paid for something else");
        };
        assert_eq!(proof.validator, id("n4"));
        let punished = view.punishment(id("n4"), proof.height).unwrap().unwrap();
        assert_eq!(punished.proof, line.cause);
    }
    // The others go on, and have one ledger.
    net.stop(3);
    net.stop(4);
    bags(&net, 1, version + 1, 5);
    level(&net);
    net.replay_each();
}
