//! Reports and evidence against an agent: only what it signed and logged counts, and only
//! against itself.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{
    Class, Digest, OperationId, RecordId, Signed, codec,
    operation::{DisputeCode, Subject},
};
use ibpre::AuditVerdict;
use share::{
    Table, Vault as _,
    dispute::{self, DisputeError},
    letter::{AgentPacket, Answer, AuditFile, Evidence, EvidenceLetter, Letter, OpenFailure},
    open,
    part::State,
};
use world::{Cast, Person, bundle, refused, rng};

const LAB: &[Class] = &[Class::Laboratory];

/// An answer of the first agent under a grant that names two.
struct Case {
    cast: Cast,
    record: RecordId,
    grant: OperationId,
    answer: Answer,
}

impl Case {
    fn new() -> Self {
        let cast = Cast::new();
        let record = cast.accepted(&bundle());
        let grant = cast.granted(LAB, &[&cast.agent, &cast.second_agent]);
        let answer = cast.answered(grant, record, 0, &cast.agent);
        Self {
            cast,
            record,
            grant,
            answer,
        }
    }

    fn failure(&self) -> OpenFailure {
        OpenFailure {
            chain: self.cast.world.chain(),
            grant: self.grant,
            agent: self.cast.agent.id(),
            answer: self.answer.clone(),
        }
    }

    /// The patient, or another one, takes the requester's report in.
    fn reported(&self, failure: OpenFailure, to: &Person) -> Result<AuditVerdict, DisputeError> {
        let failure = Signed::new(failure, &self.cast.institute.party.operation);
        dispute::receive_failure(&self.cast.world.wallet(to), &failure)
    }

    /// All that an audit of the answer needs.
    fn file(&self) -> AuditFile {
        let patient = &self.cast.patient;
        let agent = self.cast.agent.id();
        let packets = patient.vault.list(Table::Openings).unwrap();
        let mut packets = packets.iter().filter(|(key, _)| key.ends_with(&agent.0));
        let packet: AgentPacket = codec::decode(&packets.next().unwrap().1).unwrap();
        let desk = self.cast.world.desk(patient);
        let accepted = desk.record(self.record).unwrap().accepted.unwrap();
        let state = State::load(&desk, self.record, accepted).unwrap();
        AuditFile {
            grant: self.grant,
            agent,
            key: packet.keys[0].clone(),
            answer: self.answer.clone(),
            capsule: state.sealed.parts[0].capsule,
        }
    }

    /// Somebody disputes with this evidence; the arbiter has the letter.
    fn disputed(&self, subject: Subject, evidence: Evidence) -> (OperationId, EvidenceLetter) {
        let (code, arbiter) = (DisputeCode::Fabrication, &self.cast.other_hospital);
        let desk = self.cast.world.desk(&self.cast.stranger);
        let sent = dispute::dispute(&desk, subject, code, evidence, arbiter.id(), &mut rng());
        let Letter::Evidence(letter) = self.cast.world.one_letter(arbiter).letter else {
            panic!("evidence")
        };
        (sent.unwrap().id, letter)
    }

    fn examined(
        &self,
        dispute: OperationId,
        letter: &EvidenceLetter,
    ) -> Result<Option<AuditVerdict>, DisputeError> {
        let arbiter = &self.cast.other_hospital;
        dispute::examine(&self.cast.world.desk(arbiter), dispute, letter)
    }

    fn query(&self) -> Subject {
        Subject::Query(self.answer.query)
    }
}

fn nobody_is_distrusted(by: &Person) {
    assert!(by.vault.list(Table::Distrusted).unwrap().is_empty());
}

/// The same answer with another result, which the agent signs but did not log.
fn other_result(answer: &Answer, agent: &Person) -> Answer {
    let mut other = answer.clone();
    other.result[50] ^= 1;
    other.word = Signed::new(
        share::letter::Reencrypted {
            result: Digest::of(&other.result),
            ..answer.word.body
        },
        &agent.party.operation,
    );
    other
}

