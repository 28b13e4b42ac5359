//! Messages of Bitswap 1.2.0.
//!
//! ```text
//! Message  { wantlist: 1 Wantlist, payload: 3 repeated Block,
//!            blockPresences: 4 repeated Presence, pendingBytes: 5 int32 }
//! Wantlist { entries: 1 repeated Entry, full: 2 bool }
//! Entry    { block: 1 CID, priority: 2 int32, cancel: 3 bool,
//!            wantType: 4 (0 block, 1 have), sendDontHave: 5 bool }
//! Block    { prefix: 1 (CID version, codec, hash code, hash length), data: 2 bytes }
//! Presence { cid: 1 CID, type: 2 (0 have, 1 don't have) }
//! ```
//! Source: specs.ipfs.tech/bitswap-protocol. On a stream each message follows its length, a
//! varint. What comes in is hostile: [`Message::decode`] bounds everything and copies no
//! block. Field 2 of a message, blocks without a prefix, belongs to version 1.0.0 and is
//! refused, as is every block that no store here would keep.

use crate::{
    MAX_BLOCK,
    protobuf::{Broken, Fields, Value, put_bytes, put_length, put_varint},
    varint,
};
use base::cid::{self, Cid};
use bytes::Bytes;
use thiserror::Error;

/// Largest message that is read, in bytes.
pub const MAX_MESSAGE: usize = 4 << 20;
/// Most entries of a want list, and most presences, that are read of one message.
pub const MAX_ENTRIES: usize = 16 << 10;

/// What one peer says to another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// The wants replace those before; otherwise they are added.
    pub full: bool,
    /// What the sender wants.
    pub wants: Vec<Want>,
    /// Blocks.
    pub blocks: Vec<Block>,
    /// What the sender has, or not.
    pub presences: Vec<Presence>,
}

/// An entry of a want list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// The block, under any CID at all.
    pub cid: Cid,
    /// What is wanted of it.
    pub kind: WantKind,
    /// Whether an answer is wanted too if it is not there.
    pub or_absence: Absence,
}

/// What is wanted of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WantKind {
    /// The block.
    Block,
    /// To know whether it is there.
    Have,
    /// Nothing any more.
    Cancel,
}

/// What the sender of a want expects if the block is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// To be told.
    Told,
    /// Silence.
    Silent,
}

/// A block as it is sent: its CID follows from its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// Version of the CID that it was asked for under, 0 or 1.
    pub version: u8,
    /// Multicodec of the block: raw, dag-pb or dag-cbor.
    pub codec: u8,
    /// The block's bytes, at most [`MAX_BLOCK`].
    pub data: Bytes,
}

/// Whether the sender has a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Presence {
    /// The block, under the CID it was asked for.
    pub cid: Cid,
    /// Whether it is there.
    pub held: bool,
}

/// Why bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Cut off, or lengths that do not fit.
    #[error("the message is cut off or its lengths do not fit")]
    Protobuf,
    /// A field of another type than the protocol gives it, or of an older version.
    #[error("field {0} does not belong there")]
    Field(u64),
    /// An entry without a CID, or with bytes that are none.
    #[error("an entry has no valid CID")]
    Cid,
    /// A block of a kind that is not kept here, or without a valid prefix.
    #[error("a block is not raw, dag-pb or dag-cbor with SHA2-256")]
    Prefix,
    /// A value that the protocol does not have.
    #[error("value {0} has no meaning there")]
    Value(u64),
    /// Too many entries, or too many bytes in the message or in a block.
    #[error("the message is larger than is read here")]
    TooLarge,
}

impl From<Broken> for MessageError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::CutOff => Self::Protobuf,
            Broken::WireType(field) => Self::Field(field),
        }
    }
}

impl Message {
    /// Reads a message. Fields that the protocol does not have are read over, as protobuf
    /// wants it. The blocks' bytes are parts of `bytes`.
    ///
    /// # Errors
    /// [`MessageError`]
    pub fn decode(bytes: &Bytes) -> Result<Self, MessageError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(MessageError::TooLarge);
        }
        let mut message = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Bytes(list)) => message.wantlist(list)?,
                (3, Value::Bytes(block)) => message.blocks.push(Block::decode(bytes, block)?),
                (4, Value::Bytes(presence)) => {
                    bounded(&message.presences)?;
                    message.presences.push(Presence::decode(presence)?);
                }
                (field @ 1..=4, _) => return Err(MessageError::Field(field)),
                (_, _) => {}
            }
        }
        Ok(message)
    }

    fn wantlist(&mut self, list: &[u8]) -> Result<(), MessageError> {
        for field in Fields::new(list) {
            match field? {
                (1, Value::Bytes(entry)) => {
                    bounded(&self.wants)?;
                    self.wants.push(Want::decode(entry)?);
                }
                (2, Value::Varint(full)) => self.full = flag(full)?,
                (field @ 1..=2, _) => return Err(MessageError::Field(field)),
                (_, _) => {}
            }
        }
        Ok(())
    }

    /// The bytes of the message.
    pub fn encode(&self) -> Vec<u8> {
        let data: usize = self.blocks.iter().map(|block| block.data.len() + 32).sum();
        let entries = self.wants.len() + self.presences.len();
        let mut out = Vec::with_capacity(data + entries * 64 + 8);
        if self.full || !self.wants.is_empty() {
            let mut list = Vec::with_capacity(self.wants.len() * 64);
            let mut entry = Vec::with_capacity(64);
            for want in &self.wants {
                entry.clear();
                want.encode(&mut entry);
                put_bytes(1, &entry, &mut list);
            }
            if self.full {
                put_varint(2, 1, &mut list);
            }
            put_bytes(1, &list, &mut out);
        }
        for block in &self.blocks {
            block.encode(&mut out);
        }
        for presence in &self.presences {
            let mut inner = Vec::with_capacity(48);
            put_bytes(1, &presence.cid.to_bytes(), &mut inner);
            if !presence.held {
                put_varint(2, 1, &mut inner);
            }
            put_bytes(4, &inner, &mut out);
        }
        out
    }
}

