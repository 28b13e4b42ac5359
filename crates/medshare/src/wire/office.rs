//! A node's inside behind its interface: who orders, and whom it is linked to.

use consensus::Sequencer;
use std::{sync::Arc, time::Duration};
use tokio::runtime::Runtime;

#[cfg(feature = "peers")]
use super::peers::Joined;
use super::{
    MAX_STREAMS, NodeParts, Opened,
    orderer::{AskValidator, Orderer},
    require_peers,
};
use crate::{
    exit::{Exit, Fault, Result},
    http::{
        events::Readers,
        interface::{Finder, Interface, NEWCOMER_RATE, PREKEYS_LEFT, PREKEYS_TAKEN},
        limit::{Rate, Rates},
        message::NodeStanding,
        operator::Jobs,
        relay::Relay,
        session::Sessions,
        ticket::Gate,
        turn::Turns,
    },
    system,
};

/// An open node.
pub(super) struct Office {
    interface: Arc<Interface>,
    orderer: Option<Orderer>,
    #[cfg(feature = "peers")]
    joined: Option<Joined>,
}

/// What other nodes do for the interface.
#[derive(Default)]
pub(super) struct Elsewhere {
    /// Keeps the post.
    pub(super) relay: Option<Arc<dyn Relay>>,
    /// Has blocks that are not here.
    pub(super) finder: Option<Arc<dyn Finder>>,
    /// How they stand.
    pub(super) standing: Option<Arc<dyn Fn() -> NodeStanding + Send + Sync>>,
}

impl Elsewhere {
    /// With what the other validators are known to do.
    fn with(mut self, orderer: Option<&Orderer>) -> Self {
        let Some(ask) = orderer.and_then(Orderer::standing) else {
            return self;
        };
        let others = self.standing.take();
        self.standing = Some(Arc::new(move || standing(others.as_deref(), &ask)));
        self
    }
}

fn standing(
    others: Option<&(dyn Fn() -> NodeStanding + Send + Sync)>,
    ask: &AskValidator,
) -> NodeStanding {
    NodeStanding {
        validator: Some(ask()),
        ..others.map(|ask| ask()).unwrap_or_default()
    }
}

impl Office {
    /// Opens the node: alone, or with its link.
    ///
    /// # Errors
    /// [`Exit::Config`] when it orders nothing and follows nobody, or when this build has no
    /// peers; [`Exit::Home`].
    pub(super) fn open(parts: &NodeParts<'_>, opened: Opened, runtime: &Runtime) -> Result<Self> {
        if parts.peers.is_some() {
            require_peers()?;
        }
        let orderer = Orderer::start(parts, &opened.ledger)?;
        Self::linked(parts, opened, orderer, runtime)
    }

    #[cfg(feature = "peers")]
    fn linked(
        parts: &NodeParts<'_>,
        opened: Opened,
        orderer: Option<Orderer>,
        runtime: &Runtime,
    ) -> Result<Self> {
        let Some(peers) = &parts.peers else {
            return Self::alone(parts, opened, orderer);
        };
        let joined = Joined::start(parts, peers, &opened, runtime.handle())?;
        let sequencer = match &orderer {
            Some(orderer) => orderer.sequencer(),
            None => joined.follow(parts, &opened)?,
        };
        let elsewhere = joined.elsewhere().with(orderer.as_ref());
        let interface = interface(parts, opened, sequencer, elsewhere);
        let joined = joined.serve(&interface)?;
        Ok(Self {
            interface,
            orderer,
            joined: Some(joined),
        })
    }

    #[cfg(not(feature = "peers"))]
    fn linked(
        parts: &NodeParts<'_>,
        opened: Opened,
        orderer: Option<Orderer>,
        _: &Runtime,
    ) -> Result<Self> {
        Self::alone(parts, opened, orderer)
    }

    fn alone(parts: &NodeParts<'_>, opened: Opened, orderer: Option<Orderer>) -> Result<Self> {
        let Some(orderer) = orderer else {
            require_peers()?;
            return Err(Fault::new(
                Exit::Config,
                "this node orders nothing: set peers.upstream in config.toml to the node that does",
            ));
        };
        let elsewhere = Elsewhere::default().with(Some(&orderer));
        let interface = interface(parts, opened, orderer.sequencer(), elsewhere);
        Ok(Self {
            interface,
            orderer: Some(orderer),
            #[cfg(feature = "peers")]
            joined: None,
        })
    }

    /// What parties speak to.
    pub(super) fn interface(&self) -> Arc<Interface> {
        Arc::clone(&self.interface)
    }

    /// Where other nodes reach this one.
    pub(super) fn peer_addresses(&self) -> Vec<String> {
        #[cfg(feature = "peers")]
        if let Some(joined) = &self.joined {
            return joined.addresses();
        }
        Vec::new()
    }

    /// Ends the link, then what orders; what was queued is answered first.
    ///
    /// # Errors
    /// [`Exit::Forked`] when another node showed that this ledger is not the only one.
    pub(super) fn close(self) -> Result<()> {
        #[cfg(feature = "peers")]
        let ended = self.joined.map_or(Ok(()), Joined::end);
        #[cfg(not(feature = "peers"))]
        let ended = Ok(());
        drop(self.interface);
        let ordered = self.orderer.map_or(Ok(()), Orderer::stop);
        ended.and(ordered)
    }
}

fn interface(
    parts: &NodeParts<'_>,
    opened: Opened,
    sequencer: Arc<dyn Sequencer>,
    elsewhere: Elsewhere,
) -> Arc<Interface> {
    let requests = parts.server.concurrent_requests as usize;
    Arc::new(Interface {
        genesis: parts.genesis.clone(),
        sequencer,
        views: opened.views,
        store: opened.store,
        finder: elsewhere.finder,
        post: opened.post,
        relay: elsewhere.relay,
        operator: parts.account,
        jobs: Jobs::default(),
        anchors: opened.anchors,
        standing: elsewhere
            .standing
            .unwrap_or_else(|| Arc::new(NodeStanding::default)),
        scrubs: Arc::default(),
        // A clock that was set back since the last block makes no used ticket new.
        gate: Gate::new(parts.genesis.chain(), system::now().max(opened.time)),
        sessions: Sessions::default(),
        readers: Readers::default(),
        rate: Rate::new(parts.server.requests_per_second),
        newcomers: Rate::new(NEWCOMER_RATE),
        taken_prekeys: Rates::new(PREKEYS_TAKEN),
        left_prekeys: Rates::new(PREKEYS_LEFT),
        turns: Turns::new(requests, requests.min(MAX_STREAMS)),
        request_time: Duration::from_secs(parts.server.request_seconds.into()),
        file_limit: u64::from(parts.server.file_mebibytes) << 20,
    })
}
