//! Four hospitals' worth of nodes: a record sealed at one, copied to a second, and opened at
//! a third after the first was killed. A node without a grant gets nothing.

use medshare::http::{Address, HttpNode};
use share::node::{Node as _, NodeError};
use std::{path::PathBuf, time::Duration};
use store::{
    Embedded,
    peer::{FetchError, Multiaddr, PeerId, PeerKey, PeerNode, PeerSettings},
};

use crate::fleet::{Fleet, until};

/// DICOM files of the data that tests are given; none where there are none.
fn images() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/dicom");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dcm"))
        .collect();
    found.sort_by_key(|path| path.metadata().map_or(0, |meta| meta.len()));
    found
}

pub(crate) struct Cast {
    pub(crate) fleet: Fleet,
    pub(crate) patient: String,
    agent: String,
}

/// Hospitals h1 to h4 with nodes n1 to n4; n3 and n4 keep no copies. Anna is a patient of
/// h1 at n1, the agent belongs to h2.
pub(crate) fn gather() -> Cast {
    gather_with(|fleet, node| {
        if node == "n3" || node == "n4" {
            fleet.set(node, "keep-mebibytes", "0");
        }
    })
}

/// The same with settings of one's own.
pub(crate) fn gather_with(settings: impl Fn(&Fleet, &str)) -> Cast {
    let mut fleet = Fleet::start();
    for (node, home) in [("n1", "h1"), ("n2", "h2"), ("n3", "h3"), ("n4", "h4")] {
        fleet.prepare(node);
        settings(&fleet, node);
        fleet.begin(node);
        let hospital = fleet.party(node, home, "hospital");
        fleet.json(
            "first",
            &["institution", "admit", &hospital, "--home", "first"],
        );
        until("the admission", || {
            let listed = fleet.run(node, &["institution", "list", "--json"]);
            listed.stdout.contains(&hospital)
        });
        fleet.joins(node, node, home);
    }
    let patient = fleet.party("n1", "anna", "patient");
    let agent = fleet.party("n2", "agent", "agent");
    fleet.joins("n2", "agent", "h2");
    fleet.run("n2", &["agent", "once", "--home", "agent"]).ok();
    let h1 = fleet.account_of("h1");
    let card = fleet.json("n1", &["wallet", "card", "--for", &h1, "--home", "anna"]);
    fleet.write("card.txt", card["card"].as_str().unwrap());
    fleet.json(
        "n1",
        &["account", "attest", "--card", "card.txt", "--home", "h1"],
    );
    Cast {
        fleet,
        patient,
        agent,
    }
}

pub(crate) fn http(fleet: &Fleet, node: &str) -> HttpNode {
    let socket = fleet.path(node).join("node/medshare.sock");
    HttpNode::new(Address::Unix(socket), Duration::from_secs(60), None).unwrap()
}

