//! Answers what other nodes ask. Who they are was proven before; what they may is decided
//! here: blocks of the ledger for every admitted node, operations and the post only at the
//! node that orders.

use axum::Router;
use base::{AccountId, genesis::Genesis};
use consensus::Sequencer;
use ledger::{Block, Fault, Head, View};
use serde_bytes::ByteBuf;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use tokio::runtime::Handle;

use super::{
    contacts::Contacts,
    copies::Copies,
    hints::Hints,
    message::{self, Hello, PIECE, Question, Reply},
    registry::Registry,
    warden,
};
use crate::{
    http::{interface::Views, log_line, relay},
    system,
};

/// What a node that orders offers to those that follow.
pub struct Counter {
    /// Takes operations in.
    pub sequencer: Arc<dyn Sequencer>,
    /// The routes of the post, and of nothing else.
    pub post: Router,
    /// Runs them.
    pub runtime: Handle,
}

/// What a node knows of others.
#[derive(Clone)]
pub struct Books {
    /// Where they are.
    pub contacts: Arc<Contacts>,
    /// Who holds what.
    pub hints: Arc<Hints>,
    /// Who is admitted.
    pub registry: Arc<Registry>,
    /// What is kept for them.
    pub copies: Arc<Copies>,
}

/// Answers one ledger's questions.
pub struct Porter {
    genesis: Genesis,
    account: AccountId,
    views: Views,
    counter: Mutex<Option<Arc<Counter>>>,
    books: Books,
    /// Told of every head that another node shows.
    heard: Box<dyn Fn(Head) + Send + Sync>,
    addresses: Mutex<Vec<String>>,
    halted: AtomicBool,
}

impl Porter {
    /// A porter of the node `account`, which takes in nothing until [`Porter::open`].
    pub fn new(
        genesis: Genesis,
        account: AccountId,
        views: Views,
        books: Books,
        heard: impl Fn(Head) + Send + Sync + 'static,
    ) -> Self {
        Self {
            genesis,
            account,
            views,
            counter: Mutex::default(),
            books,
            heard: Box::new(heard),
            addresses: Mutex::default(),
            halted: AtomicBool::new(false),
        }
    }

    /// From now on this node takes operations and requests of the post.
    pub fn open(&self, counter: Counter) {
        *self.counter.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(counter));
    }

    /// It no longer does.
    pub fn close(&self) {
        *self.counter.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// This node has stopped for good: from now on it says hello, so that others see its
    /// head, and nothing else.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::Release);
    }

    /// Where this node can be reached, once it listens.
    pub fn listen_at(&self, addresses: Vec<String>) {
        *self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// How this node presents itself.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn hello(&self) -> Result<Hello, Fault> {
        let addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Hello {
            account: self.account,
            head: (self.views)()?.head()?,
            addresses: addresses.clone(),
            hints: self.books.hints.newest(),
        })
    }

    /// What another node's hello tells: its head, where it is and where others are.
    pub fn note(&self, peer: &[u8], hello: Hello) {
        self.books
            .contacts
            .met(peer, hello.account, hello.addresses);
        (self.heard)(hello.head);
    }

    /// Answers `request` of the node `peer`; none for what is no request of this ledger.
    pub fn answer(&self, peer: &[u8], request: &[u8]) -> Option<Vec<u8>> {
        let chain = self.genesis.chain();
        let question: Question = message::decode(request, Some(chain)).ok()?;
        if self.halted.load(Ordering::Acquire) && !matches!(question, Question::Hello(_)) {
            return None;
        }
        let reply = self.reply(peer, question).unwrap_or_else(|fault| {
            log_line(&fault);
            Reply::No("it cannot read its ledger".into())
        });
        Some(message::encode(Some(chain), reply))
    }

    fn reply(&self, peer: &[u8], question: Question) -> Result<Reply, Fault> {
        Ok(match question {
            Question::Hello(hello) => {
                self.note(peer, *hello);
                Reply::Hello {
                    hello: Box::new(self.hello()?),
                    contacts: self.books.contacts.all(),
                }
            }
            Question::Genesis => Reply::Genesis(Box::new(self.genesis.clone())),
            Question::Blocks { from } => blocks(&(self.views)()?, from)?,
            Question::Leaves { from } => {
                let leaves = (self.views)()?.leaves(from, MAX_LEAVES)?;
                let bytes = leaves.iter().map(|leaf| ByteBuf::from(leaf.to_bytes()));
                Reply::Leaves(bytes.collect())
            }
            Question::Hints { after } => match self.books.hints.since(after, PIECE) {
                Ok(hints) => Reply::Hints(hints),
                Err(error) => {
                    log_line(&error);
                    Reply::No("it cannot read its hints".into())
                }
            },
            Question::Keep(keep) => {
                let (registry, copies) = (&self.books.registry, &self.books.copies);
                let view = (self.views)()?;
                match warden::judge(keep, peer, &view, registry, copies, system::now())? {
                    Ok(()) => Reply::Kept,
                    Err(reason) => Reply::No(reason),
                }
            }
            Question::Submit(operation) => match self.counter() {
                None => elsewhere(),
                Some(counter) => match counter.sequencer.submit(operation.into_vec()) {
                    Ok(receipt) => Reply::Receipt(Box::new(receipt)),
                    Err(error) => Reply::NotTaken(error.into()),
                },
            },
            Question::Relay(passed) => match self.counter() {
                None => elsewhere(),
                Some(counter) => {
                    let answer = relay::answer_passed(counter.post.clone(), passed);
                    let mut returned = counter.runtime.block_on(answer);
                    returned.height = (self.views)()?.head()?.header.height;
                    Reply::Returned(returned)
                }
            },
        })
    }

    fn counter(&self) -> Option<Arc<Counter>> {
        let counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        counter.clone()
    }
}

fn elsewhere() -> Reply {
    Reply::No("it follows another node; ask that one".into())
}

/// The newest head, and as many whole blocks as fit; of one that does not fit, its
/// beginning.
fn blocks(view: &View, from: u64) -> Result<Reply, Fault> {
    let head = Box::new(view.head()?);
    let mut blocks = Vec::new();
    let mut room = PIECE;
    for height in from..=head.header.height {
        let Some(mut block) = view.block(height)? else {
            break;
        };
        let size = bytes_of(&block);
        if size > room {
            if blocks.is_empty() {
                shorten(&mut block);
                blocks.push(block);
            }
            break;
        }
        room -= size;
        blocks.push(block);
    }
    Ok(Reply::Blocks { head, blocks })
}

fn bytes_of(block: &Block) -> usize {
    let leaves: usize = block.leaves.iter().map(|leaf| leaf.len() + FRAME).sum();
    leaves + HEAD
}

fn shorten(block: &mut Block) {
    let mut room = PIECE;
    let fitting = block.leaves.iter().take_while(|leaf| {
        room = room.saturating_sub(leaf.len() + FRAME);
        room > 0
    });
    let count = fitting.count();
    block.leaves.truncate(count);
}

/// Leaves in one answer, if their bytes are few.
const MAX_LEAVES: usize = 10_000;
/// What a leaf takes beside its bytes.
const FRAME: usize = 8;
/// About what a head takes, with the signatures of a few validators.
const HEAD: usize = 2048;
