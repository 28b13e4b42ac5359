//! The vault: entries of several tables, in one step.

use medshare::home::vault::LocalVault;
use std::{collections::BTreeMap, sync::Arc};

use crate::{
    disk::SimDevice,
    life::{Keeper, powerless, seeds, sick},
    random::{Random, wanted},
};

const TABLES: [&str; 3] = ["identity", "contacts", "scopes"];
const KEY: [u8; 32] = [9; 32];

type Place = (&'static str, Vec<u8>);
type State = BTreeMap<Place, Vec<u8>>;

impl Keeper for LocalVault {
    type State = State;
    /// Values to put, and entries to delete.
    type Change = Vec<(Place, Option<Vec<u8>>)>;
    type Said = ();
    type Shown = State;

    fn open(device: Arc<SimDevice>) -> Result<Self, String> {
        Self::on(device, &KEY).map_err(|fault| fault.message)
    }

    fn draw(random: &mut Random) -> Self::Change {
        (0..1 + random.below(3))
            .map(|_| {
                let table = *random.pick(&TABLES);
                let key = vec![random.below(7) as u8; 3];
                let value = (random.below(4) > 0).then(|| {
                    random
                        .next()
                        .to_le_bytes()
                        .repeat(*random.pick(&[1, 40, 900]))
                });
                ((table, key), value)
            })
            .collect()
    }

    fn make(&self, change: &Self::Change) -> Result<(), String> {
        let changes = change.iter();
        let changes: Vec<_> = changes
            .map(|((table, key), value)| (*table, key.as_slice(), value.as_deref()))
            .collect();
        self.write_all(&changes).map_err(|fault| fault.message)
    }

    fn show(&self) -> Result<State, String> {
        let mut shown = State::new();
        for table in TABLES {
            for (key, value) in self.entries(table).map_err(|fault| fault.message)? {
                shown.insert((table, key), value.to_vec());
            }
        }
        Ok(shown)
    }

    fn model(state: &mut State, change: &Self::Change) {
        for (place, value) in change {
            match value {
                Some(value) => state.insert(place.clone(), value.clone()),
                None => state.remove(place),
            };
        }
    }

    fn shown(state: &State) -> State {
        state.clone()
    }
}

#[test]
fn the_vault_loses_nothing_with_the_power() {
    (0..60).for_each(powerless::<LocalVault>);
}

#[test]
fn the_vault_survives_every_failure() {
    sick::<LocalVault>(wanted("CRASH_STEP", 9));
}

#[test]
#[ignore = "the long form: cargo xtask crash"]
fn long() {
    seeds().for_each(powerless::<LocalVault>);
}
