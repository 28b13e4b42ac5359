//! Trees of blocks as CAR files: ours into a Kubo and back, bytes for bytes.

use crate::{cids::content, daemon::Repository};
use base::cid::{self, Cid};
use ipld_core::ipld;
use std::io::Read as _;
use store::{
    BlockStore as _, Embedded, car,
    unixfs::{Profile, Reader, add},
    walk,
};

/// Something like a sealed record: an object that links to files, one of them of many blocks.
pub(crate) fn put_record(store: &dyn store::BlockStore, seed: u8) -> (Cid, Vec<Vec<u8>>) {
    let files: Vec<Vec<u8>> = [0, 700, (5 << 20) + 321]
        .map(|size| content(size).into_iter().map(|byte| byte ^ seed).collect())
        .into();
    let mut batch = store.batch();
    let parts: Vec<_> = files
        .iter()
        .map(|file| {
            let built = add(Profile::UNIXFS_V1_2025, &file[..], &mut *batch).unwrap();
            ipld!({"part": built.cid, "size": built.size as i64})
        })
        .collect();
    let object = serde_ipld_dagcbor::to_vec(&ipld!({"parts": parts, "version": 1})).unwrap();
    let root = cid::of_object(&object);
    batch.put(&root, &object).unwrap();
    batch.commit().unwrap();
    (root, files)
}

/// The files of [`put_record`], read back.
pub(crate) fn read_record(store: &dyn store::BlockStore, root: &Cid) -> Vec<Vec<u8>> {
    let object = store.get(root).unwrap();
    let links = store::links(root, &object).unwrap();
    let read = |link| {
        let mut file = Vec::new();
        let mut reader = Reader::open(store, link).unwrap();
        reader.read_to_end(&mut file).unwrap();
        file
    };
    links.into_iter().map(read).collect()
}

#[test]
fn a_car_of_ours_goes_into_a_kubo_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path().join("here")).unwrap();
    let (root, files) = put_record(&store, 0);
    let mut ours = Vec::new();
    let summary = car::export(&store, root, &mut ours).unwrap();

    let repository = Repository::new();
    let told = repository.ipfs_with(&["dag", "import", "--stats", "--pin-roots=true"], &ours);
    assert!(
        told.contains(&format!("Pinned root\t{root}\tsuccess")),
        "{told}"
    );
    let counted = format!(
        "Imported {} blocks ({} bytes)",
        summary.blocks, summary.bytes
    );
    assert!(told.contains(&counted), "{told}");
    let theirs = repository.ipfs_bytes(
        &["dag", "export", "--progress=false", &root.to_string()],
        b"",
    );
    assert_eq!(theirs, ours);

    let there = Embedded::open(folder.path().join("there")).unwrap();
    assert_eq!(car::import(&there, &theirs[..], u64::MAX).unwrap(), summary);
    assert!(walk::verify(&there, root).faults.is_empty());
    assert_eq!(read_record(&there, &root), files);
    // What Kubo says the files are.
    for (part, file) in store::links(&root, &store.get(&root).unwrap())
        .unwrap()
        .iter()
        .zip(&files)
    {
        assert_eq!(
            &repository.ipfs_bytes(&["cat", &part.to_string()], b""),
            file
        );
    }
}

#[test]
fn a_file_that_kubo_added_comes_here() {
    let repository = Repository::new();
    let file = content((46 << 20) + 5);
    for (words, profile) in [
        (
            &[
                "--cid-version=0",
                "--raw-leaves=false",
                "--chunker=size-262144",
                "--max-file-links=174",
            ],
            Profile::UNIXFS_V0_2015,
        ),
        (
            &[
                "--cid-version=1",
                "--raw-leaves=true",
                "--chunker=size-1048576",
                "--max-file-links=1024",
            ],
            Profile::UNIXFS_V1_2025,
        ),
    ] {
        let root = repository.ipfs_with(
            &[&["add", "--quieter", "--trickle=false"][..], words].concat(),
            &file,
        );
        let exported = repository.ipfs_bytes(&["dag", "export", "--progress=false", &root], b"");
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let summary = car::import(&store, &exported[..], u64::MAX).unwrap();
        assert_eq!(summary.roots[0].to_string(), root);
        let ours = add(profile, &file[..], store::unixfs::HashOnly).unwrap();
        assert_eq!(ours.cid, summary.roots[0]);
        let mut read = Vec::new();
        Reader::open(&store, summary.roots[0])
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, file);
    }
}
