//! Sealed bodies: one part's bytes as a stream of AES-256-GCM segments.
//!
//! Source: protocol page, "A record", step 3; scheme page, step 5; Hoang, Reyhanitabar,
//! Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance"
//! (STREAM); Nikitin et al., "Reducing Metadata Leakage from Encrypted Files" (Padmé).
//!
//! A body is `content ‖ trailer ‖ zeros`, the zeros up to the Padmé size. It is cut into
//! segments of [`PLAIN`] bytes (the last one is what is left); each becomes exactly one
//! UnixFS block of [`SEGMENT`] bytes. A sealed body is made and read in constant memory:
//! at most [`BUFFERS`] segments are alive, one thread hashes the plaintext while another
//! has the ciphertext.

mod open;
mod seal;

pub use open::{OpenBodyError, OpenedBody, open, open_segment};
pub use seal::{SealBodyError, SealedBody, seal};

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base::{RecordId, Version, codec, domain};
use serde::{Deserialize, Serialize};

/// Bytes of a whole sealed segment: one UnixFS block.
pub const SEGMENT: usize = 1 << 20;
/// Bytes of plaintext in a whole segment.
pub const PLAIN: usize = SEGMENT - TAG;
/// Smallest body before sealing, bytes.
pub const MIN_BODY: u64 = 4_096;
/// Largest body before sealing, bytes (1 TiB): 2^20 segments, far below the counter's 2^32.
pub const MAX_BODY: u64 = 1 << 40;
/// Segments in memory at once.
pub const BUFFERS: usize = 6;

const TAG: usize = 16;

/// What every segment of a body is bound to. It says nothing of scope or capsule, so a
/// re-wrap leaves the body as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyHeader {
    /// Format of sealed records.
    #[serde(rename = "v")]
    pub version: Version,
    /// Parameter set; see [`crate::sealed::SUITE`].
    pub suite: u32,
    /// The record.
    pub record: RecordId,
    /// Index of the part in the manifest.
    pub part: u32,
    /// Bytes before sealing, padding included.
    pub size: u64,
}

impl BodyHeader {
    /// Number of segments, at least 1.
    pub fn segments(&self) -> u64 {
        self.size.div_ceil(PLAIN as u64).max(1)
    }

    /// Bytes after sealing.
    pub fn sealed_size(&self) -> u64 {
        self.size
            .saturating_add(self.segments().saturating_mul(TAG as u64))
    }

    /// Whether a body of this size is ever made.
    pub fn is_sound(&self) -> bool {
        (MIN_BODY..=MAX_BODY).contains(&self.size) && padme(self.size) == self.size
    }

    /// Bytes of plaintext in segment `index`.
    pub(crate) fn plain(&self, index: u64) -> usize {
        let left = self.size.saturating_sub(index.saturating_mul(PLAIN as u64));
        left.min(PLAIN as u64) as usize
    }

    /// The associated data.
    pub(crate) fn aad(&self) -> Vec<u8> {
        let mut aad = domain::preamble(domain::BODY);
        aad.extend(codec::encode(self));
        aad
    }

    /// 7 zero bytes ‖ u32 counter, big-endian ‖ last flag.
    pub(crate) fn nonce(&self, index: u64) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        // index < 2^20 for every sound header
        nonce[7..11].copy_from_slice(&(index as u32).to_be_bytes());
        nonce[11] = u8::from(index + 1 == self.segments());
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The body size for `length` bytes of content and trailer.
pub fn padded(length: u64) -> u64 {
    padme(length.max(MIN_BODY))
}

/// Padmé: `length` rounded up so that its low bits are zero and O(log log) bits of it
/// show; at most 12 % more, for large lengths far less.
pub fn padme(length: u64) -> u64 {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1u64 << (exponent - kept.min(exponent))) - 1;
    length.saturating_add(mask) & !mask
}

