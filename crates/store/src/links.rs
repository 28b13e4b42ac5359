//! The links inside a block, for the three codecs that are kept here.

use crate::{GetError, unixfs::node::Node};
use base::cid::{self, Cid};
use ipld_core::serde::ExtractLinks;
use serde::Deserialize as _;

/// The CIDs that a block links to, in its order, repetitions and all.
///
/// # Errors
/// [`GetError::Malformed`] if the bytes are no node of the CID's codec,
/// [`GetError::Unsupported`] for other codecs.
pub fn links(cid: &Cid, bytes: &[u8]) -> Result<Vec<Cid>, GetError> {
    let malformed = |reason: String| GetError::Malformed { cid: *cid, reason };
    match cid.codec() {
        cid::RAW => Ok(Vec::new()),
        cid::DAG_PB => {
            let node = Node::decode(bytes).map_err(|error| malformed(error.to_string()))?;
            Ok(node.links.into_iter().map(|link| link.cid).collect())
        }
        cid::DAG_CBOR => object_links(bytes).map_err(malformed),
        _ => Err(GetError::Unsupported(*cid)),
    }
}

/// The links of a DAG-CBOR object. Depth is limited by the decoder.
fn object_links(bytes: &[u8]) -> Result<Vec<Cid>, String> {
    let mut decoder = serde_ipld_dagcbor::de::Deserializer::from_slice(bytes);
    let links = ExtractLinks::deserialize(&mut decoder)
        .map_err(|error| format!("not DAG-CBOR: {error}"))?;
    decoder
        .end()
        .map_err(|error| format!("bytes follow the object: {error}"))?;
    Ok(links.into_vec())
}
