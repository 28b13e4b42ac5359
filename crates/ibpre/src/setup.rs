//! Set-up: the master key of an authority (`docs/scheme.md`, 1).
//!
//! In the product each patient is her own authority; the source paper's key generation centre is
//! the same call.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::encoding::{self, DecodeError, HEADER_LEN, Kind};
use crate::params::ParameterSet;
use crate::public::PublicParams;
use crate::ring::packing::{pack_signed, packed_len, unpack_signed};
use crate::trapdoor::{self, Basis, LONG_BITS, SHORT_BITS};

/// The master key: a short basis f, g, F, G with fG − gF = q. Who has it has every key under it.
/// Wiped on drop, no `Debug`.
pub struct MasterKey<P: ParameterSet> {
    basis: Basis<P>,
    public: PublicParams<P>,
}

/// Makes a master key from fresh randomness (tens of milliseconds, variable time).
pub fn setup<P: ParameterSet>(rng: &mut impl CryptoRng) -> MasterKey<P> {
    MasterKey::from_basis(trapdoor::generate(rng))
}

impl<P: ParameterSet> MasterKey<P> {
    /// Bytes of an encoding: 5634 for set A, 11266 for set B.
    pub const ENCODED_LEN: usize = HEADER_LEN + Self::BODY_LEN;

    const SHORT_LEN: usize = packed_len(P::N, SHORT_BITS);
    const LONG_LEN: usize = packed_len(P::N, LONG_BITS);
    const BODY_LEN: usize = 2 * Self::SHORT_LEN + 2 * Self::LONG_LEN;

    fn from_basis(basis: Basis<P>) -> Self {
        Self {
            public: PublicParams::from_coefficients(basis.public().to_vec()),
            basis,
        }
    }

    /// The public half.
    pub fn public_params(&self) -> &PublicParams<P> {
        &self.public
    }

    pub(crate) fn basis(&self) -> &Basis<P> {
        &self.basis
    }

    /// Header, then f, g at 9 bits and F, G at 13 bits a coefficient, two's complement. Secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(encoding::start::<P>(Kind::MasterKey, Self::BODY_LEN));
        let mut rest = &mut out[HEADER_LEN..];
        for (coefficients, bits) in [
            (self.basis.f(), SHORT_BITS),
            (self.basis.g(), SHORT_BITS),
            (self.basis.big_f(), LONG_BITS),
            (self.basis.big_g(), LONG_BITS),
        ] {
            let (part, after) = rest.split_at_mut(packed_len(P::N, bits));
            let wide = Zeroizing::new(coefficients.iter().map(|&c| c.into()).collect::<Vec<_>>());
            pack_signed(bits, &wide, part);
            rest = after;
        }
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, and checks that it is a trapdoor.
    ///
    /// # Errors
    /// Wrong length, version, set or kind; not fG − gF = q, or not short.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let body = encoding::body::<P>(Kind::MasterKey, Self::BODY_LEN, bytes)?;
        let (short, long) = body.split_at(2 * Self::SHORT_LEN);
        let (f, g) = short.split_at(Self::SHORT_LEN);
        let (big_f, big_g) = long.split_at(Self::LONG_LEN);
        let read = |bits: u32, bytes: &[u8]| -> Vec<i16> {
            let wide = unpack_signed(bits, bytes, P::N);
            wide.iter().map(|&c| c as i16).collect()
        };
        Basis::check(
            read(SHORT_BITS, f),
            read(SHORT_BITS, g),
            read(LONG_BITS, big_f),
            read(LONG_BITS, big_g),
        )
        .map(Self::from_basis)
        .ok_or(DecodeError::NotATrapdoor)
    }
}
