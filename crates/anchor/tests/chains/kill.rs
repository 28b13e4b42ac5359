//! kill -9 before and after every call to the chain: no anchor is lost, none is made twice.

use anchor::{
    Attempt, Chain, Checkpoint, Evidence, Next, Order, Place, PublicChain, Record, Seen, Service,
    Standing, State, Subject, Trouble,
    ethereum::{Ethereum, Kind},
};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    feed::{self, Fed},
    rig::{Rig, step},
    rigs::{InEthereum, ethereum_key},
    world::{SCHEDULE, T0, World},
};

const FOLDER: &str = "MEDSHARE_TEST_KILL_FOLDER";
const AT: &str = "MEDSHARE_TEST_KILL_AT";
const HANDLE: &str = "MEDSHARE_TEST_KILL_HANDLE";

crate::in_each_chain!(killed_at_every_step, anchors_until_final);

fn killed_at_every_step<R: Rig>() {
    let folder = tempfile::tempdir().unwrap();
    let rig = R::start(&World::at(folder.path()));
    let mut killed = 0;
    for at in 0.. {
        World::at(folder.path()).grow(100);
        let survived = child(folder.path(), &rig, at);
        if !survived {
            killed += 1;
            assert!(child(folder.path(), &rig, u64::MAX));
        }
        // One anchor for each batch, one transaction for each anchor, and every one proved.
        let batches = at + 1;
        let expected: Vec<_> = (1..=batches).map(|batch| 100 * batch).collect();
        assert_eq!(rig.anchored(), expected, "killed at call {at}");
        assert_eq!(rig.paid(0), batches, "killed at call {at}");
        let world = World::at(folder.path());
        let journal = world.journal("anchors.redb");
        let (number, entry) = journal.newest::<Checkpoint>(R::CHAIN).unwrap().unwrap();
        assert_eq!(number, at, "killed at call {at}");
        assert!(matches!(entry.state, State::Final { .. }));
        if survived {
            break;
        }
    }
    println!("killed at {killed} places");
    assert!(killed >= 12, "{killed}");
}

/// The same for single records, two at a time: each leads on from the one before.
#[test]
fn ethereum_records_killed_at_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = World::at(folder.path()).chain();
    let fed = Fed::start(Kind::Records(0), ledger);
    let handle = format!("{} {}", fed.anvil.port, hex::encode(fed.settings.contract));
    let name = "kill::records_until_final";
    let mut killed = 0;
    for at in 0.. {
        World::at(folder.path()).grow(2);
        let survived = process(folder.path(), name, &handle, at);
        if !survived {
            killed += 1;
            assert!(process(folder.path(), name, &handle, u64::MAX));
        }
        let records = 2 * (at + 1);
        assert!(fed.said().into_iter().eq(0..records), "killed at call {at}");
        assert_eq!(fed.paid(0), records, "killed at call {at}");
        let world = World::at(folder.path());
        let journal = world.journal("anchors.redb");
        crate::records::prove(&world, &fed, &journal, records - 1);
        crate::records::prove(&world, &fed, &journal, records - 2);
        if survived {
            break;
        }
    }
    println!("killed at {killed} places");
    assert!(killed >= 16, "{killed}");
}

/// The process that is killed; a test only so that this program can start itself.
#[test]
fn records_until_final() {
    let variable = |name| std::env::var(name).ok();
    let Some(folder) = variable(FOLDER) else {
        return;
    };
    let handle = variable(HANDLE).unwrap();
    let world = World::at(Path::new(&folder));
    let settings = InEthereum::settings_of(&handle);
    let client = Ethereum::<Record>::new(settings, world.chain(), ethereum_key(0));
    let chain = Mortal {
        chain: Box::new(client.unwrap()),
        left: variable(AT).unwrap().parse().unwrap(),
    };
    let journal = world.journal("anchors.redb");
    let mut service = Service::new(Box::new(chain), &journal, SCHEDULE, T0);
    for _ in 0..24 {
        let next = feed::step(&mut service, &world.ledger, T0).unwrap();
        if next == Next::Idle && service.report(T0).unwrap().open == 0 {
            return;
        }
        InEthereum::mine_at(&handle);
    }
    panic!("nothing becomes final");
}

