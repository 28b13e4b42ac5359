//! dag-pb nodes and the UnixFS message inside them, written and read by hand.
//!
//! ```text
//! PBNode { Links: 2 repeated PBLink, Data: 1 bytes }   written links first
//! PBLink { Hash: 1 bytes, Name: 2 string, Tsize: 3 varint }
//! Data   { Type: 1, Data: 2 bytes, filesize: 3, blocksizes: 4 repeated, … }
//! ```
//! Reading takes what the DAG-PB specification allows (links before or after the data, no
//! unknown field, nothing repeated) and refuses the rest with a reason.

use crate::{
    protobuf::{Broken, Fields, Value, put_bytes, put_varint},
    varint,
};
use base::cid::{self, Cid};
use thiserror::Error;

/// A dag-pb node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Node {
    /// The links, in their order.
    pub links: Vec<Link>,
    /// The message inside.
    pub data: Option<Vec<u8>>,
}

/// A link of a dag-pb node. Its name is read over: links between parts of files have none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// The child.
    pub cid: Cid,
    /// Bytes of all blocks below, as the writer said; 0 if it did not. Not to be trusted.
    pub total: u64,
}

/// The part of a UnixFS message that files use.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileNode {
    /// The bytes that the node itself holds.
    pub data: Vec<u8>,
    /// Bytes of the whole file below this node, as declared.
    pub size: u64,
    /// The same for each child.
    pub block_sizes: Vec<u64>,
}

/// Why bytes are no node of a file. Each says what it met.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Cut off, or lengths that do not fit.
    #[error("the protobuf message is cut off or its lengths do not fit")]
    Protobuf,
    /// A field that the format does not have, or of another type.
    #[error("field {0} does not belong here")]
    Field(u64),
    /// A field in the wrong place, or twice.
    #[error("the fields are out of order or repeated")]
    Order,
    /// A link without a CID, or with bytes that are none.
    #[error("a link has no valid CID")]
    Link,
    /// A node without a UnixFS message.
    #[error("it holds no UnixFS message")]
    NoData,
    /// A directory, a symbolic link, a shard.
    #[error("it is UnixFS type {0}, not a file")]
    Type(u64),
    /// As many declared sizes as links are needed, and their sum.
    #[error("its declared sizes do not fit its links and data")]
    Sizes,
}

impl From<Broken> for NodeError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::CutOff => Self::Protobuf,
            Broken::WireType(field) => Self::Field(field),
        }
    }
}

/// The canonical bytes of a node: links first.
pub(crate) fn encode(links: &[Link], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(links.len() * 56 + data.len() + 8);
    let mut inner = Vec::with_capacity(64);
    for link in links {
        inner.clear();
        put_bytes(1, &link.cid.to_bytes(), &mut inner);
        put_bytes(2, b"", &mut inner);
        put_varint(3, link.total, &mut inner);
        put_bytes(2, &inner, &mut out);
    }
    put_bytes(1, data, &mut out);
    out
}

/// The UnixFS message of a file or of a leaf.
pub(crate) fn encode_file(kind: u64, data: &[u8], size: u64, block_sizes: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + block_sizes.len() * 5 + 24);
    put_varint(1, kind, &mut out);
    if !data.is_empty() {
        put_bytes(2, data, &mut out);
    }
    put_varint(3, size, &mut out);
    for size in block_sizes {
        put_varint(4, *size, &mut out);
    }
    out
}

/// UnixFS type that some writers give to leaves; read, never written.
const RAW_TYPE: u64 = 0;
/// UnixFS type of a file, its inner nodes and its leaves.
pub(crate) const FILE_TYPE: u64 = 2;

impl Node {
    /// Reads a dag-pb node.
    ///
    /// # Errors
    /// [`NodeError`] for anything that is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, NodeError> {
        let mut node = Self::default();
        let mut links_ended = false;
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Bytes(data)) if node.data.is_none() => {
                    node.data = Some(data.to_owned());
                    links_ended = !node.links.is_empty();
                }
                (2, Value::Bytes(link)) if !links_ended => node.links.push(Link::decode(link)?),
                (1 | 2, Value::Bytes(_)) => return Err(NodeError::Order),
                (other, _) => return Err(NodeError::Field(other)),
            }
        }
        Ok(node)
    }

    /// Reads the UnixFS message inside as that of a file, or of a leaf of one, and checks
    /// the declared sizes against each other.
    ///
    /// # Errors
    /// [`NodeError`], also for directories, symbolic links and shards.
    pub fn file(&self) -> Result<FileNode, NodeError> {
        let file = FileNode::decode(self.data.as_deref().ok_or(NodeError::NoData)?)?;
        let below = file
            .block_sizes
            .iter()
            .try_fold(file.data.len() as u64, |sum, size| sum.checked_add(*size));
        if file.block_sizes.len() != self.links.len() || below != Some(file.size) {
            return Err(NodeError::Sizes);
        }
        Ok(file)
    }
}

impl Link {
    fn decode(bytes: &[u8]) -> Result<Self, NodeError> {
        let (mut cid, mut total, mut last) = (None, 0, 0);
        for field in Fields::new(bytes) {
            let (number, value) = field?;
            if number <= last {
                return Err(NodeError::Order);
            }
            last = number;
            match (number, value) {
                (1, Value::Bytes(bytes)) => {
                    cid = Some(cid::of_bytes(bytes).ok_or(NodeError::Link)?);
                }
                (2, Value::Bytes(_)) => {}
                (3, Value::Varint(value)) => total = value,
                (other, _) => return Err(NodeError::Field(other)),
            }
        }
        let cid = cid.ok_or(NodeError::Link)?;
        Ok(Self { cid, total })
    }
}

