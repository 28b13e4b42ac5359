//! A real ledger that grows.

use anchor::{AnchoredProof, Chain, Journal, Schedule, State, TABLES_VERSION};
use base::{
    AccountId, ChainId, Digest, Millis, Operation, Signed, Version, cid, codec,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
    operation::{Bag, PatientKeys, Register, Role},
};
use database::{FileDevice, Tables};
use ledger::{Ledger, OpenOptions, check_batch};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub(crate) const T0: Millis = Millis(1_795_305_600_000);
/// Blocks until an anchor counts.
pub(crate) const CONFIRMATIONS: u64 = 3;

/// When an anchor is due in tests: at 100 operations, or after an hour.
pub(crate) const SCHEDULE: Schedule = Schedule {
    every: Millis::HOUR,
    count: 100,
    confirmations: CONFIRMATIONS,
    replace: 60_000,
    budget: 1_000_000_000,
    poll: Duration::from_millis(100),
};

/// A ledger of one validator, in a folder of its own.
pub(crate) struct World {
    pub(crate) folder: PathBuf,
    pub(crate) genesis: Genesis,
    pub(crate) ledger: Ledger,
    node: OperationSecret,
    _own: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut world = Self::at(own.path());
        world._own = Some(own);
        world
    }

    /// The world in `folder`; made if there is none.
    pub(crate) fn at(folder: &Path) -> Self {
        let node = OperationSecret::new([1; 32]);
        let genesis = Genesis {
            version: Version,
            network: "anchors".into(),
            created: T0,
            drift: 5_000,
            validators: vec![Validator {
                key: node.public(),
                hpke_key: hpke(),
            }],
            institutions: vec![],
            policy: Policy::default(),
        };
        let path = folder.join("ledger.redb");
        let ledger = match path.exists() {
            true => Ledger::open(&path, &genesis, OpenOptions::default()).unwrap(),
            false => Ledger::create(&path, &genesis, OpenOptions::default()).unwrap(),
        };
        Self {
            folder: folder.to_owned(),
            genesis,
            ledger,
            node,
            _own: None,
        }
    }

    pub(crate) fn chain(&self) -> ChainId {
        self.genesis.chain()
    }

    pub(crate) fn size(&self) -> u64 {
        self.ledger.view().unwrap().head().unwrap().header.tree_size
    }

    /// A block of `count` operations: a patient registers, and notes versions of her key bag.
    pub(crate) fn grow(&self, count: u64) {
        let head = self.ledger.view().unwrap().head().unwrap().header;
        let patient = OperationSecret::new([2; 32]);
        let logged = (head.tree_size..head.tree_size + count).map(|index| {
            let action = match index {
                0 => Register {
                    role: Role::Patient,
                    operation_key: patient.public(),
                    hpke_key: hpke(),
                    record_key: None,
                    peer: None,
                    patient: Some(PatientKeys {
                        pkh: Digest([3; 32]),
                        h: cid::of_block(cid::RAW, b"h"),
                    }),
                }
                .into(),
                version => Bag {
                    version,
                    commitment: Digest::of(&version.to_le_bytes()),
                }
                .into(),
            };
            let operation = Operation {
                chain: self.chain(),
                account: AccountId::of(&patient.public()),
                delegation: None,
                sequence: index + 1,
                action,
            };
            Signed::new(operation, &patient).to_bytes().0
        });
        let view = self.ledger.view().unwrap();
        let checked = check_batch(logged.collect(), self.chain(), &view).unwrap();
        let checked = checked.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        drop(view);
        let proposer = AccountId::of(&self.node.public());
        let block = self
            .ledger
            .propose(checked, head.time.plus(1), proposer)
            .unwrap();
        let certificate = block.header().certify(&self.node);
        let receipts = self.ledger.commit(block, certificate).unwrap();
        assert!(receipts.iter().all(|receipt| receipt.outcome.is_ok()));
    }

    pub(crate) fn journal(&self, name: &str) -> Journal {
        let path = self.folder.join(name);
        let device = Arc::new(FileDevice::new(&path));
        Journal::new(match path.exists() {
            true => Tables::open(device, 1 << 20, TABLES_VERSION).unwrap(),
            false => Tables::create(device, 1 << 20, TABLES_VERSION, Journal::begin).unwrap(),
        })
    }

    pub(crate) fn write_genesis(&self) -> PathBuf {
        let path = self.folder.join("genesis.cbor");
        fs::write(&path, codec::encode(&self.genesis)).unwrap();
        path
    }

    /// The proof of leaf `index`, from what a journal holds.
    pub(crate) fn prove(
        &self,
        chain: Chain,
        journal: &Journal,
        index: u64,
        certified: bool,
    ) -> AnchoredProof {
        let entry = journal
            .covering(chain, index)
            .unwrap()
            .expect("it is anchored");
        let State::Final { evidence, .. } = entry.state else {
            panic!("not final");
        };
        let view = self.ledger.view().unwrap();
        let leaf = view.leaf(index).unwrap().unwrap();
        let inclusion = view.inclusion(index, entry.says.size).unwrap().unwrap();
        let head = view.head_at(entry.says.height).unwrap().unwrap();
        AnchoredProof::new(&leaf, inclusion, &head, certified, evidence)
    }
}

fn hpke() -> HpkeKey {
    HpkeKey::new(vec![0; HpkeKey::LENGTH]).unwrap()
}
