//! One of four validators lies: it runs a real engine with a validator's key, and an
//! application that proposes what does not hold, keeps parts of blocks to itself, puts other
//! leaves under honest headers, and floods the others.

use base::{Digest, Signed, codec, key::OperationSecret, operation::SignedOperation};
use malachite::{
    AppMsg, Reply,
    app::{
        streaming::{StreamContent, StreamMessage},
        types::{LocallyProposedValue, core::Round},
    },
};
use serde_bytes::ByteBuf;
use std::{
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

use super::people::{account, genesis_since, operation, validator};
use crate::{
    Sequencer as _, SystemClock,
    bft::{
        Bft, JOURNAL, Limits, Network, POOL_BYTES, Parts, TIMEOUTS, WAL,
        app::{App, Memory},
        context::{Chain, Height, Part, Start, Tip, TipWord},
        engine::{Seat, Session},
        journal::Journal,
        pool::{Pool, PoolLimits},
        proposed::Proposed,
        ring::Ring,
        shared::Shared,
        stream::Numbers,
        validators::Validators,
    },
    clock::Clock as _,
};
use ledger::{Ledger, OpenOptions};

struct Liar {
    app: App,
    secret: OperationSecret,
    /// Blocks that it lied about so far: each kind of lie in its turn.
    lies: Arc<AtomicU64>,
    floods: u64,
    garbage: Numbers,
}

impl Liar {
    /// Until it is over.
    async fn run(mut self, mut messages: Receiver<AppMsg<Chain>>, over: &AtomicBool) {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while !over.load(Ordering::Relaxed) {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(AppMsg::GetValue { height, round, reply, .. }) => {
                        self.propose(height, round, reply).await;
                    }
                    Some(message) => self.app.answer(message).await,
                    None => panic!("the liar's engine ended"),
                },
                _ = tick.tick() => {
                    self.app.look_around().await;
                    self.tear().await;
                    self.flood().await;
                }
            }
            let _ = self.app.begin_next();
        }
    }

    /// A block that does not hold, or of which the end is missing.
    async fn propose(
        &mut self,
        height: Height,
        round: Round,
        reply: Reply<LocallyProposedValue<Chain>>,
    ) {
        let number = round.as_u32().unwrap();
        let Ok(Some((good, _))) = self.app.build(number) else {
            return;
        };
        let mut header = good.header.clone();
        let mut leaves = good.leaves().to_vec();
        let last = self
            .app
            .shared
            .ledger
            .view()
            .unwrap()
            .head()
            .unwrap()
            .header;
        match self.lies.load(Ordering::Relaxed) % LIES {
            0 => header.state_hash = Digest([9; 32]),
            1 => header.tree_root = Digest([9; 32]),
            2 => header.time = header.time.plus(600_000),
            3 => header.first_leaf += 1,
            4 => header.previous = last.previous,
            5 => leaves.push(ByteBuf::from(vec![0xff; 100])),
            6 => header.time = last.time,
            _ => {} // it holds, and its end is kept back
        }
        let block = Proposed::of(header, leaves);
        let value = LocallyProposedValue::new(height, round, block.id());
        let _ = reply.send(value);
        let mut parts = self.cut(&block, number, None);
        // A lie must arrive, or nobody finds it out.
        if block == good {
            parts.truncate(1);
        }
        self.send(parts).await;
        self.lies.fetch_add(1, Ordering::Relaxed);
    }

    fn cut(
        &mut self,
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
        self.app
            .numbers
            .cut(Signed::new(start, &self.secret), &bytes)
    }

    /// Honest validators' blocks of this height, with other leaves under their headers.
    async fn tear(&mut self) {
        let known = self.app.memory.blocks.values();
        let honest: Vec<_> = known
            .map(|known| known.block.clone())
            .filter(|block| block.header.proposer != self.app.ring.account)
            .collect();
        for block in honest {
            let mut leaves = block.leaves().to_vec();
            leaves.pop();
            let torn = Proposed::of(block.header, leaves);
            let parts = self.cut(&torn, 1, Some(0));
            self.send(parts).await;
        }
    }

    /// Operations that are none, streams without an end, words in others' names.
    async fn flood(&mut self) {
        self.floods += 1;
        let chain = self.app.shared.ledger.genesis().chain();
        let head = self.app.shared.ledger.view().unwrap().head().unwrap();
        let mut operations: Vec<_> = (0..40)
            .map(|at| ByteBuf::from(vec![at as u8; 300]))
            .collect();
        for at in 0..40 {
            let name = format!("nobody {} {at}", self.floods);
            let mut unsigned = operation(self.app.shared.ledger.genesis(), &name, 1, 0);
            unsigned.signature.0[5] ^= 1;
            operations.push(ByteBuf::from(codec::encode::<SignedOperation>(&unsigned)));
        }
        let mut parts = vec![self.garbage.single(Part::Operations(operations))];
        for at in 0..40_u64 {
            let piece = Part::Piece(ByteBuf::from(vec![7; 2_000]));
            let mut endless = self.garbage.single(piece);
            endless.sequence = at;
            parts.push(endless);
            let far = Start {
                chain,
                account: self.app.ring.account,
                block: Digest([at as u8; 32]),
                height: head.header.height + at,
                round: u32::MAX - at as u32,
                valid_round: Some(at as u32),
                length: u64::MAX,
            };
            let start = Part::Block(Signed::new(far, &self.secret));
            parts.push(self.garbage.single(start));
        }
        let end = self.garbage.single(Part::Piece(ByteBuf::new()));
        parts.push(StreamMessage::new(
            end.stream_id,
            u64::MAX,
            StreamContent::Fin,
        ));
        for other in 0..3 {
            let word = TipWord {
                chain,
                account: account(&validator(other)),
                height: head.header.height + 1_000,
                header: head.header.cid(),
            };
            let word = Signed::new(word, &self.secret);
            let mut head = head.clone();
            head.header.height += 1_000;
            let tip = Tip { head, word };
            parts.push(self.garbage.single(Part::Tip(Box::new(tip))));
        }
        self.send(parts).await;
    }

    async fn send(&self, parts: Vec<StreamMessage<Part>>) {
        for part in parts {
            self.app.publish(part).await;
        }
    }
}