impl Want {
    fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (mut cid, mut cancel, mut have, mut told) = (None, false, false, false);
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Bytes(bytes)) => cid = Some(read_cid(bytes)?),
                (2, Value::Varint(_)) => {} // priority: wants are served in their order
                (3, Value::Varint(value)) => cancel = flag(value)?,
                (4, Value::Varint(value)) => have = flag(value)?,
                (5, Value::Varint(value)) => told = flag(value)?,
                (field @ 1..=5, _) => return Err(MessageError::Field(field)),
                (_, _) => {}
            }
        }
        Ok(Self {
            cid: cid.ok_or(MessageError::Cid)?,
            kind: match (cancel, have) {
                (true, _) => WantKind::Cancel,
                (false, true) => WantKind::Have,
                (false, false) => WantKind::Block,
            },
            or_absence: if told { Absence::Told } else { Absence::Silent },
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(1, &self.cid.to_bytes(), out);
        put_varint(2, 1, out);
        match self.kind {
            WantKind::Block => {}
            WantKind::Have => put_varint(4, 1, out),
            WantKind::Cancel => put_varint(3, 1, out),
        }
        if self.or_absence == Absence::Told {
            put_varint(5, 1, out);
        }
    }
}

impl Block {
    fn decode(message: &Bytes, bytes: &[u8]) -> Result<Self, MessageError> {
        let (mut kind, mut data) = (None, Bytes::new());
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Bytes(prefix)) => kind = read_prefix(prefix),
                (2, Value::Bytes(bytes)) if bytes.len() <= MAX_BLOCK => {
                    data = message.slice_ref(bytes); // a part of it, as this needs
                }
                (2, Value::Bytes(_)) => return Err(MessageError::TooLarge),
                (field @ 1..=2, _) => return Err(MessageError::Field(field)),
                (_, _) => {}
            }
        }
        let (version, codec) = kind.ok_or(MessageError::Prefix)?;
        Ok(Self {
            version,
            codec,
            data,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        // Each of the four fits one byte.
        let mut head = Vec::with_capacity(16);
        put_bytes(1, &[self.version, self.codec, SHA2_256, 32], &mut head);
        put_length(2, self.data.len(), &mut head);
        put_length(3, head.len() + self.data.len(), out);
        out.extend_from_slice(&head);
        out.extend_from_slice(&self.data);
    }
}

impl Presence {
    fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (mut cid, mut absent) = (None, false);
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Bytes(bytes)) => cid = Some(read_cid(bytes)?),
                (2, Value::Varint(value)) => absent = flag(value)?,
                (field @ 1..=2, _) => return Err(MessageError::Field(field)),
                (_, _) => {}
            }
        }
        Ok(Self {
            cid: cid.ok_or(MessageError::Cid)?,
            held: !absent,
        })
    }
}

const SHA2_256: u8 = 0x12;

fn bounded<T>(entries: &[T]) -> Result<(), MessageError> {
    if entries.len() < MAX_ENTRIES {
        Ok(())
    } else {
        Err(MessageError::TooLarge)
    }
}

fn flag(value: u64) -> Result<bool, MessageError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(MessageError::Value(other)),
    }
}

fn read_cid(bytes: &[u8]) -> Result<Cid, MessageError> {
    cid::of_bytes(bytes).ok_or(MessageError::Cid)
}

/// Version and codec in a block's prefix, if it is one of a block that is kept here.
fn read_prefix(prefix: &[u8]) -> Option<(u8, u8)> {
    let (version, rest) = varint::read(prefix)?;
    let (codec, rest) = varint::read(rest)?;
    let (hash, rest) = varint::read(rest)?;
    let (length, rest) = varint::read(rest)?;
    let kept = matches!(
        (version, codec),
        (0, cid::DAG_PB) | (1, cid::RAW | cid::DAG_PB | cid::DAG_CBOR)
    );
    let whole = hash == u64::from(SHA2_256) && length == 32 && rest.is_empty();
    if kept && whole {
        Some((u8::try_from(version).ok()?, u8::try_from(codec).ok()?))
    } else {
        None
    }
}
