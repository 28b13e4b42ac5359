//! The identity-based proxy re-encryption of Jiang et al. as published, over matrices.
//!
//! **For study. Insecure: do not use.** Three users with chosen identities open any identity; a
//! proxy with one user opens every identity of a chain of delegations; m − n re-encrypted bits
//! give away the re-encryption key. `docs/attacks.md` breaks this module step by step, and
//! `docs/scheme.md` says what the product's scheme, which shares no code with it, does instead. It
//! exists behind the cargo feature `literal`, which no crate of the product enables.
//!
//! The six algorithms, from [`master_key_gen`] to [`decrypt`], stand in the paper's order. What
//! the paper takes from Micciancio and Peikert, "Trapdoors for Lattices: Simpler, Tighter, Faster,
//! Smaller" (EUROCRYPT 2012, "MP12" below), is in `trapdoor`. The code is for reading: plain loops,
//! `f64` sampling, nothing constant time, nothing wiped.
//!
//! | paper | here |
//! |---|---|
//! | n, q, m | [`Parameters::n`], [`Parameters::q`], [`Parameters::m`] |
//! | MPK = (A, u0, .., ul) | [`MasterPublicKey`] |
//! | MSK, a trapdoor T of A | [`MasterSecretKey`]: R with A·\[R; I\] = G |
//! | id, u = u0 + Σ id_i·u_i | `&[bool]`, [`MasterPublicKey::target`] |
//! | e, short with A·e = u | [`UserKey`] |
//! | rk = e1 − e2 | [`ReencryptionKey`] |
//! | (y, c), (y, c2) | [`Ciphertext`] |
//!
//! ```
//! use ibpre::literal::*;
//! # let rng = &mut rand_core::UnwrapErr(getrandom::SysRng);
//! let (public, secret) = master_key_gen(TOY, rng);
//! let (delegator, delegatee) = ([true; 16], [false; 16]);
//! let e1 = extract(&public, &secret, &delegator, rng);
//! let e2 = extract(&public, &secret, &delegatee, rng);
//! let ciphertext = encrypt(&public, &delegator, true, rng);
//! assert!(decrypt(&public, &e1, &ciphertext));
//! let turned = reencrypt(&public, &rekey(&e1, &e2), &ciphertext);
//! assert!(decrypt(&public, &e2, &turned));
//! ```

mod gaussian;
mod matrix;
mod parameters;
mod scheme;
mod trapdoor;

pub use matrix::Matrix;
pub use parameters::{BITS_128, Parameters, SMALL, TOY};
pub use scheme::{
    Ciphertext, MasterPublicKey, MasterSecretKey, ReencryptionKey, UserKey, decrypt, encrypt,
    extract, master_key_gen, reencrypt, rekey,
};
