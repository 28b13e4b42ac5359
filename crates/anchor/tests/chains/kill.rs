//! kill -9 before and after every call to the chain: no anchor is lost, none is made twice.

use anchor::{
    Attempt, Chain, Checkpoint, Evidence, Next, Order, Place, PublicChain, Seen, Service, Standing,
    State, Trouble,
    ethereum::{Ethereum, Settings},
};
use serde_json::json;
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    anvil::{Anvil, NETWORK, call},
    world::{Anchoring, CONFIRMATIONS, SCHEDULE, T0, World, key},
};

const FOLDER: &str = "MEDSHARE_TEST_KILL_FOLDER";
const AT: &str = "MEDSHARE_TEST_KILL_AT";
const PORT: &str = "MEDSHARE_TEST_KILL_PORT";
const CONTRACT: &str = "MEDSHARE_TEST_KILL_CONTRACT";

#[test]
fn killed_at_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let (contract, anvil) = {
        let (world, anvil) = (World::at(folder.path()), Anvil::start());
        (Anchoring::deploy(&world, &anvil).settings.contract, anvil)
    };
    let mut killed = 0;
    for at in 0.. {
        World::at(folder.path()).grow(100);
        let survived = child(folder.path(), &anvil, &contract, at);
        if !survived {
            killed += 1;
            assert!(child(folder.path(), &anvil, &contract, u64::MAX));
        }
        // One anchor for each batch, one transaction for each anchor, and every one proved.
        let batches = at + 1;
        let expected: Vec<_> = (1..=batches).map(|batch| (batch, 100 * batch)).collect();
        assert_eq!(anvil.anchors(&contract), expected, "killed at call {at}");
        assert_eq!(
            anvil.count(&key(0).address()),
            1 + batches,
            "killed at call {at}"
        );
        let world = World::at(folder.path());
        let journal = world.journal("anchors.redb");
        let (number, entry) = journal.newest(Chain::Ethereum).unwrap().unwrap();
        assert_eq!(number, at, "killed at call {at}");
        assert!(matches!(entry.state, State::Final { .. }));
        if survived {
            break;
        }
    }
    println!("killed at {killed} places");
    assert!(killed >= 12, "{killed}");
}

/// Runs [`anchors_until_final`] in a process of its own; whether it came to its end.
fn child(folder: &Path, anvil: &Anvil, contract: &[u8; 20], at: u64) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::anchors_until_final", "--nocapture"])
        .env(FOLDER, folder)
        .env(AT, at.to_string())
        .env(PORT, anvil.port.to_string())
        .env(CONTRACT, hex::encode(contract))
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
#[test]
fn anchors_until_final() {
    let variable = |name| std::env::var(name).ok();
    let Some(folder) = variable(FOLDER) else {
        return;
    };
    let number = |name| variable(name).unwrap().parse::<u64>().unwrap();
    let port = u16::try_from(number(PORT)).unwrap();
    let contract = hex::decode(variable(CONTRACT).unwrap()).unwrap();
    let world = World::at(Path::new(&folder));
    let settings = Settings {
        endpoint: format!("http://127.0.0.1:{port}").parse().unwrap(),
        chain_id: NETWORK,
        contract: contract.try_into().unwrap(),
        from_block: 0,
        fee_cap: 100_000_000_000,
        store: false,
        confirmations: CONFIRMATIONS,
        patience: Duration::from_secs(10),
    };
    let chain = Mortal {
        chain: Ethereum::new(settings, world.chain(), key(0)).unwrap(),
        left: number(AT),
    };
    let journal = world.journal("anchors.redb");
    let mut service = Service::new(Box::new(chain), &journal, SCHEDULE, T0);
    for _ in 0..12 {
        let next = service.step(&|| world.ledger.view(), T0).unwrap();
        let size = journal
            .newest_final(Chain::Ethereum)
            .unwrap()
            .map(|(_, entry)| entry.checkpoint.size);
        if next != Next::Begun && size == Some(world.size()) {
            return;
        }
        call(port, "anvil_mine", json!(["0x1"]));
    }
    panic!("nothing becomes final");
}

/// A chain whose caller dies before or after one of its calls.
struct Mortal {
    chain: Ethereum,
    left: u64,
}

impl Mortal {
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
        call: impl FnOnce(&mut Ethereum) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.moment();
        let done = call(&mut self.chain);
        self.moment();
        done
    }
}

impl PublicChain for Mortal {
    fn chain(&self) -> Chain {
        self.chain.chain()
    }

    fn ready(&mut self) -> Result<(), Trouble> {
        self.chain.ready()
    }

    fn newest(&mut self) -> Result<Option<Seen>, Trouble> {
        self.around(PublicChain::newest)
    }

    fn prepare(&mut self, order: &Order<'_>) -> Result<Attempt, Trouble> {
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

    fn evidence(&mut self, place: &Place, checkpoint: &Checkpoint) -> Result<Evidence, Trouble> {
        self.around(|chain| chain.evidence(place, checkpoint))
    }
}
