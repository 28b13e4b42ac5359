//! The validators certified what this node's ledger contradicts: it keeps the proof, tells all
//! who wait, answers its engine no more, and does not start again.

use base::{Digest, Millis, Signed, Statement as _};
use ledger::{Certificate, Commit, Head, Header, Ledger, OpenOptions, Slot};
use malachite::{
    AppMsg,
    app::types::core::{CommitCertificate, CommitSignature, Round, Validity, VoteExtensions},
};
use std::{
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicU64},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{
    people::{self, START, account, genesis, genesis_since, operation, validator},
    rig::{Rig, peer},
};
use crate::{
    Clock as _, Sequencer as _, SubmitError, SystemClock,
    bft::{
        Bft, Limits, Network, Parts, StartError,
        context::{Address, BlockId, Chain, Height, Part, Start, Tip, TipWord},
        engine::Seat,
        intake::Incoming,
        proposed::Proposed,
        ring::Ring,
        signing::Signed as Signature,
        stream::Numbers,
    },
    follow::Conflict,
    sequencer::{Fate, told},
};

/// Signed by the validators 1 to 3, which are enough.
pub(super) fn certified(header: Header) -> Head {
    let word = Commit {
        chain: header.chain,
        height: header.height,
        round: 0,
        header: header.cid(),
    };
    let signed = [1, 2, 3].map(|at| {
        let secret = validator(at);
        (account(&secret), secret.sign(&word.preimage()))
    });
    let mut signatures = signed.to_vec();
    signatures.sort_by_key(|(account, _)| *account);
    Head {
        certificate: Certificate {
            height: header.height,
            round: Some(0),
            header: header.cid(),
            signatures,
        },
        header,
    }
}

/// Validator `by` shows this head as its own.
pub(super) fn tip(head: Head, by: usize) -> Part {
    let secret = validator(by);
    let word = TipWord {
        chain: head.header.chain,
        account: account(&secret),
        height: head.header.height,
        header: head.header.cid(),
    };
    let word = Signed::new(word, &secret);
    Part::Tip(Box::new(Tip { head, word }))
}

/// Whose turn it is at the first height.
fn first_proposer(ledger: &Ledger) -> usize {
    let validators = ledger.validators();
    let turn = validators.newest().proposer(1, 0).unwrap().account;
    (0..4).find(|at| account(&validator(*at)) == turn).unwrap()
}

/// A first block, by whose turn it is, that says another state than it leads to.
fn wrong_block(ledger: &Ledger, by: usize, time: Millis) -> Proposed {
    let slot = Slot {
        proposer: account(&validator(by)),
        round: None,
    };
    let pending = ledger.propose(Vec::new(), time, slot).unwrap();
    let mut header = pending.header().clone();
    header.state_hash = Digest([9; 32]);
    Proposed::of(header, Vec::new())
}

/// A node that is given a wrong block, and has somebody who waits.
struct Given {
    runtime: Runtime,
    rig: Rig,
    block: Proposed,
    waits: std::sync::mpsc::Receiver<Fate>,
}

fn given() -> Given {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let time = Arc::new(AtomicU64::new(START + 1));
    // It is another's turn.
    let by = first_proposer(Rig::new(0, &time).ledger());
    let mut rig = Rig::new((by + 1) % 4, &time);
    let (waiter, waits) = told();
    let bytes = operation(&genesis(), "ann", 1, 0).to_bytes().0;
    rig.take_in(Some(Incoming {
        bytes,
        waiter: Some(waiter),
    }));
    let block = wrong_block(rig.ledger(), by, Millis(START + 1));
    let bytes = block.to_bytes();
    let start = Start {
        chain: block.header.chain,
        account: block.header.proposer,
        block: block.id().0,
        height: 1,
        round: 0,
        valid_round: None,
        length: bytes.len() as u64,
    };
    let start = Signed::new(start, &validator(by));
    let mut values = Vec::new();
    for part in Numbers::new(7).cut(start, &bytes) {
        let value = rig.ask(&runtime, |reply| received(by, part, reply));
        values.extend(value.unwrap());
    }
    let [value] = &values[..] else {
        panic!("{values:?}")
    };
    assert_eq!(value.validity, Validity::Invalid);
    assert!(rig.kept.lock().unwrap().is_empty());
    Given {
        runtime,
        rig,
        block,
        waits,
    }
}

fn received(
    by: usize,
    part: malachite::app::streaming::StreamMessage<Part>,
    reply: malachite::Reply<Option<malachite::app::types::ProposedValue<Chain>>>,
) -> AppMsg<Chain> {
    AppMsg::ReceivedProposalPart {
        from: peer(by),
        published_by: Some(peer(by)),
        part,
        reply,
    }
}

impl Given {
    /// It kept the proof, told who waits, and says nothing more to its engine.
    fn has_halted(mut self) {
        let kept = self.rig.kept.lock().unwrap().clone();
        let [conflict] = &kept[..] else {
            panic!("{kept:?}")
        };
        assert_eq!(conflict.theirs.head.header, self.block.header);
        assert_eq!(conflict.ours, Head::genesis(&genesis()));
        // Anybody can check who signed it; that it is wrong takes a replay.
        let validators = ledger::Validators::of(&genesis());
        assert!(!conflict.is_fork(&validators).unwrap());
        let standing = self.rig.app().shared.standing().clone();
        assert_eq!(standing.conflict.as_deref(), Some(conflict));
        let fate = self.waits.try_recv().unwrap();
        assert!(matches!(fate, Err(SubmitError::Halted(_))), "{fate:?}");
        assert_eq!(self.rig.head().header.height, 0);
        let ready = self
            .rig
            .ask(&self.runtime, |reply| AppMsg::ConsensusReady { reply });
        assert!(ready.is_none(), "it goes on");
    }
}

