//! Messages of Bitswap: they come back as they went, and hostile bytes are refused by name.

use base::cid::{self, Cid};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use store::{
    MAX_BLOCK,
    peer::{
        Absence, Block, MAX_ENTRIES, MAX_MESSAGE, Message, MessageError, Presence, Want, WantKind,
    },
};

fn decode(bytes: &[u8]) -> Result<Message, MessageError> {
    Message::decode(&Bytes::copy_from_slice(bytes))
}

fn any_cid() -> impl Strategy<Value = Cid> {
    (0..3usize, any::<[u8; 4]>()).prop_map(|(codec, seed)| {
        cid::of_block([cid::RAW, cid::DAG_PB, cid::DAG_CBOR][codec], &seed)
    })
}

fn any_want() -> impl Strategy<Value = Want> {
    let kinds = [WantKind::Block, WantKind::Have, WantKind::Cancel];
    (any_cid(), 0..3usize, any::<bool>()).prop_map(move |(cid, kind, told)| Want {
        cid,
        kind: kinds[kind],
        or_absence: if told { Absence::Told } else { Absence::Silent },
    })
}

fn any_block() -> impl Strategy<Value = Block> {
    (0..4usize, vec(any::<u8>(), 0..300)).prop_map(|(kind, data)| {
        let (version, codec) = [(1, 0x55), (1, 0x70), (1, 0x71), (0, 0x70)][kind];
        Block {
            version,
            codec,
            data: data.into(),
        }
    })
}

prop_compose! {
    fn any_message()(
        full: bool,
        wants in vec(any_want(), 0..9),
        blocks in vec(any_block(), 0..5),
        presences in vec((any_cid(), any::<bool>()), 0..9),
    ) -> Message {
        let presences = presences.into_iter();
        let presences = presences.map(|(cid, held)| Presence { cid, held }).collect();
        Message { full, wants, blocks, presences }
    }
}

proptest! {
    #[test]
    fn messages_come_back(message in any_message()) {
        prop_assert_eq!(decode(&message.encode()), Ok(message));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(message) = decode(&bytes) {
            prop_assert_eq!(decode(&message.encode()), Ok(message));
        }
    }

    /// A message with some bytes changed, cut out or put in is read or refused, and what is
    /// read is no larger than what came.
    #[test]
    fn damaged_messages(
        message in any_message(),
        at in any::<prop::sample::Index>(),
        cut in 0..4usize,
        put in vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = message.encode();
        bytes.extend(&put);
        let at = at.index(bytes.len().max(1)).min(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put);
        if let Ok(message) = decode(&bytes) {
            let data: usize = message.blocks.iter().map(|block| block.data.len()).sum();
            prop_assert!(data <= bytes.len());
            prop_assert!(message.wants.len() + message.presences.len() <= bytes.len());
        }
    }
}

/// Written by hand from the specification's protobuf definition.
#[test]
fn the_bytes_of_a_message() {
    let cid = cid::of_block(cid::RAW, b"");
    let name = cid.to_bytes();
    assert_eq!(name.len(), 36);
    let message = Message {
        full: true,
        wants: vec![
            Want {
                cid,
                kind: WantKind::Have,
                or_absence: Absence::Told,
            },
            Want {
                cid,
                kind: WantKind::Cancel,
                or_absence: Absence::Silent,
            },
        ],
        blocks: vec![Block {
            version: 1,
            codec: 0x55,
            data: Bytes::from_static(b"hi"),
        }],
        presences: vec![Presence { cid, held: false }],
    };
    let expected = [
        b"\x0a\x5c".as_slice(), // wantlist, 92 bytes
        b"\x0a\x2c\x0a\x24",
        &name,
        b"\x10\x01\x20\x01\x28\x01", // have, tell
        b"\x0a\x2a\x0a\x24",
        &name,
        b"\x10\x01\x18\x01",                           // cancel
        b"\x10\x01",                                   // full
        b"\x1a\x0a\x0a\x04\x01\x55\x12\x20\x12\x02hi", // payload
        b"\x22\x28\x0a\x24",
        &name,
        b"\x10\x01", // don't have
    ]
    .concat();
    assert_eq!(message.encode(), expected);
    assert_eq!(decode(&expected), Ok(message));
}

