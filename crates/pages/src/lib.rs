//! What a browser shows: medical records as a person reads them, and the pages of each role.
//!
//! Pure functions from view models to HTML. Nothing here knows HTTP, a clock, a disk, a key
//! or the protocol: who serves a page builds its model and sends the text that comes out.
//! Text from outside is escaped by construction (`maud`); the only markup that a record can
//! bring along is an allow-list of elements without attributes (`record`). No page needs
//! JavaScript; [`assets`] holds the one style sheet and the one script, and the headers
//! under which they are the only ones that run.
//!
//! ```
//! use pages::{Language, record};
//!
//! let bundle = br#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":
//!     {"resourceType":"Condition","code":{"text":"<script>alert(1)</script>"}}}]}"#;
//! let reading = record::read(bytes_of(bundle));
//! let html = record::show(&reading, Language::German).into_string();
//! assert!(html.contains("Diagnosen"));
//! assert!(!html.contains("<script>"));
//! # fn bytes_of(bytes: &[u8]) -> &[u8] { bytes }
//! ```

pub mod assets;
pub mod auditor;
pub mod frame;
pub mod hospital;
mod language;
pub mod patient;
mod pieces;
mod plot;
pub mod record;
pub mod reference;
pub mod researcher;
mod when;
mod words;

pub use language::Language;
pub use maud::Markup;
pub use when::Moment;
