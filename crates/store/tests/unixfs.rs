//! UnixFS: CIDs equal to Kubo's, files that come back, hostile trees.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use base::cid::{self, Cid};
use harness::content;
use proptest::{collection::vec, prelude::*};
use std::{
    cell::RefCell,
    collections::HashMap,
    io::{Read as _, Seek as _, SeekFrom},
};
use store::{
    FnSink, GetError, Source,
    unixfs::{Builder, HashOnly, Profile, Reader, add},
};

/// Blocks in memory; counts how many are asked for.
#[derive(Default)]
struct Memory(HashMap<Cid, Vec<u8>>, RefCell<usize>);

impl Source for Memory {
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        *self.1.borrow_mut() += 1;
        self.0.get(cid).cloned().ok_or(GetError::Missing(*cid))
    }
}

impl Memory {
    fn add(&mut self, profile: Profile, bytes: &[u8]) -> Cid {
        let sink = FnSink(|cid: &Cid, bytes: &[u8]| {
            store::check(cid, bytes).unwrap();
            self.0.insert(*cid, bytes.to_owned());
            Ok::<_, std::convert::Infallible>(())
        });
        add(profile, bytes, sink).unwrap().cid
    }

    /// Puts a dag-pb node together by hand.
    fn node(&mut self, links: &[Cid], message: &[u8]) -> Cid {
        let mut bytes = Vec::new();
        for link in links {
            let name = link.to_bytes();
            bytes.extend([0x12, name.len() as u8 + 2, 0x0a, name.len() as u8]);
            bytes.extend(name);
        }
        bytes.extend([0x0a, message.len() as u8]);
        bytes.extend(message);
        let cid = cid::of_block(cid::DAG_PB, &bytes);
        self.0.insert(cid, bytes);
        cid
    }

    fn read(&self, root: Cid) -> Result<Vec<u8>, GetError> {
        let mut bytes = Vec::new();
        Reader::open(self, root)?
            .read_to_end(&mut bytes)
            .map_err(|error| *error.into_inner().unwrap().downcast::<GetError>().unwrap())?;
        Ok(bytes)
    }
}

fn profile(name: &str) -> Profile {
    match name {
        "unixfs-v1-2025" => Profile::UNIXFS_V1_2025,
        "unixfs-v0-2015" => Profile::UNIXFS_V0_2015,
        "kubo-cid-v1" => Profile::KUBO_CID_V1,
        other => panic!("unknown profile {other}"),
    }
}

#[test]
fn cids_equal_kubos() {
    let mut vectors = 0;
    for line in include_str!("vectors/unixfs.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let words: Vec<_> = line.split(' ').collect();
        let [name, chunk, width, size, cid] = words[..] else {
            panic!("{line}");
        };
        let profile = profile(name)
            .resized(chunk.parse().unwrap(), width.parse().unwrap())
            .unwrap();
        let bytes = content(size.parse().unwrap());
        let built = add(profile, &bytes[..], HashOnly).unwrap();
        assert_eq!(built.cid.to_string(), cid, "{line}");
        assert_eq!(built.size, bytes.len() as u64, "{line}");
        vectors += 1;
    }
    assert_eq!(vectors, 149);
}

#[test]
fn the_profiles_are_those_of_the_vectors() {
    let sizes = |profile: Profile| (profile.chunk(), profile.width());
    assert_eq!(sizes(Profile::UNIXFS_V1_2025), (1 << 20, 1024));
    assert_eq!(sizes(Profile::UNIXFS_V0_2015), (256 << 10, 174));
    assert_eq!(sizes(Profile::KUBO_CID_V1), (256 << 10, 174));
    assert_eq!(Profile::KUBO_CID_V1.resized(0, 2), None);
    assert_eq!(Profile::KUBO_CID_V1.resized(1, 1), None);
    assert_eq!(Profile::KUBO_CID_V1.resized((1 << 20) + 1, 2), None);
    assert_eq!(Profile::KUBO_CID_V1.resized(1, 1025), None);
}

fn profiles() -> impl Strategy<Value = Profile> {
    let base = prop::sample::select(vec![
        Profile::UNIXFS_V1_2025,
        Profile::UNIXFS_V0_2015,
        Profile::KUBO_CID_V1,
    ]);
    (base, 1..40usize, 2..5usize)
        .prop_map(|(base, chunk, width)| base.resized(chunk, width).unwrap())
}

