//! A world in one process: the real ledger under the real solo sequencer, the real store
//! on disk, real parties. Only the wire is missing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    dead_code,
    unreachable_pub
)]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use base::{
    AccountId, Cid, Digest, Millis, Signed,
    genesis::{Genesis, Institution, Policy, Validator},
    key::OperationSecret,
    operation::Role,
};
use consensus::{Limits, Solo};
use ledger::{
    ConsistencyProof, Head, Header, InclusionProof, Leaf, Ledger, OpenOptions, Receipt, Transition,
    View,
};
use rand_core::UnwrapErr;
use share::{
    Desk, NodeError, Trust, account,
    bag::Phrase,
    card::Card,
    identity::{HpkeSecret, Party, PatientSecrets, RecordSecret},
    post::{self, Received},
    prekey::{self, Prekey},
    wallet::Wallet,
};
use store::Embedded;

/// The result is an error, and this one.
#[allow(unused_macros)]
macro_rules! refused {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err($pattern) $(if $guard)? => {}
            Err(other) => panic!("refused, but with: {other}"),
            Ok(_) => panic!("not refused"),
        }
    };
}
#[allow(unused_imports)]
pub(crate) use refused;

pub fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

pub const START: Millis = Millis(1_795_305_600_000); // 2026-11-22

pub struct World {
    pub genesis: Genesis,
    pub trust: Trust,
    pub ledger: Arc<Ledger>,
    pub solo: Solo,
    /// Its one validator's key: who has it can certify any head.
    pub validator: OperationSecret,
    pub store: Embedded,
    pub clock: Arc<AtomicU64>,
    pub mail: Mutex<BTreeMap<AccountId, Vec<Vec<u8>>>>,
    prekeys: Mutex<BTreeMap<AccountId, Vec<Signed<Prekey>>>>,
    pub bags: Mutex<BTreeMap<Digest, Vec<u8>>>,
    /// The mailbox cannot be reached.
    pub mail_down: AtomicBool,
    /// Key bags cannot be stored.
    pub bags_down: AtomicBool,
    /// Accounts whose mailbox takes nothing more.
    pub full: Mutex<BTreeSet<AccountId>>,
    /// The answer to operations of this name is lost after they took effect.
    pub lost: Mutex<Option<&'static str>>,
    /// Blocks that no pin reaches are collected before each file: uploads take long.
    pub collects: AtomicBool,
    /// What the node says instead of the truth.
    pub lies: Mutex<Lies>,
    /// A head that the node shows instead of its own.
    pub forged: Mutex<Option<Head>>,
    folder: tempfile::TempDir,
}

/// Answers of a node that lies.
#[derive(Default)]
pub struct Lies {
    pub grant: Option<ledger::Grant>,
    pub queries: Option<Vec<ledger::QueryState>>,
    pub bag: Option<ledger::BagState>,
    pub account: Option<ledger::Account>,
    pub state: Option<ledger::StateInfo>,
    /// Nobody guards anybody.
    pub no_guardians: bool,
    pub guardianship: Twist<Option<ledger::Guardianship>>,
    /// Leaves are replaced by the first one after this many calls.
    pub leaves_after: Option<usize>,
    /// How many leaves the next answers have, whatever was asked for.
    pub leaves_given: VecDeque<usize>,
    /// Operations do not reach the ledger: what the node says instead.
    pub unsent: Option<NodeError>,
    pub submit: Twist<Receipt>,
    pub sequence: Twist<u64>,
    pub operation: Twist<Option<(u64, Leaf)>>,
    pub receipt: Twist<Option<Receipt>>,
    pub inclusion: Twist<InclusionProof>,
    pub consistency: Twist<ConsistencyProof>,
    pub head_at: Twist<Option<Head>>,
    pub told_state: Twist<Option<ledger::StateInfo>>,
    pub told_request: Twist<Option<ledger::RequestState>>,
    /// Changes of validators from a height on, at most so many.
    #[allow(clippy::type_complexity)]
    pub transitions: Option<Box<dyn FnMut(u64, u32) -> Answer<Vec<Transition>> + Send>>,
}

/// What becomes of an honest answer.
pub type Twist<T> = Option<Box<dyn FnMut(Answer<T>) -> Answer<T> + Send>>;
/// What a node answers.
pub type Answer<T> = Result<T, NodeError>;

/// A party with its vault.
pub struct Person {
    pub party: Party,
    pub vault: MemoryVault,
    pub secrets: Option<PatientSecrets>,
    pub phrase: Option<Phrase>,
}

