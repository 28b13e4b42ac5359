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
    collections::BTreeMap,
    io::{self, Read},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use base::{
    AccountId, Cid, Class, Digest, Millis, OperationId, RecordId, ScopeId, Signed, SignedOperation,
    genesis::{Genesis, Institution, Policy, Validator},
    key::OperationSecret,
    operation::Role,
};
use consensus::{Limits, Sequencer as _, Solo, SubmitError};
use ledger::{
    Account, BagState, ConsistencyProof, Grant, Head, InclusionProof, Leaf, Ledger, OpenOptions,
    Page, QueryState, Receipt, Record, RequestState, ScopeState, StateInfo, ValidatorSet, View,
};
use rand_core::UnwrapErr;
use share::{
    Desk, Node, NodeError, Table, Vault, VaultError, account,
    bag::Phrase,
    card::Card,
    identity::{HpkeSecret, Party, PatientSecrets, RecordSecret},
    letter::{Letter, Purpose, Wish},
    post::{self, Received},
    prekey::{self, Prekey},
    record::{Layout, PartSource, RecordSource},
    vault::{Change, Entries},
    wallet::Wallet,
};
use store::{BlockStore as _, Embedded, GetError, unixfs};
use zeroize::Zeroizing;

pub fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

pub const START: Millis = Millis(1_795_305_600_000); // 2026-11-22

pub struct World {
    pub genesis: Genesis,
    pub validators: ValidatorSet,
    pub ledger: Arc<Ledger>,
    pub solo: Solo,
    pub store: Embedded,
    pub clock: Arc<AtomicU64>,
    pub mail: Mutex<BTreeMap<AccountId, Vec<Vec<u8>>>>,
    prekeys: Mutex<BTreeMap<AccountId, Vec<Signed<Prekey>>>>,
    pub bags: Mutex<BTreeMap<Digest, Vec<u8>>>,
    /// The mailbox cannot be reached.
    pub mail_down: AtomicBool,
    /// A head that the node shows instead of its own.
    pub forged: Mutex<Option<Head>>,
    folder: tempfile::TempDir,
}

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
        let person = |secret: OperationSecret| Person {
            party: Party::new(
                world.chain(),
                secret,
                HpkeSecret::generate(&mut self::rng()),
            ),
            vault: MemoryVault::default(),
            secrets: None,
            phrase: None,
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
            version: 1,
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
            validator,
            move || Millis(ticking.load(Ordering::SeqCst)),
            Limits::default(),
        )
        .unwrap();
        Self {
            validators: ValidatorSet::of(&genesis),
            genesis,
            ledger,
            solo,
            store: Embedded::open(folder.path().join("store")).unwrap(),
            clock,
            mail: Mutex::default(),
            prekeys: Mutex::default(),
            bags: Mutex::default(),
            mail_down: AtomicBool::default(),
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
            validators: &self.validators,
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
        let (letters, dead) = post::collect(&desk).unwrap();
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

    /// Where the store keeps a block, to damage it.
    pub fn block_file(&self, cid: &Cid) -> std::path::PathBuf {
        fn find(folder: &std::path::Path, digest: Digest) -> Option<std::path::PathBuf> {
            std::fs::read_dir(folder).unwrap().find_map(|entry| {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    return find(&path, digest);
                }
                (Digest::of(&std::fs::read(&path).unwrap()) == digest).then_some(path)
            })
        }
        let digest = Digest(base::cid::sha256_digest(cid).unwrap());
        find(&self.folder.path().join("store"), digest)
            .unwrap_or_else(|| panic!("no file of {cid}"))
    }
}

#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub world: &'a World,
    pub account: AccountId,
}

fn fault(error: impl std::fmt::Display) -> NodeError {
    NodeError::Storage(error.to_string())
}

fn missing(error: GetError) -> NodeError {
    match error {
        GetError::Missing(cid) => NodeError::Missing(cid),
        GetError::Damaged(cid) => NodeError::Damaged(cid),
        other => fault(other),
    }
}

const ALL: fn() -> Page = Page::default;

