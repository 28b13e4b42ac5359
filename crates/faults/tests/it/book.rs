//! The book of what was acknowledged, and what a ledger and a store must therefore hold.

use base::{
    AccountId, Digest, Millis, Operation, OperationId, Signed,
    cid::{self, Cid},
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
    operation::{Action, Bag, PatientKeys, Register, Role, SignedOperation},
};
use ledger::{Ledger, Replay};
use std::collections::{BTreeMap, BTreeSet};
use store::{BlockStore as _, Embedded, GetError};

use crate::random::Random;

pub fn secret(name: &str) -> OperationSecret {
    OperationSecret::new(Digest::of(name.as_bytes()).0)
}

pub fn genesis() -> Genesis {
    Genesis {
        version: base::Version,
        network: "faults".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: vec![Validator {
            key: secret("node").public(),
            hpke_key: HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap(),
        }],
        institutions: vec![],
        policy: Policy::default(),
    }
}

/// The operation that a patient sends with this sequence number: the same whenever asked.
pub fn operation(genesis: &Genesis, patient: &str, sequence: u64) -> SignedOperation {
    let secret = secret(patient);
    let action: Action = if sequence == 1 {
        Register {
            role: Role::Patient,
            operation_key: secret.public(),
            hpke_key: HpkeKey::new(vec![2; HpkeKey::LENGTH]).unwrap(),
            record_key: None,
            peer: None,
            patient: Some(PatientKeys {
                pkh: Digest::of(patient.as_bytes()),
                h: cid::of_block(cid::RAW, patient.as_bytes()),
            }),
        }
        .into()
    } else {
        let commitment = Digest([3; 32]);
        Bag {
            version: sequence,
            commitment,
        }
        .into()
    };
    let operation = Operation {
        chain: genesis.chain(),
        account: AccountId::of(&secret.public()),
        delegation: None,
        sequence,
        action,
    };
    Signed::new(operation, &secret)
}

/// Block number `n` of some thousand bytes, and its name.
pub fn content(number: u64) -> (Cid, Vec<u8>) {
    debug_assert!(number < BUNDLES);
    let mut random = Random::new(number);
    let length = 1 + random.below(3_000) as usize;
    let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
    (cid::of_block(cid::RAW, &bytes), bytes)
}

/// Blocks from this number on are objects that link to others.
pub const BUNDLES: u64 = 1 << 40;

/// Object number `n`, its name, and the blocks that it links to.
pub fn bundle(number: u64, of: [u64; 3]) -> (Cid, Vec<u8>, [Cid; 3]) {
    let members = of.map(|number| content(number).0);
    let bytes = base::codec::encode(&(number, "a bundle of three blocks", members));
    (cid::of_object(&bytes), bytes, members)
}

#[derive(Default)]
pub struct Book {
    /// Acknowledged: index in the log.
    pub operations: BTreeMap<Cid, u64>,
    /// Sent, and not answered or answered with an error.
    pub sent: BTreeSet<Cid>,
    /// The group that was under way last: all of it is there or nothing.
    pub group: BTreeSet<Cid>,
    pub blocks: BTreeMap<Cid, Fate>,
    /// What objects link to.
    pub links: BTreeMap<Cid, [Cid; 3]>,
    /// Blocks of which a write may have failed and left bytes behind.
    pub doubtful: BTreeSet<Cid>,
    /// The counts that a root may have.
    pub pins: BTreeMap<Cid, Vec<u64>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    There,
    Gone,
    /// It was being written or deleted.
    Unsure,
}

impl Book {
    /// Pins of all roots that reach the block; `None` if that is not certain.
    pub fn count(&self, cid: &Cid) -> Option<u64> {
        let own = self.pins_of(cid)?;
        self.links
            .iter()
            .filter(|(_, links)| links.contains(cid))
            .try_fold(own, |sum, (root, _)| match self.pins_of(root)? {
                0 => Some(sum),
                _ if self.blocks.get(root) != Some(&Fate::There) => None,
                count => Some(sum + count),
            })
    }

