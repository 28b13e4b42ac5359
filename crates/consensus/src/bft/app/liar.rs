//! A validator that lies: a real engine with a validator's key, and an application that
//! proposes what does not hold, keeps parts of blocks to itself, floods the others, and signs
//! two things where it may sign one. A test runs it as a process beside honest ones; until it
//! is told to lie, and in all that it does not lie about, it is an honest validator.
//!
//! Feature `lies`, which no crate of the product enables (`cargo xtask tidy` asks cargo).

mod flaws;
mod flood;
mod twice;

use base::{Cid, Signed, key::OperationSecret};
use ledger::CompactRange;
use malachite::{
    AppMsg, EngineBuilder, Reply,
    app::{
        config::NodeConfig as _,
        engine::{network::NetworkRef, util::events::Event},
        metrics::SharedRegistry,
        streaming::StreamMessage,
        types::{LocallyProposedValue, core::Round},
    },
    spawn::spawn_network_actor,
};
use std::{
    borrow::Cow,
    fmt,
    str::FromStr,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::Duration,
};

use super::App;
use crate::bft::{
    Idle, Parts, StartError,
    codec::Spelling,
    context::{Address, Chain, Height, Part, Start},
    engine::{Seat, Session, engine, threads},
    proposed::Proposed,
    signing::{Checker, Seal},
    stream::Numbers,
};

/// What it lies about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// Its blocks break a rule.
    Blocks,
    /// Its blocks hold, and their ends are kept back.
    Parts,
    /// It sends what is nothing, as fast as it can, and says that it is far ahead.
    Flood,
    /// It signs a second vote beside each vote, and a second block beside each block.
    Twice,
}

impl Lie {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("blocks", Self::Blocks),
        ("parts", Self::Parts),
        ("flood", Self::Flood),
        ("twice", Self::Twice),
    ];
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::ALL.iter().find(|(_, lie)| lie == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

impl FromStr for Lie {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.iter().find(|(name, _)| *name == text);
        named
            .map(|(_, lie)| *lie)
            .ok_or("a lie is blocks, parts, flood or twice")
    }
}

/// A lie that was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Which.
    pub lie: Lie,
    /// In a few words.
    pub how: Cow<'static, str>,
    /// The height in hand.
    pub height: u64,
    /// Of [`Lie::Blocks`] and [`Lie::Parts`]: the header of the block, which must not be
    /// decided.
    pub header: Option<Cid>,
}

/// How many ways there are for a block to break a rule: [`Lie::Blocks`] goes through them in
/// turn.
pub const FLAWS: usize = flaws::FLAWS.len();

/// Of [`Lie::Flood`]: how many blocks further it says that it is.
pub const AHEAD: u64 = 1_000_000;

/// Runs it until whoever gives `orders` is gone; it begins without a lie. `tell` hears each
/// lie once it is told. A conflict with the others is nothing to it.
///
/// # Errors
/// [`StartError`].
pub fn lie(
    parts: Parts,
    orders: &Receiver<Lie>,
    tell: impl FnMut(Told) + 'static,
) -> Result<(), StartError> {
    let Idle {
        app,
        seat,
        taker,
        incoming,
    } = Idle::of(parts, Box::new(|_| ()))?;
    let (session, network) = start(&seat)?;
    app.journal
        .mark(true)
        .map_err(|error| StartError::Journal(error.to_string()))?;
    let here = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| StartError::Thread(error.to_string()))?;
    let shared = Arc::clone(&app.shared);
    shared.attach(session.wire.clone(), None);
    let liar = Liar {
        garbage: Numbers::new(app.clock.now().0 ^ GARBAGE),
        app,
        seal: seat.seal(),
        network,
        lie: None,
        count: 0,
        tree: CompactRange::new(),
        tell: Box::new(tell),
    };
    let intake = crate::bft::spawn("intake", move || taker.run(&incoming))?;
    here.block_on(liar.run(session, orders));
    shared.stop();
    let _ = intake.join();
    Ok(())
}

/// As [`Seat::start`], with a way past the engine to the network.
fn start(seat: &Seat) -> Result<(Session, NetworkRef<Chain>), StartError> {
    let runtime = threads()?;
    let started = runtime.block_on(async {
        let (identity, config) = seat.settings().await?;
        let registry = SharedRegistry::global().with_moniker(config.moniker());
        let (network, wire) = spawn_network_actor(
            identity,
            config.consensus(),
            config.value_sync(),
            &registry,
            Spelling,
        )
        .await
        .map_err(engine)?;
        let (log, checker) = (seat.log.clone(), Checker { chain: seat.chain });
        let (channels, handle) = EngineBuilder::new(Chain, config)
            .with_default_wal(malachite::WalContext::new(log, Spelling))
            .with_custom_network(network.clone(), wire)
            .with_default_sync(malachite::SyncContext::new(Spelling))
            .with_default_consensus(malachite::ConsensusContext::new_validator(
                Address(seat.ring.account),
                Box::new(checker),
                Box::new(seat.seal()),
            ))
            .with_default_request(malachite::RequestContext::new(16))
            .build()
            .await
            .map_err(engine)?;
        Ok::<_, StartError>((channels, handle, network))
    });
    let (channels, handle, network) = started?;
    Ok((Session::of(channels, handle, runtime), network))
}