impl Node for Client<'_> {
    fn submit(&self, operation: &SignedOperation) -> Result<Receipt, NodeError> {
        self.world
            .solo
            .submit(operation.to_bytes().0)
            .map_err(|error| match error {
                SubmitError::Refused(refusal) => NodeError::Refused(refusal),
                other => fault(other),
            })
    }
    fn head(&self) -> Result<Head, NodeError> {
        if let Some(head) = self.world.forged.lock().unwrap().clone() {
            return Ok(head);
        }
        self.world.view().head().map_err(fault)
    }
    fn sequence(&self, account: AccountId) -> Result<u64, NodeError> {
        self.world.view().sequence(account).map_err(fault)
    }
    fn account(&self, account: AccountId) -> Result<Option<Account>, NodeError> {
        self.world.view().account(account).map_err(fault)
    }
    fn record(&self, record: RecordId) -> Result<Option<Record>, NodeError> {
        self.world.view().record(record).map_err(fault)
    }
    fn records_of(&self, patient: AccountId) -> Result<Vec<Record>, NodeError> {
        Ok(self
            .world
            .view()
            .records_of(patient, ALL())
            .map_err(fault)?
            .items)
    }
    fn request(&self, request: OperationId) -> Result<Option<RequestState>, NodeError> {
        self.world.view().request(request).map_err(fault)
    }
    fn requests_of(&self, account: AccountId) -> Result<Vec<RequestState>, NodeError> {
        Ok(self
            .world
            .view()
            .requests_of(account, ALL())
            .map_err(fault)?
            .items)
    }
    fn grant(&self, grant: OperationId) -> Result<Option<Grant>, NodeError> {
        self.world.view().grant(grant).map_err(fault)
    }
    fn grants_of(&self, account: AccountId) -> Result<Vec<Grant>, NodeError> {
        Ok(self
            .world
            .view()
            .grants_of(account, ALL())
            .map_err(fault)?
            .items)
    }
    fn state(&self, record: RecordId, state: &Cid) -> Result<Option<StateInfo>, NodeError> {
        self.world.view().state_of(record, *state).map_err(fault)
    }
    fn states_of(&self, record: RecordId) -> Result<Vec<StateInfo>, NodeError> {
        Ok(self
            .world
            .view()
            .states_of(record, ALL())
            .map_err(fault)?
            .items)
    }
    fn institution_of(&self, account: AccountId) -> Result<Option<ledger::Institution>, NodeError> {
        self.world.view().institution_of(account).map_err(fault)
    }
    fn scope(&self, patient: AccountId, sid: ScopeId) -> Result<Option<ScopeState>, NodeError> {
        self.world.view().scope(patient, sid).map_err(fault)
    }
    fn bag(&self, patient: AccountId) -> Result<Option<BagState>, NodeError> {
        self.world.view().bag(patient).map_err(fault)
    }
    fn query(&self, query: OperationId) -> Result<Option<QueryState>, NodeError> {
        self.world.view().query(query).map_err(fault)
    }
    fn queries_of(&self, grant: OperationId) -> Result<Vec<QueryState>, NodeError> {
        Ok(self
            .world
            .view()
            .queries_of_grant(grant, ALL())
            .map_err(fault)?
            .items)
    }
    fn operation(&self, operation: OperationId) -> Result<Option<(u64, Leaf)>, NodeError> {
        self.world.view().operation(operation).map_err(fault)
    }
    fn leaves(&self, from: u64, limit: u32) -> Result<Vec<Leaf>, NodeError> {
        self.world
            .view()
            .leaves(from, limit as usize)
            .map_err(fault)
    }
    fn inclusion(&self, index: u64, tree_size: u64) -> Result<InclusionProof, NodeError> {
        self.world
            .view()
            .inclusion(index, tree_size)
            .map_err(fault)?
            .ok_or(NodeError::NotFound)
    }
    fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, NodeError> {
        self.world
            .view()
            .consistency(from, to)
            .map_err(fault)?
            .ok_or(NodeError::NotFound)
    }
    fn put_block(&self, cid: &Cid, bytes: &[u8]) -> Result<(), NodeError> {
        self.world.store.put(cid, bytes).map_err(fault)
    }
    fn read_block(&self, cid: &Cid) -> Result<Vec<u8>, NodeError> {
        self.world.store.get(cid).map_err(missing)
    }
    fn put_file(&self, source: &mut dyn Read) -> Result<Cid, NodeError> {
        let mut batch = self.world.store.batch();
        let built =
            unixfs::add(unixfs::Profile::UNIXFS_V1_2025, source, &mut *batch).map_err(fault)?;
        batch.commit().map_err(fault)?;
        Ok(built.cid)
    }
    fn read_file(&self, cid: &Cid) -> Result<Box<dyn Read + Send + '_>, NodeError> {
        let store: &dyn store::BlockStore = &self.world.store;
        Ok(Box::new(
            unixfs::Reader::open(store, *cid).map_err(missing)?,
        ))
    }
    fn pin(&self, root: &Cid) -> Result<(), NodeError> {
        self.world.store.pin(root).map(drop).map_err(fault)
    }
    fn unpin(&self, root: &Cid) -> Result<(), NodeError> {
        let _ = self.world.store.unpin(root);
        Ok(())
    }
    fn send(&self, to: AccountId, letter: &[u8]) -> Result<(), NodeError> {
        if self.world.mail_down.load(Ordering::SeqCst) {
            return Err(NodeError::Unreachable("mailbox".into()));
        }
        let mut mail = self.world.mail.lock().unwrap();
        let letters = mail.entry(to).or_default();
        if !letters.iter().any(|other| other == letter) {
            letters.push(letter.to_vec());
        }
        Ok(())
    }
    fn inbox(&self) -> Result<Vec<(Digest, Vec<u8>)>, NodeError> {
        let mail = self.world.mail.lock().unwrap();
        let letters = mail.get(&self.account).cloned().unwrap_or_default();
        Ok(letters
            .into_iter()
            .map(|letter| (Digest::of(&letter), letter))
            .collect())
    }
    fn delete_letter(&self, letter: Digest) -> Result<(), NodeError> {
        let mut mail = self.world.mail.lock().unwrap();
        mail.entry(self.account)
            .or_default()
            .retain(|other| Digest::of(other) != letter);
        Ok(())
    }
    fn put_prekeys(&self, prekeys: &[Signed<Prekey>]) -> Result<(), NodeError> {
        self.world
            .prekeys
            .lock()
            .unwrap()
            .entry(self.account)
            .or_default()
            .extend_from_slice(prekeys);
        Ok(())
    }
    fn take_prekey(&self, agent: AccountId) -> Result<Option<Signed<Prekey>>, NodeError> {
        Ok(self
            .world
            .prekeys
            .lock()
            .unwrap()
            .entry(agent)
            .or_default()
            .pop())
    }
    fn prekeys_left(&self, agent: AccountId) -> Result<usize, NodeError> {
        Ok(self
            .world
            .prekeys
            .lock()
            .unwrap()
            .entry(agent)
            .or_default()
            .len())
    }
    fn put_bag(&self, locator: Digest, head: &[u8]) -> Result<(), NodeError> {
        self.world
            .bags
            .lock()
            .unwrap()
            .insert(locator, head.to_vec());
        Ok(())
    }
    fn read_bag(&self, locator: Digest) -> Result<Option<Vec<u8>>, NodeError> {
        Ok(self.world.bags.lock().unwrap().get(&locator).cloned())
    }
}

