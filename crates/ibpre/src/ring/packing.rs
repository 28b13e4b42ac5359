//! Fixed-width packing of coefficients, least significant bit first, and their compression to six
//! bits.
//!
//! A packed polynomial of n coefficients of b bits takes n·b/8 bytes; n is a multiple of 8, so no
//! padding bit exists and equal bytes mean equal values. Range checks belong to the caller that
//! knows the meaning; the loops here depend on no value.

use crate::params::ParameterSet;
use crate::ring::ntt::subtract_once;
use crate::secret::Buffer;

/// Bytes of n coefficients of `bits` bits.
pub(crate) const fn packed_len(n: usize, bits: u32) -> usize {
    n / 8 * bits as usize
}

/// Packs values below 2^bits. `out` is `packed_len(values.len(), bits)` bytes long.
pub(crate) fn pack(bits: u32, values: &[u32], out: &mut [u8]) {
    match bits {
        6 => pack_groups::<6>(values, out),
        9 => pack_groups::<9>(values, out),
        13 => pack_groups::<13>(values, out),
        15 => pack_groups::<15>(values, out),
        16 => pack_groups::<16>(values, out),
        20 => pack_groups::<20>(values, out),
        _ => pack_groups::<21>(values, out),
    }
}

/// Unpacks values below 2^bits. `bytes` is `packed_len(out.len(), bits)` bytes long.
pub(crate) fn unpack(bits: u32, bytes: &[u8], out: &mut [u32]) {
    match bits {
        6 => unpack_groups::<6>(bytes, out),
        9 => unpack_groups::<9>(bytes, out),
        13 => unpack_groups::<13>(bytes, out),
        15 => unpack_groups::<15>(bytes, out),
        16 => unpack_groups::<16>(bytes, out),
        20 => unpack_groups::<20>(bytes, out),
        _ => unpack_groups::<21>(bytes, out),
    }
}

/// Packs signed values in \[−2^(bits−1), 2^(bits−1)) as two's complement.
pub(crate) fn pack_signed(bits: u32, values: &[i32], out: &mut [u8]) {
    let mask = (1u32 << bits) - 1;
    let raw: Vec<u32> = values.iter().map(|&v| v as u32 & mask).collect();
    let raw = Buffer::from(raw);
    pack(bits, &raw, out);
}

/// Unpacks two's complement values: every bit string is a value, so nothing can be refused.
pub(crate) fn unpack_signed(bits: u32, bytes: &[u8], n: usize) -> Buffer<i32> {
    let mut raw = Buffer::zeros(n);
    unpack(bits, bytes, &mut raw);
    let shift = 32 - bits;
    let mut out = Buffer::zeros(n);
    for (out, &v) in out.iter_mut().zip(raw.iter()) {
        *out = ((v << shift) as i32) >> shift;
    }
    out
}

/// Whether every value fits `bits` bits of two's complement; looks at all values.
pub(crate) fn fits_signed(bits: u32, values: &[i32]) -> bool {
    let offset = 1i32 << (bits - 1);
    // v + offset is in 0..2^bits exactly if v fits; |v| < 2^30, so the sum does not wrap.
    let over = values
        .iter()
        .fold(0, |over, &v| over | ((v + offset) as u32 >> bits));
    over == 0
}

/// Eight values of `BITS` bits are `BITS` bytes.
fn pack_groups<const BITS: usize>(values: &[u32], out: &mut [u8]) {
    let (groups, _) = values.as_chunks::<8>();
    let (outs, _) = out.as_chunks_mut::<BITS>();
    for (group, out) in groups.iter().zip(outs) {
        // Two halves of 4·BITS ≤ 84 bits; an odd BITS leaves a nibble between them.
        let mut half = [0u128; 2];
        for i in 0..4 {
            half[0] |= u128::from(group[i]) << (i * BITS);
            half[1] |= u128::from(group[i + 4]) << (i * BITS);
        }
        let low = half[0] | (half[1] << (4 * BITS)); // the bits of half[1] past 128 − 4·BITS go to `high`
        let high = half[1] >> (128 - 4 * BITS);
        let mut bytes = [0u8; 32];
        bytes[..16].copy_from_slice(&low.to_le_bytes());
        bytes[16..].copy_from_slice(&high.to_le_bytes());
        out.copy_from_slice(&bytes[..BITS]);
    }
}