    fn pins_of(&self, root: &Cid) -> Option<u64> {
        match self.pins.get(root).map(Vec::as_slice) {
            None => Some(0),
            Some([count]) => Some(*count),
            Some(_) => None,
        }
    }

    /// What `root` links to, and itself.
    pub fn reach(&self, root: &Cid) -> Vec<Cid> {
        let links = self.links.get(root).into_iter().flatten();
        links.chain([root]).copied().collect()
    }

    /// What may be gone now is, or is not.
    pub fn doubt(&mut self, cids: &[Cid]) {
        for cid in cids {
            let is_kept = self.count(cid).is_some_and(|count| count > 0);
            if let Some(fate) = self.blocks.get_mut(cid)
                && *fate == Fate::There
                && !is_kept
            {
                *fate = Fate::Unsure;
            }
        }
    }

    /// Every acknowledged operation is there exactly once and at its place, no operation
    /// of nobody is, the log replays to the state, and the index leads to every leaf.
    pub fn check_ledger(&mut self, ledger: &Ledger) {
        let view = ledger.view().unwrap();
        let head = view.head().unwrap().header;
        let mut replay = Replay::new(ledger.genesis());
        let mut ids = BTreeMap::new();
        let mut index = 0;
        for height in 1..=head.height {
            let block = view.block(height).unwrap().expect("a block is missing");
            assert!(!block.leaves.is_empty());
            replay.push(&block).unwrap();
        }
        for leaf in view.leaves(0, usize::MAX).unwrap() {
            let id = leaf.operation.to_bytes().1;
            assert_eq!(view.index_of(id).unwrap(), Some(index));
            assert_eq!(ids.insert(id.0, index), None, "{id} is there twice");
            index += 1;
        }
        assert_eq!(index, head.tree_size);
        for (id, index) in &self.operations {
            assert_eq!(ids.get(id), Some(index), "acknowledged {id}");
            if index + 8 < head.tree_size {
                continue; // proofs take their time: of the newest only
            }
            let id = OperationId(*id);
            let (_, leaf) = view.operation(id).unwrap().unwrap();
            let receipt = view.receipt(id).unwrap().unwrap();
            receipt
                .verify(&ledger.validators(), &leaf.operation)
                .unwrap();
        }
        for id in ids.keys() {
            assert!(
                self.operations.contains_key(id) || self.sent.contains(id),
                "nobody sent {id}"
            );
        }
        let present = self.group.iter().filter(|id| ids.contains_key(id)).count();
        assert!(
            present == 0 || present == self.group.len(),
            "half a group is there"
        );
        assert_eq!(replay.header(), &head);
        assert_eq!(replay.state_hash().digest(), head.state_hash);
        let tables = view.recompute_state_hash().unwrap();
        assert_eq!(tables.digest(), head.state_hash);
        // What is there is there from now on, what is not may be sent again.
        self.operations = ids;
        self.sent.clear();
        self.group.clear();
    }

    /// Every acknowledged block is there, every deleted one is not, none is half there,
    /// and pins are what they were. What was under way is settled, one way or the other,
    /// only if what is seen is what the disk has.
    pub fn check_store(&mut self, store: &Embedded, settled: bool) {
        for (cid, fate) in &mut self.blocks {
            let found = match store.get(cid) {
                Ok(_) => Fate::There, // `get` compares the digest
                Err(GetError::Missing(_)) => Fate::Gone,
                Err(error) => panic!("{error}"),
            };
            assert!(*fate == found || *fate == Fate::Unsure, "{fate:?}: {cid}");
            if settled {
                *fate = found;
            }
        }
        let found: BTreeMap<_, _> = store.pins().unwrap().into_iter().collect();
        for root in found.keys() {
            assert!(self.pins.contains_key(root), "nobody pinned {root}");
        }
        for (root, allowed) in &mut self.pins {
            let count = found.get(root).copied().unwrap_or(0);
            assert!(allowed.contains(&count), "{count} of {allowed:?}: {root}");
            if settled {
                *allowed = vec![count];
            }
        }
    }
}
