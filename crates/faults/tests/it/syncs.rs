//! The machine's own sync calls are really made. A device such as the null device cannot
//! be synced and says so (EINVAL): whoever leaves the call out gets no error.
#![cfg(target_os = "linux")]

use ledger::{Device, FileDevice};
use std::{io, path::Path};
use store::disk::{Disk, OsDisk};

fn refused(result: io::Result<()>) {
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn the_block_store_syncs_files_and_folders() {
    let file = OsDisk.open(Path::new("/dev/null")).unwrap();
    refused(file.sync_data());
    refused(OsDisk.sync_dir(Path::new("/dev/null")));
}

#[test]
fn the_ledger_syncs_its_name_and_what_it_writes_anew() {
    // a name "in" the null device: its folder is what is synced
    refused(FileDevice::new(Path::new("/dev/null/ledger")).sync_name());
    refused(FileDevice::new(Path::new("/dev/null")).rewrite());
}