#[derive(Default)]
pub struct MemoryVault(Mutex<BTreeMap<Place, Vec<u8>>>);

type Place = (Table, Vec<u8>);

impl Vault for MemoryVault {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(&(table, key.to_vec()))
            .cloned()
            .map(Zeroizing::new))
    }
    fn apply(&self, changes: &[Change<'_>]) -> Result<(), VaultError> {
        let mut map = self.0.lock().unwrap();
        for (table, key, value) in changes {
            match value {
                Some(value) => map.insert((*table, key.to_vec()), value.to_vec()),
                None => map.remove(&(*table, key.to_vec())),
            };
        }
        Ok(())
    }
    fn list(&self, table: Table) -> Result<Entries, VaultError> {
        let map = self.0.lock().unwrap();
        let entries = map.iter().filter(|((other, _), _)| *other == table);
        Ok(entries
            .map(|((_, key), value)| (key.clone(), Zeroizing::new(value.clone())))
            .collect())
    }
}

// -- what happens in many tests

pub const BUNDLE: &[u8] = br#"{"resourceType":"Bundle","type":"collection","entry":[ {"resource":{"resourceType":"Observation","code":{"text":"Hb"}}} ,
 {"resource":{"resourceType":"Condition","code":{"text":"anaemia"}}},{"resource":{"resourceType":"Observation","code":{"text":"CRP \u00e9"}}}, {"resource":{"resourceType":"Condition","code":{"text":"HIV"}}}]}
