//! The runbook's "A lost quorum": too few validators order nothing, say so, lose nothing, and
//! go on when enough are back.

use std::{fs, thread, time::Duration};

use super::{finding, load::Load, validators::Validators};

/// What a validator says of how it stands.
fn says_too_few(net: &Validators, at: usize) {
    net.wait("it misses the others", |net| {
        net.standing(at)["quorum"] == false
    });
    assert_eq!(net.metric(at, "medshare_validator_quorum"), 0);
    let status = net.status_text(at);
    assert!(status.contains("nothing is ordered"), "{status}");
    let (code, findings) = net.doctor(at);
    assert_eq!(code, 4, "{findings:#?}");
    let signatures = finding(&findings, "signatures");
    assert_eq!(signatures["state"], "problem", "{signatures}");
    let says = signatures["says"].as_str().unwrap();
    assert!(says.contains("nothing is ordered"), "{says}");
}

#[test]
fn two_of_four_order_nothing_and_three_go_on() {
    let mut net = Validators::start(4);
    let mut load = Load::at(&net, 3, &[0, 1]);
    load.run(|| thread::sleep(Duration::from_secs(1)));
    net.wait("enough", |net| net.standing(0)["quorum"] == true);
    for at in [2, 3] {
        assert_eq!(net.stop(at), Some(0));
    }
    // What the four decided is certified there.
    thread::sleep(Duration::from_secs(1));
    let heights = |net: &Validators| [0, 1].map(|at| net.height(at));
    let (acknowledged, before) = (load.acknowledged(), heights(&net));
    load.run(|| {
        for at in [0, 1] {
            says_too_few(&net, at);
        }
        assert_eq!(heights(&net), before, "two of four order");
        // Reading goes on.
        let log = net.run_by(0, &["ledger", "tail"]);
        assert!(log["operation"].is_string(), "{log}");
        net.run(2);
        net.wait("three go on", |net| net.height(0) > before[0]);
        net.wait("enough again", |net| net.standing(0)["quorum"] == true);
    });
    assert!(load.acknowledged() > acknowledged, "they do not go on");
    net.run(3);
    let operations = load.finish();
    net.settle(&operations);
}

/// Of two that lost their memories, one gets its own back, as it was when it stopped.
#[test]
fn two_of_four_lost_their_memories_and_one_is_found() {
    let mut net = Validators::start(4);
    let mut load = Load::at(&net, 3, &[0, 1]);
    load.run(|| thread::sleep(Duration::from_secs(1)));
    let aside = [2, 3].map(|at| {
        assert_eq!(net.stop(at), Some(0));
        let aside = net.home(at).with_extension("consensus");
        fs::rename(net.memory(at), &aside).unwrap();
        aside
    });
    for at in [2, 3] {
        net.run(at);
        let word = net.standing(at)["watching"].to_string();
        assert!(word.contains("its journal was gone"), "{word}");
    }
    // All four run, and two of them vote: too few.
    load.run(|| {
        says_too_few(&net, 0);
        let height = net.height(0);
        thread::sleep(Duration::from_secs(2));
        assert_eq!(net.height(0), height, "two of four order");
        for at in [2, 3] {
            assert!(!net.standing(at)["watching"].is_null(), "{at} votes");
        }
        assert_eq!(net.stop(2), Some(0));
        fs::remove_dir_all(net.memory(2)).unwrap();
        fs::rename(&aside[0], net.memory(2)).unwrap();
        net.run(2);
        assert!(net.standing(2)["watching"].is_null(), "it remembers");
        net.wait("three go on, and the fourth votes by itself", |net| {
            net.height(0) > height && net.standing(3)["watching"].is_null()
        });
    });
    let operations = load.finish();
    net.settle(&operations);
    assert_eq!(net.seats().len(), 4);
}
