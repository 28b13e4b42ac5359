//! Grants mirrored, and asked for by a contract of somebody else.

use alloy::{
    primitives::{Address, B256},
    sol,
    sol_types::{SolCall, SolValue as _},
};
use anchor::{
    Chain, Journal, Next, State, StepError, TABLES_VERSION, Trouble,
    ethereum::{
        Kind, allows,
        contract::{Permissions, bytecode},
        permission::{Permission, key as key_of, word},
    },
};
use base::{AccountId, Millis, OperationId, operation::*};
use database::{FileDevice, Tables};
use serde_json::json;
use std::{sync::Arc, time::Duration};

use crate::{
    cast::{self, World, authorizing, id},
    contract::send,
    feed::{Fed, next, step},
    gas,
    world::T0,
};

sol! {
    function lend(bytes32 grant, bytes32 requester) external;
    function lent(bytes32 requester) external view returns (uint256);
}

/// A consortium with a patient who grants, and the contract that mirrors it.
struct Mirror {
    world: World,
    fed: Fed,
    journal: Journal,
    /// A contract of somebody else's that asks.
    library: [u8; 20],
}

fn journal(world: &World, name: &str) -> Journal {
    let device = Arc::new(FileDevice::new(&world.dir.path().join(name)));
    Journal::new(Tables::create(device, 1 << 20, TABLES_VERSION, Journal::begin).unwrap())
}

impl Mirror {
    fn start() -> Self {
        let world = World::cast();
        let fed = Fed::start(Kind::Permissions(0), world.chain());
        let asks = Address::from(fed.settings.contract).abi_encode();
        let library = gas::deploy(&fed.anvil, [bytecode("Library"), asks].concat());
        let journal = journal(&world, "anchors.redb");
        Self {
            world,
            fed,
            journal,
            library,
        }
    }

    fn settle(&self) {
        let mut service = self.fed.service::<Permission>(&self.journal, 0);
        self.fed.settle(&mut service, self.world.ledger());
    }

    /// What the contract answers, and what the other one makes of it.
    fn allowed(&self, grant: OperationId, requester: &str) -> bool {
        let (word, requester) = (word(grant), id(requester).0);
        let contract = self.fed.settings.contract;
        let endpoint = &self.fed.settings.endpoint;
        let patience = Duration::from_secs(20);
        let allowed = allows(endpoint, contract, word, requester, patience).unwrap();
        let lend = lendCall {
            grant: word.into(),
            requester: requester.into(),
        };
        let lent = send(&self.fed.anvil, 2, &self.library, &lend).is_ok();
        assert_eq!(allowed, lent, "who asks is told the same");
        allowed
    }

    fn changes(&self) -> Vec<u64> {
        self.fed.said()
    }
}

#[test]
fn ethereum_allows_what_is_granted_until_it_is_revoked() {
    let mut mirror = Mirror::start();
    let grant = mirror.world.grant("institute", &["s1", "s2"], &["am"]);
    assert!(!mirror.allowed(grant, "institute"), "not yet");
    mirror.settle();
    assert!(mirror.allowed(grant, "institute"));
    // Nobody else, and nothing else.
    assert!(!mirror.allowed(grant, "loner"));
    let other = mirror.world.grant("loner", &["s1"], &["ag"]);
    assert!(!mirror.allowed(other, "institute") && !mirror.allowed(other, "loner"));
    mirror.settle();
    assert!(mirror.allowed(other, "loner") && !mirror.allowed(other, "institute"));
    mirror.world.ok("pat", Revoke { grant });
    mirror.settle();
    assert!(!mirror.allowed(grant, "institute"));
    assert!(mirror.allowed(other, "loner"));
    assert_eq!(mirror.changes().len(), 3);
    let size = mirror.world.view().head().unwrap().header.tree_size;
    assert_eq!(next(&mirror.fed), size, "the revocation was the last leaf");
    // The journal has the proof of each change.
    let entry = mirror.journal.newest::<Permission>(Chain::Ethereum);
    let (number, entry) = entry.unwrap().unwrap();
    assert!(number == 2 && matches!(entry.state, State::Final { .. }));
    assert_eq!(entry.says.span, None);
}

