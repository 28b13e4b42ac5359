//! Arithmetic in R_q = Z_q\[X\]/(X^n + 1): transform, packing, compression, samplers.
//!
//! Coefficients are `u32` in 0..q at every border of this module; what is signed is `i32` and
//! centred. This module knows no key and no message.

pub(crate) mod fft;
