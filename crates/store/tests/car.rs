//! CARv1: equal to Kubo's bytes, all or nothing, no panic on any bytes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use base::cid::{self, Cid};
use harness::{FaultDisk, content};
use proptest::{collection::vec, prelude::*};
use std::{io::Read as _, sync::Arc};
use store::{
    BlockStore, Embedded, GetError,
    car::{ExportError, ImportError, export, import},
    links::links,
    unixfs::{Profile, Reader, add},
    walk,
};

fn store() -> (Arc<FaultDisk>, Embedded) {
    let disk = Arc::new(FaultDisk::default());
    let store = Embedded::open_on(disk.clone(), "/store").unwrap();
    (disk, store)
}

const FILE: &[u8] = include_bytes!("vectors/kubo-file.car");
const DIRECTORY: &[u8] = include_bytes!("vectors/kubo-directory.car");
const OBJECT: &[u8] = include_bytes!("vectors/kubo-object.car");

/// What Kubo exported comes in, is whole, and goes out as the same bytes.
#[test]
fn equal_to_kubos() {
    for (car, count) in [(FILE, 12), (DIRECTORY, 2), (OBJECT, 2)] {
        let (_, store) = store();
        let summary = import(&store, car, u64::MAX).unwrap();
        assert_eq!(summary.blocks, count);
        let root = summary.roots[0];
        assert!(walk::verify(&store, root).faults.is_empty());
        let mut again = Vec::new();
        assert_eq!(export(&store, root, &mut again).unwrap(), summary);
        assert_eq!(again, car);
    }
    let (_, store) = store();
    let root = import(&store, FILE, u64::MAX).unwrap().roots[0];
    let mut file = Vec::new();
    Reader::open(&store, root)
        .unwrap()
        .read_to_end(&mut file)
        .unwrap();
    assert_eq!(file, content(2000));
}

#[test]
fn a_missing_or_damaged_block_stops_the_export() {
    let (disk, store) = store();
    let root = import(&store, FILE, u64::MAX).unwrap().roots[0];
    let leaf = links(&root, &store.get(&root).unwrap()).unwrap()[1];
    store.delete(&leaf).unwrap();
    let error = export(&store, root, Vec::new()).unwrap_err();
    assert!(matches!(error, ExportError::Block(GetError::Missing(cid)) if cid == leaf));
    import(&store, FILE, u64::MAX).unwrap();
    let block = store.get(&leaf).unwrap();
    disk.damage_block(&block, |bytes| bytes[9] ^= 1);
    let error = export(&store, root, Vec::new()).unwrap_err();
    assert!(matches!(error, ExportError::Block(GetError::Damaged(cid)) if cid == leaf));
}