pub struct Cast {
    pub world: World,
    pub hospital: Person,
    pub other_hospital: Person,
    pub institute: Person,
    pub agent: Person,
    pub second_agent: Person,
    pub institute_agent: Person,
    pub patient: Person,
    pub stranger: Person,
}

impl Cast {
    /// Two hospitals with an agent each, an institute with one, two patients.
    pub fn new() -> Self {
        let chainless = |rng: &mut UnwrapErr<getrandom::SysRng>| {
            OperationSecret::new(*HpkeSecret::generate(rng).as_secret())
        };
        let mut rng = rng();
        let validator = chainless(&mut rng);
        let founders: Vec<OperationSecret> = (0..3).map(|_| chainless(&mut rng)).collect();
        let world = World::new(validator, &founders);
        let person = |secret: OperationSecret| {
            Person::new(Party::new(
                world.chain(),
                secret,
                HpkeSecret::generate(&mut self::rng()),
            ))
        };
        let mut founders = founders.into_iter().map(person);
        let hospital = founders.next().unwrap().with_record_key();
        let other_hospital = founders.next().unwrap().with_record_key();
        let institute = founders.next().unwrap();
        drop(founders);
        let agents: Vec<Person> = (0..3)
            .map(|_| person(chainless(&mut self::rng())))
            .collect();
        let [agent, second_agent, institute_agent] = agents.try_into().ok().unwrap();
        let patient = Person::patient(world.chain());
        let stranger = Person::patient(world.chain());
        let cast = Self {
            world,
            hospital,
            other_hospital,
            institute,
            agent,
            second_agent,
            institute_agent,
            patient,
            stranger,
        };
        cast.register();
        cast
    }

    fn register(&self) {
        let world = &self.world;
        let ok = |person: &Person, role| {
            account::register(&world.desk(person), role, person.secrets.as_ref(), None).unwrap();
        };
        ok(&self.hospital, Role::Hospital);
        ok(&self.other_hospital, Role::Hospital);
        ok(&self.institute, Role::Requester);
        for (agent, institution) in [
            (&self.agent, &self.hospital),
            (&self.second_agent, &self.other_hospital),
            (&self.institute_agent, &self.institute),
        ] {
            ok(agent, Role::Agent);
            let consent = account::consent_to_join(&world.desk(institution), agent.party.account);
            account::join(&world.desk(agent), institution.party.account, consent).unwrap();
            prekey::replenish(&agent.party, &world.client(agent), &agent.vault, &mut rng())
                .unwrap();
        }
        for patient in [&self.patient, &self.stranger] {
            ok(patient, Role::Patient);
            let text = Card::show(
                &patient.party,
                patient.secrets.as_ref().unwrap(),
                world.now(),
                &mut rng(),
            );
            let desk = world.desk(&self.hospital);
            let card = Card::read(&text).unwrap();
            let on_ledger = desk.account(card.account()).unwrap();
            let pkh = on_ledger.patient.unwrap().pkh;
            card.keep(
                desk.party.chain,
                &on_ledger.operation_key().unwrap(),
                pkh,
                world.now(),
                desk.vault,
            )
            .unwrap();
            let wallet = world.wallet(patient);
            wallet
                .list_hospital(self.hospital.party.account, world.now())
                .unwrap();
        }
        for attester in [&self.hospital, &self.other_hospital] {
            account::attest(&world.desk(attester), self.patient.party.account).unwrap();
        }
    }
}

impl Person {
    /// Whose vault is empty.
    pub fn new(party: Party) -> Self {
        Self {
            party,
            vault: MemoryVault::default(),
            secrets: None,
            phrase: None,
        }
    }

    pub fn patient(chain: base::ChainId) -> Self {
        let phrase = Phrase::generate(&mut rng());
        let secrets = PatientSecrets::generate(phrase.bag(), &mut rng());
        Self {
            party: Party::new(chain, phrase.operation(), HpkeSecret::generate(&mut rng())),
            vault: MemoryVault::default(),
            secrets: Some(secrets),
            phrase: Some(phrase),
        }
    }

    fn with_record_key(mut self) -> Self {
        self.party.record = Some(RecordSecret::generate(&mut rng()));
        self
    }

    pub fn id(&self) -> AccountId {
        self.party.account
    }
}

