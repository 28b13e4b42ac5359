//! Blocks, trees of them, and archives.

use super::{Decoder, Target};
use base::cid::{self, Cid};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io::{self, Read as _},
    time::Duration,
};
use store::{
    Absent, Batch, BlockStore, Collected, FnSink, GcError, GetError, PutError, Source, car, links,
    unixfs::{Profile, Reader, add, node::Node},
    walk,
};

/// The store's decoders.
pub const BLOCKS: Target = Target {
    name: "blocks",
    decoders: &[
        Decoder {
            name: "links",
            run: every_codec,
        },
        Decoder {
            name: "node",
            run: node,
        },
        Decoder {
            name: "tree",
            run: tree,
        },
        Decoder {
            name: "archive",
            run: archive,
        },
    ],
    seeds,
};

fn every_codec(bytes: &[u8]) -> bool {
    [cid::DAG_PB, cid::DAG_CBOR]
        .map(|codec| links(&Cid::new_v1(codec, *NAME.hash()), bytes).is_ok())
        .contains(&true)
}

fn node(bytes: &[u8]) -> bool {
    Node::decode(bytes).is_ok_and(|node| node.file().is_ok())
}

/// Blocks that somebody made to measure: he knows their names, so names are not compared.
/// Each request gets the next block of the input (length in two bytes, then bytes).
struct Next<'a>(Cell<&'a [u8]>);

impl Source for Next<'_> {
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        let missing = || GetError::Missing(*cid);
        let (length, rest) = self.0.get().split_first_chunk::<2>().ok_or_else(missing)?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (block, rest) = rest.split_at(length);
        self.0.set(rest);
        Ok(block.to_vec())
    }
}

fn tree(bytes: &[u8]) -> bool {
    let root = Cid::new_v1(cid::DAG_PB, *NAME.hash());
    let _ = walk::verify(Next(Cell::new(bytes)), root);
    let Ok(reader) = Reader::open(Next(Cell::new(bytes)), root) else {
        return false;
    };
    let mut out = Vec::new();
    let whole = reader.take(1 << 20).read_to_end(&mut out).is_ok();
    assert!(out.len() <= bytes.len(), "more bytes than all blocks hold");
    whole && !out.is_empty()
}

fn archive(bytes: &[u8]) -> bool {
    let store = Memory::default();
    let Ok(summary) = car::import(&store, bytes, 1 << 20) else {
        return false;
    };
    for root in &summary.roots {
        let whole = walk::verify(&store as &dyn BlockStore, *root)
            .faults
            .is_empty();
        let mut copy = Vec::new();
        let exported = car::export(&store as &dyn BlockStore, *root, &mut copy);
        assert_eq!(exported.is_ok(), whole, "what is whole goes out");
        assert!(!whole || car::import(&Memory::default(), &copy[..], u64::MAX).is_ok());
    }
    true
}

/// A name for what no name is compared with.
static NAME: std::sync::LazyLock<Cid> = std::sync::LazyLock::new(|| cid::of_block(cid::RAW, b""));

/// A store in memory, so that a try costs no disk.
#[derive(Default)]
struct Memory(std::sync::Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

struct Waiting<'a>(&'a Memory, Vec<(Vec<u8>, Vec<u8>)>);

impl Batch for Waiting<'_> {
    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        store::check(cid, bytes).map_err(|_| PutError::Mismatch(*cid))?;
        self.put_hashed(cid, bytes)
    }

    fn put_hashed(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        self.1.push((cid.hash().to_bytes(), bytes.to_vec()));
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), PutError> {
        self.0.0.lock().expect("one thread").extend(self.1);
        Ok(())
    }
}

impl BlockStore for Memory {
    fn put(&self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        let mut batch = self.batch();
        batch.put(cid, bytes)?;
        batch.commit()
    }

    fn batch(&self) -> Box<dyn Batch + '_> {
        Box::new(Waiting(self, Vec::new()))
    }

    fn get(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        let blocks = self.0.lock().expect("one thread");
        blocks
            .get(&cid.hash().to_bytes())
            .cloned()
            .ok_or(GetError::Missing(*cid))
    }

    fn size(&self, cid: &Cid) -> Result<Option<u64>, GetError> {
        Ok(self.get(cid).ok().map(|bytes| bytes.len() as u64))
    }

    fn roots_of(&self, _: &Cid) -> Result<Vec<Cid>, GetError> {
        Ok(Vec::new())
    }

    fn delete(&self, cid: &Cid) -> Result<bool, PutError> {
        Ok(self
            .0
            .lock()
            .expect("one thread")
            .remove(&cid.hash().to_bytes())
            .is_some())
    }

    fn pin(&self, _: &Cid) -> Result<u64, PutError> {
        Ok(1)
    }

    fn unpin(&self, root: &Cid) -> Result<u64, PutError> {
        Err(PutError::NotPinned(*root))
    }

    fn pins(&self) -> io::Result<Vec<(Cid, u64)>> {
        Ok(Vec::new())
    }

    fn gc(&self, _: Duration, _: Absent) -> Result<Collected, GcError> {
        Ok(Collected::default())
    }
}

/// Small trees of every profile: as an archive, as blocks in the order of reading, and
/// their nodes; archives of another implementation.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        &include_bytes!("../../crates/store/tests/vectors/kubo-file.car")[..],
        include_bytes!("../../crates/store/tests/vectors/kubo-directory.car"),
        include_bytes!("../../crates/store/tests/vectors/kubo-object.car"),
    ]
    .map(<[u8]>::to_vec)
    .into();
    for profile in [
        Profile::UNIXFS_V1_2025,
        Profile::UNIXFS_V0_2015,
        Profile::KUBO_CID_V1,
    ] {
        let profile = profile.resized(16, 3).expect("in range");
        let store = Memory::default();
        let nodes = RefCell::new(Vec::new());
        let sink = FnSink(|cid: &Cid, bytes: &[u8]| {
            if cid.codec() != cid::RAW {
                nodes.borrow_mut().push(bytes.to_vec());
            }
            store.put(cid, bytes)
        });
        let text =
            b"a file of several blocks, cut into a tree of three levels by the builder; ".repeat(3);
        let root = add(profile, &text[..], sink).expect("memory takes it").cid;
        let mut archive = Vec::new();
        car::export(&store as &dyn BlockStore, root, &mut archive).expect("is whole");
        let mut stream = Vec::new();
        for (_, block) in walk::Walk::new(&store as &dyn BlockStore, root).filter_map(Result::ok) {
            stream.extend_from_slice(&(block.len() as u16).to_le_bytes());
            stream.extend_from_slice(&block);
        }
        seeds.push(archive);
        seeds.push(stream);
        seeds.append(&mut nodes.into_inner());
    }
    seeds
}
