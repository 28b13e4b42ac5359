//! What other nodes say: Bitswap, the nodes' own protocol, hints, and the addresses and keys
//! that an operator types.

use super::{Decoder, LEDGER, Target, canonical, text};
use base::{AccountId, ChainId, Cid, Millis, Signed, cid, codec, key::OperationSecret};
use ledger::{Block, Head, Receipt, Refusal};
use medshare::{
    http::relay::{Passed, Returned},
    peers::{
        hint::{Hint, Says},
        message::{self, Contact, Hello, Keep, NotTaken, Question, Reply},
        settings::Reachable,
    },
};
use store::peer::{self, Absence, Message, Presence, SwarmKey, Want, WantKind};

/// Everything that comes over the link between nodes.
pub const PEERS: Target = Target {
    name: "peers",
    decoders: &[
        Decoder {
            name: "bitswap",
            run: bitswap,
        },
        Decoder {
            name: "question",
            run: |bytes| message::decode::<Question>(bytes, Some(CHAIN)).is_ok(),
        },
        Decoder {
            name: "reply",
            run: |bytes| message::decode::<Reply>(bytes, Some(CHAIN)).is_ok(),
        },
        Decoder {
            name: "hint",
            run: canonical::<Signed<Hint>>,
        },
        Decoder {
            name: "reachable",
            run: |bytes| text(bytes, |text| text.parse::<Reachable>().is_ok()),
        },
        Decoder {
            name: "swarm-key",
            run: |bytes| text(bytes, |text| text.parse::<SwarmKey>().is_ok()),
        },
    ],
    seeds,
};

const CHAIN: ChainId = ChainId([7; 32]);

/// What is read has one spelling here, whatever the other node wrote, and names only blocks
/// that lie in the message.
fn bitswap(bytes: &[u8]) -> bool {
    let bytes = bytes.to_vec().into();
    Message::decode(&bytes).is_ok_and(|message| {
        let data: usize = message.blocks.iter().map(|block| block.data.len()).sum();
        assert!(data <= bytes.len(), "more than was sent");
        let again = Message::decode(&message.encode().into()).expect("reads its own words");
        assert_eq!(again, message);
        true
    })
}

fn seeds() -> Vec<Vec<u8>> {
    let words = (LEDGER.seeds)();
    let head: Head = first(&words);
    let block: Block = first(&words);
    let receipt: Receipt = first(&words);
    let account = AccountId([1; 32]);
    let root = cid::of_object(b"root");
    let hello = Box::new(Hello {
        account,
        head: head.clone(),
        addresses: vec!["/ip4/192.0.2.1/tcp/7500".into()],
        hints: 3,
    });
    let bytes = || vec![1, 2, 3].into();
    let questions = [
        Question::Hello(hello.clone()),
        Question::Genesis,
        Question::Blocks { from: 4 },
        Question::Leaves { from: 9 },
        Question::Submit(bytes()),
        Question::Relay(Passed {
            method: "PUT".into(),
            path: "/v1/letters/1".into(),
            authorization: Some("ticket".into()),
            headers: vec![("content-type".into(), "application/json".into())],
            body: bytes(),
        }),
        Question::Keep(Keep { root, bytes: 9_000 }),
        Question::Hints { after: 2 },
    ];
    let replies = [
        Reply::Hello {
            hello,
            contacts: vec![Contact {
                peer: bytes(),
                addresses: vec!["/dns4/example.org/tcp/7500".into()],
            }],
        },
        Reply::Blocks {
            head: Box::new(head),
            blocks: vec![block],
        },
        Reply::Leaves(vec![bytes(), bytes()]),
        Reply::Receipt(Box::new(receipt)),
        Reply::NotTaken(NotTaken::Refused(Refusal::BadSignature)),
        Reply::NotTaken(NotTaken::Busy(4_096)),
        Reply::Returned(Returned {
            status: 200,
            body: bytes(),
            height: 12,
        }),
        Reply::Kept,
        Reply::Hints(vec![(1, bytes())]),
        Reply::No("not by this node".into()),
    ];
    let mut seeds: Vec<Vec<u8>> = questions
        .into_iter()
        .map(|question| message::encode(Some(CHAIN), question))
        .collect();
    seeds.extend(
        replies
            .into_iter()
            .map(|reply| message::encode(Some(CHAIN), reply)),
    );
    let says = [
        Says::Held,
        Says::Dropped,
        Says::Entrusted(account),
        Says::Withdrawn(account),
    ];
    seeds.extend(says.map(|says| {
        let hint = Hint {
            chain: CHAIN,
            account,
            peer: bytes(),
            root,
            says,
            time: Millis(1_795_305_600_000),
        };
        codec::encode(&Signed::new(hint, &OperationSecret::new([8; 32])))
    }));
    seeds.push(exchange(root).encode());
    let peer = "/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    seeds.push(format!("/ip4/192.0.2.1/tcp/7500{peer}").into_bytes());
    seeds.push(format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", "5a".repeat(32)).into_bytes());
    seeds
}

fn first<T: serde::Serialize + serde::de::DeserializeOwned>(words: &[Vec<u8>]) -> T {
    let mut found = words.iter().filter_map(|word| codec::decode(word).ok());
    found.next().expect("the ledger's seeds have one")
}

/// Every field of a Bitswap message.
fn exchange(root: Cid) -> Message {
    let want = |kind, or_absence| Want {
        cid: root,
        kind,
        or_absence,
    };
    Message {
        full: true,
        wants: vec![
            want(WantKind::Block, Absence::Told),
            want(WantKind::Have, Absence::Silent),
            want(WantKind::Cancel, Absence::Silent),
        ],
        blocks: vec![peer::Block {
            version: 1,
            codec: 0x55,
            data: b"a block"[..].into(),
        }],
        presences: [true, false]
            .map(|held| Presence { cid: root, held })
            .into(),
    }
}