fn unpack_groups<const BITS: usize>(bytes: &[u8], out: &mut [u32]) {
    let (groups, _) = bytes.as_chunks::<BITS>();
    let (outs, _) = out.as_chunks_mut::<8>();
    let mask = (1u32 << BITS) - 1;
    for (group, out) in groups.iter().zip(outs) {
        let mut padded = [0u8; 32];
        padded[..BITS].copy_from_slice(group);
        for (i, value) in out.iter_mut().enumerate() {
            // BITS + 7 ≤ 28 bits: one load of 32 bits holds every value.
            let at = i * BITS / 8;
            let word =
                u32::from_le_bytes([padded[at], padded[at + 1], padded[at + 2], padded[at + 3]]);
            *value = (word >> (i * BITS % 8)) & mask;
        }
    }
}

/// Compress(v) = (v + 2^(s−1)) >> s in 0..64, for v in \[0, q).
#[inline(always)]
pub(crate) fn compress<P: ParameterSet>(v: u64) -> u32 {
    ((v + (1 << (P::C_SHIFT - 1))) >> P::C_SHIFT) as u32
}

/// Decompress(c) = c·2^s mod q in \[0, q), for c in 0..64; the error of a round trip is at most 2^(s−1).
#[inline(always)]
pub(crate) fn decompress<P: ParameterSet>(c: u32) -> u64 {
    subtract_once::<P>(u64::from(c) << P::C_SHIFT) // 63·2^s < 2q
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{SetA, SetB};
    use crate::ring::ntt::centred;
    use crate::test_rng::TestRng;
    use rand_core::Rng;

    #[test]
    fn packing_is_bit_by_bit() {
        let mut rng = TestRng::new(b"packing");
        for bits in [6, 9, 13, 15, 16, 20, 21] {
            let values: Vec<u32> = (0..64).map(|_| rng.next_u32() >> (32 - bits)).collect();
            let mut bytes = vec![0; packed_len(64, bits)];
            pack(bits, &values, &mut bytes);
            for (i, value) in values.iter().enumerate() {
                for b in 0..bits as usize {
                    let at = i * bits as usize + b;
                    assert_eq!(u32::from(bytes[at / 8] >> (at % 8)) & 1, (value >> b) & 1);
                }
            }
            let mut back = vec![0; 64];
            unpack(bits, &bytes, &mut back);
            assert_eq!(back, values);
            let signed: Vec<i32> = values
                .iter()
                .map(|&v| v as i32 - (1 << (bits - 1)))
                .collect();
            assert!(fits_signed(bits, &signed));
            pack_signed(bits, &signed, &mut bytes);
            assert_eq!(*unpack_signed(bits, &bytes, 64), signed);
            assert!(!fits_signed(bits, &[1 << (bits - 1)]));
            assert!(!fits_signed(bits, &[-(1 << (bits - 1)) - 1]));
        }
    }

    #[test]
    fn compression_of_every_value() {
        fn check<P: ParameterSet>() {
            for v in 0..P::Q {
                let c = compress::<P>(u64::from(v));
                assert!(c < 64);
                let back = decompress::<P>(c) as u32;
                assert!(back < P::Q);
                let error = centred::<P>((v + P::Q - back) % P::Q);
                assert!(error.unsigned_abs() <= 1 << (P::C_SHIFT - 1), "{v}");
            }
        }
        check::<SetA>();
        check::<SetB>();
    }
}