pub fn network(at: usize, ports: &[u16]) -> Network {
    let seed = |at: usize| [at as u8 + 1; 32];
    let place = |at: usize| format!("/ip4/127.0.0.1/tcp/{}", ports[at]);
    let others = (0..ports.len()).filter(|other| *other != at);
    Network {
        listen: place(at),
        peers: others
            .map(|other| {
                let id = Network::peer_id(&seed(other)).unwrap();
                format!("{}/p2p/{id}", place(other))
            })
            .collect(),
        seed: seed(at).into(),
    }
}

pub fn ledger(folder: &Path, genesis: &base::genesis::Genesis) -> Arc<Ledger> {
    let path = folder.join("ledger.redb");
    Arc::new(Ledger::create(&path, genesis, OpenOptions::default()).unwrap())
}

fn liar(folder: &Path, genesis: &base::genesis::Genesis, network: Network) -> (Liar, Session) {
    let ledger = ledger(folder, genesis);
    let journal = Journal::open(&folder.join(JOURNAL)).unwrap();
    let secret = validator(3);
    let ring = Ring::new(account(&secret), Arc::clone(&ledger), vec![secret.clone()]);
    let seat = Seat {
        chain: genesis.chain(),
        ring: ring.clone(),
        key: secret.public(),
        network,
        log: folder.join(WAL),
    };
    let session = seat.start(true).unwrap();
    let pool = Pool::new(PoolLimits {
        operations: 1_000,
        bytes: POOL_BYTES,
        account: 1_000,
    });
    let validators = Validators::of(ledger.validators().newest()).unwrap();
    let (intake, _) = mpsc::sync_channel(1);
    let app = App {
        shared: Arc::new(Shared::new(ledger, pool)),
        journal,
        ring,
        validators,
        timeouts: TIMEOUTS,
        limits: Limits::default(),
        clock: Box::new(SystemClock),
        intake,
        keep: Box::new(|conflict| panic!("the liar: {}", conflict.fault)),
        numbers: Numbers::new(1),
        memory: Memory::default(),
        watch: None,
    };
    let liar = Liar {
        app,
        secret,
        lies: Arc::default(),
        floods: 0,
        garbage: Numbers::new(2),
    };
    (liar, session)
}

