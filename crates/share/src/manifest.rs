//! The manifest that a hospital signs: salted commitments to the parts of one state.
//!
//! Source: protocol page, "A record", step 2; RFC 9052 (COSE_Sign1), RFC 9881/draft-ietf-
//! cose-dilithium (ML-DSA-65 is algorithm -49), FIPS 204. A commitment hides everything
//! about its part: class, media type, length, digest.

use coset::{
    CoseSign1, CoseSign1Builder, Header, HeaderBuilder, ProtectedHeader,
    TaggedCborSerializable as _, iana,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use base::{
    AccountId, ChainId, Cid, Class, Digest, Millis, RecordId, Salt, UnknownVersion, Version, codec,
    domain, key::RecordKey,
};

use crate::{
    identity::RecordSecret,
    record::{MAX_PARTS, is_media_type},
};

/// What a part is, in clear. Only a holder of the part's key sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Class of data.
    pub class: Class,
    /// RFC 6838 media type.
    pub media_type: String,
    /// Bytes of content.
    pub length: u64,
    /// SHA2-256 of the content.
    pub digest: Digest,
    /// Bytes of the layout that follows the content inside the body; 0 for a part that
    /// is the whole original.
    pub layout_length: u32,
    /// SHA2-256 of the layout.
    pub layout: Digest,
}

impl Opening {
    /// SHA2-256(salt ‖ canonical bytes).
    pub fn commitment(&self, salt: &Salt) -> Digest {
        Digest::commit(salt, &codec::encode(self))
    }

    pub(crate) fn is_sound(&self) -> bool {
        is_media_type(&self.media_type) && self.layout_length as usize <= codec::MAX_OBJECT
    }
}

/// What a hospital says about one state of a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// The record.
    pub record: RecordId,
    /// Whose it is.
    pub patient: AccountId,
    /// Who says it.
    pub hospital: AccountId,
    /// When it was made, by the hospital's clock.
    pub created: Millis,
    /// The accepted state before it.
    pub previous: Option<Cid>,
    /// Commitment to each part, in order.
    pub parts: Vec<Digest>,
}

impl Manifest {
    /// The manifest as a tagged COSE_Sign1 object.
    pub fn sign(&self, chain: ChainId, secret: &RecordSecret) -> Vec<u8> {
        let sign = |message: &[u8]| secret.sign(message).as_bytes().to_vec();
        let object = CoseSign1Builder::new()
            .protected(protected())
            .payload(codec::encode(self))
            .create_signature(&external(chain), sign)
            .build();
        #[expect(clippy::expect_used, reason = "writing plain byte strings to memory")]
        object.to_tagged_vec().expect("COSE of byte strings")
    }

    /// Reads a COSE_Sign1 object without checking who signed it.
    ///
    /// # Errors
    /// [`ManifestError::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<UnverifiedManifest, ManifestError> {
        if bytes.len() > MAX_SIGNED {
            return Err(ManifestError::Malformed);
        }
        let object = CoseSign1::from_tagged_slice(bytes).map_err(|_| ManifestError::Malformed)?;
        // One spelling: what this program would write, its protected header included.
        let mut own = object.clone();
        own.protected = ProtectedHeader {
            original_data: None,
            header: protected(),
        };
        let again = own.to_tagged_vec().map_err(|_| ManifestError::Malformed)?;
        if again != bytes || !object.unprotected.is_empty() {
            return Err(ManifestError::Malformed);
        }
        let payload = object.payload.as_deref().ok_or(ManifestError::Malformed)?;
        let manifest: Self = codec::decode(payload).map_err(|error| match error {
            codec::DecodeError::Version { version, .. } => ManifestError::Version(version),
            _ => ManifestError::Malformed,
        })?;
        if !(1..=MAX_PARTS).contains(&manifest.parts.len()) {
            return Err(ManifestError::Malformed);
        }
        Ok(UnverifiedManifest { object, manifest })
    }
}

fn protected() -> Header {
    HeaderBuilder::new()
        .algorithm(iana::Algorithm::ML_DSA_65)
        .build()
}

