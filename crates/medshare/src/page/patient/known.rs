//! All that a wallet knows of its records, remembered between two pages: each is sealed by
//! itself in the vault, and opening ten thousand of them takes longer than a reader waits.

use base::RecordId;
use share::wallet::{KnownRecord, Wallet};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::super::site::Asked;
use crate::exit::Result;

/// Records by id.
type Records = Arc<Vec<(RecordId, KnownRecord)>>;

/// What was read last: when the log was so far, and when.
#[derive(Default)]
pub(in crate::page) struct Remembered(Mutex<Option<(u64, Instant, Records)>>);

/// The wallet's records, read anew when the log tells of a change, and now and then.
pub(super) fn records(asked: &Asked, wallet: &Wallet<'_>) -> Result<Records> {
    let site = &asked.site;
    // The home is taken: nobody changes the vault between this and the next line.
    let changed = site.log.advance(&site.node)?.changed;
    let mut kept = site.known.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, when, records)) = &*kept
        && *at == changed
        && when.elapsed() < FRESH
    {
        return Ok(Arc::clone(records));
    }
    let records: Records = Arc::new(wallet.records()?);
    *kept = Some((changed, Instant::now(), Arc::clone(&records)));
    Ok(records)
}

/// What a wallet learns without the log (a record known again after a restore) is seen then.
const FRESH: Duration = Duration::from_secs(60);
