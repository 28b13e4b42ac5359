//! Sealed records: the DAG-CBOR nodes that stand in the store.
//!
//! Source: protocol page, "A record", steps 3 and 4; scheme page, step 5. The root links
//! to one capsule and one body for each part and to the state before; a capsule node is
//! what a re-wrap replaces. None of them shows a class, a media type or an exact length.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use ibpre::{BodyKeys, Capsule, SharedSecret};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use base::{
    CapsuleId, Cid, Digest, RecordId, Salt, ScopeId, UnknownVersion, Version, cid, codec, domain,
};

use crate::{
    Suite,
    body::{BodyHeader, cipher},
    manifest::Opening,
    record::MAX_PARTS,
};

/// Parameter set A, AES-256-GCM, SHA2-256, ML-DSA-65.
pub const SUITE: u32 = 1;

/// The root of one state of a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRecord {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// [`SUITE`].
    pub suite: u32,
    /// The record.
    pub record: RecordId,
    /// The accepted state before the one that its hospital published; a re-wrap keeps it.
    pub previous: Option<Cid>,
    /// The parts, in the manifest's order.
    pub parts: Vec<SealedPart>,
}

/// One part of a sealed record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedPart {
    /// Its [`CapsuleNode`].
    pub capsule: Cid,
    /// Its body, a UnixFS file.
    pub body: Cid,
    /// Bytes of the body before sealing, padding included.
    pub size: u64,
    /// Opening, salt and signed manifest under k_open.
    pub opening: ByteBuf,
}

/// A part's key, encapsulated to a scope of its patient.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapsuleNode {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// What the wrap is bound to.
    pub header: CapsuleHeader,
    /// (y, c1) in the encoding of `ibpre`.
    pub capsule: ByteBuf,
    /// CEK under k_wrap: 32 bytes and a tag.
    pub wrap: ByteBuf,
}

/// The associated data of a wrap.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapsuleHeader {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// [`SUITE`].
    pub suite: u32,
    /// H_pk of the patient's public key.
    pub pkh: Digest,
    /// The scope.
    pub sid: ScopeId,
    /// The capsule's name under both.
    pub ctid: CapsuleId,
    /// The record.
    pub record: RecordId,
    /// Index of the part.
    pub part: u32,
    /// The body that the key opens.
    pub body: Cid,
    /// Commitment to the encapsulated secret.
    pub k_commit: Digest,
    /// Commitment to the content key.
    pub body_commit: Digest,
}

/// A content key: 32 random bytes that spread to k_body and k_open.
pub struct ContentKey(Zeroizing<[u8; 32]>);

impl ContentKey {
    /// From 32 secret random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// H_body.
    pub fn keys(&self) -> BodyKeys {
        ibpre::body_keys::<Suite>(&self.0)
    }
}

impl SealedRecord {
    /// Its block: name and bytes.
    pub fn to_block(&self) -> (Cid, Vec<u8>) {
        let bytes = codec::encode(self);
        (cid::of_object(&bytes), bytes)
    }

    /// Reads a root of `record`.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn from_block(bytes: &[u8], record: RecordId) -> Result<Self, SealedError> {
        let sealed: Self = codec::decode(bytes)?;
        if sealed.suite != SUITE {
            return Err(SealedError::Suite(sealed.suite));
        }
        if sealed.record != record {
            return Err(SealedError::OtherRecord);
        }
        let parts = sealed.parts.len();
        let sound = (0..parts).all(|part| sealed.header(part).is_some_and(|h| h.is_sound()));
        if !sound || !(1..=MAX_PARTS).contains(&parts) {
            return Err(SealedError::Malformed);
        }
        Ok(sealed)
    }

    /// The body header of part `index`.
    pub fn header(&self, index: usize) -> Option<BodyHeader> {
        let part = self.parts.get(index)?;
        Some(BodyHeader {
            version: self.version,
            suite: self.suite,
            record: self.record,
            part: u32::try_from(index).ok()?,
            size: part.size,
        })
    }
}

