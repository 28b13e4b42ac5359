//! The node that is followed, as this node speaks to it: blocks, operations, the post.
//!
//! A [`Line`] carries bytes; what comes back is checked to be an answer, its content by
//! `consensus::follow` and by the parties.

use base::{ChainId, genesis::Genesis};
use consensus::{
    SubmitError,
    follow::{News, Upstream, UpstreamError},
};
use ledger::{Block, Receipt};
use serde_bytes::ByteBuf;
use std::{sync::Arc, thread, time::Duration};
use thiserror::Error;

use super::message::{self, Contact, Hello, Question, Reply, plain};
use crate::http::relay::{Passed, Relay, RelayError, Returned};

/// A way to one node: a request of at most [`message::MAX_MESSAGE`] bytes, an answer of as
/// many. Calls block and come to an end by themselves.
pub trait Line: Send + Sync + 'static {
    /// Asks and waits.
    ///
    /// # Errors
    /// [`LineError`].
    fn ask(&self, request: Vec<u8>) -> Result<Vec<u8>, LineError>;
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum LineError {
    /// The node cannot be reached; nothing was sent.
    #[error("{0}")]
    NotSent(String),
    /// It was asked, and no answer came.
    #[error("{0}")]
    Lost(String),
}

/// Another node.
#[derive(Clone)]
pub struct Remote {
    line: Arc<dyn Line>,
    chain: Option<ChainId>,
}

impl Remote {
    /// A node of the ledger `chain`; of any ledger, for one that is about to join.
    pub fn new(line: Arc<dyn Line>, chain: Option<ChainId>) -> Self {
        Self { line, chain }
    }

    /// Its genesis object. Who is told the ledger's id compares it.
    ///
    /// # Errors
    /// [`AskFault`].
    pub fn genesis(&self) -> Result<Genesis, AskFault> {
        match self.ask(Question::Genesis)? {
            Reply::Genesis(genesis) => Ok(*genesis),
            other => Err(unfit(&other)),
        }
    }

    /// Presents this node, and hears of the other and of where more are.
    ///
    /// # Errors
    /// [`AskFault`].
    pub fn hello(&self, hello: Hello) -> Result<(Hello, Vec<Contact>), AskFault> {
        match self.ask(Question::Hello(Box::new(hello)))? {
            Reply::Hello { hello, contacts } => Ok((*hello, contacts)),
            other => Err(unfit(&other)),
        }
    }

    /// Hints of its book with numbers above `after`, unchecked.
    ///
    /// # Errors
    /// [`AskFault`].
    pub fn hints(&self, after: u64) -> Result<Vec<(u64, ByteBuf)>, AskFault> {
        match self.ask(Question::Hints { after })? {
            Reply::Hints(hints) => Ok(hints),
            other => Err(unfit(&other)),
        }
    }

    pub(super) fn ask(&self, question: Question) -> Result<Reply, AskFault> {
        let bytes = self.line.ask(message::encode(self.chain, question))?;
        message::decode(&bytes, self.chain).map_err(|error| AskFault::BadAnswer(error.to_string()))
    }

    /// Completes a block that came without its last leaves.
    fn complete(&self, block: &mut Block) -> Result<(), AskFault> {
        let header = &block.head.header;
        let wanted = header.tree_size.saturating_sub(header.first_leaf);
        let mut bytes: usize = block.leaves.iter().map(|leaf| leaf.len()).sum();
        while (block.leaves.len() as u64) < wanted {
            let from = header.first_leaf + block.leaves.len() as u64;
            let Reply::Leaves(mut leaves) = self.ask(Question::Leaves { from })? else {
                return Err(AskFault::BadAnswer("no leaves where some are due".into()));
            };
            let left = usize::try_from(wanted).unwrap_or(usize::MAX) - block.leaves.len();
            leaves.truncate(left);
            bytes += leaves.iter().map(|leaf| leaf.len()).sum::<usize>();
            if leaves.is_empty() || bytes > MAX_BLOCK {
                return Err(AskFault::BadAnswer("a block without end".into()));
            }
            block.leaves.append(&mut leaves);
        }
        Ok(())
    }
}

impl Upstream for Remote {
    fn news(&self, from: u64) -> Result<News, UpstreamError> {
        let (head, mut blocks) = match self.ask(Question::Blocks { from })? {
            Reply::Blocks { head, blocks } => (*head, blocks),
            other => return Err(unfit(&other).into()),
        };
        if let [only] = blocks.as_mut_slice() {
            self.complete(only)?;
        }
        Ok(News { head, blocks })
    }

    fn submit(&self, bytes: Vec<u8>) -> Result<Receipt, SubmitError> {
        let mut answer = self.send(bytes.clone());
        // An operation is taken in once, however often it is sent: if it had arrived, the
        // answer is that it is there.
        for _ in 0..TRIES {
            if !matches!(answer, Err(SubmitError::Unknown(_))) {
                break;
            }
            thread::sleep(PAUSE);
            answer = match self.send(bytes.clone()) {
                // Nothing went out now, but something had before.
                Err(SubmitError::Unreachable(reason)) => Err(SubmitError::Unknown(reason)),
                other => other,
            };
        }
        answer
    }
}

impl Remote {
    fn send(&self, bytes: Vec<u8>) -> Result<Receipt, SubmitError> {
        match self.ask(Question::Submit(bytes.into())) {
            Ok(Reply::Receipt(receipt)) => Ok(*receipt),
            Ok(Reply::NotTaken(reason)) => Err(reason.into()),
            Ok(Reply::No(reason)) => Err(SubmitError::Unreachable(plain(&reason))),
            Ok(other) => Err(SubmitError::Unknown(unfit(&other).to_string())),
            Err(AskFault::Line(LineError::NotSent(reason))) => {
                Err(SubmitError::Unreachable(reason))
            }
            Err(error) => Err(SubmitError::Unknown(error.to_string())),
        }
    }
}

impl Relay for Remote {
    fn pass(&self, request: Passed) -> Result<Returned, RelayError> {
        match self.ask(Question::Relay(request)) {
            Ok(Reply::Returned(returned)) => Ok(returned),
            Ok(Reply::No(reason)) => Err(RelayError::Unreachable(plain(&reason))),
            Ok(other) => Err(RelayError::Lost(unfit(&other).to_string())),
            Err(AskFault::Line(LineError::NotSent(reason))) => Err(RelayError::Unreachable(reason)),
            Err(error) => Err(RelayError::Lost(error.to_string())),
        }
    }
}

/// Why another node told nothing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum AskFault {
    /// No answer.
    #[error(transparent)]
    Line(#[from] LineError),
    /// An answer that is none.
    #[error("{0}")]
    BadAnswer(String),
}

impl From<AskFault> for UpstreamError {
    fn from(fault: AskFault) -> Self {
        match fault {
            AskFault::Line(error) => Self::Unreachable(error.to_string()),
            AskFault::BadAnswer(reason) => Self::BadAnswer(reason),
        }
    }
}

fn unfit(reply: &Reply) -> AskFault {
    AskFault::BadAnswer(match reply {
        Reply::No(reason) => format!("it refuses: {}", plain(reason)),
        _ => "it is not of the kind that was asked for".into(),
    })
}

/// How often an operation is sent again whose answer was lost, and how long after.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// Above the largest block that a solo sequencer makes.
const MAX_BLOCK: usize = 16 << 20;