#[test]
fn every_refusal_by_name() {
    use MessageError::*;
    let name = cid::of_block(cid::RAW, b"").to_bytes();
    let field = |number: u8, bytes: &[u8]| {
        assert!(bytes.len() < 0x80);
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    };
    let entry = |rest: &[u8]| field(1, &field(1, &[&field(1, &name), rest].concat()));
    assert!(decode(&entry(b"")).is_ok());
    assert!(
        decode(&entry(b"\x50\x07")).is_ok(),
        "fields to come are read over"
    );
    assert!(decode(b"\x28\x07").is_ok(), "pending bytes");
    let behind = field(1, &field(1, &field(1, &[&name[..], b"!"].concat())));
    assert_eq!(decode(&behind), Err(Cid), "a CID with a byte behind it");
    assert_eq!(decode(b"\x0a"), Err(Protobuf));
    assert_eq!(decode(b"\x0a\x05\x00"), Err(Protobuf));
    assert_eq!(
        decode(b"\x0a\x80\x00"),
        Err(Protobuf),
        "a length in two bytes"
    );
    assert_eq!(decode(b"\x0d\0\0\0\0"), Err(Field(1)), "fixed32");
    assert_eq!(
        decode(b"\x08\x01"),
        Err(Field(1)),
        "a want list that is a number"
    );
    assert_eq!(
        decode(&field(2, b"block")),
        Err(Field(2)),
        "of version 1.0.0"
    );
    assert_eq!(decode(&entry(b"\x1a\x00")), Err(Field(3)));
    assert_eq!(decode(&entry(b"\x18\x02")), Err(Value(2)), "cancel twice");
    assert_eq!(
        decode(&entry(b"\x20\x02")),
        Err(Value(2)),
        "a third kind of want"
    );
    assert_eq!(
        decode(&field(1, &field(1, b""))),
        Err(Cid),
        "a want of nothing"
    );
    assert_eq!(decode(&field(1, &field(1, &field(1, b"\x01")))), Err(Cid));
    assert_eq!(
        decode(&field(1, b"\x12\x00")),
        Err(Field(2)),
        "full in bytes"
    );
    assert_eq!(decode(&field(4, b"")), Err(Cid));
    assert_eq!(
        decode(&field(4, &[&field(1, &name)[..], b"\x10\x02"].concat())),
        Err(Value(2))
    );

    let block = |prefix: &[u8]| decode(&field(3, &field(1, prefix)));
    assert!(block(b"\x01\x55\x12\x20").is_ok());
    assert_eq!(decode(&field(3, b"")), Err(Prefix));
    assert_eq!(block(b""), Err(Prefix));
    assert_eq!(block(b"\x02\x55\x12\x20"), Err(Prefix), "a version to come");
    assert_eq!(
        block(b"\x00\x55\x12\x20"),
        Err(Prefix),
        "version 0 is dag-pb"
    );
    assert_eq!(block(b"\x01\x51\x12\x20"), Err(Prefix), "plain CBOR");
    assert_eq!(block(b"\x01\x55\x1e\x20"), Err(Prefix), "BLAKE3");
    assert_eq!(block(b"\x01\x55\x12\x10"), Err(Prefix), "half a digest");
    assert_eq!(block(b"\x01\x55\x12\x20\x00"), Err(Prefix), "and more");
    assert_eq!(
        decode(&field(3, b"\x10\x00")),
        Err(Field(2)),
        "data that is a number"
    );
}

#[test]
fn what_is_too_large() {
    let block = |size: usize| Message {
        blocks: vec![Block {
            version: 1,
            codec: 0x55,
            data: vec![7; size].into(),
        }],
        ..Message::default()
    };
    assert!(decode(&block(MAX_BLOCK).encode()).is_ok());
    let larger = decode(&block(MAX_BLOCK + 1).encode());
    assert_eq!(larger, Err(MessageError::TooLarge));
    assert_eq!(
        decode(&vec![0; MAX_MESSAGE + 1]),
        Err(MessageError::TooLarge)
    );

    let cid = cid::of_block(cid::RAW, b"");
    let presence = Presence { cid, held: true };
    let want = Want {
        cid,
        kind: WantKind::Have,
        or_absence: Absence::Told,
    };
    let mut message = Message {
        wants: vec![want; MAX_ENTRIES],
        presences: vec![presence; MAX_ENTRIES],
        ..Message::default()
    };
    assert!(decode(&message.encode()).is_ok());
    message.wants.push(want);
    assert_eq!(decode(&message.encode()), Err(MessageError::TooLarge));
    message.wants.pop();
    message.presences.push(presence);
    assert_eq!(decode(&message.encode()), Err(MessageError::TooLarge));
}
