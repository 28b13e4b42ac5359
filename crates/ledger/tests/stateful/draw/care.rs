//! Reviews, emergencies, disputes, vouchers.

use base::{RecordId, operation::*};

use super::*;

type Drawn = Option<(AccountId, Action)>;

impl Draw {
    fn answer(&self, random: &mut Random, model: &Plain) -> Option<ledger::QueryState> {
        let all: Vec<_> = model.queries.values().cloned().collect();
        random.maybe(&all)
    }

    pub fn review(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let any = random.once_in(10);
        let open = model
            .queries
            .values()
            .filter(|it| any || it.review.is_none());
        let found = random.maybe(&open.cloned().collect::<Vec<_>>())?;
        let verdicts = [
            Verdict::Accepted,
            Verdict::Accepted,
            Verdict::Accepted,
            Verdict::Accepted,
            Verdict::NotAsRequested,
            Verdict::PoorQuality,
            Verdict::Fabricated,
        ];
        let action = Review {
            query: match random.once_in(25) {
                true => random.maybe(&model.log)?.0,
                false => found.id,
            },
            verdict: random.pick(&verdicts),
            evidence: random.once_in(2).then(|| digest("evidence")),
        };
        Some((found.querier, action.into()))
    }

    pub fn emergency(&mut self, random: &mut Random) -> Drawn {
        let action = Emergency {
            patient: self.of(random, &PATIENTS),
            code: random.pick(&[EmergencyCode::Unresponsive, EmergencyCode::BreakTheGlass]),
        };
        Some((self.of(random, &HOSPITALS), action.into()))
    }

    pub fn dispute(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let subject = match random.below(10) {
            0 => Subject::Record(RecordId([9; 32])),
            1 => Subject::Query(random.maybe(&model.log)?.0),
            2..5 => {
                let records: Vec<_> = model.records.keys().copied().collect();
                Subject::Record(random.maybe(&records)?)
            }
            _ => Subject::Query(self.answer(random, model)?.id),
        };
        let codes = [
            DisputeCode::Fabrication,
            DisputeCode::Fabrication,
            DisputeCode::LyingAgent,
            DisputeCode::WrongPatient,
            DisputeCode::Misuse,
        ];
        let action = Dispute {
            subject,
            code: random.pick(&codes),
            commitment: digest("complaint"),
        };
        Some((self.anybody(random), action.into()))
    }

    pub fn resolve(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let any = random.once_in(10);
        let open = model
            .disputes
            .values()
            .filter(|it| any || it.resolution.is_none());
        let open: Vec<_> = open.map(|it| it.id).collect();
        let action = Resolve {
            dispute: match random.once_in(20) {
                true => random.maybe(&model.log)?.0,
                false => random.maybe(&open)?,
            },
            resolution: random.pick(&[
                Resolution::Upheld,
                Resolution::Upheld,
                Resolution::Dismissed,
            ]),
        };
        let sender = match random.once_in(20) {
            true => self.anybody(random),
            false => random.pick(&model.validators()),
        };
        Some((sender, action.into()))
    }

    pub fn redeem(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let all: Vec<_> = model.vouchers.keys().copied().collect();
        let none = VoucherId {
            account: self.anybody(random),
            tier: 1,
        };
        let voucher = match random.once_in(10) {
            true => none,
            false => random.maybe(&all).unwrap_or(none),
        };
        let action = Redeem {
            voucher,
            hospital: self.of(random, &HOSPITALS),
        };
        let sender = match random.once_in(10) {
            true => self.anybody(random),
            false => voucher.account,
        };
        Some((sender, action.into()))
    }
}
