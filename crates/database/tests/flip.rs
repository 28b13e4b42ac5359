//! A flipped byte anywhere in the file: what is read is right, or the damage is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use database::{Device, OpenError, Tables};
use redb::{
    BackendError, Database, Error, ReadableDatabase as _, ReadableTable as _, StorageBackend,
    TableDefinition,
};
use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const COUNT: TableDefinition<'_, &str, u64> = TableDefinition::new("count");
/// So small that everything is read from the disk again.
const NO_CACHE: usize = 0;

type Bytes = Arc<Mutex<Vec<u8>>>;

/// A disk in memory with one file.
#[derive(Clone, Debug, Default)]
struct Disk(Bytes);

impl Disk {
    fn with(bytes: &[u8]) -> Arc<Self> {
        Arc::new(Self(Arc::new(Mutex::new(bytes.to_vec()))))
    }

    fn bytes(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flip(&self, at: usize) {
        self.bytes()[at] ^= 1 << (at % 8);
    }
}

impl Device for Disk {
    fn name(&self) -> &Path {
        Path::new("memory")
    }

    fn exists(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        self.bytes().clear();
        Ok(Box::new(self.clone()))
    }

    fn rename(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_name(&self) -> io::Result<()> {
        Ok(())
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.clone()))
    }

    fn rewrite(&self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = offset as usize;
        let bytes = self.bytes();
        let found = bytes.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes().resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = offset as usize;
        self.bytes()[from..from + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}

fn value(number: u64) -> Vec<u8> {
    (0..50 + number % 700)
        .map(|at| (at * number) as u8)
        .collect()
}

/// One commit: some entries change, and so does their count.
fn commit(database: &Database, round: u64) -> Result<(), Error> {
    let transaction = database.begin_write()?;
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        for number in (round * 40)..(round * 40 + 60) {
            entries.insert(number, value(number).as_slice())?;
        }
        entries.remove(round * 7)?;
        transaction.open_table(COUNT)?.insert("rounds", round)?;
    }
    Ok(transaction.commit()?)
}

const ROUNDS: u64 = 8;

type Contents = (u64, BTreeMap<u64, Vec<u8>>);

fn open(disk: Arc<Disk>) -> Result<Contents, Error> {
    match Tables::open(disk, 1 << 20, 1) {
        Ok(tables) => read(&tables),
        Err(OpenError::Database(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn read(tables: &Tables) -> Result<Contents, Error> {
    let handle = tables.handle()?;
    let view = handle.begin_read()?;
    let rounds = view.open_table(COUNT)?.get("rounds")?.unwrap().value();
    let mut entries = BTreeMap::new();
    for entry in view.open_table(ENTRIES)?.iter()? {
        let (number, bytes) = entry?;
        entries.insert(number.value(), bytes.value().to_vec());
    }
    Ok((rounds, entries))
}

fn named(error: &Error) -> bool {
    match error {
        Error::Corrupted(_) => true,
        Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        Error::UpgradeRequired(_) => true, // a version that nobody knows
        _ => false,
    }
}

/// The file as a killed process and as a clean end leave it.
fn images() -> [(&'static str, Vec<u8>, Contents); 2] {
    let disk = Disk::with(&[]);
    let tables = Tables::create(disk.clone(), 1 << 20, 1, |database| commit(database, 0)).unwrap();
    for round in 1..=ROUNDS {
        commit(&tables.handle().unwrap(), round).unwrap();
    }
    let contents = read(&tables).unwrap();
    let killed = disk.bytes().clone();
    drop(tables);
    let ended = disk.bytes().clone();
    [
        ("killed", killed, contents.clone()),
        ("ended", ended, contents),
    ]
}

/// Every byte of the header's page, then of each page that is used some.
fn places(image: &[u8]) -> Vec<usize> {
    let step = std::env::var("FLIP_STEP").map_or(211, |step| step.parse().unwrap());
    let used = |page: usize| image[page * 4096..][..4096].iter().any(|byte| *byte != 0);
    let mut places: Vec<usize> = (0..600).collect();
    let pages: Vec<usize> = (1..image.len() / 4096).filter(|page| used(*page)).collect();
    assert!(pages.len() > 20);
    let mut at = 0;
    for page in pages {
        while at < 4096 {
            places.push(page * 4096 + at);
            at += step;
        }
        at -= 4096; // another offset in the next page
    }
    places
}

#[test]
fn a_flip_while_nobody_looks_is_found_or_does_not_matter() {
    for (how, image, contents) in images() {
        let (mut found, mut harmless) = (0, 0);
        for at in places(&image) {
            let disk = Disk::with(&image);
            disk.flip(at);
            match open(disk) {
                Ok(read) => {
                    assert!(read == contents, "{how}, byte {at}: wrong contents");
                    harmless += 1;
                }
                Err(error) => {
                    assert!(named(&error), "{how}, byte {at}: {error}");
                    found += 1;
                }
            }
        }
        println!("{how}: {found} found, {harmless} harmless");
        assert!(found > 500 && harmless > 100, "{how}: {found} {harmless}");
    }
}

#[test]
fn a_flip_while_it_is_open_is_found_before_it_is_read() {
    let [(_, image, contents), _] = images();
    let (mut found, mut seen) = (0, 0);
    for at in places(&image)
        .into_iter()
        .filter(|at| *at >= 4096)
        .step_by(3)
    {
        let disk = Disk::with(&image);
        let tables = Tables::open(disk.clone(), NO_CACHE, 1).unwrap();
        disk.flip(at);
        // A look past the caches finds it, if anybody will ever read it.
        let mut next = Some(0);
        let inspected = loop {
            match next.map(|page| tables.inspect(page, 64)) {
                Some(Ok(more)) => next = more,
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        seen += usize::from(inspected.is_err());
        let disk = Disk::with(&image);
        let tables = Tables::open(disk.clone(), NO_CACHE, 1).unwrap();
        disk.flip(at);
        match read(&tables) {
            Ok(read) => assert!(read == contents, "byte {at}: wrong contents"),
            Err(error) => {
                assert!(named(&error), "byte {at}: {error}");
                assert!(inspected.is_err(), "byte {at}: not seen by a look");
                assert!(tables.damage().unwrap().contains("damaged"));
                assert!(named(&tables.handle().unwrap_err()), "for good");
                found += 1;
            }
        }
    }
    assert!(found > 10 && seen >= found, "{found} {seen}");
}

/// Of a commit in flight when the power went, the one before is what counts; of one that
/// was durable, never.
#[test]
fn only_a_commit_in_flight_is_undone() {
    let disk = Disk::with(&[]);
    let tables = Tables::create(disk.clone(), 1 << 20, 1, |database| commit(database, 0)).unwrap();
    commit(&tables.handle().unwrap(), 1).unwrap();
    let before = disk.bytes().clone();
    commit(&tables.handle().unwrap(), 2).unwrap();
    let after = disk.bytes().clone();
    let changed: Vec<usize> = (1..after.len() / 4096)
        .filter(|page| {
            before
                .get(page * 4096..)
                .is_none_or(|old| old[..4096] != after[page * 4096..][..4096])
        })
        .collect();
    let mut undone = 0;
    for page in changed {
        for durable in [true, false] {
            let mut image = after.clone();
            let old = before
                .get(page * 4096..(page + 1) * 4096)
                .unwrap_or(&[0; 4096]);
            image[page * 4096..(page + 1) * 4096].copy_from_slice(old);
            if !durable {
                image[512..544].copy_from_slice(&before[512..544]);
            }
            match open(Disk::with(&image)) {
                Ok((2, _)) => {} // a page that no longer counts
                Ok((1, _)) if !durable => undone += 1,
                Err(error) if durable => assert!(named(&error), "{error}"),
                other => panic!("page {page}, durable {durable}: {other:?}"),
            }
        }
    }
    assert!(undone > 0);
}
