//! The runbook's "An upgrade": one validator after the other is stopped and started, under
//! load; and what a newer version wrote is left alone.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use database::{FileDevice, Tables};

use super::{load::Load, validators::Validators};

#[test]
fn one_after_the_other_then_all_at_once() {
    let mut net = Validators::start(4);
    let mut load = Load::new(&net, 4);
    load.run(|| {
        thread::sleep(Duration::from_secs(1));
        for at in 0..4 {
            assert_eq!(net.stop(at), Some(0), "under load");
            net.run(at);
            net.catch_up(at);
            let standing = net.standing(at);
            assert!(standing["watching"].is_null(), "{standing}");
        }
    });
    let rolled = load.acknowledged();
    assert!(rolled > 0, "nothing was acknowledged");
    // A version that executes blocks otherwise: all stop, and all start.
    for at in 0..4 {
        assert_eq!(net.stop(at), Some(0));
    }
    (0..4).for_each(|at| net.run(at));
    load.run(|| thread::sleep(Duration::from_secs(2)));
    assert!(load.acknowledged() > rolled, "they do not go on");
    let operations = load.finish();
    net.settle(&operations);
}

#[test]
fn a_home_of_a_newer_format_is_left_as_it_is() {
    let mut net = Validators::start(2);
    let mut load = Load::new(&net, 1);
    load.run(|| thread::sleep(Duration::from_secs(1)));
    assert_eq!(net.stop(1), Some(0));
    for (file, known) in [
        ("node/ledger.redb", ledger::TABLES_VERSION),
        (
            "node/consensus/journal.redb",
            consensus::bft::JOURNAL_VERSION,
        ),
    ] {
        let path = net.home(1).join(file);
        let whole = fs::read(&path).unwrap();
        raise(&path, known);
        let before = files(&net.home(1));
        let ran = net.run_in_vain(1).fails(4, "nothing was changed");
        assert!(ran.stderr.contains(file), "{ran:?}");
        assert!(files(&net.home(1)) == before, "{file} was touched");
        fs::write(&path, whole).unwrap();
    }
    net.run(1);
    let operations = load.finish();
    net.settle(&operations);
}

fn raise(path: &Path, known: u32) {
    let tables = Tables::open(Arc::new(FileDevice::new(path)), 1 << 20, known).unwrap();
    database::write_version(&tables.handle().unwrap(), known + 1).unwrap();
}

/// Every file below a folder but the locks, which hold a process id.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() && !path.ends_with("lock") && !path.ends_with("run.lock") {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}
