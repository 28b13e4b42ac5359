//! Content identifiers: CIDv1 with SHA2-256, as IPFS computes them.

pub use ipld_core::cid::Cid;
use ipld_core::cid::multihash::Multihash;
use sha2::{Digest as _, Sha256};

/// Multicodec of raw bytes.
pub const RAW: u64 = 0x55;
/// Multicodec of DAG-PB (inner nodes of UnixFS files).
pub const DAG_PB: u64 = 0x70;
/// Multicodec of DAG-CBOR.
pub const DAG_CBOR: u64 = 0x71;
/// Multihash code of SHA2-256.
pub const SHA2_256: u64 = 0x12;

/// The CID of canonical DAG-CBOR bytes.
pub fn of_object(bytes: &[u8]) -> Cid {
    of_block(DAG_CBOR, bytes)
}

/// The CID of a block with the given multicodec.
pub fn of_block(codec: u64, bytes: &[u8]) -> Cid {
    of_digest(codec, Sha256::digest(bytes).into())
}

/// The CID of a block whose SHA2-256 is known.
pub fn of_digest(codec: u64, digest: [u8; 32]) -> Cid {
    #[expect(
        clippy::expect_used,
        reason = "32 bytes always fit a 64-byte multihash"
    )]
    let hash = Multihash::wrap(SHA2_256, &digest).expect("32 <= 64");
    Cid::new_v1(codec, hash)
}

/// The CID that is these bytes, in their one spelling: the parser of the `cid` crate stops at
/// its end and does not look further, and it drops the bits of a number that are too many.
pub fn of_bytes(bytes: &[u8]) -> Option<Cid> {
    let cid = Cid::try_from(bytes).ok()?;
    // Its length first: it is short, and the bytes may be many.
    (cid.encoded_len() == bytes.len() && cid.to_bytes() == bytes).then_some(cid)
}

/// The SHA2-256 inside a CID, or `None` if it uses another hash.
pub fn sha256_digest(cid: &Cid) -> Option<[u8; 32]> {
    (cid.hash().code() == SHA2_256).then(|| cid.hash().digest().try_into().ok())?
}
