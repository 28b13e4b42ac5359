//! Proposals and votes of several validators.

use base::{OperationId, Statement as _, genesis::Policy, operation::*};
use ledger::{Failure, Outcome, ProposalStatus, check_batch};

use crate::world::*;

/// A ledger of four validators whose blocks three of them sign.
struct Consortium(World);

impl Consortium {
    fn new() -> Self {
        let genesis = genesis(&["node", "n2", "n3", "n4"], &[], Policy::default());
        Self(World::empty(genesis))
    }

    fn send(&mut self, name: &str, action: impl Into<Action>) -> (OperationId, Outcome) {
        let operation = self.0.sign(name, action);
        self.0.time += 1;
        let ledger = self.0.ledger();
        let view = ledger.view().unwrap();
        let bytes = vec![operation.to_bytes().0];
        let checked = check_batch(bytes, ledger.validators().chain(), &view).unwrap();
        let checked = checked.into_iter().map(|result| result.unwrap()).collect();
        let pending = ledger
            .propose(checked, self.0.now(), self.0.slot())
            .unwrap();
        let header = pending.header().clone();
        let mut certificate = self.0.certificate(&header);
        certificate.signatures.clear();
        // two of four are not enough
        for signer in ["node", "n2", "n3"] {
            assert!(ledger.commit(pending.clone(), certificate.clone()).is_err());
            let signature = secret(signer).sign(&header.preimage());
            certificate.signatures.push((id(signer), signature));
        }
        let receipt = ledger.commit(pending, certificate).unwrap().remove(0);
        receipt
            .clone()
            .verify(&ledger.validators(), &operation)
            .unwrap();
        self.0.check_invariants();
        (receipt.id, receipt.outcome)
    }

    fn ok(&mut self, name: &str, action: impl Into<Action>) -> OperationId {
        let (id, outcome) = self.send(name, action);
        assert_eq!(outcome, Outcome::Ok, "{name}");
        id
    }

    fn fails(&mut self, name: &str, action: impl Into<Action>, failure: Failure) {
        let (_, outcome) = self.send(name, action);
        assert_eq!(outcome, Outcome::Failed(failure), "{name}");
    }

    fn status(&self, proposal: OperationId) -> ProposalStatus {
        self.0.view().proposal(proposal).unwrap().unwrap().status
    }
}

#[test]
fn admission_takes_more_than_two_thirds() {
    let mut consortium = Consortium::new();
    let register =
        |consortium: &Consortium, name: &str, role| registration(consortium.0.chain(), name, role);
    let hospital = register(&consortium, "mercy", Role::Hospital);
    consortium.ok("mercy", hospital);
    let outsider = register(&consortium, "outsider", Role::Node);
    consortium.ok("outsider", outsider);
    let patient = register(&consortium, "pat", Role::Patient);
    consortium.ok("pat", patient);
    let admit = Admit {
        institution: id("mercy"),
        group: Some(3),
        nonce: nonce("1"),
    };
    consortium.fails("outsider", admit, Failure::NotValidator);
    consortium.fails("mercy", admit, Failure::WrongRole);
    consortium.fails(
        "node",
        Admit {
            institution: id("pat"),
            ..admit
        },
        Failure::WrongRole,
    );
    consortium.fails(
        "node",
        Admit {
            institution: id("x"),
            ..admit
        },
        Failure::UnknownAccount,
    );
    let proposal = consortium.ok("node", admit);
    consortium.fails("node", Vote { proposal }, Failure::AlreadyVoted);
    consortium.fails("outsider", Vote { proposal }, Failure::NotValidator);
    consortium.fails(
        "n2",
        Vote {
            proposal: OperationId::of(b"x"),
        },
        Failure::UnknownProposal,
    );
    consortium.ok("n2", Vote { proposal });
    assert_eq!(consortium.status(proposal), ProposalStatus::Open);
    assert!(
        consortium
            .0
            .view()
            .institution(id("mercy"))
            .unwrap()
            .is_none()
    );
    consortium.ok("n3", Vote { proposal });
    assert!(matches!(
        consortium.status(proposal),
        ProposalStatus::Enacted(_)
    ));
    let admitted = consortium
        .0
        .view()
        .institution(id("mercy"))
        .unwrap()
        .unwrap();
    assert_eq!(admitted.group, Some(3));
    consortium.fails("n4", Vote { proposal }, Failure::ProposalClosed);
}

