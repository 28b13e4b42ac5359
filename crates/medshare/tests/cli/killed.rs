//! A node under load through `/v1` is killed with SIGKILL at random moments, again and
//! again: every acknowledged operation, letter, block, pin, bag and one-time key is there, once.

use super::net::Net;
use base::{
    AccountId, ChainId, Cid, Digest, Operation, OperationId, Signed, cid,
    key::{HpkeKey, OperationSecret},
    operation::{Action, Bag, PatientKeys, Register, Role, SignedOperation},
};
use medshare::http::{Address, Credentials, HttpNode};
use share::{node::Node as _, prekey::Prekey};
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::BlockStore as _;

const CLIENTS: usize = 4;

/// One patient: what was acknowledged to her, and what was under way when the node died.
struct Client {
    node: HttpNode,
    secret: OperationSecret,
    chain: ChainId,
    to: AccountId,
    sequence: u64,
    logged: BTreeMap<OperationId, u64>,
    letters: BTreeSet<Vec<u8>>,
    unsure: BTreeSet<Vec<u8>>,
    pinned: BTreeSet<Cid>,
    bag: u64,
}

fn secret(at: usize) -> OperationSecret {
    OperationSecret::new([at as u8 + 1; 32])
}

fn account(at: usize) -> AccountId {
    AccountId::of(&secret(at % CLIENTS).public())
}

impl Client {
    fn new(net: &Net, chain: ChainId, at: usize) -> Self {
        Self {
            node: speaker(net, chain, &secret(at)),
            secret: secret(at),
            chain,
            to: account(at + 1),
            sequence: 0,
            logged: BTreeMap::new(),
            letters: BTreeSet::new(),
            unsure: BTreeSet::new(),
            pinned: BTreeSet::new(),
            bag: 0,
        }
    }

    fn account(&self) -> AccountId {
        AccountId::of(&self.secret.public())
    }

    fn operation(&self, sequence: u64) -> SignedOperation {
        let operation = match sequence {
            1 => registration(self.chain, &self.secret),
            version => Operation {
                chain: self.chain,
                account: self.account(),
                delegation: None,
                sequence,
                action: Action::Bag(Bag {
                    version,
                    commitment: Digest([3; 32]),
                }),
            },
        };
        Signed::new(operation, &self.secret)
    }

    /// One of everything; ends at the first thing that is not acknowledged.
    fn work(&mut self) -> Option<()> {
        let operation = self.operation(self.sequence + 1);
        let receipt = self.node.submit(&operation).ok()?;
        self.sequence += 1;
        assert_eq!(self.logged.insert(receipt.id, receipt.index), None);
        if self.node.account(self.to).ok()?.is_some() {
            let letter = [&self.account().0[..], &self.sequence.to_le_bytes()].concat();
            self.unsure.insert(letter.clone());
            self.node.send(self.to, &letter).ok()?;
            self.letters.insert(letter);
        }
        let block = [&self.account().0[..], &self.sequence.to_le_bytes()].concat();
        let root = cid::of_block(cid::RAW, &block);
        self.node.put_block(&root, &block).ok()?;
        self.node.pin(&root).ok()?;
        self.pinned.insert(root);
        let locator = Digest(self.account().0);
        self.node
            .put_bag(locator, &self.sequence.to_le_bytes())
            .ok()?;
        self.bag = self.sequence;
        Some(())
    }

    /// All of it is there; what was under way is there or not.
    fn check(&mut self) {
        let found = self.node.sequence(self.account()).unwrap();
        assert!(found == self.sequence || found == self.sequence + 1);
        for sequence in self.sequence + 1..=found {
            let (_, id) = self.operation(sequence).to_bytes();
            let (index, _) = self.node.operation(id).unwrap().expect("half an operation");
            self.logged.insert(id, index);
        }
        self.sequence = found;
        for (id, index) in self.logged.iter().rev().take(20) {
            let (at, _) = self
                .node
                .operation(*id)
                .unwrap()
                .expect("an operation is lost");
            assert_eq!(at, *index);
        }
        let bag = self.node.read_bag(Digest(self.account().0)).unwrap();
        let bag = bag.map_or(0, |bag| u64::from_le_bytes(bag.try_into().unwrap()));
        assert!((self.bag..=self.sequence).contains(&bag), "{bag}");
        for root in &self.pinned {
            assert_eq!(
                cid::of_block(cid::RAW, &self.node.read_block(root).unwrap()),
                *root
            );
        }
    }
}

