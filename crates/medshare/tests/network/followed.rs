//! All validators change while the network runs. Parties follow from one set to the next, and
//! believe the old ones, who go on as if nothing had happened, nothing beyond their time.

use share::node::Node as _;
use std::process::Stdio;

use super::{
    fleet::Ran,
    load::Load,
    validators::{Validators, client_at, home, twin, validators},
    ward::Ward,
};

/// Homes, their roles, and what each does that shows it a head.
const PARTIES: [(&str, &str, &[&str]); 3] = [
    ("patient", "patient", &["wallet", "run", "--once"]),
    ("requester", "requester", &["request", "list"]),
    ("agent", "agent", &["agent", "once"]),
];

/// A party's command at a node.
fn run(net: &Validators, node: &str, party: &str, arguments: &[&str]) -> Ran {
    let arguments = [arguments, &["--home", party]].concat();
    net.fleet.run(node, &arguments)
}

/// An operation, of which the party believes a receipt.
fn renew(net: &Validators, node: &str, party: &str) -> Ran {
    run(
        net,
        node,
        party,
        &["account", "rotate-key", "--kind", "hpke"],
    )
}

const NOT_THEIRS: &str = "validators that are not known here decided the block";

/// The agent is killed while its new key waits to be ordered, which happens after its end.
fn killed_between(net: &mut Validators) {
    let rotate = [
        "account",
        "rotate-key",
        "--kind",
        "operation",
        "--home",
        "agent",
    ];
    let waiting = |net: &Validators| net.standing(0)["waiting"].as_u64().unwrap();
    net.wait("nothing waits", |net| waiting(net) == 0); // it is counted twice a second
    net.kill(1);
    let mut agent = net.fleet.command(&home(0), &rotate);
    let mut agent = agent.stdout(Stdio::null()).spawn().unwrap();
    net.wait("its operation waits", |net| waiting(net) == 1);
    agent.kill().unwrap();
    agent.wait().unwrap();
    net.run(1);
    net.wait("it is ordered", |net| waiting(net) == 0);
    assert_eq!(net.fleet.json(&home(0), &rotate)["resumed"], true);
}

/// From two validators over three and two to one, another; whose key is replaced. The
/// requester is there all the time.
fn replace_all(net: &mut Validators) {
    let (third, proposal) = net.applicant();
    for at in [0, 1] {
        net.run_by(at, &["validator", "vote", &proposal]);
    }
    net.seat(2);
    net.catch_up(2);
    renew(net, &home(0), "requester").ok();
    for (at, left) in [(0, 2), (1, 1)] {
        net.run_by(at, &["validator", "leave"]);
        net.wait("it is none any more", |net| net.seats().len() == left);
        renew(net, &home(1), "requester").ok();
    }
    assert_eq!(net.seats()[0].0, third);
    net.run_by(2, &["validator", "rotate"]);
    net.kill(2);
    net.run(2);
    renew(net, &home(2), "requester").ok();
    [0, 1].into_iter().for_each(|at| net.kill(at));
}

/// The old validators go on from where they were, until theirs is longer.
fn go_on_without(net: &mut Validators) {
    let real = net.head(2).header;
    for at in [0, 1] {
        net.fleet.run_node(&twin(at));
    }
    let node = || client_at(net.fleet.path(&twin(0)).join("node/medshare.sock"));
    let mut load = Load::of(real.chain, 3, "the old ones", || vec![node()]);
    load.run(|| {
        net.wait("theirs is longer", |_| {
            let header = node().head().unwrap().header;
            header.height > real.height && header.tree_size > real.tree_size
        });
    });
    load.finish();
}

#[test]
fn parties_follow_and_leave_the_old_validators_behind() {
    let mut net = Validators::start(2);
    let _staff = Ward::open(&net, 0); // the clinic, which lets the third in
    for (party, role, shows) in PARTIES {
        net.fleet.party(&home(0), party, role);
        run(&net, &home(0), party, shows).ok();
    }
    killed_between(&mut net);
    net.copy_all();
    // She will not have been there.
    net.copy("patient", "absent");
    replace_all(&mut net);
    for (party, _, shows) in PARTIES {
        run(&net, &home(2), party, shows).ok();
        renew(&net, &home(2), party).ok();
    }
    let sets = validators(&net.client(2));
    assert_eq!(sets.later().count(), 4, "{sets:?}");

    go_on_without(&mut net);
    // Whoever knows of no others has to believe them.
    renew(&net, &twin(1), "absent").ok();
    run(&net, &twin(1), "absent", PARTIES[0].2).ok();
    for at in [0, 1] {
        for (party, _, shows) in PARTIES {
            run(&net, &twin(at), party, shows).fails(10, "the node's head is not certified");
            // The first of these is in the log of the old ones; a key is not replaced by that.
            renew(&net, &twin(at), party).fails(10, NOT_THEIRS);
        }
    }
    for (party, _, shows) in PARTIES {
        run(&net, &home(2), party, shows).ok();
        renew(&net, &home(2), party).ok();
    }
}
