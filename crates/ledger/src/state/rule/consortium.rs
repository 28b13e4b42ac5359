//! The consortium: proposals and votes of its validators. A validator's proposal is its
//! vote as well; with more than two thirds of the weight it takes effect.

use base::{
    AccountId,
    operation::{Admit, DisputeCode, Resolution, Resolve, SetPolicy, Subject, Vote},
};

use super::{Stop, Work, account::can_be_admitted, ensure, validators};
use crate::{
    credit,
    leaf::Failure,
    state::{
        List,
        entry::{Change, DisputeState, Institution, Proposal, ProposalStatus, QueryState, Record},
        policy_is_sound,
    },
};

pub(super) fn admit(work: &mut Work<'_, '_>, action: &Admit) -> Result<(), Stop> {
    require_validator(work)?;
    let role = work.account(action.institution)?.role;
    ensure(can_be_admitted(role), Failure::WrongRole)?;
    let votes = vec![work.sender];
    propose(
        work,
        Change::Admit {
            institution: action.institution,
            group: action.group,
        },
        votes,
    )
}

pub(super) fn set_policy(work: &mut Work<'_, '_>, action: &SetPolicy) -> Result<(), Stop> {
    require_validator(work)?;
    ensure(policy_is_sound(&action.policy), Failure::BadPolicy)?;
    let votes = vec![work.sender];
    propose(work, Change::Policy(action.policy.clone()), votes)
}

pub(super) fn resolve(work: &mut Work<'_, '_>, action: &Resolve) -> Result<(), Stop> {
    require_validator(work)?;
    open_dispute(work, action)?;
    let votes = vec![work.sender];
    propose(
        work,
        Change::Resolve {
            dispute: action.dispute,
            resolution: action.resolution,
        },
        votes,
    )
}

fn open_dispute(work: &Work<'_, '_>, action: &Resolve) -> Result<(), Stop> {
    let dispute = work.get::<DisputeState>(&action.dispute)?;
    let dispute = dispute.ok_or(Failure::UnknownDispute)?;
    ensure(dispute.resolution.is_none(), Failure::DisputeClosed)
}

pub(super) fn vote(work: &mut Work<'_, '_>, action: &Vote) -> Result<(), Stop> {
    require_validator(work)?;
    let found = work.get::<Proposal>(&action.proposal)?;
    let mut proposal = found.ok_or(Failure::UnknownProposal)?;
    ensure(
        proposal.status == ProposalStatus::Open,
        Failure::ProposalClosed,
    )?;
    ensure(
        !proposal.votes.contains(&work.sender),
        Failure::AlreadyVoted,
    )?;
    proposal.votes.push(work.sender);
    decide(work, proposal)
}

pub(super) fn require_validator(work: &Work<'_, '_>) -> Result<(), Stop> {
    ensure(
        work.block.validators.key(work.sender).is_some(),
        Failure::NotValidator,
    )
}

pub(super) fn propose(
    work: &mut Work<'_, '_>,
    change: Change,
    votes: Vec<AccountId>,
) -> Result<(), Stop> {
    work.list_item(List::Proposals);
    let proposal = Proposal {
        id: work.id,
        change,
        votes,
        status: ProposalStatus::Open,
    };
    decide(work, proposal)
}

/// Stores a proposal, and enacts it when enough validators are for it.
fn decide(work: &mut Work<'_, '_>, mut proposal: Proposal) -> Result<(), Stop> {
    if work.block.validators.decides(&proposal.votes) {
        let enacted = enact(work, &proposal.change)?;
        proposal.status = if enacted {
            ProposalStatus::Enacted(work.now())
        } else {
            ProposalStatus::Void(work.now())
        };
    }
    work.put(&proposal.id, &proposal);
    Ok(())
}

/// Whether there was still something to change.
fn enact(work: &mut Work<'_, '_>, change: &Change) -> Result<bool, Stop> {
    match change {
        Change::Admit { institution, group } => {
            let before = work.get::<Institution>(institution)?;
            let institution = Institution {
                account: *institution,
                group: *group,
                admitted: before.map_or(work.now(), |before| before.admitted),
            };
            work.put(&institution.account, &institution);
            if before.is_none() {
                work.list_other(List::Institutions, institution.account.0);
            }
            Ok(true)
        }
        Change::Policy(policy) => {
            work.put(&(), policy);
            Ok(true)
        }
        Change::Seat { validator } => validators::seat(work, *validator),
        Change::Expel { validator } => validators::unseat(work, *validator),
        Change::Resolve {
            dispute,
            resolution,
        } => {
            let found = work.get::<DisputeState>(dispute)?;
            let mut dispute = found.ok_or(Failure::UnknownDispute)?;
            if dispute.resolution.is_some() {
                return Ok(false);
            }
            dispute.resolution = Some((*resolution, work.now()));
            work.put(&dispute.id, &dispute);
            if *resolution == Resolution::Upheld {
                uphold(work, &dispute)?;
            }
            Ok(true)
        }
    }
}

/// A mark for whom the dispute is against; a proven fabrication costs the hospital as
/// well, once for a record.
fn uphold(work: &mut Work<'_, '_>, dispute: &DisputeState) -> Result<(), Stop> {
    credit::mark(work, dispute.against)?;
    if dispute.code != DisputeCode::Fabrication {
        return Ok(());
    }
    let record = match dispute.subject {
        Subject::Record(record) => record,
        Subject::Query(query) => {
            let query = work.get::<QueryState>(&query)?;
            query.ok_or(Failure::UnknownQuery)?.record
        }
    };
    let found = work.get::<Record>(&record)?;
    let mut record = found.ok_or(Failure::UnknownRecord)?;
    if record.fabricated.is_none() {
        record.fabricated = Some(dispute.id);
        work.put(&record.id, &record);
        credit::punish_fabrication(work, record.hospital)?;
    }
    Ok(())
}
