//! medshare's ledger: what was done to records, in one append-only log, with the state
//! that follows from it.
//!
//! Source: protocol page of the project ("Parties" to "The log"); RFC 9162. The crate
//! refuses to know about medical formats, secret keys of parties, consensus and HTTP:
//! it is given operations, a time and a proposer, and gives blocks and proofs back.
//!
//! A patient opens her account; she is given a receipt that anybody with the genesis
//! object can check; and the log replays to the same state:
//!
//! ```
//! use base::{AccountId, Digest, Millis, Operation, Signed, cid};
//! use base::genesis::{Genesis, Policy, Validator};
//! use base::key::{HpkeKey, OperationSecret};
//! use base::operation::{PatientKeys, Register, Role};
//! use ledger::{Ledger, OpenOptions, check_batch, replay};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let hpke = || HpkeKey::new(vec![0; HpkeKey::LENGTH]).unwrap();
//! let (node, patient) = (OperationSecret::new([1; 32]), OperationSecret::new([2; 32]));
//! let genesis = Genesis {
//!     version: base::Version,
//!     network: "example".into(),
//!     created: Millis(1_795_305_600_000),
//!     drift: 5_000,
//!     validators: vec![Validator { key: node.public(), hpke_key: hpke() }],
//!     institutions: vec![],
//!     policy: Policy::default(),
//! };
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("ledger.redb");
//! let ledger = Ledger::create(&path, &genesis, OpenOptions::default())?;
//!
//! // An operation comes in as bytes and is checked,
//! let register = Register {
//!     role: Role::Patient,
//!     operation_key: patient.public(),
//!     hpke_key: hpke(),
//!     record_key: None,
//!     peer: None,
//!     patient: Some(PatientKeys { pkh: Digest([3; 32]), h: cid::of_block(cid::RAW, b"h") }),
//! };
//! let operation = Signed::new(
//!     Operation {
//!         chain: genesis.chain(),
//!         account: AccountId::of(&patient.public()),
//!         delegation: None,
//!         sequence: 1,
//!         action: register.into(),
//!     },
//!     &patient,
//! );
//! let (bytes, _) = operation.to_bytes();
//! let checked = check_batch(vec![bytes], genesis.chain(), &ledger.view()?)?;
//! let checked = checked.into_iter().collect::<Result<Vec<_>, _>>()?;
//!
//! // put into a block, which a validator signs, and is durable when `commit` returns.
//! let time = genesis.created.plus(1);
//! let block = ledger.propose(checked, time, AccountId::of(&node.public()))?;
//! let certificate = block.header().certify(&node);
//! let receipt = ledger.commit(block, certificate)?.remove(0);
//!
//! // The receipt proves inclusion and outcome.
//! let receipt = receipt.verify(&ledger.validators(), &operation)?;
//! assert!(receipt.outcome.is_ok());
//!
//! // State is a function of the log.
//! let block = ledger.view()?.block(1)?.unwrap();
//! let replayed = replay(&genesis, [&block])?;
//! assert_eq!(replayed.state_hash().digest(), receipt.head().header.state_hash);
//! # Ok(())
//! # }
//! ```

mod assemble;
pub mod block;
mod budget;
mod conflict;
mod credit;
pub mod leaf;
pub mod log;
pub mod receipt;
pub mod replay;
mod signatures;
pub mod state;
mod storage;
mod validators;
pub mod verify;
mod weight;
mod word;

pub use assemble::Slot;
pub use block::{Block, Certificate, Head, HeadError, Header, VerifiedHead};
pub use budget::hint_cost;
pub use conflict::{Conflict, contradict};
pub use credit::{Ranked, decayed};
pub use leaf::{Failure, Leaf, Outcome, Refusal};
pub use log::{CompactRange, ConsistencyProof, InclusionProof, ProofError};
pub use receipt::{Receipt, ReceiptError, VerifiedReceipt};
pub use replay::{Replay, ReplayFault, replay};
pub use signatures::Signatures;
pub use state::{
    Fault, List, StateHash,
    entry::{
        Account, BagState, Balance, Change, Council, CreditEntry, CreditReason, Delegation,
        DisputeState, EmergencyState, Grant, Guardianship, Institution, KeyPeriod, Proposal,
        ProposalStatus, Punishment, QueryState, Record, Recovery, RecoveryStatus, RequestState,
        RequestStatus, Reservation, ReviewState, ScopeState, Standing, StateInfo, StateStatus,
        Totals, Voucher, VoucherUse,
    },
};
pub use storage::{
    AppendError, BlockFault, CommitError, CreateError, Damage, Depth, Device, FileDevice,
    Inspection, Ledger, Listing, Look, Notice, OpenError, OpenOptions, Page, Part, Pending,
    ProposeError, RebuildError, TABLES_VERSION, View, rebuild,
};
pub use validators::{Reign, Seat, Transition, ValidatorSet, Validators};
pub use verify::{Checked, check, check_batch};
pub use word::{Commit, word_preimage};

/// Longest operation, bytes: a leaf must stay well below the codec's largest object.
pub const MAX_OPERATION: usize = 512 * 1024;
