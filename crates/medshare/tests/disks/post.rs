//! The post: letters, bags, pins and one-time keys.

use base::{AccountId, Digest};
use medshare::http::post::{Post, PostLimits};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    disk::SimDevice,
    life::{Keeper, powerless, seeds, sick},
    random::{Random, wanted},
};

#[derive(Clone, Debug)]
pub enum Change {
    Send(u8, u8, Vec<u8>),
    Delete(u8, Vec<u8>),
    Bag(u8, u8, Vec<u8>),
    Pin(u8, u8),
    Unpin(u8, u8),
    Leave(u8, Vec<Vec<u8>>),
    Take(u8),
}

#[derive(PartialEq, Eq, Debug)]
pub enum Said {
    Done,
    Was(bool),
    NotYours,
    Count(u64),
    Key(Option<Vec<u8>>),
}

type Letters = BTreeMap<u8, Vec<Vec<u8>>>;

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct State {
    letters: Letters,
    bags: BTreeMap<u8, (u8, Vec<u8>)>,
    pins: BTreeSet<(u8, u8)>,
    keys: BTreeMap<u8, VecDeque<Vec<u8>>>,
    seen: BTreeSet<(u8, Vec<u8>)>,
}

fn account(number: u8) -> AccountId {
    AccountId([number; 32])
}

impl Keeper for Post {
    type State = State;
    type Change = Change;
    type Said = Said;
    /// Letters, bags, and how many one-time keys wait.
    type Shown = (Letters, BTreeMap<u8, Vec<u8>>, BTreeMap<u8, u64>);

    fn open(device: Arc<SimDevice>) -> Result<Self, String> {
        Self::open_on(device, PostLimits::default()).map_err(|fault| fault.message)
    }

    fn draw(random: &mut Random) -> Change {
        let mut small = || random.below(3) as u8;
        let (one, other, third) = (small(), small(), small());
        let bytes = |random: &mut Random, lengths: &[usize]| {
            let length = *random.pick(lengths);
            vec![random.below(6) as u8; length]
        };
        match random.below(10) {
            0..4 => Change::Send(one, other, bytes(random, &[1, 300, 9_000])),
            4 => Change::Delete(one, bytes(random, &[1, 300, 9_000])),
            5 => Change::Bag(one, other, bytes(random, &[10, 5_000])),
            6 => match random.coin() {
                true => Change::Pin(one, third),
                false => Change::Unpin(one, third),
            },
            7 | 8 => {
                let keys = (0..3).map(|_| random.next().to_le_bytes().to_vec());
                Change::Leave(one, keys.collect())
            }
            _ => Change::Take(one),
        }
    }

    fn make(&self, change: &Change) -> Result<Said, String> {
        let said = match change {
            Change::Send(from, to, letter) => self
                .send(account(*from), account(*to), letter)
                .map(|()| Said::Done),
            Change::Delete(of, letter) => {
                self.delete(account(*of), Digest::of(letter)).map(Said::Was)
            }
            Change::Bag(at, owner, head) => {
                match self.put_bag(Digest([*at; 32]), account(*owner), head) {
                    Err(medshare::http::post::PostError::NotYours) => Ok(Said::NotYours),
                    other => other.map(|()| Said::Done),
                }
            }
            Change::Pin(of, root) => self
                .add_pin::<()>(account(*of), &[*root], || Ok(()))
                .map(|_| Said::Done),
            Change::Unpin(of, root) => self.remove_pin(account(*of), &[*root]).map(Said::Was),
            Change::Leave(of, keys) => self.put_prekeys(account(*of), keys).map(Said::Count),
            Change::Take(of) => self.take_prekey(account(*of)).map(Said::Key),
        };
        said.map_err(|error| error.to_string())
    }

    fn show(&self) -> Result<Self::Shown, String> {
        let text = |error: medshare::http::post::PostError| error.to_string();
        let (mut letters, mut bags, mut keys) = Self::Shown::default();
        for number in 0..3 {
            let inbox = self.inbox(account(number), 0, usize::MAX).map_err(text)?;
            if !inbox.is_empty() {
                let all = inbox.into_iter().map(|(_, letter)| letter);
                letters.insert(number, all.collect());
            }
            if let Some(bag) = self.read_bag(Digest([number; 32])).map_err(text)? {
                bags.insert(number, bag);
            }
            keys.insert(number, self.count_prekeys(account(number)).map_err(text)?);
        }
        Ok((letters, bags, keys))
    }

    fn model(state: &mut State, change: &Change) -> Said {
        match change {
            Change::Send(_, to, letter) => {
                let inbox = state.letters.entry(*to).or_default();
                if !inbox.contains(letter) {
                    inbox.push(letter.clone());
                }
                Said::Done
            }
            Change::Delete(of, letter) => {
                let Some(inbox) = state.letters.get_mut(of) else {
                    return Said::Was(false);
                };
                let before = inbox.len();
                inbox.retain(|one| one != letter);
                let was = inbox.len() < before;
                state.letters.retain(|_, inbox| !inbox.is_empty());
                Said::Was(was)
            }
            Change::Bag(at, owner, head) => match state.bags.get(at) {
                Some((other, _)) if other != owner => Said::NotYours,
                _ => {
                    state.bags.insert(*at, (*owner, head.clone()));
                    Said::Done
                }
            },
            Change::Pin(of, root) => {
                state.pins.insert((*of, *root));
                Said::Done
            }
            Change::Unpin(of, root) => Said::Was(state.pins.remove(&(*of, *root))),
            Change::Leave(of, keys) => {
                let waiting = state.keys.entry(*of).or_default();
                for key in keys {
                    if state.seen.insert((*of, key.clone())) {
                        waiting.push_back(key.clone());
                    }
                }
                Said::Count(waiting.len() as u64)
            }
            Change::Take(of) => {
                let waiting = state.keys.get_mut(of);
                Said::Key(waiting.and_then(VecDeque::pop_front))
            }
        }
    }

    fn shown(state: &State) -> Self::Shown {
        let bags = state.bags.iter().map(|(at, (_, head))| (*at, head.clone()));
        let count = |of: u8| state.keys.get(&of).map_or(0, |keys| keys.len() as u64);
        (
            state.letters.clone(),
            bags.collect(),
            (0..3).map(|of| (of, count(of))).collect(),
        )
    }
}

#[test]
fn the_post_loses_nothing_with_the_power() {
    (0..60).for_each(powerless::<Post>);
}

#[test]
fn the_post_survives_every_failure() {
    sick::<Post>(wanted("CRASH_STEP", 9));
}

#[test]
#[ignore = "the long form: cargo xtask crash"]
fn long() {
    seeds().for_each(powerless::<Post>);
}