impl FileNode {
    fn decode(bytes: &[u8]) -> Result<Self, NodeError> {
        let (mut kind, mut data, mut size) = (None, None, None);
        let mut block_sizes = Vec::new();
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Varint(value)) if kind.is_none() => kind = Some(value),
                (2, Value::Bytes(bytes)) if data.is_none() => data = Some(bytes.to_owned()),
                (3, Value::Varint(value)) if size.is_none() => size = Some(value),
                (4, Value::Varint(value)) => block_sizes.push(value),
                (4, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        let (value, rest) = varint::read(packed).ok_or(NodeError::Protobuf)?;
                        block_sizes.push(value);
                        packed = rest;
                    }
                }
                // Mode and time of UnixFS 1.5: of no use here, and no harm.
                (7, Value::Varint(_)) | (8, Value::Bytes(_)) => {}
                (1..=3, _) => return Err(NodeError::Order),
                (other, _) => return Err(NodeError::Field(other)),
            }
        }
        match kind.ok_or(NodeError::NoData)? {
            RAW_TYPE | FILE_TYPE => {}
            other => return Err(NodeError::Type(other)),
        }
        let data = data.unwrap_or_default();
        let size = size.unwrap_or(data.len() as u64);
        Ok(Self {
            data,
            size,
            block_sizes,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn a_link(seed: &[u8], total: u64) -> Link {
        Link {
            cid: cid::of_block(cid::RAW, seed),
            total,
        }
    }

    proptest! {
        #[test]
        fn nodes_come_back(seeds in vec(any::<(Vec<u8>, u64)>(), 0..20), data: Vec<u8>) {
            let links: Vec<_> = seeds.iter().map(|(seed, total)| a_link(seed, *total)).collect();
            let node = Node::decode(&encode(&links, &data)).unwrap();
            prop_assert_eq!(node, Node { links, data: Some(data) });
        }

        #[test]
        fn file_messages_come_back(data: Vec<u8>, size: u64, block_sizes: Vec<u64>) {
            let message = encode_file(FILE_TYPE, &data, size, &block_sizes);
            let file = FileNode::decode(&message).unwrap();
            prop_assert_eq!(file, FileNode { data, size, block_sizes });
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok(node) = Node::decode(&bytes) {
                let _ = node.file();
            }
            let _ = FileNode::decode(&bytes);
        }

        /// A node with one byte changed is read, or refused, and never takes more links
        /// than its bytes can hold.
        #[test]
        fn damaged_nodes(seeds in vec(any::<Vec<u8>>(), 1..9), at: prop::sample::Index, to: u8) {
            let links: Vec<_> = seeds.iter().map(|seed| a_link(seed, 7)).collect();
            let mut bytes = encode(&links, &encode_file(FILE_TYPE, b"", 7, &vec![1; links.len()]));
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(node) = Node::decode(&bytes) {
                prop_assert!(node.links.len() <= bytes.len());
                let _ = node.file();
            }
        }
    }

    #[test]
    fn every_refusal_by_name() {
        let link = encode(&[a_link(b"x", 1)], b"d");
        let (link, data) = link.split_at(link.len() - 3);
        let node = |parts: &[&[u8]]| Node::decode(&parts.concat());
        assert!(node(&[data, link]).is_ok(), "data first is allowed");
        assert!(node(&[data, link, link]).is_ok());
        assert_eq!(node(&[link, data, link]), Err(NodeError::Order));
        assert_eq!(node(&[data, data]), Err(NodeError::Order));
        assert_eq!(node(&[link, &data[..2]]), Err(NodeError::Protobuf));
        assert_eq!(node(&[b"\x08\x01"]), Err(NodeError::Field(1)), "no bytes");
        assert_eq!(node(&[b"\x1a\x00"]), Err(NodeError::Field(3)));
        assert_eq!(
            node(&[b"\x0d\0\0\0\0"]),
            Err(NodeError::Field(1)),
            "fixed32"
        );
        assert_eq!(node(&[b"\x12\x00"]), Err(NodeError::Link), "no hash");
        assert_eq!(node(&[b"\x12\x03\x0a\x01\x01"]), Err(NodeError::Link));
        let longer = [&a_link(b"x", 1).cid.to_bytes()[..], b"!"].concat();
        let longer = [b"\x12\x27\x0a\x25", &longer[..]].concat();
        assert_eq!(node(&[&longer]), Err(NodeError::Link), "a byte behind");
        assert_eq!(node(&[b"\x12\x04\x12\x00\x12\x00"]), Err(NodeError::Order));
        assert_eq!(node(&[b""]).unwrap().file(), Err(NodeError::NoData));

        let file = |message: &[u8]| Node::decode(&encode(&[], message)).unwrap().file();
        assert_eq!(file(b"\x18\x00"), Err(NodeError::NoData), "no type");
        assert_eq!(file(b"\x08\x01"), Err(NodeError::Type(1)), "directory");
        assert_eq!(file(b"\x08\x05"), Err(NodeError::Type(5)), "shard");
        assert_eq!(file(b"\x08\x02\x08\x02"), Err(NodeError::Order));
        assert_eq!(file(b"\x08\x02\x18\x09"), Err(NodeError::Sizes));
        assert_eq!(file(b"\x08\x02\x18\x01\x20\x01"), Err(NodeError::Sizes));
        assert_eq!(file(b"\x08\x02\x4a\x00"), Err(NodeError::Field(9)));
        let overflow = [b"\x08\x02\x18\x00".as_slice(), &[0x20], &[0xff; 9], &[1]].concat();
        assert_eq!(file(&overflow), Err(NodeError::Sizes));
    }
}