/// An agent's one-time keys at the node.
struct Stock {
    agent: HttpNode,
    secret: OperationSecret,
    chain: ChainId,
    made: u64,
    /// Those whose leaving was acknowledged, and those that were on their way.
    left: BTreeSet<u64>,
    unsure: BTreeSet<u64>,
    taken: BTreeSet<u64>,
    /// Takings that nobody answered: of each, the key is gone or it is not.
    unanswered: u64,
    /// Left, and never handed out to anybody who heard of it.
    passed: u64,
}

impl Stock {
    fn new(net: &Net, chain: ChainId) -> Self {
        let secret = OperationSecret::new([77; 32]);
        let agent = speaker(net, chain, &secret);
        let operation = Operation {
            chain,
            account: AccountId::of(&secret.public()),
            delegation: None,
            sequence: 1,
            action: Action::Register(Register {
                role: Role::Agent,
                operation_key: secret.public(),
                hpke_key: HpkeKey::new(vec![2; HpkeKey::LENGTH]).unwrap(),
                record_key: None,
                peer: None,
                patient: None,
            }),
        };
        agent.submit(&Signed::new(operation, &secret)).unwrap();
        Self {
            agent,
            secret,
            chain,
            made: 0,
            left: BTreeSet::new(),
            unsure: BTreeSet::new(),
            taken: BTreeSet::new(),
            unanswered: 0,
            passed: 0,
        }
    }

    fn account(&self) -> AccountId {
        AccountId::of(&self.secret.public())
    }

    /// Leaves two keys, takes one as a patient does; ends with the node.
    fn work(&mut self, patient: &HttpNode) -> Option<()> {
        let numbers = [self.made + 1, self.made + 2];
        self.made += 2;
        let keys = numbers.map(|number| {
            let mut key = vec![0; HpkeKey::LENGTH];
            key[..8].copy_from_slice(&number.to_le_bytes());
            let body = Prekey {
                chain: self.chain,
                agent: self.account(),
                key: HpkeKey::new(key).unwrap(),
            };
            Signed::new(body, &self.secret)
        });
        self.unsure.extend(numbers);
        self.agent.put_prekeys(&keys).ok()?;
        self.left.extend(numbers);
        self.take(patient)?;
        thread::sleep(Duration::from_millis(20)); // below the rate that the node allows
        Some(())
    }

    /// `None` when the node does not answer, or when none is left.
    fn take(&mut self, patient: &HttpNode) -> Option<()> {
        let Ok(answer) = patient.take_prekey(self.account()) else {
            self.unanswered += 1;
            return None;
        };
        let key = answer?.body.key;
        let number = u64::from_le_bytes(key.as_bytes()[..8].try_into().unwrap());
        // Oldest first: one that was left and is passed over went with an answer that did
        // not arrive.
        let last = self.taken.last().copied().unwrap_or(0);
        assert!(number > last, "key {number} is handed out twice");
        assert!(self.unsure.contains(&number), "nobody left key {number}");
        self.passed += self.left.range(last + 1..number).count() as u64;
        let (passed, unanswered) = (self.passed, self.unanswered);
        assert!(passed <= unanswered, "{passed} keys are lost");
        self.taken.insert(number);
        Some(())
    }

    fn check(&self) {
        let waiting = self.agent.prekeys_left(self.account()).unwrap() as u64;
        let taken = self.taken.len() as u64;
        let most = self.unsure.len() as u64 - taken;
        let least = (self.left.len() as u64).saturating_sub(taken + self.unanswered);
        assert!(
            (least..=most).contains(&waiting),
            "{least} {waiting} {most}"
        );
    }
}

/// Each letter once, and none that nobody sent.
fn check_letters(clients: &mut [Client]) {
    for at in 0..CLIENTS {
        let mut found = BTreeSet::new();
        if clients[(at + 1) % CLIENTS].sequence > 0 {
            for (_, letter) in clients[(at + 1) % CLIENTS].node.inbox().unwrap() {
                assert!(found.insert(letter), "a letter is there twice");
            }
        }
        let sender = &mut clients[at];
        assert!(found.is_superset(&sender.letters), "a letter is lost");
        assert!(sender.unsure.is_superset(&found), "nobody sent it");
        sender.letters = found;
    }
}

