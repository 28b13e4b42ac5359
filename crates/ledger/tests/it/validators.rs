//! Who decides: validators come, go, change their keys, are punished, and weigh what their
//! institutions earned.

use base::{
    Digest, Millis,
    genesis::{Duties, Policy},
    key::OperationSecret,
    operation::*,
};
use ledger::{
    Change, CreditReason, Depth, Failure, HeadError, Ledger, OpenOptions, ProposalStatus,
    Validators, rebuild, replay, word_preimage,
};

use crate::{farming::books::Books, replay::blocks, world::*};

const HOSPITALS: [&str; 4] = ["mercy", "general", "coast", "institute"];

/// `nodes` validators, of which each has joined the hospital of its place; and the node n5 of
/// the last hospital, which is none.
fn world(nodes: &[&str], policy: Policy) -> World {
    let founders: Vec<_> = HOSPITALS.iter().map(|name| (*name, None)).collect();
    let mut world = World::empty(genesis(nodes, &founders, policy));
    for name in HOSPITALS {
        world.register(name, Role::Hospital);
    }
    world.register("n5", Role::Node);
    for (node, hospital) in nodes.iter().zip(HOSPITALS) {
        world.join(node, hospital);
    }
    world
}

pub fn four() -> World {
    world(&["node", "n2", "n3"], Policy::default())
}

fn seats(world: &World) -> Vec<base::AccountId> {
    let set = world.view().validators().unwrap();
    set.seats().iter().map(|seat| seat.account).collect()
}

fn sorted(names: &[&str]) -> Vec<base::AccountId> {
    let mut ids: Vec<_> = names.iter().map(|name| id(name)).collect();
    ids.sort();
    ids
}

/// Replay, inspection, rebuilding and a party with nothing but the genesis object come to
/// what the ledger has.
fn everybody_agrees(world: &mut World) {
    let blocks = blocks(world);
    let head = world.view().head().unwrap();
    let replayed = replay(&world.genesis, &blocks).unwrap();
    assert_eq!(replayed.state_hash().digest(), head.header.state_hash);
    assert_eq!(*replayed.validators(), world.ledger().validators());
    let found = world.view().inspect(&world.genesis, Depth::Replay).unwrap();
    assert_eq!(found.damage, []);
    let mut trusted = Validators::of(&world.genesis);
    for transition in world.view().transitions(trusted.since(), 100).unwrap() {
        trusted.follow(transition).unwrap();
    }
    assert_eq!(trusted, world.ledger().validators());
    for block in blocks {
        block.head.verify(&trusted).unwrap();
    }
    let copy = world.dir.path().join("copy.redb");
    let _ = std::fs::remove_file(&copy);
    rebuild(&world.view(), &copy, &world.genesis, OpenOptions::default()).unwrap();
    let copy = Ledger::open(&copy, &world.genesis, OpenOptions::default()).unwrap();
    assert_eq!(copy.validators(), world.ledger().validators());
    world.reopen();
    assert_eq!(world.ledger().validators(), trusted);
}

#[test]
fn a_node_applies_is_voted_in_and_decides_from_the_next_height_on() {
    let mut world = four();
    let apply = Apply {};
    world.fails("mercy", apply, Failure::WrongRole);
    world.fails("n2", apply, Failure::AlreadyValidator);
    world.fails("n5", apply, Failure::NotAdmitted); // it has joined nobody
    world.register("n6", Role::Node);
    world.join("n6", "mercy");
    world.fails("n6", apply, Failure::InstitutionSeated);
    world.join("n5", "institute");
    let proposal = world.ok("n5", apply);
    let stored = world.view().proposal(proposal).unwrap().unwrap();
    assert_eq!(stored.votes, []);
    assert_eq!(
        stored.change,
        Change::Seat {
            validator: id("n5")
        }
    );
    world.fails("n5", Vote { proposal }, Failure::NotValidator);
    world.ok("node", Vote { proposal });
    world.ok("n2", Vote { proposal });
    assert_eq!(seats(&world), sorted(&["node", "n2", "n3"]));
    let before = world.view().head().unwrap().header;
    assert_eq!(before.next_validators, None);
    world.ok("n3", Vote { proposal });
    assert_eq!(seats(&world), sorted(&["node", "n2", "n3", "n5"]));
    let head = world.view().head().unwrap().header;
    let reign = head.next_validators.unwrap();
    assert_eq!(reign.first, head.height + 1);
    assert_eq!(reign.set, world.view().validators().unwrap().digest());
    // It signs, proposes in its turn, and votes.
    for _ in 0..4 {
        world.ok("n5", Leave {});
        let proposal = world.ok("n5", apply);
        for voter in ["node", "n2", "n3"] {
            world.ok(voter, Vote { proposal });
        }
        let open = world.ok(
            "node",
            Expel {
                validator: id("n3"),
            },
        );
        world.ok("n5", Vote { proposal: open });
    }
    everybody_agrees(&mut world);
}