proptest! {
    /// However a file is cut on its way in, it is one tree; it comes back whole, and from
    /// any position, and a flipped bit anywhere never goes unseen.
    #[test]
    fn files_come_back(
        profile in profiles(),
        bytes in vec(any::<u8>(), 0..900),
        cuts in vec(1..100usize, 1..20),
        at in vec(0..1000u64, 0..8),
    ) {
        let mut memory = Memory::default();
        let root = memory.add(profile, &bytes);
        let mut builder = Builder::new(profile, HashOnly);
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(rest.len().min(*cut));
            builder.write(now).unwrap();
            rest = later;
        }
        let built = builder.finish().unwrap();
        prop_assert_eq!(built.cid, root);
        if !bytes.is_empty() {
            // A tree of distinct chunks: `total` is what the sink was given.
            let held: usize = memory.0.values().map(Vec::len).sum();
            prop_assert!(built.total >= held as u64);
        }
        prop_assert_eq!(&memory.read(root).unwrap(), &bytes);

        let mut reader = Reader::open(&memory, root).unwrap();
        prop_assert_eq!(reader.size(), bytes.len() as u64);
        for position in at {
            reader.seek(SeekFrom::Start(position)).unwrap();
            let mut part = [0; 50];
            let count = reader.read(&mut part).unwrap();
            let expected = bytes.get(position as usize..).unwrap_or_default();
            prop_assert!(expected.starts_with(&part[..count]));
            prop_assert!(count > 0 || expected.is_empty());
        }
    }

    /// Without one of its blocks a file is an error that names the block.
    #[test]
    fn a_missing_block_is_named(bytes in vec(any::<u8>(), 1..600), which: prop::sample::Index) {
        let mut memory = Memory::default();
        let root = memory.add(Profile::KUBO_CID_V1.resized(20, 3).unwrap(), &bytes);
        let mut names: Vec<_> = memory.0.keys().copied().collect();
        names.sort();
        let lost = names[which.index(names.len())];
        memory.0.remove(&lost);
        match memory.read(root) {
            Err(GetError::Missing(cid)) => prop_assert_eq!(cid, lost),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

/// Reading a range opens the blocks on its way and no others.
#[test]
fn a_seek_reads_one_path() {
    let mut memory = Memory::default();
    let bytes = content(40_000);
    let root = memory.add(Profile::KUBO_CID_V1.resized(16, 4).unwrap(), &bytes);
    let mut reader = Reader::open(&memory, root).unwrap();
    *memory.1.borrow_mut() = 0;
    reader.seek(SeekFrom::End(-8)).unwrap();
    let mut tail = Vec::new();
    reader.read_to_end(&mut tail).unwrap();
    assert_eq!(tail, bytes[bytes.len() - 8..]);
    assert_eq!(
        *memory.1.borrow(),
        6,
        "five nodes below the root and one leaf"
    );
    assert!(reader.seek(SeekFrom::Current(-50_000)).is_err());
    assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
}

#[test]
fn hostile_trees_are_refused_by_name() {
    let mut memory = Memory::default();
    let leaf = memory.add(Profile::UNIXFS_V1_2025, b"four");
    let refusal = |memory: &Memory, root| match memory.read(root) {
        Err(GetError::Malformed { cid, reason }) => (cid, reason),
        other => panic!("{other:?}"),
    };

    let lying = memory.node(&[leaf], b"\x08\x02\x18\x09\x20\x09");
    let (cid, reason) = refusal(&memory, lying);
    assert_eq!(cid, leaf);
    assert_eq!(reason, "it has 4 bytes, its parent says 9");

    let both = memory.node(&[leaf], b"\x08\x02\x12\x01x\x18\x05\x20\x04");
    assert_eq!(refusal(&memory, both).1, "it holds both bytes and links");

    let directory = memory.node(&[], b"\x08\x01");
    assert_eq!(
        refusal(&memory, directory),
        (directory, "it is UnixFS type 1, not a file".into())
    );

    let object = base::codec::encode(&5u8);
    let object_cid = cid::of_object(&object);
    memory.0.insert(object_cid, object);
    assert_eq!(
        refusal(&memory, object_cid).1,
        "it is an object, not a file"
    );

    // A chain of nodes with one child each, deeper than any file needs.
    let mut deep = leaf;
    for _ in 0..40 {
        deep = memory.node(&[deep], b"\x08\x02\x18\x04\x20\x04");
    }
    assert_eq!(refusal(&memory, deep).1, "the tree has more than 16 levels");

    // Children of no bytes around one with some.
    let none = memory.add(Profile::UNIXFS_V1_2025, b"");
    let around = memory.node(
        &[none, leaf, none],
        b"\x08\x02\x18\x04\x20\x00\x20\x04\x20\x00",
    );
    assert_eq!(memory.read(around).unwrap(), b"four");
    let empty = memory.node(&[none, none], b"\x08\x02\x18\x00\x20\x00\x20\x00");
    assert_eq!(memory.read(empty).unwrap(), b"");

    // A tree that says it holds 2^40 times its leaf: read as long as one likes, in bounds.
    let mut bomb = leaf;
    let mut size = 4u64;
    for _ in 0..10 {
        let mut message = vec![0x08, 0x02, 0x18];
        let varint = |mut value: u64, out: &mut Vec<u8>| {
            while value > 0x7f {
                out.push(value as u8 | 0x80);
                value >>= 7;
            }
            out.push(value as u8);
        };
        varint(size * 16, &mut message);
        for _ in 0..16 {
            message.push(0x20);
            varint(size, &mut message);
        }
        bomb = memory.node(&[bomb; 16], &message);
        size *= 16;
    }
    let mut reader = Reader::open(&memory, bomb).unwrap();
    assert_eq!(reader.size(), size);
    reader.seek(SeekFrom::Start(size - 6)).unwrap();
    let mut tail = Vec::new();
    reader.read_to_end(&mut tail).unwrap();
    assert_eq!(tail, b"urfour");
}
