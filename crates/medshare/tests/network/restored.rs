//! A validator's node on a fresh disk, from a backup: the runbook's "A backup".

use std::{fs, path::Path, process::Command, thread, time::Duration};

use super::{load::Load, memory::comes_back, validators::Validators};

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_node_comes_back_from_its_backup() {
    let mut net = Validators::start(4);
    let mut load = Load::at(&net, 3, &[0, 1]);
    load.run(|| thread::sleep(Duration::from_secs(1)));
    let (home, backup) = (net.home(3), net.home(3).with_extension("backup"));
    // While it is copied it does not run; the others go on.
    assert_eq!(net.stop(3), Some(0));
    copy(&home, &backup);
    fs::remove_dir_all(backup.join("node/consensus")).unwrap();
    net.run(3);
    load.run(|| {
        net.catch_up(3);
        thread::sleep(Duration::from_secs(1));
    });
    let at_backup = load.acknowledged();

    // The machine is lost, with what the backup does not know.
    net.kill(3);
    fs::remove_dir_all(&home).unwrap();
    load.run(|| thread::sleep(Duration::from_secs(1)));
    assert!(load.acknowledged() > at_backup);
    copy(&backup, &home);
    // One root and one state at all in the end, and nothing in the log but what was sent.
    comes_back(&mut net, load, "its journal was gone");
    for at in 0..4 {
        let proofs = net.metric(at, "medshare_validator_proofs");
        assert_eq!(proofs, 0, "it signed twice");
    }
    assert_eq!(net.seats().len(), 4);
}