/// A capsule node whose capsule has the name that its header says.
#[derive(Clone, Debug)]
pub struct CheckedCapsule {
    /// The node's header.
    pub header: CapsuleHeader,
    /// The capsule.
    pub capsule: Capsule<Suite>,
    wrap: ByteBuf,
}

impl CapsuleNode {
    /// Wraps a content key under `secret`, which `capsule` encapsulates to
    /// (`pkh`, `sid`).
    pub fn wrap(
        place: &Place,
        secret: &SharedSecret<Suite>,
        capsule: &Capsule<Suite>,
        key: &ContentKey,
    ) -> Self {
        let sid = ibpre::ScopeId::from_bytes(place.sid.0);
        let ctid = capsule.id(&place.pkh.0, sid);
        let dem = secret.dem_keys(&place.pkh.0, sid, ctid);
        let header = CapsuleHeader {
            version: Version,
            suite: SUITE,
            pkh: place.pkh,
            sid: place.sid,
            ctid: CapsuleId(ctid.to_bytes()),
            record: place.record,
            part: place.part,
            body: place.body,
            k_commit: Digest(dem.k_commit),
            body_commit: Digest(key.keys().body_commit),
        };
        let wrap = seal_once(dem.k_wrap.as_secret(), &header.aad(), key.0.to_vec());
        Self {
            version: Version,
            header,
            capsule: ByteBuf::from(capsule.to_bytes()),
            wrap: ByteBuf::from(wrap),
        }
    }

    /// Its block: name and bytes.
    pub fn to_block(&self) -> (Cid, Vec<u8>) {
        let bytes = codec::encode(self);
        (cid::of_object(&bytes), bytes)
    }

    /// Reads the node of part `index` of `record`, and names its capsule again.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn from_block(
        bytes: &[u8],
        record: &SealedRecord,
        index: usize,
    ) -> Result<CheckedCapsule, SealedError> {
        let node: Self = codec::decode(bytes)?;
        let header = node.header;
        if header.suite != SUITE {
            return Err(SealedError::Suite(header.suite));
        }
        let part = record.parts.get(index).ok_or(SealedError::OtherRecord)?;
        if header.record != record.record
            || header.part as usize != index
            || header.body != part.body
        {
            return Err(SealedError::OtherRecord);
        }
        let capsule = Capsule::from_bytes(&node.capsule).map_err(|_| SealedError::Malformed)?;
        let ctid = capsule.id(&header.pkh.0, ibpre::ScopeId::from_bytes(header.sid.0));
        if ctid.to_bytes() != header.ctid.0 {
            return Err(SealedError::WrongName);
        }
        Ok(CheckedCapsule {
            header,
            capsule,
            wrap: node.wrap,
        })
    }
}

impl CheckedCapsule {
    /// The content key, by the secret that the capsule encapsulates: both commitments
    /// are compared in constant time before it is given.
    ///
    /// # Errors
    /// [`SealedError::Key`].
    pub fn unwrap_key(&self, secret: &SharedSecret<Suite>) -> Result<ContentKey, SealedError> {
        let header = &self.header;
        let sid = ibpre::ScopeId::from_bytes(header.sid.0);
        let ctid = ibpre::CapsuleId::from_bytes(header.ctid.0);
        let dem = secret.dem_keys(&header.pkh.0, sid, ctid);
        if !bool::from(dem.k_commit.ct_eq(&header.k_commit.0)) {
            return Err(SealedError::Key);
        }
        let plain = open_once(dem.k_wrap.as_secret(), &header.aad(), &self.wrap)?;
        let key = <[u8; 32]>::try_from(plain.as_slice()).map_err(|_| SealedError::Key)?;
        let key = ContentKey::new(key);
        if !bool::from(key.keys().body_commit.ct_eq(&header.body_commit.0)) {
            return Err(SealedError::Key);
        }
        Ok(key)
    }
}

/// Where a content key is wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// H_pk of the patient's public key.
    pub pkh: Digest,
    /// The scope.
    pub sid: ScopeId,
    /// The record.
    pub record: RecordId,
    /// Index of the part.
    pub part: u32,
    /// The part's body.
    pub body: Cid,
}