/// A manifest that nobody has verified yet.
#[derive(Clone, Debug)]
pub struct UnverifiedManifest {
    object: CoseSign1,
    manifest: Manifest,
}

impl UnverifiedManifest {
    /// Checks the signature under one of `keys`: those of the publisher that were valid
    /// at the block that logged the state.
    ///
    /// # Errors
    /// [`ManifestError::BadSignature`].
    pub fn verify<'a>(
        self,
        chain: ChainId,
        keys: impl IntoIterator<Item = &'a RecordKey>,
    ) -> Result<VerifiedManifest, ManifestError> {
        let message = self.object.tbs_data(&external(chain));
        let signature = &self.object.signature;
        let mut keys = keys.into_iter();
        if keys.any(|key| key.verify(&message, signature).is_ok()) {
            Ok(VerifiedManifest(self.manifest))
        } else {
            Err(ManifestError::BadSignature)
        }
    }
}

/// A manifest signed by a key that the checker chose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedManifest(Manifest);

impl std::ops::Deref for VerifiedManifest {
    type Target = Manifest;
    fn deref(&self) -> &Manifest {
        &self.0
    }
}

/// Why a manifest is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A format of the future.
    #[error("the record's manifest: {0}")]
    Version(UnknownVersion),
    /// Not a COSE_Sign1 object with ML-DSA-65 and a manifest in it.
    #[error("the record's manifest is not a signed manifest")]
    Malformed,
    /// Signed by another key.
    #[error("the record's manifest is not signed by its publisher's key of that time")]
    BadSignature,
}

/// Signature, 64 commitments and the rest: below 7 kB.
const MAX_SIGNED: usize = 8_192;

fn external(chain: ChainId) -> Vec<u8> {
    let mut external = domain::preamble(domain::MANIFEST);
    external.extend_from_slice(&chain.0);
    external
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const CHAIN: ChainId = ChainId([9; 32]);

    fn manifest() -> Manifest {
        Manifest {
            version: Version,
            record: RecordId([1; 32]),
            patient: AccountId([2; 32]),
            hospital: AccountId([3; 32]),
            created: Millis(1_795_305_600_000),
            previous: None,
            parts: vec![Digest([4; 32]); MAX_PARTS],
        }
    }

    #[test]
    fn signed_and_verified() {
        let (ours, theirs) = (RecordSecret::new([5; 32]), RecordSecret::new([6; 32]));
        let bytes = manifest().sign(CHAIN, &ours);
        assert!(bytes.len() <= MAX_SIGNED, "{}", bytes.len());
        let read = || Manifest::read(&bytes).unwrap();
        let keys = [theirs.public(), ours.public()];
        assert_eq!(*read().verify(CHAIN, &keys).unwrap(), manifest());
        assert_eq!(
            read().verify(CHAIN, &keys[..1]).unwrap_err(),
            ManifestError::BadSignature
        );
        assert_eq!(
            read().verify(ChainId([8; 32]), &keys).unwrap_err(),
            ManifestError::BadSignature
        );
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let ours = RecordSecret::new([5; 32]);
        let mut small = manifest();
        small.parts.truncate(1);
        let bytes = small.sign(CHAIN, &ours);
        let key = ours.public();
        for at in (0..300).chain((300..bytes.len()).step_by(97)) {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            let read = Manifest::read(&bad).and_then(|read| read.verify(CHAIN, [&key]));
            assert!(read.is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_layout_longer_than_any_object_is_refused() {
        // else a reader would hold up to 4 GiB of it in memory before she looks at it
        let mut opening = Opening {
            class: Class::Imaging,
            media_type: "application/dicom".into(),
            length: 1,
            digest: Digest([0; 32]),
            layout_length: codec::MAX_OBJECT as u32,
            layout: Digest([0; 32]),
        };
        assert!(opening.is_sound());
        opening.layout_length += 1;
        assert!(!opening.is_sound());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(Manifest::read(&bytes).is_err());
            // tag 18, array of 4: further into the decoder
            let tagged = [&[0xd2, 0x84, 0x44, 0xa1, 0x01, 0x38, 0x30, 0xa0], &bytes[..]].concat();
            prop_assert!(Manifest::read(&tagged).is_err());
        }
    }
}
