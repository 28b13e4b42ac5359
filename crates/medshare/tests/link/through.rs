//! What goes through the node that follows: operations, letters, one-time keys, bags.

use base::{Digest, operation::*};
use consensus::Sequencer as _;
use ledger::{Outcome, Refusal};
use medshare::peers::{
    message::{self, MAX_MESSAGE, Question, Reply},
    remote::{AskFault, Remote},
};
use share::node::{Node as _, NodeError};
use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use crate::pair::{Pair, account, chain, genesis, register, sign};

#[test]
fn parties_at_the_second_node_write_and_read_as_at_the_first() {
    let pair = Pair::start();
    let (one, two) = (pair.party("one", "pat"), pair.party("two", "quinn"));
    let receipt = two.submit(&register("quinn", Role::Patient)).unwrap();
    assert_eq!(receipt.outcome, Outcome::Ok);
    // her own write is there to read, at her own node, at once
    assert!(two.account(account("quinn")).unwrap().is_some());
    assert_eq!(two.sequence(account("quinn")).unwrap(), 1);
    one.submit(&register("pat", Role::Patient)).unwrap();
    let bag = Bag {
        version: 1,
        commitment: Digest([1; 32]),
    };
    two.submit(&sign("quinn", 2, bag)).unwrap();
    assert_eq!(one.bag(account("quinn")).unwrap().unwrap().version, 1);
    assert_eq!(two.head().unwrap(), one.head().unwrap());
    // a refusal is the ledger's own, and a repeated operation gives its receipt
    let wrong = two.submit(&sign("quinn", 9, bag));
    assert!(matches!(
        wrong,
        Err(NodeError::Refused(Refusal::WrongSequence { .. }))
    ));
    let again = two.submit(&register("quinn", Role::Patient)).unwrap();
    assert_eq!(again, receipt);
}

#[test]
fn letters_keys_and_bags_are_kept_in_one_place() {
    let pair = Pair::start();
    let pat = pair.party("one", "pat");
    let quinn = pair.party("two", "quinn");
    let agent = pair.party("two", "agent");
    for (party, name, role) in [
        (&pat, "pat", Role::Patient),
        (&quinn, "quinn", Role::Patient),
        (&agent, "agent", Role::Agent),
    ] {
        party.submit(&register(name, role)).unwrap();
    }
    // letters cross both ways, and are deleted where they are
    quinn.send(account("pat"), b"from the second node").unwrap();
    let inbox = pat.inbox().unwrap();
    assert_eq!(inbox[0].1, b"from the second node");
    for number in 0..40u8 {
        pat.send(account("quinn"), &vec![number; 200_000]).unwrap();
    }
    let inbox = quinn.inbox().unwrap();
    assert_eq!(
        inbox.len(),
        40,
        "8 MB in pages of which each fits a message"
    );
    assert!(pair.wire.largest.load(Ordering::SeqCst) < MAX_MESSAGE);
    quinn.delete_letter(inbox[0].0).unwrap();
    assert_eq!(quinn.inbox().unwrap().len(), 39);
    assert!(
        pat.inbox().unwrap().len() == 1,
        "nobody reads another's box"
    );
    // a bag under a secret locator
    let locator = Digest([7; 32]);
    quinn.put_bag(locator, b"sealed head").unwrap();
    assert_eq!(pat.read_bag(locator).unwrap().unwrap(), b"sealed head");
    assert!(pat.put_bag(locator, b"another's").is_err());
    // one-time keys: counted and none there
    assert_eq!(quinn.prekeys_left(account("agent")).unwrap(), 0);
    assert_eq!(quinn.take_prekey(account("agent")).unwrap(), None);
}

#[test]
fn a_ticket_serves_once_also_when_it_is_passed_on() {
    use medshare::http::relay::{Passed, Relay as _};
    let pair = Pair::start();
    let quinn = pair.party("two", "quinn");
    quinn.submit(&register("quinn", Role::Patient)).unwrap();
    let remote = Remote::new(Arc::new(pair.wire.clone()), Some(chain()));
    let ticket = medshare::http::ticket::Ticket {
        chain: chain(),
        account: account("quinn"),
        key: crate::pair::secret("quinn").public(),
        method: "GET".into(),
        path: "/v1/mailbox/newest".into(),
        body: Some(Digest::of(b"")),
        time: medshare::system::now(),
        nonce: base::Nonce([5; 32]),
    };
    let header = medshare::http::ticket::header(ticket, &crate::pair::secret("quinn"));
    let passed = |path: &str| Passed {
        method: "GET".into(),
        path: path.into(),
        authorization: Some(header.clone()),
        headers: Vec::new(),
        body: serde_bytes::ByteBuf::new(),
    };
    let status = |path: &str| remote.pass(passed(path)).unwrap().status;
    assert_eq!(status("/v1/mailbox?after=0"), 404, "for another path");
    assert_eq!(status("/v1/mailbox/newest"), 200);
    assert_eq!(status("/v1/mailbox/newest"), 404, "twice");
    // nothing but the post is behind the line
    for path in [
        "/v1/status",
        "/v1/operations",
        "/v1/blocks/x",
        "/v1/files",
        "/",
        "",
        "x y",
    ] {
        assert!(matches!(status(path), 400 | 404), "{path}");
    }
}