#[test]
fn three_go_on_beside_one_that_lies() {
    let folder = TempDir::new().unwrap();
    let genesis = genesis_since(SystemClock.now());
    // Held until all are known, so that no port comes twice.
    let held = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = held
        .each_ref()
        .map(|held| held.local_addr().unwrap().port());
    drop(held);
    let homes = [0, 1, 2, 3].map(|at: usize| {
        let home = folder.path().join(at.to_string());
        std::fs::create_dir(&home).unwrap();
        Bft::prepare(&home).unwrap();
        home
    });
    let honest = [0, 1, 2].map(|at| {
        let parts = Parts {
            ledger: ledger(&homes[at], &genesis),
            account: account(&validator(at)),
            secrets: vec![validator(at)],
            clock: Box::new(SystemClock),
            network: network(at, &ports),
            folder: homes[at].clone(),
            limits: Limits {
                patience: Duration::from_secs(60),
                ..Limits::default()
            },
        };
        let keep = move |conflict: &crate::follow::Conflict| panic!("{at}: {}", conflict.fault);
        Bft::start(parts, None, Box::new(keep)).unwrap()
    });
    let (liar, session) = liar(&homes[3], &genesis, network(3, &ports));
    let (over, lies) = (AtomicBool::new(false), Arc::clone(&liar.lies));
    let ordered = thread::scope(|scope| {
        let lying = scope.spawn(|| {
            let here = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            let Session { messages, wire, .. } = session;
            liar.app.shared.attach(wire, None);
            here.block_on(liar.run(messages, &over));
        });
        let stop = Stop(&over);
        let patience = Instant::now() + Duration::from_secs(180);
        let senders: Vec<_> = (0..3)
            .map(|sender: usize| {
                let (honest, genesis, lies) = (&honest, &genesis, &lies);
                scope.spawn(move || {
                    let name = format!("patient {sender}");
                    let mut number = 0;
                    let deceived = |node: &Bft| node.standing().counters.refused == 0;
                    // Until every kind of lie was told, and each has found one out.
                    while number < EACH
                        || lies.load(Ordering::Relaxed) < LIES
                        || honest.iter().any(deceived)
                    {
                        number += 1;
                        let operation = operation(genesis, &name, number, 0);
                        let node = &honest[(sender + number as usize) % 3];
                        let receipt = node.submit(operation.to_bytes().0).unwrap();
                        assert!(receipt.outcome.is_ok());
                        assert!(Instant::now() < patience, "it lies too seldom");
                    }
                    number
                })
            })
            .collect();
        let ordered: u64 = senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .sum();
        drop(stop);
        lying.join().unwrap();
        ordered
    });
    println!(
        "{} lies among {ordered} operations",
        lies.load(Ordering::Relaxed)
    );
    let until = Instant::now() + Duration::from_secs(20);
    let heads = || honest.each_ref().map(|node| node.head().unwrap().header);
    while heads().iter().any(|head| *head != heads()[0]) {
        assert!(Instant::now() < until, "{:#?}", heads());
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(heads()[0].tree_size, ordered);
    // It is looked at twice a second.
    while honest.iter().any(|node| node.standing().waiting > 0) {
        assert!(Instant::now() < until, "garbage waits");
        thread::sleep(Duration::from_millis(50));
    }
    for node in &honest {
        let standing = node.standing();
        assert_eq!(standing.conflict, None);
        assert!(standing.counters.refused > 0, "no lie was found out");
        let view = node.ledger().view().unwrap();
        let blocks = (1..=heads()[0].height).map(|height| view.block(height).unwrap().unwrap());
        let replayed = ledger::replay(&genesis, &blocks.collect::<Vec<_>>()).unwrap();
        assert_eq!(replayed.state_hash().digest(), heads()[0].state_hash);
    }
}

/// Also when the test fails, or nobody would stop.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kinds of lies about a block.
const LIES: u64 = 8;
/// Least operations of one sender.
const EACH: u64 = 25;