struct Liar {
    app: App,
    seal: Seal,
    /// Past the engine, which would not say such things.
    network: NetworkRef<Chain>,
    lie: Option<Lie>,
    /// Blocks that it lied about so far, or floods: each kind in its turn.
    count: usize,
    garbage: Numbers,
    /// Of the ledger's leaves, so that a wrong block's root fits its leaves.
    tree: CompactRange,
    tell: Box<dyn FnMut(Told)>,
}

impl Liar {
    async fn run(mut self, session: Session, orders: &Receiver<Lie>) {
        let Session {
            mut messages,
            mut events,
            running,
            ..
        } = session;
        let shared = Arc::clone(&self.app.shared);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.answer(message).await,
                    None => break, // the engine ended
                },
                event = events.recv() => if let (Ok(Event::Published(said)), Some(Lie::Twice)) = (event, self.lie) {
                    self.contradict(said).await;
                },
                () = shared.wake.notified() => {}
                _ = tick.tick() => {
                    match orders.try_recv() {
                        Ok(lie) => (self.lie, self.count) = (Some(lie), 0),
                        Err(TryRecvError::Empty) => {}
                        Err(TryRecvError::Disconnected) => break,
                    }
                    self.app.look_around().await;
                    if self.lie == Some(Lie::Flood) {
                        self.flood().await;
                    }
                }
            }
            // Of a ledger that it cannot read it says nothing more.
            let _ = self.app.begin_next();
        }
        // Not on a thread that runs futures.
        let _ = std::thread::spawn(move || drop(running)).join();
    }

    async fn answer(&mut self, message: AppMsg<Chain>) {
        match (message, self.lie) {
            (
                AppMsg::GetValue {
                    height,
                    round,
                    reply,
                    ..
                },
                Some(lie @ (Lie::Blocks | Lie::Parts)),
            ) => {
                self.propose(lie, height, round, reply).await;
            }
            (message, _) => self.app.answer(message).await,
        }
    }

    /// A block that does not hold, or of which the end is missing. None where there is nothing
    /// to lie about: the round passes.
    async fn propose(
        &mut self,
        lie: Lie,
        height: Height,
        round: Round,
        reply: Reply<LocallyProposedValue<Chain>>,
    ) {
        let (Some(number), Some(secret)) = (round.as_u32(), self.secret()) else {
            return;
        };
        let Ok(Some((good, _))) = self.app.build(number) else {
            return;
        };
        if good.header.height != height.0 {
            return;
        }
        let (how, block, sent) = match lie {
            Lie::Parts => {
                // Its beginning alone, or all but the end.
                let (how, sent) = [("beginning", 1), ("no end", 2)][self.count % 2];
                (how, good, sent)
            }
            _ => match self.spoil(&good) {
                Some((how, wrong)) => (how, wrong, usize::MAX),
                None => return,
            },
        };
        let value = LocallyProposedValue::new(height, round, block.id());
        let _ = reply.send(value);
        let mut parts = self.cut(&secret, &block, number, None);
        parts.truncate(sent);
        self.send(parts).await;
        self.count += 1;
        self.told(lie, how, Some(block.header.cid()));
    }

    fn told(&mut self, lie: Lie, how: &'static str, header: Option<Cid>) {
        let height = self.app.next();
        (self.tell)(Told {
            lie,
            how: how.into(),
            height,
            header,
        });
    }

    /// What it signs with as a validator; none where it is none any more.
    fn secret(&self) -> Option<OperationSecret> {
        self.app.ring.at(self.app.next())
    }

    fn cut(
        &mut self,
        secret: &OperationSecret,
        block: &Proposed,
        round: u32,
        valid_round: Option<u32>,
    ) -> Vec<StreamMessage<Part>> {
        let bytes = block.to_bytes();
        let start = Start {
            chain: block.header.chain,
            account: self.app.ring.account,
            block: block.id().0,
            height: block.header.height,
            round,
            valid_round,
            length: bytes.len() as u64,
        };
        self.app.numbers.cut(Signed::new(start, secret), &bytes)
    }

    async fn send(&self, parts: Vec<StreamMessage<Part>>) {
        for part in parts {
            self.app.publish(part).await;
        }
    }
}

/// Between two looks around, and two floods.
const TICK: Duration = Duration::from_millis(100);
/// Tells streams of garbage from blocks'.
const GARBAGE: u64 = 1 << 63;
