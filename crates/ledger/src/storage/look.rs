//! A look at a ledger that is not trusted: nothing but version and genesis object is taken
//! for granted.

use base::genesis::Genesis;
use database::{Device, Tables, Untouched};
use std::{io, sync::Arc};

use super::{error::OpenError, ledger::OpenOptions, tables::fault, view::View, write};
use crate::state::Fault;

/// A ledger that is looked at: nothing of its file changes. As with [`crate::Ledger`], one
/// process has it at a time.
#[derive(Debug)]
pub struct Look {
    tables: Tables,
}

impl Look {
    /// Opens what `device` holds; every page of it is read and its checksum compared.
    ///
    /// # Errors
    /// [`OpenError`]: no ledger, in use, of another version or genesis object, or damaged
    /// below the tables.
    pub fn open(
        device: impl Device,
        genesis: &Genesis,
        options: OpenOptions,
    ) -> Result<Self, OpenError> {
        let io = |error: io::Error| OpenError::Fault(Fault::Storage(error.to_string()));
        if !device.exists().map_err(io)? {
            return Err(OpenError::Missing(device.name().to_path_buf()));
        }
        let device = Arc::new(Untouched(device));
        let tables = Tables::open_if(device, options.cache, write::TABLES_VERSION, |database| {
            View::of(database)?.is_of(genesis)
        })?;
        Ok(Self { tables })
    }

    /// What its tables hold.
    ///
    /// # Errors
    /// [`Fault`] when a table is missing or cannot be read.
    pub fn view(&self) -> Result<View, Fault> {
        View::of(&*self.tables.handle().map_err(fault)?)
    }
}
