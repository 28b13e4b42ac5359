//! One part of one state, from its capsule's secret to its checked bytes: what a wallet
//! does when it accepts or reads, and a requester when she opens.
//!
//! Source: protocol page, "A record", steps 2, 3 and 6; "Sharing", row "open".

use base::{AccountId, Cid, Class, Digest, RecordId, key::RecordKey};
use ibpre::SharedSecret;
use ledger::{Record, StateInfo};
use std::io::Write;
use thiserror::Error;

use crate::{
    Suite,
    body::{self, OpenBodyError},
    desk::{Desk, LookError},
    manifest::{Manifest, ManifestError, VerifiedManifest},
    node::NodeError,
    record::{Layout, RecordError},
    sealed::{CapsuleNode, CheckedCapsule, PartOpening, SealedError, SealedRecord},
};

/// One state of a record with what the ledger says about it.
pub struct State {
    /// The record on the ledger.
    pub record: Record,
    /// The state's root.
    pub root: Cid,
    /// The sealed record.
    pub sealed: SealedRecord,
    /// The published state that it is or re-wraps.
    pub published: StateInfo,
    keys: Vec<RecordKey>,
}

impl State {
    /// Fetches the root of a state and what the ledger says about it.
    ///
    /// # Errors
    /// [`PartError`].
    pub fn load(desk: &Desk<'_>, record: RecordId, root: Cid) -> Result<Self, PartError> {
        let on_ledger = desk.record(record)?;
        let published = desk.published_state(&on_ledger, &root)?;
        let hospital = desk.account(on_ledger.hospital)?;
        let keys = hospital.record_keys_at(published.height).cloned().collect();
        let sealed = SealedRecord::from_block(&desk.node.read_block(&root)?, record)?;
        if sealed.previous != published.before {
            return Err(PartError::Contradiction("state before"));
        }
        Ok(Self {
            record: on_ledger,
            root,
            sealed,
            published,
            keys,
        })
    }

    /// Fetches and checks the capsule of part `index`.
    ///
    /// # Errors
    /// [`PartError`].
    pub fn capsule(&self, desk: &Desk<'_>, index: usize) -> Result<CheckedCapsule, PartError> {
        let part = self.sealed.parts.get(index);
        let part = part.ok_or(PartError::NoSuchPart(index))?;
        let bytes = desk.node.read_block(&part.capsule)?;
        Ok(CapsuleNode::from_block(&bytes, &self.sealed, index)?)
    }

    /// Opens part `index` of class `class` with the secret of its capsule: key
    /// commitments, box, signature, commitment, every segment, every hash. `sink` gets
    /// the content; it counts only when this returns `Ok`.
    ///
    /// # Errors
    /// [`PartError`]; throw away what `sink` got.
    pub fn open(
        &self,
        desk: &Desk<'_>,
        capsule: &CheckedCapsule,
        secret: &SharedSecret<Suite>,
        class: Class,
        sink: &mut dyn Write,
    ) -> Result<OpenedPart, PartError> {
        let index = capsule.header.part as usize;
        let missing = || PartError::NoSuchPart(index);
        let part = self.sealed.parts.get(index).ok_or_else(missing)?;
        let header = self.sealed.header(index).ok_or_else(missing)?;
        let keys = capsule.unwrap_key(secret)?.keys();
        let inside = PartOpening::open(&part.opening, &keys, &header, &part.body)?;
        let manifest = self.manifest(desk, &inside.manifest)?;
        let opening = inside.opening;
        if manifest.parts.get(index) != Some(&opening.commitment(&inside.salt)) {
            return Err(PartError::Contradiction("part"));
        }
        if opening.class != class {
            return Err(PartError::Contradiction("class of data"));
        }
        let mut source = desk.node.read_file(&part.body)?;
        let trailer = opening.layout_length as usize;
        let key = keys.k_body.as_secret();
        let body = body::open(&header, key, &mut *source, opening.length, trailer, sink)?;
        if body.digest != opening.digest || Digest::of(&body.trailer) != opening.layout {
            return Err(PartError::Contradiction("content"));
        }
        Ok(OpenedPart {
            class,
            media_type: opening.media_type,
            length: opening.length,
            digest: opening.digest,
            layout: Layout::from_bytes(&body.trailer, opening.length)?,
            manifest,
        })
    }

    /// The manifest, verified under the publisher's key of that time and compared with
    /// the ledger.
    fn manifest(&self, desk: &Desk<'_>, bytes: &[u8]) -> Result<VerifiedManifest, PartError> {
        let manifest = Manifest::read(bytes)?.verify(desk.party.chain, &self.keys)?;
        let same = |is: bool, what| is.then_some(()).ok_or(PartError::Contradiction(what));
        same(manifest.record == self.record.id, "record")?;
        same(manifest.patient == self.record.patient, "patient")?;
        same(manifest.hospital == self.record.hospital, "hospital")?;
        same(manifest.previous == self.sealed.previous, "state before")?;
        same(
            manifest.parts.len() == self.sealed.parts.len(),
            "number of parts",
        )?;
        Ok(manifest)
    }
}

/// A part whose every check has passed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedPart {
    /// Class of data.
    pub class: Class,
    /// Media type.
    pub media_type: String,
    /// Bytes of content.
    pub length: u64,
    /// SHA2-256 of the content.
    pub digest: Digest,
    /// Where the content lies in the original.
    pub layout: Layout,
    /// What the hospital signed.
    pub manifest: VerifiedManifest,
}

impl OpenedPart {
    /// The hospital that signed it.
    pub fn hospital(&self) -> AccountId {
        self.manifest.hospital
    }
}

/// Why a part of a record does not hold.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PartError {
    /// The state has no such part.
    #[error("the record's state has no part {0}")]
    NoSuchPart(usize),
    /// Root, capsule, key or box.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The signed manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Manifest, ledger and content do not agree.
    #[error("the record contradicts itself: its {0} is not the one that was signed")]
    Contradiction(&'static str),
    /// The body.
    #[error(transparent)]
    Body(#[from] OpenBodyError),
    /// The layout.
    #[error("the part's layout does not hold: {0}")]
    Layout(#[from] RecordError),
    /// The ledger's side.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The store's side.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl PartError {
    /// Whether a newer program would read it: then nothing is wrong with the record.
    pub fn is_newer(&self) -> bool {
        match self {
            Self::Sealed(error) => error.is_newer(),
            Self::Manifest(error) => matches!(error, ManifestError::Version(_)),
            _ => false,
        }
    }

    /// Whether the bytes could not be had, rather than being wrong.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Node(_)
                | Self::Look(LookError::Node(_))
                | Self::Body(OpenBodyError::Source(_) | OpenBodyError::Sink(_))
        )
    }
}
