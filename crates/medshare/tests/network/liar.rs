//! A validator that lies, as a process: this program again, with the home of a validator that
//! `network init` made.

use base::Cid;
use consensus::{
    SystemClock,
    bft::{
        Limits, Network, Parts,
        liar::{Lie, Told, lie},
    },
};
use ledger::{Ledger, OpenOptions};
use medshare::{
    config::{Config, Required},
    home::{Home, identity::Identity, passphrase::PassphraseSource},
};
use serde_json::{Value, json};
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// The running process; killed when dropped.
pub(crate) struct Liar {
    child: Child,
    orders: ChildStdin,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Liar {
    /// Runs the validator of this home, which does not lie yet.
    pub(crate) fn run(home: &Path, passphrase: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "liar::child", "--nocapture"])
            .env(HOME, home)
            .env(PASSPHRASE, passphrase)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let (stdout, heard) = (child.stdout.take().unwrap(), Arc::clone(&told));
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // What the test harness prints is something else.
                if let Some((_, said)) = line.split_once(MARK) {
                    heard.lock().unwrap().push(parse(said));
                }
            }
        });
        let orders = child.stdin.take().unwrap();
        Self {
            child,
            orders,
            told,
        }
    }

    /// It lies so from now on; what it told before is forgotten.
    pub(crate) fn order(&mut self, lie: Lie) {
        self.told.lock().unwrap().clear();
        writeln!(self.orders, "{lie}").unwrap();
    }

    /// Its lies of one kind since the order.
    pub(crate) fn told(&mut self, lie: Lie) -> Vec<Told> {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "the liar ended: {ended:?}");
        let told = self.told.lock().unwrap();
        told.iter()
            .filter(|told| told.lie == lie)
            .cloned()
            .collect()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself; nothing where nobody asked for it. It ends with whoever runs it.
#[test]
fn child() {
    let Some(home) = env::var_os(HOME) else {
        return;
    };
    let parts = parts(Path::new(&home));
    let (sender, orders) = mpsc::channel();
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            sender.send(line.parse().unwrap()).unwrap();
        }
    });
    lie(parts, &orders, |told| {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{MARK}{}", spell(&told)).unwrap();
    })
    .unwrap();
}

/// As the program itself takes it from the home.
fn parts(folder: &Path) -> Parts {
    let home = Home::open(folder).unwrap();
    let passphrase = PassphraseSource::File(env::var_os(PASSPHRASE).unwrap().into());
    let keys = home.unlock(&passphrase.read().unwrap()).unwrap();
    let session = home.enter(&keys, Duration::from_secs(10)).unwrap();
    let config = Config::load(&Home::config_path(folder), Required::Yes).unwrap();
    let config = config.consensus.unwrap();
    let path = home.node_folder().join("ledger.redb");
    let ledger = Ledger::create(&path, &home.genesis, OpenOptions::default()).unwrap();
    Parts {
        ledger: Arc::new(ledger),
        account: home.facts.account,
        secrets: vec![session.identity.party.operation.clone()],
        clock: Box::new(SystemClock),
        network: Network {
            listen: config.listen,
            peers: config.peers,
            seed: (*Identity::peer_seed(&session.vault).unwrap().as_secret()).into(),
        },
        folder: home.node_folder().join("consensus"),
        limits: Limits::default(),
    }
}

fn spell(told: &Told) -> Value {
    json!({
        "lie": told.lie.to_string(),
        "how": told.how,
        "height": told.height,
        "header": told.header.map(|header| header.to_string()),
    })
}

fn parse(text: &str) -> Told {
    let value: Value = serde_json::from_str(text).unwrap();
    let header = value["header"].as_str();
    Told {
        lie: value["lie"].as_str().unwrap().parse().unwrap(),
        how: value["how"].as_str().unwrap().to_owned().into(),
        height: value["height"].as_u64().unwrap(),
        header: header.map(|text| text.parse::<Cid>().unwrap()),
    }
}

const HOME: &str = "MEDSHARE_TEST_LIAR";
const PASSPHRASE: &str = "MEDSHARE_TEST_LIAR_PASSPHRASE";
const MARK: &str = "told ";
