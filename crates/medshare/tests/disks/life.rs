//! The life of one file of tables: what is acknowledged is there after every death of the
//! power or the process, and after every failure of the disk; what was refused is there whole
//! or not at all.

use std::{fmt::Debug, io, path::Path, sync::Arc};

use crate::{
    disk::{Failure, Kind, LOTS, Lot, SimDevice, SimDisk},
    random::{Random, wanted},
};

/// Something that keeps a file of tables, and a model of it.
pub trait Keeper: Sized {
    type State: Clone + Default + PartialEq + Debug;
    type Change: Clone + Debug;
    type Said: PartialEq + Debug;
    /// What can be read of a state.
    type Shown: PartialEq + Debug;

    fn open(device: Arc<SimDevice>) -> Result<Self, String>;
    fn draw(random: &mut Random) -> Self::Change;
    fn make(&self, change: &Self::Change) -> Result<Self::Said, String>;
    fn show(&self) -> Result<Self::Shown, String>;
    fn model(state: &mut Self::State, change: &Self::Change) -> Self::Said;
    fn shown(state: &Self::State) -> Self::Shown;
}

pub struct Life<K: Keeper> {
    pub disk: SimDisk,
    /// What may be on the disk: more than one after a change that nobody acknowledged.
    states: Vec<K::State>,
    /// It is made again until it is acknowledged, as whoever asked for it would.
    unsure: Option<K::Change>,
}

const FOLDER: &str = "/srv/home";

impl<K: Keeper> Life<K> {
    pub fn new() -> Self {
        Self {
            disk: SimDisk::new(Path::new(FOLDER)),
            states: vec![K::State::default()],
            unsure: None,
        }
    }

    pub fn open(&self) -> Result<K, String> {
        let path = Path::new(FOLDER).join("file.redb");
        K::open(Arc::new(SimDevice::new(&self.disk, &path)))
    }

    pub fn act(&mut self, keeper: &K, random: &mut Random) -> Result<(), String> {
        let change = self.unsure.take().unwrap_or_else(|| K::draw(random));
        match keeper.make(&change) {
            Ok(said) => {
                let mut fits = Vec::new();
                for mut state in self.states.drain(..) {
                    if K::model(&mut state, &change) == said {
                        fits.push(state);
                    }
                }
                assert!(
                    !fits.is_empty(),
                    "{change:?}: {said:?} fits nothing acknowledged"
                );
                self.states = fits;
                Ok(())
            }
            Err(error) => {
                let mut all = self.states.clone();
                for mut state in self.states.drain(..) {
                    K::model(&mut state, &change);
                    if !all.contains(&state) {
                        all.push(state);
                    }
                }
                self.states = all;
                self.unsure = Some(change);
                Err(error)
            }
        }
    }

    /// What is shown is one of the states that may be; from then on it is the one.
    pub fn check(&mut self, keeper: &K) {
        let shown = keeper.show().unwrap();
        let before = format!("{:?}", self.states.iter().map(K::shown).collect::<Vec<_>>());
        self.states.retain(|state| K::shown(state) == shown);
        assert!(
            !self.states.is_empty(),
            "shown {shown:?}\nbut it may be {before}"
        );
    }

    /// The power goes, or the process alone.
    fn die(&self, random: &mut Random) {
        match random.below(3) {
            0 => self.disk.revive(),
            _ => self.disk.power_loss(Lot::draw(random), random),
        }
    }
}

/// Lives of some forty changes, each ended at a random change of the disk.
pub fn powerless<K: Keeper>(seed: u64) {
    let random = &mut Random::new(seed);
    let mut life = Life::<K>::new();
    drop(life.open().unwrap());
    for _ in 0..3 {
        let limit = *random.pick(&[8, 60, 400]);
        life.disk.power_off_after(1 + random.below(limit));
        match life.open() {
            Err(error) => assert!(life.disk.is_dead(), "{error}"),
            Ok(keeper) => {
                for _ in 0..40 {
                    if let Err(error) = life.act(&keeper, random) {
                        assert!(life.disk.is_dead(), "{error}");
                        break;
                    }
                }
                life.disk.cut_power();
            }
        }
        life.die(random);
        let keeper = life.open().unwrap();
        life.check(&keeper);
        life.act(&keeper, random).unwrap();
        life.check(&keeper);
        if random.coin() {
            life.disk.cut_power();
        }
        drop(keeper);
        life.die(random);
        let keeper = life.open().unwrap();
        life.check(&keeper);
    }
}

const ERRORS: [(Kind, io::ErrorKind); 4] = [
    (Kind::Room, io::ErrorKind::StorageFull),
    (Kind::Room, io::ErrorKind::Other),
    (Kind::Read, io::ErrorKind::Other),
    (Kind::Sync, io::ErrorKind::Other),
];

/// The disk fails once, or for a while, at every `step`th write, read and sync.
pub fn sick<K: Keeper>(step: u64) {
    for (number, (kind, error)) in ERRORS.into_iter().enumerate() {
        let mut at = number as u64 % step;
        while [1, 40]
            .iter()
            .any(|times| failing::<K>(kind, error, at, *times))
        {
            at += step;
        }
        assert!(at > 2 * step, "{kind:?} was never reached");
    }
}

/// Whether the failure was reached.
fn failing<K: Keeper>(kind: Kind, error: io::ErrorKind, at: u64, times: u64) -> bool {
    let count = |disk: &SimDisk| match kind {
        Kind::Room => disk.counts().changes,
        Kind::Read => disk.counts().reads,
        Kind::Sync => disk.counts().syncs,
    };
    let random = &mut Random::new(at * 2 + times);
    let mut life = Life::<K>::new();
    let mut keeper = life.open().unwrap();
    for _ in 0..6 {
        life.act(&keeper, random).unwrap();
    }
    let from = count(&life.disk) + 1 + at;
    life.disk.fail(Failure {
        kind,
        from,
        times,
        error,
    });
    let mut said = String::new();
    if kind == Kind::Read {
        // What is small is read when it is opened, and then from memory.
        drop(keeper);
        keeper = (0..200)
            .find_map(|_| life.open().map_err(|error| said = error).ok())
            .unwrap();
    }
    for _ in 0..25 {
        if let Err(error) = life.act(&keeper, random) {
            said = error;
        }
        let _ = keeper.show();
    }
    let hit = count(&life.disk) >= from;
    assert!(hit || said.is_empty(), "{said}");
    if kind == Kind::Room && error == io::ErrorKind::StorageFull && !said.is_empty() {
        let names = ["no storage space", "disk is full", "no room", "failed"];
        assert!(names.iter().any(|name| said.contains(name)), "{said}");
    }
    life.disk.heal();
    // The same process goes on, and what it acknowledges is durable.
    for _ in 0..4 {
        life.act(&keeper, random).unwrap();
    }
    life.check(&keeper);
    drop(keeper);
    life.disk.power_loss(*random.pick(&LOTS), random);
    let keeper = life.open().unwrap();
    life.check(&keeper);
    hit
}

/// From the environment, for the long form: first seed and how many.
pub fn seeds() -> std::ops::Range<u64> {
    let first = wanted("CRASH_SEED", 1_000);
    first..first + wanted("CRASH_RUNS", 10_000)
}
