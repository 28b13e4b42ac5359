//! The calls about pins and blocks, some blocks at a time.

use super::{
    Kubo, RpcError,
    index::{self, Key},
    rpc::{Call, Result},
};
use base::cid::Cid;
use serde::Deserialize;
use serde_json::Value;
use std::io;

impl Kubo {
    /// Every direct pin of the Kubo with its name.
    pub(super) fn pinned(&self, each: &mut dyn FnMut(Key, &str)) -> Result<()> {
        let call = Call::new("pin/ls")
            .with("type", "direct")
            .with("names", true)
            .with("stream", true);
        self.rpc.lines(&call, MAX_PINS * PIN_LINE, &mut |pin: Pin| {
            let cid = Cid::try_from(&*pin.cid).ok();
            if let Some(key) = cid.and_then(|cid| index::key(&cid)) {
                each(key, &pin.name);
            }
            Ok(())
        })
    }

    /// Gives each of these blocks a pin.
    pub(super) fn hold(&self, keys: &[Key]) -> io::Result<Held> {
        let mut held = Held::default();
        for some in keys.chunks(AT_ONCE) {
            if self.are_pinned(some)? {
                continue;
            }
            match self.pin_direct(some) {
                Ok(()) => continue,
                Err(error) if error.is_missing() || error.is_pinned_already() => {}
                Err(error) => return Err(error.into()),
            }
            for key in some {
                match self.pin_direct(&[*key]) {
                    Ok(()) => {}
                    Err(error) if error.is_pinned_already() => held.elsewhere += 1,
                    Err(error) if error.is_missing() => held.absent.push(*key),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(held)
    }

    /// Whether all of these have a pin already: cheap to ask, dear to give again.
    fn are_pinned(&self, keys: &[Key]) -> Result<bool> {
        let call = Call::new("pin/ls").with("type", "direct");
        match self.rpc.object::<Value>(&with_blocks(call, keys)) {
            Ok(_) => Ok(true),
            Err(error) if error.is_unpinned() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn pin_direct(&self, keys: &[Key]) -> Result<()> {
        let call = Call::new("pin/add")
            .with("recursive", false)
            .with("offline", true)
            .with("name", self.index.name());
        let done: Pinned = self.rpc.object(&with_blocks(call, keys))?;
        if done.pins.len() != keys.len() {
            let told = format!(
                "{} pins where {} were asked for",
                done.pins.len(),
                keys.len()
            );
            return Err(self.rpc.foreign(&told));
        }
        Ok(())
    }

    /// Takes away the pins of these blocks, where there are any.
    pub(super) fn release(&self, keys: &[Key]) -> io::Result<()> {
        for some in keys.chunks(AT_ONCE) {
            match self.unpin_direct(some) {
                Ok(()) => continue,
                Err(error) if error.is_unpinned() => {}
                Err(error) => return Err(error.into()),
            }
            for key in some {
                match self.unpin_direct(&[*key]) {
                    Err(error) if !error.is_unpinned() => return Err(error.into()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn unpin_direct(&self, keys: &[Key]) -> Result<()> {
        let call = Call::new("pin/rm")
            .with("recursive", false)
            .with("offline", true);
        self.rpc
            .object::<Pinned>(&with_blocks(call, keys))
            .map(drop)
    }

    /// Deletes blocks, without their pins; those that the Kubo does not let go, with its reason.
    pub(super) fn remove_blocks(&self, keys: &[Key]) -> io::Result<Vec<(Key, String)>> {
        let mut refused = Vec::new();
        for some in keys.chunks(AT_ONCE) {
            let call = Call::new("block/rm")
                .with("force", true)
                .with("offline", true);
            let limit = some.len() as u64 * REMOVED_LINE;
            self.rpc
                .lines(&with_blocks(call, some), limit, &mut |line: Removed| {
                    let cid = Cid::try_from(&*line.hash).ok();
                    match (line.error, cid.and_then(|cid| index::key(&cid))) {
                        (None, _) => {}
                        (Some(reason), Some(key)) => refused.push((key, reason)),
                        (Some(reason), None) => return Err(RpcError::Kubo(reason)),
                    }
                    Ok(())
                })?;
        }
        Ok(refused)
    }
}

/// What [`Kubo::hold`] could not give a pin of ours.
#[derive(Default)]
pub(super) struct Held {
    /// The Kubo does not hold these.
    pub(super) absent: Vec<Key>,
    /// So many are roots that somebody else pinned with all they reach: no pin can be had beside that one.
    pub(super) elsewhere: u64,
}

fn with_blocks(call: Call, keys: &[Key]) -> Call {
    keys.iter()
        .fold(call, |call, key| call.with("arg", index::named(key)))
}

/// A line of `pin/ls`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pin {
    cid: String,
    #[serde(default)]
    name: String,
}

/// The answer of `pin/add` and `pin/rm`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pinned {
    pins: Vec<String>,
}

/// A line of `block/rm`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Removed {
    #[serde(default)]
    hash: String,
    #[serde(default)]
    error: Option<String>,
}

/// Blocks in one call: some 4 KiB of address.
const AT_ONCE: usize = 64;
/// Most direct pins of a Kubo that are listened to: 100 TB in blocks of 1 MiB.
const MAX_PINS: u64 = 100_000_000;
/// Longest lines, in bytes: a CID and a name of at most 255 bytes; a CID and a reason.
const PIN_LINE: u64 = 1 << 10;
const REMOVED_LINE: u64 = 4 << 10;