#[test]
fn policies_change_by_vote_and_must_be_sound() {
    let mut consortium = Consortium::new();
    let bad = Policy {
        tiers: vec![5, 5],
        ..Policy::default()
    };
    consortium.fails("node", SetPolicy { policy: bad }, Failure::BadPolicy);
    let bad = Policy {
        half_life_days: 0,
        ..Policy::default()
    };
    consortium.fails("node", SetPolicy { policy: bad }, Failure::BadPolicy);
    let policy = Policy {
        emergency_hours: 12,
        ..Policy::default()
    };
    let proposal = consortium.ok(
        "node",
        SetPolicy {
            policy: policy.clone(),
        },
    );
    consortium.ok("n2", Vote { proposal });
    assert_eq!(consortium.0.view().policy().unwrap(), Policy::default());
    consortium.ok("n4", Vote { proposal });
    assert_eq!(consortium.0.view().policy().unwrap(), policy);
}

#[test]
fn a_dispute_ends_once() {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c")]);
    let dispute = |subject, code| Dispute {
        subject,
        code,
        commitment: digest("evidence"),
    };
    let unknown = Subject::Record(record_id("mercy", "x"));
    world.fails(
        "institute",
        dispute(unknown, DisputeCode::Fabrication),
        Failure::UnknownRecord,
    );
    let of_record = Subject::Record(record);
    world.fails(
        "institute",
        dispute(of_record, DisputeCode::LyingAgent),
        Failure::BadShape,
    );
    let unknown = Subject::Query(OperationId::of(b"x"));
    world.fails(
        "pat",
        dispute(unknown, DisputeCode::LyingAgent),
        Failure::UnknownQuery,
    );
    let first = world.ok("institute", dispute(of_record, DisputeCode::Fabrication));
    let second = world.ok("pat", dispute(of_record, DisputeCode::Fabrication));
    let resolve = |dispute, resolution| Resolve {
        dispute,
        resolution,
    };
    world.fails(
        "mercy",
        resolve(first, Resolution::Dismissed),
        Failure::WrongRole,
    );
    let none = OperationId::of(b"x");
    world.fails(
        "node",
        resolve(none, Resolution::Upheld),
        Failure::UnknownDispute,
    );
    world.ok("node", resolve(first, Resolution::Upheld));
    world.fails(
        "node",
        resolve(first, Resolution::Dismissed),
        Failure::DisputeClosed,
    );
    assert_eq!(world.view().balance(id("mercy")).unwrap().amount, -200);
    // the same record is paid for once; the second dispute leaves a mark
    world.ok("node", resolve(second, Resolution::Upheld));
    assert_eq!(world.view().balance(id("mercy")).unwrap().amount, -200);
    assert_eq!(
        world.view().standing(id("mercy")).unwrap().unwrap().marks,
        2
    );
    assert_eq!(world.view().totals().unwrap().burnt, 200);
    // dismissed: nothing happens
    let third = world.ok("pat", dispute(of_record, DisputeCode::WrongPatient));
    world.ok("node", resolve(third, Resolution::Dismissed));
    assert_eq!(
        world.view().standing(id("mercy")).unwrap().unwrap().marks,
        2
    );
}

#[test]
fn two_proposals_for_one_dispute() {
    let mut consortium = Consortium::new();
    for (name, role) in [("mercy", Role::Hospital), ("pat", Role::Patient)] {
        let register = registration(consortium.0.chain(), name, role);
        consortium.ok(name, register);
    }
    let admit = Admit {
        institution: id("mercy"),
        group: None,
        nonce: nonce("1"),
    };
    let proposal = consortium.ok("node", admit);
    consortium.ok("n2", Vote { proposal });
    consortium.ok("n3", Vote { proposal });
    let publish = consortium.0.publishing("mercy", "pat", "r");
    consortium.ok("mercy", publish);
    let dispute = consortium.ok(
        "pat",
        Dispute {
            subject: Subject::Record(publish.record),
            code: DisputeCode::Fabrication,
            commitment: digest("evidence"),
        },
    );
    let up = consortium.ok(
        "node",
        Resolve {
            dispute,
            resolution: Resolution::Upheld,
        },
    );
    let down = consortium.ok(
        "n2",
        Resolve {
            dispute,
            resolution: Resolution::Dismissed,
        },
    );
    for (voter, proposal) in [("n2", up), ("node", down), ("n3", up), ("n3", down)] {
        consortium.ok(voter, Vote { proposal });
    }
    assert!(matches!(consortium.status(up), ProposalStatus::Enacted(_)));
    assert!(matches!(consortium.status(down), ProposalStatus::Void(_)));
    assert_eq!(consortium.0.view().totals().unwrap().burnt, 200);
}
