//! What happens in many tests.

use std::sync::Arc;

use base::{Class, Millis, OperationId, RecordId};
use share::{
    Table, Vault as _,
    letter::{Letter, Purpose, Wish},
    record::{Layout, PartSource, RecordSource},
    sealed::SealedRecord,
};
use store::BlockStore as _;

use super::{Cast, Person, rng};

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

    /// Pinned roots of a record that are no states of it: nobody would let them go.
    pub fn strays(&self, record: RecordId) -> usize {
        let desk = self.world.desk(&self.patient);
        let states = desk.node.states_of(record).unwrap();
        let stray = |root| {
            let block = desk.node.read_block(root).unwrap_or_default();
            SealedRecord::from_block(&block, record).is_ok()
                && states.iter().all(|state| state.state != *root)
        };
        let pins = self.world.store.pins().unwrap();
        pins.iter().filter(|(root, _)| stray(root)).count()
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