/// Each kind of bad file by name; none leaves a block behind.
#[test]
fn every_refusal_by_name() {
    let header = |roots: &[Cid], version: u64| {
        #[derive(serde::Serialize)]
        struct Header<'a> {
            roots: &'a [Cid],
            version: u64,
        }
        let bytes = base::codec::encode(&Header { roots, version });
        [&[bytes.len() as u8], &bytes[..]].concat()
    };
    let leaf = cid::of_block(cid::RAW, b"leaf");
    let section = |cid: Cid, bytes: &[u8]| {
        let name = cid.to_bytes();
        [&[(name.len() + bytes.len()) as u8], &name[..], bytes].concat()
    };
    let good = [header(&[leaf], 1), section(leaf, b"leaf")].concat();
    let refusal = |bytes: &[u8], limit| {
        let (disk, store) = store();
        let error = import(&store, bytes, limit).unwrap_err();
        assert_eq!(disk.packs(), []);
        error.to_string()
    };
    assert!(import(&store().1, &good[..], good.len() as u64).is_ok());

    assert_eq!(
        refusal(b"", 99),
        "not a valid CARv1 file at byte 0: the file is empty"
    );
    assert!(refusal(&header(&[leaf], 2), 99).ends_with("version 2"));
    assert!(refusal(&[0], 99).ends_with("a header of 0 bytes"));
    assert!(refusal(&[0xff, 0xff, 0x7f], 99).ends_with("a header of 2097151 bytes"));
    assert!(refusal(&[0x80, 0x00], 99).ends_with("a length that is no number"));
    assert!(refusal(&[0xff; 12], 99).ends_with("a length that is no number"));
    assert!(refusal(&[0x80], 99).ends_with("it is cut off"));
    assert!(refusal(&[3, 1, 2, 3], 99).contains("its header is"));
    for cut in header(&[leaf], 1).len() + 1..good.len() {
        assert!(
            refusal(&good[..cut], 999).ends_with("it is cut off"),
            "{cut}"
        );
    }
    assert!(refusal(&[&good[..], &[0]].concat(), 999).ends_with("a section of 0 bytes"));
    let huge = [&good[..], &[0xff, 0xff, 0xff, 0x7f]].concat();
    assert!(refusal(&huge, 999).ends_with("a section of 268435455 bytes"));
    assert!(refusal(&[&good[..], &[2, 9, 9]].concat(), 999).contains("no CID"));
    let forged = [header(&[leaf], 1), section(leaf, b"loaf")].concat();
    assert!(refusal(&forged, 999).contains(&leaf.to_string()));
    let rootless = header(&[leaf], 1);
    assert_eq!(
        refusal(&rootless, 999),
        format!("the CAR file does not hold its root {leaf}")
    );
    assert!(matches!(
        import(&store().1, &good[..], good.len() as u64 - 1),
        Err(ImportError::TooLarge(_))
    ));
    // An identity CID and a foreign codec: not kept here.
    let identity = Cid::try_from("bafkqaaa").unwrap();
    assert!(
        refusal(&[header(&[leaf], 1), section(identity, b"")].concat(), 999).contains("SHA2-256")
    );
    assert!(refusal(&header(&[identity], 1), 999).contains("SHA2-256"));
}

/// Objects nested deeper than any stack.
#[test]
fn deep_objects_are_refused() {
    for nest in [&[0x81][..], &[0xa1, 0x61, 0x61], &[0xd8, 0x2a]] {
        let bytes = nest.repeat((1 << 20) / nest.len());
        let cid = cid::of_object(&bytes);
        assert!(matches!(
            links(&cid, &bytes),
            Err(GetError::Malformed { .. })
        ));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
        let (disk, store) = store();
        if import(&store, &bytes[..], 1 << 20).is_err() {
            prop_assert_eq!(disk.packs(), []);
        }
        for codec in [cid::RAW, cid::DAG_PB, cid::DAG_CBOR] {
            let _ = links(&cid::of_block(codec, &bytes), &bytes);
        }
    }

    /// A file with changed bytes is refused, or what it brings is whole all the same.
    #[test]
    fn damaged_files(at: prop::sample::Index, to: u8, cut: prop::sample::Index) {
        for car in [FILE, OBJECT] {
            let mut bytes = car.to_vec();
            let at = at.index(bytes.len());
            let changed = bytes[at] != to;
            bytes[at] = to;
            let (disk, store) = store();
            match import(&store, &bytes[..], 1 << 20) {
                Ok(_) => prop_assert!(!changed),
                Err(_) => prop_assert_eq!(disk.packs(), []),
            }
            let (_, store) = self::store();
            let cut = cut.index(car.len());
            if let Ok(summary) = import(&store, &car[..cut], 1 << 20) {
                prop_assert!(!walk::verify(&store, summary.roots[0]).faults.is_empty());
            }
        }
    }

    /// Any file through a CAR into another store.
    #[test]
    fn files_travel(bytes in vec(any::<u8>(), 0..2000)) {
        let (_, here) = store();
        let mut batch = here.batch();
        let profile = Profile::UNIXFS_V0_2015.resized(50, 3).unwrap();
        let root = add(profile, &bytes[..], &mut *batch).unwrap().cid;
        batch.commit().unwrap();
        let mut car = Vec::new();
        export(&here, root, &mut car).unwrap();
        let (_, there) = store();
        prop_assert_eq!(import(&there, &car[..], u64::MAX).unwrap().roots, [root]);
        let mut out = Vec::new();
        Reader::open(&there, root).unwrap().read_to_end(&mut out).unwrap();
        prop_assert_eq!(out, bytes);
    }
}
