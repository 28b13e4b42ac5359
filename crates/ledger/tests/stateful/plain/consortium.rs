//! Proposals and votes.

use base::{
    AccountId, OperationId,
    genesis::Policy,
    operation::{Admit, DisputeCode, Resolution, Resolve, Role, SetPolicy, Subject, Vote},
};
use ledger::{Change, Failure, Institution, Proposal, ProposalStatus};

use super::{At, No, Plain};

impl Plain {
    fn votes(&self, sender: AccountId, no: &mut No) {
        no.unless(self.deciding.contains_key(&sender), Failure::NotValidator);
    }

    pub fn admit(&mut self, at: &At, action: &Admit, no: &mut No) {
        self.votes(at.sender, no);
        match self.role(action.institution) {
            None => no.because(Failure::UnknownAccount),
            Some(Role::Hospital | Role::Requester) => {}
            Some(_) => no.because(Failure::WrongRole),
        }
        let change = Change::Admit {
            institution: action.institution,
            group: action.group,
        };
        self.propose(at, change, vec![at.sender], no);
    }

    pub fn set_policy(&mut self, at: &At, action: &SetPolicy, no: &mut No) {
        self.votes(at.sender, no);
        no.unless(sound(&action.policy), Failure::BadPolicy);
        let change = Change::Policy(action.policy.clone());
        self.propose(at, change, vec![at.sender], no);
    }

    pub fn resolve(&mut self, at: &At, action: &Resolve, no: &mut No) {
        self.votes(at.sender, no);
        match self.disputes.get(&action.dispute) {
            None => no.because(Failure::UnknownDispute),
            Some(found) => no.unless(found.resolution.is_none(), Failure::DisputeClosed),
        }
        let change = Change::Resolve {
            dispute: action.dispute,
            resolution: action.resolution,
        };
        self.propose(at, change, vec![at.sender], no);
    }

    pub fn propose(&mut self, at: &At, change: Change, votes: Vec<AccountId>, no: &No) {
        if no.any() {
            return;
        }
        let proposal = Proposal {
            id: at.id,
            change,
            votes,
            status: ProposalStatus::Open,
        };
        self.decide(proposal, at.id);
    }

    pub fn vote(&mut self, at: &At, action: &Vote, no: &mut No) {
        self.votes(at.sender, no);
        let Some(found) = self.proposals.get(&action.proposal) else {
            return no.because(Failure::UnknownProposal);
        };
        no.unless(
            found.status == ProposalStatus::Open,
            Failure::ProposalClosed,
        );
        no.unless(!found.votes.contains(&at.sender), Failure::AlreadyVoted);
        if !no.any() {
            let mut proposal = found.clone();
            proposal.votes.push(at.sender);
            self.decide(proposal, at.id);
        }
    }

    /// More than two thirds of the weight.
    fn decide(&mut self, mut proposal: Proposal, by: OperationId) {
        if self.is_enough(&proposal.votes) {
            proposal.status = match self.enact(&proposal.change, by) {
                true => ProposalStatus::Enacted(self.time),
                false => ProposalStatus::Void(self.time),
            };
        }
        self.proposals.insert(proposal.id, proposal);
    }

    fn enact(&mut self, change: &Change, by: OperationId) -> bool {
        match change {
            Change::Admit { institution, group } => {
                let before = self.institutions.get(institution);
                let admitted = before.map_or(self.time, |before| before.admitted);
                let one = Institution {
                    account: *institution,
                    group: *group,
                    admitted,
                };
                self.institutions.insert(*institution, one);
                true
            }
            Change::Seat { validator } => self.take_seat(*validator),
            Change::Expel { validator } => self.lose_seat(*validator),
            Change::Policy(policy) => {
                self.policy = policy.clone();
                true
            }
            Change::Resolve {
                dispute,
                resolution,
            } => {
                let now = self.time;
                let Some(found) = self.disputes.get_mut(dispute) else {
                    return false;
                };
                if found.resolution.is_some() {
                    return false;
                }
                found.resolution = Some((*resolution, now));
                let found = found.clone();
                if *resolution == Resolution::Upheld {
                    self.standings.entry(found.against).or_default().marks += 1;
                    if found.code == DisputeCode::Fabrication {
                        let record = match found.subject {
                            Subject::Record(record) => record,
                            Subject::Query(query) => self.queries[&query].record,
                        };
                        self.fabricated(record, found.id, by);
                    }
                }
                true
            }
        }
    }
}

/// A policy that does not contradict itself.
fn sound(policy: &Policy) -> bool {
    let tariff = &policy.tariff;
    let mut last = 0;
    for tier in &policy.tiers {
        if *tier <= last {
            return false;
        }
        last = *tier;
    }
    let duties = policy.duties.unwrap_or_default();
    let shortest = policy.recovery_delay.unwrap_or(3 * 86_400_000);
    [
        tariff.patient_first,
        tariff.patient_more,
        tariff.hospital,
        tariff.agent,
        tariff.fabrication,
        duties.missed_turn,
        duties.double_sign,
    ]
    .iter()
    .all(|amount| *amount <= 1_000_000)
        && policy.tiers.len() < 256
        && policy.half_life_days != 0
        && policy.emergency_hours != 0
        && shortest != 0
        && shortest <= 365 * 86_400_000
        && duties.epoch >= 60_000
        && duties.epoch <= 366 * 86_400_000
}
