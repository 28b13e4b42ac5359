//! A file of tables (redb) that nobody is given a wrong answer from: made whole or not at
//! all, verified when it is opened, checked at every read, and opened anew by itself after
//! its disk failed. docs/adr/0016.
//!
//! - [`Device`] is where it lies; tests put a disk in its place that fails.
//! - [`Tables`] is the open file. It says which version its tables have; another version
//!   than its owner knows is left as it is, to the byte. docs/adr/0017.
//! - [`Untouched`] is a device that is only looked at.
//!
//! A single damaged byte is found: in a page by redb's own tree of checksums when the file
//! is opened, and by the checksum kept in memory whenever the page is read afterwards; in
//! the header by a seal beside it. What is found damaged is not used, for good.
//!
//! ```
//! use database::{FileDevice, Tables};
//! use redb::{ReadableDatabase as _, TableDefinition};
//! use std::sync::Arc;
//! const NAMES: TableDefinition<'_, u64, &str> = TableDefinition::new("names");
//!
//! # fn main() -> Result<(), redb::Error> {
//! let folder = tempfile::tempdir()?;
//! let device = Arc::new(FileDevice::new(&folder.path().join("names.redb")));
//! let tables = Tables::create::<redb::Error>(device, 1 << 20, 1, |database| {
//!     let transaction = database.begin_write()?;
//!     transaction.open_table(NAMES)?.insert(1, "one")?;
//!     Ok(transaction.commit()?)
//! })?;
//! let transaction = tables.handle()?.begin_read()?;
//! assert_eq!(transaction.open_table(NAMES)?.get(1)?.unwrap().value(), "one");
//! # Ok(())
//! # }
//! ```

mod checked;
mod device;
mod held;
mod pages;
mod seal;
mod tables;
mod untouched;
mod version;

pub use device::{Device, FileDevice};
pub use tables::{Handle, Tables};
pub use untouched::Untouched;
pub use version::{OpenError, version, write_version};