/// Runs [`anchors_until_final`] in a process of its own; whether it came to its end.
fn child<R: Rig>(folder: &Path, rig: &R, at: u64) -> bool {
    let name = format!("kill::{}::anchors_until_final", R::CHAIN);
    process(folder, &name, &rig.handle(), at)
}

fn process(folder: &Path, name: &str, handle: &str, at: u64) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FOLDER, folder)
        .env(AT, at.to_string())
        .env(HANDLE, handle)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(
        status.success() || status.code().is_none(),
        "{status}: at call {at}"
    );
    status.success()
}

/// The process that is killed; a test only so that this program can start itself.
fn anchors_until_final<R: Rig>() {
    let variable = |name| std::env::var(name).ok();
    let Some(folder) = variable(FOLDER) else {
        return;
    };
    let handle = variable(HANDLE).unwrap();
    let world = World::at(Path::new(&folder));
    let chain = Mortal {
        chain: R::client_of(&world, &handle),
        left: variable(AT).unwrap().parse().unwrap(),
    };
    let journal = world.journal("anchors.redb");
    let mut service = Service::new(Box::new(chain), &journal, R::schedule(), T0);
    for _ in 0..R::ROUNDS.max(12) {
        let next = step(&world, &mut service, T0).unwrap();
        let size = journal
            .newest_final::<Checkpoint>(R::CHAIN)
            .unwrap()
            .map(|(_, entry)| entry.says.size);
        if next != Next::Begun && size == Some(world.size()) {
            return;
        }
        R::mine_at(&handle);
    }
    panic!("nothing becomes final");
}

/// A chain whose caller dies before or after one of its calls.
struct Mortal<S: Subject = Checkpoint> {
    chain: Box<dyn PublicChain<S>>,
    left: u64,
}

impl<S: Subject> Mortal<S> {
    fn moment(&mut self) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                let own = std::process::id().to_string();
                Command::new("kill").args(["-9", &own]).status().unwrap();
                std::thread::sleep(Duration::from_secs(60));
            }
        }
    }

    fn around<T>(
        &mut self,
        call: impl FnOnce(&mut dyn PublicChain<S>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.moment();
        let done = call(&mut *self.chain);
        self.moment();
        done
    }
}

impl<S: Subject> PublicChain<S> for Mortal<S> {
    fn chain(&self) -> Chain {
        self.chain.chain()
    }

    fn ready(&mut self) -> Result<(), Trouble> {
        self.chain.ready()
    }

    fn leads_on(&mut self, covered: u64, settled: bool) -> Result<u64, Trouble> {
        self.chain.leads_on(covered, settled)
    }

    fn newest(&mut self, due: &S) -> Result<Option<Seen<S::Mark>>, Trouble> {
        self.around(|chain| chain.newest(due))
    }

    fn prepare(&mut self, order: &Order<'_, S>) -> Result<Attempt, Trouble> {
        self.around(|chain| chain.prepare(order))
    }

    fn send(&mut self, attempt: &Attempt) -> Result<(), Trouble> {
        self.around(|chain| chain.send(attempt))
    }

    fn standing(&mut self, attempts: &[Attempt]) -> Result<Standing, Trouble> {
        self.around(|chain| chain.standing(attempts))
    }

    fn depth(&mut self, place: &Place) -> Result<Option<u64>, Trouble> {
        self.chain.depth(place)
    }

    fn evidence(&mut self, place: &Place, says: &S) -> Result<Evidence, Trouble> {
        self.around(|chain| chain.evidence(place, says))
    }
}
