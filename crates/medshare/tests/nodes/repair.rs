//! A block that rots on a hospital's disk is found by its node and brought from another.

use std::{fs, path::PathBuf};

use crate::{
    fleet::until,
    journey::{Cast, gather, http},
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
    let publish = [
        "record",
        "publish",
        "scan.bin",
        "--patient",
        &patient,
        "--home",
        "h1",
    ];
    let published = fleet.json("n1", &publish);
    let record = published["record"].as_str().unwrap().to_owned();
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

fn largest_file(folder: &std::path::Path) -> PathBuf {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}