impl World {
    fn new(validator: OperationSecret, founders: &[OperationSecret]) -> Self {
        let genesis = Genesis {
            version: base::Version,
            network: "test".into(),
            created: START.minus(1_000),
            drift: 5_000,
            validators: vec![Validator {
                key: validator.public(),
                hpke_key: HpkeSecret::new([1; 32]).public(),
            }],
            institutions: founders
                .iter()
                .map(|secret| Institution {
                    account: AccountId::of(&secret.public()),
                    group: None,
                })
                .collect(),
            policy: Policy::default(),
        };
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(
            &folder.path().join("ledger.redb"),
            &genesis,
            OpenOptions::default(),
        )
        .unwrap();
        let ledger = Arc::new(ledger);
        let clock = Arc::new(AtomicU64::new(START.0));
        let ticking = clock.clone();
        let solo = Solo::start(
            ledger.clone(),
            validator.clone(),
            move || Millis(ticking.load(Ordering::SeqCst)),
            Limits::default(),
        )
        .unwrap();
        Self {
            trust: Trust::of(&genesis),
            genesis,
            ledger,
            solo,
            validator,
            store: Embedded::open(folder.path().join("store")).unwrap(),
            clock,
            mail: Mutex::default(),
            prekeys: Mutex::default(),
            bags: Mutex::default(),
            mail_down: AtomicBool::default(),
            bags_down: AtomicBool::default(),
            full: Mutex::default(),
            lost: Mutex::default(),
            collects: AtomicBool::default(),
            lies: Mutex::default(),
            forged: Mutex::default(),
            folder,
        }
    }

    pub fn chain(&self) -> base::ChainId {
        self.genesis.chain()
    }

    pub fn now(&self) -> Millis {
        Millis(self.clock.load(Ordering::SeqCst))
    }

    pub fn pass(&self, milliseconds: u64) {
        self.clock.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub fn client<'a>(&'a self, person: &Person) -> Client<'a> {
        Client {
            world: self,
            account: person.party.account,
        }
    }

    /// Leaks one small client: desks borrow their node.
    pub fn desk<'a>(&'a self, person: &'a Person) -> Desk<'a> {
        Desk {
            party: &person.party,
            node: Box::leak(Box::new(self.client(person))),
            vault: &person.vault,
            trust: &self.trust,
        }
    }

    pub fn wallet<'a>(&'a self, person: &'a Person) -> Wallet<'a> {
        Wallet::new(
            self.desk(person),
            person.secrets.as_ref().unwrap(),
            person.party.account,
        )
    }

    pub fn view(&self) -> View {
        self.ledger.view().unwrap()
    }

    /// Everything in a mailbox that opens; the mailbox is emptied.
    pub fn post(&self, person: &Person) -> Vec<Received> {
        let desk = self.desk(person);
        let post::Mail { letters, dead, .. } = post::collect(&desk, self.now()).unwrap();
        for name in letters.iter().map(|letter| letter.name).chain(dead) {
            desk.node.delete_letter(name).unwrap();
        }
        letters
    }

    pub fn one_letter(&self, person: &Person) -> Received {
        let mut letters = self.post(person);
        assert_eq!(letters.len(), 1, "one letter");
        letters.remove(0)
    }

    /// The head that the validator makes of any header.
    pub fn certified(&self, header: Header) -> Head {
        Head {
            certificate: header.certify(&self.validator),
            header,
        }
    }

    /// Turns over one bit in the middle of a block, in the pack that holds it.
    pub fn damage(&self, cid: &Cid) {
        let bytes = store::BlockStore::get(&self.store, cid).unwrap();
        let packs = std::fs::read_dir(self.folder.path().join("store/packs")).unwrap();
        for pack in packs {
            let path = pack.unwrap().path();
            let mut all = std::fs::read(&path).unwrap();
            if let Some(at) = all.windows(bytes.len()).position(|found| found == bytes) {
                all[at + bytes.len() / 2] ^= 1;
                std::fs::write(&path, all).unwrap();
                return;
            }
        }
        panic!("no pack holds {cid}");
    }
}

mod astray;
mod guards;
mod memory;
mod node;
mod steps;

#[allow(unused_imports)]
pub use astray::astray;
#[allow(unused_imports)]
pub use guards::DELAY;
#[allow(unused_imports)]
pub use memory::{Full, MemoryVault};
#[allow(unused_imports)]
pub use node::Client;
#[allow(unused_imports)]
pub use steps::{BUNDLE, bundle, file, wish};

#[allow(unused_imports)]
pub use io::Cursor;
