//! A block that rots on a hospital's disk is found by its node and brought from another; a
//! node that keeps a copy and does not come back is replaced.

use std::{fs, path::PathBuf, time::Duration};

use crate::{
    fleet::{Fleet, until},
    journey::{Cast, gather, gather_with, http},
};

#[test]
fn what_rots_is_repaired_from_another_node() {
    let Cast {
        mut fleet, patient, ..
    } = gather();
    // long enough to lie in a pack of its own
    let bytes: Vec<u8> = (0..4_000_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fleet.write("scan.bin", &bytes);
    let record = fleet.publish("n1", "scan.bin", &patient, "h1");
    fleet
        .run("n1", &["wallet", "run", "--once", "--home", "anna"])
        .ok();
    let state = share::node::Node::record(&http(&fleet, "n1"), record.parse().unwrap());
    let root = state.unwrap().unwrap().accepted.unwrap();
    until("the copy at n2", || {
        fleet
            .talk("n2")
            .contains(&format!("a copy of {root} is here"))
    });
    assert_eq!(fleet.stop("n2"), Some(0));
    let largest = largest_file(&fleet.path("n2").join("node/blocks/packs"));
    let mut pack = fs::read(&largest).unwrap();
    let middle = pack.len() / 2;
    pack[middle] ^= 1;
    fs::write(&largest, &pack).unwrap();
    fleet.run_node("n2");
    until("the repair", || {
        fleet
            .talk("n2")
            .contains("is damaged: repaired from another node")
    });
    let status = fleet.json("n2", &["store", "status", "--home", "n2"]);
    assert_eq!(status["scrubbed"]["damaged"], 1, "{status}");
    assert_eq!(status["scrubbed"]["repaired"], 1, "{status}");
    let verify = ["store", "verify", &root.to_string(), "--home", "n2"];
    fleet.run("n2", &verify).ok();
}

#[test]
fn a_keeper_that_stays_away_is_replaced() {
    let Cast {
        mut fleet, patient, ..
    } = gather_with(|fleet, node| match node {
        "n1" => fleet.set(node, "absent-seconds", "10"),
        "n4" => fleet.set(node, "keep-mebibytes", "0"),
        _ => {}
    });
    fleet.write("note.txt", "kept by two");
    fleet.publish("n1", "note.txt", &patient, "h1");
    fleet
        .run("n1", &["wallet", "run", "--once", "--home", "anna"])
        .ok();
    let is_here = |fleet: &Fleet, node: &str| fleet.talk(node).contains(" is here");
    until("a copy", || is_here(&fleet, "n2") || is_here(&fleet, "n3"));
    let (keeper, other) = if is_here(&fleet, "n2") {
        ("n2", "n3")
    } else {
        ("n3", "n2")
    };
    std::thread::sleep(Duration::from_secs(12)); // longer than an absence
    assert!(!is_here(&fleet, other), "two keep it: nobody else is asked");
    fleet.kill(keeper);
    until("another copy", || is_here(&fleet, other));
}

/// It may only not have had the block yet that names the record, or no room that day.
#[test]
fn a_node_that_refused_is_asked_again() {
    let Cast {
        mut fleet, patient, ..
    } = gather_with(|fleet, node| {
        if node != "n1" {
            fleet.set(node, "keep-mebibytes", "0");
        }
    });
    fleet.write("note.txt", "kept by one more");
    fleet.publish("n1", "note.txt", &patient, "h1");
    until("three refusals", || {
        fleet.talk("n1").matches("keeps no copy").count() >= 3
    });
    assert_eq!(fleet.stop("n2"), Some(0));
    fleet.set("n2", "keep-mebibytes", "64");
    fleet.run_node("n2");
    until("a copy", || fleet.talk("n2").contains(" is here"));
}

fn largest_file(folder: &std::path::Path) -> PathBuf {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}
