//! Sealed bodies as the protocol page has them ("A record", step 3), checked from outside.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base::{RecordId, Version, codec, domain};
use share::body::{
    BodyHeader, MAX_BODY, MIN_BODY, OpenBodyError, PLAIN, SEGMENT, SealBodyError, open,
    open_segment, padded, seal,
};
use std::{
    io::{self, Read},
    sync::mpsc::{Sender, channel},
};

const KEY: [u8; 32] = [7; 32];

fn header(size: u64) -> BodyHeader {
    BodyHeader {
        version: Version,
        suite: 1,
        record: RecordId([3; 32]),
        part: 2,
        size,
    }
}

fn sealed(bytes: &[u8]) -> (BodyHeader, Vec<u8>) {
    let length = bytes.len() as u64;
    let header = header(padded(length));
    let mut source = bytes;
    let mut out = Vec::new();
    let all = |from: &mut dyn Read| from.read_to_end(&mut out);
    seal(&header, &KEY, &mut source, length, b"", all).unwrap();
    (header, out)
}

/// "AES-256-GCM, nonce 7 zero bytes, counter, last flag": opened by the cipher alone.
#[test]
fn a_segment_is_what_the_page_says() {
    let bytes = vec![9; 2 * PLAIN + 5];
    let (header, out) = sealed(&bytes);
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &KEY).unwrap());
    let aad = [domain::preamble(domain::BODY), codec::encode(&header)].concat();
    let mut opened = Vec::new();
    for (index, segment) in out.chunks(SEGMENT).enumerate() {
        let mut nonce = [0; 12];
        nonce[10] = index as u8;
        nonce[11] = u8::from(index == 2);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let mut segment = segment.to_vec();
        let plain = cipher.open_in_place(nonce, Aad::from(&aad), &mut segment);
        opened.extend_from_slice(plain.unwrap());
    }
    assert_eq!(opened[..bytes.len()], bytes);
    assert!(opened[bytes.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_header_has_a_padded_size() {
    for size in [MIN_BODY, 4_352, padded(1_000_000), MAX_BODY] {
        assert!(header(size).is_sound(), "{size}");
    }
    // Of the right kind but too small or too large; between two of the right kind.
    for size in [0, 1_024, 2 * MAX_BODY, 4_097, MIN_BODY - 1, MAX_BODY - 1] {
        assert!(!header(size).is_sound(), "{size}");
    }
}

#[test]
fn a_segment_after_the_last_is_none() {
    let (header, out) = sealed(&vec![9; PLAIN + 5]);
    for segment in [&out[..SEGMENT], &out[..16], &[]] {
        let error = open_segment(&header, &KEY, 2, segment).unwrap_err();
        assert!(matches!(error, OpenBodyError::Size), "{error:?}");
    }
    let unsound = self::header(4_097);
    let error = open_segment(&unsound, &KEY, 0, &out[..SEGMENT]).unwrap_err();
    assert!(matches!(error, OpenBodyError::Size), "{error:?}");
}

#[test]
fn a_body_that_ends_early_is_damaged_and_one_that_fails_is_not() {
    let bytes = vec![9; PLAIN + 100_000];
    let (header, out) = sealed(&bytes);
    let opened = |source: &mut (dyn Read + Send)| {
        open(
            &header,
            &KEY,
            source,
            bytes.len() as u64,
            0,
            &mut io::sink(),
        )
        .unwrap_err()
    };
    let error = opened(&mut &out[..SEGMENT + 100]);
    assert!(
        matches!(error, OpenBodyError::Damaged { segment: 1 }),
        "{error:?}"
    );
    let error = opened(&mut (&out[..SEGMENT + 100]).chain(Torn));
    assert!(matches!(error, OpenBodyError::Source(_)), "{error:?}");
}

struct Torn;

impl Read for Torn {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("torn"))
    }
}

/// Every byte of the padding counts, also those that cancel each other.
#[test]
fn padding_is_zeros() {
    let (header, out) = sealed(&[9; 8_000]);
    for kept in 7_996..8_000 {
        let ended = open(&header, &KEY, &mut &out[..], kept, 0, &mut io::sink());
        let error = ended.unwrap_err();
        assert!(
            matches!(error, OpenBodyError::Damaged { segment: 0 }),
            "{kept}: {error:?}"
        );
    }
}

/// A source that tells when it was read to its end.
struct Told<'a>(&'a [u8], Sender<()>);

impl Read for Told<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            self.1.send(()).unwrap();
        }
        self.0.read(out)
    }
}

/// Also one that stops where a segment ends, and when all of them wait for it.
#[test]
fn a_store_that_stops_before_the_end_has_no_body() {
    for length in [100, 3 * PLAIN - 100_000] {
        let bytes = vec![9; length];
        let header = header(padded(length as u64));
        let size = header.sealed_size() as usize;
        for read in [0, 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, size - 1, size] {
            let (told, ended) = channel();
            let mut source = Told(&bytes, told);
            let sink = |from: &mut dyn Read| {
                let mut out = Vec::new();
                from.take(read as u64).read_to_end(&mut out)?;
                ended.recv().unwrap();
                Ok(out.len())
            };
            let made = seal(&header, &KEY, &mut source, length as u64, b"", sink);
            match made {
                Ok((got, _)) => assert!(read >= size && got == size, "{read} of {size}"),
                Err(error) => {
                    assert!(matches!(error, SealBodyError::Sink(_)), "{error:?}");
                    assert!(read < size, "{read} of {size}");
                }
            }
        }
    }
}

#[test]
fn a_header_that_does_not_fit_seals_nothing() {
    // Of a size that no body has; too small for the content, or for content and trailer.
    for (size, trailer) in [(4_097, 0), (MIN_BODY, 1), (MIN_BODY, 5_000)] {
        let bytes = [9; MIN_BODY as usize];
        let mut source = &bytes[..];
        let nobody = |_: &mut dyn Read| -> io::Result<()> { panic!("a sink for nothing") };
        let length = MIN_BODY;
        let made = seal(
            &header(size),
            &KEY,
            &mut source,
            length,
            &vec![0; trailer],
            nobody,
        );
        let error = made.unwrap_err();
        assert!(matches!(error, SealBodyError::Size(_)), "{error:?}");
    }
}
