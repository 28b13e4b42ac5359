//! Pins: how many times each root is held, one small file each.

use super::{
    OpenError,
    layout::{self, Layout},
};
use crate::{PutError, disk::Disk};
use base::cid::Cid;
use std::{collections::BTreeMap, io};

/// The pins on disk, as they are.
pub(super) struct Pins(BTreeMap<Cid, u64>);

impl Pins {
    pub(super) fn load(disk: &dyn Disk, layout: &Layout) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io {
            folder: layout.folder().to_owned(),
            source,
        };
        let mut pins = BTreeMap::new();
        for path in disk.list(layout.pins()).map_err(io)? {
            let foreign = || OpenError::Foreign {
                folder: layout.folder().to_owned(),
                reason: format!("{} is no pin; move it away", path.display()),
            };
            let root = layout::parse(&path).ok_or_else(foreign)?;
            let count = disk
                .read(&path, 64)
                .map(|line| parse(&line))
                .or_else(|error| match error.kind() {
                    io::ErrorKind::FileTooLarge => Ok(None),
                    _ => Err(io(error)),
                })?
                .ok_or_else(foreign)?;
            pins.insert(root, count);
        }
        Ok(Self(pins))
    }

    pub(super) fn add(
        &mut self,
        disk: &dyn Disk,
        layout: &Layout,
        root: &Cid,
    ) -> Result<u64, PutError> {
        let root = canonical(root);
        let count = self.0.get(&root).copied().unwrap_or(0).saturating_add(1);
        write(disk, layout, &root, count)?;
        self.0.insert(root, count);
        Ok(count)
    }

    pub(super) fn take(
        &mut self,
        disk: &dyn Disk,
        layout: &Layout,
        root: &Cid,
    ) -> Result<u64, PutError> {
        let key = canonical(root);
        let count = match self.0.get(&key) {
            Some(count) => count - 1, // never 0 in the map
            None => return Err(PutError::NotPinned(*root)),
        };
        if count > 0 {
            write(disk, layout, &key, count)?;
            self.0.insert(key, count);
        } else {
            match disk.remove(&layout.pin(&key)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
            self.0.remove(&key);
            disk.sync_dir(layout.pins())?;
        }
        Ok(count)
    }

    pub(super) fn list(&self) -> Vec<(Cid, u64)> {
        self.0.iter().map(|(root, count)| (*root, *count)).collect()
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = &Cid> {
        self.0.keys()
    }
}

fn write(disk: &dyn Disk, layout: &Layout, root: &Cid, count: u64) -> io::Result<()> {
    let tmp = layout.temporary();
    let written = disk
        .create(&tmp, format!("1 {count}\n").as_bytes())
        .and_then(|()| disk.sync_file(&tmp))
        .and_then(|()| disk.rename(&tmp, &layout.pin(root)));
    if let Err(error) = written {
        let _ = disk.remove(&tmp); // swept at the next start otherwise
        return Err(error);
    }
    disk.sync_dir(layout.pins())
}

fn parse(line: &[u8]) -> Option<u64> {
    let count = std::str::from_utf8(line)
        .ok()?
        .strip_prefix("1 ")?
        .strip_suffix('\n')?;
    count.parse().ok().filter(|count| *count > 0)
}

fn canonical(cid: &Cid) -> Cid {
    Cid::new_v1(cid.codec(), *cid.hash())
}