#[test]
fn a_report_is_about_a_grant_of_hers_on_this_ledger() {
    let case = Case::new();
    let (patient, stranger) = (&case.cast.patient, &case.cast.stranger);
    refused!(
        case.reported(case.failure(), stranger),
        DisputeError::NotMine
    );
    let other_chain = OpenFailure {
        chain: base::ChainId([3; 32]),
        ..case.failure()
    };
    refused!(case.reported(other_chain, patient), DisputeError::NotMine);
    nobody_is_distrusted(stranger);
    nobody_is_distrusted(patient);
    let verdict = case.reported(case.failure(), patient).unwrap();
    assert_eq!(verdict, AuditVerdict::Honest);
}

#[test]
fn what_an_agent_did_not_both_sign_and_log_ends_no_use_of_it() {
    let case = Case::new();
    let cast = &case.cast;
    // signed, and another result logged
    let signed = OpenFailure {
        answer: other_result(&case.answer, &cast.agent),
        ..case.failure()
    };
    // logged, and another result signed
    let mut logged = case.failure();
    logged.answer.word = signed.answer.word.clone();
    // signed by one agent, logged by another
    let mut mixed = case.failure();
    mixed.agent = cast.second_agent.id();
    mixed.answer.word = Signed::new(case.answer.word.body, &cast.second_agent.party.operation);
    for failure in [signed, logged, mixed] {
        refused!(
            case.reported(failure, &cast.patient),
            DisputeError::OtherEvidence
        );
        nobody_is_distrusted(&cast.patient);
    }
}

#[test]
fn evidence_is_about_what_the_dispute_names() {
    let case = Case::new();
    let evidence = |file: AuditFile| Evidence::LyingAgent(Box::new(file));
    let (id, letter) = case.disputed(case.query(), evidence(case.file()));
    let verdict = case.examined(id, &letter).unwrap();
    assert_eq!(verdict, Some(AuditVerdict::Honest));
    let other_subject = EvidenceLetter {
        subject: Subject::Record(case.record),
        ..letter
    };
    refused!(
        case.examined(id, &other_subject),
        DisputeError::OtherEvidence
    );
    // a query's audit says nothing in a dispute about a record
    let (id, letter) = case.disputed(Subject::Record(case.record), evidence(case.file()));
    refused!(case.examined(id, &letter), DisputeError::OtherEvidence);
    // nor do an agent's words about another scope or grant, or about what it did not log
    let mut other_scope = case.file();
    let mut word = case.answer.word.body;
    word.gid = base::GrantId([6; 32]);
    other_scope.answer.word = Signed::new(word, &case.cast.agent.party.operation);
    let mut not_logged = case.file();
    not_logged.answer = other_result(&case.answer, &case.cast.agent);
    for file in [other_scope, not_logged] {
        let (id, letter) = case.disputed(case.query(), evidence(file));
        refused!(case.examined(id, &letter), DisputeError::OtherEvidence);
    }
    // words are read, not audited
    let (id, letter) = case.disputed(case.query(), Evidence::Words("He lied.".into()));
    assert_eq!(case.examined(id, &letter).unwrap(), None);
}

#[test]
fn each_agent_is_audited_with_its_own_key_for_each_scope() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let agents = [&cast.agent, &cast.second_agent];
    let grant = cast.granted(&[Class::Laboratory, Class::Condition], &agents);
    for part in [0, 1] {
        for agent in agents {
            let answer = cast.answered(grant, record, part, agent);
            open::report(&world.desk(&cast.institute), &answer, &mut rng()).unwrap();
            let Letter::Failure(failure) = world.one_letter(&cast.patient).letter else {
                panic!("a report")
            };
            let verdict = dispute::receive_failure(&world.wallet(&cast.patient), &failure);
            assert_eq!(verdict.unwrap(), AuditVerdict::Honest);
        }
    }
}