#[test]
fn sealed_at_one_copied_to_two_opened_at_three() {
    let images = images();
    assert!(!images.is_empty(), "no DICOM files in shared/data");
    let image = images.last().unwrap(); // the largest: several blocks
    let Cast {
        mut fleet,
        patient,
        agent,
    } = gather();
    let record = fleet.publish("n1", image.to_str().unwrap(), &patient, "h1");
    fleet
        .run("n1", &["wallet", "run", "--once", "--home", "anna"])
        .ok();
    let root = http(&fleet, "n1")
        .record(record.parse().unwrap())
        .unwrap()
        .unwrap()
        .accepted
        .unwrap();
    // the second keeps a copy; the others refuse
    until("the copy at n2", || {
        fleet
            .talk("n2")
            .contains(&format!("a copy of {root} is here"))
    });
    // asked and granted while the patient's own node runs
    let asked = fleet.json(
        "n3",
        &[
            "request",
            "create",
            "--patient",
            &patient,
            "--class",
            "imaging",
            "--purpose",
            "treatment",
            "--home",
            "h3",
        ],
    );
    let request = asked["request"].as_str().unwrap();
    fleet.run("n1", &["request", "list", "--home", "anna"]).ok();
    fleet.json(
        "n1",
        &[
            "grant", "approve", request, "--agent", &agent, "--home", "anna",
        ],
    );
    // the first hospital's node dies as in a power cut
    fleet.kill("n1");
    // without a grant: n4 finds nothing, and a peer that is let in without an account is
    // given nothing by the node that has it
    let missing = http(&fleet, "n4").read_block(&root);
    assert!(matches!(missing, Err(NodeError::Missing(_))), "{missing:?}");
    strangers_get_nothing(&fleet, &root);
    // n3 knows who holds it, fetches it from the copy, and the requester opens it
    let working = fleet.spawn(&["agent", "run", "--home", "agent"]);
    let opened = fleet.run(
        "n3",
        &[
            "record",
            "open",
            &record,
            "--output",
            "image.dcm",
            "--home",
            "h3",
            "--wait",
            "60s",
        ],
    );
    assert_eq!(working.terminate(), Some(0));
    opened.ok();
    assert!(
        fleet.read("image.dcm") == std::fs::read(image).unwrap(),
        "byte for byte"
    );
    // still nothing for n4; and nothing for n3 once it is revoked
    assert!(http(&fleet, "n4").read_block(&root).is_err());
}

/// A peer that n2's operator lets in, without an account: every block looks absent.
fn strangers_get_nothing(fleet: &Fleet, root: &base::Cid) {
    let mut seed = [42; 32];
    let key = PeerKey::from_seed(&mut seed);
    fleet.allow("n2", &key.id().to_string());
    let (address, id) = {
        let address = fleet.peer_address("n2");
        let (address, id) = address.rsplit_once("/p2p/").unwrap();
        let address: Multiaddr = address.parse().unwrap();
        (address, id.parse::<PeerId>().unwrap())
    };
    struct Open;
    impl store::peer::Policy for Open {
        fn admits(&self, _: &PeerId) -> bool {
            true
        }
        fn may_have(&self, _: &PeerId, _: &base::Cid) -> bool {
            false
        }
    }
    impl store::peer::Exchange for Open {
        fn answer(&self, _: &PeerId, _: Vec<u8>) -> Option<Vec<u8>> {
            None
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(Embedded::open(folder.path()).unwrap());
    runtime.block_on(async {
        let open = std::sync::Arc::new(Open);
        let settings = PeerSettings::new(key);
        let node = PeerNode::start(settings, store, open.clone(), open).unwrap();
        node.add_address(id, address).unwrap();
        let limit = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            match node.block(root, &[id]).await {
                Err(FetchError::Missing(_)) => break,
                Ok(_) => panic!("a stranger was given a block"),
                // not let in yet: the list is read every few seconds
                Err(other) => assert!(std::time::Instant::now() < limit, "{other}"),
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        node.stop().await;
    });
}

#[test]
fn an_erasure_reaches_the_copy() {
    let Cast {
        mut fleet, patient, ..
    } = gather();
    fleet.write("note.txt", "to be forgotten");
    let record = fleet.publish("n1", "note.txt", &patient, "h1");
    fleet
        .run("n1", &["wallet", "run", "--once", "--home", "anna"])
        .ok();
    let root = http(&fleet, "n1")
        .record(record.parse().unwrap())
        .unwrap()
        .unwrap()
        .accepted
        .unwrap();
    until("the copy at n2", || {
        fleet
            .talk("n2")
            .contains(&format!("a copy of {root} is here"))
    });
    fleet
        .run("n1", &["record", "erase", &record, "--yes", "--home", "h1"])
        .ok();
    until("the copy's end", || {
        fleet
            .talk("n2")
            .contains(&format!("the copy of {root} is let go"))
    });
    fleet.kill("n1");
    // it is not there any more, nor brought back from anywhere
    assert!(http(&fleet, "n2").read_block(&root).is_err());
}
