//! The patient's pages: her records, who saw them, who asks, what she shares and earned.
//!
//! Source: protocol page, "Sharing" and "Credit"; health page, "Must for an adopter" 3, 5, 8.
//! A page asks in plain words and says before the button what the button cannot take back.

mod asked;
mod granted;
mod keep;
mod timeline;

pub use asked::{AgentChoice, Request, Wish, request, requests};
pub use granted::{Grant, GrantState, accesses, grants};
pub use keep::{Backup, Bag, Credit, Entry, Guardians, Reason, Voucher, backup, credit};
pub use timeline::{Access, Part, Record, RecordState, RecordView, Signature, record, timeline};

pub use crate::pieces::{Csrf, Party, Purpose};
pub(crate) use asked::wording;
pub(crate) use keep::journal;
pub(crate) use timeline::rejected;