"#;

/// The bundle by class: two observations, a condition, a sensitive one, the skeleton.
pub fn bundle() -> RecordSource {
    let starts: Vec<u64> = BUNDLE
        .windows(12)
        .enumerate()
        .filter(|(_, at)| at == b"{\"resource\":")
        .map(|(at, _)| at as u64)
        .collect();
    let text = std::str::from_utf8(BUNDLE).unwrap();
    let entries: Vec<(u64, u64)> = starts
        .iter()
        .map(|&start| {
            let mut depth = 0;
            let length = text[start as usize..]
                .char_indices()
                .find_map(|(at, letter)| {
                    depth += i32::from(letter == '{') - i32::from(letter == '}');
                    (depth == 0).then_some(at + 1)
                });
            (start, length.unwrap() as u64)
        })
        .collect();
    let mut skeleton = Vec::new();
    let mut at = 0;
    for &(start, length) in &entries {
        skeleton.push((at, start - at));
        at = start + length;
    }
    skeleton.push((at, BUNDLE.len() as u64 - at));
    let part = |class, ranges: Vec<(u64, u64)>| PartSource {
        class,
        media_type: "application/fhir+json".into(),
        layout: Layout::new(ranges).unwrap(),
    };
    let parts = vec![
        part(Class::Laboratory, vec![entries[0], entries[2]]),
        part(Class::Condition, vec![entries[1]]),
        part(Class::Sensitive, vec![entries[3]]),
        part(Class::Skeleton, skeleton),
    ];
    let bytes: Arc<[u8]> = BUNDLE.to_vec().into();
    RecordSource::new(Box::new(bytes), parts).unwrap()
}

/// Any file as one part.
pub fn file(bytes: &[u8], class: Class) -> RecordSource {
    let bytes: Arc<[u8]> = bytes.to_vec().into();
    RecordSource::whole(Box::new(bytes), class, "application/octet-stream").unwrap()
}

pub fn wish(classes: &[Class], now: Millis) -> Wish {
    Wish {
        classes: classes.to_vec(),
        from: now.epoch(),
        to: now.epoch(),
        records: Vec::new(),
        purpose: Purpose::Research,
        words: "We study anaemia.".into(),
        until: now.plus(30 * Millis::DAY),
    }
}

impl Cast {
    pub fn publish(&self, source: &RecordSource) -> RecordId {
        let desk = self.world.desk(&self.hospital);
        share::publish::publish(
            &desk,
            self.patient.id(),
            source,
            self.world.now(),
            &mut rng(),
        )
        .unwrap()
        .record
    }

    pub fn accepted(&self, source: &RecordSource) -> RecordId {
        let record = self.publish(source);
        share::accept::accept(&self.world.wallet(&self.patient), record, &mut rng()).unwrap();
        record
    }

    /// The institute asks for classes; the patient has the letter.
    pub fn asked(&self, classes: &[Class]) -> OperationId {
        self.asked_by(&self.institute, classes)
    }

