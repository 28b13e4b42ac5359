//! A lying agent is caught, proven and heard; an honest one is cleared.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{Class, Signed};
use ibpre::AuditVerdict;
use share::{
    Table, Vault as _,
    authorize::{self, AuthorizeError},
    dispute,
    letter::{Answer, Letter},
    open::{self, OpenError},
};
use world::{Cast, Person, astray, bundle, refused, rng};

const LAB: &[Class] = &[Class::Laboratory];

/// An agent that logs and signs a corrupted re-encryption.
fn lie(cast: &Cast, agent: &Person, ask: &share::letter::AskLetter) -> Answer {
    astray(cast, agent, ask, None, |c2| {
        for byte in c2.iter_mut().skip(40).take(300) {
            *byte ^= 0x5a;
        }
    })
}

#[test]
fn a_lying_agent_is_caught_and_proven() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent, &cast.second_agent]);
    let answer = lie(&cast, &cast.agent, &cast.ask(grant, record, 0, &cast.agent));
    let desk = world.desk(&cast.institute);
    refused!(
        open::open(&desk, &answer, &mut Vec::new()),
        OpenError::DoesNotOpen
    );

    // told to the patient alone, who audits it and uses that agent no more for that scope
    open::report(&desk, &answer, &mut rng()).unwrap();
    assert!(world.post(&cast.agent).is_empty());
    let Letter::Failure(failure) = world.one_letter(&cast.patient).letter else {
        panic!()
    };
    let wallet = world.wallet(&cast.patient);
    assert_eq!(
        dispute::receive_failure(&wallet, &failure).unwrap(),
        AuditVerdict::Lied
    );
    let request = cast.asked(LAB);
    let choice = cast.choice(LAB, &[&cast.agent]);
    refused!(
        authorize::authorize(&wallet, request, &choice, &mut rng()),
        AuthorizeError::Distrusted { .. }
    );

    // evidence for an arbiter, after the scope was rotated
    let arbiter = &cast.other_hospital;
    refused!(
        dispute::dispute_agent(&wallet, &failure, arbiter.id(), &mut rng()),
        dispute::DisputeError::RotateFirst
    );
    share::rotate::rotate(&wallet, choice.sids[0], &mut rng()).unwrap();
    let disputed = dispute::dispute_agent(&wallet, &failure, arbiter.id(), &mut rng()).unwrap();
    let Letter::Evidence(evidence) = world.one_letter(arbiter).letter else {
        panic!()
    };
    let verdict = dispute::examine(&world.desk(arbiter), disputed.id, &evidence).unwrap();
    assert_eq!(verdict, Some(AuditVerdict::Lied));
    let mut other = evidence.clone();
    other.salt.0[0] ^= 1;
    refused!(
        dispute::examine(&world.desk(arbiter), disputed.id, &other),
        dispute::DisputeError::OtherEvidence
    );
}

#[test]
fn a_report_ends_the_use_of_an_agent_at_once() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent, &cast.second_agent]);
    let answer = cast.answered(grant, record, 0, &cast.agent);
    let desk = world.desk(&cast.institute);
    open::report(&desk, &answer, &mut rng()).unwrap();

    // the requester asks another agent of the grant
    let expires = world.now().plus(base::Millis::HOUR);
    let ask = |agent: &Person| open::ask(&desk, grant, record, 0, agent.id(), expires, &mut rng());
    refused!(ask(&cast.agent), OpenError::Distrusted(agent) if agent == cast.agent.id());
    ask(&cast.second_agent).unwrap();
    let choice = cast.choice(LAB, &[&cast.agent]);
    let sid = choice.sids[0];
    let agents = vec![cast.agent.id(), cast.second_agent.id()];
    assert_eq!(
        open::trusted(&desk, sid, agents).unwrap(),
        [cast.second_agent.id()]
    );

    // the patient cannot audit it: as after a restore, her keys for it are gone
    let Letter::Failure(failure) = world.one_letter(&cast.patient).letter else {
        panic!()
    };
    let vault = &cast.patient.vault;
    let openings = vault.list(Table::Openings).unwrap();
    assert_eq!(openings.len(), 2, "one for each agent");
    for (key, _) in &openings {
        vault.delete(Table::Openings, key).unwrap();
    }
    let wallet = world.wallet(&cast.patient);
    refused!(
        dispute::receive_failure(&wallet, &failure),
        dispute::DisputeError::NoOpening
    );
    let request = cast.asked(LAB);
    refused!(
        authorize::authorize(&wallet, request, &choice, &mut rng()),
        AuthorizeError::Distrusted { agent, .. } if agent == cast.agent.id()
    );
    // an audit clears it
    for (key, value) in &openings {
        vault.put(Table::Openings, key, value).unwrap();
    }
    assert_eq!(
        dispute::receive_failure(&wallet, &failure).unwrap(),
        AuditVerdict::Honest
    );
    authorize::authorize(&wallet, request, &choice, &mut rng()).unwrap();
}

#[test]
fn a_report_without_the_agents_answer_ends_nothing() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let mut answer = cast.answered(grant, record, 0, &cast.agent);
    answer.result[50] ^= 1;
    let failure = share::letter::OpenFailure {
        chain: world.chain(),
        grant,
        agent: cast.agent.id(),
        answer,
    };
    let failure = Signed::new(failure, &cast.institute.party.operation);
    let wallet = world.wallet(&cast.patient);
    refused!(
        dispute::receive_failure(&wallet, &failure),
        dispute::DisputeError::OtherEvidence
    );
    let distrusted = cast.patient.vault.list(Table::Distrusted).unwrap();
    assert!(distrusted.is_empty());
}

#[test]
fn an_honest_agent_is_cleared() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let grant = cast.granted(LAB, &[&cast.agent]);
    let answer = cast.answered(grant, record, 0, &cast.agent);
    open::report(&world.desk(&cast.institute), &answer, &mut rng()).unwrap();
    let Letter::Failure(failure) = world.one_letter(&cast.patient).letter else {
        panic!()
    };
    let wallet = world.wallet(&cast.patient);
    assert_eq!(
        dispute::receive_failure(&wallet, &failure).unwrap(),
        AuditVerdict::Honest
    );
    let forged = Signed::new(failure.body.clone(), &cast.agent.party.operation);
    refused!(
        dispute::receive_failure(&wallet, &forged),
        dispute::DisputeError::NotMine
    );
}