#[test]
fn a_certified_head_of_a_block_that_it_found_wrong() {
    let mut given = given();
    let by = (given.rig.at + 1) % 4;
    // Nobody's certificate is nobody's word.
    let mut bare = certified(given.block.header.clone());
    bare.certificate.signatures.pop();
    for (head, halts) in [(bare, false), (certified(given.block.header.clone()), true)] {
        let part = Numbers::new(8 + u64::from(halts)).single(tip(head, by));
        let reply = given
            .rig
            .ask(&given.runtime, |reply| received(by, part, reply));
        assert_eq!(reply.unwrap(), None);
        assert_eq!(given.rig.kept.lock().unwrap().len(), usize::from(halts));
    }
    given.has_halted();
}

#[test]
fn a_decision_on_a_block_that_it_found_wrong() {
    let mut given = given();
    let head = certified(given.block.header.clone());
    let signed = head.certificate.signatures.iter();
    let certificate = CommitCertificate {
        height: Height(1),
        round: Round::new(0),
        value_id: BlockId::of(&head.header),
        commit_signatures: signed
            .map(|(account, signature)| {
                CommitSignature::new(Address(*account), Signature(*signature))
            })
            .collect(),
    };
    let done = given.rig.ask(&given.runtime, |reply| AppMsg::Decided {
        certificate,
        extensions: VoteExtensions::default(),
        reply,
    });
    assert!(done.is_none(), "it says that it committed");
    given.has_halted();
}

fn network(at: usize, ports: &[u16]) -> Network {
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

fn new_ledger(folder: &Path, genesis: &base::genesis::Genesis) -> Arc<Ledger> {
    let path = folder.join("ledger.redb");
    Arc::new(Ledger::create(&path, genesis, OpenOptions::default()).unwrap())
}

/// Validator 0 of four, as a whole.
fn start(
    folder: &Path,
    genesis: &base::genesis::Genesis,
    ports: &[u16],
    known: Option<Conflict>,
    kept: &Arc<Mutex<Vec<Conflict>>>,
) -> Result<Bft, StartError> {
    let path = folder.join("ledger.redb");
    let ledger = match path.exists() {
        true => Arc::new(Ledger::open(&path, genesis, OpenOptions::default()).unwrap()),
        false => new_ledger(folder, genesis),
    };
    let kept = Arc::clone(kept);
    let parts = Parts {
        ledger,
        account: account(&validator(0)),
        secrets: vec![validator(0)],
        clock: Box::new(SystemClock),
        network: network(0, ports),
        folder: folder.to_owned(),
        limits: Limits {
            patience: Duration::from_secs(120),
            ..Limits::default()
        },
    };
    let keep = move |conflict: &Conflict| kept.lock().unwrap().push(conflict.clone());
    Bft::start(parts, known, Box::new(keep))
}

#[test]
fn a_running_validator_halts_for_good() {
    let folders = [(); 2].map(|()| TempDir::new().unwrap());
    let genesis = genesis_since(SystemClock.now());
    // Held until both are known, so that no port comes twice.
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = held
        .each_ref()
        .map(|held| held.local_addr().unwrap().port());
    drop(held);
    let kept = Arc::default();
    Bft::prepare(folders[0].path()).unwrap();
    let bft = start(folders[0].path(), &genesis, &ports, None, &kept).unwrap();
    // Two of four decide nothing: whoever sends something waits.
    let fate = thread::scope(|scope| {
        let bytes = operation(&genesis, "ann", 1, 0).to_bytes().0;
        let waits = scope.spawn(|| bft.submit(bytes));
        show_another_ledger(&bft, folders[1].path(), &genesis, &ports);
        waits.join().unwrap()
    });
    assert!(matches!(fate, Err(SubmitError::Halted(_))), "{fate:?}");
    let conflict = kept.lock().unwrap()[0].clone();
    assert_eq!(kept.lock().unwrap().len(), 1);
    let validators = ledger::Validators::of(&genesis);
    assert!(conflict.is_fork(&validators).unwrap());
    let bytes = operation(&genesis, "bob", 1, 0).to_bytes().0;
    let fate = bft.submit(bytes);
    assert_eq!(fate, Err(SubmitError::Halted(conflict.fault.clone())));
    assert_eq!(bft.head().unwrap().header.height, 0);
    bft.stop();
    let known = Some(conflict.clone());
    let again = start(folders[0].path(), &genesis, &ports, known, &kept);
    assert_eq!(again.err(), Some(StartError::Halted(conflict.fault)));
}

/// Validator 3 shows a head that three validators signed and that is built on another genesis,
/// until `bft` has seen it.
fn show_another_ledger(bft: &Bft, folder: &Path, genesis: &base::genesis::Genesis, ports: &[u16]) {
    let secret = validator(3);
    let ledger = new_ledger(folder, genesis);
    let by = first_proposer(&ledger);
    let mut header = wrong_block(&ledger, by, genesis.created.plus(1)).header;
    header.previous = Some(Header::genesis(&people::genesis()).cid());
    let seat = Seat {
        chain: genesis.chain(),
        ring: Ring::new(account(&secret), ledger, vec![secret.clone()]),
        key: secret.public(),
        network: network(1, ports),
        log: folder.join("wal"),
    };
    let session = seat.start(true).unwrap();
    let (mut numbers, head) = (Numbers::new(9), certified(header));
    let until = Instant::now() + Duration::from_secs(60);
    while bft.standing().conflict.is_none() {
        assert!(Instant::now() < until, "it goes on");
        let part = numbers.single(tip(head.clone(), 3));
        let message = malachite::NetworkMsg::PublishProposalPart(part);
        session.wire.blocking_send(message).unwrap();
        thread::sleep(Duration::from_millis(100));
    }
}
