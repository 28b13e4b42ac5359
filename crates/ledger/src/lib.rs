//! medshare's ledger: what was done to records, in one append-only log, with the state
//! that follows from it.
//!
//! Source: protocol page of the project ("Parties" to "The log"); RFC 9162. The crate
//! refuses to know about medical formats, secret keys of parties, consensus and HTTP:
//! it is given operations, a time and a proposer, and gives blocks and proofs back.

mod assemble;
pub mod block;
mod budget;
mod credit;
pub mod leaf;
pub mod log;
pub mod receipt;
pub mod replay;
pub mod state;
mod storage;
pub mod verify;

pub use block::{Block, Certificate, Head, HeadError, Header, ValidatorSet, VerifiedHead};
pub use budget::hint_cost;
pub use credit::{Ranked, decayed};
pub use leaf::{Failure, Leaf, Outcome, Refusal};
pub use log::{CompactRange, ConsistencyProof, InclusionProof, ProofError};
pub use receipt::{Receipt, ReceiptError, VerifiedReceipt};
pub use replay::{Replay, ReplayFault, replay};
pub use state::{
    Fault, List, StateHash,
    entry::{
        Account, BagState, Balance, Change, CreditEntry, CreditReason, Delegation, DisputeState,
        EmergencyState, Grant, Institution, KeyPeriod, Proposal, ProposalStatus, QueryState,
        Record, RequestState, RequestStatus, Reservation, ReviewState, ScopeState, Standing,
        StateInfo, StateStatus, Totals, Voucher, VoucherUse,
    },
};
pub use storage::{
    CommitError, CreateError, Ledger, Listing, Notice, OpenError, OpenOptions, Page, Pending,
    ProposeError, View,
};
pub use verify::{Checked, check, check_batch};

/// Longest operation, bytes: a leaf must stay well below the codec's largest object.
pub const MAX_OPERATION: usize = 512 * 1024;
