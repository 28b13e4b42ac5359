//! `medshare doctor`: sound homes are found sound, each damage is named and left alone,
//! each repair heals what it is for and touches nothing else, and a look leaves no trace.

mod damage;
mod repair;

use super::{
    net::{Cast, Ran},
    newer::snapshot,
};
use serde_json::Value;

/// A cast with a record, a grant and letters on their way, its node ended.
fn stopped() -> Cast {
    let mut cast = Cast::gather();
    let source = cast.net.write("bundle.json", super::journey::BUNDLE);
    cast.record(&source);
    cast.grant(&["laboratory"], &[]);
    cast.net.run(&["wallet", "backup", "--home", "anna"]).ok();
    cast.net.stop_node();
    cast
}

fn doctor(cast: &Cast, home: &str, more: &[&str]) -> (i32, Vec<Value>) {
    let mut arguments = vec!["doctor", "--json", "--home", home];
    arguments.extend(more);
    let ran = cast.net.run(&arguments);
    let lines = ran.stdout.lines();
    let found = lines.map(|line| serde_json::from_str(line).unwrap());
    (ran.code, found.collect())
}

/// The checks whose findings are in `state`.
fn in_state(found: &[Value], state: &str) -> Vec<String> {
    let of = found.iter().filter(|finding| finding["state"] == state);
    of.map(|finding| finding["check"].as_str().unwrap().to_owned())
        .collect()
}

/// Problems in `checks` alone, the first with `words` in its line; each with advice.
fn problems(found: &[Value], checks: &[&str], words: &str) {
    assert_eq!(in_state(found, "problem"), checks, "{found:#?}");
    for check in checks {
        let problem = found.iter().find(|finding| finding["check"] == **check);
        assert!(problem.unwrap()["do"].is_string(), "{problem:?}");
    }
    let first = found.iter().find(|finding| finding["check"] == checks[0]);
    let says = first.unwrap()["says"].as_str().unwrap();
    assert!(says.contains(words), "{words:?}: {says}");
}

#[test]
fn sound_homes_are_found_sound_and_left_as_they_are() {
    let mut cast = stopped();
    for home in ["node", "hospital", "anna", "agent", "institute"] {
        let before = snapshot(&cast.net.path(home));
        let (code, found) = doctor(&cast, home, &["--deep"]);
        assert_eq!(code, 0, "{home}: {found:#?}");
        assert!(in_state(&found, "problem").is_empty());
        assert_eq!(in_state(&found, "cannot tell"), ["node"], "{found:#?}");
        // Without the passphrase what is sealed cannot be told, and nothing else.
        let ran = cast
            .net
            .command(&["doctor", "--json", "--home", home])
            .env_remove("MEDSHARE_PASSPHRASE_FILE")
            .output()
            .unwrap();
        let ran = Ran::new(&["doctor"], ran).ok();
        assert_eq!(ran.stdout.matches("cannot tell").count(), 1, "{ran:?}");
        let again = doctor(&cast, home, &["--repair"]);
        assert_eq!(again.0, 0, "nothing to repair: {again:?}");
        assert!(before == snapshot(&cast.net.path(home)), "{home}: touched");
    }
    // A running home is refused, one whose node runs is asked.
    cast.net.run_node();
    cast.net
        .run(&["doctor", "--home", "node", "--lock-wait", "0"])
        .fails(5, "another process");
    let before = snapshot(&cast.net.path("anna"));
    let (code, found) = doctor(&cast, "anna", &["--online"]);
    assert_eq!(code, 0, "{found:#?}");
    assert!(in_state(&found, "cannot tell").is_empty(), "{found:#?}");
    for check in ["node", "account", "bag at node"] {
        let ok = in_state(&found, "ok");
        assert!(ok.contains(&check.to_owned()), "{check}");
    }
    assert!(
        before == snapshot(&cast.net.path("anna")),
        "asking touches nothing"
    );
    cast.net
        .run(&["doctor", "--home", "nowhere"])
        .fails(4, "is no medshare home");
    assert!(!cast.net.path("nowhere").exists());
}

/// What a killed node leaves is no problem, and stays for the node to clear up.
#[test]
fn a_killed_node_left_a_sound_home() {
    let mut cast = stopped();
    cast.net.run_node();
    let source = cast.net.write("more.txt", "one more");
    cast.record(&source);
    cast.net.kill_node();
    let before = snapshot(&cast.net.path("node"));
    let (code, found) = doctor(&cast, "node", &["--deep"]);
    assert_eq!(code, 0, "{found:#?}");
    assert!(before == snapshot(&cast.net.path("node")), "touched");
}
