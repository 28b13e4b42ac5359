//! An account's key is replaced while operations under the old one wait.

use base::{
    AccountId, Operation, OperationId, Signed, SignedOperation, Statement as _,
    operation::{Action, KeyConsent, NewKey, RotateKey},
};
use ledger::{Ledger, Refusal, Slot, check_batch};

use super::{
    halt::certified,
    people::{account, genesis, operation, secret},
    two::{Two, counts, given},
};
use crate::SubmitError;

/// The next block, decided by the others.
fn decided(ledger: &Ledger, operations: &[&SignedOperation]) {
    let view = ledger.view().unwrap();
    let bytes = operations.iter().map(|one| one.to_bytes().0).collect();
    let checked = check_batch(bytes, ledger.genesis().chain(), &view).unwrap();
    let checked = checked.into_iter().map(Result::unwrap).collect();
    let last = view.head().unwrap().header;
    let validators = ledger.validators();
    let turn = validators.newest().proposer(last.height + 1, 0).unwrap();
    let slot = Slot {
        proposer: turn.account,
        round: None,
    };
    let pending = ledger.propose(checked, last.time.plus(1), slot).unwrap();
    let head = certified(pending.header().clone());
    ledger.commit(pending, head.certificate).unwrap();
}

/// Ann's second operation: from then on she signs with Bob's key.
fn rotation() -> SignedOperation {
    let (ann, next) = (secret("ann"), secret("bob"));
    let chain = genesis().chain();
    let consent = KeyConsent {
        chain,
        account: account(&ann),
        sequence: 2,
    };
    let consent = next.sign(&consent.preimage());
    let action: Action = RotateKey {
        new: NewKey::Operation(next.public(), consent),
        compromised_after: None,
    }
    .into();
    let body = Operation {
        chain,
        account: account(&ann),
        delegation: None,
        sequence: 2,
        action,
    };
    Signed::new(body, &ann)
}

/// It would keep its number from her, and there would always be something to order.
#[test]
fn what_waits_under_the_old_one_leaves_and_is_told_so() {
    let mut two = Two::new();
    let rig = &mut two.builder;
    let ann: AccountId = account(&secret("ann"));
    decided(rig.ledger(), &[&operation(&genesis(), "ann", 1, 0)]);
    let late = operation(&genesis(), "ann", 3, 0);
    let behind = operation(&genesis(), "ann", 4, 0);
    let told = [&late, &behind].map(|one| given(rig, one.to_bytes().0));
    assert_eq!(counts(rig).1, 2);
    decided(rig.ledger(), &[&rotation()]);
    let shared = rig.app().shared.clone();
    let ready = || {
        let view = shared.ledger.view().unwrap();
        let pool = shared.pool();
        pool.has_ready(|account| view.sequence(account)).unwrap()
    };
    assert!(ready());
    let (block, _) = rig.app().build(0).unwrap().unwrap();
    assert!(block.leaves().is_empty());
    let refused = told[0].try_recv().unwrap().unwrap_err();
    assert!(
        matches!(refused, SubmitError::Refused(Refusal::BadSignature)),
        "{refused:?}"
    );
    // The next one waits for a number 3, which she can give now.
    assert!(told[1].try_recv().is_err());
    assert_eq!(counts(rig).1, 1);
    assert!(!ready());
    let body = late.body;
    let anew = Signed::new(body, &secret("bob"));
    let id: OperationId = anew.to_bytes().1;
    let _waits = given(rig, anew.to_bytes().0);
    assert!(ready());
    let (block, _) = rig.app().build(0).unwrap().unwrap();
    assert_eq!(block.leaves().len(), 1);
    decided(rig.ledger(), &[&anew]);
    let view = shared.ledger.view().unwrap();
    assert!(view.operation(id).unwrap().is_some());
    assert_eq!(view.sequence(ann).unwrap(), 3);
}
