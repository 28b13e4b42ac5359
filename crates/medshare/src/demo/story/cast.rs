//! Who plays: a node, three hospitals, a research institute, agents of each, patients.
//! Every name is invented.

use super::super::{party::Party, stage::Stage};
use crate::exit::Result;

/// Everybody.
#[derive(Debug)]
pub(super) struct Cast {
    /// Keeps ledger and store.
    pub(super) node: Party,
    /// Publishes; attests.
    pub(super) northgate: Party,
    /// Publishes; attests.
    pub(super) riverside: Party,
    /// Publishes; requests.
    pub(super) brigid: Party,
    /// Requests.
    pub(super) helix: Party,
    /// Northgate's agent.
    pub(super) north_agent: Party,
    /// Riverside's agent.
    pub(super) river_agent: Party,
    /// Helix's own agent: never to be used for Helix.
    pub(super) helix_agent: Party,
    /// St. Brigid's agent; it lies.
    pub(super) liar: Party,
    /// The patients.
    pub(super) mara: Party,
    pub(super) tomas: Party,
    pub(super) ines: Party,
}

impl Cast {
    /// A folder and a passphrase for everybody; no home yet.
    pub(super) fn new(stage: &Stage) -> Result<Self> {
        Ok(Self {
            node: stage.party("node", "the node")?,
            northgate: stage.party("northgate", "Northgate")?,
            riverside: stage.party("riverside", "Riverside")?,
            brigid: stage.party("brigid", "St. Brigid's")?,
            helix: stage.party("helix", "Helix")?,
            north_agent: stage.party("northgate-agent", "Northgate's agent")?,
            river_agent: stage.party("riverside-agent", "Riverside's agent")?,
            helix_agent: stage.party("helix-agent", "Helix's own agent")?,
            liar: stage.party("brigid-agent", "St. Brigid's agent")?,
            mara: stage.party("mara", "Mara")?,
            tomas: stage.party("tomas", "Tomas")?,
            ines: stage.party("ines", "Ines")?,
        })
    }

    /// Institutions of the consortium, with their role.
    pub(super) fn institutions(&self) -> [(&Party, &'static str); 4] {
        [
            (&self.northgate, "hospital"),
            (&self.riverside, "hospital"),
            (&self.brigid, "hospital"),
            (&self.helix, "requester"),
        ]
    }

    /// Agents, each with its institution.
    pub(super) fn agents(&self) -> [(&Party, &Party); 4] {
        [
            (&self.north_agent, &self.northgate),
            (&self.river_agent, &self.riverside),
            (&self.helix_agent, &self.helix),
            (&self.liar, &self.brigid),
        ]
    }

    /// Patients, each with the hospital that knows her face and holds her records.
    pub(super) fn patients(&self) -> [(&Party, &Party); 3] {
        [
            (&self.mara, &self.northgate),
            (&self.tomas, &self.riverside),
            (&self.ines, &self.brigid),
        ]
    }

    /// What people call the holder of an account.
    pub(super) fn name_of(&self, account: &str) -> &'static str {
        let patients = self.patients().map(|(patient, _)| patient);
        let institutions = self.institutions().map(|(institution, _)| institution);
        let agents = self.agents().map(|(agent, _)| agent);
        let mut everybody = patients.into_iter().chain(institutions).chain(agents);
        everybody
            .find(|party| party.account() == account)
            .map_or("somebody else", |party| party.name)
    }

    /// For each patient: another hospital that treats her, and an agent of a third
    /// institution. Credit is minted only where publisher, agent and querier are three.
    pub(super) fn treatments(&self) -> [(&Party, &Party); 3] {
        [
            (&self.brigid, &self.river_agent),
            (&self.northgate, &self.helix_agent),
            (&self.riverside, &self.north_agent),
        ]
    }

    /// For each patient: the agent of the institute's study.
    pub(super) fn study_agents(&self) -> [&Party; 3] {
        [&self.river_agent, &self.north_agent, &self.north_agent]
    }
}
