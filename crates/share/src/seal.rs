//! Seal: from a record's bytes to blocks in the store. By a hospital.
//!
//! Source: protocol page, "A record", steps 2 to 4; scheme page, steps 3 and 5.

use base::{
    AccountId, Cid, Digest, Millis, RecordId, Salt, Scope, ScopeId, Version, codec, scope::Cover,
};
use ibpre::PublicParams;
use rand_core::CryptoRng;
use serde_bytes::ByteBuf;
use std::io;
use thiserror::Error;

use crate::{
    Suite,
    body::{self, SealBodyError, padded},
    card::Card,
    desk::{Desk, LookError},
    identity::{RecordSecret, random},
    manifest::{Manifest, Opening},
    node::NodeError,
    record::{PartSource, RecordSource},
    scheme::{self, sid_of},
    sealed::{CapsuleNode, ContentKey, PartOpening, Place, SUITE, SealedPart, SealedRecord},
    wallet::MAX_COUNTER,
};

/// What is sealed, for whom, as which state.
pub(crate) struct Job<'a> {
    pub(crate) card: &'a Card,
    pub(crate) source: &'a RecordSource,
    pub(crate) record: RecordId,
    pub(crate) previous: Option<Cid>,
}

/// Seals every part, signs the manifest, stores all blocks, and pins the root.
pub(crate) fn seal(
    desk: &Desk<'_>,
    job: &Job<'_>,
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Cid, SealError> {
    let signer = desk.party.record.as_ref().ok_or(SealError::NoRecordKey)?;
    let public = desk.public_params(job.card.account)?;
    if Digest(*public.pkh()) != job.card.pkh {
        return Err(SealError::WrongCard);
    }
    // A node may collect what no pin reaches while a later part is still on its way, so
    // each body is pinned until the root is.
    let mut bodies = Vec::new();
    let sealed = seal_parts(desk, job, &public, signer, &mut bodies, now, rng);
    for body in bodies {
        desk.node.unpin(&body)?;
    }
    sealed
}

fn seal_parts(
    desk: &Desk<'_>,
    job: &Job<'_>,
    public: &PublicParams<Suite>,
    signer: &RecordSecret,
    bodies: &mut Vec<Cid>,
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Cid, SealError> {
    let mut parts = Vec::new();
    for (index, part) in (0u32..).zip(job.source.parts()) {
        let half = Half::seal(desk, job, index, part, rng)?;
        desk.node.pin(&half.body)?;
        bodies.push(half.body);
        parts.push(half);
    }
    // A part ends where its last range ends: only its length shows that the original grew.
    let expected = job.source.length();
    if job.source.length_now().map_err(SealBodyError::Source)? != expected {
        return Err(SealBodyError::Changed { expected }.into());
    }
    let manifest = Manifest {
        version: Version,
        record: job.record,
        patient: job.card.account,
        hospital: desk.party.account,
        created: now,
        previous: job.previous,
        parts: parts
            .iter()
            .map(|part| part.opening.commitment(&part.salt))
            .collect(),
    };
    let signed = manifest.sign(desk.party.chain, signer);
    let parts = (0u32..)
        .zip(parts)
        .map(|(index, part)| part.finish(desk, job, index, public, &signed, now, rng))
        .collect::<Result<_, _>>()?;
    let (root, bytes) = SealedRecord {
        version: Version,
        suite: SUITE,
        record: job.record,
        previous: job.previous,
        parts,
    }
    .to_block();
    desk.node.put_block(&root, &bytes)?;
    desk.node.pin(&root)?;
    Ok(root)
}

/// A part whose body is in the store and whose capsule is still to be made.
struct Half {
    key: ContentKey,
    header: body::BodyHeader,
    body: Cid,
    opening: Opening,
    salt: Salt,
}

impl Half {
    fn seal(
        desk: &Desk<'_>,
        job: &Job<'_>,
        index: u32,
        part: &PartSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, SealError> {
        let key = ContentKey::new(random(rng));
        let layout = part.layout.to_bytes();
        let length = part.layout.length();
        let header = body::BodyHeader {
            version: Version,
            suite: SUITE,
            record: job.record,
            part: index,
            size: padded(length.saturating_add(layout.len() as u64)),
        };
        let mut source = job.source.read(part).map_err(SealBodyError::Source)?;
        let mut failure = None;
        let sealed = body::seal(
            &header,
            key.keys().k_body.as_secret(),
            &mut source,
            length,
            &layout,
            |from| {
                desk.node.put_file(from).map_err(|error| {
                    let message = error.to_string();
                    failure = Some(error);
                    io::Error::other(message)
                })
            },
        );
        let (body, sealed) = match (sealed, failure) {
            (Err(SealBodyError::Sink(_)), Some(error)) => return Err(error.into()),
            (sealed, _) => sealed?,
        };
        let opening = Opening {
            class: part.class,
            media_type: part.media_type.clone(),
            length,
            digest: sealed.digest,
            layout_length: layout.len() as u32, // below codec::MAX_OBJECT
            layout: Digest::of(&layout),
        };
        Ok(Self {
            key,
            header,
            body,
            opening,
            salt: Salt(random(rng)),
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the second half of one step")]
    fn finish(
        self,
        desk: &Desk<'_>,
        job: &Job<'_>,
        index: u32,
        public: &PublicParams<Suite>,
        manifest: &[u8],
        now: Millis,
        rng: &mut dyn CryptoRng,
    ) -> Result<SealedPart, SealError> {
        let mut rng = rng;
        let (_, sid) = current_scope(desk, job.card, self.opening.class, job.record, now)?;
        let (secret, capsule) = scheme::scope_key(public, sid).encapsulate(&mut rng);
        let place = Place {
            pkh: job.card.pkh,
            sid,
            record: job.record,
            part: index,
            body: self.body,
        };
        let (name, node) = CapsuleNode::wrap(&place, &secret, &capsule, &self.key).to_block();
        desk.node.put_block(&name, &node)?;
        let opening = PartOpening {
            opening: self.opening,
            salt: self.salt,
            manifest: ByteBuf::from(manifest.to_vec()),
            padding: ByteBuf::new(),
        };
        Ok(SealedPart {
            capsule: name,
            body: self.body,
            size: self.header.size,
            opening: opening.seal(&self.key.keys(), &self.header, &self.body),
        })
    }
}

/// The scope that a part of this class is sealed to now: the first counter whose sid is
/// not retired.
fn current_scope(
    desk: &Desk<'_>,
    card: &Card,
    class: base::Class,
    record: RecordId,
    now: Millis,
) -> Result<(Scope, ScopeId), SealError> {
    let kappa = card.kappa();
    for counter in 0..MAX_COUNTER {
        let cover = Cover {
            class,
            epoch: (class != base::Class::Emergency).then(|| now.epoch()),
            record: (class == base::Class::Sensitive).then_some(record),
            counter,
        };
        let scope = Scope::of(desk.party.chain, card.pkh, cover, &kappa);
        let sid = sid_of(&scope);
        if !is_retired(desk, card.account, sid)? {
            return Ok((scope, sid));
        }
    }
    Err(SealError::TooManyRotations)
}

/// Whether the ledger has `sid` of `patient` as retired.
pub(crate) fn is_retired(
    desk: &Desk<'_>,
    patient: AccountId,
    sid: ScopeId,
) -> Result<bool, NodeError> {
    Ok(desk
        .node
        .scope(patient, sid)?
        .is_some_and(|scope| scope.is_retired()))
}

/// Why a record was not sealed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The hospital has no ML-DSA key here.
    #[error("this party has no key that signs records; only a hospital publishes")]
    NoRecordKey,
    /// The card's public key is not the account's.
    #[error("the patient's card does not belong to her account's public key; ask for a new card")]
    WrongCard,
    /// More rotations than anybody tries.
    #[error("the patient's scope was rotated more than {MAX_COUNTER} times")]
    TooManyRotations,
    /// A body.
    #[error(transparent)]
    Body(#[from] SealBodyError),
    /// The ledger's side.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The store's side.
    #[error(transparent)]
    Node(#[from] NodeError),
}

const _: () = assert!(codec::MAX_OBJECT <= u32::MAX as usize);