#[test]
fn ethereum_honours_begin_and_end_by_the_blocks_time() {
    let mut mirror = Mirror::start();
    let request = mirror.world.request("institute", "pat");
    let hour = |hours: u64| Millis(T0.0 + hours * Millis::HOUR);
    let terms = Terms {
        not_before: hour(10).plus(1),
        expires: hour(20).plus(999),
        ..mirror.world.terms(request, &["s1"], &["am"])
    };
    let grant = mirror.world.ok("pat", authorizing(terms));
    mirror.settle();
    let at = |second: u64| {
        let call = |method, second: u64| mirror.fed.anvil.call(method, json!([second]));
        call("evm_setNextBlockTimestamp", second);
        mirror.fed.anvil.mine(1);
        let contract = mirror.fed.settings.contract;
        let call = Permissions::isAllowedCall {
            grant_: word(grant).into(),
            requester: id("institute").0.into(),
        };
        crate::contract::view(&mirror.fed.anvil, &contract, &call)
    };
    let (begin, end) = (hour(10).0 / 1_000, hour(20).0 / 1_000);
    // A millisecond after the full hour: from the next second on, never earlier.
    assert!(!at(begin - 1) && !at(begin) && at(begin + 1));
    assert!(at(end - 1) && !at(end) && !at(end + 1));
}

#[test]
fn ethereum_is_not_told_of_refusals_failures_and_emergencies() {
    let mut mirror = Mirror::start();
    let world = &mut mirror.world;
    let denied = world.request("institute", "pat");
    world.ok("pat", Deny { request: denied });
    // A grant that failed: the agent is the requester's own.
    let request = world.request("institute", "pat");
    let terms = world.terms(request, &["s1"], &["ai"]);
    world.fails("pat", authorizing(terms), ledger::Failure::SameInstitution);
    // One that opens only after an emergency.
    let request = world.request("general", "pat");
    let terms = Terms {
        purpose: GrantUse::Emergency,
        ..world.terms(request, &["s1"], &["am"])
    };
    let glass = world.ok("pat", authorizing(terms));
    world.ok("pat", Revoke { grant: glass });
    // One that is over before a second has passed.
    let request = world.request("institute", "pat");
    let second = world.now().0 / 1_000 * 1_000;
    let terms = Terms {
        not_before: Millis(second + 900),
        expires: Millis(second + 1_000),
        ..world.terms(request, &["s1"], &["am"])
    };
    world.ok("pat", authorizing(terms));
    mirror.settle();
    assert!(mirror.changes().is_empty());
    assert!(!mirror.allowed(glass, "general"));
    // What comes next is told as if nothing had been.
    let grant = mirror.world.grant("institute", &["s1"], &["am"]);
    mirror.settle();
    assert!(mirror.allowed(grant, "institute"));
    assert_eq!(mirror.changes().len(), 1);
}

/// Nothing that the ledger calls the parties, the request, the scopes or the grant by.
#[test]
fn ethereum_shows_no_name_of_the_ledgers() {
    let mut mirror = Mirror::start();
    let before = mirror.fed.anvil.height();
    let request = mirror.world.request("institute", "pat");
    let terms = mirror.world.terms(request, &["s1"], &["am"]);
    let grant = mirror.world.ok("pat", authorizing(terms));
    mirror.world.ok("pat", Revoke { grant });
    mirror.settle();
    let mut public = mirror.fed.logs().to_string();
    for number in before..=mirror.fed.anvil.height() {
        let block = mirror.fed.anvil.call(
            "eth_getBlockByNumber",
            json!([format!("{number:#x}"), true]),
        );
        public.push_str(&block.to_string());
    }
    let shows = |bytes: &[u8; 32]| public.contains(&hex::encode(bytes));
    let key = key_of(mirror.world.chain(), grant, id("institute"));
    assert!(shows(&key.0) && shows(&mirror.world.chain().0));
    for hidden in [
        word(grant),
        word(request),
        id("institute").0,
        id("pat").0,
        id("am").0,
        cast::sid("s1").0,
    ] {
        assert!(!shows(&hidden));
    }
}