/// An AES-256-GCM key, prepared.
pub(crate) fn cipher(key: &[u8; 32]) -> LessSafeKey {
    #[expect(clippy::expect_used, reason = "the length is AES-256's")]
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use base::Digest;
    use proptest::prelude::*;
    use std::io::{self, Read};

    const KEY: [u8; 32] = [7; 32];

    fn header(length: u64) -> BodyHeader {
        BodyHeader {
            version: Version,
            suite: 1,
            record: RecordId([3; 32]),
            part: 2,
            size: padded(length),
        }
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| ((at * 31) >> 3) as u8).collect()
    }

    fn sealed(bytes: &[u8], trailer: &[u8]) -> (BodyHeader, Vec<u8>, SealedBody) {
        let header = header((bytes.len() + trailer.len()) as u64);
        let mut source = bytes;
        let (out, body) = seal(
            &header,
            &KEY,
            &mut source,
            bytes.len() as u64,
            trailer,
            |from| {
                let mut out = Vec::new();
                from.read_to_end(&mut out).map(|_| out)
            },
        )
        .unwrap();
        (header, out, body)
    }

    fn opened(
        header: &BodyHeader,
        sealed: &[u8],
        length: u64,
        trailer: usize,
    ) -> Result<(Vec<u8>, OpenedBody), OpenBodyError> {
        let mut out = Vec::new();
        let mut source = sealed;
        open(header, &KEY, &mut source, length, trailer, &mut out).map(|body| (out, body))
    }

    #[test]
    fn padme_vectors() {
        // From the definition: E = floor(log2 L), S = floor(log2 E) + 1, low E - S bits zero.
        for (length, size) in [
            (0, 0),
            (1, 1),
            (2, 2),
            (9, 10),
            (100, 104),
            (4096, 4096),
            (4097, 4352),
            (1 << 20, 1 << 20),
            ((1 << 20) + 1, (1 << 20) + (1 << 15)),
        ] {
            assert_eq!(padme(length), size, "{length}");
        }
        for length in (1..u64::from(u32::MAX)).step_by(977_777) {
            let size = padme(length);
            assert!(size >= length && padme(size) == size && (size - length) * 100 <= length * 13);
        }
    }

    #[test]
    fn every_size_comes_back() {
        for length in [
            0,
            1,
            4095,
            4096,
            4097,
            PLAIN - 1,
            PLAIN,
            PLAIN + 1,
            3 * PLAIN,
            5 * PLAIN + 77,
        ] {
            let bytes = content(length);
            let (header, out, body) = sealed(&bytes, b"layout");
            assert!(header.is_sound());
            assert_eq!(out.len() as u64, header.sealed_size());
            assert_eq!(body.digest, Digest::of(&bytes));
            let (back, opening) = opened(&header, &out, length as u64, 6).unwrap();
            assert_eq!(back, bytes);
            assert_eq!(opening.digest, body.digest);
            assert_eq!(opening.trailer, b"layout");
        }
    }

    #[test]
    fn any_segment_opens_alone() {
        let bytes = content(3 * PLAIN + 5);
        let (header, out, _) = sealed(&bytes, b"");
        let padded = [bytes.clone(), vec![0; header.size as usize - bytes.len()]].concat();
        for (index, segment) in out.chunks(SEGMENT).enumerate() {
            let plain = open_segment(&header, &KEY, index as u64, segment).unwrap();
            assert_eq!(plain, padded.chunks(PLAIN).nth(index).unwrap());
            assert!(open_segment(&header, &KEY, index as u64 + 1, segment).is_err());
        }
    }

    #[test]
    fn tampering_is_seen() {
        let bytes = content(2 * PLAIN + 100_000);
        let (header, out, _) = sealed(&bytes, b"");
        let length = bytes.len() as u64;
        let refused = |bytes: &[u8]| assert!(opened(&header, bytes, length, 0).is_err());
        for at in [0, SEGMENT - 1, SEGMENT, out.len() - 1] {
            let mut bad = out.clone();
            bad[at] ^= 1;
            refused(&bad);
        }
        refused(&out[..out.len() - 1]);
        refused(&out[..2 * SEGMENT]); // truncated at a segment's end
        refused(&[&out[..], &[0]].concat());
        refused(&[&out[..SEGMENT], &out[..SEGMENT], &out[2 * SEGMENT..]].concat()); // duplicated
        refused(
            &[
                &out[SEGMENT..2 * SEGMENT],
                &out[..SEGMENT],
                &out[2 * SEGMENT..],
            ]
            .concat(),
        ); // reordered
        let other = BodyHeader { part: 1, ..header };
        assert!(opened(&other, &out, length, 0).is_err());
        let mut sink = Vec::new();
        assert!(open(&header, &[8; 32], &mut &out[..], length, 0, &mut sink).is_err());
        assert!(
            opened(&header, &out, header.size + 1, 0).is_err(),
            "longer than the body"
        );
        assert!(
            opened(&header, &out, length - 1, 0).is_err(),
            "padding that is not zero"
        );
    }

    #[test]
    fn a_source_that_changes_is_refused() {
        let header = header(PLAIN as u64 * 2);
        let consume = |from: &mut dyn Read| io::copy(from, &mut io::sink());
        let mut short: &[u8] = &content(PLAIN);
        let error = seal(&header, &KEY, &mut short, PLAIN as u64 * 2, b"", consume).unwrap_err();
        assert!(matches!(error, SealBodyError::Changed { .. }), "{error:?}");
        let mut long: &[u8] = &content(PLAIN + 1);
        let error = seal(&header, &KEY, &mut long, PLAIN as u64, b"", consume).unwrap_err();
        assert!(matches!(error, SealBodyError::Changed { .. }), "{error:?}");
    }

    #[test]
    fn a_sink_that_fails_is_the_error() {
        let bytes = content(8 * PLAIN);
        let error = seal(
            &header(bytes.len() as u64),
            &KEY,
            &mut &bytes[..],
            bytes.len() as u64,
            b"",
            |_| Err::<(), _>(io::Error::other("disk full")),
        )
        .unwrap_err();
        assert!(matches!(error, SealBodyError::Sink(_)), "{error:?}");
        struct Full;
        impl io::Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("disk full"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (header, out, _) = sealed(&bytes, b"");
        let error = open(
            &header,
            &KEY,
            &mut &out[..],
            bytes.len() as u64,
            0,
            &mut Full,
        )
        .unwrap_err();
        assert!(matches!(error, OpenBodyError::Sink(_)), "{error:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_no_body(bytes in proptest::collection::vec(any::<u8>(), 0..9000), size in any::<u64>(), length in any::<u64>(), trailer in any::<usize>()) {
            let mut out = Vec::new();
            let hostile = BodyHeader { size, ..header(0) };
            prop_assert!(open(&hostile, &KEY, &mut &bytes[..], length, trailer, &mut out).is_err());
            prop_assert!(out.is_empty());
            prop_assert!(open_segment(&hostile, &KEY, length, &bytes).is_err());
        }
    }
}