#[test]
fn a_seat_that_is_taken_meanwhile_is_not_given_twice() {
    let mut world = four();
    world.join("n5", "institute");
    world.register("n6", Role::Node);
    world.join("n6", "institute");
    let one = world.ok("n5", Apply {});
    let other = world.ok("n6", Apply {});
    for proposal in [one, other] {
        // The third of three, and the third of four.
        for voter in ["node", "n2"] {
            world.ok(voter, Vote { proposal });
        }
        world.ok(if proposal == one { "n3" } else { "n5" }, Vote { proposal });
    }
    let status = |id| world.view().proposal(id).unwrap().unwrap().status;
    assert!(matches!(status(one), ProposalStatus::Enacted(_)));
    assert!(matches!(status(other), ProposalStatus::Void(_)));
    assert!(!seats(&world).contains(&id("n6")));
    // A validator that has joined nobody joins no institution that has one.
    let mut world = self::world(&["node"], Policy::default());
    world.join("n5", "general");
    let proposal = world.ok("n5", Apply {});
    world.ok("node", Vote { proposal });
    everybody_agrees(&mut world);
    let founders = [("mercy", None)];
    let mut world = World::empty(genesis(&["node", "n2"], &founders, Policy::default()));
    world.register("mercy", Role::Hospital);
    world.join("node", "mercy");
    let join = world.joining("n2", "mercy");
    world.fails("n2", join, Failure::InstitutionSeated);
    // Nor is there room for one more than 128.
    let names: Vec<String> = (0..128).map(|number| format!("seat {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::empty(genesis(&names, &founders, Policy::default()));
    let keys = names.iter().map(|name| (id(name), secret(name)));
    world.keys.extend(keys);
    world.register("mercy", Role::Hospital);
    world.register("n5", Role::Node);
    world.join("n5", "mercy");
    world.fails("n5", Apply {}, Failure::NoSeat);
}

#[test]
fn validators_leave_and_are_expelled_but_not_the_last() {
    let mut world = four();
    world.fails("n5", Leave {}, Failure::NotValidator);
    world.fails(
        "n5",
        Expel {
            validator: id("n2"),
        },
        Failure::NotValidator,
    );
    world.fails(
        "node",
        Expel {
            validator: id("n5"),
        },
        Failure::NotValidator,
    );
    world.ok("n2", Leave {});
    world.fails("n2", Leave {}, Failure::NotValidator);
    assert_eq!(seats(&world), sorted(&["node", "n3"]));
    let proposal = world.ok(
        "node",
        Expel {
            validator: id("n3"),
        },
    );
    assert_eq!(seats(&world).len(), 2); // one of two is not enough
    world.ok("n3", Vote { proposal });
    assert_eq!(seats(&world), [id("node")]);
    world.fails("node", Leave {}, Failure::LastValidator);
    let proposal = world.ok(
        "node",
        Expel {
            validator: id("node"),
        },
    );
    let stored = world.view().proposal(proposal).unwrap().unwrap();
    assert!(matches!(stored.status, ProposalStatus::Void(_)));
    assert_eq!(seats(&world), [id("node")]);
    // Two that leave in one block: one stays.
    let mut world = self::world(&["node", "n2"], Policy::default());
    let both = [world.sign("node", Leave {}), world.sign("n2", Leave {})];
    let fates = world.block(both.iter().map(|one| one.to_bytes().0).collect());
    let outcomes: Vec<_> = fates
        .into_iter()
        .map(|fate| fate.unwrap().outcome)
        .collect();
    assert_eq!(outcomes[0], ledger::Outcome::Ok);
    assert_eq!(outcomes[1], ledger::Outcome::Failed(Failure::LastValidator));
    assert_eq!(seats(&world), [id("n2")]);
    everybody_agrees(&mut world);
}

#[test]
fn a_solo_ledger_grows_and_shrinks_again() {
    let mut world = world(&["node"], Policy::default());
    let first = world.ledger().validators();
    for (node, hospital) in [("n5", "general"), ("n6", "coast"), ("n2", "institute")] {
        if node != "n5" {
            world.register(node, Role::Node);
        }
        world.join(node, hospital);
        let proposal = world.ok(node, Apply {});
        for voter in seats(&world) {
            let name = NODES.into_iter().find(|name| id(name) == voter).unwrap();
            let open = world.view().proposal(proposal).unwrap().unwrap();
            if open.status == ProposalStatus::Open {
                world.ok(name, Vote { proposal });
            }
        }
        everybody_agrees(&mut world);
    }
    assert_eq!(seats(&world).len(), 4);
    // A head of four is nothing for who knows one alone, and says so.
    let head = world.view().head().unwrap();
    assert_eq!(
        head.clone().verify(&first).unwrap_err(),
        HeadError::OtherValidators
    );
    for node in ["n5", "n6", "n2"] {
        world.ok(node, Leave {});
    }
    assert_eq!(seats(&world), [id("node")]);
    // The same set as at first: another time all the same.
    let reign = world.view().head().unwrap().header.next_validators;
    assert!(reign.unwrap().first > 1);
    assert_eq!(
        world.view().head().unwrap().verify(&first).unwrap_err(),
        HeadError::OtherValidators
    );
    everybody_agrees(&mut world);
}

fn rotation(world: &World, name: &str, new: &str) -> RotateKey {
    let consent = base::Signed::new(
        KeyConsent {
            chain: world.chain(),
            account: id(name),
            sequence: world.sequence(name) + 1,
        },
        &secret(new),
    );
    RotateKey {
        new: NewKey::Operation(key_of(new), consent.signature),
        compromised_after: None,
    }
}

fn proof(
    world: &World,
    (name, secret): (&str, &OperationSecret),
    (height, round): (u64, u32),
    words: [Word; 2],
) -> DoubleSign {
    let sign = |word| {
        let message = word_preimage(world.chain(), height, Some(round), &word);
        SignedWord {
            word,
            signature: secret.sign(&message),
        }
    };
    DoubleSign {
        validator: id(name),
        height,
        round,
        words: words.map(sign),
    }
}

fn pair(kind: u8) -> [Word; 2] {
    let (a, b) = (Digest([1; 32]), Digest([2; 32]));
    match kind {
        0 => [Word::Prevote(Some(a)), Word::Prevote(Some(b))],
        1 => [Word::Precommit(Some(a)), Word::Precommit(Some(b))],
        2 => [Word::Prevote(None), Word::Prevote(Some(b))],
        3 => [Word::Precommit(None), Word::Precommit(Some(b))],
        _ => [a, b].map(|block| Word::Proposal {
            block,
            valid_round: None,
        }),
    }
}

#[test]
fn a_contradiction_costs_credit_and_the_seat_once_for_a_height() {
    for kind in 0..5 {
        let mut world = four();
        let height = world.view().head().unwrap().header.height;
        let good = proof(&world, ("n2", &secret("n2")), (height, 1), pair(kind));
        let fails =
            |world: &mut World, bad: DoubleSign, failure| world.fails("mercy", bad, failure);
        let mut bad = good;
        bad.round = 2;
        fails(&mut world, bad, Failure::NoContradiction);
        let mut bad = good;
        bad.words[0].signature.0[0] ^= 1;
        fails(&mut world, bad, Failure::NoContradiction);
        let mut bad = good;
        bad.words.reverse();
        fails(&mut world, bad, Failure::NoContradiction);
        let mut bad = good;
        bad.words[1] = bad.words[0];
        fails(&mut world, bad, Failure::NoContradiction);
        let mut bad = good;
        bad.validator = id("n3");
        fails(&mut world, bad, Failure::NoContradiction);
        let mut bad = good;
        bad.validator = id("mercy");
        fails(&mut world, bad, Failure::UnknownAccount);
        let mut bad = good;
        bad.height = 0;
        fails(&mut world, bad, Failure::BadShape);
        let mut bad = good;
        for signed in &mut bad.words {
            let chain = base::ChainId([9; 32]);
            let message = word_preimage(chain, height, Some(1), &signed.word);
            signed.signature = secret("n2").sign(&message);
        }
        fails(&mut world, bad, Failure::NoContradiction); // of another ledger
        let mixed = [pair(0)[0], pair(1)[1]];
        let mixed = proof(&world, ("n2", &secret("n2")), (height, 1), mixed);
        fails(&mut world, mixed, Failure::NoContradiction);
        let by = world.ok("mercy", good);
        assert_eq!(seats(&world), sorted(&["node", "n3"]));
        assert_eq!(world.view().balance(id("general")).unwrap().amount, -200);
        let line = world.view().journal(id("general"), 0).unwrap()[0];
        assert_eq!((line.cause, line.reason), (by, CreditReason::DoubleSign));
        assert_eq!(world.view().totals().unwrap().burnt, 200);
        let stored = world.view().punishment(id("n2"), height).unwrap().unwrap();
        assert_eq!(stored.proof, by);
        // Once for a height, in whatever round and kind.
        let again = proof(&world, ("n2", &secret("n2")), (height, 7), pair(0));
        fails(&mut world, again, Failure::AlreadyPunished);
        // Another height costs again; there is no seat to lose.
        let other = proof(&world, ("n2", &secret("n2")), (height - 1, 0), pair(1));
        world.ok("mercy", other);
        assert_eq!(world.view().balance(id("general")).unwrap().amount, -400);
        // Voted in again, it is a validator as before.
        let proposal = world.ok("n2", Apply {});
        for voter in ["node", "n3"] {
            world.ok(voter, Vote { proposal });
        }
        assert_eq!(seats(&world), sorted(&["node", "n2", "n3"]));
        everybody_agrees(&mut world);
    }
}

#[test]
fn the_last_validator_pays_and_stays() {
    let mut world = world(&["node"], Policy::default());
    let proof = proof(&world, ("node", &secret("node")), (1, 0), pair(1));
    world.ok("n5", proof);
    assert_eq!(seats(&world), [id("node")]);
    assert_eq!(world.view().balance(id("mercy")).unwrap().amount, -200);
    Books::audit(&world.genesis, &world.view());
}

#[test]
fn a_key_counts_for_the_heights_at_which_it_was_the_validators() {
    let mut world = four();
    let rotate = rotation(&world, "n2", "spare");
    world.ok("n2", rotate);
    world.keys.insert(id("n2"), secret("spare"));
    let height = world.view().head().unwrap().header.height;
    let set = world.view().validators().unwrap();
    assert_eq!(set.key(id("n2")), Some(key_of("spare")));
    assert_eq!(set.seat(id("n2")).unwrap().weight, 1_000);
    let old = world.ledger().validators();
    assert_eq!(old.at(height).key(id("n2")), Some(key_of("n2")));
    let open = world.ok(
        "n2",
        Expel {
            validator: id("n3"),
        },
    );
    world.ok("n3", Vote { proposal: open });
    let at = |world: &World, name: &str, height| {
        proof(world, ("n2", &secret(name)), (height, 0), pair(0))
    };
    let bad = at(&world, "n2", height + 1);
    world.fails("mercy", bad, Failure::NoContradiction);
    let bad = at(&world, "spare", height - 1);
    world.fails("mercy", bad, Failure::NoContradiction);
    let good = at(&world, "n2", height);
    world.ok("mercy", good);
    let good = at(&world, "spare", height + 1);
    world.ok("mercy", good);
    everybody_agrees(&mut world);
}

#[test]
fn missed_turns_cost_a_little_and_no_more_than_a_day_allows() {
    let duties = Duties {
        missed_turn: 3,
        cap_missed_day: 8,
        ..Duties::default()
    };
    let policy = Policy {
        duties: Some(duties),
        ..Policy::default()
    };
    let mut world = world(&["node", "n2", "n3"], policy);
    let burnt = |world: &World| world.view().totals().unwrap().burnt;
    let lost = |world: &World| -> Vec<i64> {
        let view = world.view();
        let balance = |name: &&str| view.balance(id(name)).unwrap().amount;
        HOSPITALS[..3].iter().map(balance).collect()
    };
    assert_eq!(burnt(&world), 0);
    world.round = 1;
    let height = world.view().head().unwrap().header.height + 1;
    let validators = world.ledger().validators();
    let missed = validators.newest().proposer(height, 0).unwrap().account;
    world.register("x", Role::Patient);
    assert_eq!(burnt(&world), 3);
    let payer = world.view().account(missed).unwrap().unwrap().institution;
    let line = world.view().journal(payer.unwrap(), 0).unwrap()[0];
    let previous = world.view().head_at(height - 1).unwrap().unwrap().header;
    assert_eq!(line.reason, CreditReason::MissedTurn);
    assert_eq!(line.cause.0, previous.cid());
    // Many rounds: each of the three up to its cap.
    world.round = 3_000;
    world.register("quinn", Role::Patient);
    assert_eq!(lost(&world), [-8; 3]);
    world.register("rose", Role::Patient);
    assert_eq!(burnt(&world), 24);
    world.advance(Millis::DAY);
    world.round = 2;
    world.register("pat", Role::Patient);
    assert_eq!(burnt(&world), 30);
    everybody_agrees(&mut world);
}

/// What the reviews of `querier` on records of mercy earn it.
fn earn(world: &mut World, queries: usize) {
    world.register("pat", Role::Patient);
    for (agent, of) in [("ag", "general"), ("ac", "coast")] {
        world.register(agent, Role::Agent);
        world.join(agent, of);
    }
    let names: Vec<_> = (0..queries).map(|at| format!("c{at}")).collect();
    let parts: Vec<_> = names.iter().map(|name| ("s", name.as_str())).collect();
    let record = world.record("mercy", "pat", "r", &parts);
    let request = world.request("institute", "pat");
    let mut terms = world.terms(request, &["s"], &["ag"]);
    terms.max_queries = queries as u32;
    let grant = world.ok("pat", authorizing(terms));
    for part in crate::world::parts(&parts) {
        let query = world.querying(&want(grant, "institute", "ag", record, "r", part));
        let query = world.ok("ag", query);
        world.ok("institute", accepted(query));
    }
}

#[test]
fn weights_follow_credit_from_epoch_to_epoch() {
    let policy = Policy {
        half_life_days: 10,
        ..Policy::default()
    };
    let mut world = world(&["node", "n2", "n3", "n4"], policy);
    let weight = |world: &World, name| {
        world
            .view()
            .validators()
            .unwrap()
            .seat(id(name))
            .unwrap()
            .weight
    };
    assert_eq!(world.view().validators().unwrap().total(), 4_000);
    earn(&mut world, 40);
    let earned = world.view().balance(id("mercy")).unwrap().amount;
    assert_eq!(earned, 200);
    // Not before the day is over,
    assert_eq!(weight(&world, "node"), 1_000);
    assert_eq!(world.view().head().unwrap().header.next_validators, None);
    world.advance(Millis::DAY);
    world.register("quinn", Role::Patient);
    let first = weight(&world, "node");
    assert!((1_186..=1_187).contains(&first), "{first}"); // 200 · 2^(−1/10)
    assert_eq!(weight(&world, "n2"), 1_000);
    // and with time it is less again,
    world.advance(10 * Millis::DAY);
    world.register("rose", Role::Patient);
    let later = weight(&world, "node");
    assert!((1_092..=1_094).contains(&later), "{later}");
    // and with one validator less they are equal.
    world.ok("n4", Leave {});
    assert_eq!(weight(&world, "node"), 1_000);
    Books::audit(&world.genesis, &world.view());
    everybody_agrees(&mut world);
}