/// What the box of a part holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartOpening {
    /// What the part is.
    pub opening: Opening,
    /// Opens its commitment.
    pub salt: Salt,
    /// The signed manifest, COSE_Sign1.
    pub manifest: ByteBuf,
    /// Zeros up to a multiple of [`BOX_STEP`]: lengths in the opening do not show.
    pub padding: ByteBuf,
}

/// Box sizes are multiples of it, bytes.
pub const BOX_STEP: usize = 512;

impl PartOpening {
    /// Seals the box under `keys`, bound to body header and body.
    pub fn seal(mut self, keys: &BodyKeys, header: &BodyHeader, body: &Cid) -> ByteBuf {
        let bare = codec::encode(&self).len();
        // The padding's own length takes up to two more bytes: leave them out of the gap.
        let gap = (bare + 2).next_multiple_of(BOX_STEP) - bare - 2;
        self.padding = ByteBuf::from(vec![0; gap]);
        let mut plain = codec::encode(&self);
        while !plain.len().is_multiple_of(BOX_STEP) {
            self.padding.push(0);
            plain = codec::encode(&self);
        }
        ByteBuf::from(seal_once(
            keys.k_open.as_secret(),
            &box_aad(header, body),
            plain,
        ))
    }

    /// Opens the box.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn open(
        bytes: &[u8],
        keys: &BodyKeys,
        header: &BodyHeader,
        body: &Cid,
    ) -> Result<Self, SealedError> {
        let plain = open_once(keys.k_open.as_secret(), &box_aad(header, body), bytes)?;
        let opening: Self = codec::decode(&plain).map_err(|_| SealedError::Malformed)?;
        if !opening.opening.is_sound() || opening.padding.iter().any(|&byte| byte != 0) {
            return Err(SealedError::Malformed);
        }
        Ok(opening)
    }
}

/// Why a sealed record does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealedError {
    /// Bytes that are no such node.
    #[error("the block is not a sealed record, or not in canonical form")]
    Malformed,
    /// A format of the future.
    #[error("the sealed record: {0}")]
    Version(UnknownVersion),
    /// Another parameter set.
    #[error(
        "the sealed record has suite {0}; this program reads suite {SUITE}: use a newer medshare"
    )]
    Suite(u32),
    /// A root, capsule or body of another record or part.
    #[error("the block belongs to another record or part")]
    OtherRecord,
    /// A capsule that is not the one its header names.
    #[error("the capsule is not the one that its header names")]
    WrongName,
    /// Commitment, wrap or box do not open under this key.
    #[error("the capsule's key does not open this part")]
    Key,
}

impl From<codec::DecodeError> for SealedError {
    fn from(error: codec::DecodeError) -> Self {
        match error {
            codec::DecodeError::Version { version, .. } => Self::Version(version),
            _ => Self::Malformed,
        }
    }
}

impl SealedError {
    /// Whether a newer program would read it: then nothing is wrong with the record.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Version(_) | Self::Suite(_))
    }
}

impl CapsuleHeader {
    fn aad(&self) -> Vec<u8> {
        let mut aad = domain::preamble(domain::CAPSULE);
        aad.extend(codec::encode(self));
        aad
    }
}

fn box_aad(header: &BodyHeader, body: &Cid) -> Vec<u8> {
    let mut aad = header.aad();
    aad.extend(body.to_bytes());
    aad
}

/// AES-256-GCM with nonce 0: for keys that seal once.
fn seal_once(key: &[u8; 32], aad: &[u8], mut plain: Vec<u8>) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "far below AES-GCM's 64 GiB")]
    cipher(key)
        .seal_in_place_append_tag(zero_nonce(), Aad::from(aad), &mut plain)
        .expect("a short message");
    plain
}

fn open_once(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let mut plain = Zeroizing::new(sealed.to_vec());
    let length = cipher(key)
        .open_in_place(zero_nonce(), Aad::from(aad), &mut plain)
        .map_err(|_| SealedError::Key)?
        .len();
    plain.truncate(length);
    Ok(plain)
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}
