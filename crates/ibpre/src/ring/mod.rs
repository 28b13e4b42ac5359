//! Arithmetic in R_q = Z_q\[X\]/(X^n + 1): transform, packing, compression, samplers.
//!
//! Unsigned coefficients are in 0..q at every border of this module (`u64` where they go on to a
//! transform, else `u32`); what is signed is `i32` and centred. This module knows no key and no
//! message.

mod elementary;
pub(crate) mod fft;
pub(crate) mod lanes;
pub(crate) mod ntt;
pub(crate) mod packing;
pub(crate) mod samplers;
pub(crate) mod twiddle;