    pub fn asked_by(&self, who: &Person, classes: &[Class]) -> OperationId {
        let world = &self.world;
        let now = world.now();
        let wish = wish(classes, now);
        let sent = share::request::request(
            &world.desk(who),
            self.patient.id(),
            &wish,
            now.plus(Millis::DAY),
            None,
            &mut rng(),
        )
        .unwrap();
        let Letter::Request(letter) = world.one_letter(&self.patient).letter else {
            panic!("a request")
        };
        share::request::receive(&world.desk(&self.patient), self.patient.id(), &letter).unwrap();
        assert_eq!(
            share::request::wish_of(&world.desk(&self.patient), sent.id).unwrap(),
            Some(wish)
        );
        sent.id
    }

    pub fn choice(&self, classes: &[Class], agents: &[&Person]) -> share::authorize::Choice {
        let world = &self.world;
        let now = world.now();
        let wallet = world.wallet(&self.patient);
        share::authorize::Choice {
            sids: share::authorize::matching(&wallet, &wish(classes, now)).unwrap(),
            agents: agents.iter().map(|agent| agent.id()).collect(),
            not_before: now,
            expires: now.plus(7 * Millis::DAY),
            max_queries: 100,
            purpose: base::operation::GrantUse::Ordinary,
        }
    }

    /// Asked, granted through `agents`, every packet taken in.
    pub fn granted(&self, classes: &[Class], agents: &[&Person]) -> OperationId {
        let request = self.asked(classes);
        let choice = self.choice(classes, agents);
        self.granted_as(&self.institute, request, &choice, agents)
    }

    pub fn granted_as(
        &self,
        who: &Person,
        request: OperationId,
        choice: &share::authorize::Choice,
        agents: &[&Person],
    ) -> OperationId {
        let world = &self.world;
        let wallet = world.wallet(&self.patient);
        let grant = share::authorize::authorize(&wallet, request, choice, &mut rng())
            .unwrap()
            .id;
        for agent in agents {
            self.take_packet(agent);
        }
        let letter = world.one_letter(who);
        let Letter::Grant(packet) = &letter.letter else {
            panic!("a grant packet")
        };
        assert_eq!(
            share::open::receive_grant(&world.desk(who), packet, letter.name, letter.key).unwrap(),
            grant
        );
        assert!(
            who.vault
                .get(Table::OneTime, &letter.key.0)
                .unwrap()
                .is_none(),
            "the one-time key is gone"
        );
        grant
    }

    pub fn take_packet(&self, agent: &Person) {
        let letter = self.world.one_letter(agent);
        let Letter::Agent(packet) = &letter.letter else {
            panic!("an agent packet")
        };
        share::reencrypt::receive(&self.world.desk(agent), packet, letter.name, letter.key)
            .unwrap();
        assert!(
            agent
                .vault
                .get(Table::OneTime, &letter.key.0)
                .unwrap()
                .is_none(),
            "the prekey is gone"
        );
    }

    pub fn ask(
        &self,
        grant: OperationId,
        record: RecordId,
        part: u32,
        agent: &Person,
    ) -> share::letter::AskLetter {
        let world = &self.world;
        let expires = world.now().plus(Millis::HOUR);
        share::open::ask(
            &world.desk(&self.institute),
            grant,
            record,
            part,
            agent.id(),
            expires,
            &mut rng(),
        )
        .unwrap();
        let Letter::Ask(ask) = world.one_letter(agent).letter else {
            panic!("an ask")
        };
        ask
    }

    pub fn answer(
        &self,
        agent: &Person,
        ask: &share::letter::AskLetter,
    ) -> Result<share::reencrypt::Released, share::reencrypt::ReencryptError> {
        let clock = || self.world.now();
        share::reencrypt::answer(&self.world.desk(agent), ask, &clock, &mut rng())
    }

    pub fn answered(
        &self,
        grant: OperationId,
        record: RecordId,
        part: u32,
        agent: &Person,
    ) -> share::letter::Answer {
        let ask = self.ask(grant, record, part, agent);
        self.answer(agent, &ask).unwrap();
        let Letter::Answer(answer) = self.world.one_letter(&self.institute).letter else {
            panic!("an answer")
        };
        share::open::receive_answer(&self.world.desk(&self.institute), &answer).unwrap();
        answer
    }
}

#[allow(unused_imports)]
pub use io::Cursor;
