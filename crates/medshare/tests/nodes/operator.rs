//! The store's verbs, as a node's operator uses them, over real nodes.

use share::node::Node as _;

use crate::{
    fleet::until,
    journey::{Cast, gather, http},
};

#[test]
fn what_an_operator_does_with_a_store() {
    let Cast { fleet, patient, .. } = gather();
    let note: Vec<u8> = (0..3_000_000u32).map(|number| (number / 7) as u8).collect();
    fleet.write("scan.bin", &note);
    let record = fleet.publish("n1", "scan.bin", &patient, "h1");
    fleet
        .run("n1", &["wallet", "run", "--once", "--home", "anna"])
        .ok();
    let node = http(&fleet, "n1");
    let root = node
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
    let text = root.to_string();
    let store = |node: &str, arguments: &[&str]| {
        let mut all = vec!["store"];
        all.extend(arguments);
        all.extend(["--home", node, "--json"]);
        fleet.run("", &all)
    };
    let whole = store("n1", &["verify", &text]).ok();
    assert!(whole.stdout.contains("\"faults\":0"), "{whole:?}");
    let kept = store("n2", &["status"]).ok();
    assert!(kept.stdout.contains("\"here\":1"), "{kept:?}");
    assert!(store("n1", &["pins"]).ok().stdout.contains(&text));
    assert!(
        store("n1", &["peers"])
            .ok()
            .stdout
            .contains("\"connected\":true")
    );
    store("n1", &["gc"]).ok();
    // somebody else's home is not the operator's
    let other = fleet.run("n1", &["store", "status", "--home", "h1"]);
    other.fails(7, "a node");
    // out as a CAR, into another node, byte for byte
    store("n1", &["export", &text, "record.car"]).ok();
    let again = store("n1", &["export", &text, "record.car"]);
    assert_eq!(again.code, 2, "an existing file stays: {again:?}");
    let imported = store("n4", &["import", "record.car"]).ok();
    assert!(imported.stdout.contains(&text), "{imported:?}");
    assert!(
        store("n4", &["verify", &text])
            .ok()
            .stdout
            .contains("\"faults\":0")
    );
    fleet.write("broken.car", &fleet.read("record.car")[..100_000]);
    assert_eq!(store("n4", &["import", "broken.car"]).code, 10);
    store("n4", &["unpin", &text]).ok();
    assert_eq!(
        store("n4", &["verify", &text]).code,
        10,
        "it is gone at once"
    );
    // n3 has no right to it: nobody gives it
    assert_eq!(store("n3", &["fetch", &text]).code, 8);
}