#[test]
fn ethereum_hears_each_change_of_a_grant_once_from_two_nodes_and_over_reorganisations() {
    let mut mirror = Mirror::start();
    let second = journal(&mirror.world, "second.redb");
    mirror.fed.anvil.mine(30);
    let grants: Vec<OperationId> = ["s1", "s2", "s3"]
        .map(|sid| mirror.world.grant("institute", &[sid], &["am"]))
        .to_vec();
    mirror.world.ok("pat", Revoke { grant: grants[0] });
    let mut one = mirror.fed.service::<Permission>(&mirror.journal, 0);
    let mut two = mirror.fed.service::<Permission>(&second, 1);
    for _ in 0..12 {
        step(&mut one, mirror.world.ledger(), T0).unwrap();
        step(&mut two, mirror.world.ledger(), T0).unwrap();
        mirror.fed.anvil.mine(1);
    }
    let changes = mirror.changes();
    assert_eq!(changes.len(), 4);
    assert_eq!(mirror.fed.paid(1), 0);
    mirror.fed.anvil.reorganise(mirror.fed.anvil.height() - 20);
    assert!(mirror.changes().is_empty());
    assert_eq!(
        step(&mut one, mirror.world.ledger(), T0).unwrap(),
        Next::Reopened
    );
    for _ in 0..12 {
        mirror.fed.anvil.mine(1);
        step(&mut one, mirror.world.ledger(), T0).unwrap();
        step(&mut two, mirror.world.ledger(), T0).unwrap();
    }
    assert_eq!(mirror.changes(), changes);
    assert_eq!((mirror.fed.paid(0), mirror.fed.paid(1)), (4, 0));
    drop((one, two));
    let allowed = grants
        .iter()
        .map(|grant| mirror.allowed(*grant, "institute"));
    assert_eq!(allowed.collect::<Vec<_>>(), [false, true, true]);
    let both = [&mirror.journal, &second].map(|journal| {
        let newest = journal.newest_final::<Permission>(Chain::Ethereum);
        newest.unwrap().unwrap().1.says
    });
    assert_eq!(both[0], both[1]);
}

/// An owner who tells the contract what the ledger does not: it is said, and nothing more is told.
#[test]
fn ethereum_with_a_false_grant_is_left_alone() {
    // In the place of a true one, or beside where the ledger says anything.
    for beside in [false, true] {
        let mut mirror = Mirror::start();
        mirror.world.grant("institute", &["s1"], &["am"]);
        let size = mirror.world.view().head().unwrap().header.tree_size;
        let false_one = Permissions::grantCall {
            from: 0,
            index: size - 1 - u64::from(beside),
            key: B256::repeat_byte(7),
            notBefore: 0,
            expires: T0.0,
        };
        send(
            &mirror.fed.anvil,
            1,
            &mirror.fed.settings.contract,
            &false_one,
        )
        .unwrap();
        let mut service = mirror.fed.service::<Permission>(&mirror.journal, 0);
        let said = step(&mut service, mirror.world.ledger(), T0);
        assert!(
            matches!(said, Err(StepError::Trouble(Trouble::Forked { .. }))),
            "{said:?}"
        );
        assert_eq!(mirror.fed.paid(0), 0);
    }
}

/// The contract by itself.
#[test]
fn ethereum_takes_changes_of_grants_from_owners_in_order_only() {
    let mirror = Mirror::start();
    let (anvil, contract) = (&mirror.fed.anvil, mirror.fed.settings.contract);
    let key = B256::repeat_byte(7);
    let grant = |from, index, not_before, expires| Permissions::grantCall {
        from,
        index,
        key,
        notBefore: not_before,
        expires,
    };
    let far = T0.0;
    let call = |owner, call: &dyn Fn() -> Permissions::grantCall| {
        send(anvil, owner, &contract, &call()).is_ok()
    };
    assert!(!call(2, &|| grant(0, 0, 0, far)), "a stranger");
    assert!(!call(0, &|| grant(1, 1, 0, far)), "a leaf is left out");
    assert!(!call(0, &|| grant(0, 0, far, far)), "it never holds");
    assert!(call(0, &|| grant(0, 4, 0, far)));
    assert!(!call(1, &|| grant(0, 4, 0, far)), "twice");
    assert!(!call(1, &|| grant(5, 4, 0, far)), "backwards");
    assert!(
        !call(0, &|| grant(5, u64::MAX, 0, far)),
        "nothing could follow"
    );
    let revoke = Permissions::revokeCall {
        from: 5,
        index: 6,
        key,
    };
    let span = || crate::contract::view(anvil, &contract, &Permissions::spanOfCall { key });
    assert_eq!(span().expires, far);
    send(anvil, 1, &contract, &revoke).unwrap();
    assert_eq!(
        (span().notBefore, span().expires, next(&mirror.fed)),
        (0, 0, 7)
    );
    let account: AccountId = id("institute");
    let keys = Permissions::keyOfCall {
        grant_: B256::repeat_byte(1),
        requester: account.0.into(),
    };
    let made = crate::contract::view(anvil, &contract, &keys);
    let words = [mirror.world.chain().0, [1; 32], account.0].concat();
    assert_eq!(made, alloy::primitives::keccak256(words));
    assert!(lendCall::SIGNATURE.starts_with("lend(") && lentCall::SIGNATURE.starts_with("lent("));
}