/// The node, as the account of this key speaks to it.
fn speaker(net: &Net, chain: ChainId, secret: &OperationSecret) -> HttpNode {
    let address = Address::Unix(net.path("node/node/medshare.sock"));
    let credentials = Credentials {
        chain,
        account: AccountId::of(&secret.public()),
        secret: secret.clone(),
    };
    HttpNode::new(address, Duration::from_secs(30), Some(credentials)).unwrap()
}

/// A patient of her own, registered.
fn taker(net: &Net, chain: ChainId) -> HttpNode {
    let secret = OperationSecret::new([78; 32]);
    let node = speaker(net, chain, &secret);
    let operation = registration(chain, &secret);
    node.submit(&Signed::new(operation, &secret)).unwrap();
    node
}

/// Opens a patient's account.
fn registration(chain: ChainId, secret: &OperationSecret) -> Operation {
    let account = AccountId::of(&secret.public());
    let register = Register {
        role: Role::Patient,
        operation_key: secret.public(),
        hpke_key: HpkeKey::new(vec![2; HpkeKey::LENGTH]).unwrap(),
        record_key: None,
        peer: None,
        patient: Some(PatientKeys {
            pkh: Digest::of(&account.0),
            h: cid::of_block(cid::RAW, &account.0),
        }),
    };
    Operation {
        chain,
        account,
        delegation: None,
        sequence: 1,
        action: register.into(),
    }
}

fn run(kills: u64, seed: u64) {
    println!("{kills} kills from seed {seed}");
    let mut net = Net::start();
    let address = Address::Unix(net.path("node/node/medshare.sock"));
    let anybody = HttpNode::new(address, Duration::from_secs(30), None).unwrap();
    let chain = anybody.genesis().unwrap().chain();
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|at| Client::new(&net, chain, at))
        .collect();
    let mut stock = Stock::new(&net, chain);
    // Whoever can grant takes keys: a patient who does nothing else.
    let patient = taker(&net, chain);
    let mut state = seed;
    for _ in 0..kills {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let pause = Duration::from_micros(5_000 + (state >> 33) % 400_000);
        thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(move || while client.work().is_some() {});
            }
            scope.spawn(|| while stock.work(&patient).is_some() {});
            thread::sleep(pause);
            net.kill_node();
        });
        net.run_node();
        clients.iter_mut().for_each(Client::check);
        check_letters(&mut clients);
        stock.check();
        let replay = net.json(&["ledger", "replay"]);
        assert_eq!(replay["equal"], true, "{replay}");
        let logged: usize = clients.iter().map(|client| client.logged.len()).sum();
        // the agent's and the taker's registrations too
        assert_eq!(
            replay["leaves"].as_u64(),
            Some(logged as u64 + 2),
            "each once"
        );
    }
    for _ in 0..12 {
        let _ = stock.take(&patient);
    }
    let (left, taken) = (stock.left.len(), stock.taken.len());
    net.stop_node();
    let store = store::Embedded::open(net.path("node/node/blocks")).unwrap();
    let pins: BTreeMap<Cid, u64> = store.pins().unwrap().into_iter().collect();
    for root in clients.iter().flat_map(|client| &client.pinned) {
        assert!(pins.contains_key(root), "a pin is lost");
    }
    let logged: usize = clients.iter().map(|client| client.logged.len()).sum();
    assert!(
        logged as u64 > kills,
        "{logged} operations in {kills} lives"
    );
    println!(
        "{kills} kills: {logged} operations, {} pins, {left} one-time keys left, {taken} taken; nothing lost",
        pins.len()
    );
}

#[test]
fn a_loaded_node_loses_nothing_with_its_process() {
    run(4, 7);
}

#[test]
#[ignore = "the long form: cargo xtask crash"]
fn long() {
    let wanted =
        |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (mut left, mut seed) = (
        wanted("CRASH_KILLS", 1_000),
        wanted("CRASH_SEED", now.as_secs()),
    );
    while left > 0 {
        run(left.min(50), seed); // a home does not live for ever
        (left, seed) = (left.saturating_sub(50), seed + 1);
    }
}