#[test]
fn a_block_larger_than_a_message_comes_in_pieces() {
    let pair = Pair::start();
    let quinn = pair.party("two", "quinn");
    // Operations that fail are logged as well; each of these has about 450 kB.
    let parts: Vec<PartKey> = (0..5_000)
        .map(|part| PartKey {
            part,
            sid: base::ScopeId([1; 32]),
            ctid: base::CapsuleId([2; 32]),
        })
        .collect();
    let names: Vec<String> = (0..12).map(|number| format!("patient {number}")).collect();
    for name in &names {
        pair.solo
            .submit(register(name, Role::Patient).to_bytes().0)
            .unwrap();
    }
    pair.wire.cut.store(true, Ordering::SeqCst);
    let operations: Vec<Vec<u8>> = names
        .iter()
        .map(|name| {
            let accept = Accept {
                record: base::RecordId([3; 32]),
                state: base::cid::of_object(b"none"),
                parts: parts.clone(),
            };
            sign(name, 2, accept).to_bytes().0
        })
        .collect();
    assert!(operations[0].len() < ledger::MAX_OPERATION);
    pair.block(operations);
    let view = pair.first.view().unwrap();
    let head = view.head().unwrap().header;
    let block = view.block(head.height).unwrap().unwrap();
    let size: usize = block.leaves.iter().map(|leaf| leaf.len()).sum();
    assert!(size > MAX_MESSAGE, "the block is no larger than a message");
    pair.wire.cut.store(false, Ordering::SeqCst);
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while quinn.head().unwrap().header.height < head.height {
        assert!(std::time::Instant::now() < until, "it never got there");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(pair.wire.largest.load(Ordering::SeqCst) < MAX_MESSAGE);
    let second = pair.second.view().unwrap();
    assert_eq!(second.state_hash().unwrap(), view.state_hash().unwrap());
}

#[test]
fn a_cut_line_says_so_and_a_lost_answer_too() {
    let pair = Pair::start();
    let quinn = pair.party("two", "quinn");
    quinn.submit(&register("quinn", Role::Patient)).unwrap();
    pair.wire.cut.store(true, Ordering::SeqCst);
    let bag = |version| Bag {
        version,
        commitment: Digest([1; 32]),
    };
    let refused = quinn.submit(&sign("quinn", 2, bag(1)));
    assert!(matches!(refused, Err(NodeError::Busy(_))), "{refused:?}");
    assert!(matches!(quinn.inbox(), Err(NodeError::Busy(_))));
    // reads go on
    assert!(quinn.account(account("quinn")).unwrap().is_some());
    pair.wire.cut.store(false, Ordering::SeqCst);
    pair.wire.mute.store(true, Ordering::SeqCst);
    let unknown = quinn.submit(&sign("quinn", 2, bag(1)));
    assert!(matches!(unknown, Err(NodeError::Storage(_))), "{unknown:?}");
    pair.wire.mute.store(false, Ordering::SeqCst);
    // it had arrived; sent again, it is found to be there
    let receipt = quinn.submit(&sign("quinn", 2, bag(1))).unwrap();
    assert_eq!(receipt.index, 1);
}

#[test]
fn what_is_no_message_is_no_answer() {
    let pair = Pair::start();
    let remote = Remote::new(Arc::new(pair.wire.clone()), Some(chain()));
    assert_eq!(remote.genesis().unwrap(), genesis());
    let other = base::ChainId([9; 32]);
    let stranger = Remote::new(Arc::new(pair.wire.clone()), Some(other));
    assert!(
        matches!(stranger.genesis(), Err(AskFault::Line(_))),
        "another ledger's node"
    );
    let joining = Remote::new(Arc::new(pair.wire.clone()), None);
    assert_eq!(joining.genesis().unwrap(), genesis());
    for bytes in [
        Vec::new(),
        b"not a message".to_vec(),
        vec![0; MAX_MESSAGE + 1],
        message::encode(Some(other), Reply::No("x".into())),
        message::encode(Some(chain()), Reply::Leaves(Vec::new())),
        message::encode(Some(chain()), Question::Genesis),
    ] {
        *pair.wire.bend.lock().unwrap() = Some(bytes);
        assert!(matches!(remote.genesis(), Err(AskFault::BadAnswer(_))));
    }
    *pair.wire.bend.lock().unwrap() = None;
    let mut words = message::encode(Some(chain()), Reply::No("\u{1b}[2J no".into()));
    *pair.wire.bend.lock().unwrap() = Some(words.clone());
    let Err(AskFault::BadAnswer(reason)) = remote.genesis() else {
        panic!("it is a refusal")
    };
    assert!(
        !reason.contains('\u{1b}'),
        "a terminal must not obey another node"
    );
    words.push(0);
    *pair.wire.bend.lock().unwrap() = Some(words);
    assert!(remote.genesis().is_err());
}
